#include "train/checkpoint_run.h"

#include "base/file.h"
#include "base/memory.h"
#include "test.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const cw_replay_desc desc = {
    .capacity = 30,
    .episode_steps = 7,
    .stack = 3,
    .action_dim = 2,
    .frame = {.channels = 1, .height = 3, .width = 5},
    .batch_size = 8,
    .crop_size = 2,
    .random_crop = true,
};

void run_open(fake_run *run) {
    memset(run, 0, sizeof *run);
    assert_int_equal(cw_replay_create(&run->replay, &desc), CW_OK);
    run->index = malloc(cw_replay_index_bytes(run->replay));
    assert_non_null(run->index);
}

void run_close(fake_run *run) {
    cw_replay_destroy(run->replay);
    free(run->index);
}

void run_advance(fake_run *run, int64_t steps) {
    for (int64_t i = 0; i < steps; i++, run->step++) {
        uint8_t *frame = cw_replay_lend(run->replay);
        for (int b = 0; b < 15; b++)
            frame[b] = (uint8_t)((run->step * 31 + b * 7) ^ (run->step >> 3));
        int64_t at = run->step % 8;
        const float action[2] = {(float)(run->step % 5) * 0.25f, -1};
        cw_status status = at == 0 ? cw_replay_commit_first(run->replay)
                                   : cw_replay_commit(run->replay, action, (double)run->step,
                                                      at == 7 ? 0.0f : 1.0f, at == 7);
        assert_int_equal(status, CW_OK);
        for (int w = 0; w < RUN_WEIGHTS; w++) run->weights[w] += (float)(run->step + w);
    }
}

cw_status run_save(fake_run *run, cw_checkpoint_store *store, cw_checkpoint_stats *stats) {
    const int64_t shape[2] = {4, 6};
    const cw_safetensors_entry entry = {.name = "weights",
                                        .tensor = cw_tensor_nd(CW_F32, run->weights, 2, shape)};
    const cw_safetensors_meta meta = {.key = "kind", .value = "test"};
    cw_replay_index_save(run->replay, run->index);
    const cw_replay_span frames = cw_replay_span_of(run->replay);
    const cw_checkpoint_blob blobs[] = {
        {.name = "step", .bytes = &run->step, .n = sizeof run->step},
        {.name = "nothing", .bytes = NULL, .n = 0},
        {.name = "replay", .bytes = run->index, .n = cw_replay_index_bytes(run->replay)},
    };
    const cw_checkpoint_parts parts = {.entries = &entry,
                                       .n_entries = 1,
                                       .meta = &meta,
                                       .n_meta = 1,
                                       .blobs = blobs,
                                       .n_blobs = 3,
                                       .frames = &frames};
    return cw_checkpoint_save(store, &parts, stats);
}

cw_status run_load(fake_run *run, cw_checkpoint_store *store) {
    cw_checkpoint *checkpoint = NULL;
    cw_status status = cw_checkpoint_load(store, true, &checkpoint);
    if (status != CW_OK) return status;
    const void *bytes;
    size_t n;
    assert_int_equal(cw_checkpoint_blob_find(checkpoint, "nothing", &bytes, &n), CW_OK);
    assert_int_equal(n, 0);
    assert_int_equal(cw_checkpoint_blob_find(checkpoint, "absent", &bytes, &n), CW_EFORMAT);
    assert_int_equal(cw_checkpoint_blob_find(checkpoint, "step", &bytes, &n), CW_OK);
    assert_int_equal(n, sizeof run->step);
    memcpy(&run->step, bytes, n);
    assert_int_equal(cw_checkpoint_blob_find(checkpoint, "replay", &bytes, &n), CW_OK);
    assert_int_equal((uintptr_t)bytes % 64, 0);
    assert_int_equal(cw_replay_index_load(run->replay, bytes, n), CW_OK);
    const cw_safetensors *weights = cw_checkpoint_weights(checkpoint);
    const cw_tensor *tensor = cw_safetensors_find(weights, "weights");
    assert_non_null(tensor);
    assert_int_equal(cw_tensor_bytes(tensor), sizeof run->weights);
    memcpy(run->weights, tensor->data, sizeof run->weights);
    assert_string_equal(cw_safetensors_metadata(weights, "kind"), "test");
    status = cw_checkpoint_read_frames(checkpoint, run->replay);
    cw_checkpoint_free(checkpoint);
    return status;
}

void run_check(const fake_run *run) {
    fake_run want;
    run_open(&want);
    run_advance(&want, run->step);
    assert_memory_equal(run->weights, want.weights, sizeof want.weights);
    assert_int_equal(cw_replay_frames(run->replay), want.step);
    size_t n = cw_replay_index_bytes(want.replay);
    cw_replay_index_save(run->replay, run->index);
    cw_replay_index_save(want.replay, want.index);
    assert_memory_equal(run->index, want.index, n);
    for (int64_t f = cw_replay_oldest_frame(want.replay); f < want.step; f++) {
        assert_memory_equal(cw_replay_frame(run->replay, f), cw_replay_frame(want.replay, f), 15);
    }
    run_close(&want);
}

void folder_make(char out[PATH_MAX]) {
    const char *base = getenv("TMPDIR");
    if (base == NULL) base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(out, PATH_MAX, "%s/curlew-checkpoint-XXXXXX", base);
    assert_non_null(mkdtemp(out));
}

static void remove_files(const char *folder) {
    DIR *dir = opendir(folder);
    if (dir == NULL) return;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        char path[PATH_MAX + 128];
        struct stat info;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        assert_int_equal(cw_path_join(path, sizeof path, folder, e->d_name), CW_OK);
        if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
            remove_files(path);
        } else {
            unlink(path);
        }
    }
    closedir(dir);
    rmdir(folder);
}

void folder_remove(const char *folder) {
    remove_files(folder);
}

static int by_text(const void *a, const void *b) {
    return strcmp(a, b);
}

void folder_list(const char *folder, const char *prefix, char *out, size_t out_bytes) {
    char names[64][64];
    size_t n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (e->d_name[0] == '.' || strncmp(e->d_name, prefix, strlen(prefix)) != 0) continue;
        assert_true(n < 64);
        snprintf(names[n++], sizeof names[0], "%.63s", e->d_name);
    }
    closedir(dir);
    qsort(names, n, sizeof names[0], by_text);
    out[0] = '\0';
    for (size_t i = 0, at = 0; i < n; i++) {
        at += (size_t)snprintf(out + at, out_bytes - at, "%s ", names[i]);
        assert_true(at < out_bytes);
    }
}

/* Appends the names of the segments in a manifest to those known. */
static size_t add_segments(const char *folder, uint64_t generation, char names[64][64], size_t n) {
    char path[PATH_MAX + 128], name[64];
    unsigned char *text;
    size_t bytes;
    snprintf(path, sizeof path, "%s/manifest-%" PRIu64, folder, generation);
    assert_int_equal(cw_file_read(path, 1 << 20, &text, &bytes), CW_OK);
    for (const char *at = (char *)text; (at = strstr(at, "\nsegment ")) != NULL; at++) {
        uint64_t by;
        int64_t first;
        assert_int_equal(sscanf(at, "\nsegment %" SCNu64 " %" SCNd64, &by, &first), 2);
        snprintf(name, sizeof name, "%" PRIu64 "-%" PRId64 ".bin", by, first);
        bool known = false;
        for (size_t i = 0; i < n; i++) known |= strcmp(names[i], name) == 0;
        if (known) continue;
        assert_true(n < 64);
        memcpy(names[n++], name, sizeof name);
    }
    cw_free(text);
    return n;
}

/* The sorted names, each followed by a blank. */
static void join_names(char names[64][64], size_t n, char *out) {
    qsort(names, n, sizeof names[0], by_text);
    out[0] = '\0';
    for (size_t i = 0; i < n; i++) strcat(strcat(out, names[i]), " ");
}

void folder_check_clean(const char *folder) {
    char manifests[4096], all[4096], frames[PATH_MAX + 128], wanted[4096], found[4096];
    char top[64][64] = {"frames"}, segments[64][64];
    size_t n_top = 1, n_segments = 0;
    folder_list(folder, "manifest-", manifests, sizeof manifests);
    folder_list(folder, "", all, sizeof all);
    for (char *word = strtok(manifests, " "); word != NULL; word = strtok(NULL, " ")) {
        uint64_t g;
        assert_int_equal(sscanf(word, "manifest-%" SCNu64, &g), 1);
        assert_true(n_top < 7); /* two generations */
        snprintf(top[n_top++], sizeof top[0], "manifest-%" PRIu64, g);
        snprintf(top[n_top++], sizeof top[0], "agent-%" PRIu64 ".safetensors", g);
        snprintf(top[n_top++], sizeof top[0], "state-%" PRIu64 ".bin", g);
        n_segments = add_segments(folder, g, segments, n_segments);
    }
    join_names(top, n_top, wanted);
    assert_string_equal(all, wanted);
    join_names(segments, n_segments, wanted);
    assert_int_equal(cw_path_join(frames, sizeof frames, folder, "frames"), CW_OK);
    folder_list(frames, "", found, sizeof found);
    assert_string_equal(found, wanted);
}

cw_checkpoint_store *store_open(const char *folder, const cw_log *log) {
    cw_checkpoint_store *store = NULL;
    assert_int_equal(cw_checkpoint_store_open(&store, folder, 4, 2, log), CW_OK);
    return store;
}

void last_line_write(void *user, cw_log_level level, const char *line) {
    last_line *last = user;
    (void)level;
    snprintf(last->text, sizeof last->text, "%s", line);
    last->n++;
}
