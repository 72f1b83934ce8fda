/* run.c: a run: pipeline after pipeline, each by as many workers as there are slots and partitions. A worker is a task
 * that takes partitions until none is left. It runs for a slice of time and submits itself again, so that queries share
 * the pool; when an operator is blocked it returns without, and the waker submits it.
 *
 * States of a worker: QUEUED or RUNNING; a wake-up while it runs makes it WOKEN, so that a block which follows is
 * undone at once; a block makes it BLOCKED, and the next wake-up queues it. */
#include "exec/run.h"

enum worker_state { WORKER_RUNNING, WORKER_WOKEN, WORKER_BLOCKED };
enum { SLICE_NS = 20000000, SLICE_BATCHES_MIN = 4 };

static void start_pipeline(struct exec_run *run);
static void worker_task(void *argument);

/* ---- services for operators ---- */

struct world *exec_run_world(struct exec_run *run) {
    return run->engine->world;
}

struct exec_engine *exec_run_engine(struct exec_run *run) {
    return run->engine;
}

struct arena *exec_run_arena(struct exec_run *run) {
    return &run->arena;
}

bool exec_run_is_cancelled(const struct exec_run *run) {
    return __atomic_load_n(&run->failed, __ATOMIC_ACQUIRE) || __atomic_load_n(&run->cancelled, __ATOMIC_ACQUIRE) ||
           __atomic_load_n(&run->enough, __ATOMIC_ACQUIRE);
}

const struct exec_consumer *exec_run_consumer(const struct exec_run *run) {
    return &run->consumer;
}

enum exec_output exec_run_output(const struct exec_run *run) {
    return run->output;
}

void *exec_run_shared(struct exec_run *run, const struct operator* operator) {
    return run->shared[operator->index];
}

struct source *exec_run_stream(const struct exec_run *run, size_t stream) {
    return run->query->bound[stream];
}

void exec_run_count_input(struct exec_run *run, size_t stream, int64_t rows, int64_t bytes) {
    __atomic_fetch_add(&run->input_rows, rows, __ATOMIC_RELAXED);
    __atomic_fetch_add(&run->input_bytes, bytes, __ATOMIC_RELAXED);
    if (stream != SIZE_MAX) {
        __atomic_fetch_add(&run->query->stream_rows[stream], rows, __ATOMIC_RELAXED);
    }
}

void exec_run_submit(struct exec_run *run, world_function *function, void *argument) {
    if (run->inline_run) {
        VECTOR_PUSH(&run->tasks, ((struct inline_task){function, argument}));
    } else {
        world_pool_submit(run->engine->pool, function, argument);
    }
}

bool exec_memory_add(struct op_run *op, int64_t size, struct sql_error *error) {
    struct exec_run *run = op->exec;
    int64_t total = __atomic_add_fetch(&run->memory, size, __ATOMIC_RELAXED);
    int64_t held = __atomic_add_fetch(&run->counters[op->operator->index].memory_size, size, __ATOMIC_RELAXED);
    int64_t all = __atomic_add_fetch(&run->engine->memory_used, size, __ATOMIC_RELAXED);
    if (total > __atomic_load_n(&run->memory_max, __ATOMIC_RELAXED)) {
        __atomic_store_n(&run->memory_max, total, __ATOMIC_RELAXED);
    }
    if (all > __atomic_load_n(&run->engine->memory_used_max, __ATOMIC_RELAXED)) {
        __atomic_store_n(&run->engine->memory_used_max, all, __ATOMIC_RELAXED);
    }
    if (all <= run->engine->memory_limit || size <= 0) {
        return true;
    }
    state_memory_shrink(run->query, run->engine->memory_limit);
    if (__atomic_load_n(&run->engine->memory_used, __ATOMIC_RELAXED) <= run->engine->memory_limit) {
        return true;
    }
    if (error != NULL) {
        raise_out_of_memory_budget(error,
            arena_printf(error->arena, "%lld MiB", (long long)(run->engine->memory_limit >> 20)),
            op->operator->class->name, arena_printf(error->arena, "%lld MiB", (long long)(held >> 20)));
    }
    return false;
}

/* ---- ending ---- */

static void worker_wake(void *argument);

/* A worker that waits for its source or for the consumer sees that the run ends only when it is woken. */
void run_wake_workers(struct exec_run *run) {
    world_mutex_lock(&run->lock);
    for (int i = 0; i < run->worker_count; i++) {
        worker_wake(&run->workers[i]);
    }
    world_mutex_unlock(&run->lock);
}

void run_fail(struct exec_run *run, const struct sql_error *error) {
    world_mutex_lock(&run->lock);
    if (run->error.condition == 0) {
        sql_error_copy(&run->error, error);
    }
    world_mutex_unlock(&run->lock);
    __atomic_store_n(&run->failed, 1, __ATOMIC_RELEASE);
    run_wake_workers(run);
}

static void end_operators(struct exec_run *run) {
    struct exec_query *query = run->query;
    for (size_t i = 0; i < query->operator_count; i++) {
        const struct operator* operator= query->operators[i];
        if (operator->class->end != NULL) {
            operator->class->end(operator, run->shared[i]);
        }
    }
    __atomic_fetch_sub(&run->engine->memory_used, run->memory, __ATOMIC_RELAXED);
    run->memory = 0;
}

static void run_done(struct exec_run *run) {
    world_mutex_lock(&run->lock);
    run->worker_count = 0;
    world_mutex_unlock(&run->lock);
    if (run->error.condition == 0 && run->cancelled && !run->enough) {
        raise_query_cancelled(&run->error, "it was stopped");
    }
    end_operators(run);
    run->ended_ns = world_monotonic_ns(run->engine->world);
    struct exec_consumer consumer = run->consumer;
    const struct sql_error *error = run->error.condition != 0 ? &run->error : NULL;
    run->done = true;
    consumer.on_done(consumer.argument, error); /* the query may be gone after this */
}

void exec_run_hold(struct exec_run *run) {
    __atomic_fetch_add(&run->holds, 1, __ATOMIC_RELAXED);
}

void exec_run_release(struct exec_run *run) {
    if (__atomic_sub_fetch(&run->holds, 1, __ATOMIC_ACQ_REL) == 0) {
        run_done(run);
    }
}

static void next_pipeline(struct exec_run *run) {
    if (!exec_run_is_cancelled(run) && ++run->pipeline < run->query->pipeline_count) {
        start_pipeline(run);
    } else {
        exec_run_release(run);
    }
}

static void finish_task(void *argument) {
    next_pipeline(argument);
}

void exec_run_continue(struct exec_run *run) {
    exec_run_submit(run, finish_task, run);
}

/* After the last worker: the sink is completed and the next pipeline begins. */
static void end_pipeline(struct exec_run *run) {
    const struct pipeline *pipeline = &run->query->pipelines[run->pipeline];
    run->partition_bases[pipeline->sink->index] += run->partition_count;
    const struct operator_class *class = pipeline->sink->class;
    if (pipeline->last_of_sink && class->finish != NULL && !exec_run_is_cancelled(run)) {
        struct sql_error error = {.arena = &run->arena};
        enum op_result result = class->finish(pipeline->sink, run, run->shared[pipeline->sink->index], &error);
        if (result == OP_BLOCKED) {
            return;
        }
        if (result == OP_FAILED) {
            run_fail(run, &error);
        }
    }
    next_pipeline(run);
}

/* ---- workers ---- */

static void worker_wake(void *argument) {
    struct worker *worker = argument;
    int state = __atomic_load_n(&worker->state, __ATOMIC_ACQUIRE);
    for (;;) {
        int next = state == WORKER_BLOCKED ? WORKER_RUNNING : WORKER_WOKEN;
        if (__atomic_compare_exchange_n(&worker->state, &state, next, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
            break;
        }
    }
    if (state == WORKER_BLOCKED) {
        exec_run_submit(worker->run, worker_task, worker);
    }
}

/* true: it sleeps now; false: it was woken meanwhile and goes on. */
static bool worker_block(struct worker *worker) {
    int state = WORKER_RUNNING;
    if (__atomic_compare_exchange_n(
            &worker->state, &state, WORKER_BLOCKED, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        return true;
    }
    __atomic_store_n(&worker->state, WORKER_RUNNING, __ATOMIC_RELEASE);
    return false;
}

static void op_begin(struct worker *worker, struct op_run *op, const struct operator* operator) {
    struct exec_run *run = worker->run;
    *op = (struct op_run){.operator = operator, .exec = run, .shared = run->shared[operator->index],
        .error = &worker->error, .waker = {worker_wake, worker}, .worker = worker->index};
    op->local = arena_allocate_zeroed(&worker->arena, operator->class->local_size);
    if (operator->class->local_begin != NULL) {
        operator->class->local_begin(op);
    }
}

static void op_end(struct op_run *op) {
    if (op->operator->class->local_end != NULL) {
        op->operator->class->local_end(op);
    }
}

static void worker_begin(struct worker *worker, struct exec_run *run, int index) {
    const struct pipeline *pipeline = &run->query->pipelines[run->pipeline];
    *worker = (struct worker){.run = run, .index = index};
    worker->error.arena = &worker->arena;
    worker->transforms = ARENA_ARRAY(&worker->arena, struct op_run, pipeline->transform_count);
    worker->more = ARENA_ARRAY(&worker->arena, bool, pipeline->transform_count);
    op_begin(worker, &worker->source, pipeline->source);
    for (size_t i = 0; i < pipeline->transform_count; i++) {
        op_begin(worker, &worker->transforms[i], pipeline->transforms[i]);
    }
    op_begin(worker, &worker->sink, pipeline->sink);
}

static void worker_end(struct worker *worker) {
    struct exec_run *run = worker->run;
    const struct pipeline *pipeline = &run->query->pipelines[run->pipeline];
    op_end(&worker->source);
    for (size_t i = 0; i < pipeline->transform_count; i++) {
        op_end(&worker->transforms[i]);
    }
    op_end(&worker->sink);
    if (worker->error.condition != 0) {
        run_fail(run, &worker->error);
    }
    arena_destroy(&worker->arena);
    if (__atomic_sub_fetch(&run->workers_left, 1, __ATOMIC_ACQ_REL) == 0) {
        end_pipeline(run);
    }
}

static void set_partition(struct op_run *op, size_t source_partition, size_t partition) {
    op->source_partition = source_partition;
    op->partition = partition;
    op->first_row = 0;
}

/* false when there is none left (or the run ends). */
static bool take_partition(struct worker *worker) {
    struct exec_run *run = worker->run;
    const struct pipeline *pipeline = &run->query->pipelines[run->pipeline];
    size_t partition = __atomic_fetch_add(&run->partition_next, 1, __ATOMIC_RELAXED);
    if (exec_run_is_cancelled(run) || partition >= run->partition_count) {
        return false;
    }
    size_t number = run->partition_bases[pipeline->sink->index] + partition;
    set_partition(&worker->source, partition, number);
    set_partition(&worker->sink, partition, number);
    for (size_t i = 0; i < pipeline->transform_count; i++) {
        set_partition(&worker->transforms[i], partition, number);
        if (pipeline->transforms[i]->class->begin_partition != NULL &&
            !pipeline->transforms[i]->class->begin_partition(&worker->transforms[i])) {
            return false;
        }
    }
    const struct operator_class *sink = pipeline->sink->class;
    if ((sink->begin_partition != NULL && pipeline->sink != pipeline->source && sink->step != NULL &&
            sink->read == NULL && !sink->begin_partition(&worker->sink))) {
        return false;
    }
    if (pipeline->source->state != NULL && !state_memory_enter(&worker->source, pipeline->source->state)) {
        return false;
    }
    return pipeline->source->class->begin_partition == NULL ||
           pipeline->source->class->begin_partition(&worker->source);
}

static void end_partition(struct worker *worker) {
    struct exec_run *run = worker->run;
    const struct pipeline *pipeline = &run->query->pipelines[run->pipeline];
    if (pipeline->source->class->end_partition != NULL) {
        pipeline->source->class->end_partition(&worker->source);
    }
    if (pipeline->sink->class->end_partition != NULL && pipeline->sink->class->read == NULL) {
        pipeline->sink->class->end_partition(&worker->sink);
    }
    for (size_t i = 0; i < pipeline->transform_count; i++) {
        worker->more[i] = false;
    }
    if (pipeline->source->state != NULL && !exec_run_is_cancelled(run) &&
        !state_memory_leave(&worker->source, pipeline->source->state)) {
        run_fail(run, &worker->error);
    }
    __atomic_fetch_add(&run->partitions_done, 1, __ATOMIC_RELAXED);
}

/* One step of an operator, counted. */
static enum op_result op_step(struct op_run *op, struct batch *in, struct batch **out) {
    struct op_counters *counters = &op->exec->counters[op->operator->index];
    *out = NULL;
    int64_t start = world_monotonic_ns(op->exec->engine->world);
    enum op_result result = op->operator->class->step(op, in, out);
    int64_t spent = world_monotonic_ns(op->exec->engine->world) - start;
    __atomic_fetch_add(&counters->duration_ns, spent, __ATOMIC_RELAXED);
    if (in != NULL) {
        op->first_row += (int64_t)in->row_count;
        __atomic_fetch_add(&counters->input_rows, (int64_t)in->row_count, __ATOMIC_RELAXED);
        __atomic_fetch_add(&counters->batches, 1, __ATOMIC_RELAXED);
    }
    if (*out != NULL) {
        __atomic_fetch_add(&counters->output_rows, (int64_t)(*out)->row_count, __ATOMIC_RELAXED);
    }
    return result;
}

/* Pushes a batch (its reference is taken) from transform `at` on; NULL: asks that transform for more. Answers FINISHED
 * when the partition needs no more input. */
static enum op_result push(struct worker *worker, size_t at, struct batch *in) {
    const struct pipeline *pipeline = &worker->run->query->pipelines[worker->run->pipeline];
    bool finished = false;
    for (size_t i = at; i < pipeline->transform_count; i++) {
        struct batch *out;
        enum op_result result = op_step(&worker->transforms[i], in, &out);
        batch_release(in);
        in = NULL;
        worker->more[i] = result == OP_HAVE_OUTPUT || result == OP_BLOCKED;
        finished = finished || result == OP_FINISHED;
        if (result == OP_FAILED) {
            batch_release(out);
            return OP_FAILED;
        }
        if (out == NULL || out->row_count == 0) {
            batch_release(out);
            return result == OP_BLOCKED ? OP_BLOCKED : finished ? OP_FINISHED : OP_NEED_INPUT;
        }
        in = out;
    }
    struct batch *none;
    enum op_result result = op_step(&worker->sink, in, &none);
    batch_release(in);
    return result == OP_FAILED || result == OP_BLOCKED || !finished ? result : OP_FINISHED;
}

static enum op_result read_source(struct worker *worker) {
    struct op_run *source = &worker->source;
    struct op_counters *counters = &worker->run->counters[source->operator->index];
    struct batch *batch = NULL;
    int64_t start = world_monotonic_ns(worker->run->engine->world);
    enum op_result result = source->operator->class->read(source, &batch);
    int64_t spent = world_monotonic_ns(worker->run->engine->world) - start;
    __atomic_fetch_add(&counters->duration_ns, spent, __ATOMIC_RELAXED);
    if (batch == NULL) {
        return result;
    }
    source->first_row += (int64_t)batch->row_count;
    __atomic_fetch_add(&counters->output_rows, (int64_t)batch->row_count, __ATOMIC_RELAXED);
    if (batch->row_count == 0) {
        batch_release(batch);
        return result == OP_NEED_INPUT ? OP_NEED_INPUT : OP_HAVE_OUTPUT;
    }
    enum op_result pushed = push(worker, 0, batch);
    return pushed == OP_NEED_INPUT || pushed == OP_HAVE_OUTPUT ? OP_HAVE_OUTPUT : pushed;
}

/* One batch forward. NEED_INPUT: the partition ended. */
static enum op_result worker_step(struct worker *worker) {
    const struct pipeline *pipeline = &worker->run->query->pipelines[worker->run->pipeline];
    for (size_t i = pipeline->transform_count; i > 0; i--) {
        if (worker->more[i - 1]) {
            enum op_result result = push(worker, i - 1, NULL);
            return result == OP_NEED_INPUT ? OP_HAVE_OUTPUT : result;
        }
    }
    if (worker->phase == WORKER_READ) {
        enum op_result result = read_source(worker);
        if (result == OP_NEED_INPUT || result == OP_FINISHED) {
            worker->phase = WORKER_DRAIN;
            worker->draining = 0;
            return OP_HAVE_OUTPUT;
        }
        return result;
    }
    while (worker->draining < pipeline->transform_count) {
        struct op_run *op = &worker->transforms[worker->draining];
        struct batch *out = NULL;
        enum op_result result =
            op->operator->class->drain == NULL ? OP_NEED_INPUT : op->operator->class->drain(op, &out);
        if (result == OP_FAILED || result == OP_BLOCKED) {
            return result;
        }
        worker->draining += result != OP_HAVE_OUTPUT;
        if (out != NULL) {
            result = push(worker, worker->draining + (result != OP_HAVE_OUTPUT ? 0 : 1), out);
            return result == OP_NEED_INPUT ? OP_HAVE_OUTPUT : result;
        }
    }
    return OP_NEED_INPUT;
}

static void worker_finish(struct worker *worker) {
    const struct operator_class *sink = worker->sink.operator->class;
    if (sink->combine != NULL && !exec_run_is_cancelled(worker->run) && worker->error.condition == 0) {
        sink->combine(&worker->sink);
    }
    worker_end(worker);
}

/* The worker and its run may be gone when it returns. */
static void work_slice(struct worker *worker, int64_t now_ns) {
    struct exec_run *run = worker->run;
    int64_t deadline = now_ns + SLICE_NS;
    for (int steps = 0;; steps++) {
        if (exec_run_is_cancelled(run) && worker->phase != WORKER_NEXT_PARTITION) {
            end_partition(worker);
            worker->phase = WORKER_NEXT_PARTITION;
        }
        if (worker->phase == WORKER_NEXT_PARTITION) {
            if (worker->error.condition != 0 || !take_partition(worker)) {
                worker_finish(worker);
                return;
            }
            worker->phase = WORKER_READ;
        }
        enum op_result result = worker_step(worker);
        if (result == OP_FAILED) {
            ASSERT(worker->error.condition != 0 || exec_run_is_cancelled(run));
            run_fail(run, &worker->error);
        } else if (result == OP_NEED_INPUT || result == OP_FINISHED) {
            end_partition(worker);
            worker->phase = WORKER_NEXT_PARTITION;
        } else if (result == OP_BLOCKED && worker_block(worker)) {
            return;
        }
        if (steps >= SLICE_BATCHES_MIN && world_monotonic_ns(run->engine->world) > deadline) {
            exec_run_submit(run, worker_task, worker);
            return;
        }
    }
}

static void worker_task(void *argument) {
    struct worker *worker = argument;
    struct exec_engine *engine = worker->run->engine;
    int64_t now_ns = exec_slot_enter(engine);
    work_slice(worker, now_ns);
    exec_slot_leave(engine, now_ns);
}

/* ---- starting ---- */

static void start_pipeline(struct exec_run *run) {
    const struct pipeline *pipeline = &run->query->pipelines[run->pipeline];
    const struct operator* source = pipeline->source;
    run->partition_count = source->class->partition_count(source, run->shared[source->index]);
    run->partitions_total += (int64_t)run->partition_count;
    run->partition_next = 0;
    int slots = run->inline_run || pipeline->sink->single_worker ? 1 : world_pool_thread_count(run->engine->pool);
    int count = run->partition_count < (size_t)slots ? (int)run->partition_count : slots;
    count = count < 1 ? 1 : count;
    struct worker *workers = ARENA_ARRAY(&run->arena, struct worker, (size_t)count);
    run->workers_left = count;
    for (int i = 0; i < count; i++) {
        worker_begin(&workers[i], run, i);
    }
    world_mutex_lock(&run->lock);
    run->workers = workers;
    run->worker_count = count;
    world_mutex_unlock(&run->lock);
    /* The last submission may end the run: nothing of it is touched afterwards. */
    for (int i = 0; i < count; i++) {
        exec_run_submit(run, worker_task, &workers[i]);
    }
}

static bool begin_operators(struct exec_run *run) {
    struct exec_query *query = run->query;
    for (size_t i = 0; i < query->operator_count; i++) {
        const struct operator* operator= query->operators[i];
        run->shared[i] = arena_allocate_zeroed(&run->arena, operator->class->shared_size);
    }
    for (size_t i = 0; i < query->operator_count; i++) {
        const struct operator* operator= query->operators[i];
        if (operator->class->begin != NULL && !operator->class->begin(operator, run, run->shared[i], &run->error)) {
            run->failed = 1;
            return false;
        }
    }
    return true;
}

static void begin_task(void *argument) {
    struct exec_run *run = argument;
    if (begin_operators(run) && !exec_run_is_cancelled(run)) {
        start_pipeline(run);
    } else {
        exec_run_release(run);
    }
}

void run_start(struct exec_run *run) {
    exec_run_submit(run, begin_task, run);
}

/* ---- programs over batches ---- */

bool op_run_columns(
    struct op_run *op, const struct program *program, struct batch *in, struct arena *arena, struct column **outputs) {
    struct frame frame = {.arena = arena,
        .settings = op->operator->settings,
        .error = op->error,
        .inputs = in->columns,
        .row_count = in->row_count,
        .partition = (int32_t)op->partition,
        .first_row = op->first_row};
    return program_run(program, &frame, outputs);
}

struct batch *op_run_program(
    struct op_run *op, const struct program *program, const struct type *schema, struct batch *in) {
    struct batch *out = batch_create(schema);
    out->row_count = in->row_count;
    batch_keep(out, in);
    if (!op_run_columns(op, program, in, &out->arena, out->columns)) {
        batch_release(out);
        return NULL;
    }
    return out;
}
