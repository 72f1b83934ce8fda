/* kafka_test_client.h: a broker in a simulated world, and connections that send it requests made with the same tables.
 * Everything runs in the calling thread. */
#ifndef KAFKA_TEST_CLIENT_H
#define KAFKA_TEST_CLIENT_H

#include "base/arena.h"
#include "base/vector.h"
#include "kafka/broker.h"
#include "kafka/client.h"
#include "kafka/errors.h"
#include "wire/kafka_messages.h"
#include "world/sim/sim.h"

struct tester {
    struct world *world;
    struct world_loop *loop;
    struct world_pool *pool;
    struct broker *broker;
    struct arena arena;          /* of the test: request bodies and replies */
    const char *const *settings; /* "name", "value", …, NULL */
};

/* A new machine with the broker running on it. */
void tester_start(struct tester *tester, uint64_t seed, const char *const *settings);
/* Stops and starts the broker on the same disk. */
void tester_restart(struct tester *tester);
/* The machine fails; the broker starts on what survived. */
void tester_crash(struct tester *tester, enum sim_crash_kind kind, uint64_t seed);
void tester_stop(struct tester *tester);

struct test_connection {
    struct tester *tester;
    struct net_connection *net;
    struct buffer answer; /* the last frame */
    bool answered, closed;
    int32_t correlation;
};
struct test_connection *tester_connect(struct tester *tester);
void test_connection_close(struct test_connection *connection);
/* Sends without waiting. The body is a struct of the API's request. */
void test_send(
    struct test_connection *connection, const struct wire_message *request, int16_t version, const void *body);
void test_send_raw(struct test_connection *connection, struct bytes frame);
/* Waits until the answer is there or the connection closed (false), at most limit_ms of virtual time. */
bool test_wait(struct test_connection *connection, int64_t limit_ms);
/* Decodes the answer that came. Memory of the tester's arena. */
void test_reply(struct test_connection *connection, const struct wire_message *reply, int16_t version, void *out);
/* Send, wait, decode; fails the test when there is no answer. */
#define TEST_CALL(connection, name, version, body, reply)                                                              \
    (test_send((connection), &kafka_##name##_request_message, (version), (body)),                                      \
        assert_true(test_wait((connection), 60000)),                                                                   \
        test_reply((connection), &kafka_##name##_reply_message, (version), (reply)))

/* Makes a topic through CreateTopics. Returns the error code. */
int16_t test_create_topic(struct test_connection *connection, const char *name, int32_t partitions);
/* A batch of `count` records "value N" from number `first` on. */
struct bytes test_batch(struct tester *tester, int first, int count, int64_t producer_id, int32_t sequence);
/* Produce with acks=-1; returns the error code and fills *base_offset. */
int16_t test_produce(
    struct test_connection *connection, const char *topic, int32_t partition, struct bytes batch, int64_t *base_offset);
/* Fetches without a session from `offset`; the whole records field. */
struct bytes test_fetch(struct test_connection *connection, const char *topic, int32_t partition, int64_t offset,
    int32_t wait_ms, int16_t *code);
/* Records at or above `offset` in fetched batches. */
int test_count_records(struct bytes batches, int64_t offset);

#endif
