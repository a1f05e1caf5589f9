/* INI files: a [section] line, then name = value lines; lines that begin with # or ; are comments.
 * Nothing else: no continuation lines, no comments after a value, no quotes. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "config/key_text.h"

#include <stdio.h>
#include <string.h>

#define FILE_MAX   (1 << 20) /* bytes; a configuration is a few KiB */
#define LINE_BYTES 2048      /* the longest text key, its name and blanks */
#define KEY_MAX    128       /* rows of the key table, checked against it */

typedef struct reader {
    const char *name;     /* of the file, for messages */
    int line;             /* 1-based */
    char section[64];     /* "" before the first section */
    bool seen[KEY_MAX];   /* by row of the key table */
    bool base_profile;    /* run.profile is applied, before the other keys */
    bool profile_pass;    /* this pass takes run.profile only */
    cw_settings settings; /* the values so far */
} reader;

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts blanks off both ends, in place. */
static char *trim(char *text) {
    while (is_blank(*text)) text++;
    size_t n = strlen(text);
    while (n > 0 && is_blank(text[n - 1])) text[--n] = '\0';
    return text;
}

static cw_status at_line(const reader *r, cw_status status) {
    return cw_fail_in(status == CW_ENOTFOUND ? CW_EINVAL : status, "%s:%d", r->name, r->line);
}

static cw_status read_section(reader *r, char *text) {
    size_t n = strlen(text);
    if (n < 3 || text[n - 1] != ']')
        return cw_fail(CW_EINVAL, "%s:%d: a section line is [name] and nothing else", r->name,
                       r->line);
    text[n - 1] = '\0';
    const char *name = trim(text + 1);
    size_t length = strlen(name);
    const char *sections[KEY_MAX];
    char names[KEY_MAX][32];
    int n_keys, n_sections = 0;
    const cw_key *keys = cw_keys(&n_keys);
    for (int i = 0; i < n_keys && i < KEY_MAX; i++) {
        size_t n_section = strcspn(keys[i].name, ".");
        if (n_section == length && strncmp(keys[i].name, name, length) == 0) {
            memcpy(r->section, name, length + 1);
            return CW_OK;
        }
        snprintf(names[n_sections], sizeof names[0], "%.*s", (int)n_section, keys[i].name);
        sections[n_sections] = names[n_sections];
        n_sections++;
    }
    const char *near = cw_nearest_name(name, sections, n_sections);
    if (near)
        return cw_fail(CW_EINVAL, "%s:%d: no section [%.40s]; did you mean [%s]?", r->name, r->line,
                       name, near);
    return cw_fail(CW_EINVAL, "%s:%d: no section [%.40s]; `curlew list keys` shows them all",
                   r->name, r->line, name);
}

static cw_status read_pair(reader *r, char *text) {
    char *equals = strchr(text, '=');
    if (!equals || equals == text)
        return cw_fail(CW_EINVAL, "%s:%d: a line is name = value, [section] or # comment", r->name,
                       r->line);
    *equals = '\0';
    const char *name = trim(text), *value = trim(equals + 1);
    if (r->section[0] == '\0')
        return cw_fail(CW_EINVAL, "%s:%d: %.40s stands before the first [section]", r->name,
                       r->line, name);
    char full[LINE_BYTES + sizeof r->section];
    snprintf(full, sizeof full, "%s.%s", r->section, name);
    const cw_key *key = cw_key_find(full);
    if (!key) return at_line(r, cw_key_unknown(full));
    int n;
    size_t row = (size_t)(key - cw_keys(&n));
    if (row >= KEY_MAX) return cw_fail(CW_EINVAL, "the key table has more than %d rows", KEY_MAX);
    if (r->seen[row])
        return cw_fail(CW_EINVAL, "%s:%d: %s is set for the second time", r->name, r->line, full);
    r->seen[row] = true;
    bool is_profile = strcmp(full, "run.profile") == 0;
    if (is_profile && !r->base_profile)
        return cw_fail(CW_EINVAL, "%s:%d: a profile cannot name another", r->name, r->line);
    if (is_profile != r->profile_pass) return CW_OK;
    cw_status status =
        is_profile ? cw_profile_apply(&r->settings, value) : cw_key_parse(key, value, &r->settings);
    return status == CW_OK ? CW_OK : at_line(r, status);
}

static cw_status read_line(reader *r, const char *line, size_t n) {
    char text[LINE_BYTES];
    if (n >= sizeof text)
        return cw_fail(CW_EINVAL, "%s:%d: a line of %zu bytes; at most %zu are allowed", r->name,
                       r->line, n, sizeof text - 1);
    if (memchr(line, '\0', n))
        return cw_fail(CW_EINVAL, "%s:%d: a zero byte; this is no text file", r->name, r->line);
    memcpy(text, line, n);
    text[n] = '\0';
    char *start = trim(text);
    if (start[0] == '\0' || start[0] == '#' || start[0] == ';') return CW_OK;
    return start[0] == '[' ? read_section(r, start) : read_pair(r, start);
}

static cw_status read_lines(reader *r, const char *text, size_t n) {
    memset(r->seen, 0, sizeof r->seen);
    r->section[0] = '\0';
    r->line = 0;
    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) text += 3, n -= 3; /* byte order mark */
    while (n > 0) {
        const char *end = memchr(text, '\n', n);
        size_t n_line = end ? (size_t)(end - text) : n;
        r->line++;
        CW_TRY(read_line(r, text, n_line));
        n -= end ? n_line + 1 : n_line;
        text += end ? n_line + 1 : n_line;
    }
    return CW_OK;
}

cw_status cw_settings_parse(cw_settings *settings, const char *name, const char *text, size_t n,
                            bool base_profile) {
    reader r = {.name = name, .base_profile = base_profile, .settings = *settings};
    if (base_profile) {
        r.profile_pass = true;
        CW_TRY(read_lines(&r, text, n));
    }
    r.profile_pass = false;
    CW_TRY(read_lines(&r, text, n));
    *settings = r.settings;
    return CW_OK;
}

cw_status cw_settings_load(cw_settings *settings, const char *path) {
    unsigned char *text = NULL;
    size_t n = 0;
    CW_TRY(cw_file_read(path, FILE_MAX, &text, &n));
    cw_status status = cw_settings_parse(settings, path, (const char *)text, n, true);
    cw_free(text);
    return status;
}

/* Prints every key; with out == NULL it only measures. */
static cw_status print_all(const cw_settings *settings, char *out, size_t out_bytes, size_t *n) {
    char value[LINE_BYTES], range[256];
    const char *section = "";
    size_t n_section = 0, used = 0;
    int n_keys;
    const cw_key *keys = cw_keys(&n_keys);
    for (int i = 0; i < n_keys; i++) {
        const char *name = strchr(keys[i].name, '.') + 1;
        char heading[64] = "";
        if (strncmp(keys[i].name, section, n_section + 1) != 0 || i == 0) {
            section = keys[i].name;
            n_section = (size_t)(name - 1 - section);
            snprintf(heading, sizeof heading, "%s[%.*s]\n", i > 0 ? "\n" : "", (int)n_section,
                     section);
        }
        CW_TRY(cw_key_format(&keys[i], settings, value, sizeof value));
        CW_TRY(cw_key_range(&keys[i], range, sizeof range));
        int added =
            snprintf(out ? out + used : NULL, out ? out_bytes - used : 0,
                     "%s# %s%s%s%s\n%s =%s%s\n", heading, keys[i].meaning, range[0] ? " (" : "",
                     range, range[0] ? ")" : "", name, value[0] ? " " : "", value);
        if (added < 0) return cw_fail(CW_EINVAL, "%s cannot be printed", keys[i].name);
        used += (size_t)added;
    }
    *n = used;
    return CW_OK;
}

cw_status cw_settings_print(const cw_settings *settings, char **out, size_t *n) {
    char *text = NULL;
    size_t length = 0;
    CW_TRY(print_all(settings, NULL, 0, &length));
    CW_TRY(cw_alloc(&text, cw_size_add(length, 1), 1, "configuration text"));
    cw_status status = print_all(settings, text, length + 1, &length);
    if (status != CW_OK) {
        cw_free(text);
        return status;
    }
    *out = text;
    *n = length;
    return CW_OK;
}
