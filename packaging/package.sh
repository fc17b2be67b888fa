#!/usr/bin/env bash
# package.sh deb|release [ARCH...]: makes dist/teraboxfs_VERSION_ARCH.deb, or dist/teraboxfs-VERSION-linux-ARCH.tar.gz and
# dist/SHA256SUMS. The same commit gives the same bytes, wherever it is built. VERSION= names another version than git's.
# armv7 is not among them: go-fuse 2.12 does not compile for 32 bits (docs/operations.md).
set -euo pipefail
cd "$(dirname "$0")/.."
NFPM=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2
what=$1
shift
[[ $# -gt 0 ]] || set -- amd64 arm64
VERSION=${VERSION:-$(git describe --tags --always --dirty 2>/dev/null || echo 0)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH # nfpm goes by it
umask 022
mkdir -p dist

build() { # ARCH FILE
	CGO_ENABLED=0 GOOS=linux GOARCH=$1 GOFLAGS= go build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$VERSION" -o "$2" ./cmd/teraboxfs
}

# The licences of what is linked in belong to the binary.
copyright() {
	echo "teraboxfs, https://github.com/teraboxfs/teraboxfs"; echo; cat LICENSE
	CGO_ENABLED=0 GOOS=linux go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}}	{{.Version}}	{{.Dir}}{{end}}{{end}}' ./cmd/teraboxfs | sort -u |
		while IFS=$'\t' read -r path version dir; do
			echo; echo "==== $path $version"; cat "$dir"/LICEN[SC]E* "$dir"/COPYING* 2>/dev/null || true
		done
	echo; echo "==== the Go standard library"; cat "$(go env GOROOT)/LICENSE"
}

stage() { # ARCH: everything of a package in dist/stage/ARCH
	local dir=dist/stage/$1
	rm -rf "$dir" && mkdir -p "$dir"
	build "$1" "$dir/teraboxfs"
	local native=$dir/teraboxfs
	if [[ $1 != $(go env GOHOSTARCH) ]]; then
		native=dist/stage/native && build "$(go env GOHOSTARCH)" $native
	fi
	env -i PATH="$PATH" HOME=/nonexistent "$native" package-files "$dir"
	copyright > "$dir/copyright"
	gzip -n9 "$dir"/man/*
}

case $what in
deb)
	# A version that dpkg can order: v1.2-3-gabc is 1.2+3.gabc, a bare commit 0~abc.
	debian=${VERSION#v}
	[[ $debian =~ ^[0-9]+(\.|$) ]] || debian=0~$debian
	debian=${debian/-/+}
	debian=${debian//-/.}
	for arch; do
		stage "$arch"
		file=dist/teraboxfs_${debian}_$arch.deb
		sed "s|\${STAGE}|dist/stage/$arch|; s|\${ARCH}|$arch|; s|\${VERSION}|$debian|" packaging/nfpm.yaml > dist/stage/nfpm.yaml
		go run $NFPM package -f dist/stage/nfpm.yaml -p deb -t "$file" > dist/stage/nfpm.log || { cat dist/stage/nfpm.log >&2; exit 1; }
		echo "$file"
	done
	;;
release)
	for arch; do
		stage "$arch"
		name=teraboxfs-${VERSION#v}-linux-$arch
		rm -rf "dist/stage/$name" && mkdir "dist/stage/$name"
		cp -r "dist/stage/$arch"/* README.md docs packaging/logrotate packaging/readahead.rules "dist/stage/$name"
		tar -C dist/stage --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u+rw,go=rX -c "$name" | gzip -n9 > "dist/$name.tar.gz"
		echo "dist/$name.tar.gz"
	done
	(cd dist && sha256sum teraboxfs-"${VERSION#v}"-linux-*.tar.gz > SHA256SUMS)
	;;
*)
	echo "usage: $0 deb|release [ARCH...]" >&2
	exit 2
	;;
esac
