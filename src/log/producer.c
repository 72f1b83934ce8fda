/* producer.c: what the log remembers of each idempotent producer: the last five batches, its epoch, its open
 * transaction.
 *
 * Snapshot file <next offset>.snapshot, big-endian: i16 version 1, u32 CRC-32C of everything from byte 6 on, i32 count,
 * then per producer 46 bytes: i64 producer id, i16 epoch, i32 last sequence, i64 last offset, i32 offset delta of that
 * batch, i64 timestamp, i32 coordinator epoch, i64 first offset of the open transaction (-1 none). A snapshot keeps
 * only the last batch of a producer, so after a restart only that one is recognised when it is repeated, as in Kafka.
 *
 * Sequence numbers are 31 bits and go on at 0 after 2^31 - 1. */
#include "log/internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "wire/crc32c.h"

#define SNAPSHOT_HEADER_SIZE 10
#define SNAPSHOT_ENTRY_SIZE 46

static struct bytes key_of(const int64_t *producer_id) {
    return bytes_make(producer_id, sizeof *producer_id);
}

struct producer_entry *producer_find(struct producer_state *state, int64_t producer_id) {
    return map_get(&state->entries, key_of(&producer_id));
}

static struct producer_entry *find_or_add(struct producer_state *state, int64_t producer_id) {
    struct producer_entry *entry = producer_find(state, producer_id);
    if (!entry) {
        entry = calloc(1, sizeof *entry);
        ASSERT(entry);
        *entry = (struct producer_entry){
            .producer_id = producer_id, .epoch = -1, .coordinator_epoch = -1, .transaction_start = -1};
        map_set(&state->entries, key_of(&producer_id), entry);
    }
    return entry;
}

static int32_t sequence_add(int32_t sequence, int32_t count) {
    return (int32_t)(((int64_t)sequence + count) & INT32_MAX);
}

static int32_t first_sequence(const struct producer_batch *batch) {
    return (int32_t)(((int64_t)batch->last_sequence - batch->offset_delta) & INT32_MAX);
}

static bool find_duplicate(
    const struct producer_entry *entry, const struct record_batch *batch, struct producer_batch *duplicate) {
    if (batch->producer_epoch != entry->epoch)
        return false;
    int32_t last = sequence_add(batch->base_sequence, batch->last_offset_delta);
    for (int i = entry->batch_count - 1; i >= 0; i--)
        if (first_sequence(&entry->batches[i]) == batch->base_sequence && entry->batches[i].last_sequence == last) {
            *duplicate = entry->batches[i];
            return true;
        }
    return false;
}

enum log_status producer_check(struct producer_state *state, const struct record_batch *batch,
    struct producer_batch *duplicate, struct error *error) {
    duplicate->last_offset = -1;
    struct producer_entry *entry = producer_find(state, batch->producer_id);
    if (!entry || entry->epoch < 0)
        return LOG_STATUS_OK;
    if (batch->producer_epoch < entry->epoch) {
        error_set(error, ERROR_INVALID, "epoch %d of producer %lld is smaller than the last seen epoch %d",
            batch->producer_epoch, (long long)batch->producer_id, entry->epoch);
        return LOG_STATUS_INVALID_PRODUCER_EPOCH;
    }
    if (find_duplicate(entry, batch, duplicate))
        return LOG_STATUS_OK;
    if (batch->producer_epoch != entry->epoch) {
        if (batch->base_sequence == 0)
            return LOG_STATUS_OK;
        error_set(error, ERROR_INVALID,
            "invalid sequence number for new epoch of producer %lld: %d (request epoch), %d (sequence)",
            (long long)batch->producer_id, batch->producer_epoch, batch->base_sequence);
        return LOG_STATUS_OUT_OF_ORDER_SEQUENCE;
    }
    if (entry->transaction_start >= 0 && !(batch->attributes & RECORD_BATCH_TRANSACTIONAL)) {
        error_set(error, ERROR_INVALID, "producer %lld has an open transaction here and sent a batch outside of it",
            (long long)batch->producer_id);
        return LOG_STATUS_INVALID_TRANSACTION;
    }
    /* Without a batch of this epoch, the epoch came with the marker that ended a transaction: numbers begin anew. */
    int32_t last = entry->batch_count ? entry->batches[entry->batch_count - 1].last_sequence : -1;
    if (batch->base_sequence == sequence_add(last, 1))
        return LOG_STATUS_OK;
    error_set(error, ERROR_INVALID,
        "out of order sequence number for producer %lld: %d (incoming), %d (current end sequence number)",
        (long long)batch->producer_id, batch->base_sequence, last);
    return LOG_STATUS_OUT_OF_ORDER_SEQUENCE;
}

static void transaction_begin(struct producer_state *state, struct producer_entry *entry, int64_t first_offset) {
    entry->transaction_start = first_offset;
    VECTOR_PUSH(&state->transactions, ((struct transaction_span){entry->producer_id, first_offset, -1}));
}

/* Oldest open transaction of another producer, or INT64_MAX. */
static int64_t first_open_except(const struct producer_state *state, int64_t producer_id) {
    for (size_t i = 0; i < state->transactions.count; i++)
        if (state->transactions.items[i].last_offset < 0 && state->transactions.items[i].producer_id != producer_id)
            return state->transactions.items[i].first_offset;
    return INT64_MAX;
}

static void transaction_end(struct producer_state *state, struct producer_entry *entry, int64_t offset, bool aborted,
    struct completed_transaction *completed) {
    if (entry->transaction_start < 0)
        return;
    int64_t others = first_open_except(state, entry->producer_id);
    *completed = (struct completed_transaction){
        .producer_id = entry->producer_id,
        .first_offset = entry->transaction_start,
        .last_offset = offset,
        .last_stable_offset = others < offset + 1 ? others : offset + 1,
        .aborted = aborted,
        .any = true,
    };
    for (size_t i = 0; i < state->transactions.count; i++) {
        struct transaction_span *span = &state->transactions.items[i];
        if (span->producer_id == entry->producer_id && span->last_offset < 0)
            span->last_offset = offset;
    }
    entry->transaction_start = -1;
}

void producer_apply(struct producer_state *state, const struct record_batch *batch, int marker_type,
    int32_t coordinator_epoch, struct completed_transaction *completed) {
    completed->any = false;
    int64_t last_offset = record_batch_last_offset(batch);
    state->map_offset = last_offset + 1;
    if (batch->producer_id < 0)
        return;
    struct producer_entry *entry = find_or_add(state, batch->producer_id);
    if (batch->producer_epoch != entry->epoch)
        entry->batch_count = 0;
    entry->epoch = batch->producer_epoch;
    entry->last_timestamp = batch->max_timestamp;
    if (batch->attributes & RECORD_BATCH_CONTROL) {
        if (marker_type == 0 || marker_type == 1) {
            entry->coordinator_epoch = coordinator_epoch;
            transaction_end(state, entry, batch->base_offset, marker_type == 0, completed);
        }
        return;
    }
    if (batch->base_sequence >= 0) {
        if (entry->batch_count == PRODUCER_BATCHES) {
            memmove(entry->batches, entry->batches + 1, sizeof entry->batches[0] * (PRODUCER_BATCHES - 1));
            entry->batch_count--;
        }
        entry->batches[entry->batch_count++] = (struct producer_batch){
            .last_sequence = sequence_add(batch->base_sequence, batch->last_offset_delta),
            .offset_delta = batch->last_offset_delta,
            .last_offset = last_offset,
            .timestamp = batch->max_timestamp,
        };
    }
    if (batch->attributes & RECORD_BATCH_TRANSACTIONAL && entry->transaction_start < 0)
        transaction_begin(state, entry, batch->base_offset);
}

int64_t producer_first_unstable(const struct producer_state *state) {
    return state->transactions.count > 0 ? state->transactions.items[0].first_offset : INT64_MAX;
}

void producer_high_watermark(struct producer_state *state, int64_t high_watermark) {
    for (size_t i = 0; i < state->transactions.count;)
        if (state->transactions.items[i].last_offset >= 0 && state->transactions.items[i].last_offset < high_watermark)
            VECTOR_REMOVE(&state->transactions, i);
        else
            i++;
}

void producer_expire(struct producer_state *state, int64_t before_ms) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&state->entries, &cursor));) {
        struct producer_entry *producer = entry->value;
        if (producer->transaction_start < 0 && producer->last_timestamp < before_ms) {
            int64_t producer_id = producer->producer_id;
            free(producer);
            map_remove(&state->entries, key_of(&producer_id));
        }
    }
}

void producer_clear(struct producer_state *state) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&state->entries, &cursor));)
        free(entry->value);
    map_free(&state->entries);
    state->entries = (struct map){0};
    VECTOR_FREE(&state->transactions);
    state->map_offset = 0;
}

static void append_entry(struct buffer *bytes, const struct producer_entry *entry) {
    const struct producer_batch none = {.last_sequence = -1, .last_offset = -1};
    const struct producer_batch *last = entry->batch_count ? &entry->batches[entry->batch_count - 1] : &none;
    uint8_t *at = buffer_extend(bytes, SNAPSHOT_ENTRY_SIZE);
    store_be64(at, (uint64_t)entry->producer_id);
    store_be16(at + 8, (uint16_t)entry->epoch);
    store_be32(at + 10, (uint32_t)last->last_sequence);
    store_be64(at + 14, (uint64_t)last->last_offset);
    store_be32(at + 22, (uint32_t)last->offset_delta);
    store_be64(at + 26, (uint64_t)entry->last_timestamp);
    store_be32(at + 34, (uint32_t)entry->coordinator_epoch);
    store_be64(at + 38, (uint64_t)entry->transaction_start);
}

bool producer_snapshot_write(struct producer_state *state, struct partition_log *log, struct error *error) {
    if (state->snapshot_offset == state->map_offset)
        return true;
    struct buffer bytes = {0};
    memset(buffer_extend(&bytes, SNAPSHOT_HEADER_SIZE), 0, SNAPSHOT_HEADER_SIZE);
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&state->entries, &cursor));)
        append_entry(&bytes, entry->value);
    store_be16(bytes.data, 1);
    store_be32(bytes.data + 6, (uint32_t)state->entries.count);
    store_be32(bytes.data + 2, crc32c(0, bytes.data + 6, bytes.size - 6));
    char path[LOG_PATH_SIZE];
    segment_path(log, state->map_offset, ".snapshot", path);
    bool ok = world_write_file(log->world, path, buffer_view(&bytes), false, error);
    buffer_free(&bytes);
    if (ok)
        state->snapshot_offset = state->map_offset;
    return ok;
}

static void read_entry(struct producer_state *state, const uint8_t *at) {
    struct producer_entry *entry = find_or_add(state, (int64_t)load_be64(at));
    entry->epoch = (int16_t)load_be16(at + 8);
    struct producer_batch batch = {
        .last_sequence = (int32_t)load_be32(at + 10),
        .last_offset = (int64_t)load_be64(at + 14),
        .offset_delta = (int32_t)load_be32(at + 22),
        .timestamp = (int64_t)load_be64(at + 26),
    };
    entry->last_timestamp = batch.timestamp;
    entry->coordinator_epoch = (int32_t)load_be32(at + 34);
    entry->batch_count = 0;
    if (batch.last_offset >= 0 && batch.last_sequence >= 0)
        entry->batches[entry->batch_count++] = batch;
    int64_t start = (int64_t)load_be64(at + 38);
    if (start < 0)
        return;
    entry->transaction_start = start;
    size_t place = 0;
    while (place < state->transactions.count && state->transactions.items[place].first_offset < start)
        place++;
    VECTOR_PUSH(&state->transactions, ((struct transaction_span){0}));
    for (size_t i = state->transactions.count - 1; i > place; i--)
        state->transactions.items[i] = state->transactions.items[i - 1];
    state->transactions.items[place] = (struct transaction_span){entry->producer_id, start, -1};
}

bool producer_snapshot_read(
    struct producer_state *state, struct partition_log *log, int64_t offset, struct error *error) {
    char path[LOG_PATH_SIZE];
    segment_path(log, offset, ".snapshot", path);
    struct buffer bytes = {0};
    if (!world_read_file(log->world, path, (size_t)1 << 30, &bytes, error))
        return false;
    bool ok = bytes.size >= SNAPSHOT_HEADER_SIZE && load_be16(bytes.data) == 1 &&
              crc32c(0, bytes.data + 6, bytes.size - 6) == load_be32(bytes.data + 2) &&
              (bytes.size - SNAPSHOT_HEADER_SIZE) / SNAPSHOT_ENTRY_SIZE == load_be32(bytes.data + 6) &&
              (bytes.size - SNAPSHOT_HEADER_SIZE) % SNAPSHOT_ENTRY_SIZE == 0;
    if (ok) {
        producer_clear(state);
        for (size_t at = SNAPSHOT_HEADER_SIZE; at < bytes.size; at += SNAPSHOT_ENTRY_SIZE)
            read_entry(state, bytes.data + at);
        state->map_offset = state->snapshot_offset = offset;
    } else {
        error_set(error, ERROR_CORRUPT, "%s is not a whole producer snapshot", path);
    }
    buffer_free(&bytes);
    return ok;
}
