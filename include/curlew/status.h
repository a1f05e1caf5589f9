/* Status codes of every curlew call, and the text of the last failure.
 *
 * A function that can fail returns cw_status. On failure it leaves its outputs
 * untouched unless its comment says otherwise, and records one line of text
 * for the calling thread that names the argument, file or key at fault and
 * says what would be right. */
#ifndef CURLEW_STATUS_H
#define CURLEW_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default) /* exported by the shared library */

#define CW_STATUS_LIST(X)                                                                          \
    X(CW_OK, "ok")                                                                                 \
    X(CW_EINVAL, "invalid argument")                                                               \
    X(CW_ENOMEM, "out of memory")                                                                  \
    X(CW_EIO, "input/output error")                                                                \
    X(CW_EFORMAT, "malformed file")                                                                \
    X(CW_ENOTFOUND, "not found")                                                                   \
    X(CW_EUNSUPPORTED, "not supported here")                                                       \
    X(CW_EBUSY, "in use by another process")                                                       \
    X(CW_EENV, "environment failure")                                                              \
    X(CW_EDIVERGED, "not a finite number")                                                         \
    X(CW_EINTERRUPTED, "interrupted")

typedef enum cw_status {
#define CW_STATUS_ENUM(code, text) code,
    CW_STATUS_LIST(CW_STATUS_ENUM)
#undef CW_STATUS_ENUM
} cw_status;

/* Short fixed text of a status code, never NULL. Any thread. */
const char *cw_status_text(cw_status status);

/* The message of this thread's last failed call, "" if none. Owned by the
 * library, valid until this thread's next failing call. */
const char *cw_last_error(void);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
