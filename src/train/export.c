/* `curlew export`: what is asked for, and whether it may be written. */
#include "train/export.h"

#include "base/error.h"
#include "train/run_data.h"
#include "train/weights.h"

#include <curlew/export.h>

cw_status cw_run_export(const char *run, const cw_export *what) {
    if (what->onnx == NULL && what->weights == NULL && what->examples == NULL) {
        return cw_fail(CW_EINVAL, "nothing to export: an ONNX model, weights or examples are to be "
                                  "asked for");
    }
    CW_TRY(cw_target_check(what->onnx, what->force));
    CW_TRY(cw_target_check(what->weights, what->force));
    CW_TRY(cw_target_check(what->examples, what->force));
    cw_session *session;
    CW_TRY(cw_session_open(&session, run, true));
    cw_status status = CW_OK;
    if (what->onnx != NULL) status = cw_export_onnx(what->onnx, session, what->encoder);
    if (status == CW_OK && what->weights != NULL)
        status = cw_weights_write(what->weights, session->agent, session->settings.run.profile);
    if (status == CW_OK && what->examples != NULL) {
        status = cw_export_examples(what->examples, session);
    }
    cw_session_close(session);
    return status;
}
