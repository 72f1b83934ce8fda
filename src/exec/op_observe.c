/* op_observe.c: observe(). Rows pass; each worker aggregates them on the way, as an aggregation without keys would.
 * When the run ends the metrics are computed from the aggregates and kept with the query (exec_query_observation). */
#include <stdlib.h>

#include "exec/aggregate_table.h"
#include "exec/query.h"

struct observe {
    struct aggregate aggregate;
    struct program *results; /* over what the calls give */
    struct exec_observation *observation;
};

struct observe_shared {
    struct world_mutex lock;
    bool begun;
    struct aggregate_table table;
};

struct observe_local {
    struct aggregate_table table;
};

static void forget_row(struct exec_observation *observation) {
    batch_release(observation->row);
    observation->row = NULL;
}

static bool observe_begin(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    struct observe_shared *shared = state;
    world_mutex_init(&shared->lock);
    shared->begun = true;
    forget_row(((const struct observe *)operator)->observation);
    return true;
}

static enum op_result observe_step(struct op_run *run, struct batch *in, struct batch **out) {
    struct aggregate_table *table = &((struct observe_local *)run->local)->table;
    if (!aggregate_table_add(run, table, in)) {
        return OP_FAILED;
    }
    int64_t size = (int64_t)aggregate_table_memory_size((const struct aggregate *)run->operator, table);
    int64_t change = size - (int64_t)table->counted;
    table->counted = (size_t)size;
    *out = batch_retain(in);
    return exec_memory_add(run, change, run->error) ? OP_NEED_INPUT : OP_FAILED;
}

static void observe_local_end(struct op_run *run) {
    struct observe_shared *shared = run->shared;
    struct aggregate_table *table = &((struct observe_local *)run->local)->table;
    if (table->holder == NULL) {
        return;
    }
    world_mutex_lock(&shared->lock);
    if (shared->table.holder == NULL) {
        shared->table = *table;
        *table = (struct aggregate_table){0};
    } else if (run->error->condition == 0) {
        aggregate_table_merge(run, &shared->table, table);
    }
    world_mutex_unlock(&shared->lock);
    aggregate_table_free((const struct aggregate *)run->operator, table);
}

/* The metrics as one row, NULL when one of them fails. */
static struct batch *compute(const struct observe *observe, struct aggregate_table *table) {
    const struct aggregate *aggregate = &observe->aggregate;
    struct arena arena = {0};
    struct sql_error error = {.arena = &arena};
    struct column **columns = ARENA_ARRAY(&arena, struct column *, aggregate->call_count + 1);
    struct batch *row = batch_create(observe->observation->schema);
    bool good = true;
    for (size_t i = 0; i < aggregate->call_count && good; i++) {
        const struct aggregate_slot *slot = &aggregate->calls[i];
        struct evaluation evaluation = {.arena = &row->arena,
            .row_count = 1,
            .call = &slot->call,
            .settings = aggregate->base.settings,
            .error = &error};
        struct aggregate_run run = aggregate_table_run(slot, table, i, &evaluation);
        columns[i] = slot->entry->finish(&run);
        good = !evaluation.failed;
    }
    struct frame frame = {
        .arena = &row->arena, .settings = aggregate->base.settings, .error = &error, .inputs = columns, .row_count = 1};
    good = good && program_run(observe->results, &frame, row->columns);
    row->row_count = 1;
    struct batch *copy = good ? batch_copy(row, observe->observation->schema) : NULL;
    batch_release(row);
    arena_destroy(&arena);
    return copy;
}

static void observe_end(const struct operator* operator, void * state) {
    const struct observe *observe = (const struct observe *)operator;
    struct observe_shared *shared = state;
    if (!shared->begun) {
        return;
    }
    if (shared->table.holder == NULL) {
        aggregate_table_init(&observe->aggregate, &shared->table);
    }
    aggregate_table_set_group_count(&observe->aggregate, &shared->table, 1);
    observe->observation->row = compute(observe, &shared->table);
    aggregate_table_free(&observe->aggregate, &shared->table);
    world_mutex_destroy(&shared->lock);
}

static void observe_explain(const struct operator* operator, struct buffer * out) {
    buffer_printf(out, "%.*s", BYTES_ARGS(((const struct observe *)operator)->observation->name));
}

static const struct operator_class op_observe_class = {
    .name = "CollectMetrics",
    .shared_size = sizeof(struct observe_shared),
    .local_size = sizeof(struct observe_local),
    .begin = observe_begin,
    .end = observe_end,
    .local_end = observe_local_end,
    .step = observe_step,
    .explain = observe_explain,
};

struct operator* op_observe_create(struct compile *compile, const struct relation *relation) {
    const struct relation_collect_metrics *node = relation_collect_metrics_of(relation);
    const struct relation_project *results = node->results;
    struct observe *observe = ARENA_NEW(compile->arena, struct observe);
    const struct relation_aggregate calls = {.input = node->input, .calls = node->calls};
    if (!aggregate_prepare(compile, &observe->aggregate, &calls)) {
        return NULL;
    }
    observe->results = program_compile(compile->arena, compile->settings, results->columns.items,
        results->columns.count, node->calls.count, compile->error);
    if (observe->results == NULL) {
        return NULL;
    }
    observe->observation = ARENA_NEW(compile->arena, struct exec_observation);
    observe->observation->name = node->name;
    observe->observation->schema = relation_output_type(compile->arena, &results->base);
    VECTOR_PUSH(&compile->query->observations, observe->observation);
    return operator_init(compile, &observe->aggregate.base, &op_observe_class, relation);
}
