/* What rounding does over many updates: agents that begin with the same weights learn side by side
 * from one replay, and the distance between their weights is printed.
 *
 *   bench_lockstep PROFILE UPDATES env.task=TASK [seeds=N] [section.key=value ...]
 *
 * From N seeds (run.seed and those after it; 1 when not said): a table for each, and one of their
 * means. The replay holds train.seed_steps transitions of env.task by uniform random actions.
 * Beside the agent in f32 stand
 *   the same on another number of threads: sums in another order, which is how far two runs drift
 *     apart by the last bit alone;
 *   one in bf16, and the same again;
 *   one in f32 on other minibatches of the same replay: how far apart two equally good runs are.
 * All others see the same minibatches and noise.
 *
 * Exit code 1 when at some row of a seed the two in bf16 differ in a single bit, bf16 cannot be
 * told from f32, or it is further from f32 than other minibatches are, and when at some row of the
 * means its contrastive loss is well above f32's on the same minibatches; 77 where there is no
 * bf16. */
#include "base/error.h"
#include "base/memory.h"
#include "base/rng.h"
#include "config/config.h"
#include "train/backend.h"
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SKIPPED = 77, MAX_UPDATES = 1000000, MAX_ROWS = 14, MAX_SEEDS = 100 };

/* Times the larger contrastive loss of both in f32 that bf16's may be, in the means over the
 * seeds: on a single one of a small network chance alone makes differences of that size. */
#define LOSS_MARGIN 1.1

typedef enum learner_kind {
    F32,
    OTHER_ORDER,
    BF16,
    BF16_AGAIN,
    OTHER_MINIBATCHES,
    LEARNERS
} learner_kind;

/* Sums over the updates since the row above. */
typedef struct losses {
    double critic, contrast, accuracy;
    int64_t n;
} losses;

typedef struct learner {
    cw_backend *be;
    cw_agent *agent;
    losses sum;
} learner;

/* One row of a table, or the sum of several seeds' rows. */
typedef struct row {
    int64_t updates;
    losses sum[LEARNERS];
    double apart[LEARNERS]; /* distance() of each */
} row;

typedef struct lockstep {
    cw_settings settings; /* its run.seed is that of the table under way */
    cw_agent_env env;
    cw_replay *replay;
    learner learner[LEARNERS];
    float *start; /* trained parameters before the first update, one after the other */
} lockstep;

static void must(cw_status status) {
    if (status == CW_OK) return;
    fprintf(stderr, "bench_lockstep: %s\n", cw_last_error());
    exit(1);
}

/* ---------------------------------------------------------------- the replay */

static void open_env(lockstep *l) {
    cw_task_factory factory;
    cw_env bare;
    int action_repeat;
    const cw_settings *s = &l->settings;
    must(cw_task_factory_init(&factory, s, &action_repeat));
    must(cw_task_factory_create(&factory, (uint32_t)s->run.seed, s->env.image_size, &bare));
    must(cw_agent_env_init(&l->env, &bare, action_repeat));
}

static void collect(lockstep *l) {
    const cw_settings *s = &l->settings;
    cw_replay_desc desc = cw_replay_desc_of(s, &l->env);
    desc.capacity = s->train.seed_steps;
    must(cw_replay_create(&l->replay, &desc));
    cw_stream stream = {.seed = s->run.seed, .purpose = CW_RNG_RANDOM_ACTION};
    cw_timestep step = {.last = true};
    for (int64_t t = 0; cw_replay_count(l->replay) < desc.capacity; t++) {
        uint8_t *frame = cw_replay_lend(l->replay);
        if (step.last) {
            must(cw_agent_env_reset(&l->env, frame));
            must(cw_replay_commit_first(l->replay));
            step.last = false;
            continue;
        }
        double uniform[CW_MAX_ACTION_DIM];
        float action[CW_MAX_ACTION_DIM];
        cw_rng_uniform(&stream, (uint64_t)t, -1, 1, uniform, (size_t)desc.action_dim);
        for (int i = 0; i < desc.action_dim; i++) action[i] = (float)uniform[i];
        must(cw_agent_env_step(&l->env, action, &step, frame));
        must(cw_replay_commit(l->replay, action, step.reward, (float)step.discount, step.last));
    }
}

/* ---------------------------------------------------------------- learners */

static bool is_bf16(learner_kind kind) {
    return kind == BF16 || kind == BF16_AGAIN;
}

/* Trained parameter i; false behind the last one. Targets come after them and follow them. */
static bool trained(const cw_agent *agent, int i, cw_tensor *value) {
    const char *name;
    if (!cw_agent_param(agent, i, &name, value)) return false;
    return strncmp(name, "critic_target.", 14) != 0 && strncmp(name, "key_encoder.", 12) != 0;
}

static void open_learners(lockstep *l) {
    const cw_settings *s = &l->settings;
    cw_agent_spec spec = cw_agent_spec_of(s, &l->env.env.spec);
    for (int k = 0; k < LEARNERS; k++) {
        learner *one = &l->learner[k];
        cw_precision precision = is_bf16(k) ? CW_PRECISION_BF16 : CW_PRECISION_F32;
        int threads = s->run.threads;
        if (k == OTHER_ORDER) threads = l->learner[F32].be->threads == 1 ? 2 : 1;
        must(cw_backend_select(&one->be, "auto", precision, threads));
        must(cw_agent_create(&one->agent, one->be, &spec));
        must(cw_agent_init(one->agent, s->run.seed));
    }
    const cw_agent *agent = l->learner[F32].agent;
    cw_tensor value;
    size_t n = 0;
    for (int i = 0; trained(agent, i, &value); i++) n += (size_t)cw_tensor_count(&value);
    must(cw_alloc(&l->start, n, sizeof *l->start, "initial weights"));
    n = 0;
    for (int i = 0; trained(agent, i, &value); i++) {
        memcpy(l->start + n, value.data, cw_tensor_bytes(&value));
        n += (size_t)cw_tensor_count(&value);
    }
}

static void update_all(lockstep *l, int64_t step) {
    for (int k = 0; k < LEARNERS; k++) {
        learner *one = &l->learner[k];
        cw_minibatch batch;
        cw_update_stats stats;
        uint64_t seed = l->settings.run.seed + (k == OTHER_MINIBATCHES);
        must(cw_replay_sample(l->replay, &batch, seed, 0, (uint64_t)step));
        must(cw_agent_update(one->agent, &batch, step, &stats));
        one->sum.critic += stats.critic_loss;
        one->sum.contrast += stats.curl_loss;
        one->sum.accuracy += stats.curl_accuracy;
        one->sum.n++;
    }
}

/* |a - b| / |a - start| with a the weights in f32 and b those of a learner. */
static double distance(const lockstep *l, learner_kind kind) {
    double apart = 0, way = 0;
    const float *start = l->start;
    cw_tensor a, b;
    for (int i = 0; trained(l->learner[F32].agent, i, &a); i++) {
        trained(l->learner[kind].agent, i, &b);
        int64_t n = cw_tensor_count(&a);
        for (int64_t k = 0; k < n; k++) {
            double own = cw_tensor_get(&a, k);
            apart += pow(own - cw_tensor_get(&b, k), 2);
            way += pow(own - (double)start[k], 2);
        }
        start += n;
    }
    return sqrt(apart / way);
}

static bool same_bits(const lockstep *l, learner_kind one, learner_kind other) {
    cw_tensor a, b;
    for (int i = 0; trained(l->learner[one].agent, i, &a); i++) {
        trained(l->learner[other].agent, i, &b);
        if (memcmp(a.data, b.data, cw_tensor_bytes(&a)) != 0) return false;
    }
    return true;
}

/* ---------------------------------------------------------------- the table */

static void print_head(const lockstep *l) {
    char text[160];
    must(cw_backend_describe(l->learner[BF16].be, text, sizeof text));
    printf("profile %s, task %s, seed %llu, minibatch %d, %lld transitions; %s\n",
           l->settings.run.profile, l->settings.env.task, (unsigned long long)l->settings.run.seed,
           l->settings.update.batch_size, (long long)cw_replay_count(l->replay), text);
    printf("Losses are means over the updates since the row above. Distance: of the weights from "
           "those in f32,\nbeside the way that those have gone.\n\n");
}

static void print_columns(void) {
    printf("| updates | critic loss: f32, other order, bf16 | contrastive loss | contrastive "
           "accuracy | distance: other order | bf16 | other minibatches |\n");
    printf("|---|---|---|---|---|---|---|\n");
}

static void print_row(const row *r, int seeds) {
    const losses *a = &r->sum[F32], *b = &r->sum[OTHER_ORDER], *c = &r->sum[BF16];
    double n = (double)a->n;
    printf("| %lld | %.4f, %.4f, %.4f | %.3f, %.3f, %.3f | %.3f, %.3f, %.3f | %.2g | %.2g | %.2g "
           "|\n",
           (long long)r->updates, a->critic / n, b->critic / n, c->critic / n, a->contrast / n,
           b->contrast / n, c->contrast / n, a->accuracy / n, b->accuracy / n, c->accuracy / n,
           r->apart[OTHER_ORDER] / seeds, r->apart[BF16] / seeds,
           r->apart[OTHER_MINIBATCHES] / seeds);
    fflush(stdout);
}

static void add_row(row *sum, const row *one) {
    sum->updates = one->updates;
    for (int k = 0; k < LEARNERS; k++) {
        sum->sum[k].critic += one->sum[k].critic;
        sum->sum[k].contrast += one->sum[k].contrast;
        sum->sum[k].accuracy += one->sum[k].accuracy;
        sum->sum[k].n += one->sum[k].n;
        sum->apart[k] += one->apart[k];
    }
}

/* What must hold at every row of a seed; NULL when it does. */
static const char *complaint(const lockstep *l, const row *r) {
    if (!same_bits(l, BF16, BF16_AGAIN)) return "bf16 gave other bits the second time";
    if (!(r->apart[BF16] > 0)) return "bf16 gave the bits of f32: nothing went in it";
    if (!(r->apart[BF16] < r->apart[OTHER_MINIBATCHES])) {
        return "bf16 is further from f32 than other minibatches are";
    }
    return NULL;
}

/* The same at every row of the means. */
static const char *complaint_of_means(const row *r) {
    double f32 = fmax(r->sum[F32].contrast, r->sum[OTHER_ORDER].contrast);
    if (!(r->sum[BF16].contrast <= LOSS_MARGIN * f32)) {
        return "the contrastive loss in bf16 is well above the one in f32";
    }
    return NULL;
}

/* 1, 3, 10, 30, ... and the last one. */
static bool is_row(int64_t updates, int64_t last) {
    if (updates == last) return true;
    int64_t n = updates;
    while (n % 10 == 0) n /= 10;
    return n == 1 || n == 3;
}

/* One seed's updates; adds its rows to `total`. */
static const char *run(lockstep *l, int64_t updates, row total[MAX_ROWS]) {
    for (int64_t done = 1; done <= updates; done++) {
        update_all(l, done - 1);
        if (!is_row(done, updates)) continue;
        row now = {.updates = done};
        for (int k = 0; k < LEARNERS; k++) {
            now.sum[k] = l->learner[k].sum;
            now.apart[k] = distance(l, k);
            l->learner[k].sum = (losses){0};
        }
        print_row(&now, 1);
        add_row(total++, &now);
        const char *wrong = complaint(l, &now);
        if (wrong != NULL) return wrong;
    }
    return NULL;
}

static const char *run_seed(const cw_settings *settings, uint64_t seed, int64_t updates,
                            row total[MAX_ROWS]) {
    lockstep l = {.settings = *settings};
    l.settings.run.seed = seed;
    open_env(&l);
    collect(&l);
    open_learners(&l);
    print_head(&l);
    print_columns();
    const char *wrong = run(&l, updates, total);
    for (int k = 0; k < LEARNERS; k++) {
        cw_agent_destroy(l.learner[k].agent);
        cw_backend_destroy(l.learner[k].be);
    }
    cw_replay_destroy(l.replay);
    cw_agent_env_deinit(&l.env);
    cw_free(l.start);
    return wrong;
}

/* Prints the means of several seeds and judges those of any number. */
static const char *judge_means(const row total[MAX_ROWS], int seeds) {
    const char *wrong = NULL;
    if (seeds > 1) {
        printf("\nmeans of %d seeds\n\n", seeds);
        print_columns();
    }
    for (int i = 0; i < MAX_ROWS && total[i].updates > 0; i++) {
        if (seeds > 1) print_row(&total[i], seeds);
        if (wrong == NULL) wrong = complaint_of_means(&total[i]);
    }
    return wrong;
}

/* ---------------------------------------------------------------- the command */

static int usage(void) {
    fprintf(stderr, "usage: bench_lockstep PROFILE UPDATES env.task=TASK [seeds=N] "
                    "[section.key=value ...]\n");
    return 2;
}

/* A whole number from 1 to max; false when the text is none. */
static bool read_count(const char *text, int64_t max, int64_t *n) {
    char *end;
    *n = strtoll(text, &end, 10);
    return end != text && *end == '\0' && *n >= 1 && *n <= max;
}

static int read_arguments(cw_settings *s, int64_t *updates, int64_t *seeds, int argc, char **argv) {
    if (argc < 3 || !read_count(argv[2], MAX_UPDATES, updates)) return usage();
    *seeds = 1;
    cw_settings_default(s);
    must(cw_profile_apply(s, argv[1]));
    for (int i = 3; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (value == NULL) return usage();
        *value++ = '\0';
        if (strcmp(argv[i], "seeds") == 0) {
            if (!read_count(value, MAX_SEEDS, seeds)) return usage();
        } else {
            must(cw_settings_set(s, argv[i], value));
        }
    }
    must(cw_settings_check(s));
    return 0;
}

int main(int argc, char **argv) {
    cw_settings settings;
    int64_t updates, seeds;
    int wrong_usage = read_arguments(&settings, &updates, &seeds, argc, argv);
    if (wrong_usage != 0) return wrong_usage;
    if (!cw_backend_onednn_has_bf16()) {
        printf("no bf16 on this machine\n");
        return SKIPPED;
    }
    row total[MAX_ROWS] = {0};
    const char *wrong = NULL;
    for (int i = 0; i < seeds && wrong == NULL; i++) {
        if (i > 0) printf("\n");
        wrong = run_seed(&settings, settings.run.seed + (uint64_t)i, updates, total);
    }
    if (wrong == NULL) wrong = judge_means(total, (int)seeds);
    if (wrong != NULL) fprintf(stderr, "bench_lockstep: %s\n", wrong);
    return wrong != NULL;
}
