#include "session/wait.h"

#include "core/error.h"
#include "core/io.h"
#include "core/names.h"
#include "core/time.h"
#include "guest/tmux.h"
#include "guest/transport.h"
#include "session/watcher.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_LIMIT = 256, ASK_AGAIN_MS = 100 };

static const char *const words[] = { "idle", "waiting", "done", "exit", "commit", "stopped", NULL };

typedef struct {
  const char *name;
  AgbSession *session;
  AgbRuntime *runtime;
  AgbGuestProcess *process; /* wait.sh in the guest; NULL: not asked yet */
  GString *answer;
  gboolean reached;
  gboolean ask_again; /* its guest goes down, and nothing will tell when it is down */
} Waiter;

typedef struct {
  AgbEnv *env;
  const AgbWaitSpec *spec;
  AgbWaitFunc func;
  gpointer data;
  GPtrArray *waiters;
} Wait;

gboolean
agb_wait_for_parse (const char *word, AgbWaitFor *ret, GError **error)
{
  for (gsize i = 0; words[i] != NULL; i++)
    if (g_str_equal (words[i], word))
      {
        *ret = (AgbWaitFor)i;
        return TRUE;
      }
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "cannot wait for '%s'", word);
  agb_error_hint (error, "--for is one of: idle, waiting, done, exit, commit, stopped");
  return FALSE;
}

const char *
agb_wait_for_word (AgbWaitFor what)
{
  return words[what];
}

static void
waiter_free (gpointer data)
{
  Waiter *waiter = data;

  g_clear_pointer (&waiter->process, agb_guest_process_free);
  g_clear_pointer (&waiter->runtime, agb_runtime_free);
  g_clear_pointer (&waiter->session, agb_session_free);
  g_string_free (waiter->answer, TRUE);
  g_free (waiter);
}

static void
pass_on (Wait *wait, Waiter *waiter, int exit_status, const char *oid)
{
  AgbWaitReached reached = { waiter->name, wait->spec->what, exit_status, oid };

  waiter->reached = TRUE;
  g_clear_pointer (&waiter->process, agb_guest_process_free);
  wait->func (&reached, wait->data);
}

/* The commit that the host has of SESSION; empty: none, any commit of the guest is new. */
static char *
known_head (AgbEnv *env, const AgbSession *session)
{
  if (g_strcmp0 (session->session_mode, "repo") != 0 || session->session_ref_head == NULL)
    return g_strdup ("");
  g_autoptr (AgbRepo) repo = agb_env_session_repo (env, session, FALSE, NULL);
  char *oid = repo != NULL ? agb_repo_read_ref (repo, session->session_ref_head) : NULL;
  return oid != NULL ? oid : g_strdup ("");
}

static gboolean
ask_guest (Wait *wait, Waiter *waiter, GError **error)
{
  const AgbSession *session = waiter->session;
  g_autofree char *head = known_head (wait->env, session);
  g_autofree char *quiet
      = g_strdup_printf ("%" G_GINT64_FORMAT, MAX ((wait->spec->quiet_ms + 999) / 1000, 1));
  const char *args[] = { agb_wait_for_word (wait->spec->what),
                         session->name,
                         session->guest_workspace_path,
                         AGB_AGENT_WINDOW,
                         quiet,
                         head,
                         NULL };

  if (waiter->runtime == NULL)
    waiter->runtime = agb_env_session_runtime (wait->env, session, error);
  if (waiter->runtime == NULL)
    return FALSE;
  waiter->process = agb_guest_script_start (waiter->runtime, session->vm_name, "guest/wait.sh",
                                            args, NULL, error);
  return waiter->process != NULL;
}

/* A guest that cannot be asked since it goes down is what `stopped` waits for.  For a moment its engine
 * still counts it as running: then it is asked again. */
static gboolean
ask_guest_or_see_it_stop (Wait *wait, Waiter *waiter, GError **error)
{
  g_autoptr (GError) problem = NULL;
  g_auto (AgbGuestStatus) status = { 0 };

  waiter->ask_again = FALSE;
  if (ask_guest (wait, waiter, &problem))
    return TRUE;
  if (wait->spec->what != AGB_WAIT_STOPPED || waiter->runtime == NULL
      || !g_error_matches (problem, AGB_ERROR, AGB_ERROR_RUNTIME)
      || !waiter->runtime->klass->status (waiter->runtime, waiter->session->vm_name, &status, NULL)
      || status.state == AGB_GUEST_UNREACHABLE)
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  if (status.state == AGB_GUEST_STOPPED || status.state == AGB_GUEST_ABSENT)
    pass_on (wait, waiter, -1, NULL);
  else
    waiter->ask_again = TRUE;
  return TRUE;
}

static gboolean
is_in (const char *word, const char *const *list)
{
  return word != NULL && g_strv_contains (list, word);
}

/* What the catalog says of a session whose guest is not asked yet. */
static gboolean
look_at_row (Wait *wait, Waiter *waiter, GError **error)
{
  static const char *const coming[]
      = { "preparing_base", "cloning", "starting", "seeding", "repairing", NULL };
  static const char *const down[] = { "stopped", "closed", "error", NULL };

  g_clear_pointer (&waiter->session, agb_session_free);
  waiter->session = agb_catalog_get_session (wait->env->catalog, waiter->name, error);
  if (waiter->session == NULL)
    return FALSE;
  const char *state = waiter->session->lifecycle_state;
  if (is_in (state, coming))
    return TRUE;
  if (!is_in (state, down))
    return waiter->process != NULL || ask_guest_or_see_it_stop (wait, waiter, error);
  if (wait->spec->what == AGB_WAIT_STOPPED)
    {
      pass_on (wait, waiter, -1, NULL);
      return TRUE;
    }
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "session '%s' is %s", waiter->name, state);
  if (g_str_equal (state, "stopped"))
    agb_error_hint (error, "start it: git agbranch start %s", waiter->name);
  return FALSE;
}

static gboolean
no_agent (const Waiter *waiter, GError **error)
{
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "session '%s' has no agent window", waiter->name);
  agb_error_hint (error, "start an agent: git agbranch agent start %s --provider <name>",
                  waiter->name);
  return FALSE;
}

/* The guest's answer; its text is checked, not trusted. */
static gboolean
take_answer (Wait *wait, Waiter *waiter, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (g_strchomp (waiter->answer->str), " ", 2);
  const char *word = parts[0] != NULL ? parts[0] : "";
  const char *detail = parts[0] != NULL ? parts[1] : NULL;
  const char *wanted = agb_wait_for_word (wait->spec->what);
  int status = detail != NULL ? (int)(g_ascii_strtoull (detail, NULL, 10) & 0xff) : 0;

  if (g_str_equal (word, "missing"))
    return no_agent (waiter, error);
  if (g_str_equal (word, "ended"))
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER,
                   "the agent of session '%s' ended with status %d", waiter->name, status);
      return FALSE;
    }
  gboolean understood = g_str_equal (word, wanted);
  if (wait->spec->what == AGB_WAIT_COMMIT)
    understood = understood && detail != NULL && agb_is_oid (detail);
  if (!understood)
    {
      g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME,
                   "the guest of session '%s' gave no answer that is understood", waiter->name);
      return FALSE;
    }
  pass_on (wait, waiter, wait->spec->what == AGB_WAIT_EXIT ? status : -1,
           wait->spec->what == AGB_WAIT_COMMIT ? detail : NULL);
  return TRUE;
}

static gboolean
process_ended (Wait *wait, Waiter *waiter, GError **error)
{
  g_autoptr (GError) problem = NULL;
  int status = 0;
  gboolean finished = waiter->process->klass->finish (waiter->process, &status, &problem);

  g_clear_pointer (&waiter->process, agb_guest_process_free);
  if (wait->spec->what == AGB_WAIT_STOPPED)
    {
      pass_on (wait, waiter, -1, NULL); /* blocks as long as the guest lives */
      return TRUE;
    }
  if (finished && waiter->answer->len > 0)
    return take_answer (wait, waiter, error);
  g_set_error (error, AGB_ERROR, AGB_ERROR_RUNTIME, "the guest of session '%s' went away: %s",
               waiter->name, problem != NULL ? problem->message : "no answer");
  return FALSE;
}

/* Read what is there.  TRUE: the stream goes on. */
static gboolean
read_answer (Waiter *waiter)
{
  char buffer[ANSWER_LIMIT];
  ssize_t length = read (waiter->process->stdout_fd, buffer, sizeof buffer);

  if (length > 0 && waiter->answer->len < ANSWER_LIMIT)
    g_string_append_len (waiter->answer, buffer, MIN (length, ANSWER_LIMIT));
  return length > 0;
}

static gboolean
is_over (const Wait *wait)
{
  for (guint i = 0; i < wait->waiters->len; i++)
    {
      const Waiter *waiter = g_ptr_array_index (wait->waiters, i);
      if (waiter->reached == wait->spec->any)
        return wait->spec->any;
    }
  return !wait->spec->any;
}

static gboolean
time_is_up (const Wait *wait, GError **error)
{
  g_autoptr (GString) names = g_string_new ("");

  for (guint i = 0; i < wait->waiters->len; i++)
    {
      const Waiter *waiter = g_ptr_array_index (wait->waiters, i);
      if (!waiter->reached)
        g_string_append_printf (names, "%s'%s'", names->len > 0 ? ", " : "", waiter->name);
    }
  g_set_error (error, AGB_ERROR, AGB_ERROR_TIMEOUT, "time ran out while waiting for %s of %s",
               agb_wait_for_word (wait->spec->what), names->str);
  return FALSE;
}

/* The deadline of the next look: soon while a guest goes down, which no event tells. */
static gint64
next_look (const Wait *wait, gint64 deadline_usec)
{
  gint64 soon = agb_deadline_in (ASK_AGAIN_MS);

  for (guint i = 0; i < wait->waiters->len; i++)
    {
      const Waiter *waiter = g_ptr_array_index (wait->waiters, i);
      if (waiter->ask_again && !waiter->reached && (deadline_usec < 0 || soon < deadline_usec))
        return soon;
    }
  return deadline_usec;
}

/* Two descriptors a guest that is asked: its answer, and its end. */
static guint
fill_fds (const Wait *wait, GPollFD *fds)
{
  guint count = 0;

  for (guint i = 0; i < wait->waiters->len; i++)
    {
      const Waiter *waiter = g_ptr_array_index (wait->waiters, i);
      if (waiter->process == NULL)
        continue;
      fds[count++] = (GPollFD){ .fd = waiter->process->stdout_fd, .events = G_IO_IN };
      fds[count++]
          = (GPollFD){ .fd = waiter->process->klass->wait_fd (waiter->process), .events = G_IO_IN };
    }
  return count;
}

static gboolean
serve_fds (Wait *wait, const GPollFD *fds, GError **error)
{
  guint next = 0;

  for (guint i = 0; i < wait->waiters->len; i++)
    {
      Waiter *waiter = g_ptr_array_index (wait->waiters, i);
      if (waiter->process == NULL)
        continue;
      const GPollFD *answer = &fds[next++], *end = &fds[next++];
      gboolean more = answer->revents != 0 && read_answer (waiter);

      /* All of the answer before the end; a closed stream must not be polled for ever. */
      if (answer->revents != 0 && !more)
        agb_close (&waiter->process->stdout_fd);
      if (end->revents != 0 && !more && !process_ended (wait, waiter, error))
        return FALSE;
      if (wait->spec->any && waiter->reached)
        return TRUE;
    }
  return TRUE;
}

static gboolean
look_at_rows (Wait *wait, GError **error)
{
  for (guint i = 0; i < wait->waiters->len; i++)
    {
      Waiter *waiter = g_ptr_array_index (wait->waiters, i);
      if (!waiter->reached && !look_at_row (wait, waiter, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
wait_loop (Wait *wait, AgbWatcher *watcher, GError **error)
{
  g_autofree GPollFD *fds = g_new0 (GPollFD, 2 * wait->waiters->len);
  gint64 deadline = agb_deadline_in (wait->spec->timeout_ms);
  AgbWatcherEvents events = AGB_WATCHER_CATALOG;

  for (;;)
    {
      if ((events & AGB_WATCHER_CATALOG) != 0 && !look_at_rows (wait, error))
        return FALSE;
      if (is_over (wait))
        return TRUE;
      guint count = fill_fds (wait, fds);
      gint64 until = next_look (wait, deadline);
      if (!agb_watcher_wait (watcher, fds, count, until, &events, error))
        return FALSE;
      if (events == 0 && until == deadline)
        return time_is_up (wait, error);
      if (events == 0)
        events = AGB_WATCHER_CATALOG;
      if ((events & AGB_WATCHER_FD) != 0 && !serve_fds (wait, fds, error))
        return FALSE;
      if (is_over (wait))
        return TRUE;
    }
}

gboolean
agb_wait (AgbEnv *env, const AgbWaitSpec *spec, AgbWaitFunc func, gpointer data, GError **error)
{
  g_autoptr (AgbWatcher) watcher = agb_watcher_new (env->catalog, error);
  g_autoptr (GPtrArray) waiters = g_ptr_array_new_with_free_func (waiter_free);
  Wait wait = { .env = env, .spec = spec, .func = func, .data = data, .waiters = waiters };

  if (watcher == NULL)
    return FALSE;
  for (const char *const *name = spec->sessions; *name != NULL; name++)
    {
      Waiter *waiter = g_new0 (Waiter, 1);
      waiter->name = *name;
      waiter->answer = g_string_new (NULL);
      g_ptr_array_add (waiters, waiter);
    }
  return wait_loop (&wait, watcher, error);
}
