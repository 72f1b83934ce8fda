/* column.h: columns and batches, the currency of the engine. Arrow's layout with two exceptions that kernels want:
 * strings and binaries are 16-byte views (so that values stay where the log, a file page or a literal has them) and
 * booleans are bytes. column/ipc.h turns both into Arrow's own on the way out.
 *
 * values by type: BOOLEAN uint8_t (0/1) · BYTE int8_t · SHORT int16_t · INTEGER, DATE, YEAR_MONTH int32_t · LONG,
 * TIMESTAMP, TIMESTAMP_NTZ, DAY_TIME int64_t · FLOAT float · DOUBLE double · DECIMAL __int128 (unscaled) · STRING,
 * BINARY struct string_view · CALENDAR_INTERVAL struct calendar_interval · NULL, STRUCT none · ARRAY, MAP none (offsets
 * and children).
 *
 * A null's value is zero-filled memory that kernels may read but not interpret. A column with `constant` set holds one
 * row that stands for all rows of its batch. Columns are read-only once their batch is passed on. */
#ifndef COLUMN_COLUMN_H
#define COLUMN_COLUMN_H

#include "base/assert.h"
#include "column/type.h"

struct string_view {
    const uint8_t *data;
    uint32_t size;
    uint32_t unused;
};

struct calendar_interval {
    int32_t months, days;
    int64_t microseconds;
};

struct column {
    const struct type *type;
    size_t row_count; /* 1 when constant */
    bool constant;
    const uint8_t *validity; /* bit per row, least significant first, 1 = present; NULL = no nulls */
    void *values;
    const int32_t *offsets;   /* ARRAY, MAP: row_count + 1 positions in the children, starting at 0 */
    struct column **children; /* STRUCT: one per field; ARRAY: element; MAP: key, value */
    size_t child_count;
};

static inline bool column_is_null(const struct column *column, size_t row) {
    row = column->constant ? 0 : row;
    return column->validity != NULL && (column->validity[row >> 3] >> (row & 7) & 1) == 0;
}
#define COLUMN_VALUES(column, type) ((type *)(column)->values)
/* The value at row of a possibly constant column. */
#define COLUMN_AT(column, type, row) (((type *)(column)->values)[(column)->constant ? 0 : (row)])

static inline void bit_set(uint8_t *bits, size_t index) {
    bits[index >> 3] |= (uint8_t)(1u << (index & 7));
}
static inline void bit_clear(uint8_t *bits, size_t index) {
    bits[index >> 3] &= (uint8_t) ~(1u << (index & 7));
}
/* Bytes to allocate for a bitmap of that many bits. A reader may only touch (bit_count + 7) / 8 of them. */
static inline size_t bitmap_size(size_t bit_count) {
    return (bit_count + 63) / 64 * 8;
}
static inline bool bit_get(const uint8_t *bits, size_t index) {
    return bits[index >> 3] >> (index & 7) & 1;
}

enum { BATCH_ROWS_TARGET = 8192 };

/* Rows of one schema. Counted; memory of its columns lives in its arena or in batches and maps that the arena keeps
 * (batch_keep). Not changed after it was passed on; then any thread may read it. */
struct batch {
    int references;            /* atomic */
    const struct type *schema; /* STRUCT; outlives the batch (query arena) or lives in the batch's arena */
    size_t row_count;
    struct column **columns;
    size_t column_count;
    struct arena arena;
};

/* A batch with room for the schema's columns (pointers NULL), reference count 1. */
struct batch *batch_create(const struct type *schema);
struct batch *batch_retain(struct batch *batch);
void batch_release(struct batch *batch); /* NULL is fine */
/* `batch` holds a reference to `other` until it is freed: its columns may point into other's memory. */
void batch_keep(struct batch *batch, struct batch *other);
/* Bytes of its arena, for budgets. */
size_t batch_memory_size(const struct batch *batch);

/* Type of child `index` of a STRUCT, ARRAY (0: element) or MAP (0: key, 1: value). */
const struct type *type_child(const struct type *type, size_t index);

/* A column with zeroed values (and child columns with no rows) in the arena. validity is NULL; column_make_nullable
 * adds one with all present. */
struct column *column_create(struct arena *arena, const struct type *type, size_t row_count);
uint8_t *column_make_nullable(struct arena *arena, struct column *column);
/* All rows null. */
struct column *column_create_nulls(struct arena *arena, const struct type *type, size_t row_count);
/* Rows `indexes[0..count)` of column; index UINT32_MAX gives null. String bytes are not copied: the source must be
 * kept. */
struct column *column_take(struct arena *arena, const struct column *column, const uint32_t *indexes, size_t count);
struct column *column_slice(struct arena *arena, const struct column *column, size_t offset, size_t count);
/* A full column in place of a constant one (returns non-constant ones as they are). row_count is the batch's. */
struct column *column_flatten(struct arena *arena, struct column *column, size_t row_count);
/* One column after the other; types must be equal. */
struct column *column_concat(
    struct arena *arena, struct column *const *columns, const size_t *row_counts, size_t count);
/* Deep copy, string bytes included: nothing else needs to be kept. */
struct column *column_copy(struct arena *arena, const struct column *column);
/* new batch that keeps the old one */
struct batch *batch_take(struct batch *batch, const uint32_t *indexes, size_t count);
struct batch *batch_slice(struct batch *batch, size_t offset, size_t count);
/* A batch with copies of everything, strings included, and with the types of `schema` (the same apart from names and
 * nullability), which outlives it: for batches that must outlive the query they came from. */
struct batch *batch_copy(const struct batch *batch, const struct type *schema);
size_t column_null_count(const struct column *column);

#endif
