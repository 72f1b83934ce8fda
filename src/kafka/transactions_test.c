/* Transactions in a simulated world: as a client that announces partitions, as one of KIP-890, and as the embedded
 * producer; over crashes at which a decision is half carried out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kafka/kafka_test_client.h"
#include "wire/record_batch.h"

static const char *const few_partitions[] = {"offsets.topic.num.partitions", "2",
    "transaction.state.log.num.partitions", "2", "group.initial.rebalance.delay.ms", "0", NULL};
static const char *const synced[] = {"offsets.topic.num.partitions", "2", "transaction.state.log.num.partitions", "2",
    "log.flush.interval.messages", "1", "log.segment.bytes", "1048576", NULL};

struct actor { /* a transactional producer by hand */
    struct test_connection *connection;
    struct bytes id;
    int64_t producer_id;
    int16_t epoch;
    int32_t sequences[4]; /* by partition */
    int16_t version;      /* 1: announces partitions; 2: KIP-890 */
};

static int16_t init(struct actor *actor, int32_t timeout_ms) {
    struct kafka_init_producer_id_request body;
    struct kafka_init_producer_id_reply reply;
    wire_set_defaults(&kafka_init_producer_id_request_struct, &body);
    body.transactional_id = actor->id;
    body.transaction_timeout_ms = timeout_ms;
    TEST_CALL(actor->connection, init_producer_id, 5, &body, &reply);
    actor->producer_id = reply.producer_id;
    actor->epoch = reply.producer_epoch;
    memset(actor->sequences, 0, sizeof actor->sequences);
    return reply.error_code;
}

static struct actor actor_of(struct test_connection *connection, const char *id, int16_t version) {
    struct actor actor = {.connection = connection, .id = bytes_from_text(id), .version = version};
    assert_int_equal(init(&actor, 60000), KAFKA_NONE);
    return actor;
}

static int16_t add(struct actor *actor, const char *topic, int32_t partition) {
    struct kafka_add_partitions_to_txn_request body;
    struct kafka_add_partitions_to_txn_reply reply;
    wire_set_defaults(&kafka_add_partitions_to_txn_request_struct, &body);
    body.transactional_id = actor->id;
    body.producer_id = actor->producer_id;
    body.producer_epoch = actor->epoch;
    WIRE_ARRAY(&actor->connection->tester->arena, &body.topics, &kafka_add_partitions_to_txn_request_topic_struct, 1);
    body.topics.items[0].name = bytes_from_text(topic);
    body.topics.items[0].partitions.items = &partition;
    body.topics.items[0].partitions.count = 1;
    TEST_CALL(actor->connection, add_partitions_to_txn, 3, &body, &reply);
    return reply.topics.items[0].partitions.items[0].error_code;
}

static struct bytes batch_of(struct actor *actor, int32_t partition, int count) {
    struct tester *tester = actor->connection->tester;
    struct buffer out = {0};
    struct record_builder builder;
    record_builder_begin(&builder, &out, 0, RECORD_BATCH_TRANSACTIONAL);
    for (int i = 0; i < count; i++)
        record_builder_add(&builder, i, world_wall_ms(tester->world), BYTES("k"), BYTES("v"), BYTES_NULL, 0);
    record_builder_end(&builder, actor->producer_id, actor->epoch, actor->sequences[partition], -1);
    struct bytes batch = arena_copy(&tester->arena, buffer_view(&out));
    buffer_free(&out);
    return batch;
}

static int16_t produce_once(struct actor *actor, struct bytes id, const char *topic, int32_t partition, int count) {
    struct kafka_produce_request body;
    struct kafka_produce_reply reply;
    struct arena *arena = &actor->connection->tester->arena;
    wire_set_defaults(&kafka_produce_request_struct, &body);
    body.acks = -1;
    body.timeout_ms = 30000;
    body.transactional_id = id;
    WIRE_ARRAY(arena, &body.topics, &kafka_produce_request_topic_struct, 1);
    body.topics.items[0].name = bytes_from_text(topic);
    WIRE_ARRAY(arena, &body.topics.items[0].partitions, &kafka_produce_request_partition_struct, 1);
    body.topics.items[0].partitions.items[0].index = partition;
    body.topics.items[0].partitions.items[0].records = batch_of(actor, partition, count);
    int16_t version = actor->version == 2 ? 12 : 9;
    TEST_CALL(actor->connection, produce, version, &body, &reply);
    int16_t code = reply.topics.items[0].partitions.items[0].error_code;
    if (code == KAFKA_NONE)
        actor->sequences[partition] += count;
    return code;
}

static int16_t produce(struct actor *actor, const char *topic, int32_t partition, int count) {
    int16_t code = actor->version == 2 ? KAFKA_NONE : add(actor, topic, partition);
    return code == KAFKA_NONE ? produce_once(actor, actor->id, topic, partition, count) : code;
}

static int16_t end(struct actor *actor, bool commit) {
    struct kafka_end_txn_request body;
    struct kafka_end_txn_reply reply;
    wire_set_defaults(&kafka_end_txn_request_struct, &body);
    body.transactional_id = actor->id;
    body.producer_id = actor->producer_id;
    body.producer_epoch = actor->epoch;
    body.committed = commit;
    int16_t version = actor->version == 2 ? 5 : 3;
    TEST_CALL(actor->connection, end_txn, version, &body, &reply);
    if (reply.error_code == KAFKA_NONE && actor->version == 2) {
        actor->producer_id = reply.producer_id;
        actor->epoch = reply.producer_epoch;
        memset(actor->sequences, 0, sizeof actor->sequences);
    }
    return reply.error_code;
}

static int16_t commit_offset(struct actor *actor, int32_t partition, int64_t offset) {
    struct kafka_txn_offset_commit_request body;
    struct kafka_txn_offset_commit_reply reply;
    struct arena *arena = &actor->connection->tester->arena;
    if (actor->version < 2) {
        struct kafka_add_offsets_to_txn_request join = {actor->id, actor->producer_id, actor->epoch, BYTES("g")};
        struct kafka_add_offsets_to_txn_reply joined;
        TEST_CALL(actor->connection, add_offsets_to_txn, 3, &join, &joined);
        if (joined.error_code != KAFKA_NONE)
            return joined.error_code;
    }
    wire_set_defaults(&kafka_txn_offset_commit_request_struct, &body);
    body.transactional_id = actor->id;
    body.group_id = BYTES("g");
    body.producer_id = actor->producer_id;
    body.producer_epoch = actor->epoch;
    WIRE_ARRAY(arena, &body.topics, &kafka_txn_offset_commit_request_topic_struct, 1);
    body.topics.items[0].name = BYTES("events");
    WIRE_ARRAY(arena, &body.topics.items[0].partitions, &kafka_txn_offset_commit_request_partition_struct, 1);
    body.topics.items[0].partitions.items[0].index = partition;
    body.topics.items[0].partitions.items[0].offset = offset;
    body.topics.items[0].partitions.items[0].metadata = BYTES("batch 7");
    int16_t version = actor->version == 2 ? 5 : 3;
    TEST_CALL(actor->connection, txn_offset_commit, version, &body, &reply);
    return reply.topics.items[0].partitions.items[0].error_code;
}

static int64_t committed(struct test_connection *connection, bool stable, int16_t *code) {
    struct kafka_offset_fetch_request body;
    struct kafka_offset_fetch_reply reply;
    int32_t partition = 0;
    struct arena *arena = &connection->tester->arena;
    wire_set_defaults(&kafka_offset_fetch_request_struct, &body);
    body.require_stable = stable;
    WIRE_ARRAY(arena, &body.groups, &kafka_offset_fetch_request_group_struct, 1);
    body.groups.items[0].group_id = BYTES("g");
    WIRE_ARRAY(arena, &body.groups.items[0].topics, &kafka_offset_fetch_request_group_topic_struct, 1);
    body.groups.items[0].topics.items[0].name = BYTES("events");
    body.groups.items[0].topics.items[0].partitions.items = &partition;
    body.groups.items[0].topics.items[0].partitions.count = 1;
    TEST_CALL(connection, offset_fetch, 8, &body, &reply);
    *code = reply.groups.items[0].topics.items[0].partitions.items[0].error_code;
    return reply.groups.items[0].topics.items[0].partitions.items[0].offset;
}

/* Records that a reader of committed data keeps. */
static int count_committed(struct test_connection *connection, const char *topic, int32_t partition) {
    struct kafka_fetch_request body;
    struct kafka_fetch_reply reply;
    struct arena *arena = &connection->tester->arena;
    wire_set_defaults(&kafka_fetch_request_struct, &body);
    body.min_bytes = 1;
    body.isolation_level = 1;
    WIRE_ARRAY(arena, &body.topics, &kafka_fetch_request_topic_struct, 1);
    body.topics.items[0].name = bytes_from_text(topic);
    WIRE_ARRAY(arena, &body.topics.items[0].partitions, &kafka_fetch_request_partition_struct, 1);
    body.topics.items[0].partitions.items[0].index = partition;
    body.topics.items[0].partitions.items[0].max_bytes = 1 << 20;
    TEST_CALL(connection, fetch, 12, &body, &reply);
    const struct kafka_fetch_reply_partition *answer = &reply.topics.items[0].partitions.items[0];
    assert_int_equal(answer->error_code, KAFKA_NONE);
    struct bytes rest = answer->records;
    struct record_batch batch;
    int count = 0;
    /* As clients do: a listed transaction begins at its first offset and lasts until a marker of its producer. */
    bool gone[64] = {false};
    while (rest.size > 0 && record_batch_parse(rest, &batch) == RECORD_BATCH_OK) {
        bool aborted = false;
        assert_true(record_batch_last_offset(&batch) < answer->last_stable_offset);
        for (int32_t i = 0; i < answer->aborted_transactions.count && i < 64; i++)
            if (answer->aborted_transactions.items[i].producer_id == batch.producer_id && !gone[i] &&
                answer->aborted_transactions.items[i].first_offset <= batch.base_offset) {
                aborted = true;
                gone[i] = batch.attributes & RECORD_BATCH_CONTROL;
            }
        if (!aborted && !(batch.attributes & RECORD_BATCH_CONTROL))
            count += batch.record_count;
        rest = bytes_slice(rest, batch.whole.size, rest.size - batch.whole.size);
    }
    return count;
}

/* ---- both generations ---- */

static void commit_abort_and_offsets(int16_t version) {
    struct tester tester;
    int16_t code;
    tester_start(&tester, 10, few_partitions);
    struct test_connection *connection = tester_connect(&tester);
    test_create_topic(connection, "events", 2);
    struct actor actor = actor_of(connection, "a", version);
    assert_int_equal(actor.epoch, 0);
    assert_int_equal(produce(&actor, "events", 0, 3), KAFKA_NONE);
    assert_int_equal(produce(&actor, "events", 1, 2), KAFKA_NONE);
    assert_int_equal(commit_offset(&actor, 0, 7), KAFKA_NONE);
    assert_int_equal(count_committed(connection, "events", 0), 0);
    assert_int_equal(committed(connection, true, &code), -1);
    assert_int_equal(code, KAFKA_UNSTABLE_OFFSET_COMMIT);
    assert_int_equal(committed(connection, false, &code), -1);
    assert_int_equal(code, KAFKA_NONE);
    assert_int_equal(end(&actor, true), KAFKA_NONE);
    assert_int_equal(count_committed(connection, "events", 0), 3);
    assert_int_equal(count_committed(connection, "events", 1), 2);
    assert_int_equal(committed(connection, true, &code), 7);
    assert_int_equal(actor.epoch, version == 2 ? 1 : 0);
    assert_int_equal(produce(&actor, "events", 0, 4), KAFKA_NONE);
    assert_int_equal(commit_offset(&actor, 0, 9), KAFKA_NONE);
    assert_int_equal(end(&actor, false), KAFKA_NONE);
    assert_int_equal(count_committed(connection, "events", 0), 3);
    assert_int_equal(committed(connection, true, &code), 7);
    assert_int_equal(end(&actor, true), KAFKA_INVALID_TXN_STATE);
    test_connection_close(connection);
    tester_restart(&tester);
    connection = actor.connection = tester_connect(&tester);
    assert_int_equal(committed(connection, true, &code), 7);
    assert_int_equal(produce(&actor, "events", 0, 5), KAFKA_NONE);
    assert_int_equal(end(&actor, true), KAFKA_NONE);
    assert_int_equal(count_committed(connection, "events", 0), 8);
    test_connection_close(connection);
    tester_stop(&tester);
}

static void test_a_client_that_announces_its_partitions(void **state) {
    commit_abort_and_offsets(1);
}

static void test_a_client_that_leaves_partitions_to_the_broker(void **state) {
    commit_abort_and_offsets(2);
}

/* ---- who may write ---- */

static void test_a_new_producer_shuts_out_the_old(void **state) {
    struct tester tester;
    tester_start(&tester, 11, few_partitions);
    struct test_connection *connection = tester_connect(&tester);
    test_create_topic(connection, "events", 1);
    struct actor old = actor_of(connection, "a", 1);
    assert_int_equal(produce(&old, "events", 0, 3), KAFKA_NONE);
    struct actor new = actor_of(connection, "a", 1);
    assert_int_equal(new.producer_id, old.producer_id);
    assert_int_equal(new.epoch, 2); /* one for the abort, one for the new producer */
    assert_int_equal(add(&old, "events", 0), KAFKA_PRODUCER_FENCED);
    assert_int_equal(produce_once(&old, old.id, "events", 0, 1), KAFKA_INVALID_PRODUCER_EPOCH);
    assert_int_equal(end(&old, true), KAFKA_PRODUCER_FENCED);
    assert_int_equal(count_committed(connection, "events", 0), 0);
    assert_int_equal(produce(&new, "events", 0, 2), KAFKA_NONE);
    assert_int_equal(end(&new, true), KAFKA_NONE);
    assert_int_equal(count_committed(connection, "events", 0), 2);
    test_connection_close(connection);
    tester_stop(&tester);
}

static void test_records_outside_of_a_transaction_are_refused(void **state) {
    struct tester tester;
    tester_start(&tester, 12, few_partitions);
    struct test_connection *connection = tester_connect(&tester);
    test_create_topic(connection, "events", 2);
    struct actor actor = actor_of(connection, "a", 1);
    assert_int_equal(produce_once(&actor, actor.id, "events", 0, 1), KAFKA_INVALID_TXN_STATE);
    assert_int_equal(produce_once(&actor, BYTES_NULL, "events", 0, 1), KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    assert_int_equal(produce_once(&actor, BYTES("other"), "events", 0, 1), KAFKA_INVALID_PRODUCER_ID_MAPPING);
    assert_int_equal(add(&actor, "events", 5), KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(produce(&actor, "events", 0, 1), KAFKA_NONE);
    assert_int_equal(produce_once(&actor, actor.id, "events", 1, 1), KAFKA_INVALID_TXN_STATE);
    assert_int_equal(end(&actor, true), KAFKA_NONE);
    assert_int_equal(produce_once(&actor, actor.id, "events", 0, 1), KAFKA_INVALID_TXN_STATE);
    assert_int_equal(init(&actor, 0), KAFKA_INVALID_TRANSACTION_TIMEOUT);
    assert_int_equal(init(&actor, 900001), KAFKA_INVALID_TRANSACTION_TIMEOUT);
    test_connection_close(connection);
    tester_stop(&tester);
}

static void test_an_answer_that_was_lost_is_given_again(void **state) {
    struct tester tester;
    tester_start(&tester, 13, few_partitions);
    struct test_connection *connection = tester_connect(&tester);
    test_create_topic(connection, "events", 1);
    struct actor actor = actor_of(connection, "a", 2);
    assert_int_equal(produce(&actor, "events", 0, 1), KAFKA_NONE);
    struct actor before = actor;
    assert_int_equal(end(&actor, true), KAFKA_NONE);
    struct actor again = before;
    assert_int_equal(end(&again, true), KAFKA_NONE);
    assert_int_equal(again.epoch, actor.epoch);
    again = before;
    assert_int_equal(end(&again, false), KAFKA_INVALID_TXN_STATE);
    /* An abort without a record raises the epoch. */
    assert_int_equal(end(&actor, false), KAFKA_NONE);
    assert_int_equal(actor.epoch, before.epoch + 2);
    test_connection_close(connection);
    tester_stop(&tester);
}

static void test_the_last_epoch_is_followed_by_a_new_producer_id(void **state) {
    struct tester tester;
    tester_start(&tester, 14, few_partitions);
    struct test_connection *connection = tester_connect(&tester);
    test_create_topic(connection, "events", 1);
    struct actor actor = actor_of(connection, "a", 2);
    int64_t first = actor.producer_id;
    for (int i = 0; i < INT16_MAX - 1; i++)
        assert_int_equal(end(&actor, false), KAFKA_NONE);
    assert_int_equal(actor.epoch, INT16_MAX - 1);
    assert_int_equal(actor.producer_id, first);
    assert_int_equal(produce(&actor, "events", 0, 2), KAFKA_NONE);
    struct actor before = actor;
    assert_int_equal(end(&actor, true), KAFKA_NONE);
    assert_int_equal(actor.epoch, 0);
    assert_int_not_equal(actor.producer_id, first);
    assert_int_equal(end(&before, true), KAFKA_NONE);
    assert_int_equal(before.producer_id, actor.producer_id);
    assert_int_equal(produce(&actor, "events", 0, 3), KAFKA_NONE);
    assert_int_equal(end(&actor, true), KAFKA_NONE);
    assert_int_equal(count_committed(connection, "events", 0), 5);
    test_connection_close(connection);
    tester_stop(&tester);
}

/* ---- time and crashes ---- */

static void test_what_is_left_open_expires(void **state) {
    struct tester tester;
    tester_start(&tester, 15, few_partitions);
    struct test_connection *connection = tester_connect(&tester);
    test_create_topic(connection, "events", 1);
    struct actor actor = actor_of(connection, "a", 1);
    assert_int_equal(init(&actor, 20000), KAFKA_NONE);
    assert_int_equal(produce(&actor, "events", 0, 1), KAFKA_NONE);
    test_produce(connection, "events", 0, test_batch(&tester, 0, 2, -1, -1), NULL);
    sim_run_for(tester.world, 15000);
    assert_int_equal(count_committed(connection, "events", 0), 0);
    sim_run_for(tester.world, 20000);
    assert_int_equal(count_committed(connection, "events", 0), 2);
    assert_int_equal(end(&actor, true), KAFKA_PRODUCER_FENCED);
    /* A restart does not forget the clock of an open one. */
    assert_int_equal(init(&actor, 20000), KAFKA_NONE);
    assert_int_equal(produce(&actor, "events", 0, 1), KAFKA_NONE);
    test_connection_close(connection);
    tester_crash(&tester, SIM_CRASH_PROCESS, 1);
    sim_run_for(tester.world, 35000);
    connection = actor.connection = tester_connect(&tester);
    assert_int_equal(end(&actor, true), KAFKA_PRODUCER_FENCED);
    assert_int_equal(count_committed(connection, "events", 0), 2);
    test_connection_close(connection);
    tester_stop(&tester);
}

static void test_an_open_transaction_survives_a_crash(void **state) {
    struct tester tester;
    int16_t code;
    tester_start(&tester, 16, few_partitions);
    struct test_connection *connection = tester_connect(&tester);
    test_create_topic(connection, "events", 1);
    struct actor actor = actor_of(connection, "a", 1);
    assert_int_equal(produce(&actor, "events", 0, 3), KAFKA_NONE);
    assert_int_equal(commit_offset(&actor, 0, 5), KAFKA_NONE);
    test_connection_close(connection);
    tester_crash(&tester, SIM_CRASH_PROCESS, 2);
    connection = actor.connection = tester_connect(&tester);
    assert_int_equal(count_committed(connection, "events", 0), 0);
    assert_int_equal(committed(connection, true, &code), -1);
    assert_int_equal(code, KAFKA_UNSTABLE_OFFSET_COMMIT);
    assert_int_equal(produce(&actor, "events", 0, 1), KAFKA_NONE);
    assert_int_equal(end(&actor, true), KAFKA_NONE);
    assert_int_equal(count_committed(connection, "events", 0), 4);
    assert_int_equal(committed(connection, true, &code), 5);
    test_connection_close(connection);
    tester_stop(&tester);
}

static void test_synced_transactions_are_whole_after_a_power_cut(void **state) {
    struct tester tester;
    int16_t code;
    tester_start(&tester, 17, synced);
    sim_faults(tester.world)->ordered_metadata = true;
    struct test_connection *connection = tester_connect(&tester);
    test_create_topic(connection, "events", 2);
    struct actor actor = actor_of(connection, "a", 2);
    assert_int_equal(produce(&actor, "events", 0, 3), KAFKA_NONE);
    assert_int_equal(produce(&actor, "events", 1, 3), KAFKA_NONE);
    assert_int_equal(commit_offset(&actor, 0, 5), KAFKA_NONE);
    assert_int_equal(end(&actor, true), KAFKA_NONE);
    test_connection_close(connection);
    tester_crash(&tester, SIM_CRASH_POWER, 3);
    connection = actor.connection = tester_connect(&tester);
    assert_int_equal(committed(connection, true, &code), 5);
    assert_int_equal(count_committed(connection, "events", 0), 3);
    assert_int_equal(count_committed(connection, "events", 1), 3);
    test_connection_close(connection);
    tester_stop(&tester);
}

/* Below the recovery point nothing is scanned after a power cut: what was aborted must stand in the index by then. */
static void abort_and_cut_power(uint64_t seed) {
    struct tester tester;
    tester_start(&tester, seed, synced);
    sim_faults(tester.world)->ordered_metadata = true;
    struct test_connection *connection = tester_connect(&tester);
    test_create_topic(connection, "events", 1);
    struct actor actor = actor_of(connection, "a", 2);
    assert_int_equal(produce(&actor, "events", 0, 3), KAFKA_NONE);
    assert_int_equal(end(&actor, false), KAFKA_NONE);
    for (int i = 0; i < 20; i++) /* until there is a second segment: the last one is always scanned */
        assert_int_equal(produce(&actor, "events", 0, 8000), KAFKA_NONE);
    assert_int_equal(end(&actor, true), KAFKA_NONE);
    int before = count_committed(connection, "events", 0);
    sim_run_for(tester.world, 130000); /* the recovery point is written once a minute */
    test_connection_close(connection);
    tester_crash(&tester, SIM_CRASH_POWER, seed);
    connection = tester_connect(&tester);
    assert_int_equal(count_committed(connection, "events", 0), before);
    assert_int_equal(before % 8000, 0);
    test_connection_close(connection);
    tester_stop(&tester);
}

static void test_an_abort_is_remembered_over_a_power_cut(void **state) {
    for (uint64_t seed = 20; seed < 26; seed++)
        abort_and_cut_power(seed);
}

/* ---- a full disk ---- */

static void test_a_full_disk_leaves_the_decision_open(void **state) {
    struct tester tester;
    tester_start(&tester, 40, few_partitions);
    struct test_connection *connection = tester_connect(&tester);
    test_create_topic(connection, "events", 2);
    struct actor actor = actor_of(connection, "a", 1);
    assert_int_equal(produce(&actor, "events", 0, 3), KAFKA_NONE);
    sim_faults(tester.world)->no_space_ppm = 1000000;
    assert_int_equal(end(&actor, true), KAFKA_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(add(&actor, "events", 1), KAFKA_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(init(&actor, 60000), KAFKA_COORDINATOR_NOT_AVAILABLE);
    sim_faults(tester.world)->no_space_ppm = 0;
    assert_int_equal(count_committed(connection, "events", 0), 0);
    actor.producer_id = 0;
    actor.epoch = 0;
    assert_int_equal(end(&actor, true), KAFKA_NONE);
    assert_int_equal(count_committed(connection, "events", 0), 3);
    test_connection_close(connection);
    tester_stop(&tester);
}

static void test_markers_that_do_not_fit_come_later(void **state) {
    struct tester tester;
    struct kafka_end_txn_request body;
    struct kafka_end_txn_reply reply;
    tester_start(&tester, 41, synced);
    struct test_connection *connection = tester_connect(&tester), *other = tester_connect(&tester);
    test_create_topic(connection, "events", 2);
    struct actor actor = actor_of(connection, "a", 1);
    assert_int_equal(produce(&actor, "events", 0, 3), KAFKA_NONE);
    assert_int_equal(produce(&actor, "events", 1, 2), KAFKA_NONE);
    wire_set_defaults(&kafka_end_txn_request_struct, &body);
    body.transactional_id = actor.id;
    body.producer_id = actor.producer_id;
    body.producer_epoch = actor.epoch;
    body.committed = true;
    sim_faults(tester.world)->pool_delay_us_max = 200000; /* the sync of the decision */
    test_send(connection, &kafka_end_txn_request_message, 3, &body);
    sim_run_for(tester.world, 5);
    assert_false(connection->answered);
    sim_faults(tester.world)->no_space_ppm = 1000000;
    assert_true(test_wait(connection, 60000));
    test_reply(connection, &kafka_end_txn_reply_message, 3, &reply);
    assert_int_equal(reply.error_code, KAFKA_NONE); /* it is decided */
    assert_int_equal(count_committed(other, "events", 0), 0);
    assert_int_equal(add(&actor, "events", 1), KAFKA_CONCURRENT_TRANSACTIONS);
    sim_faults(tester.world)->no_space_ppm = 0;
    sim_run_for(tester.world, 5000);
    assert_int_equal(count_committed(other, "events", 0), 3);
    assert_int_equal(count_committed(other, "events", 1), 2);
    assert_int_equal(produce(&actor, "events", 1, 2), KAFKA_NONE);
    assert_int_equal(end(&actor, true), KAFKA_NONE);
    assert_int_equal(count_committed(other, "events", 1), 4);
    test_connection_close(connection);
    test_connection_close(other);
    tester_stop(&tester);
}

/* ---- the embedded producer ---- */

struct embedded {
    struct kafka_producer *producer;
    enum error_code code;
    bool done;
    int64_t offset;
    char metadata[40];
};

static void on_open(void *argument, struct kafka_producer *producer, const struct error *error) {
    struct embedded *embedded = argument;
    *embedded = (struct embedded){.producer = producer, .code = error->code, .done = true};
}

static void on_done(void *argument, const struct error *error) {
    struct embedded *embedded = argument;
    embedded->code = error->code;
    embedded->done = true;
}

static void on_append(void *argument, int64_t base_offset, const struct error *error) {
    on_done(argument, error);
}

static void on_group(void *argument, struct kafka_group_list *groups) {
    struct embedded *embedded = argument;
    embedded->offset = -1;
    if (groups->count > 0 && groups->items[0].offset_count > 0) {
        embedded->offset = groups->items[0].offsets[0].offset;
        snprintf(embedded->metadata, sizeof embedded->metadata, "%s", groups->items[0].offsets[0].metadata);
    }
    kafka_group_list_free(groups);
    embedded->done = true;
}

static bool is_done(void *argument) {
    return ((struct embedded *)argument)->done;
}

static enum error_code await(struct tester *tester, struct embedded *embedded) {
    assert_true(sim_run_until(tester->world, is_done, embedded, 60000));
    embedded->done = false;
    return embedded->code;
}

static void open_producer(struct tester *tester, struct embedded *embedded) {
    kafka_producer_open(broker_client(tester->broker), "query 1", 60000, on_open, embedded);
    assert_int_equal(await(tester, embedded), ERROR_NONE);
}

static enum error_code batch(struct tester *tester, struct embedded *embedded, int number, bool commit) {
    char metadata[20];
    snprintf(metadata, sizeof metadata, "%d", number);
    struct kafka_producer_offset offset = {"events", 0, number * 10, metadata};
    for (int32_t partition = 0; partition < 2; partition++) {
        kafka_producer_append(
            embedded->producer, "events", partition, test_batch(tester, 0, 3, -1, -1), on_append, embedded);
        if (await(tester, embedded) != ERROR_NONE)
            return embedded->code;
    }
    kafka_producer_commit_offsets(embedded->producer, "query", &offset, 1, on_done, embedded);
    if (await(tester, embedded) != ERROR_NONE)
        return embedded->code;
    kafka_producer_end(embedded->producer, commit, on_done, embedded);
    return await(tester, embedded);
}

static void test_a_batch_and_its_offsets_come_together(void **state) {
    struct tester tester;
    struct embedded first = {0}, second = {0};
    tester_start(&tester, 18, few_partitions);
    struct test_connection *connection = tester_connect(&tester);
    test_create_topic(connection, "events", 2);
    open_producer(&tester, &first);
    assert_int_equal(batch(&tester, &first, 1, true), ERROR_NONE);
    assert_int_equal(batch(&tester, &first, 2, false), ERROR_NONE);
    assert_int_equal(batch(&tester, &first, 3, true), ERROR_NONE);
    kafka_client_group(broker_client(tester.broker), "query", on_group, &first);
    await(&tester, &first);
    assert_int_equal(first.offset, 30);
    assert_string_equal(first.metadata, "3");
    assert_int_equal(count_committed(connection, "events", 0), 6);
    assert_int_equal(count_committed(connection, "events", 1), 6);
    /* Another run of the query takes over in the middle of a batch. */
    kafka_producer_append(first.producer, "events", 0, test_batch(&tester, 0, 3, -1, -1), on_append, &first);
    assert_int_equal(await(&tester, &first), ERROR_NONE);
    open_producer(&tester, &second);
    assert_int_equal(batch(&tester, &first, 4, true), ERROR_CLOSED);
    assert_int_equal(batch(&tester, &second, 4, true), ERROR_NONE);
    assert_int_equal(count_committed(connection, "events", 0), 9);
    kafka_producer_close(first.producer);
    kafka_producer_close(second.producer);
    sim_run_for(tester.world, 100);
    /* A batch in transactional form has no business elsewhere. */
    struct actor actor = actor_of(connection, "a", 1);
    kafka_client_append(broker_client(tester.broker), "events", 0, batch_of(&actor, 0, 1), on_append, &second);
    assert_int_equal(await(&tester, &second), ERROR_INVALID);
    test_connection_close(connection);
    tester_stop(&tester);
}

static void test_committed_records_are_told_from_hidden_ones(void **state) {
    struct tester tester;
    struct embedded embedded = {0};
    tester_start(&tester, 19, few_partitions);
    struct test_connection *connection = tester_connect(&tester);
    test_create_topic(connection, "events", 2);
    open_producer(&tester, &embedded);
    for (int i = 0; i < 6; i++)
        assert_int_equal(batch(&tester, &embedded, i, i % 2), ERROR_NONE);
    struct partition_log *log = kafka_client_partition(broker_client(tester.broker), "events", 0);
    struct log_view view = {0};
    struct log_aborted_list aborted = {0};
    struct error error = {0};
    assert_int_equal(log_read_map(log, 0, 1 << 20, LOG_READ_COMMITTED, &view, &error), LOG_STATUS_OK);
    assert_true(log_aborted_transactions(log, 0, view.next_offset, &aborted, &error));
    assert_int_equal(aborted.count, 3);
    struct record_batch each;
    int shown = 0;
    for (struct bytes rest = view.batches; record_batch_parse(rest, &each) == RECORD_BATCH_OK;
         rest = bytes_slice(rest, each.whole.size, rest.size - each.whole.size))
        shown += log_batch_is_hidden(&aborted, &each) ? 0 : each.record_count;
    assert_int_equal(shown, 9);
    VECTOR_FREE(&aborted);
    log_map_release(view.map);
    log_release(log);
    kafka_producer_close(embedded.producer);
    sim_run_for(tester.world, 100);
    test_connection_close(connection);
    tester_stop(&tester);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_client_that_announces_its_partitions),
        cmocka_unit_test(test_a_client_that_leaves_partitions_to_the_broker),
        cmocka_unit_test(test_a_new_producer_shuts_out_the_old),
        cmocka_unit_test(test_records_outside_of_a_transaction_are_refused),
        cmocka_unit_test(test_an_answer_that_was_lost_is_given_again),
        cmocka_unit_test(test_the_last_epoch_is_followed_by_a_new_producer_id),
        cmocka_unit_test(test_what_is_left_open_expires),
        cmocka_unit_test(test_an_open_transaction_survives_a_crash),
        cmocka_unit_test(test_synced_transactions_are_whole_after_a_power_cut),
        cmocka_unit_test(test_an_abort_is_remembered_over_a_power_cut),
        cmocka_unit_test(test_a_full_disk_leaves_the_decision_open),
        cmocka_unit_test(test_markers_that_do_not_fit_come_later),
        cmocka_unit_test(test_a_batch_and_its_offsets_come_together),
        cmocka_unit_test(test_committed_records_are_told_from_hidden_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
