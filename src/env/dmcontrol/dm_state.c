#include "env/dmcontrol/dm_state.h"

#include "base/crc.h"
#include "base/error.h"
#include "env/dmcontrol/dm_env.h"
#include "env/dmcontrol/guard.h"

#include <math.h>
#include <string.h>

#define VERSION 1u

/* Sizes and identity; equal headers mean equal layouts. */
typedef struct header {
    char magic[8];
    uint32_t version;
    uint32_t task; /* CRC of the task's name */
    uint32_t mujoco;
    uint32_t n_state;  /* doubles of mjSTATE_INTEGRATION */
    uint32_t n_sensor; /* doubles of sensordata */
    uint32_t n_edited; /* bytes of edited model memory */
} header;

static size_t edited_bytes(const cw_dm_sim *sim) {
    size_t n = 0;
    for (int i = 0; i < sim->n_edits; i++) n += sim->edit[i].n_bytes;
    return n;
}

static header make_header(const cw_dm_sim *sim) {
    const mjModel *m = sim->physics.model;
    header h = {.magic = "CWDMENV",
                .version = VERSION,
                .task = cw_crc32c(0, sim->task->name, strlen(sim->task->name)),
                .mujoco = (uint32_t)mj_version(),
                .n_state = (uint32_t)mj_stateSize(m, mjSTATE_INTEGRATION),
                .n_sensor = (uint32_t)m->nsensordata,
                .n_edited = (uint32_t)edited_bytes(sim)};
    return h;
}

size_t cw_dm_state_bytes(const cw_dm_sim *sim) {
    header h = make_header(sim);
    return sizeof h + sizeof(cw_dm_progress) + sizeof(cw_mt19937) +
           ((size_t)h.n_state + h.n_sensor) * sizeof(double) + h.n_edited;
}

static unsigned char *put(unsigned char *to, const void *from, size_t n) {
    memcpy(to, from, n);
    return to + n;
}

static const unsigned char *get(const unsigned char *from, void *to, size_t n) {
    memcpy(to, from, n);
    return from + n;
}

cw_status cw_dm_state_save(const cw_dm_sim *sim, const cw_dm_progress *progress, double *scratch,
                           void *buffer, size_t *n_bytes) {
    size_t needed = cw_dm_state_bytes(sim);
    if (*n_bytes < needed)
        return cw_fail(CW_EINVAL, "the state of %s needs %zu bytes; the buffer has %zu",
                       sim->task->name, needed, *n_bytes);
    header h = make_header(sim);
    const mjData *d = sim->physics.data;
    mj_getState(sim->physics.model, d, scratch, mjSTATE_INTEGRATION);
    unsigned char *to = put(buffer, &h, sizeof h);
    to = put(to, progress, sizeof *progress);
    to = put(to, &sim->rng, sizeof sim->rng);
    to = put(to, scratch, h.n_state * sizeof(double));
    to = put(to, d->sensordata, h.n_sensor * sizeof(double));
    for (int i = 0; i < sim->n_edits; i++) to = put(to, sim->edit[i].at, sim->edit[i].n_bytes);
    *n_bytes = needed;
    return CW_OK;
}

typedef struct restore_job {
    cw_dm_sim *sim;
    const double *state;
} restore_job;

/* Everything derived from positions and velocities is computed anew from the same numbers. */
static void restore(void *argument) {
    restore_job *job = argument;
    const mjModel *m = job->sim->physics.model;
    mjData *d = job->sim->physics.data;
    mj_resetData(m, d);
    mj_setState(m, d, job->state, mjSTATE_INTEGRATION);
    mj_step1(m, d);
}

static bool all_finite(const unsigned char *from, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double value;
        from = get(from, &value, sizeof value);
        if (!isfinite(value)) return false;
    }
    return true;
}

static bool all_finite_float(const unsigned char *from, size_t n) {
    for (size_t i = 0; i < n; i++) {
        float value;
        from = get(from, &value, sizeof value);
        if (!isfinite(value)) return false;
    }
    return true;
}

static bool edits_finite(const cw_dm_sim *sim, const unsigned char *from) {
    for (int i = 0; i < sim->n_edits; i++) {
        size_t n = sim->edit[i].n_bytes;
        if (sim->edit[i].is_float ? !all_finite_float(from, n / sizeof(float))
                                  : !all_finite(from, n / sizeof(double)))
            return false;
        from += n;
    }
    return true;
}

static cw_status nonsense(const cw_dm_sim *sim, const char *what) {
    return cw_fail(CW_EFORMAT, "the saved state of %s: %s", sim->task->name, what);
}

cw_status cw_dm_state_load(cw_dm_sim *sim, cw_dm_progress *progress, double *scratch,
                           const void *buffer, size_t *n_bytes) {
    size_t needed = cw_dm_state_bytes(sim);
    header h = make_header(sim);
    if (*n_bytes < needed || memcmp(buffer, &h, sizeof h) != 0)
        return cw_fail(CW_EFORMAT, "the saved state is not one of %s by this version",
                       sim->task->name);
    cw_dm_progress at;
    cw_mt19937 rng;
    const unsigned char *from = (const unsigned char *)buffer + sizeof h;
    from = get(from, &at, sizeof at);
    from = get(from, &rng, sizeof rng);
    if (at.started < 0 || at.started > 1 || at.steps < 0 || at.steps > CW_DM_STEP_LIMIT)
        return nonsense(sim, "its step number makes no sense");
    if (!cw_mt19937_sound(&rng)) return nonsense(sim, "its random numbers make no sense");
    size_t n = (size_t)h.n_state + h.n_sensor;
    if (!all_finite(from, n) || !edits_finite(sim, from + n * sizeof(double)))
        return nonsense(sim, "it holds a number that is not finite");
    *progress = at;
    sim->rng = rng;
    from = get(from, scratch, h.n_state * sizeof(double));
    const unsigned char *sensors = from;
    from += h.n_sensor * sizeof(double);
    for (int i = 0; i < sim->n_edits; i++) from = get(from, sim->edit[i].at, sim->edit[i].n_bytes);
    restore_job job = {sim, scratch};
    CW_TRY(cw_mujoco_guard(restore, &job));
    if (cw_physics_warnings(&sim->physics) > 0) return nonsense(sim, cw_mujoco_warning());
    memcpy(sim->physics.data->sensordata, sensors, h.n_sensor * sizeof(double));
    *n_bytes = needed;
    return CW_OK;
}
