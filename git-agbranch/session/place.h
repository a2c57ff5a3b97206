/* The place on the host where something from a guest is put. */
#pragma once

#include <glib.h>

typedef struct AgbPlace AgbPlace;

/* Check TO and make a temporary folder of ours beside it.  AGB_ERROR_USER: TO exists and not FORCE,
 * its folder does not exist, TO is or lies in a git folder (a `.git`, or a bare repository). */
AgbPlace *agb_place_new (const char *to, gboolean force, GError **error);
/* Removes the temporary folder with what is left in it. */
void agb_place_free (AgbPlace *place);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbPlace, agb_place_free)

/* The temporary folder, absolute. */
const char *agb_place_folder (const AgbPlace *place);

/* Move NAME of the temporary folder to TO: by one rename when TO is new.  Otherwise file by file: a
 * folder is merged into a folder, a file or link replaces what is no folder; links of the host are
 * never followed, and a folder never gives way to a file or the other way round (AGB_ERROR_USER). */
gboolean agb_place_move (AgbPlace *place, const char *name, GError **error);
