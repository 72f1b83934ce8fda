/* transactions.c: InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn, WriteTxnMarkers: what producers ask of
 * the transaction coordinator. */
#include "kafka/transactions.h"

#include <stdlib.h>

#include "base/assert.h"
#include "kafka/groups.h"

/* Clients that are older than the code for a fenced producer know it by this one. */
static int16_t fenced_for(const struct api_request *request, int16_t first_version, int16_t code) {
    return code == KAFKA_PRODUCER_FENCED && request->version < first_version ? KAFKA_INVALID_PRODUCER_EPOCH : code;
}

/* ---- InitProducerId ---- */

/* An idempotent producer's identity. One that lost its sequence and asks again gets a new one, as in Kafka. */
static int16_t init_idempotent(struct api_request *request) {
    const struct kafka_init_producer_id_request *body = request->body;
    struct kafka_init_producer_id_reply *reply = request->reply;
    struct error error = {0};
    if ((body->producer_id < 0) != (body->producer_epoch < 0))
        return KAFKA_INVALID_REQUEST;
    if (!broker_next_producer_id(request->broker, &reply->producer_id, &error))
        return kafka_error_from_error(&error);
    reply->producer_epoch = 0;
    return KAFKA_NONE;
}

/* With flush.messages=1 an id is told when nobody can be given it again: a power cut must not take the record that
 * counts them. */
struct id_wait {
    struct api_request *request; /* NULL: the client is gone */
    bool is_over, ok;
};

static void finish_id_wait(struct api_request *request) {
    struct id_wait *wait = request->state;
    struct kafka_init_producer_id_reply *reply = request->reply;
    if (!wait->ok) {
        reply->error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
        reply->producer_id = reply->producer_epoch = -1;
    }
    free(wait);
    request->state = NULL;
    api_reply(request);
}

static void cancel_id_wait(struct api_request *request) {
    struct id_wait *wait = request->state;
    wait->request = NULL;
    if (wait->is_over)
        free(wait);
}

static void on_id_synced(void *argument, bool ok) {
    struct id_wait *wait = argument;
    wait->ok = ok;
    wait->is_over = true;
    if (wait->request)
        api_wake(wait->request);
    else
        free(wait);
}

static void reply_when_id_is_durable(struct api_request *request) {
    struct log_config config;
    config_for_topic(&request->broker->config, NULL, &config);
    struct partition_log *log = log_find(request->broker->logs, "__cluster_metadata", 0);
    if (config.flush_messages > 1 || !log || log_recovery_point(log) >= log_end_offset(log)) {
        api_reply(request);
        return;
    }
    struct id_wait *wait = calloc(1, sizeof *wait);
    ASSERT(wait);
    wait->request = request;
    request->state = wait;
    request->wake = finish_id_wait;
    request->cancel = cancel_id_wait;
    log_sync(log, on_id_synced, wait);
}

void handle_init_producer_id(struct api_request *request) {
    const struct kafka_init_producer_id_request *body = request->body;
    struct kafka_init_producer_id_reply *reply = request->reply;
    struct transaction *transaction;
    struct transaction_place place = {0};
    reply->producer_epoch = -1;
    if (!body->transactional_id.data) {
        reply->error_code = init_idempotent(request);
        if (reply->error_code == KAFKA_NONE) {
            reply_when_id_is_durable(request);
            return;
        }
    } else if ((body->producer_id < 0) != (body->producer_epoch < 0)) {
        reply->error_code = KAFKA_INVALID_REQUEST;
    } else {
        int16_t code = transaction_init(request->broker->transactions, body->transactional_id,
            body->transaction_timeout_ms, body->producer_id, body->producer_epoch, &transaction, &place);
        reply->error_code = fenced_for(request, 4, code);
        if (code == KAFKA_NONE) {
            reply->producer_id = transaction->producer_id;
            reply->producer_epoch = transaction->epoch;
        }
    }
    api_reply_when_committed(request, place.log, place.offset);
}

/* ---- AddPartitionsToTxn ---- */

typedef struct kafka_add_partitions_to_txn_request_transaction asked_transaction;
typedef struct kafka_add_partitions_to_txn_reply_result transaction_answer;

static bool partition_exists(struct broker *broker, struct bytes name, int32_t partition) {
    const struct topic *topic = topic_find(broker, name);
    return topic && topic_log(topic, partition);
}

/* Either all partitions join or none. */
static int16_t add_all(
    struct api_request *request, const asked_transaction *asked, bool all_exist, struct transaction_place *place) {
    struct transactions *transactions = request->broker->transactions;
    struct transaction *transaction;
    size_t count = 0;
    int16_t code = transaction_check(
        transactions, asked->transactional_id, asked->producer_id, asked->producer_epoch, &transaction);
    if (code != KAFKA_NONE || !all_exist)
        return code != KAFKA_NONE ? code : KAFKA_OPERATION_NOT_ATTEMPTED;
    for (int32_t i = 0; i < asked->topics.count; i++)
        count += (size_t)asked->topics.items[i].partitions.count;
    struct transaction_part *parts = ARENA_ARRAY(&request->arena, struct transaction_part, count + 1);
    count = 0;
    for (int32_t i = 0; i < asked->topics.count; i++)
        for (int32_t j = 0; j < asked->topics.items[i].partitions.count; j++)
            parts[count++] =
                (struct transaction_part){asked->topics.items[i].name, asked->topics.items[i].partitions.items[j]};
    return transaction_add(transactions, transaction, parts, count, 0, place);
}

/* Between brokers: is the partition part of the transaction? */
static int16_t verify(struct api_request *request, const asked_transaction *asked, struct bytes topic, int32_t index) {
    struct transaction *transaction;
    int16_t code = transaction_check(request->broker->transactions, asked->transactional_id, asked->producer_id,
        asked->producer_epoch, &transaction);
    return code == KAFKA_NONE && !transaction_has(transaction, topic, index) ? KAFKA_TRANSACTION_ABORTABLE : code;
}

static void answer_transaction(struct api_request *request, const asked_transaction *asked, transaction_answer *answer,
    struct transaction_place *place) {
    struct broker *broker = request->broker;
    bool all_exist = true;
    for (int32_t i = 0; i < asked->topics.count; i++)
        for (int32_t j = 0; j < asked->topics.items[i].partitions.count; j++)
            if (!partition_exists(broker, asked->topics.items[i].name, asked->topics.items[i].partitions.items[j]))
                all_exist = false;
    int16_t code = asked->verify_only ? KAFKA_NONE : add_all(request, asked, all_exist, place);
    answer->transactional_id = asked->transactional_id;
    WIRE_ARRAY(
        &request->arena, &answer->topics, &kafka_add_partitions_to_txn_reply_batch_topic_struct, asked->topics.count);
    for (int32_t i = 0; i < asked->topics.count; i++) {
        struct bytes name = asked->topics.items[i].name;
        int32_t count = asked->topics.items[i].partitions.count;
        answer->topics.items[i].name = name;
        WIRE_ARRAY(&request->arena, &answer->topics.items[i].partitions,
            &kafka_add_partitions_to_txn_reply_batch_partition_struct, count);
        for (int32_t j = 0; j < count; j++) {
            int32_t index = asked->topics.items[i].partitions.items[j];
            int16_t own = asked->verify_only ? verify(request, asked, name, index) : code;
            bool missing = own == KAFKA_OPERATION_NOT_ATTEMPTED && !partition_exists(broker, name, index);
            answer->topics.items[i].partitions.items[j].index = index;
            answer->topics.items[i].partitions.items[j].error_code = missing ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : own;
        }
    }
}

/* Versions below 4: one transaction in the upper fields. */
static void add_partitions_old_form(struct api_request *request, struct transaction_place *place) {
    const struct kafka_add_partitions_to_txn_request *body = request->body;
    struct kafka_add_partitions_to_txn_reply *reply = request->reply;
    asked_transaction asked;
    transaction_answer answer;
    wire_set_defaults(&kafka_add_partitions_to_txn_request_transaction_struct, &asked);
    wire_set_defaults(&kafka_add_partitions_to_txn_reply_result_struct, &answer);
    asked.transactional_id = body->transactional_id;
    asked.producer_id = body->producer_id;
    asked.producer_epoch = body->producer_epoch;
    WIRE_ARRAY(
        &request->arena, &asked.topics, &kafka_add_partitions_to_txn_request_batch_topic_struct, body->topics.count);
    for (int32_t i = 0; i < body->topics.count; i++) {
        asked.topics.items[i].name = body->topics.items[i].name;
        asked.topics.items[i].partitions.items = body->topics.items[i].partitions.items;
        asked.topics.items[i].partitions.count = body->topics.items[i].partitions.count;
    }
    answer_transaction(request, &asked, &answer, place);
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_add_partitions_to_txn_reply_topic_struct, answer.topics.count);
    for (int32_t i = 0; i < answer.topics.count; i++) {
        reply->topics.items[i].name = answer.topics.items[i].name;
        WIRE_ARRAY(&request->arena, &reply->topics.items[i].partitions,
            &kafka_add_partitions_to_txn_reply_partition_struct, answer.topics.items[i].partitions.count);
        for (int32_t j = 0; j < answer.topics.items[i].partitions.count; j++) {
            reply->topics.items[i].partitions.items[j].index = answer.topics.items[i].partitions.items[j].index;
            reply->topics.items[i].partitions.items[j].error_code =
                fenced_for(request, 2, answer.topics.items[i].partitions.items[j].error_code);
        }
    }
}

void handle_add_partitions_to_txn(struct api_request *request) {
    const struct kafka_add_partitions_to_txn_request *body = request->body;
    struct kafka_add_partitions_to_txn_reply *reply = request->reply;
    struct transaction_place place = {0};
    if (request->version < 4) {
        add_partitions_old_form(request, &place);
    } else {
        WIRE_ARRAY(&request->arena, &reply->results, &kafka_add_partitions_to_txn_reply_result_struct,
            body->transactions.count);
        for (int32_t i = 0; i < body->transactions.count; i++)
            answer_transaction(request, &body->transactions.items[i], &reply->results.items[i], &place);
    }
    api_reply_when_committed(request, place.log, place.offset);
}

/* ---- AddOffsetsToTxn ---- */

void handle_add_offsets_to_txn(struct api_request *request) {
    const struct kafka_add_offsets_to_txn_request *body = request->body;
    struct kafka_add_offsets_to_txn_reply *reply = request->reply;
    struct transactions *transactions = request->broker->transactions;
    struct transaction *transaction;
    struct transaction_place place = {0};
    struct error error = {0};
    int16_t code = group_id_valid(body->group_id) ? transaction_check(transactions, body->transactional_id,
                                                        body->producer_id, body->producer_epoch, &transaction)
                                                  : KAFKA_INVALID_GROUP_ID;
    struct topic *topic = code == KAFKA_NONE ? topic_offsets(request->broker, &error) : NULL;
    if (topic) {
        struct transaction_part part = {
            bytes_from_text(topic->name), group_partition(body->group_id, topic->partition_count)};
        code = transaction_add(transactions, transaction, &part, 1, 0, &place);
    } else if (code == KAFKA_NONE) {
        code = KAFKA_COORDINATOR_NOT_AVAILABLE;
    }
    reply->error_code = fenced_for(request, 2, code);
    api_reply_when_committed(request, place.log, place.offset);
}

/* ---- EndTxn ---- */

struct end_call {
    struct api_request *request; /* NULL: the connection went away meanwhile */
    struct transaction *transaction;
};

static void cancel_end(struct api_request *request) {
    ((struct end_call *)request->state)->request = NULL;
}

static void on_ended(void *argument) {
    struct end_call *call = argument;
    struct api_request *request = call->request;
    if (request) {
        struct kafka_end_txn_reply *reply = request->reply;
        /* Without a durable decision nobody knows yet how it ends. */
        if (call->transaction->ending && !call->transaction->decided)
            reply->error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
        request->state = NULL;
        api_reply(request);
    }
    free(call);
}

void handle_end_txn(struct api_request *request) {
    const struct kafka_end_txn_request *body = request->body;
    struct kafka_end_txn_reply *reply = request->reply;
    struct transactions *transactions = request->broker->transactions;
    struct transaction *transaction = transaction_find(transactions, body->transactional_id);
    int16_t code = body->transactional_id.size == 0 ? KAFKA_INVALID_REQUEST
                   : transaction                    ? KAFKA_NONE
                                                    : KAFKA_INVALID_PRODUCER_ID_MAPPING;
    struct end_call *call = calloc(1, sizeof *call);
    ASSERT(call);
    *call = (struct end_call){request, transaction};
    if (code == KAFKA_NONE) {
        request->state = call;
        request->cancel = cancel_end;
        struct transaction_waiter done = {on_ended, call};
        code = transaction_end(transactions, transaction, body->producer_id, body->producer_epoch, body->committed,
            request->version >= 5 ? 2 : 0, done, &reply->producer_id, &reply->producer_epoch);
        if (code == KAFKA_NONE)
            return; /* answered, or will be */
    }
    free(call);
    reply->error_code = fenced_for(request, 2, code);
    api_reply(request);
}

/* ---- WriteTxnMarkers ---- */

/* An operator's way out of a transaction that no coordinator knows (kafka-transactions.sh abort). */
void handle_write_txn_markers(struct api_request *request) {
    const struct kafka_write_txn_markers_request *body = request->body;
    struct kafka_write_txn_markers_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->markers, &kafka_write_txn_markers_reply_marker_struct, body->markers.count);
    for (int32_t i = 0; i < body->markers.count; i++) {
        const struct kafka_write_txn_markers_request_marker *marker = &body->markers.items[i];
        struct kafka_write_txn_markers_reply_marker *answer = &reply->markers.items[i];
        answer->producer_id = marker->producer_id;
        WIRE_ARRAY(&request->arena, &answer->topics, &kafka_write_txn_markers_reply_topic_struct, marker->topics.count);
        for (int32_t j = 0; j < marker->topics.count; j++) {
            const struct topic *topic = topic_find(request->broker, marker->topics.items[j].name);
            int32_t count = marker->topics.items[j].partitions.count;
            answer->topics.items[j].name = marker->topics.items[j].name;
            WIRE_ARRAY(&request->arena, &answer->topics.items[j].partitions,
                &kafka_write_txn_markers_reply_partition_struct, count);
            for (int32_t k = 0; k < count; k++) {
                struct kafka_write_txn_markers_reply_partition *partition =
                    &answer->topics.items[j].partitions.items[k];
                int64_t offset;
                partition->index = marker->topics.items[j].partitions.items[k];
                partition->error_code =
                    !topic ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION
                           : transaction_write_marker(request->broker, topic, partition->index, marker->producer_id,
                                 marker->producer_epoch, marker->committed, marker->coordinator_epoch, &offset);
            }
        }
    }
    api_reply(request);
}
