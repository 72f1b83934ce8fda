/* record_batch_test.c: checksums, record batches, and what damaged ones do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/assert.h"
#include "wire/crc32c.h"
#include "wire/record_batch.h"

static void crc32c_of_known_texts(void **state) {
    assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283u); /* the check value of the catalogue of CRCs */
    uint8_t zeros[32] = {0};
    assert_int_equal(crc32c(0, zeros, sizeof zeros), 0x8A9136AAu); /* RFC 3720 B.4 */
}

static void crc32c_is_the_same_with_and_without_the_instruction(void **state) {
    static uint8_t data[20000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    for (size_t size = 0; size < sizeof data; size += 1 + size / 7)
        for (size_t start = 0; start < 3; start++) {
            size_t length = size > start ? size - start : 0;
            assert_int_equal(crc32c(7, data + start, length), crc32c_portable(7, data + start, length));
        }
}

static void build(struct buffer *out) {
    struct record_builder builder;
    record_builder_begin(&builder, out, 100, 0);
    record_builder_add(&builder, 100, 5000, BYTES("k"), BYTES("value"), BYTES("\x02h\x04xy"), 1);
    record_builder_add(&builder, 101, 4990, BYTES_NULL, BYTES_NULL, BYTES_NULL, 0);
    record_builder_add(&builder, 105, 6000, BYTES(""), BYTES("last"), BYTES_NULL, 0);
    record_builder_end(&builder, 9, 1, 3, 7);
}

static void a_batch_reads_back_as_it_was_built(void **state) {
    struct buffer out = {0};
    build(&out);
    struct record_batch batch;
    assert_int_equal(record_batch_parse(buffer_view(&out), &batch), RECORD_BATCH_OK);
    assert_true(record_batch_checksum_ok(&batch));
    assert_int_equal(record_batch_last_offset(&batch), 105);
    assert_int_equal(batch.max_timestamp, 6000);
    assert_int_equal(batch.leader_epoch, 7);
    struct record_reader reader;
    struct record record;
    struct error error = {0};
    record_reader_init(&reader, &batch, batch.records);
    assert_true(record_reader_next(&reader, &record, &error));
    assert_true(bytes_equal_text(record.value, "value"));
    struct record_header header;
    assert_true(record_header_next(&record.headers, &header));
    assert_true(bytes_equal_text(header.key, "h") && bytes_equal_text(header.value, "xy"));
    assert_true(record_reader_next(&reader, &record, &error));
    assert_null(record.key.data);
    assert_null(record.value.data);
    assert_int_equal(record.timestamp, 4990);
    assert_true(record_reader_next(&reader, &record, &error));
    assert_int_equal(record.offset, 105);
    assert_non_null(record.key.data);
    assert_false(record_reader_next(&reader, &record, &error));
    assert_int_equal(error.code, ERROR_NONE);
    buffer_free(&out);
}

static void a_cut_batch_is_short_and_a_changed_byte_is_noticed(void **state) {
    struct buffer out = {0};
    build(&out);
    struct record_batch batch;
    for (size_t size = 0; size < out.size; size++) {
        uint8_t *copy = malloc(size ? size : 1); /* its own memory, so that a sanitizer sees reading beyond */
        memcpy(copy, out.data, size);
        assert_int_equal(record_batch_parse(bytes_make(copy, size), &batch), RECORD_BATCH_SHORT);
        free(copy);
    }
    for (size_t at = 16; at < out.size; at++) {
        out.data[at] ^= 0x40;
        assert_true(
            record_batch_parse(buffer_view(&out), &batch) != RECORD_BATCH_OK || !record_batch_checksum_ok(&batch));
        out.data[at] ^= 0x40;
    }
    buffer_free(&out);
}

static void damaged_records_end_with_an_error_not_beyond_the_batch(void **state) {
    struct buffer out = {0};
    build(&out);
    for (size_t at = RECORD_BATCH_HEADER_SIZE; at < out.size; at++)
        for (int bit = 0; bit < 8; bit++) {
            uint8_t *copy = malloc(out.size);
            memcpy(copy, out.data, out.size);
            copy[at] ^= (uint8_t)(1 << bit);
            struct record_batch batch;
            struct record_reader reader;
            struct record record;
            struct error error = {0};
            assert_int_equal(record_batch_parse(bytes_make(copy, out.size), &batch), RECORD_BATCH_OK);
            record_reader_init(&reader, &batch, batch.records);
            while (record_reader_next(&reader, &record, &error)) {
            }
            free(copy);
        }
    buffer_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c_of_known_texts),
        cmocka_unit_test(crc32c_is_the_same_with_and_without_the_instruction),
        cmocka_unit_test(a_batch_reads_back_as_it_was_built),
        cmocka_unit_test(a_cut_batch_is_short_and_a_changed_byte_is_noticed),
        cmocka_unit_test(damaged_records_end_with_an_error_not_beyond_the_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
