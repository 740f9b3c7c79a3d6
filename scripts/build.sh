#!/bin/sh
# Builds the static binary ./defib (or OUTPUT), here and in the Dockerfile's first
# stage, where there is no git: there REVISION and BRANCH come from outside.
set -eu
cd "$(dirname "$0")/.."

ask_git() { git "$@" 2>/dev/null || echo unknown; }

revision=${REVISION:-$(ask_git rev-parse --verify -q HEAD)}
branch=${BRANCH:-$(ask_git symbolic-ref --short -q HEAD)}
date=$(date -u ${SOURCE_DATE_EPOCH:+-d "@$SOURCE_DATE_EPOCH"} +%Y%m%d-%H:%M:%S)

v=github.com/prometheus/common/version
# Defib speaks HTTP/1.1 alone: HTTP/2 would be 0.6 MB of code that listens. Without inlining
# protobuf, in which hardly any scrape is written, is 0.15 MB smaller.
CGO_ENABLED=0 go build -o "${OUTPUT:-defib}" -tags nethttpomithttp2 -gcflags='google.golang.org/protobuf/...=-l' -trimpath -buildvcs=false -ldflags "-s -w \
	-X $v.Version=$(cat VERSION) -X $v.Revision=$revision \
	-X $v.Branch=$branch -X $v.BuildDate=$date" .
