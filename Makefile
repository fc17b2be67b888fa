# Targets: build, demo, test, race, integration, page-test, faults, crash, powercut, model, soak, fuzz, bench, bench-peers, bench-docs, lint, check, clean.
# `make demo` mounts a sample drive; `make test` runs everything, real mounts included; `make race` runs it again under the race detector, but for what is
# UNRACED, and of the mounts what is RACED; `make check` is what CI runs.
# FLAGS goes to go test: make integration FLAGS='-run TestRename -v'.

GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null)
TIMEOUT     ?= 30m
# Tests at a time in a package: they wait for links and clocks more than they compute.
PARALLEL    ?= 4
TIME        ?= 30s
SEEDS       ?= 5
MINUTES     ?= 10
RCLONE      := github.com/rclone/rclone@v1.76.0
BENCH       ?= .
ROUNDS      ?= 3

# The tables of make faults.
FAULTS      := TestReadFaults|TestReadOfAFileChangedElsewhere|TestReadsWhile|TestListingThatFails|TestListingWithoutEnd|TestWrongBytes|TestWriteFaults|TestCommitSurvives|TestManageSurvives|TestFullDrive|TestLostUpdate|TestHostileListing|TestEqualNames|TestStoredNames|TestProcess
RACED       ?= TestModel|TestReaders|TestParallelCopies|TestSavePatterns|TestReadOf|TestQueue|TestDeletes|TestShares|TestPassthrough|TestDiskCache|TestLocalOnly|TestInfo|TestRefresh
# What has no goroutines of its own, or is run under the race detector by the mounts.
UNRACED     := -e /test/ -e /cmd/ -e /emulator -e /internal/demo -e /probe

.PHONY: build demo test race integration page-test faults crash powercut model soak fuzz bench bench-peers bench-docs lint check clean fuse deb release cross deb-test systemd-test release-test container-test

build:
	$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/teraboxfs ./cmd/teraboxfs

demo: build fuse
	bin/teraboxfs demo $(MOUNTPOINT)

test: fuse
	$(GO) test -timeout $(TIMEOUT) -parallel $(PARALLEL) $(FLAGS) ./...

race: fuse
	$(GO) test -race -timeout $(TIMEOUT) -parallel $(PARALLEL) $(FLAGS) $$($(GO) list ./... | grep -v $(UNRACED))
	$(GO) test -race -timeout $(TIMEOUT) -parallel $(PARALLEL) -run '^($(RACED))' $(FLAGS) ./test/integration

integration: fuse
	$(GO) test -timeout $(TIMEOUT) -parallel $(PARALLEL) $(FLAGS) ./test/...

# The status page in a headless Chromium; pictures of it are left in bin/page.
page-test: fuse
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { echo "chromium is missing; install it with: sudo apt-get install -y chromium"; exit 1; }
	@mkdir -p bin/page
	PAGE_SHOTS=$(CURDIR)/bin/page $(GO) test -count=1 -run '^TestPage$$' $(FLAGS) ./test/integration

# More deaths of a daemon, and more power cuts, than `make test` has: make crash ROUNDS=500.
crash: ROUNDS = 200
crash: fuse
	$(GO) test -run '^TestCrashes$$' -timeout $(TIMEOUT) $(FLAGS) ./test/integration -args -crashes=$(ROUNDS)

powercut: ROUNDS = 3000
powercut:
	$(GO) test -run '^TestPowerCuts$$' $(FLAGS) ./writeback -args -powercuts=$(ROUNDS)

# The catalogue of faults as tables (docs/reliability.md): reads, writes, commits, management, hostile names; a line for each cell, and a summary.
faults: fuse
	$(GO) test -json -timeout $(TIMEOUT) -parallel $(PARALLEL) -run '^($(FAULTS))' $(FLAGS) ./test/integration -args -full | $(GO) run ./test/tally

# Random sequences of operations against a model in memory, SEEDS times as many as `make test` has: of a mount, of several machines, of a staged file.
model: fuse
	$(GO) test -run '^TestFileBehavesLikeBytes$$' $(FLAGS) ./writeback -args -rapid.checks=$$((100 * $(SEEDS)))
	$(GO) test -timeout $(TIMEOUT) -run '^(TestModel|TestWritersOnSeveralMachines)$$' $(FLAGS) ./test/integration -args -rapid.checks=$$((200 * $(SEEDS))) -writers=$$((40 * $(SEEDS)))

# Mixed load for MINUTES while one call in a hundred fails: nothing wrong, nothing lost, nothing grows.
soak: fuse
	$(GO) test -timeout $$(($(MINUTES) + 10))m -v -run '^TestSoak$$' $(FLAGS) ./test/integration -args -soak=$(MINUTES)m

# Every fuzz target of the module, each for TIME.
fuzz:
	@set -e; for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(TIME) $$pkg; \
		done; \
	done

# Benchmarks of the rooms, then those through real mounts, ROUNDS times each. docs/benchmarks.md says what they measure; for some of
# them: make bench BENCH=Read/film ROUNDS=1.
bench: fuse
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(FLAGS) $$($(GO) list ./... | grep -v /test/)
	@mkdir -p bin && $(GO) run ./test/bench/table -header > bin/bench.txt
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchtime 1x -timeout 60m $(FLAGS) ./test/integration -args -rounds=$(ROUNDS) | tee -a bin/bench.txt
	@$(GO) run ./test/bench/table bin/bench.txt

# teraboxfs beside rclone, over equal links to the same bytes, in turns: about six minutes a round, four of them for writing.
bench-peers: fuse bin/peers/rclone
	@$(GO) run ./test/bench/table -header > bin/bench-peers.txt
	$(GO) test -run '^$$' -bench '^BenchmarkPeers$$' -benchtime 1x -timeout 30m $(FLAGS) ./test/integration \
		-args -rclone=$(CURDIR)/bin/peers/rclone -rounds=$(ROUNDS) | tee -a bin/bench-peers.txt
	@$(GO) run ./test/bench/table bin/bench-peers.txt
	@$(GO) run ./test/bench/table -header > bin/bench-peers-writing.txt
	$(GO) test -run '^$$' -bench '^BenchmarkPeersWriting$$' -benchtime 1x -timeout 60m $(FLAGS) ./test/integration \
		-args -rclone=$(CURDIR)/bin/peers/rclone -rounds=$(ROUNDS) | tee -a bin/bench-peers-writing.txt
	@$(GO) run ./test/bench/table bin/bench-peers-writing.txt
	@$(GO) run ./test/bench/table -header > bin/bench-peers-walking.txt
	$(GO) test -run '^$$' -bench '^BenchmarkPeersWalking$$' -benchtime 1x -timeout 60m $(FLAGS) ./test/integration \
		-args -rclone=$(CURDIR)/bin/peers/rclone -rounds=$(ROUNDS) | tee -a bin/bench-peers-walking.txt
	@$(GO) run ./test/bench/table bin/bench-peers-walking.txt

# Puts the figures of the last bench and bench-peers into docs/benchmarks.md.
bench-docs:
	$(GO) run ./test/bench/table -into docs/benchmarks.md -section mounts bin/bench.txt
	$(GO) run ./test/bench/table -into docs/benchmarks.md -section peers bin/bench-peers.txt
	$(GO) run ./test/bench/table -into docs/benchmarks.md -section peers-writing bin/bench-peers-writing.txt
	$(GO) run ./test/bench/table -into docs/benchmarks.md -section peers-walking bin/bench-peers-walking.txt

# A tool, not a dependency: it is built on its own, and in no go.mod.
bin/peers/rclone:
	GOBIN=$(CURDIR)/bin/peers $(GO) install -trimpath -ldflags=-s $(RCLONE)

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt -w these files:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

# dist/*.deb, and dist/*.tar.gz with SHA256SUMS: the same commit, the same bytes. ARCHS="amd64" makes fewer.
ARCHS ?= amd64 arm64
deb:
	packaging/package.sh deb $(ARCHS)

release: cross
	packaging/package.sh release $(ARCHS)

# What is not Linux compiles; nobody has mounted there yet.
cross:
	GOOS=darwin GOARCH=arm64 CGO_ENABLED=0 $(GO) vet ./...
	GOOS=freebsd GOARCH=amd64 CGO_ENABLED=0 $(GO) vet ./...

# The package in a clean Debian (debootstrap), the release built twice, the image as far as it goes here. Root; a Debian mirror.
deb-test:
	test/packaging/deb.sh
systemd-test:
	test/packaging/systemd.sh
release-test:
	test/packaging/release.sh
container-test:
	test/packaging/container.sh

check: lint test race

clean:
	rm -rf bin dist

# Real mounts need /dev/fuse, and for users other than root fusermount3. What is missing is installed where that
# needs no question, else named with its command.
fuse:
	@test -e /dev/fuse || { echo "FUSE is missing here; load it with: sudo modprobe fuse (a container needs --device /dev/fuse --cap-add SYS_ADMIN)"; exit 1; }
	@command -v fusermount3 >/dev/null || { test "$$(id -u)" = 0 && apt-get install -y -q fuse3 >/dev/null; } || { sudo -n apt-get install -y -q fuse3 >/dev/null 2>&1; } || \
		test "$$(id -u)" = 0 || { echo "fusermount3 is missing; install it with: sudo apt-get install -y fuse3"; exit 1; }
