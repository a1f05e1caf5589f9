#include "env/dmcontrol/guard.h"

#include "base/error.h"

#include <mujoco/mujoco.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>

#define TEXT 400

typedef struct guard {
    jmp_buf back;
    struct guard *outer; /* NULL: the outermost of this thread */
} guard;

static _Thread_local guard *active; /* NULL: this thread is outside curlew's MuJoCo calls */
static _Thread_local char error[TEXT], warning[TEXT];

/* MuJoCo has one handler per process, so it is shared: ours hands on what is not ours. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static mjfLogHandler previous;

static void on_message(const mjLogMessage *message) {
    if (!active) {
        if (previous) previous(message);
        return;
    }
    if (message->level == mjLOG_ERROR) {
        snprintf(error, sizeof error, "%.*s", TEXT - 1, message->subject);
        longjmp(active->back, 1);
    }
    if (message->level == mjLOG_WARNING)
        snprintf(warning, sizeof warning, "%.*s", TEXT - 1, message->subject);
}

static void install(void) {
    previous = mju_setLogHandler(on_message);
}

cw_status cw_mujoco_guard(void (*fn)(void *argument), void *argument) {
    pthread_once(&once, install);
    guard here;
    here.outer = active;
    if (!here.outer) warning[0] = '\0';
    if (_setjmp(here.back) != 0) {
        active = here.outer;
        return cw_fail(CW_EENV, "MuJoCo: %s", error);
    }
    active = &here;
    fn(argument);
    active = here.outer;
    return CW_OK;
}

const char *cw_mujoco_warning(void) {
    return warning;
}
