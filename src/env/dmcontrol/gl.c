#include "env/dmcontrol/gl.h"

#include "base/error.h"
#include "base/memory.h"
#include "env/dmcontrol/gl_backend.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Shared by the process because libmujoco's table of GL functions is. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const cw_gl_backend *chosen; /* NULL until a context exists */

void cw_gl_lock(void) {
    pthread_mutex_lock(&lock);
}

void cw_gl_unlock(void) {
    pthread_mutex_unlock(&lock);
}

/* The library to open is named by the environment or is the i-th candidate. */
static const char *library_name(const char *variable, const char *const *names, int i) {
    const char *own = getenv(variable);
    if (own && *own) return i == 0 ? own : NULL;
    return names[i];
}

cw_status cw_gl_open_library(const char *variable, const char *const *names, void **out) {
    const char *name, *why = NULL;
    for (int i = 0; (name = library_name(variable, names, i)) != NULL; i++) {
        *out = dlopen(name, RTLD_NOW | RTLD_LOCAL);
        if (*out) return CW_OK;
        if (!why) why = dlerror();
    }
    return cw_fail(CW_EUNSUPPORTED, "%s", why ? why : "no library name");
}

void cw_gl_publish_library(const char *variable, const char *const *names) {
    const char *name;
    for (int i = 0; (name = library_name(variable, names, i)) != NULL; i++)
        if (dlopen(name, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD)) return;
}

const char *cw_gl_string(const cw_gl_backend *backend, unsigned name) {
    const unsigned char *(*get_string)(unsigned) = NULL;
    *(void **)&get_string = backend->function("glGetString");
    const unsigned char *text = get_string ? get_string(name) : NULL;
    return text ? (const char *)text : "unknown";
}

/* A context of one back-end, tried out by binding it once. */
static cw_status create_with(const cw_gl_backend *backend, cw_gl *gl) {
    if (chosen && chosen != backend)
        return cw_fail(CW_EUNSUPPORTED,
                       "this process already renders with %s; libmujoco allows one renderer per "
                       "process",
                       chosen->name);
    if (!chosen) CW_TRY(backend->open());
    gl->backend = backend;
    CW_TRY(backend->create(gl));
    chosen = backend;
    return CW_OK;
}

static cw_status create_any(cw_gl *gl) {
    if (chosen) return create_with(chosen, gl);
    if (create_with(&cw_gl_egl, gl) == CW_OK) return CW_OK;
    char first[500];
    snprintf(first, sizeof first, "%.499s", cw_last_error());
    if (create_with(&cw_gl_osmesa, gl) == CW_OK) return CW_OK;
    char second[500];
    snprintf(second, sizeof second, "%.499s", cw_last_error());
    return cw_fail(CW_EUNSUPPORTED,
                   "no renderer: EGL: %.300s; OSMesa: %.300s; install EGL with Mesa's software "
                   "driver (Debian: apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri)",
                   first, second);
}

cw_status cw_gl_create(cw_renderer wanted, int size, cw_gl **out) {
    cw_gl *gl;
    CW_TRY(cw_alloc(&gl, 1, sizeof *gl, "GL context"));
    gl->size = size;
    cw_gl_lock();
    /* Mesa's software renderer draws in the calling thread then: as fast, and no idle workers
     * beside the learner. The user's own setting wins; other drivers ignore it. */
    if (!chosen) setenv("LP_NUM_THREADS", "0", 0);
    cw_status status = CW_EINVAL;
    switch (wanted) {
    case CW_RENDERER_AUTO:
        status = create_any(gl);
        break;
    case CW_RENDERER_EGL:
        status = create_with(&cw_gl_egl, gl);
        if (status != CW_OK) cw_fail_in(status, "renderer egl is not available");
        break;
    case CW_RENDERER_OSMESA:
        status = create_with(&cw_gl_osmesa, gl);
        if (status != CW_OK) cw_fail_in(status, "renderer osmesa is not available");
        break;
    default:
        cw_fail(CW_EINVAL, "renderer %d does not exist", (int)wanted);
    }
    cw_gl_unlock();
    if (status != CW_OK) {
        cw_free(gl);
        return status;
    }
    *out = gl;
    return CW_OK;
}

void cw_gl_destroy(cw_gl *gl) {
    if (!gl) return;
    cw_gl_lock();
    gl->backend->destroy(gl);
    cw_gl_unlock();
    cw_free(gl);
}

cw_status cw_gl_bind(cw_gl *gl, cw_gl_previous *previous) {
    return gl->backend->bind(gl, previous);
}

void cw_gl_unbind(cw_gl *gl, const cw_gl_previous *previous) {
    gl->backend->unbind(gl, previous);
}

const char *cw_gl_describe(const cw_gl *gl) {
    return gl->description;
}
