/* op_aggregate.c: hash aggregation. Every worker fills a table of its own (keys → group numbers, one array of states
 * per aggregate); at its end the tables are merged into one, and that is read out. DISTINCT aggregates keep the set of
 * values seen per group, and they and those that depend on the order of rows run with one worker. */
#include "exec/aggregate_table.h"

struct aggregate_shared {
    struct world_mutex lock;
    bool begun;
    struct aggregate_table table;
    struct batch *results;
};

struct aggregate_local {
    struct aggregate_table table;
    size_t next;
};

static bool account(struct op_run *run, struct aggregate_table *table) {
    size_t size = aggregate_table_memory_size((const struct aggregate *)run->operator, table);
    int64_t change = (int64_t)size - (int64_t)table->counted;
    table->counted = size;
    return exec_memory_add(run, change, run->error);
}

static enum op_result aggregate_step(struct op_run *run, struct batch *in, struct batch **out) {
    struct aggregate_table *table = &((struct aggregate_local *)run->local)->table;
    return aggregate_table_add(run, table, in) && account(run, table) ? OP_NEED_INPUT : OP_FAILED;
}

/* ---- together ---- */

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
        local->table = (struct aggregate_table){0};
    } else {
        aggregate_table_merge(run, &shared->table, &local->table);
    }
    world_mutex_unlock(&shared->lock);
    return run->error->condition == 0;
}

static void aggregate_local_end(struct op_run *run) {
    struct aggregate_local *local = run->local;
    if (local->table.holder != NULL) {
        exec_memory_add(run, -(int64_t)local->table.counted, NULL);
    }
    aggregate_table_free((const struct aggregate *)run->operator, & local->table);
}

static enum op_result aggregate_finish(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    const struct aggregate *aggregate = (const struct aggregate *)operator;
    struct aggregate_shared *shared = state;
    struct aggregate_table *table = &shared->table;
    if (table->holder == NULL) {
        aggregate_table_init(aggregate, table);
    }
    if (aggregate->key_count == 0) {
        aggregate_table_set_group_count(aggregate, table, 1);
    }
    struct batch *results = table->holder;
    results->row_count = table->group_count;
    for (size_t i = 0; i < aggregate->key_count; i++) {
        results->columns[i] = aggregate_table_key(&results->arena, aggregate, table, i);
    }
    for (size_t i = 0; i < aggregate->call_count; i++) {
        const struct aggregate_slot *slot = &aggregate->calls[i];
        struct evaluation evaluation = {.arena = &results->arena,
            .row_count = table->group_count,
            .call = &slot->call,
            .settings = operator->settings,
            .error = error};
        struct aggregate_run run = aggregate_table_run(slot, table, i, &evaluation);
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
    aggregate_table_free((const struct aggregate *)operator, & shared->table);
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

struct operator* op_aggregate_create(struct compile *compile, const struct relation *relation) {
    struct aggregate *aggregate = ARENA_NEW(compile->arena, struct aggregate);
    if (!aggregate_prepare(compile, aggregate, relation_aggregate_of(relation))) {
        return NULL;
    }
    return operator_init(compile, &aggregate->base, &op_aggregate_class, relation);
}
