/* Creation of a convnet: oneDNN chooses kernels and layouts, and the caller's memory is carved. */
#include "backend/onednn/conv.h"
#include "base/error.h"
#include "ops/check.h"

/* Layouts whose elements convnet_input and the weight-gradient loop can address. */
static const struct {
    dnnl_format_tag_t tag;
    int64_t block; /* channels per block; 0 = all of them */
} known_layouts[] = {
    {dnnl_nchw, 1}, {dnnl_nChw16c, 16}, {dnnl_nChw8c, 8}, {dnnl_nChw4c, 4}, {dnnl_nhwc, 0}};

static dnnl_format_tag_t layout_of(int64_t block) {
    size_t i = 0;
    while (known_layouts[i].block != block) i++;
    return known_layouts[i].tag;
}

/* Channels per block of a map's layout, 0 when it is none of the known ones. */
static cw_status find_block(const cw_md *md, const int64_t dims[4], int64_t *block) {
    *block = 0;
    for (size_t i = 0; i < sizeof known_layouts / sizeof *known_layouts && *block == 0; i++) {
        cw_md known;
        CW_TRY(cw_md_init(&known, 4, dims, known_layouts[i].tag));
        if (cw_md_equal(md, &known)) {
            *block = known_layouts[i].block == 0 ? dims[1] : known_layouts[i].block;
        }
        cw_md_free(&known);
    }
    return CW_OK;
}

static void free_mds(cw_conv_mds *mds) {
    cw_md_free(&mds->src);
    cw_md_free(&mds->weights);
    cw_md_free(&mds->bias);
    cw_md_free(&mds->dst);
}

/* Descriptors of one layer: src as given, or free for oneDNN to choose; dst as net->maps. */
static cw_status init_mds(cw_conv_mds *mds, const cw_conv_layer *layer, const cw_convnet *net,
                          const cw_md *src, dnnl_format_tag_t src_tag) {
    const cw_conv_shape *s = &layer->shape;
    int64_t batch = net->desc.batch;
    *mds = (cw_conv_mds){.stride = s->stride};
    if (src != NULL) {
        CW_TRY(cw_md_copy(&mds->src, src));
    } else {
        CW_TRY(cw_md_init(&mds->src, 4, (int64_t[]){batch, s->c, s->h, s->w}, src_tag));
    }
    CW_TRY(cw_md_init(&mds->weights, 4, (int64_t[]){s->f, s->c, 3, 3}, dnnl_format_tag_any));
    CW_TRY(cw_md_init(&mds->bias, 1, &s->f, dnnl_x));
    return cw_md_init(&mds->dst, 4, (int64_t[]){batch, s->f, s->oh, s->ow}, net->maps);
}

/* Makes the forward primitive; mds->src and mds->dst then hold the layouts it works on. */
static cw_status create_forward(cw_convnet *net, cw_conv_layer *layer, cw_conv_mds *mds,
                                const cw_md *src, dnnl_format_tag_t src_tag) {
    const cw_onednn *state = net->be->state;
    CW_TRY(init_mds(mds, layer, net, src, src_tag));
    /* Kernels for inference alone may choose all channels of a pixel side by side; tiles need the
     * blocks of channels that kernels for training work on. */
    const cw_convnet_desc *d = &net->desc;
    bool blocks = d->train || (d->n_layers > 1 && d->filters % state->kernels->lanes == 0);
    CW_TRY(cw_prim_conv_forward(&layer->forward, state->engine, mds, blocks));
    cw_md_free(&mds->src);
    cw_md_free(&mds->dst);
    CW_TRY(cw_prim_md(&layer->forward, DNNL_ARG_SRC, &mds->src));
    return cw_prim_md(&layer->forward, DNNL_ARG_DST, &mds->dst);
}

/* A reorder between the flat OIHW weight and `argument` of a kernel, in either direction;
 * *bytes receives the size of the kernel's side. */
static cw_status create_weight_reorder(const cw_onednn *state, cw_prim *out, const cw_prim *kernel,
                                       int argument, const cw_conv_shape *s, bool to_kernel,
                                       size_t *bytes) {
    cw_md flat = {0};
    cw_md native = {0};
    cw_status status = cw_md_init(&flat, 4, (int64_t[]){s->f, s->c, 3, 3}, dnnl_oihw);
    if (status == CW_OK) status = cw_prim_md(kernel, argument, &native);
    if (status == CW_OK) {
        *bytes = cw_md_bytes(&native);
        status = cw_prim_reorder(out, state->engine, to_kernel ? &flat : &native,
                                 to_kernel ? &native : &flat);
    }
    cw_md_free(&flat);
    cw_md_free(&native);
    return status;
}

/* The table whose loops work on channel blocks of that width; NULL when none does. The best table
 * is not always it: for few channels oneDNN may choose narrower blocks. The generic one, the first,
 * is no help beside oneDNN's kernels. */
static const cw_kernels *find_own_loops(const cw_onednn *state, int64_t block) {
    if (state->kernels->lanes == block) return state->kernels;
    const cw_kernels *all[3];
    for (int i = cw_kernels_all(all) - 1; i > 0; i--) {
        if (all[i]->lanes == block) return all[i];
    }
    return NULL;
}

/* Bytes of a weight in the tiles' domain. */
static size_t tiles_weight_bytes(const cw_winograd *g) {
    return (size_t)(36 * g->in_c * g->out_c) * g->factor_bytes;
}

/* Kernels of the backward pass of one layer; `data`: its input's gradient is wanted. */
static cw_status create_backward(cw_convnet *net, cw_conv_layer *layer, cw_conv_mds *mds,
                                 bool data) {
    const cw_onednn *state = net->be->state;
    size_t bytes = 0;
    layer->tiles_back = data && layer->own != NULL &&
                        cw_tiles_choose(&layer->backward_tiles, layer->own, &layer->shape, true);
    if (layer->tiles_back) {
        bytes = tiles_weight_bytes(&layer->backward_tiles);
    } else if (data) {
        CW_TRY(
            cw_prim_conv_backward_data(&layer->backward_data, state->engine, mds, &layer->forward));
        CW_TRY(create_weight_reorder(state, &layer->pack_backward, &layer->backward_data,
                                     DNNL_ARG_WEIGHTS, &layer->shape, true, &bytes));
    }
    if (data) cw_onednn_take(&layer->packed_backward, &net->bytes.packed, bytes);
    if (layer->own != NULL) return CW_OK;
    /* Gradients of weights are f32 whatever they are summed from. */
    int64_t dims[4] = {layer->shape.f, layer->shape.c, 3, 3};
    cw_md_free(&mds->weights);
    CW_TRY(cw_md_init(&mds->weights, 4, dims, dnnl_format_tag_any));
    CW_TRY(cw_prim_conv_backward_weights(&layer->backward_weights, state->engine, mds,
                                         &layer->forward));
    CW_TRY(create_weight_reorder(state, &layer->unpack_dweight, &layer->backward_weights,
                                 DNNL_ARG_DIFF_WEIGHTS, &layer->shape, false, &bytes));
    cw_onednn_take(&layer->dweight, &net->bytes.scratch, bytes);
    return CW_OK;
}

/* The loops of our own that can work on the layer's maps, and whether by tiles. */
static cw_status find_own(const cw_convnet *net, cw_conv_layer *layer, const cw_md *dst) {
    int64_t dims[4] = {net->desc.batch, layer->shape.f, layer->shape.oh, layer->shape.ow};
    int64_t block;
    CW_TRY(find_block(dst, dims, &block));
    if (layer->shape.x_block > 0) layer->own = find_own_loops(net->be->state, block);
    layer->tiles = layer->own != NULL &&
                   cw_tiles_choose(&layer->forward_tiles, layer->own, &layer->shape, false);
    return CW_OK;
}

/* Makes the first layer's primitive again, on plain crops, with the outputs as net->maps has it. */
static cw_status recreate_first(cw_convnet *net, cw_conv_layer *layer, cw_conv_mds *mds) {
    cw_prim_free(&layer->forward);
    free_mds(mds);
    layer->shape.x_block = 1;
    return create_forward(net, layer, mds, NULL, dnnl_nchw);
}

/* The layout for loops of our own, if they can do all that the net needs; else "any". */
static dnnl_format_tag_t find_own_layout(const cw_convnet *net) {
    const cw_onednn *state = net->be->state;
    const cw_kernels *own = state->kernels;
    cw_winograd unused;
    if (net->desc.filters % own->lanes != 0) return dnnl_format_tag_any;
    for (int i = 1; i < net->desc.n_layers; i++) {
        cw_conv_shape s = net->layer[i].shape;
        s.x_block = own->lanes;
        for (int backward = 0; backward <= (net->desc.train ? 1 : 0); backward++) {
            if (!cw_tiles_choose(&unused, own, &s, backward == 1)) {
                return dnnl_format_tag_any;
            }
        }
    }
    return layout_of(own->lanes);
}

/* The first layer's primitive, and with it the layout that all maps will have. Crops are written in
 * one that convnet_input can address. Where oneDNN has no kernels for blocks of channels (all
 * processors but x86-64, and those without AVX2), the layout that it chooses comes with slow
 * general loops. */
static cw_status create_first(cw_convnet *net, cw_conv_layer *layer, cw_conv_mds *mds) {
    const cw_conv_shape *s = &layer->shape;
    int64_t src_dims[4] = {net->desc.batch, s->c, s->h, s->w};
    int64_t dst_dims[4] = {net->desc.batch, s->f, s->oh, s->ow};
    int64_t block;
    CW_TRY(create_forward(net, layer, mds, NULL, dnnl_format_tag_any));
    CW_TRY(find_block(&mds->src, src_dims, &layer->shape.x_block));
    CW_TRY(find_block(&mds->dst, dst_dims, &block));
    if (find_own_loops(net->be->state, block) == NULL) net->maps = find_own_layout(net);
    if (net->maps == dnnl_format_tag_any && layer->shape.x_block != 0) return CW_OK;
    return recreate_first(net, layer, mds);
}

static cw_status create_later(cw_convnet *net, cw_conv_layer *layer, cw_conv_mds *mds,
                              const cw_md *input) {
    int64_t dims[4] = {net->desc.batch, layer->shape.c, layer->shape.h, layer->shape.w};
    CW_TRY(create_forward(net, layer, mds, input, dnnl_format_tag_any));
    return find_block(&mds->src, dims, &layer->shape.x_block);
}

/* One layer; `md` is the layout of its input (NULL for the first) and then of its output. */
static cw_status create_layer(cw_convnet *net, int i, cw_md *md) {
    cw_conv_layer *layer = &net->layer[i];
    const cw_onednn *state = net->be->state;
    cw_conv_mds mds = {0};
    cw_status status = i == 0 ? create_first(net, layer, &mds) : create_later(net, layer, &mds, md);
    if (status == CW_OK) status = find_own(net, layer, &mds.dst);
    size_t bytes = 0;
    /* The library's first layer pads the channels to a whole block below AVX-512, and runs at about
     * half of its other layers' rate; our loop reads plain maps. With AVX-512 both do, and are
     * equally fast, but only ours multiplies in bf16. */
    size_t factor_bytes = sizeof(float);
    if (status == CW_OK && i == 0 && layer->own != NULL && !layer->tiles) {
        layer->direct = (layer->own->lanes < 16 || layer->own->factor_bytes == 2) &&
                        layer->shape.f % layer->own->lanes == 0;
        if (layer->direct) factor_bytes = layer->own->factor_bytes;
    }
    int64_t channels = layer->shape.c;
    if (layer->direct) layer->shape.x_block = factor_bytes == 2 ? 2 : 1;
    if (layer->direct) {
        channels = cw_onednn_round_up(channels, layer->shape.x_block);
        bytes = (size_t)(layer->shape.f * channels * 9) * factor_bytes;
    } else if (status == CW_OK && layer->tiles) {
        bytes = tiles_weight_bytes(&layer->forward_tiles);
    } else if (status == CW_OK) {
        status = create_weight_reorder(state, &layer->pack_forward, &layer->forward,
                                       DNNL_ARG_WEIGHTS, &layer->shape, true, &bytes);
    }
    if (status == CW_OK) {
        cw_onednn_take(&layer->packed_forward, &net->bytes.packed, bytes);
        cw_onednn_take(&layer->packed_bias, &net->bytes.packed,
                       (size_t)layer->shape.f * sizeof(float));
        layer->output_bytes = cw_md_bytes(&mds.dst);
        if (i == 0) net->input_bytes = cw_md_bytes(&mds.src);
        if (layer->direct) {
            net->input_bytes =
                (size_t)(net->desc.batch * channels * layer->shape.h * layer->shape.w) *
                factor_bytes;
        }
        if (layer->direct && factor_bytes == 2) net->raw_pixels = true;
    }
    if (status == CW_OK && net->desc.train) {
        status = create_backward(net, layer, &mds, i > 0);
    }
    if (status == CW_OK) {
        cw_md_free(md);
        status = cw_md_copy(md, &mds.dst);
    }
    free_mds(&mds);
    return status;
}

static void set_shapes(cw_convnet *net) {
    const cw_convnet_desc *d = &net->desc;
    cw_conv_shape s = {.c = d->channels, .h = d->height, .w = d->width, .f = d->filters};
    size_t param = 0;
    for (int i = 0; i < d->n_layers; i++) {
        cw_conv_layer *layer = &net->layer[i];
        s.stride = i == 0 ? d->first_stride : 1;
        s.oh = (s.h - 3) / s.stride + 1;
        s.ow = (s.w - 3) / s.stride + 1;
        layer->shape = s;
        layer->param = param;
        layer->n_weight = (size_t)(s.f * s.c * 9);
        param += layer->n_weight + (size_t)s.f;
        s.c = s.f;
        s.h = s.oh;
        s.w = s.ow;
    }
}

/* The last output, in the kernels' layout, to the dense one of the features; and back. */
static cw_status create_features(cw_convnet *net, const cw_md *native) {
    const cw_onednn *state = net->be->state;
    const cw_conv_shape *s = &net->layer[net->desc.n_layers - 1].shape;
    int64_t dims[4] = {net->desc.batch, s->f, s->oh, s->ow};
    cw_md dense = {0};
    CW_TRY(cw_md_init(&dense, 4, dims, dnnl_nchw));
    cw_status status = cw_prim_reorder(&net->features_out, state->engine, native, &dense);
    if (status == CW_OK && net->desc.train) {
        status = cw_prim_reorder(&net->features_in, state->engine, &dense, native);
    }
    cw_md_free(&dense);
    return status;
}

/* Input first, then outputs: every layer's own when training; else two in turn, unless they stay in
 * the threads' memory. */
static void carve_acts(cw_convnet *net) {
    size_t input;
    size_t turn[2];
    size_t largest = 0;
    for (int i = 0; i < net->desc.n_layers; i++) {
        size_t bytes = net->layer[i].output_bytes;
        if (bytes > largest) largest = bytes;
    }
    cw_onednn_take(&input, &net->bytes.acts, net->input_bytes);
    bool kept = cw_conv_forward_end(net, 0) < net->desc.n_layers;
    for (int i = 0; i < 2 && !net->desc.train; i++) {
        cw_onednn_take(&turn[i], &net->bytes.acts, kept ? largest : 0);
    }
    for (int i = 0; i < net->desc.n_layers; i++) {
        cw_conv_layer *layer = &net->layer[i];
        if (net->desc.train) {
            cw_onednn_take(&layer->output, &net->bytes.acts, layer->output_bytes);
        } else {
            layer->output = turn[i % 2];
        }
    }
    if (!net->desc.train) return;
    int last = net->desc.n_layers - 1;
    kept = !cw_conv_own_forward(&net->layer[last]) || cw_conv_backward_begin(net, last) > 0;
    for (int i = 0; i < 2 && kept; i++) {
        cw_onednn_take(&net->gradient[i], &net->bytes.scratch, largest);
    }
}

static size_t larger(size_t a, const cw_prim *prim) {
    return prim->scratch > a ? prim->scratch : a;
}

static void carve_sums(cw_convnet *net) {
    net->parts = cw_onednn_parts(net->desc.batch, net->be->threads);
    for (int i = 0; i < net->desc.n_layers && net->desc.train; i++) {
        cw_conv_layer *l = &net->layer[i];
        if (l->own == NULL) continue;
        int64_t filters = cw_onednn_round_up(l->shape.f, l->own->lanes);
        l->n_sums = (size_t)(l->shape.c * (l->tiles ? 36 * l->shape.f : 9 * filters));
        l->sums = net->sum_count;
        net->sum_count += cw_onednn_aligned(cw_conv_sum_count(l) * sizeof(float)) / sizeof(float);
    }
    cw_onednn_take(&net->sums, &net->bytes.scratch,
                   net->sum_count * sizeof(float) * (size_t)net->parts);
}

/* What a thread has for itself: maps of a sample, tiles at work. */
static void carve_threads(cw_convnet *net) {
    size_t map = 0;
    size_t strips = 0;
    for (int i = 0; i < net->desc.n_layers; i++) {
        const cw_conv_layer *l = &net->layer[i];
        size_t outputs = l->output_bytes / (size_t)net->desc.batch;
        size_t forward = l->tiles ? cw_winograd_scratch(&l->forward_tiles) : 0;
        size_t backward = l->tiles_back ? cw_winograd_scratch(&l->backward_tiles) : 0;
        if (l->own != NULL && outputs > map) map = outputs;
        if (forward > strips) strips = forward;
        if (backward > strips) strips = backward;
        size_t plain = (size_t)(l->shape.c * l->shape.h * l->shape.w);
        if (i == 0 && l->direct && net->raw_pixels && plain > strips) strips = plain;
    }
    for (int i = 0; i < 2; i++) cw_onednn_take(&net->map[i], &net->thread_bytes, map);
    cw_onednn_take(&net->strips, &net->thread_bytes, strips * sizeof(float));
    net->thread_bytes = cw_onednn_aligned(net->thread_bytes);
    cw_onednn_take(&net->threads, &net->bytes.scratch,
                   net->thread_bytes * (size_t)net->be->threads);
}

static void carve_scratch(cw_convnet *net) {
    carve_sums(net);
    carve_threads(net);
    size_t prim = larger(larger(0, &net->features_out), &net->features_in);
    for (int i = 0; i < net->desc.n_layers; i++) {
        const cw_conv_layer *l = &net->layer[i];
        prim = larger(larger(prim, &l->forward), &l->backward_data);
        prim = larger(larger(prim, &l->backward_weights), &l->unpack_dweight);
    }
    cw_onednn_take(&net->prim_scratch, &net->bytes.scratch, prim);
}

cw_status cw_onednn_convnet_create(cw_backend *be, cw_convnet **out, const cw_convnet_desc *desc) {
    CW_TRY(cw_check_convnet_desc(desc));
    cw_onednn_enter(be);
    cw_convnet *net;
    CW_TRY(cw_alloc(&net, 1, sizeof *net, "a oneDNN convnet"));
    net->be = be;
    net->desc = *desc;
    net->maps = dnnl_format_tag_any;
    const cw_onednn *state = be->state;
    if (state->units != NULL && cw_units_fit(desc)) {
        cw_status status =
            cw_units_create(&net->units, state->units, desc, be->threads, &net->bytes);
        if (status != CW_OK) {
            cw_free(net);
            return status;
        }
        *out = net;
        return CW_OK;
    }
    set_shapes(net);
    cw_md md = {0};
    cw_status status = CW_OK;
    for (int i = 0; i < desc->n_layers && status == CW_OK; i++) {
        status = create_layer(net, i, &md);
    }
    if (status == CW_OK && !cw_conv_own_forward(&net->layer[desc->n_layers - 1])) {
        status = create_features(net, &md);
    }
    cw_md_free(&md);
    if (status != CW_OK) {
        cw_onednn_convnet_destroy(net);
        return status;
    }
    carve_acts(net);
    carve_scratch(net);
    *out = net;
    return CW_OK;
}

void cw_onednn_convnet_destroy(cw_convnet *net) {
    if (net == NULL) return;
    cw_units_destroy(net->units);
    for (int i = 0; i < net->desc.n_layers; i++) {
        cw_conv_layer *layer = &net->layer[i];
        cw_prim_free(&layer->forward);
        cw_prim_free(&layer->pack_forward);
        cw_prim_free(&layer->backward_data);
        cw_prim_free(&layer->pack_backward);
        cw_prim_free(&layer->backward_weights);
        cw_prim_free(&layer->unpack_dweight);
    }
    cw_prim_free(&net->features_out);
    cw_prim_free(&net->features_in);
    cw_free(net);
}

void cw_onednn_convnet_bytes(const cw_convnet *net, cw_convnet_bytes *out) {
    *out = net->bytes;
}
