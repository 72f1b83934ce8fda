/* parquet_thrift.c: Thrift compact protocol (thrift-compact-protocol.md of Apache Thrift): varints, zigzag, field
 * deltas. */
#include "format/parquet_thrift.h"

#include "base/assert.h"

void thrift_varint(struct buffer *buffer, uint64_t value) {
    uint8_t bytes[10];
    size_t size = 0;
    while (value >= 0x80) {
        bytes[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[size++] = (uint8_t)value;
    buffer_append(buffer, bytes, size);
}

static uint64_t zigzag(int64_t value) {
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static void write_header(struct thrift_out *out, int16_t field, enum thrift_type type) {
    ASSERT(out->depth < THRIFT_DEPTH_MAX);
    int16_t delta = (int16_t)(field - out->last[out->depth]);
    if (delta > 0 && delta <= 15) {
        buffer_append_byte(out->buffer, (uint8_t)(delta << 4 | type));
    } else {
        buffer_append_byte(out->buffer, (uint8_t)type);
        thrift_varint(out->buffer, zigzag(field));
    }
    out->last[out->depth] = field;
}

void thrift_write_i32(struct thrift_out *out, int16_t field, int32_t value) {
    write_header(out, field, THRIFT_I32);
    thrift_varint(out->buffer, zigzag(value));
}

void thrift_write_i64(struct thrift_out *out, int16_t field, int64_t value) {
    write_header(out, field, THRIFT_I64);
    thrift_varint(out->buffer, zigzag(value));
}

void thrift_write_byte(struct thrift_out *out, int16_t field, int8_t value) {
    write_header(out, field, THRIFT_BYTE);
    buffer_append_byte(out->buffer, (uint8_t)value);
}

void thrift_write_boolean(struct thrift_out *out, int16_t field, bool value) {
    write_header(out, field, value ? THRIFT_TRUE : THRIFT_FALSE);
}

void thrift_write_binary(struct thrift_out *out, int16_t field, struct bytes value) {
    write_header(out, field, THRIFT_BINARY);
    thrift_element_binary(out, value);
}

void thrift_write_list(struct thrift_out *out, int16_t field, enum thrift_type type, size_t count) {
    write_header(out, field, THRIFT_LIST);
    if (count < 15) {
        buffer_append_byte(out->buffer, (uint8_t)(count << 4 | type));
    } else {
        buffer_append_byte(out->buffer, (uint8_t)(0xf0 | type));
        thrift_varint(out->buffer, count);
    }
}

void thrift_element_i32(struct thrift_out *out, int32_t value) {
    thrift_varint(out->buffer, zigzag(value));
}

void thrift_element_binary(struct thrift_out *out, struct bytes value) {
    thrift_varint(out->buffer, value.size);
    buffer_append_bytes(out->buffer, value);
}

void thrift_write_begin(struct thrift_out *out, int16_t field) {
    if (field > 0) {
        write_header(out, field, THRIFT_STRUCT);
    }
    ASSERT(out->depth + 1 < THRIFT_DEPTH_MAX);
    out->last[++out->depth] = 0;
}

void thrift_write_end(struct thrift_out *out) {
    buffer_append_byte(out->buffer, THRIFT_STOP);
    out->depth--;
}

void thrift_write_struct(struct thrift_out *out, int16_t field, struct bytes body) {
    write_header(out, field, THRIFT_STRUCT);
    buffer_append_bytes(out->buffer, body);
}

/* ---- reading ---- */

static uint8_t read_byte(struct thrift_in *in) {
    if (in->failed || in->position == in->end) {
        in->failed = true;
        return 0;
    }
    return *in->position++;
}

static uint64_t read_varint(struct thrift_in *in) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = read_byte(in);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
    in->failed = true;
    return 0;
}

static int64_t read_zigzag(struct thrift_in *in) {
    uint64_t value = read_varint(in);
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

bool thrift_next(struct thrift_in *in, struct thrift_field *field) {
    uint8_t header = read_byte(in);
    if (in->failed || header == THRIFT_STOP) {
        return false;
    }
    field->type = header & 15;
    int64_t id = header >> 4 != 0 ? field->id + (header >> 4) : read_zigzag(in);
    if (id <= 0 || id > INT16_MAX || field->type > THRIFT_STRUCT) {
        in->failed = true;
        return false;
    }
    field->id = (int16_t)id;
    return !in->failed;
}

int64_t thrift_read_integer(struct thrift_in *in, const struct thrift_field *field) {
    if (field->type == THRIFT_BYTE) {
        return (int8_t)read_byte(in);
    }
    if (field->type < THRIFT_I16 || field->type > THRIFT_I64) {
        in->failed = true;
        return 0;
    }
    return read_zigzag(in);
}

bool thrift_read_boolean(struct thrift_in *in, const struct thrift_field *field) {
    in->failed |= field->type != THRIFT_TRUE && field->type != THRIFT_FALSE;
    return field->type == THRIFT_TRUE;
}

struct bytes thrift_read_binary_element(struct thrift_in *in) {
    uint64_t size = read_varint(in);
    if (in->failed || size > (size_t)(in->end - in->position)) {
        in->failed = true;
        return bytes_make("", 0);
    }
    struct bytes value = bytes_make(in->position, size);
    in->position += size;
    return value;
}

struct bytes thrift_read_binary(struct thrift_in *in, const struct thrift_field *field) {
    if (field->type != THRIFT_BINARY) {
        in->failed = true;
        return bytes_make("", 0);
    }
    return thrift_read_binary_element(in);
}

static size_t read_list_header(struct thrift_in *in, enum thrift_type *element) {
    uint8_t header = read_byte(in);
    uint64_t count = header >> 4 == 15 ? read_varint(in) : header >> 4;
    *element = header & 15;
    if (in->failed || count > (size_t)(in->end - in->position)) {
        in->failed = true;
        return 0;
    }
    return count;
}

size_t thrift_read_list(struct thrift_in *in, const struct thrift_field *field, enum thrift_type element) {
    enum thrift_type found = THRIFT_STOP;
    size_t count = field->type == THRIFT_LIST ? read_list_header(in, &found) : 0;
    if (field->type != THRIFT_LIST ||
        (count > 0 && found != element && !(element == THRIFT_I32 && found == THRIFT_I64))) {
        in->failed = true;
        return 0;
    }
    return count;
}

int64_t thrift_read_integer_element(struct thrift_in *in) {
    return read_zigzag(in);
}

static void skip_value(struct thrift_in *in, enum thrift_type type, bool in_list);

static void skip_list(struct thrift_in *in) {
    enum thrift_type element;
    size_t count = read_list_header(in, &element);
    for (size_t i = 0; i < count && !in->failed; i++) {
        skip_value(in, element, true);
    }
}

static void skip_map(struct thrift_in *in) {
    uint64_t count = read_varint(in);
    if (count == 0) {
        return;
    }
    uint8_t types = read_byte(in);
    if (count > (size_t)(in->end - in->position)) {
        in->failed = true;
    }
    for (size_t i = 0; i < count && !in->failed; i++) {
        skip_value(in, types >> 4, true);
        skip_value(in, types & 15, true);
    }
}

static void skip_struct(struct thrift_in *in) {
    struct thrift_field field = {0};
    while (thrift_next(in, &field)) {
        skip_value(in, field.type, false);
    }
}

static void skip_value(struct thrift_in *in, enum thrift_type type, bool in_list) {
    if (++in->depth > THRIFT_DEPTH_MAX) {
        in->failed = true;
    }
    switch (in->failed ? THRIFT_STOP : type) {
    case THRIFT_TRUE:
    case THRIFT_FALSE:
        if (in_list) {
            (void)read_byte(in);
        }
        break;
    case THRIFT_BYTE:
        (void)read_byte(in);
        break;
    case THRIFT_I16:
    case THRIFT_I32:
    case THRIFT_I64:
        (void)read_varint(in);
        break;
    case THRIFT_DOUBLE:
        in->failed |= in->end - in->position < 8;
        in->position += in->failed ? 0 : 8;
        break;
    case THRIFT_BINARY:
        (void)thrift_read_binary_element(in);
        break;
    case THRIFT_LIST:
    case THRIFT_SET:
        skip_list(in);
        break;
    case THRIFT_MAP:
        skip_map(in);
        break;
    case THRIFT_STRUCT:
        skip_struct(in);
        break;
    default:
        in->failed = true;
    }
    in->depth--;
}

void thrift_skip(struct thrift_in *in, const struct thrift_field *field) {
    skip_value(in, field->type, false);
}
