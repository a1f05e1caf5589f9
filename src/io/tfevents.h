/* TensorBoard event files: scalars, histograms and images as TensorBoard's own writers store them.
 *
 * A file is a row of TFRecords (github.com/tensorflow/tensorflow, core/lib/io/record_writer.h):
 *   u64 length | u32 masked CRC-32C of the length | an Event | u32 masked CRC-32C of the Event
 * all little-endian; the messages are in proto/tensorboard.proto. One thread at a time. Every
 * record is handed to the kernel whole; CW_EIO leaves the file without any part of it. */
#ifndef CW_IO_TFEVENTS_H
#define CW_IO_TFEVENTS_H

#include "tensor/tensor.h"

#include <curlew/status.h>

#include <stdint.h>

typedef struct cw_tfevents cw_tfevents;

/* Opens `path` for appending. keep_bytes = 0: the file is made anew and gets its first record, with
 * `wall_time` (seconds since 1970, as everywhere here). Otherwise an existing file is cut back to
 * keep_bytes, a number that cw_tfevents_bytes gave (a resumed run writes the rest again); one that
 * has gone is made anew, one that is shorter is refused. CW_EFORMAT, CW_EIO, CW_ENOMEM. */
cw_status cw_tfevents_open(cw_tfevents **out, const char *path, uint64_t keep_bytes,
                           double wall_time);
void cw_tfevents_close(cw_tfevents *file); /* NULL allowed */

/* Bytes of complete records. */
uint64_t cw_tfevents_bytes(const cw_tfevents *file);
cw_status cw_tfevents_sync(cw_tfevents *file); /* fsync, for checkpoints */

typedef struct cw_tfscalar {
    const char *tag; /* "rollout/ep_rew_mean" */
    double value;    /* stored as f32; NaN: left out */
} cw_tfscalar;

#define CW_TFEVENTS_SCALARS 32 /* most scalars of one event */

/* One event with n scalars, at most CW_TFEVENTS_SCALARS; nothing when all are NaN. */
cw_status cw_tfevents_scalars(cw_tfevents *file, int64_t step, double wall_time,
                              const cw_tfscalar *scalars, int n);

/* The distribution of a tensor's values (f32 or f64) in buckets of equal width between the least
 * and the greatest one. Values that are not finite are left out; nothing when none is left. */
cw_status cw_tfevents_histogram(cw_tfevents *file, int64_t step, double wall_time, const char *tag,
                                const cw_tensor *values);

/* An image, rgb (height, width, 3), as PNG. CW_EINVAL when a side is not in 1 to 16384. */
cw_status cw_tfevents_image(cw_tfevents *file, int64_t step, double wall_time, const char *tag,
                            int width, int height, const uint8_t *rgb);

#endif
