/* Initial values of parameters. */
#ifndef CW_ALGO_INIT_H
#define CW_ALGO_INIT_H

#include "base/rng.h"
#include "ops/ops.h"

/* Fills w (rows, columns), f32 or f64, with gain times a random matrix whose shorter side is
 * orthonormal, uniform over such matrices (torch.nn.init.orthogonal_; Saxe et al. 2014).
 * counter: which matrix of the stream. */
cw_status cw_init_orthogonal(cw_backend *be, cw_tensor *w, double gain, const cw_stream *stream,
                             uint64_t counter);

/* Fills a kernel (F, C, 3, 3) with zeros but for the centre taps, which form gain times an
 * orthogonal (F, C) matrix (delta-orthogonal; Xiao et al. 2018; curl_sac.py, weight_init). */
cw_status cw_init_delta_orthogonal(cw_backend *be, cw_tensor *w, double gain,
                                   const cw_stream *stream, uint64_t counter);

/* Fills w with independent uniform numbers in [0, 1). */
cw_status cw_init_uniform(cw_tensor *w, const cw_stream *stream, uint64_t counter);

#endif
