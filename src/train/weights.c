#include "train/weights.h"

#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names under which the released code's modules list the same tensor again. */
static const struct {
    const char *alias;
    const char *name;
} aliases[] = {
    {"actor.encoder.convs.", "critic.encoder.convs."},
    {"curl.encoder_target.", "critic_target.encoder."},
    {"curl.encoder.", "critic.encoder."},
};

/* The tensor's own name; false when `name` is no alias. */
static bool resolve_alias(const char *name, char *out, size_t out_bytes) {
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        size_t n = strlen(aliases[i].alias);
        if (strncmp(name, aliases[i].alias, n) != 0) continue;
        snprintf(out, out_bytes, "%s%s", aliases[i].name, name + n);
        return true;
    }
    return false;
}

cw_status cw_weights_add(cw_weights *weights, const char *name, const cw_tensor *tensor) {
    if (weights->n == CW_WEIGHTS_MAX || strlen(name) >= CW_WEIGHTS_NAME) {
        return cw_fail(CW_EINVAL, "too many tensors for one file at '%s'", name);
    }
    int i = weights->n++;
    snprintf(weights->name[i], CW_WEIGHTS_NAME, "%s", name);
    weights->entry[i] = (cw_safetensors_entry){.name = weights->name[i], .tensor = *tensor};
    return CW_OK;
}

cw_status cw_weights_add_meta(cw_weights *weights, const char *key, const char *value) {
    if (weights->n_meta == CW_WEIGHTS_META_MAX || strlen(key) >= CW_WEIGHTS_NAME ||
        strlen(value) >= CW_WEIGHTS_NAME) {
        return cw_fail(CW_EINVAL, "metadata '%s' does not fit", key);
    }
    int i = weights->n_meta++;
    snprintf(weights->meta_key[i], CW_WEIGHTS_NAME, "%s", key);
    snprintf(weights->meta_value[i], CW_WEIGHTS_NAME, "%s", value);
    weights->meta[i] =
        (cw_safetensors_meta){.key = weights->meta_key[i], .value = weights->meta_value[i]};
    return CW_OK;
}

static cw_status collect_moments(cw_weights *weights, cw_agent *agent, int opt) {
    const char *opt_name = cw_agent_optimiser_name(agent, opt);
    char name[CW_WEIGHTS_NAME], text[32];
    const char *param;
    cw_tensor m, v;
    for (int i = 0; cw_agent_moment(agent, opt, i, &param, &m, &v); i++) {
        snprintf(name, sizeof name, "adam.%s.m.%s", opt_name, param);
        CW_TRY(cw_weights_add(weights, name, &m));
        snprintf(name, sizeof name, "adam.%s.v.%s", opt_name, param);
        CW_TRY(cw_weights_add(weights, name, &v));
    }
    snprintf(name, sizeof name, "adam.%s.t", opt_name);
    snprintf(text, sizeof text, "%lld", (long long)*cw_agent_optimiser_steps(agent, opt));
    return cw_weights_add_meta(weights, name, text);
}

cw_status cw_weights_collect(cw_weights *weights, cw_agent *agent, bool moments) {
    static const char tied[] = "critic.encoder.convs.";
    bool own_head = cw_agent_get_spec(agent)->actor.encoder == CW_ACTOR_OWN_HEAD;
    const char *name;
    cw_tensor value;
    for (int i = 0; cw_agent_param(agent, i, &name, &value); i++) {
        CW_TRY(cw_weights_add(weights, name, &value));
        if (!own_head || strncmp(name, tied, sizeof tied - 1) != 0) continue;
        char alias[CW_WEIGHTS_NAME];
        snprintf(alias, sizeof alias, "actor.encoder.convs.%s", name + sizeof tied - 1);
        CW_TRY(cw_weights_add(weights, alias, &value));
    }
    for (int opt = 0; moments && opt < cw_agent_optimisers(agent); opt++) {
        CW_TRY(collect_moments(weights, agent, opt));
    }
    return CW_OK;
}

static bool find_param(cw_agent *agent, const char *name, cw_tensor *out) {
    const char *param;
    for (int i = 0; cw_agent_param(agent, i, &param, out); i++) {
        if (strcmp(param, name) == 0) return true;
    }
    return false;
}

/* Views of the optimiser tensor that `name` means; false when it is none. */
static bool find_moment(cw_agent *agent, const char *name, cw_tensor *out) {
    if (strncmp(name, "adam.", 5) != 0) return false;
    for (int opt = 0; opt < cw_agent_optimisers(agent); opt++) {
        const char *opt_name = cw_agent_optimiser_name(agent, opt);
        size_t n = strlen(opt_name);
        const char *rest = name + 5;
        if (strncmp(rest, opt_name, n) != 0 || rest[n] != '.') continue;
        rest += n + 1;
        if ((rest[0] != 'm' && rest[0] != 'v') || rest[1] != '.') return false;
        const char *param;
        cw_tensor m, v;
        for (int i = 0; cw_agent_moment(agent, opt, i, &param, &m, &v); i++) {
            if (strcmp(param, rest + 2) != 0) continue;
            *out = rest[0] == 'm' ? m : v;
            return true;
        }
    }
    return false;
}

bool cw_weights_known(cw_agent *agent, const char *name) {
    char own[CW_WEIGHTS_NAME];
    cw_tensor unused;
    if (find_moment(agent, name, &unused) || find_param(agent, name, &unused)) return true;
    return resolve_alias(name, own, sizeof own) && find_param(agent, own, &unused);
}

static bool is_number(const cw_tensor *tensor) {
    return tensor->ndim == 0 || (tensor->ndim == 1 && tensor->shape[0] == 1);
}

static bool same_shape(const cw_tensor *a, const cw_tensor *b) {
    if (is_number(a) && is_number(b)) return true;
    if (a->ndim != b->ndim) return false;
    for (int i = 0; i < a->ndim; i++) {
        if (a->shape[i] != b->shape[i]) return false;
    }
    return true;
}

static void shape_text(char *out, size_t out_bytes, const cw_tensor *tensor) {
    size_t used = (size_t)snprintf(out, out_bytes, "(");
    for (int i = 0; i < tensor->ndim && used < out_bytes; i++) {
        used += (size_t)snprintf(out + used, out_bytes - used, i == 0 ? "%lld" : ", %lld",
                                 (long long)tensor->shape[i]);
    }
    if (used < out_bytes) snprintf(out + used, out_bytes - used, ")");
}

static cw_status check_tensor(const char *name, const cw_tensor *have, const cw_tensor *want) {
    if (have->dtype != CW_F32 && have->dtype != CW_F64) {
        return cw_fail(CW_EFORMAT, "tensor '%s' has dtype %s; it must be f32 or f64", name,
                       cw_dtype_name(have->dtype));
    }
    if (same_shape(have, want)) return CW_OK;
    char have_text[96], want_text[96];
    shape_text(have_text, sizeof have_text, have);
    shape_text(want_text, sizeof want_text, want);
    return cw_fail(CW_EFORMAT, "tensor '%s' has shape %s; it must have %s", name, have_text,
                   want_text);
}

cw_status cw_weights_check(const cw_safetensors *file, const cw_param_table *table) {
    for (int i = 0; i < table->n; i++) {
        const cw_param *row = &table->row[i];
        const cw_tensor *have = cw_safetensors_find(file, row->name);
        if (have == NULL) return cw_fail(CW_EFORMAT, "tensor '%s' is missing", row->name);
        cw_tensor want = cw_tensor_nd(CW_F32, NULL, row->ndim, row->shape);
        CW_TRY(check_tensor(row->name, have, &want));
    }
    return CW_OK;
}

cw_status cw_weights_metadata(const cw_safetensors *file, const char *key, int64_t min, int64_t max,
                              int64_t *value) {
    const char *text = cw_safetensors_metadata(file, key);
    if (text == NULL) return CW_OK;
    errno = 0;
    bool digits = text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
    long long got = digits ? strtoll(text, NULL, 10) : 0;
    if (!digits || errno == ERANGE || got < min || got > max) {
        return cw_fail(CW_EFORMAT,
                       "metadata '%s' is '%.80s'; it must be a whole number, %lld to %lld", key,
                       text, (long long)min, (long long)max);
    }
    *value = got;
    return CW_OK;
}

static cw_status load_tensor(const cw_safetensors *file, const char *name, const cw_tensor *to) {
    const cw_tensor *from = cw_safetensors_find(file, name);
    if (from == NULL) return cw_fail(CW_EFORMAT, "tensor '%s' is missing", name);
    CW_TRY(check_tensor(name, from, to));
    int64_t n = cw_tensor_count(to);
    if (from->dtype == to->dtype) {
        memcpy(to->data, from->data, cw_tensor_bytes(to));
        return CW_OK;
    }
    for (int64_t i = 0; i < n; i++) cw_tensor_set(to, i, cw_tensor_get(from, i));
    return CW_OK;
}

static cw_status check_alias(cw_agent *agent, const cw_safetensors *file, const char *name) {
    char own[CW_WEIGHTS_NAME];
    cw_tensor value;
    if (!resolve_alias(name, own, sizeof own) || !find_param(agent, own, &value)) return CW_OK;
    const cw_tensor *alias = cw_safetensors_find(file, name);
    CW_TRY(check_tensor(name, alias, &value));
    int64_t n = cw_tensor_count(&value);
    for (int64_t i = 0; i < n; i++) {
        float expected = (float)cw_tensor_get(&value, i);
        if ((float)cw_tensor_get(alias, i) != expected) {
            return cw_fail(CW_EFORMAT, "tensor '%s' differs from '%s'; they are one tensor here",
                           name, own);
        }
    }
    return CW_OK;
}

static cw_status load_steps(cw_agent *agent, const cw_safetensors *file, int opt) {
    char key[CW_WEIGHTS_NAME];
    snprintf(key, sizeof key, "adam.%s.t", cw_agent_optimiser_name(agent, opt));
    return cw_weights_metadata(file, key, 0, CW_WEIGHTS_STEP_MAX,
                               cw_agent_optimiser_steps(agent, opt));
}

cw_status cw_weights_load(cw_agent *agent, const cw_safetensors *file) {
    const char *name;
    cw_tensor value;
    for (int i = 0; cw_agent_param(agent, i, &name, &value); i++) {
        CW_TRY(load_tensor(file, name, &value));
    }
    for (int i = 0; i < cw_safetensors_count(file); i++) {
        name = cw_safetensors_name(file, i);
        if (find_moment(agent, name, &value)) {
            CW_TRY(load_tensor(file, name, &value));
        } else {
            CW_TRY(check_alias(agent, file, name));
        }
    }
    for (int opt = 0; opt < cw_agent_optimisers(agent); opt++) {
        CW_TRY(load_steps(agent, file, opt));
    }
    return CW_OK;
}

cw_status cw_weights_write(const char *path, cw_agent *agent, const char *profile) {
    cw_weights *weights;
    CW_TRY(cw_alloc(&weights, 1, sizeof *weights, "the table of tensors"));
    cw_status status = cw_weights_collect(weights, agent, false);
    if (status == CW_OK) status = cw_weights_add_meta(weights, "profile", profile);
    if (status == CW_OK) {
        status =
            cw_safetensors_write(path, weights->entry, weights->n, weights->meta, weights->n_meta);
    }
    cw_free(weights);
    return status;
}
