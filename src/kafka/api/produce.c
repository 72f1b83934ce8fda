/* produce.c: Produce. Each partition's batch is checked (form, checksum, records), appended, and answered when acks
 * says so: 1 after the append, -1 when the high watermark has passed it, 0 never. */
#include <stdlib.h>

#include "base/assert.h"
#include "kafka/transactions.h"
#include "wire/compress.h"
#include "wire/crc32c.h"
#include "wire/record_batch.h"

#define LOGGER "kafka.server.KafkaApis"

typedef struct kafka_produce_request_topic request_topic;
typedef struct kafka_produce_request_partition request_partition;
typedef struct kafka_produce_reply_partition reply_partition;

struct produce_wait {
    struct log_waiter waiter;
    struct produce_state *state;
    reply_partition *reply;
};
struct produce_state {
    struct api_request *request;
    struct world_timer *timer;
    size_t waiting, wait_count;
    struct produce_wait waits[];
};

/* ---- checks ---- */

static bool fail(struct api_request *request, reply_partition *reply, int16_t code, const char *message) {
    if (reply->error_code == KAFKA_NONE && request->broker->totals.failed_produces)
        metric_add(request->broker->totals.failed_produces, 1);
    reply->error_code = code;
    reply->base_offset = -1;
    reply->error_message = bytes_from_text(arena_strdup(&request->arena, message));
    return false;
}

static bool fail_record(struct api_request *request, reply_partition *reply, int32_t index, const char *message) {
    WIRE_ARRAY(&request->arena, &reply->record_errors, &kafka_produce_reply_record_error_struct, 1);
    reply->record_errors.items[0].batch_index = index;
    reply->record_errors.items[0].message = bytes_from_text(arena_strdup(&request->arena, message));
    return fail(request, reply, KAFKA_INVALID_RECORD, "One or more records have been rejected");
}

/* Walks the records: their number and offsets must be what the header says, and on a compacted topic each needs a key.
 */
static bool check_records(struct api_request *request, reply_partition *reply, const struct topic *topic,
    const struct record_batch *batch, struct bytes records) {
    struct record_reader reader;
    struct record record;
    struct error error = {0};
    bool keys_needed = topic->log_config.cleanup_policy & LOG_CLEANUP_COMPACT;
    int32_t count = 0;
    record_reader_init(&reader, batch, records);
    while (record_reader_next(&reader, &record, &error)) {
        if (record.offset != batch->base_offset + count)
            return fail_record(request, reply, count, "The record's offset does not follow the one before");
        if (keys_needed && !record.key.data)
            return fail_record(request, reply, count, "Compacted topic cannot accept message without key");
        count++;
    }
    if (error.code != ERROR_NONE || count != batch->record_count)
        return fail(request, reply, KAFKA_INVALID_RECORD,
            error.code ? error.message : "The batch has fewer records than its header says");
    return true;
}

static bool check_content(
    struct api_request *request, reply_partition *reply, const struct topic *topic, const struct record_batch *batch) {
    enum record_codec codec = record_batch_codec(batch);
    if (codec == RECORD_CODEC_NONE)
        return check_records(request, reply, topic, batch, batch->records);
    if (codec > RECORD_CODEC_ZSTD)
        return fail(request, reply, KAFKA_UNSUPPORTED_COMPRESSION_TYPE, "The batch names a codec that does not exist");
    if (codec == RECORD_CODEC_ZSTD && request->version < 7)
        return fail(request, reply, KAFKA_UNSUPPORTED_COMPRESSION_TYPE,
            "Produce requests below version 7 cannot carry zstd; use a newer client or another codec");
    struct buffer records = {0};
    struct error error = {0};
    bool ok = compression_decode(codec, batch->records, topic->decompressed_max, &records, &error);
    if (ok)
        ok = check_records(request, reply, topic, batch, buffer_view(&records));
    else
        fail(
            request, reply, error.code == ERROR_LIMIT ? KAFKA_MESSAGE_TOO_LARGE : KAFKA_CORRUPT_MESSAGE, error.message);
    buffer_free(&records);
    return ok;
}

/* A batch of a transaction must come from the present producer and lie in a partition of the transaction. */
static bool check_transaction(
    struct api_request *request, reply_partition *reply, const struct topic *topic, const struct record_batch *batch) {
    const struct kafka_produce_request *body = request->body;
    struct transaction *transaction = NULL;
    if (!body->transactional_id.data)
        return fail(request, reply, KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            "The batch belongs to a transaction, but the request names no transactional.id");
    int16_t code = transaction_check(
        request->broker->transactions, body->transactional_id, batch->producer_id, batch->producer_epoch, &transaction);
    if (code == KAFKA_NONE && transaction_has(transaction, bytes_from_text(topic->name), reply->index))
        return true;
    if (code == KAFKA_PRODUCER_FENCED)
        return fail(request, reply, KAFKA_INVALID_PRODUCER_EPOCH, kafka_error_text(KAFKA_PRODUCER_FENCED));
    /* Clients try these again: the transaction before is being ended, or the coordinator could not write. */
    if (code == KAFKA_CONCURRENT_TRANSACTIONS || (code == KAFKA_NONE && request->version >= 12))
        return fail(
            request, reply, KAFKA_NOT_ENOUGH_REPLICAS, "The partition could not be added to the transaction yet");
    if (code == KAFKA_NONE)
        code = request->version >= 11 ? KAFKA_TRANSACTION_ABORTABLE : KAFKA_INVALID_TXN_STATE;
    return fail(request, reply, code, "The partition was not added to the transaction");
}

static bool check_batch(
    struct api_request *request, reply_partition *reply, const struct topic *topic, struct bytes records) {
    struct record_batch batch;
    if (records.size < RECORD_BATCH_HEADER_SIZE)
        return fail(request, reply, KAFKA_CORRUPT_MESSAGE, "The record batch is shorter than its header");
    if (records.data[16] != 2)
        return fail(request, reply, KAFKA_INVALID_RECORD,
            "Produce requests with version 3 or above are only allowed to contain record batches with magic version 2");
    if (record_batch_parse(records, &batch) != RECORD_BATCH_OK)
        return fail(request, reply, KAFKA_CORRUPT_MESSAGE, "The record batch is cut off or its header is wrong");
    if (batch.whole.size != records.size)
        return fail(request, reply, KAFKA_INVALID_RECORD,
            "Produce requests with version 3 or above are only allowed to contain exactly one record batch per "
            "partition");
    if (batch.whole.size > (size_t)topic->log_config.max_message_bytes)
        return fail(request, reply, KAFKA_MESSAGE_TOO_LARGE, kafka_error_text(KAFKA_MESSAGE_TOO_LARGE));
    if (!record_batch_checksum_ok(&batch))
        return fail(request, reply, KAFKA_CORRUPT_MESSAGE, "The checksum of the record batch does not fit its bytes");
    if (batch.attributes & RECORD_BATCH_CONTROL)
        return fail(request, reply, KAFKA_INVALID_RECORD, "Clients are not allowed to write control records");
    if (batch.attributes & RECORD_BATCH_TRANSACTIONAL && !check_transaction(request, reply, topic, &batch))
        return false;
    return check_content(request, reply, topic, &batch);
}

/* The topic wants another codec than the producer chose: the same batch with its records packed anew. The bytes are the
 * request's. */
static bool compress_anew(
    struct api_request *request, reply_partition *reply, const struct topic *topic, struct bytes *records) {
    struct record_batch batch;
    struct buffer plain = {0}, packed = {0};
    struct error error = {0};
    if (topic->codec < 0 || record_batch_parse(*records, &batch) != RECORD_BATCH_OK ||
        record_batch_codec(&batch) == (enum record_codec)topic->codec)
        return true;
    buffer_append(&packed, records->data, RECORD_BATCH_HEADER_SIZE);
    bool ok = compression_decode(record_batch_codec(&batch), batch.records, topic->decompressed_max, &plain, &error) &&
              compression_encode((enum record_codec)topic->codec, buffer_view(&plain), &packed, &error);
    if (ok) {
        store_be32(packed.data + 8, (uint32_t)(packed.size - 12));
        store_be16(packed.data + 21, (uint16_t)((load_be16(packed.data + 21) & ~7) | topic->codec));
        store_be32(packed.data + 17, crc32c(0, packed.data + 21, packed.size - 21));
        *records = arena_copy(&request->arena, buffer_view(&packed));
    } else {
        fail(request, reply, KAFKA_UNKNOWN_SERVER_ERROR, error.message);
    }
    buffer_free(&plain);
    buffer_free(&packed);
    return ok;
}

/* ---- appending ---- */

static struct topic *find_topic(struct api_request *request, const request_topic *wanted) {
    return request->version >= 13 ? topic_find_id(request->broker, wanted->topic_id)
                                  : topic_find(request->broker, wanted->name);
}

static struct partition_log *append(struct api_request *request, const struct topic *topic,
    const request_partition *partition, reply_partition *reply, int64_t *last_offset) {
    const struct kafka_produce_request *body = request->body;
    reply->index = partition->index;
    if (request->broker->totals.produces)
        metric_add(request->broker->totals.produces, 1);
    struct partition_log *log = topic ? topic_log(topic, partition->index) : NULL;
    if (!log) {
        int16_t code = !topic && request->version >= 13 ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        fail(request, reply, code, kafka_error_text(code));
        return NULL;
    }
    if (body->acks == -1 && topic->min_insync_replicas > 1) {
        fail(request, reply, KAFKA_NOT_ENOUGH_REPLICAS, kafka_error_text(KAFKA_NOT_ENOUGH_REPLICAS));
        return NULL;
    }
    if (topic->internal) {
        fail(request, reply, KAFKA_INVALID_TOPIC_EXCEPTION, "Clients cannot write to the broker's internal topics");
        return NULL;
    }
    struct bytes records = partition->records;
    if (!check_batch(request, reply, topic, records) || !compress_anew(request, reply, topic, &records))
        return NULL;
    struct log_append_options options = {
        .leader_epoch = topic->leader_epochs[partition->index], .checksum_verified = true};
    struct log_append_result result = {0};
    struct error error = {0};
    /* The request owns its frame, so offsets can be written into it. */
    enum log_status status =
        log_append(log, (uint8_t *)(uintptr_t)records.data, records.size, &options, &result, &error);
    if (status != LOG_STATUS_OK) {
        int16_t code = kafka_error_from_status(status);
        fail(request, reply, code, error.code ? error.message : kafka_error_text(code));
        return NULL;
    }
    if (topic->messages_in && !result.duplicate) {
        metric_add(topic->messages_in, result.last_offset - result.base_offset + 1);
        metric_add(topic->bytes_in, (int64_t)records.size);
        metric_add(request->broker->totals.messages_in, result.last_offset - result.base_offset + 1);
        metric_add(request->broker->totals.bytes_in, (int64_t)records.size);
    }
    reply->base_offset = result.base_offset;
    reply->log_append_time_ms = result.append_time_ms;
    reply->log_start_offset = result.log_start_offset;
    *last_offset = result.last_offset;
    return log;
}

/* ---- waiting ---- */

static void state_free(struct produce_state *state) {
    for (size_t i = 0; i < state->wait_count; i++)
        log_wait_cancel(&state->waits[i].waiter);
    if (state->timer)
        world_timer_destroy(state->timer);
    free(state);
}

static void cancel(struct api_request *request) {
    state_free(request->state);
    request->state = NULL;
}

static void finish(struct api_request *request) {
    struct produce_state *state = request->state;
    request->state = NULL;
    state_free(state);
    api_reply(request);
}

static void on_committed(struct log_waiter *waiter, bool closed) {
    struct produce_wait *wait = waiter->argument;
    struct produce_state *state = wait->state;
    if (closed)
        fail(state->request, wait->reply, KAFKA_KAFKA_STORAGE_ERROR, kafka_error_text(KAFKA_KAFKA_STORAGE_ERROR));
    wait->reply = NULL;
    if (--state->waiting == 0)
        api_wake(state->request);
}

static void on_timeout(void *argument) {
    struct produce_state *state = argument;
    for (size_t i = 0; i < state->wait_count; i++)
        if (state->waits[i].reply)
            fail(state->request, state->waits[i].reply, KAFKA_REQUEST_TIMED_OUT,
                kafka_error_text(KAFKA_REQUEST_TIMED_OUT));
    finish(state->request);
}

static struct produce_state *state_of(struct api_request *request, size_t partition_count) {
    if (!request->state) {
        struct produce_state *state = calloc(1, sizeof *state + partition_count * sizeof *state->waits);
        ASSERT(state);
        state->request = request;
        request->state = state;
        request->wake = finish;
        request->cancel = cancel;
    }
    return request->state;
}

static void wait_for(struct api_request *request, size_t partition_count, struct partition_log *log,
    int64_t last_offset, reply_partition *reply) {
    if (log_high_watermark(log) > last_offset)
        return;
    struct produce_state *state = state_of(request, partition_count);
    struct produce_wait *wait = &state->waits[state->wait_count];
    *wait = (struct produce_wait){.waiter = {.wake = on_committed, .argument = wait}, .state = state, .reply = reply};
    enum log_wait_result waits = log_wait(log, last_offset, &wait->waiter);
    if (waits == LOG_WAIT_WAITS) {
        state->wait_count++;
        state->waiting++;
    } else if (waits == LOG_WAIT_OFFLINE) {
        fail(request, reply, KAFKA_KAFKA_STORAGE_ERROR, kafka_error_text(KAFKA_KAFKA_STORAGE_ERROR));
    }
}

/* ---- the handler ---- */

static size_t count_partitions(const struct kafka_produce_request *body) {
    size_t count = 0;
    for (int32_t i = 0; i < body->topics.count; i++)
        count += (size_t)body->topics.items[i].partitions.count;
    return count;
}

static void answer_without_acks(struct api_request *request) {
    const struct kafka_produce_reply *reply = request->reply;
    for (int32_t i = 0; i < reply->topics.count; i++)
        for (int32_t j = 0; j < reply->topics.items[i].partitions.count; j++)
            if (reply->topics.items[i].partitions.items[j].error_code != KAFKA_NONE) {
                /* With acks=0 the end of the connection is the only way to tell. */
                api_close(request, arena_printf(&request->arena, "acks=0 and a partition failed with %s",
                                       kafka_error_name(reply->topics.items[i].partitions.items[j].error_code)));
                return;
            }
    api_reply_nothing(request);
}

/* From version 12 on the broker adds what is written to the transaction, all partitions with one record. What is wrong
 * with a batch is found out later, one by one. */
static void add_to_transaction(struct api_request *request, size_t partition_count) {
    const struct kafka_produce_request *body = request->body;
    struct transactions *transactions = request->broker->transactions;
    struct transaction_part *parts = ARENA_ARRAY(&request->arena, struct transaction_part, partition_count + 1);
    struct transaction *transaction = NULL;
    struct transaction_place place;
    struct record_batch batch;
    size_t count = 0;
    for (int32_t i = 0; i < body->topics.count; i++) {
        const struct topic *topic = find_topic(request, &body->topics.items[i]);
        for (int32_t j = 0; topic && !topic->internal && j < body->topics.items[i].partitions.count; j++) {
            const request_partition *partition = &body->topics.items[i].partitions.items[j];
            if (!topic_log(topic, partition->index) ||
                record_batch_parse(partition->records, &batch) != RECORD_BATCH_OK ||
                !(batch.attributes & RECORD_BATCH_TRANSACTIONAL))
                continue;
            if (!transaction && transaction_check(transactions, body->transactional_id, batch.producer_id,
                                    batch.producer_epoch, &transaction) != KAFKA_NONE)
                return;
            parts[count++] = (struct transaction_part){bytes_from_text(topic->name), partition->index};
        }
    }
    if (count > 0)
        transaction_add(transactions, transaction, parts, count, 2, &place);
}

void handle_produce(struct api_request *request) {
    const struct kafka_produce_request *body = request->body;
    struct kafka_produce_reply *reply = request->reply;
    size_t partition_count = count_partitions(body);
    bool acks_valid = body->acks >= -1 && body->acks <= 1;
    if (request->version >= 12 && body->transactional_id.data && acks_valid)
        add_to_transaction(request, partition_count);
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_produce_reply_topic_struct, body->topics.count);
    for (int32_t i = 0; i < body->topics.count; i++) {
        const request_topic *wanted = &body->topics.items[i];
        struct kafka_produce_reply_topic *answer = &reply->topics.items[i];
        const struct topic *topic = find_topic(request, wanted);
        answer->name = wanted->name;
        answer->topic_id = wanted->topic_id;
        WIRE_ARRAY(
            &request->arena, &answer->partitions, &kafka_produce_reply_partition_struct, wanted->partitions.count);
        for (int32_t j = 0; j < wanted->partitions.count; j++) {
            reply_partition *result = &answer->partitions.items[j];
            int64_t last_offset = -1;
            if (!acks_valid) {
                result->index = wanted->partitions.items[j].index;
                fail(request, result, KAFKA_INVALID_REQUIRED_ACKS, kafka_error_text(KAFKA_INVALID_REQUIRED_ACKS));
                continue;
            }
            struct partition_log *log = append(request, topic, &wanted->partitions.items[j], result, &last_offset);
            if (log && body->acks == -1)
                wait_for(request, partition_count, log, last_offset, result);
        }
    }
    struct produce_state *state = request->state;
    if (state && state->waiting > 0) {
        state->timer = world_timer_create(request->broker->loop, on_timeout, state);
        world_timer_start(state->timer, body->timeout_ms > 0 ? body->timeout_ms : 0, 0);
    } else if (body->acks == 0) {
        answer_without_acks(request);
    } else if (state) {
        finish(request);
    } else {
        api_reply(request);
    }
}
