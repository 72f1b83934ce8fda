/* spark_pages.c: 8081, the master's page, and 8082, a worker's, as plain HTML, and Spark's /json/ of both. A Spark
 * session is shown as an application; the script of web/src/spark takes the pages over. */
#include "console/spark_pages.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/calendar.h"

enum { ROWS_ON_OVERVIEW = 10 };

/* ---- Spark's /json/ ---- */

static json_t *describe_workers(const struct console_options *options) {
    json_t *workers = json_array();
    for (int64_t i = 0; i < options->worker_count; i++) {
        struct spark_usage usage = spark_usage_of_worker(options, i);
        json_array_append_new(workers,
            json_pack("{s:o, s:s, s:i, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:I}", "id",
                json_sprintf("worker-%lld", (long long)i + 1), "host", options->address, "port",
                (int)options->worker_port, "webuiaddress",
                json_sprintf("http://%s:%u", options->address, options->worker_port), "cores", (json_int_t)usage.cores,
                "coresused", (json_int_t)usage.cores_used, "coresfree", (json_int_t)(usage.cores - usage.cores_used),
                "memory", (json_int_t)(usage.memory >> 20), "memoryused", (json_int_t)(usage.memory_used >> 20),
                "memoryfree", (json_int_t)((usage.memory - usage.memory_used) >> 20), "state", "ALIVE", "lastheartbeat",
                (json_int_t)world_wall_ms(options->world)));
    }
    return workers;
}

/* Takes the rows. */
static json_t *as_applications(const struct console_options *options, json_t *rows) {
    json_t *list = json_array(), *row;
    size_t i;
    json_array_foreach(rows, i, row) {
        char submitted[32];
        calendar_format_iso_ms(page_number(row, "startedMs"), submitted);
        json_array_append_new(list,
            json_pack("{s:s, s:s, s:I, s:s, s:I, s:s, s:I, s:I, s:s, s:s, s:I, s:I, s:I}", "id", page_text(row, "id"),
                "sessionId", page_text(row, "sessionId"), "starttime", (json_int_t)page_number(row, "startedMs"),
                "name", page_text(row, "name"), "cores", (json_int_t)(options->worker_count * options->worker_cores),
                "user", page_text(row, "user"), "memoryperexecutor", (json_int_t)(options->worker_memory >> 20),
                "memoryperslave", (json_int_t)(options->worker_memory >> 20), "submitdate", submitted, "state",
                page_text(row, "state"), "duration", (json_int_t)page_number(row, "durationMs"), "pid",
                (json_int_t)page_number(row, "pid"), "operations", (json_int_t)page_number(row, "operations")));
    }
    json_decref(rows);
    return list;
}

static void gather_master(struct page *page) {
    const struct console_options *options = &page->console->options;
    struct spark_usage usage = spark_usage_get(options);
    json_t *data = page->data;
    json_object_set_new(data, "url", json_sprintf("spark://%s:7077", options->address));
    json_object_set_new(data, "workers", describe_workers(options));
    json_object_set_new(data, "aliveworkers", json_integer((json_int_t)options->worker_count));
    json_object_set_new(data, "cores", json_integer((json_int_t)usage.cores));
    json_object_set_new(data, "coresused", json_integer((json_int_t)usage.cores_used));
    json_object_set_new(data, "memory", json_integer((json_int_t)(usage.memory >> 20)));
    json_object_set_new(data, "memoryused", json_integer((json_int_t)(usage.memory_used >> 20)));
    json_object_set_new(data, "activeapps", as_applications(options, spark_applications(options, true, false)));
    json_object_set_new(data, "completedapps", as_applications(options, spark_applications(options, false, true)));
    json_object_set_new(data, "activedrivers", json_array());
    json_object_set_new(data, "completeddrivers", json_array());
    json_object_set_new(data, "status", json_string("ALIVE"));
    json_object_set_new(data, "queries", spark_queries(options));
}

/* /json/FIELD of the master, and clusterutilization; page->text is the field. */
static void gather_field(struct page *page) {
    gather_master(page);
    json_t *data = page->data, *field = json_incref(json_object_get(data, page->text));
    if (strcmp(page->text, "clusterutilization") == 0) {
        int64_t cores = page_number(data, "cores"), memory = page_number(data, "memory");
        double cores_used = (double)page_number(data, "coresused"),
               memory_used = (double)page_number(data, "memoryused");
        json_decref(field);
        field = json_pack("{s:I, s:I, s:I, s:i, s:I, s:I, s:i, s:i, s:i}", "waitingDrivers", (json_int_t)0, "cores",
            (json_int_t)cores, "coresused", (json_int_t)cores_used, "coresutilization",
            cores > 0 ? (int)(100 * cores_used / (double)cores) : 100, "memory", (json_int_t)memory, "memoryused",
            (json_int_t)memory_used, "memoryutilization", memory > 0 ? (int)(100 * memory_used / (double)memory) : 100,
            "aliveworkers", (int)page->console->options.worker_count, "workers",
            (int)page->console->options.worker_count);
    }
    if (field == NULL) {
        page->status = 404;
        field = json_pack("{s:o}", "message", json_sprintf("/json/ has no field %s", page->text));
    }
    page->data = json_is_object(field) || json_is_array(field) ? field : json_pack("{s:o}", page->text, field);
    json_decref(data);
}

/* One executor of each running application, as Spark has one on each worker. */
static json_t *describe_executors(const struct console_options *options, bool running) {
    json_t *rows = spark_applications(options, running, !running), *list = json_array(), *row;
    size_t i;
    json_array_foreach(rows, i, row) {
        json_t *described = json_pack("{s:s, s:I, s:s, s:{s:s, s:I, s:s}}", "id", "0", "memory",
            (json_int_t)(options->worker_memory >> 20), "appid", page_text(row, "id"), "appdesc", "name",
            page_text(row, "name"), "memoryperexecutor", (json_int_t)(options->worker_memory >> 20), "user",
            page_text(row, "user"));
        json_array_append_new(list, described);
    }
    json_decref(rows);
    return list;
}

static void gather_worker(struct page *page) {
    const struct console_options *options = &page->console->options;
    struct spark_usage usage = spark_usage_of_worker(options, 0);
    json_t *data = page->data;
    json_object_set_new(data, "id", json_string("worker-1"));
    json_object_set_new(data, "masterurl", json_sprintf("spark://%s:7077", options->address));
    json_object_set_new(data, "masterwebuiurl", json_sprintf("http://%s:%u", options->address, options->master_port));
    json_object_set_new(data, "cores", json_integer((json_int_t)usage.cores));
    json_object_set_new(data, "coresused", json_integer((json_int_t)usage.cores_used));
    json_object_set_new(data, "memory", json_integer((json_int_t)(usage.memory >> 20)));
    json_object_set_new(data, "memoryused", json_integer((json_int_t)(usage.memory_used >> 20)));
    json_object_set_new(data, "executors", describe_executors(options, true));
    json_object_set_new(data, "finishedexecutors", describe_executors(options, false));
}

/* ---- drawing: pieces ---- */

#define WORD(name) page_word(page, "spark." name)

static void draw_stop(const struct page *page, const char *kind, const char *id, struct buffer *out) {
    buffer_printf(out, "<td><form method=\"post\" action=\"%sapi/spark/%s/", page->root, kind);
    http_encode(bytes_from_text(id), "", out);
    buffer_printf(out, "/stop\"><button>%s</button></form></td>", WORD("stop"));
}

static void draw_time(int64_t wall_ms, struct buffer *out) {
    char text[32];
    calendar_format_iso_ms(wall_ms, text);
    page_cell(out, "%.10s %.8s", text, text + 11);
}

static void draw_duration(int64_t duration_ms, struct buffer *out) {
    char text[32];
    page_format_duration(duration_ms, text);
    page_cell(out, "%s", text);
}

static void draw_link(
    const struct page *page, const char *folder, const char *id, const char *text, struct buffer *out) {
    struct buffer href = {0};
    buffer_printf(&href, "%s%s/", page->root, folder);
    http_encode(bytes_from_text(id), "", &href);
    page_link_cell(out, buffer_text(&href), text);
    buffer_free(&href);
}

static void draw_workers(const struct page *page, json_t *workers, struct buffer *out) {
    char headline[64], total[32], used[32];
    size_t i;
    json_t *worker;
    snprintf(headline, sizeof headline, "%s (%zu)", WORD("workers"), json_array_size(workers));
    page_table_begin(out, headline, WORD("id"), WORD("address"), WORD("state"), WORD("cores"), WORD("memory"), NULL);
    json_array_foreach(workers, i, worker) {
        page_format_size(page_number(worker, "memory") << 20, total);
        page_format_size(page_number(worker, "memoryused") << 20, used);
        buffer_append_text(out, "<tr>");
        page_link_cell(out, page_text(worker, "webuiaddress"), page_text(worker, "id"));
        page_cell(out, "%s:%lld", page_text(worker, "host"), (long long)page_number(worker, "port"));
        page_cell(out, "%s", page_text(worker, "state"));
        page_cell(
            out, "%lld (%lld)", (long long)page_number(worker, "cores"), (long long)page_number(worker, "coresused"));
        page_cell(out, "%s (%s)", total, used);
        buffer_append_text(out, "</tr>\n");
    }
    page_table_end(out);
}

static void draw_programs(
    const struct page *page, json_t *rows, const char *headline, bool running, struct buffer *out) {
    size_t i;
    json_t *row;
    page_table_begin(out, headline, WORD("applicationId"), WORD("name"), WORD("pid"), WORD("user"), WORD("started"),
        WORD("duration"), WORD("state"), running ? WORD("stop") : NULL, NULL);
    json_array_foreach(rows, i, row) {
        int64_t pid = page_number(row, "pid");
        buffer_append_text(out, "<tr>");
        page_cell(out, "%s", page_text(row, "id"));
        page_cell(out, "%s", page_text(row, "name"));
        page_cell(out, pid > 0 ? "%lld" : "–", (long long)pid);
        page_cell(out, "%s", page_text(row, "user"));
        draw_time(page_number(row, "startedMs"), out);
        draw_duration(page_number(row, "durationMs"), out);
        page_cell(out, "%s", page_text(row, "state"));
        if (running)
            draw_stop(page, "programs", page_text(row, "id"), out);
        buffer_append_text(out, "</tr>\n");
    }
    page_table_end(out);
}

static void draw_queries(const struct page *page, json_t *rows, const char *headline, struct buffer *out) {
    size_t i;
    json_t *row;
    page_table_begin(out, headline, WORD("name"), WORD("status"), WORD("started"), WORD("duration"),
        WORD("inputPerSecond"), WORD("processPerSecond"), WORD("batch"), WORD("sink"), WORD("stop"), WORD("error"),
        NULL);
    json_array_foreach(rows, i, row) {
        const char *name = page_text(row, "name"), *run_id = page_text(row, "runId");
        bool running = strcmp(page_text(row, "status"), "RUNNING") == 0;
        buffer_append_text(out, "<tr>");
        draw_link(page, "queries", run_id, name[0] != 0 ? name : WORD("noName"), out);
        page_cell(out, "%s", page_text(row, "status"));
        draw_time(page_number(row, "startedMs"), out);
        draw_duration(page_number(row, "durationMs"), out);
        page_cell(out, "%.2f", json_number_value(json_object_get(row, "averageInputRowsPerSecond")));
        page_cell(out, "%.2f", json_number_value(json_object_get(row, "averageProcessedRowsPerSecond")));
        page_number_cell(out, page_number(row, "batchId"));
        page_cell(out, "%s", page_text(row, "sink"));
        if (running)
            draw_stop(page, "queries", run_id, out);
        else
            buffer_append_text(out, "<td></td>");
        page_cell(out, "%.300s", page_text(row, "error"));
        buffer_append_text(out, "</tr>\n");
    }
    page_table_end(out);
}

/* Links to the pages of a list before and behind this one. */
static void draw_pager(const struct page *page, struct buffer *out) {
    size_t at = page->rows.page, size = page->rows.size, total = (size_t)page_number(page->data, "total");
    buffer_append_text(out, "<p>");
    for (int step = -1; step <= 1; step += 2) {
        size_t to = at + (size_t)step;
        if (to == 0 || (to - 1) * size >= total)
            continue;
        buffer_printf(out, "<a href=\"?page=%zu&amp;search=", to);
        http_encode(bytes_from_text(page->rows.search), "", out);
        buffer_append_text(out, "&amp;state=");
        http_encode(bytes_from_text(page->text), "", out);
        buffer_printf(out, "\">%s</a> ", step < 0 ? WORD("previous") : WORD("next"));
    }
    buffer_printf(out, "%zu</p>\n<p><a href=\"%s\">%s</a></p>\n", total, page->root, WORD("overview"));
}

/* A title with its {0} filled in. */
static void append_title(struct buffer *out, const char *pattern, const char *value) {
    const char *place = strstr(pattern, "{0}");
    buffer_append(out, pattern, place == NULL ? strlen(pattern) : (size_t)(place - pattern));
    buffer_append_text(out, value);
    buffer_append_text(out, place == NULL ? "" : place + 3);
}

static void begin(
    const struct page *page, enum console_page kind, const char *pattern, const char *value, struct buffer *out) {
    struct buffer title = {0};
    append_title(&title, pattern, value);
    page_begin(page, out, kind, buffer_text(&title), buffer_text(&title));
    buffer_free(&title);
}

static void draw_used(
    const struct page *page, const char *name, const char *total, const char *used, struct buffer *out) {
    struct buffer text = {0}, both = {0};
    append_title(&text, WORD("used"), total);
    const char *place = strstr(buffer_text(&text), "{1}");
    if (place != NULL)
        buffer_printf(
            &both, "%.*s%s%s", (int)(place - (const char *)text.data), (const char *)text.data, used, place + 3);
    page_fact(out, name, "%s", buffer_text(&both));
    buffer_free(&text);
    buffer_free(&both);
}

static void draw_usage(const struct page *page, struct buffer *out) {
    char total[32], used[32];
    snprintf(total, sizeof total, "%lld", (long long)page_number(page->data, "cores"));
    snprintf(used, sizeof used, "%lld", (long long)page_number(page->data, "coresused"));
    draw_used(page, WORD("coresInUse"), total, used, out);
    page_format_size(page_number(page->data, "memory") << 20, total);
    page_format_size(page_number(page->data, "memoryused") << 20, used);
    draw_used(page, WORD("memoryInUse"), total, used, out);
}

/* ---- drawing: pages ---- */

static void gather_overview(struct page *page) {
    const struct console_options *options = &page->console->options;
    gather_master(page);
    json_object_set_new(page->data, "running", spark_applications(options, true, false));
    json_object_set_new(page->data, "finished", spark_applications(options, false, true));
}

static void cut(json_t *rows) {
    while (json_array_size(rows) > ROWS_ON_OVERVIEW)
        json_array_remove(rows, json_array_size(rows) - 1);
}

static void draw_master(struct page *page, struct buffer *out) {
    json_t *data = page->data, *queries = json_object_get(data, "queries"),
           *finished = json_object_get(data, "finished"), *running = json_object_get(data, "running");
    char headline[128];
    size_t query_count = json_array_size(queries);
    begin(page, CONSOLE_MASTER, WORD("masterTitle"), page_text(data, "url"), out);
    buffer_append_text(out, "<ul>\n");
    page_fact(out, WORD("url"), "%s", page_text(data, "url"));
    page_fact(out, WORD("aliveWorkers"), "%lld", (long long)page_number(data, "aliveworkers"));
    draw_usage(page, out);
    page_fact(out, WORD("status"), "%s", page_text(data, "status"));
    buffer_append_text(out, "</ul>\n");
    draw_workers(page, json_object_get(data, "workers"), out);
    snprintf(headline, sizeof headline, "%s (%zu)", WORD("runningPrograms"), json_array_size(running));
    draw_programs(page, running, headline, true, out);
    cut(queries);
    snprintf(headline, sizeof headline, "%s (%zu)", WORD("queries"), query_count);
    draw_queries(page, queries, headline, out);
    snprintf(headline, sizeof headline, "%s (%zu)", WORD("finishedPrograms"), json_array_size(finished));
    cut(finished);
    draw_programs(page, finished, headline, false, out);
    buffer_printf(out,
        "<p><a href=\"%squeries\">%s</a> · <a href=\"%sprograms\">%s</a> · <a href=\"%ssql\">%s</a></p>\n", page->root,
        WORD("queries"), page->root, WORD("programs"), page->root, WORD("executions"));
    page_end(out);
}

static void draw_program_list(struct page *page, struct buffer *out) {
    page_begin(page, out, CONSOLE_MASTER, WORD("programs"), WORD("programs"));
    draw_programs(page, json_object_get(page->data, "rows"), WORD("programs"), false, out);
    draw_pager(page, out);
    page_end(out);
}

static void draw_query_list(struct page *page, struct buffer *out) {
    page_begin(page, out, CONSOLE_MASTER, WORD("queries"), WORD("queries"));
    draw_queries(page, json_object_get(page->data, "rows"), WORD("queries"), out);
    draw_pager(page, out);
    page_end(out);
}

static void draw_execution_list(struct page *page, struct buffer *out) {
    size_t i;
    json_t *row;
    page_begin(page, out, CONSOLE_MASTER, WORD("executions"), WORD("executions"));
    page_table_begin(out, WORD("executions"), WORD("id"), WORD("description"), WORD("status"), WORD("submitted"),
        WORD("duration"), WORD("application"), NULL);
    json_array_foreach(json_object_get(page->data, "rows"), i, row) {
        char id[32];
        snprintf(id, sizeof id, "%lld", (long long)page_number(row, "id"));
        buffer_append_text(out, "<tr>");
        draw_link(page, "sql", id, id, out);
        page_cell(out, "%.300s", page_text(row, "description"));
        page_cell(out, "%s", page_text(row, "status"));
        draw_time(page_number(row, "startedMs"), out);
        draw_duration(page_number(row, "durationMs"), out);
        page_cell(out, "%s", page_text(row, "applicationName"));
        buffer_append_text(out, "</tr>\n");
    }
    page_table_end(out);
    draw_pager(page, out);
    page_end(out);
}

static void draw_text(const char *headline, const char *text, struct buffer *out) {
    if (text[0] == 0)
        return;
    buffer_printf(out, "<h2>%s</h2>\n<pre>", headline);
    buffer_append_html(out, bytes_from_text(text));
    buffer_append_text(out, "</pre>\n");
}

static void draw_unknown(const struct page *page, const char *headline, struct buffer *out) {
    page_begin(page, out, CONSOLE_MASTER, headline, headline);
    buffer_printf(out, "<p>%s</p>\n<p><a href=\"%s\">%s</a></p>\n", WORD("unknown"), page->root, WORD("overview"));
    page_end(out);
}

static void draw_bad_records(const struct page *page, struct buffer *out) {
    struct buffer headline = {0};
    char count[32];
    snprintf(count, sizeof count, "%lld", (long long)page_number(page->data, "badRecords"));
    append_title(&headline, WORD("badRecords"), count);
    draw_text(buffer_text(&headline), page_text(page->data, "firstBadRecord"), out);
    buffer_free(&headline);
}

static void draw_query(struct page *page, struct buffer *out) {
    json_t *data = page->data, *progress = json_object_get(data, "progress");
    const char *name = page_text(data, "name");
    if (page->status != 200) {
        draw_unknown(page, WORD("queries"), out);
        return;
    }
    page_begin(page, out, CONSOLE_MASTER, name[0] != 0 ? name : WORD("noName"), name[0] != 0 ? name : WORD("noName"));
    buffer_append_text(out, "<ul>\n");
    page_fact(out, WORD("status"), "%s (%s)", page_text(data, "status"), page_text(data, "message"));
    json_t *why = json_array_get(
        json_object_get(json_array_get(json_object_get(data, "reasons"), 0), "sentence"), (size_t)page->language);
    if (why != NULL)
        page_fact(out, WORD("why"), "%s", json_string_value(why));
    page_fact(out, WORD("id"), "%s", page_text(data, "id"));
    page_fact(out, WORD("runId"), "%s", page_text(data, "runId"));
    page_fact(out, WORD("batch"), "%lld", (long long)page_number(data, "batchId"));
    page_fact(out, WORD("inputRows"), "%lld", (long long)page_number(data, "inputRows"));
    page_fact(out, WORD("inputPerSecond"), "%.2f", json_number_value(json_object_get(data, "inputRowsPerSecond")));
    page_fact(
        out, WORD("processPerSecond"), "%.2f", json_number_value(json_object_get(data, "processedRowsPerSecond")));
    if (json_object_get(data, "lagMessages") != NULL)
        page_fact(out, WORD("lag"), "%lld (%.1f s)", (long long)page_number(data, "lagMessages"),
            json_number_value(json_object_get(data, "lagSeconds")));
    page_fact(out, WORD("sink"), "%s", page_text(data, "sink"));
    page_fact(out, WORD("checkpoint"), "%s",
        page_text(data, "checkpoint")[0] != 0 ? page_text(data, "checkpoint") : WORD("temporary"));
    buffer_append_text(out, "</ul>\n");
    draw_text(WORD("error"), page_text(data, "error"), out);
    draw_bad_records(page, out);
    if (json_is_object(progress)) {
        char *text = json_dumps(progress, JSON_INDENT(2));
        draw_text(WORD("progress"), text, out);
        free(text);
    }
    draw_text(WORD("plan"), page_text(data, "plan"), out);
    buffer_printf(out, "<p><a href=\"%squeries\">%s</a></p>\n", page->root, WORD("queries"));
    page_end(out);
}

static void draw_execution(struct page *page, struct buffer *out) {
    char headline[64], duration[32];
    json_t *data = page->data;
    if (page->status != 200) {
        draw_unknown(page, WORD("executions"), out);
        return;
    }
    page_format_duration(page_number(data, "durationMs"), duration);
    snprintf(headline, sizeof headline, "SQL %lld", (long long)page_number(data, "id"));
    page_begin(page, out, CONSOLE_MASTER, headline, headline);
    buffer_append_text(out, "<ul>\n");
    page_fact(out, WORD("description"), "%s", page_text(data, "description"));
    page_fact(out, WORD("status"), "%s", page_text(data, "status"));
    page_fact(out, WORD("duration"), "%s", duration);
    page_fact(out, WORD("application"), "%s", page_text(data, "applicationName"));
    buffer_append_text(out, "</ul>\n");
    draw_text(WORD("error"), page_text(data, "error"), out);
    draw_text(WORD("plan"), page_text(data, "plan"), out);
    buffer_printf(out, "<p><a href=\"%ssql\">%s</a></p>\n", page->root, WORD("executions"));
    page_end(out);
}

static void draw_worker(struct page *page, struct buffer *out) {
    const struct console_options *options = &page->console->options;
    char place[96], headline[64];
    size_t i;
    json_t *row, *executors = json_object_get(page->data, "executors");
    snprintf(place, sizeof place, "%s:%u", options->address, options->worker_port);
    begin(page, CONSOLE_WORKER, WORD("workerTitle"), place, out);
    buffer_append_text(out, "<ul>\n");
    page_fact(out, WORD("id"), "%s", page_text(page->data, "id"));
    page_fact(out, WORD("url"), "%s", page_text(page->data, "masterurl"));
    page_fact(out, WORD("cores"), "%lld", (long long)page_number(page->data, "cores"));
    page_fact(out, WORD("memory"), "%lld MB", (long long)page_number(page->data, "memory"));
    draw_usage(page, out);
    buffer_append_text(out, "</ul>\n<p><a href=\"");
    buffer_append_html(out, bytes_from_text(page_text(page->data, "masterwebuiurl")));
    buffer_printf(out, "\">%s</a></p>\n", WORD("backToMaster"));
    snprintf(headline, sizeof headline, "%s (%zu)", WORD("executors"), json_array_size(executors));
    page_table_begin(out, headline, WORD("applicationId"), WORD("name"), WORD("user"), NULL);
    json_array_foreach(executors, i, row) {
        json_t *description = json_object_get(row, "appdesc");
        buffer_append_text(out, "<tr>");
        page_cell(out, "%s", page_text(row, "appid"));
        page_cell(out, "%s", page_text(description, "name"));
        page_cell(out, "%s", page_text(description, "user"));
        buffer_append_text(out, "</tr>\n");
    }
    page_table_end(out);
    page_end(out);
}

/* ---- routes ---- */

static void handle_master(struct http_request *request, void *context) {
    page_gather_on_spark_loop(page_create(request, context, draw_master), gather_overview);
}

static void handle_master_json(struct http_request *request, void *context) {
    page_gather_on_spark_loop(page_create(request, context, NULL), gather_master);
}

static void handle_master_field(struct http_request *request, void *context) {
    page_gather_on_spark_loop(spark_one(request, context, NULL), gather_field);
}

static void handle_programs(struct http_request *request, void *context) {
    page_gather_on_spark_loop(spark_list(request, context, "", draw_program_list), spark_gather_programs);
}

static void handle_queries(struct http_request *request, void *context) {
    page_gather_on_spark_loop(spark_list(request, context, "", draw_query_list), spark_gather_queries);
}

static void handle_query(struct http_request *request, void *context) {
    page_gather_on_spark_loop(spark_one(request, context, draw_query), spark_gather_query);
}

static void handle_executions(struct http_request *request, void *context) {
    page_gather_on_spark_loop(spark_list(request, context, "", draw_execution_list), spark_gather_executions);
}

static void handle_execution(struct http_request *request, void *context) {
    page_gather_on_spark_loop(spark_one(request, context, draw_execution), spark_gather_execution);
}

static void handle_worker(struct http_request *request, void *context) {
    page_gather_on_spark_loop(page_create(request, context, draw_worker), gather_worker);
}

static void handle_worker_json(struct http_request *request, void *context) {
    page_gather_on_spark_loop(page_create(request, context, NULL), gather_worker);
}

const struct http_route master_routes[] = {
    {"GET", "/", handle_master, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/programs", handle_programs, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/queries", handle_queries, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/queries/{id}", handle_query, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/sql", handle_executions, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/sql/{id}", handle_execution, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/json/", handle_master_json, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/json", handle_master_json, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/json/{id}", handle_master_field, NULL, HTTP_BODY_BUFFERED, 0},
    {"POST", "/app/kill/", spark_api_kill, NULL, HTTP_BODY_BUFFERED, 0},
    {"POST", "/app/kill", spark_api_kill, NULL, HTTP_BODY_BUFFERED, 0},
    SPARK_API_ROUTES,
    SPARK_REST_ROUTES,
    PAGE_COMMON_ROUTES,
};
const size_t master_route_count = ARRAY_COUNT(master_routes);

const struct http_route worker_routes[] = {
    {"GET", "/", handle_worker, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/json/", handle_worker_json, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/json", handle_worker_json, NULL, HTTP_BODY_BUFFERED, 0},
    SPARK_API_ROUTES,
    PAGE_COMMON_ROUTES,
};
const size_t worker_route_count = ARRAY_COUNT(worker_routes);
