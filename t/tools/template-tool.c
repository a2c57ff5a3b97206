/* Prints the merged Lima template: template-tool [cpus=N] [memory=SIZE] [disk=SIZE] [tcg=1] */
#include "core/error.h"
#include "core/names.h"
#include "guest/lima/template.h"

#include <stdio.h>
#include <string.h>

static gboolean
read_argument (const char *argument, AgbTemplateSpec *spec, GError **error)
{
  const char *value = strchr (argument, '=');
  guint64 bytes = 0;

  if (g_str_has_prefix (argument, "cpus="))
    spec->cpus = g_ascii_strtoll (value + 1, NULL, 10);
  else if (g_str_has_prefix (argument, "tcg="))
    spec->tcg = TRUE;
  else if (!agb_size_parse (value + 1, 1, &bytes, error))
    return FALSE;
  else if (g_str_has_prefix (argument, "memory="))
    spec->memory_bytes = (gint64)bytes;
  else
    spec->disk_bytes = (gint64)bytes;
  return TRUE;
}

int
main (int argc, char **argv)
{
  AgbTemplateSpec spec = { .cpus = 2, .memory_bytes = 1 << 30, .disk_bytes = 1 << 30 };
  g_autoptr (GError) error = NULL;
  gboolean good = TRUE;

  for (int i = 1; good && i < argc; i++)
    good = strchr (argv[i], '=') != NULL && read_argument (argv[i], &spec, &error);
  g_autoptr (AgbSettings) settings = good ? agb_settings_load (NULL, &error) : NULL;
  g_autofree char *text = settings != NULL ? agb_template_render (&spec, settings, &error) : NULL;
  if (text == NULL)
    {
      fprintf (stderr, "%s\n", error != NULL ? error->message : "usage");
      return error != NULL ? error->code : 129;
    }
  fputs (text, stdout);
  return 0;
}
