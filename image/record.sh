#!/usr/bin/env bash
# Writes order.txt: the functions that a server runs through from its start to its end, in front of a real API server.
# Needs valgrind, and a binary with its symbols; `make order` builds one.
set -euo pipefail

binary=$(readlink -f "$1")
here=$(dirname "$(readlink -f "$0")")
cd "$here/.."

for needed in valgrind curl; do
  if ! command -v "$needed" >/dev/null; then
    echo "order: expected \`$needed\`" >&2
    exit 1
  fi
done

work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"' EXIT

until_found() { # until_found PATTERN FILE
  for _ in $(seq 600); do
    if grep --silent "$1" "$2" 2>/dev/null; then return; fi
    sleep 0.2
  done
  echo "order: no '$1' in:" >&2
  cat "$2" >&2
  exit 1
}

cargo run --quiet --example playground >"$work/playground" 2>&1 &
until_found 'KUBECONFIG=' "$work/playground"

KUBECONFIG=.playground/kubeconfig valgrind --quiet --tool=callgrind --demangle=no --callgrind-out-file="$work/calls" \
  "$binary" serve --tls ephemeral --ca-out "$work/ca.crt" --listen 127.0.0.1:0 --probes-listen 127.0.0.1:0 \
  --metrics-listen 127.0.0.1:0 >"$work/out" 2>"$work/log" &
server=$!
until_found '^serving http://.*/metrics' "$work/out"
address() { sed -n "s|^serving \(.*/$1\)$|\1|p" "$work/out"; }
ask() { # ask PATH REVIEW
  curl --silent --show-error --fail --cacert "$work/ca.crt" --header 'content-type: application/json' \
    --data "@manifests/examples/reviews/$2.json" "$(address "$1" | sed 's/127.0.0.1/localhost/')" >/dev/null
}
until_said() { # until_said PATH PATTERN
  for _ in $(seq 600); do
    if curl --silent "$(address "$1")" | grep --silent "$2"; then return; fi
    sleep 0.2
  done
  echo "order: no '$2' at $1" >&2
  exit 1
}
until_said readyz '^ok'
for _ in 1 2 3; do
  ask validate allowed
  ask validate refused
  ask mutate repaired
  curl --silent --fail "$(address readyz)?verbose" >/dev/null
done
until_said metrics 'events_total{outcome="written"} [1-9]'
# A change to follow, and its end.
kubectl() { "${KUBEBUILDER_ASSETS:-target/control-plane}/kubectl" --kubeconfig .playground/kubeconfig "$@" >/dev/null; }
known() { curl --silent "$(address metrics)" | sed -n 's/^openbao_perimeter_inventory_objects{kind="NetworkPolicy"} //p'; }
before=$(known)
kubectl apply --filename manifests/examples/scenes/allowed-default-deny-with-dns-by-name.yaml
until_said metrics "inventory_objects{kind=\"NetworkPolicy\"} $((before + 1))\$"
kubectl delete --filename manifests/examples/scenes/allowed-default-deny-with-dns-by-name.yaml
until_said metrics "inventory_objects{kind=\"NetworkPolicy\"} $before\$"
kill -TERM "$server"
wait "$server"

grep --only-matching --extended-regexp '^c?fn=\([0-9]+\) [A-Za-z_.$][^ ]*' "$work/calls" |
  sed -E -e 's/^[^ ]* //' -e "s/'[0-9]+$//" | sed -E -f "$here/normal.sed" | LC_ALL=C sort -u >"$work/order"
mv "$work/order" "$here/order.txt"
echo "order: $(wc -l <"$here/order.txt") functions"
# Cargo does not look at it: the next build links anew.
touch src/main.rs
