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

/* No more edits than it takes to turn a into b: one for each letter that only one of them has,
 * where two such letters may be a replacement. Rules most names out without a distance. */
static int least_edits(const letters *a, const letters *b) {
    unsigned char left[256] = {0}; /* how often a letter of a is not found in b yet */
    int missing = 0;
    for (int i = 0; i < a->n; i++) left[a->at[i]]++;
    for (int i = 0; i < b->n; i++) {
        if (left[b->at[i]] > 0) {
            left[b->at[i]]--;
        } else {
            missing++;
        }
    }
    int unused = a->n - (b->n - missing);
    return missing > unused ? missing : unused;
}

/* Edits that turn a into b (insert, delete, replace, swap neighbours). */
static int edit_distance(const letters *a, const letters *b) {
    int rows[3][LONGEST + 1];
    int *before = rows[0], *above = rows[1], *row = rows[2];
    for (int j = 0; j <= b->n; j++) above[j] = j;
    for (int i = 1; i <= a->n; i++) {
        int x = a->at[i - 1];
        row[0] = i;
        for (int j = 1; j <= b->n; j++) {
            int y = b->at[j - 1];
            row[j] = smaller(smaller(row[j - 1], above[j]) + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == b->at[j - 2] && y == a->at[i - 2])
                row[j] = smaller(row[j], before[j - 2] + 1);
        }
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
        if (least_edits(&wanted, &name) > most) continue;
        int distance = edit_distance(&wanted, &name);
        if (distance <= most) nearest = candidates[i], least = distance;
    }
    return nearest;
}
