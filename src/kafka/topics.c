/* topics.c: the topics of the broker: what the metadata log says, with the partitions of log/ behind it. The loop is
 * the only writer and needs no lock to read; other threads look topics up under the mutex (client.c). */
#include "kafka/internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "kafka/client_internal.h"
#include "kafka/groups.h"
#include "wire/compress.h"

#define LOGGER "kafka.server.BrokerServer"
#define PRODUCER_ID_BLOCK 1000

struct topic *topic_find(struct broker *broker, struct bytes name) {
    return map_get(&broker->topics, name);
}

struct topic *topic_find_id(struct broker *broker, struct uuid id) {
    return map_get(&broker->topics_by_id, bytes_make(id.bytes, sizeof id.bytes));
}

struct partition_log *topic_log(const struct topic *topic, int32_t partition) {
    return partition >= 0 && partition < topic->partition_count ? topic->logs[partition] : NULL;
}

bool topic_is_internal(const char *name) {
    return strcmp(name, KAFKA_OFFSETS_TOPIC) == 0 || strcmp(name, KAFKA_TRANSACTIONS_TOPIC) == 0;
}

bool topic_name_check(struct bytes name, struct error *error) {
    if (name.size == 0)
        return error_set(error, ERROR_INVALID, "Topic name is invalid: the empty string is not allowed");
    if (bytes_equal_text(name, ".") || bytes_equal_text(name, ".."))
        return error_set(error, ERROR_INVALID, "Topic name cannot be \"%.*s\"", BYTES_ARGS(name));
    if (name.size > KAFKA_TOPIC_NAME_MAX)
        return error_set(error, ERROR_INVALID,
            "Topic name is invalid: the length of '%.*s' is longer than the max allowed length %d", BYTES_ARGS(name),
            KAFKA_TOPIC_NAME_MAX);
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '.' && c != '_' && c != '-')
            return error_set(error, ERROR_INVALID,
                "Topic name '%.*s' is illegal, it contains a character other than ASCII alphanumerics, '.', '_' and "
                "'-'",
                BYTES_ARGS(name));
    }
    return true;
}

/* Metric names do not tell '.' from '_', so Kafka refuses two topics that differ only in them. */
static const char *colliding_topic(const struct broker *broker, struct bytes name) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&broker->topics, &cursor));) {
        bool same = entry->key.size == name.size;
        for (size_t i = 0; same && i < name.size; i++) {
            uint8_t a = entry->key.data[i], b = name.data[i];
            same = (a == '.' ? '_' : a) == (b == '.' ? '_' : b);
        }
        if (same)
            return ((const struct topic *)entry->value)->name;
    }
    return NULL;
}

/* ---- in memory ---- */

static void apply_configs(struct broker *broker, struct topic *topic) {
    int64_t replicas = 1;
    config_for_topic(&broker->config, &topic->meta->configs, &topic->log_config);
    bytes_to_int64(
        bytes_trim(bytes_from_text(config_topic_value(&broker->config, &topic->meta->configs, "min.insync.replicas"))),
        &replicas);
    topic->min_insync_replicas = (int32_t)replicas;
    int64_t decompressed = (int64_t)COMPRESSION_OUTPUT_MAX;
    bytes_to_int64(
        bytes_from_text(config_topic_value(&broker->config, &topic->meta->configs, "max.decompressed.message.bytes")),
        &decompressed);
    topic->decompressed_max =
        decompressed < (int64_t)COMPRESSION_OUTPUT_MAX ? (size_t)decompressed : COMPRESSION_OUTPUT_MAX;
    enum record_codec codec;
    struct bytes name =
        bytes_trim(bytes_from_text(config_topic_value(&broker->config, &topic->meta->configs, "compression.type")));
    if (bytes_equal_text(name, "uncompressed"))
        topic->codec = RECORD_CODEC_NONE;
    else
        topic->codec = compression_from_name(name, &codec) ? (int)codec : -1;
}

/* A directory of another Kafka may hold settings that are not served here. */
static void tell_unserved(struct broker *broker, const struct topic *topic) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&topic->meta->configs, &cursor));) {
        const struct config_row *row = config_find_topic(entry->key);
        struct error error = {0};
        if (row && !config_check(row, bytes_from_text(entry->value), &error))
            service_log_write(broker->service_log, LOG_WARN, LOGGER, "Topic %s: %s", topic->name, error.message);
    }
}

static void make_metrics(struct broker *broker, struct topic *topic) {
    char labels[KAFKA_TOPIC_NAME_MAX + 20];
    if (!broker->metrics)
        return;
    snprintf(labels, sizeof labels, "topic=\"%s\"", topic->name);
    topic->messages_in = metrics_get(broker->metrics, METRIC_COUNTER,
        "kafka_server_brokertopicmetrics_messagesin_total", "Records appended by clients.", labels);
    topic->bytes_in = metrics_get(broker->metrics, METRIC_COUNTER, "kafka_server_brokertopicmetrics_bytesin_total",
        "Bytes of record batches appended by clients.", labels);
    topic->bytes_out = metrics_get(broker->metrics, METRIC_COUNTER, "kafka_server_brokertopicmetrics_bytesout_total",
        "Bytes of record batches sent to clients.", labels);
}

/* Opens the partitions from the present count up to what the metadata says. */
static bool open_partitions(struct broker *broker, struct topic *topic, struct error *error) {
    int32_t from = topic->partition_count, to = topic->meta->partition_count;
    struct partition_log **logs = calloc((size_t)to, sizeof *logs);
    int32_t *epochs = calloc((size_t)to, sizeof *epochs);
    ASSERT(logs && epochs);
    for (int32_t i = 0; i < to; i++) {
        epochs[i] = topic->meta->partitions[i].leader_epoch;
        logs[i] = i < from ? topic->logs[i]
                           : log_open(broker->logs, topic->name, topic->id, i, &topic->log_config, true, error);
        if (!logs[i]) {
            for (int32_t j = from; j < i; j++)
                log_delete(logs[j], NULL);
            free(logs);
            free(epochs);
            return false;
        }
    }
    world_mutex_lock(&broker->topics_mutex);
    free(topic->logs);
    free(topic->leader_epochs);
    topic->logs = logs;
    topic->leader_epochs = epochs;
    topic->partition_count = to;
    broker->topics_version++;
    world_mutex_unlock(&broker->topics_mutex);
    return true;
}

static void topic_free(struct topic *topic) {
    free(topic->logs);
    free(topic->leader_epochs);
    free(topic->name);
    free(topic);
}

static struct topic *topic_open(struct broker *broker, struct metadata_topic *meta, struct error *error) {
    struct topic *topic = calloc(1, sizeof *topic);
    ASSERT(topic);
    topic->name = strdup(meta->name);
    topic->id = meta->id;
    topic->meta = meta;
    topic->internal = topic_is_internal(meta->name);
    make_metrics(broker, topic);
    apply_configs(broker, topic);
    tell_unserved(broker, topic);
    if (!open_partitions(broker, topic, error)) {
        topic_free(topic);
        return NULL;
    }
    world_mutex_lock(&broker->topics_mutex);
    map_set_text(&broker->topics, topic->name, topic);
    map_set(&broker->topics_by_id, bytes_make(topic->id.bytes, sizeof topic->id.bytes), topic);
    world_mutex_unlock(&broker->topics_mutex);
    return topic;
}

bool topics_open(struct broker *broker, struct error *error) {
    broker->metadata = metadata_open(broker->logs, error);
    if (!broker->metadata)
        return false;
    broker_read_configs(broker);
    size_t cursor = 0;
    for (struct metadata_topic *meta; (meta = metadata_next(broker->metadata, &cursor));)
        if (!topic_open(broker, meta, error))
            return false;
    return log_manager_set_strays_aside(broker->logs, error);
}

void topics_close(struct broker *broker) {
    size_t cursor = 0;
    world_mutex_lock(&broker->topics_mutex);
    for (struct map_entry *entry; (entry = map_next(&broker->topics, &cursor));)
        topic_free(entry->value);
    map_free(&broker->topics);
    map_free(&broker->topics_by_id);
    world_mutex_unlock(&broker->topics_mutex);
    if (broker->metadata)
        metadata_close(broker->metadata);
    broker->metadata = NULL;
}

static int compare_topics(const void *left, const void *right) {
    return strcmp((*(struct topic *const *)left)->name, (*(struct topic *const *)right)->name);
}

struct topic **topics_sorted(struct broker *broker, struct arena *arena, size_t *count) {
    struct topic **list = ARENA_ARRAY(arena, struct topic *, broker->topics.count + 1);
    size_t cursor = 0;
    *count = 0;
    for (struct map_entry *entry; (entry = map_next(&broker->topics, &cursor));)
        list[(*count)++] = entry->value;
    qsort(list, *count, sizeof *list, compare_topics);
    return list;
}

/* ---- changes ---- */

/* The metadata may hold a topic whose partitions the disk refused to make, and refused to forget: once more. */
static bool forget_unopened(struct broker *broker, struct bytes name, struct error *error) {
    struct metadata_topic *meta = topic_find(broker, name) ? NULL : metadata_find(broker->metadata, name);
    return !meta || metadata_delete_topic(broker->metadata, meta, error);
}

struct topic *topic_create(struct broker *broker, struct bytes name, int32_t partition_count, const struct map *configs,
    int16_t *code, struct error *error) {
    VECTOR(struct metadata_setting) settings = {0};
    size_t cursor = 0;
    for (struct map_entry *entry; configs && (entry = map_next(configs, &cursor));)
        VECTOR_PUSH(&settings, ((struct metadata_setting){(const char *)entry->key.data, entry->value}));
    struct topic *topic = NULL;
    struct metadata_topic *meta = NULL;
    char *text = strndup((const char *)name.data, name.size);
    const char *other = colliding_topic(broker, name);
    if (other)
        error_set(error, ERROR_INVALID, "Topic '%s' collides with existing topic: %s", text, other);
    else if (forget_unopened(broker, name, error))
        meta = metadata_create_topic(broker->metadata, text, partition_count, settings.items, settings.count, error);
    if (meta && !(topic = topic_open(broker, meta, error)))
        metadata_delete_topic(broker->metadata, meta, NULL);
    if (topic) {
        service_log_write(broker->service_log, LOG_INFO, "org.apache.kafka.controller.ReplicationControlManager",
            "[QuorumController id=%d] CreateTopics result(s): CreatableTopic(name='%s', numPartitions=%d, "
            "replicationFactor=1): SUCCESS",
            broker->node_id, topic->name, topic->partition_count);
        for (int32_t i = 0; i < topic->partition_count; i++)
            service_log_write(broker->service_log, LOG_INFO, "kafka.log.LogManager",
                "Created log for partition %s-%d in %s/%s", topic->name, i, broker->directory,
                log_directory_name(topic->logs[i]));
        client_wake_subscribers(broker->client);
        *code = KAFKA_NONE;
    } else {
        *code = other ? KAFKA_INVALID_TOPIC_EXCEPTION : kafka_error_from_error(error);
        if (*code == KAFKA_INVALID_REQUEST || (error && error->code == ERROR_LIMIT))
            *code = KAFKA_INVALID_PARTITIONS;
    }
    free(text);
    VECTOR_FREE(&settings);
    return topic;
}

bool topic_delete(struct broker *broker, struct topic *topic, struct error *error) {
    if (!metadata_delete_topic(broker->metadata, topic->meta, error))
        return false;
    world_mutex_lock(&broker->topics_mutex);
    map_remove(&broker->topics, bytes_from_text(topic->name));
    map_remove(&broker->topics_by_id, bytes_make(topic->id.bytes, sizeof topic->id.bytes));
    broker->topics_version++;
    world_mutex_unlock(&broker->topics_mutex);
    for (int32_t i = 0; i < topic->partition_count; i++) {
        struct error failed = {0};
        if (!log_delete(topic->logs[i], &failed))
            service_log_write(
                broker->service_log, LOG_ERROR, LOGGER, "Deleting %s-%d failed: %s", topic->name, i, failed.message);
    }
    if (broker->groups)
        groups_topic_deleted(broker->groups, topic->name);
    service_log_write(broker->service_log, LOG_INFO, "org.apache.kafka.controller.ReplicationControlManager",
        "[QuorumController id=%d] Removed topic %s", broker->node_id, topic->name);
    topic_free(topic);
    client_wake_subscribers(broker->client);
    return true;
}

bool topic_grow(struct broker *broker, struct topic *topic, int32_t partition_count, struct error *error) {
    /* The metadata knows them already when the disk refused them the last time. */
    bool is_known = topic->meta->partition_count == partition_count;
    if ((!is_known && !metadata_add_partitions(broker->metadata, topic->meta, partition_count, error)) ||
        !open_partitions(broker, topic, error))
        return false;
    client_wake_subscribers(broker->client);
    return true;
}

bool topic_set_configs(struct broker *broker, struct topic *topic, const struct metadata_setting *settings,
    size_t count, struct error *error) {
    if (!metadata_set_configs(broker->metadata, METADATA_TOPIC, topic->name, settings, count, error))
        return false;
    apply_configs(broker, topic);
    for (int32_t i = 0; i < topic->partition_count; i++)
        log_configure(topic->logs[i], &topic->log_config);
    return true;
}

void topics_apply_configs(struct broker *broker) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&broker->topics, &cursor));) {
        struct topic *topic = entry->value;
        apply_configs(broker, topic);
        for (int32_t i = 0; i < topic->partition_count; i++)
            log_configure(topic->logs[i], &topic->log_config);
    }
}

struct topic *topic_offsets(struct broker *broker, struct error *error) {
    struct topic *topic = topic_find(broker, BYTES(KAFKA_OFFSETS_TOPIC));
    if (topic)
        return topic;
    struct map configs = {0};
    int16_t code;
    map_set_text(&configs, "cleanup.policy", (void *)(uintptr_t) "compact");
    map_set_text(&configs, "compression.type", (void *)(uintptr_t) "producer");
    map_set_text(
        &configs, "segment.bytes", (void *)(uintptr_t)config_text(&broker->config, "offsets.topic.segment.bytes"));
    topic = topic_create(broker, BYTES(KAFKA_OFFSETS_TOPIC),
        (int32_t)config_integer(&broker->config, "offsets.topic.num.partitions"), &configs, &code, error);
    map_free(&configs);
    return topic;
}

bool broker_next_producer_id(struct broker *broker, int64_t *producer_id, struct error *error) {
    if (broker->next_producer_id >= broker->producer_id_end) {
        if (!metadata_take_producer_ids(broker->metadata, PRODUCER_ID_BLOCK, &broker->next_producer_id, error))
            return false;
        broker->producer_id_end = broker->next_producer_id + PRODUCER_ID_BLOCK;
    }
    *producer_id = broker->next_producer_id++;
    return true;
}
