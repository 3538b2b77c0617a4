# Everything a newcomer needs is `make run` and `make test`; `make` alone lists the rest.

.DEFAULT_GOAL := help
.PHONY: help run test sdk sdk-clients mutations sim fuzz vectors rig bench soak kafka fmt lint
.PHONY: docs ci

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
	dev/python --list tests/s3/requirements.txt --path
	$(CARGO) test --release --locked --features fuzzing
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
	$(CARGO) test --release --locked --features mutations --test it poison
	$(CARGO) test --release --locked --features mutations --test sim -- --nocapture

# Seeds of the simulator, and the first of them.
SEEDS ?= 2000
FROM ?= 0

sim: ## the simulator: SEEDS=N seeds from FROM=N on; prints the first that fails
	dev/setup --tests
	ODOMETER_SIM_SEEDS=$(SEEDS) ODOMETER_SIM_FROM=$(FROM) \
		$(CARGO) test --release --locked --test sim seeds::every_seed_holds -- --exact --nocapture

fuzz: ## libFuzzer on every fuzz target for a minute, or on one: TARGET=decoder SECONDS=600
	dev/setup
	dev/fuzz $(or $(TARGET),all) $(or $(SECONDS),60)

vectors: ## the golden cases; ODOMETER_VECTORS_DIR=folder runs others of the same schema
	dev/setup
	$(CARGO) test --release --locked --test it vectors_run::every_case_holds -- --exact --nocapture

MINUTES ?= 30
REPORT ?= target/rig.json
rig: ## faults by a seed on real Kafka, every total judged: MINUTES=30 SEED=N REPORT=target/rig.json
	dev/setup --tests
	dev/kafka install
	$(CARGO) build --release --locked --bin odometer
	mkdir -p $(dir $(REPORT))
	dev/python tests/rig/kill_rig.py --minutes $(MINUTES) --report $(REPORT) \
	  $(if $(SEED),--seed $(SEED))

bench: ## measure against real Kafka; BENCH='--events 20000000' passes flags on
	dev/setup --tests
	$(CARGO) build --release --locked --bin odometer
	dev/with-kafka $(CARGO) run --release --locked --quiet --bin odometer -- bench $(BENCH)

# After a minute at full rate the events are held back to RATE a second: each takes about 100 bytes
# of disk for good, so that an hour of 30 000 a second needs 12 GB.
MINUTES ?= 60
RATE ?= 30000
soak: ## watch memory for MINUTES=60 of all-new transaction ids, RATE=30000 a second
	dev/setup --tests
	$(CARGO) build --release --locked --bin odometer
	dev/with-kafka $(CARGO) run --release --locked --quiet --bin odometer -- \
	  bench soak --minutes $(MINUTES) --events-per-second $(RATE)

kafka: ## start a Kafka broker on loopback (dev/kafka stop ends it)
	dev/setup --tests
	dev/kafka start

fmt: ## format the sources
	cargo fmt
	cargo fmt --manifest-path fuzz/Cargo.toml

lint: ## formatting and clippy, warnings denied
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml
	$(CARGO) clippy --release --locked --all-targets --features fuzzing -- -D warnings

docs: ## the documentation of the crate, warnings denied
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --release --locked --no-deps

ci: ## what the integration server runs
	.ci/run
