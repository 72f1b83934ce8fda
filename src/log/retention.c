/* retention.c: what leaves a partition: segments past retention.ms or retention.bytes, records below a raised log start
 * offset, and the partition itself. A segment's files are renamed to .deleted at once and removed after
 * file.delete.delay.ms; readers that hold it go on. */
#include "log/internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

static void remove_file(struct segment *segment, const char *suffix) {
    char from[LOG_PATH_SIZE], to[LOG_PATH_SIZE];
    struct error error;
    segment_path(segment->log, segment->base_offset, suffix, from);
    if (!world_exists(segment->manager->world, from))
        return;
    char with_deleted[32];
    snprintf(with_deleted, sizeof with_deleted, "%s.deleted", suffix);
    segment_path(segment->log, segment->base_offset, with_deleted, to);
    if (world_rename(segment->manager->world, from, to, &error))
        manager_remove_later(segment->manager, to, segment->log->config.file_delete_delay_ms);
}

void log_retire_files(struct segment *segment, bool keep_snapshot) {
    static const char *const suffixes[] = {".log", ".index", ".timeindex", ".txnindex", ".snapshot"};
    __atomic_store_n(&segment->deleted, true, __ATOMIC_RELEASE);
    for (size_t i = 0; i < ARRAY_COUNT(suffixes) - (keep_snapshot ? 1 : 0); i++)
        remove_file(segment, suffixes[i]);
    segment_close_files(segment);
    segment_release(segment);
}

static void set_start_offset(struct partition_log *log, int64_t offset) {
    if (offset <= log->start_offset)
        return;
    world_mutex_lock(&log->mutex);
    bool changed = epochs_truncate_start(&log->epochs, offset);
    world_mutex_unlock(&log->mutex);
    atomic_put(&log->start_offset, offset);
    struct error error;
    if (changed && !epochs_store(&log->epochs, log->world, log->directory, &error)) {
        log->epochs_unwritten = true;
        log_set_failure(log, error.message);
    }
}

void log_remove_segments(struct partition_log *log, size_t count, const char *why) {
    ASSERT(count < log->segments.count);
    for (size_t i = 0; i < count; i++) {
        world_mutex_lock(&log->mutex);
        struct segment *segment = log->segments.items[0];
        VECTOR_REMOVE(&log->segments, 0);
        world_mutex_unlock(&log->mutex);
        service_log_write(log->manager->service_log, LOG_INFO, "org.apache.kafka.storage.internals.log.UnifiedLog",
            "Deleting segment LogSegment(baseOffset=%lld, size=%lld) of %s due to %s", (long long)segment->base_offset,
            (long long)segment->size, log->name, why);
        __atomic_fetch_sub(&log->total_size, segment->size, __ATOMIC_RELAXED);
        log_retire_files(segment, false);
    }
    if (count > 0)
        set_start_offset(log, log->segments.items[0]->base_offset);
}

/* Segments that every reader may lose: committed, and not the active one. */
static bool removable(struct partition_log *log, size_t index) {
    return index + 1 < log->segments.count && log->segments.items[index + 1]->base_offset <= log->high_watermark;
}

static bool remove_below_start(struct partition_log *log) {
    size_t count = 0;
    while (removable(log, count) && log->segments.items[count + 1]->base_offset <= log->start_offset)
        count++;
    log_remove_segments(log, count, "log start offset breach");
    return count > 0;
}

/* When all records of the active segment are past retention, it is rolled so that it can go, as in Kafka. */
static bool expired(struct partition_log *log, struct segment *segment, int64_t now_ms, struct error *error) {
    if (!segment_know_timestamps(segment, error))
        return false;
    int64_t newest = segment->max_timestamp >= 0 ? segment->max_timestamp : segment->created_ms;
    return now_ms - newest > log->config.retention_ms;
}

static bool remove_expired(struct partition_log *log, struct error *error) {
    if (log->config.retention_ms < 0)
        return true;
    int64_t now_ms = world_wall_ms(log->world);
    size_t count = 0;
    while (removable(log, count) && expired(log, log->segments.items[count], now_ms, error))
        count++;
    if (error->code != ERROR_NONE)
        return false;
    if (count + 1 == log->segments.count && log_active(log)->size > 0 && log->end_offset <= log->high_watermark &&
        expired(log, log_active(log), now_ms, error)) {
        if (log_roll(log, error) != LOG_STATUS_OK)
            return false;
        count++;
    }
    char why[96];
    snprintf(why, sizeof why, "log retention time %lldms breach", (long long)log->config.retention_ms);
    log_remove_segments(log, count, why);
    return error->code == ERROR_NONE;
}

static void remove_over_size(struct partition_log *log) {
    if (log->config.retention_bytes < 0)
        return;
    int64_t over = log_size(log) - log->config.retention_bytes;
    size_t count = 0;
    while (removable(log, count) && over - log->segments.items[count]->size >= 0) {
        over -= log->segments.items[count]->size;
        count++;
    }
    char why[96];
    snprintf(why, sizeof why, "log retention size %lld breach", (long long)log->config.retention_bytes);
    log_remove_segments(log, count, why);
}

bool log_retention(struct partition_log *log, struct error *error) {
    error->code = ERROR_NONE;
    if (log_is_closed(log) || log->failure)
        return true;
    producer_expire(&log->producers, world_wall_ms(log->world) - log->manager->options.producer_expiration_ms);
    remove_below_start(log);
    if (log->cleaning || !(log->config.cleanup_policy & LOG_CLEANUP_DELETE))
        return true;
    if (!remove_expired(log, error))
        return false;
    remove_over_size(log);
    return true;
}

enum log_status log_delete_records(
    struct partition_log *log, int64_t offset, int64_t *start_offset, struct error *error) {
    if (log_is_closed(log))
        return LOG_STATUS_CLOSED;
    if (offset == -1)
        offset = log->high_watermark;
    if (offset < 0 || offset > log->high_watermark) {
        error_set(error, ERROR_INVALID, "cannot delete records of %s up to offset %lld: the high watermark is %lld",
            log->name, (long long)offset, (long long)log->high_watermark);
        return LOG_STATUS_OFFSET_OUT_OF_RANGE;
    }
    set_start_offset(log, offset);
    *start_offset = log->start_offset;
    if (!log->cleaning)
        remove_below_start(log);
    manager_checkpoint_soon(log->manager);
    return LOG_STATUS_OK;
}

/* ---- closing and deleting ---- */

/* Marks closed, waits for a running job, lets go of the segments. */
static void shut(struct partition_log *log) {
    __atomic_store_n(&log->closed, true, __ATOMIC_RELEASE);
    world_mutex_lock(&log->job_mutex);
    world_mutex_unlock(&log->job_mutex);
    world_mutex_lock(&log->mutex);
    VECTOR(struct segment *) segments = {log->segments.items, log->segments.count, log->segments.capacity};
    log->segments.items = NULL;
    log->segments.count = log->segments.capacity = 0;
    world_mutex_unlock(&log->mutex);
    for (size_t i = 0; i < segments.count; i++) {
        segment_close_files(segments.items[i]);
        segment_release(segments.items[i]);
    }
    VECTOR_FREE(&segments);
    for (size_t i = 0; i < log->sync_waiters.count; i++)
        log->sync_waiters.items[i].done(log->sync_waiters.items[i].argument, false);
    VECTOR_FREE(&log->sync_waiters);
    while (!list_empty(&log->waiters)) {
        struct log_waiter *waiter = CONTAINER_OF(list_first(&log->waiters), struct log_waiter, node);
        list_remove(&waiter->node);
        waiter->log = NULL;
        waiter->wake(waiter, true);
    }
}

bool log_finish(struct partition_log *log, struct error *error) {
    struct segment *active = log_active(log);
    for (size_t i = 0; i < log->segments.count; i++) {
        struct segment *segment = log->segments.items[i];
        if (segment->next_offset <= log->recovery_point && segment != active)
            continue;
        if (log->recovery_point >= log->end_offset)
            break;
        if (!segment_sync(segment, error))
            return false;
    }
    atomic_put(&log->recovery_point, log->end_offset);
    if (!segment_finish_indexes(active, error))
        return false;
    return log->producers.map_offset <= log->producers.snapshot_offset || log->producers.map_offset == 0 ||
           producer_snapshot_write(&log->producers, log, error);
}

void log_close(struct partition_log *log) {
    shut(log);
    manager_forget(log->manager, log);
    log_release(log);
}

bool log_delete(struct partition_log *log, struct error *error) {
    char target[LOG_PATH_SIZE];
    uint8_t random[16];
    struct buffer hex = {0};
    world_random(log->world, random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        buffer_printf(&hex, "%02x", random[i]);
    snprintf(target, sizeof target, "%s.%s-delete", log->directory, buffer_text(&hex));
    buffer_free(&hex);
    bool ok = world_rename(log->world, log->directory, target, error);
    if (!ok)
        return false;
    service_log_write(log->manager->service_log, LOG_INFO, "kafka.log.LogManager",
        "Log for partition %s is renamed to %s and is scheduled for deletion", log->name, target);
    manager_remove_later(log->manager, target, log->config.file_delete_delay_ms);
    shut(log);
    manager_forget(log->manager, log);
    log_release(log);
    return true;
}
