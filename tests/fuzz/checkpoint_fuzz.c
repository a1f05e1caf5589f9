/* A checkpoint folder of two generations in which files were changed, cut, lengthened, removed or
 * replaced. The input is a list of such acts, each one byte for the file, one for the act and its
 * arguments; after an act that asks for it, sums and checksums are made right again, so that the
 * parsers behind them are reached. What loads is whole: its blobs, weights and frames can be read.
 *
 * The folder is in memory: calls that open, read and list come here (the linker's --wrap). Now and
 * then it is laid down as files, which must load just as well. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "fuzz.h"
#include "train/checkpoint_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILES 16
#define MAX_BYTES 4096
#define ROOM      (MAX_BYTES + 256) /* a file is lengthened by at most 255 bytes */
#define MAX_LINKS 40                /* that are followed, as by the kernel */
#define MAX_ACTS  16                /* more would only undo each other */

typedef enum file_kind { REGULAR, GONE, FOLDER, PIPE, LINK } file_kind;

/* A file as it was saved and as it is now. */
typedef struct file {
    char path[512];
    uint8_t good[MAX_BYTES], bytes[ROOM];
    size_t n_good, n;
    file_kind kind;
    const struct file *target; /* of a LINK */
    bool touched;
} file;

static const cw_replay_desc desc = {
    .capacity = 6,
    .episode_steps = 4,
    .stack = 2,
    .action_dim = 1,
    .frame = {.channels = 1, .height = 2, .width = 2},
    .batch_size = 2,
    .crop_size = 2,
};

static char folder[64];
static file files[MAX_FILES];
static int n_files;
static cw_manifest manifests[2]; /* of the good generations 1 and 2 */
static cw_checkpoint_store *store;

/* ---- the folder in memory ---- */

#define FIRST_FD 10000 /* the file's index is added */

static bool in_memory;
static int listed; /* files that a list of names has given */

/* What opening a path finds, links followed; NULL: nothing. */
static const file *look_up(const char *path) {
    const file *at = NULL;
    size_t n_folder = strlen(folder); /* every path begins with it */
    for (int i = 0; i < n_files && at == NULL; i++) {
        if (strcmp(files[i].path + n_folder, path + n_folder) == 0) at = &files[i];
    }
    for (int i = 0; i < MAX_LINKS && at != NULL && at->kind == LINK; i++) at = at->target;
    return at == NULL || at->kind == GONE ? NULL : at;
}

cw_status __real_cw_file_open(const char *path, int *fd, uint64_t *bytes);
cw_status __wrap_cw_file_open(const char *path, int *fd, uint64_t *bytes);
cw_status __wrap_cw_file_open(const char *path, int *fd, uint64_t *bytes) {
    if (!in_memory) return __real_cw_file_open(path, fd, bytes);
    const file *found = look_up(path);
    if (found == NULL) return cw_fail(CW_ENOTFOUND, "%s: it is missing", path);
    if (found->kind != REGULAR) return cw_fail(CW_EIO, "%s is not a regular file", path);
    *fd = FIRST_FD + (int)(found - files);
    *bytes = found->n;
    return CW_OK;
}

cw_status __real_cw_file_read_at(int fd, const char *path, void *out, size_t n, uint64_t at);
cw_status __wrap_cw_file_read_at(int fd, const char *path, void *out, size_t n, uint64_t at);
cw_status __wrap_cw_file_read_at(int fd, const char *path, void *out, size_t n, uint64_t at) {
    if (!in_memory) return __real_cw_file_read_at(fd, path, out, n, at);
    const file *from = &files[fd - FIRST_FD];
    if (at > from->n || n > from->n - at) return cw_fail(CW_EIO, "%s became shorter", path);
    memcpy(out, from->bytes + at, n);
    return CW_OK;
}

cw_status __real_cw_file_read(const char *path, uint64_t most, unsigned char **out, size_t *n);
cw_status __wrap_cw_file_read(const char *path, uint64_t most, unsigned char **out, size_t *n);
cw_status __wrap_cw_file_read(const char *path, uint64_t most, unsigned char **out, size_t *n) {
    if (!in_memory) return __real_cw_file_read(path, most, out, n);
    int fd;
    uint64_t bytes;
    unsigned char *text;
    CW_TRY(__wrap_cw_file_open(path, &fd, &bytes));
    if (bytes > most) return cw_fail(CW_EFORMAT, "%s is too long", path);
    CW_TRY(cw_alloc(&text, (size_t)bytes + 1, 1, path));
    CW_TRY(__wrap_cw_file_read_at(fd, path, text, (size_t)bytes, 0));
    *out = text;
    *n = (size_t)bytes;
    return CW_OK;
}

int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd) {
    return fd >= FIRST_FD ? 0 : __real_close(fd);
}

DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
DIR *__wrap_opendir(const char *path) {
    listed = 0;
    return in_memory ? (DIR *)(void *)files : __real_opendir(path);
}

struct dirent *__real_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir);
struct dirent *__wrap_readdir(DIR *dir) {
    static struct dirent entry;
    if (!in_memory) return __real_readdir(dir);
    while (listed < n_files && files[listed].kind == GONE) listed++;
    if (listed == n_files) return NULL;
    snprintf(entry.d_name, sizeof entry.d_name, "%s", strrchr(files[listed++].path, '/') + 1);
    return &entry;
}

int __real_closedir(DIR *dir);
int __wrap_closedir(DIR *dir);
int __wrap_closedir(DIR *dir) {
    return in_memory ? 0 : __real_closedir(dir);
}

/* ---- two good generations ---- */

static void save(cw_replay *replay, int frames) {
    static uint8_t index[4096];
    float action = 0.5f, weights[3] = {1, 2, 3};
    for (int i = 0; i < frames; i++) {
        memset(cw_replay_lend(replay), i, 4);
        if (cw_replay_commit(replay, &action, 1, 1, i == 3) == CW_OK) continue;
        REQUIRE(cw_replay_commit_first(replay) == CW_OK);
    }
    size_t n = cw_replay_index_bytes(replay);
    REQUIRE(n <= sizeof index);
    cw_replay_index_save(replay, index);
    const cw_safetensors_entry entry = {"w", cw_tensor_1d(CW_F32, weights, 3)};
    const cw_checkpoint_blob blobs[] = {{"state", weights, 8}, {"replay", index, n}};
    const cw_replay_span span = cw_replay_span_of(replay);
    const cw_checkpoint_parts parts = {
        .entries = &entry, .n_entries = 1, .blobs = blobs, .n_blobs = 2, .frames = &span};
    REQUIRE(cw_checkpoint_save(store, &parts, NULL) == CW_OK);
}

static void remember(const char *inside) {
    struct dirent **names;
    char path[128];
    snprintf(path, sizeof path, "%s%s", folder, inside);
    int n = scandir(path, &names, NULL, alphasort);
    REQUIRE(n > 0);
    for (int i = 0; i < n; i++) {
        file *f = &files[n_files];
        struct stat info;
        snprintf(f->path, sizeof f->path, "%s%s/%s", folder, inside, names[i]->d_name);
        free(names[i]);
        if (stat(f->path, &info) != 0 || !S_ISREG(info.st_mode)) continue;
        f->n = f->n_good = (size_t)info.st_size;
        REQUIRE(n_files < MAX_FILES && f->n <= MAX_BYTES);
        FILE *in = fopen(f->path, "rb");
        REQUIRE(in != NULL && fread(f->good, 1, MAX_BYTES, in) == f->n);
        memcpy(f->bytes, f->good, f->n);
        fclose(in);
        n_files++;
    }
    free(names);
}

static void remove_all(void) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    // NOLINTNEXTLINE(cert-env33-c): a folder of this process's own
    if (system(command) != 0) perror(folder);
}

static void make(void) {
    snprintf(folder, sizeof folder, "/dev/shm/cw_fuzz_checkpoint_%d", (int)getpid());
    atexit(remove_all);
    cw_replay *replay;
    REQUIRE(cw_replay_create(&replay, &desc) == CW_OK);
    REQUIRE(cw_checkpoint_store_open(&store, folder, 4, 2, NULL) == CW_OK);
    save(replay, 6);
    save(replay, 5);
    cw_replay_destroy(replay);
    remember("");
    remember("/frames");
    for (int i = 0; i < n_files; i++) {
        const char *at = strstr(files[i].path, "manifest-");
        if (at == NULL) continue;
        uint64_t g = (uint64_t)(at[9] - '0');
        REQUIRE(cw_manifest_parse(&manifests[g - 1], (char *)files[i].good, files[i].n, g) ==
                CW_OK);
    }
}

/* ---- acts ---- */

/* Makes the sums in a manifest those of the files as they are now. */
static void reseal(int g) {
    cw_manifest m = manifests[g];
    cw_file_sum sum;
    cw_segment segments[8];
    char path[PATH_MAX];
    cw_checkpoint_path(path, folder, CW_FILE_AGENT, m.generation);
    if (cw_checkpoint_file_sum(store, path, UINT64_MAX, &sum) == CW_OK) m.agent = sum;
    cw_checkpoint_path(path, folder, CW_FILE_STATE, m.generation);
    if (cw_checkpoint_file_sum(store, path, UINT64_MAX, &sum) == CW_OK) m.state = sum;
    REQUIRE(m.n_segments <= 8);
    for (size_t i = 0; i < m.n_segments; i++) {
        cw_segment *s = &segments[i];
        *s = m.segment[i];
        cw_checkpoint_segment_path(path, folder, s->generation, s->first);
        if (cw_checkpoint_file_sum(store, path, UINT64_MAX, &sum) == CW_OK) s->crc = sum.crc;
    }
    m.segment = segments;
    char *text;
    size_t n;
    REQUIRE(cw_manifest_render(&m, &text, &n) == CW_OK && n <= ROOM);
    cw_checkpoint_path(path, folder, CW_FILE_MANIFEST, m.generation);
    for (int i = 0; i < n_files; i++) {
        file *f = &files[i];
        if (strcmp(f->path, path) != 0) continue;
        memcpy(f->bytes, text, n);
        f->n = n, f->kind = REGULAR, f->touched = true;
    }
    cw_free(text);
}

/* One act on a file, from its good contents; returns the bytes of arguments that it took. */
static size_t act(file *f, int what, const uint8_t *bytes, size_t n) {
    size_t count = n > 0 ? bytes[0] : 0;
    const file *other = &files[count % (size_t)n_files];
    memcpy(f->bytes, f->good, f->n_good);
    f->n = f->n_good, f->kind = REGULAR, f->touched = true;
    switch (what) {
    case 0: /* bytes changed */
        if (count + 1 > n) count = n > 0 ? n - 1 : 0;
        fuzz_patch(f->bytes, f->n, bytes + 1, count);
        return n > 0 ? count + 1 : 0;
    case 1: /* cut */
        f->n -= count < f->n ? count : f->n;
        break;
    case 2: /* lengthened */
        memset(f->bytes + f->n, 0, count);
        f->n += count;
        break;
    case 3:
        f->kind = GONE;
        return 0;
    case 4:
        f->kind = FOLDER;
        return 0;
    case 5:
        f->kind = PIPE;
        return 0;
    case 6:
        f->kind = LINK;
        f->target = other;
        break;
    default: /* another file's good contents */
        memcpy(f->bytes, other->good, other->n_good);
        f->n = other->n_good;
        break;
    }
    return n > 0;
}

static void restore(void) {
    for (int i = 0; i < n_files; i++) {
        file *f = &files[i];
        if (!f->touched) continue;
        memcpy(f->bytes, f->good, f->n_good);
        f->n = f->n_good, f->kind = REGULAR, f->touched = false;
    }
}

/* Lays the files that were touched down on disk, as they are now. */
static void put_down(const bool touched[MAX_FILES]) {
    for (int i = 0; i < n_files; i++) {
        const file *f = &files[i];
        if (!touched[i]) continue;
        if (unlink(f->path) != 0) rmdir(f->path);
        if (f->kind == REGULAR) fuzz_put(f->path, f->bytes, f->n);
        if (f->kind == FOLDER) REQUIRE(mkdir(f->path, 0700) == 0);
        if (f->kind == PIPE) REQUIRE(mkfifo(f->path, 0600) == 0);
        if (f->kind == LINK) REQUIRE(symlink(f->target->path, f->path) == 0);
    }
}

/* ---- loading ---- */

static volatile uint8_t sink;

static void use(const cw_checkpoint *checkpoint) {
    const void *blob;
    size_t n;
    cw_replay *replay;
    REQUIRE(cw_replay_create(&replay, &desc) == CW_OK);
    const cw_safetensors *weights = cw_checkpoint_weights(checkpoint);
    for (int i = 0; i < cw_safetensors_count(weights); i++) {
        const cw_tensor *tensor = cw_safetensors_tensor(weights, i);
        size_t bytes = cw_tensor_bytes(tensor);
        if (bytes > 0) sink = ((const uint8_t *)tensor->data)[bytes - 1];
    }
    cw_status status = cw_checkpoint_blob_find(checkpoint, "replay", &blob, &n);
    if (status == CW_OK) {
        if (n > 0) sink = ((const uint8_t *)blob)[n - 1];
        status = cw_replay_index_load(replay, blob, n);
    }
    if (status == CW_OK) status = cw_checkpoint_read_frames(checkpoint, replay);
    if (status != CW_OK) fuzz_require_message(status);
    cw_replay_destroy(replay);
}

/* Loads with or without frames; the generation, 0 when none is whole. */
static uint64_t load(bool with_frames) {
    cw_checkpoint *checkpoint;
    cw_status status = cw_checkpoint_load(store, with_frames, &checkpoint);
    if (status != CW_OK) {
        fuzz_require_message(status);
        return 0;
    }
    uint64_t generation = cw_checkpoint_generation(checkpoint);
    if (with_frames) use(checkpoint);
    cw_checkpoint_free(checkpoint);
    return generation;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    if (n_files == 0) make();
    const bool as_files = fuzz_one_in(256, bytes, n);
    bool touched[MAX_FILES] = {false};
    in_memory = true;
    for (int acts = 0; acts < MAX_ACTS && n >= 2; acts++) {
        file *f = &files[bytes[0] % n_files];
        int what = bytes[1] % 8, seal = bytes[1] / 8 % 4;
        size_t taken = 2 + act(f, what, bytes + 2, n - 2);
        if (seal == 1) reseal(0);
        if (seal == 2) reseal(1);
        bytes += taken, n -= taken;
    }
    const uint64_t without = load(false), with = load(true);
    in_memory = false;
    for (int i = 0; i < n_files; i++) touched[i] = files[i].touched;
    if (as_files) {
        put_down(touched);
        REQUIRE(load(false) == without && load(true) == with);
    }
    restore();
    if (as_files) put_down(touched);
    return 0;
}
