/* The only place that knows which generation of oneDNN's C API is installed (2.x or 3.x):
 * memory descriptors, primitives made once, and their execution on memory of the caller. */
#ifndef CW_BACKEND_ONEDNN_PRIMITIVE_H
#define CW_BACKEND_ONEDNN_PRIMITIVE_H

#include <curlew/status.h>

#include <oneapi/dnnl/dnnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A memory descriptor by value; freed with cw_md_free. All zero = none. */
typedef struct cw_md {
    dnnl_memory_desc_t desc;
    bool set;
} cw_md;

/* CW_OK, or CW_EUNSUPPORTED with a message that names `what`. */
cw_status cw_dnnl_check(dnnl_status_t status, const char *what);

/* Of f32; dense or blocked as `tag` says; dnnl_format_tag_any lets the primitive choose. */
cw_status cw_md_init(cw_md *out, int ndims, const int64_t *dims, dnnl_format_tag_t tag);
cw_status cw_md_copy(cw_md *out, const cw_md *from);
void cw_md_free(cw_md *md);
size_t cw_md_bytes(const cw_md *md);
bool cw_md_equal(const cw_md *a, const cw_md *b);

#define CW_PRIM_MAX_ARGS 6

/* A primitive, its memory objects (without memory) and the bytes of scratch it needs. */
typedef struct cw_prim {
    dnnl_primitive_t primitive; /* NULL = none */
    dnnl_primitive_desc_t desc;
    dnnl_exec_arg_t arg[CW_PRIM_MAX_ARGS];
    int n_args;     /* including the scratchpad */
    size_t scratch; /* bytes */
} cw_prim;

/* A 3x3 convolution without padding: what its three primitives are made from. */
typedef struct cw_conv_mds {
    cw_md src, weights, bias, dst;
    int64_t stride;
} cw_conv_mds;

/* Run arguments: src, weights, bias, dst. Fused ReLU. */
cw_status cw_prim_conv_forward(cw_prim *out, dnnl_engine_t engine, const cw_conv_mds *mds,
                               bool train);
/* Run arguments: diff_src, weights, diff_dst. `hint` is the forward primitive. */
cw_status cw_prim_conv_backward_data(cw_prim *out, dnnl_engine_t engine, const cw_conv_mds *mds,
                                     const cw_prim *hint);
/* Run arguments: src, diff_weights, diff_bias, diff_dst. */
cw_status cw_prim_conv_backward_weights(cw_prim *out, dnnl_engine_t engine, const cw_conv_mds *mds,
                                        const cw_prim *hint);
/* Run arguments: from, to. */
cw_status cw_prim_reorder(cw_prim *out, dnnl_engine_t engine, const cw_md *from, const cw_md *to);
/* y (m, n) = x (m, k) w' (+ bias (n)) (then ReLU), w (n, k) */
typedef struct cw_product {
    int64_t m, n, k;
    bool bias, relu;
} cw_product;

bool cw_product_equal(const cw_product *a, const cw_product *b);
/* Run arguments: x, w, y, bias when `bias`. */
cw_status cw_prim_product(cw_prim *out, dnnl_engine_t engine, const cw_product *product);

/* Descriptor of the primitive's argument in the layout that oneDNN chose: the run argument's
 * DNNL_ARG_ number. */
cw_status cw_prim_md(const cw_prim *prim, int argument, cw_md *out);
/* Name of the kernel that oneDNN chose ("jit:avx512_core"). */
const char *cw_prim_kernel(const cw_prim *prim);

/* Executes on `pointers`, in the order above. `scratch` has prim->scratch bytes. */
cw_status cw_prim_run(const cw_prim *prim, dnnl_stream_t stream, void *scratch,
                      void *const *pointers);
void cw_prim_free(cw_prim *prim);

#endif
