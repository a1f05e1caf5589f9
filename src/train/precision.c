#include "train/precision.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "train/folder.h"

#include <string.h>

#define PRECISION_NAME "precision"
#define PRECISION_BF16 "bf16\n"

/* bf16 has to be this many times as fast, which is well below what it is on matrix units, so that
 * noise in the probe decides nothing. */
#define NEEDED_GAIN 1.5

#define PROBE_ROUNDS 4

/* A stack on a backend with memory of its own; the values in it do not matter. */
typedef struct probe {
    cw_backend *be;
    cw_convnet *net;
    void *acts, *packed, *scratch;
    cw_tensor features, dfeatures;
    void *params, *dparams;
} probe;

static void close_probe(probe *p) {
    if (p->net != NULL) p->be->ops->convnet_destroy(p->net);
    cw_backend_destroy(p->be);
    void *blocks[] = {p->acts,          p->packed,         p->scratch, p->params,
                      p->features.data, p->dfeatures.data, p->dparams};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) cw_free(blocks[i]);
}

static cw_status open_memory(probe *p, const cw_convnet_desc *desc) {
    const char *what = "the precision probe";
    cw_convnet_bytes bytes;
    p->be->ops->convnet_bytes(p->net, &bytes);
    int64_t features = cw_convnet_features(desc);
    size_t n_params = (size_t)cw_convnet_param_count(desc);
    size_t n_features = (size_t)(desc->batch * features);
    p->features = cw_tensor_2d(CW_F32, NULL, desc->batch, features);
    p->dfeatures = p->features;
    CW_TRY(cw_alloc(&p->acts, bytes.acts + 1, 1, what));
    CW_TRY(cw_alloc(&p->packed, bytes.packed + 1, 1, what));
    CW_TRY(cw_alloc(&p->scratch, bytes.scratch + 1, 1, what));
    CW_TRY(cw_alloc(&p->params, n_params, sizeof(float), what));
    CW_TRY(cw_alloc(&p->dparams, n_params, sizeof(float), what));
    CW_TRY(cw_alloc(&p->features.data, n_features, sizeof(float), what));
    return cw_alloc(&p->dfeatures.data, n_features, sizeof(float), what);
}

static cw_status open_probe(probe *p, const cw_convnet_desc *desc, int threads, bool bf16) {
    *p = (probe){0};
    CW_TRY(bf16 ? cw_backend_onednn_bf16_create(&p->be, threads)
                : cw_backend_onednn_create(&p->be, threads));
    CW_TRY(p->be->ops->convnet_create(p->be, &p->net, desc));
    CW_TRY(open_memory(p, desc));
    return p->be->ops->convnet_pack(p->net, p->packed, p->params);
}

static cw_status time_round(probe *p, double *best) {
    const cw_ops *ops = p->be->ops;
    double from = cw_clock_s();
    CW_TRY(ops->convnet_forward(p->net, &p->features, p->acts, p->packed, p->scratch));
    CW_TRY(ops->convnet_backward(p->net, p->dparams, p->acts, p->packed, &p->features,
                                 &p->dfeatures, p->scratch));
    double seconds = cw_clock_s() - from;
    if (*best == 0 || seconds < *best) *best = seconds;
    return CW_OK;
}

cw_status cw_precision_probe(const cw_convnet_desc *desc, int threads, cw_precision_times *out) {
    probe probes[2] = {0};
    double best[2] = {0};
    cw_status status = CW_OK;
    for (int i = 0; i < 2 && status == CW_OK; i++) {
        status = open_probe(&probes[i], desc, threads, i == 1);
    }
    for (int i = 0; i < 2 * PROBE_ROUNDS && status == CW_OK; i++) {
        status = time_round(&probes[i % 2], &best[i % 2]);
    }
    for (int i = 0; i < 2; i++) close_probe(&probes[i]);
    *out = (cw_precision_times){.f32_s = best[0], .bf16_s = best[1]};
    return status;
}

/* What a run that goes on began with. */
static cw_status recall(cw_precision *out, const char *path) {
    *out = CW_PRECISION_F32;
    if (!cw_file_exists(path)) return CW_OK;
    unsigned char *text;
    size_t n;
    CW_TRY(cw_file_read(path, 64, &text, &n));
    bool known = strcmp((const char *)text, PRECISION_BF16) == 0;
    cw_free(text);
    if (!known) return cw_fail(CW_EFORMAT, "%s does not say bf16, the only word it may hold", path);
    *out = CW_PRECISION_BF16;
    return CW_OK;
}

cw_status cw_precision_settle(cw_precision *out, const cw_settings *settings,
                              const cw_convnet_desc *desc, char *line, size_t line_bytes) {
    char config[CW_PATH], path[CW_PATH];
    if (line_bytes > 0) line[0] = '\0';
    *out = settings->run.precision;
    if (*out != CW_PRECISION_AUTO) return CW_OK;
    CW_TRY(cw_folder_path(config, settings->run.out, CW_CONFIG_NAME));
    CW_TRY(cw_folder_path(path, settings->run.out, PRECISION_NAME));
    if (cw_file_exists(config)) return recall(out, path);
    *out = CW_PRECISION_F32;
    if (!cw_backend_onednn_bf16_by_matrix_units(desc)) return CW_OK;
    cw_precision_times times;
    CW_TRY(cw_precision_probe(desc, settings->run.threads, &times));
    if (times.bf16_s * NEEDED_GAIN < times.f32_s) *out = CW_PRECISION_BF16;
    snprintf(line, line_bytes, "precision: %s; the convolutions take %.1f ms in f32, %.1f in bf16",
             *out == CW_PRECISION_BF16 ? "bf16" : "f32", times.f32_s * 1e3, times.bf16_s * 1e3);
    return CW_OK;
}

cw_status cw_precision_keep(const cw_settings *settings, cw_precision precision) {
    if (settings->run.precision != CW_PRECISION_AUTO || precision != CW_PRECISION_BF16) {
        return CW_OK;
    }
    char path[CW_PATH];
    CW_TRY(cw_folder_path(path, settings->run.out, PRECISION_NAME));
    if (cw_file_exists(path)) return CW_OK;
    return cw_file_write_atomic(path, PRECISION_BF16, strlen(PRECISION_BF16));
}
