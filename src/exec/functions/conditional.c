/* conditional.c: not, isnull, isnotnull, isnan, in, nanvl, assert_true, raise_error, and what only reads the run: now,
 * partition and row ids. and, or, case, if, coalesce run parts of themselves for some rows only: program_branch.c. */
#include "exec/function.h"
#include "exec/groups.h"
#include "exec/value.h"

static inline bool not_boolean(struct evaluation *evaluation, uint8_t value, uint8_t *result) {
    *result = !value;
    return true;
}
#define KERNEL kernel_not
#define LEFT uint8_t
#define RESULT uint8_t
#define COMPUTE not_boolean
#include "exec/kernel1.inc"

static struct column *null_test(struct evaluation *evaluation, const struct column *argument, bool wanted) {
    bool same = argument->constant || argument->validity == NULL;
    struct column *result = same ? evaluation_result_constant(evaluation) : evaluation_result(evaluation);
    uint8_t *out = result->values;
    if (same) {
        out[0] = column_is_null(argument, 0) == wanted;
        return result;
    }
    for (size_t i = 0; i < evaluation->row_count; i++) {
        out[i] = bit_get(argument->validity, i) != wanted;
    }
    return result;
}
static struct column *kernel_is_null(struct evaluation *evaluation, struct column *const *arguments) {
    return null_test(evaluation, arguments[0], true);
}
static struct column *kernel_is_not_null(struct evaluation *evaluation, struct column *const *arguments) {
    return null_test(evaluation, arguments[0], false);
}

static struct column *kernel_is_nan(struct evaluation *evaluation, struct column *const *arguments) {
    const struct column *argument = arguments[0];
    struct column *result = argument->constant ? evaluation_result_constant(evaluation) : evaluation_result(evaluation);
    for (size_t i = 0; i < result->row_count; i++) {
        double value = argument->type->kind == TYPE_FLOAT ? (double)COLUMN_VALUES(argument, float)[i]
                                                          : COLUMN_VALUES(argument, double)[i];
        COLUMN_VALUES(result, uint8_t)[i] = !column_is_null(argument, i) && value != value;
    }
    return result;
}

static inline bool or_if_nan(struct evaluation *evaluation, double left, double right, double *result) {
    *result = left != left ? right : left;
    return true;
}
#define KERNEL kernel_nanvl
#define LEFT double
#define RIGHT double
#define RESULT double
#define COMPUTE or_if_nan
#include "exec/kernel2.inc"

/* ---- in ---- */

struct in_list {
    struct groups values;
    bool has_null;
};

static void free_list(void *list) {
    groups_free(&((struct in_list *)list)->values);
}

/* A list of constants becomes a hash set. */
static bool prepare_in(struct kernel_call *call, struct arena *arena, struct sql_error *error) {
    for (size_t i = 1; i < call->argument_count; i++) {
        if (call->constants[i] == NULL) {
            return true;
        }
    }
    struct in_list *list = ARENA_NEW(arena, struct in_list);
    groups_init(&list->values, call->argument_types, 1);
    arena_on_destroy(arena, free_list, list);
    struct arena scratch = {0};
    for (size_t i = 1; i < call->argument_count; i++) {
        uint32_t number, new_row;
        struct column *value = call->constants[i];
        if (column_is_null(value, 0)) {
            list->has_null = true;
        } else {
            groups_add(&list->values, &scratch, &value, 1, 1, &number, &new_row);
        }
    }
    arena_destroy(&scratch);
    call->state = list;
    return true;
}

static struct column *in_rows(struct evaluation *evaluation, struct column *const *arguments) {
    size_t count = evaluation->call->argument_count;
    struct column *result = evaluation_result(evaluation);
    for (size_t row = 0; row < evaluation->row_count; row++) {
        bool found = false, null = column_is_null(arguments[0], row) && count > 1;
        for (size_t i = 1; i < count && !found && !column_is_null(arguments[0], row); i++) {
            if (column_is_null(arguments[i], row)) {
                null = true;
            } else {
                found = value_equal(arguments[0], row, arguments[i], row);
            }
        }
        COLUMN_VALUES(result, uint8_t)[row] = found;
        if (!found && null) {
            evaluation_set_null(evaluation, result, row);
        }
    }
    return result;
}

static struct column *kernel_in(struct evaluation *evaluation, struct column *const *arguments) {
    const struct in_list *list = evaluation->call->state;
    if (list == NULL) {
        return in_rows(evaluation, arguments);
    }
    size_t rows = evaluation->row_count;
    struct column *result = evaluation_result(evaluation);
    uint32_t *numbers = ARENA_ARRAY(evaluation->arena, uint32_t, rows);
    struct column *value = arguments[0];
    groups_find(&list->values, evaluation->arena, &value, 1, rows, numbers);
    for (size_t i = 0; i < rows; i++) {
        bool found = numbers[i] != UINT32_MAX && !column_is_null(value, i);
        COLUMN_VALUES(result, uint8_t)[i] = found;
        if (!found && (list->has_null || column_is_null(value, i))) {
            evaluation_set_null(evaluation, result, i);
        }
    }
    return result;
}

/* ---- of the run ---- */

static struct column *kernel_partition_id(struct evaluation *evaluation, struct column *const *arguments) {
    struct column *result = evaluation_result_constant(evaluation);
    COLUMN_VALUES(result, int32_t)[0] = evaluation->partition;
    return result;
}

static struct column *kernel_row_id(struct evaluation *evaluation, struct column *const *arguments) {
    struct column *result = evaluation_result(evaluation);
    for (size_t i = 0; i < evaluation->row_count; i++) {
        COLUMN_VALUES(result, int64_t)[i] = ((int64_t)evaluation->partition << 33) + evaluation->first_row + (int64_t)i;
    }
    return result;
}

static const struct kernel_entry entries[] = {
    {"not", {TYPE_BOOLEAN}, 1, KERNEL_NEVER_FAILS, kernel_not},
    {"isnull", {KERNEL_ANY}, 1, KERNEL_NEVER_FAILS, kernel_is_null},
    {"isnotnull", {KERNEL_ANY}, 1, KERNEL_NEVER_FAILS, kernel_is_not_null},
    {"is_nan", {TYPE_DOUBLE}, 1, KERNEL_NEVER_FAILS, kernel_is_nan},
    {"is_nan", {TYPE_FLOAT}, 1, KERNEL_NEVER_FAILS, kernel_is_nan},
    {"nanvl", {TYPE_DOUBLE, TYPE_DOUBLE}, 2, KERNEL_NEVER_FAILS, kernel_nanvl},
    {"in", {KERNEL_ANY}, 1, KERNEL_VARIADIC | KERNEL_NEVER_FAILS, kernel_in, prepare_in},
    {"spark_partition_id", {0}, 0, KERNEL_NOT_FOLDED | KERNEL_NEVER_FAILS, kernel_partition_id},
    {"monotonically_increasing_id", {0}, 0, KERNEL_NOT_FOLDED | KERNEL_NEVER_FAILS, kernel_row_id},
};
const struct kernel_family kernel_family_conditional = KERNEL_FAMILY(entries);
