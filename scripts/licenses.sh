#!/usr/bin/env bash
# licenses.sh: prints the licenses and notices of what is built into the program beside our own
# code: of Go and of each module, as they lie in the folders of the packages that are used, and in
# those above them, for all architectures that are released.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.."

# license NAME FOLDER [PACKAGE...]: those in a module's folder, and on the way to its packages.
license() {
	local name=$1 root=$2 folder files file
	shift
	files=$(for folder; do
		while [[ $folder/ == "$root"/* ]]; do
			find "$folder" -maxdepth 1 -type f -iregex '.*/\(licen[cs]e\|copying\|notice\|patents\)[^/]*'
			folder=${folder%/*}
		done
	done | sort -u)
	[[ $files ]] || { echo "$name: no license in $root" >&2 && return 1; }
	while read -r file; do
		printf '==== %s: %s\n\n' "$name" "${file#"$root"/}"
		cat "$file"
		printf '\n\n'
	done <<<"$files"
}

# packages ARCH...: their modules' names and versions, their modules' folders, and their own.
packages() {
	local arch
	for arch; do
		CGO_ENABLED=0 GOOS=linux GOARCH=$arch go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}};{{.Dir}};{{$.Dir}}{{end}}{{end}}' .
	done | sort -u
}

license "$(go env GOVERSION)" "$(go env GOROOT)"
packages amd64 arm64 arm |
	awk -F ';' 'NF { of[$1 ";" $2] = of[$1 ";" $2] ";" $3 } END { for (m in of) print m of[m] }' | sort |
	while IFS=';' read -ra module; do license "${module[@]}"; done
