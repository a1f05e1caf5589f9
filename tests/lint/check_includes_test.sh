#!/usr/bin/env bash
# Plants violations in a small tree, one at a time: tests/check_includes.sh must find each of them
# and nothing else.
set -euo pipefail

script=$(cd "$(dirname "$0")/.." && pwd)/check_includes.sh
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failures=0

# plant FILE LINE...: writes FILE with these lines.
plant() {
    local file=$tree/$1
    shift
    mkdir -p "${file%/*}"
    printf '%s\n' "$@" >"$file"
}

good_tree() {
    plant include/curlew/env.h '#include <curlew/status.h>' '#include <stdint.h>'
    plant src/base/parallel.c '#include "base/parallel.h"' '#include <omp.h>' '#include <unistd.h>'
    plant src/algo/agent.c '#include "nn/mlp.h"' '#include "base/rng.h"' '#include "config/config.h"'
    plant src/backend/onednn/conv.c '#include "ops/ops.h"' '#include <dnnl.h>' \
        '# include <immintrin.h>'
    plant src/env/dmcontrol/egl.c '#include <EGL/egl.h>' '#include <mujoco/mujoco.h>'
    plant src/io/video.c '#include <libavcodec/avcodec.h>'
    plant src/train/train.c '#include "env/suite.h"' '#include "algo/agent.h"' '#include "io/csv.h"'
    plant cli/main.c '#include "cli.h"' '#include <curlew/run.h>'
    plant cli/cli.h '#include <stdio.h>'
    plant tests/base/rng_test.c '#include <cmocka.h>'
}

# expect STATUS TEXT...: the script's exit status, and lines that contain each TEXT.
expect() {
    local status=0 wanted=$1 output text
    shift
    output=$("$script" "$tree" 2>&1) || status=$?
    for text in "$@"; do
        [ "$status" -ne "$wanted" ] || [[ $output != *"$text"* ]] || continue
        printf 'expected status %s and "%s", got status %s and:\n%s\n' \
            "$wanted" "$text" "$status" "$output"
        failures=$((failures + 1))
    done
}

# violation TEXT FILE LINE...: the good tree with FILE replaced must give exactly one violation.
violation() {
    local text=$1 file=$2 kept=''
    shift
    [ ! -f "$tree/$file" ] || kept=$(cat "$tree/$file")
    plant "$@"
    expect 1 "$text" $'\n1 violations'
    rm "$tree/$file"
    [ -z "$kept" ] || plant "$file" "$kept"
}

expect 1 'no source files'
good_tree
expect 0 '9 files keep to the arrows'

violation 'src/base/x.c:2: base may not include tensor' src/base/x.c '' '#include "tensor/tensor.h"'
violation 'env may not include algo' src/env/toy/toy.c '#include "algo/agent.h"'
violation 'algo may not include env' src/algo/agent.c '#include "env/suite.h"'
violation 'replay may not include nn' src/replay/replay.c '#  include "nn/mlp.h"'
violation 'ops may not include data' src/ops/ops.h '#include "data/batch.h"'
violation 'nn may not include backend' src/nn/mlp.c '#include "backend/ref/ref.h"'
violation 'io may not include config' src/io/csv.c '	#include "config/config.h"'
violation 'should be "room/file.h"' src/io/csv.c '#include "csv.h"'
violation '<dnnl.h> belongs to src/backend/onednn' src/backend/ref/ref.c '#include <dnnl.h>'
violation '<mujoco/mujoco.h> belongs' src/env/toy/toy.c '#include <mujoco/mujoco.h>'
violation '<EGL/egl.h> belongs' src/train/train.c '#include <EGL/egl.h>'
violation '<omp.h> belongs to src/base' src/algo/agent.c '#include <omp.h>'
violation '<cairo.h> belongs to src/io' cli/main.c '#include <cairo.h>'
violation '<torch.h> is neither' src/algo/agent.c '#include <torch.h>'
violation 'cli includes public headers alone' cli/main.c '#include "train/train.h"'
violation 'public headers include <curlew' include/curlew/env.h '#include "base/error.h"'
violation 'no room known' src/misc/x.c '#include <string.h>'
seq 701 >"$tree/src/algo/agent.c"
expect 1 'src/algo/agent.c: 701 lines, more than 700'
seq 700 >"$tree/src/algo/agent.c"
expect 0 'keep to the arrows'

if [ "$failures" -gt 0 ]; then
    printf '%s failures\n' "$failures"
    exit 1
fi
echo 'every planted violation was found'
