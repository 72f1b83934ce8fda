/* builder.h: columns grown row by row, for parsers (JSON, CSV, Parquet, Arrow) and collectors. Strings given to
 * append_string are referenced; append_string_copy copies them into the arena. */
#ifndef COLUMN_BUILDER_H
#define COLUMN_BUILDER_H

#include "column/column.h"

struct column_builder {
    struct arena *arena;
    const struct type *type;
    size_t row_count, capacity, null_count;
    uint8_t *validity; /* NULL while no null was appended */
    void *values;
    int32_t *offsets;
    struct column_builder *children;
    size_t child_count;
};

/* Memory comes from arena, which outlives the builder. */
void column_builder_init(struct column_builder *builder, struct arena *arena, const struct type *type, size_t capacity);
void column_builder_null(struct column_builder *builder); /* also one null in each child of a STRUCT */
/* Fixed-size value of type_value_size bytes. */
void column_builder_append(struct column_builder *builder, const void *value);
void column_builder_append_string(struct column_builder *builder, struct bytes value);
void column_builder_append_string_copy(struct column_builder *builder, struct bytes value);
/* Ends one row of an ARRAY or MAP whose elements were appended to the children, or of a STRUCT after one append to each
 * child. */
void column_builder_end_row(struct column_builder *builder);
/* Takes back rows from `row_count` on (a record that turned out to be bad), children included. */
void column_builder_truncate(struct column_builder *builder, size_t row_count);
/* The finished column; the builder is empty afterwards. */
struct column *column_builder_finish(struct column_builder *builder);

#endif
