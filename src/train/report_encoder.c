/* What the encoder of a run sees. */
#include "base/error.h"
#include "base/memory.h"
#include "io/html.h"
#include "replay/replay.h"
#include "train/report_page.h"
#include "train/session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES    6    /* stacks of the crops and saliency */
#define CANDIDATES 2048 /* frames among which neighbours are sought, at most */
#define QUERIES    4
#define NEIGHBOURS 6
#define PATCHES    7 /* patches of a side that do not overlap; they move by half of one */

/* Everything that the pictures are made from. */
typedef struct looker {
    cw_session *s;
    cw_replay *replay;
    cw_actor *actor;
    cw_minibatch batch;                       /* the next one that training would draw */
    uint64_t counter;                         /* its number */
    int stack, channels, height, width, side; /* K, frame, crop */
    int features, actions;                    /* D, A */
    int patch, stride, places;                /* pixels, pixels, patches along a side */
    int64_t n;                                /* stacks that the actor takes at once */
    const uint8_t **frames;                   /* (n, K) */
    int32_t *offset_y, *offset_x;             /* (n) */
    uint8_t *hidden;           /* (n, K, channels, side, side) crops, a patch of each hidden */
    float *z, *action, *value; /* (n, D), (n, A), (n) */
    uint8_t *rgb;              /* one picture, interleaved, of a frame or of the logits */
    double *heat, *weight;     /* (side, side) */
} looker;

/* ---------------------------------------------------------------- set-up */

static cw_status open_sizes(looker *l) {
    const cw_view *view = &l->s->view;
    l->stack = view->stack;
    l->channels = view->frame.channels;
    l->height = view->frame.height;
    l->width = view->frame.width;
    l->side = view->crop;
    l->features = l->s->settings.encoder.feature_dim;
    l->actions = l->s->env.env.spec.action_dim;
    if (l->channels != 3) {
        return cw_fail(CW_EUNSUPPORTED, "frames of %d channels cannot be shown", l->channels);
    }
    l->patch = l->side / PATCHES > 2 ? l->side / PATCHES : 2;
    l->stride = l->patch / 2;
    l->places = (l->side - l->patch) / l->stride + 1;
    l->n = (int64_t)l->places * l->places + 1;
    return CW_OK;
}

static cw_status open_buffers(looker *l) {
    size_t n = (size_t)l->n, side = (size_t)l->side * (size_t)l->side;
    size_t batch = (size_t)l->s->settings.update.batch_size;
    size_t frame = (size_t)l->height * (size_t)l->width, logits = cw_size_mul(batch, batch);
    const char *what = "the pictures of a report";
    CW_TRY(cw_alloc(&l->frames, n * (size_t)l->stack, sizeof *l->frames, what));
    CW_TRY(cw_alloc(&l->offset_y, n, sizeof *l->offset_y, what));
    CW_TRY(cw_alloc(&l->offset_x, n, sizeof *l->offset_x, what));
    CW_TRY(cw_alloc(&l->hidden, cw_size_mul(n, (size_t)l->stack * 3), side, what));
    CW_TRY(cw_alloc(&l->z, n, (size_t)l->features * sizeof *l->z, what));
    CW_TRY(cw_alloc(&l->action, n, (size_t)l->actions * sizeof *l->action, what));
    CW_TRY(cw_alloc(&l->value, n, sizeof *l->value, what));
    CW_TRY(cw_alloc(&l->rgb, frame > logits ? frame : logits, 3, what));
    CW_TRY(cw_alloc(&l->heat, side, sizeof *l->heat, what));
    return cw_alloc(&l->weight, side, sizeof *l->weight, what);
}

static cw_status open_looker(looker *l, const char *run) {
    CW_TRY(cw_session_open_env(&l->s, run));
    cw_session *s = l->s;
    cw_replay_desc desc = cw_replay_desc_of(&s->settings, &s->env);
    CW_TRY(open_sizes(l));
    CW_TRY(cw_replay_create(&l->replay, &desc));
    CW_TRY(cw_run_load_agent(run, s->agent, l->replay));
    if (cw_replay_count(l->replay) == 0) {
        return cw_fail(CW_ENOTFOUND, "%s: the replay of its checkpoint is empty", run);
    }
    CW_TRY(open_buffers(l));
    CW_TRY(cw_actor_create(&l->actor, s->agent, l->n));
    l->counter = (uint64_t)*cw_agent_optimiser_steps(s->agent, 0);
    return cw_replay_sample(l->replay, &l->batch, s->settings.run.seed, 0, l->counter);
}

static void close_looker(looker *l) {
    cw_actor_destroy(l->actor);
    cw_replay_destroy(l->replay);
    cw_session_close(l->s);
    cw_free(l->frames);
    cw_free(l->offset_y);
    cw_free(l->offset_x);
    cw_free(l->hidden);
    cw_free(l->z);
    cw_free(l->action);
    cw_free(l->value);
    cw_free(l->rgb);
    cw_free(l->heat);
    cw_free(l->weight);
}

static cw_status look(looker *l, int height, int width) {
    cw_image_batch images = {.n = l->n,
                             .stack = l->stack,
                             .frame_channels = l->channels,
                             .frame_height = height,
                             .frame_width = width,
                             .frames = l->frames,
                             .offset_y = l->offset_y,
                             .offset_x = l->offset_x};
    return cw_actor_look(l->actor, &images, l->z, l->action, l->value);
}

/* ---------------------------------------------------------------- pictures */

/* A part of a planar frame as interleaved RGB. */
static void cut(const looker *l, const uint8_t *frame, int y0, int x0, int height, int width) {
    size_t plane = (size_t)l->height * (size_t)l->width;
    uint8_t *out = l->rgb;
    for (int y = y0; y < y0 + height; y++) {
        for (int x = x0; x < x0 + width; x++, out += 3) {
            const uint8_t *at = frame + (size_t)y * (size_t)l->width + (size_t)x;
            for (size_t c = 0; c < 3; c++) out[c] = at[c * plane];
        }
    }
}

/* The outline of a crop in the picture of a whole frame. */
static void outline(const looker *l, int y0, int x0, const uint8_t colour[3]) {
    for (int i = 0; i < l->side; i++) {
        const int at[4][2] = {
            {y0, x0 + i}, {y0 + l->side - 1, x0 + i}, {y0 + i, x0}, {y0 + i, x0 + l->side - 1}};
        for (int k = 0; k < 4; k++) {
            memcpy(l->rgb + 3 * ((size_t)at[k][0] * (size_t)l->width + (size_t)at[k][1]), colour,
                   3);
        }
    }
}

static void tile(cw_text *page, const looker *l, int height, int width, const char *caption) {
    cw_text_add(page, "<figure>");
    cw_html_picture(page, l->rgb, width, height, "tile", caption);
    cw_text_add(page, "<figcaption>");
    cw_html_escape(page, caption);
    cw_text_add(page, "</figcaption></figure>\n");
}

static void add_crops(cw_text *page, const looker *l, int64_t i) {
    static const uint8_t white[3] = {255, 255, 255}, orange[3] = {255, 120, 0};
    const cw_image_batch *anchor = &l->batch.obs, *positive = &l->batch.pos;
    const uint8_t *frame = anchor->frames[(i + 1) * l->stack - 1];
    cut(l, frame, 0, 0, l->height, l->width);
    outline(l, anchor->offset_y[i], anchor->offset_x[i], white);
    outline(l, positive->offset_y[i], positive->offset_x[i], orange);
    tile(page, l, l->height, l->width, "newest frame");
    cut(l, frame, anchor->offset_y[i], anchor->offset_x[i], l->side, l->side);
    tile(page, l, l->side, l->side, "anchor (white)");
    cut(l, frame, positive->offset_y[i], positive->offset_x[i], l->side, l->side);
    tile(page, l, l->side, l->side, "positive (orange)");
}

/* ---------------------------------------------------------------- saliency */

/* Stack k of the batch: the anchor crop, in it a patch of its mean colour in every frame; the last
 * stack is the crop as it is. */
static void hide_patches(looker *l, int64_t i) {
    const cw_image_batch *anchor = &l->batch.obs;
    size_t side = (size_t)l->side, plane = side * side, planes = (size_t)l->stack * 3;
    uint8_t *whole = l->hidden + (size_t)(l->n - 1) * planes * plane;
    for (size_t p = 0; p < planes; p++) {
        const uint8_t *frame = anchor->frames[(size_t)i * (size_t)l->stack + p / 3] +
                               p % 3 * (size_t)l->height * (size_t)l->width;
        for (size_t y = 0; y < side; y++) {
            memcpy(whole + p * plane + y * side,
                   frame + ((size_t)anchor->offset_y[i] + y) * (size_t)l->width +
                       (size_t)anchor->offset_x[i],
                   side);
        }
    }
    for (int64_t k = 0; k < l->n; k++) {
        uint8_t *to = l->hidden + (size_t)k * planes * plane;
        l->offset_y[k] = l->offset_x[k] = 0;
        for (int f = 0; f < l->stack; f++) {
            l->frames[k * l->stack + f] = to + (size_t)f * 3 * plane;
        }
        if (k == l->n - 1) break;
        memcpy(to, whole, planes * plane);
        size_t y0 = (size_t)(k / l->places * l->stride), x0 = (size_t)(k % l->places * l->stride);
        for (size_t p = 0; p < planes; p++) {
            double sum = 0;
            for (size_t j = 0; j < plane; j++) sum += whole[p * plane + j];
            for (size_t y = 0; y < (size_t)l->patch; y++) {
                memset(to + p * plane + (y0 + y) * side + x0, (int)lround(sum / (double)plane),
                       (size_t)l->patch);
            }
        }
    }
}

/* How much hiding patch k changes the value, or the action (Euclidean length). */
static double change(const looker *l, int64_t k, bool of_value) {
    int64_t whole = l->n - 1;
    if (of_value) return fabs((double)l->value[k] - (double)l->value[whole]);
    double sum = 0;
    for (int a = 0; a < l->actions; a++) {
        double d =
            (double)l->action[k * l->actions + a] - (double)l->action[whole * l->actions + a];
        sum += d * d;
    }
    return sqrt(sum);
}

/* Each pixel's heat is the mean change by the patches that cover it; shown as orange over a grey
 * picture, the strongest full. Returns the largest change. */
static double draw_heat(looker *l, bool of_value) {
    size_t side = (size_t)l->side, plane = side * side;
    double largest = 0, hottest = 0;
    memset(l->heat, 0, plane * sizeof *l->heat);
    memset(l->weight, 0, plane * sizeof *l->weight);
    for (int64_t k = 0; k < l->n - 1; k++) {
        double size = change(l, k, of_value);
        size_t y0 = (size_t)(k / l->places * l->stride), x0 = (size_t)(k % l->places * l->stride);
        largest = fmax(largest, size);
        for (size_t y = y0; y < y0 + (size_t)l->patch; y++) {
            for (size_t x = x0; x < x0 + (size_t)l->patch; x++) {
                l->heat[y * side + x] += size;
                l->weight[y * side + x] += 1;
            }
        }
    }
    for (size_t j = 0; j < plane; j++) {
        if (l->weight[j] > 0) l->heat[j] /= l->weight[j];
        hottest = fmax(hottest, l->heat[j]);
    }
    const uint8_t *newest = l->frames[l->n * l->stack - 1];
    for (size_t j = 0; j < plane; j++) {
        static const double orange[3] = {255, 120, 0};
        double share = hottest > 0 ? l->heat[j] / hottest : 0;
        double grey = (newest[j] + newest[plane + j] + newest[2 * plane + j]) / 3.0;
        for (size_t c = 0; c < 3; c++) {
            l->rgb[3 * j + c] = (uint8_t)lround((1 - share) * grey + share * orange[c]);
        }
    }
    return largest;
}

static cw_status add_samples(cw_text *page, looker *l) {
    char caption[128];
    cw_text_format(page,
                   "<h3>Crops, and where it looks</h3>\n<p>Stacks of the next minibatch. "
                   "<b>Anchor</b> and <b>positive</b> are two crops of one stack; the contrastive "
                   "loss has to tell them from those of all other stacks. <b>Saliency by "
                   "occlusion</b>: a patch of %d&times;%d pixels is hidden at %d places, in every "
                   "frame of the stack; the more orange, the more that changes the critic's value "
                   "(the smaller Q of the policy's action) or the policy's action. Each picture "
                   "has its own scale; the largest change is written under it.</p>\n",
                   l->patch, l->patch, (int)l->n - 1);
    for (int64_t i = 0; i < SAMPLES && i < l->batch.n; i++) {
        cw_text_add(page, "<div class=\"row\">\n");
        add_crops(page, l, i);
        hide_patches(l, i);
        CW_TRY(look(l, l->side, l->side));
        double largest = draw_heat(l, true);
        snprintf(caption, sizeof caption, "value %.2f, \xC2\xB1%.2g", (double)l->value[l->n - 1],
                 largest);
        tile(page, l, l->side, l->side, caption);
        largest = draw_heat(l, false);
        snprintf(caption, sizeof caption, "action, \xC2\xB1%.2g", largest);
        tile(page, l, l->side, l->side, caption);
        cw_text_add(page, "</div>\n");
    }
    return page->status;
}

/* ---------------------------------------------------------------- neighbours */

typedef struct candidates {
    int n;
    const uint8_t **frame; /* (n, K) stacks */
    int64_t *number;       /* (n) running number of the newest frame */
    float *z;              /* (n, D) */
} candidates;

/* The running number of a frame of the ring, from its place: frames lie one after another, with
 * one break where the ring wraps. */
static int64_t number_of(const cw_replay *replay, const uint8_t *frame) {
    int64_t first = cw_replay_oldest_frame(replay), last = cw_replay_frames(replay) - 1;
    ptrdiff_t bytes = (ptrdiff_t)cw_replay_frame_bytes(replay);
    int64_t number = first + (frame - cw_replay_frame(replay, first)) / bytes;
    if (cw_replay_frame(replay, number) == frame) return number;
    return last - (cw_replay_frame(replay, last) - frame) / bytes;
}

/* Stacks from as many minibatches as it takes; the looker's own minibatch is drawn anew after. */
static cw_status gather(const looker *l, candidates *c) {
    cw_minibatch batch;
    uint64_t seed = l->s->settings.run.seed;
    size_t stack = (size_t)l->stack;
    int wanted = c->n;
    c->n = 0;
    for (uint64_t k = 1; c->n < wanted; k++) {
        CW_TRY(cw_replay_sample(l->replay, &batch, seed, 0, l->counter + k));
        for (int64_t i = 0; i < batch.n && c->n < wanted; i++, c->n++) {
            memcpy(&c->frame[(size_t)c->n * stack], &batch.obs.frames[(size_t)i * stack],
                   stack * sizeof *c->frame);
            c->number[c->n] = number_of(l->replay, c->frame[((size_t)c->n + 1) * stack - 1]);
        }
    }
    return CW_OK;
}

/* Features of all candidates on the centre crop, n stacks at a time. */
static cw_status encode(looker *l, candidates *c) {
    size_t stack = (size_t)l->stack, features = (size_t)l->features;
    int32_t centre = cw_view_offset(&l->s->view);
    for (int64_t k = 0; k < l->n; k++) l->offset_y[k] = l->offset_x[k] = centre;
    for (int first = 0; first < c->n; first += (int)l->n) {
        int n = c->n - first < (int)l->n ? c->n - first : (int)l->n;
        for (int64_t k = 0; k < l->n; k++) { /* a last, smaller part is filled up */
            size_t from = (size_t)(first + (k < n ? k : 0));
            memcpy(&l->frames[(size_t)k * stack], &c->frame[from * stack],
                   stack * sizeof *l->frames);
        }
        CW_TRY(look(l, l->height, l->width));
        memcpy(&c->z[(size_t)first * features], l->z, (size_t)n * features * sizeof *c->z);
    }
    return CW_OK;
}

static double distance(const looker *l, const candidates *c, int a, int b) {
    double sum = 0;
    for (int d = 0; d < l->features; d++) {
        double difference = (double)c->z[a * l->features + d] - (double)c->z[b * l->features + d];
        sum += difference * difference;
    }
    return sqrt(sum);
}

static void add_frame(cw_text *page, const looker *l, const candidates *c, int i,
                      const char *caption) {
    int32_t centre = cw_view_offset(&l->s->view);
    cut(l, c->frame[(i + 1) * l->stack - 1], centre, centre, l->side, l->side);
    tile(page, l, l->side, l->side, caption);
}

/* The nearest candidates of candidate q that are `gap` agent steps or more away from it in time,
 * and a tenth of that from each other: not six times the same moment. */
static void add_neighbours(cw_text *page, const looker *l, const candidates *c, int q, int64_t gap,
                           double mean) {
    int found[NEIGHBOURS];
    cw_text_add(page, "<div class=\"row\">\n");
    add_frame(page, l, c, q, "the frame");
    for (int k = 0; k < NEIGHBOURS; k++) {
        int best = -1;
        double nearest = INFINITY;
        for (int i = 0; i < c->n; i++) {
            bool taken = llabs(c->number[i] - c->number[q]) < gap;
            for (int j = 0; j < k; j++)
                taken = taken || llabs(c->number[i] - c->number[found[j]]) < gap / 10 + 1;
            double d = taken ? INFINITY : distance(l, c, q, i);
            if (d >= nearest) continue;
            nearest = d;
            best = i;
        }
        if (best < 0) break;
        char caption[64];
        snprintf(caption, sizeof caption, "%.2f", nearest / mean);
        add_frame(page, l, c, best, caption);
        found[k] = best;
    }
    cw_text_add(page, "</div>\n");
}

static cw_status add_latent_space(cw_text *page, looker *l, candidates *c) {
    CW_TRY(gather(l, c));
    CW_TRY(encode(l, c));
    double mean = 0;
    for (int i = 0; i + 1 < c->n; i++) mean += distance(l, c, i, i + 1) / (c->n - 1);
    int64_t live = cw_replay_frames(l->replay) - cw_replay_oldest_frame(l->replay);
    int64_t episode = cw_agent_env_episode_steps(&l->s->env);
    int64_t gap = episode < live / 4 ? episode : live / 4;
    cw_text_format(page,
                   "<h3>Nearest neighbours in latent space</h3>\n<p>Frames of the replay whose %d "
                   "features lie nearest to those of the frame on the left, among %d drawn at "
                   "random, at least %lld agent steps away from it in time and %lld from each "
                   "other. Below each: its "
                   "distance as a multiple of the mean distance of two random frames.</p>\n",
                   l->features, c->n, (long long)gap, (long long)gap / 10 + 1);
    if (!(mean > 0)) mean = 1;
    for (int q = 0; q < QUERIES && q < c->n; q++) add_neighbours(page, l, c, q, gap, mean);
    return page->status;
}

static cw_status add_neighbourhood(cw_text *page, looker *l) {
    candidates c = {.n = CANDIDATES};
    if (cw_replay_count(l->replay) < c.n) c.n = (int)cw_replay_count(l->replay);
    size_t n = (size_t)c.n;
    const char *what = "the frames of a report";
    cw_status status = cw_alloc(&c.frame, n * (size_t)l->stack, sizeof *c.frame, what);
    if (status == CW_OK) status = cw_alloc(&c.number, n, sizeof *c.number, what);
    if (status == CW_OK) status = cw_alloc(&c.z, n, (size_t)l->features * sizeof *c.z, what);
    if (status == CW_OK) status = add_latent_space(page, l, &c);
    cw_free(c.frame);
    cw_free(c.number);
    cw_free(c.z);
    return status;
}

/* ---------------------------------------------------------------- similarity */

/* From dark blue over green to yellow (five colours of viridis, Smith and van der Walt 2015). */
static void ramp(double share, uint8_t out[3]) {
    static const double colour[5][3] = {
        {68, 1, 84}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98}, {253, 231, 37}};
    double at = 4 * fmax(0, fmin(1, share));
    int i = at < 4 ? (int)at : 3;
    for (int c = 0; c < 3; c++) {
        out[c] = (uint8_t)lround(colour[i][c] + (at - i) * (colour[i + 1][c] - colour[i][c]));
    }
}

/* The minibatch that the next update would draw. */
static cw_status add_similarity(cw_text *page, looker *l) {
    const double span = 10; /* logits below the row's largest that are still told apart */
    cw_contrast_view view;
    cw_text_add(page, "<h3>Similarity matrix</h3>\n");
    if (!l->s->settings.curl.enabled) {
        cw_text_add(page, "<p>This run has no contrastive loss.</p>\n");
        return page->status;
    }
    CW_TRY(cw_replay_sample(l->replay, &l->batch, l->s->settings.run.seed, 0, l->counter));
    CW_TRY(cw_agent_contrast(l->s->agent, &l->batch, &view));
    const cw_tensor *logits = &view.scores;
    int64_t n = logits->shape[0];
    for (int64_t i = 0; i < n; i++) {
        double largest = -INFINITY;
        for (int64_t k = 0; k < n; k++) largest = fmax(largest, cw_tensor_get(logits, i * n + k));
        for (int64_t k = 0; k < n; k++) {
            ramp(1 + (cw_tensor_get(logits, i * n + k) - largest) / span, l->rgb + 3 * (i * n + k));
        }
    }
    cw_text_format(page,
                   "<p>The %lld anchors (rows) of the next minibatch against their keys (columns). "
                   "Yellow: the row's largest logit; dark: %.0f or more below it. A trained "
                   "encoder has a yellow diagonal. Contrastive loss %.3f nats (chance: %.3f), "
                   "accuracy %.1f%% (chance: %.1f%%).</p>\n",
                   (long long)n, span, view.loss, log((double)n), 100 * view.accuracy,
                   100.0 / (double)n);
    cw_html_picture(page, l->rgb, (int)n, (int)n, "matrix", "similarity matrix");
    return page->status;
}

static cw_status add_all(cw_text *page, looker *l) {
    CW_TRY(add_samples(page, l));
    CW_TRY(add_neighbourhood(page, l));
    return add_similarity(page, l);
}

cw_status cw_report_encoder(cw_text *page, const char *run) {
    looker l = {.n = 0};
    cw_status status = open_looker(&l, run);
    if (status == CW_OK) status = add_all(page, &l);
    close_looker(&l);
    return status;
}
