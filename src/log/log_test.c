/* log_test.c: what a partition promises: offsets, Kafka's files byte for byte, recovery, retention, compaction,
 * producers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/assert.h"
#include "log/log.h"
#include "wire/record_batch.h"

struct fixture {
    struct world *world;
    char directory[64];
    struct log_manager *manager;
    struct partition_log *log;
    struct log_config config;
    struct error error;
};

static const struct uuid topic_id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

static void start(struct fixture *f) {
    struct log_manager_options options = {.world = f->world, .directory = f->directory, .node_id = 1};
    f->manager = log_manager_open(&options, &f->error);
    if (!f->manager)
        fail_msg("%s", f->error.message);
    f->log = log_open(f->manager, "events", topic_id, 0, &f->config, true, &f->error);
    if (!f->log)
        fail_msg("%s", f->error.message);
}

static void stop(struct fixture *f) {
    log_manager_close(f->manager);
    f->manager = NULL;
}

/* The process ends: what is in the page cache stays, nothing is finished. */
static void crash(struct fixture *f) {
    char copy[80], command[256];
    snprintf(copy, sizeof copy, "%s.copy", f->directory);
    snprintf(command, sizeof command, "cp -a --sparse=always %s %s", f->directory, copy);
    assert_int_equal(system(command), 0);
    stop(f);
    assert_true(world_remove_tree(f->world, f->directory, &f->error));
    assert_true(world_rename(f->world, copy, f->directory, &f->error));
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    f->world = world_posix_create();
    snprintf(f->directory, sizeof f->directory, "/tmp/raudal-log-XXXXXX");
    ASSERT(mkdtemp(f->directory));
    log_config_defaults(&f->config);
    f->config.file_delete_delay_ms = 0;
    f->config.timestamp_after_max_ms = INT64_MAX;
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    if (f->manager)
        stop(f);
    world_remove_tree(f->world, f->directory, &f->error);
    world_destroy(f->world);
    free(f);
    return 0;
}

struct spec {
    int count;
    int64_t timestamp;
    int64_t producer_id;
    int16_t epoch;
    int32_t sequence;
    int16_t attributes;
    const char *key;
    size_t value_size;
};

static void make_batch(struct buffer *out, struct spec spec) {
    struct record_builder builder;
    char value[4096];
    memset(value, 'v', sizeof value);
    record_builder_begin(&builder, out, 0, spec.attributes);
    for (int i = 0; i < spec.count; i++)
        record_builder_add(&builder, i, spec.timestamp + i, bytes_from_text(spec.key),
            spec.value_size == SIZE_MAX ? BYTES_NULL : bytes_make(value, spec.value_size ? spec.value_size : 10),
            BYTES_NULL, 0);
    record_builder_end(&builder, spec.producer_id ? spec.producer_id : -1, spec.producer_id ? spec.epoch : -1,
        spec.producer_id ? spec.sequence : -1, -1);
}

static enum log_status append_spec(struct fixture *f, struct spec spec, struct log_append_result *result) {
    struct buffer bytes = {0};
    make_batch(&bytes, spec);
    enum log_status status = log_append(f->log, bytes.data, bytes.size,
        &(struct log_append_options){
            .leader_epoch = 3, .from_coordinator = (spec.attributes & RECORD_BATCH_CONTROL) != 0},
        result, &f->error);
    buffer_free(&bytes);
    return status;
}

static int64_t append(struct fixture *f, int count, int64_t timestamp) {
    struct log_append_result result;
    enum log_status status = append_spec(f, (struct spec){.count = count, .timestamp = timestamp, .key = "k"}, &result);
    if (status != LOG_STATUS_OK)
        fail_msg("%s: %s", log_status_name(status), f->error.message);
    return result.base_offset;
}

/* Reads everything from `offset` on and checks that offsets never go back. Gives the number of records. */
static int64_t read_all(struct fixture *f, int64_t offset) {
    int64_t records = 0;
    for (;;) {
        struct log_view view;
        enum log_status status = log_read_map(f->log, offset, 3000, LOG_READ_UNCOMMITTED, &view, &f->error);
        if (status != LOG_STATUS_OK)
            fail_msg("at %lld: %s: %s", (long long)offset, log_status_name(status), f->error.message);
        if (!view.map)
            return records;
        struct bytes rest = view.batches;
        while (rest.size > 0) {
            struct record_batch batch;
            assert_int_equal(record_batch_parse(rest, &batch), RECORD_BATCH_OK);
            assert_true(record_batch_checksum_ok(&batch));
            assert_true(record_batch_last_offset(&batch) >= offset);
            records += batch.record_count;
            offset = record_batch_last_offset(&batch) + 1;
            rest = bytes_slice(rest, batch.whole.size, rest.size - batch.whole.size);
        }
        assert_int_equal(view.next_offset, offset);
        log_map_release(view.map);
    }
}

static void read_file(struct fixture *f, const char *name, struct buffer *out) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", f->directory, name);
    if (!world_read_file(f->world, path, 64 << 20, out, &f->error))
        fail_msg("%s", f->error.message);
}

static bool exists(struct fixture *f, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", f->directory, name);
    return world_exists(f->world, path);
}

static void damage(struct fixture *f, const char *name, int64_t position, const void *bytes, size_t size) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", f->directory, name);
    struct world_file *file = world_file_open(f->world, path, WORLD_OPEN_READ | WORLD_OPEN_WRITE, 0, &f->error);
    assert_non_null(file);
    assert_true(world_file_write(file, bytes, size, position, &f->error));
    world_file_close(file);
}

/* ---- tests ---- */

static void offsets_are_dense_and_read_back(void **state) {
    struct fixture *f = *state;
    start(f);
    assert_int_equal(append(f, 3, 1000), 0);
    assert_int_equal(append(f, 1, 1001), 3);
    assert_int_equal(append(f, 5, 1002), 4);
    assert_int_equal(log_end_offset(f->log), 9);
    assert_int_equal(log_high_watermark(f->log), 9);
    assert_int_equal(read_all(f, 0), 9);
    assert_int_equal(read_all(f, 5), 5); /* the batch that holds the offset comes whole */
    struct log_view view;
    assert_int_equal(log_read_map(f->log, 9, 100, LOG_READ_UNCOMMITTED, &view, &f->error), LOG_STATUS_OK);
    assert_null(view.map);
    assert_int_equal(
        log_read_map(f->log, 10, 100, LOG_READ_UNCOMMITTED, &view, &f->error), LOG_STATUS_OFFSET_OUT_OF_RANGE);
}

static void a_range_starts_at_its_batch_and_holds_at_least_one(void **state) {
    struct fixture *f = *state;
    start(f);
    for (int i = 0; i < 200; i++)
        append(f, 2, 1000 + i);
    struct log_range range;
    assert_int_equal(log_read(f->log, 101, 1, LOG_READ_UNCOMMITTED, &range, &f->error), LOG_STATUS_OK);
    uint8_t bytes[512];
    assert_true(range.size > 1 && range.size < sizeof bytes);
    assert_int_equal(world_file_read(range.file, bytes, range.size, range.position, &f->error), range.size);
    assert_int_equal(load_be64(bytes), 100);
    assert_int_equal(record_batch_size(bytes), range.size);
    log_range_release(&range);
    assert_int_equal(log_read(f->log, 0, 1 << 20, LOG_READ_UNCOMMITTED, &range, &f->error), LOG_STATUS_OK);
    assert_int_equal(range.size, log_size(f->log));
    log_range_release(&range);
}

static void files_are_kafkas(void **state) {
    struct fixture *f = *state;
    start(f);
    for (int i = 0; i < 100; i++)
        append(f, 1, 1000 + i);
    struct buffer bytes = {0};
    read_file(f, "events-0/00000000000000000000.index", &bytes);
    assert_int_equal(bytes.size, 10485760); /* preallocated while active */
    buffer_clear(&bytes);
    read_file(f, "events-0/00000000000000000000.timeindex", &bytes);
    assert_int_equal(bytes.size, 10485756);
    buffer_clear(&bytes);
    read_file(f, "events-0/leader-epoch-checkpoint", &bytes);
    assert_true(bytes_equal_text(buffer_view(&bytes), "0\n1\n3 0\n"));
    buffer_clear(&bytes);
    read_file(f, "events-0/partition.metadata", &bytes);
    assert_true(bytes_equal_text(buffer_view(&bytes), "version: 0\ntopic_id: AQIDBAUGBwgJCgsMDQ4PEA"));
    buffer_clear(&bytes);
    stop(f);
    assert_true(exists(f, ".kafka_cleanshutdown"));
    assert_true(exists(f, "events-0/00000000000000000100.snapshot"));
    read_file(f, "recovery-point-offset-checkpoint", &bytes);
    assert_true(bytes_equal_text(buffer_view(&bytes), "0\n1\nevents 0 100\n"));
    buffer_clear(&bytes);
    read_file(f, "events-0/00000000000000000000.index", &bytes);
    assert_true(bytes.size > 0 && bytes.size % 8 == 0 && bytes.size < 100);
    uint32_t position = load_be32(bytes.data + 4);
    assert_true(position > 4096);
    buffer_clear(&bytes);
    read_file(f, "events-0/00000000000000000000.timeindex", &bytes);
    assert_int_equal(load_be64(bytes.data + bytes.size - 12), 1099); /* the last entry is the segment's maximum */
    assert_int_equal(load_be32(bytes.data + bytes.size - 4), 99);
    buffer_free(&bytes);
    start(f);
    assert_false(exists(f, ".kafka_cleanshutdown"));
    assert_int_equal(read_all(f, 0), 100);
    assert_int_equal(append(f, 1, 2000), 100);
}

static void a_torn_tail_is_cut_and_nothing_else(void **state) {
    struct fixture *f = *state;
    start(f);
    for (int i = 0; i < 50; i++)
        append(f, 2, 1000 + i);
    int64_t size = log_size(f->log);
    crash(f);
    struct buffer batch = {0};
    make_batch(&batch, (struct spec){.count = 3, .timestamp = 5000});
    store_be64(batch.data, 100);
    damage(f, "events-0/00000000000000000000.log", size, batch.data, batch.size - 1);
    buffer_free(&batch);
    start(f);
    assert_int_equal(log_end_offset(f->log), 100);
    assert_int_equal(log_size(f->log), size);
    assert_int_equal(read_all(f, 0), 100);
    assert_int_equal(append(f, 1, 6000), 100);
    crash(f);
    start(f);
    assert_int_equal(read_all(f, 0), 101);
    crash(f);
    start(f); /* a second recovery changes nothing */
    assert_int_equal(read_all(f, 0), 101);
}

static void every_cut_of_the_file_recovers_to_whole_batches(void **state) {
    struct fixture *f = *state;
    start(f);
    for (int i = 0; i < 6; i++)
        append(f, 1, 1000 + i);
    int64_t size = log_size(f->log), batch_size = size / 6;
    crash(f);
    char path[128];
    snprintf(path, sizeof path, "%s/events-0/00000000000000000000.log", f->directory);
    for (int64_t cut = size - 1; cut >= 0; cut -= 17) {
        struct world_file *file = world_file_open(f->world, path, WORLD_OPEN_READ | WORLD_OPEN_WRITE, 0, &f->error);
        assert_true(world_file_truncate(file, cut, &f->error));
        world_file_close(file);
        start(f);
        assert_int_equal(log_end_offset(f->log), cut / batch_size);
        crash(f);
    }
}

static void a_flipped_bit_costs_one_batch(void **state) {
    struct fixture *f = *state;
    start(f);
    for (int i = 0; i < 20; i++)
        append(f, 2, 1000 + i);
    int64_t batch_size = log_size(f->log) / 20;
    crash(f);
    damage(f, "events-0/00000000000000000000.log", 7 * batch_size + 65, "\xff", 1);
    start(f);
    assert_int_equal(log_end_offset(f->log), 40);
    assert_int_equal(read_all(f, 0), 38);
    struct log_quarantine_list list = {0};
    log_quarantined(f->log, &list);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.items[0].first_offset, 14);
    assert_int_equal(list.items[0].last_offset, 15);
    VECTOR_FREE(&list);
}

static void a_flip_after_a_clean_stop_is_found_at_first_serving(void **state) {
    struct fixture *f = *state;
    start(f);
    for (int i = 0; i < 20; i++)
        append(f, 2, 1000 + i);
    int64_t batch_size = log_size(f->log) / 20;
    stop(f);
    damage(f, "events-0/00000000000000000000.log", 7 * batch_size + 65, "\xff", 1);
    damage(f, "events-0/00000000000000000000.log", 0 * batch_size + 9, "\xff",
        1); /* the length of the first: where it ends is lost */
    start(f);
    struct log_view view;
    assert_int_equal(log_read_map(f->log, 14, 100, LOG_READ_UNCOMMITTED, &view, &f->error), LOG_STATUS_OK);
    assert_int_equal(view.skipped_from, 14);
    assert_int_equal(view.skipped_to, 16);
    assert_int_equal(view.next_offset, 18);
    log_map_release(view.map);
    assert_true(append(f, 1, 9000) == 40);
    assert_true(read_all(f, 0) > 0);
}

static void segments_roll_and_keep_their_indexes(void **state) {
    struct fixture *f = *state;
    f->config.segment_bytes = 20000;
    start(f);
    for (int i = 0; i < 1000; i++)
        append(f, 1, 1000 + i);
    assert_true(log_segment_count(f->log) > 3);
    for (int64_t offset = 0; offset < 1000; offset += 37) {
        struct log_view view;
        assert_int_equal(log_read_map(f->log, offset, 1, LOG_READ_UNCOMMITTED, &view, &f->error), LOG_STATUS_OK);
        assert_int_equal(view.next_offset, offset + 1);
        log_map_release(view.map);
    }
    struct log_time_offset found;
    for (int64_t time = 1000; time < 2000; time += 61) {
        assert_int_equal(log_offset_for_time(f->log, time, LOG_READ_UNCOMMITTED, &found, &f->error), LOG_STATUS_OK);
        assert_int_equal(found.offset, time - 1000);
        assert_int_equal(found.leader_epoch, 3);
    }
    assert_int_equal(log_offset_for_time(f->log, 2000, LOG_READ_UNCOMMITTED, &found, &f->error), LOG_STATUS_OK);
    assert_int_equal(found.offset, -1);
    assert_int_equal(log_offset_for_time(f->log, LOG_TIME_MAX, LOG_READ_UNCOMMITTED, &found, &f->error), LOG_STATUS_OK);
    assert_int_equal(found.offset, 999);
    stop(f);
    start(f);
    assert_int_equal(read_all(f, 0), 1000);
    assert_int_equal(log_offset_for_time(f->log, 1500, LOG_READ_UNCOMMITTED, &found, &f->error), LOG_STATUS_OK);
    assert_int_equal(found.offset, 500);
    crash(f);
    start(f);
    assert_int_equal(read_all(f, 0), 1000);
}

static void indexes_that_are_gone_are_made_anew(void **state) {
    struct fixture *f = *state;
    f->config.segment_bytes = 20000;
    start(f);
    for (int i = 0; i < 600; i++)
        append(f, 1, 1000 + i);
    stop(f);
    struct world_names names = {0};
    char path[256], directory[128];
    snprintf(directory, sizeof directory, "%s/events-0", f->directory);
    assert_true(world_list(f->world, directory, &names, &f->error));
    for (size_t i = 0; i < names.count; i++)
        if (!bytes_ends_with(bytes_from_text(names.items[i].name), ".log")) {
            snprintf(path, sizeof path, "%s/%s", directory, names.items[i].name);
            assert_true(world_unlink(f->world, path, &f->error));
        }
    world_names_free(&names);
    start(f);
    assert_int_equal(log_end_offset(f->log), 600);
    assert_int_equal(read_all(f, 250), 350);
    struct log_time_offset found;
    assert_int_equal(log_offset_for_time(f->log, 1333, LOG_READ_UNCOMMITTED, &found, &f->error), LOG_STATUS_OK);
    assert_int_equal(found.offset, 333);
}

static void retention_by_size_and_time_removes_whole_segments(void **state) {
    struct fixture *f = *state;
    f->config.segment_bytes = 10000;
    f->config.retention_ms = -1;
    f->config.retention_bytes = 30000;
    start(f);
    for (int i = 0; i < 1000; i++)
        append(f, 1, 1000 + i);
    assert_true(log_manager_run_retention(f->manager, &f->error));
    assert_true(log_size(f->log) >= 30000 && log_size(f->log) < 40000);
    int64_t first = log_start_offset(f->log);
    assert_true(first > 0);
    assert_int_equal(read_all(f, first), 1000 - first);
    f->config.retention_bytes = -1;
    f->config.retention_ms = 1000;
    log_configure(f->log, &f->config);
    assert_true(log_manager_run_retention(f->manager, &f->error)); /* the timestamps are of 1970 */
    assert_int_equal(log_start_offset(f->log), 1000);
    assert_int_equal(log_size(f->log), 0);
    assert_int_equal(append(f, 1, world_wall_ms(f->world)), 1000);
    stop(f);
    start(f);
    assert_int_equal(log_start_offset(f->log), 1000);
    assert_int_equal(read_all(f, 1000), 1);
}

static void deleted_records_stay_deleted(void **state) {
    struct fixture *f = *state;
    start(f);
    for (int i = 0; i < 30; i++)
        append(f, 1, 1000 + i);
    int64_t start_offset;
    assert_int_equal(log_delete_records(f->log, 31, &start_offset, &f->error), LOG_STATUS_OFFSET_OUT_OF_RANGE);
    assert_int_equal(log_delete_records(f->log, 12, &start_offset, &f->error), LOG_STATUS_OK);
    assert_int_equal(start_offset, 12);
    struct log_view view;
    assert_int_equal(
        log_read_map(f->log, 11, 100, LOG_READ_UNCOMMITTED, &view, &f->error), LOG_STATUS_OFFSET_OUT_OF_RANGE);
    struct buffer bytes = {0};
    read_file(f, "log-start-offset-checkpoint", &bytes);
    assert_true(bytes_equal_text(buffer_view(&bytes), "0\n1\nevents 0 12\n"));
    buffer_free(&bytes);
    crash(f);
    start(f);
    assert_int_equal(log_start_offset(f->log), 12);
    assert_int_equal(read_all(f, 12), 18);
}

static void producers_repeat_without_writing_twice(void **state) {
    struct fixture *f = *state;
    struct log_append_result result;
    start(f);
    for (int i = 0; i < 7; i++)
        assert_int_equal(
            append_spec(f, (struct spec){.count = 2, .timestamp = 1, .producer_id = 42, .sequence = 2 * i}, &result),
            LOG_STATUS_OK);
    assert_int_equal(
        append_spec(f, (struct spec){.count = 2, .timestamp = 1, .producer_id = 42, .sequence = 6}, &result),
        LOG_STATUS_OK);
    assert_true(result.duplicate);
    assert_int_equal(result.base_offset, 6);
    assert_int_equal(
        append_spec(f, (struct spec){.count = 2, .timestamp = 1, .producer_id = 42, .sequence = 2}, &result),
        LOG_STATUS_OUT_OF_ORDER_SEQUENCE);
    assert_int_equal(
        append_spec(f, (struct spec){.count = 2, .timestamp = 1, .producer_id = 42, .sequence = 20}, &result),
        LOG_STATUS_OUT_OF_ORDER_SEQUENCE);
    assert_int_equal(
        append_spec(
            f, (struct spec){.count = 1, .timestamp = 1, .producer_id = 42, .epoch = 1, .sequence = 0}, &result),
        LOG_STATUS_OK);
    assert_int_equal(
        append_spec(f, (struct spec){.count = 2, .timestamp = 1, .producer_id = 42, .sequence = 14}, &result),
        LOG_STATUS_INVALID_PRODUCER_EPOCH);
    for (int round = 0; round < 2; round++) {
        round ? crash(f) : stop(f);
        start(f);
        assert_int_equal(
            append_spec(
                f, (struct spec){.count = 1, .timestamp = 1, .producer_id = 42, .epoch = 1, .sequence = 0}, &result),
            LOG_STATUS_OK);
        assert_true(result.duplicate);
        assert_int_equal(result.base_offset, 14);
    }
    assert_int_equal(
        append_spec(
            f, (struct spec){.count = 1, .timestamp = 1, .producer_id = 42, .epoch = 1, .sequence = 1}, &result),
        LOG_STATUS_OK);
    assert_int_equal(log_end_offset(f->log), 16);
}

static void write_marker(struct fixture *f, int64_t producer_id, int type) {
    struct buffer bytes = {0};
    struct record_builder builder;
    struct log_append_result result;
    uint8_t key[4] = {0, 0, 0, (uint8_t)type}, value[6] = {0};
    record_builder_begin(&builder, &bytes, 0, RECORD_BATCH_CONTROL | RECORD_BATCH_TRANSACTIONAL);
    record_builder_add(&builder, 0, 5, bytes_make(key, 4), bytes_make(value, 6), BYTES_NULL, 0);
    record_builder_end(&builder, producer_id, 0, -1, -1);
    assert_int_equal(bytes.size, 78);
    assert_int_equal(log_append(f->log, bytes.data, bytes.size,
                         &(struct log_append_options){.leader_epoch = 3, .from_coordinator = true}, &result, &f->error),
        LOG_STATUS_OK);
    buffer_free(&bytes);
}

static void transactions_hold_the_stable_offset_and_name_the_aborted(void **state) {
    struct fixture *f = *state;
    struct log_append_result result;
    start(f);
    append(f, 1, 1);
    struct spec spec = {.count = 2, .timestamp = 1, .producer_id = 7, .attributes = RECORD_BATCH_TRANSACTIONAL};
    assert_int_equal(append_spec(f, spec, &result), LOG_STATUS_OK);
    spec.producer_id = 8;
    assert_int_equal(append_spec(f, spec, &result), LOG_STATUS_OK);
    assert_int_equal(log_last_stable_offset(f->log), 1);
    assert_int_equal(log_high_watermark(f->log), 5);
    struct log_view view;
    assert_int_equal(log_read_map(f->log, 0, 1 << 20, LOG_READ_COMMITTED, &view, &f->error), LOG_STATUS_OK);
    assert_int_equal(view.next_offset, 1);
    log_map_release(view.map);
    crash(f);
    start(f);
    assert_int_equal(log_last_stable_offset(f->log), 1);
    write_marker(f, 7, 0);
    assert_int_equal(log_last_stable_offset(f->log), 3);
    write_marker(f, 8, 1);
    assert_int_equal(log_last_stable_offset(f->log), 7);
    for (int round = 0; round < 3; round++) {
        struct log_aborted_list list = {0};
        assert_true(log_aborted_transactions(f->log, 0, 7, &list, &f->error));
        assert_int_equal(list.count, 1);
        assert_int_equal(list.items[0].producer_id, 7);
        assert_int_equal(list.items[0].first_offset, 1);
        VECTOR_FREE(&list);
        round == 0 ? crash(f) : stop(f);
        start(f);
    }
}

static void deleted_records_of_an_open_transaction_do_not_hold_readers_before_the_start(void **state) {
    struct fixture *f = *state;
    struct log_append_result result;
    int64_t start_offset;
    start(f);
    struct spec spec = {.count = 4, .timestamp = 1, .producer_id = 7, .attributes = RECORD_BATCH_TRANSACTIONAL};
    assert_int_equal(append_spec(f, spec, &result), LOG_STATUS_OK);
    append(f, 2, 1);
    assert_int_equal(log_delete_records(f->log, 5, &start_offset, &f->error), LOG_STATUS_OK);
    assert_int_equal(log_last_stable_offset(f->log), 5);
    struct log_view view;
    assert_int_equal(log_read_map(f->log, 5, 1 << 20, LOG_READ_COMMITTED, &view, &f->error), LOG_STATUS_OK);
    assert_null(view.map);
    write_marker(f, 7, 1);
    assert_int_equal(log_last_stable_offset(f->log), 7);
}

static void compaction_keeps_the_newest_of_every_key(void **state) {
    struct fixture *f = *state;
    struct log_append_result result;
    f->config.cleanup_policy = LOG_CLEANUP_COMPACT;
    f->config.segment_bytes = 5000;
    start(f);
    static char keys[10][4];
    for (int i = 0; i < 1000; i++) {
        snprintf(keys[i % 10], sizeof keys[0], "k%d", i % 10);
        assert_int_equal(append_spec(f, (struct spec){.count = 1, .timestamp = 1000 + i, .key = keys[i % 10]}, &result),
            LOG_STATUS_OK);
    }
    int64_t before = log_size(f->log);
    assert_true(log_manager_run_cleaner(f->manager, &f->error));
    assert_true(log_size(f->log) < before / 5);
    assert_int_equal(log_end_offset(f->log), 1000);
    int64_t records = read_all(f, 0);
    assert_true(records >= 10 && records < 200);
    stop(f);
    start(f);
    assert_int_equal(read_all(f, 0), records);
    crash(f);
    start(f);
    assert_int_equal(read_all(f, 0), records);
    assert_int_equal(
        append_spec(f, (struct spec){.count = 1, .timestamp = 9, .key = "k1", .value_size = SIZE_MAX}, &result),
        LOG_STATUS_OK);
    assert_int_equal(log_roll(f->log, &f->error), LOG_STATUS_OK);
    assert_true(log_manager_run_cleaner(f->manager, &f->error));
    assert_int_equal(read_all(f, 0), 10); /* nine values and a tombstone that waits for its horizon */
}

static void count_wakes(struct log_waiter *waiter, bool closed) {
    int *counts = waiter->argument;
    counts[closed ? 1 : 0]++;
}

static void waiters_are_woken_by_what_they_wait_for(void **state) {
    struct fixture *f = *state;
    start(f);
    int counts[2] = {0};
    struct log_waiter first = {.wake = count_wakes, .argument = counts}, second = first, third = first;
    assert_int_equal(log_wait(f->log, 0, &first), LOG_WAIT_WAITS);
    assert_int_equal(log_wait(f->log, 5, &second), LOG_WAIT_WAITS);
    assert_int_equal(log_wait(f->log, 0, &third), LOG_WAIT_WAITS);
    log_wait_cancel(&third);
    append(f, 1, 1);
    assert_int_equal(counts[0], 1);
    assert_int_equal(log_wait(f->log, 0, &first), LOG_WAIT_REACHED);
    struct partition_log *held = log_retain(f->log);
    assert_true(log_delete(f->log, &f->error));
    assert_int_equal(counts[1], 1);
    struct log_view view;
    assert_int_equal(log_read_map(held, 0, 1, LOG_READ_UNCOMMITTED, &view, &f->error), LOG_STATUS_CLOSED);
    assert_int_equal(log_wait(held, 5, &first), LOG_WAIT_OFFLINE);
    log_release(held);
    assert_null(log_find(f->manager, "events", 0));
    assert_false(exists(f, "events-0"));
}

static void bad_appends_are_refused_whole(void **state) {
    struct fixture *f = *state;
    start(f);
    struct buffer bytes = {0};
    struct log_append_result result;
    struct log_append_options options = {.leader_epoch = 0};
    make_batch(&bytes, (struct spec){.count = 1, .timestamp = 1});
    make_batch(&bytes, (struct spec){.count = 1, .timestamp = 1});
    bytes.data[bytes.size - 1] ^= 1;
    assert_int_equal(log_append(f->log, bytes.data, bytes.size, &options, &result, &f->error), LOG_STATUS_CORRUPT);
    assert_int_equal(log_append(f->log, bytes.data, bytes.size - 1, &options, &result, &f->error), LOG_STATUS_CORRUPT);
    assert_int_equal(log_append(f->log, bytes.data, 0, &options, &result, &f->error), LOG_STATUS_INVALID_RECORD);
    buffer_clear(&bytes);
    make_batch(&bytes, (struct spec){.count = 2, .timestamp = 1, .value_size = 2000});
    f->config.max_message_bytes = 3000;
    log_configure(f->log, &f->config);
    assert_int_equal(log_append(f->log, bytes.data, bytes.size, &options, &result, &f->error), LOG_STATUS_TOO_LARGE);
    assert_int_equal(log_end_offset(f->log), 0);
    assert_int_equal(log_size(f->log), 0);
    buffer_free(&bytes);
}

static void a_second_process_and_a_foreign_directory_are_refused(void **state) {
    struct fixture *f = *state;
    start(f);
    stop(f);
    struct log_manager_options options = {.world = f->world, .directory = f->directory, .node_id = 2};
    assert_null(log_manager_open(&options, &f->error));
    assert_non_null(strstr(f->error.message, "belongs to node 1"));
    options.node_id = 1;
    options.cluster_id = "somewhere-else";
    assert_null(log_manager_open(&options, &f->error));
    assert_non_null(strstr(f->error.message, "belongs to cluster"));
    options.cluster_id = NULL;
    f->manager = log_manager_open(&options, &f->error);
    assert_non_null(f->manager);
    struct uuid other = {{9}};
    assert_null(log_open(f->manager, "events", other, 0, &f->config, true, &f->error));
    assert_non_null(strstr(f->error.message, "another topic id"));
    assert_true(log_manager_set_strays_aside(f->manager, &f->error));
    assert_false(exists(f, "events-0"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(offsets_are_dense_and_read_back),
        TEST(a_range_starts_at_its_batch_and_holds_at_least_one),
        TEST(files_are_kafkas),
        TEST(a_torn_tail_is_cut_and_nothing_else),
        TEST(every_cut_of_the_file_recovers_to_whole_batches),
        TEST(a_flipped_bit_costs_one_batch),
        TEST(a_flip_after_a_clean_stop_is_found_at_first_serving),
        TEST(segments_roll_and_keep_their_indexes),
        TEST(indexes_that_are_gone_are_made_anew),
        TEST(retention_by_size_and_time_removes_whole_segments),
        TEST(deleted_records_stay_deleted),
        TEST(producers_repeat_without_writing_twice),
        TEST(transactions_hold_the_stable_offset_and_name_the_aborted),
        TEST(deleted_records_of_an_open_transaction_do_not_hold_readers_before_the_start),
        TEST(compaction_keeps_the_newest_of_every_key),
        TEST(waiters_are_woken_by_what_they_wait_for),
        TEST(bad_appends_are_refused_whole),
        TEST(a_second_process_and_a_foreign_directory_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
