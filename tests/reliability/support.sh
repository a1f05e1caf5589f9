# Shared by the scripts of this folder: what a run leaves, and a run in the background.
. "$(dirname "${BASH_SOURCE[0]}")/../e2e/support.sh"
export OMP_WAIT_POLICY=passive # the command would start itself once more to set it

# Everything that a run leaves but the times in it.
fingerprint() {
  (cd "$1" && sha256sum weights.safetensors best.safetensors video/final.mp4 2>&1 &&
    cut -d, -f1-15 metrics.csv && cut -d, -f1-8 eval.csv) | sha256sum
}
