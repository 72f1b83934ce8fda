/* aggregate_buffer.c: see aggregate_buffer.h. One row of a table per layout: the fields' names and types, and the way
 * to and from what the aggregate saves. Spark's rule for sums and means of short decimals holds: they are kept over the
 * unscaled numbers, as LONG and DOUBLE. */
#include "exec/aggregate_buffer.h"

#include "exec/row_image.h"

enum layout {
    LAYOUT_SAVED,     /* the saved column as it is */
    LAYOUT_SUM,       /* the sum, null without a value */
    LAYOUT_SUM_EMPTY, /* the sum and whether there was no value */
    LAYOUT_AVERAGE,
    LAYOUT_CHOSEN,    /* a value and whether there is one */
    LAYOUT_CHOSEN_BY, /* a value and what orders it */
    LAYOUT_DOUBLES,
    LAYOUT_COUNT_OF_DOUBLES,
    LAYOUT_ARRAY, /* one binary: the image of a row with an array */
};

struct aggregate_buffer {
    const char *kernel;
    enum layout layout;
    const char *names[BUFFER_FIELDS_MAX];
    size_t count;
    bool takes_results;
};

static const struct aggregate_buffer buffers[] = {
    {"count", LAYOUT_SAVED, {"count"}, 1, false},
    {"count_if", LAYOUT_SAVED, {"count"}, 1, false},
    {"regr_count", LAYOUT_COUNT_OF_DOUBLES, {"count"}, 1, false},
    {"sum", LAYOUT_SUM, {"sum", "isEmpty"}, 1, false},
    {"avg", LAYOUT_AVERAGE, {"sum", "count"}, 2, false},
    {"min", LAYOUT_SAVED, {"min"}, 1, false},
    {"max", LAYOUT_SAVED, {"max"}, 1, false},
    {"bool_and", LAYOUT_SAVED, {"min"}, 1, false},
    {"bool_or", LAYOUT_SAVED, {"max"}, 1, false},
    {"bit_and", LAYOUT_SAVED, {"bit_and"}, 1, false},
    {"bit_or", LAYOUT_SAVED, {"bit_or"}, 1, false},
    {"bit_xor", LAYOUT_SAVED, {"bit_xor"}, 1, false},
    {"first", LAYOUT_CHOSEN, {"first", "valueSet"}, 2, false},
    {"last", LAYOUT_CHOSEN, {"last", "valueSet"}, 2, false},
    {"max_by", LAYOUT_CHOSEN_BY, {"valueWithExtremumOrdering", "extremumOrdering"}, 2, false},
    {"min_by", LAYOUT_CHOSEN_BY, {"valueWithExtremumOrdering", "extremumOrdering"}, 2, false},
    {"stddev_pop", LAYOUT_DOUBLES, {"n", "avg", "m2"}, 3, false},
    {"stddev_samp", LAYOUT_DOUBLES, {"n", "avg", "m2"}, 3, false},
    {"var_pop", LAYOUT_DOUBLES, {"n", "avg", "m2"}, 3, false},
    {"var_samp", LAYOUT_DOUBLES, {"n", "avg", "m2"}, 3, false},
    {"skewness", LAYOUT_DOUBLES, {"n", "avg", "m2", "m3"}, 4, false},
    {"kurtosis", LAYOUT_DOUBLES, {"n", "avg", "m2", "m3", "m4"}, 5, false},
    {"corr", LAYOUT_DOUBLES, {"n", "xAvg", "yAvg", "ck", "xMk", "yMk"}, 6, false},
    {"covar_pop", LAYOUT_DOUBLES, {"n", "xAvg", "yAvg", "ck"}, 4, false},
    {"covar_samp", LAYOUT_DOUBLES, {"n", "xAvg", "yAvg", "ck"}, 4, false},
    {"regr_r2", LAYOUT_DOUBLES, {"n", "xAvg", "yAvg", "ck", "xMk", "yMk"}, 6, false},
    {"regr_sxy", LAYOUT_DOUBLES, {"n", "xAvg", "yAvg", "ck"}, 4, false},
    {"regr_sxx", LAYOUT_DOUBLES, {"n", "avg", "m2"}, 3, false},
    {"regr_syy", LAYOUT_DOUBLES, {"n", "avg", "m2"}, 3, false},
    {"regr_slope", LAYOUT_DOUBLES, {"n", "xAvg", "yAvg", "ck", "n", "avg", "m2"}, 7, false},
    {"regr_intercept", LAYOUT_DOUBLES, {"n", "xAvg", "yAvg", "ck", "n", "avg", "m2"}, 7, false},
    {"regr_avgx", LAYOUT_AVERAGE, {"sum", "count"}, 2, false},
    {"regr_avgy", LAYOUT_AVERAGE, {"sum", "count"}, 2, false},
    {"collect_list", LAYOUT_ARRAY, {"buf"}, 1, false},
    {"collect_set", LAYOUT_ARRAY, {"buf"}, 1, true},
};

const struct aggregate_buffer *aggregate_buffer_find(const struct aggregate_slot *slot) {
    for (size_t i = 0; i < ARRAY_COUNT(buffers) && !slot->distinct; i++) {
        enum type_kind kind = slot->call.argument_types[0]->kind;
        bool nested = kind == TYPE_ARRAY || kind == TYPE_MAP || kind == TYPE_STRUCT;
        bool extreme = buffers[i].names[0][0] == 'm' && buffers[i].layout == LAYOUT_SAVED;
        if (strcmp(slot->entry->name, buffers[i].kernel) == 0) {
            return nested && extreme ? NULL : &buffers[i];
        }
    }
    return NULL;
}

bool aggregate_buffer_takes_results(const struct aggregate_buffer *buffer) {
    return buffer->takes_results;
}

/* ---- fields ---- */

/* Spark sums decimals of at most 8 digits as LONG, and takes means of those of at most 11 digits as DOUBLE. */
static const struct type *sum_type(const struct aggregate_slot *slot, struct arena *arena, bool average) {
    const struct type *type = slot->call.argument_types[0];
    if (type->kind == TYPE_DECIMAL) {
        int precision = type->precision + 10 > 38 ? 38 : type->precision + 10;
        return average && type->precision <= 11   ? type_simple(TYPE_DOUBLE)
               : !average && type->precision <= 8 ? type_simple(TYPE_LONG)
                                                  : type_decimal(arena, precision, type->scale);
    }
    bool real = average || type->kind == TYPE_FLOAT || type->kind == TYPE_DOUBLE;
    return type_simple(real ? TYPE_DOUBLE : TYPE_LONG);
}

static enum layout layout_of(const struct aggregate_buffer *buffer, const struct aggregate_slot *slot) {
    const struct type *type = slot->call.argument_types[0];
    bool wide = type->kind == TYPE_DECIMAL && type->precision > 8;
    bool empty = wide || (slot->call.try && type_is_integral(type));
    return buffer->layout == LAYOUT_SUM && empty ? LAYOUT_SUM_EMPTY : buffer->layout;
}

size_t aggregate_buffer_fields(const struct aggregate_buffer *buffer, const struct aggregate_slot *slot,
    struct arena *arena, struct type_field *fields) {
    const struct type *const *arguments = slot->call.argument_types;
    const struct type *types[BUFFER_FIELDS_MAX] = {0};
    size_t count = buffer->count;
    switch (layout_of(buffer, slot)) {
    case LAYOUT_SUM_EMPTY:
        count = 2;
        types[1] = type_simple(TYPE_BOOLEAN);
        types[0] = sum_type(slot, arena, false);
        break;
    case LAYOUT_SUM:
        types[0] = sum_type(slot, arena, false);
        break;
    case LAYOUT_AVERAGE:
        types[0] = sum_type(slot, arena, true);
        types[1] = type_simple(TYPE_LONG);
        break;
    case LAYOUT_CHOSEN:
        types[0] = arguments[0];
        types[1] = type_simple(TYPE_BOOLEAN);
        break;
    case LAYOUT_CHOSEN_BY:
        types[0] = arguments[0];
        types[1] = arguments[1];
        break;
    case LAYOUT_DOUBLES:
        for (size_t i = 0; i < count; i++) {
            types[i] = type_simple(TYPE_DOUBLE);
        }
        break;
    case LAYOUT_ARRAY:
        types[0] = type_simple(TYPE_BINARY);
        break;
    case LAYOUT_COUNT_OF_DOUBLES:
        types[0] = type_simple(TYPE_LONG);
        break;
    case LAYOUT_SAVED:
        types[0] = strcmp(buffer->names[0], "count") == 0 ? type_simple(TYPE_LONG) : arguments[0];
        break;
    }
    for (size_t i = 0; i < count; i++) {
        fields[i] = (struct type_field){bytes_from_text(buffer->names[i]), types[i], true, BYTES_NULL};
    }
    return count;
}

/* ---- to the buffer ---- */

static void set_null(struct arena *arena, struct column *column, size_t row) {
    uint8_t *validity = column->validity == NULL ? column_make_nullable(arena, column) : (uint8_t *)column->validity;
    bit_clear(validity, row);
}

static __int128 wide_at(const struct column *column, size_t row) {
    return column->type->kind == TYPE_DECIMAL  ? COLUMN_VALUES(column, __int128)[row]
           : column->type->kind == TYPE_DOUBLE ? (__int128)COLUMN_VALUES(column, double)[row]
                                               : (__int128)COLUMN_VALUES(column, int64_t)[row];
}

/* The number in another of LONG, DOUBLE, DECIMAL; decimals as their unscaled value. */
static void copy_number(struct column *to, const struct column *from, size_t row) {
    if (to->type->kind == TYPE_DECIMAL) {
        COLUMN_VALUES(to, __int128)[row] = wide_at(from, row);
    } else if (to->type->kind == TYPE_LONG) {
        COLUMN_VALUES(to, int64_t)[row] = (int64_t)wide_at(from, row);
    } else {
        COLUMN_VALUES(to, double)
        [row] = from->type->kind == TYPE_DOUBLE ? COLUMN_VALUES(from, double)[row] : (double)wide_at(from, row);
    }
}

/* saved: struct<sum, count, overflow>. */
static bool from_sum(const struct aggregate_slot *slot, struct arena *arena, enum layout layout, struct column *saved,
    struct column **columns) {
    size_t rows = saved->row_count;
    struct column *sum = column_create(arena, sum_type(slot, arena, layout == LAYOUT_AVERAGE), rows);
    const int64_t *counts = COLUMN_VALUES(saved->children[1], int64_t);
    const uint8_t *overflows = COLUMN_VALUES(saved->children[2], uint8_t);
    bool good = true;
    columns[0] = sum;
    if (layout != LAYOUT_SUM) {
        columns[1] = column_create(arena, type_simple(layout == LAYOUT_AVERAGE ? TYPE_LONG : TYPE_BOOLEAN), rows);
    }
    for (size_t i = 0; i < rows; i++) {
        copy_number(sum, saved->children[0], i);
        bool overflow = overflows[i] && (slot->call.ansi || slot->call.try || sum->type->kind == TYPE_DECIMAL);
        good = good && !(overflow && slot->call.ansi);
        if (overflow || (counts[i] == 0 && layout == LAYOUT_SUM)) {
            set_null(arena, sum, i);
        }
        if (layout == LAYOUT_AVERAGE) {
            COLUMN_VALUES(columns[1], int64_t)[i] = counts[i];
        } else if (layout == LAYOUT_SUM_EMPTY) {
            COLUMN_VALUES(columns[1], uint8_t)[i] = counts[i] == 0;
        }
    }
    return good;
}

/* A binary per row: the image of a row whose only column is the array. */
static void from_array(struct arena *arena, struct column *saved, struct column **columns) {
    struct row_images images;
    row_images_encode(arena, &saved, 1, saved->row_count, &images);
    columns[0] = column_create(arena, type_simple(TYPE_BINARY), saved->row_count);
    for (size_t i = 0; i < saved->row_count; i++) {
        struct bytes image = row_images_at(&images, i);
        COLUMN_VALUES(columns[0], struct string_view)[i] = (struct string_view){image.data, (uint32_t)image.size, 0};
    }
}

bool aggregate_buffer_from_saved(const struct aggregate_buffer *buffer, const struct aggregate_slot *slot,
    struct arena *arena, struct column *saved, struct column **columns) {
    enum layout layout = layout_of(buffer, slot);
    switch (layout) {
    case LAYOUT_SAVED:
        columns[0] = saved;
        return true;
    case LAYOUT_SUM:
    case LAYOUT_SUM_EMPTY:
    case LAYOUT_AVERAGE:
        return from_sum(slot, arena, layout, saved, columns);
    case LAYOUT_CHOSEN:
        columns[0] = saved->children[1];
        columns[1] = saved->children[0];
        return true;
    case LAYOUT_CHOSEN_BY:
        columns[0] = saved->children[1];
        columns[1] = saved->children[2];
        return true;
    case LAYOUT_DOUBLES:
        for (size_t i = 0; i < buffer->count; i++) {
            columns[i] = saved->children[i];
        }
        return true;
    case LAYOUT_COUNT_OF_DOUBLES:
        columns[0] = column_create(arena, type_simple(TYPE_LONG), saved->row_count);
        for (size_t i = 0; i < saved->row_count; i++) {
            COLUMN_VALUES(columns[0], int64_t)[i] = (int64_t)COLUMN_VALUES(saved->children[0], double)[i];
        }
        return true;
    case LAYOUT_ARRAY:
        from_array(arena, saved, columns);
        return true;
    }
    return false;
}

/* ---- and back ---- */

static struct column *to_sum(const struct aggregate_slot *slot, struct arena *arena, enum layout layout,
    struct column *const *columns, size_t row_count) {
    struct column *saved = column_create(arena, slot->entry->state_type(&slot->call, arena), row_count);
    for (size_t i = 0; i < row_count; i++) {
        bool null = column_is_null(columns[0], i);
        int64_t count = layout == LAYOUT_AVERAGE ? COLUMN_VALUES(columns[1], int64_t)[i]
                        : layout == LAYOUT_SUM   ? !null
                                                 : !COLUMN_VALUES(columns[1], uint8_t)[i];
        if (!null) {
            copy_number(saved->children[0], columns[0], i);
        }
        COLUMN_VALUES(saved->children[1], int64_t)[i] = count;
        COLUMN_VALUES(saved->children[2], uint8_t)[i] = null && count > 0;
    }
    return saved;
}

static struct column *to_array(
    const struct aggregate_slot *slot, struct arena *arena, const struct column *binary, size_t row_count) {
    const struct type *array = slot->entry->state_type(&slot->call, arena);
    const struct type_field field = {BYTES("array"), array, false, BYTES_NULL};
    struct bytes *images = ARENA_ARRAY(arena, struct bytes, row_count + 1);
    struct column *saved;
    for (size_t i = 0; i < row_count; i++) {
        struct string_view view = COLUMN_VALUES(binary, struct string_view)[i];
        images[i] = bytes_make(view.data, view.size);
    }
    return row_images_decode(arena, type_struct(arena, &field, 1), images, row_count, &saved) ? saved : NULL;
}

struct column *aggregate_buffer_to_saved(const struct aggregate_buffer *buffer, const struct aggregate_slot *slot,
    struct arena *arena, struct column *const *columns, size_t row_count) {
    enum layout layout = layout_of(buffer, slot);
    if (layout == LAYOUT_SAVED) {
        return columns[0];
    }
    if (layout == LAYOUT_SUM || layout == LAYOUT_SUM_EMPTY || layout == LAYOUT_AVERAGE) {
        return to_sum(slot, arena, layout, columns, row_count);
    }
    if (layout == LAYOUT_ARRAY) {
        return to_array(slot, arena, columns[0], row_count);
    }
    struct column *saved = column_create(arena, slot->entry->state_type(&slot->call, arena), row_count);
    if (layout == LAYOUT_CHOSEN) {
        saved->children[0] = columns[1];
        saved->children[1] = columns[0];
    } else if (layout == LAYOUT_CHOSEN_BY) {
        for (size_t i = 0; i < row_count; i++) {
            COLUMN_VALUES(saved->children[0], uint8_t)[i] = !column_is_null(columns[1], i);
        }
        saved->children[1] = columns[0];
        saved->children[2] = columns[1];
    } else if (layout == LAYOUT_COUNT_OF_DOUBLES) {
        for (size_t i = 0; i < row_count; i++) {
            COLUMN_VALUES(saved->children[0], double)[i] = (double)COLUMN_VALUES(columns[0], int64_t)[i];
        }
    } else {
        for (size_t i = 0; i < buffer->count; i++) {
            saved->children[i] = columns[i];
        }
    }
    return saved;
}
