/* Videos: what was written decodes to the same number of frames of the same pictures; same bytes
 * for the same frames; nothing printed; failures leave the file of before. */
#include "base/file.h"
#include "io/support.h"
#include "io/video.h"
#include "test.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { WIDTH = 21, HEIGHT = 16, FRAMES = 30 };

/* Frame t: a red ramp, a green ramp, and a blue block that moves. */
static void paint(uint8_t *frame, int width, int height, int t) {
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            uint8_t *pixel = frame + y * width + x;
            pixel[0] = (uint8_t)(255 * x / width);
            pixel[width * height] = (uint8_t)(255 * y / height);
            bool block = x / 4 == t % (width / 4) && y / 4 == 1;
            pixel[2 * width * height] = block ? 255 : 0;
        }
    }
}

typedef struct job {
    const char *path, *encoder;
    int width, height, scale, n_frames;
    double fps;
} job;

static cw_status write_video(void *context) {
    const job *j = context;
    cw_video *video;
    cw_status status =
        cw_video_open_with(&video, j->path, j->width, j->height, j->scale, j->fps, j->encoder);
    if (status != CW_OK) return status;
    uint8_t *frame = malloc(3 * (size_t)(j->width * j->height));
    for (int t = 0; t < j->n_frames && status == CW_OK; t++) {
        paint(frame, j->width, j->height, t);
        status = cw_video_frame(video, frame, NULL);
    }
    free(frame);
    if (status != CW_OK) {
        cw_video_abort(video);
        return status;
    }
    return cw_video_close(video);
}

/* ---- decoding ---- */

typedef struct decoded {
    int n_frames, width, height;
    double fps, seconds;
    double mean_error; /* of luma, in grey levels */
    double blue_error; /* of the blue-difference channel */
    enum AVCodecID codec;
} decoded;

static double clamp_byte(double v) {
    return fmax(0.0, fmin(255.0, v));
}

/* Compares a decoded picture with what frame t should be by BT.601, limited range. */
static void compare(const job *j, const AVFrame *picture, int t, decoded *out) {
    uint8_t *frame = malloc(3 * (size_t)(j->width * j->height));
    size_t plane = (size_t)(j->width * j->height);
    paint(frame, j->width, j->height, t);
    double luma = 0, blue = 0;
    for (int y = 0; y < picture->height; y++) {
        int from_y = y / j->scale < j->height ? y / j->scale : j->height - 1;
        for (int x = 0; x < picture->width; x++) {
            int from_x = x / j->scale < j->width ? x / j->scale : j->width - 1;
            const uint8_t *p = frame + from_y * j->width + from_x;
            double r = p[0], g = p[plane], b = p[2 * plane];
            double grey = 0.299 * r + 0.587 * g + 0.114 * b;
            luma += fabs(picture->data[0][y * picture->linesize[0] + x] -
                         clamp_byte(16 + grey * 219 / 255));
            blue += fabs(picture->data[1][y / 2 * picture->linesize[1] + x / 2] -
                         clamp_byte(128 + (b - grey) / 1.772 * 224 / 255));
        }
    }
    double n = (double)picture->width * picture->height * j->n_frames;
    out->mean_error += luma / n;
    out->blue_error += blue / n;
    free(frame);
}

static void take_frames(const job *j, AVCodecContext *codec, AVFrame *picture, decoded *out) {
    while (avcodec_receive_frame(codec, picture) == 0) {
        out->width = picture->width;
        out->height = picture->height;
        assert_int_equal(picture->format, AV_PIX_FMT_YUV420P);
        compare(j, picture, out->n_frames, out);
        out->n_frames++;
        av_frame_unref(picture);
    }
}

static decoded decode(const job *j) {
    decoded out = {0};
    AVFormatContext *format = NULL;
    assert_int_equal(avformat_open_input(&format, j->path, NULL, NULL), 0);
    assert_true(avformat_find_stream_info(format, NULL) >= 0);
    assert_int_equal(format->nb_streams, 1);
    const AVStream *stream = format->streams[0];
    const AVCodec *decoder = avcodec_find_decoder(stream->codecpar->codec_id);
    assert_non_null(decoder);
    AVCodecContext *codec = avcodec_alloc_context3(decoder);
    assert_int_equal(avcodec_parameters_to_context(codec, stream->codecpar), 0);
    assert_int_equal(avcodec_open2(codec, decoder, NULL), 0);
    AVPacket *packet = av_packet_alloc();
    AVFrame *picture = av_frame_alloc();
    while (av_read_frame(format, packet) == 0) {
        assert_int_equal(avcodec_send_packet(codec, packet), 0);
        av_packet_unref(packet);
        take_frames(j, codec, picture, &out);
    }
    avcodec_send_packet(codec, NULL);
    take_frames(j, codec, picture, &out);
    out.codec = stream->codecpar->codec_id;
    out.fps = av_q2d(stream->avg_frame_rate);
    out.seconds = (double)stream->duration * av_q2d(stream->time_base);
    av_packet_free(&packet);
    av_frame_free(&picture);
    avcodec_free_context(&codec);
    avformat_close_input(&format);
    return out;
}

/* ---- tests ---- */

static void videos_decode_to_their_frames(void **state) {
    (void)state;
    const char *path = scratch("decode.mp4");
    static const struct {
        const char *encoder;
        int width, height, scale, n_frames;
        double fps;
        int out_width, out_height;
        enum AVCodecID codec;
    } cases[] = {
        {NULL, WIDTH, HEIGHT, 4, FRAMES, 25, 84, 64, AV_CODEC_ID_H264},
        {NULL, WIDTH, HEIGHT, 3, 100, 12.5, 64, 48, AV_CODEC_ID_H264},
        {NULL, WIDTH, 17, 1, 1, 30000 / 1001.0, 22, 18, AV_CODEC_ID_H264},
        {"mpeg4", WIDTH, HEIGHT, 4, FRAMES, 25, 84, 64, AV_CODEC_ID_MPEG4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        job j = {path,           cases[i].encoder,  cases[i].width, cases[i].height,
                 cases[i].scale, cases[i].n_frames, cases[i].fps};
        expect_ok(write_video(&j));
        decoded out = decode(&j);
        assert_int_equal(out.n_frames, cases[i].n_frames);
        assert_int_equal(out.width, cases[i].out_width);
        assert_int_equal(out.height, cases[i].out_height);
        assert_int_equal(out.codec, cases[i].codec);
        assert_true(fabs(out.fps - cases[i].fps) < 1e-4);
        assert_true(fabs(out.seconds - cases[i].n_frames / cases[i].fps) < 1e-3);
        if (out.mean_error > 3 || out.blue_error > 12) {
            fail_msg("case %zu: mean error %.2f of luma, %.2f of blue", i, out.mean_error,
                     out.blue_error);
        }
        if (i == 0) assert_true(out.blue_error < 3); /* large enough for its chroma to be near */
    }
}

static void same_frames_same_bytes(void **state) {
    (void)state;
    job a = {scratch("a.mp4"), NULL, WIDTH, HEIGHT, 4, FRAMES, 25}, b = a;
    b.path = scratch("b.mp4");
    expect_ok(write_video(&a));
    expect_ok(write_video(&b));
    size_t n_a, n_b;
    unsigned char *bytes_a = get_file(a.path, &n_a), *bytes_b = get_file(b.path, &n_b);
    assert_int_equal(n_a, n_b);
    assert_memory_equal(bytes_a, bytes_b, n_a);
    /* faststart: the index (moov) comes before the pictures (mdat) */
    unsigned char *moov = memmem(bytes_a, n_a, "moov", 4), *mdat = memmem(bytes_a, n_a, "mdat", 4);
    assert_non_null(moov);
    assert_non_null(mdat);
    assert_true(moov < mdat);
    assert_null(memmem(bytes_a, n_a, "Lavf", 4)); /* nor the muxer's version */
    free(bytes_a);
    free(bytes_b);
}

static void nothing_is_printed(void **state) {
    (void)state;
    const char *printed = scratch("printed");
    job j = {scratch("quiet.mp4"), NULL, WIDTH, HEIGHT, 2, FRAMES, 25};
    job bad = {scratch("missing/quiet.mp4"), NULL, WIDTH, HEIGHT, 2, FRAMES, 25};
    fflush(NULL);
    int kept_out = dup(1), kept_err = dup(2);
    FILE *file = fopen(printed, "wb");
    assert_non_null(file);
    dup2(fileno(file), 1);
    dup2(fileno(file), 2);
    cw_status status = write_video(&j), bad_status = write_video(&bad);
    fflush(NULL);
    dup2(kept_out, 1);
    dup2(kept_err, 2);
    close(kept_out);
    close(kept_err);
    fclose(file);
    expect_ok(status);
    assert_int_equal(bad_status, CW_EIO);
    size_t n;
    free(get_file(printed, &n));
    assert_int_equal(n, 0);
}

static void the_name_appears_at_the_end(void **state) {
    (void)state;
    const char *path = scratch("late.mp4"), *temporary = scratch("late.mp4.tmp");
    uint8_t frame[3 * WIDTH * HEIGHT];
    paint(frame, WIDTH, HEIGHT, 0);
    cw_video *video;
    expect_ok(cw_video_open(&video, path, WIDTH, HEIGHT, 2, 25));
    expect_ok(cw_video_frame(video, frame, NULL));
    assert_false(is_file(path));
    assert_true(is_file(temporary));
    expect_ok(cw_video_close(video));
    assert_true(is_file(path));
    assert_false(is_file(temporary));
    expect_ok(cw_video_open(&video, path, WIDTH, HEIGHT, 2, 25));
    expect_ok(cw_video_frame(video, frame, NULL));
    cw_video_abort(video);
    assert_true(is_file(path));
    assert_false(is_file(temporary));
    cw_video_abort(NULL);
    expect_ok(cw_video_open(&video, scratch("empty.mp4"), WIDTH, HEIGHT, 2, 25));
    expect_failure(cw_video_close(video), CW_EINVAL, "a video of no frames");
    assert_false(is_file(scratch("empty.mp4")));
    assert_false(is_file(scratch("empty.mp4.tmp")));
}

static void odd_names_are_taken_as_names(void **state) {
    (void)state;
    job j = {scratch("pipe:1, 50%d http:"), NULL, WIDTH, HEIGHT, 2, 3, 25};
    expect_ok(write_video(&j));
    assert_true(is_file(j.path));
    char *here = getcwd(NULL, 0);
    assert_int_equal(chdir(scratch(".")), 0);
    j.path = "plain.mp4"; /* no folder in the name */
    cw_status status = write_video(&j);
    assert_int_equal(chdir(here), 0);
    free(here);
    expect_ok(status);
    assert_true(is_file(scratch("plain.mp4")));
}

static void refused_arguments_are_named(void **state) {
    (void)state;
    const char *path = scratch("refused.mp4");
    static const struct {
        int width, height, scale;
        double fps;
        const char *fragment;
    } cases[] = {
        {0, 16, 1, 25, "0 x 16 pixels"},     {16, -1, 1, 25, "16 x -1 pixels"},
        {16, 16, 0, 25, "enlarged 0 times"}, {8193, 16, 1, 25, "at most 8192"},
        {4097, 16, 2, 25, "at most 8192"},   {16, INT32_MAX, 2, 25, "at most 8192"},
        {16, 16, INT32_MAX, 25, "at most"},  {16, 16, 1, 0, "0 frames per second"},
        {16, 16, 1, -25, "-25 frames"},      {16, 16, 1, NAN, "nan frames"},
        {16, 16, 1, INFINITY, "inf frames"}, {16, 16, 1, 1001, "0.01 to 1000"},
    };
    cw_video *video;
    uint64_t before = live_blocks();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_failure(cw_video_open(&video, path, cases[i].width, cases[i].height, cases[i].scale,
                                     cases[i].fps),
                       CW_EINVAL, cases[i].fragment);
    }
    expect_failure(cw_video_open_with(&video, path, 16, 16, 1, 25, "no_such"), CW_EUNSUPPORTED,
                   "no encoder no_such");
    char endless[6000];
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    expect_failure(cw_video_open(&video, endless, 16, 16, 1, 25), CW_EINVAL, "is too long");
    assert_int_equal(live_blocks(), before);
    assert_false(is_file(path));
}

/* After a failure the file is the old one or, when only the last sync failed, a whole new one. */
static void old_or_new(void *context) {
    const job *j = context;
    size_t n;
    unsigned char *bytes = get_file(j->path, &n);
    assert_non_null(bytes);
    if (n != 3 || memcmp(bytes, "old", 3) != 0) {
        assert_int_equal(decode(j).n_frames, j->n_frames);
    }
    free(bytes);
    char path[600];
    snprintf(path, sizeof path, "%s.tmp", j->path);
    assert_false(is_file(path));
}

static void writes_may_fail(void **state) {
    (void)state;
    job j = {scratch("faults.mp4"), NULL, WIDTH, HEIGHT, 2, 10, 25};
    put_file(j.path, "old", 3);
    allocation_ramp(write_video, &j, 2);
    put_file(j.path, "old", 3);
    fault_ramp(write_video, old_or_new, &j, 15);
    j.path = scratch("missing/a.mp4");
    expect_failure(write_video(&j), CW_EIO, "No such file or directory");
    j.path = "/proc/a.mp4";
    expect_failure(write_video(&j), CW_EIO, "/proc/a.mp4");
}

/* The disk fills while frames are written, while the index is moved to the front, and at the
 * very end. */
static void full_disk(void **state) {
    (void)state;
    job j = {scratch("full.mp4"), "mpeg4", WIDTH, HEIGHT, 16, 150, 25};
    expect_ok(write_video(&j));
    size_t n;
    free(get_file(j.path, &n));
    assert_true(n > 40000); /* more than libav's buffer */
    put_file(j.path, "old", 3);
    struct rlimit before, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    const size_t limits[] = {0, 10, 1000, n / 2, n - 500, n - 1};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        small = before;
        small.rlim_cur = limits[i];
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        cw_status status = write_video(&j);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        if (status != CW_EIO) fail_msg("%zu of %zu bytes: status %d", limits[i], n, (int)status);
        expect_failure(status, CW_EIO, j.path);
        unsigned char *bytes = get_file(j.path, NULL);
        assert_string_equal((char *)bytes, "old");
        free(bytes);
        old_or_new(&j);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(videos_decode_to_their_frames),
        cmocka_unit_test(same_frames_same_bytes),
        cmocka_unit_test(nothing_is_printed),
        cmocka_unit_test(the_name_appears_at_the_end),
        cmocka_unit_test(odd_names_are_taken_as_names),
        cmocka_unit_test(refused_arguments_are_named),
        cmocka_unit_test(writes_may_fail),
        cmocka_unit_test(full_disk),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
