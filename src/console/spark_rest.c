/* spark_rest.c: Spark's monitoring REST API, /api/v1 of docs "Monitoring and Instrumentation", as far as there is data:
 * applications (sessions), their SQL executions and streaming statistics, with Spark's fields. What is not served is
 * refused with a sentence. And 4040, where a Spark application has its own page: it leads to the page on 8081.
 *
 * Spark's streaming resources are those of DStreams; here they tell of the application's streaming queries together,
 * batches of the latest query only. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/calendar.h"
#include "console/spark_pages.h"

#define SPARK_VERSION "4.3.0"

/* "2026-11-22T20:31:45.123GMT" */
static json_t *moment(int64_t wall_ms) {
    char text[32];
    calendar_format_iso_ms(wall_ms, text);
    text[strlen(text) - 1] = 0;
    return json_sprintf("%sGMT", text);
}

static void refuse(struct page *page, const char *message) {
    json_decref(page->data);
    page->data = json_pack("{s:s}", "message", message);
    page->status = 404;
}

static void answer(struct page *page, json_t *data) {
    json_decref(page->data);
    page->data = data;
}

/* ---- applications ---- */

static json_t *describe_application(const struct page *page, json_t *row) {
    int64_t started_ms = page_number(row, "startedMs"), ended_ms = page_number(row, "endedMs");
    int64_t now_ms = world_wall_ms(page->console->options.world);
    bool completed = ended_ms > 0;
    json_t *attempt = json_pack("{s:o, s:o, s:o, s:I, s:s, s:b, s:s, s:I, s:I, s:I}", "startTime", moment(started_ms),
        "endTime", moment(completed ? ended_ms : -1), "lastUpdated", moment(completed ? ended_ms : now_ms), "duration",
        (json_int_t)page_number(row, "durationMs"), "sparkUser", page_text(row, "user"), "completed", completed,
        "appSparkVersion", SPARK_VERSION, "startTimeEpoch", (json_int_t)started_ms, "endTimeEpoch",
        (json_int_t)(completed ? ended_ms : -1), "lastUpdatedEpoch", (json_int_t)(completed ? ended_ms : now_ms));
    return json_pack(
        "{s:s, s:s, s:[o]}", "id", page_text(row, "id"), "name", page_text(row, "name"), "attempts", attempt);
}

/* page->text: "", "running" or "completed". page->rows.size: at most that many. */
static void gather_applications(struct page *page) {
    bool running = strcasecmp(page->text, "completed") != 0, ended = strcasecmp(page->text, "running") != 0;
    json_t *rows = spark_applications(&page->console->options, running, ended), *row, *list = json_array();
    size_t i;
    json_array_foreach(rows, i, row) {
        if (i == page->rows.size)
            break;
        json_array_append_new(list, describe_application(page, row));
    }
    json_decref(rows);
    answer(page, list);
}

void spark_rest_applications(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    int64_t limit;
    page->text = spark_copy(http_query(request, "status"));
    page->rows.size = bytes_to_int64(http_query(request, "limit"), &limit) && limit >= 0 ? (size_t)limit : SIZE_MAX;
    page_gather_on_spark_loop(page, gather_applications);
}

/* The application that page->text names, or NULL after it was refused. */
static json_t *find_application(struct page *page) {
    json_t *rows = spark_applications(&page->console->options, true, true), *row, *found = NULL;
    size_t i;
    json_array_foreach(rows, i, row) if (found == NULL && (strcmp(page_text(row, "id"), page->text) == 0 ||
                                                              strcmp(page_text(row, "sessionId"), page->text) == 0))
        found = json_incref(row);
    json_decref(rows);
    if (found == NULL)
        refuse(page, "no such app; /api/v1/applications lists them");
    return found;
}

static void gather_application(struct page *page) {
    json_t *row = find_application(page);
    if (row != NULL)
        answer(page, describe_application(page, row));
    json_decref(row);
}

static struct page *application_page(struct http_request *request, void *context) {
    return spark_one(request, context, NULL);
}

void spark_rest_application(struct http_request *request, void *context) {
    page_gather_on_spark_loop(application_page(request, context), gather_application);
}

/* ---- SQL executions ---- */

/* Operators in the order of the plan's tree: the input of one stands below it, one level deeper. */
static void add_graph(json_t *data, json_t *operators) {
    json_t *nodes = json_array(), *edges = json_array(), *operator;
    size_t i;
    json_array_foreach(operators, i, operator) {
        int64_t depth = page_number(operator, "depth");
        json_array_append_new(
            nodes, json_pack("{s:I, s:s, s:[{s:s, s:o}, {s:s, s:o}]}", "nodeId", (json_int_t)i, "nodeName",
                       page_text(operator, "name"), "metrics", "name", "number of output rows", "value",
                       json_sprintf("%lld", (long long)page_number(operator, "outputRows")), "name", "duration",
                       "value", json_sprintf("%.1f ms", json_number_value(json_object_get(operator, "durationMs")))));
        for (size_t j = i; depth > 0 && j-- > 0;) {
            if (page_number(json_array_get(operators, j), "depth") == depth - 1) {
                json_array_append_new(edges, json_pack("{s:I, s:I}", "fromId", (json_int_t)i, "toId", (json_int_t)j));
                break;
            }
        }
    }
    json_object_set_new(data, "nodes", nodes);
    json_object_set_new(data, "edges", edges);
}

struct wanted {
    bool details, plan;
};

static json_t *describe_execution(const struct console_options *options, json_t *row, struct wanted wanted) {
    char id[32];
    snprintf(id, sizeof id, "%lld", (long long)page_number(row, "id"));
    json_t *whole = wanted.details || wanted.plan ? spark_execution(options, id) : NULL;
    json_t *data =
        json_pack("{s:I, s:s, s:s, s:s, s:o, s:I, s:[], s:[], s:[]}", "id", (json_int_t)page_number(row, "id"),
            "status", page_text(row, "status"), "description", page_text(row, "description"), "planDescription",
            wanted.plan ? page_text(whole, "plan") : "", "submissionTime", moment(page_number(row, "startedMs")),
            "duration", (json_int_t)page_number(row, "durationMs"), "runningJobIds", "successJobIds", "failedJobIds");
    add_graph(data, wanted.details ? json_object_get(whole, "operators") : NULL);
    json_decref(whole);
    return data;
}

/* Spark's defaults: both true. */
static struct wanted read_wanted(const struct http_request *request) {
    return (struct wanted){!bytes_equal_text(http_query(request, "details"), "false"),
        !bytes_equal_text(http_query(request, "planDescription"), "false")};
}

/* page->rows: page is the offset, size the length, both of the oldest first; the first letters of search tell what is
 * wanted. */
static void gather_sql(struct page *page) {
    const struct console_options *options = &page->console->options;
    struct wanted wanted = {page->rows.search[0] == 'y', page->rows.search[1] == 'y'};
    json_t *application = find_application(page);
    if (application == NULL)
        return;
    json_t *rows = spark_executions(options), *list = json_array();
    size_t seen = 0;
    for (size_t i = json_array_size(rows); i-- > 0;) {
        json_t *row = json_array_get(rows, i);
        if (strcmp(page_text(row, "sessionId"), page_text(application, "sessionId")) != 0)
            continue;
        if (seen >= page->rows.page && json_array_size(list) < page->rows.size)
            json_array_append_new(list, describe_execution(options, row, wanted));
        seen++;
    }
    json_decref(rows);
    json_decref(application);
    answer(page, list);
}

static size_t read_size(const struct http_request *request, const char *name, size_t otherwise) {
    int64_t value;
    return bytes_to_int64(http_query(request, name), &value) && value >= 0 ? (size_t)value : otherwise;
}

static void put_wanted(struct page *page, struct wanted wanted) {
    snprintf(page->rows.search, sizeof page->rows.search, "%c%c", wanted.details ? 'y' : 'n', wanted.plan ? 'y' : 'n');
}

void spark_rest_sql(struct http_request *request, void *context) {
    struct page *page = application_page(request, context);
    page->rows.page = read_size(request, "offset", 0);
    page->rows.size = read_size(request, "length", 20);
    put_wanted(page, read_wanted(request));
    page_gather_on_spark_loop(page, gather_sql);
}

static void gather_sql_execution(struct page *page) {
    const struct console_options *options = &page->console->options;
    struct wanted wanted = {page->rows.search[0] == 'y', page->rows.search[1] == 'y'};
    json_t *application = find_application(page);
    if (application == NULL)
        return;
    json_t *row = spark_execution(options, page->rows.sort);
    if (row == NULL || strcmp(page_text(row, "sessionId"), page_text(application, "sessionId")) != 0)
        refuse(page, "no such SQL execution of this app");
    else
        answer(page, describe_execution(options, row, wanted));
    json_decref(row);
    json_decref(application);
}

void spark_rest_sql_execution(struct http_request *request, void *context) {
    struct page *page = application_page(request, context);
    snprintf(page->rows.sort, sizeof page->rows.sort, "%.*s", BYTES_ARGS(http_parameter(request, "execution")));
    put_wanted(page, read_wanted(request));
    page_gather_on_spark_loop(page, gather_sql_execution);
}

/* ---- streaming ---- */

/* The queries of the application that page->text names, or NULL after it was refused. */
static json_t *queries_of(struct page *page) {
    json_t *application = find_application(page);
    if (application == NULL)
        return NULL;
    json_t *rows = spark_queries(&page->console->options);
    for (size_t i = json_array_size(rows); i-- > 0;)
        if (strcmp(page_text(json_array_get(rows, i), "application"), page_text(application, "id")) != 0)
            json_array_remove(rows, i);
    json_decref(application);
    if (json_array_size(rows) == 0) {
        refuse(page, "no streaming query has been started by this app");
        json_decref(rows);
        return NULL;
    }
    return rows;
}

static void gather_statistics(struct page *page) {
    json_t *rows = queries_of(page), *row;
    int64_t started_ms = INT64_MAX, batches = 0, records = 0;
    double rate = 0, duration_ms = 0;
    size_t i;
    if (rows == NULL)
        return;
    json_array_foreach(rows, i, row) {
        int64_t start = page_number(row, "startedMs");
        started_ms = start < started_ms ? start : started_ms;
        batches += page_number(row, "batches");
        records += page_number(row, "inputRows");
        rate += json_number_value(json_object_get(row, "averageInputRowsPerSecond"));
        duration_ms += json_number_value(json_object_get(row, "batchMs"));
    }
    answer(page,
        json_pack("{s:o, s:I, s:i, s:i, s:i, s:I, s:I, s:i, s:I, s:I, s:f, s:i, s:I, s:I}", "startTime",
            moment(started_ms), "batchDuration", (json_int_t)0, "numReceivers", 0, "numActiveReceivers", 0,
            "numInactiveReceivers", 0, "numTotalCompletedBatches", (json_int_t)batches, "numRetainedCompletedBatches",
            (json_int_t)batches, "numActiveBatches", 0, "numProcessedRecords", (json_int_t)records,
            "numReceivedRecords", (json_int_t)records, "avgInputRate", rate, "avgSchedulingDelay", 0,
            "avgProcessingTime", (json_int_t)(duration_ms / (double)json_array_size(rows)), "avgTotalDelay",
            (json_int_t)(duration_ms / (double)json_array_size(rows))));
    json_decref(rows);
}

void spark_rest_statistics(struct http_request *request, void *context) {
    page_gather_on_spark_loop(application_page(request, context), gather_statistics);
}

static void gather_batches(struct page *page) {
    json_t *rows = queries_of(page), *list = json_array();
    if (rows == NULL) {
        json_decref(list);
        return;
    }
    json_t *query = spark_query(&page->console->options, page_text(json_array_get(rows, 0), "runId"));
    json_t *history = json_object_get(query, "history"), *times = json_object_get(history, "times");
    for (size_t i = json_array_size(times); i-- > 0;) {
        int64_t time_ms = json_integer_value(json_array_get(times, i));
        int64_t spent_ms = (int64_t)json_number_value(json_array_get(json_object_get(history, "batchMs"), i));
        json_array_append_new(list,
            json_pack("{s:I, s:o, s:s, s:I, s:O, s:i, s:I, s:I, s:i, s:i, s:i, s:i}", "batchId", (json_int_t)time_ms,
                "batchTime", moment(time_ms), "status", "COMPLETED", "batchDuration", (json_int_t)spent_ms, "inputSize",
                json_array_get(json_object_get(history, "inputRows"), i), "schedulingDelay", 0, "processingTime",
                (json_int_t)spent_ms, "totalDelay", (json_int_t)spent_ms, "numActiveOutputOps", 0,
                "numCompletedOutputOps", 1, "numFailedOutputOps", 0, "numTotalOutputOps", 1));
    }
    json_decref(query);
    json_decref(rows);
    answer(page, list);
}

void spark_rest_batches(struct http_request *request, void *context) {
    page_gather_on_spark_loop(application_page(request, context), gather_batches);
}

static void gather_receivers(struct page *page) {
    json_t *rows = queries_of(page);
    if (rows != NULL)
        answer(page, json_array()); /* sources are read by the engine itself */
    json_decref(rows);
}

void spark_rest_receivers(struct http_request *request, void *context) {
    page_gather_on_spark_loop(application_page(request, context), gather_receivers);
}

/* ---- the rest ---- */

void spark_rest_version(struct http_request *request, void *context) {
    http_respond(request, 200, "application/json", BYTES("{\"spark\": \"" SPARK_VERSION "\"}\n"));
}

void spark_rest_refuse(struct http_request *request, void *context) {
    http_respond_text(request, 404,
        "%s is not served: Raudal has applications, sql, streaming/statistics, streaming/batches and version below "
        "/api/v1. Jobs, stages and executors are Spark's own way to run a query.",
        (const char *)http_path(request).data);
}

/* /StreamingQuery/statistics?id=RUN, /SQL/execution/?id=N and the lists. */
static void append_place(struct http_request *request, struct buffer *out) {
    struct bytes path = http_path(request), id = http_query(request, "id");
    if (bytes_starts_with(path, "/api/") || bytes_starts_with(path, "/metrics")) {
        buffer_append_bytes(out, path);
        return;
    }
    bool sql = bytes_starts_with(path, "/SQL");
    buffer_append_text(out, sql ? "/sql" : "/queries");
    if (id.size > 0 && (sql || bytes_starts_with(path, "/StreamingQuery"))) {
        buffer_append_byte(out, '/');
        http_encode(id, "", out);
    }
}

static void handle_ui(struct http_request *request, void *context) {
    const struct console *console = context;
    struct bytes host = http_header(request, "Host");
    struct buffer out = {0};
    size_t colon = bytes_find(host, ':', 0);
    if (colon != SIZE_MAX)
        host = bytes_slice(host, 0, colon);
    buffer_printf(&out, "http://%.*s:%u", BYTES_ARGS(host.size > 0 ? host : bytes_from_text(console->options.address)),
        console->options.master_port);
    append_place(request, &out);
    http_respond_redirect(request, 302, buffer_text(&out));
    buffer_free(&out);
}

const struct http_route spark_ui_route = {"GET", "/{path...}", handle_ui, NULL, HTTP_BODY_BUFFERED, 0};
