# stager: everything a person needs is `make demo` and `make check`; `make help` lists the rest.

B      ?= build
CC     ?= gcc
CLANG  ?= clang
PREFIX ?= /usr
V      ?= 0

# Debian 12 packages. DEPS builds and runs the demo, DEPS_CHECK is for tests only.
DEPS := build-essential pkg-config gettext libimobiledevice-dev libusbmuxd-dev libusb-1.0-0-dev libplist-dev \
	libssl-dev libsqlite3-dev libsystemd-dev libudev-dev libcurl4-openssl-dev libjansson-dev libjq-dev \
	libpq-dev libldap-dev libyaml-dev libcsv-dev libmicrohttpd-dev libcairo2-dev libpango1.0-dev libzint-dev libseccomp-dev zlib1g-dev libzip-dev \
	fonts-dejavu-core openssl
DEPS_CHECK := libcmocka-dev clang libclang-rt-14-dev valgrind bats jq zip curl sqlite3 poppler-utils faketime tmux groff \
	libimobiledevice-utils libusbmuxd-tools ideviceinstaller usbmuxd cppcheck scep certmonger dbus-daemon \
	postgresql openssh-server slapd rsyslog rsyslog-openssl rsyslog-gnutls libnss-wrapper gnutls-bin softhsm2 opensc libengine-pkcs11-openssl eapoltest freeradius

PKGS := libimobiledevice-1.0 libusbmuxd-2.0 libusb-1.0 libplist-2.0 openssl sqlite3 libsystemd libudev libcurl \
	jansson libpq ldap lber yaml-0.1 libmicrohttpd cairo pangocairo libseccomp zlib libzip

VERSION := 0.1.0
WARN    := -Wall -Wextra -Wshadow -Wconversion -Wformat=2 -Wvla
OPT     ?= -O2 -g
HARDEN  ?= -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fcf-protection -fPIE
LDHARD  ?= -pie -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed
SAN     ?=
EXTRA   ?=
CFLAGS  := -std=gnu17 $(OPT) $(WARN) $(HARDEN) $(SAN) $(EXTRA) -D_GNU_SOURCE -DSTG_VERSION='"$(VERSION)"' \
	-Iinclude -I$(B)/gen $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LIBS    := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -ljq -lcsv -lzint -lm -lpthread
# What builds for a person uses every core, unless the person said -j.
JOBS     = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc 2>/dev/null || echo 1))
Q       := $(if $(filter 0,$(V)),@,)

SRC       := $(filter-out stager/main.c,$(shell find stager drivers profiles -name '*.c' -not -path 'drivers/virtual/*' | sort))
BENCH_SRC := $(filter-out drivers/virtual/main.c,$(shell find drivers/virtual -name '*.c' | sort))
BASE_SRC  := $(filter stager/base/%,$(SRC))
OBJ       := $(SRC:%.c=$(B)/obj/%.o) $(B)/obj/gen/registry.o $(B)/obj/gen/data.o
VIRT_OBJ  := $(BENCH_SRC:%.c=$(B)/obj/%.o) $(B)/obj/gen/virt_services.o
BENCH_OBJ := $(VIRT_OBJ) $(BASE_SRC:%.c=$(B)/obj/%.o)
TEST_SRC  := $(shell find tests -name 'test_*.c' -not -path 'tests/fuzz/*' | sort)
TEST_LIB  := $(shell find tests/lib -name '*.c' 2>/dev/null | sort)
TEST_BIN  := $(TEST_SRC:%.c=$(B)/%)
FUZZ_SRC  := $(shell find tests/fuzz -name 'fuzz_*.c' 2>/dev/null | sort)
ERRDEF    := $(shell find stager drivers profiles -name errors.def | sort)
TRIESDEF  := $(shell find stager drivers profiles -name tries.def | sort)
DATA      := $(shell find profiles/blueprints profiles/templates stager/push/connectors profiles/schema -type f -not -name LICENSE 2>/dev/null | sort)
PO        := $(wildcard po/*.po)
MO        := $(PO:po/%.po=$(B)/locale/%/LC_MESSAGES/stager.mo)

GENERATED := $(B)/gen/errors.inc $(B)/gen/tries.inc

.PHONY: all build FORCE
all: build
build: $(B)/stager $(B)/stager-bench $(MO)  ## build both programs

demo: deps             ## install what is missing, build, run the main job on a virtual bench
	$(Q)$(MAKE) --no-print-directory $(JOBS) build
	$(Q)$(B)/stager demo

check: deps deps-check ## install what is missing, build, run every test: no device, no network
	$(Q)$(MAKE) --no-print-directory $(JOBS) build tests
	$(Q)sh tests/run.sh $(B)

-include $(wildcard stager/rules.mk tests/rules.mk tests/vm/rules.mk images/rules.mk)

tests: $(TEST_BIN) $(B)/bench-keys/63.pem  ## build the test programs

$(B)/bench-keys/63.pem: | $(B)/stager-bench
	@echo "  keys  $(@D)"
	$(Q)$(B)/stager-bench keys $(@D)

deps:                  ## install the Debian packages needed to build and run
	$(Q)sh images/deps.sh $(DEPS)

deps-check: deps       ## install what the tests need besides
	$(Q)sh images/deps.sh $(DEPS_CHECK)
	$(Q)sh images/deps-npm.sh

$(B)/stager: $(B)/obj/stager/main.o $(OBJ)
	@echo "  link  $@"
	$(Q)$(CC) $(CFLAGS) $(LDHARD) -o $@ $^ $(LIBS)

$(B)/stager-bench: $(B)/obj/drivers/virtual/main.o $(BENCH_OBJ)
	@echo "  link  $@"
	$(Q)$(CC) $(CFLAGS) $(LDHARD) -o $@ $^ $(LIBS)

# A test program is one file plus tests/lib, linked with the product's rooms (and the virtual devices where it asks).
$(B)/tests/%: tests/%.c $(TEST_LIB) $(OBJ) | $(GENERATED)
	@mkdir -p $(@D)
	@echo "  test  $@"
	$(Q)$(CC) $(CFLAGS) -Itests/lib -MMD -MP -MF $@.d $(LDHARD) -o $@ $< $(TEST_LIB) $(OBJ) \
		$(if $(findstring tests/virtual/,$@),$(VIRT_OBJ),) $(LIBS) -lcmocka
$(filter $(B)/tests/virtual/%,$(TEST_BIN)): $(BENCH_OBJ)

$(B)/obj/%.o: %.c | $(GENERATED)
	@mkdir -p $(@D)
	@echo "  cc    $<"
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<
$(B)/obj/gen/%.o: $(B)/gen/%.c | $(GENERATED)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# a number is one sentence for ever: given twice, the build stops
$(B)/gen/errors.inc: $(ERRDEF)
	@twice=$$(sed -n 's/^STG_ERR(\([0-9]*\),.*/\1/p' $^ | sort | uniq -d); [ -z "$$twice" ] || { echo "errors.def: given twice:" $$twice; exit 1; }
	@mkdir -p $(@D) && cat $^ > $@.new && { cmp -s $@.new $@ && rm $@.new && touch $@ || mv $@.new $@; }
$(B)/gen/tries.inc: $(TRIESDEF)
	@mkdir -p $(@D) && cat $^ > $@
$(B)/gen/registry.c: stager/registry.sh FORCE
	@mkdir -p $(@D) && sh $< > $@.new && { cmp -s $@.new $@ && rm $@.new || mv $@.new $@; }
$(B)/gen/virt_services.c: drivers/virtual/services.sh FORCE
	@mkdir -p $(@D) && sh $< > $@.new && { cmp -s $@.new $@ && rm $@.new || mv $@.new $@; }
$(B)/gen/data.c: stager/data.sh $(DATA) FORCE
	@mkdir -p $(@D) && sh $< $(DATA) > $@.new && { cmp -s $@.new $@ && rm $@.new || mv $@.new $@; }
$(B)/locale/%/LC_MESSAGES/stager.mo: po/%.po
	@mkdir -p $(@D)
	$(Q)msgfmt -o $@ $<

asan: deps-check       ## all tests under address and undefined-behaviour sanitizers
	$(Q)$(MAKE) --no-print-directory B=$(B)/asan OPT="-O1 -g" HARDEN= LDHARD= SAN="-fsanitize=address,undefined -fno-omit-frame-pointer -DSTG_SANITIZED" build tests
	$(Q)STG_SANITIZED=1 sh tests/run.sh $(B)/asan
tsan: deps-check       ## the station's threads under the thread sanitizer
	$(Q)$(MAKE) --no-print-directory B=$(B)/tsan OPT="-O1 -g" HARDEN= LDHARD= SAN="-fsanitize=thread -DSTG_SANITIZED" build tests
	$(Q)STG_SANITIZED=1 STG_ONLY=tsan sh tests/run.sh $(B)/tsan
memcheck: deps-check build tests ## the tests under valgrind
	$(Q)STG_VALGRIND=1 sh tests/run.sh $(B)
peers: build deps-check $(B)/bench-keys/63.pem ## Debian's tools and go-ios against the virtual bench
	$(Q)STG_ONLY=peers sh tests/run.sh $(B)
bench: build $(B)/bench-keys/63.pem         ## speed and memory, with peers beside, into build/bench.json
	$(Q)sh tests/bench/run.sh $(B)
lint: $(GENERATED)     ## static analysis
	$(Q)cppcheck --quiet --library=tests/cppcheck.cfg --std=c11 --enable=warning,portability --inline-suppr --suppress=missingIncludeSystem \
		--error-exitcode=1 -j2 -Iinclude -I$(B)/gen -D_GNU_SOURCE stager drivers profiles
	$(Q)$(MAKE) --no-print-directory B=$(B)/clang CC="$(CLANG)" EXTRA=-Werror build tests
	@echo "lint: cppcheck found nothing, clang builds programs and tests without a warning"
FUZZ_SECONDS ?= 10
fuzz: deps-check       ## each parser of outside bytes, FUZZ_SECONDS each
	$(Q)$(MAKE) --no-print-directory B=$(B)/fuzz CC="$(CLANG)" OPT="-O1 -g" HARDEN= LDHARD= SAN="-fsanitize=address,undefined,fuzzer-no-link -DSTG_SANITIZED" fuzz-run
fuzz-run: $(FUZZ_SRC:tests/fuzz/%.c=$(B)/tests/fuzz/%)
	$(Q)FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_UNTIL=$(FUZZ_UNTIL) sh tests/fuzz/run.sh $(B) $(notdir $^)
$(B)/tests/fuzz/%: tests/fuzz/%.c $(OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer -o $@ $< $(OBJ) $(LIBS) $(FUZZ_WRAP)

clean:                 ## remove what was built
	rm -rf $(B)
help:                  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

-include $(shell find $(B) -name '*.d' -type f -not -path '$(B)/vm/*' 2>/dev/null)
