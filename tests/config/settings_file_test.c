/* INI files: what is written reads back to the same bytes; what is wrong is named by line. */
#include "base/memory.h"
#include "base/rng.h"
#include "config/key_text.h"
#include "test.h"

#include <curlew/status.h>

#include <ini.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The next calls of newlocale: so many work, then they fail; -1: all work. */
static int locales_left = -1;

locale_t __real_newlocale(int mask, const char *name, locale_t base);
locale_t __wrap_newlocale(int mask, const char *name, locale_t base);
locale_t __wrap_newlocale(int mask, const char *name, locale_t base) {
    if (locales_left == 0) return (locale_t)0;
    if (locales_left > 0) locales_left--;
    return __real_newlocale(mask, name, base);
}

static bool no_lines; /* the library cannot read any */

int __real_ini_parse_stream(ini_reader reader, void *stream, ini_handler handler, void *user);
int __wrap_ini_parse_stream(ini_reader reader, void *stream, ini_handler handler, void *user);
int __wrap_ini_parse_stream(ini_reader reader, void *stream, ini_handler handler, void *user) {
    return no_lines ? -2 : __real_ini_parse_stream(reader, stream, handler, user);
}

static char path[64];

static int make_file(void **state) {
    (void)state;
    strcpy(path, "/tmp/cw_settings_XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 || close(fd) != 0;
}

static int remove_file(void **state) {
    (void)state;
    return unlink(path);
}

static void write_bytes(const void *bytes, size_t n) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static void write_text(const char *text) {
    write_bytes(text, strlen(text));
}

static void load_ok(cw_settings *settings) {
    if (cw_settings_load(settings, path) != CW_OK) fail_msg("%s", cw_last_error());
}

static void printed_settings_read_back(void **state) {
    (void)state;
    cw_settings a, b;
    cw_settings_default(&a);
    assert_int_equal(cw_profile_apply(&a, "authors"), CW_OK);
    memset(a.env.task, 't', sizeof a.env.task - 1);
    a.run.seed = UINT64_MAX;
    a.sac.discount = 1.0 / 3;
    a.critic.tau = 0x1.fffffffffffffp-7;
    a.sac.target_entropy = -12345.678901234567;
    a.train.frames = 999999999999999;
    char *text;
    size_t n;
    assert_int_equal(cw_settings_print(&a, &text, &n), CW_OK);
    assert_int_equal(strlen(text), n);
    write_bytes(text, n);
    cw_settings_default(&b);
    load_ok(&b);
    assert_memory_equal(&a, &b, sizeof a);
    cw_free(text);
}

static void printed_lines_carry_meaning_and_range(void **state) {
    (void)state;
    cw_settings a;
    char *text;
    size_t n;
    cw_settings_default(&a);
    assert_int_equal(cw_settings_print(&a, &text, &n), CW_OK);
    assert_non_null(strstr(text, "\n\n[curl]\n# train the encoder with the contrastive loss too "
                                 "(true | false)\nenabled = true\n"));
    assert_non_null(strstr(text, "\ntask =\n"));
    assert_non_null(strstr(text, "\nlog_std_min = -10\n"));
    assert_non_null(strstr(text, "\nlr = 0.001\n"));
    int n_keys, n_lines = 0;
    cw_keys(&n_keys);
    for (const char *line = text; *line; line = strchr(line, '\n') + 1)
        n_lines += line[0] != '#' && line[0] != '[' && line[0] != '\n';
    assert_int_equal(n_lines, n_keys - 2); /* all but run.out and run.fresh */
    cw_free(text);
}

static void the_run_folder_is_not_printed(void **state) {
    (void)state;
    cw_settings a, b;
    char *text;
    size_t n;
    cw_settings_default(&a);
    memset(a.run.out, 'o', sizeof a.run.out - 1);
    assert_int_equal(cw_settings_print(&a, &text, &n), CW_OK);
    assert_null(strstr(text, "\nout"));
    write_bytes(text, n);
    cw_free(text);
    cw_settings_default(&b);
    strcpy(b.run.out, "here");
    load_ok(&b);
    assert_string_equal(b.run.out, "here");
}

static void lines_may_look_different(void **state) {
    (void)state;
    static const char *const texts[] = {
        "[update]\nbatch_size = 7\n",
        "[update]\nbatch_size=7",
        "[update]\r\nbatch_size = 7\r\n",
        "\xef\xbb\xbf[update]\nbatch_size = 7\n",
        "# c\n; c\n\n  [ update ]  \n\t batch_size\t=\t7 \t\n",
        "[update]\n[sac]\n[update]\nbatch_size = +7\n",
        "[update] ; c\nbatch_size = 7 ; c\n",
        "[update]\n; c\n  # c\n\tbatch_size = 7\t; c = d\n",
        "[update]\norder = joint\n  batch_size = 7\n", /* no continuation of the line above */
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        cw_settings a, b;
        cw_settings_default(&a);
        cw_settings_default(&b);
        write_text(texts[i]);
        load_ok(&a);
        b.update.batch_size = 7;
        assert_memory_equal(&a, &b, sizeof a);
    }
}

static void values_are_taken_whole(void **state) {
    (void)state;
    cw_settings a;
    cw_settings_default(&a);
    write_text("[run]\nout = a = b;c # d: \"e\"\n[env]\ntask=[x]\n");
    load_ok(&a);
    assert_string_equal(a.run.out, "a = b;c # d: \"e\"");
    assert_string_equal(a.env.task, "[x]");
    write_text("[run]\nout = a ; b\n[env]\ntask = ; x\n");
    load_ok(&a);
    assert_string_equal(a.run.out, "a");
    assert_string_equal(a.env.task, "");
}

static void a_line_fits_or_is_refused(void **state) {
    (void)state;
    /* Each with a name and a value, or a comment, that fill the line to n bytes. */
    static const char *const starts[] = {"out = ", "# ", " \t out = "};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        for (size_t n = 190; n <= 420; n++) {
            cw_settings a;
            char text[512], message[64];
            size_t blank = i == 2 ? 3 : 0; /* blanks at the ends do not count */
            size_t used = (size_t)snprintf(text, sizeof text, "[run]\n%s", starts[i]);
            memset(text + used, 'x', 6 + blank + n - used);
            strcpy(text + 6 + blank + n, " \r\nseed = 7\n");
            write_text(text);
            cw_settings_default(&a);
            if (n <= 197) {
                load_ok(&a);
                assert_int_equal(a.run.seed, 7);
                assert_int_equal(strlen(a.run.out), i == 1 ? 0 : n - strlen("out = "));
                continue;
            }
            assert_int_equal(cw_settings_load(&a, path), CW_EINVAL);
            snprintf(message, sizeof message, ":2: a line of %zu bytes; at most 197", n);
            if (!strstr(cw_last_error(), message))
                fail_msg("\"%s\" lacks \"%s\"", cw_last_error(), message);
        }
}

static void a_profile_comes_before_the_other_keys(void **state) {
    (void)state;
    cw_settings a, b;
    cw_settings_default(&a);
    cw_settings_default(&b);
    write_text("[encoder]\nhidden = 17\n[run]\nprofile = authors\n");
    load_ok(&a);
    assert_int_equal(cw_profile_apply(&b, "authors"), CW_OK);
    b.encoder.hidden = 17;
    assert_memory_equal(&a, &b, sizeof a);
}

static void bad_files_are_named_by_line(void **state) {
    (void)state;
    static char long_line[4096];
    static const struct {
        const char *text, *fragment;
    } cases[] = {
        {"[update]\nbatch_sizes = 7\n", ":2: no key \"update.batch_sizes\"; did you mean"},
        {"[updates]\n", ":1: no section [updates]; did you mean [update]?"},
        {"\n\n[xyzzy]\n", ":3: no section [xyzzy]; `curlew list keys`"},
        {"batch_size = 7\n", ":1: batch_size stands before the first [section]"},
        {"[update]\nbatch_size = 7\n\n#\nbatch_size = 8\n",
         ":5: update.batch_size is set for the second time"},
        {"[update]\nbatch_size = 7\n[sac]\n[update]\nbatch_size = 7\n", ":5: update.batch_size is"},
        {"[update]\nbatch_size = 7 # few\n", ":2: update.batch_size=7 # few: must be a whole"},
        {"[update]\nbatch_size = \n", ":2: update.batch_size=: must be a whole number, 1 to 65536"},
        {"[update]\nbatch_size\n", ":2: a line is name = value"},
        {"[update]\n= 7\n", ":2: a line is name = value"},
        {"[update]\nbatch_size : 7\n", ":2: a line is name = value"},
        {"[update]\n = 7\n", ":2: a line is name = value"},
        {"[update]\nbatch_size : x = 7\n", ":2: a line is name = value"},
        {"[update]\nbatch_size ; = 7\n", ":2: a line is name = value"},
        {"[update]\norder = joint\n  batch_size\n", ":3: a line is name = value"},
        {"[update]\nbatch_size\n[updates]\n", ":2: a line is name = value"},
        {"[update]\nbatch_sizes = 7\nbatch_size\n", ":2: no key \"update.batch_sizes\""},
        {"[update\nbatch_size = 7\n", ":1: a section line is [name]"},
        {"[update] x\nbatch_size = 7\n", ":1: a section line is [name]"},
        {"[update]; x\n", ":1: a section line is [name]"},
        {"[update]]\n", ":1: a section line is [name]"},
        {"[update ; x]\n", ":1: no section [update ; x]"},
        {"[]\n", ":1: a section line is [name]"},
        {"[ ]\n", ":1: no section []"},
        {"[update.batch_size]\n", ":1: no section [update.batch_size]"},
        {"[run]\nprofile = nobody\n", ":2: no profile \"nobody\""},
        {"[run]\nprofile = author\n", ":2: no profile \"author\"; did you mean authors?"},
        {"[run]\nprofile = paper\nprofile = paper\n", ":3: run.profile is set for the second time"},
        {"[update]\norder = both\n", ":2: update.order=both: must be joint | sequential"},
        {long_line, ":2: a line of 4000 bytes; at most 197"},
    };
    memset(long_line, 'x', sizeof long_line - 1);
    memcpy(long_line, "[update]\n", 9);
    long_line[4009] = '\n';
    long_line[4010] = '\0';
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cw_settings a, b;
        cw_settings_default(&a);
        /* A good key first: a file that fails changes nothing. */
        char text[8192];
        cw_settings_default(&b);
        snprintf(text, sizeof text, "%s", cases[i].text);
        write_text(text);
        cw_status status = cw_settings_load(&a, path);
        if (status != CW_EINVAL) fail_msg("case %zu: status %d", i, (int)status);
        if (!strstr(cw_last_error(), cases[i].fragment) ||
            strncmp(cw_last_error(), path, strlen(path)) != 0)
            fail_msg("\"%s\" lacks \"%s\"", cw_last_error(), cases[i].fragment);
        assert_memory_equal(&a, &b, sizeof a);
    }
}

static void a_failed_file_changes_nothing(void **state) {
    (void)state;
    cw_settings a, b;
    cw_settings_default(&a);
    cw_settings_default(&b);
    write_text("[run]\nprofile = authors\nseed = 5\n[update]\nbatch_size = 7\norder = both\n");
    assert_int_equal(cw_settings_load(&a, path), CW_EINVAL);
    assert_memory_equal(&a, &b, sizeof a);
}

static void unreadable_files_say_so(void **state) {
    (void)state;
    cw_settings a;
    cw_settings_default(&a);
    assert_int_equal(cw_settings_load(&a, "/nonexistent/x.ini"), CW_ENOTFOUND);
    assert_non_null(strstr(cw_last_error(), "/nonexistent/x.ini"));
    assert_int_not_equal(cw_settings_load(&a, "/tmp"), CW_OK);
    write_bytes("[run]\nseed = 1\0\n", 16);
    assert_int_equal(cw_settings_load(&a, path), CW_EINVAL);
    assert_non_null(strstr(cw_last_error(), ":2: a zero byte"));
}

static void no_memory_is_a_failure(void **state) {
    (void)state;
    cw_settings a;
    char *text = NULL;
    size_t n = 0;
    cw_settings_default(&a);
    cw_memory_stats before, after;
    cw_memory_stats_get(&before);
    cw_memory_fail_after(1);
    assert_int_equal(cw_settings_print(&a, &text, &n), CW_ENOMEM);
    assert_null(text);
    write_text("[run]\nseed = 2\n");
    cw_memory_fail_after(1);
    assert_int_equal(cw_settings_load(&a, path), CW_ENOMEM);
    cw_memory_fail_after(0);
    cw_memory_stats_get(&after);
    assert_int_equal(before.live_blocks, after.live_blocks);
    assert_int_equal(a.run.seed, 1);
}

static void what_printing_and_reading_need_may_be_missing(void **state) {
    (void)state;
    cw_settings a;
    char *text = NULL;
    size_t n = 0;
    cw_settings_default(&a);
    cw_memory_stats before, after;
    cw_memory_stats_get(&before);
    int most = 0;
    for (;; most++) {
        locales_left = most;
        if (cw_settings_print(&a, &text, &n) == CW_OK) break;
        assert_null(text);
        assert_true(most < 10000);
    }
    locales_left = -1;
    assert_true(most > 20);
    cw_free(text);
    no_lines = true;
    assert_int_equal(cw_settings_parse(&a, "FILE", "[run]\n", 6, true), CW_ENOMEM);
    no_lines = false;
    a.env.renderer = (cw_renderer)99;
    assert_int_equal(cw_settings_print(&a, &text, &n), CW_EINVAL);
    cw_memory_stats_get(&after);
    assert_int_equal(before.live_blocks, after.live_blocks);
}

static void a_profile_names_no_other(void **state) {
    (void)state;
    static const char text[] = "[run]\nprofile = tiny\n";
    cw_settings a;
    cw_settings_default(&a);
    assert_int_equal(cw_settings_parse(&a, "P", text, sizeof text - 1, false), CW_EINVAL);
    assert_non_null(strstr(cw_last_error(), "P:2: a profile cannot name another"));
}

/* Whatever the bytes are: accepted with settings that print and read back, or refused with a
 * message and nothing changed. */
static void check_any_bytes(const char *bytes, size_t n) {
    cw_settings a, b;
    cw_settings_default(&a);
    cw_settings_default(&b);
    /* An exact-size copy, so that a sanitizer sees a read past the end. */
    char *copy = malloc(n ? n : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, n);
    cw_status status = cw_settings_parse(&a, "bytes", copy, n, true);
    free(copy);
    if (status != CW_OK) {
        assert_true(strlen(cw_last_error()) > 0);
        assert_memory_equal(&a, &b, sizeof a);
        return;
    }
    char *text;
    size_t length;
    assert_int_equal(cw_settings_print(&a, &text, &length), CW_OK);
    assert_int_equal(cw_settings_parse(&b, "printed", text, length, true), CW_OK);
    memcpy(b.run.out, a.run.out, sizeof b.run.out); /* the keys that are not printed */
    b.run.fresh = a.run.fresh;
    assert_memory_equal(&a, &b, sizeof a);
    cw_free(text);
}

/* The next number below `bound` of the stream that starts at *at. */
static size_t draw(uint64_t *at, size_t bound) {
    const cw_stream stream = {.seed = 11, .purpose = CW_RNG_TEST};
    uint32_t number;
    cw_rng_integers(&stream, (*at)++, (uint32_t)bound, &number, 1);
    return number;
}

static void random_bytes_do_no_harm(void **state) {
    (void)state;
    static const char letters[] = "[]=#;.\n\r\t \"aeru01-+\xef\xbb\xbf";
    char bytes[512];
    uint64_t at = 0;
    for (int round = 0; round < 20000; round++) {
        size_t n = draw(&at, sizeof bytes);
        for (size_t i = 0; i < n; i++)
            bytes[i] = (char)(round % 2 ? draw(&at, 256)
                                        : (unsigned char)letters[draw(&at, sizeof letters - 1)]);
        check_any_bytes(bytes, n);
    }
}

static void damaged_files_do_no_harm(void **state) {
    (void)state;
    cw_settings a;
    char *text;
    size_t n;
    cw_settings_default(&a);
    assert_int_equal(cw_settings_print(&a, &text, &n), CW_OK);
    char *damaged = malloc(n);
    assert_non_null(damaged);
    uint64_t at = 1u << 30;
    for (int round = 0; round < 3000; round++) {
        memcpy(damaged, text, n);
        size_t length = round % 4 ? n : draw(&at, n);
        for (size_t hit = 0; hit <= draw(&at, 4); hit++)
            damaged[draw(&at, n)] = (char)draw(&at, 256);
        check_any_bytes(damaged, length);
    }
    free(damaged);
    cw_free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printed_settings_read_back),
        cmocka_unit_test(printed_lines_carry_meaning_and_range),
        cmocka_unit_test(the_run_folder_is_not_printed),
        cmocka_unit_test(lines_may_look_different),
        cmocka_unit_test(values_are_taken_whole),
        cmocka_unit_test(a_line_fits_or_is_refused),
        cmocka_unit_test(a_profile_comes_before_the_other_keys),
        cmocka_unit_test(bad_files_are_named_by_line),
        cmocka_unit_test(a_failed_file_changes_nothing),
        cmocka_unit_test(unreadable_files_say_so),
        cmocka_unit_test(no_memory_is_a_failure),
        cmocka_unit_test(what_printing_and_reading_need_may_be_missing),
        cmocka_unit_test(a_profile_names_no_other),
        cmocka_unit_test(random_bytes_do_no_harm),
        cmocka_unit_test(damaged_files_do_no_harm),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
