#include "backend/onednn/onednn.h"

#include "backend/onednn/matrix_units.h"
#include "base/error.h"
#include "base/parallel.h"

#include <stdio.h>

bool cw_onednn_offers(dnnl_cpu_isa_t isa) {
    return ((int)dnnl_get_effective_cpu_isa() & (int)isa) == (int)isa;
}

cw_onednn *cw_onednn_enter(const cw_backend *be) {
    if (cw_threads_get() != be->threads) cw_threads_set(be->threads);
    return be->state;
}

static void destroy(cw_backend *be) {
    cw_onednn *state = be->state;
    for (int i = 0; i < CW_PRODUCT_CACHE; i++) cw_prim_free(&state->product[i].prim);
    cw_free(state->product_scratch);
    if (state->stream != NULL) dnnl_stream_destroy(state->stream);
    if (state->engine != NULL) dnnl_engine_destroy(state->engine);
    cw_free(state);
    cw_free(be);
}

/* The richest instruction set in the list that is part of what the processor has: oneDNN also knows
 * combinations without a name here (FP16 in matrix units, AVX10). */
static const char *isa_name(void) {
    static const struct {
        dnnl_cpu_isa_t isa;
        const char *name;
    } sets[] = {
        {dnnl_cpu_isa_avx512_core_amx, "avx512_core_amx"},
        {dnnl_cpu_isa_avx512_core_bf16, "avx512_core_bf16"},
        {dnnl_cpu_isa_avx512_core_vnni, "avx512_core_vnni"},
        {dnnl_cpu_isa_avx512_core, "avx512_core"},
        {dnnl_cpu_isa_avx2_vnni, "avx2_vnni"},
        {dnnl_cpu_isa_avx2, "avx2"},
        {dnnl_cpu_isa_avx, "avx"},
        {dnnl_cpu_isa_sse41, "sse41"},
    };
#if defined(__aarch64__)
    return "aarch64";
#endif
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        if (cw_onednn_offers(sets[i].isa)) return sets[i].name;
    }
    return "another instruction set";
}

static void describe(const cw_backend *be, char *out, size_t out_bytes) {
    const dnnl_version_t *version = dnnl_version();
    const cw_onednn *state = be->state;
    snprintf(out, out_bytes, "oneDNN %d.%d.%d, %s, %s, %d thread%s", version->major, version->minor,
             version->patch, isa_name(), state->kernels->factor_bytes == 2 ? "bf16" : "f32",
             be->threads, be->threads == 1 ? "" : "s");
}

static const cw_ops ops = {
    .name = "onednn",
    .convnet_create = cw_onednn_convnet_create,
    .convnet_destroy = cw_onednn_convnet_destroy,
    .convnet_bytes = cw_onednn_convnet_bytes,
    .convnet_pack = cw_onednn_convnet_pack,
    .convnet_input = cw_onednn_convnet_input,
    .feature_dtype = cw_onednn_feature_dtype,
    .convnet_forward = cw_onednn_convnet_forward,
    .convnet_backward = cw_onednn_convnet_backward,
    .linear_forward = cw_onednn_linear_forward,
    .linear_backward_data = cw_onednn_linear_backward_data,
    .linear_backward_weights = cw_onednn_linear_backward_weights,
    .matmul = cw_onednn_matmul,
    .relu_backward = cw_onednn_relu_backward,
    .tanh_forward = cw_onednn_tanh_forward,
    .tanh_backward = cw_onednn_tanh_backward,
    .add = cw_onednn_add,
    .layernorm_forward = cw_onednn_layernorm_forward,
    .layernorm_backward = cw_onednn_layernorm_backward,
    .l2norm_forward = cw_onednn_l2norm_forward,
    .l2norm_backward = cw_onednn_l2norm_backward,
    .softmax_xent = cw_onednn_softmax_xent,
    .adam = cw_onednn_adam,
    .ema = cw_onednn_ema,
    .destroy = destroy,
    .describe = describe,
};

static cw_status create(cw_backend **out, int threads, bool bf16) {
    cw_backend *be;
    CW_TRY(cw_alloc(&be, 1, sizeof *be, "the oneDNN backend"));
    cw_onednn *state;
    cw_status status = cw_alloc(&state, 1, sizeof *state, "the oneDNN backend");
    if (status != CW_OK) {
        cw_free(be);
        return status;
    }
    *be = (cw_backend){.ops = &ops, .dtype = CW_F32, .state = state};
    be->threads = cw_threads_set(threads);
    state->kernels = cw_kernels_best();
    if (bf16) state->kernels = cw_kernels_bf16();
    if (bf16 && cw_kernels_units() != NULL) {
        state->kernels = cw_kernels_units();
        state->units = cw_unit_kernels_get();
    }
    status = cw_dnnl_check(dnnl_engine_create(&state->engine, dnnl_cpu, 0), "CPU engine");
    if (status == CW_OK) {
        status = cw_dnnl_check(
            dnnl_stream_create(&state->stream, state->engine, dnnl_stream_default_flags), "stream");
    }
    if (status != CW_OK) {
        destroy(be);
        return status;
    }
    *out = be;
    return CW_OK;
}

cw_status cw_backend_onednn_create(cw_backend **out, int threads) {
    return create(out, threads, false);
}

bool cw_backend_onednn_has_bf16(void) {
    return cw_kernels_bf16() != NULL;
}

bool cw_backend_onednn_bf16_by_matrix_units(const cw_convnet_desc *desc) {
    return cw_kernels_units() != NULL && cw_units_fit(desc);
}

cw_status cw_backend_onednn_bf16_create(cw_backend **out, int threads) {
    if (!cw_backend_onednn_has_bf16()) {
        return cw_fail(CW_EUNSUPPORTED,
                       "there are no bf16 kernels for this processor (%s); they need AVX-512 with "
                       "products of bf16, use f32",
                       isa_name());
    }
    return create(out, threads, true);
}
