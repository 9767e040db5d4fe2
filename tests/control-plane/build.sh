#!/usr/bin/env bash
# Builds the API server, etcd, kubectl and the controller manager that the tests run against, from their published
# modules as go.mod pins them. The first time takes about seven minutes on two cores; later calls do nothing.
# Fetches the definitions of cert-manager's kinds too, which its module has as files.
#
# A binary found in the folder that KUBEBUILDER_ASSETS names is not built: with setup-envtest's folder only the
# controller manager is, which setup-envtest lacks. tests/support/control_plane.rs looks in the same order.
set -euo pipefail

kubernetes=v1.36.3 # as in go.mod; what the binaries say about themselves
cert_manager=v1.21.2
# As go.sum would have it. Not there: no package of it is built, so `go mod tidy` would take the line out, and requiring
# the module would move versions of the control plane.
cert_manager_sum=h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68=

cd "$(dirname "$0")/../.." # where cargo runs tests too, so that a relative KUBEBUILDER_ASSETS means the same
source="tests/control-plane"
target="$PWD/target"
out="$target/control-plane"

packages=()
want() { # want BINARY PACKAGE
  if [ -x "${KUBEBUILDER_ASSETS:+$KUBEBUILDER_ASSETS/$1}" ]; then
    echo "control plane: using $KUBEBUILDER_ASSETS/$1"
    return
  fi
  packages+=("$2")
  [ -x "$out/$1" ] || missing=yes
}
missing=no
want kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver
want kubectl k8s.io/kubernetes/cmd/kubectl
want kube-controller-manager k8s.io/kubernetes/cmd/kube-controller-manager
want etcd go.etcd.io/etcd/server/v3

fail() {
  echo "control plane: $1" >&2
  exit 1
}

# Made beside its place and moved there whole, stamp and all: what was interrupted is never taken for good.
begin() {
  mkdir -p "$target"
  find "$target" -maxdepth 1 -name 'control-plane.*' -mmin +120 -exec rm -rf {} + # left by calls that were killed
  work="$(mktemp -d "$target/control-plane.XXXXXX")"
  trap 'rm -rf "$work"' EXIT
  chmod 755 "$work" # mktemp's is closed to others
}

build() {
  command -v go >/dev/null || fail "'go' is missing. Install Go 1.26 or newer, or name a folder with etcd, \
kube-apiserver, kubectl and kube-controller-manager in KUBEBUILDER_ASSETS."
  # kubectl refuses a server whose version it cannot parse, and both take theirs from the linker.
  local number="${kubernetes#v}" flags="-s -w" package
  local minor="${number#*.}"
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$kubernetes"
    flags+=" -X $package.gitMajor=${number%%.*} -X $package.gitMinor=${minor%%.*}"
  done
  begin
  echo "control plane: building ${packages[*]} (minutes, the first time)"
  # No cgo, as in the released binaries: no C compiler is needed. The module files are never changed from here.
  CGO_ENABLED=0 go -C "$source" build -mod=readonly -buildvcs=false -trimpath -ldflags "$flags" -o "$work/" \
    "${packages[@]}"
  [ ! -e "$work/server" ] || mv "$work/server" "$work/etcd" # named after its module's folder
  printf '%s\n' "$stamp" >"$work/stamp"
  rm -rf "$out"
  mv "$work" "$out"
  echo "control plane: built in $out"
}

# Whoever brings the binaries may have neither Go nor a network; then a test passes over cert-manager, and says so.
no_kinds() {
  [ ${#packages[@]} -eq 0 ] || fail "$1"
  echo "control plane: $1; the overlay for cert-manager is not tested" >&2
}

field() { # field NAME, of what Go tells as JSON
  sed -n "s/^[[:space:]]*\"$1\": \"\(.*\)\",*\$/\1/p"
}

# Of cert-manager only the kinds that our manifests use.
fetch_kinds() {
  local module=github.com/cert-manager/cert-manager told sum from kind
  if ! command -v go >/dev/null; then
    no_kinds "'go' is missing, which fetches $module"
    return
  fi
  if ! told="$(go -C "$source" mod download -json "$module@$cert_manager")"; then
    no_kinds "$module $cert_manager could not be fetched: $(field Error <<<"$told")"
    return
  fi
  sum="$(field Sum <<<"$told")"
  from="$(field Dir <<<"$told")"
  [ "$sum" = "$cert_manager_sum" ] || fail "$module $cert_manager is $sum, and not $cert_manager_sum as pinned here"
  begin
  for kind in certificates issuers; do
    install -m 644 "$from/deploy/crds/cert-manager.io_$kind.yaml" "$work/$kind.yaml"
  done
  printf '%s\n' "$cert_manager_sum" >"$work/stamp"
  mkdir -p "$out"
  rm -rf "$out/cert-manager"
  mv "$work" "$out/cert-manager"
  echo "control plane: the kinds of cert-manager $cert_manager are in $out/cert-manager"
}

# A checksum, not a date: a fresh clone beside a kept target folder has new dates only.
stamp="$(cksum "$source/go.mod" "$source/go.sum" "$source/build.sh")"
if [ ${#packages[@]} -eq 0 ] ||
  { [ "$missing" = no ] && [ "$stamp" = "$(cat "$out/stamp" 2>/dev/null || true)" ]; }; then
  echo "control plane: up to date"
else
  build
fi
if [ -d "${KUBEBUILDER_ASSETS:+$KUBEBUILDER_ASSETS/cert-manager}" ]; then
  echo "control plane: using $KUBEBUILDER_ASSETS/cert-manager"
elif [ "$cert_manager_sum" != "$(cat "$out/cert-manager/stamp" 2>/dev/null || true)" ]; then
  fetch_kinds
fi
