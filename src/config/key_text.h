/* One key's value as text and back; helpers inside config/. */
#ifndef CW_CONFIG_KEY_TEXT_H
#define CW_CONFIG_KEY_TEXT_H

#include "config/config.h"

/* The row of a name, NULL when there is none. */
const cw_key *cw_key_find(const char *name);

/* Records CW_ENOTFOUND with the nearest name, and returns it. */
cw_status cw_key_unknown(const char *name);

/* Whether a key belongs to one call and not to the run: not printed, not compared. */
bool cw_key_of_one_call(const cw_key *key);

/* Parses text for a key into settings; CW_EINVAL naming key, value and what is allowed. */
cw_status cw_key_parse(const cw_key *key, const char *text, cw_settings *settings);

/* Writes a key's value; CW_EINVAL when out_bytes is too small. */
cw_status cw_key_format(const cw_key *key, const cw_settings *settings, char *out,
                        size_t out_bytes);

/* Shortest decimal text that reads back to the same double, with a point whatever the locale. */
cw_status cw_real_format(double value, char *out, size_t out_bytes);

/* Applies INI text over `settings`; `name` stands before the line number in messages. With
 * base_profile, a key run.profile is applied before all others; without it that key is refused. */
cw_status cw_settings_parse(cw_settings *settings, const char *name, const char *text, size_t n,
                            bool base_profile);

#endif
