/* What a run says of memory and disk before it starts: a short run is not held against a long
 * replay, memory that is too small refuses, a disk that is too small warns, and a run that goes on
 * counts what it has on disk. How much there is comes from the __wrap_ functions (-Wl,--wrap). */
#include "base/resources.h"
#include "test.h"
#include "train/checkpoint_run.h"

#include <curlew/run.h>

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

static uint64_t memory_bytes; /* available */
static uint64_t disk_bytes;   /* free; UINT64_MAX: the call fails */

uint64_t __wrap_cw_memory_available(void);
uint64_t __wrap_cw_memory_available(void) {
    return memory_bytes;
}

int __wrap_statvfs(const char *path, struct statvfs *out);
int __wrap_statvfs(const char *path, struct statvfs *out) {
    assert_non_null(path);
    *out = (struct statvfs){.f_bavail = disk_bytes / 512, .f_bfree = UINT32_MAX, .f_frsize = 512};
    return disk_bytes == UINT64_MAX ? -1 : 0;
}

/* ---- a run of seconds, and what it says ---- */

static char folder[PATH_MAX];
static char said[1 << 16];

static void hear(void *user, const char *text) {
    (void)user;
    size_t used = strlen(said);
    snprintf(said + used, sizeof said - used, "%s\n", text);
}

static int setup(void **state) {
    (void)state;
    memory_bytes = (uint64_t)10 << 30;
    disk_bytes = (uint64_t)10 << 30;
    folder_make(folder);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    folder_remove(folder);
    return 0;
}

static cw_config *config_of(const char *frames, const char *capacity) {
    cw_config *config;
    const char *words[][2] = {{"env.task", "toy"},
                              {"train.frames", frames},
                              {"replay.capacity", capacity},
                              {"train.seed_steps", "1000"}, /* no update */
                              {"train.eval_every", "0"},
                              {"train.eval_episodes", "1"},
                              {"train.checkpoint_every", "20"},
                              {"critic.hidden", "512"}, /* checkpoints of megabytes */
                              {"run.threads", "1"},
                              {"run.out", folder}};
    assert_int_equal(cw_config_create(&config), CW_OK);
    assert_int_equal(cw_config_profile(config, "tiny"), CW_OK);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        assert_int_equal(cw_config_set(config, words[i][0], words[i][1]), CW_OK);
    }
    return config;
}

static int64_t need_of(const char *frames, const char *capacity) {
    cw_config *config = config_of(frames, capacity);
    int64_t need, available;
    assert_int_equal(cw_train_memory(config, &need, &available), CW_OK);
    assert_int_equal(available, memory_bytes);
    cw_config_destroy(config);
    return need;
}

static cw_status train(const char *frames) {
    cw_config *config = config_of(frames, "2000");
    cw_run_result result;
    const cw_callbacks callbacks = {.line = hear};
    said[0] = '\0';
    cw_status status = cw_train(config, &callbacks, &result);
    cw_config_destroy(config);
    return status;
}

/* The numbers of the disk line, GB. */
static void disk_line(double *need, double *room) {
    const char *line = strstr(said, "disk: ");
    assert_non_null(line);
    assert_int_equal(
        sscanf(line, "disk: checkpoints take up to %lf GB; there is room for %lf GB", need, room),
        2);
}

static void short_runs_need_no_long_replay(void **state) {
    (void)state;
    int64_t frame = 3 * 32 * 32; /* bytes of one */
    int64_t few = need_of("1000", "1000"), many = need_of("2000", "2000");
    assert_in_range(many - few, 1000 * frame, 1050 * frame); /* and episodes' ends */
    /* the index of a longer replay is saved with each checkpoint: bytes a transition, not frames */
    assert_in_range(need_of("1000", "2000") - few, 0, 1000 * 100);
    assert_in_range(need_of("1000000", "2000") - many, 0, 0);
}

static void memory_too_small_refuses(void **state) {
    (void)state;
    cw_config *config = config_of("100000", "100000");
    int64_t need = need_of("100000", "100000"), available;
    memory_bytes = (uint64_t)need - 1;
    assert_int_equal(cw_train_memory(config, &need, &available), CW_ENOMEM);
    assert_non_null(strstr(cw_last_error(), "replay.capacity = "));
    long long fits;
    assert_int_equal(
        sscanf(strstr(cw_last_error(), "replay.capacity = "), "replay.capacity = %lld", &fits), 1);
    assert_in_range(fits, 80000, 99999);
    char text[32];
    snprintf(text, sizeof text, "%lld", fits);
    assert_int_equal(cw_config_set(config, "replay.capacity", text), CW_OK);
    assert_int_equal(cw_train_memory(config, &need, &available), CW_OK);
    memory_bytes = 0; /* unknown */
    assert_int_equal(cw_config_set(config, "replay.capacity", "100000"), CW_OK);
    assert_int_equal(cw_train_memory(config, &need, &available), CW_OK);
    cw_config_destroy(config);
}

static void disks_too_small_warn(void **state) {
    (void)state;
    double need, room, need_again, room_again;
    assert_int_equal(train("40"), CW_OK);
    disk_line(&need, &room);
    assert_null(strstr(said, "warning: "));
    assert_true(need > 0.03 && need < 0.3 && room == 10.74);

    disk_bytes = 0;
    assert_int_equal(train("60"), CW_OK); /* goes on; the disk only says that it is full */
    disk_line(&need_again, &room_again);
    assert_non_null(strstr(said, "warning: the disk will be full"));
    assert_true(room_again > need / 4 && room_again < need); /* what the first run has written */

    disk_bytes = (uint64_t)(1e9 * (need_again - room_again / 2));
    assert_int_equal(train("80"), CW_OK);
    assert_null(strstr(said, "warning: "));

    disk_bytes = UINT64_MAX;
    assert_int_equal(train("100"), CW_OK);
    assert_null(strstr(said, "disk: "));
    assert_null(strstr(said, "warning: "));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(short_runs_need_no_long_replay, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_too_small_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(disks_too_small_warn, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
