/* CRC-32C (Castagnoli polynomial 0x1EDC6F41, reflected, as in iSCSI, RFC 3720 appendix B.4):
 * finds damage in files; no defence against an adversary. */
#ifndef CW_BASE_CRC_H
#define CW_BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

/* The CRC of a text whose first part has `crc` (0 for none) and goes on with n bytes:
 * crc(ab) = cw_crc32c(cw_crc32c(0, a), b). Any thread. */
uint32_t cw_crc32c(uint32_t crc, const void *bytes, size_t n);

/* The same without the instruction that some processors have for it. */
uint32_t cw_crc32c_plain(uint32_t crc, const void *bytes, size_t n);

#endif
