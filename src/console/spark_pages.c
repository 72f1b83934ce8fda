/* spark_pages.c: 8081, the master's page with its /json/, and 8082, the worker's. A Spark session is shown as an
 * application. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/calendar.h"
#include "console/page.h"

/* ---- gathering: on the spark loop ---- */

struct gathering {
    struct page *page;
    json_t *list;
};

static void add_session(void *argument, const struct connect_session_summary *summary) {
    struct gathering *gathering = argument;
    const struct console_options *options = &gathering->page->console->options;
    int64_t now_ms = world_wall_ms(options->world);
    char submitted[32], id[64];
    calendar_format_iso_ms(summary->started_ms, submitted);
    snprintf(id, sizeof id, "app-%.8s", summary->id);
    json_array_append_new(gathering->list,
        json_pack("{s:s, s:s, s:I, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:I, s:i}", "id", id, "sessionId", summary->id,
            "starttime", (json_int_t)summary->started_ms, "name", summary->application, "user", summary->user, "cores",
            (json_int_t)(options->worker_count * options->worker_cores), "memoryperexecutor",
            (json_int_t)(options->worker_memory >> 20), "memoryperslave", (json_int_t)(options->worker_memory >> 20),
            "submitdate", submitted, "state", "RUNNING", "duration", (json_int_t)(now_ms - summary->started_ms),
            "operations", (int)summary->operation_count));
}

static void add_query(void *argument, const struct stream_summary *summary) {
    struct gathering *gathering = argument;
    char id[UUID_TEXT_SIZE], run_id[UUID_TEXT_SIZE];
    uuid_format(summary->id, id);
    uuid_format(summary->run_id, run_id);
    json_array_append_new(gathering->list,
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:f, s:s, s:s, s:I, s:s}", "id", id, "runId", run_id, "name",
            summary->name, "status",
            summary->active              ? "RUNNING"
            : summary->exception[0] != 0 ? "FAILED"
                                         : "FINISHED",
            "startedMs", (json_int_t)summary->started_ms, "batchId", (json_int_t)summary->batch_id, "inputRows",
            (json_int_t)summary->input_rows, "inputRowsPerSecond", summary->input_rows_per_second, "sink",
            summary->sink, "error", summary->exception, "badRecords", (json_int_t)summary->bad_record_count,
            "firstBadField", summary->first_bad_field));
}

static json_t *describe_workers(const struct console_options *options) {
    json_t *workers = json_array();
    for (int64_t i = 0; i < options->worker_count; i++) {
        char id[64], page[128];
        snprintf(id, sizeof id, "worker-%lld", (long long)i + 1);
        snprintf(page, sizeof page, "http://%s:%u", options->address, options->worker_port);
        json_array_append_new(
            workers, json_pack("{s:s, s:s, s:i, s:s, s:I, s:i, s:I, s:I, s:i, s:I, s:s, s:I}", "id", id, "host",
                         options->address, "port", (int)options->worker_port, "webuiaddress", page, "cores",
                         (json_int_t)options->worker_cores, "coresused", 0, "coresfree",
                         (json_int_t)options->worker_cores, "memory", (json_int_t)(options->worker_memory >> 20),
                         "memoryused", 0, "memoryfree", (json_int_t)(options->worker_memory >> 20), "state", "ALIVE",
                         "lastheartbeat", (json_int_t)world_wall_ms(options->world)));
    }
    return workers;
}

static void gather(struct page *page) {
    const struct console_options *options = &page->console->options;
    struct gathering sessions = {page, json_array()}, queries = {page, json_array()};
    char url[128];
    if (options->connect != NULL)
        connect_each_session(options->connect, add_session, &sessions);
    if (options->streams != NULL)
        stream_manager_each(options->streams, add_query, &queries);
    snprintf(url, sizeof url, "spark://%s:7077", options->address);
    json_object_set_new(page->data, "url", json_string(url));
    json_object_set_new(page->data, "workers", describe_workers(options));
    json_object_set_new(page->data, "aliveworkers", json_integer(options->worker_count));
    json_object_set_new(page->data, "cores", json_integer(options->worker_count * options->worker_cores));
    json_object_set_new(page->data, "coresused", json_integer(0));
    json_object_set_new(page->data, "memory", json_integer((options->worker_count * options->worker_memory) >> 20));
    json_object_set_new(page->data, "memoryused", json_integer(0));
    json_object_set_new(page->data, "activeapps", sessions.list);
    json_object_set_new(page->data, "completedapps", json_array());
    json_object_set_new(page->data, "activedrivers", json_array());
    json_object_set_new(page->data, "completeddrivers", json_array());
    json_object_set_new(page->data, "status", json_string("ALIVE"));
    json_object_set_new(page->data, "queries", queries.list);
}

static void gather_worker(struct page *page) {
    const struct console_options *options = &page->console->options;
    char master[128], page_address[128];
    snprintf(master, sizeof master, "spark://%s:7077", options->address);
    snprintf(page_address, sizeof page_address, "http://%s:%u", options->address, options->master_port);
    json_object_set_new(page->data, "id", json_string("worker-1"));
    json_object_set_new(page->data, "masterurl", json_string(master));
    json_object_set_new(page->data, "masterwebuiurl", json_string(page_address));
    json_object_set_new(page->data, "cores", json_integer(options->worker_cores));
    json_object_set_new(page->data, "coresused", json_integer(0));
    json_object_set_new(page->data, "memory", json_integer(options->worker_memory >> 20));
    json_object_set_new(page->data, "memoryused", json_integer(0));
    json_object_set_new(page->data, "executors", json_array());
    json_object_set_new(page->data, "finishedexecutors", json_array());
}

/* ---- drawing ---- */

static void draw_workers(json_t *workers, struct buffer *out) {
    char headline[64];
    size_t i;
    json_t *worker;
    snprintf(headline, sizeof headline, "Workers (%zu)", json_array_size(workers));
    page_table_begin(out, headline, "Worker Id", "Address", "State", "Cores", "Memory", NULL);
    json_array_foreach(workers, i, worker) {
        buffer_append_text(out, "<tr>");
        page_link_cell(out, page_text(worker, "webuiaddress"), page_text(worker, "id"));
        page_cell(out, "%s:%lld", page_text(worker, "host"), (long long)page_number(worker, "port"));
        page_cell(out, "%s", page_text(worker, "state"));
        page_cell(out, "%lld (0 Used)", (long long)page_number(worker, "cores"));
        page_cell(out, "%.1f GiB (0.0 B Used)", (double)page_number(worker, "memory") / 1024);
        buffer_append_text(out, "</tr>\n");
    }
    page_table_end(out);
}

static void draw_applications(json_t *applications, struct buffer *out) {
    char headline[64], duration[32];
    size_t i;
    json_t *application;
    snprintf(headline, sizeof headline, "Running Applications (%zu)", json_array_size(applications));
    page_table_begin(out, headline, "Application ID", "Name", "Cores", "Memory per Executor", "Submitted Time", "User",
        "State", "Duration", NULL);
    json_array_foreach(applications, i, application) {
        page_format_duration(page_number(application, "duration"), duration);
        buffer_append_text(out, "<tr>");
        page_cell(out, "%s", page_text(application, "id"));
        page_cell(out, "%s", page_text(application, "name"));
        page_cell(out, "%lld", (long long)page_number(application, "cores"));
        page_cell(out, "%.1f GiB", (double)page_number(application, "memoryperexecutor") / 1024);
        page_cell(out, "%s", page_text(application, "submitdate"));
        page_cell(out, "%s", page_text(application, "user"));
        page_cell(out, "%s", page_text(application, "state"));
        page_cell(out, "%s", duration);
        buffer_append_text(out, "</tr>\n");
    }
    page_table_end(out);
}

static void draw_queries(json_t *queries, struct buffer *out) {
    char headline[64];
    size_t i;
    json_t *query;
    snprintf(headline, sizeof headline, "Streaming Queries (%zu)", json_array_size(queries));
    page_table_begin(out, headline, "Name", "Status", "ID", "Run ID", "Latest Batch", "Input Rows", "Input /sec",
        "Sink", "Error", NULL);
    json_array_foreach(queries, i, query) {
        buffer_append_text(out, "<tr>");
        page_cell(out, "%s", page_text(query, "name"));
        page_cell(out, "%s", page_text(query, "status"));
        page_cell(out, "%s", page_text(query, "id"));
        page_cell(out, "%s", page_text(query, "runId"));
        page_cell(out, "%lld", (long long)page_number(query, "batchId"));
        page_cell(out, "%lld", (long long)page_number(query, "inputRows"));
        page_cell(out, "%.2f", json_number_value(json_object_get(query, "inputRowsPerSecond")));
        page_cell(out, "%s", page_text(query, "sink"));
        page_cell(out, "%s", page_text(query, "error"));
        buffer_append_text(out, "</tr>\n");
    }
    page_table_end(out);
}

static void draw_master(struct page *page, struct buffer *out) {
    char title[160];
    json_t *data = page->data;
    snprintf(title, sizeof title, "Spark Master at %s", page_text(data, "url"));
    page_begin(page, out, CONSOLE_MASTER, title, title);
    buffer_append_text(out, "<ul>\n");
    page_fact(out, "URL", "%s", page_text(data, "url"));
    page_fact(out, "Alive Workers", "%lld", (long long)page_number(data, "aliveworkers"));
    page_fact(out, "Cores in use", "%lld Total, 0 Used", (long long)page_number(data, "cores"));
    page_fact(out, "Memory in use", "%.1f GiB Total, 0.0 B Used", (double)page_number(data, "memory") / 1024);
    page_fact(out, "Applications", "%zu Running, 0 Completed", json_array_size(json_object_get(data, "activeapps")));
    page_fact(out, "Drivers", "0 Running, 0 Completed");
    page_fact(out, "Status", "%s", page_text(data, "status"));
    buffer_append_text(out, "</ul>\n");
    draw_workers(json_object_get(data, "workers"), out);
    draw_applications(json_object_get(data, "activeapps"), out);
    draw_queries(json_object_get(data, "queries"), out);
    page_end(out);
}

static void draw_worker(struct page *page, struct buffer *out) {
    char title[160];
    const struct console_options *options = &page->console->options;
    snprintf(title, sizeof title, "Spark Worker at %s:%u", options->address, options->worker_port);
    page_begin(page, out, CONSOLE_WORKER, title, title);
    buffer_append_text(out, "<ul>\n");
    page_fact(out, "ID", "%s", page_text(page->data, "id"));
    page_fact(out, "Master URL", "%s", page_text(page->data, "masterurl"));
    page_fact(out, "Cores", "%lld (0 Used)", (long long)page_number(page->data, "cores"));
    page_fact(out, "Memory", "%.1f GiB (0.0 B Used)", (double)page_number(page->data, "memory") / 1024);
    buffer_append_text(out, "</ul>\n<p><a href=\"");
    buffer_append_html(out, bytes_from_text(page_text(page->data, "masterwebuiurl")));
    buffer_append_text(out, "\">Back to Master</a></p>\n");
    page_table_begin(
        out, "Running Executors (0)", "ExecutorID", "State", "Cores", "Memory", "Job Details", "Logs", NULL);
    page_table_end(out);
    page_end(out);
}

/* ---- routes ---- */

static void handle_master(struct http_request *request, void *context) {
    page_gather_on_spark_loop(page_create(request, context, draw_master), gather);
}

static void handle_master_json(struct http_request *request, void *context) {
    page_gather_on_spark_loop(page_create(request, context, NULL), gather);
}

static void handle_worker(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, draw_worker);
    gather_worker(page);
    page_finish(page);
}

static void handle_worker_json(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    gather_worker(page);
    page_finish(page);
}

const struct http_route master_routes[] = {
    {"GET", "/", handle_master, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/json/", handle_master_json, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/json", handle_master_json, NULL, HTTP_BODY_BUFFERED, 0},
    PAGE_COMMON_ROUTES,
};
const size_t master_route_count = ARRAY_COUNT(master_routes);

const struct http_route worker_routes[] = {
    {"GET", "/", handle_worker, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/json/", handle_worker_json, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/json", handle_worker_json, NULL, HTTP_BODY_BUFFERED, 0},
    PAGE_COMMON_ROUTES,
};
const size_t worker_route_count = ARRAY_COUNT(worker_routes);
