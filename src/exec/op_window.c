/* op_window.c: window functions. All rows are collected; for each function they are put in the order of its partition
 * and order keys, the frame of each row is found as a range of that order, and the results go back to the rows. Rows
 * leave in the order of the last function. An aggregate over a frame that only grows is continued from row to row; one
 * over a frame whose start moves starts again. */
#include <stdlib.h>
#include "exec/all_rows.h"
#include "exec/sort_rows.h"
#include "sql/function.h"

enum ranking { RANKING_NONE, ROW_NUMBER, RANK, DENSE_RANK, PERCENT_RANK, CUME_DIST, NTILE, LAG, LEAD, NTH_VALUE };

struct window_function {
    const struct expression_window *node;
    struct program *program;                                     /* partition keys, order keys, arguments, filter */
    size_t partition_count, order_count, argument_count, filter; /* filter SIZE_MAX: none */
    struct key_order *orders;                                    /* of partition and order keys */
    enum ranking ranking;
    const struct aggregate_entry *entry;
    struct kernel_call call;
    bool has_lower, has_upper; /* false: unbounded */
    long double lower, upper;
};

struct window {
    struct operator base;
    struct window_function *functions;
    size_t function_count, input_count;
};

/* The rows of one function's order, and where partitions, peers and frames lie in it. */
struct ordered {
    size_t rows;
    uint32_t *order;                                                   /* position → row */
    uint32_t *partition_start, *partition_end, *peer_start, *peer_end; /* per position */
    uint32_t *low, *high;                                              /* frame: [low, high) */
    struct column **columns;                                           /* the program's outputs, in row order */
};

/* ---- order, partitions, peers ---- */

/* Ends of the runs of positions with equal keys; starts[i] and ends[i] for each position. */
static void find_runs(const struct keys *keys, const uint32_t *order, size_t rows, uint32_t *starts, uint32_t *ends) {
    size_t start = 0;
    for (size_t i = 1; i <= rows; i++) {
        if (i == rows || !bytes_equal(keys_at(keys, order[i]), keys_at(keys, order[start]))) {
            for (size_t j = start; j < i; j++) {
                starts[j] = (uint32_t)start;
                ends[j] = (uint32_t)i;
            }
            start = i;
        }
    }
}

static bool put_in_order(const struct window *window, const struct window_function *function, struct batch *all,
    struct arena *arena, struct ordered *ordered, struct sql_error *error) {
    size_t rows = all->row_count, key_count = function->partition_count + function->order_count;
    struct frame frame = {
        .arena = arena, .settings = window->base.settings, .error = error, .inputs = all->columns, .row_count = rows};
    ordered->rows = rows;
    ordered->columns = ARENA_ARRAY(arena, struct column *, program_output_count(function->program));
    if (!program_run(function->program, &frame, ordered->columns)) {
        return false;
    }
    uint32_t **arrays[] = {&ordered->order, &ordered->partition_start, &ordered->partition_end, &ordered->peer_start,
        &ordered->peer_end, &ordered->low, &ordered->high};
    for (size_t i = 0; i < ARRAY_COUNT(arrays); i++) {
        *arrays[i] = ARENA_ARRAY(arena, uint32_t, rows);
    }
    struct keys keys, partition_keys;
    keys_encode(arena, ordered->columns, function->orders, key_count, rows, &keys);
    keys_encode(arena, ordered->columns, function->orders, function->partition_count, rows, &partition_keys);
    sort_rows(&keys, ordered->order);
    find_runs(&partition_keys, ordered->order, rows, ordered->partition_start, ordered->partition_end);
    find_runs(&keys, ordered->order, rows, ordered->peer_start, ordered->peer_end);
    return true;
}

/* ---- frames ---- */

static int64_t clamp(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

static void row_frame(const struct window_function *function, struct ordered *ordered) {
    for (size_t i = 0; i < ordered->rows; i++) {
        int64_t start = ordered->partition_start[i], end = ordered->partition_end[i], at = (int64_t)i;
        int64_t low = function->has_lower ? clamp(at + (int64_t)function->lower, start, end) : start;
        int64_t high = function->has_upper ? clamp(at + (int64_t)function->upper + 1, start, end) : end;
        ordered->low[i] = (uint32_t)low;
        ordered->high[i] = (uint32_t)(high < low ? low : high);
    }
}

static long double order_value(const struct column *column, size_t row) {
    switch (column->type->kind) {
    case TYPE_BYTE:
        return COLUMN_AT(column, int8_t, row);
    case TYPE_SHORT:
        return COLUMN_AT(column, int16_t, row);
    case TYPE_INTEGER:
    case TYPE_DATE:
        return COLUMN_AT(column, int32_t, row);
    case TYPE_FLOAT:
        return (long double)COLUMN_AT(column, float, row);
    case TYPE_DOUBLE:
        return COLUMN_AT(column, double, row);
    case TYPE_DECIMAL: {
        long double value = (long double)COLUMN_AT(column, __int128, row);
        for (int i = 0; i < column->type->scale; i++) {
            value /= 10;
        }
        return value;
    }
    default:
        return (long double)COLUMN_AT(column, int64_t, row);
    }
}

/* RANGE: bounds are peers, the partition's ends, or values relative to the row's. */
static void range_frame(const struct window_function *function, struct ordered *ordered) {
    const struct column *key = function->order_count > 0 ? ordered->columns[function->partition_count] : NULL;
    bool descending = function->order_count > 0 && function->orders[function->partition_count].descending;
    for (size_t i = 0; i < ordered->rows; i++) {
        uint32_t low = ordered->partition_start[i], high = ordered->partition_end[i];
        bool null = key != NULL && column_is_null(key, ordered->order[i]);
        long double value = key == NULL || null ? 0 : order_value(key, ordered->order[i]) * (descending ? -1 : 1);
        if (function->has_lower && (function->lower == 0 || null)) {
            low = ordered->peer_start[i];
        } else if (function->has_lower) {
            while (low < ordered->partition_end[i] &&
                   (column_is_null(key, ordered->order[low]) ||
                       order_value(key, ordered->order[low]) * (descending ? -1 : 1) < value + function->lower)) {
                low++;
            }
        }
        if (function->has_upper && (function->upper == 0 || null)) {
            high = ordered->peer_end[i];
        } else if (function->has_upper) {
            while (high > low &&
                   (column_is_null(key, ordered->order[high - 1]) ||
                       order_value(key, ordered->order[high - 1]) * (descending ? -1 : 1) > value + function->upper)) {
                high--;
            }
        }
        ordered->low[i] = low;
        ordered->high[i] = high < low ? low : high;
    }
}

/* ---- functions of the position ---- */

static struct column *ranking_column(
    const struct window_function *function, const struct ordered *ordered, struct arena *arena) {
    struct column *result = column_create(arena, function->node->base.type, ordered->rows);
    int64_t buckets = function->ranking == NTILE ? (int64_t)order_value(function->call.constants[0], 0) : 0;
    int32_t dense = 0;
    for (size_t i = 0; i < ordered->rows; i++) {
        uint32_t start = ordered->partition_start[i], row = ordered->order[i];
        int64_t at = (int64_t)(i - start), size = ordered->partition_end[i] - start;
        int32_t *whole = COLUMN_VALUES(result, int32_t) + row;
        dense = i == start ? 1 : dense + (ordered->peer_start[i] == i);
        switch (function->ranking) {
        case ROW_NUMBER:
            *whole = (int32_t)at + 1;
            break;
        case RANK:
            *whole = (int32_t)(ordered->peer_start[i] - start) + 1;
            break;
        case DENSE_RANK:
            *whole = dense;
            break;
        case PERCENT_RANK:
            COLUMN_VALUES(result, double)
            [row] = size <= 1 ? 0 : (double)(ordered->peer_start[i] - start) / (double)(size - 1);
            break;
        case CUME_DIST:
            COLUMN_VALUES(result, double)[row] = (double)(ordered->peer_end[i] - start) / (double)size;
            break;
        default: { /* NTILE: the first size % buckets ones are larger by one */
            int64_t base = size / buckets, larger = size % buckets;
            *whole =
                (int32_t)(at < larger * (base + 1) ? at / (base + 1) : larger + (at - larger * (base + 1)) / base) + 1;
        }
        }
    }
    return result;
}

/* lag, lead, nth_value: another row's value, else the default. */
static struct column *other_row(
    const struct window_function *function, const struct ordered *ordered, struct arena *arena) {
    size_t first = function->partition_count + function->order_count, rows = ordered->rows;
    struct column *values = column_flatten(arena, ordered->columns[first], rows);
    struct column *defaults = function->argument_count > 2 && function->ranking != NTH_VALUE
                                  ? column_flatten(arena, ordered->columns[first + 2], rows)
                                  : NULL;
    int64_t offset = function->argument_count > 1 ? (int64_t)order_value(ordered->columns[first + 1], 0) : 1;
    uint32_t *taken = ARENA_ARRAY(arena, uint32_t, rows);
    for (size_t i = 0; i < rows; i++) {
        int64_t at = function->ranking == LAG    ? (int64_t)i - offset
                     : function->ranking == LEAD ? (int64_t)i + offset
                                                 : (int64_t)ordered->low[i] + offset - 1;
        bool frame = function->ranking == NTH_VALUE;
        bool inside =
            frame ? at < ordered->high[i] : at >= ordered->partition_start[i] && at < ordered->partition_end[i];
        taken[ordered->order[i]] = inside             ? ordered->order[at]
                                   : defaults != NULL ? (uint32_t)(rows + ordered->order[i])
                                                      : UINT32_MAX;
    }
    if (defaults == NULL) {
        return column_take(arena, values, taken, rows);
    }
    struct column *both[2] = {values, defaults};
    return column_take(arena, column_concat(arena, both, (const size_t[]){rows, rows}, 2), taken, rows);
}

/* ---- aggregates over frames ---- */

struct framing {
    const struct window_function *function;
    struct arena states_arena, scratch;
    uint8_t *state;
    struct evaluation evaluation;
    struct aggregate_run run;
    struct column **sorted; /* arguments in order */
    bool *kept;             /* per position: passes the filter; NULL: all */
};

static void framing_reset(struct framing *framing) {
    if (framing->function->entry->destroy != NULL && framing->state != NULL) {
        framing->function->entry->destroy(&framing->run);
    }
    arena_reset(&framing->states_arena);
    framing->state = arena_allocate_zeroed(&framing->states_arena, framing->function->entry->state_size);
    framing->run.states = framing->state;
    framing->run.arena = &framing->states_arena;
}

static void framing_add(struct framing *framing, size_t from, size_t to) {
    struct column *slices[8];
    for (size_t start = from; start < to;) {
        size_t end = to;
        if (framing->kept != NULL) {
            while (start < to && !framing->kept[start]) {
                start++;
            }
            end = start;
            while (end < to && framing->kept[end]) {
                end++;
            }
        }
        if (start == end) {
            break;
        }
        arena_reset(&framing->scratch);
        for (size_t i = 0; i < framing->function->argument_count; i++) {
            slices[i] = column_slice(&framing->scratch, framing->sorted[i], start, end - start);
        }
        framing->evaluation.arena = &framing->scratch;
        framing->evaluation.row_count = end - start;
        framing->function->entry->update(&framing->run, slices, end - start, NULL);
        start = end;
    }
}

/* One result per distinct frame; *numbers says which one each position has. */
static struct column *frame_results(
    struct framing *framing, const struct ordered *ordered, struct arena *arena, uint32_t *numbers) {
    struct column **results = ARENA_ARRAY(arena, struct column *, ordered->rows);
    size_t *ones = ARENA_ARRAY(arena, size_t, ordered->rows), count = 0;
    uint32_t low = 0, high = 0;
    for (size_t i = 0; i < ordered->rows; i++) {
        if (i == 0 || ordered->low[i] != low || ordered->high[i] != high) {
            if (i == 0 || ordered->low[i] != low || ordered->high[i] < high) {
                framing_reset(framing);
                low = high = ordered->low[i];
            }
            framing_add(framing, high, ordered->high[i]);
            high = ordered->high[i];
            arena_reset(&framing->scratch);
            framing->evaluation.arena = arena;
            framing->evaluation.row_count = 1;
            struct column *result = framing->function->entry->finish(&framing->run);
            if (framing->evaluation.failed) {
                return NULL;
            }
            results[count] = column_copy(arena, result);
            ones[count++] = 1;
        }
        numbers[i] = (uint32_t)count - 1;
    }
    return count == 0 ? column_create(arena, framing->function->node->base.type, 0)
                      : column_concat(arena, results, ones, count);
}

static struct column *aggregate_column(const struct window *window, const struct window_function *function,
    const struct ordered *ordered, struct arena *arena, struct sql_error *error) {
    size_t first = function->partition_count + function->order_count, rows = ordered->rows;
    struct framing framing = {.function = function};
    framing.evaluation =
        (struct evaluation){.call = &function->call, .settings = window->base.settings, .error = error};
    framing.run = (struct aggregate_run){.evaluation = &framing.evaluation, .call = &function->call, .group_count = 1};
    framing.sorted = ARENA_ARRAY(arena, struct column *, function->argument_count);
    for (size_t i = 0; i < function->argument_count; i++) {
        framing.sorted[i] =
            column_flatten(arena, column_take(arena, ordered->columns[first + i], ordered->order, rows), rows);
    }
    if (function->filter != SIZE_MAX) {
        const struct column *condition = ordered->columns[function->filter];
        framing.kept = ARENA_ARRAY(arena, bool, rows);
        for (size_t i = 0; i < rows; i++) {
            size_t row = ordered->order[i];
            framing.kept[i] = !column_is_null(condition, row) && COLUMN_AT(condition, uint8_t, row) != 0;
        }
    }
    uint32_t *numbers = ARENA_ARRAY(arena, uint32_t, rows), *taken = ARENA_ARRAY(arena, uint32_t, rows);
    struct column *results = frame_results(&framing, ordered, arena, numbers);
    if (function->entry->destroy != NULL && framing.state != NULL) {
        function->entry->destroy(&framing.run);
    }
    arena_destroy(&framing.states_arena);
    arena_destroy(&framing.scratch);
    for (size_t i = 0; i < rows; i++) {
        taken[ordered->order[i]] = numbers[i];
    }
    return results == NULL ? NULL : column_take(arena, results, taken, rows);
}

static struct column *compute(const struct window *window, const struct window_function *function,
    struct all_rows_shared *shared, struct sql_error *error) {
    struct arena *arena = &shared->all->arena;
    struct ordered ordered;
    if (!put_in_order(window, function, shared->all, arena, &ordered, error)) {
        return NULL;
    }
    shared->order = ordered.order;
    if (function->node->frame == FRAME_RANGE) {
        range_frame(function, &ordered);
    } else {
        row_frame(function, &ordered);
    }
    if (function->entry != NULL) {
        return aggregate_column(window, function, &ordered, arena, error);
    }
    return function->ranking >= LAG ? other_row(function, &ordered, arena) : ranking_column(function, &ordered, arena);
}

static enum op_result window_finish(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    const struct window *window = (const struct window *)operator;
    struct all_rows_shared *shared = state;
    gather_order(&shared->gather);
    const struct type *input_type = type_struct(exec_run_arena(exec), operator->schema->fields, window->input_count);
    struct batch *input = gather_concat(&shared->gather, input_type);
    shared->all = batch_create(operator->schema);
    shared->all->row_count = input->row_count;
    memcpy(shared->all->columns, input->columns, window->input_count * sizeof *input->columns);
    batch_keep(shared->all, input);
    batch_release(input);
    for (size_t i = 0; i < window->function_count; i++) {
        struct column *column = compute(window, &window->functions[i], shared, error);
        if (column == NULL) {
            return OP_FAILED;
        }
        shared->all->columns[window->input_count + i] = column;
    }
    return OP_FINISHED;
}

static const struct operator_class op_window_class = {
    .name = "Window",
    .shared_size = sizeof(struct all_rows_shared),
    .local_size = sizeof(struct all_rows_local),
    .begin = all_rows_begin,
    .end = all_rows_end,
    .local_end = all_rows_local_end,
    .step = all_rows_step,
    .combine = all_rows_combine,
    .finish = window_finish,
    .partition_count = all_rows_partition_count,
    .begin_partition = all_rows_begin_partition,
    .read = all_rows_read,
};

/* ---- creation ---- */

static enum ranking ranking_of(const char *kernel) {
    static const char *const names[] = {[ROW_NUMBER] = "row_number",
        [RANK] = "rank",
        [DENSE_RANK] = "dense_rank",
        [PERCENT_RANK] = "percent_rank",
        [CUME_DIST] = "cume_dist",
        [NTILE] = "ntile",
        [LAG] = "lag",
        [LEAD] = "lead",
        [NTH_VALUE] = "nth_value"};
    for (size_t i = ROW_NUMBER; i < ARRAY_COUNT(names); i++) {
        if (strcmp(names[i], kernel) == 0) {
            return (enum ranking)i;
        }
    }
    return RANKING_NONE;
}

static bool frame_bound(struct compile *compile, const struct expression *bound, bool *present, long double *value) {
    const struct column *column;
    *present = bound != NULL;
    if (bound == NULL) {
        return true;
    }
    if (!program_evaluate_constant(compile->arena, compile->settings, bound, &column, compile->error)) {
        return false;
    }
    *value = order_value(column, 0);
    return true;
}

static bool prepare_function(struct compile *compile, struct window_function *function,
    const struct expression_window *node, size_t input_count) {
    struct arena *arena = compile->arena;
    const struct expression *inner = expression_strip(node->function);
    const struct expression_aggregate_call *aggregate =
        inner->node.tag == EXPRESSION_AGGREGATE_CALL ? expression_aggregate_call_of(inner) : NULL;
    const struct function *definition = aggregate != NULL ? aggregate->function : expression_call_of(inner)->function;
    struct expression_list arguments = aggregate != NULL ? aggregate->arguments : expression_call_of(inner)->arguments;
    const struct expression **all =
        ARENA_ARRAY(arena, const struct expression *, node->partition.count + node->order.count + arguments.count + 1);
    const struct type **types = ARENA_ARRAY(arena, const struct type *, arguments.count);
    struct column **constants = ARENA_ARRAY(arena, struct column *, arguments.count);
    size_t count = 0;
    function->node = node;
    function->partition_count = node->partition.count;
    function->order_count = node->order.count;
    function->argument_count = arguments.count;
    function->orders = ARENA_ARRAY(arena, struct key_order, node->partition.count + node->order.count);
    for (size_t i = 0; i < node->partition.count; i++) {
        all[count++] = node->partition.items[i];
    }
    for (size_t i = 0; i < node->order.count; i++) {
        const struct expression_sort_order *order = expression_sort_order_of(node->order.items[i]);
        function->orders[count] = (struct key_order){order->descending, order->nulls_last};
        all[count++] = node->order.items[i];
    }
    for (size_t i = 0; i < arguments.count; i++) {
        const struct expression *argument = expression_strip(arguments.items[i]);
        types[i] = argument->type;
        if (expression_is_literal(argument)) {
            constants[i] = (struct column *)expression_literal_of(argument)->value;
        }
        all[count++] = argument;
    }
    function->filter = SIZE_MAX;
    if (aggregate != NULL && aggregate->filter != NULL) {
        function->filter = count;
        all[count++] = aggregate->filter;
    }
    function->call = (struct kernel_call){.result_type = node->base.type,
        .argument_types = types,
        .argument_count = arguments.count,
        .constants = constants,
        .settings = compile->settings,
        .ansi = aggregate != NULL && aggregate->ansi,
        .aggregate = aggregate};
    function->ranking = aggregate == NULL ? ranking_of(definition->kernel) : RANKING_NONE;
    function->entry = aggregate == NULL ? NULL : aggregate_find(definition->kernel, types, arguments.count);
    if (function->ranking == RANKING_NONE && (function->entry == NULL || arguments.count > 8)) {
        return raise_unsupported_feature_not_in_this_program(
            compile->error, arena_printf(compile->error->arena, "%s OVER (…)", definition->name), "");
    }
    if (function->entry != NULL && function->entry->prepare != NULL &&
        !function->entry->prepare(&function->call, arena, compile->error)) {
        return false;
    }
    function->program = program_compile(arena, compile->settings, all, count, input_count, compile->error);
    return function->program != NULL && frame_bound(compile, node->lower, &function->has_lower, &function->lower) &&
           frame_bound(compile, node->upper, &function->has_upper, &function->upper);
}

struct operator* op_window_create(struct compile *compile, const struct relation *relation) {
    const struct relation_windows *node = relation_windows_of(relation);
    struct window *window = ARENA_NEW(compile->arena, struct window);
    window->input_count = node->input->output_count;
    window->function_count = node->functions.count;
    window->functions = ARENA_ARRAY(compile->arena, struct window_function, node->functions.count);
    for (size_t i = 0; i < node->functions.count; i++) {
        const struct expression_window *function = expression_window_of(expression_strip(node->functions.items[i]));
        if (!prepare_function(compile, &window->functions[i], function, window->input_count)) {
            return NULL;
        }
    }
    return operator_init(compile, &window->base, &op_window_class, relation);
}
