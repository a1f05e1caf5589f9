/* A word section.key=value. What is accepted reads back as text that gives the same value; what is
 * refused changes nothing. */
#include "config/config.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static cw_settings settings, before, again;
    char key[64], value[1024], text[1024];
    const uint8_t *equals = n > 0 ? memchr(bytes, '=', n) : NULL;
    size_t n_key = equals != NULL ? (size_t)(equals - bytes) : n;
    size_t n_value = equals != NULL ? n - n_key - 1 : 0;
    if (n_key >= sizeof key || n_value >= sizeof value) return 0;
    memcpy(key, bytes, n_key);
    key[n_key] = '\0';
    memcpy(value, bytes + n - n_value, n_value);
    value[n_value] = '\0';
    if (before.env.frame_stack == 0) cw_settings_default(&before);
    settings = again = before;
    cw_status status = cw_settings_set(&settings, key, value);
    if (status != CW_OK) {
        fuzz_require_message(status);
        REQUIRE(memcmp(&settings, &before, sizeof settings) == 0);
        return 0;
    }
    REQUIRE(cw_settings_get(&settings, key, text, sizeof text) == CW_OK);
    REQUIRE(cw_settings_set(&again, key, text) == CW_OK);
    REQUIRE(memcmp(&settings, &again, sizeof settings) == 0);
    return 0;
}
