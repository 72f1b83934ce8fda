/* value.h: single values compared and hashed in Spark's order, whatever their type: for nested values and for what is
 * not hot. */
#ifndef EXEC_VALUE_H
#define EXEC_VALUE_H

#include "column/column.h"

static inline bool string_view_equal(struct string_view left, struct string_view right) {
    return left.size == right.size && (left.size == 0 || memcmp(left.data, right.data, left.size) == 0);
}
static inline int string_view_compare(struct string_view left, struct string_view right) {
    uint32_t size = left.size < right.size ? left.size : right.size;
    int order = size == 0 ? 0 : memcmp(left.data, right.data, size);
    return order != 0 ? order : (left.size > right.size) - (left.size < right.size);
}
static inline struct bytes string_view_bytes(struct string_view view) {
    return bytes_make(view.data, view.size);
}

/* <0, 0, >0; nulls are equal to each other and less than any value. Both columns have the same type. Maps compare as
 * arrays of entries. */
int value_compare(const struct column *left, size_t left_row, const struct column *right, size_t right_row);
/* Equal by value_compare. */
bool value_equal(const struct column *left, size_t left_row, const struct column *right, size_t right_row);

#endif
