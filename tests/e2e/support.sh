# Shared by the scripts of this folder: a work folder that goes away, and checks that say what failed.
set -u
curlew=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

fail() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

finish() {
  [ "$failures" -eq 0 ] && echo "all passed"
  exit $((failures > 0))
}
