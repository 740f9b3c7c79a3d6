#!/bin/sh
# image.sh [ARGS...]: builds the image with the Go release that go.mod names; arguments are
# those of docker build, and without any it is for this machine's engine, as defib.
set -eu
cd "$(dirname "$0")/.."
version=$(cat VERSION)
if [ $# = 0 ]; then set -- -t "defib:$version" -t defib:latest; fi
exec docker build \
	--build-arg GO_VERSION="$(sed -n 's/^go //p' go.mod)" \
	--build-arg VERSION="$version" \
	--build-arg REVISION="$(git rev-parse --verify -q HEAD 2>/dev/null || echo unknown)" \
	"$@" .
