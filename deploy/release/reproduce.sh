#!/usr/bin/env bash
# Builds the static binary from a copy of the sources at another path, and holds it against BINARY: `reproduce.sh BINARY`.
set -euo pipefail
cd "$(dirname "$0")/../.."

copy="$(mktemp -d "${TMPDIR:-/tmp}/openbao-perimeter-at-another-path.XXXXXX")"
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard | tar --create --null --files-from - | tar --extract --directory "$copy"
make --directory "$copy" static
sha256sum "$1" "$copy/target/static/openbao-perimeter"
if ! cmp "$1" "$copy/target/static/openbao-perimeter"; then
  echo "release: the two binaries differ; paths in them:" >&2
  strings "$1" | grep -F -e "$PWD" -e "${CARGO_HOME:-$HOME/.cargo}" | sort -u | head -n 20 >&2 || true
  exit 1
fi
echo "release: both binaries are equal"
