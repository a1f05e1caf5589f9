#include "env/mt19937.h"

#include <math.h>

#define N     CW_MT19937_WORDS
#define SHIFT 397

bool cw_mt19937_sound(const cw_mt19937 *rng) {
    return rng->next >= 0 && rng->next <= N && (rng->has_normal == 0 || rng->has_normal == 1) &&
           isfinite(rng->normal);
}

void cw_mt19937_seed(cw_mt19937 *rng, uint32_t seed) {
    rng->word[0] = seed;
    for (uint32_t i = 1; i < N; i++) {
        uint32_t previous = rng->word[i - 1];
        rng->word[i] = 1812433253u * (previous ^ (previous >> 30)) + i;
    }
    rng->next = N;
    rng->has_normal = 0;
    rng->normal = 0.0;
}

static void refill(cw_mt19937 *rng) {
    uint32_t *w = rng->word;
    for (int i = 0; i < N; i++) {
        uint32_t y = (w[i] & 0x80000000u) | (w[(i + 1) % N] & 0x7fffffffu);
        w[i] = w[(i + SHIFT) % N] ^ (y >> 1) ^ ((y & 1u) ? 0x9908b0dfu : 0u);
    }
    rng->next = 0;
}

uint32_t cw_mt19937_word(cw_mt19937 *rng) {
    if (rng->next >= N) refill(rng);
    uint32_t y = rng->word[rng->next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

double cw_mt19937_double(cw_mt19937 *rng) {
    uint32_t high = cw_mt19937_word(rng) >> 5; /* 27 bits */
    uint32_t low = cw_mt19937_word(rng) >> 6;  /* 26 bits */
    return ((double)high * 67108864.0 + (double)low) / 9007199254740992.0;
}

double cw_mt19937_uniform(cw_mt19937 *rng, double low, double high) {
    return low + (high - low) * cw_mt19937_double(rng);
}

double cw_mt19937_normal(cw_mt19937 *rng) {
    if (rng->has_normal) {
        rng->has_normal = 0;
        return rng->normal;
    }
    double x1, x2, r2;
    do {
        x1 = 2.0 * cw_mt19937_double(rng) - 1.0;
        x2 = 2.0 * cw_mt19937_double(rng) - 1.0;
        r2 = x1 * x1 + x2 * x2;
    } while (r2 >= 1.0 || r2 == 0.0);
    double f = sqrt(-2.0 * log(r2) / r2);
    rng->normal = f * x1;
    rng->has_normal = 1;
    return f * x2;
}
