#include "guest/lima/template.h"

#include "core/error.h"
#include "core/paths.h"

#include <string.h>
#include <sys/utsname.h>
#include <yaml.h>

#define CA_BUNDLES \
  "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"
#define DEFAULT_CMDLINE "root=LABEL=rootfs ro console=ttyS0 net.ifnames=0 biosdevname=0 panic=10"

const char *
agb_template_platform (void)
{
#ifdef __APPLE__
  return "macos";
#else
  return "linux";
#endif
}

/* A document whose nodes are named by their number: pointers move when nodes are added. */
typedef yaml_document_t Document;

static int
scalar (Document *document, const char *text, yaml_scalar_style_t style)
{
  return yaml_document_add_scalar (document, NULL, (const yaml_char_t *)text, (int)strlen (text),
                                   style);
}

static int
mapping (Document *document)
{
  return yaml_document_add_mapping (document, NULL, YAML_BLOCK_MAPPING_STYLE);
}

/* The pair of KEY in mapping MAP, or NULL. */
static yaml_node_pair_t *
find_pair (Document *document, int map, const char *key)
{
  yaml_node_t *node = yaml_document_get_node (document, map);

  for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
       pair++)
    {
      yaml_node_t *name = yaml_document_get_node (document, pair->key);
      if (name != NULL && name->type == YAML_SCALAR_NODE
          && strcmp ((const char *)name->data.scalar.value, key) == 0)
        return pair;
    }
  return NULL;
}

/* Set KEY of MAP to node VALUE, in place of what it was. */
static void
set (Document *document, int map, const char *key, int value)
{
  yaml_node_pair_t *pair = find_pair (document, map, key);

  if (pair != NULL)
    pair->value = value;
  else
    yaml_document_append_mapping_pair (document, map,
                                       scalar (document, key, YAML_PLAIN_SCALAR_STYLE), value);
}

static void
set_text (Document *document, int map, const char *key, const char *text)
{
  set (document, map, key, scalar (document, text, YAML_DOUBLE_QUOTED_SCALAR_STYLE));
}

static void
set_plain (Document *document, int map, const char *key, const char *text)
{
  set (document, map, key, scalar (document, text, YAML_PLAIN_SCALAR_STYLE));
}

static void
take_out (Document *document, int map, const char *key)
{
  yaml_node_pair_t *pair = find_pair (document, map, key);

  if (pair == NULL)
    return;
  yaml_node_t *node = yaml_document_get_node (document, map);
  memmove (pair, pair + 1, (gsize)(node->data.mapping.pairs.top - pair - 1) * sizeof *pair);
  node->data.mapping.pairs.top--;
}

/* The mapping at KEY of MAP, made when it is not there. */
static int
sub_mapping (Document *document, int map, const char *key)
{
  yaml_node_pair_t *pair = find_pair (document, map, key);
  yaml_node_t *node = pair != NULL ? yaml_document_get_node (document, pair->value) : NULL;

  if (node != NULL && node->type == YAML_MAPPING_NODE)
    return pair->value;
  int made = mapping (document);
  set (document, map, key, made);
  return made;
}

static void
set_size (Document *document, int map, const char *key, gint64 bytes)
{
  g_autofree char *text = g_strdup_printf ("%" G_GINT64_FORMAT "MiB", bytes / (1024 * 1024));

  set_plain (document, map, key, text);
}

static const char *
machine (void)
{
  static struct utsname name;

  if (uname (&name) != 0)
    return "x86_64";
  return strcmp (name.machine, "arm64") == 0 ? "aarch64" : name.machine;
}

static gboolean
is_url (const char *location)
{
  return strstr (location, "://") != NULL;
}

static gboolean
check_location (const char *setting, const char *location, GError **error)
{
  if (is_url (location)
      || (g_path_is_absolute (location) && g_file_test (location, G_FILE_TEST_IS_REGULAR)))
    return TRUE;
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "%s: '%s' is no URL and no file", setting,
               location);
  agb_error_hint (error, "correct it: git config --edit, or look: git agbranch config %s", setting);
  return FALSE;
}

static gboolean
set_kernel (Document *document, int root, int image, const AgbTemplateSpec *spec, GError **error)
{
  if (spec->kernel == NULL)
    return TRUE;
  if (!check_location ("agbranch.lima.kernel", spec->kernel, error)
      || (spec->initrd != NULL && !check_location ("agbranch.lima.initrd", spec->initrd, error)))
    return FALSE;
  int node = sub_mapping (document, image, "kernel");
  set_text (document, node, "location", spec->kernel);
  set_text (document, node, "cmdline", spec->cmdline != NULL ? spec->cmdline : DEFAULT_CMDLINE);
  if (spec->initrd != NULL)
    set_text (document, sub_mapping (document, image, "initrd"), "location", spec->initrd);
  /* An image without a boot loader needs no UEFI firmware, which a host may not have. */
  if (strcmp (machine (), "x86_64") == 0)
    set_plain (document, sub_mapping (document, root, "firmware"), "legacyBIOS", "true");
  return TRUE;
}

static gboolean
set_image (Document *document, int root, const AgbTemplateSpec *spec, const char *digest,
           GError **error)
{
  if (spec->image == NULL)
    return TRUE;
  if (!check_location ("agbranch.lima.image", spec->image, error))
    return FALSE;
  take_out (document, root, "base");
  int image = mapping (document);
  int images = yaml_document_add_sequence (document, NULL, YAML_BLOCK_SEQUENCE_STYLE);
  yaml_document_append_sequence_item (document, images, image);
  set (document, root, "images", images);
  set_text (document, image, "location", spec->image);
  set_text (document, image, "arch", machine ());
  if (digest != NULL)
    set_text (document, image, "digest", digest);
  return set_kernel (document, root, image, spec, error);
}

static gboolean
set_ca_certs (Document *document, int root, AgbSettings *settings, GError **error)
{
  const char *const bundles[] = { g_getenv ("SSL_CERT_FILE"), CA_BUNDLES };

  if (!agb_settings_bool (settings, "agbranch.lima.caCerts"))
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (bundles); i++)
    if (bundles[i] != NULL && g_file_test (bundles[i], G_FILE_TEST_IS_REGULAR))
      {
        int files = yaml_document_add_sequence (document, NULL, YAML_BLOCK_SEQUENCE_STYLE);
        yaml_document_append_sequence_item (
            document, files, scalar (document, bundles[i], YAML_DOUBLE_QUOTED_SCALAR_STYLE));
        set (document, sub_mapping (document, root, "caCerts"), "files", files);
        return TRUE;
      }
  g_set_error_literal (error, AGB_ERROR, AGB_ERROR_USER,
                       "agbranch.lima.caCerts is set, but this host has no bundle of certificate "
                       "authorities");
  agb_error_hint (error, "name it: SSL_CERT_FILE=<file>");
  return FALSE;
}

static gboolean
merge (Document *document, const AgbTemplateSpec *spec, AgbSettings *settings, GError **error)
{
  yaml_node_t *top = yaml_document_get_root_node (document);
  const int root = 1; /* libyaml numbers nodes from 1, the root first */
  g_autofree char *cpus = g_strdup_printf ("%" G_GINT64_FORMAT, spec->cpus);

  if (top == NULL || top->type != YAML_MAPPING_NODE)
    {
      g_set_error_literal (error, AGB_ERROR, AGB_ERROR_FILE, "the Lima template is no mapping");
      return FALSE;
    }
  set_plain (document, root, "cpus", cpus);
  set_size (document, root, "memory", spec->memory_bytes);
  set_size (document, root, "disk", spec->disk_bytes);
  if (spec->tcg)
    {
      int options = sub_mapping (document, root, "vmOpts");
      int types = sub_mapping (document, sub_mapping (document, options, "qemu"), "cpuType");
      set_plain (document, types, machine (), "max");
    }
  if (spec->image != NULL)
    return set_image (document, root, spec, NULL, error)
           && set_ca_certs (document, root, settings, error);
  const AgbTemplateSpec set
      = { .image = agb_settings_string (settings, "agbranch.lima.image"),
          .kernel = agb_settings_string (settings, "agbranch.lima.kernel"),
          .initrd = agb_settings_string (settings, "agbranch.lima.initrd"),
          .cmdline = agb_settings_string (settings, "agbranch.lima.cmdline") };
  return set_image (document, root, &set, agb_settings_string (settings, "agbranch.lima.digest"),
                    error)
         && set_ca_certs (document, root, settings, error);
}

static int
append_text (void *data, unsigned char *bytes, size_t length)
{
  g_string_append_len (data, (const char *)bytes, (gssize)length);
  return 1;
}

static char *
emit (Document *document)
{
  GString *text = g_string_new (NULL);
  yaml_emitter_t emitter;

  yaml_emitter_initialize (&emitter);
  yaml_emitter_set_output (&emitter, append_text, text);
  yaml_emitter_set_width (&emitter, -1);
  yaml_emitter_set_unicode (&emitter, 1);
  yaml_emitter_open (&emitter);
  yaml_emitter_dump (&emitter, document); /* takes the document */
  yaml_emitter_close (&emitter);
  yaml_emitter_delete (&emitter);
  g_string_append_c (text, '\n');
  return g_string_free (text, FALSE);
}

char *
agb_template_merge (const char *text, const char *name, const AgbTemplateSpec *spec,
                    AgbSettings *settings, GError **error)
{
  yaml_parser_t parser;
  Document document;

  yaml_parser_initialize (&parser);
  yaml_parser_set_input_string (&parser, (const unsigned char *)text, strlen (text));
  int loaded = yaml_parser_load (&parser, &document);
  if (!loaded)
    g_set_error (error, AGB_ERROR, AGB_ERROR_FILE, "cannot read '%s': line %d: %s", name,
                 (int)parser.problem_mark.line + 1, parser.problem);
  yaml_parser_delete (&parser);
  if (!loaded)
    return NULL;
  if (!merge (&document, spec, settings, error))
    {
      yaml_document_delete (&document);
      return NULL;
    }
  return emit (&document);
}

char *
agb_template_render (const AgbTemplateSpec *spec, AgbSettings *settings, GError **error)
{
  g_autofree char *asset = g_strdup_printf ("safe-sync-%s.yaml", agb_template_platform ());
  g_autofree char *text = agb_asset_read (asset, error);

  return text != NULL ? agb_template_merge (text, asset, spec, settings, error) : NULL;
}
