# Two commands matter: `make run` shows the product, `make test` proves it.
SHELL := /bin/bash
# A fresh rustup is not on the path of the shell that installed it.
export PATH := $(PATH):$(HOME)/.cargo/bin

.DEFAULT_GOAL := help
.PHONY: help run test bench release fmt

help: ## Lists these targets
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run: ## Installs what is missing, builds, and starts the demonstration on localhost:8080 and :8081
	@scripts/install.sh build
	cargo run --release --package countersign -- demo

test: ## Installs what is missing and runs every check, on SQLite and PostgreSQL, through Chromium
	@scripts/test.sh

bench: ## Measures the server beside the raw cost of its cryptography
	@scripts/bench.sh

release: ## Builds the server, optimised, as target/release/countersign
	@scripts/install.sh build
	cargo build --release --package countersign

fmt: ## Formats the code
	cargo fmt --all
