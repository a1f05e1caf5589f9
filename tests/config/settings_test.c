/* Every row of the key table, set and read back; every bad value refused by name. */
#include "base/rng.h"
#include "config/key_text.h"
#include "test.h"

#include <curlew/status.h>

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The next calls of newlocale: so many work, then they fail; -1: all work. */
static int locales_left = -1;

locale_t __real_newlocale(int mask, const char *name, locale_t base);
locale_t __wrap_newlocale(int mask, const char *name, locale_t base);
locale_t __wrap_newlocale(int mask, const char *name, locale_t base) {
    if (locales_left == 0) return (locale_t)0;
    if (locales_left > 0) locales_left--;
    return __real_newlocale(mask, name, base);
}

static size_t field_bytes(const cw_key *key) {
    switch (key->type) {
    case CW_KEY_TEXT:
        return key->text_bytes;
    case CW_KEY_BOOL:
        return sizeof(bool);
    case CW_KEY_INT:
    case CW_KEY_CHOICE:
        return sizeof(int);
    default:
        return 8;
    }
}

static size_t align_up(size_t at, size_t to) {
    return (at + to - 1) / to * to;
}

/* A field without a row could be neither set nor saved: the rows, in order, cover the structure
 * but for what alignment leaves free. */
static void every_field_has_a_row(void **state) {
    (void)state;
    int n;
    const cw_key *keys = cw_keys(&n);
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        size_t bytes = field_bytes(&keys[i]);
        size_t section = strcspn(keys[i].name, ".") + 1;
        bool same_section = i > 0 && strncmp(keys[i].name, keys[i - 1].name, section) == 0;
        size_t alignment = keys[i].type == CW_KEY_TEXT ? 1 : bytes;
        size_t last = align_up(at, same_section ? alignment : sizeof(int64_t));
        if (keys[i].offset < at || keys[i].offset > last)
            fail_msg("fields before %s have no row, or rows are out of order", keys[i].name);
        at = keys[i].offset + bytes;
    }
    assert_true(sizeof(cw_settings) - at < sizeof(int64_t));
}

static void rows_are_documented(void **state) {
    (void)state;
    int n;
    const cw_key *keys = cw_keys(&n);
    for (int i = 0; i < n; i++) {
        assert_non_null(strchr(keys[i].name, '.'));
        assert_true(strlen(keys[i].meaning) > 10);
        assert_true(strlen(keys[i].source) > 3);
        for (int j = 0; j < i; j++) assert_string_not_equal(keys[i].name, keys[j].name);
    }
}

static void initial_values_parse(void **state) {
    (void)state;
    int n;
    const cw_key *keys = cw_keys(&n);
    cw_settings settings, defaults;
    cw_settings_default(&defaults);
    memset(&settings, 0x5a, sizeof settings);
    for (int i = 0; i < n; i++) {
        if (cw_settings_set(&settings, keys[i].name, keys[i].initial) != CW_OK)
            fail_msg("%s", cw_last_error());
        char a[1024], b[1024];
        assert_int_equal(cw_settings_get(&settings, keys[i].name, a, sizeof a), CW_OK);
        assert_string_equal(a, keys[i].initial); /* as it is printed */
        assert_int_equal(cw_settings_get(&defaults, keys[i].name, b, sizeof b), CW_OK);
        assert_string_equal(a, b);
    }
}

static void set_get(cw_settings *settings, const char *name, const char *value) {
    char got[1100];
    if (cw_settings_set(settings, name, value) != CW_OK) fail_msg("%s", cw_last_error());
    assert_int_equal(cw_settings_get(settings, name, got, sizeof got), CW_OK);
    assert_string_equal(got, value);
}

static void refused(cw_settings *settings, const char *name, const char *value,
                    const char *fragment) {
    cw_settings before = *settings;
    cw_status status = cw_settings_set(settings, name, value);
    if (status != CW_EINVAL) fail_msg("%s=%s: status %d", name, value, (int)status);
    if (!strstr(cw_last_error(), name) || !strstr(cw_last_error(), fragment))
        fail_msg("%s=%s: message \"%s\" lacks \"%s\"", name, value, cw_last_error(), fragment);
    assert_memory_equal(settings, &before, sizeof before);
}

static void bad_number(cw_settings *settings, const cw_key *key, const char *text) {
    refused(settings, key->name, text, key->type == CW_KEY_REAL ? "a number" : "a whole number");
}

static void check_number_row(cw_settings *settings, const cw_key *key) {
    static const char *const junk[] = {"",
                                       " ",
                                       "x",
                                       "1x",
                                       " 1",
                                       "1 ",
                                       "0x10",
                                       "1,5",
                                       "nan",
                                       "inf",
                                       "--1",
                                       "+",
                                       "-",
                                       ".",
                                       "e5",
                                       "1e999",
                                       "99999999999999999999999"};
    char text[64];
    for (size_t i = 0; i < sizeof junk / sizeof junk[0]; i++) bad_number(settings, key, junk[i]);
    if (key->type == CW_KEY_REAL) return;
    bad_number(settings, key, "1.5");
    bad_number(settings, key, "1e3");
    if (key->type == CW_KEY_UINT64) {
        set_get(settings, key->name, "18446744073709551615");
        set_get(settings, key->name, "0");
        bad_number(settings, key, "18446744073709551616");
        bad_number(settings, key, "-1");
        return;
    }
    snprintf(text, sizeof text, "%.0f", key->min);
    set_get(settings, key->name, text);
    snprintf(text, sizeof text, "%.0f", key->min - 1);
    bad_number(settings, key, text);
    snprintf(text, sizeof text, "%.0f", key->max + 1);
    bad_number(settings, key, text);
    snprintf(text, sizeof text, "%.0f", key->max);
    set_get(settings, key->name, text);
    assert_non_null(strstr((refused(settings, key->name, "", text), cw_last_error()), text));
}

static void check_real_row(cw_settings *settings, const cw_key *key) {
    const cw_stream stream = {.seed = 7, .purpose = CW_RNG_TEST};
    char text[64], got[64];
    double back;
    bad_number(settings, key, "1e300");
    bad_number(settings, key, "-1e300");
    for (int i = 0; i < 200; i++) {
        double share;
        cw_rng_uniform(&stream, (uint64_t)i, 0, 1, &share, 1);
        double value = key->min + (key->max - key->min) * (i == 0 ? 0 : i == 1 ? 1 : share);
        if (i % 3 == 2) value = key->min + (value - key->min) * 1e-12;
        snprintf(text, sizeof text, "%.17g", value);
        assert_int_equal(cw_settings_set(settings, key->name, text), CW_OK);
        memcpy(&back, (const char *)settings + key->offset, sizeof back);
        assert_memory_equal(&back, &value, sizeof value);
        assert_int_equal(cw_settings_get(settings, key->name, got, sizeof got), CW_OK);
        assert_true(strlen(got) <= strlen(text));
        assert_int_equal(cw_settings_set(settings, key->name, got), CW_OK);
        memcpy(&back, (const char *)settings + key->offset, sizeof back);
        assert_memory_equal(&back, &value, sizeof value);
    }
}

static void check_text_row(cw_settings *settings, const cw_key *key) {
    char longest[2048];
    set_get(settings, key->name, "");
    set_get(settings, key->name, "a; b;c # d = [e] : f \xc3\xa9");
    memset(longest, 'x', sizeof longest);
    longest[key->text_bytes] = '\0';
    refused(settings, key->name, longest, "at most");
    longest[key->text_bytes - 1] = '\0';
    set_get(settings, key->name, longest);
    refused(settings, key->name, "two\nlines", "control character 10");
    refused(settings, key->name, "tab\t", "control character 9");
    refused(settings, key->name, " a", "blank");
    refused(settings, key->name, ";a", "comment");
    refused(settings, key->name, "a ;b", "comment");
    refused(settings, key->name, "a ", "blank");
}

static void every_row_round_trips(void **state) {
    (void)state;
    int n;
    const cw_key *keys = cw_keys(&n);
    cw_settings settings;
    cw_settings_default(&settings);
    for (int i = 0; i < n; i++) {
        const cw_key *key = &keys[i];
        switch (key->type) {
        case CW_KEY_TEXT:
            check_text_row(&settings, key);
            break;
        case CW_KEY_BOOL:
            set_get(&settings, key->name, "true");
            set_get(&settings, key->name, "false");
            refused(&settings, key->name, "yes", "true | false");
            refused(&settings, key->name, "True", "true | false");
            refused(&settings, key->name, "truex", "true | false");
            break;
        case CW_KEY_CHOICE:
            for (int c = 0; key->choices[c]; c++) {
                set_get(&settings, key->name, key->choices[c]);
                refused(&settings, key->name, "nonsense", key->choices[c]);
            }
            refused(&settings, key->name, "", "must be");
            break;
        case CW_KEY_REAL:
            check_real_row(&settings, key);
            check_number_row(&settings, key);
            break;
        default:
            check_number_row(&settings, key);
        }
    }
}

static void fields_receive_their_own_key(void **state) {
    (void)state;
    cw_settings s;
    cw_settings_default(&s);
    assert_int_equal(cw_settings_set(&s, "encoder.hidden", "3"), CW_OK);
    assert_int_equal(cw_settings_set(&s, "actor.hidden", "4"), CW_OK);
    assert_int_equal(cw_settings_set(&s, "critic.hidden", "5"), CW_OK);
    assert_int_equal(cw_settings_set(&s, "curl.key_encoder", "critic_target"), CW_OK);
    assert_int_equal(cw_settings_set(&s, "env.camera", "-1"), CW_OK);
    assert_int_equal(s.encoder.hidden, 3);
    assert_int_equal(s.actor.hidden, 4);
    assert_int_equal(s.critic.hidden, 5);
    assert_int_equal(s.curl.key_encoder, CW_KEY_CRITIC_TARGET);
    assert_int_equal(s.env.camera, -1);
}

static void unknown_keys_name_the_nearest(void **state) {
    (void)state;
    static const struct {
        const char *name, *fragment;
    } cases[] = {
        {"update.batchsize", "did you mean update.batch_size?"},
        {"batch_size", "did you mean update.batch_size?"},
        {"Encoder.LR", "did you mean encoder.lr?"},
        {"curl.temprature", "did you mean curl.temperature?"},
        {"xyzzy", "curlew list keys"},
        {"", "curlew list keys"},
    };
    cw_settings s;
    char out[16];
    cw_settings_default(&s);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(cw_settings_set(&s, cases[i].name, "1"), CW_ENOTFOUND);
        if (!strstr(cw_last_error(), cases[i].fragment)) fail_msg("%s", cw_last_error());
        assert_int_equal(cw_settings_get(&s, cases[i].name, out, sizeof out), CW_ENOTFOUND);
        if (!strstr(cw_last_error(), cases[i].fragment)) fail_msg("%s", cw_last_error());
    }
}

static void get_wants_room(void **state) {
    (void)state;
    cw_settings s;
    char out[8] = "before";
    cw_settings_default(&s);
    assert_int_equal(cw_settings_get(&s, "curl.key_encoder", out, sizeof out), CW_EINVAL);
    assert_string_equal(out, "before");
    assert_non_null(strstr(cw_last_error(), "curl.key_encoder needs 9 bytes"));
    assert_int_equal(cw_settings_get(&s, "train.frames", out, 7), CW_OK);
    assert_int_equal(cw_settings_get(&s, "train.frames", out, 6), CW_EINVAL);
}

static void get_refuses_what_is_no_choice(void **state) {
    (void)state;
    cw_settings s;
    char out[64];
    cw_settings_default(&s);
    s.curl.score = (cw_curl_score)77;
    assert_int_equal(cw_settings_get(&s, "curl.score", out, sizeof out), CW_EINVAL);
    assert_non_null(strstr(cw_last_error(), "curl.score holds 77"));
    cw_settings_default(&s);
    s.sac.discount = NAN;
    assert_int_equal(cw_settings_get(&s, "sac.discount", out, sizeof out), CW_EINVAL);
}

static void conflict_finds_the_first_fixed_key(void **state) {
    (void)state;
    int n;
    const cw_key *keys = cw_keys(&n);
    cw_settings a, b;
    cw_settings_default(&a);
    for (int i = 0; i < n; i++) {
        const cw_key *key = &keys[i];
        cw_settings_default(&b);
        char value[64] = "other";
        if (key->type == CW_KEY_BOOL)
            snprintf(value, sizeof value, "%s", key->initial[0] == 't' ? "false" : "true");
        else if (key->type == CW_KEY_CHOICE)
            snprintf(value, sizeof value, "%s",
                     key->choices[strcmp(key->choices[0], key->initial) == 0]);
        else if (key->type != CW_KEY_TEXT) {
            snprintf(value, sizeof value, "%.17g", key->min);
            if (strcmp(value, key->initial) == 0) snprintf(value, sizeof value, "%.17g", key->max);
        }
        if (cw_settings_set(&b, key->name, value) != CW_OK) fail_msg("%s", cw_last_error());
        const cw_key *conflict = cw_settings_conflict(&a, &b);
        if (conflict != (key->may_change ? NULL : key)) fail_msg("%s", key->name);
    }
    assert_null(cw_settings_conflict(&a, &a));
    cw_settings_default(&b);
    assert_int_equal(cw_settings_set(&b, "train.frames", "5"), CW_OK);
    assert_int_equal(cw_settings_set(&b, "update.batch_size", "5"), CW_OK);
    assert_int_equal(cw_settings_set(&b, "replay.capacity", "5"), CW_OK);
    assert_string_equal(cw_settings_conflict(&a, &b)->name, "update.batch_size");
}

/* Skipped where no locale with a decimal comma is installed. */
static void numbers_ignore_the_locale(void **state) {
    (void)state;
    static const char *const commas[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "fr_FR.utf8"};
    bool found = false;
    for (size_t i = 0; i < sizeof commas / sizeof commas[0] && !found; i++)
        found = setlocale(LC_NUMERIC, commas[i]) != NULL;
    if (!found) skip();
    char check[16];
    snprintf(check, sizeof check, "%.1f", 0.5);
    assert_string_equal(check, "0,5");
    cw_settings s;
    cw_settings_default(&s);
    set_get(&s, "sac.discount", "0.5");
    refused(&s, "sac.discount", "0,5", "must be a number");
    assert_true(s.sac.discount == 0.5);
    setlocale(LC_NUMERIC, "C");
}

/* Every size of the caller's text: too small is said, and the first that is enough works. */
static void ranges_want_room(void **state) {
    (void)state;
    int n;
    const cw_key *keys = cw_keys(&n);
    for (int i = 0; i < n; i++) {
        char range[256];
        size_t room = 0;
        while (cw_key_range(&keys[i], range, room) != CW_OK) {
            assert_non_null(strstr(cw_last_error(), "a range needs more than"));
            assert_true(++room < sizeof range);
        }
        assert_int_equal(strlen(range) + 1, room);
    }
    char text[64];
    assert_int_equal(cw_real_format(0.25, text, 4), CW_EINVAL);
    assert_int_equal(cw_real_format(0.25, text, 5), CW_OK);
    assert_int_equal(cw_real_format(NAN, text, 64), CW_EINVAL);
}

static void numbers_need_a_locale(void **state) {
    (void)state;
    cw_settings settings, before;
    char text[64];
    cw_settings_default(&settings);
    before = settings;
    locales_left = 0;
    assert_int_equal(cw_settings_set(&settings, "encoder.lr", "0.5"), CW_ENOMEM);
    assert_int_equal(cw_settings_get(&settings, "encoder.lr", text, sizeof text), CW_ENOMEM);
    locales_left = 1; /* for the lower bound, not for the upper one */
    assert_int_equal(cw_settings_set(&settings, "encoder.lr", "many"), CW_ENOMEM);
    locales_left = -1;
    assert_memory_equal(&settings, &before, sizeof settings);
}

static void texts_hold_no_control_characters(void **state) {
    (void)state;
    cw_settings settings;
    cw_settings_default(&settings);
    assert_int_equal(cw_settings_set(&settings, "env.task", "a\177b"), CW_EINVAL);
    assert_non_null(strstr(cw_last_error(), "control character 127"));
    char text[64];
    settings.env.renderer = (cw_renderer)-1;
    assert_int_equal(cw_settings_get(&settings, "env.renderer", text, sizeof text), CW_EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_has_a_row),
        cmocka_unit_test(rows_are_documented),
        cmocka_unit_test(initial_values_parse),
        cmocka_unit_test(every_row_round_trips),
        cmocka_unit_test(fields_receive_their_own_key),
        cmocka_unit_test(unknown_keys_name_the_nearest),
        cmocka_unit_test(get_wants_room),
        cmocka_unit_test(get_refuses_what_is_no_choice),
        cmocka_unit_test(conflict_finds_the_first_fixed_key),
        cmocka_unit_test(numbers_ignore_the_locale),
        cmocka_unit_test(ranges_want_room),
        cmocka_unit_test(numbers_need_a_locale),
        cmocka_unit_test(texts_hold_no_control_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
