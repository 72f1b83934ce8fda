/* tool_kafka_look.c: kafka-groups, kafka-log-dirs and kafka-cluster: what a cluster has, with the real tools' options
 * and output. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/kafka/java_order.h"
#include "cli/kafka/kafka_groups.h"
#include "cli/kafka/kafka_tool.h"

/* ---- kafka-groups ---- */

static const struct tool_option groups_options[] = {
    {"bootstrap-server", TOOL_VALUE, "Kafka servers, HOST:PORT,..."},
    {"command-config", TOOL_IGNORED, "Properties of the client."},
    {"consumer", TOOL_FLAG, "Only groups of consumers, of either protocol."},
    {"group-type", TOOL_VALUE, "Only groups of this type: classic, consumer, share or streams."},
    {"list", TOOL_FLAG, "List the groups."},
    {"protocol", TOOL_VALUE, "Only groups with this protocol type."},
    {"share", TOOL_FLAG, "Only share groups."},
    {"streams", TOOL_FLAG, "Only groups of Kafka Streams."},
};

static bool is_wanted_group(const struct tool *tool, const struct group_listing *group) {
    const char *type = tool_value(tool, "group-type"), *protocol = tool_value(tool, "protocol");
    bool is_classic = strcasecmp(group->type, "classic") == 0;
    bool of_consumers = strcasecmp(group->type, "consumer") == 0 ||
                        (is_classic && (group->protocol_type[0] == 0 || strcmp(group->protocol_type, "consumer") == 0));
    return (type == NULL || strcasecmp(group->type, type) == 0) &&
           (protocol == NULL || strcmp(group->protocol_type, protocol) == 0) &&
           (!tool_has(tool, "consumer") || of_consumers) &&
           (!tool_has(tool, "share") || strcasecmp(group->type, "share") == 0) &&
           (!tool_has(tool, "streams") || strcasecmp(group->type, "streams") == 0);
}

static int list_groups(struct tool *tool) {
    struct group_listings listings = {0};
    struct error error = {0};
    int column = 20;
    if (!groups_list(tool->remote, &listings, &error)) {
        fprintf(stderr, "Error while executing groups command : %s\n", error.message);
        return 1;
    }
    for (size_t i = 0; i < listings.count; i++)
        if (is_wanted_group(tool, &listings.items[i]) && (int)strlen(listings.items[i].id) > column)
            column = (int)strlen(listings.items[i].id);
    printf("%-*s %-*s %-*s\n", column, "GROUP", column, "TYPE", column, "PROTOCOL");
    for (size_t i = 0; i < listings.count; i++)
        if (is_wanted_group(tool, &listings.items[i]))
            printf("%-*s %-*s %-*s \n", column, listings.items[i].id, column, listings.items[i].type, column,
                listings.items[i].protocol_type);
    groups_list_free(&listings);
    return 0;
}

int tool_kafka_groups_main(int argc, char **argv) {
    struct tool tool = {.purpose = "List groups of every type.",
        .options = groups_options,
        .option_count = ARRAY_COUNT(groups_options)};
    int status = 1;
    if (tool_parse(&tool, argc, argv, &status)) {
        if (!tool_has(&tool, "list"))
            status = tool_usage_error(&tool, "Command must include exactly one action: --list.");
        else
            status = tool_connect(&tool, "adminclient-1") ? list_groups(&tool) : 1;
    }
    tool_free(&tool);
    return status;
}

/* ---- kafka-log-dirs ---- */

static const struct tool_option log_dirs_options[] = {
    {"bootstrap-server", TOOL_VALUE, "Kafka servers, HOST:PORT,..."},
    {"broker-list", TOOL_VALUE, "Only these brokers, by id: 1,2."},
    {"command-config", TOOL_IGNORED, "Properties of the client."},
    {"describe", TOOL_FLAG, "Show the folders and what each partition takes in them."},
    {"topic-list", TOOL_VALUE, "Only these topics: a,b."},
};

static bool is_listed(const struct tool_texts *names, struct bytes name) {
    for (size_t i = 0; i < names->count; i++)
        if (bytes_equal_text(name, names->items[i]))
            return true;
    return names->count == 0;
}

/* A folder's partitions, in the order of Java's map of topic partitions. */
static json_t *list_partitions(
    const struct kafka_describe_log_dirs_reply_directory *directory, const struct tool_texts *topics) {
    json_t *found = json_array(), *ordered = json_array();
    VECTOR(int32_t) hashes = {0};
    for (int32_t i = 0; i < directory->topics.count; i++) {
        const struct kafka_describe_log_dirs_reply_topic *topic = &directory->topics.items[i];
        for (int32_t j = 0; j < topic->partitions.count; j++) {
            const struct kafka_describe_log_dirs_reply_partition *partition = &topic->partitions.items[j];
            if (!is_listed(topics, topic->name))
                continue;
            struct buffer name = {0};
            buffer_printf(&name, "%.*s-%d", BYTES_ARGS(topic->name), partition->index);
            json_array_append_new(found,
                json_pack("{s:s, s:I, s:I, s:b}", "partition", buffer_text(&name), "size", (json_int_t)partition->size,
                    "offsetLag", (json_int_t)partition->offset_lag, "isFuture", (int)partition->is_future));
            buffer_free(&name);
            VECTOR_PUSH(
                &hashes, (int32_t)(31u * (31u + (uint32_t)partition->index) + (uint32_t)java_string_hash(topic->name)));
        }
    }
    size_t *order = calloc(hashes.count + 1, sizeof *order);
    ASSERT(order != NULL);
    java_hash_order(hashes.items, hashes.count, 16, order);
    for (size_t i = 0; i < hashes.count; i++)
        json_array_append(ordered, json_array_get(found, order[i]));
    json_decref(found);
    VECTOR_FREE(&hashes);
    free(order);
    return ordered;
}

static json_t *describe_folders(const struct kafka_describe_log_dirs_reply *reply, const struct tool_texts *topics) {
    json_t *folders = json_array();
    for (int32_t i = 0; i < reply->directories.count; i++) {
        const struct kafka_describe_log_dirs_reply_directory *directory = &reply->directories.items[i];
        json_array_append_new(
            folders, json_pack("{s:o, s:s?, s:s%}", "partitions", list_partitions(directory, topics), "error",
                         directory->error_code == 0 ? NULL : remote_exception(directory->error_code), "logDir",
                         (const char *)directory->path.data, directory->path.size));
    }
    return folders;
}

static bool add_broker(
    struct tool *tool, int32_t node, const struct tool_texts *topics, json_t *brokers, struct error *error) {
    struct arena arena = {0};
    struct kafka_describe_log_dirs_request request;
    struct kafka_describe_log_dirs_reply reply;
    wire_set_defaults(&kafka_describe_log_dirs_request_struct, &request);
    request.topics.count = -1;
    bool ok = REMOTE_CALL(tool->remote, node, describe_log_dirs, &request, &reply, &arena, error);
    if (ok)
        json_array_append_new(
            brokers, json_pack("{s:i, s:o}", "broker", (int)node, "logDirs", describe_folders(&reply, topics)));
    arena_destroy(&arena);
    return ok;
}

static void append_number(struct buffer *list, int64_t number) {
    buffer_printf(list, "%s%lld", list->size == 0 ? "" : ",", (long long)number);
}

struct nodes {
    int32_t *items;
    size_t count, capacity;
};

/* The brokers that --broker-list means; false after what is wrong was printed. */
static bool choose_brokers(struct tool *tool, struct buffer *chosen, struct nodes *nodes) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_metadata_reply reply;
    struct tool_texts wanted = {0};
    struct buffer existing = {0}, missing = {0};
    if (tool_value(tool, "broker-list") != NULL)
        tool_split(tool_value(tool, "broker-list"), ',', &wanted);
    bool ok = remote_metadata(tool->remote, NULL, 0, false, &reply, &arena, &error);
    for (int32_t i = 0; ok && i < reply.brokers.count; i++)
        append_number(&existing, reply.brokers.items[i].node_id);
    for (int32_t i = 0; ok && wanted.count == 0 && i < reply.brokers.count; i++)
        VECTOR_PUSH(nodes, reply.brokers.items[i].node_id);
    for (size_t i = 0; ok && i < wanted.count; i++) {
        int64_t number = -1;
        int32_t j = 0;
        ok = bytes_to_int64(bytes_from_text(wanted.items[i]), &number) ||
             error_set(&error, ERROR_INVALID, "For input string: \"%s\"", wanted.items[i]);
        while (ok && j < reply.brokers.count && reply.brokers.items[j].node_id != number)
            j++;
        if (ok && j < reply.brokers.count)
            VECTOR_PUSH(nodes, (int32_t)number);
        else if (ok)
            append_number(&missing, number);
    }
    if (ok && missing.size > 0)
        ok = error_set(&error, ERROR_INVALID,
            "The given brokers do not exist from --broker-list: %s. Current existent brokers: %s",
            buffer_text(&missing), buffer_text(&existing));
    if (!ok)
        fprintf(stderr, "ERROR: %s\n", error.message);
    for (size_t i = 0; i < nodes->count; i++)
        append_number(chosen, nodes->items[i]);
    buffer_free(&existing);
    buffer_free(&missing);
    tool_texts_free(&wanted);
    arena_destroy(&arena);
    return ok;
}

static int describe_log_dirs(struct tool *tool) {
    struct buffer chosen = {0};
    struct nodes nodes = {0};
    struct tool_texts topics = {0};
    struct error error = {0};
    json_t *brokers = json_array();
    bool ok = choose_brokers(tool, &chosen, &nodes);
    if (tool_value(tool, "topic-list") != NULL)
        tool_split(tool_value(tool, "topic-list"), ',', &topics);
    if (ok)
        printf("Querying brokers for log directories information\n");
    for (size_t i = 0; ok && i < nodes.count; i++)
        if (!(ok = add_broker(tool, nodes.items[i], &topics, brokers, &error)))
            fprintf(stderr, "ERROR: %s\n", error.message);
    json_t *answer = json_pack("{s:o, s:i}", "brokers", brokers, "version", 1);
    char *text = json_dumps(answer, JSON_COMPACT);
    if (ok)
        printf("Received log directory information from brokers %s\n%s\n", buffer_text(&chosen), text);
    free(text);
    json_decref(answer);
    tool_texts_free(&topics);
    VECTOR_FREE(&nodes);
    buffer_free(&chosen);
    return ok ? 0 : 1;
}

int tool_kafka_log_dirs_main(int argc, char **argv) {
    struct tool tool = {.purpose = "Show what partitions take on the brokers' disks.",
        .options = log_dirs_options,
        .option_count = ARRAY_COUNT(log_dirs_options)};
    int status = 1;
    if (tool_parse(&tool, argc, argv, &status)) {
        if (!tool_has(&tool, "describe"))
            status = tool_usage_error(&tool, "Missing required argument \"[describe]\"");
        else
            status = tool_connect(&tool, "adminclient-1") ? describe_log_dirs(&tool) : 1;
    }
    tool_free(&tool);
    return status;
}

/* ---- kafka-cluster ---- */

static const struct tool_option cluster_options[] = {
    {"bootstrap-server", TOOL_VALUE, "Kafka servers, HOST:PORT,..."},
    {"config", TOOL_IGNORED, "Properties of the client."},
    {"include-fenced-brokers", TOOL_FLAG, "With list-endpoints: fenced brokers too; here none is."},
};

static int print_endpoints(const struct kafka_describe_cluster_reply *reply) {
    int host = 10;
    for (int32_t i = 0; i < reply->brokers.count; i++)
        if ((int)reply->brokers.items[i].host.size > host)
            host = (int)reply->brokers.items[i].host.size;
    printf("%-10s %-*s %-10s %-10s %-10s %-15s\n", "ID", host, "HOST", "PORT", "RACK", "STATE", "ENDPOINT_TYPE");
    for (int32_t i = 0; i < reply->brokers.count; i++) {
        const struct kafka_describe_cluster_reply_broker *broker = &reply->brokers.items[i];
        struct bytes rack = broker->rack.data == NULL ? BYTES("null") : broker->rack;
        printf("%-10d %-*.*s %-10d %-10.*s %-10s %-15s\n", broker->broker_id, host, BYTES_ARGS(broker->host),
            broker->port, BYTES_ARGS(rack), broker->fenced ? "fenced" : "unfenced", "broker");
    }
    return 0;
}

static int describe_cluster(struct tool *tool, bool endpoints) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_describe_cluster_request request;
    struct kafka_describe_cluster_reply reply;
    wire_set_defaults(&kafka_describe_cluster_request_struct, &request);
    request.fenced_brokers = tool_has(tool, "include-fenced-brokers");
    int status = 0;
    if (!REMOTE_CALL(tool->remote, REMOTE_ANY, describe_cluster, &request, &reply, &arena, &error)) {
        fprintf(stderr, "%s\n", error.message);
        status = 1;
    } else if (endpoints) {
        status = print_endpoints(&reply);
    } else {
        printf("Cluster ID: %.*s\n", BYTES_ARGS(reply.cluster_id));
    }
    arena_destroy(&arena);
    return status;
}

/* The word comes before the options. */
int tool_kafka_cluster_main(int argc, char **argv) {
    struct tool tool = {.purpose = "cluster-id: print the cluster's id; list-endpoints: its brokers.",
        .options = cluster_options,
        .option_count = ARRAY_COUNT(cluster_options)};
    const char *word = argc > 1 ? argv[1] : "";
    bool endpoints = strcmp(word, "list-endpoints") == 0, id = strcmp(word, "cluster-id") == 0;
    int status = 1;
    if (!endpoints && !id && strcmp(word, "--help") != 0) {
        fprintf(stderr, strcmp(word, "unregister") == 0
                            ? "kafka-cluster unregister: a cluster of one broker has none to let go.\n"
                            : "kafka-cluster: the word cluster-id or list-endpoints is needed, before the options.\n");
        return 1;
    }
    int skipped = endpoints || id;
    if (tool_parse(&tool, argc - skipped, argv + skipped, &status))
        status = tool_connect(&tool, "adminclient-1") ? describe_cluster(&tool, endpoints) : 1;
    tool_free(&tool);
    return status;
}
