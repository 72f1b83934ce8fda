/* configs.c: DescribeConfigs, AlterConfigs, IncrementalAlterConfigs. Topics can be changed; the broker's settings are
 * read from its file at start. */
#include "kafka/internal.h"

#include <stdlib.h>

enum { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4, RESOURCE_GROUP = 32 };
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

static void fill_config(struct api_request *request, const struct config_row *row, const char *name, const char *value,
    enum config_source source, bool read_only, config_answer *out) {
    const struct kafka_describe_configs_request *body = request->body;
    out->name = bytes_from_text(name);
    out->value = own_text(request, value);
    out->read_only = read_only;
    out->source = (int8_t)source;
    out->type = (int8_t)row->type;
    if (body->documentation)
        out->documentation = bytes_from_text(row->documentation);
}

static void add_synonyms(
    struct api_request *request, const struct config_synonym *synonyms, size_t count, config_answer *out) {
    const struct kafka_describe_configs_request *body = request->body;
    if (!body->synonyms)
        return;
    WIRE_ARRAY(&request->arena, &out->synonyms, &kafka_describe_configs_reply_synonym_struct, count);
    for (size_t i = 0; i < count; i++) {
        out->synonyms.items[i].name = bytes_from_text(synonyms[i].name);
        out->synonyms.items[i].value = own_text(request, synonyms[i].value);
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
        struct config_synonym synonyms[CONFIG_SYNONYM_MAX];
        const char *value;
        enum config_source source;
        if (!key_wanted(wanted, row->name))
            continue;
        config_answer *out = &reply->configs.items[reply->configs.count++];
        size_t count = config_topic_synonyms(
            &request->broker->config, row, map_get_text(&topic->meta->configs, row->name), synonyms, &value, &source);
        fill_config(request, row, row->name, value, source, false, out);
        add_synonyms(request, synonyms, count, out);
    }
}

static void describe_broker(struct api_request *request, const wanted_resource *wanted, result_answer *reply) {
    struct broker *broker = request->broker;
    int64_t id = broker->node_id;
    if (wanted->name.size > 0 && (!bytes_to_int64(wanted->name, &id) || id != broker->node_id)) {
        reply->error_code = KAFKA_INVALID_REQUEST;
        reply->error_message = api_text(request, "Unexpected broker id, expected %d or empty string, but received %.*s",
            broker->node_id, BYTES_ARGS(wanted->name));
        return;
    }
    WIRE_ARRAY(&request->arena, &reply->configs, &kafka_describe_configs_reply_config_struct,
        broker_config_count + topic_config_count);
    reply->configs.count = 0;
    if (wanted->name.size == 0)
        return; /* only what is set for all brokers at once: nothing */
    const char *name, *standard, *documentation;
    for (size_t i = 0; broker_setting_describe(i, &name, &standard, &documentation); i++) {
        const struct config_row *row = config_find_broker(bytes_from_text(name));
        const char *given = map_get_text(&broker->config.given, name);
        if (!key_wanted(wanted, name))
            continue;
        struct config_synonym synonyms[2];
        size_t count = 0;
        if (given)
            synonyms[count++] = (struct config_synonym){name, given, CONFIG_FROM_FILE};
        if (standard)
            synonyms[count++] = (struct config_synonym){name, standard, CONFIG_FROM_DEFAULT};
        config_answer *out = &reply->configs.items[reply->configs.count++];
        fill_config(
            request, row, name, given ? given : standard, given ? CONFIG_FROM_FILE : CONFIG_FROM_DEFAULT, true, out);
        add_synonyms(request, synonyms, count, out);
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
            describe_broker(request, wanted, result);
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

static int16_t check_change(struct api_request *request, const struct change *change, struct bytes *message) {
    const struct config_row *row = config_find_topic(change->name);
    struct error error = {0};
    if (!row) {
        *message = api_text(request, "Unknown topic config name: %.*s", BYTES_ARGS(change->name));
        return KAFKA_INVALID_CONFIG;
    }
    if (change->value.data && !config_check(row, change->value, &error)) {
        *message = api_text(request, "%s", error.message);
        return KAFKA_INVALID_CONFIG;
    }
    return KAFKA_NONE;
}

static int16_t apply(struct api_request *request, struct topic *topic, const struct change *changes, int32_t count,
    bool validate_only, struct bytes *message) {
    struct metadata_setting *settings = ARENA_ARRAY(&request->arena, struct metadata_setting, (size_t)count + 1);
    struct error error = {0};
    for (int32_t i = 0; i < count; i++) {
        int16_t code = check_change(request, &changes[i], message);
        if (code != KAFKA_NONE)
            return code;
        settings[i].name = arena_text(&request->arena, changes[i].name);
        settings[i].value = changes[i].value.data ? arena_text(&request->arena, bytes_trim(changes[i].value)) : NULL;
    }
    if (validate_only || count == 0)
        return KAFKA_NONE;
    if (!topic_set_configs(request->broker, topic, settings, (size_t)count, &error)) {
        *message = api_text(request, "%s", error.message);
        return kafka_error_from_error(&error);
    }
    return KAFKA_NONE;
}

/* Answers the topic, or says why the resource cannot be changed. */
static struct topic *resource_topic(
    struct api_request *request, int8_t type, struct bytes name, int16_t *code, struct bytes *message) {
    struct topic *topic = type == RESOURCE_TOPIC ? topic_find(request->broker, name) : NULL;
    if (type == RESOURCE_BROKER) {
        *code = KAFKA_INVALID_REQUEST;
        *message = BYTES("Settings of this broker cannot be changed while it runs: set kafka.NAME in raudal.properties "
                         "and start again");
    } else if (type != RESOURCE_TOPIC) {
        *code = KAFKA_INVALID_REQUEST;
        *message = api_text(request, "This broker has no settings of resource type %d", type);
    } else if (!topic) {
        *code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        *message = api_text(request, "The topic '%.*s' does not exist.", BYTES_ARGS(name));
    }
    return topic;
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

static int16_t incremental_change(struct api_request *request, const struct topic *topic,
    const struct kafka_incremental_alter_configs_request_config *wanted, struct change *change, struct bytes *message) {
    const struct config_row *row = config_find_topic(wanted->name);
    *change = (struct change){wanted->name, wanted->value};
    if (wanted->operation == OPERATION_DELETE) {
        change->value = BYTES_NULL;
        return KAFKA_NONE;
    }
    if (!wanted->value.data) {
        *message = api_text(request, "Null value not supported for : %.*s", BYTES_ARGS(wanted->name));
        return KAFKA_INVALID_REQUEST;
    }
    if (wanted->operation == OPERATION_SET)
        return KAFKA_NONE;
    if (wanted->operation != OPERATION_APPEND && wanted->operation != OPERATION_SUBTRACT) {
        *message = api_text(request, "Unknown operation %d", wanted->operation);
        return KAFKA_INVALID_REQUEST;
    }
    if (!row || row->type != CONFIG_LIST) {
        *message = api_text(request, "Can't %s to key %.*s because its type is not LIST.",
            wanted->operation == OPERATION_APPEND ? "APPEND" : "SUBTRACT", BYTES_ARGS(wanted->name));
        return KAFKA_INVALID_CONFIG;
    }
    change->value = change_list(request, config_topic_value(&request->broker->config, &topic->meta->configs, row->name),
        wanted->value, wanted->operation == OPERATION_APPEND);
    return KAFKA_NONE;
}

void handle_incremental_alter_configs(struct api_request *request) {
    const struct kafka_incremental_alter_configs_request *body = request->body;
    struct kafka_incremental_alter_configs_reply *reply = request->reply;
    WIRE_ARRAY(
        &request->arena, &reply->results, &kafka_incremental_alter_configs_reply_result_struct, body->resources.count);
    for (int32_t i = 0; i < body->resources.count; i++) {
        const struct kafka_incremental_alter_configs_request_resource *wanted = &body->resources.items[i];
        struct kafka_incremental_alter_configs_reply_result *result = &reply->results.items[i];
        struct change *changes = ARENA_ARRAY(&request->arena, struct change, (size_t)wanted->configs.count + 1);
        result->type = wanted->type;
        result->name = wanted->name;
        struct topic *topic =
            resource_topic(request, wanted->type, wanted->name, &result->error_code, &result->error_message);
        for (int32_t j = 0; topic && j < wanted->configs.count && result->error_code == KAFKA_NONE; j++)
            result->error_code =
                incremental_change(request, topic, &wanted->configs.items[j], &changes[j], &result->error_message);
        if (topic && result->error_code == KAFKA_NONE)
            result->error_code =
                apply(request, topic, changes, wanted->configs.count, body->validate_only, &result->error_message);
    }
    api_reply(request);
}

/* The older form: what is not named is removed. */
void handle_alter_configs(struct api_request *request) {
    const struct kafka_alter_configs_request *body = request->body;
    struct kafka_alter_configs_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->results, &kafka_alter_configs_reply_result_struct, body->resources.count);
    for (int32_t i = 0; i < body->resources.count; i++) {
        const struct kafka_alter_configs_request_resource *wanted = &body->resources.items[i];
        struct kafka_alter_configs_reply_result *result = &reply->results.items[i];
        result->type = wanted->type;
        result->name = wanted->name;
        struct topic *topic =
            resource_topic(request, wanted->type, wanted->name, &result->error_code, &result->error_message);
        if (!topic)
            continue;
        struct change *changes =
            ARENA_ARRAY(&request->arena, struct change, (size_t)wanted->configs.count + topic->meta->configs.count + 1);
        int32_t count = 0;
        for (int32_t j = 0; j < wanted->configs.count; j++)
            changes[count++] = (struct change){wanted->configs.items[j].name, wanted->configs.items[j].value};
        size_t cursor = 0;
        for (struct map_entry *entry; (entry = map_next(&topic->meta->configs, &cursor));) {
            bool named = false;
            for (int32_t j = 0; j < wanted->configs.count; j++)
                named = named || bytes_equal(wanted->configs.items[j].name, entry->key);
            if (!named)
                changes[count++] = (struct change){arena_copy(&request->arena, entry->key), BYTES_NULL};
        }
        result->error_code = apply(request, topic, changes, count, body->validate_only, &result->error_message);
    }
    api_reply(request);
}
