#!/bin/sh
# Builds the static binary ./defib (or OUTPUT), here and in the Dockerfile's first stage.
set -eu
cd "$(dirname "$0")/.."

# Go puts the commit and its time into the program, but not in a worktree that git has added,
# and fails if git cannot read them, as in a clone of another owner.
stamp=false
if git rev-parse --verify -q HEAD >/dev/null 2>&1; then stamp=true; fi

# Defib speaks HTTP/1.1 alone: HTTP/2 would be 0.6 MB of code that listens. Without inlining
# the program is 0.25 MB smaller: in protobuf, in which hardly any scrape is written, and in
# the reader of flags.
CGO_ENABLED=0 go build -o "${OUTPUT:-defib}" -tags nethttpomithttp2 -gcflags='google.golang.org/protobuf/...=-l' -gcflags='github.com/alecthomas/...=-l' \
	-trimpath -buildvcs=$stamp -ldflags='-s -w' .
