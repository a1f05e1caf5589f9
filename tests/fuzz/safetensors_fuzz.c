/* cw_safetensors_parse on arbitrary bytes. What it accepts must keep the promises of its header:
 * aligned views inside of its memory that cover the data once, and names that find themselves. */
#include "io/safetensors.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

static void require(int holds) {
    if (!holds) abort();
}

static volatile uint8_t sink;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    cw_safetensors *file = NULL;
    cw_status status = cw_safetensors_parse(&file, bytes, n);
    if (status != CW_OK) {
        require(file == NULL && cw_last_error()[0] != '\0');
        require(strchr(cw_last_error(), '\n') == NULL);
        return 0;
    }
    uint64_t header_bytes, data_bytes = 0;
    memcpy(&header_bytes, bytes, 8);
    for (int i = 0; i < cw_safetensors_count(file); i++) {
        const cw_tensor *tensor = cw_safetensors_tensor(file, i);
        size_t bytes_here = cw_tensor_bytes(tensor);
        require((uintptr_t)tensor->data % cw_dtype_bytes(tensor->dtype) == 0);
        require(cw_safetensors_find(file, cw_safetensors_name(file, i)) == tensor);
        require(bytes_here <= n - 8 - header_bytes - data_bytes);
        require(bytes_here == 0 ||
                memcmp(tensor->data, bytes + 8 + header_bytes + data_bytes, bytes_here) == 0);
        data_bytes += bytes_here;
    }
    require(data_bytes == n - 8 - header_bytes);
    const char *value = cw_safetensors_metadata(file, "format");
    if (value != NULL) sink = (uint8_t)strlen(value);
    cw_safetensors_close(file);
    return 0;
}
