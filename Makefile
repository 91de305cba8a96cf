# make demo    builds Cordon and shows what it does
# make test    builds everything and runs every test
#
# Everything is built as the user who calls make. What needs root (sandboxes do) is run with sudo
# where that user isn't root.

SHELL := /bin/bash
PREFIX ?= /usr/local
DESTDIR ?=
SWIFT_BUILD := swift build -c release --explicit-target-dependency-import-check error $(SWIFT_FLAGS)
PRODUCTS := .build/release
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

# What building, testing and the demo use; the names are Debian's and Ubuntu's.
PACKAGES := \
	g++ make pkg-config libseccomp-dev libsqlite3-dev zlib1g-dev \
	bash ca-certificates chromium curl dpkg fish gcc gdb git jq nodejs openssl perl procps \
	python3 python3-pexpect python3-prometheus-client python3-requests python3-venv shellcheck strace vim-tiny zsh

# Suites that make sandboxes, or other things of the kernel's, for real: they run as root and one
# after the other. A new suite joins them by its target's name; every other suite is pure.
KERNEL_SUITES := ^(Service|Survival|Isolation|Leak|Limits|LinuxSystem|SandboxShim|SandboxLauncher)Tests[./]
# Tests that run side by side hold more descriptors than the usual soft limit of 1024 allows.
TESTS := NO_COLOR=1 prlimit --nofile=$(shell ulimit -Hn):$(shell ulimit -Hn) $(PRODUCTS)/cordonPackageTests.xctest --testing-library swift-testing

.PHONY: all setup check-swift build build-tests demo test test-pure test-kernel lint format contract bench install \
	uninstall clean

all: build

# Installs packages only where some are missing.
define install-missing
	@missing=(); for package in $(1); do \
		[[ $$(dpkg-query -W -f '$${db:Status-Status}' $$package 2> /dev/null) == installed ]] || missing+=($$package); \
	done; \
	if (( $${#missing[@]} )); then \
		echo "Installing $${missing[*]}"; \
		$(SUDO) apt-get update -qq && \
		$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $${missing[@]} > /dev/null; \
	fi
endef

setup: check-swift
	$(call install-missing,$(PACKAGES))

check-swift:
	@swift --version 2> /dev/null | grep -qE 'Swift version (6\.([2-9]|[1-9][0-9])|[7-9])' \
		|| { echo "Cordon is built with Swift 6.2 or newer; there is none in PATH" >&2; exit 1; }

build: setup
	$(SWIFT_BUILD)

build-tests: setup
	$(SWIFT_BUILD) --build-tests

demo: build
	examples/demo.sh $(PRODUCTS)

test: test-pure test-kernel

test-pure: build-tests
	$(TESTS) --skip '$(KERNEL_SUITES)'

test-kernel: build-tests
	$(SUDO) env PATH="$$PATH" $(TESTS) --no-parallel --filter '$(KERNEL_SUITES)'

lint: setup
	swift format lint --strict -r Sources Tests Package.swift
	shellcheck examples/*.sh .ci/run
	python3 -m py_compile bench/*.py Tests/Contract/*.py

format:
	swift format -i -r Sources Tests Package.swift

# The running service against openapi.yaml, by schemathesis (from PyPI).
contract: build
	$(SUDO) python3 -B Tests/Contract/contract.py $(PRODUCTS)

# BENCH_FLAGS=--help lists what can be chosen.
bench: build
	$(SUDO) python3 -B bench/bench.py $(PRODUCTS) $(BENCH_FLAGS)

COMPLETIONS := share/bash-completion/completions/cordon share/zsh/site-functions/_cordon \
	share/fish/vendor_completions.d/cordon.fish

# What completes `cordon` in the shell $(1), where that looks for it.
define install-completion
	install -d $(DESTDIR)$(PREFIX)/$(dir $(2))
	$(PRODUCTS)/cordon --generate-completion-script $(1) > $(DESTDIR)$(PREFIX)/$(2)

endef

# Run `make build` first, as yourself; installing needs root and builds nothing.
install:
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)/etc/systemd/system
	install -s -m 755 $(addprefix $(PRODUCTS)/,cordond cordon-launcher cordon-shim cordon) $(DESTDIR)$(PREFIX)/bin
	sed 's|@PREFIX@|$(PREFIX)|' packaging/cordond.service > $(DESTDIR)/etc/systemd/system/cordond.service
	$(call install-completion,bash,$(word 1,$(COMPLETIONS)))
	$(call install-completion,zsh,$(word 2,$(COMPLETIONS)))
	$(call install-completion,fish,$(word 3,$(COMPLETIONS)))

uninstall:
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/bin/,cordond cordon-launcher cordon-shim cordon)
	rm -f $(DESTDIR)/etc/systemd/system/cordond.service
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/,$(COMPLETIONS))

clean:
	rm -rf .build
