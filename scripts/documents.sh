#!/usr/bin/env bash
# documents.sh FOLDER: copies into FOLDER what belongs to a release beside the program: the
# documentation, and all that it leads to, but no Go. It is what git knows, and no secret that
# somebody has put beside it.
set -euo pipefail
folder=$(realpath "$1")
cd "$(dirname "$0")/.."
# The clone may be another user's.
git -c safe.directory="$PWD" ls-files -z ':(glob)*.md' docs deploy alerts/containers.yml alerts/healing.yml ':!*.go' ':!*.gitignore' ':!deploy/debian' |
	tar -c --null -T - --mode=u=rwX,go=rX | tar -x -C "$folder"
