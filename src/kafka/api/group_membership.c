/* group_membership.c: FindCoordinator, JoinGroup, SyncGroup, Heartbeat, LeaveGroup. */
#include "kafka/consumer_group.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

#define LOGGER "kafka.coordinator.group.GroupCoordinator"
#define LEADER_WAIT_MS 50 /* longest wait for the members' own requests after the leader's assignment */
#define PENDING_MAX 10000 /* members that were told an id and have not come back */

/* ---- FindCoordinator ---- */

static int16_t coordinator_error(struct api_request *request, int8_t key_type, struct bytes key, const char **message) {
    *message = NULL;
    if (key_type == 0 || (key_type == 1 && key.size > 0))
        return KAFKA_NONE;
    *message = key_type == 1 ? "A transactional.id must not be empty"
                             : "This type of coordinator is not supported by this broker";
    service_log_write(request->broker->service_log, LOG_WARN, "kafka.server.KafkaApis",
        "FindCoordinator of type %d from %s is refused: %s", key_type, request->connection->host, *message);
    return KAFKA_INVALID_REQUEST;
}

void handle_find_coordinator(struct api_request *request) {
    const struct kafka_find_coordinator_request *body = request->body;
    struct kafka_find_coordinator_reply *reply = request->reply;
    const char *message;
    if (request->version < 4) {
        reply->error_code = coordinator_error(request, body->key_type, body->key, &message);
        reply->error_message = bytes_from_text(message);
        reply->node_id = -1;
        if (reply->error_code == KAFKA_NONE) {
            reply->node_id = request->broker->node_id;
            broker_advertised(request, &reply->host, &reply->port);
        } else {
            reply->port = -1;
        }
        api_reply(request);
        return;
    }
    WIRE_ARRAY(
        &request->arena, &reply->coordinators, &kafka_find_coordinator_reply_coordinator_struct, body->keys.count);
    for (int32_t i = 0; i < body->keys.count; i++) {
        struct kafka_find_coordinator_reply_coordinator *coordinator = &reply->coordinators.items[i];
        coordinator->key = body->keys.items[i];
        coordinator->error_code = coordinator_error(request, body->key_type, body->keys.items[i], &message);
        coordinator->error_message = bytes_from_text(message);
        coordinator->node_id = coordinator->port = -1;
        if (coordinator->error_code == KAFKA_NONE) {
            coordinator->node_id = request->broker->node_id;
            broker_advertised(request, &coordinator->host, &coordinator->port);
        }
    }
    api_reply(request);
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

static void cancel_join(struct api_request *request) {
    struct member *member = request->state;
    if (member && member->join == request)
        member->join = NULL;
}

static void cancel_sync(struct api_request *request) {
    struct member *member = request->state;
    if (member && member->sync == request)
        member->sync = NULL;
}

static void make_member_id(struct api_request *request, const char *prefix, char out[600]) {
    uint8_t random[16];
    char text[UUID_TEXT_SIZE];
    world_random(request->broker->world, random, sizeof random);
    uuid_format(uuid_from_random(random), text);
    snprintf(out, 600, "%.500s-%s", prefix, text);
}

static void set_member_details(struct member *member, const struct kafka_join_group_request *body) {
    for (size_t i = 0; i < member->protocols.count; i++) {
        free(member->protocols.items[i].name);
        buffer_free(&member->protocols.items[i].metadata);
    }
    member->protocols.count = 0;
    for (int32_t i = 0; i < body->protocols.count; i++)
        member_set_protocol(member, body->protocols.items[i].name, body->protocols.items[i].metadata);
    member->session_timeout_ms = body->session_timeout_ms;
    member->rebalance_timeout_ms =
        body->rebalance_timeout_ms < 0 ? body->session_timeout_ms : body->rebalance_timeout_ms;
}

static bool same_protocols(const struct member *member, const struct kafka_join_group_request *body) {
    if (member->protocols.count != (size_t)body->protocols.count)
        return false;
    for (size_t i = 0; i < member->protocols.count; i++)
        if (!bytes_equal_text(body->protocols.items[i].name, member->protocols.items[i].name) ||
            !bytes_equal(body->protocols.items[i].metadata, buffer_view(&member->protocols.items[i].metadata)))
            return false;
    return true;
}

/* The member's join waits for the rebalance. */
static void wait_join(struct group *group, struct member *member, struct api_request *request) {
    if (member->join) /* an older connection's join of the same member */
        answer_join(member->join, KAFKA_UNKNOWN_MEMBER_ID, bytes_from_text(member->id));
    member->join = request;
    request->state = member;
    request->cancel = cancel_join;
    if (!group->protocol_type || group->member_count == 1) {
        const struct kafka_join_group_request *body = request->body;
        free(group->protocol_type);
        group->protocol_type = strndup((const char *)body->protocol_type.data, body->protocol_type.size);
    }
}

static void rebalance_for(
    struct groups *groups, struct group *group, struct member *member, struct api_request *request, const char *why) {
    const struct kafka_join_group_request *body = request->body;
    char reason[700];
    wait_join(group, member, request);
    snprintf(reason, sizeof reason, "%s %.200s; client reason: %.*s", why, member->id,
        body->reason.size ? (int)(body->reason.size < 300 ? body->reason.size : 300) : 12,
        body->reason.size ? (const char *)body->reason.data : "not provided");
    /* The client's own words go into the log: one line, whatever they hold. */
    for (char *at = reason; *at; at++)
        if ((uint8_t)*at < 0x20 || *at == 0x7f)
            *at = ' ';
    if (group->state == GROUP_PREPARING && group->initial_delay) {
        /* Another of the first members: wait for one more delay, at most its own rebalance timeout in all. */
        int64_t delay = config_integer(&groups->broker->config, "group.initial.rebalance.delay.ms");
        int64_t latest = group->joining_since_ms + member->rebalance_timeout_ms;
        int64_t deadline = world_loop_now_ms(groups->broker->loop) + delay;
        group->deadline_ms = deadline < latest ? deadline : latest;
        groups_schedule(groups, group->deadline_ms);
    }
    group_prepare_rebalance(groups, group, reason);
    group_try_complete_join(groups, group);
}

static void join_new_member(
    struct groups *groups, struct group *group, struct api_request *request, const char *member_id) {
    const struct kafka_join_group_request *body = request->body;
    struct member *member =
        member_add(group, member_id, body->instance_id, request->connection->client_id, request->connection->host);
    set_member_details(member, body);
    member_touch(groups, member);
    rebalance_for(groups, group, member, request, "Adding new member");
}

/* A static member that came back (its process restarted): it takes its former place under a new member id. */
static void rejoin_static(
    struct groups *groups, struct group *group, struct member *member, struct api_request *request) {
    const struct kafka_join_group_request *body = request->body;
    char id[600];
    make_member_id(request, member->instance_id, id);
    if (member->join)
        answer_join(
            member->join, KAFKA_FENCED_INSTANCE_ID, bytes_from_text(arena_strdup(&member->join->arena, member->id)));
    member->join = NULL;
    if (member->sync)
        group_answer_sync(member, KAFKA_FENCED_INSTANCE_ID);
    char *old_id = member->id;
    member->id = strdup(id);
    const char *protocol = group->protocol_name;
    const struct member_protocol *before = member_protocol(member, protocol);
    bool same = false;
    for (int32_t i = 0; before && i < body->protocols.count; i++)
        same = same || (bytes_equal_text(body->protocols.items[i].name, protocol) &&
                           bytes_equal(body->protocols.items[i].metadata, buffer_view(&before->metadata)));
    set_member_details(member, body);
    member_touch(groups, member);
    service_log_write(groups->broker->service_log, LOG_INFO, LOGGER,
        "[GroupCoordinator %d]: Static member %s of group %s with unknown member id rejoins, assigning new member id "
        "%s, while old member id %s "
        "will be removed.",
        groups->broker->node_id, member->instance_id, group->id, id, old_id);
    if (group->state != GROUP_STABLE || !same) {
        rebalance_for(groups, group, member, request, "Updating static member");
        free(old_id);
        return;
    }
    /* Nothing changed for the others: the present generation goes on. The leader must not assign anew: version 9 says
     * so, older clients are told the former id as leader's. */
    struct kafka_join_group_reply *reply = request->reply;
    member->join = request;
    request->state = member;
    group_store(groups, group);
    struct member *leader = group->leader;
    if (leader == member && request->version < 9)
        group->leader = NULL;
    reply->skip_assignment = leader == member && request->version >= 9;
    struct bytes former = bytes_from_text(arena_strdup(&request->arena, old_id));
    free(old_id);
    if (leader == member && request->version < 9) {
        reply->generation = group->generation;
        reply->protocol_type = bytes_from_text(group->protocol_type);
        reply->protocol_name = bytes_from_text(group->protocol_name);
        reply->leader = former;
        reply->member_id = bytes_from_text(member->id);
        member->join = NULL;
        group->leader = leader;
        api_reply(request);
        return;
    }
    group_answer_join(group, member);
}

static void require_member_id(struct groups *groups, struct group *group, struct api_request *request, const char *id) {
    const struct kafka_join_group_request *body = request->body;
    struct pending_member *pending = VECTOR_ADD(&group->pending);
    *pending = (struct pending_member){strdup(id), world_loop_now_ms(groups->broker->loop) + body->session_timeout_ms};
    groups_schedule(groups, pending->deadline_ms);
    service_log_write(groups->broker->service_log, LOG_INFO, LOGGER,
        "[GroupCoordinator %d]: Dynamic member with unknown member id joins group %s in %s state. Created a new member "
        "id %s and requesting "
        "the member to rejoin with this id.",
        groups->broker->node_id, group->id, group_state_text(group), id);
    answer_join(request, KAFKA_MEMBER_ID_REQUIRED, bytes_from_text(arena_strdup(&request->arena, id)));
}

static bool take_pending(struct group *group, struct bytes id) {
    for (size_t i = 0; i < group->pending.count; i++)
        if (bytes_equal_text(id, group->pending.items[i].id)) {
            free(group->pending.items[i].id);
            VECTOR_REMOVE(&group->pending, i);
            return true;
        }
    return false;
}

static void join_unknown(struct groups *groups, struct group *group, struct api_request *request) {
    const struct kafka_join_group_request *body = request->body;
    char id[600];
    struct member *member = body->instance_id.data ? group_static_member(group, body->instance_id) : NULL;
    if (member) {
        rejoin_static(groups, group, member, request);
        return;
    }
    char prefix[300];
    snprintf(prefix, sizeof prefix, "%.*s",
        body->instance_id.data ? (int)(body->instance_id.size < 250 ? body->instance_id.size : 250) : 250,
        body->instance_id.data ? (const char *)body->instance_id.data : request->connection->client_id);
    make_member_id(request, prefix, id);
    if (request->version >= 4 && !body->instance_id.data)
        require_member_id(groups, group, request, id);
    else
        join_new_member(groups, group, request, id);
}

static void join_known(struct groups *groups, struct group *group, struct member *member, struct api_request *request) {
    const struct kafka_join_group_request *body = request->body;
    bool same = same_protocols(member, body);
    member_touch(groups, member);
    switch (group->state) {
    case GROUP_PREPARING:
        set_member_details(member, body);
        rebalance_for(groups, group, member, request, "Updating metadata for member");
        return;
    case GROUP_COMPLETING:
        if (same)
            break;
        set_member_details(member, body);
        rebalance_for(groups, group, member, request, "Updating metadata for member");
        return;
    case GROUP_STABLE:
        if (same && member != group->leader)
            break;
        set_member_details(member, body);
        rebalance_for(groups, group, member, request,
            member == group->leader ? "Leader re-joining group:" : "Updating metadata for member");
        return;
    default:
        answer_join(request, KAFKA_UNKNOWN_MEMBER_ID, BYTES(""));
        return;
    }
    /* The answer to the last join was lost: the same again. */
    member->join = request;
    request->state = member;
    group_answer_join(group, member);
}

static int16_t check_join(const struct broker *broker, const struct kafka_join_group_request *body) {
    if (!group_id_valid(body->group_id) || (body->instance_id.data && !group_id_valid(body->instance_id)))
        return KAFKA_INVALID_GROUP_ID;
    if (body->session_timeout_ms < config_integer(&broker->config, "group.min.session.timeout.ms") ||
        body->session_timeout_ms > config_integer(&broker->config, "group.max.session.timeout.ms"))
        return KAFKA_INVALID_SESSION_TIMEOUT;
    if (body->protocols.count == 0 || body->protocol_type.size == 0)
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    return KAFKA_NONE;
}

/* A group of the newer protocol without members becomes a classic one. */
static bool become_classic(struct groups *groups, struct group *group) {
    struct group_batch batch;
    group_batch_begin(&batch, groups, group);
    consumer_record_nothing_left(&batch);
    if (group_batch_commit(&batch, NULL, NULL) != KAFKA_NONE)
        return false;
    consumer_group_free(group);
    return true;
}

void handle_join_group(struct api_request *request) {
    const struct kafka_join_group_request *body = request->body;
    struct groups *groups = request->broker->groups;
    int16_t code = check_join(request->broker, body);
    struct group *group = group_find(groups, body->group_id);
    if (code == KAFKA_NONE && !group && body->member_id.size > 0)
        code = KAFKA_UNKNOWN_MEMBER_ID;
    if (code != KAFKA_NONE) {
        answer_join(request, code, body->member_id);
        return;
    }
    if (!group)
        group = group_make(groups, body->group_id);
    if (group->consumer && group_has_members(group)) {
        consumer_classic_join(request, group);
        return;
    }
    if (group->consumer && !become_classic(groups, group)) {
        answer_join(request, KAFKA_COORDINATOR_NOT_AVAILABLE, body->member_id);
        return;
    }
    struct member *member = body->member_id.size > 0 ? group_member_find(group, body->member_id) : NULL;
    if (body->instance_id.data && body->member_id.size > 0) {
        struct member *by_instance = group_static_member(group, body->instance_id);
        if (by_instance != member || !member)
            code = by_instance ? KAFKA_FENCED_INSTANCE_ID : KAFKA_UNKNOWN_MEMBER_ID;
    }
    bool was_pending =
        code == KAFKA_NONE && !member && body->member_id.size > 0 && take_pending(group, body->member_id);
    if (code == KAFKA_NONE && body->member_id.size > 0 && !member && !was_pending)
        code = KAFKA_UNKNOWN_MEMBER_ID;
    if (code == KAFKA_NONE && !group_supports_protocols(group, body))
        code = KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    if (code == KAFKA_NONE && !member &&
        ((int64_t)group->member_count >= config_integer(&request->broker->config, "group.max.size") ||
            group->pending.count >= PENDING_MAX))
        code = KAFKA_GROUP_MAX_SIZE_REACHED;
    if (code != KAFKA_NONE) {
        answer_join(request, code, body->member_id);
    } else if (member) {
        join_known(groups, group, member, request);
    } else if (was_pending) {
        char *id = arena_text(&request->arena, body->member_id);
        join_new_member(groups, group, request, id);
    } else {
        join_unknown(groups, group, request);
    }
}

/* ---- SyncGroup ---- */

static void answer_sync(struct api_request *request, int16_t code) {
    struct kafka_sync_group_reply *reply = request->reply;
    reply->error_code = code;
    reply->assignment = BYTES("");
    api_reply(request);
}

static void take_assignments(struct groups *groups, struct group *group, const struct kafka_sync_group_request *body) {
    LIST_FOR_EACH(node, &group->members)
    buffer_clear(&CONTAINER_OF(node, struct member, node)->assignment);
    for (int32_t i = 0; i < body->assignments.count; i++) {
        struct member *member = group_member_find(group, body->assignments.items[i].member_id);
        if (member)
            buffer_append_bytes(&member->assignment, body->assignments.items[i].assignment);
    }
    group->state = GROUP_STABLE;
    group->state_wall_ms = world_wall_ms(groups->broker->world);
    group->deadline_ms = 0;
}

/* A leader that is answered at once and then has to give partitions back joins again before the others have asked what
 * they got: their turn would be lost, and with it one step of a cooperative rebalance. */
static void answer_leader_soon(struct groups *groups, struct group *group) {
    if (!group->leader || !group->leader->sync)
        return;
    LIST_FOR_EACH(node, &group->members) {
        const struct member *member = CONTAINER_OF(node, struct member, node);
        if (member != group->leader && !member->synced) {
            if (group->deadline_ms == 0) {
                group->deadline_ms = world_loop_now_ms(groups->broker->loop) + LEADER_WAIT_MS;
                groups_schedule(groups, group->deadline_ms);
            }
            return;
        }
    }
    group_answer_leader(group);
}

static void assignment_arrived(
    struct groups *groups, struct group *group, struct member *leader, struct api_request *request) {
    size_t static_count = 0;
    LIST_FOR_EACH(node, &group->members)
    static_count += CONTAINER_OF(node, struct member, node)->instance_id != NULL;
    service_log_write(groups->broker->service_log, LOG_INFO, LOGGER,
        "[GroupCoordinator %d]: Assignment received from leader %s for group %s for generation %d. The group has %zu "
        "members, %zu of which are "
        "static.",
        groups->broker->node_id, leader->id, group->id, group->generation, group->member_count, static_count);
    take_assignments(groups, group, request->body);
    int16_t code = group_store(groups, group);
    if (code != KAFKA_NONE) {
        LIST_FOR_EACH(node, &group->members) {
            struct member *member = CONTAINER_OF(node, struct member, node);
            if (member->sync)
                group_answer_sync(member, KAFKA_COORDINATOR_NOT_AVAILABLE);
        }
        group_prepare_rebalance(groups, group, "The assignment could not be stored");
        return;
    }
    LIST_FOR_EACH(node, &group->members) {
        struct member *member = CONTAINER_OF(node, struct member, node);
        if (member->sync && member != leader) {
            member_touch(groups, member);
            group_answer_sync(member, KAFKA_NONE);
        }
    }
    member_touch(groups, leader);
    answer_leader_soon(groups, group);
}

static bool protocol_fits(const struct group *group, const struct kafka_sync_group_request *body) {
    return (!body->protocol_type.data || !group->protocol_type ||
               bytes_equal_text(body->protocol_type, group->protocol_type)) &&
           (!body->protocol_name.data || !group->protocol_name ||
               bytes_equal_text(body->protocol_name, group->protocol_name));
}

void handle_sync_group(struct api_request *request) {
    const struct kafka_sync_group_request *body = request->body;
    struct groups *groups = request->broker->groups;
    struct group *group = group_find(groups, body->group_id);
    struct member *member = NULL;
    int16_t code = KAFKA_UNKNOWN_MEMBER_ID;
    if (group && group->consumer) {
        consumer_classic_sync(request, group);
        return;
    }
    if (body->group_id.size == 0)
        code = KAFKA_INVALID_GROUP_ID;
    else if (group && group->state != GROUP_EMPTY)
        code = group_check_member(group, body->member_id, body->instance_id, body->generation, &member);
    if (code == KAFKA_NONE && !protocol_fits(group, body))
        code = KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    if (code == KAFKA_NONE && group->state == GROUP_PREPARING)
        code = KAFKA_REBALANCE_IN_PROGRESS;
    if (code != KAFKA_NONE) {
        answer_sync(request, code);
        return;
    }
    if (member->sync)
        group_answer_sync(member, KAFKA_REBALANCE_IN_PROGRESS);
    member->sync = request;
    request->state = member;
    request->cancel = cancel_sync;
    member_touch(groups, member);
    if (group->state == GROUP_STABLE) {
        group_answer_sync(member, KAFKA_NONE);
        answer_leader_soon(groups, group);
    } else if (member == group->leader)
        assignment_arrived(groups, group, member, request);
}

/* ---- Heartbeat ---- */

void handle_heartbeat(struct api_request *request) {
    const struct kafka_heartbeat_request *body = request->body;
    struct kafka_heartbeat_reply *reply = request->reply;
    struct groups *groups = request->broker->groups;
    struct group *group = group_find(groups, body->group_id);
    struct member *member = NULL;
    if (group && group->consumer) {
        consumer_classic_heartbeat(request, group);
        return;
    }
    reply->error_code = KAFKA_UNKNOWN_MEMBER_ID;
    if (body->group_id.size == 0)
        reply->error_code = KAFKA_INVALID_GROUP_ID;
    else if (group && group->state != GROUP_EMPTY)
        reply->error_code = group_check_member(group, body->member_id, body->instance_id, body->generation, &member);
    if (reply->error_code == KAFKA_NONE) {
        member_touch(groups, member);
        if (group->state == GROUP_PREPARING)
            reply->error_code = KAFKA_REBALANCE_IN_PROGRESS;
    }
    api_reply(request);
}

/* ---- LeaveGroup ---- */

static int16_t leave(struct groups *groups, struct group *group, struct bytes member_id, struct bytes instance_id) {
    if (group->consumer)
        return consumer_classic_leave(groups, group, member_id, instance_id);
    struct member *member = group_member_find(group, member_id);
    if (instance_id.data) {
        struct member *by_instance = group_static_member(group, instance_id);
        if (!by_instance)
            return KAFKA_UNKNOWN_MEMBER_ID;
        /* Tools remove static members by their instance id alone. */
        if (member_id.size > 0 && by_instance != member)
            return KAFKA_FENCED_INSTANCE_ID;
        member = by_instance;
    }
    if (!member) {
        if (!take_pending(group, member_id))
            return KAFKA_UNKNOWN_MEMBER_ID;
        group_try_complete_join(groups, group);
        return KAFKA_NONE;
    }
    group_remove_member(groups, group, member, KAFKA_UNKNOWN_MEMBER_ID, "on LeaveGroup");
    return KAFKA_NONE;
}

void handle_leave_group(struct api_request *request) {
    const struct kafka_leave_group_request *body = request->body;
    struct kafka_leave_group_reply *reply = request->reply;
    struct groups *groups = request->broker->groups;
    struct group *group = group_find(groups, body->group_id);
    if (body->group_id.size == 0) {
        reply->error_code = KAFKA_INVALID_GROUP_ID;
    } else if (request->version < 3) {
        reply->error_code = group ? leave(groups, group, body->member_id, BYTES_NULL) : KAFKA_UNKNOWN_MEMBER_ID;
    } else {
        WIRE_ARRAY(&request->arena, &reply->members, &kafka_leave_group_reply_member_struct, body->members.count);
        for (int32_t i = 0; i < body->members.count; i++) {
            reply->members.items[i].member_id = body->members.items[i].member_id;
            reply->members.items[i].instance_id = body->members.items[i].instance_id;
            reply->members.items[i].error_code =
                group ? leave(groups, group, body->members.items[i].member_id, body->members.items[i].instance_id)
                      : KAFKA_UNKNOWN_MEMBER_ID;
        }
    }
    api_reply(request);
}
