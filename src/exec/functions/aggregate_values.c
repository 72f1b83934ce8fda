/* aggregate_values.c: aggregates that keep values: first, last, max_by, min_by, collect_list, collect_set, mode,
 * percentile, median, percentile_approx, approx_count_distinct, listagg, and min and max of nested types.
 *
 * Values are kept in chunks, one per batch: the rows of the arguments that matter, copied. `first` and its kin remember
 * per group where their row lies; the others keep all rows and sort them by group at the end. The store hangs on the
 * state of group 0. */
#include <math.h>
#include <stdlib.h>
#include "exec/function.h"
#include "exec/groups.h"
#include "exec/sort_rows.h"
#include "exec/value.h"

enum { COLUMNS_MAX = 2 };

struct chunk {
    struct column *columns[COLUMNS_MAX];
    uint32_t *groups; /* NULL: group 0, or the states point to the rows */
    size_t row_count;
};

struct store {
    struct chunk *chunks;
    size_t count, capacity, row_count;
};

struct place {
    struct store *store; /* of group 0 only */
    uint32_t chunk, row;
    bool present;
};

static struct place *places(const struct aggregate_run *run) {
    return (struct place *)run->states;
}

static size_t kept_columns(const struct aggregate_run *run) {
    size_t count = run->call->argument_count;
    return count > COLUMNS_MAX ? COLUMNS_MAX : count;
}

static struct store *store_of(struct aggregate_run *run) {
    if (run->group_count == 0) {
        return NULL;
    }
    if (places(run)[0].store == NULL) {
        places(run)[0].store = ARENA_NEW(run->arena, struct store);
    }
    return places(run)[0].store;
}

/* Copies the rows into a new chunk and returns its number. */
static uint32_t add_chunk(struct aggregate_run *run, struct column *const *columns, size_t column_count,
    const uint32_t *rows, size_t count, const uint32_t *groups) {
    struct store *store = store_of(run);
    if (store->count == store->capacity) {
        size_t capacity = store->capacity * 2 + 8;
        struct chunk *chunks = ARENA_ARRAY(run->arena, struct chunk, capacity);
        if (store->count > 0) {
            memcpy(chunks, store->chunks, store->count * sizeof *chunks);
        }
        store->chunks = chunks;
        store->capacity = capacity;
    }
    struct chunk *chunk = &store->chunks[store->count];
    struct arena scratch = {0};
    for (size_t i = 0; i < column_count; i++) {
        struct column *taken = column_take(&scratch, columns[i], rows, count);
        chunk->columns[i] = column_copy(run->arena, column_flatten(&scratch, taken, count));
    }
    arena_destroy(&scratch);
    chunk->row_count = count;
    if (groups != NULL) {
        chunk->groups = ARENA_ARRAY(run->arena, uint32_t, count);
        for (size_t i = 0; i < count; i++) {
            chunk->groups[i] = groups[rows[i]];
        }
    }
    store->row_count += count;
    return (uint32_t)store->count++;
}

/* ---- one row per group ---- */

enum choice { CHOOSE_FIRST, CHOOSE_LAST, CHOOSE_LEAST, CHOOSE_GREATEST };

/* Whether row i of the arguments takes the place of what the group has (`current`: a row of this batch + 1, or 0: see
 * the store). */
static bool replaces(struct aggregate_run *run, enum choice choice, const struct column *order, size_t i,
    const struct place *place, uint32_t current) {
    if (choice == CHOOSE_FIRST) {
        return !place->present && current == 0;
    }
    if (choice == CHOOSE_LAST) {
        return true;
    }
    int sign = choice == CHOOSE_LEAST ? 1 : -1;
    if (current != 0) {
        return sign * value_compare(order, i, order, current - 1) < 0;
    }
    if (!place->present) {
        return true;
    }
    size_t last = kept_columns(run) - 1;
    const struct chunk *chunk = &places(run)[0].store->chunks[place->chunk];
    return sign * value_compare(order, i, chunk->columns[last], place->row) < 0;
}

static void choose(struct aggregate_run *run, struct column *const *arguments, size_t row_count, const uint32_t *groups,
    enum choice choice, bool skip_nulls) {
    struct arena *scratch = run->evaluation->arena;
    size_t column_count = kept_columns(run), chosen_count = 0;
    bool ordered = choice == CHOOSE_LEAST || choice == CHOOSE_GREATEST;
    const struct column *order = arguments[ordered ? column_count - 1 : 0];
    uint32_t *current = ARENA_ARRAY(scratch, uint32_t, run->group_count); /* row + 1 */
    uint32_t *touched = ARENA_ARRAY(scratch, uint32_t, row_count), *rows = ARENA_ARRAY(scratch, uint32_t, row_count);
    for (size_t i = 0; i < row_count; i++) {
        uint32_t group = groups == NULL ? 0 : groups[i];
        if ((skip_nulls && column_is_null(order, i)) ||
            !replaces(run, choice, order, i, &places(run)[group], current[group])) {
            continue;
        }
        if (current[group] == 0) {
            touched[chosen_count++] = group;
        }
        current[group] = (uint32_t)i + 1;
    }
    if (chosen_count == 0) {
        return;
    }
    for (size_t i = 0; i < chosen_count; i++) {
        rows[i] = current[touched[i]] - 1;
    }
    uint32_t chunk = add_chunk(run, arguments, column_count, rows, chosen_count, NULL);
    for (size_t i = 0; i < chosen_count; i++) {
        struct place *place = &places(run)[touched[i]];
        place->chunk = chunk;
        place->row = (uint32_t)i;
        place->present = true;
    }
}

static bool ignores_nulls(const struct aggregate_run *run) {
    const struct kernel_call *call = run->call;
    return (call->aggregate != NULL && call->aggregate->ignore_nulls) ||
           (call->argument_count > 1 && call->constants[1] != NULL && call->argument_types[1]->kind == TYPE_BOOLEAN &&
               COLUMN_AT(call->constants[1], uint8_t, 0) != 0);
}

/* Column `index` of each group's row, null where there is none. */
static struct column *chosen_column(struct aggregate_run *run, size_t index, const struct type *type) {
    struct arena *arena = run->evaluation->arena;
    const struct store *store = run->group_count == 0 ? NULL : places(run)[0].store;
    if (store == NULL || store->count == 0) {
        return column_create_nulls(arena, type, run->group_count);
    }
    struct column **parts = ARENA_ARRAY(arena, struct column *, store->count);
    size_t *row_counts = ARENA_ARRAY(arena, size_t, store->count), *bases = ARENA_ARRAY(arena, size_t, store->count);
    size_t total = 0;
    for (size_t i = 0; i < store->count; i++) {
        parts[i] = store->chunks[i].columns[index];
        row_counts[i] = store->chunks[i].row_count;
        bases[i] = total;
        total += row_counts[i];
    }
    uint32_t *rows = ARENA_ARRAY(arena, uint32_t, run->group_count);
    for (size_t i = 0; i < run->group_count; i++) {
        const struct place *place = &places(run)[i];
        rows[i] = place->present ? (uint32_t)(bases[place->chunk] + place->row) : UINT32_MAX;
    }
    return column_take(arena, column_concat(arena, parts, row_counts, store->count), rows, run->group_count);
}

static struct column *chosen_finish(struct aggregate_run *run) {
    return chosen_column(run, 0, run->call->result_type);
}

static const struct type *chosen_type(const struct kernel_call *call, struct arena *arena) {
    struct type_field fields[1 + COLUMNS_MAX] = {{BYTES("present"), type_simple(TYPE_BOOLEAN), false, BYTES_NULL}};
    size_t count = call->argument_count > COLUMNS_MAX ? COLUMNS_MAX : call->argument_count;
    for (size_t i = 0; i < count; i++) {
        fields[1 + i] =
            (struct type_field){i == 0 ? BYTES("value") : BYTES("order"), call->argument_types[i], true, BYTES_NULL};
    }
    return type_struct(arena, fields, 1 + count);
}

static struct column *chosen_save(struct aggregate_run *run) {
    struct arena *arena = run->evaluation->arena;
    struct column *saved = column_create(arena, chosen_type(run->call, arena), run->group_count);
    for (size_t i = 0; i < run->group_count; i++) {
        COLUMN_VALUES(saved->children[0], uint8_t)[i] = places(run)[i].present;
    }
    for (size_t i = 0; i + 1 < saved->child_count; i++) {
        saved->children[1 + i] = chosen_column(run, i, run->call->argument_types[i]);
    }
    return saved;
}

static void chosen_merge(
    struct aggregate_run *run, const struct column *saved, const uint32_t *groups, enum choice choice) {
    struct arena *scratch = run->evaluation->arena;
    uint32_t *rows = ARENA_ARRAY(scratch, uint32_t, saved->row_count);
    uint32_t *of_rows = ARENA_ARRAY(scratch, uint32_t, saved->row_count);
    size_t count = 0;
    for (size_t i = 0; i < saved->row_count; i++) {
        if (COLUMN_VALUES(saved->children[0], uint8_t)[i]) {
            of_rows[count] = groups == NULL ? 0 : groups[i];
            rows[count++] = (uint32_t)i;
        }
    }
    struct column *arguments[COLUMNS_MAX];
    for (size_t i = 0; i + 1 < saved->child_count; i++) {
        arguments[i] = column_take(scratch, saved->children[1 + i], rows, count);
    }
    choose(run, arguments, count, of_rows, choice, false);
}

#define CHOICE(name, choice, skip)                                                                                     \
    static void name##_update(                                                                                         \
        struct aggregate_run *run, struct column *const *arguments, size_t row_count, const uint32_t *groups) {        \
        choose(run, arguments, row_count, groups, choice, skip);                                                       \
    }                                                                                                                  \
    static void name##_merge(struct aggregate_run *run, const struct column *saved, const uint32_t *groups) {          \
        chosen_merge(run, saved, groups, choice);                                                                      \
    }
CHOICE(first, CHOOSE_FIRST, ignores_nulls(run))
CHOICE(last, CHOOSE_LAST, ignores_nulls(run))
CHOICE(least, CHOOSE_LEAST, true)
CHOICE(greatest, CHOOSE_GREATEST, true)

/* ---- all rows ---- */

static void collect(
    struct aggregate_run *run, struct column *const *arguments, size_t row_count, const uint32_t *groups) {
    uint32_t *rows = ARENA_ARRAY(run->evaluation->arena, uint32_t, row_count);
    size_t count = 0;
    for (size_t i = 0; i < row_count; i++) {
        rows[count] = (uint32_t)i;
        count += !column_is_null(arguments[0], i);
    }
    if (count > 0) {
        add_chunk(run, arguments, 1, rows, count, groups);
    }
}

static const struct type *collect_type(const struct kernel_call *call, struct arena *arena) {
    return type_array(arena, call->argument_types[0], false);
}

/* The kept values as one list per group, in the order they came. */
static struct column *collected(struct aggregate_run *run) {
    struct arena *arena = run->evaluation->arena;
    struct column *lists = column_create(arena, collect_type(run->call, arena), run->group_count);
    const struct store *store = run->group_count == 0 ? NULL : places(run)[0].store;
    if (store == NULL || store->row_count == 0) {
        return lists;
    }
    int32_t *offsets = ARENA_ARRAY(arena, int32_t, run->group_count + 1);
    int32_t *next = ARENA_ARRAY(arena, int32_t, run->group_count + 1);
    uint32_t *rows = ARENA_ARRAY(arena, uint32_t, store->row_count);
    struct column **parts = ARENA_ARRAY(arena, struct column *, store->count);
    size_t *row_counts = ARENA_ARRAY(arena, size_t, store->count);
    for (size_t c = 0; c < store->count; c++) {
        parts[c] = store->chunks[c].columns[0];
        row_counts[c] = store->chunks[c].row_count;
        for (size_t i = 0; i < row_counts[c]; i++) {
            offsets[(store->chunks[c].groups == NULL ? 0 : store->chunks[c].groups[i]) + 1]++;
        }
    }
    for (size_t g = 0; g < run->group_count; g++) {
        offsets[g + 1] += offsets[g];
        next[g] = offsets[g];
    }
    uint32_t row = 0;
    for (size_t c = 0; c < store->count; c++) {
        for (size_t i = 0; i < row_counts[c]; i++) {
            rows[next[store->chunks[c].groups == NULL ? 0 : store->chunks[c].groups[i]]++] = row++;
        }
    }
    lists->offsets = offsets;
    lists->children[0] =
        column_take(arena, column_concat(arena, parts, row_counts, store->count), rows, store->row_count);
    return lists;
}

static void collect_merge(struct aggregate_run *run, const struct column *saved, const uint32_t *groups) {
    size_t total = (size_t)saved->offsets[saved->row_count];
    uint32_t *rows = ARENA_ARRAY(run->evaluation->arena, uint32_t, total);
    uint32_t *of_rows = ARENA_ARRAY(run->evaluation->arena, uint32_t, total);
    for (size_t i = 0; i < saved->row_count; i++) {
        for (int32_t j = saved->offsets[i]; j < saved->offsets[i + 1]; j++) {
            rows[j] = (uint32_t)j;
            of_rows[j] = groups == NULL ? 0 : groups[i];
        }
    }
    if (total > 0) {
        add_chunk(run, saved->children, 1, rows, total, of_rows);
    }
}

static struct column *list_finish(struct aggregate_run *run) {
    struct column *lists = collected(run);
    lists->type = run->call->result_type;
    return lists;
}

/* Numbers of (group, value): equal values of a group have the same; new_rows lists where each was first seen. */
static size_t number_values(struct aggregate_run *run, struct column *lists, uint32_t **numbers, uint32_t **new_rows) {
    struct arena *arena = run->evaluation->arena;
    size_t total = (size_t)lists->offsets[run->group_count];
    struct column *of_group = column_create(arena, type_simple(TYPE_INTEGER), total),
                  *keys[2] = {of_group, lists->children[0]};
    for (size_t g = 0; g < run->group_count; g++) {
        for (int32_t i = lists->offsets[g]; i < lists->offsets[g + 1]; i++) {
            COLUMN_VALUES(of_group, int32_t)[i] = (int32_t)g;
        }
    }
    const struct type *types[2] = {of_group->type, lists->children[0]->type};
    struct groups groups;
    *numbers = ARENA_ARRAY(arena, uint32_t, total);
    *new_rows = ARENA_ARRAY(arena, uint32_t, total);
    groups_init(&groups, types, 2);
    size_t count = groups_add(&groups, arena, keys, 2, total, *numbers, *new_rows);
    groups_free(&groups);
    return count;
}

static struct column *set_finish(struct aggregate_run *run) {
    struct column *lists = collected(run);
    uint32_t *numbers, *new_rows;
    size_t count = number_values(run, lists, &numbers, &new_rows), at = 0;
    int32_t *offsets = ARENA_ARRAY(run->evaluation->arena, int32_t, run->group_count + 1);
    for (size_t g = 0; g < run->group_count; g++) {
        while (at < count && (int32_t)new_rows[at] < lists->offsets[g + 1]) {
            at++;
        }
        offsets[g + 1] = (int32_t)at;
    }
    lists->type = run->call->result_type;
    lists->offsets = offsets;
    lists->children[0] = column_take(run->evaluation->arena, lists->children[0], new_rows, count);
    return lists;
}

static struct column *distinct_finish(struct aggregate_run *run) {
    struct column *lists = collected(run),
                  *result = column_create(run->evaluation->arena, run->call->result_type, run->group_count);
    uint32_t *numbers, *new_rows;
    size_t count = number_values(run, lists, &numbers, &new_rows), at = 0;
    for (size_t g = 0; g < run->group_count; g++) {
        for (; at < count && (int32_t)new_rows[at] < lists->offsets[g + 1]; at++) {
            COLUMN_VALUES(result, int64_t)[g]++;
        }
    }
    return result;
}

static struct column *mode_finish(struct aggregate_run *run) {
    struct column *lists = collected(run);
    struct arena *arena = run->evaluation->arena;
    uint32_t *numbers, *new_rows, *picked = ARENA_ARRAY(arena, uint32_t, run->group_count);
    size_t count = number_values(run, lists, &numbers, &new_rows);
    uint32_t *frequencies = ARENA_ARRAY(arena, uint32_t, count);
    for (int32_t i = 0; i < lists->offsets[run->group_count]; i++) {
        frequencies[numbers[i]]++;
    }
    for (size_t g = 0; g < run->group_count; g++) {
        uint32_t best = 0;
        picked[g] = UINT32_MAX;
        for (int32_t i = lists->offsets[g]; i < lists->offsets[g + 1]; i++) {
            uint32_t frequency = frequencies[numbers[i]];
            if (frequency > best ||
                (frequency == best && picked[g] != UINT32_MAX &&
                    value_compare(lists->children[0], (size_t)i, lists->children[0], picked[g]) < 0)) {
                best = frequency;
                picked[g] = (uint32_t)i;
            }
        }
    }
    return column_take(arena, lists->children[0], picked, run->group_count);
}

/* ---- percentiles: of all values of a group, sorted ---- */

/* Rows of the lists' child, sorted within each group. */
static uint32_t *sorted_rows(struct aggregate_run *run, struct column *lists) {
    struct arena *arena = run->evaluation->arena;
    size_t total = (size_t)lists->offsets[run->group_count];
    struct column *of_group = column_create(arena, type_simple(TYPE_INTEGER), total),
                  *columns[2] = {of_group, lists->children[0]};
    for (size_t g = 0; g < run->group_count; g++) {
        for (int32_t i = lists->offsets[g]; i < lists->offsets[g + 1]; i++) {
            COLUMN_VALUES(of_group, int32_t)[i] = (int32_t)g;
        }
    }
    struct keys keys;
    uint32_t *rows = ARENA_ARRAY(arena, uint32_t, total);
    keys_encode(arena, columns, NULL, 2, total, &keys);
    sort_rows(&keys, rows);
    return rows;
}

/* The wanted fractions: a number or an array of numbers, constant. */
static size_t fractions(struct aggregate_run *run, double **values) {
    const struct column *constant = run->call->argument_count > 1 ? run->call->constants[1] : NULL;
    struct arena *arena = run->evaluation->arena;
    if (constant == NULL) {
        *values = ARENA_ARRAY(arena, double, 1);
        (*values)[0] = 0.5;
        return 1;
    }
    bool list = constant->type->kind == TYPE_ARRAY;
    const struct column *numbers = list ? constant->children[0] : constant;
    size_t count = list ? (size_t)constant->offsets[1] : 1;
    *values = ARENA_ARRAY(arena, double, count);
    for (size_t i = 0; i < count; i++) {
        switch (numbers->type->kind) {
        case TYPE_DOUBLE:
            (*values)[i] = COLUMN_VALUES(numbers, double)[i];
            break;
        case TYPE_FLOAT:
            (*values)[i] = (double)COLUMN_VALUES(numbers, float)[i];
            break;
        case TYPE_DECIMAL:
            (*values)[i] = (double)COLUMN_VALUES(numbers, __int128)[i] / pow(10, numbers->type->scale);
            break;
        default:
            (*values)[i] = (double)COLUMN_VALUES(numbers, int32_t)[i];
        }
    }
    return count;
}

/* One result per group, or a list of them when the fractions are a list. `values` has group_count × count rows. */
static struct column *percentile_result(
    struct aggregate_run *run, struct column *values, const struct column *lists, size_t count) {
    struct arena *arena = run->evaluation->arena;
    if (run->call->result_type->kind != TYPE_ARRAY) {
        return values;
    }
    struct column *result = column_create(arena, run->call->result_type, run->group_count);
    int32_t *offsets = ARENA_ARRAY(arena, int32_t, run->group_count + 1);
    for (size_t g = 0; g < run->group_count; g++) {
        offsets[g + 1] = (int32_t)((g + 1) * count);
        if (lists->offsets[g] == lists->offsets[g + 1]) {
            bit_clear(column_make_nullable(arena, result), g);
        }
    }
    result->offsets = offsets;
    result->children[0] = values;
    return result;
}

static struct column *percentile_finish(struct aggregate_run *run) {
    struct column *lists = collected(run);
    uint32_t *rows = sorted_rows(run, lists);
    double *wanted;
    size_t count = fractions(run, &wanted);
    struct column *values = column_create(run->evaluation->arena, type_simple(TYPE_DOUBLE), run->group_count * count);
    for (size_t i = 0; i < values->row_count; i++) {
        int32_t first = lists->offsets[i / count], size = lists->offsets[i / count + 1] - first;
        if (size == 0) {
            bit_clear(column_make_nullable(run->evaluation->arena, values), i);
            continue;
        }
        double position = (size - 1) * wanted[i % count];
        int32_t low = (int32_t)floor(position), high = (int32_t)ceil(position);
        double a = COLUMN_VALUES(lists->children[0], double)[rows[first + low]];
        double b = COLUMN_VALUES(lists->children[0], double)[rows[first + high]];
        COLUMN_VALUES(values, double)[i] = low == high || a == b ? a : (high - position) * a + (position - low) * b;
    }
    return percentile_result(run, values, lists, count);
}

static struct column *percentile_approx_finish(struct aggregate_run *run) {
    struct column *lists = collected(run);
    uint32_t *rows = sorted_rows(run, lists);
    double *wanted;
    size_t count = fractions(run, &wanted), total = run->group_count * count;
    uint32_t *picked = ARENA_ARRAY(run->evaluation->arena, uint32_t, total);
    for (size_t i = 0; i < total; i++) {
        int32_t first = lists->offsets[i / count], size = lists->offsets[i / count + 1] - first;
        int64_t rank = (int64_t)ceil(wanted[i % count] * size) - 1;
        rank = rank < 0 ? 0 : rank >= size ? size - 1 : rank;
        picked[i] = size == 0 ? UINT32_MAX : rows[first + rank];
    }
    struct column *values = column_take(run->evaluation->arena, lists->children[0], picked, total);
    return percentile_result(run, values, lists, count);
}

static struct column *listagg_finish(struct aggregate_run *run) {
    struct column *lists = collected(run),
                  *result = column_create(run->evaluation->arena, run->call->result_type, run->group_count);
    struct bytes separator = BYTES("");
    if (run->call->argument_count > 1 && run->call->constants[1] != NULL &&
        !column_is_null(run->call->constants[1], 0)) {
        separator = string_view_bytes(COLUMN_AT(run->call->constants[1], struct string_view, 0));
    }
    struct buffer text = {0};
    for (size_t g = 0; g < run->group_count; g++) {
        buffer_clear(&text);
        for (int32_t i = lists->offsets[g]; i < lists->offsets[g + 1]; i++) {
            buffer_append_bytes(&text, i > lists->offsets[g] ? separator : BYTES(""));
            buffer_append_bytes(&text, string_view_bytes(COLUMN_VALUES(lists->children[0], struct string_view)[i]));
        }
        COLUMN_VALUES(result, struct string_view)[g] = evaluation_string(run->evaluation, text.data, text.size);
        if (lists->offsets[g] == lists->offsets[g + 1]) {
            evaluation_set_null(run->evaluation, result, g);
        }
    }
    buffer_free(&text);
    return result;
}

static bool refuse_order(struct kernel_call *call, struct arena *arena, struct sql_error *error) {
    if (call->aggregate != NULL && call->aggregate->order.count > 0) {
        return raise_unsupported_feature_not_in_this_program(error, "WITHIN GROUP (ORDER BY …)", "");
    }
    return true;
}

#define CHOICE_ROW(name, kinds_count, flags, function, ...)                                                            \
    {                                                                                                                  \
        name, {__VA_ARGS__}, kinds_count, flags, sizeof(struct place), function##_update, chosen_type, chosen_save,    \
            function##_merge, chosen_finish                                                                            \
    }
#define COLLECT_ROW(name, flags, finish, ...)                                                                          \
    {                                                                                                                  \
        name, {__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}), flags, sizeof(struct place), collect, collect_type,     \
            collected, collect_merge, finish, NULL, refuse_order                                                       \
    }

static const struct aggregate_entry entries[] = {
    CHOICE_ROW("first", 1, AGGREGATE_ORDERED, first, KERNEL_ANY),
    CHOICE_ROW("first", 2, AGGREGATE_ORDERED, first, KERNEL_ANY, TYPE_BOOLEAN),
    CHOICE_ROW("last", 1, AGGREGATE_ORDERED, last, KERNEL_ANY),
    CHOICE_ROW("last", 2, AGGREGATE_ORDERED, last, KERNEL_ANY, TYPE_BOOLEAN),
    CHOICE_ROW("max_by", 2, 0, greatest, KERNEL_ANY, KERNEL_ANY),
    CHOICE_ROW("min_by", 2, 0, least, KERNEL_ANY, KERNEL_ANY),
    CHOICE_ROW("max", 1, 0, greatest, KERNEL_ANY),
    CHOICE_ROW("min", 1, 0, least, KERNEL_ANY),
    COLLECT_ROW("collect_list", AGGREGATE_ORDERED, list_finish, KERNEL_ANY),
    COLLECT_ROW("collect_set", AGGREGATE_ORDERED, set_finish, KERNEL_ANY),
    COLLECT_ROW("approx_count_distinct", 0, distinct_finish, KERNEL_ANY),
    COLLECT_ROW("approx_count_distinct", 0, distinct_finish, KERNEL_ANY, KERNEL_ANY),
    COLLECT_ROW("mode", 0, mode_finish, KERNEL_ANY),
    COLLECT_ROW("mode", 0, mode_finish, KERNEL_ANY, TYPE_BOOLEAN),
    COLLECT_ROW("median", 0, percentile_finish, TYPE_DOUBLE),
    COLLECT_ROW("percentile", 0, percentile_finish, TYPE_DOUBLE, KERNEL_ANY),
    COLLECT_ROW("percentile_approx", 0, percentile_approx_finish, KERNEL_ANY, KERNEL_ANY),
    COLLECT_ROW("percentile_approx", 0, percentile_approx_finish, KERNEL_ANY, KERNEL_ANY, KERNEL_ANY),
    COLLECT_ROW("listagg", AGGREGATE_ORDERED, listagg_finish, TYPE_STRING),
    COLLECT_ROW("listagg", AGGREGATE_ORDERED, listagg_finish, TYPE_STRING, TYPE_STRING),
};
const struct aggregate_family aggregate_family_values = AGGREGATE_FAMILY(entries);
