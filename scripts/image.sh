#!/bin/sh
# Builds the image with the Go release that go.mod names.
set -eu
cd "$(dirname "$0")/.."
version=$(cat VERSION)
exec docker build \
	--build-arg GO_VERSION="$(sed -n 's/^go //p' go.mod)" \
	--build-arg VERSION="$version" \
	--build-arg REVISION="$(git rev-parse --verify -q HEAD 2>/dev/null || echo unknown)" \
	-t "defib:$version" -t defib:latest .
