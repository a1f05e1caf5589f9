/* A checkpoint's manifest. The first byte chooses between the bytes as they are and the bytes under
 * a right checksum, which no change of theirs could hit. What is accepted is written the same
 * again, its generation is the one asked for, and its segments adjoin. */
#include "base/crc.h"
#include "base/memory.h"
#include "fuzz.h"
#include "train/checkpoint_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MAX_BYTES  4096
#define GENERATION 7

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static char text[MAX_BYTES + 32];
    if (n == 0 || n > MAX_BYTES) return 0;
    bool seal = bytes[0] % 2 == 1;
    memcpy(text, bytes + 1, --n);
    if (seal) {
        uint32_t crc = cw_crc32c(0, text, n);
        n += (size_t)snprintf(text + n, 32, "end %08" PRIx32 "\n", crc);
    }
    text[n] = '\0';
    cw_manifest manifest = {0};
    cw_status status = cw_manifest_parse(&manifest, text, n, GENERATION);
    if (status != CW_OK) {
        fuzz_require_message(status);
        REQUIRE(manifest.segment == NULL && manifest.generation == 0);
        return 0;
    }
    REQUIRE(manifest.generation == GENERATION && manifest.oldest <= manifest.end);
    int64_t at = manifest.n_segments > 0 ? manifest.segment[0].first : manifest.end;
    for (size_t i = 0; i < manifest.n_segments; i++) {
        REQUIRE(manifest.segment[i].first == at && manifest.segment[i].count > 0);
        at += manifest.segment[i].count;
    }
    REQUIRE(at == manifest.end);
    char *again;
    size_t n_again;
    REQUIRE(cw_manifest_render(&manifest, &again, &n_again) == CW_OK);
    REQUIRE(n_again == n && memcmp(again, text, n) == 0);
    cw_free(again);
    cw_manifest_clear(&manifest);
    return 0;
}
