/* The broker in a simulated world, as a client sees it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kafka/kafka_test_client.h"

static const char *const no_offsets_wait[] = {
    "offsets.topic.num.partitions", "2", "group.initial.rebalance.delay.ms", "0", NULL};

/* ---- records ---- */

static void test_a_record_is_read_back(void **state) {
    struct tester tester;
    tester_start(&tester, 1, no_offsets_wait);
    struct test_connection *connection = tester_connect(&tester);
    int64_t base = -1;
    int16_t code;
    assert_int_equal(test_create_topic(connection, "events", 2), KAFKA_NONE);
    assert_int_equal(test_create_topic(connection, "events", 2), KAFKA_TOPIC_ALREADY_EXISTS);
    assert_int_equal(test_create_topic(connection, "no good", 2), KAFKA_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(test_produce(connection, "events", 1, test_batch(&tester, 0, 3, -1, -1), &base), KAFKA_NONE);
    assert_int_equal(base, 0);
    assert_int_equal(test_produce(connection, "events", 1, test_batch(&tester, 3, 2, -1, -1), &base), KAFKA_NONE);
    assert_int_equal(base, 3);
    assert_int_equal(test_count_records(test_fetch(connection, "events", 1, 0, 0, &code), 0), 5);
    assert_int_equal(test_count_records(test_fetch(connection, "events", 1, 4, 0, &code), 4), 1);
    assert_int_equal(code, KAFKA_NONE);
    test_fetch(connection, "events", 1, 6, 0, &code);
    assert_int_equal(code, KAFKA_OFFSET_OUT_OF_RANGE);
    test_fetch(connection, "events", 2, 0, 0, &code);
    assert_int_equal(code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    test_connection_close(connection);
    tester_stop(&tester);
}

static void test_a_damaged_batch_is_refused(void **state) {
    struct tester tester;
    tester_start(&tester, 2, no_offsets_wait);
    struct test_connection *connection = tester_connect(&tester);
    test_create_topic(connection, "events", 1);
    struct bytes batch = test_batch(&tester, 0, 3, -1, -1);
    ((uint8_t *)(uintptr_t)batch.data)[batch.size - 1] ^= 1;
    assert_int_equal(test_produce(connection, "events", 0, batch, NULL), KAFKA_CORRUPT_MESSAGE);
    assert_int_equal(test_produce(connection, "events", 0, bytes_slice(batch, 0, 40), NULL), KAFKA_CORRUPT_MESSAGE);
    assert_int_equal(test_produce(connection, "nothing", 0, batch, NULL), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    batch = test_batch(&tester, 0, 3, -1, -1);
    ((uint8_t *)(uintptr_t)batch.data)[16] = 1;
    assert_int_equal(test_produce(connection, "events", 0, batch, NULL), KAFKA_INVALID_RECORD);
    test_connection_close(connection);
    tester_stop(&tester);
}

static void test_an_idempotent_repetition_is_stored_once(void **state) {
    struct tester tester;
    tester_start(&tester, 3, no_offsets_wait);
    struct test_connection *connection = tester_connect(&tester);
    struct kafka_init_producer_id_request body;
    struct kafka_init_producer_id_reply reply;
    int64_t base = -1;
    int16_t code;
    test_create_topic(connection, "events", 1);
    wire_set_defaults(&kafka_init_producer_id_request_struct, &body);
    TEST_CALL(connection, init_producer_id, 4, &body, &reply);
    assert_int_equal(reply.error_code, KAFKA_NONE);
    for (int round = 0; round < 2; round++) {
        assert_int_equal(
            test_produce(connection, "events", 0, test_batch(&tester, 0, 2, reply.producer_id, 0), &base), KAFKA_NONE);
        assert_int_equal(base, 0);
    }
    assert_int_equal(test_produce(connection, "events", 0, test_batch(&tester, 9, 1, reply.producer_id, 7), &base),
        KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(test_count_records(test_fetch(connection, "events", 0, 0, 0, &code), 0), 2);
    test_connection_close(connection);
    tester_stop(&tester);
}

static void test_a_waiting_fetch_is_woken_by_an_append(void **state) {
    struct tester tester;
    tester_start(&tester, 4, no_offsets_wait);
    struct test_connection *reader = tester_connect(&tester), *writer = tester_connect(&tester);
    test_create_topic(writer, "events", 1);
    struct kafka_fetch_request body;
    struct kafka_fetch_reply reply;
    wire_set_defaults(&kafka_fetch_request_struct, &body);
    body.max_wait_ms = 30000;
    body.min_bytes = 1;
    WIRE_ARRAY(&tester.arena, &body.topics, &kafka_fetch_request_topic_struct, 1);
    body.topics.items[0].name = BYTES("events");
    WIRE_ARRAY(&tester.arena, &body.topics.items[0].partitions, &kafka_fetch_request_partition_struct, 1);
    body.topics.items[0].partitions.items[0].max_bytes = 1000;
    test_send(reader, &kafka_fetch_request_message, 12, &body);
    assert_false(test_wait(reader, 10000));
    int64_t before = world_monotonic_ns(tester.world);
    test_produce(writer, "events", 0, test_batch(&tester, 0, 1, -1, -1), NULL);
    assert_true(test_wait(reader, 60000));
    assert_true(world_monotonic_ns(tester.world) - before < 100000000);
    test_reply(reader, &kafka_fetch_reply_message, 12, &reply);
    assert_int_equal(test_count_records(reply.topics.items[0].partitions.items[0].records, 0), 1);
    /* Nothing comes: the answer is empty after max_wait_ms. */
    body.topics.items[0].partitions.items[0].fetch_offset = 1;
    body.max_wait_ms = 500;
    before = world_monotonic_ns(tester.world);
    TEST_CALL(reader, fetch, 12, &body, &reply);
    assert_true(world_monotonic_ns(tester.world) - before >= 490000000);
    assert_int_equal(reply.topics.items[0].partitions.items[0].records.size, 0);
    test_connection_close(reader);
    test_connection_close(writer);
    tester_stop(&tester);
}

static void test_a_fetch_session_tells_only_news(void **state) {
    struct tester tester;
    tester_start(&tester, 5, no_offsets_wait);
    struct test_connection *connection = tester_connect(&tester);
    struct kafka_fetch_request body;
    struct kafka_fetch_reply reply;
    test_create_topic(connection, "events", 3);
    wire_set_defaults(&kafka_fetch_request_struct, &body);
    body.session_epoch = 0;
    WIRE_ARRAY(&tester.arena, &body.topics, &kafka_fetch_request_topic_struct, 1);
    body.topics.items[0].name = BYTES("events");
    WIRE_ARRAY(&tester.arena, &body.topics.items[0].partitions, &kafka_fetch_request_partition_struct, 3);
    for (int i = 0; i < 3; i++) {
        body.topics.items[0].partitions.items[i].index = i;
        body.topics.items[0].partitions.items[i].max_bytes = 1000;
    }
    TEST_CALL(connection, fetch, 12, &body, &reply);
    assert_true(reply.session_id > 0);
    assert_int_equal(reply.topics.items[0].partitions.count, 3);
    test_produce(connection, "events", 2, test_batch(&tester, 0, 1, -1, -1), NULL);
    body.session_id = reply.session_id;
    body.session_epoch = 1;
    body.topics.count = 0;
    TEST_CALL(connection, fetch, 12, &body, &reply);
    assert_int_equal(reply.topics.count, 1);
    assert_int_equal(reply.topics.items[0].partitions.count, 1);
    assert_int_equal(reply.topics.items[0].partitions.items[0].index, 2);
    TEST_CALL(connection, fetch, 12, &body, &reply);
    assert_int_equal(reply.error_code, KAFKA_INVALID_FETCH_SESSION_EPOCH);
    body.session_id++;
    TEST_CALL(connection, fetch, 12, &body, &reply);
    assert_int_equal(reply.error_code, KAFKA_FETCH_SESSION_ID_NOT_FOUND);
    test_connection_close(connection);
    tester_stop(&tester);
}

/* ---- the connection ---- */

static void test_versions_that_do_not_exist(void **state) {
    struct tester tester;
    tester_start(&tester, 6, no_offsets_wait);
    struct test_connection *connection = tester_connect(&tester), *other = tester_connect(&tester);
    struct kafka_api_versions_reply reply;
    /* API 18, version 99, correlation 1, no client id. */
    connection->correlation = 1;
    test_send_raw(connection, BYTES("\0\x12\0\x63\0\0\0\1\xff\xff\0\1\1\0"));
    assert_true(test_wait(connection, 1000));
    test_reply(connection, &kafka_api_versions_reply_message, 0, &reply);
    assert_int_equal(reply.error_code, KAFKA_UNSUPPORTED_VERSION);
    assert_true(reply.apis.count > 20);
    /* Metadata version 99 ends its own connection and no other. */
    test_send_raw(connection, BYTES("\0\3\0\x63\0\0\0\2\xff\xff"));
    assert_false(test_wait(connection, 60000));
    assert_true(connection->closed);
    assert_int_equal(test_create_topic(other, "events", 1), KAFKA_NONE);
    test_connection_close(connection);
    test_connection_close(other);
    tester_stop(&tester);
}

/* ---- groups ---- */

static void join(struct test_connection *connection, struct bytes member_id, struct kafka_join_group_request *body) {
    wire_set_defaults(&kafka_join_group_request_struct, body);
    body->group_id = BYTES("g");
    body->session_timeout_ms = 10000;
    body->rebalance_timeout_ms = 30000;
    body->member_id = member_id;
    body->protocol_type = BYTES("consumer");
    WIRE_ARRAY(&connection->tester->arena, &body->protocols, &kafka_join_group_request_protocol_struct, 1);
    body->protocols.items[0].name = BYTES("range");
    body->protocols.items[0].metadata = BYTES("subscription");
}

static struct bytes join_alone(struct test_connection *connection, struct kafka_join_group_reply *reply) {
    struct kafka_join_group_request body;
    join(connection, BYTES(""), &body);
    TEST_CALL(connection, join_group, 9, &body, reply);
    assert_int_equal(reply->error_code, KAFKA_MEMBER_ID_REQUIRED);
    struct bytes member_id = reply->member_id;
    join(connection, member_id, &body);
    test_send(connection, &kafka_join_group_request_message, 9, &body);
    return member_id;
}

static int16_t sync_group(
    struct test_connection *connection, int32_t generation, struct bytes member_id, struct bytes other_id) {
    struct kafka_sync_group_request body;
    struct kafka_sync_group_reply reply;
    wire_set_defaults(&kafka_sync_group_request_struct, &body);
    body.group_id = BYTES("g");
    body.generation = generation;
    body.member_id = member_id;
    WIRE_ARRAY(&connection->tester->arena, &body.assignments, &kafka_sync_group_request_assignment_struct,
        other_id.size ? 2 : 1);
    body.assignments.items[0].member_id = member_id;
    body.assignments.items[0].assignment = BYTES("mine");
    if (other_id.size > 0) {
        body.assignments.items[1].member_id = other_id;
        body.assignments.items[1].assignment = BYTES("yours");
    }
    TEST_CALL(connection, sync_group, 5, &body, &reply);
    return reply.error_code;
}

static int16_t heartbeat(struct test_connection *connection, int32_t generation, struct bytes member_id) {
    struct kafka_heartbeat_request body;
    struct kafka_heartbeat_reply reply;
    wire_set_defaults(&kafka_heartbeat_request_struct, &body);
    body.group_id = BYTES("g");
    body.generation = generation;
    body.member_id = member_id;
    TEST_CALL(connection, heartbeat, 4, &body, &reply);
    return reply.error_code;
}

static int16_t commit(struct test_connection *connection, int32_t generation, struct bytes member_id, int64_t offset) {
    struct kafka_offset_commit_request body;
    struct kafka_offset_commit_reply reply;
    wire_set_defaults(&kafka_offset_commit_request_struct, &body);
    body.group_id = BYTES("g");
    body.generation = generation;
    body.member_id = member_id;
    WIRE_ARRAY(&connection->tester->arena, &body.topics, &kafka_offset_commit_request_topic_struct, 1);
    body.topics.items[0].name = BYTES("events");
    WIRE_ARRAY(
        &connection->tester->arena, &body.topics.items[0].partitions, &kafka_offset_commit_request_partition_struct, 1);
    body.topics.items[0].partitions.items[0].offset = offset;
    body.topics.items[0].partitions.items[0].metadata = BYTES("note");
    TEST_CALL(connection, offset_commit, 8, &body, &reply);
    return reply.topics.items[0].partitions.items[0].error_code;
}

static int64_t committed(struct test_connection *connection) {
    struct kafka_offset_fetch_request body;
    struct kafka_offset_fetch_reply reply;
    wire_set_defaults(&kafka_offset_fetch_request_struct, &body);
    WIRE_ARRAY(&connection->tester->arena, &body.groups, &kafka_offset_fetch_request_group_struct, 1);
    body.groups.items[0].group_id = BYTES("g");
    body.groups.items[0].topics.count = -1;
    TEST_CALL(connection, offset_fetch, 8, &body, &reply);
    return reply.groups.items[0].topics.count > 0 ? reply.groups.items[0].topics.items[0].partitions.items[0].offset
                                                  : -1;
}

static void test_two_members_share_a_group(void **state) {
    struct tester tester;
    tester_start(&tester, 7, no_offsets_wait);
    struct test_connection *first = tester_connect(&tester), *second = tester_connect(&tester);
    struct kafka_join_group_reply reply, other;
    struct kafka_join_group_request body;
    test_create_topic(first, "events", 1);
    struct bytes first_id = join_alone(first, &reply);
    assert_true(test_wait(first, 60000));
    test_reply(first, &kafka_join_group_reply_message, 9, &reply);
    assert_int_equal(reply.error_code, KAFKA_NONE);
    assert_int_equal(reply.generation, 1);
    assert_true(bytes_equal(reply.leader, first_id));
    assert_int_equal(reply.members.count, 1);
    assert_int_equal(sync_group(first, 1, first_id, BYTES_NULL), KAFKA_NONE);
    assert_int_equal(heartbeat(first, 1, first_id), KAFKA_NONE);
    /* A second member makes all join again. */
    struct bytes second_id = join_alone(second, &other);
    assert_false(test_wait(second, 100));
    assert_int_equal(heartbeat(first, 1, first_id), KAFKA_REBALANCE_IN_PROGRESS);
    join(first, first_id, &body);
    test_send(first, &kafka_join_group_request_message, 9, &body);
    assert_true(test_wait(first, 1000) && test_wait(second, 1000));
    test_reply(first, &kafka_join_group_reply_message, 9, &reply);
    assert_int_equal(reply.generation, 2);
    assert_int_equal(reply.members.count, 2);
    assert_int_equal(sync_group(first, 2, first_id, second_id), KAFKA_NONE);
    assert_int_equal(sync_group(second, 2, second_id, BYTES_NULL), KAFKA_NONE);
    assert_int_equal(commit(second, 2, second_id, 5), KAFKA_NONE);
    assert_int_equal(commit(second, 1, second_id, 6), KAFKA_ILLEGAL_GENERATION);
    assert_int_equal(commit(second, 2, BYTES("nobody"), 6), KAFKA_UNKNOWN_MEMBER_ID);
    /* The first falls silent and is removed after its session; the second keeps its heartbeats up. */
    for (int i = 0; i < 5; i++) {
        sim_run_for(tester.world, 3000);
        heartbeat(second, 2, second_id);
    }
    assert_int_equal(heartbeat(first, 2, first_id), KAFKA_UNKNOWN_MEMBER_ID);
    assert_int_equal(heartbeat(second, 2, second_id), KAFKA_REBALANCE_IN_PROGRESS);
    test_connection_close(first);
    test_connection_close(second);
    tester_stop(&tester);
}

static void test_groups_survive_a_restart(void **state) {
    struct tester tester;
    tester_start(&tester, 8, no_offsets_wait);
    struct test_connection *connection = tester_connect(&tester);
    struct kafka_join_group_reply reply;
    test_create_topic(connection, "events", 1);
    struct bytes id = join_alone(connection, &reply);
    assert_true(test_wait(connection, 60000));
    assert_int_equal(sync_group(connection, 1, id, BYTES_NULL), KAFKA_NONE);
    assert_int_equal(commit(connection, 1, id, 42), KAFKA_NONE);
    test_connection_close(connection);
    tester_restart(&tester);
    connection = tester_connect(&tester);
    assert_int_equal(committed(connection), 42);
    assert_int_equal(heartbeat(connection, 1, id), KAFKA_NONE); /* still a member */
    test_connection_close(connection);
    tester_crash(&tester, SIM_CRASH_PROCESS, 3);
    connection = tester_connect(&tester);
    assert_int_equal(committed(connection), 42);
    test_connection_close(connection);
    tester_stop(&tester);
}

/* ---- crashes ---- */

/* What was acknowledged is there, once and in order. */
static void crash_round(uint64_t seed, enum sim_crash_kind kind, const char *const *settings) {
    struct tester tester;
    tester_start(&tester, seed, settings);
    sim_faults(tester.world)->ordered_metadata = true;
    int acknowledged = 0;
    for (int round = 0; round < 4; round++) {
        struct test_connection *connection = tester_connect(&tester);
        int16_t code;
        if (round == 0)
            assert_int_equal(test_create_topic(connection, "events", 1), KAFKA_NONE);
        for (int i = 0; i < 5; i++) {
            int64_t base;
            assert_int_equal(
                test_produce(connection, "events", 0, test_batch(&tester, acknowledged, 2, -1, -1), &base), KAFKA_NONE);
            assert_int_equal(base, acknowledged);
            acknowledged += 2;
        }
        assert_int_equal(test_count_records(test_fetch(connection, "events", 0, 0, 0, &code), 0), acknowledged);
        test_connection_close(connection);
        tester_crash(&tester, kind, seed * 10 + (uint64_t)round);
        connection = tester_connect(&tester);
        struct bytes survived = test_fetch(connection, "events", 0, 0, 0, &code);
        assert_int_equal(code, KAFKA_NONE);
        assert_int_equal(test_count_records(survived, 0), acknowledged);
        test_connection_close(connection);
    }
    tester_stop(&tester);
}

static void test_acknowledged_records_survive_a_killed_process(void **state) {
    for (uint64_t seed = 1; seed <= 15; seed++)
        crash_round(seed, SIM_CRASH_PROCESS, no_offsets_wait);
}

static void test_with_flush_messages_1_they_survive_a_power_cut(void **state) {
    static const char *const settings[] = {
        "log.flush.interval.messages", "1", "offsets.topic.num.partitions", "2", NULL};
    for (uint64_t seed = 1; seed <= 15; seed++)
        crash_round(seed, SIM_CRASH_POWER, settings);
}

/* ---- in this process ---- */

struct outcome {
    int wakes;
    bool done;
    int64_t number;
    enum error_code code;
};

static void on_wake(void *argument) {
    ((struct outcome *)argument)->wakes++;
}

static void on_count(void *argument, int32_t count, const struct error *error) {
    struct outcome *outcome = argument;
    outcome->number = count;
    outcome->done = true;
}

static void on_append(void *argument, int64_t base_offset, const struct error *error) {
    struct outcome *outcome = argument;
    outcome->number = base_offset;
    outcome->code = error->code;
    outcome->done = true;
}

static bool is_done(void *argument) {
    return ((struct outcome *)argument)->done;
}

static void test_the_client_of_this_process(void **state) {
    struct tester tester;
    tester_start(&tester, 9, no_offsets_wait);
    struct kafka_client *client = broker_client(tester.broker);
    struct outcome outcome = {0};
    struct kafka_subscription *subscription = kafka_client_subscribe(client, on_wake, &outcome);
    assert_int_equal(kafka_client_partition_count(client, "events"), -1);
    kafka_client_ensure_topic(client, "events", on_count, &outcome);
    assert_true(sim_run_until(tester.world, is_done, &outcome, 1000));
    assert_int_equal(outcome.number, 3);
    assert_int_equal(kafka_client_partition_count(client, "events"), 3);
    int wakes = outcome.wakes;
    outcome.done = false;
    kafka_client_append(client, "events", 2, test_batch(&tester, 0, 4, -1, -1), on_append, &outcome);
    assert_true(sim_run_until(tester.world, is_done, &outcome, 1000));
    assert_int_equal(outcome.code, ERROR_NONE);
    assert_int_equal(outcome.number, 0);
    sim_settle(tester.world);
    assert_true(outcome.wakes > wakes);
    struct partition_log *log = kafka_client_partition(client, "events", 2);
    struct log_view view;
    struct error error = {0};
    assert_int_equal(log_high_watermark(log), 4);
    assert_int_equal(log_read_map(log, 0, 1 << 20, LOG_READ_UNCOMMITTED, &view, &error), LOG_STATUS_OK);
    assert_int_equal(test_count_records(view.batches, 0), 4);
    log_map_release(view.map);
    log_release(log);
    outcome.done = false;
    kafka_client_append(client, "nothing", 0, test_batch(&tester, 0, 4, -1, -1), on_append, &outcome);
    assert_true(sim_run_until(tester.world, is_done, &outcome, 1000));
    assert_int_equal(outcome.code, ERROR_NOT_FOUND);
    kafka_client_unsubscribe(client, subscription);
    assert_true(kafka_client_is_own(client, BYTES("kafka:9092,127.0.0.1:9092"), &error));
    assert_false(kafka_client_is_own(client, BYTES("kafka:9092,10.0.0.7:9092"), &error));
    assert_non_null(strstr(error.message, "10.0.0.7:9092"));
    tester_stop(&tester);
}

static void test_keys_choose_the_partitions_that_kafkas_clients_choose(void **state) {
    /* As the Java producer and kafka-python place them. */
    assert_int_equal(kafka_partition_for_key(BYTES("k3"), 4), 0);
    assert_int_equal(kafka_partition_for_key(BYTES("k1"), 4), 1);
    assert_int_equal(kafka_partition_for_key(BYTES("k8"), 4), 2);
}

static void test_settings_are_checked(void **state) {
    struct error error = {0};
    assert_true(broker_setting_check("num.partitions", "5", &error));
    assert_false(broker_setting_check("num.partitions", "many", &error));
    assert_int_equal(error.code, ERROR_INVALID);
    assert_false(broker_setting_check("num.partition", "5", &error));
    assert_int_equal(error.code, ERROR_NOT_FOUND);
    assert_true(broker_setting_check("log.cleanup.policy", "compact,delete", &error));
    assert_false(broker_setting_check("log.cleanup.policy", "compact,burn", &error));
    assert_false(broker_setting_check("log.segment.bytes", "10", &error));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_record_is_read_back),
        cmocka_unit_test(test_a_damaged_batch_is_refused),
        cmocka_unit_test(test_an_idempotent_repetition_is_stored_once),
        cmocka_unit_test(test_a_waiting_fetch_is_woken_by_an_append),
        cmocka_unit_test(test_a_fetch_session_tells_only_news),
        cmocka_unit_test(test_versions_that_do_not_exist),
        cmocka_unit_test(test_two_members_share_a_group),
        cmocka_unit_test(test_groups_survive_a_restart),
        cmocka_unit_test(test_acknowledged_records_survive_a_killed_process),
        cmocka_unit_test(test_with_flush_messages_1_they_survive_a_power_cut),
        cmocka_unit_test(test_the_client_of_this_process),
        cmocka_unit_test(test_keys_choose_the_partitions_that_kafkas_clients_choose),
        cmocka_unit_test(test_settings_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
