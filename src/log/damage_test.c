/* damage_test.c: damaged batches, files cut by somebody else, disks that refuse: what is lost is what was hit, and what
 * was refused works again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/assert.h"
#include "log/log.h"
#include "wire/record_batch.h"
#include "world/sim/sim.h"

#define LOG_PATH "/k/t-0/00000000000000000000.log"
#define INDEX_PATH "/k/t-0/00000000000000000000.index"
#define BATCH_COUNT 12
#define RECORDS_PER_BATCH 5

static const struct uuid topic_id = {{1}};

struct fixture {
    struct world *world;
    struct world_loop *loop;
    struct world_pool *pool;
    struct log_manager *manager;
    struct partition_log *log;
    struct log_manager_options options;
    struct log_config config;
    struct error error;
    int64_t positions[BATCH_COUNT + 1];
};

static void start(struct fixture *f) {
    f->loop = world_loop_create(f->world, "kafka", &f->error);
    f->pool = world_pool_create(f->world, "disk", 2, WORLD_POOL_NORMAL, &f->error);
    f->options.world = f->world;
    f->options.loop = f->loop;
    f->options.disk_pool = f->pool;
    f->options.directory = "/k";
    f->options.node_id = 1;
    f->manager = log_manager_open(&f->options, &f->error);
    if (!f->manager)
        fail_msg("%s", f->error.message);
    f->log = log_open(f->manager, "t", topic_id, 0, &f->config, true, &f->error);
    if (!f->log)
        fail_msg("%s", f->error.message);
}

static void stop(struct fixture *f) {
    log_manager_close(f->manager);
    sim_run_for(f->world, 1000);
    world_pool_destroy(f->pool);
    world_loop_destroy(f->loop);
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    f->world = world_sim_create(7);
    log_config_defaults(&f->config);
    f->config.timestamp_after_max_ms = INT64_MAX;
    f->config.index_interval_bytes = 400;
    start(f);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    stop(f);
    world_destroy(f->world);
    free(f);
    return 0;
}

static enum log_status append(struct fixture *f, int16_t attributes, int64_t producer_id, int32_t sequence) {
    struct buffer bytes = {0};
    struct record_builder builder;
    struct log_append_result result;
    bool is_marker = attributes & RECORD_BATCH_CONTROL;
    record_builder_begin(&builder, &bytes, 0, attributes);
    for (int i = 0; i < (is_marker ? 1 : RECORDS_PER_BATCH); i++)
        record_builder_add(&builder, i, 1000 + i, is_marker ? BYTES("\0\0\0\0") : BYTES("key"),
            is_marker ? BYTES("\0\0\0\0\0\0") : BYTES("a value of some length"), BYTES_NULL, 0);
    record_builder_end(&builder, producer_id, producer_id < 0 ? -1 : 0, sequence, -1);
    enum log_status status = log_append(f->log, bytes.data, bytes.size,
        &(struct log_append_options){.leader_epoch = 1, .from_coordinator = is_marker}, &result, &f->error);
    buffer_free(&bytes);
    return status;
}

static void append_batches(struct fixture *f) {
    for (int i = 0; i < BATCH_COUNT; i++) {
        f->positions[i] = log_size(f->log);
        assert_int_equal(append(f, 0, -1, -1), LOG_STATUS_OK);
    }
    f->positions[BATCH_COUNT] = log_size(f->log);
}

/* Reads all from the start as a consumer does; gives the number of records, and what was not there. */
static int read_all(struct fixture *f, int64_t *skipped) {
    int records = 0;
    int64_t offset = log_start_offset(f->log), end = log_high_watermark(f->log);
    *skipped = 0;
    for (int turns = 0; offset < end; turns++) {
        struct log_range range;
        assert_true(turns < 1000);
        enum log_status status = log_read(f->log, offset, 700, LOG_READ_UNCOMMITTED, &range, &f->error);
        if (status != LOG_STATUS_OK)
            fail_msg("at %lld: %s: %s", (long long)offset, log_status_name(status), f->error.message);
        assert_true(range.size > 0);
        uint8_t bytes[4096];
        assert_true(range.size <= sizeof bytes);
        if (range.file)
            assert_int_equal(world_file_read(range.file, bytes, range.size, range.position, &f->error), range.size);
        else
            memcpy(bytes, range.filler, range.size);
        struct record_batch batch;
        for (struct bytes rest = bytes_make(bytes, range.size); record_batch_parse(rest, &batch) == RECORD_BATCH_OK;
             rest = bytes_slice(rest, batch.whole.size, rest.size - batch.whole.size)) {
            assert_true(record_batch_checksum_ok(&batch));
            assert_true(record_batch_last_offset(&batch) >= offset);
            records += batch.record_count;
            *skipped += (batch.base_offset > offset ? batch.base_offset - offset : 0) +
                        (batch.record_count == 0 ? batch.last_offset_delta + 1 : 0);
            offset = record_batch_last_offset(&batch) + 1;
        }
        log_range_release(&range);
    }
    assert_int_equal(offset, end);
    return records;
}

/* ---- damage ---- */

/* Every byte of a header in turn, and some behind it, after a clean stop. */
static void a_damaged_batch_is_set_aside_alone(void **state) {
    struct fixture *f = *state;
    append_batches(f);
    static const int numbers[] = {0, 5, 6, BATCH_COUNT - 1};
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++)
        for (int at = 0; at < 90; at++) {
            int number = numbers[i];
            int bit = (at * 5 + number) % 8;
            stop(f);
            sim_flip_bit(f->world, LOG_PATH, f->positions[number] + at, bit);
            start(f);
            int64_t skipped, end = log_high_watermark(f->log);
            /* The epoch is in no checksum; and the last batch's offsets, where the log ends, are all that tell them. */
            bool may_be_good = (at >= 12 && at < 16) || (number == BATCH_COUNT - 1 && at < 8);
            int records = read_all(f, &skipped);
            int lost = BATCH_COUNT * RECORDS_PER_BATCH - records;
            if (lost != RECORDS_PER_BATCH && !(may_be_good && lost == 0) && end == BATCH_COUNT * RECORDS_PER_BATCH)
                fail_msg("byte %d of batch %d: %d records are lost", at, number, lost);
            struct log_quarantine_list list = {0};
            log_quarantined(f->log, &list);
            if (lost == RECORDS_PER_BATCH && !may_be_good) {
                assert_int_equal(list.count, 1);
                assert_int_equal(list.items[0].first_offset, number * RECORDS_PER_BATCH);
                assert_int_equal(list.items[0].last_offset, number * RECORDS_PER_BATCH + RECORDS_PER_BATCH - 1);
                assert_int_equal(list.items[0].position, f->positions[number]);
                assert_int_equal(list.items[0].size, f->positions[number + 1] - f->positions[number]);
            }
            VECTOR_FREE(&list);
            struct log_time_offset found;
            assert_int_equal(log_offset_for_time(f->log, 1000, LOG_READ_UNCOMMITTED, &found, &f->error), LOG_STATUS_OK);
            stop(f);
            sim_flip_bit(f->world, LOG_PATH, f->positions[number] + at, bit);
            start(f);
        }
    int64_t skipped;
    assert_int_equal(read_all(f, &skipped), BATCH_COUNT * RECORDS_PER_BATCH);
}

static void damage_at_the_end_does_not_hold_readers(void **state) {
    struct fixture *f = *state;
    append_batches(f);
    stop(f);
    sim_flip_bit(f->world, LOG_PATH, f->positions[BATCH_COUNT - 1] + 70, 3);
    start(f);
    int64_t skipped;
    assert_int_equal(read_all(f, &skipped), (BATCH_COUNT - 1) * RECORDS_PER_BATCH);
    assert_int_equal(skipped, RECORDS_PER_BATCH);
    assert_int_equal(append(f, 0, -1, -1), LOG_STATUS_OK);
    assert_int_equal(read_all(f, &skipped), BATCH_COUNT * RECORDS_PER_BATCH);
}

static void with_stop_a_reader_is_told(void **state) {
    struct fixture *f = *state;
    append_batches(f);
    stop(f);
    f->options.stops_at_corruption = true;
    sim_flip_bit(f->world, LOG_PATH, f->positions[4] + 70, 3);
    start(f);
    struct log_range range;
    assert_int_equal(log_read(f->log, 15, 1 << 20, LOG_READ_UNCOMMITTED, &range, &f->error), LOG_STATUS_OK);
    log_range_release(&range);
    assert_int_equal(log_read(f->log, 20, 1 << 20, LOG_READ_UNCOMMITTED, &range, &f->error), LOG_STATUS_CORRUPT);
    assert_non_null(strstr(f->error.message, "offsets 20 to 24 of t-0 are corrupt"));
    struct log_view view;
    assert_int_equal(log_read_map(f->log, 22, 1 << 20, LOG_READ_UNCOMMITTED, &view, &f->error), LOG_STATUS_CORRUPT);
    assert_int_equal(log_read(f->log, 25, 1 << 20, LOG_READ_UNCOMMITTED, &range, &f->error), LOG_STATUS_OK);
    log_range_release(&range);
}

/* What was appended in this life is not verified when it is read; the scrub finds it. */
static void the_scrub_finds_what_was_damaged_later(void **state) {
    struct fixture *f = *state;
    stop(f);
    f->options.scrub_bytes_per_s = 1000;
    f->options.scrub_interval_ms = 2000;
    start(f);
    append_batches(f);
    sim_flip_bit(f->world, LOG_PATH, f->positions[3] + 70, 3);
    sim_flip_bit(f->world, LOG_PATH, f->positions[8] + 8, 6); /* the length */
    assert_int_equal(log_quarantined_count(f->log), 0);
    sim_run_for(f->world, 2000 + 1000 * f->positions[BATCH_COUNT] / 1000 + 2000);
    assert_int_equal(log_quarantined_count(f->log), 2);
    int64_t skipped;
    assert_int_equal(read_all(f, &skipped), (BATCH_COUNT - 2) * RECORDS_PER_BATCH);
    assert_int_equal(skipped, 2 * RECORDS_PER_BATCH);
}

static void a_file_that_somebody_cut_costs_what_is_missing(void **state) {
    struct fixture *f = *state;
    append_batches(f);
    struct world_file *file = world_file_open(f->world, LOG_PATH, WORLD_OPEN_READ | WORLD_OPEN_WRITE, 0, &f->error);
    assert_true(world_file_truncate(file, f->positions[9] + 20, &f->error));
    world_file_close(file);
    int64_t skipped;
    assert_int_equal(read_all(f, &skipped), 9 * RECORDS_PER_BATCH);
    assert_int_equal(skipped, 3 * RECORDS_PER_BATCH);
    assert_int_equal(append(f, 0, -1, -1), LOG_STATUS_OK);
    assert_int_equal(read_all(f, &skipped), 10 * RECORDS_PER_BATCH);
}

static void a_reader_behind_all_damage_of_a_cut_file_waits(void **state) {
    struct fixture *f = *state;
    append_batches(f);
    struct log_range range;
    assert_int_equal(
        log_read(f->log, BATCH_COUNT * RECORDS_PER_BATCH, 1 << 20, LOG_READ_UNCOMMITTED, &range, &f->error),
        LOG_STATUS_OK);
    assert_int_equal(range.size, 0);
}

/* ---- disks that refuse ---- */

static void a_full_disk_costs_the_appends_that_it_refuses(void **state) {
    struct fixture *f = *state;
    int taken = 0;
    for (int i = 0; i < 200; i++) {
        sim_faults(f->world)->no_space_ppm = i % 10 < 5 ? 1000000 : 0;
        if (i % 10 == 5)
            sim_run_for(f->world, 1500);
        enum log_status status = append(f, 0, 9, taken * RECORDS_PER_BATCH);
        assert_int_equal(status, i % 10 < 5 ? LOG_STATUS_STORAGE : LOG_STATUS_OK);
        taken += status == LOG_STATUS_OK;
    }
    int64_t skipped;
    assert_int_equal(read_all(f, &skipped), taken * RECORDS_PER_BATCH);
    assert_int_equal(skipped, 0);
}

static void what_follows_a_write_is_tried_again(void **state) {
    struct fixture *f = *state;
    struct log_aborted_list aborted = {0};
    int64_t skipped;
    assert_int_equal(append(f, RECORD_BATCH_TRANSACTIONAL, 9, 0), LOG_STATUS_OK);
    for (int i = 0; i < 6; i++) /* until the next batch gets an index entry */
        assert_int_equal(append(f, 0, -1, -1), LOG_STATUS_OK);
    sim_stop_disk_after(f->world, 2); /* the marker is written, its entry in the transaction index is not */
    enum log_status status = append(f, RECORD_BATCH_TRANSACTIONAL | RECORD_BATCH_CONTROL, 9, -1);
    assert_int_equal(status, LOG_STATUS_OK);
    assert_non_null(log_failure(f->log));
    assert_int_equal(append(f, 0, -1, -1), LOG_STATUS_STORAGE);
    assert_true(log_aborted_transactions(f->log, 0, 100, &aborted, &f->error));
    assert_int_equal(aborted.count, 1); /* readers know it all the same */
    aborted.count = 0;
    sim_run_for(f->world, 5000);
    assert_non_null(log_failure(f->log));
    sim_repair_disk(f->world);
    sim_run_for(f->world, 2000);
    assert_null(log_failure(f->log));
    assert_int_equal(append(f, 0, -1, -1), LOG_STATUS_OK);
    stop(f);
    start(f);
    assert_true(log_aborted_transactions(f->log, 0, 100, &aborted, &f->error));
    assert_int_equal(aborted.count, 1);
    VECTOR_FREE(&aborted);
    assert_int_equal(read_all(f, &skipped), 8 * RECORDS_PER_BATCH + 1);
}

static void count_sync(void *argument, bool ok) {
    *(int *)argument = ok ? 1 : -1;
}

static void after_a_failed_sync_everything_is_written_again(void **state) {
    struct fixture *f = *state;
    stop(f);
    f->config.flush_messages = 1;
    start(f);
    append_batches(f);
    sim_run_for(f->world, 100);
    assert_int_equal(log_recovery_point(f->log), BATCH_COUNT * RECORDS_PER_BATCH);
    sim_faults(f->world)->sync_error_ppm = 1000000;
    assert_int_equal(append(f, 0, -1, -1), LOG_STATUS_OK);
    sim_run_for(f->world, 3000);
    assert_non_null(log_failure(f->log));
    assert_int_equal(log_high_watermark(f->log), BATCH_COUNT * RECORDS_PER_BATCH);
    assert_int_equal(append(f, 0, -1, -1), LOG_STATUS_STORAGE);
    sim_faults(f->world)->sync_error_ppm = 0;
    sim_run_for(f->world, 3000);
    assert_null(log_failure(f->log));
    assert_int_equal(log_high_watermark(f->log), (BATCH_COUNT + 1) * RECORDS_PER_BATCH);
    int synced = 0;
    assert_int_equal(append(f, 0, -1, -1), LOG_STATUS_OK);
    log_sync(f->log, count_sync, &synced);
    sim_run_for(f->world, 100);
    assert_int_equal(synced, 1);
    int64_t skipped;
    assert_int_equal(read_all(f, &skipped), (BATCH_COUNT + 2) * RECORDS_PER_BATCH);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(a_damaged_batch_is_set_aside_alone),
        TEST(damage_at_the_end_does_not_hold_readers), TEST(with_stop_a_reader_is_told),
        TEST(the_scrub_finds_what_was_damaged_later), TEST(a_file_that_somebody_cut_costs_what_is_missing),
        TEST(a_reader_behind_all_damage_of_a_cut_file_waits), TEST(a_full_disk_costs_the_appends_that_it_refuses),
        TEST(what_follows_a_write_is_tried_again), TEST(after_a_failed_sync_everything_is_written_again)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
