/* show.h: rows as text, exactly as Dataset.showString of Spark prints them; also what the console sink shows. */
#ifndef EXEC_SHOW_H
#define EXEC_SHOW_H

#include "column/column.h"
#include "exec/settings.h"

/* Prints the first row_count_max rows of the batches (all of one schema). truncate: cells of more characters are cut
 * ("…" as three dots when it is over 3), 0: not at all. has_more: there are rows beyond those in the batches. */
void show_string(const struct type *schema, struct batch *const *batches, size_t batch_count, size_t row_count_max,
    int truncate,
    bool vertical, const struct exec_settings *settings, struct buffer *out);

#endif
