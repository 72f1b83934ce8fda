/* op_state_python.c: applyInPandasWithState of a stream. The rows of a batch are sorted by their keys within each state
 * partition; every key becomes one row of a request: its state, when that times out, and a list of its rows. Keys
 * without rows whose time is over follow. The answer has a row for each key again: what becomes of its state, and a
 * list of the rows that the function gave.
 *
 * State is Spark's flatMapGroupsWithState format 2: the key's columns -> {groupState, timeoutTimestamp}, the second
 * only with a timeout; -1 says that none is set, a null groupState that there is only a timeout. */
#include <stdlib.h>

#include "exec/python_call.h"
#include "exec/query.h"
#include "exec/sort_rows.h"
#include "exec/state_input.h"
#include "sql/sql.h"

enum { KEEP_STATE, PUT_STATE, REMOVE_STATE }; /* raudal_worker.py, what_becomes_of */
enum { REQUEST_STATE, REQUEST_TIMEOUT, REQUEST_TIMED_OUT, REQUEST_NOW, REQUEST_WATERMARK, REQUEST_KEYS };
enum { ANSWER_CHANGE, ANSWER_TIMEOUT, ANSWER_STATE, ANSWER_ROWS };
static const int64_t NO_TIMEOUT = -1;

struct state_python {
    struct operator base;
    const struct relation_groups_with_state *node;
    struct exec_state *state;
    size_t *keys, *arguments; /* columns of the input */
    size_t key_count, argument_count;
    size_t time_column; /* of the input, when rows may be late; SIZE_MAX: none */
    bool time_window;
    const struct type *key_type, *value_type, *request_type, *answer_type;
};

struct state_python_local {
    struct arena arena; /* of the partition's request */
    bool begun;
    struct bytes *keys; /* of the groups, as they are in the state */
    struct evaluation_call *call;
    struct ipc_stream answer;
    size_t next_answer, answered; /* batch of the answer; groups of those before */
    struct batch *rows;           /* what the function gave, on its way out */
    size_t next_row;
};

static bool times_out(const struct state_python *operator) {
    return operator->node->timeout != TIMEOUT_NONE;
}

/* ---- rows in ---- */

static bool state_python_begin(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    struct exec_state *kept = ((const struct state_python *)operator)->state;
    state_input_begin(state);
    kept->rows_updated = kept->rows_removed = kept->rows_dropped = kept->updates_ns = kept->removals_ns = 0;
    kept->next_timeout_ms = INT64_MAX;
    return true;
}

static void state_python_end(const struct operator* operator, void * state) {
    state_input_end(state);
}

static enum op_result state_python_step(struct op_run *run, struct batch *in, struct batch **out) {
    const struct state_python *operator=(const struct state_python *) run->operator;
    return state_input_take(
        run, in, operator->state, operator->keys, operator->key_count, operator->time_column, operator->time_window);
}

static enum op_result state_python_finish(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    state_input_order(state);
    return OP_FINISHED;
}

static size_t state_python_partition_count(const struct operator* operator, void * state) {
    return ((const struct state_python *)operator)->state->used_partitions;
}

/* ---- a request ---- */

/* The partition's rows of one column of all input batches, one after the other. */
static struct column *join_column(struct op_run *run, struct arena *arena, size_t index, bool key, size_t *total) {
    const struct state_input *input = run->shared;
    const struct state_python *operator=(const struct state_python *) run->operator;
    size_t partition = run->source_partition;
    struct column **parts = ARENA_ARRAY(arena, struct column *, input->items.count + 1);
    size_t *counts = ARENA_ARRAY(arena, size_t, input->items.count + 1), used = 0;
    *total = 0;
    for (size_t i = 0; i < input->items.count; i++) {
        const struct state_rows *item = input->items.items[i];
        size_t count = item->starts[partition + 1] - item->starts[partition];
        const struct column *column = key ? item->keys[index] : item->batch->columns[operator->arguments[index]];
        if (count > 0) {
            parts[used] =
                column_flatten(arena, column_take(arena, column, item->rows + item->starts[partition], count), count);
            counts[used++] = count;
            *total += count;
        }
    }
    return used == 0 ? NULL : used == 1 ? parts[0] : column_concat(arena, parts, counts, used);
}

/* Starts a batch of the request with the groups of these keys; entries: theirs in the state, UINT32_MAX: none. */
static bool put_groups(struct op_run *run, struct arena *arena, struct column *const *keys, const uint32_t *entries,
    size_t count, bool timed_out, struct batch *request) {
    const struct state_python *operator=(const struct state_python *) run->operator;
    const struct state_table *table = &operator->state->stores[0].tables[run->source_partition];
    struct bytes *images = ARENA_ARRAY(arena, struct bytes, count + 1);
    uint32_t *places = ARENA_ARRAY(arena, uint32_t, count + 1);
    struct column *values[2] = {NULL, NULL};
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        bool known = entries[i] != UINT32_MAX && table->entries[entries[i]].present;
        places[i] = known ? (uint32_t)found : UINT32_MAX;
        if (known) {
            images[found++] = state_entry_value(&table->entries[entries[i]]);
        }
    }
    if (found > 0 && !row_images_decode(arena, operator->value_type, images, found, values)) {
        return raise_internal_error(run->error, "a row of the state is not of its type");
    }
    for (size_t i = 0; i < 2; i++) {
        const struct type *type = operator->request_type->fields[REQUEST_STATE + i].type;
        request->columns[REQUEST_STATE + i] =
            values[i] == NULL ? column_create_nulls(arena, type, count) : column_take(arena, values[i], places, count);
    }
    struct column *over = column_create(arena, type_simple(TYPE_BOOLEAN), count);
    struct column *now = column_create(arena, type_simple(TYPE_LONG), count);
    struct column *watermark = column_create(arena, type_simple(TYPE_LONG), count);
    for (size_t i = 0; i < count; i++) {
        COLUMN_VALUES(over, uint8_t)[i] = timed_out;
        COLUMN_VALUES(now, int64_t)[i] = run->operator->settings->now_us / 1000;
        COLUMN_VALUES(watermark, int64_t)[i] = operator->state->eviction_watermark_ms;
    }
    request->columns[REQUEST_TIMED_OUT] = over;
    request->columns[REQUEST_NOW] = now;
    request->columns[REQUEST_WATERMARK] = watermark;
    for (size_t i = 0; i < operator->key_count; i++) {
        request->columns[REQUEST_KEYS + i] = keys[i];
    }
    request->row_count = count;
    return true;
}

/* A list per group, of its rows: those from starts[group] up to the next start. columns NULL: no rows. */
static void put_rows(const struct state_python *operator, struct arena * arena, struct column **columns,
    const uint32_t *starts, size_t row_count, size_t count, struct batch *request) {
    const struct type *type = operator->request_type->fields[REQUEST_KEYS + operator->key_count].type;
    struct column *list = column_create(arena, type, count);
    struct column *row = column_create(arena, type->element, row_count);
    int32_t *offsets = ARENA_ARRAY(arena, int32_t, count + 1);
    for (size_t i = 0; i < count && columns != NULL; i++) {
        offsets[i] = (int32_t)starts[i];
    }
    offsets[count] = (int32_t)row_count;
    for (size_t i = 0; i < operator->argument_count && columns != NULL; i++) {
        row->children[i] = columns[i];
    }
    list->offsets = offsets;
    list->children[0] = row;
    request->columns[REQUEST_KEYS + operator->key_count] = list;
}

/* The partition's rows in the order of their keys; starts: the first row of each group. Returns how many groups. */
static size_t sort_groups(struct op_run *run, struct arena *arena, struct column **columns, struct column **keys,
    uint32_t *starts, uint32_t *order, size_t row_count) {
    const struct state_python *operator=(const struct state_python *) run->operator;
    struct keys encoded;
    size_t count = 0;
    keys_encode(arena, keys, NULL, operator->key_count, row_count, &encoded);
    sort_rows(&encoded, order);
    for (size_t i = 0; i < row_count; i++) {
        if (i == 0 || !bytes_equal(keys_at(&encoded, order[i]), keys_at(&encoded, order[i - 1]))) {
            starts[count++] = (uint32_t)i;
        }
    }
    uint32_t *firsts = ARENA_ARRAY(arena, uint32_t, count + 1);
    for (size_t i = 0; i < count; i++) {
        firsts[i] = order[starts[i]];
    }
    for (size_t i = 0; i < operator->argument_count; i++) {
        columns[i] = column_take(arena, columns[i], order, row_count);
    }
    for (size_t i = 0; i < operator->key_count; i++) {
        keys[i] = column_take(arena, keys[i], firsts, count);
    }
    return count;
}

/* The groups that have rows in this batch. *entries: theirs in the state. */
static struct batch *ask_for_rows(struct op_run *run, uint32_t **entries, size_t *count) {
    const struct state_python *operator=(const struct state_python *) run->operator;
    struct state_python_local *local = run->local;
    struct arena *arena = &local->arena;
    const struct state_table *table = &operator->state->stores[0].tables[run->source_partition];
    struct column **columns = ARENA_ARRAY(arena, struct column *, operator->argument_count + 1);
    struct column **keys = ARENA_ARRAY(arena, struct column *, operator->key_count);
    size_t row_count = 0;
    for (size_t i = 0; i < operator->key_count; i++) {
        keys[i] = join_column(run, arena, i, true, &row_count);
    }
    *count = 0;
    if (row_count == 0) {
        return NULL;
    }
    if (row_count > INT32_MAX) {
        raise_unsupported_feature_not_in_this_program(
            run->error, "A batch of more than 2^31 rows in one state partition", "Set maxOffsetsPerTrigger.");
        return NULL;
    }
    for (size_t i = 0; i < operator->argument_count; i++) {
        columns[i] = join_column(run, arena, i, false, &row_count);
    }
    uint32_t *starts = ARENA_ARRAY(arena, uint32_t, row_count + 1);
    uint32_t *order = ARENA_ARRAY(arena, uint32_t, row_count + 1);
    *count = sort_groups(run, arena, columns, keys, starts, order, row_count);
    struct row_images images;
    row_images_encode(arena, keys, operator->key_count, *count, &images);
    *entries = ARENA_ARRAY(arena, uint32_t, *count + 1);
    state_table_find_all(table, &images, *entries);
    local->keys = ARENA_ARRAY(arena, struct bytes, *count + 1);
    for (size_t i = 0; i < *count; i++) {
        local->keys[i] = row_images_at(&images, i);
    }
    struct batch *request = batch_create(operator->request_type);
    put_rows(operator, arena, columns, starts, row_count, *count, request);
    if (!put_groups(run, arena, keys, *entries, *count, false, request)) {
        batch_release(request);
        return NULL;
    }
    return request;
}

/* The groups whose time is over and that have no rows in this batch: `others` are the entries of those that do. */
static struct batch *ask_for_timeouts(struct op_run *run, const uint32_t *others, size_t other_count) {
    const struct state_python *operator=(const struct state_python *) run->operator;
    struct state_python_local *local = run->local;
    struct arena *arena = &local->arena;
    struct state_table *table = &operator->state->stores[0].tables[run->source_partition];
    int64_t limit = operator->node->timeout == TIMEOUT_EVENT_TIME ? operator->state->eviction_watermark_ms
        : run->
          operator->settings->now_us / 1000;
    struct bytes *keys = ARENA_ARRAY(arena, struct bytes, other_count + table->entry_count + 1);
    uint32_t *entries = ARENA_ARRAY(arena, uint32_t, table->entry_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < other_count; i++) {
        keys[i] = local->keys[i];
        if (others[i] != UINT32_MAX) {
            table->entries[others[i]].mark = 1;
        }
    }
    for (size_t i = 0; i < table->entry_count; i++) {
        struct state_entry *entry = &table->entries[i];
        int64_t timeout =
            entry->data == NULL || !entry->present ? NO_TIMEOUT : row_image_word(state_entry_value(entry), 2, 1);
        if (timeout != NO_TIMEOUT && timeout < limit && entry->mark == 0) {
            keys[other_count + count] = state_entry_key(entry);
            entries[count++] = (uint32_t)i;
        }
        entry->mark = 0;
    }
    if (count == 0) {
        return NULL;
    }
    struct column **columns = ARENA_ARRAY(arena, struct column *, operator->key_count);
    for (size_t i = 0; i < count; i++) { /* the state may move when it changes */
        keys[other_count + i] = arena_copy(arena, keys[other_count + i]);
    }
    local->keys = keys;
    struct batch *request = batch_create(operator->request_type);
    put_rows(operator, arena, NULL, NULL, 0, count, request);
    if (!row_images_decode(arena, operator->key_type, keys + other_count, count, columns)) {
        raise_internal_error(run->error, "a key of the state is not of its type");
    } else if (put_groups(run, arena, columns, entries, count, true, request)) {
        return request;
    }
    batch_release(request);
    return NULL;
}

static enum op_result begin_request(struct op_run *run) {
    const struct state_python *operator=(const struct state_python *) run->operator;
    struct state_python_local *local = run->local;
    struct batch *requests[2];
    uint32_t *entries = NULL;
    size_t count = 0, group_count = 0;
    local->begun = true;
    requests[0] = ask_for_rows(run, &entries, &group_count);
    count += requests[0] != NULL;
    if (run->error->condition == 0 && times_out(operator)) {
        requests[count] = ask_for_timeouts(run, entries, group_count);
        count += requests[count] != NULL;
    }
    if (run->error->condition == 0 && count > 0) {
        local->call = python_call_begin(run, operator->request_type, requests, count);
    }
    for (size_t i = 0; i < count; i++) {
        batch_release(requests[i]);
    }
    return run->error->condition != 0 ? OP_FAILED : count > 0 ? OP_BLOCKED : OP_NEED_INPUT;
}

/* ---- an answer ---- */

/* Brings what became of the groups of one batch of the answer into the state; the rows go out. */
static bool take_answer(struct op_run *run, struct batch *answer) {
    const struct state_python *operator=(const struct state_python *) run->operator;
    struct state_python_local *local = run->local;
    struct state_table *table = &operator->state->stores[0].tables[run->source_partition];
    struct arena arena = {0};
    struct row_images values;
    int64_t updated = 0, removed = 0;
    struct column *stored[2] = {answer->columns[ANSWER_STATE], answer->columns[ANSWER_TIMEOUT]};
    row_images_encode(&arena, stored, times_out(operator) ? 2 : 1, answer->row_count, &values);
    for (size_t i = 0; i < answer->row_count; i++) {
        int64_t change = COLUMN_AT(answer->columns[ANSWER_CHANGE], int64_t, i);
        struct bytes key = local->keys[local->answered + i];
        uint32_t entry = change == PUT_STATE      ? state_table_add(table, key)
                         : change == REMOVE_STATE ? state_table_find(table, key)
                                                  : UINT32_MAX;
        if (change == PUT_STATE) {
            state_table_put(table, entry, row_images_at(&values, i));
        } else if (entry != UINT32_MAX && table->entries[entry].present) {
            state_table_remove(table, entry);
        }
        updated += change == PUT_STATE;
        removed += change == REMOVE_STATE;
    }
    local->answered += answer->row_count;
    __atomic_fetch_add(&operator->state->rows_updated, updated, __ATOMIC_RELAXED);
    __atomic_fetch_add(&operator->state->rows_removed, removed, __ATOMIC_RELAXED);
    arena_destroy(&arena);
    const struct column *lists = answer->columns[ANSWER_ROWS], *row = lists->children[0];
    struct batch *rows = batch_create(run->operator->schema);
    rows->row_count = answer->row_count == 0 ? 0 : (size_t)lists->offsets[answer->row_count];
    for (size_t i = 0; i < rows->column_count; i++) {
        rows->columns[i] = row->children[i];
        rows->columns[i]->type = run->operator->schema->fields[i].type;
    }
    batch_keep(rows, answer);
    batch_release(local->rows);
    local->rows = rows;
    local->next_row = 0;
    return true;
}

static bool receive_answer(struct op_run *run) {
    const struct state_python *operator=(const struct state_python *) run->operator;
    struct state_python_local *local = run->local;
    if (local->call->failure != NULL) {
        return raise_python_function_failed(run->error, local->call->failure);
    }
    return python_call_receive(run, operator->answer_type, local->call, &local->answer);
}

/* When the next of the partition's groups times out. */
static void note_timeouts(struct op_run *run) {
    const struct state_python *operator=(const struct state_python *) run->operator;
    const struct state_table *table = &operator->state->stores[0].tables[run->source_partition];
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < table->entry_count && operator->node->timeout == TIMEOUT_PROCESSING_TIME; i++) {
        const struct state_entry *entry = &table->entries[i];
        int64_t timeout =
            entry->data == NULL || !entry->present ? NO_TIMEOUT : row_image_word(state_entry_value(entry), 2, 1);
        next = timeout != NO_TIMEOUT && timeout < next ? timeout : next;
    }
    int64_t known = __atomic_load_n(&operator->state->next_timeout_ms, __ATOMIC_RELAXED);
    while (next < known && !__atomic_compare_exchange_n(&operator->state->next_timeout_ms, &known, next, false,
                               __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

static void reset(struct op_run *run) {
    struct state_python_local *local = run->local;
    python_call_end(run, local->call);
    for (size_t i = local->next_answer; i < local->answer.batch_count; i++) {
        batch_release(local->answer.batches[i]);
    }
    batch_release(local->rows);
    arena_destroy(&local->arena);
    *local = (struct state_python_local){0};
}

static bool state_python_begin_partition(struct op_run *run) {
    reset(run);
    return true;
}

static enum op_result state_python_read(struct op_run *run, struct batch **out) {
    struct state_python_local *local = run->local;
    if (!local->begun) {
        enum op_result result = begin_request(run);
        if (result == OP_NEED_INPUT) {
            note_timeouts(run);
        }
        return result;
    }
    if (local->call == NULL) {
        return OP_NEED_INPUT;
    }
    if (!python_call_is_done(local->call)) {
        return OP_BLOCKED;
    }
    if (local->answer.schema == NULL && !receive_answer(run)) {
        return OP_FAILED;
    }
    while (local->rows == NULL || local->next_row == local->rows->row_count) {
        if (local->next_answer == local->answer.batch_count) {
            note_timeouts(run);
            return OP_NEED_INPUT;
        }
        struct batch *answer = local->answer.batches[local->next_answer++];
        bool good = take_answer(run, answer);
        batch_release(answer);
        if (!good) {
            return OP_FAILED;
        }
    }
    size_t rest = local->rows->row_count - local->next_row;
    size_t count = rest > BATCH_ROWS_TARGET ? BATCH_ROWS_TARGET : rest;
    *out = batch_slice(local->rows, local->next_row, count);
    local->next_row += count;
    return OP_HAVE_OUTPUT;
}

static void state_python_explain(const struct operator* operator, struct buffer * out) {
    const struct state_python *python = (const struct state_python *)operator;
    buffer_printf(out, "%.*s", BYTES_ARGS(expression_python_udf_of(python->node->function)->name));
}

static const struct operator_class op_state_python_class = {
    .name = "FlatMapGroupsInPandasWithState",
    .waits = true,
    .shared_size = sizeof(struct state_input),
    .local_size = sizeof(struct state_python_local),
    .begin = state_python_begin,
    .end = state_python_end,
    .local_end = reset,
    .step = state_python_step,
    .finish = state_python_finish,
    .partition_count = state_python_partition_count,
    .begin_partition = state_python_begin_partition,
    .read = state_python_read,
    .explain = state_python_explain,
};

/* ---- creation ---- */

static struct type_field field(const char *name, const struct type *type) {
    return (struct type_field){bytes_from_text(name), type, true, BYTES_NULL};
}

/* The types of what goes to the worker and comes back, and of the state. */
static void make_types(struct state_python *operator, struct arena * arena) {
    const struct relation *input = operator->node->input;
    const struct type *state = operator->node->state, *number = type_simple(TYPE_LONG);
    const struct type_field values[] = {field("groupState", state), field("timeoutTimestamp", number)};
    struct type_field *keys = ARENA_ARRAY(arena, struct type_field, operator->key_count);
    struct type_field *arguments = ARENA_ARRAY(arena, struct type_field, operator->argument_count + 1);
    struct type_field *request = ARENA_ARRAY(arena, struct type_field, REQUEST_KEYS + operator->key_count + 1);
    request[REQUEST_STATE] = field("state", state);
    request[REQUEST_TIMEOUT] = field("timeout", number);
    request[REQUEST_TIMED_OUT] = field("timed_out", type_simple(TYPE_BOOLEAN));
    request[REQUEST_NOW] = field("now", number);
    request[REQUEST_WATERMARK] = field("watermark", number);
    for (size_t i = 0; i < operator->key_count; i++) {
        const struct attribute *key = &input->output[operator->keys[i]];
        keys[i] = (struct type_field){key->name, key->type, true, key->metadata};
        request[REQUEST_KEYS + i] = (struct type_field){key->name, key->type, true, BYTES_NULL};
    }
    for (size_t i = 0; i < operator->argument_count; i++) {
        const struct attribute *argument = &input->output[operator->arguments[i]];
        arguments[i] = (struct type_field){argument->name, argument->type, true, BYTES_NULL};
    }
    request[REQUEST_KEYS + operator->key_count] =
        field("rows", type_array(arena, type_struct(arena, arguments, operator->argument_count), true));
    const struct type_field answer[] = {field("change", number), field("timeout", number), field("state", state),
        field("rows", type_array(arena, operator->base.schema, true))};
    operator->key_type = type_struct(arena, keys, operator->key_count);
    operator->value_type = type_struct(arena, values, times_out(operator) ? 2 : 1);
    operator->request_type = type_struct(arena, request, REQUEST_KEYS + operator->key_count + 1);
    operator->answer_type = type_struct(arena, answer, ARRAY_COUNT(answer));
}

static size_t *ordinals_of(struct arena *arena, struct expression_list columns) {
    size_t *ordinals = ARENA_ARRAY(arena, size_t, columns.count + 1);
    for (size_t i = 0; i < columns.count; i++) {
        ordinals[i] = (size_t)expression_column_of(columns.items[i])->ordinal;
    }
    return ordinals;
}

struct operator* op_state_python_create(struct compile *compile, const struct relation *relation) {
    struct state_python *operator= ARENA_NEW(compile->arena, struct state_python);
    const struct relation_groups_with_state *node = relation_groups_with_state_of(relation);
    const struct expression_list arguments = expression_python_udf_of(node->function)->arguments;
    if (!python_is_there(compile) || !state_has_one_event_time(compile, node->input)) {
        return NULL;
    }
    operator->node = node;
    operator->key_count = node->keys.count;
    operator->argument_count = arguments.count;
    operator->keys = ordinals_of(compile->arena, node->keys);
    operator->arguments = ordinals_of(compile->arena, arguments);
    operator->time_column = node->timeout == TIMEOUT_EVENT_TIME
        ? state_event_time_column(node->input, &operator->time_window)
        : SIZE_MAX;
    operator_init(compile, &operator->base, &op_state_python_class, relation);
    make_types(operator, compile->arena);
    operator->state = query_add_state(compile->query, "applyInPandasWithState");
    query_add_store(compile->query, operator->state, "default", operator->key_type, operator->value_type, 0);
    for (size_t above = operator->state->above; above != EXEC_NO_STATE;) { /* its rows may have any time */
        struct exec_state *state = compile->query->states.items[above];
        state->watermark_hidden = true;
        above = state->above;
    }
    operator->state->runs_without_data = node->timeout == TIMEOUT_EVENT_TIME;
    operator->state->times_out = node->timeout == TIMEOUT_PROCESSING_TIME;
    operator_keeps_state(&operator->base, operator->state);
    return &operator->base;
}
