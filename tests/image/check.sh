#!/usr/bin/env bash
# Holds the static binary to what the image promises: it needs no file but itself, is at most 20 MB large, and serves from
# an empty root as an ordinary user. Without the right to change the root it is started where it lies.
set -euo pipefail

binary=$(readlink -f "$1")
most=$((20 * 1000 * 1000))
here=$(cd "$(dirname "$0")/../.." && pwd)

size=$(stat -c %s "$binary")
if [ "$size" -gt "$most" ]; then
  echo "image: expected at most $most bytes, found $size" >&2
  exit 1
fi
if ldd "$binary" 2>/dev/null | grep -q '=>'; then
  echo "image: expected a static binary, found one that wants:" >&2
  ldd "$binary" >&2
  exit 1
fi

root=$(mktemp -d)
trap 'kill "${pid:-0}" 2>/dev/null || true; rm -rf "$root"' EXIT
cp "$binary" "$root/openbao-perimeter"
cp -r "$here/manifests/examples/inventory" "$root/inventory"
chmod -R a+rX "$root"

start=("$root/openbao-perimeter")
inventory="$root/inventory"
# The C library wants random bytes before the kernel's call for them is found; containers have this device.
if [ "$(id -u)" = 0 ] && mkdir "$root/dev" && mknod -m 444 "$root/dev/urandom" c 1 9 2>/dev/null; then
  start=(chroot --userspec=65532:65532 "$root" /openbao-perimeter)
  inventory=/inventory
fi

"${start[@]}" --version
"${start[@]}" serve --inventory "$inventory" --tls ephemeral --listen 127.0.0.1:0 --probes-listen 127.0.0.1:0 \
  --metrics-listen 127.0.0.1:0 >"$root.log" 2>&1 &
pid=$!
ready=""
for _ in $(seq 100); do
  ready=$(sed -n 's|^serving \(http://.*/readyz\)$|\1|p' "$root.log" | head -n 1)
  if [ -n "$ready" ] && [ "$(curl --silent --max-time 1 "$ready")" = ok ]; then
    kill -TERM "$pid"
    wait "$pid"
    echo "image: $size bytes, static, ready and ended well"
    rm -f "$root.log"
    exit 0
  fi
  kill -0 "$pid" 2>/dev/null || break
  sleep 0.1
done
echo "image: it did not become ready:" >&2
cat "$root.log" >&2
exit 1
