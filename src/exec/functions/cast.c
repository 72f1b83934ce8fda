/* cast.c: casts from and to text, of nested values, and the choice of a cast's kernel. */
#include "exec/functions/cast.h"

#include "column/text.h"
#include "exec/program.h"

/* ---- errors ---- */

bool cast_invalid(struct evaluation *evaluation, struct bytes text) {
    if (!evaluation->call->ansi || evaluation->failed) {
        return false;
    }
    struct arena *arena = evaluation->error->arena;
    return evaluation_failed(evaluation,
        raise_cast_invalid_input(evaluation->error, quote_text(arena, text),
            quote_type(arena, evaluation->call->argument_types[0]), quote_type(arena, evaluation->call->result_type)));
}

bool cast_overflow(struct evaluation *evaluation, const char *value) {
    if (!evaluation->call->ansi || evaluation->failed) {
        return false;
    }
    struct arena *arena = evaluation->error->arena;
    return evaluation_failed(evaluation,
        raise_cast_overflow(evaluation->error, arena_strdup(arena, value),
            quote_type(arena, evaluation->call->argument_types[0]), quote_type(arena, evaluation->call->result_type)));
}

bool cast_out_of_range(struct evaluation *evaluation, const char *value) {
    if (!evaluation->call->ansi || evaluation->failed) {
        return false;
    }
    struct arena *arena = evaluation->error->arena;
    const struct type *type = evaluation->call->result_type;
    return evaluation_failed(
        evaluation, raise_numeric_value_out_of_range_with_suggestion(evaluation->error, arena_strdup(arena, value),
                        arena_printf(arena, "%d", type->precision), arena_printf(arena, "%d", type->scale),
                        quote_config(arena, "spark.sql.ansi.enabled")));
}

/* ---- from text ---- */

static struct bytes bytes_of(struct string_view view) {
    return bytes_make(view.data, view.size);
}

/* Without ANSI "12.7" is 12. */
static struct bytes without_fraction(struct bytes text) {
    size_t point = bytes_find(text, '.', 0);
    if (point == SIZE_MAX) {
        return text;
    }
    struct bytes rest = bytes_trim(bytes_slice(text, point + 1, text.size - point - 1));
    for (size_t i = 0; i < rest.size; i++) {
        if (rest.data[i] < '0' || rest.data[i] > '9') {
            return text;
        }
    }
    return point == 0 ? BYTES("0") : bytes_slice(text, 0, point);
}

static bool text_to_integral(struct evaluation *evaluation, struct string_view view, int64_t minimum, int64_t *result) {
    struct bytes text = bytes_of(view);
    if (!evaluation->call->ansi && !evaluation->call->try) {
        text = without_fraction(text);
    }
    return (value_parse_long(text, result) && *result >= minimum && *result <= -(minimum + 1)) ||
           cast_invalid(evaluation, bytes_of(view));
}
static bool text_to_byte(struct evaluation *evaluation, struct string_view text, int8_t *result) {
    int64_t value = 0;
    bool done = text_to_integral(evaluation, text, INT8_MIN, &value);
    *result = (int8_t)value;
    return done;
}
static bool text_to_short(struct evaluation *evaluation, struct string_view text, int16_t *result) {
    int64_t value = 0;
    bool done = text_to_integral(evaluation, text, INT16_MIN, &value);
    *result = (int16_t)value;
    return done;
}
static bool text_to_integer(struct evaluation *evaluation, struct string_view text, int32_t *result) {
    int64_t value = 0;
    bool done = text_to_integral(evaluation, text, INT32_MIN, &value);
    *result = (int32_t)value;
    return done;
}
static bool text_to_long(struct evaluation *evaluation, struct string_view text, int64_t *result) {
    return text_to_integral(evaluation, text, INT64_MIN, result);
}
static bool text_to_double(struct evaluation *evaluation, struct string_view text, double *result) {
    return value_parse_double(bytes_of(text), result) || cast_invalid(evaluation, bytes_of(text));
}
static bool text_to_float(struct evaluation *evaluation, struct string_view text, float *result) {
    double value = 0;
    bool done = text_to_double(evaluation, text, &value);
    *result = (float)value;
    return done;
}
static bool text_to_boolean(struct evaluation *evaluation, struct string_view text, uint8_t *result) {
    bool value = false;
    bool done = value_parse_boolean(bytes_of(text), &value) || cast_invalid(evaluation, bytes_of(text));
    *result = value;
    return done;
}
static bool text_to_decimal(struct evaluation *evaluation, struct string_view text, __int128 *result) {
    const struct type *type = evaluation->call->result_type;
    if (value_parse_decimal(bytes_of(text), type->precision, type->scale, result)) {
        return true;
    }
    double number;
    if (value_parse_double(bytes_of(text), &number) && number - number == 0) {
        return cast_out_of_range(evaluation, arena_text(evaluation->arena, bytes_of(text)));
    }
    return cast_invalid(evaluation, bytes_of(text));
}
static bool text_to_date(struct evaluation *evaluation, struct string_view text, int32_t *result) {
    return value_parse_date(bytes_of(text), result) || cast_invalid(evaluation, bytes_of(text));
}
static bool text_to_timestamp(struct evaluation *evaluation, struct string_view text, int64_t *result) {
    return value_parse_timestamp(bytes_of(text), evaluation->settings->zone, result) ||
           cast_invalid(evaluation, bytes_of(text));
}
static bool text_to_local(struct evaluation *evaluation, struct string_view text, int64_t *result) {
    return value_parse_timestamp_ntz(bytes_of(text), result) || cast_invalid(evaluation, bytes_of(text));
}

#define KERNEL kernel_text_to_byte
#define LEFT struct string_view
#define RESULT int8_t
#define COMPUTE text_to_byte
#include "exec/kernel1.inc"
#define KERNEL kernel_text_to_short
#define LEFT struct string_view
#define RESULT int16_t
#define COMPUTE text_to_short
#include "exec/kernel1.inc"
#define KERNEL kernel_text_to_integer
#define LEFT struct string_view
#define RESULT int32_t
#define COMPUTE text_to_integer
#include "exec/kernel1.inc"
#define KERNEL kernel_text_to_long
#define LEFT struct string_view
#define RESULT int64_t
#define COMPUTE text_to_long
#include "exec/kernel1.inc"
#define KERNEL kernel_text_to_double
#define LEFT struct string_view
#define RESULT double
#define COMPUTE text_to_double
#include "exec/kernel1.inc"
#define KERNEL kernel_text_to_float
#define LEFT struct string_view
#define RESULT float
#define COMPUTE text_to_float
#include "exec/kernel1.inc"
#define KERNEL kernel_text_to_boolean
#define LEFT struct string_view
#define RESULT uint8_t
#define COMPUTE text_to_boolean
#include "exec/kernel1.inc"
#define KERNEL kernel_text_to_decimal
#define LEFT struct string_view
#define RESULT __int128
#define COMPUTE text_to_decimal
#include "exec/kernel1.inc"
#define KERNEL kernel_text_to_date
#define LEFT struct string_view
#define RESULT int32_t
#define COMPUTE text_to_date
#include "exec/kernel1.inc"
#define KERNEL kernel_text_to_timestamp
#define LEFT struct string_view
#define RESULT int64_t
#define COMPUTE text_to_timestamp
#include "exec/kernel1.inc"
#define KERNEL kernel_text_to_local
#define LEFT struct string_view
#define RESULT int64_t
#define COMPUTE text_to_local
#include "exec/kernel1.inc"

/* ---- to text ---- */

/* Bytes of all rows go to one buffer, then at once to the arena. */
static struct column *kernel_to_text(struct evaluation *evaluation, struct column *const *arguments) {
    bool all_null;
    struct column *result = evaluation_strict_result(evaluation, arguments, 1, &all_null);
    if (all_null) {
        return result;
    }
    struct text_style style = {.zone = evaluation->settings->zone};
    struct string_view *views = result->values;
    struct buffer text = {0};
    for (size_t i = 0; i < result->row_count; i++) {
        size_t start = text.size;
        if (!column_is_null(result, i)) {
            value_format_styled(arguments[0], i, &style, &text);
        }
        views[i].size = (uint32_t)(text.size - start);
    }
    const uint8_t *data = arena_copy(evaluation->arena, buffer_view(&text)).data;
    for (size_t i = 0; i < result->row_count; i++) {
        views[i].data = data;
        data += views[i].size;
    }
    buffer_free(&text);
    return result;
}

/* The same values under another type: text and bytes, intervals of other fields, char and varchar. */
static struct column *kernel_same(struct evaluation *evaluation, struct column *const *arguments) {
    struct column *result = ARENA_NEW(evaluation->arena, struct column);
    *result = *arguments[0];
    result->type = evaluation->call->result_type;
    return result;
}

static struct column *kernel_null(struct evaluation *evaluation, struct column *const *arguments) {
    return evaluation_result_null(evaluation);
}

/* ---- nested ---- */

struct nested_cast {
    struct kernel_call *children;
};

static struct column *cast_child(struct evaluation *evaluation, const struct kernel_call *call, struct column *child) {
    if (call->entry == NULL) {
        return child;
    }
    struct evaluation inner = *evaluation;
    inner.call = call;
    inner.row_count = child->row_count;
    struct column *result = call->entry->kernel(&inner, &child);
    evaluation->failed = inner.failed;
    return inner.failed ? NULL : column_flatten(evaluation->arena, result, child->row_count);
}

/* A struct's child rows below a null struct are not looked at: their validity is the parent's too. */
static struct column *masked(struct evaluation *evaluation, const struct column *parent, struct column *child) {
    if (parent->validity == NULL || parent->type->kind != TYPE_STRUCT || child->type->kind == TYPE_NULL) {
        return child;
    }
    struct column *copy = ARENA_NEW(evaluation->arena, struct column);
    *copy = *child;
    uint8_t *bits = ARENA_ARRAY(evaluation->arena, uint8_t, bitmap_size(parent->row_count));
    memcpy(bits, parent->validity, (parent->row_count + 7) / 8);
    for (size_t i = 0; i < (parent->row_count + 7) / 8 && child->validity != NULL; i++) {
        bits[i] &= child->validity[i];
    }
    copy->validity = bits;
    return copy;
}

static struct column *kernel_nested(struct evaluation *evaluation, struct column *const *arguments) {
    const struct nested_cast *nested = evaluation->call->state;
    struct column *result = ARENA_NEW(evaluation->arena, struct column);
    *result = *arguments[0];
    result->type = evaluation->call->result_type;
    result->children = ARENA_ARRAY(evaluation->arena, struct column *, result->child_count);
    for (size_t i = 0; i < result->child_count; i++) {
        struct column *child = masked(evaluation, arguments[0], arguments[0]->children[i]);
        result->children[i] = cast_child(evaluation, &nested->children[i], child);
        if (result->children[i] == NULL) {
            return NULL;
        }
    }
    return result;
}

#define ROW(from, to, kernel)                                                                                          \
    { "cast", {from, to}, 2, 0, kernel }
#define SAFE(from, to, kernel)                                                                                         \
    { "cast", {from, to}, 2, KERNEL_NEVER_FAILS, kernel }
static const struct kernel_entry entries[] = {
    SAFE(TYPE_NULL, KERNEL_ANY, kernel_null),
    ROW(TYPE_STRING, TYPE_BYTE, kernel_text_to_byte),
    ROW(TYPE_STRING, TYPE_SHORT, kernel_text_to_short),
    ROW(TYPE_STRING, TYPE_INTEGER, kernel_text_to_integer),
    ROW(TYPE_STRING, TYPE_LONG, kernel_text_to_long),
    ROW(TYPE_STRING, TYPE_FLOAT, kernel_text_to_float),
    ROW(TYPE_STRING, TYPE_DOUBLE, kernel_text_to_double),
    ROW(TYPE_STRING, TYPE_DECIMAL, kernel_text_to_decimal),
    ROW(TYPE_STRING, TYPE_BOOLEAN, kernel_text_to_boolean),
    ROW(TYPE_STRING, TYPE_DATE, kernel_text_to_date),
    ROW(TYPE_STRING, TYPE_TIMESTAMP, kernel_text_to_timestamp),
    ROW(TYPE_STRING, TYPE_TIMESTAMP_NTZ, kernel_text_to_local),
    SAFE(TYPE_STRING, TYPE_BINARY, kernel_same),
    SAFE(TYPE_STRING, TYPE_STRING, kernel_same),
    SAFE(TYPE_BINARY, TYPE_STRING, kernel_same),
    SAFE(TYPE_YEAR_MONTH_INTERVAL, TYPE_YEAR_MONTH_INTERVAL, kernel_same),
    SAFE(TYPE_DAY_TIME_INTERVAL, TYPE_DAY_TIME_INTERVAL, kernel_same),
    SAFE(KERNEL_ANY, TYPE_STRING, kernel_to_text),
};
static const struct kernel_entry nested_entry = ROW(KERNEL_ANY, KERNEL_ANY, kernel_nested);

static const struct kernel_entry *find_in(
    const struct kernel_entry *table, size_t count, enum type_kind from, enum type_kind to) {
    for (size_t i = 0; i < count; i++) {
        if ((table[i].kinds[0] == from || table[i].kinds[0] == KERNEL_ANY) &&
            (table[i].kinds[1] == to || table[i].kinds[1] == KERNEL_ANY)) {
            return &table[i];
        }
    }
    return NULL;
}

static bool prepare_nested(struct kernel_call *call, struct arena *arena, const struct type *from,
    const struct type *to, enum cast_mode mode) {
    size_t count = from->kind == TYPE_STRUCT ? from->field_count : from->kind == TYPE_MAP ? 2 : 1;
    if (from->kind == TYPE_STRUCT && from->field_count != to->field_count) {
        return false;
    }
    struct nested_cast *nested = ARENA_NEW(arena, struct nested_cast);
    nested->children = ARENA_ARRAY(arena, struct kernel_call, count);
    for (size_t i = 0; i < count; i++) {
        const struct type *child_from = type_child(from, i), *child_to = type_child(to, i);
        nested->children[i] = *call;
        nested->children[i].entry = NULL;
        if (type_equal_ignoring_nullability(child_from, child_to)) {
            continue;
        }
        const struct type **types = ARENA_ARRAY(arena, const struct type *, 1);
        types[0] = child_from;
        nested->children[i].argument_types = types;
        nested->children[i].result_type = child_to;
        if (!cast_prepare(&nested->children[i], arena, child_from, child_to, mode)) {
            return false;
        }
    }
    call->state = nested;
    call->entry = &nested_entry;
    return true;
}

bool cast_prepare(struct kernel_call *call, struct arena *arena, const struct type *from, const struct type *to,
    enum cast_mode mode) {
    call->ansi = mode == CAST_ANSI;
    call->try = mode == CAST_TRY;
    if (from->kind == to->kind && from->kind >= TYPE_ARRAY) {
        return prepare_nested(call, arena, from, to, mode);
    }
    call->entry = find_in(entries, ARRAY_COUNT(entries), from->kind, to->kind);
    if (call->entry == NULL) {
        call->entry = find_in(kernel_family_cast_number.entries, kernel_family_cast_number.count, from->kind, to->kind);
    }
    return call->entry != NULL;
}
