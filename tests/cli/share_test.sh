#!/usr/bin/env bash
# What `curlew help --share` writes: a page for every command that mandoc has nothing against, and
# completion that the shells themselves are asked for.
#
# usage: tests/cli/share_test.sh CURLEW
set -euo pipefail
curlew=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
fail() {
    printf 'FAILED: %s\n' "$*"
    failures=$((failures + 1))
}
for tool in mandoc zsh fish; do
    command -v "$tool" >/dev/null || {
        echo "$tool is missing; ./check installs it"
        exit 77
    }
done

share=$work/share
"$curlew" help --share "$share"

# ---- man pages ----
commands=$("$curlew" help | awk '/^  [a-z]/ { print $1 }')
for command in $commands; do
    page=$share/man/man1/curlew-$command.1
    [ -s "$page" ] || fail "no page for $command"
    "$curlew" help --man "$command" | cmp -s - "$page" || fail "help --man $command is another page"
    mandoc -T utf8 -O width=200 "$page" | col -b >"$work/page"
    "$curlew" help "$command" | awk '/^  --/ { print $1 }' | while read -r option; do
        grep -q -- "^ *$option" "$work/page" || echo "$option"
    done >"$work/missing"
    [ ! -s "$work/missing" ] || fail "the page of $command lacks $(tr '\n' ' ' <"$work/missing")"
done
for page in "$share"/man/man*/*; do
    # Whether a page that is referred to exists is looked up here, not in the system's index.
    mandoc -T lint "$page" | grep -v 'referenced manual not found' || true
    sed -n 's/^\.Xr \([^ ]*\) \([0-9]\).*/\1 \2/p' "$page" | while read -r name section; do
        [ -s "$share/man/man$section/$name.$section" ] || echo "$page refers to $name($section)"
    done
done >"$work/lint"
[ ! -s "$work/lint" ] || fail "man pages:
$(cat "$work/lint")"
"$curlew" list keys --json | grep -o '"name": "[^"]*"' | cut -d'"' -f4 | while read -r key; do
    grep -qx "\.It Ic $key" "$share/man/man5/curlew-keys.5" || echo "$key"
done >"$work/missing"
[ ! -s "$work/missing" ] || fail "curlew-keys(5) lacks $(tr '\n' ' ' <"$work/missing")"

# ---- completion ----
mkdir -p "$work/bin" "$work/here/runs/one" "$work/here/a b"
touch "$work/here/settings.ini" "$work/here/runs/file"
ln -s "$curlew" "$work/bin/curlew"
PATH=$work/bin:$PATH
cd "$work/here"

in_bash() {
    timeout 20 bash --norc --noprofile -c '
        source "$1/bash-completion/completions/curlew"
        COMP_LINE=$2 COMP_POINT=${#2}
        _curlew
        printf "%s\n" "${COMPREPLY[@]}"' bash "$share" "$1"
}
in_fish() {
    HOME=$work XDG_CONFIG_HOME=$work timeout 20 fish --no-config -c "
        source '$share/fish/vendor_completions.d/curlew.fish'
        complete -C '$1'" | cut -f1
}
# zsh's own completion system needs a terminal; here its three functions print what they are given.
in_zsh() {
    timeout 20 zsh -f -c '
        compdef() { }
        compset() { }
        _describe() {
            local -a shown=("${(P@)2}")
            print -rl -- "${(@)shown%%:*}"
        }
        _files() { print -rl -- *(N) }
        source "$1/zsh/site-functions/_curlew"
        words=("${(@s: :)2}") CURRENT=$#words
        _curlew' zsh "$share" "$1"
}

# expect LINE WANTED... [-- UNWANTED...]: in every shell LINE may become each of WANTED.
expect() {
    local line=$1 shell word wanted=1
    shift
    for shell in bash fish zsh; do
        "in_$shell" "$line" >"$work/$shell"
        wanted=1
        for word in "$@"; do
            if [ "$word" = -- ]; then
                wanted=0
            elif [ "$(grep -cxF -- "$word" "$work/$shell")" != "$wanted" ]; then
                fail "$shell: \"$line\": $word is offered $((1 - wanted)) times too few or many:
$(head -n 5 "$work/$shell")"
            fi
        done
    done
}
# shellcheck disable=SC2086 # names of commands
expect 'curlew ' $commands
expect 'curlew tr' train -- eval
expect 'curlew train cart' cartpole-swingup -- cheetah-run
expect 'curlew train --p' --profile --precision --plain -- --seed
expect 'curlew train --precision ' auto f32 bf16
expect 'curlew train toy --profile ' paper authors -- toy
expect 'curlew train toy curl.' curl.enabled= curl.score= -- sac.discount=
expect 'curlew help update' update
expect 'curlew list ' tasks profiles keys
expect 'curlew train --config s' settings.ini
expect 'curlew nonsense ' -- train
in_bash 'curlew train update.order=' | grep -qx sequential || fail "bash: no value of update.order"
in_fish 'curlew train update.order=' | grep -qx update.order=sequential ||
    fail "fish: no value of update.order"
in_bash 'curlew train --config=se' | grep -qx settings.ini || fail "bash: --config=FILE"
in_fish 'curlew train --config=se' | grep -qx -- --config=settings.ini || fail "fish: --config=FILE"
in_bash 'curlew train --out ' | grep -qx runs || fail "bash: --out DIR"
in_bash 'curlew train --out s' | grep -q settings.ini && fail "bash: --out offers a file"

in_zsh 'curlew train update.order=' | grep -qx update.order=sequential ||
    fail "zsh: no value of update.order"

[ "$failures" -eq 0 ] && echo "all passed"
exit $((failures > 0))
