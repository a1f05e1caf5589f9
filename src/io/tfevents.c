#include "io/tfevents.h"

#include "base/crc.h"
#include "base/error.h"
#include "base/file.h"
#include "io/picture.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <tensorboard.pb-c.h>
#include <unistd.h>

#define FILE_VERSION "brain.Event:2"
#define CRC_MASK     0xa282ead8u
#define HEAD_BYTES   12 /* length and its CRC */
#define TAIL_BYTES   4
#define BUCKETS      64
#define SIDE_MAX     16384 /* pixels */

/* Bytes in memory that grows by doubling. */
typedef struct buffer {
    unsigned char *at;
    size_t n, room;
} buffer;

struct cw_tfevents {
    int fd;
    uint64_t size; /* bytes of complete records */
    buffer record;
    cw_text png;
    char path[PATH_MAX];
};

static cw_status buffer_reserve(buffer *b, size_t n) {
    if (n <= b->room) return CW_OK;
    size_t room = b->room == 0 ? 4096 : b->room;
    while (room < n && room <= SIZE_MAX / 2) room *= 2;
    unsigned char *at;
    CW_TRY(cw_alloc(&at, room < n ? n : room, 1, "an event"));
    if (b->n > 0) memcpy(at, b->at, b->n);
    cw_free(b->at);
    b->at = at;
    b->room = room < n ? n : room;
    return CW_OK;
}

/* ---- records ---- */

static void put_u32(unsigned char *out, uint32_t value) {
    for (int i = 0; i < 4; i++) out[i] = (unsigned char)(value >> (8 * i));
}

/* TFRecord stores CRCs rotated and shifted, because a CRC over bytes with CRCs in them is weak. */
static void put_crc(unsigned char *out, const unsigned char *bytes, size_t n) {
    uint32_t crc = cw_crc32c(0, bytes, n);
    put_u32(out, ((crc >> 15) | (crc << 17)) + CRC_MASK);
}

static cw_status write_record(cw_tfevents *file, const buffer *record) {
    size_t done = 0;
    while (done < record->n) {
        ssize_t wrote =
            cw_file_fault_due() ? -1 : write(file->fd, record->at + done, record->n - done);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) {
            int error = errno;
            /* Half a record would hide all that follow it. */
            const char *rest =
                ftruncate(file->fd, (off_t)file->size) == 0 ? "" : ", and a part of it stays";
            return cw_fail(CW_EIO, "cannot write an event to %s: %s%s", file->path, strerror(error),
                           rest);
        }
        done += (size_t)wrote;
    }
    file->size += record->n;
    return CW_OK;
}

static cw_status append_event(cw_tfevents *file, const Cw__Tb__Event *event) {
    size_t n = cw__tb__event__get_packed_size(event);
    buffer *record = &file->record;
    record->n = 0;
    CW_TRY(buffer_reserve(record, cw_size_add(n, HEAD_BYTES + TAIL_BYTES)));
    for (size_t i = 0; i < 8; i++) record->at[i] = (unsigned char)((uint64_t)n >> (8 * i));
    put_crc(record->at + 8, record->at, 8);
    cw__tb__event__pack(event, record->at + HEAD_BYTES);
    put_crc(record->at + HEAD_BYTES + n, record->at + HEAD_BYTES, n);
    record->n = HEAD_BYTES + n + TAIL_BYTES;
    return write_record(file, record);
}

static cw_status append_summary(cw_tfevents *file, int64_t step, double wall_time,
                                Cw__Tb__Summary__Value **values, size_t n) {
    Cw__Tb__Summary summary = CW__TB__SUMMARY__INIT;
    summary.value = values;
    summary.n_value = n;
    Cw__Tb__Event event = CW__TB__EVENT__INIT;
    event.wall_time = wall_time;
    event.step = step;
    event.what_case = CW__TB__EVENT__WHAT_SUMMARY;
    event.summary = &summary;
    return append_event(file, &event);
}

/* ---- the file ---- */

/* Leaves a file of keep_bytes, or of none, and its size in file->size. */
static cw_status prepare(cw_tfevents *file, uint64_t keep_bytes) {
    int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC;
    struct stat info;
    file->fd = cw_file_fault_due() ? -1 : open(file->path, flags, 0644);
    if (file->fd < 0 || fstat(file->fd, &info) != 0) {
        return cw_fail(CW_EIO, "cannot write %s: %s", file->path, strerror(errno));
    }
    uint64_t size = (uint64_t)info.st_size;
    if (size > 0 && size < keep_bytes) {
        return cw_fail(CW_EFORMAT,
                       "%s has %llu bytes, and the checkpoint knows of %llu; without this file the "
                       "run goes on with a new one",
                       file->path, (unsigned long long)size, (unsigned long long)keep_bytes);
    }
    file->size = size == 0 ? 0 : keep_bytes;
    if (size > file->size && (cw_file_fault_due() || ftruncate(file->fd, (off_t)file->size) != 0)) {
        return cw_fail(CW_EIO, "cannot shorten %s: %s", file->path, strerror(errno));
    }
    return CW_OK;
}

cw_status cw_tfevents_open(cw_tfevents **out, const char *path, uint64_t keep_bytes,
                           double wall_time) {
    cw_tfevents *file;
    size_t path_bytes = strlen(path) + 1;
    if (path_bytes > sizeof file->path) {
        return cw_fail(CW_EINVAL, "the path %.40s... is too long", path);
    }
    CW_TRY(cw_alloc(&file, 1, sizeof *file, "a writer of events"));
    file->fd = -1;
    memcpy(file->path, path, path_bytes);
    cw_status status = prepare(file, keep_bytes);
    if (status == CW_OK && file->size == 0) {
        char version[] = FILE_VERSION;
        Cw__Tb__Event event = CW__TB__EVENT__INIT;
        event.wall_time = wall_time;
        event.what_case = CW__TB__EVENT__WHAT_FILE_VERSION;
        event.file_version = version;
        status = append_event(file, &event);
    }
    if (status != CW_OK) {
        cw_tfevents_close(file);
        return status;
    }
    *out = file;
    return CW_OK;
}

void cw_tfevents_close(cw_tfevents *file) {
    if (file == NULL) return;
    if (file->fd >= 0) close(file->fd);
    cw_free(file->record.at);
    cw_text_free(&file->png);
    cw_free(file);
}

uint64_t cw_tfevents_bytes(const cw_tfevents *file) {
    return file->size;
}

cw_status cw_tfevents_sync(cw_tfevents *file) {
    if (cw_file_fault_due() || fsync(file->fd) != 0) {
        return cw_fail(CW_EIO, "cannot sync %s: %s", file->path, strerror(errno));
    }
    return CW_OK;
}

/* ---- summaries ---- */

/* The generated structs hold plain char *, which nothing here writes to. */
static char *text(const char *constant) {
    union {
        const char *in;
        char *out;
    } cast = {constant};
    return cast.out;
}

cw_status cw_tfevents_scalars(cw_tfevents *file, int64_t step, double wall_time,
                              const cw_tfscalar *scalars, int n) {
    Cw__Tb__Summary__Value value[CW_TFEVENTS_SCALARS], *values[CW_TFEVENTS_SCALARS];
    size_t n_values = 0;
    if (n > CW_TFEVENTS_SCALARS) {
        return cw_fail(CW_EINVAL, "an event has at most %d scalars, not %d", CW_TFEVENTS_SCALARS,
                       n);
    }
    for (int i = 0; i < n; i++) {
        if (isnan(scalars[i].value)) continue;
        Cw__Tb__Summary__Value *v = &value[n_values];
        cw__tb__summary__value__init(v);
        v->tag = text(scalars[i].tag);
        v->value_case = CW__TB__SUMMARY__VALUE__VALUE_SIMPLE_VALUE;
        v->simple_value = (float)scalars[i].value;
        values[n_values++] = v;
    }
    if (n_values == 0) return CW_OK;
    return append_summary(file, step, wall_time, values, n_values);
}

/* Count, sums and extremes of the finite values. */
static void measure(Cw__Tb__Histogram *h, const cw_tensor *values) {
    int64_t n = cw_tensor_count(values);
    h->min = INFINITY;
    h->max = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        double x = cw_tensor_get(values, i);
        if (!isfinite(x)) continue;
        h->min = fmin(h->min, x);
        h->max = fmax(h->max, x);
        h->num++;
        h->sum += x;
        h->sum_squares += x * x;
    }
}

static void count(Cw__Tb__Histogram *h, const cw_tensor *values) {
    int64_t n = cw_tensor_count(values);
    size_t last = h->n_bucket - 1;
    double width = (h->max - h->min) / (double)h->n_bucket;
    for (size_t i = 0; i < last; i++) h->bucket_limit[i] = h->min + (double)(i + 1) * width;
    h->bucket_limit[last] = h->max;
    for (int64_t i = 0; i < n; i++) {
        double x = cw_tensor_get(values, i);
        if (!isfinite(x)) continue;
        double at = last == 0 ? 0.0 : (x - h->min) / width;
        h->bucket[at < (double)last ? (size_t)at : last]++;
    }
}

cw_status cw_tfevents_histogram(cw_tfevents *file, int64_t step, double wall_time, const char *tag,
                                const cw_tensor *values) {
    double limits[BUCKETS], buckets[BUCKETS] = {0};
    Cw__Tb__Histogram histogram = CW__TB__HISTOGRAM__INIT;
    measure(&histogram, values);
    if (histogram.num == 0) return CW_OK;
    bool spread = histogram.max - histogram.min > 0 && isfinite(histogram.max - histogram.min);
    histogram.n_bucket_limit = histogram.n_bucket = spread ? BUCKETS : 1;
    histogram.bucket_limit = limits;
    histogram.bucket = buckets;
    count(&histogram, values);
    Cw__Tb__Summary__Value value = CW__TB__SUMMARY__VALUE__INIT, *values_of[] = {&value};
    value.tag = text(tag);
    value.value_case = CW__TB__SUMMARY__VALUE__VALUE_HISTO;
    value.histo = &histogram;
    return append_summary(file, step, wall_time, values_of, 1);
}

cw_status cw_tfevents_image(cw_tfevents *file, int64_t step, double wall_time, const char *tag,
                            int width, int height, const uint8_t *rgb) {
    if (width < 1 || height < 1 || width > SIDE_MAX || height > SIDE_MAX) {
        return cw_fail(CW_EINVAL, "%s is a picture of %d x %d pixels; each side must be 1 to %d",
                       tag, width, height, SIDE_MAX);
    }
    file->png.n = 0;
    CW_TRY(cw_picture_png(&file->png, rgb, width, height));
    Cw__Tb__Summary__Image image = CW__TB__SUMMARY__IMAGE__INIT;
    image.width = width;
    image.height = height;
    image.colorspace = 3;
    image.encoded_image_string =
        (ProtobufCBinaryData){.len = file->png.n, .data = (uint8_t *)file->png.bytes};
    Cw__Tb__Summary__Value value = CW__TB__SUMMARY__VALUE__INIT, *values[] = {&value};
    value.tag = text(tag);
    value.value_case = CW__TB__SUMMARY__VALUE__VALUE_IMAGE;
    value.image = &image;
    return append_summary(file, step, wall_time, values, 1);
}
