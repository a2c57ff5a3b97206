#include "guest/termfilter.h"

#include <string.h>

enum {
  SEQUENCE_MAX = 256, /* a control sequence longer than this is none that a program sends */
  STRING_MAX = 4096,
  TITLE_MAX = 256,
  REPEAT_MAX = 9999,
  BEL = 0x07,
  CAN = 0x18,
  SUB = 0x1A,
  ESC = 0x1B,
};

typedef enum {
  GROUND,
  ESCAPE,       /* ESC has come */
  ESCAPE_INTER, /* ESC and intermediates */
  CSI,
  OSC,
  IGNORED_STRING, /* DCS, APC, PM, SOS, ESC k: until its end */
} State;

/* DEC private modes that may be switched, and what is their rest. */
static const struct {
  guint mode;
  gboolean rest; /* the state that a fresh terminal is in */
} modes[] = {
  { 1, FALSE },    { 5, FALSE },    { 6, FALSE },    { 7, TRUE },     { 12, FALSE },
  { 25, TRUE },    { 47, FALSE },   { 66, FALSE },   { 69, FALSE },   { 1000, FALSE },
  { 1002, FALSE }, { 1003, FALSE }, { 1004, FALSE }, { 1005, FALSE }, { 1006, FALSE },
  { 1007, FALSE }, { 1015, FALSE }, { 1047, FALSE }, { 1048, FALSE }, { 1049, FALSE },
  { 2004, FALSE }, { 2026, FALSE },
};

struct AgbTermFilter {
  State state;
  GString *sequence;      /* what has come of the sequence or string, without its introducer */
  gboolean string_ending; /* ESC has come in a string: '\' ends it */
  guint8 utf8[4];
  guint utf8_have, utf8_need;
  gboolean mode_changed[G_N_ELEMENTS (modes)]; /* from its rest */
  gboolean colours, keypad, region, inserting, cursor_style, key_mode, charset;
};

AgbTermFilter *
agb_term_filter_new (void)
{
  AgbTermFilter *filter = g_new0 (AgbTermFilter, 1);

  filter->sequence = g_string_new (NULL);
  return filter;
}

void
agb_term_filter_free (AgbTermFilter *filter)
{
  if (filter == NULL)
    return;
  g_string_free (filter->sequence, TRUE);
  g_free (filter);
}

static void
enter (AgbTermFilter *filter, State state)
{
  filter->state = state;
  filter->string_ending = FALSE;
  g_string_truncate (filter->sequence, 0);
}

/* --- text --- */

static void
append_replacement (GString *output)
{
  g_string_append (output, "\xEF\xBF\xBD");
}

static void
end_utf8 (AgbTermFilter *filter, GString *output)
{
  gunichar character = g_utf8_get_char_validated ((const char *)filter->utf8, filter->utf8_have);

  /* U+0080 to U+009F are the C1 controls, which many terminals obey. */
  if (character > 0x10FFFF || (character >= 0x80 && character < 0xA0))
    append_replacement (output);
  else
    g_string_append_len (output, (const char *)filter->utf8, filter->utf8_have);
  filter->utf8_have = 0;
}

static void
push_text (AgbTermFilter *filter, guint8 byte, GString *output)
{
  if (filter->utf8_have > 0)
    {
      if ((byte & 0xC0) == 0x80)
        {
          filter->utf8[filter->utf8_have++] = byte;
          if (filter->utf8_have == filter->utf8_need)
            end_utf8 (filter, output);
          return;
        }
      append_replacement (output); /* cut short */
      filter->utf8_have = 0;
    }
  if (byte < 0x80)
    {
      g_string_append_c (output, (char)byte);
      return;
    }
  filter->utf8_need = byte >= 0xF0 && byte < 0xF5   ? 4
                      : byte >= 0xE0 && byte < 0xF0 ? 3
                      : byte >= 0xC2 && byte < 0xE0 ? 2
                                                    : 0;
  if (filter->utf8_need == 0)
    append_replacement (output);
  else
    filter->utf8[filter->utf8_have++] = byte;
}

/* ENQ (answered by the terminal) and the rest that only old devices know are not among them. */
static void
push_control (guint8 byte, GString *output)
{
  if (byte >= BEL && byte <= 0x0F)
    g_string_append_c (output, (char)byte);
}

/* --- control sequences --- */

static gboolean
switch_modes (AgbTermFilter *filter, const char *parameters, gboolean on, GString *output)
{
  g_auto (GStrv) numbers = g_strsplit (parameters, ";", -1);

  for (char **number = numbers; *number != NULL; number++)
    for (gsize i = 0; i < G_N_ELEMENTS (modes); i++)
      if (g_ascii_strtoull (*number, NULL, 10) == modes[i].mode)
        {
          filter->mode_changed[i] = on != modes[i].rest;
          g_string_append_printf (output, "\033[?%u%c", modes[i].mode, on ? 'h' : 'l');
        }
  return FALSE;
}

static gboolean
window_operation_passes (const char *parameters)
{
  /* Only saving and restoring the title: the others resize, or are answered. */
  return g_str_has_prefix (parameters, "22;") || g_str_has_prefix (parameters, "23;");
}

/* Sequences without a private prefix and intermediates. */
static gboolean
plain_passes (AgbTermFilter *filter, const char *parameters, char final)
{
  switch (final)
    {
    case 'm':
      filter->colours = TRUE;
      return TRUE;
    case 'r':
      filter->region = TRUE;
      return TRUE;
    case 'h':
    case 'l':
      if (g_str_equal (parameters, "4"))
        filter->inserting = final == 'h';
      return g_str_equal (parameters, "4") || g_str_equal (parameters, "34");
    case 't':
      return window_operation_passes (parameters);
    case 'T': /* with more parameters it is mouse highlighting, which waits for an answer */
      return strchr (parameters, ';') == NULL;
    case 'b':
      return g_ascii_strtoull (parameters, NULL, 10) <= REPEAT_MAX;
    case 'u':
      return *parameters == '\0';
    default:
      return strchr ("@ABCDEFGHIJKLMPSXZ`adefgs", final) != NULL;
    }
}

static gboolean
prefixed_passes (AgbTermFilter *filter, char prefix, const char *parameters, char final,
                 GString *output)
{
  if (prefix == '?' && (final == 'h' || final == 'l'))
    return switch_modes (filter, parameters, final == 'h', output);
  if (prefix == '>' && final == 'm' && g_str_has_prefix (parameters, "4"))
    {
      filter->key_mode = TRUE;
      return TRUE;
    }
  return prefix == '?' && (final == 'J' || final == 'K');
}

static gboolean
intermediate_passes (AgbTermFilter *filter, const char *intermediates, char final)
{
  if (g_str_equal (intermediates, " ") && final == 'q')
    filter->cursor_style = TRUE;
  return (g_str_equal (intermediates, " ") && strchr ("q@A", final) != NULL)
         || (g_str_equal (intermediates, "!") && final == 'p');
}

static void
end_csi (AgbTermFilter *filter, char final, GString *output)
{
  const char *body = filter->sequence->str;
  char prefix = *body >= '<' && *body <= '?' ? *body : '\0';
  const char *parameters = prefix != '\0' ? body + 1 : body;
  gsize length = strspn (parameters, "0123456789;:");
  const char *intermediates = parameters + length;
  g_autofree char *numbers = g_strndup (parameters, length);
  gboolean passes = FALSE;

  if (filter->sequence->len > SEQUENCE_MAX)
    passes = FALSE;
  else if (*intermediates != '\0')
    passes = prefix == '\0' && intermediate_passes (filter, intermediates, final);
  else if (prefix != '\0')
    passes = prefixed_passes (filter, prefix, numbers, final, output);
  else
    passes = plain_passes (filter, numbers, final);
  if (passes)
    g_string_append_printf (output, "\033[%s%c", body, final);
  enter (filter, GROUND);
}

static void
push_csi (AgbTermFilter *filter, guint8 byte, GString *output)
{
  if (byte >= 0x40 && byte <= 0x7E)
    end_csi (filter, (char)byte, output);
  else if (byte >= 0x80)
    {
      enter (filter, GROUND);
      push_text (filter, byte, output);
    }
  else if (byte < 0x7F && filter->sequence->len <= SEQUENCE_MAX)
    g_string_append_c (filter->sequence, (char)byte);
}

/* --- strings --- */

static gboolean
is_clean (const char *text)
{
  for (; *text != '\0'; text = g_utf8_next_char (text))
    if (g_unichar_iscntrl (g_utf8_get_char (text)))
      return FALSE;
  return TRUE;
}

static gboolean
osc_passes (const char *body)
{
  static const char *const titles[] = { "0;", "1;", "2;" };
  static const char *const links[] = { "http://", "https://", "mailto:" };

  if (!g_utf8_validate (body, -1, NULL) || !is_clean (body))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (titles); i++)
    if (g_str_has_prefix (body, titles[i]))
      return strlen (body) <= TITLE_MAX;
  if (!g_str_has_prefix (body, "8;"))
    return FALSE;
  const char *target = strchr (body + 2, ';');
  if (target == NULL || target[1] == '\0')
    return target != NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (links); i++)
    if (g_str_has_prefix (target + 1, links[i]))
      return TRUE;
  return FALSE;
}

static void
end_string (AgbTermFilter *filter, GString *output)
{
  const GString *body = filter->sequence;

  if (filter->state == OSC && body->len <= STRING_MAX && strlen (body->str) == body->len
      && osc_passes (body->str))
    g_string_append_printf (output, "\033]%s\033\\", body->str);
  enter (filter, GROUND);
}

static void push_escape (AgbTermFilter *filter, guint8 byte, GString *output);

static void
push_string (AgbTermFilter *filter, guint8 byte, GString *output)
{
  if (filter->string_ending)
    {
      if (byte == '\\')
        end_string (filter, output);
      else
        {
          enter (filter, ESCAPE); /* as xterm: the string is given up, an escape begins */
          if (byte != ESC)
            push_escape (filter, byte, output);
        }
    }
  else if (byte == ESC)
    filter->string_ending = TRUE;
  else if (byte == BEL && filter->state == OSC)
    end_string (filter, output);
  else if (byte == CAN || byte == SUB)
    enter (filter, GROUND);
  else if (filter->state == OSC && filter->sequence->len <= STRING_MAX)
    g_string_append_c (filter->sequence, (char)byte);
}

/* --- escapes --- */

static void
push_escape_inter (AgbTermFilter *filter, guint8 byte, GString *output)
{
  if (byte >= 0x20 && byte < 0x30 && filter->sequence->len < 4)
    {
      g_string_append_c (filter->sequence, (char)byte);
      return;
    }
  if (byte >= 0x30 && byte < 0x7F && filter->sequence->len == 1)
    {
      char inter = filter->sequence->str[0];

      if (strchr ("()*+", inter) != NULL || (inter == '#' && strchr ("34568", byte) != NULL))
        {
          filter->charset = filter->charset || inter != '#';
          g_string_append_printf (output, "\033%c%c", inter, byte);
        }
    }
  enter (filter, GROUND);
}

static void
push_escape (AgbTermFilter *filter, guint8 byte, GString *output)
{
  switch (byte)
    {
    case '[':
      enter (filter, CSI);
      return;
    case ']':
      enter (filter, OSC);
      return;
    case 'P':
    case 'X':
    case '^':
    case '_':
    case 'k': /* a title, where the terminal is screen or tmux */
      enter (filter, IGNORED_STRING);
      return;
    default:
      break;
    }
  if (byte >= 0x20 && byte < 0x30)
    {
      enter (filter, ESCAPE_INTER);
      g_string_append_c (filter->sequence, (char)byte);
      return;
    }
  if (byte < 0x80 && byte > 0x20 && strchr ("78=>DEHMc", byte) != NULL)
    {
      if (byte == '=' || byte == '>')
        filter->keypad = byte == '=';
      g_string_append_printf (output, "\033%c", byte);
    }
  enter (filter, GROUND);
}

void
agb_term_filter_push (AgbTermFilter *filter, const char *bytes, gsize length, GString *output)
{
  for (gsize i = 0; i < length; i++)
    {
      guint8 byte = (guint8)bytes[i];

      if (filter->state == OSC || filter->state == IGNORED_STRING)
        push_string (filter, byte, output);
      else if (byte == ESC)
        {
          if (filter->utf8_have > 0)
            append_replacement (output);
          filter->utf8_have = 0;
          enter (filter, ESCAPE);
        }
      else if (byte == CAN || byte == SUB)
        enter (filter, GROUND);
      else if (byte < 0x20) /* terminals obey these also in the middle of a sequence */
        {
          if (filter->utf8_have > 0)
            append_replacement (output);
          filter->utf8_have = 0;
          push_control (byte, output);
        }
      else if (filter->state == CSI)
        push_csi (filter, byte, output);
      else if (filter->state == ESCAPE)
        push_escape (filter, byte, output);
      else if (filter->state == ESCAPE_INTER)
        push_escape_inter (filter, byte, output);
      else if (byte != 0x7F)
        push_text (filter, byte, output);
    }
}

void
agb_term_filter_finish (AgbTermFilter *filter, GString *output)
{
  for (gsize i = 0; i < G_N_ELEMENTS (modes); i++)
    if (filter->mode_changed[i])
      g_string_append_printf (output, "\033[?%u%c", modes[i].mode, modes[i].rest ? 'h' : 'l');
  if (filter->region)
    g_string_append (output, "\0337\033[r\0338"); /* resetting the region moves the cursor */
  if (filter->inserting)
    g_string_append (output, "\033[4l");
  if (filter->cursor_style)
    g_string_append (output, "\033[0 q");
  if (filter->key_mode)
    g_string_append (output, "\033[>4m");
  if (filter->keypad)
    g_string_append (output, "\033>");
  if (filter->charset)
    g_string_append (output, "\033(B\017");
  if (filter->colours)
    g_string_append (output, "\033[0m");
  enter (filter, GROUND);
  filter->utf8_have = 0;
}
