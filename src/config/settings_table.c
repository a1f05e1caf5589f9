/* The key table: one row per field of cw_settings, in documentation order.
 *
 * "source" tags: `paper` is the CURL paper (arXiv 2004.04136), its pseudocode, table 3 or text;
 * `code` is the released implementation (MishaLaskin/curl, commit 8416d6e), `run.sh` its published
 * script; `curlew` marks a choice of this program. */
#include "config/config.h"

static const char *const renderer_names[] = {"auto", "egl", "osmesa", NULL};
static const char *const precision_names[] = {"auto", "f32", "bf16", NULL};
static const char *const augment_names[] = {"crop", "none", NULL};
static const char *const range_names[] = {"full", "exclusive", NULL};
static const char *const actor_encoder_names[] = {"shared", "own_head", NULL};
static const char *const target_encoder_names[] = {"query", "own", NULL};
static const char *const key_encoder_names[] = {"momentum", "critic_target", "query", NULL};
static const char *const score_names[] = {"bilinear", "cosine", NULL};
static const char *const order_names[] = {"joint", "sequential", NULL};

_Static_assert(sizeof(cw_renderer) == sizeof(int), "choices are read and written as int");

#define TYPE_OF(field)                                                                             \
    _Generic(((cw_settings *)0)->field,                                                            \
        int: CW_KEY_INT,                                                                           \
        int64_t: CW_KEY_INT64,                                                                     \
        uint64_t: CW_KEY_UINT64,                                                                   \
        double: CW_KEY_REAL,                                                                       \
        bool: CW_KEY_BOOL,                                                                         \
        char *: CW_KEY_TEXT)

/* FIXED keys belong to the run's identity; FREE ones may differ when it goes on. */
#define FIXED false
#define FREE  true

/* The columns that every row has. */
#define COMMON(field, key_type, change, first, explained, origin)                                  \
    .name = #field, .type = (key_type), .may_change = (change),                                    \
    .offset = offsetof(cw_settings, field), .initial = (first), .meaning = (explained),            \
    .source = (origin)

#define NUMBER(field, first, low, high, change, explained, origin)                                 \
    { COMMON(field, TYPE_OF(field), change, first, explained, origin), .min = (low), .max = (high) }
#define FLAG(field, first, change, explained, origin)                                              \
    { COMMON(field, TYPE_OF(field), change, first, explained, origin) }
#define TEXT(field, first, change, explained, origin)                                              \
    {                                                                                              \
        COMMON(field, TYPE_OF(field), change, first, explained, origin),                           \
            .text_bytes = sizeof(((cw_settings *)0)->field)                                        \
    }
#define CHOICE(field, names, first, change, explained, origin)                                     \
    { COMMON(field, CW_KEY_CHOICE, change, first, explained, origin), .choices = (names) }

#define SEED_MAX 18446744073709551615.0
#define MANY     1e15 /* far above any count of a run, and exact as a double */

static const cw_key key_table[] = {
    /* run */
    NUMBER(run.seed, "1", 0, SEED_MAX, FIXED,
           "seed of every random stream: initialisation, noise, sampling, crops, environments",
           "curlew"),
    NUMBER(run.threads, "0", 0, 4096, FREE,
           "threads of the update; 0 = every core this process may use", "curlew"),
    CHOICE(run.precision, precision_names, "auto", FIXED,
           "arithmetic of convolutions and wide products; auto = bf16 where a new run finds it "
           "much faster, else f32",
           "curlew"),
    TEXT(run.profile, "paper", FIXED,
         "built-in profile the settings start from; in a file it is applied before the other keys",
         "curlew"),
    TEXT(run.out, "", FREE, "run folder; empty = runs/TASK-PROFILE-seedN", "curlew"),
    FLAG(run.fresh, "false", FREE,
         "start a run, in a folder that is empty or new, and never go on with one", "curlew"),

    /* env */
    TEXT(env.task, "", FIXED, "name of the built-in task, see `curlew list tasks`", "curlew"),
    NUMBER(env.action_repeat, "0", 0, 64, FIXED,
           "control steps per agent step; 0 = the task's published value",
           "paper table 3: cartpole 8, finger and walker 2, others 4"),
    NUMBER(env.frame_stack, "3", 1, 16, FIXED, "newest frames that make one observation",
           "paper table 3, code"),
    NUMBER(env.image_size, "100", 8, 1024, FIXED,
           "height and width of a rendered and stored frame, pixels", "paper table 3, code"),
    NUMBER(env.camera, "-1", -1, 63, FIXED, "camera index; -1 = the task's published camera",
           "code: camera 0"),
    CHOICE(env.renderer, renderer_names, "auto", FREE,
           "OpenGL platform that draws the frames; auto tries egl, then osmesa", "curlew"),

    /* augment */
    CHOICE(augment.kind, augment_names, "crop", FIXED,
           "what happens to sampled stacks: a random crop, or nothing", "paper, code"),
    NUMBER(augment.crop_size, "84", 3, 1024, FIXED,
           "height and width that the encoder sees, pixels", "paper table 3, code"),
    CHOICE(augment.range, range_names, "full", FIXED,
           "crop offsets drawn: every one, or all but the last",
           "paper: every offset; code: the last one is never drawn"),

    /* encoder */
    NUMBER(encoder.layers, "4", 1, 16, FIXED, "convolutions, 3x3, ReLU after each", "code"),
    NUMBER(encoder.filters, "32", 1, 1024, FIXED, "maps of every convolution", "code"),
    NUMBER(encoder.first_stride, "2", 1, 8, FIXED,
           "stride of the first convolution; the others have 1", "code"),
    NUMBER(encoder.hidden, "1024", 0, 65536, FIXED,
           "units of the ReLU layer between convolutions and features; 0 = none",
           "paper pseudocode: MLP; code: one linear layer (0)"),
    NUMBER(encoder.feature_dim, "50", 2, 4096, FIXED, "features that leave the encoder", "code"),
    FLAG(encoder.tanh, "true", FIXED, "squash the layer-normalised features with tanh",
         "paper pseudocode: tanh; code: none"),
    NUMBER(encoder.lr, "0.001", 0, 1, FIXED,
           "Adam learning rate of the encoder and of the bilinear matrix", "paper table 3, code"),
    NUMBER(encoder.beta1, "0.9", 0, 1, FIXED, "Adam first moment decay, below 1",
           "paper table 3, code"),
    NUMBER(encoder.beta2, "0.999", 0, 1, FIXED, "Adam second moment decay, below 1",
           "paper table 3, code"),

    /* actor */
    NUMBER(actor.hidden, "1024", 1, 65536, FIXED, "units of both hidden layers",
           "paper table 3, code"),
    CHOICE(actor.encoder, actor_encoder_names, "shared", FIXED,
           "features the actor reads: the query encoder's, or an own linear layer and LayerNorm on "
           "the shared convolutions",
           "paper pseudocode: shared; code: own_head"),
    NUMBER(actor.log_std_min, "-10", -100, 100, FIXED, "lowest log standard deviation", "code"),
    NUMBER(actor.log_std_max, "2", -100, 100, FIXED, "highest log standard deviation", "code"),
    NUMBER(actor.lr, "0.001", 0, 1, FIXED, "Adam learning rate", "paper table 3, code"),
    NUMBER(actor.beta1, "0.9", 0, 1, FIXED, "Adam first moment decay, below 1",
           "paper table 3, code"),
    NUMBER(actor.beta2, "0.999", 0, 1, FIXED, "Adam second moment decay, below 1",
           "paper table 3, code"),
    NUMBER(actor.update_every, "2", 1, 1000000, FIXED,
           "updates from one actor and temperature step to the next", "code"),

    /* critic */
    NUMBER(critic.hidden, "1024", 1, 65536, FIXED, "units of both hidden layers of each Q",
           "paper table 3, code"),
    CHOICE(critic.target_encoder, target_encoder_names, "query", FIXED,
           "what encodes the next observation for the target Q: the query encoder without "
           "gradient, or an own momentum average",
           "paper pseudocode: query (the key encoder makes keys only); code: own"),
    FLAG(critic.detach_encoder, "false", FIXED,
         "keep the gradient of the critic loss out of the convolutions",
         "code (option); paper appendix E.3"),
    NUMBER(critic.lr, "0.001", 0, 1, FIXED, "Adam learning rate", "paper table 3, code"),
    NUMBER(critic.beta1, "0.9", 0, 1, FIXED, "Adam first moment decay, below 1",
           "paper table 3, code"),
    NUMBER(critic.beta2, "0.999", 0, 1, FIXED, "Adam second moment decay, below 1",
           "paper table 3, code"),
    NUMBER(critic.tau, "0.01", 0, 1, FIXED, "share of the new weights in a step of the target Qs",
           "paper table 3, code"),
    NUMBER(critic.encoder_tau, "0.05", 0, 1, FIXED,
           "share of the new weights in a step of the target encoder (target_encoder = own)",
           "paper table 3, code"),
    NUMBER(critic.target_every, "2", 1, 1000000, FIXED, "updates from one target step to the next",
           "code"),

    /* sac */
    NUMBER(sac.discount, "0.99", 0, 1, FIXED, "discount per agent step", "paper table 3, code"),
    NUMBER(sac.init_temperature, "0.1", 1e-8, 1000, FIXED, "entropy temperature at the start",
           "paper table 3, code"),
    NUMBER(sac.temperature_lr, "0.0001", 0, 1, FIXED,
           "Adam learning rate of the log temperature; 0 keeps it fixed", "paper table 3, code"),
    NUMBER(sac.temperature_beta1, "0.5", 0, 1, FIXED, "Adam first moment decay, below 1",
           "paper table 3, code"),
    NUMBER(sac.temperature_beta2, "0.999", 0, 1, FIXED, "Adam second moment decay, below 1",
           "paper table 3, code"),
    FLAG(sac.auto_target_entropy, "true", FIXED, "target entropy = -(number of controls)", "code"),
    NUMBER(sac.target_entropy, "0", -1e6, 1e6, FIXED,
           "target entropy when auto_target_entropy is false, nats", "curlew"),

    /* curl */
    FLAG(curl.enabled, "true", FIXED, "train the encoder with the contrastive loss too", "paper"),
    CHOICE(curl.score, score_names, "bilinear", FIXED,
           "score of an anchor and a key: q'Wk, or their cosine", "paper, code: bilinear"),
    NUMBER(curl.temperature, "1", 1e-6, 1e6, FIXED, "the scores are divided by it",
           "paper, code: none (1)"),
    CHOICE(curl.key_encoder, key_encoder_names, "momentum", FIXED,
           "what encodes the keys: an own momentum average, the critic's target encoder, or the "
           "query encoder",
           "paper pseudocode: momentum; code: critic_target"),
    NUMBER(curl.key_tau, "0.05", 0, 1, FIXED,
           "share of the new weights in a step of the key encoder (key_encoder = momentum)",
           "paper table 3: encoder EMA"),
    NUMBER(curl.key_every, "1", 1, 1000000, FIXED,
           "updates from one key encoder step to the next (key_encoder = momentum)",
           "paper pseudocode"),
    NUMBER(curl.encoder_steps, "1", 1, 4, FIXED,
           "Adam steps that one contrastive gradient makes in the encoder (order = sequential)",
           "paper: 1; code: 2, as two optimisers own the encoder"),
    FLAG(curl.include_latest, "false", FIXED, "the newest stack is part of every minibatch",
         "curlew"),
    FLAG(curl.single_frame, "false", FIXED, "contrast the newest frame of a stack only",
         "paper appendix E.1 (ablation)"),

    /* update */
    CHOICE(update.order, order_names, "joint", FIXED,
           "critic and contrastive loss in one backward pass, or critic, actor, targets, "
           "contrastive one after the other",
           "paper pseudocode: joint; code: sequential"),
    NUMBER(update.batch_size, "128", 1, 65536, FIXED, "transitions of a minibatch",
           "run.sh: 128; paper table 3: 512"),

    /* replay */
    NUMBER(replay.capacity, "100000", 2, 1e9, FIXED, "transitions kept", "paper table 3, code"),

    /* train */
    NUMBER(train.frames, "100000", 1, MANY, FREE, "environment frames to train for",
           "paper: the 100k benchmark"),
    NUMBER(train.seed_steps, "1000", 1, MANY, FIXED,
           "agent steps with uniform random actions before the first update",
           "paper table 3, code"),
    NUMBER(train.eval_every, "10000", 0, MANY, FREE,
           "environment frames from one evaluation to the next; 0 = only at the end", "curlew"),
    NUMBER(train.eval_episodes, "10", 1, 10000, FREE, "episodes of one evaluation", "paper, code"),
    NUMBER(train.checkpoint_every, "10000", 1, MANY, FREE,
           "environment frames from one checkpoint to the next", "curlew"),
    NUMBER(train.checkpoint_keep, "2", 1, 100, FREE, "newest checkpoints that stay", "curlew"),
    FLAG(train.checkpoint_best, "true", FREE,
         "the best evaluation gets a checkpoint, and its parameters stay as best.safetensors",
         "curlew"),
    NUMBER(train.log_every, "100", 1, MANY, FREE, "agent steps from one metrics row to the next",
           "code"),
    TEXT(train.weights, "", FIXED,
         "safetensors file of weights that a new run starts from; empty = initialise from the seed",
         "curlew"),
    FLAG(train.video, "true", FREE, "record the first evaluation episode of the final policy",
         "curlew"),

    /* tensorboard */
    FLAG(tensorboard.enabled, "true", FREE, "write TensorBoard's event file in the run folder",
         "curlew"),
    NUMBER(tensorboard.histograms_every, "1", 0, 1000000, FREE,
           "evaluations from one set of histograms (weights, features) to the next; 0 = none",
           "curlew"),
    NUMBER(
        tensorboard.images_every, "1", 0, 1000000, FREE,
        "evaluations from one set of images (crops, filters, similarities) to the next; 0 = none",
        "curlew"),
};

#define N_KEYS (sizeof key_table / sizeof key_table[0])
_Static_assert(N_KEYS <= CW_KEYS_MAX, "tables by key have a row for each");

const cw_key *cw_keys(int *n) {
    *n = (int)N_KEYS;
    return key_table;
}
