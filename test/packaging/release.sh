#!/usr/bin/env bash
# release.sh: the release twice, here and from a copy of the tree elsewhere, has equal sums; its program is static and runs.
set -euo pipefail
cd "$(dirname "$0")/../.."
export VERSION=0.0.9 SOURCE_DATE_EPOCH=1700000000
packaging/package.sh release >/dev/null
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard | tar --null -T - -c --ignore-failed-read 2>/dev/null | tar -x -C "$copy"
(cd "$copy" && packaging/package.sh release >/dev/null)
diff dist/SHA256SUMS "$copy/dist/SHA256SUMS" || { echo "FAIL: built twice, the sums differ" >&2; exit 1; }
(cd dist && sha256sum -c --quiet SHA256SUMS)
tar -xzf "dist/teraboxfs-0.0.9-linux-$(go env GOHOSTARCH).tar.gz" -C "$copy"
program=$copy/teraboxfs-0.0.9-linux-$(go env GOHOSTARCH)/teraboxfs
[[ $("$program" version) == "teraboxfs 0.0.9 "* ]] || { echo "FAIL: $("$program" version)" >&2; exit 1; }
! ldd "$program" >/dev/null 2>&1 || { echo "FAIL: the program is not static" >&2; exit 1; }
echo "release: built twice, equal sums"
cat dist/SHA256SUMS
