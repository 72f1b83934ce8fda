/* planted_faults.c: see planted_faults.h. Each __wrap_X stands before the real X. */
#include "kafka/planted_faults.h"

#include <stdlib.h>

#include "base/assert.h"
#include "kafka/groups.h"
#include "kafka/transactions.h"
#include "log/internal.h"

enum planted_fault planted_fault;

static uint64_t calls;  /* of what is faulty now and then */
static bool is_loading; /* a partition is being opened */
static struct {
    struct partition_log *log; /* NULL: nothing is held back */
    struct buffer bytes;
    struct log_append_options options;
} held;

const char *planted_fault_name(enum planted_fault fault) {
    static const char *const names[FAULT_COUNT] = {"none", "append dropped", "appends swapped",
        "duplicate sequence accepted", "sync skipped", "aborted data visible", "open data visible", "marker dropped",
        "marker flipped", "offsets not stored", "zombie commits", "offsets of aborted transactions", "tail lost",
        "batch skipped", "assignment forgotten", "transaction forgotten"};
    return names[fault];
}

static struct transaction_place last_place; /* of a stored transaction */

void planted_fault_crash(void) {
    last_place.log = NULL;
    held.log = NULL;
    buffer_clear(&held.bytes);
    is_loading = false;
}

#define WRAP(result, name, ...)                                                                                        \
    result __real_##name(__VA_ARGS__);                                                                                 \
    result __wrap_##name(__VA_ARGS__);                                                                                 \
    result __wrap_##name(__VA_ARGS__)

/* ---- appends ---- */

enum log_status __real_log_append(struct partition_log *log, uint8_t *batches, size_t size,
    const struct log_append_options *options, struct log_append_result *result, struct error *error);

/* Answers as if the batch had been written. */
static enum log_status pretend(struct partition_log *log, const uint8_t *batch, struct log_append_result *result) {
    *result = (struct log_append_result){.base_offset = log_end_offset(log),
        .last_offset = log_end_offset(log) + (int32_t)load_be32(batch + 23),
        .append_time_ms = -1};
    return LOG_STATUS_OK;
}

static bool is_model_topic(struct partition_log *log) {
    return strcmp(log_topic(log), "t") == 0;
}

static bool is_marker(const uint8_t *batch) {
    return load_be16(batch + 21) & RECORD_BATCH_CONTROL;
}

/* The record's key is: length, attributes and deltas in three bytes, its size, i16 version, i16 type. */
static void flip_marker(uint8_t *batch, size_t size) {
    struct record_batch parsed;
    struct record_reader reader;
    struct record record;
    struct error error = {0};
    ASSERT(record_batch_parse(bytes_make(batch, size), &parsed) == RECORD_BATCH_OK);
    record_reader_init(&reader, &parsed, parsed.records);
    if (record_reader_next(&reader, &record, &error) && record.key.size >= 4) {
        ((uint8_t *)(uintptr_t)record.key.data)[3] ^= 1;
        record_batch_seal(batch, size);
    }
}

static void append_held(void) {
    struct log_append_result result;
    struct error error;
    struct partition_log *log = held.log;
    held.log = NULL;
    __real_log_append(log, held.bytes.data, held.bytes.size, &held.options, &result, &error);
    buffer_clear(&held.bytes);
}

WRAP(enum log_status, log_append, struct partition_log *log, uint8_t *batches, size_t size,
    const struct log_append_options *options, struct log_append_result *result, struct error *error) {
    bool is_client = is_model_topic(log) && !options->from_coordinator;
    bool is_bad_marker = is_model_topic(log) && is_marker(batches) && log_partition_index(log) == 1;
    if (planted_fault == FAULT_APPEND_DROPPED && is_client && ++calls % 50 == 0)
        return pretend(log, batches, result);
    if (planted_fault == FAULT_MARKER_DROPPED && is_bad_marker)
        return pretend(log, batches, result);
    if (planted_fault == FAULT_MARKER_FLIPPED && is_bad_marker)
        flip_marker(batches, size);
    if (planted_fault == FAULT_APPENDS_SWAPPED && is_client && !held.log && ++calls % 20 == 0) {
        held.log = log;
        held.options = *options;
        buffer_append(&held.bytes, batches, size);
        return pretend(log, batches, result);
    }
    enum log_status status = __real_log_append(log, batches, size, options, result, error);
    if (held.log == log)
        append_held();
    return status;
}

WRAP(enum log_status, producer_check, struct producer_state *state, const struct record_batch *batch,
    struct producer_batch *duplicate, struct error *error) {
    return planted_fault == FAULT_DUPLICATE_SEQUENCE ? LOG_STATUS_OK
                                                     : __real_producer_check(state, batch, duplicate, error);
}

WRAP(bool, world_file_sync, struct world_file *file, struct error *error) {
    return planted_fault == FAULT_SYNC_SKIPPED || __real_world_file_sync(file, error);
}

/* ---- recovery ---- */

WRAP(bool, log_load, struct partition_log *log, bool clean, bool create, struct error *error) {
    is_loading = is_model_topic(log);
    bool ok = __real_log_load(log, clean, create, error);
    is_loading = false;
    return ok;
}

WRAP(bool, record_batch_checksum_ok, const struct record_batch *batch) {
    if (planted_fault == FAULT_TAIL_LOST && is_loading && ++calls % 60 == 0)
        return false;
    return __real_record_batch_checksum_ok(batch);
}

/* ---- reads ---- */

static void skip_first(struct log_range *range) {
    uint8_t header[RECORD_BATCH_LENGTH_START];
    struct error error;
    if (!range->file || world_file_read(range->file, header, sizeof header, range->position, &error) != sizeof header)
        return;
    size_t first = record_batch_size(header);
    if (first == 0 || first >= range->size)
        return;
    range->position += (int64_t)first;
    range->size -= first;
}

WRAP(enum log_status, log_read, struct partition_log *log, int64_t offset, size_t bytes_max,
    enum log_isolation isolation, struct log_range *range, struct error *error) {
    if (planted_fault == FAULT_OPEN_VISIBLE && isolation == LOG_READ_COMMITTED)
        isolation = LOG_READ_UNCOMMITTED;
    enum log_status status = __real_log_read(log, offset, bytes_max, isolation, range, error);
    if (planted_fault == FAULT_BATCH_SKIPPED && status == LOG_STATUS_OK && ++calls % 20 == 0)
        skip_first(range);
    return status;
}

WRAP(bool, log_aborted_in_range, struct partition_log *log, int64_t from, const struct log_range *range,
    struct log_aborted_list *list, struct error *error) {
    return planted_fault == FAULT_ABORTED_VISIBLE || __real_log_aborted_in_range(log, from, range, list, error);
}

/* ---- groups ---- */

WRAP(int16_t, group_batch_commit, struct group_batch *batch, struct partition_log **log, int64_t *last_offset) {
    if (planted_fault == FAULT_OFFSETS_NOT_STORED)
        batch->records.list.count = 0;
    return __real_group_batch_commit(batch, log, last_offset);
}

WRAP(int16_t, group_check_member, struct group *group, struct bytes member_id, struct bytes instance_id,
    int32_t generation, struct member **member) {
    int16_t code = __real_group_check_member(group, member_id, instance_id, generation, member);
    if (planted_fault != FAULT_ZOMBIE_COMMITS || code == KAFKA_NONE || list_empty(&group->members))
        return code;
    *member = CONTAINER_OF(list_first(&group->members), struct member, node);
    return KAFKA_NONE;
}

WRAP(void, group_answer_sync, struct member *member, int16_t code) {
    if (planted_fault == FAULT_SYNC_GROUP_FORGOTTEN && code == KAFKA_NONE && ++calls % 5 == 0)
        return;
    __real_group_answer_sync(member, code);
}

/* ---- transactions ---- */

WRAP(void, groups_transaction_ended, struct groups *groups, int32_t partition, int64_t producer_id, bool commit) {
    __real_groups_transaction_ended(
        groups, partition, producer_id, commit || planted_fault == FAULT_OFFSETS_OF_ABORTED);
}

WRAP(int16_t, transaction_store, struct transactions *transactions, struct transaction *transaction, bool tombstone,
    struct transaction_place *place) {
    struct transaction_place here = {0};
    if (planted_fault == FAULT_TRANSACTION_FORGOTTEN && last_place.log && ++calls % 10 == 0) {
        if (place)
            *place = last_place;
        return KAFKA_NONE;
    }
    int16_t code = __real_transaction_store(transactions, transaction, tombstone, &here);
    if (code == KAFKA_NONE)
        last_place = here;
    if (place)
        *place = here;
    return code;
}
