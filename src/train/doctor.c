/* `curlew doctor`: what this machine offers and lacks. */
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/resources.h"
#include "env/suite.h"
#include "ops/ops.h"

#include <curlew/run.h>

#include <stdarg.h>
#include <stdio.h>

typedef struct doctor {
    const cw_callbacks *callbacks;
    int problems;
} doctor;

static void say(const doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(const doctor *d, const char *format, ...) {
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (d->callbacks != NULL && d->callbacks->line != NULL) {
        d->callbacks->line(d->callbacks->user, text);
    }
}

static void problem(doctor *d, const char *what) {
    d->problems++;
    say(d, "problem   %s: %s", what, cw_last_error());
}

/* Of what this process may have: a container may have a small part of the machine's. */
static void check_memory(doctor *d) {
    cw_config *config = NULL;
    int64_t need = 0, available = 0;
    cw_status status = cw_config_create(&config);
    if (status == CW_OK) status = cw_config_set(config, "env.task", "cartpole-swingup");
    if (status == CW_OK) status = cw_train_memory(config, &need, &available);
    cw_config_destroy(config);
    if (status == CW_ENOMEM) {
        problem(d, "memory");
    } else if (status == CW_OK) { /* else the renderer has been found wanting */
        say(d, "memory    %.1f GB available; the default run needs %.1f GB",
            1e-9 * (double)available, 1e-9 * (double)need);
    }
}

static void check_disk(const doctor *d) {
    uint64_t bytes;
    if (!cw_disk_available(".", &bytes)) return;
    say(d, "disk      %.1f GB free in this folder", 1e-9 * (double)bytes);
}

static void check_backend(doctor *d) {
    cw_backend *be;
    char text[256];
    if (cw_backend_onednn_create(&be, 0) != CW_OK) {
        problem(d, "kernels");
        return;
    }
    if (cw_backend_describe(be, text, sizeof text) == CW_OK) say(d, "kernels   %s", text);
    cw_backend_destroy(be);
}

/* One frame of one task with one renderer. */
static cw_status draw_frame(const cw_task *task, cw_renderer renderer, char *text,
                            size_t text_bytes, double *seconds) {
    cw_env env;
    uint8_t *frame;
    cw_env_options options = {.seed = 1, .image_size = 100, .camera = -1, .renderer = renderer};
    CW_TRY(cw_env_create(task, &options, &env));
    cw_status status = cw_alloc(&frame, 3, (size_t)100 * 100, "a frame");
    if (status == CW_OK) {
        status = env.vtable->reset(env.self);
        if (status == CW_OK) status = env.vtable->render(env.self, frame);
        double from = cw_clock_s();
        if (status == CW_OK) status = env.vtable->render(env.self, frame);
        *seconds = cw_clock_s() - from;
        if (status == CW_OK) status = cw_env_renderer_describe(&env, text, text_bytes);
        cw_free(frame);
    }
    env.vtable->destroy(env.self);
    return status;
}

static void check_renderer(doctor *d) {
    const cw_task *task;
    char text[512];
    double seconds;
    if (cw_task_find("cartpole-swingup", &task) != CW_OK ||
        draw_frame(task, CW_RENDERER_AUTO, text, sizeof text, &seconds) != CW_OK) {
        problem(d, "rendering");
        return;
    }
    say(d, "rendering %s; %.1f ms a frame", text, 1e3 * seconds);
}

cw_status cw_doctor(const cw_callbacks *callbacks) {
    doctor d = {.callbacks = callbacks};
    say(&d, "version   curlew %s", cw_version());
    check_backend(&d);
    check_renderer(&d);
    check_memory(&d);
    check_disk(&d);
    if (d.problems > 0) {
        return cw_fail(CW_EUNSUPPORTED, "%d problem%s found; a default run would not work here",
                       d.problems, d.problems > 1 ? "s" : "");
    }
    say(&d, "all there: a default run would work here");
    return CW_OK;
}
