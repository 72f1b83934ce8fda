/* date_pattern.h: Spark's date and time patterns (java.time.format letters): "yyyy-MM-dd HH:mm:ss.SSS", "EEE", "D",
 * "XX", quoted text, [optional]. */
#ifndef EXEC_FUNCTIONS_DATE_PATTERN_H
#define EXEC_FUNCTIONS_DATE_PATTERN_H

#include "base/calendar.h"
#include "column/timezone.h"
#include "sql/error.h"

/* Appends the local time (microseconds as if UTC) in the pattern; zone is for the zone letters. false for a letter that
 * is none. */
bool date_pattern_format(struct bytes pattern, int64_t local_us, const struct timezone *zone, struct buffer *out);
/* Reads the whole text by the pattern; the result is local time unless the text had a zone (*has_offset: then *local_us
 * is UTC). */
bool date_pattern_parse(struct bytes pattern, struct bytes text, int64_t *local_us, bool *has_offset);

#endif
