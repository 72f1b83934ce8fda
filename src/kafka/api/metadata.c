/* metadata.c: ApiVersions, Metadata, DescribeCluster, DescribeTopicPartitions: what this cluster is. It is one broker,
 * which leads every partition; a client is told the address it used to come here, unless advertised.listeners says
 * otherwise. */
#include "kafka/transactions.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- ApiVersions ---- */

/* Features of the cluster that this broker understands; those that announce APIs which are not served here (groups of
 * share and streams protocols) are left out whatever the metadata log says of them. */
const struct broker_feature broker_features[] = {
    {"eligible.leader.replicas.version", 0, 1},
    {"group.version", 0, 1},
    {"kraft.version", 0, 1},
    {"metadata.version", 7, 33},
    {"transaction.version", 0, 2},
};
const size_t broker_feature_count = sizeof broker_features / sizeof *broker_features;

int16_t broker_feature_level(struct broker *broker, const char *name) {
    const char *found;
    int16_t level;
    for (size_t i = 0; metadata_feature(broker->metadata, i, &found, &level); i++)
        if (strcmp(found, name) == 0)
            return level;
    return 0;
}

static void tell_features(struct api_request *request) {
    struct kafka_api_versions_reply *reply = request->reply;
    const struct broker_feature *features = broker_features;
    size_t count = broker_feature_count;
    WIRE_ARRAY(&request->arena, &reply->supported_features, &kafka_api_versions_reply_supported_struct, count);
    WIRE_ARRAY(&request->arena, &reply->finalized_features, &kafka_api_versions_reply_finalized_struct, count);
    reply->supported_features.count = reply->finalized_features.count = 0;
    for (size_t i = 0; i < count; i++) {
        int16_t level = broker_feature_level(request->broker, features[i].name);
        /* Before version 4 a lowest version of 0 could not be told. */
        if (features[i].supported_min > 0 || request->version >= 4) {
            struct kafka_api_versions_reply_supported *supported =
                &reply->supported_features.items[reply->supported_features.count++];
            supported->name = bytes_from_text(features[i].name);
            supported->version_min = features[i].supported_min;
            supported->version_max = features[i].supported_max;
        }
        if (level > 0) {
            struct kafka_api_versions_reply_finalized *finalized =
                &reply->finalized_features.items[reply->finalized_features.count++];
            finalized->name = bytes_from_text(features[i].name);
            finalized->level_max = finalized->level_min = level;
        }
    }
    reply->features_epoch = metadata_end_offset(request->broker->metadata);
}

void handle_api_versions(struct api_request *request) {
    struct kafka_api_versions_reply *reply = request->reply;
    const struct kafka_api_versions_request *body = request->body;
    struct connection *connection = request->connection;
    if (body->software_name.size > 0 && body->software_name.size < sizeof connection->software_name)
        snprintf(connection->software_name, sizeof connection->software_name, "%.*s", BYTES_ARGS(body->software_name));
    if (body->software_version.size > 0 && body->software_version.size < sizeof connection->software_version)
        snprintf(connection->software_version, sizeof connection->software_version, "%.*s",
            BYTES_ARGS(body->software_version));
    WIRE_ARRAY(&request->arena, &reply->apis, &kafka_api_versions_reply_api_struct, api_count);
    for (size_t i = 0; i < api_count; i++) {
        reply->apis.items[i].key = api_table[i].key;
        reply->apis.items[i].version_min = api_table[i].version_min;
        reply->apis.items[i].version_max = api_table[i].version_max;
    }
    tell_features(request);
    api_reply(request);
}

/* ---- Metadata ---- */

static void one_node(struct api_request *request, int32_t **items, int32_t *count) {
    *items = ARENA_NEW(&request->arena, int32_t);
    **items = request->broker->node_id;
    *count = 1;
}

static void describe_topic(
    struct api_request *request, const struct topic *topic, struct kafka_metadata_reply_topic *reply) {
    const struct kafka_metadata_request *body = request->body;
    reply->name = bytes_from_text(topic->name);
    reply->topic_id = topic->id;
    reply->is_internal = topic->internal;
    reply->operations = OPERATIONS_IF(body->topic_operations, OPERATIONS_TOPIC);
    WIRE_ARRAY(&request->arena, &reply->partitions, &kafka_metadata_reply_partition_struct, topic->partition_count);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct kafka_metadata_reply_partition *partition = &reply->partitions.items[i];
        partition->index = i;
        partition->leader_id = request->broker->node_id;
        partition->leader_epoch = topic->leader_epochs[i];
        one_node(request, &partition->replicas.items, &partition->replicas.count);
        one_node(request, &partition->isr.items, &partition->isr.count);
    }
}

/* Clients ask again and again for a topic that is not there, and tell their users little: the log names it, once in a
 * while, and what may have been meant. */
static void note_unknown_topic(struct api_request *request, struct bytes name) {
    enum { PAUSE_MS = 60000 };
    struct broker *broker = request->broker;
    int64_t now_ms = world_wall_ms(broker->world);
    if (bytes_equal_text(name, broker->unknown_topic) && now_ms - broker->unknown_topic_ms < PAUSE_MS)
        return;
    snprintf(broker->unknown_topic, sizeof broker->unknown_topic, "%.*s", BYTES_ARGS(name));
    broker->unknown_topic_ms = now_ms;
    size_t best = name.size / 3 + 2, cursor = 0;
    const struct topic *near = NULL;
    for (struct map_entry *entry; (entry = map_next(&broker->topics, &cursor)) != NULL;) {
        size_t distance = bytes_edit_distance(name, entry->key);
        if (distance < best && !((const struct topic *)entry->value)->internal) {
            best = distance;
            near = entry->value;
        }
    }
    service_log_write(broker->service_log, LOG_WARN, "kafka.server.KafkaApis",
        "Client %.*s asks for topic %.*s, which does not exist%s%s", BYTES_ARGS(request->client_id), BYTES_ARGS(name),
        near != NULL ? "; there is " : "", near != NULL ? near->name : "");
}

static struct topic *create_on_demand(struct api_request *request, struct bytes name, int16_t *code) {
    struct broker *broker = request->broker;
    const struct kafka_metadata_request *body = request->body;
    struct error error = {0};
    if (!topic_name_check(name, &error)) {
        *code = KAFKA_INVALID_TOPIC_EXCEPTION;
        return NULL;
    }
    *code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (!body->allow_auto_creation || !config_boolean(&broker->config, "auto.create.topics.enable")) {
        note_unknown_topic(request, name);
        return NULL;
    }
    if (bytes_equal_text(name, KAFKA_OFFSETS_TOPIC))
        return topic_offsets(broker, &error);
    if (bytes_equal_text(name, KAFKA_TRANSACTIONS_TOPIC))
        return transactions_topic(broker, &error);
    struct topic *topic =
        topic_create(broker, name, (int32_t)config_integer(&broker->config, "num.partitions"), NULL, code, &error);
    if (!topic)
        service_log_write(broker->service_log, LOG_WARN, "kafka.server.DefaultAutoTopicCreationManager",
            "Auto-creation of topic %.*s failed: %s", BYTES_ARGS(name), error.message);
    return topic;
}

static void describe_wanted(struct api_request *request, const struct kafka_metadata_request_topic *wanted,
    struct kafka_metadata_reply_topic *reply) {
    struct topic *topic;
    int16_t code = KAFKA_UNKNOWN_TOPIC_ID;
    if (request->version >= 10 && !wanted->name.data) {
        topic = topic_find_id(request->broker, wanted->topic_id);
    } else {
        topic = topic_find(request->broker, wanted->name);
        if (!topic)
            topic = create_on_demand(request, wanted->name, &code);
    }
    if (topic) {
        describe_topic(request, topic, reply);
        return;
    }
    reply->error_code = code;
    reply->name = wanted->name.data || request->version >= 12 ? wanted->name : bytes_make("", 0);
    reply->topic_id = wanted->topic_id;
    reply->is_internal =
        bytes_equal_text(wanted->name, KAFKA_OFFSETS_TOPIC) || bytes_equal_text(wanted->name, KAFKA_TRANSACTIONS_TOPIC);
}

static void describe_all(struct api_request *request) {
    struct kafka_metadata_reply *reply = request->reply;
    size_t count;
    struct topic **topics = topics_sorted(request->broker, &request->arena, &count);
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_metadata_reply_topic_struct, count);
    for (size_t i = 0; i < count; i++)
        describe_topic(request, topics[i], &reply->topics.items[i]);
}

void handle_metadata(struct api_request *request) {
    const struct kafka_metadata_request *body = request->body;
    struct kafka_metadata_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->brokers, &kafka_metadata_reply_broker_struct, 1);
    reply->brokers.items[0].node_id = request->broker->node_id;
    broker_advertised(request, &reply->brokers.items[0].host, &reply->brokers.items[0].port);
    reply->cluster_id = bytes_from_text(log_manager_cluster_id(request->broker->logs));
    reply->controller_id = request->broker->node_id;
    reply->cluster_operations = OPERATIONS_IF(body->cluster_operations, OPERATIONS_CLUSTER);
    if (body->topics.count < 0 || (request->version == 0 && body->topics.count == 0)) {
        describe_all(request);
    } else {
        WIRE_ARRAY(&request->arena, &reply->topics, &kafka_metadata_reply_topic_struct, body->topics.count);
        for (int32_t i = 0; i < body->topics.count; i++)
            describe_wanted(request, &body->topics.items[i], &reply->topics.items[i]);
    }
    api_reply(request);
}

/* ---- DescribeCluster ---- */

void handle_describe_cluster(struct api_request *request) {
    const struct kafka_describe_cluster_request *body = request->body;
    struct kafka_describe_cluster_reply *reply = request->reply;
    reply->cluster_id = bytes_from_text(log_manager_cluster_id(request->broker->logs));
    reply->endpoint_type = body->endpoint_type;
    if (body->endpoint_type != 1) {
        reply->error_code = body->endpoint_type == 2 ? KAFKA_MISMATCHED_ENDPOINT_TYPE : KAFKA_UNSUPPORTED_ENDPOINT_TYPE;
        reply->error_message = body->endpoint_type == 2
                                   ? BYTES("The request was sent to an endpoint of type BROKER, but we wanted an "
                                           "endpoint of type CONTROLLER")
                                   : api_text(request, "Unsupported endpoint type %d", body->endpoint_type);
        reply->endpoint_type = 1;
        reply->cluster_id = BYTES("");
        reply->controller_id = -1;
        api_reply(request);
        return;
    }
    reply->controller_id = request->broker->node_id;
    reply->cluster_operations = OPERATIONS_IF(body->cluster_operations, OPERATIONS_CLUSTER);
    WIRE_ARRAY(&request->arena, &reply->brokers, &kafka_describe_cluster_reply_broker_struct, 1);
    reply->brokers.items[0].broker_id = request->broker->node_id;
    broker_advertised(request, &reply->brokers.items[0].host, &reply->brokers.items[0].port);
    api_reply(request);
}

/* ---- DescribeTopicPartitions ---- */

typedef struct kafka_describe_topic_partitions_reply_topic described_topic;

static int compare_names(const void *left, const void *right) {
    return bytes_compare(*(const struct bytes *)left, *(const struct bytes *)right);
}

/* The names asked for in order, or all; those before the cursor are left out. */
static struct bytes *names_wanted(struct api_request *request, size_t *count) {
    const struct kafka_describe_topic_partitions_request *body = request->body;
    size_t all_count = 0;
    struct topic **all = body->topics.count == 0 ? topics_sorted(request->broker, &request->arena, &all_count) : NULL;
    size_t total = all ? all_count : (size_t)body->topics.count;
    struct bytes *names = ARENA_ARRAY(&request->arena, struct bytes, total + 1);
    *count = 0;
    for (size_t i = 0; i < total; i++) {
        struct bytes name = all ? bytes_from_text(all[i]->name) : body->topics.items[i].name;
        if (!body->cursor || bytes_compare(name, body->cursor->topic_name) >= 0)
            names[(*count)++] = name;
    }
    qsort(names, *count, sizeof *names, compare_names);
    return names;
}

static void describe_range(
    struct api_request *request, const struct topic *topic, int32_t from, int32_t to, described_topic *reply) {
    reply->topic_id = topic->id;
    reply->is_internal = topic->internal;
    reply->operations = OPERATIONS_TOPIC;
    WIRE_ARRAY(&request->arena, &reply->partitions, &kafka_describe_topic_partitions_reply_partition_struct, to - from);
    for (int32_t i = from; i < to; i++) {
        struct kafka_describe_topic_partitions_reply_partition *partition = &reply->partitions.items[i - from];
        partition->index = i;
        partition->leader_id = request->broker->node_id;
        partition->leader_epoch = topic->leader_epochs[i];
        one_node(request, &partition->replicas.items, &partition->replicas.count);
        one_node(request, &partition->isr.items, &partition->isr.count);
        partition->eligible_leaders.count = partition->last_known_leaders.count = 0;
    }
}

void handle_describe_topic_partitions(struct api_request *request) {
    const struct kafka_describe_topic_partitions_request *body = request->body;
    struct kafka_describe_topic_partitions_reply *reply = request->reply;
    size_t count;
    struct bytes *names = names_wanted(request, &count);
    int32_t left = body->partition_limit > 0 && body->partition_limit < 2000 ? body->partition_limit : 2000;
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_describe_topic_partitions_reply_topic_struct, count);
    reply->topics.count = 0;
    for (size_t i = 0; i < count; i++) {
        const struct topic *topic = topic_find(request->broker, names[i]);
        int32_t from =
            body->cursor && bytes_equal(names[i], body->cursor->topic_name) ? body->cursor->partition_index : 0;
        if (topic && left == 0) {
            reply->next_cursor = wire_new(&request->arena, &kafka_describe_topic_partitions_reply_cursor_struct, 1);
            reply->next_cursor->topic_name = names[i];
            reply->next_cursor->partition_index = from;
            break;
        }
        described_topic *answer = &reply->topics.items[reply->topics.count++];
        answer->name = names[i];
        struct error error = {0};
        if (!topic) {
            answer->error_code =
                topic_name_check(names[i], &error) ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_INVALID_TOPIC_EXCEPTION;
            continue;
        }
        if (from < 0 || from > topic->partition_count)
            from = 0;
        int32_t to = topic->partition_count - from > left ? from + left : topic->partition_count;
        describe_range(request, topic, from, to, answer);
        left -= to - from;
        if (to < topic->partition_count) {
            reply->next_cursor = wire_new(&request->arena, &kafka_describe_topic_partitions_reply_cursor_struct, 1);
            reply->next_cursor->topic_name = names[i];
            reply->next_cursor->partition_index = to;
            break;
        }
    }
    api_reply(request);
}
