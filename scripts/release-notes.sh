#!/bin/sh
# release-notes.sh TAG: prints what CHANGELOG.md says of the release that VERSION names, which
# the tag must be of. In an action on GitHub, links lead to the files of that tag.
set -eu
cd "$(dirname "$0")/.."
version=$(cat VERSION)
if [ "$1" != "v$version" ]; then
	echo "The tag is $1, and VERSION says $version." >&2
	exit 1
fi
notes=$(awk -v version="$version" '/^## / { ours = $2 == version; next } ours' CHANGELOG.md)
if [ -z "$notes" ]; then
	echo "CHANGELOG.md has no section of $version." >&2
	exit 1
fi
files=${GITHUB_REPOSITORY:+$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/blob/$1/}
printf '%s\n' "$notes" | sed "s#](docs/#](${files}docs/#g"
