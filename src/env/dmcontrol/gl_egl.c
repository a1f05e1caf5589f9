/* Contexts by EGL, without a display server. The handful of declarations is written out here (they
 * are EGL 1.5's and its extensions'), so that building needs no EGL headers. */
#include "base/error.h"
#include "env/dmcontrol/gl_backend.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef void *egl_display, *egl_config, *egl_context, *egl_surface;
enum {
    EGL_PBUFFER_BIT = 0x0001,
    EGL_OPENGL_BIT = 0x0008,
    EGL_ALPHA_SIZE = 0x3021,
    EGL_BLUE_SIZE = 0x3022,
    EGL_GREEN_SIZE = 0x3023,
    EGL_RED_SIZE = 0x3024,
    EGL_DEPTH_SIZE = 0x3025,
    EGL_STENCIL_SIZE = 0x3026,
    EGL_SURFACE_TYPE = 0x3033,
    EGL_NONE = 0x3038,
    EGL_COLOR_BUFFER_TYPE = 0x303F,
    EGL_RENDERABLE_TYPE = 0x3040,
    EGL_DRAW = 0x3059,
    EGL_READ = 0x305A,
    EGL_RGB_BUFFER = 0x308E,
    EGL_OPENGL_API = 0x30A2,
    EGL_PLATFORM_DEVICE = 0x313F,
    EGL_PLATFORM_SURFACELESS = 0x31DD
};

#define MAX_DEVICES 16

/* Two displays: Mesa's software renderer draws under a lock per display, so contexts of two threads
 * go to different ones where both exist. */
enum { DEVICE, SURFACELESS, N_DISPLAYS };
static const char *const display_name[N_DISPLAYS] = {"device", "surfaceless"};

/* Guarded by cw_gl_lock, apart from `call` which does not change once a context exists. */
static struct {
    void *library;
    struct {
        void *(*GetProcAddress)(const char *);
        unsigned (*Initialize)(egl_display, int32_t *, int32_t *);
        unsigned (*ChooseConfig)(egl_display, const int32_t *, egl_config *, int32_t, int32_t *);
        unsigned (*BindAPI)(unsigned);
        unsigned (*QueryAPI)(void);
        egl_context (*CreateContext)(egl_display, egl_config, egl_context, const int32_t *);
        unsigned (*DestroyContext)(egl_display, egl_context);
        unsigned (*MakeCurrent)(egl_display, egl_surface, egl_surface, egl_context);
        egl_context (*GetCurrentContext)(void);
        egl_display (*GetCurrentDisplay)(void);
        egl_surface (*GetCurrentSurface)(int32_t);
        int32_t (*GetError)(void);
        egl_display (*GetPlatformDisplay)(unsigned, void *, const int32_t *); /* may be NULL */
        unsigned (*QueryDevices)(int32_t, void **, int32_t *);                /* may be NULL */
    } call;
    egl_display display[N_DISPLAYS]; /* NULL: not initialised or not there */
    egl_config config[N_DISPLAYS];
    int live[N_DISPLAYS]; /* contexts that exist */
    bool unlike;          /* the two displays are of different drivers: only one is used */
    char renderer[128];   /* GL_RENDERER of the first context's display */
} egl;

static const char *const library_names[] = {"libEGL.so.1", NULL};
static const char library_variable[] = "CURLEW_EGL_LIBRARY";

static cw_status load_functions(void) {
    const struct {
        const char *name;
        void **at;
    } table[] = {
        {"eglGetProcAddress", (void **)&egl.call.GetProcAddress},
        {"eglInitialize", (void **)&egl.call.Initialize},
        {"eglChooseConfig", (void **)&egl.call.ChooseConfig},
        {"eglBindAPI", (void **)&egl.call.BindAPI},
        {"eglQueryAPI", (void **)&egl.call.QueryAPI},
        {"eglCreateContext", (void **)&egl.call.CreateContext},
        {"eglDestroyContext", (void **)&egl.call.DestroyContext},
        {"eglMakeCurrent", (void **)&egl.call.MakeCurrent},
        {"eglGetCurrentContext", (void **)&egl.call.GetCurrentContext},
        {"eglGetCurrentDisplay", (void **)&egl.call.GetCurrentDisplay},
        {"eglGetCurrentSurface", (void **)&egl.call.GetCurrentSurface},
        {"eglGetError", (void **)&egl.call.GetError},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        *table[i].at = dlsym(egl.library, table[i].name);
        if (!*table[i].at) return cw_fail(CW_EUNSUPPORTED, "libEGL lacks %s", table[i].name);
    }
    *(void **)&egl.call.GetPlatformDisplay = egl.call.GetProcAddress("eglGetPlatformDisplayEXT");
    *(void **)&egl.call.QueryDevices = egl.call.GetProcAddress("eglQueryDevicesEXT");
    return CW_OK;
}

/* Initialises a display and picks its configuration; false when it does not work. */
static bool use_display(int i, egl_display display) {
    static const int32_t wanted[] = {EGL_RED_SIZE,
                                     8,
                                     EGL_GREEN_SIZE,
                                     8,
                                     EGL_BLUE_SIZE,
                                     8,
                                     EGL_ALPHA_SIZE,
                                     8,
                                     EGL_DEPTH_SIZE,
                                     24,
                                     EGL_STENCIL_SIZE,
                                     8,
                                     EGL_COLOR_BUFFER_TYPE,
                                     EGL_RGB_BUFFER,
                                     EGL_SURFACE_TYPE,
                                     EGL_PBUFFER_BIT,
                                     EGL_RENDERABLE_TYPE,
                                     EGL_OPENGL_BIT,
                                     EGL_NONE};
    int32_t n = 0;
    if (!display || !egl.call.Initialize(display, NULL, NULL)) return false;
    if (!egl.call.ChooseConfig(display, wanted, &egl.config[i], 1, &n) || n < 1) return false;
    egl.display[i] = display;
    return true;
}

/* The first device that works, as dm_control chooses it. */
static bool open_device(void) {
    void *device[MAX_DEVICES];
    int32_t n = 0;
    if (!egl.call.QueryDevices || !egl.call.QueryDevices(MAX_DEVICES, device, &n)) return false;
    for (int32_t i = 0; i < n; i++)
        if (use_display(DEVICE, egl.call.GetPlatformDisplay(EGL_PLATFORM_DEVICE, device[i], NULL)))
            return true;
    return false;
}

static bool open_surfaceless(void) {
    return use_display(SURFACELESS,
                       egl.call.GetPlatformDisplay(EGL_PLATFORM_SURFACELESS, NULL, NULL));
}

static cw_status open_displays(void) {
    CW_TRY(load_functions());
    if (!egl.call.GetPlatformDisplay)
        return cw_fail(CW_EUNSUPPORTED, "libEGL lacks eglGetPlatformDisplayEXT");
    if (open_device() || open_surfaceless()) return CW_OK;
    return cw_fail(CW_EUNSUPPORTED, "no EGL device or surfaceless display works (Debian: apt-get "
                                    "install libegl-mesa0 libgl1-mesa-dri)");
}

static cw_status egl_open(void) {
    if (egl.library) return CW_OK;
    CW_TRY(cw_gl_open_library(library_variable, library_names, &egl.library));
    cw_status status = open_displays();
    if (status != CW_OK) {
        /* Left open, libmujoco might find it in OSMesa's place. */
        dlclose(egl.library);
        memset(&egl, 0, sizeof egl);
        return status;
    }
    cw_gl_publish_library(library_variable, library_names);
    return CW_OK;
}

/* The display with the fewest contexts; the second one is opened when it is first wanted. */
static int pick_display(void) {
    int first = egl.display[DEVICE] ? DEVICE : SURFACELESS;
    if (first == SURFACELESS || egl.unlike || egl.live[DEVICE] <= egl.live[SURFACELESS])
        return first;
    if (!egl.display[SURFACELESS] && !open_surfaceless()) {
        egl.unlike = true;
        return first;
    }
    return SURFACELESS;
}

static cw_status egl_bind(cw_gl *gl, cw_gl_previous *previous) {
    previous->api = egl.call.QueryAPI();
    egl.call.BindAPI(EGL_OPENGL_API);
    previous->display = egl.call.GetCurrentDisplay();
    previous->context = egl.call.GetCurrentContext();
    previous->draw = egl.call.GetCurrentSurface(EGL_DRAW);
    previous->read = egl.call.GetCurrentSurface(EGL_READ);
    if (egl.call.MakeCurrent(egl.display[gl->display], NULL, NULL, gl->context)) return CW_OK;
    int error = (int)egl.call.GetError();
    egl.call.BindAPI(previous->api);
    return cw_fail(CW_EENV, "EGL: the context cannot be used in this thread (error 0x%x)", error);
}

static void egl_unbind(cw_gl *gl, const cw_gl_previous *previous) {
    if (previous->context)
        egl.call.MakeCurrent(previous->display, previous->draw, previous->read, previous->context);
    else
        egl.call.MakeCurrent(egl.display[gl->display], NULL, NULL, NULL);
    egl.call.BindAPI(previous->api);
}

static void *egl_function(const char *name) {
    return egl.call.GetProcAddress(name);
}

static void egl_destroy(cw_gl *gl) {
    egl.call.DestroyContext(egl.display[gl->display], gl->context);
    egl.live[gl->display]--;
}

static cw_status create_on(cw_gl *gl, int display) {
    static const int32_t none[] = {EGL_NONE};
    unsigned api = egl.call.QueryAPI();
    egl.call.BindAPI(EGL_OPENGL_API);
    gl->display = display;
    gl->context = egl.call.CreateContext(egl.display[display], egl.config[display], NULL, none);
    int error = gl->context ? 0 : (int)egl.call.GetError();
    egl.call.BindAPI(api);
    if (!gl->context)
        return cw_fail(CW_EUNSUPPORTED,
                       "EGL makes no OpenGL context on its %s display (error "
                       "0x%x)",
                       display_name[display], error);
    egl.live[display]++;
    cw_gl_previous previous;
    cw_status status = egl_bind(gl, &previous);
    if (status != CW_OK) {
        egl_destroy(gl);
        return status;
    }
    const char *renderer = cw_gl_string(&cw_gl_egl, CW_GL_RENDERER);
    if (!egl.renderer[0]) snprintf(egl.renderer, sizeof egl.renderer, "%s", renderer);
    egl.unlike = egl.unlike || strncmp(egl.renderer, renderer, sizeof egl.renderer - 1) != 0;
    snprintf(gl->description, sizeof gl->description, "EGL (%s), %.100s, OpenGL %.100s",
             display_name[display], renderer, cw_gl_string(&cw_gl_egl, CW_GL_VERSION));
    egl_unbind(gl, &previous);
    return CW_OK;
}

static cw_status egl_create(cw_gl *gl) {
    int display = pick_display();
    CW_TRY(create_on(gl, display));
    if (display == SURFACELESS && egl.unlike && egl.display[DEVICE]) {
        egl_destroy(gl);
        return create_on(gl, DEVICE);
    }
    return CW_OK;
}

const cw_gl_backend cw_gl_egl = {.name = "EGL",
                                 .open = egl_open,
                                 .create = egl_create,
                                 .destroy = egl_destroy,
                                 .bind = egl_bind,
                                 .unbind = egl_unbind,
                                 .function = egl_function};
