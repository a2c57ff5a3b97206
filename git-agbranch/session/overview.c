#include "session/overview.h"

#include "core/io.h"
#include "core/time.h"
#include "guest/tmux.h"
#include "guest/transport.h"
#include "session/conflicts.h"
#include "session/watcher.h"

#include <string.h>
#include <unistd.h>

enum {
  LINE_LIMIT = 16 * 1024,
  CPU_EVERY_MS = 2000,       /* processor time between two looks */
  BRANCHES_EVERY_MS = 10000, /* branches move without an event that we could see */
};

struct AgbGlance {
  AgbRuntime *runtime;
  AgbGuestProcess *process; /* NULL: it has ended */
  char *started_at;         /* last_started_at of the session: another one is another guest */
  GString *text;            /* of a line that has not ended yet */
  gint64 cpu_usec;          /* processor time at the last look, -1: none yet */
  gint64 looked_usec;       /* when that was */
};

struct AgbOverview {
  AgbEnv *env; /* the caller's */
  AgbWatcher *watcher;
  AgbConflicts *conflicts;
  GPtrArray *rows;
  gint64 cpu_due_usec;
  gint64 branches_due_usec;
};

static void
glance_free (struct AgbGlance *glance)
{
  if (glance == NULL)
    return;
  g_clear_pointer (&glance->process, agb_guest_process_free);
  g_clear_pointer (&glance->runtime, agb_runtime_free);
  g_string_free (glance->text, TRUE);
  g_free (glance->started_at);
  g_free (glance);
}

/* Back to "unknown". */
static void
forget_guest (AgbOverviewRow *row)
{
  g_clear_pointer (&row->said, g_free);
  g_clear_pointer (&row->output, g_free);
  row->agent = "unknown";
  row->ahead = row->changed = row->memory_bytes = row->disk_bytes = -1;
}

static void
row_free (gpointer data)
{
  AgbOverviewRow *row = data;

  forget_guest (row);
  g_clear_pointer (&row->glance, glance_free);
  agb_session_free (row->session);
  g_free (row);
}

static gint64
number (const char *text)
{
  return g_ascii_isdigit (*text) ? (gint64)MIN (g_ascii_strtoull (text, NULL, 10), G_MAXINT64) : -1;
}

static const char *
agent_word (const char *text)
{
  static const char *const known[] = { "live", "dead", "missing" };

  for (gsize i = 0; i < G_N_ELEMENTS (known); i++)
    if (g_str_equal (known[i], text))
      return known[i];
  return "unknown";
}

static char *
decode_output (const char *text)
{
  gsize length = 0;
  g_autofree guchar *bytes = g_base64_decode (text, &length);

  return length > 0 ? g_strndup ((const char *)bytes, length) : NULL;
}

/* One line of glance.sh. */
static void
take_line (AgbOverviewRow *row, const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", 16);

  forget_guest (row);
  for (char **word = words; *word != NULL; word++)
    {
      char *value = strchr (*word, '=');
      if (value == NULL)
        continue;
      *value++ = '\0';
      if (g_str_equal (*word, "agent"))
        row->agent = agent_word (value);
      else if (g_str_equal (*word, "said") && !g_str_equal (value, "-") && row->said == NULL)
        row->said = g_strdup (value);
      else if (g_str_equal (*word, "changed"))
        row->changed = number (value);
      else if (g_str_equal (*word, "ahead"))
        row->ahead = number (value);
      else if (g_str_equal (*word, "memory"))
        row->memory_bytes = number (value);
      else if (g_str_equal (*word, "disk"))
        row->disk_bytes = number (value);
      else if (g_str_equal (*word, "output") && row->output == NULL)
        row->output = decode_output (value);
    }
}

/* Whole lines of what has come so far. */
static void
take_lines (AgbOverviewRow *row)
{
  GString *text = row->glance->text;

  for (char *end; (end = memchr (text->str, '\n', text->len)) != NULL;)
    {
      *end = '\0';
      take_line (row, text->str);
      g_string_erase (text, 0, end - text->str + 1);
    }
  if (text->len > LINE_LIMIT)
    g_string_truncate (text, 0);
}

static void
read_guest (AgbOverviewRow *row)
{
  char buffer[4096];
  ssize_t length = read (row->glance->process->stdout_fd, buffer, sizeof buffer);

  if (length > 0)
    {
      g_string_append_len (row->glance->text, buffer, length);
      take_lines (row);
      return;
    }
  /* The guest is gone; it is asked again when it has been started anew. */
  g_clear_pointer (&row->glance->process, agb_guest_process_free);
  forget_guest (row);
}

static gboolean
can_be_asked (const AgbSession *session)
{
  static const char *const states[] = { "running", "syncing", "staging", "applying", NULL };

  return session->lifecycle_state != NULL && g_strv_contains (states, session->lifecycle_state);
}

/* Begin to ask the guest, unless that has been done since it was started. */
static void
ask_guest (AgbOverview *overview, AgbOverviewRow *row)
{
  const AgbSession *session = row->session;
  const char *args[] = { session->name, session->guest_workspace_path, AGB_AGENT_WINDOW,
                         session->base_oid != NULL ? session->base_oid : "", NULL };

  if (!can_be_asked (session))
    {
      g_clear_pointer (&row->glance, glance_free);
      forget_guest (row);
      row->cpu_percent = -1;
      return;
    }
  if (row->glance != NULL && g_strcmp0 (row->glance->started_at, session->last_started_at) == 0)
    return;
  g_clear_pointer (&row->glance, glance_free);
  row->glance = g_new0 (struct AgbGlance, 1);
  row->glance->text = g_string_new (NULL);
  row->glance->cpu_usec = -1;
  row->cpu_percent = -1;
  row->glance->started_at = g_strdup (session->last_started_at);
  row->glance->runtime = agb_env_session_runtime (overview->env, session, NULL);
  if (row->glance->runtime != NULL)
    row->glance->process = agb_guest_script_start (row->glance->runtime, session->vm_name,
                                                   "guest/glance.sh", args, NULL, NULL);
}

/* The share of one processor since the last look. */
static void
look_at_cpu (AgbOverviewRow *row)
{
  struct AgbGlance *glance = row->glance;

  row->cpu_percent = -1;
  if (glance == NULL || glance->process == NULL || glance->runtime->klass->cpu_usec == NULL)
    return;
  gint64 now = g_get_monotonic_time ();
  gint64 used = glance->runtime->klass->cpu_usec (glance->runtime, row->session->vm_name);
  gint64 passed = now - glance->looked_usec;
  if (used >= 0 && glance->cpu_usec >= 0 && used >= glance->cpu_usec && passed > 0)
    row->cpu_percent = ((used - glance->cpu_usec) * 100 + passed / 2) / passed;
  glance->cpu_usec = used;
  glance->looked_usec = now;
}

/* What no event tells of, when it is due. */
static void
look_around (AgbOverview *overview)
{
  gint64 now = g_get_monotonic_time ();
  gboolean cpu = now >= overview->cpu_due_usec;
  gboolean branches = now >= overview->branches_due_usec;

  for (guint i = 0; i < overview->rows->len; i++)
    {
      AgbOverviewRow *row = g_ptr_array_index (overview->rows, i);
      if (cpu)
        look_at_cpu (row);
      if (branches || !row->branches_known)
        row->conflicts = agb_conflicts_count (overview->conflicts, row->session);
      row->branches_known = TRUE;
    }
  if (cpu)
    overview->cpu_due_usec = agb_deadline_in (CPU_EVERY_MS);
  if (branches)
    overview->branches_due_usec = agb_deadline_in (BRANCHES_EVERY_MS);
}

static AgbOverviewRow *
take_row (GPtrArray *rows, const char *name)
{
  for (guint i = 0; i < rows->len; i++)
    if (g_str_equal (((AgbOverviewRow *)g_ptr_array_index (rows, i))->session->name, name))
      return g_ptr_array_steal_index (rows, i);
  return NULL;
}

static gboolean
read_catalog (AgbOverview *overview, GError **error)
{
  AgbSessionFilter filter = { .sort = "name" };
  g_autoptr (GPtrArray) sessions
      = agb_catalog_list_sessions (overview->env->catalog, &filter, error);

  if (sessions == NULL)
    return FALSE;
  g_ptr_array_set_free_func (sessions, NULL);
  g_autoptr (GPtrArray) before = g_steal_pointer (&overview->rows);
  overview->rows = g_ptr_array_new_with_free_func (row_free);
  for (guint i = 0; i < sessions->len; i++)
    {
      AgbSession *session = g_ptr_array_index (sessions, i);
      AgbOverviewRow *row = before != NULL ? take_row (before, session->name) : NULL;

      if (row == NULL)
        {
          row = g_new0 (AgbOverviewRow, 1);
          forget_guest (row);
          row->cpu_percent = row->conflicts = -1;
        }
      /* A sync moves the review branch, and leaves this behind. */
      if (row->session != NULL
          && g_strcmp0 (row->session->last_used_at, session->last_used_at) != 0)
        row->branches_known = FALSE;
      g_clear_pointer (&row->session, agb_session_free);
      row->session = session;
      g_ptr_array_add (overview->rows, row);
      ask_guest (overview, row);
    }
  return TRUE;
}

AgbOverview *
agb_overview_new (AgbEnv *env, GError **error)
{
  g_autoptr (AgbOverview) overview = g_new0 (AgbOverview, 1);

  overview->env = env;
  overview->conflicts = agb_conflicts_new (env);
  overview->watcher = agb_watcher_new (env->catalog, error);
  if (overview->watcher == NULL || !read_catalog (overview, error))
    return NULL;
  return g_steal_pointer (&overview);
}

void
agb_overview_free (AgbOverview *overview)
{
  g_clear_pointer (&overview->rows, g_ptr_array_unref);
  g_clear_pointer (&overview->watcher, agb_watcher_free);
  g_clear_pointer (&overview->conflicts, agb_conflicts_free);
  g_free (overview);
}

GPtrArray *
agb_overview_rows (AgbOverview *overview)
{
  return overview->rows;
}

static gboolean
row_is_known (const AgbOverviewRow *row, gboolean cpu)
{
  const struct AgbGlance *glance = row->glance;

  if (glance == NULL || glance->process == NULL)
    return TRUE;
  return row->memory_bytes >= 0
         && (!cpu || row->cpu_percent >= 0 || glance->runtime->klass->cpu_usec == NULL);
}

gboolean
agb_overview_is_known (AgbOverview *overview, gboolean cpu)
{
  for (guint i = 0; i < overview->rows->len; i++)
    if (!row_is_known (g_ptr_array_index (overview->rows, i), cpu))
      return FALSE;
  return TRUE;
}

gboolean
agb_overview_wait (AgbOverview *overview, GPollFD *fds, guint n_fds, gint64 deadline_usec,
                   GError **error)
{
  GPtrArray *rows = overview->rows;
  g_autofree GPollFD *all = g_new0 (GPollFD, n_fds + rows->len);
  AgbWatcherEvents events = 0;

  for (guint i = 0; i < n_fds; i++)
    all[i] = fds[i];
  for (guint i = 0; i < rows->len; i++)
    {
      const AgbOverviewRow *row = g_ptr_array_index (rows, i);
      gboolean asked = row->glance != NULL && row->glance->process != NULL;
      all[n_fds + i]
          = (GPollFD){ .fd = asked ? row->glance->process->stdout_fd : -1, .events = G_IO_IN };
    }
  look_around (overview);
  if (deadline_usec < 0 || overview->cpu_due_usec < deadline_usec)
    deadline_usec = overview->cpu_due_usec;
  if (!agb_watcher_wait (overview->watcher, all, n_fds + rows->len, deadline_usec, &events, error))
    return FALSE;
  for (guint i = 0; i < n_fds; i++)
    fds[i].revents = all[i].revents;
  if ((events & AGB_WATCHER_FD) != 0)
    for (guint i = 0; i < rows->len; i++)
      if (all[n_fds + i].revents != 0)
        read_guest (g_ptr_array_index (rows, i));
  look_around (overview);
  return (events & AGB_WATCHER_CATALOG) == 0 || read_catalog (overview, error);
}
