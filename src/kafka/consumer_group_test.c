/* consumer_group_test.c: members of the newer protocol in simulated time: epochs, what is refused, hands that change,
 * sessions and steps that run out, static members, a crash, a failing disk, members of both protocols. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kafka/kafka_test_client.h"

struct fixture {
    struct tester tester;
    struct test_connection *connection;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    tester_start(&f->tester, 848, NULL);
    f->connection = tester_connect(&f->tester);
    assert_int_equal(test_create_topic(f->connection, "four", 4), KAFKA_NONE);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    test_connection_close(f->connection);
    tester_stop(&f->tester);
    free(f);
    return 0;
}

typedef struct kafka_consumer_group_heartbeat_request heartbeat;
typedef struct kafka_consumer_group_heartbeat_reply answer;

/* A member as a client would keep it. */
struct client {
    const char *id, *instance_id;
    int32_t epoch;
    struct uuid topic;
    int32_t owned[8];
    int32_t owned_count;
};

static heartbeat begin(const struct client *client) {
    heartbeat request;
    wire_set_defaults(&kafka_consumer_group_heartbeat_request_struct, &request);
    request.group_id = BYTES("g");
    request.member_id = bytes_from_text(client->id);
    request.instance_id = bytes_from_text(client->instance_id);
    request.member_epoch = client->epoch;
    return request;
}

static void take(struct client *client, const answer *reply) {
    client->epoch = reply->member_epoch;
    if (!reply->assignment)
        return;
    client->owned_count = 0;
    for (int32_t i = 0; i < reply->assignment->assigned.count; i++) {
        client->topic = reply->assignment->assigned.items[i].topic_id;
        for (int32_t j = 0; j < reply->assignment->assigned.items[i].partitions.count; j++)
            client->owned[client->owned_count++] = reply->assignment->assigned.items[i].partitions.items[j];
    }
}

static int16_t call(struct fixture *f, struct client *client, const heartbeat *request, answer *reply) {
    answer unused;
    reply = reply ? reply : &unused;
    TEST_CALL(f->connection, consumer_group_heartbeat, 1, request, reply);
    if (reply->error_code == KAFKA_NONE)
        take(client, reply);
    return reply->error_code;
}

static int16_t join(struct fixture *f, struct client *client, const char *topic) {
    struct bytes name = bytes_from_text(topic);
    client->epoch = 0;
    heartbeat request = begin(client);
    request.rebalance_timeout_ms = 10000;
    request.topic_names.items = &name;
    request.topic_names.count = 1;
    request.owned.count = 0;
    return call(f, client, &request, NULL);
}

/* A heartbeat with what the client has. */
static int16_t beat(struct fixture *f, struct client *client) {
    struct kafka_consumer_group_heartbeat_request_owned owned = {.topic_id = client->topic};
    heartbeat request = begin(client);
    owned.partitions.items = client->owned;
    owned.partitions.count = client->owned_count;
    request.owned.items = &owned;
    request.owned.count = client->owned_count > 0 ? 1 : 0;
    return call(f, client, &request, NULL);
}

static int16_t leave(struct fixture *f, struct client *client, int32_t epoch) {
    client->epoch = epoch;
    heartbeat request = begin(client);
    answer reply;
    TEST_CALL(f->connection, consumer_group_heartbeat, 1, &request, &reply);
    return reply.error_code;
}

static bool never(void *argument) {
    return false;
}

static void wait_ms(struct fixture *f, int64_t milliseconds) {
    sim_run_until(f->tester.world, never, NULL, milliseconds);
}

static const char *state_of(struct fixture *f, int32_t *epoch) {
    struct bytes name = BYTES("g");
    struct kafka_consumer_group_describe_request request = {.groups = {&name, 1}};
    struct kafka_consumer_group_describe_reply reply;
    TEST_CALL(f->connection, consumer_group_describe, 1, &request, &reply);
    if (reply.groups.items[0].error_code != KAFKA_NONE)
        return "none";
    if (epoch)
        *epoch = reply.groups.items[0].epoch;
    return arena_text(&f->tester.arena, reply.groups.items[0].state);
}

static void partitions_change_hands_one_step_at_a_time(void **state) {
    struct fixture *f = *state;
    struct client a = {.id = "a"}, b = {.id = "b"};
    assert_int_equal(join(f, &a, "four"), KAFKA_NONE);
    assert_int_equal(a.epoch, 1);
    assert_int_equal(a.owned_count, 4);
    assert_string_equal(state_of(f, NULL), "Stable");
    assert_int_equal(join(f, &b, "four"), KAFKA_NONE);
    assert_int_equal(b.epoch, 2);
    assert_int_equal(b.owned_count, 0); /* a has everything */
    assert_string_equal(state_of(f, NULL), "Reconciling");
    assert_int_equal(beat(f, &b), KAFKA_NONE);
    assert_int_equal(b.owned_count, 0);
    assert_int_equal(beat(f, &a), KAFKA_NONE); /* is told to give two back, keeps its epoch until it has */
    assert_int_equal(a.epoch, 1);
    assert_int_equal(a.owned_count, 2);
    assert_int_equal(beat(f, &b), KAFKA_NONE);
    assert_int_equal(b.owned_count, 0);
    assert_int_equal(beat(f, &a), KAFKA_NONE); /* has given them back */
    assert_int_equal(a.epoch, 2);
    assert_int_equal(beat(f, &b), KAFKA_NONE);
    assert_int_equal(b.owned_count, 2);
    assert_string_equal(state_of(f, NULL), "Stable");
    assert_int_equal(leave(f, &b, -1), KAFKA_NONE);
    assert_int_equal(beat(f, &a), KAFKA_NONE);
    assert_int_equal(a.epoch, 3);
    assert_int_equal(a.owned_count, 4);
    assert_int_equal(leave(f, &a, -1), KAFKA_NONE);
    assert_string_equal(state_of(f, NULL), "Empty");
}

static void what_contradicts_itself_is_refused(void **state) {
    struct fixture *f = *state;
    struct client a = {.id = "a"}, nobody = {.id = "x", .epoch = 1};
    struct bytes name = BYTES("four");
    heartbeat request = begin(&nobody);
    assert_int_equal(call(f, &nobody, &request, NULL), KAFKA_GROUP_ID_NOT_FOUND);
    request.member_epoch = 0;
    assert_int_equal(call(f, &nobody, &request, NULL), KAFKA_INVALID_REQUEST); /* no rebalance timeout */
    request.rebalance_timeout_ms = 1000;
    assert_int_equal(call(f, &nobody, &request, NULL), KAFKA_INVALID_REQUEST); /* owned must be empty, not null */
    request.owned.count = 0;
    assert_int_equal(call(f, &nobody, &request, NULL), KAFKA_INVALID_REQUEST); /* no subscription */
    request.topic_regex = BYTES("a**");
    assert_int_equal(call(f, &nobody, &request, NULL), KAFKA_INVALID_REGULAR_EXPRESSION);
    request.topic_regex = BYTES_NULL;
    request.topic_names.items = &name;
    request.topic_names.count = 1;
    request.assignor = BYTES("sticky");
    assert_int_equal(call(f, &nobody, &request, NULL), KAFKA_UNSUPPORTED_ASSIGNOR);
    request.assignor = BYTES_NULL;
    request.group_id = BYTES("");
    assert_int_equal(call(f, &nobody, &request, NULL), KAFKA_INVALID_REQUEST);
    assert_string_equal(state_of(f, NULL), "none");
    assert_int_equal(join(f, &a, "four"), KAFKA_NONE);
    nobody.epoch = 1;
    request = begin(&nobody);
    assert_int_equal(call(f, &nobody, &request, NULL), KAFKA_UNKNOWN_MEMBER_ID);
    a.epoch = 7;
    assert_int_equal(beat(f, &a), KAFKA_FENCED_MEMBER_EPOCH);
    a.epoch = -3;
    assert_int_equal(beat(f, &a), KAFKA_INVALID_REQUEST);
    assert_int_equal(join(f, &a, "four"), KAFKA_NONE); /* it starts anew and gets the same */
    assert_int_equal(a.epoch, 1);
    assert_int_equal(a.owned_count, 4);
}

static void a_lost_answer_does_no_harm(void **state) {
    struct fixture *f = *state;
    struct client a = {.id = "a"}, b = {.id = "b"};
    join(f, &a, "four");
    join(f, &b, "four");
    struct client before = a;
    assert_int_equal(beat(f, &a), KAFKA_NONE);
    before.owned_count = 2;
    memcpy(before.owned, a.owned, sizeof a.owned);
    assert_int_equal(beat(f, &a), KAFKA_NONE);
    assert_int_equal(a.epoch, 2);
    assert_int_equal(before.epoch, 1); /* did not hear of it */
    assert_int_equal(beat(f, &before), KAFKA_NONE);
    assert_int_equal(before.epoch, 2);
    before.epoch = 1;
    before.owned_count = 0;
    before.owned[before.owned_count++] = b.owned_count == 0 ? (a.owned[0] == 0 ? 3 : 0) : b.owned[0];
    before.topic = a.topic;
    if (before.owned[0] != a.owned[0] && before.owned[0] != a.owned[1])
        assert_int_equal(beat(f, &before), KAFKA_FENCED_MEMBER_EPOCH); /* has what it should not have */
}

static void the_silent_and_the_slow_are_removed(void **state) {
    struct fixture *f = *state;
    struct client a = {.id = "a"}, b = {.id = "b"}, c = {.id = "c"};
    join(f, &a, "four");
    join(f, &b, "four");
    assert_int_equal(beat(f, &a), KAFKA_NONE); /* is told to give back and does not say that it did */
    wait_ms(f, 9000);
    assert_string_equal(state_of(f, NULL), "Reconciling");
    wait_ms(f, 2000);
    assert_int_equal(beat(f, &a), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(beat(f, &b), KAFKA_NONE);
    assert_int_equal(b.owned_count, 4);
    wait_ms(f, 44000);
    assert_string_equal(state_of(f, NULL), "Stable");
    wait_ms(f, 2000);
    assert_string_equal(state_of(f, NULL), "Empty");
    assert_int_equal(beat(f, &b), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(join(f, &c, "four"), KAFKA_NONE);
    assert_int_equal(c.owned_count, 4);
}

static void static_members_keep_their_place_for_a_while(void **state) {
    struct fixture *f = *state;
    struct client a = {.id = "a", .instance_id = "i"}, again = {.id = "a2", .instance_id = "i"};
    struct client b = {.id = "b", .instance_id = "j"}, third = {.id = "a3", .instance_id = "i"};
    join(f, &a, "four");
    join(f, &b, "four");
    beat(f, &a);
    beat(f, &a);
    beat(f, &b);
    assert_int_equal(b.owned_count, 2);
    assert_int_equal(join(f, &again, "four"), KAFKA_UNRELEASED_INSTANCE_ID);
    int32_t partition = a.owned[0], epoch = a.epoch;
    assert_int_equal(leave(f, &a, -2), KAFKA_NONE);
    wait_ms(f, 20000);
    assert_int_equal(beat(f, &b), KAFKA_NONE);
    assert_int_equal(b.owned_count, 2);
    assert_int_equal(join(f, &again, "four"), KAFKA_NONE);
    assert_int_equal(again.epoch, epoch); /* nothing changed for the group */
    assert_int_equal(again.owned[0], partition);
    a.epoch = epoch;
    assert_int_equal(beat(f, &a), KAFKA_FENCED_INSTANCE_ID);
    assert_int_equal(leave(f, &again, -2), KAFKA_NONE);
    wait_ms(f, 30000);
    assert_int_equal(beat(f, &b), KAFKA_NONE);
    wait_ms(f, 16000);
    assert_int_equal(beat(f, &b), KAFKA_NONE); /* the other's session is over */
    assert_int_equal(b.owned_count, 4);
    assert_int_equal(join(f, &third, "four"), KAFKA_NONE);
    assert_int_equal(third.owned_count, 0);
}

static int16_t commit(struct fixture *f, const struct client *client, int16_t version, int32_t partition) {
    struct kafka_offset_commit_request_partition place;
    struct kafka_offset_commit_request_topic topic = {.name = BYTES("four"), .topic_id = client->topic};
    struct kafka_offset_commit_request request;
    struct kafka_offset_commit_reply reply;
    wire_set_defaults(&kafka_offset_commit_request_struct, &request);
    wire_set_defaults(&kafka_offset_commit_request_partition_struct, &place);
    request.group_id = BYTES("g");
    request.member_id = bytes_from_text(client->id);
    request.generation = client->epoch;
    request.topics.items = &topic;
    request.topics.count = 1;
    topic.partitions.items = &place;
    topic.partitions.count = 1;
    place.index = partition;
    place.offset = 0;
    TEST_CALL(f->connection, offset_commit, version, &request, &reply);
    return reply.topics.items[0].partitions.items[0].error_code;
}

static int16_t fetch_offsets(struct fixture *f, const char *member, int32_t epoch) {
    struct kafka_offset_fetch_request_group group;
    struct kafka_offset_fetch_request request;
    struct kafka_offset_fetch_reply reply;
    wire_set_defaults(&kafka_offset_fetch_request_struct, &request);
    wire_set_defaults(&kafka_offset_fetch_request_group_struct, &group);
    group.group_id = BYTES("g");
    group.member_id = bytes_from_text(member);
    group.member_epoch = epoch;
    group.topics.count = -1;
    request.groups.items = &group;
    request.groups.count = 1;
    TEST_CALL(f->connection, offset_fetch, 9, &request, &reply);
    return reply.groups.items[0].error_code;
}

static void commits_carry_the_epoch(void **state) {
    struct fixture *f = *state;
    struct client a = {.id = "a"}, b = {.id = "b"};
    join(f, &a, "four");
    assert_int_equal(commit(f, &a, 10, 3), KAFKA_NONE);
    assert_int_equal(commit(f, &a, 9, 3), KAFKA_NONE);
    assert_int_equal(commit(f, &a, 8, 3), KAFKA_UNSUPPORTED_VERSION);
    a.epoch = 5;
    assert_int_equal(commit(f, &a, 9, 3), KAFKA_STALE_MEMBER_EPOCH);
    a.epoch = 1;
    join(f, &b, "four");
    struct client old = a;
    beat(f, &a);
    beat(f, &a);
    assert_int_equal(a.epoch, 2);
    assert_int_equal(commit(f, &old, 9, a.owned[0]), KAFKA_NONE); /* has had it all the time */
    int32_t given = 0;
    while (given == a.owned[0] || given == a.owned[1])
        given++;
    assert_int_equal(commit(f, &old, 9, given), KAFKA_STALE_MEMBER_EPOCH);
    b.epoch = 1;
    beat(f, &b);
    assert_int_equal(commit(f, &(struct client){.id = "x", .epoch = 1}, 9, 0), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(commit(f, &(struct client){.id = "", .epoch = -1}, 9, 0), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(fetch_offsets(f, NULL, -1), KAFKA_NONE);
    assert_int_equal(fetch_offsets(f, "a", 2), KAFKA_NONE);
    assert_int_equal(fetch_offsets(f, "a", 1), KAFKA_STALE_MEMBER_EPOCH);
    assert_int_equal(fetch_offsets(f, "x", 1), KAFKA_UNKNOWN_MEMBER_ID);
}

static void topics_that_come_and_grow_are_noticed(void **state) {
    struct fixture *f = *state;
    struct client a = {.id = "a"};
    assert_int_equal(join(f, &a, "later"), KAFKA_NONE);
    assert_int_equal(a.owned_count, 0);
    assert_int_equal(test_create_topic(f->connection, "later", 3), KAFKA_NONE);
    assert_int_equal(beat(f, &a), KAFKA_NONE);
    assert_int_equal(a.owned_count, 3);
    assert_int_equal(a.epoch, 2);
    assert_int_equal(test_create_topic(f->connection, "unrelated", 3), KAFKA_NONE);
    assert_int_equal(beat(f, &a), KAFKA_NONE);
    assert_int_equal(a.epoch, 2);
}

static void a_crash_changes_nothing(void **state) {
    struct fixture *f = *state;
    struct client a = {.id = "a"}, b = {.id = "b", .instance_id = "i"};
    int32_t before, after;
    join(f, &a, "four");
    join(f, &b, "four");
    beat(f, &a);
    for (int round = 0; round < 3; round++) {
        state_of(f, &before);
        test_connection_close(f->connection);
        tester_crash(&f->tester, SIM_CRASH_PROCESS, (uint64_t)round + 1);
        f->connection = tester_connect(&f->tester);
        state_of(f, &after);
        assert_int_equal(before, after);
        assert_int_equal(beat(f, &a), KAFKA_NONE);
        assert_int_equal(beat(f, &b), KAFKA_NONE);
    }
    assert_int_equal(a.owned_count, 2);
    assert_int_equal(b.owned_count, 2);
    assert_int_equal(a.epoch, 2);
    wait_ms(f, 46000); /* sessions go on after the start, and end */
    assert_string_equal(state_of(f, NULL), "Empty");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(partitions_change_hands_one_step_at_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_contradicts_itself_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lost_answer_does_no_harm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_silent_and_the_slow_are_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(static_members_keep_their_place_for_a_while, set_up, tear_down),
        cmocka_unit_test_setup_teardown(commits_carry_the_epoch, set_up, tear_down),
        cmocka_unit_test_setup_teardown(topics_that_come_and_grow_are_noticed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_crash_changes_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
