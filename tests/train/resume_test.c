/* Saving and resuming, call by call. Every call that save.c, resume.c and folder.c make of other
 * files fails in turn (-Wl,--wrap); what a checkpoint holds is exchanged for what does not fit.
 * After each refusal nothing leaks, and the same run goes on to the bits of an undisturbed one. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "config/config.h"
#include "test.h"
#include "train/backend.h"
#include "train/checkpoint_run.h"
#include "train/faulty_world.h"
#include "train/saving.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* ---- calls that fail ---- */

/* The call that is to fail; the thread that saves makes calls, too. */
static struct {
    const char *name; /* NULL: none */
    long at;
    atomic_long calls;
} fault;

static bool due(const char *name) {
    if (fault.name == NULL || strcmp(name, fault.name) != 0) return false;
    return atomic_fetch_add(&fault.calls, 1) + 1 == fault.at;
}

/* cw_status name(parameters) that fails when it is due. */
#define FAILING(name, parameters, arguments)                                                       \
    cw_status __real_##name parameters;                                                            \
    cw_status __wrap_##name parameters;                                                            \
    cw_status __wrap_##name parameters {                                                           \
        return due(#name) ? cw_fail(CW_EIO, #name " went wrong") : __real_##name arguments;        \
    }

/* clang-format off */
FAILING(cw_folder_path, (char out[CW_PATH], const char *run, const char *name), (out, run, name))
FAILING(cw_settings_print, (const cw_settings *settings, char **out, size_t *n), (settings, out, n))
FAILING(cw_settings_get, (const cw_settings *settings, const char *name, char *out, size_t n),
        (settings, name, out, n))
FAILING(cw_settings_load, (cw_settings *settings, const char *path), (settings, path))
FAILING(cw_dir_make, (const char *path), (path))
FAILING(cw_file_write_atomic, (const char *path, const void *bytes, size_t n), (path, bytes, n))
FAILING(cw_backend_describe, (const cw_backend *be, char *out, size_t n), (be, out, n))
FAILING(cw_weights_load, (cw_agent *agent, const cw_safetensors *file), (agent, file))
FAILING(cw_checkpoint_store_open,
        (cw_checkpoint_store **out, const char *folder, int64_t frames, int keep, const cw_log *log),
        (out, folder, frames, keep, log))
FAILING(cw_checkpoint_load, (cw_checkpoint_store *store, bool frames, cw_checkpoint **out),
        (store, frames, out))
FAILING(cw_checkpoint_read_frames, (const cw_checkpoint *checkpoint, cw_replay *replay),
        (checkpoint, replay))
FAILING(cw_checkpoint_publish, (const cw_checkpoint_store *store, const char *path), (store, path))
FAILING(cw_replay_index_load, (cw_replay *replay, const void *bytes, size_t n), (replay, bytes, n))
FAILING(cw_run_state_check, (const cw_run_state *state), (state))
FAILING(cw_trainer_sync_logs, (const cw_trainer *trainer), (trainer))
/* clang-format on */

/* A copy for a checkpoint collects the weights, then asks the policy for its example. */
static bool copying;
cw_status __real_cw_weights_collect(cw_weights *weights, cw_agent *agent, bool moments);
cw_status __wrap_cw_weights_collect(cw_weights *weights, cw_agent *agent, bool moments);
cw_status __wrap_cw_weights_collect(cw_weights *weights, cw_agent *agent, bool moments) {
    copying = true;
    if (due("cw_weights_collect")) return cw_fail(CW_EIO, "cw_weights_collect went wrong");
    return __real_cw_weights_collect(weights, agent, moments);
}

cw_status __real_cw_replay_latest_stack(const cw_replay *replay, const uint8_t **stack);
cw_status __wrap_cw_replay_latest_stack(const cw_replay *replay, const uint8_t **stack);
cw_status __wrap_cw_replay_latest_stack(const cw_replay *replay, const uint8_t **stack) {
    if (copying && due("a copy's stack")) return cw_fail(CW_EIO, "a copy's stack went wrong");
    return __real_cw_replay_latest_stack(replay, stack);
}

cw_status __real_cw_actor_act(cw_actor *actor, const cw_image_batch *images, const float *noise,
                              float *action);
cw_status __wrap_cw_actor_act(cw_actor *actor, const cw_image_batch *images, const float *noise,
                              float *action);
cw_status __wrap_cw_actor_act(cw_actor *actor, const cw_image_batch *images, const float *noise,
                              float *action) {
    bool example = copying;
    copying = false;
    if (due("cw_actor_act")) return cw_fail(CW_EIO, "cw_actor_act went wrong");
    if (example && due("a copy's example")) return cw_fail(CW_EIO, "a copy's example went wrong");
    return __real_cw_actor_act(actor, images, noise, action);
}

cw_status __real_cw_alloc(void *out, size_t count, size_t size, const char *what);
cw_status __wrap_cw_alloc(void *out, size_t count, size_t size, const char *what);
cw_status __wrap_cw_alloc(void *out, size_t count, size_t size, const char *what) {
    if (strncmp(what, "checkpoints", strlen("checkpoints")) == 0 && due("cw_alloc")) {
        return cw_fail(CW_ENOMEM, "cw_alloc went wrong");
    }
    return __real_cw_alloc(out, count, size, what);
}

typedef void *(*thread_main)(void *context);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, thread_main main,
                          void *context);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, thread_main main,
                          void *context);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, thread_main main,
                          void *context) {
    return due("thread") ? EAGAIN : __real_pthread_create(thread, attributes, main, context);
}

bool __real_cw_tensor_finite(const cw_tensor *tensor);
bool __wrap_cw_tensor_finite(const cw_tensor *tensor);
bool __wrap_cw_tensor_finite(const cw_tensor *tensor) {
    return !due("not finite") && __real_cw_tensor_finite(tensor);
}

static bool slow_disk; /* a save takes longer than the run */
cw_status __real_cw_checkpoint_save(cw_checkpoint_store *store, const cw_checkpoint_parts *parts,
                                    cw_checkpoint_stats *stats);
cw_status __wrap_cw_checkpoint_save(cw_checkpoint_store *store, const cw_checkpoint_parts *parts,
                                    cw_checkpoint_stats *stats);
cw_status __wrap_cw_checkpoint_save(cw_checkpoint_store *store, const cw_checkpoint_parts *parts,
                                    cw_checkpoint_stats *stats) {
    if (slow_disk) nanosleep(&(struct timespec){.tv_nsec = 300 * 1000 * 1000}, NULL);
    if (due("cw_checkpoint_save")) return cw_fail(CW_EIO, "cw_checkpoint_save went wrong");
    return __real_cw_checkpoint_save(store, parts, stats);
}

/* Elsewhere a checkpoint comes when it is due, however long the one before it takes. */
bool __real_cw_trainer_is_saving(const cw_trainer *trainer);
bool __wrap_cw_trainer_is_saving(const cw_trainer *trainer);
bool __wrap_cw_trainer_is_saving(const cw_trainer *trainer) {
    return slow_disk && __real_cw_trainer_is_saving(trainer);
}

static const char *pencil; /* what draws the world's pictures */
cw_status __wrap_cw_env_renderer_describe(const cw_env *env, char *out, size_t n);
cw_status __wrap_cw_env_renderer_describe(const cw_env *env, char *out, size_t n) {
    (void)env;
    if (pencil == NULL) return cw_fail(CW_EUNSUPPORTED, "nobody knows");
    snprintf(out, n, "%s", pencil);
    return CW_OK;
}

/* ---- contents that do not fit ---- */

/* What becomes of a blob on its way out of the checkpoint. */
static struct blob_edit {
    const char *name; /* NULL: nothing */
    enum { MISSING, EMPTY, SHORTER, LONGER, CHANGED, SHORTER_BY_A_LINE } how;
} edit;

static void edit_blob(const void **bytes, size_t *n) {
    static unsigned char copy[8192];
    switch (edit.how) {
    case EMPTY:
        *n = 0;
        break;
    case SHORTER:
        *n -= 1;
        break;
    case LONGER:
        *n += 64;
        break;
    case SHORTER_BY_A_LINE:
        do --*n;
        while (*n > 0 && ((const char *)*bytes)[*n - 1] != '\n');
        break;
    default:
        assert_in_range(*n, 1, sizeof copy);
        memcpy(copy, *bytes, *n);
        copy[0] ^= 1;
        *bytes = copy;
    }
}

cw_status __real_cw_checkpoint_blob_find(const cw_checkpoint *checkpoint, const char *name,
                                         const void **bytes, size_t *n);
cw_status __wrap_cw_checkpoint_blob_find(const cw_checkpoint *checkpoint, const char *name,
                                         const void **bytes, size_t *n);
cw_status __wrap_cw_checkpoint_blob_find(const cw_checkpoint *checkpoint, const char *name,
                                         const void **bytes, size_t *n) {
    bool edited = edit.name != NULL && strcmp(edit.name, name) == 0;
    const char *looked_up = edited && edit.how == MISSING ? "no such blob" : name;
    cw_status status = __real_cw_checkpoint_blob_find(checkpoint, looked_up, bytes, n);
    if (status == CW_OK && edited) edit_blob(bytes, n);
    return status;
}

/* ---- runs ---- */

static unsigned whole; /* fingerprint of the undisturbed run */
static char said[1 << 16];

static cw_status train(const char *folder) {
    world_plan sound = {.fault = WORLD_SOUND};
    return world_train(folder, &sound, said, sizeof said);
}

/* Stopped in the middle by the world, after step `at` of all environments. */
static void half_a_run(const char *folder, long at) {
    world_plan plan = {.fault = WORLD_STEP_FAILS, .at = at};
    assert_int_equal(world_train(folder, &plan, NULL, 0), CW_EENV);
}

static void check_goes_on(const char *folder, const char *after) {
    if (train(folder) != CW_OK) fail_msg("going on after %s: %s", after, cw_last_error());
    if (world_fingerprint(folder) != whole) fail_msg("the run differs after %s", after);
}

static uint64_t live_blocks(void) {
    cw_memory_stats stats;
    cw_memory_stats_get(&stats);
    return stats.live_blocks;
}

static int setup_group(void **state) {
    char folder[PATH_MAX];
    (void)state;
    folder_make(folder);
    assert_int_equal(train(folder), CW_OK);
    whole = world_fingerprint(folder);
    folder_remove(folder);
    return 0;
}

static void set_fault(const char *name, long at) {
    fault.name = name;
    fault.at = at;
    atomic_store(&fault.calls, 0);
}

/* A run in which call number `at` of `name` fails; false when the run was over before it. */
static bool train_with_fault(const char *folder, const char *name, long at, bool harmless) {
    uint64_t blocks = live_blocks();
    set_fault(name, at);
    cw_status status = train(folder);
    bool came = atomic_load(&fault.calls) >= at;
    set_fault(NULL, 0);
    if (status != CW_OK && strstr(cw_last_error(), name) == NULL) {
        fail_msg("%s %ld: %s", name, at, cw_last_error());
    }
    if (status == CW_OK && came && !harmless) fail_msg("%s %ld: nobody cares", name, at);
    if (live_blocks() != blocks) fail_msg("%s %ld leaks: %s", name, at, cw_last_error());
    return came;
}

/* Call 1, 1 + step, ... of `name` fails in a run that goes on from one stopped at step `stopped_at`
 * of all environments, or (0) in a new one; the number of faults. */
static long ramp(const char *name, long step, long stopped_at, bool harmless) {
    long faults = 0;
    bool came = true;
    for (long at = 1; came; at += step) {
        char folder[PATH_MAX];
        folder_make(folder);
        if (stopped_at > 0) half_a_run(folder, stopped_at);
        came = train_with_fault(folder, name, at, harmless);
        if (came) check_goes_on(folder, name);
        faults += came;
        folder_remove(folder);
    }
    return faults;
}

static void test_any_call_may_fail(void **state) {
    (void)state;
    static const struct {
        const char *name;
        long step;     /* 1: each call; more where all are alike */
        bool harmless; /* what it does can be done without */
    } calls[] = {
        {"cw_folder_path", 1, false},
        {"cw_settings_print", 1, false},
        {"cw_settings_load", 1, false},
        {"cw_dir_make", 1, false},
        {"cw_file_write_atomic", 1, false},
        {"cw_backend_describe", 1, true},
        {"cw_weights_collect", 1, false},
        {"cw_weights_load", 1, false},
        {"cw_checkpoint_store_open", 1, false},
        {"cw_checkpoint_load", 1, false},
        {"cw_checkpoint_read_frames", 1, false},
        {"cw_checkpoint_save", 1, false},
        {"cw_checkpoint_publish", 1, false},
        {"cw_replay_index_load", 1, false},
        {"a copy's stack", 1, false},
        {"a copy's example", 1, false},
        {"cw_run_state_check", 1, false},
        {"cw_trainer_sync_logs", 1, false},
        {"cw_actor_act", 13, false},
        {"cw_alloc", 1, false},
        {"thread", 1, false},
        {"not finite", 301, false},
    };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        long faults = ramp(calls[i].name, calls[i].step, 0, calls[i].harmless) +
                      ramp(calls[i].name, calls[i].step, 57, calls[i].harmless);
        print_message("%s: %ld faults\n", calls[i].name, faults);
        assert_true(faults > 0);
    }
}

/* ---- what a checkpoint holds ---- */

static void test_a_checkpoint_that_does_not_fit(void **state) {
    (void)state;
    static const struct {
        struct blob_edit edit;
        cw_status status;
        const char *text; /* of the error, or of what the run says */
    } rows[] = {
        {{CW_BLOB_STATE, MISSING}, CW_EFORMAT, "no such blob"},
        {{CW_BLOB_STATE, SHORTER}, CW_EFORMAT, "another version"},
        {{CW_BLOB_ENV, MISSING}, CW_EFORMAT, "no such blob"},
        {{CW_BLOB_ENV, LONGER}, CW_EFORMAT, "more than the"},
        {{CW_BLOB_ENV, SHORTER}, CW_EENV, "the saved world is too short"},
        {{CW_BLOB_REPLAY, MISSING}, CW_EFORMAT, "no such blob"},
        {{CW_BLOB_REPLAY, SHORTER}, CW_EFORMAT, "replay"},
        {{CW_BLOB_ABOUT, MISSING}, CW_EFORMAT, "no such blob"},
        {{CW_BLOB_ABOUT, CHANGED}, CW_OK, "warning: the checkpoint was written with"},
        {{CW_BLOB_ABOUT, SHORTER}, CW_OK, "going on"},
        {{CW_BLOB_ABOUT, SHORTER_BY_A_LINE}, CW_OK, "going on"},
        {{CW_BLOB_EXAMPLE_INPUT, MISSING}, CW_EFORMAT, "no such blob"},
        {{CW_BLOB_EXAMPLE_OUTPUT, MISSING}, CW_EFORMAT, "no such blob"},
        {{CW_BLOB_EXAMPLE_INPUT, SHORTER}, CW_EFORMAT, "the checkpoint's example has"},
        {{CW_BLOB_EXAMPLE_OUTPUT, SHORTER}, CW_EFORMAT, "and its output 3"},
        {{CW_BLOB_EXAMPLE_INPUT, EMPTY}, CW_OK, "going on"},
        {{CW_BLOB_EXAMPLE_OUTPUT, CHANGED}, CW_OK, "example comes out different here"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char folder[PATH_MAX];
        folder_make(folder);
        half_a_run(folder, 57);
        uint64_t blocks = live_blocks();
        edit = rows[i].edit;
        cw_status status = train(folder);
        edit = (struct blob_edit){NULL, MISSING};
        const char *text = status == CW_OK ? said : cw_last_error();
        if (status != rows[i].status || strstr(text, rows[i].text) == NULL) {
            fail_msg("row %zu: status %d: %s", i, (int)status, text);
        }
        assert_int_equal(live_blocks(), blocks);
        check_goes_on(folder, rows[i].text);
        folder_remove(folder);
    }
}

static void test_another_renderer(void **state) {
    (void)state;
    char folder[PATH_MAX];
    folder_make(folder);
    pencil = "a pencil\nand a rubber";
    half_a_run(folder, 57);
    pencil = NULL;
    check_goes_on(folder, "a pencil");
    assert_non_null(strstr(said, "was written with renderer a pencil; here is renderer none"));
    folder_remove(folder);
}

static void test_a_world_that_cannot_be_saved(void **state) {
    (void)state;
    char folder[PATH_MAX];
    folder_make(folder);
    world_plan plan = {.fault = WORLD_STEP_FAILS, .at = 57, .unsavable = true};
    assert_int_equal(world_train(folder, &plan, NULL, 0), CW_EENV);
    plan.fault = WORLD_SOUND;
    assert_int_equal(world_train(folder, &plan, said, sizeof said), CW_OK);
    assert_non_null(strstr(said, "this environment cannot be saved"));
    folder_remove(folder);
}

/* ---- when checkpoints are made ---- */

/* Killed between the checkpoint of the best evaluation and its second name. */
static void test_the_best_gets_its_name_later(void **state) {
    (void)state;
    char folder[PATH_MAX], best[PATH_MAX];
    folder_make(folder);
    assert_int_equal(cw_path_join(best, sizeof best, folder, "best.safetensors"), CW_OK);
    half_a_run(folder, 12);
    assert_int_equal(remove(best), 0);
    half_a_run(folder, 1); /* the first step: nothing is trained */
    assert_true(cw_file_exists(best));
    check_goes_on(folder, "a best checkpoint without a name");
    folder_remove(folder);
    assert_true(ramp("cw_checkpoint_publish", 1, 12, false) > 0);
    assert_true(ramp("cw_folder_path", 1, 12, false) > 0);
}

static void test_without_the_best_and_without_events(void **state) {
    (void)state;
    char folder[PATH_MAX], best[PATH_MAX];
    folder_make(folder);
    world_plan plan = {
        .fault = WORLD_STEP_FAILS,
        .at = 57,
        .settings = {{"train.checkpoint_best", "false"}, {"tensorboard.enabled", "false"}}};
    assert_int_equal(world_train(folder, &plan, NULL, 0), CW_EENV);
    plan.fault = WORLD_SOUND;
    assert_int_equal(world_train(folder, &plan, said, sizeof said), CW_OK);
    assert_non_null(strstr(said, "going on from 20 frames"));
    assert_int_equal(cw_path_join(best, sizeof best, folder, "best.safetensors"), CW_OK);
    assert_false(cw_file_exists(best));
    folder_remove(folder);
}

/* A ring that comes round while the disk is still busy: training waits, and no bit changes. */
static void test_a_slow_disk(void **state) {
    (void)state;
    char folder[2][PATH_MAX];
    for (int slow = 0; slow < 2; slow++) {
        world_plan plan = {.settings = {{"replay.capacity", "16"}, {"train.eval_every", "0"}}};
        folder_make(folder[slow]);
        slow_disk = slow;
        assert_int_equal(world_train(folder[slow], &plan, said, sizeof said), CW_OK);
        slow_disk = false;
    }
    const char *waited = strstr(said, "checkpoint at 20 frames");
    assert_non_null(waited);
    waited = strstr(waited, "training waited ");
    assert_non_null(waited);
    assert_true(strtod(waited + strlen("training waited "), NULL) > 0.1);
    assert_int_equal(world_fingerprint(folder[0]), world_fingerprint(folder[1]));
    for (int i = 0; i < 2; i++) folder_remove(folder[i]);
}

/* What went wrong with a save that nobody looked after is told by the next one. */
static void test_a_slow_disk_that_fails(void **state) {
    (void)state;
    char folder[PATH_MAX];
    world_plan plan = {.settings = {{"train.eval_every", "0"}}};
    folder_make(folder);
    slow_disk = true;
    set_fault("cw_checkpoint_save", 1);
    assert_int_equal(world_train(folder, &plan, NULL, 0), CW_EIO);
    assert_non_null(strstr(cw_last_error(), "cw_checkpoint_save went wrong"));
    set_fault(NULL, 0);
    slow_disk = false;
    assert_int_equal(world_train(folder, &plan, NULL, 0), CW_OK);
    folder_remove(folder);
}

/* A damaged checkpoint is named, and the one before it gone on from. */
static void test_a_damaged_checkpoint(void **state) {
    (void)state;
    char folder[PATH_MAX], damaged[PATH_MAX];
    folder_make(folder);
    half_a_run(folder, 57);
    assert_int_equal(
        cw_path_join(damaged, sizeof damaged, folder, "checkpoint/agent-2.safetensors"), CW_OK);
    assert_int_equal(truncate(damaged, 100), 0);
    check_goes_on(folder, "damage");
    assert_non_null(strstr(said, "agent-2.safetensors"));
    assert_non_null(strstr(said, "going on from 0 frames"));
    folder_remove(folder);
}

/* The world ends while a checkpoint is being written: the checkpoint is made all the same. */
static void test_a_failure_beside_a_save(void **state) {
    (void)state;
    char folder[PATH_MAX];
    folder_make(folder);
    slow_disk = true;
    half_a_run(folder, 13); /* behind the evaluation at 0 frames, the best so far */
    slow_disk = false;
    check_goes_on(folder, "a failure beside a save");
    assert_non_null(strstr(said, "going on from 0 frames"));
    folder_remove(folder);
}

/* ---- an agent from a run ---- */

/* What cw_run_load_agent fills. */
typedef struct learner {
    world_plan plan;
    cw_settings settings;
    cw_agent_env env;
    cw_backend *be;
    cw_agent *agent;
    cw_replay *replay;
} learner;

static void learner_open(learner *l, const char *folder) {
    cw_env bare;
    *l = (learner){.plan = {.fault = WORLD_SOUND}};
    assert_int_equal(cw_folder_settings(folder, &l->settings), CW_OK);
    assert_int_equal(world_create(&l->plan, 1, l->settings.env.image_size, &bare), CW_OK);
    assert_int_equal(cw_agent_env_init(&l->env, &bare, 1), CW_OK);
    assert_int_equal(cw_backend_select(&l->be, "auto", CW_PRECISION_F32, 1), CW_OK);
    cw_agent_spec spec = cw_agent_spec_of(&l->settings, &l->env.env.spec);
    assert_int_equal(cw_agent_create(&l->agent, l->be, &spec), CW_OK);
    cw_replay_desc desc = cw_replay_desc_of(&l->settings, &l->env);
    assert_int_equal(cw_replay_create(&l->replay, &desc), CW_OK);
}

static void learner_close(learner *l) {
    cw_replay_destroy(l->replay);
    cw_agent_destroy(l->agent);
    cw_backend_destroy(l->be);
    cw_agent_env_deinit(&l->env);
}

static void test_an_agent_from_a_run(void **state) {
    (void)state;
    static const char *const calls[] = {"cw_folder_path",       "cw_checkpoint_store_open",
                                        "cw_checkpoint_load",   "cw_weights_load",
                                        "cw_replay_index_load", "cw_checkpoint_read_frames"};
    char folder[PATH_MAX], empty[PATH_MAX];
    learner l;
    folder_make(folder);
    folder_make(empty);
    half_a_run(folder, 57);
    learner_open(&l, folder);
    uint64_t blocks = live_blocks();
    assert_int_equal(cw_run_load_agent(empty, l.agent, NULL), CW_ENOTFOUND);
    assert_non_null(strstr(cw_last_error(), "has no checkpoint yet"));
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        set_fault(calls[i], 1);
        assert_int_equal(cw_run_load_agent(folder, l.agent, l.replay), CW_EIO);
        assert_non_null(strstr(cw_last_error(), calls[i]));
        set_fault(NULL, 0);
        assert_int_equal(live_blocks(), blocks);
    }
    assert_int_equal(cw_run_load_agent(folder, l.agent, NULL), CW_OK);
    assert_int_equal(cw_run_load_agent(folder, l.agent, l.replay), CW_OK);
    assert_int_equal(cw_replay_frames(l.replay), 22); /* 20 steps of 2 episodes */
    learner_close(&l);
    folder_remove(folder);
    folder_remove(empty);
}

static void test_an_agent_from_a_file(void **state) {
    (void)state;
    char folder[PATH_MAX], path[PATH_MAX];
    learner l;
    folder_make(folder);
    assert_int_equal(train(folder), CW_OK);
    learner_open(&l, folder);
    assert_int_equal(cw_path_join(path, sizeof path, folder, "weights.safetensors"), CW_OK);
    assert_int_equal(cw_file_load_agent(path, l.agent), CW_OK);
    set_fault("cw_weights_load", 1);
    assert_int_equal(cw_file_load_agent(path, l.agent), CW_EIO);
    assert_non_null(strstr(cw_last_error(), "weights.safetensors: cw_weights_load"));
    set_fault(NULL, 0);
    float value = 1;
    const cw_safetensors_entry entry = {.name = "a stranger",
                                        .tensor = cw_tensor_nd(CW_F32, &value, 0, NULL)};
    const cw_safetensors_entry two[] = {entry, {.name = "another", .tensor = entry.tensor}};
    assert_int_equal(cw_safetensors_write(path, two, 2, NULL, 0), CW_OK);
    assert_int_equal(cw_file_load_agent(path, l.agent), CW_EFORMAT);
    assert_non_null(strstr(cw_last_error(), "no parameter of this agent is called 'a"));
    assert_int_equal(remove(path), 0);
    assert_int_equal(cw_file_load_agent(path, l.agent), CW_ENOTFOUND);
    learner_close(&l);
    folder_remove(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_call_may_fail),
        cmocka_unit_test(test_a_checkpoint_that_does_not_fit),
        cmocka_unit_test(test_another_renderer),
        cmocka_unit_test(test_a_world_that_cannot_be_saved),
        cmocka_unit_test(test_the_best_gets_its_name_later),
        cmocka_unit_test(test_without_the_best_and_without_events),
        cmocka_unit_test(test_a_slow_disk),
        cmocka_unit_test(test_a_slow_disk_that_fails),
        cmocka_unit_test(test_a_damaged_checkpoint),
        cmocka_unit_test(test_a_failure_beside_a_save),
        cmocka_unit_test(test_an_agent_from_a_run),
        cmocka_unit_test(test_an_agent_from_a_file),
    };
    return cmocka_run_group_tests(tests, setup_group, NULL);
}
