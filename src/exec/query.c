/* query.c: the engine, its source classes, and the life of queries. See exec.h. */
#include <stdlib.h>
#include "base/memory.h"
#include "exec/run.h"

enum { MEMORY_WORTH_GIVING_BACK = 32 << 20 };

/* ---- engine ---- */

struct exec_engine *exec_engine_create(const struct exec_options *options, struct error *error) {
    if (options->spill_directory != NULL && (!world_remove_tree(options->world, options->spill_directory, error) ||
                                                !world_mkdirs(options->world, options->spill_directory, 0700, error))) {
        return NULL;
    }
    struct exec_engine *engine = calloc(1, sizeof *engine);
    ASSERT(engine != NULL);
    engine->world = options->world;
    engine->pool = options->pool;
    engine->memory_limit = options->memory_size;
    engine->metrics = options->metrics;
    if (options->spill_directory != NULL) {
        engine->spill_directory = strdup(options->spill_directory);
        ASSERT(engine->spill_directory != NULL);
    }
    timezone_setup(options->world);
    return engine;
}

void exec_engine_destroy(struct exec_engine *engine) {
    free(engine->spill_directory);
    free(engine);
}

struct world *exec_engine_world(struct exec_engine *engine) {
    return engine->world;
}

size_t exec_slot_count(const struct exec_engine *engine) {
    int count = engine->pool == NULL ? 1 : world_pool_thread_count(engine->pool);
    return count < 1 ? 1 : (size_t)count;
}

/* A slot that is busy for milliseconds would hardly ever be seen by a page that looks now and then: so the most that
 * worked at once is kept for a second. The counters are guesses between seconds when threads meet there. */
int64_t exec_slot_enter(struct exec_engine *engine) {
    int64_t now_ns = world_monotonic_ns(engine->world), second = now_ns / 1000000000;
    int64_t busy = __atomic_add_fetch(&engine->slots_busy, 1, __ATOMIC_RELAXED);
    int64_t former = __atomic_exchange_n(&engine->slot_second, second, __ATOMIC_RELAXED);
    if (former != second) {
        int64_t peak = __atomic_exchange_n(&engine->slots_peak, busy, __ATOMIC_RELAXED);
        __atomic_store_n(&engine->slots_peak_before, former == second - 1 ? peak : 0, __ATOMIC_RELAXED);
    } else if (busy > __atomic_load_n(&engine->slots_peak, __ATOMIC_RELAXED)) {
        __atomic_store_n(&engine->slots_peak, busy, __ATOMIC_RELAXED);
    }
    return now_ns;
}

void exec_slot_leave(struct exec_engine *engine, int64_t entered_ns) {
    __atomic_fetch_sub(&engine->slots_busy, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&engine->busy_ns, world_monotonic_ns(engine->world) - entered_ns, __ATOMIC_RELAXED);
}

void exec_submit(struct exec_engine *engine, world_function *function, void *argument) {
    world_pool_submit(engine->pool, function, argument);
}

static int64_t slots_used(struct exec_engine *engine) {
    int64_t behind =
        world_monotonic_ns(engine->world) / 1000000000 - __atomic_load_n(&engine->slot_second, __ATOMIC_RELAXED);
    int64_t used = __atomic_load_n(&engine->slots_busy, __ATOMIC_RELAXED);
    int64_t peak = behind <= 1 ? __atomic_load_n(&engine->slots_peak, __ATOMIC_RELAXED) : 0;
    int64_t before = behind == 0 ? __atomic_load_n(&engine->slots_peak_before, __ATOMIC_RELAXED) : 0;
    used = peak > used ? peak : used;
    return before > used ? before : used;
}

void exec_engine_usage(struct exec_engine *engine, struct exec_usage *usage) {
    int64_t slot_count = (int64_t)exec_slot_count(engine), used = slots_used(engine);
    *usage = (struct exec_usage){
        .slot_count = slot_count,
        .slots_used = used < 0            ? 0
                      : used > slot_count ? slot_count
                                          : used,
        .busy_ns = __atomic_load_n(&engine->busy_ns, __ATOMIC_RELAXED),
        .memory_limit = engine->memory_limit,
        .memory_used = __atomic_load_n(&engine->memory_used, __ATOMIC_RELAXED),
        .memory_used_max = __atomic_load_n(&engine->memory_used_max, __ATOMIC_RELAXED),
    };
    if (usage->memory_used_max < usage->memory_used) { /* state adds to it without a look at the maximum */
        usage->memory_used_max = usage->memory_used;
    }
}

/* ---- source classes ---- */

void exec_register_source(struct exec_engine *engine, const struct source_class *class, void *context) {
    ASSERT(engine->source_count < ARRAY_COUNT(engine->sources));
    engine->sources[engine->source_count++] = (struct registered_source){class, context};
}

const struct source_class *exec_find_source(struct exec_engine *engine, struct bytes name) {
    for (size_t i = 0; i < engine->source_count; i++) {
        if (bytes_equal_ignore_case(name, bytes_from_text(engine->sources[i].class->name))) {
            return engine->sources[i].class;
        }
    }
    return NULL;
}

void *exec_source_context(struct exec_engine *engine, const struct source_class *class) {
    for (size_t i = 0; i < engine->source_count; i++) {
        if (engine->sources[i].class == class) {
            return engine->sources[i].context;
        }
    }
    return NULL;
}

size_t exec_source_count(struct exec_engine *engine) {
    return engine->source_count;
}

const struct source_class *exec_source_at(struct exec_engine *engine, size_t index) {
    ASSERT(index < engine->source_count);
    return engine->sources[index].class;
}

struct bytes source_option_get(const struct source_request *request, const char *key) {
    for (size_t i = 0; i < request->option_count; i++) {
        if (bytes_equal_ignore_case(request->options[i].key, bytes_from_text(key))) {
            return request->options[i].value;
        }
    }
    return BYTES_NULL;
}

/* ---- queries ---- */

/* And what else lives as long as the query. */
static void free_states(struct exec_query *query) {
    for (size_t i = 0; i < query->states.count; i++) {
        struct exec_state *state = query->states.items[i];
        __atomic_fetch_sub(&query->engine->memory_used, state->memory_counted, __ATOMIC_RELAXED);
        for (size_t p = 0; p < state->partition_count; p++) {
            exec_state_forget_chains(state, p);
        }
        for (size_t s = 0; s < state->store_count; s++) {
            for (size_t p = 0; p < state->partition_count; p++) {
                state_table_free(&state->stores[s].tables[p]);
            }
        }
    }
    VECTOR_FREE(&query->states);
    VECTOR_FREE(&query->watermarks);
    world_mutex_destroy(&query->state_lock);
    for (size_t i = 0; i < query->observations.count; i++) {
        batch_release(query->observations.items[i]->row);
    }
    VECTOR_FREE(&query->observations);
}

struct exec_state *query_add_state(struct exec_query *query, const char *operator_name) {
    struct exec_state *state = ARENA_NEW(&query->arena, struct exec_state);
    state->operator_name = operator_name;
    state->above = query->state_above;
    state->partition_count = state->used_partitions = query->state_partitions;
    state->in_use = true;
    state->parts = ARENA_ARRAY(&query->arena, struct state_part, state->partition_count);
    state->counts[0] = true;
    VECTOR_PUSH(&query->states, state);
    return state;
}

void query_add_store(struct exec_query *query, struct exec_state *state, const char *name, const struct type *key,
    const struct type *value, int prefix_columns) {
    ASSERT(state->store_count < EXEC_STORES_MAX);
    struct exec_store *store = &state->stores[state->store_count++];
    *store = (struct exec_store){
        name, key, value, prefix_columns, ARENA_ARRAY(&query->arena, struct state_table, state->partition_count)};
    for (size_t i = 0; i < state->partition_count; i++) {
        state_table_init(&store->tables[i]);
    }
}

struct exec_watermark *query_add_watermark(struct exec_query *query, int64_t delay_ms) {
    struct exec_watermark *watermark = ARENA_NEW(&query->arena, struct exec_watermark);
    watermark->delay_ms = delay_ms;
    VECTOR_PUSH(&query->watermarks, watermark);
    if (query->state_above != EXEC_NO_STATE) {
        query->states.items[query->state_above]->watermark_below = true;
    }
    return watermark;
}

size_t exec_query_state_count(const struct exec_query *query) {
    return query->states.count;
}

struct exec_state *exec_query_state(const struct exec_query *query, size_t index) {
    ASSERT(index < query->states.count);
    return query->states.items[index];
}

/* Operators have smaller numbers than those below them: from the last to the first all inputs are known. */
static void spread_watermark(struct exec_query *query, int64_t watermark_ms, bool late) {
    size_t count = query->states.count;
    for (size_t i = 0; i < count; i++) {
        struct exec_state *state = query->states.items[i];
        *(late ? &state->late_watermark_ms : &state->eviction_watermark_ms) =
            state->watermark_below ? watermark_ms : INT64_MAX;
    }
    for (size_t i = count; i-- > 0;) {
        struct exec_state *state = query->states.items[i];
        int64_t *own = late ? &state->late_watermark_ms : &state->eviction_watermark_ms;
        *own = state->watermark_hidden ? 0 : *own == INT64_MAX ? watermark_ms : *own;
        if (state->above != EXEC_NO_STATE) {
            struct exec_state *above = query->states.items[state->above];
            int64_t *theirs = late ? &above->late_watermark_ms : &above->eviction_watermark_ms;
            int64_t out = *own + state->output_offset_ms;
            *theirs = out < *theirs ? out : *theirs;
        }
    }
}

void exec_query_set_watermarks(struct exec_query *query, int64_t late_ms, int64_t eviction_ms) {
    spread_watermark(query, late_ms, true);
    spread_watermark(query, eviction_ms, false);
}

size_t exec_query_watermark_count(const struct exec_query *query) {
    return query->watermarks.count;
}

struct exec_watermark *exec_query_watermark(const struct exec_query *query, size_t index) {
    ASSERT(index < query->watermarks.count);
    return query->watermarks.items[index];
}

size_t exec_query_observation_count(const struct exec_query *query) {
    return query->observations.count;
}

const struct exec_observation *exec_query_observation(const struct exec_query *query, size_t index) {
    ASSERT(index < query->observations.count);
    return query->observations.items[index];
}

static struct exec_query *query_create(struct exec_engine *engine, const struct relation *plan,
    const struct exec_settings *settings, const struct exec_query *streaming, struct sql_error *error) {
    struct exec_query *query = calloc(1, sizeof *query);
    ASSERT(query != NULL);
    *query = *streaming;
    query->state_above = EXEC_NO_STATE;
    world_mutex_init(&query->state_lock);
    query->engine = engine;
    query->settings = *settings;
    query->plan = plan;
    query->schema = relation_output_type(&query->arena, plan);
    if (!query_build(query, error)) {
        free_states(query);
        arena_destroy(&query->arena);
        free(query);
        return NULL;
    }
    return query;
}

struct exec_query *exec_query_create(struct exec_engine *engine, const struct relation *plan,
    const struct exec_settings *settings, struct sql_error *error) {
    return query_create(engine, plan, settings, &(struct exec_query){0}, error);
}

struct exec_query *exec_query_create_streaming(struct exec_engine *engine, const struct relation *plan,
    const struct exec_settings *settings, enum exec_mode mode, size_t partition_count, struct sql_error *error) {
    struct exec_query streaming = {.streaming = true, .mode = mode, .state_partitions = partition_count};
    return query_create(engine, plan, settings, &streaming, error);
}

static void run_destroy(struct exec_run *run) {
    if (run != NULL) {
        VECTOR_FREE(&run->tasks);
        world_mutex_destroy(&run->lock);
        arena_destroy(&run->arena);
        free(run);
    }
}

static void give_back(void *size) {
    memory_give_back((size_t)size);
}

void exec_query_destroy(struct exec_query *query) {
    ASSERT(query->run == NULL || query->run->done);
    struct world_pool *pool = query->engine->pool;
    int64_t size = query->run == NULL ? 0 : query->run->memory_max;
    size = size > query->memory_max ? size : query->memory_max;
    for (size_t i = 0; i < query->states.count; i++) {
        size += exec_state_memory_size(query->states.items[i]);
    }
    run_destroy(query->run);
    free_states(query);
    arena_destroy(&query->arena);
    free(query);
    if (size >= MEMORY_WORTH_GIVING_BACK && pool != NULL) {
        world_pool_submit(pool, give_back, (void *)(size_t)size);
    }
}

const struct type *exec_query_schema(const struct exec_query *query) {
    return query->schema;
}

void exec_query_explain(const struct exec_query *query, struct buffer *out) {
    for (size_t i = 0; i < query->operator_count; i++) {
        const struct operator* operator= query->operators[i];
        if (operator->class->step == NULL && operator->class->read == NULL) {
            continue;
        }
        buffer_printf(out, "%*s%s", operator->depth * 2, "", operator->class->name);
        if (operator->class->explain != NULL) {
            buffer_append_byte(out, ' ');
            operator->class->explain(operator, out);
        }
        buffer_append_byte(out, '\n');
    }
}

size_t exec_query_stream_count(const struct exec_query *query) {
    return query->stream_count;
}

const struct relation *exec_query_stream_plan(const struct exec_query *query, size_t stream) {
    ASSERT(stream < query->stream_count);
    return query->streams[stream];
}

void exec_query_bind(struct exec_query *query, size_t stream, struct source *source) {
    ASSERT(stream < query->stream_count);
    query->bound[stream] = source;
}

void exec_query_set_now(struct exec_query *query, int64_t now_us) {
    query->settings.now_us = now_us;
}

/* ---- runs ---- */

static struct exec_run *run_create(
    struct exec_query *query, enum exec_output output, const struct exec_consumer *consumer, bool inline_run) {
    ASSERT(query->run == NULL || query->run->done);
    if (query->run != NULL && query->run->memory_max > query->memory_max) {
        query->memory_max = query->run->memory_max;
    }
    run_destroy(query->run);
    struct exec_run *run = calloc(1, sizeof *run);
    ASSERT(run != NULL);
    run->query = query;
    run->engine = query->engine;
    run->output = output;
    run->consumer = *consumer;
    run->inline_run = inline_run;
    run->holds = 1;
    run->error.arena = &run->arena;
    run->shared = ARENA_ARRAY(&run->arena, void *, query->operator_count);
    run->partition_bases = ARENA_ARRAY(&run->arena, size_t, query->operator_count);
    run->counters = ARENA_ARRAY(&run->arena, struct op_counters, query->operator_count);
    world_mutex_init(&run->lock);
    run->started_ms = world_wall_ms(run->engine->world);
    run->started_ns = world_monotonic_ns(run->engine->world);
    for (size_t i = 0; i < query->stream_count; i++) {
        query->stream_rows[i] = 0;
    }
    query->run = run;
    return run;
}

void exec_query_start(struct exec_query *query, enum exec_output output, const struct exec_consumer *consumer) {
    run_start(run_create(query, output, consumer, false));
}

bool exec_query_never_waits(const struct exec_query *query) {
    bool waits = false;
    for (size_t i = 0; i < query->operator_count; i++) {
        waits = waits || query->operators[i]->class->waits ||
                (query->operators[i]->state != NULL && state_memory_is_short(query));
    }
    return !waits;
}

static void run_tasks(struct exec_run *run) {
    run_start(run);
    for (size_t i = 0; !run->done; i++) {
        ASSERT(i < run->tasks.count); /* a source that blocks has no one to wake it here */
        struct inline_task task = run->tasks.items[i];
        task.function(task.argument);
    }
}

void exec_query_run_here(struct exec_query *query, enum exec_output output, const struct exec_consumer *consumer) {
    run_tasks(run_create(query, output, consumer, true));
}

void exec_query_resume(struct exec_query *query) {
    struct exec_run *run = query->run;
    const struct operator* result = query->operators[0];
    op_result_resume(run, run->shared[result->index]);
}

void exec_query_cancel(struct exec_query *query) {
    struct exec_run *run = query->run;
    if (run != NULL) {
        __atomic_store_n(&run->cancelled, 1, __ATOMIC_RELEASE);
        if (run->shared[query->operators[0]->index] != NULL) {
            op_result_resume(run, run->shared[query->operators[0]->index]);
        }
        run_wake_workers(run);
    }
}

struct collected {
    VECTOR(struct batch *) batches;
    struct sql_error *error;
    bool failed;
};

static enum exec_demand collect_batch(void *argument, struct batch *batch, size_t partition) {
    struct collected *collected = argument;
    VECTOR_PUSH(&collected->batches, batch_retain(batch));
    return EXEC_MORE;
}

static void collect_done(void *argument, const struct sql_error *error) {
    struct collected *collected = argument;
    if (error != NULL) {
        collected->failed = true;
        sql_error_copy(collected->error, error);
    }
}

bool exec_query_run(struct exec_query *query, struct batch ***batches, size_t *batch_count, struct sql_error *error) {
    struct collected collected = {.error = error};
    struct exec_consumer consumer = {.argument = &collected, .on_batch = collect_batch, .on_done = collect_done};
    run_tasks(run_create(query, EXEC_OUTPUT_ORDERED, &consumer, true));
    if (collected.failed) {
        for (size_t i = 0; i < collected.batches.count; i++) {
            batch_release(collected.batches.items[i]);
        }
        VECTOR_FREE(&collected.batches);
        return false;
    }
    *batches = collected.batches.items;
    *batch_count = collected.batches.count;
    return true;
}

/* ---- progress ---- */

void exec_query_progress(const struct exec_query *query, struct exec_progress *progress) {
    *progress = (struct exec_progress){0};
    const struct exec_run *run = query->run;
    if (run == NULL) {
        return;
    }
    int64_t end_ns = run->done ? run->ended_ns : world_monotonic_ns(run->engine->world);
    int64_t running = __atomic_load_n(&run->workers_left, __ATOMIC_RELAXED);
    *progress = (struct exec_progress){
        .task_count = __atomic_load_n(&run->partitions_total, __ATOMIC_RELAXED),
        .tasks_done = __atomic_load_n(&run->partitions_done, __ATOMIC_RELAXED),
        .tasks_running = run->done ? 0 : running,
        .input_rows = __atomic_load_n(&run->input_rows, __ATOMIC_RELAXED),
        .input_bytes = __atomic_load_n(&run->input_bytes, __ATOMIC_RELAXED),
        .output_rows = __atomic_load_n(&run->output_rows, __ATOMIC_RELAXED),
        .memory_size = __atomic_load_n(&run->memory, __ATOMIC_RELAXED),
        .memory_size_max = __atomic_load_n(&run->memory_max, __ATOMIC_RELAXED),
        .spilled_size = __atomic_load_n(&run->spilled, __ATOMIC_RELAXED),
        .started_ms = run->started_ms,
        .duration_ms = (end_ns - run->started_ns) / 1000000,
    };
}

int64_t exec_query_stream_rows(const struct exec_query *query, size_t stream) {
    ASSERT(stream < query->stream_count);
    return __atomic_load_n(&query->stream_rows[stream], __ATOMIC_RELAXED);
}

size_t exec_query_operator_count(const struct exec_query *query) {
    return query->operator_count;
}

void exec_query_operator_progress(
    const struct exec_query *query, size_t index, struct exec_operator_progress *progress) {
    ASSERT(index < query->operator_count);
    const struct operator* operator= query->operators[index];
    *progress = (struct exec_operator_progress){.name = operator->class->name, .depth = operator->depth };
    if (query->run != NULL) {
        const struct op_counters *counters = &query->run->counters[index];
        progress->input_rows = __atomic_load_n(&counters->input_rows, __ATOMIC_RELAXED);
        progress->output_rows = __atomic_load_n(&counters->output_rows, __ATOMIC_RELAXED);
        progress->batches = __atomic_load_n(&counters->batches, __ATOMIC_RELAXED);
        progress->duration_ns = __atomic_load_n(&counters->duration_ns, __ATOMIC_RELAXED);
        progress->memory_size = __atomic_load_n(&counters->memory_size, __ATOMIC_RELAXED);
    }
}
