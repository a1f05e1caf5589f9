/* INI files, read by inih: [section] lines, name = value lines, lines that begin with # or ;, and
 * comments that begin with a blank and ; after a value. What the library would also take, or cut
 * without a word (long lines, continuation lines, name : value, words after a section), is dealt
 * with in next_line, before the library sees it. */
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "config/key_text.h"

#include <ctype.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX    (1 << 20) /* bytes; a configuration is a few KiB */
#define LINE_ENDING 3         /* bytes of the library's line buffer that a line leaves free */
#define SHAPE       "a line is name = value, [section] or # comment"

/* Every text that is printed fits its line with "name = ", or the file could not be read back. */
_Static_assert(CW_SETTING_TEXT + 40 < INI_MAX_LINE - LINE_ENDING, "texts fit a line");

typedef struct reader {
    const char *name;       /* of the file, for messages */
    const char *text;       /* what is not read yet */
    size_t n;               /* bytes of it */
    int line;               /* 1-based, of the line that the library has now */
    cw_status status;       /* the first failure; the file ends there */
    bool seen[CW_KEYS_MAX]; /* by row of the key table */
    bool base_profile;      /* run.profile is applied, before the other keys */
    bool profile_pass;      /* this pass takes run.profile only */
    cw_settings settings;   /* the values so far */
} reader;

/* Cuts blanks off both ends of *n bytes, by the library's own measure of a blank. */
static const char *trim(const char *text, size_t *n) {
    while (*n > 0 && isspace((unsigned char)text[0])) text++, --*n;
    while (*n > 0 && isspace((unsigned char)text[*n - 1])) --*n;
    return text;
}

static cw_status at_line(const reader *r, cw_status status) {
    return cw_fail_in(status == CW_ENOTFOUND ? CW_EINVAL : status, "%s:%d", r->name, r->line);
}

/* The key table has a section of this name, length bytes long. */
static cw_status check_section(const reader *r, const char *name, size_t length) {
    const char *sections[CW_KEYS_MAX];
    char names[CW_KEYS_MAX][32], wrong[64];
    int n_keys, n_sections = 0;
    const cw_key *keys = cw_keys(&n_keys);
    for (int i = 0; i < n_keys; i++)
        if (strncmp(keys[i].name, name, length) == 0 && keys[i].name[length] == '.') return CW_OK;
    for (int i = 0; i < n_keys; i++) {
        size_t n_section = strcspn(keys[i].name, ".") + 1;
        if (i > 0 && strncmp(keys[i].name, keys[i - 1].name, n_section) == 0) continue;
        snprintf(names[n_sections], sizeof names[0], "%.*s", (int)n_section - 1, keys[i].name);
        sections[n_sections] = names[n_sections];
        n_sections++;
    }
    snprintf(wrong, sizeof wrong, "%.*s", (int)length, name);
    const char *near = cw_nearest_name(wrong, sections, n_sections);
    if (near)
        return cw_fail(CW_EINVAL, "%s:%d: no section [%.40s]; did you mean [%s]?", r->name, r->line,
                       wrong, near);
    return cw_fail(CW_EINVAL, "%s:%d: no section [%.40s]; `curlew list keys` shows them all",
                   r->name, r->line, wrong);
}

/* A section line is [name], then nothing or a comment: the library reads no further than ]. It
 * tells of a section only with a name = value line, so the name is looked up here. */
static cw_status check_section_line(const reader *r, const char *line, size_t n) {
    const char *end = memchr(line, ']', n);
    size_t length = end ? (size_t)(end - line) - 1 : 0;
    size_t n_rest = end ? n - length - 2 : 0;
    bool comment = n_rest > 1 && isspace((unsigned char)end[1]) && *trim(end + 1, &n_rest) == ';';
    if (length == 0 || (n_rest > 0 && !comment))
        return cw_fail(CW_EINVAL, "%s:%d: a section line is [name] and nothing else", r->name,
                       r->line);
    const char *name = trim(line + 1, &length);
    return check_section(r, name, length);
}

/* What the library would cut, join or read in its own way; most is its longest line. */
static cw_status check_line(const reader *r, const char *line, size_t n, size_t most) {
    if (n > most)
        return cw_fail(CW_EINVAL, "%s:%d: a line of %zu bytes; at most %zu are allowed", r->name,
                       r->line, n, most);
    if (memchr(line, '\0', n))
        return cw_fail(CW_EINVAL, "%s:%d: a zero byte; this is no text file", r->name, r->line);
    if (n == 0 || line[0] == '#' || line[0] == ';') return CW_OK;
    if (line[0] == '[') return check_section_line(r, line, n);
    const char *colon = memchr(line, ':', n), *equals = memchr(line, '=', n);
    if (colon && (!equals || colon < equals))
        return cw_fail(CW_EINVAL, "%s:%d: " SHAPE, r->name, r->line);
    return CW_OK;
}

/* fgets for the library: the next line of a reader in room bytes, NULL at the end or after a
 * failure. Lines come without the blanks before them, which would make them part of the value
 * above, and whole, so that the library counts lines as this does. */
static char *next_line(char *out, int room, void *stream) {
    reader *r = stream;
    if (r->status != CW_OK || r->n == 0) return NULL;
    const char *end = memchr(r->text, '\n', r->n);
    size_t n = end ? (size_t)(end - r->text) : r->n;
    size_t taken = end ? n + 1 : n;
    const char *line = trim(r->text, &n);
    r->text += taken;
    r->n -= taken;
    r->line++;
    r->status = check_line(r, line, n, (size_t)room - LINE_ENDING);
    if (r->status != CW_OK) return NULL;
    memcpy(out, line, n);
    memcpy(out + n, "\n", 2);
    return out;
}

static cw_status read_pair(reader *r, const char *section, const char *name, const char *value) {
    if (name[0] == '\0') return cw_fail(CW_EINVAL, "%s:%d: " SHAPE, r->name, r->line);
    size_t n_section = strlen(section);
    section = trim(section, &n_section);
    if (n_section == 0)
        return cw_fail(CW_EINVAL, "%s:%d: %.40s stands before the first [section]", r->name,
                       r->line, name);
    char full[INI_MAX_LINE];
    snprintf(full, sizeof full, "%.*s.%s", (int)n_section, section, name);
    const cw_key *key = cw_key_find(full);
    if (!key) return at_line(r, cw_key_unknown(full));
    int n;
    size_t row = (size_t)(key - cw_keys(&n));
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

/* The library's handler: zero is a failure. */
static int take_pair(void *user, const char *section, const char *name, const char *value) {
    reader *r = user;
    r->status = read_pair(r, section, name, value); /* after a failure there is no next line */
    return r->status == CW_OK;
}

static cw_status read_lines(reader *r, const char *text, size_t n) {
    bool marked = n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0; /* byte order mark */
    memset(r->seen, 0, sizeof r->seen);
    r->text = marked ? text + 3 : text;
    r->n = marked ? n - 3 : n;
    r->line = 0;
    r->status = CW_OK;
    int wrong = ini_parse_stream(next_line, r, take_pair, r);
    /* The library goes on after a line of no shape; a failure of ours further down came later. */
    if (wrong > 0 && (r->status == CW_OK || wrong < r->line))
        return cw_fail(CW_EINVAL, "%s:%d: " SHAPE, r->name, wrong);
    if (wrong < 0) return cw_fail(CW_ENOMEM, "%s: no memory to read a line", r->name);
    return r->status;
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

/* Prints every key but those of one call. */
static cw_status print_keys(const cw_settings *settings, cw_text *out) {
    char value[CW_SETTING_TEXT], range[256];
    const char *section = "";
    size_t n_section = 0;
    int n_keys;
    const cw_key *keys = cw_keys(&n_keys);
    for (int i = 0; i < n_keys; i++) {
        if (cw_key_of_one_call(&keys[i])) continue;
        const char *name = strchr(keys[i].name, '.') + 1;
        if (strncmp(keys[i].name, section, n_section + 1) != 0) {
            section = keys[i].name;
            n_section = (size_t)(name - 1 - section);
            cw_text_format(out, "%s[%.*s]\n", i > 0 ? "\n" : "", (int)n_section, section);
        }
        CW_TRY(cw_key_format(&keys[i], settings, value, sizeof value));
        CW_TRY(cw_key_range(&keys[i], range, sizeof range));
        cw_text_format(out, "# %s%s%s%s\n%s =%s%s\n", keys[i].meaning, range[0] ? " (" : "", range,
                       range[0] ? ")" : "", name, value[0] ? " " : "", value);
    }
    return out->status;
}

cw_status cw_settings_print(const cw_settings *settings, char **out, size_t *n) {
    cw_text text = {0};
    cw_status status = print_keys(settings, &text);
    if (status != CW_OK) {
        cw_text_free(&text);
        return status;
    }
    *out = text.bytes;
    *n = text.n;
    return CW_OK;
}
