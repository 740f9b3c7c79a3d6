#!/usr/bin/env bash
# Runs the benchmarks and nothing else, about an hour on two idle cores. No
# -race: it would measure itself. The numbers of one run compare with each other;
# benchstat compares bench.txt with that of another run.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/sbin:/sbin # where dockerd lives; not on every user's PATH
scripts/install.sh dockerd ip
{
	go test -run '^$' -bench . -benchmem -benchtime 0.3s -count 5 $(go list ./... | grep -v /e2e)
	go test -run '^$' -bench . -benchtime 1x -timeout 0 ./e2e/bench
} | tee bench.txt
