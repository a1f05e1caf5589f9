#include "base/error.h"
#include "test.h"

#include <string.h>

/* Names from files must not move a terminal or break a message into lines. */
static void control_characters_do_not_get_through(void **state) {
    (void)state;
    assert_int_equal(cw_fail(CW_EFORMAT, "key '%s'", "a\033[2J\r\nb\177c\t"), CW_EFORMAT);
    assert_string_equal(cw_last_error(), "key 'a?[2J??b?c?'");
    assert_int_equal(cw_fail_in(CW_EFORMAT, "file\n%s", "x\001"), CW_EFORMAT);
    assert_string_equal(cw_last_error(), "file?x?: key 'a?[2J??b?c?'");
    cw_fail(CW_EFORMAT, "%s",
            "a\xc2\x9b"
            "2J \xc2\xa0\xc2");
    assert_string_equal(cw_last_error(), "a??2J \xc2\xa0\xc2");
    cw_fail(CW_EFORMAT, "%s", "größer");
    assert_string_equal(cw_last_error(), "größer");
}

static void long_messages_are_cut(void **state) {
    (void)state;
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    cw_fail(CW_EFORMAT, "%s", text);
    assert_int_equal(strlen(cw_last_error()), 1023);
    cw_fail_in(CW_EFORMAT, "%s", text);
    assert_int_equal(strlen(cw_last_error()), 1023);
}

static void every_status_has_a_text(void **state) {
    (void)state;
#define CHECK(code, text) assert_string_equal(cw_status_text(code), text);
    CW_STATUS_LIST(CHECK)
#undef CHECK
    assert_string_equal(cw_status_text((cw_status)-12345), "unknown status");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_do_not_get_through),
        cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(every_status_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
