/* settings_test.c: names and values of settings, and what is said about wrong ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "cli/services.h"
#include "cli/settings.h"

static void defaults_are_the_courses(void **state) {
    struct settings settings;
    settings_init(&settings);
    assert_int_equal(settings_port(&settings, "kafka.port"), 9092);
    assert_int_equal(settings_integer(&settings, "spark.worker.instances"), 2);
    assert_int_equal(settings_integer(&settings, "spark.worker.memory"), 2ll << 30);
    assert_true(settings_boolean(&settings, "dfs.permissions.enabled"));
    settings_free(&settings);
}

static void values_are_checked(void **state) {
    struct settings settings;
    struct error error;
    settings_init(&settings);
    assert_true(settings_set(&settings, BYTES("spark.worker.memory=512m"), &error));
    assert_int_equal(settings_integer(&settings, "spark.worker.memory"), 512 << 20);
    assert_true(settings_set(&settings, BYTES("dfs.namenode.rpc-address=0.0.0.0:8020"), &error));
    assert_int_equal(settings_port(&settings, "dfs.namenode.rpc-address"), 8020);
    assert_false(settings_set(&settings, BYTES("kafka.port=70000"), &error));
    assert_string_equal(error.message, "kafka.port=70000: a port from 1 to 65535 is needed");
    assert_false(settings_set(&settings, BYTES("spark.worker.cores=two"), &error));
    assert_false(settings_set(&settings, BYTES("novalue"), &error));
    settings_free(&settings);
}

static void an_unknown_name_proposes_the_nearest(void **state) {
    struct settings settings;
    struct error error;
    settings_init(&settings);
    assert_false(settings_set(&settings, BYTES("spark.worker.core=2"), &error));
    assert_string_equal(
        error.message, "there is no setting 'spark.worker.core'; the nearest known one is spark.worker.cores");
    settings_free(&settings);
}

static void services_are_chosen_by_name_or_plane(void **state) {
    bool chosen[SERVICE_COUNT];
    const char *unknown;
    size_t size;
    assert_true(services_parse("kafka,hdfs", chosen, &unknown, &size));
    assert_true(
        chosen[SERVICE_KAFKA] && chosen[SERVICE_NAMENODE] && chosen[SERVICE_DATANODE] && !chosen[SERVICE_ZOOKEEPER]);
    assert_false(services_parse("kafka,flink", chosen, &unknown, &size));
    assert_int_equal(size, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_the_courses),
        cmocka_unit_test(values_are_checked),
        cmocka_unit_test(an_unknown_name_proposes_the_nearest),
        cmocka_unit_test(services_are_chosen_by_name_or_plane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
