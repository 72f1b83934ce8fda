/* datetime.h: date and time texts by pattern, as Spark's datetime patterns (letters of java.time's DateTimeFormatter).
 * Letters: G y u Q q M L d D E a h K k H m s S n V z O X x Z, quotes '…' and optional parts […]. Names are English
 * (locale en-US). */
#ifndef FORMAT_DATETIME_H
#define FORMAT_DATETIME_H

#include "base/arena.h"
#include "base/error.h"
#include "column/timezone.h"

struct datetime_pattern;

/* In arena; NULL with an error naming the letter that cannot be used. */
const struct datetime_pattern *datetime_pattern_compile(struct arena *arena, struct bytes text, struct error *error);

struct datetime_fields {
    int64_t local_us; /* wall time as if UTC */
    bool has_date, has_time, has_zone;
    int32_t offset_seconds; /* when has_zone and zone is NULL */
    const struct timezone *zone;
};
/* The whole text must match. */
bool datetime_parse(const struct datetime_pattern *pattern, struct bytes text, struct datetime_fields *fields);
/* As an instant: zone (not NULL) is for texts without one. */
bool datetime_parse_timestamp(
    const struct datetime_pattern *pattern, struct bytes text, const struct timezone *zone, int64_t *microseconds);
bool datetime_parse_date(const struct datetime_pattern *pattern, struct bytes text, int32_t *days);
/* zone: of the text; NULL for local times without a zone. */
void datetime_format(
    const struct datetime_pattern *pattern, int64_t microseconds, const struct timezone *zone, struct buffer *out);

#endif
