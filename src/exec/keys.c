/* keys.c: see keys.h. */
#include "exec/keys.h"

enum { NULL_FIRST = 0, VALUE = 1, NULL_LAST = 2 };

static size_t text_size(struct string_view text) {
    size_t size = text.size + 2;
    const uint8_t *at = text.data, *end = text.data + text.size;
    while (at < end && (at = memchr(at, 0, (size_t)(end - at))) != NULL) {
        size++;
        at++;
    }
    return size;
}

static uint8_t *put_text(uint8_t *to, struct string_view text) {
    const uint8_t *at = text.data, *end = text.data + text.size;
    while (at < end) {
        const uint8_t *zero = memchr(at, 0, (size_t)(end - at));
        size_t plain = (size_t)((zero == NULL ? end : zero) - at);
        memcpy(to, at, plain);
        to += plain;
        at += plain;
        if (zero != NULL) {
            *to++ = 0;
            *to++ = 0xff;
            at++;
        }
    }
    *to++ = 0;
    *to++ = 0;
    return to;
}

static uint64_t double_bits(double value) {
    uint64_t bits;
    if (value != value) {
        return UINT64_MAX;
    }
    value = value == 0 ? 0.0 : value;
    memcpy(&bits, &value, 8);
    return bits >> 63 ? ~bits : bits | UINT64_C(1) << 63;
}

static uint32_t float_bits(float value) {
    uint32_t bits;
    if (value != value) {
        return UINT32_MAX;
    }
    value = value == 0 ? 0.0f : value;
    memcpy(&bits, &value, 4);
    return bits >> 31 ? ~bits : bits | UINT32_C(1) << 31;
}

static size_t fixed_size(const struct type *type) {
    return type->kind == TYPE_STRING || type->kind == TYPE_BINARY ? 0 : type_value_size(type);
}

/* The value's bytes (not null); width is fixed_size of its type. */
static uint8_t *put_fixed(uint8_t *to, const struct column *column, size_t row) {
    switch (column->type->kind) {
    case TYPE_BOOLEAN:
        *to = COLUMN_VALUES(column, uint8_t)[row];
        return to + 1;
    case TYPE_BYTE:
        *to = COLUMN_VALUES(column, uint8_t)[row] ^ 0x80;
        return to + 1;
    case TYPE_SHORT:
        store_be16(to, COLUMN_VALUES(column, uint16_t)[row] ^ 0x8000);
        return to + 2;
    case TYPE_INTEGER:
    case TYPE_DATE:
    case TYPE_YEAR_MONTH_INTERVAL:
        store_be32(to, COLUMN_VALUES(column, uint32_t)[row] ^ UINT32_C(1) << 31);
        return to + 4;
    case TYPE_FLOAT:
        store_be32(to, float_bits(COLUMN_VALUES(column, float)[row]));
        return to + 4;
    case TYPE_DOUBLE:
        store_be64(to, double_bits(COLUMN_VALUES(column, double)[row]));
        return to + 8;
    case TYPE_DECIMAL: {
        unsigned __int128 value = (unsigned __int128)COLUMN_VALUES(column, __int128)[row];
        store_be64(to, (uint64_t)(value >> 64) ^ UINT64_C(1) << 63);
        store_be64(to + 8, (uint64_t)value);
        return to + 16;
    }
    case TYPE_CALENDAR_INTERVAL:
        memcpy(to, &COLUMN_VALUES(column, struct calendar_interval)[row], 16);
        return to + 16;
    default:
        store_be64(to, COLUMN_VALUES(column, uint64_t)[row] ^ UINT64_C(1) << 63);
        return to + 8;
    }
}

static size_t value_size(const struct column *column, size_t row);
static uint8_t *put_value(uint8_t *to, const struct column *column, size_t row);

/* With its marker. */
static size_t nested_size(const struct column *column, size_t row) {
    return 1 + (column_is_null(column, row) ? 0 : value_size(column, row));
}

static uint8_t *put_nested(uint8_t *to, const struct column *column, size_t row) {
    bool null = column_is_null(column, row);
    *to++ = null ? NULL_FIRST : VALUE;
    return null ? to : put_value(to, column, row);
}

static size_t value_size(const struct column *column, size_t row) {
    size_t size = fixed_size(column->type);
    row = column->constant ? 0 : row;
    if (size > 0) {
        return size;
    }
    switch (column->type->kind) {
    case TYPE_STRING:
    case TYPE_BINARY:
        return text_size(COLUMN_VALUES(column, struct string_view)[row]);
    case TYPE_STRUCT:
        for (size_t i = 0; i < column->child_count; i++) {
            size += nested_size(column->children[i], row);
        }
        return size;
    case TYPE_ARRAY:
    case TYPE_MAP:
        for (int32_t i = column->offsets[row]; i < column->offsets[row + 1]; i++) {
            size++;
            for (size_t c = 0; c < column->child_count; c++) {
                size += nested_size(column->children[c], (size_t)i);
            }
        }
        return size + 1;
    default:
        return 0;
    }
}

static uint8_t *put_value(uint8_t *to, const struct column *column, size_t row) {
    row = column->constant ? 0 : row;
    if (fixed_size(column->type) > 0) {
        return put_fixed(to, column, row);
    }
    switch (column->type->kind) {
    case TYPE_STRING:
    case TYPE_BINARY:
        return put_text(to, COLUMN_VALUES(column, struct string_view)[row]);
    case TYPE_STRUCT:
        for (size_t i = 0; i < column->child_count; i++) {
            to = put_nested(to, column->children[i], row);
        }
        return to;
    case TYPE_ARRAY:
    case TYPE_MAP:
        for (int32_t i = column->offsets[row]; i < column->offsets[row + 1]; i++) {
            *to++ = 1;
            for (size_t c = 0; c < column->child_count; c++) {
                to = put_nested(to, column->children[c], (size_t)i);
            }
        }
        *to++ = 0;
        return to;
    default:
        return to;
    }
}

static void add_sizes(const struct column *column, size_t row_count, uint32_t *sizes) {
    size_t fixed = fixed_size(column->type);
    for (size_t row = 0; row < row_count; row++) {
        size_t size = column_is_null(column, row) ? 0 : fixed > 0 ? fixed : value_size(column, row);
        sizes[row] += (uint32_t)(1 + size);
    }
}

static void put_column(const struct column *column, struct key_order order, size_t row_count, uint8_t **cursors) {
    for (size_t row = 0; row < row_count; row++) {
        uint8_t *to = cursors[row];
        if (column_is_null(column, row)) {
            *to = order.nulls_last ? NULL_LAST : NULL_FIRST;
            cursors[row] = to + 1;
            continue;
        }
        *to++ = VALUE;
        uint8_t *end = put_value(to, column, row);
        for (; order.descending && to < end; to++) {
            *to = (uint8_t) ~*to;
        }
        cursors[row] = end;
    }
}

void keys_encode(struct arena *arena, struct column *const *columns, const struct key_order *orders,
    size_t column_count, size_t row_count, struct keys *keys) {
    uint32_t *offsets = ARENA_ARRAY(arena, uint32_t, row_count + 1);
    for (size_t i = 0; i < column_count; i++) {
        add_sizes(columns[i], row_count, offsets);
    }
    uint64_t total = 0;
    for (size_t row = 0; row < row_count; row++) {
        uint32_t size = offsets[row];
        offsets[row] = (uint32_t)total;
        total += size;
    }
    ASSERT(total <= UINT32_MAX);
    offsets[row_count] = (uint32_t)total;
    uint8_t *bytes = arena_allocate(arena, (size_t)total);
    uint8_t **cursors = ARENA_ARRAY(arena, uint8_t *, row_count);
    for (size_t row = 0; row < row_count; row++) {
        cursors[row] = bytes + offsets[row];
    }
    for (size_t i = 0; i < column_count; i++) {
        put_column(columns[i], orders == NULL ? (struct key_order){0} : orders[i], row_count, cursors);
    }
    *keys = (struct keys){bytes, offsets, row_count};
}

bool keys_find_nulls(struct column *const *columns, size_t column_count, size_t row_count, bool *null_rows) {
    bool any = false;
    memset(null_rows, 0, row_count * sizeof *null_rows);
    for (size_t i = 0; i < column_count; i++) {
        if (columns[i]->validity == NULL) {
            continue;
        }
        for (size_t row = 0; row < row_count; row++) {
            null_rows[row] = null_rows[row] || column_is_null(columns[i], row);
            any = any || null_rows[row];
        }
    }
    return any;
}
