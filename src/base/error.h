/* Recording failures: the text that cw_last_error() returns. */
#ifndef CW_BASE_ERROR_H
#define CW_BASE_ERROR_H

#include <curlew/status.h>

#include <stdbool.h>

/* Records a message for this thread (printf format, at most 1023 bytes kept)
 * and returns `status`. Control characters become '?'. Failing is one statement:
 *     return cw_fail(CW_EINVAL, "encoder.layers is %d; it must be 1 or more", n); */
cw_status cw_fail(cw_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "prefix: " before the recorded message and returns `status`; for callers
 * that know the file or key which the failing callee did not. */
cw_status cw_fail_in(cw_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Propagates a failure out of a function that owns nothing yet. */
#define CW_TRY(call)                                                                               \
    do {                                                                                           \
        cw_status cw_try_status_ = (call);                                                         \
        if (cw_try_status_ != CW_OK) return cw_try_status_;                                        \
    } while (0)

#endif
