#!/bin/sh
# Mutation testing of the engine, crates/netpol; see README.md.
set -eu

cd "$(dirname -- "$0")/../.."
files=${MUTANTS_FILES:-names label port address region cover zone rule witness}

cargo mutants --version >/dev/null 2>&1 || {
  echo 'mutants: cargo-mutants is not installed: cargo install --locked cargo-mutants'
  exit 1
}

set -- --package netpol --no-shuffle --timeout "${MUTANTS_TIMEOUT:-60}" --cargo-arg=--offline
[ -z "${MUTANTS_SHARD:-}" ] || set -- "$@" --shard "$MUTANTS_SHARD"
for file in $files; do
  set -- "$@" --file "crates/netpol/src/$file.rs"
done
# A failure is enough; it need not be minimised.
export PROPTEST_MAX_SHRINK_ITERS=0 OBP_ORACLE_INSTANCES="${OBP_ORACLE_INSTANCES:-1000}"
exec cargo mutants "$@" -- --lib
