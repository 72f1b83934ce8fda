/* simulation_test.c: the broker on a simulated machine: produce, crash at any event, recover, consume, from a seed.
 *
 * After each crash: every acknowledged record is at its offset with its value, offsets are dense, nothing stands there
 * that was not sent, nothing twice; and recovering once more changes nothing. A failure names the seed that replays it:
 *
 *   kafka_simulation_test [FIRST_SEED [COUNT]] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/assert.h"
#include "kafka/test_machine.h"
#include "wire/record_batch.h"

#define PARTITION_COUNT 3
#define CRASH_COUNT 4
#define APPENDS_MAX 4000

static uint64_t first_seed = 1, seed_count = 40;

/* One append of one batch: what was sent, and what came back. */
struct append {
    struct simulation *simulation;
    int32_t partition, record_count;
    int64_t first_value, base_offset;
    unsigned life; /* the machine's life in which it was sent */
    bool acknowledged;
};

struct simulation {
    struct test_machine machine;
    struct append appends[APPENDS_MAX];
    size_t append_count, answered_count;
    int64_t next_value;
};

static uint64_t random_below(struct simulation *simulation, uint64_t limit) {
    return test_machine_random(&simulation->machine, limit);
}

/* The machine's next life, on the disk that survived. */
static void crash(struct simulation *simulation, uint64_t seed) {
    struct test_machine former;
    test_machine_crash(&simulation->machine, seed, &former);
    test_machine_bury(&former);
    test_machine_start(&simulation->machine);
}

/* ---- produce ---- */

static void append_done(void *argument, int64_t base_offset, const struct error *error) {
    struct append *append = argument;
    struct simulation *simulation = append->simulation;
    simulation->answered_count++;
    if (error->code != ERROR_NONE || append->life != simulation->machine.life)
        return; /* refused, or answered by a machine that is no more */
    append->acknowledged = true;
    append->base_offset = base_offset;
}

static void send(struct simulation *simulation) {
    if (simulation->append_count == APPENDS_MAX)
        return;
    struct append *append = &simulation->appends[simulation->append_count++];
    *append = (struct append){.simulation = simulation,
        .partition = (int32_t)random_below(simulation, PARTITION_COUNT),
        .record_count = 1 + (int32_t)random_below(simulation, 20),
        .first_value = simulation->next_value,
        .life = simulation->machine.life};
    simulation->next_value += append->record_count;
    struct buffer batch = {0};
    struct record_builder builder;
    record_builder_begin(&builder, &batch, 0, 0);
    for (int32_t i = 0; i < append->record_count; i++) {
        char value[2000]; /* the number and, to fill segments, some blanks */
        int size = snprintf(value, sizeof value, "%-*lld", (int)random_below(simulation, sizeof value - 1),
            (long long)(append->first_value + i));
        record_builder_add(&builder, i, world_wall_ms(simulation->machine.world), (struct bytes){0},
            (struct bytes){(const uint8_t *)value, (size_t)size}, (struct bytes){0}, 0);
    }
    record_builder_end(&builder, -1, -1, -1, 0);
    kafka_client_append(broker_client(simulation->machine.broker), "t", append->partition,
        (struct bytes){batch.data, batch.size}, append_done, append);
    buffer_free(&batch);
}

/* ---- consume ---- */

struct contents { /* the values of one partition, by offset */
    int64_t *items;
    size_t count, capacity;
};

static void read_partition(struct simulation *simulation, int32_t partition, struct contents *contents) {
    unsigned long long seed = simulation->machine.seed;
    struct partition_log *log = kafka_client_partition(broker_client(simulation->machine.broker), "t", partition);
    if (log == NULL)
        fail_msg("seed %llu: the topic is gone", seed);
    assert_int_equal(log_start_offset(log), 0);
    int64_t offset = 0, end = log_high_watermark(log);
    assert_int_equal(end, log_end_offset(log));
    while (offset < end) {
        struct log_view view = {0};
        struct error error = {0};
        if (log_read_map(log, offset, 1 << 20, LOG_READ_UNCOMMITTED, &view, &error) != LOG_STATUS_OK || !view.map)
            fail_msg("seed %llu: partition %d cannot be read at %lld: %s", seed, partition, (long long)offset,
                error.message);
        assert_int_equal(view.skipped_from, view.skipped_to);
        struct bytes rest = view.batches;
        struct record_batch batch;
        while (rest.size > 0 && record_batch_parse(rest, &batch) == RECORD_BATCH_OK) {
            assert_true(record_batch_checksum_ok(&batch));
            struct record_reader reader;
            struct record record;
            record_reader_init(&reader, &batch, batch.records);
            while (record_reader_next(&reader, &record, &error)) {
                if (record.offset != (int64_t)contents->count)
                    fail_msg("seed %llu: partition %d has offset %lld after %zu records", seed, partition,
                        (long long)record.offset, contents->count);
                char text[32] = "";
                memcpy(text, record.value.data, record.value.size < 31 ? record.value.size : 31);
                VECTOR_PUSH(contents, strtoll(text, NULL, 10));
            }
            assert_int_equal(error.code, ERROR_NONE);
            rest.data += batch.whole.size;
            rest.size -= batch.whole.size;
        }
        offset = view.next_offset;
        log_map_release(view.map);
    }
    log_release(log);
}

static void check(struct simulation *simulation, struct contents *contents) {
    unsigned long long seed = simulation->machine.seed;
    unsigned char *seen = calloc(1, (size_t)simulation->next_value + 1);
    for (int32_t partition = 0; partition < PARTITION_COUNT; partition++)
        for (size_t i = 0; i < contents[partition].count; i++) {
            int64_t value = contents[partition].items[i];
            if (value < 0 || value >= simulation->next_value || seen[value]++)
                fail_msg("seed %llu: value %lld was not sent, or stands there twice", seed, (long long)value);
        }
    free(seen);
    for (size_t i = 0; i < simulation->append_count; i++) {
        const struct append *append = &simulation->appends[i];
        const struct contents *there = &contents[append->partition];
        for (int32_t j = 0; append->acknowledged && j < append->record_count; j++)
            if ((size_t)(append->base_offset + j) >= there->count ||
                there->items[append->base_offset + j] != append->first_value + j)
                fail_msg("seed %llu: acknowledged value %lld of partition %d is not at offset %lld", seed,
                    (long long)(append->first_value + j), append->partition, (long long)append->base_offset + j);
    }
}

static void read_all(struct simulation *simulation, struct contents *contents) {
    memset(contents, 0, PARTITION_COUNT * sizeof *contents);
    for (int32_t partition = 0; partition < PARTITION_COUNT; partition++)
        read_partition(simulation, partition, &contents[partition]);
    check(simulation, contents);
}

static void free_all(struct contents *contents) {
    for (int32_t partition = 0; partition < PARTITION_COUNT; partition++)
        VECTOR_FREE(&contents[partition]);
}

/* ---- runs ---- */

/* Sends at random and stops at any event; false when nothing was acknowledged in this life. */
static void one_life(struct simulation *simulation) {
    uint64_t events = 1 + random_below(simulation, 600);
    for (uint64_t i = 0; i < events; i++) {
        if (random_below(simulation, 4) == 0)
            send(simulation);
        sim_step(simulation->machine.world);
    }
}

static uint64_t run(uint64_t seed, bool power) {
    struct simulation *simulation = calloc(1, sizeof *simulation);
    test_machine_create(&simulation->machine, seed, power);
    test_machine_make_topic(&simulation->machine, "t", PARTITION_COUNT);
    struct contents contents[PARTITION_COUNT], again[PARTITION_COUNT];
    for (unsigned number = 0; number < CRASH_COUNT; number++) {
        one_life(simulation);
        crash(simulation, seed + number);
        read_all(simulation, contents);
        crash(simulation, seed + number + 1000);
        read_all(simulation, again);
        for (int32_t partition = 0; partition < PARTITION_COUNT; partition++) {
            assert_int_equal(again[partition].count, contents[partition].count);
            if (again[partition].count > 0)
                assert_memory_equal(again[partition].items, contents[partition].items,
                    again[partition].count * sizeof *again[partition].items);
        }
        free_all(contents);
        free_all(again);
    }
    size_t acknowledged = 0;
    for (size_t i = 0; i < simulation->append_count; i++)
        acknowledged += simulation->appends[i].acknowledged;
    assert_true(acknowledged > 0);
    uint64_t fingerprint = sim_fingerprint(simulation->machine.world);
    test_machine_bury(&simulation->machine);
    free(simulation);
    return fingerprint;
}

static void acknowledged_records_survive_the_end_of_the_process(void **state) {
    for (uint64_t seed = first_seed; seed < first_seed + seed_count; seed++)
        run(seed, false);
}

static void synced_records_survive_power_cuts(void **state) {
    for (uint64_t seed = first_seed; seed < first_seed + seed_count; seed++)
        run(seed, true);
}

static void a_seed_replays(void **state) {
    assert_true(run(first_seed, false) == run(first_seed, false));
}

int main(int count, char **words) {
    if (count > 1)
        first_seed = strtoull(words[1], NULL, 10);
    if (count > 2)
        seed_count = strtoull(words[2], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acknowledged_records_survive_the_end_of_the_process),
        cmocka_unit_test(synced_records_survive_power_cuts),
        cmocka_unit_test(a_seed_replays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
