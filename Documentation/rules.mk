# The manual: all pages in one asciidoctor run (its start-up costs more than a page), and completions.

MAN_SRC := $(wildcard Documentation/*.adoc)
MAN1_SRC := $(wildcard Documentation/git-agbranch*.adoc)
MAN5_SRC := $(wildcard Documentation/*-formats.adoc)
MAN7_SRC := $(wildcard Documentation/agbranch-security.adoc Documentation/agbranchtutorial.adoc)
ASCIIDOCTOR ?= asciidoctor

.PHONY: man completions
man: $(BUILD)/share/man/.built
completions:

$(BUILD)/share/man/.built: $(MAN1_SRC) $(MAN5_SRC) $(MAN7_SRC)
	@mkdir -p $(BUILD)/share/man/man1 $(BUILD)/share/man/man5 $(BUILD)/share/man/man7
	$(if $(MAN1_SRC),$(ASCIIDOCTOR) -b manpage -a manmanual='git agbranch' -D $(BUILD)/share/man/man1 $(MAN1_SRC))
	$(if $(MAN5_SRC),$(ASCIIDOCTOR) -b manpage -D $(BUILD)/share/man/man5 $(MAN5_SRC))
	$(if $(MAN7_SRC),$(ASCIIDOCTOR) -b manpage -D $(BUILD)/share/man/man7 $(MAN7_SRC))
	touch $@
