/* rows.h: search, order and paging of rows that are JSON objects, for the lists of the pages. */
#ifndef CONSOLE_ROWS_H
#define CONSOLE_ROWS_H

#include <jansson.h>
#include "net/http.h"

enum { ROWS_PAGE_SIZE_DEFAULT = 50, ROWS_PAGE_SIZE_MAX = 1000 };

/* ?search=text&sort=-name&page=1&size=50; "-": descending. */
struct rows_request {
    char search[256], sort[64];
    size_t page, size; /* page from 1 on */
};
/* `sort` when the request names none. */
struct rows_request rows_request_read(const struct http_request *request, const char *sort);

/* {"total", "page", "size", "rows"}: of `rows` (an array; taken) those with the search text, case ignored, in one of
 * the text fields named (NULL-terminated), sorted by the request's field, one page of them. Any thread. */
json_t *rows_page(json_t *rows, const struct rows_request *request, const char *const *fields);

#endif
