/* Limits of control groups: folders laid out as Linux does, of version 2, of version 1 and of both,
 * seen from the machine and from inside of a container; what is missing or odd limits nothing. */
#include "base/file.h"
#include "base/resources.h"
#include "io/support.h"
#include "test.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Writes a file of the group `folder`, "" or "/path", below the root. */
static void put(const char *folder, const char *name, const char *text) {
    char path[512];
    snprintf(path, sizeof path, "%s%s", scratch("root"), folder);
    assert_int_equal(cw_dir_make(path), CW_OK);
    snprintf(path, sizeof path, "%s%s/%s", scratch("root"), folder, name);
    put_file(path, text, strlen(text));
}

static cw_group_limits limits_of(const char *membership) {
    cw_group_limits limits;
    put_file(scratch("membership"), membership, strlen(membership));
    cw_group_limits_read(scratch("root"), scratch("membership"), &limits);
    return limits;
}

static void assert_limits(const char *membership, uint64_t memory_left, double cores) {
    cw_group_limits limits = limits_of(membership);
    assert_int_equal(limits.memory_left, memory_left);
    assert_true(limits.cores == cores);
}

/* A unit of systemd or a pod: the tightest of the group and those above it holds. */
static void version_2_groups(void **state) {
    (void)state;
    put("/slice/unit", "memory.max", "max\n");
    put("/slice/unit", "memory.current", "5000000000\n");
    put("/slice/unit", "cpu.max", "max 100000\n");
    assert_limits("0::/slice/unit\n", UINT64_MAX, INFINITY);

    put("/slice", "memory.max", "8000000000\n");
    put("/slice", "memory.current", "6000000000\n");
    put("/slice", "cpu.max", "450000 100000\n");
    assert_limits("0::/slice/unit\n", 2000000000, 4.5);

    /* pages of files are given back; a file named like one and sums of others are not counted */
    put("/slice", "memory.stat",
        "anon 4000000000\nfile 1700000000\ninactive_anon 7\ninactive_file 1000000000\n"
        "active_file 500000000\nactive_file_other 99\n");
    assert_limits("0::/slice/unit\n", 3500000000, 4.5);

    put("/slice/unit", "memory.max", "5500000000\n");
    put("/slice/unit", "cpu.max", "150000 50000\n");
    assert_limits("0::/slice/unit\n", 500000000, 3);
    put("/slice/unit", "memory.max", "4000000000\n"); /* lowered below what is used */
    assert_limits("0::/slice/unit\n", 0, 3);

    /* its neighbours' limits are none of its */
    put("/slice/other", "memory.max", "1000\n");
    put("/slice/other", "memory.current", "1000\n");
    assert_limits("0::/slice/unit\n", 0, 3);
    assert_limits("0::/slice\n", 3500000000, 4.5);
    assert_limits("0::/\n", UINT64_MAX, INFINITY);
}

/* Inside of a container the group is the root, whatever path it has outside. */
static void version_2_container(void **state) {
    (void)state;
    put("", "memory.max", "3000000000\n");
    put("", "memory.current", "1000000000\n");
    put("", "cpu.max", "200000 100000\n");
    assert_limits("0::/\n", 2000000000, 2);
    assert_limits("0::/docker/0123456789abcdef\n", 2000000000, 2);
    assert_limits("0::/../elsewhere\n", 2000000000, 2);
}

static const char hybrid[] = "12:cpuset:/set\n"
                             "9:cpu,cpuacct:/jobs/7\n"
                             "4:memory:/jobs/7\n"
                             "1:name=systemd:/user.slice\n"
                             "0::/user.slice\n";

/* A job manager on version 1, as it is mounted with version 2 beside it. */
static void version_1_groups(void **state) {
    (void)state;
    assert_limits(hybrid, UINT64_MAX, INFINITY);
    put("/memory/jobs", "memory.limit_in_bytes", "9223372036854771712\n"); /* none */
    put("/memory/jobs", "memory.usage_in_bytes", "70000000000\n");
    put("/memory/jobs/7", "memory.limit_in_bytes", "16000000000\n");
    put("/memory/jobs/7", "memory.usage_in_bytes", "9000000000\n");
    put("/memory/jobs/7", "memory.stat",
        "cache 5\ninactive_file 77\ntotal_inactive_file 1000000000\ntotal_active_file "
        "2000000000\n");
    put("/cpu/jobs", "cpu.cfs_quota_us", "-1\n");
    put("/cpu/jobs", "cpu.cfs_period_us", "100000\n");
    put("/cpu/jobs/7", "cpu.cfs_quota_us", "250000\n");
    put("/cpu/jobs/7", "cpu.cfs_period_us", "100000\n");
    assert_limits(hybrid, 10000000000, 2.5);
    assert_limits("4:memory:/jobs/8\n9:cpuacct:/jobs/7\n3:cpuset,cpux:/jobs/7\n", UINT64_MAX,
                  INFINITY);
}

static void oddities_limit_nothing(void **state) {
    (void)state;
    put("/odd", "memory.max", "");
    put("/odd", "memory.current", "5\n");
    put("/odd", "cpu.max", "100000 0\n");
    assert_limits("0::/odd\n", UINT64_MAX, INFINITY);
    put("/odd", "memory.max", "ten\n");
    put("/odd", "cpu.max", "100000\n");
    assert_limits("0::/odd\n", UINT64_MAX, INFINITY);
    put("/odd", "memory.max", "99999999999999999999999999\n"); /* beyond 64 bits */
    put("/odd", "cpu.max", "0 100000\n");
    assert_limits("0::/odd\n", UINT64_MAX, INFINITY);
    assert_limits("", UINT64_MAX, INFINITY);
    assert_limits("\n:\n::\n0:\n0::\n0::odd\nmemory\n4:memory\n", UINT64_MAX, INFINITY);

    /* a path that no folder can have; the line behind it counts again */
    size_t n = 20000;
    char *line = malloc(n + 100);
    assert_non_null(line);
    memset(line, 'x', n);
    memcpy(line, "0::/", 4);
    put("/odd", "memory.max", "7\n");
    strcpy(line + n, "\n0::/odd\n");
    assert_limits(line, 2, INFINITY);
    free(line);

    cw_group_limits limits;
    cw_group_limits_read(scratch("root"), "/no/such/file", &limits);
    assert_int_equal(limits.memory_left, UINT64_MAX);
    assert_true(limits.cores == INFINITY);
}

/* The real ones: plausible beside what the kernel says of the whole machine. */
static void own_resources(void **state) {
    (void)state;
    uint64_t available = cw_memory_available(), resident = cw_memory_resident();
    assert_true(resident > 100000 && resident < (uint64_t)1 << 40);
    assert_true(available > 0 && available < (uint64_t)1 << 50);

    cpu_set_t all, one;
    CPU_ZERO(&one);
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    int cores = cw_cores_available();
    assert_in_range(cores, 1, CPU_COUNT(&all));
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++) {
        if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
    }
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(cw_cores_available(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    assert_int_equal(cw_cores_available(), cores);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(version_2_groups, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(version_2_container, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(version_1_groups, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(oddities_limit_nothing, scratch_make, scratch_remove),
        cmocka_unit_test(own_resources),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
