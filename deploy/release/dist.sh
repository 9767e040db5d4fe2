#!/usr/bin/env bash
# Makes the files of a release: `dist.sh STEP...`, in this order:
#   version    holds TAG against the version of Cargo.toml, and the changelog against both
#   archives   packs each binary openbao-perimeter-OS-ARCH of BINARIES
#   chart      packs the Helm chart, for the image IMAGE
#   sbom       lists the crates of the binary (CycloneDX); needs cargo-cyclonedx
#   krew       fills in the manifest of the kubectl plugin: addresses below REPOSITORY, checksums of the archives
#   checksums  writes SHA256SUMS of all of these
#   notes      writes the notes: the section of the changelog, and how to verify (IMAGE, DIGEST, CHART, REPOSITORY)
# All go into DIST. The same binaries give the same archives: their dates are that of the commit.
set -euo pipefail
cd "$(dirname "$0")/../.."

DIST="${DIST:-target/dist}"
BINARIES="${BINARIES:-target/binaries}"
version="$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)"
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}"

fail() {
  echo "release: $1" >&2
  exit 1
}

need() { # need VARIABLE MEANING
  [ -n "${!1:-}" ] || fail "$1 is missing: $2"
}

# The section of this version in the changelog, without its heading.
changes() {
  awk -v heading="## $version" 'index($0, "## ") == 1 { on = ($0 == heading || index($0, heading " ") == 1); next } on' CHANGELOG.md
}

version() {
  need TAG "the tag of the release, such as v$version"
  [ "$TAG" = "v$version" ] || fail "TAG is $TAG, but Cargo.toml has version $version: expected v$version"
  [ -n "$(changes)" ] || fail "CHANGELOG.md has no section \`## $version\`"
}

archives() {
  local binary name folder found=no
  for binary in "$BINARIES"/openbao-perimeter-*-*; do
    [ -f "$binary" ] || continue
    found=yes
    name="$(basename "$binary")"
    folder="$(mktemp -d)"
    install -m 755 "$binary" "$folder/openbao-perimeter"
    install -m 644 LICENSE README.md "$folder/"
    tar --create --directory "$folder" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
      LICENSE README.md openbao-perimeter | gzip --no-name --best >"$DIST/$name.tar.gz"
    rm -rf "$folder"
  done
  [ "$found" = yes ] || fail "there are no binaries openbao-perimeter-OS-ARCH in $BINARIES"
}

chart() {
  need IMAGE "the repository of the image, which the chart installs"
  local helm=target/builders/helm folder
  [ -x "$helm" ] || helm=helm
  folder="$(mktemp -d)"
  cp -r charts/openbao-perimeter "$folder/"
  # The chart of this repository names no registry.
  sed -i -e "s|^  repository: openbao-perimeter$|  repository: $IMAGE|" -e '/^  # No image is published yet/d' \
    "$folder/openbao-perimeter/values.yaml"
  grep -q "^  repository: $IMAGE$" "$folder/openbao-perimeter/values.yaml" || fail "the chart has no image.repository"
  "$helm" package --version "$version" --app-version "$version" --destination "$DIST" "$folder/openbao-perimeter" >/dev/null
  rm -rf "$folder"
}

sbom() {
  cargo cyclonedx --version >/dev/null 2>&1 || fail "cargo-cyclonedx is missing: cargo install --locked cargo-cyclonedx"
  cargo cyclonedx --quiet --format json --spec-version 1.5 --all --no-build-deps --override-filename openbao-perimeter.cdx
  # No path of this machine gets into the file, as in the binary.
  sed "s|path+file://$PWD|path+file:///src|g" openbao-perimeter.cdx.json >"$DIST/openbao-perimeter.cdx.json"
  rm openbao-perimeter.cdx.json
  rm -f crates/*/openbao-perimeter.cdx.json
}

krew() {
  need REPOSITORY "host, owner and name of the repository, as host/owner/name"
  local manifest="$DIST/openbao-perimeter.yaml" archive name sum
  sed -e '/^# Manifest of the kubectl plugin/d' -e "s|REPOSITORY|$REPOSITORY|" \
    deploy/krew/openbao-perimeter.yaml >"$manifest"
  for archive in "$DIST"/openbao-perimeter-*.tar.gz; do
    [ -f "$archive" ] || continue
    name="$(basename "$archive" .tar.gz)"
    sum="$(sha256sum "$archive" | cut -d ' ' -f 1)"
    sed -i "s|SHA256-$(tr '[:lower:]' '[:upper:]' <<<"${name#openbao-perimeter-}")$|$sum|" "$manifest"
  done
  if grep -n 'SHA256-' "$manifest" >&2; then fail "there is no archive for these lines of the krew manifest"; fi
}

checksums() {
  local sums
  rm -f "$DIST/SHA256SUMS"
  sums="$(cd "$DIST" && find . -maxdepth 1 -type f ! -name notes.md -printf '%f\0' | sort -z | xargs -0 sha256sum)"
  printf '%s\n' "$sums" >"$DIST/SHA256SUMS"
}

notes() {
  need REPOSITORY "host, owner and name of the repository, as host/owner/name"
  need IMAGE "the repository of the image"
  need DIGEST "the digest of the image"
  need CHART "the address of the chart"
  local slug="${REPOSITORY#*/}"
  # Links of the changelog lead to files of the tag. In notes each line break shows, so that entries are one line each.
  changes | sed -e ':all' -e 'N;$!b all' -e 's/\n  \([^ ]\)/ \1/g' -e 's/^\n*//' -e "s|](\([^):]*\))|](https://$REPOSITORY/blob/v$version/\1)|g" >"$DIST/notes.md"
  cat >>"$DIST/notes.md" <<END

## Install

\`\`\`sh
helm install openbao-perimeter $CHART --version $version --namespace openbao-perimeter-system --create-namespace
\`\`\`

Image: \`$IMAGE:$version@$DIGEST\`

## Verify

\`\`\`sh
cosign verify $IMAGE@$DIGEST --certificate-oidc-issuer https://token.actions.githubusercontent.com \\
  --certificate-identity https://$REPOSITORY/.github/workflows/release.yml@refs/tags/v$version
gh attestation verify openbao-perimeter-linux-amd64.tar.gz --repo $slug
sha256sum --check --ignore-missing SHA256SUMS
\`\`\`
END
}

mkdir -p "$DIST"
for step in "$@"; do
  case "$step" in
    version | archives | chart | sbom | krew | checksums | notes) "$step" ;;
    *) fail "unknown step $step" ;;
  esac
done
