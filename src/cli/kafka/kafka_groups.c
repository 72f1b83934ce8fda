/* kafka_groups.c: asking brokers about groups. */
#include "cli/kafka/kafka_groups.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

/* ---- places ---- */

struct group_place *group_place_find(struct group_places *places, const char *topic, int32_t partition) {
    for (size_t i = 0; i < places->count; i++)
        if (places->items[i].partition == partition && strcmp(places->items[i].topic, topic) == 0)
            return &places->items[i];
    return NULL;
}

struct group_place *group_place_add(struct group_places *places, const char *topic, int32_t partition) {
    VECTOR_PUSH(places, ((struct group_place){strdup(topic), partition, -1, -1, -1, -1}));
    return &places->items[places->count - 1];
}

void group_places_free(struct group_places *places) {
    for (size_t i = 0; i < places->count; i++)
        free(places->items[i].topic);
    VECTOR_FREE(places);
}

/* ---- list ---- */

bool groups_list(struct remote *remote, struct group_listings *listings, struct error *error) {
    struct arena arena = {0};
    struct kafka_metadata_reply cluster;
    bool ok = remote_metadata(remote, (const char *const[]){NULL}, 0, false, &cluster, &arena, error);
    for (int32_t b = 0; ok && b < cluster.brokers.count; b++) {
        struct kafka_list_groups_request request;
        struct kafka_list_groups_reply reply;
        wire_set_defaults(&kafka_list_groups_request_struct, &request);
        ok = REMOTE_CALL(remote, cluster.brokers.items[b].node_id, list_groups, &request, &reply, &arena, error);
        if (ok && reply.error_code != 0)
            ok = error_set(
                error, ERROR_INVALID, "%s: %s", remote_exception(reply.error_code), remote_sentence(reply.error_code));
        for (int32_t i = 0; ok && i < reply.groups.count; i++)
            VECTOR_PUSH(listings, ((struct group_listing){tool_text(reply.groups.items[i].group_id),
                                      tool_text(reply.groups.items[i].state), tool_text(reply.groups.items[i].type),
                                      tool_text(reply.groups.items[i].protocol_type)}));
    }
    arena_destroy(&arena);
    return ok;
}

void groups_list_free(struct group_listings *listings) {
    for (size_t i = 0; i < listings->count; i++) {
        free(listings->items[i].id);
        free(listings->items[i].state);
        free(listings->items[i].type);
        free(listings->items[i].protocol_type);
    }
    VECTOR_FREE(listings);
}

/* ---- describe ---- */

static void take_assignment(struct group_member *member, struct bytes assignment, struct arena *arena) {
    struct kafka_consumer_assignment value;
    struct error error;
    if (assignment.size < 2)
        return;
    int16_t version = (int16_t)load_be16(assignment.data);
    struct bytes rest = bytes_slice(assignment, 2, assignment.size - 2);
    if (version < 0 ||
        !wire_decode(&kafka_consumer_assignment_message, version > 3 ? 3 : version, &rest, arena, &value, &error))
        return; /* another protocol's own form */
    for (int32_t t = 0; t < value.assigned.count; t++)
        for (int32_t p = 0; p < value.assigned.items[t].partitions.count; p++)
            group_place_add(&member->assigned, arena_text(arena, value.assigned.items[t].topic),
                value.assigned.items[t].partitions.items[p]);
}

static void make_members(struct group_description *description, int32_t count) {
    description->members = calloc((size_t)(count > 0 ? count : 0) + 1, sizeof *description->members);
    ASSERT(description->members);
}

/* The next of make_members, with what members of both protocols have; its assignment is the caller's. */
static struct group_member *take_member(struct group_description *description, struct bytes id,
    struct bytes instance_id, struct bytes client_id, struct bytes host) {
    struct group_member *member = &description->members[description->member_count++];
    member->id = tool_text(id);
    member->instance_id = instance_id.data == NULL ? NULL : tool_text(instance_id);
    member->client_id = tool_text(client_id);
    member->host = tool_text(host);
    member->epoch = -1;
    return member;
}

static bool describe_classic(struct remote *remote, const char *group, struct group_description *description,
    int16_t *code, struct error *error) {
    struct arena arena = {0};
    struct kafka_describe_groups_request request;
    struct kafka_describe_groups_reply reply;
    wire_set_defaults(&kafka_describe_groups_request_struct, &request);
    struct bytes name = bytes_from_text(group);
    request.groups.items = &name;
    request.groups.count = 1;
    bool ok = REMOTE_CALL(remote, description->coordinator, describe_groups, &request, &reply, &arena, error);
    *code = ok && reply.groups.count == 1 ? reply.groups.items[0].error_code : 69;
    if (ok && *code == 0) {
        const struct kafka_describe_groups_reply_group *from = &reply.groups.items[0];
        if (bytes_equal_text(from->state, "Dead"))
            *code = 69;
        description->state = tool_text(from->state);
        description->protocol = tool_text(from->protocol_name);
        description->protocol_type = tool_text(from->protocol_type);
        make_members(description, from->members.count);
        for (int32_t i = 0; i < from->members.count; i++) {
            struct group_member *member =
                take_member(description, from->members.items[i].member_id, from->members.items[i].instance_id,
                    from->members.items[i].client_id, from->members.items[i].client_host);
            take_assignment(member, from->members.items[i].assignment, &arena);
        }
    }
    arena_destroy(&arena);
    return ok;
}

static void add_places(struct group_places *places, struct bytes topic, const int32_t *partitions, int32_t count) {
    char *name = tool_text(topic);
    for (int32_t i = 0; i < count; i++)
        group_place_add(places, name, partitions[i]);
    free(name);
}

/* A group of the newer protocol. *code 69: it is not one. */
static bool describe_consumer(struct remote *remote, const char *group, struct group_description *description,
    int16_t *code, struct error *error) {
    struct error version_error;
    *code = 69;
    if (remote_version(
            remote, description->coordinator, &kafka_consumer_group_describe_request_message, &version_error) < 0)
        return true;
    struct arena arena = {0};
    struct kafka_consumer_group_describe_request request;
    struct kafka_consumer_group_describe_reply reply;
    wire_set_defaults(&kafka_consumer_group_describe_request_struct, &request);
    struct bytes name = bytes_from_text(group);
    request.groups.items = &name;
    request.groups.count = 1;
    bool ok = REMOTE_CALL(remote, description->coordinator, consumer_group_describe, &request, &reply, &arena, error);
    if (ok && reply.groups.count == 1)
        *code = reply.groups.items[0].error_code;
    if (ok && *code == 0) {
        const struct kafka_consumer_group_describe_reply_group *from = &reply.groups.items[0];
        description->state = tool_text(from->state);
        description->protocol = tool_text(from->assignor);
        description->protocol_type = strdup("consumer");
        description->is_consumer = true;
        description->epoch = from->epoch;
        description->assignment_epoch = from->assignment_epoch;
        make_members(description, from->members.count);
        for (int32_t i = 0; i < from->members.count; i++) {
            struct group_member *member =
                take_member(description, from->members.items[i].member_id, from->members.items[i].instance_id,
                    from->members.items[i].client_id, from->members.items[i].client_host);
            if (from->members.items[i].type != 0)
                member->epoch = from->members.items[i].epoch;
            for (int32_t t = 0; t < from->members.items[i].assignment.partitions.count; t++)
                add_places(&member->assigned, from->members.items[i].assignment.partitions.items[t].topic_name,
                    from->members.items[i].assignment.partitions.items[t].partitions.items,
                    from->members.items[i].assignment.partitions.items[t].partitions.count);
            for (int32_t t = 0; t < from->members.items[i].target.partitions.count; t++)
                add_places(&member->target, from->members.items[i].target.partitions.items[t].topic_name,
                    from->members.items[i].target.partitions.items[t].partitions.items,
                    from->members.items[i].target.partitions.items[t].partitions.count);
        }
    }
    arena_destroy(&arena);
    return ok;
}

static void name_coordinator(struct remote *remote, struct group_description *description) {
    struct arena arena = {0};
    struct error error;
    struct kafka_metadata_reply cluster;
    if (remote_metadata(remote, (const char *const[]){NULL}, 0, false, &cluster, &arena, &error))
        for (int32_t b = 0; b < cluster.brokers.count; b++)
            if (cluster.brokers.items[b].node_id == description->coordinator)
                snprintf(description->coordinator_address, sizeof description->coordinator_address, "%.*s:%d",
                    BYTES_ARGS(cluster.brokers.items[b].host), cluster.brokers.items[b].port);
    arena_destroy(&arena);
}

bool group_describe(struct remote *remote, const char *group, struct group_description *description, int16_t *code,
    struct error *error) {
    *description = (struct group_description){.id = strdup(group), .epoch = -1, .assignment_epoch = -1};
    if (!remote_coordinator(remote, group, &description->coordinator, error))
        return false;
    name_coordinator(remote, description);
    if (!describe_consumer(remote, group, description, code, error))
        return false;
    return *code == 0 || describe_classic(remote, group, description, code, error);
}

void group_description_free(struct group_description *description) {
    for (size_t i = 0; i < description->member_count; i++) {
        struct group_member *member = &description->members[i];
        free(member->id);
        free(member->instance_id);
        free(member->client_id);
        free(member->host);
        group_places_free(&member->assigned);
        group_places_free(&member->target);
    }
    free(description->members);
    free(description->id);
    free(description->state);
    free(description->protocol);
    free(description->protocol_type);
}

/* ---- offsets ---- */

static void take_committed(
    struct group_places *places, struct bytes topic, int32_t partition, int64_t offset, int32_t leader_epoch) {
    if (offset < 0)
        return;
    char *name = tool_text(topic);
    struct group_place *place = group_place_add(places, name, partition);
    place->committed = offset;
    place->leader_epoch = leader_epoch;
    free(name);
}

bool group_committed(
    struct remote *remote, int32_t coordinator, const char *group, struct group_places *places, struct error *error) {
    struct arena arena = {0};
    struct kafka_offset_fetch_request request;
    struct kafka_offset_fetch_reply reply;
    wire_set_defaults(&kafka_offset_fetch_request_struct, &request);
    remote_limit_version(remote, &kafka_offset_fetch_request_message, 9); /* by topic name */
    int16_t version = remote_version(remote, coordinator, &kafka_offset_fetch_request_message, error);
    if (version >= 8) {
        WIRE_ARRAY(&arena, &request.groups, &kafka_offset_fetch_request_group_struct, 1);
        request.groups.items[0].group_id = bytes_from_text(group);
        request.groups.items[0].member_id = BYTES_NULL;
        request.groups.items[0].topics.count = -1;
    } else {
        request.group_id = bytes_from_text(group);
        request.topics.count = -1;
    }
    bool ok = version >= 0 && REMOTE_CALL(remote, coordinator, offset_fetch, &request, &reply, &arena, error);
    for (int32_t t = 0; ok && version < 8 && t < reply.topics.count; t++)
        for (int32_t p = 0; p < reply.topics.items[t].partitions.count; p++)
            take_committed(places, reply.topics.items[t].name, reply.topics.items[t].partitions.items[p].index,
                reply.topics.items[t].partitions.items[p].offset,
                reply.topics.items[t].partitions.items[p].leader_epoch);
    for (int32_t g = 0; ok && version >= 8 && g < reply.groups.count; g++)
        for (int32_t t = 0; t < reply.groups.items[g].topics.count; t++)
            for (int32_t p = 0; p < reply.groups.items[g].topics.items[t].partitions.count; p++)
                take_committed(places, reply.groups.items[g].topics.items[t].name,
                    reply.groups.items[g].topics.items[t].partitions.items[p].index,
                    reply.groups.items[g].topics.items[t].partitions.items[p].offset,
                    reply.groups.items[g].topics.items[t].partitions.items[p].leader_epoch);
    arena_destroy(&arena);
    return ok;
}

static bool find_leader(
    struct remote *remote, const char *topic, int32_t partition, int32_t *leader, struct error *error) {
    struct arena arena = {0};
    struct kafka_metadata_reply reply;
    bool ok = remote_metadata(remote, &topic, 1, false, &reply, &arena, error);
    *leader = -1;
    for (int32_t p = 0; ok && reply.topics.count == 1 && p < reply.topics.items[0].partitions.count; p++)
        if (reply.topics.items[0].partitions.items[p].index == partition)
            *leader = reply.topics.items[0].partitions.items[p].leader_id;
    arena_destroy(&arena);
    return ok && (*leader >= 0 || error_set(error, ERROR_NOT_FOUND, "%s: %s-%d has no leader", remote_exception(3),
                                      topic, partition));
}

bool group_list_offset(struct remote *remote, const char *topic, int32_t partition, int64_t timestamp_ms,
    int64_t *offset, struct error *error) {
    int32_t leader;
    *offset = -1;
    if (!find_leader(remote, topic, partition, &leader, error))
        return false;
    struct arena arena = {0};
    struct kafka_list_offsets_request request;
    struct kafka_list_offsets_reply reply;
    wire_set_defaults(&kafka_list_offsets_request_struct, &request);
    request.replica_id = -1;
    WIRE_ARRAY(&arena, &request.topics, &kafka_list_offsets_request_topic_struct, 1);
    request.topics.items[0].name = bytes_from_text(topic);
    WIRE_ARRAY(&arena, &request.topics.items[0].partitions, &kafka_list_offsets_request_partition_struct, 1);
    request.topics.items[0].partitions.items[0].index = partition;
    request.topics.items[0].partitions.items[0].timestamp = timestamp_ms;
    bool ok = REMOTE_CALL(remote, leader, list_offsets, &request, &reply, &arena, error);
    if (ok && reply.topics.count == 1 && reply.topics.items[0].partitions.count == 1) {
        int16_t code = reply.topics.items[0].partitions.items[0].error_code;
        *offset = reply.topics.items[0].partitions.items[0].offset;
        if (code != 0)
            ok = error_set(error, ERROR_INVALID, "%s: %s", remote_exception(code), remote_sentence(code));
    }
    arena_destroy(&arena);
    return ok;
}

bool group_partition_count(struct remote *remote, const char *topic, int32_t *count, struct error *error) {
    struct arena arena = {0};
    struct kafka_metadata_reply reply;
    bool ok = remote_metadata(remote, &topic, 1, false, &reply, &arena, error);
    *count = ok && reply.topics.count == 1 && reply.topics.items[0].error_code == 0
                 ? reply.topics.items[0].partitions.count
                 : -1;
    arena_destroy(&arena);
    return ok;
}
