# Everything that a person or the CI runs. `make help` lists it.

CARGO ?= cargo
RUN := target/run

# The binary of the image is what is measured.
MEASURED := OBP_PROGRAM=target/static/openbao-perimeter
SOAK ?= 5000000
HOSTILE ?= 20
SOAK_MINUTES ?= 10
WORST_SECONDS ?= 300

.DEFAULT_GOAL := help
.PHONY: help run playground test soak control-plane lint fmt docs bench scale fuzz mutants builders static image image-check \
  macos dist release-check

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

PORT ?= 9443
METRICS_PORT ?= 8080
PROBES_PORT ?= 8081

run: ## Serve the example cluster on loopback at PORT (9443), without a cluster; prints a curl line to try
	$(CARGO) build
	@mkdir -p $(RUN)
	@printf '%s\n' '' \
	  'Once it serves, in another terminal, from this folder:' \
	  "  curl --cacert $(RUN)/ca.crt https://localhost:$(PORT)/validate -H 'content-type: application/json' -d @manifests/examples/reviews/refused.json; echo" \
	  'The same with allowed.json, and with repaired.json to /mutate. Ctrl-C ends it.' \
  'Where a port is taken: make run PORT=9444 METRICS_PORT=8090 PROBES_PORT=8091' ''
	$(CARGO) run --quiet -- serve --inventory manifests/examples/inventory \
	  --tls ephemeral --ca-out $(RUN)/ca.crt \
	  --listen 127.0.0.1:$(PORT) --probes-listen 127.0.0.1:$(PROBES_PORT) --metrics-listen 127.0.0.1:$(METRICS_PORT)

# In one call, since cargo compiles dependencies twice where the example asks for more of their features than the binary.
playground: control-plane ## Run a real API server with our registrations; prints kubeconfigs of admin and tenant, addresses and lines to try
	$(CARGO) build --bin openbao-perimeter --example playground
	@target/debug/examples/playground

# Another Kubernetes than the default, a folder of tests/control-plane.
KUBERNETES ?=
ASSETS := $(if $(KUBERNETES),KUBEBUILDER_ASSETS=$(CURDIR)/target/control-plane-$(KUBERNETES))

test: control-plane builders ## Run every test, those against a real API server too; KUBERNETES=1.33 or 1.37 for that one
	$(ASSETS) $(CARGO) test

soak: control-plane static ## Hold the engine against SOAK random worlds (5 million), reviews against WORST_SECONDS (300) of search for the slowest one, the server against HOSTILE rounds (20) of attacks, the largest policies and SOAK_MINUTES (10) of load
	OBP_ORACLE_INSTANCES=$(SOAK) $(CARGO) test --profile bench --lib -- oracle --nocapture
	WORST_SECONDS=$(WORST_SECONDS) $(CARGO) bench --bench worst
	OBP_HOSTILE_ROUNDS=$(HOSTILE) $(CARGO) test --profile bench --test it -- hostile --nocapture
	$(MEASURED) $(CARGO) bench --bench cluster -- memory
	SOAK_MINUTES=$(SOAK_MINUTES) $(MEASURED) $(CARGO) bench --bench cluster -- soak

control-plane: ## Build the API server, etcd and kubectl that the tests run (once; needs Go, or KUBEBUILDER_ASSETS)
	@KUBERNETES=$(KUBERNETES) tests/control-plane/build.sh

builders: ## Build helm, kustomize and actionlint, which tests run (once; needs Go, or all on the PATH)
	@tests/builders/build.sh

lint: ## Check format, clippy, docs, dependencies and spelling
	$(CARGO) fmt --all --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --no-deps --quiet
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) fetch --locked --quiet && $(CARGO) deny --offline check bans licenses sources; \
	  else echo 'lint: cargo-deny is not installed, so bans, licences and sources are not checked'; fi
	@if command -v typos >/dev/null; then typos; \
	  else echo 'lint: typos is not installed, so the spelling is not checked'; fi

fmt: ## Format the code
	$(CARGO) fmt --all

docs: ## Write docs/reference, docs/coverage.md and the schema of the chart from the code, and the library's documentation to target/doc
	OBP_BLESS=1 $(CARGO) test --quiet --test it reference:: docs::
	$(CARGO) doc --no-deps

bench: control-plane static ## Hold the engine and check against decoding, and the server against a bare one: ratios in one run
	$(CARGO) bench -p netpol --features testing --bench tiers
	$(CARGO) bench --bench engine
	$(CARGO) bench --bench check
	$(MEASURED) $(CARGO) bench --bench webhook

scale: control-plane static ## Load 10,000 policies into a real API server: start, memory and time per review, beside a small one
	$(MEASURED) $(CARGO) bench --bench cluster -- scale

# With the target named: otherwise the flags would reach build scripts too. Packed relocations make the file smaller.
HOST := $(shell rustc -vV | sed -n 's/^host: //p')

# No path of this machine gets into the binary, so that it is the same wherever it is built.
REMAP := --remap-path-prefix=$(CURDIR)=/src --remap-path-prefix=$(or $(CARGO_HOME),$(HOME)/.cargo)=/cargo

# Equal functions are stored once, 5 % of the file. The linker of this target can do it: Rust ships LLD with it.
ifneq (,$(findstring x86_64-unknown-linux-gnu,$(HOST)))
ICF := -C link-arg=-Wl,--icf=safe
endif

static: ## Build the static binary of the image: target/static/openbao-perimeter
	RUSTFLAGS='-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs $(ICF) $(REMAP)' $(CARGO) build --release --locked --target $(HOST)
	@mkdir -p target/static
	cp target/$(HOST)/release/openbao-perimeter target/static/openbao-perimeter

image-check: static ## Hold the static binary to its size, and start it in an empty root
	tests/image/check.sh target/static/openbao-perimeter

image: ## Build the image; needs a container runtime
	docker build --tag openbao-perimeter:0.1.0 .

macos: ## Build the binary of TARGET, x86_64-apple-darwin or aarch64-apple-darwin, into target/binaries; needs macOS
	RUSTFLAGS='$(REMAP)' $(CARGO) build --release --locked --target $(TARGET)
	@mkdir -p target/binaries
	cp target/$(TARGET)/release/openbao-perimeter \
	  target/binaries/openbao-perimeter-darwin-$(if $(findstring aarch64,$(TARGET)),arm64,amd64)

STEPS ?= archives chart sbom krew checksums

dist: ## Make the files of a release in target/dist from target/binaries: STEPS of deploy/release/dist.sh, with its variables
	@deploy/release/dist.sh $(STEPS)

release-check: static ## Build the static binary at another path too, and hold both to be equal; ten minutes
	@deploy/release/reproduce.sh target/static/openbao-perimeter

FUZZ_SECONDS ?= 30
FUZZ_TARGETS := cidr_text port_text selector policy_review cluster_review envelope set_laws other_policy

fuzz: ## Look for inputs that break a law, FUZZ_SECONDS (30) for each target; needs cargo-fuzz
	@$(CARGO) fuzz --version >/dev/null 2>&1 || { \
	  echo 'fuzz: cargo-fuzz is not installed: cargo install --locked cargo-fuzz'; exit 1; }
	@for target in $(FUZZ_TARGETS); do \
	  found=fuzz/target/corpus/$$target; mkdir -p $$found; \
	  echo "fuzz: $$target, $(FUZZ_SECONDS) s"; \
	  $(CARGO) fuzz run --sanitizer none $$target $$found fuzz/corpus/$$target -- \
	    -max_total_time=$(FUZZ_SECONDS) -timeout=20 -verbosity=0 -print_final_stats=1 || exit 1; \
	done

mutants: ## Change the engine in small ways and see that its tests notice; MUTANTS_SHARD=0/8 for an eighth; needs cargo-mutants
	@tests/mutants/run.sh
