#include "env/dmcontrol/render.h"

#include "base/error.h"
#include "base/memory.h"
#include "env/dmcontrol/gl.h"
#include "env/dmcontrol/guard.h"

#include <stdbool.h>

#define MAX_GEOMS 1000 /* dm_control's; a scene here has some 40 */

struct cw_render {
    cw_gl *gl;
    int size;  /* pixels */
    int floor; /* geom that is the ground plane, -1 if none */
    mjvScene scene;
    mjvOption option;
    mjvPerturb perturb;
    mjvCamera camera;
    mjrContext context;
    bool has_context;
    uint8_t *rgb; /* (size, size, 3), bottom row first */
};

/* The plane named "floor" or "ground". */
static int find_floor(const mjModel *model) {
    int id = mj_name2id(model, mjOBJ_GEOM, "floor");
    if (id < 0) id = mj_name2id(model, mjOBJ_GEOM, "ground");
    return id >= 0 && model->geom_type[id] == mjGEOM_PLANE ? id : -1;
}

typedef struct make_job {
    cw_render *render;
    mjModel *model;
} make_job;

static void make_scene(void *argument) {
    make_job *job = argument;
    cw_render *r = job->render;
    mjv_defaultScene(&r->scene);
    mjv_makeScene(job->model, &r->scene, MAX_GEOMS);
    mjv_defaultOption(&r->option);
    mjv_defaultPerturb(&r->perturb);
    mjv_defaultCamera(&r->camera);
    r->camera.type = mjCAMERA_FIXED;
}

static void make_context(void *argument) {
    make_job *job = argument;
    cw_render *r = job->render;
    job->model->vis.global.offwidth = r->size;
    job->model->vis.global.offheight = r->size;
    mjr_defaultContext(&r->context);
    mjr_makeContext(job->model, &r->context, mjFONTSCALE_100);
    mjr_setBuffer(mjFB_OFFSCREEN, &r->context);
    r->has_context = true;
}

static cw_status create_parts(cw_render *r, mjModel *model, int camera, cw_renderer renderer) {
    make_job job = {r, model};
    CW_TRY(cw_alloc(&r->rgb, cw_size_mul((size_t)r->size, (size_t)r->size), 3, "rendered frame"));
    CW_TRY(cw_mujoco_guard(make_scene, &job));
    r->camera.fixedcamid = camera;
    CW_TRY(cw_gl_create(renderer, r->size, &r->gl));
    cw_gl_previous previous;
    CW_TRY(cw_gl_bind(r->gl, &previous));
    cw_gl_lock();
    cw_status status = cw_mujoco_guard(make_context, &job);
    cw_gl_unlock();
    if (status == CW_OK && r->context.currentBuffer != mjFB_OFFSCREEN)
        status = cw_fail(CW_EUNSUPPORTED, "renderer %s: no off-screen buffer of %d x %d pixels",
                         cw_gl_describe(r->gl), r->size, r->size);
    cw_gl_unbind(r->gl, &previous);
    return status;
}

cw_status cw_render_create(mjModel *model, int size, int camera, cw_renderer renderer,
                           cw_render **out) {
    cw_render *r;
    CW_TRY(cw_alloc(&r, 1, sizeof *r, "renderer"));
    r->size = size;
    r->floor = find_floor(model);
    cw_status status = create_parts(r, model, camera, renderer);
    if (status != CW_OK) {
        cw_render_destroy(r);
        return status;
    }
    *out = r;
    return CW_OK;
}

static void free_context(void *argument) {
    mjr_freeContext(argument);
}

void cw_render_destroy(cw_render *r) {
    if (!r) return;
    cw_gl_previous previous;
    if (r->has_context && cw_gl_bind(r->gl, &previous) == CW_OK) {
        cw_mujoco_guard(free_context, &r->context);
        cw_gl_unbind(r->gl, &previous);
    }
    cw_gl_destroy(r->gl);
    mjv_freeScene(&r->scene);
    cw_free(r->rgb);
    cw_free(r);
}

typedef struct draw_job {
    cw_render *render;
    const mjModel *model;
    mjData *data;
} draw_job;

static void draw(void *argument) {
    draw_job *job = argument;
    cw_render *r = job->render;
    mjv_updateScene(job->model, job->data, &r->option, &r->perturb, &r->camera, mjCAT_ALL,
                    &r->scene);
    /* The ground shadows nothing, but costs most of the shadow pass. libmujoco leaves decorations
     * out of that pass alone, so the pixels stay the same. */
    for (int i = 0; i < r->scene.ngeom; i++) {
        mjvGeom *geom = &r->scene.geoms[i];
        if (geom->objtype == mjOBJ_GEOM && geom->objid == r->floor) geom->category = mjCAT_DECOR;
    }
    mjrRect whole = {0, 0, r->size, r->size};
    mjr_render(whole, &r->scene, &r->context);
    mjr_readPixels(r->rgb, NULL, whole, &r->context);
}

/* (size, size, 3) bottom row first -> (3, size, size) top row first. */
static void to_planar(const uint8_t *rgb, int size, uint8_t *frame) {
    size_t n = (size_t)size, plane = n * n;
    for (size_t y = 0; y < n; y++) {
        const uint8_t *row = rgb + (n - 1 - y) * n * 3;
        uint8_t *to = frame + y * n;
        for (size_t x = 0; x < n; x++)
            for (size_t c = 0; c < 3; c++) to[c * plane + x] = row[3 * x + c];
    }
}

cw_status cw_render_draw(cw_render *r, const mjModel *model, mjData *data, uint8_t *frame) {
    draw_job job = {r, model, data};
    cw_gl_previous previous;
    CW_TRY(cw_gl_bind(r->gl, &previous));
    cw_status status = cw_mujoco_guard(draw, &job);
    cw_gl_unbind(r->gl, &previous);
    CW_TRY(status);
    to_planar(r->rgb, r->size, frame);
    return CW_OK;
}

const char *cw_render_describe(const cw_render *r) {
    return cw_gl_describe(r->gl);
}
