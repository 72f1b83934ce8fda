/* protobuf_test.c: what malformed and malicious messages get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "connect/protobuf.h"
#include "service.pb-c.h"

static ProtobufCMessage *unpack(struct arena *arena, const void *data, size_t size, struct error *error) {
    return protobuf_unpack(arena, &connect__execute_plan_request__descriptor, bytes_make(data, size), error);
}

/* ExecutePlanRequest{plan{root{limit{input{limit{…}}}}}} with the given number of limits, built from the inside out. */
static struct buffer nested_limits(int depth) {
    struct buffer inner = {0};
    for (int i = 0; i < depth; i++) {
        const uint8_t tags[] = {0x0a, 0x42}; /* Limit.input = 1, Relation.limit = 8 */
        for (int j = 0; j < 2; j++) {
            struct buffer outer = {0};
            buffer_append_byte(&outer, tags[j]);
            for (size_t size = inner.size;; size >>= 7) {
                buffer_append_byte(&outer, (uint8_t)((size & 0x7f) | (size > 0x7f ? 0x80 : 0)));
                if (size <= 0x7f)
                    break;
            }
            buffer_append_bytes(&outer, buffer_view(&inner));
            buffer_free(&inner);
            inner = outer;
        }
    }
    return inner;
}

static void a_request_goes_there_and_back(void **state) {
    struct arena arena = {0};
    struct error error;
    Connect__ExecutePlanRequest request = CONNECT__EXECUTE_PLAN_REQUEST__INIT;
    request.session_id = (char *)"7c9ad4c0-0000-4000-8000-000000000001";
    request.operation_id = (char *)"op";
    struct buffer packed = protobuf_pack(&request.base);
    Connect__ExecutePlanRequest *back = (Connect__ExecutePlanRequest *)unpack(&arena, packed.data, packed.size, &error);
    assert_non_null(back);
    assert_string_equal(back->session_id, request.session_id);
    for (size_t size = 1; size < packed.size;
         size++) /* cut off anywhere: refused or a shorter message, never a crash */
        unpack(&arena, packed.data, size, &error);
    buffer_free(&packed);
    arena_destroy(&arena);
}

static void a_length_beyond_the_message_is_refused(void **state) {
    struct arena arena = {0};
    struct error error;
    const uint8_t data[] = {0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 'x'};
    assert_null(unpack(&arena, data, sizeof data, &error));
    assert_int_equal(error.code, ERROR_CORRUPT);
    arena_destroy(&arena);
}

static void nesting_is_bounded(void **state) {
    struct arena arena = {0};
    struct error error;
    struct buffer few = nested_limits(100), many = nested_limits(2000);
    assert_non_null(protobuf_unpack(&arena, &connect__relation__descriptor, buffer_view(&few), &error));
    assert_null(protobuf_unpack(&arena, &connect__relation__descriptor, buffer_view(&many), &error));
    assert_int_equal(error.code, ERROR_LIMIT);
    buffer_free(&few);
    buffer_free(&many);
    arena_destroy(&arena);
}

static void a_member_that_is_not_served_is_known_by_its_number(void **state) {
    struct arena arena = {0};
    struct error error;
    const uint8_t data[] = {0xe2, 0x01, 0x00}; /* Relation.map_partitions = 28 */
    Connect__Relation *relation = (Connect__Relation *)protobuf_unpack(
        &arena, &connect__relation__descriptor, bytes_make(data, sizeof data), &error);
    assert_non_null(relation);
    assert_int_equal(relation->rel_type_case, CONNECT__RELATION__REL_TYPE__NOT_SET);
    assert_int_equal(protobuf_unknown_field(&relation->base), 28);
    arena_destroy(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_goes_there_and_back),
        cmocka_unit_test(a_length_beyond_the_message_is_refused),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(a_member_that_is_not_served_is_known_by_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
