/* The tables that embed_profiles.cmake writes from configs/profile; used by profile.c alone. */
#ifndef CW_CONFIG_PROFILE_H
#define CW_CONFIG_PROFILE_H

#include <stddef.h>

extern const char *const cw_profile_name_table[]; /* NULL-terminated */
extern const char *const cw_profile_text_table[]; /* INI text of each, NULL-terminated */
extern const size_t cw_profile_bytes_table[];     /* its length */

#endif
