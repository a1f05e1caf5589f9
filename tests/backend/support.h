/* What the backend tests share: guarded memory, data from a fixed stream, and one run of a
 * convnet on any backend. */
#ifndef CW_TESTS_BACKEND_SUPPORT_H
#define CW_TESTS_BACKEND_SUPPORT_H

#include "ops/ops.h"

/* Next number of a stream, uniform in [-1, 1) with 24 significant bits, so that it is the same
 * in f32 and f64. */
double next_real(uint64_t *state);
/* Next integer in [0, n). */
uint64_t next_below(uint64_t *state, uint64_t n);

/* `bytes` of memory filled with garbage and followed by a guard; lives until test_release. */
void *guarded(size_t bytes);
/* Fails the test when anything was written past a block of `guarded`. */
void check_guards(void);
void test_release(void);

/* A guarded tensor; filled from the stream, or with garbage when state is NULL. */
cw_tensor new_2d(cw_dtype dtype, int64_t rows, int64_t columns, uint64_t *state);
cw_tensor new_1d(cw_dtype dtype, int64_t n, uint64_t *state);
/* The same values in another element type; finite ones to bf16. */
cw_tensor converted(const cw_tensor *from, cw_dtype dtype);
/* Absolute values, in f64. */
cw_tensor magnitudes(const cw_tensor *from);

/* A convnet with the images it reads. */
typedef struct conv_case {
    const char *name;
    cw_convnet_desc desc;
    int64_t stack;            /* frames of a stack */
    int64_t extra_h, extra_w; /* pixels that a frame has beyond the crop */
} conv_case;

/* Numbers of one case, in f64. */
typedef struct conv_data {
    cw_tensor params;      /* flat */
    cw_tensor dfeatures;   /* (B, features) */
    cw_image_batch images; /* its memory is guarded */
    uint8_t *frames;       /* (B, stack, channels, height, width) */
    size_t n_frames_bytes;
} conv_data;

typedef enum conv_style {
    CONV_REAL,    /* weights near 1/sqrt(fan in), any pixels */
    CONV_EXACT,   /* weights -1, 0 or 1, pixels 0 or 255: every sum is an exact integer in f32 */
    CONV_SMALL,   /* a filter's weights 0 but for four that are -1 or 1, in the first layer 255
                     times that, biases 0 or 1, pixels 0 to 3: for up to three layers every map
                     holds integers that bf16 holds */
    CONV_NO_KINK, /* biases so large that every filter is always on or always off */
} conv_style;

conv_data conv_data_new(const conv_case *c, conv_style style, uint64_t seed);

/* Results of input, pack, forward and (with desc.train) backward. */
typedef struct conv_result {
    cw_tensor features;
    cw_tensor dparams;
    cw_tensor dinput; /* only when the backend offers it */
} conv_result;

/* Runs everything on freshly garbaged memory and checks the guards. */
conv_result conv_run(cw_backend *be, const conv_case *c, const conv_data *data);
/* With features and their gradient of a type that the backend's convnet takes. */
conv_result conv_run_features(cw_backend *be, const conv_case *c, const conv_data *data,
                              cw_dtype features);

/* Largest |got - want| / tolerance over all elements, where tolerance = relative * scale[i], and
 * the place; NaN counts as infinite. scale is f64. */
double worst_ratio(const cw_tensor *got, const cw_tensor *want, const cw_tensor *scale,
                   double relative, int64_t *place);
double largest(const cw_tensor *tensor); /* largest magnitude */

#endif
