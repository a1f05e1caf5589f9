#include "algo/contrast.h"

#include "base/error.h"

/* Length below which a vector counts as this long, as torch.nn.functional.normalize. */
#define COSINE_EPS 1e-12

void cw_contrast_carve(cw_contrast *work, cw_arena *arena, cw_dtype dtype, int64_t batch,
                       int64_t features) {
    work->query = cw_arena_tensor_2d(arena, dtype, batch, features);
    work->query_norm = cw_arena_tensor_1d(arena, dtype, batch);
    work->key = cw_arena_tensor_2d(arena, dtype, batch, features);
    work->key_norm = cw_arena_tensor_1d(arena, dtype, batch);
    work->projected = cw_arena_tensor_2d(arena, dtype, batch, features);
    work->logits = cw_arena_tensor_2d(arena, dtype, batch, batch);
    work->dlogits = cw_arena_tensor_2d(arena, dtype, batch, batch);
    work->dprojected = cw_arena_tensor_2d(arena, dtype, batch, features);
}

static void scale(cw_tensor *tensor, double factor) {
    int64_t n = cw_tensor_count(tensor);
    for (int64_t i = 0; i < n; i++) cw_tensor_set(tensor, i, factor * cw_tensor_get(tensor, i));
}

static void copy(cw_tensor *to, const cw_tensor *from) {
    int64_t n = cw_tensor_count(to);
    for (int64_t i = 0; i < n; i++) cw_tensor_set(to, i, cw_tensor_get(from, i));
}

cw_status cw_contrast_loss(cw_backend *be, cw_xent_stats *stats, cw_tensor *dz, cw_tensor *dw,
                           cw_contrast *work, const cw_tensor *z, const cw_tensor *keys,
                           const cw_tensor *w, const cw_curl_settings *curl) {
    const cw_ops *ops = be->ops;
    bool cosine = curl->score == CW_SCORE_COSINE;
    if (cosine) {
        CW_TRY(ops->l2norm_forward(be, &work->query, &work->query_norm, z, COSINE_EPS));
        CW_TRY(ops->l2norm_forward(be, &work->key, &work->key_norm, keys, COSINE_EPS));
        keys = &work->key;
        copy(&work->projected, &work->query);
    } else {
        CW_TRY(ops->matmul(be, &work->projected, z, false, w, false));
    }
    if (curl->temperature != 1.0) scale(&work->projected, 1.0 / curl->temperature);
    CW_TRY(ops->matmul(be, &work->logits, &work->projected, false, keys, true));
    CW_TRY(ops->softmax_xent(be, stats, &work->dlogits, &work->logits));

    CW_TRY(ops->matmul(be, &work->dprojected, &work->dlogits, false, keys, false));
    if (curl->temperature != 1.0) scale(&work->dprojected, 1.0 / curl->temperature);
    if (cosine) {
        return ops->l2norm_backward(be, dz, &work->dprojected, &work->query, &work->query_norm,
                                    COSINE_EPS);
    }
    CW_TRY(ops->matmul(be, dw, z, true, &work->dprojected, false));
    return ops->matmul(be, dz, &work->dprojected, false, w, true);
}
