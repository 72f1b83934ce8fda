/* tool_kafka_configs.c: kafka-configs: describe and change settings of topics and brokers, with the real tool's options
 * and output. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/kafka/java_order.h"
#include "cli/kafka/kafka_tool.h"

enum resource_type {
    RESOURCE_TOPIC = 2,
    RESOURCE_BROKER = 4,
    RESOURCE_LOGGER = 8,
    RESOURCE_CLIENT_METRICS = 16,
    RESOURCE_GROUP = 32
};
enum operation { OPERATION_SET = 0, OPERATION_DELETE = 1 };

static const struct tool_option options[] = {
    {"add-config", TOOL_VALUE, "Settings to set: a=b,c=[d,e]."},
    {"add-config-file", TOOL_VALUE, "A properties file with settings to set."},
    {"all", TOOL_FLAG, "With --describe: every setting, also those with their default."},
    {"alter", TOOL_FLAG, "Change settings."},
    {"bootstrap-server", TOOL_VALUE, "Kafka servers, HOST:PORT,..."},
    {"broker", TOOL_VALUE, "The broker's id."},
    {"broker-logger", TOOL_VALUE, "The id of the broker whose log levels are meant."},
    {"broker-defaults", TOOL_FLAG, "What holds for all brokers."},
    {"command-config", TOOL_IGNORED, "Properties of the client."},
    {"delete-config", TOOL_VALUE, "Settings to remove: a,b."},
    {"describe", TOOL_FLAG, "Show settings."},
    {"entity-default", TOOL_FLAG, "What holds for all entities of the type."},
    {"entity-name", TOOL_VALUE, "Name of the topic, id of the broker, name of the group."},
    {"entity-type", TOOL_VALUE, "topics, brokers, broker-loggers, groups or client-metrics."},
    {"group", TOOL_VALUE, "The group's id."},
    {"topic", TOOL_VALUE, "The topic's name."},
    {"zookeeper", TOOL_VALUE, "Accepted for old commands; the Kafka beside it is used."},
};

static const struct entity {
    const char *plural, *singular, *option;
    enum resource_type type;
} entities[] = {
    {"topics", "topic", "topic", RESOURCE_TOPIC},
    {"brokers", "broker", "broker", RESOURCE_BROKER},
    {"groups", "group", "group", RESOURCE_GROUP},
    {"client-metrics", "client-metric", NULL, RESOURCE_CLIENT_METRICS},
    {"broker-loggers", "broker-logger", "broker-logger", RESOURCE_LOGGER},
};

struct target {
    const struct entity *entity;
    const char *name; /* NULL: all of them, or the default */
    bool is_default;
};

static int fail(const char *exception, const char *message) {
    fflush(stdout);
    fprintf(stderr, "Error while executing config command with args '...'\n%s: %s\n", exception, message);
    return 1;
}

static int fail_code(int16_t code, struct bytes message) {
    char text[1024];
    snprintf(text, sizeof text, "%.*s", BYTES_ARGS(message));
    char exception[240];
    snprintf(exception, sizeof exception, "java.util.concurrent.ExecutionException: %s", remote_exception(code));
    return fail(exception, message.data ? text : remote_sentence(code));
}

/* ---- what is meant ---- */

static bool find_target(struct tool *tool, struct target *target, int *status) {
    const char *type = tool_value(tool, "entity-type");
    *target = (struct target){.name = tool_value(tool, "entity-name"), .is_default = tool_has(tool, "entity-default")};
    for (size_t i = 0; i < ARRAY_COUNT(entities); i++) {
        bool by_option = entities[i].option && tool_has(tool, entities[i].option);
        if ((type && strcmp(type, entities[i].plural) == 0) || by_option)
            target->entity = &entities[i];
        if (by_option)
            target->name = tool_value(tool, entities[i].option);
    }
    if (tool_has(tool, "broker-defaults")) {
        target->entity = &entities[1];
        target->is_default = true;
    }
    if (!target->entity && type)
        *status = tool_usage_error(tool,
            "Invalid entity type %s, the entity type must be one of topics, brokers, broker-loggers, groups, "
            "client-metrics; users, "
            "clients "
            "and ips have no settings in this program",
            type);
    else if (!target->entity)
        *status = tool_usage_error(
            tool, "At least one entity type must be specified with --entity-type (or --topic, --broker, --group)");
    return target->entity != NULL;
}

/* ---- describe ---- */

static const char *source_name(int8_t source) {
    static const char *const names[] = {"UNKNOWN", "DYNAMIC_TOPIC_CONFIG", "DYNAMIC_BROKER_CONFIG",
        "DYNAMIC_DEFAULT_BROKER_CONFIG", "STATIC_BROKER_CONFIG", "DEFAULT_CONFIG", "DYNAMIC_BROKER_LOGGER_CONFIG",
        "DYNAMIC_CLIENT_METRICS_CONFIG", "DYNAMIC_GROUP_CONFIG"};
    return source >= 0 && (size_t)source < ARRAY_COUNT(names) ? names[source] : names[0];
}

static int compare_configs(const void *left, const void *right) {
    return bytes_compare(((const struct kafka_describe_configs_reply_config *)left)->name,
        ((const struct kafka_describe_configs_reply_config *)right)->name);
}

static void print_value(struct bytes value) {
    if (value.data)
        printf("%.*s", BYTES_ARGS(value));
    else
        printf("null");
}

static void print_config(const struct kafka_describe_configs_reply_config *config) {
    printf("  %.*s=", BYTES_ARGS(config->name));
    print_value(config->value);
    printf(" sensitive=%s synonyms={", config->sensitive ? "true" : "false");
    for (int32_t i = 0; i < config->synonyms.count; i++) {
        printf("%s%s:%.*s=", i ? ", " : "", source_name(config->synonyms.items[i].source),
            BYTES_ARGS(config->synonyms.items[i].name));
        print_value(config->synonyms.items[i].value);
    }
    printf("}\n");
}

static bool is_own(const struct target *target, int8_t source) {
    if (target->entity->type == RESOURCE_TOPIC)
        return source == 1;
    if (target->entity->type == RESOURCE_BROKER)
        return target->is_default ? source == 3 : source == 2;
    return source == 6 || source == 7 || source == 8;
}

static int describe_one(struct tool *tool, const struct target *target, const char *name) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_describe_configs_request request;
    struct kafka_describe_configs_reply reply;
    wire_set_defaults(&kafka_describe_configs_request_struct, &request);
    request.synonyms = true;
    WIRE_ARRAY(&arena, &request.resources, &kafka_describe_configs_request_resource_struct, 1);
    request.resources.items[0].type = (int8_t)target->entity->type;
    request.resources.items[0].name = bytes_from_text(name);
    request.resources.items[0].keys.count = -1;
    int status = 0;
    bool all = tool_has(tool, "all");
    if (!REMOTE_CALL(tool->remote, REMOTE_ANY, describe_configs, &request, &reply, &arena, &error)) {
        status = fail("org.apache.kafka.common.KafkaException", error.message);
    } else if (reply.results.count == 1 && reply.results.items[0].error_code != 0) {
        status = fail_code(reply.results.items[0].error_code, reply.results.items[0].error_message);
    } else if (reply.results.count == 1) {
        struct kafka_describe_configs_reply_result *result = &reply.results.items[0];
        if (target->is_default)
            printf("Default configs for %ss in the cluster are:\n", target->entity->singular);
        else
            printf("%s configs for %s %s are:\n", all ? "All" : "Dynamic", target->entity->singular, name);
        if (result->configs.count > 1)
            qsort(
                result->configs.items, (size_t)result->configs.count, sizeof result->configs.items[0], compare_configs);
        for (int32_t i = 0; i < result->configs.count; i++)
            if (all || is_own(target, result->configs.items[i].source))
                print_config(&result->configs.items[i]);
    }
    arena_destroy(&arena);
    return status;
}

/* Every entity of the type. */
static int describe_all(struct tool *tool, const struct target *target) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_metadata_reply reply;
    struct tool_texts names = {0};
    bool ok = remote_metadata(tool->remote, NULL, 0, false, &reply, &arena, &error);
    for (int32_t i = 0; ok && target->entity->type == RESOURCE_TOPIC && i < reply.topics.count; i++)
        VECTOR_PUSH(&names, tool_text(reply.topics.items[i].name));
    for (int32_t i = 0; ok && target->entity->type == RESOURCE_BROKER && i < reply.brokers.count; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", reply.brokers.items[i].node_id);
        VECTOR_PUSH(&names, strdup(id));
    }
    int status = ok ? 0 : fail("org.apache.kafka.common.KafkaException", error.message);
    size_t *order = calloc(names.count + 1, sizeof *order);
    struct bytes *keys = calloc(names.count + 1, sizeof *keys);
    ASSERT(order && keys);
    for (size_t i = 0; i < names.count; i++)
        keys[i] = bytes_from_text(names.items[i]);
    java_map_order(keys, names.count, 16, order);
    for (size_t i = 0; status == 0 && i < names.count; i++)
        status = describe_one(tool, target, names.items[order[i]]);
    free(order);
    free(keys);
    if (status == 0 && target->entity->type == RESOURCE_BROKER) {
        struct target all_brokers = {.entity = target->entity, .is_default = true};
        status = describe_one(tool, &all_brokers, "");
    }
    tool_texts_free(&names);
    arena_destroy(&arena);
    return status;
}

static int describe(struct tool *tool, const struct target *target) {
    if (target->is_default)
        return describe_one(tool, target, "");
    return target->name ? describe_one(tool, target, target->name) : describe_all(tool, target);
}

/* ---- alter ---- */

struct changes {
    struct tool_texts names, values; /* a value of NULL removes */
};

static void add_change(void *context, const char *name, const char *value) {
    struct changes *changes = context;
    char *copy = tool_text(bytes_trim(bytes_from_text(name)));
    VECTOR_PUSH(&changes->names, copy);
    copy = value ? tool_text(bytes_trim(bytes_from_text(value))) : NULL;
    VECTOR_PUSH(&changes->values, copy);
}

/* "a=b,c=[d,e]": a value in brackets may hold commas. */
static bool parse_additions(const char *text, struct changes *changes) {
    while (*text) {
        size_t name_size = strcspn(text, "=,");
        if (text[name_size] != '=' || name_size == 0)
            return false;
        char *name = tool_text(bytes_make(text, name_size));
        text += name_size + 1;
        bool bracketed = *text == '[' && strchr(text, ']');
        const char *value = bracketed ? text + 1 : text;
        size_t size = bracketed ? strcspn(value, "]") : strcspn(value, ",");
        char *copy = tool_text(bytes_make(value, size));
        add_change(changes, name, copy);
        free(name);
        free(copy);
        text = value + size + (bracketed ? 1 : 0);
        text += strspn(text, ", ");
    }
    return true;
}

static int send_changes(struct tool *tool, const struct target *target, const struct changes *changes) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_incremental_alter_configs_request request;
    struct kafka_incremental_alter_configs_reply reply;
    wire_set_defaults(&kafka_incremental_alter_configs_request_struct, &request);
    WIRE_ARRAY(&arena, &request.resources, &kafka_incremental_alter_configs_request_resource_struct, 1);
    struct kafka_incremental_alter_configs_request_resource *resource = &request.resources.items[0];
    resource->type = (int8_t)target->entity->type;
    resource->name = bytes_from_text(target->is_default ? "" : target->name);
    WIRE_ARRAY(
        &arena, &resource->configs, &kafka_incremental_alter_configs_request_config_struct, changes->names.count);
    for (size_t i = 0; i < changes->names.count; i++) {
        resource->configs.items[i].name = bytes_from_text(changes->names.items[i]);
        resource->configs.items[i].operation = changes->values.items[i] ? OPERATION_SET : OPERATION_DELETE;
        resource->configs.items[i].value = bytes_from_text(changes->values.items[i]);
    }
    int status = 0;
    if (!REMOTE_CALL(tool->remote, REMOTE_ANY, incremental_alter_configs, &request, &reply, &arena, &error))
        status = fail("org.apache.kafka.common.KafkaException", error.message);
    else if (reply.results.count == 1 && reply.results.items[0].error_code != 0)
        status = fail_code(reply.results.items[0].error_code, reply.results.items[0].error_message);
    else if (target->is_default)
        printf("Completed updating default config for %s in the cluster.\n", target->entity->plural);
    else
        printf("Completed updating config for %s %s.\n", target->entity->singular, target->name);
    arena_destroy(&arena);
    return status;
}

static int alter(struct tool *tool, const struct target *target) {
    if (!target->name && !target->is_default)
        return tool_usage_error(tool, "An entity name must be specified with --alter of %s", target->entity->plural);
    struct changes changes = {0};
    int status = 0;
    const char *additions = tool_value(tool, "add-config"), *file = tool_value(tool, "add-config-file");
    if (additions && !parse_additions(additions, &changes))
        status = tool_usage_error(tool,
            "requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\".");
    if (status == 0 && file && !tool_read_properties(file, add_change, &changes))
        status = 1;
    struct tool_texts removals = {0};
    if (tool_value(tool, "delete-config"))
        tool_split(tool_value(tool, "delete-config"), ',', &removals);
    for (size_t i = 0; i < removals.count; i++)
        add_change(&changes, removals.items[i], NULL);
    if (status == 0 && changes.names.count == 0)
        status = tool_usage_error(
            tool, "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter");
    if (status == 0)
        status = send_changes(tool, target, &changes);
    tool_texts_free(&removals);
    tool_texts_free(&changes.names);
    tool_texts_free(&changes.values);
    return status;
}

int tool_kafka_configs_main(int argc, char **argv) {
    struct tool tool = {.purpose = "Show or change the settings of topics, brokers and groups.",
        .options = options,
        .option_count = ARRAY_COUNT(options)};
    struct target target;
    int status = 1;
    if (tool_parse(&tool, argc, argv, &status)) {
        if (tool_has(&tool, "describe") == tool_has(&tool, "alter"))
            status = tool_usage_error(&tool, "Command must include exactly one action: --describe, --alter");
        else if (find_target(&tool, &target, &status) && tool_connect(&tool, "adminclient-1"))
            status = tool_has(&tool, "describe") ? describe(&tool, &target) : alter(&tool, &target);
        else
            status = 1;
    }
    tool_free(&tool);
    return status;
}
