/* op_limit.c: LIMIT, OFFSET and tail without an order: the first (last) rows in the order of the partitions. A
 * partition gives at most as many rows as are wanted in all, and the rest is not asked for once the partitions before
 * and this one have enough. */
#include "exec/gather.h"

struct limit {
    struct operator base;
    int64_t count, offset; /* count -1: all */
    bool tail;
};

struct limit_shared {
    struct world_mutex lock;
    bool begun;
    struct gather gather;
    VECTOR(int64_t) ended; /* rows of each partition that has ended; -1: not yet */
};

struct limit_local {
    struct gather gather;
    int64_t partition_rows;
    size_t next, partition;
    int64_t skipped, given; /* reading */
};

static bool limit_begin(const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    struct limit_shared *shared = state;
    world_mutex_init(&shared->lock);
    shared->begun = true;
    return true;
}

static int64_t wanted_rows(const struct limit *limit) {
    return limit->count < 0 || limit->count > INT64_MAX - limit->offset ? INT64_MAX : limit->count + limit->offset;
}

/* Whether the partitions up to this one have enough, `rows` being what this one has. */
static bool enough(struct limit_shared *shared, const struct limit *limit, size_t partition, int64_t rows) {
    int64_t total = rows;
    world_mutex_lock(&shared->lock);
    for (size_t i = 0; i < partition; i++) {
        if (i >= shared->ended.count || shared->ended.items[i] < 0) {
            total = rows;
            break;
        }
        total += shared->ended.items[i];
    }
    world_mutex_unlock(&shared->lock);
    return total >= wanted_rows(limit);
}

static void note_ended(struct limit_shared *shared, size_t partition, int64_t rows) {
    world_mutex_lock(&shared->lock);
    while (shared->ended.count <= partition) {
        VECTOR_PUSH(&shared->ended, -1);
    }
    shared->ended.items[partition] = rows;
    world_mutex_unlock(&shared->lock);
}

static enum op_result limit_step(struct op_run *run, struct batch *in, struct batch **out) {
    const struct limit *limit = (const struct limit *)run->operator;
    struct limit_local *local = run->local;
    if (run->first_row == 0) {
        local->partition_rows = 0;
        if (limit->count == 0 ||
            (!limit->tail && run->partition > 0 && enough(run->shared, limit, run->partition, 0))) {
            return OP_FINISHED;
        }
    }
    gather_add(&local->gather, in, run->partition);
    local->partition_rows += (int64_t)in->row_count;
    if (!exec_memory_add(run, (int64_t)batch_memory_size(in), run->error)) {
        return OP_FAILED;
    }
    bool finished = !limit->tail && enough(run->shared, limit, run->partition, local->partition_rows);
    note_ended(run->shared, run->partition, finished ? wanted_rows(limit) : -1);
    return finished ? OP_FINISHED : OP_NEED_INPUT;
}

static bool limit_combine(struct op_run *run) {
    struct limit_shared *shared = run->shared;
    struct limit_local *local = run->local;
    world_mutex_lock(&shared->lock);
    gather_move(&shared->gather, &local->gather);
    world_mutex_unlock(&shared->lock);
    return true;
}

static void limit_local_end(struct op_run *run) {
    gather_free(&((struct limit_local *)run->local)->gather);
}

static enum op_result limit_finish(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    gather_order(&((struct limit_shared *)state)->gather);
    return OP_FINISHED;
}

static size_t limit_partition_count(const struct operator* operator, void * state) {
    return 1;
}

static bool limit_begin_partition(struct op_run *run) {
    const struct limit *limit = (const struct limit *)run->operator;
    struct limit_shared *shared = run->shared;
    struct limit_local *local = run->local;
    local->next = 0;
    local->given = 0;
    local->skipped = 0;
    if (limit->tail && (int64_t)shared->gather.row_count > limit->count) {
        local->skipped = limit->count - (int64_t)shared->gather.row_count; /* below zero: that many are left out */
    } else if (!limit->tail) {
        local->skipped = -limit->offset;
    }
    return true;
}

static enum op_result limit_read(struct op_run *run, struct batch **out) {
    const struct limit *limit = (const struct limit *)run->operator;
    struct limit_shared *shared = run->shared;
    struct limit_local *local = run->local;
    while (local->next < shared->gather.items.count && (limit->count < 0 || local->given < limit->count)) {
        struct batch *batch = shared->gather.items.items[local->next++].batch;
        int64_t rows = (int64_t)batch->row_count;
        int64_t first = -local->skipped < rows ? -local->skipped : rows;
        local->skipped += first;
        int64_t count = rows - first;
        if (limit->count >= 0 && count > limit->count - local->given) {
            count = limit->count - local->given;
        }
        if (count > 0) {
            local->given += count;
            *out = count == rows ? batch_retain(batch) : batch_slice(batch, (size_t)first, (size_t)count);
            return OP_HAVE_OUTPUT;
        }
    }
    return OP_NEED_INPUT;
}

static void limit_end(const struct operator* operator, void * state) {
    struct limit_shared *shared = state;
    gather_free(&shared->gather);
    VECTOR_FREE(&shared->ended);
    if (shared->begun) {
        world_mutex_destroy(&shared->lock);
    }
}

static void limit_explain(const struct operator* operator, struct buffer * out) {
    const struct limit *limit = (const struct limit *)operator;
    buffer_printf(out, "%lld", (long long)limit->count);
    if (limit->offset > 0) {
        buffer_printf(out, " offset %lld", (long long)limit->offset);
    }
}

static const struct operator_class op_limit_class = {
    .name = "CollectLimit",
    .shared_size = sizeof(struct limit_shared),
    .local_size = sizeof(struct limit_local),
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

struct operator* op_limit_create(struct compile *compile, const struct relation *relation) {
    struct limit *limit = ARENA_NEW(compile->arena, struct limit);
    if (relation->node.tag == RELATION_TAIL) {
        limit->count = relation_tail_of(relation)->count;
        limit->tail = true;
    } else {
        limit->count = relation_limit_of(relation)->count;
        limit->offset = relation_limit_of(relation)->offset;
    }
    limit->offset = limit->offset < 0 ? 0 : limit->offset;
    return operator_init(compile, &limit->base, &op_limit_class, relation);
}
