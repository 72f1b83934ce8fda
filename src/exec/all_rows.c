/* all_rows.c: see all_rows.h. */
#include "exec/all_rows.h"

bool all_rows_begin(const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    struct all_rows_shared *shared = state;
    world_mutex_init(&shared->lock);
    shared->begun = true;
    return true;
}

void all_rows_end(const struct operator* operator, void * state) {
    struct all_rows_shared *shared = state;
    gather_free(&shared->gather);
    batch_release(shared->all);
    if (shared->begun) {
        world_mutex_destroy(&shared->lock);
    }
}

void all_rows_local_end(struct op_run *run) {
    gather_free(&((struct all_rows_local *)run->local)->gather);
}

enum op_result all_rows_step(struct op_run *run, struct batch *in, struct batch **out) {
    struct all_rows_local *local = run->local;
    gather_add(&local->gather, in, run->partition);
    int64_t change = (int64_t)local->gather.memory_size - (int64_t)local->counted;
    local->counted = local->gather.memory_size;
    return exec_memory_add(run, change, run->error) ? OP_NEED_INPUT : OP_FAILED;
}

bool all_rows_combine(struct op_run *run) {
    struct all_rows_shared *shared = run->shared;
    world_mutex_lock(&shared->lock);
    gather_move(&shared->gather, &((struct all_rows_local *)run->local)->gather);
    world_mutex_unlock(&shared->lock);
    return true;
}

size_t all_rows_partition_count(const struct operator* operator, void * state) {
    return 1;
}

bool all_rows_begin_partition(struct op_run *run) {
    ((struct all_rows_local *)run->local)->next = 0;
    return true;
}

enum op_result all_rows_read(struct op_run *run, struct batch **out) {
    struct all_rows_shared *shared = run->shared;
    struct all_rows_local *local = run->local;
    size_t count = shared->all->row_count - local->next;
    if (count == 0) {
        return OP_NEED_INPUT;
    }
    count = count > BATCH_ROWS_TARGET ? BATCH_ROWS_TARGET : count;
    *out = batch_take(shared->all, shared->order + local->next, count);
    local->next += count;
    return OP_HAVE_OUTPUT;
}
