/* Contexts by OSMesa, Mesa's off-screen interface; for machines without EGL. */
#include "base/error.h"
#include "base/memory.h"
#include "env/dmcontrol/gl_backend.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { GL_UNSIGNED_BYTE = 0x1401, OSMESA_RGBA = 0x1908 };

/* Guarded by cw_gl_lock until a context exists, constant from then on. */
static struct {
    void *library;
    void *(*CreateContextExt)(unsigned, int, int, int, void *);
    void (*DestroyContext)(void *);
    unsigned char (*MakeCurrent)(void *, void *, unsigned, int, int);
    void *(*GetProcAddress)(const char *);
} mesa;

static const char *const library_names[] = {"libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so",
                                            NULL};
static const char library_variable[] = "CURLEW_OSMESA_LIBRARY";

static cw_status osmesa_open(void) {
    if (mesa.library) return CW_OK;
    CW_TRY(cw_gl_open_library(library_variable, library_names, &mesa.library));
    *(void **)&mesa.CreateContextExt = dlsym(mesa.library, "OSMesaCreateContextExt");
    *(void **)&mesa.DestroyContext = dlsym(mesa.library, "OSMesaDestroyContext");
    *(void **)&mesa.MakeCurrent = dlsym(mesa.library, "OSMesaMakeCurrent");
    *(void **)&mesa.GetProcAddress = dlsym(mesa.library, "OSMesaGetProcAddress");
    if (!mesa.CreateContextExt || !mesa.DestroyContext || !mesa.MakeCurrent ||
        !mesa.GetProcAddress) {
        dlclose(mesa.library);
        memset(&mesa, 0, sizeof mesa);
        return cw_fail(CW_EUNSUPPORTED, "libOSMesa lacks functions that are needed");
    }
    cw_gl_publish_library(library_variable, library_names);
    return CW_OK;
}

static cw_status osmesa_bind(cw_gl *gl, cw_gl_previous *previous) {
    memset(previous, 0, sizeof *previous);
    if (mesa.MakeCurrent(gl->context, gl->buffer, GL_UNSIGNED_BYTE, gl->size, gl->size))
        return CW_OK;
    return cw_fail(CW_EENV, "OSMesa: the context cannot be used in this thread");
}

static void osmesa_unbind(cw_gl *gl, const cw_gl_previous *previous) {
    (void)gl;
    (void)previous;
    mesa.MakeCurrent(NULL, NULL, GL_UNSIGNED_BYTE, 0, 0);
}

static void osmesa_destroy(cw_gl *gl) {
    mesa.DestroyContext(gl->context);
    cw_free(gl->buffer);
}

static void *osmesa_function(const char *name) {
    return mesa.GetProcAddress(name);
}

static cw_status osmesa_create(cw_gl *gl) {
    CW_TRY(
        cw_alloc(&gl->buffer, cw_size_mul((size_t)gl->size, (size_t)gl->size), 4, "OSMesa buffer"));
    gl->context = mesa.CreateContextExt(OSMESA_RGBA, 24, 8, 0, NULL);
    if (!gl->context) {
        cw_free(gl->buffer);
        return cw_fail(CW_EUNSUPPORTED, "OSMesa makes no context");
    }
    cw_gl_previous previous;
    cw_status status = osmesa_bind(gl, &previous);
    if (status != CW_OK) {
        osmesa_destroy(gl);
        return status;
    }
    snprintf(gl->description, sizeof gl->description, "OSMesa, %.100s, OpenGL %.100s",
             cw_gl_string(&cw_gl_osmesa, CW_GL_RENDERER),
             cw_gl_string(&cw_gl_osmesa, CW_GL_VERSION));
    osmesa_unbind(gl, &previous);
    return CW_OK;
}

const cw_gl_backend cw_gl_osmesa = {.name = "OSMesa",
                                    .open = osmesa_open,
                                    .create = osmesa_create,
                                    .destroy = osmesa_destroy,
                                    .bind = osmesa_bind,
                                    .unbind = osmesa_unbind,
                                    .function = osmesa_function};
