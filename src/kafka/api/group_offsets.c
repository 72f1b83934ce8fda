/* group_offsets.c: OffsetCommit, OffsetFetch, OffsetDelete. */
#include "kafka/consumer_group.h"

#include <stdlib.h>

#include "base/assert.h"

/* ---- OffsetCommit ---- */

typedef struct kafka_offset_commit_reply_partition commit_answer;

static const struct topic *commit_topic(
    struct api_request *request, const struct kafka_offset_commit_request_topic *wanted) {
    return request->version >= 10 ? topic_find_id(request->broker, wanted->topic_id)
                                  : topic_find(request->broker, wanted->name);
}

/* A member of a group of the newer protocol: with its present epoch, or an older one if it had every partition then. */
static int16_t check_consumer_commit(struct api_request *request, const struct consumer_group *consumer) {
    const struct kafka_offset_commit_request *body = request->body;
    if (body->generation < 0 && consumer->member_count == 0)
        return KAFKA_NONE;
    const struct consumer_member *member = consumer_member_find(consumer, body->member_id);
    if (!member)
        return KAFKA_UNKNOWN_MEMBER_ID;
    if (!member->classic && request->version < 9)
        return KAFKA_UNSUPPORTED_VERSION;
    int16_t code = consumer_member_check_epoch(member, body->generation);
    for (int32_t i = 0; code == KAFKA_NONE && i < body->topics.count; i++) {
        const struct topic *topic = commit_topic(request, &body->topics.items[i]);
        for (int32_t j = 0; topic && j < body->topics.items[i].partitions.count; j++)
            if (!consumer_member_had(
                    member, body->generation, topic->id, body->topics.items[i].partitions.items[j].index))
                code = member->classic ? KAFKA_ILLEGAL_GENERATION : KAFKA_STALE_MEMBER_EPOCH;
    }
    return code;
}

static int16_t check_commit(struct api_request *request, struct group **group) {
    const struct kafka_offset_commit_request *body = request->body;
    struct groups *groups = request->broker->groups;
    struct member *member = NULL;
    if (!group_id_valid(body->group_id))
        return KAFKA_INVALID_GROUP_ID;
    *group = group_find(groups, body->group_id);
    if (!*group) {
        /* A consumer that assigns partitions itself commits without membership; the group then comes to be. */
        if (body->generation >= 0)
            return request->version >= 9 ? KAFKA_GROUP_ID_NOT_FOUND : KAFKA_ILLEGAL_GENERATION;
        *group = group_make(groups, body->group_id);
        return KAFKA_NONE;
    }
    if ((*group)->consumer)
        return check_consumer_commit(request, (*group)->consumer);
    if (body->generation < 0 && body->member_id.size == 0 && (*group)->state == GROUP_EMPTY)
        return KAFKA_NONE;
    int16_t code = group_check_member(*group, body->member_id, body->instance_id, body->generation, &member);
    if (code != KAFKA_NONE)
        return code;
    member_touch(groups, member);
    return (*group)->state == GROUP_COMPLETING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

static int16_t check_partition(struct api_request *request, const struct topic *topic,
    const struct kafka_offset_commit_request_partition *partition) {
    if (!topic)
        return request->version >= 10 ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (!topic_log(topic, partition->index))
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if ((int64_t)partition->metadata.size > config_integer(&request->broker->config, "offset.metadata.max.bytes"))
        return KAFKA_OFFSET_METADATA_TOO_LARGE;
    return KAFKA_NONE;
}

/* Fills the answers with per-partition errors, or `code` for all; what is fine goes into the batch. */
static void commit_all(struct api_request *request, int16_t code, int64_t now, struct group_batch *batch) {
    const struct kafka_offset_commit_request *body = request->body;
    struct kafka_offset_commit_reply *reply = request->reply;
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_offset_commit_reply_topic_struct, body->topics.count);
    for (int32_t i = 0; i < body->topics.count; i++) {
        const struct kafka_offset_commit_request_topic *wanted = &body->topics.items[i];
        struct kafka_offset_commit_reply_topic *answer = &reply->topics.items[i];
        const struct topic *topic = commit_topic(request, wanted);
        answer->name = wanted->name;
        answer->topic_id = wanted->topic_id;
        WIRE_ARRAY(&request->arena, &answer->partitions, &kafka_offset_commit_reply_partition_struct,
            wanted->partitions.count);
        for (int32_t j = 0; j < wanted->partitions.count; j++) {
            const struct kafka_offset_commit_request_partition *partition = &wanted->partitions.items[j];
            commit_answer *result = &answer->partitions.items[j];
            result->index = partition->index;
            result->error_code = code != KAFKA_NONE ? code : check_partition(request, topic, partition);
            if (result->error_code == KAFKA_NONE) {
                struct committed_offset offset = {.topic = topic->name,
                    .partition = partition->index,
                    .offset = partition->offset,
                    .leader_epoch = partition->leader_epoch,
                    .metadata = arena_text(&request->arena, partition->metadata),
                    .commit_ms = now};
                group_batch_offset(batch, &offset, false);
            }
        }
    }
}

/* The records are in the log: the offsets count from now on. */
static void apply_all(struct api_request *request, struct group *group, int64_t now, int64_t log_offset) {
    const struct kafka_offset_commit_request *body = request->body;
    const struct kafka_offset_commit_reply *reply = request->reply;
    for (int32_t i = 0; i < body->topics.count; i++) {
        const struct topic *topic = commit_topic(request, &body->topics.items[i]);
        for (int32_t j = 0; topic && j < body->topics.items[i].partitions.count; j++) {
            const struct kafka_offset_commit_request_partition *partition = &body->topics.items[i].partitions.items[j];
            if (reply->topics.items[i].partitions.items[j].error_code == KAFKA_NONE)
                group_set_offset(group, bytes_from_text(topic->name), partition->index, partition->offset,
                    partition->leader_epoch, partition->metadata, now)
                    ->log_offset = log_offset;
        }
    }
}

struct commit_wait {
    struct log_waiter waiter;
    struct api_request *request;
};

static void fail_commit(struct api_request *request, int16_t code) {
    struct kafka_offset_commit_reply *reply = request->reply;
    for (int32_t i = 0; i < reply->topics.count; i++)
        for (int32_t j = 0; j < reply->topics.items[i].partitions.count; j++)
            if (reply->topics.items[i].partitions.items[j].error_code == KAFKA_NONE)
                reply->topics.items[i].partitions.items[j].error_code = code;
}

static void cancel_commit(struct api_request *request) {
    log_wait_cancel(&((struct commit_wait *)request->state)->waiter);
}

static void on_committed(struct log_waiter *waiter, bool closed) {
    struct commit_wait *wait = waiter->argument;
    if (closed)
        fail_commit(wait->request, KAFKA_COORDINATOR_NOT_AVAILABLE);
    api_wake(wait->request);
}

void handle_offset_commit(struct api_request *request) {
    struct groups *groups = request->broker->groups;
    struct group *group = NULL;
    struct group_batch batch;
    struct partition_log *log = NULL;
    int64_t last_offset = -1;
    int64_t now = world_wall_ms(request->broker->world);
    int16_t code = check_commit(request, &group);
    group_batch_begin(&batch, groups, group);
    commit_all(request, code, now, &batch);
    code = group_batch_commit(&batch, &log, &last_offset);
    if (code != KAFKA_NONE)
        fail_commit(request, KAFKA_COORDINATOR_NOT_AVAILABLE);
    else
        apply_all(request, group, now, last_offset);
    if (code != KAFKA_NONE || !log || log_high_watermark(log) > last_offset) {
        api_reply(request);
        return;
    }
    struct commit_wait *wait = ARENA_NEW(&request->arena, struct commit_wait);
    wait->request = request;
    wait->waiter.wake = on_committed;
    wait->waiter.argument = wait;
    request->state = wait;
    request->wake = api_reply;
    request->cancel = cancel_commit;
    if (log_wait(log, last_offset, &wait->waiter) == LOG_WAIT_OFFLINE)
        on_committed(&wait->waiter, true);
}

/* ---- OffsetFetch ---- */

static int compare_offsets(const void *left, const void *right) {
    const struct committed_offset *a = *(struct committed_offset *const *)left,
                                  *b = *(struct committed_offset *const *)right;
    int order = strcmp(a->topic, b->topic);
    return order ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

static struct committed_offset **sorted_offsets(struct api_request *request, const struct group *group, size_t *count) {
    struct committed_offset **list = ARENA_ARRAY(&request->arena, struct committed_offset *, group->offsets.count + 1);
    size_t cursor = 0;
    *count = 0;
    for (struct map_entry *entry; (entry = map_next(&group->offsets, &cursor));)
        list[(*count)++] = entry->value;
    qsort(list, *count, sizeof *list, compare_offsets);
    return list;
}

/* The form of version 8 and later; the older one is the same for one group. */
typedef struct kafka_offset_fetch_reply_group group_answer;
typedef struct kafka_offset_fetch_reply_group_partition partition_answer;

/* Whether the answer must be "ask again", because a transaction with another offset is open. */
static bool is_unstable(struct api_request *request, const struct group *group, struct bytes topic, int32_t index) {
    const struct kafka_offset_fetch_request *body = request->body;
    return request->version >= 7 && body->require_stable && group_is_unsettled(group, topic, index);
}

static void fill_partition(
    const struct committed_offset *committed, int32_t index, bool unstable, partition_answer *out) {
    out->index = index;
    if (unstable) {
        out->error_code = KAFKA_UNSTABLE_OFFSET_COMMIT;
        committed = NULL;
    }
    out->offset = committed ? committed->offset : -1;
    out->leader_epoch = committed ? committed->leader_epoch : -1;
    out->metadata = bytes_from_text(committed ? committed->metadata : "");
}

static void fetch_everything(struct api_request *request, struct group *group, group_answer *reply) {
    size_t count, at = 0;
    struct committed_offset **list = sorted_offsets(request, group, &count);
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_offset_fetch_reply_group_topic_struct, count);
    reply->topics.count = 0;
    while (at < count) {
        size_t end = at;
        while (end < count && strcmp(list[end]->topic, list[at]->topic) == 0)
            end++;
        const struct topic *topic = topic_find(request->broker, bytes_from_text(list[at]->topic));
        struct kafka_offset_fetch_reply_group_topic *out = &reply->topics.items[reply->topics.count];
        if (request->version < 10 || topic) {
            reply->topics.count++;
            out->name = bytes_from_text(list[at]->topic);
            out->topic_id = topic ? topic->id : (struct uuid){{0}};
            WIRE_ARRAY(&request->arena, &out->partitions, &kafka_offset_fetch_reply_group_partition_struct, end - at);
            for (size_t i = at; i < end; i++)
                fill_partition(list[i], list[i]->partition,
                    is_unstable(request, group, bytes_from_text(list[i]->topic), list[i]->partition),
                    &out->partitions.items[i - at]);
        }
        at = end;
    }
}

static void fetch_topic(struct api_request *request, struct group *group, struct bytes name, struct uuid topic_id,
    const int32_t *indexes, int32_t count, struct kafka_offset_fetch_reply_group_topic *out) {
    const struct topic *topic = request->version >= 10 ? topic_find_id(request->broker, topic_id) : NULL;
    out->name = topic ? bytes_from_text(topic->name) : name;
    out->topic_id = topic_id;
    WIRE_ARRAY(&request->arena, &out->partitions, &kafka_offset_fetch_reply_group_partition_struct, count);
    for (int32_t i = 0; i < count; i++) {
        bool unknown = request->version >= 10 && !topic;
        struct group *known = unknown ? NULL : group;
        fill_partition(known ? group_offset(known, out->name, indexes[i]) : NULL, indexes[i],
            known && is_unstable(request, known, out->name, indexes[i]), &out->partitions.items[i]);
        if (unknown)
            out->partitions.items[i].error_code = KAFKA_UNKNOWN_TOPIC_ID;
    }
}

static int16_t check_fetch(struct group *group, const struct kafka_offset_fetch_request_group *wanted) {
    /* Members of classic groups are not asked who they are, as in Kafka. */
    if (!group || !group->consumer || (!wanted->member_id.data && wanted->member_epoch < 0))
        return KAFKA_NONE;
    const struct consumer_member *member = consumer_member_find(group->consumer, wanted->member_id);
    if (!member)
        return KAFKA_UNKNOWN_MEMBER_ID;
    if (wanted->member_epoch == member->epoch)
        return KAFKA_NONE;
    return member->classic ? KAFKA_ILLEGAL_GENERATION : KAFKA_STALE_MEMBER_EPOCH;
}

static void fetch_group(
    struct api_request *request, const struct kafka_offset_fetch_request_group *wanted, group_answer *reply) {
    struct group *group = group_find(request->broker->groups, wanted->group_id);
    reply->group_id = wanted->group_id;
    reply->error_code = check_fetch(group, wanted);
    if (reply->error_code != KAFKA_NONE)
        return;
    if (wanted->topics.count < 0) {
        if (group)
            fetch_everything(request, group, reply);
        return;
    }
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_offset_fetch_reply_group_topic_struct, wanted->topics.count);
    for (int32_t i = 0; i < wanted->topics.count; i++)
        fetch_topic(request, group, wanted->topics.items[i].name, wanted->topics.items[i].topic_id,
            wanted->topics.items[i].partitions.items, wanted->topics.items[i].partitions.count,
            &reply->topics.items[i]);
}

/* Versions below 8: one group in the upper fields. */
static void fetch_old_form(struct api_request *request) {
    const struct kafka_offset_fetch_request *body = request->body;
    struct kafka_offset_fetch_reply *reply = request->reply;
    struct kafka_offset_fetch_request_group wanted;
    group_answer answer;
    wire_set_defaults(&kafka_offset_fetch_request_group_struct, &wanted);
    wire_set_defaults(&kafka_offset_fetch_reply_group_struct, &answer);
    wanted.group_id = body->group_id;
    WIRE_ARRAY(&request->arena, &wanted.topics, &kafka_offset_fetch_request_group_topic_struct,
        body->topics.count > 0 ? body->topics.count : 0);
    wanted.topics.count = body->topics.count;
    for (int32_t i = 0; i < body->topics.count; i++) {
        wanted.topics.items[i].name = body->topics.items[i].name;
        wanted.topics.items[i].partitions.items = body->topics.items[i].partitions.items;
        wanted.topics.items[i].partitions.count = body->topics.items[i].partitions.count;
    }
    fetch_group(request, &wanted, &answer);
    reply->error_code = answer.error_code;
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_offset_fetch_reply_topic_struct, answer.topics.count);
    for (int32_t i = 0; i < answer.topics.count; i++) {
        reply->topics.items[i].name = answer.topics.items[i].name;
        WIRE_ARRAY(&request->arena, &reply->topics.items[i].partitions, &kafka_offset_fetch_reply_partition_struct,
            answer.topics.items[i].partitions.count);
        for (int32_t j = 0; j < answer.topics.items[i].partitions.count; j++) {
            const partition_answer *from = &answer.topics.items[i].partitions.items[j];
            struct kafka_offset_fetch_reply_partition *to = &reply->topics.items[i].partitions.items[j];
            to->index = from->index;
            to->offset = from->offset;
            to->leader_epoch = from->leader_epoch;
            to->metadata = from->metadata;
            to->error_code = from->error_code;
        }
    }
}

void handle_offset_fetch(struct api_request *request) {
    const struct kafka_offset_fetch_request *body = request->body;
    struct kafka_offset_fetch_reply *reply = request->reply;
    if (request->version < 8) {
        fetch_old_form(request);
    } else {
        WIRE_ARRAY(&request->arena, &reply->groups, &kafka_offset_fetch_reply_group_struct, body->groups.count);
        for (int32_t i = 0; i < body->groups.count; i++)
            fetch_group(request, &body->groups.items[i], &reply->groups.items[i]);
    }
    api_reply(request);
}

/* ---- OffsetDelete ---- */

/* Whether a member of the group reads the topic, as far as consumers say in their metadata. */
static bool subscribed(const struct group *group, struct bytes topic) {
    bool found = group->consumer && consumer_group_subscribes(group->consumer, topic);
    LIST_FOR_EACH(node, &group->members) {
        const struct member *member = CONTAINER_OF(node, struct member, node);
        const struct member_protocol *protocol = member_protocol(member, group->protocol_name);
        struct bytes rest = protocol ? buffer_view(&protocol->metadata) : BYTES_NULL;
        if (rest.size < 2)
            continue;
        struct arena arena = {0};
        struct error error = {0};
        struct kafka_consumer_subscription subscription;
        int16_t version = (int16_t)load_be16(rest.data);
        rest = bytes_slice(rest, 2, rest.size - 2);
        if (wire_decode(
                &kafka_consumer_subscription_message, version > 3 ? 3 : version, &rest, &arena, &subscription, &error))
            for (int32_t i = 0; i < subscription.topics.count; i++)
                found = found || bytes_equal(subscription.topics.items[i], topic);
        arena_destroy(&arena);
    }
    return found;
}

void handle_offset_delete(struct api_request *request) {
    const struct kafka_offset_delete_request *body = request->body;
    struct kafka_offset_delete_reply *reply = request->reply;
    struct groups *groups = request->broker->groups;
    struct group *group = group_find(groups, body->group_id);
    if (!group) {
        reply->error_code = KAFKA_GROUP_ID_NOT_FOUND;
        api_reply(request);
        return;
    }
    if (group->member_count > 0 && group->protocol_type && strcmp(group->protocol_type, "consumer") != 0) {
        reply->error_code = KAFKA_NON_EMPTY_GROUP;
        api_reply(request);
        return;
    }
    struct group_batch batch;
    group_batch_begin(&batch, groups, group);
    WIRE_ARRAY(&request->arena, &reply->topics, &kafka_offset_delete_reply_topic_struct, body->topics.count);
    for (int32_t i = 0; i < body->topics.count; i++) {
        const struct kafka_offset_delete_request_topic *wanted = &body->topics.items[i];
        struct kafka_offset_delete_reply_topic *answer = &reply->topics.items[i];
        bool in_use = subscribed(group, wanted->name);
        answer->name = wanted->name;
        WIRE_ARRAY(&request->arena, &answer->partitions, &kafka_offset_delete_reply_partition_struct,
            wanted->partitions.count);
        for (int32_t j = 0; j < wanted->partitions.count; j++) {
            struct committed_offset *committed = group_offset(group, wanted->name, wanted->partitions.items[j].index);
            answer->partitions.items[j].index = wanted->partitions.items[j].index;
            if (in_use) {
                answer->partitions.items[j].error_code = KAFKA_GROUP_SUBSCRIBED_TO_TOPIC;
            } else if (committed) {
                group_batch_offset(&batch, committed, true);
                group_drop_offset(group, committed);
                group_drop_unsettled(group, wanted->name, wanted->partitions.items[j].index);
            }
        }
    }
    if (group_batch_commit(&batch, NULL, NULL) != KAFKA_NONE)
        reply->error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
    api_reply(request);
}
