/* segment.c: one segment of a partition: its offset and time indexes and the walk over its batches.
 *
 * Offset index (.index): entries of 8 bytes, i32 offset - base, i32 position. The offset is the last of a batch, the
 * position is that batch's start; one is added when more than index.interval.bytes were written since the one before,
 * never for a segment's first batch. Time index
 * (.timeindex): entries of 12 bytes, i64 largest timestamp so far, i32 offset - base; one is added beside an offset
 * entry when the largest timestamp grew, and a last one when the segment ends. Both files are preallocated (sparse,
 * zeros) while the segment is active and cut to their exact size when it ends. Integers are big-endian.
 *
 * The active segment keeps its entries in memory too; those of closed segments are read from the file where a search
 * needs them. */
#include "log/internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

static int64_t index_capacity_bytes(const struct segment *segment) {
    int64_t bytes = segment->log->config.segment_index_bytes;
    return bytes - bytes % INDEX_ENTRY_SIZE;
}

static int64_t time_index_capacity_bytes(const struct segment *segment) {
    int64_t bytes = segment->log->config.segment_index_bytes;
    return bytes - bytes % TIME_INDEX_ENTRY_SIZE;
}

static bool make_file(struct segment *segment, const char *suffix, int64_t size, struct error *error) {
    char path[LOG_PATH_SIZE];
    segment_path(segment->log, segment->base_offset, suffix, path);
    struct world_file *file = world_file_open(segment->manager->world, path,
        WORLD_OPEN_READ | WORLD_OPEN_WRITE | WORLD_OPEN_CREATE | WORLD_OPEN_TRUNCATE, 0644, error);
    if (!file)
        return false;
    bool ok = size == 0 || world_file_truncate(file, size, error);
    world_file_close(file);
    return ok;
}

bool segment_make_index_files(struct segment *segment, struct error *error) {
    segment->index_in_memory = segment->index_preallocated = segment->timestamps_known = true;
    return make_file(segment, ".index", index_capacity_bytes(segment), error) &&
           make_file(segment, ".timeindex", time_index_capacity_bytes(segment), error);
}

bool segment_make_files(struct segment *segment, struct error *error) {
    return make_file(segment, ".log", 0, error) && segment_make_index_files(segment, error);
}

void segment_remove_files(struct segment *segment) {
    static const char *const suffixes[] = {".log", ".index", ".timeindex"};
    for (size_t i = 0; i < ARRAY_COUNT(suffixes); i++) {
        char path[LOG_PATH_SIZE];
        struct error error;
        segment_path(segment->log, segment->base_offset, suffixes[i], path);
        if (world_exists(segment->manager->world, path))
            world_unlink(segment->manager->world, path, &error);
    }
}

bool segment_sync(struct segment *segment, struct error *error) {
    struct log_manager *manager = segment->manager;
    struct open_file *file = segment_file(segment, SEGMENT_LOG, error);
    if (!file)
        return false;
    bool ok = world_file_sync(file->file, error) && segment_sync_transactions(segment, error);
    file_release(manager, file);
    if (ok && !__atomic_load_n(&segment->entry_synced, __ATOMIC_ACQUIRE)) {
        /* The names too: the file's in its partition's directory, and that one's in the log directory. */
        ok = world_sync_directory(manager->world, segment->log->directory, error) &&
             world_sync_directory(manager->world, manager->directory, error);
        __atomic_store_n(&segment->entry_synced, ok, __ATOMIC_RELEASE);
    }
    return ok;
}

static bool set_size(struct segment *segment, enum segment_file_kind kind, int64_t size, struct error *error) {
    struct open_file *file = segment_file_to_write(segment, kind, error);
    if (!file)
        return false;
    bool ok = world_file_truncate(file->file, size, error);
    file_release(segment->manager, file);
    return ok;
}

bool segment_preallocate(struct segment *segment, struct error *error) {
    int64_t index_size = (int64_t)segment->index.count * INDEX_ENTRY_SIZE;
    int64_t time_size = (int64_t)segment->time_index.count * TIME_INDEX_ENTRY_SIZE;
    int64_t index_capacity = index_capacity_bytes(segment), time_capacity = time_index_capacity_bytes(segment);
    if (!set_size(segment, SEGMENT_INDEX, index_size > index_capacity ? index_size : index_capacity, error) ||
        !set_size(segment, SEGMENT_TIME_INDEX, time_size > time_capacity ? time_size : time_capacity, error))
        return false;
    segment->index_preallocated = true;
    return true;
}

bool segment_finish_indexes(struct segment *segment, struct error *error) {
    size_t time_from = segment->time_index.count;
    world_mutex_lock(&segment->log->mutex);
    int64_t last = time_from > 0 ? segment->time_index.items[time_from - 1].timestamp : -1;
    if (segment->max_timestamp > last)
        VECTOR_PUSH(&segment->time_index, ((struct time_entry){segment->max_timestamp,
                                              (uint32_t)(segment->max_timestamp_offset - segment->base_offset)}));
    world_mutex_unlock(&segment->log->mutex);
    if (!segment_write_indexes(segment, segment->index.count, time_from, error) ||
        !set_size(segment, SEGMENT_INDEX, (int64_t)segment->index.count * INDEX_ENTRY_SIZE, error) ||
        !set_size(segment, SEGMENT_TIME_INDEX, (int64_t)segment->time_index.count * TIME_INDEX_ENTRY_SIZE, error))
        return false;
    segment->index_preallocated = false;
    return true;
}

void segment_note_batch(struct segment *segment, const struct record_batch *batch, int64_t position) {
    int64_t last_offset = record_batch_last_offset(batch);
    if (segment->first_timestamp < 0)
        segment->first_timestamp = batch->max_timestamp;
    if (batch->max_timestamp > segment->max_timestamp) {
        segment->max_timestamp = batch->max_timestamp;
        segment->max_timestamp_offset = last_offset;
    }
    int64_t size = (int64_t)batch->whole.size;
    if (segment->bytes_since_index > segment->log->config.index_interval_bytes) {
        VECTOR_PUSH(&segment->index,
            ((struct index_entry){(uint32_t)(last_offset - segment->base_offset), (uint32_t)position}));
        size_t count = segment->time_index.count;
        if (segment->max_timestamp >= 0 &&
            (count == 0 || segment->max_timestamp > segment->time_index.items[count - 1].timestamp))
            VECTOR_PUSH(&segment->time_index, ((struct time_entry){segment->max_timestamp,
                                                  (uint32_t)(segment->max_timestamp_offset - segment->base_offset)}));
        segment->bytes_since_index = 0;
    }
    segment->bytes_since_index += size;
}

static bool write_at(struct segment *segment, enum segment_file_kind kind, const struct buffer *bytes, int64_t position,
    struct error *error) {
    if (bytes->size == 0)
        return true;
    struct open_file *file = segment_file_to_write(segment, kind, error);
    if (!file)
        return false;
    bool ok = world_file_write(file->file, bytes->data, bytes->size, position, error);
    file_release(segment->manager, file);
    return ok;
}

bool segment_write_indexes(struct segment *segment, size_t index_from, size_t time_from, struct error *error) {
    struct buffer bytes = {0};
    for (size_t i = index_from; i < segment->index.count; i++) {
        uint8_t *entry = buffer_extend(&bytes, INDEX_ENTRY_SIZE);
        store_be32(entry, segment->index.items[i].offset);
        store_be32(entry + 4, segment->index.items[i].position);
    }
    bool ok = write_at(segment, SEGMENT_INDEX, &bytes, (int64_t)index_from * INDEX_ENTRY_SIZE, error);
    buffer_clear(&bytes);
    for (size_t i = time_from; ok && i < segment->time_index.count; i++) {
        uint8_t *entry = buffer_extend(&bytes, TIME_INDEX_ENTRY_SIZE);
        store_be64(entry, (uint64_t)segment->time_index.items[i].timestamp);
        store_be32(entry + 8, segment->time_index.items[i].offset);
    }
    ok = ok && write_at(segment, SEGMENT_TIME_INDEX, &bytes, (int64_t)time_from * TIME_INDEX_ENTRY_SIZE, error);
    buffer_free(&bytes);
    return ok;
}

static bool read_whole(
    struct segment *segment, const char *suffix, size_t entry_size, struct buffer *out, struct error *error) {
    char path[LOG_PATH_SIZE];
    segment_path(segment->log, segment->base_offset, suffix, path);
    if (!world_read_file(segment->manager->world, path, (size_t)1 << 30, out, error))
        return false;
    if (out->size % entry_size)
        return error_set(
            error, ERROR_CORRUPT, "%s: its size %zu is not a multiple of %zu", path, out->size, entry_size);
    return true;
}

bool segment_load_indexes(struct segment *segment, struct error *error) {
    struct buffer bytes = {0};
    bool ok = read_whole(segment, ".index", INDEX_ENTRY_SIZE, &bytes, error);
    for (size_t at = 0; ok && at < bytes.size; at += INDEX_ENTRY_SIZE) {
        struct index_entry entry = {load_be32(bytes.data + at), load_be32(bytes.data + at + 4)};
        if (entry.position == 0)
            break; /* the zeros of a preallocated file */
        struct index_entry *last = segment->index.count ? &segment->index.items[segment->index.count - 1] : NULL;
        if ((last && (entry.offset <= last->offset || entry.position <= last->position)) ||
            entry.position >= segment->size)
            ok = error_set(error, ERROR_CORRUPT, "the offset index of %s at %lld is not in order", segment->log->name,
                (long long)segment->base_offset);
        else
            VECTOR_PUSH(&segment->index, entry);
    }
    buffer_clear(&bytes);
    ok = ok && read_whole(segment, ".timeindex", TIME_INDEX_ENTRY_SIZE, &bytes, error);
    for (size_t at = 0; ok && at < bytes.size; at += TIME_INDEX_ENTRY_SIZE) {
        struct time_entry entry = {(int64_t)load_be64(bytes.data + at), load_be32(bytes.data + at + 8)};
        struct time_entry *last =
            segment->time_index.count ? &segment->time_index.items[segment->time_index.count - 1] : NULL;
        if (entry.timestamp == 0 && entry.offset == 0)
            break;
        if (last && entry.timestamp < last->timestamp)
            ok = error_set(error, ERROR_CORRUPT, "the time index of %s at %lld is not in order", segment->log->name,
                (long long)segment->base_offset);
        else
            VECTOR_PUSH(&segment->time_index, entry);
    }
    buffer_free(&bytes);
    if (!ok) {
        segment->index.count = segment->time_index.count = 0;
        return false;
    }
    segment->index_in_memory = true;
    if (segment->time_index.count > 0) {
        struct time_entry last = segment->time_index.items[segment->time_index.count - 1];
        segment->max_timestamp = last.timestamp;
        segment->max_timestamp_offset = segment->base_offset + last.offset;
    }
    return true;
}

/* ---- searching: in memory for the active segment, in the file for closed ones ---- */

struct index_reader {
    struct segment *segment;
    struct open_file *file;
    enum segment_file_kind kind;
    size_t entry_size;
    int64_t count;
};

static bool reader_begin(
    struct index_reader *reader, struct segment *segment, enum segment_file_kind kind, struct error *error) {
    *reader = (struct index_reader){.segment = segment,
        .kind = kind,
        .entry_size = kind == SEGMENT_INDEX ? INDEX_ENTRY_SIZE : TIME_INDEX_ENTRY_SIZE};
    reader->file = segment_file(segment, kind, error);
    if (!reader->file)
        return false;
    int64_t size = world_file_size(reader->file->file, error);
    if (size < 0) {
        file_release(segment->manager, reader->file);
        return false;
    }
    reader->count = size / (int64_t)reader->entry_size;
    return true;
}

static bool reader_entry(
    struct index_reader *reader, int64_t at, struct index_entry *entry, struct time_entry *time, struct error *error) {
    uint8_t bytes[TIME_INDEX_ENTRY_SIZE];
    ssize_t size =
        world_file_read(reader->file->file, bytes, reader->entry_size, at * (int64_t)reader->entry_size, error);
    if (size != (ssize_t)reader->entry_size)
        return size < 0 ? false
                        : error_set(error, ERROR_CORRUPT, "an index of %s is shorter than it was",
                              reader->segment->log->name);
    if (entry)
        *entry = (struct index_entry){load_be32(bytes), load_be32(bytes + 4)};
    if (time)
        *time = (struct time_entry){(int64_t)load_be64(bytes), load_be32(bytes + 8)};
    return true;
}

/* Last entry of the file with offset <= target (by offset), or with position <= target (by position). -1 when none. */
static bool search_file(struct segment *segment, uint32_t target, bool by_position, int64_t *found,
    struct index_entry *at_found, struct index_entry *after, bool *has_after, struct error *error) {
    struct index_reader reader;
    if (!reader_begin(&reader, segment, SEGMENT_INDEX, error))
        return false;
    int64_t low = -1, high = reader.count;
    bool ok = true;
    struct index_entry entry;
    *has_after = false;
    while (ok && high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        ok = reader_entry(&reader, middle, &entry, NULL, error);
        bool below = entry.position != 0 && (by_position ? entry.position : entry.offset) <= target;
        if (ok && below) {
            low = middle;
            *at_found = entry;
        } else if (ok) {
            high = middle;
            *after = entry;
            *has_after = entry.position != 0;
        }
    }
    *found = low;
    file_release(segment->manager, reader.file);
    return ok;
}

static size_t search_memory(const struct segment *segment, uint32_t target, bool by_position) {
    size_t low = 0, high = segment->index.count; /* entries below low are <= target */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct index_entry *entry = &segment->index.items[middle];
        if ((by_position ? entry->position : entry->offset) <= target)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t relative(const struct segment *segment, int64_t offset) {
    int64_t distance = offset - segment->base_offset;
    return distance < 0 ? 0 : distance > UINT32_MAX ? UINT32_MAX : (uint32_t)distance;
}

bool segment_lookup(struct segment *segment, int64_t offset, int64_t *position, struct error *error) {
    *position = 0;
    world_mutex_lock(&segment->log->mutex);
    bool in_memory = segment->index_in_memory;
    if (in_memory) {
        size_t above = search_memory(segment, relative(segment, offset), false);
        if (above > 0)
            *position = segment->index.items[above - 1].position;
    }
    world_mutex_unlock(&segment->log->mutex);
    if (in_memory)
        return true;
    int64_t found;
    struct index_entry entry = {0}, after;
    bool has_after;
    if (!search_file(segment, relative(segment, offset), false, &found, &entry, &after, &has_after, error))
        return false;
    if (found >= 0 && entry.position < segment->size)
        *position = entry.position;
    return true;
}

bool segment_resync(struct segment *segment, int64_t position, int64_t *next, struct error *error) {
    *next = -1;
    world_mutex_lock(&segment->log->mutex);
    bool in_memory = segment->index_in_memory;
    if (in_memory) {
        size_t above = search_memory(segment, (uint32_t)position, true);
        if (above < segment->index.count)
            *next = segment->index.items[above].position;
    }
    for (size_t i = 0; i < segment->verified.count; i++) {
        int64_t from = segment->verified.items[i].from;
        if (from > position && (*next < 0 || from < *next))
            *next = from;
    }
    int64_t size = segment->size;
    world_mutex_unlock(&segment->log->mutex);
    if (in_memory)
        return true;
    int64_t found;
    struct index_entry entry, after = {0};
    bool has_after;
    if (!search_file(segment, (uint32_t)position, true, &found, &entry, &after, &has_after, error))
        return false;
    if (has_after && after.position < size && (*next < 0 || after.position < *next))
        *next = after.position;
    return true;
}

bool segment_floor(struct segment *segment, int64_t position, int64_t *start, struct error *error) {
    *start = 0;
    world_mutex_lock(&segment->log->mutex);
    bool in_memory = segment->index_in_memory;
    size_t above = in_memory ? search_memory(segment, (uint32_t)position, true) : 0;
    if (above > 0)
        *start = segment->index.items[above - 1].position;
    world_mutex_unlock(&segment->log->mutex);
    if (in_memory)
        return true;
    int64_t found;
    struct index_entry entry = {0}, after;
    bool has_after;
    if (!search_file(segment, (uint32_t)position, true, &found, &entry, &after, &has_after, error))
        return false;
    if (found >= 0)
        *start = entry.position;
    return true;
}

bool segment_offset_bound(struct segment *segment, int64_t position, int64_t *bound, struct error *error) {
    *bound = INT64_MAX;
    world_mutex_lock(&segment->log->mutex);
    bool in_memory = segment->index_in_memory;
    size_t above = in_memory ? search_memory(segment, (uint32_t)position, true) : 0;
    if (in_memory && above < segment->index.count)
        *bound = segment->base_offset + segment->index.items[above].offset + 1;
    world_mutex_unlock(&segment->log->mutex);
    if (in_memory)
        return true;
    int64_t found;
    struct index_entry entry, after = {0};
    bool has_after;
    if (!search_file(segment, (uint32_t)position, true, &found, &entry, &after, &has_after, error))
        return false;
    if (has_after)
        *bound = segment->base_offset + after.offset + 1;
    return true;
}

bool segment_know_timestamps(struct segment *segment, struct error *error) {
    if (segment->timestamps_known)
        return true;
    struct index_reader reader;
    if (!reader_begin(&reader, segment, SEGMENT_TIME_INDEX, error))
        return false;
    struct time_entry last = {-1, 0};
    bool ok = reader.count == 0 || reader_entry(&reader, reader.count - 1, NULL, &last, error);
    file_release(segment->manager, reader.file);
    struct header_walk walk;
    if (!ok || !header_walk_begin(&walk, segment, 0, segment->size, error))
        return false;
    if (header_walk_next(&walk, error))
        segment->first_timestamp = walk.batch.max_timestamp;
    header_walk_end(&walk);
    error->code = ERROR_NONE; /* an unreadable first batch leaves the timestamp unknown */
    segment->max_timestamp = last.timestamp;
    segment->max_timestamp_offset = last.timestamp < 0 ? -1 : segment->base_offset + last.offset;
    segment->timestamps_known = true;
    return true;
}

bool segment_time_lookup(struct segment *segment, int64_t timestamp, int64_t *position, struct error *error) {
    int64_t offset = segment->base_offset;
    world_mutex_lock(&segment->log->mutex);
    bool in_memory = segment->index_in_memory;
    for (size_t i = segment->time_index.count; in_memory && i > 0; i--)
        if (segment->time_index.items[i - 1].timestamp < timestamp) {
            offset += segment->time_index.items[i - 1].offset;
            break;
        }
    world_mutex_unlock(&segment->log->mutex);
    if (!in_memory) {
        struct index_reader reader;
        if (!reader_begin(&reader, segment, SEGMENT_TIME_INDEX, error))
            return false;
        int64_t low = -1, high = reader.count;
        bool ok = true;
        struct time_entry entry = {0};
        while (ok && high - low > 1) {
            int64_t middle = low + (high - low) / 2;
            ok = reader_entry(&reader, middle, NULL, &entry, error);
            if (ok && entry.timestamp < timestamp) {
                low = middle;
                offset = segment->base_offset + entry.offset;
            } else {
                high = middle;
            }
        }
        file_release(segment->manager, reader.file);
        if (!ok)
            return false;
    }
    return segment_lookup(segment, offset, position, error);
}

/* ---- the walk over batch headers ---- */

bool header_walk_begin(
    struct header_walk *walk, struct segment *segment, int64_t position, int64_t end, struct error *error) {
    walk->segment = segment;
    walk->position = position;
    walk->end = end;
    walk->block_position = walk->block_size = 0;
    walk->file = segment_file(segment, SEGMENT_LOG, error);
    return walk->file != NULL;
}

/* The quarantined piece that starts at or covers `position`. */
static bool quarantined_at(struct segment *segment, int64_t position, int64_t *after) {
    bool found = false;
    world_mutex_lock(&segment->log->mutex);
    for (size_t i = 0; i < segment->quarantine.count && !found; i++) {
        struct log_quarantine *bad = &segment->quarantine.items[i];
        if (position >= bad->position && position < bad->position + bad->size) {
            *after = bad->position + bad->size;
            found = true;
        }
    }
    world_mutex_unlock(&segment->log->mutex);
    return found;
}

bool header_walk_next(struct header_walk *walk, struct error *error) {
    while (walk->segment->quarantine.count > 0 && quarantined_at(walk->segment, walk->position, &walk->position)) {
    }
    if (walk->end - walk->position < RECORD_BATCH_HEADER_SIZE) {
        if (walk->position < walk->end)
            error_set(error, ERROR_CORRUPT, "%lld bytes at position %lld are too few for a batch",
                (long long)(walk->end - walk->position), (long long)walk->position);
        return false;
    }
    int64_t skip = walk->position - walk->block_position;
    if (skip < 0 || skip + RECORD_BATCH_HEADER_SIZE > (int64_t)walk->block_size) {
        int64_t left = walk->end - walk->position;
        size_t wanted = left < (int64_t)sizeof walk->block ? (size_t)left : sizeof walk->block;
        ssize_t size = world_file_read(walk->file->file, walk->block, wanted, walk->position, error);
        if (size < 0)
            return false;
        walk->block_position = walk->position;
        walk->block_size = (size_t)size;
        skip = 0;
        if (size < RECORD_BATCH_HEADER_SIZE)
            return error_set(
                error, ERROR_CORRUPT, "the file ends at position %lld", (long long)(walk->position + size));
    }
    const uint8_t *header = walk->block + skip;
    size_t size = record_batch_size(header);
    if (!record_batch_parse_header(header, &walk->batch) || (int64_t)size > walk->end - walk->position)
        return error_set(error, ERROR_CORRUPT, "there is no record batch at position %lld", (long long)walk->position);
    walk->batch_position = walk->position;
    walk->batch_size = size;
    walk->batch.whole = (struct bytes){NULL, size};
    walk->position += (int64_t)size;
    return true;
}

void header_walk_end(struct header_walk *walk) {
    file_release(walk->segment->manager, walk->file);
}

/* ---- what has been verified ---- */

bool segment_is_verified(const struct segment *segment, int64_t from, int64_t to) {
    for (size_t i = 0; i < segment->verified.count; i++)
        if (segment->verified.items[i].from <= from && to <= segment->verified.items[i].to)
            return true;
    return false;
}

void segment_mark_verified(struct segment *segment, int64_t from, int64_t to) {
    if (from >= to)
        return;
    for (size_t i = 0; i < segment->verified.count;) {
        struct position_range *range = &segment->verified.items[i];
        if (range->to < from || range->from > to) {
            i++;
            continue;
        }
        from = range->from < from ? range->from : from;
        to = range->to > to ? range->to : to;
        VECTOR_REMOVE(&segment->verified, i);
    }
    size_t at = 0;
    while (at < segment->verified.count && segment->verified.items[at].from < from)
        at++;
    VECTOR_PUSH(&segment->verified, ((struct position_range){0, 0}));
    for (size_t i = segment->verified.count - 1; i > at; i--)
        segment->verified.items[i] = segment->verified.items[i - 1];
    segment->verified.items[at] = (struct position_range){from, to};
}

void segment_forget_verified(struct segment *segment, int64_t from, int64_t to) {
    for (size_t i = 0; i < segment->verified.count;) {
        struct position_range range = segment->verified.items[i];
        if (range.to <= from || range.from >= to) {
            i++;
            continue;
        }
        VECTOR_REMOVE(&segment->verified, i);
        segment_mark_verified(segment, range.from, from);
        segment_mark_verified(segment, to, range.to);
        i = 0;
    }
}
