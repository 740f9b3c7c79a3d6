#!/usr/bin/env bash
# Runs what depends on an engine or a server again, on the Docker, Podman, Prometheus and
# Alertmanager of other suites of Debian, and prints which and what came of it. Each suite
# has a root of its own, and each program of it a mount namespace of its own.
#
# SUITES="trixie sid": these. RUN=REGEXP: only the tests with such names. FAILURES=N: as
# for soak.sh.
set -euo pipefail
shopt -s nullglob
cd "$(dirname "$0")/.."

if ! command -v go >/dev/null; then
	echo "go is not on the PATH; Defib needs Go $(sed -n 's/^go //p' go.mod) or newer" >&2
	exit 1
fi
if ((EUID)); then
	echo 'make test-engines installs other suites of Debian, below /var/cache, and starts engines: run it as root.' >&2
	exit 1
fi
export PATH=$PATH:/usr/sbin:/sbin
export GOFLAGS="${GOFLAGS:-} -buildvcs=false -trimpath" CGO_ENABLED=0 # as test.sh has them
unset TMPDIR # a root shares /tmp, and no other
scripts/install.sh debootstrap docker-compose-v2

read -ra suites <<<"${SUITES:-trixie sid}"
packages=(docker.io docker-cli docker-compose iproute2 iptables nftables podman crun runc netavark aardvark-dns uidmap rootlesskit slirp4netns prometheus prometheus-alertmanager)
cache=/var/cache/defib-test-engines
mkdir -p "$cache"
exec 9>"$cache/lock"
flock -n 9 || { echo 'waiting for another make test-engines' && flock 9; }

work=$(mktemp -d -t de.XXXX) # short: Podman takes a path of at most 50 bytes for its --runroot, see newDaemon
chmod 711 "$work" # for engines of other users on their way
# running: the processes with $work on their command line or in their environment, and all below those.
running() {
	local mark=${work%?}[${work: -1}] parents pids='' # which is not on that of grep
	parents=$(grep -las -- "$mark" /proc/[0-9]*/{cmdline,environ} | cut -d / -f 3 | sort -u)
	while [[ $parents ]]; do
		pids+=" $parents"
		parents=$(pgrep -d ' ' -P "$(xargs <<<"$parents" | tr ' ' ,)")
	done
	echo "$pids"
}
# end ends what runs: the tests by a signal, upon which their engines end in order, then what
# is left, such as the containers of Podman.
end() {
	local job tries pids
	for job in $(jobs -p); do kill -- "-$job" || true; done 2>/dev/null
	for ((tries = 0; tries < 40; tries++)); do
		pids=$(running)
		[[ $pids ]] || break
		# shellcheck disable=SC2086 # each a word
		((tries < 20)) || kill -KILL $pids 2>/dev/null || true
		sleep 0.5
	done
	wait
	rm -rf --one-file-system "$work"
}
trap end EXIT
trap 'exit 130' INT TERM HUP

# make_root SUITE: as $cache/SUITE. It ends with $not_installable if the packages that the suite
# has now cannot be installed.
not_installable=75
make_root() {
	export DEFIB_WORK=$work # see running
	exec scripts/make-root.sh "$1" "$cache/$1" "${packages[@]}"
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
# them, their end too.
run() {
	local name=${2//\//-} args=(-test.timeout=40m)
	if [[ ${FAILURES:-} && $2 == e2e/hosts ]]; then args=(-hosts.failures "$FAILURES"); fi
	echo "$suite, $1: go test ./$2"
	cd "$2"
	export TMPDIR=$work DEFIB_E2E_SUITE=$suite DEFIB_E2E_ROOT=$cache/$suite DEFIB_E2E_ENGINE=$1 PATH=$work/$suite:$PATH
	exec go tool test2json -t -p "$2" "$work/$name.test" -test.v=test2json "${args[@]}" \
		${RUN:+-test.run="$RUN"} >"$work/$suite-$1-$name.json" 2>&1
}

# start FUNCTION ARGS..., in the background, as a group of processes, to be ended as one. They
# do not keep the lock, which an engine that they leave would hold.
start() {
	set -m
	"$@" </dev/null 9>&- &
	set +m
}

echo '== making the roots and the tests'
declare -A making
for suite in "${suites[@]}"; do
	start make_root "$suite" 3>&1 >"$work/$suite.log" 2>&1
	making[$suite]=$!
done
compile() {
	local package
	for package in e2e e2e/hosts e2e/chaos e2e/harness alerts; do go test -c -o "$work/${package//\//-}.test" "./$package"; done
}
start compile
wait $! # a signal ends this, and would wait for a program in the foreground

made=() unmade=() failed=()
for suite in "${suites[@]}"; do
	code=0
	wait "${making[$suite]}" || code=$?
	if ((code)); then
		unmade+=("$suite")
		# Not every state of sid, which changes several times a day, can be installed.
		if [[ $suite != sid ]] || ((code != not_installable)); then failed+=("$suite"); fi
		continue
	fi
	made+=("$suite")
	wrap
done

# Three at a time: they wait much, and take longer if more want the processors.
echo '== the tests'
runs=0
for suite in "${made[@]}"; do
	for what in 'docker e2e' 'docker e2e/hosts' 'docker e2e/chaos' 'podman e2e' 'podman e2e/harness' 'docker e2e/harness' 'docker alerts'; do
		if ((runs++ >= 3)); then wait -n || true; fi # the files say how they ended
		# shellcheck disable=SC2086 # two words
		start run $what
	done
done
wait

echo '== what came of it'
results=("$work"/*.json)
((${#results[@]} == runs)) || failed+=("$((runs - ${#results[@]})) runs that did not begin")
go run ./e2e/matrix ${RUN:+-some} "${results[@]}" || failed+=('tests')
for suite in "${unmade[@]}"; do
	if [[ " ${failed[*]} " == *" $suite "* ]]; then word=FAILED; else word=SKIPPED; fi
	printf '\n%s: the root of %s cannot be made:\n' $word "$suite"
	tail -n 30 "$work/$suite.log"
done
if ((${#failed[@]})); then
	(IFS=, && echo "FAILED: ${failed[*]}") >&2
	exit 1
fi
echo "all that depends on an engine or a server passed on ${made[*]} in $SECONDS s"
