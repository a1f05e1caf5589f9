#include "train/config_api.h"

#include "base/error.h"
#include "base/memory.h"
#include "config/config.h"
#include "env/suite.h"

#include <stdio.h>
#include <string.h>

cw_status cw_config_create(cw_config **out) {
    CW_TRY(cw_alloc(out, 1, sizeof **out, "a configuration"));
    cw_settings_default(&(*out)->settings);
    return CW_OK;
}

void cw_config_destroy(cw_config *config) {
    cw_free(config);
}

cw_status cw_config_profile(cw_config *config, const char *name) {
    return cw_profile_apply(&config->settings, name);
}

cw_status cw_config_load(cw_config *config, const char *path) {
    return cw_settings_load(&config->settings, path);
}

cw_status cw_config_set(cw_config *config, const char *key, const char *value) {
    return cw_settings_set(&config->settings, key, value);
}

cw_status cw_config_get(const cw_config *config, const char *key, char *out, size_t out_bytes) {
    return cw_settings_get(&config->settings, key, out, out_bytes);
}

bool cw_key_info_get(int i, cw_key_info *out) {
    static const char *const types[] = {
        [CW_KEY_INT] = "integer", [CW_KEY_INT64] = "integer", [CW_KEY_UINT64] = "integer",
        [CW_KEY_REAL] = "real",   [CW_KEY_BOOL] = "boolean",  [CW_KEY_CHOICE] = "choice",
        [CW_KEY_TEXT] = "text",
    };
    int n;
    const cw_key *key = cw_keys(&n);
    if (i < 0 || i >= n) return false;
    key += i;
    *out = (cw_key_info){.name = key->name,
                         .type = types[key->type],
                         .initial = key->initial,
                         .meaning = key->meaning,
                         .source = key->source};
    return cw_key_range(key, out->range, sizeof out->range) == CW_OK;
}

const char *cw_profile_name(int i) {
    const char *const *names = cw_profile_names();
    for (int k = 0; names[k] != NULL; k++) {
        if (k == i) return names[k];
    }
    return NULL;
}

bool cw_task_info_get(int i, cw_task_info *out) {
    int n;
    const cw_task *task = cw_tasks(&n);
    if (i < 0 || i >= n) return false;
    *out = (cw_task_info){
        .name = task[i].name, .action_repeat = task[i].action_repeat, .summary = task[i].summary};
    return true;
}

const char *cw_version(void) {
    return CW_VERSION;
}
