/* op_sort.c: ORDER BY, alone or with LIMIT above it. Batches are collected, joined and ordered by their keys (keys.h);
 * equal rows keep the order of the input. With a limit a worker that holds many more rows than wanted sorts and cuts
 * them at once. */
#include "exec/gather.h"
#include "exec/sort_rows.h"

struct sort {
    struct operator base;
    struct program *program; /* the sort keys */
    struct key_order *orders;
    size_t key_count;
    int64_t limit, offset; /* limit -1: all */
};

struct sort_shared {
    struct world_mutex lock;
    bool begun;
    struct gather gather;
    struct batch *all;
    uint32_t *indexes; /* in all's arena */
    size_t first, end; /* of indexes */
};

struct sort_local {
    struct gather gather;
    size_t counted, next;
};

enum { CUT_ROWS_MIN = 65536 };

static bool sort_begin(const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    struct sort_shared *shared = state;
    world_mutex_init(&shared->lock);
    shared->begun = true;
    return true;
}

/* The rows of `all` in order, in its arena; false on error. */
static bool order_rows(const struct sort *sort, struct sql_error *error, struct batch *all, uint32_t **indexes) {
    struct arena scratch = {0};
    struct frame frame = {.arena = &scratch,
        .settings = sort->base.settings,
        .error = error,
        .inputs = all->columns,
        .row_count = all->row_count};
    struct column **columns = ARENA_ARRAY(&scratch, struct column *, sort->key_count);
    *indexes = ARENA_ARRAY(&all->arena, uint32_t, all->row_count);
    bool done = program_run(sort->program, &frame, columns);
    if (done) {
        struct keys keys;
        keys_encode(&scratch, columns, sort->orders, sort->key_count, all->row_count, &keys);
        sort_rows(&keys, *indexes);
    }
    arena_destroy(&scratch);
    return done;
}

/* Only the rows that can be in the result are kept. */
static bool cut(struct op_run *run, struct gather *gather, size_t wanted) {
    const struct sort *sort = (const struct sort *)run->operator;
    size_t partition = gather->items.items[0].partition;
    gather_order(gather);
    struct batch *all = gather_concat(gather, run->operator->schema);
    uint32_t *indexes;
    bool done = order_rows(sort, run->error, all, &indexes);
    if (done) {
        struct batch *kept = batch_create(run->operator->schema);
        kept->row_count = wanted < all->row_count ? wanted : all->row_count;
        for (size_t i = 0; i < all->column_count; i++) {
            struct arena scratch = {0};
            struct column *taken = column_take(&scratch, all->columns[i], indexes, kept->row_count);
            kept->columns[i] = column_copy(&kept->arena, taken);
            arena_destroy(&scratch);
        }
        gather_add(gather, kept, partition);
        batch_release(kept);
    }
    batch_release(all);
    return done;
}

static enum op_result sort_step(struct op_run *run, struct batch *in, struct batch **out) {
    const struct sort *sort = (const struct sort *)run->operator;
    struct sort_local *local = run->local;
    gather_add(&local->gather, in, run->partition);
    if (sort->limit >= 0) {
        size_t wanted = (size_t)sort->limit + (size_t)sort->offset;
        if (local->gather.row_count > CUT_ROWS_MIN && local->gather.row_count / 4 > wanted &&
            !cut(run, &local->gather, wanted)) {
            return OP_FAILED;
        }
    }
    int64_t change = (int64_t)local->gather.memory_size - (int64_t)local->counted;
    local->counted = local->gather.memory_size;
    return exec_memory_add(run, change, run->error) ? OP_NEED_INPUT : OP_FAILED;
}

static bool sort_combine(struct op_run *run) {
    struct sort_shared *shared = run->shared;
    struct sort_local *local = run->local;
    world_mutex_lock(&shared->lock);
    gather_move(&shared->gather, &local->gather);
    world_mutex_unlock(&shared->lock);
    return true;
}

static void sort_local_end(struct op_run *run) {
    gather_free(&((struct sort_local *)run->local)->gather);
}

static enum op_result sort_finish(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    const struct sort *sort = (const struct sort *)operator;
    struct sort_shared *shared = state;
    if (shared->gather.row_count >= UINT32_MAX) {
        raise_internal_error(error, "a sort of more than 4 billion rows");
        return OP_FAILED;
    }
    gather_order(&shared->gather);
    shared->all = gather_concat(&shared->gather, operator->schema);
    if (!order_rows(sort, error, shared->all, &shared->indexes)) {
        return OP_FAILED;
    }
    size_t rows = shared->all->row_count;
    shared->first = (size_t)sort->offset < rows ? (size_t)sort->offset : rows;
    shared->end =
        sort->limit >= 0 && (size_t)sort->limit < rows - shared->first ? shared->first + (size_t)sort->limit : rows;
    return OP_FINISHED;
}

static size_t sort_partition_count(const struct operator* operator, void * state) {
    return 1;
}

static bool sort_begin_partition(struct op_run *run) {
    ((struct sort_local *)run->local)->next = ((struct sort_shared *)run->shared)->first;
    return true;
}

static enum op_result sort_read(struct op_run *run, struct batch **out) {
    struct sort_shared *shared = run->shared;
    struct sort_local *local = run->local;
    size_t rest = shared->end - local->next;
    if (rest == 0) {
        return OP_NEED_INPUT;
    }
    size_t count = rest > BATCH_ROWS_TARGET ? BATCH_ROWS_TARGET : rest;
    *out = batch_take(shared->all, shared->indexes + local->next, count);
    local->next += count;
    return OP_HAVE_OUTPUT;
}

static void sort_end(const struct operator* operator, void * state) {
    struct sort_shared *shared = state;
    gather_free(&shared->gather);
    batch_release(shared->all);
    if (shared->begun) {
        world_mutex_destroy(&shared->lock);
    }
}

static void sort_explain(const struct operator* operator, struct buffer * out) {
    const struct sort *sort = (const struct sort *)operator;
    buffer_printf(out, "(keys=%zu", sort->key_count);
    if (sort->limit >= 0) {
        buffer_printf(out, ", limit=%lld, offset=%lld", (long long)sort->limit, (long long)sort->offset);
    }
    buffer_append_byte(out, ')');
}

static const struct operator_class op_sort_class = {
    .name = "Sort",
    .shared_size = sizeof(struct sort_shared),
    .local_size = sizeof(struct sort_local),
    .begin = sort_begin,
    .end = sort_end,
    .local_end = sort_local_end,
    .step = sort_step,
    .combine = sort_combine,
    .finish = sort_finish,
    .partition_count = sort_partition_count,
    .begin_partition = sort_begin_partition,
    .read = sort_read,
    .explain = sort_explain,
};

struct operator*
    op_sort_create(struct compile *compile, const struct relation *relation, int64_t limit, int64_t offset) {
    const struct relation_sort *node = relation_sort_of(relation);
    struct sort *sort = ARENA_NEW(compile->arena, struct sort);
    size_t count = node->orders.count;
    sort->orders = ARENA_ARRAY(compile->arena, struct key_order, count);
    sort->key_count = count;
    sort->limit = limit;
    sort->offset = offset;
    for (size_t i = 0; i < count; i++) {
        const struct expression_sort_order *order = expression_sort_order_of(node->orders.items[i]);
        sort->orders[i] = (struct key_order){order->descending, order->nulls_last};
    }
    sort->program = program_compile(
        compile->arena, compile->settings, node->orders.items, count, node->input->output_count, compile->error);
    if (sort->program == NULL) {
        return NULL;
    }
    return operator_init(compile, &sort->base, &op_sort_class, relation);
}
