#include "console/rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/assert.h"

static size_t read_count(const struct http_request *request, const char *name, size_t otherwise, size_t max) {
    int64_t value;
    if (!bytes_to_int64(http_query(request, name), &value) || value < 1)
        return otherwise;
    return (uint64_t)value > max ? max : (size_t)value;
}

struct rows_request rows_request_read(const struct http_request *request, const char *sort) {
    struct rows_request read = {0};
    struct bytes search = bytes_trim(http_query(request, "search")), asked = http_query(request, "sort");
    snprintf(read.search, sizeof read.search, "%.*s", BYTES_ARGS(search));
    snprintf(read.sort, sizeof read.sort, "%.*s", BYTES_ARGS(asked.size > 0 ? asked : bytes_from_text(sort)));
    read.page = read_count(request, "page", 1, SIZE_MAX / ROWS_PAGE_SIZE_MAX / 2);
    read.size = read_count(request, "size", ROWS_PAGE_SIZE_DEFAULT, ROWS_PAGE_SIZE_MAX);
    return read;
}

static bool matches(const json_t *row, const char *search, const char *const *fields) {
    for (; *fields != NULL; fields++) {
        const char *text = json_string_value(json_object_get(row, *fields));
        if (text != NULL && strcasestr(text, search) != NULL)
            return true;
    }
    return false;
}

struct order {
    const char *field;
    bool descending;
};
struct ordered {
    json_t *row;
    size_t place; /* before sorting: equal rows keep their order */
};

static int compare_values(const json_t *left, const json_t *right) {
    if (json_is_string(left) && json_is_string(right))
        return strcasecmp(json_string_value(left), json_string_value(right));
    double a = json_is_boolean(left) ? json_is_true(left) : json_number_value(left);
    double b = json_is_boolean(right) ? json_is_true(right) : json_number_value(right);
    return a < b ? -1 : a > b;
}

static int compare_rows(const void *left, const void *right, void *context) {
    const struct order *order = context;
    const struct ordered *a = left, *b = right;
    int result = compare_values(json_object_get(a->row, order->field), json_object_get(b->row, order->field));
    if (result != 0)
        return order->descending ? -result : result;
    return a->place < b->place ? -1 : 1;
}

json_t *rows_page(json_t *rows, const struct rows_request *request, const char *const *fields) {
    struct ordered *found = calloc(json_array_size(rows) + 1, sizeof *found);
    ASSERT(found != NULL);
    struct order order = {request->sort + (request->sort[0] == '-'), request->sort[0] == '-'};
    size_t count = 0, i;
    json_t *row, *page = json_array();
    json_array_foreach(rows, i, row) {
        if (request->search[0] == 0 || matches(row, request->search, fields)) {
            found[count] = (struct ordered){row, count};
            count++;
        }
    }
    if (order.field[0] != 0)
        qsort_r(found, count, sizeof *found, compare_rows, &order);
    for (i = (request->page - 1) * request->size; i < count && json_array_size(page) < request->size; i++)
        json_array_append(page, found[i].row);
    free(found);
    json_decref(rows);
    return json_pack("{s:I, s:I, s:I, s:o}", "total", (json_int_t)count, "page", (json_int_t)request->page, "size",
        (json_int_t)request->size, "rows", page);
}
