#include "base/resources.h"

#include <limits.h>
#include <math.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Files of a control group, as Linux' Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ say.
 */
typedef struct group_files {
    const char *mount; /* below the root */
    const char *memory_limit, *memory_usage;
    const char *cache[2]; /* lines of memory.stat: pages of files, which can be taken back */
    const char *quota;  /* microseconds of processor time, and in version 2 the period behind it */
    const char *period; /* microseconds; NULL: stands in `quota` */
} group_files;

static const group_files version_2 = {
    .mount = "",
    .memory_limit = "memory.max",
    .memory_usage = "memory.current",
    .cache = {"active_file", "inactive_file"},
    .quota = "cpu.max",
};
static const group_files version_1_memory = {
    .mount = "/memory",
    .memory_limit = "memory.limit_in_bytes",
    .memory_usage = "memory.usage_in_bytes",
    .cache = {"total_active_file", "total_inactive_file"},
};
static const group_files version_1_cpu = {
    .mount = "/cpu",
    .quota = "cpu.cfs_quota_us",
    .period = "cpu.cfs_period_us",
};

/* ---- files of a few numbers ---- */

/* Opens folder/name; NULL when that cannot be. */
static FILE *open_text(const char *folder, const char *name) {
    char path[2 * PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/%s", folder, name);
    return n < 0 || n >= (int)sizeof path ? NULL : fopen(path, "re");
}

/* The first one or two numbers of a file; how many there are ("max" and -1 are none). */
static int read_numbers(const char *folder, const char *name, uint64_t out[2]) {
    FILE *file = open_text(folder, name);
    char line[128];
    int n = 0;
    if (file == NULL) return 0;
    if (fgets(line, sizeof line, file) != NULL) {
        const char *at = line;
        for (char *end; n < 2; n++, at = end) {
            at += strspn(at, " ");
            if (*at < '0' || *at > '9') break;
            out[n] = strtoull(at, &end, 10);
        }
    }
    fclose(file);
    return n;
}

/* The number behind `key` in a file of lines "key number"; 0 when there is none. */
static uint64_t read_keyed(const char *folder, const char *name, const char *key) {
    FILE *file = open_text(folder, name);
    char line[256];
    size_t n = strlen(key);
    uint64_t value = 0;
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, key, n) != 0 || (line[n] != ' ' && line[n] != ':')) continue;
        value = strtoull(line + n + 1, NULL, 10);
        break;
    }
    if (file != NULL) fclose(file);
    return value;
}

/* ---- control groups ---- */

static void take_memory(const group_files *files, const char *folder, cw_group_limits *out) {
    uint64_t limit[2], usage[2], cache = 0;
    if (files->memory_limit == NULL || read_numbers(folder, files->memory_limit, limit) == 0 ||
        read_numbers(folder, files->memory_usage, usage) == 0 || limit[0] >= INT64_MAX / 2) {
        return; /* version 1 writes the largest number that it knows for no limit */
    }
    for (int i = 0; i < 2; i++) cache += read_keyed(folder, "memory.stat", files->cache[i]);
    uint64_t held = usage[0] > cache ? usage[0] - cache : 0;
    uint64_t left = limit[0] > held ? limit[0] - held : 0;
    if (left < out->memory_left) out->memory_left = left;
}

static void take_cores(const group_files *files, const char *folder, cw_group_limits *out) {
    uint64_t quota[2], period[2];
    if (files->quota == NULL) return;
    int n = read_numbers(folder, files->quota, quota);
    if (n == 0) return;
    if (files->period != NULL) {
        if (read_numbers(folder, files->period, period) == 0) return;
    } else {
        if (n < 2) return;
        period[0] = quota[1];
    }
    double cores = (double)quota[0] / (double)period[0];
    if (cores > 0 && cores < out->cores) out->cores = cores;
}

/* The limits of the group at `path` and of those above it hold together. */
static void take_group(const char *root, const group_files *files, const char *path,
                       cw_group_limits *out) {
    char folder[2 * PATH_MAX];
    int top = snprintf(folder, sizeof folder, "%s%s", root, files->mount);
    if (top < 0 || (size_t)top + strlen(path) >= sizeof folder) return;
    strcpy(folder + top, path);
    for (;;) {
        take_memory(files, folder, out);
        take_cores(files, folder, out);
        char *last = strrchr(folder + top, '/');
        if (last == NULL) return;
        *last = '\0';
    }
}

static bool has_word(const char *list, const char *word) {
    size_t n = strlen(word);
    for (; *list != '\0'; list += strspn(list, ",")) {
        size_t length = strcspn(list, ",");
        if (length == n && strncmp(list, word, n) == 0) return true;
        list += length;
    }
    return false;
}

void cw_group_limits_read(const char *root, const char *membership, cw_group_limits *out) {
    char line[PATH_MAX + 256]; /* number:controllers:path, without controllers in version 2 */
    *out = (cw_group_limits){.memory_left = UINT64_MAX, .cores = INFINITY};
    FILE *file = fopen(membership, "re");
    if (file == NULL) return;
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL || path[1] != '/') continue;
        *path++ = '\0';
        controllers++;
        if (*controllers == '\0') take_group(root, &version_2, path, out);
        if (has_word(controllers, "memory")) take_group(root, &version_1_memory, path, out);
        if (has_word(controllers, "cpu")) take_group(root, &version_1_cpu, path, out);
    }
    fclose(file);
}

static cw_group_limits own_limits(void) {
    cw_group_limits limits;
    cw_group_limits_read("/sys/fs/cgroup", "/proc/self/cgroup", &limits);
    return limits;
}

/* ---- what is left ---- */

uint64_t cw_memory_available(void) {
    uint64_t bytes = read_keyed("/proc", "meminfo", "MemAvailable") * 1024; /* it counts in KiB */
    uint64_t left = own_limits().memory_left;
    if (left == UINT64_MAX) return bytes;
    if (left == 0) left = 1; /* full, and known to be */
    return bytes == 0 || left < bytes ? left : bytes;
}

uint64_t cw_memory_resident(void) {
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) return 0;
    unsigned long long pages = 0;
    if (fscanf(file, "%*u %llu", &pages) != 1) pages = 0;
    fclose(file);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

bool cw_disk_available(const char *path, uint64_t *bytes) {
    struct statvfs disk;
    if (statvfs(path, &disk) != 0) return false;
    *bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    return true;
}

int cw_cores_available(void) {
    cpu_set_t set;
    int bound = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    double share = ceil(own_limits().cores);
    return share < bound ? (int)share : bound;
}
