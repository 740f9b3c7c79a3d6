#!/bin/sh
# Runs actionlint and golangci-lint without making them dependencies in go.mod. Go keeps
# what it builds, so only the first run is slow (about 2 minutes on two cores).
set -eu
cd "$(dirname "$0")/.."
# Shellcheck may be there or not: it would find different things on different machines.
go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12 -shellcheck= -pyflakes= .github/workflows/*.yml
exec go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run ./... "$@"
