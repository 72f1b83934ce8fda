/* rows.h: strict kernels written as a function of one row, for families where the work per value outweighs a call:
 * text, dates, hashes. */
#ifndef EXEC_FUNCTIONS_ROWS_H
#define EXEC_FUNCTIONS_ROWS_H

#include "exec/function.h"
#include "exec/value.h"

/* Computes row `row` of the result into *out (a value of the result's type); false for null, or after
 * evaluation_failed. No argument is null there. */
typedef bool row_function(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out);

/* The strict loop over all arguments of the call. */
struct column *rows_compute(struct evaluation *evaluation, struct column *const *arguments, row_function *compute);

#define ROW_KERNEL(name)                                                                                               \
    static struct column *kernel_##name(struct evaluation *evaluation, struct column *const *arguments) {              \
        return rows_compute(evaluation, arguments, name);                                                              \
    }

#define TEXT_AT(index) COLUMN_AT(arguments[index], struct string_view, row)
#define INT_AT(index) COLUMN_AT(arguments[index], int32_t, row)
#define LONG_AT(index) COLUMN_AT(arguments[index], int64_t, row)
#define DOUBLE_AT(index) COLUMN_AT(arguments[index], double, row)

/* Puts the buffer's bytes into the result as a string and frees the buffer. */
bool rows_take_buffer(struct evaluation *evaluation, struct buffer *buffer, void *out);
/* A string that points into an argument. */
static inline bool rows_slice(struct string_view text, size_t from, size_t size, void *out) {
    *(struct string_view *)out = (struct string_view){text.data + from, (uint32_t)size, 0};
    return true;
}

/* ---- UTF-8 ---- */

/* Bytes of the character that starts with this byte. */
static inline size_t utf8_width(uint8_t first) {
    return first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}
/* The code point at text[at], and its width; a broken sequence counts as one byte. */
uint32_t utf8_decode(struct string_view text, size_t at, size_t *width);
void utf8_append(struct buffer *out, uint32_t code_point);
size_t utf8_length(struct string_view text);
/* Byte position of character `index`, at most the size. */
size_t utf8_offset(struct string_view text, size_t index);

#endif
