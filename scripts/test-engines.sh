#!/usr/bin/env bash
# Runs what depends on an engine or a server again, on the Docker, Podman, Prometheus and
# Alertmanager of other suites of Debian, and prints which and what came of it. Each suite
# has a root of its own, and each program of it a mount namespace of its own.
#
# SUITES="trixie sid": these. RUN=REGEXP: only the tests with such names.
set -euo pipefail
shopt -s nullglob
cd "$(dirname "$0")/.."

if ((EUID)); then
	echo 'make test-engines installs other suites of Debian, below /var/cache, and starts engines: run it as root.' >&2
	exit 1
fi
export PATH=$PATH:/usr/sbin:/sbin GOFLAGS="${GOFLAGS:-} -buildvcs=false"
unset TMPDIR # a root shares /tmp, and no other
scripts/install.sh debootstrap docker-compose-v2

read -ra suites <<<"${SUITES:-trixie sid}"
packages=(docker.io docker-cli docker-compose iptables nftables podman crun runc netavark aardvark-dns uidmap rootlesskit slirp4netns prometheus prometheus-alertmanager)
cache=/var/cache/defib-test-engines
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || { echo 'waiting for another make test-engines' && flock 9; }

work=$(mktemp -d -t defib-engines.XXXXXX)
end() {
	local job
	for job in $(jobs -p); do kill -- "-$job" 2>/dev/null || true; done # see run
	wait
	rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT TERM HUP

# The mirror from which this machine has its own Debian.
mirror() { apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1; }
mirror=$(mirror)
if [[ ! $mirror ]]; then # apt has not asked it yet
	apt-get -q update
	mirror=$(mirror)
fi
[[ $mirror ]] || { echo 'apt knows no mirror of Debian' >&2 && exit 1; }

# make_root SUITE: as $cache/SUITE, unless there is one, made from what the mirror has now.
make_root() {
	local suite=$1 root=$cache/$1 new=$cache/$1.new made_from=$work/$1.made-from
	/usr/lib/apt/apt-helper download-file "${mirror%/}/dists/$suite/InRelease" "$made_from"
	echo "${packages[*]}" >>"$made_from"
	if cmp -s "$made_from" "$root/made-from"; then return; fi
	rm -rf --one-file-system "$new"
	# In namespaces that end with it: no mount and no process is left if it is interrupted.
	unshare --mount --pid --fork --kill-child debootstrap --variant=minbase "$suite" "$new" "$mirror"
	printf '#!/bin/sh\nexit 101\n' >"$new/usr/sbin/policy-rc.d" # no package starts its service
	chmod +x "$new/usr/sbin/policy-rc.d"
	DEBIAN_FRONTEND=noninteractive scripts/in-root.sh "$new" apt-get -q -y --no-install-recommends install "${packages[@]}"
	rm -f "$new"/var/cache/apt/archives/*.deb
	mv "$made_from" "$new/made-from"
	rm -rf --one-file-system "$root"
	mv "$new" "$root"
}

# wrap: the programs of $suite, for the PATH.
wrap() {
	local program to
	mkdir "$work/$suite"
	for program in dockerd docker docker-compose-v2 podman prometheus promtool prometheus-alertmanager amtool; do
		to=${program%-v2}
		printf '#!/bin/sh\nexec "%s" "%s" %s "$@"\n' "$PWD/scripts/in-root.sh" "$cache/$suite" "$to" >"$work/$suite/$program"
		chmod +x "$work/$suite/$program"
	done
}
export PODMAN_IGNORE_CGROUPSV1_WARNING=1

# run ENGINE PACKAGE, in the background: tests on what $suite has. A file tells all about
# them, their end too. They are a group of processes, to be ended as one, and do not keep
# the lock, which an engine that they leave would hold.
run() {
	local name=${2//\//-}
	echo "$suite, $1: go test ./$2"
	cd "$2"
	export DEFIB_E2E_SUITE=$suite DEFIB_E2E_ROOT=$cache/$suite DEFIB_E2E_ENGINE=$1 PATH=$work/$suite:$PATH
	exec setsid go tool test2json -t -p "$2" "$work/$name.test" -test.v=test2json -test.timeout=30m \
		${RUN:+-test.run="$RUN"} >"$work/$suite-$1-$name.json" 2>&1 9>&-
}

echo '== making the roots and the tests'
declare -A making
for suite in "${suites[@]}"; do
	make_root "$suite" >"$work/$suite.log" 2>&1 &
	making[$suite]=$!
done
for package in e2e e2e/hosts e2e/chaos e2e/harness alerts; do go test -c -o "$work/${package//\//-}.test" "./$package"; done

made=() unmade=() failed=()
for suite in "${suites[@]}"; do
	if ! wait "${making[$suite]}"; then
		unmade+=("$suite")
		continue
	fi
	made+=("$suite")
	begin=$SECONDS
	echo "== $suite"
	wrap
	tests=()
	for what in 'docker e2e' 'docker e2e/hosts' 'docker e2e/chaos' 'docker e2e/harness' 'podman e2e' 'podman e2e/harness' 'docker alerts'; do
		# shellcheck disable=SC2086 # two words
		run $what &
		tests+=($!)
	done
	wait "${tests[@]}" || true # the files say how they ended
	echo "-- $((SECONDS - begin)) s"
done

echo '== what came of it'
go run ./e2e/matrix ${RUN:+-some} "$work"/*.json || failed+=('tests')
for suite in "${unmade[@]}"; do
	# Not every state of sid, which changes several times a day, can be installed.
	if [[ $suite == sid ]]; then word=SKIPPED; else word=FAILED failed+=("$suite"); fi
	printf '\n%s: the root of %s cannot be made:\n' $word "$suite"
	tail -n 15 "$work/$suite.log"
done
if ((${#failed[@]})); then
	(IFS=, && echo "FAILED: ${failed[*]}") >&2
	exit 1
fi
echo "all that depends on an engine or a server passed on ${made[*]:-no suite} in $SECONDS s"
