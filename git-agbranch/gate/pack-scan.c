#include "gate/pack-scan.h"

#include <string.h>
#include <zlib.h>

enum {
  HEADER_LENGTH = 12,
  OID_MAX = 32,
  DELTA_HEAD_MAX = 20, /* two sizes of 63 bits, 7 bits a byte */
  SCRATCH = 64 * 1024,
  /* In a depth: the chain begins with a delta whose base is named, not placed. */
  LEANS = AGB_PACK_DEPTH_MAX + 1,
};

typedef enum {
  IN_HEADER,
  IN_ENTRY_SIZE,
  IN_DELTA_OFFSET,
  IN_DELTA_BASE,
  IN_DATA,
  IN_TRAILER,
  AT_END,
} ScanState;

/* gitformat-pack(5) */
enum {
  TYPE_COMMIT = 1,
  TYPE_TREE,
  TYPE_BLOB,
  TYPE_TAG,
  TYPE_OFS_DELTA = 6,
  TYPE_REF_DELTA,
};

struct AgbPackScan {
  AgbPackLimits limits;
  gsize oid_length;
  ScanState state;
  guint64 position; /* bytes taken */
  GChecksum *checksum;
  z_stream inflater;

  guint8 small[OID_MAX]; /* header and trailer, as far as they have come */
  gsize small_length;

  guint objects;
  guint64 inflated_total;
  GArray *offsets; /* guint64, ascending: where each entry begins */
  GArray *depths;  /* guint16, of the same entries; with LEANS */
  guint deepest;   /* of the chains that stand on a whole object */
  guint leaning;   /* entries with LEANS */

  /* the entry under way */
  int type;
  guint64 size;
  guint64 offset;
  guint shift;
  guint64 inflated;
  guint8 delta_head[DELTA_HEAD_MAX];
  gsize delta_head_length;
  gboolean delta_counted;
};

AgbPackScan *
agb_pack_scan_new (const AgbPackLimits *limits, gsize oid_length)
{
  AgbPackScan *scan = g_new0 (AgbPackScan, 1);

  g_assert (oid_length == 20 || oid_length == OID_MAX);
  scan->limits = *limits;
  scan->limits.depth = MIN (limits->depth, AGB_PACK_DEPTH_MAX);
  scan->oid_length = oid_length;
  scan->checksum = g_checksum_new (oid_length == 20 ? G_CHECKSUM_SHA1 : G_CHECKSUM_SHA256);
  g_assert (inflateInit (&scan->inflater) == Z_OK);
  scan->offsets = g_array_new (FALSE, FALSE, sizeof (guint64));
  scan->depths = g_array_new (FALSE, FALSE, sizeof (guint16));
  return scan;
}

void
agb_pack_scan_free (AgbPackScan *scan)
{
  g_checksum_free (scan->checksum);
  inflateEnd (&scan->inflater);
  g_array_unref (scan->offsets);
  g_array_unref (scan->depths);
  g_free (scan);
}

guint64
agb_pack_scan_bytes (const AgbPackScan *scan)
{
  return scan->position;
}

guint
agb_pack_scan_objects (const AgbPackScan *scan)
{
  return scan->objects;
}

guint64
agb_pack_scan_inflated (const AgbPackScan *scan)
{
  return scan->inflated_total;
}

guint
agb_pack_scan_depth (const AgbPackScan *scan)
{
  return scan->leaning + scan->deepest;
}

/* Collect WANTED bytes in scan->small; TRUE when they are there. */
static gboolean
collect (AgbPackScan *scan, gsize wanted, const guint8 **data, gsize *length)
{
  gsize taken = MIN (wanted - scan->small_length, *length);

  memcpy (scan->small + scan->small_length, *data, taken);
  scan->small_length += taken;
  *data += taken;
  *length -= taken;
  return scan->small_length == wanted;
}

static guint32
big_endian (const guint8 *bytes)
{
  return (guint32)bytes[0] << 24 | (guint32)bytes[1] << 16 | (guint32)bytes[2] << 8 | bytes[3];
}

static void
begin_entry (AgbPackScan *scan)
{
  scan->small_length = 0;
  scan->state = scan->offsets->len == scan->objects ? IN_TRAILER : IN_ENTRY_SIZE;
  scan->type = 0;
  scan->size = 0;
  scan->offset = 0;
  scan->shift = 0;
  scan->inflated = 0;
  scan->delta_head_length = 0;
  scan->delta_counted = FALSE;
  inflateReset (&scan->inflater);
}

static gboolean
read_header (AgbPackScan *scan, AgbScanFault *fault)
{
  if (memcmp (scan->small, "PACK", 4) != 0)
    return agb_scan_fault_set (fault, AGB_SCAN_NO_PACK, 0);
  guint32 version = big_endian (scan->small + 4);
  if (version != 2 && version != 3)
    return agb_scan_fault_set (fault, AGB_SCAN_PACK_VERSION, 0);
  scan->objects = big_endian (scan->small + 8);
  if (scan->objects > scan->limits.objects)
    return agb_scan_fault_set (fault, AGB_SCAN_OBJECTS, scan->objects);
  begin_entry (scan);
  return TRUE;
}

/* SIZE bytes more for git to hold: one object must fit, and all together. */
static gboolean
count_size (AgbPackScan *scan, guint64 size, AgbScanFault *fault)
{
  if (size > scan->limits.blob_bytes)
    return agb_scan_fault_set (fault, AGB_SCAN_BLOB_BYTES, size);
  scan->inflated_total += size;
  if (scan->inflated_total > scan->limits.inflated_bytes)
    return agb_scan_fault_set (fault, AGB_SCAN_INFLATED_BYTES, scan->inflated_total);
  return TRUE;
}

static void
add_entry (AgbPackScan *scan, guint64 at, guint16 depth)
{
  g_array_append_val (scan->offsets, at);
  g_array_append_val (scan->depths, depth);
  if ((depth & LEANS) != 0)
    scan->leaning++;
  else
    scan->deepest = MAX (scan->deepest, depth);
}

/* The entry's own position; small_length counts the bytes of its header before its data. */
static guint64
entry_position (const AgbPackScan *scan)
{
  return scan->position - scan->small_length;
}

static gboolean
finish_entry_size (AgbPackScan *scan, AgbScanFault *fault)
{
  switch (scan->type)
    {
    case TYPE_COMMIT:
    case TYPE_TREE:
    case TYPE_BLOB:
    case TYPE_TAG:
      add_entry (scan, entry_position (scan), 0);
      scan->state = IN_DATA;
      break;
    case TYPE_OFS_DELTA:
      scan->shift = 0;
      scan->state = IN_DELTA_OFFSET;
      break;
    case TYPE_REF_DELTA:
      add_entry (scan, entry_position (scan), LEANS | 1);
      scan->small_length = 0;
      scan->state = IN_DELTA_BASE;
      break;
    default:
      return agb_scan_fault_set (fault, AGB_SCAN_OBJECT_TYPE, 0);
    }
  return count_size (scan, scan->size, fault);
}

static gboolean
read_entry_size (AgbPackScan *scan, guint8 byte, AgbScanFault *fault)
{
  scan->small_length++;
  if (scan->shift == 0)
    {
      scan->type = (byte >> 4) & 7;
      scan->size = byte & 15;
      scan->shift = 4;
    }
  else
    {
      if (scan->shift > 60 - 7)
        return agb_scan_fault_set (fault, AGB_SCAN_OBJECT_SIZE, 0);
      scan->size |= (guint64)(byte & 127) << scan->shift;
      scan->shift += 7;
    }
  return (byte & 128) != 0 || finish_entry_size (scan, fault);
}

/* The entry that begins at OFFSET, or -1. */
static gssize
find_entry (const AgbPackScan *scan, guint64 offset)
{
  gsize low = 0, high = scan->offsets->len;

  while (low < high)
    {
      gsize middle = low + (high - low) / 2;
      guint64 at = g_array_index (scan->offsets, guint64, middle);

      if (at == offset)
        return (gssize)middle;
      if (at < offset)
        low = middle + 1;
      else
        high = middle;
    }
  return -1;
}

static gboolean
read_delta_offset (AgbPackScan *scan, guint8 byte, AgbScanFault *fault)
{
  if (scan->offset > G_MAXUINT64 >> 8)
    return agb_scan_fault_set (fault, AGB_SCAN_DELTA_OFFSET, 0);
  scan->offset = (scan->shift == 0 ? 0 : (scan->offset + 1) << 7) | (byte & 127);
  scan->shift = 1;
  scan->small_length++;
  if ((byte & 128) != 0)
    return TRUE;

  guint64 at = entry_position (scan);
  gssize base = scan->offset <= at ? find_entry (scan, at - scan->offset) : -1;
  if (base < 0)
    return agb_scan_fault_set (fault, AGB_SCAN_DELTA_BASE, 0);
  guint16 below = g_array_index (scan->depths, guint16, (gsize)base);
  guint depth = (below & AGB_PACK_DEPTH_MAX) + 1u;
  if (depth > scan->limits.depth)
    return agb_scan_fault_set (fault, AGB_SCAN_DELTA_DEPTH, depth);
  add_entry (scan, at, (guint16)((below & LEANS) | depth));
  scan->state = IN_DATA;
  return TRUE;
}

/* A size in the head of a delta: 7 bits a byte, lowest first.  FALSE: not whole. */
static gboolean
delta_size (const guint8 *head, gsize length, gsize *position, guint64 *ret)
{
  guint64 size = 0;

  for (guint shift = 0; *position < length && shift < 63; shift += 7)
    {
      guint8 byte = head[(*position)++];

      size |= (guint64)(byte & 127) << shift;
      if ((byte & 128) == 0)
        {
          *ret = size;
          return TRUE;
        }
    }
  return FALSE;
}

static gboolean
count_delta (AgbPackScan *scan, const guint8 *inflated, gsize length, AgbScanFault *fault)
{
  gsize taken = MIN (sizeof scan->delta_head - scan->delta_head_length, length);
  gsize position = 0;
  guint64 base = 0, result = 0;

  if (scan->type < TYPE_OFS_DELTA || scan->delta_counted)
    return TRUE;
  memcpy (scan->delta_head + scan->delta_head_length, inflated, taken);
  scan->delta_head_length += taken;
  if (delta_size (scan->delta_head, scan->delta_head_length, &position, &base)
      && delta_size (scan->delta_head, scan->delta_head_length, &position, &result))
    {
      scan->delta_counted = TRUE;
      return count_size (scan, result, fault);
    }
  return scan->delta_head_length < sizeof scan->delta_head
         || agb_scan_fault_set (fault, AGB_SCAN_DELTA_SIZE, 0);
}

static gboolean
finish_data (AgbPackScan *scan, AgbScanFault *fault)
{
  if (scan->inflated != scan->size)
    return agb_scan_fault_set (fault, AGB_SCAN_OBJECT_SMALLER, 0);
  if (scan->type >= TYPE_OFS_DELTA && !scan->delta_counted)
    return agb_scan_fault_set (fault, AGB_SCAN_DELTA_SIZE, 0);
  begin_entry (scan);
  return TRUE;
}

/* Inflate what is there; the object may end in the middle of it. */
static gboolean
read_data (AgbPackScan *scan, const guint8 **data, gsize *length, AgbScanFault *fault)
{
  guint8 scratch[SCRATCH];
  z_stream *inflater = &scan->inflater;

  /* A full buffer may hide that more is waiting without any further input. */
  for (gboolean full = FALSE; *length > 0 || full;)
    {
      inflater->next_in = (guint8 *)*data;
      inflater->avail_in = (uInt)MIN (*length, G_MAXINT);
      inflater->next_out = scratch;
      inflater->avail_out = sizeof scratch;
      int rc = inflate (inflater, Z_NO_FLUSH);
      gsize taken = (gsize)(inflater->next_in - *data);
      gsize made = sizeof scratch - inflater->avail_out;

      *data += taken;
      *length -= taken;
      scan->position += taken;
      scan->inflated += made;
      full = inflater->avail_out == 0;
      if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return agb_scan_fault_set (fault, AGB_SCAN_INFLATE, 0);
      if (scan->inflated > scan->size)
        return agb_scan_fault_set (fault, AGB_SCAN_OBJECT_LARGER, 0);
      if (!count_delta (scan, scratch, made, fault))
        return FALSE;
      if (rc == Z_STREAM_END)
        return finish_data (scan, fault);
      if (rc == Z_BUF_ERROR)
        return *length == 0 || agb_scan_fault_set (fault, AGB_SCAN_INFLATE, 0);
    }
  return TRUE;
}

static gboolean
check_trailer (AgbPackScan *scan, AgbScanFault *fault)
{
  guint8 digest[OID_MAX];
  gsize length = sizeof digest;

  g_checksum_get_digest (scan->checksum, digest, &length);
  if (length != scan->oid_length || memcmp (digest, scan->small, length) != 0)
    return agb_scan_fault_set (fault, AGB_SCAN_CHECKSUM, 0);
  scan->state = AT_END;
  return TRUE;
}

/* One step of the machine over the bytes in front. */
static gboolean
step (AgbPackScan *scan, const guint8 **data, gsize *length, AgbScanFault *fault)
{
  const guint8 *begin = *data;
  gboolean good = TRUE;

  switch (scan->state)
    {
    case IN_ENTRY_SIZE:
    case IN_DELTA_OFFSET:
      (*data)++;
      (*length)--;
      scan->position++;
      return scan->state == IN_ENTRY_SIZE ? read_entry_size (scan, *begin, fault)
                                          : read_delta_offset (scan, *begin, fault);
    case IN_HEADER:
      if (collect (scan, HEADER_LENGTH, data, length))
        good = read_header (scan, fault);
      break;
    case IN_DELTA_BASE:
      if (collect (scan, scan->oid_length, data, length))
        scan->state = IN_DATA;
      break;
    case IN_DATA:
      return read_data (scan, data, length, fault);
    case IN_TRAILER:
      if (collect (scan, scan->oid_length, data, length))
        good = check_trailer (scan, fault);
      break;
    case AT_END:
      return agb_scan_fault_set (fault, AGB_SCAN_JUNK, 0);
    }
  scan->position += (guint64)(*data - begin);
  return good;
}

gboolean
agb_pack_scan_feed (AgbPackScan *scan, const void *data, gsize length, AgbScanFault *fault)
{
  const guint8 *next = data;

  if (scan->position + length > scan->limits.bytes)
    return agb_scan_fault_set (fault, AGB_SCAN_PACK_BYTES, scan->position + length);
  while (length > 0)
    {
      gboolean hashed = scan->state != IN_TRAILER && scan->state != AT_END;
      const guint8 *begin = next;

      if (!step (scan, &next, &length, fault))
        return FALSE;
      if (hashed)
        g_checksum_update (scan->checksum, begin, next - begin);
    }
  return TRUE;
}

gboolean
agb_pack_scan_end (AgbPackScan *scan, AgbScanFault *fault)
{
  if (scan->state == AT_END)
    return TRUE;
  if (scan->position == 0 && scan->small_length == 0)
    return agb_scan_fault_set (fault, AGB_SCAN_EMPTY, 0);
  return agb_scan_fault_set (fault, AGB_SCAN_CUT, 0);
}
