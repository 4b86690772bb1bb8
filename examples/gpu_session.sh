#!/usr/bin/env bash
# Everything that wants a GPU, in one go: benches beside their peers, then the gpu profile from end to end.
#   OUT=results examples/gpu_session.sh
# Needs: pip install -e . trl   Writes JSON, logs and the run's artefacts below $OUT; goes on after a failed bench. The
# replication at the end is added to figures/data, too.
set -uo pipefail
cd "$(dirname "$0")/.."
out=${OUT:-gpu_results}
mkdir -p "$out"
export TRACEKD_RUNS=${TRACEKD_RUNS:-$out/runs}

bench() { # name, then the options of `tracekd bench`
  echo "== $1"
  python -m tracekd bench "${@:2}" >"$out/$1.json" 2>"$out/$1.log" || tail -3 "$out/$1.log"
}
# A random student of Llama-3.2-1B's published shape costs what the real one costs, and answers nothing.
python - "$out/shape-llama-3.2-1b" <<'EOF'
import sys

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tracekd.students import registry

tokenizer = registry.load_tokenizer("smollm2-135m")
config = LlamaConfig(
    vocab_size=128_256, hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=32,
    num_key_value_heads=8, head_dim=64, tie_word_embeddings=True, rope_theta=500_000.0, max_position_embeddings=131_072,
    eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
)
tokenizer.save_pretrained(sys.argv[1])
LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(sys.argv[1], max_shard_size="100GB")
EOF
shape=$out/shape-llama-3.2-1b
for batch in 4 16 64; do  # 4 is the paper's, for its peak memory
  bench "train-llama-1b-$batch" train --profile gpu --student "$shape" --batch $batch -n $((batch * 12)) \
    --against trl,trl_best
done
bench train-smollm2 train --profile gpu -n 512 --batch 64 --against trl,trl_best
bench generate-llama-1b generate --profile gpu --student "$shape" -n 256 --rounds 1 --against plain,authors
bench generate-smollm2 generate --profile gpu -n 256 --against plain,authors

echo "== the gpu profile"
python -m tracekd run --profile gpu 2>&1 | tee "$out/run.log" | tail -20
run=$TRACEKD_RUNS/gpu
python -m tracekd replication --profiles gpu --record >"$out/replication.log" 2>&1 && cp figures/data/replication_* "$out"
tar -C "$run" -czf "$out/gpu_outputs.tar.gz" figures outputs verdicts logs steps.json 2>/dev/null
ls -l "$out"
