#!/usr/bin/env bash
# systemd.sh: the package under a real systemd, which runs as process 1 of a clean Debian in namespaces: service install, readiness, credentials,
# the hardening, kill and restart, the watchdog, stop, remove. Root, /dev/fuse, cgroup v2 (beside v1 will do), debootstrap and a mirror.
set -euo pipefail
cd "$(dirname "$0")/../.."
ROOTFS=${ROOTFS:-/var/tmp/teraboxfs-deb-test}
MIRROR=${MIRROR:-http://deb.debian.org/debian}
step() { echo "== $*"; }
fail() { echo "FAIL: $*" >&2; exit 1; }
deb=$(VERSION=0.0.4 packaging/package.sh deb amd64)
if [[ ! -e $ROOTFS/systemd/.complete ]]; then
	step "a clean Debian with systemd in $ROOTFS/systemd"
	command -v debootstrap >/dev/null || apt-get install -y -q debootstrap >/dev/null
	mkdir -p "$ROOTFS" && rm -rf "$ROOTFS/systemd"
	debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,fuse3,ca-certificates,procps bookworm "$ROOTFS/systemd" "$MIRROR" >/dev/null
	touch "$ROOTFS/systemd/.complete"
fi
work=$(mktemp -d -p /var/tmp)
cgroup=/sys/fs/cgroup/unified
[[ -e /sys/fs/cgroup/cgroup.controllers ]] && cgroup=/sys/fs/cgroup
cgroup=$cgroup/teraboxfs-test
mkdir -p $cgroup
cat > "$work/boot" <<'END'
set -e
mount -t tmpfs none "$1" && mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" none "$1/root"
cp "$3" "$1/root/teraboxfs.deb" && cd "$1/root"
echo uninitialized > etc/machine-id && ln -sf /dev/null etc/systemd/system/systemd-firstboot.service
mount -t proc proc proc && mount -t sysfs -o ro sys sys && mount -t tmpfs none run && mount -t tmpfs none tmp && mount -t tmpfs none dev
for node in null zero full random urandom tty fuse; do touch dev/$node && mount --bind /dev/$node dev/$node; done
mkdir dev/shm && mount -t cgroup2 cgroup2 sys/fs/cgroup && mkdir old && pivot_root . old && umount -l /old && mount --make-rshared /
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system --show-status=no < /dev/null
END
mkdir "$work/root"
bash -c 'echo $$ > "$1/cgroup.procs"; shift; exec setsid unshare -m -p -u -i -C -f --kill-child --propagation private bash "$@"' boot $cgroup "$work/boot" "$work/root" "$ROOTFS/systemd" "$PWD/$deb" > "$work/log" 2>&1 &
runner=$!
one=
end() {
	set +e
	[[ -n $one ]] && kill -9 "$one"
	wait $runner 2>/dev/null
	find $cgroup -depth -type d -exec rmdir {} \; 2>/dev/null
	rm -rf "$work"
}
trap end EXIT
until one=$(pgrep -P $runner); do sleep 0.1; done
inside() { nsenter -t "$one" -a env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root "$@"; }
until inside systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded'; do sleep 0.2; done
state() { inside systemctl show -P "$1" teraboxfs-srv-terabox; }
await() { # SECONDS COMMAND...
	local n=$(($1 * 10))
	shift
	until "$@"; do ((n-- > 0)) || { inside journalctl -u teraboxfs-srv-terabox -n 40 --no-pager; fail "waited in vain for: $*"; }; sleep 0.1; done
}

step "service install --system"
inside dpkg -i /teraboxfs.deb > /dev/null
inside systemd-run -q --unit emulator teraboxfs emulator --listen=127.0.0.1:7777 --data=/srv/emulator --ndus=s3cret
inside sh -c 'umask 077; echo s3cret > /etc/ndus'
await 10 inside sh -c 'journalctl -u emulator | grep -q listening'
inside teraboxfs service install --system --protect --allow-other --commit=background --base-url=http://127.0.0.1:7777 --ndus-file=/etc/ndus / /srv/terabox > /dev/null 2>&1 || fail "service install"
[[ $(state ActiveState) == active && $(state StatusText) == *"mounted on /srv/terabox"* ]] || fail "$(inside systemctl status teraboxfs-srv-terabox)"
inside sh -c 'echo content > /srv/terabox/file' || fail "write"
inside findmnt /srv/terabox > /dev/null || fail "the mount is not seen from outside of the unit"
inside teraboxfs status > /dev/null || fail "status finds no mount"
! inside sh -c "tr '\\0' '\\n' < /proc/$(state MainPID)/environ | grep s3cret" || fail "the secret is in the environment"

step "killed: it starts again, over its dead mount"
inside kill -9 "$(state MainPID)"
await 30 inside grep -q content /srv/terabox/file 2>/dev/null
[[ $(state NRestarts) == 1 ]] || fail "restarts: $(state NRestarts)"

step "it hangs: the watchdog ends it"
inside mkdir -p /run/systemd/system/teraboxfs-srv-terabox.service.d
inside sh -c 'printf "[Service]\nWatchdogSec=2s\nTimeoutAbortSec=1s\nRestartSec=1s\n" > /run/systemd/system/teraboxfs-srv-terabox.service.d/test.conf'
inside systemctl daemon-reload && inside systemctl restart teraboxfs-srv-terabox
sleep 3
before=$(state MainPID)
[[ $(state NRestarts) == 0 ]] || fail "it is killed although it is well"
inside kill -STOP "$before"
restarted() { [[ $(state NRestarts) == 1 && $(state ActiveState) == active ]]; }
await 20 restarted
[[ $(inside journalctl -u teraboxfs-srv-terabox | grep -c 'Watchdog timeout') -gt 0 ]] || fail "no watchdog timeout in the journal"

step "a login that is rejected is not tried again"
inside sh -c 'echo wrong > /etc/ndus'
! inside systemctl restart teraboxfs-srv-terabox 2>/dev/null || [[ $(inside teraboxfs status --json | grep -c login-needed) == 1 ]] || fail "it starts with a wrong login"
sleep 2
[[ $(state NRestarts) == 0 ]] || fail "restarts after exit code 4: $(state NRestarts)"
inside sh -c 'echo s3cret > /etc/ndus'
inside systemctl restart teraboxfs-srv-terabox

step "stop, and the bare directory"
inside sh -c 'head -c 3000000 /dev/urandom > /srv/terabox/big'
inside systemctl stop teraboxfs-srv-terabox
[[ $(state ActiveState) == inactive ]] || fail "after stop it is $(state ActiveState)"
! inside touch /srv/terabox/x 2>/dev/null || fail "the bare directory can be written to"

step "remove"
inside teraboxfs service remove --system /srv/terabox > /dev/null 2>&1 || fail "service remove"
inside touch /srv/terabox/x || fail "the directory stays closed"
! inside systemctl cat teraboxfs-srv-terabox > /dev/null 2>&1 || fail "the unit is still known"
inside sh -c 'ls /var/lib/teraboxfs/staging' > /dev/null || fail "the state is gone"

step "teraboxfs@srv-template"
inside sh -c 'mkdir -p /etc/teraboxfs /srv/template; printf "TERABOXFS_BASE_URL=http://127.0.0.1:7777\nTERABOXFS_NDUS_FILE=/etc/ndus\n" > /etc/teraboxfs/srv-template.env'
inside systemctl start teraboxfs@srv-template
[[ $(inside stat -c %s /srv/template/big) == 3000000 ]] || fail "what was sent at the stop is not there"
inside systemctl stop teraboxfs@srv-template
echo "systemd: all passed ($(inside systemctl --version | head -1))"
