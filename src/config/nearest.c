#include <curlew/names.h>

#include <ctype.h>
#include <string.h>

#define LONGEST 64 /* bytes; longer words have no near name */

static int smaller(int a, int b) {
    return a < b ? a : b;
}

/* Edits that turn a into b (insert, delete, replace, swap neighbours), both at most LONGEST. */
static int edit_distance(const char *a, int n_a, const char *b, int n_b) {
    int rows[3][LONGEST + 1];
    int *before = rows[0], *above = rows[1], *row = rows[2];
    for (int j = 0; j <= n_b; j++) above[j] = j;
    for (int i = 1; i <= n_a; i++) {
        row[0] = i;
        for (int j = 1; j <= n_b; j++) {
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
            row[j] = smaller(smaller(row[j - 1], above[j]) + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) &&
                y == tolower((unsigned char)a[i - 2]))
                row[j] = smaller(row[j], before[j - 2] + 1);
        }
        int *free_row = before;
        before = above, above = row, row = free_row;
    }
    return above[n_b];
}

const char *cw_nearest_name(const char *word, const char *const *candidates, int n) {
    size_t n_word = strlen(word);
    if (n_word == 0 || n_word > LONGEST) return NULL;
    const char *nearest = NULL;
    int least = 0;
    for (int i = 0; i < n; i++) {
        size_t n_name = strlen(candidates[i]);
        if (n_name > LONGEST) continue;
        int distance = edit_distance(word, (int)n_word, candidates[i], (int)n_name);
        int letters = (int)(n_word > n_name ? n_word : n_name);
        if (3 * distance > letters) continue;
        if (!nearest || distance < least) nearest = candidates[i], least = distance;
    }
    return nearest;
}
