#include "io/onnx.h"

#include "base/error.h"
#include "base/file.h"

#include <limits.h>
#include <onnx.pb-c.h>
#include <stdio.h>
#include <string.h>

#define ATTRIBUTES 3 /* of a node */
#define INTS       4 /* of an attribute or a constant */
#define TEXT       1024

typedef Cw__Onnx__AttributeProto attribute_proto;
typedef Cw__Onnx__TensorShapeProto__Dimension dimension_proto;

typedef struct node {
    Cw__Onnx__NodeProto proto;
    char op[CW_ONNX_NAME], output[CW_ONNX_NAME], input[CW_ONNX_ARGUMENTS][CW_ONNX_NAME];
    char *inputs[CW_ONNX_ARGUMENTS], *outputs[1];
    attribute_proto attribute[ATTRIBUTES], *attributes[ATTRIBUTES];
    char attribute_name[ATTRIBUTES][CW_ONNX_NAME];
    int64_t ints[ATTRIBUTES][INTS];
} node;

typedef struct weight {
    Cw__Onnx__TensorProto proto;
    char name[CW_ONNX_NAME];
    int64_t dims[CW_MAX_DIMS], ints[INTS];
    void *copy; /* owned; NULL when the data are the caller's */
} weight;

/* An input or output of the graph. */
typedef struct value {
    Cw__Onnx__ValueInfoProto proto;
    Cw__Onnx__TypeProto type;
    Cw__Onnx__TypeProto__Tensor tensor;
    Cw__Onnx__TensorShapeProto shape;
    dimension_proto dim[CW_MAX_DIMS], *dims[CW_MAX_DIMS];
    char name[CW_ONNX_NAME], doc[TEXT];
} value;

typedef struct pair {
    Cw__Onnx__StringStringEntryProto proto;
    char key[CW_ONNX_NAME], value[TEXT];
} pair;

struct cw_onnx {
    cw_status status; /* of the first call that failed */
    Cw__Onnx__ModelProto model;
    Cw__Onnx__GraphProto graph;
    Cw__Onnx__OperatorSetIdProto opset, *opsets[1];
    char name[CW_ONNX_NAME], version[CW_ONNX_NAME], doc[TEXT], batch[8], producer[8], domain[1];
    node node[CW_ONNX_NODES];
    weight weight[CW_ONNX_WEIGHTS];
    value input[CW_ONNX_VALUES], output[CW_ONNX_VALUES];
    pair meta[CW_ONNX_META];
    Cw__Onnx__NodeProto *nodes[CW_ONNX_NODES];
    Cw__Onnx__TensorProto *weights[CW_ONNX_WEIGHTS];
    Cw__Onnx__ValueInfoProto *inputs[CW_ONNX_VALUES], *outputs[CW_ONNX_VALUES];
    Cw__Onnx__StringStringEntryProto *metas[CW_ONNX_META];
};

/* Keeps the first failure. */
static void keep(cw_onnx *g, cw_status status) {
    if (g->status == CW_OK) g->status = status;
}

static bool room(cw_onnx *g, size_t n, size_t most, const char *what) {
    if (g->status == CW_OK && n >= most) {
        g->status = cw_fail(CW_EINVAL, "the ONNX graph has more than %zu %s", most, what);
    }
    return g->status == CW_OK;
}

static char *copy_text(cw_onnx *g, char *out, size_t out_bytes, const char *text) {
    size_t n = strlen(text);
    if (n >= out_bytes) {
        keep(g, cw_fail(CW_EINVAL, "ONNX: '%.40s...' has %zu bytes; at most %zu fit", text, n,
                        out_bytes - 1));
        n = out_bytes - 1;
    }
    memcpy(out, text, n);
    out[n] = '\0';
    return out;
}

cw_status cw_onnx_create(cw_onnx **out, const char *name, const char *version, const char *doc) {
    cw_onnx *g;
    CW_TRY(cw_alloc(&g, 1, sizeof *g, "an ONNX graph"));
    cw__onnx__model_proto__init(&g->model);
    cw__onnx__graph_proto__init(&g->graph);
    cw__onnx__operator_set_id_proto__init(&g->opset);
    g->opset.domain = g->domain; /* "": the standard operators */
    g->opset.has_version = 1;
    g->opset.version = CW_ONNX_OPSET;
    g->opsets[0] = &g->opset;
    g->model.has_ir_version = 1;
    g->model.ir_version = CW_ONNX_IR;
    g->model.n_opset_import = 1;
    g->model.opset_import = g->opsets;
    g->model.producer_name = copy_text(g, g->producer, sizeof g->producer, "curlew");
    g->model.producer_version = copy_text(g, g->version, sizeof g->version, version);
    g->model.doc_string = copy_text(g, g->doc, sizeof g->doc, doc);
    g->model.graph = &g->graph;
    g->model.metadata_props = g->metas;
    g->graph.name = copy_text(g, g->name, sizeof g->name, name);
    g->graph.node = g->nodes;
    g->graph.initializer = g->weights;
    g->graph.input = g->inputs;
    g->graph.output = g->outputs;
    copy_text(g, g->batch, sizeof g->batch, "batch");
    *out = g;
    return CW_OK;
}

void cw_onnx_destroy(cw_onnx *graph) {
    if (graph == NULL) return;
    for (int i = 0; i < CW_ONNX_WEIGHTS; i++) cw_free(graph->weight[i].copy);
    cw_free(graph);
}

static int32_t data_type(cw_dtype dtype) {
    return dtype == CW_U8 ? CW__ONNX__TENSOR_PROTO__DATA_TYPE__UINT8
                          : CW__ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
}

static void describe(cw_onnx *g, value *v, const char *name, const char *doc, cw_dtype dtype,
                     const int64_t *shape, int n) {
    cw__onnx__value_info_proto__init(&v->proto);
    cw__onnx__type_proto__init(&v->type);
    cw__onnx__type_proto__tensor__init(&v->tensor);
    cw__onnx__tensor_shape_proto__init(&v->shape);
    for (int i = 0; i <= n; i++) {
        dimension_proto *dim = v->dims[i] = &v->dim[i];
        cw__onnx__tensor_shape_proto__dimension__init(dim);
        if (i == 0) {
            dim->value_case = CW__ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dim->dim_param = g->batch;
        } else {
            dim->value_case = CW__ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dim->dim_value = shape[i - 1];
        }
    }
    v->shape.n_dim = (size_t)n + 1;
    v->shape.dim = v->dims;
    v->tensor.has_elem_type = 1;
    v->tensor.elem_type = data_type(dtype);
    v->tensor.shape = &v->shape;
    v->type.value_case = CW__ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    v->type.tensor_type = &v->tensor;
    v->proto.name = copy_text(g, v->name, sizeof v->name, name);
    v->proto.doc_string = copy_text(g, v->doc, sizeof v->doc, doc);
    v->proto.type = &v->type;
}

void cw_onnx_input(cw_onnx *g, const char *name, const char *doc, cw_dtype dtype,
                   const int64_t *shape, int n) {
    if (!room(g, g->graph.n_input, CW_ONNX_VALUES, "inputs")) return;
    value *v = &g->input[g->graph.n_input];
    describe(g, v, name, doc, dtype, shape, n);
    g->inputs[g->graph.n_input++] = &v->proto;
}

void cw_onnx_output(cw_onnx *g, const char *name, const char *doc, cw_dtype dtype,
                    const int64_t *shape, int n) {
    if (!room(g, g->graph.n_output, CW_ONNX_VALUES, "outputs")) return;
    value *v = &g->output[g->graph.n_output];
    describe(g, v, name, doc, dtype, shape, n);
    g->outputs[g->graph.n_output++] = &v->proto;
}

static weight *new_weight(cw_onnx *g, const char *name, int32_t type) {
    if (!room(g, g->graph.n_initializer, CW_ONNX_WEIGHTS, "weights")) return NULL;
    weight *w = &g->weight[g->graph.n_initializer];
    cw__onnx__tensor_proto__init(&w->proto);
    w->proto.name = copy_text(g, w->name, sizeof w->name, name);
    w->proto.has_data_type = 1;
    w->proto.data_type = type;
    w->proto.dims = w->dims;
    w->proto.has_raw_data = 1;
    g->weights[g->graph.n_initializer++] = &w->proto;
    return w;
}

/* raw_data is little-endian, as every machine that this is built for. */
void cw_onnx_weight(cw_onnx *g, const char *name, const cw_tensor *tensor) {
    weight *w = new_weight(g, name, CW__ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    if (w == NULL) return;
    size_t n = (size_t)cw_tensor_count(tensor);
    w->proto.n_dims = (size_t)tensor->ndim;
    for (int i = 0; i < tensor->ndim; i++) w->dims[i] = tensor->shape[i];
    w->proto.raw_data.len = n * sizeof(float);
    w->proto.raw_data.data = tensor->data;
    if (tensor->dtype == CW_F32) return;
    cw_status status = cw_alloc(&w->copy, n, sizeof(float), name);
    if (status != CW_OK) {
        keep(g, status);
        return;
    }
    float *out = w->copy;
    for (size_t i = 0; i < n; i++) out[i] = (float)cw_tensor_get(tensor, (int64_t)i);
    w->proto.raw_data.data = w->copy;
}

void cw_onnx_constant(cw_onnx *g, const char *name, const int64_t *values, int n) {
    weight *w = new_weight(g, name, CW__ONNX__TENSOR_PROTO__DATA_TYPE__INT64);
    if (w == NULL || !room(g, (size_t)(n - 1), INTS, "numbers in a constant")) return;
    memcpy(w->ints, values, (size_t)n * sizeof *values);
    w->proto.n_dims = 1;
    w->dims[0] = n;
    w->proto.raw_data.len = (size_t)n * sizeof *values;
    w->proto.raw_data.data = (uint8_t *)w->ints;
}

void cw_onnx_node(cw_onnx *g, const char *op, const char *output, const char *const *inputs) {
    if (!room(g, g->graph.n_node, CW_ONNX_NODES, "nodes")) return;
    node *n = &g->node[g->graph.n_node];
    cw__onnx__node_proto__init(&n->proto);
    n->proto.op_type = copy_text(g, n->op, sizeof n->op, op);
    n->proto.name = n->outputs[0] = copy_text(g, n->output, sizeof n->output, output);
    n->proto.n_output = 1;
    n->proto.output = n->outputs;
    n->proto.input = n->inputs;
    n->proto.attribute = n->attributes;
    for (size_t i = 0; inputs[i] != NULL && room(g, i, CW_ONNX_ARGUMENTS, "inputs of a node");
         i++) {
        n->inputs[i] = copy_text(g, n->input[i], sizeof n->input[i], inputs[i]);
        n->proto.n_input++;
    }
    g->nodes[g->graph.n_node++] = &n->proto;
}

static attribute_proto *new_attribute(cw_onnx *g, const char *name, int type, node **out) {
    if (g->status == CW_OK && g->graph.n_node == 0) {
        keep(g, cw_fail(CW_EINVAL, "ONNX: attribute '%s' before any node", name));
    }
    if (g->status != CW_OK) return NULL;
    node *n = *out = &g->node[g->graph.n_node - 1];
    size_t i = n->proto.n_attribute;
    if (!room(g, i, ATTRIBUTES, "attributes of a node")) return NULL;
    attribute_proto *a = n->attributes[i] = &n->attribute[i];
    cw__onnx__attribute_proto__init(a);
    a->name = copy_text(g, n->attribute_name[i], CW_ONNX_NAME, name);
    a->has_type = 1;
    a->type = (Cw__Onnx__AttributeProto__AttributeType)type;
    n->proto.n_attribute++;
    return a;
}

void cw_onnx_attribute_int(cw_onnx *g, const char *name, int64_t number) {
    node *n;
    attribute_proto *a = new_attribute(g, name, CW__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT, &n);
    if (a == NULL) return;
    a->has_i = 1;
    a->i = number;
}

void cw_onnx_attribute_ints(cw_onnx *g, const char *name, const int64_t *values, int count) {
    node *n;
    attribute_proto *a =
        new_attribute(g, name, CW__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS, &n);
    if (a == NULL || !room(g, (size_t)(count - 1), INTS, "numbers in an attribute")) return;
    int64_t *ints = n->ints[n->proto.n_attribute - 1];
    memcpy(ints, values, (size_t)count * sizeof *values);
    a->n_ints = (size_t)count;
    a->ints = ints;
}

void cw_onnx_attribute_float(cw_onnx *g, const char *name, double number) {
    node *n;
    attribute_proto *a =
        new_attribute(g, name, CW__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT, &n);
    if (a == NULL) return;
    a->has_f = 1;
    a->f = (float)number;
}

void cw_onnx_meta(cw_onnx *g, const char *key, const char *text) {
    if (!room(g, g->model.n_metadata_props, CW_ONNX_META, "metadata")) return;
    pair *p = &g->meta[g->model.n_metadata_props];
    cw__onnx__string_string_entry_proto__init(&p->proto);
    p->proto.key = copy_text(g, p->key, sizeof p->key, key);
    p->proto.value = copy_text(g, p->value, sizeof p->value, text);
    g->metas[g->model.n_metadata_props++] = &p->proto;
}

cw_status cw_onnx_write(const cw_onnx *g, const char *path) {
    if (g->status != CW_OK) return g->status;
    size_t n = cw__onnx__model_proto__get_packed_size(&g->model);
    if (n > INT_MAX) {
        return cw_fail(CW_EINVAL, "%s would have %zu bytes; an ONNX file has at most %d", path, n,
                       INT_MAX);
    }
    unsigned char *bytes;
    CW_TRY(cw_alloc(&bytes, n, 1, "an ONNX model"));
    cw__onnx__model_proto__pack(&g->model, bytes);
    cw_status status = cw_file_write_atomic(path, bytes, n);
    cw_free(bytes);
    return status;
}
