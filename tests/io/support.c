#include "io/support.h"

#include "base/file.h"
#include "base/memory.h"
#include "test.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[256];

int scratch_make(void **state) {
    (void)state;
    const char *parent = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/cw_io_XXXXXX", parent == NULL ? "/tmp" : parent);
    return mkdtemp(folder) == NULL;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place) {
    (void)info, (void)kind, (void)place;
    return remove(path);
}

int scratch_remove(void **state) {
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *scratch(const char *name) {
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void expect_ok(cw_status status) {
    if (status != CW_OK) fail_msg("%s: %s", cw_status_text(status), cw_last_error());
}

void expect_failure(cw_status status, cw_status wanted, const char *fragment) {
    if (status != wanted) {
        fail_msg("%s instead of %s (%s); wanted '%s'", cw_status_text(status),
                 cw_status_text(wanted), cw_last_error(), fragment);
    }
    if (strstr(cw_last_error(), fragment) == NULL || strchr(cw_last_error(), '\n') != NULL) {
        fail_msg("'%s' does not have '%s' in one line", cw_last_error(), fragment);
    }
}

void put_file(const char *path, const void *bytes, size_t n) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

unsigned char *get_file(const char *path, size_t *n) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) return NULL;
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long size = ftell(file);
    rewind(file);
    unsigned char *bytes = calloc((size_t)size + 1, 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)size, file), size);
    fclose(file);
    if (n != NULL) *n = (size_t)size;
    return bytes;
}

bool is_file(const char *path) {
    return access(path, F_OK) == 0;
}

int count_files(const char *path) {
    DIR *dir = opendir(path);
    assert_non_null(dir);
    int n = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

uint64_t live_blocks(void) {
    cw_memory_stats stats;
    cw_memory_stats_get(&stats);
    return stats.live_blocks;
}

void allocation_ramp(cw_status (*attempt)(void *), void *context, int n_min) {
    uint64_t before = live_blocks();
    for (int n = 1;; n++) {
        cw_memory_fail_after((uint64_t)n);
        cw_status status = attempt(context);
        cw_memory_fail_after(0);
        assert_int_equal(live_blocks(), before);
        if (status == CW_OK) {
            assert_in_range(n - 1, n_min, 10000);
            return;
        }
        expect_failure(status, CW_ENOMEM, "out of memory");
    }
}

void fault_ramp(cw_status (*attempt)(void *), void (*check)(void *), void *context, int n_min) {
    uint64_t before = live_blocks();
    for (int n = 1;; n++) {
        cw_file_fault_after((uint64_t)n);
        cw_status status = attempt(context);
        cw_file_fault_after(0);
        assert_int_equal(live_blocks(), before);
        if (status == CW_OK) {
            assert_in_range(n - 1, n_min, 10000);
            return;
        }
        assert_int_equal(status, CW_EIO);
        check(context);
    }
}
