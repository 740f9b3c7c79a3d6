#!/bin/sh
# Runs golangci-lint without making it a dependency in go.mod. Go keeps what it
# builds, so only the first run is slow (about 2 minutes on two cores).
set -eu
cd "$(dirname "$0")/.."
exec go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run ./... "$@"
