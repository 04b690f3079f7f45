#!/usr/bin/env bash
# Runs every check of the project, with a PostgreSQL of its own on loopback that is gone afterwards.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH="$PATH:$HOME/.cargo/bin"

scripts/install.sh test
# shellcheck source=scripts/postgres.sh
source scripts/postgres.sh

judge=(--manifest-path tests/judges/xmlsec/Cargo.toml) # a workspace of its own
cargo fmt --all --check
cargo fmt "${judge[@]}" --check
cargo clippy --workspace --all-targets --quiet -- -D warnings
cargo clippy "${judge[@]}" --target-dir "${CARGO_TARGET_DIR:-target}/judges/xmlsec" --quiet -- -D warnings

start_postgres -c fsync=off -c full_page_writes=off # nothing in it outlives the tests
export COUNTERSIGN_TEST_POSTGRES_URL="$postgres_url"
export COUNTERSIGN_TEST_REQUIRE_ALL=1 # a part that is missing fails instead of being left out
cargo build --workspace --bins # the tests start the server, and `cargo test` alone does not build it
cargo test --workspace
