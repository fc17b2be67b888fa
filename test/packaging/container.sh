#!/usr/bin/env bash
# container.sh: the image is built with buildah (no daemon, chroot isolation), on a base made by debootstrap in place of a registry's, with this
# machine's Go; then its entry point runs as process 1 in namespaces, on a directory shared with the "host". Root, /dev/fuse.
set -euo pipefail
cd "$(dirname "$0")/../.."
DIR=${DIR:-/var/tmp/teraboxfs-container-test} ROOTFS=${ROOTFS:-/var/tmp/teraboxfs-deb-test}
MIRROR=${MIRROR:-http://deb.debian.org/debian}
step() { echo "== $*"; }
command -v buildah >/dev/null || apt-get install -y -q --no-install-recommends buildah >/dev/null
mkdir -p "$DIR/base"
export TMPDIR=/var/tmp
buildah() { command buildah --root "$DIR/store" --runroot "$DIR/run" --storage-driver vfs "$@"; }

if [[ ! -e $ROOTFS/base/.complete ]]; then
	step "a clean Debian in $ROOTFS/base"
	command -v debootstrap >/dev/null || apt-get install -y -q debootstrap >/dev/null
	mkdir -p "$ROOTFS" && rm -rf "$ROOTFS/base"
	debootstrap --variant=minbase bookworm "$ROOTFS/base" "$MIRROR" >/dev/null
	touch "$ROOTFS/base/.complete"
fi
if ! buildah images -q localhost/teraboxfs-base >/dev/null 2>&1; then
	step "base images"
	tar -C "$ROOTFS/base" -c . > "$DIR/base/base.tar"
	printf 'FROM scratch\nADD base.tar /\n' > "$DIR/base/Base"
	buildah build --isolation chroot -q -t localhost/teraboxfs-base -f "$DIR/base/Base" "$DIR/base" >/dev/null
	printf 'FROM localhost/teraboxfs-base\nENV PATH=%s/bin:/usr/bin:/bin GOPROXY=off GOFLAGS=-mod=mod\n' "$(go env GOROOT)" > "$DIR/base/Builder"
	buildah build --isolation chroot -q -t localhost/teraboxfs-builder -f "$DIR/base/Builder" "$DIR/base" >/dev/null
	rm "$DIR/base/base.tar"
fi

step "the image"
buildah build --isolation chroot -q --build-arg BASE=localhost/teraboxfs-base --build-arg BUILDER=localhost/teraboxfs-builder --build-arg VERSION=0.0.3 \
	-v "$(go env GOROOT):$(go env GOROOT):ro" -v "$(go env GOMODCACHE):/root/go/pkg/mod" -v "$(go env GOCACHE):/root/.cache/go-build" \
	-t localhost/teraboxfs -f packaging/container/Containerfile . > "$DIR/build.log" 2>&1 || { tail -20 "$DIR/build.log"; exit 1; }
container=$(buildah from localhost/teraboxfs)
trap 'buildah rm "$container" >/dev/null' EXIT
export ROOT=$(buildah mount "$container")
buildah inspect --type image --format '{{range .OCIv1.Config.Env}}{{println .}}{{end}}' localhost/teraboxfs | sed '/^$/d' > "$DIR/env"
ENVIRONMENT=$DIR/env unshare --mount --propagation private test/packaging/container-inside.sh
