#include "train/folder.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "config/config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOCK_NAME ".lock" /* cw_dir_lock's */

cw_status cw_folder_path(char out[CW_PATH], const char *run, const char *name) {
    return cw_path_join(out, CW_PATH, run, name);
}

cw_status cw_folder_settings(const char *run, cw_settings *out) {
    char path[CW_PATH];
    CW_TRY(cw_folder_path(path, run, CW_CONFIG_NAME));
    if (!cw_file_exists(path)) {
        return cw_fail(CW_ENOTFOUND, "%s is not a run folder: it has no " CW_CONFIG_NAME, run);
    }
    cw_settings settings;
    cw_settings_default(&settings);
    cw_status status = cw_settings_load(&settings, path);
    if (status == CW_EINVAL) {
        return cw_fail_in(CW_EFORMAT, "%s is a run of another version of curlew", run);
    }
    CW_TRY(status);
    snprintf(settings.run.out, sizeof settings.run.out, "%s", run); /* it may have been moved */
    *out = settings;
    return CW_OK;
}

static cw_status write_config(const cw_settings *settings) {
    char path[CW_PATH];
    CW_TRY(cw_folder_path(path, settings->run.out, CW_CONFIG_NAME));
    char *text;
    size_t n;
    CW_TRY(cw_settings_print(settings, &text, &n));
    cw_status status = cw_file_write_atomic(path, text, n);
    cw_free(text);
    return status;
}

static cw_status check_conflict(const cw_settings *settings, bool *resumed, cw_settings *old) {
    cw_status status = cw_folder_settings(settings->run.out, old);
    *resumed = status == CW_OK;
    if (status == CW_ENOTFOUND) return CW_OK;
    CW_TRY(status);
    const cw_key *key = cw_settings_conflict(old, settings);
    if (key == NULL) return CW_OK;
    char before[CW_SETTING_TEXT * 4], now[CW_SETTING_TEXT * 4];
    CW_TRY(cw_settings_get(old, key->name, before, sizeof before));
    CW_TRY(cw_settings_get(settings, key->name, now, sizeof now));
    return cw_fail(CW_EINVAL,
                   "%s holds a run with %s = %s, not %s: use that value to go on, or another "
                   "--out folder to start anew",
                   settings->run.out, key->name, before, now);
}

/* With run.fresh: nothing may lie in the folder but the lock. */
static cw_status check_fresh(const cw_settings *settings) {
    const char *out = settings->run.out;
    if (!settings->run.fresh) return CW_OK;
    DIR *dir = cw_file_fault_due() ? NULL : opendir(out);
    if (dir == NULL) return cw_fail(CW_EIO, "cannot list %s: %s", out, strerror(errno));
    bool empty = true;
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        empty = empty && (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
                          strcmp(e->d_name, LOCK_NAME) == 0);
    }
    closedir(dir);
    if (empty) return CW_OK;
    return cw_fail(CW_EINVAL,
                   "%s is not empty, and --fresh (run.fresh) starts a run in an empty folder only: "
                   "choose another --out, remove the folder, or leave --fresh out to go on",
                   out);
}

cw_status cw_folder_open(const cw_settings *settings, int *lock_fd, bool *resumed,
                         cw_settings *before) {
    CW_TRY(cw_dir_make(settings->run.out));
    CW_TRY(check_fresh(settings)); /* leaves no lock file in somebody's folder */
    CW_TRY(cw_dir_lock(settings->run.out, lock_fd));
    cw_status status = check_fresh(settings);
    if (status == CW_OK) status = check_conflict(settings, resumed, before);
    if (status == CW_OK) status = write_config(settings);
    if (status != CW_OK) {
        cw_folder_close(*lock_fd);
        *lock_fd = -1;
    }
    return status;
}

void cw_folder_close(int lock_fd) {
    cw_dir_unlock(lock_fd);
}
