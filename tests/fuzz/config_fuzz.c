/* An INI file of arbitrary bytes. What is accepted is printed, and the print gives the same
 * settings again; what is refused changes nothing. */
#include "base/memory.h"
#include "config/key_text.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static cw_settings settings, before, again;
    if (before.env.frame_stack == 0) cw_settings_default(&before);
    settings = before;
    cw_status status = cw_settings_parse(&settings, "FILE", (const char *)bytes, n, true);
    if (status != CW_OK) {
        fuzz_require_message(status);
        REQUIRE(memcmp(&settings, &before, sizeof settings) == 0);
        return 0;
    }
    if (cw_settings_check(&settings) != CW_OK) fuzz_require_message(CW_EINVAL);
    char *text;
    size_t n_text;
    REQUIRE(cw_settings_print(&settings, &text, &n_text) == CW_OK);
    again = before;
    REQUIRE(cw_settings_parse(&again, "PRINT", text, n_text, true) == CW_OK);
    cw_free(text);
    memcpy(again.run.out, settings.run.out, sizeof again.run.out); /* is not printed */
    REQUIRE(memcmp(&settings, &again, sizeof settings) == 0);
    return 0;
}
