/* The stream of the guest is read by agbranch-scan, which has no rights; here is what it says judged. */
#include "gate/internal.h"

#include "core/child.h"
#include "core/error.h"
#include "core/interrupt.h"
#include "core/io.h"
#include "core/paths.h"
#include "core/time.h"
#include "gate/scan-report.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  PROGRESS_MS = 250,
};

static const char stream_name[] = "the stream of the guest";

/* The reader died or lies: whatever the guest did to it, nothing came of it.  Returns FALSE. */
static gboolean
refuse_reader (GError **error, const char *what)
{
  g_set_error (error, AGB_ERROR, AGB_ERROR_SYNC, "refused: scan: agbranch-scan %s", what);
  return FALSE;
}

static void
tell_progress (AgbGate *gate, const char *path)
{
  struct stat info;

  if (stat (path, &info) == 0)
    agb_progress_update (gate->progress, (guint64)info.st_size, 0, "bytes");
}

/* Collect the report until its end; what is written meanwhile is told as progress. */
static gboolean
read_report (AgbGate *gate, AgbChild *child, const char *path, gint64 deadline, GString *report,
             GError **error)
{
  while (child->stderr_fd >= 0)
    {
      struct pollfd fds[2] = { { .fd = child->stderr_fd, .events = POLLIN },
                               { .fd = agb_interrupt_fd (), .events = POLLIN } };
      char buffer[AGB_SCAN_REPORT_MAX];
      int left = agb_deadline_left_ms (deadline);
      int ready = poll (fds, 2, left < 0 ? PROGRESS_MS : MIN (left, PROGRESS_MS));

      if (agb_interrupted (error))
        return FALSE;
      if (ready < 0 && errno != EINTR)
        return agb_error_set_errno (error, errno, "poll", stream_name);
      if (ready == 0 && left == 0)
        {
          g_set_error (error, AGB_ERROR, AGB_ERROR_TIMEOUT, "%s did not end in time", stream_name);
          return FALSE;
        }
      tell_progress (gate, path);
      if (ready <= 0 || fds[0].revents == 0)
        continue;
      ssize_t length = read (child->stderr_fd, buffer, sizeof buffer);
      if (length == 0 || (length < 0 && errno != EAGAIN && errno != EINTR))
        agb_close (&child->stderr_fd);
      if (length > 0)
        g_string_append_len (report, buffer, length);
      if (report->len > AGB_SCAN_REPORT_MAX)
        return refuse_reader (error, "does not stop talking");
    }
  return TRUE;
}

static gboolean
start_reader (AgbGate *gate, int in, int out, AgbChild *ret, GError **error)
{
  const AgbPackLimits *limits = &gate->limits.pack;
  const guint64 numbers[] = { limits->bytes, limits->inflated_bytes, limits->blob_bytes,
                              limits->objects, limits->depth };
  char texts[G_N_ELEMENTS (numbers)][24];
  g_autofree char *exec_path = agb_exec_path ();
  g_autofree char *program = g_build_filename (exec_path, "agbranch-scan", NULL);
  const char *const argv[]
      = { program, gate->new_oid, texts[0], texts[1], texts[2], texts[3], texts[4], NULL };
  char *envp[] = { NULL };
  const AgbChildSpec spec
      = { .argv = argv, .cwd = "/", .envp = envp, .stdin_fd = in, .stdout_fd = out };

  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    g_snprintf (texts[i], sizeof texts[i], "%" G_GUINT64_FORMAT, numbers[i]);
  return agb_child_start (&spec, FALSE, ret, error);
}

/* What was written is as long as was said and begins as a pack of so many objects. */
static gboolean
check_written (AgbGate *gate, int fd, goffset pack_offset, const AgbScanReport *report,
               GError **error)
{
  struct stat info;
  guint8 head[12];

  if (fstat (fd, &info) != 0 || pread (fd, head, sizeof head, pack_offset) < 0)
    return agb_error_set_errno (error, errno, "read", gate->staged_path);
  guint32 objects
      = (guint32)head[8] << 24 | (guint32)head[9] << 16 | (guint32)head[10] << 8 | head[11];
  return (info.st_size - pack_offset == (goffset)report->pack_bytes && memcmp (head, "PACK", 4) == 0
          && objects == report->objects)
         || refuse_reader (error, "said something else than it wrote");
}

static gboolean
judge (AgbGate *gate, const GString *text, int status, AgbScanReport *ret, GError **error)
{
  gsize oid_length = agb_repo_oid_length (gate->repo) / 2;
  g_autofree char *ended = status > 128
                               ? g_strdup_printf ("was ended by signal %d", status - 128)
                               : g_strdup_printf ("said nothing that can be (status %d)", status);

  if (!agb_scan_report_parse (text->str, text->len, &gate->limits.pack, oid_length, ret))
    return refuse_reader (error, ended);
  switch (ret->outcome)
    {
    case AGB_SCAN_GOOD:
      return status == 0 || refuse_reader (error, ended);
    case AGB_SCAN_REFUSED:
      return agb_scan_fault_error (&ret->fault, &gate->limits.pack, error);
    case AGB_SCAN_FAILED_READ:
      return agb_error_set_errno (error, ret->errnum, "read", stream_name);
    case AGB_SCAN_FAILED_WRITE:
      return agb_error_set_errno (error, ret->errnum, "write", gate->staged_path);
    case AGB_SCAN_FAILED_CONFINE:
      break;
    }
  g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD, "agbranch-scan cannot give its rights away: %s",
               g_strerror (ret->errnum));
  return FALSE;
}

gboolean
gate_scan (AgbGate *gate, int in, int fd, const char *path, GError **error)
{
  g_auto (AgbChild) child = { .pidfd = -1, .stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1 };
  g_autoptr (GString) text = g_string_new (NULL);
  gint64 deadline = agb_deadline_in (gate->limits.ms);
  goffset pack_offset = lseek (fd, 0, SEEK_END);
  /* Append only: what was written before is out of its reach. */
  agb_autofd int out = open (path, O_WRONLY | O_APPEND | O_CLOEXEC);
  agb_autofd int own_in = fcntl (in, F_DUPFD_CLOEXEC, 3);
  AgbScanReport report;
  int status = 0;

  if (out < 0 || own_in < 0 || pack_offset < 0)
    return agb_error_set_errno (error, errno, "open", path);
  int flags = fcntl (in, F_GETFL);
  if (flags >= 0) /* agbranch-scan cannot poll */
    fcntl (in, F_SETFL, flags & ~O_NONBLOCK);

  if (!start_reader (gate, own_in, out, &child, error))
    return FALSE;
  if (!read_report (gate, &child, path, deadline, text, error)
      || !agb_child_wait (&child, deadline, &status, error))
    return gate_timed_out (gate, stream_name, error);
  if (!judge (gate, text, status, &report, error)
      || !check_written (gate, fd, pack_offset, &report, error))
    return FALSE;
  gate->pack_bytes = report.pack_bytes;
  gate->pack_objects = (guint)report.objects;
  gate->pack_depth = (guint)report.depth;
  return TRUE;
}
