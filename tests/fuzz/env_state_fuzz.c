/* Saved states of environments: changes to good ones of toy (first byte even) and of the control
 * suite's finger, which saves edits of its model too. What is accepted is saved again, and can be
 * stepped on from with a finite reward; the finger, which takes long to step and longer to make
 * anew, is stepped now and then, until it has been made anew a thousand times. */
#include "env/suite.h"
#include "fuzz.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct world {
    cw_env env;
    uint8_t *good, *bytes;
    size_t n;
    int remade;
} world;

static void make(world *w, const char *name) {
    const cw_task *task;
    cw_env_options options = {.seed = 1, .image_size = 0, .camera = -1};
    REQUIRE(cw_task_find(name, &task) == CW_OK);
    REQUIRE(cw_env_create(task, &options, &w->env) == CW_OK);
    REQUIRE(w->env.vtable->reset(w->env.self) == CW_OK);
    w->n = w->env.spec.state_bytes;
    w->good = malloc(w->n), w->bytes = malloc(w->n);
    REQUIRE(w->good != NULL && w->bytes != NULL);
    REQUIRE(w->env.vtable->state(w->env.self, w->good, &w->n, false) == CW_OK);
}

/* One step, and a reset. A simulation may go wrong; an environment is used up then. */
static void step_on(world *w, const char *name) {
    const cw_env_vtable *vtable = w->env.vtable;
    const double action[2] = {0.5, -0.5};
    cw_env_step step;
    cw_status status = vtable->step(w->env.self, action, &step);
    if (status == CW_OK) REQUIRE(isfinite(step.reward));
    if (status != CW_EENV) status = vtable->reset(w->env.self);
    if (status == CW_OK) return;
    REQUIRE(status == CW_EENV);
    fuzz_require_message(status);
    vtable->destroy(w->env.self);
    free(w->good);
    free(w->bytes);
    make(w, name);
    w->remade++;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n) {
    static const char *const names[2] = {"toy", "finger-turn_hard"};
    static world worlds[2];
    if (worlds[0].good == NULL) {
        for (int i = 0; i < 2; i++) make(&worlds[i], names[i]);
    }
    if (n < 2) return 0;
    int which = bytes[0] % 2;
    world *w = &worlds[which];
    memcpy(w->bytes, w->good, w->n);
    fuzz_patch(w->bytes, w->n, bytes + 2, n - 2);
    size_t size = w->n - (bytes[1] < w->n ? bytes[1] : 0);
    const cw_env_vtable *vtable = w->env.vtable;
    cw_status status = vtable->state(w->env.self, w->bytes, &size, true);
    if (status != CW_OK) {
        fuzz_require_message(status);
        return 0;
    }
    REQUIRE(size == w->n);
    REQUIRE(vtable->state(w->env.self, w->bytes, &size, false) == CW_OK && size == w->n);
    bool step = fuzz_one_in(256, bytes, n) && w->remade < 1000;
    if (which == 0 || step) step_on(w, names[which]);
    return 0;
}
