/* A shared object for LD_PRELOAD that makes MuJoCo go wrong once in a whole command. From the
 * environment:
 *   FAULT_KIND   position  a joint has no position (NaN) in the N-th simulation step
 *                velocity  a joint has no velocity (NaN)
 *                error     MuJoCo reports an error in the N-th simulation step
 *                picture   the N-th picture cannot be read back
 *   FAULT_AT     N, from 1, over all environments of the command; 0: never
 *   FAULT_MARK   a file that gets the number of simulation steps and pictures at the end */
#include <dlfcn.h>
#include <math.h>
#include <mujoco/mujoco.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_long steps, pictures;

static bool chosen(const char *kind) {
    const char *wanted = getenv("FAULT_KIND");
    return wanted != NULL && strcmp(wanted, kind) == 0;
}

static bool is_due(long call) {
    const char *at = getenv("FAULT_AT");
    return at != NULL && atol(at) == call;
}

__attribute__((destructor)) static void end(void) {
    const char *mark = getenv("FAULT_MARK");
    FILE *file = mark != NULL ? fopen(mark, "w") : NULL;
    if (file == NULL) return;
    fprintf(file, "%ld %ld\n", atomic_load(&steps), atomic_load(&pictures));
    fclose(file);
}

#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

/* Called once in a control step, between two actions. */
void mj_step1(const mjModel *model, mjData *data) {
    REAL(mj_step1);
    if (is_due(atomic_fetch_add(&steps, 1) + 1)) {
        if (chosen("position")) data->qpos[0] = NAN;
        if (chosen("velocity")) data->qvel[0] = NAN;
        if (chosen("error")) mju_error("the simulator gives up");
    }
    real(model, data);
}

void mjr_readPixels(unsigned char *rgb, float *depth, mjrRect viewport, const mjrContext *context) {
    REAL(mjr_readPixels);
    bool due = is_due(atomic_fetch_add(&pictures, 1) + 1);
    if (due && chosen("picture")) mju_error("the graphics card is gone");
    real(rgb, depth, viewport, context);
}
