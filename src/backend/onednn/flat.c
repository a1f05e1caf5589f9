/* Elementwise ops and optimiser loops: threads over chunks, vector loops from the kernel table. */
#include "backend/onednn/onednn.h"
#include "base/error.h"
#include "base/parallel.h"
#include "ops/check.h"

#include <math.h>

/* Operands of one elementwise loop; which of them are used depends on the op. */
typedef struct flat_job {
    const cw_kernels *kernels;
    float *out, *m, *v;
    const float *a, *b;
    size_t n;
    float tau, rest;
    cw_adam_scalars adam;
} flat_job;

static void run(const flat_job *job, cw_range_fn body) {
    int64_t chunks = (int64_t)((job->n + CW_CHUNK - 1) / CW_CHUNK);
    cw_parallel_for(chunks, 4, body, (void *)job);
}

/* Elements [*at, *at + return value) of chunks [begin, end). */
static size_t range(const flat_job *job, int64_t begin, int64_t end, size_t *at) {
    *at = (size_t)begin * CW_CHUNK;
    size_t stop = (size_t)end * CW_CHUNK;
    return (stop < job->n ? stop : job->n) - *at;
}

static void relu_backward_body(void *context, int64_t begin, int64_t end) {
    const flat_job *job = context;
    size_t at;
    size_t n = range(job, begin, end, &at);
    job->kernels->relu_backward(job->out + at, job->a + at, n);
}

cw_status cw_onednn_relu_backward(cw_backend *be, cw_tensor *dy, const cw_tensor *y) {
    int64_t n = cw_tensor_count(y);
    CW_TRY(cw_check_count("relu_backward", "y", CW_F32, y, n));
    CW_TRY(cw_check_count("relu_backward", "dy", CW_F32, dy, n));
    flat_job job = {.kernels = cw_onednn_enter(be)->kernels, .n = (size_t)n};
    job.out = dy->data;
    job.a = y->data;
    run(&job, relu_backward_body);
    return CW_OK;
}

static void tanh_forward_body(void *context, int64_t begin, int64_t end) {
    const flat_job *job = context;
    size_t at;
    size_t n = range(job, begin, end, &at);
    for (size_t i = at; i < at + n; i++) job->out[i] = tanhf(job->a[i]);
}

cw_status cw_onednn_tanh_forward(cw_backend *be, cw_tensor *y, const cw_tensor *x) {
    int64_t n = cw_tensor_count(x);
    CW_TRY(cw_check_count("tanh_forward", "x", CW_F32, x, n));
    CW_TRY(cw_check_count("tanh_forward", "y", CW_F32, y, n));
    flat_job job = {.kernels = cw_onednn_enter(be)->kernels, .n = (size_t)n};
    job.out = y->data;
    job.a = x->data;
    run(&job, tanh_forward_body);
    return CW_OK;
}

static void tanh_backward_body(void *context, int64_t begin, int64_t end) {
    const flat_job *job = context;
    size_t at;
    size_t n = range(job, begin, end, &at);
    job->kernels->tanh_backward(job->out + at, job->a + at, job->b + at, n);
}

cw_status cw_onednn_tanh_backward(cw_backend *be, cw_tensor *dx, const cw_tensor *dy,
                                  const cw_tensor *y) {
    int64_t n = cw_tensor_count(y);
    CW_TRY(cw_check_count("tanh_backward", "y", CW_F32, y, n));
    CW_TRY(cw_check_count("tanh_backward", "dy", CW_F32, dy, n));
    CW_TRY(cw_check_count("tanh_backward", "dx", CW_F32, dx, n));
    flat_job job = {.kernels = cw_onednn_enter(be)->kernels, .n = (size_t)n};
    job.out = dx->data;
    job.a = dy->data;
    job.b = y->data;
    run(&job, tanh_backward_body);
    return CW_OK;
}

static void add_body(void *context, int64_t begin, int64_t end) {
    const flat_job *job = context;
    size_t at;
    size_t n = range(job, begin, end, &at);
    job->kernels->add(job->out + at, job->a + at, n);
}

cw_status cw_onednn_add(cw_backend *be, cw_tensor *y, const cw_tensor *x) {
    int64_t n = cw_tensor_count(x);
    CW_TRY(cw_check_count("add", "x", CW_F32, x, n));
    CW_TRY(cw_check_count("add", "y", CW_F32, y, n));
    flat_job job = {.kernels = cw_onednn_enter(be)->kernels, .n = (size_t)n};
    job.out = y->data;
    job.a = x->data;
    run(&job, add_body);
    return CW_OK;
}

static void adam_body(void *context, int64_t begin, int64_t end) {
    const flat_job *job = context;
    size_t at;
    size_t n = range(job, begin, end, &at);
    job->kernels->adam(job->out + at, job->m + at, job->v + at, job->a + at, n, &job->adam);
}

cw_status cw_onednn_adam(cw_backend *be, void *param, void *m, void *v, const void *grad, size_t n,
                         const cw_adam *adam) {
    CW_TRY(cw_check_adam(adam));
    flat_job job = {.kernels = cw_onednn_enter(be)->kernels, .n = n};
    job.out = param;
    job.m = m;
    job.v = v;
    job.a = grad;
    job.adam = (cw_adam_scalars){
        .beta1 = (float)adam->beta1,
        .rest1 = (float)(1 - adam->beta1),
        .beta2 = (float)adam->beta2,
        .rest2 = (float)(1 - adam->beta2),
        .step = (float)(adam->lr / (1 - pow(adam->beta1, (double)adam->t))),
        .inv_root = (float)(1 / sqrt(1 - pow(adam->beta2, (double)adam->t))),
        .eps = (float)adam->eps,
        .repeat = adam->repeat,
    };
    run(&job, adam_body);
    return CW_OK;
}

static void ema_body(void *context, int64_t begin, int64_t end) {
    const flat_job *job = context;
    size_t at;
    size_t n = range(job, begin, end, &at);
    job->kernels->ema(job->out + at, job->a + at, n, job->tau, job->rest);
}

cw_status cw_onednn_ema(cw_backend *be, void *target, const void *source, size_t n, double tau) {
    flat_job job = {.kernels = cw_onednn_enter(be)->kernels, .n = n};
    job.out = target;
    job.a = source;
    job.tau = (float)tau;
    job.rest = (float)(1 - tau);
    run(&job, ema_body);
    return CW_OK;
}
