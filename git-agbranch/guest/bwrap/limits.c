#include "guest/bwrap/limits.h"

#include "core/io.h"
#include "guest/bwrap/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  CPU_PERIOD_USEC = 100000,
  TRIES = 100,
  PAUSE_USEC = 10 * 1000,
};

typedef struct {
  const AgbBwrapSpec *spec;
  const char *state_root;
  char *name; /* of our groups */
  GString *made;
  AgbBwrapLimits *limits;
  gboolean cpu, memory;
} Plan;

void
agb_bwrap_limits_clear (AgbBwrapLimits *limits)
{
  for (guint i = 0; limits->join_fds != NULL && i < limits->join_fds->len; i++)
    close (g_array_index (limits->join_fds, int, i));
  g_clear_pointer (&limits->join_fds, g_array_unref);
  g_clear_pointer (&limits->execd_limits, g_strfreev);
  g_clear_pointer (&limits->words, g_free);
  g_clear_pointer (&limits->note, g_free);
}

static gboolean
write_value (const char *folder, const char *file, const char *value)
{
  g_autofree char *path = g_build_filename (folder, file, NULL);
  agb_autofd int fd = open (path, O_WRONLY | O_CLOEXEC);

  return fd >= 0 && write (fd, value, strlen (value)) == (ssize_t)strlen (value);
}

static gboolean
write_number (const char *folder, const char *file, guint64 value)
{
  g_autofree char *text = g_strdup_printf ("%" G_GUINT64_FORMAT, value);

  return write_value (folder, file, text);
}

/* Make GROUP, written down before.  FALSE: we may not. */
static gboolean
make_group (Plan *plan, const char *group)
{
  g_string_append_printf (plan->made, "%s\n", group);
  if (!agb_bwrap_write (plan->state_root, plan->spec->vm_name, "cgroups", plan->made->str, NULL))
    return FALSE;
  return mkdir (group, 0755) == 0 || errno == EEXIST;
}

static gboolean
will_join (Plan *plan, const char *group)
{
  g_autofree char *path = g_build_filename (group, "cgroup.procs", NULL);
  int fd = open (path, O_WRONLY | O_CLOEXEC);

  if (fd < 0)
    return FALSE;
  g_array_append_val (plan->limits->join_fds, fd);
  return TRUE;
}

/* A version 1 group of CONTROLLER below our own; NULL: not to be had. */
static char *
make_v1_group (Plan *plan, const char *controller)
{
  g_autofree char *own = agb_cgroup_own (controller);
  g_autofree char *parent = g_build_filename (agb_cgroup_top (), controller, own, NULL);

  if (own == NULL || access (parent, W_OK) != 0)
    return NULL;
  g_autofree char *group = g_build_filename (parent, plan->name, NULL);
  return make_group (plan, group) ? g_steal_pointer (&group) : NULL;
}

static void
use_v1 (Plan *plan)
{
  const AgbBwrapSpec *spec = plan->spec;
  g_autofree char *memory = spec->memory_bytes > 0 ? make_v1_group (plan, "memory") : NULL;
  g_autofree char *pids = make_v1_group (plan, "pids");
  g_autofree char *cpu = spec->cpus > 0 ? make_v1_group (plan, "cpu") : NULL;

  /* Counts; where it is one hierarchy with cpu, it is the same group. */
  g_autofree char *count = make_v1_group (plan, "cpuacct");
  if (count != NULL)
    will_join (plan, count);
  if (memory != NULL && write_number (memory, "memory.limit_in_bytes", spec->memory_bytes))
    {
      /* Not there without swap accounting. */
      write_number (memory, "memory.memsw.limit_in_bytes", spec->memory_bytes);
      plan->memory = will_join (plan, memory);
    }
  if (pids != NULL && write_number (pids, "pids.max", (guint64)spec->pids))
    will_join (plan, pids);
  if (cpu != NULL && write_number (cpu, "cpu.cfs_period_us", CPU_PERIOD_USEC)
      && write_number (cpu, "cpu.cfs_quota_us", (guint64)spec->cpus * CPU_PERIOD_USEC))
    plan->cpu = will_join (plan, cpu);
}

/* Leave our own group for one below it, so that another below can have limits: a group with processes in
 * it cannot have limited children (cgroup v2, "no internal process").  It goes with the scope. */
static gboolean
make_room (const char *own)
{
  g_autofree char *group = g_build_filename (own, "keeper", NULL);

  return mkdir (group, 0755) == 0 && write_value (group, "cgroup.procs", "0");
}

/* The group that ours is made in: the scope that we were given, else that of our own group, for the same
 * reason.  NULL: not to be had. */
static char *
find_v2_parent (void)
{
  g_autofree char *name = agb_cgroup_own ("");

  if (name == NULL)
    return NULL;
  g_autofree char *own = g_build_filename (agb_cgroup_top (), name, NULL);
  if (agb_cgroup_is_scope ())
    return make_room (own) ? g_steal_pointer (&own) : NULL;
  g_autofree char *name_of_parent = g_path_get_dirname (name);
  g_autofree char *parent = g_build_filename (agb_cgroup_top (), name_of_parent, NULL);
  return !agb_cgroup_is_managed () && access (parent, W_OK) == 0 ? g_steal_pointer (&parent) : NULL;
}

/* In a scope those who have started us may still be on their way out. */
static void
switch_on (const char *parent, const char *controller)
{
  int tries = agb_cgroup_is_scope () ? TRIES : 1;

  while (!write_value (parent, "cgroup.subtree_control", controller) && errno == EBUSY
         && --tries > 0)
    g_usleep (PAUSE_USEC);
}

static void
use_v2 (Plan *plan)
{
  const AgbBwrapSpec *spec = plan->spec;
  g_autofree char *parent = find_v2_parent ();
  g_autofree char *cpu
      = g_strdup_printf ("%" G_GINT64_FORMAT " %d", spec->cpus * CPU_PERIOD_USEC, CPU_PERIOD_USEC);

  if (parent == NULL)
    return;
  switch_on (parent, "+memory");
  switch_on (parent, "+pids");
  switch_on (parent, "+cpu");
  g_autofree char *group = g_build_filename (parent, plan->name, NULL);
  if (!make_group (plan, group) || !will_join (plan, group))
    return;
  plan->memory = spec->memory_bytes > 0 && write_number (group, "memory.max", spec->memory_bytes);
  if (plan->memory)
    write_value (group, "memory.swap.max", "0"); /* not there without swap accounting */
  write_number (group, "pids.max", (guint64)spec->pids);
  plan->cpu = spec->cpus > 0 && write_value (group, "cpu.max", cpu);
}

/* Without a control group: so many of the processors that we may use ourselves, from a random one on, so
 * that sandboxes do not share the first. */
static gboolean
pin (gint64 cpus, AgbBwrapLimits *limits)
{
  cpu_set_t allowed;

  CPU_ZERO (&limits->processors);
  if (sched_getaffinity (0, sizeof allowed, &allowed) != 0)
    return FALSE; /* more processors than a cpu_set_t has */
  int first = g_random_int_range (0, CPU_SETSIZE);
  for (int i = 0; i < CPU_SETSIZE && CPU_COUNT (&limits->processors) < cpus; i++)
    if (CPU_ISSET ((first + i) % CPU_SETSIZE, &allowed))
      CPU_SET ((first + i) % CPU_SETSIZE, &limits->processors);
  limits->pinned = TRUE;
  return TRUE;
}

static char **
execd_limits (const Plan *plan)
{
  const AgbBwrapSpec *spec = plan->spec;
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autofree char *processes = g_strdup_printf ("processes=%" G_GINT64_FORMAT, spec->pids);
  g_autofree char *data = g_strdup_printf ("data=%" G_GUINT64_FORMAT, spec->memory_bytes);
  g_autofree char *file = g_strdup_printf ("file=%" G_GUINT64_FORMAT, spec->disk_bytes);

  g_strv_builder_add_many (builder, "core=0", processes, NULL);
  if (!plan->memory && spec->memory_bytes > 0)
    g_strv_builder_add (builder, data);
  if (spec->disk_bytes > 0 && !spec->own_disk)
    g_strv_builder_add (builder, file);
  return g_strv_builder_end (builder);
}

/* What the user is told who has named a limit. */
static char *
describe (const Plan *plan)
{
  g_autoptr (GString) text = g_string_new (NULL);

  if (!plan->spec->limits_wanted)
    return NULL;
  if (!plan->memory)
    g_string_append (text, ", memory for each process only");
  if (!plan->cpu)
    g_string_append (text, ", cpus not at all");
  if (plan->spec->disk_bytes > 0 && !plan->spec->own_disk)
    g_string_append (text, ", disk for each file only");
  if (!plan->memory && agb_cgroup_keeper_needs_linger ())
    g_string_append (text, " ('loginctl enable-linger' lets systemd give it a control group)");
  return text->len == 0 ? NULL
                        : g_strdup_printf ("this sandbox keeps its limits in part: %s",
                                           text->str + strlen (", "));
}

gboolean
agb_bwrap_limits_prepare (const AgbBwrapSpec *spec, const char *state_root, AgbBwrapLimits *ret,
                          GError **error)
{
  g_auto (AgbBwrapLimits) limits = { .join_fds = g_array_new (FALSE, FALSE, sizeof (int)) };
  g_autoptr (GString) made = g_string_new (NULL);
  /* Sessions of two state roots may have one name. */
  g_autofree char *name
      = g_strdup_printf ("agbranch-%08x-%s", g_str_hash (state_root), spec->vm_name);
  Plan plan
      = { .spec = spec, .state_root = state_root, .name = name, .made = made, .limits = &limits };

  if (agb_cgroup_is_v2 ())
    use_v2 (&plan);
  else
    use_v1 (&plan);
  if (!plan.cpu && spec->cpus > 0)
    plan.cpu = pin (spec->cpus, &limits);
  limits.execd_limits = execd_limits (&plan);
  limits.note = describe (&plan);
  /* Processes are counted for the whole sandbox either way. */
  limits.words = g_strdup_printf ("%s %s enforced %s", plan.cpu ? "enforced" : "none",
                                  plan.memory              ? "enforced"
                                  : spec->memory_bytes > 0 ? "advisory"
                                                           : "none",
                                  spec->own_disk         ? "enforced"
                                  : spec->disk_bytes > 0 ? "advisory"
                                                         : "none");
  if (!agb_bwrap_write (state_root, spec->vm_name, "limits", limits.words, error))
    return FALSE;
  *ret = limits;
  limits = (AgbBwrapLimits){ 0 };
  return TRUE;
}

gboolean
agb_bwrap_limits_join (const AgbBwrapLimits *limits)
{
  for (guint i = 0; i < limits->join_fds->len; i++)
    if (write (g_array_index (limits->join_fds, int, i), "0", 1) != 1)
      return FALSE;
  return !limits->pinned
         || sched_setaffinity (0, sizeof limits->processors, &limits->processors) == 0;
}

/* cpuacct.usage of version 1 is in nanoseconds, usage_usec in cpu.stat of version 2 in microseconds. */
static gint64
group_cpu_usec (const char *group)
{
  g_autofree char *v1 = g_build_filename (group, "cpuacct.usage", NULL);
  g_autofree char *v2 = g_build_filename (group, "cpu.stat", NULL);
  g_autofree char *text = NULL;

  if (g_file_get_contents (v1, &text, NULL, NULL))
    return g_ascii_strtoll (text, NULL, 10) / 1000;
  if (!g_file_get_contents (v2, &text, NULL, NULL))
    return -1;
  const char *usage
      = g_str_has_prefix (text, "usage_usec ") ? text : strstr (text, "\nusage_usec ");
  return usage != NULL ? g_ascii_strtoll (strchr (usage, ' '), NULL, 10) : -1;
}

gint64
agb_bwrap_limits_cpu_usec (const char *state_root, const char *vm_name)
{
  g_autofree char *text = agb_bwrap_read (state_root, vm_name, "cgroups");
  g_auto (GStrv) groups = g_strsplit (text != NULL ? text : "", "\n", -1);
  gint64 usec = -1;

  for (char **group = groups; *group != NULL && usec < 0; group++)
    if (g_str_has_prefix (*group, agb_cgroup_top ()))
      usec = group_cpu_usec (*group);
  return usec;
}

/* Processes that have just ended may still be counted for a moment. */
static void
remove_group (const char *group)
{
  for (int i = 0; i < TRIES && rmdir (group) != 0 && errno == EBUSY; i++)
    g_usleep (PAUSE_USEC);
}

void
agb_bwrap_limits_remove (const char *state_root, const char *vm_name)
{
  g_autofree char *text = agb_bwrap_read (state_root, vm_name, "cgroups");
  g_autofree char *path = agb_bwrap_path (state_root, vm_name, "cgroups");

  if (text == NULL)
    return;
  g_auto (GStrv) groups = g_strsplit (text, "\n", -1);
  for (char **group = groups; *group != NULL; group++)
    if (g_str_has_prefix (*group, agb_cgroup_top ()))
      remove_group (*group);
  unlink (path);
}
