/* Settings: `agbranch.*` in git config, one table (name, type, default, meaning) in settings.def.
 *
 * The value in force is git's own: system, global, local, worktree, includes, `git -c` and
 * GIT_CONFIG_COUNT, all read by one `git config --list` (libgit2 does not see the last two, nor
 * GIT_CONFIG_GLOBAL and config.worktree). */
#pragma once

#include <glib.h>

#include "store/repo.h"

typedef struct AgbSettings AgbSettings;

typedef enum {
  AGB_SETTING_BOOL,
  AGB_SETTING_INT,
  AGB_SETTING_SIZE,     /* bytes; a bare number counts the unit in the table */
  AGB_SETTING_DURATION, /* milliseconds */
  AGB_SETTING_STRING,
  AGB_SETTING_LIST, /* may be given several times; an empty value clears what came before */
} AgbSettingType;

typedef struct {
  const char *name; /* "agbranch.runtime" */
  AgbSettingType type;
  guint64 unit;         /* what a bare number of a size counts, in bytes */
  const char *fallback; /* the default as it would be written; NULL: unset, or no entry */
  const char *choices;  /* "a|b|c", NULL: any value */
  const char *meaning;
} AgbSettingInfo;

/* The table, ended by an entry without a name. */
const AgbSettingInfo *agb_settings_table (void);

/* Read for REPO (NULL: outside any).  A value of a wrong type is AGB_ERROR_USER and names its
 * origin. */
AgbSettings *agb_settings_load (AgbRepo *repo, GError **error);
void agb_settings_free (AgbSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbSettings, agb_settings_free)

/* Values in force.  NAME must be in the table with that type (a defect of ours otherwise). */
gboolean agb_settings_bool (AgbSettings *settings, const char *name);
gint64 agb_settings_int (AgbSettings *settings, const char *name);
guint64 agb_settings_size (AgbSettings *settings, const char *name);
gint64 agb_settings_duration_ms (AgbSettings *settings, const char *name);
const char *agb_settings_string (AgbSettings *settings, const char *name);      /* NULL: unset */
const char *const *agb_settings_list (AgbSettings *settings, const char *name); /* never NULL */

/* The value in force as it was written (the last one of a list), or the default; NULL: unset. */
const char *agb_settings_text (AgbSettings *settings, const char *name);

/* Where the value comes from: "default", "command line", or "file:PATH".  */
const char *agb_settings_origin (AgbSettings *settings, const char *name);

/* TRUE for git's words of truth (true, yes, on, 1, a key without a value); FALSE in *ret for their
 * opposites.  Returns FALSE when TEXT is neither. */
gboolean agb_settings_parse_bool (const char *text, gboolean *ret);

/* Any other key of git config ("user.name", "transfer.unpackLimit", "core.abbrev"), or NULL. */
const char *agb_settings_git (AgbSettings *settings, const char *key);
/* Every value of KEY in git's order, NULL-ended, never NULL; belongs to SETTINGS. */
const char *const *agb_settings_git_all (AgbSettings *settings, const char *key);

/* Calls FUNC with every key that begins with PREFIX (canonical: section and variable in lower case)
 * and its value in force, in no order. */
typedef void (*AgbSettingsFunc) (const char *key, const char *value, gpointer data);
void agb_settings_git_foreach (AgbSettings *settings, const char *prefix, AgbSettingsFunc func,
                               gpointer data);
