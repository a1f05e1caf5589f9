/* The tables: what each command is called, takes and says about itself. */
#include "cli.h"

#define QUIET                                                                                      \
    { "--quiet", NULL, NULL, "print nothing but errors" }
#define JSON                                                                                       \
    { "--json", NULL, NULL, "one line of JSON instead of text" }
#define FORCE                                                                                      \
    { "--force", NULL, NULL, "replace a file that exists" }
#define CONFIG                                                                                     \
    { "--config", "FILE", NULL, "apply an INI file over the profile; may be given several times" }
#define PROFILE                                                                                    \
    { "--profile", "PROFILE", NULL, "built-in profile to start from (default paper)" }

static const cli_option train_options[] = {
    PROFILE,
    CONFIG,
    {"--seed", "N", "run.seed", "seed of the run (default 1)"},
    {"--steps", "FRAMES", "train.frames", "environment frames to train for (default 100000)"},
    {"--precision", "auto|f32|bf16", "run.precision", "arithmetic of the large products"},
    {"--threads", "N", "run.threads", "threads of the update (default: every core)"},
    {"--out", "DIR", "run.out", "run folder (default runs/TASK-PROFILE-seedN)"},
    {"--weights", "FILE", "train.weights",
     "safetensors file of weights that a new run starts from"},
    {"--checkpoint-every", "FRAMES", "train.checkpoint_every",
     "environment frames between checkpoints (default 10000)"},
    {"--fresh", NULL, "run.fresh", "start a new run; refuse a folder that is not empty"},
    {"--plain", NULL, NULL, "lines of progress in place of the panel, on a terminal too"},
    QUIET,
    {"--json", NULL, NULL, "print nothing but the result, as one line of JSON"},
    {NULL, NULL, NULL, NULL}};

static const cli_option eval_options[] = {
    {"--episodes", "N", NULL, "episodes to play (default 10)"},
    {"--quiet", NULL, NULL, "print the mean only"},
    JSON,
    {NULL, NULL, NULL, NULL}};

static const cli_option record_options[] = {
    {"--out", "FILE.mp4|FILE.png", NULL, "file to write (default RUN/video/record.mp4, or .png)"},
    {"--frame", "N", NULL, "frame N of the episode alone, as a PNG picture; the first is 1"},
    {"--overlay", NULL, NULL, "draw return, action and value over the picture"},
    {"--scale", "N", NULL, "pixels of the video for each of a frame (default 4)"},
    FORCE,
    QUIET,
    JSON,
    {NULL, NULL, NULL, NULL}};

static const cli_option plot_options[] = {
    {"--out", "FILE", NULL, "picture to write, .svg or .png; may be given several times"},
    {"--x", "frames|hours", NULL, "what the curves run along (default frames)"},
    {"--over-tasks", NULL, NULL, "one curve for a setting over all of its tasks"},
    FORCE,
    JSON,
    {NULL, NULL, NULL, NULL}};

static const cli_option report_options[] = {
    {"--out", "FILE.html", NULL, "page to write (default RUN/report.html)"},
    FORCE,
    {NULL, NULL, NULL, NULL}};

static const cli_option compare_options[] = {JSON, {NULL, NULL, NULL, NULL}};

static const cli_option export_options[] = {
    {"--onnx", "FILE", NULL,
     "ONNX model: bytes of whole frames in, action in the task's bounds out"},
    {"--encoder", NULL, NULL, "the model ends at the encoder: its features out, no action"},
    {"--weights", "FILE", NULL, "safetensors file of every parameter, under PyTorch's names"},
    {"--examples", "FILE", NULL, "safetensors file of real frames with their actions and features"},
    FORCE,
    {NULL, NULL, NULL, NULL}};

static const cli_option list_options[] = {
    {"--markdown", NULL, NULL, "with keys: the table of docs/configuration.md"},
    JSON,
    {NULL, NULL, NULL, NULL}};

static const cli_option rollout_options[] = {
    {"--seed", "N", NULL, "seed of the environment, as dm_control's task_kwargs={'random': N}"},
    {"--actions", "FILE", NULL, "safetensors file with the actions"},
    {"--out", "FILE", NULL, "safetensors file to write"},
    {"--frames", "LIST", NULL, "control steps to render, as 0,100,200 (default: none)"},
    {"--renderer", "auto|egl|osmesa", NULL, "what draws the frames (default auto)"},
    {NULL, NULL, NULL, NULL}};

static const cli_option update_options[] = {
    {"--in", "FILE", NULL, "safetensors file: parameters, minibatches, noise"},
    {"--out", "FILE", NULL, "safetensors file to write: parameters, losses"},
    PROFILE,
    CONFIG,
    {"--backend", "auto|ref|ref64", NULL, "what computes; ref64: plain loops in double"},
    {NULL, NULL, NULL, NULL}};

static const cli_option doctor_options[] = {JSON, {NULL, NULL, NULL, NULL}};

static const cli_option help_options[] = {
    {"--man", NULL, NULL, "the man page, in mdoc; of `keys` too"},
    {"--share", "DIR", NULL, "write man pages and shell completion below DIR, as under /usr/share"},
    {NULL, NULL, NULL, NULL}};

static const cli_option bench_options[] = {
    PROFILE,
    CONFIG,
    {"--precision", "P", "run.precision", "auto, f32 or bf16"},
    {"--threads", "N", "run.threads", "threads of the update (default: every core)"},
    {"--in", "FILE", NULL, "update: weights and minibatches from a file of `curlew update`"},
    {"--updates", "N", NULL, "update: how many to time (default: as many as fit in --seconds)"},
    {"--seconds", "N", NULL, "how long to measure each thing (default 3)"},
    {"--no-kernels", NULL, NULL, "update: do not time each kernel alone"},
    {"--json", "FILE", NULL, "write the figures as JSON, too"},
    {NULL, NULL, NULL, NULL}};

static const cli_option sweep_options[] = {
    {"--profile", "P,P,...", NULL, "built-in profiles (default paper)"},
    {"--seeds", "N-N,N,...", NULL, "seeds of every cell (default 1)"},
    {"--trials", "N", NULL, "draw N settings from the lists and ranges in place of the grid"},
    {"--trial-seed", "N", NULL, "seed of these draws (default 1)"},
    {"--jobs", "N", NULL, "runs beside each other (default 1)"},
    {"--threads", "N", NULL, "threads of each run (default: every core divided by --jobs)"},
    {"--out", "DIR", NULL, "folder of the runs and of the table (default runs/sweep)"},
    CONFIG,
    {"--steps", "FRAMES", "train.frames", "environment frames of each run (default 100000)"},
    {"--precision", "P", "run.precision", "auto, f32 or bf16"},
    {"--checkpoint-every", "FRAMES", "train.checkpoint_every",
     "environment frames between checkpoints (default 10000)"},
    QUIET,
    {"--json", NULL, NULL, "print nothing but the result, as one line of JSON"},
    {NULL, NULL, NULL, NULL}};

static const cli_command command_table[] = {
    {"train", "[TASK] [section.key=value ...]", "train an agent from pixels",
     "Trains TASK in a run folder. The same command again goes on where the run stopped. TASK may\n"
     "be left out when a --config file names one. Later settings win: defaults, --profile,\n"
     "--config, then options and section.key=value words in the order given.\n"
     "Ctrl-C (or SIGTERM) stops after a checkpoint; a second one stops at once.\n"
     "On a terminal of 40 columns or more a panel shows where the run stands; NO_COLOR and "
     "COLUMNS\n"
     "are respected. Elsewhere a line of progress comes every ten seconds.",
     "curlew train cartpole-swingup\n"
     "curlew train cheetah-run --profile authors --seed 3 --steps 500000\n"
     "curlew train walker-walk update.batch_size=512 encoder.lr=2e-4 --out runs/walker-512\n"
     "curlew train toy --profile tiny",
     train_options, 0, 1, true, cli_train},
    {"eval", "RUN", "evaluate the policy of a run",
     "Plays episodes with the newest checkpoint of the run folder RUN, without exploration noise,\n"
     "and prints each return and their mean. RUN may also be a file of weights in a run folder.",
     "curlew eval runs/cartpole-swingup-paper-seed1 --episodes 30\n"
     "curlew eval runs/cartpole-swingup-paper-seed1/best.safetensors",
     eval_options, 1, 1, false, cli_eval},
    {"record", "RUN", "film one episode of a run",
     "Plays one episode with the newest checkpoint of the run folder RUN, or with a file of\n"
     "weights in it, and writes it as MP4, or one frame of it as PNG.",
     "curlew record runs/cartpole-swingup-paper-seed1 --out cartpole.mp4\n"
     "curlew record runs/cartpole-swingup-paper-seed1 --overlay --frame 50 --out frame.png",
     record_options, 1, 1, false, cli_record},
    {"sweep", "TASK ... [section.key=V,V,... | section.key=LOW..HIGH ...]",
     "train over seeds, profiles and values of keys",
     "Trains every task with every profile and every value of the lists, each over all seeds, "
     "each\n"
     "run in a process and a folder of its own, and ends with a table: mean and interquartile "
     "mean\n"
     "of the last evaluations, also as DIR/sweep.csv and DIR/sweep.json. With --trials, N "
     "settings\n"
     "are drawn from lists and ranges; key=log:LOW..HIGH is drawn evenly between the logarithms.\n"
     "The same command again skips what is done and goes on with what was stopped. Ctrl-C stops\n"
     "every run after a checkpoint. A run that fails does not stop the others; exit code 1 then.",
     "curlew sweep cartpole-swingup walker-walk --seeds 1-5 --profile paper,authors\n"
     "curlew sweep toy --profile tiny --seeds 1-3 --jobs 2 update.batch_size=16,32,64\n"
     "curlew sweep toy --profile tiny --trials 8 encoder.lr=log:1e-4..1e-2 curl.enabled=true,false",
     sweep_options, 1, 64, true, cli_sweep},
    {"plot", "RUN...", "learning curves over seeds and settings",
     "Draws the evaluations of run folders, also of runs that are still going on. Runs that "
     "differ\n"
     "in the seed alone make one curve: the interquartile mean with its 95% interval (stratified\n"
     "bootstrap over runs). Where not all runs of a curve have got, it is dashed. Published "
     "scores\n"
     "are drawn where they are known. Without --out it prints the ends of the curves.",
     "curlew plot runs/cartpole-swingup-* --out cartpole.svg --out cartpole.png\n"
     "curlew plot runs/* --x hours --out hours.png --force\n"
     "curlew plot runs/* --over-tasks --json",
     plot_options, 1, 100000, false, cli_plot},
    {"report", "RUN", "one page about a run: curves, video, what the encoder sees",
     "Writes a self-contained HTML page: curves, video, crops, saliency, nearest neighbours in\n"
     "latent space, the similarity matrix of a minibatch, time by part, settings and machine. It\n"
     "reads the replay of the newest checkpoint into memory.",
     "curlew report runs/cartpole-swingup-paper-seed1\n"
     "curlew report runs/cartpole-swingup-paper-seed1 --out page.html --force",
     report_options, 1, 1, false, cli_report_page},
    {"compare", "RUN RUN", "what differs between two runs: settings, speed, score",
     "Prints the settings that differ, how fast both runs were and where their time went, and "
     "their\n"
     "evaluation returns at equal frames.",
     "curlew compare runs/cartpole-swingup-paper-seed1 runs/cartpole-swingup-authors-seed1\n"
     "curlew compare runs/before runs/after --json",
     compare_options, 2, 2, false, cli_compare},
    {"export", "RUN", "take a policy elsewhere: ONNX, safetensors",
     "Writes the policy of RUN (a run folder, or a file of weights in one) for other programs.\n"
     "The ONNX model takes u8 stacks (batch, frames x 3, height, width), oldest frame first; the\n"
     "centre crop, scaling, tanh and the task's bounds are inside. --examples are stacks of a "
     "real\n"
     "episode with what curlew makes of them, to check a model with. See docs/export.md.",
     "curlew export runs/cartpole-swingup-paper-seed1 --onnx policy.onnx\n"
     "curlew export runs/cartpole-swingup-paper-seed1 --onnx encoder.onnx --encoder\n"
     "curlew export runs/walker-walk-authors-seed1/best.safetensors --onnx policy.onnx --force",
     export_options, 1, 1, false, cli_export},
    {"list", "[tasks|profiles|keys]", "tasks, profiles and configuration keys",
     "Lists the built-in tasks, the profiles with what they change, and every configuration key\n"
     "with default, type, range, meaning and source; all three when no word is given.",
     "curlew list tasks\n"
     "curlew list keys --json\n"
     "curlew list keys --markdown",
     list_options, 0, 1, false, cli_list},
    {"rollout", "TASK", "replay actions: rewards, observations, pixels (no learning)",
     "Replays a file of actions on TASK and writes rewards, observations, positions, velocities\n"
     "and, on request, frames. --seed, --actions and --out are required. The files are described\n"
     "in docs/formats.md.",
     "curlew rollout cartpole-swingup --seed 7 --actions a.safetensors --out r.safetensors\n"
     "curlew rollout walker-walk --seed 7 --actions a.safetensors --out r.safetensors "
     "--frames 0,100",
     rollout_options, 1, 1, false, cli_rollout},
    {"update", "[section.key=value ...]", "one agent update from a file",
     "Makes agent updates from a file of parameters, minibatches and noise, and writes losses and\n"
     "new parameters. --in and --out are required. The files are described in docs/formats.md.",
     "curlew update --in before.safetensors --out after.safetensors --profile authors\n"
     "curlew update --in before.safetensors --out after.safetensors --backend ref64",
     update_options, 0, 0, true, cli_update},
    {"bench", "[update|env|replay|ops] [section.key=value ...]", "what things cost on this machine",
     "Times one update by phase and by kernel (the default), the task env.task, a full replay, or\n"
     "every kernel alone. \"alone\" is a kernel's fastest call with nothing else running; shares\n"
     "are of the fastest kernel of the same run. Figures of a busy machine mean little.",
     "curlew bench update --profile authors --threads 2\n"
     "curlew bench env env.task=walker-walk\n"
     "curlew bench replay replay.capacity=1000000\n"
     "curlew bench ops update.batch_size=512",
     bench_options, 0, 1, true, cli_bench},
    {"doctor", "", "what this machine offers and lacks",
     "Checks processor, memory, renderer, models and disk, line by line. Exit code 0 when a\n"
     "default run would work.",
     "curlew doctor\n"
     "curlew doctor --json",
     doctor_options, 0, 0, false, cli_doctor},
    {"help", "[COMMAND]", "this list, a command's own help, or what a key means",
     "Prints the list of commands, everything about one of them, or, given the name of a setting\n"
     "(section.key), its type, range, default, meaning and source.",
     "curlew help train\n"
     "curlew help update.batch_size\n"
     "curlew help --man train",
     help_options, 0, 1, false, cli_help},
    {"completion", "bash|zsh|fish", "completion of command lines for a shell",
     "Prints a script that teaches a shell to complete commands, options, tasks, profiles and\n"
     "settings. An installed curlew has it in place. The scripts ask `curlew completion words --\n"
     "WORD ...`, which prints what the last word may become.",
     "curlew completion bash\n"
     "curlew completion words -- train cart",
     NULL, 1, CLI_MOST_WORDS, false, cli_completion},
    {"version", "", "the version", "Prints the version.", "curlew version", NULL, 0, 0, false,
     cli_version},
};

const cli_command *cli_commands(int *n) {
    *n = (int)(sizeof command_table / sizeof command_table[0]);
    return command_table;
}
