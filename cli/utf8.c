#include "utf8.h"

int cli_utf8_next(const char *text, uint32_t *code) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *t = (const unsigned char *)text;
    int n = t[0] < 0x80             ? 1
            : (t[0] & 0xe0) == 0xc0 ? 2
            : (t[0] & 0xf0) == 0xe0 ? 3
            : (t[0] & 0xf8) == 0xf0 ? 4
                                    : 0;
    *code = CLI_UTF8_BROKEN;
    if (n == 0) return 1;
    uint32_t value = n == 1 ? t[0] : t[0] & (0x7fu >> n);
    for (int i = 1; i < n; i++) {
        if ((t[i] & 0xc0) != 0x80) return 1;
        value = value << 6 | (t[i] & 0x3f);
    }
    /* Longer than needed, half of a UTF-16 pair, or beyond Unicode. */
    if (value < least[n] || (value >= 0xd800 && value < 0xe000) || value > 0x10ffff) return 1;
    *code = value;
    return n;
}
