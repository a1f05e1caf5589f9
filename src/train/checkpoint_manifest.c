/* Manifests, file names and the table of a state file. */
#include "base/crc.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"
#include "train/checkpoint_internal.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANIFEST_VERSION 1
#define LINE_MAX_BYTES   160 /* four 20-digit numbers, a word and blanks */
#define STATE_VERSION    1u

static const char state_magic[8] = {'C', 'W', 'S', 'T', 'A', 'T', 'E', '\0'};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "state files are little-endian");
_Static_assert(sizeof(cw_state_row) == CW_CHECKPOINT_NAME + 16, "no padding in a file's table");

/* ---- manifests ---- */

void cw_manifest_clear(cw_manifest *manifest) {
    cw_free(manifest->segment);
    *manifest = (cw_manifest){0};
}

cw_status cw_manifest_render(const cw_manifest *manifest, char **out, size_t *n) {
    const cw_manifest *m = manifest;
    size_t room = cw_size_mul(cw_size_add(m->n_segments, 6), LINE_MAX_BYTES);
    char *text;
    CW_TRY(cw_alloc(&text, room, 1, "a checkpoint's manifest"));
    size_t at = 0;
#define LINE(...) at += (size_t)snprintf(text + at, room - at, __VA_ARGS__)
    LINE("curlew checkpoint %d\n", MANIFEST_VERSION);
    LINE("generation %" PRIu64 "\n", m->generation);
    LINE("agent %" PRIu64 " %08" PRIx32 "\n", m->agent.bytes, m->agent.crc);
    LINE("state %" PRIu64 " %08" PRIx32 "\n", m->state.bytes, m->state.crc);
    LINE("frames %" PRIu64 " %" PRId64 " %" PRId64 " %zu\n", m->frame_bytes, m->oldest, m->end,
         m->n_segments);
    for (size_t i = 0; i < m->n_segments; i++) {
        const cw_segment *s = &m->segment[i];
        LINE("segment %" PRIu64 " %" PRId64 " %" PRId64 " %08" PRIx32 "\n", s->generation, s->first,
             s->count, s->crc);
    }
    LINE("end %08" PRIx32 "\n", cw_crc32c(0, text, at));
#undef LINE
    *out = text;
    *n = at;
    return CW_OK;
}

/* The segments adjoin, cover the live frames, and their sizes can be represented. */
static bool manifest_is_sound(const cw_manifest *m) {
    if (m->generation == 0 || m->oldest > m->end) return false;
    if (m->frame_bytes > (uint64_t)1 << 40) return false;
    if (m->n_segments == 0) return m->oldest == m->end;
    if (m->frame_bytes == 0) return false;
    int64_t next = m->segment[0].first;
    if (next > m->oldest) return false;
    for (size_t i = 0; i < m->n_segments; i++) {
        const cw_segment *s = &m->segment[i];
        if (s->generation == 0 || s->generation > m->generation) return false;
        if (s->first != next || s->count < 1 || s->count > m->end - next) return false;
        if ((uint64_t)s->count > (uint64_t)INT64_MAX / m->frame_bytes) return false;
        next += s->count;
        if (next <= m->oldest) return false; /* a segment that nothing needs */
    }
    return next == m->end;
}

/* Takes `word`, or a blank and a number, off the front of the text. Not sscanf: that measures the
 * whole rest of the text for each call. What these let pass (a sign, zeros in front) is caught by
 * rendering the result again. */
static bool take_word(const char **text, const char *word) {
    size_t n = strlen(word);
    if (strncmp(*text, word, n) != 0) return false;
    *text += n;
    return true;
}

static bool take_number(const char **text, int base, uint64_t *out) {
    char *end;
    if (**text != ' ') return false;
    errno = 0;
    *out = strtoull(*text + 1, &end, base);
    bool taken = end > *text + 1 && errno == 0;
    *text = end;
    return taken;
}

static bool take_signed(const char **text, int64_t *out) {
    uint64_t number;
    if (!take_number(text, 10, &number) || number > INT64_MAX) return false;
    *out = (int64_t)number;
    return true;
}

static bool take_crc(const char **text, uint32_t *out) {
    uint64_t number;
    if (!take_number(text, 16, &number) || number > UINT32_MAX) return false;
    *out = (uint32_t)number;
    return true;
}

static bool take_segment(const char **text, cw_segment *s) {
    return take_word(text, "\nsegment") && take_number(text, 10, &s->generation) &&
           take_signed(text, &s->first) && take_signed(text, &s->count) && take_crc(text, &s->crc);
}

static cw_status manifest_scan(cw_manifest *m, const char *text, size_t n) {
    uint64_t version = 0, n_segments = 0;
    bool ours = take_word(&text, "curlew checkpoint") && take_number(&text, 10, &version);
    if (ours && version != MANIFEST_VERSION) {
        return cw_fail(CW_EFORMAT, "version %llu; this program reads version %d",
                       (unsigned long long)version, MANIFEST_VERSION);
    }
    ours = ours && take_word(&text, "\ngeneration") && take_number(&text, 10, &m->generation) &&
           take_word(&text, "\nagent") && take_number(&text, 10, &m->agent.bytes) &&
           take_crc(&text, &m->agent.crc) && take_word(&text, "\nstate") &&
           take_number(&text, 10, &m->state.bytes) && take_crc(&text, &m->state.crc) &&
           take_word(&text, "\nframes") && take_number(&text, 10, &m->frame_bytes) &&
           take_signed(&text, &m->oldest) && take_signed(&text, &m->end) &&
           take_number(&text, 10, &n_segments);
    if (!ours || n_segments > n / sizeof "segment") {
        return cw_fail(CW_EFORMAT, "it is not a checkpoint's manifest");
    }
    if (n_segments == 0) return CW_OK;
    CW_TRY(
        cw_alloc(&m->segment, (size_t)n_segments, sizeof *m->segment, "a checkpoint's segments"));
    m->n_segments = (size_t)n_segments;
    for (size_t i = 0; i < m->n_segments; i++) {
        if (!take_segment(&text, &m->segment[i])) {
            return cw_fail(CW_EFORMAT, "segment %zu is not readable", i);
        }
    }
    return CW_OK;
}

static cw_status manifest_compare(const cw_manifest *m, const char *text, size_t n) {
    char *again;
    size_t n_again;
    CW_TRY(cw_manifest_render(m, &again, &n_again));
    bool same = n == n_again && memcmp(text, again, n) == 0;
    cw_free(again);
    return same ? CW_OK : cw_fail(CW_EFORMAT, "its checksum does not match; it is damaged");
}

cw_status cw_manifest_parse(cw_manifest *out, const char *text, size_t n, uint64_t generation) {
    cw_manifest m = {0};
    cw_status status = manifest_scan(&m, text, n);
    if (status == CW_OK) status = manifest_compare(&m, text, n);
    if (status == CW_OK && (m.generation != generation || !manifest_is_sound(&m))) {
        status = cw_fail(CW_EFORMAT, "its numbers make no sense");
    }
    if (status != CW_OK) {
        cw_manifest_clear(&m);
        return status;
    }
    *out = m;
    return CW_OK;
}

/* ---- names ---- */

static const char *const name_format[] = {
    [CW_FILE_MANIFEST] = "%s/manifest-%" PRIu64,
    [CW_FILE_AGENT] = "%s/agent-%" PRIu64 ".safetensors",
    [CW_FILE_STATE] = "%s/state-%" PRIu64 ".bin",
};

void cw_checkpoint_path(char out[PATH_MAX], const char *folder, cw_checkpoint_file kind,
                        uint64_t generation) {
    snprintf(out, PATH_MAX, name_format[kind], folder, generation);
}

void cw_checkpoint_segment_path(char out[PATH_MAX], const char *folder, uint64_t generation,
                                int64_t first) {
    snprintf(out, PATH_MAX, "%s/frames/%" PRIu64 "-%" PRId64 ".bin", folder, generation, first);
}

static bool is_manifest(const char *name, uint64_t *generation) {
    char same[64];
    if (sscanf(name, "manifest-%" SCNu64, generation) != 1) return false;
    snprintf(same, sizeof same, "manifest-%" PRIu64, *generation);
    return strcmp(same, name) == 0 && *generation >= 1 &&
           *generation <= CW_CHECKPOINT_GENERATION_MAX;
}

static int falling(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x < y) - (x > y);
}

cw_status cw_checkpoint_list(const char *folder, uint64_t **out, size_t *n) {
    *out = NULL;
    *n = 0;
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        if (errno == ENOENT) return CW_OK;
        return cw_fail(CW_EIO, "cannot list %s: %s", folder, strerror(errno));
    }
    cw_text numbers = {0}; /* bytes that grow */
    struct dirent *e;
    while (errno = 0, (e = readdir(dir)) != NULL) {
        uint64_t generation;
        if (is_manifest(e->d_name, &generation)) {
            cw_text_append(&numbers, &generation, sizeof generation);
        }
    }
    int error = errno; /* a list that breaks off is not a folder without checkpoints */
    closedir(dir);
    cw_status status = numbers.status;
    if (error != 0) status = cw_fail(CW_EIO, "cannot list %s: %s", folder, strerror(error));
    if (status != CW_OK) {
        cw_text_free(&numbers);
        return status;
    }
    *out = (uint64_t *)(void *)numbers.bytes;
    *n = numbers.n / sizeof **out;
    if (*n > 1) qsort(*out, *n, sizeof **out, falling);
    return CW_OK;
}

/* ---- the state file's table ---- */

static uint64_t state_align(uint64_t at) {
    return (at + CW_STATE_ALIGN - 1) / CW_STATE_ALIGN * CW_STATE_ALIGN;
}

cw_status cw_state_layout(cw_state_head *out, const cw_checkpoint_blob *blobs, int n,
                          uint64_t *bytes) {
    if (n < 0 || n > CW_CHECKPOINT_MAX_BLOB) {
        return cw_fail(CW_EINVAL, "a checkpoint has %d blobs; it must have 0 to %d", n,
                       CW_CHECKPOINT_MAX_BLOB);
    }
    cw_state_head head = {.version = STATE_VERSION, .n_blobs = (uint32_t)n};
    memcpy(head.magic, state_magic, sizeof state_magic);
    uint64_t at = sizeof head;
    for (int i = 0; i < n; i++) {
        size_t length = strlen(blobs[i].name);
        if (length == 0 || length >= CW_CHECKPOINT_NAME) {
            return cw_fail(CW_EINVAL, "the blob name '%.60s' must have 1 to %d bytes",
                           blobs[i].name, CW_CHECKPOINT_NAME - 1);
        }
        for (int j = 0; j < i; j++) {
            if (strcmp(blobs[i].name, blobs[j].name) == 0) {
                return cw_fail(CW_EINVAL, "the blob name '%s' is given twice", blobs[i].name);
            }
        }
        at = state_align(at);
        memcpy(head.row[i].name, blobs[i].name, length);
        head.row[i].offset = at;
        head.row[i].n = blobs[i].n;
        at += blobs[i].n;
    }
    *out = head;
    *bytes = at;
    return CW_OK;
}

cw_status cw_state_check(const void *file, uint64_t bytes) {
    cw_state_head head, again;
    if (bytes < sizeof head) return cw_fail(CW_EFORMAT, "it is too short for its table");
    memcpy(&head, file, sizeof head);
    if (memcmp(head.magic, state_magic, sizeof state_magic) != 0) {
        return cw_fail(CW_EFORMAT, "it does not begin with CWSTATE");
    }
    if (head.version != STATE_VERSION) {
        return cw_fail(CW_EFORMAT, "version %u; this program reads version %u", head.version,
                       STATE_VERSION);
    }
    /* A table is right when laying out its own names and sizes gives the same table. */
    cw_checkpoint_blob blobs[CW_CHECKPOINT_MAX_BLOB];
    int n = head.n_blobs <= CW_CHECKPOINT_MAX_BLOB ? (int)head.n_blobs : 0;
    for (int i = 0; i < n; i++) {
        if (memchr(head.row[i].name, '\0', CW_CHECKPOINT_NAME) == NULL || head.row[i].n > bytes) {
            return cw_fail(CW_EFORMAT, "row %d of its table makes no sense", i);
        }
        blobs[i] = (cw_checkpoint_blob){.name = head.row[i].name, .n = (size_t)head.row[i].n};
    }
    uint64_t want = 0;
    if (cw_state_layout(&again, blobs, n, &want) != CW_OK || want != bytes ||
        memcmp(&head, &again, sizeof head) != 0) {
        return cw_fail(CW_EFORMAT, "its table makes no sense");
    }
    return CW_OK;
}
