/* The public configuration object is the settings struct. */
#ifndef CW_TRAIN_CONFIG_API_H
#define CW_TRAIN_CONFIG_API_H

#include "config/settings.h"

#include <curlew/run.h>

struct cw_config {
    cw_settings settings;
};

#endif
