#!/usr/bin/env bash
# Builds what is released, from the commit that is checked out, into dist/: for
# each architecture a static binary and an archive, their checksums, and the image
# if there is an engine. All in dist/ is built twice, the second time in another
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
revision=$(git rev-parse HEAD)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
unset GOAMD64 GOARM64 GOEXPERIMENT GOFLAGS

work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
# Go writes the tag into the binaries: it is there, whether the commit has it yet or not.
for place in here elsewhere; do
	git clone -q --no-hardlinks --no-tags . "$work/$place"
	git -C "$work/$place" tag "v$version"
done

# binary CLONE ARCH OUTPUT
binary() {
	local arch=$2 arm=''
	if [[ $arch == armv7 ]]; then arch=arm arm=7; fi
	GOOS=linux GOARCH=$arch GOARM=$arm OUTPUT=$3 "$1/scripts/build.sh"
}

# archive CLONE BINARY: the binary and what belongs to it: all that the docs lead
# to, but no Go. Whoever makes it, and when, it is the same.
archive() {
	local name root pages
	name=$(basename "$2")
	root=$1.archive/$name
	mkdir -p "$root"
	pages=$(cd "$1" && echo *.md)
	install -m 755 "$2" "$root/defib"
	# shellcheck disable=SC2086 # several names
	tar -C "$1" -c --exclude='*.go' LICENSE $pages docs deploy alerts/containers.yml alerts/healing.yml | tar -x -C "$root"
	tar --format=ustar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
		-C "$1.archive" -c "$name" | gzip -9n >"$2.tar.gz"
}

# build CLONE DIR: all that is released, from the clone into the directory.
build() {
	local arch name
	mkdir "$2"
	for arch in "${arches[@]}"; do
		name=$2/defib-$version-linux-$arch
		binary "$1" "$arch" "$name"
		archive "$1" "$name"
	done
	(cd "$2" && sha256sum -- * >sha256sums.txt)
}

# check BINARY: what it must not be.
check() {
	local path size info
	for path in "$PWD" "$work" "$(go env GOMODCACHE)" "$(go env GOROOT)"; do
		! grep -qF "$path/" "$1" || fail "$1: the path $path of this machine is in it"
	done
	info=$(go version -m "$1")
	[[ $info == *CGO_ENABLED=0* ]] || fail "$1: it is not static"
	[[ $info == *vcs.revision=$revision*vcs.modified=false* ]] || fail "$1: it is not known to be of this commit"
	size=$(stat -c %s "$1")
	((size <= limit)) || fail "$1: $size bytes, more than $limit"
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

echo "Defib $version of $revision, by $(go env GOVERSION)"
rm -rf dist
build "$work/here" "$PWD/dist"
for arch in "${arches[@]}"; do check "dist/defib-$version-linux-$arch"; done
(
	[[ ${QUICK:-} == 1 ]] || export GOCACHE="$work/cache"
	export TZ=Asia/Kathmandu LC_ALL=C
	umask 077
	build "$work/elsewhere" "$work/again"
)
diff -r dist "$work/again" || fail 'Built again, it differs.'
echo 'dist/, built twice alike:'
(cd dist && stat -c '%9s bytes  %n' -- *)
image
