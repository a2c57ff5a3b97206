/* The place on the host where something from a guest is put. */
#pragma once

#include <glib.h>

typedef struct AgbPlace AgbPlace;

#define AGB_COPY_PREFIX ".agbranch-copy."

/* Check TO and make a temporary folder of ours beside it.  AGB_ERROR_USER: TO exists and not FORCE,
 * its folder does not exist, TO is or lies in a git folder (a `.git`, or a bare repository). */
AgbPlace *agb_place_new (const char *to, gboolean force, GError **error);
/* Removes the temporary folder with what is left in it. */
void agb_place_free (AgbPlace *place);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbPlace, agb_place_free)

/* The temporary folder, absolute. */
const char *agb_place_folder (const AgbPlace *place);

/* Move NAME of the temporary folder to TO, in one step: killed at any moment, TO is as it was or all
 * new.  What it replaces goes with the temporary folder.  AGB_ERROR_USER: a folder would give way to a
 * file or the other way round, or holds a `.git`, the working directory or the home; links of the host
 * are never followed. */
gboolean agb_place_move (AgbPlace *place, const char *name, GError **error);

/* What killed commands left: temporary folders, each before the file copies/XXXXXX of the state root
 * that names it (free function set). */
GPtrArray *agb_place_left (void);
