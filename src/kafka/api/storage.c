/* storage.c: DescribeLogDirs. */
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
