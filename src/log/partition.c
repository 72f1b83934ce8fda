/* partition.c: appends to one partition: validation, offsets, roll, what is published to readers, syncs, waiting. Owner
 * thread. */
#include "log/internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

void log_config_defaults(struct log_config *config) {
    const int64_t day_ms = 24 * 3600 * 1000;
    *config = (struct log_config){
        .segment_bytes = 1 << 30,
        .segment_ms = 7 * day_ms,
        .segment_index_bytes = 10 << 20,
        .index_interval_bytes = 4096,
        .retention_ms = 7 * day_ms,
        .retention_bytes = -1,
        .cleanup_policy = LOG_CLEANUP_DELETE,
        .max_message_bytes = 1048588,
        .flush_messages = INT64_MAX,
        .flush_ms = INT64_MAX,
        .file_delete_delay_ms = 60 * 1000,
        .delete_retention_ms = day_ms,
        .max_compaction_lag_ms = INT64_MAX,
        .min_cleanable_dirty_ratio = 0.5,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = 3600 * 1000,
    };
}

const char *log_status_name(enum log_status status) {
    static const char *const names[] = {"ok", "offset out of range", "corrupt batch", "too large", "invalid record",
        "invalid timestamp", "out of order sequence", "invalid producer epoch", "invalid transaction", "storage",
        "closed"};
    return names[status];
}

/* ---- what readers see ---- */

static bool waits_for_sync(const struct partition_log *log) {
    return log->config.flush_messages <= 1;
}

static void wake_waiters(void *argument) {
    struct partition_log *log = argument;
    log->wake_posted = false;
    bool closed = log_is_closed(log) || log->failure;
    int64_t high_watermark = log->high_watermark;
    struct list due;
    list_init(&due);
    LIST_FOR_EACH(node, &log->waiters) {
        struct log_waiter *waiter = CONTAINER_OF(node, struct log_waiter, node);
        if (closed || waiter->offset < high_watermark) {
            list_remove(node);
            list_append(&due, node);
        }
    }
    if (!closed && log->manager->on_advance)
        log->manager->on_advance(log->manager->on_advance_argument, log);
    while (!list_empty(&due)) { /* a wake may cancel another waiter, so the list is looked at anew each time */
        struct log_waiter *waiter = CONTAINER_OF(list_first(&due), struct log_waiter, node);
        list_remove(&waiter->node);
        bool reached = waiter->offset < high_watermark;
        waiter->log = NULL;
        waiter->wake(waiter, !reached);
    }
    log_release(log);
}

static void post_wake(struct partition_log *log) {
    if (log->wake_posted || log_is_closed(log))
        return;
    log->wake_posted = true;
    log_retain(log);
    if (log->manager->loop)
        world_loop_post(log->manager->loop, wake_waiters, log);
    else
        wake_waiters(log);
}

void log_publish(struct partition_log *log) {
    int64_t high_watermark = log->end_offset;
    if (waits_for_sync(log) && log->recovery_point < high_watermark)
        high_watermark = log->recovery_point;
    if (high_watermark < log->high_watermark)
        high_watermark = log->high_watermark;
    producer_high_watermark(&log->producers, high_watermark);
    int64_t unstable = producer_first_unstable(&log->producers);
    atomic_put(&log->stable_offset, unstable < high_watermark ? unstable : high_watermark);
    if (high_watermark == log->high_watermark)
        return;
    atomic_put(&log->high_watermark, high_watermark);
    post_wake(log);
}

enum log_wait_result log_wait(struct partition_log *log, int64_t offset, struct log_waiter *waiter) {
    if (log->high_watermark > offset)
        return LOG_WAIT_REACHED;
    if (log_is_closed(log) || log->failure)
        return LOG_WAIT_OFFLINE;
    waiter->offset = offset;
    waiter->log = log;
    list_append(&log->waiters, &waiter->node);
    return LOG_WAIT_WAITS;
}

void log_wait_cancel(struct log_waiter *waiter) {
    if (!waiter->log)
        return;
    list_remove(&waiter->node);
    waiter->log = NULL;
}

void log_set_failure(struct partition_log *log, const char *text) {
    enum { FAILURES_KEPT = 16 };
    if (log->failure)
        return;
    world_mutex_lock(&log->mutex);
    size_t at = 0;
    while (at < log->failures.count && strcmp(log->failures.items[at], text) != 0)
        at++;
    if (at == log->failures.count && at < FAILURES_KEPT)
        VECTOR_PUSH(&log->failures, strdup(text));
    log->failure = log->failures.items[at < log->failures.count ? at : at - 1];
    world_mutex_unlock(&log->mutex);
    log->next_heal_ms = manager_now_ms(log->manager) + HEAL_INTERVAL_MS;
    service_log_write(log->manager->service_log, LOG_ERROR, "kafka.server.LogDirFailureChannel",
        "Partition %s is offline: %s. Raudal goes on without it%s", log->name, text,
        log->failure_is_final ? "; repair the disk, then start again" : " and tries again every second");
    post_wake(log);
}

/* ---- syncs: one at a time per partition, shared by all who wait ---- */

struct sync_job {
    struct partition_log *log;
    int64_t offset; /* log end at the start of the job */
    VECTOR(struct segment *) segments;
    struct partition_log *metadata; /* counted; NULL: not part of it */
    bool ok;
    struct error error;
};

static void sync_work(void *argument) {
    struct sync_job *job = argument;
    if (job->metadata && job->metadata->failure) {
        error_set(&job->error, ERROR_IO, "the cluster's metadata cannot be synced");
        return;
    }
    world_mutex_lock(&job->log->job_mutex);
    job->ok = true;
    for (size_t i = 0; job->ok && i < job->segments.count && !log_is_closed(job->log); i++)
        job->ok = segment_sync(job->segments.items[i], &job->error);
    world_mutex_unlock(&job->log->job_mutex);
}

static void answer_sync_waiters(struct partition_log *log, bool failed) {
    for (size_t i = 0; i < log->sync_waiters.count;) {
        struct sync_waiter waiter = log->sync_waiters.items[i];
        bool reached = waiter.offset <= log->recovery_point;
        if (!reached && !failed) {
            i++;
            continue;
        }
        VECTOR_REMOVE(&log->sync_waiters, i);
        waiter.done(waiter.argument, reached);
    }
}

static void sync_start(struct partition_log *log);

static void sync_done(void *argument) {
    struct sync_job *job = argument;
    struct partition_log *log = job->log;
    log->sync_running = false;
    if (log_is_closed(log)) {
        answer_sync_waiters(log, true);
    } else if (!job->ok) {
        /* After a failed sync the kernel may drop the pages it could not write, so nothing later can be believed before
         * it was written once more (heal.c). */
        log->sync_failed = true;
        log_set_failure(log, job->error.message);
        if (job->metadata && !log_is_closed(job->metadata)) { /* nobody knows which of the two it was */
            job->metadata->sync_failed = true;
            log_set_failure(job->metadata, job->error.message);
        }
        answer_sync_waiters(log, true);
    } else {
        if (job->offset > log->recovery_point)
            atomic_put(&log->recovery_point, job->offset);
        if (log->recovery_point == log->end_offset)
            log->dirty_since_ms = -1;
        log_publish(log);
        answer_sync_waiters(log, false);
        if (log->sync_wanted > log->recovery_point)
            sync_start(log);
    }
    for (size_t i = 0; i < job->segments.count; i++)
        segment_release(job->segments.items[i]);
    VECTOR_FREE(&job->segments);
    log_release(job->metadata);
    free(job);
    log_release(log);
}

/* What is unsynced of a partition, oldest first. */
static void add_unsynced(struct sync_job *job, struct partition_log *log) {
    for (size_t i = 0; i < log->segments.count; i++) {
        bool last = i + 1 == log->segments.count;
        if (last || log->segments.items[i + 1]->base_offset > log->recovery_point)
            VECTOR_PUSH(&job->segments, segment_retain(log->segments.items[i]));
    }
}

static void sync_start(struct partition_log *log) {
    log->sync_running = true;
    struct sync_job *job = calloc(1, sizeof *job);
    ASSERT(job);
    job->log = log_retain(log);
    job->offset = log->end_offset;
    /* A record must not be more durable than the topic that it is in. */
    struct partition_log *metadata = log_find(log->manager, "__cluster_metadata", 0);
    if (metadata && metadata != log && metadata->recovery_point < metadata->end_offset) {
        job->metadata = log_retain(metadata);
        add_unsynced(job, metadata);
    }
    add_unsynced(job, log);
    manager_run(log->manager, sync_work, sync_done, job);
}

void log_schedule_sync(struct partition_log *log, int64_t offset) {
    if (offset > log->sync_wanted)
        log->sync_wanted = offset;
    if (!log->sync_running && log->sync_wanted > log->recovery_point && !log->failure)
        sync_start(log);
}

void log_sync(struct partition_log *log, void (*done)(void *argument, bool ok), void *argument) {
    if (log->failure || log_is_closed(log) || log->recovery_point >= log->end_offset) {
        done(argument, !log->failure && !log_is_closed(log));
        return;
    }
    VECTOR_PUSH(&log->sync_waiters, ((struct sync_waiter){log->end_offset, done, argument}));
    log_schedule_sync(log, log->end_offset);
}

void log_tick(struct partition_log *log, int64_t now_ms) {
    if (log->failure)
        log_heal_tick(log, now_ms);
    if (log->dirty_since_ms >= 0 && log->config.flush_ms != INT64_MAX &&
        now_ms - log->dirty_since_ms >= log->config.flush_ms)
        log_schedule_sync(log, log->end_offset);
}

/* ---- roll ---- */

/* Ends the active segment and starts one at the log end. */
static bool roll(struct partition_log *log, struct error *error) {
    struct segment *ended = log_active(log);
    if (!log_write_unwritten(log, error) || !segment_finish_indexes(ended, error))
        return false;
    if (log->producers.map_offset == log->end_offset && !producer_snapshot_write(&log->producers, log, error))
        return false;
    struct segment *segment = segment_create(log, log->end_offset);
    if (!segment_make_files(segment, error)) {
        segment_remove_files(segment);
        segment_release(segment);
        return false;
    }
    world_mutex_lock(&log->mutex);
    ended->index_in_memory = false;
    VECTOR_FREE(&ended->index);
    VECTOR_FREE(&ended->time_index);
    VECTOR_PUSH(&log->segments, segment);
    log->tail_count = 0;
    world_mutex_unlock(&log->mutex);
    service_log_write(log->manager->service_log, LOG_INFO, "org.apache.kafka.storage.internals.log.LocalLog",
        "Rolled new log segment at offset %lld for %s", (long long)segment->base_offset, log->name);
    if (log->manager->loop)
        log_schedule_sync(log, log->end_offset);
    return true;
}

enum log_status log_roll(struct partition_log *log, struct error *error) {
    if (log_is_closed(log))
        return LOG_STATUS_CLOSED;
    if (log_active(log)->size == 0)
        return LOG_STATUS_OK;
    return roll(log, error) ? LOG_STATUS_OK : LOG_STATUS_STORAGE;
}

/* The jitter of a partition is a fixed share of segment.jitter.ms, so that partitions made together do not roll
 * together. */
static int64_t roll_after_ms(const struct partition_log *log) {
    int64_t jitter_max = log->config.segment_jitter_ms, segment_ms = log->config.segment_ms;
    /* Only closed segments are compacted. */
    if (log->config.cleanup_policy & LOG_CLEANUP_COMPACT && log->config.max_compaction_lag_ms < segment_ms)
        segment_ms = log->config.max_compaction_lag_ms;
    if (jitter_max <= 0)
        return segment_ms;
    uint64_t hash = hash_bytes(bytes_from_text(log->name), 0);
    int64_t jitter = (int64_t)(hash % (uint64_t)jitter_max);
    return jitter < segment_ms ? segment_ms - jitter : segment_ms;
}

static bool must_roll(struct partition_log *log, size_t size, int64_t last_offset, int64_t max_timestamp) {
    struct segment *active = log_active(log);
    if (active->size == 0)
        return false;
    if (active->size + (int64_t)size > log->config.segment_bytes || last_offset - active->base_offset > INT32_MAX)
        return true;
    int64_t index_capacity = log->config.segment_index_bytes;
    if ((int64_t)(active->index.count + 1) * INDEX_ENTRY_SIZE > index_capacity ||
        (int64_t)(active->time_index.count + 2) * TIME_INDEX_ENTRY_SIZE > index_capacity)
        return true;
    int64_t age = active->first_timestamp >= 0 && max_timestamp >= 0 ? max_timestamp - active->first_timestamp
                                                                     : world_wall_ms(log->world) - active->created_ms;
    return age > roll_after_ms(log);
}

/* ---- append ---- */

/* What is known of a whole append before anything is written. */
struct append_plan {
    size_t batch_count;
    int64_t record_count; /* offsets taken */
    int64_t max_timestamp;
    int64_t now_ms;
    bool has_producer;
    struct producer_batch duplicate;
};

static enum log_status refuse(struct error *error, enum log_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static enum log_status refuse(struct error *error, enum log_status status, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    error_set(error, status == LOG_STATUS_STORAGE ? ERROR_IO : ERROR_INVALID, "%s", text);
    return status;
}

static enum log_status check_timestamp(
    const struct partition_log *log, const struct record_batch *batch, int64_t now_ms, struct error *error) {
    if (log->config.log_append_time || batch->max_timestamp < 0)
        return LOG_STATUS_OK;
    int64_t ahead = batch->max_timestamp - now_ms, behind = now_ms - batch->max_timestamp;
    if (ahead > log->config.timestamp_after_max_ms || behind > log->config.timestamp_before_max_ms)
        return refuse(error, LOG_STATUS_INVALID_TIMESTAMP,
            "timestamp %lld of a message is out of range: it should be within [%lld, %lld]",
            (long long)batch->max_timestamp,
            (long long)(log->config.timestamp_before_max_ms > now_ms ? 0
                                                                     : now_ms - log->config.timestamp_before_max_ms),
            (long long)(log->config.timestamp_after_max_ms > INT64_MAX - now_ms
                            ? INT64_MAX
                            : now_ms + log->config.timestamp_after_max_ms));
    return LOG_STATUS_OK;
}

static enum log_status check_batch(struct partition_log *log, const struct record_batch *batch,
    const struct log_append_options *options, struct append_plan *plan, struct error *error) {
    if (!options->checksum_verified && !record_batch_checksum_ok(batch))
        return refuse(error, LOG_STATUS_CORRUPT, "record batch is corrupt: its stored CRC-32C is %u", batch->crc);
    if (batch->record_count < 1 || batch->last_offset_delta != batch->record_count - 1)
        return refuse(error, LOG_STATUS_INVALID_RECORD, "record batch with %d records and last offset delta %d",
            batch->record_count, batch->last_offset_delta);
    if (options->from_coordinator)
        return LOG_STATUS_OK;
    if (batch->attributes & RECORD_BATCH_CONTROL)
        return refuse(error, LOG_STATUS_INVALID_RECORD, "clients may not write control batches");
    if (batch->whole.size > (size_t)log->config.max_message_bytes)
        return refuse(error, LOG_STATUS_TOO_LARGE,
            "the record batch size in the append to %s is %zu bytes which exceeds the maximum configured value of %d",
            log->name, batch->whole.size, log->config.max_message_bytes);
    enum log_status status = check_timestamp(log, batch, plan->now_ms, error);
    if (status != LOG_STATUS_OK || batch->producer_id < 0)
        return status;
    if (plan->batch_count > 0)
        return refuse(error, LOG_STATUS_INVALID_RECORD, "an idempotent producer's append to %s has more than one batch",
            log->name);
    if (batch->base_sequence < 0)
        return refuse(error, LOG_STATUS_INVALID_RECORD, "sequence number %d from producer %lld is not valid",
            batch->base_sequence, (long long)batch->producer_id);
    plan->has_producer = true;
    return producer_check(&log->producers, batch, &plan->duplicate, error);
}

static enum log_status plan_append(struct partition_log *log, struct bytes batches,
    const struct log_append_options *options, struct append_plan *plan, struct error *error) {
    *plan = (struct append_plan){.max_timestamp = -1, .duplicate.last_offset = -1, .now_ms = world_wall_ms(log->world)};
    if (batches.size == 0)
        return refuse(error, LOG_STATUS_INVALID_RECORD, "there is no record batch");
    if (batches.size > (size_t)log->config.segment_bytes && !options->from_coordinator)
        return refuse(error, LOG_STATUS_TOO_LARGE, "an append of %zu bytes to %s exceeds segment.bytes %d",
            batches.size, log->name, log->config.segment_bytes);
    while (batches.size > 0) {
        struct record_batch batch;
        if (record_batch_parse(batches, &batch) != RECORD_BATCH_OK)
            return refuse(
                error, LOG_STATUS_CORRUPT, "the bytes for %s are not whole record batches of version 2", log->name);
        enum log_status status = check_batch(log, &batch, options, plan, error);
        if (status != LOG_STATUS_OK)
            return status;
        plan->batch_count++;
        plan->record_count += batch.last_offset_delta + 1;
        if (batch.max_timestamp > plan->max_timestamp)
            plan->max_timestamp = batch.max_timestamp;
        batches.data += batch.whole.size;
        batches.size -= batch.whole.size;
    }
    if (log->config.log_append_time)
        plan->max_timestamp = plan->now_ms;
    return LOG_STATUS_OK;
}

/* Writes offsets, epoch and, with LogAppendTime, times into the batches. */
static void stamp(struct partition_log *log, uint8_t *batches, size_t size, int32_t leader_epoch, int64_t now_ms) {
    int64_t offset = log->end_offset;
    for (size_t at = 0; at < size;) {
        uint8_t *batch = batches + at;
        size_t batch_size = record_batch_size(batch);
        store_be64(batch, (uint64_t)offset);
        store_be32(batch + 12, (uint32_t)leader_epoch);
        if (log->config.log_append_time) {
            store_be16(batch + 21, (uint16_t)(load_be16(batch + 21) | RECORD_BATCH_LOG_APPEND_TIME));
            store_be64(batch + 35, (uint64_t)now_ms);
            record_batch_seal(batch, batch_size);
        }
        offset += (int32_t)load_be32(batch + 23) + 1;
        at += batch_size;
    }
}

/* One write. After a failed one the file is cut back, so that a full disk costs this append only. */
static enum log_status write_batches(
    struct partition_log *log, const uint8_t *batches, size_t size, struct error *error) {
    struct segment *active = log_active(log);
    if (!log_write_unwritten(log, error) || (!active->index_preallocated && !segment_preallocate(active, error)))
        return LOG_STATUS_STORAGE;
    struct open_file *file = segment_file_to_write(active, SEGMENT_LOG, error);
    if (!file)
        return LOG_STATUS_STORAGE;
    bool ok = world_file_write(file->file, batches, size, active->size, error);
    struct error ignored;
    if (!ok && !world_file_truncate(file->file, active->size, &ignored))
        log_set_failure(log, error->message);
    file_release(log->manager, file);
    return ok ? LOG_STATUS_OK : LOG_STATUS_STORAGE;
}

/* Takes what was written into indexes, producer state and published offsets. */
static void take_in(struct partition_log *log, struct bytes written, int64_t last_offset) {
    struct segment *active = log_active(log);
    int64_t position = active->size;
    size_t index_from = active->index.count, time_from = active->time_index.count;
    world_mutex_lock(&log->mutex);
    log->tail[log->tail_count++ % ARRAY_COUNT(log->tail)] = (struct tail_hint){log->end_offset, position};
    for (struct bytes rest = written; rest.size > 0;) {
        struct record_batch batch;
        ASSERT(record_batch_parse(rest, &batch) == RECORD_BATCH_OK);
        segment_note_batch(active, &batch, position);
        position += (int64_t)batch.whole.size;
        rest = bytes_slice(rest, batch.whole.size, rest.size - batch.whole.size);
    }
    segment_mark_verified(active, active->size, position);
    active->size = position;
    active->next_offset = last_offset + 1;
    world_mutex_unlock(&log->mutex);
    struct error error = {0};
    if (active->index.count > index_from && !segment_write_indexes(active, index_from, time_from, &error)) {
        active->index_unwritten = true;
        active->index_unwritten_from = index_from;
        active->time_unwritten_from = time_from;
        log_set_failure(log, error.message);
    }
    for (struct bytes rest = written; rest.size > 0;) {
        struct record_batch batch;
        ASSERT(record_batch_parse(rest, &batch) == RECORD_BATCH_OK);
        log_apply_producer(log, active, &batch, true);
        rest = bytes_slice(rest, batch.whole.size, rest.size - batch.whole.size);
    }
    __atomic_fetch_add(&log->total_size, (int64_t)written.size, __ATOMIC_RELAXED);
    atomic_put(&log->end_offset, last_offset + 1);
}

static void after_append(struct partition_log *log, const struct append_plan *plan, size_t size) {
    struct log_manager *manager = log->manager;
    if (manager->appended_bytes) {
        metric_add(manager->appended_bytes, (int64_t)size);
        metric_add(manager->appended_batches, (int64_t)plan->batch_count);
    }
    if (log->dirty_since_ms < 0)
        log->dirty_since_ms = manager_now_ms(manager);
    log_publish(log);
    if (log->end_offset - log->recovery_point >= log->config.flush_messages)
        log_schedule_sync(log, log->end_offset);
}

static bool note_epoch(struct partition_log *log, int32_t epoch, struct error *error) {
    size_t count = log->epochs.entries.count;
    if (epoch < 0 || (count > 0 && log->epochs.entries.items[count - 1].epoch >= epoch))
        return true;
    world_mutex_lock(&log->mutex);
    epochs_assign(&log->epochs, epoch, log->end_offset);
    world_mutex_unlock(&log->mutex);
    log->epochs_unwritten = !epochs_store(&log->epochs, log->world, log->directory, error);
    return !log->epochs_unwritten;
}

enum log_status log_append(struct partition_log *log, uint8_t *batches, size_t size,
    const struct log_append_options *options, struct log_append_result *result, struct error *error) {
    if (log_is_closed(log))
        return refuse(error, LOG_STATUS_CLOSED, "partition %s is closed", log->name);
    if (log->failure)
        return refuse(error, LOG_STATUS_STORAGE, "partition %s is offline: %s", log->name, log->failure);
    struct append_plan plan;
    enum log_status status = plan_append(log, bytes_make(batches, size), options, &plan, error);
    if (status != LOG_STATUS_OK)
        return status;
    result->log_start_offset = log->start_offset;
    result->append_time_ms = log->config.log_append_time ? plan.now_ms : -1;
    result->duplicate = plan.duplicate.last_offset >= 0;
    if (result->duplicate) {
        result->last_offset = plan.duplicate.last_offset;
        result->base_offset = plan.duplicate.last_offset - plan.duplicate.offset_delta;
        return LOG_STATUS_OK;
    }
    int64_t last_offset = log->end_offset + plan.record_count - 1;
    if (must_roll(log, size, last_offset, plan.max_timestamp) && !roll(log, error))
        return LOG_STATUS_STORAGE;
    if (!note_epoch(log, options->leader_epoch, error))
        return LOG_STATUS_STORAGE;
    stamp(log, batches, size, options->leader_epoch, plan.now_ms);
    status = write_batches(log, batches, size, error);
    if (status != LOG_STATUS_OK)
        return status;
    result->base_offset = log->end_offset;
    result->last_offset = last_offset;
    take_in(log, bytes_make(batches, size), last_offset);
    after_append(log, &plan, size);
    return LOG_STATUS_OK;
}

/* ---- producers and transactions ---- */

static bool marker_of(const struct record_batch *batch, int *type, int32_t *coordinator_epoch) {
    struct record_reader reader;
    struct record record;
    struct error error = {0};
    *type = -1;
    *coordinator_epoch = -1;
    if (!(batch->attributes & RECORD_BATCH_CONTROL) || !batch->records.data)
        return false;
    record_reader_init(&reader, batch, batch->records);
    if (!record_reader_next(&reader, &record, &error) || record.key.size < 4)
        return false;
    *type = (int16_t)load_be16(record.key.data + 2);
    if (record.value.size >= 6)
        *coordinator_epoch = (int32_t)load_be32(record.value.data + 2);
    return true;
}

void log_apply_producer(
    struct partition_log *log, struct segment *segment, const struct record_batch *batch, bool live) {
    int marker_type;
    int32_t coordinator_epoch;
    struct completed_transaction completed;
    marker_of(batch, &marker_type, &coordinator_epoch);
    producer_apply(&log->producers, batch, marker_type, coordinator_epoch, &completed);
    struct error error = {0};
    if (segment && completed.any && completed.aborted && !log_append_transaction_index(segment, &completed, &error)) {
        world_mutex_lock(&log->mutex);
        VECTOR_PUSH(&segment->unwritten_transactions, completed);
        world_mutex_unlock(&log->mutex);
        if (live)
            log_set_failure(log, error.message);
    }
}

static struct log_producer producer_of(const struct producer_entry *producer) {
    return (struct log_producer){
        .producer_id = producer->producer_id,
        .epoch = producer->epoch,
        .last_sequence = producer->batch_count ? producer->batches[producer->batch_count - 1].last_sequence : -1,
        .last_timestamp_ms = producer->last_timestamp,
        .coordinator_epoch = producer->coordinator_epoch,
        .transaction_start = producer->transaction_start,
    };
}

bool log_producer_find(struct partition_log *log, int64_t producer_id, struct log_producer *producer) {
    const struct producer_entry *entry = producer_find(&log->producers, producer_id);
    if (entry)
        *producer = producer_of(entry);
    return entry != NULL;
}

void log_producers(struct partition_log *log, struct log_producer_list *list) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&log->producers.entries, &cursor));)
        VECTOR_PUSH(list, producer_of(entry->value));
}
