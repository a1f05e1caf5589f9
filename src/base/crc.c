#include "base/crc.h"

#include <pthread.h>
#include <string.h>

#define CRC_POLYNOMIAL 0x82F63B78u /* 0x1EDC6F41 with its bits reversed */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "eight bytes are folded in at once");

/* table[k][b]: the CRC of byte b followed by k zero bytes ("slicing by 8": Kounavis, Berry 2005).
 */
static uint32_t table[8][256];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void table_fill(void) {
    for (uint32_t b = 0; b < 256; b++) {
        uint32_t crc = b;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) ? CRC_POLYNOMIAL : 0);
        table[0][b] = crc;
    }
    for (int k = 1; k < 8; k++) {
        for (int b = 0; b < 256; b++) {
            table[k][b] = (table[k - 1][b] >> 8) ^ table[0][table[k - 1][b] & 0xff];
        }
    }
}

uint32_t cw_crc32c_plain(uint32_t crc, const void *bytes, size_t n) {
    pthread_once(&table_once, table_fill);
    const unsigned char *at = bytes;
    crc = ~crc;
    for (; n >= 8; at += 8, n -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        word ^= crc;
        crc = 0;
        for (int k = 0; k < 8; k++) crc ^= table[7 - k][(word >> (8 * k)) & 0xff];
    }
    for (; n > 0; at++, n--) crc = (crc >> 8) ^ table[0][(crc ^ *at) & 0xff];
    return ~crc;
}

#if defined(__x86_64__)
/* The same by the processor's own instruction; a checkpoint has gigabytes to sum. */
__attribute__((target("sse4.2"))) static uint32_t crc_sse42(uint32_t crc, const unsigned char *at,
                                                            size_t n) {
    uint64_t wide = crc;
    for (; n >= 8; at += 8, n -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; n > 0; at++, n--) crc = __builtin_ia32_crc32qi(crc, *at);
    return crc;
}
#endif

uint32_t cw_crc32c(uint32_t crc, const void *bytes, size_t n) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return ~crc_sse42(~crc, bytes, n);
#endif
    return cw_crc32c_plain(crc, bytes, n);
}
