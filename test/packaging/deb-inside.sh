#!/usr/bin/env bash
# deb-inside.sh: deb.sh's part in a namespace. OLD and NEW are packages, ROOTFS/base is a Debian that is not changed.
set -euo pipefail
step() { echo "== $*"; }
fail() { echo "FAIL: $*" >&2; exit 1; }
R=$ROOTFS/root
mkdir -p "$R" && mount -t tmpfs none "$R" && mkdir "$R/upper" "$R/work" "$R/root"
mount -t overlay -o "lowerdir=$ROOTFS/base,upperdir=$R/upper,workdir=$R/work" none "$R/root"
R=$R/root
mount -t proc proc "$R/proc" && mount -t sysfs -o ro sys "$R/sys" && mount -t tmpfs none "$R/run" && mount -t tmpfs none "$R/dev"
for node in null zero random urandom tty fuse; do touch "$R/dev/$node" && mount --bind "/dev/$node" "$R/dev/$node"; done
cp -L /etc/resolv.conf "$R/etc/resolv.conf"
ln -sf ../proc/self/mounts "$R/etc/mtab" # what an installed system has
for proxied in /etc/apt/apt.conf.d/*proxy* /etc/apt/apt.conf.d/99*; do [[ -e $proxied ]] && cp "$proxied" "$R/etc/apt/apt.conf.d/"; done
cp "$OLD" "$R/old.deb" && cp "$NEW" "$R/new.deb"
in_root() { env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$R" "$@"; }
says() { # TEXT COMMAND...: its output has TEXT
	local text=$1 out
	shift
	out=$("$@" 2>&1) || fail "$* exits with $?: $out"
	[[ $out == *"$text"* ]] || fail "$* does not say $text: $out"
}

step "apt installs it, and what it needs"
in_root apt-get update -q >/dev/null
in_root apt-get install -y -q --no-install-recommends /old.deb >/dev/null 2>&1 || fail "apt-get install"
says "teraboxfs 0.0.1" in_root teraboxfs version
in_root test -u /usr/bin/fusermount3 || fail "fuse3 was not installed"
for file in /usr/share/man/man1/teraboxfs-mount.1.gz /usr/share/man/man8/mount.teraboxfs.8.gz /usr/share/bash-completion/completions/teraboxfs \
	/usr/share/zsh/vendor-completions/_teraboxfs /usr/share/fish/vendor_completions.d/teraboxfs.fish /lib/systemd/system/teraboxfs@.service \
	/usr/lib/systemd/user/teraboxfs@.service /etc/logrotate.d/teraboxfs /usr/share/doc/teraboxfs/copyright; do
	[[ -s $R$file ]] || fail "$file is missing"
done
in_root bash -c 'source /usr/share/bash-completion/completions/teraboxfs && declare -F __start_teraboxfs' >/dev/null || fail "bash completion"

step "an emulated account, mounted by fstab"
in_root teraboxfs emulator --listen=127.0.0.1:0 --data=/srv/emulator > "$R/emulator" 2>/dev/null &
until grep -q listening "$R/emulator"; do sleep 0.05; done
address=$(sed 's/listening on //' "$R/emulator")
echo demo | in_root teraboxfs login --stdin "--base-url=$address" >/dev/null
echo "default:/ /mnt teraboxfs _netdev,nofail,allow_other,commit=background 0 0" >> "$R/etc/fstab"
in_root mount /mnt || fail "mount /mnt exits with $?"
in_root mount -a || fail "mount -a exits with $?"
head -c 5000000 /dev/urandom > "$R/file" && in_root cp /file /mnt/file
pid=$(in_root teraboxfs mounts --json | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')

step "upgraded while it is mounted, and while a program has a file open"
exec 7< "$R/mnt/file"
in_root dpkg -i /new.deb >/dev/null || fail "upgrade"
says "teraboxfs 0.0.2" in_root teraboxfs version
[[ $pid == $(in_root teraboxfs mounts --json | sed -n 's/.*"pid": \([0-9]*\).*/\1/p') ]] || fail "the mount is another process"
cmp /dev/fd/7 "$R/file" || fail "the open file reads otherwise"
exec 7<&-
in_root cp /file /mnt/after
says "0.0.1" in_root teraboxfs status # which the old daemon answers to the new command
in_root teraboxfs umount /mnt || fail "umount exits with $?"
in_root mount /mnt
cmp "$R/mnt/after" "$R/file" || fail "what was written before is not there"
says "0.0.2" in_root teraboxfs status

step "mounted by somebody else than root, through fusermount3"
in_root useradd -m somebody && chmod 666 "$R/dev/fuse"
in_root runuser -u somebody -- env HOME=/home/somebody teraboxfs -q mount -d --mkdir demo:/home/somebody/data /home/somebody/mnt >/dev/null || fail "a user's mount"
in_root runuser -u somebody -- sh -c 'echo x > /home/somebody/mnt/file'
in_root runuser -u somebody -- env HOME=/home/somebody teraboxfs umount /home/somebody/mnt || fail "a user's umount"

step "removed while it is mounted: data and the mount stay"
in_root dpkg -r teraboxfs >/dev/null 2>"$R/removed" || fail "dpkg -r"
grep -q "stay until they are unmounted" "$R/removed" || fail "removal says nothing of the mounts"
cmp "$R/mnt/after" "$R/file" || fail "the mount ended"
in_root umount /mnt
in_root dpkg -P teraboxfs >/dev/null 2>&1 || fail "dpkg -P"
[[ -s $R/root/.config/teraboxfs/credentials.toml && -d $R/root/.local/state/teraboxfs/staging ]] || fail "user data is gone"
[[ ! -e $R/usr/bin/teraboxfs && ! -e $R/etc/logrotate.d/teraboxfs && ! -e $R/usr/share/doc/teraboxfs ]] || fail "files stay behind"
echo "deb: all passed"
