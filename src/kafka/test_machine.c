/* test_machine.c: see test_machine.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kafka/test_machine.h"

uint64_t test_machine_random(struct test_machine *machine, uint64_t limit) {
    machine->random_state ^= machine->random_state << 13;
    machine->random_state ^= machine->random_state >> 7;
    machine->random_state ^= machine->random_state << 17;
    return machine->random_state % limit;
}

/* Small: several segments in a run (the least that Kafka allows), few partitions to go through at a start. */
static const char *setting(void *context, const char *name) {
    static const char *const settings[][2] = {{"log.segment.bytes", "1048576"}, {"offsets.topic.num.partitions", "2"},
        {"transaction.state.log.num.partitions", "2"},
        {"transaction.abort.timed.out.transaction.cleanup.interval.ms", "100"}};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (strcmp(name, settings[i][0]) == 0)
            return settings[i][1];
    bool power = ((struct test_machine *)context)->power;
    return power && strcmp(name, "log.flush.interval.messages") == 0 ? "1" : NULL;
}

/* With SIM_VERBOSE set, what the broker logs goes to standard error. */
static void write_line(void *context, const char *line, size_t size) {
    fwrite(line, 1, size, stderr);
}
static int64_t line_time(void *context) {
    return world_wall_ms(((struct test_machine *)context)->world);
}

void test_machine_start(struct test_machine *machine) {
    static const char *const addresses[] = {"127.0.0.1"};
    struct error error = {0};
    machine->loop = world_loop_create(machine->world, "kafka", &error);
    machine->disk_pool = world_pool_create(machine->world, "disk", 2, WORLD_POOL_NORMAL, &error);
    struct broker_options options = {.world = machine->world,
        .loop = machine->loop,
        .disk_pool = machine->disk_pool,
        .directory = "/kafka",
        .addresses = addresses,
        .address_count = 1,
        .port = 9092,
        .setting = setting,
        .setting_context = machine};
    if (getenv("SIM_VERBOSE"))
        options.service_log = service_log_create("kafka", LOG_FORM_KAFKA,
            (struct service_log_target){.context = machine, .write = write_line, .wall_ms = line_time});
    machine->broker = broker_start(&options, &error);
    if (!machine->broker)
        fail_msg("seed %llu: the broker does not start: %s", (unsigned long long)machine->seed, error.message);
}

void test_machine_create(struct test_machine *machine, uint64_t seed, bool power) {
    *machine = (struct test_machine){.seed = seed,
        .random_state = seed * 0x9e3779b97f4a7c15u | 1,
        .power = power,
        .cuts_power = power,
        .world = world_sim_create(seed)};
    sim_faults(machine->world)->ordered_metadata = true;
    test_machine_start(machine);
}

void test_machine_crash(struct test_machine *machine, uint64_t seed, struct test_machine *former) {
    *former = *machine;
    machine->world = sim_crash(former->world, machine->cuts_power ? SIM_CRASH_POWER : SIM_CRASH_PROCESS, seed);
    machine->life++;
}

void test_machine_bury(struct test_machine *machine) {
    broker_stop(machine->broker);
    world_pool_destroy(machine->disk_pool);
    world_loop_destroy(machine->loop);
    world_destroy(machine->world);
}

static void topic_made(void *argument, const struct error *error) {
    *(int *)argument = error->code == ERROR_NONE || error->code == ERROR_EXISTS ? 1 : -1;
}

static bool is_set(void *argument) {
    return *(int *)argument != 0;
}

void test_machine_make_topic(struct test_machine *machine, const char *topic, int32_t partition_count) {
    int answered = 0;
    kafka_client_create_topic(broker_client(machine->broker), topic, partition_count, NULL, 0, topic_made, &answered);
    assert_true(sim_run_until(machine->world, is_set, &answered, 60000));
    assert_int_equal(answered, 1);
    sim_run_for(machine->world, 1000); /* the sync of the cluster's metadata is under way */
}
