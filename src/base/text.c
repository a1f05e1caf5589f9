#include "base/text.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Makes room for n more bytes and the zero byte. */
static bool grow(cw_text *text, size_t n) {
    if (text->status != CW_OK) return false;
    size_t needed = cw_size_add(cw_size_add(text->n, n), 1);
    if (needed <= text->room) return true;
    size_t room = cw_size_mul(needed, 2);
    char *bytes;
    text->status = cw_alloc(&bytes, room, 1, "a text");
    if (text->status != CW_OK) return false;
    if (text->n > 0) memcpy(bytes, text->bytes, text->n);
    cw_free(text->bytes);
    text->bytes = bytes;
    text->room = room;
    return true;
}

void cw_text_append(cw_text *text, const void *bytes, size_t n) {
    if (n == 0 || !grow(text, n)) return;
    memcpy(text->bytes + text->n, bytes, n);
    text->n += n;
    text->bytes[text->n] = '\0';
}

void cw_text_add(cw_text *text, const char *string) {
    cw_text_append(text, string, strlen(string));
}

void cw_text_format(cw_text *text, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n > 0 && grow(text, (size_t)n)) {
        vsnprintf(text->bytes + text->n, (size_t)n + 1, format, again);
        text->n += (size_t)n;
    }
    va_end(again);
}

void cw_text_base64(cw_text *text, const void *bytes, size_t n) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = bytes;
    if (!grow(text, cw_size_mul(n / 3 + 1, 4))) return;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t word = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                        (left > 2 ? in[i + 2] : 0);
        char *out = text->bytes + text->n;
        for (int k = 0; k < 4; k++) out[k] = digits[word >> (18 - 6 * k) & 63];
        if (left < 3) out[3] = '=';
        if (left < 2) out[2] = '=';
        text->n += 4;
    }
    text->bytes[text->n] = '\0';
}

void cw_text_free(cw_text *text) {
    cw_free(text->bytes);
    *text = (cw_text){0};
}

void cw_text_plain_line(char *line) {
    for (unsigned char *c = (unsigned char *)line; *c != '\0'; c++) {
        if (*c == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f) *c++ = '?', *c = '?';
        if (*c < 0x20 || *c == 0x7f) *c = '?';
    }
}
