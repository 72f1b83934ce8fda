/* decimal.c: + - * / % of decimals. Arguments keep their own scales; the plan gives the result's precision and scale.
 * */
#include "exec/functions/decimal.h"

#include <stdlib.h>
#include "column/text.h"
#include "exec/function.h"

#define TEN19 ((__int128)UINT64_C(10000000000000000000))
const __int128 decimal_powers[39] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    INT64_C(10000000000),
    INT64_C(100000000000),
    INT64_C(1000000000000),
    INT64_C(10000000000000),
    INT64_C(100000000000000),
    INT64_C(1000000000000000),
    INT64_C(10000000000000000),
    INT64_C(100000000000000000),
    INT64_C(1000000000000000000),
    TEN19,
    TEN19 * 10,
    TEN19 * 100,
    TEN19 * 1000,
    TEN19 * 10000,
    TEN19 * 100000,
    TEN19 * 1000000,
    TEN19 * 10000000,
    TEN19 * 100000000,
    TEN19 * 1000000000,
    TEN19 *INT64_C(10000000000),
    TEN19 *INT64_C(100000000000),
    TEN19 *INT64_C(1000000000000),
    TEN19 *INT64_C(10000000000000),
    TEN19 *INT64_C(100000000000000),
    TEN19 *INT64_C(1000000000000000),
    TEN19 *INT64_C(10000000000000000),
    TEN19 *INT64_C(100000000000000000),
    TEN19 *INT64_C(1000000000000000000),
    TEN19 *TEN19,
};

typedef unsigned __int128 wide;
struct wider { /* 256 bits */
    wide high, low;
};

static wide magnitude(__int128 value) {
    return value < 0 ? -(wide)value : (wide)value;
}

static struct wider multiply_wide(wide left, wide right) {
    uint64_t a0 = (uint64_t)left, a1 = (uint64_t)(left >> 64), b0 = (uint64_t)right, b1 = (uint64_t)(right >> 64);
    wide low = (wide)a0 * b0, middle1 = (wide)a0 * b1, middle2 = (wide)a1 * b0, high = (wide)a1 * b1;
    wide carry = (low >> 64) + (uint64_t)middle1 + (uint64_t)middle2;
    return (struct wider){high + (middle1 >> 64) + (middle2 >> 64) + (carry >> 64), carry << 64 | (uint64_t)low};
}

/* Quotient and remainder; false when the quotient passes 128 bits. */
static bool divide_wide(struct wider left, wide right, wide *quotient, wide *rest) {
    if (left.high == 0) {
        *quotient = left.low / right;
        *rest = left.low % right;
        return true;
    }
    if (left.high >= right) {
        return false;
    }
    wide remainder = left.high, result = 0;
    for (int i = 127; i >= 0; i--) {
        bool carry = remainder >> 127;
        remainder = remainder << 1 | (left.low >> i & 1);
        result <<= 1;
        if (carry || remainder >= right) {
            remainder -= right;
            result |= 1;
        }
    }
    *quotient = result;
    *rest = remainder;
    return true;
}

/* left / right rounded half up, with the sign, checked. */
static bool finish_division(struct wider left, wide right, bool negative, int precision, __int128 *result) {
    wide quotient, rest;
    if (!divide_wide(left, right, &quotient, &rest)) {
        return false;
    }
    quotient += rest >= right - rest;
    if (quotient >= (wide)decimal_powers[precision]) {
        return false;
    }
    *result = negative ? -(__int128)quotient : (__int128)quotient;
    return true;
}

/* value × 10^exponent, exponent from -76 to 76. */
static bool scale_by(struct wider value, int exponent, bool negative, int precision, __int128 *result) {
    while (exponent < -38) {
        wide quotient, rest;
        if (!divide_wide(value, (wide)decimal_powers[38], &quotient, &rest)) {
            return false;
        }
        value = (struct wider){0, quotient};
        exponent += 38;
    }
    if (exponent <= 0) {
        return finish_division(value, (wide)decimal_powers[-exponent], negative, precision, result);
    }
    if (value.high == 0 && value.low == 0) {
        *result = 0;
        return true;
    }
    if (value.high != 0 || exponent > 38) {
        return false;
    }
    value = multiply_wide(value.low, (wide)decimal_powers[exponent]);
    return finish_division(value, 1, negative, precision, result);
}

bool decimal_rescale(__int128 value, int from_scale, int precision, int scale, __int128 *result) {
    if (from_scale == scale) {
        *result = value;
        return decimal_fits(value, precision);
    }
    return scale_by((struct wider){0, magnitude(value)}, scale - from_scale, value < 0, precision, result);
}

bool decimal_add(
    __int128 left, int left_scale, __int128 right, int right_scale, int precision, int scale, __int128 *result) {
    int common = left_scale > right_scale ? left_scale : right_scale;
    __int128 a, b, sum;
    if (__builtin_mul_overflow(left, decimal_powers[common - left_scale], &a) ||
        __builtin_mul_overflow(right, decimal_powers[common - right_scale], &b) || __builtin_add_overflow(a, b, &sum)) {
        return false;
    }
    return decimal_rescale(sum, common, precision, scale, result);
}

bool decimal_multiply(
    __int128 left, int left_scale, __int128 right, int right_scale, int precision, int scale, __int128 *result) {
    return scale_by(multiply_wide(magnitude(left), magnitude(right)), scale - left_scale - right_scale,
        (left < 0) != (right < 0), precision, result);
}

bool decimal_divide(
    __int128 left, int left_scale, __int128 right, int right_scale, int precision, int scale, __int128 *result) {
    int exponent = scale - left_scale + right_scale;
    bool negative = (left < 0) != (right < 0);
    wide divisor = magnitude(right);
    struct wider dividend = {0, magnitude(left)};
    if (exponent < 0) {
        struct wider wider_divisor = multiply_wide(divisor, (wide)decimal_powers[-exponent]);
        if (wider_divisor.high != 0) {
            *result = 0;
            return true;
        }
        divisor = wider_divisor.low;
    } else if (exponent <= 38) {
        dividend = multiply_wide(dividend.low, (wide)decimal_powers[exponent]);
    } else {
        return false;
    }
    return finish_division(dividend, divisor, negative, precision, result);
}

bool decimal_remainder(
    __int128 left, int left_scale, __int128 right, int right_scale, int precision, int scale, __int128 *result) {
    int common = left_scale > right_scale ? left_scale : right_scale;
    __int128 a, b;
    if (__builtin_mul_overflow(left, decimal_powers[common - left_scale], &a) ||
        __builtin_mul_overflow(right, decimal_powers[common - right_scale], &b)) {
        return false;
    }
    return decimal_rescale(a % b, common, precision, scale, result);
}

double decimal_to_double(__int128 value, int scale) {
    if (value < INT64_C(9007199254740992) && value > -INT64_C(9007199254740992) && scale <= 22) {
        return (double)(int64_t)value / (double)decimal_powers[scale];
    }
    struct buffer text = {0};
    decimal_format(value, scale, &text);
    double result = strtod(buffer_text(&text), NULL);
    buffer_free(&text);
    return result;
}

/* ---- kernels ---- */

static __attribute__((noinline, cold)) bool out_of_range(struct evaluation *evaluation) {
    const struct type *type = evaluation->call->result_type;
    if (!evaluation->call->ansi || evaluation->failed) {
        return false;
    }
    struct arena *arena = evaluation->error->arena;
    return evaluation_failed(
        evaluation, raise_numeric_value_out_of_range_with_suggestion(evaluation->error, "The result of the operation",
                        arena_printf(arena, "%d", type->precision), arena_printf(arena, "%d", type->scale),
                        quote_config(arena, "spark.sql.ansi.enabled")));
}

#define LEFT_SCALE evaluation->call->argument_types[0]->scale
#define RIGHT_SCALE evaluation->call->argument_types[1]->scale
#define RESULT_TYPE evaluation->call->result_type->precision, evaluation->call->result_type->scale

static inline bool add(struct evaluation *evaluation, __int128 left, __int128 right, __int128 *result) {
    return decimal_add(left, LEFT_SCALE, right, RIGHT_SCALE, RESULT_TYPE, result) || out_of_range(evaluation);
}
static inline bool subtract(struct evaluation *evaluation, __int128 left, __int128 right, __int128 *result) {
    return decimal_add(left, LEFT_SCALE, -right, RIGHT_SCALE, RESULT_TYPE, result) || out_of_range(evaluation);
}
static inline bool multiply(struct evaluation *evaluation, __int128 left, __int128 right, __int128 *result) {
    return decimal_multiply(left, LEFT_SCALE, right, RIGHT_SCALE, RESULT_TYPE, result) || out_of_range(evaluation);
}
static inline bool divide(struct evaluation *evaluation, __int128 left, __int128 right, __int128 *result) {
    if (right == 0) {
        return evaluation_divide_by_zero(evaluation);
    }
    return decimal_divide(left, LEFT_SCALE, right, RIGHT_SCALE, RESULT_TYPE, result) || out_of_range(evaluation);
}
static bool by_zero(struct evaluation *evaluation) {
    return evaluation->call->ansi &&
           evaluation_failed(evaluation, raise_remainder_by_zero(evaluation->error,
                                             quote_config(evaluation->error->arena, "spark.sql.ansi.enabled")));
}
static inline bool rest(struct evaluation *evaluation, __int128 left, __int128 right, __int128 *result) {
    if (right == 0) {
        return by_zero(evaluation);
    }
    return decimal_remainder(left, LEFT_SCALE, right, RIGHT_SCALE, RESULT_TYPE, result) || out_of_range(evaluation);
}
static inline bool positive_rest(struct evaluation *evaluation, __int128 left, __int128 right, __int128 *result) {
    if (!rest(evaluation, left, right, result)) {
        return false;
    }
    if (*result < 0) {
        __int128 sum;
        return (decimal_add(*result, evaluation->call->result_type->scale, right, RIGHT_SCALE, RESULT_TYPE, &sum) &&
                   decimal_remainder(
                       sum, evaluation->call->result_type->scale, right, RIGHT_SCALE, RESULT_TYPE, result)) ||
               out_of_range(evaluation);
    }
    return true;
}
static inline bool whole(struct evaluation *evaluation, __int128 left, __int128 right, int64_t *result) {
    if (right == 0) {
        return evaluation_divide_by_zero(evaluation);
    }
    int common = LEFT_SCALE > RIGHT_SCALE ? LEFT_SCALE : RIGHT_SCALE;
    __int128 a, b;
    if (__builtin_mul_overflow(left, decimal_powers[common - LEFT_SCALE], &a) ||
        __builtin_mul_overflow(right, decimal_powers[common - RIGHT_SCALE], &b)) {
        return evaluation_overflow(evaluation, "long", "try_divide");
    }
    __int128 quotient = a / b;
    *result = (int64_t)quotient;
    return quotient == *result || evaluation_overflow(evaluation, "long", "try_divide");
}
static inline bool negate(struct evaluation *evaluation, __int128 value, __int128 *result) {
    *result = -value;
    return true;
}
static inline bool absolute(struct evaluation *evaluation, __int128 value, __int128 *result) {
    *result = value < 0 ? -value : value;
    return true;
}

#define KERNEL kernel_add
#define LEFT __int128
#define RIGHT __int128
#define RESULT __int128
#define COMPUTE add
#include "exec/kernel2.inc"
#define KERNEL kernel_subtract
#define LEFT __int128
#define RIGHT __int128
#define RESULT __int128
#define COMPUTE subtract
#include "exec/kernel2.inc"
#define KERNEL kernel_multiply
#define LEFT __int128
#define RIGHT __int128
#define RESULT __int128
#define COMPUTE multiply
#include "exec/kernel2.inc"
#define KERNEL kernel_divide
#define LEFT __int128
#define RIGHT __int128
#define RESULT __int128
#define COMPUTE divide
#include "exec/kernel2.inc"
#define KERNEL kernel_remainder
#define LEFT __int128
#define RIGHT __int128
#define RESULT __int128
#define COMPUTE rest
#include "exec/kernel2.inc"
#define KERNEL kernel_pmod
#define LEFT __int128
#define RIGHT __int128
#define RESULT __int128
#define COMPUTE positive_rest
#include "exec/kernel2.inc"
#define KERNEL kernel_whole
#define LEFT __int128
#define RIGHT __int128
#define RESULT int64_t
#define COMPUTE whole
#include "exec/kernel2.inc"
#define KERNEL kernel_negate
#define LEFT __int128
#define RESULT __int128
#define COMPUTE negate
#include "exec/kernel1.inc"
#define KERNEL kernel_absolute
#define LEFT __int128
#define RESULT __int128
#define COMPUTE absolute
#include "exec/kernel1.inc"

#define BINARY(name, kernel)                                                                                           \
    { name, {TYPE_DECIMAL, TYPE_DECIMAL}, 2, 0, kernel }
static const struct kernel_entry entries[] = {
    BINARY("plus", kernel_add),
    BINARY("minus", kernel_subtract),
    BINARY("times", kernel_multiply),
    BINARY("divide", kernel_divide),
    BINARY("remainder", kernel_remainder),
    BINARY("pmod", kernel_pmod),
    BINARY("integral_divide", kernel_whole),
    {"negate", {TYPE_DECIMAL}, 1, KERNEL_NEVER_FAILS, kernel_negate},
    {"abs", {TYPE_DECIMAL}, 1, KERNEL_NEVER_FAILS, kernel_absolute},
};
const struct kernel_family kernel_family_decimal = KERNEL_FAMILY(entries);
