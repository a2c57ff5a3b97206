/* The terminal of `top`: the whole screen, raw keys, changes of size. */
#pragma once

#include <glib.h>

typedef struct AgbScreen AgbScreen;

/* Take over the terminal on stdin and stdout.  AGB_ERROR_USER when they are none. */
AgbScreen *agb_screen_new (GError **error);
/* The terminal as it was before. */
void agb_screen_free (AgbScreen *screen);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgbScreen, agb_screen_free)

/* Give the terminal back for a while, and take it again. */
void agb_screen_leave (AgbScreen *screen);
void agb_screen_enter (AgbScreen *screen);

int agb_screen_rows (AgbScreen *screen);
int agb_screen_columns (AgbScreen *screen);

/* Two descriptors to poll: keys, and changes of size. */
enum { AGB_SCREEN_FDS = 2 };
void agb_screen_fill_fds (AgbScreen *screen, GPollFD fds[AGB_SCREEN_FDS]);

enum {
  AGB_KEY_NONE = 0, /* no key, a change of size, or one that means nothing here */
  AGB_KEY_UP = 256,
  AGB_KEY_DOWN,
  AGB_KEY_ENTER,
  AGB_KEY_END, /* the terminal is gone */
};
/* The key that was pressed: a character, or one of the above. */
int agb_screen_read_key (AgbScreen *screen, const GPollFD fds[AGB_SCREEN_FDS]);

/* Draw: begin, lines from the top (TEXT is cut to the width; it has gone through agb_escape), end. */
void agb_screen_begin (AgbScreen *screen);
void agb_screen_line (AgbScreen *screen, int row, const char *text, gboolean marked);
void agb_screen_end (AgbScreen *screen);

/* Run ARGV on the terminal, in FOLDER (NULL: here), and wait for its end; with PAUSE a key is awaited
 * before the screen comes back.  Returns its exit status, -1 when it cannot be run. */
int agb_screen_run (AgbScreen *screen, const char *const *argv, const char *folder, gboolean pause);
