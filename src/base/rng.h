/* Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011,
 * "Parallel random numbers: as easy as 1, 2, 3").
 *
 * A value depends on (seed, shard, purpose, counter, index) and on nothing else, so any
 * draw can be repeated, a resumed run goes on exactly, and threads never share state. */
#ifndef CW_BASE_RNG_H
#define CW_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

/* One row per independent stream; never renumber, a resumed run depends on it. */
typedef enum cw_purpose {
    CW_RNG_INIT = 1,          /* parameter initialisation */
    CW_RNG_RANDOM_ACTION = 2, /* uniform actions before learning starts */
    CW_RNG_ACTION_NOISE = 3,  /* exploration noise of the policy */
    CW_RNG_SAMPLE = 4,        /* replay indices */
    CW_RNG_CROP_ANCHOR = 5,
    CW_RNG_CROP_NEXT = 6,
    CW_RNG_CROP_POSITIVE = 7,
    CW_RNG_NOISE_NEXT = 8,  /* policy noise in the TD target */
    CW_RNG_NOISE_ACTOR = 9, /* policy noise in the actor loss */
    CW_RNG_ENV_SEED = 10,   /* seeds of training and evaluation environments */
    CW_RNG_BOOTSTRAP = 20,  /* resampled runs of a learning curve's interval */
    CW_RNG_REPORT = 21,     /* frames of the replay that a report shows */
    CW_RNG_TEST = 100
} cw_purpose;

typedef struct cw_stream {
    uint64_t seed;    /* run seed */
    uint32_t shard;   /* 0 today; one per machine later */
    uint32_t purpose; /* cw_purpose */
} cw_stream;

/* Four independent uniform 32-bit words for (stream, counter, index). */
void cw_rng_block(const cw_stream *stream, uint64_t counter, uint32_t index, uint32_t out[4]);

/* n uniform integers in [0, bound), bound >= 1. The modulo bias is below 2^-32. */
void cw_rng_integers(const cw_stream *stream, uint64_t counter, uint32_t bound, uint32_t *out,
                     size_t n);

/* n uniform doubles in [low, high), 53 random bits each. */
void cw_rng_uniform(const cw_stream *stream, uint64_t counter, double low, double high, double *out,
                    size_t n);

/* n standard normal floats (Box-Muller in double). */
void cw_rng_normal(const cw_stream *stream, uint64_t counter, float *out, size_t n);

#endif
