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
# Debian's python3 cannot make environments with pip in them until python3-venv is installed.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing python3-venv, which $python lacks"
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y python3-venv >/dev/null
  else
    echo "$python cannot make virtual environments; install its venv module first (Debian, Ubuntu: apt-get install python3-venv)" >&2
    exit 1
  fi
fi
rm -rf "$folder" # half of an environment, if an earlier call was stopped
"$python" -m venv "$folder"
