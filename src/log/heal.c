/* heal.c: an offline partition comes back by itself. A write that fails costs its append only; but where the disk
 * refuses what must follow (an index entry, the cut after a half write, a sync), the partition goes offline, and every
 * second what was refused is tried once more: the file is cut back, what is missing is written, and after a failed sync
 * everything since the recovery point is written again from what the kernel still has, if its checksums are right, and
 * synced. */
#include "log/internal.h"

#include <stdlib.h>

#include "base/assert.h"

#define REWRITE_SIZE ((size_t)1 << 20)

/* ---- what the disk refused ---- */

static bool write_transactions(struct segment *segment, struct error *error) {
    while (segment->unwritten_transactions.count > 0) {
        struct completed_transaction first = segment->unwritten_transactions.items[0];
        if (!log_append_transaction_index(segment, &first, error))
            return false;
        world_mutex_lock(&segment->log->mutex);
        VECTOR_REMOVE(&segment->unwritten_transactions, 0);
        world_mutex_unlock(&segment->log->mutex);
    }
    return true;
}

bool log_write_unwritten(struct partition_log *log, struct error *error) {
    struct segment *active = log_active(log);
    if (active->index_unwritten &&
        !segment_write_indexes(active, active->index_unwritten_from, active->time_unwritten_from, error))
        return false;
    active->index_unwritten = false;
    for (size_t i = 0; i < log->segments.count; i++)
        if (log->segments.items[i]->unwritten_transactions.count > 0 &&
            !write_transactions(log->segments.items[i], error))
            return false;
    if (log->epochs_unwritten && !epochs_store(&log->epochs, log->world, log->directory, error))
        return false;
    log->epochs_unwritten = false;
    return true;
}

static bool cut_back(struct partition_log *log, struct error *error) {
    struct segment *active = log_active(log);
    struct open_file *file = segment_file_to_write(active, SEGMENT_LOG, error);
    if (!file)
        return false;
    int64_t size = world_file_size(file->file, error);
    bool ok = size >= 0 && (size <= active->size || world_file_truncate(file->file, active->size, error));
    file_release(log->manager, file);
    return ok;
}

/* ---- after a failed sync: pool ---- */

struct heal_job {
    struct partition_log *log;
    VECTOR(struct segment *) segments; /* that reach above the recovery point */
    int64_t offset;
    bool ok;
    struct error error;
};

/* Reads whole batches from `position` on, and checks them. */
static bool read_batches(struct segment *segment, struct open_file *file, int64_t position, struct buffer *bytes,
    size_t *size, struct error *error) {
    size_t left = (size_t)(segment->size - position), wanted = left < REWRITE_SIZE ? left : REWRITE_SIZE;
    for (*size = 0; *size == 0;) {
        buffer_clear(bytes);
        if (world_file_read(file->file, buffer_extend(bytes, wanted), wanted, position, error) != (ssize_t)wanted)
            return error_set(error, ERROR_IO, "%s: what was written last cannot be read", segment->log->name);
        struct record_batch batch;
        struct bytes rest = buffer_view(bytes);
        while (record_batch_parse(rest, &batch) == RECORD_BATCH_OK && record_batch_checksum_ok(&batch)) {
            *size += batch.whole.size;
            rest = bytes_slice(rest, batch.whole.size, rest.size - batch.whole.size);
        }
        if (*size == 0 && wanted == left)
            return error_set(
                error, ERROR_CORRUPT, "%s: what was written last is not there any more", segment->log->name);
        wanted = wanted * 2 < left ? wanted * 2 : left;
    }
    return true;
}

static bool write_again(struct segment *segment, int64_t from, struct error *error) {
    struct open_file *file = segment_file_to_write(segment, SEGMENT_LOG, error);
    if (!file)
        return false;
    struct buffer bytes = {0};
    bool ok = true;
    while (ok && from < segment->size) {
        size_t size;
        ok = read_batches(segment, file, from, &bytes, &size, error) &&
             world_file_write(file->file, bytes.data, size, from, error);
        from += ok ? (int64_t)size : 0;
    }
    buffer_free(&bytes);
    file_release(segment->manager, file);
    return ok && segment_sync(segment, error);
}

static void heal_work(void *argument) {
    struct heal_job *job = argument;
    world_mutex_lock(&job->log->job_mutex);
    job->ok = true;
    for (size_t i = 0; job->ok && i < job->segments.count && !log_is_closed(job->log); i++) {
        struct segment *segment = job->segments.items[i];
        int64_t from = 0;
        if (segment->base_offset < job->log->recovery_point)
            job->ok = log_locate(job->log, segment, job->log->recovery_point, segment->size, &from, &job->error);
        job->ok = job->ok && write_again(segment, from, &job->error);
    }
    world_mutex_unlock(&job->log->job_mutex);
}

static void bring_back(struct partition_log *log) {
    world_mutex_lock(&log->mutex);
    log->failure = NULL;
    world_mutex_unlock(&log->mutex);
    service_log_write(log->manager->service_log, LOG_INFO, "kafka.server.LogDirFailureChannel",
        "Partition %s is online again", log->name);
    log_publish(log);
    if (log->end_offset - log->recovery_point >= log->config.flush_messages)
        log_schedule_sync(log, log->end_offset);
}

static void heal_done(void *argument) {
    struct heal_job *job = argument;
    struct partition_log *log = job->log;
    log->healing = false;
    if (!log_is_closed(log)) {
        if (job->ok) {
            log->sync_failed = false;
            if (job->offset > log->recovery_point)
                atomic_put(&log->recovery_point, job->offset);
            bring_back(log);
        } else {
            log->next_heal_ms = manager_now_ms(log->manager) + HEAL_INTERVAL_MS;
        }
    }
    for (size_t i = 0; i < job->segments.count; i++)
        segment_release(job->segments.items[i]);
    VECTOR_FREE(&job->segments);
    free(job);
    log_release(log);
}

static void start_rewriting(struct partition_log *log) {
    struct heal_job *job = calloc(1, sizeof *job);
    ASSERT(job);
    job->log = log_retain(log);
    job->offset = log->end_offset;
    for (size_t i = 0; i < log->segments.count; i++)
        if (i + 1 == log->segments.count || log->segments.items[i + 1]->base_offset > log->recovery_point)
            VECTOR_PUSH(&job->segments, segment_retain(log->segments.items[i]));
    log->healing = true;
    manager_run(log->manager, heal_work, heal_done, job);
}

/* ---- owner ---- */

void log_heal_tick(struct partition_log *log, int64_t now_ms) {
    struct error error;
    const struct partition_log *metadata = log_find(log->manager, "__cluster_metadata", 0);
    if (metadata && metadata != log && metadata->failure) /* its turn first */
        return;
    if (log->failure_is_final || log->healing || log->sync_running || now_ms < log->next_heal_ms)
        return;
    log->next_heal_ms = now_ms + HEAL_INTERVAL_MS;
    if (!cut_back(log, &error) || !log_write_unwritten(log, &error))
        return;
    if (log->sync_failed)
        start_rewriting(log);
    else
        bring_back(log);
}
