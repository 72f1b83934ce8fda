/* Each codec gives back what it was given, stops at its cap, and refuses damaged input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/compress.h"

static void fill(struct buffer *buffer, size_t size) {
    for (size_t i = 0; i < size; i++)
        buffer_append_byte(buffer, (uint8_t)((i * 7 + i / 97) % 61));
}

static void test_round_trips(void **state) {
    static const size_t sizes[] = {0, 1, 100, 65535, 65536, 65537, 300000};
    for (enum record_codec codec = RECORD_CODEC_NONE; codec < RECORD_CODEC_COUNT; codec++)
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            struct buffer input = {0}, packed = {0}, output = {0};
            struct error error = {0};
            fill(&input, sizes[i]);
            buffer_append_text(&output, "before");
            assert_true(compression_encode(codec, buffer_view(&input), &packed, &error));
            if (!compression_decode(codec, buffer_view(&packed), COMPRESSION_OUTPUT_MAX, &output, &error))
                fail_msg("%s %zu: %s", compression_name(codec), sizes[i], error.message);
            assert_int_equal(output.size, sizes[i] + 6);
            if (sizes[i] > 0)
                assert_memory_equal(output.data + 6, input.data, sizes[i]);
            buffer_free(&input);
            buffer_free(&packed);
            buffer_free(&output);
        }
}

static void test_output_is_capped(void **state) {
    struct buffer input = {0};
    buffer_extend(&input, 10 << 20);
    memset(input.data, 0, input.size);
    for (enum record_codec codec = RECORD_CODEC_NONE; codec < RECORD_CODEC_COUNT; codec++) {
        struct buffer packed = {0}, output = {0};
        struct error error = {0};
        assert_true(compression_encode(codec, buffer_view(&input), &packed, &error));
        assert_false(compression_decode(codec, buffer_view(&packed), input.size - 1, &output, &error));
        assert_int_equal(error.code, ERROR_LIMIT);
        buffer_clear(&output);
        assert_true(compression_decode(codec, buffer_view(&packed), input.size, &output, &error));
        assert_int_equal(output.size, input.size);
        buffer_free(&packed);
        buffer_free(&output);
    }
    buffer_free(&input);
}

static void test_damage_is_found(void **state) {
    struct buffer input = {0};
    fill(&input, 100000);
    for (enum record_codec codec = RECORD_CODEC_GZIP; codec < RECORD_CODEC_COUNT; codec++) {
        struct buffer packed = {0}, output = {0};
        struct error error = {0};
        assert_true(compression_encode(codec, buffer_view(&input), &packed, &error));
        for (size_t size = 0; size < packed.size; size += packed.size / 50 + 1) {
            buffer_clear(&output);
            /* Xerial's framing has no end mark: a cut between two blocks is a shorter text. */
            if (compression_decode(codec, bytes_make(packed.data, size), COMPRESSION_OUTPUT_MAX, &output, &error))
                assert_true(codec == RECORD_CODEC_SNAPPY && output.size < input.size);
        }
        assert_false(
            compression_decode(codec, BYTES("\xff\xff\xff\xff\xffnonsense"), COMPRESSION_OUTPUT_MAX, &output, &error));
        buffer_free(&packed);
        buffer_free(&output);
    }
    buffer_free(&input);
}

static void test_raw_snappy(void **state) {
    struct buffer output = {0};
    struct error error = {0};
    /* Length 5, a literal of 5 bytes. */
    assert_true(
        compression_decode(RECORD_CODEC_SNAPPY, BYTES("\x05\x10hello"), COMPRESSION_OUTPUT_MAX, &output, &error));
    assert_string_equal(buffer_text(&output), "hello");
    buffer_free(&output);
}

static void test_names(void **state) {
    enum record_codec codec;
    assert_true(compression_from_name(BYTES("zstd"), &codec));
    assert_int_equal(codec, RECORD_CODEC_ZSTD);
    assert_false(compression_from_name(BYTES("brotli"), &codec));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_output_is_capped),
        cmocka_unit_test(test_damage_is_found),
        cmocka_unit_test(test_raw_snappy),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
