/* op_aggregate.c: hash aggregation. Every worker fills a table of its own (keys → group numbers, one array of states
 * per aggregate); at its end the tables are merged into one, and that is read out. DISTINCT aggregates keep the set of
 * values seen per group, and they and those that depend on the order of rows run with one worker. */
#include <stdlib.h>
#include "exec/groups.h"
#include "exec/operator.h"
#include "sql/function.h"

struct aggregate_slot {
    const struct aggregate_entry *entry;
    struct kernel_call call;
    size_t first_argument; /* among the program's outputs */
    size_t filter;         /* the same; SIZE_MAX: none */
    bool distinct;
};

struct aggregate {
    struct operator base;
    struct program *program; /* groupings, then arguments and filters of the calls */
    size_t key_count, call_count;
    struct aggregate_slot *calls;
    const struct type **key_types;
};

/* Everything a table's results may point to lives in holder's arena; result batches keep it. */
struct table {
    struct batch *holder;
    struct groups groups;
    struct column ***key_chunks; /* chunk after chunk, key_count columns each */
    size_t *chunk_rows;
    size_t chunk_count, chunk_capacity, group_count, state_capacity;
    uint8_t **states;    /* per call */
    struct groups *seen; /* per call: (group, arguments) of DISTINCT */
    size_t counted;      /* bytes told to the budget */
};

struct aggregate_shared {
    struct world_mutex lock;
    bool begun;
    struct table table;
    struct batch *results;
};

struct aggregate_local {
    struct table table;
    size_t next;
};

/* ---- tables ---- */

static void table_init(const struct aggregate *aggregate, struct table *table) {
    table->holder = batch_create(aggregate->base.schema);
    groups_init(&table->groups, aggregate->key_types, aggregate->key_count);
    table->states = ARENA_ARRAY(&table->holder->arena, uint8_t *, aggregate->call_count);
    table->seen = ARENA_ARRAY(&table->holder->arena, struct groups, aggregate->call_count);
    for (size_t i = 0; i < aggregate->call_count; i++) {
        table->seen[i].null_group = GROUP_NONE;
    }
}

static struct aggregate_run aggregate_run_of(
    const struct aggregate_slot *slot, struct table *table, size_t index, struct evaluation *evaluation) {
    return (struct aggregate_run){.evaluation = evaluation,
        .call = &slot->call,
        .arena = &table->holder->arena,
        .states = table->states[index],
        .group_count = table->group_count};
}

static void table_free(const struct aggregate *aggregate, struct table *table) {
    if (table->holder == NULL) {
        return;
    }
    for (size_t i = 0; i < aggregate->call_count; i++) {
        if (aggregate->calls[i].entry->destroy != NULL) {
            struct aggregate_run run = aggregate_run_of(&aggregate->calls[i], table, i, NULL);
            aggregate->calls[i].entry->destroy(&run);
        }
        free(table->states[i]);
        groups_free(&table->seen[i]);
    }
    groups_free(&table->groups);
    batch_release(table->holder);
    *table = (struct table){0};
}

static size_t table_memory_size(const struct aggregate *aggregate, const struct table *table) {
    size_t size = batch_memory_size(table->holder) + groups_memory_size(&table->groups);
    for (size_t i = 0; i < aggregate->call_count; i++) {
        size += table->state_capacity * aggregate->calls[i].entry->state_size + groups_memory_size(&table->seen[i]);
    }
    return size;
}

static void table_set_group_count(const struct aggregate *aggregate, struct table *table, size_t group_count) {
    if (group_count > table->state_capacity) {
        size_t capacity = table->state_capacity * 2 > group_count ? table->state_capacity * 2 : group_count;
        capacity = capacity < 64 ? 64 : capacity;
        for (size_t i = 0; i < aggregate->call_count; i++) {
            size_t size = aggregate->calls[i].entry->state_size;
            uint8_t *states = realloc(table->states[i], capacity * size);
            ASSERT(states != NULL || size == 0);
            memset(states + table->state_capacity * size, 0, (capacity - table->state_capacity) * size);
            table->states[i] = states;
        }
        table->state_capacity = capacity;
    }
    table->group_count = group_count;
}

static void add_key_chunk(const struct aggregate *aggregate, struct table *table, struct column *const *keys,
    const uint32_t *new_rows, size_t count) {
    if (count == 0) {
        return;
    }
    struct arena *arena = &table->holder->arena;
    if (table->chunk_count == table->chunk_capacity) {
        size_t capacity = table->chunk_capacity * 2 + 16;
        struct column ***chunks = ARENA_ARRAY(arena, struct column **, capacity);
        size_t *rows = ARENA_ARRAY(arena, size_t, capacity);
        for (size_t i = 0; i < table->chunk_count; i++) {
            chunks[i] = table->key_chunks[i];
            rows[i] = table->chunk_rows[i];
        }
        table->key_chunks = chunks;
        table->chunk_rows = rows;
        table->chunk_capacity = capacity;
    }
    struct column **chunk = ARENA_ARRAY(arena, struct column *, aggregate->key_count);
    struct arena scratch = {0};
    for (size_t i = 0; i < aggregate->key_count; i++) {
        struct column *taken = column_take(&scratch, keys[i], new_rows, count);
        chunk[i] = column_copy(arena, taken);
    }
    arena_destroy(&scratch);
    table->key_chunks[table->chunk_count] = chunk;
    table->chunk_rows[table->chunk_count++] = count;
}

/* Group numbers of the rows; NULL when there are no keys (one group). */
static uint32_t *table_groups(const struct aggregate *aggregate, struct table *table, struct arena *scratch,
    struct column *const *keys, size_t row_count) {
    if (aggregate->key_count == 0) {
        table_set_group_count(aggregate, table, 1);
        return NULL;
    }
    uint32_t *numbers = arena_allocate(scratch, row_count * sizeof *numbers);
    uint32_t *new_rows = arena_allocate(scratch, row_count * sizeof *new_rows);
    size_t added = groups_add(&table->groups, scratch, keys, aggregate->key_count, row_count, numbers, new_rows);
    add_key_chunk(aggregate, table, keys, new_rows, added);
    table_set_group_count(aggregate, table, table->groups.count);
    return numbers;
}

/* The key column `index` of all groups. */
static struct column *table_key(
    struct arena *arena, const struct aggregate *aggregate, const struct table *table, size_t index) {
    if (table->chunk_count == 0) {
        return column_create(arena, aggregate->key_types[index], 0);
    }
    struct column **parts = ARENA_ARRAY(arena, struct column *, table->chunk_count);
    for (size_t i = 0; i < table->chunk_count; i++) {
        parts[i] = table->key_chunks[i][index];
    }
    return column_concat(arena, parts, table->chunk_rows, table->chunk_count);
}

/* ---- rows in ---- */

/* Only the rows `indexes` of the arguments and group numbers. */
static void narrow_rows(struct arena *scratch, struct column **arguments, size_t argument_count, uint32_t **groups,
    const uint32_t *indexes, size_t count) {
    for (size_t i = 0; i < argument_count; i++) {
        arguments[i] = column_take(scratch, arguments[i], indexes, count);
    }
    if (*groups != NULL) {
        uint32_t *narrowed = arena_allocate(scratch, count * sizeof *narrowed);
        for (size_t i = 0; i < count; i++) {
            narrowed[i] = (*groups)[indexes[i]];
        }
        *groups = narrowed;
    }
}

/* DISTINCT: only rows whose arguments are new to their group, and not null. */
static size_t keep_new_values(struct table *table, size_t index, struct arena *scratch, struct column **arguments,
    size_t argument_count, uint32_t **groups, size_t row_count) {
    struct column **keys = ARENA_ARRAY(scratch, struct column *, argument_count + 1);
    struct column *numbers = column_create(scratch, type_simple(TYPE_LONG), row_count);
    for (size_t i = 0; i < row_count && *groups != NULL; i++) {
        COLUMN_VALUES(numbers, int64_t)[i] = (*groups)[i];
    }
    keys[0] = numbers;
    for (size_t i = 0; i < argument_count; i++) {
        keys[i + 1] = arguments[i];
    }
    uint32_t *ids = arena_allocate(scratch, row_count * sizeof *ids);
    uint32_t *new_rows = arena_allocate(scratch, row_count * sizeof *new_rows);
    size_t count = groups_add(&table->seen[index], scratch, keys, argument_count + 1, row_count, ids, new_rows);
    narrow_rows(scratch, arguments, argument_count, groups, new_rows, count);
    return count;
}

static bool update_call(struct op_run *run, struct table *table, size_t index, struct arena *scratch,
    struct column *const *outputs, uint32_t *groups, size_t row_count) {
    const struct aggregate *aggregate = (const struct aggregate *)run->operator;
    const struct aggregate_slot *slot = &aggregate->calls[index];
    size_t count = slot->call.argument_count;
    struct column **arguments = ARENA_ARRAY(scratch, struct column *, count);
    for (size_t i = 0; i < count; i++) {
        arguments[i] = outputs[slot->first_argument + i];
    }
    if (slot->filter != SIZE_MAX) {
        uint32_t *indexes = arena_allocate(scratch, (row_count + 1) * sizeof *indexes);
        size_t selected = program_select(outputs[slot->filter], row_count, indexes);
        narrow_rows(scratch, arguments, count, &groups, indexes, selected);
        row_count = selected;
    }
    if (slot->distinct) {
        row_count = keep_new_values(table, index, scratch, arguments, count, &groups, row_count);
    }
    struct evaluation evaluation = {.arena = scratch,
        .row_count = row_count,
        .call = &slot->call,
        .settings = aggregate->base.settings,
        .error = run->error,
        .partition = (int32_t)run->partition,
        .first_row = run->first_row};
    struct aggregate_run aggregate_run = aggregate_run_of(slot, table, index, &evaluation);
    slot->entry->update(&aggregate_run, arguments, row_count, groups);
    return !evaluation.failed;
}

static bool account(struct op_run *run, struct table *table) {
    size_t size = table_memory_size((const struct aggregate *)run->operator, table);
    int64_t change = (int64_t)size - (int64_t)table->counted;
    table->counted = size;
    return exec_memory_add(run, change, run->error);
}

static enum op_result aggregate_step(struct op_run *run, struct batch *in, struct batch **out) {
    const struct aggregate *aggregate = (const struct aggregate *)run->operator;
    struct table *table = &((struct aggregate_local *)run->local)->table;
    if (table->holder == NULL) {
        table_init(aggregate, table);
    }
    struct arena scratch = {0};
    struct column **outputs = ARENA_ARRAY(&scratch, struct column *, program_output_count(aggregate->program));
    bool done = op_run_columns(run, aggregate->program, in, &scratch, outputs);
    if (done) {
        uint32_t *groups = table_groups(aggregate, table, &scratch, outputs, in->row_count);
        for (size_t i = 0; i < aggregate->call_count && done; i++) {
            done = update_call(run, table, i, &scratch, outputs, groups, in->row_count);
        }
    }
    arena_destroy(&scratch);
    return done && account(run, table) ? OP_NEED_INPUT : OP_FAILED;
}

/* ---- together ---- */

static void merge_tables(struct op_run *run, struct table *into, struct table *from) {
    const struct aggregate *aggregate = (const struct aggregate *)run->operator;
    struct arena scratch = {0};
    struct column **keys = ARENA_ARRAY(&scratch, struct column *, aggregate->key_count);
    for (size_t i = 0; i < aggregate->key_count; i++) {
        keys[i] = table_key(&scratch, aggregate, from, i);
    }
    uint32_t *groups = table_groups(aggregate, into, &scratch, keys, from->group_count);
    for (size_t i = 0; i < aggregate->call_count; i++) {
        const struct aggregate_slot *slot = &aggregate->calls[i];
        struct evaluation evaluation = {.arena = &scratch,
            .row_count = from->group_count,
            .call = &slot->call,
            .settings = aggregate->base.settings,
            .error = run->error};
        struct aggregate_run source = aggregate_run_of(slot, from, i, &evaluation);
        struct column *saved = slot->entry->save(&source);
        struct aggregate_run target = aggregate_run_of(slot, into, i, &evaluation);
        slot->entry->merge(&target, saved, groups);
    }
    arena_destroy(&scratch);
}

static bool aggregate_begin(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    struct aggregate_shared *shared = state;
    world_mutex_init(&shared->lock);
    shared->begun = true;
    return true;
}

static bool aggregate_combine(struct op_run *run) {
    struct aggregate_shared *shared = run->shared;
    struct aggregate_local *local = run->local;
    if (local->table.holder == NULL) {
        return true;
    }
    world_mutex_lock(&shared->lock);
    if (shared->table.holder == NULL) {
        shared->table = local->table;
        local->table = (struct table){0};
    } else {
        merge_tables(run, &shared->table, &local->table);
    }
    world_mutex_unlock(&shared->lock);
    return run->error->condition == 0;
}

static void aggregate_local_end(struct op_run *run) {
    struct aggregate_local *local = run->local;
    if (local->table.holder != NULL) {
        exec_memory_add(run, -(int64_t)local->table.counted, NULL);
    }
    table_free((const struct aggregate *)run->operator, & local->table);
}

static enum op_result aggregate_finish(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    const struct aggregate *aggregate = (const struct aggregate *)operator;
    struct aggregate_shared *shared = state;
    struct table *table = &shared->table;
    if (table->holder == NULL) {
        table_init(aggregate, table);
    }
    if (aggregate->key_count == 0) {
        table_set_group_count(aggregate, table, 1);
    }
    struct batch *results = table->holder;
    results->row_count = table->group_count;
    for (size_t i = 0; i < aggregate->key_count; i++) {
        results->columns[i] = table_key(&results->arena, aggregate, table, i);
    }
    for (size_t i = 0; i < aggregate->call_count; i++) {
        const struct aggregate_slot *slot = &aggregate->calls[i];
        struct evaluation evaluation = {.arena = &results->arena,
            .row_count = table->group_count,
            .call = &slot->call,
            .settings = operator->settings,
            .error = error};
        struct aggregate_run run = aggregate_run_of(slot, table, i, &evaluation);
        results->columns[aggregate->key_count + i] = slot->entry->finish(&run);
        if (evaluation.failed) {
            return OP_FAILED;
        }
    }
    shared->results = batch_retain(results);
    return OP_FINISHED;
}

/* ---- out ---- */

static size_t aggregate_partition_count(const struct operator* operator, void * state) {
    return 1;
}

static bool aggregate_begin_partition(struct op_run *run) {
    ((struct aggregate_local *)run->local)->next = 0;
    return true;
}

static enum op_result aggregate_read(struct op_run *run, struct batch **out) {
    struct aggregate_shared *shared = run->shared;
    struct aggregate_local *local = run->local;
    size_t rest = shared->results->row_count - local->next;
    if (rest == 0) {
        return OP_NEED_INPUT;
    }
    size_t count = rest > BATCH_ROWS_TARGET ? BATCH_ROWS_TARGET : rest;
    *out = batch_slice(shared->results, local->next, count);
    local->next += count;
    return OP_HAVE_OUTPUT;
}

static void aggregate_end(const struct operator* operator, void * state) {
    struct aggregate_shared *shared = state;
    batch_release(shared->results);
    table_free((const struct aggregate *)operator, & shared->table);
    if (shared->begun) {
        world_mutex_destroy(&shared->lock);
    }
}

static void aggregate_explain(const struct operator* operator, struct buffer * out) {
    const struct aggregate *aggregate = (const struct aggregate *)operator;
    buffer_printf(out, "(keys=%zu, functions=[", aggregate->key_count);
    for (size_t i = 0; i < aggregate->call_count; i++) {
        buffer_printf(out, "%s%s", i > 0 ? ", " : "", aggregate->calls[i].entry->name);
    }
    buffer_append_text(out, "])");
}

static const struct operator_class op_aggregate_class = {
    .name = "HashAggregate",
    .shared_size = sizeof(struct aggregate_shared),
    .local_size = sizeof(struct aggregate_local),
    .begin = aggregate_begin,
    .end = aggregate_end,
    .local_end = aggregate_local_end,
    .step = aggregate_step,
    .combine = aggregate_combine,
    .finish = aggregate_finish,
    .partition_count = aggregate_partition_count,
    .begin_partition = aggregate_begin_partition,
    .read = aggregate_read,
    .explain = aggregate_explain,
};

/* ---- creation ---- */

static bool prepare_call(struct compile *compile, struct aggregate_slot *slot,
    const struct expression_aggregate_call *call, const struct expression **expressions, size_t *count) {
    struct arena *arena = compile->arena;
    size_t argument_count = call->arguments.count;
    const struct type **types = ARENA_ARRAY(arena, const struct type *, argument_count);
    struct column **constants = ARENA_ARRAY(arena, struct column *, argument_count);
    slot->first_argument = *count;
    for (size_t i = 0; i < argument_count; i++) {
        const struct expression *argument = expression_strip(call->arguments.items[i]);
        types[i] = argument->type;
        if (expression_is_literal(argument)) {
            struct column *value = ARENA_NEW(arena, struct column);
            *value = *expression_literal_of(argument)->value;
            value->constant = true;
            constants[i] = value;
        }
        expressions[(*count)++] = call->arguments.items[i];
    }
    slot->filter = SIZE_MAX;
    if (call->filter != NULL) {
        slot->filter = *count;
        expressions[(*count)++] = call->filter;
    }
    slot->distinct = call->distinct;
    slot->call = (struct kernel_call){.result_type = call->base.type,
        .argument_types = types,
        .argument_count = argument_count,
        .constants = constants,
        .settings = compile->settings,
        .ansi = call->ansi,
        .try = strncmp(call->function->name, "try_", 4) == 0,
        .aggregate = call};
    slot->entry = aggregate_find(call->function->kernel, types, argument_count);
    if (slot->entry == NULL) {
        return raise_unsupported_feature_not_in_this_program(compile->error,
            arena_printf(compile->error->arena, "the aggregate function %s for these types", call->function->name), "");
    }
    return slot->entry->prepare == NULL || slot->entry->prepare(&slot->call, arena, compile->error);
}

struct operator* op_aggregate_create(struct compile *compile, const struct relation *relation) {
    const struct relation_aggregate *node = relation_aggregate_of(relation);
    struct arena *arena = compile->arena;
    struct aggregate *aggregate = ARENA_NEW(arena, struct aggregate);
    aggregate->key_count = node->groupings.count;
    aggregate->call_count = node->calls.count;
    aggregate->calls = ARENA_ARRAY(arena, struct aggregate_slot, node->calls.count);
    aggregate->key_types = ARENA_ARRAY(arena, const struct type *, node->groupings.count);
    size_t room = node->groupings.count, count = 0;
    for (size_t i = 0; i < node->calls.count; i++) {
        const struct expression *call = expression_strip(node->calls.items[i]);
        room += expression_aggregate_call_of(call)->arguments.count + 1;
    }
    const struct expression **expressions = ARENA_ARRAY(arena, const struct expression *, room);
    for (; count < node->groupings.count; count++) {
        expressions[count] = node->groupings.items[count];
        aggregate->key_types[count] = node->groupings.items[count]->type;
    }
    for (size_t i = 0; i < node->calls.count; i++) {
        const struct expression_aggregate_call *call =
            expression_aggregate_call_of(expression_strip(node->calls.items[i]));
        if (!prepare_call(compile, &aggregate->calls[i], call, expressions, &count)) {
            return NULL;
        }
        aggregate->base.single_worker = aggregate->base.single_worker || call->distinct ||
                                        (aggregate->calls[i].entry->flags & AGGREGATE_ORDERED) != 0;
    }
    aggregate->program =
        program_compile(arena, compile->settings, expressions, count, node->input->output_count, compile->error);
    if (aggregate->program == NULL) {
        return NULL;
    }
    return operator_init(compile, &aggregate->base, &op_aggregate_class, relation);
}
