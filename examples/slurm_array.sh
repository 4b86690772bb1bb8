#!/usr/bin/env bash
# The grid of a profile on a SLURM cluster: each task trains every n-th adapter and lets it answer.
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
# Fine-tuned students answer with the shard that trained them: their order in the grid is the same in both commands
# once the prompted students, which need no adapter, have answered apart.
python -m tracekd train --profile "$profile" --shard "$shard"
python -m tracekd generate --profile "$profile" --trained --shard "$shard"
[ "$SLURM_ARRAY_TASK_ID" -ne 0 ] || python -m tracekd generate --profile "$profile" --condition prompted
# When all tasks are done: ./run_all.sh --profile PROFILE   finds adapters and outputs, and makes tables and figures.
