/* cast_number.c: casts between numbers, booleans and timestamps. */
#include <math.h>
#include <stdio.h>
#include "column/text.h"
#include "exec/functions/cast.h"
#include "exec/functions/decimal.h"

enum { SECOND_US = 1000000 };

static __attribute__((noinline, cold)) bool overflow_integer(struct evaluation *evaluation, int64_t value) {
    static const char *const suffixes[TYPE_KIND_COUNT] = {[TYPE_BYTE] = "Y", [TYPE_SHORT] = "S", [TYPE_LONG] = "L"};
    const char *suffix = suffixes[evaluation->call->argument_types[0]->kind];
    char text[40];
    snprintf(text, sizeof text, "%lld%s", (long long)value, suffix == NULL ? "" : suffix);
    return cast_overflow(evaluation, text);
}

static __attribute__((noinline, cold)) bool overflow_float(struct evaluation *evaluation, double value) {
    struct buffer text = {0};
    if (evaluation->call->argument_types[0]->kind == TYPE_FLOAT) {
        buffer_append_text(&text, "CAST('");
        float_format((float)value, &text);
        buffer_append_text(&text, "' AS FLOAT)");
    } else {
        double_format(value, &text);
        buffer_append_byte(&text, 'D');
    }
    bool result = cast_overflow(evaluation, buffer_text(&text));
    buffer_free(&text);
    return result;
}

static __attribute__((noinline, cold)) bool overflow_decimal(
    struct evaluation *evaluation, __int128 value, int scale, bool range) {
    struct buffer text = {0};
    decimal_format(value, scale, &text);
    if (!range) {
        buffer_append_text(&text, "BD");
    }
    bool result =
        range ? cast_out_of_range(evaluation, buffer_text(&text)) : cast_overflow(evaluation, buffer_text(&text));
    buffer_free(&text);
    return result;
}

/* Without ANSI integers wrap, as Java's; try gives null. */
#define INTEGER_TO_INTEGER(evaluation, from, value, to, result)                                                        \
    (*(result) = (to)(value), (from) * (result) == (value) ||                                                          \
                                  (!(evaluation)->call->ansi && !(evaluation)->call->try) ||                           \
                                  overflow_integer(evaluation, (int64_t)(value)))
#define TO_FLOAT(evaluation, from, value, to, result) (*(result) = (to)(value), true)
#define TO_BOOLEAN(evaluation, from, value, to, result) (*(result) = (value) != 0, true)
#define INTEGER_TO_DECIMAL(evaluation, from, value, to, result)                                                        \
    (decimal_rescale((__int128)(value), 0, (evaluation)->call->result_type->precision,                                 \
         (evaluation)->call->result_type->scale, result) ||                                                            \
        overflow_decimal(evaluation, (__int128)(value), 0, true))
#define INTEGER_TO_TIMESTAMP(evaluation, from, value, to, result) (*(result) = seconds_to_us((int64_t)(value)), true)
#define FLOAT_TO_INTEGER(evaluation, from, value, to, result)                                                          \
    float_to_integer(                                                                                                  \
        evaluation, (double)(value), sizeof(to) == 4 ? (double)INT32_MIN : (double)INT64_MIN, sizeof(to) == 4, result)
#define FLOAT_TO_SMALL(evaluation, from, value, to, result)                                                            \
    float_to_small(evaluation, (double)(value), sizeof(to) == 1 ? INT8_MIN : INT16_MIN, result)
#define FLOAT_TO_DECIMAL(evaluation, from, value, to, result) float_to_decimal(evaluation, (double)(value), result)
#define FLOAT_TO_TIMESTAMP(evaluation, from, value, to, result) float_to_timestamp(evaluation, (double)(value), result)

/* Saturates, as java.util.concurrent.TimeUnit does. */
static inline int64_t seconds_to_us(int64_t seconds) {
    int64_t result;
    if (__builtin_mul_overflow(seconds, SECOND_US, &result)) {
        return seconds < 0 ? INT64_MIN : INT64_MAX;
    }
    return result;
}

/* Java's (long) of a double: saturating, NaN is 0. */
static int64_t saturate(double value, double minimum, bool narrow) {
    if (value != value) {
        return 0;
    }
    if (value <= minimum) {
        return narrow ? INT32_MIN : INT64_MIN;
    }
    if (value >= -minimum) {
        return narrow ? INT32_MAX : INT64_MAX;
    }
    int64_t whole = (int64_t)value;
    return narrow && whole > INT32_MAX ? INT32_MAX : whole;
}

static inline bool in_range(double value, double minimum) {
    double maximum = minimum < -1e18 ? -minimum : -minimum - 1;
    return floor(value) <= maximum && ceil(value) >= minimum;
}

#define float_to_integer(evaluation, value, minimum, narrow, result)                                                   \
    (*(result) = (__typeof__(*(result)))saturate(value, minimum, narrow),                                              \
        in_range(value, minimum) || (!(evaluation)->call->ansi && !(evaluation)->call->try) ||                         \
            overflow_float(evaluation, value))
#define float_to_small(evaluation, value, minimum, result)                                                             \
    (*(result) = (__typeof__(*(result)))saturate(value, (double)INT32_MIN, true),                                      \
        in_range(value, (double)(minimum)) || (!(evaluation)->call->ansi && !(evaluation)->call->try) ||               \
            overflow_float(evaluation, value))

static bool float_to_decimal(struct evaluation *evaluation, double value, __int128 *result) {
    const struct type *type = evaluation->call->result_type;
    struct buffer text = {0};
    if (evaluation->call->argument_types[0]->kind == TYPE_FLOAT) {
        float_format((float)value, &text);
    } else {
        double_format(value, &text);
    }
    bool fits = value_parse_decimal(buffer_view(&text), type->precision, type->scale, result);
    if (!fits) {
        fits = isfinite(value) ? cast_out_of_range(evaluation, buffer_text(&text)) : false;
    }
    buffer_free(&text);
    return fits;
}

static bool float_to_timestamp(struct evaluation *evaluation, double value, int64_t *result) {
    if (!isfinite(value)) {
        return false;
    }
    *result = saturate(value * SECOND_US, (double)INT64_MIN, false);
    return true;
}

#define FROM_NAME byte
#define FROM int8_t
#include "exec/functions/cast_from_integer.inc"
#define FROM_NAME short
#define FROM int16_t
#include "exec/functions/cast_from_integer.inc"
#define FROM_NAME integer
#define FROM int32_t
#include "exec/functions/cast_from_integer.inc"
#define FROM_NAME long
#define FROM int64_t
#include "exec/functions/cast_from_integer.inc"
#define FROM_NAME boolean
#define FROM uint8_t
#include "exec/functions/cast_from_integer.inc"
#define FROM_NAME float
#define FROM float
#include "exec/functions/cast_from_float.inc"
#define FROM_NAME double
#define FROM double
#include "exec/functions/cast_from_float.inc"

/* ---- decimal ---- */

#define DECIMAL_SCALE evaluation->call->argument_types[0]->scale

static bool whole_of_decimal(struct evaluation *evaluation, __int128 value, int64_t minimum, int64_t *result) {
    __int128 whole = value / decimal_powers[DECIMAL_SCALE];
    *result = (int64_t)whole;
    bool fits = whole >= minimum && whole <= -(__int128)minimum - 1;
    return fits || (!evaluation->call->ansi && !evaluation->call->try) ||
           overflow_decimal(evaluation, value, DECIMAL_SCALE, false);
}
static bool decimal_to_decimal(struct evaluation *evaluation, __int128 value, __int128 *result) {
    const struct type *type = evaluation->call->result_type;
    return decimal_rescale(value, DECIMAL_SCALE, type->precision, type->scale, result) ||
           overflow_decimal(evaluation, value, DECIMAL_SCALE, true);
}
static inline bool decimal_as_double(struct evaluation *evaluation, __int128 value, double *result) {
    *result = decimal_to_double(value, DECIMAL_SCALE);
    return true;
}
static inline bool decimal_as_float(struct evaluation *evaluation, __int128 value, float *result) {
    *result = (float)decimal_to_double(value, DECIMAL_SCALE);
    return true;
}
static inline bool decimal_as_boolean(struct evaluation *evaluation, __int128 value, uint8_t *result) {
    *result = value != 0;
    return true;
}
static inline bool decimal_as_timestamp(struct evaluation *evaluation, __int128 value, int64_t *result) {
    *result = (int64_t)(value * SECOND_US / decimal_powers[DECIMAL_SCALE]);
    return true;
}
static bool decimal_as_byte(struct evaluation *evaluation, __int128 value, int8_t *result) {
    int64_t whole;
    bool done = whole_of_decimal(evaluation, value, INT8_MIN, &whole);
    *result = (int8_t)whole;
    return done;
}
static bool decimal_as_short(struct evaluation *evaluation, __int128 value, int16_t *result) {
    int64_t whole;
    bool done = whole_of_decimal(evaluation, value, INT16_MIN, &whole);
    *result = (int16_t)whole;
    return done;
}
static bool decimal_as_integer(struct evaluation *evaluation, __int128 value, int32_t *result) {
    int64_t whole;
    bool done = whole_of_decimal(evaluation, value, INT32_MIN, &whole);
    *result = (int32_t)whole;
    return done;
}
static bool decimal_as_long(struct evaluation *evaluation, __int128 value, int64_t *result) {
    return whole_of_decimal(evaluation, value, INT64_MIN, result);
}

#define KERNEL kernel_decimal_to_decimal
#define LEFT __int128
#define RESULT __int128
#define COMPUTE decimal_to_decimal
#include "exec/kernel1.inc"
#define KERNEL kernel_decimal_to_double
#define LEFT __int128
#define RESULT double
#define COMPUTE decimal_as_double
#include "exec/kernel1.inc"
#define KERNEL kernel_decimal_to_float
#define LEFT __int128
#define RESULT float
#define COMPUTE decimal_as_float
#include "exec/kernel1.inc"
#define KERNEL kernel_decimal_to_boolean
#define LEFT __int128
#define RESULT uint8_t
#define COMPUTE decimal_as_boolean
#include "exec/kernel1.inc"
#define KERNEL kernel_decimal_to_timestamp
#define LEFT __int128
#define RESULT int64_t
#define COMPUTE decimal_as_timestamp
#include "exec/kernel1.inc"
#define KERNEL kernel_decimal_to_byte
#define LEFT __int128
#define RESULT int8_t
#define COMPUTE decimal_as_byte
#include "exec/kernel1.inc"
#define KERNEL kernel_decimal_to_short
#define LEFT __int128
#define RESULT int16_t
#define COMPUTE decimal_as_short
#include "exec/kernel1.inc"
#define KERNEL kernel_decimal_to_integer
#define LEFT __int128
#define RESULT int32_t
#define COMPUTE decimal_as_integer
#include "exec/kernel1.inc"
#define KERNEL kernel_decimal_to_long
#define LEFT __int128
#define RESULT int64_t
#define COMPUTE decimal_as_long
#include "exec/kernel1.inc"

/* ---- timestamps and dates ---- */

static int64_t floor_divide(int64_t value, int64_t by) {
    return value / by - (value % by < 0);
}
#define DAY_US INT64_C(86400000000)

static inline bool timestamp_as_long(struct evaluation *evaluation, int64_t value, int64_t *result) {
    *result = floor_divide(value, SECOND_US);
    return true;
}
static inline bool timestamp_as_integer(struct evaluation *evaluation, int64_t value, int32_t *result) {
    int64_t seconds = floor_divide(value, SECOND_US);
    *result = (int32_t)seconds;
    return *result == seconds || (!evaluation->call->ansi && !evaluation->call->try) ||
           overflow_integer(evaluation, seconds);
}
static inline bool timestamp_as_double(struct evaluation *evaluation, int64_t value, double *result) {
    *result = (double)value / SECOND_US;
    return true;
}
static inline bool timestamp_as_float(struct evaluation *evaluation, int64_t value, float *result) {
    *result = (float)((double)value / SECOND_US);
    return true;
}
static inline bool timestamp_as_decimal(struct evaluation *evaluation, int64_t value, __int128 *result) {
    const struct type *type = evaluation->call->result_type;
    return decimal_rescale(value, 6, type->precision, type->scale, result) ||
           overflow_decimal(evaluation, value, 6, true);
}
static inline bool timestamp_as_date(struct evaluation *evaluation, int64_t value, int32_t *result) {
    *result = (int32_t)floor_divide(timezone_to_local(evaluation->settings->zone, value), DAY_US);
    return true;
}
static inline bool local_as_date(struct evaluation *evaluation, int64_t value, int32_t *result) {
    *result = (int32_t)floor_divide(value, DAY_US);
    return true;
}
static inline bool date_as_local(struct evaluation *evaluation, int32_t value, int64_t *result) {
    return !__builtin_mul_overflow((int64_t)value, DAY_US, result) || evaluation_overflow(evaluation, "long", NULL);
}
static inline bool date_as_timestamp(struct evaluation *evaluation, int32_t value, int64_t *result) {
    if (!date_as_local(evaluation, value, result)) {
        return false;
    }
    *result = timezone_to_utc(evaluation->settings->zone, *result);
    return true;
}
static inline bool timestamp_as_local(struct evaluation *evaluation, int64_t value, int64_t *result) {
    *result = timezone_to_local(evaluation->settings->zone, value);
    return true;
}
static inline bool local_as_timestamp(struct evaluation *evaluation, int64_t value, int64_t *result) {
    *result = timezone_to_utc(evaluation->settings->zone, value);
    return true;
}

#define KERNEL kernel_timestamp_to_long
#define LEFT int64_t
#define RESULT int64_t
#define COMPUTE timestamp_as_long
#include "exec/kernel1.inc"
#define KERNEL kernel_timestamp_to_integer
#define LEFT int64_t
#define RESULT int32_t
#define COMPUTE timestamp_as_integer
#include "exec/kernel1.inc"
#define KERNEL kernel_timestamp_to_double
#define LEFT int64_t
#define RESULT double
#define COMPUTE timestamp_as_double
#include "exec/kernel1.inc"
#define KERNEL kernel_timestamp_to_float
#define LEFT int64_t
#define RESULT float
#define COMPUTE timestamp_as_float
#include "exec/kernel1.inc"
#define KERNEL kernel_timestamp_to_decimal
#define LEFT int64_t
#define RESULT __int128
#define COMPUTE timestamp_as_decimal
#include "exec/kernel1.inc"
#define KERNEL kernel_timestamp_to_date
#define LEFT int64_t
#define RESULT int32_t
#define COMPUTE timestamp_as_date
#include "exec/kernel1.inc"
#define KERNEL kernel_local_to_date
#define LEFT int64_t
#define RESULT int32_t
#define COMPUTE local_as_date
#include "exec/kernel1.inc"
#define KERNEL kernel_date_to_local
#define LEFT int32_t
#define RESULT int64_t
#define COMPUTE date_as_local
#include "exec/kernel1.inc"
#define KERNEL kernel_date_to_timestamp
#define LEFT int32_t
#define RESULT int64_t
#define COMPUTE date_as_timestamp
#include "exec/kernel1.inc"
#define KERNEL kernel_timestamp_to_local
#define LEFT int64_t
#define RESULT int64_t
#define COMPUTE timestamp_as_local
#include "exec/kernel1.inc"
#define KERNEL kernel_local_to_timestamp
#define LEFT int64_t
#define RESULT int64_t
#define COMPUTE local_as_timestamp
#include "exec/kernel1.inc"

#define ROW(from, to, kernel)                                                                                          \
    { "cast", {from, to}, 2, 0, kernel }
#define SAFE(from, to, kernel)                                                                                         \
    { "cast", {from, to}, 2, KERNEL_NEVER_FAILS, kernel }
#define ROWS(kind, name)                                                                                               \
    ROW(kind, TYPE_BYTE, kernel_##name##_to_byte), ROW(kind, TYPE_SHORT, kernel_##name##_to_short),                    \
        ROW(kind, TYPE_INTEGER, kernel_##name##_to_integer), ROW(kind, TYPE_LONG, kernel_##name##_to_long),            \
        SAFE(kind, TYPE_FLOAT, kernel_##name##_to_float), SAFE(kind, TYPE_DOUBLE, kernel_##name##_to_double),          \
        ROW(kind, TYPE_DECIMAL, kernel_##name##_to_decimal), SAFE(kind, TYPE_BOOLEAN, kernel_##name##_to_boolean),     \
        SAFE(kind, TYPE_TIMESTAMP, kernel_##name##_to_timestamp)

static const struct kernel_entry entries[] = {
    SAFE(TYPE_BYTE, TYPE_SHORT, kernel_byte_to_short),
    SAFE(TYPE_BYTE, TYPE_INTEGER, kernel_byte_to_integer),
    SAFE(TYPE_BYTE, TYPE_LONG, kernel_byte_to_long),
    SAFE(TYPE_SHORT, TYPE_INTEGER, kernel_short_to_integer),
    SAFE(TYPE_SHORT, TYPE_LONG, kernel_short_to_long),
    SAFE(TYPE_INTEGER, TYPE_LONG, kernel_integer_to_long),
    ROWS(TYPE_BYTE, byte),
    ROWS(TYPE_SHORT, short),
    ROWS(TYPE_INTEGER, integer),
    ROWS(TYPE_LONG, long),
    ROWS(TYPE_BOOLEAN, boolean),
    ROWS(TYPE_FLOAT, float),
    ROWS(TYPE_DOUBLE, double),
    ROWS(TYPE_DECIMAL, decimal),
    SAFE(TYPE_TIMESTAMP, TYPE_LONG, kernel_timestamp_to_long),
    ROW(TYPE_TIMESTAMP, TYPE_INTEGER, kernel_timestamp_to_integer),
    SAFE(TYPE_TIMESTAMP, TYPE_DOUBLE, kernel_timestamp_to_double),
    SAFE(TYPE_TIMESTAMP, TYPE_FLOAT, kernel_timestamp_to_float),
    ROW(TYPE_TIMESTAMP, TYPE_DECIMAL, kernel_timestamp_to_decimal),
    SAFE(TYPE_TIMESTAMP, TYPE_DATE, kernel_timestamp_to_date),
    SAFE(TYPE_TIMESTAMP, TYPE_TIMESTAMP_NTZ, kernel_timestamp_to_local),
    SAFE(TYPE_TIMESTAMP_NTZ, TYPE_TIMESTAMP, kernel_local_to_timestamp),
    SAFE(TYPE_TIMESTAMP_NTZ, TYPE_DATE, kernel_local_to_date),
    ROW(TYPE_DATE, TYPE_TIMESTAMP_NTZ, kernel_date_to_local),
    ROW(TYPE_DATE, TYPE_TIMESTAMP, kernel_date_to_timestamp),
};
const struct kernel_family kernel_family_cast_number = KERNEL_FAMILY(entries);
