#!/usr/bin/env bash
# Tables of the lines and branches that the tests of a --coverage build have reached. The parsers and
# writers of file formats and resuming have to be complete; the others are shown.
#
# usage: tools/coverage.sh BUILD
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1
complete='src/base/(error|file)\.c|src/config/(settings_file|key_text)\.c'
complete+='|src/io/(csv|csv_parse|safetensors|safetensors_format|safetensors_write)\.c'
complete+='|src/replay/replay_index\.c'
complete+='|src/train/(checkpoint_load|checkpoint_manifest|checkpoint_publish|run_state|update_input)\.c'
complete+='|src/train/(folder|resume|save)\.c'

table=$build/coverage.json
# A *_body.h is compiled once for every instruction set, with functions of one name on several lines,
# which gcovr 5.2 cannot add up.
gcovr --root . --object-directory "$build" --filter 'src/' --filter 'cli/' --exclude '.*_body\.h' \
    --json "$table" "$build"
report() {
    gcovr --root . --add-tracefile "$table" "$@" | sed '1,4d'
}
echo "everything: lines"
report
echo "everything: branches"
report --branches
echo "file formats and resuming, which must be complete: lines, then branches"
report --filter "($complete)" --fail-under-line 100
report --filter "($complete)" --branches --fail-under-branch 100
