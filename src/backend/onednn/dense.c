/* Matrix products. Measured on two AVX-512 cores at x (128, 39200), w (1024, 39200): the gemm
 * entry point is the faster one for both gradients, the matmul primitive for y = x w' (it does
 * not walk the transposed weight twice), except with one row, where both read w once and gemm
 * does it better. */
#include "backend/onednn/onednn.h"
#include "base/error.h"
#include "base/parallel.h"
#include "ops/check.h"

/* Row-major c (m,n) = op(a) op(b) with sums of length k. */
static cw_status gemm(float *c, const cw_tensor *a, bool a_transposed, const cw_tensor *b,
                      bool b_transposed, int64_t m, int64_t n, int64_t k) {
    dnnl_status_t status = dnnl_sgemm(a_transposed ? 'T' : 'N', b_transposed ? 'T' : 'N', m, n, k,
                                      1, a->data, a->shape[1], b->data, b->shape[1], 0, c, n);
    return cw_dnnl_check(status, "matrix product");
}

/* sums (n) = column sums of x (rows, n). */
typedef struct sums_job {
    const cw_kernels *kernels;
    float *sums;
    const float *x;
    size_t rows, n;
} sums_job;

static cw_status grow_scratch(cw_onednn *state, size_t bytes) {
    if (bytes <= state->linear_scratch_bytes) return CW_OK;
    void *scratch;
    CW_TRY(cw_alloc(&scratch, bytes, 1, "scratch of a matrix product"));
    cw_free(state->linear_scratch);
    state->linear_scratch = scratch;
    state->linear_scratch_bytes = bytes;
    return CW_OK;
}

/* The primitive for a shape, made when the shape is first seen. A full cache gives up its oldest
 * entry. */
static cw_status find_linear(cw_onednn *state, const cw_linear_entry *key, const cw_prim **out) {
    int kept = state->n_linear < CW_LINEAR_CACHE ? state->n_linear : CW_LINEAR_CACHE;
    for (int i = 0; i < kept; i++) {
        const cw_linear_entry *e = &state->linear[i];
        if (e->rows == key->rows && e->inputs == key->inputs && e->outputs == key->outputs &&
            e->bias == key->bias && e->relu == key->relu) {
            *out = &e->prim;
            return CW_OK;
        }
    }
    cw_linear_entry made = *key;
    CW_TRY(cw_prim_linear(&made.prim, state->engine, key->rows, key->inputs, key->outputs,
                          key->bias, key->relu));
    cw_status status = grow_scratch(state, made.prim.scratch);
    if (status != CW_OK) {
        cw_prim_free(&made.prim);
        return status;
    }
    cw_linear_entry *slot = &state->linear[state->n_linear % CW_LINEAR_CACHE];
    cw_prim_free(&slot->prim);
    *slot = made;
    state->n_linear++;
    *out = &slot->prim;
    return CW_OK;
}

cw_status cw_onednn_linear_forward(cw_backend *be, cw_tensor *y, const cw_tensor *x,
                                   const cw_tensor *w, const cw_tensor *b, bool relu) {
    CW_TRY(cw_check_linear("linear_forward", CW_F32, y, x, w, b));
    cw_onednn *state = cw_onednn_enter(be);
    cw_linear_entry key = {.rows = x->shape[0], .inputs = x->shape[1], .outputs = w->shape[0]};
    key.bias = b != NULL;
    key.relu = relu;
    if (key.rows == 1) {
        CW_TRY(gemm(y->data, x, false, w, true, 1, key.outputs, key.inputs));
        state->kernels->bias_relu(y->data, b != NULL ? b->data : NULL, 1, (size_t)key.outputs,
                                  relu);
        return CW_OK;
    }
    const cw_prim *prim;
    CW_TRY(find_linear(state, &key, &prim));
    void *pointers[4] = {x->data, w->data, y->data, b != NULL ? b->data : NULL};
    return cw_prim_run(prim, state->stream, state->linear_scratch, pointers);
}

cw_status cw_onednn_linear_backward_data(cw_backend *be, cw_tensor *dx, const cw_tensor *dy,
                                         const cw_tensor *w) {
    CW_TRY(cw_check_linear("linear_backward_data", CW_F32, dy, dx, w, NULL));
    cw_onednn_enter(be);
    return gemm(dx->data, dy, false, w, false, dx->shape[0], dx->shape[1], w->shape[0]);
}

static void column_sums_body(void *context, int64_t begin, int64_t end) {
    const sums_job *job = context;
    job->kernels->column_sums(job->sums, job->x, job->rows, job->n, (size_t)begin, (size_t)end);
}

cw_status cw_onednn_linear_backward_weights(cw_backend *be, cw_tensor *dw, cw_tensor *db,
                                            const cw_tensor *dy, const cw_tensor *x) {
    CW_TRY(cw_check_linear("linear_backward_weights", CW_F32, dy, x, dw, db));
    cw_onednn *state = cw_onednn_enter(be);
    if (db != NULL) {
        sums_job job = {.kernels = state->kernels, .sums = db->data, .x = dy->data};
        job.rows = (size_t)dy->shape[0];
        job.n = (size_t)dy->shape[1];
        cw_parallel_for(dy->shape[1], 256, column_sums_body, &job);
    }
    return gemm(dw->data, dy, true, x, false, dw->shape[0], dw->shape[1], x->shape[0]);
}

cw_status cw_onednn_matmul(cw_backend *be, cw_tensor *c, const cw_tensor *a, bool a_transposed,
                           const cw_tensor *b, bool b_transposed) {
    int64_t k;
    CW_TRY(cw_check_matmul(CW_F32, c, a, a_transposed, b, b_transposed, &k));
    cw_onednn_enter(be);
    return gemm(c->data, a, a_transposed, b, b_transposed, c->shape[0], c->shape[1], k);
}
