/* op_exchange.c: repartition and coalesce: all rows are collected and given out again in as many partitions as are
 * asked for, in order, or by the hash of expressions. */
#include "base/map.h"
#include "exec/gather.h"
#include "exec/keys.h"

struct exchange {
    struct operator base;
    size_t partitions;
    bool coalesce; /* never more partitions than there were */
    struct program *keys;
    size_t key_count;
};

struct exchange_shared {
    struct world_mutex lock;
    bool begun;
    struct gather gather;
    struct batch *all;
    size_t partitions;
    uint32_t *rows; /* by keys: in all's arena */
    size_t *starts; /* partitions + 1 */
};

struct exchange_local {
    struct gather gather;
    size_t counted, next, end;
};

static bool exchange_begin(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    struct exchange_shared *shared = state;
    world_mutex_init(&shared->lock);
    shared->begun = true;
    return true;
}

static enum op_result exchange_step(struct op_run *run, struct batch *in, struct batch **out) {
    struct exchange_local *local = run->local;
    gather_add(&local->gather, in, run->partition);
    int64_t change = (int64_t)local->gather.memory_size - (int64_t)local->counted;
    local->counted = local->gather.memory_size;
    return exec_memory_add(run, change, run->error) ? OP_NEED_INPUT : OP_FAILED;
}

static bool exchange_combine(struct op_run *run) {
    struct exchange_shared *shared = run->shared;
    struct exchange_local *local = run->local;
    world_mutex_lock(&shared->lock);
    gather_move(&shared->gather, &local->gather);
    world_mutex_unlock(&shared->lock);
    return true;
}

static void exchange_local_end(struct op_run *run) {
    gather_free(&((struct exchange_local *)run->local)->gather);
}

static bool spread_by_keys(const struct exchange *exchange, struct exchange_shared *shared, struct sql_error *error) {
    struct batch *all = shared->all;
    size_t rows = all->row_count, partitions = shared->partitions;
    struct arena scratch = {0};
    struct frame frame = {.arena = &scratch,
        .settings = exchange->base.settings,
        .error = error,
        .inputs = all->columns,
        .row_count = rows};
    struct column **columns = ARENA_ARRAY(&scratch, struct column *, exchange->key_count);
    bool done = program_run(exchange->keys, &frame, columns);
    if (done) {
        struct keys keys;
        uint32_t *numbers = ARENA_ARRAY(&scratch, uint32_t, rows);
        size_t *next = ARENA_ARRAY(&scratch, size_t, partitions + 1);
        keys_encode(&scratch, columns, NULL, exchange->key_count, rows, &keys);
        shared->rows = ARENA_ARRAY(&all->arena, uint32_t, rows);
        for (size_t i = 0; i < rows; i++) {
            numbers[i] = (uint32_t)(hash_bytes(keys_at(&keys, i), 0) % partitions);
            shared->starts[numbers[i] + 1]++;
        }
        for (size_t p = 0; p < partitions; p++) {
            shared->starts[p + 1] += shared->starts[p];
            next[p] = shared->starts[p];
        }
        for (size_t i = 0; i < rows; i++) {
            shared->rows[next[numbers[i]]++] = (uint32_t)i;
        }
    }
    arena_destroy(&scratch);
    return done;
}

static enum op_result exchange_finish(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    const struct exchange *exchange = (const struct exchange *)operator;
    struct exchange_shared *shared = state;
    gather_order(&shared->gather);
    size_t before = 0;
    for (size_t i = 0; i < shared->gather.items.count; i++) {
        before += i == 0 || shared->gather.items.items[i].partition != shared->gather.items.items[i - 1].partition;
    }
    shared->partitions = exchange->coalesce && before < exchange->partitions ? before : exchange->partitions;
    shared->partitions = shared->partitions < 1 ? 1 : shared->partitions;
    shared->all = gather_concat(&shared->gather, operator->schema);
    shared->starts = ARENA_ARRAY(&shared->all->arena, size_t, shared->partitions + 1);
    if (exchange->keys != NULL) {
        return spread_by_keys(exchange, shared, error) ? OP_FINISHED : OP_FAILED;
    }
    for (size_t p = 0; p <= shared->partitions; p++) {
        shared->starts[p] = shared->all->row_count * p / shared->partitions;
    }
    return OP_FINISHED;
}

static size_t exchange_partition_count(const struct operator* operator, void * state) {
    return ((struct exchange_shared *)state)->partitions;
}

static bool exchange_begin_partition(struct op_run *run) {
    struct exchange_shared *shared = run->shared;
    struct exchange_local *local = run->local;
    local->next = shared->starts[run->source_partition];
    local->end = shared->starts[run->source_partition + 1];
    return true;
}

static enum op_result exchange_read(struct op_run *run, struct batch **out) {
    struct exchange_shared *shared = run->shared;
    struct exchange_local *local = run->local;
    size_t count = local->end - local->next;
    if (count == 0) {
        return OP_NEED_INPUT;
    }
    count = count > BATCH_ROWS_TARGET ? BATCH_ROWS_TARGET : count;
    *out = shared->rows != NULL ? batch_take(shared->all, shared->rows + local->next, count)
                                : batch_slice(shared->all, local->next, count);
    local->next += count;
    return OP_HAVE_OUTPUT;
}

static void exchange_end(const struct operator* operator, void * state) {
    struct exchange_shared *shared = state;
    gather_free(&shared->gather);
    batch_release(shared->all);
    if (shared->begun) {
        world_mutex_destroy(&shared->lock);
    }
}

static void exchange_explain(const struct operator* operator, struct buffer * out) {
    const struct exchange *exchange = (const struct exchange *)operator;
    buffer_printf(out, "%s, %zu",
        exchange->keys != NULL ? "hash"
        : exchange->coalesce   ? "coalesce"
                               : "round robin",
        exchange->partitions);
}

static const struct operator_class op_exchange_class = {
    .name = "Exchange",
    .shared_size = sizeof(struct exchange_shared),
    .local_size = sizeof(struct exchange_local),
    .begin = exchange_begin,
    .end = exchange_end,
    .local_end = exchange_local_end,
    .step = exchange_step,
    .combine = exchange_combine,
    .finish = exchange_finish,
    .partition_count = exchange_partition_count,
    .begin_partition = exchange_begin_partition,
    .read = exchange_read,
    .explain = exchange_explain,
};

struct operator* op_exchange_create(struct compile *compile, const struct relation *relation) {
    const struct relation_repartition *node = relation_repartition_of(relation);
    struct exchange *exchange = ARENA_NEW(compile->arena, struct exchange);
    exchange->partitions = node->partitions > 0 ? (size_t)node->partitions : exec_slot_count(compile->engine);
    exchange->coalesce = !node->shuffle;
    exchange->key_count = node->expressions.count;
    if (node->expressions.count > 0) {
        exchange->keys = program_compile(compile->arena, compile->settings, node->expressions.items,
            node->expressions.count, node->input->output_count, compile->error);
        if (exchange->keys == NULL) {
            return NULL;
        }
    }
    return operator_init(compile, &exchange->base, &op_exchange_class, relation);
}
