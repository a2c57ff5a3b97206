/* The home folder in a guest. */
#pragma once

#include "store/catalog.h"

/* AGB_GUEST_HOME; of a guest that another program made (git-agbranch-migrate(1)) the folder that its
 * workspace lies in.  The caller frees. */
char *agb_guest_home (const AgbSession *session);
