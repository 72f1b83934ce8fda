/* flatbuffer.c: see flatbuffer.h. */
#include "column/flatbuffer.h"

#include "base/assert.h"

static size_t writer_position(const struct flat_writer *writer) {
    return writer->out->size - writer->start;
}

static void writer_zeros(struct flat_writer *writer, size_t count) {
    memset(buffer_extend(writer->out, count), 0, count);
}

static void writer_align(struct flat_writer *writer, size_t alignment, size_t after) {
    size_t position = writer_position(writer) + after;
    writer_zeros(writer, (alignment - position % alignment) % alignment);
}

void flat_begin(struct flat_writer *writer, struct buffer *out) {
    writer->out = out;
    writer->start = out->size;
    writer_zeros(writer, 8);
}

void flat_set(struct flat_writer *writer, size_t position, uint64_t value, size_t size) {
    uint8_t bytes[8];
    store_le64(bytes, value);
    memcpy(writer->out->data + writer->start + position, bytes, size);
}

void flat_link(struct flat_writer *writer, size_t position, size_t target) {
    ASSERT(target > position);
    flat_set(writer, position, target - position, 4);
}

void flat_root(struct flat_writer *writer, size_t target) {
    flat_link(writer, 0, target);
}

struct flat_table flat_table(struct flat_writer *writer, const uint8_t *sizes, size_t count) {
    ASSERT(count <= FLAT_FIELDS_MAX);
    struct flat_table table = {0};
    size_t vtable_size = 4 + 2 * count, size = 4, offsets[FLAT_FIELDS_MAX] = {0};
    for (size_t i = 0; i < count; i++) {
        if (sizes[i] > 0) {
            size = (size + sizes[i] - 1) / sizes[i] * sizes[i];
            offsets[i] = size;
            size += sizes[i];
        }
    }
    writer_align(writer, 8, vtable_size);
    size_t vtable = writer_position(writer);
    writer_zeros(writer, vtable_size + size);
    table.position = vtable + vtable_size;
    flat_set(writer, vtable, vtable_size, 2);
    flat_set(writer, vtable + 2, size, 2);
    for (size_t i = 0; i < count; i++) {
        flat_set(writer, vtable + 4 + 2 * i, offsets[i], 2);
        table.fields[i] = offsets[i] == 0 ? 0 : table.position + offsets[i];
    }
    flat_set(writer, table.position, vtable_size, 4);
    return table;
}

size_t flat_string(struct flat_writer *writer, struct bytes text) {
    writer_align(writer, 4, 0);
    size_t position = writer_position(writer);
    writer_zeros(writer, 4);
    flat_set(writer, position, text.size, 4);
    buffer_append_bytes(writer->out, text);
    buffer_append_byte(writer->out, 0);
    return position;
}

size_t flat_vector(struct flat_writer *writer, size_t count, size_t element_size) {
    writer_align(writer, 8, 4);
    size_t position = writer_position(writer);
    writer_zeros(writer, 4 + count * element_size);
    flat_set(writer, position, count, 4);
    return position;
}

/* ---- reading ---- */

static bool in_range(struct flat_reader *reader, size_t position, size_t size) {
    if (position > reader->bytes.size || size > reader->bytes.size - position) {
        reader->bad = true;
        return false;
    }
    return true;
}

/* Follows the offset that stands at position. */
static size_t follow(struct flat_reader *reader, size_t position) {
    if (!in_range(reader, position, 4)) {
        return 0;
    }
    size_t target = position + load_le32(reader->bytes.data + position);
    return in_range(reader, target, 4) ? target : 0;
}

size_t flat_read_root(struct flat_reader *reader) {
    return follow(reader, 0);
}

/* Where the field's value stands, 0 when absent. */
static size_t field_position(struct flat_reader *reader, size_t table, unsigned field, size_t size) {
    if (table == 0 || !in_range(reader, table, 4)) {
        return 0;
    }
    int64_t vtable = (int64_t)table - (int32_t)load_le32(reader->bytes.data + table);
    if (vtable < 0 || !in_range(reader, (size_t)vtable, 4)) {
        reader->bad = true;
        return 0;
    }
    size_t vtable_size = load_le16(reader->bytes.data + vtable);
    if (!in_range(reader, (size_t)vtable, vtable_size) || 4 + 2 * field + 2 > vtable_size) {
        return 0;
    }
    size_t offset = load_le16(reader->bytes.data + vtable + 4 + 2 * field);
    return offset > 0 && in_range(reader, table + offset, size) ? table + offset : 0;
}

uint64_t flat_read_scalar(struct flat_reader *reader, size_t table, unsigned field, size_t size, uint64_t fallback) {
    size_t position = field_position(reader, table, field, size);
    if (position == 0) {
        return fallback;
    }
    uint8_t bytes[8] = {0};
    memcpy(bytes, reader->bytes.data + position, size);
    return load_le64(bytes);
}

size_t flat_read_table(struct flat_reader *reader, size_t table, unsigned field) {
    size_t position = field_position(reader, table, field, 4);
    return position == 0 ? 0 : follow(reader, position);
}

size_t flat_read_vector(struct flat_reader *reader, size_t table, unsigned field, size_t element_size, size_t *count) {
    *count = 0;
    size_t position = flat_read_table(reader, table, field);
    if (position == 0) {
        return 0;
    }
    size_t stated = load_le32(reader->bytes.data + position);
    if (stated > (reader->bytes.size - position - 4) / element_size) {
        reader->bad = true;
        return 0;
    }
    *count = stated;
    return position + 4;
}

struct bytes flat_read_string(struct flat_reader *reader, size_t table, unsigned field) {
    size_t count, position = flat_read_vector(reader, table, field, 1, &count);
    return position == 0 ? BYTES_NULL : bytes_make(reader->bytes.data + position, count);
}

size_t flat_read_element(struct flat_reader *reader, size_t elements, size_t index) {
    return follow(reader, elements + index * 4);
}
