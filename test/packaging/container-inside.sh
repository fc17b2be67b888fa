#!/usr/bin/env bash
# container-inside.sh: container.sh's part in a mount namespace that plays the host. ROOT is the image's tree, ENVIRONMENT its variables.
set -euo pipefail
step() { echo "== $*"; }
fail() { echo "FAIL: $*" >&2; exit 1; }
work=$(mktemp -d)
mkdir "$work/mounts" "$work/data"
mount --bind "$work/mounts" "$work/mounts" && mount --make-shared "$work/mounts"
"$ROOT/usr/bin/teraboxfs" emulator --listen=127.0.0.1:0 --data="$work/data" --ndus=s3cret > "$work/emulator" 2>/dev/null &
emulator=$!
trap 'set +e; kill $emulator $(cat "$work/pid" 2>/dev/null) 2>/dev/null; umount -l "$work/mounts/terabox" "$work/mounts" 2>/dev/null; rm -rf "$work"' EXIT
until grep -q listening "$work/emulator" 2>/dev/null; do sleep 0.05; done
echo s3cret > "$work/ndus"

# run COMMAND...: as a container runtime would, with PUID and PGID, the secret as a file, and /mnt bound rshared.
cat > "$work/run" <<END
set -e
mount --rbind "$work/mounts" "$ROOT/mnt"
mount -t proc proc "$ROOT/proc"; mount -t tmpfs none "$ROOT/run"; mount -t tmpfs none "$ROOT/dev"
for node in null zero random urandom fuse; do touch "$ROOT/dev/\$node"; mount --bind /dev/\$node "$ROOT/dev/\$node"; done
mkdir "$ROOT/run/secrets" && cp "$work/ndus" "$ROOT/run/secrets/ndus"
exec env -i $(tr '\n' ' ' < "$ENVIRONMENT") PATH=/usr/sbin:/usr/bin:/sbin:/bin PUID=1000 PGID=1001 TERABOXFS_COMMIT=background \
	TERABOXFS_NDUS_FILE=/run/secrets/ndus TERABOXFS_BASE_URL=$(sed 's/listening on //' "$work/emulator") chroot "$ROOT" /usr/lib/teraboxfs/entrypoint.sh "\$@"
END
alive() { [[ $(stat -f -c %T "$work/mounts/terabox" 2>/dev/null) == fuse* ]]; } # statfs is never answered from a cache
start() {
	unshare --mount --propagation unchanged --pid --fork --kill-child bash "$work/run" > "$work/log" 2>&1 &
	runner=$!
	for _ in $(seq 200); do
		alive && break
		sleep 0.05
	done
	alive || { cat "$work/log"; fail "the host does not see the mount"; }
	one=$(pgrep -P $runner) && echo "$one" > "$work/pid"
}

step "the entry point mounts, and the host sees it"
start
[[ $(tr '\0' ' ' < /proc/$one/cmdline) == teraboxfs\ mount* ]] || fail "process 1 is $(tr '\0' ' ' < /proc/$one/cmdline)"
! tr '\0' '\n' < /proc/$one/environ | grep -q s3cret || fail "the secret is in the environment"
[[ $(stat -c %u:%g "$work/mounts/terabox") == 1000:1001 ]] || fail "PUID and PGID: $(stat -c %u:%g "$work/mounts/terabox")"
echo content > "$work/mounts/terabox/file"
step "it is healthy"
health() { nsenter --target "$one" --mount --pid chroot "$ROOT" env -i $(tr '\n' ' ' < "$ENVIRONMENT") PATH=/usr/bin:/bin /usr/lib/teraboxfs/healthcheck.sh; }
health || fail "the health check"
kill -STOP "$one"
(sleep 20; kill -CONT "$one" 2>/dev/null) & resume=$!
! health 2>/dev/null || fail "a mount that hangs is healthy"
kill -CONT "$one"; kill $resume 2>/dev/null || true
step "SIGTERM sends what is pending and unmounts"
kill -TERM "$one"
code=0; wait $runner || code=$?
[[ $code == 0 ]] || { cat "$work/log"; fail "it ends with $code"; }
! mountpoint -q "$work/mounts/terabox" || fail "still mounted on the host"
step "killed, and started again over its dead mount"
start
[[ $(cat "$work/mounts/terabox/file") == content ]] || fail "the file is not there"
kill -KILL "$one"; wait $runner 2>/dev/null || true
start
[[ $(cat "$work/mounts/terabox/file") == content ]] || fail "the file is not there after a kill"
kill -TERM "$one"; wait $runner || fail "the end"
echo "container: all passed"
