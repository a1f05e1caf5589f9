#include "io/video.h"

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "io/picture.h"

#include <errno.h>
#include <fcntl.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/log.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SIDE_MAX 8192 /* pixels of the enlarged picture */
#define FPS_MAX  1000.0

struct cw_video {
    char path[PATH_MAX];
    char url[PATH_MAX + 16]; /* "file:" and the temporary name */
    int width, height;       /* of a frame handed in */
    int scale;
    int out_width, out_height; /* enlarged, then made even by repeating the last column and row */
    int64_t n_frames;
    uint8_t *rgb; /* (out_height, out_width, 3) */
    AVFormatContext *format;
    AVStream *stream; /* owned by format */
    AVCodecContext *codec;
    struct SwsContext *sws;
    AVFrame *frame;
    AVPacket *packet;
};

static const char *temporary(const cw_video *video) {
    return video->url + strlen("file:");
}

static cw_status av_fail(const cw_video *video, const char *what, int error) {
    char text[AV_ERROR_MAX_STRING_SIZE] = "";
    av_strerror(error, text, sizeof text);
    return cw_fail(error == AVERROR(ENOMEM) ? CW_ENOMEM : CW_EIO, "%s: %s: %s", video->path, what,
                   text);
}

static cw_status choose_codec(cw_video *video, const char *encoder, const AVCodec **out) {
    *out = avcodec_find_encoder_by_name(encoder == NULL ? "libx264" : encoder);
    if (*out == NULL && encoder == NULL) *out = avcodec_find_encoder_by_name("mpeg4");
    if (*out == NULL) {
        return cw_fail(CW_EUNSUPPORTED, "%s: libavcodec has no encoder %s", video->path,
                       encoder == NULL ? "libx264 and no mpeg4" : encoder);
    }
    return CW_OK;
}

static cw_status open_codec(cw_video *video, const AVCodec *codec, AVRational frame_rate) {
    AVCodecContext *c = video->codec = avcodec_alloc_context3(codec);
    if (c == NULL) return av_fail(video, "encoder", AVERROR(ENOMEM));
    c->width = video->out_width;
    c->height = video->out_height;
    c->pix_fmt = AV_PIX_FMT_YUV420P;
    c->color_range = AVCOL_RANGE_MPEG;
    c->colorspace = AVCOL_SPC_SMPTE170M; /* what libswscale converts to unless told otherwise */
    c->framerate = frame_rate;
    c->time_base = av_inv_q(frame_rate);
    c->thread_count = 1; /* the bytes must not depend on the machine's cores */
    c->flags |= AV_CODEC_FLAG_BITEXACT;
    if (video->format->oformat->flags & AVFMT_GLOBALHEADER) c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    AVDictionary *options = NULL;
    if (strcmp(codec->name, "libx264") == 0) {
        av_dict_set(&options, "preset", "medium", 0);
        av_dict_set(&options, "crf", "18", 0);
    } else {
        c->flags |= AV_CODEC_FLAG_QSCALE;
        c->global_quality = 3 * FF_QP2LAMBDA;
    }
    int error = avcodec_open2(c, codec, &options);
    av_dict_free(&options);
    if (error < 0) return av_fail(video, "encoder", error);
    return CW_OK;
}

static cw_status open_stream(cw_video *video, AVRational frame_rate) {
    video->stream = avformat_new_stream(video->format, NULL);
    if (video->stream == NULL) return av_fail(video, "stream", AVERROR(ENOMEM));
    video->stream->time_base = video->codec->time_base;
    video->stream->avg_frame_rate = frame_rate;
    int error = avcodec_parameters_from_context(video->stream->codecpar, video->codec);
    if (error < 0) return av_fail(video, "stream", error);
    error = cw_file_fault_due() ? AVERROR(errno)
                                : avio_open(&video->format->pb, video->url, AVIO_FLAG_WRITE);
    if (error < 0) return av_fail(video, "cannot write", error);
    AVDictionary *options = NULL;
    av_dict_set(&options, "movflags", "+faststart", 0);
    error = avformat_write_header(video->format, &options);
    av_dict_free(&options);
    return error < 0 ? av_fail(video, "cannot write", error) : CW_OK;
}

static cw_status open_picture(cw_video *video) {
    int width = video->out_width, height = video->out_height;
    CW_TRY(cw_alloc(&video->rgb, cw_size_mul((size_t)width, (size_t)height), 3, "a video frame"));
    video->frame = av_frame_alloc();
    video->packet = av_packet_alloc();
    video->sws = sws_getContext(width, height, AV_PIX_FMT_RGB24, width, height, AV_PIX_FMT_YUV420P,
                                SWS_AREA | SWS_ACCURATE_RND | SWS_BITEXACT, NULL, NULL, NULL);
    if (video->frame == NULL || video->packet == NULL || video->sws == NULL) {
        return av_fail(video, "frame", AVERROR(ENOMEM));
    }
    video->frame->format = AV_PIX_FMT_YUV420P;
    video->frame->width = width;
    video->frame->height = height;
    int error = av_frame_get_buffer(video->frame, 0);
    return error < 0 ? av_fail(video, "frame", error) : CW_OK;
}

static cw_status open_all(cw_video *video, double frames_per_second, const char *encoder) {
    const AVCodec *codec;
    CW_TRY(choose_codec(video, encoder, &codec));
    int error = avformat_alloc_output_context2(&video->format, NULL, "mp4", video->url);
    if (error < 0) return av_fail(video, "cannot make an MP4 file", error);
    video->format->flags |= AVFMT_FLAG_BITEXACT;
    AVRational frame_rate = av_d2q(frames_per_second, 1001000);
    CW_TRY(open_picture(video));
    CW_TRY(open_codec(video, codec, frame_rate));
    return open_stream(video, frame_rate);
}

static cw_status check_arguments(const char *path, int width, int height, int scale,
                                 double frames_per_second) {
    if (width < 1 || height < 1 || scale < 1 || width > SIDE_MAX / scale ||
        height > SIDE_MAX / scale) {
        return cw_fail(CW_EINVAL,
                       "%s: %d x %d pixels enlarged %d times; each must be 1 or more, and an "
                       "enlarged side at most %d",
                       path, width, height, scale, SIDE_MAX);
    }
    if (!(frames_per_second >= 0.01 && frames_per_second <= FPS_MAX)) {
        return cw_fail(CW_EINVAL, "%s: %g frames per second; it must be 0.01 to %g", path,
                       frames_per_second, FPS_MAX);
    }
    return CW_OK;
}

cw_status cw_video_open_with(cw_video **out, const char *path, int width, int height, int scale,
                             double frames_per_second, const char *encoder) {
    CW_TRY(check_arguments(path, width, height, scale, frames_per_second));
    cw_video *video;
    CW_TRY(cw_alloc(&video, 1, sizeof *video, "a video writer"));
    size_t n = strlen(path);
    if (n >= sizeof video->path) {
        cw_free(video);
        return cw_fail(CW_EINVAL, "the path %.40s... is too long", path);
    }
    memcpy(video->path, path, n + 1);
    snprintf(video->url, sizeof video->url, "file:%s.tmp", path);
    video->width = width;
    video->height = height;
    video->scale = scale;
    video->out_width = (width * scale + 1) / 2 * 2;
    video->out_height = (height * scale + 1) / 2 * 2;
    av_log_set_level(AV_LOG_QUIET);
    cw_status status = open_all(video, frames_per_second, encoder);
    if (status != CW_OK) {
        cw_video_abort(video);
        return status;
    }
    *out = video;
    return CW_OK;
}

cw_status cw_video_open(cw_video **out, const char *path, int width, int height, int scale,
                        double frames_per_second) {
    return cw_video_open_with(out, path, width, height, scale, frames_per_second, NULL);
}

/* Hands a frame, or NULL at the end, to the encoder and writes the packets that are ready. */
static cw_status encode(cw_video *video, const AVFrame *frame) {
    int error = avcodec_send_frame(video->codec, frame);
    if (error < 0) return av_fail(video, "encoder", error);
    for (;;) {
        error = avcodec_receive_packet(video->codec, video->packet);
        if (error == AVERROR(EAGAIN) || error == AVERROR_EOF) return CW_OK;
        if (error < 0) return av_fail(video, "encoder", error);
        video->packet->duration = 1;
        video->packet->stream_index = video->stream->index;
        av_packet_rescale_ts(video->packet, video->codec->time_base, video->stream->time_base);
        error = cw_file_fault_due() ? AVERROR(errno)
                                    : av_interleaved_write_frame(video->format, video->packet);
        av_packet_unref(video->packet);
        if (error < 0) return av_fail(video, "cannot write", error);
    }
}

cw_status cw_video_frame(cw_video *video, const uint8_t *frame, const cw_overlay *overlay) {
    int error = av_frame_make_writable(video->frame);
    if (error < 0) return av_fail(video, "frame", error);
    cw_picture_enlarge(video->rgb, video->out_width, video->out_height, frame, video->width,
                       video->height, video->scale);
    if (overlay != NULL) {
        CW_TRY(cw_overlay_draw(video->rgb, video->out_width, video->out_height, overlay));
    }
    const uint8_t *const from[1] = {video->rgb};
    const int stride[1] = {3 * video->out_width};
    sws_scale(video->sws, from, stride, 0, video->out_height, video->frame->data,
              video->frame->linesize);
    video->frame->pts = video->n_frames++;
    return encode(video, video->frame);
}

static cw_status finish(cw_video *video) {
    if (video->n_frames == 0) return cw_fail(CW_EINVAL, "%s: a video of no frames", video->path);
    CW_TRY(encode(video, NULL));
    int error = cw_file_fault_due() ? AVERROR(errno) : av_write_trailer(video->format);
    int close_error = avio_closep(&video->format->pb); /* also any error of before */
    if (error >= 0) error = close_error;
    if (error < 0) return av_fail(video, "cannot write", error);
    int fd = cw_file_fault_due() ? -1 : open(temporary(video), O_RDONLY | O_CLOEXEC);
    bool synced = fd >= 0 && !cw_file_fault_due() && fsync(fd) == 0;
    int kept_errno = errno;
    if (fd >= 0) close(fd);
    if (!synced) return cw_fail(CW_EIO, "cannot sync %s: %s", video->path, strerror(kept_errno));
    if (cw_file_fault_due() || rename(temporary(video), video->path) != 0) {
        return cw_fail(CW_EIO, "cannot rename to %s: %s", video->path, strerror(errno));
    }
    char folder[PATH_MAX];
    const char *slash = strrchr(video->path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash == NULL ? 1 : (int)(slash - video->path) + 1,
             slash == NULL ? "." : video->path);
    return cw_dir_sync(folder);
}

cw_status cw_video_close(cw_video *video) {
    cw_status status = finish(video);
    cw_video_abort(video); /* frees; after a success the temporary name is gone already */
    return status;
}

void cw_video_abort(cw_video *video) {
    if (video == NULL) return;
    if (video->format != NULL && video->format->pb != NULL) avio_closep(&video->format->pb);
    if (video->url[0] != '\0') unlink(temporary(video));
    avcodec_free_context(&video->codec);
    av_frame_free(&video->frame);
    av_packet_free(&video->packet);
    sws_freeContext(video->sws);
    avformat_free_context(video->format);
    cw_free(video->rgb);
    cw_free(video);
}
