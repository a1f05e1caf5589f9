/* The random numbers of numpy.random.RandomState, bit for bit: MT19937 (Matsumoto and Nishimura
 * 1998) with numpy's legacy uniform and normal distributions. dm_control draws initial states from
 * it, so equal seeds must give equal episodes. */
#ifndef CW_ENV_MT19937_H
#define CW_ENV_MT19937_H

#include <stdbool.h>
#include <stdint.h>

#define CW_MT19937_WORDS 624

/* Plain data: a copy of it continues the same stream. */
typedef struct cw_mt19937 {
    uint32_t word[CW_MT19937_WORDS];
    int32_t next;       /* index of the next word to hand out; CW_MT19937_WORDS: make new ones */
    int32_t has_normal; /* 1 when `normal` holds the second value of the last pair */
    double normal;
} cw_mt19937;

/* Whether bytes from outside are a stream: its index lies inside of the words, its flag is 0 or 1,
 * its normal value finite. */
bool cw_mt19937_sound(const cw_mt19937 *rng);

/* As RandomState(seed). */
void cw_mt19937_seed(cw_mt19937 *rng, uint32_t seed);

uint32_t cw_mt19937_word(cw_mt19937 *rng);

/* Uniform in [0, 1), 53 bits; as random_sample(). */
double cw_mt19937_double(cw_mt19937 *rng);

/* Uniform in [low, high); as uniform(low, high). */
double cw_mt19937_uniform(cw_mt19937 *rng, double low, double high);

/* Standard normal; as randn(): polar method, two values per pair of draws, the second one kept. */
double cw_mt19937_normal(cw_mt19937 *rng);

#endif
