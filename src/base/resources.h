/* What this process may use of the machine: what the kernel has, no more than its control groups
 * allow. Containers and job managers (Docker, Kubernetes, Slurm, systemd) set limits by such
 * groups. */
#ifndef CW_BASE_RESOURCES_H
#define CW_BASE_RESOURCES_H

#include <stdbool.h>
#include <stdint.h>

/* Bytes of RAM that can still be used without swapping, 0 when unknown: the kernel's MemAvailable,
 * or what the tightest control group leaves. Any thread. */
uint64_t cw_memory_available(void);

/* Bytes of RAM that this process occupies (resident set), 0 when unknown. Any thread. */
uint64_t cw_memory_resident(void);

/* Bytes that may still be written to the disk which `path` lies on; false when unknown. Any thread.
 */
bool cw_disk_available(const char *path, uint64_t *bytes);

/* Cores for the threads of an update, at least 1: those that this process is bound to, but no more
 * than its control groups' share of processor time, rounded up. Any thread. */
int cw_cores_available(void);

typedef struct cw_group_limits {
    uint64_t memory_left; /* bytes, page cache counted as free; UINT64_MAX without a limit */
    double cores;         /* seconds of processor time per second; INFINITY without a limit */
} cw_group_limits;

/* The tightest limits of the control groups (version 2, 1, or both) that `membership`, a file like
 * /proc/self/cgroup, names, and of the groups above them. `root` is the folder that they are
 * mounted in, /sys/fs/cgroup. A group that is not there is a container's, which sees its own as the
 * root. What cannot be read is no limit. Any thread. */
void cw_group_limits_read(const char *root, const char *membership, cw_group_limits *out);

#endif
