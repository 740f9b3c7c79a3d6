#!/usr/bin/env bash
# Builds what is released, from the commit that is checked out, into dist/: for
# each architecture a static binary, an archive, a Debian package and a list of what is in
# the binary (an SBOM), and their checksums. All in dist/ is built twice, the second time in
# another place and from nothing, and must come out the same. If there is an engine,
# the images are built as well, as defib:VERSION-ARCH, and hold the same programs.
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
GOTOOLCHAIN=go$(sed -n 's/^go //p' go.mod) # another release of Go compiles other bytes
export GOTOOLCHAIN

sbom_tool=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT
# Go writes the tag into the binaries: it is there, whether the commit has it yet or not.
for place in here elsewhere; do
	git -c advice.detachedHead=false clone -q --no-hardlinks --no-tags . "$work/$place"
	git -C "$work/$place" tag "v$version"
done

GOBIN=$work/bin go install "$sbom_tool"

# for_arch ARCH PROGRAM ARGS...
for_arch() {
	local arch=$1 arm=''
	if [[ $arch == armv7 ]]; then arch=arm arm=7; fi
	shift
	CGO_ENABLED=0 GOOS=linux GOARCH=$arch GOARM=$arm "$@"
}

# archive CLONE BINARY: the binary and what belongs to it. Whoever makes it, and when, it is
# the same.
archive() {
	local name root
	name=$(basename "$2")
	root=$1.archive/$name
	mkdir -p "$root"
	install -m 755 "$2" "$root/defib"
	install -m 644 "$1/LICENSE" "$root"
	"$1/scripts/licenses.sh" >"$root/THIRD_PARTY_LICENSES"
	"$1/scripts/documents.sh" "$root"
	tar --format=ustar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
		-C "$1.archive" -c "$name" | gzip -9n >"$2.tar.gz"
}

# sbom CLONE ARCH BINARY: which modules are in the binary, and under which licences.
sbom() {
	local tags
	tags=$(go version -m "$3" | sed -n 's/^\tbuild\t-tags=//p')
	GOFLAGS=-tags=$tags for_arch "$2" "$work/bin/cyclonedx-gomod" app -json -std -licenses -noserial -notimestamp \
		-output "$3.cdx.json" "$1" 2>"$work/sbom.log" || fail "$(cat "$work/sbom.log")"
	# The tool's own hashes are others on each kind of machine.
	sed -i '/^    "tools": \[$/,/^    \],$/ { /^        "hashes": \[$/,/^        \],$/d }' "$3.cdx.json"
}

# build CLONE DIR: all that is released, from the clone into the directory.
build() {
	local arch name
	mkdir "$2"
	for arch in "${arches[@]}"; do
		name=$2/defib-$version-linux-$arch
		OUTPUT=$name for_arch "$arch" "$1/scripts/build.sh"
		archive "$1" "$name"
		DIST=$2 "$1/scripts/package.sh" "$arch" "$name"
		sbom "$1" "$arch" "$name"
	done
	(cd "$2" && sha256sum -- * >sha256sums.txt)
}

# check BINARY: what it must not be.
check() {
	local path size info modules
	for path in "$PWD" "$work" "$(go env GOMODCACHE)" "$(go env GOROOT)"; do
		! grep -lF "$path/" "$1" "$1.cdx.json" || fail "The path $path of this machine is in it."
	done
	info=$(go version -m "$1")
	[[ $info == *CGO_ENABLED=0* ]] || fail "$1: it is not static"
	[[ $info == *vcs.revision=$revision*vcs.modified=false* ]] || fail "$1: it is not known to be of this commit"
	modules=$(grep -c $'^\tdep\t' <<<"$info")
	[[ $(grep -c '^      "type": "library",$' "$1.cdx.json") == $((modules + 1)) ]] ||
		fail "$1.cdx.json: not the $modules modules and the standard library that are in the binary"
	size=$(stat -c %s "$1")
	((size <= limit)) || fail "$1: $size bytes, more than $limit"
	printf '%-40s %9d bytes, %d modules and the standard library\n' "$1" "$size" "$modules"
}

# images builds the images where that is possible.
images() {
	local base arch
	base=golang:$(sed -n 's/^go //p' go.mod)
	if ! docker version >/dev/null 2>&1; then
		echo 'No image: there is no engine.'
	elif ! docker image inspect "$base" >/dev/null 2>&1 && ! docker pull -q "$base" >/dev/null 2>&1; then
		echo "No image: $base can be had from nowhere."
	else
		for arch in "${arches[@]}"; do image "$arch" "defib:$version-$arch"; done
	fi
}

buildkit() { [[ ${DOCKER_BUILDKIT:-1} != 0 ]] && docker buildx version >/dev/null 2>&1; }

# image ARCH TAG. The builder that Docker had before BuildKit takes no stage of another
# architecture, and so builds for its own alone.
image() {
	local arch=$1 variant='' platform container size
	if [[ $arch == armv7 ]]; then arch=arm variant=v7; fi
	platform=linux/$arch${variant:+/$variant}
	if [[ $arch != "$(docker version -f '{{.Server.Arch}}')" ]] && ! buildkit; then
		echo "No image $2: without BuildKit (docker-buildx) there are those of the engine's architecture only."
		return
	fi
	"$work/here/scripts/image.sh" --platform "$platform" -t "$2"
	container=$(docker create --platform "$platform" "$2" 2>/dev/null) # it warns of another architecture
	docker cp "$container:/defib" "$work/program"
	docker rm -v "$container" >/dev/null
	cmp "$work/program" "dist/defib-$version-linux-$1" || fail "$2: the program in it is not the one in dist/"
	size=$(docker image inspect -f '{{.Size}}' "$2")
	((size <= limit)) || fail "$2: $size bytes, more than $limit"
	printf '%-40s %9d bytes, with the program in dist/\n' "$2" "$size"
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
echo 'All in dist/ was built twice alike:'
cat dist/sha256sums.txt
images
