#!/bin/sh
# Without arguments, or with flags alone, mounts $SOURCE on $MOUNTPOINT; else runs the command of teraboxfs that is given.
# Settings are TERABOXFS_* variables; secrets are files named by TERABOXFS_NDUS_FILE, TERABOX_API_KEY_FILE, TERABOX_API_SECRET_FILE.
# PUID and PGID own the files of the mount. There is no shell left when the program runs: it is process 1, and takes SIGTERM.
set -eu
case "${1:-}" in
'' | -*) ;;
*) exec teraboxfs "$@" ;;
esac
if [ -n "${PUID:-}" ]; then export TERABOXFS_UID="$PUID"; fi
if [ -n "${PGID:-}" ]; then export TERABOXFS_GID="$PGID"; fi
# The mount is for other containers and other users: that is what a container of it is for.
export TERABOXFS_ALLOW_OTHER="${TERABOXFS_ALLOW_OTHER:-true}"
exec teraboxfs mount --mkdir "$@" -- "$SOURCE" "$MOUNTPOINT"
