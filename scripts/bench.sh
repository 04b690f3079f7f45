#!/usr/bin/env bash
# Measures the server on both databases; `make bench` prints what the README quotes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH="$PATH:$HOME/.cargo/bin"

scripts/install.sh bench
# shellcheck source=scripts/postgres.sh
source scripts/postgres.sh

start_postgres -c fsync=on # what is acknowledged is durable, and that is what we measure
export COUNTERSIGN_TEST_POSTGRES_URL="$postgres_url"
cargo build --release --package countersign
cargo run --release --package countersign-bench
