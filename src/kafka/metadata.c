/* metadata.c: the image of the cluster metadata and the changes to it.
 *
 * A record's value is: unsigned varint frame version 1, unsigned varint record type, unsigned varint record version,
 * then the record in flexible form (schema/kafka/kraft.kafka). Every change is built as one record batch, appended, and
 * then replayed into the image exactly as a later start will replay it. */
#include "kafka/metadata_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

#define PARTITIONS_MAX 10000 /* records per request, as Kafka's controller */
#define FRAME_VERSION 1

/* ---- the image ---- */

static struct bytes id_key(const struct uuid *id) {
    return bytes_make(id->bytes, sizeof id->bytes);
}

static struct config_image *find_config(
    struct metadata *metadata, enum metadata_resource resource, struct bytes name, bool make) {
    char key[400];
    snprintf(key, sizeof key, "%d %.*s", (int)resource, BYTES_ARGS(name));
    struct config_image *config = map_get_text(&metadata->configs, key);
    if (!config && make) {
        config = calloc(1, sizeof *config);
        ASSERT(config);
        config->resource = resource;
        config->name = strndup((const char *)(name.data ? name.data : (const uint8_t *)""), name.size);
        map_set_text(&metadata->configs, key, config);
    }
    return config;
}

static void free_settings(struct map *settings) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(settings, &cursor));)
        free(entry->value);
    map_free(settings);
    *settings = (struct map){0};
}

static void forget_config(struct metadata *metadata, enum metadata_resource resource, struct bytes name) {
    struct config_image *config = find_config(metadata, resource, name, false);
    if (!config)
        return;
    char key[400];
    snprintf(key, sizeof key, "%d %.*s", (int)resource, BYTES_ARGS(name));
    map_remove(&metadata->configs, bytes_from_text(key));
    free_settings(&config->settings);
    free(config->name);
    free(config);
}

static void free_topic(struct topic_image *image) {
    free_settings(&image->topic.configs);
    VECTOR_FREE(&image->partitions);
    VECTOR_FREE(&image->images);
    free(image->topic.name);
    free(image);
}

static void set_setting(struct map *settings, struct bytes name, struct bytes value) {
    if (value.data)
        free(map_set(settings, name, strndup((const char *)value.data, value.size)));
    else
        free(map_remove(settings, name));
}

static struct topic_image *image_of(struct metadata *metadata, struct uuid id) {
    return map_get(&metadata->topics_by_id, id_key(&id));
}

static void replay_topic(struct metadata *metadata, const struct kafka_topic_record *record) {
    if (image_of(metadata, record->topic_id))
        return;
    struct topic_image *image = calloc(1, sizeof *image);
    ASSERT(image);
    image->topic.name = strndup((const char *)record->name.data, record->name.size);
    image->topic.id = record->topic_id;
    struct config_image *config = find_config(metadata, METADATA_TOPIC, record->name, false);
    size_t cursor = 0;
    for (struct map_entry *entry; config && (entry = map_next(&config->settings, &cursor));)
        set_setting(&image->topic.configs, entry->key, bytes_from_text(entry->value));
    map_set(&metadata->topics, record->name, image);
    map_set(&metadata->topics_by_id, id_key(&image->topic.id), image);
}

static bool contains(const int32_t *items, int32_t count, int32_t value) {
    for (int32_t i = 0; i < count; i++)
        if (items[i] == value)
            return true;
    return false;
}

static bool replay_partition(
    struct metadata *metadata, const struct kafka_partition_record *record, struct error *error) {
    struct topic_image *image = image_of(metadata, record->topic_id);
    if (!image || record->partition_id < 0 || record->partition_id > 1000000)
        return error_set(error, ERROR_CORRUPT, "partition %d of a topic that does not exist", record->partition_id);
    while (image->partitions.count <= (size_t)record->partition_id) {
        VECTOR_PUSH(
            &image->partitions, ((struct metadata_partition){.index = (int32_t)image->partitions.count, .leader = -1}));
        VECTOR_PUSH(&image->images, ((struct partition_image){0}));
    }
    image->partitions.items[record->partition_id] = (struct metadata_partition){
        .index = record->partition_id,
        .leader = record->leader,
        .leader_epoch = record->leader_epoch,
        .partition_epoch = record->partition_epoch,
    };
    image->images.items[record->partition_id] = (struct partition_image){
        .known = true,
        .is_replica = contains(record->replicas.items, record->replicas.count, metadata->node_id),
        .has_eligible = record->eligible_leaders.count > 0 || record->last_known_leaders.count > 0,
    };
    image->topic.partitions = image->partitions.items;
    image->topic.partition_count = (int32_t)image->partitions.count;
    return true;
}

static bool replay_partition_change(
    struct metadata *metadata, const struct kafka_partition_change_record *record, struct error *error) {
    struct topic_image *image = image_of(metadata, record->topic_id);
    if (!image || record->partition_id < 0 || (size_t)record->partition_id >= image->partitions.count)
        return error_set(error, ERROR_CORRUPT, "a change of partition %d that does not exist", record->partition_id);
    struct metadata_partition *partition = &image->partitions.items[record->partition_id];
    struct partition_image *more = &image->images.items[record->partition_id];
    if (record->leader != -2) {
        partition->leader = record->leader;
        partition->leader_epoch++;
    }
    partition->partition_epoch++;
    if (record->replicas.count >= 0)
        more->is_replica = contains(record->replicas.items, record->replicas.count, metadata->node_id);
    if (record->eligible_leaders.count >= 0 || record->last_known_leaders.count >= 0)
        more->has_eligible = record->eligible_leaders.count > 0 || record->last_known_leaders.count > 0;
    return true;
}

static void replay_config(struct metadata *metadata, const struct kafka_config_record *record) {
    enum metadata_resource resource = (enum metadata_resource)record->resource_type;
    struct config_image *config = find_config(metadata, resource, record->resource_name, true);
    set_setting(&config->settings, record->name, record->value);
    struct topic_image *image = resource == METADATA_TOPIC ? map_get(&metadata->topics, record->resource_name) : NULL;
    if (image)
        set_setting(&image->topic.configs, record->name, record->value);
}

static void replay_remove_topic(struct metadata *metadata, struct uuid id) {
    struct topic_image *image = image_of(metadata, id);
    if (!image)
        return;
    forget_config(metadata, METADATA_TOPIC, bytes_from_text(image->topic.name));
    map_remove(&metadata->topics_by_id, id_key(&id));
    map_remove(&metadata->topics, bytes_from_text(image->topic.name));
    free_topic(image);
}

static void replay_feature(struct metadata *metadata, const struct kafka_feature_level_record *record) {
    for (size_t i = 0; i < metadata->features.count; i++)
        if (bytes_equal_text(record->name, metadata->features.items[i].name)) {
            metadata->features.items[i].level = record->level;
            return;
        }
    VECTOR_PUSH(&metadata->features,
        ((struct feature){strndup((const char *)record->name.data, record->name.size), record->level}));
}

union any_record {
    struct kafka_topic_record topic;
    struct kafka_partition_record partition;
    struct kafka_config_record config;
    struct kafka_partition_change_record partition_change;
    struct kafka_remove_topic_record remove_topic;
    struct kafka_feature_level_record feature;
    struct kafka_producer_ids_record producer_ids;
};

static bool take_record(struct metadata *metadata, int16_t key, const union any_record *record, struct error *error) {
    switch (key) {
    case 2:
        replay_topic(metadata, &record->topic);
        return true;
    case 3:
        return replay_partition(metadata, &record->partition, error);
    case 4:
        replay_config(metadata, &record->config);
        return true;
    case 5:
        return replay_partition_change(metadata, &record->partition_change, error);
    case 9:
        replay_remove_topic(metadata, record->remove_topic.topic_id);
        return true;
    case 12:
        replay_feature(metadata, &record->feature);
        return true;
    case 15:
        metadata->next_producer_id = record->producer_ids.next_producer_id;
        return true;
    default:
        UNREACHABLE();
    }
}

/* Types that change the image; all others are left alone. */
static const struct wire_message *const image_messages[] = {
    &kafka_topic_record_message,
    &kafka_partition_record_message,
    &kafka_config_record_message,
    &kafka_partition_change_record_message,
    &kafka_remove_topic_record_message,
    &kafka_feature_level_record_message,
    &kafka_producer_ids_record_message,
};

static void end_transaction(struct metadata *metadata) {
    for (size_t i = 0; i < metadata->transaction.count; i++)
        buffer_free(&metadata->transaction.items[i]);
    VECTOR_FREE(&metadata->transaction);
    metadata->in_transaction = false;
}

static bool replay_transaction(struct metadata *metadata, struct error *error) {
    bool ok = true;
    metadata->in_transaction = false;
    for (size_t i = 0; ok && i < metadata->transaction.count; i++)
        ok = metadata_replay(metadata, buffer_view(&metadata->transaction.items[i]), error);
    end_transaction(metadata);
    return ok;
}

bool metadata_replay(struct metadata *metadata, struct bytes value, struct error *error) {
    struct bytes rest = value;
    uint32_t frame, key, version;
    if (!uvarint_read(&rest, &frame) || !uvarint_read(&rest, &key) || !uvarint_read(&rest, &version))
        return error_set(error, ERROR_CORRUPT, "a metadata record is cut off");
    if (frame != FRAME_VERSION)
        return error_set(
            error, ERROR_UNSUPPORTED, "metadata records have frame version %u, this program knows 1", frame);
    if (key == (uint32_t)kafka_begin_transaction_record_message.key) {
        end_transaction(metadata);
        metadata->in_transaction = true;
        return true;
    }
    if (key == (uint32_t)kafka_end_transaction_record_message.key)
        return replay_transaction(metadata, error);
    if (key == (uint32_t)kafka_abort_transaction_record_message.key) {
        end_transaction(metadata);
        return true;
    }
    if (metadata->in_transaction) {
        struct buffer copy = {0};
        buffer_append_bytes(&copy, value);
        VECTOR_PUSH(&metadata->transaction, copy);
        return true;
    }
    for (size_t i = 0; i < ARRAY_COUNT(image_messages); i++) {
        const struct wire_message *message = image_messages[i];
        if ((uint32_t)message->key != key)
            continue;
        struct arena arena = {0};
        union any_record record;
        bool ok = version <= INT16_MAX && wire_decode(message, (int16_t)version, &rest, &arena, &record, error) &&
                  take_record(metadata, message->key, &record, error);
        arena_destroy(&arena);
        return ok || error_prefix(error, "%s record of version %u", message->name, version);
    }
    return true;
}

bool metadata_replay_batches(struct metadata *metadata, struct bytes batches, struct error *error) {
    while (batches.size > 0) {
        struct record_batch batch;
        if (record_batch_parse(batches, &batch) != RECORD_BATCH_OK || !record_batch_checksum_ok(&batch))
            return error_set(error, ERROR_CORRUPT, "a record batch is damaged");
        batches = bytes_slice(batches, batch.whole.size, batches.size - batch.whole.size);
        if (batch.attributes & RECORD_BATCH_CONTROL)
            continue;
        struct record_reader reader;
        struct record record;
        error->code = ERROR_NONE;
        record_reader_init(&reader, &batch, batch.records);
        while (record_reader_next(&reader, &record, error))
            if (!metadata_replay(metadata, record.value, error))
                return error_prefix(error, "offset %lld", (long long)record.offset);
        if (error->code != ERROR_NONE)
            return false;
    }
    return true;
}

/* ---- changes ---- */

void change_begin(struct change *change, struct metadata *metadata, int16_t attributes) {
    *change = (struct change){.metadata = metadata, .now_ms = world_wall_ms(metadata->world)};
    record_builder_begin(&change->builder, &change->bytes, 0, attributes);
}

bool change_add(struct change *change, const struct wire_message *message, int16_t version, const void *record,
    struct error *error) {
    struct buffer value = {0};
    uvarint_append(&value, FRAME_VERSION);
    uvarint_append(&value, (uint32_t)message->key);
    uvarint_append(&value, (uint32_t)version);
    if (!wire_encode(message, version, record, &value, NULL, error)) {
        buffer_free(&value);
        return false;
    }
    record_builder_add(
        &change->builder, change->builder.count, change->now_ms, BYTES_NULL, buffer_view(&value), BYTES_NULL, 0);
    VECTOR_PUSH(&change->values, value);
    return true;
}

void change_discard(struct change *change) {
    buffer_free(&change->bytes);
    for (size_t i = 0; i < change->values.count; i++)
        buffer_free(&change->values.items[i]);
    VECTOR_FREE(&change->values);
}

static void synced(void *argument, bool ok) {
}

bool change_commit(struct change *change, struct error *error) {
    struct metadata *metadata = change->metadata;
    record_builder_end(&change->builder, -1, -1, -1, metadata->epoch);
    struct log_append_options options = {
        .leader_epoch = metadata->epoch, .checksum_verified = true, .from_coordinator = true};
    struct log_append_result result;
    bool ok =
        log_append(metadata->log, change->bytes.data, change->bytes.size, &options, &result, error) == LOG_STATUS_OK;
    for (size_t i = 0; ok && i < change->values.count; i++)
        ok = metadata_replay(metadata, buffer_view(&change->values.items[i]), error);
    change_discard(change);
    if (ok)
        log_sync(metadata->log, synced, NULL);
    return ok;
}

static int16_t partition_version(const struct metadata *metadata) {
    return metadata_level(metadata, "metadata.version") >= METADATA_VERSION_DIRECTORIES ? 1 : 0;
}

static bool add_partition_record(struct change *change, struct uuid topic_id, int32_t index, struct error *error) {
    struct metadata *metadata = change->metadata;
    struct kafka_partition_record record;
    int32_t node = metadata->node_id;
    wire_set_defaults(&kafka_partition_record_struct, &record);
    record.partition_id = index;
    record.topic_id = topic_id;
    record.replicas.items = record.isr.items = &node;
    record.replicas.count = record.isr.count = 1;
    record.leader = node;
    record.leader_epoch = record.partition_epoch = 0;
    record.directories.items = &metadata->directory_id;
    record.directories.count = partition_version(metadata) >= 1 ? 1 : 0;
    return change_add(change, &kafka_partition_record_message, partition_version(metadata), &record, error);
}

static bool add_config_record(struct change *change, enum metadata_resource resource, const char *name,
    const struct metadata_setting *setting, struct error *error) {
    struct kafka_config_record record = {
        .resource_type = (int8_t)resource,
        .resource_name = bytes_from_text(name),
        .name = bytes_from_text(setting->name),
        .value = bytes_from_text(setting->value),
    };
    return change_add(change, &kafka_config_record_message, 0, &record, error);
}

/* Ids that collide or that Kafka reserves are not taken; nor one whose text starts with a hyphen. */
static struct uuid new_topic_id(struct metadata *metadata) {
    for (;;) {
        uint8_t random[16];
        char text[UUID_BASE64_SIZE];
        world_random(metadata->world, random, sizeof random);
        struct uuid id = uuid_from_random(random);
        uuid_format_base64(id, text);
        if (text[0] != '-' && !image_of(metadata, id))
            return id;
    }
}

struct metadata_topic *metadata_create_topic(struct metadata *metadata, const char *name, int32_t partition_count,
    const struct metadata_setting *settings, size_t setting_count, struct error *error) {
    if (metadata_find(metadata, bytes_from_text(name))) {
        error_set(error, ERROR_EXISTS, "Topic '%s' already exists.", name);
        return NULL;
    }
    if (partition_count < 1 || partition_count > PARTITIONS_MAX) {
        error_set(error, ERROR_LIMIT, "Excessively large number of partitions per request.");
        return NULL;
    }
    struct change change;
    change_begin(&change, metadata, 0);
    struct kafka_topic_record topic = {.name = bytes_from_text(name), .topic_id = new_topic_id(metadata)};
    bool ok = change_add(&change, &kafka_topic_record_message, 0, &topic, error);
    for (size_t i = 0; ok && i < setting_count; i++)
        if (settings[i].value)
            ok = add_config_record(&change, METADATA_TOPIC, name, &settings[i], error);
    for (int32_t i = 0; ok && i < partition_count; i++)
        ok = add_partition_record(&change, topic.topic_id, i, error);
    if (!ok) {
        change_discard(&change);
        return NULL;
    }
    return change_commit(&change, error) ? metadata_find_id(metadata, topic.topic_id) : NULL;
}

bool metadata_add_partitions(
    struct metadata *metadata, struct metadata_topic *topic, int32_t partition_count, struct error *error) {
    if (partition_count <= topic->partition_count || partition_count - topic->partition_count > PARTITIONS_MAX)
        return error_set(error, ERROR_INVALID, "Topic %s has %d partitions and cannot go to %d", topic->name,
            topic->partition_count, partition_count);
    struct change change;
    change_begin(&change, metadata, 0);
    bool ok = true;
    for (int32_t i = topic->partition_count; ok && i < partition_count; i++)
        ok = add_partition_record(&change, topic->id, i, error);
    if (!ok) {
        change_discard(&change);
        return false;
    }
    return change_commit(&change, error);
}

bool metadata_delete_topic(struct metadata *metadata, struct metadata_topic *topic, struct error *error) {
    struct change change;
    change_begin(&change, metadata, 0);
    struct kafka_remove_topic_record record = {.topic_id = topic->id};
    if (!change_add(&change, &kafka_remove_topic_record_message, 0, &record, error)) {
        change_discard(&change);
        return false;
    }
    return change_commit(&change, error);
}

bool metadata_set_configs(struct metadata *metadata, enum metadata_resource resource, const char *name,
    const struct metadata_setting *settings, size_t setting_count, struct error *error) {
    struct change change;
    change_begin(&change, metadata, 0);
    bool ok = true;
    size_t added = 0;
    const struct map *present = metadata_configs(metadata, resource, name);
    for (size_t i = 0; ok && i < setting_count; i++) {
        const char *old = present ? map_get_text(present, settings[i].name) : NULL;
        bool same = old && settings[i].value ? strcmp(old, settings[i].value) == 0 : !old && !settings[i].value;
        if (same)
            continue;
        ok = add_config_record(&change, resource, name, &settings[i], error);
        added++;
    }
    if (!ok || added == 0) {
        change_discard(&change);
        return ok;
    }
    return change_commit(&change, error);
}

bool metadata_take_producer_ids(struct metadata *metadata, int32_t count, int64_t *first, struct error *error) {
    ASSERT(count > 0);
    struct change change;
    change_begin(&change, metadata, 0);
    *first = metadata->next_producer_id;
    struct kafka_producer_ids_record record = {
        .broker_id = metadata->node_id,
        .broker_epoch = metadata->broker_epoch,
        .next_producer_id = metadata->next_producer_id + count,
    };
    if (!change_add(&change, &kafka_producer_ids_record_message, 0, &record, error)) {
        change_discard(&change);
        return false;
    }
    return change_commit(&change, error);
}

/* ---- looking ---- */

struct metadata_topic *metadata_find(struct metadata *metadata, struct bytes name) {
    struct topic_image *image = map_get(&metadata->topics, name);
    return image ? &image->topic : NULL;
}

struct metadata_topic *metadata_find_id(struct metadata *metadata, struct uuid id) {
    struct topic_image *image = image_of(metadata, id);
    return image ? &image->topic : NULL;
}

struct metadata_topic *metadata_next(struct metadata *metadata, size_t *cursor) {
    struct map_entry *entry = map_next(&metadata->topics, cursor);
    return entry ? &((struct topic_image *)entry->value)->topic : NULL;
}

size_t metadata_topic_count(const struct metadata *metadata) {
    return metadata->topics.count;
}

const struct map *metadata_configs(struct metadata *metadata, enum metadata_resource resource, const char *name) {
    struct config_image *config = find_config(metadata, resource, bytes_from_text(name), false);
    return config ? &config->settings : NULL;
}

void metadata_config_resources(
    struct metadata *metadata, enum metadata_resource resource, struct metadata_names *names) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&metadata->configs, &cursor));) {
        const struct config_image *config = entry->value;
        if (config->resource == resource && config->settings.count > 0)
            VECTOR_PUSH(names, config->name);
    }
}

bool metadata_set_feature(struct metadata *metadata, const char *name, int16_t level, struct error *error) {
    struct change change;
    struct kafka_feature_level_record record = {bytes_from_text(name), level};
    change_begin(&change, metadata, 0);
    if (!change_add(&change, &kafka_feature_level_record_message, 0, &record, error)) {
        change_discard(&change);
        return false;
    }
    return change_commit(&change, error);
}

int16_t metadata_level(const struct metadata *metadata, const char *feature) {
    for (size_t i = 0; i < metadata->features.count; i++)
        if (strcmp(metadata->features.items[i].name, feature) == 0)
            return metadata->features.items[i].level;
    return 0;
}

bool metadata_feature(const struct metadata *metadata, size_t index, const char **name, int16_t *level) {
    if (index >= metadata->features.count)
        return false;
    *name = metadata->features.items[index].name;
    *level = metadata->features.items[index].level;
    return true;
}

int64_t metadata_broker_epoch(const struct metadata *metadata) {
    return metadata->broker_epoch;
}

int32_t metadata_controller_epoch(const struct metadata *metadata) {
    return metadata->epoch;
}

int64_t metadata_end_offset(const struct metadata *metadata) {
    return log_end_offset(metadata->log);
}

/* ---- open and close ---- */

struct metadata *metadata_open(struct log_manager *logs, struct error *error) {
    struct metadata *metadata = calloc(1, sizeof *metadata);
    ASSERT(metadata);
    metadata->logs = logs;
    metadata->world = log_manager_world(logs);
    metadata->node_id = log_manager_node_id(logs);
    metadata->directory_id = log_manager_directory_id(logs);
    metadata->broker_epoch = -1;
    if (metadata_load(metadata, error))
        return metadata;
    error_prefix(error, "cluster metadata in %s/__cluster_metadata-0", log_manager_directory(logs));
    metadata_close(metadata);
    return NULL;
}

void metadata_close(struct metadata *metadata) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&metadata->topics, &cursor));)
        free_topic(entry->value);
    cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&metadata->configs, &cursor));) {
        struct config_image *config = entry->value;
        free_settings(&config->settings);
        free(config->name);
        free(config);
    }
    for (size_t i = 0; i < metadata->features.count; i++)
        free(metadata->features.items[i].name);
    VECTOR_FREE(&metadata->features);
    end_transaction(metadata);
    map_free(&metadata->topics);
    map_free(&metadata->topics_by_id);
    map_free(&metadata->configs);
    free(metadata);
}
