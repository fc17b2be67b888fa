#!/bin/sh
# Healthy is a mount that answers, through the kernel and by its control socket.
exec timeout 10 sh -c 'stat "$MOUNTPOINT/.teraboxfs/status.json" >/dev/null && teraboxfs status >/dev/null'
