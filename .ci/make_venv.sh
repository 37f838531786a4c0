#!/usr/bin/env bash
# make_venv.sh PYTHON FOLDER: a virtual environment, or one sentence on what this machine lacks for one.
set -euo pipefail
python=$1
folder=$2

command -v "$python" >/dev/null || { echo "$python is not to be found; say which Python to use: make PYTHON=/path/to/python3.11" >&2; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "flaxgal needs Python 3.11 or newer, and $python is $("$python" -V 2>&1); say which one to use: make PYTHON=python3.11" >&2
  exit 1
}
# Debian's Python cannot make environments with pip in them until a package of its own is installed.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing $package, without which $python makes no virtual environments"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "$package" >/dev/null
  else
    echo "$python cannot make virtual environments; install its venv module first (Debian, Ubuntu: apt-get install $package)" >&2
    exit 1
  fi
fi
rm -rf "$folder" # half of an environment, if an earlier call was stopped
"$python" -m venv "$folder"
