/* What is wrong on this machine, and the command that puts each thing right.  Nothing is changed. */
#pragma once

#include "session/env.h"

typedef enum {
  AGB_FINDING_OK,
  AGB_FINDING_NOTE,    /* worth knowing */
  AGB_FINDING_WARNING, /* works, but less well; gc or an installation helps */
  AGB_FINDING_PROBLEM, /* not ok: something does not work, or is damaged */
} AgbFindingLevel;

typedef struct {
  AgbFindingLevel level;
  char *check;   /* git, bwrap, catalog, orphans, … */
  char *message; /* one line, escaped */
  char *fix;     /* a command, NULL: none */
} AgbFinding;

typedef struct {
  GPtrArray *findings; /* AgbFinding, in the order of the checks */
  char *platform;      /* linux, macos */
  char *arch;
  char *lima_version; /* NULL: no limactl */
  gboolean has_kvm;   /* KVM boots */
  char *kvm_reason;   /* why it does not; NULL with has_kvm, or when it was not asked */
  char *state_root;
  GPtrArray *provider_paths; /* settings of agents on this host that exist */
  cJSON *prepared_base;      /* NULL: none is needed, or none was asked for */
} AgbDoctor;

/* Without findings, for single checks; the caller frees. */
AgbDoctor *agb_doctor_new (void);
/* Run every check.  Never fails: what cannot be checked is a finding.  The caller frees. */
AgbDoctor *agb_doctor_run (AgbProgress *progress);
void agb_doctor_free (AgbDoctor *doctor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbDoctor, agb_doctor_free)

/* TRUE when there is no AGB_FINDING_PROBLEM. */
gboolean agb_doctor_ok (const AgbDoctor *doctor);

const char *agb_finding_word (AgbFindingLevel level); /* ok, note, warning, problem */

/* The object of `doctor --json` (CONTRACTS). */
cJSON *agb_doctor_to_json (const AgbDoctor *doctor);

/* For the checks: add a finding.  FIX (may be NULL) is kept as a copy. */
void agb_doctor_add (AgbDoctor *doctor, AgbFindingLevel level, const char *check, const char *fix,
                     const char *format, ...) G_GNUC_PRINTF (5, 6);
/* The same from ERROR: its message and its hint. */
void agb_doctor_add_error (AgbDoctor *doctor, AgbFindingLevel level, const char *check,
                           const GError *error);

/* The checks of the host: tools, rights, state root (doctor-host.c). */
void agb_doctor_check_host (AgbDoctor *doctor);
/* The machine that Lima would run: limactl, KVM that boots, the macOS it needs (doctor-lima.c). */
void agb_doctor_check_lima (AgbDoctor *doctor);
/* macOS is at least 13: Lima's vz driver with Rosetta needs it. */
void agb_doctor_check_macos (AgbDoctor *doctor);
/* The first word that begins with a digit in what PROGRAM OPTION prints; NULL: it cannot be run.  The
 * caller frees. */
char *agb_doctor_program_version (const char *program, const char *option);
/* Whether version TEXT is MAJOR.MINOR or newer. */
gboolean agb_doctor_is_at_least (const char *text, int major, int minor);
/* The checks that compare catalog, repositories, runtimes and locks (doctor-state.c). */
void agb_doctor_check_state (AgbDoctor *doctor, AgbEnv *env);
