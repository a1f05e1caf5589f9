#include "base/error.h"
#include "config/key_text.h"

#include <string.h>

void cw_settings_default(cw_settings *out) {
    /* Zeroed first, so that two equal settings are equal bytes, padding and text tails included. */
    memset(out, 0, sizeof *out);
    int n;
    const cw_key *keys = cw_keys(&n);
    /* Initial values parse: a test holds every row to it. */
    for (int i = 0; i < n; i++) (void)cw_key_parse(&keys[i], keys[i].initial, out);
}

cw_status cw_settings_set(cw_settings *settings, const char *name, const char *value) {
    const cw_key *key = cw_key_find(name);
    if (!key) return cw_key_unknown(name);
    return cw_key_parse(key, value, settings);
}

cw_status cw_settings_get(const cw_settings *settings, const char *name, char *out,
                          size_t out_bytes) {
    const cw_key *key = cw_key_find(name);
    if (!key) return cw_key_unknown(name);
    return cw_key_format(key, settings, out, out_bytes);
}

/* Bytes of a key's field. */
static size_t field_bytes(const cw_key *key) {
    switch (key->type) {
    case CW_KEY_TEXT:
        return key->text_bytes;
    case CW_KEY_BOOL:
        return sizeof(bool);
    case CW_KEY_INT:
    case CW_KEY_CHOICE:
        return sizeof(int);
    case CW_KEY_INT64:
    case CW_KEY_UINT64:
    case CW_KEY_REAL:
        break;
    }
    return sizeof(int64_t);
}

const cw_key *cw_settings_conflict(const cw_settings *old_settings,
                                   const cw_settings *new_settings) {
    int n;
    const cw_key *keys = cw_keys(&n);
    for (int i = 0; i < n; i++) {
        const char *a = (const char *)old_settings + keys[i].offset;
        const char *b = (const char *)new_settings + keys[i].offset;
        bool same = keys[i].type == CW_KEY_TEXT ? strcmp(a, b) == 0
                                                : memcmp(a, b, field_bytes(&keys[i])) == 0;
        if (!same && !keys[i].may_change) return &keys[i];
    }
    return NULL;
}
