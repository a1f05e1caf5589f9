/* Taking a policy elsewhere: ONNX models, safetensors weights, and examples to check them with. */
#ifndef CURLEW_EXPORT_H
#define CURLEW_EXPORT_H

#include <curlew/status.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default) /* exported by the shared library */

/* What cw_export writes; a NULL path is a file that is not wanted. */
typedef struct cw_export {
    /* ONNX model, opset 17. Input "observation": u8 (batch, frame_stack * channels, height, width),
     * whole frames, oldest first, the channels of a frame together. Centre crop, scaling, network,
     * tanh and the task's bounds are inside. Output "action": f32 (batch, A), the deterministic
     * policy in the task's own bounds; with `encoder` instead "features": f32 (batch, D), what the
     * query encoder makes of the stack. */
    const char *onnx;
    bool encoder;
    /* safetensors file of every parameter under its PyTorch name (docs/formats.md). */
    const char *weights;
    /* safetensors file with stacks of one real episode of the policy, spread over it, and what
     * curlew makes of them in f32: "observation" u8 (N, C, H, W), "action" f32 (N, A) in the task's
     * bounds, "features" f32 (N, D). */
    const char *examples;
    bool force; /* replace files that exist */
} cw_export;

/* Writes what is asked for of a run: its folder (newest checkpoint) or a file of weights in it.
 * Every file is complete or not there. CW_EINVAL when nothing is asked for; CW_EIO when a file
 * exists or cannot be written; CW_ENOTFOUND. One thread at a time. */
cw_status cw_run_export(const char *run, const cw_export *what);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
