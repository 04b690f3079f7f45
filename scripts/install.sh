#!/usr/bin/env bash
# Installs what is missing on Debian 12 or 13, to `build` and run, to `bench`, or to `test`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH="$PATH:$HOME/.cargo/bin"

build_packages=(build-essential pkg-config libssl-dev)
bench_packages=(
  "${build_packages[@]}"
  postgresql # the second database
  openssl    # what we measure ourselves against
)
test_packages=(
  "${bench_packages[@]}"
  chromium chromium-driver fonts-dejavu-core # the browser that signs in
  xmlsec1 libxml2-utils python3-venv         # independent judges of what we sign
  opensaml-schemas xmltooling-schemas        # the published XSDs
  apache2-bin libapache2-mod-shib            # Shibboleth, somebody else's service provider
  curl jq shellcheck                         # what the federation commands for bash run on, and who reads them
  libxml2-dev libxmlsec1-dev libclang-dev    # what the xmlsec and samael crates are built with
)

main() {
  case "${1:-}" in
    build) install_packages "${build_packages[@]}" ;;
    bench) install_packages "${bench_packages[@]}" ;;
    test) install_packages "${test_packages[@]}" ;;
    *) fail "usage: scripts/install.sh build|bench|test" ;;
  esac
  check_rust
  if [[ "$1" == test ]]; then
    add_rust_components
    install_judges
  fi
}

install_packages() {
  command -v dpkg-query >/dev/null ||
    fail "This script knows Debian only. Please install by hand what these Debian packages hold: $*"
  local missing=() package as_root=() shibd_is_new=
  for package in "$@"; do
    installed "$package" || missing+=("$package")
  done
  ((${#missing[@]})) || return 0

  if ((EUID != 0)); then
    command -v sudo >/dev/null ||
      fail "Missing packages: ${missing[*]}. Run as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  installed shibboleth-sp-utils || shibd_is_new=yes
  echo "Installing ${missing[*]}"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600)
  "${apt[@]}" update
  "${apt[@]}" install --yes --no-install-recommends "${missing[@]}" >/dev/null
  if [[ $shibd_is_new ]] && installed shibboleth-sp-utils; then
    # The tests run a shibd of their own; nobody has asked for one that the system runs.
    "${as_root[@]}" invoke-rc.d shibd stop &>/dev/null || true
    "${as_root[@]}" update-rc.d shibd disable
  fi
}

installed() {
  [[ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" == installed ]]
}

check_rust() {
  local needed found
  needed="$(sed -nE 's/^rust-version = "([0-9.]+)".*/\1/p' Cargo.toml)"
  if ! command -v cargo >/dev/null || ! found="$(rustc --version)"; then
    fail "Rust $needed or newer is missing. Install it with rustup, see https://rustup.rs, and run this again."
  fi
  found="$(cut -d' ' -f2 <<<"$found")"
  [[ "$(printf '%s\n' "$needed" "${found%%-*}" | sort --version-sort | head -n1)" == "$needed" ]] ||
    fail "Rust $found is too old, $needed or newer is needed. Run: rustup update stable (rustup is at https://rustup.rs)"
}

add_rust_components() {
  if cargo fmt --version &>/dev/null && cargo clippy --version &>/dev/null; then
    return
  fi
  command -v rustup >/dev/null || fail "rustfmt and clippy are missing; with rustup (https://rustup.rs) they come along."
  rustup --quiet component add rustfmt clippy
}

# The judges that no Debian package holds: Python's signxml, pysaml2 and MSAL (pyFF brings schemas), and the xmlsec crate.
install_judges() {
  local judges="${CARGO_TARGET_DIR:-target}/judges" wanted=tests/judges/requirements.txt
  if ! cmp --silent "$wanted" "$judges/installed.txt"; then
    echo "Installing the Python judges into $judges"
    rm -rf "$judges"
    python3 -m venv "$judges"
    "$judges/bin/pip" --quiet --disable-pip-version-check install --no-deps --requirement "$wanted"
    cp "$wanted" "$judges/installed.txt"
  fi
  cargo build --quiet --locked --manifest-path tests/judges/xmlsec/Cargo.toml --target-dir "$judges/xmlsec"
}

fail() {
  echo "$*" >&2
  exit 1
}

main "$@"
