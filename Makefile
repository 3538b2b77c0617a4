# Everything a newcomer needs is `make run` and `make test`; `make` alone lists the rest.

.DEFAULT_GOAL := help
.PHONY: help run test sdk sdk-clients mutations sim vectors kill-test bench kafka fmt lint docs ci

CARGO := dev/cargo
# Property tests draw the same cases on every run; another seed (`make test PROPTEST_RNG_SEED=7`)
# draws others.
export PROPTEST_RNG_SEED ?= 20261122

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

run: ## build and start the service with the example catalogue and sample traffic
	dev/setup
	$(CARGO) build --release --locked --bin odometer
	$(CARGO) run --release --locked --quiet --bin odometer -- demo

test: ## the whole test suite, a real Apache Kafka included
	dev/setup --tests
	dev/kafka install
	dev/python -m unittest discover --start-directory tests/rig
	$(MAKE) sdk-clients
	$(CARGO) test --release --locked
	$(MAKE) mutations

sdk: ## Lago's official clients, unchanged, against a live service on real Kafka
	dev/setup --tests
	dev/kafka install
	$(MAKE) sdk-clients
	$(CARGO) test --release --locked --test it sdk

# Fetches and builds the clients, so that no test waits for that.
sdk-clients:
	dev/python --list tests/sdk/python/requirements.txt --path
	dev/node --list tests/sdk/javascript --path
	$(CARGO) build --release --locked --manifest-path tests/sdk/rust/Cargo.toml

# One test at a time: a fault is planted in the whole process.
mutations: ## show that the tests bite: planted faults, each of which must be found
	dev/setup --tests
	dev/kafka install
	$(CARGO) test --release --locked --features mutations --test it mutations -- --nocapture
	$(CARGO) test --release --locked --features mutations --test sim -- --nocapture

# Seeds of the simulator, and the first of them.
SEEDS ?= 2000
FROM ?= 0

sim: ## the simulator: SEEDS=N seeds from FROM=N on; prints the first that fails
	dev/setup --tests
	ODOMETER_SIM_SEEDS=$(SEEDS) ODOMETER_SIM_FROM=$(FROM) \
		$(CARGO) test --release --locked --test sim seeds::every_seed_holds -- --exact --nocapture

vectors: ## the golden cases; ODOMETER_VECTORS_DIR=folder runs others of the same schema
	dev/setup
	$(CARGO) test --release --locked --test it vectors_run::every_case_holds -- --exact --nocapture

kill-test: ## the long kill test: 5 M records, at least 20 kills under load
	dev/setup --tests
	ODOMETER_KILL_TEST=long $(CARGO) test --release --locked --test it kill -- --nocapture

bench: ## measure against real Kafka; BENCH='--events 20000000' passes flags on
	dev/setup --tests
	$(CARGO) build --release --locked --bin odometer
	dev/with-kafka $(CARGO) run --release --locked --quiet --bin odometer -- bench $(BENCH)

kafka: ## start a Kafka broker on loopback (dev/kafka stop ends it)
	dev/setup --tests
	dev/kafka start

fmt: ## format the sources
	cargo fmt

lint: ## formatting and clippy, warnings denied
	cargo fmt --check
	$(CARGO) clippy --release --locked --all-targets -- -D warnings

docs: ## the documentation of the crate, warnings denied
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --release --locked --no-deps

ci: ## what the integration server runs
	.ci/run
