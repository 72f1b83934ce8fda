/* rows_test.c: what a list shows of its rows. */
#include "console/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const fields[] = {"name", "owner", NULL};

static json_t *make_rows(void) {
    return json_pack("[{s:s, s:i}, {s:s, s:i}, {s:s, s:i}, {s:s, s:i}]", "name", "beta", "size", 3, "name", "Alfa",
        "size", 20, "name", "gamma", "size", 100, "name", "delta", "size", 3);
}

/* The names on the page, one after the other. */
static void check(struct rows_request request, const char *expected, int total) {
    char names[100] = "";
    size_t i;
    json_t *row, *page = rows_page(make_rows(), &request, fields);
    json_array_foreach(json_object_get(page, "rows"), i, row) {
        strncat(names, i > 0 ? " " : "", sizeof names - strlen(names) - 1);
        strncat(names, json_string_value(json_object_get(row, "name")), sizeof names - strlen(names) - 1);
    }
    assert_string_equal(names, expected);
    assert_int_equal(json_integer_value(json_object_get(page, "total")), total);
    json_decref(page);
}

static void rows_keep_their_order_when_none_is_asked_for(void **state) {
    check((struct rows_request){.page = 1, .size = 50}, "beta Alfa gamma delta", 4);
}

static void numbers_and_texts_are_ordered_both_ways(void **state) {
    check((struct rows_request){.sort = "name", .page = 1, .size = 50}, "Alfa beta delta gamma", 4);
    check((struct rows_request){.sort = "-name", .page = 1, .size = 50}, "gamma delta beta Alfa", 4);
    check((struct rows_request){.sort = "-size", .page = 1, .size = 50}, "gamma Alfa beta delta", 4);
    check((struct rows_request){.sort = "nothing", .page = 1, .size = 50}, "beta Alfa gamma delta", 4);
}

static void pages_are_cut_after_ordering_and_searching(void **state) {
    check((struct rows_request){.sort = "name", .page = 2, .size = 3}, "gamma", 4);
    check((struct rows_request){.sort = "name", .page = 9, .size = 3}, "", 4);
    check((struct rows_request){.search = "A", .sort = "name", .page = 1, .size = 2}, "Alfa beta", 4);
    check((struct rows_request){.search = "LT", .page = 1, .size = 2}, "delta", 1);
    check((struct rows_request){.search = "epsilon", .page = 1, .size = 2}, "", 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_keep_their_order_when_none_is_asked_for),
        cmocka_unit_test(numbers_and_texts_are_ordered_both_ways),
        cmocka_unit_test(pages_are_cut_after_ordering_and_searching),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
