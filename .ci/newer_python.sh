#!/usr/bin/env bash
# newer_python.sh PYTHON: the path of the newest Python on this machine that is newer than PYTHON; nothing if there is none.
# Each is tried by running it: pyenv puts commands on the PATH that only say that they are switched off.
set -uo pipefail
mine=$("$1" -c 'import sys; print(*sys.version_info[:2])') || exit 1

for minor in 14 13 12; do
  for python in "python3.$minor" "${PYENV_ROOT:-$HOME/.pyenv}/versions/3.$minor".*/bin/python; do
    if "$python" -c "import ensurepip, sys, venv; sys.exit(sys.version_info[:2] <= tuple(map(int, '$mine'.split())))" 2>/dev/null; then
      command -v "$python"
      exit
    fi
  done
done
