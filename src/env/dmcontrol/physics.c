#include "env/dmcontrol/physics.h"

#include "base/error.h"
#include "env/dmcontrol/guard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

typedef struct load_job {
    const char *path;
    cw_spec_edit edit;
    double edit_parameter;
    mjSpec *spec;
    mjModel *model;
    mjData *data;
    cw_status status;
    char error[600];
} load_job;

static void load(void *argument) {
    load_job *job = argument;
    job->spec = mj_parseXML(job->path, NULL, job->error, (int)sizeof job->error);
    if (!job->spec) {
        job->status = cw_fail(CW_EENV, "%s: %s", job->path, job->error);
        return;
    }
    if (job->edit) {
        job->status = job->edit(job->spec, job->edit_parameter);
        if (job->status != CW_OK) {
            cw_fail_in(job->status, "%s", job->path);
            return;
        }
    }
    job->model = mj_compile(job->spec, NULL);
    if (!job->model) {
        job->status = cw_fail(CW_EENV, "%s: %s", job->path, mjs_getError(job->spec));
        return;
    }
    job->data = mj_makeData(job->model);
    if (!job->data) job->status = cw_fail(CW_ENOMEM, "%s: no memory for its state", job->path);
}

static cw_status check_readable(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return cw_fail(CW_ENOTFOUND,
                       "model file %s: %s; run tools/fetch_third_party.sh, or set CURLEW_MODELS to "
                       "the folder of dm_control's suite/*.xml",
                       path, strerror(errno));
    fclose(file);
    return CW_OK;
}

cw_status cw_physics_load(cw_physics *out, const char *path, int substeps, cw_spec_edit edit,
                          double edit_parameter) {
    CW_TRY(check_readable(path));
    load_job job = {.path = path, .edit = edit, .edit_parameter = edit_parameter};
    cw_status status = cw_mujoco_guard(load, &job);
    if (status == CW_OK) status = job.status;
    if (job.spec) mj_deleteSpec(job.spec);
    cw_physics made = {.model = job.model, .data = job.data, .substeps = substeps};
    if (status != CW_OK) {
        cw_physics_free(&made);
        return status;
    }
    *out = made;
    return CW_OK;
}

void cw_physics_free(cw_physics *physics) {
    mj_deleteData(physics->data);
    mj_deleteModel(physics->model);
    physics->data = NULL;
    physics->model = NULL;
}

void cw_physics_forward_unactuated(cw_physics *physics) {
    int flags = physics->model->opt.disableflags;
    physics->model->opt.disableflags = flags | mjDSBL_ACTUATION;
    mj_forward(physics->model, physics->data);
    physics->model->opt.disableflags = flags;
}

void cw_physics_reset(cw_physics *physics) {
    mj_resetData(physics->model, physics->data);
    cw_physics_forward_unactuated(physics);
}

void cw_physics_step(cw_physics *physics, int n) {
    mjModel *m = physics->model;
    mjData *d = physics->data;
    int whole = n; /* steps that run the whole forward pass */
    if (m->opt.integrator != mjINT_RK4) {
        mj_step2(m, d);
        whole--;
    }
    for (int i = 0; i < whole; i++) mj_step(m, d);
    mj_step1(m, d);
}

int cw_physics_warnings(const cw_physics *physics) {
    int n = 0;
    for (int i = 0; i < mjNWARNING; i++) n += physics->data->warning[i].number;
    return n;
}
