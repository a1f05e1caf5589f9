/* What the files of bench_ops share. */
#ifndef CW_BENCH_BENCH_H
#define CW_BENCH_BENCH_H

#include "ops/ops.h"

/* Ends the program with the library's message unless status is CW_OK. */
void must(cw_status status);

/* Zeroed memory that lives until the program ends. */
void *block(size_t bytes);
/* The same, filled with reals in [-1, 1) that are the same in every run. */
float *reals(int64_t n);

/* The fastest of several calls, in seconds. A shared machine only ever adds to a time, so the
 * minimum is the figure that repeats. */
typedef void (*timed_fn)(void *context);
double best_seconds(timed_fn call, void *context);

/* One row of the table; flops or bytes 0: that column stays empty. */
void row(const char *name, double seconds, double flops, double bytes, const char *note);

/* A convnet with its memory and a batch of random images, ready to run. */
typedef struct conv_bench {
    cw_backend *be;
    cw_convnet_desc desc;
    cw_convnet *net;
    void *acts, *packed, *scratch;
    float *params, *dparams;
    cw_tensor features, dfeatures;
    cw_image_batch images;
} conv_bench;

/* Creates, packs, writes the input and runs forward (and backward when desc->train) once. */
void conv_bench_open(conv_bench *b, cw_backend *be, const cw_convnet_desc *desc);
void conv_bench_close(conv_bench *b);

/* Products and sums of one layer's forward pass, counted as two per multiply-add. Each of the two
 * backward products has as many. */
double conv_flops(const cw_convnet_desc *desc, int layer);

/* The first layer on every layout that convnet_input can write. */
void bench_first_layer(cw_backend *be, int64_t batch);

#endif
