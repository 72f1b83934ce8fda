/* csv_test.c: CSV and text files as a user sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include "base/assert.h"
#include "format/csv.h"
#include "format/json.h"

/* Reads the file and gives its rows as JSON lines. */
static void check(const struct format_class *format, const char *schema, const char *file,
    const struct format_option *items, size_t count, const char *expected) {
    struct arena arena = {0};
    struct error error = {0};
    struct buffer out = {0};
    struct format_options options = {items, count};
    struct format_source source = {.data = bytes_from_text(file)};
    const struct type *type = NULL;
    if (schema != NULL) {
        type = type_parse_ddl(&arena, bytes_from_text(schema), &error);
    } else {
        assert_true(format->infer(&arena, &source, &options, timezone_utc(), &type, &error));
    }
    struct format_read_request request = {.schema = type, .options = &options, .zone = timezone_utc(), .batch_rows = 2};
    struct format_reader *reader = format->open(&source, &request, &error);
    assert_non_null(reader);
    struct batch *batch;
    while (format->next(reader, &batch, &error) == FORMAT_NEXT_BATCH) {
        struct column row = {.type = type,
            .row_count = batch->row_count,
            .children = batch->columns,
            .child_count = batch->column_count};
        for (size_t i = 0; i < batch->row_count; i++) {
            json_write_value(&row, i, &(struct json_write_options){.keep_null_fields = true}, &out);
            buffer_append_byte(&out, '\n');
        }
        batch_release(batch);
    }
    format->close(reader);
    assert_string_equal(buffer_text(&out), expected);
    buffer_free(&out);
    arena_destroy(&arena);
}

static void test_csv(void **state) {
    const struct format_option header[] = {{BYTES("header"), BYTES("true")}, {BYTES("inferSchema"), BYTES("true")}};
    check(&format_csv, "a INT, b STRING", "1,x\n2,\"y, \"\"z\"\n,\n", NULL, 0,
        "{\"a\":1,\"b\":\"x\"}\n{\"a\":2,\"b\":\"y, \\\"\\\"z\"}\n{\"a\":null,\"b\":null}\n");
    check(&format_csv, "a INT, b STRING", "x,1\n2\n", NULL, 0, "{\"a\":null,\"b\":\"1\"}\n{\"a\":2,\"b\":null}\n");
    check(&format_csv, NULL, "id,name,when\r\n1,a\\\"b,2026-03-01\r\n20,\"c\\\"d\",2026-03-02", header, 2,
        "{\"id\":1,\"name\":\"a\\\\\\\"b\",\"when\":\"2026-03-01\"}\n{\"id\":20,\"name\":\"c\\\"d\",\"when\":\"2026-03-"
        "02\"}\n");
    const struct format_option lines[] = {
        {BYTES("multiLine"), BYTES("true")}, {BYTES("sep"), BYTES(";")}, {BYTES("mode"), BYTES("DROPMALFORMED")}};
    check(&format_csv, "a STRING, b INT", "\"x\ny\";1\nbad;z\nw;2\n", lines, 3,
        "{\"a\":\"x\\ny\",\"b\":1}\n{\"a\":\"w\",\"b\":2}\n");
    (void)state;
}

static void test_text(void **state) {
    const struct format_option whole = {BYTES("wholetext"), BYTES("true")};
    check(&format_text, NULL, "a\r\nb\n\nc", NULL, 0,
        "{\"value\":\"a\"}\n{\"value\":\"b\"}\n{\"value\":\"\"}\n{\"value\":\"c\"}\n");
    check(&format_text, NULL, "a\nb", &whole, 1, "{\"value\":\"a\\nb\"}\n");
    (void)state;
}

static void test_json_lines(void **state) {
    const struct format_option multi = {BYTES("multiLine"), BYTES("true")},
                               drop = {BYTES("mode"), BYTES("DROPMALFORMED")};
    check(&format_json, NULL, "{\"b\":1}\n\n{\"a\":\"x\"}\n", NULL, 0,
        "{\"a\":null,\"b\":1}\n{\"a\":\"x\",\"b\":null}\n");
    check(&format_json, "a INT", "[{\"a\":1},\n{\"a\":2}]", &multi, 1, "{\"a\":1}\n{\"a\":2}\n");
    check(&format_json, "a INT", "{\"a\":1}\n{\"a\":\n{\"a\":\"x\"}\n{\"a\":4}", &drop, 1, "{\"a\":1}\n{\"a\":4}\n");
    (void)state;
}

static void test_writing(void **state) {
    struct arena arena = {0};
    struct error error = {0};
    struct buffer out = {0};
    struct format_option header = {BYTES("header"), BYTES("true")};
    struct format_options options = {&header, 1};
    const struct type *type = type_parse_ddl(&arena, BYTES("a INT, b STRING"), &error);
    struct batch *batch = batch_create(type);
    int32_t numbers[] = {1, 2};
    struct string_view texts[] = {{(const uint8_t *)"x,\"y", 4, 0}, {(const uint8_t *)"", 0, 0}};
    struct column columns[] = {{.type = type_simple(TYPE_INTEGER), .row_count = 2, .values = numbers},
        {.type = type_simple(TYPE_STRING), .row_count = 2, .values = texts}};
    batch->columns[0] = &columns[0];
    batch->columns[1] = &columns[1];
    batch->row_count = 2;
    struct format_writer *writer =
        format_csv.create(type, &options, timezone_utc(), format_output_buffer(&out), &error);
    assert_true(format_csv.write(writer, batch, &error) && format_csv.finish(writer, &error));
    assert_string_equal(buffer_text(&out), "a,b\n1,\"x,\\\"y\"\n2,\"\"\n");
    buffer_clear(&out);
    writer = format_json.create(type, NULL, timezone_utc(), format_output_buffer(&out), &error);
    assert_true(format_json.write(writer, batch, &error) && format_json.finish(writer, &error));
    assert_string_equal(buffer_text(&out), "{\"a\":1,\"b\":\"x,\\\"y\"}\n{\"a\":2,\"b\":\"\"}\n");
    batch_release(batch);
    buffer_free(&out);
    arena_destroy(&arena);
    (void)state;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_csv), cmocka_unit_test(test_text),
        cmocka_unit_test(test_json_lines), cmocka_unit_test(test_writing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
