#!/usr/bin/env bash
# Takes the README's picture, docs/page.png: the page of a Defib that watches real
# containers, on an engine of its own. Needs root; takes a minute and a half.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C
scripts/install.sh docker dockerd chromium
unset "${!DEFIB_@}"

work=$(mktemp -d -t defib-picture.XXXXXX)
export DOCKER_HOST=unix://$work/docker.sock
port=10987
engine='' defib=''

end() {
	[[ ! $defib ]] || { kill "$defib" && wait "$defib"; } || true
	docker ps -aq 2>/dev/null | xargs -r docker rm -f >/dev/null 2>&1 || true
	[[ ! $engine ]] || { kill "$engine" && wait "$engine"; } || true
	rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT TERM HUP

# await WHAT COMMAND...: until it succeeds, for a minute at most.
await() {
	local what=$1 _
	shift
	for _ in {1..120}; do
		"$@" >/dev/null 2>&1 && return
		sleep 0.5
	done
	echo "waited in vain for $what" >&2
	exit 1
}

echo '{}' >"$work/config" # not the machine's own
# The host's name stands at the top of the page, so the engine gets one of its own.
# shellcheck disable=SC2016 # expanded by the inner shell
unshare --uts sh -c 'hostname harbor-3 && exec "$@"' engine \
	dockerd --config-file="$work/config" --host="$DOCKER_HOST" --data-root="$work/data" --exec-root="$work/exec" \
	--pidfile="$work/pid" --bridge=none --iptables=false --ip6tables=false >"$work/dockerd.log" 2>&1 </dev/null &
engine=$!
await 'the engine' docker version

CGO_ENABLED=0 go build -buildvcs=false -o "$work/testapp" ./e2e/testapp
OUTPUT=$work/defib scripts/build.sh
tar -C "$work" -c testapp | docker import -c 'ENTRYPOINT ["/testapp"]' - shop/app:1.4 >/dev/null
tar -C "$work" -c testapp | docker import -c 'ENTRYPOINT ["/testapp"]' \
	-c 'HEALTHCHECK --interval=1s --retries=2 CMD ["/testapp", "-healthcheck"]' - shop/gateway:1.4 >/dev/null

# app NAME ARGUMENTS...: runs a container of that name.
app() {
	local name=$1
	shift
	docker image inspect "shop/$name:1.4" >/dev/null 2>&1 || docker tag shop/app:1.4 "shop/$name:1.4"
	docker run -d --name "$name" --network none "shop/$name:1.4" "$@" >/dev/null
}
for name in db cache web mail search; do app "$name"; done
docker run -d --name metrics --network container:web shop/web:1.4 >/dev/null
app gateway
app importer -after=1s -code=1
app worker -after=2s -code=3

# A day that these containers might have had: restarter/heartbeat writes it so.
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
cat >"$work/state.json" <<-EOF
	{"version": 1, "saved": "$now", "ended": true, "engine": {}, "history": {"since": "$now"},
	 "heartbeat": {"quarter": $(($(date +%s) / 900 - 1)), "strips": {
	  "db": "u96", "web": "u96", "mail": "u96", "metrics": "u96", "gateway": "u71 h2 u23", "importer": "o60 u36",
	  "cache": "u38 d1:868000/900000 u57", "search": "u60 h1:700000/900000 u35", "indexer": "o20 u76",
	  "worker": "u52 d1:880000/900000 u19 d2:200000/900000 u22"}}}
EOF
"$work/defib" --state.file="$work/state.json" --restart.whitelist='db,cache,web,mail,worker,indexer,payments' --web.listen-address="127.0.0.1:$port" >"$work/defib.log" 2>&1 </dev/null &
defib=$!
await 'Defib' bash -c ": <>/dev/tcp/127.0.0.1/$port"
docker exec gateway /testapp -sicken
sleep 36 # the worker crashes again and again
app indexer -after=2s -code=137
sleep 9
chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=1180,700 \
	--screenshot="$PWD/docs/page.png" "http://127.0.0.1:$port/" >/dev/null 2>&1
stat -c '%n: %s bytes' docs/page.png
