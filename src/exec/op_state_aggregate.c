/* op_state_aggregate.c: aggregation of a stream. Every worker fills a table of its own with the batch's groups
 * (aggregate_table.h) and sorts them by state partition at its end. Then each state partition is worked on alone: the
 * batch's groups are merged into what the state has of them, the state is written, groups that the watermark has passed
 * are taken out, and the rows of the output mode are put out.
 *
 * As in Spark, a group is late when the watermark of the batch before has passed its time (the end of its window), and
 * leaves when this batch's has; what is dropped is counted in groups, not in rows. */
#include <stdlib.h>

#include "exec/aggregate_buffer.h"
#include "exec/query.h"
#include "exec/state.h"
#include "exec/window_panes.h"
#include "sql/sql.h"

struct state_aggregate {
    struct aggregate base;
    struct exec_state *state;
    enum exec_mode mode;
    const struct aggregate_buffer **buffers; /* per call */
    const struct type *key_type, *value_type;
    size_t time_key;  /* the key with the event time; SIZE_MAX: none */
    bool time_window; /* it is a window: its end counts */
    struct window_panes panes;
};

/* What one worker brings: its groups by partition, and their states saved. With panes a row stands for a window of a
 * pane: row % group_count is the pane's state. */
struct brought {
    struct aggregate_table table;
    struct arena arena;
    struct column **keys, **saved;
    size_t row_count;
    uint32_t *rows; /* partition after partition */
    size_t *starts; /* per partition, and the end */
};

struct state_shared {
    struct world_mutex lock;
    VECTOR(struct brought *) brought;
    bool begun;
};

struct state_local {
    struct aggregate_table table;
    struct batch *results;
    size_t next;
    bool done;
};

/* ---- rows in ---- */

static enum op_result state_step(struct op_run *run, struct batch *in, struct batch **out) {
    struct aggregate_table *table = &((struct state_local *)run->local)->table;
    if (!aggregate_table_add(run, table, in)) {
        return OP_FAILED;
    }
    size_t size = aggregate_table_memory_size((const struct aggregate *)run->operator, table);
    int64_t change = (int64_t)size - (int64_t)table->counted;
    table->counted = size;
    return exec_memory_add(run, change, run->error) ? OP_NEED_INPUT : OP_FAILED;
}

/* Lists the groups partition after partition. */
static void sort_groups(const struct state_aggregate *operator, struct brought * brought) {
    size_t count = brought->row_count, partitions = operator->state->partition_count;
    int32_t *hashes = ARENA_ARRAY(&brought->arena, int32_t, count + 1);
    size_t *next = ARENA_ARRAY(&brought->arena, size_t, partitions + 1);
    brought->starts = ARENA_ARRAY(&brought->arena, size_t, partitions + 1);
    brought->rows = ARENA_ARRAY(&brought->arena, uint32_t, count + 1);
    bool spread = operator->base.key_count> 0; /* without keys there is one group, in partition 0 */
    if (spread) {
        state_hash_rows(brought->keys, operator->base.key_count, count, hashes);
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
}

static bool state_combine(struct op_run *run) {
    const struct state_aggregate *operator=(const struct state_aggregate *) run->operator;
    struct state_shared *shared = run->shared;
    struct state_local *local = run->local;
    if (local->table.holder == NULL) {
        return true;
    }
    struct brought *brought = calloc(1, sizeof *brought);
    ASSERT(brought != NULL);
    brought->table = local->table;
    local->table = (struct aggregate_table){0};
    brought->keys = ARENA_ARRAY(&brought->arena, struct column *, operator->base.key_count + 1);
    brought->saved = ARENA_ARRAY(&brought->arena, struct column *, operator->base.call_count + 1);
    for (size_t i = 0; i < operator->base.key_count; i++) {
        brought->keys[i] = aggregate_table_key(&brought->arena, &operator->base, &brought->table, i);
    }
    brought->row_count = brought->table.group_count * operator->panes.overlap;
    if (operator->panes.overlap> 1) {
        brought->keys = window_panes_spread(
            &brought->arena, &operator->panes, brought->keys, operator->base.key_count, brought->table.group_count);
    }
    for (size_t i = 0; i < operator->base.call_count; i++) {
        const struct aggregate_slot *slot = &operator->base.calls[i];
        struct evaluation evaluation = {.arena = &brought->arena,
            .row_count = brought->table.group_count,
            .call = &slot->call,
            .settings = operator->base.base.settings,
            .error = run->error};
        struct aggregate_run aggregate_run = aggregate_table_run(slot, &brought->table, i, &evaluation);
        brought->saved[i] = slot->entry->save(&aggregate_run);
    }
    sort_groups(operator, brought);
    world_mutex_lock(&shared->lock);
    VECTOR_PUSH(&shared->brought, brought);
    world_mutex_unlock(&shared->lock);
    return true;
}

/* ---- one state partition ---- */

/* The groups of a partition that this batch touched, in order. */
struct touched {
    struct state_table *table;
    struct arena arena;
    VECTOR(uint32_t) entries;
    struct aggregate_table states; /* one group per entry */
};

static int64_t time_of_key(const struct state_aggregate *operator, struct bytes key, bool *null) {
    size_t count = operator->base.key_count;
    *null = row_image_is_null(key, operator->time_key);
    int64_t word = row_image_word(key, count, operator->time_key);
    if (!operator->time_window || * null) {
        return word;
    }
    struct bytes window = bytes_slice(key, (size_t)((uint64_t)word >> 32), (size_t)(word & 0xffffffff));
    *null = row_image_is_null(window, 1);
    return row_image_word(window, 2, 1);
}

/* Whether the watermark has passed the group's time. */
static bool is_passed(const struct state_aggregate *operator, struct bytes key, int64_t watermark_ms) {
    bool null;
    if (operator->time_key == SIZE_MAX) {
        return false;
    }
    int64_t time = time_of_key(operator, key, &null);
    return !null && time <= watermark_ms * 1000;
}

static uint32_t number_entry(struct touched *touched, uint32_t entry) {
    struct state_entry *kept = &touched->table->entries[entry];
    if (kept->mark == 0) {
        VECTOR_PUSH(&touched->entries, entry);
        kept->mark = (uint32_t)touched->entries.count;
    }
    return kept->mark - 1;
}

/* Numbers of the touched groups for the rows that one worker brought; UINT32_MAX for late ones. */
static uint32_t *number_rows(
    const struct state_aggregate *operator, struct touched * touched, struct column *const *keys, size_t count) {
    enum { TOGETHER = 1024 };
    struct row_images images;
    uint32_t *numbers = ARENA_ARRAY(&touched->arena, uint32_t, count + 1);
    int64_t watermark_ms = operator->mode == EXEC_COMPLETE ? INT64_MIN / 1000 : operator->state->late_watermark_ms;
    row_images_encode(&touched->arena, keys, operator->base.key_count, count, &images);
    for (size_t from = 0; from < count; from += TOGETHER) {
        struct row_images part = images;
        part.offsets += from;
        part.row_count = count - from < TOGETHER ? count - from : TOGETHER;
        size_t late = 0;
        for (size_t i = 0; i < part.row_count; i++) {
            bool passed = is_passed(operator, row_images_at(&part, i), watermark_ms);
            numbers[from + i] = passed ? UINT32_MAX : 0;
            late += passed;
        }
        if (late == 0) {
            state_table_add_all(touched->table, &part, numbers + from);
        }
        for (size_t i = 0; i < part.row_count; i++) {
            if (numbers[from + i] != UINT32_MAX) {
                uint32_t entry =
                    late == 0 ? numbers[from + i] : state_table_add(touched->table, row_images_at(&part, i));
                numbers[from + i] = number_entry(touched, entry);
            }
        }
    }
    return numbers;
}

static struct evaluation evaluation_for(
    struct op_run *run, const struct aggregate_slot *slot, struct arena *arena, size_t rows) {
    return (struct evaluation){.arena = arena,
        .row_count = rows,
        .call = &slot->call,
        .settings = run->operator->settings,
        .error = run->error};
}

/* Adds buffers from the state to groups of a table. */
static bool merge_values(struct op_run *run, struct aggregate_table *states, const struct bytes *values, size_t count,
    const uint32_t *groups, struct arena *arena) {
    const struct state_aggregate *operator=(const struct state_aggregate *) run->operator;
    struct column **columns = ARENA_ARRAY(arena, struct column *, operator->value_type->field_count + 1);
    if (count == 0) {
        return true;
    }
    if (!row_images_decode(arena, operator->value_type, values, count, columns)) {
        return raise_internal_error(run->error, "a value of the state is no row of the aggregation");
    }
    for (size_t i = 0, at = 0; i < operator->base.call_count; i++) {
        const struct aggregate_slot *slot = &operator->base.calls[i];
        struct type_field fields[BUFFER_FIELDS_MAX];
        struct column *saved = aggregate_buffer_to_saved(operator->buffers[i], slot, arena, columns + at, count);
        if (saved == NULL) {
            return raise_internal_error(run->error, "a value of the state is no row of the aggregation");
        }
        at += aggregate_buffer_fields(operator->buffers[i], slot, arena, fields);
        struct evaluation evaluation = evaluation_for(run, slot, arena, count);
        struct aggregate_run aggregate_run = aggregate_table_run(slot, states, i, &evaluation);
        slot->entry->merge(&aggregate_run, saved, groups);
    }
    return true;
}

/* What the state has of the touched groups comes first, then what this batch brought. */
static bool merge_old(struct op_run *run, struct touched *touched) {
    struct arena arena = {0};
    struct bytes *values = ARENA_ARRAY(&arena, struct bytes, touched->entries.count + 1);
    uint32_t *groups = ARENA_ARRAY(&arena, uint32_t, touched->entries.count + 1);
    size_t count = 0;
    for (size_t i = 0; i < touched->entries.count; i++) {
        const struct state_entry *entry = &touched->table->entries[touched->entries.items[i]];
        if (entry->present) {
            values[count] = state_entry_value(entry);
            groups[count++] = (uint32_t)i;
        }
    }
    bool good = merge_values(run, &touched->states, values, count, groups, &arena);
    arena_destroy(&arena);
    return good;
}

static void merge_brought(struct op_run *run, struct touched *touched, const struct brought *brought,
    const uint32_t *numbers, size_t partition) {
    const struct state_aggregate *operator=(const struct state_aggregate *) run->operator;
    const uint32_t *rows = brought->rows + brought->starts[partition];
    size_t all = brought->starts[partition + 1] - brought->starts[partition], count = 0;
    struct arena arena = {0};
    uint32_t *taken = ARENA_ARRAY(&arena, uint32_t, all + 1), *groups = ARENA_ARRAY(&arena, uint32_t, all + 1);
    for (size_t i = 0; i < all; i++) {
        taken[count] = rows[i] % (uint32_t)brought->table.group_count;
        groups[count] = numbers[i];
        count += numbers[i] != UINT32_MAX;
    }
    for (size_t i = 0; i < operator->base.call_count && count> 0; i++) {
        const struct aggregate_slot *slot = &operator->base.calls[i];
        struct evaluation evaluation = evaluation_for(run, slot, &arena, count);
        struct aggregate_run aggregate_run = aggregate_table_run(slot, &touched->states, i, &evaluation);
        slot->entry->merge(&aggregate_run, column_take(&arena, brought->saved[i], taken, count), groups);
    }
    arena_destroy(&arena);
}

/* Writes the touched groups' states into the table. */
static bool save_touched(struct op_run *run, struct touched *touched) {
    const struct state_aggregate *operator=(const struct state_aggregate *) run->operator;
    struct arena arena = {0};
    struct column **columns = ARENA_ARRAY(&arena, struct column *, operator->value_type->field_count + 1);
    size_t count = touched->entries.count, at = 0;
    bool good = true;
    for (size_t i = 0; i < operator->base.call_count && good; i++) {
        const struct aggregate_slot *slot = &operator->base.calls[i];
        struct type_field fields[BUFFER_FIELDS_MAX];
        struct evaluation evaluation = evaluation_for(run, slot, &arena, count);
        struct aggregate_run aggregate_run = aggregate_table_run(slot, &touched->states, i, &evaluation);
        struct column *saved = aggregate_buffer_takes_results(operator->buffers[i])
                                   ? slot->entry->finish(&aggregate_run)
                                   : slot->entry->save(&aggregate_run);
        if (!aggregate_buffer_from_saved(operator->buffers[i], slot, &arena, saved, columns + at)) {
            good = raise_arithmetic_overflow(run->error, "long overflow",
                " Use 'try_sum' to tolerate overflow and return NULL instead.", "\"spark.sql.ansi.enabled\"");
        }
        at += aggregate_buffer_fields(operator->buffers[i], slot, &arena, fields);
    }
    if (good) {
        struct row_images images;
        row_images_encode(&arena, columns, at, count, &images);
        for (size_t i = 0; i < count; i++) {
            uint32_t entry = touched->entries.items[i];
            state_table_put(touched->table, entry, row_images_at(&images, i));
            touched->table->entries[entry].mark = 0;
        }
    }
    arena_destroy(&arena);
    return good;
}

/* ---- rows out ---- */

/* A batch of keys and results; the states belong to the groups in the keys' order. */
static struct batch *make_results(
    struct op_run *run, struct aggregate_table *states, const struct bytes *keys, size_t count) {
    const struct state_aggregate *operator=(const struct state_aggregate *) run->operator;
    struct batch *results = batch_create(operator->base.base.schema);
    results->row_count = count;
    if (!row_images_decode(&results->arena, operator->key_type, keys, count, results->columns)) {
        raise_internal_error(run->error, "a key of the state is no row of the groupings");
        batch_release(results);
        return NULL;
    }
    for (size_t i = 0; i < operator->base.call_count; i++) {
        const struct aggregate_slot *slot = &operator->base.calls[i];
        struct evaluation evaluation = evaluation_for(run, slot, &results->arena, count);
        struct aggregate_run aggregate_run = aggregate_table_run(slot, states, i, &evaluation);
        struct column *column = slot->entry->finish(&aggregate_run);
        if (evaluation.failed) {
            batch_release(results);
            return NULL;
        }
        results->columns[operator->base.key_count + i] = column_copy(&results->arena, column);
    }
    return results;
}

/* The rows of these entries, as the state has them. */
static struct batch *results_of(struct op_run *run, struct state_table *table, const uint32_t *entries, size_t count) {
    const struct state_aggregate *operator=(const struct state_aggregate *) run->operator;
    struct arena arena = {0};
    struct aggregate_table states = {0};
    struct bytes *keys = ARENA_ARRAY(&arena, struct bytes, count + 1),
                 *values = ARENA_ARRAY(&arena, struct bytes, count + 1);
    uint32_t *groups = ARENA_ARRAY(&arena, uint32_t, count + 1);
    for (size_t i = 0; i < count; i++) {
        keys[i] = state_entry_key(&table->entries[entries[i]]);
        values[i] = state_entry_value(&table->entries[entries[i]]);
        groups[i] = (uint32_t)i;
    }
    aggregate_table_init(&operator->base, &states);
    aggregate_table_set_group_count(&operator->base, &states, count);
    struct batch *results =
        merge_values(run, &states, values, count, groups, &arena) ? make_results(run, &states, keys, count) : NULL;
    aggregate_table_free(&operator->base, &states);
    arena_destroy(&arena);
    return results;
}

static struct batch *results_of_touched(struct op_run *run, struct touched *touched) {
    struct arena arena = {0};
    struct bytes *keys = ARENA_ARRAY(&arena, struct bytes, touched->entries.count + 1);
    for (size_t i = 0; i < touched->entries.count; i++) {
        keys[i] = state_entry_key(&touched->table->entries[touched->entries.items[i]]);
    }
    struct batch *results = make_results(run, &touched->states, keys, touched->entries.count);
    arena_destroy(&arena);
    return results;
}

/* Entries that the watermark has passed; all present ones in complete mode. */
static uint32_t *list_entries(
    const struct state_aggregate *operator, const struct state_table * table, struct arena *arena, size_t *count) {
    uint32_t *entries = arena_allocate(arena, (table->entry_count + 1) * sizeof *entries);
    *count = 0;
    for (size_t i = 0; i < table->entry_count; i++) {
        const struct state_entry *entry = &table->entries[i];
        if (entry->data != NULL && entry->present &&
            (operator->mode == EXEC_COMPLETE ||
                is_passed(operator, state_entry_key(entry), operator->state->eviction_watermark_ms))) {
            entries[(*count)++] = (uint32_t)i;
        }
    }
    return entries;
}

static bool put_out(struct op_run *run, struct touched *touched, struct batch **results) {
    const struct state_aggregate *operator=(const struct state_aggregate *) run->operator;
    struct world *world = exec_run_world(run->exec);
    int64_t start = world_monotonic_ns(world);
    struct arena arena = {0};
    size_t count;
    *results = operator->mode == EXEC_UPDATE ? results_of_touched(run, touched) : NULL;
    bool good = operator->mode != EXEC_UPDATE || * results != NULL;
    if (operator->mode != EXEC_UPDATE || operator->time_key != SIZE_MAX) {
        uint32_t *entries = list_entries(operator, touched->table, &arena, &count);
        if (operator->mode != EXEC_UPDATE) {
            *results = results_of(run, touched->table, entries, count);
            good = *results != NULL;
        }
        for (size_t i = 0; i < count && good && operator->mode != EXEC_COMPLETE; i++) {
            state_table_remove(touched->table, entries[i]);
        }
        if (operator->mode != EXEC_COMPLETE) {
            __atomic_fetch_add(&operator->state->rows_removed, (int64_t)count, __ATOMIC_RELAXED);
        }
    }
    arena_destroy(&arena);
    __atomic_fetch_add(&operator->state->removals_ns, world_monotonic_ns(world) - start, __ATOMIC_RELAXED);
    return good;
}

/* Distinct late groups of all workers. */
static int64_t count_late(const struct state_aggregate *operator, struct touched * touched,
    const struct state_shared *shared, uint32_t *const *numbers, size_t partition) {
    struct groups late;
    int64_t count = 0;
    groups_init(&late, operator->base.key_types, operator->base.key_count);
    for (size_t b = 0; b < shared->brought.count; b++) {
        const struct brought *brought = shared->brought.items[b];
        size_t all = brought->starts[partition + 1] - brought->starts[partition], rows = 0;
        uint32_t *taken = ARENA_ARRAY(&touched->arena, uint32_t, all + 1);
        for (size_t i = 0; i < all; i++) {
            taken[rows] = brought->rows[brought->starts[partition] + i];
            rows += numbers[b][i] == UINT32_MAX;
        }
        if (rows == 0) {
            continue;
        }
        struct column **keys = ARENA_ARRAY(&touched->arena, struct column *, operator->base.key_count + 1);
        uint32_t *ids = ARENA_ARRAY(&touched->arena, uint32_t, rows),
                 *fresh = ARENA_ARRAY(&touched->arena, uint32_t, rows);
        for (size_t i = 0; i < operator->base.key_count; i++) {
            keys[i] = column_take(&touched->arena, brought->keys[i], taken, rows);
        }
        count += (int64_t)groups_add(&late, &touched->arena, keys, operator->base.key_count, rows, ids, fresh);
    }
    groups_free(&late);
    return count;
}

static bool work_on_partition(struct op_run *run, struct batch **results) {
    const struct state_aggregate *operator=(const struct state_aggregate *) run->operator;
    struct state_shared *shared = run->shared;
    struct world *world = exec_run_world(run->exec);
    int64_t start = world_monotonic_ns(world);
    size_t partition = run->source_partition, worker_count = shared->brought.count;
    struct touched touched = {.table = &operator->state->stores[0].tables[partition] };
    uint32_t **numbers = ARENA_ARRAY(&touched.arena, uint32_t *, worker_count + 1);
    for (size_t b = 0; b < worker_count; b++) {
        struct brought *brought = shared->brought.items[b];
        size_t count = brought->starts[partition + 1] - brought->starts[partition];
        struct column **keys = ARENA_ARRAY(&touched.arena, struct column *, operator->base.key_count + 1);
        for (size_t i = 0; i < operator->base.key_count; i++) {
            keys[i] = column_take(&touched.arena, brought->keys[i], brought->rows + brought->starts[partition], count);
        }
        numbers[b] = number_rows(operator, & touched, keys, count);
    }
    int64_t dropped = operator->time_key == SIZE_MAX ? 0 : count_late(operator, & touched, shared, numbers, partition);
    if (operator->base.key_count == 0 && touched.entries.count == 0) { /* the only group is there without rows, too */
        struct row_images none;
        row_images_encode(&touched.arena, NULL, 0, 1, &none);
        VECTOR_PUSH(&touched.entries, state_table_add(touched.table, row_images_at(&none, 0)));
    }
    aggregate_table_init(&operator->base, &touched.states);
    aggregate_table_set_group_count(&operator->base, &touched.states, touched.entries.count);
    bool good = merge_old(run, &touched);
    for (size_t b = 0; b < worker_count && good; b++) {
        merge_brought(run, &touched, shared->brought.items[b], numbers[b], partition);
    }
    good = good && run->error->condition == 0 && save_touched(run, &touched);
    __atomic_fetch_add(&operator->state->rows_dropped, dropped, __ATOMIC_RELAXED);
    __atomic_fetch_add(&operator->state->rows_updated, (int64_t)touched.entries.count, __ATOMIC_RELAXED);
    __atomic_fetch_add(&operator->state->updates_ns, world_monotonic_ns(world) - start, __ATOMIC_RELAXED);
    good = good && put_out(run, &touched, results);
    aggregate_table_free(&operator->base, &touched.states);
    VECTOR_FREE(&touched.entries);
    arena_destroy(&touched.arena);
    return good;
}

/* ---- as a sink, and as a source ---- */

static bool state_begin(const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    struct state_shared *shared = state;
    struct exec_state *kept = ((const struct state_aggregate *)operator)->state;
    world_mutex_init(&shared->lock);
    shared->begun = true;
    kept->rows_updated = kept->rows_removed = kept->rows_dropped = kept->updates_ns = kept->removals_ns = 0;
    return true;
}

static void state_end(const struct operator* operator, void * state) {
    struct state_shared *shared = state;
    for (size_t i = 0; i < shared->brought.count; i++) {
        struct brought *brought = shared->brought.items[i];
        aggregate_table_free((const struct aggregate *)operator, & brought->table);
        arena_destroy(&brought->arena);
        free(brought);
    }
    VECTOR_FREE(&shared->brought);
    if (shared->begun) {
        world_mutex_destroy(&shared->lock);
    }
}

static void state_local_end(struct op_run *run) {
    struct state_local *local = run->local;
    batch_release(local->results);
    aggregate_table_free((const struct aggregate *)run->operator, & local->table);
}

static size_t state_partition_count(const struct operator* operator, void * state) {
    return ((const struct state_aggregate *)operator)->state->used_partitions;
}

static bool state_begin_partition(struct op_run *run) {
    struct state_local *local = run->local;
    batch_release(local->results);
    local->results = NULL;
    local->next = 0;
    local->done = false;
    return true;
}

static enum op_result state_read(struct op_run *run, struct batch **out) {
    struct state_local *local = run->local;
    if (!local->done) {
        local->done = true;
        if (!work_on_partition(run, &local->results)) {
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

static void state_explain(const struct operator* operator, struct buffer * out) {
    const struct state_aggregate *aggregate = (const struct state_aggregate *)operator;
    static const char *const modes[] = {"append", "update", "complete"};
    buffer_printf(out, "(keys=%zu, functions=[", aggregate->base.key_count);
    for (size_t i = 0; i < aggregate->base.call_count; i++) {
        buffer_printf(out, "%s%s", i > 0 ? ", " : "", aggregate->base.calls[i].entry->name);
    }
    buffer_printf(out, "], mode=%s, partitions=%zu)", modes[aggregate->mode], aggregate->state->partition_count);
}

static const struct operator_class op_state_aggregate_class = {
    .name = "StateStoreSave",
    .shared_size = sizeof(struct state_shared),
    .local_size = sizeof(struct state_local),
    .begin = state_begin,
    .end = state_end,
    .local_end = state_local_end,
    .step = state_step,
    .combine = state_combine,
    .partition_count = state_partition_count,
    .begin_partition = state_begin_partition,
    .read = state_read,
    .explain = state_explain,
};

/* ---- creation ---- */

static bool make_value_type(struct compile *compile, struct state_aggregate *aggregate) {
    struct arena *arena = compile->arena;
    size_t count = 0;
    struct type_field *fields =
        ARENA_ARRAY(arena, struct type_field, aggregate->base.call_count * BUFFER_FIELDS_MAX + 1);
    aggregate->buffers = ARENA_ARRAY(arena, const struct aggregate_buffer *, aggregate->base.call_count + 1);
    for (size_t i = 0; i < aggregate->base.call_count; i++) {
        const struct aggregate_slot *slot = &aggregate->base.calls[i];
        aggregate->buffers[i] = aggregate_buffer_find(slot);
        if (aggregate->buffers[i] == NULL) {
            return raise_unsupported_feature_not_in_this_program(compile->error,
                arena_printf(
                    compile->error->arena, "The aggregate function %s over streaming DataFrames", slot->entry->name),
                "Its state has no form yet that Spark could read.");
        }
        count += aggregate_buffer_fields(aggregate->buffers[i], slot, arena, fields + count);
    }
    aggregate->value_type = type_struct(arena, fields, count);
    return true;
}

struct operator*
    op_state_aggregate_create(struct compile *compile, const struct relation *relation, const struct relation **input) {
    const struct relation_aggregate *node = relation_aggregate_of(relation);
    struct arena *arena = compile->arena;
    struct state_aggregate *aggregate = ARENA_NEW(arena, struct state_aggregate);
    if (!aggregate_prepare(compile, &aggregate->base, node) || !make_value_type(compile, aggregate)) {
        return NULL;
    }
    aggregate->panes = window_panes_find(arena, &aggregate->base, node);
    *input = aggregate->panes.input;
    struct type_field *fields = ARENA_ARRAY(arena, struct type_field, node->groupings.count + 1);
    aggregate->time_key = SIZE_MAX;
    for (size_t i = 0; i < node->groupings.count; i++) {
        const struct attribute *attribute = &relation->output[i];
        int64_t delay;
        bool column = expression_strip(node->groupings.items[i])->node.tag == EXPRESSION_COLUMN;
        fields[i] = (struct type_field){
            column ? attribute->name : BYTES("_groupingexpression"), attribute->type, true, attribute->metadata};
        if (aggregate->time_key == SIZE_MAX && attribute_event_time(attribute, &delay)) {
            aggregate->time_key = i;
            aggregate->time_window = attribute->type->kind == TYPE_STRUCT;
        }
    }
    aggregate->key_type = type_struct(arena, fields, node->groupings.count);
    aggregate->mode = compile->query->mode;
    aggregate->state = query_add_state(compile->query, "stateStoreSave");
    query_add_store(compile->query, aggregate->state, "default", aggregate->key_type, aggregate->value_type, 0);
    aggregate->state->used_partitions = node->groupings.count == 0 ? 1 : aggregate->state->partition_count;
    aggregate->state->has_event_time = aggregate->time_key != SIZE_MAX;
    aggregate->state->time_key = aggregate->time_key;
    aggregate->state->key_count = aggregate->base.key_count;
    aggregate->state->time_is_window = aggregate->time_key != SIZE_MAX && aggregate->time_window;
    aggregate->state->runs_without_data = aggregate->mode != EXEC_COMPLETE;
    return operator_init(compile, &aggregate->base.base, &op_state_aggregate_class, relation);
}
