#!/usr/bin/env bash
# Install tracekd where needed, then run it. `./run_all.sh --help` lists the options; `./run_all.sh test` is lint and all tests.
set -euo pipefail
cd "$(dirname "$0")"

# True if this Python, started outside the repository, finds this copy of tracekd and what notebooks need.
has_tracekd() {
  local root=$PWD
  (cd / && "$1" -c "
import importlib.util as u, os, sys, tracekd
same = os.path.realpath(tracekd.__file__).startswith(os.path.realpath(sys.argv[1]) + os.sep)
sys.exit(not (same and u.find_spec('torch') and u.find_spec('papermill')))" "$root") >/dev/null 2>&1
}

find_python() {
  local candidate
  for candidate in python3.11 python3.12 python3.13 python3 python; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
      echo "$candidate"
      return
    fi
  done
  echo "run_all.sh: Python 3.11 or newer is needed: from python.org, or conda env create -f environment.yml" >&2
  exit 1
}

# The mark of a finished installation, a checksum of what was asked for, is written last: one cut short starts again.
install() {
  local torch extra=()
  echo "Installing tracekd into .venv, once: several minutes, 0.5 GB to download, 2.2 GB on disk (more with CUDA)."
  "$1" -m venv .venv || {
    echo "run_all.sh: '$1 -m venv .venv' failed; on Debian and Ubuntu: apt install python3-venv" >&2
    exit 1
  }
  # torch comes first: without an NVIDIA driver its small CPU build is taken, not several GB of CUDA libraries. Where the
  # index of CPU builds does not answer, pip goes on with the usual one.
  torch=$(grep '^torch==' requirements.lock)
  if [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null; then
    extra=(--retries 1 --extra-index-url https://download.pytorch.org/whl/cpu)
  fi
  .venv/bin/python -m pip install -qq --no-deps "$torch" ${extra[@]+"${extra[@]}"}
  .venv/bin/python -m pip install -q -r requirements.lock
  .venv/bin/python -m pip install -q --no-deps -e .
  echo "$2" >.venv/tracekd-installed
}

wanted=$(cat requirements.lock pyproject.toml | cksum)
if has_tracekd python; then
  python=python
else
  python=.venv/bin/python
  if [ "$(cat .venv/tracekd-installed 2>/dev/null)" != "$wanted" ]; then
    base=$(find_python)
    # A slip in the options is reported before anything is installed.
    [ "${1:-}" = test ] || "$base" -m tracekd run --check "$@"
    case " $* " in *" --help "* | *" -h "*) exit ;; esac
    install "$base" "$wanted"
  fi
fi

if [ "${1:-}" = test ]; then
  shift
  "$python" -m ruff check .
  "$python" -m ruff format --check .
  "$python" -c 'from importlinter.cli import lint_imports_command as lint; lint()'
  # One test process a core, each on one thread: whole files go to one of them, so that what they share is made once.
  export OMP_NUM_THREADS=1
  exec "$python" -m pytest -n auto --dist loadfile "$@"
fi
exec "$python" -m tracekd run "$@"
