/* base_test.c: what the foundation promises. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/calendar.h"
#include "base/error.h"
#include "base/map.h"
#include "base/metrics.h"
#include "base/uuid.h"
#include "base/vector.h"

static void integers_are_parsed_to_the_last_digit_and_no_further(void **state) {
    int64_t value;
    assert_true(bytes_to_int64(BYTES("-9223372036854775808"), &value));
    assert_int_equal(value, INT64_MIN);
    assert_false(bytes_to_int64(BYTES("9223372036854775808"), &value));
    assert_false(bytes_to_int64(BYTES(""), &value));
    assert_false(bytes_to_int64(BYTES("12 "), &value));
}

static void utf8_rejects_overlong_surrogate_and_cut_forms(void **state) {
    assert_true(bytes_is_utf8(BYTES("día de lluvia \xe2\x82\xac \xf0\x9f\x8c\xa7")));
    assert_false(bytes_is_utf8(BYTES("\xc0\x80")));
    assert_false(bytes_is_utf8(BYTES("\xed\xa0\x80")));
    assert_false(bytes_is_utf8(BYTES("abc\xe2\x82")));
}

static void json_strings_escape_what_json_forbids(void **state) {
    struct buffer out = {0};
    buffer_append_json_string(&out, BYTES("a\"b\\\n\x01"));
    assert_string_equal(buffer_text(&out), "\"a\\\"b\\\\\\n\\u0001\"");
    buffer_free(&out);
}

static void base64_goes_there_and_back(void **state) {
    for (size_t size = 0; size < 40; size++) {
        uint8_t data[40];
        for (size_t i = 0; i < size; i++)
            data[i] = (uint8_t)(i * 37 + size);
        struct buffer text = {0}, back = {0};
        buffer_append_base64_url(&text, bytes_make(data, size));
        assert_true(buffer_append_base64_decoded(&back, buffer_view(&text)));
        assert_int_equal(back.size, size);
        assert_true(size == 0 || memcmp(back.data, data, size) == 0);
        buffer_free(&text);
        buffer_free(&back);
    }
}

static int cleanup_count;
static void count_cleanup(void *argument) {
    cleanup_count++;
}

static void arena_gives_aligned_memory_and_runs_cleanups(void **state) {
    struct arena arena = {0};
    for (size_t size = 0; size < 5000; size += 7) {
        uint8_t *memory = arena_allocate(&arena, size);
        assert_int_equal((uintptr_t)memory % 16, 0);
        memset(memory, 0xee, size);
    }
    arena_on_destroy(&arena, count_cleanup, NULL);
    arena_allocate(&arena, 3 << 20);
    arena_reset(&arena);
    assert_int_equal(cleanup_count, 1);
    assert_string_equal(arena_printf(&arena, "%d-%s", 7, "x"), "7-x");
    arena_destroy(&arena);
}

static void map_keeps_order_and_survives_removal(void **state) {
    struct map map = {0};
    char key[16];
    for (uintptr_t i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "key%zu", (size_t)i);
        map_set_text(&map, key, (void *)(i + 1));
    }
    for (uintptr_t i = 0; i < 1000; i += 2) {
        snprintf(key, sizeof key, "key%zu", (size_t)i);
        assert_int_equal((uintptr_t)map_remove(&map, bytes_from_text(key)), i + 1);
    }
    assert_int_equal(map.count, 500);
    size_t cursor = 0, expected = 2;
    for (struct map_entry *entry; (entry = map_next(&map, &cursor)) != NULL; expected += 2)
        assert_int_equal((uintptr_t)entry->value, expected);
    assert_null(map_get_text(&map, "key0"));
    map_set_text(&map, "key0", (void *)5);
    assert_int_equal((uintptr_t)map_get_text(&map, "key0"), 5);
    map_free(&map);
}

static void calendar_knows_every_day_of_eight_centuries(void **state) {
    int64_t first = calendar_days(1600, 1, 1);
    for (int64_t day = first; day < first + 2 * 146097; day++) {
        struct calendar_date date = calendar_from_days(day);
        assert_true(calendar_is_valid(date.year, date.month, date.day));
        assert_int_equal(calendar_days(date.year, date.month, date.day), day);
    }
    assert_int_equal(calendar_days(1970, 1, 1), 0);
    char text[32];
    calendar_format_iso_ms(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
}

static void uuid_has_kafkas_text_form(void **state) {
    struct uuid uuid, back;
    assert_true(uuid_parse_base64(BYTES("NugWFMKRRTiWn2nbG7ZOcw"), &uuid));
    char text[UUID_TEXT_SIZE], base64[UUID_BASE64_SIZE];
    uuid_format(uuid, text);
    assert_true(uuid_parse(bytes_from_text(text), &back));
    assert_true(uuid_equal(uuid, back));
    uuid_format_base64(uuid, base64);
    assert_string_equal(base64, "NugWFMKRRTiWn2nbG7ZOcw");
}

static void metrics_are_prometheus_text(void **state) {
    struct metrics *metrics = metrics_create();
    metric_add(metrics_get(metrics, METRIC_COUNTER, "raudal_records_total", "Records appended.", "topic=\"a\""), 3);
    metric_add(metrics_get(metrics, METRIC_COUNTER, "raudal_records_total", "Records appended.", "topic=\"a\""), 4);
    struct buffer out = {0};
    metrics_format(metrics, &out);
    assert_string_equal(buffer_text(&out),
        "# HELP raudal_records_total Records appended.\n# TYPE raudal_records_total counter\n"
        "raudal_records_total{topic=\"a\"} 7\n");
    buffer_free(&out);
    metrics_destroy(metrics);
}

static void errors_keep_their_context(void **state) {
    struct error error;
    assert_false(error_system(&error, 2, "opening %s", "/none"));
    error_prefix(&error, "topic %s", "a");
    assert_int_equal(error.code, ERROR_NOT_FOUND);
    assert_string_equal(error.message, "topic a: opening /none: No such file or directory");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_are_parsed_to_the_last_digit_and_no_further),
        cmocka_unit_test(utf8_rejects_overlong_surrogate_and_cut_forms),
        cmocka_unit_test(json_strings_escape_what_json_forbids),
        cmocka_unit_test(base64_goes_there_and_back),
        cmocka_unit_test(arena_gives_aligned_memory_and_runs_cleanups),
        cmocka_unit_test(map_keeps_order_and_survives_removal),
        cmocka_unit_test(calendar_knows_every_day_of_eight_centuries),
        cmocka_unit_test(uuid_has_kafkas_text_form),
        cmocka_unit_test(metrics_are_prometheus_text),
        cmocka_unit_test(errors_keep_their_context),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
