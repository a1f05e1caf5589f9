/* The command against a library that trains nothing: what it makes of its arguments, what it says
 * and with which code it ends. */
#include "cli/process.h"
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BINARY CW_FAKE_CURLEW

static cw_process p;

static void run(const char *words) {
    process_run(&p, BINARY, words, NULL);
}

static void expect(const char *words, int code, const char *fragment, const char *out) {
    if (p.code != code) fail_msg("curlew %s: code %d: %s%s", words, p.code, p.out, p.err);
    if (code == 0 ? p.err[0] != '\0' : !process_is_one_line(p.err))
        fail_msg("curlew %s: stderr is \"%s\"", words, p.err);
    if (!strstr(p.err, fragment))
        fail_msg("curlew %s: \"%s\" lacks \"%s\"", words, p.err, fragment);
    if (!strstr(p.out, out)) fail_msg("curlew %s: \"%s\" lacks \"%s\"", words, p.out, out);
    if (p.wrote) fail_msg("curlew %s: something was written", words);
}

static const struct {
    const char *words, *fragment;
} usage_errors[] = {
    {"", "no command given"},
    {"''", "no command \"\""},
    {"trian", "no command \"trian\"; did you mean train?"},
    {"bnch", "no command \"bnch\""},
    {"help trian", "did you mean train?"},
    {"help train eval", "help: unexpected \"eval\""},
    {"train", "train needs a TASK"},
    {"train cartpole", "no task \"cartpole\"; did you mean cartpole-swingup?"},
    {"train cartpole-swingu", "no task \"cartpole-swingu\"; did you mean cartpole-swingup?"},
    {"train toy toy", "train: unexpected \"toy\"; settings are written section.key=value"},
    {"train toy --sede 3", "train has no option --sede; did you mean --seed?"},
    {"train toy --xyzzy", "train has no option --xyzzy; see `curlew help train`"},
    {"train toy -s 3", "train has no option -s"},
    {"train toy --seed", "--seed needs a value: --seed N"},
    {"train toy --quiet=1", "--quiet takes no value"},
    {"train toy --seed x", "--seed: run.seed=x: must be a whole number, 0 to 1844674407370955"},
    {"train toy --seed -1", "--seed: run.seed=-1"},
    {"train toy --seed=", "--seed has an empty value: --seed N"},
    {"report run --out=", "--out has an empty value: --out FILE.html"},
    {"train toy --steps 0", "--steps: train.frames=0: must be a whole number, 1 to"},
    {"train toy --steps 1e5", "--steps: train.frames=1e5"},
    {"train toy --precision f64", "--precision: run.precision=f64: must be auto | f32 | bf16"},
    {"train toy --threads -2", "--threads: run.threads=-2"},
    {"train toy --profile papers", "--profile: no profile \"papers\"; did you mean paper?"},
    {"train toy --config missing.ini", "--config: missing.ini"},
    {"train toy update.batchsize=3", "no key \"update.batchsize\"; did you mean update.batch"},
    {"train toy batch_size=3", "did you mean update.batch_size?"},
    {"train toy update.batch_size=3x", "update.batch_size=3x: must be a whole number, 1 to"},
    {"train toy run.profile=authors", "a profile is chosen with --profile authors"},
    {"train toy =3", "no key \"\""},
    {"train env.task=nothing-like", "no task"},
    {"train --seed 3", "train needs a TASK"},
    {"sweep", "sweep needs more words: curlew sweep TASK ..."},
    {"sweep toy tyo", "no task \"tyo\"; did you mean toy?"},
    {"sweep toy toy", "toy-paper-seed1 would be run twice"},
    {"sweep toy --seeds 1,x", "--seeds x: must be a whole number"},
    {"sweep toy --seeds 3-1", "--seeds 1: must be a whole number, 3 to"},
    {"sweep toy --seeds 1,", "--seeds 1,: a value is missing"},
    {"sweep toy --seeds 1-99999", "--seeds 1-99999: at most 10000"},
    {"sweep toy --jobs 0", "--jobs 0: must be a whole number, 1 to 256"},
    {"sweep toy --profile paper,papers", "--profile: no profile \"papers\"; did you mean paper?"},
    {"sweep toy run.seed=1,2", "run.seed=1,2 is chosen with --seeds"},
    {"sweep toy update.batch_size=16,16",
     "toy-paper-update.batch_size=16-seed1 would be run twice"},
    {"sweep toy update.batch_size=16,many", "update.batch_size=many: must be a whole number"},
    {"sweep toy update.batchsize=16,32", "did you mean update.batch_size?"},
    {"sweep toy encoder.lr=1e-4..1e-2", "a range needs --trials N"},
    {"sweep toy encoder.lr=1e-2..1e-4 --trials 2", "LOW is the smaller one"},
    {"sweep toy encoder.lr=log:0..1 --trials 2", "with LOW above 0"},
    {"sweep toy encoder.lr=1e-2.. --trials 2", "a range is LOW..HIGH"},
    {"sweep toy --trials 2", "--trials draws from lists and ranges, and none is given"},
    {"eval", "eval needs more words: curlew eval RUN"},
    {"eval a b", "eval: unexpected \"b\""},
    {"eval a x=y", "eval: unexpected \"x=y\""},
    {"eval a --episodes 0", "--episodes 0: must be a whole number, 1 to 10000"},
    {"eval a --episodes 1.5", "--episodes 1.5: must be"},
    {"eval a --episodes 99999999999999999999", "must be a whole number"},
    {"record", "record needs more words: curlew record RUN"},
    {"record a --ot b", "record has no option --ot; did you mean --out?"},
    {"plot", "plot needs more words: curlew plot RUN..."},
    {"plot a --x miles", "--x miles: must be frames or hours"},
    {"plot a --ouy b", "plot has no option --ouy; did you mean --out?"},
    {"record a --frame 0", "--frame 0: must be a whole number, 1 to 1000000"},
    {"record a --scale 0", "--scale 0: must be a whole number, 1 to 20"},
    {"report", "report needs more words: curlew report RUN"},
    {"compare a", "compare needs more words: curlew compare RUN RUN"},
    {"compare a b c", "compare: unexpected \"c\""},
    {"list nothing", "nothing to list under \"nothing\"; there are tasks, profiles and keys"},
    {"list task", "did you mean tasks?"},
    {"list tasks --markdown", "--markdown goes with"},
    {"export r", "export needs --onnx, --weights or --examples"},
    {"export r --weights w --encoder", "--encoder goes with --onnx"},
    {"list --markdown", "--markdown goes with"},
    {"list keys --markdown --json", "--markdown or --json, not both"},
    {"rollout toy", "rollout needs --seed"},
    {"rollout toy --seed 1", "rollout needs --actions"},
    {"rollout toy --seed 1 --actions a", "rollout needs --out"},
    {"rollout tyo --seed 1 --actions a --out b", "no task \"tyo\""},
    {"rollout toy --seed 4294967296 --actions a --out b", "--seed 4294967296: must be"},
    {"rollout toy --seed 1 --actions a --out b --frames 0,,2", "--frames 0,,2: must be"},
    {"rollout toy --seed 1 --actions a --out b --frames 0,2,", "--frames 0,2,: must be"},
    {"rollout toy --seed 1 --actions a --out b --frames -1", "--frames -1: must be"},
    {"rollout toy --seed 1 --actions a --out b --frames ''", "--frames has an empty value"},
    {"rollout toy --seed 1 --actions a --out b --frames 99999999999999999999", "must be"},
    {"update", "update needs --in"},
    {"update --in a", "update needs --out"},
    {"update a --in a --out b", "update: unexpected \"a\""},
    {"update --in a --out b sac.discont=1", "did you mean sac.discount?"},
    {"bench fast", "no benchmark \"fast\""},
    {"bench update ops", "bench: unexpected \"ops\""},
    {"bench --updates 0", "--updates 0: must be"},
    {"train cartpol", "no task \"cartpol\"; did you mean cartpole-swingup?"},
    {"train run", "no task \"run\"; did you mean cheetah-run?"},
    {"train toy --check", "train has no option --check; did you mean --checkpoint-every?"},
    {"help update.batchsize", "no key \"update.batchsize\"; did you mean update.batch_size?"},
    {"help curl.key", "did you mean curl.key_encoder, curl.key_tau or curl.key_every?"},
    {"help x.y", "no key \"x.y\"; `curlew list keys` shows them all"},
    {"help train --share a", "--share writes every page: it goes with no other word"},
    {"completion", "completion needs more words: curlew completion bash|zsh|fish"},
    {"completion csh", "no script for \"csh\"; did you mean zsh?"},
    {"completion tcl", "no script for \"tcl\"; there are bash, zsh and fish"},
    {"completion bash zsh", "completion: unexpected \"zsh\""},
    {"doctor now", "doctor: unexpected \"now\""},
    {"version --long", "version has no option --long"},
    {"--verison", "no command \"--verison\""},
};

static void usage_errors_are_one_line_and_write_nothing(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof usage_errors / sizeof usage_errors[0]; i++) {
        run(usage_errors[i].words);
        expect(usage_errors[i].words, 2, usage_errors[i].fragment, "");
        if (p.out[0]) fail_msg("curlew %s: stdout is \"%s\"", usage_errors[i].words, p.out);
    }
}

static const struct {
    const char *words, *out;
} outputs[] = {
    {"train toy", "run.out=runs/toy-paper-seed1\nenv.task=toy\nscore:   845.2 at 100000 frames\n"
                  "best:    900.0\ncurve:   there/curve.png\nvideo:   there/final.mp4\n"
                  "weights: there/weights.safetensors\n"},
    {"train cartpole_swingup", "run.out=runs/cartpole-swingup-paper-seed1\nenv.task=cartpole-s"},
    {"train toy --seed 7 --profile authors", "run.out=runs/toy-authors-seed7"},
    {"train toy --out x/y --quiet=", NULL},
    {"train toy --out x/y", "run.out=x/y\n"},
    {"train toy run.seed=9", "run.out=runs/toy-paper-seed9"},
    {"train toy --seed=3", "run.seed=3\n"},
    {"train toy --seed 3 run.seed=4", "run.seed=4\n"},
    {"train toy run.seed=4 --seed 3", "run.seed=3\n"},
    {"train toy --steps 5000", "train.frames=5000\n"},
    {"train toy --precision bf16 --threads 2", "run.threads=2\nrun.precision=bf16\n"},
    {"train encoder.hidden=5 toy --profile authors", "encoder.hidden=5\nencoder.tanh=false\n"},
    {"train -- toy", "env.task=toy\n"},
    {"train env.task=toy", "env.task=toy\n"},
    {"train toy run.out=a=b", "run.out=a=b\n"},
    {"eval some/run", "evaluate some/run\nepisode 1: 100.000\n"},
    {"eval some/run", "episode 10: 109.000\nmean return 104.500 over 10 episodes\n"},
    {"eval some/run --episodes 3", "episode 3: 102.000\nmean return 101.000 over 3 episodes\n"},
    {"record some/run", "record some/run to (default)\nreturn 7.000: some/run/video/record.mp4"},
    {"record some/run --out a.mp4", "record some/run to a.mp4\nreturn 7.000: a.mp4\n"},
    {"record a/b.safetensors", "(default)\nreturn 7.000: a/video/record.mp4\n"},
    {"record r --quiet", NULL},
    {"record r --json", "{\"run\": \"r\", \"return\": 7, \"file\": \"r/video/record.mp4\"}\n"},
    {"record b.safetensors", "(default)\nreturn 7.000: video/record.mp4\n"},
    {"record r --frame 3", "(default)\nframe 3\nreturn 7.000: r/video/record.png\n"},
    {"rollout toy --seed 4294967295 --actions a --out b", "rollout toy 4294967295 a b auto:\n"},
    {"rollout toy --seed 0 --actions a --out b --frames 0,100,20 --renderer osmesa",
     "rollout toy 0 a b osmesa: 0 100 20\n"},
    {"update --in a --out b --backend ref64 sac.discount=0.5",
     "update a b ref64\nsac.discount=0.5\n"},
    {"update --in a --out b --profile authors", "update a b auto\nrun.profile=authors\n"},
    {"bench", "bench 0 - 0 kernels\na title\n"},
    {"bench --in a --updates 7 --no-kernels --threads 2", "bench 0 a 7 whole\nrun.threads=2\n"},
    {"bench env", "bench 1 - 0 kernels\nenv.task=cartpole-swingup\na title\n"},
    {"bench replay", "memory, MB                              foretold  measured\n"
                     "frames                                       3.0       4.0\n"},
    {"bench ops", "product                                        2   500.000                  "
                  "         2.0      50 %          \n"},
    {"bench ops", "\nratio                                       1.25 x\n"},
    {"doctor", "processor: yes\n"},
    {"doctor --json", "\", \"lines\": [\"processor: yes\"], \"works\": true}\n"},
    {"help sac.discount", "discount per agent step\n\ntype      real\nrange     0 to 1\n"
                          "default   0.99\nsource    paper table 3, code\n"},
    {"help --man", ".Dt CURLEW 1\n"},
    {"help --man train", ".Nm curlew\n.Cm train\n.Op Ar options\n.Op Ar TASK\n"},
    {"help --man keys", ".It Ic sac.discount\ndiscount per agent step\n.br\nType: real, 0 to 1.\n"
                        ".br\nDefault: 0.99\n"},
    {"completion bash", "complete -F _curlew curlew\n"},
    {"completion words -- train cart", "cartpole-swingup\tswing a pole up\n"},
    {"train toy --json",
     "{\"run\": \"runs/toy-paper-seed1\", \"frames\": 100000, \"return_mean\": 845.25, "
     "\"return_best\": 900, \"curve\": \"there/curve.png\", \"video\": \"there/final.mp4\", "
     "\"weights\": \"there/weights.safetensors\"}\n"},
    {"version", "curlew "},
    {"--version", "curlew "},
    {"list tasks", "cartpole-swingup             8      swing a pole up\n"},
    {"list profiles", "paper (default)\nauthors, compared with the default:\n"
                      "    augment.range=exclusive\n"},
    {"list keys", "\n[sac]\nsac.discount = 0.99  (real, 0 to 1)\n    discount per agent "
                  "step\n    source: paper table 3, code\n"},
    {"list tasks --json", "[{\"name\": \"cartpole-swingup\", \"action_repeat\": 8, "
                          "\"summary\": \"swing a pole up\"}, {"},
    {"list profiles --json", "[{\"name\": \"paper\", \"changes\": {}}, {\"name\": "
                             "\"authors\", \"changes\": {\"augment.range\": \"exclusive\""},
    {"list keys --json",
     "{\"name\": \"sac.discount\", \"type\": \"real\", \"default\": \"0.99\", \"range\": "
     "\"0 to 1\", \"meaning\": \"discount per agent step\", \"source\": \"paper table 3, "
     "code\"}, {"},
    {"list --json", "{\"tasks\": [{"},
    {"list --json", "], \"keys\": [{"},
    {"eval some/run --episodes 2 --json",
     "{\"run\": \"some/run\", \"episodes\": 2, \"return_mean\": 100.5, \"returns\": [100, "
     "101]}\n"},
    {"plot a b", "toy, tiny: IQM 30.0 [25.0, 35.5] at 1000 frames, 2 of 2 runs\n"},
    {"plot a b --over-tasks --x hours", "tiny: IQM 30.0 [25.0, 35.5] after 1000 hours"},
    {"plot a b --out c.svg --out d.png --x hours --force",
     "draw c.svg hours replace\ndraw d.png hours replace\n"},
    {"plot a b --json", "{\"x\": \"frames\", \"y\": \"evaluation return\", \"interval\":"},
    {"plot a b --json",
     "[{\"task\": \"toy\", \"label\": \"tiny\", \"runs\": [\"a\", \"b\"], \"points\": "
     "[{\"x\": 0, \"iqm\": 10.5, \"low\": 9, \"high\": 12, \"n_runs\": 2}, {"},
    {"plot a b --json", "\"iqm\": 40, \"low\": null, \"high\": null, \"n_runs\": 1}]}], "
                        "\"published\": [{\"task\": \"toy\", \"method\": \"CURL\""},
    {"compare a b", "\nsettings that differ\n  update.batch_size                         128"},
    {"compare a b", "100.0            250.0   x 2.50\n  updates/s while training     "},
    {"compare a b", "optimisers                              1.000            1.000   x 1.00\n"},
    {"compare a b", "2000                                     10.0             12.0   +2.0\n"},
    {"compare a b --json", "\"settings\": [{\"key\": \"update.batch_size\", \"a\": \"128\", "
                           "\"b\": \"512\"}], \"scores\": [{\"frames\": 0, \"a\": 10, "},
    {"record r --overlay --scale 8 --force",
     "record r to (default)\nscale 8 overlay replace\nreturn 7.000: r/video/record.mp4"},
    {"report r", "page of r to (default)\nreport: r/report.html\n"},
    {"report r --out a.html --force", "page of r to a.html replace\nreport: a.html\n"},
    {"list", "cheetah-run"},
    {"list", "paper (default)"},
    {"list", "train.video = true"},
};

static void arguments_reach_the_library(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++) {
        if (!outputs[i].out) continue;
        run(outputs[i].words);
        expect(outputs[i].words, 0, "", outputs[i].out);
    }
}

static void bench_figures_reach_a_file(void **state) {
    (void)state;
    run("bench replay --json b.json");
    if (p.code != 0 || !p.wrote) fail_msg("bench --json: code %d", p.code);
    process_run(&p, "/bin/cat", "b.json", NULL);
    expect("b.json", 0, "",
           "{\"bench\": \"replay\", \"title\": \"a title\", \"machine\": \"\", \"kernels\": "
           "\"\", \"peak_flops\": 4000000000, \"rows\": [{\"group\": \"kernel\", \"name\": "
           "\"product\", \"count\": 2, \"seconds\": 0.5,");
    expect("b.json", 0, "",
           "\"figures\": [{\"name\": \"ratio\", \"value\": 1.25, \"unit\": \"x\"}]}\n");
    run("bench --json no/such/b.json");
    expect("bench --json", 1, "cannot write no/such/b.json: No such file or directory",
           "a title\n");
}

static void quiet_runs_print_the_result_asked_for_only(void **state) {
    (void)state;
    run("train toy --quiet");
    expect("train toy --quiet", 0, "", "");
    assert_string_equal(p.out, "");
    run("eval r --quiet --episodes 2");
    expect("eval --quiet", 0, "", "");
    assert_string_equal(p.out, "mean return 100.500 over 2 episodes\n");
    process_run(&p, BINARY, "train toy --quiet", "FAKE=progress");
    expect("train toy --quiet", 0, "", "");
    assert_string_equal(p.out, "");
}

static void files_stand_between_profile_and_words(void **state) {
    (void)state;
    process_write("a.ini", "[encoder]\nhidden = 11\nfeature_dim = 12\n[env]\ntask = toy\n");
    process_write("b.ini", "[encoder]\nfeature_dim = 13\n");
    process_write("c.ini", "[run]\nprofile = authors\n");
    process_write("bad.ini", "[encoder]\n\nhiden = 1\n");
    static const struct {
        const char *words;
        int code;
        const char *err, *out;
    } cases[] = {
        {"train encoder.hidden=14 --config a.ini --profile authors", 0, "",
         "env.task=toy\naugment.range=exclusive\nencoder.hidden=14\nencoder.feature_dim=12\n"},
        {"train --config a.ini --config b.ini", 0, "", "encoder.hidden=11\nencoder.feature_dim=13"},
        {"train --config b.ini --config a.ini", 0, "", "encoder.hidden=11\nencoder.feature_dim=12"},
        {"train cheetah-run --config a.ini", 0, "", "env.task=cheetah-run"},
        {"train toy --config c.ini", 0, "", "run.out=runs/toy-authors-seed1"},
        {"train toy --config c.ini --profile authors", 0, "", "run.profile=authors"},
        {"train toy --config c.ini --profile paper", 2,
         "--profile paper, but c.ini starts from profile authors", ""},
        {"train toy --config bad.ini", 2,
         "--config: bad.ini:3: no key \"encoder.hiden\"; did you mean encoder.hidden?", ""},
        {"update --in i --out o --config b.ini", 0, "", "encoder.feature_dim=13"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        run(cases[i].words);
        expect(cases[i].words, cases[i].code, cases[i].err, cases[i].out);
    }
}

static void failures_of_the_library_set_the_code(void **state) {
    (void)state;
    static const char *const all[] = {"train toy",
                                      "eval r",
                                      "plot r",
                                      "compare r r",
                                      "record r",
                                      "rollout toy --seed 1 --actions a --out b",
                                      "update --in a --out b",
                                      "bench",
                                      "doctor"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        process_run(&p, BINARY, all[i], "FAKE=error");
        expect(all[i], 1, "curlew: disk/full: no space?left on device\n", "");
        process_run(&p, BINARY, all[i], "FAKE=invalid");
        expect(all[i], 2, "update.batch_size=64, but the run began with 32", "");
    }
}

static void a_sweep_that_does_not_fit_is_refused(void **state) {
    (void)state;
    run("sweep toy --seeds 1-3 --jobs 2"); /* the fake's runs take 6 GB of 10 */
    expect("sweep", 1, "need 12.00 GB and 10.00 GB are available; --jobs 1 would fit", "");
}

static void control_characters_do_not_reach_the_terminal(void **state) {
    (void)state;
    run("\033[31mred");
    expect("red", 2, "no command \"?[31mred\"", "");
}

static void signals_stop_after_a_checkpoint(void **state) {
    (void)state;
    static const struct {
        int signal, code;
        const char *name;
    } cases[] = {{SIGINT, 130, "Interrupt"}, {SIGTERM, 143, "Terminated"}, {SIGHUP, 129, "Hangup"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pid_t pid = process_start(BINARY, "train toy", "FAKE=wait");
        process_await_output("started");
        assert_int_equal(kill(pid, cases[i].signal), 0);
        process_wait(&p, pid);
        expect(cases[i].name, cases[i].code, "the same command goes on from the checkpoint",
               "stopping after a checkpoint; a second signal stops at once\n");
        assert_non_null(strstr(p.err, cases[i].name));
    }
}

/* Sends what counts as one signal; false when the process ended. */
static bool outlives_the_first_signal(pid_t pid) {
    /* A hangup comes several times when a terminal goes away, others twice from job managers. */
    static const int first[] = {SIGTERM, SIGTERM, SIGINT, SIGHUP, SIGHUP, SIGHUP};
    static const int wait_ms[] = {10, 10, 100, 100, 100, 100};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(kill(pid, first[i]), 0);
        nanosleep(&(struct timespec){.tv_nsec = wait_ms[i] * 1000 * 1000}, NULL);
        if (waitpid(pid, NULL, WNOHANG) != 0) return false;
    }
    return true;
}

static void a_second_signal_stops_at_once(void **state) {
    (void)state;
    pid_t pid = 0;
    bool running = false;
    /* A busy machine can keep the process from the second signal for longer than counts as one. */
    for (int try = 0; try < 4 && !running; try++) {
        pid = process_start(BINARY, "train toy", "FAKE=deaf");
        process_await_output("started");
        running = outlives_the_first_signal(pid);
    }
    assert_true(running);
    assert_int_equal(kill(pid, SIGTERM), 0);
    process_wait(&p, pid);
    assert_int_equal(p.code, 143);
    assert_string_equal(p.err, "");
}

/* The commands, as `help` lists them. */
static char names[64][16];
static int n_names;

static void read_names(void) {
    run("help");
    n_names = 0;
    for (char *line = p.out; (line = strstr(line, "\n  ")) != NULL && n_names < 64; line += 3)
        assert_int_equal(sscanf(line, " %15s", names[n_names++]), 1);
    assert_true(n_names > 10);
    assert_string_equal(names[0], "train");
}

static void help_knows_every_command(void **state) {
    (void)state;
    read_names();
    for (int i = 0; i < n_names; i++) {
        char words[64], first[64], own[8192];
        run("help");
        snprintf(first, sizeof first, "\n  %.15s ", names[i]);
        expect("help", 0, "", first);
        snprintf(words, sizeof words, "help %.15s", names[i]);
        run(words);
        snprintf(first, sizeof first, "usage: curlew %.15s", names[i]);
        expect(words, 0, "", first);
        expect(words, 0, "", "\nexamples:\n  curlew ");
        snprintf(own, sizeof own, "%.8000s", p.out);
        snprintf(words, sizeof words, "%.15s --help", names[i]);
        run(words);
        expect(words, 0, "", "");
        assert_string_equal(p.out, own);
    }
    run("--help");
    expect("--help", 0, "", "usage: curlew COMMAND");
    run("-h");
    expect("-h", 0, "", "usage: curlew COMMAND");
}

/* Every example of `help COMMAND` is a command line that parses. */
static void examples_of_the_help_work(void **state) {
    (void)state;
    read_names();
    static char help[8192];
    int n = 0;
    for (int i = 0; i < n_names; i++) {
        /* It starts the command for each of its runs and writes their folder: tests of its own. */
        if (strcmp(names[i], "sweep") == 0) continue;
        char words[256];
        snprintf(words, sizeof words, "help %.15s", names[i]);
        run(words);
        snprintf(help, sizeof help, "%.8000s", p.out);
        for (char *line = strstr(help, "\nexamples:\n") + 11; *line;) {
            char *end = strchr(line, '\n');
            *end = '\0';
            assert_int_equal(strncmp(line, "  curlew ", 9), 0);
            snprintf(words, sizeof words, "%s", line + 9);
            line = end + 1;
            char *task = strstr(words, "walker-walk"); /* the fake has few tasks */
            if (task) memcpy(task, "cheetah-run", 11);
            run(words);
            expect(words, 0, "", "");
            n++;
        }
    }
    assert_true(n >= 10);
}

static void the_reference_page_is_up_to_date(void **state) {
    (void)state;
    static char page[sizeof p.out];
    FILE *file = fopen(CW_TEST_DATA "/../docs/configuration.md", "r");
    assert_non_null(file);
    size_t n = fread(page, 1, sizeof page - 1, file);
    page[n] = '\0';
    fclose(file);
    run("list keys --markdown");
    if (strcmp(page, p.out) != 0)
        fail_msg("docs/configuration.md is old: curlew list keys --markdown > "
                 "docs/configuration.md");
}

static void output_that_gets_lost_is_a_failure(void **state) {
    (void)state;
    char command[512];
    snprintf(command, sizeof command, "-c exec\t%s\tlist\tkeys\t>/dev/full", BINARY);
    process_run(&p, "/bin/sh", command, NULL);
    expect("list keys >/dev/full", 1, "cannot write to standard output: No space left", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(usage_errors_are_one_line_and_write_nothing, process_open,
                                        process_close),
        cmocka_unit_test_setup_teardown(arguments_reach_the_library, process_open, process_close),
        cmocka_unit_test_setup_teardown(bench_figures_reach_a_file, process_open, process_close),
        cmocka_unit_test_setup_teardown(quiet_runs_print_the_result_asked_for_only, process_open,
                                        process_close),
        cmocka_unit_test_setup_teardown(files_stand_between_profile_and_words, process_open,
                                        process_close),
        cmocka_unit_test_setup_teardown(failures_of_the_library_set_the_code, process_open,
                                        process_close),
        cmocka_unit_test_setup_teardown(a_sweep_that_does_not_fit_is_refused, process_open,
                                        process_close),
        cmocka_unit_test_setup_teardown(control_characters_do_not_reach_the_terminal, process_open,
                                        process_close),
        cmocka_unit_test_setup_teardown(signals_stop_after_a_checkpoint, process_open,
                                        process_close),
        cmocka_unit_test_setup_teardown(a_second_signal_stops_at_once, process_open, process_close),
        cmocka_unit_test_setup_teardown(help_knows_every_command, process_open, process_close),
        cmocka_unit_test_setup_teardown(examples_of_the_help_work, process_open, process_close),
        cmocka_unit_test_setup_teardown(the_reference_page_is_up_to_date, process_open,
                                        process_close),
        cmocka_unit_test_setup_teardown(output_that_gets_lost_is_a_failure, process_open,
                                        process_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
