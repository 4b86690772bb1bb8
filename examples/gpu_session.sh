#!/usr/bin/env bash
# Everything that wants a GPU, in one go: benches beside their peers, then the gpu profile from end to end.
#   OUT=results examples/gpu_session.sh [peak TFLOPS of the card in bf16, such as 989 for an H200]
# Needs: pip install -e . trl   Writes JSON, logs and the run's artefacts below $OUT; goes on after a failed bench.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${OUT:-gpu_results}
peak=${1:-989}
mkdir -p "$out"
export TRACEKD_RUNS=${TRACEKD_RUNS:-$out/runs}

bench() { # name, then the options of `tracekd bench`
  echo "== $1"
  python -m tracekd bench "${@:2}" --record >"$out/$1.json" 2>"$out/$1.log" || tail -3 "$out/$1.log"
}
# A random student of Llama-3.2-1B's shape costs what the real one costs. Batch 4 is the paper's, for its peak memory.
for weights in nf4 plain; do
  for batch in 4 16 64; do
    bench "train-llama-1b-$weights-$batch" train --profile gpu --student shape-llama-3.2-1b --weights $weights \
      --batch $batch -n $((batch * 12)) --rounds 2 --peak-tflops "$peak" --against trl,trl_best
  done
done
bench train-smollm2 train --profile gpu -n 512 --batch 64 --rounds 2 --peak-tflops "$peak" --against trl,trl_best
bench generate-llama-1b generate --profile gpu --student shape-llama-3.2-1b -n 256 --rounds 1 --against plain,authors
bench generate-smollm2 generate --profile gpu -n 256 --rounds 2 --against plain,authors
bench invariance-smollm2 invariance --profile gpu -n 128 --sizes 1,16,64,256

echo "== the gpu profile"
python -m tracekd run --profile gpu 2>&1 | tee "$out/run.log" | tail -20
run=$TRACEKD_RUNS/gpu
python -m tracekd replication --profiles gpu --record >"$out/replication.log" 2>&1 && cp figures/data/replication_* "$out"
tar -C "$run" -czf "$out/gpu_outputs.tar.gz" figures outputs verdicts logs steps.json 2>/dev/null
ls -l "$out"
