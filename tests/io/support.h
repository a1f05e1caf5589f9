/* What the tests of io share: a scratch folder, whole files, and expected failures. */
#ifndef CW_TESTS_IO_SUPPORT_H
#define CW_TESTS_IO_SUPPORT_H

#include <curlew/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka's setup and teardown of a group: makes and removes a scratch folder. */
int scratch_make(void **state);
int scratch_remove(void **state);

/* Path of a name in the scratch folder; static, four of them in turn. */
const char *scratch(const char *name);

/* Fails the test unless `status` is CW_OK. */
void expect_ok(cw_status status);
/* Fails the test unless `status` is `wanted` and the message has `fragment` in one line. */
void expect_failure(cw_status status, cw_status wanted, const char *fragment);

void put_file(const char *path, const void *bytes, size_t n);
/* A whole file, in malloc's memory, with a zero byte after it; NULL when there is none. */
unsigned char *get_file(const char *path, size_t *n);
bool is_file(const char *path);
int count_files(const char *path);

/* Blocks of cw_alloc that live now. */
uint64_t live_blocks(void);

/* Runs `attempt` with its first, second, ... allocation failing until it has CW_OK, and checks
 * that every failure is CW_ENOMEM and leaks nothing. Fails the test unless at least n_min
 * allocations were met. */
void allocation_ramp(cw_status (*attempt)(void *), void *context, int n_min);
/* The same for the file operations of base, with CW_EIO; after each failure `check` is called. */
void fault_ramp(cw_status (*attempt)(void *), void (*check)(void *), void *context, int n_min);

#endif
