#!/usr/bin/env bash
# Defib's main job, shown on a real engine: a container's process is killed,
# and Defib starts the container again. Then it serves until Ctrl-C; with
# DEMO_EXIT=1 it ends by itself.
#
# What the demo starts, it also ends. Only an engine that it had to install or
# to start as a service is left running.
set -euo pipefail
export LC_ALL=C # EPOCHREALTIME has a point in it
PATH=$PATH:/usr/sbin:/sbin
cd "$(dirname "$0")/.."
unset "${!DEFIB_@}" # Defib would take its flags from there

testapp=defib-demo-app
image=defib-testapp
series="docker_container_up{name=\"$testapp\"}"
container='' defib='' follower='' dockerd=''
work=$(mktemp -d -t defib-demo.XXXXXX)

fail() {
	printf '%s\n' "$@" >&2
	exit 1
}

end() {
	trap '' INT TERM HUP PIPE
	local pid
	for pid in $follower $defib; do
		kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true
	done
	if [[ $container ]]; then
		docker rm -f "$container" >/dev/null 2>&1 || true
		docker rmi "$image" >/dev/null 2>&1 || true
	fi
	if [[ $dockerd ]]; then
		kill "$dockerd" && wait "$dockerd" || true
	fi
	rm -rf "$work"
	if [[ $container ]]; then
		echo 'Defib has stopped and the container is removed.' || true
	fi
}
trap end EXIT
trap 'exit 130' INT TERM HUP

# Runs a program that ends with this script, even with one killed by -9: else
# the next demo would have two Defibs at one container.
bound() {
	if setpriv --pdeathsig TERM true 2>/dev/null; then
		exec setpriv --pdeathsig TERM "$@"
	fi
	exec "$@"
}

answers() { timeout 10 docker version --format '{{.Server.Version}}' 2>/dev/null; }

await_engine() {
	local _
	for _ in {1..60}; do
		answers >/dev/null && return
		[[ ! $dockerd ]] || kill -0 "$dockerd" || return 1
		sleep 0.5
	done
	return 1
}

find_go() {
	command -v go >/dev/null || fail "go is not on the PATH; Defib needs Go $(sed -n 's/^go //p' go.mod) or newer"
}

find_engine() {
	if command -v docker >/dev/null; then
		# Defib does not read the docker command's contexts.
		DOCKER_HOST=${DOCKER_HOST:-$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null || true)}
		[[ $DOCKER_HOST ]] && export DOCKER_HOST
		answers >/dev/null && return
	fi
	local host=${DOCKER_HOST:-unix:///var/run/docker.sock}
	if [[ $host != unix:///var/run/docker.sock ]]; then
		fail "No Docker Engine answers at $host (DOCKER_HOST or the docker context)." \
			"Start it, or unset DOCKER_HOST to use the engine of this machine."
	fi
	if ((EUID)); then
		fail "No Docker Engine answers at $host, and only root can change that. Any of these will do:" \
			"  sudo systemctl start docker         if it is installed and does not run" \
			"  sudo usermod -aG docker \$USER       if it runs but not for you; then log in again" \
			"  sudo env PATH=\"\$PATH\" make demo    installs docker.io on Debian and starts it"
	fi
	scripts/install.sh docker dockerd
	start_engine
}

start_engine() {
	if [[ -d /run/systemd/system ]]; then
		echo 'Starting the Docker Engine: systemctl start docker'
		systemctl start docker && await_engine && return
		fail 'The Docker Engine did not start. Look at: journalctl -u docker'
	fi
	if [[ -x /etc/init.d/docker ]]; then
		echo 'Starting the Docker Engine: service docker start'
		service docker start >/dev/null 2>&1 && await_engine && return
	fi
	# The last resort, for the demo only: it needs no network. Without a network
	# namespace of its own, --bridge=none would remove the machine's docker0.
	echo 'Starting a Docker Engine for the time of the demo: dockerd'
	bound unshare --net dockerd --bridge=none --iptables=false --ip6tables=false >"$work/dockerd.log" 2>&1 </dev/null &
	dockerd=$!
	await_engine || fail 'The Docker Engine did not start:' "$(tail -n 5 "$work/dockerd.log")"
}

# A demo that was killed leaves its container, which names the script's
# process; that script may be alive if only make was killed.
remove_leftovers() {
	local id pid tries
	for id in $(docker ps -aq --filter "name=^/$testapp\$" --filter label=demo.pid); do
		pid=$(docker inspect -f '{{index .Config.Labels "demo.pid"}}' "$id")
		if [[ $pid != "$$" ]] && grep -qs demo.sh "/proc/$pid/cmdline"; then
			kill "$pid"
			for ((tries = 0; tries < 100; tries++)); do
				grep -qs demo.sh "/proc/$pid/cmdline" || break
				sleep 0.1
			done
			((tries < 100)) || fail "Another demo, process $pid, does not end: kill it, and try again."
		fi
		docker rm -f "$id" >/dev/null 2>&1 || true
	done
	docker rmi "$image" >/dev/null 2>&1 || true
}

# An image FROM nothing, so that none has to be fetched.
start_app() {
	CGO_ENABLED=0 go build -buildvcs=false -o "$work/testapp" ./e2e/testapp
	tar -C "$work" -c testapp | docker import -c 'ENTRYPOINT ["/testapp"]' - "$image" >/dev/null
	container=$(docker run -d --name "$testapp" --label "demo.pid=$$" --network none "$image")
}

pick_port() {
	for port in {10911..10930}; do
		(: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 0
	done
	fail 'The ports 10911 to 10930 are all taken.'
}

start_defib() {
	bound ./defib "--restart.whitelist=$testapp" "--web.listen-address=127.0.0.1:$port" \
		>"$work/defib.log" 2>&1 </dev/null &
	defib=$!
	local _
	for _ in {1..100}; do
		kill -0 "$defib" 2>/dev/null || break
		[[ $(scrape) == *"$series 1"* ]] && return
		sleep 0.2
	done
	fail 'Defib does not show the container as running. Its log:' "$(cat "$work/defib.log")"
}

# The metrics, by bash alone: a fresh Debian has no curl.
scrape() {
	(
		exec 3<>"/dev/tcp/127.0.0.1/$port"
		printf 'GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
		cat <&3
	) 2>/dev/null || true
}

line() { printf '  %-16s%s\n' "$1" "$2"; }

# A crash is a death that nobody asked for. What asks the engine, as docker kill
# does, counts as stopped by somebody, and such a container is left alone for
# 10 seconds.
kill_app() {
	local pid
	pid=$(docker inspect -f '{{.State.Pid}}' "$container")
	begin=${EPOCHREALTIME/./}
	if ((EUID == 0)) && [[ $(cat "/proc/$pid/comm" 2>/dev/null) == testapp ]] && kill -9 "$pid"; then
		line '' "kill -9 $pid   (its process: a crash)"
		return
	fi
	docker kill "$container" >/dev/null
	line '' "docker kill $testapp"
	echo '  (Its process is out of reach from here, so it is killed through the engine. That'
	echo '  counts as stopped by somebody, whom Defib gives 10 seconds to start it again.)'
}

await_return() {
	local was=$1 seen='' text now
	while :; do
		now=$(((${EPOCHREALTIME/./} - begin) / 1000))
		text=$(scrape)
		if [[ ! $seen && $text == *"$series 0"* ]]; then
			seen=yes
			line "after $now ms" "$series 0"
		fi
		if [[ $text == *"$series 1"* && $(started "$text") != "$was" ]]; then
			took=$now
			line "after $now ms" "$series 1"
			return
		fi
		((now < 60000)) || fail 'It did not come back within a minute. Log of Defib:' "$(cat "$work/defib.log")"
		sleep 0.02
	done
}

started() { grep "^docker_container_started_timestamp_seconds{name=\"$testapp\"}" <<<"$1"; }

find_go # before anything is installed
find_engine
echo "Docker Engine $(answers) at ${DOCKER_HOST:-unix:///var/run/docker.sock}"
remove_leftovers
echo 'Building      ./defib and a container image for it to look after; a minute or more the first time'
scripts/build.sh
start_app
echo "Container     $testapp, running"
pick_port
start_defib
echo "Defib         ./defib --restart.whitelist=$testapp --web.listen-address=127.0.0.1:$port"
[[ $port == 10911 ]] || echo "              (port 10911 is taken)"
echo

line before "$series 1"
was=$(started "$(scrape)")
kill_app
await_return "$was"
echo
echo "It was back $took ms after it was killed. Defib says:"
sleep 0.3 # the log line follows the picture
grep -F "$testapp" "$work/defib.log" | grep -F 'trigger=' | sed 's/^/  /' || true
scrape | grep -E "^docker_container_exit_code[{].*$testapp|^(defib_restarts_total|defib_recovery_seconds_sum)[{].*trigger=\"exited\"" |
	sed 's/^/  /' || true
echo
echo "Look at       http://127.0.0.1:$port/ and http://127.0.0.1:$port/metrics"
if [[ ${DEMO_EXIT:-} == 1 ]]; then exit 0; fi
echo "Try           docker kill $testapp   (back after 10 s: somebody stopped it)"
echo 'End           Ctrl-C'
echo
trap 'echo; exit 0' INT TERM HUP
bound tail -n 0 -F "--pid=$defib" "$work/defib.log" 2>/dev/null &
follower=$!
wait "$defib" || true
defib=''
fail 'Defib ended by itself. The end of its log:' "$(tail -n 5 "$work/defib.log")"
