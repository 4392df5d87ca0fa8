# Shared by the scripts beside it: a virtual environment with what they need, and the models' weights.
# shellcheck shell=bash
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv="$root/.venv"

say() { printf '%s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

# Prints a Python that is new enough. $PYTHON, when set, is the only candidate.
find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  die "Python 3.11 or newer is needed and none was found. Install it (Debian, Ubuntu: apt-get install python3" \
    "python3-venv), or name one: PYTHON=/path/to/python3 $0"
}

make_venv() {
  local python
  python=$(find_python)
  "$python" -c 'import ensurepip, venv' 2>/dev/null ||
    die "$python cannot make virtual environments. Install the missing part (Debian, Ubuntu: apt-get install" \
      "python3-venv), then run $0 again."
  say "Making a virtual environment in $venv"
  "$python" -m venv --clear "$venv"
}

# install EXTRAS: makes .venv hold the project with these extras. A stamp spares pip when nothing has changed;
# the folder is part of it because an environment does not survive being moved.
install() {
  local extras=$1 stamp_file="$venv/installed" stamp
  stamp="$(cksum <"$root/pyproject.toml") $root"
  if [[ -x "$venv/bin/voice-server" && -f $stamp_file && $(<"$stamp_file") == "$stamp $extras"* ]]; then
    return
  fi
  "$venv/bin/python" -m pip --version >/dev/null 2>&1 || make_venv
  say "Installing voice-server[$extras] and what it needs into .venv (a few minutes the first time)"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --editable "$root[$extras]" ||
    die "pip could not install the packages. Look at its message above, then run $0 again."
  printf '%s\n' "$stamp $extras" >"$stamp_file"
}

# pull_models NAME...: brings the weights that are not there yet.
pull_models() { "$venv/bin/voice-server" models pull "$@"; }
