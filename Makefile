# ledgerline: every target; `make help` lists them.
#
# What is built from what
#	schemas/**/*.c, build/generated/schemas/*.c   -> libschemas.a      (internal)
#	projections/**/*.c, but for the reader        -> libprojections.a  (internal)
#	engine/**/*.c, but for main.c                 -> libengine.a       (internal)
#	engine/main.c + these three                   -> ledgerline
#	projections/reader/*.c + what it needs of the first two -> libledgerline.so, libledgerline.a
# Sources are found by their place; a new file needs no line here. The internal libraries are linked in the order engine,
# projections, schemas, so a call against the arrows does not link.
#
# Where things go
#	build/                ledgerline, libledgerline.*, man/
#	build/obj/            objects, and beside each the headers that it depends on
#	build/generated/      C made from schemas/*.toml; made before anything is compiled, and again when its inputs change
#	build/<sanitizer>/    the same once more under SANITIZE=address,undefined or SANITIZE=thread
#	build/.deps-*         stamps: the Debian packages for that purpose are there (.ci/setup)

VERSION := 0.1.0
SOVERSION := 0

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 1) --no-builtin-rules # a -j of the command line wins

ifeq ($(origin CC),default)
CC := gcc
endif
PYTHON ?= /usr/bin/python3
SANITIZE ?=
SECONDS ?= 60
SEEDS ?= 20000
IMAGES ?= 20000
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
V ?=

comma := ,
Q := $(if $(V),,@)
OUT := build$(if $(SANITIZE),/$(subst $(comma),-,$(SANITIZE)))
say = @printf '  %-9s %s\n' '$(1)' '$(2)'

# ---- flags ----

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wvla \
	-Wformat=2 -Wundef -Wpointer-arith -Wwrite-strings -Wnested-externs -Wredundant-decls -Wdate-time -Walloca
ifeq ($(findstring clang,$(CC)),)
WARNINGS += -Wduplicated-cond -Wlogical-op -Wno-format-truncation # texts for people are cut off at their limit, on purpose
endif
HARDENING := -fstack-protector-strong -fstack-clash-protection -fcf-protection
ifeq ($(SANITIZE),)
HARDENING += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
else
SANITIZERS := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
ifneq ($(findstring thread,$(SANITIZE)),)
SANITIZERS += -Wl,-u,thrd_create # engine/journal/kafka_threads.c
endif
endif

CPPFLAGS_ALL := -D_GNU_SOURCE -DLEDGERLINE_VERSION='"$(VERSION)"' -I. -Ibuild/generated $(CPPFLAGS)
CFLAGS_ALL := -std=gnu11 -O2 -g -fno-omit-frame-pointer -fPIC -fvisibility=hidden $(WARNINGS) $(HARDENING) $(SANITIZERS) $(CFLAGS)
LDFLAGS_ALL := $(SANITIZERS) -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--as-needed $(LDFLAGS)
LIBS_READER := -llmdb -lcrypto -lsodium -lxxhash -lyajl -lbsd -lpthread -lm
LIBS := -lrdkafka -lcurl -luv -lhttp_parser -linih -lssl -lsystemd $(LIBS_READER)

# ---- sources ----

sources = $(sort $(shell find $(1) -name '*.c' 2>/dev/null))
objects = $(1:%.c=$(OUT)/obj/%.o)

GENERATED := $(sort $(wildcard build/generated/schemas/*.c))
READER := $(call sources,projections/reader)
SCHEMAS := $(call sources,schemas) $(GENERATED)
PROJECTIONS := $(filter-out $(READER),$(call sources,projections))
ENGINE := $(filter-out engine/main.c,$(call sources,engine))
MAIN := $(wildcard engine/main.c)
UNIT := $(sort $(wildcard tests/unit/test_*.c))
INTEGRATION := $(sort $(wildcard tests/integration/test_*.c))
SIMULATION := $(sort $(wildcard tests/simulation/test_*.c))
PEERS := $(sort $(filter-out bench/peers/tally.c,$(wildcard bench/peers/*.c)))
MEASURING := $(sort $(wildcard bench/*.c bench/peers/*.c))
SIMULATOR := $(filter-out $(SIMULATION),$(sort $(wildcard tests/simulation/*.c)))
TOOLS := $(sort $(wildcard tests/tools/*.c))
POWER_CUTS := $(sort $(wildcard tests/powercuts/test_*.c))
POWER_CUTTER := $(filter-out $(POWER_CUTS),$(sort $(wildcard tests/powercuts/*.c)))
SUPPORT := $(filter-out $(UNIT) $(INTEGRATION) $(TOOLS) tests/simulation/% tests/powercuts/% tests/fuzz/%,$(call sources,tests))
FUZZ := $(sort $(wildcard tests/fuzz/fuzz_*.c))

INTERNAL := $(OUT)/obj/libengine.a $(OUT)/obj/libprojections.a $(OUT)/obj/libschemas.a
BINARY := $(if $(MAIN),$(OUT)/ledgerline)
MANUAL := $(if $(MAIN),$(OUT)/man/ledgerline.1)
LIBRARIES := $(if $(READER),$(OUT)/libledgerline.so $(OUT)/libledgerline.a)
LINTED := $(patsubst %.c,$(OUT)/lint/%.ok,$(filter-out $(GENERATED),$(SCHEMAS) $(PROJECTIONS) $(READER) $(ENGINE) $(MAIN) \
	$(UNIT) $(INTEGRATION) $(SIMULATION) $(SIMULATOR) $(POWER_CUTS) $(POWER_CUTTER) $(TOOLS) $(SUPPORT) $(MEASURING)))
UNIT_PROGRAMS := $(UNIT:%.c=$(OUT)/%) $(SIMULATION:%.c=$(OUT)/%) $(POWER_CUTS:%.c=$(OUT)/%)
INTEGRATION_PROGRAMS := $(INTEGRATION:%.c=$(OUT)/%)
TOOL_PROGRAMS := $(TOOLS:%.c=$(OUT)/%)
PEER_PROGRAMS := $(PEERS:%.c=$(OUT)/%)
# bench/run compiles point_reads itself, as a program outside would be.
MEASURING_PROGRAMS := $(PEER_PROGRAMS) $(patsubst %.c,$(OUT)/%,$(filter-out bench/point_reads.c,$(wildcard bench/*.c)))

# ---- targets for people ----

.PHONY: all help deps demo test unit integration e2e simulation torture fuzz fuzz-coverage bench check format lint install uninstall deb clean
.PHONY: fuzz-programs test-programs

all: $(BINARY) $(LIBRARIES) $(INTERNAL) $(MANUAL) ## build the program and the reader library (SANITIZE=address,undefined or thread)
	$(if $(BINARY),,@echo 'engine/main.c is not there: no program was built')

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'Variables: SANITIZE=address,undefined|thread  SECONDS=60  SEEDS=20000  IMAGES=20000  PREFIX=/usr/local  DESTDIR=  CC=gcc  V=1'

deps: ## install the Debian packages that are missing, for everything; says which
	$(Q)bash .ci/setup build test check bench deb

demo: all ## play an on-sale from opening to sold out, rebuild it, and prove that it is the same
	$(Q)$(BINARY) demo

test: test-programs ## all tests: unit, integration on a real Kafka, end to end
	$(Q)tests/run $(OUT) unit integration e2e

unit: test-programs ## tests of single parts, and the simulation
	$(Q)tests/run $(OUT) unit

integration: test-programs ## tests of the adapters, on a real Kafka
	$(Q)tests/run $(OUT) integration

e2e: test-programs ## tests of the program from outside, on the embedded journal and on a real Kafka
	$(Q)tests/run $(OUT) e2e

simulation: $(SIMULATION:%.c=$(OUT)/%) ## play SEEDS= fresh seeds of the simulator on all cores (20,000)
	$(Q)tests/run $(OUT) simulation $(SEEDS)

torture: test-programs ## long tests: kill -9 at random moments, faults of brokers, IMAGES= of power cuts, the simulator and its bugs, the model for SECONDS=
	$(Q)IMAGES=$(IMAGES) LEDGERLINE_MODEL_SECONDS=$(SECONDS) tests/run $(OUT) torture

fuzz: | build/.deps-check ## feed random bytes to everything that reads bytes, SECONDS= for each reader
	$(Q)$(MAKE) --no-print-directory CC=clang SANITIZE=fuzzer-no-link,address,undefined fuzz-programs
	$(Q)tests/run build/fuzzer-no-link-address-undefined fuzz $(SECONDS)

fuzz-coverage: | build/.deps-check ## which lines and branches of decoders and decisions the fuzzers' inputs reach
	$(Q)$(MAKE) --no-print-directory CC=clang SANITIZE=fuzzer-no-link CFLAGS='-fprofile-instr-generate -fcoverage-mapping' fuzz-programs
	$(Q)tests/fuzz/coverage build/fuzzer-no-link

bench: all $(MEASURING_PROGRAMS) | build/.deps-bench ## the measurements (BENCH_SCALE=0.01 for a short try)
	$(Q)bench/run $(OUT)

check: ## all that needs no run of the program: format, lint, layers, house rules, links, generated pages
	$(Q)$(MAKE) --no-print-directory --keep-going --output-sync=target check-format lint $(CHECKS)
	@echo 'check: all is well'

format: | build/.deps-check ## put all C sources into the house's form
	$(Q)clang-format -i $(C_FILES)

lint: $(LINTED) ## clang-tidy on what changed

clean: ## remove build/
	$(Q)rm -rf build

# ---- set-up ----

# These goals need nothing but make.
ifneq ($(filter-out help clean deps uninstall,$(or $(MAKECMDGOALS),all)),)
include build/generated/made.mk
endif

build/.deps-%: .ci/setup
	$(Q)bash .ci/setup $*
	$(Q)mkdir -p build && touch $@

# An included file that make knows how to make is made before anything else; make then starts over, and finds the
# generated sources by their place like all others.
build/generated/made.mk: schemas/generate.py $(sort $(wildcard schemas/*.toml schemas/generator/*.py)) | build/.deps-build
	$(call say,GENERATE,schemas/*.toml)
	$(Q)$(PYTHON) schemas/generate.py --out build/generated
	$(Q)touch $@

# ---- compiling and linking ----

# Changes when the flags do, so that what was compiled with others is compiled again.
$(OUT)/obj/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(LIBS))' | cmp -s - $@ || \
		echo '$(subst ','\'',$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(LIBS))' >$@
.PHONY: FORCE
FORCE:

$(OUT)/obj/%.o: %.c $(OUT)/obj/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

# The console's files are put into the program as they are.
$(OUT)/obj/engine/console/files.o: $(sort $(filter-out %.c %.h,$(wildcard engine/console/*)))

-include $(patsubst %.o,%.d,$(call objects,$(SCHEMAS) $(PROJECTIONS) $(READER) $(ENGINE) $(MAIN) $(UNIT) $(INTEGRATION) \
	$(SIMULATION) $(SIMULATOR) $(POWER_CUTS) $(POWER_CUTTER) $(TOOLS) $(SUPPORT) $(FUZZ) $(MEASURING)))

# An archive's list of members is kept beside it: a source that went away must leave the archive too.
define archive
$(OUT)/obj/$(1).a: $(call objects,$(2)) $(OUT)/obj/$(1).members
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar rcs $$@ $(call objects,$(2))
$(OUT)/obj/$(1).members: FORCE
	@mkdir -p $$(@D)
	@echo '$(2)' | cmp -s - $$@ || echo '$(2)' >$$@
endef
$(eval $(call archive,libschemas,$(SCHEMAS)))
$(eval $(call archive,libprojections,$(PROJECTIONS)))
$(eval $(call archive,libengine,$(ENGINE)))
$(eval $(call archive,libsupport,$(SUPPORT)))

# The archive of the reader's own objects belongs to libprojections's users only through the libraries below.
$(OUT)/ledgerline: $(call objects,$(MAIN)) $(INTERNAL)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -pie -o $@ $^ $(LIBS)

# Said by the program itself, so that the page cannot fall behind it.
$(OUT)/man/ledgerline.1: docs/man/ledgerline.1.in docs/man/generate.py $(BINARY)
	$(call say,MAN,$@)
	@mkdir -p $(@D)
	$(Q)$(PYTHON) -B docs/man/generate.py $(BINARY) $< >$@

$(OUT)/libledgerline.so.$(VERSION): $(call objects,$(READER)) $(OUT)/obj/libprojections.a $(OUT)/obj/libschemas.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(if $(SANITIZE),,-Wl$(comma)-z$(comma)defs) -shared \
		-Wl,-soname,libledgerline.so.$(SOVERSION) -o $@ $^ $(LIBS_READER)

$(OUT)/libledgerline.so: $(OUT)/libledgerline.so.$(VERSION)
	$(Q)ln -sf $(<F) $(OUT)/libledgerline.so.$(SOVERSION)
	$(Q)ln -sf $(<F) $@

# One object with only the public names left global: nothing of the inside can collide with its user's names.
$(OUT)/libledgerline.a: $(call objects,$(READER)) $(OUT)/obj/libprojections.a $(OUT)/obj/libschemas.a
	$(call say,AR,$@)
	$(Q)ld -r -o $(OUT)/obj/libledgerline.o $^
	$(Q)objcopy --localize-hidden $(OUT)/obj/libledgerline.o
	$(Q)rm -f $@ && ar rcs $@ $(OUT)/obj/libledgerline.o

# ---- tests ----

test-programs: all $(UNIT_PROGRAMS) $(INTEGRATION_PROGRAMS) $(TOOL_PROGRAMS) $(PEER_PROGRAMS) | build/.deps-test

$(call objects,$(UNIT) $(INTEGRATION) $(SIMULATION) $(SIMULATOR) $(POWER_CUTS) $(POWER_CUTTER) $(TOOLS) $(SUPPORT)): | build/.deps-test

$(UNIT_PROGRAMS) $(INTEGRATION_PROGRAMS): $(OUT)/%: $(OUT)/obj/%.o $(OUT)/obj/libsupport.a $(INTERNAL)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -pie -o $@ $(filter %.o,$^) $(filter %.a,$^) -lcmocka -lmsgpackc $(LIBS)

# The tests of what is in no archive of ours.
$(filter $(OUT)/tests/unit/test_reader $(OUT)/tests/unit/test_reader_%,$(UNIT_PROGRAMS)): $(call objects,$(READER))

# Its twins of the disk stand in for members of the archives, which are then not taken.
$(SIMULATION:%.c=$(OUT)/%): $(call objects,$(SIMULATOR))

# Its recorder stands in for calls of the C library.
$(POWER_CUTS:%.c=$(OUT)/%): $(call objects,$(POWER_CUTTER))

fuzz-programs: $(FUZZ:%.c=$(OUT)/%)

$(FUZZ:%.c=$(OUT)/%): $(OUT)/%: $(OUT)/obj/%.o $(INTERNAL)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -fsanitize=fuzzer -pie -o $@ $^ $(LIBS)

# What stands beside the program in measurements, and does in tests what the program never does.
$(MEASURING_PROGRAMS) $(TOOL_PROGRAMS): $(OUT)/%: $(OUT)/obj/%.o $(INTERNAL)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -pie -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS)

$(PEER_PROGRAMS): $(OUT)/obj/bench/peers/tally.o

# ---- checks ----

# `make check` was seen failing on each of these: tests/check/test_checks.py shows it anew every time.
C_FILES = $(sort $(shell find schemas projections engine tests bench docs -name '*.[ch]' 2>/dev/null))
CHECKS := check-layering check-house check-links check-twice check-events check-pages check-checks
.PHONY: check-format $(CHECKS)

check-format: | build/.deps-check
	$(call say,CHECK,format)
	$(Q)bad=$$(for file in $(C_FILES); do clang-format --dry-run -Werror $$file 2>/dev/null || echo $$file; done); \
		[ -z "$$bad" ] || { printf '%s: not in form; make format mends it\n' $$bad >&2; exit 1; }

check-layering check-house check-links check-twice check-events: check-%: | build/.deps-check
	$(call say,CHECK,$*)
	$(Q)$(PYTHON) -B tests/check/$*.py

check-pages: | build/.deps-check
	$(call say,CHECK,generated pages)
	$(Q)$(PYTHON) schemas/generate.py --check-docs

check-checks: | build/.deps-check
	$(call say,CHECK,the checks themselves)
	$(Q)$(PYTHON) -B -m pytest -q --no-header -p no:cacheprovider tests/check

# Through the object file, which is made anew whenever a header that it includes has changed.
$(OUT)/lint/%.ok: $(OUT)/obj/%.o .clang-tidy tests/.clang-tidy | build/.deps-check
	$(call say,LINT,$*.c)
	@mkdir -p $(@D)
	$(Q)clang-tidy --quiet $*.c -- $(CPPFLAGS_ALL) -std=gnu11 2>$@.err || { cat $@.err >&2; exit 1; }
	@rm -f $@.err && touch $@

# ---- installing ----

HEADER := $(wildcard projections/reader/ledgerline.h)
MAN1 := $(MANUAL)
MAN3 := $(wildcard docs/man/*.3)
into = $(DESTDIR)$(1)

install: all ## install program, library, header, pkg-config file and man pages (PREFIX=, DESTDIR=)
	$(if $(BINARY),$(Q)install -D -m 755 $(BINARY) $(call into,$(PREFIX)/bin/ledgerline))
	$(if $(READER),$(Q)install -d $(call into,$(LIBDIR)/pkgconfig) $(call into,$(PREFIX)/include))
	$(if $(READER),$(Q)install -m 755 $(OUT)/libledgerline.so.$(VERSION) $(call into,$(LIBDIR)/))
	$(if $(READER),$(Q)ln -sf libledgerline.so.$(VERSION) $(call into,$(LIBDIR)/libledgerline.so.$(SOVERSION)))
	$(if $(READER),$(Q)ln -sf libledgerline.so.$(SOVERSION) $(call into,$(LIBDIR)/libledgerline.so))
	$(if $(READER),$(Q)install -m 644 $(OUT)/libledgerline.a $(call into,$(LIBDIR)/))
	$(if $(HEADER),$(Q)install -m 644 $(HEADER) $(call into,$(PREFIX)/include/))
	$(if $(READER),$(Q)printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$(LIBDIR)' 'includedir=$${prefix}/include' '' \
		'Name: ledgerline' 'Description: reads the projections of a ledgerline ledger' 'Version: $(VERSION)' \
		'Cflags: -I$${includedir}' 'Libs: -L$${libdir} -lledgerline' 'Libs.private: $(LIBS_READER)' \
		>$(call into,$(LIBDIR)/pkgconfig/ledgerline.pc))
	$(if $(MAN1),$(Q)install -D -m 644 -t $(call into,$(PREFIX)/share/man/man1) $(MAN1))
	$(if $(MAN3),$(Q)install -D -m 644 -t $(call into,$(PREFIX)/share/man/man3) $(MAN3))

deb: all | build/.deps-deb ## Debian packages of what was built, in build/deb
	$(Q)packaging/make_deb build/deb $(VERSION)

uninstall: ## remove what install put there
	$(Q)rm -f $(call into,$(PREFIX)/bin/ledgerline) $(call into,$(PREFIX)/include/ledgerline.h) \
		$(call into,$(LIBDIR)/pkgconfig/ledgerline.pc) $(call into,$(LIBDIR)/libledgerline.a) \
		$(call into,$(LIBDIR)/libledgerline.so) $(call into,$(LIBDIR)/libledgerline.so.$(SOVERSION)) \
		$(call into,$(LIBDIR)/libledgerline.so.$(VERSION)) \
		$(foreach page,$(notdir $(MAN1)),$(call into,$(PREFIX)/share/man/man1/$(page))) \
		$(foreach page,$(notdir $(MAN3)),$(call into,$(PREFIX)/share/man/man3/$(page)))
