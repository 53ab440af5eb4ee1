# What a person does with this repository. `make` alone lists it.

FILE ?=
PORT ?= 8000
MINUTES ?=
FULL ?=
DOCS ?=
ONLY ?=
RANDOM ?=
SEED ?=
SECONDS ?= 60
ICECAST ?=
CITY ?=
PREFIX ?= /usr/local
SEEDS ?= 5000

SOAK_MINUTES = $(or $(MINUTES),30)
CHURN_MINUTES = $(or $(MINUTES),60)
UPLINK_MINUTES = $(or $(MINUTES),5)

PROGRAMS = plenum-source plenum-master plenum-relay plenum-balancer
# The load tool comes with them: whoever runs a server wants to know what it carries.
SHIPPED = $(PROGRAMS) plenum-swarm
TARGET = $(or $(CARGO_TARGET_DIR),target)
MANUAL = $(PREFIX)/share/doc/plenum
MANUALS = docs $(PROGRAMS:plenum-%=%)

# Debian's packages: to build, to play the demo, to run the tests.
BUILD_PACKAGES = gcc libasound2-dev make pkg-config
DEMO_PACKAGES = $(BUILD_PACKAGES) espeak-ng sox
BENCH_PACKAGES = $(BUILD_PACKAGES) icecast2 nginx-light sox vorbis-tools
TEST_PACKAGES = $(DEMO_PACKAGES) alsa-utils chromium curl darkice ezstream ffmpeg firefox-esr gstreamer1.0-libav \
	gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-tools icecast2 ices2 iproute2 jq libfaketime \
	liquidsoap mpg123 mplayer mpv oggz-tools opus-tools procps pulseaudio redis-server vlc-bin vlc-plugin-base vorbis-tools
# What npm installs for the tests of the public page, as tests/browser/package-lock.json says.
BROWSER_MODULES = tests/browser/node_modules/.package-lock.json

.PHONY: help demo test check release soak uplink faults fuzz balance bench churn crowd swarm simulate geo install uninstall \
	setup setup-build setup-demo setup-bench setup-fuzz rust node

help:
	@echo 'make demo              the whole chain on this machine, playing; Ctrl-C ends it'
	@echo 'make demo FILE=a.flac  the same with a sound of yours; PORT=9000 if 8000 is busy'
	@echo 'make test              builds and runs all tests'
	@echo 'make check             format and lints'
	@echo 'make release           the four programs and plenum-swarm in target/dist/, optimised as a whole'
	@echo 'make soak              $(SOAK_MINUTES) minutes of speech, every sample compared; MINUTES=5 for less'
	@echo 'make simulate          $(SEEDS) times everything breaks, in memory; SEEDS=500 for less'
	@echo 'make uplink            $(UPLINK_MINUTES) minutes of a line asked for twice what it carries; as root'
	@echo 'make faults            breaks what can break, and compares what listeners hear; as root, 10 minutes'
	@echo 'make faults ONLY=F11   some of them; FULL=1 unscaled, ICECAST=1 icecast2 too, DOCS=1 writes docs/faults.md'
	@echo 'make faults RANDOM=10  ten minutes, a random fault every 5 s; SEED=... the same again'
	@echo 'make fuzz              what a machine thinks up, for each parser, a minute each; ONLY=head, SECONDS=600'
	@echo 'make bench             Plenum, icecast2, nginx and a bare loop side by side: a quarter of an hour'
	@echo 'make bench FULL=1      all scenarios, an hour; DOCS=1 writes docs/benchmarks.md from it'
	@echo 'make crowd             2,000 listeners in a minute, 13 relays, ours and then icecast2: is anybody refused?'
	@echo 'make balance           the balancer and others in simulated crowds: minutes; FULL=1, DOCS=1 as above'
	@echo 'make churn             $(CHURN_MINUTES) minutes of listeners who go and come: is memory flat? MINUTES=5 for less'
	@echo 'make swarm             only the load tool: target/release/plenum-swarm'
	@echo 'make geo CITY=a.mmdb   the balancer'"'"'s built-in geo data anew, from DB-IP City Lite'
	@echo 'make install           what `make release` built into $(PREFIX)/bin, and the documents; PREFIX=... elsewhere'
	@echo 'make uninstall         takes both away again; settings and recordings stay'
	@echo 'make setup             Debian packages and npm modules for all of this, where missing'

demo: setup-demo
	@cargo build --release $(PROGRAMS:%=--bin %) --bin plenum-demo
	@cargo run --release --quiet --bin plenum-demo -- \
		--directory target/demo --port $(PORT) $(if $(FILE),--file '$(FILE)')

test: setup
	@# All targets: the programs get the same features as the tests and are built only once.
	cargo build --workspace --all-targets
	@# Most tests wait for sound to be played: three of them at once leave the processors idle.
	cargo test --workspace --no-fail-fast -- --test-threads=4

check: setup-build
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

release: setup-build
	cargo build --profile dist $(SHIPPED:%=--bin %)

soak: setup
	cargo build --release $(PROGRAMS:%=--bin %) --bin plenum-soak
	cargo run --release --quiet --bin plenum-soak -- --minutes $(SOAK_MINUTES)

simulate: setup-build
	@cargo build --release --bin plenum-simulate
	@cargo run --release --quiet --bin plenum-simulate -- --seeds $(SEEDS)

uplink: setup
	cargo build --release $(PROGRAMS:%=--bin %) --bin plenum-swarm --bin plenum-uplink
	cargo run --release --quiet --bin plenum-uplink -- --minutes $(UPLINK_MINUTES)

faults: setup
	cargo build --release $(PROGRAMS:%=--bin %) --bin plenum-swarm --bin plenum-faults
	cargo run --release --quiet --bin plenum-faults -- \
		$(if $(ONLY),--only $(ONLY)) $(if $(FULL),--full) $(if $(ICECAST),--icecast) \
		$(if $(RANDOM),--random $(RANDOM)) $(if $(SEED),--seed $(SEED)) $(if $(DOCS),--docs)

fuzz: setup-fuzz
	@SECONDS_EACH=$(SECONDS) tests/fuzz/run $(ONLY)

bench: setup-bench
	@cargo build --profile dist --bin plenum-master --bin plenum-balancer --bin plenum-swarm --bin plenum-bare-loop
	@cargo run --profile dist --quiet --bin plenum-bench -- \
		$(if $(FULL),--full) $(if $(DOCS),--docs)

crowd: setup-bench
	cargo build --release $(PROGRAMS:%=--bin %) --bin plenum-swarm --bin plenum-crowd
	cargo run --release --quiet --bin plenum-crowd

balance: setup-build
	@cargo build --release --bin plenum-balancer
	@cargo run --release --quiet --bin plenum-bench -- --parts balance \
		$(if $(FULL),--full) $(if $(DOCS),--docs)

churn: setup-bench
	@cargo build --release --bin plenum-master --bin plenum-swarm
	@cargo run --release --quiet --bin plenum-bench -- \
		--parts fanout --scenarios churn --minutes $(CHURN_MINUTES) $(if $(DOCS),--docs)

swarm: setup-build
	cargo build --release --bin plenum-swarm

geo: setup-build
	@test -n '$(CITY)' || { echo 'CITY=… names the database of cities: DB-IP City Lite as .mmdb'; exit 1; }
	cargo run --release --quiet --package balancer -- geo-pack $(CITY) --output balancer/geo/dbip-city-lite-5deg.cells
	@cargo run --release --quiet --package balancer -- --version
	@echo 'Write this day into NOTICE.'

# Builds nothing: under sudo there is no cargo, and what it built would belong to root.
install:
	@for program in $(SHIPPED:%=$(TARGET)/dist/%); do test -x $$program || \
		{ echo "$$program is missing: run \`make release\` first, as yourself"; exit 1; }; done
	install -d $(DESTDIR)$(PREFIX)/bin
	install $(SHIPPED:%=$(TARGET)/dist/%) $(DESTDIR)$(PREFIX)/bin
	install -d $(MANUALS:%=$(DESTDIR)$(MANUAL)/%)
	install -m644 LICENSE LICENSE-MIT LICENSE-APACHE NOTICE README.md CHANGELOG.md $(DESTDIR)$(MANUAL)
	for folder in $(MANUALS); do install -m644 $$folder/README.md $(DESTDIR)$(MANUAL)/$$folder || exit; done
	install -m644 docs/* $(DESTDIR)$(MANUAL)/docs
	for role in $(PROGRAMS:plenum-%=%); do \
		install -m644 $$role/$$role.toml $$role/plenum-$$role.service $(DESTDIR)$(MANUAL)/$$role || exit; done

uninstall:
	rm -f $(SHIPPED:%=$(DESTDIR)$(PREFIX)/bin/%)
	rm -rf $(DESTDIR)$(MANUAL)

setup: rust node
	@.ci/packages $(TEST_PACKAGES)
	@$(MAKE) --no-print-directory $(BROWSER_MODULES)

$(BROWSER_MODULES): tests/browser/package-lock.json
	@echo 'npm installs playwright-core, axe-core and world-atlas into tests/browser/node_modules'
	@cd tests/browser && npm ci --no-audit --no-fund --ignore-scripts && touch node_modules/.package-lock.json

setup-build: rust
	@.ci/packages $(BUILD_PACKAGES)

setup-bench: rust
	@.ci/packages $(BENCH_PACKAGES)

setup-fuzz: setup-build
	@.ci/packages ffmpeg g++

setup-demo: rust
	@.ci/packages $(if $(FILE),$(BUILD_PACKAGES),$(DEMO_PACKAGES))

rust:
	@command -v cargo >/dev/null || { echo 'Rust is missing: install it from https://rustup.rs'; exit 1; }

node:
	@command -v npm >/dev/null || .ci/packages nodejs npm
