/* Which precision a run computes in when run.precision is auto. */
#ifndef CW_TRAIN_PRECISION_H
#define CW_TRAIN_PRECISION_H

#include "config/settings.h"
#include "ops/ops.h"

/* Seconds of one forward and backward pass of a convolution stack. */
typedef struct cw_precision_times {
    double f32_s;
    double bf16_s;
} cw_precision_times;

/* Times a stack in f32 and in bf16, in turn, the fastest of a few rounds each; desc->train.
 * CW_EUNSUPPORTED where there is no bf16. Changes the calling thread's thread count. */
cw_status cw_precision_probe(const cw_convnet_desc *desc, int threads, cw_precision_times *out);

/* The precision of a run, never auto. A key that says f32 or bf16 is what it says. With auto:
 *   a run that goes on (its folder has config.ini) keeps what it began with;
 *   where the stack does not go by matrix units for bf16 it is f32;
 *   else it is bf16 when the probe at the run's own size finds that well faster.
 * `line` receives a text for the log, empty unless a probe was made. Nothing is written. */
cw_status cw_precision_settle(cw_precision *out, const cw_settings *settings,
                              const cw_convnet_desc *desc, char *line, size_t line_bytes);

/* Notes in the run's folder what auto came to, unless that is f32. */
cw_status cw_precision_keep(const cw_settings *settings, cw_precision precision);

#endif
