/* topic_pattern.h: regular expressions over topic names as RE2 has them: what RE2 refuses is refused, and matching
 * takes time in proportion to the name whatever the expression. The whole name must match. Any thread; nothing is
 * shared. */
#ifndef KAFKA_TOPIC_PATTERN_H
#define KAFKA_TOPIC_PATTERN_H

#include "base/bytes.h"
#include "base/error.h"

struct topic_pattern;
/* NULL with ERROR_INVALID and RE2's words ("missing closing ): `(`"). */
struct topic_pattern *topic_pattern_compile(struct bytes text, struct error *error);
void topic_pattern_free(struct topic_pattern *pattern); /* NULL is allowed */
bool topic_pattern_matches(const struct topic_pattern *pattern, struct bytes name);

#endif
