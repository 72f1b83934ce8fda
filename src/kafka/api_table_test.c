/* api_table_test.c: whatever ApiVersions advertises is served: every API in every version answers a request of defaults
 * with a message of that version, and the connection lives on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "kafka/internal.h"
#include "kafka/kafka_test_client.h"

static bool is_expected_to_close(const struct api *api, int16_t version) {
    return api->key == 0 && version < 3; /* advertised for old librdkafka, which then sends a newer one */
}

static void every_version_of_every_api_answers(void **state) {
    struct tester tester = {0};
    tester_start(&tester, 75, NULL);
    struct test_connection *connection = tester_connect(&tester);
    size_t asked = 0;
    for (size_t i = 0; i < api_count; i++) {
        const struct api *api = &api_table[i];
        for (int16_t version = api->version_min; version <= api->version_max; version++) {
            void *body = wire_new(&tester.arena, api->request->body, 1);
            void *reply = arena_allocate(&tester.arena, api->reply->body->size);
            if (is_expected_to_close(api, version))
                continue;
            if (api->key == 0)
                ((struct kafka_produce_request *)body)->acks = 1; /* 0 is not answered */
            test_send(connection, api->request, version, body);
            if (!test_wait(connection, 60000))
                fail_msg("%s version %d was not answered", api->name, version);
            test_reply(connection, api->reply, version, reply);
            assert_false(connection->closed);
            asked++;
        }
    }
    assert_true(asked > 200);
    test_connection_close(connection);
    tester_stop(&tester);
}

static void what_is_advertised_is_the_table(void **state) {
    struct tester tester = {0};
    struct kafka_api_versions_request request;
    struct kafka_api_versions_reply reply;
    tester_start(&tester, 76, NULL);
    struct test_connection *connection = tester_connect(&tester);
    wire_set_defaults(&kafka_api_versions_request_struct, &request);
    request.software_name = request.software_version = BYTES("test");
    TEST_CALL(connection, api_versions, 4, &request, &reply);
    assert_int_equal(reply.apis.count, api_count);
    for (int32_t i = 0; i < reply.apis.count; i++) {
        const struct api *api = api_find(reply.apis.items[i].key);
        assert_non_null(api);
        assert_int_equal(reply.apis.items[i].version_min, api->version_min);
        assert_int_equal(reply.apis.items[i].version_max, api->version_max);
        assert_in_range(api->version_max, api->request->version_min, api->request->version_max);
    }
    test_connection_close(connection);
    tester_stop(&tester);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_of_every_api_answers),
        cmocka_unit_test(what_is_advertised_is_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
