/* The built-in profiles: configs/profile/NAME.ini, compiled in by CMakeLists.txt. */
#include "config/profile.h"

#include "base/error.h"
#include "config/key_text.h"

#include <stdio.h>
#include <string.h>

const char *const *cw_profile_names(void) {
    return cw_profile_name_table;
}

cw_status cw_profile_apply(cw_settings *settings, const char *name) {
    int n = 0;
    for (; cw_profile_name_table[n]; n++) {
        if (strcmp(cw_profile_name_table[n], name) != 0) continue;
        cw_settings next = *settings;
        char file[64];
        snprintf(file, sizeof file, "profile %.40s", name);
        CW_TRY(cw_settings_parse(&next, file, cw_profile_text_table[n], cw_profile_bytes_table[n],
                                 false));
        CW_TRY(cw_settings_set(&next, "run.profile", name));
        *settings = next;
        return CW_OK;
    }
    const char *near = cw_nearest_name(name, cw_profile_name_table, n);
    if (near) return cw_fail(CW_ENOTFOUND, "no profile \"%.80s\"; did you mean %s?", name, near);
    return cw_fail(CW_ENOTFOUND, "no profile \"%.80s\"; `curlew list profiles` shows them all",
                   name);
}
