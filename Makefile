# make run     serve on http://127.0.0.1:8080, in the foreground
# make test    every test
# The others:  build, bench, fuzz, chaos, sanitize, coverage, format, lint, install, image, clean
#
# Each target installs the Debian packages that it misses (packages.txt) and builds what it needs.

PREFIX = /usr/local
DESTDIR =
program = .build/release/postroom
# What the compiler is called with is part of each build: variables that change the flags, and a PATH without pkg-config, would
# make another terminal build everything again.
swift = env -u SDKROOT -u PKG_CONFIG_PATH -u CPATH -u LIBRARY_PATH PATH="$$PATH:/usr/bin:/bin" swift

.PHONY: run test test-swift test-scenarios build bench fuzz chaos sanitize coverage format lint install image clean

# Without optimization, which is built in half the time.
run:
	@scripts/install-packages build run
	$(swift) build --product postroom
	@DATA_DIR="$${DATA_DIR:-var}" exec .build/debug/postroom serve

build:
	@scripts/install-packages build
	$(swift) build -c release --product postroom --static-swift-stdlib -Xswiftc -gline-tables-only

test: build
	@scripts/install-packages run test bench
	$(MAKE) lint
	scripts/with-postgresql $(swift) test
	scripts/run-scenarios

bench: build
	@scripts/install-packages run bench
	scripts/bench

fuzz:
	@scripts/install-packages build
	scripts/fuzz

# Ten minutes of faults against all four APIs at once; a short form is part of "make test".
chaos: build
	@scripts/install-packages run test
	cd Tests/Scenarios && CHAOS_SECONDS="$${CHAOS_SECONDS:-600}" PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 -m pytest -s store/test_chaos.py

sanitize:
	@scripts/install-packages build run test bench
	scripts/sanitize address
	scripts/sanitize thread

# Lines that the Swift tests and the scenarios reach, by module.
coverage:
	@scripts/install-packages build run test bench
	scripts/coverage

format:
	swift format --in-place --recursive Package.swift Sources Tests Fuzz

lint:
	@scripts/install-packages test
	swift format lint --strict --recursive Package.swift Sources Tests Fuzz
	scripts/check-layers
	pyflakes3 Benchmarks Tests/Scenarios Tests/Support scripts/openapi scripts/openapi_page.py

# Copies what "make build" has made, and builds nothing: as root it would leave files that others cannot replace.
install:
	@test -x $(program) || { echo "there is nothing to install yet: run \"make build\" first, as the user who builds" >&2; exit 1; }
	install -D -m 755 $(program) "$(DESTDIR)$(PREFIX)/bin/postroom"
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/postroom/nginx" nginx/*.conf
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/postroom/api" api/openapi.yaml api/openapi.json api/openapi.html
	for file in page/*.* page/*/*.*; do \
		install -D -m 644 "$$file" "$(DESTDIR)$(PREFIX)/share/postroom/$$file" || exit 1; \
	done
	for unit in systemd/*; do \
		sed 's|@PREFIX@|$(PREFIX)|g' "$$unit" | install -D -m 644 /dev/stdin "$(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/}"; \
	done

image:
	scripts/image

clean:
	rm -rf .build .build-* var
