/* Files out of a guest and into it: export and cp.
 *
 * What comes out goes through session/unpack.h into a temporary folder beside its place and is renamed
 * then.  `.git` folders stay in the guest, and nothing is written into one of the host. */
#pragma once

#include "session/enter.h"
#include "session/unpack.h"

typedef struct {
  gboolean force;       /* in place of what exists */
  gboolean skip_unsafe; /* leave out what agb_unpack would refuse the whole for */
  gboolean recursive;   /* folders too */
  gboolean into_folder; /* into the guest: TO has to be a folder */
} AgbCopyFlags;

/* FROM of the guest (agb_enter_path) as TO on the host.  AGB_ERROR_USER: FROM is not there, a folder
 * without recursive, a link; TO exists without force, its folder does not, it lies in a git
 * folder.  AGB_ERROR_SYNC: what agb_unpack refuses.  After an error, or a kill, TO is as before or
 * all new. */
gboolean agb_copy_out (AgbEntered *entered, const char *from, const char *to,
                       const AgbCopyFlags *flags, AgbUnpackCount *ret, GError **error);

/* FROM of the host as TO in the guest, or into TO when that is a folder.  AGB_ERROR_USER: FROM is not there,
 * a folder without recursive, a link, or neither file nor folder; TO exists without force, or its folder
 * does not. */
gboolean agb_copy_in (AgbEntered *entered, const char *from, const char *to,
                      const AgbCopyFlags *flags, GError **error);

/* The bytes of the guest's file FROM to our stdout, whose reader may go away; our stdin to the guest's
 * file TO. */
gboolean agb_copy_to_stdout (AgbEntered *entered, const char *from, GError **error);
gboolean agb_copy_from_stdin (AgbEntered *entered, const char *to, gboolean force, GError **error);
