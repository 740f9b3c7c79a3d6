#!/usr/bin/env bash
# Runs every check to its end, so that one run shows all there is to fix.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v go >/dev/null; then
	echo "go is not on the PATH; Defib needs Go $(sed -n 's/^go //p' go.mod) or newer" >&2
	exit 1
fi
export PATH=$PATH:/usr/sbin:/sbin # where dockerd lives; not on every user's PATH
# A clone of another owner has no readable history. The rest is as in what is released, with
# which these builds share much of what they compile.
export GOFLAGS="${GOFLAGS:-} -buildvcs=false -trimpath" CGO_ENABLED=0
export GORACE="${GORACE:-} atexit_sleep_ms=100" # not the second that each program would take to end
scripts/install.sh gcc docker docker-compose docker-compose-v2 dockerd podman prometheus promtool prometheus-alertmanager amtool chromium systemd-analyze systemd-nspawn debootstrap lintian ip fuse-overlayfs rootlesskit slirp4netns newuidmap

failed=()
check() {
	local name=$1 begin=$SECONDS
	shift
	echo "== $name"
	"$@" || failed+=("$name")
	echo "-- $((SECONDS - begin)) s"
}
# On a new machine the linter takes minutes to build. The tests leave processors idle
# while they wait: it gets those, and nothing else.
linted=$(mktemp)
nice -n 19 scripts/lint.sh >"$linted" 2>&1 &
linter=$!
trap 'kill $linter 2>/dev/null || true; rm -f "$linted"' EXIT
lint() {
	local code=0
	wait $linter || code=$?
	cat "$linted"
	return $code
}
check 'build' scripts/build.sh
check 'go vet' go vet ./... # all that is compiled below, which is not vetted again
CGO_ENABLED=1 check 'go test -race' go test -race -vet=off -count=1 -timeout 40m ./...
if ((EUID == 0)); then # starting an engine of one's own, as for Podman, takes root
	DEFIB_E2E_ENGINE=podman CGO_ENABLED=1 check 'go test -race, on Podman' \
		go test -race -vet=off -count=1 -timeout 40m -parallel 10 ./e2e/...
fi
check 'lint' lint

if ((${#failed[@]})); then
	(IFS=, && echo "FAILED: ${failed[*]}") >&2
	exit 1
fi
echo "all checks passed in $SECONDS s"
