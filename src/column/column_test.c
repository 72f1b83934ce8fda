/* column_test.c: types in all text forms, columns cut and joined, values as text and back, time zones, Arrow IPC. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include "column/builder.h"
#include "column/ipc.h"
#include "column/text.h"
#include "column/timezone.h"
#include "world/world.h"

static void assert_text(struct buffer *buffer, const char *expected) {
    assert_string_equal(buffer_text(buffer), expected);
    buffer_clear(buffer);
}

static void types_in_text_forms(void **state) {
    struct arena arena = {0};
    struct buffer out = {0};
    struct error error;
    const struct type *type = type_parse_ddl(&arena,
        BYTES("a INT NOT NULL, `b c` array<string>, m MAP<STRING, decimal(5,2)>, "
              "s struct<x: timestamp, y interval day to "
              "second> COMMENT 'it''s'"),
        &error);
    assert_non_null(type);
    type_format_simple(type, &out);
    assert_text(&out, "struct<a:int,b c:array<string>,m:map<string,decimal(5,2)>,"
                      "s:struct<x:timestamp,y:interval day to second>>");
    type_format_ddl(type, &out);
    assert_text(&out, "a INT NOT NULL,`b c` ARRAY<STRING>,m MAP<STRING, DECIMAL(5,2)>,"
                      "s STRUCT<x: TIMESTAMP, y: INTERVAL DAY TO SECOND>");
    type_format_json(type, &out);
    const struct type *again = type_parse_json(&arena, buffer_view(&out), &error);
    assert_non_null(again);
    assert_true(type_equal(type, again));
    buffer_clear(&out);
    type_format_tree(type, 0, &out);
    assert_text(&out, "root\n |-- a: integer (nullable = false)\n |-- b c: array (nullable = true)\n"
                      " |    |-- element: string (containsNull = true)\n |-- m: map (nullable = true)\n"
                      " |    |-- key: string\n |    |-- value: decimal(5,2) (valueContainsNull = true)\n"
                      " |-- s: struct (nullable = true)\n |    |-- x: timestamp (nullable = true)\n"
                      " |    |-- y: interval day to second (nullable = true)\n");
    assert_null(type_parse_ddl(&arena, BYTES("a INTT"), &error));
    assert_null(type_parse_ddl(&arena, BYTES("a INT b STRING"), &error));
    assert_null(type_parse_ddl(&arena, BYTES("decimal(39,0)"), &error));
    assert_null(type_parse_json(&arena, BYTES("{\"type\":\"struct\"}"), &error));
    struct buffer deep = {0};
    for (int i = 0; i < 5000; i++) {
        buffer_append_text(&deep, "array<");
    }
    assert_null(type_parse_ddl(&arena, buffer_view(&deep), &error));
    buffer_free(&deep);
    buffer_free(&out);
    arena_destroy(&arena);
}

static struct batch *example_batch(struct arena *arena) {
    struct error error;
    const struct type *schema = type_parse_ddl(arena,
        BYTES("i int, s string, l array<long>, m map<string,int>, n void, "
              "p struct<a boolean, d decimal(20,3)>, y interval year to month, t interval day to second, z timestamp"),
        &error);
    struct batch *batch = batch_create(schema);
    struct column_builder builders[9];
    for (size_t i = 0; i < 9; i++) {
        column_builder_init(&builders[i], &batch->arena, schema->fields[i].type, 0);
    }
    for (int32_t row = 0; row < 20; row++) {
        if (row % 5 == 4) {
            for (size_t i = 0; i < 9; i++) {
                column_builder_null(&builders[i]);
            }
            continue;
        }
        column_builder_append(&builders[0], &row);
        column_builder_append_string(&builders[1], row % 2 ? BYTES("odd") : BYTES("a somewhat longer text"));
        for (int64_t j = 0; j < row % 3; j++) {
            column_builder_append(&builders[2].children[0], &j);
        }
        column_builder_end_row(&builders[2]);
        column_builder_append_string(&builders[3].children[0], BYTES("k"));
        column_builder_append(&builders[3].children[1], &row);
        column_builder_end_row(&builders[3]);
        column_builder_null(&builders[4]);
        column_builder_append(&builders[5].children[0], &(uint8_t){row % 2});
        column_builder_append(&builders[5].children[1], &(__int128){-1234 - row});
        column_builder_end_row(&builders[5]);
        column_builder_append(&builders[6], &row);
        column_builder_append(&builders[7], &(int64_t){row * INT64_C(3661000001)});
        column_builder_append(&builders[8], &(int64_t){row * INT64_C(1000000)});
    }
    batch->row_count = 20;
    for (size_t i = 0; i < 9; i++) {
        batch->columns[i] = column_builder_finish(&builders[i]);
        assert_int_equal(batch->columns[i]->row_count, 20);
    }
    return batch;
}

static void format_row(const struct batch *batch, size_t row, struct buffer *out) {
    struct text_style style = {timezone_utc(), true};
    for (size_t i = 0; i < batch->column_count; i++) {
        buffer_append_text(out, i > 0 ? "|" : "");
        if (column_is_null(batch->columns[i], row)) {
            buffer_append_text(out, "NULL");
        } else {
            value_format_styled(batch->columns[i], row, &style, out);
        }
    }
}

static void assert_same_rows(const struct batch *left, size_t left_row, const struct batch *right, size_t right_row) {
    struct buffer a = {0}, b = {0};
    format_row(left, left_row, &a);
    format_row(right, right_row, &b);
    assert_string_equal(buffer_text(&a), buffer_text(&b));
    buffer_free(&a);
    buffer_free(&b);
}

static void columns_cut_and_joined(void **state) {
    struct arena arena = {0};
    struct batch *batch = example_batch(&arena);
    struct buffer out = {0};
    format_row(batch, 5, &out);
    assert_text(&out, "5|odd|[0, 1]|{k -> 5}|NULL|{true, -1.239}|INTERVAL '0-5' YEAR TO MONTH|"
                      "INTERVAL '0 05:05:05.000005' DAY TO SECOND|1970-01-01 00:00:05");
    struct batch *slice = batch_slice(batch, 3, 13);
    struct batch *taken = batch_take(slice, (const uint32_t[]){12, 0, 1, 4, 4}, 5);
    for (size_t i = 0; i < 13; i++) {
        assert_same_rows(slice, i, batch, i + 3);
    }
    assert_same_rows(taken, 0, batch, 15);
    assert_same_rows(taken, 4, batch, 7);
    struct arena other = {0};
    struct batch *apart = batch_copy(slice, type_copy(&other, batch->schema));
    assert_same_rows(apart, 2, batch, 5);
    batch_release(apart);
    arena_destroy(&other);
    batch_release(batch);
    batch_release(slice);
    struct batch *joined = batch_create(taken->schema);
    for (size_t i = 0; i < taken->column_count; i++) {
        struct column *parts[2] = {taken->columns[i], taken->columns[i]};
        joined->columns[i] = column_concat(&joined->arena, parts, (const size_t[]){5, 5}, 2);
        joined->columns[i] = column_copy(&joined->arena, joined->columns[i]);
    }
    joined->row_count = 10;
    assert_same_rows(joined, 7, taken, 2);
    batch_release(taken);
    batch_release(joined);
    buffer_free(&out);
    arena_destroy(&arena);
}

static void builder_takes_rows_back(void **state) {
    struct arena arena = {0};
    struct error error;
    struct column_builder builder;
    column_builder_init(&builder, &arena, type_parse_name(&arena, BYTES("struct<a int, l array<int>>"), &error), 0);
    for (int32_t i = 0; i < 40; i++) {
        column_builder_append(&builder.children[0], &i);
        column_builder_append(&builder.children[1].children[0], &i);
        if (i % 2) { /* a bad record: the row was not ended */
            column_builder_truncate(&builder, builder.row_count);
            column_builder_null(&builder);
            continue;
        }
        column_builder_end_row(&builder.children[1]);
        column_builder_end_row(&builder);
    }
    struct column *column = column_builder_finish(&builder);
    assert_int_equal(column->row_count, 40);
    assert_int_equal(column_null_count(column), 20);
    struct buffer out = {0};
    value_format(column, 38, timezone_utc(), &out);
    assert_text(&out, "{38, [38]}");
    buffer_free(&out);
    arena_destroy(&arena);
}

static void streams_round_trip(void **state) {
    struct arena arena = {0};
    struct batch *batch = example_batch(&arena);
    struct buffer out = {0};
    struct error error;
    struct batch *slice = batch_slice(batch, 1, 17), *both[2] = {batch, slice};
    assert_true(ipc_write_stream(batch->schema, both, 2, "UTC", &out, &error));
    struct ipc_stream stream;
    assert_true(ipc_read_stream(&arena, buffer_view(&out), &stream, &error));
    assert_true(type_equal(stream.schema, batch->schema));
    assert_int_equal(stream.batch_count, 2);
    for (size_t i = 0; i < 17; i++) {
        assert_same_rows(stream.batches[0], i + 1, batch, i + 1);
        assert_same_rows(stream.batches[1], i, batch, i + 1);
    }
    batch_release(stream.batches[0]);
    batch_release(stream.batches[1]);
    /* Cut anywhere, the stream is an error or shorter, never a crash. */
    for (size_t size = 0; size < out.size; size++) {
        struct bytes cut = arena_copy(&arena, bytes_slice(buffer_view(&out), 0, size));
        if (ipc_read_stream(&arena, cut, &stream, &error)) {
            for (size_t i = 0; i < stream.batch_count; i++) {
                batch_release(stream.batches[i]);
            }
        }
    }
    batch_release(batch);
    batch_release(slice);
    buffer_free(&out);
    arena_destroy(&arena);
}

static void numbers_as_java_prints_them(void **state) {
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.1, "0.1"}, {100, "100.0"}, {1e7, "1.0E7"}, {12345678.9, "1.23456789E7"}, {0.001, "0.001"},
        {0.0001, "1.0E-4"}, {-1.5, "-1.5"}, {1e300, "1.0E300"}, {123456.789, "123456.789"}, {9999999.5, "9999999.5"},
        {3.14, "3.14"}, {1.0 / 3, "0.3333333333333333"}, {2.5e-5, "2.5E-5"}};
    struct buffer out = {0};
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        double_format(cases[i].value, &out);
        assert_text(&out, cases[i].text);
    }
    float_format(0.1f, &out);
    assert_text(&out, "0.1");
    float_format(16777216.0f, &out);
    assert_text(&out, "1.6777216E7");
    decimal_format(-5, 3, &out);
    assert_text(&out, "-0.005");
    decimal_format(12345, 2, &out);
    assert_text(&out, "123.45");
    __int128 decimal;
    assert_true(value_parse_decimal(BYTES(" -12.345 "), 5, 2, &decimal));
    assert_true(decimal == -1235);
    assert_true(value_parse_decimal(BYTES("1.2E3"), 5, 1, &decimal));
    assert_true(decimal == 12000);
    assert_true(value_parse_decimal(BYTES("0.00000000000000000000000000000000000000000001"), 5, 1, &decimal));
    assert_true(decimal == 0);
    assert_false(value_parse_decimal(BYTES("1000"), 5, 2, &decimal));
    assert_false(value_parse_decimal(BYTES("1e999999999"), 38, 0, &decimal));
    int64_t number;
    assert_true(value_parse_long(BYTES("-9223372036854775808"), &number));
    assert_false(value_parse_long(BYTES("9223372036854775808"), &number));
    assert_false(value_parse_long(BYTES("1.0"), &number));
    double value;
    assert_true(value_parse_double(BYTES("1.5d"), &value));
    assert_false(value_parse_double(BYTES("0x10"), &value));
    buffer_free(&out);
}

static void times_and_zones(void **state) {
    struct world *world = world_posix_create();
    struct error error = {0};
    const struct timezone *madrid = timezone_get(world, BYTES("Europe/Madrid"), &error);
    assert_non_null(madrid);
    assert_null(timezone_get(world, BYTES("Europe/Nowhere"), &error));
    assert_null(timezone_get(world, BYTES("../../etc/passwd"), &error));
    struct buffer out = {0};
    int64_t value;
    assert_true(value_parse_timestamp(BYTES("2026-07-01 12:00:00.5"), madrid, &value));
    timestamp_format(value, timezone_utc(), &out);
    assert_text(&out, "2026-07-01 10:00:00.5");
    assert_true(value_parse_timestamp(BYTES("2026-01-01T12:00:00"), madrid, &value));
    timestamp_format(value, timezone_utc(), &out);
    assert_text(&out, "2026-01-01 11:00:00");
    assert_true(value_parse_timestamp(BYTES("2060-07-01"), madrid, &value)); /* beyond the table: the rule */
    timestamp_format(value, timezone_utc(), &out);
    assert_text(&out, "2060-06-30 22:00:00");
    assert_true(value_parse_timestamp(BYTES("2026-03-29 02:30:00"), madrid, &value)); /* in the gap */
    timestamp_format(value, madrid, &out);
    assert_text(&out, "2026-03-29 03:30:00");
    assert_true(value_parse_timestamp(BYTES("2026-10-25 02:30:00"), madrid, &value)); /* twice: the earlier */
    timestamp_format(value, timezone_utc(), &out);
    assert_text(&out, "2026-10-25 00:30:00");
    assert_true(value_parse_timestamp(BYTES("2026-01-01 00:00:00+05:30"), madrid, &value));
    timestamp_format(value, timezone_utc(), &out);
    assert_text(&out, "2025-12-31 18:30:00");
    assert_true(value_parse_timestamp(BYTES("2026-01-01 00:00:00 America/New_York"), madrid, &value));
    timestamp_format(value, timezone_utc(), &out);
    assert_text(&out, "2026-01-01 05:00:00");
    assert_false(value_parse_timestamp(BYTES("2026-02-30"), madrid, &value));
    assert_false(value_parse_timestamp(BYTES("2026-02-01 25:00:00"), madrid, &value));
    assert_false(value_parse_timestamp(BYTES(""), madrid, &value));
    int32_t days;
    assert_true(value_parse_date(BYTES("2026-3-1 anything"), &days));
    date_format(days, &out);
    assert_text(&out, "2026-03-01");
    assert_false(value_parse_date(BYTES("26-03-01"), &days));
    buffer_free(&out);
    world_destroy(world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_in_text_forms),
        cmocka_unit_test(columns_cut_and_joined),
        cmocka_unit_test(builder_takes_rows_back),
        cmocka_unit_test(streams_round_trip),
        cmocka_unit_test(numbers_as_java_prints_them),
        cmocka_unit_test(times_and_zones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
