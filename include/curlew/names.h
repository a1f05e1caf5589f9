/* "Did you mean": the nearest name to a mistyped one. */
#ifndef CURLEW_NAMES_H
#define CURLEW_NAMES_H

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default) /* exported by the shared library */

/* The candidate nearest to `word` by edit distance (insert, delete, replace, swap neighbours;
 * letter case counts as nothing), the first of equals; NULL when none is near: more than a third
 * of the letters would change. Any thread. */
const char *cw_nearest_name(const char *word, const char *const *candidates, int n);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
