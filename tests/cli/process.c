#include "cli/process.h"

#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST_WORDS 64

static char base[64], folder[96], out_path[96], err_path[96];

int process_open(void **state) {
    (void)state;
    strcpy(base, "/tmp/cw_cli_XXXXXX");
    if (!mkdtemp(base)) return 1;
    snprintf(folder, sizeof folder, "%s/here", base);
    snprintf(out_path, sizeof out_path, "%s/out", base);
    snprintf(err_path, sizeof err_path, "%s/err", base);
    return mkdir(folder, 0700);
}

/* Removes what lies in the folder. */
static void empty_folder(void) {
    char path[512];
    DIR *dir = opendir(folder);
    if (!dir) return;
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        unlink(path);
    }
    closedir(dir);
}

int process_close(void **state) {
    (void)state;
    empty_folder();
    unlink(out_path);
    unlink(err_path);
    return rmdir(folder) || rmdir(base);
}

const char *process_folder(void) {
    return folder;
}

void process_write(const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int count_files(void) {
    int n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

static int files_before;

pid_t process_start(const char *binary, const char *words, const char *environment) {
    char text[4096];
    char *argv[MOST_WORDS] = {(char *)binary};
    char *env[] = {"PATH=/usr/bin:/bin", "TERM=xterm", (char *)environment, NULL};
    int n = 1;
    assert_true(strlen(words) < sizeof text);
    snprintf(text, sizeof text, "%s", words);
    for (char *word = strtok(text, " "); word && n < MOST_WORDS - 1; word = strtok(NULL, " "))
        argv[n++] = strcmp(word, "''") == 0 ? (char *)"" : word;
    files_before = count_files();
    unlink(out_path); /* the output of the command before */
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0) return pid;
    int out = open(out_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int err = open(err_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    int in = open("/dev/null", O_RDONLY);
    if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0 || chdir(folder) != 0) _exit(99);
    execve(binary, argv, env);
    _exit(98);
}

static void read_file(const char *path, char *out, size_t out_bytes) {
    FILE *file = fopen(path, "r");
    size_t n = file ? fread(out, 1, out_bytes - 1, file) : 0;
    out[n] = '\0';
    if (file) fclose(file);
}

void process_wait(cw_process *p, pid_t pid) {
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    p->code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    read_file(out_path, p->out, sizeof p->out);
    read_file(err_path, p->err, sizeof p->err);
    p->wrote = count_files() != files_before;
}

void process_run(cw_process *p, const char *binary, const char *words, const char *environment) {
    process_wait(p, process_start(binary, words, environment));
}

void process_await_output(const char *text) {
    static char out[65536];
    for (int i = 0; i < 1000; i++) {
        read_file(out_path, out, sizeof out);
        if (strstr(out, text)) return;
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
    }
    fail_msg("no \"%s\" after 10 s", text);
}

bool process_is_one_line(const char *text) {
    const char *end = strchr(text, '\n');
    return strncmp(text, "curlew: ", 8) == 0 && end && end[1] == '\0';
}
