/* state_input.c: see state_input.h. */
#include "exec/state_input.h"

#include <stdlib.h>
#include "sql/sql.h"

void state_input_begin(struct state_input *input) {
    world_mutex_init(&input->lock);
    input->begun = true;
}

void state_input_end(struct state_input *input) {
    for (size_t i = 0; i < input->items.count; i++) {
        batch_release(input->items.items[i]->batch);
        arena_destroy(&input->items.items[i]->arena);
        free(input->items.items[i]);
    }
    VECTOR_FREE(&input->items);
    if (input->begun) {
        world_mutex_destroy(&input->lock);
        input->begun = false;
    }
}

void state_input_add(struct state_input *input, struct op_run *run, struct batch *batch, struct arena *arena,
    struct column **keys, size_t key_count, const uint32_t *rows, size_t row_count, size_t partition_count) {
    struct state_rows *item = calloc(1, sizeof *item);
    ASSERT(item != NULL);
    *item = (struct state_rows){.batch = batch_retain(batch),
        .arena = *arena,
        .keys = keys,
        .partition = run->partition,
        .sequence = (size_t)run->first_row};
    *arena = (struct arena){0};
    int32_t *hashes = ARENA_ARRAY(&item->arena, int32_t, batch->row_count + 1);
    size_t *next = ARENA_ARRAY(&item->arena, size_t, partition_count + 1);
    item->starts = ARENA_ARRAY(&item->arena, size_t, partition_count + 1);
    item->rows = ARENA_ARRAY(&item->arena, uint32_t, row_count + 1);
    state_hash_rows(keys, key_count, batch->row_count, hashes);
    for (size_t i = 0; i < row_count; i++) {
        item->starts[state_partition(hashes[rows == NULL ? i : rows[i]], partition_count) + 1]++;
    }
    for (size_t p = 0; p < partition_count; p++) {
        item->starts[p + 1] += item->starts[p];
        next[p] = item->starts[p];
    }
    for (size_t i = 0; i < row_count; i++) {
        uint32_t row = rows == NULL ? (uint32_t)i : rows[i];
        item->rows[next[state_partition(hashes[row], partition_count)]++] = row;
    }
    world_mutex_lock(&input->lock);
    VECTOR_PUSH(&input->items, item);
    world_mutex_unlock(&input->lock);
}

static int compare_items(const void *left, const void *right) {
    const struct state_rows *a = *(struct state_rows *const *)left, *b = *(struct state_rows *const *)right;
    return a->partition != b->partition ? (a->partition > b->partition) - (a->partition < b->partition)
                                        : (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

void state_input_order(struct state_input *input) {
    if (input->items.count > 1) {
        qsort(input->items.items, input->items.count, sizeof *input->items.items, compare_items);
    }
}

static size_t rows_of(const struct state_rows *item, size_t partition) {
    return item->starts[partition + 1] - item->starts[partition];
}

/* One column of the rows of a partition in several items. */
static struct column *gather_column(struct arena *arena, const struct state_input *input, const size_t *items,
    size_t item_count, size_t partition, size_t index, bool key) {
    struct column **parts = ARENA_ARRAY(arena, struct column *, item_count);
    size_t *counts = ARENA_ARRAY(arena, size_t, item_count);
    for (size_t i = 0; i < item_count; i++) {
        const struct state_rows *item = input->items.items[items[i]];
        const struct column *column = key ? item->keys[index] : item->batch->columns[index];
        counts[i] = rows_of(item, partition);
        parts[i] = column_take(arena, column, item->rows + item->starts[partition], counts[i]);
    }
    return item_count == 1 ? parts[0] : column_concat(arena, parts, counts, item_count);
}

size_t state_input_gather(const struct state_input *input, size_t first, size_t partition, size_t key_count,
    struct arena *arena, struct batch **batch, struct column ***keys) {
    enum { ROWS_ENOUGH = 2048, ITEMS_MAX = 512 };
    size_t items[ITEMS_MAX], item_count = 0, row_count = 0, next = first;
    for (; next < input->items.count && row_count < ROWS_ENOUGH && item_count < ITEMS_MAX; next++) {
        size_t count = rows_of(input->items.items[next], partition);
        row_count += count;
        items[item_count] = next;
        item_count += count > 0;
    }
    *batch = NULL;
    if (item_count == 0) {
        return next;
    }
    struct batch *gathered = batch_create(input->items.items[items[0]]->batch->schema);
    gathered->row_count = row_count;
    for (size_t i = 0; i < item_count; i++) {
        batch_keep(gathered, input->items.items[items[i]]->batch);
    }
    for (size_t i = 0; i < gathered->column_count; i++) {
        gathered->columns[i] = gather_column(&gathered->arena, input, items, item_count, partition, i, false);
    }
    *keys = ARENA_ARRAY(arena, struct column *, key_count + 1);
    for (size_t i = 0; i < key_count; i++) {
        (*keys)[i] = gather_column(arena, input, items, item_count, partition, i, true);
    }
    *batch = gathered;
    return next;
}

size_t state_input_select(
    const struct column *times, bool window, size_t row_count, int64_t watermark_ms, uint32_t *rows) {
    const struct column *values = window ? times->children[1] : times;
    size_t count = 0;
    for (size_t row = 0; row < row_count; row++) {
        bool null = column_is_null(times, row) || column_is_null(values, times->constant ? 0 : row);
        rows[count] = (uint32_t)row;
        count += null || COLUMN_AT(values, int64_t, times->constant ? 0 : row) > watermark_ms * 1000;
    }
    return count;
}

enum op_result state_input_take(struct op_run *run, struct batch *in, struct exec_state *state,
    const size_t *key_columns, size_t key_count, size_t time_column, bool time_window) {
    struct arena arena = {0};
    uint32_t *rows = ARENA_ARRAY(&arena, uint32_t, in->row_count + 1);
    struct column **keys = ARENA_ARRAY(&arena, struct column *, key_count + 1);
    size_t count = in->row_count;
    bool watched = time_column != SIZE_MAX;
    if (watched) {
        count =
            state_input_select(in->columns[time_column], time_window, in->row_count, state->late_watermark_ms, rows);
        __atomic_fetch_add(&state->rows_dropped, (int64_t)(in->row_count - count), __ATOMIC_RELAXED);
    }
    for (size_t i = 0; i < key_count; i++) {
        keys[i] = in->columns[key_columns[i]];
    }
    bool good = exec_memory_add(run, (int64_t)batch_memory_size(in), run->error);
    state_input_add(
        run->shared, run, in, &arena, keys, key_count, watched ? rows : NULL, count, state->partition_count);
    return good ? OP_NEED_INPUT : OP_FAILED;
}

bool state_has_one_event_time(struct compile *compile, const struct relation *relation) {
    struct buffer names = {0};
    size_t count = 0;
    for (size_t i = 0; i < relation->output_count; i++) {
        const struct attribute *attribute = &relation->output[i];
        int64_t delay;
        bool known = false;
        for (size_t j = 0; j < i; j++) {
            known = known || relation->output[j].id == attribute->id;
        }
        if (!known && attribute_event_time(attribute, &delay)) {
            buffer_printf(&names, "%s%.*s#%lld-T%lldms", count > 0 ? "," : "", (int)attribute->name.size,
                (const char *)attribute->name.data, (long long)attribute->id, (long long)delay);
            count++;
        }
    }
    bool good = count < 2 || raise_multiple_event_time_columns(
                                 compile->error, arena_printf(compile->error->arena, "(%s)", buffer_text(&names)));
    buffer_free(&names);
    return good;
}

size_t state_event_time_column(const struct relation *relation, bool *window) {
    int64_t delay;
    for (size_t i = 0; i < relation->output_count; i++) {
        if (attribute_event_time(&relation->output[i], &delay)) {
            *window = relation->output[i].type->kind == TYPE_STRUCT;
            return i;
        }
    }
    return SIZE_MAX;
}
