/* operators.c: ElectLeaders, partition reassignments, log directories, the quorum, brokers, resources with settings: as
 * a cluster of one broker with one log directory answers them. */
#include "kafka/internal.h"

#include <stdlib.h>

#define NO_SUCH_VOTERS "Cluster doesn't support %s voter because the kraft.version feature is 0"

/* ---- ElectLeaders ---- */

typedef struct kafka_elect_leaders_reply_partition election;

static void elect(struct api_request *request, struct bytes name, int32_t partition, election *result) {
    const struct kafka_elect_leaders_request *body = request->body;
    const struct topic *topic = topic_find(request->broker, name);
    result->index = partition;
    if (body->election_type != 0 && body->election_type != 1) {
        result->error_code = KAFKA_INVALID_REQUEST;
        result->error_message = api_text(request, "Unknown election type %d", body->election_type);
    } else if (!topic) {
        result->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        result->error_message = api_text(request, "No such topic as %.*s", BYTES_ARGS(name));
    } else if (!topic_log(topic, partition)) {
        result->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        result->error_message = api_text(request, "No such partition as %.*s-%d", BYTES_ARGS(name), partition);
    } else {
        /* The only replica leads. */
        result->error_code = KAFKA_ELECTION_NOT_NEEDED;
        result->error_message = BYTES("Leader election not needed for topic partition.");
    }
}

/* Asked for all partitions, those that need no election are not told of: only the topics are. */
static void elect_everywhere(struct api_request *request) {
    struct kafka_elect_leaders_reply *reply = request->reply;
    size_t count;
    struct topic **topics = topics_sorted(request->broker, &request->arena, &count);
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_elect_leaders_reply_topic_struct, count);
    for (size_t i = 0; i < count; i++)
        reply->topics.items[i].name = bytes_from_text(topics[i]->name);
}

void handle_elect_leaders(struct api_request *request) {
    const struct kafka_elect_leaders_request *body = request->body;
    struct kafka_elect_leaders_reply *reply = request->reply;
    bool known = body->election_type == 0 || body->election_type == 1;
    if (!known)
        reply->error_code = KAFKA_INVALID_REQUEST;
    if (body->topics.count < 0 && known)
        elect_everywhere(request);
    else if (body->topics.count > 0)
        WIRE_ARRAY(&request->arena, &reply->topics, &kafka_elect_leaders_reply_topic_struct, body->topics.count);
    for (int32_t i = 0; i < body->topics.count; i++) {
        const struct kafka_elect_leaders_request_topic *asked = &body->topics.items[i];
        struct kafka_elect_leaders_reply_topic *topic = &reply->topics.items[i];
        topic->name = asked->name;
        WIRE_ARRAY(
            &request->arena, &topic->partitions, &kafka_elect_leaders_reply_partition_struct, asked->partitions.count);
        for (int32_t j = 0; j < asked->partitions.count; j++)
            elect(request, asked->name, asked->partitions.items[j], &topic->partitions.items[j]);
    }
    api_reply(request);
}

/* ---- reassignments ---- */

typedef struct kafka_alter_partition_reassignments_request_partition reassignment;
typedef struct kafka_alter_partition_reassignments_reply_partition reassigned;

static int16_t refuse_replicas(struct api_request *request, const reassignment *asked, struct bytes *message) {
    for (int32_t i = 0; i < asked->replicas.count; i++)
        if (asked->replicas.items[i] != request->broker->node_id) {
            *message = api_text(request,
                "The manual partition assignment includes broker %d, but no such broker is registered.",
                asked->replicas.items[i]);
            return KAFKA_INVALID_REPLICA_ASSIGNMENT;
        }
    if (asked->replicas.count > 1) {
        *message = api_text(request, "The manual partition assignment includes the broker %d more than once.",
            request->broker->node_id);
        return KAFKA_INVALID_REPLICA_ASSIGNMENT;
    }
    return KAFKA_NONE; /* where it is already */
}

static void reassign(struct api_request *request, struct bytes name, const reassignment *asked, reassigned *result) {
    const struct topic *topic = topic_find(request->broker, name);
    result->index = asked->index;
    if (!topic || !topic_log(topic, asked->index)) {
        result->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        result->error_message =
            topic ? api_text(request, "Unable to find partition %.*s:%d.", BYTES_ARGS(name), asked->index)
                  : api_text(request, "Unable to find a topic named %.*s.", BYTES_ARGS(name));
    } else if (asked->replicas.count < 0) {
        result->error_code = KAFKA_NO_REASSIGNMENT_IN_PROGRESS;
    } else if (asked->replicas.count == 0) {
        result->error_code = KAFKA_INVALID_REPLICA_ASSIGNMENT;
        result->error_message = BYTES("The manual partition assignment includes an empty replica list.");
    } else {
        result->error_code = refuse_replicas(request, asked, &result->error_message);
    }
}

void handle_alter_partition_reassignments(struct api_request *request) {
    const struct kafka_alter_partition_reassignments_request *body = request->body;
    struct kafka_alter_partition_reassignments_reply *reply = request->reply;
    reply->allow_replication_factor_change = body->allow_replication_factor_change;
    WIRE_ARRAY(
        &request->arena, &reply->topics, &kafka_alter_partition_reassignments_reply_topic_struct, body->topics.count);
    for (int32_t i = 0; i < body->topics.count; i++) {
        const struct kafka_alter_partition_reassignments_request_topic *asked = &body->topics.items[i];
        struct kafka_alter_partition_reassignments_reply_topic *topic = &reply->topics.items[i];
        topic->name = asked->name;
        WIRE_ARRAY(&request->arena, &topic->partitions, &kafka_alter_partition_reassignments_reply_partition_struct,
            asked->partitions.count);
        for (int32_t j = 0; j < asked->partitions.count; j++)
            reassign(request, asked->name, &asked->partitions.items[j], &topic->partitions.items[j]);
    }
    api_reply(request);
}

void handle_list_partition_reassignments(struct api_request *request) {
    api_reply(request); /* none is ever in progress */
}

/* ---- AlterReplicaLogDirs ---- */

static int16_t move_partition(struct api_request *request, struct bytes path, struct bytes name, int32_t partition) {
    const struct topic *topic = topic_find(request->broker, name);
    if (!bytes_equal_text(path, log_manager_directory(request->broker->logs)))
        return KAFKA_LOG_DIR_NOT_FOUND;
    return topic && topic_log(topic, partition) ? KAFKA_NONE : KAFKA_UNKNOWN_TOPIC_OR_PARTITION; /* it is there */
}

void handle_alter_replica_log_dirs(struct api_request *request) {
    const struct kafka_alter_replica_log_dirs_request *body = request->body;
    struct kafka_alter_replica_log_dirs_reply *reply = request->reply;
    int32_t count = 0;
    for (int32_t i = 0; i < body->directories.count; i++)
        count += body->directories.items[i].topics.count;
    WIRE_ARRAY(&request->arena, &reply->results, &kafka_alter_replica_log_dirs_reply_result_struct, count);
    count = 0;
    for (int32_t i = 0; i < body->directories.count; i++)
        for (int32_t j = 0; j < body->directories.items[i].topics.count; j++) {
            const struct kafka_alter_replica_log_dirs_request_topic *asked =
                &body->directories.items[i].topics.items[j];
            struct kafka_alter_replica_log_dirs_reply_result *result = &reply->results.items[count++];
            result->name = asked->name;
            WIRE_ARRAY(&request->arena, &result->partitions, &kafka_alter_replica_log_dirs_reply_partition_struct,
                asked->partitions.count);
            for (int32_t k = 0; k < asked->partitions.count; k++) {
                result->partitions.items[k].index = asked->partitions.items[k];
                result->partitions.items[k].error_code =
                    move_partition(request, body->directories.items[i].path, asked->name, asked->partitions.items[k]);
            }
        }
    api_reply(request);
}

/* ---- the quorum ---- */

static void describe_quorum_partition(
    struct api_request *request, struct bytes topic, struct kafka_describe_quorum_reply_partition *result) {
    struct broker *broker = request->broker;
    if (!bytes_equal_text(topic, "__cluster_metadata") || result->index != 0) {
        result->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        result->error_message = BYTES("This server does not host this topic-partition.");
        return;
    }
    int64_t now_ms = world_wall_ms(broker->world);
    result->error_message = BYTES("");
    result->leader_id = broker->node_id;
    result->leader_epoch = metadata_controller_epoch(broker->metadata);
    result->high_watermark = metadata_end_offset(broker->metadata);
    WIRE_ARRAY(&request->arena, &result->voters, &kafka_describe_quorum_reply_voter_struct, 1);
    result->voters.items[0].replica_id = broker->node_id;
    result->voters.items[0].end_offset = result->high_watermark;
    result->voters.items[0].last_fetch_time = result->voters.items[0].last_caught_up_time = now_ms;
}

static void name_voter(struct api_request *request) {
    struct kafka_describe_quorum_reply *reply = request->reply;
    struct kafka_describe_quorum_reply_listener *listener;
    int32_t port;
    WIRE_ARRAY(&request->arena, &reply->nodes, &kafka_describe_quorum_reply_node_struct, 1);
    reply->nodes.items[0].node_id = request->broker->node_id;
    WIRE_ARRAY(&request->arena, &reply->nodes.items[0].listeners, &kafka_describe_quorum_reply_listener_struct, 1);
    listener = &reply->nodes.items[0].listeners.items[0];
    listener->name = BYTES("PLAINTEXT"); /* broker and controller are one, behind one listener */
    broker_advertised(request, &listener->host, &port);
    listener->port = (uint16_t)port;
}

void handle_describe_quorum(struct api_request *request) {
    const struct kafka_describe_quorum_request *body = request->body;
    struct kafka_describe_quorum_reply *reply = request->reply;
    bool found = false;
    reply->error_message = BYTES("");
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_describe_quorum_reply_topic_struct, body->topics.count);
    for (int32_t i = 0; i < body->topics.count; i++) {
        const struct kafka_describe_quorum_request_topic *asked = &body->topics.items[i];
        struct kafka_describe_quorum_reply_topic *topic = &reply->topics.items[i];
        topic->name = asked->name;
        WIRE_ARRAY(&request->arena, &topic->partitions, &kafka_describe_quorum_reply_partition_struct,
            asked->partitions.count);
        for (int32_t j = 0; j < asked->partitions.count; j++) {
            topic->partitions.items[j].index = asked->partitions.items[j].index;
            describe_quorum_partition(request, asked->name, &topic->partitions.items[j]);
            found = found || topic->partitions.items[j].error_code == KAFKA_NONE;
        }
    }
    if (found)
        name_voter(request);
    api_reply(request);
}

void handle_add_raft_voter(struct api_request *request) {
    struct kafka_add_raft_voter_reply *reply = request->reply;
    reply->error_code = KAFKA_UNSUPPORTED_VERSION;
    reply->error_message = api_text(request, NO_SUCH_VOTERS, "adding");
    api_reply(request);
}

void handle_remove_raft_voter(struct api_request *request) {
    struct kafka_remove_raft_voter_reply *reply = request->reply;
    reply->error_code = KAFKA_UNSUPPORTED_VERSION;
    reply->error_message = api_text(request, NO_SUCH_VOTERS, "removing");
    api_reply(request);
}

void handle_unregister_broker(struct api_request *request) {
    const struct kafka_unregister_broker_request *body = request->body;
    struct kafka_unregister_broker_reply *reply = request->reply;
    bool is_this = body->broker_id == request->broker->node_id;
    reply->error_code = is_this ? KAFKA_INVALID_REQUEST : KAFKA_BROKER_ID_NOT_REGISTERED;
    reply->error_message =
        is_this ? api_text(request, "Broker %d is the only one and runs: it cannot be unregistered", body->broker_id)
                : api_text(request, "Broker ID %d is not currently registered", body->broker_id);
    api_reply(request);
}

/* ---- ListConfigResources ---- */

enum { RESOURCE_BROKER_LOGGER = 8 };
static const int8_t resource_types[] = {
    METADATA_GROUP, METADATA_CLIENT_METRICS, RESOURCE_BROKER_LOGGER, METADATA_BROKER, METADATA_TOPIC};

static void add_resource(struct api_request *request, struct bytes name, int8_t type) {
    struct kafka_list_config_resources_reply *reply = request->reply;
    struct kafka_list_config_resources_reply_resource *resource = &reply->resources.items[reply->resources.count++];
    resource->name = arena_copy(&request->arena, name);
    resource->type = type;
}

static void add_resources(struct api_request *request, int8_t type) {
    struct broker *broker = request->broker;
    struct metadata_names names = {0};
    size_t cursor = 0;
    switch (type) {
    case METADATA_TOPIC:
        for (struct map_entry *entry; (entry = map_next(&broker->topics, &cursor));)
            add_resource(request, entry->key, type);
        break;
    case METADATA_BROKER:
    case RESOURCE_BROKER_LOGGER:
        add_resource(request, api_text(request, "%d", broker->node_id), type);
        break;
    default:
        metadata_config_resources(broker->metadata, (enum metadata_resource)type, &names);
        for (size_t i = 0; i < names.count; i++)
            add_resource(request, bytes_from_text(names.items[i]), type);
        VECTOR_FREE(&names);
    }
}

static size_t resource_limit(struct broker *broker) {
    size_t limit = broker->topics.count + 2;
    for (size_t i = 0; i < 2; i++) {
        struct metadata_names names = {0};
        metadata_config_resources(broker->metadata, (enum metadata_resource)resource_types[i], &names);
        limit += names.count;
        VECTOR_FREE(&names);
    }
    return limit;
}

static bool is_wanted(const struct kafka_list_config_resources_request *body, int8_t type) {
    for (int32_t i = 0; i < body->types.count; i++)
        if (body->types.items[i] == type)
            return true;
    return body->types.count == 0;
}

void handle_list_config_resources(struct api_request *request) {
    const struct kafka_list_config_resources_request *body = request->body;
    struct kafka_list_config_resources_reply *reply = request->reply;
    for (int32_t i = 0; i < body->types.count; i++) {
        bool known = false;
        for (size_t j = 0; j < sizeof resource_types; j++)
            known = known || body->types.items[i] == resource_types[j];
        if (!known)
            reply->error_code = KAFKA_UNSUPPORTED_VERSION;
    }
    WIRE_ARRAY(&request->arena, &reply->resources, &kafka_list_config_resources_reply_resource_struct,
        resource_limit(request->broker));
    reply->resources.count = 0;
    for (size_t i = 0; i < sizeof resource_types && reply->error_code == KAFKA_NONE; i++)
        if (request->version == 0 ? resource_types[i] == METADATA_CLIENT_METRICS : is_wanted(body, resource_types[i]))
            add_resources(request, resource_types[i]);
    api_reply(request);
}
