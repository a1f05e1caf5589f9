/* MP4 video (H.264 through libav*). */
#ifndef CW_IO_VIDEO_H
#define CW_IO_VIDEO_H

#include <curlew/status.h>

#include <stdint.h>

typedef struct cw_video cw_video;

/* Starts a video of frames of width x height pixels, `scale` times enlarged (nearest), at
 * frames_per_second. Written to a temporary name until close. */
cw_status cw_video_open(cw_video **out, const char *path, int width, int height, int scale,
                        double frames_per_second);
/* One frame, planar u8 (3, height, width). */
cw_status cw_video_frame(cw_video *video, const uint8_t *frame);
/* Finishes the file and renames it into place; frees the video, also on failure. */
cw_status cw_video_close(cw_video *video);
/* Drops the unfinished file; NULL allowed. */
void cw_video_abort(cw_video *video);

#endif
