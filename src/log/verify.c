/* verify.c: what is given to readers was verified. A batch is verified once in a process life, when it is appended,
 * recovered, or first read, and again by the scrub. A bad one is quarantined alone: its extent is remembered, readers
 * step over it, its partition and offsets are named in the log and the metrics.
 *
 * A good batch has a right header and checksum and its place among the offsets, which the checksum does not cover. */
#include "log/internal.h"

#include <stdio.h>

#include "base/assert.h"

#define PAGE_SIZE 4096
#define VERIFY_AHEAD_BYTES (256 * 1024)
#define VERIFIED_RANGES_MAX 512
#define QUARANTINE_SERIES_MAX 256
#define SEARCH_SIZE_MAX ((size_t)64 << 20)

/* Offsets of one batch each as labels, so that a monitor can name them; not for ever more. */
static void add_series(struct partition_log *log, const struct log_quarantine *bad) {
    struct log_manager *manager = log->manager;
    if (!manager->quarantined_batches)
        return;
    metric_add(manager->quarantined_batches, 1);
    if (__atomic_fetch_add(&manager->quarantine_series, 1, __ATOMIC_RELAXED) >= QUARANTINE_SERIES_MAX)
        return;
    char labels[400];
    snprintf(labels, sizeof labels, "topic=\"%s\",partition=\"%d\",first_offset=\"%lld\",last_offset=\"%lld\"",
        log->topic, log->partition, (long long)bad->first_offset, (long long)bad->last_offset);
    metric_set(metrics_get(manager->options.metrics, METRIC_GAUGE, "kafka_log_quarantined_bytes",
                   "Bytes of a quarantined record batch, by its offsets", labels),
        bad->size);
}

void log_quarantine_add(struct partition_log *log, struct segment *segment, struct log_quarantine bad) {
    world_mutex_lock(&log->mutex);
    size_t at = 0;
    bool known = false;
    for (; at < segment->quarantine.count && segment->quarantine.items[at].position <= bad.position; at++)
        known = known || segment->quarantine.items[at].position == bad.position;
    if (!known) {
        VECTOR_PUSH(&segment->quarantine, bad);
        for (size_t i = segment->quarantine.count - 1; i > at; i--)
            segment->quarantine.items[i] = segment->quarantine.items[i - 1];
        segment->quarantine.items[at] = bad;
    }
    world_mutex_unlock(&log->mutex);
    if (known)
        return;
    __atomic_fetch_add(&log->quarantine_count, 1, __ATOMIC_RELAXED);
    add_series(log, &bad);
    service_log_write(log->manager->service_log, LOG_ERROR, "org.apache.kafka.storage.internals.log.UnifiedLog",
        "Record batch of %s with offsets %lld to %lld is corrupt (file %s/%020lld.log, %lld bytes at position %lld): "
        "it is set aside and %s; the file is left as it is",
        log->name, (long long)bad.first_offset, (long long)bad.last_offset, log->directory,
        (long long)segment->base_offset, (long long)bad.size, (long long)bad.position,
        log->manager->options.stops_at_corruption ? "readers stop at it (raudal.corruption=stop)"
                                                  : "readers step over it");
}

static int64_t verified_to(struct partition_log *log, const struct segment *segment, int64_t position) {
    int64_t to = position;
    world_mutex_lock(&log->mutex);
    for (size_t i = 0; i < segment->verified.count; i++)
        if (segment->verified.items[i].from <= position && position < segment->verified.items[i].to)
            to = segment->verified.items[i].to;
    world_mutex_unlock(&log->mutex);
    return to;
}

/* If a quarantined piece starts at or covers *position, moves behind it. Else *next_bad is where the next one starts.
 */
static bool skip_quarantine(
    struct partition_log *log, const struct segment *segment, int64_t *position, int64_t *next_bad) {
    bool moved = false;
    *next_bad = INT64_MAX;
    world_mutex_lock(&log->mutex);
    for (size_t i = 0; i < segment->quarantine.count; i++) {
        const struct log_quarantine *bad = &segment->quarantine.items[i];
        if (*position >= bad->position && *position < bad->position + bad->size) {
            *position = bad->position + bad->size;
            moved = true;
        } else if (bad->position > *position && bad->position < *next_bad) {
            *next_bad = bad->position;
        }
    }
    world_mutex_unlock(&log->mutex);
    return moved;
}

/* What of a segment is looked at: its bytes from `position` on, and the offsets that batches there may have. */
struct stretch {
    struct segment *segment;
    struct bytes data;
    int64_t position;
    int64_t least_offset, offset_end; /* a batch's first is at or above the one, its last below the other */
};

/* The least offset that the batch at `position` can begin with, as the batches before it tell. */
static bool expected_offset(
    struct partition_log *log, struct segment *segment, int64_t position, int64_t *offset, struct error *error) {
    struct header_walk walk;
    int64_t start;
    *offset = segment->base_offset;
    if (position == 0)
        return true;
    if (!segment_floor(segment, position - 1, &start, error) ||
        !header_walk_begin(&walk, segment, start, position, error))
        return false;
    struct error walk_error = {0};
    while (header_walk_next(&walk, &walk_error))
        *offset = record_batch_last_offset(&walk.batch) + 1;
    header_walk_end(&walk);
    world_mutex_lock(&log->mutex);
    for (size_t i = 0; i < segment->quarantine.count; i++)
        if (segment->quarantine.items[i].position < position && segment->quarantine.items[i].last_offset >= *offset)
            *offset = segment->quarantine.items[i].last_offset + 1;
    world_mutex_unlock(&log->mutex);
    return true;
}

static bool stretch_of(struct partition_log *log, struct segment *segment, struct bytes data, int64_t position,
    struct stretch *stretch, struct error *error) {
    *stretch = (struct stretch){.segment = segment, .data = data, .position = position};
    world_mutex_lock(&log->mutex);
    stretch->offset_end = segment->next_offset;
    world_mutex_unlock(&log->mutex);
    return expected_offset(log, segment, position, &stretch->least_offset, error);
}

/* The batch at `at` of the stretch, if its header, its place among the offsets and its checksum are right. */
static bool is_good(const struct stretch *stretch, size_t at, int64_t least_offset, struct record_batch *batch) {
    struct bytes rest = bytes_slice(stretch->data, at, stretch->data.size - at);
    return record_batch_parse(rest, batch) == RECORD_BATCH_OK && batch->base_offset >= least_offset &&
           record_batch_last_offset(batch) < stretch->offset_end && record_batch_checksum_ok(batch);
}

/* The checksum does not cover a batch's first offset. When the next batch is whole and would have to come before the
 * end of this one, it is this one's offset that is wrong, unless it is just what the batch before lets expect. */
static bool overlaps_next(const struct stretch *stretch, size_t at, int64_t least_offset, struct record_batch *batch) {
    struct record_batch next;
    size_t behind = at + batch->whole.size;
    if (batch->base_offset == least_offset || stretch->data.size - behind < RECORD_BATCH_HEADER_SIZE ||
        !record_batch_parse_header(stretch->data.data + behind, &next) ||
        next.base_offset > record_batch_last_offset(batch))
        return false;
    return is_good(stretch, behind, least_offset, &next);
}

/* Where the next good batch of the stretch begins, or SIZE_MAX. Behind the bound only where the index knows one. */
static size_t find_good(const struct stretch *stretch, int64_t least_offset, int64_t known_start) {
    struct record_batch batch;
    size_t end = stretch->data.size < SEARCH_SIZE_MAX ? stretch->data.size : SEARCH_SIZE_MAX;
    for (size_t at = 1; at < end && stretch->data.size - at >= RECORD_BATCH_HEADER_SIZE; at++)
        if (stretch->data.data[at + 16] == 2 && is_good(stretch, at, least_offset, &batch))
            return at;
    size_t known = known_start > stretch->position ? (size_t)(known_start - stretch->position) : SIZE_MAX;
    return known >= end && known < stretch->data.size && is_good(stretch, known, least_offset, &batch) ? known
                                                                                                       : SIZE_MAX;
}

/* Sets the batch at the stretch's start aside, and it alone: up to where the next good one begins. */
static bool quarantine_at(struct partition_log *log, const struct stretch *stretch, struct error *error) {
    struct segment *segment = stretch->segment;
    struct log_quarantine bad = {.position = stretch->position,
        .segment_base = segment->base_offset,
        .size = (int64_t)stretch->data.size,
        .first_offset = stretch->least_offset};
    int64_t known_start;
    struct record_batch batch, next;
    if (!segment_resync(segment, stretch->position, &known_start, error))
        return false;
    bool header_ok = record_batch_parse(stretch->data, &batch) == RECORD_BATCH_OK &&
                     batch.base_offset >= bad.first_offset && record_batch_last_offset(&batch) < stretch->offset_end;
    size_t behind = header_ok ? batch.whole.size : 0;
    bool next_ok = header_ok && behind < stretch->data.size && is_good(stretch, behind, bad.first_offset, &next);
    if (header_ok && (next_ok || behind == stretch->data.size)) {
        bad.size = (int64_t)behind;
        bad.last_offset = record_batch_last_offset(&batch);
    } else {
        behind = find_good(stretch, bad.first_offset, known_start);
        header_ok = false;
        next_ok = behind != SIZE_MAX && is_good(stretch, behind, bad.first_offset, &next);
        if (next_ok)
            bad.size = (int64_t)behind;
        bad.last_offset = next_ok ? next.base_offset - 1 : stretch->offset_end - 1;
    }
    bool overlaps = header_ok && next_ok && next.base_offset <= batch.base_offset;
    if (header_ok && next_ok)
        bad.last_offset = next.base_offset - 1;
    if (header_ok && !overlaps)
        bad.first_offset = batch.base_offset;
    log_quarantine_add(log, segment, bad);
    return true;
}

/* Checks batches of the stretch up to about `wanted` bytes; stops at a bad one. Gives how many bytes are good. */
static int64_t check_batches(const struct stretch *stretch, int64_t wanted, bool *bad) {
    size_t good = 0;
    int64_t least_offset = stretch->least_offset;
    *bad = false;
    while ((int64_t)good < wanted && good < stretch->data.size) {
        struct record_batch batch;
        if (!is_good(stretch, good, least_offset, &batch) || overlaps_next(stretch, good, least_offset, &batch)) {
            *bad = true;
            break;
        }
        good += batch.whole.size;
        least_offset = record_batch_last_offset(&batch) + 1;
    }
    return (int64_t)good;
}

/* Verifies [from, end); *reached is where good batches end, above `from` unless the batch there is bad (*bad). An
 * unreadable page of the map reads as zeros, so that the batch in it is a bad one. */
static bool verify_some(struct partition_log *log, struct segment *segment, int64_t from, int64_t end, int64_t wanted,
    int64_t *reached, bool *bad, struct error *error) {
    struct open_file *file = segment_file(segment, SEGMENT_LOG, error);
    if (!file)
        return false;
    int64_t map_from = from / PAGE_SIZE * PAGE_SIZE;
    struct world_map *map = world_file_map(file->file, map_from, (size_t)(end - map_from), error);
    file_release(log->manager, file);
    if (!map)
        return false;
    struct bytes view = world_map_view(map);
    struct stretch stretch;
    bool ok = stretch_of(
        log, segment, bytes_slice(view, (size_t)(from - map_from), (size_t)(end - from)), from, &stretch, error);
    *bad = false;
    int64_t good = ok ? check_batches(&stretch, wanted, bad) : 0;
    if (good == 0 && *bad)
        ok = quarantine_at(log, &stretch, error);
    world_map_close(map);
    world_mutex_lock(&log->mutex);
    if (segment->verified.count >= VERIFIED_RANGES_MAX)
        segment->verified.count = 0; /* rather verify again than grow */
    segment_mark_verified(segment, from, from + good);
    world_mutex_unlock(&log->mutex);
    *reached = from + good;
    return ok;
}

bool log_verify_again(struct partition_log *log, struct segment *segment, int64_t from, int64_t wanted,
    int64_t *reached, struct error *error) {
    int64_t next_bad;
    bool bad;
    world_mutex_lock(&log->mutex);
    int64_t end = segment->size;
    world_mutex_unlock(&log->mutex);
    *reached = from;
    while (*reached < end && skip_quarantine(log, segment, reached, &next_bad)) {
    }
    if (*reached >= end)
        return true;
    next_bad = next_bad < end ? next_bad : end;
    int64_t start = *reached;
    if (!verify_some(log, segment, start, next_bad, wanted, reached, &bad, error))
        return false;
    return true; /* a bad batch is in quarantine now, and stepped over the next time */
}

bool log_verify(struct partition_log *log, struct segment *segment, int64_t *position, int64_t end, int64_t wanted,
    int64_t *good_end, struct error *error) {
    *good_end = *position;
    while (*position < end) {
        int64_t next_bad;
        if (skip_quarantine(log, segment, position, &next_bad)) {
            *good_end = *position;
            continue;
        }
        int64_t limit = end < next_bad ? end : next_bad;
        int64_t to = verified_to(log, segment, *position);
        *good_end = to < limit ? to : limit;
        bool enough = *good_end > *position && *good_end - *position >= wanted;
        if (enough || *good_end == limit)
            return true;
        bool bad;
        int64_t reached, ahead = wanted > VERIFY_AHEAD_BYTES ? wanted : VERIFY_AHEAD_BYTES;
        if (!verify_some(log, segment, *good_end, limit, ahead, &reached, &bad, error))
            return false;
        if (reached > *position) {
            *good_end = reached;
            return true;
        }
        ASSERT(bad); /* the batch at *position is in quarantine now: round again */
    }
    return true;
}
