/* group_admin.c: DescribeGroups, ListGroups, DeleteGroups: what tools ask about groups. */
#include "kafka/groups.h"

#include <stdlib.h>

/* ---- DescribeGroups ---- */

static void describe_member(
    const struct group *group, const struct member *member, struct kafka_describe_groups_reply_member *out) {
    const struct member_protocol *protocol = member_protocol(member, group->protocol_name);
    bool stable = group->state == GROUP_STABLE;
    out->member_id = bytes_from_text(member->id);
    out->instance_id = bytes_from_text(member->instance_id);
    out->client_id = bytes_from_text(member->client_id);
    out->client_host = bytes_from_text(member->client_host);
    out->metadata = stable && protocol ? buffer_view(&protocol->metadata) : BYTES("");
    out->assignment = stable && member->assignment.size > 0 ? buffer_view(&member->assignment) : BYTES("");
}

static void describe_group(
    struct api_request *request, struct bytes id, struct kafka_describe_groups_reply_group *reply) {
    const struct kafka_describe_groups_request *body = request->body;
    struct group *group = group_find(request->broker->groups, id);
    reply->group_id = id;
    reply->operations = OPERATIONS_IF(body->group_operations, OPERATIONS_GROUP);
    if (!group || group->consumer) {
        reply->state = BYTES("Dead");
        if (request->version >= 6) {
            reply->error_code = KAFKA_GROUP_ID_NOT_FOUND;
            reply->error_message = group ? api_text(request, "Group %.*s is not a classic group.", BYTES_ARGS(id))
                                         : api_text(request, "Group %.*s not found.", BYTES_ARGS(id));
        }
        return;
    }
    reply->state = bytes_from_text(group_state_text(group));
    reply->protocol_type = bytes_from_text(group->protocol_type ? group->protocol_type : "");
    if (group->state == GROUP_STABLE && group->protocol_name)
        reply->protocol_name = bytes_from_text(group->protocol_name);
    WIRE_ARRAY(&request->arena, &reply->members, &kafka_describe_groups_reply_member_struct, group->member_count);
    int32_t count = 0;
    LIST_FOR_EACH(node, &group->members)
    describe_member(group, CONTAINER_OF(node, struct member, node), &reply->members.items[count++]);
}

void handle_describe_groups(struct api_request *request) {
    const struct kafka_describe_groups_request *body = request->body;
    struct kafka_describe_groups_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->groups, &kafka_describe_groups_reply_group_struct, body->groups.count);
    for (int32_t i = 0; i < body->groups.count; i++)
        describe_group(request, body->groups.items[i], &reply->groups.items[i]);
    api_reply(request);
}

/* ---- ListGroups ---- */

/* Filters are compared without case, as the tools send them in lower case; an empty list lets everything through. */
static bool in_filter(const struct bytes *items, int32_t count, const char *word) {
    if (count <= 0)
        return true;
    for (int32_t i = 0; i < count; i++)
        if (bytes_equal_ignore_case(items[i], bytes_from_text(word)))
            return true;
    return false;
}

void handle_list_groups(struct api_request *request) {
    const struct kafka_list_groups_request *body = request->body;
    struct kafka_list_groups_reply *reply = request->reply;
    const struct map *groups = &request->broker->groups->by_id;
    WIRE_ARRAY(&request->arena, &reply->groups, &kafka_list_groups_reply_group_struct, groups->count);
    reply->groups.count = 0;
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(groups, &cursor));) {
        const struct group *group = entry->value;
        const char *state = group_state_text(group), *type = group->consumer ? "Consumer" : "Classic";
        if (!in_filter(body->states.items, body->states.count, state) ||
            !in_filter(body->types.items, body->types.count, type))
            continue;
        struct kafka_list_groups_reply_group *out = &reply->groups.items[reply->groups.count++];
        out->group_id = bytes_from_text(group->id);
        out->protocol_type = bytes_from_text(group->consumer        ? "consumer"
                                             : group->protocol_type ? group->protocol_type
                                                                    : "");
        out->state = bytes_from_text(state);
        out->type = bytes_from_text(type);
    }
    api_reply(request);
}

/* ---- DeleteGroups ---- */

void handle_delete_groups(struct api_request *request) {
    const struct kafka_delete_groups_request *body = request->body;
    struct kafka_delete_groups_reply *reply = request->reply;
    struct groups *groups = request->broker->groups;
    WIRE_ARRAY(&request->arena, &reply->results, &kafka_delete_groups_reply_result_struct, body->groups.count);
    for (int32_t i = 0; i < body->groups.count; i++) {
        struct group *group = group_find(groups, body->groups.items[i]);
        struct kafka_delete_groups_reply_result *result = &reply->results.items[i];
        result->group_id = body->groups.items[i];
        if (!group)
            result->error_code = KAFKA_GROUP_ID_NOT_FOUND;
        else if (group_has_members(group))
            result->error_code = KAFKA_NON_EMPTY_GROUP;
        else
            result->error_code = group_delete(groups, group);
    }
    api_reply(request);
}
