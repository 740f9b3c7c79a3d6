#!/usr/bin/env bash
# publish-image.sh NAME [ARGS...]: after make release, builds the image for all that it built
# for, pushes it as NAME:VERSION, and makes sure that the programs in it are those in dist/.
# What is no pre-release is NAME:latest from then on. Prints digest=DIGEST. Arguments are those
# of docker build; BUILDX_BUILDER names a builder for several platforms at once.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1,,} version=$(cat VERSION)
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

scripts/image.sh --platform linux/amd64,linux/arm64,linux/arm/v7 -t "$name:$version" --push \
	--metadata-file "$work/metadata" "$@" >&2
digest=$(sed -n 's/.*"containerimage\.digest": "\(sha256:[0-9a-f]*\)".*/\1/p' "$work/metadata")
for platform in amd64 arm64 arm/v7; do
	container=$(docker create -q --platform "linux/$platform" "$name@$digest")
	docker cp -q "$container:/defib" "$work/defib"
	docker rm -v "$container" >&2
	cmp "$work/defib" "dist/defib-$version-linux-${platform/\//}"
done
if [[ $version != *-* ]]; then docker buildx imagetools create -t "$name:latest" "$name@$digest" >&2; fi
echo "digest=$digest"
