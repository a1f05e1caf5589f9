#include "fuzz.h"

#include "base/crc.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fuzz_require(int holds, const char *what, const char *file, int line) {
    if (holds) return;
    fprintf(stderr, "%s:%d: broken: %s (%s)\n", file, line, what, cw_last_error());
    abort();
}

void fuzz_require_message(cw_status status) {
    REQUIRE(status != CW_OK);
    REQUIRE(cw_last_error()[0] != '\0');
    for (const unsigned char *c = (const unsigned char *)cw_last_error(); *c != '\0'; c++) {
        REQUIRE(*c >= 0x20 && *c != 0x7f);
        REQUIRE(*c != 0xc2 || c[1] < 0x80 || c[1] > 0x9f); /* U+0080 to U+009F */
    }
}

bool fuzz_one_in(uint32_t of, const uint8_t *bytes, size_t n) {
    return cw_crc32c(0, bytes, n) % of == 0;
}

static char folder[64];

static void remove_folder(void) {
    DIR *dir = opendir(folder);
    if (dir == NULL) return;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        unlinkat(dirfd(dir), e->d_name, 0);
    }
    closedir(dir);
    rmdir(folder);
}

const char *fuzz_path(const char *name) {
    static char path[2][128];
    static int turn;
    if (folder[0] == '\0') {
        snprintf(folder, sizeof folder, "/dev/shm/cw_fuzz_XXXXXX");
        REQUIRE(mkdtemp(folder) != NULL);
        atexit(remove_folder);
    }
    turn = !turn;
    snprintf(path[turn], sizeof path[0], "%s/%s", folder, name);
    return path[turn];
}

void fuzz_put(const char *path, const void *bytes, size_t n) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    REQUIRE(fd >= 0 && write(fd, bytes, n) == (ssize_t)n && close(fd) == 0);
}

void fuzz_patch(uint8_t *file, size_t n_file, const uint8_t *bytes, size_t n) {
    while (n > 3) {
        size_t at = ((size_t)bytes[0] | (size_t)bytes[1] << 8) % n_file;
        size_t length = bytes[2];
        bytes += 3, n -= 3;
        if (length > n) length = n;
        if (length > n_file - at) length = n_file - at;
        memcpy(file + at, bytes, length);
        bytes += length, n -= length;
    }
}
