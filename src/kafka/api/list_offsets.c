/* list_offsets.c: ListOffsets, DeleteRecords, OffsetForLeaderEpoch: where a partition begins and ends. */
#include "kafka/internal.h"

enum { AT_EARLIEST_LOCAL = -4, AT_LATEST_TIERED = -5, AT_EARLIEST_PENDING_UPLOAD = -6 };

static int16_t check_epoch(const struct topic *topic, int32_t partition, int32_t epoch) {
    if (epoch < 0 || epoch == topic->leader_epochs[partition])
        return KAFKA_NONE;
    return epoch < topic->leader_epochs[partition] ? KAFKA_FENCED_LEADER_EPOCH : KAFKA_UNKNOWN_LEADER_EPOCH;
}

static void list_one(struct api_request *request, const struct topic *topic,
    const struct kafka_list_offsets_request_partition *wanted, struct kafka_list_offsets_reply_partition *reply) {
    const struct kafka_list_offsets_request *body = request->body;
    struct partition_log *log = topic ? topic_log(topic, wanted->index) : NULL;
    reply->index = wanted->index;
    if (!log) {
        reply->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    if ((reply->error_code = check_epoch(topic, wanted->index, wanted->current_leader_epoch)) != KAFKA_NONE)
        return;
    int64_t timestamp = wanted->timestamp;
    if (timestamp == AT_EARLIEST_LOCAL)
        timestamp = LOG_TIME_EARLIEST; /* all of the log is local */
    if (timestamp == AT_LATEST_TIERED || timestamp == AT_EARLIEST_PENDING_UPLOAD)
        return; /* nothing is on remote storage: offset -1 */
    if (timestamp < AT_EARLIEST_PENDING_UPLOAD) {
        reply->error_code = KAFKA_INVALID_REQUEST;
        return;
    }
    struct log_time_offset found = {-1, -1, -1};
    struct error error = {0};
    enum log_status status = log_offset_for_time(
        log, timestamp, body->isolation_level ? LOG_READ_COMMITTED : LOG_READ_UNCOMMITTED, &found, &error);
    reply->error_code = kafka_error_from_status(status);
    if (status != LOG_STATUS_OK)
        return;
    reply->offset = found.offset;
    reply->timestamp = timestamp == LOG_TIME_LATEST || timestamp == LOG_TIME_EARLIEST ? -1 : found.timestamp_ms;
    reply->leader_epoch = found.leader_epoch;
}

void handle_list_offsets(struct api_request *request) {
    const struct kafka_list_offsets_request *body = request->body;
    struct kafka_list_offsets_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_list_offsets_reply_topic_struct, body->topics.count);
    for (int32_t i = 0; i < body->topics.count; i++) {
        const struct kafka_list_offsets_request_topic *wanted = &body->topics.items[i];
        struct kafka_list_offsets_reply_topic *answer = &reply->topics.items[i];
        const struct topic *topic = topic_find(request->broker, wanted->name);
        answer->name = wanted->name;
        WIRE_ARRAY(
            &request->arena, &answer->partitions, &kafka_list_offsets_reply_partition_struct, wanted->partitions.count);
        for (int32_t j = 0; j < wanted->partitions.count; j++)
            list_one(request, topic, &wanted->partitions.items[j], &answer->partitions.items[j]);
    }
    api_reply(request);
}

/* ---- DeleteRecords ---- */

static void delete_one(const struct topic *topic, const struct kafka_delete_records_request_partition *wanted,
    struct kafka_delete_records_reply_partition *reply) {
    struct partition_log *log = topic ? topic_log(topic, wanted->index) : NULL;
    struct error error = {0};
    reply->index = wanted->index;
    reply->low_watermark = -1;
    if (!log)
        reply->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    else if (!(topic->log_config.cleanup_policy & LOG_CLEANUP_DELETE))
        reply->error_code = KAFKA_POLICY_VIOLATION;
    else
        reply->error_code =
            kafka_error_from_status(log_delete_records(log, wanted->offset, &reply->low_watermark, &error));
    if (reply->error_code != KAFKA_NONE)
        reply->low_watermark = -1;
}

void handle_delete_records(struct api_request *request) {
    const struct kafka_delete_records_request *body = request->body;
    struct kafka_delete_records_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_delete_records_reply_topic_struct, body->topics.count);
    for (int32_t i = 0; i < body->topics.count; i++) {
        const struct kafka_delete_records_request_topic *wanted = &body->topics.items[i];
        struct kafka_delete_records_reply_topic *answer = &reply->topics.items[i];
        const struct topic *topic = topic_find(request->broker, wanted->name);
        answer->name = wanted->name;
        WIRE_ARRAY(&request->arena, &answer->partitions, &kafka_delete_records_reply_partition_struct,
            wanted->partitions.count);
        for (int32_t j = 0; j < wanted->partitions.count; j++)
            delete_one(topic, &wanted->partitions.items[j], &answer->partitions.items[j]);
    }
    api_reply(request);
}

/* ---- OffsetForLeaderEpoch ---- */

static void epoch_end(const struct topic *topic, const struct kafka_offset_for_leader_epoch_request_partition *wanted,
    struct kafka_offset_for_leader_epoch_reply_partition *reply) {
    struct partition_log *log = topic ? topic_log(topic, wanted->index) : NULL;
    reply->index = wanted->index;
    if (!log) {
        reply->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    if ((reply->error_code = check_epoch(topic, wanted->index, wanted->current_leader_epoch)) != KAFKA_NONE)
        return;
    if (wanted->leader_epoch == topic->leader_epochs[wanted->index]) {
        reply->leader_epoch = wanted->leader_epoch;
        reply->end_offset = log_end_offset(log);
    } else {
        log_epoch_end(log, wanted->leader_epoch, &reply->leader_epoch, &reply->end_offset);
    }
}

void handle_offset_for_leader_epoch(struct api_request *request) {
    const struct kafka_offset_for_leader_epoch_request *body = request->body;
    struct kafka_offset_for_leader_epoch_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_offset_for_leader_epoch_reply_topic_struct, body->topics.count);
    for (int32_t i = 0; i < body->topics.count; i++) {
        const struct kafka_offset_for_leader_epoch_request_topic *wanted = &body->topics.items[i];
        struct kafka_offset_for_leader_epoch_reply_topic *answer = &reply->topics.items[i];
        const struct topic *topic = topic_find(request->broker, wanted->name);
        answer->name = wanted->name;
        WIRE_ARRAY(&request->arena, &answer->partitions, &kafka_offset_for_leader_epoch_reply_partition_struct,
            wanted->partitions.count);
        for (int32_t j = 0; j < wanted->partitions.count; j++)
            epoch_end(topic, &wanted->partitions.items[j], &answer->partitions.items[j]);
    }
    api_reply(request);
}
