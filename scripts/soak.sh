#!/usr/bin/env bash
# Ends Defib and the engine around every step of a re-creation, then lets a fleet of
# containers live under faults for long, and checks the laws.
# LENGTH is how long (30m), SEED what happens (another each time). LIVES=1 has Defib end in
# each round, and not only in every fourth.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/sbin:/sbin
scripts/install.sh dockerd
go test -count=1 -timeout 0 -run 'Law5' ./engine/internal/store -random 500
export CI=true
go test -count=1 -timeout 0 -run 'TestRecreationOutlives' -v ./e2e -deaths.all
exec go test -count=1 -timeout 0 -run 'TestLawsHoldInChaos' -v ./e2e/chaos -chaos.length "${LENGTH:-30m}" -chaos.seed "${SEED:-0}" ${LIVES:+-chaos.lives}
