# Targets: build, demo, test, integration, fuzz, bench, lint, check, clean.
# `make demo` mounts a sample drive; `make test` runs everything, real mounts included; `make check` is what CI runs.
# FLAGS goes to go test: make integration FLAGS='-run TestRename -v'.

GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null)
TIMEOUT     ?= 14m
FUZZTIME    ?= 30s

.PHONY: build demo test integration fuzz bench lint check clean fuse

build:
	$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/teraboxfs ./cmd/teraboxfs

demo: build fuse
	bin/teraboxfs demo $(MOUNTPOINT)

test: fuse
	$(GO) test -timeout $(TIMEOUT) $(FLAGS) ./...

integration: fuse
	$(GO) test -timeout $(TIMEOUT) $(FLAGS) ./test/...

# Every fuzz target of the module, each for FUZZTIME.
fuzz:
	@set -e; for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

bench: fuse
	$(GO) test -run '^$$' -bench . -benchmem -timeout 30m $(FLAGS) ./...

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt -w these files:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

check: lint
	$(MAKE) test FLAGS=-race

clean:
	rm -rf bin dist

# Real mounts need /dev/fuse, and for users other than root fusermount3. What is missing is installed where that
# needs no question, else named with its command.
fuse:
	@test -e /dev/fuse || { echo "FUSE is missing here; load it with: sudo modprobe fuse (a container needs --device /dev/fuse --cap-add SYS_ADMIN)"; exit 1; }
	@command -v fusermount3 >/dev/null || { test "$$(id -u)" = 0 && apt-get install -y -q fuse3 >/dev/null; } || { sudo -n apt-get install -y -q fuse3 >/dev/null 2>&1; } || \
		test "$$(id -u)" = 0 || { echo "fusermount3 is missing; install it with: sudo apt-get install -y fuse3"; exit 1; }
