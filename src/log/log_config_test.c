/* log_config_test.c: every setting of a topic that a partition follows does what its name says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "base/assert.h"
#include "log/internal.h"
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
#define HOUR_MS 3600000ll

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    f->world = world_posix_create();
    snprintf(f->directory, sizeof f->directory, "/tmp/raudal-log-config-XXXXXX");
    ASSERT(mkdtemp(f->directory));
    log_config_defaults(&f->config);
    f->config.file_delete_delay_ms = 0;
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    if (f->manager)
        log_manager_close(f->manager);
    world_remove_tree(f->world, f->directory, &f->error);
    world_destroy(f->world);
    free(f);
    return 0;
}

/* The settings are in force from here on, on a log of their own. */
static void start(struct fixture *f) {
    struct log_manager_options options = {.world = f->world, .directory = f->directory, .node_id = 1};
    if (f->manager)
        log_manager_close(f->manager);
    world_remove_tree(f->world, f->directory, &f->error);
    f->manager = log_manager_open(&options, &f->error);
    assert_non_null(f->manager);
    f->log = log_open(f->manager, "events", topic_id, 0, &f->config, true, &f->error);
    assert_non_null(f->log);
}

static enum log_status try_append(
    struct fixture *f, const char *key, struct bytes value, int64_t timestamp_ms, struct log_append_result *result) {
    struct record_builder builder;
    struct buffer bytes = {0};
    record_builder_begin(&builder, &bytes, 0, 0);
    record_builder_add(&builder, 0, timestamp_ms, bytes_from_text(key), value, BYTES_NULL, 0);
    record_builder_end(&builder, -1, -1, -1, -1);
    enum log_status status =
        log_append(f->log, bytes.data, bytes.size, &(struct log_append_options){.leader_epoch = 0}, result, &f->error);
    buffer_free(&bytes);
    return status;
}

static void append(struct fixture *f, const char *key, int64_t timestamp_ms) {
    struct log_append_result result;
    assert_int_equal(try_append(f, key, BYTES("some value"), timestamp_ms, &result), LOG_STATUS_OK);
}

/* Records that can be read. */
static int64_t count_records(struct fixture *f) {
    int64_t count = 0;
    for (int64_t offset = log_start_offset(f->log);;) {
        struct log_view view;
        assert_int_equal(log_read_map(f->log, offset, 100000, LOG_READ_UNCOMMITTED, &view, &f->error), LOG_STATUS_OK);
        if (!view.map)
            return count;
        struct record_batch batch;
        for (struct bytes rest = view.batches; record_batch_parse(rest, &batch) == RECORD_BATCH_OK;) {
            count += batch.record_count;
            rest = bytes_slice(rest, batch.whole.size, rest.size - batch.whole.size);
        }
        offset = view.next_offset;
        log_map_release(view.map);
    }
}

static void segments_roll_by_the_time_of_their_records(void **state) {
    struct fixture *f = *state;
    f->config.segment_ms = 1000;
    start(f);
    append(f, "a", 1000000);
    append(f, "a", 1001000);
    assert_int_equal(log_segment_count(f->log), 1);
    append(f, "a", 1001001);
    assert_int_equal(log_segment_count(f->log), 2);
    /* The partition's share of the jitter is taken off. */
    f->config.segment_jitter_ms = 1000;
    start(f);
    append(f, "a", 1000000);
    append(f, "a", 1001000);
    assert_int_equal(log_segment_count(f->log), 2);
    /* Compaction within max.compaction.lag.ms needs closed segments. */
    f->config.segment_jitter_ms = 0;
    f->config.segment_ms = HOUR_MS;
    f->config.max_compaction_lag_ms = 500;
    f->config.cleanup_policy = LOG_CLEANUP_COMPACT;
    start(f);
    append(f, "a", 1000000);
    append(f, "a", 1000501);
    assert_int_equal(log_segment_count(f->log), 2);
}

static int64_t size_of(const struct fixture *f, const char *file) {
    char path[160];
    struct stat status;
    snprintf(path, sizeof path, "%s/events-0/%s", f->directory, file);
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

static void indexes_have_their_density_and_bound(void **state) {
    struct fixture *f = *state;
    start(f);
    for (int i = 0; i < 20; i++)
        append(f, "a", 1000000 + i);
    log_manager_close(f->manager);
    f->manager = NULL;
    assert_int_equal(size_of(f, "00000000000000000000.index"), 0); /* less than index.interval.bytes */
    f->config.index_interval_bytes = 0;
    start(f);
    for (int i = 0; i < 20; i++)
        append(f, "a", 1000000 + i);
    assert_int_equal(log_segment_count(f->log), 1);
    log_manager_close(f->manager);
    f->manager = NULL;
    assert_true(size_of(f, "00000000000000000000.index") >= 18 * 8);
    f->config.segment_index_bytes = 96; /* twelve offsets, eight times */
    start(f);
    for (int i = 0; i < 20; i++)
        append(f, "a", 1000000 + i);
    assert_in_range(log_segment_count(f->log), 2, 4);
    assert_int_equal(count_records(f), 20);
}

static void times_of_records_are_bounded_or_replaced(void **state) {
    struct fixture *f = *state;
    struct log_append_result result;
    int64_t now_ms = world_wall_ms(f->world);
    f->config.timestamp_before_max_ms = HOUR_MS;
    start(f);
    assert_int_equal(try_append(f, "a", BYTES("v"), now_ms - 2 * HOUR_MS, &result), LOG_STATUS_INVALID_TIMESTAMP);
    assert_int_equal(try_append(f, "a", BYTES("v"), now_ms + 2 * HOUR_MS, &result), LOG_STATUS_INVALID_TIMESTAMP);
    assert_int_equal(try_append(f, "a", BYTES("v"), now_ms - HOUR_MS / 2, &result), LOG_STATUS_OK);
    assert_int_equal(result.append_time_ms, -1);
    f->config.log_append_time = true;
    log_configure(f->log, &f->config);
    assert_int_equal(try_append(f, "a", BYTES("v"), 1, &result), LOG_STATUS_OK);
    assert_true(result.append_time_ms >= now_ms);
}

/* Three closed segments with the keys a, b, a and an active one. */
static void fill(struct fixture *f, int64_t timestamp_ms) {
    start(f);
    const char *const keys[] = {"a", "b", "a"};
    for (int i = 0; i < 3; i++) {
        append(f, keys[i], timestamp_ms);
        assert_int_equal(log_roll(f->log, &f->error), LOG_STATUS_OK);
    }
    append(f, "c", timestamp_ms);
}

static void compaction_follows_the_share_of_dirty_bytes_and_the_lags(void **state) {
    struct fixture *f = *state;
    double ratio = 0;
    int64_t now_ms = world_wall_ms(f->world);
    f->config.cleanup_policy = LOG_CLEANUP_COMPACT;
    f->config.min_cleanable_dirty_ratio = 0.99;
    fill(f, now_ms - 2 * HOUR_MS);
    assert_true(clean_is_due(f->log, &ratio)); /* nothing was ever cleaned */
    assert_true(log_manager_run_cleaner(f->manager, &f->error));
    assert_int_equal(count_records(f), 3);
    assert_int_equal(log_roll(f->log, &f->error), LOG_STATUS_OK);
    append(f, "d", now_ms);
    assert_false(clean_is_due(f->log, &ratio)); /* a third is dirty */
    f->config.min_cleanable_dirty_ratio = 0.1;
    log_configure(f->log, &f->config);
    assert_true(clean_is_due(f->log, &ratio));
    f->config.min_cleanable_dirty_ratio = 1;
    f->config.max_compaction_lag_ms = HOUR_MS; /* its record is two hours old */
    log_configure(f->log, &f->config);
    assert_true(clean_is_due(f->log, &ratio));
    f->config.max_compaction_lag_ms = INT64_MAX;
    f->config.min_cleanable_dirty_ratio = 0;
    f->config.min_compaction_lag_ms = 3 * HOUR_MS;
    log_configure(f->log, &f->config);
    assert_false(clean_is_due(f->log, &ratio));
}

static void tombstones_stay_for_delete_retention(void **state) {
    struct fixture *f = *state;
    struct log_append_result result;
    f->config.cleanup_policy = LOG_CLEANUP_COMPACT;
    f->config.min_cleanable_dirty_ratio = 0;
    for (int round = 0; round < 2; round++) {
        f->config.delete_retention_ms = round == 0 ? HOUR_MS : 0;
        start(f);
        append(f, "a", 1000);
        assert_int_equal(try_append(f, "a", BYTES_NULL, 1001, &result), LOG_STATUS_OK);
        for (int pass = 0; pass < 2; pass++) { /* the first sets the horizon */
            assert_int_equal(log_roll(f->log, &f->error), LOG_STATUS_OK);
            append(f, pass == 0 ? "b" : "c", 1002);
            int64_t now_ms = world_wall_ms(f->world); /* a horizon of this very millisecond has not passed */
            while (world_wall_ms(f->world) == now_ms)
                continue;
            assert_true(log_manager_run_cleaner(f->manager, &f->error));
        }
        assert_int_equal(count_records(f), round == 0 ? 3 : 2);
    }
}

static void both_policies_delete_and_compact(void **state) {
    struct fixture *f = *state;
    int64_t now_ms = world_wall_ms(f->world);
    f->config.cleanup_policy = LOG_CLEANUP_COMPACT | LOG_CLEANUP_DELETE;
    f->config.min_cleanable_dirty_ratio = 0;
    f->config.retention_ms = 3 * HOUR_MS;
    fill(f, now_ms - 2 * HOUR_MS);
    assert_true(log_manager_run_cleaner(f->manager, &f->error));
    assert_true(log_manager_run_retention(f->manager, &f->error));
    assert_int_equal(count_records(f), 3);
    f->config.retention_ms = HOUR_MS;
    log_configure(f->log, &f->config);
    append(f, "d", now_ms);
    assert_true(log_manager_run_retention(f->manager, &f->error));
    assert_in_range(count_records(f), 1, 2); /* the active segment stays while one record is young */
    f->config.cleanup_policy = 0;
    f->config.retention_ms = 1;
    log_configure(f->log, &f->config);
    int64_t before = count_records(f);
    assert_true(log_manager_run_retention(f->manager, &f->error));
    assert_int_equal(count_records(f), before);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(segments_roll_by_the_time_of_their_records, set_up, tear_down),
        cmocka_unit_test_setup_teardown(indexes_have_their_density_and_bound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(times_of_records_are_bounded_or_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(compaction_follows_the_share_of_dirty_bytes_and_the_lags, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tombstones_stay_for_delete_retention, set_up, tear_down),
        cmocka_unit_test_setup_teardown(both_policies_delete_and_compact, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
