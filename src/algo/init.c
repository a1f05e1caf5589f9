#include "algo/init.h"

#include "algo/agent_impl.h"
#include "base/error.h"
#include "base/parallel.h"

#include <math.h>
#include <string.h>

/* Longer than this times its width, a matrix is orthonormalised by products of the backend. */
#define TALL 4

static double dot(const double *a, const double *b, int64_t n) {
    double lane[8] = {0};
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        for (int k = 0; k < 8; k++) lane[k] += a[i + k] * b[i + k];
    }
    double sum = 0;
    for (; i < n; i++) sum += a[i] * b[i];
    for (int k = 0; k < 8; k++) sum += lane[k];
    return sum;
}

/* Reflections that are applied together, by products of the backend. */
#define PANEL 32

/* x -= 2 axis (axis . x) */
static void reflect(double *x, const double *axis, int64_t n) {
    double twice = 2.0 * dot(x, axis, n);
    for (int64_t k = 0; k < n; k++) x[k] -= twice * axis[k];
}

/* The axis, of unit length, of the reflection that turns x into a multiple of the first unit
 * vector; returns the multiple's sign. */
static double find_axis(double *axis, const double *x, int64_t n) {
    memcpy(axis, x, (size_t)n * sizeof *axis);
    double norm = sqrt(dot(axis, axis, n));
    double sign = axis[0] > 0 ? -1.0 : 1.0;
    axis[0] -= sign * norm;
    double scale = 1.0 / sqrt(dot(axis, axis, n));
    for (int64_t k = 0; k < n; k++) axis[k] *= scale;
    return sign;
}

/* Householder QR of n vectors of length m, n <= m, one vector a row. The reflections of a panel are
 * I - V' T V with their axes as the rows of V and an upper triangular T (Schreiber and Van Loan
 * 1989), so that all but the panel itself goes by matrix products. */
typedef struct qr {
    cw_backend *be;
    int64_t n, m;
    cw_tensor x;             /* (n, m) */
    cw_tensor axes;          /* (n, m) V of all panels */
    cw_tensor t;             /* (n / PANEL rounded up, PANEL, PANEL) -T of all panels */
    cw_tensor inner, turned; /* (n, PANEL): workspace */
    cw_tensor change;        /* (n, m): workspace */
    double *panel, *axis;    /* (PANEL, m) the vectors and the axes of a panel */
    double *sign;            /* (n) of R's diagonal */
} qr;

/* Rows [begin, end) of a matrix with two dimensions. */
static cw_tensor rows_of(const cw_tensor *x, int64_t begin, int64_t end) {
    size_t row = (size_t)x->shape[1] * cw_dtype_bytes(x->dtype);
    return cw_tensor_2d(x->dtype, (char *)x->data + (size_t)begin * row, end - begin, x->shape[1]);
}

/* Axes [begin, end) and their signs, from the rows of x, which are used up. */
static void find_axes(const qr *q, int64_t begin, int64_t end) {
    int64_t m = q->m;
    int64_t k = end - begin;
    for (int64_t i = 0; i < k * m; i++) q->panel[i] = cw_tensor_get(&q->x, begin * m + i);
    memset(q->axis, 0, (size_t)(k * m) * sizeof *q->axis);
    for (int64_t j = 0; j < k; j++) {
        int64_t from = begin + j;
        double *axis = q->axis + j * m + from;
        q->sign[from] = find_axis(axis, q->panel + j * m + from, m - from);
        for (int64_t i = j + 1; i < k; i++) reflect(q->panel + i * m + from, axis, m - from);
    }
}

/* -T of the panel that begins with axis `begin`, as its first k of PANEL axes need it. */
static cw_tensor t_of(const qr *q, int64_t begin, int64_t k) {
    size_t at = (size_t)(begin * PANEL) * cw_dtype_bytes(q->t.dtype);
    return cw_tensor_2d(q->t.dtype, (char *)q->t.data + at, k, k);
}

/* Stores the k axes of a panel and their -T: H_0 ... H_(k-1) = I - V' T V. */
static void store_panel(const qr *q, int64_t begin, int64_t k) {
    int64_t m = q->m;
    double t[PANEL][PANEL] = {{0}};
    cw_tensor out = t_of(q, begin, k);
    for (int64_t i = 0; i < k * m; i++) cw_tensor_set(&q->axes, begin * m + i, q->axis[i]);
    for (int64_t j = 0; j < k; j++) {
        double inner[PANEL];
        for (int64_t l = 0; l < j; l++) inner[l] = dot(q->axis + l * m, q->axis + j * m, m);
        for (int64_t i = 0; i < j; i++) {
            for (int64_t l = i; l < j; l++) t[i][j] -= 2 * t[i][l] * inner[l];
        }
        t[j][j] = 2;
        for (int64_t i = 0; i < k; i++) cw_tensor_set(&out, i * k + j, -t[i][j]);
    }
}

/* Applies the reflections [begin, end) to the vectors [first, n), in that order or backwards. */
static cw_status reflect_rows(const qr *q, int64_t first, int64_t begin, int64_t end,
                              bool backwards) {
    if (first == q->n) return CW_OK;
    const cw_ops *ops = q->be->ops;
    int64_t k = end - begin;
    cw_tensor x = rows_of(&q->x, first, q->n);
    cw_tensor v = rows_of(&q->axes, begin, end);
    cw_tensor t = t_of(q, begin, k);
    cw_tensor inner = cw_tensor_2d(x.dtype, q->inner.data, q->n - first, k);
    cw_tensor turned = cw_tensor_2d(x.dtype, q->turned.data, q->n - first, k);
    cw_tensor change = rows_of(&q->change, first, q->n);
    CW_TRY(ops->matmul(q->be, &inner, &x, false, &v, true));
    CW_TRY(ops->matmul(q->be, &turned, &inner, false, &t, backwards));
    CW_TRY(ops->matmul(q->be, &change, &turned, false, &v, false));
    return ops->add(q->be, &x, &change);
}

/* x becomes the Q of its QR, signs set so that R's diagonal is positive: if x is Gaussian, that
 * makes Q uniform (Mezzadri 2007). */
static cw_status householder_qr(const qr *q) {
    for (int64_t begin = 0; begin < q->n; begin += PANEL) {
        int64_t end = begin + PANEL < q->n ? begin + PANEL : q->n;
        find_axes(q, begin, end);
        store_panel(q, begin, end - begin);
        CW_TRY(reflect_rows(q, end, begin, end, false));
    }
    memset(q->x.data, 0, cw_tensor_bytes(&q->x));
    for (int64_t j = 0; j < q->n; j++) cw_tensor_set(&q->x, j * q->m + j, q->sign[j]);
    for (int64_t begin = (q->n - 1) / PANEL * PANEL; begin >= 0; begin -= PANEL) {
        int64_t end = begin + PANEL < q->n ? begin + PANEL : q->n;
        CW_TRY(reflect_rows(q, 0, begin, end, true));
    }
    return CW_OK;
}

/* Lower Cholesky factor of the symmetric g (n, n), in place; false when g is not positive. */
static bool cholesky(double *g, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j <= i; j++) {
            double rest = g[i * n + j] - dot(g + i * n, g + j * n, j);
            if (i == j) {
                if (!(rest > 0)) return false;
                g[i * n + i] = sqrt(rest);
            } else {
                g[i * n + j] = rest / g[j * n + j];
            }
        }
    }
    return true;
}

/* inverse (n, n), transposed, of the lower triangular l: row j holds column j of l^-1. */
static void invert_lower(double *inverse_t, const double *l, int64_t n) {
    for (int64_t j = 0; j < n; j++) {
        double *column = inverse_t + j * n;
        memset(column, 0, (size_t)n * sizeof *column);
        column[j] = 1.0 / l[j * n + j];
        for (int64_t i = j + 1; i < n; i++) {
            column[i] = -dot(l + i * n + j, column + j, i - j) / l[i * n + i];
        }
    }
}

/* x (n, m) <- L^-1 x with L L' = x x'. A Gaussian matrix with m >= TALL n is well conditioned, at
 * most 3 but for chance, so that this is as good as Householder (Yamamoto et al. 2015). */
static cw_status cholesky_qr(cw_backend *be, cw_tensor *x, cw_tensor *spare) {
    int64_t n = x->shape[0];
    double *work;
    CW_TRY(cw_alloc(&work, cw_size_mul(3, (size_t)(n * n)), sizeof *work, "initialisation"));
    double *g = work, *inverse_t = work + n * n;
    cw_tensor small = cw_tensor_2d(be->dtype, work + 2 * n * n, n, n);
    cw_status status = be->ops->matmul(be, &small, x, false, x, true);
    if (status == CW_OK) {
        for (int64_t i = 0; i < n * n; i++) g[i] = cw_tensor_get(&small, i);
        if (!cholesky(g, n)) status = cw_fail(CW_EDIVERGED, "initialisation: dependent vectors");
    }
    if (status == CW_OK) {
        invert_lower(inverse_t, g, n);
        for (int64_t i = 0; i < n * n; i++) cw_tensor_set(&small, i, inverse_t[i]);
        status = be->ops->matmul(be, spare, &small, true, x, false);
    }
    if (status == CW_OK) memcpy(x->data, spare->data, cw_tensor_bytes(x));
    cw_free(work);
    return status;
}

typedef struct gaussian_fill {
    const cw_stream *stream;
    uint64_t counter;
    float *out;
    int64_t n;
} gaussian_fill;

/* Chunks of 4096 numbers, each its own counter, so that threads change nothing. */
#define CHUNK 4096

static void fill_chunks(void *context, int64_t begin, int64_t end) {
    const gaussian_fill *fill = context;
    for (int64_t chunk = begin; chunk < end; chunk++) {
        int64_t from = chunk * CHUNK;
        int64_t n = fill->n - from < CHUNK ? fill->n - from : CHUNK;
        uint64_t counter = (fill->counter << 20) + (uint64_t)chunk;
        cw_rng_normal(fill->stream, counter, fill->out + from, (size_t)n);
    }
}

static void fill_gaussian(float *out, int64_t n, const cw_stream *stream, uint64_t counter) {
    gaussian_fill fill = {stream, counter, out, n};
    cw_parallel_for((n + CHUNK - 1) / CHUNK, 1, fill_chunks, &fill);
}

static cw_status orthogonal_tall(cw_backend *be, cw_tensor *x, const float *gaussian) {
    int64_t count = cw_tensor_count(x);
    for (int64_t i = 0; i < count; i++) cw_tensor_set(x, i, (double)gaussian[i]);
    void *memory;
    CW_TRY(cw_alloc(&memory, cw_tensor_bytes(x), 1, "initialisation"));
    cw_tensor spare = cw_tensor_2d(be->dtype, memory, x->shape[0], x->shape[1]);
    cw_status status = cholesky_qr(be, x, &spare);
    cw_free(memory);
    return status;
}

/* Lays out what a QR works on; measures while the arena has no memory. */
static void carve_qr(qr *q, cw_arena *arena) {
    int64_t panels = (q->n + PANEL - 1) / PANEL;
    cw_tensor *matrices[] = {&q->x, &q->axes, &q->change};
    for (size_t i = 0; i < sizeof matrices / sizeof *matrices; i++) {
        *matrices[i] = cw_arena_tensor_2d(arena, q->be->dtype, q->n, q->m);
    }
    q->t = cw_arena_tensor_2d(arena, q->be->dtype, panels * PANEL, PANEL);
    q->inner = cw_arena_tensor_2d(arena, q->be->dtype, q->n, PANEL);
    q->turned = cw_arena_tensor_2d(arena, q->be->dtype, q->n, PANEL);
    q->panel = cw_arena_take(arena, (size_t)(PANEL * q->m), sizeof(double));
    q->axis = cw_arena_take(arena, (size_t)(PANEL * q->m), sizeof(double));
    q->sign = cw_arena_take(arena, (size_t)q->n, sizeof(double));
}

static cw_status orthogonal_square(cw_backend *be, cw_tensor *w, bool wide, const float *gaussian) {
    int64_t rows = w->shape[0], columns = w->shape[1];
    qr q = {.be = be, .n = wide ? rows : columns, .m = wide ? columns : rows};
    cw_arena arena = {0};
    carve_qr(&q, &arena);
    void *memory;
    CW_TRY(cw_alloc(&memory, arena.used, 1, "initialisation"));
    arena = (cw_arena){.base = memory, .size = arena.used};
    carve_qr(&q, &arena);
    for (int64_t i = 0; i < q.n * q.m; i++) cw_tensor_set(&q.x, i, (double)gaussian[i]);
    cw_status status = householder_qr(&q);
    for (int64_t r = 0; r < rows && status == CW_OK; r++) {
        for (int64_t c = 0; c < columns; c++) {
            int64_t at = wide ? r * q.m + c : c * q.m + r;
            cw_tensor_set(w, r * columns + c, cw_tensor_get(&q.x, at));
        }
    }
    cw_free(memory);
    return status;
}

cw_status cw_init_orthogonal(cw_backend *be, cw_tensor *w, double gain, const cw_stream *stream,
                             uint64_t counter) {
    int64_t count = cw_tensor_count(w);
    float *gaussian;
    CW_TRY(cw_alloc(&gaussian, (size_t)count, sizeof *gaussian, "initialisation"));
    fill_gaussian(gaussian, count, stream, counter);
    bool wide = w->shape[0] <= w->shape[1];
    cw_status status = w->shape[0] * TALL <= w->shape[1] ? orthogonal_tall(be, w, gaussian)
                                                         : orthogonal_square(be, w, wide, gaussian);
    cw_free(gaussian);
    if (status != CW_OK || gain == 1.0) return status;
    for (int64_t i = 0; i < count; i++) cw_tensor_set(w, i, gain * cw_tensor_get(w, i));
    return CW_OK;
}

cw_status cw_init_delta_orthogonal(cw_backend *be, cw_tensor *w, double gain,
                                   const cw_stream *stream, uint64_t counter) {
    int64_t filters = w->shape[0], channels = w->shape[1], taps = w->shape[2] * w->shape[3];
    void *memory;
    CW_TRY(cw_alloc(&memory, (size_t)(filters * channels), sizeof(double), "initialisation"));
    cw_tensor centre = cw_tensor_2d(be->dtype, memory, filters, channels);
    cw_status status = cw_init_orthogonal(be, &centre, gain, stream, counter);
    if (status == CW_OK) {
        memset(w->data, 0, cw_tensor_bytes(w));
        for (int64_t i = 0; i < filters * channels; i++) {
            cw_tensor_set(w, i * taps + taps / 2, cw_tensor_get(&centre, i));
        }
    }
    cw_free(memory);
    return status;
}

cw_status cw_init_uniform(cw_tensor *w, const cw_stream *stream, uint64_t counter) {
    int64_t count = cw_tensor_count(w);
    double *values;
    CW_TRY(cw_alloc(&values, (size_t)count, sizeof *values, "initialisation"));
    cw_rng_uniform(stream, counter << 20, 0.0, 1.0, values, (size_t)count);
    for (int64_t i = 0; i < count; i++) cw_tensor_set(w, i, values[i]);
    cw_free(values);
    return CW_OK;
}

/* ---------------------------------------------------------------- the agent */

static bool ends_with(const char *text, const char *ending) {
    size_t n = strlen(text), k = strlen(ending);
    return n >= k && strcmp(text + n - k, ending) == 0;
}

static cw_status init_param(cw_agent *agent, const cw_param *param, const cw_stream *stream,
                            uint64_t counter) {
    cw_tensor w = cw_params_view(param, agent->be->dtype, agent->value);
    if (strcmp(param->name, "curl.W") == 0) return cw_init_uniform(&w, stream, counter);
    if (strcmp(param->name, "log_alpha") == 0) {
        cw_tensor_set(&w, 0, log(agent->spec.sac.init_temperature));
        return CW_OK;
    }
    if (param->ndim == 4) {
        return cw_init_delta_orthogonal(agent->be, &w, sqrt(2.0), stream, counter);
    }
    if (param->ndim == 2) return cw_init_orthogonal(agent->be, &w, 1.0, stream, counter);
    double value = ends_with(param->name, "ln.weight") ? 1.0 : 0.0;
    for (size_t i = 0; i < param->count; i++) cw_tensor_set(&w, (int64_t)i, value);
    return CW_OK;
}

static void copy_range(cw_agent *agent, cw_range target, size_t online_begin) {
    cw_dtype dtype = agent->be->dtype;
    memcpy(cw_flat_at(agent->target, dtype, target.begin),
           cw_flat_at(agent->value, dtype, online_begin), target.count * cw_dtype_bytes(dtype));
}

cw_status cw_agent_init(cw_agent *agent, uint64_t seed) {
    const cw_layout *l = &agent->layout;
    cw_stream stream = {.seed = seed, .shard = 0, .purpose = CW_RNG_INIT};
    for (int i = 0; i < l->online.n; i++) {
        CW_TRY(init_param(agent, &l->online.row[i], &stream, (uint64_t)i));
    }
    copy_range(agent, l->target_q, l->q_range.begin);
    copy_range(agent, l->target_encoder, l->encoder.begin);
    copy_range(agent, l->key_encoder, l->encoder.begin);
    return CW_OK;
}
