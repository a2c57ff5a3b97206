#include "session/columns.h"

#include "core/error.h"
#include "core/names.h"
#include "core/time.h"

#include <string.h>

typedef enum {
  KIND_TEXT,
  KIND_NUMBER,
  KIND_FLAG,
} Kind;

/* The keys of `ps --json` in their order; those of CONTRACTS first, then ours. */
static const struct {
  const char *key;
  Kind kind;
  gsize offset;
} keys[] = {
#define TEXT(field)                                       \
  {                                                       \
#field, KIND_TEXT, G_STRUCT_OFFSET(AgbSession, field) \
  }
  TEXT (name),
  TEXT (vm_name),
  TEXT (session_mode),
  TEXT (repo_sync_mode),
  TEXT (host_context_path),
  TEXT (guest_workspace_path),
  TEXT (host_head_oid_at_open),
  TEXT (host_head_ref_at_open),
  { "host_dirty_at_open", KIND_FLAG, G_STRUCT_OFFSET (AgbSession, host_dirty_at_open) },
  TEXT (lifecycle_state),
  TEXT (sync_state),
  TEXT (created_at),
  TEXT (last_started_at),
  TEXT (last_stopped_at),
  TEXT (closed_at),
  TEXT (provider_kind),
  TEXT (guest_tmux_socket_path),
  TEXT (shell_window_name),
  TEXT (agent_window_name),
  TEXT (runtime),
  TEXT (base_ref),
  TEXT (base_oid),
  TEXT (review_branch),
  TEXT (agent_launch_preset),
  TEXT (last_used_at),
  TEXT (network),
  { "cpus", KIND_NUMBER, G_STRUCT_OFFSET (AgbSession, cpus) },
  { "memory_bytes", KIND_NUMBER, G_STRUCT_OFFSET (AgbSession, memory_bytes) },
  { "disk_bytes", KIND_NUMBER, G_STRUCT_OFFSET (AgbSession, disk_bytes) },
#undef TEXT
};

/* Short words for people; the keys above are columns too. */
static const AgbColumn words[] = {
  { "name", "*NAME", "name", { "name" }, 0 },
  { "state", "STATE", "lifecycle_state", { "lifecycle_state" }, 0 },
  { "sync", "SYNC", "sync_state", { "sync_state" }, 0 },
  { "agent",
    "AGENT",
    "agent_launch_preset",
    { "agent_launch_preset", "agent_command_json", "provider_kind" },
    0 },
  { "age", ">AGE", "-created_at", { "created_at" }, 0 },
  { "used", ">USED", "-last_used_at", { "last_used_at" }, 0 },
  { "where", "*WHERE", "host_context_path", { "host_context_path" }, 0 },
  { "mode", "MODE", "session_mode", { "session_mode" }, 0 },
  { "branch", "*BRANCH", "review_branch", { "review_branch" }, 0 },
  { "vm", "*VM", "vm_name", { "vm_name" }, 0 },
  { "live", "LIVE", NULL, { "vm_name" }, 0 },
  { "memory", ">MEMORY", "memory_bytes", { "memory_bytes" }, 0 },
  { "disk", ">DISK", "disk_bytes", { "disk_bytes" }, 0 },
  { "ahead", ">AHEAD", NULL, { "name" }, 1 },
  { "changed", ">CHANGED", NULL, { "name" }, 2 },
  { "conflicts", ">CONFLICTS", NULL, { "name" }, 3 },
  { "cpu", ">CPU", NULL, { "name" }, 4 },
  { "memory-used", ">MEMORY USED", NULL, { "name" }, 5 },
  { "disk-used", ">DISK USED", NULL, { "name" }, 6 },
};

static const char default_list[] = "name,state,sync,agent,age,where";

/* The columns made from keys[], once. */
static const AgbColumn *
key_columns (void)
{
  static AgbColumn columns[G_N_ELEMENTS (keys)];

  if (columns[0].name == NULL)
    for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
      columns[i] = (AgbColumn){ keys[i].key, keys[i].key, keys[i].key, { keys[i].key }, 0 };
  return columns;
}

const AgbColumn *
agb_column_find (const char *name)
{
  const AgbColumn *columns = key_columns ();

  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_str_equal (words[i].name, name))
      return &words[i];
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    if (g_str_equal (columns[i].name, name))
      return &columns[i];
  return NULL;
}

static const char *
nearest_column (const char *name)
{
  const char *names[G_N_ELEMENTS (words) + G_N_ELEMENTS (keys) + 1] = { NULL };
  gsize count = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    names[count++] = words[i].name;
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    names[count++] = keys[i].key;
  return agb_nearest (name, names);
}

const AgbColumn **
agb_columns_parse (const char *list, GError **error)
{
  g_auto (GStrv) names = g_strsplit (list != NULL ? list : default_list, ",", -1);
  guint count = g_strv_length (names);
  g_autofree const AgbColumn **columns = g_new0 (const AgbColumn *, count + 1);

  for (guint i = 0; i < count; i++)
    {
      columns[i] = agb_column_find (g_strstrip (names[i]));
      if (columns[i] != NULL)
        continue;
      const char *nearest = nearest_column (names[i]);
      g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is not a column", names[i]);
      if (nearest != NULL)
        agb_error_hint (error, "did you mean '%s'? the columns are in: git agbranch help ps",
                        nearest);
      else
        agb_error_hint (error, "the columns are in: git agbranch help ps");
      return NULL;
    }
  return g_steal_pointer (&columns);
}

const char **
agb_columns_needs (const AgbColumn *const *columns)
{
  g_autoptr (GPtrArray) needs = g_ptr_array_new ();

  for (; *columns != NULL; columns++)
    for (gsize i = 0; i < G_N_ELEMENTS ((*columns)->needs) && (*columns)->needs[i] != NULL; i++)
      g_ptr_array_add (needs, (gpointer)(*columns)->needs[i]);
  /* A row without its name is none. */
  g_ptr_array_add (needs, (gpointer) "name");
  g_ptr_array_add (needs, NULL);
  return (const char **)g_ptr_array_free (g_steal_pointer (&needs), FALSE);
}

static const char *
text_field (const AgbSession *session, gsize offset)
{
  return G_STRUCT_MEMBER (char *, session, offset);
}

char *
agb_session_agent_label (const AgbSession *session)
{
  const char *preset = session->agent_launch_preset;

  /* "command" is any program: its own name says more. */
  if (preset != NULL && (!g_str_equal (preset, "command") || session->agent_command_json == NULL))
    return g_strdup (preset);
  if (session->agent_command_json == NULL)
    return g_strdup (session->provider_kind);

  g_autoptr (cJSON) command = cJSON_Parse (session->agent_command_json);
  const char *program = cJSON_GetStringValue (cJSON_GetArrayItem (command, 0));
  return program != NULL ? g_path_get_basename (program) : NULL;
}

/* The folder of the host that a session belongs to, as people know it: its last part. */
static char *
where (const AgbSession *session)
{
  if (session->host_context_path == NULL)
    return NULL;
  return g_path_get_basename (session->host_context_path);
}

static char *
size_text (gint64 bytes)
{
  return bytes > 0 ? agb_size_format ((guint64)bytes) : NULL;
}

static char *
key_value (const AgbSession *session, const char *key)
{
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    if (g_str_equal (keys[i].key, key))
      {
        if (keys[i].kind == KIND_TEXT)
          return g_strdup (text_field (session, keys[i].offset));
        gint64 number = G_STRUCT_MEMBER (gint64, session, keys[i].offset);
        if (keys[i].kind == KIND_FLAG)
          return g_strdup (number != 0 ? "true" : "false");
        return g_strdup_printf ("%" G_GINT64_FORMAT, number);
      }
  return NULL;
}

char *
agb_column_value (const AgbColumn *column, const AgbSession *session, const char *live)
{
  const char *name = column->name;

  if (g_str_equal (name, "name"))
    return g_strdup (session->name);
  if (g_str_equal (name, "state"))
    return g_strdup (session->lifecycle_state);
  if (g_str_equal (name, "sync"))
    return g_strdup (session->sync_state);
  if (g_str_equal (name, "agent"))
    return agb_session_agent_label (session);
  if (g_str_equal (name, "age"))
    return agb_time_age (session->created_at);
  if (g_str_equal (name, "used"))
    return agb_time_age (session->last_used_at);
  if (g_str_equal (name, "where"))
    return where (session);
  if (g_str_equal (name, "mode"))
    return g_strdup (session->session_mode);
  if (g_str_equal (name, "branch"))
    return g_strdup (session->review_branch);
  if (g_str_equal (name, "vm"))
    return g_strdup (session->vm_name);
  if (g_str_equal (name, "live"))
    return g_strdup (live);
  if (g_str_equal (name, "memory"))
    return size_text (session->memory_bytes);
  if (g_str_equal (name, "disk"))
    return size_text (session->disk_bytes);
  return key_value (session, name);
}

static cJSON *
text_to_json (const char *text)
{
  if (text == NULL)
    return cJSON_CreateNull ();
  if (g_utf8_validate (text, -1, NULL))
    return cJSON_CreateString (text);
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  return cJSON_CreateString (valid);
}

cJSON *
agb_session_to_json (const AgbSession *session)
{
  cJSON *object = cJSON_CreateObject ();

  /* The keys are not copied: `ps` makes thousands of them. */
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    if (keys[i].kind == KIND_TEXT)
      cJSON_AddItemToObjectCS (object, keys[i].key,
                               text_to_json (text_field (session, keys[i].offset)));
    else
      {
        gint64 number = G_STRUCT_MEMBER (gint64, session, keys[i].offset);
        cJSON_AddItemToObjectCS (object, keys[i].key,
                                 keys[i].kind == KIND_FLAG ? cJSON_CreateBool (number != 0)
                                                           : cJSON_CreateNumber ((double)number));
      }
  return object;
}
