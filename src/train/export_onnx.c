/* The policy and the encoder as ONNX graphs; docs/algorithm.md has the networks. Weights keep
 * their PyTorch names. */
#include "base/error.h"
#include "io/onnx.h"
#include "nn/head.h"
#include "train/config_api.h"
#include "train/export.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A graph that grows at its end. */
typedef struct chain {
    cw_onnx *graph;
    const cw_session *session;
    char last[CW_ONNX_NAME]; /* the value that the next node reads */
} chain;

/* Appends a node that reads the last value and then `a`, `b`, `c`, `d` (NULL: fewer). */
static void append(chain *c, const char *op, const char *output, const char *a, const char *b,
                   const char *d, const char *e) {
    const char *inputs[] = {c->last, a, b, d, e, NULL};
    cw_onnx_node(c->graph, op, output, inputs);
    snprintf(c->last, sizeof c->last, "%s", output);
}

/* Adds a parameter of the agent as a weight of the same name. */
static void add_param(chain *c, const char *name) {
    const char *param;
    cw_tensor value;
    for (int i = 0; cw_agent_param(c->session->agent, i, &param, &value); i++) {
        if (strcmp(param, name) != 0) continue;
        cw_onnx_weight(c->graph, name, &value);
        return;
    }
}

/* name.weight and name.bias as weights; their names into the caller's buffers. */
static void add_layer(chain *c, const char *name, char weight[CW_ONNX_NAME],
                      char bias[CW_ONNX_NAME]) {
    snprintf(weight, CW_ONNX_NAME, "%s.weight", name);
    snprintf(bias, CW_ONNX_NAME, "%s.bias", name);
    add_param(c, weight);
    add_param(c, bias);
}

static void relu(chain *c) {
    char output[CW_ONNX_NAME];
    snprintf(output, sizeof output, "%.80s.relu", c->last);
    append(c, "Relu", output, NULL, NULL, NULL, NULL);
}

static void linear(chain *c, const char *name, bool with_relu) {
    char weight[CW_ONNX_NAME], bias[CW_ONNX_NAME];
    add_layer(c, name, weight, bias);
    append(c, "Gemm", name, weight, bias, NULL, NULL);
    cw_onnx_attribute_int(c->graph, "transB", 1); /* (outputs, inputs), as PyTorch */
    if (with_relu) relu(c);
}

/* From bytes of whole frames to the crop in [0, 1]. */
static void input(chain *c) {
    const cw_view *view = &c->session->view;
    int64_t from = cw_view_offset(view), to = from + view->crop;
    if (view->crop < view->frame.height || view->crop < view->frame.width) {
        cw_onnx_constant(c->graph, "crop.begin", (int64_t[]){from, from}, 2);
        cw_onnx_constant(c->graph, "crop.end", (int64_t[]){to, to}, 2);
        cw_onnx_constant(c->graph, "crop.axes", (int64_t[]){2, 3}, 2);
        append(c, "Slice", "crop", "crop.begin", "crop.end", "crop.axes", NULL);
    }
    float white = 255.0f;
    cw_tensor scale = {.dtype = CW_F64, .ndim = 0, .data = &(double){white}};
    cw_onnx_weight(c->graph, "white", &scale); /* f64: copied */
    append(c, "Cast", "pixels", NULL, NULL, NULL, NULL);
    cw_onnx_attribute_int(c->graph, "to", 1); /* f32 */
    append(c, "Div", "pixels.scaled", "white", NULL, NULL, NULL);
}

static void convolutions(chain *c) {
    const cw_encoder_settings *encoder = &cw_agent_get_spec(c->session->agent)->encoder;
    char name[CW_ONNX_NAME], weight[CW_ONNX_NAME], bias[CW_ONNX_NAME];
    for (int i = 0; i < encoder->layers; i++) {
        int64_t stride = i == 0 ? encoder->first_stride : 1;
        snprintf(name, sizeof name, "critic.encoder.convs.%d", i);
        add_layer(c, name, weight, bias);
        append(c, "Conv", name, weight, bias, NULL, NULL);
        cw_onnx_attribute_ints(c->graph, "kernel_shape", (int64_t[]){3, 3}, 2);
        cw_onnx_attribute_ints(c->graph, "strides", (int64_t[]){stride, stride}, 2);
        relu(c);
    }
    append(c, "Flatten", "convs.flat", NULL, NULL, NULL, NULL);
}

/* `owner` is "critic" or "actor"; the features become `output`. */
static void head(chain *c, const char *owner, const char *output) {
    const cw_encoder_settings *encoder = &cw_agent_get_spec(c->session->agent)->encoder;
    char name[CW_ONNX_NAME], weight[CW_ONNX_NAME], bias[CW_ONNX_NAME];
    if (encoder->hidden > 0) {
        snprintf(name, sizeof name, "%s.encoder.fc.0", owner);
        linear(c, name, true);
        snprintf(name, sizeof name, "%s.encoder.fc.2", owner);
    } else {
        snprintf(name, sizeof name, "%s.encoder.fc", owner);
    }
    linear(c, name, false);
    snprintf(name, sizeof name, "%s.encoder.ln", owner);
    add_layer(c, name, weight, bias);
    append(c, "LayerNormalization", encoder->tanh ? name : output, weight, bias, NULL, NULL);
    cw_onnx_attribute_float(c->graph, "epsilon", CW_LAYERNORM_EPS);
    if (encoder->tanh) append(c, "Tanh", output, NULL, NULL, NULL, NULL);
}

/* The last layer gives means and then log deviations; a deterministic policy needs the first half,
 * which are the first rows. */
static void mean_layer(chain *c, int64_t dim) {
    static const char *const names[2] = {"actor.trunk.4.weight", "actor.trunk.4.bias"};
    static const char *const parts[2] = {"actor.trunk.4.weight[mean]", "actor.trunk.4.bias[mean]"};
    const char *param;
    cw_tensor value;
    for (int i = 0; cw_agent_param(c->session->agent, i, &param, &value); i++) {
        for (int k = 0; k < 2; k++) {
            if (strcmp(param, names[k]) != 0) continue;
            value.shape[0] = dim;
            cw_onnx_weight(c->graph, parts[k], &value);
        }
    }
    append(c, "Gemm", "actor.mean", parts[0], parts[1], NULL, NULL);
    cw_onnx_attribute_int(c->graph, "transB", 1);
}

/* [-1, 1] to the task's bounds: action = tanh(mean) * half + middle. */
static void bounds(chain *c, const cw_env_spec *env) {
    double half[CW_MAX_ACTION_DIM], middle[CW_MAX_ACTION_DIM];
    for (int i = 0; i < env->action_dim; i++) {
        half[i] = (env->action_max[i] - env->action_min[i]) / 2;
        middle[i] = env->action_min[i] + half[i];
    }
    cw_tensor value = cw_tensor_1d(CW_F64, half, env->action_dim); /* f64: copied */
    cw_onnx_weight(c->graph, "action.half_range", &value);
    value.data = middle;
    cw_onnx_weight(c->graph, "action.middle", &value);
    append(c, "Mul", "action.scaled", "action.half_range", NULL, NULL, NULL);
    append(c, "Add", "action", "action.middle", NULL, NULL, NULL);
}

static void policy(chain *c) {
    const cw_agent_spec *spec = cw_agent_get_spec(c->session->agent);
    head(c, spec->actor.encoder == CW_ACTOR_OWN_HEAD ? "actor" : "critic", "features");
    linear(c, "actor.trunk.0", true);
    linear(c, "actor.trunk.2", true);
    mean_layer(c, spec->action_dim);
    append(c, "Tanh", "action.unit", NULL, NULL, NULL, NULL);
    bounds(c, &c->session->env.env.spec);
    cw_onnx_output(c->graph, "action", "deterministic action in the task's bounds", CW_F32,
                   (int64_t[]){spec->action_dim}, 1);
}

__attribute__((format(printf, 3, 4))) static void meta(cw_onnx *graph, const char *key,
                                                       const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cw_onnx_meta(graph, key, text);
}

/* "-1 -1 0.5": a bound of every control. */
static void meta_bounds(cw_onnx *graph, const char *key, const double *values, int n) {
    char text[CW_MAX_ACTION_DIM * 12] = "";
    size_t used = 0;
    for (int i = 0; i < n && used < sizeof text; i++) {
        used += (size_t)snprintf(text + used, sizeof text - used, i == 0 ? "%g" : " %g", values[i]);
    }
    cw_onnx_meta(graph, key, text);
}

static void describe(cw_onnx *graph, const cw_session *s) {
    const cw_settings *settings = &s->settings;
    const cw_env_spec *env = &s->env.env.spec;
    meta(graph, "curlew.version", "%s", cw_version());
    meta(graph, "task", "%s", settings->env.task);
    meta(graph, "profile", "%s", settings->run.profile);
    meta(graph, "seed", "%llu", (unsigned long long)settings->run.seed);
    meta(graph, "action_repeat", "%d", s->env.action_repeat);
    meta(graph, "frame_stack", "%d", s->view.stack);
    meta(graph, "frame_channels", "%d", s->view.frame.channels);
    meta(graph, "channel_order", "frames oldest to newest; of each frame its %d channel planes%s",
         s->view.frame.channels, s->view.frame.channels == 3 ? ", red, green, blue" : "");
    meta(graph, "crop", "centre %d x %d, inside the model", s->view.crop, s->view.crop);
    meta_bounds(graph, "action_min", env->action_min, env->action_dim);
    meta_bounds(graph, "action_max", env->action_max, env->action_dim);
}

cw_status cw_export_onnx(const char *path, const cw_session *session, bool encoder) {
    const cw_view *view = &session->view;
    chain c = {.session = session, .last = "observation"};
    char doc[512];
    snprintf(doc, sizeof doc,
             "%s of a CURL agent that curlew %s trained on %s. Each action holds for %d control "
             "steps; an episode begins with its first frame in every place of the stack.",
             encoder ? "The encoder" : "The deterministic policy", cw_version(),
             session->settings.env.task, session->env.action_repeat);
    CW_TRY(cw_onnx_create(&c.graph, encoder ? "curl_encoder" : "curl_policy", cw_version(), doc));
    const int64_t shape[3] = {(int64_t)view->stack * view->frame.channels, view->frame.height,
                              view->frame.width};
    cw_onnx_input(c.graph, "observation",
                  "stacks of whole frames, oldest first, the channels of a frame together", CW_U8,
                  shape, 3);
    input(&c);
    convolutions(&c);
    if (encoder) {
        int64_t features = cw_agent_get_spec(session->agent)->encoder.feature_dim;
        head(&c, "critic", "features");
        cw_onnx_output(c.graph, "features", "the query encoder's representation", CW_F32, &features,
                       1);
    } else {
        policy(&c);
    }
    describe(c.graph, session);
    cw_status status = cw_onnx_write(c.graph, path);
    cw_onnx_destroy(c.graph);
    return status;
}
