/* The parts of a report's page (`curlew report`); each appends HTML to the page. */
#ifndef CW_TRAIN_REPORT_PAGE_H
#define CW_TRAIN_REPORT_PAGE_H

#include "base/text.h"
#include "train/run_data.h"

/* What the encoder sees, from the newest checkpoint and its replay: crops, saliency, nearest
 * neighbours in latent space, the similarity matrix of a minibatch. CW_ENOTFOUND when the run has
 * no checkpoint yet or its task is not built in; CW_EFORMAT for a damaged checkpoint. */
cw_status cw_report_encoder(cw_text *page, const char *run);

#endif
