/* config.c: the two tables of settings and which value is in force. */
#include "kafka/config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/assert.h"
#include "kafka/broker.h"

#define ANY                                                                                                            \
    { .kind = CONFIG_RULE_ANY }
#define AT_LEAST(n)                                                                                                    \
    { .kind = CONFIG_RULE_RANGE, .least = (n), .most = INT64_MAX }
#define BETWEEN(low, high)                                                                                             \
    { .kind = CONFIG_RULE_RANGE, .least = (low), .most = (high) }
#define BETWEEN_OR_MINUS_1(low, high)                                                                                  \
    { .kind = CONFIG_RULE_RANGE_OR_MINUS_1, .least = (low), .most = (high) }
#define BETWEEN_REAL(low, high)                                                                                        \
    { .kind = CONFIG_RULE_REAL, .least_real = (low), .most_real = (high) }
#define ONE_OF(list)                                                                                                   \
    { .kind = CONFIG_RULE_WORDS, .words = (list) }
#define ONE_OF_ANY_CASE(list)                                                                                          \
    { .kind = CONFIG_RULE_WORDS_ANY_CASE, .words = (list) }
#define NON_EMPTY                                                                                                      \
    { .kind = CONFIG_RULE_NON_EMPTY }
#define DISTINCT                                                                                                       \
    { .kind = CONFIG_RULE_DISTINCT }
#define THROTTLED                                                                                                      \
    { .kind = CONFIG_RULE_THROTTLED }

#define ADDRESSES                                                                                                      \
    { .kind = CONFIG_RULE_ADDRESSES }

const struct config_row topic_config_rows[] = {
#define TOPIC_CONFIG(name, type, standard, rule, importance, broker_name, effect, documentation)                       \
    {name, CONFIG_##type, standard, rule, CONFIG_##importance, CONFIG_CLUSTER_WIDE, broker_name, CONFIG_##effect,      \
        documentation},
#include "settings/kafka_topic.def"
#undef TOPIC_CONFIG
};
const size_t topic_config_count = ARRAY_COUNT(topic_config_rows);

const struct config_row broker_config_rows[] = {
#define BROKER_CONFIG(name, type, standard, rule, importance, update, effect, documentation)                           \
    {name, CONFIG_##type, standard, rule, CONFIG_##importance, CONFIG_##update, NULL, CONFIG_##effect, documentation},
#include "settings/kafka.def"
#undef BROKER_CONFIG
};
const size_t broker_config_count = ARRAY_COUNT(broker_config_rows);

const struct config_row *config_find_topic(struct bytes name) {
    for (size_t i = 0; i < topic_config_count; i++)
        if (bytes_equal_text(name, topic_config_rows[i].name))
            return &topic_config_rows[i];
    return NULL;
}

static int compare_name(const void *key, const void *item) {
    const struct bytes *name = key;
    const char *other = ((const struct config_row *)item)->name;
    size_t size = strlen(other);
    int order = memcmp(name->data, other, name->size < size ? name->size : size);
    return order ? order : (name->size > size) - (name->size < size);
}

const struct config_row *config_find_broker(struct bytes name) {
    if (name.size == 0)
        return NULL;
    return bsearch(&name, broker_config_rows, broker_config_count, sizeof *broker_config_rows, compare_name);
}

/* ---- for the command line ---- */

bool broker_setting_check(const char *name, const char *value, struct error *error) {
    const struct config_row *row = config_find_broker(bytes_from_text(name));
    if (!row)
        return error_set(error, ERROR_NOT_FOUND, "the broker has no setting %s", name);
    return config_check(row, bytes_from_text(value), error);
}

bool broker_setting_describe(size_t index, const char **name, const char **standard, const char **documentation) {
    if (index >= broker_config_count)
        return false;
    *name = broker_config_rows[index].name;
    *standard = broker_config_rows[index].standard;
    *documentation = broker_config_rows[index].documentation;
    return true;
}

bool broker_setting_has_effect(const char *name) {
    const struct config_row *row = config_find_broker(bytes_from_text(name));
    return row && row->effect == CONFIG_USED;
}

/* ---- layers ---- */

/* Settings that mean the same in other units, the strongest first, as Kafka lists them. */
static const char *const families[][3] = {
    {"log.roll.ms", "log.roll.hours", NULL},
    {"log.roll.jitter.ms", "log.roll.jitter.hours", NULL},
    {"log.flush.interval.ms", "log.flush.scheduler.interval.ms", NULL},
    {"log.retention.ms", "log.retention.minutes", "log.retention.hours"},
};
static const enum config_source layer_sources[CONFIG_LAYER_COUNT] = {
    [CONFIG_LAYER_FILE] = CONFIG_FROM_FILE,
    [CONFIG_LAYER_ALL_BROKERS] = CONFIG_FROM_ALL_BROKERS,
    [CONFIG_LAYER_BROKER] = CONFIG_FROM_BROKER,
};

static void put(struct config *config, enum config_layer layer, const char *name, const char *value) {
    struct bytes trimmed = bytes_trim(bytes_from_text(value));
    char *copy = strndup((const char *)trimmed.data, trimmed.size);
    ASSERT(copy);
    free(map_set_text(&config->layers[layer], name, copy));
}

static void clear(struct map *map) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(map, &cursor));)
        free(entry->value);
    map_free(map);
}

const char *config_given(const struct config *config, const char *name) {
    const char *value = NULL;
    for (int layer = CONFIG_LAYER_COUNT - 1; layer >= 0 && !value; layer--)
        value = map_get_text(&config->layers[layer], name);
    return value;
}

const char *config_text(const struct config *config, const char *name) {
    const char *given = config_given(config, name);
    if (given)
        return given;
    const struct config_row *row = config_find_broker(bytes_from_text(name));
    ASSERT(row);
    return row->standard;
}

int64_t config_integer(const struct config *config, const char *name) {
    const char *text = config_text(config, name);
    int64_t value = 0;
    bool ok = text && bytes_to_int64(bytes_trim(bytes_from_text(text)), &value);
    ASSERT(ok);
    return value;
}

bool config_boolean(const struct config *config, const char *name) {
    return strcasecmp(config_text(config, name), "true") == 0;
}

/* A time that has several settings: the first given one, else the default of the last. */
static int64_t family_ms(const struct config *config, const char *const names[3], const int64_t units_ms[3]) {
    int at = 0;
    while (at < 2 && names[at + 1] && !config_given(config, names[at]))
        at++;
    int64_t value = config_integer(config, names[at]);
    return value < 0 ? -1 : value > INT64_MAX / units_ms[at] ? INT64_MAX : value * units_ms[at];
}

static void refresh(struct config *config) {
    static const int64_t hours[3] = {1, 3600000}, same[3] = {1, 1}, minutes[3] = {1, 60000, 3600000};
    snprintf(config->roll_ms, sizeof config->roll_ms, "%" PRId64, family_ms(config, families[0], hours));
    snprintf(config->jitter_ms, sizeof config->jitter_ms, "%" PRId64, family_ms(config, families[1], hours));
    snprintf(config->flush_ms, sizeof config->flush_ms, "%" PRId64, family_ms(config, families[2], same));
    snprintf(config->retention_ms, sizeof config->retention_ms, "%" PRId64, family_ms(config, families[3], minutes));
}

/* Two defaults are visible in Kafka as settings: min.insync.replicas, which its controller sets for all brokers, and
 * log.segment.bytes, which its shipped server.properties holds. kafka-topics --describe therefore prints them for every
 * topic. */
static void give_visible_defaults(struct config *config) {
    static const char name[] = "min.insync.replicas", size[] = "log.segment.bytes";
    if (!map_get_text(&config->layers[CONFIG_LAYER_ALL_BROKERS], name)) {
        const char *given = map_get_text(&config->layers[CONFIG_LAYER_FILE], name);
        put(config, CONFIG_LAYER_ALL_BROKERS, name, given ? given : "1");
    }
    if (!map_get_text(&config->layers[CONFIG_LAYER_FILE], size))
        put(config, CONFIG_LAYER_FILE, size, "1073741824");
    refresh(config);
}

bool config_load(struct config *config, const char *(*setting)(void *context, const char *name), void *context,
    struct error *error) {
    *config = (struct config){0};
    for (size_t i = 0; setting && i < broker_config_count; i++) {
        const struct config_row *row = &broker_config_rows[i];
        const char *value = setting(context, row->name);
        if (!value)
            continue;
        if (!config_check(row, bytes_from_text(value), error)) {
            config_free(config);
            return false;
        }
        config_give(config, row->name, value);
    }
    give_visible_defaults(config);
    return true;
}

void config_give(struct config *config, const char *name, const char *value) {
    put(config, CONFIG_LAYER_FILE, name, value);
}

void config_set_layer(struct config *config, enum config_layer layer, const struct map *settings,
    config_left_out *left_out, void *context) {
    clear(&config->layers[layer]);
    size_t cursor = 0;
    for (struct map_entry *entry; settings && (entry = map_next(settings, &cursor));) {
        const char *name = (const char *)entry->key.data;
        const struct config_row *row = config_find_broker(entry->key);
        struct error error = {0};
        if (!row)
            error_set(&error, ERROR_NOT_FOUND, "the broker has no setting of this name");
        else if (row->update == CONFIG_READ_ONLY)
            error_set(&error, ERROR_UNSUPPORTED, "it is only read at the start");
        else if (config_check(row, bytes_from_text(entry->value), &error))
            put(config, layer, name, entry->value);
        if (error.code != ERROR_NONE && left_out)
            left_out(context, name, error.message);
    }
    give_visible_defaults(config);
}

void config_free(struct config *config) {
    for (int layer = 0; layer < CONFIG_LAYER_COUNT; layer++)
        clear(&config->layers[layer]);
}

/* ---- where values come from ---- */

static void add_synonym(
    struct config_synonym *synonyms, size_t *count, const char *name, const char *value, enum config_source source) {
    ASSERT(*count < CONFIG_SYNONYM_MAX);
    if (value)
        synonyms[(*count)++] = (struct config_synonym){name, value, source};
}

size_t config_broker_synonyms(
    const struct config *config, const char *name, struct config_synonym synonyms[CONFIG_SYNONYM_MAX]) {
    const char *const alone[3] = {name, NULL, NULL};
    const char *const *names = alone;
    for (size_t i = 0; i < ARRAY_COUNT(families); i++)
        for (size_t k = 0; k < 3 && families[i][k]; k++)
            if (strcmp(families[i][k], name) == 0)
                names = families[i];
    size_t count = 0, from = 0;
    for (int layer = CONFIG_LAYER_COUNT - 1; layer >= 0; layer--)
        for (size_t k = 0; k < 3 && names[k]; k++)
            add_synonym(
                synonyms, &count, names[k], map_get_text(&config->layers[layer], names[k]), layer_sources[layer]);
    for (size_t k = 0; k < 3 && names[k]; k++)
        add_synonym(
            synonyms, &count, names[k], config_find_broker(bytes_from_text(names[k]))->standard, CONFIG_FROM_DEFAULT);
    /* Kafka's answer begins with the setting that was asked for. */
    while (from < count && strcmp(synonyms[from].name, name) != 0)
        from++;
    memmove(synonyms, synonyms + from, (count - from) * sizeof *synonyms);
    return count - from;
}

/* What a topic has that sets nothing itself. */
static const char *topic_default(const struct config *config, const struct config_row *row) {
    static const char *const names[] = {"retention.ms", "segment.ms", "segment.jitter.ms", "flush.ms"};
    const char *const values[] = {config->retention_ms, config->roll_ms, config->jitter_ms, config->flush_ms};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (strcmp(row->name, names[i]) == 0)
            return values[i];
    return row->broker_name ? config_text(config, row->broker_name) : row->standard;
}

size_t config_topic_synonyms(const struct config *config, const struct config_row *row, const char *set,
    struct config_synonym synonyms[CONFIG_SYNONYM_MAX], const char **value, enum config_source *source) {
    size_t count = row->broker_name ? config_broker_synonyms(config, row->broker_name, synonyms) : 0;
    if (set) {
        ASSERT(count < CONFIG_SYNONYM_MAX);
        memmove(synonyms + 1, synonyms, count * sizeof *synonyms);
        synonyms[0] = (struct config_synonym){row->name, set, CONFIG_FROM_TOPIC};
        count++;
    }
    *source = count > 0 ? synonyms[0].source : CONFIG_FROM_DEFAULT;
    *value = set ? set : topic_default(config, row);
    return count;
}

const char *config_topic_value(const struct config *config, const struct map *set, const char *name) {
    const struct config_row *row = config_find_topic(bytes_from_text(name));
    ASSERT(row);
    const char *own = set ? map_get_text(set, name) : NULL;
    return own ? own : topic_default(config, row);
}

/* A directory of another program may hold a text that is no number: then the default counts. */
static int64_t topic_integer(const struct config *config, const struct map *set, const char *name) {
    int64_t value = 0;
    if (!bytes_to_int64(bytes_trim(bytes_from_text(config_topic_value(config, set, name))), &value)) {
        bool ok = bytes_to_int64(bytes_from_text(config_find_topic(bytes_from_text(name))->standard), &value);
        ASSERT(ok);
    }
    return value;
}

void config_for_topic(const struct config *config, const struct map *set, struct log_config *log) {
    log_config_defaults(log);
    log->segment_bytes = (int32_t)topic_integer(config, set, "segment.bytes");
    log->segment_ms = topic_integer(config, set, "segment.ms");
    log->segment_jitter_ms = topic_integer(config, set, "segment.jitter.ms");
    log->segment_index_bytes = (int32_t)topic_integer(config, set, "segment.index.bytes");
    log->index_interval_bytes = (int32_t)topic_integer(config, set, "index.interval.bytes");
    log->retention_ms = topic_integer(config, set, "retention.ms");
    log->retention_bytes = topic_integer(config, set, "retention.bytes");
    const char *policy = config_topic_value(config, set, "cleanup.policy");
    log->cleanup_policy =
        (strstr(policy, "delete") ? LOG_CLEANUP_DELETE : 0) | (strstr(policy, "compact") ? LOG_CLEANUP_COMPACT : 0);
    log->max_message_bytes = (int32_t)topic_integer(config, set, "max.message.bytes");
    log->flush_messages = topic_integer(config, set, "flush.messages");
    log->flush_ms = topic_integer(config, set, "flush.ms");
    log->file_delete_delay_ms = topic_integer(config, set, "file.delete.delay.ms");
    log->delete_retention_ms = topic_integer(config, set, "delete.retention.ms");
    log->min_compaction_lag_ms = topic_integer(config, set, "min.compaction.lag.ms");
    log->max_compaction_lag_ms = topic_integer(config, set, "max.compaction.lag.ms");
    bytes_to_double(bytes_trim(bytes_from_text(config_topic_value(config, set, "min.cleanable.dirty.ratio"))),
        &log->min_cleanable_dirty_ratio);
    log->log_append_time = strcmp(config_topic_value(config, set, "message.timestamp.type"), "LogAppendTime") == 0;
    log->timestamp_before_max_ms = topic_integer(config, set, "message.timestamp.before.max.ms");
    log->timestamp_after_max_ms = topic_integer(config, set, "message.timestamp.after.max.ms");
}
