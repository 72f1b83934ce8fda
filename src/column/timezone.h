/* timezone.h: time zones by name ("UTC", "Europe/Madrid", "+02:00", "GMT+2"), read from the system's zoneinfo files
 * (TZif, RFC 9636). */
#ifndef COLUMN_TIMEZONE_H
#define COLUMN_TIMEZONE_H

#include "base/error.h"
#include "base/bytes.h"

struct world;
struct timezone;

/* Found or loaded once and kept for the life of the process; NULL with an error for an unknown name. Any thread. */
const struct timezone *timezone_get(struct world *world, struct bytes name, struct error *error);
/* Where later calls of timezone_find read zone files from. Once at start; timezone_get does it too. */
void timezone_setup(struct world *world);
/* The same as timezone_get, for zones inside of values; NULL for an unknown name. Any thread. */
const struct timezone *timezone_find(struct bytes name);
const struct timezone *timezone_utc(void);
const char *timezone_name(const struct timezone *zone);
/* Offset from UTC in seconds at that instant. */
int32_t timezone_offset_at(const struct timezone *zone, int64_t utc_seconds);
/* Local wall time (microseconds as if UTC) to an instant; in a gap the time moves forward, in an overlap the earlier
 * offset is taken (as java.time). */
int64_t timezone_to_utc(const struct timezone *zone, int64_t local_microseconds);
int64_t timezone_to_local(const struct timezone *zone, int64_t utc_microseconds);

#endif
