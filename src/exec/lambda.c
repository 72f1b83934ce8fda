/* lambda.c: higher-order functions. A lambda's body runs once over all elements of all rows, flattened; what it takes
 * from outside is repeated for each element. */
#include "exec/program_internal.h"

#include <stdlib.h>
#include "exec/value.h"

/* The elements of all rows of a list column: whose row each is, and its position there. */
struct elements {
    size_t count;
    uint32_t *parents;
    int32_t *positions;
};

static struct elements elements_of(struct arena *arena, const struct column *list) {
    struct elements elements = {.count = (size_t)list->offsets[list->row_count]};
    elements.parents = ARENA_ARRAY(arena, uint32_t, elements.count);
    elements.positions = ARENA_ARRAY(arena, int32_t, elements.count);
    for (size_t row = 0; row < list->row_count; row++) {
        for (int32_t i = list->offsets[row]; i < list->offsets[row + 1]; i++) {
            elements.parents[i] = (uint32_t)row;
            elements.positions[i] = i - list->offsets[row];
        }
    }
    return elements;
}

static struct column *positions_column(struct arena *arena, const struct elements *elements) {
    struct column *column = column_create(arena, type_simple(TYPE_INTEGER), elements->count);
    if (elements->count > 0) {
        memcpy(column->values, elements->positions, elements->count * sizeof *elements->positions);
    }
    return column;
}

/* Runs a lambda over all elements; its variables are the children and, when it wants one more, the position. */
static struct column *run_body(const struct program_lambda *lambda, const struct frame *frame, size_t branch,
    const struct elements *elements, struct column *const *children, size_t child_count) {
    struct column *variables[3];
    size_t count = lambda->variable_counts[branch];
    for (size_t i = 0; i < count; i++) {
        variables[i] = i < child_count ? children[i] : positions_column(frame->arena, elements);
    }
    struct column *result = program_run_lambda(lambda->step->branches[branch], frame, elements->parents,
        elements->count, variables, lambda->slots[branch], count);
    return result == NULL ? NULL : column_flatten(frame->arena, result, elements->count);
}

static struct column *list_like(const struct frame *frame, const struct column *list, const struct type *type) {
    struct column *result = ARENA_NEW(frame->arena, struct column);
    *result = *list;
    result->type = type;
    result->child_count = type->kind == TYPE_MAP ? 2 : 1;
    result->children = ARENA_ARRAY(frame->arena, struct column *, 2);
    return result;
}

static struct column *transform(
    const struct program_lambda *lambda, const struct frame *frame, struct column *const *arguments) {
    struct elements elements = elements_of(frame->arena, arguments[0]);
    struct column *result = list_like(frame, arguments[0], lambda->step->type);
    result->children[0] = run_body(lambda, frame, 0, &elements, arguments[0]->children, 1);
    return result->children[0] == NULL ? NULL : result;
}

static bool is_true(const struct column *column, size_t row) {
    return !column_is_null(column, row) && COLUMN_AT(column, uint8_t, row) != 0;
}

/* The list with only the elements for which the condition is true. */
static struct column *keep_elements(
    const struct frame *frame, const struct column *list, const struct type *type, const struct column *condition) {
    struct column *result = list_like(frame, list, type);
    size_t total = (size_t)list->offsets[list->row_count], count = 0;
    uint32_t *indexes = ARENA_ARRAY(frame->arena, uint32_t, total);
    int32_t *offsets = ARENA_ARRAY(frame->arena, int32_t, list->row_count + 1);
    for (size_t row = 0; row < list->row_count; row++) {
        for (int32_t i = list->offsets[row]; i < list->offsets[row + 1]; i++) {
            if (is_true(condition, (size_t)i)) {
                indexes[count++] = (uint32_t)i;
            }
        }
        offsets[row + 1] = (int32_t)count;
    }
    result->offsets = offsets;
    for (size_t i = 0; i < list->child_count; i++) {
        result->children[i] = column_take(frame->arena, list->children[i], indexes, count);
    }
    return result;
}

static struct column *filter(
    const struct program_lambda *lambda, const struct frame *frame, struct column *const *arguments) {
    struct elements elements = elements_of(frame->arena, arguments[0]);
    struct column *condition = run_body(lambda, frame, 0, &elements, arguments[0]->children, arguments[0]->child_count);
    return condition == NULL ? NULL : keep_elements(frame, arguments[0], lambda->step->type, condition);
}

/* exists: true when one is true, else null when one is null; forall the other way round. */
static struct column *quantify(
    const struct program_lambda *lambda, const struct frame *frame, struct column *const *arguments, bool wanted) {
    const struct column *list = arguments[0];
    struct elements elements = elements_of(frame->arena, list);
    struct column *condition = run_body(lambda, frame, 0, &elements, list->children, 1);
    if (condition == NULL) {
        return NULL;
    }
    struct column *result = column_create(frame->arena, lambda->step->type, list->row_count);
    for (size_t row = 0; row < list->row_count; row++) {
        bool found = false, null = column_is_null(list, row);
        for (int32_t i = list->offsets[row]; i < list->offsets[row + 1] && !found; i++) {
            bool unknown = column_is_null(condition, (size_t)i);
            found = !unknown && (COLUMN_AT(condition, uint8_t, i) != 0) == wanted;
            null = null || unknown;
        }
        COLUMN_VALUES(result, uint8_t)[row] = found == wanted;
        if (column_is_null(list, row) || (!found && null)) {
            bit_clear(column_make_nullable(frame->arena, result), row);
        }
    }
    return result;
}
static struct column *exists(
    const struct program_lambda *lambda, const struct frame *frame, struct column *const *arguments) {
    return quantify(lambda, frame, arguments, true);
}
static struct column *forall(
    const struct program_lambda *lambda, const struct frame *frame, struct column *const *arguments) {
    return quantify(lambda, frame, arguments, false);
}

/* Puts `part` (one value per index) into the rows `indexes` of a column. */
static struct column *replace_rows(
    const struct frame *frame, struct column *whole, struct column *part, const uint32_t *indexes, size_t count) {
    size_t rows = whole->row_count;
    struct column *parts[2] = {whole, column_flatten(frame->arena, part, count)};
    size_t row_counts[2] = {rows, count};
    uint32_t *places = ARENA_ARRAY(frame->arena, uint32_t, rows);
    for (size_t i = 0; i < rows; i++) {
        places[i] = (uint32_t)i;
    }
    for (size_t i = 0; i < count; i++) {
        places[indexes[i]] = (uint32_t)(rows + i);
    }
    return column_take(frame->arena, column_concat(frame->arena, parts, row_counts, 2), places, rows);
}

/* Element after element over all rows that still have one. */
static struct column *aggregate(
    const struct program_lambda *lambda, const struct frame *frame, struct column *const *arguments) {
    const struct column *list = arguments[0];
    struct column *state = arguments[1];
    uint32_t *rows = ARENA_ARRAY(frame->arena, uint32_t, list->row_count);
    uint32_t *places = ARENA_ARRAY(frame->arena, uint32_t, list->row_count);
    for (int32_t position = 0;; position++) {
        size_t count = 0;
        for (size_t row = 0; row < list->row_count; row++) {
            if (!column_is_null(list, row) && list->offsets[row] + position < list->offsets[row + 1]) {
                rows[count] = (uint32_t)row;
                places[count++] = (uint32_t)(list->offsets[row] + position);
            }
        }
        if (count == 0) {
            break;
        }
        struct column *variables[2] = {
            column_take(frame->arena, state, rows, count), column_take(frame->arena, list->children[0], places, count)};
        struct column *next =
            program_run_lambda(lambda->step->branches[0], frame, rows, count, variables, lambda->slots[0], 2);
        if (next == NULL) {
            return NULL;
        }
        state = replace_rows(frame, state, next, rows, count);
    }
    if (lambda->step->branch_count > 1) {
        state =
            program_run_lambda(lambda->step->branches[1], frame, NULL, frame->row_count, &state, lambda->slots[1], 1);
        if (state == NULL) {
            return NULL;
        }
        state = column_flatten(frame->arena, state, frame->row_count);
    }
    size_t count = 0;
    for (size_t row = 0; row < list->row_count; row++) {
        rows[row] = column_is_null(list, row) ? UINT32_MAX : (uint32_t)row;
        count += rows[row] == UINT32_MAX;
    }
    return count == 0 ? state : column_take(frame->arena, state, rows, list->row_count);
}

/* Two lists side by side: the longer one decides, the shorter one gives nulls. */
static struct column *zip_with(
    const struct program_lambda *lambda, const struct frame *frame, struct column *const *arguments) {
    const struct column *left = arguments[0], *right = arguments[1];
    struct arena *arena = frame->arena;
    size_t rows = frame->row_count, total = 0;
    struct column *result = column_create(arena, lambda->step->type, rows);
    int32_t *offsets = ARENA_ARRAY(arena, int32_t, rows + 1);
    size_t room = (size_t)left->offsets[rows] + (size_t)right->offsets[rows];
    uint32_t *parents = ARENA_ARRAY(arena, uint32_t, room), *of_left = ARENA_ARRAY(arena, uint32_t, room);
    uint32_t *of_right = ARENA_ARRAY(arena, uint32_t, room);
    for (size_t row = 0; row < rows; row++) {
        int32_t left_count = left->offsets[row + 1] - left->offsets[row];
        int32_t right_count = right->offsets[row + 1] - right->offsets[row];
        bool null = column_is_null(left, row) || column_is_null(right, row);
        if (null) {
            bit_clear(column_make_nullable(arena, result), row);
        }
        for (int32_t i = 0; !null && (i < left_count || i < right_count); i++, total++) {
            parents[total] = (uint32_t)row;
            of_left[total] = i < left_count ? (uint32_t)(left->offsets[row] + i) : UINT32_MAX;
            of_right[total] = i < right_count ? (uint32_t)(right->offsets[row] + i) : UINT32_MAX;
        }
        offsets[row + 1] = (int32_t)total;
    }
    struct column *variables[2] = {
        column_take(arena, left->children[0], of_left, total), column_take(arena, right->children[0], of_right, total)};
    struct column *body =
        program_run_lambda(lambda->step->branches[0], frame, parents, total, variables, lambda->slots[0], 2);
    if (body == NULL) {
        return NULL;
    }
    result->offsets = offsets;
    result->children[0] = column_flatten(arena, body, total);
    return result;
}

/* ---- maps ---- */

static struct column *transform_values(
    const struct program_lambda *lambda, const struct frame *frame, struct column *const *arguments) {
    struct elements elements = elements_of(frame->arena, arguments[0]);
    struct column *result = list_like(frame, arguments[0], lambda->step->type);
    result->children[0] = arguments[0]->children[0];
    result->children[1] = run_body(lambda, frame, 0, &elements, arguments[0]->children, 2);
    return result->children[1] == NULL ? NULL : result;
}

static struct column *transform_keys(
    const struct program_lambda *lambda, const struct frame *frame, struct column *const *arguments) {
    struct elements elements = elements_of(frame->arena, arguments[0]);
    struct column *result = list_like(frame, arguments[0], lambda->step->type);
    result->children[0] = run_body(lambda, frame, 0, &elements, arguments[0]->children, 2);
    result->children[1] = arguments[0]->children[1];
    if (result->children[0] == NULL) {
        return NULL;
    }
    return map_check_keys(frame->arena, frame->settings, frame->error, result);
}

static struct column *map_filter(
    const struct program_lambda *lambda, const struct frame *frame, struct column *const *arguments) {
    return filter(lambda, frame, arguments);
}

/* Keys of both maps, in order of appearance; a missing side gives null. */
static struct column *map_zip_with(
    const struct program_lambda *lambda, const struct frame *frame, struct column *const *arguments) {
    const struct column *left = arguments[0], *right = arguments[1];
    struct arena *arena = frame->arena;
    size_t rows = frame->row_count, total = 0, left_total = (size_t)left->offsets[rows];
    size_t room = left_total + (size_t)right->offsets[rows];
    uint32_t *parents = ARENA_ARRAY(arena, uint32_t, room), *keys = ARENA_ARRAY(arena, uint32_t, room);
    uint32_t *of_left = ARENA_ARRAY(arena, uint32_t, room), *of_right = ARENA_ARRAY(arena, uint32_t, room);
    struct column *result = column_create(arena, lambda->step->type, rows);
    int32_t *offsets = ARENA_ARRAY(arena, int32_t, rows + 1);
    for (size_t row = 0; row < rows; row++) {
        bool null = column_is_null(left, row) || column_is_null(right, row);
        size_t first = total;
        if (null) {
            bit_clear(column_make_nullable(arena, result), row);
        }
        for (int32_t i = left->offsets[row]; !null && i < left->offsets[row + 1]; i++, total++) {
            parents[total] = (uint32_t)row;
            keys[total] = of_left[total] = (uint32_t)i;
            of_right[total] = UINT32_MAX;
        }
        for (int32_t i = right->offsets[row]; !null && i < right->offsets[row + 1]; i++) {
            size_t at = first;
            while (at < total && (of_left[at] == UINT32_MAX ||
                                     !value_equal(left->children[0], of_left[at], right->children[0], (size_t)i))) {
                at++;
            }
            if (at == total) {
                parents[total] = (uint32_t)row;
                keys[total] = (uint32_t)(left_total + (size_t)i);
                of_left[total++] = UINT32_MAX;
            }
            of_right[at] = (uint32_t)i;
        }
        offsets[row + 1] = (int32_t)total;
    }
    struct column *both[2] = {left->children[0], right->children[0]};
    size_t counts[2] = {left_total, (size_t)right->offsets[rows]};
    struct column *variables[3] = {column_take(arena, column_concat(arena, both, counts, 2), keys, total),
        column_take(arena, left->children[1], of_left, total), column_take(arena, right->children[1], of_right, total)};
    struct column *body =
        program_run_lambda(lambda->step->branches[0], frame, parents, total, variables, lambda->slots[0], 3);
    if (body == NULL) {
        return NULL;
    }
    result->offsets = offsets;
    result->children[0] = variables[0];
    result->children[1] = column_flatten(arena, body, total);
    return result;
}

/* ---- array_sort with a comparator: an insertion sort by pairs, all rows at once would not be simpler ---- */

static int compare_pair(const struct program_lambda *lambda, const struct frame *frame, const struct column *list,
    uint32_t row, uint32_t left, uint32_t right, bool *failed) {
    struct column *variables[2] = {column_take(frame->arena, list->children[0], &left, 1),
        column_take(frame->arena, list->children[0], &right, 1)};
    struct column *order =
        program_run_lambda(lambda->step->branches[0], frame, &row, 1, variables, lambda->slots[0], 2);
    if (order == NULL || column_is_null(order, 0)) {
        *failed = true;
        if (order != NULL) {
            raise_internal_error(frame->error, "the comparator of array_sort gave null");
        }
        return 0;
    }
    return COLUMN_AT(order, int32_t, 0);
}

static struct column *array_sort(
    const struct program_lambda *lambda, const struct frame *frame, struct column *const *arguments) {
    const struct column *list = arguments[0];
    size_t total = (size_t)list->offsets[list->row_count];
    uint32_t *indexes = ARENA_ARRAY(frame->arena, uint32_t, total);
    bool failed = false;
    for (size_t i = 0; i < total; i++) {
        indexes[i] = (uint32_t)i;
    }
    for (size_t row = 0; row < list->row_count; row++) {
        uint32_t *first = indexes + list->offsets[row];
        int32_t count = list->offsets[row + 1] - list->offsets[row];
        for (int32_t i = 1; i < count; i++) {
            uint32_t moved = first[i];
            int32_t at = i;
            for (; at > 0; at--) {
                if (compare_pair(lambda, frame, list, (uint32_t)row, first[at - 1], moved, &failed) <= 0) {
                    break;
                }
                first[at] = first[at - 1];
            }
            first[at] = moved;
            if (failed) {
                return NULL;
            }
        }
    }
    struct column *result = list_like(frame, list, lambda->step->type);
    result->children[0] = column_take(frame->arena, list->children[0], indexes, total);
    return result;
}

static const struct {
    const char *kernel;
    lambda_function *function;
} lambdas[] = {
    {"transform", transform},
    {"filter", filter},
    {"exists", exists},
    {"forall", forall},
    {"aggregate_lambda", aggregate},
    {"zip_with", zip_with},
    {"transform_keys", transform_keys},
    {"transform_values", transform_values},
    {"map_filter", map_filter},
    {"map_zip_with", map_zip_with},
    {"array_sort", array_sort},
};

lambda_function *lambda_find(const char *kernel) {
    for (size_t i = 0; i < ARRAY_COUNT(lambdas); i++) {
        if (strcmp(lambdas[i].kernel, kernel) == 0) {
            return lambdas[i].function;
        }
    }
    return NULL;
}
