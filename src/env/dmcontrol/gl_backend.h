/* What gl.c asks of a way to make OpenGL contexts. */
#ifndef CW_ENV_DMCONTROL_GL_BACKEND_H
#define CW_ENV_DMCONTROL_GL_BACKEND_H

#include "env/dmcontrol/gl.h"

#include <stddef.h>

typedef struct cw_gl_backend {
    const char *name;
    /* Opens the library and checks that it works; called under cw_gl_lock, again after a failure.
     * A failed open leaves the library closed. */
    cw_status (*open)(void);
    /* Makes gl->context; called under cw_gl_lock. */
    cw_status (*create)(cw_gl *gl);
    void (*destroy)(cw_gl *gl);
    cw_status (*bind)(cw_gl *gl, cw_gl_previous *previous);
    void (*unbind)(cw_gl *gl, const cw_gl_previous *previous);
    /* A GL function of the bound context. */
    void *(*function)(const char *name);
} cw_gl_backend;

extern const cw_gl_backend cw_gl_egl, cw_gl_osmesa;

struct cw_gl {
    const cw_gl_backend *backend;
    void *context; /* EGLContext or OSMesaContext */
    int display;   /* EGL: index of the display that it belongs to */
    int size;      /* pixels */
    void *buffer;  /* OSMesa: the window buffer that it insists on, RGBA */
    char description[256];
};

/* glGetString of the context bound in this thread, "unknown" when it has none. */
const char *cw_gl_string(const cw_gl_backend *backend, unsigned name);
#define CW_GL_RENDERER 0x1F01u
#define CW_GL_VERSION  0x1F02u

/* dlopen of the library that environment variable `variable` names, else of the first of `names`
 * (ends with NULL) that there is. CW_EUNSUPPORTED says what was tried. */
cw_status cw_gl_open_library(const char *variable, const char *const *names, void **out);

/* Makes an opened library's symbols visible to libmujoco. */
void cw_gl_publish_library(const char *variable, const char *const *names);

#endif
