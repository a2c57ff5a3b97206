# Tests: sharness scripts and unit programs, all TAP, run by prove.

PROVE ?= prove
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
TESTS ?= $(sort $(wildcard t/t[0-9]*.sh))

.PHONY: test test-programs
test: deps
	+@$(MAKE) --no-print-directory all test-programs
	t/run-tests.sh "$(BUILD)" "$(JOBS)" $(TESTS) $(UNITS)

test-programs: $(UNITS) $(TOOLS)
