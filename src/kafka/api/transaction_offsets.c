/* transaction_offsets.c: TxnOffsetCommit: offsets that come into force with a transaction's commit. */
#include "kafka/consumer_group.h"
#include "kafka/transactions.h"

typedef struct kafka_txn_offset_commit_request txn_commit;
typedef struct kafka_txn_offset_commit_request_partition asked_partition;

/* The group's partition of __consumer_offsets must be part of the producer's transaction; newer clients leave it to us
 * to make it so. */
static int16_t check_transaction(struct api_request *request, int32_t *home) {
    const txn_commit *body = request->body;
    struct transactions *transactions = request->broker->transactions;
    struct transaction *transaction;
    struct transaction_place place;
    struct error error = {0};
    int16_t code =
        transaction_check(transactions, body->transactional_id, body->producer_id, body->producer_epoch, &transaction);
    if (code == KAFKA_PRODUCER_FENCED)
        return KAFKA_INVALID_PRODUCER_EPOCH;
    if (code == KAFKA_CONCURRENT_TRANSACTIONS)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (code != KAFKA_NONE)
        return code;
    const struct topic *topic = topic_offsets(request->broker, &error);
    if (!topic)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    *home = group_partition(body->group_id, topic->partition_count);
    struct transaction_part part = {bytes_from_text(topic->name), *home};
    if (request->version >= 5)
        return transaction_add(transactions, transaction, &part, 1, 2, &place);
    return transaction_has(transaction, part.topic, part.partition) ? KAFKA_NONE : KAFKA_INVALID_TXN_STATE;
}

/* A producer that tells which member read the records is stopped when the member's generation is over. */
static int16_t check_group(struct api_request *request, struct group **group) {
    const txn_commit *body = request->body;
    struct groups *groups = request->broker->groups;
    struct member *member;
    bool member_told = body->generation >= 0 || body->member_id.size > 0 || body->instance_id.data;
    *group = group_find(groups, body->group_id);
    if (!*group && body->generation >= 0)
        return KAFKA_ILLEGAL_GENERATION;
    if (!*group)
        *group = group_make(groups, body->group_id);
    if (!member_told || (body->generation < 0 && !group_has_members(*group)))
        return KAFKA_NONE;
    if ((*group)->consumer) {
        const struct consumer_member *known = consumer_member_find((*group)->consumer, body->member_id);
        int16_t code = known ? consumer_member_check_epoch(known, body->generation) : KAFKA_UNKNOWN_MEMBER_ID;
        /* The protocol of transactions has one word for this. */
        return code == KAFKA_STALE_MEMBER_EPOCH ? KAFKA_ILLEGAL_GENERATION : code;
    }
    return group_check_member(*group, body->member_id, body->instance_id, body->generation, &member);
}

static int16_t check_partition(struct api_request *request, const struct topic *topic, const asked_partition *asked) {
    if (!topic || !topic_log(topic, asked->index))
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    return (int64_t)asked->metadata.size > config_integer(&request->broker->config, "offset.metadata.max.bytes")
               ? KAFKA_OFFSET_METADATA_TOO_LARGE
               : KAFKA_NONE;
}

static struct committed_offset offset_of(
    struct api_request *request, const char *topic, const asked_partition *asked, int64_t now) {
    return (struct committed_offset){.topic = (char *)(uintptr_t)topic,
        .partition = asked->index,
        .offset = asked->offset,
        .leader_epoch = asked->leader_epoch,
        .metadata = arena_text(&request->arena, asked->metadata),
        .commit_ms = now};
}

/* Fills the answers with per-partition errors, or `code` for all; what is fine goes into the batch. */
static void collect(struct api_request *request, int16_t code, int64_t now, struct group_batch *batch) {
    const txn_commit *body = request->body;
    struct kafka_txn_offset_commit_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_txn_offset_commit_reply_topic_struct, body->topics.count);
    for (int32_t i = 0; i < body->topics.count; i++) {
        const struct kafka_txn_offset_commit_request_topic *wanted = &body->topics.items[i];
        const struct topic *topic = topic_find(request->broker, wanted->name);
        reply->topics.items[i].name = wanted->name;
        WIRE_ARRAY(&request->arena, &reply->topics.items[i].partitions, &kafka_txn_offset_commit_reply_partition_struct,
            wanted->partitions.count);
        for (int32_t j = 0; j < wanted->partitions.count; j++) {
            struct kafka_txn_offset_commit_reply_partition *answer = &reply->topics.items[i].partitions.items[j];
            answer->index = wanted->partitions.items[j].index;
            answer->error_code =
                code != KAFKA_NONE ? code : check_partition(request, topic, &wanted->partitions.items[j]);
            if (answer->error_code == KAFKA_NONE) {
                struct committed_offset offset = offset_of(request, topic->name, &wanted->partitions.items[j], now);
                group_batch_offset(batch, &offset, false);
            }
        }
    }
}

/* The records are in the log: the offsets wait for the marker, or are refused with `code`. */
static void settle_answers(
    struct api_request *request, struct group *group, int32_t home, int64_t now, int64_t log_offset, int16_t code) {
    const txn_commit *body = request->body;
    struct kafka_txn_offset_commit_reply *reply = request->reply;
    for (int32_t i = 0; i < body->topics.count; i++)
        for (int32_t j = 0; j < body->topics.items[i].partitions.count; j++) {
            if (reply->topics.items[i].partitions.items[j].error_code != KAFKA_NONE)
                continue;
            if (code != KAFKA_NONE) {
                reply->topics.items[i].partitions.items[j].error_code = code;
                continue;
            }
            const struct topic *topic = topic_find(request->broker, body->topics.items[i].name);
            struct committed_offset offset =
                offset_of(request, topic->name, &body->topics.items[i].partitions.items[j], now);
            offset.log_offset = log_offset;
            group_add_unsettled(request->broker->groups, group, home, body->producer_id, &offset);
        }
}

void handle_txn_offset_commit(struct api_request *request) {
    const txn_commit *body = request->body;
    struct groups *groups = request->broker->groups;
    struct group *group = NULL;
    struct group_batch batch;
    struct partition_log *log = NULL;
    int64_t last_offset = -1, now = world_wall_ms(request->broker->world);
    int32_t home = -1;
    int16_t code = group_id_valid(body->group_id) ? check_transaction(request, &home) : KAFKA_INVALID_GROUP_ID;
    if (code == KAFKA_NONE)
        code = check_group(request, &group);
    group_batch_begin(&batch, groups, group);
    batch.producer_id = body->producer_id;
    batch.producer_epoch = body->producer_epoch;
    collect(request, code, now, &batch);
    code = group_batch_commit(&batch, &log, &last_offset);
    settle_answers(
        request, group, home, now, last_offset, code == KAFKA_NONE ? KAFKA_NONE : KAFKA_COORDINATOR_NOT_AVAILABLE);
    api_reply_when_committed(request, code == KAFKA_NONE ? log : NULL, last_offset);
}
