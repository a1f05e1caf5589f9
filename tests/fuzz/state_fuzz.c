/* The table of a state file: changes to a good file of three blobs, cut or lengthened by the first
 * two bytes. What is accepted lists blobs that lie inside of the file. */
#include "fuzz.h"
#include "train/checkpoint_internal.h"

#include <string.h>

#define BLOB 100 /* bytes of the first blob; the others are empty and of one byte */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static _Alignas(CW_STATE_ALIGN) uint8_t file[sizeof(cw_state_head) + 8 * CW_STATE_ALIGN];
    static const cw_checkpoint_blob blobs[] = {
        {.name = "state", .n = BLOB}, {.name = "env", .n = 0}, {.name = "replay", .n = 1}};
    if (n < 2) return 0;
    uint64_t size;
    memset(file, 0, sizeof file);
    REQUIRE(cw_state_layout((cw_state_head *)file, blobs, 3, &size) == CW_OK);
    uint16_t change = (uint16_t)(bytes[0] | bytes[1] << 8);
    if (change != 0) size = change % (sizeof file + 1);
    fuzz_patch(file, sizeof file, bytes + 2, n - 2);
    cw_status status = cw_state_check(file, size);
    if (status != CW_OK) {
        fuzz_require_message(status);
        return 0;
    }
    const cw_state_head *head = (const cw_state_head *)file;
    REQUIRE(head->n_blobs <= CW_CHECKPOINT_MAX_BLOB);
    for (uint32_t i = 0; i < head->n_blobs; i++) {
        const cw_state_row *row = &head->row[i];
        REQUIRE(memchr(row->name, '\0', sizeof row->name) != NULL && row->name[0] != '\0');
        REQUIRE(row->offset % CW_STATE_ALIGN == 0 && row->offset >= sizeof *head);
        REQUIRE(row->offset <= size && row->n <= size - row->offset);
    }
    return 0;
}
