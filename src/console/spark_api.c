/* spark_api.c: what the script of 8081 and 8082 asks for and does, below /api/spark/; and POST /app/kill/ as Spark's
 * master has it. */
#include "console/spark_pages.h"

#include <stdlib.h>

#include "base/assert.h"

/* ---- lists and single things ---- */

static json_t *describe_usage(const struct spark_usage *usage) {
    return json_pack("{s:I, s:I, s:I, s:I, s:I}", "cores", (json_int_t)usage->cores, "coresUsed",
        (json_int_t)usage->cores_used, "memory", (json_int_t)usage->memory, "memoryUsed",
        (json_int_t)usage->memory_used, "memoryUsedMax", (json_int_t)usage->memory_used_max);
}

static void gather_overview(struct page *page) {
    const struct console_options *options = &page->console->options;
    struct spark_usage usage = spark_usage_get(options);
    struct spark_counts counts = spark_count(options);
    json_t *data = page->data, *workers = json_array();
    for (int64_t i = 0; i < options->worker_count; i++) {
        struct spark_usage part = spark_usage_of_worker(options, i);
        json_array_append_new(workers, describe_usage(&part));
    }
    json_object_set_new(data, "url", json_sprintf("spark://%s:7077", options->address));
    json_object_set_new(data, "nowMs", json_integer((json_int_t)world_wall_ms(options->world)));
    json_object_set_new(data, "startedMs", json_integer((json_int_t)options->started_ms));
    json_object_set_new(data, "busyMs", json_real((double)usage.busy_ns / 1e6));
    json_object_set_new(data, "usage", describe_usage(&usage));
    json_object_set_new(data, "workers", workers);
    json_object_set_new(data, "serves", json_boolean(options->connect != NULL));
    json_t *counted = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "programs",
        (json_int_t)counts.programs, "programsRunning", (json_int_t)counts.programs_running, "queries",
        (json_int_t)counts.queries, "queriesRunning", (json_int_t)counts.queries_running, "queriesFailed",
        (json_int_t)counts.queries_failed, "executions", (json_int_t)counts.executions, "executionsRunning",
        (json_int_t)counts.executions_running, "inputRowsPerSecond", counts.input_rows_per_second,
        "processedRowsPerSecond", counts.processed_rows_per_second);
    json_object_update(data, counted);
    json_decref(counted);
}

/* Takes out rows whose field has another value; an empty value takes all. */
static json_t *only(json_t *rows, const char *field, const char *value) {
    for (size_t i = json_array_size(rows); value[0] != 0 && i-- > 0;)
        if (strcmp(page_text(json_array_get(rows, i), field), value) != 0)
            json_array_remove(rows, i);
    return rows;
}

static void put_page(struct page *page, json_t *rows, const char *const *fields) {
    json_decref(page->data);
    page->data = rows_page(rows, &page->rows, fields);
}

/* page->text: the state wanted, or "". */
void spark_gather_programs(struct page *page) {
    static const char *const fields[] = {"name", "user", "file", "id", "client", NULL};
    put_page(page, only(spark_applications(&page->console->options, true, true), "state", page->text), fields);
}

void spark_gather_queries(struct page *page) {
    static const char *const fields[] = {"name", "id", "runId", "sink", "application", "error", NULL};
    put_page(page, only(spark_queries(&page->console->options), "status", page->text), fields);
}

void spark_gather_executions(struct page *page) {
    static const char *const fields[] = {"description", "application", "applicationName", "user", "error", NULL};
    const struct rows_request *rows = &page->rows;
    bool latest_first = rows->sort[0] == 0 || strcmp(rows->sort, "-id") == 0;
    if (latest_first && rows->search[0] == 0 && page->text[0] == 0) { /* what pages ask for again and again */
        size_t total;
        json_t *range =
            spark_executions_range(&page->console->options, (rows->page - 1) * rows->size, rows->size, &total);
        json_decref(page->data);
        page->data = json_pack("{s:I, s:I, s:I, s:o}", "total", (json_int_t)total, "page", (json_int_t)rows->page,
            "size", (json_int_t)rows->size, "rows", range);
        return;
    }
    put_page(page, only(spark_executions(&page->console->options), "status", page->text), fields);
}

static void put_one(struct page *page, json_t *row, const char *message) {
    json_decref(page->data);
    page->data = row != NULL ? row : json_pack("{s:s}", "message", message);
    page->status = row != NULL ? 200 : 404;
}

void spark_gather_query(struct page *page) {
    put_one(page, spark_query(&page->console->options, page->text),
        "This query is not known here; the last hundred that ended are kept.");
}

void spark_gather_execution(struct page *page) {
    put_one(page, spark_execution(&page->console->options, page->text),
        "This SQL execution is not known here; the last thousand are kept.");
}

/* ---- handlers ---- */

char *spark_copy(struct bytes text) {
    char *copy = strndup(text.size > 0 ? (const char *)text.data : "", text.size);
    ASSERT(copy != NULL);
    return copy;
}

struct page *spark_list(struct http_request *request, void *context, const char *sort,
    void (*draw)(struct page *page, struct buffer *out)) {
    struct page *page = page_create(request, context, draw);
    page->text = spark_copy(http_query(request, "state"));
    page->rows = rows_request_read(request, sort);
    return page;
}

struct page *spark_one(
    struct http_request *request, void *context, void (*draw)(struct page *page, struct buffer *out)) {
    struct page *page = page_create(request, context, draw);
    page->text = spark_copy(http_parameter(request, "id"));
    return page;
}

void spark_api_overview(struct http_request *request, void *context) {
    page_gather_on_spark_loop(page_create(request, context, NULL), gather_overview);
}

void spark_api_programs(struct http_request *request, void *context) {
    page_gather_on_spark_loop(spark_list(request, context, "", NULL), spark_gather_programs);
}

void spark_api_queries(struct http_request *request, void *context) {
    page_gather_on_spark_loop(spark_list(request, context, "", NULL), spark_gather_queries);
}

void spark_api_query(struct http_request *request, void *context) {
    page_gather_on_spark_loop(spark_one(request, context, NULL), spark_gather_query);
}

void spark_api_executions(struct http_request *request, void *context) {
    page_gather_on_spark_loop(spark_list(request, context, "", NULL), spark_gather_executions);
}

void spark_api_execution(struct http_request *request, void *context) {
    page_gather_on_spark_loop(spark_one(request, context, NULL), spark_gather_execution);
}

/* ---- stopping ---- */

static void put_stopped(struct page *page, bool stopped) {
    put_one(page, stopped ? json_pack("{s:b}", "stopped", 1) : NULL, "It does not run any more.");
}

static void stop_program(struct page *page) {
    put_stopped(page, spark_stop_application(&page->console->options, page->text));
}

static void stop_query(struct page *page) {
    put_stopped(page, spark_stop_query(&page->console->options, page->text));
}

static void stop_execution(struct page *page) {
    put_stopped(page, spark_stop_execution(&page->console->options, page->text));
}

static void draw_nothing(struct page *page, struct buffer *out) {
    page->status = 303;
}

/* A form of the plain HTML goes back to the page's start; the script reads JSON. */
static void handle_stop(struct http_request *request, void *context, char *id, void (*stop)(struct page *page)) {
    struct bytes accept = http_header(request, "Accept");
    bool from_form = memmem(accept.data, accept.size, "text/html", 9) != NULL;
    struct page *page = page_create(request, context, from_form ? draw_nothing : NULL);
    page->text = id;
    if (from_form)
        http_add_header(request, "Location", page->root);
    page_gather_on_spark_loop(page, stop);
}

void spark_api_stop_program(struct http_request *request, void *context) {
    handle_stop(request, context, spark_copy(http_parameter(request, "id")), stop_program);
}

void spark_api_stop_query(struct http_request *request, void *context) {
    handle_stop(request, context, spark_copy(http_parameter(request, "id")), stop_query);
}

void spark_api_stop_execution(struct http_request *request, void *context) {
    handle_stop(request, context, spark_copy(http_parameter(request, "id")), stop_execution);
}

/* "id=app-1234&terminate=true" */
void spark_api_kill(struct http_request *request, void *context) {
    struct bytes form = http_body(request), id = BYTES_NULL;
    for (size_t at = 0; at < form.size;) {
        size_t end = bytes_find(form, '&', at);
        struct bytes pair = bytes_slice(form, at, (end == SIZE_MAX ? form.size : end) - at);
        if (bytes_starts_with(pair, "id="))
            id = bytes_slice(pair, 3, pair.size - 3);
        at += pair.size + 1;
    }
    if (id.size == 0) {
        http_respond_text(request, 400, "The form needs id=APPLICATION and terminate=true.");
        return;
    }
    struct page *page = page_create(request, context, draw_nothing);
    page->text = spark_copy(id);
    http_add_header(request, "Location", page->root);
    page_gather_on_spark_loop(page, stop_program);
}
