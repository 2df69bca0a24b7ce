.PHONY: help
help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Show the whole story on this machine, from nothing (DEMO_PORT=5000)
	@scripts/demo.sh

.PHONY: demo-clean
demo-clean: ## Take back what the demo started, its images and the plugin
	@scripts/demo.sh clean

.PHONY: test
test: ## Run every test, with a Docker engine started for them if none answers
	@scripts/test.sh

.PHONY: test-engines
test-engines: ## Try what users do on every engine that can be had here, and print a table
	@scripts/test-engines.sh

.PHONY: build
build: ## Compile the plugin and the sidecar
	cargo build --release --locked

.PHONY: man
man: ## Write the manual pages to target/man
	cargo run --quiet --locked -p docker-assemble -- man-pages target/man
	cargo run --quiet --locked -p assemble-proxy --example man-pages -- target/man

.PHONY: install
install: ## Compile the plugin and install it for this user
	@scripts/install.sh

.PHONY: dist
dist: ## Write static programs, Debian packages and the sidecar's image to target/dist
	@scripts/dist.sh

.PHONY: test-dist
test-dist: ## Try what 'make dist' has written on Debian 11, 12 and 13 (needs root)
	@scripts/test-dist.sh

.PHONY: bench
bench: ## Measure the relay
	cargo bench --workspace --locked

.PHONY: compare
compare: ## Measure the relay beside other forwarders (needs root)
	@scripts/compare.sh

.PHONY: compare-push
compare-push: ## Measure pushes, pulls and starts beside a builder in the host's network
	@scripts/compare-push.sh

.PHONY: soak
soak: ## Run the relay's long cases, and Go's suite for connections, through it
	@scripts/soak.sh

.PHONY: other-kernel
other-kernel: ## Run the relay's tests on the Linux of another Debian, in a virtual machine (SUITE=trixie)
	@scripts/other-kernel.sh $(SUITE)

.PHONY: fuzz
fuzz: ## Fuzz the relay's readers and its state machine
	@scripts/fuzz.sh

.PHONY: lint
lint: ## Check format, lints, documentation, dependencies, shell scripts and workflows
	@scripts/lint.sh

.PHONY: promises
promises: ## Compile with the oldest compiler that is promised, and docker-plugin from its package
	@scripts/promises.sh

.PHONY: clean
clean: ## Delete what was compiled
	cargo clean
