/* Matrix products. Measured on two AVX-512 cores at x (128, 39200), w (1024, 39200): the gemm
 * entry point is the faster one for both gradients, the matmul primitive for y = x w' (it does
 * not walk the transposed weight twice), except with one row, where both read w once and gemm
 * does it better. Small products go through gemm as well, which needs no primitive. */
#include "backend/onednn/onednn.h"
#include "backend/onednn/product.h"
#include "base/error.h"
#include "base/parallel.h"
#include "ops/check.h"

#include <stdatomic.h>

/* Multiplications up to which the calling thread is faster alone, and from which on the library
 * shares them out well itself. In between each thread calls it for rows of its own: the threads of
 * curlew's loops come and go faster than the library's. */
#define FEW_PRODUCTS  (1 << 21)
#define MANY_PRODUCTS (1 << 24)

/* Row-major c (m,n) = op(a) op(b) with sums of length k, by blocks of rows. */
typedef struct gemm_job {
    float *c;
    const float *a, *b;
    int64_t m, n, k, a_row, b_row; /* elements from row to row as they lie */
    bool a_transposed, b_transposed;
    int64_t blocks;
    atomic_int status; /* dnnl_status_t of one that failed */
} gemm_job;

static void gemm_rows(gemm_job *job, int64_t begin, int64_t end) {
    const float *a = job->a + (job->a_transposed ? begin : begin * job->a_row);
    sigset_t before;
    cw_signals_hold(&before);
    dnnl_status_t status = dnnl_sgemm(job->a_transposed ? 'T' : 'N', job->b_transposed ? 'T' : 'N',
                                      end - begin, job->n, job->k, 1, a, job->a_row, job->b,
                                      job->b_row, 0, job->c + begin * job->n, job->n);
    cw_signals_release(&before);
    if (status != dnnl_success) atomic_store(&job->status, (int)status);
}

/* In one thread, whatever the library would take. */
static void gemm_body(void *context, int64_t begin, int64_t end) {
    gemm_job *job = context;
    int threads = cw_threads_get();
    cw_threads_set(1);
    gemm_rows(job, job->m * begin / job->blocks, job->m * end / job->blocks);
    cw_threads_set(threads);
}

static cw_status gemm(const cw_backend *be, float *c, const cw_tensor *a, bool a_transposed,
                      const cw_tensor *b, bool b_transposed, int64_t m, int64_t n, int64_t k) {
    gemm_job job = {.c = c, .a = a->data, .b = b->data, .m = m, .n = n, .k = k, .blocks = 1};
    job.a_row = a->shape[1];
    job.b_row = b->shape[1];
    job.a_transposed = a_transposed;
    job.b_transposed = b_transposed;
    if (m * n * k >= MANY_PRODUCTS) {
        cw_parallel_rest();
        gemm_rows(&job, 0, m);
    } else {
        if (m * n * k > FEW_PRODUCTS) job.blocks = m < be->threads ? m : be->threads;
        cw_parallel_for(job.blocks, 1, gemm_body, &job);
    }
    return cw_dnnl_check((dnnl_status_t)atomic_load(&job.status), "matrix product");
}

/* y (rows, n) += bias (n) unless that is NULL, then ReLU if wanted. */
typedef struct bias_job {
    const cw_kernels *kernels;
    float *y;
    const float *bias;
    size_t n;
    bool relu;
} bias_job;

static void bias_body(void *context, int64_t begin, int64_t end) {
    const bias_job *job = context;
    job->kernels->bias_relu(job->y + (size_t)begin * job->n, job->bias, (size_t)(end - begin),
                            job->n, job->relu);
}

static void add_bias(const cw_onednn *state, cw_tensor *y, const void *bias, bool relu) {
    if (bias == NULL && !relu) return;
    bias_job job = {.kernels = state->kernels, .y = y->data, .bias = bias, .relu = relu};
    job.n = (size_t)y->shape[1];
    int64_t grain = CW_CHUNK / y->shape[1] + 1;
    cw_parallel_for(y->shape[0], grain, bias_body, &job);
}

/* sums (n) = column sums of x (rows, n). */
typedef struct sums_job {
    const cw_kernels *kernels;
    float *sums;
    const float *x;
    size_t rows, n;
} sums_job;

cw_status cw_onednn_grow_scratch(cw_onednn *state, size_t bytes) {
    if (bytes <= state->product_scratch_bytes) return CW_OK;
    void *scratch;
    CW_TRY(cw_alloc(&scratch, bytes, 1, "scratch of a matrix product"));
    cw_free(state->product_scratch);
    state->product_scratch = scratch;
    state->product_scratch_bytes = bytes;
    return CW_OK;
}

/* The primitive for a product, made when it is first seen. A full cache gives up its oldest
 * entry. */
static cw_status find_product(cw_onednn *state, const cw_product *key, const cw_prim **out) {
    int kept = state->n_products < CW_PRODUCT_CACHE ? state->n_products : CW_PRODUCT_CACHE;
    for (int i = 0; i < kept; i++) {
        if (cw_product_equal(&state->product[i].product, key)) {
            *out = &state->product[i].prim;
            return CW_OK;
        }
    }
    cw_product_entry made = {.product = *key};
    CW_TRY(cw_prim_product(&made.prim, state->engine, key));
    cw_status status = cw_onednn_grow_scratch(state, made.prim.scratch);
    if (status != CW_OK) {
        cw_prim_free(&made.prim);
        return status;
    }
    cw_product_entry *slot = &state->product[state->n_products % CW_PRODUCT_CACHE];
    cw_prim_free(&slot->prim);
    *slot = made;
    state->n_products++;
    *out = &slot->prim;
    return CW_OK;
}

/* y = x w' + bias, then ReLU if wanted. */
static cw_status run_product(cw_onednn *state, const cw_product *p, const void *x, const void *w,
                             void *y, const void *bias) {
    const cw_prim *prim;
    CW_TRY(find_product(state, p, &prim));
    void *pointers[4] = {(void *)x, (void *)w, y, (void *)bias};
    return cw_prim_run(prim, state->stream, state->product_scratch, pointers);
}

/* Where factors are bf16, tiles of our own pay from MANY_PRODUCTS on. */
static bool by_tiles(const cw_onednn *state, int64_t rows, int64_t inputs, int64_t outputs) {
    return state->kernels->factor_bytes == 2 && rows > 1 &&
           rows * inputs * outputs >= MANY_PRODUCTS;
}

/* Whether x and dx may be bf16. */
static bool takes_bf16(const cw_onednn *state, int64_t rows, int64_t inputs, int64_t outputs) {
    return cw_tiled_product_bf16(state) && outputs <= CW_PRODUCT_PIECE &&
           by_tiles(state, rows, inputs, outputs);
}

cw_dtype cw_onednn_feature_dtype(const cw_backend *be, const cw_convnet_desc *desc,
                                 int64_t outputs) {
    const cw_onednn *state = be->state;
    bool rounded = state->units != NULL && cw_units_fit(desc) &&
                   takes_bf16(state, desc->batch, cw_convnet_features(desc), outputs);
    return rounded ? CW_BF16 : CW_F32;
}

/* Type that a linear layer of those sizes takes its input in: features may have been rounded. */
static cw_dtype input_dtype(const cw_backend *be, const cw_tensor *x, int64_t outputs) {
    const cw_onednn *state = be->state;
    bool rounded =
        x->dtype == CW_BF16 && x->ndim == 2 && takes_bf16(state, x->shape[0], x->shape[1], outputs);
    return rounded ? CW_BF16 : CW_F32;
}

/* The transpose of row-major y (m, n): its rows are then w's, the many, and are packed on the way;
 * but x's where those are more and need no rounding: rows are packed as they lie. */
static cw_status forward_by_tiles(cw_backend *be, cw_tensor *y, const cw_tensor *x,
                                  const cw_tensor *w) {
    bool x_bf16 = x->dtype == CW_BF16;
    bool by_w = !x_bf16 || w->shape[0] >= x->shape[0];
    const cw_tensor *a = by_w ? w : x;
    const cw_tensor *b = by_w ? x : w;
    cw_tiled_product t = {.m = a->shape[0], .n = b->shape[0], .k = x->shape[1]};
    t.a = a->data;
    t.a_bf16 = x_bf16 && !by_w;
    t.a_row = t.k;
    t.a_k = 1;
    t.b = b->data;
    t.b_bf16 = x_bf16 && by_w;
    t.b_k = 1;
    t.b_column = t.k;
    t.c = y->data;
    t.c_row = by_w ? 1 : t.n;
    t.c_column = by_w ? t.m : 1;
    return cw_tiled_product_run(be->state, be->threads, &t);
}

/* Row-major c (m, n) = op(a) b */
static cw_status backward_by_tiles(cw_backend *be, cw_tensor *c, const cw_tensor *a,
                                   bool a_transposed, const cw_tensor *b) {
    cw_tiled_product t = {.m = c->shape[0], .n = c->shape[1], .k = b->shape[0]};
    t.a = a->data;
    t.a_row = a_transposed ? 1 : a->shape[1];
    t.a_k = a_transposed ? a->shape[1] : 1;
    t.b = b->data;
    t.b_bf16 = b->dtype == CW_BF16;
    t.b_k = t.n;
    t.b_column = 1;
    t.c = c->data;
    t.c_bf16 = c->dtype == CW_BF16;
    t.c_row = t.n;
    t.c_column = 1;
    return cw_tiled_product_run(be->state, be->threads, &t);
}

cw_status cw_onednn_linear_forward(cw_backend *be, cw_tensor *y, const cw_tensor *x,
                                   const cw_tensor *w, const cw_tensor *b, bool relu) {
    CW_TRY(cw_check_linear("linear_forward", CW_F32, y, x, input_dtype(be, x, w->shape[0]), w, b));
    cw_onednn *state = cw_onednn_enter(be);
    const void *bias = b != NULL ? b->data : NULL;
    cw_product p = {.m = x->shape[0], .n = w->shape[0], .k = x->shape[1]};
    p.bias = b != NULL;
    p.relu = relu;
    if (by_tiles(state, p.m, p.k, p.n)) {
        CW_TRY(forward_by_tiles(be, y, x, w));
        add_bias(state, y, bias, relu);
        return CW_OK;
    }
    if (p.m == 1 || p.m * p.n * p.k < MANY_PRODUCTS) {
        CW_TRY(gemm(be, y->data, x, false, w, true, p.m, p.n, p.k));
        add_bias(state, y, bias, relu);
        return CW_OK;
    }
    return run_product(state, &p, x->data, w->data, y->data, bias);
}

cw_status cw_onednn_linear_backward_data(cw_backend *be, cw_tensor *dx, const cw_tensor *dy,
                                         const cw_tensor *w) {
    cw_dtype dtype = input_dtype(be, dx, w->shape[0]);
    CW_TRY(cw_check_linear("linear_backward_data", CW_F32, dy, dx, dtype, w, NULL));
    cw_onednn *state = cw_onednn_enter(be);
    int64_t rows = dx->shape[0];
    int64_t inputs = dx->shape[1];
    int64_t outputs = w->shape[0];
    if (by_tiles(state, rows, inputs, outputs)) return backward_by_tiles(be, dx, dy, false, w);
    return gemm(be, dx->data, dy, false, w, false, rows, inputs, outputs);
}

static void column_sums_body(void *context, int64_t begin, int64_t end) {
    const sums_job *job = context;
    job->kernels->column_sums(job->sums, job->x, job->rows, job->n, (size_t)begin, (size_t)end);
}

cw_status cw_onednn_linear_backward_weights(cw_backend *be, cw_tensor *dw, cw_tensor *db,
                                            const cw_tensor *dy, const cw_tensor *x) {
    cw_dtype dtype = input_dtype(be, x, dw->shape[0]);
    CW_TRY(cw_check_linear("linear_backward_weights", CW_F32, dy, x, dtype, dw, db));
    cw_onednn *state = cw_onednn_enter(be);
    if (db != NULL) {
        sums_job job = {.kernels = state->kernels, .sums = db->data, .x = dy->data};
        job.rows = (size_t)dy->shape[0];
        job.n = (size_t)dy->shape[1];
        cw_parallel_for(dy->shape[1], 256, column_sums_body, &job);
    }
    int64_t rows = x->shape[0];
    int64_t inputs = dw->shape[1];
    int64_t outputs = dw->shape[0];
    if (by_tiles(state, rows, inputs, outputs)) return backward_by_tiles(be, dw, dy, true, x);
    return gemm(be, dw->data, dy, true, x, false, outputs, inputs, rows);
}

cw_status cw_onednn_matmul(cw_backend *be, cw_tensor *c, const cw_tensor *a, bool a_transposed,
                           const cw_tensor *b, bool b_transposed) {
    int64_t k;
    CW_TRY(cw_check_matmul(CW_F32, c, a, a_transposed, b, b_transposed, &k));
    cw_onednn_enter(be);
    return gemm(be, c->data, a, a_transposed, b, b_transposed, c->shape[0], c->shape[1], k);
}
