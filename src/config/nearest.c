#include <curlew/names.h>

#include <ctype.h>
#include <string.h>

#define LONGEST 64 /* bytes; longer words have no near name */

/* A word in small letters: capitals are no edits. */
typedef struct letters {
    int n; /* at most LONGEST */
    unsigned char at[LONGEST];
} letters;

static letters small_letters(const char *text, size_t n) {
    letters word = {.n = (int)n};
    for (size_t i = 0; i < n; i++) word.at[i] = (unsigned char)tolower((unsigned char)text[i]);
    return word;
}

static int smaller(int a, int b) {
    return a < b ? a : b;
}

/* Edits that turn a into b (insert, delete, replace, swap neighbours), or any number above `most`
 * when it takes more than that. */
static int edit_distance(const letters *a, const letters *b, int most) {
    int rows[3][LONGEST + 1];
    int *before = rows[0], *above = rows[1], *row = rows[2];
    int least_above = 0;
    if (a->n - b->n > most || b->n - a->n > most) return most + 1;
    for (int j = 0; j <= b->n; j++) above[j] = j;
    for (int i = 1; i <= a->n; i++) {
        int x = a->at[i - 1], least = row[0] = i;
        for (int j = 1; j <= b->n; j++) {
            int y = b->at[j - 1];
            row[j] = smaller(smaller(row[j - 1], above[j]) + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == b->at[j - 2] && y == a->at[i - 2])
                row[j] = smaller(row[j], before[j - 2] + 1);
            least = smaller(least, row[j]);
        }
        /* A row is made of the one above, or by one edit of the one before that. */
        if (least > most && least_above >= most) return most + 1;
        least_above = least;
        int *free_row = before;
        before = above, above = row, row = free_row;
    }
    return above[b->n];
}

const char *cw_nearest_name(const char *word, const char *const *candidates, int n) {
    size_t n_word = strlen(word);
    if (n_word == 0 || n_word > LONGEST) return NULL;
    const letters wanted = small_letters(word, n_word);
    const char *nearest = NULL;
    int least = LONGEST;
    for (int i = 0; i < n; i++) {
        size_t n_name = strlen(candidates[i]);
        if (n_name > LONGEST) continue;
        const letters name = small_letters(candidates[i], n_name);
        int most = smaller((int)(n_word > n_name ? n_word : n_name) / 3, least - 1);
        int distance = edit_distance(&wanted, &name, most);
        if (distance <= most) nearest = candidates[i], least = distance;
    }
    return nearest;
}
