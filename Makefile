# git agbranch: one non-recursive Makefile.
#
#   make [DEVELOPER=1] [SANITIZE=address,undefined] [COVERAGE=1] [CC=clang] [BUILD=folder]
#   make demo | test | check | format | bench | fuzz-smoke | coverage | deps | agents-for-tests
#   make install | uninstall [prefix=/usr/local] [DESTDIR=folder]
#
# What is built has the shape of an installation (bin/, libexec/, share/), so that programs run from
# the build folder as they run from the prefix.

prefix ?= /usr/local
DESTDIR ?=
VERSION := 0.2.0
SHELL := /bin/sh
.DELETE_ON_ERROR:

# The flavours are kept apart, so that objects of one never end up in another.
BUILD ?= build$(if $(filter clang%,$(CC)),-clang)$(if $(SANITIZE),-$(subst $(comma),-,$(SANITIZE)))$(if $(COVERAGE),-coverage)
comma := ,

PKGS := glib-2.0 gio-2.0 gio-unix-2.0 libgit2 sqlite3 libcjson yaml-0.1 libarchive zlib $(if $(filter Linux,$(shell uname -s)),libseccomp)
PKG_CONFIG ?= pkg-config

# Goals that set the machine up themselves must work before the libraries are there.
# (Asked once, on first use.)
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell $(PKG_CONFIG) --cflags $(PKGS)))$(PKG_CFLAGS)
PKG_LIBS = $(eval PKG_LIBS := $$(shell $(PKG_CONFIG) --libs $(PKGS)))$(PKG_LIBS)

# V=1 shows whole commands, make -s nothing.
silent := $(findstring s,$(firstword -$(MAKEFLAGS)))
say = $(if $(V),,@$(if $(silent),,printf '  %-7s %s\n' $1 $2;))

CFLAGS ?= -O2 -g
WARNINGS := -Wall -Wextra -Wno-missing-field-initializers $(if $(DEVELOPER),-Werror -Wshadow -Wmissing-prototypes -Wstrict-prototypes \
	-Wpointer-arith -Wwrite-strings -Wvla -Wformat=2 -Wundef -Wold-style-definition)
HARDENING := -fstack-protector-strong -fPIE $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2)
SANITIZERS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=undefined) \
	$(if $(FUZZ),-fsanitize=fuzzer-no-link)
COVERING := $(if $(COVERAGE),--coverage)
# What decides how an object comes out; warnings do not.
CODE_CFLAGS = -std=c11 -D_GNU_SOURCE -I. -Igit-agbranch $(HARDENING) $(SANITIZERS) $(COVERING) \
	-DAGB_VERSION='"$(VERSION)"' -DG_LOG_DOMAIN='"agbranch"' $(CFLAGS)
ALL_CFLAGS = $(WARNINGS) $(CODE_CFLAGS)
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
SHARE_DIR := $(BUILD)/share/git-agbranch
SHARED := $(SHARE_DIR)/lima $(SHARE_DIR)/hooks $(SHARE_DIR)/completion

.PHONY: all programs
all: programs man
programs: $(BUILD)/.variables $(DISPATCHER) $(BUILD)/bin/agbranch $(VERBS) $(HELPERS) $(SHARED)

# A file whose text is $2, rewritten only when that changes: what depends on it is made again when
# the flags, the prefix or the list of sources do.
.PHONY: always
define kept_text
$(BUILD)/.$1: always
	@mkdir -p $$(@D)
	@printf '%s\n' '$$(subst ','\'',$$($2))' >$$@.new
	@if cmp -s $$@.new $$@; then rm -f $$@.new; else mv -f $$@.new $$@; fi
endef
COMPILING = $(CC) $(CODE_CFLAGS) $(PKG_CFLAGS)
LINKING = $(CC) $(ALL_LDFLAGS) $(STATIC) $(PKG_LIBS)
$(eval $(call kept_text,compiling,COMPILING))
$(eval $(call kept_text,linking,LINKING))
$(eval $(call kept_text,prefix,prefix))
$(eval $(call kept_text,library,LIB_SRC))

# How this build was made, for tests that call make on it.
VARIABLES = CC='$(CC)' CFLAGS='$(CFLAGS)' LDFLAGS='$(LDFLAGS)' SANITIZE='$(SANITIZE)' COVERAGE='$(COVERAGE)' \
	prefix='$(prefix)'
$(eval $(call kept_text,variables,VARIABLES))

WITH_PREFIX := $(BUILD)/obj/git-agbranch/git-agbranch.o $(BUILD)/obj/git-agbranch/core/paths.o
$(WITH_PREFIX): private OWN_CFLAGS := -DAGB_PREFIX='"$(prefix)"'
$(WITH_PREFIX): $(BUILD)/.prefix

$(BUILD)/obj/%.o: %.c $(BUILD)/.compiling
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(ALL_CFLAGS) $(OWN_CFLAGS) $(PKG_CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(LIB_OBJ) $(BUILD)/.library
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)$(AR) rcs $@ $(LIB_OBJ)

# Programs that use the C library only: the dispatcher stands in front of every command, and execd
# runs where the host's libraries need not be.
STATIC := $(if $(SANITIZE)$(COVERAGE),,$(shell echo 'int main(void){return 0;}' | $(CC) -static -x c -o /dev/null - 2>/dev/null && echo -static))
$(DISPATCHER): $(BUILD)/obj/git-agbranch/git-agbranch.o $(BUILD)/.linking
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(if $(STATIC),$(STATIC) $(LDFLAGS),$(ALL_LDFLAGS)) -o $@ $<

$(BUILD)/bin/agbranch: $(DISPATCHER)
	@ln -sf git-agbranch $@

$(EXEC_DIR)/git-agbranch-%: $(BUILD)/obj/subcommands/git-agbranch-%.o $(LIB) $(BUILD)/.linking
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(ALL_LDFLAGS) -o $@ $< $(LIB) $(PKG_LIBS)

# ps is for shell prompts, run for scripts: half their time would be the dynamic linker's.  Where the
# archives are installed, with all that they need themselves, they carry GLib and SQLite in themselves.
PS_ARCHIVES = $(filter-out -lm -lpthread -ldl -lc,$(filter -l% -L%,$(shell $(PKG_CONFIG) --static --libs glib-2.0 sqlite3)))
PS_STATIC = -Wl,-Bstatic $(PS_ARCHIVES) -Wl,-Bdynamic -lcjson -lm -lyaml -lseccomp
PS_TRIAL = -Wl,-Bstatic -Wl,--whole-archive $(PS_ARCHIVES) -Wl,--no-whole-archive -Wl,-Bdynamic -lm
PS_CAN_BE_STATIC = $(if $(SANITIZE)$(COVERAGE),,$(shell \
	echo 'int main(void){return 0;}' | $(CC) -x c -o /dev/null - $(PS_TRIAL) 2>/dev/null && echo yes))
$(EXEC_DIR)/git-agbranch-ps $(EXEC_DIR)/git-agbranch-run: PKG_LIBS = \
	$(if $(PS_CAN_BE_STATIC),$(PS_STATIC),$(shell $(PKG_CONFIG) --libs $(PKGS)))

define helper_rule
$$(EXEC_DIR)/agbranch-$(patsubst %-main.c,%,$(notdir $1)): $$(BUILD)/obj/$(1:%.c=%.o) $$(LIB) $$(BUILD)/.linking
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)$$(CC) $$(if $$(and $$(STATIC),$(filter %/execd-main.c,$1)),$$(STATIC) $$(LDFLAGS),$$(ALL_LDFLAGS)) -o $$@ $$< $(if $(filter %/execd-main.c,$1),,$$(LIB) $$(PKG_LIBS))
endef
$(foreach m,$(MAIN_SRC),$(eval $(call helper_rule,$m)))

$(SHARE_DIR)/lima: FOLDER := lima
$(SHARE_DIR)/hooks: FOLDER := hooks
$(SHARE_DIR)/completion: FOLDER := subcommands/completion
$(SHARED):
	@mkdir -p $(@D)
	@ln -sfn "$(CURDIR)/$(FOLDER)" $@

$(BUILD)/t/unit/%: $(BUILD)/obj/t/unit/%.o $(LIB) $(BUILD)/.linking
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(ALL_LDFLAGS) -o $@ $< $(LIB) $(PKG_LIBS)

$(BUILD)/t/tools/%: $(BUILD)/obj/t/tools/%.o $(LIB) $(BUILD)/.linking
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(ALL_LDFLAGS) -o $@ $< $(LIB) $(PKG_LIBS)

-include $(LIB_OBJ:.o=.d) $(patsubst %.c,$(BUILD)/obj/%.d,$(VERB_SRC) $(MAIN_SRC) $(UNIT_SRC) $(TOOL_SRC) $(FUZZ_SRC) git-agbranch/git-agbranch.c)

include Documentation/rules.mk
include t/rules.mk

.PHONY: deps agents-for-tests
deps:
	@t/install-deps.sh
agents-for-tests:
	@t/install-agents.sh

# An installation has the shape of the build; prefix and DESTDIR may hold spaces.
INSTALL ?= install
root = $(DESTDIR)$(prefix)
bashdir = $(root)/share/bash-completion/completions
zshdir = $(root)/share/zsh/site-functions
fishdir = $(root)/share/fish/vendor_completions.d
shared_from_here = ../../git-agbranch/completion

.PHONY: install uninstall
install: all
	$(call say,INSTALL,'$(subst ','\'',$(root))')umask 022; set -e; \
	$(INSTALL) -d "$(root)/bin" "$(root)/libexec/git-agbranch" "$(root)/share/git-agbranch" \
		"$(root)/share/man" "$(bashdir)" "$(zshdir)" "$(fishdir)"; \
	$(INSTALL) -m 755 $(DISPATCHER) "$(root)/bin"; \
	$(INSTALL) -m 755 $(VERBS) $(HELPERS) "$(root)/libexec/git-agbranch"; \
	for folder in lima hooks completion; do \
		rm -rf "$(root)/share/git-agbranch/$$folder"; \
		cp -RL "$(SHARE_DIR)/$$folder" "$(root)/share/git-agbranch/$$folder"; \
	done; \
	chmod -R u+w,go-w,a+rX "$(root)/share/git-agbranch"; \
	for page in $(MAN_PAGES); do \
		section="$(root)/share/man/man$${page##*.}"; \
		$(INSTALL) -d "$$section"; $(INSTALL) -m 644 "$$page" "$$section"; \
	done; \
	ln -sf git-agbranch "$(root)/bin/agbranch"; \
	ln -sf $(shared_from_here)/git-agbranch.bash "$(bashdir)/git-agbranch"; \
	ln -sf $(shared_from_here)/_git-agbranch "$(zshdir)/_git-agbranch"; \
	ln -sf $(shared_from_here)/git-agbranch.fish "$(fishdir)/git-agbranch.fish"; \
	for other in "$(bashdir)/agbranch" "$(fishdir)/agbranch.fish"; do \
		ln -sf "git-$${other##*/}" "$$other"; \
	done

# Takes away what install made, and the folders that nobody else uses.
uninstall:
	$(call say,REMOVE,'$(subst ','\'',$(root))')rm -rf "$(root)/libexec/git-agbranch" "$(root)/share/git-agbranch"; \
	rm -f "$(root)/bin/git-agbranch" "$(root)/bin/agbranch" "$(bashdir)/git-agbranch" \
		"$(bashdir)/agbranch" "$(zshdir)/_git-agbranch" "$(fishdir)/git-agbranch.fish" \
		"$(fishdir)/agbranch.fish" "$(root)"/share/man/man1/git-agbranch.1 \
		"$(root)"/share/man/man1/git-agbranch-*.1 "$(root)"/share/man/man[57]/agbranch-*.[57] \
		"$(root)/share/man/man7/agbranchtutorial.7"; \
	for folder in "$(bashdir)" "$(root)/share/bash-completion" "$(zshdir)" "$(root)/share/zsh" \
		"$(fishdir)" "$(root)/share/fish" "$(root)/libexec"; do \
		rmdir "$$folder" 2>/dev/null || :; \
	done

.PHONY: clean
clean:
	rm -rf $(BUILD)
.SECONDARY:
