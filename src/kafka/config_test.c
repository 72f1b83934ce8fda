/* config_test.c: the tables of settings, the values they allow, and which value is in force. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "kafka/config.h"

static void test_the_tables_are_whole(void **state) {
    assert_int_equal(broker_config_count, 379);
    assert_int_equal(topic_config_count, 38);
    struct error error = {0};
    for (size_t i = 0; i < broker_config_count + topic_config_count; i++) {
        bool is_topic = i >= broker_config_count;
        const struct config_row *row = is_topic ? &topic_config_rows[i - broker_config_count] : &broker_config_rows[i];
        if (!is_topic && i > 0 && strcmp(broker_config_rows[i - 1].name, row->name) >= 0)
            fail_msg("%s is not in the order of names", row->name);
        if (row->standard && !config_check(row, bytes_from_text(row->standard), &error))
            fail_msg("the default of %s: %s", row->name, error.message);
        if (row->broker_name && !config_find_broker(bytes_from_text(row->broker_name)))
            fail_msg("%s: there is no broker setting %s", row->name, row->broker_name);
        size_t size = strlen(row->documentation);
        if (size < 5 || row->documentation[size - 1] != '.')
            fail_msg("the documentation of %s is no sentence", row->name);
        assert_ptr_equal(
            is_topic ? config_find_topic(bytes_from_text(row->name)) : config_find_broker(bytes_from_text(row->name)),
            row);
    }
    assert_null(config_find_broker(BYTES("num.partition")));
    assert_null(config_find_broker(BYTES("")));
}

/* What is refused, with the words of Kafka's own broker, which a comparison recorded. */
static void test_wrong_values_are_refused_in_kafkas_words(void **state) {
    static const struct {
        const char *name, *value, *message; /* message NULL: allowed */
    } cases[] = {
        {"retention.ms", "soon", "Invalid value soon for configuration retention.ms: Not a number of type LONG"},
        {"retention.ms", "-5", "Invalid value -5 for configuration retention.ms: Value must be at least -1"},
        {"cleanup.policy", "burn",
            "Invalid value burn for configuration cleanup.policy: String must be one of: compact, delete"},
        {"cleanup.policy", "compact, delete", NULL},
        {"compression.type", "zip",
            "Invalid value zip for configuration compression.type: String must be one of: uncompressed, zstd, lz4, "
            "snappy, gzip, producer"},
        {"compression.type", "gzip", NULL},
        {"preallocate", "true",
            "Invalid value true for configuration preallocate: this broker serves only its default, false. "
            "(Whether segment files are created at full size.)"},
        {"compression.gzip.level", "0",
            "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1"},
        {"min.cleanable.dirty.ratio", "1.5",
            "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1"},
        {"preallocate", "maybe",
            "Invalid value maybe for configuration preallocate: Expected value to be either true or false"},
        {"unclean.leader.election.enable", "TRUE", NULL},
        {"leader.replication.throttled.replicas", "abc",
            "Invalid value [abc] for configuration leader.replication.throttled.replicas: "
            "leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following "
            "format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."},
        {"leader.replication.throttled.replicas", "0:1,1:1", NULL},
        {"segment.bytes", "10", "Invalid value 10 for configuration segment.bytes: Value must be at least 1048576"},
        {"segment.bytes", "3000000000",
            "Invalid value 3000000000 for configuration segment.bytes: Not a number of type INT"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct error error = {0};
        bool good =
            config_check(config_find_topic(bytes_from_text(cases[i].name)), bytes_from_text(cases[i].value), &error);
        assert_int_equal(good, cases[i].message == NULL);
        if (cases[i].message)
            assert_string_equal(error.message, cases[i].message);
    }
    struct error error = {0};
    assert_false(config_check(config_find_broker(BYTES("delegation.token.secret.key")), BYTES("hush"), &error));
    assert_null(strstr(error.message, "hush"));
}

static const char *const *given_settings;

static const char *setting(void *context, const char *name) {
    for (size_t i = 0; given_settings[i]; i += 2)
        if (strcmp(given_settings[i], name) == 0)
            return given_settings[i + 1];
    return NULL;
}

static void load(struct config *config, const char *const *settings) {
    struct error error = {0};
    given_settings = settings;
    assert_true(config_load(config, setting, NULL, &error));
}

static void test_larger_units_count_until_smaller_ones_are_given(void **state) {
    static const char *const settings[] = {"log.retention.hours", "2", "log.roll.jitter.hours", "1", NULL};
    struct config config;
    struct log_config log;
    load(&config, settings);
    config_for_topic(&config, NULL, &log);
    assert_int_equal(log.retention_ms, 2 * 3600 * 1000);
    assert_int_equal(log.segment_jitter_ms, 3600 * 1000);
    assert_int_equal(log.segment_ms, 168 * 3600 * 1000ll);
    assert_string_equal(config_topic_value(&config, NULL, "retention.ms"), "7200000");

    struct map changed = {0};
    map_set_text(&changed, "log.retention.ms", "-3");
    map_set_text(&changed, "log.flush.interval.ms", "50");
    map_set_text(&changed, "num.partitions", "9"); /* only read at the start */
    map_set_text(&changed, "log.cleanup.policy", "burn");
    config_set_layer(&config, CONFIG_LAYER_ALL_BROKERS, &changed, NULL, NULL);
    config_for_topic(&config, NULL, &log);
    assert_int_equal(log.retention_ms, -1);
    assert_int_equal(log.flush_ms, 50);
    assert_int_equal(log.cleanup_policy, LOG_CLEANUP_DELETE);
    assert_int_equal(config_integer(&config, "num.partitions"), 3);
    config_set_layer(&config, CONFIG_LAYER_ALL_BROKERS, NULL, NULL, NULL);
    config_for_topic(&config, NULL, &log);
    assert_int_equal(log.retention_ms, 2 * 3600 * 1000);
    map_free(&changed);
    config_free(&config);
}

static void test_synonyms_are_listed_as_kafka_lists_them(void **state) {
    static const char *const settings[] = {"log.retention.hours", "2", "log.retention.ms", "5", NULL};
    struct config config;
    struct map changed = {0};
    struct config_synonym synonyms[CONFIG_SYNONYM_MAX];
    const char *value;
    enum config_source source;
    load(&config, settings);
    map_set_text(&changed, "log.retention.ms", "7");
    config_set_layer(&config, CONFIG_LAYER_BROKER, &changed, NULL, NULL);
    size_t count =
        config_topic_synonyms(&config, config_find_topic(BYTES("retention.ms")), "9", synonyms, &value, &source);
    assert_int_equal(count, 5);
    assert_string_equal(value, "9");
    assert_int_equal(source, CONFIG_FROM_TOPIC);
    static const struct config_synonym wanted[] = {{"retention.ms", "9", CONFIG_FROM_TOPIC},
        {"log.retention.ms", "7", CONFIG_FROM_BROKER}, {"log.retention.ms", "5", CONFIG_FROM_FILE},
        {"log.retention.hours", "2", CONFIG_FROM_FILE}, {"log.retention.hours", "168", CONFIG_FROM_DEFAULT}};
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(synonyms[i].name, wanted[i].name);
        assert_string_equal(synonyms[i].value, wanted[i].value);
        assert_int_equal(synonyms[i].source, wanted[i].source);
    }
    /* Nothing is said about a time that only larger units have. */
    config_set_layer(&config, CONFIG_LAYER_BROKER, NULL, NULL, NULL);
    count = config_topic_synonyms(&config, config_find_topic(BYTES("segment.ms")), NULL, synonyms, &value, &source);
    assert_int_equal(count, 0);
    assert_string_equal(value, "604800000");
    assert_int_equal(source, CONFIG_FROM_DEFAULT);
    map_free(&changed);
    config_free(&config);
}

static void test_settings_that_contradict_each_other(void **state) {
    static const char *const settings[] = {NULL};
    struct config config;
    struct map set = {0};
    struct error error = {0};
    load(&config, settings);
    map_set_text(&set, "max.compaction.lag.ms", "5");
    assert_true(config_check_together(&config, &set, &error));
    map_set_text(&set, "min.compaction.lag.ms", "10");
    assert_false(config_check_together(&config, &set, &error));
    assert_string_equal(
        error.message, "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)");
    map_free(&set);
    config_free(&config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_tables_are_whole),
        cmocka_unit_test(test_wrong_values_are_refused_in_kafkas_words),
        cmocka_unit_test(test_larger_units_count_until_smaller_ones_are_given),
        cmocka_unit_test(test_synonyms_are_listed_as_kafka_lists_them),
        cmocka_unit_test(test_settings_that_contradict_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
