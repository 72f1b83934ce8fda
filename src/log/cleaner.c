/* cleaner.c: compaction. A partition with cleanup.policy=compact keeps at least the newest record of every key.
 *
 * A pass has three steps. `plan` (owner) chooses the closed, decided segments from the log's start on. `run` (disk
 * pool) reads the dirty part and notes the newest offset of every key (as a 128-bit hash), then copies all chosen
 * segments without what is superseded into files that end in .cleaned. `swap` (owner) renames those to .swap, takes the
 * old segments out, and gives the new ones their final names. A start that finds .cleaned files removes them; one that
 * finds .swap files finishes the exchange.
 *
 * What goes: records whose key has a newer record, records without a key, records of aborted transactions, and
 * tombstones and transaction markers whose batch carries a delete horizon in the past (the first pass that meets one
 * sets the horizon to now + delete.retention.ms). Offsets never change. The newest batch of every known producer stays,
 * if need be empty, so that its sequence numbers stay known. */
#include "log/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/assert.h"
#include "wire/compress.h"

#define KEYS_MAX ((size_t)4 << 20) /* per pass: what is beyond waits for the next */

struct key_slot {
    XXH128_hash_t hash;
    int64_t offset; /* -1: free */
};
struct aborted_span {
    int64_t producer_id, first_offset, last_offset;
};
struct group {
    int64_t base_offset, next_offset, size;
    VECTOR(struct segment *) sources; /* not counted: they are in the job */
    struct segment *shape;            /* indexes of the new segment */
};
struct clean_job {
    struct partition_log *log;
    VECTOR(struct segment *) segments; /* retained, from the log's first on */
    int64_t first_dirty, end_offset;   /* end_offset: up to where keys were noted */
    int64_t now_ms;
    struct key_slot *keys;
    size_t key_capacity, key_count;
    VECTOR(struct aborted_span) aborted;
    VECTOR(struct log_producer) producers; /* transaction_start here: the last data offset */
    VECTOR(struct group) groups;
    bool ok;
    struct error error;
};

/* ---- keys ---- */

static size_t key_place(const struct clean_job *job, XXH128_hash_t hash) {
    size_t at = hash.low64 & (job->key_capacity - 1);
    while (job->keys[at].offset >= 0 && !XXH128_isEqual(job->keys[at].hash, hash))
        at = (at + 1) & (job->key_capacity - 1);
    return at;
}

static void grow_keys(struct clean_job *job) {
    struct key_slot *old = job->keys;
    size_t old_capacity = job->key_capacity;
    job->key_capacity = old_capacity ? old_capacity * 2 : 1024;
    job->keys = malloc(job->key_capacity * sizeof *job->keys);
    ASSERT(job->keys);
    for (size_t i = 0; i < job->key_capacity; i++)
        job->keys[i].offset = -1;
    for (size_t i = 0; i < old_capacity; i++)
        if (old[i].offset >= 0)
            job->keys[key_place(job, old[i].hash)] = old[i];
    free(old);
}

static void note_key(struct clean_job *job, struct bytes key, int64_t offset) {
    if (job->key_count * 2 >= job->key_capacity)
        grow_keys(job);
    XXH128_hash_t hash = XXH3_128bits(key.data, key.size);
    size_t at = key_place(job, hash);
    if (job->keys[at].offset < 0)
        job->key_count++;
    job->keys[at].hash = hash;
    job->keys[at].offset = offset;
}

static bool superseded(const struct clean_job *job, struct bytes key, int64_t offset) {
    if (job->key_capacity == 0)
        return false;
    size_t at = key_place(job, XXH3_128bits(key.data, key.size));
    return job->keys[at].offset > offset;
}

/* ---- reading segments ---- */

/* A batch with its records decompressed. */
struct open_batch {
    struct record_batch batch;
    struct bytes records;
    int64_t position;
};
typedef bool batch_function(struct clean_job *job, void *context, const struct open_batch *open, struct error *error);

static bool each_batch(
    struct clean_job *job, struct segment *segment, batch_function *function, void *context, struct error *error) {
    if (segment->size == 0)
        return true;
    struct open_file *file = segment_file(segment, SEGMENT_LOG, error);
    if (!file)
        return false;
    struct world_map *map = world_file_map(file->file, 0, (size_t)segment->size, error);
    file_release(segment->manager, file);
    if (!map)
        return false;
    struct bytes data = world_map_view(map);
    struct buffer plain = {0};
    bool ok = true;
    for (int64_t position = 0; ok && position < (int64_t)data.size;) {
        int64_t good_end = 0;
        ok = !manager_is_closing(segment->manager)
                 ? log_verify(job->log, segment, &position, segment->size, 1, &good_end, error)
                 : error_set(error, ERROR_CANCELLED, "the broker stops");
        struct open_batch open = {.position = position};
        if (ok && job->log->manager->options.stops_at_corruption && segment->quarantine.count > 0)
            ok = error_set(error, ERROR_CORRUPT, "a corrupt batch would be left out (raudal.corruption=stop)");
        if (!ok || position >= good_end)
            break;
        ok = record_batch_parse(bytes_slice(data, (size_t)position, data.size - (size_t)position), &open.batch) ==
                 RECORD_BATCH_OK ||
             error_set(error, ERROR_CORRUPT, "the batch at position %lld cannot be read", (long long)position);
        open.records = open.batch.records;
        buffer_clear(&plain);
        if (ok && record_batch_codec(&open.batch) != RECORD_CODEC_NONE) {
            ok = compression_decode(
                record_batch_codec(&open.batch), open.batch.records, COMPRESSION_OUTPUT_MAX, &plain, error);
            open.records = buffer_view(&plain);
        }
        ok = ok && function(job, context, &open, error);
        position += ok ? (int64_t)open.batch.whole.size : 0;
    }
    buffer_free(&plain);
    world_map_close(map);
    return ok;
}

static bool is_aborted(const struct clean_job *job, const struct record_batch *batch) {
    if (!(batch->attributes & RECORD_BATCH_TRANSACTIONAL) || batch->attributes & RECORD_BATCH_CONTROL)
        return false;
    for (size_t i = 0; i < job->aborted.count; i++) {
        const struct aborted_span *span = &job->aborted.items[i];
        if (span->producer_id == batch->producer_id && span->first_offset <= batch->base_offset &&
            batch->base_offset <= span->last_offset)
            return true;
    }
    return false;
}

static bool note_batch(struct clean_job *job, void *context, const struct open_batch *open, struct error *error) {
    int64_t next_offset = record_batch_last_offset(&open->batch) + 1;
    if (job->key_count >= KEYS_MAX)
        return true;
    if (!(open->batch.attributes & RECORD_BATCH_CONTROL) && !is_aborted(job, &open->batch) &&
        next_offset > job->first_dirty) {
        struct record_reader reader;
        struct record record;
        error->code = ERROR_NONE;
        record_reader_init(&reader, &open->batch, open->records);
        while (record_reader_next(&reader, &record, error))
            if (record.key.data)
                note_key(job, record.key, record.offset);
        if (error->code != ERROR_NONE)
            return false;
    }
    job->end_offset = next_offset;
    return true;
}

static bool read_aborted(struct clean_job *job, struct error *error) {
    struct buffer bytes = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < job->segments.count; i++) {
        buffer_clear(&bytes);
        ok = segment_transactions(job->segments.items[i], &bytes, error);
        for (size_t at = 0; ok && at + TRANSACTION_INDEX_ENTRY_SIZE <= bytes.size; at += TRANSACTION_INDEX_ENTRY_SIZE)
            VECTOR_PUSH(&job->aborted,
                ((struct aborted_span){(int64_t)load_be64(bytes.data + at + 2),
                    (int64_t)load_be64(bytes.data + at + 10), (int64_t)load_be64(bytes.data + at + 18)}));
    }
    buffer_free(&bytes);
    return ok;
}

/* ---- copying ---- */

struct copy {
    struct group *group;
    struct world_file *file;
    struct buffer pending; /* not yet written */
    int64_t written;
};

static bool flush_copy(struct copy *copy, struct error *error) {
    bool ok = copy->pending.size == 0 ||
              world_file_write(copy->file, copy->pending.data, copy->pending.size, copy->written, error);
    copy->written += (int64_t)copy->pending.size;
    buffer_clear(&copy->pending);
    return ok;
}

static bool horizon_passed(const struct clean_job *job, const struct record_batch *batch) {
    return batch->attributes & RECORD_BATCH_DELETE_HORIZON && batch->base_timestamp < job->now_ms;
}

static bool keeps_record(const struct clean_job *job, const struct record_batch *batch, const struct record *record) {
    if (batch->attributes & RECORD_BATCH_CONTROL)
        return !horizon_passed(job, batch);
    if (record->offset >= job->end_offset)
        return true;
    if (!record->key.data || is_aborted(job, batch) || superseded(job, record->key, record->offset))
        return false;
    return record->value.data || !horizon_passed(job, batch);
}

static bool is_last_of_producer(const struct clean_job *job, const struct record_batch *batch) {
    for (size_t i = 0; batch->producer_id >= 0 && i < job->producers.count; i++)
        if (job->producers.items[i].producer_id == batch->producer_id)
            return job->producers.items[i].transaction_start == record_batch_last_offset(batch);
    return false;
}

static bool needs_horizon(const struct record_batch *batch, const struct record *record) {
    bool may_go = batch->attributes & RECORD_BATCH_CONTROL || !record->value.data;
    return may_go && !(batch->attributes & RECORD_BATCH_DELETE_HORIZON);
}

/* Writes a batch anew with the records that stay; the header's offsets, producer and epoch remain. */
static bool rewrite(
    struct clean_job *job, struct copy *copy, const struct open_batch *open, bool set_horizon, struct error *error) {
    const struct record_batch *batch = &open->batch;
    size_t start = copy->pending.size;
    int16_t attributes = (int16_t)(batch->attributes & ~RECORD_BATCH_CODEC);
    if (set_horizon)
        attributes |= RECORD_BATCH_DELETE_HORIZON;
    struct record_builder builder;
    record_builder_begin(&builder, &copy->pending, batch->base_offset, attributes);
    record_builder_set_base_timestamp(
        &builder, set_horizon ? job->now_ms + job->log->config.delete_retention_ms : batch->base_timestamp);
    struct record_reader reader;
    struct record record;
    error->code = ERROR_NONE;
    record_reader_init(&reader, batch, open->records);
    while (record_reader_next(&reader, &record, error))
        if (keeps_record(job, batch, &record))
            record_builder_add(&builder, record.offset, record.timestamp, record.key, record.value, record.headers,
                record.header_count);
    if (error->code != ERROR_NONE)
        return false;
    if (builder.count == 0 || batch->attributes & RECORD_BATCH_LOG_APPEND_TIME)
        builder.max_timestamp = batch->max_timestamp;
    builder.last_offset_delta = batch->last_offset_delta;
    record_builder_end(&builder, batch->producer_id, batch->producer_epoch, batch->base_sequence, batch->leader_epoch);
    ASSERT(copy->pending.size > start);
    return true;
}

static bool copy_batch(struct clean_job *job, void *context, const struct open_batch *open, struct error *error) {
    struct copy *copy = context;
    int32_t kept = 0, seen = 0;
    bool set_horizon = false;
    struct record_reader reader;
    struct record record;
    error->code = ERROR_NONE;
    record_reader_init(&reader, &open->batch, open->records);
    while (record_reader_next(&reader, &record, error)) {
        seen++;
        if (keeps_record(job, &open->batch, &record)) {
            kept++;
            set_horizon = set_horizon || (record.offset < job->end_offset && needs_horizon(&open->batch, &record));
        }
    }
    if (error->code != ERROR_NONE)
        return false;
    if (kept == 0 && !is_last_of_producer(job, &open->batch))
        return true;
    size_t start = copy->pending.size;
    if (kept == seen && !set_horizon)
        buffer_append_bytes(&copy->pending, open->batch.whole);
    else if (!rewrite(job, copy, open, set_horizon, error))
        return false;
    struct record_batch made;
    struct bytes bytes = bytes_make(copy->pending.data + start, copy->pending.size - start);
    ASSERT(record_batch_parse(bytes, &made) == RECORD_BATCH_OK);
    segment_note_batch(copy->group->shape, &made, copy->written + (int64_t)start);
    return copy->pending.size < (1 << 20) || flush_copy(copy, error);
}

static bool write_cleaned(struct group *group, const char *suffix, const struct buffer *bytes, struct error *error) {
    char path[LOG_PATH_SIZE];
    segment_path(group->shape->log, group->base_offset, suffix, path);
    return world_write_file(group->shape->manager->world, path, buffer_view(bytes), true, error);
}

static bool write_cleaned_indexes(struct clean_job *job, struct group *group, struct error *error) {
    struct segment *shape = group->shape;
    struct buffer bytes = {0};
    for (size_t i = 0; i < shape->index.count; i++) {
        uint8_t *entry = buffer_extend(&bytes, INDEX_ENTRY_SIZE);
        store_be32(entry, shape->index.items[i].offset);
        store_be32(entry + 4, shape->index.items[i].position);
    }
    bool ok = write_cleaned(group, ".index.cleaned", &bytes, error);
    buffer_clear(&bytes);
    size_t count = shape->time_index.count;
    if (shape->max_timestamp >= 0 &&
        (count == 0 || shape->time_index.items[count - 1].timestamp < shape->max_timestamp))
        VECTOR_PUSH(&shape->time_index,
            ((struct time_entry){shape->max_timestamp, (uint32_t)(shape->max_timestamp_offset - shape->base_offset)}));
    for (size_t i = 0; i < shape->time_index.count; i++) {
        uint8_t *entry = buffer_extend(&bytes, TIME_INDEX_ENTRY_SIZE);
        store_be64(entry, (uint64_t)shape->time_index.items[i].timestamp);
        store_be32(entry + 8, shape->time_index.items[i].offset);
    }
    ok = ok && write_cleaned(group, ".timeindex.cleaned", &bytes, error);
    buffer_clear(&bytes);
    for (size_t s = 0; ok && s < group->sources.count; s++) { /* entries whose data was not cleaned yet stay */
        struct buffer entries = {0};
        ok = segment_transactions(group->sources.items[s], &entries, error);
        for (size_t at = 0; ok && at + TRANSACTION_INDEX_ENTRY_SIZE <= entries.size; at += TRANSACTION_INDEX_ENTRY_SIZE)
            if ((int64_t)load_be64(entries.data + at + 18) >= job->end_offset)
                buffer_append(&bytes, entries.data + at, TRANSACTION_INDEX_ENTRY_SIZE);
        buffer_free(&entries);
    }
    if (ok && bytes.size > 0)
        ok = write_cleaned(group, ".txnindex.cleaned", &bytes, error);
    buffer_free(&bytes);
    VECTOR_FREE(&shape->index);
    VECTOR_FREE(&shape->time_index);
    shape->index_in_memory = false;
    shape->timestamps_known = true;
    return ok;
}

static bool copy_group(struct clean_job *job, struct group *group, struct error *error) {
    struct copy copy = {.group = group};
    char path[LOG_PATH_SIZE];
    segment_path(job->log, group->base_offset, ".log.cleaned", path);
    copy.file = world_file_open(job->log->world, path,
        WORLD_OPEN_READ | WORLD_OPEN_WRITE | WORLD_OPEN_CREATE | WORLD_OPEN_TRUNCATE, 0644, error);
    if (!copy.file)
        return false;
    group->shape = segment_create(job->log, group->base_offset);
    bool ok = true;
    for (size_t i = 0; ok && i < group->sources.count; i++)
        ok = each_batch(job, group->sources.items[i], copy_batch, &copy, error);
    ok = ok && flush_copy(&copy, error) && world_file_sync(copy.file, error);
    world_file_close(copy.file);
    buffer_free(&copy.pending);
    group->shape->size = copy.written;
    group->shape->next_offset = group->next_offset;
    segment_mark_verified(group->shape, 0, copy.written);
    return ok && write_cleaned_indexes(job, group, error);
}

/* Consecutive segments share a new one while they fit in segment.bytes. */
static void make_groups(struct clean_job *job) {
    struct group *group = NULL;
    for (size_t i = 0; i < job->segments.count; i++) {
        struct segment *segment = job->segments.items[i];
        if (segment->base_offset >= job->end_offset)
            break;
        bool fits = group && group->size + segment->size <= job->log->config.segment_bytes &&
                    segment->next_offset - group->base_offset <= INT32_MAX;
        if (!fits) {
            group = VECTOR_ADD(&job->groups);
            *group = (struct group){.base_offset = segment->base_offset};
        }
        VECTOR_PUSH(&group->sources, segment);
        group->size += segment->size;
        group->next_offset = segment->next_offset;
    }
}

static bool run(struct clean_job *job) {
    struct error *error = &job->error;
    if (!read_aborted(job, error))
        return false;
    job->end_offset = job->first_dirty;
    for (size_t i = 0; i < job->segments.count; i++)
        if (job->segments.items[i]->next_offset > job->first_dirty &&
            !each_batch(job, job->segments.items[i], note_batch, NULL, error))
            return false;
    if (job->key_count < KEYS_MAX)
        job->end_offset = job->segments.items[job->segments.count - 1]->next_offset;
    make_groups(job);
    for (size_t i = 0; i < job->groups.count; i++)
        if (!copy_group(job, &job->groups.items[i], error))
            return false;
    return true;
}

void clean_run(struct clean_job *job) {
    world_mutex_lock(&job->log->manager->clean_mutex);
    job->ok = !manager_is_closing(job->log->manager) && !log_is_closed(job->log) && run(job);
    world_mutex_unlock(&job->log->manager->clean_mutex);
}

/* ---- choosing ---- */

/* How many segments from the first on may be cleaned now: closed, decided, and old enough. */
static size_t cleanable(struct partition_log *log) {
    size_t count = 0;
    int64_t now_ms = world_wall_ms(log->world);
    struct error error;
    while (count + 1 < log->segments.count && log->segments.items[count + 1]->base_offset <= log->stable_offset) {
        struct segment *segment = log->segments.items[count];
        if (log->config.min_compaction_lag_ms > 0 && segment->next_offset > log->clean_offset &&
            (!segment_know_timestamps(segment, &error) ||
                now_ms - segment->max_timestamp < log->config.min_compaction_lag_ms))
            break;
        count++;
    }
    return count;
}

bool clean_is_due(struct partition_log *log, double *dirty_ratio) {
    if (!(log->config.cleanup_policy & LOG_CLEANUP_COMPACT) || log->cleaning || log->failure)
        return false;
    size_t count = cleanable(log);
    int64_t clean = 0, dirty = 0;
    bool overdue = false;
    int64_t now_ms = world_wall_ms(log->world);
    for (size_t i = 0; i < count; i++) {
        struct segment *segment = log->segments.items[i];
        bool is_dirty = segment->next_offset > log->clean_offset;
        *(is_dirty ? &dirty : &clean) += segment->size;
        int64_t since_ms = segment->first_timestamp >= 0 ? segment->first_timestamp : segment->created_ms;
        overdue = overdue || (is_dirty && log->config.max_compaction_lag_ms < now_ms - since_ms);
    }
    if (dirty == 0)
        return false;
    *dirty_ratio = (double)dirty / (double)(clean + dirty);
    return overdue || *dirty_ratio > log->config.min_cleanable_dirty_ratio;
}

struct clean_job *clean_plan(struct partition_log *log) {
    if (!(log->config.cleanup_policy & LOG_CLEANUP_COMPACT) || log->cleaning || log->failure)
        return NULL;
    size_t count = cleanable(log);
    if (count == 0 || log->segments.items[count - 1]->next_offset <= log->clean_offset)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (log->segments.items[i]->unwritten_transactions.count > 0)
            return NULL; /* aborted records would be taken for committed ones */
    struct clean_job *job = calloc(1, sizeof *job);
    ASSERT(job);
    job->log = log_retain(log);
    job->first_dirty = log->clean_offset;
    job->now_ms = world_wall_ms(log->world);
    for (size_t i = 0; i < count; i++)
        VECTOR_PUSH(&job->segments, segment_retain(log->segments.items[i]));
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&log->producers.entries, &cursor));) {
        const struct producer_entry *producer = entry->value;
        if (producer->batch_count > 0)
            VECTOR_PUSH(
                &job->producers, ((struct log_producer){.producer_id = producer->producer_id,
                                     .transaction_start = producer->batches[producer->batch_count - 1].last_offset}));
    }
    log->cleaning = true;
    return job;
}

/* ---- exchanging ---- */

static const char *const suffixes[] = {".log", ".index", ".timeindex", ".txnindex"};

static bool rename_all(
    struct partition_log *log, int64_t base, const char *from_end, const char *to_end, struct error *error) {
    for (size_t i = 0; i < ARRAY_COUNT(suffixes); i++) {
        char from[LOG_PATH_SIZE], to[LOG_PATH_SIZE], suffix[40];
        snprintf(suffix, sizeof suffix, "%s%s", suffixes[i], from_end);
        segment_path(log, base, suffix, from);
        snprintf(suffix, sizeof suffix, "%s%s", suffixes[i], to_end);
        segment_path(log, base, suffix, to);
        if (world_exists(log->world, from) && !world_rename(log->world, from, to, error))
            return false;
    }
    return true;
}

static void drop_cleaned(struct clean_job *job) {
    for (size_t g = 0; g < job->groups.count; g++)
        for (size_t i = 0; i < ARRAY_COUNT(suffixes); i++) {
            char path[LOG_PATH_SIZE], suffix[40];
            struct error error;
            snprintf(suffix, sizeof suffix, "%s.cleaned", suffixes[i]);
            segment_path(job->log, job->groups.items[g].base_offset, suffix, path);
            if (world_exists(job->log->world, path))
                world_unlink(job->log->world, path, &error);
        }
}

/* Takes the group's sources out of the list and puts the new segment in their place. */
static bool exchange(struct partition_log *log, struct group *group, struct error *error) {
    if (!rename_all(log, group->base_offset, ".cleaned", ".swap", error))
        return false;
    size_t at = 0;
    while (at < log->segments.count && log->segments.items[at] != group->sources.items[0])
        at++;
    ASSERT(at + group->sources.count < log->segments.count);
    int64_t old_size = 0;
    world_mutex_lock(&log->mutex);
    for (size_t i = 0; i < group->sources.count; i++)
        old_size += log->segments.items[at + i]->size;
    log->segments.items[at] = segment_retain(group->shape);
    for (size_t i = 1; i < group->sources.count; i++)
        VECTOR_REMOVE(&log->segments, at + 1);
    world_mutex_unlock(&log->mutex);
    __atomic_fetch_add(&log->total_size, group->shape->size - old_size, __ATOMIC_RELAXED);
    for (size_t i = 0; i < group->sources.count; i++)
        log_retire_files(group->sources.items[i], i == 0);
    return rename_all(log, group->base_offset, ".swap", "", error);
}

/* Retention may have taken segments away while the pass ran; it does not while `cleaning` is set, but the partition may
 * be gone. [owner] */
void clean_swap(struct clean_job *job) {
    struct partition_log *log = job->log;
    bool alive = !log_is_closed(log) && !log->failure;
    log->cleaning = false;
    if (!job->ok || !alive) {
        drop_cleaned(job);
        if (alive && job->error.code != ERROR_CANCELLED && job->error.code != ERROR_NONE)
            service_log_write(log->manager->service_log, LOG_ERROR, "kafka.log.LogCleaner", "Cleaning %s: %s",
                log->name, job->error.message);
        if (alive && job->error.code == ERROR_CORRUPT)
            log->clean_offset = job->segments.items[job->segments.count - 1]->next_offset; /* not again and again */
    } else {
        for (size_t g = 0; g < job->groups.count; g++)
            if (!exchange(log, &job->groups.items[g], &job->error)) {
                log->failure_is_final = true; /* the next start finishes the exchange */
                log_set_failure(log, job->error.message);
                break;
            }
        log->clean_offset = job->end_offset;
        service_log_write(log->manager->service_log, LOG_INFO, "kafka.log.LogCleaner",
            "Cleaned log %s (dirty section = [%lld, %lld])", log->name, (long long)job->first_dirty,
            (long long)job->end_offset);
    }
    for (size_t g = 0; g < job->groups.count; g++) {
        segment_release(job->groups.items[g].shape);
        VECTOR_FREE(&job->groups.items[g].sources);
    }
    for (size_t i = 0; i < job->segments.count; i++)
        segment_release(job->segments.items[i]);
    VECTOR_FREE(&job->segments);
    VECTOR_FREE(&job->groups);
    VECTOR_FREE(&job->aborted);
    VECTOR_FREE(&job->producers);
    free(job->keys);
    free(job);
    log_release(log);
}

/* ---- after a crash in the middle of an exchange ---- */

/* Offset after the last batch of a file, or -1. */
static int64_t end_of_file(struct partition_log *log, const char *path, int64_t base, struct error *error) {
    struct buffer bytes = {0};
    int64_t next = base;
    if (!world_read_file(log->world, path, (size_t)INT32_MAX, &bytes, error))
        return -1;
    struct record_batch batch;
    for (struct bytes rest = buffer_view(&bytes); record_batch_parse(rest, &batch) == RECORD_BATCH_OK;) {
        next = record_batch_last_offset(&batch) + 1;
        rest = bytes_slice(rest, batch.whole.size, rest.size - batch.whole.size);
    }
    buffer_free(&bytes);
    return next;
}

static bool finish_swap(struct partition_log *log, struct world_names *names, int64_t base, struct error *error) {
    char path[LOG_PATH_SIZE];
    segment_path(log, base, ".log.swap", path);
    int64_t next = end_of_file(log, path, base, error);
    if (next < 0)
        return false;
    for (size_t i = 0; i < names->count; i++) { /* old segments that the new one covers */
        int64_t other;
        struct bytes name = bytes_from_text(names->items[i].name);
        if (name.size < 24 || name.data[20] != '.' || !bytes_to_int64(bytes_slice(name, 0, 20), &other) ||
            other <= base || other >= next || bytes_ends_with(name, ".swap") || bytes_ends_with(name, ".deleted"))
            continue;
        snprintf(path, sizeof path, "%s/%s", log->directory, names->items[i].name);
        if (world_exists(log->world, path) && !world_unlink(log->world, path, error))
            return false;
    }
    return rename_all(log, base, ".swap", "", error);
}

bool clean_finish_swaps(struct partition_log *log, struct world_names *names, struct error *error) {
    for (size_t i = 0; i < names->count; i++) {
        struct bytes name = bytes_from_text(names->items[i].name);
        int64_t base;
        if (bytes_ends_with(name, ".log.swap") && name.size == 29 && bytes_to_int64(bytes_slice(name, 0, 20), &base) &&
            !finish_swap(log, names, base, error))
            return false;
    }
    return true;
}
