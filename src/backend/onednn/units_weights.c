/* Weights between OIHW in f32 and the blocks that matrix units multiply, and their gradients back.
 */
#include "backend/onednn/units_impl.h"
#include "base/parallel.h"

#include <string.h>

/* Term t of a block of the first layer: its place in an OIHW weight's (C, 9), or -1 beyond it. */
static int64_t first_tap(const cw_units *u, int64_t block, int64_t t) {
    int64_t across = cw_unit_first_blocks(&u->desc);
    int64_t at = block % across * CW_UNIT + t;
    if (at >= 3 * u->desc.channels) return -1;
    return at % u->desc.channels * 9 + block / across * 3 + at / u->desc.channels;
}

typedef struct pack_job {
    const cw_units *units;
    void *packed;
    const float *params;
} pack_job;

static void pack_first(const cw_units *u, uint16_t *to, const float *weight, int64_t group) {
    const unit_layer *l = &u->layer[0];
    for (int64_t k = 0; k < l->conv.terms; k++, to += CW_UNIT * CW_UNIT) {
        float block[CW_UNIT * CW_UNIT];
        for (int64_t t = 0; t < CW_UNIT; t++) {
            int64_t tap = first_tap(u, k, t);
            for (int64_t f = 0; f < CW_UNIT; f++) {
                float w = tap < 0 ? 0 : weight[(group * CW_UNIT + f) * l->c * 9 + tap] / 255.0F;
                block[cw_unit_weight_at(t, f)] = w;
            }
        }
        cw_kernels_bf16()->to_bf16(to, block, CW_UNIT * CW_UNIT);
    }
}

/* Output channels of `group`; input ones when `backward`, where both change places. */
static void pack_inner(const cw_units *u, uint16_t *to, const float *weight, int64_t group,
                       bool backward) {
    int64_t channels = u->desc.filters;
    int64_t blocks = channels / CW_UNIT;
    for (int64_t k = 0; k < 9 * blocks; k++, to += CW_UNIT * CW_UNIT) {
        float block[CW_UNIT * CW_UNIT];
        for (int64_t f = 0; f < CW_UNIT; f++) {
            for (int64_t t = 0; t < CW_UNIT; t++) {
                int64_t out = group * CW_UNIT + f;
                int64_t in = k % blocks * CW_UNIT + t;
                int64_t from = backward ? in * channels + out : out * channels + in;
                block[cw_unit_weight_at(t, f)] = weight[from * 9 + k / blocks];
            }
        }
        cw_kernels_bf16()->to_bf16(to, block, CW_UNIT * CW_UNIT);
    }
}

/* Items are groups of channels of all layers. */
static void pack_body(void *context, int64_t begin, int64_t end) {
    const pack_job *job = context;
    const cw_units *u = job->units;
    int64_t groups = u->desc.filters / CW_UNIT;
    for (int64_t item = begin; item < end; item++) {
        const unit_layer *l = &u->layer[item / groups];
        int64_t group = item % groups;
        const float *weight = job->params + l->param;
        size_t share = (size_t)(group * l->conv.terms * CW_UNIT * CW_UNIT) * sizeof(uint16_t);
        if (item < groups) {
            pack_first(u, cw_unit_at(job->packed, l->forward + share), weight, group);
        } else {
            pack_inner(u, cw_unit_at(job->packed, l->forward + share), weight, group, false);
            if (u->desc.train) {
                pack_inner(u, cw_unit_at(job->packed, l->backward + share), weight, group, true);
            }
        }
        memcpy((float *)cw_unit_at(job->packed, l->bias) + group * CW_UNIT,
               weight + l->n_weight + group * CW_UNIT, CW_UNIT * sizeof(float));
    }
}

void cw_units_pack(const cw_units *units, void *packed, const float *params) {
    pack_job job = {.units = units, .packed = packed, .params = params};
    cw_parallel_for(units->desc.n_layers * units->desc.filters / CW_UNIT, 1, pack_body, &job);
}

typedef struct collect_job {
    const cw_units *units;
    float *dparams;
    const void *scratch;
} collect_job;

/* A float of the first part's sums and the same of the others, in order. */
static float add_parts(const cw_units *u, const float *first) {
    size_t step = u->sum_bytes / sizeof *first;
    float sum = 0;
    for (int64_t p = 0; p < u->parts; p++) sum += first[(size_t)p * step];
    return sum;
}

/* Filter f of layer i. */
static void collect_filter(const collect_job *job, int i, int64_t f) {
    const cw_units *u = job->units;
    const unit_layer *l = &u->layer[i];
    int64_t groups = u->desc.filters / CW_UNIT;
    const float *sums = (const float *)cw_unit_at(job->scratch, u->sums) + l->sums;
    float *dweight = job->dparams + l->param;
    const float *row = sums + f / CW_UNIT * CW_UNIT * CW_UNIT + f % CW_UNIT * CW_UNIT;
    for (int64_t k = 0; k < l->conv.terms; k++, row += groups * CW_UNIT * CW_UNIT) {
        for (int64_t t = 0; t < CW_UNIT; t++) {
            int64_t inner = (k % groups * CW_UNIT + t) * 9 + k / groups;
            int64_t tap = i == 0 ? first_tap(u, k, t) : inner;
            if (tap < 0) continue;
            float sum = add_parts(u, row + cw_unit_column(t));
            dweight[f * l->c * 9 + tap] = i == 0 ? sum / 255.0F : sum;
        }
    }
    dweight[l->n_weight + (size_t)f] =
        add_parts(u, sums + l->conv.terms * CW_UNIT * u->desc.filters + f);
}

/* Items are filters. */
static void collect_body(void *context, int64_t begin, int64_t end) {
    const collect_job *job = context;
    for (int i = 0; i < job->units->desc.n_layers; i++) {
        for (int64_t f = begin; f < end; f++) collect_filter(job, i, f);
    }
}

void cw_units_collect(const cw_units *units, float *dparams, const void *scratch) {
    collect_job job = {.units = units, .dparams = dparams, .scratch = scratch};
    cw_parallel_for(units->desc.filters, 8, collect_body, &job);
}
