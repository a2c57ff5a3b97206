# The manual: all pages of a section in one asciidoctor run (its start-up costs more than a page).

ASCIIDOCTOR ?= asciidoctor
MAN_SRC := $(sort $(wildcard Documentation/git-agbranch*.adoc Documentation/agbranch*.adoc))
MAN5_SRC := $(filter %-formats.adoc,$(MAN_SRC))
MAN7_SRC := $(filter Documentation/agbranch%,$(filter-out $(MAN5_SRC),$(MAN_SRC)))
MAN1_SRC := $(filter-out $(MAN5_SRC) $(MAN7_SRC),$(MAN_SRC))
MAN_DIR := $(BUILD)/share/man
MAN_PAGES := $(MAN1_SRC:Documentation/%.adoc=$(MAN_DIR)/man1/%.1) \
	$(MAN5_SRC:Documentation/%.adoc=$(MAN_DIR)/man5/%.5) \
	$(MAN7_SRC:Documentation/%.adoc=$(MAN_DIR)/man7/%.7)

# The index of verbs and the table of settings are made from the tables of the code.
MADE_PARTS := $(BUILD)/Documentation/verbs.adoc $(BUILD)/Documentation/settings.adoc

.PHONY: man
man: $(BUILD)/.man

$(BUILD)/Documentation/verbs.adoc: subcommands/verbs.def Documentation/make-verb-index.sh
	@mkdir -p $(@D)
	@Documentation/make-verb-index.sh <$< >$@

$(BUILD)/Documentation/settings.adoc: git-agbranch/store/settings.def Documentation/make-settings-list.sh
	@mkdir -p $(@D)
	@Documentation/make-settings-list.sh <$< >$@

$(eval $(call kept_text,pages,MAN_SRC))

$(BUILD)/.man: $(MAN_SRC) $(MADE_PARTS) $(BUILD)/.pages
	@rm -rf $(MAN_DIR)
	@mkdir -p $(MAN_DIR)/man1 $(MAN_DIR)/man5 $(MAN_DIR)/man7
	$(call say,MAN,$(MAN_DIR)){ \
	$(foreach section,1 5 7,$(if $(MAN$(section)_SRC),$(ASCIIDOCTOR) -b manpage --failure-level $(if $(DEVELOPER),WARN,ERROR) \
		-a manmanual='git agbranch manual' -a mansource='git agbranch $(VERSION)' \
		-a reproducible -a made="$(abspath_build)/Documentation" \
		-D $(MAN_DIR)/man$(section) $(MAN$(section)_SRC) &&)) :; }
	@touch $@

abspath_build = $(if $(filter /%,$(BUILD)),,$(CURDIR)/)$(BUILD)
