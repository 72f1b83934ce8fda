/* model_consumers.c: see model.h: members of a group of the newer protocol (KIP-848). A heartbeat tells each time what
 * the member owns and wants, and brings its epoch and assignment. */
#include "kafka/model.h"

#include <stdio.h>

#include "kafka/errors.h"

enum { REBALANCE_TIMEOUT_MS = 6000, PAUSE_MS = 8000 };

static void end_run(struct actor *actor, int partition) {
    if (actor->assigned[partition] && actor->has_position[partition])
        VECTOR_PUSH(&actor->model->runs, actor->runs[partition]);
    actor->has_position[partition] = false;
}

bool model_consumer_is_over(struct actor *actor, int16_t code) {
    if (code == KAFKA_NONE)
        return false;
    if (code == KAFKA_UNKNOWN_MEMBER_ID || code == KAFKA_FENCED_MEMBER_EPOCH || code == KAFKA_GROUP_ID_NOT_FOUND) {
        for (int i = 0; i < PARTITION_COUNT; i++)
            end_run(actor, i);
        memset(actor->assigned, 0, sizeof actor->assigned);
        actor->state = STATE_NEW;
    } else if (code == KAFKA_STALE_MEMBER_EPOCH) {
        actor->state = STATE_JOINED;
    } else {
        model_rest(actor, 20);
    }
    return true;
}

static void take_assignment(struct actor *actor, const struct kafka_consumer_group_heartbeat_reply *reply) {
    bool assigned[PARTITION_COUNT] = {0};
    for (int32_t i = 0; i < reply->assignment->assigned.count; i++)
        for (int32_t k = 0; k < reply->assignment->assigned.items[i].partitions.count; k++)
            assigned[reply->assignment->assigned.items[i].partitions.items[k] % PARTITION_COUNT] = true;
    for (int i = 0; i < PARTITION_COUNT; i++) {
        if (!assigned[i])
            end_run(actor, i);
        actor->assigned[i] = assigned[i];
    }
}

static void on_heartbeat(struct actor *actor, const void *message) {
    const struct kafka_consumer_group_heartbeat_reply *reply = message;
    if (!reply || model_consumer_is_over(actor, reply->error_code))
        return;
    actor->generation = reply->member_epoch;
    if (reply->assignment)
        take_assignment(actor, reply);
    actor->state = STATE_READY;
}

static void heartbeat(struct actor *actor) {
    struct kafka_consumer_group_heartbeat_request body;
    struct kafka_consumer_group_heartbeat_request_owned owned;
    struct bytes topic = BYTES(MODEL_TOPIC);
    int32_t partitions[PARTITION_COUNT], count = 0;
    wire_set_defaults(&kafka_consumer_group_heartbeat_request_struct, &body);
    wire_set_defaults(&kafka_consumer_group_heartbeat_request_owned_struct, &owned);
    snprintf(actor->member_id, sizeof actor->member_id, "consumer-%d", actor->index);
    for (int i = 0; i < PARTITION_COUNT; i++)
        if (actor->assigned[i])
            partitions[count++] = i;
    body.group_id = BYTES(MODEL_NEW_GROUP);
    body.member_id = bytes_from_text(actor->member_id);
    body.member_epoch = actor->state == STATE_NEW ? 0 : actor->generation;
    body.rebalance_timeout_ms = REBALANCE_TIMEOUT_MS;
    body.topic_names.items = &topic;
    body.topic_names.count = 1;
    owned.topic_id = actor->model->topic_id;
    owned.partitions.items = partitions;
    owned.partitions.count = count;
    body.owned.items = &owned;
    body.owned.count = count > 0 ? 1 : 0;
    CALL(actor, consumer_group_heartbeat, 1, &body, on_heartbeat);
}

static void on_positions(struct actor *actor, const void *message) {
    const struct kafka_offset_fetch_reply *reply = message;
    if (!reply || reply->groups.count < 1 || model_consumer_is_over(actor, reply->groups.items[0].error_code))
        return;
    for (int32_t i = 0; i < reply->groups.items[0].topics.count; i++)
        for (int32_t k = 0; k < reply->groups.items[0].topics.items[i].partitions.count; k++) {
            int partition = reply->groups.items[0].topics.items[i].partitions.items[k].index;
            if (reply->groups.items[0].topics.items[i].partitions.items[k].error_code != KAFKA_NONE) {
                model_rest(actor, 20);
            } else if (actor->assigned[partition] && !actor->has_position[partition]) {
                model_begin_run(actor, partition, reply->groups.items[0].topics.items[i].partitions.items[k].offset);
                actor->has_position[partition] = true;
            }
        }
}

/* Where to go on in what was assigned newly. */
static bool fetch_positions(struct actor *actor) {
    struct kafka_offset_fetch_request body;
    struct kafka_offset_fetch_request_group group;
    struct kafka_offset_fetch_request_group_topic topic;
    int32_t partitions[PARTITION_COUNT], count = 0;
    for (int i = 0; i < PARTITION_COUNT; i++)
        if (actor->assigned[i] && !actor->has_position[i])
            partitions[count++] = i;
    if (count == 0)
        return false;
    wire_set_defaults(&kafka_offset_fetch_request_struct, &body);
    wire_set_defaults(&kafka_offset_fetch_request_group_struct, &group);
    wire_set_defaults(&kafka_offset_fetch_request_group_topic_struct, &topic);
    body.groups.items = &group;
    body.groups.count = 1;
    group.group_id = BYTES(MODEL_NEW_GROUP);
    group.member_id = bytes_from_text(actor->member_id);
    group.member_epoch = actor->generation;
    group.topics.items = &topic;
    group.topics.count = 1;
    topic.name = BYTES(MODEL_TOPIC);
    topic.partitions.items = partitions;
    topic.partitions.count = count;
    CALL(actor, offset_fetch, 9, &body, on_positions);
    return true;
}

void model_consumer_acts(struct actor *actor) {
    struct model *model = actor->model;
    int32_t partitions[PARTITION_COUNT], count = model_list_assigned(actor, partitions);
    if (actor->state != STATE_READY || model_chance(model, 4) == 0)
        heartbeat(actor);
    else if (!model->drains && model_chance(model, 150) == 0)
        model_rest(actor, PAUSE_MS);
    else if (fetch_positions(actor))
        return;
    else if (count == 0)
        heartbeat(actor);
    else if (model_chance(model, 4) == 0)
        model_commit_positions(actor);
    else
        model_fetch(actor, partitions[model_chance(model, (uint64_t)count)]);
}
