/* arithmetic.c: + - * / % div pmod, signs and abs of integers and floats. An overflow is an error under ANSI, null for
 * try_ forms, else it wraps. Decimals are in decimal.c. */
#include <math.h>
#include "exec/function.h"

static __attribute__((noinline, cold)) bool negate_overflow(struct evaluation *evaluation) {
    if (!evaluation->call->ansi) {
        return !evaluation->call->try;
    }
    enum type_kind kind = evaluation->call->argument_types[0]->kind;
    const char *what = kind == TYPE_LONG      ? "long"
                       : kind == TYPE_INTEGER ? "integer"
                       : kind == TYPE_SHORT   ? "short"
                                              : "byte";
    return evaluation_overflow(evaluation, what, NULL);
}

static __attribute__((noinline, cold)) bool remainder_by_zero(struct evaluation *evaluation) {
    if (!evaluation->call->ansi) {
        return false;
    }
    return evaluation_failed(evaluation,
        raise_remainder_by_zero(evaluation->error, quote_config(evaluation->error->arena, "spark.sql.ansi.enabled")));
}

static __attribute__((noinline, cold)) bool wide_overflow(
    struct evaluation *evaluation, const char *what, const char *alternative) {
    return evaluation->call->ansi ? evaluation_overflow(evaluation, what, alternative) : !evaluation->call->try;
}

static __attribute__((noinline, cold)) bool narrow_overflow(
    struct evaluation *evaluation, int left, const char *symbol, int right, char suffix, const char *alternative) {
    if (!evaluation->call->ansi) {
        return !evaluation->call->try;
    }
    struct arena *arena = evaluation->error->arena;
    return evaluation_failed(
        evaluation, raise_binary_arithmetic_overflow(evaluation->error, arena_printf(arena, "%d%c", left, suffix),
                        symbol, arena_printf(arena, "%d%c", right, suffix), arena_printf(arena, "`%s`", alternative)));
}

#define OVERFLOW_BYTE(evaluation, left, symbol, right, function)                                                       \
    narrow_overflow(evaluation, left, symbol, right, 'Y', function)
#define OVERFLOW_SHORT(evaluation, left, symbol, right, function)                                                      \
    narrow_overflow(evaluation, left, symbol, right, 'S', function)
#define OVERFLOW_INTEGER(evaluation, left, symbol, right, function) wide_overflow(evaluation, "integer", function)
#define OVERFLOW_LONG(evaluation, left, symbol, right, function) wide_overflow(evaluation, "long", function)

#define NAME byte
#define TYPE int8_t
#define UNSIGNED uint8_t
#define TYPE_MIN INT8_MIN
#define OVERFLOW OVERFLOW_BYTE
#include "exec/functions/arithmetic_integer.inc"
#define NAME short
#define TYPE int16_t
#define UNSIGNED uint16_t
#define TYPE_MIN INT16_MIN
#define OVERFLOW OVERFLOW_SHORT
#include "exec/functions/arithmetic_integer.inc"
#define NAME integer
#define TYPE int32_t
#define UNSIGNED uint32_t
#define TYPE_MIN INT32_MIN
#define OVERFLOW OVERFLOW_INTEGER
#include "exec/functions/arithmetic_integer.inc"
#define NAME long
#define TYPE int64_t
#define UNSIGNED uint64_t
#define TYPE_MIN INT64_MIN
#define OVERFLOW OVERFLOW_LONG
#include "exec/functions/arithmetic_integer.inc"
#define NAME float
#define TYPE float
#define REMAINDER fmodf
#include "exec/functions/arithmetic_float.inc"
#define NAME double
#define TYPE double
#define REMAINDER fmod
#include "exec/functions/arithmetic_float.inc"

static inline bool divide_whole_long(struct evaluation *evaluation, int64_t left, int64_t right, int64_t *result) {
    if (right == 0) {
        return evaluation_divide_by_zero(evaluation);
    }
    if (left == INT64_MIN && right == -1) {
        *result = INT64_MIN;
        return wide_overflow(evaluation, "long", "try_divide");
    }
    *result = left / right;
    return true;
}
#define KERNEL kernel_integral_divide
#define LEFT int64_t
#define RIGHT int64_t
#define RESULT int64_t
#define COMPUTE divide_whole_long
#include "exec/kernel2.inc"

static struct column *kernel_positive(struct evaluation *evaluation, struct column *const *arguments) {
    return arguments[0];
}

#define BINARY_ROWS(name, kernel)                                                                                      \
    {name, {TYPE_BYTE, TYPE_BYTE}, 2, 0, kernel##_byte}, {name, {TYPE_SHORT, TYPE_SHORT}, 2, 0, kernel##_short},       \
        {name, {TYPE_INTEGER, TYPE_INTEGER}, 2, 0, kernel##_integer},                                                  \
        {name, {TYPE_LONG, TYPE_LONG}, 2, 0, kernel##_long}, {name, {TYPE_FLOAT, TYPE_FLOAT}, 2, 0, kernel##_float}, { \
        name, {TYPE_DOUBLE, TYPE_DOUBLE}, 2, 0, kernel##_double                                                        \
    }
#define UNARY_ROWS(name, kernel)                                                                                       \
    {name, {TYPE_BYTE}, 1, 0, kernel##_byte}, {name, {TYPE_SHORT}, 1, 0, kernel##_short},                              \
        {name, {TYPE_INTEGER}, 1, 0, kernel##_integer}, {name, {TYPE_LONG}, 1, 0, kernel##_long},                      \
        {name, {TYPE_FLOAT}, 1, 0, kernel##_float}, {                                                                  \
        name, {TYPE_DOUBLE}, 1, 0, kernel##_double                                                                     \
    }

static const struct kernel_entry entries[] = {
    BINARY_ROWS("plus", kernel_add),
    BINARY_ROWS("minus", kernel_subtract),
    BINARY_ROWS("times", kernel_multiply),
    BINARY_ROWS("remainder", kernel_remainder),
    BINARY_ROWS("pmod", kernel_pmod),
    UNARY_ROWS("negate", kernel_negate),
    UNARY_ROWS("abs", kernel_absolute),
    {"divide", {TYPE_FLOAT, TYPE_FLOAT}, 2, 0, kernel_divide_float},
    {"divide", {TYPE_DOUBLE, TYPE_DOUBLE}, 2, 0, kernel_divide_double},
    {"integral_divide", {TYPE_LONG, TYPE_LONG}, 2, 0, kernel_integral_divide},
    {"positive", {KERNEL_ANY}, 1, KERNEL_NEVER_FAILS, kernel_positive},
};
const struct kernel_family kernel_family_arithmetic = KERNEL_FAMILY(entries);
