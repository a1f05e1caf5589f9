/* Every setting of a run. Each field has one row in the key table (settings_table.c) with its
 * "section.key" name, type, range, default, meaning and source. */
#ifndef CW_CONFIG_SETTINGS_H
#define CW_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#define CW_SETTING_TEXT 128 /* bytes; with its name it fits a line of an INI file */

typedef enum cw_precision { CW_PRECISION_AUTO, CW_PRECISION_F32, CW_PRECISION_BF16 } cw_precision;
typedef enum cw_renderer { CW_RENDERER_AUTO, CW_RENDERER_EGL, CW_RENDERER_OSMESA } cw_renderer;
typedef enum cw_augment { CW_AUGMENT_CROP, CW_AUGMENT_NONE } cw_augment;
typedef enum cw_crop_range { CW_CROP_FULL, CW_CROP_EXCLUSIVE } cw_crop_range;
typedef enum cw_actor_encoder { CW_ACTOR_SHARED, CW_ACTOR_OWN_HEAD } cw_actor_encoder;
typedef enum cw_target_encoder { CW_TARGET_QUERY, CW_TARGET_OWN } cw_target_encoder;
typedef enum cw_key_encoder { CW_KEY_MOMENTUM, CW_KEY_CRITIC_TARGET, CW_KEY_QUERY } cw_key_encoder;
typedef enum cw_curl_score { CW_SCORE_BILINEAR, CW_SCORE_COSINE } cw_curl_score;
typedef enum cw_update_order { CW_ORDER_JOINT, CW_ORDER_SEQUENTIAL } cw_update_order;

typedef struct cw_env_settings {
    char task[CW_SETTING_TEXT]; /* "cartpole-swingup" */
    int action_repeat;          /* control steps per agent step; 0 = the task's published value */
    int frame_stack;            /* K frames */
    int image_size;             /* S, pixels, height and width of a rendered frame */
    int camera;                 /* camera index; -1 = the task's published value */
    cw_renderer renderer;
} cw_env_settings;

typedef struct cw_augment_settings {
    cw_augment kind;
    int crop_size;       /* H = W, pixels that the encoder sees */
    cw_crop_range range; /* full: every offset; exclusive: the last offset is never drawn */
} cw_augment_settings;

typedef struct cw_encoder_settings {
    int layers;       /* L convolutions */
    int filters;      /* F maps each */
    int first_stride; /* stride of the first convolution */
    int hidden;       /* units of the hidden layer between convolutions and features; 0 = none */
    int feature_dim;  /* D */
    bool tanh;        /* squash the LayerNorm output */
    double lr;        /* Adam learning rate of the contrastive loss (and of the joint update) */
    double beta1, beta2;
} cw_encoder_settings;

typedef struct cw_actor_settings {
    int hidden;               /* units of both hidden layers */
    cw_actor_encoder encoder; /* shared: query features; own_head: own linear and LayerNorm on tied
                                 convolutions */
    double log_std_min, log_std_max;
    double lr, beta1, beta2;
    int update_every; /* updates between two actor (and temperature) steps */
} cw_actor_settings;

typedef struct cw_critic_settings {
    int hidden;                       /* units of both hidden layers of each Q */
    cw_target_encoder target_encoder; /* what encodes the next observation for the target Q */
    bool detach_encoder;              /* keep the TD gradient out of the encoder's convolutions */
    double lr, beta1, beta2;
    double tau;         /* momentum of the target Qs */
    double encoder_tau; /* momentum of the target encoder */
    int target_every;   /* updates between two target steps */
} cw_critic_settings;

typedef struct cw_sac_settings {
    double discount;
    double init_temperature;
    double temperature_lr, temperature_beta1, temperature_beta2;
    bool auto_target_entropy; /* target entropy = -A */
    double target_entropy;    /* used when not automatic */
} cw_sac_settings;

typedef struct cw_curl_settings {
    bool enabled;
    cw_curl_score score;
    double temperature; /* logits are divided by it */
    cw_key_encoder key_encoder;
    double key_tau;    /* momentum of a separate key encoder */
    int key_every;     /* updates between two key encoder steps */
    int encoder_steps; /* Adam steps a contrastive gradient makes in the encoder (sequential order)
                        */
    bool include_latest; /* the newest stack is part of every minibatch */
    bool single_frame;   /* contrast the newest frame of a stack only */
} cw_curl_settings;

typedef struct cw_update_settings {
    cw_update_order order;
    int batch_size; /* B */
} cw_update_settings;

typedef struct cw_replay_settings {
    int64_t capacity; /* transitions */
} cw_replay_settings;

typedef struct cw_train_settings {
    int64_t frames;     /* environment frames to train for */
    int64_t seed_steps; /* agent steps with uniform random actions, before the first update */
    int64_t eval_every; /* environment frames between evaluations; 0 = only at the end */
    int eval_episodes;
    int64_t checkpoint_every;      /* environment frames between checkpoints */
    int checkpoint_keep;           /* newest checkpoints that stay */
    bool checkpoint_best;          /* the parameters of the best evaluation stay as well */
    int64_t log_every;             /* agent steps between metrics rows */
    char weights[CW_SETTING_TEXT]; /* file of the weights to start from; "" = initialise */
    bool video;                    /* record the first evaluation episode of the final policy */
} cw_train_settings;

typedef struct cw_tensorboard_settings {
    bool enabled;
    int histograms_every; /* evaluations from one set of histograms to the next; 0 = none */
    int images_every;     /* the same for images */
} cw_tensorboard_settings;

typedef struct cw_run_settings {
    uint64_t seed;
    int threads; /* 0 = every core */
    cw_precision precision;
    char profile[CW_SETTING_TEXT]; /* name of the profile the settings started from */
    char out[1024];                /* run folder */
    bool fresh;                    /* refuse a folder that is not empty */
} cw_run_settings;

typedef struct cw_settings {
    cw_run_settings run;
    cw_env_settings env;
    cw_augment_settings augment;
    cw_encoder_settings encoder;
    cw_actor_settings actor;
    cw_critic_settings critic;
    cw_sac_settings sac;
    cw_curl_settings curl;
    cw_update_settings update;
    cw_replay_settings replay;
    cw_train_settings train;
    cw_tensorboard_settings tensorboard;
} cw_settings;

#endif
