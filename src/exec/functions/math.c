/* math.c: mathematical functions. Those of one or two doubles are libm's, found by name; rounding is decimal, as
 * Spark's is: half up or half even on the shortest decimal form of the value. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>

#include "column/text.h"
#include "exec/functions/rows.h"
#include "exec/random.h"

/* ---- Functions of doubles ---- */

static double cotangent(double x) {
    return 1 / tan(x);
}
static double cosecant(double x) {
    return 1 / sin(x);
}
static double secant(double x) {
    return 1 / cos(x);
}
static double degrees(double x) {
    return x * (180.0 / M_PI);
}
static double radians(double x) {
    return x * (M_PI / 180.0);
}
/* libm's result may be off by one place: one Newton step makes cubes exact. */
static double cube_root(double x) {
    double root = cbrt(x), square = root * root;
    return x == 0 || !isfinite(x) ? root : root - (square * root - x) / (3 * square);
}
static double sign(double x) {
    return x > 0 ? 1 : x < 0 ? -1 : x;
}

static const struct unary {
    const char *name;
    double (*function)(double);
    double above; /* null at or below, where `bounded` */
    bool bounded;
} unaries[] = {
    {"acos", acos},
    {"acosh", acosh},
    {"asin", asin},
    {"asinh", asinh},
    {"atan", atan},
    {"atanh", atanh},
    {"cbrt", cube_root},
    {"cos", cos},
    {"cosh", cosh},
    {"cot", cotangent},
    {"csc", cosecant},
    {"degrees", degrees},
    {"exp", exp},
    {"expm1", expm1},
    {"radians", radians},
    {"rint", rint},
    {"sec", secant},
    {"sign", sign},
    {"sin", sin},
    {"sinh", sinh},
    {"sqrt", sqrt},
    {"tan", tan},
    {"tanh", tanh},
    {"ln", log, 0, true},
    {"log", log, 0, true},
    {"log10", log10, 0, true},
    {"log2", log2, 0, true},
    {"log1p", log1p, -1, true},
};

static bool prepare_unary(struct kernel_call *call, struct arena *arena, struct sql_error *error) {
    for (size_t i = 0; i < ARRAY_COUNT(unaries); i++)
        if (strcmp(unaries[i].name, call->entry->name) == 0)
            call->state = (void *)(uintptr_t)&unaries[i];
    ASSERT(call->state != NULL);
    return true;
}

static bool unary(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    const struct unary *unary_function = evaluation->call->state;
    double value = DOUBLE_AT(0);
    if (unary_function->bounded && !(value > unary_function->above))
        return false;
    *(double *)out = unary_function->function(value);
    return true;
}
ROW_KERNEL(unary)

static bool power(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    *(double *)out = pow(DOUBLE_AT(0), DOUBLE_AT(1));
    return true;
}
ROW_KERNEL(power)

static bool arc_tangent(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    *(double *)out = atan2(DOUBLE_AT(0) + 0.0, DOUBLE_AT(1) + 0.0);
    return true;
}
ROW_KERNEL(arc_tangent)

static bool hypotenuse(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    *(double *)out = hypot(DOUBLE_AT(0), DOUBLE_AT(1));
    return true;
}
ROW_KERNEL(hypotenuse)

static bool logarithm(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    double base = DOUBLE_AT(0), value = DOUBLE_AT(1);
    if (!(base > 0) || !(value > 0))
        return false;
    *(double *)out = log(value) / log(base);
    return true;
}
ROW_KERNEL(logarithm)

static bool constant_e(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    *(double *)out = M_E;
    return true;
}
ROW_KERNEL(constant_e)

static bool constant_pi(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    *(double *)out = M_PI;
    return true;
}
ROW_KERNEL(constant_pi)

/* ---- Rounding ---- */

static int64_t integer_at(const struct column *column, size_t row) {
    switch (column->type->kind) {
    case TYPE_BYTE:
        return COLUMN_AT(column, int8_t, row);
    case TYPE_SHORT:
        return COLUMN_AT(column, int16_t, row);
    case TYPE_INTEGER:
        return COLUMN_AT(column, int32_t, row);
    default:
        return COLUMN_AT(column, int64_t, row);
    }
}

static bool put_integer(const struct type *type, __int128 value, void *out) {
    switch (type->kind) {
    case TYPE_BYTE:
        *(int8_t *)out = (int8_t)value;
        return value == (int8_t)value;
    case TYPE_SHORT:
        *(int16_t *)out = (int16_t)value;
        return value == (int16_t)value;
    case TYPE_INTEGER:
        *(int32_t *)out = (int32_t)value;
        return value == (int32_t)value;
    default:
        *(int64_t *)out = (int64_t)value;
        return value == (int64_t)value;
    }
}

enum rounding { ROUND_HALF_UP, ROUND_HALF_EVEN, ROUND_FLOOR, ROUND_CEILING };

/* value / 10^digits, rounded. */
static __int128 divide_rounded(__int128 value, int digits, enum rounding rounding) {
    if (digits > 38)
        return rounding == ROUND_FLOOR && value < 0 ? -1 : rounding == ROUND_CEILING && value > 0;
    __int128 unit = 1;
    for (int i = 0; i < digits; i++)
        unit *= 10;
    __int128 whole = value / unit, rest = value % unit, twice = (rest < 0 ? -rest : rest);
    bool negative = value < 0, up = false;
    switch (rounding) {
    case ROUND_HALF_UP:
        up = twice >= unit - twice && rest != 0;
        break;
    case ROUND_HALF_EVEN:
        up = twice > unit - twice || (twice == unit - twice && rest != 0 && whole % 2 != 0);
        break;
    case ROUND_FLOOR:
        up = negative && rest != 0;
        break;
    case ROUND_CEILING:
        up = !negative && rest != 0;
        break;
    }
    return up ? whole + (negative ? -1 : 1) : whole;
}

static enum rounding rounding_of(const struct kernel_call *call) {
    const char *name = call->entry->name;
    return name[0] == 'r'   ? ROUND_HALF_UP
           : name[0] == 'b' ? ROUND_HALF_EVEN
           : name[0] == 'f' ? ROUND_FLOOR
                            : ROUND_CEILING;
}

static bool round_integer(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    int64_t value = integer_at(arguments[0], row);
    int32_t digits = INT_AT(1);
    __int128 rounded = value;
    if (digits < 0) {
        rounded = digits < -19 ? 0 : divide_rounded(value, -digits, rounding_of(evaluation->call));
        for (int32_t i = digits; i < 0 && digits >= -19; i++)
            rounded *= 10;
    }
    static const char *const names[] = {
        [TYPE_BYTE] = "byte", [TYPE_SHORT] = "short", [TYPE_INTEGER] = "integer", [TYPE_LONG] = "long"};
    return put_integer(evaluation->call->result_type, rounded, out) ||
           evaluation_overflow(evaluation, names[arguments[0]->type->kind], NULL);
}
ROW_KERNEL(round_integer)

/* The result's scale is what the analyzer found: fewer digits, or 0 when rounding left of the point. */
static bool round_decimal(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    __int128 value = COLUMN_AT(arguments[0], __int128, row);
    int scale = arguments[0]->type->scale, digits = evaluation->call->argument_count > 1 ? INT_AT(1) : 0;
    enum rounding rounding = rounding_of(evaluation->call);
    if (digits >= scale)
        digits = scale;
    __int128 rounded = divide_rounded(value, scale - digits, rounding);
    for (int i = digits; i < 0; i++)
        rounded *= 10;
    *(__int128 *)out = rounded;
    __int128 limit = 1;
    for (int i = 0; i < evaluation->call->result_type->precision; i++)
        limit *= 10;
    return rounded > -limit && rounded < limit;
}
ROW_KERNEL(round_decimal)

/* Rounds the digits of the shortest decimal form: 2.5 is exactly 2.5, whatever its binary neighbours. */
static double round_text(double value, int32_t digits, enum rounding rounding, bool single) {
    if (!isfinite(value) || digits > 340 || value == 0)
        return value;
    struct buffer text = {0};
    if (single)
        float_format((float)value, &text);
    else
        double_format(value, &text);
    char kept[64];
    size_t count = 0;
    int point = -1;
    int64_t exponent = 0;
    for (size_t i = 0; i < text.size && count < sizeof kept - 1; i++) {
        uint8_t byte = text.data[i];
        if (byte == '.')
            point = (int)count;
        else if (byte == 'E' && bytes_to_int64(bytes_make(text.data + i + 1, text.size - i - 1), &exponent))
            break;
        else if (isdigit(byte))
            kept[count++] = (char)byte;
    }
    buffer_free(&text);
    __int128 unscaled = 0;
    for (size_t i = 0; i < count; i++)
        unscaled = unscaled * 10 + (kept[i] - '0');
    /* value = unscaled × 10^-scale */
    int64_t scale = (int64_t)count - (point < 0 ? (int64_t)count : point) - exponent;
    if (digits >= scale)
        return value;
    __int128 rounded = divide_rounded(value < 0 ? -unscaled : unscaled, (int)(scale - digits), rounding);
    char out[80];
    struct buffer form = {0};
    decimal_format(rounded, 0, &form);
    snprintf(out, sizeof out, "%.*sE%d", (int)form.size, (const char *)form.data, -digits);
    buffer_free(&form);
    double result = value;
    bytes_to_double(bytes_from_text(out), &result);
    return result;
}

static bool round_double(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    *(double *)out = round_text(DOUBLE_AT(0), INT_AT(1), rounding_of(evaluation->call), false);
    return true;
}
ROW_KERNEL(round_double)

static bool round_float(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    *(float *)out =
        (float)round_text(COLUMN_AT(arguments[0], float, row), INT_AT(1), rounding_of(evaluation->call), true);
    return true;
}
ROW_KERNEL(round_float)

static bool whole_of_double(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    double value = arguments[0]->type->kind == TYPE_FLOAT ? (double)COLUMN_AT(arguments[0], float, row) : DOUBLE_AT(0);
    value = rounding_of(evaluation->call) == ROUND_FLOOR ? floor(value) : ceil(value);
    *(int64_t *)out = isnan(value) ? 0 : value >= 0x1p63 ? INT64_MAX : value < -0x1p63 ? INT64_MIN : (int64_t)value;
    return true;
}
ROW_KERNEL(whole_of_double)

static bool whole_of_long(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    *(int64_t *)out = LONG_AT(0);
    return true;
}
ROW_KERNEL(whole_of_long)

/* ---- Integers ---- */

static bool factorial(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    int32_t value = INT_AT(0);
    int64_t result = 1;
    for (int32_t i = 2; i <= value && value <= 20; i++)
        result *= i;
    *(int64_t *)out = result;
    return value >= 0 && value <= 20;
}
ROW_KERNEL(factorial)

static bool binary_digits(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    uint64_t value = (uint64_t)LONG_AT(0);
    char digits[64];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + (value & 1));
    } while ((value >>= 1) != 0);
    *(struct string_view *)out = evaluation_string(evaluation, digits + at, sizeof digits - at);
    return true;
}
ROW_KERNEL(binary_digits)

static bool bit_get_at(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    static const int sizes[] = {[TYPE_BYTE] = 8, [TYPE_SHORT] = 16, [TYPE_INTEGER] = 32, [TYPE_LONG] = 64};
    int32_t position = INT_AT(1);
    int size = sizes[arguments[0]->type->kind];
    if (position < 0 || position >= size) {
        struct arena *arena = evaluation->error->arena;
        return evaluation_failed(
            evaluation, raise_invalid_parameter_value_bit_position_range(evaluation->error, "`pos`", "`bit_get`",
                            arena_printf(arena, "%d", size), arena_printf(arena, "%d", position)));
    }
    *(int8_t *)out = (int8_t)(integer_at(arguments[0], row) >> position & 1);
    return true;
}
ROW_KERNEL(bit_get_at)

static int digit_value(uint8_t byte) {
    return isdigit(byte) ? byte - '0' : isalpha(byte) ? tolower(byte) - 'a' + 10 : 99;
}

/* Digits of base `from` (2..36) in base `to`; a negative `to` takes the number as signed. */
static bool convert_base(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct bytes text = bytes_trim(string_view_bytes(TEXT_AT(0)));
    int from = INT_AT(1), to = INT_AT(2), base = to < 0 ? -to : to;
    if (from < 2 || from > 36 || base < 2 || base > 36 || text.size == 0)
        return false;
    bool negative = text.data[0] == '-';
    uint64_t value = 0;
    for (size_t i = negative; i < text.size && digit_value(text.data[i]) < from; i++) {
        uint64_t scaled;
        if (__builtin_mul_overflow(value, (uint64_t)from, &scaled) ||
            __builtin_add_overflow(scaled, (uint64_t)digit_value(text.data[i]), &value)) {
            if (evaluation->call->ansi)
                return evaluation_overflow(evaluation, "conv", NULL);
            value = UINT64_MAX;
            break;
        }
    }
    if (negative && to > 0)
        value = (int64_t)value < 0 ? UINT64_MAX : 0 - value;
    bool minus = false;
    if (to < 0 && (int64_t)value < 0) {
        value = 0 - value;
        minus = true;
    }
    minus = to < 0 ? minus || negative : false;
    char digits[66];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[value % (uint64_t)base];
    } while ((value /= (uint64_t)base) != 0);
    if (minus)
        digits[--at] = '-';
    *(struct string_view *)out = evaluation_string(evaluation, digits + at, sizeof digits - at);
    return true;
}
ROW_KERNEL(convert_base)

static bool width_bucket(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    double value = DOUBLE_AT(0), low = DOUBLE_AT(1), high = DOUBLE_AT(2);
    int64_t buckets = LONG_AT(3);
    if (buckets <= 0 || buckets == INT64_MAX || isnan(value) || low == high || !isfinite(low) || !isfinite(high))
        return false;
    double from = low < high ? low : high, until = low < high ? high : low;
    int64_t bucket;
    if (low < high)
        bucket = value < from     ? 0
                 : value >= until ? buckets + 1
                                  : (int64_t)((double)buckets * (value - from) / (until - from)) + 1;
    else
        bucket = value > until   ? 0
                 : value <= from ? buckets + 1
                                 : (int64_t)((double)buckets * (until - value) / (until - from)) + 1;
    *(int64_t *)out = bucket;
    return true;
}
ROW_KERNEL(width_bucket)

/* ---- Random numbers: Spark's generator, seeded per partition ---- */

static struct column *random_column(struct evaluation *evaluation, struct column *const *arguments, bool normal) {
    int64_t seed = (int64_t)evaluation->settings->random_seed;
    if (evaluation->call->argument_count > 0 && !column_is_null(arguments[0], 0))
        seed = COLUMN_AT(arguments[0], int64_t, 0);
    struct xorshift random = xorshift_make(seed + evaluation->partition);
    struct column *result = evaluation_result(evaluation);
    /* Batches of one partition go on where the one before stopped. */
    for (int64_t skip = 0; skip < evaluation->first_row; skip++)
        normal ? xorshift_next_gaussian(&random) : xorshift_next_double(&random);
    for (size_t row = 0; row < evaluation->row_count; row++)
        COLUMN_VALUES(result, double)[row] = normal ? xorshift_next_gaussian(&random) : xorshift_next_double(&random);
    return result;
}

static struct column *kernel_rand(struct evaluation *evaluation, struct column *const *arguments) {
    return random_column(evaluation, arguments, false);
}

static struct column *kernel_randn(struct evaluation *evaluation, struct column *const *arguments) {
    return random_column(evaluation, arguments, true);
}

#define D TYPE_DOUBLE
#define I TYPE_INTEGER
#define L TYPE_LONG
#define SAFE KERNEL_NEVER_FAILS
#define UNARY(name)                                                                                                    \
    { name, {D}, 1, SAFE, kernel_unary, prepare_unary }
#define ROUND(name)                                                                                                    \
    {name, {TYPE_BYTE, I}, 2, 0, kernel_round_integer}, {name, {TYPE_SHORT, I}, 2, 0, kernel_round_integer},           \
        {name, {I, I}, 2, 0, kernel_round_integer}, {name, {L, I}, 2, 0, kernel_round_integer},                        \
        {name, {D, I}, 2, SAFE, kernel_round_double}, {name, {TYPE_FLOAT, I}, 2, SAFE, kernel_round_float}, {          \
        name, {TYPE_DECIMAL, I}, 2, SAFE, kernel_round_decimal                                                         \
    }
#define WHOLE(name)                                                                                                    \
    {name, {D}, 1, SAFE, kernel_whole_of_double}, {name, {TYPE_FLOAT}, 1, SAFE, kernel_whole_of_double},               \
        {name, {L}, 1, SAFE, kernel_whole_of_long}, {name, {TYPE_DECIMAL}, 1, SAFE, kernel_round_decimal}, {           \
        name, {TYPE_DECIMAL, I}, 2, SAFE, kernel_round_decimal                                                         \
    }
static const struct kernel_entry entries[] = {
    UNARY("acos"),
    UNARY("acosh"),
    UNARY("asin"),
    UNARY("asinh"),
    UNARY("atan"),
    UNARY("atanh"),
    UNARY("cbrt"),
    UNARY("cos"),
    UNARY("cosh"),
    UNARY("cot"),
    UNARY("csc"),
    UNARY("degrees"),
    UNARY("exp"),
    UNARY("expm1"),
    UNARY("radians"),
    UNARY("rint"),
    UNARY("sec"),
    UNARY("sign"),
    UNARY("sin"),
    UNARY("sinh"),
    UNARY("sqrt"),
    UNARY("tan"),
    UNARY("tanh"),
    UNARY("ln"),
    UNARY("log"),
    UNARY("log10"),
    UNARY("log2"),
    UNARY("log1p"),
    {"log", {D, D}, 2, SAFE, kernel_logarithm},
    {"pow", {D, D}, 2, SAFE, kernel_power},
    {"atan2", {D, D}, 2, SAFE, kernel_arc_tangent},
    {"hypot", {D, D}, 2, SAFE, kernel_hypotenuse},
    {"e", {0}, 0, SAFE, kernel_constant_e},
    {"pi", {0}, 0, SAFE, kernel_constant_pi},
    ROUND("round"),
    ROUND("bround"),
    WHOLE("ceil"),
    WHOLE("floor"),
    {"factorial", {I}, 1, SAFE, kernel_factorial},
    {"bin", {L}, 1, SAFE, kernel_binary_digits},
    {"bit_get", {TYPE_BYTE, I}, 2, 0, kernel_bit_get_at},
    {"bit_get", {TYPE_SHORT, I}, 2, 0, kernel_bit_get_at},
    {"bit_get", {I, I}, 2, 0, kernel_bit_get_at},
    {"bit_get", {L, I}, 2, 0, kernel_bit_get_at},
    {"conv", {TYPE_STRING, I, I}, 3, 0, kernel_convert_base},
    {"width_bucket", {D, D, D, L}, 4, SAFE, kernel_width_bucket},
    {"rand", {L}, 1, KERNEL_VARIADIC | KERNEL_NOT_FOLDED | SAFE, kernel_rand},
    {"randn", {L}, 1, KERNEL_VARIADIC | KERNEL_NOT_FOLDED | SAFE, kernel_randn},
};
const struct kernel_family kernel_family_math = KERNEL_FAMILY(entries);
