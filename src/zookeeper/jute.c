/* jute.c: see jute.h. */
#include "zookeeper/jute.h"

struct jute_reader jute_reader_make(struct bytes view) {
    return (struct jute_reader){.at = view.data, .end = view.data == NULL ? NULL : view.data + view.size};
}

size_t jute_left(const struct jute_reader *reader) {
    return (size_t)(reader->end - reader->at);
}

static const uint8_t *take(struct jute_reader *reader, size_t size) {
    if (reader->failed || jute_left(reader) < size) {
        reader->failed = true;
        return NULL;
    }
    const uint8_t *start = reader->at;
    reader->at += size;
    return start;
}

int32_t jute_read_int(struct jute_reader *reader) {
    const uint8_t *start = take(reader, 4);
    return start == NULL ? 0 : (int32_t)load_be32(start);
}

int64_t jute_read_long(struct jute_reader *reader) {
    const uint8_t *start = take(reader, 8);
    return start == NULL ? 0 : (int64_t)load_be64(start);
}

bool jute_read_bool(struct jute_reader *reader) {
    const uint8_t *start = take(reader, 1);
    return start != NULL && *start != 0;
}

struct bytes jute_read_buffer(struct jute_reader *reader) {
    int32_t size = jute_read_int(reader);
    if (size == -1 || reader->failed)
        return BYTES_NULL;
    const uint8_t *start = size < 0 ? take(reader, SIZE_MAX) : take(reader, (size_t)size);
    return start == NULL ? BYTES_NULL : bytes_make(start, (size_t)size);
}

struct bytes jute_read_string(struct jute_reader *reader) {
    struct bytes text = jute_read_buffer(reader);
    if (text.data == NULL)
        return BYTES("");
    if (!bytes_is_utf8(text))
        reader->failed = true;
    return text;
}

int32_t jute_read_count(struct jute_reader *reader, size_t item_size_min) {
    int32_t count = jute_read_int(reader);
    if (count == -1)
        return 0;
    if (count < 0 || (size_t)count > jute_left(reader) / item_size_min)
        reader->failed = true;
    return reader->failed ? 0 : count;
}

void jute_write_int(struct buffer *out, int32_t value) {
    store_be32(buffer_extend(out, 4), (uint32_t)value);
}

void jute_write_long(struct buffer *out, int64_t value) {
    store_be64(buffer_extend(out, 8), (uint64_t)value);
}

void jute_write_bool(struct buffer *out, bool value) {
    buffer_append_byte(out, value ? 1 : 0);
}

void jute_write_buffer(struct buffer *out, struct bytes value) {
    jute_write_int(out, value.data == NULL ? -1 : (int32_t)value.size);
    if (value.data != NULL)
        buffer_append_bytes(out, value);
}

void jute_write_string(struct buffer *out, struct bytes value) {
    jute_write_buffer(out, value.data == NULL ? BYTES("") : value);
}
