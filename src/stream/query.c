/* query.c: the micro-batch loop as a state machine (see README.md). Every step runs on the manager's loop and hands
 * work that may wait to a pool; the work's end is posted back. Between the steps nothing is held but the query itself.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "stream/internal.h"

enum { SMALL_BATCH_ROWS = 1000 };

static void schedule_sync(struct stream_query *query);

static int64_t now_ns(const struct stream_query *query) {
    return world_monotonic_ns(query->manager->options.world);
}

static int64_t since_ms(const struct stream_query *query, int64_t start_ns) {
    return (now_ns(query) - start_ns) / 1000000;
}

static void copy_buffer(struct buffer *to, const struct buffer *from) {
    buffer_clear(to);
    buffer_append_bytes(to, buffer_view(from));
}

void query_set_status(struct stream_query *query, const char *message, bool data, bool active) {
    free(query->status);
    query->status = strdup(message);
    query->is_data_available = data;
    query->is_trigger_active = active;
}

/* ---- references ---- */

struct stream_query *stream_query_retain(struct stream_query *query) {
    __atomic_fetch_add(&query->references, 1, __ATOMIC_RELAXED);
    return query;
}

void stream_query_release(struct stream_query *query) {
    if (query == NULL || __atomic_sub_fetch(&query->references, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    ASSERT(query->state == QUERY_ENDED);
    for (size_t i = 0; i < query->progress.count; i++) {
        free((void *)(uintptr_t)query->progress.items[i].data);
    }
    VECTOR_FREE(&query->progress);
    VECTOR_FREE(&query->history);
    buffer_free(&query->plan);
    buffer_free(&query->logical_plan);
    free(query->status);
    world_mutex_destroy(&query->mutex);
    format_reports_destroy(&query->reports);
    arena_destroy(&query->error_arena);
    arena_destroy(&query->arena);
    free(query);
}

/* ---- waking ---- */

static void handle_wake(void *argument);

void query_woken(void *argument) {
    struct stream_query *query = argument;
    lag_note_append(query);
    if (__atomic_exchange_n(&query->woken, 1, __ATOMIC_ACQ_REL) == 0) {
        world_loop_post(query->manager->options.loop, handle_wake, stream_query_retain(query));
    }
}

static void timer_fired(void *argument) {
    query_run(argument);
}

static void run_after(struct stream_query *query, int64_t delay_ms) {
    if (query->timer == NULL) {
        query->timer = world_timer_create(query->manager->options.loop, timer_fired, query);
    }
    world_timer_start(query->timer, delay_ms < 0 ? 0 : delay_ms, 0);
}

/* The next trigger: at once, or when raudal.stream.minBatchInterval is over. */
static void run_next(struct stream_query *query) {
    int64_t since = since_ms(query, query->batch_started_ns);
    if (query->batch_interval_ms > since && query->batch_started_ns > 0 && query->batch_id > query->recover_until) {
        run_after(query, query->batch_interval_ms - since);
    } else {
        query_run(query);
    }
}

static void handle_wake(void *argument) {
    struct stream_query *query = argument;
    __atomic_store_n(&query->woken, 0, __ATOMIC_RELEASE);
    if (query->state == QUERY_WAITING) {
        if (query->start.trigger == STREAM_TRIGGER_DEFAULT || query->start.trigger == STREAM_TRIGGER_REAL_TIME) {
            run_next(query);
        }
    } else {
        query->rerun = true;
    }
    stream_query_release(query);
}

/* ---- planning (disk pool) ---- */

static bool ask_latest(struct stream_query *query, struct sql_error *error) {
    int64_t start = now_ns(query);
    bool good = true;
    for (size_t i = 0; i < query->source_count && good; i++) {
        struct query_source *source = &query->sources[i];
        buffer_clear(&source->latest);
        good = source->reading->class->latest(source->reading, &source->latest, error);
        if (good && query->start.trigger == STREAM_TRIGGER_AVAILABLE_NOW && source->reading->class->prepare == NULL) {
            if (source->available.size == 0) {
                copy_buffer(&source->available, &source->latest);
            }
            copy_buffer(&source->latest, &source->available);
        }
    }
    query->durations.latest_offset = since_ms(query, start);
    return good;
}

/* Ends of the next batch; *new_data: some source has more than before. */
static bool choose_ends(struct stream_query *query, bool *new_data, struct sql_error *error) {
    int64_t now_ms = world_wall_ms(query->manager->options.world);
    bool good = true;
    *new_data = false;
    for (size_t i = 0; i < query->source_count && good; i++) {
        struct query_source *source = &query->sources[i];
        const struct stream_source_class *class = source->reading->class;
        buffer_clear(&source->end);
        if (class->limit != NULL && (query->start.trigger != STREAM_TRIGGER_ONCE || class->prepare != NULL)) {
            source->wait_ms = 0;
            good = class->limit(source->reading, buffer_view(&source->start), buffer_view(&source->latest), now_ms,
                &source->end, &source->wait_ms, error);
        } else {
            copy_buffer(&source->end, &source->latest);
        }
        *new_data |= good && !bytes_equal(buffer_view(&source->end), buffer_view(&source->start));
    }
    /* The first batch runs without data, too; but not before there is a topic to read. */
    bool anything = false;
    for (size_t i = 0; i < query->source_count; i++) {
        anything |= !bytes_equal(buffer_view(&query->sources[i].end), BYTES("{}"));
    }
    *new_data = *new_data || (query->first_batch && anything && !query->long_batch);
    return good;
}

static bool write_offsets(struct stream_query *query, struct sql_error *error) {
    int64_t start = now_ns(query);
    struct offset_entry entry = {.batch_id = query->batch_id,
        .watermark_ms = query->batch_watermark_ms,
        .timestamp_ms = query->batch_timestamp_ms,
        .offsets = calloc(query->source_count + 1, sizeof(struct buffer)),
        .source_count = query->source_count,
        .shuffle_partitions = query->state_partitions,
        .watermark_is_maximum = query->watermark_is_maximum,
        .exactly_once = query->sink_class == &kafka_sink_class && query->sink_request.exactly_once,
        .boot_id = query->checkpoint.temporary ? 0 : world_boot_id(query->manager->options.world)};
    ASSERT(entry.offsets != NULL);
    for (size_t i = 0; i < query->source_count; i++) {
        copy_buffer(&entry.offsets[i], &query->sources[i].end);
    }
    bool good = checkpoint_write_offsets(&query->checkpoint, &entry, error);
    offset_entry_free(&entry);
    query->durations.wal_commit = since_ms(query, start);
    return good;
}

static bool make_batches(struct stream_query *query, struct sql_error *error) {
    int64_t start = now_ns(query);
    for (size_t i = 0; i < query->source_count; i++) {
        struct query_source *source = &query->sources[i];
        source->batch = source->reading->class->batch(
            source->reading, buffer_view(&source->start), buffer_view(&source->end), error);
        if (source->batch == NULL) {
            return false;
        }
    }
    query->durations.query_planning = since_ms(query, start);
    return true;
}

static bool begin_sink(struct stream_query *query, struct sql_error *error) {
    int64_t latest = -1;
    bool done = false;
    query->skip_execution = false;
    if (query->recovering && query->sink_class->latest != NULL) {
        if (!query->sink_class->latest(query->sink, &latest, error)) {
            return false;
        }
        query->skip_execution = latest != INT64_MAX && latest >= query->batch_id;
    }
    return query->skip_execution || query->sink_class->begin(query->sink, query->batch_id, &done, error);
}

static void plan_batch(void *argument) {
    struct stream_query *query = argument;
    struct sql_error *error = &query->error;
    bool new_data = query->recovering;
    query->has_batch = query->without_data = false;
    query->durations = (struct durations){0};
    if (!query->recovering) {
        query->batch_timestamp_ms = query->trigger_start_ms;
        if (!ask_latest(query, error) || !choose_ends(query, &new_data, error)) {
            return;
        }
        query->without_data = !new_data && event_time_wants_batch(query);
        for (size_t i = 0; i < query->source_count && query->without_data; i++) {
            copy_buffer(&query->sources[i].end, &query->sources[i].start);
        }
        query->batch_watermark_ms = new_data || query->without_data ? query->watermark_ms : query->batch_watermark_ms;
        if ((!new_data && !query->without_data) || (!real_time_is_piece(query) && !write_offsets(query, error))) {
            return;
        }
    } else {
        for (size_t i = 0; i < query->source_count; i++) {
            buffer_clear(&query->sources[i].latest); /* nobody asks for it, and the progress says so, as in Spark */
        }
    }
    query->has_batch = make_batches(query, error) && begin_sink(query, error);
}

/* ---- running (compute pool) ---- */

static void note_problem(struct stream_query *query, const struct error *problem) {
    world_mutex_lock(&query->mutex);
    if (!query->failed) {
        query->failed = true;
        query->problem = *problem;
    }
    world_mutex_unlock(&query->mutex);
}

static enum exec_demand take_batch(void *argument, struct batch *batch, size_t partition) {
    struct stream_query *query = argument;
    struct error problem = {0};
    if (!query->sink_class->write(query->sink, batch, partition, &problem)) {
        note_problem(query, &problem);
        return EXEC_ENOUGH;
    }
    return EXEC_MORE;
}

static void take_partition_end(void *argument, size_t partition) {
    struct stream_query *query = argument;
    struct error problem = {0};
    if (query->sink_class->end_partition != NULL &&
        !query->sink_class->end_partition(query->sink, partition, &problem)) {
        note_problem(query, &problem);
    }
}

static void batch_ran(void *argument);

static void take_done(void *argument, const struct sql_error *error) {
    struct stream_query *query = argument;
    if (error != NULL) {
        sql_error_copy(&query->error, error);
    }
    world_loop_post(query->manager->options.loop, batch_ran, query);
}

/* ---- committing (disk pool, and whoever ends the sink's commit) ---- */

static void batch_committed(void *argument);

static void write_commit(void *argument) {
    struct stream_query *query = argument;
    int64_t start = now_ns(query);
    bool good = !query->failed &&
                (!query->skip_execution ||
                    state_files_advance(&query->state_files, query->exec, query->batch_id + 1, &query->error)) &&
                (query->batch_id <= query->committed_until ||
                    checkpoint_write_commit(&query->checkpoint, query->batch_id, query->watermark_ms, &query->error));
    if (good && query->batch_id % 10 == 0) {
        checkpoint_purge(&query->checkpoint, &query->purged_until, query->batch_id - query->state_files.versions_kept);
    }
    query->durations.commit_offsets = since_ms(query, start);
    world_loop_post(query->manager->options.loop, batch_committed, query);
}

static void sink_committed(void *argument, const struct error *error) {
    struct stream_query *query = argument;
    if (error != NULL) {
        note_problem(query, error);
    }
    if (real_time_is_piece(query)) {
        world_loop_post(query->manager->options.loop, batch_committed, query);
        return;
    }
    world_pool_submit(query->manager->options.disk_pool, write_commit, query);
}

static void state_unsaved(struct stream_query *query) {
    if (query->sink_class->abort != NULL) {
        query->sink_class->abort(query->sink);
    }
    world_loop_post(query->manager->options.loop, batch_committed, query);
}

static void commit_sink(struct stream_query *query) {
    for (size_t i = 0; i < query->source_count && query->sink_class->stand != NULL; i++) {
        if (query->sources[i].reading->class == &kafka_stream_class) {
            query->sink_class->stand(query->sink, buffer_view(&query->sources[i].end));
        }
    }
    query->sink_class->commit(query->sink, query->batch_id, sink_committed, query);
}

/* One of the threads that write the state; the last one goes on. */
static void save_state(void *argument) {
    struct stream_query *query = argument;
    state_files_save_some(query->state_save);
    if (__atomic_sub_fetch(&query->state_savers, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    bool good = state_files_save_end(query->state_save);
    query->state_save = NULL;
    query->state_commit_ms = since_ms(query, query->state_save_ns);
    if (good) {
        commit_sink(query);
    } else {
        state_unsaved(query);
    }
}

/* State first, then the sink. */
static void commit_batch(void *argument) {
    struct stream_query *query = argument;
    if (exec_query_state_count(query->exec) == 0) {
        query->state_commit_ms = 0;
        commit_sink(query);
        return;
    }
    query->state_save_ns = now_ns(query);
    query->state_save = state_files_save_begin(&query->state_files, query->exec, query->batch_id + 1, &query->error);
    if (query->state_save == NULL) {
        state_unsaved(query);
        return;
    }
    struct world_pool *pool = query->manager->options.disk_pool;
    size_t most = (size_t)world_pool_thread_count(pool) / 2, count = state_files_save_count(query->state_save);
    count = count > most ? most : count;
    count = count < 1 ? 1 : count;
    query->state_savers = (int)count;
    for (size_t i = 1; i < count; i++) {
        world_pool_submit(pool, save_state, query);
    }
    save_state(query);
}

/* What a long batch read. */
static void write_long_batch(void *argument) {
    struct stream_query *query = argument;
    if (write_offsets(query, &query->error)) {
        write_commit(query);
    } else {
        world_loop_post(query->manager->options.loop, batch_committed, query);
    }
}

/* ---- the loop's steps ---- */

static void close_batches(struct stream_query *query) {
    for (size_t i = 0; i < query->source_count; i++) {
        struct query_source *source = &query->sources[i];
        if (source->batch != NULL) {
            source->batch->class->close(source->batch);
            source->batch = NULL;
        }
    }
}

static void finish_process_all(struct stream_query *query) {
    LIST_FOR_EACH(node, &query->waiting) {
        struct waiting *waiting = CONTAINER_OF(node, struct waiting, node);
        if (waiting->process_all && waiting->planned) {
            waiting_end(waiting, true, NULL);
        }
    }
}

static void idle_fired(void *argument) {
    struct stream_query *query = argument;
    if (query->state == QUERY_WAITING) {
        progress_idle(query);
    }
}

/* Nothing to do until an append, or the trigger's time. */
static void wait_for_more(struct stream_query *query) {
    int64_t wall = world_wall_ms(query->manager->options.world), poll = INT64_MAX;
    query->state = QUERY_WAITING;
    if (query->start.trigger == STREAM_TRIGGER_PROCESSING_TIME && query->interval_ms > 0) {
        query_set_status(query, "Waiting for next trigger", query->is_data_available, false);
        run_after(query, query->interval_ms - wall % query->interval_ms);
    } else if (query->rerun) {
        query->rerun = false;
        run_after(query, 0);
    } else {
        for (size_t i = 0; i < query->source_count; i++) {
            const struct stream_source_class *class = query->sources[i].reading->class;
            int64_t every = class->subscribe != NULL ? INT64_MAX : class->poll_ms > 0 ? class->poll_ms : 100;
            int64_t limited = query->sources[i].wait_ms > 0 ? query->sources[i].wait_ms : INT64_MAX;
            poll = every < poll ? every : poll;
            poll = limited < poll ? limited : poll;
        }
        int64_t timeout = event_time_next_timeout(query);
        int64_t until = timeout == INT64_MAX ? INT64_MAX : timeout < wall ? 0 : timeout + 1 - wall;
        poll = until < poll ? until : poll;
        query_set_status(query, "Waiting for data to arrive", false, false);
        poll = real_time_left_ms(query) < poll ? real_time_left_ms(query) : poll;
        if (poll != INT64_MAX) {
            run_after(query, poll);
        }
    }
    if (query->idle_timer == NULL) {
        query->idle_timer = world_timer_create(query->manager->options.loop, idle_fired, query);
        world_timer_start(query->idle_timer, IDLE_EVENT_MS, IDLE_EVENT_MS);
    }
}

/* A few rows that go from memory into memory: the way to another thread and back would take longer than the work. */
static bool is_small(struct stream_query *query) {
    int64_t rows = 0;
    if (!query->sink_class->is_quick || !exec_query_never_waits(query->exec)) {
        return false;
    }
    for (size_t i = 0; i < query->source_count && rows <= SMALL_BATCH_ROWS; i++) {
        struct query_source *source = &query->sources[i];
        if (source->reading->class->size == NULL) {
            return false;
        }
        rows += source->reading->class->size(source->reading, buffer_view(&source->start), buffer_view(&source->end));
    }
    return rows <= SMALL_BATCH_ROWS;
}

static void batch_planned(void *argument) {
    struct stream_query *query = argument;
    if (query->error.condition != 0) {
        query_fail(query);
        return;
    }
    if (query->stopping) {
        query_end(query);
        return;
    }
    if (!query->has_batch) {
        finish_process_all(query);
        bool ends = query->start.trigger == STREAM_TRIGGER_ONCE || query->start.trigger == STREAM_TRIGGER_AVAILABLE_NOW;
        if (ends) {
            query_end(query);
        } else {
            wait_for_more(query);
        }
        return;
    }
    query->batch_started_ns = query->trigger_start_ns;
    query_set_status(query, "Processing new data", true, true);
    if (query->skip_execution) {
        service_log_write(query->manager->options.service_log, LOG_INFO, "MicroBatchExecution",
            "Skipping already committed batch %lld", (long long)query->batch_id);
        query->state = QUERY_COMMITTING;
        world_pool_submit(query->manager->options.disk_pool, write_commit, query);
        return;
    }
    for (size_t i = 0; i < query->source_count; i++) {
        exec_query_bind(query->exec, i, query->sources[i].batch);
    }
    static const struct exec_consumer consumer = {
        .on_batch = take_batch, .on_partition_end = take_partition_end, .on_done = take_done};
    struct exec_consumer mine = consumer;
    mine.argument = query;
    query->state = QUERY_RUNNING;
    query->failed = false;
    exec_query_set_now(query->exec, query->batch_timestamp_ms * 1000);
    event_time_begin_batch(query);
    if (is_small(query)) {
        exec_query_run_here(query->exec, EXEC_OUTPUT_PARTITIONED, &mine);
    } else {
        exec_query_start(query->exec, EXEC_OUTPUT_PARTITIONED, &mine);
    }
}

static void batch_ran(void *argument) {
    struct stream_query *query = argument;
    for (size_t i = 0; i < query->source_count; i++) {
        query->sources[i].rows = exec_query_stream_rows(query->exec, i);
    }
    close_batches(query);
    if (query->error.condition == 0 && !query->failed) {
        (void)exec_query_account_state(query->exec, &query->error);
    }
    if (query->error.condition != 0 || query->failed || query->stopping) {
        if (query->sink_class->abort != NULL) {
            query->sink_class->abort(query->sink);
        }
        if (query->stopping) {
            query_end(query);
        } else {
            query_fail(query);
        }
        return;
    }
    event_time_end_batch(query);
    query->state = QUERY_COMMITTING;
    if (query->sink_class->is_quick && exec_query_state_count(query->exec) == 0) {
        commit_batch(query);
    } else {
        world_pool_submit(query->manager->options.disk_pool, commit_batch, query);
    }
}

/* A long batch ends: it is written to the checkpoint. */
static void end_long_batch(struct stream_query *query) {
    query->state = QUERY_COMMITTING;
    query->long_ends = true;
    real_time_end_batch(query);
    world_pool_submit(query->manager->options.disk_pool, write_long_batch, query);
}

static void piece_committed(struct stream_query *query) {
    lag_end_batch(query);
    query_note_bad_record(query);
    real_time_end_piece(query);
    lag_show(query);
    query->state = QUERY_WAITING;
    if (query->stopping) {
        end_long_batch(query);
    } else {
        query_run(query);
    }
}

static void batch_committed(void *argument) {
    struct stream_query *query = argument;
    close_batches(query);
    if (query->error.condition != 0 || query->failed) {
        query_fail(query);
        return;
    }
    if (real_time_is_piece(query) && !query->long_ends) {
        piece_committed(query);
        return;
    }
    query->long_ends = false;
    query->durations.trigger_execution = since_ms(query, query->trigger_start_ns);
    query->durations.add_batch = query->durations.trigger_execution - query->durations.latest_offset -
                                 query->durations.query_planning - query->durations.wal_commit -
                                 query->durations.commit_offsets;
    query_set_status(query, "Waiting for data to arrive", false, false);
    lag_end_batch(query);
    progress_make(query);
    query_note_bad_record(query);
    for (size_t i = 0; i < query->source_count; i++) {
        copy_buffer(&query->sources[i].start, &query->sources[i].end);
        if (query->checkpoint.temporary) { /* nobody goes on from it: there is nothing to wait for */
            copy_buffer(&query->sources[i].safe, &query->sources[i].end);
        }
    }
    lag_show(query);
    schedule_sync(query);
    query->late_watermark_ms = query->batch_watermark_ms;
    query->batch_id++;
    query->first_batch = false;
    query->recovering = false;
    query->state = QUERY_WAITING;
    if (query->stopping ||
        query->start.trigger == STREAM_TRIGGER_ONCE /* also when that batch was one to go on with */) {
        query_end(query);
    } else if (query->start.trigger == STREAM_TRIGGER_PROCESSING_TIME && query->interval_ms > 0) {
        wait_for_more(query);
    } else {
        run_next(query);
    }
}

/* Recovery with several batches behind: offsets of the next one that were written before. */
static void find_next_recovery(struct stream_query *query) {
    int64_t offsets, commits;
    struct sql_error *error = &query->error;
    if (query->recovering || !checkpoint_latest(&query->checkpoint, &offsets, &commits, error) ||
        offsets < query->batch_id) {
        return;
    }
    struct offset_entry entry;
    if (checkpoint_read_offsets(&query->checkpoint, query->batch_id, query->source_count, &entry, error)) {
        for (size_t i = 0; i < query->source_count; i++) {
            copy_buffer(&query->sources[i].end, &entry.offsets[i]);
        }
        query->recovering = true;
        query->batch_timestamp_ms = entry.timestamp_ms;
        query->batch_watermark_ms = entry.watermark_ms;
    }
    offset_entry_free(&entry);
}

static void plan_work(void *argument) {
    struct stream_query *query = argument;
    for (size_t i = 0; i < query->source_count; i++) {
        struct query_source *source = &query->sources[i];
        if (source->to_clean.size > 0 && source->reading->class->clean != NULL) {
            source->reading->class->clean(source->reading, buffer_view(&source->to_clean));
        }
        buffer_clear(&source->to_clean);
    }
    if (query->batch_id <= query->recover_until) {
        find_next_recovery(query);
    }
    if (query->error.condition == 0) {
        plan_batch(query);
    }
}

void query_run(struct stream_query *query) {
    if (query->state != QUERY_WAITING) {
        query->rerun = true;
        return;
    }
    if (real_time_left_ms(query) == 0 || (query->long_batch && query->stopping)) {
        end_long_batch(query);
        return;
    }
    if (query->stopping) {
        query_end(query);
        return;
    }
    if (query->timer != NULL) {
        world_timer_stop(query->timer);
    }
    query->rerun = false;
    query->state = QUERY_PLANNING;
    query->last_trigger_ms = query->trigger_start_ms;
    query->trigger_start_ns = now_ns(query);
    query->trigger_start_ms = world_wall_ms(query->manager->options.world);
    query->is_trigger_active = true;
    lag_begin_batch(query);
    for (size_t i = 0; i < query->source_count; i++) {
        struct query_source *source = &query->sources[i];
        if (source->safe.size > 0) {
            copy_buffer(&source->to_clean, &source->safe);
            buffer_clear(&source->safe);
        }
    }
    LIST_FOR_EACH(node, &query->waiting) {
        CONTAINER_OF(node, struct waiting, node)->planned = true;
    }
    if (query->long_batch) { /* the first piece has found what may need the disk */
        plan_work(query);
        batch_planned(query);
        return;
    }
    world_pool_run(query->manager->options.disk_pool, query->manager->options.loop, plan_work, batch_planned, query);
}

/* ---- the end ---- */

void query_fail(struct stream_query *query) {
    char id[UUID_TEXT_SIZE], run[UUID_TEXT_SIZE];
    uuid_format(query->id, id);
    uuid_format(query->run_id, run);
    if (query->error.condition == 0 && query->failed) {
        struct buffer description = {0};
        query->sink_class->describe(query->sink, &description);
        if (query->sink_class == &foreach_batch_sink_class) {
            raise_foreach_batch_user_function_error(&query->error, query->problem.message);
        } else if (query->sink_class == &foreach_sink_class) {
            raise_foreach_user_function_error(&query->error, query->problem.message);
        } else {
            raise_task_write_failed(&query->error, buffer_text(&description), query->problem.message);
        }
        buffer_free(&description);
    }
    raise_stream_failed(&query->exception, id, run, sql_error_message(&query->error));
    query->has_exception = true;
    service_log_write(query->manager->options.service_log, LOG_ERROR, "MicroBatchExecution",
        "Query %s[id = %s, runId = %s] terminated with error: %s",
        query->start.name.size > 0 ? arena_text(&query->arena, query->start.name) : "", id, run,
        sql_error_message(&query->error));
    query_end(query);
}

static void drop_temporary(void *argument) {
    struct stream_query *query = argument;
    struct error ignored;
    if (query->checkpoint.temporary && query->checkpoint.location != NULL) {
        (void)store_delete(query->manager->options.store, query->checkpoint.location, true, &ignored);
    }
}

static void forget(void *argument) {
    struct stream_query *query = argument;
    struct stream_manager *manager = query->manager;
    stream_query_release(query);
    manager->ending--;
    manager_check_gone(manager);
}

static void destroy_timer(struct world_timer **timer) {
    if (*timer != NULL) {
        world_timer_destroy(*timer);
        *timer = NULL;
    }
}

static void free_sources(struct stream_query *query) {
    close_batches(query);
    for (size_t i = 0; i < query->source_count; i++) {
        struct query_source *source = &query->sources[i];
        if (source->subscription != NULL) {
            source->reading->class->unsubscribe(source->reading, source->subscription);
        }
        if (source->reading != NULL) {
            source->reading->class->close(source->reading);
        }
        struct buffer *buffers[] = {&source->start, &source->end, &source->latest, &source->available,
            &source->description, &source->syncing, &source->safe, &source->to_clean, &source->long_start};
        for (size_t j = 0; j < ARRAY_COUNT(buffers); j++) {
            buffer_free(buffers[j]);
        }
    }
    query->source_count = 0;
}

static void free_parts(struct stream_query *query) {
    lag_end(query);
    free_sources(query);
    bool kept = query->sink_class == &memory_sink_class && query->in_session; /* its table lives on with the session */
    if (query->sink != NULL && !kept) {
        query->sink_class->destroy(query->sink);
    }
    query->sink = NULL;
    if (query->exec != NULL) {
        query_explain_logical(query, &query->logical_plan);
        exec_query_explain(query->exec, &query->plan);
        exec_query_destroy(query->exec);
        query->exec = NULL;
    }
    for (size_t i = 0; i < query->unsynced.count; i++) {
        free(query->unsynced.items[i]);
    }
    VECTOR_FREE(&query->unsynced);
    buffer_free(&query->synced_end);
    query_release_plan(query);
}

void query_end(struct stream_query *query) {
    ASSERT(query->state != QUERY_RUNNING || query->exec != NULL);
    query->state = QUERY_ENDED;
    destroy_timer(&query->timer);
    destroy_timer(&query->idle_timer);
    destroy_timer(&query->sync_timer);
    destroy_timer(&query->lag_timer);
    if (query->syncing) { /* its end comes back here */
        return;
    }
    query_set_status(query, query->has_exception ? "Terminated with exception" : "Stopped", false, false);
    if (query->in_session) {
        char id[UUID_TEXT_SIZE], run[UUID_TEXT_SIZE];
        uuid_format(query->id, id);
        uuid_format(query->run_id, run);
        if (!query->has_exception) {
            service_log_write(query->manager->options.service_log, LOG_INFO, "MicroBatchExecution",
                "Query [id = %s, runId = %s] was stopped", id, run);
        }
    }
    free_parts(query);
    query->ended_ms = world_wall_ms(query->manager->options.world);
    if (query->in_session) {
        progress_terminated(query);
    }
    waiting_end_all(&query->waiting, query->has_exception ? &query->exception : NULL);
    query->manager->ending++;
    session_query_ended(query);
    world_pool_run(query->manager->options.disk_pool, query->manager->options.loop, drop_temporary, forget, query);
}

static void stop_posted(void *argument) {
    struct stream_query *query = argument;
    if (query->state == QUERY_WAITING) {
        query_run(query); /* sees that it is to end */
    } else if (query->state == QUERY_ENDED && !query->syncing) {
        waiting_end_all(&query->waiting, query->has_exception ? &query->exception : NULL);
    }
    stream_query_release(query);
}

void stream_query_stop(struct stream_query *query, void (*done)(void *argument), void *argument) {
    if (done != NULL) {
        waiting_add(&query->waiting, query->manager->options.loop, -1, NULL, argument)->stopped = done;
    }
    query->stopping = true;
    if (query->state == QUERY_RUNNING) {
        exec_query_cancel(query->exec);
    }
    world_loop_post(query->manager->options.loop, stop_posted, stream_query_retain(query));
}

/* ---- syncing in the background: the log up to the offsets, then outputs, then offsets and commits ---- */

struct sync_job {
    struct stream_query *query;
    char **paths;
    size_t count;
    int left;
    int64_t batch_id; /* the newest whose files are among them */
};

static void sync_ended(void *argument) {
    struct stream_query *query = argument;
    query->syncing = false;
    for (size_t i = 0; i < query->source_count && !query->sync_failed; i++) {
        copy_buffer(&query->sources[i].safe, &query->sources[i].syncing);
    }
    if (query->state == QUERY_ENDED) {
        query_end(query);
    } else if (query->unsynced.count > 0) {
        schedule_sync(query);
    }
    stream_query_release(query);
}

/* Those of the checkpoint and of the outputs. */
static bool sync_file_systems(const struct sync_job *job, struct error *error) {
    struct arena arena = {0};
    struct store *store = job->query->manager->options.store;
    const char *output = store_path_parent(&arena, job->paths[0]);
    bool good = store_sync_everything(store, job->query->checkpoint.location, error) &&
                (output == NULL || store_sync_everything(store, output, error));
    arena_destroy(&arena);
    return good;
}

static void sync_files(void *argument) {
    struct sync_job *job = argument;
    struct stream_query *query = job->query;
    struct store *store = query->manager->options.store;
    struct error problem = {0};
    bool good = (!query->sync_everything || sync_file_systems(job, &problem)) &&
                store_sync_files(store, (const char *const *)job->paths, job->count, &problem) &&
                recovery_mark_synced(query, job->batch_id, &problem);
    query->sync_failed = query->sync_everything = !good;
    if (!good) {
        service_log_write(query->manager->options.service_log, LOG_WARN, "MicroBatchExecution", "Syncing failed: %s",
            problem.message);
    }
    for (size_t i = 0; i < job->count; i++) {
        free(job->paths[i]);
    }
    free(job->paths);
    world_loop_post(job->query->manager->options.loop, sync_ended, job->query);
    free(job);
}

static void log_synced(void *argument, bool ok) {
    struct sync_job *job = argument;
    if (__atomic_sub_fetch(&job->left, 1, __ATOMIC_ACQ_REL) == 0) {
        world_pool_submit(job->query->manager->options.disk_pool, sync_files, job);
    }
}

static void sync_fired(void *argument) {
    struct stream_query *query = argument;
    if (query->syncing || query->unsynced.count == 0 || query->state == QUERY_ENDED) {
        return;
    }
    struct sync_job *job = calloc(1, sizeof *job);
    ASSERT(job != NULL);
    *job = (struct sync_job){stream_query_retain(query), query->unsynced.items, query->unsynced.count,
        (int)query->source_count + 1, query->batch_id - 1};
    query->unsynced.items = NULL;
    query->unsynced.count = query->unsynced.capacity = 0;
    query->syncing = true;
    for (size_t i = 0; i < query->source_count; i++) {
        struct stream_reading *reading = query->sources[i].reading;
        copy_buffer(&query->sources[i].syncing, &query->sources[i].start);
        if (reading->class->sync != NULL) {
            reading->class->sync(reading, buffer_view(&query->sources[i].start), log_synced, job);
        } else {
            log_synced(job, true);
        }
    }
    log_synced(job, true);
}

static void schedule_sync(struct stream_query *query) {
    char **paths;
    size_t count = file_sink_take_paths(query->sink, &paths);
    static const char *const folders[] = {"offsets", "commits"};
    if (query->checkpoint.temporary) {
        count = 0;
    }
    query->files_written += count > 1 ? (int64_t)count - 1 : 0; /* the last one is the sink's log */
    for (size_t i = 0; i < count; i++) {
        VECTOR_PUSH(&query->unsynced, paths[i]);
    }
    free(paths);
    if (!query->checkpoint.temporary && query->has_batch) {
        char **states;
        size_t state_count = state_files_paths(&query->state_files, query->exec, query->batch_id + 1, &states);
        for (size_t i = 0; i < state_count; i++) {
            VECTOR_PUSH(&query->unsynced, states[i]);
        }
        free(states);
    }
    bool newest_counts = query->sink_class != &file_sink_class && exec_query_state_count(query->exec) == 0;
    while (newest_counts && query->unsynced.count > ARRAY_COUNT(folders)) {
        free(query->unsynced.items[0]);
        VECTOR_REMOVE(&query->unsynced, 0);
    }
    for (size_t i = 0; i < ARRAY_COUNT(folders) && !query->checkpoint.temporary && query->has_batch; i++) {
        char path[8192];
        snprintf(path, sizeof path, "%s/%s/%lld", query->checkpoint.location, folders[i], (long long)query->batch_id);
        VECTOR_PUSH(&query->unsynced, strdup(path));
    }
    if (query->sync_timer == NULL) {
        query->sync_timer = world_timer_create(query->manager->options.loop, sync_fired, query);
    }
    if (!query->syncing) {
        world_timer_start(query->sync_timer, SYNC_EVERY_MS, 0);
    }
}
