/* What a run shows: the text of a plain line, the panel redrawn in place on a terminal of any size,
 * plain lines elsewhere. */
#include "../cli/cli.h"
#include "../tools/terminal.h"
#include "cli/process.h"
#include "test.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
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

static void durations_are_short(void **state) {
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{0, "0m 00s"},      {59.6, "1m 00s"},  {3599.4, "59m 59s"}, {3600, "1h 00m"},
                 {86399, "23h 59m"}, {86400, "1d 00h"}, {3e6, "34d 17h"},    {NAN, ""},
                 {INFINITY, ""},     {-1, ""}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[32];
        cli_duration(cases[i].seconds, text, sizeof text);
        assert_string_equal(text, cases[i].text);
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

/* ---- the panel as text ---- */
static const cli_panel panel_of_test = {
    .task = "cheetah-run", .profile = "paper", .seed = "3", .run = "runs/cheetah-run-paper-seed3"};

static void a_panel_fits_every_window(void **state) {
    (void)state;
    static cli_panel_text text;
    static terminal t;
    cw_progress p = all_known;
    p.n_returns = CW_PROGRESS_RETURNS;
    for (int i = 0; i < p.n_returns; i++) p.returns[i] = i % 7;
    p.n_parts = CW_PROGRESS_PARTS;
    for (int i = 0; i < p.n_parts; i++) p.parts[i] = (cw_part_time){"conv backward", i};
    p.frames = p.frames_total = INT64_MAX;
    for (int columns = 1; columns < TERMINAL_COLUMNS; columns++)
        for (int rows = 1; rows < 30; rows++)
            for (int plain = 0; plain < 2; plain++) {
                cli_look look = {.columns = columns, .rows = rows, .color = !plain, .utf8 = !plain};
                cli_panel_draw(&panel_of_test, &p, &look, &text);
                assert_int_equal(text.n > 0,
                                 columns >= CLI_PANEL_COLUMNS && rows >= CLI_PANEL_ROWS);
                assert_true(text.n < rows && text.n <= CLI_PANEL_LINES);
                for (int i = 0; i < text.n; i++) {
                    terminal_open(&t, columns, rows);
                    terminal_write(&t, text.line[i], strlen(text.line[i]));
                    assert_int_equal(t.x, text.width[i]);
                    assert_int_equal(t.y, 0);
                    assert_true(t.x < columns);
                    assert_int_equal(t.unknown, 0);
                    assert_int_equal(t.pen.color, -1);
                }
            }
}

static void expect_panel(const cli_panel *panel, const cw_progress *p, const cli_look *look,
                         const char *const *lines, int n) {
    static cli_panel_text text;
    cli_panel_draw(panel, p, look, &text);
    assert_int_equal(text.n, n);
    for (int i = 0; i < n; i++) assert_string_equal(text.line[i], lines[i]);
}

static void unknown_figures_show_as_such(void **state) {
    (void)state;
    cw_progress p = {.frames_total = 100000,
                     .updates_per_s = NAN,
                     .frames_per_s = NAN,
                     .seconds_left = NAN,
                     .wall_s = NAN,
                     .last_return = NAN,
                     .best_eval = NAN,
                     .last_eval = NAN,
                     .critic_loss = NAN,
                     .actor_loss = NAN,
                     .curl_loss = NAN,
                     .curl_accuracy = NAN,
                     .alpha = NAN,
                     .entropy = NAN};
    static const char *const lines[] = {
        "cheetah-run  paper  seed 3          run",
        "-------------------   0%",
        "frames        0 of 100000",
        "agent steps   0",
        "updates       0",
        "return        -       ",
        "evaluation    -       ",
        "contrastive   -",
        "critic loss   -  actor -",
        "temperature   -",
        "time          ",
        "memory        -",
        "runs/cheetah-run-paper-seed3",
    };
    cli_look look = {.columns = 40, .rows = 24};
    expect_panel(&panel_of_test, &p, &look, lines, 13);
}

/* The name of a folder can hold anything. */
static void names_cannot_break_the_panel(void **state) {
    (void)state;
    static cli_panel_text text;
    static terminal t;
    cli_panel panel = {.task = "\xff\x1b[2J\xc2\x9b", .profile = "p\n", .seed = "1"};
    for (int wide = 0; wide < 2; wide++) {
        char *at = panel.run;
        for (int i = 0; i < 300; i++) at += sprintf(at, "%s", wide ? "\xe9\xb3\xa5" : "a/");
        for (int utf8 = 0; utf8 < 2; utf8++) {
            cli_look look = {.columns = 60, .rows = 24, .utf8 = utf8};
            cli_panel_draw(&panel, &all_known, &look, &text);
            assert_int_equal(text.n, 13);
            for (int i = 0; i < text.n; i++) {
                terminal_open(&t, 60, 24);
                terminal_write(&t, text.line[i], strlen(text.line[i]));
                assert_int_equal(t.unknown + t.wrapped, 0);
                assert_true(text.width[i] < 60);
                assert_null(strchr(text.line[i], '\033'));
            }
            assert_memory_equal(text.line[0], "??[2J?  p?  seed 1", 18);
            assert_memory_equal(text.line[12], "...", 3);
        }
    }
}

/* ---- the panel on a terminal ---- */
static terminal screen;
static char written[1 << 20];
static size_t n_written;

static void keep(const char *bytes, size_t n) {
    assert_true(n_written + n < sizeof written);
    memcpy(written + n_written, bytes, n);
    n_written += n;
    written[n_written] = '\0';
}

/* What a test does while the command runs. */
typedef struct script {
    const char *await;                     /* once this was written ... */
    void (*act)(struct script *s, int fd); /* ... this is done, once; ... */
    double again_s;                        /* ... and, unless 0, again so many seconds later */
    bool done;
    double done_at_s;
    struct termios before, after;
} script;

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Never waits: output that nobody reads would stop the command amid a panel. */
static void follow(void *user, terminal *t, int fd, const char *bytes, size_t n) {
    script *s = user;
    (void)t;
    keep(bytes, n);
    if (!s) return;
    if (n_written == n) tcgetattr(fd, &s->before);
    tcgetattr(fd, &s->after);
    if (s->done && s->again_s > 0 && seconds() - s->done_at_s >= s->again_s) {
        s->again_s = 0;
        s->act(s, fd);
    }
    if (s->done || !s->await || !strstr(written, s->await)) return;
    s->done = true;
    s->done_at_s = seconds();
    s->act(s, fd);
}

/* Runs `curlew train toy` with two environment variables; returns its exit code. */
static int run_on_terminal(int columns, int rows, const char *mode, const char *variable,
                           const char *option, script *s) {
    char *const argv[] = {(char *)CW_FAKE_CURLEW, "train", "toy", (char *)option, NULL};
    char *const env[] = {(char *)mode, (char *)variable, "TERM=xterm", "LANG=C.UTF-8", NULL};
    n_written = 0;
    terminal_open(&screen, columns, rows);
    int status = terminal_run(&screen, argv, env, 0, follow, s);
    assert_true(WIFEXITED(status));
    assert_int_equal(screen.unknown, 0); /* so no mode of the terminal was changed */
    return WEXITSTATUS(status);
}

/* How many rows of the screen begin with `text`; *row is the last of them. */
static int rows_with(const char *text, int *row) {
    char line[TERMINAL_COLUMNS * 4 + 1];
    int n = 0;
    for (int y = 0; y < screen.rows; y++) {
        terminal_row(&screen, y, line);
        if (strncmp(line, text, strlen(text)) != 0) continue;
        n++;
        if (row) *row = y;
    }
    return n;
}

static void expect_rows(int y, const char *const *lines, int n) {
    char line[TERMINAL_COLUMNS * 4 + 1];
    for (int i = 0; i < n; i++) {
        terminal_row(&screen, y + i, line);
        assert_string_equal(line, lines[i]);
    }
}

static void the_panel_is_redrawn_in_place(void **state) {
    (void)state;
    static const char *const wide[] = {
        "run.out=runs/toy-paper-seed1",
        "env.task=toy",
        "half way", /* a message scrolls above the panel */
        "toy  paper  seed 1                                                        train",
        "━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━──  97%  6m 12s left",
        "frames        39000 of 40000  170/s     return        300.2   ▁▁▂▂▃▃▄▄▅▅▅▆▆▇▇██",
        "agent steps   4875  21.3/s              evaluation    400.0   best 412.5",
        "updates       3900  20.5/s              time          6m 30s",
        "episodes      39                        conv backward ████████▌            45%",
        "contrastive   1.400 nats  56% right     conv forward  ████▏                22%",
        "critic loss   0.0123                    evaluation    ███▊                 20%",
        "actor loss    -12.50                    environment   ██▌                  13%",
        "temperature   0.0712  entropy -0.9300",
        "memory        2.31 GB  replay 48% full",
        "runs/toy-paper-seed1",
        "score:   845.2 at 100000 frames",
        "best:    900.0",
        "curve:   there/curve.png",
        "video:   there/final.mp4",
        "weights: there/weights.safetensors",
        "",
    };
    assert_int_equal(run_on_terminal(80, 24, "FAKE=progress", "X=", NULL, NULL), 0);
    expect_rows(0, wide, (int)(sizeof wide / sizeof wide[0]));
    assert_int_equal(screen.wrapped + screen.scrolled, 0);
    static const char *const narrow[] = {
        "half way",
        "toy  paper  seed 1        train  6m 30s",
        "━━━━━━━━━━━━━━━━━━─  97%  6m 12s left",
        "frames        39000 of 40000  170/s",
        "agent steps   4875  21.3/s",
        "updates       3900  20.5/s",
        "return        300.2   ▁▁▂▂▃▃▄▄▅▅▅▆▆▇▇██",
        "evaluation    400.0   best 412.5",
        "contrastive   1.400 nats  56% right",
        "critic loss   0.0123  actor -12.50",
        "temperature   0.0712  entropy -0.9300",
        "time          conv backward 45%",
        "memory        2.31 GB  replay 48% full",
        "runs/toy-paper-seed1",
    };
    assert_int_equal(run_on_terminal(40, 24, "FAKE=progress", "X=", NULL, NULL), 0);
    expect_rows(2, narrow, (int)(sizeof narrow / sizeof narrow[0]));
    assert_int_equal(screen.wrapped + screen.scrolled, 0);
}

static void every_window_shows_one_panel(void **state) {
    (void)state;
    static const int sizes[][2] = {{40, 24}, {41, 8}, {60, 10},  {71, 50},
                                   {72, 9},  {80, 8}, {132, 15}, {160, 60}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        int title = -1, bar = -1;
        script s = {0};
        run_on_terminal(sizes[i][0], sizes[i][1], "FAKE=progress", "X=", NULL, &s);
        assert_int_equal(screen.wrapped, 0);
        /* Lines that scroll out take the title with them in a low window. */
        if (sizes[i][1] >= 18) {
            assert_int_equal(rows_with("toy  paper", &title), 1);
            assert_int_equal(rows_with("━━━", &bar), 1);
            assert_int_equal(bar, title + 1);
        }
        assert_int_equal(rows_with("runs/toy-paper-seed1", NULL), 1);
        assert_int_equal(rows_with("score: ", NULL), 1);
        assert_memory_equal(&s.before, &s.after, sizeof s.before);
    }
}

static void small_windows_and_dumb_terminals_get_plain_lines(void **state) {
    (void)state;
    static const struct {
        int columns, rows;
        const char *variable, *option;
    } cases[] = {{39, 24, "X=", NULL},        {80, 7, "X=", NULL},     {80, 24, "COLUMNS=39", NULL},
                 {80, 24, "TERM=dumb", NULL}, {80, 24, "TERM=", NULL}, {80, 24, "X=", "--plain"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        run_on_terminal(cases[i].columns, cases[i].rows, "FAKE=progress", cases[i].variable,
                        cases[i].option, NULL);
        assert_null(strchr(written, '\033'));
        assert_non_null(strstr(written, "half way\r\nscore"));
    }
    run_on_terminal(80, 24, "FAKE=progress", "X=", "--quiet", NULL);
    assert_int_equal(n_written, 0);
}

static void environment_variables_are_respected(void **state) {
    (void)state;
    run_on_terminal(80, 24, "FAKE=progress", "X=", NULL, NULL);
    assert_non_null(strstr(written, "\033[1;36mtoy\033[0m"));
    run_on_terminal(80, 24, "FAKE=progress", "NO_COLOR=1", NULL, NULL);
    for (const char *c = written; (c = strchr(c, '\033')) != NULL; c++)
        assert_int_not_equal(c[2 + strspn(c + 2, "0123456789;")], 'm');
    assert_int_equal(rows_with("toy  paper", NULL), 1);
    static const char *const ascii[] = {"LC_ALL=C", "LC_CTYPE=en_US.ISO-8859-1", "TERM=linux"};
    for (int i = 0; i < 3; i++) {
        run_on_terminal(80, 24, "FAKE=progress", ascii[i], NULL, NULL);
        for (size_t k = 0; k < n_written; k++) assert_true((written[k] & 0x80) == 0);
        assert_int_equal(rows_with("#########", NULL), 1);
    }
    run_on_terminal(80, 24, "FAKE=progress", "COLUMNS=50", NULL, NULL);
    assert_int_equal(rows_with("critic loss   0.0123  actor -12.50", NULL), 1);
    run_on_terminal(80, 24, "FAKE=progress", "COLUMNS=500", NULL, NULL);
    assert_int_equal(screen.wrapped, 0);
}

static void resize(int fd, int columns, int rows) {
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    terminal_resize(&screen, columns, rows);
    assert_int_equal(ioctl(fd, TIOCSWINSZ, &size), 0);
}

static void make_narrower(script *s, int fd) {
    (void)s;
    resize(fd, 50, 24);
}

static void make_wider(script *s, int fd) {
    (void)s;
    resize(fd, 120, 30);
}

static void make_tiny(script *s, int fd) {
    (void)s;
    resize(fd, 30, 24);
}

static void the_panel_follows_the_window(void **state) {
    (void)state;
    script narrower = {.await = "25%", .act = make_narrower};
    assert_int_equal(run_on_terminal(80, 24, "FAKE=progress", "X=", NULL, &narrower), 0);
    assert_int_equal(rows_with("toy  paper", NULL), 1);
    assert_int_equal(rows_with("critic loss   0.0123  actor -12.50", NULL), 1);
    /* A panel that was on its way when the window changed wraps; the next one takes its place. */
    script wider = {.await = "25%", .act = make_wider};
    assert_int_equal(run_on_terminal(60, 24, "FAKE=progress", "X=", NULL, &wider), 0);
    assert_int_equal(rows_with("toy  paper", NULL), 1);
    assert_int_equal(rows_with("actor loss    -12.50", NULL), 1);
    script tiny = {.await = "25%", .act = make_tiny};
    assert_int_equal(run_on_terminal(60, 24, "FAKE=progress", "X=", NULL, &tiny), 0);
    assert_int_equal(rows_with("toy  paper", NULL), 0);
    assert_int_equal(rows_with("score: ", NULL), 1);
}

static void press_control_c(script *s, int fd) {
    (void)s;
    assert_int_equal(write(fd, "\003", 1), 1);
}

/* Keys are pressed when the end of a panel has come: the terminal's echo (^C) would fall into the
 * middle of a panel that is still on its way. */
static void the_terminal_is_left_as_it_was(void **state) {
    (void)state;
    script stop = {.await = "memory", .act = press_control_c};
    assert_int_equal(run_on_terminal(80, 24, "FAKE=wait", "X=", NULL, &stop), 130);
    assert_int_equal(rows_with("stopping after a checkpoint", NULL), 1);
    assert_int_equal(rows_with("toy  paper", NULL), 1);
    assert_int_equal(rows_with("curlew: stopped by Interrupt", NULL), 1);
    assert_int_equal(screen.x, 0);
    assert_memory_equal(&stop.before, &stop.after, sizeof stop.before);
    script kill_it = {.await = "memory", .act = press_control_c, .again_s = 0.3};
    assert_int_equal(run_on_terminal(80, 24, "FAKE=deaf", "X=", NULL, &kill_it), 130);
    assert_int_equal(rows_with("toy  paper", NULL), 1);
    assert_memory_equal(&kill_it.before, &kill_it.after, sizeof kill_it.before);
    assert_int_equal(run_on_terminal(80, 24, "FAKE=error", "X=", NULL, NULL), 1);
    assert_int_equal(rows_with("curlew: disk/full", NULL), 1);
    assert_int_equal(screen.x, 0);
}

static void press_control_z(script *s, int fd) {
    (void)s;
    assert_int_equal(write(fd, "\032", 1), 1);
}

/* After Ctrl-Z and fg the lines of the shell stand below the old panel. (Nothing suspends the
 * command here, as there is no shell that could continue it.) */
static void a_suspended_run_draws_a_new_panel(void **state) {
    (void)state;
    script s = {.await = "25%", .act = press_control_z};
    assert_int_equal(run_on_terminal(80, 40, "FAKE=progress", "X=", NULL, &s), 0);
    assert_int_equal(rows_with("toy  paper", NULL), 2);
}

static void a_file_gets_no_control_characters(void **state) {
    (void)state;
    static cw_process p;
    process_run(&p, CW_FAKE_CURLEW, "train toy", "FAKE=progress");
    assert_int_equal(p.code, 0);
    assert_null(strchr(p.out, '\033'));
    assert_null(strchr(p.out, '\r'));
    assert_non_null(strstr(p.out, "half way\nscore"));
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
    assert_memory_equal(text, "train 12%: 12345/100000 frames", 30);
    assert_ptr_equal(strchr(text, '\n'), text + n - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_line_names_units),
        cmocka_unit_test(unknown_figures_are_left_out),
        cmocka_unit_test(durations_are_short),
        cmocka_unit_test(a_small_buffer_is_kept),
        cmocka_unit_test(a_panel_fits_every_window),
        cmocka_unit_test(unknown_figures_show_as_such),
        cmocka_unit_test(names_cannot_break_the_panel),
        cmocka_unit_test(the_panel_is_redrawn_in_place),
        cmocka_unit_test(every_window_shows_one_panel),
        cmocka_unit_test(small_windows_and_dumb_terminals_get_plain_lines),
        cmocka_unit_test(environment_variables_are_respected),
        cmocka_unit_test(the_panel_follows_the_window),
        cmocka_unit_test(the_terminal_is_left_as_it_was),
        cmocka_unit_test(a_suspended_run_draws_a_new_panel),
        cmocka_unit_test_setup_teardown(a_file_gets_no_control_characters, process_open,
                                        process_close),
        cmocka_unit_test(plain_lines_come_every_ten_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
