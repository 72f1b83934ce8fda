/* configs.c: DescribeConfigs, AlterConfigs, IncrementalAlterConfigs: settings of topics, of this broker, of all brokers
 * at once, and whether the broker writes down every request (the logger kafka.request.logger, as in Kafka).
 *
 * A change is checked as a whole, then written to the metadata log, then in force; the older AlterConfigs says all
 * settings of a resource, so what it does not name is removed. */
#include "kafka/internal.h"

#include <stdlib.h>
#include <strings.h>

#include "base/assert.h"

enum { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4, RESOURCE_LOGGER = 8, RESOURCE_GROUP = 32 };
enum { OPERATION_SET, OPERATION_DELETE, OPERATION_APPEND, OPERATION_SUBTRACT };

/* ---- DescribeConfigs ---- */

typedef struct kafka_describe_configs_request_resource wanted_resource;
typedef struct kafka_describe_configs_reply_result result_answer;
typedef struct kafka_describe_configs_reply_config config_answer;

static bool key_wanted(const wanted_resource *wanted, const char *name) {
    if (wanted->keys.count < 0)
        return true;
    for (int32_t i = 0; i < wanted->keys.count; i++)
        if (bytes_equal_text(wanted->keys.items[i], name))
            return true;
    return false;
}

static struct bytes own_text(struct api_request *request, const char *text) {
    return text ? bytes_from_text(arena_strdup(&request->arena, text)) : BYTES_NULL;
}

/* The documentation says too what a setting does not do here. */
static struct bytes documentation(struct api_request *request, const struct config_row *row) {
    if (row->effect == CONFIG_USED)
        return bytes_from_text(row->documentation);
    return api_text(request, "%s %s", row->documentation,
        row->effect == CONFIG_NO_EFFECT ? "Without effect on this broker." : "This broker serves only the default.");
}

static void fill_config(struct api_request *request, const struct config_row *row, const char *value,
    enum config_source source, bool read_only, config_answer *out) {
    const struct kafka_describe_configs_request *body = request->body;
    out->name = bytes_from_text(row->name);
    out->sensitive = row->type == CONFIG_PASSWORD;
    out->value = own_text(request, out->sensitive ? NULL : value);
    out->read_only = read_only;
    out->source = (int8_t)source;
    out->type = (int8_t)row->type;
    if (body->documentation)
        out->documentation = documentation(request, row);
}

static void add_synonyms(
    struct api_request *request, const struct config_synonym *synonyms, size_t count, config_answer *out) {
    const struct kafka_describe_configs_request *body = request->body;
    if (!body->synonyms)
        return;
    WIRE_ARRAY(&request->arena, &out->synonyms, &kafka_describe_configs_reply_synonym_struct, count);
    for (size_t i = 0; i < count; i++) {
        out->synonyms.items[i].name = bytes_from_text(synonyms[i].name);
        out->synonyms.items[i].value = own_text(request, out->sensitive ? NULL : synonyms[i].value);
        out->synonyms.items[i].source = (int8_t)synonyms[i].source;
    }
}

static void describe_topic(struct api_request *request, const wanted_resource *wanted, result_answer *reply) {
    const struct topic *topic = topic_find(request->broker, wanted->name);
    struct error error = {0};
    if (!topic) {
        bool valid = topic_name_check(wanted->name, &error);
        reply->error_code = valid ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_INVALID_TOPIC_EXCEPTION;
        reply->error_message =
            valid ? bytes_from_text(kafka_error_text(reply->error_code)) : api_text(request, "%s", error.message);
        return;
    }
    WIRE_ARRAY(&request->arena, &reply->configs, &kafka_describe_configs_reply_config_struct, topic_config_count);
    reply->configs.count = 0;
    for (size_t i = 0; i < topic_config_count; i++) {
        const struct config_row *row = &topic_config_rows[i];
        const char *set = map_get_text(&topic->meta->configs, row->name), *value;
        struct config_synonym synonyms[CONFIG_SYNONYM_MAX];
        enum config_source source;
        if (!key_wanted(wanted, row->name) || (row->importance == CONFIG_INTERNAL && !set))
            continue;
        config_answer *out = &reply->configs.items[reply->configs.count++];
        size_t count = config_topic_synonyms(&request->broker->config, row, set, synonyms, &value, &source);
        fill_config(request, row, value, source, false, out);
        add_synonyms(request, synonyms, count, out);
    }
}

static void describe_loggers(struct api_request *request, const wanted_resource *wanted, result_answer *reply) {
    const char *const names[] = {BROKER_ROOT_LOGGER, BROKER_REQUEST_LOGGER};
    const char *const levels[] = {"INFO", broker_request_log_level(request->broker)};
    WIRE_ARRAY(&request->arena, &reply->configs, &kafka_describe_configs_reply_config_struct, ARRAY_COUNT(names));
    reply->configs.count = 0;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (key_wanted(wanted, names[i])) {
            config_answer *out = &reply->configs.items[reply->configs.count++];
            out->name = bytes_from_text(names[i]);
            out->value = bytes_from_text(levels[i]);
            out->source = CONFIG_FROM_LOGGER;
        }
}

static bool broker_id_fits(
    struct api_request *request, struct bytes name, bool may_be_empty, int16_t *code, struct bytes *message) {
    int64_t id = request->broker->node_id;
    if ((name.size == 0 && may_be_empty) || (bytes_to_int64(name, &id) && id == request->broker->node_id))
        return true;
    *code = KAFKA_INVALID_REQUEST;
    if (name.size == 0 || !bytes_to_int64(name, &id))
        *message = api_text(request, "Node id must be an integer, but it is: %.*s", BYTES_ARGS(name));
    else
        *message = api_text(request, "Unexpected broker id, expected %d%s, but received %.*s", request->broker->node_id,
            may_be_empty ? " or empty string" : "", BYTES_ARGS(name));
    return false;
}

static void describe_broker(struct api_request *request, const wanted_resource *wanted, result_answer *reply) {
    const struct config *config = &request->broker->config;
    bool all = wanted->name.size == 0; /* only what is set for all brokers at once */
    WIRE_ARRAY(&request->arena, &reply->configs, &kafka_describe_configs_reply_config_struct, broker_config_count);
    reply->configs.count = 0;
    for (size_t i = 0; i < broker_config_count; i++) {
        const struct config_row *row = &broker_config_rows[i];
        const char *given =
            all ? map_get_text(&config->layers[CONFIG_LAYER_ALL_BROKERS], row->name) : config_given(config, row->name);
        struct config_synonym synonyms[CONFIG_SYNONYM_MAX];
        if (!key_wanted(wanted, row->name) || (all && !given) || (row->importance == CONFIG_INTERNAL && !given))
            continue;
        size_t count = config_broker_synonyms(config, row->name, synonyms), kept = 0;
        for (size_t k = 0; k < count; k++)
            if (!all || synonyms[k].source == CONFIG_FROM_ALL_BROKERS)
                synonyms[kept++] = synonyms[k];
        config_answer *out = &reply->configs.items[reply->configs.count++];
        fill_config(request, row, all ? given : config_text(config, row->name),
            kept > 0 ? synonyms[0].source : CONFIG_FROM_DEFAULT, row->update == CONFIG_READ_ONLY, out);
        add_synonyms(request, synonyms, kept, out);
    }
}

void handle_describe_configs(struct api_request *request) {
    const struct kafka_describe_configs_request *body = request->body;
    struct kafka_describe_configs_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->results, &kafka_describe_configs_reply_result_struct, body->resources.count);
    for (int32_t i = 0; i < body->resources.count; i++) {
        const wanted_resource *wanted = &body->resources.items[i];
        result_answer *result = &reply->results.items[i];
        result->type = wanted->type;
        result->name = wanted->name;
        if (wanted->type == RESOURCE_TOPIC) {
            describe_topic(request, wanted, result);
        } else if (wanted->type == RESOURCE_BROKER) {
            if (broker_id_fits(request, wanted->name, true, &result->error_code, &result->error_message))
                describe_broker(request, wanted, result);
        } else if (wanted->type == RESOURCE_LOGGER) {
            if (broker_id_fits(request, wanted->name, false, &result->error_code, &result->error_message))
                describe_loggers(request, wanted, result);
        } else if (wanted->type != RESOURCE_GROUP) { /* groups have no settings here: an empty list */
            result->error_code = KAFKA_INVALID_REQUEST;
            result->error_message = api_text(request, "This broker has no settings of resource type %d", wanted->type);
        }
    }
    api_reply(request);
}

/* ---- changing ---- */

struct change {
    struct bytes name, value; /* value null removes */
};

/* What is to be changed: a topic, or the settings of this broker or of all. */
struct target {
    int8_t type;
    struct bytes name;
    struct topic *topic;
    const struct map *own; /* what is set on it now; may be NULL */
    struct bytes *message; /* why it was refused */
};

/* The handler's answer in both forms. */
static int16_t refuse(struct target *target, int16_t code, struct bytes message) {
    *target->message = message;
    return code;
}

static int16_t find_target(struct api_request *request, struct target *target) {
    struct broker *broker = request->broker;
    int16_t code = KAFKA_NONE;
    switch (target->type) {
    case RESOURCE_TOPIC:
        target->topic = topic_find(broker, target->name);
        if (!target->topic)
            return refuse(target, KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
                api_text(request, "The topic '%.*s' does not exist.", BYTES_ARGS(target->name)));
        target->own = &target->topic->meta->configs;
        return KAFKA_NONE;
    case RESOURCE_BROKER:
        if (broker_id_fits(request, target->name, true, &code, target->message))
            target->own =
                metadata_configs(broker->metadata, METADATA_BROKER, arena_text(&request->arena, target->name));
        return code;
    default:
        return refuse(target, KAFKA_INVALID_REQUEST,
            api_text(request, "This broker has no settings of resource type %d that can be changed", target->type));
    }
}

static const struct config_row *find_row(const struct target *target, struct bytes name) {
    return target->type == RESOURCE_TOPIC ? config_find_topic(name) : config_find_broker(name);
}

/* Kafka answers wrong settings of brokers with INVALID_REQUEST, those of topics with INVALID_CONFIG. */
static int16_t invalid(const struct target *target) {
    return target->type == RESOURCE_TOPIC ? KAFKA_INVALID_CONFIG : KAFKA_INVALID_REQUEST;
}

/* TLS and logins belong to a listener each. */
static bool is_of_listeners(const struct config_row *row) {
    return strncmp(row->name, "ssl.", 4) == 0 || strncmp(row->name, "sasl.", 5) == 0 ||
           strcmp(row->name, "principal.builder.class") == 0;
}

static int16_t check_change(struct api_request *request, struct target *target, const struct change *change) {
    const struct config_row *row = find_row(target, change->name);
    struct error error = {0};
    /* What another program set can always be removed. */
    if (!change->value.data && target->own && map_get(target->own, change->name))
        return KAFKA_NONE;
    if (!row)
        return refuse(target, invalid(target),
            api_text(request, "Unknown %s config name: %.*s", target->type == RESOURCE_TOPIC ? "topic" : "broker",
                BYTES_ARGS(change->name)));
    if (target->type == RESOURCE_BROKER && row->update == CONFIG_READ_ONLY)
        return refuse(target, KAFKA_INVALID_REQUEST,
            api_text(request, "Cannot update these configs dynamically: [%s]", row->name));
    if (target->type == RESOURCE_BROKER && row->update == CONFIG_PER_BROKER && is_of_listeners(row))
        return refuse(target, KAFKA_INVALID_REQUEST,
            api_text(request,
                "These security configs can be dynamically updated only per-listener using the listener prefix: [%s]",
                row->name));
    if (target->type == RESOURCE_BROKER && row->update == CONFIG_PER_BROKER && target->name.size == 0)
        return refuse(target, KAFKA_INVALID_REQUEST,
            api_text(request, "Cannot update these configs at default cluster level, broker id must be specified: [%s]",
                row->name));
    if (target->type == RESOURCE_BROKER && row->update == CONFIG_PER_BROKER && row->effect == CONFIG_USED)
        return refuse(
            target, KAFKA_INVALID_REQUEST, api_text(request, "%s of this broker is only read at its start", row->name));
    if (change->value.data && !config_check(row, change->value, &error))
        return refuse(target, invalid(target), api_text(request, "%s", error.message));
    return KAFKA_NONE;
}

/* What the target would have is checked as a whole. */
static int16_t check_together(
    struct api_request *request, struct target *target, const struct metadata_setting *settings, int32_t count) {
    struct map set = {0};
    struct error error = {0};
    size_t cursor = 0;
    if (target->type != RESOURCE_TOPIC)
        return KAFKA_NONE;
    for (struct map_entry *entry; (entry = map_next(target->own, &cursor));)
        map_set(&set, entry->key, entry->value);
    for (int32_t i = 0; i < count; i++)
        map_set_text(&set, settings[i].name, (void *)(uintptr_t)settings[i].value);
    bool good = config_check_together(&request->broker->config, &set, &error);
    map_free(&set);
    return good ? KAFKA_NONE : refuse(target, KAFKA_INVALID_CONFIG, api_text(request, "%s", error.message));
}

static int16_t apply(struct api_request *request, struct target *target, const struct change *changes, int32_t count,
    bool validate_only) {
    struct metadata_setting *settings = ARENA_ARRAY(&request->arena, struct metadata_setting, (size_t)count + 1);
    struct error error = {0};
    for (int32_t i = 0; i < count; i++) {
        int16_t code = check_change(request, target, &changes[i]);
        if (code != KAFKA_NONE)
            return code;
        settings[i].name = arena_text(&request->arena, changes[i].name);
        settings[i].value = changes[i].value.data ? arena_text(&request->arena, bytes_trim(changes[i].value)) : NULL;
    }
    int16_t code = check_together(request, target, settings, count);
    if (code != KAFKA_NONE || validate_only || count == 0)
        return code;
    bool done = target->topic ? topic_set_configs(request->broker, target->topic, settings, (size_t)count, &error)
                              : broker_set_configs(request->broker, arena_text(&request->arena, target->name), settings,
                                    (size_t)count, &error);
    return done ? KAFKA_NONE : refuse(target, kafka_error_from_error(&error), api_text(request, "%s", error.message));
}

/* The list with the words of `value` added or taken out. */
static struct bytes change_list(struct api_request *request, const char *now, struct bytes value, bool add) {
    struct buffer out = {0};
    struct bytes current = bytes_from_text(now);
    const struct bytes *parts[2] = {&current, &value};
    for (int side = 0; side < (add ? 2 : 1); side++)
        for (size_t at = 0; at < parts[side]->size;) {
            size_t comma = bytes_find(*parts[side], ',', at), end = comma == SIZE_MAX ? parts[side]->size : comma;
            struct bytes word = bytes_trim(bytes_slice(*parts[side], at, end - at));
            /* Words of the other side decide: known ones are not added twice, subtracted ones are left out. */
            const struct bytes *other = side == 0 ? &value : &current;
            bool found = false;
            for (size_t from = 0; from <= other->size;) {
                size_t stop = bytes_find(*other, ',', from), to = stop == SIZE_MAX ? other->size : stop;
                found = found || bytes_equal(word, bytes_trim(bytes_slice(*other, from, to - from)));
                from = to + 1;
            }
            bool keep = add ? side == 0 || !found : !found;
            if (keep && word.size > 0) {
                if (out.size > 0)
                    buffer_append_byte(&out, ',');
                buffer_append_bytes(&out, word);
            }
            at = end + 1;
        }
    struct bytes copy = arena_copy(&request->arena, out.size > 0 ? buffer_view(&out) : BYTES(""));
    buffer_free(&out);
    return copy;
}

/* The value that a list has now. */
static const char *value_now(struct api_request *request, const struct target *target, const struct config_row *row) {
    const char *own = target->own ? map_get_text(target->own, row->name) : NULL, *value;
    if (target->type == RESOURCE_TOPIC)
        value = config_topic_value(&request->broker->config, target->own, row->name);
    else
        value = own ? own : config_text(&request->broker->config, row->name);
    return value ? value : "";
}

static int16_t incremental_change(struct api_request *request, struct target *target,
    const struct kafka_incremental_alter_configs_request_config *wanted, struct change *change) {
    const struct config_row *row = find_row(target, wanted->name);
    *change = (struct change){wanted->name, wanted->value};
    if (wanted->operation == OPERATION_DELETE) {
        change->value = BYTES_NULL;
        return KAFKA_NONE;
    }
    if (!wanted->value.data)
        return refuse(target, KAFKA_INVALID_REQUEST,
            api_text(request, "Null value not supported for : %.*s", BYTES_ARGS(wanted->name)));
    if (wanted->operation == OPERATION_SET)
        return KAFKA_NONE;
    if (wanted->operation != OPERATION_APPEND && wanted->operation != OPERATION_SUBTRACT)
        return refuse(target, KAFKA_INVALID_REQUEST, api_text(request, "Unknown operation %d", wanted->operation));
    if (!row || row->type != CONFIG_LIST)
        return refuse(target, KAFKA_INVALID_CONFIG,
            api_text(request, "Can't %s to key %.*s because its type is not LIST.",
                wanted->operation == OPERATION_APPEND ? "APPEND" : "SUBTRACT", BYTES_ARGS(wanted->name)));
    change->value =
        change_list(request, value_now(request, target, row), wanted->value, wanted->operation == OPERATION_APPEND);
    return KAFKA_NONE;
}

/* Levels of the request log; they last as long as the process, as Kafka's do. */
static int16_t change_loggers(struct api_request *request, struct target *target,
    const struct kafka_incremental_alter_configs_request_resource *wanted, bool validate_only) {
    static const char *const levels[] = {"DEBUG", "ERROR", "FATAL", "INFO", "TRACE", "WARN"};
    int16_t code = KAFKA_NONE;
    if (!broker_id_fits(request, target->name, false, &code, target->message))
        return code;
    for (int32_t i = 0; i < wanted->configs.count; i++) {
        const struct kafka_incremental_alter_configs_request_config *config = &wanted->configs.items[i];
        const char *level = "INFO"; /* of the root */
        if (!bytes_equal_text(config->name, BROKER_REQUEST_LOGGER))
            return refuse(target, KAFKA_INVALID_CONFIG,
                api_text(request, "Logger %.*s does not exist, or its level cannot change: there is %s",
                    BYTES_ARGS(config->name), BROKER_REQUEST_LOGGER));
        if (config->operation != OPERATION_SET && config->operation != OPERATION_DELETE)
            return refuse(target, KAFKA_INVALID_REQUEST,
                api_text(request, "%s operation is not allowed for the BROKER_LOGGER resource",
                    config->operation == OPERATION_APPEND ? "APPEND" : "SUBTRACT"));
        if (config->operation == OPERATION_SET)
            level = NULL;
        for (size_t k = 0; k < ARRAY_COUNT(levels) && !level; k++)
            if (bytes_equal_text(config->value, levels[k]))
                level = levels[k];
        if (!level)
            return refuse(target, KAFKA_INVALID_CONFIG,
                api_text(request,
                    "Cannot set the log level of %.*s to %.*s as it is not a supported log level. Valid log levels "
                    "are DEBUG, ERROR, FATAL, INFO, TRACE, WARN",
                    BYTES_ARGS(config->name), BYTES_ARGS(config->value)));
        if (!validate_only)
            broker_set_request_log_level(request->broker, level);
    }
    return KAFKA_NONE;
}

static int16_t change_resource(struct api_request *request, struct target *target,
    const struct kafka_incremental_alter_configs_request_resource *wanted, bool validate_only) {
    if (target->type == RESOURCE_LOGGER)
        return change_loggers(request, target, wanted, validate_only);
    struct change *changes = ARENA_ARRAY(&request->arena, struct change, (size_t)wanted->configs.count + 1);
    int16_t code = find_target(request, target);
    for (int32_t i = 0; i < wanted->configs.count && code == KAFKA_NONE; i++)
        code = incremental_change(request, target, &wanted->configs.items[i], &changes[i]);
    return code == KAFKA_NONE ? apply(request, target, changes, wanted->configs.count, validate_only) : code;
}

void handle_incremental_alter_configs(struct api_request *request) {
    const struct kafka_incremental_alter_configs_request *body = request->body;
    struct kafka_incremental_alter_configs_reply *reply = request->reply;
    WIRE_ARRAY(
        &request->arena, &reply->results, &kafka_incremental_alter_configs_reply_result_struct, body->resources.count);
    for (int32_t i = 0; i < body->resources.count; i++) {
        const struct kafka_incremental_alter_configs_request_resource *wanted = &body->resources.items[i];
        struct kafka_incremental_alter_configs_reply_result *result = &reply->results.items[i];
        struct target target = {.type = wanted->type, .name = wanted->name, .message = &result->error_message};
        result->type = wanted->type;
        result->name = wanted->name;
        result->error_code = change_resource(request, &target, wanted, body->validate_only);
    }
    api_reply(request);
}

static int16_t replace_all(struct api_request *request, struct target *target,
    const struct kafka_alter_configs_request_resource *wanted, bool validate_only) {
    int16_t code = find_target(request, target);
    if (code != KAFKA_NONE)
        return code;
    size_t most = (size_t)wanted->configs.count + (target->own ? target->own->count : 0) + 1, cursor = 0;
    struct change *changes = ARENA_ARRAY(&request->arena, struct change, most);
    int32_t count = 0;
    for (int32_t j = 0; j < wanted->configs.count; j++)
        changes[count++] = (struct change){wanted->configs.items[j].name, wanted->configs.items[j].value};
    for (struct map_entry *entry; target->own && (entry = map_next(target->own, &cursor));) {
        bool named = false;
        for (int32_t j = 0; j < wanted->configs.count; j++)
            named = named || bytes_equal(wanted->configs.items[j].name, entry->key);
        if (!named)
            changes[count++] = (struct change){arena_copy(&request->arena, entry->key), BYTES_NULL};
    }
    return apply(request, target, changes, count, validate_only);
}

void handle_alter_configs(struct api_request *request) {
    const struct kafka_alter_configs_request *body = request->body;
    struct kafka_alter_configs_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->results, &kafka_alter_configs_reply_result_struct, body->resources.count);
    for (int32_t i = 0; i < body->resources.count; i++) {
        const struct kafka_alter_configs_request_resource *wanted = &body->resources.items[i];
        struct kafka_alter_configs_reply_result *result = &reply->results.items[i];
        struct target target = {.type = wanted->type, .name = wanted->name, .message = &result->error_message};
        result->type = wanted->type;
        result->name = wanted->name;
        result->error_code = replace_all(request, &target, wanted, body->validate_only);
    }
    api_reply(request);
}
