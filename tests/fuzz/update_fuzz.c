/* A file for `curlew update`, under the settings of three profiles: refused by name, or every
 * minibatch is there and no size of the agent is beyond what the file's own tensors span. */
#include "config/config.h"
#include "fuzz.h"
#include "train/update_input.h"

static void read_with(const cw_safetensors *file, const cw_settings *settings) {
    cw_update_input in;
    cw_status status = cw_update_input_read(&in, file, settings);
    if (status != CW_OK) {
        fuzz_require_message(status);
        return;
    }
    REQUIRE(in.n_updates >= 1 && in.n_updates <= CW_UPDATE_MAX && in.start_step >= 0);
    REQUIRE(in.spec.frame_stack >= 1 && in.spec.frame_channels >= 1);
    REQUIRE(in.spec.action_dim >= 1 && in.spec.update.batch_size >= 1);
    for (int i = 0; i < in.n_updates; i++) {
        void *data[CW_UPDATE_TENSORS];
        REQUIRE(cw_update_input_batch(&in, i, data) == CW_OK);
    }
    int batch_tensors = 0;
    for (int i = 0; i < cw_safetensors_count(file); i++) {
        batch_tensors += cw_update_input_is_batch(&in, cw_safetensors_name(file, i));
    }
    REQUIRE(batch_tensors >= CW_UPDATE_TENSORS * in.n_updates);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static cw_settings settings[3];
    static const char *const profiles[3] = {"tiny", "paper", "authors"};
    if (settings[0].env.frame_stack == 0) {
        for (int i = 0; i < 3; i++) {
            cw_settings_default(&settings[i]);
            REQUIRE(cw_profile_apply(&settings[i], profiles[i]) == CW_OK);
        }
    }
    cw_safetensors *file;
    cw_status status = cw_safetensors_parse(&file, bytes, n);
    if (status != CW_OK) {
        fuzz_require_message(status);
        return 0;
    }
    for (int i = 0; i < 3; i++) read_with(file, &settings[i]);
    cw_safetensors_close(file);
    return 0;
}
