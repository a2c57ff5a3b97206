/* The poll loop of capture and relay, in parts.
 *
 * When a command ends: its exit status comes as one event.  Everything it had written by then is
 * delivered; what background processes that hold its streams open write later is delivered for a
 * short grace at most, then the streams are let go (they get SIGPIPE). */
#pragma once

#include <glib.h>
#include <poll.h>

#include "guest/runtime.h"

/* poll(2) FDS (at most 8) until DEADLINE.  FALSE with AGB_ERROR_TIMEOUT or AGB_ERROR_INTERRUPTED. */
gboolean agb_guest_poll (struct pollfd *fds, nfds_t count, gint64 deadline_usec, GError **error);

/* Append at most 64 KiB of *FD to TEXT; closes *FD at its end. Returns how many bytes came. */
gsize agb_guest_read (int *fd, GString *text);

/* Write what fits; closes *FD when nobody reads it any more.  Returns how much was written. */
gssize agb_guest_write (int *fd, const char *bytes, gsize length);

typedef struct {
  gint64 deadline_usec; /* of the whole; -1: none */
  /* private */
  gboolean ended;
  int status; /* valid once ended */
  gint64 grace_usec;
  gint64 must_read[2]; /* bytes of stdout and stderr that were still to come when it ended */
} AgbGuestEnd;

/* The descriptor to poll for the end, -1 once it is known. */
int agb_guest_end_fd (AgbGuestEnd *end, AgbGuestProcess *process);
/* The event has come. */
gboolean agb_guest_end_note (AgbGuestEnd *end, AgbGuestProcess *process, GError **error);
/* Tell of bytes read from stdout (0) or stderr (1): counted once the command has ended. */
void agb_guest_end_count (AgbGuestEnd *end, int stream, gsize bytes);
/* agb_guest_poll, ended early by the grace (then no descriptor is ready). */
gboolean agb_guest_end_poll (AgbGuestEnd *end, struct pollfd *fds, nfds_t count, GError **error);
/* TRUE when the command has ended and its output is through; lets the streams go. */
gboolean agb_guest_end_reached (AgbGuestEnd *end, AgbGuestProcess *process);
