/* consumer_group_store.c: groups of the newer protocol as Kafka's records of __consumer_offsets: kind 3 the group, 5 a
 * member, 6 the target's epoch, 7 a member's target, 8 what a member has, 16 a regular expression with its topics. A
 * record of kind 3 makes a group one of this protocol. Compaction keeps the last record of each key, so a member's
 * records may come in any order. */
#include "kafka/consumer_group.h"

#include <stdlib.h>

#include "base/assert.h"

enum {
    KIND_GROUP = 3,
    KIND_SUBSCRIPTION_METADATA = 4, /* of brokers before 4.1; not needed */
    KIND_MEMBER = 5,
    KIND_TARGET = 6,
    KIND_TARGET_MEMBER = 7,
    KIND_CURRENT = 8,
    KIND_PATTERN = 16,
};

/* ---- writing ---- */

void consumer_record_group(struct group_batch *batch, bool tombstone) {
    struct kafka_consumer_group_key key = {bytes_from_text(batch->group->id)};
    const struct consumer_group *consumer = batch->group->consumer;
    struct kafka_consumer_group_value value = {.epoch = consumer->epoch, .metadata_hash = consumer->metadata_hash};
    group_batch_record(batch, KIND_GROUP, &kafka_consumer_group_key_message, &key, &kafka_consumer_group_value_message,
        0, tombstone ? NULL : &value);
}

static void fill_classic(
    const struct classic_membership *classic, struct arena *arena, struct kafka_consumer_group_member_value *value) {
    value->classic = wire_new(arena, &kafka_consumer_group_member_value_classic_struct, 1);
    value->classic->session_timeout_ms = classic->session_timeout_ms;
    WIRE_ARRAY(arena, &value->classic->protocols, &kafka_consumer_group_member_value_protocol_struct,
        classic->protocols.count);
    for (size_t i = 0; i < classic->protocols.count; i++) {
        value->classic->protocols.items[i].name = bytes_from_text(classic->protocols.items[i].name);
        value->classic->protocols.items[i].metadata = buffer_view(&classic->protocols.items[i].metadata);
    }
}

void consumer_record_member(struct group_batch *batch, const struct consumer_member *member, bool tombstone) {
    struct arena arena = {0};
    struct kafka_consumer_group_member_key key = {bytes_from_text(batch->group->id), bytes_from_text(member->id)};
    struct kafka_consumer_group_member_value value;
    wire_set_defaults(&kafka_consumer_group_member_value_struct, &value);
    value.instance_id = bytes_from_text(member->instance_id);
    value.rack_id = bytes_from_text(member->rack_id);
    value.client_id = bytes_from_text(member->client_id);
    value.client_host = bytes_from_text(member->client_host);
    value.topic_names.items = ARENA_ARRAY(&arena, struct bytes, member->topics.count + 1);
    value.topic_names.count = (int32_t)member->topics.count;
    for (size_t i = 0; i < member->topics.count; i++)
        value.topic_names.items[i] = bytes_from_text(member->topics.items[i]);
    value.topic_regex = bytes_from_text(member->topic_regex);
    value.rebalance_timeout_ms = member->rebalance_timeout_ms;
    value.assignor = bytes_from_text(member->assignor);
    if (member->classic)
        fill_classic(member->classic, &arena, &value);
    group_batch_record(batch, KIND_MEMBER, &kafka_consumer_group_member_key_message, &key,
        &kafka_consumer_group_member_value_message, 0, tombstone ? NULL : &value);
    arena_destroy(&arena);
}

void consumer_record_target(struct group_batch *batch, bool tombstone) {
    struct kafka_consumer_group_target_key key = {bytes_from_text(batch->group->id)};
    struct kafka_consumer_group_target_value value = {.assignment_epoch = batch->group->consumer->assignment_epoch,
        .assignment_time = world_wall_ms(batch->groups->broker->world)};
    group_batch_record(batch, KIND_TARGET, &kafka_consumer_group_target_key_message, &key,
        &kafka_consumer_group_target_value_message, 0, tombstone ? NULL : &value);
}

/* Lists of topics with their partitions, of three kinds with the same shape; epochs only where they are kept. */
struct topic_run {
    struct uuid topic;
    int32_t *partitions, *epochs;
    int32_t count;
};

static struct topic_run *runs_of(struct arena *arena, const struct partition_list *list, size_t *run_count) {
    struct topic_run *runs = ARENA_ARRAY(arena, struct topic_run, list->count + 1);
    int32_t *partitions = ARENA_ARRAY(arena, int32_t, list->count + 1);
    int32_t *epochs = ARENA_ARRAY(arena, int32_t, list->count + 1);
    *run_count = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (i == 0 || !uuid_equal(list->items[i].topic, list->items[i - 1].topic))
            runs[(*run_count)++] = (struct topic_run){list->items[i].topic, &partitions[i], &epochs[i], 0};
        partitions[i] = list->items[i].partition;
        epochs[i] = list->items[i].epoch;
        runs[*run_count - 1].count++;
    }
    return runs;
}

void consumer_record_target_member(struct group_batch *batch, const struct consumer_member *member, bool tombstone) {
    struct arena arena = {0};
    size_t count;
    struct topic_run *runs = runs_of(&arena, &member->target, &count);
    struct kafka_consumer_group_target_member_key key = {
        bytes_from_text(batch->group->id), bytes_from_text(member->id)};
    struct kafka_consumer_group_target_member_value value;
    WIRE_ARRAY(&arena, &value.partitions, &kafka_consumer_group_target_member_value_targeted_struct, count);
    for (size_t i = 0; i < count; i++) {
        value.partitions.items[i].topic_id = runs[i].topic;
        value.partitions.items[i].partitions.items = runs[i].partitions;
        value.partitions.items[i].partitions.count = runs[i].count;
    }
    group_batch_record(batch, KIND_TARGET_MEMBER, &kafka_consumer_group_target_member_key_message, &key,
        &kafka_consumer_group_target_member_value_message, 0, tombstone ? NULL : &value);
    arena_destroy(&arena);
}

void consumer_record_current(struct group_batch *batch, const struct consumer_member *member, bool tombstone) {
    struct arena arena = {0};
    size_t assigned_count, revoking_count;
    struct topic_run *assigned = runs_of(&arena, &member->assigned, &assigned_count);
    struct topic_run *revoking = runs_of(&arena, &member->revoking, &revoking_count);
    struct kafka_consumer_group_current_key key = {bytes_from_text(batch->group->id), bytes_from_text(member->id)};
    struct kafka_consumer_group_current_value value = {
        .epoch = member->epoch, .previous_epoch = member->previous_epoch, .state = (int8_t)member->state};
    WIRE_ARRAY(&arena, &value.assigned, &kafka_consumer_group_current_value_assigned_struct, assigned_count);
    WIRE_ARRAY(&arena, &value.revoking, &kafka_consumer_group_current_value_revoked_struct, revoking_count);
    for (size_t i = 0; i < assigned_count; i++) {
        value.assigned.items[i].topic_id = assigned[i].topic;
        value.assigned.items[i].partitions.items = assigned[i].partitions;
        value.assigned.items[i].epochs.items = assigned[i].epochs;
        value.assigned.items[i].partitions.count = value.assigned.items[i].epochs.count = assigned[i].count;
    }
    for (size_t i = 0; i < revoking_count; i++) {
        value.revoking.items[i].topic_id = revoking[i].topic;
        value.revoking.items[i].partitions.items = revoking[i].partitions;
        value.revoking.items[i].epochs.items = revoking[i].epochs;
        value.revoking.items[i].partitions.count = value.revoking.items[i].epochs.count = revoking[i].count;
    }
    group_batch_record(batch, KIND_CURRENT, &kafka_consumer_group_current_key_message, &key,
        &kafka_consumer_group_current_value_message, 0, tombstone ? NULL : &value);
    arena_destroy(&arena);
}

void consumer_record_pattern(
    struct group_batch *batch, struct bytes regex, const struct resolved_pattern *resolved, bool tombstone) {
    struct arena arena = {0};
    struct kafka_consumer_group_regex_key key = {bytes_from_text(batch->group->id), regex};
    struct kafka_consumer_group_regex_value value = {.version = resolved->version, .timestamp = resolved->time_ms};
    value.topics.items = ARENA_ARRAY(&arena, struct bytes, resolved->topics.count + 1);
    value.topics.count = (int32_t)resolved->topics.count;
    for (size_t i = 0; i < resolved->topics.count; i++)
        value.topics.items[i] = bytes_from_text(resolved->topics.items[i]);
    group_batch_record(batch, KIND_PATTERN, &kafka_consumer_group_regex_key_message, &key,
        &kafka_consumer_group_regex_value_message, 0, tombstone ? NULL : &value);
    arena_destroy(&arena);
}

void consumer_record_nothing_left(struct group_batch *batch) {
    const struct consumer_group *consumer = batch->group->consumer;
    size_t cursor = 0;
    LIST_FOR_EACH(node, &consumer->members) {
        const struct consumer_member *member = CONTAINER_OF(node, struct consumer_member, node);
        consumer_record_current(batch, member, true);
        consumer_record_target_member(batch, member, true);
        consumer_record_member(batch, member, true);
    }
    for (struct map_entry *entry; (entry = map_next(&consumer->patterns, &cursor));)
        consumer_record_pattern(batch, entry->key, entry->value, true);
    consumer_record_target(batch, true);
    consumer_record_group(batch, true);
}

void consumer_record_all(struct group_batch *batch) {
    const struct consumer_group *consumer = batch->group->consumer;
    LIST_FOR_EACH(node, &consumer->members)
    consumer_record_member(batch, CONTAINER_OF(node, struct consumer_member, node), false);
    consumer_record_group(batch, false);
    LIST_FOR_EACH(node, &consumer->members)
    consumer_record_target_member(batch, CONTAINER_OF(node, struct consumer_member, node), false);
    consumer_record_target(batch, false);
    LIST_FOR_EACH(node, &consumer->members)
    consumer_record_current(batch, CONTAINER_OF(node, struct consumer_member, node), false);
}

/* ---- loading ---- */

static bool decode_value(const struct wire_message *message, struct bytes value, struct arena *arena, void *out) {
    struct error error = {0};
    if (value.size < 2)
        return false;
    struct bytes rest = bytes_slice(value, 2, value.size - 2);
    return wire_decode(message, (int16_t)load_be16(value.data), &rest, arena, out, &error);
}

static struct consumer_group *group_of(struct groups *groups, struct bytes id, bool make) {
    struct group *group = make ? group_make(groups, id) : group_find(groups, id);
    if (!group)
        return NULL;
    return group->consumer || !make ? group->consumer : consumer_group_make(group);
}

static struct consumer_member *member_of(struct consumer_group *consumer, struct bytes id, bool make) {
    struct consumer_member *member = consumer ? consumer_member_find(consumer, id) : NULL;
    return member || !make ? member : consumer_member_add(consumer, id);
}

static void take_partitions(
    struct partition_list *list, struct uuid topic, const int32_t *partitions, int32_t count, const int32_t *epochs) {
    for (int32_t i = 0; i < count; i++)
        VECTOR_PUSH(list, ((struct topic_partition){topic, partitions[i], epochs ? epochs[i] : 0}));
}

static void load_group(struct groups *groups, struct bytes key, struct bytes value, struct arena *arena) {
    struct error error = {0};
    struct kafka_consumer_group_key where;
    struct kafka_consumer_group_value what;
    if (!wire_decode(&kafka_consumer_group_key_message, 0, &key, arena, &where, &error))
        return;
    if (!value.data) {
        struct group *group = group_find(groups, where.group);
        if (group && group->consumer)
            consumer_group_free(group);
        if (group && group->offsets.count == 0 && group->unsettled.count == 0 && group->member_count == 0 &&
            !group->protocol_type)
            group_free(groups, group);
        return;
    }
    if (!decode_value(&kafka_consumer_group_value_message, value, arena, &what))
        return;
    struct consumer_group *consumer = group_of(groups, where.group, true);
    consumer->epoch = what.epoch;
    consumer->metadata_hash = what.metadata_hash;
}

static char *text_or_null(struct bytes text) {
    return text.data ? strndup((const char *)text.data, text.size) : NULL;
}

static void replace_text(char **place, char *text) {
    free(*place);
    *place = text;
}

static void load_classic(
    struct consumer_member *member, const struct kafka_consumer_group_member_value_classic *stored) {
    classic_membership_free(member->classic);
    member->classic = NULL;
    if (!stored)
        return;
    member->classic = calloc(1, sizeof *member->classic);
    ASSERT(member->classic);
    member->classic->session_timeout_ms = stored->session_timeout_ms;
    for (int32_t i = 0; i < stored->protocols.count; i++) {
        struct member_protocol *protocol = VECTOR_ADD(&member->classic->protocols);
        *protocol = (struct member_protocol){.name = text_or_null(stored->protocols.items[i].name)};
        buffer_append_bytes(&protocol->metadata, stored->protocols.items[i].metadata);
    }
}

static void load_member(struct groups *groups, struct bytes key, struct bytes value, struct arena *arena) {
    struct error error = {0};
    struct kafka_consumer_group_member_key where;
    struct kafka_consumer_group_member_value what;
    if (!wire_decode(&kafka_consumer_group_member_key_message, 0, &key, arena, &where, &error))
        return;
    struct consumer_group *consumer = group_of(groups, where.group, value.data != NULL);
    struct consumer_member *member = member_of(consumer, where.member_id, value.data != NULL);
    if (!value.data) {
        if (member)
            consumer_member_free(consumer, member);
        return;
    }
    if (!decode_value(&kafka_consumer_group_member_value_message, value, arena, &what))
        return;
    member->is_described = true;
    replace_text(&member->instance_id, text_or_null(what.instance_id));
    replace_text(&member->rack_id, text_or_null(what.rack_id));
    replace_text(&member->client_id, strndup((const char *)what.client_id.data, what.client_id.size));
    replace_text(&member->client_host, strndup((const char *)what.client_host.data, what.client_host.size));
    replace_text(&member->topic_regex, text_or_null(what.topic_regex));
    replace_text(&member->assignor, text_or_null(what.assignor));
    member->rebalance_timeout_ms = what.rebalance_timeout_ms;
    for (size_t i = 0; i < member->topics.count; i++)
        free(member->topics.items[i]);
    member->topics.count = 0;
    for (int32_t i = 0; i < what.topic_names.count; i++)
        VECTOR_PUSH(&member->topics, text_or_null(what.topic_names.items[i]));
    load_classic(member, what.classic);
}

static void load_target(struct groups *groups, struct bytes key, struct bytes value, struct arena *arena) {
    struct error error = {0};
    struct kafka_consumer_group_target_key where;
    struct kafka_consumer_group_target_value what;
    if (!wire_decode(&kafka_consumer_group_target_key_message, 0, &key, arena, &where, &error) || !value.data ||
        !decode_value(&kafka_consumer_group_target_value_message, value, arena, &what))
        return;
    group_of(groups, where.group, true)->assignment_epoch = what.assignment_epoch;
}

static void load_target_member(struct groups *groups, struct bytes key, struct bytes value, struct arena *arena) {
    struct error error = {0};
    struct kafka_consumer_group_target_member_key where;
    struct kafka_consumer_group_target_member_value what;
    if (!wire_decode(&kafka_consumer_group_target_member_key_message, 0, &key, arena, &where, &error))
        return;
    struct consumer_member *member =
        member_of(group_of(groups, where.group, value.data != NULL), where.member_id, value.data != NULL);
    if (!member)
        return;
    member->target.count = 0;
    if (!value.data || !decode_value(&kafka_consumer_group_target_member_value_message, value, arena, &what))
        return;
    for (int32_t i = 0; i < what.partitions.count; i++)
        take_partitions(&member->target, what.partitions.items[i].topic_id, what.partitions.items[i].partitions.items,
            what.partitions.items[i].partitions.count, NULL);
    partition_list_sort(&member->target);
}

static void load_current(struct groups *groups, struct bytes key, struct bytes value, struct arena *arena) {
    struct error error = {0};
    struct kafka_consumer_group_current_key where;
    struct kafka_consumer_group_current_value what;
    if (!wire_decode(&kafka_consumer_group_current_key_message, 0, &key, arena, &where, &error))
        return;
    struct consumer_member *member =
        member_of(group_of(groups, where.group, value.data != NULL), where.member_id, value.data != NULL);
    if (!member)
        return;
    member->assigned.count = member->revoking.count = 0;
    if (!value.data || !decode_value(&kafka_consumer_group_current_value_message, value, arena, &what))
        return;
    member->epoch = what.epoch;
    member->previous_epoch = what.previous_epoch;
    member->state = what.state >= 0 && what.state <= CONSUMER_UNRELEASED ? (enum consumer_member_state)what.state
                                                                         : CONSUMER_UNRELEASED;
    for (int32_t i = 0; i < what.assigned.count; i++) {
        const struct kafka_consumer_group_current_value_assigned *stored = &what.assigned.items[i];
        take_partitions(&member->assigned, stored->topic_id, stored->partitions.items, stored->partitions.count,
            stored->epochs.count == stored->partitions.count ? stored->epochs.items : NULL);
    }
    for (int32_t i = 0; i < what.revoking.count; i++) {
        const struct kafka_consumer_group_current_value_revoked *stored = &what.revoking.items[i];
        take_partitions(&member->revoking, stored->topic_id, stored->partitions.items, stored->partitions.count,
            stored->epochs.count == stored->partitions.count ? stored->epochs.items : NULL);
    }
    partition_list_sort(&member->assigned);
    partition_list_sort(&member->revoking);
}

static void load_pattern(struct groups *groups, struct bytes key, struct bytes value, struct arena *arena) {
    struct error error = {0};
    struct kafka_consumer_group_regex_key where;
    struct kafka_consumer_group_regex_value what;
    if (!wire_decode(&kafka_consumer_group_regex_key_message, 0, &key, arena, &where, &error))
        return;
    struct consumer_group *consumer = group_of(groups, where.group, value.data != NULL);
    struct resolved_pattern *resolved = consumer ? map_remove(&consumer->patterns, where.regex) : NULL;
    if (resolved) {
        topic_pattern_free(resolved->pattern);
        for (size_t i = 0; i < resolved->topics.count; i++)
            free(resolved->topics.items[i]);
        VECTOR_FREE(&resolved->topics);
        free(resolved);
    }
    struct topic_pattern *pattern = value.data ? topic_pattern_compile(where.regex, &error) : NULL;
    if (!pattern)
        return;
    resolved = calloc(1, sizeof *resolved);
    ASSERT(resolved);
    resolved->pattern = pattern;
    map_set(&consumer->patterns, where.regex, resolved);
    if (!decode_value(&kafka_consumer_group_regex_value_message, value, arena, &what))
        return;
    resolved->version = what.version;
    resolved->time_ms = what.timestamp;
    for (int32_t i = 0; i < what.topics.count; i++)
        VECTOR_PUSH(&resolved->topics, text_or_null(what.topics.items[i]));
}

bool consumer_load_record(
    struct groups *groups, int16_t kind, struct bytes key, struct bytes value, struct arena *arena) {
    static void (*const loaders[])(struct groups *, struct bytes, struct bytes, struct arena *) = {
        [KIND_GROUP] = load_group,
        [KIND_MEMBER] = load_member,
        [KIND_TARGET] = load_target,
        [KIND_TARGET_MEMBER] = load_target_member,
        [KIND_CURRENT] = load_current,
        [KIND_PATTERN] = load_pattern,
    };
    if (kind < 0 || kind >= (int16_t)ARRAY_COUNT(loaders) || !loaders[kind])
        return false;
    loaders[kind](groups, key, value, arena);
    return true;
}

void consumer_group_loaded(struct groups *groups, struct group *group) {
    struct consumer_group *consumer = group->consumer;
    LIST_FOR_EACH(node, &consumer->members) {
        struct consumer_member *member = CONTAINER_OF(node, struct consumer_member, node);
        if (!member->is_described) {
            consumer_member_free(consumer, member);
            continue;
        }
        consumer_member_touch(groups, member);
        if (member->state == CONSUMER_UNREVOKED) {
            member->step_deadline_ms = world_loop_now_ms(groups->broker->loop) + member->rebalance_timeout_ms;
            groups_schedule(groups, member->step_deadline_ms);
        }
    }
    consumer_group_rebuild_owners(consumer);
}
