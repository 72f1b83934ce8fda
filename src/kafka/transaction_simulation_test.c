/* transaction_simulation_test.c: transactional producers on a simulated machine that fails at any event, from a seed.
 *
 * Each producer writes unique values to random partitions and commits in the same transaction the transaction's number
 * as an offset of its group; then it commits or aborts, or the machine fails, or its time runs out. After each failure
 * the producers come back, and then: nothing of a transaction that was not committed is read, everything of one that
 * was is read once, one whose end nobody heard is there as a whole or not at all, the group's offset names the last one
 * that is there, and no partition holds back its readers. A failure names the seed that replays it:
 *
 *   transaction_simulation_test [FIRST_SEED [COUNT]] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kafka/test_machine.h"
#include "wire/record_batch.h"

#define PARTITION_COUNT 3
#define PLAYER_COUNT 4
#define CRASH_COUNT 4
#define TRANSACTIONS_MAX 3000
#define VALUES_MAX 100 /* of one transaction */

static uint64_t first_seed = 1, seed_count = 25;

enum outcome { OPEN, COMMIT_ASKED, ABORT_ASKED, COMMITTED, ABORTED };
struct written {
    int player, number;
    int count, partitions[VALUES_MAX], seen;
    enum outcome outcome;
};
enum step { STEP_CLOSED, STEP_READY, STEP_OFFSETS_DONE, STEP_WAITING };
struct player {
    struct simulation *simulation;
    int index, number;
    struct kafka_producer *producer;
    enum step step, next; /* next: when the call that is waited for succeeds */
    struct written *transaction;
    bool failed;
};
/* What a callback belongs to: the player of one life of the machine. */
struct ticket {
    struct simulation *simulation;
    struct player *player;
    unsigned life;
};
struct simulation {
    struct test_machine machine;
    struct player players[PLAYER_COUNT];
    struct written transactions[TRANSACTIONS_MAX];
    int transaction_count, committed_count, unheard_count;
};

static uint64_t random_below(struct simulation *simulation, uint64_t limit) {
    return test_machine_random(&simulation->machine, limit);
}

#define FAIL(simulation, ...)                                                                                          \
    do {                                                                                                               \
        print_error("seed %llu: ", (unsigned long long)(simulation)->machine.seed);                                    \
        fail_msg(__VA_ARGS__);                                                                                         \
    } while (0)

/* The next life of the machine, on the disk that survived. The old one runs on where nobody sees it, so that what it
 * was doing is freed. */
static void crash(struct simulation *simulation, uint64_t seed) {
    struct test_machine former;
    test_machine_crash(&simulation->machine, seed, &former);
    sim_run_for(former.world, 2000);
    for (int i = 0; i < PLAYER_COUNT; i++) {
        struct player *player = &simulation->players[i];
        if (player->producer)
            kafka_producer_close(player->producer);
        player->producer = NULL;
        player->transaction = NULL;
        player->step = STEP_CLOSED;
        player->failed = false;
    }
    sim_run_for(former.world, 1000);
    test_machine_bury(&former);
    test_machine_start(&simulation->machine);
}

/* ---- producers ---- */

static struct ticket *ticket_of(struct player *player) {
    struct ticket *ticket = malloc(sizeof *ticket);
    *ticket = (struct ticket){player->simulation, player, player->simulation->machine.life};
    return ticket;
}

/* The player that a callback is for, NULL when its machine is no more. */
static struct player *player_of(void *argument) {
    struct ticket *ticket = argument;
    struct player *player = ticket->life == ticket->simulation->machine.life ? ticket->player : NULL;
    free(ticket);
    return player;
}

static void wait_for(struct player *player, enum step next) {
    player->step = STEP_WAITING;
    player->next = next;
}

static void on_open(void *argument, struct kafka_producer *producer, const struct error *error) {
    struct player *player = player_of(argument);
    if (!player) {
        if (producer)
            kafka_producer_close(producer);
        return;
    }
    player->producer = producer;
    player->step = producer ? STEP_READY : STEP_CLOSED;
}

static void on_done(void *argument, const struct error *error) {
    struct player *player = player_of(argument);
    if (!player)
        return;
    player->step = player->next;
    player->failed = player->failed || error->code != ERROR_NONE;
}

static void on_append(void *argument, int64_t base_offset, const struct error *error) {
    on_done(argument, error);
}

static void on_end(void *argument, const struct error *error) {
    struct player *player = player_of(argument);
    if (!player)
        return;
    struct written *transaction = player->transaction;
    if (error->code == ERROR_NONE)
        transaction->outcome = transaction->outcome == COMMIT_ASKED ? COMMITTED : ABORTED;
    else if (error->code == ERROR_CLOSED)
        transaction->outcome = ABORTED; /* shut out by its timeout */
    player->step = STEP_READY;
    player->failed = error->code != ERROR_NONE;
    player->transaction = NULL;
}

static void open_producer(struct player *player) {
    char id[20];
    snprintf(id, sizeof id, "player %d", player->index);
    wait_for(player, STEP_READY);
    kafka_producer_open(broker_client(player->simulation->machine.broker), id, player->index == 0 ? 300 : 60000,
        on_open, ticket_of(player));
}

static void append(struct player *player) {
    struct simulation *simulation = player->simulation;
    struct written *transaction = player->transaction;
    int partition = (int)random_below(simulation, PARTITION_COUNT);
    int count = 1 + (int)random_below(simulation, 10);
    struct buffer batch = {0};
    struct record_builder builder;
    record_builder_begin(&builder, &batch, 0, 0);
    for (int i = 0; i < count; i++) {
        char value[2000];
        int64_t number = (transaction - simulation->transactions) * (int64_t)VALUES_MAX + transaction->count;
        int size =
            snprintf(value, sizeof value, "%-*lld", (int)random_below(simulation, sizeof value - 1), (long long)number);
        transaction->partitions[transaction->count++] = partition;
        record_builder_add(&builder, i, world_wall_ms(simulation->machine.world), (struct bytes){0},
            bytes_make(value, (size_t)size), (struct bytes){0}, 0);
    }
    record_builder_end(&builder, -1, -1, -1, 0);
    wait_for(player, STEP_READY);
    kafka_producer_append(player->producer, "t", partition, buffer_view(&batch), on_append, ticket_of(player));
    buffer_free(&batch);
}

static void commit_offset(struct player *player) {
    char group[20];
    snprintf(group, sizeof group, "group %d", player->index);
    struct kafka_producer_offset offset = {"t", 0, player->transaction->number, "note"};
    wait_for(player, STEP_OFFSETS_DONE);
    kafka_producer_commit_offsets(player->producer, group, &offset, 1, on_done, ticket_of(player));
}

static void end(struct player *player, bool commit) {
    player->transaction->outcome = commit ? COMMIT_ASKED : ABORT_ASKED;
    wait_for(player, STEP_READY);
    kafka_producer_end(player->producer, commit, on_end, ticket_of(player));
}

static void begin(struct player *player) {
    struct simulation *simulation = player->simulation;
    if (simulation->transaction_count == TRANSACTIONS_MAX)
        return;
    player->transaction = &simulation->transactions[simulation->transaction_count++];
    *player->transaction = (struct written){.player = player->index, .number = ++player->number};
    append(player);
}

/* One move of one player. */
static void act(struct player *player) {
    struct simulation *simulation = player->simulation;
    if (player->step == STEP_WAITING)
        return;
    if (player->step == STEP_CLOSED) {
        open_producer(player);
    } else if (player->failed) {
        kafka_producer_close(player->producer);
        player->producer = NULL;
        player->transaction = NULL;
        player->failed = false;
        open_producer(player);
    } else if (!player->transaction) {
        begin(player);
    } else if (player->step == STEP_OFFSETS_DONE) {
        end(player, random_below(simulation, 4) != 0);
    } else if (player->transaction->count + 10 < VALUES_MAX && random_below(simulation, 3) != 0) {
        append(player);
    } else if (random_below(simulation, 8) == 0) {
        end(player, false);
    } else {
        commit_offset(player);
    }
}

/* ---- what readers see ---- */

struct reading {
    struct simulation *simulation;
    int partition;
    struct log_aborted_list aborted;
    bool *over; /* by aborted transaction: its marker was passed */
};

/* As a client decides it, from producer and first offset alone. */
static bool is_hidden_from_clients(struct reading *reading, const struct record_batch *batch) {
    bool control = batch->attributes & RECORD_BATCH_CONTROL, hidden = control;
    for (size_t i = 0; i < reading->aborted.count; i++)
        if (reading->aborted.items[i].producer_id == batch->producer_id && !reading->over[i] &&
            reading->aborted.items[i].first_offset <= batch->base_offset) {
            hidden = true;
            reading->over[i] = control;
        }
    return hidden;
}

static void see(struct reading *reading, const struct record_batch *batch) {
    struct simulation *simulation = reading->simulation;
    struct record_reader reader;
    struct record record;
    struct error error = {0};
    record_reader_init(&reader, batch, batch->records);
    while (record_reader_next(&reader, &record, &error)) {
        char text[32] = "";
        memcpy(text, record.value.data, record.value.size < 31 ? record.value.size : 31);
        int64_t value = strtoll(text, NULL, 10), index = value / VALUES_MAX;
        struct written *transaction = &simulation->transactions[index];
        if (index >= simulation->transaction_count || value % VALUES_MAX >= transaction->count ||
            transaction->partitions[value % VALUES_MAX] != reading->partition)
            FAIL(simulation, "value %lld was not sent to partition %d", (long long)value, reading->partition);
        transaction->seen++;
    }
    assert_int_equal(error.code, ERROR_NONE);
}

static void read_partition(struct simulation *simulation, int partition) {
    struct partition_log *log = kafka_client_partition(broker_client(simulation->machine.broker), "t", partition);
    struct reading reading = {.simulation = simulation, .partition = partition};
    struct error error = {0};
    assert_non_null(log);
    int64_t offset = 0, end_offset = log_last_stable_offset(log);
    if (end_offset != log_high_watermark(log))
        FAIL(simulation, "readers of partition %d wait at %lld, before its end %lld", partition, (long long)end_offset,
            (long long)log_high_watermark(log));
    assert_true(log_aborted_transactions(log, 0, end_offset, &reading.aborted, &error));
    reading.over = calloc(reading.aborted.count + 1, sizeof *reading.over);
    while (offset < end_offset) {
        struct log_view view = {0};
        if (log_read_map(log, offset, 1 << 20, LOG_READ_COMMITTED, &view, &error) != LOG_STATUS_OK || !view.map)
            FAIL(simulation, "partition %d cannot be read at %lld: %s", partition, (long long)offset, error.message);
        assert_int_equal(view.skipped_from, view.skipped_to);
        struct record_batch batch;
        for (struct bytes rest = view.batches; record_batch_parse(rest, &batch) == RECORD_BATCH_OK;
             rest = bytes_slice(rest, batch.whole.size, rest.size - batch.whole.size)) {
            bool hidden = log_batch_is_hidden(&reading.aborted, &batch);
            if (hidden != is_hidden_from_clients(&reading, &batch))
                FAIL(simulation, "partition %d: two readings of the batch at %lld", partition,
                    (long long)batch.base_offset);
            if (!hidden)
                see(&reading, &batch);
        }
        offset = view.next_offset;
        log_map_release(view.map);
    }
    free(reading.over);
    VECTOR_FREE(&reading.aborted);
    log_release(log);
}

struct group_answer {
    bool done;
    int64_t offsets[PLAYER_COUNT];
};

static void on_groups(void *argument, struct kafka_group_list *groups) {
    struct group_answer *answer = argument;
    for (size_t i = 0; i < groups->count; i++)
        if (groups->items[i].offset_count > 0)
            answer->offsets[atoll(groups->items[i].group_id + 6)] = groups->items[i].offsets[0].offset;
    kafka_group_list_free(groups);
    answer->done = true;
}

static bool is_answered(void *argument) {
    return ((struct group_answer *)argument)->done;
}

static void check_outcomes(struct simulation *simulation) {
    int64_t last[PLAYER_COUNT] = {0};
    struct group_answer answer = {0};
    for (int i = 0; i < simulation->transaction_count; i++) {
        struct written *transaction = &simulation->transactions[i];
        bool whole = transaction->seen == transaction->count;
        if (!whole && transaction->seen != 0)
            FAIL(simulation, "transaction %d of player %d is torn: %d of %d values", transaction->number,
                transaction->player, transaction->seen, transaction->count);
        if (transaction->outcome == COMMITTED && !whole)
            FAIL(simulation, "transaction %d of player %d was committed and is gone", transaction->number,
                transaction->player);
        if (whole && transaction->outcome != COMMITTED && transaction->outcome != COMMIT_ASKED)
            FAIL(simulation, "transaction %d of player %d was not committed (outcome %d) and is read",
                transaction->number, transaction->player, transaction->outcome);
        simulation->unheard_count += transaction->outcome == COMMIT_ASKED && whole;
        transaction->outcome = whole ? COMMITTED : ABORTED; /* from now on it must stay so */
        transaction->seen = 0;
        if (whole)
            last[transaction->player] = transaction->number;
    }
    kafka_client_groups(broker_client(simulation->machine.broker), on_groups, &answer);
    assert_true(sim_run_until(simulation->machine.world, is_answered, &answer, 60000));
    for (int i = 0; i < PLAYER_COUNT; i++)
        if (answer.offsets[i] != last[i])
            FAIL(simulation, "the group of player %d has offset %lld, its last transaction is %lld", i,
                (long long)answer.offsets[i], (long long)last[i]);
}

static bool all_ready(void *argument) {
    struct simulation *simulation = argument;
    for (int i = 0; i < PLAYER_COUNT; i++)
        if (simulation->players[i].step != STEP_READY)
            return false;
    return true;
}

/* Everybody comes back, which ends what was open; then nothing may be left of it. */
static void check(struct simulation *simulation) {
    for (int i = 0; i < PLAYER_COUNT; i++)
        open_producer(&simulation->players[i]);
    if (!sim_run_until(simulation->machine.world, all_ready, simulation, 60000))
        FAIL(simulation, "a producer does not come back");
    for (int partition = 0; partition < PARTITION_COUNT; partition++)
        read_partition(simulation, partition);
    check_outcomes(simulation);
}

/* ---- runs ---- */

static void one_life(struct simulation *simulation) {
    uint64_t events = 1 + random_below(simulation, 1500);
    for (uint64_t i = 0; i < events; i++) {
        if (random_below(simulation, 2) == 0)
            act(&simulation->players[random_below(simulation, PLAYER_COUNT)]);
        if (random_below(simulation, 400) == 0)
            sim_run_for(simulation->machine.world, 500); /* the timeout of player 0 */
        sim_step(simulation->machine.world);
    }
}

static uint64_t run(uint64_t seed, bool power, int *committed, int *unheard) {
    struct simulation *simulation = calloc(1, sizeof *simulation);
    test_machine_create(&simulation->machine, seed, power);
    for (int i = 0; i < PLAYER_COUNT; i++)
        simulation->players[i] = (struct player){.simulation = simulation, .index = i};
    test_machine_make_topic(&simulation->machine, "t", PARTITION_COUNT);
    for (unsigned life = 0; life < CRASH_COUNT; life++) {
        one_life(simulation);
        crash(simulation, seed + life);
        check(simulation);
        crash(simulation, seed + life + 1000);
        check(simulation);
    }
    for (int i = 0; i < simulation->transaction_count; i++)
        *committed += simulation->transactions[i].outcome == COMMITTED;
    *unheard += simulation->unheard_count;
    uint64_t fingerprint = sim_fingerprint(simulation->machine.world);
    for (int i = 0; i < PLAYER_COUNT; i++)
        kafka_producer_close(simulation->players[i].producer);
    sim_run_for(simulation->machine.world, 1000);
    test_machine_bury(&simulation->machine);
    free(simulation);
    return fingerprint;
}

static void run_all(bool power) {
    int committed = 0, unheard = 0;
    for (uint64_t seed = first_seed; seed < first_seed + seed_count; seed++)
        run(seed, power, &committed, &unheard);
    print_message("%d transactions committed, %d of them without an answer\n", committed, unheard);
    assert_true(committed > 0);
}

static void transactions_are_whole_after_the_end_of_the_process(void **state) {
    run_all(false);
}

static void synced_transactions_are_whole_after_power_cuts(void **state) {
    run_all(true);
}

static void a_seed_replays(void **state) {
    int ignored = 0;
    assert_true(run(first_seed, false, &ignored, &ignored) == run(first_seed, false, &ignored, &ignored));
}

int main(int count, char **words) {
    if (count > 1)
        first_seed = strtoull(words[1], NULL, 10);
    if (count > 2)
        seed_count = strtoull(words[2], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transactions_are_whole_after_the_end_of_the_process),
        cmocka_unit_test(synced_transactions_are_whole_after_power_cuts),
        cmocka_unit_test(a_seed_replays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
