/* cw_safetensors_parse on arbitrary bytes. What it accepts must keep the promises of its header:
 * aligned views inside of its memory that cover the data once, and names that find themselves. */
#include "fuzz.h"
#include "io/safetensors.h"

#include <string.h>

static volatile uint8_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    cw_safetensors *file = NULL;
    cw_status status = cw_safetensors_parse(&file, bytes, n);
    if (status != CW_OK) {
        REQUIRE(file == NULL);
        fuzz_require_message(status);
        return 0;
    }
    uint64_t header_bytes, data_bytes = 0;
    memcpy(&header_bytes, bytes, 8);
    for (int i = 0; i < cw_safetensors_count(file); i++) {
        const cw_tensor *tensor = cw_safetensors_tensor(file, i);
        size_t bytes_here = cw_tensor_bytes(tensor);
        REQUIRE((uintptr_t)tensor->data % cw_dtype_bytes(tensor->dtype) == 0);
        REQUIRE(cw_safetensors_find(file, cw_safetensors_name(file, i)) == tensor);
        REQUIRE(bytes_here <= n - 8 - header_bytes - data_bytes);
        REQUIRE(bytes_here == 0 ||
                memcmp(tensor->data, bytes + 8 + header_bytes + data_bytes, bytes_here) == 0);
        data_bytes += bytes_here;
    }
    REQUIRE(data_bytes == n - 8 - header_bytes);
    const char *value = cw_safetensors_metadata(file, "format");
    if (value != NULL) sink = (uint8_t)strlen(value);
    cw_safetensors_close(file);
    return 0;
}
