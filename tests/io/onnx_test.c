/* ONNX files: every part of a graph comes back, and what does not fit is named and not written.
 * That the messages are ONNX's own is for onnx.checker to say (tests/interop/onnx_test.py). */
#include "base/error.h"
#include "base/memory.h"
#include "io/onnx.h"
#include "io/support.h"
#include "test.h"

#include <onnx.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static float kernel[6] = {1.5F, -2, 3, 0.25F, 0, -0.125F};
static double third[1] = {1.0 / 3};

/* observation -> Gemm with a weight of every kind -> action. */
static cw_onnx *graph_of(void) {
    cw_onnx *g = NULL;
    const int64_t stack[3] = {9, 84, 84}, wide[1] = {2};
    cw_tensor weight = cw_tensor_2d(CW_F32, kernel, 2, 3), scalar = {CW_F64, 0, {0}, third};
    expect_ok(cw_onnx_create(&g, "policy", "1.2.3", "what it is"));
    cw_onnx_input(g, "observation", "stacks", CW_U8, stack, 3);
    cw_onnx_output(g, "action", "bounded", CW_F32, wide, 1);
    cw_onnx_weight(g, "w", &weight);
    cw_onnx_weight(g, "third", &scalar);
    cw_onnx_constant(g, "axes", (int64_t[]){2, -3}, 2);
    cw_onnx_node(g, "Gemm", "action", (const char *[]){"observation", "w", "third", NULL});
    cw_onnx_attribute_int(g, "transB", 1);
    cw_onnx_attribute_ints(g, "pads", (int64_t[]){1, 2, 3, 4}, 4);
    cw_onnx_attribute_float(g, "alpha", 0.5);
    cw_onnx_node(g, "Relu", "more", (const char *[]){"action", NULL});
    cw_onnx_meta(g, "task", "toy");
    return g;
}

static Cw__Onnx__ModelProto *read_model(const char *path) {
    size_t n;
    unsigned char *bytes = get_file(path, &n);
    assert_non_null(bytes);
    Cw__Onnx__ModelProto *model = cw__onnx__model_proto__unpack(NULL, n, bytes);
    free(bytes);
    assert_non_null(model);
    return model;
}

static void check_value(const Cw__Onnx__ValueInfoProto *value, const char *name, const char *doc,
                        int type, const int64_t *shape, size_t n) {
    assert_string_equal(value->name, name);
    assert_string_equal(value->doc_string, doc);
    const Cw__Onnx__TypeProto__Tensor *tensor = value->type->tensor_type;
    assert_int_equal(tensor->elem_type, type);
    assert_int_equal(tensor->shape->n_dim, n + 1);
    assert_string_equal(tensor->shape->dim[0]->dim_param, "batch");
    for (size_t i = 0; i < n; i++) assert_int_equal(tensor->shape->dim[i + 1]->dim_value, shape[i]);
}

static void check_weight(const Cw__Onnx__TensorProto *weight, const char *name, int type,
                         const int64_t *shape, size_t n, const void *data, size_t bytes) {
    assert_string_equal(weight->name, name);
    assert_int_equal(weight->data_type, type);
    assert_int_equal(weight->n_dims, n);
    for (size_t i = 0; i < n; i++) assert_int_equal(weight->dims[i], shape[i]);
    assert_int_equal(weight->raw_data.len, bytes);
    assert_memory_equal(weight->raw_data.data, data, bytes);
}

static void what_was_put_in_comes_back(void **state) {
    (void)state;
    cw_onnx *g = graph_of();
    expect_ok(cw_onnx_write(g, scratch("a.onnx")));
    cw_onnx_destroy(g);
    Cw__Onnx__ModelProto *model = read_model(scratch("a.onnx"));
    const Cw__Onnx__GraphProto *graph = model->graph;
    assert_int_equal(model->ir_version, CW_ONNX_IR);
    assert_string_equal(model->producer_name, "curlew");
    assert_string_equal(model->producer_version, "1.2.3");
    assert_string_equal(model->doc_string, "what it is");
    assert_int_equal(model->n_opset_import, 1);
    assert_string_equal(model->opset_import[0]->domain, "");
    assert_int_equal(model->opset_import[0]->version, CW_ONNX_OPSET);
    assert_int_equal(model->n_metadata_props, 1);
    assert_string_equal(model->metadata_props[0]->key, "task");
    assert_string_equal(model->metadata_props[0]->value, "toy");
    assert_string_equal(graph->name, "policy");
    assert_int_equal(graph->n_input, 1);
    assert_int_equal(graph->n_output, 1);
    check_value(graph->input[0], "observation", "stacks", CW__ONNX__TENSOR_PROTO__DATA_TYPE__UINT8,
                (int64_t[]){9, 84, 84}, 3);
    check_value(graph->output[0], "action", "bounded", CW__ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
                (int64_t[]){2}, 1);
    assert_int_equal(graph->n_initializer, 3);
    check_weight(graph->initializer[0], "w", CW__ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
                 (int64_t[]){2, 3}, 2, kernel, sizeof kernel);
    check_weight(graph->initializer[1], "third", CW__ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, NULL, 0,
                 &(float){(float)third[0]}, sizeof(float));
    check_weight(graph->initializer[2], "axes", CW__ONNX__TENSOR_PROTO__DATA_TYPE__INT64,
                 (int64_t[]){2}, 1, (int64_t[]){2, -3}, 2 * sizeof(int64_t));
    cw__onnx__model_proto__free_unpacked(model, NULL);
}

static void nodes_keep_inputs_and_attributes(void **state) {
    (void)state;
    cw_onnx *g = graph_of();
    expect_ok(cw_onnx_write(g, scratch("b.onnx")));
    cw_onnx_destroy(g);
    Cw__Onnx__ModelProto *model = read_model(scratch("b.onnx"));
    assert_int_equal(model->graph->n_node, 2);
    const Cw__Onnx__NodeProto *gemm = model->graph->node[0], *relu = model->graph->node[1];
    assert_string_equal(gemm->op_type, "Gemm");
    assert_string_equal(gemm->name, "action");
    assert_int_equal(gemm->n_output, 1);
    assert_string_equal(gemm->output[0], "action");
    assert_int_equal(gemm->n_input, 3);
    assert_string_equal(gemm->input[0], "observation");
    assert_string_equal(gemm->input[1], "w");
    assert_string_equal(gemm->input[2], "third");
    assert_int_equal(gemm->n_attribute, 3);
    Cw__Onnx__AttributeProto *const *attribute = gemm->attribute;
    assert_string_equal(attribute[0]->name, "transB");
    assert_int_equal(attribute[0]->type, CW__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    assert_int_equal(attribute[0]->i, 1);
    assert_int_equal(attribute[1]->type, CW__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    assert_int_equal(attribute[1]->n_ints, 4);
    assert_memory_equal(attribute[1]->ints, ((int64_t[]){1, 2, 3, 4}), 4 * sizeof(int64_t));
    assert_int_equal(attribute[2]->type, CW__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    assert_true(attribute[2]->f == 0.5F);
    assert_string_equal(relu->op_type, "Relu");
    assert_int_equal(relu->n_input, 1);
    assert_int_equal(relu->n_attribute, 0);
    cw__onnx__model_proto__free_unpacked(model, NULL);
}

/* ---- what does not fit ---- */

static char long_text[2048];
static const char *const no_inputs[] = {NULL};

static void too_many_nodes(cw_onnx *g) {
    for (int i = 0; i <= CW_ONNX_NODES; i++) cw_onnx_node(g, "Relu", "x", no_inputs);
}
static void too_many_weights(cw_onnx *g) {
    for (int i = 0; i <= CW_ONNX_WEIGHTS; i++) cw_onnx_constant(g, "x", (int64_t[]){1}, 1);
}
static void too_many_inputs(cw_onnx *g) {
    for (int i = 0; i <= CW_ONNX_VALUES; i++) cw_onnx_input(g, "x", "", CW_F32, (int64_t[]){1}, 1);
}
static void too_many_outputs(cw_onnx *g) {
    for (int i = 0; i <= CW_ONNX_VALUES; i++) cw_onnx_output(g, "x", "", CW_F32, (int64_t[]){1}, 1);
}
static void too_many_metas(cw_onnx *g) {
    for (int i = 0; i <= CW_ONNX_META; i++) cw_onnx_meta(g, "x", "y");
}
static void too_many_arguments(cw_onnx *g) {
    cw_onnx_node(g, "Sum", "x", (const char *[]){"a", "b", "c", "d", "e", "f", NULL});
}
static void too_many_attributes(cw_onnx *g) {
    for (int i = 0; i < 4; i++) cw_onnx_attribute_int(g, "x", i);
}
static void too_many_numbers(cw_onnx *g) {
    cw_onnx_constant(g, "x", (int64_t[]){1, 2, 3, 4, 5}, 5);
}
static void too_many_attribute_numbers(cw_onnx *g) {
    cw_onnx_attribute_ints(g, "x", (int64_t[]){1, 2, 3, 4, 5}, 5);
}
static void a_long_name(cw_onnx *g) {
    cw_onnx_node(g, "Relu", long_text, no_inputs);
}
static void a_long_text(cw_onnx *g) {
    cw_onnx_meta(g, "doc", long_text);
}
/* Counted, not read: 2.4 GB. */
static void too_many_bytes(cw_onnx *g) {
    cw_tensor huge = cw_tensor_1d(CW_F32, kernel, INT64_C(600000000));
    cw_onnx_weight(g, "huge", &huge);
}

static void what_does_not_fit_is_not_written(void **state) {
    (void)state;
    static const struct {
        void (*add)(cw_onnx *g);
        const char *message;
    } cases[] = {
        {too_many_nodes, "more than 128 nodes"},
        {too_many_weights, "more than 128 weights"},
        {too_many_inputs, "more than 4 inputs"},
        {too_many_outputs, "more than 4 outputs"},
        {too_many_metas, "more than 32 metadata"},
        {too_many_arguments, "more than 5 inputs of a node"},
        {too_many_attributes, "more than 3 attributes"},
        {too_many_numbers, "more than 4 numbers in a constant"},
        {too_many_attribute_numbers, "more than 4 numbers in an attribute"},
        {a_long_name, "2047 bytes; at most 95 fit"},
        {a_long_text, "2047 bytes; at most 1023 fit"},
        {too_many_bytes, "an ONNX file has at most 2147483647"},
    };
    memset(long_text, 'l', sizeof long_text - 1);
    uint64_t before = live_blocks();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cw_onnx *g = NULL;
        expect_ok(cw_onnx_create(&g, "policy", "1", "doc"));
        if (cases[i].add == too_many_attributes || cases[i].add == too_many_attribute_numbers)
            cw_onnx_node(g, "Relu", "x", no_inputs);
        cases[i].add(g);
        cw_onnx_meta(g, "later", "calls do nothing");
        expect_failure(cw_onnx_write(g, scratch("bad.onnx")), CW_EINVAL, cases[i].message);
        assert_false(is_file(scratch("bad.onnx")));
        cw_onnx_destroy(g);
    }
    assert_true(live_blocks() == before);
}

static void an_attribute_needs_a_node(void **state) {
    (void)state;
    cw_onnx *g = NULL;
    expect_ok(cw_onnx_create(&g, "policy", "1", "doc"));
    cw_onnx_attribute_int(g, "axis", 1);
    expect_failure(cw_onnx_write(g, scratch("bad.onnx")), CW_EINVAL, "'axis' before any node");
    cw_onnx_destroy(g);
    cw_onnx_destroy(NULL);
}

/* ---- targets ---- */

static cw_status build_and_write(void *path) {
    cw_onnx *g;
    cw_tensor scalar = {CW_F64, 0, {0}, third};
    CW_TRY(cw_onnx_create(&g, "policy", "1", "doc"));
    cw_onnx_weight(g, "third", &scalar);
    cw_status status = cw_onnx_write(g, path);
    cw_onnx_destroy(g);
    return status;
}

/* What stood there, or, when only the folder could not be synced, the new model; never a part. */
static void check_whole(void *path) {
    Cw__Onnx__ModelProto *model = read_model(path);
    assert_string_equal(model->graph->name, "policy");
    cw__onnx__model_proto__free_unpacked(model, NULL);
}

static void failures_leave_a_whole_model(void **state) {
    (void)state;
    char path[256];
    snprintf(path, sizeof path, "%s", scratch("old.onnx"));
    cw_onnx *g = graph_of();
    expect_failure(cw_onnx_write(g, scratch("no/a.onnx")), CW_EIO, "no/a.onnx");
    expect_ok(cw_onnx_write(g, path));
    cw_onnx_destroy(g);
    fault_ramp(build_and_write, check_whole, path, 3);
    allocation_ramp(build_and_write, path, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_in_comes_back),
        cmocka_unit_test(nodes_keep_inputs_and_attributes),
        cmocka_unit_test(what_does_not_fit_is_not_written),
        cmocka_unit_test(an_attribute_needs_a_node),
        cmocka_unit_test(failures_leave_a_whole_model),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
