/* A checkpoint folder of two generations in which files were changed, cut, lengthened, removed or
 * replaced. The input is a list of such acts, each one byte for the file, one for the act and its
 * arguments; after an act that asks for it, sums and checksums are made right again, so that the
 * parsers behind them are reached. What loads is whole: its blobs, weights and frames can be read.
 */
#include "base/file.h"
#include "fuzz.h"
#include "train/checkpoint_internal.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILES 16
#define MAX_BYTES 4096

typedef struct good_file {
    char path[512];
    uint8_t bytes[MAX_BYTES];
    size_t n;
    bool touched;
} good_file;

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
static good_file files[MAX_FILES];
static int n_files;
static cw_manifest manifests[2]; /* of the good generations 1 and 2 */

static cw_checkpoint_store *open_store(void) {
    cw_checkpoint_store *store;
    REQUIRE(cw_checkpoint_store_open(&store, folder, 4, 2, NULL) == CW_OK);
    return store;
}

static void save(cw_checkpoint_store *store, cw_replay *replay, int frames) {
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
        good_file *file = &files[n_files];
        struct stat info;
        snprintf(file->path, sizeof file->path, "%s%s/%s", folder, inside, names[i]->d_name);
        free(names[i]);
        if (stat(file->path, &info) != 0 || !S_ISREG(info.st_mode)) continue;
        file->n = (size_t)info.st_size;
        REQUIRE(n_files < MAX_FILES && file->n <= MAX_BYTES);
        FILE *in = fopen(file->path, "rb");
        REQUIRE(in != NULL && fread(file->bytes, 1, MAX_BYTES, in) == file->n);
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
    cw_checkpoint_store *store = open_store();
    save(store, replay, 6);
    save(store, replay, 5);
    cw_checkpoint_store_close(store);
    cw_replay_destroy(replay);
    remember("");
    remember("/frames");
    for (int i = 0; i < n_files; i++) {
        const char *at = strstr(files[i].path, "manifest-");
        if (at == NULL) continue;
        uint64_t g = (uint64_t)(at[9] - '0');
        REQUIRE(cw_manifest_parse(&manifests[g - 1], (char *)files[i].bytes, files[i].n, g) ==
                CW_OK);
    }
}

static void clear(good_file *file) {
    if (unlink(file->path) != 0) rmdir(file->path);
    file->touched = true;
}

static void restore(void) {
    for (int i = 0; i < n_files; i++) {
        if (!files[i].touched) continue;
        clear(&files[i]);
        fuzz_put(files[i].path, files[i].bytes, files[i].n);
        files[i].touched = false;
    }
}

/* Makes the sums in a manifest those of the files as they are now. */
static void reseal(int g) {
    cw_checkpoint_store *store = open_store();
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
    REQUIRE(cw_manifest_render(&m, &text, &n) == CW_OK);
    for (int i = 0; i < n_files; i++) {
        char name[32];
        snprintf(name, sizeof name, "manifest-%d", g + 1);
        if (strstr(files[i].path, name) == NULL) continue;
        clear(&files[i]);
        fuzz_put(files[i].path, text, n);
    }
    cw_free(text);
    cw_checkpoint_store_close(store);
}

/* One act on a file; returns the bytes of arguments that it took. */
static size_t act(good_file *file, int what, const uint8_t *bytes, size_t n) {
    static uint8_t changed[MAX_BYTES + 256];
    size_t size = file->n, count = n > 0 ? bytes[0] : 0;
    clear(file);
    memcpy(changed, file->bytes, size);
    switch (what) {
    case 0: /* bytes changed */
        if (count + 1 > n) count = n > 0 ? n - 1 : 0;
        fuzz_patch(changed, size, bytes + 1, count);
        break;
    case 1: /* cut */
        size -= count < size ? count : size;
        count = 0;
        break;
    case 2: /* lengthened */
        memset(changed + size, 0, count);
        size += count;
        count = 0;
        break;
    case 3:
        return 0; /* removed */
    case 4:
        REQUIRE(mkdir(file->path, 0700) == 0);
        return 0;
    case 5:
        REQUIRE(mkfifo(file->path, 0600) == 0);
        return 0;
    case 6: /* a link to another file */
        REQUIRE(symlink(files[count % (size_t)n_files].path, file->path) == 0);
        return n > 0;
    default: { /* another file's contents */
        const good_file *other = &files[count % (size_t)n_files];
        fuzz_put(file->path, other->bytes, other->n);
        return n > 0;
    }
    }
    fuzz_put(file->path, changed, size);
    return n > 0 ? count + 1 : 0;
}

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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    if (n_files == 0) make();
    while (n >= 2) {
        good_file *file = &files[bytes[0] % n_files];
        int what = bytes[1] % 8, seal = bytes[1] / 8 % 4;
        size_t taken = 2 + act(file, what, bytes + 2, n - 2);
        if (seal == 1) reseal(0);
        if (seal == 2) reseal(1);
        bytes += taken, n -= taken;
    }
    cw_checkpoint_store *store = open_store();
    for (int with_frames = 0; with_frames < 2; with_frames++) {
        cw_checkpoint *checkpoint;
        cw_status status = cw_checkpoint_load(store, with_frames == 1, &checkpoint);
        if (status != CW_OK) {
            fuzz_require_message(status);
            continue;
        }
        if (with_frames == 1) use(checkpoint);
        cw_checkpoint_free(checkpoint);
    }
    cw_checkpoint_store_close(store);
    restore();
    return 0;
}
