#!/usr/bin/env bash
# publish-image.sh push NAME [ARGS...]: after make release, builds the image for all that it
# built for, pushes it without a tag, and makes sure that the programs in it are those in dist/.
# Prints digest=DIGEST. If NAME:VERSION is there already, as when a run that failed later on is
# repeated, it is that one. Arguments are those of docker build; BUILDX_BUILDER names a builder
# for several platforms at once.
#
# publish-image.sh tag NAME DIGEST: gives it the name NAME:VERSION, and NAME:latest unless it is
# a pre-release or there is a tag of a newer version.
set -euo pipefail
cd "$(dirname "$0")/.."
action=$1 name=${2,,} version=$(cat VERSION)
shift 2

# digest_of REFERENCE; "" if there is none.
digest_of() { docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$1" 2>/dev/null || true; }

push() {
	local digest platform container work
	work=$(mktemp -d)
	digest=$(digest_of "$name:$version")
	if [[ ! $digest ]]; then
		SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) scripts/image.sh --platform linux/amd64,linux/arm64,linux/arm/v7 \
			--output "type=image,name=$name,push-by-digest=true,name-canonical=true,push=true" --metadata-file "$work/metadata" "$@" >&2
		digest=$(sed -n 's/.*"containerimage\.digest": "\(sha256:[0-9a-f]*\)".*/\1/p' "$work/metadata")
	fi
	for platform in amd64 arm64 arm/v7; do
		container=$(docker create -q --platform "linux/$platform" "$name@$digest")
		docker cp -q "$container:/defib" "$work/defib"
		docker rm -v "$container" >&2
		cmp "$work/defib" "dist/defib-$version-linux-${platform/\//}"
	done
	rm -rf "$work"
	echo "digest=$digest"
}

tag() {
	local newest
	newest=$(git ls-remote --tags --refs origin 'v*' | sed 's|.*refs/tags/v||' | grep -v - | sort -V | tail -n 1)
	if [[ ! $(digest_of "$name:$version") ]]; then docker buildx imagetools create -t "$name:$version" "$name@$1"; fi
	if [[ $version == "$newest" ]]; then docker buildx imagetools create -t "$name:latest" "$name@$1"; fi
}

"$action" "$@"
