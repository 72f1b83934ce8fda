/* test_machine.h: a simulated machine with a broker, for tests that crash it. */
#ifndef KAFKA_TEST_MACHINE_H
#define KAFKA_TEST_MACHINE_H

#include "kafka/broker.h"
#include "kafka/client.h"
#include "world/sim/sim.h"

struct test_machine {
    uint64_t seed, random_state;
    bool power;      /* every message is synced before it is acknowledged */
    bool cuts_power; /* crashes are power cuts; as `power` unless changed */
    struct world *world;
    struct world_loop *loop;
    struct world_pool *disk_pool;
    struct broker *broker;
    unsigned life; /* callbacks of former ones are not to be believed */
};

/* A new machine. Ends the test, naming the seed, when the broker does not start. */
void test_machine_create(struct test_machine *machine, uint64_t seed, bool power);
/* The machine as it is after a crash, with its broker started. In between nothing of the former life is there any more
 * but what `former` keeps: stop what uses it, then give it to test_machine_bury. */
void test_machine_crash(struct test_machine *machine, uint64_t seed, struct test_machine *former);
void test_machine_start(struct test_machine *machine);
void test_machine_bury(struct test_machine *machine);
/* Makes a topic and waits until it is there and durable. */
void test_machine_make_topic(struct test_machine *machine, const char *topic, int32_t partition_count);
/* The test's own randomness: the world's belongs to the world. */
uint64_t test_machine_random(struct test_machine *machine, uint64_t limit);

#endif
