#include "test.h"

#include <curlew/names.h>

#include <string.h>

static const char *const names[] = {"train", "eval", "record", "list", "update", "doctor"};
#define N (int)(sizeof names / sizeof names[0])

static void slips_find_their_name(void **state) {
    (void)state;
    static const struct {
        const char *word, *name;
    } cases[] = {
        {"train", "train"},   {"trian", "train"},   {"tran", "train"}, {"trainn", "train"},
        {"TRAIN", "train"},   {"trein", "train"},   {"lsit", "list"},  {"updaet", "update"},
        {"recrod", "record"}, {"doktor", "doctor"}, {"evl", "eval"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *near = cw_nearest_name(cases[i].word, names, N);
        if (!near || strcmp(near, cases[i].name) != 0)
            fail_msg("%s: %s", cases[i].word, near ? near : "nothing");
    }
}

static void strangers_find_nothing(void **state) {
    (void)state;
    static const char *const words[] = {"", "x", "bench", "elephant", "tr", "aaaaaaaaaaaaaaaaaaa"};
    char longest[200];
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        assert_null(cw_nearest_name(words[i], names, N));
    memset(longest, 't', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_null(cw_nearest_name(longest, names, N));
    const char *const one[] = {longest};
    assert_null(cw_nearest_name("train", one, 1));
    assert_null(cw_nearest_name("train", names, 0));
}

static void the_nearest_wins_and_the_first_of_equals(void **state) {
    (void)state;
    static const char *const near[] = {"abcdefzz", "abcdefgz", "abcdezgh"};
    assert_string_equal(cw_nearest_name("abcdefgh", near, 3), "abcdefgz");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slips_find_their_name),
        cmocka_unit_test(strangers_find_nothing),
        cmocka_unit_test(the_nearest_wins_and_the_first_of_equals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
