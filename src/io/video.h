/* MP4 video through libav*: H.264 by libx264, or MPEG-4 part 2 where libavcodec lacks that.
 * The same frames make the same bytes with the same libraries. Opening a video sets the log level
 * of libav, which is one per process, to quiet. One thread at a time. */
#ifndef CW_IO_VIDEO_H
#define CW_IO_VIDEO_H

#include "io/overlay.h"

#include <curlew/status.h>

#include <stdint.h>

typedef struct cw_video cw_video;

/* Starts a video of frames of width x height pixels, `scale` times enlarged (nearest), at
 * frames_per_second; an odd enlarged side repeats its last column or row. Written to a temporary
 * neighbour until close. CW_EINVAL, CW_EUNSUPPORTED (no encoder), CW_EIO, CW_ENOMEM. */
cw_status cw_video_open(cw_video **out, const char *path, int width, int height, int scale,
                        double frames_per_second);
/* The same with one of libavcodec's encoders by name, without a second choice; NULL: as above. */
cw_status cw_video_open_with(cw_video **out, const char *path, int width, int height, int scale,
                             double frames_per_second, const char *encoder);
/* One frame, planar u8 (3, height, width), red first, with an overlay on the enlarged picture
 * unless NULL. After a failure only abort may follow. */
cw_status cw_video_frame(cw_video *video, const uint8_t *frame, const cw_overlay *overlay);
/* Finishes the file, syncs it and renames it into place; frees the video, also on failure, when
 * an older file of the name stays. CW_EINVAL without any frame, CW_EIO, CW_ENOMEM. */
cw_status cw_video_close(cw_video *video);
/* Drops the unfinished file and frees the video; NULL allowed. */
void cw_video_abort(cw_video *video);

#endif
