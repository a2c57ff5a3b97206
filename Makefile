# git agbranch: one non-recursive Makefile.
#
#   make [DEVELOPER=1] [SANITIZE=address,undefined] [COVERAGE=1] [CC=clang] [BUILD=folder]
#   make demo | test | check | bench | fuzz-smoke | deps | install | uninstall
#
# What is built has the shape of an installation (bin/, libexec/, share/), so that programs run from
# the build folder as they run from the prefix.

prefix ?= /usr/local
DESTDIR ?=
VERSION := 0.2.0

# The flavours are kept apart, so that objects of one never end up in another.
BUILD ?= build$(if $(filter clang%,$(CC)),-clang)$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))$(if $(COVERAGE),-coverage)
comma := ,

PKGS := glib-2.0 gio-2.0 gio-unix-2.0 libgit2 sqlite3 libcjson yaml-0.1 libarchive $(if $(filter Linux,$(shell uname -s)),libseccomp)
PKG_CONFIG ?= pkg-config

# Goals that set the machine up themselves must work before the libraries are there.
# (Asked once, on first use.)
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell $(PKG_CONFIG) --cflags $(PKGS)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $$(shell $(PKG_CONFIG) --libs $(PKGS)))$(PKG_LIBS)

# V=1 shows whole commands.
say = $(if $(V),,@printf '  %-7s %s\n' $1 $2;)

CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra $(if $(DEVELOPER),-Werror -Wshadow -Wmissing-prototypes -Wstrict-prototypes \
	-Wpointer-arith -Wwrite-strings -Wvla -Wformat=2 -Wundef -Wold-style-definition)
HARDENING := -fstack-protector-strong -fPIE $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2)
SANITIZERS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
COVERING := $(if $(COVERAGE),--coverage)
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE -I. -Igit-agbranch -I$(BUILD)/include $(WARNINGS) $(HARDENING) \
	$(SANITIZERS) $(COVERING) -DAGB_PREFIX='"$(prefix)"' -DAGB_VERSION='"$(VERSION)"' \
	-DG_LOG_DOMAIN='"agbranch"' $(CFLAGS)
ALL_LDFLAGS = -pie -Wl,--as-needed -Wl,-z,relro -Wl,-z,now $(SANITIZERS) $(COVERING) $(LDFLAGS)

# The library is every source of the rooms; NAME-main.c is a program of its own.
ROOMS := core store guest guest/bwrap guest/lima gate session
MAIN_SRC := $(wildcard $(ROOMS:%=git-agbranch/%/*-main.c))
LIB_SRC := $(filter-out $(MAIN_SRC),$(wildcard $(ROOMS:%=git-agbranch/%/*.c)) $(filter-out subcommands/git-agbranch-%,$(wildcard subcommands/*.c)))
VERB_SRC := $(wildcard subcommands/git-agbranch-*.c)
UNIT_SRC := $(wildcard t/unit/test-*.c)
TOOL_SRC := $(wildcard t/tools/*.c)
FUZZ_SRC := $(wildcard t/fuzz/fuzz-*.c)

LIB := $(BUILD)/libgit-agbranch.a
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/obj/%.o)
EXEC_DIR := $(BUILD)/libexec/git-agbranch
DISPATCHER := $(BUILD)/bin/git-agbranch
VERBS := $(VERB_SRC:subcommands/%.c=$(EXEC_DIR)/%)
HELPERS := $(foreach m,$(MAIN_SRC),$(EXEC_DIR)/agbranch-$(patsubst %-main.c,%,$(notdir $m)))
UNITS := $(UNIT_SRC:t/unit/%.c=$(BUILD)/t/unit/%)
TOOLS := $(TOOL_SRC:t/tools/%.c=$(BUILD)/t/tools/%)
FUZZERS := $(FUZZ_SRC:t/fuzz/%.c=$(BUILD)/t/fuzz/%)
ASSETS := $(BUILD)/share/git-agbranch/lima

.PHONY: all programs
all: programs man completions
programs: $(DISPATCHER) $(BUILD)/bin/agbranch $(VERBS) $(HELPERS) $(ASSETS)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(ALL_CFLAGS) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(LIB_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)$(AR) rcs $@ $(LIB_OBJ)

# Programs that use the C library only: the dispatcher stands in front of every command, and execd
# runs where the host's libraries need not be.
STATIC := $(if $(SANITIZE)$(COVERAGE),,$(shell echo 'int main(void){return 0;}' | $(CC) -static -x c -o /dev/null - 2>/dev/null && echo -static))
$(DISPATCHER): $(BUILD)/obj/git-agbranch/git-agbranch.o
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(if $(STATIC),$(STATIC) $(LDFLAGS),$(ALL_LDFLAGS)) -o $@ $<

$(BUILD)/bin/agbranch: $(DISPATCHER)
	ln -sf git-agbranch $@

$(EXEC_DIR)/git-agbranch-%: $(BUILD)/obj/subcommands/git-agbranch-%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(ALL_LDFLAGS) -o $@ $< $(LIB) $(PKG_LIBS)

define helper_rule
$$(EXEC_DIR)/agbranch-$(patsubst %-main.c,%,$(notdir $1)): $$(BUILD)/obj/$(1:%.c=%.o) $$(LIB)
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)$$(CC) $$(if $$(and $$(STATIC),$(filter %/execd-main.c,$1)),$$(STATIC) $$(LDFLAGS),$$(ALL_LDFLAGS)) -o $$@ $$< $(if $(filter %/execd-main.c,$1),,$$(LIB) $$(PKG_LIBS))
endef
$(foreach m,$(MAIN_SRC),$(eval $(call helper_rule,$m)))

$(ASSETS):
	@mkdir -p $(@D)
	ln -sfn $(abspath lima) $@

$(BUILD)/t/unit/%: $(BUILD)/obj/t/unit/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(ALL_LDFLAGS) -o $@ $< $(LIB) $(PKG_LIBS)

$(BUILD)/t/tools/%: $(BUILD)/obj/t/tools/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(ALL_LDFLAGS) -o $@ $< $(LIB) $(PKG_LIBS)

-include $(LIB_OBJ:.o=.d) $(patsubst %.c,$(BUILD)/obj/%.d,$(VERB_SRC) $(MAIN_SRC) $(UNIT_SRC) $(TOOL_SRC) git-agbranch/git-agbranch.c)

include Documentation/rules.mk
include t/rules.mk

.PHONY: deps
deps:
	@t/install-deps.sh

.PHONY: clean
clean:
	rm -rf $(BUILD)
.SECONDARY:
