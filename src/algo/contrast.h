/* The contrastive loss of CURL: InfoNCE over the minibatch with the diagonal as positives
 * (Laskin et al. 2020, section 4.3, eq. 4, and the pseudocode of its section 4.7). */
#ifndef CW_ALGO_CONTRAST_H
#define CW_ALGO_CONTRAST_H

#include "base/memory.h"
#include "config/settings.h"
#include "ops/ops.h"

/* Workspace. */
typedef struct cw_contrast {
    cw_tensor query, query_norm; /* (B, D), (B) cosine score: unit queries */
    cw_tensor key, key_norm;     /* (B, D), (B) cosine score: unit keys */
    cw_tensor projected;         /* (B, D) q W / temperature, or unit q / temperature */
    cw_tensor logits;            /* (B, B) */
    cw_tensor dlogits;           /* (B, B) */
    cw_tensor dprojected;        /* (B, D) */
} cw_contrast;

void cw_contrast_carve(cw_contrast *work, cw_arena *arena, cw_dtype dtype, int64_t batch,
                       int64_t features);

/* Logits S_ij = q_i W k_j / T (bilinear) or cos(q_i, k_j) / T (cosine), loss and accuracy in
 * *stats, and the gradients dz (B, D) to the queries z and dw (D, D). Keys get no gradient.
 * w and dw are unused (may be NULL) with the cosine score. */
cw_status cw_contrast_loss(cw_backend *be, cw_xent_stats *stats, cw_tensor *dz, cw_tensor *dw,
                           cw_contrast *work, const cw_tensor *z, const cw_tensor *keys,
                           const cw_tensor *w, const cw_curl_settings *curl);

#endif
