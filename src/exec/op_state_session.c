/* op_state_session.c: aggregation of a stream by session_window(). Every worker groups the batch's rows by the other
 * keys and the span of each row alone, from its time to its time and the gap; that is a session of its own. Then each
 * state partition is worked on alone: the sessions that the state has of the keys that came, and the new ones, are put
 * in the order of their starts, those that meet become one, and all sessions of these keys are written anew.
 *
 * The state is Spark's, version 1: from the keys without the session and its start to the keys, the session and the
 * buffers. A span is late when the watermark of the batch before has passed its end; a session leaves when this batch's
 * has. */
#include <stdlib.h>

#include "exec/session.h"
#include "exec/state_chains.h"
#include "exec/state_groups.h"
#include "sql/sql.h"

struct state_session {
    struct state_groups groups;
    size_t window; /* which key is the session */
    size_t width;  /* keys and calls */
};

/* ---- rows in ---- */

/* The keys without the session, of all rows. */
static struct column **other_keys(
    const struct state_session *operator, struct arena * arena, struct column *const *columns) {
    struct column **others = ARENA_ARRAY(arena, struct column *, operator->groups.base.key_count + 1);
    for (size_t i = 0, at = 0; i < operator->groups.base.key_count; i++) {
        if (i != operator->window) {
            others[at++] = columns[i];
        }
    }
    return others;
}

static bool session_combine(struct op_run *run) {
    const struct state_session *operator=(const struct state_session *) run->operator;
    struct brought_groups *brought = state_groups_take(run);
    if (brought != NULL) {
        state_groups_bring(run, brought,
            other_keys(operator, & brought->arena, brought->columns), operator->groups.base.key_count - 1);
    }
    return true;
}

/* ---- one state partition ---- */

struct work {
    struct op_run *run;
    const struct state_session *operator;
    struct state_table *table;
    struct state_chains *chains; /* the sessions of each key */
    struct arena arena;
    struct column **columns;  /* keys, then what the aggregates saved: of the state's sessions, then of the new spans */
    size_t old_count, count;  /* rows of the state, of both */
    uint32_t *old_entries;    /* of the first old_count rows */
    uint32_t *keys;           /* per row: the number of its other keys */
    struct state_table known; /* the other keys that came, with a start of 0; their numbers are its entries' */
    struct span *spans;
    struct session_list list;
};

static int64_t window_end(const struct state_session *operator, struct bytes value) {
    int64_t word = row_image_word(value, operator->groups.value_type->field_count, operator->window);
    struct bytes window = bytes_slice(value, (size_t)((uint64_t)word >> 32), (size_t)(word & 0xffffffff));
    return row_image_word(window, 2, 1);
}

/* The spans that are not late, of all workers: columns as in work. Returns how many. */
static size_t take_fresh(struct work *work, struct column **columns) {
    const struct state_session *operator= work->operator;
    const struct state_groups_shared *shared = work->run->shared;
    size_t partition = work->run->source_partition, part_count = 0, total = 0;
    int64_t late_us = operator->groups.state->late_watermark_ms * 1000, dropped = 0;
    struct column ***parts = ARENA_ARRAY(&work->arena, struct column **, operator->width);
    size_t *rows = ARENA_ARRAY(&work->arena, size_t, shared->brought.count + 1);
    for (size_t i = 0; i < operator->width; i++) {
        parts[i] = ARENA_ARRAY(&work->arena, struct column *, shared->brought.count + 1);
    }
    for (size_t b = 0; b < shared->brought.count; b++) {
        const struct brought_groups *brought = shared->brought.items[b];
        size_t all = brought->starts[partition + 1] - brought->starts[partition], count = 0;
        uint32_t *taken = ARENA_ARRAY(&work->arena, uint32_t, all + 1);
        const struct column *ends = brought->columns[operator->window]->children[1];
        for (size_t i = 0; i < all; i++) {
            taken[count] = brought->rows[brought->starts[partition] + i];
            bool late = operator->groups.state->has_event_time && COLUMN_AT(ends, int64_t, taken[count]) <= late_us;
            dropped += late;
            count += !late;
        }
        for (size_t i = 0; i < operator->width && count> 0; i++) {
            parts[i][part_count] = column_take(&work->arena, brought->columns[i], taken, count);
        }
        rows[part_count] = count;
        part_count += count > 0;
        total += count;
    }
    for (size_t i = 0; i < operator->width && total> 0; i++) {
        columns[i] = column_concat(&work->arena, parts[i], rows, part_count);
    }
    __atomic_fetch_add(&operator->groups.state->rows_dropped, dropped, __ATOMIC_RELAXED);
    return total;
}

/* Images of the state's keys with these starts (NULL: 0) for the rows of columns. */
static void encode_keys(
    struct work *work, struct column *const *columns, const int64_t *starts, size_t count, struct row_images *images) {
    size_t key_count = work->operator->groups.base.key_count;
    struct column **others = other_keys(work->operator, & work->arena, columns);
    struct column *start = column_create(&work->arena, type_simple(TYPE_TIMESTAMP), count);
    for (size_t i = 0; i < count; i++) {
        COLUMN_VALUES(start, int64_t)[i] = starts == NULL ? 0 : starts[i];
    }
    others[key_count - 1] = start;
    row_images_encode(&work->arena, others, key_count, count, images);
}

/* Entries of the state whose other keys came. */
static void find_old(struct work *work) {
    size_t capacity = 0;
    VECTOR(uint32_t) entries = {0};
    VECTOR(uint32_t) keys = {0};
    for (uint32_t number = 0; number < work->known.entry_count; number++) {
        uint32_t entry = state_chains_first(work->chains, state_entry_key(&work->known.entries[number]));
        for (; entry != STATE_CHAIN_END; entry = state_chains_next(work->chains, entry)) {
            VECTOR_PUSH(&entries, entry);
            VECTOR_PUSH(&keys, number);
        }
    }
    work->old_count = entries.count;
    capacity = entries.count + work->count;
    work->old_entries = ARENA_ARRAY(&work->arena, uint32_t, entries.count + 1);
    uint32_t *numbers = ARENA_ARRAY(&work->arena, uint32_t, capacity + 1);
    for (size_t i = 0; i < entries.count; i++) {
        work->old_entries[i] = entries.items[i];
        numbers[i] = keys.items[i];
    }
    memcpy(numbers + entries.count, work->keys, work->count * sizeof *numbers);
    work->keys = numbers;
    VECTOR_FREE(&entries);
    VECTOR_FREE(&keys);
}

/* Values of the state as columns: keys, then what the aggregates take. */
static bool read_values(
    struct op_run *run, struct arena *arena, const struct bytes *values, size_t count, struct column **columns) {
    const struct state_session *operator=(const struct state_session *) run->operator;
    size_t key_count = operator->groups.base.key_count, at = key_count;
    struct column **read = ARENA_ARRAY(arena, struct column *, operator->groups.value_type->field_count + 1);
    bool good = row_images_decode(arena, operator->groups.value_type, values, count, read);
    for (size_t i = 0; i < key_count && good; i++) {
        columns[i] = read[i];
    }
    for (size_t i = 0; i < operator->groups.base.call_count && good; i++) {
        const struct aggregate_slot *slot = &operator->groups.base.calls[i];
        struct type_field fields[BUFFER_FIELDS_MAX];
        columns[key_count + i] = aggregate_buffer_to_saved(operator->groups.buffers[i], slot, arena, read + at, count);
        good = columns[key_count + i] != NULL;
        at += aggregate_buffer_fields(operator->groups.buffers[i], slot, arena, fields);
    }
    return good || raise_internal_error(run->error, "a value of the state is no session of the aggregation");
}

/* The new spans and the state's sessions of their keys, in work->columns. */
static bool collect(struct work *work) {
    const struct state_session *operator= work->operator;
    struct column **fresh = ARENA_ARRAY(&work->arena, struct column *, operator->width);
    struct row_images images;
    work->count = take_fresh(work, fresh);
    work->columns = fresh;
    if (work->count == 0) {
        return true;
    }
    encode_keys(work, fresh, NULL, work->count, &images);
    work->keys = ARENA_ARRAY(&work->arena, uint32_t, work->count);
    for (size_t i = 0; i < work->count; i++) {
        work->keys[i] = state_table_add(&work->known, row_images_at(&images, i));
    }
    find_old(work);
    if (work->old_count == 0) {
        return true;
    }
    struct bytes *values = ARENA_ARRAY(&work->arena, struct bytes, work->old_count);
    struct column **old = ARENA_ARRAY(&work->arena, struct column *, operator->width);
    for (size_t i = 0; i < work->old_count; i++) {
        values[i] = state_entry_value(&work->table->entries[work->old_entries[i]]);
    }
    if (!read_values(work->run, &work->arena, values, work->old_count, old)) {
        return false;
    }
    size_t rows[2] = {work->old_count, work->count};
    for (size_t i = 0; i < operator->width; i++) {
        struct column *parts[2] = {old[i], fresh[i]};
        fresh[i] = column_concat(&work->arena, parts, rows, 2);
    }
    work->count += work->old_count;
    return true;
}

/* Merges the rows of each session, in the order of their starts, into `states`. */
static void merge_sessions(struct work *work, struct aggregate_table *states) {
    const struct state_session *operator= work->operator;
    const struct column *window = work->columns[operator->window];
    uint32_t *order = ARENA_ARRAY(&work->arena, uint32_t, work->count + 1),
             *numbers = ARENA_ARRAY(&work->arena, uint32_t, work->count + 1);
    work->spans = ARENA_ARRAY(&work->arena, struct span, work->count + 1);
    for (size_t i = 0; i < work->count; i++) {
        work->spans[i] = (struct span){work->keys[i], (uint32_t)i, COLUMN_AT(window->children[0], int64_t, i),
            COLUMN_AT(window->children[1], int64_t, i)};
    }
    sessions_find(&work->arena, work->spans, work->count, order, numbers, &work->list);
    aggregate_table_init(&operator->groups.base, states);
    aggregate_table_set_group_count(&operator->groups.base, states, work->list.count);
    for (size_t i = 0; i < operator->groups.base.call_count && work->count> 0; i++) {
        const struct aggregate_slot *slot = &operator->groups.base.calls[i];
        struct evaluation evaluation = state_groups_evaluation(work->run, slot, &work->arena, work->count);
        struct aggregate_run aggregate_run = aggregate_table_run(slot, states, i, &evaluation);
        struct column *saved =
            column_take(&work->arena, work->columns[operator->groups.base.key_count + i], order, work->count);
        slot->entry->merge(&aggregate_run, saved, numbers);
    }
}

/* The images of the sessions' values. */
static bool encode_values(struct work *work, struct aggregate_table *states, struct row_images *images) {
    const struct state_session *operator= work->operator;
    struct arena *arena = &work->arena;
    size_t count = work->list.count, key_count = operator->groups.base.key_count, at = key_count;
    struct column **columns = ARENA_ARRAY(arena, struct column *, operator->groups.value_type->field_count + 1);
    for (size_t i = 0; i < key_count; i++) {
        columns[i] = i == operator->window
                         ? sessions_column(arena, operator->groups.base.key_types[i], &work->list, NULL, count)
                         : column_take(arena, work->columns[i], work->list.rows, count);
    }
    for (size_t i = 0; i < operator->groups.base.call_count; i++) {
        const struct aggregate_slot *slot = &operator->groups.base.calls[i];
        struct type_field fields[BUFFER_FIELDS_MAX];
        struct evaluation evaluation = state_groups_evaluation(work->run, slot, arena, count);
        struct aggregate_run aggregate_run = aggregate_table_run(slot, states, i, &evaluation);
        struct column *saved = aggregate_buffer_takes_results(operator->groups.buffers[i])
                                   ? slot->entry->finish(&aggregate_run)
                                   : slot->entry->save(&aggregate_run);
        if (!aggregate_buffer_from_saved(operator->groups.buffers[i], slot, arena, saved, columns + at)) {
            return raise_arithmetic_overflow(work->run->error, "long overflow",
                " Use 'try_sum' to tolerate overflow and return NULL instead.", "\"spark.sql.ansi.enabled\"");
        }
        at += aggregate_buffer_fields(operator->groups.buffers[i], slot, arena, fields);
    }
    row_images_encode(arena, columns, at, count, images);
    return true;
}

static void remove_session(struct work *work, uint32_t entry) {
    state_chains_remove(work->chains, work->table, entry);
    state_table_remove(work->table, entry);
}

/* Writes all sessions of the keys that came; those that became part of another go. */
static bool save_sessions(struct work *work, struct aggregate_table *states) {
    struct exec_state *state = work->operator->groups.state;
    struct row_images keys, values;
    size_t count = work->list.count;
    int64_t removed = 0;
    struct column **columns = ARENA_ARRAY(&work->arena, struct column *, work->operator->groups.base.key_count);
    if (!encode_values(work, states, &values)) {
        return false;
    }
    for (size_t i = 0; i < work->operator->groups.base.key_count; i++) {
        columns[i] = column_take(&work->arena, work->columns[i], work->list.rows, count);
    }
    encode_keys(work, columns, work->list.starts, count, &keys);
    for (size_t i = 0; i < work->old_count; i++) {
        work->table->entries[work->old_entries[i]].mark = 1;
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t entry = state_table_add(work->table, row_images_at(&keys, i));
        bool fresh = !work->table->entries[entry].present;
        work->table->entries[entry].mark = 0;
        state_table_put(work->table, entry, row_images_at(&values, i));
        state_table_note_time(work->table, entry, window_end(work->operator, row_images_at(&values, i)));
        if (fresh) {
            state_chains_add(work->chains, work->table, entry);
        }
    }
    for (size_t i = 0; i < work->old_count; i++) {
        if (work->table->entries[work->old_entries[i]].mark == 1) {
            work->table->entries[work->old_entries[i]].mark = 0;
            remove_session(work, work->old_entries[i]);
            removed++;
        }
    }
    __atomic_fetch_add(&state->rows_updated, (int64_t)count, __ATOMIC_RELAXED);
    __atomic_fetch_add(&state->rows_removed, removed, __ATOMIC_RELAXED);
    return true;
}

/* ---- rows out ---- */

/* The rows of these values of the state. */
static struct batch *results_of(struct op_run *run, const struct bytes *values, size_t count) {
    const struct state_session *operator=(const struct state_session *) run->operator;
    struct batch *results = batch_create(operator->groups.base.base.schema);
    struct aggregate_table states = {0};
    size_t key_count = operator->groups.base.key_count;
    struct column **columns = ARENA_ARRAY(&results->arena, struct column *, operator->width);
    uint32_t *groups = ARENA_ARRAY(&results->arena, uint32_t, count + 1);
    bool good = read_values(run, &results->arena, values, count, columns);
    results->row_count = count;
    aggregate_table_init(&operator->groups.base, &states);
    aggregate_table_set_group_count(&operator->groups.base, &states, count);
    for (size_t i = 0; i < count; i++) {
        groups[i] = (uint32_t)i;
    }
    for (size_t i = 0; i < key_count && good; i++) {
        results->columns[i] = columns[i];
    }
    for (size_t i = 0; i < operator->groups.base.call_count && good; i++) {
        const struct aggregate_slot *slot = &operator->groups.base.calls[i];
        struct evaluation evaluation = state_groups_evaluation(run, slot, &results->arena, count);
        struct aggregate_run aggregate_run = aggregate_table_run(slot, &states, i, &evaluation);
        slot->entry->merge(&aggregate_run, columns[key_count + i], groups);
        struct column *column = slot->entry->finish(&aggregate_run);
        good = !evaluation.failed;
        results->columns[key_count + i] = good ? column_copy(&results->arena, column) : NULL;
    }
    aggregate_table_free(&operator->groups.base, &states);
    if (!good) {
        batch_release(results);
    }
    return good ? results : NULL;
}

/* Entries whose sessions end at passed_us or before. Only chunks of the table that may have such are looked at. */
static uint32_t *list_passed(struct work *work, int64_t passed_us, size_t *count) {
    struct state_table *table = work->table;
    VECTOR(uint32_t) found = {0};
    for (size_t from = 0; from < table->entry_count; from += STATE_CHUNK) {
        size_t end = table->entry_count - from < STATE_CHUNK ? table->entry_count : from + STATE_CHUNK;
        int64_t low = INT64_MAX;
        if (state_table_low(table, from / STATE_CHUNK) > passed_us) {
            continue;
        }
        for (size_t i = from; i < end; i++) {
            const struct state_entry *entry = &table->entries[i];
            if (entry->data != NULL && entry->present) {
                int64_t time = window_end(work->operator, state_entry_value(entry));
                if (time <= passed_us) {
                    VECTOR_PUSH(&found, (uint32_t)i);
                } else {
                    low = time < low ? time : low;
                }
            }
        }
        state_table_set_low(table, from / STATE_CHUNK, low);
    }
    *count = found.count;
    return found.items;
}

/* Sessions that the watermark has passed leave; complete mode puts out all. */
static bool put_out(struct work *work, struct batch **results) {
    const struct state_session *operator= work->operator;
    const struct exec_state *state = operator->groups.state;
    bool complete = operator->groups.mode == EXEC_COMPLETE;
    int64_t passed_us = complete ? INT64_MAX : state->has_event_time ? state->eviction_watermark_ms * 1000 : INT64_MIN;
    size_t count = 0;
    uint32_t *entries = passed_us == INT64_MIN ? NULL : list_passed(work, passed_us, &count);
    struct bytes *values = ARENA_ARRAY(&work->arena, struct bytes, count + 1);
    for (size_t i = 0; i < count; i++) {
        values[i] = state_entry_value(&work->table->entries[entries[i]]);
    }
    *results = count == 0 ? NULL : results_of(work->run, values, count);
    bool good = count == 0 || *results != NULL;
    for (size_t i = 0; i < count && good && !complete; i++) {
        remove_session(work, entries[i]);
    }
    if (good && !complete) {
        __atomic_fetch_add(&operator->groups.state->rows_removed, (int64_t)count, __ATOMIC_RELAXED);
    }
    free(entries);
    return good;
}

/* The chains of the partition, made now when its table was read. */
static struct state_chains *chains_of(const struct state_session *operator, size_t partition) {
    struct exec_state *state = operator->groups.state;
    size_t key_count = operator->groups.base.key_count, word_at = (key_count + 63) / 64 * 8 + (key_count - 1) * 8;
    struct state_chains **chains = &state->parts[partition].chains;
    if (*chains == NULL) {
        *chains = state_chains_create(&state->stores[0].tables[partition], word_at);
    }
    return *chains;
}

static bool work_on_partition(struct op_run *run, struct batch **results) {
    struct world *world = exec_run_world(run->exec);
    const struct state_session *operator=(const struct state_session *) run->operator;
    struct work work = {
        .run = run, .operator= operator, .table = & operator->groups.state->stores[0].tables[run->source_partition] };
    struct aggregate_table states = {0};
    int64_t start = world_monotonic_ns(world);
    work.chains = chains_of(operator, run->source_partition);
    state_table_init(&work.known);
    bool good = collect(&work);
    if (good && work.count > 0) {
        merge_sessions(&work, &states);
        good = run->error->condition == 0 && save_sessions(&work, &states);
        aggregate_table_free(&operator->groups.base, &states);
    }
    int64_t updated = world_monotonic_ns(world);
    good = good && put_out(&work, results);
    __atomic_fetch_add(&operator->groups.state->updates_ns, updated - start, __ATOMIC_RELAXED);
    __atomic_fetch_add(&operator->groups.state->removals_ns, world_monotonic_ns(world) - updated, __ATOMIC_RELAXED);
    state_chains_end_batch(work.chains);
    state_table_free(&work.known);
    arena_destroy(&work.arena);
    return good;
}

/* ---- as a sink, and as a source ---- */

static const struct operator_class op_state_session_class = {
    .name = "SessionWindowStateStoreSave",
    .shared_size = sizeof(struct state_groups_shared),
    .local_size = sizeof(struct state_groups_local),
    .begin = state_groups_begin,
    .end = state_groups_end,
    .local_end = state_groups_local_end,
    .step = state_groups_step,
    .combine = session_combine,
    .partition_count = state_groups_partition_count,
    .begin_partition = state_groups_begin_partition,
    .read = state_groups_read,
};

/* ---- creation ---- */

static bool make_types(struct compile *compile, struct state_session *session, const struct relation *relation) {
    struct arena *arena = compile->arena;
    size_t key_count = session->groups.base.key_count, count = key_count, others = 0;
    struct type_field *keys = ARENA_ARRAY(arena, struct type_field, key_count);
    struct type_field *values =
        ARENA_ARRAY(arena, struct type_field, key_count + session->groups.base.call_count * BUFFER_FIELDS_MAX);
    for (size_t i = 0; i < key_count; i++) {
        values[i] = state_groups_key_field(relation, i);
        if (i != session->window) {
            keys[others++] = values[i];
        }
    }
    keys[others] = (struct type_field){BYTES("sessionStartTime"), type_simple(TYPE_TIMESTAMP), true, BYTES_NULL};
    if (!state_groups_find_buffers(compile, &session->groups, values, &count)) {
        return false;
    }
    session->groups.key_type = type_struct(arena, keys, key_count);
    session->groups.value_type = type_struct(arena, values, count);
    return true;
}

struct operator* op_state_session_create(struct compile *compile, const struct relation *relation) {
    const struct relation_aggregate *node = relation_aggregate_of(relation);
    struct state_session *session = ARENA_NEW(compile->arena, struct state_session);
    int64_t delay;
    session->window = session_key(relation);
    session->groups.mode = compile->query->mode;
    session->groups.work = work_on_partition;
    if (node->groupings.count < 2) {
        raise__legacy_error_temp_3102(
            compile->error, "Global aggregation with session window in streaming query is not supported.");
        return NULL;
    }
    if (!aggregate_prepare(compile, &session->groups.base, node) || !make_types(compile, session, relation)) {
        return NULL;
    }
    session->width = session->groups.base.key_count + session->groups.base.call_count;
    session->groups.state = query_add_state(compile->query, "sessionWindowStateStoreSaveExec");
    query_add_store(compile->query, session->groups.state, "default", session->groups.key_type,
        session->groups.value_type, (int)session->groups.base.key_count - 1);
    session->groups.state->has_event_time = attribute_event_time(&relation->output[session->window], &delay);
    session->groups.state->hides_instances = session->groups.mode == EXEC_COMPLETE;
    session->groups.state->runs_without_data = session->groups.mode != EXEC_COMPLETE;
    operator_keeps_state(&session->groups.base.base, session->groups.state);
    return operator_init(compile, &session->groups.base.base, &op_state_session_class, relation);
}
