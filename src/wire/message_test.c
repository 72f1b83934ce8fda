/* Every message in every version: random values survive a round trip, every truncation is an error, and known bytes are
 * read as they must. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "wire/kafka_messages.h"
#include "wire/record_batch.h"

static uint64_t seed = 7;

static uint32_t random_below(uint32_t bound) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(seed >> 33) % bound;
}

struct any_array {
    uint8_t *items;
    int32_t count;
};

static void fill_struct(struct arena *arena, const struct wire_struct *of, int16_t version, void *value);

static void fill_value(struct arena *arena, const struct wire_field *field, int16_t version, void *at, bool nullable) {
    if (field->type == WIRE_STRUCT) {
        fill_struct(arena, field->of, version, at);
    } else if (field->type >= WIRE_STRING) {
        struct bytes *value = at;
        size_t size = random_below(8) ? random_below(6) : 200;
        uint8_t *data = arena_allocate(arena, size + 1);
        for (size_t i = 0; i < size; i++)
            data[i] = (uint8_t)random_below(256);
        *value = nullable && random_below(3) == 0 ? BYTES_NULL : bytes_make(data, size);
    } else if (field->type == WIRE_BOOL) {
        *(bool *)at = random_below(2);
    } else {
        for (uint32_t i = 0; i < field->size; i++)
            ((uint8_t *)at)[i] = (uint8_t)random_below(256);
        if (field->type == WIRE_FLOAT64)
            *(double *)at = random_below(1000);
    }
}

static void fill_struct(struct arena *arena, const struct wire_struct *of, int16_t version, void *value) {
    wire_set_defaults(of, value);
    for (unsigned i = 0; i < of->field_count; i++) {
        const struct wire_field *field = &of->fields[i];
        uint8_t *at = (uint8_t *)value + field->offset;
        bool nullable = version >= field->nullable;
        if (version < field->first || version > field->last || (field->tag >= 0 && random_below(3) == 0))
            continue;
        if (field->array) {
            struct any_array *array = (void *)at;
            array->count = nullable && random_below(4) == 0 ? -1 : (int32_t)random_below(3);
            array->items = arena_array(arena, 3, field->size);
            for (int32_t j = 0; j < array->count; j++)
                fill_value(arena, field, version, array->items + (size_t)j * field->size, false);
        } else if (field->type == WIRE_STRUCT && field->nullable <= field->last) {
            if (random_below(2)) {
                *(void **)at = arena_allocate_zeroed(arena, field->of->size);
                fill_struct(arena, field->of, version, *(void **)at);
            }
        } else {
            fill_value(arena, field, version, at, nullable);
        }
    }
}

static void check_round_trip(const struct wire_message *message, int16_t version) {
    struct arena arena = {0};
    struct buffer out = {0};
    struct error error = {0};
    void *value = arena_allocate_zeroed(&arena, message->body->size),
         *again = arena_allocate_zeroed(&arena, message->body->size);
    fill_struct(&arena, message->body, version, value);
    if (!wire_encode(message, version, value, &out, NULL, &error))
        fail_msg("%s %d: %s", message->name, version, error.message);
    struct bytes input = buffer_view(&out);
    if (!wire_decode(message, version, &input, &arena, again, &error))
        fail_msg("%s %d: %s", message->name, version, error.message);
    assert_int_equal(input.size, 0);
    if (!wire_equal(message->body, value, again))
        fail_msg("%s %d differs after a round trip", message->name, version);
    for (size_t size = 0; size < out.size; size++) {
        uint8_t *cut = malloc(size + 1); /* own memory, so that the sanitizer sees a read behind it */
        memcpy(cut, out.data, size);
        input = bytes_make(cut, size);
        assert_false(wire_decode(message, version, &input, &arena, again, &error));
        free(cut);
    }
    buffer_free(&out);
    arena_destroy(&arena);
}

static void test_round_trips(void **state) {
    for (int round = 0; round < 5; round++)
        for (int i = 0; i < KAFKA_MESSAGE_COUNT; i++)
            for (int16_t version = kafka_messages[i]->version_min; version <= kafka_messages[i]->version_max; version++)
                check_round_trip(kafka_messages[i], version);
}

static void test_random_bytes_never_crash(void **state) {
    for (int round = 0; round < 20000; round++) {
        const struct wire_message *message = kafka_messages[random_below(KAFKA_MESSAGE_COUNT)];
        struct arena arena = {0};
        uint8_t noise[64];
        for (size_t i = 0; i < sizeof noise; i++)
            noise[i] = (uint8_t)(random_below(3) ? random_below(4) : random_below(256));
        struct bytes input = bytes_make(noise, sizeof noise);
        struct error error = {0};
        wire_decode(message, message->version_max, &input, &arena, arena_allocate(&arena, message->body->size), &error);
        arena_destroy(&arena);
    }
}

/* The topic record as a KRaft broker wrote it: compact name, uuid, no tagged fields. */
static void test_known_bytes(void **state) {
    static const uint8_t known[] = {
        7, 'e', 'v', 'e', 'n', 't', 's', 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0};
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_topic_record topic;
    struct bytes input = bytes_make(known, sizeof known);
    assert_true(wire_decode(&kafka_topic_record_message, 0, &input, &arena, &topic, &error));
    assert_true(bytes_equal_text(topic.name, "events"));
    assert_int_equal(topic.topic_id.bytes[15], 16);
    struct buffer out = {0};
    assert_true(wire_encode(&kafka_topic_record_message, 0, &topic, &out, NULL, &error));
    assert_int_equal(out.size, sizeof known);
    assert_memory_equal(out.data, known, sizeof known);
    buffer_free(&out);
    arena_destroy(&arena);
}

static void test_unknown_tags_are_skipped(void **state) {
    static const uint8_t bytes[] = {
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 2, 9, 3, 'a', 'b', 'c', 200, 1, 0};
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_remove_topic_record record;
    struct bytes input = bytes_make(bytes, sizeof bytes);
    assert_true(wire_decode(&kafka_remove_topic_record_message, 0, &input, &arena, &record, &error));
    assert_int_equal(input.size, 0);
    arena_destroy(&arena);
}

static void test_counts_are_checked_before_memory_is_taken(void **state) {
    static const uint8_t bytes[] = {0x7f, 0xff, 0xff, 0xff, 0, 1, 'a'};
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_metadata_request request;
    struct bytes input = bytes_make(bytes, sizeof bytes);
    assert_false(wire_decode(&kafka_metadata_request_message, 1, &input, &arena, &request, &error));
    assert_int_equal(error.code, ERROR_CORRUPT);
    assert_non_null(strstr(error.message, "topics"));
    arena_destroy(&arena);
}

static void test_values_a_version_lacks_are_refused(void **state) {
    struct kafka_join_group_request request;
    struct buffer out = {0};
    struct error error = {0};
    wire_set_defaults(&kafka_join_group_request_struct, &request);
    request.reason = BYTES("leaving"); /* lossy: dropped */
    assert_true(wire_encode(&kafka_join_group_request_message, 4, &request, &out, NULL, &error));
    request.instance_id = BYTES("static-1");
    assert_false(wire_encode(&kafka_join_group_request_message, 4, &request, &out, NULL, &error));
    assert_non_null(strstr(error.message, "instance_id"));
    buffer_free(&out);
}

static void test_records_can_be_left_out(void **state) {
    struct arena arena = {0};
    struct buffer out = {0}, whole = {0};
    struct wire_gaps gaps = {0};
    struct error error = {0};
    struct kafka_fetch_reply reply;
    wire_set_defaults(&kafka_fetch_reply_struct, &reply);
    WIRE_ARRAY(&arena, &reply.topics, &kafka_fetch_reply_topic_struct, 1);
    WIRE_ARRAY(&arena, &reply.topics.items[0].partitions, &kafka_fetch_reply_partition_struct, 2);
    reply.topics.items[0].partitions.items[1].records = BYTES("batches");
    assert_true(wire_encode(&kafka_fetch_reply_message, 12, &reply, &out, &gaps, &error));
    assert_true(wire_encode(&kafka_fetch_reply_message, 12, &reply, &whole, NULL, &error));
    assert_int_equal(gaps.count, 1);
    assert_int_equal(out.size + 7, whole.size);
    assert_memory_equal(out.data, whole.data, gaps.items[0].position);
    assert_memory_equal(whole.data + gaps.items[0].position, "batches", 7);
    VECTOR_FREE(&gaps);
    buffer_free(&out);
    buffer_free(&whole);
    arena_destroy(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_random_bytes_never_crash),
        cmocka_unit_test(test_known_bytes),
        cmocka_unit_test(test_unknown_tags_are_skipped),
        cmocka_unit_test(test_counts_are_checked_before_memory_is_taken),
        cmocka_unit_test(test_values_a_version_lacks_are_refused),
        cmocka_unit_test(test_records_can_be_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
