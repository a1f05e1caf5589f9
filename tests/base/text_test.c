/* Growable texts: what is appended is there, base64 as in RFC 4648, and failures are kept. */
#include "base/memory.h"
#include "base/text.h"
#include "test.h"

#include <string.h>

static void texts_grow(void **state) {
    (void)state;
    cw_text text = {0};
    cw_text_format(&text, "%s", "");
    assert_int_equal(text.n, 0);
    for (int i = 0; i < 1000; i++) cw_text_format(&text, "%d,", i % 10);
    cw_text_add(&text, "end");
    cw_text_append(&text, "\0x", 2);
    assert_int_equal(text.status, CW_OK);
    assert_int_equal(text.n, 2005);
    assert_memory_equal(text.bytes, "0,1,2,", 6);
    assert_memory_equal(text.bytes + 1998, "9,end\0x", 8);
    cw_text_free(&text);
}

static void base64_is_rfc_4648(void **state) {
    (void)state;
    /* section 10 of the RFC */
    static const char *const in[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    static const char *const out[] = {"",         "Zg==",     "Zm8=",    "Zm9v",
                                      "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (int i = 0; i < 7; i++) {
        cw_text text = {0};
        cw_text_add(&text, ":");
        cw_text_base64(&text, in[i], strlen(in[i]));
        assert_string_equal(text.bytes + 1, out[i]);
        cw_text_free(&text);
    }
    cw_text text = {0};
    cw_text_base64(&text, "\xff\xef\xbe\xfb", 4);
    assert_string_equal(text.bytes, "/+++"
                                    "+w==");
    cw_text_free(&text);
}

static void failures_are_kept(void **state) {
    (void)state;
    cw_text text = {0};
    cw_text_add(&text, "first");
    cw_memory_fail_after(1);
    for (int i = 0; i < 100; i++) cw_text_add(&text, "more and more");
    cw_memory_fail_after(0);
    assert_int_equal(text.status, CW_ENOMEM);
    size_t n = text.n;
    cw_text_add(&text, "x");
    assert_int_equal(text.n, n);
    cw_text_free(&text);
    assert_int_equal(text.status, CW_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_grow),
        cmocka_unit_test(base64_is_rfc_4648),
        cmocka_unit_test(failures_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
