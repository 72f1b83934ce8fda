/* kafka_test_client.c: the simulated broker and its test connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kafka/kafka_test_client.h"
#include "net/server.h"
#include "wire/record_batch.h"

#define ADDRESS "127.0.0.1"

static const char *setting(void *context, const char *name) {
    const struct tester *tester = context;
    for (size_t i = 0; tester->settings && tester->settings[i]; i += 2)
        if (strcmp(tester->settings[i], name) == 0)
            return tester->settings[i + 1];
    return NULL;
}

static void start_broker(struct tester *tester) {
    static const char *const addresses[] = {ADDRESS};
    struct error error = {0};
    tester->loop = world_loop_create(tester->world, "kafka", &error);
    tester->pool = world_pool_create(tester->world, "disk", 2, WORLD_POOL_NORMAL, &error);
    struct broker_options options = {.world = tester->world,
        .loop = tester->loop,
        .disk_pool = tester->pool,
        .directory = "/data/kafka",
        .addresses = addresses,
        .address_count = 1,
        .port = 9092,
        .setting = setting,
        .setting_context = tester};
    tester->broker = broker_start(&options, &error);
    if (!tester->broker)
        fail_msg("%s", error.message);
}

static void stop_broker(struct tester *tester) {
    broker_stop(tester->broker);
    world_pool_destroy(tester->pool);
    world_loop_destroy(tester->loop);
}

void tester_start(struct tester *tester, uint64_t seed, const char *const *settings) {
    *tester = (struct tester){.world = world_sim_create(seed), .settings = settings};
    start_broker(tester);
}

void tester_restart(struct tester *tester) {
    stop_broker(tester);
    start_broker(tester);
}

void tester_crash(struct tester *tester, enum sim_crash_kind kind, uint64_t seed) {
    struct world *after = sim_crash(tester->world, kind, seed);
    stop_broker(tester);
    world_destroy(tester->world);
    tester->world = after;
    start_broker(tester);
}

void tester_stop(struct tester *tester) {
    stop_broker(tester);
    world_destroy(tester->world);
    arena_destroy(&tester->arena);
}

/* ---- connections ---- */

static void on_frame(struct net_connection *net, struct bytes frame) {
    struct test_connection *connection = net_state(net);
    buffer_clear(&connection->answer);
    buffer_append_bytes(&connection->answer, frame);
    connection->answered = true;
}

static bool on_open(struct net_connection *net, void *context) {
    net_set_state(net, context);
    return true;
}

static void on_closed(struct net_connection *net, const struct error *reason) {
    struct test_connection *connection = net_state(net);
    connection->closed = true;
    net_release(net);
}

static const struct net_protocol test_protocol = {
    .name = "test", .open = on_open, .frame = on_frame, .closed = on_closed};

static void connect_on_loop(void *argument) {
    struct test_connection *connection = argument;
    struct error error = {0};
    connection->net = net_connect(connection->tester->loop, ADDRESS, 9092, &test_protocol, connection, NULL, &error);
    if (connection->net)
        net_retain(connection->net);
}

struct test_connection *tester_connect(struct tester *tester) {
    struct test_connection *connection = calloc(1, sizeof *connection);
    connection->tester = tester;
    world_loop_call(tester->loop, connect_on_loop, connection);
    assert_non_null(connection->net);
    return connection;
}

static bool is_closed(void *argument) {
    return ((struct test_connection *)argument)->closed;
}

static void close_on_loop(void *argument) {
    struct test_connection *connection = argument;
    if (!connection->closed)
        net_abort(connection->net, NULL);
}

void test_connection_close(struct test_connection *connection) {
    world_loop_call(connection->tester->loop, close_on_loop, connection);
    assert_true(sim_run_until(connection->tester->world, is_closed, connection, 60000));
    buffer_free(&connection->answer);
    free(connection);
}

struct send_call {
    struct test_connection *connection;
    struct buffer frame;
};

static void send_on_loop(void *argument) {
    struct send_call *call = argument;
    net_send_copy(call->connection->net, buffer_view(&call->frame));
}

void test_send_raw(struct test_connection *connection, struct bytes frame) {
    struct send_call call = {connection, {0}};
    store_be32(buffer_extend(&call.frame, 4), (uint32_t)frame.size);
    buffer_append_bytes(&call.frame, frame);
    connection->answered = false;
    world_loop_call(connection->tester->loop, send_on_loop, &call);
    buffer_free(&call.frame);
}

void test_send(
    struct test_connection *connection, const struct wire_message *request, int16_t version, const void *body) {
    struct buffer frame = {0};
    struct error error = {0};
    store_be16(buffer_extend(&frame, 2), (uint16_t)request->key);
    store_be16(buffer_extend(&frame, 2), (uint16_t)version);
    store_be32(buffer_extend(&frame, 4), (uint32_t)++connection->correlation);
    store_be16(buffer_extend(&frame, 2), 4);
    buffer_append_text(&frame, "test");
    if (version >= request->flexible)
        buffer_append_byte(&frame, 0);
    if (!wire_encode(request, version, body, &frame, NULL, &error))
        fail_msg("%s", error.message);
    test_send_raw(connection, buffer_view(&frame));
    buffer_free(&frame);
}

static bool is_done(void *argument) {
    struct test_connection *connection = argument;
    return connection->answered || connection->closed;
}

bool test_wait(struct test_connection *connection, int64_t limit_ms) {
    return sim_run_until(connection->tester->world, is_done, connection, limit_ms) && connection->answered;
}

void test_reply(struct test_connection *connection, const struct wire_message *reply, int16_t version, void *out) {
    struct error error = {0};
    struct bytes rest = arena_copy(&connection->tester->arena, buffer_view(&connection->answer));
    assert_true(rest.size >= 4);
    assert_int_equal((int32_t)load_be32(rest.data), connection->correlation);
    size_t header = version >= reply->flexible && reply->key != 18 ? 5 : 4;
    rest = bytes_slice(rest, header, rest.size - header);
    if (!wire_decode(reply, version, &rest, &connection->tester->arena, out, &error))
        fail_msg("%s", error.message);
    assert_int_equal(rest.size, 0);
}

/* ---- common requests ---- */

int16_t test_create_topic(struct test_connection *connection, const char *name, int32_t partitions) {
    struct kafka_create_topics_request body;
    struct kafka_create_topics_reply reply;
    wire_set_defaults(&kafka_create_topics_request_struct, &body);
    WIRE_ARRAY(&connection->tester->arena, &body.topics, &kafka_create_topics_request_topic_struct, 1);
    body.topics.items[0].name = bytes_from_text(name);
    body.topics.items[0].partition_count = partitions;
    body.topics.items[0].replication_factor = 1;
    TEST_CALL(connection, create_topics, 7, &body, &reply);
    return reply.topics.items[0].error_code;
}

struct bytes test_batch(struct tester *tester, int first, int count, int64_t producer_id, int32_t sequence) {
    struct buffer out = {0};
    struct record_builder builder;
    record_builder_begin(&builder, &out, 0, 0);
    for (int i = 0; i < count; i++) {
        char value[40];
        int size = snprintf(value, sizeof value, "value %d", first + i);
        record_builder_add(
            &builder, i, world_wall_ms(tester->world), BYTES("key"), bytes_make(value, (size_t)size), BYTES_NULL, 0);
    }
    record_builder_end(&builder, producer_id, producer_id < 0 ? -1 : 0, sequence, -1);
    struct bytes batch = arena_copy(&tester->arena, buffer_view(&out));
    buffer_free(&out);
    return batch;
}

int16_t test_produce(struct test_connection *connection, const char *topic, int32_t partition, struct bytes batch,
    int64_t *base_offset) {
    struct kafka_produce_request body;
    struct kafka_produce_reply reply;
    wire_set_defaults(&kafka_produce_request_struct, &body);
    body.acks = -1;
    body.timeout_ms = 30000;
    WIRE_ARRAY(&connection->tester->arena, &body.topics, &kafka_produce_request_topic_struct, 1);
    body.topics.items[0].name = bytes_from_text(topic);
    WIRE_ARRAY(
        &connection->tester->arena, &body.topics.items[0].partitions, &kafka_produce_request_partition_struct, 1);
    body.topics.items[0].partitions.items[0].index = partition;
    body.topics.items[0].partitions.items[0].records = batch;
    TEST_CALL(connection, produce, 9, &body, &reply);
    if (base_offset)
        *base_offset = reply.topics.items[0].partitions.items[0].base_offset;
    return reply.topics.items[0].partitions.items[0].error_code;
}

struct bytes test_fetch(struct test_connection *connection, const char *topic, int32_t partition, int64_t offset,
    int32_t wait_ms, int16_t *code) {
    struct kafka_fetch_request body;
    struct kafka_fetch_reply reply;
    wire_set_defaults(&kafka_fetch_request_struct, &body);
    body.max_wait_ms = wait_ms;
    body.min_bytes = 1;
    WIRE_ARRAY(&connection->tester->arena, &body.topics, &kafka_fetch_request_topic_struct, 1);
    body.topics.items[0].name = bytes_from_text(topic);
    WIRE_ARRAY(&connection->tester->arena, &body.topics.items[0].partitions, &kafka_fetch_request_partition_struct, 1);
    body.topics.items[0].partitions.items[0].index = partition;
    body.topics.items[0].partitions.items[0].fetch_offset = offset;
    body.topics.items[0].partitions.items[0].max_bytes = 1 << 20;
    TEST_CALL(connection, fetch, 12, &body, &reply);
    *code = reply.topics.items[0].partitions.items[0].error_code;
    return reply.topics.items[0].partitions.items[0].records;
}

int test_count_records(struct bytes batches, int64_t offset) {
    struct record_batch batch;
    int count = 0;
    while (batches.size > 0 && record_batch_parse(batches, &batch) == RECORD_BATCH_OK) {
        struct record_reader reader;
        struct record record;
        struct error error = {0};
        assert_true(record_batch_checksum_ok(&batch));
        record_reader_init(&reader, &batch, batch.records);
        while (record_reader_next(&reader, &record, &error))
            count += record.offset >= offset;
        batches = bytes_slice(batches, batch.whole.size, batches.size - batch.whole.size);
    }
    return count;
}
