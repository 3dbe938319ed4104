#!/usr/bin/env bash
# Prepares a fresh Debian or Ubuntu machine: system tools, then the virtual environment.
# Does nothing when both are in place. Needs root only where a system tool is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "setup: $*" >&2; exit 1; }

packages=()
need() { command -v "$1" >/dev/null 2>&1 || packages+=("$2"); }
need debootstrap debootstrap
need gcc gcc
need make make
need ip iproute2
need nsenter util-linux
need mkfs.ext4 e2fsprogs
need tar tar
need sysctl procps
need pkg-config pkg-config
need nft nftables
need iptables iptables
[ -e /usr/include/seccomp.h ] || packages+=(libseccomp-dev)
[ -e /usr/include/stdio.h ] || packages+=(libc6-dev)
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || packages+=(debian-archive-keyring)
python3 -c 'import venv, ensurepip' 2>/dev/null || packages+=(python3-venv)
if [ ${#packages[@]} -gt 0 ]; then
  [ "$(id -u)" = 0 ] || fail "missing packages: ${packages[*]}; run as root, or install them"
  command -v apt-get >/dev/null || fail "missing ${packages[*]} and no apt-get to install them"
  echo "setup: installing ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
fi

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "Python >= 3.11 is needed, found $(python3 --version)"
stamp=.venv/.podferry-$(cat requirements-dev.lock pyproject.toml | sha256sum | cut -c1-16)
if [ ! -e "$stamp" ]; then
  echo "setup: making the virtual environment"
  [ -x .venv/bin/pip ] || python3 -m venv --clear .venv
  .venv/bin/pip install -q --require-hashes -r requirements-dev.lock
  .venv/bin/pip install -q --no-deps --no-build-isolation -e .
  rm -f .venv/.podferry-*
  touch "$stamp"
fi
