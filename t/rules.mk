# Tests: sharness scripts and unit programs, all TAP, run by prove; the other ways to look at the code.

PROVE ?= prove
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
TESTS ?= $(sort $(wildcard t/t[0-9]*.sh t/hostile/t[0-9]*.sh))

.PHONY: test test-programs demo
test: deps
	+@$(MAKE) --no-print-directory all test-programs
	@t/run-tests.sh "$(BUILD)" "$(JOBS)" $(TESTS) $(UNITS)

test-programs: $(UNITS) $(TOOLS)

# With SANITIZE=address,undefined: the unit programs and the scripts that reach most of the library for
# their time, or TESTS='t/t[0-8]*.sh'.
SANITIZED_TESTS ?= $(wildcard t/t0000-*.sh t/t0001-*.sh t/t0500-*.sh t/t10[02]0-*.sh t/t20[015]0-*.sh t/t2051-*.sh \
	t/t2100-*.sh t/t30[013457]0-*.sh t/t3100-*.sh t/t3200-*.sh t/t40[024]0-*.sh t/t50[0123]0-*.sh t/t6[01]00-*.sh)
.PHONY: test-sanitized
test-sanitized: programs test-programs
	@ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
		t/run-tests.sh "$(BUILD)" "$(JOBS)" $(if $(filter command%,$(origin TESTS)),$(TESTS),$(SANITIZED_TESTS)) $(UNITS)

# make valgrind [VALGRIND=program] [TESTS=…]: memcheck on the unit programs and the main verbs.
VALGRIND_TESTS ?= $(wildcard t/t30[0124]0-*.sh t/t4000-*.sh t/t50[16]0-*.sh)
.PHONY: valgrind
valgrind: programs test-programs
	@t/run-valgrind.sh "$(BUILD)" $(if $(filter command%,$(origin TESTS)),$(TESTS),$(VALGRIND_TESTS))

demo: deps
	+@$(MAKE) --no-print-directory programs
	@t/demo/demo.sh "$(BUILD)"

# make torture: open, sync, close and repair with each TORTURE_STRIDEth system call failing or ending them.
# make race: many commands, sessions and syncs at once.  make hostile, make probes: the corpus of hostile
# guests, and what a sandbox must not be able to do.
.PHONY: torture race hostile probes
torture: programs test-programs
	@t/torture/run.sh "$(BUILD)"
race: programs test-programs
	@AGB_RACE_SESSIONS=24 t/run-tests.sh "$(BUILD)" 1 t/t3110-races.sh t/t3120-many.sh t/t6010-catalog-races.sh
hostile: programs test-programs
	@t/run-tests.sh "$(BUILD)" "$(JOBS)" $(HOSTILE_TESTS)
probes: programs test-programs
	@t/run-tests.sh "$(BUILD)" "$(JOBS)" $(PROBE_TESTS)

HOSTILE_TESTS := $(wildcard t/t2[0-9]*.sh t/t*-hostile.sh)
PROBE_TESTS := $(wildcard t/t10[13]0-*.sh)

# make check: everything that can be said about the code without running its tests.
C_FILES := $(sort $(wildcard git-agbranch/*.[ch] git-agbranch/*/*.[ch] git-agbranch/*/*/*.[ch] \
	subcommands/*.[ch] t/unit/*.[ch] t/tools/*.[ch] t/fuzz/*.[ch]))
HEADERS := $(filter %.h,$(C_FILES))
CLANG_FORMAT ?= clang-format
CHECKS := format headers layers shell verbs words rows manual

.PHONY: check format $(CHECKS:%=check-%)
check: $(CHECKS:%=check-%)

format:
	@$(CLANG_FORMAT) -i $(C_FILES)

check-format:
	$(call say,CHECK,format)t/check/format.sh $(C_FILES)

check-headers: $(HEADERS:%=$(BUILD)/alone/%)
$(BUILD)/alone/%.h: %.h $(BUILD)/.compiling
	@mkdir -p $(@D)
	$(call say,ALONE,$<)$(CC) -Werror $(ALL_CFLAGS) -Wno-unused-function $(PKG_CFLAGS) -MMD -MP -MF $@.d -MT $@ \
		-fsyntax-only -include $< -x c /dev/null && touch $@
-include $(HEADERS:%=$(BUILD)/alone/%.d)

check-layers:
	$(call say,CHECK,layers)t/check/layers.sh $(C_FILES)

check-shell:
	$(call say,CHECK,shell)t/check/shell.sh

check-verbs:
	$(call say,CHECK,verbs)t/check/verbs.sh

check-words:
	$(call say,CHECK,words)t/check/words.sh

check-rows:
	$(call say,CHECK,rows)t/check/rows.sh >/dev/null

check-manual: programs man
	$(call say,CHECK,manual)t/check/manual.sh "$(BUILD)"

# make fuzz-smoke: every fuzz target for a fixed number of runs on its corpus.
FUZZ_CC ?= clang
FUZZ_RUNS ?= 2000
FUZZ_BUILD = $(BUILD)-fuzz
.PHONY: fuzz-smoke fuzzers
fuzz-smoke:
	+@if echo 'int LLVMFuzzerTestOneInput(const char *d, unsigned long n){return !d && n;}' | \
		$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -x c -o /dev/null - 2>/dev/null; then \
		$(MAKE) --no-print-directory CC=$(FUZZ_CC) FUZZ=1 SANITIZE=address,undefined \
			BUILD="$(FUZZ_BUILD)" fuzzers && \
		t/run-fuzz.sh "$(FUZZ_BUILD)" $(FUZZ_RUNS); \
	elif test -n "$(FUZZ_MUST_WORK)"; then \
		echo "fuzz-smoke: $(FUZZ_CC) cannot link -fsanitize=fuzzer" >&2; exit 1; \
	else \
		echo "fuzz-smoke: skipped, $(FUZZ_CC) cannot link -fsanitize=fuzzer"; \
	fi

fuzzers: $(FUZZERS)
$(BUILD)/t/fuzz/%: $(BUILD)/obj/t/fuzz/%.o $(LIB) $(BUILD)/.linking
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $< $(LIB) $(PKG_LIBS)

# make bench: the ratios of one run as a page.
.PHONY: bench
bench: all test-programs
	@t/run-bench.sh "$(BUILD)" Documentation/performance.adoc

# make coverage: the tests on a build of its own, then a table of lines that ran.
.PHONY: coverage
coverage:
	+@$(MAKE) --no-print-directory COVERAGE=1 BUILD="$(BUILD)-coverage" programs test-programs
	@find "$(BUILD)-coverage" -name '*.gcda' -exec rm -f {} +
	-@t/run-tests.sh "$(BUILD)-coverage" "$(JOBS)" $(TESTS) $(UNITS:$(BUILD)/%=$(BUILD)-coverage/%)
	@t/coverage.sh "$(BUILD)-coverage"
