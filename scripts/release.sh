#!/usr/bin/env bash
# Builds what is released, from the commit that is checked out, into dist/: for
# each architecture a static binary and an archive, their checksums, and the image
# if there is an engine. Each binary is built twice, the second time in another
# place and from nothing, and must come out the same.
#
# ARCHES="amd64 armv7": build for these only.
# QUICK=1: the second time, use what was compiled the first time.
set -euo pipefail
cd "$(dirname "$0")/.."

limit=16000000 # bytes, of a binary and of the image
read -ra arches <<<"${ARCHES:-amd64 arm64 armv7}"

fail() {
	printf '%s\n' "$@" >&2
	exit 1
}

changes=$(git status --porcelain)
[[ -z $changes ]] || fail 'The release is built from a commit, and these are not in it:' "$changes"
version=$(cat VERSION)
REVISION=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export REVISION SOURCE_DATE_EPOCH BRANCH=release # whatever the branch is called here
unset GOAMD64 GOARM64 GOEXPERIMENT GOFLAGS

work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
mkdir -p "$work"/{here,elsewhere}/src
for place in here elsewhere; do git archive HEAD | tar -x -C "$work/$place/src"; done
rm -rf dist
mkdir dist

# build PLACE ARCH OUTPUT
build() {
	local arch=$2 arm=''
	if [[ $arch == armv7 ]]; then arch=arm arm=7; fi
	(cd "$work/$1/src" && GOOS=linux GOARCH=$arch GOARM=$arm OUTPUT=$3 scripts/build.sh)
}

# same BINARY ARCH: whether it can be built again, and what it must not be.
same() {
	local size
	(
		[[ ${QUICK:-} == 1 ]] || export GOCACHE="$work/cache"
		build elsewhere "$2" "$work/again"
	)
	cmp "$1" "$work/again" || fail "$1: built again, it differs"
	for path in "$PWD" "$work" "$(go env GOMODCACHE)" "$(go env GOROOT)"; do
		! grep -qF "$path/" "$1" || fail "$1: the path $path of this machine is in it"
	done
	go version -m "$1" | grep -q 'CGO_ENABLED=0' || fail "$1: it is not static"
	size=$(stat -c %s "$1")
	((size <= limit)) || fail "$1: $size bytes, more than $limit"
	printf '%-40s %9d bytes, built twice alike\n' "$1" "$size"
}

# archive NAME: the binary of that name and what belongs to it: all that the docs
# lead to, but no Go. Whoever makes it, and when, it is the same.
archive() {
	local root=$work/$1 pages
	mkdir "$root"
	pages=$(cd "$work/here/src" && echo *.md)
	install -m 755 "dist/$1" "$root/defib"
	# shellcheck disable=SC2086 # several names
	tar -C "$work/here/src" -c --exclude='*.go' LICENSE $pages docs deploy alerts/containers.yml alerts/healing.yml | tar -x -C "$root"
	tar --format=ustar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
		-C "$work" -c "$1" | gzip -9n >"dist/$1.tar.gz"
}

# image builds the image where that is possible.
image() {
	local base size
	base=golang:$(sed -n 's/^go //p' go.mod)
	if ! docker version >/dev/null 2>&1; then
		echo 'No image: there is no engine.'
	elif ! docker image inspect "$base" >/dev/null 2>&1 && ! docker pull -q "$base" >/dev/null 2>&1; then
		echo "No image: $base can be had from nowhere."
	else
		scripts/image.sh
		size=$(docker image inspect -f '{{.Size}}' "defib:$version")
		((size <= limit)) || fail "defib:$version: $size bytes, more than $limit"
		printf '%-40s %9d bytes\n' "defib:$version" "$size"
	fi
}

echo "Defib $version of $REVISION, by $(go env GOVERSION)"
for arch in "${arches[@]}"; do
	name=defib-$version-linux-$arch
	build here "$arch" "$PWD/dist/$name"
	same "dist/$name" "$arch"
	archive "$name"
done
(cd dist && sha256sum -- * >sha256sums.txt)
image
