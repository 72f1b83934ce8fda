/* metadata_test.c: topics and settings survive stops and kills, and the log says what Kafka's controller would say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/assert.h"
#include "kafka/metadata.h"

struct fixture {
    struct world *world;
    char directory[64];
    struct log_manager *logs;
    struct metadata *metadata;
    struct error error;
};

static void start(struct fixture *f) {
    struct log_manager_options options = {.world = f->world, .directory = f->directory, .node_id = 1};
    f->logs = log_manager_open(&options, &f->error);
    if (!f->logs)
        fail_msg("%s", f->error.message);
    f->metadata = metadata_open(f->logs, &f->error);
    if (!f->metadata)
        fail_msg("%s", f->error.message);
}

static void stop(struct fixture *f) {
    metadata_close(f->metadata);
    log_manager_close(f->logs);
    f->metadata = NULL;
}

static void restart(struct fixture *f) {
    stop(f);
    start(f);
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    f->world = world_posix_create();
    snprintf(f->directory, sizeof f->directory, "/tmp/raudal-metadata-XXXXXX");
    ASSERT(mkdtemp(f->directory));
    start(f);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    if (f->metadata)
        stop(f);
    world_remove_tree(f->world, f->directory, &f->error);
    world_destroy(f->world);
    free(f);
    return 0;
}

static void a_new_directory_has_features_and_an_epoch(void **state) {
    struct fixture *f = *state;
    const char *name;
    int16_t level;
    assert_true(metadata_feature(f->metadata, 0, &name, &level));
    assert_string_equal(name, "metadata.version");
    assert_int_equal(level, 25);
    assert_int_equal(metadata_controller_epoch(f->metadata), 1);
    restart(f);
    assert_int_equal(metadata_controller_epoch(f->metadata), 2);
    assert_false(metadata_feature(f->metadata, 3, &name, &level));
}

static void topics_and_settings_come_back(void **state) {
    struct fixture *f = *state;
    struct metadata_setting settings[] = {{"retention.ms", "1000"}, {"cleanup.policy", "compact"}};
    struct metadata_topic *topic = metadata_create_topic(f->metadata, "events", 3, settings, 2, &f->error);
    assert_non_null(topic);
    struct uuid id = topic->id;
    assert_null(metadata_create_topic(f->metadata, "events", 3, NULL, 0, &f->error));
    assert_int_equal(f->error.code, ERROR_EXISTS);
    struct metadata_topic *gone = metadata_create_topic(f->metadata, "gone", 1, settings, 1, &f->error);
    assert_true(metadata_delete_topic(f->metadata, gone, &f->error));
    assert_true(metadata_add_partitions(f->metadata, topic, 5, &f->error));
    assert_false(metadata_add_partitions(f->metadata, topic, 5, &f->error));
    struct metadata_setting changes[] = {{"retention.ms", NULL}, {"segment.bytes", "1048576"}};
    assert_true(metadata_set_configs(f->metadata, METADATA_TOPIC, "events", changes, 2, &f->error));
    struct metadata_setting broker = {"log.retention.ms", "77"};
    assert_true(metadata_set_configs(f->metadata, METADATA_BROKER, "", &broker, 1, &f->error));
    for (int round = 0; round < 2; round++) {
        topic = metadata_find(f->metadata, BYTES("events"));
        assert_non_null(topic);
        assert_true(uuid_equal(topic->id, id));
        assert_ptr_equal(metadata_find_id(f->metadata, id), topic);
        assert_int_equal(topic->partition_count, 5);
        assert_int_equal(topic->partitions[4].leader, 1);
        assert_null(map_get_text(&topic->configs, "retention.ms"));
        assert_string_equal(map_get_text(&topic->configs, "segment.bytes"), "1048576");
        assert_string_equal(map_get_text(&topic->configs, "cleanup.policy"), "compact");
        assert_string_equal(map_get_text(metadata_configs(f->metadata, METADATA_BROKER, ""), "log.retention.ms"), "77");
        assert_null(metadata_find(f->metadata, BYTES("gone")));
        assert_int_equal(metadata_topic_count(f->metadata), 1);
        restart(f);
    }
}

static void a_topic_made_again_does_not_inherit_settings(void **state) {
    struct fixture *f = *state;
    struct metadata_setting setting = {"retention.ms", "1000"};
    struct metadata_topic *topic = metadata_create_topic(f->metadata, "t", 1, &setting, 1, &f->error);
    assert_true(metadata_delete_topic(f->metadata, topic, &f->error));
    topic = metadata_create_topic(f->metadata, "t", 1, NULL, 0, &f->error);
    assert_int_equal(topic->configs.count, 0);
    restart(f);
    assert_int_equal(metadata_find(f->metadata, BYTES("t"))->configs.count, 0);
}

static void unchanged_settings_write_nothing(void **state) {
    struct fixture *f = *state;
    struct metadata_setting setting = {"retention.ms", "1000"};
    metadata_create_topic(f->metadata, "t", 1, &setting, 1, &f->error);
    int64_t end_offset = metadata_end_offset(f->metadata);
    assert_true(metadata_set_configs(f->metadata, METADATA_TOPIC, "t", &setting, 1, &f->error));
    struct metadata_setting absent = {"segment.ms", NULL};
    assert_true(metadata_set_configs(f->metadata, METADATA_TOPIC, "t", &absent, 1, &f->error));
    assert_int_equal(metadata_end_offset(f->metadata), end_offset);
}

static void producer_ids_are_never_given_twice(void **state) {
    struct fixture *f = *state;
    int64_t first, second;
    assert_true(metadata_take_producer_ids(f->metadata, 1000, &first, &f->error));
    restart(f);
    assert_true(metadata_take_producer_ids(f->metadata, 1000, &second, &f->error));
    assert_int_equal(second, first + 1000);
}

static void the_broker_registers_with_the_offset_of_its_record(void **state) {
    struct fixture *f = *state;
    int64_t end_offset = metadata_end_offset(f->metadata);
    assert_true(metadata_register_broker(f->metadata, "127.0.0.1", 9092, &f->error));
    assert_int_equal(metadata_broker_epoch(f->metadata), end_offset);
    stop(f);
    char path[128];
    struct buffer text = {0};
    snprintf(path, sizeof path, "%s/.kafka_cleanshutdown", f->directory);
    assert_true(world_read_file(f->world, path, 100, &text, &f->error));
    char expected[64];
    snprintf(expected, sizeof expected, "{\"version\":0,\"brokerEpoch\":%lld}", (long long)end_offset);
    assert_true(bytes_equal_text(buffer_view(&text), expected));
    buffer_free(&text);
}

static void a_damaged_record_stops_the_start_and_is_named(void **state) {
    struct fixture *f = *state;
    metadata_create_topic(f->metadata, "a", 1, NULL, 0, &f->error);
    metadata_create_topic(f->metadata, "b", 1, NULL, 0, &f->error);
    stop(f);
    char path[128];
    snprintf(path, sizeof path, "%s/__cluster_metadata-0/00000000000000000000.log", f->directory);
    struct world_file *file = world_file_open(f->world, path, WORLD_OPEN_READ | WORLD_OPEN_WRITE, 0, &f->error);
    assert_true(world_file_write(file, "\xff", 1, 91 + 70, &f->error));
    world_file_close(file);
    struct log_manager_options options = {.world = f->world, .directory = f->directory, .node_id = 1};
    f->logs = log_manager_open(&options, &f->error);
    assert_null(metadata_open(f->logs, &f->error));
    assert_non_null(strstr(f->error.message, "__cluster_metadata-0"));
    assert_non_null(strstr(f->error.message, "damaged"));
    log_manager_close(f->logs);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_new_directory_has_features_and_an_epoch),
        TEST(topics_and_settings_come_back),
        TEST(a_topic_made_again_does_not_inherit_settings),
        TEST(unchanged_settings_write_nothing),
        TEST(producer_ids_are_never_given_twice),
        TEST(the_broker_registers_with_the_offset_of_its_record),
        TEST(a_damaged_record_stops_the_start_and_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
