/* state_groups.c: see state_groups.h. */
#include "exec/state_groups.h"

#include <stdlib.h>

#include "sql/sql.h"

/* A worker whose table has outgrown the cache brings it and begins anew: when most keys are new, gathering them first
 * saves nothing, and looking for them costs a miss each. */
enum { GROUPS_BROUGHT = 16 << 10, GROUPS_PER_PARTITION = 256 };

/* ---- as a sink ---- */

bool state_groups_begin(const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    struct state_groups_shared *shared = state;
    struct exec_state *kept = ((const struct state_groups *)operator)->state;
    world_mutex_init(&shared->lock);
    shared->begun = true;
    kept->rows_updated = kept->rows_removed = kept->rows_dropped = kept->updates_ns = kept->removals_ns = 0;
    return true;
}

void state_groups_free(const struct aggregate *aggregate, struct brought_groups *brought) {
    aggregate_table_free(aggregate, &brought->table);
    arena_destroy(&brought->arena);
    free(brought);
}

void state_groups_end(const struct operator* operator, void * state) {
    struct state_groups_shared *shared = state;
    for (size_t i = 0; i < shared->brought.count; i++) {
        state_groups_free((const struct aggregate *)operator, shared->brought.items[i]);
    }
    VECTOR_FREE(&shared->brought);
    if (shared->begun) {
        world_mutex_destroy(&shared->lock);
    }
}

void state_groups_local_end(struct op_run *run) {
    struct state_groups_local *local = run->local;
    batch_release(local->results);
    aggregate_table_free((const struct aggregate *)run->operator, & local->table);
}

enum op_result state_groups_step(struct op_run *run, struct batch *in, struct batch **out) {
    const struct state_groups *groups = (const struct state_groups *)run->operator;
    struct aggregate_table *table = &((struct state_groups_local *)run->local)->table;
    if (!aggregate_table_add(run, table, in)) {
        return OP_FAILED;
    }
    size_t enough = GROUPS_BROUGHT + groups->state->partition_count * GROUPS_PER_PARTITION;
    if (groups->brings_early && table->group_count >= enough) {
        /* what it told the budget stays told: the columns that are brought take as much */
        return groups->base.base.class->combine(run) ? OP_NEED_INPUT : OP_FAILED;
    }
    size_t size = aggregate_table_memory_size((const struct aggregate *)run->operator, table);
    int64_t change = (int64_t)size - (int64_t)table->counted;
    table->counted = size;
    return exec_memory_add(run, change, run->error) ? OP_NEED_INPUT : OP_FAILED;
}

/* ---- what a worker brings ---- */

struct evaluation state_groups_evaluation(
    struct op_run *run, const struct aggregate_slot *slot, struct arena *arena, size_t rows) {
    return (struct evaluation){.arena = arena,
        .row_count = rows,
        .call = &slot->call,
        .settings = run->operator->settings,
        .error = run->error};
}

struct brought_groups *state_groups_take(struct op_run *run) {
    struct state_groups_local *local = run->local;
    return local->table.holder == NULL ? NULL : state_groups_save(run, &local->table);
}

struct brought_groups *state_groups_save(struct op_run *run, struct aggregate_table *table) {
    const struct aggregate *aggregate = (const struct aggregate *)run->operator;
    struct brought_groups *brought = calloc(1, sizeof *brought);
    ASSERT(brought != NULL);
    brought->table = *table;
    *table = (struct aggregate_table){0};
    brought->row_count = brought->table.group_count;
    brought->columns = ARENA_ARRAY(&brought->arena, struct column *, aggregate->key_count + aggregate->call_count + 1);
    for (size_t i = 0; i < aggregate->key_count; i++) {
        brought->columns[i] = aggregate_table_key(&brought->arena, aggregate, &brought->table, i);
    }
    for (size_t i = 0; i < aggregate->call_count; i++) {
        const struct aggregate_slot *slot = &aggregate->calls[i];
        struct evaluation evaluation = state_groups_evaluation(run, slot, &brought->arena, brought->table.group_count);
        struct aggregate_run aggregate_run = aggregate_table_run(slot, &brought->table, i, &evaluation);
        brought->columns[aggregate->key_count + i] = slot->entry->save(&aggregate_run);
    }
    groups_free(&brought->table.groups);
    return brought;
}

void state_groups_bring(
    struct op_run *run, struct brought_groups *brought, struct column *const *hashed, size_t hashed_count) {
    struct state_groups_shared *shared = run->shared;
    size_t count = brought->row_count;
    size_t partitions = ((const struct state_groups *)run->operator)->state->partition_count;
    struct arena *arena = &brought->arena;
    int32_t *hashes = ARENA_ARRAY(arena, int32_t, count + 1);
    size_t *next = ARENA_ARRAY(arena, size_t, partitions + 1);
    brought->starts = ARENA_ARRAY(arena, size_t, partitions + 1);
    brought->rows = ARENA_ARRAY(arena, uint32_t, count + 1);
    bool spread = hashed_count > 0;
    if (spread) {
        state_hash_rows(hashed, hashed_count, count, hashes);
    }
    for (size_t i = 0; i < count; i++) {
        brought->starts[(spread ? state_partition(hashes[i], partitions) : 0) + 1]++;
    }
    for (size_t p = 0; p < partitions; p++) {
        brought->starts[p + 1] += brought->starts[p];
        next[p] = brought->starts[p];
    }
    for (size_t i = 0; i < count; i++) {
        brought->rows[next[spread ? state_partition(hashes[i], partitions) : 0]++] = (uint32_t)i;
    }
    world_mutex_lock(&shared->lock);
    VECTOR_PUSH(&shared->brought, brought);
    world_mutex_unlock(&shared->lock);
}

/* ---- as a source ---- */

size_t state_groups_partition_count(const struct operator* operator, void * state) {
    return ((const struct state_groups *)operator)->state->used_partitions;
}

bool state_groups_begin_partition(struct op_run *run) {
    struct state_groups_local *local = run->local;
    batch_release(local->results);
    local->results = NULL;
    local->next = 0;
    local->done = false;
    return true;
}

enum op_result state_groups_read(struct op_run *run, struct batch **out) {
    struct state_groups_local *local = run->local;
    if (!local->done) {
        local->done = true;
        if (!((const struct state_groups *)run->operator)->work(run, &local->results)) {
            return OP_FAILED;
        }
    }
    size_t rest = local->results == NULL ? 0 : local->results->row_count - local->next;
    if (rest == 0) {
        return OP_NEED_INPUT;
    }
    size_t count = rest > BATCH_ROWS_TARGET ? BATCH_ROWS_TARGET : rest;
    *out = batch_slice(local->results, local->next, count);
    local->next += count;
    return OP_HAVE_OUTPUT;
}

/* ---- the state's schema ---- */

struct type_field state_groups_key_field(const struct relation *relation, size_t key) {
    const struct attribute *attribute = &relation->output[key];
    const struct expression *grouping = relation_aggregate_of(relation)->groupings.items[key];
    bool column = expression_strip(grouping)->node.tag == EXPRESSION_COLUMN;
    return (struct type_field){
        column ? attribute->name : BYTES("_groupingexpression"), attribute->type, true, attribute->metadata};
}

bool state_groups_find_buffers(
    struct compile *compile, struct state_groups *groups, struct type_field *fields, size_t *count) {
    groups->buffers = ARENA_ARRAY(compile->arena, const struct aggregate_buffer *, groups->base.call_count + 1);
    for (size_t i = 0; i < groups->base.call_count; i++) {
        const struct aggregate_slot *slot = &groups->base.calls[i];
        groups->buffers[i] = aggregate_buffer_find(slot);
        if (groups->buffers[i] == NULL) {
            return raise_unsupported_feature_not_in_this_program(compile->error,
                arena_printf(
                    compile->error->arena, "The aggregate function %s over streaming DataFrames", slot->entry->name),
                "Its state has no form yet that Spark could read.");
        }
        *count += aggregate_buffer_fields(groups->buffers[i], slot, compile->arena, fields + *count);
    }
    return true;
}
