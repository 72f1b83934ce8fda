/* show.h: rows as text, exactly as Dataset.showString of Spark prints them; also what the console sink shows. */
#ifndef EXEC_SHOW_H
#define EXEC_SHOW_H

#include "column/column.h"
#include "column/timezone.h"

/* Prints the first row_count_max rows of the batches (all of one schema). truncate: longer cells are cut to that many
 * characters, the last three being dots when it is over 3; 0: not at all. more: there are rows beyond those in the
 * batches (they are also counted when the batches hold more than row_count_max). As in Spark the text of a table ends
 * with a newline, "only showing top 20 rows" and "(0 rows)" do not; Dataset.show prints one more newline. */
void show_string(const struct type *schema, struct batch *const *batches, size_t batch_count, size_t row_count_max,
    bool more, int truncate, bool vertical, const struct timezone *zone, struct buffer *out);

#endif
