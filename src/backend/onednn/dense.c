/* Matrix products. Measured on two AVX-512 cores at x (128, 39200), w (1024, 39200): the gemm
 * entry point is the faster one for both gradients, the matmul primitive for y = x w' (it does
 * not walk the transposed weight twice), except with one row, where both read w once and gemm
 * does it better. */
#include "backend/onednn/onednn.h"
#include "backend/onednn/product.h"
#include "base/error.h"
#include "base/parallel.h"
#include "ops/check.h"

/* Row-major c (m,n) = op(a) op(b) with sums of length k. */
static cw_status gemm(float *c, const cw_tensor *a, bool a_transposed, const cw_tensor *b,
                      bool b_transposed, int64_t m, int64_t n, int64_t k) {
    sigset_t before;
    cw_signals_hold(&before);
    dnnl_status_t status = dnnl_sgemm(a_transposed ? 'T' : 'N', b_transposed ? 'T' : 'N', m, n, k,
                                      1, a->data, a->shape[1], b->data, b->shape[1], 0, c, n);
    cw_signals_release(&before);
    return cw_dnnl_check(status, "matrix product");
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

/* Bytes of both factors in bf16; 0 when they are read where they are. */
static size_t factor_bytes(const cw_product *p) {
    if (p->type == dnnl_f32) return 0;
    size_t element = cw_onednn_bytes(p->type);
    return cw_onednn_aligned((size_t)(p->m * p->k) * element) +
           cw_onednn_aligned((size_t)(p->k * p->n) * element);
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
    cw_status status = cw_onednn_grow_scratch(state, factor_bytes(key) + made.prim.scratch);
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

typedef struct convert_job {
    const cw_kernels *kernels;
    uint16_t *to;
    const float *from;
    size_t n;
} convert_job;

static void convert_body(void *context, int64_t begin, int64_t end) {
    const convert_job *job = context;
    size_t first = (size_t)begin * CW_CHUNK;
    size_t stop = (size_t)end * CW_CHUNK < job->n ? (size_t)end * CW_CHUNK : job->n;
    job->kernels->to_bf16(job->to + first, job->from + first, stop - first);
}

static void convert(const cw_onednn *state, void *to, const void *from, size_t n) {
    convert_job job = {.kernels = state->kernels, .to = to, .from = from, .n = n};
    cw_parallel_for((int64_t)((n + CW_CHUNK - 1) / CW_CHUNK), 4, convert_body, &job);
}

/* Runs a product on f32 factors, rounding them first when it is in bf16. */
static cw_status run_product(cw_onednn *state, const cw_product *p, const void *a, const void *b,
                             void *c, const void *bias) {
    const cw_prim *prim;
    CW_TRY(find_product(state, p, &prim));
    char *scratch = state->product_scratch;
    void *pointers[4] = {(void *)a, (void *)b, c, (void *)bias};
    if (p->type != dnnl_f32) {
        size_t n_a = (size_t)(p->m * p->k);
        size_t n_b = (size_t)(p->k * p->n);
        pointers[0] = scratch;
        pointers[1] = scratch + cw_onednn_aligned(n_a * cw_onednn_bytes(p->type));
        convert(state, pointers[0], a, n_a);
        convert(state, pointers[1], b, n_b);
        scratch += factor_bytes(p);
    }
    return cw_prim_run(prim, state->stream, scratch, pointers);
}

/* Inputs from which on a linear layer is wide: the one behind the convolutions, whose products are
 * where a head's time goes. Narrower layers stay f32 whatever the backend's type. */
#define WIDE 4096

static bool in_bf16(const cw_onednn *state, int64_t rows, int64_t inputs) {
    return state->type == dnnl_bf16 && rows > 1 && inputs >= WIDE;
}

/* Products from which on tiles of our own pay, where their factors are bf16. */
#define MANY_PRODUCTS (1 << 24)

static bool by_tiles(const cw_onednn *state, int64_t rows, int64_t inputs, int64_t outputs) {
    return state->kernels->factor_bytes == 2 && rows > 1 &&
           rows * inputs * outputs >= MANY_PRODUCTS;
}

/* The transpose of row-major y (m, n): its rows are then w's, the many, and are packed on the
 * way. */
static cw_status forward_by_tiles(cw_backend *be, cw_tensor *y, const cw_tensor *x,
                                  const cw_tensor *w) {
    cw_tiled_product t = {.m = w->shape[0], .n = x->shape[0], .k = x->shape[1]};
    t.a = w->data;
    t.a_row = t.k;
    t.a_k = 1;
    t.b = x->data;
    t.b_k = 1;
    t.b_column = t.k;
    t.c = y->data;
    t.c_row = 1;
    t.c_column = t.m;
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
    t.b_k = t.n;
    t.b_column = 1;
    t.c = c->data;
    t.c_row = t.n;
    t.c_column = 1;
    return cw_tiled_product_run(be->state, be->threads, &t);
}

cw_status cw_onednn_linear_forward(cw_backend *be, cw_tensor *y, const cw_tensor *x,
                                   const cw_tensor *w, const cw_tensor *b, bool relu) {
    CW_TRY(cw_check_linear("linear_forward", CW_F32, y, x, w, b));
    cw_onednn *state = cw_onednn_enter(be);
    const void *bias = b != NULL ? b->data : NULL;
    cw_product p = {.m = x->shape[0], .n = w->shape[0], .k = x->shape[1], .b_transposed = true};
    p.bias = b != NULL;
    p.relu = relu;
    if (by_tiles(state, p.m, p.k, p.n)) {
        CW_TRY(forward_by_tiles(be, y, x, w));
        add_bias(state, y, bias, relu);
        return CW_OK;
    }
    p.type = in_bf16(state, p.m, p.k) ? dnnl_bf16 : dnnl_f32;
    if (p.m == 1) {
        CW_TRY(gemm(y->data, x, false, w, true, 1, p.n, p.k));
        state->kernels->bias_relu(y->data, bias, 1, (size_t)p.n, relu);
        return CW_OK;
    }
    return run_product(state, &p, x->data, w->data, y->data, bias);
}

cw_status cw_onednn_linear_backward_data(cw_backend *be, cw_tensor *dx, const cw_tensor *dy,
                                         const cw_tensor *w) {
    CW_TRY(cw_check_linear("linear_backward_data", CW_F32, dy, dx, w, NULL));
    cw_onednn *state = cw_onednn_enter(be);
    cw_product p = {.m = dx->shape[0], .n = dx->shape[1], .k = w->shape[0], .type = dnnl_bf16};
    if (by_tiles(state, p.m, p.n, p.k)) return backward_by_tiles(be, dx, dy, false, w);
    if (in_bf16(state, p.m, p.n)) {
        return run_product(state, &p, dy->data, w->data, dx->data, NULL);
    }
    return gemm(dx->data, dy, false, w, false, p.m, p.n, p.k);
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
    cw_product p = {.m = dw->shape[0], .n = dw->shape[1], .k = x->shape[0]};
    p.a_transposed = true;
    p.type = dnnl_bf16;
    if (by_tiles(state, p.k, p.n, p.m)) return backward_by_tiles(be, dw, dy, true, x);
    if (in_bf16(state, p.k, p.n)) {
        return run_product(state, &p, dy->data, x->data, dw->data, NULL);
    }
    return gemm(dw->data, dy, true, x, false, p.m, p.n, p.k);
}

cw_status cw_onednn_matmul(cw_backend *be, cw_tensor *c, const cw_tensor *a, bool a_transposed,
                           const cw_tensor *b, bool b_transposed) {
    int64_t k;
    CW_TRY(cw_check_matmul(CW_F32, c, a, a_transposed, b, b_transposed, &k));
    cw_onednn_enter(be);
    return gemm(c->data, a, a_transposed, b, b_transposed, c->shape[0], c->shape[1], k);
}
