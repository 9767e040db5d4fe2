#!/usr/bin/env bash
# The linker of the image's binary: cc, told to put the functions that a server runs through beside each other.
#
# The kernel maps a program in pieces of 64 KiB. Functions that run are a third of this one; spread over all of it they
# keep nearly every piece in memory. order.txt names them, as record.sh has seen them run. A name that is there no more
# orders nothing, and the rest is as good as before. Only lld takes an order: another linker makes the same binary
# without it.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")

case " $* " in
  *" -fuse-ld=lld "*) ;;
  *) exec cc "$@" ;;
esac

objects=()
for argument in "$@"; do
  case $argument in
    *.o | *.rlib) objects+=("$argument") ;;
  esac
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! command -v nm >/dev/null; then
  echo "linker: expected \`nm\`, of binutils" >&2
  exit 1
fi
# What it says of members without symbols is of no interest.
nm --defined-only --format=posix "${objects[@]}" 2>/dev/null | cut -d ' ' -f 1 >"$work/names"
sed -E -f "$here/normal.sed" "$work/names" | paste -d ' ' - "$work/names" |
  awk 'NR == FNR { listed[$1]; next } $1 in listed { print $2 }' "$here/order.txt" - >"$work/order"
# Those of the C library, which is linked by name.
grep -v '^_' "$here/order.txt" >>"$work/order"
cc "$@" "-Wl,--symbol-ordering-file=$work/order,--no-warn-symbol-ordering"
