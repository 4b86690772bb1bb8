#!/usr/bin/env bash
# The grid of a profile on a SLURM cluster: each task trains every n-th adapter, and lets it answer and be asked with
# forced traces.
#   sbatch --array=0-8 examples/slurm_array.sh paper
# A task that is killed and queued again goes on where it stopped. All tasks share one folder (TRACEKD_RUNS).
#SBATCH --job-name=tracekd
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=8
#SBATCH --mem=64G
#SBATCH --time=24:00:00
#SBATCH --requeue
set -euo pipefail

profile=${1:-paper}
shard=${SLURM_ARRAY_TASK_ID}/${SLURM_ARRAY_TASK_COUNT}
cd "${SLURM_SUBMIT_DIR:-.}"
source .venv/bin/activate
# A login node without a GPU gets a torch that cannot use one: see "On a cluster" in notebooks/LARGER_MACHINES.md.
python -c 'import torch; assert torch.cuda.is_available(), f"torch {torch.__version__} finds no GPU here"'
# `generate --trained` and `intervene` number their jobs as `train` does, so each shard uses its own adapters. One
# worker has the GPU to itself; for a small student leave --workers out.
for command in train "generate --trained" intervene; do
  python -m tracekd $command --profile "$profile" --shard "$shard" --workers 1
done
[ "$SLURM_ARRAY_TASK_ID" -ne 0 ] || python -m tracekd generate --profile "$profile" --untrained
# When all tasks are done: ./run_all.sh --profile PROFILE   finds adapters and outputs, and makes tables and figures.
