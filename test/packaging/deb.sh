#!/usr/bin/env bash
# deb.sh: the package in a clean Debian: installed with its dependencies, used for real mounts on the emulator, upgraded under one,
# removed and purged. Needs root, /dev/fuse, debootstrap and a Debian mirror. ROOTFS= names a directory to keep the base system in.
set -euo pipefail
cd "$(dirname "$0")/../.."
ROOTFS=${ROOTFS:-/var/tmp/teraboxfs-deb-test}
MIRROR=${MIRROR:-http://deb.debian.org/debian}
step() { echo "== $*"; }
fail() { echo "FAIL: $*" >&2; exit 1; }

step "packages: old and new"
old=$(VERSION=0.0.1 packaging/package.sh deb amd64)
new=$(VERSION=0.0.2 packaging/package.sh deb amd64)
sum=$(sha256sum < "$new")
VERSION=0.0.2 packaging/package.sh deb amd64 >/dev/null
[[ $sum == $(sha256sum < "$new") ]] || fail "the same package twice differs"

if [[ ! -e $ROOTFS/base/.complete ]]; then
	step "a clean Debian in $ROOTFS/base"
	command -v debootstrap >/dev/null || apt-get install -y -q debootstrap >/dev/null
	mkdir -p "$ROOTFS" && rm -rf "$ROOTFS/base"
	debootstrap --variant=minbase bookworm "$ROOTFS/base" "$MIRROR" >/dev/null
	touch "$ROOTFS/base/.complete"
fi

# What is left mounted or running goes with its namespaces.
OLD=$PWD/$old NEW=$PWD/$new ROOTFS=$ROOTFS exec unshare --mount --pid --fork --kill-child --propagation private test/packaging/deb-inside.sh
