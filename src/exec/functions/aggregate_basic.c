/* aggregate_basic.c: count, count_if, sum, avg, min, max, bool_and, bool_or. Sums are exact as Spark's: integers in 64
 * bits (overflow is an error under ANSI and null for try_sum), decimals in 128 bits with a check, floats in double. */
#include <stdlib.h>
#include "exec/function.h"
#include "exec/functions/decimal.h"
#include "exec/value.h"

#define STATE(run, type, groups, i) (&((type *)(run)->states)[(groups) == NULL ? 0 : (groups)[i]])

static const struct type *long_type(const struct kernel_call *call, struct arena *arena) {
    return type_simple(TYPE_LONG);
}

/* ---- count ---- */

static void count_update(
    struct aggregate_run *run, struct column *const *arguments, size_t row_count, const uint32_t *groups) {
    int64_t *states = (int64_t *)run->states;
    size_t count = run->call->argument_count;
    bool nullable = false;
    for (size_t i = 0; i < count; i++) {
        nullable = nullable || arguments[i]->validity != NULL;
    }
    if (!nullable) {
        if (groups == NULL) {
            states[0] += (int64_t)row_count;
        } else {
            for (size_t i = 0; i < row_count; i++) {
                states[groups[i]]++;
            }
        }
        return;
    }
    for (size_t i = 0; i < row_count; i++) {
        bool present = true;
        for (size_t j = 0; j < count; j++) {
            present = present && !column_is_null(arguments[j], i);
        }
        states[groups == NULL ? 0 : groups[i]] += present;
    }
}

static void count_if_update(
    struct aggregate_run *run, struct column *const *arguments, size_t row_count, const uint32_t *groups) {
    for (size_t i = 0; i < row_count; i++) {
        *STATE(run, int64_t, groups, i) += !column_is_null(arguments[0], i) && COLUMN_AT(arguments[0], uint8_t, i) != 0;
    }
}

static struct column *count_save(struct aggregate_run *run) {
    struct column *column = column_create(run->evaluation->arena, type_simple(TYPE_LONG), run->group_count);
    if (run->group_count > 0) {
        memcpy(column->values, run->states, run->group_count * sizeof(int64_t));
    }
    return column;
}

static void count_merge(struct aggregate_run *run, const struct column *saved, const uint32_t *groups) {
    for (size_t i = 0; i < saved->row_count; i++) {
        *STATE(run, int64_t, groups, i) += COLUMN_VALUES(saved, int64_t)[i];
    }
}

/* ---- sum, avg ---- */

struct sum_long {
    int64_t sum, count;
    bool overflow;
};
struct sum_double {
    double sum;
    int64_t count;
};
struct sum_decimal {
    __int128 sum;
    int64_t count;
    bool overflow;
};

static inline void add_to_long(struct aggregate_run *run, struct sum_long *state, int64_t value) {
    state->overflow |= __builtin_add_overflow(state->sum, value, &state->sum);
    state->count++;
}
static inline void add_to_double(struct aggregate_run *run, struct sum_double *state, double value) {
    state->sum += value;
    state->count++;
}
static inline void add_to_decimal(struct aggregate_run *run, struct sum_decimal *state, __int128 value) {
    state->overflow |= __builtin_add_overflow(state->sum, value, &state->sum);
    state->count++;
}

#define NAME byte
#define TYPE int8_t
#define SUM_TYPE long
#define SUM int64_t
#define ADD add_to_long
#include "exec/functions/aggregate_number.inc"
#define NAME short
#define TYPE int16_t
#define SUM_TYPE long
#define SUM int64_t
#define ADD add_to_long
#include "exec/functions/aggregate_number.inc"
#define NAME integer
#define TYPE int32_t
#define SUM_TYPE long
#define SUM int64_t
#define ADD add_to_long
#include "exec/functions/aggregate_number.inc"
#define NAME long
#define TYPE int64_t
#define SUM_TYPE long
#define SUM int64_t
#define ADD add_to_long
#include "exec/functions/aggregate_number.inc"
#define NAME float
#define TYPE float
#define SUM_TYPE double
#define SUM double
#define ADD add_to_double
#include "exec/functions/aggregate_number.inc"
#define NAME double
#define TYPE double
#define SUM_TYPE double
#define SUM double
#define ADD add_to_double
#include "exec/functions/aggregate_number.inc"
#define NAME decimal
#define TYPE __int128
#define SUM_TYPE decimal
#define SUM __int128
#define ADD add_to_decimal
#include "exec/functions/aggregate_number.inc"

/* Averages of integers are in double, as Spark's. */
#define NAME byte_as_double
#define TYPE int8_t
#define SUM_TYPE double
#define SUM double
#define ADD add_to_double
#include "exec/functions/aggregate_number.inc"
#define NAME short_as_double
#define TYPE int16_t
#define SUM_TYPE double
#define SUM double
#define ADD add_to_double
#include "exec/functions/aggregate_number.inc"
#define NAME integer_as_double
#define TYPE int32_t
#define SUM_TYPE double
#define SUM double
#define ADD add_to_double
#include "exec/functions/aggregate_number.inc"
#define NAME long_as_double
#define TYPE int64_t
#define SUM_TYPE double
#define SUM double
#define ADD add_to_double
#include "exec/functions/aggregate_number.inc"

static const struct type *sum_state(struct arena *arena, const struct type *sum) {
    struct type_field fields[3] = {{BYTES("sum"), sum, false, BYTES_NULL},
        {BYTES("count"), type_simple(TYPE_LONG), false, BYTES_NULL},
        {BYTES("overflow"), type_simple(TYPE_BOOLEAN), false, BYTES_NULL}};
    return type_struct(arena, fields, 3);
}
static const struct type *sum_long_state(const struct kernel_call *call, struct arena *arena) {
    return sum_state(arena, type_simple(TYPE_LONG));
}
static const struct type *sum_double_state(const struct kernel_call *call, struct arena *arena) {
    return sum_state(arena, type_simple(TYPE_DOUBLE));
}
static const struct type *sum_decimal_state(const struct kernel_call *call, struct arena *arena) {
    return sum_state(arena, type_decimal(arena, 38, call->argument_types[0]->scale));
}

#define SUM_SAVE_AND_MERGE(name, c_type, add)                                                                          \
    static struct column *sum_##name##_save(struct aggregate_run *run) {                                               \
        struct arena *arena = run->evaluation->arena;                                                                  \
        struct column *saved = column_create(arena, sum_##name##_state(run->call, arena), run->group_count);           \
        const struct sum_##name *states = (const struct sum_##name *)run->states;                                      \
        for (size_t i = 0; i < run->group_count; i++) {                                                                \
            COLUMN_VALUES(saved->children[0], c_type)[i] = states[i].sum;                                              \
            COLUMN_VALUES(saved->children[1], int64_t)[i] = states[i].count;                                           \
            COLUMN_VALUES(saved->children[2], uint8_t)[i] = SUM_OVERFLOW_##name(states[i]);                            \
        }                                                                                                              \
        return saved;                                                                                                  \
    }                                                                                                                  \
    static void sum_##name##_merge(struct aggregate_run *run, const struct column *saved, const uint32_t *groups) {    \
        for (size_t i = 0; i < saved->row_count; i++) {                                                                \
            struct sum_##name *state = STATE(run, struct sum_##name, groups, i);                                       \
            int64_t count = state->count + COLUMN_VALUES(saved->children[1], int64_t)[i];                              \
            add(run, state, COLUMN_VALUES(saved->children[0], c_type)[i]);                                             \
            state->count = count;                                                                                      \
            SUM_SET_OVERFLOW_##name(state, COLUMN_VALUES(saved->children[2], uint8_t)[i]);                             \
        }                                                                                                              \
    }
#define SUM_OVERFLOW_long(state) (state).overflow
#define SUM_OVERFLOW_double(state) 0
#define SUM_OVERFLOW_decimal(state) (state).overflow
#define SUM_SET_OVERFLOW_long(state, value) ((state)->overflow |= (value))
#define SUM_SET_OVERFLOW_double(state, value) (void)0
#define SUM_SET_OVERFLOW_decimal(state, value) ((state)->overflow |= (value))
SUM_SAVE_AND_MERGE(long, int64_t, add_to_long)
SUM_SAVE_AND_MERGE(double, double, add_to_double)
SUM_SAVE_AND_MERGE(decimal, __int128, add_to_decimal)

static struct column *new_result(struct aggregate_run *run) {
    return column_create(run->evaluation->arena, run->call->result_type, run->group_count);
}

static struct column *sum_long_finish(struct aggregate_run *run) {
    struct column *result = new_result(run);
    const struct sum_long *states = (const struct sum_long *)run->states;
    for (size_t i = 0; i < run->group_count; i++) {
        COLUMN_VALUES(result, int64_t)[i] = states[i].sum;
        bool overflow = states[i].overflow && (run->call->ansi || run->call->try);
        if (overflow && run->call->ansi) {
            evaluation_overflow(run->evaluation, "long", "try_sum");
            return NULL;
        }
        if (states[i].count == 0 || overflow) {
            evaluation_set_null(run->evaluation, result, i);
        }
    }
    return result;
}

static struct column *sum_double_finish(struct aggregate_run *run) {
    struct column *result = new_result(run);
    const struct sum_double *states = (const struct sum_double *)run->states;
    for (size_t i = 0; i < run->group_count; i++) {
        COLUMN_VALUES(result, double)[i] = states[i].sum;
        if (states[i].count == 0) {
            evaluation_set_null(run->evaluation, result, i);
        }
    }
    return result;
}

static struct column *sum_decimal_finish(struct aggregate_run *run) {
    struct column *result = new_result(run);
    const struct sum_decimal *states = (const struct sum_decimal *)run->states;
    const struct type *type = run->call->result_type;
    for (size_t i = 0; i < run->group_count; i++) {
        __int128 *out = &COLUMN_VALUES(result, __int128)[i];
        *out = states[i].sum;
        bool present = states[i].count > 0;
        if (present && (states[i].overflow || !decimal_fits(states[i].sum, type->precision))) {
            present = false;
            if (run->call->ansi) {
                evaluation_overflow(run->evaluation, "decimal", "try_sum");
                return NULL;
            }
        }
        if (!present) {
            evaluation_set_null(run->evaluation, result, i);
        }
    }
    return result;
}

static struct column *average_double_finish(struct aggregate_run *run) {
    struct column *result = new_result(run);
    const struct sum_double *states = (const struct sum_double *)run->states;
    for (size_t i = 0; i < run->group_count; i++) {
        if (states[i].count == 0) {
            evaluation_set_null(run->evaluation, result, i);
        } else {
            COLUMN_VALUES(result, double)[i] = states[i].sum / (double)states[i].count;
        }
    }
    return result;
}

static struct column *average_decimal_finish(struct aggregate_run *run) {
    struct column *result = new_result(run);
    const struct sum_decimal *states = (const struct sum_decimal *)run->states;
    const struct type *type = run->call->result_type;
    int scale = run->call->argument_types[0]->scale;
    for (size_t i = 0; i < run->group_count; i++) {
        __int128 *out = &COLUMN_VALUES(result, __int128)[i];
        if (states[i].count == 0) {
            evaluation_set_null(run->evaluation, result, i);
        } else if (states[i].overflow ||
                   !decimal_divide(states[i].sum, scale, states[i].count, 0, type->precision, type->scale, out)) {
            if (run->call->ansi) {
                evaluation_overflow(run->evaluation, "decimal", "try_avg");
                return NULL;
            }
            evaluation_set_null(run->evaluation, result, i);
        }
    }
    return result;
}

/* ---- min, max ---- */

#define PLAIN_LESS(a, b) ((a) < (b))
#define FLOAT_LESS(a, b) (((a) < (b)) || ((a) == (a) && (b) != (b)))
#define TEXT_LESS(a, b) (string_view_compare(a, b) < 0)
#define KEEP_VALUE(run, old, new) (new)
#define KEEP_TEXT(run, old, new) keep_text(run, old, new)

/* The text's bytes in the states' memory; what held the old value is used again when it is large enough. */
static struct string_view keep_text(struct aggregate_run *run, struct string_view old, struct string_view new) {
    uint32_t capacity = old.unused;
    uint8_t *data = (uint8_t *)old.data;
    if (new.size > capacity || data == NULL) {
        capacity = new.size * 2 + 16;
        data = arena_allocate(run->arena, capacity);
    }
    memcpy(data, new.data, new.size);
    return (struct string_view){data, new.size, capacity};
}

#define NAME int8
#define TYPE int8_t
#define LESS PLAIN_LESS
#define KEEP KEEP_VALUE
#include "exec/functions/aggregate_extreme.inc"
#define NAME boolean
#define TYPE uint8_t
#define LESS PLAIN_LESS
#define KEEP KEEP_VALUE
#include "exec/functions/aggregate_extreme.inc"
#define NAME int16
#define TYPE int16_t
#define LESS PLAIN_LESS
#define KEEP KEEP_VALUE
#include "exec/functions/aggregate_extreme.inc"
#define NAME int32
#define TYPE int32_t
#define LESS PLAIN_LESS
#define KEEP KEEP_VALUE
#include "exec/functions/aggregate_extreme.inc"
#define NAME int64
#define TYPE int64_t
#define LESS PLAIN_LESS
#define KEEP KEEP_VALUE
#include "exec/functions/aggregate_extreme.inc"
#define NAME float
#define TYPE float
#define LESS FLOAT_LESS
#define KEEP KEEP_VALUE
#include "exec/functions/aggregate_extreme.inc"
#define NAME double
#define TYPE double
#define LESS FLOAT_LESS
#define KEEP KEEP_VALUE
#include "exec/functions/aggregate_extreme.inc"
#define NAME int128
#define TYPE __int128
#define LESS PLAIN_LESS
#define KEEP KEEP_VALUE
#include "exec/functions/aggregate_extreme.inc"
#define NAME text
#define TYPE struct string_view
#define LESS TEXT_LESS
#define KEEP KEEP_TEXT
#include "exec/functions/aggregate_extreme.inc"

static const struct type *argument_type(const struct kernel_call *call, struct arena *arena) {
    return call->argument_types[0];
}

#define SUM_ROW(name, kind, c_name, sum, finish)                                                                       \
    {                                                                                                                  \
        name, {kind}, 1, 0, sizeof(struct sum_##sum), sum_update_##c_name, sum_##sum##_state, sum_##sum##_save,        \
            sum_##sum##_merge, finish                                                                                  \
    }
#define EXTREME_ROW(name, which, kind, c_name)                                                                         \
    {                                                                                                                  \
        name, {kind}, 1, 0, sizeof(struct extreme_##c_name), which##_update_##c_name, argument_type,                   \
            extreme_save_##c_name, which##_merge_##c_name, extreme_save_##c_name                                       \
    }
#define EXTREME_ROWS(name, which)                                                                                      \
    EXTREME_ROW(name, which, TYPE_BOOLEAN, boolean), EXTREME_ROW(name, which, TYPE_BYTE, int8),                        \
        EXTREME_ROW(name, which, TYPE_SHORT, int16), EXTREME_ROW(name, which, TYPE_INTEGER, int32),                    \
        EXTREME_ROW(name, which, TYPE_DATE, int32), EXTREME_ROW(name, which, TYPE_YEAR_MONTH_INTERVAL, int32),         \
        EXTREME_ROW(name, which, TYPE_LONG, int64), EXTREME_ROW(name, which, TYPE_TIMESTAMP, int64),                   \
        EXTREME_ROW(name, which, TYPE_TIMESTAMP_NTZ, int64), EXTREME_ROW(name, which, TYPE_DAY_TIME_INTERVAL, int64),  \
        EXTREME_ROW(name, which, TYPE_FLOAT, float), EXTREME_ROW(name, which, TYPE_DOUBLE, double),                    \
        EXTREME_ROW(name, which, TYPE_DECIMAL, int128), EXTREME_ROW(name, which, TYPE_STRING, text),                   \
        EXTREME_ROW(name, which, TYPE_BINARY, text)
#define SUM_ROWS(name)                                                                                                 \
    SUM_ROW(name, TYPE_BYTE, byte, long, sum_long_finish), SUM_ROW(name, TYPE_SHORT, short, long, sum_long_finish),    \
        SUM_ROW(name, TYPE_INTEGER, integer, long, sum_long_finish),                                                   \
        SUM_ROW(name, TYPE_LONG, long, long, sum_long_finish),                                                         \
        SUM_ROW(name, TYPE_FLOAT, float, double, sum_double_finish),                                                   \
        SUM_ROW(name, TYPE_DOUBLE, double, double, sum_double_finish),                                                 \
        SUM_ROW(name, TYPE_DECIMAL, decimal, decimal, sum_decimal_finish)
#define AVERAGE_ROWS(name)                                                                                             \
    SUM_ROW(name, TYPE_BYTE, byte_as_double, double, average_double_finish),                                           \
        SUM_ROW(name, TYPE_SHORT, short_as_double, double, average_double_finish),                                     \
        SUM_ROW(name, TYPE_INTEGER, integer_as_double, double, average_double_finish),                                 \
        SUM_ROW(name, TYPE_LONG, long_as_double, double, average_double_finish),                                       \
        SUM_ROW(name, TYPE_FLOAT, float, double, average_double_finish),                                               \
        SUM_ROW(name, TYPE_DOUBLE, double, double, average_double_finish),                                             \
        SUM_ROW(name, TYPE_DECIMAL, decimal, decimal, average_decimal_finish)

static const struct aggregate_entry entries[] = {
    {"count", {KERNEL_ANY}, 1, KERNEL_VARIADIC, sizeof(int64_t), count_update, long_type, count_save, count_merge,
        count_save},
    {"count_if", {TYPE_BOOLEAN}, 1, 0, sizeof(int64_t), count_if_update, long_type, count_save, count_merge,
        count_save},
    SUM_ROWS("sum"),
    AVERAGE_ROWS("avg"),
    EXTREME_ROWS("min", min),
    EXTREME_ROWS("max", max),
    EXTREME_ROW("bool_and", min, TYPE_BOOLEAN, boolean),
    EXTREME_ROW("bool_or", max, TYPE_BOOLEAN, boolean),
};
const struct aggregate_family aggregate_family_basic = AGGREGATE_FAMILY(entries);
