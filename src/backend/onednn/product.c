/* Products of packed factors. Of the two matrices the one with fewer rows or columns is packed
 * whole, a piece of k at a time; the other one block by block on the way, each time for every tile
 * that needs the block. Where there are too few blocks for the threads, parts of k are summed on
 * their own. */
#include "backend/onednn/product.h"

#include "base/error.h"
#include "base/parallel.h"

#include <string.h>

/* Bytes of packed blocks that are multiplied together: they, and what the next ones are made of,
 * stay in a core's second-level cache, and of a matrix whose columns are packed, several lines of
 * every row are read at once. */
#define GROUP_BYTES ((size_t)128 * 1024)

/* Groups of blocks that a thread has at least, or parts of k for it: threads that are fast take
 * more than that, slow ones less. */
#define SHARES 4

/* The rows of a or the columns of b. */
typedef struct side {
    bool columns, bf16;
    const char *from;
    int64_t count, step, k_step;
    int64_t width, blocks; /* of them go into a block; all blocks */
} side;

/* One product at work; parts of k have copies with memory of their own. */
typedef struct work {
    const cw_kernels *kernels;
    const cw_tiled_product *product;
    side whole, other;
    int64_t group;         /* blocks of `other` packed together */
    char *packed;          /* `whole`, for the piece at hand */
    char *groups;          /* of `other`, a group for each thread */
    size_t group_bytes;    /* of one */
    int64_t first, length; /* the piece: terms [first, first + length) */
    bool add;              /* to what is in c: it is not the first piece */
    char *c;
    int64_t c_row, c_column;
} work;

static size_t block_bytes(const work *w, const side *s, int64_t length) {
    int64_t padded = cw_onednn_round_up(length, w->kernels->term_multiple);
    return (size_t)(s->width * padded) * w->kernels->factor_bytes;
}

/* The piece's first term of row or column `i`. */
static const void *term_of(const work *w, const side *s, int64_t i) {
    int64_t element = w->first * s->k_step + i * s->step;
    return s->from + element * (int64_t)(s->bf16 ? sizeof(uint16_t) : sizeof(float));
}

static void pack_columns(const work *w, const side *s, char *to, int64_t first, int64_t n) {
    const void *from = term_of(w, s, first);
    if (s->bf16) {
        w->kernels->pack_bf16_columns(to, from, s->k_step, s->step, n, w->length);
    } else {
        w->kernels->pack_columns(to, from, s->k_step, s->step, n, w->length);
    }
}

static void pack_rows(const work *w, const side *s, char *to, int64_t first, int64_t n) {
    const void *from = term_of(w, s, first);
    if (s->bf16) {
        w->kernels->pack_bf16_rows(to, from, s->step, s->k_step, n, w->length);
    } else {
        w->kernels->pack_rows(to, from, s->step, s->k_step, n, w->length);
    }
}

/* Blocks [begin, end). */
static void pack(const work *w, const side *s, char *to, int64_t begin, int64_t end) {
    int64_t first = begin * s->width;
    int64_t stop = end * s->width < s->count ? end * s->width : s->count;
    if (s->columns) {
        pack_columns(w, s, to, first, stop - first);
        return;
    }
    size_t bytes = block_bytes(w, s, w->length);
    for (int64_t at = first; at < stop; at += s->width, to += bytes) {
        pack_rows(w, s, to, at, stop - at < s->width ? stop - at : s->width);
    }
}

static void pack_whole(const work *w, int64_t begin, int64_t end) {
    size_t bytes = block_bytes(w, &w->whole, w->length);
    pack(w, &w->whole, w->packed + (size_t)begin * bytes, begin, end);
}

/* The tile where block `i` of `whole` and block `j` of `other` meet. */
static void multiply_tile(const work *w, const char *whole, int64_t i, const char *other, int64_t j,
                          cw_fetch soon) {
    bool columns = w->whole.columns;
    int64_t row = columns ? j * w->other.width : i * w->whole.width;
    int64_t column = columns ? i * w->whole.width : j * w->other.width;
    cw_product_tile tile = {.k = w->length, .add = w->add, .soon = soon};
    tile.a = columns ? other : whole;
    tile.b = columns ? whole : other;
    tile.rows = w->product->m - row;
    tile.columns = w->product->n - column;
    if (tile.rows > w->kernels->product_rows) tile.rows = w->kernels->product_rows;
    if (tile.columns > 2 * w->kernels->lanes) tile.columns = 2 * w->kernels->lanes;
    tile.bf16 = w->product->c_bf16;
    int64_t element = row * w->c_row + column * w->c_column;
    tile.c = w->c + element * (int64_t)(tile.bf16 ? sizeof(uint16_t) : sizeof(float));
    tile.row_step = w->c_row;
    tile.column_step = w->c_column;
    w->kernels->product_tile(&tile);
}

/* The t-th of `tiles` parts of the memory of `other`'s blocks [begin, end). */
static cw_fetch part_of(const work *w, int64_t begin, int64_t end, int64_t t, int64_t tiles) {
    const side *s = &w->other;
    int64_t first = begin * s->width;
    int64_t stop = end * s->width < s->count ? end * s->width : s->count;
    if (first >= stop) return (cw_fetch){0};
    int64_t size = s->bf16 ? sizeof(uint16_t) : sizeof(float);
    bool by_terms = s->k_step == 1;
    int64_t rows = by_terms ? stop - first : w->length;
    int64_t bytes = (by_terms ? w->length : stop - first) * size;
    int64_t row = rows * t / tiles;
    cw_fetch f = {.rows = rows * (t + 1) / tiles - row, .lines = (bytes + 63) / 64};
    f.step = (by_terms ? s->step : s->k_step) * size;
    f.from = (const char *)term_of(w, s, first) + row * f.step;
    return f;
}

/* Blocks [begin, end) of `other`, a group at a time. While one is multiplied, the memory of the
 * next is asked for, which the same thread mostly takes. */
static void multiply_blocks(const work *w, char *group, int64_t begin, int64_t end) {
    size_t whole_bytes = block_bytes(w, &w->whole, w->length);
    size_t bytes = block_bytes(w, &w->other, w->length);
    for (int64_t first = begin; first < end; first += w->group) {
        int64_t n = end - first < w->group ? end - first : w->group;
        int64_t next = first + n + w->group;
        if (next > w->other.blocks) next = w->other.blocks;
        pack(w, &w->other, group, first, first + n);
        for (int64_t i = 0; i < w->whole.blocks; i++) {
            const char *whole = w->packed + (size_t)i * whole_bytes;
            for (int64_t j = 0; j < n; j++) {
                cw_fetch soon = part_of(w, first + n, next, i * n + j, w->whole.blocks * n);
                multiply_tile(w, whole, i, group + (size_t)j * bytes, first + j, soon);
            }
        }
    }
}

static void pack_body(void *context, int64_t begin, int64_t end) {
    pack_whole(context, begin, end);
}

/* Items are groups. */
static void multiply_body(void *context, int64_t begin, int64_t end) {
    const work *w = context;
    char *group = w->groups + (size_t)cw_parallel_self() * w->group_bytes;
    int64_t stop = end * w->group < w->other.blocks ? end * w->group : w->other.blocks;
    w->kernels->begin_products();
    multiply_blocks(w, group, begin * w->group, stop);
    w->kernels->end_products();
}

static void next_piece(work *w, int64_t end) {
    w->add = w->length > 0;
    w->first += w->length;
    w->length = end - w->first < CW_PRODUCT_PIECE ? end - w->first : CW_PRODUCT_PIECE;
}

static void run_together(work *w) {
    while (w->first + w->length < w->product->k) {
        next_piece(w, w->product->k);
        cw_parallel_for(w->whole.blocks, 1, pack_body, w);
        cw_parallel_for((w->other.blocks + w->group - 1) / w->group, 1, multiply_body, w);
    }
}

/* Each part of k into a matrix of its own: (count, m, n) at `sums`. */
typedef struct parts {
    const work *work;
    int64_t count;
    size_t packed_bytes; /* of one thread's `packed` */
    float *sums;
} parts;

static void part_body(void *context, int64_t begin, int64_t end) {
    const parts *p = context;
    p->work->kernels->begin_products();
    for (int64_t t = begin; t < end; t++) {
        work w = *p->work;
        const cw_tiled_product *product = w.product;
        w.packed += (size_t)cw_parallel_self() * p->packed_bytes;
        w.groups += (size_t)cw_parallel_self() * w.group_bytes;
        w.c = (char *)(p->sums + t * product->m * product->n);
        w.c_row = product->n;
        w.c_column = 1;
        w.first = product->k * t / p->count;
        int64_t stop = product->k * (t + 1) / p->count;
        while (w.first + w.length < stop) {
            next_piece(&w, stop);
            pack_whole(&w, 0, w.whole.blocks);
            multiply_blocks(&w, w.groups, 0, w.other.blocks);
        }
    }
    p->work->kernels->end_products();
}

/* Rows of c. */
static void sum_body(void *context, int64_t begin, int64_t end) {
    const parts *p = context;
    const cw_tiled_product *product = p->work->product;
    for (int64_t i = begin; i < end; i++) {
        for (int64_t j = 0; j < product->n; j++) {
            const float *from = p->sums + i * product->n + j;
            float sum = 0;
            for (int64_t t = 0; t < p->count; t++) {
                sum += from[t * product->m * product->n];
            }
            ((float *)product->c)[i * product->c_row + j * product->c_column] = sum;
        }
    }
}

static side make_side(const void *from, bool bf16, int64_t count, int64_t step, int64_t k_step,
                      int64_t width) {
    side s = {.from = from, .bf16 = bf16, .count = count, .step = step, .k_step = k_step};
    s.width = width;
    s.blocks = (count + width - 1) / width;
    return s;
}

static work make_work(const cw_onednn *state, int threads, const cw_tiled_product *p) {
    work w = {.kernels = state->kernels, .product = p};
    side rows = make_side(p->a, p->a_bf16, p->m, p->a_row, p->a_k, w.kernels->product_rows);
    side columns = make_side(p->b, p->b_bf16, p->n, p->b_column, p->b_k, 2 * w.kernels->lanes);
    columns.columns = true;
    w.whole = p->m <= p->n ? rows : columns;
    w.other = p->m <= p->n ? columns : rows;
    int64_t length = p->k < CW_PRODUCT_PIECE ? p->k : CW_PRODUCT_PIECE;
    size_t bytes = block_bytes(&w, &w.other, length);
    w.group = bytes * 2 <= GROUP_BYTES ? (int64_t)(GROUP_BYTES / bytes) : 1;
    int64_t most = w.other.blocks / ((int64_t)SHARES * threads);
    if (w.group > most) w.group = most > 1 ? most : 1;
    w.group_bytes = (size_t)w.group * bytes;
    w.c = p->c;
    w.c_row = p->c_row;
    w.c_column = p->c_column;
    return w;
}

cw_status cw_tiled_product_run(cw_onednn *state, int threads, const cw_tiled_product *product) {
    work w = make_work(state, threads, product);
    int64_t length = product->k < CW_PRODUCT_PIECE ? product->k : CW_PRODUCT_PIECE;
    parts p = {.work = &w};
    p.packed_bytes = cw_onednn_aligned((size_t)w.whole.blocks * block_bytes(&w, &w.whole, length));
    w.group_bytes = cw_onednn_aligned(w.group_bytes);
    bool split = w.other.blocks < (int64_t)4 * threads &&
                 product->k >= (int64_t)CW_PRODUCT_PIECE / 2 * threads && !product->c_bf16;
    int64_t count = threads > 1 ? SHARES * threads : 1;
    p.count = split ? count : 0;
    size_t packed_bytes = (split ? (size_t)threads : 1) * p.packed_bytes;
    size_t groups_bytes = (size_t)threads * w.group_bytes;
    size_t sums_bytes = (size_t)(p.count * product->m * product->n) * sizeof(float);
    CW_TRY(cw_onednn_grow_scratch(state, packed_bytes + groups_bytes + sums_bytes));
    w.packed = state->product_scratch;
    w.groups = w.packed + packed_bytes;
    if (!split) {
        run_together(&w);
        return CW_OK;
    }
    p.sums = (float *)(w.groups + groups_bytes);
    cw_parallel_for(p.count, 1, part_body, &p);
    cw_parallel_for(product->m, 8, sum_body, &p);
    return CW_OK;
}
