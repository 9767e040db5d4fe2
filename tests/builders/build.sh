#!/usr/bin/env bash
# Builds helm, kustomize and actionlint, which tests run, from their published modules as the go.mod of each pins them. The first time
# takes about five minutes on two cores; later calls do nothing. Where one cannot be built, its tests are ignored.
set -euo pipefail

cd "$(dirname "$0")"
out="$(cd ../.. && pwd)/target/builders"
mkdir -p "$out"

build() { # build NAME PACKAGE
  local stamp
  stamp="$(cksum "$1/go.mod" "$1/go.sum")"
  if [ -x "$out/$1" ] && [ "$stamp" = "$(cat "$out/.$1" 2>/dev/null || true)" ]; then
    echo "builders: $1 is up to date"
  elif ! command -v go >/dev/null; then
    echo "builders: 'go' is missing, so $1 is not built; its tests are ignored unless it is on the PATH" >&2
  elif echo "builders: building $1 (minutes, the first time)" &&
    CGO_ENABLED=0 go -C "$1" build -mod=readonly -buildvcs=false -trimpath -ldflags '-s -w' -o "$out/.new" "$2"; then
    mv "$out/.new" "$out/$1"
    touch ../../build.rs # it looks for the programs
    printf '%s\n' "$stamp" >"$out/.$1"
  else
    echo "builders: $1 could not be built; its tests are ignored" >&2
  fi
}

build kustomize sigs.k8s.io/kustomize/kustomize/v5
build helm helm.sh/helm/v4/cmd/helm
build actionlint github.com/rhysd/actionlint/cmd/actionlint
