/* aggregate_buffer.h: the states of aggregates in the columns that Spark keeps them in (its aggregation buffers), for
 * what is written to checkpoints. Internal to exec/. */
#ifndef EXEC_AGGREGATE_BUFFER_H
#define EXEC_AGGREGATE_BUFFER_H

#include "exec/aggregate_table.h"

enum { BUFFER_FIELDS_MAX = 7 };

struct aggregate_buffer; /* a row of the table of layouts */

/* The layout of a call's buffer, or NULL: its state is not kept in Spark's form here. */
const struct aggregate_buffer *aggregate_buffer_find(const struct aggregate_slot *slot);
/* Its fields, in arena; returns how many. */
size_t aggregate_buffer_fields(const struct aggregate_buffer *buffer, const struct aggregate_slot *slot,
    struct arena *arena, struct type_field *fields);
/* What entry->save gave (entry->finish for collect_set) as the buffer's columns, and back to what entry->merge takes.
 * false: a sum overflowed. */
bool aggregate_buffer_from_saved(const struct aggregate_buffer *buffer, const struct aggregate_slot *slot,
    struct arena *arena, struct column *saved, struct column **columns);
struct column *aggregate_buffer_to_saved(const struct aggregate_buffer *buffer, const struct aggregate_slot *slot,
    struct arena *arena, struct column *const *columns, size_t row_count);
/* Whether the buffer is made of entry->finish's result. */
bool aggregate_buffer_takes_results(const struct aggregate_buffer *buffer);

#endif
