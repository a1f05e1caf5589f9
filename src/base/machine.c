#include "base/machine.h"

#include <stdio.h>
#include <string.h>

void cw_cpu_name(char *out, size_t out_bytes) {
    static const char key[] = "model name";
    snprintf(out, out_bytes, "unknown processor");
    FILE *file = fopen("/proc/cpuinfo", "re");
    if (file == NULL) return;
    char line[256];
    while (fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, key, sizeof key - 1) != 0 || colon == NULL || colon[1] == '\0') continue;
        snprintf(out, out_bytes, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        break;
    }
    fclose(file);
}
