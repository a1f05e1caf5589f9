#include "base/crc.h"
#include "base/file.h"
#include "base/memory.h"
#include "test.h"
#include "train/checkpoint.h"
#include "train/checkpoint_internal.h"
#include "train/checkpoint_run.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int setup(void **state) {
    char *folder = malloc(PATH_MAX);
    assert_non_null(folder);
    folder_make(folder);
    *state = folder;
    return 0;
}

static int teardown(void **state) {
    folder_remove(*state);
    free(*state);
    return 0;
}

/* Expects the newest whole checkpoint of the folder to be that of `step`. */
static void expect_step(const char *folder, int64_t step, const cw_log *log) {
    cw_checkpoint_store *store = store_open(folder, log);
    fake_run run;
    run_open(&run);
    cw_status status = run_load(&run, store);
    if (status != CW_OK) fail_msg("%s", cw_last_error());
    assert_int_equal(run.step, step);
    run_check(&run);
    run_close(&run);
    cw_checkpoint_store_close(store);
}

static void test_resumed_run_equals_uninterrupted_one(void **state) {
    const char *folder = *state;
    cw_checkpoint_store *store = store_open(folder, NULL);
    fake_run run;
    run_open(&run);
    assert_int_equal(run_load(&run, store), CW_ENOTFOUND);
    for (int round = 0; round < 25; round++) {
        run_advance(&run, 1 + (round * 7) % 12);
        assert_int_equal(run_save(&run, store, NULL), CW_OK);
        folder_check_clean(folder);
        if (round % 3 != 0) continue;
        int64_t step = run.step;
        run_close(&run);
        cw_checkpoint_store_close(store);
        store = store_open(folder, NULL);
        run_open(&run);
        assert_int_equal(run_load(&run, store), CW_OK);
        assert_int_equal(run.step, step);
        run_check(&run);
    }
    run_close(&run);
    cw_checkpoint_store_close(store);
}

static uint64_t file_bytes(const char *folder, const char *name) {
    char path[PATH_MAX + 128];
    struct stat info;
    assert_int_equal(cw_path_join(path, sizeof path, folder, name), CW_OK);
    assert_int_equal(stat(path, &info), 0);
    return (uint64_t)info.st_size;
}

static void test_only_new_frames_are_written(void **state) {
    const char *folder = *state;
    cw_checkpoint_store *store = store_open(folder, NULL);
    fake_run run;
    run_open(&run);
    int64_t frames_written = 0;
    for (uint64_t g = 1; g < 20; g++) {
        int64_t steps = (int64_t)(g * 5 % 11); /* 0 among them: nothing new to write */
        run_advance(&run, steps);
        cw_checkpoint_stats stats;
        assert_int_equal(run_save(&run, store, &stats), CW_OK);
        assert_int_equal(stats.generation, g);
        assert_int_equal(stats.frames_written, steps);
        frames_written += stats.frames_written;
        char name[64];
        uint64_t bytes = 15 * (uint64_t)steps;
        snprintf(name, sizeof name, "agent-%" PRIu64 ".safetensors", g);
        bytes += file_bytes(folder, name);
        snprintf(name, sizeof name, "state-%" PRIu64 ".bin", g);
        bytes += file_bytes(folder, name);
        snprintf(name, sizeof name, "manifest-%" PRIu64, g);
        bytes += file_bytes(folder, name);
        assert_int_equal(stats.bytes_written, bytes);
        /* What lies in frames/ is what the files' names say: no frame twice, none rewritten. */
        char frames[PATH_MAX + 128], prefix[32], all[4096];
        snprintf(frames, sizeof frames, "%s/frames", folder);
        snprintf(prefix, sizeof prefix, "%" PRIu64 "-", g);
        folder_list(frames, prefix, all, sizeof all);
        uint64_t on_disk = 0;
        for (char *word = strtok(all, " "); word != NULL; word = strtok(NULL, " ")) {
            on_disk += file_bytes(frames, word);
        }
        assert_int_equal(on_disk, 15 * (uint64_t)steps);
    }
    assert_int_equal(frames_written, run.step);
    /* A pause of more than the whole ring: only frames that still live. */
    run_advance(&run, 100);
    cw_checkpoint_stats stats;
    assert_int_equal(run_save(&run, store, &stats), CW_OK);
    assert_int_equal(stats.frames_written, run.step - cw_replay_oldest_frame(run.replay));
    expect_step(folder, run.step, NULL);
    run_close(&run);
    cw_checkpoint_store_close(store);
}

static void test_misuse_is_refused(void **state) {
    const char *folder = *state;
    cw_checkpoint_store *store = NULL;
    assert_int_equal(cw_checkpoint_store_open(&store, folder, 0, 2, NULL), CW_EINVAL);
    assert_int_equal(cw_checkpoint_store_open(&store, "", 4, 2, NULL), CW_EINVAL);
    assert_int_equal(cw_checkpoint_store_open(&store, folder, 4, 0, NULL), CW_EINVAL);
    assert_int_equal(cw_checkpoint_store_open(&store, folder, 4, 101, NULL), CW_EINVAL);
    assert_null(store);
    store = store_open(folder, NULL);
    fake_run run;
    run_open(&run);
    run_advance(&run, 10);
    assert_int_equal(run_save(&run, store, NULL), CW_OK);

    const struct {
        const char *names[2];
        int n;
    } blobs[] = {{{"", "b"}, 2},
                 {{"a", "a"}, 2},
                 {{"a", "b"}, -1},
                 {{"a", "b"}, 33},
                 {{"a", "a name of more than forty-seven bytes is too long"}, 2}};
    for (size_t i = 0; i < sizeof blobs / sizeof blobs[0]; i++) {
        cw_checkpoint_blob rows[33];
        for (int j = 0; j < 33; j++) {
            rows[j] = (cw_checkpoint_blob){.name = blobs[i].names[j % 2], .bytes = "x", .n = 1};
        }
        cw_checkpoint_parts parts = {.blobs = rows, .n_blobs = blobs[i].n};
        assert_int_equal(cw_checkpoint_save(store, &parts, NULL), CW_EINVAL);
        assert_non_null(strstr(cw_last_error(), "blob"));
        folder_check_clean(folder);
    }

    /* A replay that is not the checkpoint's continuation. */
    fake_run other;
    run_open(&other);
    run_advance(&other, 9);
    assert_int_equal(run_save(&other, store, NULL), CW_EINVAL);
    assert_non_null(strstr(cw_last_error(), "continuation"));
    expect_step(folder, 10, NULL);

    /* A store that has not loaded the folder's checkpoint with its frames. */
    cw_checkpoint_store *stranger = store_open(folder, NULL);
    run_advance(&other, 5);
    assert_int_equal(run_save(&other, stranger, NULL), CW_EINVAL);
    cw_checkpoint *light = NULL;
    assert_int_equal(cw_checkpoint_load(stranger, false, &light), CW_OK);
    assert_int_equal(cw_checkpoint_read_frames(light, other.replay), CW_EINVAL);
    cw_checkpoint_free(light);
    assert_int_equal(run_save(&other, stranger, NULL), CW_EINVAL);
    assert_non_null(strstr(cw_last_error(), "loaded"));
    cw_checkpoint *whole = NULL;
    assert_int_equal(cw_checkpoint_load(stranger, true, &whole), CW_OK);
    assert_int_equal(cw_checkpoint_generation(whole), 1);
    assert_int_equal(cw_checkpoint_read_frames(whole, other.replay), CW_EFORMAT);
    cw_checkpoint_free(whole);
    cw_checkpoint_store_close(stranger);

    run_advance(&run, 3);
    assert_int_equal(run_save(&run, store, NULL), CW_OK);
    expect_step(folder, 13, NULL);
    run_close(&other);
    run_close(&run);
    cw_checkpoint_store_close(store);
}

static void test_a_checkpoint_needs_no_frames(void **state) {
    const char *folder = *state;
    cw_checkpoint_store *store = store_open(folder, NULL);
    const cw_checkpoint_blob blob = {.name = "only", .bytes = "abc", .n = 3};
    const cw_checkpoint_parts parts = {.blobs = &blob, .n_blobs = 1};
    for (int i = 0; i < 3; i++) assert_int_equal(cw_checkpoint_save(store, &parts, NULL), CW_OK);
    folder_check_clean(folder);
    cw_checkpoint *checkpoint = NULL;
    assert_int_equal(cw_checkpoint_load(store, true, &checkpoint), CW_OK);
    const void *bytes;
    size_t n;
    assert_int_equal(cw_checkpoint_blob_find(checkpoint, "only", &bytes, &n), CW_OK);
    assert_int_equal(n, 3);
    assert_memory_equal(bytes, "abc", 3);
    cw_checkpoint_free(checkpoint);
    cw_checkpoint_store_close(store);
}

/* ---- damage ---- */

typedef enum damage { FLIP, SHORTEN, LENGTHEN, REMOVE, EMPTY, DAMAGES } damage;

/* Damages the file at a byte and returns its old contents for mend(). */
static unsigned char *damage_file(const char *path, damage kind, size_t at, size_t *n) {
    unsigned char *bytes;
    assert_int_equal(cw_file_read(path, 1 << 24, &bytes, n), CW_OK);
    if (kind == REMOVE) {
        assert_int_equal(unlink(path), 0);
        return bytes;
    }
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    if (kind == FLIP) {
        unsigned char byte = bytes[at] ^ (unsigned char)(1 << (at % 8));
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
    } else {
        off_t length = kind == SHORTEN ? (off_t)*n - 1 : kind == LENGTHEN ? (off_t)*n + 1 : 0;
        assert_int_equal(ftruncate(fd, length), 0);
    }
    close(fd);
    return bytes;
}

/* Writes in place: file systems flush a file that is cut to nothing and written anew. */
static void mend(const char *path, unsigned char *bytes, size_t n) {
    int fd = open(path, O_WRONLY | O_CREAT, 0644);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, n, 0), n);
    assert_int_equal(ftruncate(fd, (off_t)n), 0);
    close(fd);
    cw_free(bytes);
}

/* Whether manifest-<generation> needs the file. */
static bool needs(const char *folder, uint64_t generation, const char *name) {
    char path[PATH_MAX + 128], word[96];
    uint64_t by;
    int64_t first;
    if (sscanf(name, "frames/%" SCNu64 "-%" SCNd64, &by, &first) != 2) {
        const char *dash = strchr(name, '-');
        return strtoull(dash + 1, NULL, 10) == generation;
    }
    unsigned char *text;
    size_t n;
    snprintf(path, sizeof path, "%s/manifest-%" PRIu64, folder, generation);
    assert_int_equal(cw_file_read(path, 1 << 20, &text, &n), CW_OK);
    snprintf(word, sizeof word, "\nsegment %" PRIu64 " %" PRId64 " ", by, first);
    bool found = strstr((char *)text, word) != NULL;
    cw_free(text);
    return found;
}

/* The folder holds generations 3 (step 40) and 4 (step 52); `name` is damaged just now. */
static void check_damaged(const char *folder, const char *name, bool by_3, bool by_4) {
    last_line last = {{0}, 0};
    const cw_log log = {.fn = last_line_write, .user = &last};
    const char *base = strrchr(name, '/') != NULL ? strrchr(name, '/') + 1 : name;
    cw_checkpoint_store *store = store_open(folder, &log);
    fake_run run;
    run_open(&run);
    cw_status status = run_load(&run, store);
    if (by_3 && by_4) {
        assert_int_equal(status, CW_EFORMAT);
        assert_non_null(strstr(cw_last_error(), base));
        assert_int_equal(last.n, 0);
    } else {
        if (status != CW_OK) fail_msg("%s: %s", name, cw_last_error());
        assert_int_equal(run.step, by_4 ? 40 : 52);
        run_check(&run);
        assert_int_equal(last.n, by_4 ? 1 : 0);
        if (by_4) {
            assert_non_null(strstr(last.text, base));
            assert_non_null(strstr(last.text, "going back to checkpoint 3"));
        }
    }
    /* Who needs no frames is not held up by theirs. */
    cw_checkpoint *light = NULL;
    assert_int_equal(cw_checkpoint_load(store, false, &light), CW_OK);
    bool segment = strncmp(name, "frames/", 7) == 0;
    assert_int_equal(cw_checkpoint_generation(light), by_4 && !segment ? 3 : 4);
    cw_checkpoint_free(light);
    run_close(&run);
    cw_checkpoint_store_close(store);
}

static void make_two(const char *folder) {
    cw_checkpoint_store *store = store_open(folder, NULL);
    fake_run run;
    run_open(&run);
    const int64_t steps[] = {20, 13, 7, 12};
    for (int i = 0; i < 4; i++) {
        run_advance(&run, steps[i]);
        assert_int_equal(run_save(&run, store, NULL), CW_OK);
    }
    assert_int_equal(run.step, 52);
    run_close(&run);
    cw_checkpoint_store_close(store);
}

static void test_damage_to_any_file_is_found(void **state) {
    const char *folder = *state;
    make_two(folder);
    char top[4096], frames[4096], path[PATH_MAX + 128], all[8192] = "";
    folder_list(folder, "", top, sizeof top);
    snprintf(path, sizeof path, "%s/frames", folder);
    folder_list(path, "", frames, sizeof frames);
    for (char *word = strtok(top, " "); word != NULL; word = strtok(NULL, " ")) {
        if (strcmp(word, "frames") != 0) strcat(strcat(all, word), " ");
    }
    for (char *word = strtok(frames, " "); word != NULL; word = strtok(NULL, " ")) {
        strcat(strcat(strcat(all, "frames/"), word), " ");
    }
    int only_3 = 0, only_4 = 0, both = 0, damaged = 0;
    for (char *word = strtok(all, " "); word != NULL; word = strtok(NULL, " ")) {
        bool by_3 = needs(folder, 3, word), by_4 = needs(folder, 4, word);
        assert_true(by_3 || by_4);
        only_3 += by_3 && !by_4;
        only_4 += by_4 && !by_3;
        both += by_3 && by_4;
        assert_int_equal(cw_path_join(path, sizeof path, folder, word), CW_OK);
        size_t n = (size_t)file_bytes(folder, word);
        for (int kind = 0; kind < DAMAGES; kind++) {
            bool manifest = strncmp(word, "manifest", 8) == 0;
            if (manifest && kind == REMOVE) continue; /* then there is no such checkpoint */
            for (size_t at = 0; at < (kind == FLIP ? n : 1); at++) {
                size_t size;
                unsigned char *kept = damage_file(path, (damage)kind, at, &size);
                check_damaged(folder, word, by_3, by_4);
                mend(path, kept, size);
                damaged++;
            }
        }
    }
    print_message("%d cases of damage; %d files of one checkpoint, %d of the other, %d of both\n",
                  damaged, only_4, only_3, both);
    assert_true(only_3 > 3 && only_4 > 3 && both > 3);
    expect_step(folder, 52, NULL);
}

/* Going on from the older generation after damage to the newer one. */
static void test_run_goes_on_after_falling_back(void **state) {
    const char *folder = *state;
    make_two(folder);
    char path[PATH_MAX + 128];
    size_t n;
    snprintf(path, sizeof path, "%s/agent-4.safetensors", folder);
    cw_free(damage_file(path, FLIP, 100, &n));
    cw_checkpoint_store *store = store_open(folder, NULL);
    fake_run run;
    run_open(&run);
    assert_int_equal(run_load(&run, store), CW_OK);
    assert_int_equal(run.step, 40);
    run_advance(&run, 5);
    cw_checkpoint_stats stats;
    assert_int_equal(run_save(&run, store, &stats), CW_OK);
    assert_int_equal(stats.generation, 5); /* 4 is not used again */
    assert_int_equal(stats.frames_written, 5);
    expect_step(folder, 45, NULL);
    char all[1024];
    folder_list(folder, "manifest-", all, sizeof all);
    assert_string_equal(all, "manifest-3 manifest-5 ");
    folder_list(folder, "agent-", all, sizeof all);
    assert_string_equal(all, "agent-3.safetensors agent-5.safetensors ");
    run_close(&run);
    cw_checkpoint_store_close(store);
}

static void test_other_files_in_the_folder_are_left_alone(void **state) {
    const char *folder = *state;
    make_two(folder);
    const char *mine[] = {
        "notes.txt",     "agent-1.safetensors.bak", "manifest-01",      "agent-best",
        "frames/readme", "frames/1-2.bin.old",      "state-1.bin.tmpx", "manifest-x"};
    const char *leftovers[] = {"agent-9.safetensors.tmp", "state-1.bin",         "manifest-7.tmp",
                               "frames/7-700.bin",        "frames/4-40.bin.tmp", "state-0.bin"};
    char path[PATH_MAX + 128];
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(cw_path_join(path, sizeof path, folder, mine[i]), CW_OK);
        assert_int_equal(cw_file_write_atomic(path, "x", 1), CW_OK);
    }
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(cw_path_join(path, sizeof path, folder, leftovers[i]), CW_OK);
        assert_int_equal(cw_file_write_atomic(path, "x", 1), CW_OK);
    }
    cw_checkpoint_store *store = store_open(folder, NULL);
    fake_run run;
    run_open(&run);
    assert_int_equal(run_load(&run, store), CW_OK);
    assert_int_equal(run.step, 52);
    assert_int_equal(run_save(&run, store, NULL), CW_OK);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(cw_path_join(path, sizeof path, folder, mine[i]), CW_OK);
        assert_true(cw_file_exists(path));
        assert_int_equal(unlink(path), 0);
    }
    folder_check_clean(folder);
    run_close(&run);
    cw_checkpoint_store_close(store);
}

/* ---- the parsers ---- */

/* Replaces the last line by the right checksum line of the text before it. */
static size_t seal(char *text, size_t room) {
    char *end = strstr(text, "end ");
    assert_non_null(end);
    size_t n = (size_t)(end - text);
    return n + (size_t)snprintf(end, room - n, "end %08" PRIx32 "\n", cw_crc32c(0, text, n));
}

static void test_manifests_that_make_no_sense_are_refused(void **state) {
    (void)state;
    static const char good[] = "curlew checkpoint 1\n"
                               "generation 7\n"
                               "agent 100 0000abcd\n"
                               "state 200 00000001\n"
                               "frames 15 9 22 3\n"
                               "segment 5 8 4 00000002\n"
                               "segment 6 12 4 00000003\n"
                               "segment 7 16 6 ffffffff\n"
                               "end ";
    const struct {
        const char *from, *to;
    } edits[] = {
        {"checkpoint 1", "checkpoint 2"},
        {"generation 7", "generation 8"},
        {"generation 7", "generation 07"},
        {"generation 7", "generation -7"},
        {"agent 100", "agent 18446744073709551616"},
        {"agent 100 0000abcd", "agent 100 0000ABCD"},
        {"agent 100", "agent  100"},
        {"frames 15", "frames 99999999999999"},
        {"frames 15", "frames 0"},
        {"agent 100 0000abcd", "agent 100 10000abcd"},
        {"frames 15 9 22 3\nsegment 5 8 4",
         "frames 1099511627776 9 9223372036854775807 3\nsegment 5 8 9223372036854775000"},
        {"frames 15 9 22", "frames 15 23 22"},
        {"frames 15 9", "frames 15 7"},  /* before the first segment */
        {"frames 15 9", "frames 15 12"}, /* the first segment is not needed */
        {"frames 15 9 22", "frames 15 -1 22"},
        {"frames 15 9 22", "frames 15 9 23"},
        {"frames 15 9 22", "frames 15 22 22"},
        {"frames 15 9 22 3", "frames 15 9 22 2"},
        {"frames 15 9 22 3", "frames 15 9 22 4"},
        {"frames 15 9 22 3", "frames 15 9 22 99999999999"},
        {"segment 6 12 4", "segment 6 12 3"},
        {"segment 6 12 4", "segment 6 12 5"},
        {"segment 6 12 4", "segment 6 13 4"},
        {"segment 6 12 4", "segment 0 12 4"},
        {"segment 6 12 4", "segment 8 12 4"},
        {"segment 6 12 4", "segment 6 12 0"},
        {"segment 6 12 4", "segment 6 12 -4"},
        {"segment 7 16 6", "segment 7 16 9223372036854775807"},
        {"segment 7", "sement 7"},
        {"curlew", "curle"},
    };
    char text[1024];
    cw_manifest m = {0};
    snprintf(text, sizeof text, "%s", good);
    size_t n = seal(text, sizeof text);
    assert_int_equal(cw_manifest_parse(&m, text, n, 7), CW_OK);
    assert_int_equal(m.n_segments, 3);
    assert_int_equal(m.segment[2].crc, 0xffffffffu);
    cw_manifest_clear(&m);
    assert_int_equal(cw_manifest_parse(&m, text, n, 6), CW_EFORMAT);
    snprintf(text, sizeof text,
             "curlew checkpoint 1\ngeneration 0\nagent 1 00000000\n"
             "state 1 00000000\nframes 0 0 0 0\nend ");
    size_t n_zero = seal(text, sizeof text);
    assert_int_equal(cw_manifest_parse(&m, text, n_zero, 0), CW_EFORMAT);
    snprintf(text, sizeof text, "%s", good);
    n = seal(text, sizeof text);
    for (size_t cut = 0; cut < n; cut++) {
        char part[1024] = "";
        memcpy(part, text, cut);
        assert_int_equal(cw_manifest_parse(&m, part, cut, 7), CW_EFORMAT);
    }
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        const char *at = strstr(good, edits[i].from);
        assert_non_null(at);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, edits[i].to,
                 at + strlen(edits[i].from));
        n = seal(text, sizeof text);
        cw_status status = cw_manifest_parse(&m, text, n, 7);
        if (status != CW_EFORMAT) fail_msg("accepted: %s", edits[i].to);
        assert_null(m.segment);
    }
}

static void test_state_tables_that_make_no_sense_are_refused(void **state) {
    (void)state;
    const cw_checkpoint_blob blobs[] = {
        {.name = "one", .n = 70}, {.name = "two", .n = 0}, {.name = "three", .n = 9}};
    cw_state_head head;
    uint64_t bytes;
    assert_int_equal(cw_state_layout(&head, blobs, 3, &bytes), CW_OK);
    assert_int_equal(cw_state_check(&head, bytes), CW_OK);
    assert_int_equal(cw_state_check(&head, bytes - 1), CW_EFORMAT);
    assert_int_equal(cw_state_check(&head, bytes + 1), CW_EFORMAT);
    assert_int_equal(cw_state_check(&head, sizeof head - 1), CW_EFORMAT);
    int refused = 0;
    for (size_t at = 0; at < sizeof head; at++) {
        for (int bit = 0; bit < 8; bit++) {
            cw_state_head bad = head;
            ((unsigned char *)&bad)[at] ^= (unsigned char)(1 << bit);
            bool accepted = cw_state_check(&bad, bytes) == CW_OK;
            /* Another name, or a size that ends in the same gap before the next blob, is as good.
             */
            if (accepted) {
                assert_true(at >= offsetof(cw_state_head, row));
                size_t in_row = (at - offsetof(cw_state_head, row)) % sizeof(cw_state_row);
                assert_true(in_row < CW_CHECKPOINT_NAME || in_row == offsetof(cw_state_row, n));
            }
            refused += !accepted;
        }
    }
    assert_true(refused > (int)sizeof head * 8 - 150);
    cw_state_head endless = head;
    memset(endless.row[1].name, 'x', sizeof endless.row[1].name);
    assert_int_equal(cw_state_check(&endless, bytes), CW_EFORMAT);
    assert_non_null(strstr(cw_last_error(), "row 1 of its table"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_resumed_run_equals_uninterrupted_one),
        TEST(test_only_new_frames_are_written),
        TEST(test_misuse_is_refused),
        TEST(test_a_checkpoint_needs_no_frames),
        TEST(test_damage_to_any_file_is_found),
        TEST(test_run_goes_on_after_falling_back),
        TEST(test_other_files_in_the_folder_are_left_alone),
        cmocka_unit_test(test_manifests_that_make_no_sense_are_refused),
        cmocka_unit_test(test_state_tables_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
