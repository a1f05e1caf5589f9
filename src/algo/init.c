#include "algo/init.h"

#include "algo/agent_impl.h"
#include "base/error.h"
#include "base/parallel.h"

#include <math.h>
#include <string.h>

/* Longer than this times its width, a matrix is orthonormalised by products of the backend. */
#define TALL 4

/* A matrix of n vectors of length m, n <= m, one vector after the other. */
typedef struct vectors {
    double *at; /* (n, m) */
    int64_t n;
    int64_t m;
} vectors;

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

/* One Householder reflection of vectors [first, n), each from element `from` on. */
typedef struct reflection {
    vectors *v;
    const double *axis; /* (m - from), unit length */
    int64_t first;
    int64_t from;
} reflection;

static void reflect(void *context, int64_t begin, int64_t end) {
    const reflection *r = context;
    int64_t length = r->v->m - r->from;
    for (int64_t i = begin; i < end; i++) {
        double *x = r->v->at + (r->first + i) * r->v->m + r->from;
        double twice = 2.0 * dot(x, r->axis, length);
        for (int64_t k = 0; k < length; k++) x[k] -= twice * r->axis[k];
    }
}

/* Householder QR of Gaussian vectors, then Q from the reflections, signs set so that R's diagonal
 * is positive: that makes Q uniform (Mezzadri 2007). `axes` (n, m) and `sign` (n) are workspace. */
static void householder(vectors *v, double *axes, double *sign) {
    int64_t n = v->n, m = v->m;
    for (int64_t j = 0; j < n; j++) {
        int64_t length = m - j;
        double *axis = axes + j * m + j;
        memcpy(axis, v->at + j * m + j, (size_t)length * sizeof *axis);
        double norm = sqrt(dot(axis, axis, length));
        sign[j] = axis[0] > 0 ? -1.0 : 1.0; /* R_jj = sign * norm */
        axis[0] -= sign[j] * norm;
        double scale = 1.0 / sqrt(dot(axis, axis, length));
        for (int64_t k = 0; k < length; k++) axis[k] *= scale;
        reflection r = {v, axis, j + 1, j};
        cw_parallel_for(n - j - 1, 16, reflect, &r);
    }
    memset(v->at, 0, (size_t)(n * m) * sizeof *v->at);
    for (int64_t j = 0; j < n; j++) v->at[j * m + j] = sign[j];
    for (int64_t j = n - 1; j >= 0; j--) {
        reflection r = {v, axes + j * m + j, 0, j};
        cw_parallel_for(n, 16, reflect, &r);
    }
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

/* x (n, m) <- L^-1 x with L L' = x x' (Cholesky QR). A Gaussian matrix with m >= TALL n is well
 * conditioned, so twice is as good as Householder (Yamamoto et al. 2015, CholeskyQR2). */
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
    if (status == CW_OK) status = cholesky_qr(be, x, &spare);
    cw_free(memory);
    return status;
}

static cw_status orthogonal_square(cw_tensor *w, bool wide, const float *gaussian) {
    int64_t rows = w->shape[0], columns = w->shape[1];
    vectors v = {.n = wide ? rows : columns, .m = wide ? columns : rows};
    double *work;
    size_t count = (size_t)(v.n * v.m);
    CW_TRY(cw_alloc(&work, cw_size_add(2 * count, (size_t)v.n), sizeof *work, "initialisation"));
    v.at = work;
    for (size_t i = 0; i < count; i++) v.at[i] = (double)gaussian[i];
    householder(&v, work + count, work + 2 * count);
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t c = 0; c < columns; c++) {
            cw_tensor_set(w, r * columns + c, wide ? v.at[r * v.m + c] : v.at[c * v.m + r]);
        }
    }
    cw_free(work);
    return CW_OK;
}

cw_status cw_init_orthogonal(cw_backend *be, cw_tensor *w, double gain, const cw_stream *stream,
                             uint64_t counter) {
    int64_t count = cw_tensor_count(w);
    float *gaussian;
    CW_TRY(cw_alloc(&gaussian, (size_t)count, sizeof *gaussian, "initialisation"));
    fill_gaussian(gaussian, count, stream, counter);
    bool wide = w->shape[0] <= w->shape[1];
    cw_status status = w->shape[0] * TALL <= w->shape[1] ? orthogonal_tall(be, w, gaussian)
                                                         : orthogonal_square(w, wide, gaussian);
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
