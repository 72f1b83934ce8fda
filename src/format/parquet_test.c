/* parquet_test.c: what is written is read back, for all types and codecs; damage gives errors. With a file name as
 * argument it writes a file there with every type, for other readers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/assert.h"
#include "column/builder.h"
#include "format/json.h"
#include "format/parquet.h"

static const char schema_text[] = "b BOOLEAN, t TINYINT, s SMALLINT, i INT, l BIGINT, f FLOAT, d DOUBLE, n "
                                  "DECIMAL(9,2), m DECIMAL(18,4), w DECIMAL(38,10), x STRING, y BINARY, "
                                  "da DATE, ts TIMESTAMP, nt TIMESTAMP_NTZ, a ARRAY<INT>, st STRUCT<p: INT, q: "
                                  "STRING>, ma MAP<STRING, ARRAY<STRUCT<z: BIGINT>>>";

/* Row `index` as JSON; every 7th value is absent. */
static void row_json(size_t index, struct buffer *out) {
    unsigned i = (unsigned)index;
    buffer_printf(out,
        "{\"b\":%s,\"t\":%d,\"s\":%d,\"i\":%u,\"l\":%lld,\"f\":%u.5,\"d\":%u.25,\"n\":%u.12,\"m\":-%u.1234,\"w\":%u."
        "1234567891",
        i % 2 ? "true" : "false", (int)(i % 200) - 100, (int)(i % 30000), i % 100, (long long)i * 1234567891011ll, i, i,
        i, i, i);
    buffer_printf(out,
        ",\"x\":\"text "
        "%u\",\"y\":\"AAEC\",\"da\":\"2026-03-%02u\",\"ts\":\"2026-03-01T08:%02u:%02u.%06u\",\"nt\":\"1969-12-31 "
        "23:59:%02u\"",
        i % 7 == 0 ? i : i % 50, i % 28 + 1, i / 60 % 60, i % 60, i % 1000000, i % 60);
    buffer_append_text(out, i % 5 == 0 ? ",\"a\":[]" : i % 5 == 1 ? ",\"a\":null" : ",\"a\":[1,null,3]");
    buffer_printf(out, ",\"st\":%s",
        i % 3 == 0   ? "null"
        : i % 3 == 1 ? "{\"p\":1,\"q\":null}"
                     : "{\"p\":null,\"q\":\"v\"}");
    buffer_printf(out, ",\"ma\":%s}",
        i % 4 == 0   ? "{}"
        : i % 4 == 1 ? "{\"k\":[{\"z\":1},{\"z\":null}],\"l\":null}"
        : i % 4 == 2 ? "{\"k\":[]}"
                     : "null");
}

static struct batch *make_batch(const struct type *schema, size_t from, size_t count, bool nulls) {
    struct batch *batch = batch_create(schema);
    struct string_view *views = ARENA_ARRAY(&batch->arena, struct string_view, count);
    for (size_t i = 0; i < count; i++) {
        struct buffer text = {0};
        row_json(from + i, &text);
        struct bytes copy = nulls && (from + i) % 7 == 3 ? BYTES("{}") : arena_copy(&batch->arena, buffer_view(&text));
        views[i] = (struct string_view){copy.data, (uint32_t)copy.size, 0};
        buffer_free(&text);
    }
    struct error error;
    struct json_reader *reader = json_reader_create(schema, NULL, timezone_utc(), &error);
    struct column texts = {.type = type_simple(TYPE_STRING), .row_count = count, .values = views};
    struct column *rows = json_reader_parse(reader, &batch->arena, &texts, count, NULL, &error);
    assert_non_null(rows);
    json_reader_destroy(reader);
    for (size_t i = 0; i < batch->column_count; i++) {
        batch->columns[i] = rows->children[i];
    }
    batch->row_count = count;
    return batch;
}

static void append_rows(const struct batch *batch, struct buffer *out) {
    struct column row = {.type = batch->schema,
        .row_count = batch->row_count,
        .children = batch->columns,
        .child_count = batch->column_count};
    struct json_write_options options = {.keep_null_fields = true,
        .timestamp_format = BYTES("yyyy-MM-dd HH:mm:ss.SSSSSS"),
        .timestamp_ntz_format = BYTES("yyyy-MM-dd HH:mm:ss.SSSSSS")};
    for (size_t i = 0; i < batch->row_count; i++) {
        json_write_value(&row, i, &options, out);
        buffer_append_byte(out, '\n');
    }
}

static void write_rows(const struct type *schema, const struct parquet_write_options *options, size_t rows, bool nulls,
    struct buffer *file, struct buffer *expected) {
    struct error error;
    struct parquet_writer *writer = parquet_writer_create(schema, options, format_output_buffer(file), &error);
    assert_non_null(writer);
    for (size_t from = 0; from < rows; from += 1000) {
        struct batch *batch = make_batch(schema, from, rows - from < 1000 ? rows - from : 1000, nulls);
        assert_true(parquet_writer_write(writer, batch, &error));
        append_rows(batch, expected);
        batch_release(batch);
    }
    assert_true(parquet_writer_finish(writer, &error));
}

static bool read_rows(struct bytes data, const struct type *schema, struct buffer *out, struct error *error) {
    struct format_source source = {.data = data};
    struct format_read_request request = {.schema = schema, .batch_rows = 777};
    struct format_reader *reader = format_parquet.open(&source, &request, error);
    if (reader == NULL) {
        return false;
    }
    struct batch *batch;
    enum format_next next;
    while ((next = format_parquet.next(reader, &batch, error)) == FORMAT_NEXT_BATCH) {
        append_rows(batch, out);
        batch_release(batch);
    }
    format_parquet.close(reader);
    return next == FORMAT_NEXT_END;
}

static void test_round_trips(void **state) {
    struct arena arena = {0};
    struct error error = {0};
    const struct type *schema = type_parse_ddl(&arena, bytes_from_text(schema_text), &error);
    const struct parquet_write_options variants[] = {{.codec = FORMAT_CODEC_SNAPPY},
        {.codec = FORMAT_CODEC_NONE, .no_dictionary = true},
        {.codec = FORMAT_CODEC_GZIP, .no_delta = true, .timestamp = PARQUET_TIMESTAMP_INT96},
        {.codec = FORMAT_CODEC_ZSTD, .page_size = 512},
        {.codec = FORMAT_CODEC_LZ4, .row_group_size = 20000, .no_dictionary = true, .no_delta = true}};
    for (size_t i = 0; i < ARRAY_COUNT(variants); i++) {
        struct buffer file = {0}, expected = {0}, found = {0};
        write_rows(schema, &variants[i], 5000, i % 2 == 1, &file, &expected);
        assert_true(read_rows(buffer_view(&file), schema, &found, &error));
        assert_int_equal(expected.size, found.size);
        assert_memory_equal(expected.data, found.data, expected.size);
        const struct type *inferred = NULL;
        struct format_source source = {.data = buffer_view(&file)};
        assert_true(format_parquet.infer(&arena, &source, NULL, NULL, &inferred, &error));
        assert_true(type_equal_ignoring_nullability(inferred, schema));
        buffer_free(&file);
        buffer_free(&expected);
        buffer_free(&found);
    }
    arena_destroy(&arena);
    (void)state;
}

static void test_column_choice_and_widening(void **state) {
    struct arena arena = {0};
    struct error error = {0};
    const struct type *schema = type_parse_ddl(&arena, BYTES("a INT, b STRING, c STRUCT<p: INT, q: INT>"), &error);
    const struct type *wanted = type_parse_ddl(&arena, BYTES("none STRING, c STRUCT<q: BIGINT>, a BIGINT"), &error);
    struct buffer file = {0}, ignored = {0}, found = {0};
    struct batch *batch = batch_create(schema);
    struct string_view text = {(const uint8_t *)"{\"a\":7,\"b\":\"x\",\"c\":{\"p\":1,\"q\":2}}", 34, 0};
    struct json_reader *reader = json_reader_create(schema, NULL, timezone_utc(), &error);
    struct column *rows = json_reader_parse(reader, &batch->arena,
        &(struct column){.type = type_simple(TYPE_STRING), .row_count = 1, .values = &text}, 1, NULL, &error);
    memcpy(batch->columns, rows->children, 3 * sizeof *rows->children);
    batch->row_count = 1;
    struct parquet_writer *writer =
        parquet_writer_create(schema, &(struct parquet_write_options){0}, format_output_buffer(&file), &error);
    assert_true(parquet_writer_write(writer, batch, &error) && parquet_writer_finish(writer, &error));
    assert_true(read_rows(buffer_view(&file), wanted, &found, &error));
    assert_string_equal(buffer_text(&found), "{\"none\":null,\"c\":{\"q\":2},\"a\":7}\n");
    const struct type *wrong = type_parse_ddl(&arena, BYTES("b INT"), &error);
    assert_false(read_rows(buffer_view(&file), wrong, &ignored, &error));
    assert_non_null(strstr(error.message, "[b]"));
    json_reader_destroy(reader);
    batch_release(batch);
    buffer_free(&file);
    buffer_free(&ignored);
    buffer_free(&found);
    arena_destroy(&arena);
    (void)state;
}

/* Every byte changed in turn and every length: an answer or an error, never more. */
static void test_damage(void **state) {
    struct arena arena = {0};
    struct error error = {0};
    const struct type *schema = type_parse_ddl(&arena, BYTES("i INT, x STRING, a ARRAY<INT>, ts TIMESTAMP"), &error);
    struct buffer file = {0}, expected = {0}, found = {0};
    write_rows(schema, &(struct parquet_write_options){.codec = FORMAT_CODEC_SNAPPY}, 40, true, &file, &expected);
    uint8_t *copy = malloc(file.size);
    assert_non_null(copy);
    for (size_t i = 0; i < file.size; i++) {
        memcpy(copy, file.data, file.size);
        copy[i] ^= (uint8_t)(1 + i * 37 % 255);
        buffer_clear(&found);
        (void)read_rows(bytes_make(copy, file.size), schema, &found, &error);
        if (i > 8) {
            (void)read_rows(bytes_slice(buffer_view(&file), 0, i), schema, &found, &error);
        }
    }
    free(copy);
    buffer_free(&file);
    buffer_free(&expected);
    buffer_free(&found);
    arena_destroy(&arena);
    (void)state;
}

static int write_sample(const char *path) {
    struct arena arena = {0};
    struct error error;
    const struct type *schema = type_parse_ddl(&arena, bytes_from_text(schema_text), &error);
    struct buffer file = {0}, expected = {0};
    write_rows(schema, &(struct parquet_write_options){.codec = FORMAT_CODEC_SNAPPY, .row_group_size = 400000}, 25000,
        true, &file, &expected);
    FILE *out = fopen(path, "wb");
    if (out == NULL || fwrite(file.data, 1, file.size, out) != file.size || fclose(out) != 0) {
        return 1;
    }
    fwrite(expected.data, 1, expected.size, stdout);
    buffer_free(&file);
    buffer_free(&expected);
    arena_destroy(&arena);
    return 0;
}

int main(int argument_count, char **arguments) {
    if (argument_count > 1) {
        return write_sample(arguments[1]);
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_column_choice_and_widening), cmocka_unit_test(test_damage)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
