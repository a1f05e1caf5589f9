/* A minibatch of image stacks that still lie in the replay: pointers to u8 frames and a crop
 * offset per sample. The first op of an encoder gathers, crops and scales them in one pass. */
#ifndef CW_TENSOR_IMAGE_H
#define CW_TENSOR_IMAGE_H

#include <stdint.h>

typedef struct cw_image_batch {
    int64_t n;              /* B: samples */
    int64_t stack;          /* K: frames of a stack, oldest first */
    int64_t frame_channels; /* channels of one frame (3 for RGB); the stack has C = K * this */
    int64_t frame_height;   /* pixels */
    int64_t frame_width;    /* pixels */
    const uint8_t *const *frames; /* (B, K) pointers to planar frames (channels, height, width) */
    const int32_t *offset_y;      /* (B) top row of the crop */
    const int32_t *offset_x; /* (B) left column of the crop; the crop's size is the consumer's */
} cw_image_batch;

#endif
