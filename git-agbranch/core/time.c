#include "core/time.h"

#include "core/error.h"

#include <string.h>

static GDateTime *
now_utc (void)
{
  const char *fixed = g_getenv ("AGBRANCH_TEST_NOW");
  GDateTime *now = fixed != NULL ? g_date_time_new_from_iso8601 (fixed, NULL) : NULL;

  return now != NULL ? now : g_date_time_new_now_utc ();
}

static gint64
now_unix (void)
{
  static int fixed = -1;

  /* A table asks for each of its rows. */
  if (fixed < 0)
    fixed = g_getenv ("AGBRANCH_TEST_NOW") != NULL;
  if (!fixed)
    return g_get_real_time () / G_USEC_PER_SEC;
  g_autoptr (GDateTime) now = now_utc ();
  return g_date_time_to_unix (now);
}

char *
agb_time_now (void)
{
  g_autoptr (GDateTime) now = now_utc ();
  g_autoptr (GDateTime) utc = g_date_time_to_utc (now);
  g_autofree char *seconds = g_date_time_format (utc, "%Y-%m-%dT%H:%M:%S");

  return g_strdup_printf ("%s.%06dZ", seconds, g_date_time_get_microsecond (utc));
}

/* The number in the LENGTH digits at TEXT, -1 when there are others. */
static int
digits (const char *text, int length)
{
  int value = 0;

  for (int i = 0; i < length; i++)
    {
      if (!g_ascii_isdigit (text[i]))
        return -1;
      value = value * 10 + (text[i] - '0');
    }
  return value;
}

/* The form that we write, "2026-01-31T12:00:00…Z"; -1: another form.  GDateTime takes 3 µs for it,
 * and `ps` has one in every row. */
static gint64
parse_own_form (const char *text)
{
  gsize length = strlen (text);

  if (length < strlen ("2026-01-31T12:00:00Z") || text[length - 1] != 'Z' || text[4] != '-'
      || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':'
      || strspn (text + 19, ".0123456789") != length - 20)
    return -1;
  int year = digits (text, 4), month = digits (text + 5, 2), day = digits (text + 8, 2);
  int hour = digits (text + 11, 2), minute = digits (text + 14, 2), second = digits (text + 17, 2);
  if (year < 1970 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59
      || !g_date_valid_dmy ((GDateDay)day, month, (GDateYear)year))
    return -1;

  /* Days since 1 March of year 0, where leap days are the last of their year. */
  int march_year = year - (month <= 2);
  int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  gint64 days
      = march_year * 365 + march_year / 4 - march_year / 100 + march_year / 400 + day_of_year;
  return (days - 719468) * 86400 + hour * 3600 + minute * 60 + second;
}

gint64
agb_time_parse (const char *text)
{
  gint64 seconds = text != NULL ? parse_own_form (text) : -1;

  if (seconds >= 0)
    return seconds;
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
  g_autoptr (GDateTime) time = text != NULL ? g_date_time_new_from_iso8601 (text, utc) : NULL;

  return time != NULL ? g_date_time_to_unix (time) : -1;
}

char *
agb_time_shown (const char *text)
{
  if (agb_time_parse (text) < 0)
    return g_strdup ("-");
  const char *fraction = strchr (text, '.');
  const char *zone = fraction != NULL ? fraction + 1 + strspn (fraction + 1, "0123456789") : text;
  return fraction != NULL ? g_strdup_printf ("%.*s%s", (int)(fraction - text), text, zone)
                          : g_strdup (text);
}

char *
agb_time_age (const char *text)
{
  gint64 then = agb_time_parse (text);

  if (then < 0)
    return g_strdup ("-");

  gint64 age = MAX (now_unix () - then, 0);
  if (age < 60)
    return g_strdup_printf ("%ds", (int)age);
  if (age < 60 * 60)
    return g_strdup_printf ("%dm", (int)(age / 60));
  if (age < 48 * 60 * 60)
    return g_strdup_printf ("%dh", (int)(age / (60 * 60)));
  return g_strdup_printf ("%dd", (int)(age / (24 * 60 * 60)));
}

gint64
agb_deadline_in (gint64 timeout_ms)
{
  return timeout_ms < 0 ? -1 : g_get_monotonic_time () + timeout_ms * 1000;
}

int
agb_deadline_left_ms (gint64 deadline_usec)
{
  if (deadline_usec < 0)
    return -1;
  gint64 left = (deadline_usec - g_get_monotonic_time () + 999) / 1000;
  return (int)CLAMP (left, 0, G_MAXINT);
}

gboolean
agb_duration_parse (const char *text, gint64 *ret_ms, GError **error)
{
  static const struct {
    const char *unit;
    gint64 ms;
  } units[] = { { "", 1000 },       { "s", 1000 },        { "ms", 1 },
                { "m", 60 * 1000 }, { "h", 3600 * 1000 }, { "d", 86400 * 1000 } };
  char *end = NULL;
  gint64 value = g_ascii_strtoll (text, &end, 10);

  if (g_ascii_isdigit (text[0]) && value >= 0)
    for (gsize i = 0; i < G_N_ELEMENTS (units); i++)
      if (g_str_equal (end, units[i].unit) && value <= G_MAXINT64 / units[i].ms / 1000)
        {
          *ret_ms = value * units[i].ms;
          return TRUE;
        }
  g_set_error (error, AGB_ERROR, AGB_ERROR_USER, "'%s' is not a duration (90, 90s, 5m, 2h, 1d)",
               text);
  return FALSE;
}
