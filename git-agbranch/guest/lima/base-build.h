/* What the ways to make a base have in common: from the template, from a file, from another base with the
 * objects of a repository.  Each is a list of steps that work on "NAME-next". */
#pragma once

#include "core/json.h"
#include "guest/lima/base.h"
#include "guest/lima/template.h"

/* One build under way. */
typedef struct {
  const AgbLima *lima;
  AgbSettings *settings;
  const AgbBaseSpec *spec;
  AgbProgress *progress;
  AgbBaseRecord *record; /* of the name it is built under */
  char *next;
  char *log;
  cJSON *steps;
  gint64 deadline;
  gint64 started;
  gpointer data; /* of the way it is made */
} AgbBuild;
void agb_build_clear (AgbBuild *build);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbBuild, agb_build_clear)

typedef struct {
  const char *name;  /* in the record's list of steps, NULL: it adds its own */
  const char *phase; /* told to the user */
  gboolean (*run) (AgbBuild *build, GError **error);
} AgbBuildStep;

/* Run STEPS; *RET (freed by the caller) is the record then.  After an error nothing of what was built is
 * left.  BUILD has lima, settings, spec and progress; the rest is filled here. */
gboolean agb_build_run (AgbBuild *build, const AgbBuildStep *steps, gsize count,
                        AgbBaseRecord **ret, GError **error);

/* Create the instance from the rendered template of MACHINE. */
gboolean agb_build_create (AgbBuild *build, const AgbTemplateSpec *machine, GError **error);
/* Create it as a clone of BASE, with an empty disk on IMAGE. */
gboolean agb_build_clone (AgbBuild *build, const char *base, const char *image, GError **error);

/* Steps: boot it; save a running state; put it in the place of an older one. */
gboolean agb_build_boot (AgbBuild *build, GError **error);
gboolean agb_build_warm (AgbBuild *build, GError **error);
gboolean agb_build_publish (AgbBuild *build, GError **error);

/* Where a file is unpacked that is imported; the caller frees. */
char *agb_build_import_folder (const AgbLima *lima);
