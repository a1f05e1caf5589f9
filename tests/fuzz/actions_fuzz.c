/* The action file of a rollout, on toy: refused by name, or played, and then the file that is
 * written can be read and has a reward for each action. */
#include "fuzz.h"
#include "io/safetensors.h"

#include <curlew/run.h>

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    const char *in = fuzz_path("actions"), *out = fuzz_path("out");
    fuzz_put(in, bytes, n);
    cw_status status = cw_rollout("toy", 1, in, out, NULL, 0, "auto");
    if (status != CW_OK) {
        fuzz_require_message(status);
        return 0;
    }
    cw_safetensors *actions, *result;
    REQUIRE(cw_safetensors_open(&actions, in, 1 << 20) == CW_OK);
    REQUIRE(cw_safetensors_open(&result, out, 1 << 20) == CW_OK);
    const cw_tensor *rewards = cw_safetensors_find(result, "rewards");
    REQUIRE(rewards != NULL && rewards->ndim == 1);
    REQUIRE(rewards->shape[0] == cw_safetensors_find(actions, "actions")->shape[0]);
    cw_safetensors_close(actions);
    cw_safetensors_close(result);
    return 0;
}
