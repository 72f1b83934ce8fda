/* config.c: the two tables of settings and how a topic's values follow from them. */
#include "kafka/config.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "kafka/broker.h"

const struct config_row topic_config_rows[] = {
#define TOPIC_CONFIG(name, type, standard, broker_name, least, most, words, documentation)                             \
    {name, CONFIG_##type, standard, broker_name, least, most, words, documentation},
#include "settings/kafka_topic.def"
#undef TOPIC_CONFIG
};
const size_t topic_config_count = ARRAY_COUNT(topic_config_rows);

const struct config_row broker_config_rows[] = {
#define BROKER_CONFIG(name, type, standard, least, most, words, documentation)                                         \
    {name, CONFIG_##type, standard, NULL, least, most, words, documentation},
#include "settings/kafka.def"
#undef BROKER_CONFIG
};
const size_t broker_config_count = ARRAY_COUNT(broker_config_rows);

static const struct config_row *find_row(const struct config_row *rows, size_t count, struct bytes name) {
    for (size_t i = 0; i < count; i++)
        if (bytes_equal_text(name, rows[i].name))
            return &rows[i];
    return NULL;
}

const struct config_row *config_find_topic(struct bytes name) {
    return find_row(topic_config_rows, topic_config_count, name);
}

/* A topic setting is a broker setting too, under its broker name. */
const struct config_row *config_find_broker(struct bytes name) {
    const struct config_row *row = find_row(broker_config_rows, broker_config_count, name);
    for (size_t i = 0; !row && i < topic_config_count; i++)
        if (topic_config_rows[i].broker_name && bytes_equal_text(name, topic_config_rows[i].broker_name))
            row = &topic_config_rows[i];
    return row;
}

/* ---- checks ---- */

static bool is_word(const char *words, struct bytes value) {
    for (const char *at = words; *at;) {
        size_t size = strcspn(at, "|");
        if (value.size == size && memcmp(value.data, at, size) == 0)
            return true;
        at += size + (at[size] == '|');
    }
    return false;
}

static bool refused(const struct config_row *row, struct bytes value, struct error *error, const char *why) {
    return error_set(
        error, ERROR_INVALID, "Invalid value %.*s for configuration %s: %s", BYTES_ARGS(value), row->name, why);
}

static bool check_words(const struct config_row *row, struct bytes value, struct error *error) {
    if (!row->words)
        return true;
    char text[200];
    snprintf(text, sizeof text, "String must be one of: %s", row->words);
    for (char *at = strchr(text, '|'); at; at = strchr(at, '|'))
        *at = ',';
    if (row->type != CONFIG_LIST)
        return is_word(row->words, value) || refused(row, value, error, text);
    for (size_t at = 0; at <= value.size;) {
        size_t comma = bytes_find(value, ',', at);
        size_t end = comma == SIZE_MAX ? value.size : comma;
        if (!is_word(row->words, bytes_trim(bytes_slice(value, at, end - at))))
            return refused(row, value, error, text);
        at = end + 1;
    }
    return true;
}

bool config_check(const struct config_row *row, struct bytes value, struct error *error) {
    struct bytes trimmed = bytes_trim(value);
    int64_t integer;
    double number;
    char bounds[100];
    switch (row->type) {
    case CONFIG_BOOLEAN:
        if (!bytes_equal_text(trimmed, "true") && !bytes_equal_text(trimmed, "false"))
            return refused(row, value, error, "Expected value to be either true or false");
        return check_words(row, trimmed, error);
    case CONFIG_INT:
    case CONFIG_LONG:
        if (!bytes_to_int64(trimmed, &integer) || (row->type == CONFIG_INT && integer != (int32_t)integer))
            return refused(
                row, value, error, row->type == CONFIG_INT ? "Not a number of type INT" : "Not a number of type LONG");
        if (integer < row->least || integer > row->most) {
            snprintf(bounds, sizeof bounds, "Value must be at %s %lld", integer < row->least ? "least" : "most",
                (long long)(integer < row->least ? row->least : row->most));
            return refused(row, value, error, bounds);
        }
        return true;
    case CONFIG_DOUBLE:
        if (!bytes_to_double(trimmed, &number))
            return refused(row, value, error, "Not a number of type DOUBLE");
        if (!(number >= (double)row->least && number <= (double)row->most))
            return refused(row, value, error, "Value is out of its range");
        return true;
    default:
        return check_words(row, trimmed, error);
    }
}

bool broker_setting_check(const char *name, const char *value, struct error *error) {
    const struct config_row *row = config_find_broker(bytes_from_text(name));
    if (!row)
        return error_set(error, ERROR_NOT_FOUND, "the broker has no setting %s", name);
    return config_check(row, bytes_from_text(value), error);
}

bool broker_setting_describe(size_t index, const char **name, const char **standard, const char **documentation) {
    const struct config_row *row = NULL;
    if (index < broker_config_count) {
        row = &broker_config_rows[index];
        *name = row->name;
    } else {
        size_t left = index - broker_config_count;
        for (size_t i = 0; i < topic_config_count && !row; i++)
            if (topic_config_rows[i].broker_name && left-- == 0)
                row = &topic_config_rows[i];
        if (!row)
            return false;
        *name = row->broker_name;
    }
    *standard = row->standard;
    *documentation = row->documentation;
    return true;
}

/* ---- the broker's settings ---- */

bool config_load(struct config *config, const char *(*setting)(void *context, const char *name), void *context,
    struct error *error) {
    *config = (struct config){0};
    const char *name, *standard, *documentation;
    for (size_t i = 0; setting && broker_setting_describe(i, &name, &standard, &documentation); i++) {
        const char *value = setting(context, name);
        if (!value)
            continue;
        if (!broker_setting_check(name, value, error)) {
            config_free(config);
            return false;
        }
        free(map_set_text(&config->given, name, strdup(value)));
    }
    return true;
}

void config_free(struct config *config) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&config->given, &cursor));)
        free(entry->value);
    map_free(&config->given);
}

const char *config_text(const struct config *config, const char *name) {
    const char *given = map_get_text(&config->given, name);
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
    return bytes_equal_text(bytes_trim(bytes_from_text(config_text(config, name))), "true");
}

/* ---- topics ---- */

static void add_synonym(
    struct config_synonym *synonyms, size_t *count, const char *name, const char *value, enum config_source source) {
    ASSERT(*count < CONFIG_SYNONYM_MAX);
    if (value)
        synonyms[(*count)++] = (struct config_synonym){name, value, source};
}

/* Two defaults are visible in Kafka as settings: min.insync.replicas, which its controller sets for all brokers, and
 * log.segment.bytes, which its shipped server.properties holds. kafka-topics --describe therefore prints them for every
 * topic. */
size_t config_topic_synonyms(const struct config *config, const struct config_row *row, const char *set,
    struct config_synonym synonyms[CONFIG_SYNONYM_MAX], const char **value, enum config_source *source) {
    size_t count = 0;
    add_synonym(synonyms, &count, row->name, set, CONFIG_FROM_TOPIC);
    const char *behind = row->broker_name;
    bool retention = strcmp(row->name, "retention.ms") == 0, roll = strcmp(row->name, "segment.ms") == 0;
    if (behind) {
        const char *given = map_get_text(&config->given, behind);
        if (strcmp(row->name, "min.insync.replicas") == 0)
            add_synonym(synonyms, &count, behind, given ? given : row->standard, CONFIG_FROM_ALL_BROKERS);
        else if (strcmp(row->name, "segment.bytes") == 0)
            add_synonym(synonyms, &count, behind, given ? given : row->standard, CONFIG_FROM_FILE);
        else
            add_synonym(synonyms, &count, behind, given, CONFIG_FROM_FILE);
        /* These two have older names in larger units and no default of their own. */
        if (!retention && !roll)
            add_synonym(synonyms, &count, behind, row->standard, CONFIG_FROM_DEFAULT);
    }
    *source = count > 0 ? synonyms[0].source : CONFIG_FROM_DEFAULT;
    *value = count > 0 ? synonyms[0].value : row->standard;
    return count;
}

static int64_t in_larger_units(const struct config *config, const char *minutes, const char *hours, int64_t value_ms) {
    const char *given = minutes ? map_get_text(&config->given, minutes) : NULL;
    int64_t unit_ms = 60000, value;
    if (!given) {
        given = map_get_text(&config->given, hours);
        unit_ms = 3600000;
    }
    if (!given || !bytes_to_int64(bytes_trim(bytes_from_text(given)), &value))
        return value_ms;
    return value < 0 ? -1 : value * unit_ms;
}

const char *config_topic_value(const struct config *config, const struct map *set, const char *name) {
    struct config_synonym synonyms[CONFIG_SYNONYM_MAX];
    const char *value;
    enum config_source source;
    const struct config_row *row = config_find_topic(bytes_from_text(name));
    ASSERT(row);
    config_topic_synonyms(config, row, set ? map_get_text(set, name) : NULL, synonyms, &value, &source);
    return value;
}

static int64_t topic_integer(const struct config *config, const struct map *set, const char *name) {
    int64_t value = 0;
    bool ok = bytes_to_int64(bytes_trim(bytes_from_text(config_topic_value(config, set, name))), &value);
    ASSERT(ok);
    return value;
}

static bool given_in_ms(const struct config *config, const struct map *set, const char *name, const char *broker_name) {
    return (set && map_get_text(set, name)) || map_get_text(&config->given, broker_name);
}

void config_for_topic(const struct config *config, const struct map *set, struct log_config *log) {
    log_config_defaults(log);
    log->segment_bytes = (int32_t)topic_integer(config, set, "segment.bytes");
    log->segment_ms = topic_integer(config, set, "segment.ms");
    if (!given_in_ms(config, set, "segment.ms", "log.roll.ms"))
        log->segment_ms = in_larger_units(config, NULL, "log.roll.hours", log->segment_ms);
    log->segment_jitter_ms = topic_integer(config, set, "segment.jitter.ms");
    log->segment_index_bytes = (int32_t)topic_integer(config, set, "segment.index.bytes");
    log->index_interval_bytes = (int32_t)topic_integer(config, set, "index.interval.bytes");
    log->retention_ms = topic_integer(config, set, "retention.ms");
    if (!given_in_ms(config, set, "retention.ms", "log.retention.ms"))
        log->retention_ms = in_larger_units(config, "log.retention.minutes", "log.retention.hours", log->retention_ms);
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
