/* tool_kafka_topics.c: kafka-topics: list, describe, create, alter, delete topics, with the real tool's options and
 * output. */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/uuid.h"
#include "cli/commands.h"
#include "cli/kafka/java_order.h"
#include "cli/kafka/kafka_tool.h"

#define LOGGER "org.apache.kafka.tools.TopicCommand"
#define TIMEOUT_MS 60000

static const struct tool_option options[] = {
    {"alter", TOOL_FLAG, "Raise the number of partitions of a topic."},
    {"at-min-isr-partitions", TOOL_FLAG, "With --describe: only partitions whose in-sync replicas are just enough."},
    {"bootstrap-server", TOOL_VALUE, "Kafka servers, HOST:PORT,..."},
    {"command-config", TOOL_IGNORED, "Properties of the client."},
    {"config", TOOL_VALUE, "With --create: a setting of the topic, NAME=VALUE; may be repeated."},
    {"create", TOOL_FLAG, "Create a topic."},
    {"delete", TOOL_FLAG, "Delete topics."},
    {"delete-config", TOOL_IGNORED, "No longer supported; use kafka-configs."},
    {"describe", TOOL_FLAG, "Show topics with their partitions."},
    {"exclude-internal", TOOL_FLAG, "Leave internal topics out."},
    {"if-exists", TOOL_FLAG, "Absent topics are no error."},
    {"if-not-exists", TOOL_FLAG, "With --create: an existing topic is no error."},
    {"list", TOOL_FLAG, "List the names of all topics."},
    {"partition-size-limit-per-response", TOOL_IGNORED, "Partitions per answer."},
    {"partitions", TOOL_VALUE, "Number of partitions."},
    {"replica-assignment", TOOL_VALUE, "Brokers of each partition: 1:2,2:3,..."},
    {"replication-factor", TOOL_VALUE, "Copies of each partition."},
    {"topic", TOOL_VALUE, "The topic, or a regular expression of topics."},
    {"topic-id", TOOL_VALUE, "With --describe: the topic with this id."},
    {"topics-with-overrides", TOOL_FLAG, "With --describe: only topics with settings of their own."},
    {"unavailable-partitions", TOOL_FLAG, "With --describe: only partitions without a leader."},
    {"under-min-isr-partitions", TOOL_FLAG, "With --describe: only partitions with too few in-sync replicas."},
    {"under-replicated-partitions", TOOL_FLAG, "With --describe: only partitions with replicas out of sync."},
    {"zookeeper", TOOL_VALUE, "Accepted for old commands; the Kafka beside it is used."},
};

/* ---- failures, as the real tool words them ---- */

static int fail_with(const char *exception, const char *message) {
    printf("Error while executing topic command : %s\n", message);
    tool_log_error(LOGGER, "%s: %s\n", exception, message);
    return 1;
}

static int fail_code(int16_t code, struct bytes message) {
    char text[1024];
    snprintf(text, sizeof text, "%.*s", BYTES_ARGS(message));
    /* A value of the wrong form: the real tool finds that itself. */
    bool bad_value = code == 40 && bytes_starts_with(message, "Invalid value");
    return fail_with(bad_value ? "org.apache.kafka.common.config.ConfigException" : remote_exception(code),
        message.data ? text : remote_sentence(code));
}

static int fail_error(const struct error *error) {
    return fail_with("org.apache.kafka.common.KafkaException", error->message);
}

/* ---- which topics ---- */

static int compare_texts(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Java's pattern, where a comma also stands for "or". */
static bool compile(const char *pattern, regex_t *regex) {
    struct buffer text = {0};
    buffer_append_text(&text, "^(");
    for (const char *at = pattern; *at; at++)
        buffer_append_byte(&text, *at == ',' ? '|' : (uint8_t)*at);
    buffer_append_text(&text, ")$");
    int result = regcomp(regex, buffer_text(&text), REG_EXTENDED | REG_NOSUB);
    buffer_free(&text);
    return result == 0;
}

/* Sorted names of the topics that --topic means. 0 or the exit status. */
static int find_topics(struct tool *tool, struct tool_texts *names) {
    struct arena arena = {0};
    struct kafka_metadata_reply reply;
    struct error error = {0};
    const char *pattern = tool_value(tool, "topic");
    regex_t regex;
    if (pattern && !compile(pattern, &regex))
        return fail_with("java.util.regex.PatternSyntaxException", pattern);
    bool ok = remote_metadata(tool->remote, NULL, 0, false, &reply, &arena, &error);
    for (int32_t i = 0; ok && i < reply.topics.count; i++) {
        const struct kafka_metadata_reply_topic *topic = &reply.topics.items[i];
        char *name = tool_text(topic->name);
        if ((pattern && regexec(&regex, name, 0, NULL, 0) != 0) ||
            (topic->is_internal && tool_has(tool, "exclude-internal")))
            free(name);
        else
            VECTOR_PUSH(names, name);
    }
    if (pattern)
        regfree(&regex);
    arena_destroy(&arena);
    if (names->count > 1)
        qsort(names->items, names->count, sizeof names->items[0], compare_texts);
    return ok ? 0 : fail_error(&error);
}

static int must_exist(struct tool *tool, const struct tool_texts *names) {
    const char *topic = tool_value(tool, "topic");
    if (!topic || names->count > 0 || tool_has(tool, "if-exists"))
        return 0;
    char text[600];
    snprintf(text, sizeof text, "Topic '%s' does not exist as expected", topic);
    int status = fail_with("java.lang.IllegalArgumentException", text);
    if (strcspn(topic, "*.[(|+?^$\\,") == strlen(topic)) /* a name, no pattern */
        tool_explain_topic(tool, topic);
    return status;
}

/* ---- list ---- */

static int list_topics(struct tool *tool) {
    struct tool_texts names = {0};
    int status = find_topics(tool, &names);
    for (size_t i = 0; status == 0 && i < names.count; i++)
        printf("%s%s", i ? "\n" : "", names.items[i]);
    if (status == 0)
        printf("\n");
    tool_texts_free(&names);
    return status;
}

/* ---- create ---- */

static int add_configs(struct tool *tool, struct kafka_create_topics_request_topic *topic, struct arena *arena) {
    size_t cursor = 0, count = 0;
    while (tool_next(tool, "config", &cursor))
        count++;
    WIRE_ARRAY(arena, &topic->configs, &kafka_create_topics_request_config_struct, count);
    cursor = count = 0;
    for (const char *text; (text = tool_next(tool, "config", &cursor)); count++) {
        char *name, *value;
        if (!tool_split_property(arena_strdup(arena, text), &name, &value))
            return fail_with("java.lang.IllegalArgumentException",
                "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".");
        topic->configs.items[count].name = bytes_trim(bytes_from_text(name));
        topic->configs.items[count].value = bytes_trim(bytes_from_text(value));
    }
    return 0;
}

/* "1:2,2:1": the brokers of partition 0, of partition 1, ... */
static bool add_assignment(const char *text, struct kafka_create_topics_request_topic *topic, struct arena *arena) {
    struct tool_texts partitions = {0};
    bool ok = true;
    tool_split(text, ',', &partitions);
    WIRE_ARRAY(arena, &topic->assignments, &kafka_create_topics_request_assignment_struct, partitions.count);
    for (size_t i = 0; ok && i < partitions.count; i++) {
        struct tool_texts brokers = {0};
        tool_split(partitions.items[i], ':', &brokers);
        struct kafka_create_topics_request_assignment *assignment = &topic->assignments.items[i];
        assignment->partition_index = (int32_t)i;
        assignment->brokers.items = ARENA_ARRAY(arena, int32_t, brokers.count);
        assignment->brokers.count = (int32_t)brokers.count;
        for (size_t b = 0; ok && b < brokers.count; b++) {
            int64_t broker;
            ok = bytes_to_int64(bytes_from_text(brokers.items[b]), &broker);
            assignment->brokers.items[b] = (int32_t)broker;
        }
        tool_texts_free(&brokers);
    }
    tool_texts_free(&partitions);
    return ok && topic->assignments.count > 0;
}

static int fill_topic(
    struct tool *tool, const char *name, struct kafka_create_topics_request_topic *topic, struct arena *arena) {
    int64_t partitions, factor;
    if (!tool_integer(tool, "partitions", -1, &partitions) || !tool_integer(tool, "replication-factor", -1, &factor))
        return 1;
    if (tool_has(tool, "replication-factor") && (factor < 1 || factor > INT16_MAX))
        return fail_with(
            "java.lang.IllegalArgumentException", "The replication factor must be between 1 and 32767 inclusive");
    if (tool_has(tool, "partitions") && (partitions < 1 || partitions > INT32_MAX))
        return fail_with("java.lang.IllegalArgumentException", "The partitions must be greater than 0");
    topic->name = bytes_from_text(name);
    topic->partition_count = (int32_t)partitions;
    topic->replication_factor = (int16_t)factor;
    const char *assignment = tool_value(tool, "replica-assignment");
    if (assignment) {
        topic->partition_count = topic->replication_factor = -1;
        if (!add_assignment(assignment, topic, arena))
            return fail_with("java.lang.NumberFormatException", "For input string: the replica assignment");
    }
    return add_configs(tool, topic, arena);
}

static int create_topic(struct tool *tool) {
    const char *name = tool_value(tool, "topic");
    if (!name)
        return tool_usage_error(tool, "Missing required argument \"[topic]\"");
    if (strpbrk(name, "._"))
        printf("WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could "
               "collide. To avoid issues it "
               "is best to use either, but not both.\n");
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_create_topics_request request;
    struct kafka_create_topics_reply reply;
    wire_set_defaults(&kafka_create_topics_request_struct, &request);
    request.timeout_ms = TIMEOUT_MS;
    WIRE_ARRAY(&arena, &request.topics, &kafka_create_topics_request_topic_struct, 1);
    int status = fill_topic(tool, name, &request.topics.items[0], &arena);
    if (status == 0 && !REMOTE_CALL(tool->remote, REMOTE_ANY, create_topics, &request, &reply, &arena, &error))
        status = fail_error(&error);
    else if (status == 0 && reply.topics.count == 1) {
        int16_t code = reply.topics.items[0].error_code;
        if (code == 0)
            printf("Created topic %s.\n", name);
        else if (code != 36 || !tool_has(tool, "if-not-exists"))
            status = fail_code(code, reply.topics.items[0].error_message);
    }
    arena_destroy(&arena);
    return status;
}

/* ---- alter ---- */

static int grow_topic(struct tool *tool, const char *name, int32_t partition_count) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_create_partitions_request request;
    struct kafka_create_partitions_reply reply;
    wire_set_defaults(&kafka_create_partitions_request_struct, &request);
    request.timeout_ms = TIMEOUT_MS;
    WIRE_ARRAY(&arena, &request.topics, &kafka_create_partitions_request_topic_struct, 1);
    request.topics.items[0].name = bytes_from_text(name);
    request.topics.items[0].partition_count = partition_count;
    request.topics.items[0].assignments.count = -1;
    int status = 0;
    if (!REMOTE_CALL(tool->remote, REMOTE_ANY, create_partitions, &request, &reply, &arena, &error))
        status = fail_error(&error);
    else if (reply.topics.count == 1 && reply.topics.items[0].error_code != 0)
        status = fail_code(reply.topics.items[0].error_code, reply.topics.items[0].error_message);
    arena_destroy(&arena);
    return status;
}

static int alter_topics(struct tool *tool) {
    int64_t partitions;
    if (!tool_value(tool, "topic"))
        return tool_usage_error(tool, "Missing required argument \"[topic]\"");
    if (!tool_has(tool, "partitions"))
        return tool_usage_error(tool, "Missing required argument \"[partitions]\"");
    if (!tool_integer(tool, "partitions", -1, &partitions))
        return 1;
    struct tool_texts names = {0};
    int status = find_topics(tool, &names);
    status = status ? status : must_exist(tool, &names);
    for (size_t i = 0; status == 0 && i < names.count; i++)
        status = grow_topic(tool, names.items[i], (int32_t)partitions);
    tool_texts_free(&names);
    return status;
}

/* ---- delete ---- */

static int delete_one(struct tool *tool, const char *name) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_delete_topics_request request;
    struct kafka_delete_topics_reply reply;
    wire_set_defaults(&kafka_delete_topics_request_struct, &request);
    request.timeout_ms = TIMEOUT_MS;
    struct bytes text = bytes_from_text(name);
    if (remote_version(tool->remote, REMOTE_ANY, &kafka_delete_topics_request_message, &error) >= 6) {
        WIRE_ARRAY(&arena, &request.topics, &kafka_delete_topics_request_topic_struct, 1);
        request.topics.items[0].name = text;
    } else {
        request.names.items = &text;
        request.names.count = 1;
    }
    int status = 0;
    if (!REMOTE_CALL(tool->remote, REMOTE_ANY, delete_topics, &request, &reply, &arena, &error))
        status = fail_error(&error);
    else if (reply.topics.count == 1 && reply.topics.items[0].error_code != 0)
        status = fail_code(reply.topics.items[0].error_code, reply.topics.items[0].error_message);
    arena_destroy(&arena);
    return status;
}

static int delete_topics(struct tool *tool) {
    if (!tool_value(tool, "topic"))
        return tool_usage_error(tool, "Missing required argument \"[topic]\"");
    struct tool_texts names = {0};
    int status = find_topics(tool, &names);
    status = status ? status : must_exist(tool, &names);
    for (size_t i = 0; status == 0 && i < names.count; i++)
        status = delete_one(tool, names.items[i]);
    tool_texts_free(&names);
    return status;
}

/* ---- describe ---- */

struct description {
    const struct kafka_describe_topic_partitions_reply_topic *topic;
    struct buffer configs; /* "a=b,c=d" of what is not a default */
    int64_t min_isr;
};

static void print_numbers(const int32_t *items, int32_t count) {
    for (int32_t i = 0; i < count; i++)
        printf("%s%d", i ? "," : "", items[i]);
}

/* Settings that are not the built-in default, in the order of the real tool's hash map. */
static void read_configs(struct description *description, const struct kafka_describe_configs_reply_result *result) {
    int32_t count = result->configs.count;
    struct bytes *names = calloc((size_t)count + 1, sizeof *names);
    size_t *order = calloc((size_t)count + 1, sizeof *order);
    ASSERT(names && order);
    for (int32_t i = 0; i < count; i++)
        names[i] = result->configs.items[i].name;
    java_map_order(names, (size_t)count, 16, order);
    for (int32_t i = 0; i < count; i++) {
        const struct kafka_describe_configs_reply_config *config = &result->configs.items[order[i]];
        int64_t number;
        if (bytes_equal_text(config->name, "min.insync.replicas") && bytes_to_int64(config->value, &number))
            description->min_isr = number;
        if (config->source == 5)
            continue;
        buffer_printf(&description->configs, "%s%.*s=%.*s", description->configs.size ? "," : "",
            BYTES_ARGS(config->name), BYTES_ARGS(config->value));
    }
    free(names);
    free(order);
}

static bool describe_configs(
    struct tool *tool, struct bytes name, struct description *description, struct error *error) {
    struct arena arena = {0};
    struct kafka_describe_configs_request request;
    struct kafka_describe_configs_reply reply;
    wire_set_defaults(&kafka_describe_configs_request_struct, &request);
    WIRE_ARRAY(&arena, &request.resources, &kafka_describe_configs_request_resource_struct, 1);
    request.resources.items[0].type = 2;
    request.resources.items[0].name = name;
    request.resources.items[0].keys.count = -1;
    bool ok = REMOTE_CALL(tool->remote, REMOTE_ANY, describe_configs, &request, &reply, &arena, error);
    if (ok && reply.results.count == 1 && reply.results.items[0].error_code == 0)
        read_configs(description, &reply.results.items[0]);
    arena_destroy(&arena);
    return ok;
}

static bool wanted_partition(const struct tool *tool, const struct description *description,
    const struct kafka_describe_topic_partitions_reply_partition *partition) {
    if (tool_has(tool, "under-replicated-partitions"))
        return partition->isr.count < partition->replicas.count;
    if (tool_has(tool, "unavailable-partitions"))
        return partition->leader_id < 0;
    if (tool_has(tool, "under-min-isr-partitions"))
        return partition->isr.count < description->min_isr;
    if (tool_has(tool, "at-min-isr-partitions"))
        return partition->isr.count == description->min_isr;
    return true;
}

static void print_partition(
    struct bytes topic, const struct kafka_describe_topic_partitions_reply_partition *partition) {
    printf("\tTopic: %.*s\tPartition: %d\tLeader: ", BYTES_ARGS(topic), partition->index);
    if (partition->leader_id < 0)
        printf("none");
    else
        printf("%d", partition->leader_id);
    printf("\tReplicas: ");
    print_numbers(partition->replicas.items, partition->replicas.count);
    printf("\tIsr: ");
    print_numbers(partition->isr.items, partition->isr.count);
    printf("\tElr: ");
    if (partition->eligible_leaders.count < 0)
        printf("N/A");
    print_numbers(partition->eligible_leaders.items, partition->eligible_leaders.count);
    printf("\tLastKnownElr: ");
    if (partition->last_known_leaders.count < 0)
        printf("N/A");
    print_numbers(partition->last_known_leaders.items, partition->last_known_leaders.count);
    printf("\n");
}

static bool only_partitions(const struct tool *tool) {
    return tool_has(tool, "under-replicated-partitions") || tool_has(tool, "unavailable-partitions") ||
           tool_has(tool, "under-min-isr-partitions") || tool_has(tool, "at-min-isr-partitions");
}

static void print_description(const struct tool *tool, struct description *description) {
    const struct kafka_describe_topic_partitions_reply_topic *topic = description->topic;
    char id[UUID_BASE64_SIZE];
    uuid_format_base64(topic->topic_id, id);
    bool overrides_only = tool_has(tool, "topics-with-overrides");
    if (overrides_only && description->configs.size == 0)
        return;
    if (!only_partitions(tool))
        printf("Topic: %.*s\tTopicId: %s\tPartitionCount: %d\tReplicationFactor: %d\tConfigs: %s\n",
            BYTES_ARGS(topic->name), id, topic->partitions.count,
            topic->partitions.count ? topic->partitions.items[0].replicas.count : 0,
            buffer_text(&description->configs));
    for (int32_t i = 0; !overrides_only && i < topic->partitions.count; i++)
        if (wanted_partition(tool, description, &topic->partitions.items[i]))
            print_partition(topic->name, &topic->partitions.items[i]);
}

/* A broker before 3.7 has no DescribeTopicPartitions: the same facts from Metadata. */
static bool from_metadata(struct tool *tool, const char *name, struct kafka_describe_topic_partitions_reply *out,
    struct arena *arena, struct error *error) {
    struct kafka_metadata_reply reply;
    if (!remote_metadata(tool->remote, &name, 1, false, &reply, arena, error))
        return false;
    WIRE_ARRAY(arena, &out->topics, &kafka_describe_topic_partitions_reply_topic_struct, reply.topics.count);
    for (int32_t t = 0; t < reply.topics.count; t++) {
        const struct kafka_metadata_reply_topic *from = &reply.topics.items[t];
        struct kafka_describe_topic_partitions_reply_topic *to = &out->topics.items[t];
        to->name = from->name;
        to->topic_id = from->topic_id;
        to->error_code = from->error_code;
        WIRE_ARRAY(
            arena, &to->partitions, &kafka_describe_topic_partitions_reply_partition_struct, from->partitions.count);
        for (int32_t p = 0; p < from->partitions.count; p++) {
            struct kafka_describe_topic_partitions_reply_partition *partition = &to->partitions.items[p];
            partition->index = from->partitions.items[p].index;
            partition->leader_id = from->partitions.items[p].leader_id;
            partition->replicas.items = from->partitions.items[p].replicas.items;
            partition->replicas.count = from->partitions.items[p].replicas.count;
            partition->isr.items = from->partitions.items[p].isr.items;
            partition->isr.count = from->partitions.items[p].isr.count;
            partition->eligible_leaders.count = partition->last_known_leaders.count = -1;
        }
    }
    return true;
}

static bool describe_partitions(struct tool *tool, const char *name,
    struct kafka_describe_topic_partitions_reply *reply, struct arena *arena, struct error *error) {
    if (remote_version(tool->remote, REMOTE_ANY, &kafka_describe_topic_partitions_request_message, error) < 0)
        return from_metadata(tool, name, reply, arena, error);
    struct kafka_describe_topic_partitions_request request;
    wire_set_defaults(&kafka_describe_topic_partitions_request_struct, &request);
    request.partition_limit = 2000;
    WIRE_ARRAY(arena, &request.topics, &kafka_describe_topic_partitions_request_topic_struct, 1);
    request.topics.items[0].name = bytes_from_text(name);
    if (!REMOTE_CALL(tool->remote, REMOTE_ANY, describe_topic_partitions, &request, reply, arena, error))
        return false;
    while (reply->next_cursor && reply->topics.count == 1) { /* the rest of a topic with many partitions */
        struct kafka_describe_topic_partitions_reply more;
        struct kafka_describe_topic_partitions_request_cursor cursor = {
            reply->next_cursor->topic_name, reply->next_cursor->partition_index};
        request.cursor = &cursor;
        if (!REMOTE_CALL(tool->remote, REMOTE_ANY, describe_topic_partitions, &request, &more, arena, error))
            return false;
        if (more.topics.count != 1 || more.topics.items[0].partitions.count <= 0)
            break;
        int32_t had = reply->topics.items[0].partitions.count, added = more.topics.items[0].partitions.count;
        struct kafka_describe_topic_partitions_reply_partition *all =
            ARENA_ARRAY(arena, struct kafka_describe_topic_partitions_reply_partition, (size_t)(had + added));
        memcpy(all, reply->topics.items[0].partitions.items, (size_t)had * sizeof *all);
        memcpy(all + had, more.topics.items[0].partitions.items, (size_t)added * sizeof *all);
        reply->topics.items[0].partitions.items = all;
        reply->topics.items[0].partitions.count = had + added;
        reply->next_cursor = more.next_cursor;
    }
    return true;
}

static int describe_one(struct tool *tool, const char *name) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_describe_topic_partitions_reply reply;
    wire_set_defaults(&kafka_describe_topic_partitions_reply_struct, &reply);
    int status = 0;
    struct description description = {.min_isr = 1};
    if (!describe_partitions(tool, name, &reply, &arena, &error) ||
        !describe_configs(tool, bytes_from_text(name), &description, &error)) {
        status = fail_error(&error);
    } else if (reply.topics.count == 1) {
        description.topic = &reply.topics.items[0];
        if (description.topic->error_code != 0)
            status = fail_code(description.topic->error_code, BYTES_NULL);
        else
            print_description(tool, &description);
    }
    buffer_free(&description.configs);
    arena_destroy(&arena);
    return status;
}

/* Leaves only the topic with --topic-id. */
static int find_by_id(struct tool *tool, struct tool_texts *names) {
    const char *text = tool_value(tool, "topic-id");
    struct uuid id;
    if (!uuid_parse_base64(bytes_from_text(text), &id))
        return fail_with("java.lang.IllegalArgumentException",
            "Input string with prefix is too long to be decoded as a base64 UUID");
    struct arena arena = {0};
    struct kafka_metadata_reply reply;
    struct error error = {0};
    bool ok = remote_metadata(tool->remote, NULL, 0, false, &reply, &arena, &error);
    for (int32_t i = 0; ok && i < reply.topics.count; i++)
        if (uuid_equal(reply.topics.items[i].topic_id, id))
            VECTOR_PUSH(names, tool_text(reply.topics.items[i].name));
    arena_destroy(&arena);
    if (!ok)
        return fail_error(&error);
    if (names->count > 0 || tool_has(tool, "if-exists"))
        return 0;
    char message[200];
    snprintf(message, sizeof message, "TopicId '%s' does not exist as expected", text);
    return fail_with("java.lang.IllegalArgumentException", message);
}

static int describe_topics(struct tool *tool) {
    struct tool_texts names = {0};
    int status = tool_value(tool, "topic-id") ? find_by_id(tool, &names) : find_topics(tool, &names);
    if (status == 0 && !tool_value(tool, "topic-id"))
        status = must_exist(tool, &names);
    size_t capacity = 1, *order = calloc(names.count + 1, sizeof *order);
    struct bytes *keys = calloc(names.count + 1, sizeof *keys);
    ASSERT(order && keys);
    while (capacity < names.count)
        capacity *= 2;
    for (size_t i = 0; i < names.count; i++)
        keys[i] = bytes_from_text(names.items[i]);
    java_map_order(keys, names.count, capacity, order);
    for (size_t i = 0; status == 0 && i < names.count; i++)
        status = describe_one(tool, names.items[order[i]]);
    free(order);
    free(keys);
    tool_texts_free(&names);
    return status;
}

int tool_kafka_topics_main(int argc, char **argv) {
    static const struct {
        const char *option;
        int (*run)(struct tool *tool);
    } actions[] = {{"create", create_topic}, {"list", list_topics}, {"alter", alter_topics},
        {"describe", describe_topics}, {"delete", delete_topics}};
    struct tool tool = {.purpose = "Create, delete, describe, or change a topic.",
        .options = options,
        .option_count = ARRAY_COUNT(options)};
    int status = 1, chosen = -1, count = 0;
    if (tool_parse(&tool, argc, argv, &status)) {
        for (size_t i = 0; i < ARRAY_COUNT(actions); i++)
            if (tool_has(&tool, actions[i].option)) {
                chosen = (int)i;
                count++;
            }
        if (count != 1)
            status = tool_usage_error(
                &tool, "Command must include exactly one action: --list, --describe, --create, --alter or --delete");
        else
            status = tool_connect(&tool, "adminclient-1") ? actions[chosen].run(&tool) : 1;
    }
    tool_free(&tool);
    return status;
}
