#!/usr/bin/env bash
# Checks the laws for long: ends Defib and the engine around every step of a re-creation, has
# two hosts heal their own while the servers that they share are killed, has tasks of a swarm
# of three nodes be ended, then lets a fleet of containers live under faults. As root: the end
# are the two hosts once more, with the Alertmanager of sid, which can put the host into a URL.
# LENGTH is how long the fleet lives (30m), SEED what happens (another each time). LIVES=1 has
# Defib end in each round, and not only in every fourth. FAILURES is how often containers of
# each of the two hosts become unhealthy (100, about 15 minutes).
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH=$PATH:/usr/sbin:/sbin CI=true
scripts/install.sh dockerd ip prometheus prometheus-alertmanager
go test -count=1 -timeout 0 -run 'Law5' ./engine/internal/store -random 500
go test -count=1 -timeout 0 -run 'TestRecreationOutlives' -v ./e2e -deaths.all -parallel 2
go test -count=1 -timeout 0 -v ./e2e/hosts -hosts.failures "${FAILURES:-100}"
go test -count=1 -timeout 0 -v ./e2e/swarm -swarm.rounds 10
go test -count=1 -timeout 0 -run 'TestLawsHoldInChaos' -v ./e2e/chaos -chaos.length "${LENGTH:-30m}" -chaos.seed "${SEED:-0}" ${LIVES:+-chaos.lives}
SUITES=sid RUN=TestEachHostHealsItsOwnOnce/a_templated FAILURES=${FAILURES:-100} scripts/test-engines.sh
