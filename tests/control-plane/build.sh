#!/usr/bin/env bash
# Builds the API server, etcd, kubectl and the controller manager that the tests run against, from their published
# modules as go.mod pins them. The first time takes about seven minutes on two cores; later calls do nothing.
# Fetches CRDs of other projects too, which their modules have as files.
#
# `KUBERNETES=1.33` builds the version of the folder of this name, into target/control-plane-1.33.
#
# A binary found in the folder that KUBEBUILDER_ASSETS names is not built: with setup-envtest's folder only the
# controller manager is, which setup-envtest lacks. tests/support/control_plane.rs looks in the same order.
set -euo pipefail

# Folder, module, version and checksum of the modules with CRDs. The checksum is that of go.sum. They are not in it: no
# package of them is built, so `go mod tidy` would remove the lines, and a `require` would change versions of the
# control plane.
cert_manager="cert-manager github.com/cert-manager/cert-manager v1.21.2 h1:UWgoYM+KLNtRlqmoWOKjKBOBUPVHeepQ6/ac3ERJW68="
policies="network-policy-api sigs.k8s.io/network-policy-api v0.3.0 h1:RL6fVXiix9IW1pj0ImkW645m+EWmb3dBGCiW19bg5+k="
reports="openreports github.com/openreports/reports-api v0.2.1 h1:g9KS3yle9Y1elmww4TK9EkD1rl6inIaiIJPX6e+u680="
old_policies="network-policy-api-v1alpha1 sigs.k8s.io/network-policy-api v0.1.7 h1:obY2FTEidLXVdRYu7gJ4q1RYE57pBnrpMqoE2LZgp4g="

cd "$(dirname "$0")/../.." # where cargo runs tests too, so that a relative KUBEBUILDER_ASSETS means the same
source="tests/control-plane"
target="$PWD/target"
out="$target/control-plane"
if [ -n "${KUBERNETES:-}" ]; then
  source+="/$KUBERNETES"
  out+="-$KUBERNETES"
  unset KUBEBUILDER_ASSETS # it has binaries of any version
fi

fail() {
  echo "control plane: $1" >&2
  exit 1
}

# Told to the binaries by the linker.
kubernetes="$(sed -n 's/^\tk8s.io\/kubernetes \(v[^ ]*\).*/\1/p' "$source/go.mod" 2>/dev/null || true)"
[ -n "$kubernetes" ] || fail "there is no Kubernetes ${KUBERNETES:-} here: expected tests/control-plane/VERSION/go.mod"

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

# Given binaries may come without Go and without a network. The tests that need the CRDs are ignored then.
no_crds() {
  [ ${#packages[@]} -eq 0 ] || fail "$1"
  echo "control plane: $1; tests that need its CRDs are ignored" >&2
}

field() { # field NAME, of Go's JSON output
  sed -n "s/^[[:space:]]*\"$1\": \"\(.*\)\",*\$/\1/p"
}

fetch_crds() { # fetch_crds FOLDER MODULE VERSION CHECKSUM PATH..., each path a file of the module
  local folder="$1" module="$2" version="$3" expected="$4" output sum from path
  shift 4
  if [ -d "${KUBEBUILDER_ASSETS:+$KUBEBUILDER_ASSETS/$folder}" ]; then
    echo "control plane: using $KUBEBUILDER_ASSETS/$folder"
    return
  fi
  [ "$expected $*" != "$(cat "$out/$folder/stamp" 2>/dev/null || true)" ] || return 0
  if ! command -v go >/dev/null; then
    no_crds "'go' is missing, which fetches $module"
    return
  fi
  if ! output="$(go -C "$source" mod download -json "$module@$version")"; then
    no_crds "$module $version could not be fetched: $(field Error <<<"$output")"
    return
  fi
  sum="$(field Sum <<<"$output")"
  from="$(field Dir <<<"$output")"
  [ "$sum" = "$expected" ] || fail "$module $version is $sum, and not $expected as pinned here"
  begin
  for path in "$@"; do
    install -D -m 644 "$from/$path" "$work/${path#*crd*/}"
  done
  printf '%s\n' "$expected $*" >"$work/stamp"
  mkdir -p "$out"
  rm -rf "${out:?}/$folder"
  mv "$work" "$out/$folder"
  touch build.rs # looks for the folder
  echo "control plane: the CRDs of $module $version are in $out/$folder"
}

# A checksum, not a date: a fresh clone beside a kept target folder has new dates only.
stamp="$(cksum "$source/go.mod" "$source/go.sum" tests/control-plane/build.sh)"
if [ ${#packages[@]} -eq 0 ] ||
  { [ "$missing" = no ] && [ "$stamp" = "$(cat "$out/stamp" 2>/dev/null || true)" ]; }; then
  echo "control plane: up to date"
else
  build
fi
# shellcheck disable=SC2086 # each has four words
{
  fetch_crds $cert_manager deploy/crds/cert-manager.io_{certificates,issuers}.yaml
  fetch_crds $policies config/crd/{standard,experimental}/policy.networking.k8s.io_clusternetworkpolicies.yaml
  fetch_crds $reports config/crd/openreports.io_reports.yaml
  fetch_crds $old_policies config/crd/{standard,experimental}/policy.networking.k8s.io_{,baseline}adminnetworkpolicies.yaml
}
