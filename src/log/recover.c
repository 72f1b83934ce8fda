/* recover.c: opening a partition's directory.
 *
 * After a clean stop only the active segment's tail is walked (from its last index entry). After any other stop every
 * segment from the recovery point on is scanned: each batch at or above it must have the right checksum. Where a
 * write was lost (is_lost_write) the log is cut, and what follows goes too. Any other damage is quarantined: the bytes
 * stay, readers step over them. Indexes, transaction indexes and producer state
 * of scanned segments are made anew. Running it twice changes nothing. */
#include "log/internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

#define SECTOR_SIZE 512
#define TAIL_ZEROS 16 /* more than what a record or a compressed block ends in by itself */

struct load {
    struct partition_log *log;
    bool clean;
    VECTOR(int64_t) snapshots;
    int64_t rebuilt_from; /* base of the first segment whose indexes were made anew, INT64_MAX none */
    bool cut;             /* a scan found a lost write */
    bool gap;
};

/* ---- the directory ---- */

static bool parse_name(const char *name, struct bytes *suffix, int64_t *base) {
    struct bytes text = bytes_from_text(name);
    if (text.size < 21 || text.data[20] != '.')
        return false;
    *suffix = bytes_make(text.data + 20, text.size - 20);
    return bytes_to_int64(bytes_make(text.data, 20), base) && *base >= 0;
}

static bool unlink_in(struct partition_log *log, const char *name, struct error *error) {
    char path[LOG_PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", log->directory, name);
    return world_unlink(log->world, path, error);
}

static int compare_bases(const void *left, const void *right) {
    int64_t a = (*(struct segment *const *)left)->base_offset, b = (*(struct segment *const *)right)->base_offset;
    return a < b ? -1 : a > b;
}

static bool add_segment(struct partition_log *log, int64_t base, struct error *error) {
    struct segment *segment = segment_create(log, base);
    char path[LOG_PATH_SIZE];
    struct world_stat stat;
    segment_path(log, base, ".log", path);
    if (!world_stat(log->world, path, &stat, error)) {
        segment_release(segment);
        return false;
    }
    segment->size = stat.size;
    segment->created_ms = stat.modified_ms;
    VECTOR_PUSH(&log->segments, segment);
    return true;
}

static bool has_log(struct partition_log *log, int64_t base) {
    for (size_t i = 0; i < log->segments.count; i++)
        if (log->segments.items[i]->base_offset == base)
            return true;
    return false;
}

/* A segment without records says nothing, and one that a failed roll left behind would even say that its predecessor
 * ends at its base. */
static bool drop_empty_segments(struct partition_log *log, struct error *error) {
    static const char *const suffixes[] = {".log", ".index", ".timeindex", ".txnindex"};
    for (size_t i = 1; i < log->segments.count;) { /* the first one's base is the log's start after compaction */
        struct segment *segment = log->segments.items[i];
        if (segment->size > 0) {
            i++;
            continue;
        }
        for (size_t s = 0; s < ARRAY_COUNT(suffixes); s++) {
            char path[LOG_PATH_SIZE];
            segment_path(log, segment->base_offset, suffixes[s], path);
            if (world_exists(log->world, path) && !world_unlink(log->world, path, error))
                return false;
        }
        VECTOR_REMOVE(&log->segments, i);
        segment_release(segment);
    }
    return true;
}

static bool read_directory(struct load *load, struct error *error) {
    struct partition_log *log = load->log;
    struct world_names names = {0};
    bool ok = world_list(log->world, log->directory, &names, error) && clean_finish_swaps(log, &names, error);
    world_names_free(&names);
    names = (struct world_names){0};
    ok = ok && world_list(log->world, log->directory, &names, error);
    struct bytes suffix;
    int64_t base;
    for (size_t i = 0; ok && i < names.count; i++) {
        const char *name = names.items[i].name;
        struct bytes text = bytes_from_text(name);
        if (bytes_ends_with(text, ".deleted") || bytes_ends_with(text, ".cleaned") || bytes_ends_with(text, ".tmp"))
            ok = unlink_in(log, name, error);
        else if (parse_name(name, &suffix, &base) && bytes_equal_text(suffix, ".log"))
            ok = add_segment(log, base, error);
        else if (parse_name(name, &suffix, &base) && bytes_equal_text(suffix, ".snapshot"))
            VECTOR_PUSH(&load->snapshots, base);
    }
    for (size_t i = 0; ok && i < names.count; i++)
        if (parse_name(names.items[i].name, &suffix, &base) && !has_log(log, base) &&
            (bytes_equal_text(suffix, ".index") || bytes_equal_text(suffix, ".timeindex") ||
                bytes_equal_text(suffix, ".txnindex")))
            ok = unlink_in(log, names.items[i].name, error);
    world_names_free(&names);
    if (log->segments.count > 1)
        qsort(log->segments.items, log->segments.count, sizeof log->segments.items[0], compare_bases);
    return ok && drop_empty_segments(log, error);
}

/* ---- partition.metadata ---- */

static void metadata_text(const struct partition_log *log, struct buffer *text) {
    char id[UUID_BASE64_SIZE];
    uuid_format_base64(log->topic_id, id);
    buffer_printf(text, "version: 0\ntopic_id: %s", id);
}

bool log_write_metadata(struct partition_log *log, struct error *error) {
    char path[LOG_PATH_SIZE];
    snprintf(path, sizeof path, "%s/partition.metadata", log->directory);
    struct buffer text = {0};
    metadata_text(log, &text);
    bool ok = world_write_file(log->world, path, buffer_view(&text), false, error);
    buffer_free(&text);
    return ok;
}

static bool check_metadata(struct partition_log *log, struct error *error) {
    char path[LOG_PATH_SIZE];
    snprintf(path, sizeof path, "%s/partition.metadata", log->directory);
    if (!world_exists(log->world, path))
        return log_write_metadata(log, error);
    struct buffer text = {0};
    if (!world_read_file(log->world, path, 4096, &text, error))
        return false;
    struct bytes view = bytes_trim(buffer_view(&text));
    static const char head[] = "version: 0\ntopic_id: ";
    struct uuid id;
    bool empty = view.size == 0; /* created and not yet written when the process ended */
    bool ok = empty || (bytes_starts_with(view, head) &&
                           uuid_parse_base64(bytes_slice(view, sizeof head - 1, view.size - (sizeof head - 1)), &id));
    if (!ok)
        error_set(error, ERROR_CORRUPT, "%s is not \"version: 0\" and \"topic_id: …\"", path);
    else if (!empty && !uuid_equal(id, log->topic_id))
        ok = error_set(error, ERROR_CORRUPT,
            "%s names another topic id than the cluster's metadata: the directory belongs to a "
            "deleted topic of the same name; move it away to go on",
            path);
    buffer_free(&text);
    return ok && (!empty || log_write_metadata(log, error));
}

/* ---- scanning a segment ---- */

struct scan {
    struct partition_log *log;
    struct segment *segment;
    struct bytes data;        /* the whole .log */
    int64_t offset_end;       /* base of the next segment, INT64_MAX for the last */
    int64_t verify_from;      /* offsets from here on must have the right checksum */
    int64_t clean_end;        /* where a clean stop left the log, all of it synced; 0 unknown */
    int64_t position, offset; /* where the next batch begins, the least offset it may have */
};

static bool good_batch(const struct scan *scan, int64_t position, bool verify, struct record_batch *batch) {
    struct bytes rest = bytes_make(scan->data.data + position, scan->data.size - (size_t)position);
    if (record_batch_parse(rest, batch) != RECORD_BATCH_OK || batch->base_offset < scan->offset)
        return false;
    int64_t last = record_batch_last_offset(batch);
    if (last - scan->segment->base_offset > INT32_MAX || last >= scan->offset_end)
        return false;
    return !(verify || last >= scan->verify_from) || record_batch_checksum_ok(batch);
}

/* Next position after `from` where a batch with a right checksum begins, or -1. */
static int64_t find_good(const struct scan *scan, int64_t from) {
    struct record_batch batch;
    for (int64_t at = from; at + RECORD_BATCH_HEADER_SIZE <= (int64_t)scan->data.size; at++)
        if (scan->data.data[at + 16] == 2 && good_batch(scan, at, true, &batch))
            return at;
    return -1;
}

static int64_t zeros_before(const struct scan *scan, int64_t from, int64_t to) {
    int64_t count = 0;
    while (count < to - from && scan->data.data[to - 1 - count] == 0)
        count++;
    return count;
}

/* Is the damage in [from, to) made of writes that did not reach the disk, or only in part? Then whole sectors are zero,
 * or the end of a batch is, or the file ends within one. */
static bool is_lost_write(const struct scan *scan, int64_t from, int64_t to) {
    static const uint8_t zeros[SECTOR_SIZE];
    int64_t first = (from + SECTOR_SIZE - 1) / SECTOR_SIZE * SECTOR_SIZE;
    /* The rest of a sector that was synced before. With fewer than 8 bytes only an offset that is too small tells. */
    bool rest_is_zero =
        first > from && first <= to && memcmp(scan->data.data + from, zeros, (size_t)(first - from)) == 0;
    if (rest_is_zero &&
        (first - from >= 8 || (to - from >= 8 && (int64_t)load_be64(scan->data.data + from) < scan->offset)))
        return true;
    for (int64_t at = first; at + SECTOR_SIZE <= to; at += SECTOR_SIZE)
        if (memcmp(scan->data.data + at, zeros, SECTOR_SIZE) == 0)
            return true;
    while (from < to) {
        if (to - from >= RECORD_BATCH_LENGTH_START &&
            memcmp(scan->data.data + from, zeros, RECORD_BATCH_LENGTH_START) == 0)
            return true;
        struct record_batch batch;
        enum record_batch_result result =
            record_batch_parse(bytes_make(scan->data.data + from, (size_t)(to - from)), &batch);
        if (result == RECORD_BATCH_SHORT && to == (int64_t)scan->data.size)
            return true;
        int64_t end = result == RECORD_BATCH_OK ? from + (int64_t)batch.whole.size : to;
        if (zeros_before(scan, from, end) >= TAIL_ZEROS)
            return true;
        from = end;
    }
    return false;
}

/* Steps over damage. False: the log ends here. After a clean stop no write can have been lost. */
static bool step_over(struct scan *scan) {
    int64_t size = (int64_t)scan->data.size, next = find_good(scan, scan->position + 1);
    int64_t damage_end = next < 0 ? size : next;
    bool is_tail = next < 0 && scan->offset_end == INT64_MAX, was_synced = scan->offset < scan->clean_end;
    if (!was_synced && (is_tail || is_lost_write(scan, scan->position, damage_end)))
        return false;
    int64_t offset_end = is_tail ? scan->clean_end : scan->offset_end;
    log_quarantine_add(scan->log, scan->segment,
        (struct log_quarantine){
            .first_offset = scan->offset,
            .last_offset = (next < 0 ? offset_end : (int64_t)load_be64(scan->data.data + next)) - 1,
            .position = scan->position,
            .size = damage_end - scan->position,
            .segment_base = scan->segment->base_offset,
        });
    scan->position = damage_end;
    if (next < 0)
        scan->offset = offset_end;
    return true;
}

/* Below the recovery point checksums are not looked at; but a batch whose length is damaged leads into the midst of
 * another one or to the end, and then its checksum decides. */
static bool leads_on(const struct scan *scan, const struct record_batch *batch) {
    struct scan next = *scan;
    struct record_batch ignored;
    next.position += (int64_t)batch->whole.size;
    next.offset = record_batch_last_offset(batch) + 1;
    bool at_end = next.position == (int64_t)scan->data.size;
    return (!at_end && good_batch(&next, next.position, false, &ignored)) || record_batch_checksum_ok(batch);
}

static void scan_batches(struct scan *scan) {
    struct segment *segment = scan->segment;
    struct record_batch batch;
    while (scan->position < (int64_t)scan->data.size) {
        if (!good_batch(scan, scan->position, false, &batch) || !leads_on(scan, &batch)) {
            if (!step_over(scan))
                break;
            continue;
        }
        int64_t last = record_batch_last_offset(&batch), size = (int64_t)batch.whole.size;
        if (last >= scan->verify_from)
            segment_mark_verified(segment, scan->position, scan->position + size);
        segment_note_batch(segment, &batch, scan->position);
        epochs_assign(&scan->log->epochs, batch.leader_epoch, batch.base_offset);
        scan->position += size;
        scan->offset = last + 1;
    }
}

static bool remake_indexes(struct segment *segment, bool active, struct error *error) {
    segment->timestamps_known = segment->index_in_memory = true;
    size_t index_count = segment->index.count, time_count = segment->time_index.count;
    if (!segment_make_index_files(segment, error) || !segment_write_indexes(segment, 0, 0, error))
        return false;
    ASSERT(segment->index.count == index_count && segment->time_index.count == time_count);
    if (active)
        return true;
    if (!segment_finish_indexes(segment, error))
        return false;
    segment->index_in_memory = false;
    VECTOR_FREE(&segment->index);
    VECTOR_FREE(&segment->time_index);
    return true;
}

static bool recover_segment(
    struct load *load, struct segment *segment, int64_t verify_from, int64_t offset_end, struct error *error) {
    struct partition_log *log = load->log;
    if (segment->base_offset < load->rebuilt_from)
        load->rebuilt_from = segment->base_offset;
    segment->index.count = segment->time_index.count = segment->verified.count = 0;
    segment->bytes_since_index = 0;
    segment->max_timestamp = segment->max_timestamp_offset = segment->first_timestamp = -1;
    struct scan scan = {.log = log,
        .segment = segment,
        .offset_end = offset_end,
        .verify_from = verify_from,
        .clean_end = load->clean ? log->recovery_point : 0,
        .offset = segment->base_offset};
    struct open_file *file = segment_file(segment, SEGMENT_LOG, error);
    struct world_map *map = NULL;
    if (file && segment->size > 0 && (map = world_file_map(file->file, 0, (size_t)segment->size, error)))
        scan.data = world_map_view(map);
    bool ok = file && (segment->size == 0 || map);
    if (ok && segment->size > 0)
        scan_batches(&scan);
    if (map)
        world_map_close(map);
    if (ok && scan.position < segment->size) {
        service_log_write(log->manager->service_log, LOG_WARN, "org.apache.kafka.storage.internals.log.LogSegment",
            "Found invalid messages in log segment %s/%020lld.log at byte offset %lld: %lld bytes after the last whole "
            "batch are cut off",
            log->directory, (long long)segment->base_offset, (long long)scan.position,
            (long long)(segment->size - scan.position));
        /* Synced, or a power cut could leave old bytes behind new ones that were written over them. */
        ok = world_file_truncate(file->file, scan.position, error) && world_file_sync(file->file, error);
        segment->size = scan.position;
        load->cut = true;
    }
    file_release(log->manager, file);
    segment->next_offset = scan.offset;
    char path[LOG_PATH_SIZE];
    segment_path(log, segment->base_offset, ".txnindex", path);
    if (ok && world_exists(log->world, path))
        ok = world_unlink(log->world, path, error);
    return ok && remake_indexes(segment, segment == log_active(log), error);
}

/* ---- opening without a scan ---- */

static bool index_files_fit(struct segment *segment) {
    static const struct {
        const char *suffix;
        int64_t entry_size;
    } files[] = {{".index", INDEX_ENTRY_SIZE}, {".timeindex", TIME_INDEX_ENTRY_SIZE}};
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        char path[LOG_PATH_SIZE];
        struct world_stat stat;
        struct error error;
        segment_path(segment->log, segment->base_offset, files[i].suffix, path);
        if (!world_stat(segment->manager->world, path, &stat, &error) || stat.size % files[i].entry_size)
            return false;
    }
    return true;
}

/* After a clean stop the recovery point is the log's end. When the last batch tells another one and its checksum is
 * wrong, the batch is not to be believed. */
static void correct_end(struct segment *segment, int64_t position, size_t size) {
    struct partition_log *log = segment->log;
    struct error error;
    struct record_batch batch;
    if (segment->next_offset == log->recovery_point || log->recovery_point <= segment->base_offset || size == 0)
        return;
    struct open_file *file = segment_file(segment, SEGMENT_LOG, &error);
    if (!file)
        return;
    struct buffer bytes = {0};
    bool ok = world_file_read(file->file, buffer_extend(&bytes, size), size, position, &error) == (ssize_t)size &&
              record_batch_parse(buffer_view(&bytes), &batch) == RECORD_BATCH_OK;
    if (ok && !record_batch_checksum_ok(&batch) && log->recovery_point > batch.base_offset)
        segment->next_offset = log->recovery_point;
    buffer_free(&bytes);
    file_release(log->manager, file);
}

/* Learns the active segment's end from its last index entry on. False with ERROR_CORRUPT: it must be scanned. */
static bool walk_tail(struct segment *segment, struct error *error) {
    if (!segment_load_indexes(segment, error))
        return false;
    struct index_entry last = {0};
    if (segment->index.count > 0)
        last = segment->index.items[segment->index.count - 1];
    struct header_walk walk;
    if (!header_walk_begin(&walk, segment, last.position, segment->size, error))
        return false;
    size_t index_count = segment->index.count, time_count = segment->time_index.count;
    bool first = true;
    struct error walk_error = {0};
    while (header_walk_next(&walk, &walk_error)) {
        segment->next_offset = record_batch_last_offset(&walk.batch) + 1;
        segment->bytes_since_index = first ? 0 : segment->bytes_since_index;
        first = false;
        segment_note_batch(segment, &walk.batch, walk.batch_position);
    }
    header_walk_end(&walk);
    if (walk_error.code == ERROR_NONE && !first)
        correct_end(segment, walk.batch_position, walk.batch_size);
    segment->index.count = index_count; /* batches of the tail get no entries after the fact, as in Kafka */
    segment->time_index.count = time_count;
    if (walk_error.code != ERROR_NONE) {
        *error = walk_error;
        return false;
    }
    if (last.position > 0) {
        struct error ignored = {0};
        struct header_walk head;
        if (header_walk_begin(&head, segment, 0, segment->size, &ignored)) {
            if (header_walk_next(&head, &ignored))
                segment->first_timestamp = head.batch.max_timestamp;
            header_walk_end(&head);
        }
    }
    segment->timestamps_known = true;
    return true;
}

static int64_t offset_end_of(const struct partition_log *log, size_t index) {
    return index + 1 < log->segments.count ? log->segments.items[index + 1]->base_offset : INT64_MAX;
}

static bool open_segment(struct load *load, size_t index, struct error *error) {
    struct partition_log *log = load->log;
    struct segment *segment = log->segments.items[index];
    bool active = index + 1 == log->segments.count;
    segment->next_offset = active ? segment->base_offset : offset_end_of(log, index);
    if (index_files_fit(segment)) {
        if (!active)
            return true;
        error->code = ERROR_NONE;
        if (walk_tail(segment, error))
            return true;
        if (error->code != ERROR_CORRUPT)
            return false;
    }
    service_log_write(log->manager->service_log, LOG_INFO, "org.apache.kafka.storage.internals.log.LogLoader",
        "The indexes of segment %lld of %s are absent or do not fit it; they are made anew",
        (long long)segment->base_offset, log->name);
    return recover_segment(load, segment, INT64_MAX, offset_end_of(log, index), error);
}

/* A segment that ends before the next one begins has lost its tail, so what follows was written without what came
 * before: it goes too, as in Kafka. Compaction leaves such gaps on purpose, but only in files that were synced. */
static bool drop_after_gap(struct load *load, size_t last_kept, struct error *error) {
    static const char *const suffixes[] = {".log", ".index", ".timeindex", ".txnindex", ".snapshot"};
    struct partition_log *log = load->log;
    while (log->segments.count > last_kept + 1) {
        struct segment *segment = VECTOR_POP(&log->segments);
        service_log_write(log->manager->service_log, LOG_WARN, "org.apache.kafka.storage.internals.log.LogLoader",
            "Deleting segment %lld of %s: the records before it are lost", (long long)segment->base_offset, log->name);
        segment_close_files(segment);
        for (size_t i = 0; i < ARRAY_COUNT(suffixes); i++) {
            char path[LOG_PATH_SIZE];
            segment_path(log, segment->base_offset, suffixes[i], path);
            if (world_exists(log->world, path) && !world_unlink(log->world, path, error)) {
                segment_release(segment);
                return false;
            }
        }
        segment_release(segment);
    }
    return true;
}

static bool open_segments(struct load *load, struct error *error) {
    struct partition_log *log = load->log;
    size_t scan_from = log->segments.count; /* first segment to scan */
    if (!load->clean) {
        scan_from = log->segments.count - 1;
        while (scan_from > 0 && log->segments.items[scan_from]->base_offset > log->recovery_point)
            scan_from--;
    }
    bool compacted = (log->config.cleanup_policy & LOG_CLEANUP_COMPACT) != 0;
    for (size_t i = 0; i < log->segments.count; i++) {
        struct segment *segment = log->segments.items[i];
        int64_t offset_end = offset_end_of(log, i);
        bool ok = i < scan_from ? open_segment(load, i, error)
                                : recover_segment(load, segment, log->recovery_point, offset_end, error);
        bool gap = ok && i >= scan_from && offset_end != INT64_MAX && segment->next_offset < offset_end;
        if (gap && (!compacted || load->cut)) {
            ok = drop_after_gap(load, i, error);
            load->gap = true;
        }
        if (!ok)
            return false;
    }
    /* The last one left became the active segment. */
    return !load->gap || recover_segment(load, log_active(log), log->recovery_point, INT64_MAX, error);
}

/* ---- producer state ---- */

static bool read_marker(struct header_walk *walk, struct buffer *bytes, struct error *error) {
    buffer_clear(bytes);
    uint8_t *data = buffer_extend(bytes, walk->batch_size);
    if (world_file_read(walk->file->file, data, walk->batch_size, walk->batch_position, error) !=
        (ssize_t)walk->batch_size)
        return false;
    return record_batch_parse(buffer_view(bytes), &walk->batch) == RECORD_BATCH_OK;
}

static bool replay_segment(struct load *load, struct segment *segment, int64_t from_offset, struct error *error) {
    struct partition_log *log = load->log;
    int64_t position = 0;
    if (from_offset > segment->base_offset && !log_locate(log, segment, from_offset, segment->size, &position, error))
        return false;
    struct header_walk walk;
    if (!header_walk_begin(&walk, segment, position, segment->size, error))
        return false;
    struct buffer marker = {0};
    struct segment *transactions = segment->base_offset >= load->rebuilt_from ? segment : NULL;
    struct error walk_error = {0};
    bool ok = true;
    while (ok && header_walk_next(&walk, &walk_error)) {
        if (walk.batch.attributes & RECORD_BATCH_CONTROL)
            ok = read_marker(&walk, &marker, &walk_error);
        if (ok)
            log_apply_producer(log, transactions, &walk.batch, false);
    }
    header_walk_end(&walk);
    buffer_free(&marker);
    if (!segment_sync_transactions(segment, error))
        return false;
    /* Damage in a closed segment is found and quarantined when it is read; producer state goes on behind it. */
    if (walk_error.code != ERROR_NONE && walk_error.code != ERROR_CORRUPT) {
        *error = walk_error;
        return false;
    }
    return true;
}

static int compare_offsets(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

static bool is_base(const struct partition_log *log, int64_t offset) {
    for (size_t i = 0; i < log->segments.count; i++)
        if (log->segments.items[i]->base_offset == offset)
            return true;
    return false;
}

static void remove_snapshot(struct partition_log *log, int64_t offset) {
    char path[LOG_PATH_SIZE];
    struct error error;
    segment_path(log, offset, ".snapshot", path);
    world_unlink(log->world, path, &error);
}

static bool load_producers(struct load *load, struct error *error) {
    struct partition_log *log = load->log;
    int64_t newest_allowed = load->rebuilt_from < log->end_offset ? load->rebuilt_from : log->end_offset;
    if (load->snapshots.count > 1)
        qsort(load->snapshots.items, load->snapshots.count, sizeof load->snapshots.items[0], compare_offsets);
    int64_t chosen = -1;
    for (size_t i = load->snapshots.count; i > 0; i--) {
        int64_t offset = load->snapshots.items[i - 1];
        struct error snapshot_error;
        if (offset > newest_allowed) {
            if (offset > log->end_offset || !is_base(log, offset))
                remove_snapshot(log, offset);
        } else if (chosen < 0) {
            if (producer_snapshot_read(&log->producers, log, offset, &snapshot_error))
                chosen = offset;
            else
                remove_snapshot(log, offset);
        } else if (!is_base(log, offset)) {
            remove_snapshot(log, offset);
        }
    }
    if (chosen < 0)
        log->producers.map_offset = log->start_offset;
    for (size_t i = 0; i < log->segments.count; i++) {
        struct segment *segment = log->segments.items[i];
        if (segment->next_offset <= log->producers.map_offset || segment->size == 0)
            continue;
        if (!replay_segment(load, segment, log->producers.map_offset, error))
            return false;
    }
    log->producers.map_offset = log->end_offset;
    if (load->clean || log->end_offset == 0)
        return true;
    return producer_snapshot_write(&log->producers, log, error);
}

/* ---- all of it ---- */

static bool make_first_segment(struct partition_log *log, int64_t base, struct error *error) {
    struct segment *segment = segment_create(log, base);
    if (!segment_make_files(segment, error)) {
        segment_release(segment);
        return false;
    }
    VECTOR_PUSH(&log->segments, segment);
    return true;
}

/* The log start offset is beyond everything that survived: the partition goes on empty from there. */
static bool restart_at(struct load *load, int64_t offset, struct error *error) {
    struct partition_log *log = load->log;
    static const char *const suffixes[] = {".log", ".index", ".timeindex", ".txnindex", ".snapshot"};
    for (size_t i = 0; i < log->segments.count; i++) {
        struct segment *segment = log->segments.items[i];
        segment_close_files(segment);
        for (size_t s = 0; s < ARRAY_COUNT(suffixes); s++) {
            char path[LOG_PATH_SIZE];
            segment_path(log, segment->base_offset, suffixes[s], path);
            if (world_exists(log->world, path) && !world_unlink(log->world, path, error))
                return false;
        }
        segment_release(segment);
    }
    log->segments.count = 0;
    load->rebuilt_from = offset;
    return make_first_segment(log, offset, error);
}

/* A file of a directory that nobody knows yet needs no second name while it is written. */
static bool make_file(struct partition_log *log, const char *name, struct bytes text, struct error *error) {
    char path[LOG_PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", log->directory, name);
    struct world_file *file =
        world_file_open(log->world, path, WORLD_OPEN_WRITE | WORLD_OPEN_CREATE | WORLD_OPEN_TRUNCATE, 0644, error);
    if (!file)
        return false;
    bool ok = text.size == 0 || world_file_write(file, text.data, text.size, 0, error);
    world_file_close(file);
    return ok;
}

static bool make_directory(struct partition_log *log, struct error *error) {
    if (!world_mkdir(log->world, log->directory, 0755, error))
        return false;
    struct buffer text = {0};
    metadata_text(log, &text);
    bool ok = make_file(log, "partition.metadata", buffer_view(&text), error) &&
              make_file(log, "leader-epoch-checkpoint", BYTES(""), error) && make_first_segment(log, 0, error);
    buffer_free(&text);
    return ok;
}

static bool load_existing(struct load *load, struct error *error) {
    struct partition_log *log = load->log;
    if (!check_metadata(log, error) || !epochs_load(&log->epochs, log->world, log->directory, error) ||
        !read_directory(load, error))
        return false;
    if (log->segments.count == 0 && !make_first_segment(log, log->start_offset, error))
        return false;
    if (!open_segments(load, error))
        return false;
    if (log->start_offset < log->segments.items[0]->base_offset)
        log->start_offset = log->segments.items[0]->base_offset;
    if (log->start_offset > log_active(log)->next_offset && !restart_at(load, log->start_offset, error))
        return false;
    log->end_offset = log_active(log)->next_offset;
    bool epochs_changed = epochs_truncate_end(&log->epochs, log->end_offset);
    epochs_changed = epochs_truncate_start(&log->epochs, log->start_offset) || epochs_changed;
    if (epochs_changed && !epochs_store(&log->epochs, log->world, log->directory, error))
        return false;
    return load_producers(load, error);
}

bool log_load(struct partition_log *log, bool clean, bool create, struct error *error) {
    struct load load = {.log = log, .clean = clean, .rebuilt_from = INT64_MAX};
    bool exists = world_exists(log->world, log->directory);
    if (!exists && !create)
        return error_set(error, ERROR_NOT_FOUND, "there is no directory %s", log->directory);
    bool ok = exists ? load_existing(&load, error) : make_directory(log, error);
    struct error ignored;
    if (!ok && !exists) /* half of it, with an id that the next attempt will not have */
        world_remove_tree(log->world, log->directory, &ignored);
    VECTOR_FREE(&load.snapshots);
    if (!ok)
        return error_prefix(error, "partition %s", log->name);
    for (size_t i = 0; i < log->segments.count; i++)
        log->total_size += log->segments.items[i]->size;
    if (clean || log->end_offset == 0)
        log->recovery_point = log->end_offset;
    if (log->recovery_point > log->end_offset)
        log->recovery_point = log->end_offset;
    if (log->recovery_point < log->segments.items[0]->base_offset)
        log->recovery_point = log->segments.items[0]->base_offset;
    return true;
}
