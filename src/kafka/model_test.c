/* model_test.c: a broker under clients that speak its protocol (model.h), on a machine that fails: it is killed, loses
 * its power, in the middle of writes too, its clock jumps, its disk is full, slow or refuses, connections break. At
 * least 2,000 steps and one crash from each seed; then everybody finishes, and nothing may be lost, doubled, reordered,
 * torn, read that does not count, or stuck. The same runs must find every planted fault (planted_faults.h).
 *
 *   model_test [FIRST_SEED [COUNT [FAULT]]] */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kafka/model.h"
#include "kafka/planted_faults.h"

enum { LIFE_COUNT = 3, STEPS_LEAST = 2000, SEEDS_PER_FAULT = 40, DRAIN_MS = 180000 };

static uint64_t first_seed = 1, seed_count = 60;
static enum planted_fault wanted_fault = FAULT_COUNT;

/* ---- misfortune ---- */

static void calm(struct model *model) {
    struct sim_faults *faults = sim_faults(model->machine.world);
    faults->no_space_ppm = faults->write_error_ppm = faults->sync_error_ppm = faults->read_error_ppm = 0;
    faults->reset_ppm = faults->refuse_ppm = 0;
    faults->pool_delay_us_max = 2000;
}

/* A disk or a network that is not well for a while. */
static void trouble(struct model *model) {
    struct sim_faults *faults = sim_faults(model->machine.world);
    calm(model);
    switch (model_chance(model, 8)) {
    case 0:
        faults->no_space_ppm = 1000000;
        break;
    case 1:
        faults->no_space_ppm = 100000;
        break;
    case 2:
        faults->write_error_ppm = 50000;
        break;
    case 3:
        faults->pool_delay_us_max = 300000;
        break;
    case 4:
        faults->reset_ppm = 20000;
        faults->refuse_ppm = 200000;
        break;
    case 5:
        faults->sync_error_ppm = model->machine.power ? 100000 : 0;
        break;
    default:
        break;
    }
}

/* Never further from the first time than this: transactions would be too old, stamps too new. */
static void jump_clock(struct model *model, int64_t *ahead_ms) {
    enum { FURTHEST_MS = 7 * 60 * 1000 };
    int64_t to = (int64_t)model_chance(model, 2 * FURTHEST_MS) - FURTHEST_MS;
    sim_jump_wall_clock(model->machine.world, to - *ahead_ms);
    *ahead_ms = to;
}

static void step(struct model *model) {
    model->steps++;
    if (model_chance(model, 2) == 0)
        model_act(model);
    sim_step(model->machine.world);
}

static void one_life(struct model *model, int64_t *ahead_ms) {
    uint64_t steps = 400 + model_chance(model, 1600);
    for (uint64_t i = 0; i < steps && model->problem[0] == 0; i++) {
        step(model);
        if (model_chance(model, 150) == 0)
            trouble(model);
        if (model_chance(model, 400) == 0)
            sim_run_for(model->machine.world, (int64_t)model_chance(model, 1500));
        if (model_chance(model, 500) == 0)
            jump_clock(model, ahead_ms);
    }
    /* The machine fails in the middle of what it does to the disk, or between two events. */
    if (model_chance(model, 2) == 0) {
        calm(model);
        sim_stop_disk_after(model->machine.world, 1 + model_chance(model, 6));
        for (int i = 0; i < 300 && !sim_disk_has_stopped(model->machine.world); i++)
            step(model);
    }
}

static void bury(struct test_machine *machine, struct world_loop *clients) {
    broker_stop(machine->broker);
    sim_run_for(machine->world, 1000);
    world_pool_destroy(machine->disk_pool);
    world_loop_destroy(machine->loop);
    world_loop_destroy(clients);
    world_destroy(machine->world);
}

static void crash(struct model *model, uint64_t seed) {
    struct test_machine former;
    struct world_loop *loop = model->loop;
    calm(model);
    test_machine_crash(&model->machine, seed, &former);
    sim_stop_disk_after(model->machine.world, 0);
    model_clients_cut(model);
    planted_fault_crash();
    sim_run_for(former.world, 1000);
    bury(&former, loop);
    planted_fault_crash();
    test_machine_start(&model->machine);
    model_clients_start(model);
}

/* ---- runs ---- */

static bool drain(struct model *model) {
    int64_t end_ns = world_monotonic_ns(model->machine.world) + (int64_t)DRAIN_MS * 1000000;
    model->drains = true;
    while (world_monotonic_ns(model->machine.world) < end_ns && model->problem[0] == 0) {
        for (int i = 0; i < 20; i++)
            model_act(model);
        sim_run_for(model->machine.world, 20);
        if (model_is_drained(model))
            return true;
    }
    return false;
}

static void finish(struct model *model) {
    char waits[300];
    calm(model);
    if (!drain(model))
        model_found(model, "stuck: %s", model_who_waits(model, waits));
    if (model->problem[0] == 0)
        model_check(model, true);
}

static struct model *begin(uint64_t seed, bool power, enum planted_fault fault) {
    struct model *model = calloc(1, sizeof *model);
    planted_fault = FAULT_NONE;
    test_machine_create(&model->machine, seed, power);
    test_machine_make_topic(&model->machine, MODEL_TOPIC, PARTITION_COUNT);
    planted_fault = fault;
    model_clients_begin(model);
    model_clients_start(model);
    return model;
}

/* problem: 400 bytes, "" when all was well. */
static void end(struct model *model, char *problem) {
    model_clients_cut(model);
    sim_run_for(model->machine.world, 1000);
    planted_fault_crash();
    planted_fault = FAULT_NONE;
    bury(&model->machine, model->loop);
    memcpy(problem, model->problem, sizeof model->problem);
    model_clients_end(model);
    VECTOR_FREE(&model->values);
    VECTOR_FREE(&model->transactions);
    VECTOR_FREE(&model->reads);
    VECTOR_FREE(&model->runs);
    free(model);
}

static uint64_t run(uint64_t seed, bool power, enum planted_fault fault, char *problem) {
    struct model *model = begin(seed, power, fault);
    int64_t ahead_ms = 0;
    for (uint64_t life = 0; (life < LIFE_COUNT || model->steps < STEPS_LEAST) && model->problem[0] == 0; life++) {
        one_life(model, &ahead_ms);
        crash(model, seed * 100 + life);
        if (model->problem[0] == 0)
            model_check(model, false);
    }
    if (model->problem[0] == 0)
        finish(model);
    uint64_t fingerprint = sim_fingerprint(model->machine.world);
    end(model, problem);
    return fingerprint;
}

/* The same little history, cut off at each change of the disk (a write, a new name, a removal, a rename) in turn. */
static void cut_at_every_change(bool power) {
    enum { STEPS = 500 };
    uint64_t change = 0;
    for (bool stopped = true; stopped;) {
        char problem[400];
        struct model *model = begin(first_seed, power, FAULT_NONE);
        sim_stop_disk_after(model->machine.world, ++change);
        for (int i = 0; i < STEPS && !sim_disk_has_stopped(model->machine.world); i++)
            step(model);
        stopped = sim_disk_has_stopped(model->machine.world);
        crash(model, first_seed + change);
        if (model->problem[0] == 0)
            model_check(model, false);
        if (model->problem[0] == 0)
            finish(model);
        end(model, problem);
        if (problem[0] != 0)
            fail_msg("seed %llu, cut at change %llu%s: %s", (unsigned long long)first_seed, (unsigned long long)change,
                power ? " of the power" : "", problem);
    }
    print_message("%llu changes of the disk\n", (unsigned long long)change - 1);
    assert_true(change > 100);
}

static void a_kill_at_any_change_of_the_disk_loses_nothing(void **state) {
    cut_at_every_change(false);
}

static void a_power_cut_at_any_change_of_the_disk_loses_nothing(void **state) {
    cut_at_every_change(true);
}

static void run_all(bool power) {
    for (uint64_t seed = first_seed; seed < first_seed + seed_count; seed++) {
        char problem[400];
        run(seed, power, FAULT_NONE, problem);
        if (problem[0] != 0)
            fail_msg("seed %llu%s: %s", (unsigned long long)seed, power ? " with power cuts" : "", problem);
    }
}

static void clients_see_one_history_over_kills(void **state) {
    run_all(false);
}

static void clients_see_one_history_over_power_cuts(void **state) {
    run_all(true);
}

/* A power cut kept records of a transaction and lost the coordinator's word of their partition: it aborted these alone,
 * and the producer went on and committed the rest. */
static void a_transaction_that_lost_a_part_of_its_records_is_aborted_whole(void **state) {
    char problem[400];
    run(43, true, FAULT_NONE, problem);
    assert_string_equal(problem, "");
}

/* An abort with nothing to abort came while the end of the transaction before was not certain yet: two ends at once. */
static void an_abort_waits_for_the_end_before_it(void **state) {
    char problem[400];
    run(786, true, FAULT_NONE, problem);
    assert_string_equal(problem, "");
}

static void a_seed_replays(void **state) {
    char problem[400];
    assert_true(run(first_seed, false, FAULT_NONE, problem) == run(first_seed, false, FAULT_NONE, problem));
}

static void find_fault(enum planted_fault fault) {
    bool power = fault == FAULT_SYNC_SKIPPED;
    for (uint64_t seed = first_seed; seed < first_seed + SEEDS_PER_FAULT; seed++) {
        char problem[400];
        run(seed, power, fault, problem);
        if (problem[0] != 0) {
            print_message("%s: seed %llu: %s\n", planted_fault_name(fault), (unsigned long long)seed, problem);
            return;
        }
    }
    fail_msg("nobody finds the planted fault: %s", planted_fault_name(fault));
}

static void every_planted_fault_is_found(void **state) {
    for (enum planted_fault fault = FAULT_NONE + 1; fault < FAULT_COUNT; fault++)
        if (wanted_fault == FAULT_COUNT || wanted_fault == fault)
            find_fault(fault);
}

int main(int count, char **words) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(clients_see_one_history_over_kills),
        cmocka_unit_test(clients_see_one_history_over_power_cuts),
        cmocka_unit_test(a_transaction_that_lost_a_part_of_its_records_is_aborted_whole),
        cmocka_unit_test(an_abort_waits_for_the_end_before_it),
        cmocka_unit_test(a_kill_at_any_change_of_the_disk_loses_nothing),
        cmocka_unit_test(a_power_cut_at_any_change_of_the_disk_loses_nothing), cmocka_unit_test(a_seed_replays),
        cmocka_unit_test(every_planted_fault_is_found)};
    first_seed = count > 1 ? strtoull(words[1], NULL, 10) : first_seed;
    seed_count = count > 2 ? strtoull(words[2], NULL, 10) : seed_count;
    wanted_fault = count > 3 ? (enum planted_fault)strtoull(words[3], NULL, 10) : FAULT_COUNT;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
