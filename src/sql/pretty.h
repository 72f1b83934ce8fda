/* pretty.h: expressions as SQL-like text: generated column names, error messages, EXPLAIN. */
#ifndef SQL_PRETTY_H
#define SQL_PRETTY_H

#include "sql/plan.h"

/* The text that Spark gives a column without alias: "(a + 1)", "count(1)", "CASE WHEN …"; implicit casts are left out.
 * In the arena, NUL-terminated. */
const char *pretty_name(struct arena *arena, const struct expression *expression);
/* The text in plans: columns with their ids ("a#3"), casts in small letters ("cast(a#3 as string)"). */
void pretty_plan(const struct expression *expression, struct buffer *out);

#endif
