/* kafka_consumer.c: joining a group, fetching, committing. The protocol's order: FindCoordinator, JoinGroup (twice: the
 * first answer brings the member id), SyncGroup (the leader brings every member's share), OffsetFetch, then Fetch with
 * Heartbeat between, OffsetCommit, LeaveGroup. The leader shares partitions out by ranges, topic by topic, as Kafka's
 * RangeAssignor. */
#include "cli/kafka/kafka_consumer.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/assert.h"
#include "wire/compress.h"

#define SESSION_TIMEOUT_MS 45000
#define REBALANCE_TIMEOUT_MS 300000
#define HEARTBEAT_MS 3000
#define COMMIT_MS 5000
#define METADATA_MS 5000 /* topics of an expression, a topic that is not there yet */
#define FETCH_SIZE_MAX (50 << 20)
#define PARTITION_SIZE_MAX (1 << 20)

enum {
    ERROR_OFFSET_RANGE = 1,
    ERROR_UNKNOWN_TOPIC = 3,
    ERROR_NOT_LEADER = 6,
    ERROR_ILLEGAL_GENERATION = 22,
    ERROR_UNKNOWN_MEMBER = 25,
    ERROR_REBALANCE = 27,
    ERROR_MEMBER_ID = 79,
    ERROR_LOADING = 14,
    ERROR_NO_COORDINATOR = 15,
    ERROR_NOT_COORDINATOR = 16,
    ERROR_UNKNOWN_TOPIC_ID = 100
};

struct known_topic {
    char *name;
    struct uuid id;
    int32_t partition_count;
    int32_t *leaders;
};
struct assigned {
    const struct known_topic *topic;
    char *name;
    int32_t index;
    int64_t offset;    /* next to fetch; < 0: to be looked up (-1 latest, -2 earliest) */
    int64_t committed; /* last committed */
};
struct consumer {
    struct consumer_options options;
    VECTOR(struct known_topic *) topics;
    VECTOR(struct assigned) assigned;
    int64_t metadata_ms, heartbeat_ms, commit_ms; /* when last */
    /* group */
    int32_t coordinator; /* -1 unknown */
    char *member_id;
    int32_t generation;
    bool joined;
};

static void pause_ms(int64_t milliseconds) {
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* ---- topics ---- */

static const struct known_topic *find_topic(const struct consumer *consumer, struct bytes name) {
    for (size_t i = 0; i < consumer->topics.count; i++)
        if (bytes_equal_text(name, consumer->topics.items[i]->name))
            return consumer->topics.items[i];
    return NULL;
}

static void take_topic(struct consumer *consumer, const struct kafka_metadata_reply_topic *from) {
    struct known_topic *topic = (struct known_topic *)find_topic(consumer, from->name);
    if (!topic) {
        topic = calloc(1, sizeof *topic);
        ASSERT(topic);
        topic->name = tool_text(from->name);
        VECTOR_PUSH(&consumer->topics, topic);
    }
    topic->id = from->topic_id;
    if (from->partitions.count > topic->partition_count) {
        topic->leaders = realloc(topic->leaders, (size_t)from->partitions.count * sizeof *topic->leaders);
        ASSERT(topic->leaders);
        topic->partition_count = from->partitions.count;
    }
    for (int32_t i = 0; i < from->partitions.count; i++)
        if (from->partitions.items[i].index >= 0 && from->partitions.items[i].index < topic->partition_count)
            topic->leaders[from->partitions.items[i].index] = from->partitions.items[i].leader_id;
}

/* Learns the topics that are meant and where their partitions are. */
static bool refresh_topics(struct consumer *consumer, struct error *error) {
    struct arena arena = {0};
    struct kafka_metadata_reply reply;
    const struct consumer_options *options = &consumer->options;
    regex_t regex;
    if (options->include &&
        regcomp(&regex, arena_printf(&arena, "^(%s)$", options->include), REG_EXTENDED | REG_NOSUB) != 0) {
        arena_destroy(&arena);
        return error_set(error, ERROR_INVALID, "Invalid regular expression %s", options->include);
    }
    bool ok = remote_metadata(
        options->remote, options->topic ? &options->topic : NULL, 1, options->topic != NULL, &reply, &arena, error);
    for (int32_t i = 0; ok && i < reply.topics.count; i++) {
        const struct kafka_metadata_reply_topic *topic = &reply.topics.items[i];
        if (options->topic && topic->error_code == 17)
            ok = error_set(error, ERROR_INVALID, "%s: Invalid topics: [%s]", remote_exception(17), options->topic);
        char *name = tool_text(topic->name);
        if (topic->error_code == 0 &&
            (!options->include || (!topic->is_internal && regexec(&regex, name, 0, NULL, 0) == 0)))
            take_topic(consumer, topic);
        free(name);
    }
    if (options->include)
        regfree(&regex);
    arena_destroy(&arena);
    consumer->metadata_ms = remote_now_ms();
    return ok;
}

/* ---- assignment ---- */

static void clear_assignment(struct consumer *consumer) {
    for (size_t i = 0; i < consumer->assigned.count; i++)
        free(consumer->assigned.items[i].name);
    VECTOR_FREE(&consumer->assigned);
}

static void assign(struct consumer *consumer, const struct known_topic *topic, int32_t index, int64_t offset) {
    VECTOR_PUSH(&consumer->assigned, ((struct assigned){topic, strdup(topic->name), index, offset, -1}));
}

/* Without a group. */
static bool assign_directly(struct consumer *consumer, struct error *error) {
    const struct consumer_options *options = &consumer->options;
    const struct known_topic *topic = find_topic(consumer, bytes_from_text(options->topic));
    if (!topic)
        return true;
    if (options->partition >= topic->partition_count)
        return error_set(error, ERROR_INVALID, "%s: Topic %s has no partition %d", remote_exception(3), options->topic,
            options->partition);
    for (int32_t i = 0; i < topic->partition_count; i++)
        if (options->partition < 0 || options->partition == i)
            assign(consumer, topic, i, options->offset);
    consumer->joined = true;
    return true;
}

/* ---- offsets ---- */

static bool look_up_offset(struct consumer *consumer, struct assigned *place, struct error *error) {
    struct arena arena = {0};
    struct kafka_list_offsets_request request;
    struct kafka_list_offsets_reply reply;
    wire_set_defaults(&kafka_list_offsets_request_struct, &request);
    request.replica_id = -1;
    request.isolation_level = consumer->options.read_committed ? 1 : 0;
    WIRE_ARRAY(&arena, &request.topics, &kafka_list_offsets_request_topic_struct, 1);
    request.topics.items[0].name = bytes_from_text(place->name);
    WIRE_ARRAY(&arena, &request.topics.items[0].partitions, &kafka_list_offsets_request_partition_struct, 1);
    request.topics.items[0].partitions.items[0].index = place->index;
    request.topics.items[0].partitions.items[0].timestamp = place->offset;
    bool ok = REMOTE_CALL(
        consumer->options.remote, place->topic->leaders[place->index], list_offsets, &request, &reply, &arena, error);
    if (ok && reply.topics.count == 1 && reply.topics.items[0].partitions.count == 1 &&
        reply.topics.items[0].partitions.items[0].error_code == 0)
        place->offset = reply.topics.items[0].partitions.items[0].offset;
    arena_destroy(&arena);
    return ok;
}

/* What the group has committed becomes where to go on. */
static bool fetch_committed(struct consumer *consumer, struct error *error) {
    struct arena arena = {0};
    struct kafka_offset_fetch_request request;
    struct kafka_offset_fetch_reply reply;
    wire_set_defaults(&kafka_offset_fetch_request_struct, &request);
    remote_limit_version(consumer->options.remote, &kafka_offset_fetch_request_message, 9);
    int16_t version =
        remote_version(consumer->options.remote, consumer->coordinator, &kafka_offset_fetch_request_message, error);
    if (version >= 8) {
        WIRE_ARRAY(&arena, &request.groups, &kafka_offset_fetch_request_group_struct, 1);
        request.groups.items[0].group_id = bytes_from_text(consumer->options.group);
        request.groups.items[0].member_id = BYTES_NULL;
        request.groups.items[0].topics.count = -1;
    } else {
        request.group_id = bytes_from_text(consumer->options.group);
        request.topics.count = -1;
    }
    bool ok = version >= 0 && REMOTE_CALL(consumer->options.remote, consumer->coordinator, offset_fetch, &request,
                                  &reply, &arena, error);
    for (size_t i = 0; ok && i < consumer->assigned.count; i++) {
        struct assigned *place = &consumer->assigned.items[i];
        place->offset = consumer->options.from_beginning ? -2 : -1;
        for (int32_t t = 0; version < 8 && t < reply.topics.count; t++)
            for (int32_t p = 0; p < reply.topics.items[t].partitions.count; p++)
                if (bytes_equal_text(reply.topics.items[t].name, place->name) &&
                    reply.topics.items[t].partitions.items[p].index == place->index &&
                    reply.topics.items[t].partitions.items[p].offset >= 0)
                    place->offset = place->committed = reply.topics.items[t].partitions.items[p].offset;
        for (int32_t g = 0; version >= 8 && g < reply.groups.count; g++)
            for (int32_t t = 0; t < reply.groups.items[g].topics.count; t++)
                for (int32_t p = 0; p < reply.groups.items[g].topics.items[t].partitions.count; p++)
                    if (bytes_equal_text(reply.groups.items[g].topics.items[t].name, place->name) &&
                        reply.groups.items[g].topics.items[t].partitions.items[p].index == place->index &&
                        reply.groups.items[g].topics.items[t].partitions.items[p].offset >= 0)
                        place->offset = place->committed =
                            reply.groups.items[g].topics.items[t].partitions.items[p].offset;
    }
    arena_destroy(&arena);
    return ok;
}

static bool commit(struct consumer *consumer, struct error *error) {
    consumer->commit_ms = remote_now_ms();
    size_t due = 0;
    for (size_t i = 0; i < consumer->assigned.count; i++)
        due += consumer->assigned.items[i].offset >= 0 &&
               consumer->assigned.items[i].offset != consumer->assigned.items[i].committed;
    if (!consumer->options.group || !consumer->options.commit || !consumer->joined || due == 0)
        return true;
    struct arena arena = {0};
    struct kafka_offset_commit_request request;
    struct kafka_offset_commit_reply reply;
    wire_set_defaults(&kafka_offset_commit_request_struct, &request);
    remote_limit_version(consumer->options.remote, &kafka_offset_commit_request_message, 9);
    request.group_id = bytes_from_text(consumer->options.group);
    request.generation = consumer->generation;
    request.member_id = bytes_from_text(consumer->member_id);
    request.instance_id = BYTES_NULL;
    WIRE_ARRAY(&arena, &request.topics, &kafka_offset_commit_request_topic_struct, due);
    size_t at = 0;
    for (size_t i = 0; i < consumer->assigned.count; i++) {
        struct assigned *place = &consumer->assigned.items[i];
        if (place->offset < 0 || place->offset == place->committed)
            continue;
        request.topics.items[at].name = bytes_from_text(place->name);
        WIRE_ARRAY(&arena, &request.topics.items[at].partitions, &kafka_offset_commit_request_partition_struct, 1);
        request.topics.items[at].partitions.items[0].index = place->index;
        request.topics.items[at].partitions.items[0].offset = place->offset;
        request.topics.items[at].partitions.items[0].metadata = BYTES("");
        place->committed = place->offset;
        at++;
    }
    bool ok =
        REMOTE_CALL(consumer->options.remote, consumer->coordinator, offset_commit, &request, &reply, &arena, error);
    arena_destroy(&arena);
    return ok;
}

/* ---- joining ---- */

static struct bytes subscription(struct consumer *consumer, struct arena *arena) {
    struct kafka_consumer_subscription value;
    struct buffer out = {0};
    struct error error;
    wire_set_defaults(&kafka_consumer_subscription_struct, &value);
    value.topics.items = ARENA_ARRAY(arena, struct bytes, consumer->topics.count + 1);
    for (size_t i = 0; i < consumer->topics.count; i++)
        value.topics.items[i] = bytes_from_text(consumer->topics.items[i]->name);
    value.topics.count = (int32_t)consumer->topics.count;
    if (value.topics.count == 0 && consumer->options.topic) {
        value.topics.items[0] = bytes_from_text(consumer->options.topic);
        value.topics.count = 1;
    }
    uint8_t version[2] = {0, 1};
    buffer_append(&out, version, 2);
    ASSERT(wire_encode(&kafka_consumer_subscription_message, 1, &value, &out, NULL, &error));
    struct bytes copy = arena_copy(arena, buffer_view(&out));
    buffer_free(&out);
    return copy;
}

struct member_share {
    struct bytes member_id;
    struct kafka_consumer_subscription subscription;
    struct kafka_consumer_assignment assignment;
};

static bool wants(const struct member_share *member, const char *topic) {
    for (int32_t i = 0; i < member->subscription.topics.count; i++)
        if (bytes_equal_text(member->subscription.topics.items[i], topic))
            return true;
    return false;
}

static int compare_members(const void *left, const void *right) {
    return bytes_compare(
        ((const struct member_share *)left)->member_id, ((const struct member_share *)right)->member_id);
}

/* Ranges of one topic: the first (partitions modulo members) members get one more. */
static void share_topic(
    const struct known_topic *topic, struct member_share *members, int32_t count, struct arena *arena) {
    int32_t takers = 0, taker = 0, next = 0;
    for (int32_t i = 0; i < count; i++)
        takers += wants(&members[i], topic->name);
    for (int32_t i = 0; i < count; i++) {
        if (!wants(&members[i], topic->name))
            continue;
        int32_t share = topic->partition_count / takers + (taker++ < topic->partition_count % takers ? 1 : 0);
        if (share == 0)
            continue;
        struct kafka_consumer_assignment_assigned *assigned =
            &members[i].assignment.assigned.items[members[i].assignment.assigned.count++];
        assigned->topic = bytes_from_text(topic->name);
        assigned->partitions.items = ARENA_ARRAY(arena, int32_t, (size_t)share);
        assigned->partitions.count = share;
        for (int32_t k = 0; k < share; k++)
            assigned->partitions.items[k] = next++;
    }
}

/* Topics that other members want must be known too. */
static void learn_topics(struct consumer *consumer, const struct member_share *members, int32_t count) {
    for (int32_t i = 0; i < count; i++)
        for (int32_t t = 0; t < members[i].subscription.topics.count; t++) {
            if (find_topic(consumer, members[i].subscription.topics.items[t]))
                continue;
            struct arena arena = {0};
            struct error error;
            struct kafka_metadata_reply reply;
            const char *name = arena_text(&arena, members[i].subscription.topics.items[t]);
            if (remote_metadata(consumer->options.remote, &name, 1, false, &reply, &arena, &error) &&
                reply.topics.count == 1 && reply.topics.items[0].error_code == 0)
                take_topic(consumer, &reply.topics.items[0]);
            arena_destroy(&arena);
        }
}

static bool share_out(struct consumer *consumer, const struct kafka_join_group_reply *joined,
    struct kafka_sync_group_request *sync, struct arena *arena, struct error *error) {
    int32_t count = joined->members.count;
    struct member_share *members = ARENA_ARRAY(arena, struct member_share, (size_t)count);
    for (int32_t i = 0; i < count; i++) {
        struct bytes metadata = joined->members.items[i].metadata;
        members[i].member_id = joined->members.items[i].member_id;
        int16_t version = metadata.size >= 2 ? (int16_t)load_be16(metadata.data) : -1;
        if (version < 0)
            return error_set(error, ERROR_CORRUPT, "a member's subscription is malformed");
        metadata = bytes_slice(metadata, 2, metadata.size - 2);
        if (!wire_decode(&kafka_consumer_subscription_message, version > 3 ? 3 : version, &metadata, arena,
                &members[i].subscription, error))
            return false;
    }
    learn_topics(consumer, members, count);
    qsort(members, (size_t)count, sizeof *members, compare_members);
    for (int32_t i = 0; i < count; i++) {
        WIRE_ARRAY(
            arena, &members[i].assignment.assigned, &kafka_consumer_assignment_assigned_struct, consumer->topics.count);
        members[i].assignment.assigned.count = 0;
    }
    for (size_t t = 0; t < consumer->topics.count; t++)
        share_topic(consumer->topics.items[t], members, count, arena);
    WIRE_ARRAY(arena, &sync->assignments, &kafka_sync_group_request_assignment_struct, count);
    for (int32_t i = 0; i < count; i++) {
        struct buffer out = {0};
        uint8_t version[2] = {0, 1};
        buffer_append(&out, version, 2);
        bool ok = wire_encode(&kafka_consumer_assignment_message, 1, &members[i].assignment, &out, NULL, error);
        sync->assignments.items[i].member_id = members[i].member_id;
        sync->assignments.items[i].assignment = arena_copy(arena, buffer_view(&out));
        buffer_free(&out);
        if (!ok)
            return false;
    }
    return true;
}

static bool take_assignment(
    struct consumer *consumer, struct bytes assignment, struct arena *arena, struct error *error) {
    clear_assignment(consumer);
    if (assignment.size < 2)
        return true;
    int16_t version = (int16_t)load_be16(assignment.data);
    struct kafka_consumer_assignment value;
    assignment = bytes_slice(assignment, 2, assignment.size - 2);
    if (!wire_decode(&kafka_consumer_assignment_message, version > 3 ? 3 : version, &assignment, arena, &value, error))
        return false;
    for (int32_t t = 0; t < value.assigned.count; t++) {
        const struct known_topic *topic = find_topic(consumer, value.assigned.items[t].topic);
        if (!topic && refresh_topics(consumer, error))
            topic = find_topic(consumer, value.assigned.items[t].topic);
        for (int32_t p = 0; topic && p < value.assigned.items[t].partitions.count; p++)
            if (value.assigned.items[t].partitions.items[p] < topic->partition_count)
                assign(consumer, topic, value.assigned.items[t].partitions.items[p], -1);
    }
    return true;
}

static bool join(
    struct consumer *consumer, struct kafka_join_group_reply *reply, struct arena *arena, struct error *error) {
    struct kafka_join_group_request request;
    wire_set_defaults(&kafka_join_group_request_struct, &request);
    request.group_id = bytes_from_text(consumer->options.group);
    request.session_timeout_ms = SESSION_TIMEOUT_MS;
    request.rebalance_timeout_ms = REBALANCE_TIMEOUT_MS;
    request.member_id = bytes_from_text(consumer->member_id);
    request.instance_id = request.reason = BYTES_NULL;
    request.protocol_type = BYTES("consumer");
    WIRE_ARRAY(arena, &request.protocols, &kafka_join_group_request_protocol_struct, 1);
    request.protocols.items[0].name = BYTES("range");
    request.protocols.items[0].metadata = subscription(consumer, arena);
    remote_set_timeout(consumer->options.remote, REBALANCE_TIMEOUT_MS + 30000);
    bool ok = REMOTE_CALL(consumer->options.remote, consumer->coordinator, join_group, &request, reply, arena, error);
    remote_set_timeout(consumer->options.remote, 30000);
    if (ok) {
        free(consumer->member_id);
        consumer->member_id = tool_text(reply->member_id);
    }
    return ok;
}

static bool passing_code(int16_t code) {
    return code == ERROR_LOADING || code == ERROR_NO_COORDINATOR || code == ERROR_NOT_COORDINATOR ||
           code == ERROR_REBALANCE || code == ERROR_MEMBER_ID || code == ERROR_ILLEGAL_GENERATION ||
           code == ERROR_UNKNOWN_MEMBER;
}

/* What a refused group call means for the membership. False when it does not pass. */
static bool after_code(struct consumer *consumer, int16_t code, struct error *error) {
    if (!passing_code(code))
        return error_set(error, ERROR_INVALID, "%s: %s", remote_exception(code), remote_sentence(code));
    consumer->joined = false;
    if (code == ERROR_UNKNOWN_MEMBER) {
        free(consumer->member_id);
        consumer->member_id = strdup("");
    }
    if (code == ERROR_NOT_COORDINATOR || code == ERROR_NO_COORDINATOR)
        consumer->coordinator = -1;
    if (code != ERROR_MEMBER_ID)
        pause_ms(50);
    return true;
}

static bool synchronise(
    struct consumer *consumer, const struct kafka_join_group_reply *joined, struct arena *arena, struct error *error) {
    struct kafka_sync_group_request request;
    struct kafka_sync_group_reply reply;
    wire_set_defaults(&kafka_sync_group_request_struct, &request);
    request.group_id = bytes_from_text(consumer->options.group);
    request.generation = joined->generation;
    request.member_id = bytes_from_text(consumer->member_id);
    request.instance_id = BYTES_NULL;
    request.protocol_type = BYTES("consumer");
    request.protocol_name = joined->protocol_name;
    if (bytes_equal(joined->leader, joined->member_id) && !joined->skip_assignment &&
        !share_out(consumer, joined, &request, arena, error))
        return false;
    if (!REMOTE_CALL(consumer->options.remote, consumer->coordinator, sync_group, &request, &reply, arena, error))
        return false;
    if (reply.error_code != 0)
        return after_code(consumer, reply.error_code, error);
    consumer->generation = joined->generation;
    if (!take_assignment(consumer, reply.assignment, arena, error) || !fetch_committed(consumer, error))
        return false;
    consumer->joined = true;
    consumer->heartbeat_ms = consumer->commit_ms = remote_now_ms();
    return true;
}

/* One attempt; consumer->joined tells whether it came to an end. */
static bool join_group(struct consumer *consumer, struct error *error) {
    if (consumer->coordinator < 0 &&
        !remote_coordinator(consumer->options.remote, consumer->options.group, &consumer->coordinator, error))
        return false;
    struct arena arena = {0};
    struct kafka_join_group_reply reply;
    bool ok = join(consumer, &reply, &arena, error);
    if (ok && reply.error_code != 0)
        ok = after_code(consumer, reply.error_code, error);
    else if (ok)
        ok = synchronise(consumer, &reply, &arena, error);
    arena_destroy(&arena);
    return ok;
}

static bool heartbeat(struct consumer *consumer, struct error *error) {
    int64_t now_ms = remote_now_ms();
    if (!consumer->options.group || now_ms - consumer->heartbeat_ms < HEARTBEAT_MS)
        return true;
    consumer->heartbeat_ms = now_ms;
    struct arena arena = {0};
    struct kafka_heartbeat_request request;
    struct kafka_heartbeat_reply reply;
    wire_set_defaults(&kafka_heartbeat_request_struct, &request);
    request.group_id = bytes_from_text(consumer->options.group);
    request.generation = consumer->generation;
    request.member_id = bytes_from_text(consumer->member_id);
    request.instance_id = BYTES_NULL;
    bool ok = REMOTE_CALL(consumer->options.remote, consumer->coordinator, heartbeat, &request, &reply, &arena, error);
    arena_destroy(&arena);
    if (!ok || reply.error_code == 0)
        return ok;
    if (reply.error_code == ERROR_REBALANCE && !commit(consumer, error))
        return false;
    return after_code(consumer, reply.error_code, error);
}

/* ---- fetching ---- */

typedef bool take_function(void *context, const struct consumed *consumed);

struct delivery {
    struct consumer *consumer;
    struct assigned *place;
    take_function *take;
    void *context;
    bool stopped;
    size_t count;
    /* read_committed */
    const struct kafka_fetch_reply_aborted *aborted;
    int32_t aborted_count;
};

static bool is_aborted(const struct delivery *delivery, const struct record_batch *batch) {
    if (!(batch->attributes & RECORD_BATCH_TRANSACTIONAL))
        return false;
    for (int32_t i = 0; i < delivery->aborted_count; i++)
        if (delivery->aborted[i].producer_id == batch->producer_id &&
            delivery->aborted[i].first_offset <= batch->base_offset)
            return true;
    return false;
}

/* After its ABORT marker a producer's later batches count again. */
static void end_aborted(
    struct delivery *delivery, struct kafka_fetch_reply_aborted *aborted, const struct record_batch *batch) {
    struct record_reader reader;
    struct record record;
    struct error error = {0};
    record_reader_init(&reader, batch, batch->records);
    if (!record_reader_next(&reader, &record, &error) || record.key.size < 4 || load_be16(record.key.data + 2) != 0)
        return;
    for (int32_t i = 0; i < delivery->aborted_count; i++)
        if (aborted[i].producer_id == batch->producer_id && aborted[i].first_offset <= batch->base_offset) {
            aborted[i].producer_id = -2;
            return;
        }
}

static bool deliver_batch(struct delivery *delivery, const struct record_batch *batch, struct error *error) {
    struct buffer plain = {0};
    struct bytes records = batch->records;
    if (record_batch_codec(batch) != RECORD_CODEC_NONE) {
        if (!compression_decode(record_batch_codec(batch), batch->records, (size_t)256 << 20, &plain, error)) {
            buffer_free(&plain);
            return false;
        }
        records = buffer_view(&plain);
    }
    struct record_reader reader;
    struct consumed consumed = {.topic = delivery->place->name,
        .partition = delivery->place->index,
        .leader_epoch = batch->leader_epoch,
        .log_append_time = (batch->attributes & RECORD_BATCH_LOG_APPEND_TIME) != 0};
    error->code = ERROR_NONE;
    record_reader_init(&reader, batch, records);
    while (!delivery->stopped && record_reader_next(&reader, &consumed.record, error)) {
        if (consumed.record.offset < delivery->place->offset)
            continue;
        delivery->count++;
        delivery->place->offset = consumed.record.offset + 1;
        delivery->stopped = !delivery->take(delivery->context, &consumed);
    }
    buffer_free(&plain);
    return error->code == ERROR_NONE;
}

static bool deliver(
    struct delivery *delivery, struct bytes records, struct kafka_fetch_reply_aborted *aborted, struct error *error) {
    struct record_batch batch;
    enum record_batch_result result;
    while (!delivery->stopped && records.size > 0 &&
           (result = record_batch_parse(records, &batch)) != RECORD_BATCH_SHORT) {
        if (result == RECORD_BATCH_BAD || !record_batch_checksum_ok(&batch))
            return error_set(error, ERROR_CORRUPT, "Record batch for partition %s-%d at offset %lld is invalid",
                delivery->place->name, delivery->place->index, (long long)delivery->place->offset);
        if (batch.attributes & RECORD_BATCH_CONTROL)
            end_aborted(delivery, aborted, &batch);
        else if (!is_aborted(delivery, &batch) && !deliver_batch(delivery, &batch, error))
            return false;
        if (!delivery->stopped && record_batch_last_offset(&batch) >= delivery->place->offset)
            delivery->place->offset = record_batch_last_offset(&batch) + 1;
        records = bytes_slice(records, batch.whole.size, records.size - batch.whole.size);
    }
    return true;
}

static bool fetch_from(struct consumer *consumer, int32_t leader, int64_t wait_ms, struct kafka_fetch_reply *reply,
    struct arena *arena, struct error *error) {
    struct kafka_fetch_request request;
    wire_set_defaults(&kafka_fetch_request_struct, &request);
    request.replica_id = -1;
    request.replica_state.replica_id = -1;
    request.max_wait_ms = (int32_t)wait_ms;
    request.min_bytes = 1;
    request.max_bytes = FETCH_SIZE_MAX;
    request.isolation_level = consumer->options.read_committed ? 1 : 0;
    request.session_epoch = -1;
    WIRE_ARRAY(arena, &request.topics, &kafka_fetch_request_topic_struct, consumer->assigned.count);
    int32_t count = 0;
    for (size_t i = 0; i < consumer->assigned.count; i++) {
        const struct assigned *place = &consumer->assigned.items[i];
        if (place->offset < 0 || place->topic->leaders[place->index] != leader)
            continue;
        struct kafka_fetch_request_topic *topic = NULL;
        for (int32_t t = 0; t < count; t++)
            if (bytes_equal_text(request.topics.items[t].name, place->name))
                topic = &request.topics.items[t];
        if (!topic) {
            topic = &request.topics.items[count++];
            topic->name = bytes_from_text(place->name);
            topic->topic_id = place->topic->id;
            WIRE_ARRAY(arena, &topic->partitions, &kafka_fetch_request_partition_struct, consumer->assigned.count);
            topic->partitions.count = 0;
        }
        struct kafka_fetch_request_partition *partition = &topic->partitions.items[topic->partitions.count++];
        partition->index = place->index;
        partition->fetch_offset = place->offset;
        partition->max_bytes = PARTITION_SIZE_MAX;
    }
    request.topics.count = count;
    remote_set_timeout(consumer->options.remote, wait_ms + 30000);
    return REMOTE_CALL(consumer->options.remote, leader, fetch, &request, reply, arena, error);
}

static struct assigned *find_place(
    struct consumer *consumer, const struct kafka_fetch_reply_topic *topic, int32_t index) {
    for (size_t i = 0; i < consumer->assigned.count; i++) {
        struct assigned *place = &consumer->assigned.items[i];
        bool same = topic->name.size > 0 ? bytes_equal_text(topic->name, place->name)
                                         : uuid_equal(topic->topic_id, place->topic->id);
        if (same && place->index == index)
            return place;
    }
    return NULL;
}

static bool take_partition(
    struct delivery *delivery, const struct kafka_fetch_reply_partition *partition, struct error *error) {
    struct consumer *consumer = delivery->consumer;
    if (partition->error_code == ERROR_OFFSET_RANGE) {
        delivery->place->offset = consumer->options.from_beginning ? -2 : -1;
        return true;
    }
    if (partition->error_code == ERROR_NOT_LEADER || partition->error_code == ERROR_UNKNOWN_TOPIC ||
        partition->error_code == ERROR_UNKNOWN_TOPIC_ID) {
        pause_ms(100);
        return refresh_topics(consumer, error);
    }
    if (partition->error_code != 0)
        return error_set(error, ERROR_INVALID, "%s: %s", remote_exception(partition->error_code),
            remote_sentence(partition->error_code));
    delivery->aborted = consumer->options.read_committed ? partition->aborted_transactions.items : NULL;
    delivery->aborted_count =
        delivery->aborted && partition->aborted_transactions.count > 0 ? partition->aborted_transactions.count : 0;
    return deliver(delivery, partition->records, partition->aborted_transactions.items, error);
}

/* Fetches from one node and hands out what came. */
static bool fetch_and_take(
    struct consumer *consumer, int32_t leader, int64_t wait_ms, struct delivery *delivery, struct error *error) {
    struct arena arena = {0};
    struct kafka_fetch_reply reply;
    bool ok = fetch_from(consumer, leader, wait_ms, &reply, &arena, error);
    for (int32_t t = 0; ok && !delivery->stopped && t < reply.topics.count; t++)
        for (int32_t p = 0; ok && !delivery->stopped && p < reply.topics.items[t].partitions.count; p++) {
            const struct kafka_fetch_reply_partition *partition = &reply.topics.items[t].partitions.items[p];
            delivery->place = find_place(consumer, &reply.topics.items[t], partition->index);
            if (delivery->place)
                ok = take_partition(delivery, partition, error);
        }
    arena_destroy(&arena);
    return ok;
}

static bool ready(struct consumer *consumer, int64_t wait_ms, struct error *error) {
    int64_t now_ms = remote_now_ms();
    bool looking = consumer->options.include || consumer->topics.count == 0;
    if (consumer->metadata_ms == 0 ||
        (looking && now_ms - consumer->metadata_ms > (consumer->topics.count ? METADATA_MS : 500))) {
        size_t had = consumer->topics.count;
        if (!refresh_topics(consumer, error))
            return false;
        if (consumer->topics.count != had && consumer->options.group)
            consumer->joined = false;
    }
    if (!consumer->options.group)
        return consumer->joined || assign_directly(consumer, error);
    if (consumer->topics.count == 0)
        return true;
    int64_t deadline_ms = now_ms + (wait_ms > 1000 ? wait_ms : 1000);
    while (!consumer->joined && remote_now_ms() < deadline_ms)
        if (!join_group(consumer, error))
            return false;
    return true;
}

bool consumer_poll(
    struct consumer *consumer, int64_t wait_ms, take_function *take, void *context, struct error *error) {
    if (!ready(consumer, wait_ms, error) || (consumer->joined && !heartbeat(consumer, error)))
        return false;
    struct delivery delivery = {.consumer = consumer, .take = take, .context = context};
    int64_t fetch_wait_ms = wait_ms < 500 ? wait_ms : 500;
    bool fetched = false;
    for (size_t i = 0; consumer->joined && i < consumer->assigned.count; i++)
        if (consumer->assigned.items[i].offset < 0 && !look_up_offset(consumer, &consumer->assigned.items[i], error))
            return false;
    for (size_t i = 0; consumer->joined && !delivery.stopped && i < consumer->assigned.count; i++) {
        int32_t leader = consumer->assigned.items[i].topic->leaders[consumer->assigned.items[i].index];
        bool first = consumer->assigned.items[i].offset >= 0;
        for (size_t k = 0; k < i; k++) /* each node once */
            first = first && consumer->assigned.items[k].topic->leaders[consumer->assigned.items[k].index] != leader;
        if (!first)
            continue;
        fetched = true;
        if (!fetch_and_take(consumer, leader, fetch_wait_ms, &delivery, error))
            return false;
    }
    if (!fetched)
        pause_ms(fetch_wait_ms < 100 ? fetch_wait_ms : 100);
    return remote_now_ms() - consumer->commit_ms < COMMIT_MS || commit(consumer, error);
}

struct consumer *consumer_open(const struct consumer_options *options, struct error *error) {
    struct consumer *consumer = calloc(1, sizeof *consumer);
    ASSERT(consumer);
    consumer->options = *options;
    consumer->coordinator = -1;
    consumer->member_id = strdup("");
    consumer->commit_ms = remote_now_ms();
    if (refresh_topics(consumer, error))
        return consumer;
    consumer_close(consumer);
    return NULL;
}

static void leave(struct consumer *consumer) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_leave_group_request request;
    struct kafka_leave_group_reply reply;
    wire_set_defaults(&kafka_leave_group_request_struct, &request);
    request.group_id = bytes_from_text(consumer->options.group);
    int16_t version =
        remote_version(consumer->options.remote, consumer->coordinator, &kafka_leave_group_request_message, &error);
    if (version >= 3) {
        WIRE_ARRAY(&arena, &request.members, &kafka_leave_group_request_member_struct, 1);
        request.members.items[0].member_id = bytes_from_text(consumer->member_id);
        request.members.items[0].instance_id = BYTES_NULL;
        request.members.items[0].reason = BYTES("the consumer is being closed");
    } else {
        request.member_id = bytes_from_text(consumer->member_id);
    }
    if (version >= 0)
        REMOTE_CALL(consumer->options.remote, consumer->coordinator, leave_group, &request, &reply, &arena, &error);
    arena_destroy(&arena);
}

void consumer_close(struct consumer *consumer) {
    struct error error;
    if (consumer->options.group && consumer->coordinator >= 0 && consumer->member_id[0]) {
        remote_set_timeout(consumer->options.remote, 5000);
        commit(consumer, &error);
        leave(consumer);
    }
    clear_assignment(consumer);
    for (size_t i = 0; i < consumer->topics.count; i++) {
        free(consumer->topics.items[i]->name);
        free(consumer->topics.items[i]->leaders);
        free(consumer->topics.items[i]);
    }
    VECTOR_FREE(&consumer->topics);
    free(consumer->member_id);
    free(consumer);
}
