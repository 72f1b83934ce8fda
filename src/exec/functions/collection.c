/* collection.c: arrays. Most results are other choices of elements: the elements of all arguments lie in one pool, a
 * kernel lists indexes into it, and one gather makes the result. Equality of elements is that of group numbers over the
 * pool (groups.h), so that sets are counted, not compared. */
#include <stdlib.h>
#include "base/vector.h"
#include "exec/function.h"
#include "exec/groups.h"
#include "exec/random.h"
#include "exec/sort_rows.h"
#include "exec/value.h"

enum { ARGUMENTS_MAX = 4 };

/* The arguments in full length, and the list under construction. */
struct lists {
    struct evaluation *evaluation;
    struct arena *arena;
    size_t rows;
    struct column *arguments[ARGUMENTS_MAX];
    uint8_t *validity; /* of strict functions; NULL: none null */
    struct column *pool;
    VECTOR(uint32_t) picked;
    int32_t *offsets;
};

static void lists_begin(struct lists *lists, struct evaluation *evaluation, struct column *const *arguments) {
    size_t count = evaluation->call->argument_count;
    ASSERT(count <= ARGUMENTS_MAX);
    *lists = (struct lists){.evaluation = evaluation, .arena = evaluation->arena, .rows = evaluation->row_count};
    for (size_t i = 0; i < count; i++) {
        lists->arguments[i] = column_flatten(lists->arena, arguments[i], lists->rows);
    }
    lists->validity = evaluation_strict_validity(evaluation, arguments, count);
    lists->offsets = ARENA_ARRAY(lists->arena, int32_t, lists->rows + 1);
}

static bool row_present(const struct lists *lists, size_t row) {
    return lists->validity == NULL || bit_get(lists->validity, row);
}

static int32_t list_length(const struct column *list, size_t row) {
    return list->offsets[row + 1] - list->offsets[row];
}

/* Element pools: the second column's rows come after the first's; *base is where they begin. */
static void pool_two(struct lists *lists, struct column *first, struct column *second, uint32_t *base) {
    struct column *parts[2] = {first, second};
    size_t counts[2] = {first->row_count, second->row_count};
    *base = (uint32_t)first->row_count;
    if (first->type->kind == TYPE_NULL && second->type->kind != TYPE_NULL) {
        parts[0] = column_create_nulls(lists->arena, second->type, first->row_count);
    } else if (second->type->kind == TYPE_NULL && first->type->kind != TYPE_NULL) {
        parts[1] = column_create_nulls(lists->arena, first->type, second->row_count);
    }
    lists->pool = column_concat(lists->arena, parts, counts, 2);
}

/* Equal elements of the pool have equal numbers; *count is how many there are. */
static uint32_t *pool_numbers(struct lists *lists, size_t *count) {
    struct groups groups;
    size_t rows = lists->pool->row_count;
    uint32_t *numbers = ARENA_ARRAY(lists->arena, uint32_t, rows),
             *new_rows = ARENA_ARRAY(lists->arena, uint32_t, rows);
    groups_init(&groups, &lists->pool->type, 1);
    groups_add(&groups, lists->arena, &lists->pool, 1, rows, numbers, new_rows);
    *count = groups.count;
    groups_free(&groups);
    return numbers;
}

static void pick(struct lists *lists, size_t index) {
    VECTOR_PUSH(&lists->picked, (uint32_t)index);
}

static void end_row(struct lists *lists, size_t row) {
    ASSERT(lists->picked.count <= INT32_MAX);
    lists->offsets[row + 1] = (int32_t)lists->picked.count;
}

static struct column *lists_end(struct lists *lists) {
    struct column *result = ARENA_NEW(lists->arena, struct column);
    result->type = lists->evaluation->call->result_type;
    result->row_count = lists->rows;
    result->validity = lists->validity;
    result->offsets = lists->offsets;
    result->child_count = 1;
    result->children = ARENA_ARRAY(lists->arena, struct column *, 1);
    result->children[0] = column_take(lists->arena, lists->pool, lists->picked.items, lists->picked.count);
    VECTOR_FREE(&lists->picked);
    return result;
}

/* ---- making ---- */

static struct column *kernel_array(struct evaluation *evaluation, struct column *const *arguments) {
    size_t count = evaluation->call->argument_count, rows = evaluation->row_count;
    struct arena *arena = evaluation->arena;
    struct column *result = column_create(arena, evaluation->call->result_type, rows);
    int32_t *offsets = ARENA_ARRAY(arena, int32_t, rows + 1);
    if (count == 0) {
        return result;
    }
    struct column **parts = ARENA_ARRAY(arena, struct column *, count);
    size_t *row_counts = ARENA_ARRAY(arena, size_t, count);
    uint32_t *places = ARENA_ARRAY(arena, uint32_t, count * rows);
    for (size_t i = 0; i < count; i++) {
        parts[i] = column_flatten(arena, arguments[i], rows);
        row_counts[i] = rows;
        for (size_t row = 0; row < rows; row++) {
            places[row * count + i] = (uint32_t)(i * rows + row);
        }
    }
    for (size_t row = 0; row < rows; row++) {
        offsets[row + 1] = (int32_t)((row + 1) * count);
    }
    result->offsets = offsets;
    result->children[0] = column_take(arena, column_concat(arena, parts, row_counts, count), places, count * rows);
    return result;
}

static struct column *kernel_array_repeat(struct evaluation *evaluation, struct column *const *arguments) {
    struct lists lists;
    lists_begin(&lists, evaluation, arguments);
    struct column *counts = lists.arguments[1];
    lists.pool = lists.arguments[0];
    lists.validity = (uint8_t *)counts->validity;
    int64_t total = 0;
    for (size_t row = 0; row < lists.rows; row++) {
        int32_t times = column_is_null(counts, row) ? 0 : COLUMN_AT(counts, int32_t, row);
        total += times > 0 ? times : 0;
        if (total > INT32_MAX - 15) {
            raise_collection_size_limit_exceeded_parameter(evaluation->error,
                arena_printf(evaluation->error->arena, "%d", times), "2147483632", "count", "`array_repeat`");
            evaluation->failed = true;
            return NULL;
        }
        for (int32_t i = 0; i < times; i++) {
            pick(&lists, row);
        }
        end_row(&lists, row);
    }
    return lists_end(&lists);
}

/* ---- adding and removing ---- */

static struct column *add_element(struct evaluation *evaluation, struct column *const *arguments, bool first) {
    struct lists lists;
    uint32_t base;
    lists_begin(&lists, evaluation, arguments);
    struct column *list = lists.arguments[0];
    pool_two(&lists, list->children[0], lists.arguments[1], &base);
    lists.validity = (uint8_t *)list->validity;
    for (size_t row = 0; row < lists.rows; row++) {
        if (row_present(&lists, row)) {
            if (first) {
                pick(&lists, base + row);
            }
            for (int32_t i = list->offsets[row]; i < list->offsets[row + 1]; i++) {
                pick(&lists, (size_t)i);
            }
            if (!first) {
                pick(&lists, base + row);
            }
        }
        end_row(&lists, row);
    }
    return lists_end(&lists);
}
static struct column *kernel_array_append(struct evaluation *evaluation, struct column *const *arguments) {
    return add_element(evaluation, arguments, false);
}
static struct column *kernel_array_prepend(struct evaluation *evaluation, struct column *const *arguments) {
    return add_element(evaluation, arguments, true);
}

/* A position beyond the end fills with nulls; a negative one counts from the end. */
static struct column *kernel_array_insert(struct evaluation *evaluation, struct column *const *arguments) {
    struct lists lists;
    uint32_t base;
    lists_begin(&lists, evaluation, arguments);
    struct column *list = lists.arguments[0], *positions = lists.arguments[1];
    pool_two(&lists, list->children[0], lists.arguments[2], &base);
    lists.validity = evaluation_strict_validity(evaluation, arguments, 2);
    for (size_t row = 0; row < lists.rows; row++) {
        if (!row_present(&lists, row)) {
            end_row(&lists, row);
            continue;
        }
        int64_t length = list_length(list, row), position = COLUMN_AT(positions, int32_t, row),
                first = list->offsets[row];
        if (position == 0) {
            evaluation_failed(evaluation, raise_invalid_index_of_zero(evaluation->error));
            VECTOR_FREE(&lists.picked);
            return NULL;
        }
        int64_t at = position > 0 ? position - 1 : length + position + 1;
        int64_t missing = at < 0 ? -at : 0;
        if (at < 0) {
            pick(&lists, base + row);
            for (int64_t i = 0; i < missing; i++) {
                pick(&lists, UINT32_MAX);
            }
        }
        for (int64_t i = 0; i < length || (at >= 0 && i < at); i++) {
            if (i == at) {
                pick(&lists, base + row);
            }
            pick(&lists, i < length ? (size_t)(first + i) : UINT32_MAX);
        }
        if (at >= length) {
            pick(&lists, base + row);
        }
        end_row(&lists, row);
    }
    return lists_end(&lists);
}

static struct column *kernel_array_compact(struct evaluation *evaluation, struct column *const *arguments) {
    struct lists lists;
    lists_begin(&lists, evaluation, arguments);
    struct column *list = lists.arguments[0];
    lists.pool = list->children[0];
    for (size_t row = 0; row < lists.rows; row++) {
        for (int32_t i = list->offsets[row]; i < list->offsets[row + 1]; i++) {
            if (!column_is_null(lists.pool, (size_t)i)) {
                pick(&lists, (size_t)i);
            }
        }
        end_row(&lists, row);
    }
    return lists_end(&lists);
}

static struct column *kernel_array_remove(struct evaluation *evaluation, struct column *const *arguments) {
    struct lists lists;
    uint32_t base;
    size_t count;
    lists_begin(&lists, evaluation, arguments);
    struct column *list = lists.arguments[0];
    pool_two(&lists, list->children[0], lists.arguments[1], &base);
    uint32_t *numbers = pool_numbers(&lists, &count);
    for (size_t row = 0; row < lists.rows; row++) {
        for (int32_t i = list->offsets[row]; i < list->offsets[row + 1] && row_present(&lists, row); i++) {
            if (numbers[i] != numbers[base + row]) {
                pick(&lists, (size_t)i);
            }
        }
        end_row(&lists, row);
    }
    return lists_end(&lists);
}

/* ---- sets ---- */

enum set_function { SET_DISTINCT_OF, SET_UNION_OF, SET_INTERSECT_OF, SET_EXCEPT_OF };

static struct column *set_function(
    struct evaluation *evaluation, struct column *const *arguments, enum set_function function) {
    struct lists lists;
    uint32_t base = 0;
    size_t count;
    lists_begin(&lists, evaluation, arguments);
    struct column *left = lists.arguments[0], *right = lists.arguments[1];
    if (function == SET_DISTINCT_OF) {
        lists.pool = left->children[0];
    } else {
        pool_two(&lists, left->children[0], right->children[0], &base);
    }
    uint32_t *numbers = pool_numbers(&lists, &count);
    uint32_t *in_right = ARENA_ARRAY(lists.arena, uint32_t, count), *taken = ARENA_ARRAY(lists.arena, uint32_t, count);
    for (size_t row = 0; row < lists.rows; row++) {
        uint32_t mark = (uint32_t)row + 1;
        bool present = row_present(&lists, row);
        for (int32_t i = function == SET_DISTINCT_OF ? 0 : right->offsets[row];
             present && function != SET_DISTINCT_OF && i < right->offsets[row + 1]; i++) {
            in_right[numbers[base + (uint32_t)i]] = mark;
        }
        for (int32_t i = left->offsets[row]; present && i < left->offsets[row + 1]; i++) {
            uint32_t number = numbers[i];
            bool wanted = function == SET_INTERSECT_OF ? in_right[number] == mark
                          : function == SET_EXCEPT_OF  ? in_right[number] != mark
                                                       : true;
            if (wanted && taken[number] != mark) {
                taken[number] = mark;
                pick(&lists, (size_t)i);
            }
        }
        for (int32_t i = function == SET_UNION_OF ? right->offsets[row] : 0;
             present && function == SET_UNION_OF && i < right->offsets[row + 1]; i++) {
            uint32_t number = numbers[base + (uint32_t)i];
            if (taken[number] != mark) {
                taken[number] = mark;
                pick(&lists, base + (size_t)i);
            }
        }
        end_row(&lists, row);
    }
    return lists_end(&lists);
}
static struct column *kernel_array_distinct(struct evaluation *evaluation, struct column *const *arguments) {
    return set_function(evaluation, arguments, SET_DISTINCT_OF);
}
static struct column *kernel_array_union(struct evaluation *evaluation, struct column *const *arguments) {
    return set_function(evaluation, arguments, SET_UNION_OF);
}
static struct column *kernel_array_intersect(struct evaluation *evaluation, struct column *const *arguments) {
    return set_function(evaluation, arguments, SET_INTERSECT_OF);
}
static struct column *kernel_array_except(struct evaluation *evaluation, struct column *const *arguments) {
    return set_function(evaluation, arguments, SET_EXCEPT_OF);
}

/* ---- asking ---- */

static struct column *search(struct evaluation *evaluation, struct column *const *arguments, bool position) {
    struct lists lists;
    uint32_t base;
    size_t count;
    lists_begin(&lists, evaluation, arguments);
    struct column *list = lists.arguments[0], *result = evaluation_result(evaluation);
    pool_two(&lists, list->children[0], lists.arguments[1], &base);
    uint32_t *numbers = pool_numbers(&lists, &count);
    result->validity = lists.validity;
    for (size_t row = 0; row < lists.rows; row++) {
        int64_t found = 0;
        bool null = false;
        for (int32_t i = list->offsets[row]; i < list->offsets[row + 1] && found == 0; i++) {
            null = null || column_is_null(list->children[0], (size_t)i);
            found = numbers[i] == numbers[base + row] ? i - list->offsets[row] + 1 : 0;
        }
        if (position) {
            COLUMN_VALUES(result, int64_t)[row] = found;
        } else {
            COLUMN_VALUES(result, uint8_t)[row] = found > 0;
            if (found == 0 && null && row_present(&lists, row)) {
                evaluation_set_null(evaluation, result, row);
            }
        }
    }
    return result;
}
static struct column *kernel_array_contains(struct evaluation *evaluation, struct column *const *arguments) {
    return search(evaluation, arguments, false);
}
static struct column *kernel_array_position(struct evaluation *evaluation, struct column *const *arguments) {
    return search(evaluation, arguments, true);
}

static struct column *kernel_arrays_overlap(struct evaluation *evaluation, struct column *const *arguments) {
    struct lists lists;
    uint32_t base;
    size_t count;
    lists_begin(&lists, evaluation, arguments);
    struct column *left = lists.arguments[0], *right = lists.arguments[1], *result = evaluation_result(evaluation);
    pool_two(&lists, left->children[0], right->children[0], &base);
    uint32_t *numbers = pool_numbers(&lists, &count), *in_right = ARENA_ARRAY(lists.arena, uint32_t, count);
    result->validity = lists.validity;
    for (size_t row = 0; row < lists.rows; row++) {
        uint32_t mark = (uint32_t)row + 1;
        bool found = false, null = false;
        for (int32_t i = right->offsets[row]; i < right->offsets[row + 1]; i++) {
            null = null || column_is_null(right->children[0], (size_t)i);
            in_right[numbers[base + (uint32_t)i]] = mark;
        }
        for (int32_t i = left->offsets[row]; i < left->offsets[row + 1]; i++) {
            bool missing = column_is_null(left->children[0], (size_t)i);
            null = null || missing;
            found = found || (!missing && in_right[numbers[i]] == mark);
        }
        COLUMN_VALUES(result, uint8_t)[row] = found;
        if (!found && null && list_length(left, row) > 0 && list_length(right, row) > 0 && row_present(&lists, row)) {
            evaluation_set_null(evaluation, result, row);
        }
    }
    return result;
}

static struct column *extreme(struct evaluation *evaluation, struct column *const *arguments, int sign) {
    struct column *list = column_flatten(evaluation->arena, arguments[0], evaluation->row_count);
    const struct column *values = list->children[0];
    uint32_t *best = ARENA_ARRAY(evaluation->arena, uint32_t, evaluation->row_count);
    for (size_t row = 0; row < evaluation->row_count; row++) {
        best[row] = UINT32_MAX;
        for (int32_t i = list->offsets[row]; i < list->offsets[row + 1] && !column_is_null(list, row); i++) {
            if (!column_is_null(values, (size_t)i) &&
                (best[row] == UINT32_MAX || sign * value_compare(values, (size_t)i, values, best[row]) < 0)) {
                best[row] = (uint32_t)i;
            }
        }
    }
    return column_take(evaluation->arena, values, best, evaluation->row_count);
}
static struct column *kernel_array_min(struct evaluation *evaluation, struct column *const *arguments) {
    return extreme(evaluation, arguments, 1);
}
static struct column *kernel_array_max(struct evaluation *evaluation, struct column *const *arguments) {
    return extreme(evaluation, arguments, -1);
}

static struct column *kernel_size(struct evaluation *evaluation, struct column *const *arguments) {
    struct column *list =
        arguments[0]->constant ? arguments[0] : column_flatten(evaluation->arena, arguments[0], evaluation->row_count);
    struct column *result = list->constant ? evaluation_result_constant(evaluation) : evaluation_result(evaluation);
    bool minus_one = evaluation->settings->legacy_size_of_null && !evaluation->call->ansi &&
                     strcmp(evaluation->call->entry->name, "size") == 0;
    for (size_t row = 0; row < result->row_count; row++) {
        COLUMN_VALUES(result, int32_t)[row] = list_length(list, row);
        if (column_is_null(list, row) && minus_one) {
            COLUMN_VALUES(result, int32_t)[row] = -1;
        } else if (column_is_null(list, row)) {
            evaluation_set_null(evaluation, result, row);
        }
    }
    return result;
}

static struct column *kernel_size_of_null(struct evaluation *evaluation, struct column *const *arguments) {
    if (!evaluation->settings->legacy_size_of_null || evaluation->call->ansi) {
        return evaluation_result_null(evaluation);
    }
    struct column *result = evaluation_result_constant(evaluation);
    COLUMN_VALUES(result, int32_t)[0] = -1;
    return result;
}

/* ---- one element ---- */

enum access { ACCESS_ELEMENT_AT, ACCESS_GET, ACCESS_ITEM };

static struct column *access_array(struct evaluation *evaluation, struct column *const *arguments, enum access access) {
    struct lists lists;
    lists_begin(&lists, evaluation, arguments);
    struct column *list = lists.arguments[0], *indexes = lists.arguments[1];
    uint32_t *taken = ARENA_ARRAY(lists.arena, uint32_t, lists.rows);
    struct arena *arena = evaluation->error->arena;
    for (size_t row = 0; row < lists.rows; row++) {
        taken[row] = UINT32_MAX;
        if (!row_present(&lists, row)) {
            continue;
        }
        int64_t index = COLUMN_AT(indexes, int32_t, row), length = list_length(list, row), at = index;
        if (access == ACCESS_ELEMENT_AT) {
            if (index == 0) {
                evaluation_failed(evaluation, raise_invalid_index_of_zero(evaluation->error));
                return NULL;
            }
            at = index > 0 ? index - 1 : length + index;
        }
        if (at >= 0 && at < length) {
            taken[row] = (uint32_t)(list->offsets[row] + at);
        } else if (evaluation->call->ansi && access != ACCESS_GET) {
            const char *index_text = arena_printf(arena, "%lld", (long long)index);
            const char *size_text = arena_printf(arena, "%lld", (long long)length);
            evaluation_failed(
                evaluation, access == ACCESS_ITEM
                                ? raise_invalid_array_index(evaluation->error, index_text, size_text)
                                : raise_invalid_array_index_in_element_at(evaluation->error, index_text, size_text));
            return NULL;
        }
    }
    return column_take(lists.arena, list->children[0], taken, lists.rows);
}
static struct column *kernel_element_at(struct evaluation *evaluation, struct column *const *arguments) {
    return access_array(evaluation, arguments, ACCESS_ELEMENT_AT);
}
static struct column *kernel_get(struct evaluation *evaluation, struct column *const *arguments) {
    return access_array(evaluation, arguments, ACCESS_GET);
}
static struct column *kernel_get_item(struct evaluation *evaluation, struct column *const *arguments) {
    return access_array(evaluation, arguments, ACCESS_ITEM);
}

/* ---- order ---- */

static struct column *sort_lists(
    struct evaluation *evaluation, struct column *const *arguments, bool descending, bool nulls_last) {
    struct column *list = column_flatten(evaluation->arena, arguments[0], evaluation->row_count);
    struct arena *arena = evaluation->arena;
    struct column *result = ARENA_NEW(arena, struct column);
    size_t total = (size_t)list->offsets[evaluation->row_count];
    /* The row number comes first in the key, so one sort orders all lists. */
    struct column *rows = column_create(arena, type_simple(TYPE_INTEGER), total),
                  *columns[2] = {rows, list->children[0]};
    for (size_t row = 0; row < evaluation->row_count; row++) {
        for (int32_t i = list->offsets[row]; i < list->offsets[row + 1]; i++) {
            COLUMN_VALUES(rows, int32_t)[i] = (int32_t)row;
        }
    }
    struct keys keys;
    uint32_t *indexes = ARENA_ARRAY(arena, uint32_t, total);
    keys_encode(arena, columns, (const struct key_order[]){{0}, {descending, nulls_last}}, 2, total, &keys);
    sort_rows(&keys, indexes);
    *result = *list;
    result->type = evaluation->call->result_type;
    result->children = ARENA_ARRAY(arena, struct column *, 1);
    result->children[0] = column_take(arena, list->children[0], indexes, total);
    return result;
}
static struct column *kernel_array_sort(struct evaluation *evaluation, struct column *const *arguments) {
    return sort_lists(evaluation, arguments, false, true);
}
static struct column *kernel_sort_array(struct evaluation *evaluation, struct column *const *arguments) {
    bool ascending = evaluation->call->argument_count < 2 || COLUMN_AT(arguments[1], uint8_t, 0) != 0;
    return sort_lists(evaluation, arguments, !ascending, !ascending);
}

static struct column *kernel_shuffle(struct evaluation *evaluation, struct column *const *arguments) {
    struct lists lists;
    lists_begin(&lists, evaluation, arguments);
    struct column *list = lists.arguments[0];
    int64_t seed = evaluation->call->argument_count > 1 ? COLUMN_AT(arguments[1], int64_t, 0)
                                                        : (int64_t)evaluation->settings->random_seed;
    struct xorshift random = xorshift_make(seed + evaluation->partition + evaluation->first_row);
    lists.pool = list->children[0];
    for (size_t row = 0; row < lists.rows; row++) {
        size_t first = lists.picked.count;
        for (int32_t i = list->offsets[row]; i < list->offsets[row + 1]; i++) {
            pick(&lists, (size_t)i);
        }
        for (size_t i = lists.picked.count - first; i > 1; i--) {
            size_t j = (size_t)((uint64_t)xorshift_next_long(&random) % i);
            uint32_t other = lists.picked.items[first + j];
            lists.picked.items[first + j] = lists.picked.items[first + i - 1];
            lists.picked.items[first + i - 1] = other;
        }
        end_row(&lists, row);
    }
    return lists_end(&lists);
}

static struct column *kernel_slice(struct evaluation *evaluation, struct column *const *arguments) {
    struct lists lists;
    lists_begin(&lists, evaluation, arguments);
    struct column *list = lists.arguments[0];
    lists.pool = list->children[0];
    for (size_t row = 0; row < lists.rows; row++) {
        if (row_present(&lists, row)) {
            int64_t start = COLUMN_AT(lists.arguments[1], int32_t, row),
                    count = COLUMN_AT(lists.arguments[2], int32_t, row);
            int64_t length = list_length(list, row);
            if (start == 0 || count < 0) {
                evaluation_failed(evaluation, raise_invalid_parameter_value_zero_index(
                                                  evaluation->error, start == 0 ? "`start`" : "`length`", "`slice`"));
                VECTOR_FREE(&lists.picked);
                return NULL;
            }
            int64_t first = start > 0 ? start - 1 : length + start;
            for (int64_t i = first; first >= 0 && i < length && i < first + count; i++) {
                pick(&lists, (size_t)(list->offsets[row] + i));
            }
        }
        end_row(&lists, row);
    }
    return lists_end(&lists);
}

static struct column *kernel_flatten(struct evaluation *evaluation, struct column *const *arguments) {
    struct lists lists;
    lists_begin(&lists, evaluation, arguments);
    struct column *outer = lists.arguments[0], *inner = outer->children[0];
    struct column validity = {.row_count = lists.rows, .validity = lists.validity, .type = outer->type};
    lists.pool = inner->children[0];
    for (size_t row = 0; row < lists.rows; row++) {
        bool null = false;
        for (int32_t i = outer->offsets[row]; i < outer->offsets[row + 1]; i++) {
            null = null || column_is_null(inner, (size_t)i);
        }
        if (null) {
            bit_clear(column_make_nullable(lists.arena, &validity), row);
        }
        for (int32_t i = outer->offsets[row]; !null && i < outer->offsets[row + 1]; i++) {
            for (int32_t j = inner->offsets[i]; j < inner->offsets[i + 1]; j++) {
                pick(&lists, (size_t)j);
            }
        }
        end_row(&lists, row);
    }
    lists.validity = (uint8_t *)validity.validity;
    return lists_end(&lists);
}

/* ---- with texts and structs ---- */

static struct column *kernel_array_join(struct evaluation *evaluation, struct column *const *arguments) {
    struct lists lists;
    lists_begin(&lists, evaluation, arguments);
    struct column *list = lists.arguments[0], *separators = lists.arguments[1], *result = evaluation_result(evaluation);
    struct column *missing = evaluation->call->argument_count > 2 ? lists.arguments[2] : NULL;
    struct buffer text = {0};
    result->validity = lists.validity;
    for (size_t row = 0; row < lists.rows; row++) {
        bool first = true;
        buffer_clear(&text);
        for (int32_t i = list->offsets[row]; i < list->offsets[row + 1] && row_present(&lists, row); i++) {
            const struct column *from = list->children[0];
            size_t at = (size_t)i;
            if (column_is_null(from, at)) {
                if (missing == NULL) {
                    continue;
                }
                from = missing;
                at = row;
            }
            if (!first) {
                buffer_append_bytes(&text, string_view_bytes(COLUMN_AT(separators, struct string_view, row)));
            }
            buffer_append_bytes(&text, string_view_bytes(COLUMN_AT(from, struct string_view, at)));
            first = false;
        }
        COLUMN_VALUES(result, struct string_view)[row] = evaluation_string(evaluation, text.data, text.size);
    }
    buffer_free(&text);
    return result;
}

static struct column *kernel_arrays_zip(struct evaluation *evaluation, struct column *const *arguments) {
    size_t count = evaluation->call->argument_count, rows = evaluation->row_count, total = 0;
    struct arena *arena = evaluation->arena;
    struct column *result = column_create(arena, evaluation->call->result_type, rows);
    struct column **lists = ARENA_ARRAY(arena, struct column *, count);
    int32_t *offsets = ARENA_ARRAY(arena, int32_t, rows + 1);
    result->validity = evaluation_strict_validity(evaluation, arguments, count);
    for (size_t i = 0; i < count; i++) {
        lists[i] = column_flatten(arena, arguments[i], rows);
    }
    for (size_t row = 0; row < rows; row++) {
        int32_t longest = 0;
        for (size_t i = 0; i < count && !column_is_null(result, row); i++) {
            longest = list_length(lists[i], row) > longest ? list_length(lists[i], row) : longest;
        }
        total += (size_t)longest;
        offsets[row + 1] = (int32_t)total;
    }
    struct column *structs = column_create(arena, result->type->element, total);
    uint32_t *indexes = ARENA_ARRAY(arena, uint32_t, total);
    for (size_t i = 0; i < count; i++) {
        for (size_t row = 0; row < rows; row++) {
            for (int32_t j = offsets[row]; j < offsets[row + 1]; j++) {
                int32_t at = j - offsets[row];
                indexes[j] = at < list_length(lists[i], row) ? (uint32_t)(lists[i]->offsets[row] + at) : UINT32_MAX;
            }
        }
        structs->children[i] = column_take(arena, lists[i]->children[0], indexes, total);
    }
    result->offsets = offsets;
    result->children[0] = structs;
    return result;
}

/* array_of_structs.field: the field's number is the second argument. */
static struct column *kernel_struct_field(struct evaluation *evaluation, struct column *const *arguments) {
    struct column *result = ARENA_NEW(evaluation->arena, struct column);
    size_t field = (size_t)COLUMN_AT(arguments[1], int32_t, 0);
    const struct column *structs = arguments[0]->children[0];
    struct column *child = ARENA_NEW(evaluation->arena, struct column);
    *child = *structs->children[field];
    if (structs->validity != NULL) {
        uint8_t *bits = ARENA_ARRAY(evaluation->arena, uint8_t, bitmap_size(structs->row_count));
        for (size_t i = 0; i < structs->row_count; i++) {
            bits[i >> 3] |= (uint8_t)((!column_is_null(structs, i) && !column_is_null(child, i)) << (i & 7));
        }
        child->validity = bits;
    }
    *result = *arguments[0];
    result->type = evaluation->call->result_type;
    result->children = ARENA_ARRAY(evaluation->arena, struct column *, 1);
    result->children[0] = child;
    return result;
}

static struct column *kernel_named_struct(struct evaluation *evaluation, struct column *const *arguments) {
    size_t count = evaluation->call->argument_count / 2;
    struct column *result = evaluation_result(evaluation);
    for (size_t i = 0; i < count; i++) {
        result->children[i] = column_flatten(evaluation->arena, arguments[2 * i + 1], evaluation->row_count);
    }
    return result;
}

#define SAFE(name, kernel, ...)                                                                                        \
    { name, {__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}), KERNEL_NEVER_FAILS, kernel }
#define MAY_FAIL(name, kernel, ...)                                                                                    \
    { name, {__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}), 0, kernel }
static const struct kernel_entry entries[] = {
    {"array", {KERNEL_ANY}, 1, KERNEL_VARIADIC | KERNEL_NEVER_FAILS, kernel_array},
    MAY_FAIL("array_repeat", kernel_array_repeat, KERNEL_ANY, TYPE_INTEGER),
    SAFE("array_append", kernel_array_append, TYPE_ARRAY, KERNEL_ANY),
    SAFE("array_prepend", kernel_array_prepend, TYPE_ARRAY, KERNEL_ANY),
    MAY_FAIL("array_insert", kernel_array_insert, TYPE_ARRAY, TYPE_INTEGER, KERNEL_ANY),
    SAFE("array_compact", kernel_array_compact, TYPE_ARRAY),
    SAFE("array_remove", kernel_array_remove, TYPE_ARRAY, KERNEL_ANY),
    SAFE("array_distinct", kernel_array_distinct, TYPE_ARRAY),
    SAFE("array_union", kernel_array_union, TYPE_ARRAY, TYPE_ARRAY),
    SAFE("array_intersect", kernel_array_intersect, TYPE_ARRAY, TYPE_ARRAY),
    SAFE("array_except", kernel_array_except, TYPE_ARRAY, TYPE_ARRAY),
    SAFE("array_contains", kernel_array_contains, TYPE_ARRAY, KERNEL_ANY),
    SAFE("array_position", kernel_array_position, TYPE_ARRAY, KERNEL_ANY),
    SAFE("arrays_overlap", kernel_arrays_overlap, TYPE_ARRAY, TYPE_ARRAY),
    SAFE("array_min", kernel_array_min, TYPE_ARRAY),
    SAFE("array_max", kernel_array_max, TYPE_ARRAY),
    SAFE("size", kernel_size, TYPE_ARRAY),
    SAFE("size", kernel_size, TYPE_MAP),
    SAFE("size", kernel_size_of_null, TYPE_NULL),
    SAFE("array_size", kernel_size, TYPE_ARRAY),
    MAY_FAIL("element_at", kernel_element_at, TYPE_ARRAY, TYPE_INTEGER),
    SAFE("get", kernel_get, TYPE_ARRAY, TYPE_INTEGER),
    MAY_FAIL("get_array_item", kernel_get_item, TYPE_ARRAY, TYPE_INTEGER),
    SAFE("array_sort", kernel_array_sort, TYPE_ARRAY),
    SAFE("sort_array", kernel_sort_array, TYPE_ARRAY),
    SAFE("sort_array", kernel_sort_array, TYPE_ARRAY, TYPE_BOOLEAN),
    {"shuffle", {TYPE_ARRAY}, 1, KERNEL_NEVER_FAILS | KERNEL_NOT_FOLDED, kernel_shuffle},
    {"shuffle", {TYPE_ARRAY, TYPE_LONG}, 2, KERNEL_NEVER_FAILS | KERNEL_NOT_FOLDED, kernel_shuffle},
    MAY_FAIL("slice", kernel_slice, TYPE_ARRAY, TYPE_INTEGER, TYPE_INTEGER),
    SAFE("flatten", kernel_flatten, TYPE_ARRAY),
    SAFE("array_join", kernel_array_join, TYPE_ARRAY, TYPE_STRING),
    SAFE("array_join", kernel_array_join, TYPE_ARRAY, TYPE_STRING, TYPE_STRING),
    {"arrays_zip", {TYPE_ARRAY}, 1, KERNEL_VARIADIC | KERNEL_NEVER_FAILS, kernel_arrays_zip},
    SAFE("array_struct_field", kernel_struct_field, TYPE_ARRAY, TYPE_INTEGER),
    {"named_struct", {KERNEL_ANY}, 1, KERNEL_VARIADIC | KERNEL_NEVER_FAILS, kernel_named_struct},
};
const struct kernel_family kernel_family_collection = KERNEL_FAMILY(entries);
