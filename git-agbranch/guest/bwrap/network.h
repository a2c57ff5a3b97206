/* The network of a sandbox that has one: a namespace of its own, joined to the host's network by
 * slirp4netns, a TCP/IP stack in a process without rights.
 *
 * The network namespace belongs to a user namespace that the guest is not in (bwrap makes another
 * below it), so nothing that a guest can become changes routes or addresses.  The rules are routes:
 * "public" reaches no private, link-local or shared address and none of the host's own; "open" no
 * link-local one (cloud metadata).  Neither reaches the host's loopback.  Names are resolved by slirp
 * through the host's resolver at 10.0.2.3. */
#pragma once

#include <glib.h>
#include <sys/types.h>

#define AGB_BWRAP_RESOLVER "10.0.2.3"

typedef struct {
  gboolean is_public;
  int ready_fd;                      /* the child says: the namespaces are there */
  int go_fd;                         /* the keeper answers: the network is up, or is not to be */
  int keeper_ready_fd, keeper_go_fd; /* the keeper's ends */
  GArray *refused;                   /* what must not be reached, of struct AgbBwrapNet */
} AgbBwrapNetwork;

/* NULL where the host has what is needed for a network; otherwise what is missing. Static. */
const char *agb_bwrap_network_missing (uid_t guest_uid);

gboolean agb_bwrap_network_prepare (const char *policy, AgbBwrapNetwork *ret, GError **error);
void agb_bwrap_network_clear (AgbBwrapNetwork *network);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgbBwrapNetwork, agb_bwrap_network_clear)

/* In the process that becomes bwrap, under its final uid: enter new user and network namespaces, set
 * the rules, and wait until the keeper has connected them. */
gboolean agb_bwrap_network_enter (const AgbBwrapNetwork *network);

/* In the keeper: wait for that, and start slirp4netns under GUEST_UID (0: our own) for process PID.
 * It dies with us. Returns its pid; -1 and *error: there is no network, the sandbox goes on. */
pid_t agb_bwrap_network_connect (AgbBwrapNetwork *network, pid_t pid, uid_t guest_uid,
                                 GError **error);
