/* TensorBoard's images of a run: crops, first-layer filters, similarities. */
#include "base/error.h"
#include "base/memory.h"
#include "train/trainer.h"

#include <math.h>
#include <string.h>

#define CROPS        8 /* samples of a minibatch that are shown */
#define GAP          2 /* pixels between tiles */
#define FILTERS      64
#define FILTER_SCALE 8    /* pixels of a weight */
#define SCORES_SIDE  256  /* pixels that the matrix fills at least */
#define SCORES_MAX   1024 /* minibatches above this have no picture of their matrix */

/* An RGB picture of its own memory. */
typedef struct canvas {
    int width, height;
    uint8_t *rgb; /* (height, width, 3) */
} canvas;

static cw_status canvas_create(canvas *c, int width, int height) {
    *c = (canvas){.width = width, .height = height};
    CW_TRY(cw_alloc(&c->rgb, (size_t)width * (size_t)height, 3, "a picture"));
    for (size_t i = 0; i < (size_t)width * (size_t)height * 3; i++) c->rgb[i] = 255;
    return CW_OK;
}

/* A square of `scale` pixels at (x, y). */
static void put(canvas *c, int x, int y, int scale, const uint8_t rgb[3]) {
    for (int dy = 0; dy < scale; dy++) {
        uint8_t *at = c->rgb + 3 * ((size_t)(y + dy) * (size_t)c->width + (size_t)x);
        for (int dx = 0; dx < scale; dx++, at += 3) {
            at[0] = rgb[0];
            at[1] = rgb[1];
            at[2] = rgb[2];
        }
    }
}

/* The newest frame of stack `i` as the encoder sees it: side x side pixels at (left, top). Frames
 * without three channels are shown by their first one, in grey. */
static void put_crop(canvas *c, int left, int top, const cw_image_batch *images, int64_t i,
                     int side) {
    const uint8_t *frame = images->frames[(i + 1) * images->stack - 1];
    int64_t width = images->frame_width, plane = images->frame_height * width;
    int64_t step = images->frame_channels == 3 ? plane : 0;
    for (int y = 0; y < side; y++) {
        for (int x = 0; x < side; x++) {
            const uint8_t *at = frame + (images->offset_y[i] + y) * width + images->offset_x[i] + x;
            put(c, left + x, top + y, 1, (uint8_t[3]){at[0], at[step], at[2 * step]});
        }
    }
}

/* Anchors in the upper row, their positives below. */
static cw_status draw_crops(canvas *c, const cw_minibatch *batch, int side) {
    int n = batch->n < CROPS ? (int)batch->n : CROPS;
    CW_TRY(canvas_create(c, n * (side + GAP) - GAP, 2 * side + GAP));
    for (int i = 0; i < n; i++) {
        put_crop(c, i * (side + GAP), 0, &batch->obs, i, side);
        put_crop(c, i * (side + GAP), side + GAP, &batch->pos, i, side);
    }
    return CW_OK;
}

static uint8_t shade(double value, double low, double high) {
    double share = (value - low) / (high - low);
    return share >= 0 && share <= 1 ? (uint8_t)lrint(255 * share) : 128; /* NaN: 128 */
}

/* A column for each filter, a row for each frame of the stack (oldest first), weights from the
 * filter's lowest (black) to its highest (white). */
static cw_status draw_filters(canvas *c, const cw_tensor *weight, int frame_channels) {
    int n = weight->shape[0] < FILTERS ? (int)weight->shape[0] : FILTERS;
    int stack = (int)weight->shape[1] / frame_channels, tile = 3 * FILTER_SCALE + GAP;
    int64_t of_filter = weight->shape[1] * 9;
    CW_TRY(canvas_create(c, n * tile - GAP, stack * tile - GAP));
    for (int f = 0; f < n; f++) {
        double low = INFINITY, high = -INFINITY;
        for (int64_t i = 0; i < of_filter; i++) {
            low = fmin(low, cw_tensor_get(weight, f * of_filter + i));
            high = fmax(high, cw_tensor_get(weight, f * of_filter + i));
        }
        for (int k = 0; k < stack; k++) {
            for (int tap = 0; tap < 9; tap++) {
                uint8_t rgb[3];
                for (int ch = 0; ch < 3; ch++) {
                    int64_t channel = k * frame_channels + (frame_channels == 3 ? ch : 0);
                    double w = cw_tensor_get(weight, f * of_filter + channel * 9 + tap);
                    rgb[ch] = shade(w, low, high);
                }
                put(c, f * tile + tap % 3 * FILTER_SCALE, k * tile + tap / 3 * FILTER_SCALE,
                    FILTER_SCALE, rgb);
            }
        }
    }
    return CW_OK;
}

/* Anchors are rows, keys are columns; a row goes from its lowest score (black) to its highest
 * (white), so a white diagonal is what the contrastive loss asks for. */
static cw_status draw_scores(canvas *c, const cw_tensor *scores) {
    int n = (int)scores->shape[0];
    int scale = (SCORES_SIDE + n - 1) / n;
    CW_TRY(canvas_create(c, n * scale, n * scale));
    for (int i = 0; i < n; i++) {
        double low = INFINITY, high = -INFINITY;
        for (int j = 0; j < n; j++) {
            low = fmin(low, cw_tensor_get(scores, (int64_t)i * n + j));
            high = fmax(high, cw_tensor_get(scores, (int64_t)i * n + j));
        }
        for (int j = 0; j < n; j++) {
            uint8_t grey = shade(cw_tensor_get(scores, (int64_t)i * n + j), low, high);
            put(c, j * scale, i * scale, scale, (uint8_t[3]){grey, grey, grey});
        }
    }
    return CW_OK;
}

/* Writes a picture that was drawn with `status`, and frees it. */
static cw_status log_picture(cw_trainer *trainer, cw_status status, canvas *c, const char *tag,
                             double wall_time) {
    if (status != CW_OK) return status;
    status = cw_tfevents_image(trainer->events, trainer->state.frames, wall_time, tag, c->width,
                               c->height, c->rgb);
    cw_free(c->rgb);
    return status;
}

cw_status cw_trainer_log_pictures(cw_trainer *trainer, const cw_minibatch *batch,
                                  const cw_tensor *scores, double wall_time) {
    canvas c;
    const char *name;
    cw_tensor weight = {0};
    for (int i = 0; cw_agent_param(trainer->agent, i, &name, &weight); i++) {
        if (strcmp(name, "critic.encoder.convs.0.weight") == 0) break;
    }
    CW_TRY(log_picture(trainer, draw_crops(&c, batch, trainer->view.crop), &c,
                       "curl/anchors_and_positives", wall_time));
    CW_TRY(log_picture(trainer, draw_filters(&c, &weight, trainer->view.frame.channels), &c,
                       "encoder/first_layer", wall_time));
    if (scores->data == NULL || scores->shape[0] > SCORES_MAX) return CW_OK;
    return log_picture(trainer, draw_scores(&c, scores), &c, "curl/similarity", wall_time);
}
