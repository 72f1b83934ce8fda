/* type.c: making, comparing and copying data types. */
#include "column/type.h"

#include "base/assert.h"

static const uint8_t value_sizes[TYPE_KIND_COUNT] = {
    [TYPE_BOOLEAN] = 1,
    [TYPE_BYTE] = 1,
    [TYPE_SHORT] = 2,
    [TYPE_INTEGER] = 4,
    [TYPE_LONG] = 8,
    [TYPE_FLOAT] = 4,
    [TYPE_DOUBLE] = 8,
    [TYPE_DECIMAL] = 16,
    [TYPE_STRING] = 16,
    [TYPE_BINARY] = 16,
    [TYPE_DATE] = 4,
    [TYPE_TIMESTAMP] = 8,
    [TYPE_TIMESTAMP_NTZ] = 8,
    [TYPE_YEAR_MONTH_INTERVAL] = 4,
    [TYPE_DAY_TIME_INTERVAL] = 8,
    [TYPE_CALENDAR_INTERVAL] = 16,
};

static const struct type simple_types[TYPE_ARRAY] = {
    [TYPE_NULL] = {.kind = TYPE_NULL},
    [TYPE_BOOLEAN] = {.kind = TYPE_BOOLEAN},
    [TYPE_BYTE] = {.kind = TYPE_BYTE},
    [TYPE_SHORT] = {.kind = TYPE_SHORT},
    [TYPE_INTEGER] = {.kind = TYPE_INTEGER},
    [TYPE_LONG] = {.kind = TYPE_LONG},
    [TYPE_FLOAT] = {.kind = TYPE_FLOAT},
    [TYPE_DOUBLE] = {.kind = TYPE_DOUBLE},
    [TYPE_DECIMAL] = {.kind = TYPE_DECIMAL, .precision = 10},
    [TYPE_STRING] = {.kind = TYPE_STRING},
    [TYPE_BINARY] = {.kind = TYPE_BINARY},
    [TYPE_DATE] = {.kind = TYPE_DATE},
    [TYPE_TIMESTAMP] = {.kind = TYPE_TIMESTAMP},
    [TYPE_TIMESTAMP_NTZ] = {.kind = TYPE_TIMESTAMP_NTZ},
    [TYPE_YEAR_MONTH_INTERVAL] = {.kind = TYPE_YEAR_MONTH_INTERVAL,
        .interval_from = INTERVAL_YEAR,
        .interval_to = INTERVAL_MONTH},
    [TYPE_DAY_TIME_INTERVAL] = {.kind = TYPE_DAY_TIME_INTERVAL,
        .interval_from = INTERVAL_DAY,
        .interval_to = INTERVAL_SECOND},
    [TYPE_CALENDAR_INTERVAL] = {.kind = TYPE_CALENDAR_INTERVAL},
};

const struct type *type_simple(enum type_kind kind) {
    ASSERT(kind < TYPE_ARRAY);
    return &simple_types[kind];
}

const struct type *type_decimal(struct arena *arena, int precision, int scale) {
    ASSERT(precision >= 1 && precision <= 38 && scale >= 0 && scale <= precision);
    struct type *type = ARENA_NEW(arena, struct type);
    type->kind = TYPE_DECIMAL;
    type->precision = (uint8_t)precision;
    type->scale = (uint8_t)scale;
    return type;
}

const struct type *type_interval(struct arena *arena, enum interval_field from, enum interval_field to) {
    ASSERT(from <= to && (from >= INTERVAL_DAY) == (to >= INTERVAL_DAY));
    struct type *type = ARENA_NEW(arena, struct type);
    type->kind = from >= INTERVAL_DAY ? TYPE_DAY_TIME_INTERVAL : TYPE_YEAR_MONTH_INTERVAL;
    type->interval_from = (uint8_t)from;
    type->interval_to = (uint8_t)to;
    return type;
}

const struct type *type_text_limited(struct arena *arena, int32_t length, bool fixed) {
    ASSERT(length >= 0);
    struct type *type = ARENA_NEW(arena, struct type);
    type->kind = TYPE_STRING;
    type->length_max = length;
    type->fixed_length = fixed;
    return type;
}

const struct type *type_array(struct arena *arena, const struct type *element, bool contains_null) {
    struct type *type = ARENA_NEW(arena, struct type);
    type->kind = TYPE_ARRAY;
    type->element = element;
    type->contains_null = contains_null;
    return type;
}

const struct type *type_map(
    struct arena *arena, const struct type *key, const struct type *value, bool value_contains_null) {
    struct type *type = ARENA_NEW(arena, struct type);
    type->kind = TYPE_MAP;
    type->key = key;
    type->element = value;
    type->contains_null = value_contains_null;
    return type;
}

const struct type *type_struct(struct arena *arena, const struct type_field *fields, size_t field_count) {
    struct type *type = ARENA_NEW(arena, struct type);
    type->kind = TYPE_STRUCT;
    struct type_field *copy = ARENA_ARRAY(arena, struct type_field, field_count);
    if (field_count > 0) {
        memcpy(copy, fields, field_count * sizeof *fields);
    }
    type->fields = copy;
    type->field_count = field_count;
    return type;
}

const struct type *type_copy(struct arena *arena, const struct type *type) {
    if (type == NULL || (type->kind < TYPE_ARRAY && type == &simple_types[type->kind])) {
        return type;
    }
    struct type *copy = ARENA_NEW(arena, struct type);
    *copy = *type;
    copy->element = type_copy(arena, type->element);
    copy->key = type_copy(arena, type->key);
    if (type->kind == TYPE_STRUCT) {
        struct type_field *fields = ARENA_ARRAY(arena, struct type_field, type->field_count);
        for (size_t i = 0; i < type->field_count; i++) {
            fields[i] = type->fields[i];
            fields[i].name = arena_copy(arena, type->fields[i].name);
            fields[i].type = type_copy(arena, type->fields[i].type);
            if (fields[i].metadata.data != NULL) {
                fields[i].metadata = arena_copy(arena, fields[i].metadata);
            }
        }
        copy->fields = fields;
    }
    return copy;
}

static bool types_equal(const struct type *left, const struct type *right, bool nullability) {
    if (left == right) {
        return true;
    }
    if (left->kind != right->kind || left->precision != right->precision || left->scale != right->scale ||
        left->interval_from != right->interval_from || left->interval_to != right->interval_to ||
        left->length_max != right->length_max || left->fixed_length != right->fixed_length ||
        left->field_count != right->field_count) {
        return false;
    }
    if (nullability && left->contains_null != right->contains_null) {
        return false;
    }
    if (left->element != NULL && !types_equal(left->element, right->element, nullability)) {
        return false;
    }
    if (left->key != NULL && !types_equal(left->key, right->key, nullability)) {
        return false;
    }
    for (size_t i = 0; i < left->field_count; i++) {
        const struct type_field *a = &left->fields[i], *b = &right->fields[i];
        if (!bytes_equal(a->name, b->name) || !types_equal(a->type, b->type, nullability) ||
            (nullability && a->nullable != b->nullable)) {
            return false;
        }
    }
    return true;
}

bool type_equal(const struct type *left, const struct type *right) {
    return types_equal(left, right, true);
}

bool type_equal_ignoring_nullability(const struct type *left, const struct type *right) {
    return types_equal(left, right, false);
}

bool type_is_numeric(const struct type *type) {
    return type->kind >= TYPE_BYTE && type->kind <= TYPE_DECIMAL;
}

bool type_is_integral(const struct type *type) {
    return type->kind >= TYPE_BYTE && type->kind <= TYPE_LONG;
}

bool type_is_orderable(const struct type *type) {
    if (type->kind == TYPE_MAP || type->kind == TYPE_CALENDAR_INTERVAL) {
        return false;
    }
    if (type->kind == TYPE_ARRAY) {
        return type_is_orderable(type->element);
    }
    for (size_t i = 0; i < type->field_count; i++) {
        if (!type_is_orderable(type->fields[i].type)) {
            return false;
        }
    }
    return true;
}

size_t type_value_size(const struct type *type) {
    return value_sizes[type->kind];
}

int type_field_index(const struct type *type, struct bytes name) {
    for (size_t i = 0; i < type->field_count; i++) {
        if (bytes_equal(type->fields[i].name, name)) {
            return (int)i;
        }
    }
    for (size_t i = 0; i < type->field_count; i++) {
        if (bytes_equal_ignore_case(type->fields[i].name, name)) {
            return (int)i;
        }
    }
    return -1;
}
