/* Control groups: where they are, and who may make some.
 *
 * Where systemd manages them (version 2), it alone makes groups and switches controllers, but in what it
 * has delegated (systemd.io/CGROUP_DELEGATION): a group of ours beside its units could lose its limits
 * whenever one of them changes.  So there the keeper is started in a scope, a group that systemd makes
 * for it and leaves to it; it goes with its last process, whatever the keeper died of. */
#pragma once

#include <glib.h>

/* The mount; AGB_CGROUP_TOP names another one, in which we may do what we like. */
const char *agb_cgroup_top (void);

/* It is of version 2. */
gboolean agb_cgroup_is_v2 (void);

/* The group that we are in: of CONTROLLER ("memory") in version 1, of "" in version 2.  NULL: no such
 * hierarchy.  The caller frees. */
char *agb_cgroup_own (const char *controller);

/* Only what systemd gives may be used. */
gboolean agb_cgroup_is_managed (void);

/* Lingering is all that the user's manager lacks to give scopes (agb_cgroup_scope). */
gboolean agb_cgroup_needs_linger (void);

/* ARGV, the keeper's, so that it runs in a scope of its own.  NULL: systemd gives none here
 * (agb_cgroup_is_managed), or one that would end the sandbox earlier than it ends without, which is when
 * the user's last login ends, unless the user lingers (loginctl(1)).  *ret_env is what to run the keeper
 * with, in either case; NULL: our own.  The caller frees both. */
char **agb_cgroup_scope (const char *description, const char *const *argv, char ***ret_env);

/* In the keeper: it runs in such a scope; it does not, for want of lingering. */
gboolean agb_cgroup_is_scope (void);
gboolean agb_cgroup_keeper_needs_linger (void);
