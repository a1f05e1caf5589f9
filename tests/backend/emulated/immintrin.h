/* AVX-512 for processors without it, so that the loops written in it are tested everywhere: SIMDe's
 * functions in C, and here those that SIMDe 0.7.4 lacks. Conversions to bf16 round as the processor
 * does (Intel's manual, VCVTNE2PS2BF16): to nearest even, denormal numbers to zero. */
#ifndef CW_TESTS_EMULATED_IMMINTRIN_H
#define CW_TESTS_EMULATED_IMMINTRIN_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#include_next <immintrin.h>
/* SIMDe 0.8 looks for a macro; its own type is not the one that clang's header just declared. */
#define __mmask64 __mmask64
#include <simde/x86/avx512.h>
#include <stdint.h>
#include <string.h>

/* ---- elements chosen by a mask ---- */

static inline void emulated_copy(void *to, uint64_t mask, const void *from, size_t size, int n) {
    for (int i = 0; i < n; i++) {
        size_t at = (size_t)i * size;
        if ((mask >> i & 1) != 0) memcpy((char *)to + at, (const char *)from + at, size);
    }
}

#define EMULATED_LOAD(name, type, size)                                                            \
    static inline type name(uint64_t mask, const void *from) {                                     \
        type out;                                                                                  \
        memset(&out, 0, sizeof out);                                                               \
        emulated_copy(&out, mask, from, size, (int)(sizeof out / (size)));                         \
        return out;                                                                                \
    }
#define EMULATED_STORE(name, type, size)                                                           \
    static inline void name(void *to, uint64_t mask, type value) {                                 \
        emulated_copy(to, mask, &value, size, (int)(sizeof value / (size)));                       \
    }

EMULATED_LOAD(emulated_load_ps, simde__m512, 4)
EMULATED_LOAD(emulated_load_epi16, simde__m512i, 2)
EMULATED_LOAD(emulated_load_256_epi16, __m256i, 2)
EMULATED_LOAD(emulated_load_256_epi8, __m256i, 1)
EMULATED_STORE(emulated_store_ps, simde__m512, 4)
EMULATED_STORE(emulated_store_epi8, simde__m512i, 1)
EMULATED_STORE(emulated_store_epi16, simde__m512i, 2)
EMULATED_STORE(emulated_store_epi32, simde__m512i, 4)
#undef _mm512_maskz_loadu_ps
#define _mm512_maskz_loadu_ps emulated_load_ps
#undef _mm512_maskz_loadu_epi16
#define _mm512_maskz_loadu_epi16 emulated_load_epi16
#undef _mm256_maskz_loadu_epi16
#define _mm256_maskz_loadu_epi16 emulated_load_256_epi16
#undef _mm256_maskz_loadu_epi8
#define _mm256_maskz_loadu_epi8 emulated_load_256_epi8
#undef _mm512_mask_storeu_ps
#define _mm512_mask_storeu_ps emulated_store_ps
#undef _mm512_mask_storeu_epi8
#define _mm512_mask_storeu_epi8 emulated_store_epi8
#undef _mm512_mask_storeu_epi16
#define _mm512_mask_storeu_epi16(to, mask, value)                                                  \
    emulated_store_epi16(to, mask, (simde__m512i)(value))
#undef _mm512_mask_storeu_epi32
#define _mm512_mask_storeu_epi32 emulated_store_epi32

/* ---- conversions ---- */

static inline uint16_t emulated_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40); /* a quiet NaN */
    if (magnitude < 0x00800000) return (uint16_t)(bits >> 16 & 0x8000);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline __m256i emulated_cvtneps_pbh(simde__m512 x) {
    float in[16];
    uint16_t to[16];
    __m256i out;
    memcpy(in, &x, sizeof in);
    for (int i = 0; i < 16; i++) to[i] = emulated_bf16(in[i]);
    memcpy(&out, to, sizeof out);
    return out;
}
#undef _mm512_cvtneps_pbh
#define _mm512_cvtneps_pbh emulated_cvtneps_pbh

static inline simde__m512bh emulated_cvtne2ps_pbh(simde__m512 high, simde__m512 low) {
    float in[32];
    uint16_t to[32];
    simde__m512bh out;
    memcpy(in, &low, sizeof low);
    memcpy(in + 16, &high, sizeof high);
    for (int i = 0; i < 32; i++) to[i] = emulated_bf16(in[i]);
    memcpy(&out, to, sizeof out);
    return out;
}
#undef _mm512_cvtne2ps_pbh
#define _mm512_cvtne2ps_pbh emulated_cvtne2ps_pbh

#define EMULATED_CONVERT(name, result, argument, to_type, from_type)                               \
    static inline result name(argument x) {                                                        \
        from_type from[16];                                                                        \
        to_type to[16];                                                                            \
        result out;                                                                                \
        memcpy(from, &x, sizeof from);                                                             \
        for (int i = 0; i < 16; i++) to[i] = (to_type)from[i];                                     \
        memcpy(&out, to, sizeof out);                                                              \
        return out;                                                                                \
    }

EMULATED_CONVERT(emulated_cvtepu16_epi32, simde__m512i, __m256i, uint32_t, uint16_t)
EMULATED_CONVERT(emulated_cvtepu8_epi32, simde__m512i, __m128i, uint32_t, uint8_t)
EMULATED_CONVERT(emulated_cvtepi32_ps, simde__m512, simde__m512i, float, int32_t)
#undef _mm512_cvtepu16_epi32
#define _mm512_cvtepu16_epi32 emulated_cvtepu16_epi32
#undef _mm512_cvtepu8_epi32
#define _mm512_cvtepu8_epi32 emulated_cvtepu8_epi32
#undef _mm512_cvtepi32_ps
#define _mm512_cvtepi32_ps emulated_cvtepi32_ps

/* ---- the rest ---- */

static inline uint32_t emulated_cmpgt_epi16(simde__m512i a, simde__m512i b) {
    int16_t x[32], y[32];
    uint32_t mask = 0;
    memcpy(x, &a, sizeof x);
    memcpy(y, &b, sizeof y);
    for (int i = 0; i < 32; i++) mask |= (uint32_t)(x[i] > y[i]) << i;
    return mask;
}
#undef _mm512_cmpgt_epi16_mask
#define _mm512_cmpgt_epi16_mask emulated_cmpgt_epi16

static inline float emulated_reduce_add(simde__m512 x) {
    float in[16];
    memcpy(in, &x, sizeof in);
    for (int half = 8; half > 0; half /= 2) {
        for (int i = 0; i < half; i++) in[i] += in[i + half];
    }
    return in[0];
}
#undef _mm512_reduce_add_ps
#define _mm512_reduce_add_ps emulated_reduce_add

#endif
