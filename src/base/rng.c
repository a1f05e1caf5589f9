#include "base/rng.h"

#include <math.h>

#define PHILOX_M0     0xD2511F53u
#define PHILOX_M1     0xCD9E8D57u
#define PHILOX_W0     0x9E3779B9u
#define PHILOX_W1     0xBB67AE85u
#define PHILOX_ROUNDS 10

void cw_rng_block(const cw_stream *stream, uint64_t counter, uint32_t index, uint32_t out[4]) {
    /* The purpose shares a word with the upper half of the counter's range, which no run reaches:
     * 2^48 draws per purpose. */
    uint32_t c0 = index;
    uint32_t c1 = (uint32_t)counter;
    uint32_t c2 = (uint32_t)(counter >> 32) ^ (stream->purpose << 16);
    uint32_t c3 = stream->shard;
    uint32_t k0 = (uint32_t)stream->seed;
    uint32_t k1 = (uint32_t)(stream->seed >> 32);
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)PHILOX_M0 * c0;
        uint64_t p1 = (uint64_t)PHILOX_M1 * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void cw_rng_integers(const cw_stream *stream, uint64_t counter, uint32_t bound, uint32_t *out,
                     size_t n) {
    uint32_t word[4];
    for (size_t i = 0; i < n; i++) {
        if (i % 2 == 0) cw_rng_block(stream, counter, (uint32_t)(i / 2), word);
        const uint32_t *pair = word + 2 * (i % 2);
        uint64_t bits = ((uint64_t)pair[0] << 32) | pair[1];
        out[i] = (uint32_t)(((unsigned __int128)bits * bound) >> 64);
    }
}

/* 53 random bits in [0, 1). */
static double unit_double(uint32_t high, uint32_t low) {
    return (double)((((uint64_t)high << 32) | low) >> 11) * 0x1.0p-53;
}

void cw_rng_uniform(const cw_stream *stream, uint64_t counter, double low, double high, double *out,
                    size_t n) {
    uint32_t word[4];
    for (size_t i = 0; i < n; i++) {
        if (i % 2 == 0) cw_rng_block(stream, counter, (uint32_t)(i / 2), word);
        const uint32_t *pair = word + 2 * (i % 2);
        out[i] = low + (high - low) * unit_double(pair[0], pair[1]);
    }
}

void cw_rng_normal(const cw_stream *stream, uint64_t counter, float *out, size_t n) {
    const double two_pi = 6.283185307179586476925286766559;
    for (size_t i = 0; i < n; i += 2) {
        uint32_t word[4];
        cw_rng_block(stream, counter, (uint32_t)(i / 2), word);
        double radius = sqrt(-2.0 * log(1.0 - unit_double(word[0], word[1])));
        double angle = two_pi * unit_double(word[2], word[3]);
        out[i] = (float)(radius * cos(angle));
        if (i + 1 < n) out[i + 1] = (float)(radius * sin(angle));
    }
}
