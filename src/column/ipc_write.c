/* ipc_write.c: batches as an Arrow IPC stream. Types as Spark sends them: TIMESTAMP with the session's zone in
 * microseconds, year-month intervals as month intervals, day-time intervals as durations in microseconds, lists with a
 * child "element", maps with "entries" {key, value}. */
#include "column/ipc.h"

#include "column/flatbuffer.h"
#include "column/ipc_format.h"

/* ---- schema ---- */

static size_t write_field(
    struct flat_writer *writer, struct bytes name, const struct type *type, bool nullable, const char *zone);

/* The table of a type's parameters. */
static size_t write_type(
    struct flat_writer *writer, const struct type *type, const char *zone, enum arrow_type *arrow) {
    static const uint8_t none[1];
    struct flat_table table;
    switch (type->kind) {
    case TYPE_BYTE:
    case TYPE_SHORT:
    case TYPE_INTEGER:
    case TYPE_LONG:
        *arrow = ARROW_INT;
        table = flat_table(writer, (const uint8_t[]){4, 1}, 2);
        flat_set(writer, table.fields[0], type_value_size(type) * 8, 4);
        flat_set(writer, table.fields[1], 1, 1);
        return table.position;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        *arrow = ARROW_FLOAT;
        table = flat_table(writer, (const uint8_t[]){2}, 1);
        flat_set(writer, table.fields[0], type->kind == TYPE_FLOAT ? 1 : 2, 2);
        return table.position;
    case TYPE_DECIMAL:
        *arrow = ARROW_DECIMAL;
        table = flat_table(writer, (const uint8_t[]){4, 4, 4}, 3);
        flat_set(writer, table.fields[0], type->precision, 4);
        flat_set(writer, table.fields[1], type->scale, 4);
        flat_set(writer, table.fields[2], 128, 4);
        return table.position;
    case TYPE_DATE:
        *arrow = ARROW_DATE;
        return flat_table(writer, (const uint8_t[]){2}, 1).position; /* 0: days */
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
        *arrow = ARROW_TIMESTAMP;
        table = flat_table(writer, (const uint8_t[]){2, type->kind == TYPE_TIMESTAMP ? 4 : 0}, 2);
        flat_set(writer, table.fields[0], UNIT_MICROSECOND, 2);
        if (type->kind == TYPE_TIMESTAMP) {
            flat_link(writer, table.fields[1], flat_string(writer, bytes_from_text(zone)));
        }
        return table.position;
    case TYPE_YEAR_MONTH_INTERVAL:
    case TYPE_CALENDAR_INTERVAL:
        *arrow = ARROW_INTERVAL;
        table = flat_table(writer, (const uint8_t[]){2}, 1);
        flat_set(writer, table.fields[0],
            type->kind == TYPE_CALENDAR_INTERVAL ? INTERVAL_UNIT_MONTH_DAY_NANO : INTERVAL_UNIT_YEAR_MONTH, 2);
        return table.position;
    case TYPE_DAY_TIME_INTERVAL:
        *arrow = ARROW_DURATION;
        table = flat_table(writer, (const uint8_t[]){2}, 1);
        flat_set(writer, table.fields[0], UNIT_MICROSECOND, 2);
        return table.position;
    case TYPE_MAP:
        *arrow = ARROW_MAP;
        return flat_table(writer, (const uint8_t[]){1}, 1).position;
    default:
        *arrow = type->kind == TYPE_NULL      ? ARROW_NULL
                 : type->kind == TYPE_BOOLEAN ? ARROW_BOOL
                 : type->kind == TYPE_STRING  ? ARROW_UTF8
                 : type->kind == TYPE_BINARY  ? ARROW_BINARY
                 : type->kind == TYPE_ARRAY   ? ARROW_LIST
                                              : ARROW_STRUCT;
        return flat_table(writer, none, 0).position;
    }
}

/* The children of a struct are its fields; "entries" of a map stands for key and value. */
static size_t write_children(struct flat_writer *writer, const struct type *type, const char *zone) {
    size_t count = type->kind == TYPE_STRUCT ? type->field_count : type->kind >= TYPE_ARRAY ? 1 : 0;
    size_t vector = flat_vector(writer, count, 4);
    for (size_t i = 0; i < count; i++) {
        size_t child;
        if (type->kind == TYPE_STRUCT) {
            const struct type_field *field = &type->fields[i];
            child = write_field(writer, field->name, field->type, field->nullable, zone);
        } else if (type->kind == TYPE_ARRAY) {
            child = write_field(writer, BYTES("element"), type->element, type->contains_null, zone);
        } else {
            struct type_field pair[2] = {{BYTES("key"), type->key, false, BYTES_NULL},
                {BYTES("value"), type->element, type->contains_null, BYTES_NULL}};
            struct type entries = {.kind = TYPE_STRUCT, .fields = pair, .field_count = 2};
            child = write_field(writer, BYTES("entries"), &entries, false, zone);
        }
        flat_link(writer, vector + 4 + i * 4, child);
    }
    return vector;
}

static size_t write_field(
    struct flat_writer *writer, struct bytes name, const struct type *type, bool nullable, const char *zone) {
    struct flat_table table = flat_table(writer, (const uint8_t[]){4, 1, 1, 4, 0, 4}, 6);
    enum arrow_type arrow;
    flat_link(writer, table.fields[FIELD_NAME], flat_string(writer, name));
    flat_set(writer, table.fields[FIELD_NULLABLE], nullable || type->kind == TYPE_NULL, 1);
    flat_link(writer, table.fields[FIELD_TYPE], write_type(writer, type, zone, &arrow));
    flat_set(writer, table.fields[FIELD_TYPE_TYPE], arrow, 1);
    flat_link(writer, table.fields[FIELD_CHILDREN], write_children(writer, type, zone));
    return table.position;
}

/* Starts a message: marker and room for the size; returns where that room is. */
static size_t message_begin(struct buffer *out) {
    size_t position = out->size;
    store_le32(buffer_extend(out, 4), (uint32_t)ARROW_CONTINUATION);
    store_le32(buffer_extend(out, 4), 0);
    return position;
}

/* Pads the metadata to 8 bytes and enters its size. */
static void message_end(struct buffer *out, size_t position) {
    while ((out->size - position) % 8 != 0) {
        buffer_append_byte(out, 0);
    }
    store_le32(out->data + position + 4, (uint32_t)(out->size - position - 8));
}

static struct flat_table message_table(struct flat_writer *writer, int header_type, size_t body_size) {
    struct flat_table message = flat_table(writer, (const uint8_t[]){2, 1, 4, 8}, 4);
    flat_root(writer, message.position);
    flat_set(writer, message.fields[MESSAGE_VERSION], ARROW_VERSION_5, 2);
    flat_set(writer, message.fields[MESSAGE_HEADER_TYPE], (uint64_t)header_type, 1);
    flat_set(writer, message.fields[MESSAGE_BODY_LENGTH], body_size, 8);
    return message;
}

void ipc_write_schema(const struct type *schema, const char *zone, struct buffer *out) {
    ASSERT(schema->kind == TYPE_STRUCT);
    size_t position = message_begin(out);
    struct flat_writer writer;
    flat_begin(&writer, out);
    struct flat_table message = message_table(&writer, HEADER_SCHEMA, 0);
    struct flat_table table = flat_table(&writer, (const uint8_t[]){2, 4}, 2);
    flat_link(&writer, message.fields[MESSAGE_HEADER], table.position);
    flat_link(&writer, table.fields[SCHEMA_FIELDS], write_children(&writer, schema, zone));
    message_end(out, position);
}

void ipc_write_end(struct buffer *out) {
    store_le32(buffer_extend(out, 4), (uint32_t)ARROW_CONTINUATION);
    store_le32(buffer_extend(out, 4), 0);
}

/* ---- body ---- */

struct body {
    struct buffer bytes;
    struct buffer nodes;   /* pairs of int64: length, null count */
    struct buffer buffers; /* pairs of int64: offset, size */
    struct arena arena;    /* flattened constants */
    bool too_large;
};

static void append_pair(struct buffer *out, int64_t first, int64_t second) {
    uint8_t *pair = buffer_extend(out, 16);
    store_le64(pair, (uint64_t)first);
    store_le64(pair + 8, (uint64_t)second);
}

/* Notes the buffer of `size` bytes that begins at `start` and pads it. */
static void body_buffer(struct body *body, size_t start) {
    append_pair(&body->buffers, (int64_t)start, (int64_t)(body->bytes.size - start));
    while (body->bytes.size % 8 != 0) {
        buffer_append_byte(&body->bytes, 0);
    }
}

static void body_empty_buffer(struct body *body) {
    append_pair(&body->buffers, (int64_t)body->bytes.size, 0);
}

static void write_validity(struct body *body, const struct column *column, size_t offset, size_t count) {
    struct column *slice = column_slice(&body->arena, column, offset, count);
    size_t nulls = column_null_count(slice);
    append_pair(&body->nodes, (int64_t)count, (int64_t)nulls);
    if (column->type->kind == TYPE_NULL) {
        return;
    }
    if (nulls == 0) {
        body_empty_buffer(body);
        return;
    }
    size_t start = body->bytes.size;
    buffer_append(&body->bytes, slice->validity, (count + 7) / 8);
    body_buffer(body, start);
}

static void write_booleans(struct body *body, const uint8_t *values, size_t count) {
    size_t start = body->bytes.size;
    uint8_t *bits = buffer_extend(&body->bytes, (count + 7) / 8);
    memset(bits, 0, (count + 7) / 8);
    for (size_t i = 0; i < count; i++) {
        bits[i >> 3] |= (uint8_t)((values[i] != 0) << (i & 7));
    }
    body_buffer(body, start);
}

static void write_strings(struct body *body, const struct string_view *values, size_t count) {
    size_t start = body->bytes.size, total = 0;
    uint8_t *offsets = buffer_extend(&body->bytes, (count + 1) * 4);
    store_le32(offsets, 0);
    for (size_t i = 0; i < count; i++) {
        total += values[i].size;
        store_le32(offsets + (i + 1) * 4, (uint32_t)total);
    }
    body->too_large = body->too_large || total > INT32_MAX;
    body_buffer(body, start);
    start = body->bytes.size;
    if (body->too_large) {
        return;
    }
    uint8_t *data = buffer_extend(&body->bytes, total);
    for (size_t i = 0; i < count; i++) {
        if (values[i].size > 0) {
            memcpy(data, values[i].data, values[i].size);
            data += values[i].size;
        }
    }
    body_buffer(body, start);
}

static void write_calendar_intervals(struct body *body, const struct calendar_interval *values, size_t count) {
    size_t start = body->bytes.size;
    for (size_t i = 0; i < count; i++) {
        int64_t nanoseconds;
        if (__builtin_mul_overflow(values[i].microseconds, 1000, &nanoseconds)) {
            body->too_large = true;
            nanoseconds = 0;
        }
        uint8_t *to = buffer_extend(&body->bytes, 16);
        store_le32(to, (uint32_t)values[i].months);
        store_le32(to + 4, (uint32_t)values[i].days);
        store_le64(to + 8, (uint64_t)nanoseconds);
    }
    body_buffer(body, start);
}

static void write_column(struct body *body, const struct column *column, size_t offset, size_t count);

static void write_list(struct body *body, const struct column *column, size_t offset, size_t count) {
    size_t start = body->bytes.size;
    int32_t first = column->offsets[offset];
    uint8_t *offsets = buffer_extend(&body->bytes, (count + 1) * 4);
    for (size_t i = 0; i <= count; i++) {
        store_le32(offsets + i * 4, (uint32_t)(column->offsets[offset + i] - first));
    }
    body_buffer(body, start);
    size_t child_count = (size_t)(column->offsets[offset + count] - first);
    if (column->type->kind == TYPE_MAP) {
        append_pair(&body->nodes, (int64_t)child_count, 0);
        body_empty_buffer(body);
    }
    for (size_t i = 0; i < column->child_count; i++) {
        write_column(body, column->children[i], (size_t)first, child_count);
    }
}

static void write_column(struct body *body, const struct column *column, size_t offset, size_t count) {
    if (column->constant) {
        struct column copy = *column;
        column = column_flatten(&body->arena, &copy, count);
        offset = 0;
    }
    write_validity(body, column, offset, count);
    size_t width = type_value_size(column->type);
    const uint8_t *values = (const uint8_t *)column->values + (column->values == NULL ? 0 : offset * width);
    switch (column->type->kind) {
    case TYPE_NULL:
        break;
    case TYPE_BOOLEAN:
        write_booleans(body, values, count);
        break;
    case TYPE_STRING:
    case TYPE_BINARY:
        write_strings(body, (const struct string_view *)values, count);
        break;
    case TYPE_CALENDAR_INTERVAL:
        write_calendar_intervals(body, (const struct calendar_interval *)values, count);
        break;
    case TYPE_ARRAY:
    case TYPE_MAP:
        write_list(body, column, offset, count);
        break;
    case TYPE_STRUCT:
        for (size_t i = 0; i < column->child_count; i++) {
            write_column(body, column->children[i], offset, count);
        }
        break;
    default: {
        size_t start = body->bytes.size;
        buffer_append(&body->bytes, values, count * width);
        body_buffer(body, start);
    }
    }
}

bool ipc_write_batch(
    const struct batch *batch, size_t offset, size_t row_count, struct buffer *out, struct error *error) {
    ASSERT(offset <= batch->row_count && row_count <= batch->row_count - offset);
    struct body body = {0};
    for (size_t i = 0; i < batch->column_count; i++) {
        write_column(&body, batch->columns[i], offset, row_count);
    }
    bool written = !body.too_large;
    if (written) {
        size_t position = message_begin(out), count = body.nodes.size / 16;
        struct flat_writer writer;
        flat_begin(&writer, out);
        struct flat_table message = message_table(&writer, HEADER_BATCH, body.bytes.size);
        struct flat_table table = flat_table(&writer, (const uint8_t[]){8, 4, 4}, 3);
        flat_link(&writer, message.fields[MESSAGE_HEADER], table.position);
        flat_set(&writer, table.fields[BATCH_LENGTH], row_count, 8);
        size_t nodes = flat_vector(&writer, count, 16);
        flat_link(&writer, table.fields[BATCH_NODES], nodes);
        memcpy(out->data + writer.start + nodes + 4, body.nodes.data, body.nodes.size);
        size_t buffers = flat_vector(&writer, body.buffers.size / 16, 16);
        flat_link(&writer, table.fields[BATCH_BUFFERS], buffers);
        memcpy(out->data + writer.start + buffers + 4, body.buffers.data, body.buffers.size);
        message_end(out, position);
        buffer_append_bytes(out, buffer_view(&body.bytes));
    } else {
        error_set(error, ERROR_LIMIT, "a column of this batch does not fit an Arrow record batch");
    }
    buffer_free(&body.bytes);
    buffer_free(&body.nodes);
    buffer_free(&body.buffers);
    arena_destroy(&body.arena);
    return written;
}

bool ipc_write_stream(const struct type *schema, struct batch *const *batches, size_t batch_count, const char *zone,
    struct buffer *out, struct error *error) {
    ipc_write_schema(schema, zone, out);
    for (size_t i = 0; i < batch_count; i++) {
        if (!ipc_write_batch(batches[i], 0, batches[i]->row_count, out, error)) {
            return false;
        }
    }
    ipc_write_end(out);
    return true;
}

/* ---- splitting ---- */

/* Bytes of rows [offset, offset + count) in a record batch, nearly. */
static size_t column_size(const struct column *column, size_t offset, size_t count) {
    if (column->constant) {
        return count * (column_size(&(struct column){.type = column->type,
                                        .row_count = 1,
                                        .values = column->values,
                                        .offsets = column->offsets,
                                        .children = column->children,
                                        .child_count = column->child_count},
                            0, 1) +
                           1);
    }
    size_t size = count / 8 + 1;
    switch (column->type->kind) {
    case TYPE_STRING:
    case TYPE_BINARY:
        size += count * 4;
        for (size_t i = 0; i < count; i++) {
            size += COLUMN_VALUES(column, struct string_view)[offset + i].size;
        }
        break;
    case TYPE_ARRAY:
    case TYPE_MAP:
        size += count * 4;
        for (size_t i = 0; i < column->child_count; i++) {
            size += column_size(column->children[i], (size_t)column->offsets[offset],
                (size_t)(column->offsets[offset + count] - column->offsets[offset]));
        }
        break;
    case TYPE_STRUCT:
        for (size_t i = 0; i < column->child_count; i++) {
            size += column_size(column->children[i], offset, count);
        }
        break;
    default:
        size += count * type_value_size(column->type);
    }
    return size;
}

static size_t rows_size(const struct batch *batch, size_t offset, size_t count) {
    size_t size = 0;
    for (size_t i = 0; i < batch->column_count; i++) {
        size += column_size(batch->columns[i], offset, count);
    }
    return size;
}

size_t ipc_rows_for(const struct batch *batch, size_t offset, size_t size_max) {
    size_t count = batch->row_count - offset;
    while (count > 1 && rows_size(batch, offset, count) > size_max) {
        count = (count + 1) / 2;
    }
    return count;
}
