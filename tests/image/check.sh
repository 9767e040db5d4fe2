#!/usr/bin/env bash
# Checks the static binary of the image: it needs no other file, is at most 20 MB large, and serves from an empty root as an
# ordinary user. Without the right to change the root it is started where it lies.
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
  echo "image: expected a static binary, found one that needs:" >&2
  ldd "$binary" >&2
  exit 1
fi

root=$(mktemp -d)
pid=""
# Without a number it would be the whole group of processes, with the caller in it.
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$root" "$root.log"' EXIT
cp "$binary" "$root/openbao-perimeter"
cp -r "$here/manifests/examples/inventory" "$root/inventory"
chmod -R a+rX "$root"

start=("$root/openbao-perimeter")
inventory="$root/inventory"
ca="$root/ca/ca.crt"
mkdir -m 777 "$root/ca"
# The C library wants random bytes before the kernel's call for them is found; containers have this device.
if [ "$(id -u)" = 0 ] && mkdir "$root/dev" && mknod -m 444 "$root/dev/urandom" c 1 9 2>/dev/null; then
  start=(chroot --userspec=65532:65532 "$root" /openbao-perimeter)
  inventory=/inventory
  ca=/ca/ca.crt
fi

# The address that serves PATH.
address() { sed -n "s|^serving \(.*/$1\)$|\1|p" "$root.log" | head -n 1; }

reviews() { # reviews NUMBER
  for _ in $(seq "$1"); do
    for review in allowed refused; do
      curl --silent --show-error --fail --cacert "$root/ca/ca.crt" --header 'content-type: application/json' \
        --data "@$here/manifests/examples/reviews/$review.json" "$(address validate | sed s/127.0.0.1/localhost/)" \
        >/dev/null
    done
  done
}

"${start[@]}" --version
"${start[@]}" serve --inventory "$inventory" --tls ephemeral --ca-out "$ca" --listen 127.0.0.1:0 --probes-listen 127.0.0.1:0 \
  --metrics-listen 127.0.0.1:0 >"$root.log" 2>&1 &
pid=$!
ready=""
for _ in $(seq 100); do
  ready=$(address readyz)
  if [ -n "$ready" ] && [ "$(curl --silent --max-time 1 "$ready")" = ok ]; then
    reviews 50
    kill -TERM "$pid"
    wait "$pid"
    echo "image: $size bytes, static, ready, answered 100 reviews, ended well"
    exit 0
  fi
  kill -0 "$pid" 2>/dev/null || break
  sleep 0.1
done
echo "image: it did not become ready:" >&2
cat "$root.log" >&2
exit 1
