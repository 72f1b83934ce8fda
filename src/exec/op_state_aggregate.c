/* op_state_aggregate.c: aggregation of a stream. Every worker fills a table of its own with the batch's groups
 * (aggregate_table.h) and sorts them by state partition at its end. Then each state partition is worked on alone: the
 * batch's groups are merged into what the state has of them, the state is written, groups that the watermark has passed
 * are taken out, and the rows of the output mode are put out.
 *
 * As in Spark, a group is late when the watermark of the batch before has passed its time (the end of its window), and
 * leaves when this batch's has; what is dropped is counted in groups, not in rows. */
#include <stdlib.h>

#include "exec/state_groups.h"
#include "exec/window_panes.h"
#include "sql/sql.h"

struct state_aggregate {
    struct state_groups groups;
    size_t time_key;  /* the key with the event time; SIZE_MAX: none */
    bool time_window; /* it is a window: its end counts */
    struct window_panes panes;
};

struct state_aggregate_shared {
    struct state_groups_shared groups;
    VECTOR(struct brought_groups *) panes; /* under its lock */
};

/* ---- rows in ---- */

/* With panes a row of the keys stands for a window of a pane: row % group_count is the pane's state. */
static void bring(struct op_run *run, struct brought_groups *brought) {
    const struct state_aggregate *operator=(const struct state_aggregate *) run->operator;
    size_t key_count = operator->groups.base.key_count, call_count = operator->groups.base.call_count;
    if (operator->panes.overlap> 1) {
        struct column **saved = brought->columns + key_count, **columns;
        columns = ARENA_ARRAY(&brought->arena, struct column *, key_count + call_count + 1);
        memcpy(columns,
            window_panes_spread(
                &brought->arena, &operator->panes, brought->columns, key_count, brought->table.group_count),
            key_count * sizeof *columns);
        memcpy(columns + key_count, saved, call_count * sizeof *columns);
        brought->columns = columns;
        brought->row_count *= operator->panes.overlap;
    }
    state_groups_bring(run, brought, brought->columns, key_count);
}

/* Panes wait for those of the other workers: each merged one is several windows less. */
static bool state_combine(struct op_run *run) {
    const struct state_aggregate *operator=(const struct state_aggregate *) run->operator;
    struct state_aggregate_shared *shared = run->shared;
    struct brought_groups *brought = state_groups_take(run);
    if (brought == NULL) {
        return true;
    }
    if (operator->panes.overlap <= 1) {
        bring(run, brought);
        return true;
    }
    world_mutex_lock(&shared->groups.lock);
    VECTOR_PUSH(&shared->panes, brought);
    world_mutex_unlock(&shared->groups.lock);
    return true;
}

/* All panes of one kind into one. */
static struct brought_groups *merge_panes(struct op_run *run, struct brought_groups *const *panes, size_t count) {
    const struct state_aggregate *operator=(const struct state_aggregate *) run->operator;
    const struct aggregate *aggregate = &operator->groups.base;
    struct aggregate_table all = {0};
    aggregate_table_init(aggregate, &all);
    for (size_t p = 0; p < count; p++) {
        struct arena arena = {0};
        uint32_t *numbers = aggregate_table_groups(aggregate, &all, &arena, panes[p]->columns, panes[p]->row_count);
        for (size_t i = 0; i < aggregate->call_count; i++) {
            const struct aggregate_slot *slot = &aggregate->calls[i];
            struct evaluation evaluation = state_groups_evaluation(run, slot, &arena, panes[p]->row_count);
            struct aggregate_run aggregate_run = aggregate_table_run(slot, &all, i, &evaluation);
            slot->entry->merge(&aggregate_run, panes[p]->columns[aggregate->key_count + i], numbers);
        }
        arena_destroy(&arena);
    }
    return state_groups_save(run, &all);
}

static enum op_result state_finish(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    enum { MERGED_MAX = 512 << 10 };
    struct state_aggregate_shared *shared = state;
    struct op_run run = {.operator= operator, .exec = exec, .shared = shared, .error = error};
    size_t rows = 0;
    for (size_t i = 0; i < shared->panes.count; i++) {
        rows += shared->panes.items[i]->row_count;
    }
    if (shared->panes.count > 1 && rows <= MERGED_MAX) {
        struct brought_groups *merged = merge_panes(&run, shared->panes.items, shared->panes.count);
        for (size_t i = 0; i < shared->panes.count; i++) {
            state_groups_free((const struct aggregate *)operator, shared->panes.items[i]);
        }
        shared->panes.items[0] = merged;
        shared->panes.count = 1;
    }
    for (size_t i = 0; i < shared->panes.count; i++) {
        bring(&run, shared->panes.items[i]);
    }
    shared->panes.count = 0;
    return error->condition == 0 ? OP_FINISHED : OP_FAILED;
}

static void state_end(const struct operator* operator, void * state) {
    struct state_aggregate_shared *shared = state;
    for (size_t i = 0; i < shared->panes.count; i++) {
        state_groups_free((const struct aggregate *)operator, shared->panes.items[i]);
    }
    VECTOR_FREE(&shared->panes);
    state_groups_end(operator, & shared->groups);
}

/* ---- one state partition ---- */

/* Rows that one worker brought, and the touched groups that they go to. */
struct portion {
    const struct brought_groups *brought;
    uint32_t *groups; /* rows of `brought` without the pane */
    uint32_t *numbers;
    size_t count;
};

/* The groups of a partition that this batch touched, some thousand at a time, so that their states and images stay in
 * the cache: `entries` are numbered by their marks until they are saved. */
struct touched {
    struct state_table *table;
    struct arena arena; /* of the groups at hand */
    VECTOR(uint32_t) entries;
    VECTOR(struct portion) portions;
    struct aggregate_table states; /* one group per entry */
    struct groups late;
    VECTOR(uint32_t) updated; /* all entries of the batch, in order */
    int64_t updated_count, late_count;
};

static int64_t time_of_key(const struct state_aggregate *operator, struct bytes key, bool *null) {
    size_t count = operator->groups.base.key_count;
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

static uint32_t number_entry(struct touched *touched, uint32_t entry, bool notes) {
    struct state_entry *kept = &touched->table->entries[entry];
    if (kept->mark == 0) {
        VECTOR_PUSH(&touched->entries, entry);
        kept->mark = (uint32_t)touched->entries.count;
        if (!kept->changed) { /* for the first time in this batch */
            touched->updated_count++;
            if (notes) {
                VECTOR_PUSH(&touched->updated, entry);
            }
        }
    }
    return kept->mark - 1;
}

static struct column **take_keys(const struct state_aggregate *operator, struct arena * arena,
    const struct brought_groups *brought, const uint32_t *rows, size_t count) {
    size_t key_count = operator->groups.base.key_count;
    struct column **keys = ARENA_ARRAY(arena, struct column *, key_count + 1);
    for (size_t i = 0; i < key_count; i++) {
        keys[i] = column_take(arena, brought->columns[i], rows, count);
    }
    return keys;
}

/* Counts late rows by distinct groups of all workers and leaves them out; the rows that are left. */
static size_t drop_late(const struct state_aggregate *operator, struct touched * touched,
    const struct brought_groups *brought, const uint32_t *rows, const bool *late, size_t count, uint32_t *left) {
    size_t key_count = operator->groups.base.key_count, left_count = 0, late_count = 0;
    struct arena arena = {0};
    uint32_t *dropped = arena_allocate(&arena, (count + 1) * sizeof *dropped),
             *ids = arena_allocate(&arena, (count + 1) * sizeof *ids),
             *fresh = arena_allocate(&arena, (count + 1) * sizeof *fresh);
    for (size_t i = 0; i < count; i++) {
        left[left_count] = dropped[late_count] = rows[i];
        left_count += !late[i];
        late_count += late[i];
    }
    struct column **keys = take_keys(operator, & arena, brought, dropped, late_count);
    touched->late_count += (int64_t)groups_add(&touched->late, &arena, keys, key_count, late_count, ids, fresh);
    arena_destroy(&arena);
    return left_count;
}

/* Finds the entries of rows that one worker brought, and numbers them. */
static void number_rows(const struct state_aggregate *operator, struct touched * touched,
    const struct brought_groups *brought, const uint32_t *rows, size_t count) {
    struct arena *arena = &touched->arena;
    struct row_images images;
    uint32_t *numbers = arena_allocate(arena, (count + 1) * sizeof *numbers),
             *left = arena_allocate(arena, (count + 1) * sizeof *left);
    bool *late = arena_allocate(arena, count + 1), any_late = false;
    size_t key_count = operator->groups.base.key_count;
    int64_t watermark_ms = operator->groups.mode == EXEC_COMPLETE ? INT64_MIN / 1000 :
                                                                  operator->groups.state->late_watermark_ms;
    row_images_encode(arena, take_keys(operator, arena, brought, rows, count), key_count, count, &images);
    for (size_t i = 0; i < count && operator->time_key != SIZE_MAX; i++) {
        late[i] = is_passed(operator, row_images_at(&images, i), watermark_ms);
        any_late = any_late || late[i];
    }
    if (any_late) {
        count = drop_late(operator, touched, brought, rows, late, count, left);
        rows = left;
        row_images_encode(arena, take_keys(operator, arena, brought, rows, count), key_count, count, &images);
    }
    state_table_add_all(touched->table, &images, numbers);
    for (size_t i = 0; i < count; i++) {
        numbers[i] = number_entry(touched, numbers[i], operator->groups.mode == EXEC_UPDATE);
    }
    uint32_t *groups = arena_allocate(arena, (count + 1) * sizeof *groups);
    uint32_t group_count = (uint32_t)brought->table.group_count;
    for (size_t i = 0; i < count; i++) {
        groups[i] = brought->row_count == group_count ? rows[i] : rows[i] % group_count;
    }
    VECTOR_PUSH(&touched->portions, ((struct portion){brought, groups, numbers, count}));
}

/* Adds buffers from the state to groups of a table. */
static bool merge_values(struct op_run *run, struct aggregate_table *states, const struct bytes *values, size_t count,
    const uint32_t *groups, struct arena *arena) {
    const struct state_aggregate *operator=(const struct state_aggregate *) run->operator;
    struct column **columns = ARENA_ARRAY(arena, struct column *, operator->groups.value_type->field_count + 1);
    if (count == 0) {
        return true;
    }
    if (!row_images_decode(arena, operator->groups.value_type, values, count, columns)) {
        return raise_internal_error(run->error, "a value of the state is no row of the aggregation");
    }
    for (size_t i = 0, at = 0; i < operator->groups.base.call_count; i++) {
        const struct aggregate_slot *slot = &operator->groups.base.calls[i];
        struct type_field fields[BUFFER_FIELDS_MAX];
        struct column *saved = aggregate_buffer_to_saved(operator->groups.buffers[i], slot, arena, columns + at, count);
        if (saved == NULL) {
            return raise_internal_error(run->error, "a value of the state is no row of the aggregation");
        }
        at += aggregate_buffer_fields(operator->groups.buffers[i], slot, arena, fields);
        struct evaluation evaluation = state_groups_evaluation(run, slot, arena, count);
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

static void merge_portion(struct op_run *run, struct touched *touched, const struct portion *portion) {
    const struct state_aggregate *operator=(const struct state_aggregate *) run->operator;
    struct arena arena = {0};
    for (size_t i = 0; i < operator->groups.base.call_count && portion->count> 0; i++) {
        const struct aggregate_slot *slot = &operator->groups.base.calls[i];
        struct evaluation evaluation = state_groups_evaluation(run, slot, &arena, portion->count);
        struct aggregate_run aggregate_run = aggregate_table_run(slot, &touched->states, i, &evaluation);
        const struct column *saved = portion->brought->columns[operator->groups.base.key_count + i];
        slot->entry->merge(
            &aggregate_run, column_take(&arena, saved, portion->groups, portion->count), portion->numbers);
    }
    arena_destroy(&arena);
}

/* Writes the touched groups' states into the table. */
static bool save_touched(struct op_run *run, struct touched *touched) {
    const struct state_aggregate *operator=(const struct state_aggregate *) run->operator;
    struct arena arena = {0};
    struct column **columns = ARENA_ARRAY(&arena, struct column *, operator->groups.value_type->field_count + 1);
    size_t count = touched->entries.count, at = 0;
    bool good = true;
    for (size_t i = 0; i < operator->groups.base.call_count && good; i++) {
        const struct aggregate_slot *slot = &operator->groups.base.calls[i];
        struct type_field fields[BUFFER_FIELDS_MAX];
        struct evaluation evaluation = state_groups_evaluation(run, slot, &arena, count);
        struct aggregate_run aggregate_run = aggregate_table_run(slot, &touched->states, i, &evaluation);
        struct column *saved = aggregate_buffer_takes_results(operator->groups.buffers[i])
                                   ? slot->entry->finish(&aggregate_run)
                                   : slot->entry->save(&aggregate_run);
        if (!aggregate_buffer_from_saved(operator->groups.buffers[i], slot, &arena, saved, columns + at)) {
            good = raise_arithmetic_overflow(run->error, "long overflow",
                " Use 'try_sum' to tolerate overflow and return NULL instead.", "\"spark.sql.ansi.enabled\"");
        }
        at += aggregate_buffer_fields(operator->groups.buffers[i], slot, &arena, fields);
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
    struct batch *results = batch_create(operator->groups.base.base.schema);
    results->row_count = count;
    if (!row_images_decode(&results->arena, operator->groups.key_type, keys, count, results->columns)) {
        raise_internal_error(run->error, "a key of the state is no row of the groupings");
        batch_release(results);
        return NULL;
    }
    for (size_t i = 0; i < operator->groups.base.call_count; i++) {
        const struct aggregate_slot *slot = &operator->groups.base.calls[i];
        struct evaluation evaluation = state_groups_evaluation(run, slot, &results->arena, count);
        struct aggregate_run aggregate_run = aggregate_table_run(slot, states, i, &evaluation);
        struct column *column = slot->entry->finish(&aggregate_run);
        if (evaluation.failed) {
            batch_release(results);
            return NULL;
        }
        results->columns[operator->groups.base.key_count + i] = column_copy(&results->arena, column);
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
    aggregate_table_init(&operator->groups.base, &states);
    aggregate_table_set_group_count(&operator->groups.base, &states, count);
    struct batch *results =
        merge_values(run, &states, values, count, groups, &arena) ? make_results(run, &states, keys, count) : NULL;
    aggregate_table_free(&operator->groups.base, &states);
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
            (operator->groups.mode == EXEC_COMPLETE ||
                is_passed(operator, state_entry_key(entry), operator->groups.state->eviction_watermark_ms))) {
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
    *results = operator->groups.mode == EXEC_UPDATE
                   ? results_of(run, touched->table, touched->updated.items, touched->updated.count)
                   : NULL;
    bool good = operator->groups.mode != EXEC_UPDATE || * results != NULL;
    if (operator->groups.mode != EXEC_UPDATE || operator->time_key != SIZE_MAX) {
        uint32_t *entries = list_entries(operator, touched->table, &arena, &count);
        if (operator->groups.mode != EXEC_UPDATE) {
            *results = results_of(run, touched->table, entries, count);
            good = *results != NULL;
        }
        for (size_t i = 0; i < count && good && operator->groups.mode != EXEC_COMPLETE; i++) {
            state_table_remove(touched->table, entries[i]);
        }
        if (operator->groups.mode != EXEC_COMPLETE) {
            __atomic_fetch_add(&operator->groups.state->rows_removed, (int64_t)count, __ATOMIC_RELAXED);
        }
    }
    arena_destroy(&arena);
    __atomic_fetch_add(&operator->groups.state->removals_ns, world_monotonic_ns(world) - start, __ATOMIC_RELAXED);
    return good;
}

/* Merges what was brought for the entries at hand into the state; then there are none. */
static bool flush_touched(struct op_run *run, struct touched *touched) {
    const struct state_aggregate *operator=(const struct state_aggregate *) run->operator;
    if (touched->entries.count == 0) {
        touched->portions.count = 0;
        return true;
    }
    aggregate_table_init(&operator->groups.base, &touched->states);
    aggregate_table_set_group_count(&operator->groups.base, &touched->states, touched->entries.count);
    bool good = merge_old(run, touched);
    for (size_t i = 0; i < touched->portions.count && good; i++) {
        merge_portion(run, touched, &touched->portions.items[i]);
    }
    good = good && run->error->condition == 0 && save_touched(run, touched);
    aggregate_table_free(&operator->groups.base, &touched->states);
    touched->entries.count = touched->portions.count = 0;
    arena_reset(&touched->arena);
    return good;
}

static void touched_free(struct touched *touched) {
    for (size_t i = 0; i < touched->entries.count; i++) {
        touched->table->entries[touched->entries.items[i]].mark = 0;
    }
    groups_free(&touched->late);
    VECTOR_FREE(&touched->entries);
    VECTOR_FREE(&touched->portions);
    VECTOR_FREE(&touched->updated);
    arena_destroy(&touched->arena);
}

static bool bring_all(struct op_run *run, struct touched *touched) {
    enum { ROWS_AT_ONCE = 4096 };
    const struct state_aggregate *operator=(const struct state_aggregate *) run->operator;
    const struct state_groups_shared *shared = run->shared;
    size_t partition = run->source_partition;
    bool good = true;
    for (size_t b = 0; b < shared->brought.count && good; b++) {
        const struct brought_groups *brought = shared->brought.items[b];
        size_t end = brought->starts[partition + 1];
        for (size_t from = brought->starts[partition]; from < end && good; from += ROWS_AT_ONCE) {
            size_t count = end - from < ROWS_AT_ONCE ? end - from : ROWS_AT_ONCE;
            number_rows(operator, touched, brought, brought->rows + from, count);
            good = touched->entries.count < ROWS_AT_ONCE || flush_touched(run, touched);
        }
    }
    if (operator->groups.base.key_count == 0 && touched->updated_count == 0) {
        /* the only group is there without rows, too */
        struct row_images none;
        row_images_encode(&touched->arena, NULL, 0, 1, &none);
        number_entry(
            touched, state_table_add(touched->table, row_images_at(&none, 0)), operator->groups.mode == EXEC_UPDATE);
    }
    return good && flush_touched(run, touched);
}

static bool work_on_partition(struct op_run *run, struct batch **results) {
    const struct state_aggregate *operator=(const struct state_aggregate *) run->operator;
    struct exec_state *state = operator->groups.state;
    struct world *world = exec_run_world(run->exec);
    int64_t start = world_monotonic_ns(world);
    struct touched touched = {.table = &state->stores[0].tables[run->source_partition]};
    groups_init(&touched.late, operator->groups.base.key_types, operator->groups.base.key_count);
    bool good = bring_all(run, &touched);
    __atomic_fetch_add(&state->rows_dropped, touched.late_count, __ATOMIC_RELAXED);
    __atomic_fetch_add(&state->rows_updated, touched.updated_count, __ATOMIC_RELAXED);
    __atomic_fetch_add(&state->updates_ns, world_monotonic_ns(world) - start, __ATOMIC_RELAXED);
    good = good && put_out(run, &touched, results);
    touched_free(&touched);
    return good;
}

/* ---- as a sink, and as a source ---- */

static void state_explain(const struct operator* operator, struct buffer * out) {
    const struct state_aggregate *aggregate = (const struct state_aggregate *)operator;
    static const char *const modes[] = {"append", "update", "complete"};
    buffer_printf(out, "(keys=%zu, functions=[", aggregate->groups.base.key_count);
    for (size_t i = 0; i < aggregate->groups.base.call_count; i++) {
        buffer_printf(out, "%s%s", i > 0 ? ", " : "", aggregate->groups.base.calls[i].entry->name);
    }
    buffer_printf(
        out, "], mode=%s, partitions=%zu)", modes[aggregate->groups.mode], aggregate->groups.state->partition_count);
}

static const struct operator_class op_state_aggregate_class = {
    .name = "StateStoreSave",
    .shared_size = sizeof(struct state_aggregate_shared),
    .local_size = sizeof(struct state_groups_local),
    .begin = state_groups_begin,
    .end = state_end,
    .local_end = state_groups_local_end,
    .step = state_groups_step,
    .combine = state_combine,
    .finish = state_finish,
    .partition_count = state_groups_partition_count,
    .begin_partition = state_groups_begin_partition,
    .read = state_groups_read,
    .explain = state_explain,
};

/* ---- creation ---- */

struct operator*
    op_state_aggregate_create(struct compile *compile, const struct relation *relation, const struct relation **input) {
    const struct relation_aggregate *node = relation_aggregate_of(relation);
    struct arena *arena = compile->arena;
    struct state_aggregate *aggregate = ARENA_NEW(arena, struct state_aggregate);
    size_t value_count = 0;
    if (!aggregate_prepare(compile, &aggregate->groups.base, node)) {
        return NULL;
    }
    struct type_field *values =
        ARENA_ARRAY(arena, struct type_field, aggregate->groups.base.call_count * BUFFER_FIELDS_MAX + 1);
    if (!state_groups_find_buffers(compile, &aggregate->groups, values, &value_count)) {
        return NULL;
    }
    aggregate->groups.value_type = type_struct(arena, values, value_count);
    aggregate->groups.work = work_on_partition;
    aggregate->panes = window_panes_find(arena, &aggregate->groups.base, node);
    aggregate->groups.brings_early = true;
    for (size_t i = 0; i < aggregate->groups.base.call_count; i++) {
        aggregate->groups.brings_early =
            aggregate->groups.brings_early && window_panes_is_exact(&aggregate->groups.base.calls[i]);
    }
    *input = aggregate->panes.input;
    struct type_field *fields = ARENA_ARRAY(arena, struct type_field, node->groupings.count + 1);
    aggregate->time_key = SIZE_MAX;
    for (size_t i = 0; i < node->groupings.count; i++) {
        const struct attribute *attribute = &relation->output[i];
        int64_t delay;
        fields[i] = state_groups_key_field(relation, i);
        if (aggregate->time_key == SIZE_MAX && attribute_event_time(attribute, &delay)) {
            aggregate->time_key = i;
            aggregate->time_window = attribute->type->kind == TYPE_STRUCT;
        }
    }
    aggregate->groups.key_type = type_struct(arena, fields, node->groupings.count);
    aggregate->groups.mode = compile->query->mode;
    aggregate->groups.state = query_add_state(compile->query, "stateStoreSave");
    query_add_store(compile->query, aggregate->groups.state, "default", aggregate->groups.key_type,
        aggregate->groups.value_type, 0);
    aggregate->groups.state->used_partitions =
        node->groupings.count == 0 ? 1 : aggregate->groups.state->partition_count;
    aggregate->groups.state->has_event_time = aggregate->time_key != SIZE_MAX;
    aggregate->groups.state->time_key = aggregate->time_key;
    aggregate->groups.state->key_count = aggregate->groups.base.key_count;
    aggregate->groups.state->time_is_window = aggregate->time_key != SIZE_MAX && aggregate->time_window;
    aggregate->groups.state->runs_without_data = aggregate->groups.mode != EXEC_COMPLETE;
    operator_keeps_state(&aggregate->groups.base.base, aggregate->groups.state);
    return operator_init(compile, &aggregate->groups.base.base, &op_state_aggregate_class, relation);
}
