/* json_test.c: from_json, to_json, inference and paths as a user sees them. The learned parser is checked against the
 * general one: every text is read alone (nothing learned) and behind many others of its shape, and both must agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include "base/assert.h"
#include "format/json.h"

static struct column *parse(struct arena *arena, const char *schema, const char *const *texts, size_t count,
    const struct format_options *options, struct format_report *report, struct error *error) {
    const struct type *type = type_parse_ddl(arena, bytes_from_text(schema), error);
    assert_non_null(type);
    struct json_reader *reader = json_reader_create(type, options, timezone_utc(), error);
    assert_non_null(reader);
    struct string_view *views = ARENA_ARRAY(arena, struct string_view, count + 1);
    for (size_t i = 0; i < count; i++) {
        views[i] = (struct string_view){(const uint8_t *)texts[i], (uint32_t)strlen(texts[i]), 0};
    }
    struct column column = {.type = type_simple(TYPE_STRING), .row_count = count, .values = views};
    struct column *result = json_reader_parse(reader, arena, &column, count, report, error);
    json_reader_destroy(reader);
    return result;
}

static void check(const char *schema, const char *text, const char *expected) {
    struct arena arena = {0};
    struct error error = {0};
    struct format_report report = {0};
    struct json_write_options write = {
        .keep_null_fields = true, .timestamp_format = BYTES("yyyy-MM-dd HH:mm:ss.SSSSSS")};
    struct buffer out = {0};
    const char *many[50];
    for (size_t i = 0; i < ARRAY_COUNT(many); i++) {
        many[i] = text;
    }
    for (size_t count = 1; count <= ARRAY_COUNT(many); count += ARRAY_COUNT(many) - 1) {
        struct column *column = parse(&arena, schema, many, count, NULL, &report, &error);
        assert_non_null(column);
        for (size_t row = 0; row<count; row += count> 1 ? count - 1 : 1) {
            buffer_clear(&out);
            json_write_value(column, row, &write, &out);
            assert_string_equal(buffer_text(&out), expected);
        }
    }
    buffer_free(&out);
    arena_destroy(&arena);
}

static void test_values(void **state) {
    const char *course = "timestamp TIMESTAMP, value INT";
    check(course, "{\"timestamp\": \"2026-03-01T08:00:00.123456\", \"value\": 57}",
        "{\"timestamp\":\"2026-03-01 08:00:00.123456\",\"value\":57}");
    check(course, "{\"timestamp\":\"2026-03-01T08:00:00\",\"value\":-5}",
        "{\"timestamp\":\"2026-03-01 08:00:00.000000\",\"value\":-5}");
    check(course, "{\"value\":1,\"timestamp\":\"2026-03-01T08:00:00.5+02:00\"}",
        "{\"timestamp\":\"2026-03-01 06:00:00.500000\",\"value\":1}");
    check(course, "{\"value\":1}", "{\"timestamp\":null,\"value\":1}");
    check(course, "{\"value\":1,\"value\":2}", "{\"timestamp\":null,\"value\":2}");
    check(course, "{\"value\":\"57\"}", "{\"timestamp\":null,\"value\":null}");
    check(course, "{\"value\":3000000000}", "{\"timestamp\":null,\"value\":null}");
    check(course, "{\"value\":1.0}", "{\"timestamp\":null,\"value\":null}");
    check(course, "{\"timestamp\":\"2026-02-29T08:00:00.123456\",\"value\":1}", "{\"timestamp\":null,\"value\":1}");
    check(course, "{\"timestamp\":\"2026-13-01T08:00:00.123456\",\"value\":1}", "{\"timestamp\":null,\"value\":1}");
    check(course, "{\"timestamp\":\"2026-03-01T24:00:00.123456\",\"value\":1}", "{\"timestamp\":null,\"value\":1}");
    check(course, "{\"value\":12345678}", "{\"timestamp\":null,\"value\":12345678}");
    check(course, "{\"value\":2147483647}", "{\"timestamp\":null,\"value\":2147483647}");
    check(course, "{\"value\":2147483648}", "{\"timestamp\":null,\"value\":null}");
    check(course, "{\"value\":01}", "{\"timestamp\":null,\"value\":null}");
    check(course, "not json", "{\"timestamp\":null,\"value\":null}");
    check(course, "{\"timestamp\":\"2026-03-01T08:00:00\",\"value\":57", "{\"timestamp\":null,\"value\":null}");
    check(course, "  ", "null");
    check("a BIGINT", "{\"a\":-123456789012345678}", "{\"a\":-123456789012345678}");
    check("a BIGINT", "{\"a\":9223372036854775807}", "{\"a\":9223372036854775807}");
    check("a BIGINT", "{\"a\":9223372036854775808}", "{\"a\":null}");
    check("a STRING, b DOUBLE", "{\"a\":\"caf\xc3\xa9 \\u00e9\\n\",\"b\":1.5e3}",
        "{\"a\":\"caf\xc3\xa9 \xc3\xa9\\n\",\"b\":1500.0}");
    check("a STRING, b DOUBLE", "{\"a\":{\"x\":[1, 2]},\"b\":0.1}", "{\"a\":\"{\\\"x\\\":[1, 2]}\",\"b\":0.1}");
    check("a STRING, b DOUBLE", "{\"a\":\"plain\",\"b\":-12.25}", "{\"a\":\"plain\",\"b\":-12.25}");
    check("a BOOLEAN, b FLOAT", "{\"a\":true,\"b\":1.5}", "{\"a\":true,\"b\":1.5}");
    check("a ARRAY<INT>, s STRUCT<x: INT, y: STRING>", "{\"a\":[1,null,3],\"s\":{\"y\":\"q\"}}",
        "{\"a\":[1,null,3],\"s\":{\"x\":null,\"y\":\"q\"}}");
    check("a ARRAY<INT>, s STRUCT<x: INT>", "{\"a\":[1,\"x\"],\"s\":{\"x\":\"y\"}}", "{\"a\":null,\"s\":{\"x\":null}}");
    check("m MAP<STRING, INT>", "{\"m\":{\"a\":1,\"b\":2}}", "{\"m\":{\"a\":1,\"b\":2}}");
    check("a INT, b INT", "{'a':1,\"b\":null}", "{\"a\":1,\"b\":null}");
    check("d DECIMAL(10,2)", "{\"d\":12.34}", "{\"d\":12.34}");
    check("d DATE", "{\"d\":\"2026-03-01\"}", "{\"d\":\"2026-03-01\"}");
    (void)state;
}

static void test_shapes_mixed(void **state) {
    struct arena arena = {0};
    struct error error = {0};
    struct format_report report = {0};
    const char *texts[4000];
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        texts[i] = i % 97 == 5 ? "{\"v\":bad}"
                               : arena_printf(&arena,
                                     i % 3 == 0   ? "{\"s\":\"x%zu\",\"v\":%zu}"
                                     : i % 3 == 1 ? "{\"v\": %2$zu, \"s\": \"x%1$zu\"}"
                                                  : "{\"v\":%2$zu,\"z\":\"%1$zu\"}",
                                     i, i);
    }
    struct column *column = parse(&arena, "s STRING, v BIGINT", texts, ARRAY_COUNT(texts), NULL, &report, &error);
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        bool bad = i % 97 == 5;
        assert_int_equal(column_is_null(column->children[1], i), bad);
        assert_int_equal(column_is_null(column->children[0], i), bad || i % 3 == 2);
        assert_int_equal(COLUMN_VALUES(column->children[1], int64_t)[i], bad ? 0 : i);
        if (!bad && i % 3 != 2) {
            struct string_view view = COLUMN_VALUES(column->children[0], struct string_view)[i];
            assert_string_equal(arena_text(&arena, bytes_make(view.data, view.size)), arena_printf(&arena, "x%zu", i));
        }
    }
    assert_int_equal(report.record_count, ARRAY_COUNT(texts));
    assert_int_equal(report.bad_record_count, 42);
    assert_int_equal(report.first_bad_index, 5);
    assert_string_equal(report.first_bad_record, "{\"v\":bad}");
    arena_destroy(&arena);
    (void)state;
}

static void test_corrupt_column_and_modes(void **state) {
    struct arena arena = {0};
    struct error error = {0};
    struct format_report report = {0};
    const char *texts[] = {"{\"a\":1}", "{\"a\":\"x\"}", "{"};
    struct column *column = parse(&arena, "a INT, _corrupt_record STRING", texts, 3, NULL, &report, &error);
    assert_true(column_is_null(column->children[1], 0));
    assert_int_equal(COLUMN_VALUES(column->children[1], struct string_view)[1].size, 9);
    assert_int_equal(COLUMN_VALUES(column->children[1], struct string_view)[2].size, 1);
    assert_string_equal(report.first_bad_field, "a");
    struct format_option option = {BYTES("MODE"), BYTES("failfast")};
    assert_null(parse(&arena, "a INT", texts, 3, &(struct format_options){&option, 1}, NULL, &error));
    assert_string_equal(error.message, "{\"a\":\"x\"} (a string where INT is expected)");
    arena_destroy(&arena);
    (void)state;
}

static void test_depth(void **state) {
    char text[4200] = "";
    memset(text, '[', 2000);
    memset(text + 2000, ']', 2000);
    check("a INT", text, "{\"a\":null}");
    struct arena arena = {0};
    assert_null(json_schema_of(&arena, bytes_from_text(text), NULL, &(struct error){0}));
    arena_destroy(&arena);
    (void)state;
}

static void check_path(const char *json, const char *path_text, const char *expected) {
    struct arena arena = {0};
    struct buffer out = {0};
    const struct json_path *path = json_path_parse(&arena, bytes_from_text(path_text));
    assert_non_null(path);
    bool found = json_path_get(path, bytes_from_text(json), &out);
    assert_int_equal(found, expected != NULL);
    if (found) {
        assert_string_equal(buffer_text(&out), expected);
    }
    buffer_free(&out);
    arena_destroy(&arena);
}

static void test_paths(void **state) {
    check_path("{\"a\":\"b\"}", "$.a", "b");
    check_path("{\"a\":{\"b\":[1,{\"c\":null}]}}", "$.a.b[0]", "1");
    check_path("{\"a\":{\"b\":[1,{\"c\":null}]}}", "$.a.b[1]", "{\"c\":null}");
    check_path("{\"a\":{\"b\":[1,{\"c\":null}]}}", "$.a.b[1].c", NULL);
    check_path("[{\"a\":1},{\"a\":2}]", "$[*].a", "[1,2]");
    check_path("{\"a b\":1}", "$['a b']", "1");
    check_path("{\"a\":1}", "$.b", NULL);
    check_path("{\"a\":", "$.a", NULL);
    (void)state;
}

static void test_inference(void **state) {
    struct arena arena = {0};
    struct error error = {0};
    struct buffer text = {0};
    struct json_inference *inference = json_inference_create(NULL, timezone_utc(), &error);
    json_inference_add(inference, BYTES("{\"b\":1,\"a\":\"x\",\"n\":null}"));
    json_inference_add(inference, BYTES("{\"b\":1.5,\"c\":[{\"k\":true}]}"));
    type_format_simple(json_inference_result(inference, &arena), &text);
    assert_string_equal(buffer_text(&text), "struct<a:string,b:double,c:array<struct<k:boolean>>,n:string>");
    json_inference_destroy(inference);
    buffer_free(&text);
    arena_destroy(&arena);
    (void)state;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values), cmocka_unit_test(test_shapes_mixed),
        cmocka_unit_test(test_corrupt_column_and_modes), cmocka_unit_test(test_depth), cmocka_unit_test(test_paths),
        cmocka_unit_test(test_inference)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
