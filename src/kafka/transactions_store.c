/* transactions_store.c: the coordinator's memory as records of __transaction_state, byte for byte as Kafka writes them,
 * so that a real broker can go on with our directory and we with its.
 *
 * A key is int16 kind 0, then the transactional.id; a value is int16 version, then its fields (schema/kafka/
 * transactions.kafka); no value deletes. A transactional.id lies in partition abs(javaHash(id)) mod partitions. The
 * version of the value follows the cluster's transaction.version: 0 below 1, else 1. */
#include <stdlib.h>

#include "base/assert.h"
#include "kafka/groups.h"
#include "kafka/replay.h"
#include "kafka/transactions.h"
#include "wire/record_batch.h"

#define LOGGER "org.apache.kafka.coordinator.transaction.TransactionStateManager"

/* ---- in memory ---- */

struct transaction *transaction_find(struct transactions *transactions, struct bytes id) {
    return map_get(&transactions->by_id, id);
}

struct transaction *transaction_make(struct transactions *transactions, struct bytes id) {
    struct transaction *transaction = transaction_find(transactions, id);
    if (transaction)
        return transaction;
    transaction = calloc(1, sizeof *transaction);
    ASSERT(transaction);
    *transaction = (struct transaction){.id = strndup((const char *)id.data, id.size),
        .owner = transactions,
        .producer_id = -1,
        .previous_producer_id = -1,
        .next_producer_id = -1,
        .epoch = -1,
        .last_epoch = -1,
        .start_ms = -1};
    map_set(&transactions->by_id, id, transaction);
    return transaction;
}

static struct bytes partition_key(struct bytes topic, int32_t partition, uint8_t out[260]) {
    size_t size = topic.size < 250 ? topic.size : 250;
    memcpy(out, topic.data, size);
    out[size] = 0;
    memcpy(out + size + 1, &partition, 4);
    return bytes_make(out, size + 5);
}

bool transaction_has(const struct transaction *transaction, struct bytes topic, int32_t partition) {
    uint8_t memory[260];
    return map_has(&transaction->partitions, partition_key(topic, partition, memory));
}

struct transaction_partition *transaction_add_partition(
    struct transaction *transaction, struct bytes topic, int32_t partition) {
    uint8_t memory[260];
    struct bytes key = partition_key(topic, partition, memory);
    struct transaction_partition *part = map_get(&transaction->partitions, key);
    if (!part) {
        part = calloc(1, sizeof *part);
        ASSERT(part);
        *part = (struct transaction_partition){strndup((const char *)topic.data, topic.size), partition, -1};
        map_set(&transaction->partitions, key, part);
    }
    return part;
}

void transaction_drop_partition(struct transaction *transaction, struct bytes topic, int32_t partition) {
    uint8_t memory[260];
    struct transaction_partition *part = map_remove(&transaction->partitions, partition_key(topic, partition, memory));
    if (part) {
        free(part->topic);
        free(part);
    }
}

void transaction_clear_partitions(struct transaction *transaction) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&transaction->partitions, &cursor));) {
        struct transaction_partition *part = entry->value;
        free(part->topic);
        free(part);
    }
    map_free(&transaction->partitions);
    transaction->partitions = (struct map){0};
}

void transaction_free(struct transaction *transaction) {
    map_remove(&transaction->owner->by_id, bytes_from_text(transaction->id));
    transaction_clear_partitions(transaction);
    log_wait_cancel(&transaction->waiter);
    if (transaction->retry)
        world_timer_destroy(transaction->retry);
    if (transaction->log)
        log_release(transaction->log);
    VECTOR_FREE(&transaction->waiters);
    free(transaction->id);
    free(transaction);
}

/* ---- writing ---- */

struct topic *transactions_topic(struct broker *broker, struct error *error) {
    struct topic *topic = topic_find(broker, BYTES(KAFKA_TRANSACTIONS_TOPIC));
    if (topic)
        return topic;
    struct map configs = {0};
    int16_t code;
    map_set_text(&configs, "cleanup.policy", (void *)(uintptr_t) "compact");
    map_set_text(&configs, "unclean.leader.election.enable", (void *)(uintptr_t) "false");
    map_set_text(&configs, "min.insync.replicas", (void *)(uintptr_t) "1");
    map_set_text(&configs, "segment.bytes",
        (void *)(uintptr_t)config_text(&broker->config, "transaction.state.log.segment.bytes"));
    topic = topic_create(broker, BYTES(KAFKA_TRANSACTIONS_TOPIC),
        (int32_t)config_integer(&broker->config, "transaction.state.log.num.partitions"), &configs, &code, error);
    map_free(&configs);
    return topic;
}

static int32_t home_of(const struct transaction *transaction, const struct topic *topic) {
    return group_partition(bytes_from_text(transaction->id), topic->partition_count);
}

int32_t transaction_coordinator_epoch(struct transactions *transactions, const struct transaction *transaction) {
    const struct topic *topic = topic_find(transactions->broker, BYTES(KAFKA_TRANSACTIONS_TOPIC));
    return topic ? topic->leader_epochs[home_of(transaction, topic)] : 0;
}

static int compare_parts(const void *left, const void *right) {
    const struct transaction_partition *a = *(struct transaction_partition *const *)left,
                                       *b = *(struct transaction_partition *const *)right;
    int order = strcmp(a->topic, b->topic);
    return order ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

struct transaction_partition **transaction_sorted(
    const struct transaction *transaction, struct arena *arena, size_t *count) {
    struct transaction_partition **list =
        ARENA_ARRAY(arena, struct transaction_partition *, transaction->partitions.count + 1);
    size_t cursor = 0;
    *count = 0;
    for (struct map_entry *entry; (entry = map_next(&transaction->partitions, &cursor));)
        list[(*count)++] = entry->value;
    qsort(list, *count, sizeof *list, compare_parts);
    return list;
}

static void fill_topics(
    const struct transaction *transaction, struct arena *arena, struct kafka_transaction_value *value) {
    size_t count;
    struct transaction_partition **list = transaction_sorted(transaction, arena, &count);
    WIRE_ARRAY(arena, &value->topics, &kafka_transaction_value_topic_struct, count);
    value->topics.count = 0;
    int32_t *indexes = ARENA_ARRAY(arena, int32_t, count + 1);
    for (size_t i = 0; i < count; i++) {
        indexes[i] = list[i]->partition;
        if (i == 0 || strcmp(list[i]->topic, list[i - 1]->topic) != 0) {
            struct kafka_transaction_value_topic *topic = &value->topics.items[value->topics.count++];
            topic->name = bytes_from_text(list[i]->topic);
            topic->partitions.items = &indexes[i];
        }
        value->topics.items[value->topics.count - 1].partitions.count++;
    }
}

static void encode_value(const struct transaction *transaction, int16_t version, struct buffer *out) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_transaction_value value;
    wire_set_defaults(&kafka_transaction_value_struct, &value);
    value.producer_id = transaction->producer_id;
    value.previous_producer_id = transaction->previous_producer_id;
    value.next_producer_id = transaction->next_producer_id;
    value.producer_epoch = transaction->epoch;
    value.timeout_ms = transaction->timeout_ms;
    value.status = (int8_t)transaction->state;
    value.last_update_ms = transaction->update_ms;
    value.start_ms = transaction->start_ms;
    value.client_version = transaction->client_version;
    value.topics.count = -1;
    if (transaction->state != TRANSACTION_EMPTY)
        fill_topics(transaction, &arena, &value);
    store_be16(buffer_extend(out, 2), (uint16_t)version);
    bool ok = wire_encode(&kafka_transaction_value_message, version, &value, out, NULL, &error);
    ASSERT(ok);
    arena_destroy(&arena);
}

static enum log_status append_record(struct broker *broker, const struct transaction *transaction, bool tombstone,
    const struct topic *topic, struct transaction_place *place, struct error *error) {
    int32_t index = home_of(transaction, topic);
    struct kafka_transaction_key id = {bytes_from_text(transaction->id)};
    struct buffer key = {0}, value = {0}, out = {0};
    struct record_builder builder;
    struct log_append_options options = {
        .leader_epoch = topic->leader_epochs[index], .checksum_verified = true, .from_coordinator = true};
    struct log_append_result result = {0};
    store_be16(buffer_extend(&key, 2), 0);
    bool ok = wire_encode(&kafka_transaction_key_message, 0, &id, &key, NULL, error);
    ASSERT(ok);
    if (!tombstone)
        encode_value(transaction, broker_feature_level(broker, "transaction.version") >= 1, &value);
    record_builder_begin(&builder, &out, 0, 0);
    record_builder_add(&builder, 0, world_wall_ms(broker->world), buffer_view(&key),
        tombstone ? BYTES_NULL : buffer_view(&value), BYTES_NULL, 0);
    record_builder_end(&builder, -1, -1, -1, options.leader_epoch);
    enum log_status status = log_append(topic_log(topic, index), out.data, out.size, &options, &result, error);
    *place = (struct transaction_place){topic_log(topic, index), result.last_offset};
    buffer_free(&key);
    buffer_free(&value);
    buffer_free(&out);
    return status;
}

int16_t transaction_store(struct transactions *transactions, struct transaction *transaction, bool tombstone,
    struct transaction_place *place) {
    struct broker *broker = transactions->broker;
    struct transaction_place ignored;
    struct error error = {0};
    struct topic *topic = transactions_topic(broker, &error);
    if (!place)
        place = &ignored;
    if (topic && append_record(broker, transaction, tombstone, topic, place, &error) == LOG_STATUS_OK) {
        broker->internal_failure.code = ERROR_NONE;
        return KAFKA_NONE;
    }
    broker->internal_failure = error;
    service_log_write(broker->service_log, LOG_ERROR, LOGGER,
        "[TransactionCoordinator id=%d] Storing transactional.id %s failed: %s", broker->node_id, transaction->id,
        error.message);
    return KAFKA_COORDINATOR_NOT_AVAILABLE;
}

/* ---- loading ---- */

static void take_value(struct transaction *transaction, const struct kafka_transaction_value *value) {
    transaction->producer_id = value->producer_id;
    transaction->previous_producer_id = value->previous_producer_id;
    transaction->next_producer_id = value->next_producer_id;
    transaction->epoch = value->producer_epoch;
    transaction->last_epoch = -1;
    transaction->timeout_ms = value->timeout_ms;
    transaction->state = (enum transaction_state)value->status;
    transaction->update_ms = value->last_update_ms;
    transaction->start_ms = value->start_ms;
    transaction->client_version = value->client_version;
    transaction_clear_partitions(transaction);
    for (int32_t i = 0; i < value->topics.count; i++)
        for (int32_t j = 0; j < value->topics.items[i].partitions.count; j++)
            transaction_add_partition(
                transaction, value->topics.items[i].name, value->topics.items[i].partitions.items[j]);
}

/* What reading a partition works with. */
struct loader {
    struct transactions *transactions;
    struct arena arena; /* of a record */
};

static void load_record(void *argument, const struct record *record) {
    struct loader *loader = argument;
    struct transactions *transactions = loader->transactions;
    struct arena *arena = &loader->arena;
    struct error error = {0};
    struct kafka_transaction_key key;
    struct kafka_transaction_value value;
    if (record->key.size < 2 || load_be16(record->key.data) != 0)
        return;
    struct bytes rest = bytes_slice(record->key, 2, record->key.size - 2);
    if (!wire_decode(&kafka_transaction_key_message, 0, &rest, arena, &key, &error))
        return;
    struct transaction *transaction = transaction_find(transactions, key.transactional_id);
    if (!record->value.data) {
        if (transaction)
            transaction_free(transaction);
        return;
    }
    if (record->value.size < 2)
        return;
    int16_t version = (int16_t)load_be16(record->value.data);
    rest = bytes_slice(record->value, 2, record->value.size - 2);
    if (version < 0 || version > 1 ||
        !wire_decode(&kafka_transaction_value_message, version, &rest, arena, &value, &error) || value.status < 0 ||
        value.status >= TRANSACTION_STATE_COUNT) {
        service_log_write(transactions->broker->service_log, LOG_WARN, LOGGER,
            "A record of transactional.id %.*s at offset %lld of %s cannot be read and is passed over",
            BYTES_ARGS(key.transactional_id), (long long)record->offset, KAFKA_TRANSACTIONS_TOPIC);
        return;
    }
    take_value(transaction_make(transactions, key.transactional_id), &value);
}

static void load_batch(void *argument, const struct record_batch *batch) {
    struct loader *loader = argument;
    if (!(batch->attributes & RECORD_BATCH_CONTROL))
        replay_records(batch, &loader->arena, load_record, loader);
}

static bool load_partition(struct transactions *transactions, struct partition_log *log, struct error *error) {
    struct loader loader = {.transactions = transactions};
    bool ok = replay_partition(log, load_batch, &loader, error);
    arena_destroy(&loader.arena);
    return ok;
}

bool transactions_load(struct transactions *transactions, struct error *error) {
    struct topic *topic = topic_find(transactions->broker, BYTES(KAFKA_TRANSACTIONS_TOPIC));
    for (int32_t i = 0; topic && i < topic->partition_count; i++)
        if (log_end_offset(topic->logs[i]) > log_start_offset(topic->logs[i]) &&
            !load_partition(transactions, topic->logs[i], error))
            return false;
    return true;
}
