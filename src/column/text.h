/* text.h: values to text and back as Spark's CAST does it, shared by casts, show(), CSV and JSON. */
#ifndef COLUMN_TEXT_H
#define COLUMN_TEXT_H

#include "column/column.h"

struct timezone; /* column/timezone.h: an IANA zone, fixed offset or UTC */

/* Appends the text that CAST(value AS STRING) gives; row must not be null. Nested values print as {1, a}, [1, 2], {k ->
 * v}. */
void value_format(const struct column *column, size_t row, const struct timezone *zone, struct buffer *out);

/* pretty: as show() prints values: NULL inside nested values, binaries as [1A 2B]. */
struct text_style {
    const struct timezone *zone;
    bool pretty;
};
void value_format_styled(const struct column *column, size_t row, const struct text_style *style, struct buffer *out);

/* Each parses the whole (trimmed) text; false when it is not a value of the type. */
bool value_parse_boolean(struct bytes text, bool *value);
bool value_parse_long(struct bytes text, int64_t *value);
bool value_parse_double(struct bytes text, double *value); /* Infinity, -Infinity, NaN, trailing d/f as in Java */
bool value_parse_decimal(struct bytes text, int precision, int scale, __int128 *unscaled);
bool value_parse_date(struct bytes text, int32_t *days);
/* Forms of Spark's stringToTimestamp: yyyy[-MM[-dd[( |T)HH:mm[:ss[.S{1..9}]]]]] with an optional zone. */
bool value_parse_timestamp(struct bytes text, const struct timezone *zone, int64_t *microseconds);
bool value_parse_timestamp_ntz(struct bytes text, int64_t *microseconds);

void long_format(int64_t value, struct buffer *out);
void decimal_format(__int128 unscaled, int scale, struct buffer *out);
/* Java's Double.toString and Float.toString: shortest digits that read back, 1.0E10 forms. */
void double_format(double value, struct buffer *out);
void float_format(float value, struct buffer *out);
/* yyyy-MM-dd, with a sign for years over 9999 or below 0. */
void date_format(int32_t days, struct buffer *out);
/* yyyy-MM-dd HH:mm:ss[.ffffff] without trailing zeros in the fraction. */
void timestamp_format(int64_t microseconds, const struct timezone *zone, struct buffer *out);

/* INTERVAL '1-2' YEAR TO MONTH, INTERVAL '1 02:03:04.5' DAY TO SECOND, 1 years 2 months 3 days 4 hours. */
void year_month_interval_format(int32_t months, const struct type *type, struct buffer *out);
void day_time_interval_format(int64_t microseconds, const struct type *type, struct buffer *out);
void calendar_interval_format(struct calendar_interval value, struct buffer *out);

#endif
