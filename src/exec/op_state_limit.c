/* op_state_limit.c: LIMIT of a stream: so many rows in all batches together. The state is one row, how many have come
 * out, in the first partition; its key is one null. As in Spark a partition of the input brings at most as many rows as
 * are wanted, and they are taken in the order of the input's partitions. */
#include "exec/gather.h"
#include "exec/query.h"
#include "exec/state.h"

struct state_limit {
    struct operator base;
    struct exec_state *state;
    int64_t count;
};

struct state_limit_shared {
    struct world_mutex lock;
    bool begun;
    struct gather gather;
};

struct state_limit_local {
    struct gather gather;
    int64_t partition_rows;
    size_t next;
    int64_t before, given; /* reading: rows of earlier batches, and of this one */
};

static bool limit_begin(const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    struct state_limit_shared *shared = state;
    struct exec_state *kept = ((const struct state_limit *)operator)->state;
    world_mutex_init(&shared->lock);
    shared->begun = true;
    kept->rows_updated = kept->rows_removed = kept->rows_dropped = kept->updates_ns = kept->removals_ns = 0;
    return true;
}

static enum op_result limit_step(struct op_run *run, struct batch *in, struct batch **out) {
    const struct state_limit *limit = (const struct state_limit *)run->operator;
    struct state_limit_local *local = run->local;
    local->partition_rows = run->first_row == 0 ? 0 : local->partition_rows;
    if (local->partition_rows >= limit->count) { /* the source is read on: its rows count as read */
        return OP_NEED_INPUT;
    }
    gather_add(&local->gather, in, run->partition);
    local->partition_rows += (int64_t)in->row_count;
    return exec_memory_add(run, (int64_t)batch_memory_size(in), run->error) ? OP_NEED_INPUT : OP_FAILED;
}

static bool limit_combine(struct op_run *run) {
    struct state_limit_shared *shared = run->shared;
    world_mutex_lock(&shared->lock);
    gather_move(&shared->gather, &((struct state_limit_local *)run->local)->gather);
    world_mutex_unlock(&shared->lock);
    return true;
}

static enum op_result limit_finish(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    gather_order(&((struct state_limit_shared *)state)->gather);
    return OP_FINISHED;
}

static size_t limit_partition_count(const struct operator* operator, void * state) {
    return 1;
}

static struct bytes null_key(uint8_t image[16]) {
    memset(image, 0, 16);
    image[0] = 1;
    return bytes_make(image, 16);
}

static bool limit_begin_partition(struct op_run *run) {
    struct state_limit_local *local = run->local;
    const struct state_table *table = &((const struct state_limit *)run->operator)->state->stores[0].tables[0];
    uint8_t key[16];
    uint32_t entry = state_table_find(table, null_key(key));
    bool known = entry != UINT32_MAX && table->entries[entry].present;
    local->before = known ? row_image_word(state_entry_value(&table->entries[entry]), 1, 0) : 0;
    local->given = 0;
    local->next = 0;
    return true;
}

static void note_given(const struct state_limit *limit, const struct state_limit_local *local) {
    struct state_table *table = &limit->state->stores[0].tables[0];
    uint8_t key[16], value[16] = {0};
    if (local->given > 0) {
        store_le64(value + 8, (uint64_t)(local->before + local->given));
        state_table_put(table, state_table_add(table, null_key(key)), bytes_make(value, sizeof value));
        limit->state->rows_updated = 1;
    }
}

static enum op_result limit_read(struct op_run *run, struct batch **out) {
    const struct state_limit *limit = (const struct state_limit *)run->operator;
    const struct state_limit_shared *shared = run->shared;
    struct state_limit_local *local = run->local;
    int64_t rest = limit->count - local->before - local->given;
    while (rest > 0 && local->next < shared->gather.items.count) {
        struct batch *batch = shared->gather.items.items[local->next++].batch;
        int64_t rows = (int64_t)batch->row_count, count = rows < rest ? rows : rest;
        if (count > 0) {
            local->given += count;
            *out = count == rows ? batch_retain(batch) : batch_slice(batch, 0, (size_t)count);
            return OP_HAVE_OUTPUT;
        }
    }
    note_given(limit, local);
    return OP_NEED_INPUT;
}

static void limit_local_end(struct op_run *run) {
    gather_free(&((struct state_limit_local *)run->local)->gather);
}

static void limit_end(const struct operator* operator, void * state) {
    struct state_limit_shared *shared = state;
    gather_free(&shared->gather);
    if (shared->begun) {
        world_mutex_destroy(&shared->lock);
    }
}

static void limit_explain(const struct operator* operator, struct buffer * out) {
    buffer_printf(out, "%lld", (long long)((const struct state_limit *)operator)->count);
}

static const struct operator_class op_state_limit_class = {
    .name = "StreamingGlobalLimit",
    .shared_size = sizeof(struct state_limit_shared),
    .local_size = sizeof(struct state_limit_local),
    .begin = limit_begin,
    .end = limit_end,
    .local_end = limit_local_end,
    .step = limit_step,
    .combine = limit_combine,
    .finish = limit_finish,
    .partition_count = limit_partition_count,
    .begin_partition = limit_begin_partition,
    .read = limit_read,
    .explain = limit_explain,
};

struct operator* op_state_limit_create(struct compile *compile, const struct relation *relation) {
    struct state_limit *limit = ARENA_NEW(compile->arena, struct state_limit);
    const struct type_field key = {BYTES("key"), type_simple(TYPE_NULL), true, BYTES_NULL};
    const struct type_field value = {BYTES("value"), type_simple(TYPE_LONG), true, BYTES_NULL};
    limit->count = relation_limit_of(relation)->count;
    limit->state = query_add_state(compile->query, "globalLimit");
    limit->state->used_partitions = 1;
    query_add_store(compile->query, limit->state, "default", type_struct(compile->arena, &key, 1),
        type_struct(compile->arena, &value, 1), 0);
    operator_keeps_state(&limit->base, limit->state);
    return operator_init(compile, &limit->base, &op_state_limit_class, relation);
}
