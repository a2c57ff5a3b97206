/* Reading many objects of the quarantine through one `git cat-file --batch`. */
#include "gate/internal.h"

#include "core/error.h"

#include <string.h>

enum {
  HEADER_MAX = 64 * 1024, /* a spec that is missing is repeated in full */
};

typedef struct {
  guint64 limit;
  GateObjectFunc func;
  gpointer data;

  guint index;
  gboolean in_content;
  GString *text; /* of the header, or the content */
  guint64 size;  /* of the object */
  guint64 left;  /* bytes of it still to come, with the newline behind it */
  char *oid;
  char *type;
} Batch;

static void
batch_clear (Batch *batch)
{
  g_string_free (batch->text, TRUE);
  g_free (batch->oid);
  g_free (batch->type);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Batch, batch_clear)

static gboolean
protocol_error (GError **error)
{
  g_set_error (error, AGB_ERROR, AGB_ERROR_CHILD, "git cat-file answered something unexpected");
  return FALSE;
}

/* "OID TYPE SIZE", or "SPEC missing" and its like. */
static gboolean
take_header (Batch *batch, GError **error)
{
  g_auto (GStrv) words = g_strsplit (batch->text->str, " ", -1);

  if (g_strv_length (words) != 3
      || !g_ascii_string_to_unsigned (words[2], 10, 0, G_MAXINT64, &batch->size, NULL))
    {
      g_string_truncate (batch->text, 0);
      return batch->func (batch->index++, NULL, NULL, NULL, 0, batch->data, error);
    }
  g_free (batch->oid);
  g_free (batch->type);
  batch->oid = g_strdup (words[0]);
  batch->type = g_strdup (words[1]);
  batch->left = batch->size + 1;
  batch->in_content = TRUE;
  g_string_truncate (batch->text, 0);
  return TRUE;
}

static gboolean
finish_object (Batch *batch, GError **error)
{
  gboolean whole = batch->size <= batch->limit;

  batch->in_content = FALSE;
  if (whole)
    g_string_truncate (batch->text, batch->size);
  gboolean good = batch->func (batch->index++, batch->oid, batch->type,
                               whole ? batch->text->str : NULL, batch->size, batch->data, error);
  g_string_truncate (batch->text, 0);
  return good;
}

static gboolean
take_piece (const char *piece, gsize length, gpointer data, GError **error)
{
  Batch *batch = data;

  while (length > 0)
    {
      const char *end = batch->in_content ? NULL : memchr (piece, '\n', length);
      gsize taken = batch->in_content ? (gsize)MIN (batch->left, length)
                    : end != NULL     ? (gsize)(end - piece)
                                      : length;

      if (!batch->in_content || batch->size <= batch->limit)
        g_string_append_len (batch->text, piece, (gssize)taken);
      piece += taken;
      length -= taken;
      if (batch->in_content)
        {
          batch->left -= taken;
          if (batch->left == 0 && !finish_object (batch, error))
            return FALSE;
          continue;
        }
      if (batch->text->len > HEADER_MAX)
        return protocol_error (error);
      if (end != NULL)
        {
          piece++;
          length--;
          if (!take_header (batch, error))
            return FALSE;
        }
    }
  return TRUE;
}

gboolean
gate_batch (AgbGate *gate, GPtrArray *specs, guint64 limit, GateObjectFunc func, gpointer data,
            GError **error)
{
  static const char *const args[] = { "cat-file", "--batch", "--buffer", NULL };
  g_autoptr (GString) input = g_string_new (NULL);
  g_auto (Batch) batch
      = { .limit = limit, .func = func, .data = data, .text = g_string_new (NULL) };

  if (specs->len == 0)
    return TRUE;
  for (guint i = 0; i < specs->len; i++)
    g_string_append_printf (input, "%s\n", (const char *)specs->pdata[i]);
  if (!gate_git_stream (gate, args, input, take_piece, &batch, error))
    return FALSE;
  return batch.index == specs->len || protocol_error (error);
}
