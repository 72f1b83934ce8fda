/* kafka_properties_test.c: a real broker's server.properties: its form, and what becomes of its names. */
#include "cli/kafka_properties.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static bool load(const char *text, struct settings *settings, struct error *error) {
    char path[] = "/tmp/server-properties-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, text, strlen(text)), strlen(text));
    close(descriptor);
    settings_init(settings);
    *error = (struct error){0};
    bool good = kafka_properties_load(settings, path, error);
    if (!good) /* the file's name is random */
        memmove(error->message, error->message + strlen(path) + 1, strlen(error->message) - strlen(path));
    unlink(path);
    return good;
}

static void assert_value(const struct settings *settings, const char *name, const char *value) {
    const char *given = settings_kafka(settings, name);
    if (value == NULL)
        assert_null(given);
    else
        assert_string_equal(given, value);
}

static bool is_noted(const struct settings *settings, const char *name) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&settings->notes, &cursor)) != NULL;)
        if (bytes_equal_text(entry->key, name))
            return true;
    return false;
}

static void test_the_form_is_that_of_java_properties(void **state) {
    struct settings settings;
    struct error error;
    assert_true(load("# a comment\n! another\n\n"
                     "  num.partitions : 5\r\n"
                     "log.retention.hours   24\n"
                     "log.cleanup.policy = compact,\\\n      delete\n"
                     "message.max.bytes=2\\u0030\\u0030\\\n0\n"
                     "max\\.connections=7   \n"
                     "log.roll.ms=\\\n\\\n   1000\n",
        &settings, &error));
    assert_value(&settings, "num.partitions", "5");
    assert_value(&settings, "log.retention.hours", "24");
    assert_value(&settings, "log.cleanup.policy", "compact,delete");
    assert_value(&settings, "message.max.bytes", "2000");
    assert_value(&settings, "max.connections", "7");
    assert_value(&settings, "log.roll.ms", "1000");
    settings_free(&settings);
    assert_false(load("a=1\nlog.dir=\\u00zz\n", &settings, &error));
    assert_string_equal(error.message, "line 2: \\u needs four hexadecimal digits");
    settings_free(&settings);
}

/* What comes with Kafka 4, as a user has it. */
static void test_every_name_is_used_noted_or_refused(void **state) {
    struct settings settings;
    struct error error;
    assert_true(
        load("process.roles=broker,controller\nnode.id=1\ncontroller.quorum.bootstrap.servers=localhost:9093\n"
             "listeners=PLAINTEXT://:19092,CONTROLLER://:9093\ninter.broker.listener.name=PLAINTEXT\n"
             "advertised.listeners=PLAINTEXT://localhost:19092,CONTROLLER://localhost:9093\n"
             "controller.listener.names=CONTROLLER\n"
             "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL\n"
             "num.network.threads=3\nlog.dirs=/tmp/kraft-combined-logs\nnum.partitions=1\n"
             "offsets.topic.replication.factor=3\nlog.retention.hours=168\nconfluent.support.metrics.enable=true\n",
            &settings, &error));
    assert_value(&settings, "log.dirs", "/tmp/kraft-combined-logs");
    assert_value(&settings, "num.network.threads", "3");
    assert_int_equal(settings_port(&settings, "kafka.port"), 19092);
    static const char *const noted[] = {"controller.quorum.bootstrap.servers", "inter.broker.listener.name",
        "controller.listener.names", "num.network.threads", "offsets.topic.replication.factor",
        "confluent.support.metrics.enable"};
    for (size_t i = 0; i < sizeof noted / sizeof noted[0]; i++)
        assert_true(is_noted(&settings, noted[i]));
    assert_false(is_noted(&settings, "num.partitions"));
    assert_false(is_noted(&settings, "log.dirs"));
    settings_free(&settings);
}

static void test_what_is_refused_names_its_line(void **state) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"node.id=1\n\nnum.partitions=many\n",
            "line 3: Invalid value many for configuration num.partitions: Not a number of type INT"},
        {"ssl.keystore.password=${file:/etc/secrets:password}\n",
            "line 1: ssl.keystore.password: its value refers to ${file:, and config providers are not served: write "
            "the "
            "value itself"},
        {"authorizer.class.name=\\\n  org.apache.kafka.metadata.authorizer.StandardAuthorizer\n",
            "line 1: Invalid value org.apache.kafka.metadata.authorizer.StandardAuthorizer for configuration "
            "authorizer.class.name: this broker serves only its default, not set. (Java class that decides who may do "
            "what; "
            "everybody who may connect may do everything here.)"},
        {"num.partitions=1\nlisteners=SASL_SSL://:9094\n", "line 2: listeners: SASL_SSL://:9094 has the protocol "
                                                           "SASL_SSL; only PLAINTEXT is served, for this machine"},
        {"log.dirs=/a,/b\n", "line 1: log.dirs names several folders; Raudal serves one: name the one with the "
                             "partitions, or move them into "
                             "one folder while no broker runs"},
        {"process.roles=controller\n", "line 1: process.roles=controller: Raudal is broker and controller in one; a "
                                       "controller alone is not served"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct settings settings;
        struct error error;
        assert_false(load(cases[i].text, &settings, &error));
        assert_string_equal(error.message, cases[i].message);
        settings_free(&settings);
    }
}

static void test_listeners_by_their_protocols(void **state) {
    struct kafka_listener out[KAFKA_LISTENERS_MAX];
    struct error error = {0};
    assert_int_equal(kafka_listeners_parse("INSIDE://[::1]:9092, OUT://0.0.0.0:19092,CTRL://:9093",
                         "INSIDE:PLAINTEXT,OUT:plaintext", "CTRL", out, &error),
        2);
    assert_string_equal(out[0].host, "[::1]");
    assert_string_equal(out[1].host, "0.0.0.0");
    assert_int_equal(out[1].port, 19092);
    assert_int_equal(kafka_listeners_parse("CTRL://:9093", NULL, "CTRL", out, &error), 0);
    assert_string_equal(error.message, "listeners has none for clients");
    assert_int_equal(kafka_listeners_parse("localhost", NULL, NULL, out, &error), 0);
    assert_string_equal(error.message, "listeners: localhost is not of the form PLAINTEXT://host:port");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_form_is_that_of_java_properties),
        cmocka_unit_test(test_every_name_is_used_noted_or_refused),
        cmocka_unit_test(test_what_is_refused_names_its_line),
        cmocka_unit_test(test_listeners_by_their_protocols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
