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

bool cw_key_of_one_call(const cw_key *key) {
    return key->offset == offsetof(cw_settings, run.out) ||
           key->offset == offsetof(cw_settings, run.fresh);
}

const cw_key *cw_settings_difference(const cw_settings *a, const cw_settings *b, int *i) {
    int n;
    const cw_key *keys = cw_keys(&n);
    while (*i < n) {
        const cw_key *key = &keys[(*i)++];
        const char *x = (const char *)a + key->offset;
        const char *y = (const char *)b + key->offset;
        bool same =
            key->type == CW_KEY_TEXT ? strcmp(x, y) == 0 : memcmp(x, y, field_bytes(key)) == 0;
        if (!same && !cw_key_of_one_call(key)) return key;
    }
    return NULL;
}

const cw_key *cw_settings_conflict(const cw_settings *old_settings,
                                   const cw_settings *new_settings) {
    int i = 0;
    const cw_key *key = cw_settings_difference(old_settings, new_settings, &i);
    while (key != NULL && key->may_change) {
        key = cw_settings_difference(old_settings, new_settings, &i);
    }
    return key;
}
