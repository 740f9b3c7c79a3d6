#!/usr/bin/env bash
# package.sh ARCH BINARY: makes the Debian package dist/defib_VERSION_ARCH.deb of a binary that
# was built for ARCH: amd64, arm64 or armv7. The same binary gives the same package.
#
# VERSION=1.2.3: instead of that of the file VERSION. DIST=FOLDER: instead of dist.
set -euo pipefail
umask 022
binary=$(realpath "$2")
cd "$(dirname "$0")/.."

case $1 in
armv7) ARCH=armhf ;; # Debian's name
*) ARCH=$1 ;;
esac
VERSION=${VERSION:-$(cat VERSION)}
VERSION=${VERSION/-/\~} # sorts before the release
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -c safe.directory="$PWD" log -1 --format=%ct)}
BINARY=$binary
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
export ARCH VERSION SOURCE_DATE_EPOCH BINARY WORK
unset GOOS GOARCH GOARM # what runs here runs on this machine

at() { date -u -d "@$SOURCE_DATE_EPOCH" "$@"; }
go run ./internal/manual "$VERSION" "$(at +%F)" | gzip -9n >"$WORK/defib.1.gz"
sed 's|/usr/local/bin/|/usr/bin/|' deploy/systemd/defib.service >"$WORK/defib.service"
gzip -9n >"$WORK/changelog.gz" <<END
defib ($VERSION) stable; urgency=medium

  * What is new is in /usr/share/doc/defib/CHANGELOG.md.

 -- $(sed -n 's/^maintainer: //p' deploy/debian/nfpm.yaml)  $(at -R)
END
mkdir "$WORK/doc"
scripts/documents.sh "$WORK/doc"
scripts/licenses.sh | gzip -9n >"$WORK/doc/THIRD_PARTY_LICENSES.gz"
mv "$WORK"/doc/{deploy,examples} # where they are in Debian
find "$WORK" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

mkdir -p "${DIST:-dist}"
go run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0 package --config deploy/debian/nfpm.yaml --packager deb \
	--target "${DIST:-dist}/defib_${VERSION/\~/-}_$ARCH.deb" # no ~: GitHub would rename it
