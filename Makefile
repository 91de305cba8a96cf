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
	g++ make pkg-config libseccomp-dev libsqlite3-dev libzstd-dev zlib1g-dev \
	libjansson-dev libssl-dev libwebsockets-dev redis-tools \
	bash bind9-dnsutils busybox-static ca-certificates chromium curl docker-registry dpkg fish gcc gdb git iproute2 jq mmdebstrap nftables nghttp2-client nodejs openssh-client openssl patch perl procps tar \
	python3 python3-dnslib python3-dnspython python3-pexpect python3-prometheus-client python3-requests \
	python3-venv rclone shellcheck skopeo strace umoci vim-tiny zsh zstd

# Suites that make sandboxes, or other things of the kernel's, for real: they run as root, most of the service's
# beside all others, and in each of these two lanes one after the other. A new suite joins them by its target's name;
# every other suite is pure.
KERNEL_SUITES := ^(Service|ModalSDK|Survival|Isolation|Layer|Leak|Limits|LinuxSystem|SandboxShim|SandboxLauncher)Tests[./]
# Chosen so that both lanes take about as long.
FIRST_LANE := ^ServiceTests[./]
SECOND_LANE := ^(ServiceTests[.](Attach|Bucket|Connect|ConnectSecurity|Debian)|(ModalSDK|Survival|Isolation|Layer|Leak|Limits|LinuxSystem|SandboxShim|SandboxLauncher))Tests[./]
# Those of them that show what a sandbox is and does, once more with nothing prepared ahead.
CORE_SUITES := ^(IsolationTests|ServiceTests[.](FirstSteps|Lifecycle|Stream|Run)Tests)[./]
# Tests that run side by side hold more descriptors than the usual soft limit of 1024 allows.
TESTS := NO_COLOR=1 prlimit --nofile=$(shell ulimit -Hn):$(shell ulimit -Hn) $(PRODUCTS)/cordonPackageTests.xctest --testing-library swift-testing

.PHONY: all setup check-swift build build-tests demo test test-pure test-kernel lint format protos check-protos contract bench install \
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
	$(SUDO) env PATH="$$PATH" Tests/side-by-side.sh \
		"$(TESTS) --no-parallel --filter '$(FIRST_LANE)' --skip '$(SECOND_LANE)'" \
		"$(TESTS) --no-parallel --filter '$(SECOND_LANE)' && \
		CORDON_POOL_SIZE=0 $(TESTS) --no-parallel --filter '$(CORE_SUITES)'"

lint: setup
	swift format lint --strict -r Sources Tests Package.swift
	shellcheck examples/*.sh Tests/*.sh .ci/run
	python3 -m py_compile bench/*.py Tests/Contract/*.py Sources/ModalProtocol/Protos/*.py

format:
	swift format -i -r Sources Tests Package.swift

# Makes Sources/ModalProtocol/Messages anew from the protocol files, with protoc (Debian's protobuf-compiler) and
# protoc-gen-swift of swift-protobuf in PATH. A build needs neither: what they make is committed.
PROTOS := Sources/ModalProtocol/Protos
protos:
	cd $(PROTOS) && protoc -I. --swift_opt=Visibility=Package --swift_opt=FileNaming=DropPath \
		--swift_out=../Messages $$(grep -L '^service ModalClient' modal_proto/*.proto)

# The protocol files against the descriptors inside of the official SDK, from PyPI.
MODAL_SDK := .build/modal-sdk-1.6.4
check-protos:
	[[ -x $(MODAL_SDK)/bin/python ]] || { python3 -m venv $(MODAL_SDK) && $(MODAL_SDK)/bin/pip install -q modal==1.6.4; }
	$(MODAL_SDK)/bin/python -B $(PROTOS)/check.py $(PROTOS) ContainerFilesystemExecGetOutputRequest \
		FilesystemRuntimeOutputBatch SystemErrorMessage "call ContainerFilesystemExecGetOutput"

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
