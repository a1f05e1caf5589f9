/* Files for `curlew update`: a good one (the fuzzers' seed) with one thing changed at a time. */
#include "base/memory.h"
#include "config/config.h"
#include "test.h"
#include "train/update_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GOOD        CW_TEST_DATA "/fuzz/corpus/update/tiny"
#define MAX_ENTRIES 20000

static cw_safetensors_entry *entries;
static int n_entries;
static cw_safetensors_meta meta[2];
static int n_meta;
static cw_safetensors *good;
static cw_settings settings;
static char path[64];

static int setup(void **state) {
    (void)state;
    cw_settings_default(&settings);
    snprintf(path, sizeof path, "/tmp/cw_update_input_%d", (int)getpid());
    entries = calloc(MAX_ENTRIES, sizeof *entries);
    return entries == NULL || cw_profile_apply(&settings, "tiny") != CW_OK ||
           cw_safetensors_open(&good, GOOD, 1 << 20) != CW_OK;
}

static int teardown(void **state) {
    (void)state;
    cw_safetensors_close(good);
    free(entries);
    return unlink(path);
}

static void start(void) {
    n_entries = cw_safetensors_count(good);
    for (int i = 0; i < n_entries; i++) {
        entries[i] =
            (cw_safetensors_entry){cw_safetensors_name(good, i), *cw_safetensors_tensor(good, i)};
    }
    meta[0] = (cw_safetensors_meta){"frame_stack", "3"};
    n_meta = 1;
}

static cw_safetensors_entry *entry(const char *name) {
    for (int i = 0; i < n_entries; i++) {
        if (strcmp(entries[i].name, name) == 0) return &entries[i];
    }
    fail_msg("no %s", name);
    return NULL;
}

static cw_status read_input(cw_update_input *out, cw_safetensors **file) {
    if (cw_safetensors_write(path, entries, n_entries, meta, n_meta) != CW_OK ||
        cw_safetensors_open(file, path, 1 << 24) != CW_OK) {
        fail_msg("%s", cw_last_error());
    }
    return cw_update_input_read(out, *file, &settings);
}

static void refuse(cw_status wanted, const char *part) {
    cw_update_input in;
    cw_safetensors *file;
    assert_int_equal(read_input(&in, &file), wanted);
    if (strstr(cw_last_error(), part) == NULL) fail_msg("no '%s' in: %s", part, cw_last_error());
    cw_safetensors_close(file);
}

static void sizes_come_from_the_file(void **state) {
    (void)state;
    cw_update_input in;
    cw_safetensors *file;
    start();
    meta[n_meta++] = (cw_safetensors_meta){"start_step", "7"};
    assert_int_equal(read_input(&in, &file), CW_OK);
    assert_int_equal(in.n_updates, 1);
    assert_int_equal(in.start_step, 7);
    assert_int_equal(in.spec.update.batch_size, 2);
    assert_int_equal(in.spec.frame_stack, 3);
    assert_int_equal(in.spec.frame_channels, 1);
    assert_int_equal(in.spec.crop_height, 5);
    assert_int_equal(in.spec.action_dim, 1);
    assert_int_equal(in.spec.encoder.layers, 1);
    assert_true(cw_update_input_is_batch(&in, "next_obs"));
    assert_false(cw_update_input_is_batch(&in, "u0.obs"));
    assert_false(cw_update_input_is_batch(&in, "critic.Q1.trunk.0.weight"));
    cw_safetensors_close(file);
}

static void every_tensor_is_needed(void **state) {
    (void)state;
    start();
    int n = n_entries;
    for (int i = 0; i < n; i++) {
        start();
        entries[i] = entries[--n_entries];
        refuse(CW_EFORMAT, "");
        start();
        if (entries[i].tensor.dtype == CW_F32) { /* as many bytes of another kind */
            entries[i].tensor.dtype = CW_I32;
            refuse(CW_EFORMAT, "tensor '");
        }
        start(); /* one more dimension */
        cw_tensor *tensor = &entries[i].tensor;
        tensor->shape[tensor->ndim++] = 1;
        if (tensor->ndim > 1) refuse(CW_EFORMAT, "tensor '");
    }
}

static void sizes_are_bounded(void **state) {
    (void)state;
    static const char *const names[] = {"critic.encoder.convs.0.weight", "critic.encoder.ln.weight",
                                        "critic.encoder.fc.0.weight",    "critic.Q1.trunk.0.weight",
                                        "actor.trunk.0.weight",          "actor.trunk.4.weight"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        start(); /* no data, whatever the other sizes are: memory must not follow from them */
        cw_tensor *tensor = &entry(names[i])->tensor;
        tensor->shape[0] = 0;
        refuse(CW_EFORMAT, "dimensions of 1 to 1048576");
        if (tensor->ndim == 1) continue;
        tensor->shape[0] = (1 << 20) + 1;
        tensor->shape[1] = 0;
        refuse(CW_EFORMAT, "dimensions of 1 to 1048576");
        tensor->shape[0] = 1 << 20;
        refuse(CW_EFORMAT, "has shape");
    }
    for (int d = 0; d < 4; d++) {
        start();
        entry("obs")->tensor.shape[d] = 0;
        refuse(CW_EFORMAT, "tensor 'obs' must have 4 dimensions");
    }
    start();
    entry("actor.trunk.4.weight")->tensor.shape[0] = 1;
    refuse(CW_EFORMAT, "two per action dimension");
    start();
    entry("reward")->tensor.shape[0] = 1;
    refuse(CW_EFORMAT, "tensor 'reward' must be f32 with 1 dimensions for 2 samples");
}

static void metadata_are_whole_numbers(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "x",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "0x1",
                                      "1.0",
                                      "99999999999999999999",
                                      "1152921504606846977"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        start();
        meta[n_meta++] = (cw_safetensors_meta){"start_step", bad[i]};
        refuse(CW_EFORMAT, "metadata 'start_step'");
    }
    start();
    meta[0].value = "0";
    refuse(CW_EFORMAT, "it must be a whole number, 1 to 1048576");
    meta[0].value = "2";
    refuse(CW_EFORMAT, "3 channels, which 2 frames cannot share");
}

static void settings_may_not_fit(void **state) {
    (void)state;
    start();
    settings.curl.key_encoder = CW_KEY_CRITIC_TARGET;
    refuse(CW_EINVAL, "critic.target_encoder = own");
    settings.curl.key_encoder = CW_KEY_MOMENTUM;
    settings.curl.enabled = false; /* then W and the key encoder are not part of the agent */
    cw_update_input in;
    cw_safetensors *file;
    assert_int_equal(read_input(&in, &file), CW_OK);
    settings.curl.enabled = true;
    cw_memory_fail_after(1);
    assert_int_equal(cw_update_input_read(&in, file, &settings), CW_ENOMEM);
    cw_memory_fail_after(0);
    cw_safetensors_close(file);
}

/* Names u0.obs, u1.obs, ... of several updates. */
static void updates_are_counted(void **state) {
    (void)state;
    static char name[2 * CW_UPDATE_TENSORS][CW_UPDATE_NAME];
    cw_update_input in;
    cw_safetensors *file;
    start();
    int n = n_entries, n_names = 0;
    assert_int_equal(read_input(&in, &file), CW_OK);
    for (int i = 0; i < n; i++) {
        if (!cw_update_input_is_batch(&in, entries[i].name)) continue;
        const char *plain = entries[i].name;
        for (int u = 0; u < 2; u++) {
            snprintf(name[n_names], CW_UPDATE_NAME, "u%d.%s", u, plain);
            cw_safetensors_entry *to = u == 0 ? &entries[i] : &entries[n_entries++];
            *to = (cw_safetensors_entry){name[n_names++], entries[i].tensor};
        }
    }
    cw_safetensors_close(file);
    assert_int_equal(read_input(&in, &file), CW_OK);
    assert_int_equal(in.n_updates, 2);
    assert_true(cw_update_input_is_batch(&in, "u1.reward"));
    static const char *const others[] = {"reward",   "u2.reward",  "u.reward",  "ux.reward",
                                         "u1reward", "u1.rewards", "v1.reward", ""};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(cw_update_input_is_batch(&in, others[i]));
    }
    cw_safetensors_close(file);
    entry("u1.action")->name = "u1.acts";
    refuse(CW_EFORMAT, "tensor 'u1.action' is missing");
    n_entries = 0;
    refuse(CW_EFORMAT, "neither 'obs' nor 'u0.obs' is there");
}

/* No more than so many are looked for. */
static void updates_are_bounded(void **state) {
    (void)state;
    static char name[CW_UPDATE_MAX + 1][20];
    start();
    int n = n_entries;
    for (int i = 0; i < n; i++) {
        if (strcmp(entries[i].name, "obs") == 0) entries[i].name = "moved";
    }
    for (int u = 0; u <= CW_UPDATE_MAX; u++) {
        snprintf(name[u], sizeof name[u], "u%d.obs", u);
        entries[n_entries++] = (cw_safetensors_entry){name[u], entry("moved")->tensor};
    }
    refuse(CW_EFORMAT, "tensor 'u0.next_obs' is missing");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_come_from_the_file), cmocka_unit_test(every_tensor_is_needed),
        cmocka_unit_test(sizes_are_bounded),        cmocka_unit_test(metadata_are_whole_numbers),
        cmocka_unit_test(settings_may_not_fit),     cmocka_unit_test(updates_are_counted),
        cmocka_unit_test(updates_are_bounded),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
