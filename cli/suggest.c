#include "cli.h"

#include <curlew/names.h>

#include <stdio.h>
#include <string.h>

#define MOST_NAMES 4 /* in one suggestion */
#define FEWEST     3 /* letters that a part of a name must have */

/* The first names that begin with `word`, or else that contain it. */
static int names_with(const char *word, bool begin, const char *const *names, int n,
                      const char **found) {
    size_t letters = strlen(word);
    int n_found = 0;
    for (int i = 0; letters >= FEWEST && i < n && n_found < MOST_NAMES; i++)
        if (begin ? strncmp(names[i], word, letters) == 0 : strstr(names[i], word) != NULL)
            found[n_found++] = names[i];
    return n_found;
}

const char *cli_suggest(const char *word, const char *const *names, int n, const char *otherwise,
                        cli_suggestion *out) {
    const char *found[MOST_NAMES];
    int n_found = names_with(word, true, names, n, found);
    if (n_found == 0 && (found[0] = cw_nearest_name(word, names, n)) != NULL) n_found = 1;
    if (n_found == 0) n_found = names_with(word, false, names, n, found);
    if (n_found == 0) {
        snprintf(out->text, sizeof out->text, "; %s", otherwise);
        return out->text;
    }
    size_t used = (size_t)snprintf(out->text, sizeof out->text, "; did you mean ");
    for (int i = 0; i < n_found && used < sizeof out->text; i++)
        used += (size_t)snprintf(out->text + used, sizeof out->text - used, "%s%s",
                                 i == 0            ? ""
                                 : i + 1 < n_found ? ", "
                                                   : " or ",
                                 found[i]);
    if (used < sizeof out->text) snprintf(out->text + used, sizeof out->text - used, "?");
    return out->text;
}
