/* Reading and writing settings: profile files, run configurations and section.key=value words. */
#ifndef CW_CONFIG_CONFIG_H
#define CW_CONFIG_CONFIG_H

#include "config/settings.h"

#include <curlew/names.h>
#include <curlew/status.h>

#include <stddef.h>

typedef enum cw_key_type {
    CW_KEY_INT,
    CW_KEY_INT64,
    CW_KEY_UINT64,
    CW_KEY_REAL,
    CW_KEY_BOOL,
    CW_KEY_CHOICE,
    CW_KEY_TEXT
} cw_key_type;

/* One row of the key table. */
typedef struct cw_key {
    const char *name; /* "section.key" */
    cw_key_type type;
    bool may_change;            /* may differ when a run goes on */
    size_t offset;              /* of the field in cw_settings */
    size_t text_bytes;          /* size of a CW_KEY_TEXT field */
    double min, max;            /* inclusive range of numbers */
    const char *const *choices; /* CW_KEY_CHOICE: names by enum value, NULL-terminated */
    const char *initial;        /* default (profile `paper`), as text */
    const char *meaning;        /* one sentence, with the unit */
    const char *source;         /* where the default comes from */
} cw_key;

#define CW_KEYS_MAX 128 /* rows of the table at most */

/* The whole table, in documentation order; *n rows. */
const cw_key *cw_keys(int *n);

/* What a value may be: "0 to 1", "a | b", "true | false", or "" for text. CW_EINVAL when it does
 * not fit. */
cw_status cw_key_range(const cw_key *key, char *out, size_t out_bytes);

/* Every key at its default. */
void cw_settings_default(cw_settings *out);

/* Sets one key. Unknown key: CW_ENOTFOUND naming the nearest key; bad value: CW_EINVAL naming
 * the key, the value and what is allowed. `settings` is unchanged on failure. */
cw_status cw_settings_set(cw_settings *settings, const char *name, const char *value);

/* A key's value as text that cw_settings_set reads back to the same bits. */
cw_status cw_settings_get(const cw_settings *settings, const char *name, char *out,
                          size_t out_bytes);

/* Applies an INI file; the message of a failure names file and line. All or nothing. A line is at
 * most 197 bytes without the blanks at its ends; a blank and ; after a value begin a comment. */
cw_status cw_settings_load(cw_settings *settings, const char *path);

/* The resolved configuration as INI text with one comment per key; n bytes without the final
 * zero go to *n, text to a cw_alloc block. Keys that belong to one call are left out: run.out, as
 * the file lies in that folder, which may be moved, and a path may be longer than a line; and
 * run.fresh. cw_settings_load reads everything else back. */
cw_status cw_settings_print(const cw_settings *settings, char **out, size_t *n);

/* Rules between keys (a crop no larger than the image, maps that do not vanish, ...). */
cw_status cw_settings_check(const cw_settings *settings);

/* Names of the built-in profiles, NULL-terminated, and applying one by name
 * (the INI files of configs/profile are compiled in). */
const char *const *cw_profile_names(void);
cw_status cw_profile_apply(cw_settings *settings, const char *name);

/* The first key from row *i of the table on whose values differ, and *i behind it; NULL when there
 * is none. Keys that belong to one call (run.out, run.fresh) are not compared. */
const cw_key *cw_settings_difference(const cw_settings *a, const cw_settings *b, int *i);

/* The first key whose values differ and that may not change when a run goes on; NULL if none. */
const cw_key *cw_settings_conflict(const cw_settings *old_settings,
                                   const cw_settings *new_settings);

#endif
