#!/usr/bin/env bash
# Builds the API server, etcd, kubectl and the controller manager that the tests run against, from their published
# modules as go.mod pins them. The first time takes about seven minutes on two cores; later calls do nothing.
#
# A binary found in the folder that KUBEBUILDER_ASSETS names is not built: with setup-envtest's folder only the
# controller manager is, which setup-envtest lacks. tests/support/control_plane.rs looks in the same order.
set -euo pipefail

kubernetes=v1.36.3 # as in go.mod; what the binaries say about themselves

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

# A checksum, not a date: a fresh clone beside a kept target folder has new dates only.
stamp="$(cksum "$source/go.mod" "$source/go.sum" "$source/build.sh")"
if [ ${#packages[@]} -eq 0 ] ||
  { [ "$missing" = no ] && [ "$stamp" = "$(cat "$out/stamp" 2>/dev/null || true)" ]; }; then
  echo "control plane: up to date"
  exit 0
fi

if ! command -v go >/dev/null; then
  echo "control plane: 'go' is missing. Install Go 1.26 or newer, or name a folder with etcd, kube-apiserver," \
    "kubectl and kube-controller-manager in KUBEBUILDER_ASSETS." >&2
  exit 1
fi

# kubectl refuses a server whose version it cannot parse, and both take theirs from the linker.
number="${kubernetes#v}"
minor="${number#*.}"
flags="-s -w"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  flags+=" -X $package.gitVersion=$kubernetes"
  flags+=" -X $package.gitMajor=${number%%.*} -X $package.gitMinor=${minor%%.*}"
done

# Built beside its place and moved there whole, stamp and all: an interrupted build is never taken for a good one.
mkdir -p "$target"
find "$target" -maxdepth 1 -name 'control-plane.*' -mmin +120 -exec rm -rf {} + # left by builds that were killed
work="$(mktemp -d "$target/control-plane.XXXXXX")"
trap 'rm -rf "$work"' EXIT
echo "control plane: building ${packages[*]} (minutes, the first time)"
# No cgo, as in the released binaries: no C compiler is needed. The module files are never changed from here.
CGO_ENABLED=0 go -C "$source" build -mod=readonly -buildvcs=false -trimpath -ldflags "$flags" -o "$work/" "${packages[@]}"
[ ! -e "$work/server" ] || mv "$work/server" "$work/etcd" # named after its module's folder
printf '%s\n' "$stamp" >"$work/stamp"
chmod 755 "$work" # mktemp's is closed to others
rm -rf "$out"
mv "$work" "$out"
echo "control plane: built in $out"
