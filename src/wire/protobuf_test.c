/* protobuf_test.c: what malformed and malicious messages get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "protobuf_test.pb-c.h"
#include "wire/protobuf.h"

static const ProtobufCMessageDescriptor *const tree = &wire_test__tree__descriptor;

/* Trees in the field `left` of each other, built from the inside out: levels messages in all. */
static struct buffer nested(size_t levels) {
    struct buffer inner = {0};
    for (size_t i = 1; i < levels; i++) {
        struct buffer outer = {0};
        buffer_append_byte(&outer, 0x0a);
        for (size_t size = inner.size;; size >>= 7) {
            buffer_append_byte(&outer, (uint8_t)((size & 0x7f) | (size > 0x7f ? 0x80 : 0)));
            if (size <= 0x7f)
                break;
        }
        buffer_append_bytes(&outer, buffer_view(&inner));
        buffer_free(&inner);
        inner = outer;
    }
    return inner;
}

static void a_message_goes_there_and_back(void **state) {
    struct arena arena = {0};
    struct error error;
    WireTest__Tree *message = PROTOBUF_NEW(&arena, WireTest__Tree, wire_test__tree);
    message->name = protobuf_string(&arena, BYTES("root"));
    message->left = PROTOBUF_NEW(&arena, WireTest__Tree, wire_test__tree);
    message->left->name = protobuf_string(&arena, BYTES("left"));
    struct buffer packed = protobuf_pack(&message->base);
    WireTest__Tree *back = (WireTest__Tree *)protobuf_unpack(&arena, tree, buffer_view(&packed), 2, &error);
    assert_non_null(back);
    assert_string_equal(back->name, "root");
    assert_string_equal(back->left->name, "left");
    for (size_t size = 0; size < packed.size;
         size++) /* cut off anywhere: refused or a shorter message, never a crash */
        protobuf_unpack(&arena, tree, bytes_make(packed.data, size), 2, &error);
    assert_non_null(protobuf_unpack(&arena, tree, BYTES_NULL, 1, &error));
    buffer_free(&packed);
    arena_destroy(&arena);
}

static void malformed_fields_are_refused(void **state) {
    static const struct {
        uint8_t data[12];
        size_t size;
    } bad[] = {
        {{0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 'x'}, 7},                                 /* a length beyond the end */
        {{0x0a, 0x02, 0x1a, 0x05}, 4},                                                  /* … of the inner message */
        {{0x00, 0x01}, 2},                                                              /* field number 0 */
        {{0x0b, 0x0c}, 2},                                                              /* a group */
        {{0x0e}, 1},                                                                    /* a wire type that is none */
        {{0x21, 1, 2, 3}, 4},                                                           /* half a fixed64 */
        {{0x2d, 1}, 2},                                                                 /* half a fixed32 */
        {{0x38, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 12}, /* an eleven-byte varint */
        {{0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x00}, 7},                                /* a field number too large */
    };
    struct arena arena = {0};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct error error = {0};
        assert_null(protobuf_unpack(&arena, tree, bytes_make(bad[i].data, bad[i].size), 100, &error));
        assert_int_equal(error.code, ERROR_CORRUPT);
        assert_null(protobuf_unpack(&arena, tree, bytes_make(bad[i].data, bad[i].size), 100, NULL));
    }
    arena_destroy(&arena);
}

static void nesting_is_bounded_where_the_caller_says(void **state) {
    struct arena arena = {0};
    struct error error;
    struct buffer hundred = nested(100), more = nested(101), most = nested(PROTOBUF_DEPTH_MAX), bomb = nested(20000);
    assert_true(protobuf_check(tree, buffer_view(&hundred), PROTOBUF_DEPTH_USUAL, &error));
    assert_false(protobuf_check(tree, buffer_view(&more), PROTOBUF_DEPTH_USUAL, &error));
    assert_int_equal(error.code, ERROR_LIMIT);
    assert_string_equal(error.message, "the message Tree is nested more than 100 levels deep");
    assert_non_null(protobuf_unpack(&arena, tree, buffer_view(&most), PROTOBUF_DEPTH_MAX, &error));
    assert_null(protobuf_unpack(&arena, tree, buffer_view(&bomb), PROTOBUF_DEPTH_MAX, &error));
    assert_int_equal(error.code, ERROR_LIMIT);
    /* Bytes are not walked into: the same nesting as content of a bytes field is fine. */
    struct buffer wrapped = {0};
    WireTest__Tree message = WIRE_TEST__TREE__INIT;
    message.has_data = true;
    message.data = (ProtobufCBinaryData){more.size, more.data};
    wrapped = protobuf_pack(&message.base);
    assert_true(protobuf_check(tree, buffer_view(&wrapped), 1, &error));
    buffer_free(&wrapped);
    buffer_free(&hundred);
    buffer_free(&more);
    buffer_free(&most);
    buffer_free(&bomb);
    arena_destroy(&arena);
}

static void a_missing_required_field_is_an_error(void **state) {
    struct arena arena = {0};
    struct error error;
    assert_null(protobuf_unpack(&arena, &wire_test__strict__descriptor, BYTES(""), 1, &error));
    assert_int_equal(error.code, ERROR_CORRUPT);
    arena_destroy(&arena);
}

static void a_field_that_is_not_known_is_known_by_its_number(void **state) {
    struct arena arena = {0};
    struct error error;
    const uint8_t data[] = {0xe2, 0x01, 0x00}; /* field 28 */
    ProtobufCMessage *message = protobuf_unpack(&arena, tree, bytes_make(data, sizeof data), 1, &error);
    assert_non_null(message);
    assert_int_equal(protobuf_unknown_field(message), 28);
    arena_destroy(&arena);
}

static void delimited_messages_are_split_off(void **state) {
    struct buffer out = {0};
    WireTest__Tree message = WIRE_TEST__TREE__INIT;
    message.name = (char *)"x";
    protobuf_append_delimited(&out, &message.base);
    struct bytes part, input = bytes_make(out.data, out.size - 1);
    assert_int_equal(protobuf_take_delimited(&input, &part, 100), 0);
    input = buffer_view(&out);
    assert_int_equal(protobuf_take_delimited(&input, &part, 100), 1);
    assert_int_equal(part.size, 3);
    assert_int_equal(input.size, 0);
    input = buffer_view(&out);
    assert_int_equal(protobuf_take_delimited(&input, &part, 2), -1); /* longer than allowed */
    input = BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
    assert_int_equal(protobuf_take_delimited(&input, &part, 100), -1); /* no varint */
    buffer_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_goes_there_and_back),
        cmocka_unit_test(malformed_fields_are_refused),
        cmocka_unit_test(nesting_is_bounded_where_the_caller_says),
        cmocka_unit_test(a_missing_required_field_is_an_error),
        cmocka_unit_test(a_field_that_is_not_known_is_known_by_its_number),
        cmocka_unit_test(delimited_messages_are_split_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
