/* op_state_deduplicate.c: dropDuplicates and dropDuplicatesWithinWatermark of a stream. The keys that came are the
 * state; a row passes when its key is new. With an event time among the keys, keys leave when the watermark passes
 * their time; within the watermark, every key leaves when the watermark passes its first row's time and the delay. */
#include <stdlib.h>

#include "exec/query.h"
#include "exec/state_input.h"
#include "sql/sql.h"

struct deduplicate {
    struct operator base;
    struct exec_state *state;
    size_t *keys; /* columns of the input */
    size_t key_count;
    size_t time_column; /* of the input; SIZE_MAX: none */
    bool time_window;
    size_t time_key; /* the key with the event time; SIZE_MAX: none */
    bool within_watermark;
    int64_t delay_ms;
};

struct deduplicate_local {
    size_t next; /* input batch */
    bool begun;
    size_t sequence;
};

static enum op_result deduplicate_step(struct op_run *run, struct batch *in, struct batch **out) {
    const struct deduplicate *operator=(const struct deduplicate *) run->operator;
    return state_input_take(
        run, in, operator->state, operator->keys, operator->key_count, operator->time_column, operator->time_window);
}

/* The value of a new key: one null, or when it is to be forgotten. */
static void make_values(const struct deduplicate *operator, struct arena * arena, const struct column *times,
    size_t count, struct row_images *values) {
    struct column *column;
    if (operator->within_watermark) {
        column = column_create(arena, type_simple(TYPE_LONG), count);
        for (size_t i = 0; i < count; i++) {
            const struct column *ends = operator->time_window ? times->children[1] : times;
            COLUMN_VALUES(column, int64_t)
            [i] = (column_is_null(times, i) ? 0 : COLUMN_AT(ends, int64_t, i)) + operator->delay_ms * 1000;
        }
    } else {
        column = column_create_nulls(arena, type_simple(TYPE_NULL), count);
    }
    row_images_encode(arena, &column, 1, count, values);
}

/* The next rows of the partition, of which those are answered whose keys are new. */
static struct batch *take_new(struct op_run *run) {
    const struct deduplicate *operator=(const struct deduplicate *) run->operator;
    struct deduplicate_local *local = run->local;
    size_t partition = run->source_partition, fresh = 0;
    struct state_table *table = &operator->state->stores[0].tables[partition];
    struct arena arena = {0};
    struct batch *rows;
    struct column **keys;
    struct row_images images, values;
    local->next = state_input_gather(run->shared, local->next, partition, operator->key_count, &arena, &rows, &keys);
    if (rows == NULL) {
        return NULL;
    }
    size_t count = rows->row_count;
    uint32_t *taken = arena_allocate(&arena, (count + 1) * sizeof *taken);
    const struct column *times = operator->within_watermark ? rows->columns[operator->time_column] : NULL;
    row_images_encode(&arena, keys, operator->key_count, count, &images);
    make_values(operator, & arena, times, count, &values);
    uint32_t *entries = arena_allocate(&arena, (count + 1) * sizeof *entries);
    state_table_add_all(table, &images, entries);
    for (size_t i = 0; i < count; i++) {
        if (!table->entries[entries[i]].present) {
            state_table_put(table, entries[i], row_images_at(&values, i));
            taken[fresh++] = (uint32_t)i;
        }
    }
    __atomic_fetch_add(&operator->state->rows_updated, (int64_t)fresh, __ATOMIC_RELAXED);
    __atomic_fetch_add(&operator->state->rows_duplicate, (int64_t)(count - fresh), __ATOMIC_RELAXED);
    struct batch *out = fresh == 0 ? NULL : fresh == count ? batch_retain(rows) : batch_take(rows, taken, fresh);
    batch_release(rows);
    arena_destroy(&arena);
    return out;
}

static bool is_over(const struct deduplicate *operator, const struct state_entry * entry) {
    int64_t watermark_us = operator->state->eviction_watermark_ms * 1000;
    if (operator->within_watermark) {
        return row_image_word(state_entry_value(entry), 1, 0) <= watermark_us;
    }
    struct bytes key = state_entry_key(entry);
    if (row_image_is_null(key, operator->time_key)) {
        return false;
    }
    int64_t word = row_image_word(key, operator->key_count, operator->time_key);
    if (operator->time_window) {
        struct bytes window = bytes_slice(key, (size_t)((uint64_t)word >> 32), (size_t)(word & 0xffffffff));
        return !row_image_is_null(window, 1) && row_image_word(window, 2, 1) <= watermark_us;
    }
    return word <= watermark_us;
}

static void forget_old(struct op_run *run) {
    const struct deduplicate *operator=(const struct deduplicate *) run->operator;
    struct state_table *table = &operator->state->stores[0].tables[run->source_partition];
    int64_t removed = 0;
    for (size_t i = 0; i < table->entry_count && (operator->within_watermark || operator->time_key != SIZE_MAX); i++) {
        const struct state_entry *entry = &table->entries[i];
        if (entry->data != NULL && entry->present && is_over(operator, entry)) {
            state_table_remove(table, (uint32_t)i);
            removed++;
        }
    }
    __atomic_fetch_add(&operator->state->rows_removed, removed, __ATOMIC_RELAXED);
}

static enum op_result deduplicate_read(struct op_run *run, struct batch **out) {
    struct state_input *input = run->shared;
    struct deduplicate_local *local = run->local;
    while (local->next < input->items.count) {
        *out = take_new(run);
        if (*out != NULL) {
            return OP_HAVE_OUTPUT;
        }
    }
    forget_old(run);
    return OP_NEED_INPUT;
}

static bool deduplicate_begin(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    struct exec_state *kept = ((const struct deduplicate *)operator)->state;
    state_input_begin(state);
    kept->rows_updated = kept->rows_removed = kept->rows_dropped = kept->updates_ns = kept->removals_ns = 0;
    kept->rows_duplicate = 0;
    return true;
}

static void deduplicate_end(const struct operator* operator, void * state) {
    state_input_end(state);
}

static enum op_result deduplicate_finish(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    state_input_order(state);
    return OP_FINISHED;
}

static size_t deduplicate_partition_count(const struct operator* operator, void * state) {
    return ((const struct deduplicate *)operator)->state->used_partitions;
}

static bool deduplicate_begin_partition(struct op_run *run) {
    ((struct deduplicate_local *)run->local)->next = 0;
    return true;
}

static const struct operator_class op_deduplicate_class = {
    .name = "StreamingDeduplicate",
    .shared_size = sizeof(struct state_input),
    .local_size = sizeof(struct deduplicate_local),
    .begin = deduplicate_begin,
    .end = deduplicate_end,
    .step = deduplicate_step,
    .finish = deduplicate_finish,
    .partition_count = deduplicate_partition_count,
    .begin_partition = deduplicate_begin_partition,
    .read = deduplicate_read,
};

struct operator* op_state_deduplicate_create(struct compile *compile, const struct relation *relation) {
    const struct relation_deduplicate *node = relation_deduplicate_of(relation);
    struct arena *arena = compile->arena;
    struct deduplicate *operator= ARENA_NEW(arena, struct deduplicate);
    if (!state_has_one_event_time(compile, node->input)) {
        return NULL;
    }
    struct type_field *fields = ARENA_ARRAY(arena, struct type_field, node->keys.count + 1);
    operator->within_watermark = node->within_watermark;
    operator->key_count = node->keys.count;
    operator->keys = ARENA_ARRAY(arena, size_t, node->keys.count + 1);
    operator->time_column = state_event_time_column(node->input, &operator->time_window);
    operator->time_key = SIZE_MAX;
    if (operator->time_column != SIZE_MAX) {
        attribute_event_time(&node->input->output[operator->time_column], &operator->delay_ms);
    }
    for (size_t i = 0; i < node->keys.count; i++) {
        operator->keys[i] =(size_t) expression_column_of(node->keys.items[i])->ordinal;
        const struct attribute *attribute = &node->input->output[operator->keys[i]];
        fields[i] = (struct type_field){attribute->name, attribute->type, true, attribute->metadata};
        if (operator->keys[i] == operator->time_column) {
            operator->time_key = i;
        }
    }
    const struct type_field value =
        node->within_watermark ? (struct type_field){BYTES("expiresAtMicros"), type_simple(TYPE_LONG), true, BYTES_NULL}
                               : (struct type_field){BYTES("__dummy__"), type_simple(TYPE_NULL), true, BYTES_NULL};
    operator->state = query_add_state(compile->query, node->within_watermark ? "dedupeWithinWatermark" : "dedupe");
    query_add_store(compile->query, operator->state, "default", type_struct(arena, fields, node->keys.count),
        type_struct(arena, &value, 1), 0);
    operator->state->runs_without_data = true;
    operator_keeps_state(&operator->base, operator->state);
    return operator_init(compile, &operator->base, &op_deduplicate_class, relation);
}
