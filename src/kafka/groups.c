/* groups.c: the states of a classic group.
 *
 *   Empty ── first join ──▸ PreparingRebalance ── all joined, or time ──▸ CompletingRebalance ── leader's assignment
 * ──▸ Stable ▴                        ▴        │ nobody joined                        │ member joins, leaves, fails │
 *     └────────────────────────┼────────┘                                      └───────────────▸ PreparingRebalance
 * ◂──────┘
 *
 * Joins wait in PreparingRebalance and are answered together with the next generation; syncs wait in
 * CompletingRebalance for the leader's assignment. One timer serves all deadlines: it is set to the nearest and looks
 * at every group when it fires. */
#include "kafka/groups.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "kafka/consumer_group.h"

#define LOGGER "kafka.coordinator.group.GroupCoordinator"

static const char *const state_names[] = {"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"};

const char *group_state_text(const struct group *group) {
    return group->consumer ? consumer_group_state(group->consumer) : state_names[group->state];
}

bool group_has_members(const struct group *group) {
    return group->consumer ? group->consumer->member_count > 0 : group->member_count > 0 || group->pending.count > 0;
}

static int64_t now_ms(const struct groups *groups) {
    return world_loop_now_ms(groups->broker->loop);
}

static void set_state(struct groups *groups, struct group *group, enum group_state state) {
    /* From a row to the columns it may change to. */
    static const bool allowed[5][5] = {
        [GROUP_EMPTY] = {[GROUP_PREPARING] = true, [GROUP_EMPTY] = true, [GROUP_DEAD] = true},
        [GROUP_PREPARING] = {[GROUP_COMPLETING] = true, [GROUP_EMPTY] = true},
        [GROUP_COMPLETING] = {[GROUP_STABLE] = true, [GROUP_PREPARING] = true},
        [GROUP_STABLE] = {[GROUP_PREPARING] = true},
    };
    ASSERT(allowed[group->state][state]);
    group->state = state;
    group->state_wall_ms = world_wall_ms(groups->broker->world);
}

/* ---- finding and making ---- */

bool group_id_valid(struct bytes id) {
    for (size_t i = 0; i < id.size; i++)
        if (id.data[i] < 0x20 || id.data[i] == 0x7f)
            return false;
    return id.size > 0 && bytes_is_utf8(id);
}

struct group *group_find(struct groups *groups, struct bytes id) {
    return map_get(&groups->by_id, id);
}

struct group *group_make(struct groups *groups, struct bytes id) {
    struct group *group = group_find(groups, id);
    if (group)
        return group;
    group = calloc(1, sizeof *group);
    ASSERT(group);
    group->id = strndup((const char *)id.data, id.size);
    group->state_wall_ms = world_wall_ms(groups->broker->world);
    list_init(&group->members);
    map_set(&groups->by_id, id, group);
    return group;
}

static void clear_protocols(struct member *member) {
    for (size_t i = 0; i < member->protocols.count; i++) {
        free(member->protocols.items[i].name);
        buffer_free(&member->protocols.items[i].metadata);
    }
    member->protocols.count = 0;
}

static void member_free(struct member *member) {
    list_remove(&member->node);
    member->group->member_count--;
    if (member->group->leader == member)
        member->group->leader = NULL;
    clear_protocols(member);
    VECTOR_FREE(&member->protocols);
    buffer_free(&member->assignment);
    free(member->id);
    free(member->instance_id);
    free(member->client_id);
    free(member->client_host);
    free(member);
}

static void forget_pending(struct group *group) {
    for (size_t i = 0; i < group->pending.count; i++)
        free(group->pending.items[i].id);
    VECTOR_FREE(&group->pending);
}

void group_free(struct groups *groups, struct group *group) {
    consumer_group_free(group);
    buffer_free(&group->unstored.bytes);
    VECTOR_FREE(&group->unstored.list);
    LIST_FOR_EACH(node, &group->members)
    member_free(CONTAINER_OF(node, struct member, node));
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&group->offsets, &cursor));)
        group_drop_offset(group, entry->value);
    map_free(&group->offsets);
    group_drop_unsettled(group, BYTES_NULL, 0);
    VECTOR_FREE(&group->unsettled);
    forget_pending(group);
    map_remove(&groups->by_id, bytes_from_text(group->id));
    free(group->protocol_type);
    free(group->protocol_name);
    free(group->id);
    free(group);
}

struct member *group_member_find(struct group *group, struct bytes id) {
    LIST_FOR_EACH(node, &group->members) {
        struct member *member = CONTAINER_OF(node, struct member, node);
        if (bytes_equal_text(id, member->id))
            return member;
    }
    return NULL;
}

struct member *group_static_member(struct group *group, struct bytes instance_id) {
    LIST_FOR_EACH(node, &group->members) {
        struct member *member = CONTAINER_OF(node, struct member, node);
        if (member->instance_id && bytes_equal_text(instance_id, member->instance_id))
            return member;
    }
    return NULL;
}

struct member *member_add(
    struct group *group, const char *id, struct bytes instance_id, const char *client_id, const char *client_host) {
    struct member *member = calloc(1, sizeof *member);
    ASSERT(member);
    member->group = group;
    member->id = strdup(id);
    member->instance_id = instance_id.data ? strndup((const char *)instance_id.data, instance_id.size) : NULL;
    member->client_id = strdup(client_id);
    member->client_host = strdup(client_host);
    list_append(&group->members, &member->node);
    group->member_count++;
    return member;
}

void member_set_protocol(struct member *member, struct bytes name, struct bytes metadata) {
    struct member_protocol *protocol = VECTOR_ADD(&member->protocols);
    *protocol = (struct member_protocol){.name = strndup((const char *)name.data, name.size)};
    buffer_append_bytes(&protocol->metadata, metadata);
}

const struct member_protocol *member_protocol(const struct member *member, const char *name) {
    for (size_t i = 0; name && i < member->protocols.count; i++)
        if (strcmp(member->protocols.items[i].name, name) == 0)
            return &member->protocols.items[i];
    return NULL;
}

int16_t group_check_member(
    struct group *group, struct bytes member_id, struct bytes instance_id, int32_t generation, struct member **member) {
    struct member *found = group_member_find(group, member_id);
    if (instance_id.data) {
        struct member *by_instance = group_static_member(group, instance_id);
        if (!by_instance)
            return KAFKA_UNKNOWN_MEMBER_ID;
        if (by_instance != found)
            return KAFKA_FENCED_INSTANCE_ID;
    }
    if (!found)
        return KAFKA_UNKNOWN_MEMBER_ID;
    if (generation != group->generation)
        return KAFKA_ILLEGAL_GENERATION;
    *member = found;
    return KAFKA_NONE;
}

/* ---- time ---- */

void groups_schedule(struct groups *groups, int64_t deadline_ms) {
    if (groups->next_deadline_ms != 0 && groups->next_deadline_ms <= deadline_ms)
        return;
    int64_t delay = deadline_ms - now_ms(groups);
    groups->next_deadline_ms = deadline_ms;
    world_timer_start(groups->timer, delay > 0 ? delay : 0, 0);
}

void member_touch(struct groups *groups, struct member *member) {
    member->deadline_ms = now_ms(groups) + member->session_timeout_ms;
    groups_schedule(groups, member->deadline_ms);
}

/* A member whose join waits cannot send heartbeats. */
static bool member_expired(const struct member *member, int64_t now) {
    return !member->join && !member->sync && member->deadline_ms <= now;
}

static void expire_pending(struct group *group, int64_t now) {
    for (size_t i = 0; i < group->pending.count;) {
        if (group->pending.items[i].deadline_ms > now) {
            i++;
            continue;
        }
        free(group->pending.items[i].id);
        VECTOR_REMOVE(&group->pending, i);
    }
}

static void complete_join(struct groups *groups, struct group *group);

static void expire_sync(struct groups *groups, struct group *group) {
    /* Members that did not ask for their assignment in time, most often because the leader went. */
    bool removed = false;
    LIST_FOR_EACH(node, &group->members) {
        struct member *member = CONTAINER_OF(node, struct member, node);
        if (!member->sync && !member->synced) {
            service_log_write(groups->broker->service_log, LOG_INFO, LOGGER,
                "[GroupCoordinator %d]: Member %s of group %s did not sync in time and is removed",
                groups->broker->node_id, member->id, group->id);
            member_free(member);
            removed = true;
        }
    }
    group->deadline_ms = 0;
    if (removed)
        group_prepare_rebalance(groups, group, "Removing members on pending sync expiry");
}

static void expire_group(struct groups *groups, struct group *group, int64_t now) {
    if (group->consumer) {
        consumer_group_expire(groups, group, now);
        return;
    }
    expire_pending(group, now);
    for (bool again = true; again;) {
        again = false;
        LIST_FOR_EACH(node, &group->members) {
            struct member *member = CONTAINER_OF(node, struct member, node);
            if (member_expired(member, now)) {
                group_remove_member(groups, group, member, KAFKA_UNKNOWN_MEMBER_ID, "on heartbeat expiration");
                again = true;
                break; /* the list may have changed */
            }
        }
    }
    if (group->state == GROUP_PREPARING) {
        if (group->deadline_ms && group->deadline_ms <= now)
            complete_join(groups, group);
        else
            group_try_complete_join(groups, group);
    } else if (group->state == GROUP_COMPLETING && group->deadline_ms && group->deadline_ms <= now) {
        expire_sync(groups, group);
    } else if (group->state == GROUP_STABLE && group->deadline_ms && group->deadline_ms <= now) {
        group_answer_leader(group);
    }
}

static int64_t nearest_deadline(const struct group *group) {
    int64_t nearest = INT64_MAX;
    if (group->consumer)
        return consumer_group_nearest_deadline(group->consumer);
    if (group->deadline_ms && group->state != GROUP_EMPTY)
        nearest = group->deadline_ms;
    for (size_t i = 0; i < group->pending.count; i++)
        if (group->pending.items[i].deadline_ms < nearest)
            nearest = group->pending.items[i].deadline_ms;
    LIST_FOR_EACH(node, &group->members) {
        const struct member *member = CONTAINER_OF(node, struct member, node);
        if (!member->join && !member->sync && member->deadline_ms < nearest)
            nearest = member->deadline_ms;
    }
    return nearest;
}

static void on_timer(void *argument) {
    struct groups *groups = argument;
    int64_t now = now_ms(groups), nearest = INT64_MAX;
    size_t cursor = 0;
    groups->next_deadline_ms = 0;
    for (struct map_entry *entry; (entry = map_next(&groups->by_id, &cursor));)
        expire_group(groups, entry->value, now);
    cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&groups->by_id, &cursor));) {
        int64_t deadline = nearest_deadline(entry->value);
        nearest = deadline < nearest ? deadline : nearest;
    }
    if (nearest != INT64_MAX)
        groups_schedule(groups, nearest);
}

static void on_expiry_timer(void *argument) {
    groups_expire(argument);
}

struct groups *groups_create(struct broker *broker) {
    struct groups *groups = calloc(1, sizeof *groups);
    ASSERT(groups);
    groups->broker = broker;
    groups->timer = world_timer_create(broker->loop, on_timer, groups);
    groups->expiry_timer = world_timer_create(broker->loop, on_expiry_timer, groups);
    int64_t interval = config_integer(&broker->config, "offsets.retention.check.interval.ms");
    world_timer_start(groups->expiry_timer, interval, interval);
    return groups;
}

void groups_destroy(struct groups *groups) {
    if (!groups)
        return;
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&groups->by_id, &cursor));)
        group_free(groups, entry->value);
    map_free(&groups->by_id);
    groups_free_waiting(groups);
    world_timer_destroy(groups->timer);
    world_timer_destroy(groups->expiry_timer);
    free(groups);
}

/* ---- answers ---- */

static void answer_join_members(struct group *group, struct api_request *request) {
    struct kafka_join_group_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->members, &kafka_join_group_reply_member_struct, group->member_count);
    int32_t count = 0;
    LIST_FOR_EACH(node, &group->members) {
        const struct member *member = CONTAINER_OF(node, struct member, node);
        const struct member_protocol *protocol = member_protocol(member, group->protocol_name);
        struct kafka_join_group_reply_member *out = &reply->members.items[count++];
        out->member_id = bytes_from_text(member->id);
        out->instance_id = bytes_from_text(member->instance_id);
        out->metadata = protocol ? buffer_view(&protocol->metadata) : BYTES("");
    }
}

void group_answer_join(struct group *group, struct member *member) {
    struct api_request *request = member->join;
    struct kafka_join_group_reply *reply = request->reply;
    member->join = NULL;
    reply->generation = group->generation;
    reply->protocol_type = bytes_from_text(group->protocol_type);
    reply->protocol_name = bytes_from_text(group->protocol_name);
    reply->leader = group->leader ? bytes_from_text(group->leader->id) : BYTES("");
    reply->member_id = bytes_from_text(member->id);
    if (group->leader == member)
        answer_join_members(group, request);
    api_reply(request);
}

static void answer_join_error(struct member *member, int16_t code) {
    struct api_request *request = member->join;
    struct kafka_join_group_reply *reply = request->reply;
    member->join = NULL;
    reply->error_code = code;
    reply->member_id = bytes_from_text(member->id);
    if (request->version < 7)
        reply->protocol_name = BYTES("");
    api_reply(request);
}

void group_answer_sync(struct member *member, int16_t code) {
    struct api_request *request = member->sync;
    struct kafka_sync_group_reply *reply = request->reply;
    member->sync = NULL;
    reply->error_code = code;
    reply->assignment = BYTES("");
    if (code == KAFKA_NONE) {
        reply->protocol_type = bytes_from_text(member->group->protocol_type);
        reply->protocol_name = bytes_from_text(member->group->protocol_name);
        if (member->assignment.size > 0)
            reply->assignment = buffer_view(&member->assignment);
        member->synced = true;
    }
    api_reply(request);
}

/* ---- rebalancing ---- */

bool group_supports_protocols(const struct group *group, const struct kafka_join_group_request *request) {
    if (group->member_count == 0)
        return request->protocols.count > 0 && request->protocol_type.size > 0;
    if (!group->protocol_type || !bytes_equal_text(request->protocol_type, group->protocol_type))
        return false;
    for (int32_t i = 0; i < request->protocols.count; i++) {
        bool all = true;
        char *name =
            strndup((const char *)request->protocols.items[i].name.data, request->protocols.items[i].name.size);
        LIST_FOR_EACH(node, &group->members)
        all = all && member_protocol(CONTAINER_OF(node, struct member, node), name);
        free(name);
        if (all)
            return true;
    }
    return false;
}

static int32_t longest_rebalance(const struct group *group) {
    int32_t longest = 0;
    LIST_FOR_EACH(node, &group->members) {
        const struct member *member = CONTAINER_OF(node, struct member, node);
        if (member->rebalance_timeout_ms > longest)
            longest = member->rebalance_timeout_ms;
    }
    return longest;
}

void group_answer_leader(struct group *group) {
    if (group->leader && group->leader->sync)
        group_answer_sync(group->leader, KAFKA_NONE);
    group->deadline_ms = 0;
}

void group_prepare_rebalance(struct groups *groups, struct group *group, const char *why) {
    struct broker *broker = groups->broker;
    if (group->state == GROUP_PREPARING)
        return;
    if (group->state == GROUP_STABLE)
        group_answer_leader(group);
    if (group->state == GROUP_COMPLETING)
        LIST_FOR_EACH(node, &group->members) {
            struct member *member = CONTAINER_OF(node, struct member, node);
            if (member->sync) {
                member_touch(groups, member);
                group_answer_sync(member, KAFKA_REBALANCE_IN_PROGRESS);
            }
        }
    group->initial_delay = group->state == GROUP_EMPTY;
    set_state(groups, group, GROUP_PREPARING);
    group->joining_since_ms = now_ms(groups);
    int64_t delay = longest_rebalance(group);
    if (group->initial_delay) {
        int64_t initial = config_integer(&broker->config, "group.initial.rebalance.delay.ms");
        delay = initial < delay || delay == 0 ? initial : delay;
    }
    group->deadline_ms = group->joining_since_ms + delay;
    groups_schedule(groups, group->deadline_ms);
    const struct topic *topic = topic_find(broker, BYTES(KAFKA_OFFSETS_TOPIC));
    service_log_write(broker->service_log, LOG_INFO, LOGGER,
        "[GroupCoordinator %d]: Preparing to rebalance group %s in state PreparingRebalance with old generation %d "
        "(__consumer_offsets-%d) (reason: %s)",
        broker->node_id, group->id, group->generation,
        topic ? group_partition(bytes_from_text(group->id), topic->partition_count) : 0, why);
}

static bool all_joined(const struct group *group) {
    LIST_FOR_EACH(node, &group->members)
    if (!CONTAINER_OF(node, struct member, node)->join)
        return false;
    return group->pending.count == 0;
}

void group_try_complete_join(struct groups *groups, struct group *group) {
    if (group->state != GROUP_PREPARING)
        return;
    /* While the first members gather, only time ends the wait (unless all are gone). */
    if (group->initial_delay && group->member_count > 0 && now_ms(groups) < group->deadline_ms)
        return;
    if (all_joined(group))
        complete_join(groups, group);
}

void group_choose_protocol(struct group *group) {
    struct map votes = {0};
    const char *best = NULL;
    intptr_t best_votes = 0;
    LIST_FOR_EACH(node, &group->members) {
        const struct member *member = CONTAINER_OF(node, struct member, node);
        for (size_t i = 0; i < member->protocols.count; i++) {
            const char *name = member->protocols.items[i].name;
            bool all = true;
            LIST_FOR_EACH(other, &group->members)
            all = all && member_protocol(CONTAINER_OF(other, struct member, node), name);
            if (!all)
                continue;
            intptr_t count = (intptr_t)map_get_text(&votes, name) + 1;
            map_set_text(&votes, name, (void *)count);
            if (count > best_votes) {
                best_votes = count;
                best = name;
            }
            break; /* one vote each */
        }
    }
    char *chosen = best ? strdup(best) : NULL;
    free(group->protocol_name);
    group->protocol_name = chosen;
    map_free(&votes);
}

static void become_empty(struct groups *groups, struct group *group) {
    group->generation++;
    group->deadline_ms = 0;
    free(group->protocol_name);
    group->protocol_name = NULL;
    group->leader = NULL;
    set_state(groups, group, GROUP_EMPTY);
    service_log_write(groups->broker->service_log, LOG_INFO, LOGGER,
        "[GroupCoordinator %d]: Group %s with generation %d is now empty", groups->broker->node_id, group->id,
        group->generation);
    group_store(groups, group);
}

static void complete_join(struct groups *groups, struct group *group) {
    struct broker *broker = groups->broker;
    group->initial_delay = false;
    LIST_FOR_EACH(node, &group->members) {
        struct member *member = CONTAINER_OF(node, struct member, node);
        if (!member->join && !member->instance_id) {
            service_log_write(broker->service_log, LOG_INFO, LOGGER,
                "[GroupCoordinator %d]: Group %s removed member %s that did not join the rebalance in time",
                broker->node_id, group->id, member->id);
            member_free(member);
        }
    }
    if (group->member_count == 0) {
        become_empty(groups, group);
        return;
    }
    group->generation++;
    group_choose_protocol(group);
    if (!group->leader || !group->leader->join)
        LIST_FOR_EACH(node, &group->members) {
            struct member *member = CONTAINER_OF(node, struct member, node);
            if (member->join) {
                group->leader = member;
                break;
            }
        }
    set_state(groups, group, GROUP_COMPLETING);
    group->deadline_ms = now_ms(groups) + longest_rebalance(group);
    groups_schedule(groups, group->deadline_ms);
    service_log_write(broker->service_log, LOG_INFO, LOGGER,
        "[GroupCoordinator %d]: Stabilized group %s generation %d (__consumer_offsets) with %zu members",
        broker->node_id, group->id, group->generation, group->member_count);
    LIST_FOR_EACH(node, &group->members) {
        struct member *member = CONTAINER_OF(node, struct member, node);
        member->synced = false;
        member_touch(groups, member);
        if (member->join)
            group_answer_join(group, member);
    }
}

void group_remove_member(
    struct groups *groups, struct group *group, struct member *member, int16_t code, const char *why) {
    struct broker *broker = groups->broker;
    char reason[400];
    snprintf(reason, sizeof reason, "Removing member %.200s %s", member->id, why);
    service_log_write(broker->service_log, LOG_INFO, LOGGER,
        "[GroupCoordinator %d]: Member %s in group %s is removed (%s)", broker->node_id, member->id, group->id, why);
    if (member->join)
        answer_join_error(member, code);
    if (member->sync)
        group_answer_sync(member, code);
    member_free(member);
    if (group->state == GROUP_STABLE || group->state == GROUP_COMPLETING) {
        group_prepare_rebalance(groups, group, reason);
        if (group->member_count == 0)
            complete_join(groups, group);
    } else if (group->state == GROUP_PREPARING) {
        if (group->member_count == 0 && group->pending.count == 0)
            complete_join(groups, group);
        else
            group_try_complete_join(groups, group);
    }
}

void group_dissolve(struct group *group, int16_t code) {
    LIST_FOR_EACH(node, &group->members) {
        struct member *member = CONTAINER_OF(node, struct member, node);
        if (member->join)
            answer_join_error(member, code);
        if (member->sync)
            group_answer_sync(member, code);
        member_free(member);
    }
    forget_pending(group);
    free(group->protocol_type);
    free(group->protocol_name);
    group->protocol_type = group->protocol_name = NULL;
    group->generation = 0;
    group->deadline_ms = 0;
    group->initial_delay = false;
    group->state = GROUP_EMPTY;
}
