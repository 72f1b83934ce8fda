/* topics.c: CreateTopics, DeleteTopics, CreatePartitions. Messages are those that Kafka's tools print. */
#include "kafka/internal.h"

#include <stdlib.h>

#include "kafka/groups.h"

/* ---- CreateTopics ---- */

typedef struct kafka_create_topics_request_topic wanted_topic;
typedef struct kafka_create_topics_reply_topic topic_answer;

static bool refuse(struct api_request *request, topic_answer *reply, int16_t code, struct bytes message) {
    reply->error_code = code;
    reply->error_message = message;
    return false;
}

static bool check_configs(struct api_request *request, const wanted_topic *wanted, topic_answer *reply) {
    struct error error = {0};
    for (int32_t i = 0; i < wanted->configs.count; i++) {
        const struct kafka_create_topics_request_config *config = &wanted->configs.items[i];
        const struct config_row *row = config_find_topic(config->name);
        if (!row)
            return refuse(request, reply, KAFKA_INVALID_CONFIG,
                api_text(request, "Unknown topic config name: %.*s", BYTES_ARGS(config->name)));
        if (!config->value.data)
            return refuse(request, reply, KAFKA_INVALID_CONFIG,
                api_text(request, "Null value not supported for topic configs: %.*s", BYTES_ARGS(config->name)));
        if (!config_check(row, config->value, &error))
            return refuse(request, reply, KAFKA_INVALID_CONFIG, api_text(request, "%s", error.message));
    }
    return true;
}

/* An assignment names for each partition its brokers; here that can only be this one. */
static bool check_assignments(
    struct api_request *request, const wanted_topic *wanted, topic_answer *reply, int32_t *count) {
    int32_t node = request->broker->node_id;
    if (wanted->partition_count != -1 || wanted->replication_factor != -1)
        return refuse(request, reply, KAFKA_INVALID_REQUEST,
            BYTES("A manual partition assignment was specified, but numPartitions or replicationFactor was not set to "
                  "-1."));
    for (int32_t i = 0; i < wanted->assignments.count; i++) {
        const struct kafka_create_topics_request_assignment *assignment = &wanted->assignments.items[i];
        bool found = false;
        for (int32_t j = 0; j < wanted->assignments.count; j++)
            found = found || wanted->assignments.items[j].partition_index == i;
        if (!found)
            return refuse(request, reply, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                BYTES("partitions should be a consecutive 0-based integer sequence"));
        if (assignment->brokers.count != 1 || assignment->brokers.items[0] != node)
            return refuse(request, reply, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                api_text(request,
                    "The manual partition assignment names a broker that is not registered; this cluster has one "
                    "broker, %d.",
                    node));
    }
    *count = wanted->assignments.count;
    return true;
}

static bool check_counts(struct api_request *request, const wanted_topic *wanted, topic_answer *reply, int32_t *count) {
    if (wanted->assignments.count > 0)
        return check_assignments(request, wanted, reply, count);
    *count = wanted->partition_count;
    if (*count == -1)
        *count = (int32_t)config_integer(&request->broker->config, "num.partitions");
    if (*count < 1)
        return refuse(request, reply, KAFKA_INVALID_PARTITIONS, BYTES("Number of partitions must be larger than 0."));
    if (*count > 10000)
        return refuse(request, reply, KAFKA_INVALID_PARTITIONS,
            BYTES("Number of partitions must be at most 10000 for one topic."));
    int16_t factor = wanted->replication_factor;
    if (factor == 0 || factor < -1)
        return refuse(request, reply, KAFKA_INVALID_REPLICATION_FACTOR,
            BYTES("Replication factor must be larger than 0, or -1 to use the default value."));
    if (factor > 1)
        return refuse(request, reply, KAFKA_INVALID_REPLICATION_FACTOR,
            api_text(request,
                "Unable to replicate the partition %d time(s): The target replication factor of %d cannot be reached "
                "because only 1 broker(s) are "
                "registered or some brokers have all their log directories cordoned. Raudal is one broker: leave the "
                "replication factor out, or ask for 1.",
                factor, factor));
    return true;
}

static bool check_topic(
    struct api_request *request, const wanted_topic *wanted, int32_t position, topic_answer *reply, int32_t *count) {
    const struct kafka_create_topics_request *body = request->body;
    struct error error = {0};
    for (int32_t i = 0; i < body->topics.count; i++)
        if (i != position && bytes_equal(body->topics.items[i].name, wanted->name))
            return refuse(request, reply, KAFKA_INVALID_REQUEST, BYTES("Duplicate topic name."));
    if (!topic_name_check(wanted->name, &error))
        return refuse(request, reply, KAFKA_INVALID_TOPIC_EXCEPTION, api_text(request, "%s", error.message));
    if (topic_find(request->broker, wanted->name))
        return refuse(request, reply, KAFKA_TOPIC_ALREADY_EXISTS,
            api_text(request, "Topic '%.*s' already exists.", BYTES_ARGS(wanted->name)));
    return check_counts(request, wanted, reply, count) && check_configs(request, wanted, reply);
}

static void free_values(struct map *map) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(map, &cursor));)
        free(entry->value);
    map_free(map);
}

static void tell_configs(struct api_request *request, const struct map *set, topic_answer *reply) {
    WIRE_ARRAY(&request->arena, &reply->configs, &kafka_create_topics_reply_config_struct, topic_config_count);
    reply->configs.count = 0;
    for (size_t i = 0; i < topic_config_count; i++) {
        struct config_synonym synonyms[CONFIG_SYNONYM_MAX];
        const char *value;
        enum config_source source;
        if (topic_config_rows[i].importance == CONFIG_INTERNAL)
            continue;
        config_topic_synonyms(&request->broker->config, &topic_config_rows[i],
            map_get_text(set, topic_config_rows[i].name), synonyms, &value, &source);
        struct kafka_create_topics_reply_config *out = &reply->configs.items[reply->configs.count++];
        out->name = bytes_from_text(topic_config_rows[i].name);
        out->value = bytes_from_text(arena_strdup(&request->arena, value));
        out->source = (int8_t)source;
    }
}

static void create_one(struct api_request *request, int32_t position, topic_answer *reply) {
    const struct kafka_create_topics_request *body = request->body;
    const wanted_topic *wanted = &body->topics.items[position];
    struct error error = {0};
    int32_t count = 0;
    int16_t code = KAFKA_NONE;
    reply->name = wanted->name;
    reply->configs.count = -1;
    if (!check_topic(request, wanted, position, reply, &count))
        return;
    struct map set = {0};
    for (int32_t i = 0; i < wanted->configs.count; i++) {
        struct bytes value = bytes_trim(wanted->configs.items[i].value);
        free(map_set(&set, wanted->configs.items[i].name, strndup((const char *)value.data, value.size)));
    }
    struct topic *topic = NULL;
    if (!config_check_together(&request->broker->config, &set, &error)) {
        refuse(request, reply, KAFKA_INVALID_CONFIG, api_text(request, "%s", error.message));
    } else if (!body->validate_only &&
               !(topic = topic_create(request->broker, wanted->name, count, &set, &code, &error))) {
        refuse(request, reply, code, api_text(request, "%s", error.message));
    } else {
        reply->topic_id = topic ? topic->id : (struct uuid){{0}};
        reply->partition_count = count;
        reply->replication_factor = 1;
        tell_configs(request, &set, reply);
    }
    free_values(&set);
}

void handle_create_topics(struct api_request *request) {
    const struct kafka_create_topics_request *body = request->body;
    struct kafka_create_topics_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_create_topics_reply_topic_struct, body->topics.count);
    for (int32_t i = 0; i < body->topics.count; i++)
        create_one(request, i, &reply->topics.items[i]);
    api_reply(request);
}

/* ---- DeleteTopics ---- */

static void delete_one(
    struct api_request *request, struct bytes name, struct uuid id, struct kafka_delete_topics_reply_topic *reply) {
    struct broker *broker = request->broker;
    struct topic *topic = name.data ? topic_find(broker, name) : topic_find_id(broker, id);
    struct error error = {0};
    reply->name = name.data ? name : topic ? arena_copy(&request->arena, bytes_from_text(topic->name)) : BYTES_NULL;
    if (!topic) {
        reply->topic_id = id;
        reply->error_code = name.data ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_UNKNOWN_TOPIC_ID;
        reply->error_message = bytes_from_text(kafka_error_text(reply->error_code));
        return;
    }
    reply->topic_id = topic->id;
    if (!config_boolean(&broker->config, "delete.topic.enable")) {
        reply->error_code = KAFKA_INVALID_REQUEST;
        reply->error_message = BYTES("Topic deletion is disabled (delete.topic.enable=false).");
    } else if (!topic_delete(broker, topic, &error)) {
        reply->error_code = kafka_error_from_error(&error);
        reply->error_message = api_text(request, "%s", error.message);
    }
}

void handle_delete_topics(struct api_request *request) {
    const struct kafka_delete_topics_request *body = request->body;
    struct kafka_delete_topics_reply *reply = request->reply;
    int32_t count = request->version >= 6 ? body->topics.count : body->names.count;
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_delete_topics_reply_topic_struct, count);
    for (int32_t i = 0; i < count; i++) {
        if (request->version >= 6)
            delete_one(request, body->topics.items[i].name, body->topics.items[i].topic_id, &reply->topics.items[i]);
        else
            delete_one(request, body->names.items[i], (struct uuid){{0}}, &reply->topics.items[i]);
    }
    api_reply(request);
}

/* ---- CreatePartitions ---- */

static int16_t grow(
    struct api_request *request, const struct kafka_create_partitions_request_topic *wanted, struct bytes *message) {
    const struct kafka_create_partitions_request *body = request->body;
    struct topic *topic = topic_find(request->broker, wanted->name);
    struct error error = {0};
    if (!topic)
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (wanted->partition_count == topic->partition_count) {
        *message = api_text(request, "Topic already has %d partition(s).", topic->partition_count);
        return KAFKA_INVALID_PARTITIONS;
    }
    if (wanted->partition_count < topic->partition_count) {
        *message = api_text(request, "The topic %s currently has %d partition(s); %d would not be an increase.",
            topic->name, topic->partition_count, wanted->partition_count);
        return KAFKA_INVALID_PARTITIONS;
    }
    if (wanted->partition_count > 10000) {
        *message = BYTES("Number of partitions must be at most 10000 for one topic.");
        return KAFKA_INVALID_PARTITIONS;
    }
    if (wanted->assignments.count >= 0 &&
        wanted->assignments.count != wanted->partition_count - topic->partition_count) {
        *message =
            api_text(request, "Attempted to add %d additional partition(s), but only %d assignment(s) were specified.",
                wanted->partition_count - topic->partition_count, wanted->assignments.count);
        return KAFKA_INVALID_REPLICA_ASSIGNMENT;
    }
    for (int32_t i = 0; i < wanted->assignments.count; i++)
        if (wanted->assignments.items[i].brokers.count != 1 ||
            wanted->assignments.items[i].brokers.items[0] != request->broker->node_id) {
            *message = BYTES("The manual partition assignment names a broker that is not registered.");
            return KAFKA_INVALID_REPLICA_ASSIGNMENT;
        }
    if (!body->validate_only && !topic_grow(request->broker, topic, wanted->partition_count, &error)) {
        *message = api_text(request, "%s", error.message);
        return kafka_error_from_error(&error);
    }
    return KAFKA_NONE;
}

void handle_create_partitions(struct api_request *request) {
    const struct kafka_create_partitions_request *body = request->body;
    struct kafka_create_partitions_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_create_partitions_reply_topic_struct, body->topics.count);
    for (int32_t i = 0; i < body->topics.count; i++) {
        struct kafka_create_partitions_reply_topic *answer = &reply->topics.items[i];
        answer->name = body->topics.items[i].name;
        answer->error_code = grow(request, &body->topics.items[i], &answer->error_message);
        if (answer->error_code != KAFKA_NONE && !answer->error_message.data)
            answer->error_message = bytes_from_text(kafka_error_text(answer->error_code));
    }
    api_reply(request);
}
