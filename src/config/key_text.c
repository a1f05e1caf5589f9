#include "config/key_text.h"

#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RANGE_BYTES 256

/* strtod with a decimal point in every locale, whole text, finite; false when it is not that. */
static bool read_real(const char *text, double *out) {
    if (text[0] == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0') return false;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (plain == (locale_t)0) return false;
    char *end;
    double value = strtod_l(text, &end, plain);
    freelocale(plain);
    if (*end != '\0' || !isfinite(value)) return false; /* a text without a number ends at once */
    *out = value;
    return true;
}

/* The shortest text that reads back, in the locale in use; 17 digits always do. More digits than
 * it takes are of use only while an exponent stands there: 100 is shorter than 1e+02. */
static size_t shortest_text(double value, char text[64]) {
    char next[64];
    size_t n_text = SIZE_MAX;
    bool plain = false;
    for (int digits = 1; digits <= 17 && !plain; digits++) {
        size_t n = (size_t)snprintf(next, sizeof next, "%.*g", digits, value);
        if (n >= n_text || strtod(next, NULL) != value) continue;
        memcpy(text, next, n + 1);
        n_text = n;
        plain = strchr(text, 'e') == NULL;
    }
    return n_text;
}

cw_status cw_real_format(double value, char *out, size_t out_bytes) {
    char text[64];
    if (!isfinite(value)) return cw_fail(CW_EINVAL, "a number that is not finite has no text");
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (plain == (locale_t)0) return cw_fail(CW_ENOMEM, "no memory for the C locale");
    locale_t before = uselocale(plain);
    size_t n = shortest_text(value, text);
    uselocale(before);
    freelocale(plain);
    if (n >= out_bytes) return cw_fail(CW_EINVAL, "a number needs more than %zu bytes", out_bytes);
    memcpy(out, text, n + 1);
    return CW_OK;
}

/* An optional sign and digits; false for anything else, also for what does not fit. */
static bool read_integer(const char *text, int64_t *out) {
    const char *digits = text + (text[0] == '-' || text[0] == '+');
    if (digits[0] == '\0' || digits[strspn(digits, "0123456789")] != '\0') return false;
    errno = 0;
    intmax_t value = strtoimax(text, NULL, 10);
    if (errno == ERANGE) return false;
    *out = (int64_t)value;
    return true;
}

static bool read_unsigned(const char *text, uint64_t *out) {
    if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0') return false;
    errno = 0;
    uintmax_t value = strtoumax(text, NULL, 10);
    if (errno == ERANGE) return false;
    *out = (uint64_t)value;
    return true;
}

const cw_key *cw_key_find(const char *name) {
    int n;
    const cw_key *keys = cw_keys(&n);
    for (int i = 0; i < n; i++)
        if (strcmp(keys[i].name, name) == 0) return &keys[i];
    return NULL;
}

cw_status cw_key_unknown(const char *name) {
    const char *names[CW_KEYS_MAX];
    int n;
    const cw_key *keys = cw_keys(&n);
    const char *near = NULL;
    for (int i = 0; i < n; i++) {
        names[i] = keys[i].name;
        /* A key without its section is the likeliest slip. */
        if (!near && strcmp(strchr(keys[i].name, '.') + 1, name) == 0) near = keys[i].name;
    }
    if (!near) near = cw_nearest_name(name, names, n);
    if (near) return cw_fail(CW_ENOTFOUND, "no key \"%.80s\"; did you mean %s?", name, near);
    return cw_fail(CW_ENOTFOUND, "no key \"%.80s\"; `curlew list keys` shows them all", name);
}

static cw_status append(char *out, size_t out_bytes, size_t *used, const char *text) {
    size_t n = strlen(text);
    if (*used + n >= out_bytes)
        return cw_fail(CW_EINVAL, "a range needs more than %zu bytes", out_bytes);
    memcpy(out + *used, text, n + 1);
    *used += n;
    return CW_OK;
}

cw_status cw_key_range(const cw_key *key, char *out, size_t out_bytes) {
    size_t used = 0;
    char low[64], high[64];
    CW_TRY(append(out, out_bytes, &used, ""));
    switch (key->type) {
    case CW_KEY_TEXT:
        return CW_OK;
    case CW_KEY_BOOL:
        return append(out, out_bytes, &used, "true | false");
    case CW_KEY_CHOICE:
        for (int i = 0; key->choices[i]; i++) {
            if (i > 0) CW_TRY(append(out, out_bytes, &used, " | "));
            CW_TRY(append(out, out_bytes, &used, key->choices[i]));
        }
        return CW_OK;
    case CW_KEY_UINT64:
        return append(out, out_bytes, &used, "0 to 18446744073709551615");
    case CW_KEY_INT:
    case CW_KEY_INT64:
        snprintf(low, sizeof low, "%.0f", key->min);
        snprintf(high, sizeof high, "%.0f", key->max);
        break;
    default: /* CW_KEY_REAL */
        CW_TRY(cw_real_format(key->min, low, sizeof low));
        CW_TRY(cw_real_format(key->max, high, sizeof high));
        break;
    }
    CW_TRY(append(out, out_bytes, &used, low));
    CW_TRY(append(out, out_bytes, &used, " to "));
    return append(out, out_bytes, &used, high);
}

static cw_status refuse(const cw_key *key, const char *text, const char *what) {
    char range[RANGE_BYTES];
    CW_TRY(cw_key_range(key, range, sizeof range));
    return cw_fail(CW_EINVAL, "%s=%.80s: %s %s", key->name, text, what, range);
}

/* Text goes into one line of an INI file and must come back unchanged. */
static cw_status parse_text(const cw_key *key, const char *text, char *field) {
    size_t n = strlen(text);
    if (n >= key->text_bytes)
        return cw_fail(CW_EINVAL, "%s: a text of %zu bytes; at most %zu are allowed", key->name, n,
                       key->text_bytes - 1);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 127)
            return cw_fail(CW_EINVAL, "%s: the text holds control character %d", key->name,
                           (unsigned char)text[i]);
    if (n > 0 && (text[0] == ' ' || text[n - 1] == ' '))
        return cw_fail(CW_EINVAL, "%s: the text begins or ends with a blank", key->name);
    if (text[0] == ';' || strstr(text, " ;"))
        return cw_fail(CW_EINVAL,
                       "%s: the text holds a ; at its start or after a blank, where a "
                       "comment begins in a file",
                       key->name);
    memset(field, 0, key->text_bytes);
    memcpy(field, text, n + 1);
    return CW_OK;
}

cw_status cw_key_parse(const cw_key *key, const char *text, cw_settings *settings) {
    void *field = (char *)settings + key->offset;
    int64_t whole = 0;
    uint64_t natural = 0;
    double real = 0;
    switch (key->type) {
    case CW_KEY_TEXT:
        return parse_text(key, text, field);
    case CW_KEY_BOOL:
        if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
            return refuse(key, text, "must be");
        *(bool *)field = text[0] == 't';
        return CW_OK;
    case CW_KEY_CHOICE:
        for (int i = 0; key->choices[i]; i++)
            if (strcmp(key->choices[i], text) == 0) {
                memcpy(field, &i, sizeof i);
                return CW_OK;
            }
        return refuse(key, text, "must be");
    case CW_KEY_UINT64:
        if (!read_unsigned(text, &natural)) return refuse(key, text, "must be a whole number,");
        *(uint64_t *)field = natural;
        return CW_OK;
    case CW_KEY_INT:
    case CW_KEY_INT64:
        if (!read_integer(text, &whole) || (double)whole < key->min || (double)whole > key->max)
            return refuse(key, text, "must be a whole number,");
        if (key->type == CW_KEY_INT)
            *(int *)field = (int)whole;
        else
            *(int64_t *)field = whole;
        return CW_OK;
    default: /* CW_KEY_REAL */
        if (!read_real(text, &real) || real < key->min || real > key->max)
            return refuse(key, text, "must be a number,");
        *(double *)field = real;
        return CW_OK;
    }
}

cw_status cw_key_format(const cw_key *key, const cw_settings *settings, char *out,
                        size_t out_bytes) {
    const void *field = (const char *)settings + key->offset;
    char number[32] = "";
    const char *text = number;
    int choice, n_choices = 0;
    switch (key->type) {
    case CW_KEY_TEXT:
        text = field;
        break;
    case CW_KEY_BOOL:
        text = *(const bool *)field ? "true" : "false";
        break;
    case CW_KEY_CHOICE:
        memcpy(&choice, field, sizeof choice);
        while (key->choices[n_choices]) n_choices++;
        if (choice < 0 || choice >= n_choices)
            return cw_fail(CW_EINVAL, "%s holds %d, which is none of its choices", key->name,
                           choice);
        text = key->choices[choice];
        break;
    case CW_KEY_UINT64:
        snprintf(number, sizeof number, "%" PRIu64, *(const uint64_t *)field);
        break;
    case CW_KEY_INT:
        snprintf(number, sizeof number, "%d", *(const int *)field);
        break;
    case CW_KEY_INT64:
        snprintf(number, sizeof number, "%" PRId64, *(const int64_t *)field);
        break;
    default: /* CW_KEY_REAL */
        CW_TRY(cw_real_format(*(const double *)field, number, sizeof number));
        break;
    }
    size_t n = strlen(text);
    if (n >= out_bytes)
        return cw_fail(CW_EINVAL, "%s needs %zu bytes, the caller gives %zu", key->name, n + 1,
                       out_bytes);
    memcpy(out, text, n + 1);
    return CW_OK;
}
