/* consumer_group_classic.c: groups change protocol without stopping. The first member of the newer protocol that joins
 * a classic group makes it a group of the newer one; its other members keep what they have, and from then on each of
 * their steps is a join: a heartbeat tells them to join again when there is something to take or to give back. When
 * the last member of the newer protocol leaves, the group becomes a classic one and rebalances. Which of both is
 * allowed says group.consumer.migration.policy. */
#include "kafka/consumer_group.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/assert.h"

#define LOGGER "org.apache.kafka.coordinator.group.GroupMetadataManager"
#define SUBSCRIPTION_VERSION_MAX 3

static bool policy_allows(const struct groups *groups, const char *direction) {
    const char *policy = config_text(&groups->broker->config, "group.consumer.migration.policy");
    return strcasecmp(policy, "bidirectional") == 0 || strcasecmp(policy, direction) == 0;
}

/* ---- what classic members send ---- */

/* Metadata and assignments of consumers have their version in front; a newer one is read as the newest known. */
static bool decode_versioned(
    const struct wire_message *message, struct bytes data, struct arena *arena, void *out, int16_t *version) {
    struct error error = {0};
    if (data.size < 2)
        return false;
    *version = (int16_t)load_be16(data.data);
    struct bytes rest = bytes_slice(data, 2, data.size - 2);
    if (*version > SUBSCRIPTION_VERSION_MAX)
        *version = SUBSCRIPTION_VERSION_MAX;
    return wire_decode(message, *version, &rest, arena, out, &error);
}

static void add_partitions(struct broker *broker, struct partition_list *list, struct bytes name,
    const int32_t *partitions, int32_t count, int32_t epoch) {
    const struct topic *topic = topic_find(broker, name);
    for (int32_t i = 0; topic && i < count; i++)
        VECTOR_PUSH(list, ((struct topic_partition){topic->id, partitions[i], epoch}));
}

static void copy_protocol(struct classic_membership *classic, struct bytes name, struct bytes metadata) {
    struct member_protocol *protocol = VECTOR_ADD(&classic->protocols);
    *protocol = (struct member_protocol){.name = strndup((const char *)name.data, name.size)};
    buffer_append_bytes(&protocol->metadata, metadata);
}

/* ---- from classic ---- */

static const char *member_fault(const struct group *group, const struct member *member) {
    struct arena arena = {0};
    struct kafka_consumer_subscription subscription;
    int16_t version;
    const struct member_protocol *protocol = member_protocol(member, group->protocol_name);
    if (!protocol && member->protocols.count > 0)
        protocol = &member->protocols.items[0];
    const char *fault = NULL;
    if (!protocol || !decode_versioned(&kafka_consumer_subscription_message, buffer_view(&protocol->metadata), &arena,
                         &subscription, &version))
        fault = "the embedded consumer protocol is malformed";
    arena_destroy(&arena);
    return fault;
}

bool consumer_group_can_upgrade(const struct groups *groups, const struct group *group, struct error *error) {
    const char *why = NULL;
    if (!policy_allows(groups, "upgrade"))
        why = "online upgrade is disabled";
    else if (!group->protocol_type || strcmp(group->protocol_type, "consumer") != 0)
        why = "the group does not use the consumer embedded protocol";
    else if ((int64_t)group->member_count > config_integer(&groups->broker->config, "group.consumer.max.size"))
        why = "the group size exceeds the consumer group maximum size";
    LIST_FOR_EACH(node, &group->members)
    why = why ? why : member_fault(group, CONTAINER_OF(node, struct member, node));
    return !why || error_set(error, ERROR_NOT_FOUND, "Cannot upgrade classic group %s to consumer group because %s.",
                       group->id, why);
}

static void upgrade_member(struct group_batch *batch, const struct member *old) {
    struct broker *broker = batch->groups->broker;
    struct group *group = batch->group;
    struct arena arena = {0};
    struct kafka_consumer_subscription subscription;
    struct kafka_consumer_assignment assignment;
    int16_t version;
    const struct member_protocol *protocol = member_protocol(old, group->protocol_name);
    struct consumer_member *member = consumer_member_add(group->consumer, bytes_from_text(old->id));
    struct consumer_update update = {.instance_id = bytes_from_text(old->instance_id),
        .rebalance_timeout_ms = old->rebalance_timeout_ms,
        .client_id = old->client_id,
        .client_host = old->client_host};
    if (!protocol)
        protocol = &old->protocols.items[0];
    if (decode_versioned(
            &kafka_consumer_subscription_message, buffer_view(&protocol->metadata), &arena, &subscription, &version)) {
        update.topics = subscription.topics.items;
        update.topic_count = subscription.topics.count;
    }
    if (decode_versioned(
            &kafka_consumer_assignment_message, buffer_view(&old->assignment), &arena, &assignment, &version))
        for (int32_t i = 0; i < assignment.assigned.count; i++)
            add_partitions(broker, &member->assigned, assignment.assigned.items[i].topic,
                assignment.assigned.items[i].partitions.items, assignment.assigned.items[i].partitions.count,
                group->generation);
    partition_list_sort(&member->assigned);
    partition_list_copy(&member->target, &member->assigned);
    member->epoch = member->previous_epoch = group->generation;
    member->classic = calloc(1, sizeof *member->classic);
    ASSERT(member->classic);
    member->classic->session_timeout_ms = old->session_timeout_ms;
    for (size_t i = 0; i < old->protocols.count; i++)
        copy_protocol(member->classic, bytes_from_text(old->protocols.items[i].name),
            buffer_view(&old->protocols.items[i].metadata));
    bool changed;
    consumer_member_update(batch, member, &update, &changed);
    consumer_member_touch(batch->groups, member);
    arena_destroy(&arena);
}

void consumer_group_upgrade(struct group_batch *batch) {
    struct group *group = batch->group;
    struct consumer_group *consumer = consumer_group_make(group);
    group_batch_metadata(batch, true);
    LIST_FOR_EACH(node, &group->members)
    upgrade_member(batch, CONTAINER_OF(node, struct member, node));
    consumer->epoch = consumer->assignment_epoch = group->generation;
    consumer_group_rebuild_owners(consumer);
    group_dissolve(group, KAFKA_REBALANCE_IN_PROGRESS);
    consumer_record_all(batch);
    service_log_write(batch->groups->broker->service_log, LOG_INFO, LOGGER,
        "[GroupCoordinator id=%d] [GroupId %s] Converted the classic group to a consumer group.",
        batch->groups->broker->node_id, group->id);
}

/* ---- back to classic ---- */

bool consumer_group_can_downgrade(const struct groups *groups, const struct group *group) {
    const struct consumer_group *consumer = group->consumer;
    if (consumer->member_count == 0 || !policy_allows(groups, "downgrade") ||
        (int64_t)consumer->member_count > config_integer(&groups->broker->config, "group.max.size"))
        return false;
    LIST_FOR_EACH(node, &consumer->members)
    if (!CONTAINER_OF(node, struct consumer_member, node)->classic)
        return false;
    return true;
}

static int16_t protocol_version(const struct consumer_member *member) {
    struct bytes metadata = buffer_view(&member->classic->protocols.items[0].metadata);
    int16_t version = metadata.size < 2 ? 0 : (int16_t)load_be16(metadata.data);
    return version < 0 || version > SUBSCRIPTION_VERSION_MAX ? SUBSCRIPTION_VERSION_MAX : version;
}

/* A member's partitions as classic consumers read them. */
static void encode_assignment(
    struct broker *broker, const struct partition_list *list, int16_t version, struct buffer *out) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_consumer_assignment assignment;
    wire_set_defaults(&kafka_consumer_assignment_struct, &assignment);
    WIRE_ARRAY(&arena, &assignment.assigned, &kafka_consumer_assignment_assigned_struct, list->count);
    assignment.assigned.count = 0;
    int32_t *partitions = ARENA_ARRAY(&arena, int32_t, list->count + 1);
    const struct topic *topic = NULL;
    for (size_t i = 0; i < list->count; i++) {
        if (i == 0 || !uuid_equal(list->items[i].topic, list->items[i - 1].topic)) {
            topic = topic_find_id(broker, list->items[i].topic);
            if (topic) {
                struct kafka_consumer_assignment_assigned *item =
                    &assignment.assigned.items[assignment.assigned.count++];
                item->topic = bytes_from_text(topic->name);
                item->partitions.items = &partitions[i];
            }
        }
        partitions[i] = list->items[i].partition;
        if (topic)
            assignment.assigned.items[assignment.assigned.count - 1].partitions.count++;
    }
    store_be16(buffer_extend(out, 2), (uint16_t)version);
    bool ok = wire_encode(&kafka_consumer_assignment_message, version, &assignment, out, NULL, &error);
    ASSERT(ok);
    arena_destroy(&arena);
}

static void downgrade_member(struct groups *groups, struct group *group, const struct consumer_member *old) {
    struct member *member =
        member_add(group, old->id, bytes_from_text(old->instance_id), old->client_id, old->client_host);
    for (size_t i = 0; i < old->classic->protocols.count; i++)
        member_set_protocol(member, bytes_from_text(old->classic->protocols.items[i].name),
            buffer_view(&old->classic->protocols.items[i].metadata));
    member->session_timeout_ms = old->classic->session_timeout_ms;
    member->rebalance_timeout_ms = old->rebalance_timeout_ms;
    member->synced = true;
    encode_assignment(groups->broker, &old->target, protocol_version(old), &member->assignment);
    member_touch(groups, member);
}

void consumer_group_downgrade(struct group_batch *batch) {
    struct group *group = batch->group;
    struct consumer_group *consumer = group->consumer;
    consumer_record_nothing_left(batch);
    LIST_FOR_EACH(node, &consumer->members)
    downgrade_member(batch->groups, group, CONTAINER_OF(node, struct consumer_member, node));
    group->generation = consumer->epoch;
    group->protocol_type = strdup("consumer");
    group->state = GROUP_STABLE;
    group->state_wall_ms = world_wall_ms(batch->groups->broker->world);
    group_choose_protocol(group);
    consumer_group_free(group);
    group_batch_metadata(batch, false);
    service_log_write(batch->groups->broker->service_log, LOG_INFO, LOGGER,
        "[GroupCoordinator id=%d] [GroupId %s] Converted the consumer group to a classic group.",
        batch->groups->broker->node_id, group->id);
    group_prepare_rebalance(batch->groups, group, "Downgrade from consumer to classic for member leaving.");
}

/* ---- JoinGroup ---- */

static void answer_join(struct api_request *request, int16_t code, struct bytes member_id) {
    struct kafka_join_group_reply *reply = request->reply;
    reply->error_code = code;
    reply->member_id = member_id;
    if (request->version < 7)
        reply->protocol_name = BYTES("");
    api_reply(request);
}

/* Every other classic member must know one of the protocols. */
static bool supports_protocols(const struct consumer_group *consumer, const struct kafka_join_group_request *body) {
    if (!bytes_equal_text(body->protocol_type, "consumer"))
        return false;
    for (int32_t i = 0; i < body->protocols.count; i++) {
        bool all = true;
        LIST_FOR_EACH(node, &consumer->members) {
            const struct consumer_member *member = CONTAINER_OF(node, struct consumer_member, node);
            bool has = !member->classic;
            for (size_t j = 0; !has && j < member->classic->protocols.count; j++)
                has = bytes_equal_text(body->protocols.items[i].name, member->classic->protocols.items[j].name);
            all = all && has;
        }
        if (all)
            return true;
    }
    return false;
}

static struct bytes make_member_id(struct api_request *request) {
    uint8_t random[16];
    char text[UUID_BASE64_SIZE];
    world_random(request->broker->world, random, sizeof random);
    uuid_format_base64(uuid_from_random(random), text);
    return bytes_from_text(arena_strdup(&request->arena, text));
}

/* The member that joins: found, put in the place of a static one, or new. NULL with the code to answer. */
static struct consumer_member *joining_member(
    struct group_batch *batch, const struct kafka_join_group_request *body, struct bytes id, int16_t *code) {
    struct consumer_group *consumer = batch->group->consumer;
    struct consumer_member *member = body->instance_id.data ? consumer_static_member(consumer, body->instance_id)
                                                            : consumer_member_find(consumer, id);
    *code = KAFKA_NONE;
    if (member && body->instance_id.data && !bytes_equal_text(id, member->id)) {
        if (body->member_id.size > 0) {
            *code = KAFKA_FENCED_INSTANCE_ID;
            return NULL;
        }
        return consumer_member_replace(batch, member, id);
    }
    if (member)
        return member;
    if ((int64_t)consumer->member_count >= config_integer(&batch->groups->broker->config, "group.consumer.max.size")) {
        *code = KAFKA_GROUP_MAX_SIZE_REACHED;
        return NULL;
    }
    return consumer_member_add(consumer, id);
}

static bool same_membership(const struct classic_membership *classic, const struct kafka_join_group_request *body) {
    if (!classic || classic->session_timeout_ms != body->session_timeout_ms ||
        classic->protocols.count != (size_t)body->protocols.count)
        return false;
    for (size_t i = 0; i < classic->protocols.count; i++)
        if (!bytes_equal_text(body->protocols.items[i].name, classic->protocols.items[i].name) ||
            !bytes_equal(body->protocols.items[i].metadata, buffer_view(&classic->protocols.items[i].metadata)))
            return false;
    return true;
}

static bool set_membership(struct consumer_member *member, const struct kafka_join_group_request *body) {
    if (same_membership(member->classic, body))
        return false;
    classic_membership_free(member->classic);
    member->classic = calloc(1, sizeof *member->classic);
    ASSERT(member->classic);
    member->classic->session_timeout_ms = body->session_timeout_ms;
    for (int32_t i = 0; i < body->protocols.count; i++)
        copy_protocol(member->classic, body->protocols.items[i].name, body->protocols.items[i].metadata);
    return true;
}

/* Notes what it subscribes to and brings it a step further. */
static void advance(struct api_request *request, struct group_batch *batch, struct consumer_member *member,
    const struct kafka_consumer_subscription *subscription) {
    const struct kafka_join_group_request *body = request->body;
    struct partition_list owned = {0};
    struct consumer_update update = {.instance_id = body->instance_id,
        .rack_id = subscription->rack_id,
        .topic_regex = BYTES(""),
        .rebalance_timeout_ms = body->rebalance_timeout_ms < 0 ? body->session_timeout_ms : body->rebalance_timeout_ms,
        .topics = subscription->topics.items,
        .topic_count = subscription->topics.count,
        .client_id = request->connection->client_id,
        .client_host = request->connection->host,
        .is_changed = set_membership(member, body)};
    bool changed;
    consumer_member_update(batch, member, &update, &changed);
    consumer_group_refresh(batch, changed);
    for (int32_t i = 0; i < subscription->owned.count; i++)
        add_partitions(request->broker, &owned, subscription->owned.items[i].topic,
            subscription->owned.items[i].partitions.items, subscription->owned.items[i].partitions.count, 0);
    partition_list_sort(&owned);
    consumer_member_reconcile(batch, member, &owned);
    VECTOR_FREE(&owned);
    consumer_member_touch(batch->groups, member);
    /* Time to ask for the assignment. */
    member->step_deadline_ms = world_loop_now_ms(request->broker->loop) + member->rebalance_timeout_ms;
    groups_schedule(batch->groups, member->step_deadline_ms);
}

void consumer_classic_join(struct api_request *request, struct group *group) {
    const struct kafka_join_group_request *body = request->body;
    struct kafka_join_group_reply *reply = request->reply;
    struct kafka_consumer_subscription subscription;
    struct group_batch batch;
    int16_t version, code = KAFKA_NONE;
    if (!supports_protocols(group->consumer, body) ||
        !decode_versioned(&kafka_consumer_subscription_message, body->protocols.items[0].metadata, &request->arena,
            &subscription, &version)) {
        answer_join(request, KAFKA_INCONSISTENT_GROUP_PROTOCOL, body->member_id);
        return;
    }
    struct bytes id = body->member_id.size > 0 ? body->member_id : make_member_id(request);
    if (body->member_id.size == 0 && !body->instance_id.data && request->version >= 4) {
        answer_join(request, KAFKA_MEMBER_ID_REQUIRED, id);
        return;
    }
    group_batch_begin(&batch, request->broker->groups, group);
    batch.is_kept = true;
    struct consumer_member *member = joining_member(&batch, body, id, &code);
    if (member)
        advance(request, &batch, member, &subscription);
    struct partition_log *log = NULL;
    int64_t last_offset = -1;
    if (group_batch_commit(&batch, &log, &last_offset) != KAFKA_NONE && code == KAFKA_NONE)
        code = KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (code != KAFKA_NONE) {
        answer_join(request, code, body->member_id);
        return;
    }
    reply->generation = member->epoch;
    reply->protocol_type = BYTES("consumer");
    reply->protocol_name = bytes_from_text(arena_strdup(&request->arena, member->classic->protocols.items[0].name));
    reply->leader = BYTES("");
    reply->member_id = id;
    api_reply_when_committed(request, log, last_offset);
}

/* ---- the other requests ---- */

static struct consumer_member *find_classic(
    const struct group *group, struct bytes member_id, struct bytes instance_id, int32_t generation, int16_t *code) {
    struct consumer_member *member = consumer_member_find(group->consumer, member_id);
    *code = KAFKA_NONE;
    if (instance_id.data) {
        struct consumer_member *by_instance = consumer_static_member(group->consumer, instance_id);
        if (!by_instance || by_instance != member)
            *code = by_instance ? KAFKA_FENCED_INSTANCE_ID : KAFKA_UNKNOWN_MEMBER_ID;
    }
    if (*code == KAFKA_NONE && (!member || !member->classic))
        *code = KAFKA_UNKNOWN_MEMBER_ID;
    if (*code == KAFKA_NONE && generation != member->epoch)
        *code = KAFKA_ILLEGAL_GENERATION;
    return *code == KAFKA_NONE ? member : NULL;
}

void consumer_classic_sync(struct api_request *request, struct group *group) {
    const struct kafka_sync_group_request *body = request->body;
    struct kafka_sync_group_reply *reply = request->reply;
    reply->assignment = BYTES("");
    struct consumer_member *member =
        find_classic(group, body->member_id, body->instance_id, body->generation, &reply->error_code);
    const char *protocol = member ? member->classic->protocols.items[0].name : "";
    if (member && ((body->protocol_type.data && !bytes_equal_text(body->protocol_type, "consumer")) ||
                      (body->protocol_name.data && !bytes_equal_text(body->protocol_name, protocol)))) {
        reply->error_code = KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    } else if (member) {
        struct buffer assignment = {0};
        member->step_deadline_ms = 0;
        consumer_member_touch(request->broker->groups, member);
        encode_assignment(request->broker, &member->assigned, protocol_version(member), &assignment);
        reply->assignment = arena_copy(&request->arena, buffer_view(&assignment));
        reply->protocol_type = BYTES("consumer");
        reply->protocol_name = bytes_from_text(arena_strdup(&request->arena, protocol));
        buffer_free(&assignment);
    }
    api_reply(request);
}

void consumer_classic_heartbeat(struct api_request *request, struct group *group) {
    const struct kafka_heartbeat_request *body = request->body;
    struct kafka_heartbeat_reply *reply = request->reply;
    struct groups *groups = request->broker->groups;
    struct group_batch batch;
    struct consumer_member *member =
        find_classic(group, body->member_id, body->instance_id, body->generation, &reply->error_code);
    if (member) {
        const struct consumer_group *consumer = group->consumer;
        group_batch_begin(&batch, groups, group);
        batch.is_kept = true;
        consumer_group_refresh(&batch, false);
        group_batch_commit(&batch, NULL, NULL);
        consumer_member_touch(groups, member);
        if (member->epoch < consumer->assignment_epoch || member->state == CONSUMER_UNREVOKED ||
            (member->state == CONSUMER_UNRELEASED && consumer_member_can_go_on(consumer, member))) {
            reply->error_code = KAFKA_REBALANCE_IN_PROGRESS;
            if (member->step_deadline_ms == 0)
                member->step_deadline_ms = world_loop_now_ms(request->broker->loop) + member->rebalance_timeout_ms;
            groups_schedule(groups, member->step_deadline_ms);
        }
    }
    api_reply(request);
}

int16_t consumer_classic_leave(
    struct groups *groups, struct group *group, struct bytes member_id, struct bytes instance_id) {
    struct consumer_member *member = consumer_member_find(group->consumer, member_id);
    if (instance_id.data) {
        struct consumer_member *by_instance = consumer_static_member(group->consumer, instance_id);
        if (!by_instance)
            return KAFKA_UNKNOWN_MEMBER_ID;
        if (member_id.size > 0 && by_instance != member)
            return KAFKA_FENCED_INSTANCE_ID;
        member = by_instance;
    }
    /* Tools remove members of either protocol by their instance id; by their own they leave through their protocol. */
    if (!member || (!instance_id.data && !member->classic))
        return KAFKA_UNKNOWN_MEMBER_ID;
    struct group_batch batch;
    group_batch_begin(&batch, groups, group);
    batch.is_kept = true;
    consumer_member_remove(&batch, member, "left the consumer group through LeaveGroup");
    return group_batch_commit(&batch, NULL, NULL);
}
