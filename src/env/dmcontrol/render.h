/* Draws a model's state as dm_control's physics.render(size, size, camera) does, pixel by pixel. */
#ifndef CW_ENV_DMCONTROL_RENDER_H
#define CW_ENV_DMCONTROL_RENDER_H

#include "config/settings.h"

#include <curlew/status.h>

#include <mujoco/mujoco.h>
#include <stdint.h>

typedef struct cw_render cw_render;

/* Creates the GL context and uploads the model (whose visual settings it edits: the size of the
 * off-screen buffer). Guards itself. */
cw_status cw_render_create(mjModel *model, int size, int camera, cw_renderer renderer,
                           cw_render **out);
void cw_render_destroy(cw_render *render); /* any thread that draws nothing now; NULL allowed */

/* Draws data, whose kinematics are current, into frame (3, size, size), planar u8, top row first.
 * Guards itself. Any thread, one at a time. */
cw_status cw_render_draw(cw_render *render, const mjModel *model, mjData *data, uint8_t *frame);

/* The GL renderer, one line; lives as long as render. */
const char *cw_render_describe(const cw_render *render);

#endif
