/* Rules between keys: what no single row of the key table can say. */
#include "base/error.h"
#include "config/config.h"

#define KERNEL 3 /* height and width of every convolution */

static cw_status check_beta(const char *key, double value) {
    if (value < 1) return CW_OK;
    return cw_fail(CW_EINVAL, "%s=1: must be below 1, or Adam's moments never move", key);
}

static cw_status check_betas(const cw_settings *s) {
    CW_TRY(check_beta("encoder.beta1", s->encoder.beta1));
    CW_TRY(check_beta("encoder.beta2", s->encoder.beta2));
    CW_TRY(check_beta("actor.beta1", s->actor.beta1));
    CW_TRY(check_beta("actor.beta2", s->actor.beta2));
    CW_TRY(check_beta("critic.beta1", s->critic.beta1));
    CW_TRY(check_beta("critic.beta2", s->critic.beta2));
    CW_TRY(check_beta("sac.temperature_beta1", s->sac.temperature_beta1));
    return check_beta("sac.temperature_beta2", s->sac.temperature_beta2);
}

static cw_status check_crop(const cw_settings *s) {
    if (s->augment.kind != CW_AUGMENT_CROP) return CW_OK;
    if (s->augment.crop_size > s->env.image_size)
        return cw_fail(CW_EINVAL,
                       "augment.crop_size=%d is larger than env.image_size=%d: shrink the crop or "
                       "render larger frames",
                       s->augment.crop_size, s->env.image_size);
    if (s->augment.range == CW_CROP_EXCLUSIVE && s->augment.crop_size == s->env.image_size)
        return cw_fail(CW_EINVAL,
                       "augment.range=exclusive leaves no offset when augment.crop_size=%d equals "
                       "env.image_size: use augment.range=full or a smaller crop",
                       s->augment.crop_size);
    return CW_OK;
}

static cw_status check_maps(const cw_settings *s) {
    bool crops = s->augment.kind == CW_AUGMENT_CROP;
    const char *key = crops ? "augment.crop_size" : "env.image_size";
    int start = crops ? s->augment.crop_size : s->env.image_size;
    int side = start;
    for (int layer = 0; layer < s->encoder.layers; layer++) {
        if (side < KERNEL)
            return cw_fail(CW_EINVAL,
                           "encoder.layers=%d: the maps vanish at layer %d (%s=%d, "
                           "encoder.first_stride=%d): fewer layers or larger images",
                           s->encoder.layers, layer + 1, key, start, s->encoder.first_stride);
        side = (side - KERNEL) / (layer == 0 ? s->encoder.first_stride : 1) + 1;
    }
    return CW_OK;
}

static cw_status check_algorithm(const cw_settings *s) {
    if (s->actor.log_std_min >= s->actor.log_std_max)
        return cw_fail(CW_EINVAL, "actor.log_std_min=%g must be below actor.log_std_max=%g",
                       s->actor.log_std_min, s->actor.log_std_max);
    if (!s->curl.enabled) return CW_OK;
    if (s->curl.key_encoder == CW_KEY_CRITIC_TARGET && s->critic.target_encoder != CW_TARGET_OWN)
        return cw_fail(CW_EINVAL,
                       "curl.key_encoder=critic_target needs the critic to have a target "
                       "encoder of its own: set critic.target_encoder=own");
    if (s->curl.encoder_steps > 1 && s->update.order != CW_ORDER_SEQUENTIAL)
        return cw_fail(CW_EINVAL,
                       "curl.encoder_steps=%d needs update.order=sequential: in the joint order "
                       "one Adam step serves critic and contrastive loss",
                       s->curl.encoder_steps);
    if (s->update.batch_size < 2)
        return cw_fail(CW_EINVAL, "update.batch_size=1 leaves the contrastive loss no negatives: "
                                  "use 2 or more, or curl.enabled=false");
    return CW_OK;
}

cw_status cw_settings_check(const cw_settings *settings) {
    CW_TRY(check_crop(settings));
    CW_TRY(check_maps(settings));
    CW_TRY(check_betas(settings));
    return check_algorithm(settings);
}
