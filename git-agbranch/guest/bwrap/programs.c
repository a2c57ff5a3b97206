#include "guest/bwrap/programs.h"

#include "guest/runtime.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  FIRST_LINE_MAX = 256, /* of what the kernel reads of one (execve(2)) */
  LINKS_MAX = 8,
};

void
agb_bwrap_programs_clear (AgbBwrapPrograms *programs)
{
  g_clear_pointer (&programs->paths, g_ptr_array_unref);
  g_clear_pointer (&programs->names, g_ptr_array_unref);
  g_clear_pointer (&programs->files, g_ptr_array_unref);
  g_clear_pointer (&programs->notes, g_ptr_array_unref);
}

static char *
real_path (const char *path)
{
  char *found = realpath (path, NULL);
  char *copy = g_strdup (found);

  free (found);
  return copy;
}

static gboolean
lies_in (const char *path, const char *folder)
{
  gsize length = strlen (folder);

  return strncmp (path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* The sandbox has these from the host as they are. */
static gboolean
is_there_already (const char *path)
{
  static const char *const folders[]
      = { "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32" };

  for (gsize i = 0; i < G_N_ELEMENTS (folders); i++)
    if (lies_in (path, folders[i]))
      return TRUE;
  return FALSE;
}

/* NULL: it may be bound. */
static const char *
reason_against (const char *path)
{
  /* The sandbox's own; and in its home a guest could put a link in the way of the next start. */
  static const char *const own[] = { "/proc", "/dev", "/sys", "/etc", "/run/agb", AGB_GUEST_HOME };
  g_autofree char *home = real_path (g_get_home_dir ());

  if (g_str_equal (path, "/") || (home != NULL && lies_in (home, path)))
    return "it holds your home";
  for (gsize i = 0; i < G_N_ELEMENTS (own); i++)
    if (lies_in (path, own[i]))
      return "the sandbox has a folder of its own there";
  return NULL;
}

static gboolean
add_path (AgbBwrapPrograms *programs, const char *path)
{
  const char *reason = reason_against (path);

  if (reason != NULL)
    {
      g_ptr_array_add (programs->notes,
                       g_strdup_printf ("'%s' is not given to the sandbox: %s", path, reason));
      return FALSE;
    }
  for (guint i = 0; i < programs->paths->len; i++)
    if (lies_in (path, g_ptr_array_index (programs->paths, i)))
      return TRUE;
  g_ptr_array_add (programs->paths, g_strdup (path));
  return TRUE;
}

/* The npm package that FILE is part of; NULL: of none.  npm puts what a global package needs below it;
 * yarn and bun put it beside, so that all of their folder is needed. */
static char *
node_package (const char *file)
{
  static const char folder[] = "/node_modules/";
  const char *found = strstr (file, folder);

  if (found == NULL)
    return NULL;
  gsize length = (gsize)(found - file);
  if (length < 4 || strncmp (found - 4, "/lib", 4) != 0)
    return g_strndup (file, length + strlen (folder) - 1);
  const char *end = strchr (found + strlen (folder), '/');
  if (end != NULL && found[strlen (folder)] == '@')
    end = strchr (end + 1, '/');
  return end != NULL ? g_strndup (file, (gsize)(end - file)) : NULL;
}

static char *
folder_above (const char *file)
{
  g_autofree char *folder = g_path_get_dirname (file);

  return g_path_get_dirname (folder);
}

/* venv of Python: ENV/bin/PROGRAM, ENV/pyvenv.cfg. */
static gboolean
is_environment (const char *folder)
{
  g_autofree char *marker = g_build_filename (folder, "pyvenv.cfg", NULL);

  return g_file_test (marker, G_FILE_TEST_EXISTS);
}

/* What PYTHON, a link in an environment, leads to: every folder on the way by its own name, since a
 * Python finds its library by it. */
static gboolean
add_python (AgbBwrapPrograms *programs, const char *python)
{
  g_autofree char *at = g_strdup (python);

  for (guint i = 0; i < LINKS_MAX && !is_there_already (at); i++)
    {
      g_autofree char *folder = folder_above (at);
      g_autofree char *target = g_file_read_link (at, NULL);
      if (!add_path (programs, folder))
        return FALSE;
      if (target == NULL)
        break;
      g_autofree char *bin = g_path_get_dirname (at);
      char *next = g_canonicalize_filename (target, bin);
      g_free (at);
      at = next;
    }
  g_autofree char *real = real_path (python);
  if (real == NULL || is_there_already (real))
    return TRUE;
  g_autofree char *folder = folder_above (real);
  return add_path (programs, folder);
}

/* The words of the first line after "#!"; NULL: FILE is no script. */
static char **
interpreter_of (const char *file)
{
  char line[FIRST_LINE_MAX + 1] = "";
  int fd = open (file, O_RDONLY | O_CLOEXEC);

  if (fd < 0)
    return NULL;
  ssize_t length = read (fd, line, FIRST_LINE_MAX);
  close (fd);
  if (length < 3 || line[0] != '#' || line[1] != '!')
    return NULL;
  line[strcspn (line, "\n")] = '\0';
  g_auto (GStrv) words = g_strsplit_set (line + 2, " \t", -1);
  g_autoptr (GStrvBuilder) kept = g_strv_builder_new ();
  for (char **word = words; *word != NULL; word++)
    if (**word != '\0')
      g_strv_builder_add (kept, *word);
  return g_strv_builder_end (kept);
}

static gboolean add_program (AgbBwrapPrograms *programs, const char *name, guint depth);

/* "/usr/bin/env [-S] node" or "/home/u/venv/bin/python". */
static gboolean
add_interpreter (AgbBwrapPrograms *programs, const char *file, guint depth)
{
  g_auto (GStrv) words = interpreter_of (file);

  if (words == NULL || words[0] == NULL)
    return TRUE;
  if (g_str_has_suffix (words[0], "/env"))
    {
      char **word = words + 1;
      while (*word != NULL && (**word == '-' || strchr (*word, '=') != NULL))
        word++;
      return *word == NULL || add_program (programs, *word, depth + 1);
    }
  g_autofree char *environment = folder_above (words[0]);
  if (is_there_already (words[0]))
    return TRUE;
  return is_environment (environment) ? add_python (programs, words[0])
                                      : add_program (programs, words[0], depth + 1);
}

static gboolean
add_file (AgbBwrapPrograms *programs, const char *file, guint depth)
{
  g_autofree char *package = node_package (file);
  g_autofree char *above = folder_above (file);
  const char *whole = package != NULL ? package : is_environment (above) ? above : file;

  return add_path (programs, whole) && add_interpreter (programs, file, depth);
}

/* FALSE: it cannot be given (there is a note). */
static gboolean
add_program (AgbBwrapPrograms *programs, const char *name, guint depth)
{
  g_autofree char *found = g_find_program_in_path (name);
  g_autofree char *file = found != NULL ? real_path (found) : NULL;
  g_autofree char *base = g_path_get_basename (name);

  if (file == NULL || depth > LINKS_MAX || is_there_already (found)
      || g_ptr_array_find_with_equal_func (programs->names, base, g_str_equal, NULL))
    return TRUE;
  if (!is_there_already (file) && !add_file (programs, file, depth))
    return FALSE;
  g_ptr_array_add (programs->names, g_steal_pointer (&base));
  g_ptr_array_add (programs->files, g_steal_pointer (&file));
  return TRUE;
}

void
agb_bwrap_programs_find (const char *const *names, AgbBwrapPrograms *ret)
{
  *ret = (AgbBwrapPrograms){
    .paths = g_ptr_array_new_with_free_func (g_free),
    .names = g_ptr_array_new_with_free_func (g_free),
    .files = g_ptr_array_new_with_free_func (g_free),
    .notes = g_ptr_array_new_with_free_func (g_free),
  };
  for (; *names != NULL; names++)
    if (!g_path_is_absolute (*names) || !g_file_test (*names, G_FILE_TEST_IS_DIR))
      add_program (ret, *names, 0);
    else if (!is_there_already (*names))
      {
        g_autofree char *folder = g_canonicalize_filename (*names, NULL);
        add_path (ret, folder);
      }
}
