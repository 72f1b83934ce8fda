/* comparison.c: = < <= > >= <=> and the least and greatest of several, in Spark's order: NaN equals itself and is the
 * greatest number, -0.0 equals 0.0, texts compare by unsigned bytes, nested values field by field with nulls first
 * (exec/value.h). */
#include "exec/function.h"
#include "exec/value.h"

#define PLAIN_EQUALS(a, b) ((a) == (b))
#define PLAIN_LESS(a, b) ((a) < (b))
#define FLOAT_EQUALS(a, b) (((a) == (b)) | (((a) != (a)) & ((b) != (b))))
#define FLOAT_LESS(a, b) (((a) < (b)) | (((a) == (a)) & ((b) != (b))))
#define TEXT_EQUALS(a, b) string_view_equal(a, b)
#define TEXT_LESS(a, b) (string_view_compare(a, b) < 0)

#define NAME int8
#define TYPE int8_t
#define EQUALS PLAIN_EQUALS
#define LESS PLAIN_LESS
#include "exec/functions/comparison.inc"
#define NAME boolean
#define TYPE uint8_t
#define EQUALS PLAIN_EQUALS
#define LESS PLAIN_LESS
#include "exec/functions/comparison.inc"
#define NAME int16
#define TYPE int16_t
#define EQUALS PLAIN_EQUALS
#define LESS PLAIN_LESS
#include "exec/functions/comparison.inc"
#define NAME int32
#define TYPE int32_t
#define EQUALS PLAIN_EQUALS
#define LESS PLAIN_LESS
#include "exec/functions/comparison.inc"
#define NAME int64
#define TYPE int64_t
#define EQUALS PLAIN_EQUALS
#define LESS PLAIN_LESS
#include "exec/functions/comparison.inc"
#define NAME float
#define TYPE float
#define EQUALS FLOAT_EQUALS
#define LESS FLOAT_LESS
#include "exec/functions/comparison.inc"
#define NAME double
#define TYPE double
#define EQUALS FLOAT_EQUALS
#define LESS FLOAT_LESS
#include "exec/functions/comparison.inc"
#define NAME int128
#define TYPE __int128
#define EQUALS PLAIN_EQUALS
#define LESS PLAIN_LESS
#include "exec/functions/comparison.inc"
#define NAME text
#define TYPE struct string_view
#define EQUALS TEXT_EQUALS
#define LESS TEXT_LESS
#include "exec/functions/comparison.inc"

/* ---- nested values, and <=> of anything ---- */

enum comparison { EQUAL, LESS_THAN, AT_MOST, GREATER, AT_LEAST, NULL_SAFE };

static bool comparison_holds(enum comparison comparison, int order) {
    switch (comparison) {
    case LESS_THAN:
        return order < 0;
    case AT_MOST:
        return order <= 0;
    case GREATER:
        return order > 0;
    case AT_LEAST:
        return order >= 0;
    default:
        return order == 0;
    }
}

static struct column *compare_rows(
    struct evaluation *evaluation, struct column *const *arguments, enum comparison comparison) {
    struct column *result;
    if (comparison == NULL_SAFE) {
        bool constant = arguments[0]->constant && arguments[1]->constant;
        result = constant ? evaluation_result_constant(evaluation) : evaluation_result(evaluation);
    } else {
        bool all_null;
        result = evaluation_strict_result(evaluation, arguments, 2, &all_null);
        if (all_null) {
            return result;
        }
    }
    for (size_t i = 0; i < result->row_count; i++) {
        if (!column_is_null(result, i)) {
            COLUMN_VALUES(result, uint8_t)
            [i] = comparison_holds(comparison, value_compare(arguments[0], i, arguments[1], i));
        }
    }
    return result;
}

static struct column *kernel_equal_any(struct evaluation *evaluation, struct column *const *arguments) {
    return compare_rows(evaluation, arguments, EQUAL);
}
static struct column *kernel_less_any(struct evaluation *evaluation, struct column *const *arguments) {
    return compare_rows(evaluation, arguments, LESS_THAN);
}
static struct column *kernel_at_most_any(struct evaluation *evaluation, struct column *const *arguments) {
    return compare_rows(evaluation, arguments, AT_MOST);
}
static struct column *kernel_greater_any(struct evaluation *evaluation, struct column *const *arguments) {
    return compare_rows(evaluation, arguments, GREATER);
}
static struct column *kernel_at_least_any(struct evaluation *evaluation, struct column *const *arguments) {
    return compare_rows(evaluation, arguments, AT_LEAST);
}
static struct column *kernel_null_safe_equal(struct evaluation *evaluation, struct column *const *arguments) {
    return compare_rows(evaluation, arguments, NULL_SAFE);
}

/* ---- least, greatest: nulls are skipped ---- */

static struct column *pick(struct evaluation *evaluation, struct column *const *arguments, int sign) {
    size_t count = evaluation->call->argument_count, rows = evaluation->row_count;
    struct arena *arena = evaluation->arena;
    struct column **flat = ARENA_ARRAY(arena, struct column *, count);
    size_t *row_counts = ARENA_ARRAY(arena, size_t, count);
    uint32_t *indexes = ARENA_ARRAY(arena, uint32_t, rows);
    for (size_t i = 0; i < count; i++) {
        flat[i] = column_flatten(arena, arguments[i], rows);
        row_counts[i] = rows;
    }
    for (size_t row = 0; row < rows; row++) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < count; i++) {
            if (!column_is_null(flat[i], row) &&
                (best == SIZE_MAX || sign * value_compare(flat[i], row, flat[best], row) < 0)) {
                best = i;
            }
        }
        indexes[row] = best == SIZE_MAX ? UINT32_MAX : (uint32_t)(best * rows + row);
    }
    return column_take(arena, column_concat(arena, flat, row_counts, count), indexes, rows);
}
static struct column *kernel_least(struct evaluation *evaluation, struct column *const *arguments) {
    return pick(evaluation, arguments, 1);
}
static struct column *kernel_greatest(struct evaluation *evaluation, struct column *const *arguments) {
    return pick(evaluation, arguments, -1);
}

#define ROW(name, kind, kernel)                                                                                        \
    { name, {kind, kind}, 2, KERNEL_NEVER_FAILS, kernel }
#define ROWS(name, kernel)                                                                                             \
    ROW(name, TYPE_BOOLEAN, kernel##_boolean), ROW(name, TYPE_BYTE, kernel##_int8),                                    \
        ROW(name, TYPE_SHORT, kernel##_int16), ROW(name, TYPE_INTEGER, kernel##_int32),                                \
        ROW(name, TYPE_DATE, kernel##_int32), ROW(name, TYPE_YEAR_MONTH_INTERVAL, kernel##_int32),                     \
        ROW(name, TYPE_LONG, kernel##_int64), ROW(name, TYPE_TIMESTAMP, kernel##_int64),                               \
        ROW(name, TYPE_TIMESTAMP_NTZ, kernel##_int64), ROW(name, TYPE_DAY_TIME_INTERVAL, kernel##_int64),              \
        ROW(name, TYPE_FLOAT, kernel##_float), ROW(name, TYPE_DOUBLE, kernel##_double),                                \
        ROW(name, TYPE_DECIMAL, kernel##_int128), ROW(name, TYPE_STRING, kernel##_text),                               \
        ROW(name, TYPE_BINARY, kernel##_text), ROW(name, KERNEL_ANY, kernel##_any)

static const struct kernel_entry entries[] = {
    ROWS("equal", kernel_equal),
    ROWS("less", kernel_less),
    ROWS("less_or_equal", kernel_at_most),
    ROWS("greater", kernel_greater),
    ROWS("greater_or_equal", kernel_at_least),
    ROW("equal_null_safe", KERNEL_ANY, kernel_null_safe_equal),
    {"least", {KERNEL_ANY, KERNEL_ANY}, 2, KERNEL_VARIADIC | KERNEL_NEVER_FAILS, kernel_least},
    {"greatest", {KERNEL_ANY, KERNEL_ANY}, 2, KERNEL_VARIADIC | KERNEL_NEVER_FAILS, kernel_greatest},
};
const struct kernel_family kernel_family_comparison = KERNEL_FAMILY(entries);
