/* The replay's state without its frames, as one self-checking blob.
 *
 * Layout (little-endian): index_header, then arrays with a row for each of the N frames that the
 * ring can hold: behind i32 (N), reward f32 (N), not_done f32 (N), action f32 (N, A), has u8 (N).
 * Row i is frame oldest + i; rows past the newest frame are zero. Which transitions can be sampled
 * follows from these, so it is not stored, only counted. */
#include "base/crc.h"
#include "base/error.h"
#include "base/memory.h"
#include "replay/replay_internal.h"

#include <math.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "index blobs are little-endian");

#define INDEX_VERSION 1u
#define COMMITTED_MAX (INT64_C(1) << 60) /* frames; counting on from there cannot overflow */

static const char index_magic[8] = {'C', 'W', 'R', 'E', 'P', 'L', 'A', 'Y'};

typedef struct index_header {
    char magic[8];
    uint32_t version;
    uint32_t crc; /* CRC-32C of all bytes after this field */
    int64_t n_slots;
    int64_t capacity;
    int64_t committed;
    int64_t live_count;
    int32_t stack;
    int32_t action_dim;
    int32_t channels;
    int32_t height;
    int32_t width;
    int32_t open; /* 0 or 1 */
} index_header;

#define CRC_FROM (offsetof(index_header, crc) + sizeof(uint32_t))

/* Where the arrays of a blob begin; `has` ends at `bytes`. */
typedef struct index_layout {
    size_t behind, reward, not_done, action, has, bytes;
} index_layout;

static index_layout layout_of(const cw_replay *r) {
    /* One slot is always free; arrays of n_slots rows were allocated, so nothing can overflow. */
    size_t n = (size_t)r->n_slots - 1;
    index_layout at;
    at.behind = sizeof(index_header);
    at.reward = at.behind + n * sizeof(int32_t);
    at.not_done = at.reward + n * sizeof(float);
    at.action = at.not_done + n * sizeof(float);
    at.has = at.action + n * (size_t)r->desc.action_dim * sizeof(float);
    at.bytes = at.has + n;
    return at;
}

static int64_t held_frames(const cw_replay *r, int64_t committed) {
    return committed < r->n_slots - 1 ? committed : r->n_slots - 1;
}

size_t cw_replay_index_bytes(const cw_replay *replay) {
    return layout_of(replay).bytes;
}

void cw_replay_index_save(const cw_replay *replay, void *out) {
    unsigned char *bytes = out;
    int64_t n = held_frames(replay, replay->committed);
    int64_t oldest = replay->committed - n;
    size_t row = (size_t)replay->desc.action_dim * sizeof(float);
    index_layout at = layout_of(replay);
    index_header header = {
        .version = INDEX_VERSION,
        .n_slots = replay->n_slots,
        .capacity = replay->desc.capacity,
        .committed = replay->committed,
        .live_count = replay->live_count,
        .stack = replay->desc.stack,
        .action_dim = replay->desc.action_dim,
        .channels = replay->desc.frame.channels,
        .height = replay->desc.frame.height,
        .width = replay->desc.frame.width,
        .open = replay->open,
    };
    memcpy(header.magic, index_magic, sizeof index_magic);
    memset(bytes, 0, at.bytes);
    for (int64_t i = 0; i < n; i++) {
        size_t slot = (size_t)((oldest + i) % replay->n_slots);
        size_t k = (size_t)i;
        memcpy(bytes + at.behind + k * 4, &replay->behind[slot], 4);
        /* A slot that starts no transition may still hold what an earlier frame left there. */
        if (replay->has[slot] == 0) continue;
        memcpy(bytes + at.reward + k * 4, &replay->reward[slot], 4);
        memcpy(bytes + at.not_done + k * 4, &replay->not_done[slot], 4);
        memcpy(bytes + at.action + k * row, (char *)replay->action + slot * row, row);
        bytes[at.has + k] = 1;
    }
    memcpy(bytes, &header, sizeof header);
    header.crc = cw_crc32c(0, bytes + CRC_FROM, at.bytes - CRC_FROM);
    memcpy(bytes, &header, sizeof header);
}

static cw_status header_check(const cw_replay *r, const unsigned char *bytes, size_t n,
                              index_header *header) {
    if (n < sizeof *header) {
        return cw_fail(CW_EFORMAT, "replay index: %zu bytes are too few for its header (%zu)", n,
                       sizeof *header);
    }
    memcpy(header, bytes, sizeof *header);
    if (memcmp(header->magic, index_magic, sizeof index_magic) != 0) {
        return cw_fail(CW_EFORMAT, "replay index: it does not begin with CWREPLAY");
    }
    if (header->version != INDEX_VERSION) {
        return cw_fail(CW_EFORMAT, "replay index: version %u; this program reads version %u",
                       header->version, INDEX_VERSION);
    }
    if (header->crc != cw_crc32c(0, bytes + CRC_FROM, n - CRC_FROM)) {
        return cw_fail(CW_EFORMAT, "replay index: its checksum does not match; it is damaged");
    }
    const cw_replay_desc *d = &r->desc;
    const struct {
        const char *name;
        int64_t got, want;
    } rows[] = {
        {"capacity", header->capacity, d->capacity},
        {"slots", header->n_slots, r->n_slots},
        {"stack", header->stack, d->stack},
        {"action_dim", header->action_dim, d->action_dim},
        {"frame channels", header->channels, d->frame.channels},
        {"frame height", header->height, d->frame.height},
        {"frame width", header->width, d->frame.width},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].got != rows[i].want) {
            return cw_fail(CW_EFORMAT, "replay index: %s is %lld, this run's is %lld", rows[i].name,
                           (long long)rows[i].got, (long long)rows[i].want);
        }
    }
    if (header->committed < 0 || header->committed > COMMITTED_MAX || header->open < 0 ||
        header->open > 1 || (header->open == 1 && header->committed == 0)) {
        return cw_fail(CW_EFORMAT, "replay index: %lld frames with open = %d make no sense",
                       (long long)header->committed, header->open);
    }
    size_t want = layout_of(r).bytes;
    if (n != want) {
        return cw_fail(CW_EFORMAT, "replay index: %zu bytes instead of %zu", n, want);
    }
    return CW_OK;
}

static float float_at(const unsigned char *bytes, size_t at) {
    float value;
    memcpy(&value, bytes + at, sizeof value);
    return value;
}

static bool all_zero(const unsigned char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != 0) return false;
    }
    return true;
}

/* Whether row k is as saving leaves rows that hold nothing. */
static bool row_is_zero(const cw_replay *r, const unsigned char *bytes, const index_layout *at,
                        size_t k) {
    size_t row = (size_t)r->desc.action_dim * sizeof(float);
    return all_zero(bytes + at->behind + k * 4, 4) && all_zero(bytes + at->reward + k * 4, 4) &&
           all_zero(bytes + at->not_done + k * 4, 4) &&
           all_zero(bytes + at->action + k * row, row) && bytes[at->has + k] == 0;
}

/* Every frame is an episode's first or continues its predecessor, which then has a transition. */
static cw_status rows_check(const cw_replay *r, const unsigned char *bytes, int64_t committed) {
    int64_t n = held_frames(r, committed);
    index_layout at = layout_of(r);
    int32_t before = 0;
    bool had = false;
    for (int64_t i = 0; i < n; i++) {
        size_t k = (size_t)i;
        int32_t behind;
        memcpy(&behind, bytes + at.behind + k * 4, 4);
        uint8_t has = bytes[at.has + k];
        int32_t follows = before + 1 < r->desc.stack ? before + 1 : r->desc.stack - 1;
        bool ok = behind >= 0 && behind < r->desc.stack && has <= 1 && !(has && i == n - 1);
        if (i > 0) ok = ok && behind == (had ? follows : 0);
        if (i == 0 && committed == n) ok = ok && behind == 0;
        float not_done = float_at(bytes, at.not_done + k * 4);
        ok = ok && isfinite(float_at(bytes, at.reward + k * 4)) && not_done >= 0 && not_done <= 1;
        for (size_t a = 0; a < (size_t)r->desc.action_dim; a++) {
            size_t element = k * (size_t)r->desc.action_dim + a;
            ok = ok && isfinite(float_at(bytes, at.action + element * 4));
        }
        if (!ok) {
            return cw_fail(CW_EFORMAT, "replay index: the row of frame %lld makes no sense",
                           (long long)(committed - n + i));
        }
        before = behind;
        had = has;
    }
    for (int64_t i = n; i < r->n_slots - 1; i++) {
        if (!row_is_zero(r, bytes, &at, (size_t)i)) {
            return cw_fail(CW_EFORMAT, "replay index: row %lld past the newest frame is in use",
                           (long long)i);
        }
    }
    return CW_OK;
}

static void rows_load(cw_replay *r, const unsigned char *bytes, const index_header *header) {
    int64_t n = held_frames(r, header->committed);
    int64_t oldest = header->committed - n;
    size_t row = (size_t)r->desc.action_dim * sizeof(float);
    index_layout at = layout_of(r);
    r->live_first = 0;
    r->live_count = 0;
    for (int64_t i = 0; i < n; i++) {
        size_t slot = (size_t)((oldest + i) % r->n_slots);
        size_t k = (size_t)i;
        memcpy(&r->behind[slot], bytes + at.behind + k * 4, 4);
        memcpy(&r->reward[slot], bytes + at.reward + k * 4, 4);
        memcpy(&r->not_done[slot], bytes + at.not_done + k * 4, 4);
        memcpy((char *)r->action + slot * row, bytes + at.action + k * row, row);
        r->has[slot] = bytes[at.has + k];
        if (r->has[slot]) cw_replay_live_push(r, oldest + i);
    }
    r->committed = header->committed;
    r->open = header->open != 0;
    r->lent = false;
    cw_replay_live_evict(r);
}

/* How many of the blob's transitions will be live: those among the newest `capacity` whose stacks
 * begin at or after the oldest frame. */
static int64_t live_expected(const cw_replay *r, const unsigned char *bytes, int64_t committed) {
    int64_t n = held_frames(r, committed);
    index_layout at = layout_of(r);
    int64_t live = 0;
    for (int64_t i = 0; i < n; i++) {
        int32_t behind;
        memcpy(&behind, bytes + at.behind + (size_t)i * 4, 4);
        live += bytes[at.has + (size_t)i] && behind <= i;
    }
    return live < r->desc.capacity ? live : r->desc.capacity;
}

cw_status cw_replay_index_load(cw_replay *replay, const void *bytes, size_t n) {
    index_header header;
    CW_TRY(header_check(replay, bytes, n, &header));
    CW_TRY(rows_check(replay, bytes, header.committed));
    int64_t live = live_expected(replay, bytes, header.committed);
    if (header.live_count != live) {
        return cw_fail(CW_EFORMAT, "replay index: it counts %lld transitions but lists %lld",
                       (long long)header.live_count, (long long)live);
    }
    rows_load(replay, bytes, &header);
    return CW_OK;
}
