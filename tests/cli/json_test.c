/* The JSON writer: exact text of nested values, escapes, broken UTF-8, numbers that read back. */
#include "../cli/json.h"
#include "test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static char *text;
static size_t n_text;

static cli_json open_json(void) {
    cli_json json;
    FILE *out = open_memstream(&text, &n_text);
    assert_non_null(out);
    cli_json_open(&json, out);
    return json;
}

static void expect(cli_json *json, const char *wanted) {
    fclose(json->out);
    assert_string_equal(text, wanted);
    free(text);
}

static void values_nest(void **state) {
    (void)state;
    cli_json json = open_json();
    cli_json_object(&json, NULL);
    cli_json_integer(&json, "a", INT64_MIN);
    cli_json_array(&json, "b");
    cli_json_boolean(&json, NULL, true);
    cli_json_boolean(&json, NULL, false);
    cli_json_object(&json, NULL);
    cli_json_end(&json);
    cli_json_array(&json, NULL);
    cli_json_end(&json);
    cli_json_end(&json);
    cli_json_text(&json, "c", NULL);
    cli_json_end(&json);
    expect(&json, "{\"a\": -9223372036854775808, \"b\": [true, false, {}, []], \"c\": null}\n");
}

static void text_is_escaped(void **state) {
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", "\"\""},
        {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
        {"\n\t\r\x01\x7f", "\"\\n\\t\\u000d\\u0001\\u007f\""},
        {"\xc3\xa9 \xe2\x96\x88 \xf0\x9f\x90\xa6", "\"\xc3\xa9 \xe2\x96\x88 \xf0\x9f\x90\xa6\""},
        {"\xff|\xc3|\xe2\x96|\x80", "\"\\ufffd|\\ufffd|\\ufffd\\ufffd|\\ufffd\""},
        {"\xc0\xaf", "\"\\ufffd\\ufffd\""},            /* an overlong '/' */
        {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""}, /* half of a pair */
        {"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cli_json json = open_json();
        cli_json_text(&json, NULL, cases[i].in);
        expect(&json, cases[i].out);
    }
}

static void reals_read_back(void **state) {
    (void)state;
    static const double values[] = {0.1, 1.0 / 3, DBL_MAX, DBL_MIN, -4.9406564584124654e-324, 0};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        cli_json json = open_json();
        cli_json_real(&json, NULL, values[i]);
        fclose(json.out);
        assert_true(strtod(text, NULL) == values[i]);
        free(text);
    }
    cli_json json = open_json();
    cli_json_array(&json, NULL);
    cli_json_real(&json, NULL, 0.1);
    cli_json_real(&json, NULL, NAN);
    cli_json_real(&json, NULL, -INFINITY);
    cli_json_end(&json);
    expect(&json, "[0.1, null, null]\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_nest),
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(reals_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
