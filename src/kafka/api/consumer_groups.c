/* consumer_groups.c: ConsumerGroupHeartbeat and ConsumerGroupDescribe: groups of the newer protocol (KIP-848). */
#include "kafka/consumer_group.h"

#include <stdlib.h>

#include "base/assert.h"

typedef struct kafka_consumer_group_heartbeat_request heartbeat;
typedef struct kafka_consumer_group_heartbeat_reply heartbeat_reply;

/* ---- checks ---- */

static int16_t invalid(struct api_request *request, const char *message) {
    heartbeat_reply *reply = request->reply;
    reply->error_message = bytes_from_text(message);
    return KAFKA_INVALID_REQUEST;
}

static bool is_empty(struct bytes text) {
    return text.data && text.size == 0;
}

static int16_t check_assignor(struct api_request *request, struct bytes name) {
    heartbeat_reply *reply = request->reply;
    if (!name.data || assignor_find(name))
        return KAFKA_NONE;
    reply->error_message = api_text(
        request, "ServerAssignor %.*s is not supported. Supported assignors: uniform, range.", BYTES_ARGS(name));
    return KAFKA_UNSUPPORTED_ASSIGNOR;
}

static int16_t check_regex(struct api_request *request, struct bytes regex) {
    heartbeat_reply *reply = request->reply;
    struct error error = {0};
    if (regex.size == 0)
        return KAFKA_NONE;
    struct topic_pattern *pattern = topic_pattern_compile(regex, &error);
    topic_pattern_free(pattern);
    if (pattern)
        return KAFKA_NONE;
    reply->error_message = api_text(request, "SubscribedTopicRegex `%.*s` is not a valid regular expression: %s.",
        BYTES_ARGS(regex), error.message);
    return KAFKA_INVALID_REGULAR_EXPRESSION;
}

/* What Kafka asks of a heartbeat before it looks at the group. */
static int16_t check_heartbeat(struct api_request *request) {
    const heartbeat *body = request->body;
    if (!group_id_valid(body->group_id))
        return body->group_id.size == 0 ? invalid(request, "GroupId can't be empty.") : KAFKA_INVALID_GROUP_ID;
    if (is_empty(body->instance_id))
        return invalid(request, "InstanceId can't be empty.");
    if (is_empty(body->rack_id))
        return invalid(request, "RackId can't be empty.");
    if ((request->version >= 1 || body->member_epoch != 0) && body->member_id.size == 0)
        return invalid(request, "MemberId can't be empty.");
    if (body->member_id.size > 0 && !group_id_valid(body->member_id))
        return invalid(request, "MemberId has characters that cannot be shown.");
    if (body->member_epoch == STATIC_MEMBER_LEAVES && !body->instance_id.data)
        return invalid(request, "InstanceId can't be null.");
    if (body->member_epoch < STATIC_MEMBER_LEAVES)
        return invalid(request, "MemberEpoch is invalid.");
    if (body->member_epoch == 0) {
        if (body->rebalance_timeout_ms == -1)
            return invalid(request, "RebalanceTimeoutMs must be provided in first request.");
        if (body->owned.count != 0)
            return invalid(request, "TopicPartitions must be empty when (re-)joining.");
        if (body->topic_names.count < 0 && !body->topic_regex.data)
            return invalid(
                request, "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.");
    }
    int16_t code = check_assignor(request, body->assignor);
    return code != KAFKA_NONE ? code : check_regex(request, body->topic_regex);
}

static int16_t fail(struct api_request *request, int16_t code, struct bytes message) {
    heartbeat_reply *reply = request->reply;
    reply->error_message = message;
    return code;
}

static int16_t check_epoch(
    struct api_request *request, const struct consumer_member *member, const struct partition_list *owned) {
    const heartbeat *body = request->body;
    bool previous = body->member_epoch == member->previous_epoch && owned;
    if (body->member_epoch == 0 || body->member_epoch == member->epoch)
        return KAFKA_NONE;
    for (size_t i = 0; previous && i < owned->count; i++)
        previous = partition_list_find(&member->assigned, owned->items[i].topic, owned->items[i].partition) != SIZE_MAX;
    /* The answer that told the newer epoch was lost. */
    if (body->member_epoch < member->epoch && previous)
        return KAFKA_NONE;
    return fail(request, KAFKA_FENCED_MEMBER_EPOCH,
        api_text(request,
            "The consumer group member has a %s member epoch (%d) than the one known by the group coordinator (%d). "
            "The "
            "member must abandon all its partitions and rejoin.",
            body->member_epoch > member->epoch ? "greater" : "smaller", body->member_epoch, member->epoch));
}

/* ---- finding the group and the member ---- */

/* The group that the heartbeat is for: it is made, or becomes one of this protocol, when a member joins. */
static int16_t find_group(struct api_request *request, struct group_batch *batch, struct group **found) {
    const heartbeat *body = request->body;
    struct groups *groups = request->broker->groups;
    struct group *group = group_find(groups, body->group_id);
    struct error error = {0};
    *found = group;
    bool joins = body->member_epoch == 0;
    if (!group && !joins)
        return fail(request, KAFKA_GROUP_ID_NOT_FOUND,
            api_text(request, "Consumer group %.*s not found.", BYTES_ARGS(body->group_id)));
    if (group && !group->consumer && !joins)
        return fail(request, KAFKA_GROUP_ID_NOT_FOUND,
            api_text(request, "Group %.*s is not a consumer group.", BYTES_ARGS(body->group_id)));
    if (group && !group->consumer && group_has_members(group) && !consumer_group_can_upgrade(groups, group, &error))
        return fail(request, KAFKA_GROUP_ID_NOT_FOUND, api_text(request, "%s", error.message));
    if (!group)
        *found = group = group_make(groups, body->group_id);
    group_batch_begin(batch, groups, group);
    batch->is_kept = true;
    group->shown = false; /* a real consumer has taken it */
    if (!group->consumer && group_has_members(group)) {
        consumer_group_upgrade(batch);
    } else if (!group->consumer) {
        if (group->protocol_type)
            group_batch_metadata(batch, true);
        group_dissolve(group, KAFKA_UNKNOWN_MEMBER_ID);
        consumer_group_make(group);
    }
    return KAFKA_NONE;
}

static int16_t find_static(struct api_request *request, struct group_batch *batch, struct consumer_member **found) {
    const heartbeat *body = request->body;
    struct consumer_member *member = consumer_static_member(batch->group->consumer, body->instance_id);
    *found = member;
    if (!member)
        return body->member_epoch == 0
                   ? KAFKA_NONE
                   : fail(request, KAFKA_UNKNOWN_MEMBER_ID,
                         api_text(request, "Instance id %.*s is unknown.", BYTES_ARGS(body->instance_id)));
    if (bytes_equal_text(body->member_id, member->id))
        return KAFKA_NONE;
    if (body->member_epoch != 0)
        return fail(request, KAFKA_FENCED_INSTANCE_ID,
            api_text(request, "Static member %.*s with instance id %.*s was fenced by member %s.",
                BYTES_ARGS(body->member_id), BYTES_ARGS(body->instance_id), member->id));
    if (member->epoch != STATIC_MEMBER_LEAVES)
        return fail(request, KAFKA_UNRELEASED_INSTANCE_ID,
            api_text(request,
                "Static member %.*s with instance id %.*s cannot join the group because the instance id is owned by %s "
                "member.",
                BYTES_ARGS(body->member_id), BYTES_ARGS(body->instance_id), member->id));
    *found = consumer_member_replace(batch, member, body->member_id);
    return KAFKA_NONE;
}

static struct bytes make_member_id(struct api_request *request) {
    uint8_t random[16];
    char text[UUID_BASE64_SIZE];
    world_random(request->broker->world, random, sizeof random);
    uuid_format_base64(uuid_from_random(random), text);
    return bytes_from_text(arena_strdup(&request->arena, text));
}

/* *member NULL with KAFKA_NONE: it is new. */
static int16_t find_member(struct api_request *request, struct group_batch *batch, struct consumer_member **member) {
    const heartbeat *body = request->body;
    struct consumer_group *consumer = batch->group->consumer;
    if (body->instance_id.data) {
        int16_t code = find_static(request, batch, member);
        if (code != KAFKA_NONE)
            return code;
    } else {
        *member = consumer_member_find(consumer, body->member_id);
    }
    if (!*member && body->member_epoch != 0)
        return fail(request, KAFKA_UNKNOWN_MEMBER_ID,
            api_text(request, "Member %.*s is not a member of group %.*s.", BYTES_ARGS(body->member_id),
                BYTES_ARGS(body->group_id)));
    if (!*member &&
        (int64_t)consumer->member_count >= config_integer(&request->broker->config, "group.consumer.max.size"))
        return fail(request, KAFKA_GROUP_MAX_SIZE_REACHED,
            api_text(request, "The consumer group has reached its maximum capacity of %lld members.",
                (long long)config_integer(&request->broker->config, "group.consumer.max.size")));
    return KAFKA_NONE;
}

/* ---- the heartbeat of a member that stays ---- */

static void read_owned(const heartbeat *body, struct partition_list *owned) {
    for (int32_t i = 0; i < body->owned.count; i++)
        for (int32_t j = 0; j < body->owned.items[i].partitions.count; j++)
            VECTOR_PUSH(owned,
                ((struct topic_partition){body->owned.items[i].topic_id, body->owned.items[i].partitions.items[j], 0}));
    partition_list_sort(owned);
}

static void tell_assignment(struct api_request *request, const struct consumer_member *member) {
    heartbeat_reply *reply = request->reply;
    struct arena *arena = &request->arena;
    const struct partition_list *list = &member->assigned;
    int32_t *partitions = ARENA_ARRAY(arena, int32_t, list->count + 1);
    reply->assignment = wire_new(arena, &kafka_consumer_group_heartbeat_reply_assignment_struct, 1);
    WIRE_ARRAY(arena, &reply->assignment->assigned, &kafka_consumer_group_heartbeat_reply_assigned_struct, list->count);
    reply->assignment->assigned.count = 0;
    for (size_t i = 0; i < list->count; i++) {
        partitions[i] = list->items[i].partition;
        if (i == 0 || !uuid_equal(list->items[i].topic, list->items[i - 1].topic)) {
            struct kafka_consumer_group_heartbeat_reply_assigned *topic =
                &reply->assignment->assigned.items[reply->assignment->assigned.count++];
            topic->topic_id = list->items[i].topic;
            topic->partitions.items = &partitions[i];
        }
        reply->assignment->assigned.items[reply->assignment->assigned.count - 1].partitions.count++;
    }
}

/* A request with every field: the member has lost track, or just came. */
static bool is_full(const heartbeat *body) {
    return body->member_epoch == 0 ||
           (body->rebalance_timeout_ms != -1 && (body->topic_names.count >= 0 || body->topic_regex.data) &&
               body->owned.count >= 0);
}

static void go_on(struct api_request *request, struct group_batch *batch, struct consumer_member *member,
    const struct partition_list *owned) {
    const heartbeat *body = request->body;
    heartbeat_reply *reply = request->reply;
    struct partition_list before = {0};
    bool changed;
    if (!member) {
        struct bytes id = body->member_id.size > 0 ? body->member_id : make_member_id(request);
        member = consumer_member_add(batch->group->consumer, id);
    }
    struct consumer_update update = {.instance_id = body->instance_id,
        .rack_id = body->rack_id,
        .assignor = body->assignor,
        .topic_regex = body->topic_regex,
        .rebalance_timeout_ms = body->rebalance_timeout_ms,
        .topics = body->topic_names.items,
        .topic_count = body->topic_names.count,
        .client_id = request->connection->client_id,
        .client_host = request->connection->host,
        .is_changed = member->classic != NULL};
    classic_membership_free(member->classic); /* it has changed to this protocol */
    member->classic = NULL;
    partition_list_copy(&before, &member->assigned);
    if (member->epoch == STATIC_MEMBER_LEAVES) { /* it comes back under its former id */
        member->epoch = member->previous_epoch = 0;
        member->state = CONSUMER_STABLE;
    }
    consumer_member_update(batch, member, &update, &changed);
    consumer_group_refresh(batch, changed);
    consumer_member_reconcile(batch, member, owned);
    consumer_member_touch(batch->groups, member);
    reply->member_id = bytes_from_text(arena_strdup(&request->arena, member->id));
    reply->member_epoch = member->epoch;
    reply->heartbeat_interval_ms =
        (int32_t)config_integer(&request->broker->config, "group.consumer.heartbeat.interval.ms");
    if (is_full(body) || !partition_list_equal(&before, &member->assigned))
        tell_assignment(request, member);
    VECTOR_FREE(&before);
}

/* ---- leaving ---- */

static void leave(struct api_request *request, struct group_batch *batch, struct consumer_member *member) {
    const heartbeat *body = request->body;
    heartbeat_reply *reply = request->reply;
    reply->member_id = body->member_id;
    reply->member_epoch = body->member_epoch;
    if (body->member_epoch == STATIC_MEMBER_LEAVES) {
        /* Its partitions stay with it until its session ends. */
        member->epoch = STATIC_MEMBER_LEAVES;
        member->revoking.count = 0;
        consumer_group_rebuild_owners(batch->group->consumer);
        member->step_deadline_ms = 0;
        consumer_record_current(batch, member, false);
    } else {
        consumer_member_remove(batch, member, "left the consumer group");
    }
}

void handle_consumer_group_heartbeat(struct api_request *request) {
    const heartbeat *body = request->body;
    heartbeat_reply *reply = request->reply;
    struct group *group = NULL;
    struct group_batch batch = {0};
    struct consumer_member *member = NULL;
    struct partition_list owned = {0};
    struct partition_log *log = NULL;
    int64_t last_offset = -1;
    read_owned(body, &owned);
    int16_t code = broker_feature_level(request->broker, "group.version") >= 1 ? check_heartbeat(request)
                                                                               : KAFKA_UNSUPPORTED_VERSION;
    if (code == KAFKA_NONE)
        code = find_group(request, &batch, &group);
    if (code == KAFKA_NONE) {
        const struct partition_list *told = body->owned.count >= 0 ? &owned : NULL;
        code = find_member(request, &batch, &member);
        if (code == KAFKA_NONE && member && body->member_epoch >= 0)
            code = check_epoch(request, member, told);
        if (code == KAFKA_NONE && body->member_epoch < 0)
            leave(request, &batch, member);
        else if (code == KAFKA_NONE)
            go_on(request, &batch, member, told);
        if (group_batch_commit(&batch, &log, &last_offset) != KAFKA_NONE && code == KAFKA_NONE) {
            code = KAFKA_COORDINATOR_NOT_AVAILABLE;
            reply->assignment = NULL;
            reply->member_epoch = 0;
        }
    }
    VECTOR_FREE(&owned);
    reply->error_code = code;
    api_reply_when_committed(request, code == KAFKA_NONE ? log : NULL, last_offset);
}

/* ---- ConsumerGroupDescribe ---- */

typedef struct kafka_consumer_group_describe_reply_group described_group;
typedef struct kafka_consumer_group_describe_reply_member described_member;

/* Assignment and target have the same shape under two names. */
#define FILL_PARTITIONS(request, list, out, of)                                                                        \
    do {                                                                                                               \
        int32_t *numbers = ARENA_ARRAY(&(request)->arena, int32_t, (list)->count + 1);                                 \
        const struct topic *topic = NULL;                                                                              \
        WIRE_ARRAY(&(request)->arena, out, of, (list)->count);                                                         \
        (out)->count = 0;                                                                                              \
        for (size_t i = 0; i < (list)->count; i++) {                                                                   \
            numbers[i] = (list)->items[i].partition;                                                                   \
            if (i == 0 || !uuid_equal((list)->items[i].topic, (list)->items[i - 1].topic)) {                           \
                topic = topic_find_id((request)->broker, (list)->items[i].topic);                                      \
                if (topic) {                                                                                           \
                    (out)->items[(out)->count].topic_id = topic->id;                                                   \
                    (out)->items[(out)->count].topic_name =                                                            \
                        bytes_from_text(arena_strdup(&(request)->arena, topic->name));                                 \
                    (out)->items[(out)->count++].partitions.items = &numbers[i];                                       \
                }                                                                                                      \
            }                                                                                                          \
            if (topic)                                                                                                 \
                (out)->items[(out)->count - 1].partitions.count++;                                                     \
        }                                                                                                              \
    } while (0)

static void describe_member(struct api_request *request, const struct consumer_member *member, described_member *out) {
    struct arena *arena = &request->arena;
    out->member_id = bytes_from_text(member->id);
    out->instance_id = bytes_from_text(member->instance_id);
    out->rack_id = bytes_from_text(member->rack_id);
    out->epoch = member->epoch;
    out->client_id = bytes_from_text(member->client_id);
    out->client_host = bytes_from_text(member->client_host);
    out->topic_names.items = ARENA_ARRAY(arena, struct bytes, member->topics.count + 1);
    out->topic_names.count = (int32_t)member->topics.count;
    for (size_t i = 0; i < member->topics.count; i++)
        out->topic_names.items[i] = bytes_from_text(member->topics.items[i]);
    if (member->topic_regex && *member->topic_regex)
        out->topic_regex = bytes_from_text(member->topic_regex);
    out->type = member->classic ? 0 : 1;
    FILL_PARTITIONS(
        request, &member->assigned, &out->assignment.partitions, &kafka_consumer_group_describe_reply_assigned_struct);
    FILL_PARTITIONS(
        request, &member->target, &out->target.partitions, &kafka_consumer_group_describe_reply_targeted_struct);
}

static void describe_group(struct api_request *request, struct bytes id, described_group *out) {
    const struct kafka_consumer_group_describe_request *body = request->body;
    const struct group *group = group_find(request->broker->groups, id);
    out->group_id = id;
    if (id.size == 0) {
        out->error_code = KAFKA_INVALID_GROUP_ID;
        return;
    }
    if (!group || !group->consumer) {
        /* Kafka's words; its tools then ask DescribeGroups. */
        out->error_code = KAFKA_GROUP_ID_NOT_FOUND;
        out->error_message = group ? api_text(request, "Group %.*s is not a consumer group.", BYTES_ARGS(id))
                                   : api_text(request, "Group %.*s not found.", BYTES_ARGS(id));
        return;
    }
    const struct consumer_group *consumer = group->consumer;
    int32_t count = 0;
    out->state = bytes_from_text(consumer_group_state(consumer));
    out->epoch = consumer->epoch;
    out->assignment_epoch = consumer->assignment_epoch;
    out->assignor = bytes_from_text(consumer->assignor->name);
    out->operations = OPERATIONS_IF(body->group_operations, OPERATIONS_GROUP);
    WIRE_ARRAY(
        &request->arena, &out->members, &kafka_consumer_group_describe_reply_member_struct, consumer->member_count);
    LIST_FOR_EACH(node, &consumer->members)
    describe_member(request, CONTAINER_OF(node, struct consumer_member, node), &out->members.items[count++]);
}

void handle_consumer_group_describe(struct api_request *request) {
    const struct kafka_consumer_group_describe_request *body = request->body;
    struct kafka_consumer_group_describe_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->groups, &kafka_consumer_group_describe_reply_group_struct, body->groups.count);
    for (int32_t i = 0; i < body->groups.count; i++)
        describe_group(request, body->groups.items[i], &reply->groups.items[i]);
    api_reply(request);
}
