#!/usr/bin/env bash
# make-root.sh SUITE ROOT PACKAGE...: makes ROOT, where SUITE of Debian is installed with these
# packages, unless there is one that was made from what the mirror has now. As root. The mirror is
# that of this machine. Nothing that is installed there starts a service: see policy-rc.d.
#
# ROOT.lock is locked meanwhile. Whoever uses ROOT may lock it, too, shared.
#
# It ends with 75 if the packages that the suite has now cannot be installed. To file descriptor
# 3, if it is open, goes what a person should see.
set -euo pipefail
suite=$1 root=$(realpath -m "$2")
shift 2
{ : >&3; } 2>/dev/null || exec 3>&2
if [[ -e $root && ! -e $root/made-from ]]; then
	echo "$root was not made by this script, which would delete it" >&2
	exit 1
fi
in_root=$(dirname "$0")/in-root.sh not_installable=75 new=$root.new

mkdir -p "$(dirname "$root")"
exec 9>"$root.lock"
flock 9
made_from=$root.made-from
trap 'rm -f "$made_from"' EXIT

# The mirror from which this machine has its own Debian; where apt has a list of them in a file,
# the first.
mirror() {
	local uri
	uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
	uri=${uri%/}
	[[ $uri != mirror+file:* ]] || uri=$(grep -Eom 1 '^https?://[^[:space:]]+' "${uri#mirror+file:}")
	[[ $uri == http*://* ]] && echo "${uri%/}"
}
mirror=$(mirror) || mirror=$(apt-get -q update >&2 && mirror) || { # apt may not have asked it yet
	echo 'the sources of apt name no mirror of Debian by http or https' >&2
	exit 1
}

# For debootstrap, which does not know those of apt.
eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy | sed "/='DIRECT'/d; s/^/export /")"
if ! /usr/lib/apt/apt-helper download-file "$mirror/dists/$suite/InRelease" "$made_from"; then
	[[ $(tail -n 1 "$root/made-from") == "$*" ]] || exit 1
	echo "WARNING: $mirror cannot be asked for $suite: its root is as of $(date -r "$root/made-from" +%F)" >&3
	exit
fi
echo "$*" >>"$made_from"
if cmp -s "$made_from" "$root/made-from"; then exit; fi
rm -rf --one-file-system "$new"
# In namespaces that end with it: no mount and no process is left if it is interrupted.
unshare --mount --pid --fork --kill-child debootstrap --variant=minbase "$suite" "$new" "$mirror" || {
	tail -n 15 "$new/debootstrap/debootstrap.log" || true
	exit $not_installable
}
printf '#!/bin/sh\nexit 101\n' >"$new/usr/sbin/policy-rc.d" # no package starts its service
chmod +x "$new/usr/sbin/policy-rc.d"
DEBIAN_FRONTEND=noninteractive "$in_root" "$new" apt-get -q -y --no-install-recommends install "$@" || exit $not_installable
rm -f "$new"/var/cache/apt/archives/*.deb
mv "$made_from" "$new/made-from"
rm -rf --one-file-system "$root"
mv "$new" "$root"
