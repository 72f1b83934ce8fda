/* bitwise.c: & | ^ ~, shifts, bit_count, bit_get. */
#include "exec/function.h"

static bool bit_out_of_range(struct evaluation *evaluation, int32_t bit, int bits) {
    struct arena *arena = evaluation->error->arena;
    return evaluation_failed(
        evaluation, raise_invalid_parameter_value_bit_position_range(evaluation->error, "`pos`", "`bit_get`",
                        arena_printf(arena, "%d", bits), arena_printf(arena, "%d", bit)));
}

#define NAME byte
#define TYPE int8_t
#define UNSIGNED uint8_t
#include "exec/functions/bitwise.inc"
#define NAME short
#define TYPE int16_t
#define UNSIGNED uint16_t
#include "exec/functions/bitwise.inc"
#define NAME integer
#define TYPE int32_t
#define UNSIGNED uint32_t
#include "exec/functions/bitwise.inc"
#define NAME long
#define TYPE int64_t
#define UNSIGNED uint64_t
#include "exec/functions/bitwise.inc"

static inline bool left_integer(struct evaluation *evaluation, int32_t value, int32_t count, int32_t *result) {
    *result = (int32_t)((uint32_t)value << (count & 31));
    return true;
}
static inline bool left_long(struct evaluation *evaluation, int64_t value, int32_t count, int64_t *result) {
    *result = (int64_t)((uint64_t)value << (count & 63));
    return true;
}
static inline bool right_integer(struct evaluation *evaluation, int32_t value, int32_t count, int32_t *result) {
    *result = value >> (count & 31);
    return true;
}
static inline bool right_long(struct evaluation *evaluation, int64_t value, int32_t count, int64_t *result) {
    *result = value >> (count & 63);
    return true;
}
static inline bool unsigned_integer(struct evaluation *evaluation, int32_t value, int32_t count, int32_t *result) {
    *result = (int32_t)((uint32_t)value >> (count & 31));
    return true;
}
static inline bool unsigned_long(struct evaluation *evaluation, int64_t value, int32_t count, int64_t *result) {
    *result = (int64_t)((uint64_t)value >> (count & 63));
    return true;
}
static inline bool count_boolean(struct evaluation *evaluation, uint8_t value, int32_t *result) {
    *result = value;
    return true;
}

#define KERNEL kernel_left_integer
#define LEFT int32_t
#define RIGHT int32_t
#define RESULT int32_t
#define COMPUTE left_integer
#include "exec/kernel2.inc"
#define KERNEL kernel_left_long
#define LEFT int64_t
#define RIGHT int32_t
#define RESULT int64_t
#define COMPUTE left_long
#include "exec/kernel2.inc"
#define KERNEL kernel_right_integer
#define LEFT int32_t
#define RIGHT int32_t
#define RESULT int32_t
#define COMPUTE right_integer
#include "exec/kernel2.inc"
#define KERNEL kernel_right_long
#define LEFT int64_t
#define RIGHT int32_t
#define RESULT int64_t
#define COMPUTE right_long
#include "exec/kernel2.inc"
#define KERNEL kernel_unsigned_integer
#define LEFT int32_t
#define RIGHT int32_t
#define RESULT int32_t
#define COMPUTE unsigned_integer
#include "exec/kernel2.inc"
#define KERNEL kernel_unsigned_long
#define LEFT int64_t
#define RIGHT int32_t
#define RESULT int64_t
#define COMPUTE unsigned_long
#include "exec/kernel2.inc"
#define KERNEL kernel_count_boolean
#define LEFT uint8_t
#define RESULT int32_t
#define COMPUTE count_boolean
#include "exec/kernel1.inc"

#define ROW2(name, left, right, kernel)                                                                                \
    { name, {left, right}, 2, KERNEL_NEVER_FAILS, kernel }
#define ROWS2(name, kernel)                                                                                            \
    ROW2(name, TYPE_BYTE, TYPE_BYTE, kernel##_byte), ROW2(name, TYPE_SHORT, TYPE_SHORT, kernel##_short),               \
        ROW2(name, TYPE_INTEGER, TYPE_INTEGER, kernel##_integer), ROW2(name, TYPE_LONG, TYPE_LONG, kernel##_long)
#define ROWS1(name, kernel)                                                                                            \
    {name, {TYPE_BYTE}, 1, KERNEL_NEVER_FAILS, kernel##_byte},                                                         \
        {name, {TYPE_SHORT}, 1, KERNEL_NEVER_FAILS, kernel##_short},                                                   \
        {name, {TYPE_INTEGER}, 1, KERNEL_NEVER_FAILS, kernel##_integer}, {                                             \
        name, {TYPE_LONG}, 1, KERNEL_NEVER_FAILS, kernel##_long                                                        \
    }
#define SHIFT(name, kernel)                                                                                            \
    ROW2(name, TYPE_INTEGER, TYPE_INTEGER, kernel##_integer), ROW2(name, TYPE_LONG, TYPE_INTEGER, kernel##_long)
#define GET(name)                                                                                                      \
    {name, {TYPE_BYTE, TYPE_INTEGER}, 2, 0, kernel_get_byte},                                                          \
        {name, {TYPE_SHORT, TYPE_INTEGER}, 2, 0, kernel_get_short},                                                    \
        {name, {TYPE_INTEGER, TYPE_INTEGER}, 2, 0, kernel_get_integer}, {                                              \
        name, {TYPE_LONG, TYPE_INTEGER}, 2, 0, kernel_get_long                                                         \
    }

static const struct kernel_entry entries[] = {
    ROWS2("bit_and_operator", kernel_and),
    ROWS2("bit_or_operator", kernel_or),
    ROWS2("bit_xor_operator", kernel_xor),
    ROWS1("bit_not", kernel_not),
    ROWS1("bit_count", kernel_count),
    {"bit_count", {TYPE_BOOLEAN}, 1, KERNEL_NEVER_FAILS, kernel_count_boolean},
    SHIFT("shift_left", kernel_left),
    SHIFT("shift_right", kernel_right),
    SHIFT("shift_right_unsigned", kernel_unsigned),
    GET("bit_get"),
    GET("getbit"),
};
const struct kernel_family kernel_family_bitwise = KERNEL_FAMILY(entries);
