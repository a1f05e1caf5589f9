/* ONNX models: a graph of a few dozen nodes with its weights, written as one file (opset 17, IR
 * version 8: the first that have LayerNormalization). The messages are in proto/onnx.proto. */
#ifndef CW_IO_ONNX_H
#define CW_IO_ONNX_H

#include "tensor/tensor.h"

#include <curlew/status.h>

#include <stdint.h>

#define CW_ONNX_OPSET     17
#define CW_ONNX_IR        8
#define CW_ONNX_NODES     128
#define CW_ONNX_WEIGHTS   128
#define CW_ONNX_VALUES    4  /* inputs, and outputs, of a graph */
#define CW_ONNX_META      32 /* pairs of text */
#define CW_ONNX_ARGUMENTS 5  /* inputs of a node */
#define CW_ONNX_NAME      96

typedef struct cw_onnx cw_onnx;

/* An empty graph. `doc` is the model's doc_string, `version` the producer's. Texts are copied, as
 * all texts below. The first failure of a call below is kept, later calls do nothing, and
 * cw_onnx_write reports it: a graph is built without a test at every line. */
cw_status cw_onnx_create(cw_onnx **out, const char *name, const char *version, const char *doc);
void cw_onnx_destroy(cw_onnx *graph); /* NULL allowed */

/* An input or output of u8 or f32 elements; its first dimension is the dynamic "batch", the others
 * are `shape` (n). */
void cw_onnx_input(cw_onnx *graph, const char *name, const char *doc, cw_dtype dtype,
                   const int64_t *shape, int n);
void cw_onnx_output(cw_onnx *graph, const char *name, const char *doc, cw_dtype dtype,
                    const int64_t *shape, int n);

/* A weight. f32 data are not copied and must stay until the write; f64 are rounded to a copy. */
void cw_onnx_weight(cw_onnx *graph, const char *name, const cw_tensor *tensor);
/* A constant of n whole numbers, 1 to 4; so are the numbers of an attribute. */
void cw_onnx_constant(cw_onnx *graph, const char *name, const int64_t *values, int n);

/* A node of operator `op` with one output, which names the node too. `inputs` ends with NULL.
 * Attributes of the node added last follow. */
void cw_onnx_node(cw_onnx *graph, const char *op, const char *output, const char *const *inputs);
void cw_onnx_attribute_int(cw_onnx *graph, const char *name, int64_t number);
void cw_onnx_attribute_ints(cw_onnx *graph, const char *name, const int64_t *values, int count);
void cw_onnx_attribute_float(cw_onnx *graph, const char *name, double number);

/* A pair of metadata_props. */
void cw_onnx_meta(cw_onnx *graph, const char *key, const char *text);

/* Writes the model atomically. CW_EINVAL (too large for the tables above, or for protobuf's 2 GB),
 * CW_EIO, CW_ENOMEM; on failure a file of before is untouched. */
cw_status cw_onnx_write(const cw_onnx *graph, const char *path);

#endif
