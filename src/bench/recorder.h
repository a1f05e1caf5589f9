/* A backend that passes every call on to another one and writes down what was asked of it: which
 * kernels an update runs, with which sizes, how often and for how long. Tests count passes and
 * bytes with it, benchmarks time the same calls again alone. */
#ifndef CW_BENCH_RECORDER_H
#define CW_BENCH_RECORDER_H

#include "ops/ops.h"

typedef enum cw_call_kind {
    CW_CALL_CONV_INPUT,
    CW_CALL_CONV_PACK,
    CW_CALL_CONV_FORWARD,
    CW_CALL_CONV_BACKWARD,
    CW_CALL_LINEAR_FORWARD,
    CW_CALL_LINEAR_DATA,
    CW_CALL_LINEAR_WEIGHTS,
    CW_CALL_MATMUL,
    CW_CALL_ADAM,
    CW_CALL_EMA,
    CW_CALL_KINDS
} cw_call_kind;

const char *cw_call_kind_name(cw_call_kind kind);

/* Calls of one kind with equal sizes. */
typedef struct cw_call {
    cw_call_kind kind;
    cw_convnet_desc conv;            /* convolutions */
    int64_t rows, inputs, outputs;   /* linear: B, M, N; matmul: m, k, n; adam, ema: 1, n, 1 */
    bool bias, relu;                 /* linear_forward */
    bool bf16_features;              /* of a convnet, or of a linear layer as x or dx */
    bool a_transposed, b_transposed; /* matmul */
    int64_t calls;
    double seconds; /* of all calls */
} cw_call;

#define CW_RECORDER_CALLS 80

typedef struct cw_recorder {
    cw_backend be; /* what objects are created on; first, so that an op finds its recorder */
    cw_backend *inner;
    cw_ops ops;
    int n;
    cw_call call[CW_RECORDER_CALLS];
    int64_t lost; /* calls for which there was no row */
} cw_recorder;

/* Records calls on recorder->be from now on; `inner` must outlive everything made on it. */
void cw_recorder_init(cw_recorder *recorder, cw_backend *inner);
/* Forgets all calls. */
void cw_recorder_reset(cw_recorder *recorder);

/* Additions and multiplications of one call (two per multiply-add); 0 for what only moves. */
double cw_call_flops(const cw_call *call);
/* Bytes of the operands that one call has to read and write once (`dtype`'s elements; pixels are
 * u8); 0 for the inside of convolutions and products, whose traffic depends on the kernel. */
double cw_call_bytes(const cw_call *call, cw_dtype dtype);
/* "conv forward 128x9x84x84"; "matrix product 128x50x128'": m x k x n, ' = transposed. */
void cw_call_name(const cw_call *call, char *out, size_t out_bytes);

#endif
