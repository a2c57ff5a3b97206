/* Small contents that a sync brings, for callers that know what they mean. */
#include "gate/internal.h"

#include "core/error.h"

#include <string.h>

typedef struct {
  guint64 limit;
  AgbGateBlobFunc func;
  gpointer data;
  GPtrArray *oids;  /* of objects, then of blobs below the limit */
  GPtrArray *paths; /* of each */
  GPtrArray *small; /* "INDEX" as pointer, in the order of oids */
} NewBlobs;

static void
new_blobs_clear (NewBlobs *blobs)
{
  g_clear_pointer (&blobs->oids, g_ptr_array_unref);
  g_clear_pointer (&blobs->paths, g_ptr_array_unref);
  g_clear_pointer (&blobs->small, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (NewBlobs, new_blobs_clear)

/* "OID PATH"; commits have no path. */
static gboolean
take_object (const char *record, gsize length, gpointer data, GError **error)
{
  NewBlobs *blobs = data;
  const char *space = memchr (record, ' ', length);

  (void)error;
  if (space == NULL || space[1] == '\0')
    return TRUE;
  g_ptr_array_add (blobs->oids, g_strndup (record, (gsize)(space - record)));
  g_ptr_array_add (blobs->paths, g_strdup (space + 1));
  return TRUE;
}

/* "TYPE SIZE" of the next object. */
static gboolean
take_size (const char *record, gsize length, gpointer data, GError **error)
{
  NewBlobs *blobs = data;
  static const char blob[] = "blob ";

  (void)length;
  (void)error;
  gboolean small = g_str_has_prefix (record, blob)
                   && g_ascii_strtoull (record + strlen (blob), NULL, 10) <= blobs->limit;
  g_ptr_array_add (blobs->small, GINT_TO_POINTER (small));
  return TRUE;
}

static gboolean
keep_small (AgbGate *gate, NewBlobs *blobs, GError **error)
{
  static const char *const args[]
      = { "cat-file", "--batch-check=%(objecttype) %(objectsize)", "--buffer", NULL };
  g_autoptr (GString) input = g_string_new (NULL);
  g_autoptr (GPtrArray) oids = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < blobs->oids->len; i++)
    g_string_append_printf (input, "%s\n", (const char *)blobs->oids->pdata[i]);
  if (input->len > 0 && !gate_git_records (gate, args, input, '\n', take_size, blobs, error))
    return FALSE;
  for (guint i = 0; i < MIN (blobs->oids->len, blobs->small->len); i++)
    if (GPOINTER_TO_INT (blobs->small->pdata[i]))
      {
        g_ptr_array_add (oids, g_strdup (blobs->oids->pdata[i]));
        g_ptr_array_add (paths, g_strdup (blobs->paths->pdata[i]));
      }
  g_ptr_array_unref (blobs->oids);
  g_ptr_array_unref (blobs->paths);
  blobs->oids = g_steal_pointer (&oids);
  blobs->paths = g_steal_pointer (&paths);
  return TRUE;
}

static gboolean
take_content (guint index, const char *oid, const char *type, const char *content, guint64 size,
              gpointer data, GError **error)
{
  NewBlobs *blobs = data;

  (void)oid;
  (void)type;
  (void)error;
  if (content != NULL)
    blobs->func (blobs->paths->pdata[index], content, (gsize)size, blobs->data);
  return TRUE;
}

gboolean
agb_gate_foreach_new_blob (AgbGate *gate, guint64 limit, AgbGateBlobFunc func, gpointer data,
                           GError **error)
{
  const char *const args[] = { "rev-list",     "--objects",   gate->new_oid, "--not",
                               gate->base_oid, gate->old_oid, "--",          NULL };
  g_auto (NewBlobs) blobs = { .limit = limit,
                              .func = func,
                              .data = data,
                              .oids = g_ptr_array_new_with_free_func (g_free),
                              .paths = g_ptr_array_new_with_free_func (g_free),
                              .small = g_ptr_array_new () };

  return gate_git_records (gate, args, NULL, '\n', take_object, &blobs, error)
         && keep_small (gate, &blobs, error)
         && gate_batch (gate, blobs.oids, limit, take_content, &blobs, error);
}

void
agb_gate_add_finding (AgbGate *gate, const char *kind, const char *path)
{
  GPtrArray *findings = gate->findings;

  if (findings->len > 0 && findings->pdata[findings->len - 1] == NULL)
    g_ptr_array_set_size (findings, (int)findings->len - 1);
  gate_add_finding (gate, kind, path);
}
