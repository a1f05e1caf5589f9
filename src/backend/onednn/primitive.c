#include "backend/onednn/primitive.h"

#include "base/error.h"
#include "base/parallel.h"

#include <string.h>

#if DNNL_VERSION_MAJOR >= 3
#define MD(md) ((md)->desc)
typedef const_dnnl_memory_desc_t queried_md;
#else
#define MD(md) (&(md)->desc)
typedef const dnnl_memory_desc_t *queried_md;
#endif

cw_status cw_dnnl_check(dnnl_status_t status, const char *what) {
    if (status == dnnl_success) return CW_OK;
    if (status == dnnl_out_of_memory) return cw_fail(CW_ENOMEM, "oneDNN: %s: out of memory", what);
    return cw_fail(CW_EUNSUPPORTED, "oneDNN: %s failed with status %d", what, (int)status);
}

cw_status cw_md_init(cw_md *out, int ndims, const int64_t *dims, dnnl_format_tag_t tag) {
    dnnl_dims_t padded = {0};
    memcpy(padded, dims, (size_t)ndims * sizeof *dims);
#if DNNL_VERSION_MAJOR >= 3
    dnnl_status_t status =
        dnnl_memory_desc_create_with_tag(&out->desc, ndims, padded, dnnl_f32, tag);
#else
    dnnl_status_t status = dnnl_memory_desc_init_by_tag(&out->desc, ndims, padded, dnnl_f32, tag);
#endif
    out->set = status == dnnl_success;
    return cw_dnnl_check(status, "memory descriptor");
}

static cw_status md_clone(cw_md *out, queried_md from) {
#if DNNL_VERSION_MAJOR >= 3
    dnnl_status_t status = dnnl_memory_desc_clone(&out->desc, from);
#else
    dnnl_status_t status = from != NULL ? dnnl_success : dnnl_invalid_arguments;
    if (from != NULL) out->desc = *from;
#endif
    out->set = status == dnnl_success;
    return cw_dnnl_check(status, "memory descriptor");
}

cw_status cw_md_copy(cw_md *out, const cw_md *from) {
    return md_clone(out, MD(from));
}

void cw_md_free(cw_md *md) {
#if DNNL_VERSION_MAJOR >= 3
    if (md->set) dnnl_memory_desc_destroy(md->desc);
#endif
    md->set = false;
}

size_t cw_md_bytes(const cw_md *md) {
    return dnnl_memory_desc_get_size(MD(md));
}

bool cw_md_equal(const cw_md *a, const cw_md *b) {
    return dnnl_memory_desc_equal(MD(a), MD(b)) != 0;
}

static queried_md query_md(const cw_prim *prim, int argument) {
    return dnnl_primitive_desc_query_md(prim->desc, dnnl_query_exec_arg_md, argument);
}

cw_status cw_prim_md(const cw_prim *prim, int argument, cw_md *out) {
    return md_clone(out, query_md(prim, argument));
}

const char *cw_prim_kernel(const cw_prim *prim) {
    const char *name = "";
    dnnl_primitive_desc_query(prim->desc, dnnl_query_impl_info_str, 0, &name);
    return name;
}

/* The scratchpad is the caller's, so that executing allocates nothing. */
static dnnl_status_t make_attr(dnnl_primitive_attr_t *out, bool relu) {
    dnnl_status_t status = dnnl_primitive_attr_create(out);
    if (status != dnnl_success) return status;
    status = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
    if (status != dnnl_success || !relu) return status;
    dnnl_post_ops_t ops;
    status = dnnl_post_ops_create(&ops);
    if (status != dnnl_success) return status;
#if DNNL_VERSION_MAJOR >= 3
    status = dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, 0, 0);
#else
    status = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0);
#endif
    if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(*out, ops);
    dnnl_post_ops_destroy(ops);
    return status;
}

/* Makes the primitive and one memory object per argument from prim->desc. */
static cw_status finish(cw_prim *prim, dnnl_engine_t engine, const char *what, int n_args,
                        const int *arguments) {
    CW_TRY(cw_dnnl_check(dnnl_primitive_create(&prim->primitive, prim->desc), what));
    for (int i = 0; i <= n_args; i++) {
        int argument = i < n_args ? arguments[i] : DNNL_ARG_SCRATCHPAD;
        queried_md md = query_md(prim, argument);
        if (i == n_args) prim->scratch = md != NULL ? dnnl_memory_desc_get_size(md) : 0;
        if (i == n_args && prim->scratch == 0) break;
        dnnl_memory_t memory;
        dnnl_status_t status = dnnl_memory_create(&memory, md, engine, DNNL_MEMORY_NONE);
        CW_TRY(cw_dnnl_check(status, what));
        prim->arg[prim->n_args++] = (dnnl_exec_arg_t){.arg = argument, .memory = memory};
    }
    return CW_OK;
}

/* One flow for every kind: attributes, primitive descriptor by `make`, primitive. */
typedef struct recipe {
    const char *what;
    dnnl_status_t (*make)(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const void *mds,
                          dnnl_primitive_attr_t attr, const cw_prim *hint);
    int n_args;
    int arguments[CW_PRIM_MAX_ARGS - 1];
} recipe;

static cw_status build(cw_prim *out, const recipe *how, dnnl_engine_t engine, const void *mds,
                       bool relu, const cw_prim *hint) {
    *out = (cw_prim){0};
    dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t status = make_attr(&attr, relu);
    if (status == dnnl_success) status = how->make(&out->desc, engine, mds, attr, hint);
    dnnl_primitive_attr_destroy(attr);
    cw_status result = cw_dnnl_check(status, how->what);
    if (result == CW_OK) {
        result = finish(out, engine, how->what, how->n_args, how->arguments);
    }
    if (result != CW_OK) cw_prim_free(out);
    return result;
}

static const dnnl_dims_t no_padding = {0};

static dnnl_status_t conv_forward_make(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                       const cw_conv_mds *m, dnnl_primitive_attr_t attr,
                                       dnnl_prop_kind_t kind) {
    dnnl_dims_t strides = {m->stride, m->stride};
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_convolution_forward_primitive_desc_create(
        out, engine, kind, dnnl_convolution_direct, m->src.desc, m->weights.desc, m->bias.desc,
        m->dst.desc, strides, no_padding, no_padding, no_padding, attr);
#else
    dnnl_convolution_desc_t desc;
    dnnl_status_t status = dnnl_convolution_forward_desc_init(
        &desc, kind, dnnl_convolution_direct, &m->src.desc, &m->weights.desc, &m->bias.desc,
        &m->dst.desc, strides, no_padding, no_padding);
    if (status != dnnl_success) return status;
    return dnnl_primitive_desc_create(out, &desc, attr, engine, NULL);
#endif
}

static dnnl_status_t make_train(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const void *mds,
                                dnnl_primitive_attr_t attr, const cw_prim *hint) {
    (void)hint;
    return conv_forward_make(out, engine, mds, attr, dnnl_forward_training);
}

static dnnl_status_t make_inference(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                    const void *mds, dnnl_primitive_attr_t attr,
                                    const cw_prim *hint) {
    (void)hint;
    return conv_forward_make(out, engine, mds, attr, dnnl_forward_inference);
}

cw_status cw_prim_conv_forward(cw_prim *out, dnnl_engine_t engine, const cw_conv_mds *mds,
                               bool train) {
    const recipe how = {"convolution",
                        train ? make_train : make_inference,
                        4,
                        {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST}};
    return build(out, &how, engine, mds, true, NULL);
}

static dnnl_status_t make_backward_data(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                        const void *mds, dnnl_primitive_attr_t attr,
                                        const cw_prim *hint) {
    const cw_conv_mds *m = mds;
    dnnl_dims_t strides = {m->stride, m->stride};
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_convolution_backward_data_primitive_desc_create(
        out, engine, dnnl_convolution_direct, m->src.desc, m->weights.desc, m->dst.desc, strides,
        no_padding, no_padding, no_padding, hint->desc, attr);
#else
    dnnl_convolution_desc_t desc;
    dnnl_status_t status = dnnl_convolution_backward_data_desc_init(
        &desc, dnnl_convolution_direct, &m->src.desc, &m->weights.desc, &m->dst.desc, strides,
        no_padding, no_padding);
    if (status != dnnl_success) return status;
    return dnnl_primitive_desc_create(out, &desc, attr, engine, hint->desc);
#endif
}

cw_status cw_prim_conv_backward_data(cw_prim *out, dnnl_engine_t engine, const cw_conv_mds *mds,
                                     const cw_prim *hint) {
    static const recipe how = {"convolution backward data",
                               make_backward_data,
                               3,
                               {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST}};
    return build(out, &how, engine, mds, false, hint);
}

static dnnl_status_t make_backward_weights(dnnl_primitive_desc_t *out, dnnl_engine_t engine,
                                           const void *mds, dnnl_primitive_attr_t attr,
                                           const cw_prim *hint) {
    const cw_conv_mds *m = mds;
    dnnl_dims_t strides = {m->stride, m->stride};
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_convolution_backward_weights_primitive_desc_create(
        out, engine, dnnl_convolution_direct, m->src.desc, m->weights.desc, m->bias.desc,
        m->dst.desc, strides, no_padding, no_padding, no_padding, hint->desc, attr);
#else
    dnnl_convolution_desc_t desc;
    dnnl_status_t status = dnnl_convolution_backward_weights_desc_init(
        &desc, dnnl_convolution_direct, &m->src.desc, &m->weights.desc, &m->bias.desc, &m->dst.desc,
        strides, no_padding, no_padding);
    if (status != dnnl_success) return status;
    return dnnl_primitive_desc_create(out, &desc, attr, engine, hint->desc);
#endif
}

cw_status cw_prim_conv_backward_weights(cw_prim *out, dnnl_engine_t engine, const cw_conv_mds *mds,
                                        const cw_prim *hint) {
    static const recipe how = {
        "convolution backward weights",
        make_backward_weights,
        4,
        {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_BIAS, DNNL_ARG_DIFF_DST}};
    return build(out, &how, engine, mds, false, hint);
}

static dnnl_status_t make_reorder(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const void *mds,
                                  dnnl_primitive_attr_t attr, const cw_prim *hint) {
    (void)hint;
    const cw_md *const *pair = mds;
    return dnnl_reorder_primitive_desc_create(out, MD(pair[0]), engine, MD(pair[1]), engine, attr);
}

cw_status cw_prim_reorder(cw_prim *out, dnnl_engine_t engine, const cw_md *from, const cw_md *to) {
    static const recipe how = {"reorder", make_reorder, 2, {DNNL_ARG_FROM, DNNL_ARG_TO}};
    const cw_md *pair[2] = {from, to};
    return build(out, &how, engine, pair, false, NULL);
}

typedef struct product_mds {
    cw_md a, b, bias, c;
    bool has_bias;
} product_mds;

static dnnl_status_t make_product(dnnl_primitive_desc_t *out, dnnl_engine_t engine, const void *mds,
                                  dnnl_primitive_attr_t attr, const cw_prim *hint) {
    (void)hint;
    const product_mds *m = mds;
#if DNNL_VERSION_MAJOR >= 3
    return dnnl_matmul_primitive_desc_create(out, engine, m->a.desc, m->b.desc,
                                             m->has_bias ? m->bias.desc : NULL, m->c.desc, attr);
#else
    dnnl_matmul_desc_t desc;
    dnnl_status_t status = dnnl_matmul_desc_init(&desc, &m->a.desc, &m->b.desc,
                                                 m->has_bias ? &m->bias.desc : NULL, &m->c.desc);
    if (status != dnnl_success) return status;
    return dnnl_primitive_desc_create(out, &desc, attr, engine, NULL);
#endif
}

bool cw_product_equal(const cw_product *a, const cw_product *b) {
    return a->m == b->m && a->n == b->n && a->k == b->k && a->bias == b->bias && a->relu == b->relu;
}

cw_status cw_prim_product(cw_prim *out, dnnl_engine_t engine, const cw_product *product) {
    const cw_product *p = product;
    const recipe how = {"matrix product",
                        make_product,
                        p->bias ? 4 : 3,
                        {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS}};
    product_mds mds = {.has_bias = p->bias};
    cw_status status = cw_md_init(&mds.a, 2, (int64_t[]){p->m, p->k}, dnnl_ab);
    /* The transpose is the same memory, read by columns. */
    if (status == CW_OK) status = cw_md_init(&mds.b, 2, (int64_t[]){p->k, p->n}, dnnl_ba);
    if (status == CW_OK) {
        status = cw_md_init(&mds.c, 2, (int64_t[]){p->m, p->n}, dnnl_ab);
    }
    if (status == CW_OK) {
        status = cw_md_init(&mds.bias, 2, (int64_t[]){1, p->n}, dnnl_ab);
    }
    if (status == CW_OK) status = build(out, &how, engine, &mds, p->relu, NULL);
    cw_md_free(&mds.a);
    cw_md_free(&mds.b);
    cw_md_free(&mds.c);
    cw_md_free(&mds.bias);
    return status;
}

cw_status cw_prim_run(const cw_prim *prim, dnnl_stream_t stream, void *scratch,
                      void *const *pointers) {
    int n = prim->n_args;
    for (int i = 0; i < n; i++) {
        bool own = prim->arg[i].arg == DNNL_ARG_SCRATCHPAD;
        dnnl_status_t status =
            dnnl_memory_set_data_handle(prim->arg[i].memory, own ? scratch : pointers[i]);
        CW_TRY(cw_dnnl_check(status, "memory handle"));
    }
    sigset_t before;
    cw_parallel_rest();
    cw_signals_hold(&before);
    dnnl_status_t status = dnnl_primitive_execute(prim->primitive, stream, n, prim->arg);
    if (status == dnnl_success) status = dnnl_stream_wait(stream);
    cw_signals_release(&before);
    return cw_dnnl_check(status, "execution");
}

void cw_prim_free(cw_prim *prim) {
    for (int i = 0; i < prim->n_args; i++) dnnl_memory_destroy(prim->arg[i].memory);
    if (prim->primitive != NULL) dnnl_primitive_destroy(prim->primitive);
    if (prim->desc != NULL) dnnl_primitive_desc_destroy(prim->desc);
    *prim = (cw_prim){0};
}
