#!/usr/bin/env bash
# A rented quarter of an hour on a bare GPU machine without network, unattended: benchmarks/lease.sh SECONDS [options of
# python -m benchmarks.lease]. From the tree and one carried folder, all of it optional:
#   .lease/whl   wheels that the machine lacks     .lease/data  files of the datasets     .lease/git  the history (.git)
#   .lease/work  what an earlier call left in $OUT: the next one goes on from there
# MODULE=benchmarks.gpu_kernels makes it measure the kernels of a GPU instead (its options are that module's).
# At most eight small files come out in $OUT (default lease-out): lease.log, timings.jsonl, records.tgz, progress-N.tgz.
set -u
started=$(date +%s)
seconds="${1:?usage: benchmarks/lease.sh SECONDS [options]}"
shift
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
export OUT="${OUT:-$PWD/lease-out}" PYTHONUNBUFFERED=1 OMP_WAIT_POLICY=passive OMP_NUM_THREADS=1
mkdir -p "$OUT"
exec > >(tee -a "$OUT/lease.log") 2>&1
python="${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}"
[ -d .lease/data ] && export UHN_DATA_MIRROR="$PWD/.lease/data"
if compgen -G '.lease/whl/*.whl' >/dev/null; then
    site="${SITE:-/tmp/site}"
    [ -d "$site" ] || "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$site" .lease/whl/*.whl
    export PYTHONPATH="$site:$PWD"
fi
if [ -d .lease/git ]; then # a copy of the tree may come with an older history of its own: records name the carried one's commit
    [ -e .git ] || cp -a .lease/git .git
    export GIT_DIR="$PWD/.lease/git" GIT_WORK_TREE="$PWD"
fi
export PYTORCH_CUDA_ALLOC_CONF="${PYTORCH_CUDA_ALLOC_CONF:-expandable_segments:True}" # several processes share the card
for part in .lease/work/*.tgz; do
    [ -f "$part" ] && tar -xzf "$part" && echo "goes on from $part"
done
if command -v nvidia-cuda-mps-control >/dev/null && command -v nvidia-smi >/dev/null; then
    export CUDA_MPS_PIPE_DIRECTORY=/tmp/mps CUDA_MPS_LOG_DIRECTORY=/tmp/mps
    mkdir -p /tmp/mps
    timeout 10 nvidia-cuda-mps-control -d || unset CUDA_MPS_PIPE_DIRECTORY
    trap 'echo quit | timeout 10 nvidia-cuda-mps-control' EXIT
fi
"$python" -m "${MODULE:-benchmarks.lease}" --seconds $((seconds - $(date +%s) + started)) --out "$OUT" "$@"
