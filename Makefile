# make run     serve on http://127.0.0.1:8080, in the foreground
# make test    every test
# The others:  build, bench, fuzz, sanitize, format, lint, install, image, clean
#
# Each target installs the Debian packages that it misses (packages.txt) and builds what it needs.

PREFIX = /usr/local
DESTDIR =
program = .build/release/postroom

.PHONY: run test test-swift test-scenarios build bench fuzz sanitize format lint install image clean

run: build
	@scripts/install-packages run
	@DATA_DIR="$${DATA_DIR:-var}" exec $(program) serve

build:
	@scripts/install-packages build
	swift build -c release --product postroom --static-swift-stdlib

test: build
	@scripts/install-packages run test
	swift test
	scripts/run-scenarios

bench: build
	@scripts/install-packages run bench
	scripts/bench

fuzz:
	@scripts/install-packages build
	scripts/fuzz

sanitize:
	@scripts/install-packages build run test
	scripts/sanitize address
	scripts/sanitize thread

format:
	swift format --in-place --recursive Package.swift Sources Tests

lint:
	swift format lint --strict --recursive Package.swift Sources Tests

install: build
	install -D -m 755 $(program) "$(DESTDIR)$(PREFIX)/bin/postroom"
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/postroom" nginx/nginx.conf nginx/upstream.conf nginx/locations.conf nginx/operations.conf nginx/openapi.yaml nginx/openapi.json
	for unit in systemd/*; do \
		sed 's|@PREFIX@|$(PREFIX)|g' "$$unit" | install -D -m 644 /dev/stdin "$(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/}"; \
	done

image:
	scripts/image

clean:
	rm -rf .build .build-* var
