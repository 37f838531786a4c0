#!/usr/bin/env bash
# window_packages.sh [SCREEN]: what a napari window needs beyond Python: installed if that can be, or one sentence on it.
# With "screen", also Xvfb, the screen in memory that the tests show their windows on.
set -euo pipefail
[ "$(uname)" = Linux ] || exit 0

packages=(libegl1 libgl1 libgl1-mesa-dri libopengl0 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0
  libxcb-keysyms1 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libxcb-randr0 libdbus-1-3)
[ "${1:-}" = screen ] && packages+=(xvfb)

if ! command -v dpkg-query >/dev/null; then # another Linux has other names for these; only what can be told is told
  [ "${1:-}" != screen ] || command -v Xvfb >/dev/null || {
    echo "The tests need Xvfb for their windows, and it is not on this machine; install it with its package manager" >&2
    exit 1
  }
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  # shellcheck disable=SC2016 # ${Status} is dpkg-query's, not the shell's
  [ "$(dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null || true)" = "install ok installed" ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" = 0 ]; then
  echo "Installing ${missing[*]}, without which napari has no window"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
else
  echo "napari's window needs packages that are not on this machine: sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
