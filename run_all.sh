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
  echo "run_all.sh: Python 3.11 or newer is needed and was not found (python3 says: $(python3 -V 2>&1 || true))." >&2
  echo "Install one from https://www.python.org/downloads/, or use conda: conda env create -f environment.yml" >&2
  exit 1
}

# The mark of a finished installation, a checksum of what was asked for, is written last: one cut short starts again.
install() {
  local base=$1 wanted=$2 torch extra=()
  echo "Installing tracekd into .venv, once: several minutes, 0.5 GB to download, 2.2 GB on disk (several GB more with"
  echo "CUDA); the default student then takes 0.1 GB to download and 1.1 GB in the user's cache folder."
  if ! .venv/bin/python -c 'import pip' >/dev/null 2>&1; then
    "$base" -m venv --clear .venv || {
      echo "run_all.sh: '$base -m venv .venv' failed; on Debian and Ubuntu: apt install python3-venv" >&2
      exit 1
    }
  fi
  # torch comes first: without an NVIDIA driver its small CPU build is taken, not several GB of CUDA libraries. Where the
  # index of CPU builds does not answer, pip goes on with the usual one.
  torch=$(grep '^torch==' requirements.lock)
  if [ "$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null; then
    extra=(--retries 1 --extra-index-url https://download.pytorch.org/whl/cpu)
  fi
  .venv/bin/python -m pip install -qq --no-deps "$torch" ${extra[@]+"${extra[@]}"}
  .venv/bin/python -m pip install -q -r requirements.lock
  .venv/bin/python -m pip install -q --no-deps -e .
  echo "$wanted" >.venv/tracekd-installed
}

wanted=$(cat requirements.lock pyproject.toml | cksum)
if has_tracekd python; then
  python=python
elif [ "$(cat .venv/tracekd-installed 2>/dev/null)" = "$wanted" ]; then
  python=.venv/bin/python
else
  base=$(find_python)
  # A slip in the options is told before anything is installed.
  [ "${1:-}" = test ] || "$base" -m tracekd run --check "$@"
  case " $* " in *" --help "* | *" -h "* | *" --list "*) exit ;; esac
  install "$base" "$wanted"
  python=.venv/bin/python
fi

if [ "${1:-}" = test ]; then
  shift
  "$python" -m ruff check .
  "$python" -m ruff format --check .
  # Layers of the library, where pyproject.toml has a contract for them.
  if grep -q '^\[tool\.importlinter' pyproject.toml; then
    "$python" -c 'from importlinter.cli import lint_imports_command as lint; lint()'
  fi
  # One test process a core, each on one thread: whole files go to one of them, so that what they share is made once.
  export OMP_NUM_THREADS=1
  exec "$python" -m pytest -n auto --dist loadfile "$@"
fi
exec "$python" -m tracekd run "$@"
