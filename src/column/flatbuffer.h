/* flatbuffer.h: the little of FlatBuffers that Arrow's metadata needs, internal to column/.
 *
 * Form: little-endian; an offset is an unsigned 32-bit distance forward from where it stands; a table starts with the
 * signed distance back to its vtable; a vtable is {its size, the table's size, position in the table per field, 0 for
 * absent}, 16 bits each; a vector is a 32-bit count and its elements; a string is a vector of bytes and a NUL. */
#ifndef COLUMN_FLATBUFFER_H
#define COLUMN_FLATBUFFER_H

#include "base/bytes.h"

/* ---- writing: front to back into a buffer; positions count from `start` ---- */

enum { FLAT_FIELDS_MAX = 8 };

struct flat_writer {
    struct buffer *out;
    size_t start;
};
struct flat_table {
    size_t position;
    size_t fields[FLAT_FIELDS_MAX]; /* where each field's value goes */
};

void flat_begin(struct flat_writer *writer, struct buffer *out); /* room for the offset of the root */
/* A zeroed table; sizes: bytes of each field (1, 2, 4, 8), 0 for one that is absent. */
struct flat_table flat_table(struct flat_writer *writer, const uint8_t *sizes, size_t count);
void flat_set(struct flat_writer *writer, size_t position, uint64_t value, size_t size);
/* Makes the offset at `position` point to `target`. */
void flat_link(struct flat_writer *writer, size_t position, size_t target);
void flat_root(struct flat_writer *writer, size_t target);
size_t flat_string(struct flat_writer *writer, struct bytes text);
/* A zeroed vector whose elements are aligned to 8; elements start 4 bytes after the result. */
size_t flat_vector(struct flat_writer *writer, size_t count, size_t element_size);

/* ---- reading: everything is checked; a wrong offset sets `bad` and reads as absent ---- */

struct flat_reader {
    struct bytes bytes;
    bool bad;
};

/* Positions; 0 means absent. */
size_t flat_read_root(struct flat_reader *reader);
uint64_t flat_read_scalar(struct flat_reader *reader, size_t table, unsigned field, size_t size, uint64_t fallback);
size_t flat_read_table(struct flat_reader *reader, size_t table, unsigned field);
struct bytes flat_read_string(struct flat_reader *reader, size_t table, unsigned field);
/* Position of the first element; *count is 0 when absent. */
size_t flat_read_vector(struct flat_reader *reader, size_t table, unsigned field, size_t element_size, size_t *count);
/* The table that element `index` of a vector of tables points to. */
size_t flat_read_element(struct flat_reader *reader, size_t elements, size_t index);

#endif
