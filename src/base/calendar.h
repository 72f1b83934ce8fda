/* calendar.h: proleptic Gregorian dates and UTC text forms; no time zones (those are sql's). */
#ifndef BASE_CALENDAR_H
#define BASE_CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct calendar_date {
    int32_t year;
    int32_t month; /* 1..12 */
    int32_t day;   /* 1..31 */
};

/* Days since 1970-01-01. month and day must be in range. */
int64_t calendar_days(int32_t year, int32_t month, int32_t day);
struct calendar_date calendar_from_days(int64_t days);
bool calendar_is_valid(int32_t year, int32_t month, int32_t day);
/* "2026-11-22T15:13:45.227Z" (24 characters and NUL). */
void calendar_format_iso_ms(int64_t wall_ms, char out[32]);
/* "2026-11-22 15:13:45,227" (Kafka's log4j), UTC. */
void calendar_format_log4j(int64_t wall_ms, char out[32]);
/* "26/11/22 15:13:45" (Spark's log4j2), UTC. */
void calendar_format_spark(int64_t wall_ms, char out[32]);

#endif
