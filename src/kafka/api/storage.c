/* storage.c: DescribeLogDirs, ListPartitionReassignments, DescribeProducers, ListTransactions, InitProducerId. */
#include "kafka/internal.h"

/* ---- DescribeLogDirs ---- */

typedef struct kafka_describe_log_dirs_reply_topic dir_topic;

static bool partition_wanted(const struct kafka_describe_log_dirs_request_topic *wanted, int32_t index) {
    if (!wanted)
        return true;
    for (int32_t i = 0; i < wanted->partitions.count; i++)
        if (wanted->partitions.items[i] == index)
            return true;
    return false;
}

static void add_dir_topic(struct api_request *request, const struct topic *topic,
    const struct kafka_describe_log_dirs_request_topic *wanted, dir_topic *reply) {
    reply->name = bytes_from_text(topic->name);
    WIRE_ARRAY(
        &request->arena, &reply->partitions, &kafka_describe_log_dirs_reply_partition_struct, topic->partition_count);
    reply->partitions.count = 0;
    for (int32_t i = 0; i < topic->partition_count; i++) {
        if (!topic->logs[i] || !partition_wanted(wanted, i))
            continue;
        struct kafka_describe_log_dirs_reply_partition *partition = &reply->partitions.items[reply->partitions.count++];
        partition->index = i;
        partition->size = log_size(topic->logs[i]);
    }
}

void handle_describe_log_dirs(struct api_request *request) {
    const struct kafka_describe_log_dirs_request *body = request->body;
    struct kafka_describe_log_dirs_reply *reply = request->reply;
    struct broker *broker = request->broker;
    struct error error = {0};
    size_t topic_count;
    struct topic **topics = topics_sorted(broker, &request->arena, &topic_count);
    WIRE_ARRAY(&request->arena, &reply->directories, &kafka_describe_log_dirs_reply_directory_struct, 1);
    struct kafka_describe_log_dirs_reply_directory *directory = &reply->directories.items[0];
    directory->path = bytes_from_text(log_manager_directory(broker->logs));
    int64_t total, usable;
    if (world_disk_space(broker->world, log_manager_directory(broker->logs), &total, &usable, &error)) {
        directory->total_size = total;
        directory->usable_size = usable;
    }
    WIRE_ARRAY(&request->arena, &directory->topics, &kafka_describe_log_dirs_reply_topic_struct, topic_count);
    directory->topics.count = 0;
    for (size_t i = 0; i < topic_count; i++) {
        const struct kafka_describe_log_dirs_request_topic *wanted = NULL;
        for (int32_t j = 0; j < body->topics.count && !wanted; j++)
            if (bytes_equal_text(body->topics.items[j].name, topics[i]->name))
                wanted = &body->topics.items[j];
        if (wanted || body->topics.count < 0)
            add_dir_topic(request, topics[i], wanted, &directory->topics.items[directory->topics.count++]);
    }
    api_reply(request);
}

/* ---- what one broker never has ---- */

void handle_list_partition_reassignments(struct api_request *request) {
    api_reply(request); /* none is in progress */
}

void handle_list_transactions(struct api_request *request) {
    const struct kafka_list_transactions_request *body = request->body;
    struct kafka_list_transactions_reply *reply = request->reply;
    static const char *const states[] = {"Empty", "Ongoing", "PrepareCommit", "PrepareAbort", "CompleteCommit",
        "CompleteAbort", "Dead", "PrepareEpochFence"};
    reply->unknown_states.items =
        ARENA_ARRAY(&request->arena, struct bytes, (size_t)(body->states.count > 0 ? body->states.count : 0));
    for (int32_t i = 0; i < body->states.count; i++) {
        bool known = false;
        for (size_t j = 0; j < sizeof states / sizeof *states; j++)
            known = known || bytes_equal_text(body->states.items[i], states[j]);
        if (!known)
            reply->unknown_states.items[reply->unknown_states.count++] = body->states.items[i];
    }
    api_reply(request); /* there are none */
}

/* ---- producers ---- */

static void describe_producers_of(
    struct api_request *request, struct partition_log *log, struct kafka_describe_producers_reply_partition *reply) {
    struct log_producer_list list = {0};
    log_producers(log, &list);
    WIRE_ARRAY(&request->arena, &reply->producers, &kafka_describe_producers_reply_producer_struct, list.count);
    for (size_t i = 0; i < list.count; i++) {
        struct kafka_describe_producers_reply_producer *producer = &reply->producers.items[i];
        producer->producer_id = list.items[i].producer_id;
        producer->producer_epoch = list.items[i].epoch;
        producer->last_sequence = list.items[i].last_sequence;
        producer->last_timestamp = list.items[i].last_timestamp_ms;
        producer->coordinator_epoch = list.items[i].coordinator_epoch;
        producer->transaction_start_offset = list.items[i].transaction_start;
    }
    VECTOR_FREE(&list);
}

void handle_describe_producers(struct api_request *request) {
    const struct kafka_describe_producers_request *body = request->body;
    struct kafka_describe_producers_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_describe_producers_reply_topic_struct, body->topics.count);
    for (int32_t i = 0; i < body->topics.count; i++) {
        const struct kafka_describe_producers_request_topic *wanted = &body->topics.items[i];
        struct kafka_describe_producers_reply_topic *answer = &reply->topics.items[i];
        const struct topic *topic = topic_find(request->broker, wanted->name);
        answer->name = wanted->name;
        WIRE_ARRAY(&request->arena, &answer->partitions, &kafka_describe_producers_reply_partition_struct,
            wanted->partitions.count);
        for (int32_t j = 0; j < wanted->partitions.count; j++) {
            struct kafka_describe_producers_reply_partition *partition = &answer->partitions.items[j];
            struct partition_log *log = topic ? topic_log(topic, wanted->partitions.items[j]) : NULL;
            partition->index = wanted->partitions.items[j];
            if (log)
                describe_producers_of(request, log, partition);
            else
                partition->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        }
    }
    api_reply(request);
}

/* An idempotent producer's identity. A producer that lost its sequence and asks again gets a new one, as in Kafka. */
void handle_init_producer_id(struct api_request *request) {
    const struct kafka_init_producer_id_request *body = request->body;
    struct kafka_init_producer_id_reply *reply = request->reply;
    struct error error = {0};
    reply->producer_epoch = -1;
    if (body->transactional_id.data) {
        reply->error_code = body->transactional_id.size == 0 ? KAFKA_INVALID_REQUEST : KAFKA_TRANSACTIONAL_ID_NOT_FOUND;
    } else if ((body->producer_id < 0) != (body->producer_epoch < 0)) {
        reply->error_code = KAFKA_INVALID_REQUEST;
    } else if (!broker_next_producer_id(request->broker, &reply->producer_id, &error)) {
        reply->error_code = kafka_error_from_error(&error);
    } else {
        reply->producer_epoch = 0;
    }
    api_reply(request);
}
