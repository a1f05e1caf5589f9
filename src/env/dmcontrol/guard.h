/* Keeps MuJoCo from printing, writing MUJOCO_LOG.TXT and ending the process: errors inside a
 * guarded call come back as a status, warnings are kept as text. MuJoCo calls outside a guard (a
 * host program's own) are reported as before, through the handler that was in place. */
#ifndef CW_ENV_DMCONTROL_GUARD_H
#define CW_ENV_DMCONTROL_GUARD_H

#include <curlew/status.h>

/* Runs fn(argument). A fatal MuJoCo error leaves fn in the middle (by longjmp; fn must hold
 * nothing that only it can release) and is returned as CW_EENV with MuJoCo's text. Any thread;
 * guards nest. */
cw_status cw_mujoco_guard(void (*fn)(void *argument), void *argument);

/* MuJoCo's last warning in this thread since its outermost guard began, "" if none. */
const char *cw_mujoco_warning(void);

#endif
