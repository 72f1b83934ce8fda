/* keys.h: rows as byte strings that compare like the rows do (memcmp, shorter first): for sorting, grouping and joining
 * by any types.
 *
 * Form, column after column: a marker byte that places nulls, then the value: integers big-endian with the sign bit
 * turned, floats likewise (NaN one value and last, -0.0 as 0.0), texts with 00 written as 00 FF and ended by 00 00,
 * structs field by field, arrays with 01 before each element and 00 at the end. Descending columns have the value's
 * bytes inverted. */
#ifndef EXEC_KEYS_H
#define EXEC_KEYS_H

#include "column/column.h"

struct key_order {
    bool descending, nulls_last;
};

struct keys {
    uint8_t *bytes;
    uint32_t *offsets; /* row_count + 1 */
    size_t row_count;
};

/* orders may be NULL: all ascending, nulls first. In arena. Keys of one batch are at most 4 GiB: asserted (batches are
 * small). */
void keys_encode(struct arena *arena, struct column *const *columns, const struct key_order *orders,
    size_t column_count, size_t row_count, struct keys *keys);
static inline struct bytes keys_at(const struct keys *keys, size_t row) {
    return bytes_make(keys->bytes + keys->offsets[row], keys->offsets[row + 1] - keys->offsets[row]);
}

/* Sets null_rows[i] where any of the columns is null; returns whether there is one. */
bool keys_find_nulls(struct column *const *columns, size_t column_count, size_t row_count, bool *null_rows);

#endif
