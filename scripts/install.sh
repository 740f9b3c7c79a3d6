#!/usr/bin/env bash
# install.sh PROGRAM...: makes sure that these programs are on the PATH. As root
# on Debian it installs the missing ones; else it says what to install.
#
# No service that comes with a package is started: the tests start engines of
# their own, and nobody asked for a Prometheus on this machine.
set -euo pipefail

# docker-compose-v2 is Debian 13's, one program, for Debian 12, which has 1.29 only. It comes
# from the mirrors that this machine has, and is known by its hash.
compose=pool/main/d/docker-compose/docker-compose_2.26.1-4
fetch_compose() {
	local arch sum mirror dir
	arch=$(dpkg --print-architecture)
	case $arch in
	amd64) sum=47681197cb2b1ab88206b42a1a92fc75f50d9530a6322d03494a473eed0408ea ;;
	arm64) sum=bbafaa666f3e7fa00ad36f2a8bab889f1c791ca8743d674e7267a3d07203869c ;;
	*) return ;;
	esac
	dir=$(mktemp -d)
	for mirror in $(apt-get indextargets --format '$(REPO_URI)' | sort -u); do
		/usr/lib/apt/apt-helper download-file "${mirror%/}/${compose}_$arch.deb" "$dir/deb" "SHA256:$sum" || continue
		dpkg-deb --fsys-tarfile "$dir/deb" | tar -xO ./usr/libexec/docker/cli-plugins/docker-compose >"$dir/program"
		install -D "$dir/program" /usr/local/bin/docker-compose-v2
		break
	done
	rm -rf "$dir"
}

# The Debian packages that bring a program.
packages() {
	case $1 in
	gcc) echo gcc libc6-dev ;; # for go test -race
	dockerd) echo docker.io ;;
	podman) echo podman ;;
	docker) if apt-cache show docker-cli >/dev/null 2>&1; then echo docker-cli; else echo docker.io; fi ;;
	prometheus | promtool) echo prometheus ;;
	prometheus-alertmanager | amtool) echo prometheus-alertmanager ;;
	chromium) echo chromium fonts-dejavu-core ;; # without a font it shows nothing
	docker-compose) echo docker-compose ;;
	docker-compose-v2) ;; # see fetch_compose
	systemd-analyze) echo systemd ;;
	systemd-nspawn) echo systemd-container ;;
	ip) echo iproute2 ;;
	debootstrap | lintian | rootlesskit | slirp4netns) echo "$1" ;;
	newuidmap) echo uidmap ;;
	fuse-overlayfs) echo fuse-overlayfs ;;
	*) echo "install.sh: no package known for $1" >&2 && exit 1 ;;
	esac
}

# A gcc without the C library's headers cannot build what -race needs. Where Docker's own
# packages are, compose v2 is a plugin.
present() {
	[[ $1 != prometheus-alertmanager ]] || ! command -v alertmanager >/dev/null || return 0 # its own name
	[[ $1 != docker-compose-v2 ]] || ! docker compose version >/dev/null 2>&1 || return 0
	command -v "$1" >/dev/null || return 1
	[[ $1 != gcc ]] || echo '#include <stdlib.h>' | gcc -E - >/dev/null 2>&1
}

PATH=$PATH:/usr/sbin:/sbin # where dockerd lives; not on every user's PATH
lacking() {
	missing=()
	local program
	for program in "$@"; do
		present "$program" || missing+=("$program")
	done
}
choose() {
	wanted=()
	local program names name
	for program in "${missing[@]}"; do
		names=$(packages "$program")
		for name in $names; do # each once
			[[ " ${wanted[*]} " == *" $name "* ]] || wanted+=("$name")
		done
	done
}
lacking "$@"
((${#missing[@]})) || exit 0
choose

if ! command -v apt-get >/dev/null; then
	echo "missing: ${missing[*]}. Please install them (Debian calls the packages ${wanted[*]})." >&2
	exit 1
fi
if ((EUID)); then
	echo "missing: ${missing[*]}. Run this again as root, or install them first:" >&2
	echo "  sudo apt-get install --no-install-recommends ${wanted[*]}" >&2
	exit 1
fi

# policy-rc.d is Debian's way to keep packages from starting services. One that
# a killed run left behind is ours, and is taken for such by its mark. Another run at
# the same time would take this away too early; what it installs is here afterwards.
exec 8>/run/lock/defib-install
flock 8
lacking "$@"
((${#missing[@]})) || exit 0
policy=/usr/sbin/policy-rc.d mark='# put here for a moment by scripts/install.sh'
restore() {
	if grep -qsF "$mark" $policy; then rm -f $policy; fi
	if [[ -e $policy.defib ]]; then mv $policy.defib $policy; fi
}
trap restore EXIT
trap 'exit 130' INT TERM
restore
if [[ -e $policy ]]; then mv $policy $policy.defib; fi
printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >$policy
chmod +x $policy

log=$(mktemp)
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get -q -y -o DPkg::Lock::Timeout=300)
# A package list that cannot be fetched may still leave what is needed. Which
# packages there are is known only now.
"${apt[@]}" update >"$log" 2>&1 || true
choose
echo "installing ${wanted[*]} (for ${missing[*]})"
if [[ " ${missing[*]} " == *' docker-compose-v2 '* ]]; then fetch_compose >>"$log" 2>&1; fi
if ((${#wanted[@]})) && ! "${apt[@]}" install --no-install-recommends "${wanted[@]}" >>"$log" 2>&1; then
	tail -n 30 "$log" >&2
	echo "installing failed; the whole output is in $log" >&2
	exit 1
fi

# Only the programs are wanted, after the next boot too.
services() {
	case $1 in
	prometheus | prometheus-alertmanager) echo "$1" ;;
	podman) echo podman.socket podman.service podman-restart.service podman-auto-update.service podman-auto-update.timer ;;
	esac
}
for package in "${wanted[@]}"; do
	for service in $(services "$package"); do
		systemctl disable "$service" >/dev/null 2>&1 || update-rc.d "$service" disable >/dev/null 2>&1 || true
	done
done

lacking "$@"
if ((${#missing[@]})); then
	echo "installed ${wanted[*]}, and still missing from the PATH: ${missing[*]}. Please install them by hand; the output of apt-get is in $log" >&2
	exit 1
fi
rm -f "$log"
