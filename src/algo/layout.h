/* Where each parameter of an agent lies.
 *
 * Online vector:  [curl.W][query encoder][Q1][Q2][actor's own head][actor trunk][log_alpha]
 * Target vector:  [target Q1][target Q2][target encoder][key encoder]
 * so that every optimiser and every momentum average is one contiguous range. Parts that the
 * settings do not ask for are empty. */
#ifndef CW_ALGO_LAYOUT_H
#define CW_ALGO_LAYOUT_H

#include "algo/agent.h"
#include "nn/head.h"
#include "nn/mlp.h"

typedef struct cw_layout {
    cw_convnet_desc conv; /* batch = B, train = true */
    cw_head_shape head;
    cw_mlp_shape q;     /* D + A -> 1 */
    cw_mlp_shape trunk; /* D -> 2A */
    cw_param_table online, target;
    /* first rows; -1 = absent */
    int row_w, row_convs, row_head, row_q[2], row_actor_head, row_trunk, row_log_alpha;
    int target_row_q[2], target_row_convs, target_row_head, key_row_convs, key_row_head;
    /* ranges of the online vector */
    cw_range w, encoder, q_range, actor, log_alpha;
    /* ranges of the target vector */
    cw_range target_q, target_encoder, key_encoder;
} cw_layout;

/* Views of the parts in one online vector (values or gradients). */
typedef struct cw_online {
    cw_tensor w; /* (D, D) */
    void *convs; /* flat */
    cw_head_params head;
    cw_mlp_params q[2];
    cw_head_params actor_head;
    cw_mlp_params trunk;
    cw_tensor log_alpha; /* () */
} cw_online;

typedef struct cw_target {
    cw_mlp_params q[2];
    void *convs;
    cw_head_params head;
    void *key_convs;
    cw_head_params key_head;
} cw_target;

/* CW_EINVAL names the setting that cannot be. */
cw_status cw_layout_init(cw_layout *layout, const cw_agent_spec *spec);
void cw_layout_online(const cw_layout *layout, cw_dtype dtype, void *flat, cw_online *out);
void cw_layout_target(const cw_layout *layout, cw_dtype dtype, void *flat, cw_target *out);

/* The element `offset` of a flat vector. */
void *cw_flat_at(void *flat, cw_dtype dtype, size_t offset);

#endif
