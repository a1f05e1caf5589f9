#include "train/machine.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* The processor's name from /proc/cpuinfo, whose lines are "model name<tab>: NAME". */
static void read_processor(char *out, size_t out_bytes) {
    char line[512];
    FILE *file = fopen("/proc/cpuinfo", "re");
    snprintf(out, out_bytes, "unnamed processor");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || colon == NULL) continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(out, out_bytes, "%s", colon + 1 + strspn(colon + 1, " "));
        break;
    }
    if (file != NULL) fclose(file);
}

void cw_machine_describe(char *out, size_t out_bytes) {
    char processor[256];
    struct utsname system;
    read_processor(processor, sizeof processor);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    double bytes = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    int n = snprintf(out, out_bytes, "%s, %ld cores, %.1f GB", processor, cores, 1e-9 * bytes);
    if (n > 0 && (size_t)n < out_bytes && uname(&system) == 0) {
        snprintf(out + n, out_bytes - (size_t)n, ", %s %s %s", system.sysname, system.release,
                 system.machine);
    }
}
