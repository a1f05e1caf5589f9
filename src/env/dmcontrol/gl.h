/* OpenGL contexts without a display server. The libraries are opened at run time, when the first
 * context is made, so the program runs without them as long as nothing renders.
 *
 * libmujoco keeps one table of GL functions per process, so the first context made decides which
 * renderer (EGL or OSMesa) the whole process uses. */
#ifndef CW_ENV_DMCONTROL_GL_H
#define CW_ENV_DMCONTROL_GL_H

#include "config/settings.h"

#include <curlew/status.h>

#include <stdint.h>

typedef struct cw_gl cw_gl;

/* A context for off-screen drawing of size x size pixels, current nowhere. AUTO takes EGL, else
 * OSMesa. CW_EUNSUPPORTED says why there is none. Any thread. */
cw_status cw_gl_create(cw_renderer wanted, int size, cw_gl **out);
void cw_gl_destroy(cw_gl *gl); /* NULL allowed; not while bound */

/* What was current in the calling thread before a bind. */
typedef struct cw_gl_previous {
    void *display, *draw, *read, *context;
    unsigned api;
} cw_gl_previous;

/* Makes the context current in this thread; unbind puts back what was there. A context may be bound
 * in one thread at a time, in any. */
cw_status cw_gl_bind(cw_gl *gl, cw_gl_previous *previous);
void cw_gl_unbind(cw_gl *gl, const cw_gl_previous *previous);

/* "EGL (device), llvmpipe (LLVM 15.0.6, 256 bits), OpenGL 4.5 ..."; lives as long as gl. */
const char *cw_gl_describe(const cw_gl *gl);

/* One lock per process, for libmujoco's loading of GL functions. */
void cw_gl_lock(void);
void cw_gl_unlock(void);

#endif
