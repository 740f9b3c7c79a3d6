#!/usr/bin/env bash
# Runs the benchmarks and nothing else. No -race: it would measure itself.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/sbin:/sbin # where dockerd lives; not on every user's PATH
scripts/install.sh dockerd
go test -run '^$' -bench . -benchmem -timeout 20m ./... | tee bench.txt
