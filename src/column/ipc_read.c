/* ipc_read.c: an Arrow IPC stream to batches. The input comes from clients: every position, count and size is checked
 * against the bytes that are there, and nothing is allocated that these bytes do not pay for. */
#include "column/ipc.h"

#include <math.h>
#include "column/flatbuffer.h"
#include "column/ipc_format.h"

/* One field of the schema: what Arrow says and the type it becomes. */
struct arrow_field {
    enum arrow_type arrow;
    /* bits of integers, floats and decimals; bytes of fixed-size binaries; length of fixed-size lists */
    int width;
    int unit;
    bool is_signed;
    bool dictionary;
    int64_t dictionary_id;
    struct arrow_field *index; /* integer type of the dictionary's indexes */
    const struct type *type;
    struct arrow_field *children;
    size_t child_count;
};

struct dictionary {
    int64_t id;
    const struct arrow_field *field; /* of the values */
    struct column *values;           /* NULL until its message came */
};

struct ipc_reader {
    struct arena *arena;
    struct error *error;
    struct arrow_field *fields;
    const struct type *schema;
    struct dictionary *dictionaries;
    size_t field_count, dictionary_count, dictionary_capacity;
    struct batch **batches;
    size_t batch_count, batch_capacity;
};

/* One record batch being read. */
struct body_reader {
    struct ipc_reader *reader;
    struct arena *arena;
    struct bytes body;
    const uint8_t *nodes, *buffers, *views;
    size_t node_count, buffer_count, view_count;
    size_t node_next, buffer_next, view_next;
};

static bool corrupt(struct ipc_reader *reader, const char *what) {
    return error_set(reader->error, ERROR_CORRUPT, "the Arrow data is damaged: %s", what);
}

/* ---- schema ---- */

static bool unsupported(struct ipc_reader *reader, struct bytes name, const char *what) {
    return error_set(reader->error, ERROR_UNSUPPORTED, "column %.*s has Arrow type %s, which has no Spark type",
        BYTES_ARGS(name), what);
}

static bool read_int_type(struct flat_reader *flat, size_t table, struct arrow_field *field) {
    static const enum type_kind kinds[] = {TYPE_BYTE, TYPE_SHORT, TYPE_INTEGER, TYPE_LONG};
    field->arrow = ARROW_INT;
    field->width = (int)(int32_t)flat_read_scalar(flat, table, 0, 4, 0);
    field->is_signed = flat_read_scalar(flat, table, 1, 1, 0) != 0;
    int log = field->width == 8 ? 0 : field->width == 16 ? 1 : field->width == 32 ? 2 : field->width == 64 ? 3 : -1;
    if (log < 0) {
        return false;
    }
    field->type = log == 3 || field->is_signed ? type_simple(kinds[log]) : type_simple(kinds[log + 1]);
    return true;
}

static bool read_decimal_type(
    struct ipc_reader *reader, struct flat_reader *flat, size_t table, struct arrow_field *field) {
    int32_t precision = (int32_t)flat_read_scalar(flat, table, 0, 4, 0);
    int32_t scale = (int32_t)flat_read_scalar(flat, table, 1, 4, 0);
    field->width = (int)(int32_t)flat_read_scalar(flat, table, 2, 4, 128);
    if (precision < 1 || precision > 38 || scale < 0 || scale > precision ||
        (field->width != 128 && field->width != 256 && field->width != 64 && field->width != 32)) {
        return error_set(reader->error, ERROR_UNSUPPORTED, "decimal(%d,%d) of %d bits has no Spark type", precision,
            scale, field->width);
    }
    field->type = type_decimal(reader->arena, precision, scale);
    return true;
}

static bool read_time_type(
    struct ipc_reader *reader, struct flat_reader *flat, size_t table, struct bytes name, struct arrow_field *field) {
    switch (field->arrow) {
    case ARROW_DATE:
        field->unit = (int)flat_read_scalar(flat, table, 0, 2, 1);
        field->type = type_simple(TYPE_DATE);
        return true;
    case ARROW_TIMESTAMP:
        field->unit = (int)flat_read_scalar(flat, table, 0, 2, 0);
        field->type = type_simple(flat_read_string(flat, table, 1).size > 0 ? TYPE_TIMESTAMP : TYPE_TIMESTAMP_NTZ);
        return field->unit <= UNIT_NANOSECOND || corrupt(reader, "a time unit");
    case ARROW_DURATION:
        field->unit = (int)flat_read_scalar(flat, table, 0, 2, 1);
        field->type = type_simple(TYPE_DAY_TIME_INTERVAL);
        return field->unit <= UNIT_NANOSECOND || corrupt(reader, "a time unit");
    default:
        field->unit = (int)flat_read_scalar(flat, table, 0, 2, 0);
        if (field->unit == INTERVAL_UNIT_DAY_TIME || field->unit > INTERVAL_UNIT_MONTH_DAY_NANO) {
            return unsupported(reader, name, "interval[day_time]");
        }
        field->type =
            type_simple(field->unit == INTERVAL_UNIT_YEAR_MONTH ? TYPE_YEAR_MONTH_INTERVAL : TYPE_CALENDAR_INTERVAL);
        return true;
    }
}

static bool read_leaf_type(
    struct ipc_reader *reader, struct flat_reader *flat, size_t table, struct bytes name, struct arrow_field *field) {
    switch (field->arrow) {
    case ARROW_NULL:
        field->type = type_simple(TYPE_NULL);
        return true;
    case ARROW_INT:
        if (!read_int_type(flat, table, field)) {
            return corrupt(reader, "an integer's width");
        }
        if (field->width == 64 && !field->is_signed) {
            field->type = type_decimal(reader->arena, 20, 0);
        }
        return true;
    case ARROW_FLOAT:
        field->unit = (int)flat_read_scalar(flat, table, 0, 2, 0);
        field->width = field->unit == 0 ? 16 : field->unit == 1 ? 32 : 64;
        field->type = type_simple(field->unit == 2 ? TYPE_DOUBLE : TYPE_FLOAT);
        return field->unit <= 2 || corrupt(reader, "a float's width");
    case ARROW_BOOL:
        field->type = type_simple(TYPE_BOOLEAN);
        return true;
    case ARROW_DECIMAL:
        return read_decimal_type(reader, flat, table, field);
    case ARROW_DATE:
    case ARROW_TIMESTAMP:
    case ARROW_DURATION:
    case ARROW_INTERVAL:
        return read_time_type(reader, flat, table, name, field);
    case ARROW_UTF8:
    case ARROW_LARGE_UTF8:
    case ARROW_UTF8_VIEW:
        field->type = type_simple(TYPE_STRING);
        return true;
    case ARROW_FIXED_BINARY:
        field->width = (int)(int32_t)flat_read_scalar(flat, table, 0, 4, 0);
        field->type = type_simple(TYPE_BINARY);
        return field->width >= 0 || corrupt(reader, "a binary's width");
    case ARROW_BINARY:
    case ARROW_LARGE_BINARY:
    case ARROW_BINARY_VIEW:
        field->type = type_simple(TYPE_BINARY);
        return true;
    case ARROW_TIME:
        return unsupported(reader, name, "time");
    case ARROW_UNION:
        return unsupported(reader, name, "union");
    case ARROW_RUN_END:
        return unsupported(reader, name, "run_end_encoded");
    case ARROW_LIST_VIEW:
    case ARROW_LARGE_LIST_VIEW:
        return unsupported(reader, name, "list_view");
    default:
        return corrupt(reader, "an unknown type");
    }
}

static bool read_fields(struct ipc_reader *reader, struct flat_reader *flat, size_t table, unsigned slot, int depth,
    struct arrow_field **fields, struct type_field **type_fields, size_t *count);

static bool read_nested_type(struct ipc_reader *reader, struct flat_reader *flat, size_t table, size_t type_table,
    int depth, struct arrow_field *field) {
    struct type_field *children;
    if (!read_fields(reader, flat, table, FIELD_CHILDREN, depth, &field->children, &children, &field->child_count)) {
        return false;
    }
    if (field->arrow == ARROW_STRUCT) {
        field->type = type_struct(reader->arena, children, field->child_count);
        return true;
    }
    if (field->child_count != 1) {
        return corrupt(reader, "a list without its one child");
    }
    if (field->arrow != ARROW_MAP) {
        field->width = (int)(int32_t)flat_read_scalar(flat, type_table, 0, 4, 0);
        field->type = type_array(reader->arena, children[0].type, children[0].nullable);
        return field->arrow != ARROW_FIXED_LIST || field->width >= 0 || corrupt(reader, "a list's size");
    }
    const struct arrow_field *entries = &field->children[0];
    if (entries->arrow != ARROW_STRUCT || entries->child_count != 2 || entries->dictionary) {
        return corrupt(reader, "a map without entries of key and value");
    }
    field->type = type_map(
        reader->arena, entries->type->fields[0].type, entries->type->fields[1].type, entries->type->fields[1].nullable);
    return true;
}

static struct dictionary *find_dictionary(struct ipc_reader *reader, int64_t id) {
    for (size_t i = 0; i < reader->dictionary_count; i++) {
        if (reader->dictionaries[i].id == id) {
            return &reader->dictionaries[i];
        }
    }
    return NULL;
}

/* The field becomes an index into a dictionary whose values have the type read so far. */
static bool read_dictionary_encoding(
    struct ipc_reader *reader, struct flat_reader *flat, size_t table, struct arrow_field *field) {
    struct arrow_field *values = ARENA_NEW(reader->arena, struct arrow_field);
    *values = *field;
    field->dictionary = true;
    field->dictionary_id = (int64_t)flat_read_scalar(flat, table, DICTIONARY_ID, 8, 0);
    field->index = ARENA_NEW(reader->arena, struct arrow_field);
    size_t index_type = flat_read_table(flat, table, DICTIONARY_INDEX_TYPE);
    if (index_type == 0) {
        *field->index = (struct arrow_field){.arrow = ARROW_INT, .width = 32, .is_signed = true};
    } else if (!read_int_type(flat, index_type, field->index)) {
        return corrupt(reader, "a dictionary's index type");
    }
    if (reader->dictionary_count == reader->dictionary_capacity) {
        size_t capacity = reader->dictionary_capacity * 2 + 8;
        struct dictionary *grown = ARENA_ARRAY(reader->arena, struct dictionary, capacity);
        if (reader->dictionary_count > 0) {
            memcpy(grown, reader->dictionaries, reader->dictionary_count * sizeof *grown);
        }
        reader->dictionaries = grown;
        reader->dictionary_capacity = capacity;
    }
    if (find_dictionary(reader, field->dictionary_id) == NULL) {
        reader->dictionaries[reader->dictionary_count++] =
            (struct dictionary){.id = field->dictionary_id, .field = values};
    } else if (!type_equal(find_dictionary(reader, field->dictionary_id)->field->type, field->type)) {
        return corrupt(reader, "two types in one dictionary");
    }
    return true;
}

static bool read_field(struct ipc_reader *reader, struct flat_reader *flat, size_t table, int depth,
    struct arrow_field *field, struct type_field *type_field) {
    if (depth > ARROW_DEPTH_MAX) {
        return error_set(reader->error, ERROR_LIMIT, "the Arrow schema nests deeper than %d", ARROW_DEPTH_MAX);
    }
    struct bytes name = flat_read_string(flat, table, FIELD_NAME);
    type_field->name = arena_copy(reader->arena, name);
    type_field->nullable = flat_read_scalar(flat, table, FIELD_NULLABLE, 1, 0) != 0;
    field->arrow = (enum arrow_type)flat_read_scalar(flat, table, FIELD_TYPE_TYPE, 1, 0);
    size_t type_table = flat_read_table(flat, table, FIELD_TYPE);
    bool nested = field->arrow == ARROW_STRUCT || field->arrow == ARROW_LIST || field->arrow == ARROW_LARGE_LIST ||
                  field->arrow == ARROW_FIXED_LIST || field->arrow == ARROW_MAP;
    bool read = nested ? read_nested_type(reader, flat, table, type_table, depth + 1, field)
                       : read_leaf_type(reader, flat, type_table, name, field);
    size_t dictionary = flat_read_table(flat, table, FIELD_DICTIONARY);
    if (!read || (dictionary != 0 && !read_dictionary_encoding(reader, flat, dictionary, field))) {
        return false;
    }
    type_field->type = field->type;
    return true;
}

static bool read_fields(struct ipc_reader *reader, struct flat_reader *flat, size_t table, unsigned slot, int depth,
    struct arrow_field **fields, struct type_field **type_fields, size_t *count) {
    size_t elements = flat_read_vector(flat, table, slot, 4, count);
    /* Offsets may point to the same field many times: a schema that is larger than its message is not built. */
    if (reader->field_count + *count > flat->bytes.size / 16) {
        return corrupt(reader, "more fields than the message holds");
    }
    reader->field_count += *count;
    *fields = ARENA_ARRAY(reader->arena, struct arrow_field, *count);
    *type_fields = ARENA_ARRAY(reader->arena, struct type_field, *count);
    for (size_t i = 0; i < *count; i++) {
        size_t child = flat_read_element(flat, elements, i);
        if (child == 0 || !read_field(reader, flat, child, depth, &(*fields)[i], &(*type_fields)[i])) {
            return child != 0 ? false : corrupt(reader, "a field's position");
        }
    }
    return true;
}

static bool read_schema(struct ipc_reader *reader, struct flat_reader *flat, size_t table) {
    if (reader->schema != NULL) {
        return corrupt(reader, "a second schema");
    }
    if (flat_read_scalar(flat, table, SCHEMA_ENDIANNESS, 2, 0) != 0) {
        return error_set(reader->error, ERROR_UNSUPPORTED, "big-endian Arrow data");
    }
    struct type_field *fields;
    size_t count;
    if (!read_fields(reader, flat, table, SCHEMA_FIELDS, 0, &reader->fields, &fields, &count)) {
        return false;
    }
    reader->schema = type_struct(reader->arena, fields, count);
    return true;
}

/* ---- body ---- */

static bool next_buffer(struct body_reader *body, struct bytes *buffer) {
    if (body->buffer_next == body->buffer_count) {
        return corrupt(body->reader, "too few buffers");
    }
    const uint8_t *entry = body->buffers + 16 * body->buffer_next++;
    uint64_t offset = load_le64(entry), size = load_le64(entry + 8);
    if (offset > body->body.size || size > body->body.size - offset) {
        return corrupt(body->reader, "a buffer outside of the body");
    }
    *buffer = bytes_make(body->body.data + offset, size);
    return true;
}

/* A buffer of at least count elements; none is needed for 0. */
static bool next_values(struct body_reader *body, size_t count, size_t width, const uint8_t **values) {
    struct bytes buffer = BYTES_NULL;
    if (!next_buffer(body, &buffer)) {
        return false;
    }
    if (width > 0 && count > buffer.size / width) {
        return corrupt(body->reader, "a buffer is too short");
    }
    *values = buffer.data;
    return true;
}

static bool read_validity(struct body_reader *body, struct column *column, int64_t null_count) {
    struct bytes buffer = BYTES_NULL;
    if (!next_buffer(body, &buffer)) {
        return false;
    }
    size_t rows = column->row_count;
    if (buffer.size == 0 || null_count == 0) {
        return null_count <= 0 || rows == 0 || corrupt(body->reader, "nulls without a bitmap");
    }
    if (buffer.size < (rows + 7) / 8) {
        return corrupt(body->reader, "a bitmap is too short");
    }
    uint8_t *bits = ARENA_ARRAY(body->arena, uint8_t, bitmap_size(rows));
    memcpy(bits, buffer.data, (rows + 7) / 8);
    column->validity = bits;
    return true;
}

static bool read_column(struct body_reader *body, const struct arrow_field *field, struct column **column);

#define CONVERT(from_type, to_type, expression)                                                                        \
    for (size_t i = 0; i < rows; i++) {                                                                                \
        from_type value;                                                                                               \
        memcpy(&value, values + i * sizeof value, sizeof value);                                                       \
        ((to_type *)column->values)[i] = (to_type)(expression);                                                        \
    }

static double half_to_double(uint16_t half) {
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double value = exponent == 0    ? ldexp(fraction, -24)
                   : exponent == 31 ? (fraction == 0 ? INFINITY : NAN)
                                    : ldexp(fraction + 1024, exponent - 25);
    return half >> 15 ? -value : value;
}

/* Integers and floats. */
static bool read_numbers(struct body_reader *body, const struct arrow_field *field, struct column *column) {
    size_t rows = column->row_count, width = (size_t)field->width / 8;
    const uint8_t *values;
    if (!next_values(body, rows, width, &values)) {
        return false;
    }
    if (field->arrow == ARROW_FLOAT && field->width == 16) {
        CONVERT(uint16_t, float, half_to_double(value));
    } else if (field->arrow == ARROW_INT && !field->is_signed) {
        if (width == 1) {
            CONVERT(uint8_t, int16_t, value);
        } else if (width == 2) {
            CONVERT(uint16_t, int32_t, value);
        } else if (width == 4) {
            CONVERT(uint32_t, int64_t, value);
        } else {
            CONVERT(uint64_t, __int128, value);
        }
    } else if (rows > 0) {
        memcpy(column->values, values, rows * width);
    }
    return true;
}

static bool read_decimals(struct body_reader *body, const struct arrow_field *field, struct column *column) {
    size_t rows = column->row_count, width = (size_t)field->width / 8;
    const uint8_t *values;
    if (!next_values(body, rows, width, &values)) {
        return false;
    }
    if (width == 4) {
        CONVERT(int32_t, __int128, value);
    } else if (width == 8) {
        CONVERT(int64_t, __int128, value);
    } else {
        for (size_t i = 0; i < rows; i++) {
            /* of 256 bits the low half: precision ≤ 38 */
            memcpy((__int128 *)column->values + i, values + i * width, 16);
        }
    }
    return true;
}

static const int64_t units_per_second[] = {1, 1000, 1000000, 1000000000};

/* Timestamps and durations to microseconds. */
static bool read_times(struct body_reader *body, const struct arrow_field *field, struct column *column) {
    size_t rows = column->row_count;
    const uint8_t *values;
    if (!next_values(body, rows, 8, &values)) {
        return false;
    }
    if (field->unit == UNIT_MICROSECOND) {
        if (rows > 0) {
            memcpy(column->values, values, rows * 8);
        }
        return true;
    }
    if (field->unit == UNIT_NANOSECOND) {
        CONVERT(int64_t, int64_t, value / 1000 - (value % 1000 < 0));
        return true;
    }
    int64_t factor = 1000000 / units_per_second[field->unit];
    for (size_t i = 0; i < rows; i++) {
        int64_t *to = COLUMN_VALUES(column, int64_t) + i;
        if (__builtin_mul_overflow((int64_t)load_le64(values + i * 8), factor, to) && !column_is_null(column, i)) {
            return error_set(body->reader->error, ERROR_INVALID, "a timestamp is out of range");
        }
    }
    return true;
}

static bool read_dates(struct body_reader *body, const struct arrow_field *field, struct column *column) {
    size_t rows = column->row_count;
    const uint8_t *values;
    if (!next_values(body, rows, field->unit == 0 ? 4 : 8, &values)) {
        return false;
    }
    if (field->unit == 0) {
        CONVERT(int32_t, int32_t, value);
    } else {
        CONVERT(int64_t, int32_t, value / 86400000 - (value % 86400000 < 0));
    }
    return true;
}

static bool read_intervals(struct body_reader *body, const struct arrow_field *field, struct column *column) {
    size_t rows = column->row_count;
    const uint8_t *values;
    if (field->unit == INTERVAL_UNIT_YEAR_MONTH) {
        if (!next_values(body, rows, 4, &values)) {
            return false;
        }
        CONVERT(int32_t, int32_t, value);
        return true;
    }
    if (!next_values(body, rows, 16, &values)) {
        return false;
    }
    for (size_t i = 0; i < rows; i++) {
        const uint8_t *from = values + i * 16;
        COLUMN_VALUES(column, struct calendar_interval)
        [i] = (struct calendar_interval){
            (int32_t)load_le32(from), (int32_t)load_le32(from + 4), (int64_t)load_le64(from + 8) / 1000};
    }
    return true;
}

static bool read_booleans(struct body_reader *body, struct column *column) {
    const uint8_t *bits;
    size_t rows = column->row_count;
    if (!next_values(body, (rows + 7) / 8, 1, &bits)) {
        return false;
    }
    for (size_t i = 0; i < rows; i++) {
        COLUMN_VALUES(column, uint8_t)[i] = bit_get(bits, i);
    }
    return true;
}

/* The offset at index, whatever its width. */
static int64_t offset_at(const uint8_t *offsets, bool large, size_t index) {
    return large ? (int64_t)load_le64(offsets + index * 8) : (int32_t)load_le32(offsets + index * 4);
}

static bool read_strings(struct body_reader *body, const struct arrow_field *field, struct column *column) {
    bool large = field->arrow == ARROW_LARGE_UTF8 || field->arrow == ARROW_LARGE_BINARY;
    size_t rows = column->row_count;
    const uint8_t *offsets;
    struct bytes data;
    if (!next_values(body, rows == 0 ? 0 : rows + 1, large ? 8 : 4, &offsets) || !next_buffer(body, &data)) {
        return false;
    }
    struct string_view *views = column->values;
    for (size_t i = 0; i < rows; i++) {
        int64_t start = offset_at(offsets, large, i), end = offset_at(offsets, large, i + 1);
        if (start < 0 || end < start || (uint64_t)end > data.size || end - start > UINT32_MAX) {
            return corrupt(body->reader, "a string's position");
        }
        views[i] = (struct string_view){data.data + start, (uint32_t)(end - start), 0};
    }
    return true;
}

static bool read_fixed_binaries(struct body_reader *body, const struct arrow_field *field, struct column *column) {
    const uint8_t *values;
    if (!next_values(body, column->row_count, (size_t)field->width, &values)) {
        return false;
    }
    for (size_t i = 0; i < column->row_count; i++) {
        COLUMN_VALUES(column, struct string_view)
        [i] = (struct string_view){values + i * (size_t)field->width, (uint32_t)field->width, 0};
    }
    return true;
}

/* A view: 32-bit size, then up to 12 bytes inline, or a prefix, the number of a data buffer and the position in it. */
static bool read_string_views(struct body_reader *body, struct column *column) {
    size_t rows = column->row_count;
    const uint8_t *views;
    if (!next_values(body, rows, 16, &views)) {
        return false;
    }
    if (body->view_next == body->view_count) {
        return corrupt(body->reader, "no count of view buffers");
    }
    uint64_t count = load_le64(body->views + 8 * body->view_next++);
    size_t first = body->buffer_next;
    if (count > body->buffer_count - first) {
        return corrupt(body->reader, "too few view buffers");
    }
    for (size_t i = 0; i < rows; i++) {
        const uint8_t *view = views + i * 16;
        uint32_t size = load_le32(view), index = load_le32(view + 8), offset = load_le32(view + 12);
        struct bytes data = bytes_make(view + 4, 12);
        if (column_is_null(column, i)) {
            continue;
        }
        if (size > 12) {
            body->buffer_next = first + index;
            if (index >= count || !next_buffer(body, &data)) {
                return corrupt(body->reader, "a view's buffer");
            }
            if (offset > data.size || size > data.size - offset) {
                return corrupt(body->reader, "a view's position");
            }
            data.data += offset;
        }
        COLUMN_VALUES(column, struct string_view)[i] = (struct string_view){data.data, size, 0};
    }
    body->buffer_next = first + (size_t)count;
    return true;
}

static bool read_lists(struct body_reader *body, const struct arrow_field *field, struct column *column) {
    size_t rows = column->row_count;
    bool large = field->arrow == ARROW_LARGE_LIST, fixed = field->arrow == ARROW_FIXED_LIST;
    const uint8_t *from = NULL;
    if (!fixed && !next_values(body, rows == 0 ? 0 : rows + 1, large ? 8 : 4, &from)) {
        return false;
    }
    struct column *child;
    if (!read_column(body, &field->children[0], &child)) {
        return false;
    }
    int32_t *offsets = (int32_t *)column->offsets;
    int64_t first = fixed || rows == 0 ? 0 : offset_at(from, large, 0), before = first;
    for (size_t i = 0; i <= rows && rows > 0; i++) {
        int64_t offset = fixed ? (int64_t)i * field->width : offset_at(from, large, i);
        if (offset < before || (uint64_t)offset > child->row_count || offset - first > INT32_MAX) {
            return corrupt(body->reader, "a list's position");
        }
        offsets[i] = (int32_t)(offset - first);
        before = offset;
    }
    child = column_slice(body->arena, child, (size_t)first, rows == 0 ? 0 : (size_t)offsets[rows]);
    if (field->arrow != ARROW_MAP) {
        column->children[0] = child;
        return true;
    }
    column->children[0] = child->children[0];
    column->children[1] = child->children[1];
    return column_null_count(child) == 0 || corrupt(body->reader, "a map entry is null");
}

static bool read_indexes(struct body_reader *body, const struct arrow_field *field, struct column **column) {
    struct dictionary *dictionary = find_dictionary(body->reader, field->dictionary_id);
    size_t rows = (*column)->row_count, width = (size_t)field->index->width / 8;
    const uint8_t *values;
    if (!next_values(body, rows, width, &values)) {
        return false;
    }
    if (dictionary == NULL || dictionary->values == NULL) {
        return corrupt(body->reader, "a dictionary is missing");
    }
    uint32_t *indexes = ARENA_ARRAY(body->arena, uint32_t, rows);
    for (size_t i = 0; i < rows; i++) {
        uint64_t index = 0;
        memcpy(&index, values + i * width, width);
        if (column_is_null(*column, i)) {
            indexes[i] = UINT32_MAX;
        } else if (index >= dictionary->values->row_count) {
            return corrupt(body->reader, "an index beyond its dictionary");
        } else {
            indexes[i] = (uint32_t)index;
        }
    }
    *column = column_take(body->arena, dictionary->values, indexes, rows);
    return true;
}

static bool read_values(struct body_reader *body, const struct arrow_field *field, struct column *column) {
    switch (field->arrow) {
    case ARROW_INT:
    case ARROW_FLOAT:
        return read_numbers(body, field, column);
    case ARROW_DECIMAL:
        return read_decimals(body, field, column);
    case ARROW_BOOL:
        return read_booleans(body, column);
    case ARROW_DATE:
        return read_dates(body, field, column);
    case ARROW_TIMESTAMP:
    case ARROW_DURATION:
        return read_times(body, field, column);
    case ARROW_INTERVAL:
        return read_intervals(body, field, column);
    case ARROW_FIXED_BINARY:
        return read_fixed_binaries(body, field, column);
    case ARROW_UTF8_VIEW:
    case ARROW_BINARY_VIEW:
        return read_string_views(body, column);
    case ARROW_LIST:
    case ARROW_LARGE_LIST:
    case ARROW_FIXED_LIST:
    case ARROW_MAP:
        return read_lists(body, field, column);
    case ARROW_STRUCT:
        for (size_t i = 0; i < field->child_count; i++) {
            if (!read_column(body, &field->children[i], &column->children[i])) {
                return false;
            }
            if (column->children[i]->row_count != column->row_count) {
                return corrupt(body->reader, "fields of a struct differ in length");
            }
        }
        return true;
    default:
        return read_strings(body, field, column);
    }
}

static bool read_column(struct body_reader *body, const struct arrow_field *field, struct column **column) {
    if (body->node_next == body->node_count) {
        return corrupt(body->reader, "too few columns");
    }
    const uint8_t *node = body->nodes + 16 * body->node_next++;
    int64_t rows = (int64_t)load_le64(node), nulls = (int64_t)load_le64(node + 8);
    /* 16 bytes of value are made for as little as one bit of input, so rows are bounded by the body's bits. */
    if (rows < 0 || rows > INT32_MAX || (rows > 65536 && (size_t)rows / 8 > body->body.size)) {
        return corrupt(body->reader, "a column's length");
    }
    if (field->arrow == ARROW_NULL && !field->dictionary) {
        *column = column_create_nulls(body->arena, field->type, (size_t)rows);
        return true;
    }
    *column = column_create(body->arena, field->dictionary ? type_simple(TYPE_NULL) : field->type, (size_t)rows);
    (*column)->validity = NULL;
    if (!read_validity(body, *column, nulls)) {
        return false;
    }
    return field->dictionary ? read_indexes(body, field, column) : read_values(body, field, *column);
}

/* ---- messages ---- */

static bool begin_body(struct body_reader *body, struct flat_reader *flat, size_t table) {
    if (flat_read_table(flat, table, BATCH_COMPRESSION) != 0) {
        return error_set(
            body->reader->error, ERROR_UNSUPPORTED, "compressed Arrow record batches; write them without compression");
    }
    size_t nodes = flat_read_vector(flat, table, BATCH_NODES, 16, &body->node_count);
    size_t buffers = flat_read_vector(flat, table, BATCH_BUFFERS, 16, &body->buffer_count);
    size_t views = flat_read_vector(flat, table, BATCH_VARIADIC_COUNTS, 8, &body->view_count);
    body->nodes = flat->bytes.data + nodes;
    body->buffers = flat->bytes.data + buffers;
    body->views = flat->bytes.data + views;
    return !flat->bad || corrupt(body->reader, "a position in the metadata");
}

static bool read_dictionary(struct ipc_reader *reader, struct flat_reader *flat, size_t table, struct bytes bytes) {
    int64_t id = (int64_t)flat_read_scalar(flat, table, DICTIONARY_BATCH_ID, 8, 0);
    struct dictionary *dictionary = find_dictionary(reader, id);
    size_t data = flat_read_table(flat, table, DICTIONARY_BATCH_DATA);
    if (dictionary == NULL || data == 0) {
        return corrupt(reader, "a dictionary that the schema does not name");
    }
    struct body_reader body = {.reader = reader, .arena = reader->arena, .body = bytes};
    struct column *values;
    if (!begin_body(&body, flat, data) || !read_column(&body, dictionary->field, &values)) {
        return false;
    }
    if (flat_read_scalar(flat, table, DICTIONARY_BATCH_IS_DELTA, 1, 0) != 0 && dictionary->values != NULL) {
        struct column *parts[2] = {dictionary->values, values};
        size_t counts[2] = {dictionary->values->row_count, values->row_count};
        values = column_concat(reader->arena, parts, counts, 2);
    }
    dictionary->values = values;
    return true;
}

static bool read_batch(struct ipc_reader *reader, struct flat_reader *flat, size_t table, struct bytes bytes) {
    if (reader->schema == NULL) {
        return corrupt(reader, "a record batch before the schema");
    }
    struct batch *batch = batch_create(reader->schema);
    struct body_reader body = {.reader = reader, .arena = &batch->arena, .body = bytes};
    bool read = begin_body(&body, flat, table);
    batch->row_count = (size_t)flat_read_scalar(flat, table, BATCH_LENGTH, 8, 0);
    for (size_t i = 0; i < batch->column_count && read; i++) {
        read = read_column(&body, &reader->fields[i], &batch->columns[i]);
        if (read && batch->columns[i]->row_count != batch->row_count) {
            read = corrupt(reader, "columns differ in length");
        }
    }
    if (read && batch->row_count > INT32_MAX) {
        read = corrupt(reader, "a batch's length");
    }
    if (!read) {
        batch_release(batch);
        return false;
    }
    if (reader->batch_count == reader->batch_capacity) {
        size_t capacity = reader->batch_capacity * 2 + 8;
        struct batch **grown = ARENA_ARRAY(reader->arena, struct batch *, capacity);
        if (reader->batch_count > 0) {
            memcpy(grown, reader->batches, reader->batch_count * sizeof *grown);
        }
        reader->batches = grown;
        reader->batch_capacity = capacity;
    }
    reader->batches[reader->batch_count++] = batch;
    return true;
}

static bool read_message(struct ipc_reader *reader, struct bytes metadata, struct bytes rest, size_t *body_size) {
    struct flat_reader flat = {.bytes = metadata};
    size_t message = flat_read_root(&flat);
    int type = (int)flat_read_scalar(&flat, message, MESSAGE_HEADER_TYPE, 1, 0);
    size_t header = flat_read_table(&flat, message, MESSAGE_HEADER);
    uint64_t size = flat_read_scalar(&flat, message, MESSAGE_BODY_LENGTH, 8, 0);
    if (message == 0 || header == 0 || flat.bad) {
        return corrupt(reader, "a message's header");
    }
    if (size > rest.size) {
        return corrupt(reader, "a message's body is cut off");
    }
    *body_size = (size_t)size;
    struct bytes body = bytes_slice(rest, 0, *body_size);
    bool read = true;
    if (type == HEADER_SCHEMA) {
        read = read_schema(reader, &flat, header);
    } else if (type == HEADER_DICTIONARY) {
        read = read_dictionary(reader, &flat, header, body);
    } else if (type == HEADER_BATCH) {
        read = read_batch(reader, &flat, header, body);
    }
    return read && (!flat.bad || corrupt(reader, "a position in the metadata"));
}

static bool read_messages(struct ipc_reader *reader, struct bytes bytes) {
    size_t position = 0;
    while (bytes.size - position >= 4) {
        uint32_t size = load_le32(bytes.data + position);
        position += 4;
        if (size == (uint32_t)ARROW_CONTINUATION && bytes.size - position >= 4) {
            size = load_le32(bytes.data + position);
            position += 4;
        }
        if (size == 0) {
            break;
        }
        if (size > bytes.size - position) {
            return corrupt(reader, "a message is cut off");
        }
        size_t body_size = 0;
        struct bytes metadata = bytes_slice(bytes, position, size);
        position += size;
        if (!read_message(reader, metadata, bytes_slice(bytes, position, bytes.size - position), &body_size)) {
            return false;
        }
        position += body_size;
    }
    return reader->schema != NULL || corrupt(reader, "there is no schema");
}

bool ipc_read_stream(struct arena *arena, struct bytes bytes, struct ipc_stream *stream, struct error *error) {
    struct ipc_reader reader = {.arena = arena, .error = error};
    if (!read_messages(&reader, bytes)) {
        for (size_t i = 0; i < reader.batch_count; i++) {
            batch_release(reader.batches[i]);
        }
        return false;
    }
    *stream = (struct ipc_stream){reader.schema, reader.batches, reader.batch_count};
    return true;
}
