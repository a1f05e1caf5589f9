/* The run folder: where each file lies, its lock, and its configuration. */
#ifndef CW_TRAIN_FOLDER_H
#define CW_TRAIN_FOLDER_H

#include "config/settings.h"

#include <curlew/status.h>

#include <stdbool.h>
#include <stddef.h>

#define CW_PATH 1280

#define CW_CONFIG_NAME "config.ini" /* what makes a folder a run's */

/* Makes the folder, locks it, and writes config.ini; when the folder holds a run already
 * (*resumed), checks that no setting differs that must not change (CW_EINVAL names the first), and
 * gives that run's earlier settings in *before. With run.fresh, CW_EINVAL unless the folder is
 * empty. CW_EBUSY when another process has it. */
cw_status cw_folder_open(const cw_settings *settings, int *lock_fd, bool *resumed,
                         cw_settings *before);
void cw_folder_close(int lock_fd);

/* Reads the configuration of an existing run folder; CW_ENOTFOUND when it is none, CW_EFORMAT when
 * it has keys or values that this version does not know. */
cw_status cw_folder_settings(const char *run, cw_settings *out);

/* run/name into out (CW_PATH bytes). */
cw_status cw_folder_path(char out[CW_PATH], const char *run, const char *name);

#endif
