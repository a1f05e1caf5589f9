#include "env/dmcontrol/models.h"

#include "base/error.h"
#include "base/file.h"

#include <dlfcn.h>
#include <mujoco/mujoco.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Seen from libmujoco's folder: an installed curlew, and what tools/fetch_third_party.sh makes.
 * libmujoco is the one file that is found at run time wherever curlew was moved, whether the host
 * links the shared or the static library. */
static const char *const folders[] = {"models", "../../dm_control/suite"};

static cw_status mujoco_folder(char *out, size_t out_bytes) {
    Dl_info info;
    int (*const function)(void) = mj_version;
    const void *address;
    memcpy(&address, &function, sizeof address);
    if (dladdr(address, &info) == 0 || !info.dli_fname)
        return cw_fail(CW_ENOTFOUND, "cannot tell where libmujoco was loaded from; set "
                                     "CURLEW_MODELS to the folder of dm_control's suite/*.xml");
    const char *slash = strrchr(info.dli_fname, '/');
    size_t n = slash ? (size_t)(slash - info.dli_fname) : 1;
    if (n >= out_bytes)
        return cw_fail(CW_EINVAL, "the path of libmujoco is too long: %s", info.dli_fname);
    memcpy(out, slash ? info.dli_fname : ".", n);
    out[n] = '\0';
    return CW_OK;
}

cw_status cw_dm_model_path(const char *file, char *out, size_t out_bytes) {
    char base[1024], folder[1100];
    const char *own = getenv("CURLEW_MODELS");
    if (own && *own) return cw_path_join(out, out_bytes, own, file);
    CW_TRY(mujoco_folder(base, sizeof base));
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        CW_TRY(cw_path_join(folder, sizeof folder, base, folders[i]));
        CW_TRY(cw_path_join(out, out_bytes, folder, file));
        if (access(out, R_OK) == 0) return CW_OK;
    }
    return CW_OK;
}
