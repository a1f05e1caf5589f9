/* The progress line: its text, one redrawn line on a terminal, plain lines elsewhere. */
#include "../cli/cli.h"
#include "cli/process.h"
#include "test.h"

#include <errno.h>
#include <math.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const cw_progress all_known = {.frames = 12345,
                                      .frames_total = 100000,
                                      .agent_steps = 1543,
                                      .updates = 543,
                                      .episodes = 12,
                                      .updates_per_s = 20.46,
                                      .frames_per_s = 163.7,
                                      .last_return = 312.44,
                                      .best_eval = 401.04,
                                      .last_eval = 388.2,
                                      .seconds_left = 535.4,
                                      .phase = "train"};

static void expect_line(const cw_progress *progress, const char *text) {
    char line[512];
    assert_int_equal(cli_progress_format(progress, line, sizeof line), strlen(text));
    assert_string_equal(line, text);
}

static void the_line_names_units(void **state) {
    (void)state;
    expect_line(&all_known, "train 12%: 12345/100000 frames, 1543 agent steps, 543 updates, "
                            "164 frames/s, 20.5 updates/s, return 312.4, eval 388.2 (best 401.0), "
                            "8m 55s left");
}

static void unknown_figures_are_left_out(void **state) {
    (void)state;
    cw_progress p = {.frames = 8,
                     .frames_total = 100000,
                     .agent_steps = 1,
                     .updates_per_s = NAN,
                     .frames_per_s = NAN,
                     .last_return = NAN,
                     .best_eval = NAN,
                     .last_eval = NAN,
                     .seconds_left = NAN,
                     .phase = "collect"};
    expect_line(&p, "collect 0%: 8/100000 frames, 1 agent steps, 0 updates");
    p.seconds_left = INFINITY;
    p.phase = NULL;
    p.frames_total = 0;
    expect_line(&p, "run 0%: 8/0 frames, 1 agent steps, 0 updates");
}

static void the_time_left_is_short(void **state) {
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{0, "0m 00s left"},    {59.6, "1m 00s left"},   {3599.4, "59m 59s left"},
                 {3600, "1h 00m left"}, {86399, "23h 59m left"}, {86400, "1d 00h left"},
                 {3e6, "34d 17h left"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[512];
        cw_progress p = all_known;
        p.seconds_left = cases[i].seconds;
        cli_progress_format(&p, line, sizeof line);
        const char *tail = strrchr(line, ',') + 2;
        assert_string_equal(tail, cases[i].text);
    }
}

static void a_small_buffer_is_kept(void **state) {
    (void)state;
    char line[40];
    memset(line, '#', sizeof line);
    assert_int_equal(cli_progress_format(&all_known, line, 20), 19);
    assert_string_equal(line, "train 12%: 12345/10");
    assert_int_equal(line[20], '#');
}

/* Output of the command on a terminal `columns` wide. */
static void run_on_terminal(const char *environment, int columns, char *out, size_t out_bytes) {
    struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
    int terminal;
    pid_t pid = forkpty(&terminal, NULL, NULL, &size);
    assert_true(pid >= 0);
    if (pid == 0) {
        char *const argv[] = {(char *)CW_FAKE_CURLEW, "train", "toy", NULL};
        char *const env[] = {"FAKE=progress", (char *)environment,
                             strncmp(environment, "TERM=", 5) == 0 ? NULL : "TERM=xterm", NULL};
        execve(CW_FAKE_CURLEW, argv, env);
        _exit(98);
    }
    size_t used = 0;
    for (;;) {
        ssize_t n = read(terminal, out + used, out_bytes - 1 - used);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break; /* EIO when the other side is gone */
        used += (size_t)n;
    }
    out[used] = '\0';
    close(terminal);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int count(const char *text, const char *part) {
    int n = 0;
    for (const char *c = text; (c = strstr(c, part)) != NULL; c += strlen(part)) n++;
    return n;
}

static char screen[65536];

static void a_terminal_gets_one_redrawn_line(void **state) {
    (void)state;
    run_on_terminal("X=", 300, screen, sizeof screen);
    assert_int_equal(count(screen, "\r\033[1mtrain\033[0m "), 39);
    assert_int_equal(count(screen, "\r\033[1mcollect\033[0m 0%"), 1);
    /* A message takes the place of the line, which comes back below it. */
    assert_int_equal(count(screen, "\r\033[Khalf way\r\n\r\033[1mtrain"), 1);
    assert_int_equal(count(screen, "6m 12s left\033[K"), 39);
    /* The last line stays; the result follows on a line of its own. */
    assert_int_equal(count(screen, "left\033[K\r\ndone: 100000 frames"), 1);
}

static void no_color_is_respected(void **state) {
    (void)state;
    run_on_terminal("NO_COLOR=1", 300, screen, sizeof screen);
    assert_int_equal(count(screen, "\r"
                                   "train "),
                     39);
    assert_int_equal(count(screen, "m"
                                   "train\033"),
                     0);
    assert_int_equal(count(screen, "\033[1m"), 0);
    assert_int_equal(count(screen, "\033[0m"), 0);
}

static void a_narrow_terminal_never_wraps(void **state) {
    (void)state;
    run_on_terminal("NO_COLOR=1", 40, screen, sizeof screen);
    for (char *line = strtok(screen, "\r\n"); line; line = strtok(NULL, "\r\n"))
        if (strncmp(line, "train ", 6) == 0) assert_true(strcspn(line, "\033") <= 39);
    run_on_terminal("NO_COLOR=1", 1, screen, sizeof screen);
}

static void a_dumb_terminal_gets_plain_lines(void **state) {
    (void)state;
    run_on_terminal("TERM=dumb", 300, screen, sizeof screen);
    assert_null(strchr(screen, '\033'));
    assert_non_null(strstr(screen, "half way\r\ndone"));
}

static void a_file_gets_no_control_characters(void **state) {
    (void)state;
    static cw_process p;
    process_run(&p, CW_FAKE_CURLEW, "train toy", "FAKE=progress");
    assert_int_equal(p.code, 0);
    assert_null(strchr(p.out, '\033'));
    assert_null(strchr(p.out, '\r'));
    assert_non_null(strstr(p.out, "half way\ndone"));
}

/* The callbacks in this process, with its clock moved: a plain line when ten seconds have passed
 * since the last, not before. */
static void plain_lines_come_every_ten_seconds(void **state) {
    (void)state;
    cli_screen s;
    char path[] = "/tmp/cw_progress_XXXXXX", text[4096];
    int file = mkstemp(path), saved = dup(STDOUT_FILENO);
    assert_true(file >= 0 && saved >= 0);
    fflush(stdout);
    dup2(file, STDOUT_FILENO);
    cli_screen_open(&s, false);
    cw_callbacks callbacks = cli_screen_callbacks(&s);
    callbacks.progress(callbacks.user, &all_known);
    s.last_line_s -= 9;
    callbacks.progress(callbacks.user, &all_known);
    off_t early = lseek(file, 0, SEEK_END);
    s.last_line_s -= 2;
    callbacks.progress(callbacks.user, &all_known);
    callbacks.progress(callbacks.user, &all_known);
    cli_screen_close(&s);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    ssize_t n = pread(file, text, sizeof text - 1, 0);
    close(file);
    unlink(path);
    assert_int_equal(early, 0);
    assert_true(n > 0);
    text[n] = '\0';
    assert_int_equal(count(text, "train 12%: 12345/100000 frames"), 1);
    assert_int_equal(count(text, "\n"), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_names_units),
        cmocka_unit_test(unknown_figures_are_left_out),
        cmocka_unit_test(the_time_left_is_short),
        cmocka_unit_test(a_small_buffer_is_kept),
        cmocka_unit_test(a_terminal_gets_one_redrawn_line),
        cmocka_unit_test(no_color_is_respected),
        cmocka_unit_test(a_narrow_terminal_never_wraps),
        cmocka_unit_test(a_dumb_terminal_gets_plain_lines),
        cmocka_unit_test_setup_teardown(a_file_gets_no_control_characters, process_open,
                                        process_close),
        cmocka_unit_test(plain_lines_come_every_ten_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
