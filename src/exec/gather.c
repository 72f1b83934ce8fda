/* gather.c: see gather.h. */
#include "exec/gather.h"

#include <stdlib.h>

void gather_add(struct gather *gather, struct batch *batch, size_t partition) {
    struct gathered item = {batch_retain(batch), partition, gather->items.count};
    VECTOR_PUSH(&gather->items, item);
    gather->row_count += batch->row_count;
    gather->memory_size += batch_memory_size(batch);
}

void gather_move(struct gather *into, struct gather *from) {
    for (size_t i = 0; i < from->items.count; i++) {
        VECTOR_PUSH(&into->items, from->items.items[i]);
    }
    into->row_count += from->row_count;
    into->memory_size += from->memory_size;
    VECTOR_FREE(&from->items);
    *from = (struct gather){0};
}

/* A partition is worked on by one worker, so its sequence numbers, from that worker's list, are in order. */
static int compare_items(const void *left, const void *right) {
    const struct gathered *a = left, *b = right;
    if (a->partition != b->partition) {
        return a->partition < b->partition ? -1 : 1;
    }
    return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

void gather_order(struct gather *gather) {
    if (gather->items.count > 1) {
        qsort(gather->items.items, gather->items.count, sizeof *gather->items.items, compare_items);
    }
}

struct batch *gather_concat(struct gather *gather, const struct type *schema) {
    struct batch *all = batch_create(schema);
    size_t count = gather->items.count;
    all->row_count = gather->row_count;
    struct column **parts = ARENA_ARRAY(&all->arena, struct column *, count);
    size_t *rows = ARENA_ARRAY(&all->arena, size_t, count);
    for (size_t i = 0; i < count; i++) {
        rows[i] = gather->items.items[i].batch->row_count;
        batch_keep(all, gather->items.items[i].batch);
    }
    for (size_t c = 0; c < all->column_count; c++) {
        for (size_t i = 0; i < count; i++) {
            parts[i] = gather->items.items[i].batch->columns[c];
        }
        all->columns[c] = count == 0 ? column_create(&all->arena, schema->fields[c].type, 0)
                                     : column_concat(&all->arena, parts, rows, count);
    }
    gather_free(gather);
    return all;
}

void gather_free(struct gather *gather) {
    for (size_t i = 0; i < gather->items.count; i++) {
        batch_release(gather->items.items[i].batch);
    }
    VECTOR_FREE(&gather->items);
    *gather = (struct gather){0};
}
