#include "train/worker.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

typedef enum worker_job { JOB_NONE, JOB_RESET, JOB_STEP, JOB_QUIT } worker_job;

struct cw_worker {
    cw_agent_env *env;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    worker_job job; /* JOB_NONE when idle; guarded by mutex, as is all below */
    float action[CW_MAX_ACTION_DIM];
    uint8_t *frame;
    cw_timestep result;
    cw_status status;
    char error[1024];
    double seconds;
};

static void run_job(cw_worker *worker, worker_job job) {
    double from = cw_clock_s();
    worker->status = job == JOB_RESET ? cw_agent_env_reset(worker->env, worker->frame)
                                      : cw_agent_env_step(worker->env, worker->action,
                                                          &worker->result, worker->frame);
    worker->seconds += cw_clock_s() - from;
    if (worker->status != CW_OK) {
        snprintf(worker->error, sizeof worker->error, "%s", cw_last_error());
    }
}

static void *worker_main(void *context) {
    cw_worker *worker = context;
    pthread_mutex_lock(&worker->mutex);
    while (worker->job != JOB_QUIT) {
        if (worker->job == JOB_NONE) {
            pthread_cond_wait(&worker->changed, &worker->mutex);
            continue;
        }
        worker_job job = worker->job;
        pthread_mutex_unlock(&worker->mutex);
        run_job(worker, job);
        pthread_mutex_lock(&worker->mutex);
        worker->job = JOB_NONE;
        pthread_cond_broadcast(&worker->changed);
    }
    pthread_mutex_unlock(&worker->mutex);
    return NULL;
}

static void post(cw_worker *worker, worker_job job) {
    pthread_mutex_lock(&worker->mutex);
    worker->job = job;
    pthread_cond_broadcast(&worker->changed);
    pthread_mutex_unlock(&worker->mutex);
}

cw_status cw_worker_create(cw_worker **out, cw_agent_env *env) {
    cw_worker *worker;
    CW_TRY(cw_alloc(&worker, 1, sizeof *worker, "the environment's thread"));
    worker->env = env;
    pthread_mutex_init(&worker->mutex, NULL);
    pthread_cond_init(&worker->changed, NULL);
    int error = pthread_create(&worker->thread, NULL, worker_main, worker);
    if (error != 0) {
        cw_free(worker);
        return cw_fail(CW_ENOMEM, "cannot start the environment's thread: %s", strerror(error));
    }
    *out = worker;
    return CW_OK;
}

static void wait_idle(cw_worker *worker) {
    pthread_mutex_lock(&worker->mutex);
    while (worker->job != JOB_NONE) pthread_cond_wait(&worker->changed, &worker->mutex);
    pthread_mutex_unlock(&worker->mutex);
}

void cw_worker_destroy(cw_worker *worker) {
    if (worker == NULL) return;
    wait_idle(
        worker); /* a failure that nobody waited for must not hide the one that ends the run */
    post(worker, JOB_QUIT);
    pthread_join(worker->thread, NULL);
    pthread_cond_destroy(&worker->changed);
    pthread_mutex_destroy(&worker->mutex);
    cw_free(worker);
}

void cw_worker_start_reset(cw_worker *worker, uint8_t *frame) {
    worker->frame = frame;
    post(worker, JOB_RESET);
}

void cw_worker_start_step(cw_worker *worker, const float *action, uint8_t *frame) {
    size_t n = (size_t)worker->env->env.spec.action_dim;
    memcpy(worker->action, action, n * sizeof *action);
    worker->frame = frame;
    post(worker, JOB_STEP);
}

cw_status cw_worker_wait(cw_worker *worker, cw_timestep *out) {
    wait_idle(worker);
    if (worker->status != CW_OK) return cw_fail(worker->status, "%s", worker->error);
    *out = worker->result;
    return CW_OK;
}

double cw_worker_seconds(const cw_worker *worker) {
    return worker->seconds;
}
