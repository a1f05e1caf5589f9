/* The files of cw_run_export; for export*.c only. */
#ifndef CW_TRAIN_EXPORT_H
#define CW_TRAIN_EXPORT_H

#include "train/session.h"

/* The policy, or with `encoder` the query encoder alone, as an ONNX model. */
cw_status cw_export_onnx(const char *path, const cw_session *session, bool encoder);

/* Stacks of one episode with the policy's actions and the encoder's features. */
cw_status cw_export_examples(const char *path, cw_session *session);

#endif
