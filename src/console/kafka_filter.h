/* kafka_filter.h: a small language that chooses messages, for the page on 8080.
 *
 *     key = "a"   value.user.id >= 100   headers.source contains "web"   not (partition = 2 or offset < 50)
 *
 * A test compares one thing with one word or number: = (==), != (<>), <, <=, >, >=, contains, startsWith, endsWith.
 * Things: key, value (whole texts), offset, partition, timestamp (milliseconds, or compared with "2026-11-22T20:00:00",
 * UTC), size (of the value), headers.NAME, and JSON paths into value or key: value.a.b[0], value['a b'], key.id, $.a is
 * value.a. A thing alone is true when it is there and neither null nor false. Numbers compare as numbers where both
 * sides are numbers, else as texts; contains, startsWith and endsWith ignore the case. `null` stands for what is
 * absent. Tests are joined by and, or, not and brackets. A filter has at most 64 tests, brackets nest at most 16 deep;
 * what it costs per message is bounded by that and by the message's size. */
#ifndef CONSOLE_KAFKA_FILTER_H
#define CONSOLE_KAFKA_FILTER_H

#include "base/error.h"
#include "wire/record_batch.h"

struct filter;

/* NULL with ERROR_INVALID and the place in the message. */
struct filter *filter_parse(struct bytes text, struct error *error);
void filter_free(struct filter *filter); /* NULL is fine */
/* One user at a time. */
bool filter_matches(struct filter *filter, int32_t partition, const struct record *record);
/* Whether `text` contains `part`, ASCII letters without regard to case. */
bool filter_contains(struct bytes text, struct bytes part);

#endif
