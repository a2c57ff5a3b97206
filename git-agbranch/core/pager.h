/* A pager as git has it: only when stdout is a terminal.  GIT_PAGER, agbranch.pager, core.pager, PAGER,
 * less, in this order; "cat" or an empty value is none. */
#pragma once

#include <glib.h>

/* Send stdout through the pager.  Where there is none, or it does not start, nothing is changed.  To be
 * called before the repository is opened, which clears the variables that git's settings come in. */
void agb_pager_start (void);

/* Wait until the user has left the pager; stdout is closed then.  Nothing when there is none. */
void agb_pager_finish (void);
