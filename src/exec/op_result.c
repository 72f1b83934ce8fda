/* op_result.c: the end of every query: batches go to the consumer. ORDERED: partition after partition, one batch at a
 * time; batches of later partitions wait in lists, and a worker that is far ahead is blocked until its turn comes.
 * PARTITIONED: straight through.
 *
 * Whoever adds a batch also tries to send; one thread sends at a time (`sending`). After FULL nobody sends until
 * resume. */
#include <stdlib.h>
#include "exec/run.h"

enum { WAITING_BATCHES_MAX = 16 };

struct waiting_batch {
    struct batch *batch;
    struct waiting_batch *next;
};

struct output_partition {
    struct waiting_batch *first, *last;
    int count;
    bool closed;
};

struct result_shared {
    struct exec_run *exec;
    struct world_mutex lock;
    struct output_partition **partitions; /* under lock, as all that follows */
    size_t partition_count, current;
    bool sending, full, complete, finished;
    uint64_t resumed; /* how often resume was called: it may come before the answer FULL is seen here */
    VECTOR(struct exec_waker) blocked;
};

static bool result_begin(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    struct result_shared *shared = state;
    shared->exec = exec;
    world_mutex_init(&shared->lock);
    return true;
}

static struct output_partition *partition_at(struct result_shared *shared, size_t index) {
    if (index >= shared->partition_count) {
        size_t count = index + 16;
        shared->partitions = realloc(shared->partitions, count * sizeof *shared->partitions);
        ASSERT(shared->partitions != NULL);
        for (size_t i = shared->partition_count; i < count; i++) {
            shared->partitions[i] = calloc(1, sizeof **shared->partitions);
            ASSERT(shared->partitions[i] != NULL);
        }
        shared->partition_count = count;
    }
    return shared->partitions[index];
}

static struct waiting_batch *next_waiting(struct result_shared *shared) {
    while (shared->current < shared->partition_count) {
        struct output_partition *partition = shared->partitions[shared->current];
        struct waiting_batch *waiting = partition->first;
        if (waiting != NULL) {
            partition->first = waiting->next;
            partition->last = partition->first == NULL ? NULL : partition->last;
            partition->count--;
            return waiting;
        }
        if (!partition->closed) {
            return NULL;
        }
        shared->current++;
    }
    return NULL;
}

/* `resumed` is the count from before the consumer was called. */
static void note_demand(
    struct exec_run *exec, struct result_shared *shared, enum exec_demand demand, uint64_t resumed) {
    if (demand == EXEC_FULL) {
        shared->full = shared->resumed == resumed;
    }
}

/* Sends what may be sent; wakes workers for which there is room again. */
static void send(struct result_shared *shared) {
    struct exec_run *exec = shared->exec;
    const struct exec_consumer *consumer = exec_run_consumer(exec);
    bool completed = false;
    world_mutex_lock(&shared->lock);
    if (shared->sending) {
        world_mutex_unlock(&shared->lock);
        return;
    }
    shared->sending = true;
    struct waiting_batch *waiting;
    while (!shared->full && (waiting = next_waiting(shared)) != NULL) {
        uint64_t resumed = shared->resumed;
        world_mutex_unlock(&shared->lock);
        enum exec_demand demand = EXEC_MORE;
        if (!exec_run_is_cancelled(exec)) {
            __atomic_fetch_add(&exec->output_rows, (int64_t)waiting->batch->row_count, __ATOMIC_RELAXED);
            demand = consumer->on_batch(consumer->argument, waiting->batch, shared->current);
        }
        batch_release(waiting->batch);
        free(waiting);
        if (demand == EXEC_ENOUGH) {
            __atomic_store_n(&exec->enough, 1, __ATOMIC_RELEASE);
            run_wake_workers(exec);
        }
        world_mutex_lock(&shared->lock);
        note_demand(exec, shared, demand, resumed);
    }
    shared->sending = false;
    VECTOR(struct exec_waker) woken = {0};
    if (!shared->full || exec_run_is_cancelled(exec)) {
        for (size_t i = 0; i < shared->blocked.count; i++) {
            VECTOR_PUSH(&woken, shared->blocked.items[i]);
        }
        shared->blocked.count = 0;
        completed = shared->complete && !shared->finished;
        shared->finished = shared->finished || completed;
    }
    world_mutex_unlock(&shared->lock);
    for (size_t i = 0; i < woken.count; i++) {
        woken.items[i].wake(woken.items[i].argument);
    }
    VECTOR_FREE(&woken);
    if (completed) {
        exec_run_continue(exec);
    }
}

static void send_task(void *argument) {
    struct exec_run *exec = ((struct result_shared *)argument)->exec;
    send(argument);
    exec_run_release(exec);
}

void op_result_resume(struct exec_run *exec, void *state) {
    struct result_shared *shared = state;
    world_mutex_lock(&shared->lock);
    bool was_full = shared->full;
    shared->full = false;
    shared->resumed++;
    if (was_full) {
        exec_run_hold(exec); /* the run may be cancelled before the task begins */
    }
    world_mutex_unlock(&shared->lock);
    if (was_full) {
        exec_run_submit(exec, send_task, shared);
    }
}

static enum op_result step_partitioned(struct op_run *run, struct batch *in) {
    const struct exec_consumer *consumer = exec_run_consumer(run->exec);
    struct result_shared *shared = run->shared;
    __atomic_fetch_add(&run->exec->output_rows, (int64_t)in->row_count, __ATOMIC_RELAXED);
    world_mutex_lock(&shared->lock);
    uint64_t resumed = shared->resumed;
    world_mutex_unlock(&shared->lock);
    enum exec_demand demand = consumer->on_batch(consumer->argument, in, run->partition);
    if (demand == EXEC_ENOUGH) {
        __atomic_store_n(&run->exec->enough, 1, __ATOMIC_RELEASE);
        run_wake_workers(run->exec);
    }
    world_mutex_lock(&shared->lock);
    note_demand(run->exec, shared, demand, resumed);
    bool blocked = shared->full;
    if (blocked) {
        VECTOR_PUSH(&shared->blocked, run->waker);
    }
    world_mutex_unlock(&shared->lock);
    return blocked ? OP_BLOCKED : OP_NEED_INPUT;
}

static enum op_result result_step(struct op_run *run, struct batch *in, struct batch **out) {
    struct result_shared *shared = run->shared;
    if (exec_run_consumer(run->exec)->on_batch == NULL) {
        return OP_NEED_INPUT;
    }
    if (exec_run_output(run->exec) == EXEC_OUTPUT_PARTITIONED) {
        return step_partitioned(run, in);
    }
    struct waiting_batch *waiting = calloc(1, sizeof *waiting);
    ASSERT(waiting != NULL);
    waiting->batch = batch_retain(in);
    world_mutex_lock(&shared->lock);
    struct output_partition *partition = partition_at(shared, run->partition);
    *(partition->last == NULL ? &partition->first : &partition->last->next) = waiting;
    partition->last = waiting;
    partition->count++;
    world_mutex_unlock(&shared->lock);
    send(shared);
    world_mutex_lock(&shared->lock);
    bool blocked = (shared->full || partition->count >= WAITING_BATCHES_MAX) && !exec_run_is_cancelled(run->exec);
    if (blocked) {
        VECTOR_PUSH(&shared->blocked, run->waker);
    }
    world_mutex_unlock(&shared->lock);
    return blocked ? OP_BLOCKED : OP_NEED_INPUT;
}

static void result_end_partition(struct op_run *run) {
    struct result_shared *shared = run->shared;
    const struct exec_consumer *consumer = exec_run_consumer(run->exec);
    if (exec_run_output(run->exec) == EXEC_OUTPUT_PARTITIONED) {
        if (consumer->on_partition_end != NULL && run->error->condition == 0) {
            consumer->on_partition_end(consumer->argument, run->partition);
        }
        return;
    }
    world_mutex_lock(&shared->lock);
    partition_at(shared, run->partition)->closed = true;
    world_mutex_unlock(&shared->lock);
    send(shared);
}

/* Everything was taken in; it may not have been sent yet. */
static enum op_result result_finish(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    struct result_shared *shared = state;
    world_mutex_lock(&shared->lock);
    bool waiting = shared->full || shared->sending;
    shared->complete = true;
    shared->finished = !waiting;
    world_mutex_unlock(&shared->lock);
    return waiting ? OP_BLOCKED : OP_FINISHED;
}

static void result_end(const struct operator* operator, void * state) {
    struct result_shared *shared = state;
    for (size_t i = 0; i < shared->partition_count; i++) {
        struct waiting_batch *waiting = shared->partitions[i]->first;
        while (waiting != NULL) {
            struct waiting_batch *next = waiting->next;
            batch_release(waiting->batch);
            free(waiting);
            waiting = next;
        }
        free(shared->partitions[i]);
    }
    free(shared->partitions);
    VECTOR_FREE(&shared->blocked);
    shared->full = false;
}

static const struct operator_class op_result_class = {
    .name = "Result",
    .shared_size = sizeof(struct result_shared),
    .begin = result_begin,
    .end = result_end,
    .step = result_step,
    .finish = result_finish,
    .end_partition = result_end_partition,
};

struct operator* op_result_create(struct compile *compile, const struct relation *relation) {
    return operator_init(compile, ARENA_NEW(compile->arena, struct operator), &op_result_class, relation);
}
