#!/bin/sh
# in-root.sh ROOT PROGRAM ARGS...: becomes a program of another Debian, the one below ROOT,
# which shares with this one /proc, /sys, /dev, /tmp and the clone. As root.
#
# A chroot is not enough: it starts no container, since its / is no mount point, and docker
# exec looks for its program in the real /.
set -eu
root=$1 clone=$(cd "$(dirname "$0")/.." && pwd)
shift
# shellcheck disable=SC2016 # expanded by the inner shell
exec unshare --mount --propagation private sh -euc '
	root=$1 clone=$2 here=$PWD
	shift 2
	mount --bind "$root" "$root"
	for dir in /proc /sys /dev /tmp "$clone"; do
		mkdir -p "$root$dir"
		mount --rbind "$dir" "$root$dir"
	done
	cd "$root"
	mkdir -p .old
	pivot_root . .old
	umount -l /.old
	cd "$here" 2>/dev/null || cd /
	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin exec "$@"' sh "$root" "$clone" "$@"
