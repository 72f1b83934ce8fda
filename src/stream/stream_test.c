/* stream_test.c: the forms on disk (checkpoint, _spark_metadata, part files) and Kafka's offsets as JSON. The loop
 * itself is tested with real clients: tests/clients/spark, tests/crash/test_queries.py, and in simulation_test.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/assert.h"
#include "stream/internal.h"
#include "stream/kafka_options.h"
#include "stream/sink_log.h"
#include "stream/state_blocks.h"
#include "stream/state_read.h"

struct fixture {
    struct world *world;
    struct store *store;
    char directory[64];
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct error error = {0};
    fixture->world = world_posix_create();
    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/stream_test-%016llx",
        (unsigned long long)world_random_u64(fixture->world));
    struct store_options options = {.world = fixture->world, .directory = fixture->directory, .user = "test"};
    fixture->store = store_open(&options, &error);
    assert_non_null(fixture->store);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    store_close(fixture->store);
    (void)world_remove_tree(fixture->world, fixture->directory, NULL);
    world_destroy(fixture->world);
    free(fixture);
    return 0;
}

static void assert_file(struct fixture *fixture, const char *path, const char *expected) {
    struct buffer text = {0};
    struct error error = {0};
    assert_true(store_read_file(fixture->store, path, 1 << 20, &text, &error));
    assert_string_equal(buffer_text(&text), expected);
    buffer_free(&text);
}

static void write_batch(struct checkpoint *checkpoint, int64_t batch_id, const char *offset, struct sql_error *error) {
    struct buffer offsets[1] = {{0}};
    buffer_append_text(&offsets[0], offset);
    struct offset_entry entry = {.batch_id = batch_id,
        .timestamp_ms = 1700000000000,
        .offsets = offsets,
        .source_count = 1,
        .shuffle_partitions = 200};
    assert_true(checkpoint_write_offsets(checkpoint, &entry, error));
    buffer_free(&offsets[0]);
}

static void test_checkpoint(void **state) {
    struct fixture *fixture = *state;
    struct arena arena = {0};
    struct sql_error error = {.arena = &arena};
    struct checkpoint checkpoint = {fixture->store, "/cp"};
    struct uuid id, again;
    bool is_new;
    int64_t offsets, commits;
    assert_true(checkpoint_open(&checkpoint, &id, &is_new, &error) && is_new);
    assert_true(checkpoint_open(&checkpoint, &again, &is_new, &error) && !is_new && uuid_equal(id, again));
    assert_true(checkpoint_latest(&checkpoint, &offsets, &commits, &error) && offsets == -1 && commits == -1);
    write_batch(&checkpoint, 0, "{\"t\":{\"0\":5}}", &error);
    assert_true(checkpoint_write_commit(&checkpoint, 0, 0, &error));
    write_batch(&checkpoint, 1, "{\"t\":{\"0\":9}}", &error);
    assert_file(fixture, "/cp/commits/0", "v1\n{\"nextBatchWatermarkMs\":0}");
    struct offset_entry entry;
    assert_true(checkpoint_read_offsets(&checkpoint, 1, 1, &entry, &error));
    assert_string_equal(buffer_text(&entry.offsets[0]), "{\"t\":{\"0\":9}}");
    assert_int_equal(entry.timestamp_ms, 1700000000000);
    offset_entry_free(&entry);
    /* An empty file counts as absent. */
    struct error problem = {0};
    assert_true(store_write_file(fixture->store, "/cp/commits/1", bytes_make("", 0), 0, &problem));
    assert_true(checkpoint_latest(&checkpoint, &offsets, &commits, &error) && offsets == 1 && commits == 0);
    assert_true(checkpoint_write_commit(&checkpoint, 1, 0, &error));
    /* A second writer of the same batch is refused. */
    assert_false(checkpoint_write_commit(&checkpoint, 1, 0, &error));
    assert_string_equal(sql_error_condition(&error), "CONCURRENT_STREAM_LOG_UPDATE");
    arena_destroy(&arena);
}

static void test_checkpoint_without_metadata(void **state) {
    struct fixture *fixture = *state;
    struct arena arena = {0};
    struct sql_error error = {.arena = &arena};
    struct checkpoint checkpoint = {fixture->store, "/lost"};
    struct uuid id;
    bool is_new;
    write_batch(&checkpoint, 0, "5", &error);
    assert_false(checkpoint_open(&checkpoint, &id, &is_new, &error));
    assert_string_equal(sql_error_condition(&error), "STREAMING_CHECKPOINT_INVALID");
    arena_destroy(&arena);
}

static struct batch *make_rows(const struct type *schema, int32_t first, size_t count) {
    struct batch *batch = batch_create(schema);
    batch->row_count = count;
    batch->columns[0] = column_create(&batch->arena, type_simple(TYPE_INTEGER), count);
    for (size_t i = 0; i < count; i++) {
        COLUMN_VALUES(batch->columns[0], int32_t)[i] = first + (int32_t)i;
    }
    return batch;
}

static void write_files(struct fixture *fixture, const struct type *schema, const char *uuid, int64_t batch_id) {
    struct error error = {0};
    struct part_options options = {
        .store = fixture->store, .directory = "/out", .format = &format_json, .zone = timezone_utc(), .schema = schema};
    snprintf(options.uuid, sizeof options.uuid, "%s", uuid);
    struct part_set *set = part_set_create(&options, &error);
    struct written_files files = {0};
    for (size_t partition = 0; partition < 2; partition++) {
        struct batch *batch = make_rows(schema, (int32_t)partition * 10, 2);
        assert_true(part_set_write(set, partition, batch, &error) && part_set_end(set, partition, &error));
        batch_release(batch);
    }
    assert_true(part_set_commit(set, &files, &error));
    assert_true(sink_log_write(fixture->store, "/out", "namenode:9000", batch_id, &files, &error) ||
                error.code == ERROR_EXISTS);
    written_files_free(&files);
}

static void test_rerun_replaces_its_files(void **state) {
    struct fixture *fixture = *state;
    struct arena arena = {0};
    struct error error = {0};
    const struct type *schema = type_parse_ddl(&arena, BYTES("v INT"), &error);
    write_files(fixture, schema, "same", 0);
    write_files(fixture, schema, "same", 0);
    assert_file(fixture, "/out/part-00001-same-c000.json", "{\"v\":10}\n{\"v\":11}\n");
    struct store_entries entries;
    assert_true(store_list(fixture->store, &arena, "/out", NULL, 0, &entries, &error));
    assert_int_equal(entries.count, 3);
    for (int64_t batch_id = 1; batch_id < 12; batch_id++) {
        write_files(fixture, schema, arena_printf(&arena, "b%lld", (long long)batch_id), batch_id);
    }
    assert_true(store_exists(fixture->store, "/out/_spark_metadata/9.compact"));
    struct sink_entries logged = {0};
    assert_true(sink_log_read(fixture->store, &arena, "/out", &logged, &error));
    assert_int_equal(logged.count, 24);
    VECTOR_FREE(&logged);
    /* A file that the log does not name is not read. */
    assert_true(store_write_file(fixture->store, "/out/part-stray.json", BYTES("{}\n"), 0, &error));
    struct data_files found;
    char *paths[] = {"/out"};
    assert_true(data_files_find(fixture->store, &arena, paths, 1, NULL, &found, &error));
    assert_int_equal(found.count, 24);
    assert_true(found.from_metadata);
    arena_destroy(&arena);
}

static void test_partition_directories(void **state) {
    struct fixture *fixture = *state;
    struct arena arena = {0};
    struct error error = {0};
    const char *const files[] = {"/p/day=2026-03-01/n=1/a.json", "/p/day=2026-03-02/n=x%2Fy/b.json",
        "/p/day=2026-03-02/n=2/_hidden", "/p/_SUCCESS"};
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        assert_true(store_write_file(fixture->store, files[i], BYTES("{}"), 0, &error));
    }
    struct data_files found;
    char *paths[] = {"/p"}, *glob[] = {"/p/day=*/n={1,3}"};
    assert_true(data_files_find(fixture->store, &arena, paths, 1, NULL, &found, &error));
    assert_int_equal(found.count, 2);
    assert_int_equal(found.partition_count, 2);
    assert_int_equal(found.partition_types[0]->kind, TYPE_DATE);
    assert_int_equal(found.partition_types[1]->kind, TYPE_STRING);
    assert_true(bytes_equal(found.items[1].partition_values[1], BYTES("x/y")));
    assert_true(data_files_find(fixture->store, &arena, glob, 1, NULL, &found, &error));
    assert_int_equal(found.count, 1);
    arena_destroy(&arena);
}

/* However many batches there were, the samples cover all of them, in order, and averages stay what they are. */
static void test_history(void **state) {
    for (int64_t batches = 1; batches <= 5000; batches += batches < 600 ? 1 : 371) {
        struct stream_query query = {0};
        const struct stream_sample *samples;
        int64_t seen = 0, rows = 0, before_ms = -1;
        for (int64_t i = 0; i < batches; i++) {
            history_push(&query, (struct stream_sample){.timestamp_ms = i * 10,
                                     .batch_id = i,
                                     .batch_count = 1,
                                     .input_rows = 3,
                                     .input_rows_per_second = 7,
                                     .duration_ms = 2});
        }
        size_t count = stream_query_history(&query, &samples);
        assert_true(count <= HISTORY_MAX && (batches < HISTORY_MAX || count >= HISTORY_MAX / 2));
        for (size_t i = 0; i < count; i++) {
            assert_true(samples[i].timestamp_ms > before_ms);
            assert_true(samples[i].input_rows_per_second == 7 && samples[i].duration_ms == 2);
            before_ms = samples[i].timestamp_ms;
            seen += samples[i].batch_count;
            rows += samples[i].input_rows;
        }
        assert_int_equal(seen, batches);
        assert_int_equal(rows, 3 * batches);
        assert_int_equal(samples[count - 1].batch_id, batches - 1);
        assert_int_equal(query.last.batch_count, batches);
        VECTOR_FREE(&query.history);
    }
}

static void test_offsets(void **state) {
    struct kafka_offsets offsets = {0}, copy = {0};
    struct error error = {0};
    struct buffer text = {0};
    assert_true(kafka_offsets_parse(BYTES("{\"b\":{\"1\":-1,\"0\":7},\"a\":{\"0\":3}}"), &offsets, &error));
    kafka_offsets_format(&offsets, &text);
    assert_string_equal(buffer_text(&text), "{\"a\":{\"0\":3},\"b\":{\"0\":7,\"1\":-1}}");
    kafka_offsets_copy(&copy, &offsets);
    assert_true(kafka_offsets_equal(&copy, &offsets));
    kafka_offsets_set(&copy, "b", 1, 9);
    assert_false(kafka_offsets_equal(&copy, &offsets));
    assert_int_equal(kafka_offsets_get(&copy, "b", 1), 9);
    assert_int_equal(kafka_offsets_get(&copy, "c", 1), -3);
    assert_false(kafka_offsets_parse(BYTES("{\"b\":{\"x\":1}}"), &offsets, &error));
    assert_false(kafka_offsets_parse(BYTES("latest"), &offsets, &error));
    kafka_offsets_free(&offsets);
    kafka_offsets_free(&copy);
    buffer_free(&text);
    (void)state;
}

/* ---- state_blocks ---- */

/* Record `number` of a kind: alike, of sizes that change, noise, too large for a block, now and then a removed key. */
static void make_record(int kind, size_t number, struct buffer *key, struct buffer *value, bool *removed) {
    uint64_t mix = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
    size_t words = kind == 0 ? 5 : kind == 1 ? mix >> 60 : kind == 2 ? 7 : number % 7 == 3 ? 9000 : 2;
    buffer_clear(key);
    buffer_clear(value);
    for (size_t i = 0; i < 2 + words % 3; i++) {
        uint64_t word = i == 1 ? mix >> 44 : kind == 2 ? mix * (i + 3) : i;
        buffer_append(key, &word, sizeof word);
    }
    for (size_t i = 0; i < words; i++) {
        uint64_t word = kind == 2 ? mix ^ mix >> (i + 7) : i == words - 1 ? number / 50 : 0;
        buffer_append(value, &word, sizeof word);
    }
    *removed = kind != 0 && mix % 5 == 0;
}

struct read_back {
    int kind;
    size_t count;
};

static void check_records(void *context, const struct bytes *keys, const struct bytes *values, size_t count) {
    struct read_back *back = context;
    struct buffer key = {0}, value = {0};
    bool removed;
    for (size_t i = 0; i < count; i++) {
        make_record(back->kind, back->count++, &key, &value, &removed);
        assert_true(bytes_equal(keys[i], buffer_view(&key)));
        assert_int_equal(values[i].data == NULL, removed);
        assert_true(removed || bytes_equal(values[i], buffer_view(&value)));
    }
    buffer_free(&key);
    buffer_free(&value);
}

static void test_state_comes_back_from_its_blocks(void **state) {
    struct fixture *fixture = *state;
    struct state_blocks *blocks = malloc(sizeof *blocks);
    struct buffer key = {0}, value = {0};
    static const size_t counts[] = {0, 1, 2, 37, 5000};
    for (size_t run = 0; run < 4 * ARRAY_COUNT(counts); run++) {
        struct read_back back = {.kind = (int)(run % 4)};
        struct error error = {0};
        struct arena arena = {0};
        struct state_fault fault;
        size_t count = counts[run / 4] / (back.kind == 3 ? 10 : 1);
        struct store_writer *file = store_writer_open(fixture->store, "/1.delta", STORE_WRITE_REPLACE, &error);
        assert_non_null(file);
        state_blocks_begin(blocks, file, &error);
        size_t size = 0;
        for (size_t i = 0; i < count; i++) {
            bool removed;
            make_record(back.kind, i, &key, &value, &removed);
            state_blocks_put(blocks, buffer_view(&key), removed ? BYTES_NULL : buffer_view(&value));
            size += 8 + key.size + value.size;
        }
        assert_true(state_blocks_end(blocks));
        assert_true(back.kind != 0 || count < 1000 || (size_t)store_writer_size(file) * 4 < size);
        assert_true(store_writer_commit(file, &error));
        assert_true(state_records_read(fixture->store, &arena, "/1.delta", check_records, &back, &fault));
        assert_int_equal(back.count, count);
        arena_destroy(&arena);
    }
    buffer_free(&key);
    buffer_free(&value);
    free(blocks);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_checkpoint),
        cmocka_unit_test(test_checkpoint_without_metadata), cmocka_unit_test(test_rerun_replaces_its_files),
        cmocka_unit_test(test_partition_directories), cmocka_unit_test(test_history), cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_state_comes_back_from_its_blocks)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
