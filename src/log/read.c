/* read.c: reads from any thread. A read looks up its segment under the partition's mutex, holds it by a reference, and
 * works on files whose bytes below the published size never change. What it gives is verified (verify.c); quarantined
 * batches are stepped over. */
#include "log/internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "wire/compress.h"

#define PAGE_SIZE 4096

/* ---- finding ---- */

static size_t segment_index_for(const struct partition_log *log, int64_t offset) {
    size_t low = 0, high = log->segments.count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (log->segments.items[middle]->base_offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

struct segment *log_segment_for(struct partition_log *log, int64_t offset) {
    struct segment *found = NULL;
    world_mutex_lock(&log->mutex);
    if (log->segments.count > 0)
        found = segment_retain(log->segments.items[segment_index_for(log, offset)]);
    world_mutex_unlock(&log->mutex);
    return found;
}

struct segment *log_segment_after(struct partition_log *log, const struct segment *segment) {
    struct segment *found = NULL;
    world_mutex_lock(&log->mutex);
    for (size_t i = 0; i < log->segments.count && !found; i++)
        if (log->segments.items[i]->base_offset > segment->base_offset)
            found = segment_retain(log->segments.items[i]);
    world_mutex_unlock(&log->mutex);
    return found;
}

/* The best position that recent appends tell for an offset of the active segment. */
static void use_tail_hints(
    struct partition_log *log, const struct segment *segment, int64_t offset, int64_t *position) {
    world_mutex_lock(&log->mutex);
    if (log->segments.count > 0 && log_active(log) == segment)
        for (unsigned i = 0; i < ARRAY_COUNT(log->tail) && i < log->tail_count; i++)
            if (log->tail[i].offset <= offset && log->tail[i].position > *position)
                *position = log->tail[i].position;
    world_mutex_unlock(&log->mutex);
}

bool log_locate(struct partition_log *log, struct segment *segment, int64_t offset, int64_t end, int64_t *position,
    struct error *error) {
    if (!segment_lookup(segment, offset, position, error))
        return false;
    use_tail_hints(log, segment, offset, position);
    if (*position >= end) {
        *position = end;
        return true;
    }
    struct header_walk walk;
    if (!header_walk_begin(&walk, segment, *position, end, error))
        return false;
    struct error walk_error = {0};
    bool found = false;
    while (!found && header_walk_next(&walk, &walk_error))
        found = record_batch_last_offset(&walk.batch) >= offset;
    *position = found ? walk.batch_position : walk.position;
    header_walk_end(&walk);
    if (walk_error.code == ERROR_CORRUPT || walk_error.code == ERROR_IO) {
        world_mutex_lock(&log->mutex);
        segment_forget_verified(segment, *position, end);
        world_mutex_unlock(&log->mutex);
    }
    if (walk_error.code != ERROR_NONE && walk_error.code != ERROR_CORRUPT && walk_error.code != ERROR_IO) {
        *error = walk_error;
        return false;
    }
    return true; /* where no header can be read, log_verify quarantines and goes on */
}

/* ---- a read ---- */

struct found {
    struct segment *segment; /* retained; NULL when there is nothing to read */
    int64_t position, end;   /* good bytes */
    bool stepped_over;
    int64_t limit; /* offsets at or above it were not looked at */
    bool has_bad;  /* a quarantined batch holds offsets that were asked for */
};

static int64_t isolation_limit(struct partition_log *log, enum log_isolation isolation) {
    return isolation == LOG_READ_TO_END      ? atomic_get(&log->end_offset)
           : isolation == LOG_READ_COMMITTED ? log_last_stable_offset(log)
                                             : atomic_get(&log->high_watermark);
}

/* Where bytes below the offset limit end in this segment. */
static bool segment_limit(
    struct partition_log *log, struct segment *segment, int64_t limit, int64_t *end, struct error *error) {
    world_mutex_lock(&log->mutex);
    *end = segment->size;
    int64_t next_offset = segment->next_offset;
    world_mutex_unlock(&log->mutex);
    return limit >= next_offset || log_locate(log, segment, limit, *end, end, error);
}

/* Does a quarantined batch of this segment hold offsets in [offset, limit)? */
static bool has_quarantined(struct partition_log *log, const struct segment *segment, int64_t offset, int64_t limit) {
    bool found = false;
    world_mutex_lock(&log->mutex);
    for (size_t i = 0; i < segment->quarantine.count; i++)
        found = found || (segment->quarantine.items[i].last_offset >= offset &&
                             segment->quarantine.items[i].first_offset < limit);
    world_mutex_unlock(&log->mutex);
    return found;
}

/* Damage that was met on the way is looked around: with it in quarantine the search finds the batch behind it. */
static bool find_in_segment(struct partition_log *log, int64_t offset, int64_t limit, size_t bytes_max,
    struct found *found, struct error *error) {
    int64_t end, position;
    for (bool again = true; again;) {
        int64_t known = __atomic_load_n(&log->quarantine_count, __ATOMIC_RELAXED);
        if (!segment_limit(log, found->segment, limit, &end, error) ||
            !log_locate(log, found->segment, offset, end, &position, error))
            return false;
        found->position = position;
        if (!log_verify(log, found->segment, &found->position, end, (int64_t)bytes_max, &found->end, error))
            return false;
        again = known != __atomic_load_n(&log->quarantine_count, __ATOMIC_RELAXED);
    }
    if (__atomic_load_n(&log->quarantine_count, __ATOMIC_RELAXED) == 0)
        return true;
    bool has_bad = has_quarantined(log, found->segment, offset, limit);
    found->stepped_over = found->stepped_over || found->position > position || has_bad;
    found->has_bad = found->has_bad || has_bad;
    return true;
}

/* The quarantined batch that holds the offset, or that is the next thing behind it. */
static bool quarantine_holds(
    struct partition_log *log, int64_t offset, int64_t next_good, struct log_quarantine *holds) {
    struct log_quarantine_list list = {0};
    bool found = false;
    log_quarantined(log, &list);
    for (size_t i = 0; i < list.count && !found; i++)
        if (list.items[i].last_offset >= offset && list.items[i].first_offset < next_good) {
            *holds = list.items[i];
            found = true;
        }
    VECTOR_FREE(&list);
    return found;
}

static bool find(struct partition_log *log, int64_t offset, int64_t limit, size_t bytes_max, struct found *found,
    struct error *error) {
    *found = (struct found){.segment = log_segment_for(log, offset), .limit = limit};
    while (found->segment) {
        if (!find_in_segment(log, offset, limit, bytes_max, found, error)) {
            segment_release(found->segment);
            found->segment = NULL;
            return false;
        }
        if (found->end > found->position)
            return true;
        struct segment *next = log_segment_after(log, found->segment);
        segment_release(found->segment);
        found->segment = next;
        if (next && next->base_offset >= limit) {
            segment_release(next);
            found->segment = NULL;
        }
    }
    return true;
}

/* With raudal.corruption=stop: refuses when what was found lies behind a quarantined batch that was asked for. */
static bool may_pass(
    struct partition_log *log, int64_t offset, int64_t limit, const struct found *found, struct error *error) {
    uint8_t base[8];
    struct log_quarantine holds;
    int64_t next_good = limit;
    if (!log->manager->options.stops_at_corruption || !found->stepped_over)
        return true;
    if (found->segment) {
        struct open_file *file = segment_file(found->segment, SEGMENT_LOG, error);
        if (file && world_file_read(file->file, base, sizeof base, found->position, error) == (ssize_t)sizeof base)
            next_good = (int64_t)load_be64(base);
        file_release(log->manager, file);
    }
    if (next_good <= offset || !quarantine_holds(log, offset, next_good, &holds))
        return true;
    return error_set(error, ERROR_CORRUPT,
        "offsets %lld to %lld of %s are corrupt (raudal.corruption=stop; seek behind them to go on)",
        (long long)holds.first_offset, (long long)holds.last_offset, log->name);
}

/* Somebody cut the file: what is missing is verified anew, and found to be bad. */
static bool is_there(struct partition_log *log, const struct found *found, struct error *error) {
    struct open_file *file = segment_file(found->segment, SEGMENT_LOG, error);
    int64_t size = file ? world_file_size(file->file, error) : -1;
    file_release(log->manager, file);
    if (size >= found->end)
        return true;
    if (size >= 0) {
        world_mutex_lock(&log->mutex);
        segment_forget_verified(found->segment, found->position, found->end);
        world_mutex_unlock(&log->mutex);
        error_set(error, ERROR_NOT_FOUND, "%s is shorter than it was", log->name);
    }
    return false;
}

/* The common part of both reads: limits, range check, search. A segment that retention or compaction took away between
 * the search and the opening of its file is looked up again. */
static enum log_status begin_read(struct partition_log *log, int64_t offset, size_t bytes_max,
    enum log_isolation isolation, struct found *found, int64_t offsets[3], struct error *error) {
    *found = (struct found){0};
    for (int attempt = 0;; attempt++) {
        int64_t limit = isolation_limit(log, isolation);
        offsets[0] = atomic_get(&log->high_watermark);
        offsets[1] = log_last_stable_offset(log);
        offsets[2] = atomic_get(&log->start_offset);
        if (log_is_closed(log)) {
            error_set(error, ERROR_CLOSED, "partition %s is closed", log->name);
            return LOG_STATUS_CLOSED;
        }
        int64_t end = isolation == LOG_READ_TO_END ? limit : offsets[0];
        if (offset < offsets[2] || offset > end) {
            if (offset <= atomic_get(&log->end_offset) && offset >= offsets[2])
                return LOG_STATUS_OK; /* written, not committed yet: nothing to read there yet */
            error_set(error, ERROR_INVALID, "offset %lld of %s is out of range: it has %lld to %lld", (long long)offset,
                log->name, (long long)offsets[2], (long long)end);
            return LOG_STATUS_OFFSET_OUT_OF_RANGE;
        }
        if (offset >= limit)
            return LOG_STATUS_OK;
        bool is_found = find(log, offset, limit, bytes_max, found, error);
        if (is_found && (!found->segment || is_there(log, found, error))) {
            if (isolation == LOG_READ_TO_END || may_pass(log, offset, limit, found, error))
                return LOG_STATUS_OK;
            segment_release(found->segment);
            *found = (struct found){0};
            return LOG_STATUS_CORRUPT;
        }
        segment_release(found->segment);
        *found = (struct found){0};
        if (error->code != ERROR_NOT_FOUND || attempt >= 3)
            return LOG_STATUS_STORAGE;
    }
}

struct log_hold {
    struct open_file *file;
    struct segment *segment;
};

/* A batch without a record over [from, to), as compaction leaves them. */
static void fill(struct log_range *range, int64_t from, int64_t to, int32_t leader_epoch) {
    struct buffer bytes = {0};
    struct record_builder builder;
    int64_t count = to - from < INT32_MAX ? to - from : INT32_MAX;
    record_builder_begin(&builder, &bytes, from, 0);
    builder.last_offset_delta = (int32_t)count - 1;
    record_builder_end(&builder, -1, -1, -1, leader_epoch);
    ASSERT(bytes.size == sizeof range->filler);
    memcpy(range->filler, bytes.data, bytes.size);
    range->size = bytes.size;
    buffer_free(&bytes);
}

enum log_status log_read(struct partition_log *log, int64_t offset, size_t bytes_max, enum log_isolation isolation,
    struct log_range *range, struct error *error) {
    *range = (struct log_range){0};
    struct found found;
    int64_t offsets[3];
    enum log_status status = begin_read(log, offset, bytes_max, isolation, &found, offsets, error);
    range->high_watermark = offsets[0];
    range->last_stable_offset = offsets[1];
    range->log_start_offset = offsets[2];
    if (status == LOG_STATUS_OK && !found.segment && found.has_bad)
        fill(range, offset, found.limit, log_latest_epoch(log));
    if (status != LOG_STATUS_OK || !found.segment)
        return status;
    struct open_file *file = segment_file(found.segment, SEGMENT_LOG, error);
    size_t size = (size_t)(found.end - found.position);
    uint8_t header[RECORD_BATCH_LENGTH_START];
    bool ok = file != NULL;
    if (ok && size > bytes_max) {
        ok = world_file_read(file->file, header, sizeof header, found.position, error) == (ssize_t)sizeof header;
        size_t first = ok ? record_batch_size(header) : 0;
        size = first > bytes_max && first <= size ? first : bytes_max > first ? bytes_max : size;
    }
    if (!ok) {
        file_release(log->manager, file);
        segment_release(found.segment);
        return LOG_STATUS_STORAGE;
    }
    range->file = file->file;
    range->position = found.position;
    range->size = size;
    range->hold = malloc(sizeof *range->hold);
    ASSERT(range->hold);
    *range->hold = (struct log_hold){file, found.segment};
    return LOG_STATUS_OK;
}

void log_range_release(struct log_range *range) {
    if (range->hold) {
        file_release(range->hold->segment->manager, range->hold->file);
        segment_release(range->hold->segment);
        free(range->hold);
    }
    *range = (struct log_range){0};
}

void log_range_distrust(const struct log_range *range) {
    if (!range->hold)
        return;
    struct segment *segment = range->hold->segment;
    world_mutex_lock(&segment->log->mutex);
    segment_forget_verified(segment, range->position, range->position + (int64_t)range->size);
    world_mutex_unlock(&segment->log->mutex);
}

struct log_map {
    int references;
    struct world_map *map;
};

struct log_map *log_map_retain(struct log_map *map) {
    __atomic_fetch_add(&map->references, 1, __ATOMIC_RELAXED);
    return map;
}

void log_map_release(struct log_map *map) {
    if (!map || __atomic_sub_fetch(&map->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    world_map_close(map->map);
    free(map);
}

bool log_map_check(const struct log_map *map) {
    return world_map_check(map->map);
}

/* Cuts `data` (verified, so its headers can be believed) to whole batches of at most bytes_max, at least one. */
static struct bytes whole_batches(struct bytes data, size_t bytes_max, int64_t *first_offset, int64_t *next_offset) {
    size_t size = 0;
    while (data.size - size >= RECORD_BATCH_HEADER_SIZE) {
        const uint8_t *header = data.data + size;
        size_t batch_size = record_batch_size(header);
        if (batch_size == 0 || batch_size > data.size - size || (size > 0 && size + batch_size > bytes_max))
            break;
        if (size == 0)
            *first_offset = (int64_t)load_be64(header);
        *next_offset = (int64_t)load_be64(header) + (int32_t)load_be32(header + 23) + 1;
        size += batch_size;
    }
    return bytes_make(data.data, size);
}

static bool map_found(struct found *found, size_t bytes_max, struct log_view *view, struct error *error) {
    struct open_file *file = segment_file(found->segment, SEGMENT_LOG, error);
    if (!file)
        return false;
    int64_t map_from = found->position / PAGE_SIZE * PAGE_SIZE, size = found->end - found->position;
    uint8_t header[RECORD_BATCH_LENGTH_START];
    if (size > (int64_t)bytes_max) {
        size = (int64_t)bytes_max;
        if (world_file_read(file->file, header, sizeof header, found->position, error) == (ssize_t)sizeof header &&
            (int64_t)record_batch_size(header) > size)
            size = (int64_t)record_batch_size(header);
    }
    struct world_map *mapped = world_file_map(file->file, map_from, (size_t)(found->position + size - map_from), error);
    file_release(found->segment->manager, file);
    if (!mapped)
        return false;
    view->map = calloc(1, sizeof *view->map);
    ASSERT(view->map);
    *view->map = (struct log_map){1, mapped};
    struct bytes bytes = world_map_view(mapped);
    int64_t first_offset = view->next_offset, asked = view->next_offset;
    view->batches = whole_batches(bytes_slice(bytes, (size_t)(found->position - map_from), (size_t)size), bytes_max,
        &first_offset, &view->next_offset);
    if (found->stepped_over && first_offset > asked) {
        view->skipped_from = asked;
        view->skipped_to = first_offset;
    }
    return true;
}

enum log_status log_read_map(struct partition_log *log, int64_t offset, size_t bytes_max, enum log_isolation isolation,
    struct log_view *view, struct error *error) {
    *view = (struct log_view){.next_offset = offset};
    struct found found;
    int64_t offsets[3];
    enum log_status status = begin_read(log, offset, bytes_max, isolation, &found, offsets, error);
    view->high_watermark = offsets[0];
    view->last_stable_offset = offsets[1];
    view->log_start_offset = offsets[2];
    if (status == LOG_STATUS_OK && !found.segment && found.has_bad) {
        view->skipped_from = offset;
        view->skipped_to = view->next_offset = found.limit;
    }
    if (status != LOG_STATUS_OK || !found.segment)
        return status;
    bool ok = map_found(&found, bytes_max, view, error);
    segment_release(found.segment);
    return ok ? LOG_STATUS_OK : LOG_STATUS_STORAGE;
}

/* ---- facts ---- */

const char *log_topic(const struct partition_log *log) {
    return log->topic;
}
struct uuid log_topic_id(const struct partition_log *log) {
    return log->topic_id;
}
int32_t log_partition_index(const struct partition_log *log) {
    return log->partition;
}
const char *log_directory_name(const struct partition_log *log) {
    return log->name;
}
int64_t log_start_offset(struct partition_log *log) {
    return atomic_get(&log->start_offset);
}
int64_t log_end_offset(struct partition_log *log) {
    return atomic_get(&log->end_offset);
}
int64_t log_high_watermark(struct partition_log *log) {
    return atomic_get(&log->high_watermark);
}
/* Records of an open transaction may have been deleted (DeleteRecords): what is left is waited for from there on. */
int64_t log_last_stable_offset(struct partition_log *log) {
    int64_t stable = atomic_get(&log->stable_offset), start = atomic_get(&log->start_offset);
    return stable > start ? stable : start;
}
int64_t log_recovery_point(struct partition_log *log) {
    return atomic_get(&log->recovery_point);
}
int64_t log_size(struct partition_log *log) {
    return atomic_get(&log->total_size);
}
int32_t log_segment_count(struct partition_log *log) {
    world_mutex_lock(&log->mutex);
    size_t count = log->segments.count;
    world_mutex_unlock(&log->mutex);
    return (int32_t)count;
}
const char *log_failure(struct partition_log *log) {
    world_mutex_lock(&log->mutex);
    const char *failure = log->failure;
    world_mutex_unlock(&log->mutex);
    return failure;
}

void log_quarantined(struct partition_log *log, struct log_quarantine_list *list) {
    world_mutex_lock(&log->mutex);
    for (size_t i = 0; i < log->segments.count; i++)
        for (size_t k = 0; k < log->segments.items[i]->quarantine.count; k++)
            VECTOR_PUSH(list, log->segments.items[i]->quarantine.items[k]);
    world_mutex_unlock(&log->mutex);
}

int64_t log_quarantined_count(struct partition_log *log) {
    int64_t count = 0;
    if (__atomic_load_n(&log->quarantine_count, __ATOMIC_RELAXED) == 0)
        return 0;
    world_mutex_lock(&log->mutex);
    for (size_t i = 0; i < log->segments.count; i++)
        count += (int64_t)log->segments.items[i]->quarantine.count;
    world_mutex_unlock(&log->mutex);
    return count;
}

int32_t log_latest_epoch(struct partition_log *log) {
    world_mutex_lock(&log->mutex);
    size_t count = log->epochs.entries.count;
    int32_t epoch = count > 0 ? log->epochs.entries.items[count - 1].epoch : -1;
    world_mutex_unlock(&log->mutex);
    return epoch;
}

void log_epoch_end(struct partition_log *log, int32_t epoch, int32_t *found_epoch, int64_t *end_offset) {
    *found_epoch = -1;
    *end_offset = -1;
    world_mutex_lock(&log->mutex);
    for (size_t i = log->epochs.entries.count; i > 0; i--)
        if (log->epochs.entries.items[i - 1].epoch <= epoch) {
            *found_epoch = log->epochs.entries.items[i - 1].epoch;
            *end_offset = i < log->epochs.entries.count ? log->epochs.entries.items[i].start_offset
                                                        : atomic_get(&log->end_offset);
            break;
        }
    world_mutex_unlock(&log->mutex);
}

static int32_t epoch_of(struct partition_log *log, int64_t offset) {
    int32_t epoch = -1;
    world_mutex_lock(&log->mutex);
    for (size_t i = 0; i < log->epochs.entries.count && log->epochs.entries.items[i].start_offset <= offset; i++)
        epoch = log->epochs.entries.items[i].epoch;
    world_mutex_unlock(&log->mutex);
    return epoch;
}

/* ---- aborted transactions ---- */

/* Entry: i16 version 0, i64 producer id, i64 first offset, i64 last offset (the marker's), i64 last stable offset. */
bool log_append_transaction_index(
    struct segment *segment, const struct completed_transaction *completed, struct error *error) {
    char path[LOG_PATH_SIZE];
    segment_path(segment->log, segment->base_offset, ".txnindex", path);
    __atomic_store_n(&segment->transactions, TRANSACTIONS_SOME, __ATOMIC_RELEASE);
    struct world_file *file = world_file_open(
        segment->manager->world, path, WORLD_OPEN_READ | WORLD_OPEN_WRITE | WORLD_OPEN_CREATE, 0644, error);
    if (!file)
        return false;
    uint8_t entry[TRANSACTION_INDEX_ENTRY_SIZE];
    store_be16(entry, 0);
    store_be64(entry + 2, (uint64_t)completed->producer_id);
    store_be64(entry + 10, (uint64_t)completed->first_offset);
    store_be64(entry + 18, (uint64_t)completed->last_offset);
    store_be64(entry + 26, (uint64_t)completed->last_stable_offset);
    int64_t size = world_file_size(file, error);
    bool ok =
        size >= 0 && world_file_write(file, entry, sizeof entry, size - size % TRANSACTION_INDEX_ENTRY_SIZE, error);
    world_file_close(file);
    __atomic_store_n(&segment->transactions_dirty, true, __ATOMIC_RELEASE);
    return ok;
}

/* An abort that is on the disk must be in the index on the disk too: below the recovery point nothing is scanned again,
 * and without its entry the transaction would be taken for a committed one. */
bool segment_sync_transactions(struct segment *segment, struct error *error) {
    struct world *world = segment->manager->world;
    char path[LOG_PATH_SIZE];
    if (!__atomic_exchange_n(&segment->transactions_dirty, false, __ATOMIC_ACQ_REL))
        return true;
    segment_path(segment->log, segment->base_offset, ".txnindex", path);
    struct world_file *file = world_file_open(world, path, WORLD_OPEN_READ | WORLD_OPEN_WRITE, 0644, error);
    bool ok = file && world_file_sync(file, error) && world_sync_directory(world, segment->log->directory, error);
    if (file)
        world_file_close(file);
    else if (segment->deleted)
        return true;
    if (!ok)
        __atomic_store_n(&segment->transactions_dirty, true, __ATOMIC_RELEASE);
    return ok;
}

bool segment_has_transactions(struct segment *segment) {
    int known = __atomic_load_n(&segment->transactions, __ATOMIC_ACQUIRE);
    if (known != TRANSACTIONS_UNKNOWN)
        return known == TRANSACTIONS_SOME;
    char path[LOG_PATH_SIZE];
    segment_path(segment->log, segment->base_offset, ".txnindex", path);
    int found = world_exists(segment->manager->world, path) ? TRANSACTIONS_SOME : TRANSACTIONS_NONE;
    /* The owner may be making it just now. */
    __atomic_compare_exchange_n(&segment->transactions, &known, found, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    return found == TRANSACTIONS_SOME || known == TRANSACTIONS_SOME;
}

bool segment_transactions(struct segment *segment, struct buffer *out, struct error *error) {
    char path[LOG_PATH_SIZE];
    segment_path(segment->log, segment->base_offset, ".txnindex", path);
    if (!segment_has_transactions(segment) || !world_exists(segment->manager->world, path))
        return true;
    return world_read_file(segment->manager->world, path, (size_t)1 << 30, out, error);
}

/* Adds the segment's transactions that overlap; *done when no later segment can hold more. */
static bool add_aborted(
    struct segment *segment, int64_t from, int64_t to, struct log_aborted_list *list, bool *done, struct error *error) {
    struct buffer bytes = {0};
    bool ok = segment_transactions(segment, &bytes, error);
    for (size_t at = 0; ok && at + TRANSACTION_INDEX_ENTRY_SIZE <= bytes.size; at += TRANSACTION_INDEX_ENTRY_SIZE) {
        int64_t first = (int64_t)load_be64(bytes.data + at + 10), last = (int64_t)load_be64(bytes.data + at + 18);
        if (last >= from && first < to)
            VECTOR_PUSH(list, ((struct log_aborted){(int64_t)load_be64(bytes.data + at + 2), first, last}));
        if ((int64_t)load_be64(bytes.data + at + 26) >= to)
            *done = true;
    }
    buffer_free(&bytes);
    world_mutex_lock(&segment->log->mutex);
    for (size_t i = 0; i < segment->unwritten_transactions.count; i++) {
        const struct completed_transaction *each = &segment->unwritten_transactions.items[i];
        if (each->last_offset >= from && each->first_offset < to)
            VECTOR_PUSH(list, ((struct log_aborted){each->producer_id, each->first_offset, each->last_offset}));
    }
    world_mutex_unlock(&segment->log->mutex);
    return ok;
}

bool log_aborted_transactions(
    struct partition_log *log, int64_t from, int64_t to, struct log_aborted_list *list, struct error *error) {
    struct segment *segment = log_segment_for(log, from);
    bool ok = true, done = false;
    while (ok && segment && !done) {
        ok = add_aborted(segment, from, to, list, &done, error);
        struct segment *next = done ? NULL : log_segment_after(log, segment);
        segment_release(segment);
        segment = next;
    }
    segment_release(segment);
    return ok;
}

bool log_aborted_in_range(struct partition_log *log, int64_t from, const struct log_range *range,
    struct log_aborted_list *list, struct error *error) {
    bool any = false;
    int64_t bound = range->last_stable_offset;
    for (struct segment *segment = log_segment_for(log, from), *next; segment; segment = next) {
        any = any || segment_has_transactions(segment);
        next = any ? NULL : log_segment_after(log, segment);
        segment_release(segment);
    }
    if (!any || range->size == 0 || !range->hold)
        return true;
    if (!segment_offset_bound(range->hold->segment, range->position + (int64_t)range->size - 1, &bound, error))
        return false;
    if (bound > range->last_stable_offset)
        bound = range->last_stable_offset;
    return log_aborted_transactions(log, from, bound, list, error);
}

bool log_batch_is_hidden(const struct log_aborted_list *list, const struct record_batch *batch) {
    if (batch->attributes & RECORD_BATCH_CONTROL)
        return true;
    for (size_t i = 0; batch->attributes & RECORD_BATCH_TRANSACTIONAL && i < list->count; i++)
        if (list->items[i].producer_id == batch->producer_id && list->items[i].first_offset <= batch->base_offset &&
            list->items[i].last_offset > batch->base_offset)
            return true;
    return false;
}

/* ---- offset for a timestamp ---- */

/* First record of the batch at or above the timestamp. A batch that cannot be decoded answers with its first offset. */
static bool find_record(struct bytes whole, int64_t timestamp, struct log_time_offset *found) {
    struct record_batch batch;
    struct error error = {0};
    if (record_batch_parse(whole, &batch) != RECORD_BATCH_OK)
        return false;
    struct buffer plain = {0};
    struct bytes records = batch.records;
    bool ok = true;
    if (record_batch_codec(&batch) != RECORD_CODEC_NONE) {
        ok = compression_decode(record_batch_codec(&batch), batch.records, COMPRESSION_OUTPUT_MAX, &plain, &error);
        records = buffer_view(&plain);
    }
    struct record_reader reader;
    struct record record;
    bool hit = false;
    record_reader_init(&reader, &batch, records);
    while (ok && !hit && record_reader_next(&reader, &record, &error))
        if (record.timestamp >= timestamp) {
            *found = (struct log_time_offset){.offset = record.offset, .timestamp_ms = record.timestamp};
            hit = true;
        }
    if (!hit && error.code != ERROR_NONE) {
        *found = (struct log_time_offset){.offset = batch.base_offset, .timestamp_ms = batch.max_timestamp};
        hit = true;
    }
    buffer_free(&plain);
    return hit;
}

static bool search_batch(
    struct header_walk *walk, int64_t timestamp, struct log_time_offset *found, struct error *error) {
    struct buffer bytes = {0};
    uint8_t *data = buffer_extend(&bytes, walk->batch_size);
    bool ok = world_file_read(walk->file->file, data, walk->batch_size, walk->batch_position, error) ==
              (ssize_t)walk->batch_size;
    bool hit = ok && find_record(buffer_view(&bytes), timestamp, found);
    buffer_free(&bytes);
    return hit;
}

static bool search_segment(struct partition_log *log, struct segment *segment, int64_t timestamp, int64_t limit,
    struct log_time_offset *found, struct error *error) {
    int64_t position, end;
    if (!segment_limit(log, segment, limit, &end, error) || !segment_time_lookup(segment, timestamp, &position, error))
        return false;
    struct header_walk walk;
    struct error walk_error = {.code = ERROR_CORRUPT};
    int64_t start = atomic_get(&log->start_offset), good_end;
    bool hit = false;
    while (!hit && walk_error.code == ERROR_CORRUPT && position < end) {
        if (!header_walk_begin(&walk, segment, position, end, error))
            return false;
        walk_error.code = ERROR_NONE;
        while (!hit && header_walk_next(&walk, &walk_error))
            if (walk.batch.max_timestamp >= timestamp && record_batch_last_offset(&walk.batch) >= start &&
                !(walk.batch.attributes & RECORD_BATCH_CONTROL))
                hit = search_batch(&walk, timestamp, found, &walk_error);
        int64_t damaged = walk.position;
        header_walk_end(&walk);
        position = damaged;
        /* Goes on behind the damage, which is quarantined. */
        if (walk_error.code == ERROR_CORRUPT && !log_verify(log, segment, &position, end, 1, &good_end, error))
            return false;
        if (walk_error.code == ERROR_CORRUPT && position == damaged)
            break;
    }
    if (hit || walk_error.code == ERROR_NONE || walk_error.code == ERROR_CORRUPT)
        return true;
    *error = walk_error;
    return false;
}

/* Largest timestamp of the partition, -1 when it has none. */
static bool largest_timestamp(struct partition_log *log, int64_t *timestamp, struct error *error) {
    *timestamp = -1;
    struct segment *segment = log_segment_for(log, atomic_get(&log->start_offset));
    bool ok = true;
    while (ok && segment) {
        ok = segment_know_timestamps(segment, error);
        if (ok && segment->max_timestamp > *timestamp)
            *timestamp = segment->max_timestamp;
        struct segment *next = log_segment_after(log, segment);
        segment_release(segment);
        segment = next;
    }
    segment_release(segment);
    return ok;
}

enum log_status log_offset_for_time(struct partition_log *log, int64_t timestamp_ms, enum log_isolation isolation,
    struct log_time_offset *found, struct error *error) {
    *found = (struct log_time_offset){.offset = -1, .timestamp_ms = -1, .leader_epoch = -1};
    if (log_is_closed(log))
        return LOG_STATUS_CLOSED;
    int64_t limit = isolation_limit(log, isolation);
    if (timestamp_ms == LOG_TIME_LATEST || timestamp_ms == LOG_TIME_EARLIEST) {
        bool latest = timestamp_ms == LOG_TIME_LATEST;
        found->offset = latest ? limit : atomic_get(&log->start_offset);
        found->leader_epoch = latest ? log_latest_epoch(log) : epoch_of(log, found->offset);
        return LOG_STATUS_OK;
    }
    if (timestamp_ms == LOG_TIME_MAX && !largest_timestamp(log, &timestamp_ms, error))
        return LOG_STATUS_STORAGE;
    if (timestamp_ms < 0)
        return LOG_STATUS_OK;
    struct segment *segment = log_segment_for(log, atomic_get(&log->start_offset));
    bool ok = true;
    while (ok && segment && found->offset < 0 && segment->base_offset < limit) {
        ok = segment_know_timestamps(segment, error);
        if (ok && segment->max_timestamp >= timestamp_ms)
            ok = search_segment(log, segment, timestamp_ms, limit, found, error);
        struct segment *next = log_segment_after(log, segment);
        segment_release(segment);
        segment = next;
    }
    segment_release(segment);
    if (found->offset >= 0)
        found->leader_epoch = epoch_of(log, found->offset);
    return ok ? LOG_STATUS_OK : LOG_STATUS_STORAGE;
}
