#!/bin/sh
# Mutation testing of the perimeter engine alone; see README.md.
set -eu

repository=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
package=$repository/target/mutants
files=${MUTANTS_FILES:-names label port address region cover zone rule witness}

cargo mutants --version >/dev/null 2>&1 || {
  echo 'mutants: cargo-mutants is not installed: cargo install --locked cargo-mutants'
  exit 1
}

rm -rf "$package/src"
mkdir -p "$package/src"
cp -R "$repository/src/perimeter" "$repository/src/perimeter.rs" "$package/src/"
cp "$repository/Cargo.lock" "$repository/clippy.toml" "$package/"
echo 'pub mod perimeter;' >"$package/src/lib.rs"

# The dependencies of the engine and of its tests, in the versions of the main package. The name
# stays, because the examples in the documentation import it.
{
  sed -n '/^\[package\]/,/^$/p' "$repository/Cargo.toml" | grep -v '^autobenches'
  printf '[workspace]\n\n[dependencies]\n'
  grep -E '^(ipnet|range-set-blaze|smallvec|thiserror) ' "$repository/Cargo.toml"
  printf '\n[dev-dependencies]\n'
  grep -E '^proptest ' "$repository/Cargo.toml"
  # Built again and again: quick to build, while the crates that stay are quick to run.
  printf '\n[profile.dev]\ndebug = false\n\n[profile.dev.package."*"]\nopt-level = 2\n'
} >"$package/Cargo.toml"

cd "$package"
set -- --in-place --no-shuffle --timeout "${MUTANTS_TIMEOUT:-60}" --cargo-arg=--offline
[ -z "${MUTANTS_SHARD:-}" ] || set -- "$@" --shard "$MUTANTS_SHARD"
for file in $files; do
  set -- "$@" --file "src/perimeter/$file.rs"
done
# A failure is enough; nobody reads the smallest one.
export PROPTEST_MAX_SHRINK_ITERS=0 OBP_ORACLE_INSTANCES="${OBP_ORACLE_INSTANCES:-1000}"
exec cargo mutants "$@" -- --lib
