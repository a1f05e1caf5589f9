/* Where the control suite's model files lie. */
#ifndef CW_ENV_DMCONTROL_MODELS_H
#define CW_ENV_DMCONTROL_MODELS_H

#include <curlew/status.h>

#include <stddef.h>

/* Path of a model file ("cartpole.xml") in the folder that the environment variable CURLEW_MODELS
 * names, else in the one that goes with the libmujoco in use. Does not say that it is there. */
cw_status cw_dm_model_path(const char *file, char *out, size_t out_bytes);

#endif
