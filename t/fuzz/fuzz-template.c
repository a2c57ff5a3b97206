/* agb_template_merge: whatever stands in a template, what comes out is a template that says what the
 * user set, or an error. */
#include "guest/lima/template.h"

#include <stdint.h>
#include <string.h>
#include <yaml.h>

int LLVMFuzzerInitialize (int *argc, char ***argv);
int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

static AgbSettings *with_image;
static AgbSettings *without_image;

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  static const char *const settings[] = { "agbranch.lima.image",   "https://example.com/x.img",
                                          "agbranch.lima.digest",  "sha256:0123",
                                          "agbranch.lima.kernel",  "https://example.com/kernel",
                                          "agbranch.lima.initrd",  "https://example.com/initrd",
                                          "agbranch.lima.cmdline", "quiet: \"yes\" # no\n- x" };

  (void)argc;
  (void)argv;
  g_setenv ("GIT_CONFIG_NOSYSTEM", "1", TRUE);
  g_setenv ("GIT_CONFIG_GLOBAL", "/dev/null", TRUE);
  g_setenv ("GIT_CONFIG_COUNT", "0", TRUE);
  without_image = agb_settings_load (NULL, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (settings); i += 2)
    {
      g_autofree char *key = g_strdup_printf ("GIT_CONFIG_KEY_%d", (int)i / 2);
      g_autofree char *value = g_strdup_printf ("GIT_CONFIG_VALUE_%d", (int)i / 2);

      g_setenv (key, settings[i], TRUE);
      g_setenv (value, settings[i + 1], TRUE);
    }
  g_setenv ("GIT_CONFIG_COUNT", "5", TRUE);
  with_image = agb_settings_load (NULL, NULL);
  g_assert_true (with_image != NULL && without_image != NULL);
  return 0;
}

/* The scalar at KEY of the root, or NULL. */
static const char *
root_scalar (yaml_document_t *document, const char *key)
{
  yaml_node_t *root = yaml_document_get_root_node (document);

  g_assert_true (root != NULL && root->type == YAML_MAPPING_NODE);
  for (yaml_node_pair_t *pair = root->data.mapping.pairs.start; pair < root->data.mapping.pairs.top;
       pair++)
    {
      yaml_node_t *name = yaml_document_get_node (document, pair->key);
      yaml_node_t *value = yaml_document_get_node (document, pair->value);

      if (name->type == YAML_SCALAR_NODE && value->type == YAML_SCALAR_NODE
          && strcmp ((const char *)name->data.scalar.value, key) == 0)
        return (const char *)value->data.scalar.value;
    }
  return NULL;
}

static void
check_merged (const char *text, const AgbTemplateSpec *spec)
{
  g_autofree char *cpus = g_strdup_printf ("%" G_GINT64_FORMAT, spec->cpus);
  yaml_parser_t parser;
  yaml_document_t document;

  yaml_parser_initialize (&parser);
  yaml_parser_set_input_string (&parser, (const unsigned char *)text, strlen (text));
  g_assert_true (yaml_parser_load (&parser, &document));
  g_assert_cmpstr (root_scalar (&document, "cpus"), ==, cpus);
  g_assert_cmpstr (root_scalar (&document, "memory"), ==, "1024MiB");
  yaml_document_delete (&document);
  yaml_parser_delete (&parser);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  if (size == 0)
    return 0;

  const AgbTemplateSpec spec = { .cpus = data[0] & 15,
                                 .memory_bytes = 1 << 30,
                                 .disk_bytes = G_GINT64_CONSTANT (10) << 30,
                                 .tcg = (data[0] & 16) != 0 };
  AgbSettings *settings = (data[0] & 32) != 0 ? with_image : without_image;
  g_autofree char *text = g_strndup ((const char *)data + 1, size - 1);
  g_autoptr (GError) error = NULL;
  g_autofree char *merged = agb_template_merge (text, "input", &spec, settings, &error);

  g_assert_true ((merged == NULL) == (error != NULL));
  if (merged != NULL)
    check_merged (merged, &spec);
  return 0;
}
