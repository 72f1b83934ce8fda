/* groups_store.c: groups and offsets as records of __consumer_offsets, byte for byte as Kafka's coordinator writes
 * them, so that a real broker can go on with our directory and we with its.
 *
 * A key is int16 kind (1 offset of a group, topic and partition; 2 membership of a group), then the key's fields; a
 * value is int16 version, then the value's fields; no value deletes. Both kinds of one group lie in partition
 * abs(javaHash(group)) mod partitions. The kinds of the newer protocol are in consumer_group_store.c; other kinds
 * belong to group types that are not served here and are left as they are. */
#include "kafka/groups.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "kafka/consumer_group.h"
#include "kafka/replay.h"
#include "wire/record_batch.h"

#define LOGGER "kafka.coordinator.group.GroupMetadataManager"

enum { KIND_OFFSET_OLD = 0, KIND_OFFSET = 1, KIND_GROUP = 2 };
enum { OFFSET_VALUE_VERSION = 3, GROUP_VALUE_VERSION = 3 };

/* ---- where a group lives ---- */

/* Java's String.hashCode: over UTF-16 units. Group ids come as UTF-8. */
static int32_t java_hash(struct bytes text) {
    uint32_t hash = 0;
    for (size_t i = 0; i < text.size;) {
        uint32_t byte = text.data[i], code = byte, more = byte < 0x80 ? 0 : byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
        if (more > 0)
            code = byte & (0x3fu >> more);
        i++;
        for (; more > 0 && i < text.size; more--, i++)
            code = code << 6 | (text.data[i] & 0x3f);
        if (code >= 0x10000) {
            hash = hash * 31 + (0xd800 + ((code - 0x10000) >> 10));
            code = 0xdc00 + ((code - 0x10000) & 0x3ff);
        }
        hash = hash * 31 + code;
    }
    return (int32_t)hash;
}

int32_t group_partition(struct bytes group_id, int32_t partition_count) {
    int32_t hash = java_hash(group_id);
    return hash == INT32_MIN ? 0 : (hash < 0 ? -hash : hash) % partition_count;
}

/* ---- offsets in memory ---- */

static struct bytes offset_key(struct bytes topic, int32_t partition, uint8_t out[260]) {
    size_t size = topic.size < 250 ? topic.size : 250;
    memcpy(out, topic.data, size);
    out[size] = 0;
    memcpy(out + size + 1, &partition, 4);
    return bytes_make(out, size + 5);
}

struct committed_offset *group_offset(struct group *group, struct bytes topic, int32_t partition) {
    uint8_t memory[260];
    return map_get(&group->offsets, offset_key(topic, partition, memory));
}

struct committed_offset *group_set_offset(struct group *group, struct bytes topic, int32_t partition, int64_t offset,
    int32_t leader_epoch, struct bytes metadata, int64_t commit_ms) {
    uint8_t memory[260];
    struct bytes key = offset_key(topic, partition, memory);
    struct committed_offset *committed = map_get(&group->offsets, key);
    if (!committed) {
        committed = calloc(1, sizeof *committed);
        ASSERT(committed);
        committed->topic = strndup((const char *)topic.data, topic.size);
        committed->partition = partition;
        map_set(&group->offsets, key, committed);
    }
    free(committed->metadata);
    committed->metadata = metadata.data ? strndup((const char *)metadata.data, metadata.size) : strdup("");
    committed->offset = offset;
    committed->leader_epoch = leader_epoch;
    committed->commit_ms = commit_ms;
    return committed;
}

void group_drop_offset(struct group *group, struct committed_offset *offset) {
    uint8_t memory[260];
    map_remove(&group->offsets, offset_key(bytes_from_text(offset->topic), offset->partition, memory));
    free(offset->topic);
    free(offset->metadata);
    free(offset);
}

/* ---- writing ---- */

void group_batch_begin(struct group_batch *batch, struct groups *groups, struct group *group) {
    *batch = (struct group_batch){.groups = groups, .group = group, .producer_id = -1, .producer_epoch = -1};
}

static void encode(
    struct buffer *out, int16_t prefix, const struct wire_message *message, int16_t version, const void *value) {
    struct error error = {0};
    store_be16(buffer_extend(out, 2), (uint16_t)prefix);
    bool ok = wire_encode(message, version, value, out, NULL, &error);
    ASSERT(ok);
}

void group_batch_record(struct group_batch *batch, int16_t kind, const struct wire_message *key_message,
    const void *key, const struct wire_message *value_message, int16_t value_version, const void *value) {
    struct buffer *bytes = &batch->records.bytes;
    struct group_record *record = VECTOR_ADD(&batch->records.list);
    *record = (struct group_record){.key_at = bytes->size, .tombstone = !value};
    encode(bytes, kind, key_message, 0, key);
    record->key_size = bytes->size - record->key_at;
    record->value_at = bytes->size;
    if (value)
        encode(bytes, value_version, value_message, value_version, value);
    record->value_size = bytes->size - record->value_at;
}

void group_batch_offset(struct group_batch *batch, const struct committed_offset *offset, bool tombstone) {
    struct kafka_offset_commit_key key = {
        bytes_from_text(batch->group->id), bytes_from_text(offset->topic), offset->partition};
    struct kafka_offset_commit_value value;
    wire_set_defaults(&kafka_offset_commit_value_struct, &value);
    value.offset = offset->offset;
    value.leader_epoch = offset->leader_epoch;
    value.metadata = bytes_from_text(offset->metadata);
    value.commit_timestamp = offset->commit_ms;
    group_batch_record(batch, KIND_OFFSET, &kafka_offset_commit_key_message, &key, &kafka_offset_commit_value_message,
        OFFSET_VALUE_VERSION, tombstone ? NULL : &value);
}

static void fill_members(struct group *group, struct arena *arena, struct kafka_group_metadata_value *value) {
    WIRE_ARRAY(arena, &value->members, &kafka_group_metadata_value_member_struct, group->member_count);
    int32_t count = 0;
    LIST_FOR_EACH(node, &group->members) {
        const struct member *member = CONTAINER_OF(node, struct member, node);
        const struct member_protocol *protocol = member_protocol(member, group->protocol_name);
        struct kafka_group_metadata_value_member *out = &value->members.items[count++];
        out->member_id = bytes_from_text(member->id);
        out->instance_id = bytes_from_text(member->instance_id);
        out->client_id = bytes_from_text(member->client_id);
        out->client_host = bytes_from_text(member->client_host);
        out->rebalance_timeout_ms = member->rebalance_timeout_ms;
        out->session_timeout_ms = member->session_timeout_ms;
        out->metadata = protocol ? buffer_view(&protocol->metadata) : BYTES("");
        out->assignment = buffer_view(&member->assignment);
    }
}

void group_batch_metadata(struct group_batch *batch, bool tombstone) {
    struct group *group = batch->group;
    struct arena arena = {0};
    struct kafka_group_metadata_key key = {bytes_from_text(group->id)};
    struct kafka_group_metadata_value value;
    wire_set_defaults(&kafka_group_metadata_value_struct, &value);
    value.protocol_type = bytes_from_text(group->protocol_type);
    value.generation = group->generation;
    value.protocol_name = bytes_from_text(group->protocol_name);
    value.leader = group->leader ? bytes_from_text(group->leader->id) : BYTES_NULL;
    value.state_timestamp = group->state_wall_ms;
    fill_members(group, &arena, &value);
    group_batch_record(batch, KIND_GROUP, &kafka_group_metadata_key_message, &key, &kafka_group_metadata_value_message,
        GROUP_VALUE_VERSION, tombstone ? NULL : &value);
    arena_destroy(&arena);
}

static void add_records(
    struct record_builder *builder, const struct group_records *records, int64_t time_ms, int64_t *offset) {
    for (size_t i = 0; i < records->list.count; i++) {
        const struct group_record *record = &records->list.items[i];
        struct bytes key = bytes_make(records->bytes.data + record->key_at, record->key_size);
        struct bytes value = bytes_make(records->bytes.data + record->value_at, record->value_size);
        record_builder_add(builder, (*offset)++, time_ms, key, record->tombstone ? BYTES_NULL : value, BYTES_NULL, 0);
    }
}

static bool takes_unstored(const struct group_batch *batch) {
    return batch->group && batch->producer_id < 0 && batch->group->unstored.list.count > 0;
}

static void build_batch(const struct group_batch *batch, int64_t time_ms, int32_t leader_epoch, struct buffer *out) {
    struct record_builder builder;
    int64_t offset = 0;
    record_builder_begin(&builder, out, 0, batch->producer_id >= 0 ? RECORD_BATCH_TRANSACTIONAL : 0);
    if (takes_unstored(batch))
        add_records(&builder, &batch->group->unstored, time_ms, &offset);
    add_records(&builder, &batch->records, time_ms, &offset);
    record_builder_end(&builder, batch->producer_id, batch->producer_epoch, -1, leader_epoch);
}

static void free_records(struct group_records *records) {
    buffer_free(&records->bytes);
    VECTOR_FREE(&records->list);
}

/* After a batch: what was kept before is stored with it now, or what is in it is kept. */
static void settle_unstored(struct group_batch *batch, bool stored) {
    struct group_records *unstored = batch->group ? &batch->group->unstored : NULL;
    if (stored && takes_unstored(batch)) {
        free_records(unstored);
    } else if (!stored && batch->is_kept) {
        size_t base = unstored->bytes.size;
        for (size_t i = 0; i < batch->records.list.count; i++) {
            struct group_record record = batch->records.list.items[i];
            record.key_at += base;
            record.value_at += base;
            VECTOR_PUSH(&unstored->list, record);
        }
        buffer_append_bytes(&unstored->bytes, buffer_view(&batch->records.bytes));
    }
    free_records(&batch->records);
}

int16_t group_batch_commit(struct group_batch *batch, struct partition_log **log, int64_t *last_offset) {
    struct broker *broker = batch->groups->broker;
    struct error error = {0};
    int16_t code = KAFKA_NONE;
    if (batch->records.list.count > 0 || takes_unstored(batch)) {
        struct topic *topic = topic_offsets(broker, &error);
        int32_t index = topic ? group_partition(bytes_from_text(batch->group->id), topic->partition_count) : -1;
        struct partition_log *target = topic ? topic_log(topic, index) : NULL;
        if (target) {
            struct buffer out = {0};
            struct log_append_options options = {
                .leader_epoch = topic->leader_epochs[index], .checksum_verified = true, .from_coordinator = true};
            struct log_append_result result = {0};
            build_batch(batch, world_wall_ms(broker->world), options.leader_epoch, &out);
            code = kafka_error_from_status(log_append(target, out.data, out.size, &options, &result, &error));
            buffer_free(&out);
            broker->internal_failure = error;
            if (log) {
                *log = target;
                *last_offset = result.last_offset;
            }
        } else {
            code = KAFKA_COORDINATOR_NOT_AVAILABLE;
        }
        if (code != KAFKA_NONE)
            service_log_write(broker->service_log, LOG_ERROR, LOGGER,
                "[GroupMetadataManager brokerId=%d] Storing group %s failed: %s", broker->node_id, batch->group->id,
                error.message);
    }
    settle_unstored(batch, code == KAFKA_NONE);
    return code;
}

int16_t group_store(struct groups *groups, struct group *group) {
    struct group_batch batch;
    group_batch_begin(&batch, groups, group);
    group_batch_metadata(&batch, false);
    return group_batch_commit(&batch, NULL, NULL);
}

/* ---- deleting ---- */

int16_t group_delete(struct groups *groups, struct group *group) {
    struct group_batch batch;
    group_batch_begin(&batch, groups, group);
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&group->offsets, &cursor));)
        group_batch_offset(&batch, entry->value, true);
    for (size_t i = 0; i < group->unsettled.count; i++)
        group_batch_offset(&batch, &group->unsettled.items[i].offset, true);
    if (group->consumer)
        consumer_record_nothing_left(&batch);
    else
        group_batch_metadata(&batch, true);
    int16_t code = group_batch_commit(&batch, NULL, NULL);
    if (code == KAFKA_NONE)
        group_free(groups, group);
    return code;
}

void groups_topic_deleted(struct groups *groups, const char *topic) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&groups->by_id, &cursor));) {
        struct group *group = entry->value;
        struct group_batch batch;
        group_batch_begin(&batch, groups, group);
        size_t position = 0;
        for (struct map_entry *offset; (offset = map_next(&group->offsets, &position));) {
            struct committed_offset *committed = offset->value;
            if (strcmp(committed->topic, topic) != 0)
                continue;
            group_batch_offset(&batch, committed, true);
            group_drop_offset(group, committed);
        }
        for (size_t i = group->unsettled.count; i > 0; i--) {
            const struct committed_offset *offset = &group->unsettled.items[i - 1].offset;
            if (strcmp(offset->topic, topic) != 0)
                continue;
            group_batch_offset(&batch, offset, true);
            group_drop_unsettled(group, bytes_from_text(topic), offset->partition);
            i = group->unsettled.count + 1; /* several may have gone */
        }
        group_batch_commit(&batch, NULL, NULL);
    }
}

void groups_expire(struct groups *groups) {
    struct broker *broker = groups->broker;
    int64_t now = world_wall_ms(broker->world);
    int64_t retention_ms = config_integer(&broker->config, "offsets.retention.minutes") * 60000;
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&groups->by_id, &cursor));) {
        struct group *group = entry->value;
        if (group->state != GROUP_EMPTY || group_has_members(group))
            continue;
        struct group_batch batch;
        group_batch_begin(&batch, groups, group);
        size_t position = 0;
        for (struct map_entry *offset; (offset = map_next(&group->offsets, &position));) {
            struct committed_offset *committed = offset->value;
            /* The clock starts when the group became empty; offsets without a group count from their commit. */
            int64_t since = group->protocol_type && group->state_wall_ms > committed->commit_ms ? group->state_wall_ms
                                                                                                : committed->commit_ms;
            if (now - since < retention_ms ||
                group_is_unsettled(group, bytes_from_text(committed->topic), committed->partition))
                continue;
            group_batch_offset(&batch, committed, true);
            group_drop_offset(group, committed);
        }
        bool gone = group->offsets.count == 0 && group->unsettled.count == 0 && group->member_count == 0 &&
                    group->pending.count == 0 && now - group->state_wall_ms >= retention_ms;
        if (gone && group->consumer)
            consumer_record_nothing_left(&batch);
        else if (gone)
            group_batch_metadata(&batch, true);
        group_batch_commit(&batch, NULL, NULL);
        if (gone)
            group_free(groups, group);
    }
}

/* ---- loading ---- */

struct loader {
    struct groups *groups;
    int32_t partition;   /* of __consumer_offsets */
    int64_t producer_id; /* of the transaction that the batch belongs to, -1 none */
    struct arena arena;  /* of a record */
};

static void load_offset(struct loader *loader, struct bytes key, struct bytes value, int64_t log_offset) {
    struct groups *groups = loader->groups;
    struct arena *arena = &loader->arena;
    struct error error = {0};
    struct kafka_offset_commit_key where;
    struct kafka_offset_commit_value what;
    if (!wire_decode(&kafka_offset_commit_key_message, 0, &key, arena, &where, &error))
        return;
    if (!value.data) {
        struct group *group = group_find(groups, where.group);
        struct committed_offset *committed = group ? group_offset(group, where.topic, where.partition) : NULL;
        if (committed)
            group_drop_offset(group, committed);
        if (group)
            group_drop_unsettled(group, where.topic, where.partition);
        return;
    }
    if (value.size < 2)
        return;
    int16_t version = (int16_t)load_be16(value.data);
    struct bytes rest = bytes_slice(value, 2, value.size - 2);
    if (!wire_decode(&kafka_offset_commit_value_message, version, &rest, arena, &what, &error))
        return;
    struct group *group = group_make(groups, where.group);
    if (loader->producer_id < 0) {
        group_set_offset(
            group, where.topic, where.partition, what.offset, what.leader_epoch, what.metadata, what.commit_timestamp)
            ->log_offset = log_offset;
        return;
    }
    struct committed_offset offset = {.topic = arena_text(arena, where.topic),
        .partition = where.partition,
        .offset = what.offset,
        .leader_epoch = what.leader_epoch,
        .metadata = arena_text(arena, what.metadata),
        .commit_ms = what.commit_timestamp,
        .log_offset = log_offset};
    group_add_unsettled(groups, group, loader->partition, loader->producer_id, &offset);
}

static void load_members(struct groups *groups, struct group *group, const struct kafka_group_metadata_value *value) {
    for (int32_t i = 0; i < value->members.count; i++) {
        const struct kafka_group_metadata_value_member *stored = &value->members.items[i];
        char id[600], client_id[300], client_host[100];
        snprintf(id, sizeof id, "%.*s", BYTES_ARGS(stored->member_id));
        snprintf(client_id, sizeof client_id, "%.*s", BYTES_ARGS(stored->client_id));
        snprintf(client_host, sizeof client_host, "%.*s", BYTES_ARGS(stored->client_host));
        struct member *member = member_add(group, id, stored->instance_id, client_id, client_host);
        member->session_timeout_ms = stored->session_timeout_ms;
        member->rebalance_timeout_ms =
            stored->rebalance_timeout_ms < 0 ? stored->session_timeout_ms : stored->rebalance_timeout_ms;
        member_set_protocol(member, value->protocol_name, stored->metadata);
        buffer_append_bytes(&member->assignment, stored->assignment);
        member->synced = true;
        if (value->leader.data && bytes_equal(value->leader, stored->member_id))
            group->leader = member;
        member_touch(groups, member);
    }
}

static void clear_group(struct groups *groups, struct group *group) {
    /* Later records replace earlier ones; the offsets stay. */
    struct group kept = *group;
    group->offsets = (struct map){0};
    memset(&group->unsettled, 0, sizeof group->unsettled);
    char *id = strdup(group->id);
    group_free(groups, group);
    group = group_make(groups, bytes_from_text(id));
    group->offsets = kept.offsets;
    memcpy(&group->unsettled, &kept.unsettled, sizeof group->unsettled);
    free(id);
}

static void load_group(struct groups *groups, struct bytes key, struct bytes value, struct arena *arena) {
    struct error error = {0};
    struct kafka_group_metadata_key where;
    struct kafka_group_metadata_value what;
    if (!wire_decode(&kafka_group_metadata_key_message, 0, &key, arena, &where, &error))
        return;
    struct group *group = group_find(groups, where.group);
    if (!value.data && (!group || group->consumer))
        return;
    if (group)
        clear_group(groups, group);
    group = group_make(groups, where.group);
    if (!value.data) {
        if (group->offsets.count == 0 && group->unsettled.count == 0)
            group_free(groups, group);
        return;
    }
    if (value.size < 2)
        return;
    int16_t version = (int16_t)load_be16(value.data);
    struct bytes rest = bytes_slice(value, 2, value.size - 2);
    if (!wire_decode(&kafka_group_metadata_value_message, version, &rest, arena, &what, &error))
        return;
    group->protocol_type = strndup((const char *)what.protocol_type.data, what.protocol_type.size);
    group->protocol_name =
        what.protocol_name.data ? strndup((const char *)what.protocol_name.data, what.protocol_name.size) : NULL;
    group->generation = what.generation;
    if (what.state_timestamp >= 0)
        group->state_wall_ms = what.state_timestamp;
    load_members(groups, group, &what);
    group->state = group->member_count > 0 ? GROUP_STABLE : GROUP_EMPTY;
}

static void load_record(void *argument, const struct record *record) {
    struct loader *loader = argument;
    if (record->key.size < 2)
        return;
    int16_t kind = (int16_t)load_be16(record->key.data);
    struct bytes key = bytes_slice(record->key, 2, record->key.size - 2);
    if (kind == KIND_OFFSET || kind == KIND_OFFSET_OLD)
        load_offset(loader, key, record->value, record->offset);
    else if (kind == KIND_GROUP)
        load_group(loader->groups, key, record->value, &loader->arena);
    else
        consumer_load_record(loader->groups, kind, key, record->value, &loader->arena);
}

static void load_batch(void *argument, const struct record_batch *batch) {
    struct loader *loader = argument;
    if (batch->attributes & RECORD_BATCH_CONTROL) {
        struct record_reader reader;
        struct record record;
        struct error error = {0};
        record_reader_init(&reader, batch, batch->records);
        /* The key of a marker: int16 version, int16 0 abort or 1 commit. */
        if (record_reader_next(&reader, &record, &error) && record.key.size >= 4)
            groups_transaction_ended(
                loader->groups, loader->partition, batch->producer_id, load_be16(record.key.data + 2) == 1);
    } else {
        loader->producer_id = batch->attributes & RECORD_BATCH_TRANSACTIONAL ? batch->producer_id : -1;
        replay_records(batch, &loader->arena, load_record, loader);
    }
}

static bool load_partition(struct groups *groups, int32_t partition, struct partition_log *log, struct error *error) {
    struct loader loader = {.groups = groups, .partition = partition};
    bool ok = replay_partition(log, load_batch, &loader, error);
    arena_destroy(&loader.arena);
    return ok;
}

bool groups_load(struct groups *groups, struct error *error) {
    struct broker *broker = groups->broker;
    struct topic *topic = topic_find(broker, BYTES(KAFKA_OFFSETS_TOPIC));
    if (!topic)
        return true;
    int64_t started_ns = world_monotonic_ns(broker->world);
    for (int32_t i = 0; i < topic->partition_count; i++)
        if (topic->logs[i] && log_end_offset(topic->logs[i]) > log_start_offset(topic->logs[i]) &&
            !load_partition(groups, i, topic->logs[i], error))
            return false;
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&groups->by_id, &cursor));)
        if (((struct group *)entry->value)->consumer)
            consumer_group_loaded(groups, entry->value);
    service_log_write(broker->service_log, LOG_INFO, LOGGER,
        "[GroupMetadataManager brokerId=%d] Finished loading offsets and group metadata of %zu groups from "
        "__consumer_offsets in %lld "
        "milliseconds.",
        broker->node_id, groups->by_id.count, (long long)((world_monotonic_ns(broker->world) - started_ns) / 1000000));
    return true;
}
