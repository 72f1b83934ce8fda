#include "console/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

/* The first of our languages that the client names; q values are given in falling order by browsers. */
static enum language choose_language(const struct http_request *request) {
    struct bytes asked = http_query(request, "lang");
    if (asked.data == NULL)
        asked = http_header(request, "Accept-Language");
    return bytes_starts_with(asked, "es") ? LANGUAGE_SPANISH : LANGUAGE_ENGLISH;
}

/* As many "../" as the path has folders, so that links work behind a proxy's path. */
static char *relative_root(struct bytes path) {
    struct buffer root = {0};
    for (size_t i = 1; i < path.size; i++)
        if (path.data[i] == '/')
            buffer_append_text(&root, "../");
    if (root.size == 0)
        buffer_append_text(&root, "./");
    buffer_text(&root); /* the NUL */
    return (char *)root.data;
}

struct page *page_create(
    struct http_request *request, struct console *console, void (*draw)(struct page *page, struct buffer *out)) {
    struct page *page = calloc(1, sizeof *page);
    ASSERT(page != NULL);
    *page = (struct page){.request = request,
        .console = console,
        .data = json_object(),
        .draw = draw,
        .status = 200,
        .language = choose_language(request),
        .root = relative_root(http_path(request))};
    return page;
}

void page_discard(struct page *page) {
    json_decref(page->data);
    if (page->release != NULL)
        page->release(page->state);
    free((char *)page->text);
    free(page->root);
    free(page);
}

/* What stands in the page itself stands in the policy with its hash. */
static void add_policy(struct http_request *request) {
    struct buffer policy = {0};
    buffer_printf(&policy, "%s; style-src 'self' %s; script-src 'self' %s", HTTP_CONTENT_SECURITY_POLICY,
        asset_style_source, asset_begin_source);
    http_add_header(request, "Content-Security-Policy", buffer_text(&policy));
    buffer_free(&policy);
}

void page_finish(struct page *page) {
    struct buffer out = {0};
    if (page->draw != NULL) {
        page->draw(page, &out);
        add_policy(page->request);
        http_respond_buffer(page->request, page->status, "text/html; charset=utf-8", &out);
    } else {
        char *text = json_dumps(page->data, JSON_INDENT(2));
        http_respond(page->request, page->status, "application/json", bytes_from_text(text));
        free(text);
    }
    page_discard(page);
}

void page_fail(struct page *page, const struct error *error) {
    static const int statuses[] = {[ERROR_INVALID] = 400,
        [ERROR_NOT_FOUND] = 404,
        [ERROR_EXISTS] = 409,
        [ERROR_BUSY] = 409,
        [ERROR_DENIED] = 403,
        [ERROR_LIMIT] = 413,
        [ERROR_NO_SPACE] = 507,
        [ERROR_TIMEOUT] = 504,
        [ERROR_CLOSED] = 503};
    int status = (size_t)error->code < ARRAY_COUNT(statuses) ? statuses[error->code] : 0;
    page->status = status == 0 ? 500 : status;
    page->draw = NULL;
    json_object_clear(page->data);
    json_object_set_new(page->data, "message", json_string(error->message));
}

static void finish(void *page) {
    page_finish(page);
}

void page_post_finish(struct page *page) {
    world_loop_post(page->console->options.loop, finish, page);
}

static void gather_then_finish(void *argument) {
    struct page *page = argument;
    page->gather(page);
    page_post_finish(page);
}

void page_post_done(void *argument, const struct error *error) {
    struct page *page = argument;
    if (error->code != ERROR_NONE)
        page_fail(page, error);
    page_post_finish(page);
}

void page_gather_on_disk_pool(struct page *page, void (*gather)(struct page *page)) {
    page->gather = gather;
    world_pool_submit(page->console->options.disk_pool, gather_then_finish, page);
}

void page_gather_on_spark_loop(struct page *page, void (*gather)(struct page *page)) {
    page->gather = gather;
    if (page->console->options.spark_loop == NULL)
        gather_then_finish(page);
    else
        world_loop_post(page->console->options.spark_loop, gather_then_finish, page);
}

/* ---- drawing ---- */

struct scrape {
    struct http_request *request;
    struct console *console;
    struct buffer text;
    bool has_broker;
};

static void answer_scrape(void *argument);

static void take_broker(void *argument, struct buffer *text) {
    struct scrape *scrape = argument;
    buffer_append_bytes(&scrape->text, buffer_view(text));
    world_loop_post(scrape->console->options.loop, answer_scrape, scrape);
}

static void answer_scrape(void *argument) {
    struct scrape *scrape = argument;
    if (scrape->console->options.kafka != NULL && !scrape->has_broker) {
        scrape->has_broker = true;
        kafka_client_metrics(scrape->console->options.kafka, take_broker, scrape);
        return;
    }
    http_respond_buffer(scrape->request, 200, "text/plain; version=0.0.4; charset=utf-8", &scrape->text);
    free(scrape);
}

static void ask_queries(void *argument) {
    struct scrape *scrape = argument;
    stream_manager_metrics(scrape->console->options.streams, &scrape->text);
    world_loop_post(scrape->console->options.loop, answer_scrape, scrape);
}

void page_metrics(struct http_request *request, void *context) {
    struct console *console = context;
    struct scrape *scrape = calloc(1, sizeof *scrape);
    ASSERT(scrape != NULL);
    *scrape = (struct scrape){.request = request, .console = console};
    metrics_format(console->options.metrics, &scrape->text);
    if (console->options.streams == NULL || console->options.spark_loop == NULL)
        answer_scrape(scrape);
    else
        world_loop_post(console->options.spark_loop, ask_queries, scrape);
}

/* What tells the kinds apart: the page's name in web/, its script, its port. */
static const struct {
    const char *name, *script;
    size_t port; /* in the options */
} kinds[] = {
    [CONSOLE_KAFKA] = {"kafka", "kafka.js", offsetof(struct console_options, kafka_port)},
    [CONSOLE_MASTER] = {"spark", "spark.js", offsetof(struct console_options, master_port)},
    [CONSOLE_WORKER] = {"worker", "spark.js", offsetof(struct console_options, worker_port)},
    [CONSOLE_NAMENODE] = {"hdfs", "hdfs.js", offsetof(struct console_options, namenode_port)},
};

static uint16_t kind_port(const struct page *page, size_t kind) {
    uint16_t port;
    memcpy(&port, (const char *)&page->console->options + kinds[kind].port, sizeof port);
    return port;
}

static void append_head(const struct page *page, struct buffer *out, enum console_page kind, const char *title) {
    buffer_printf(out,
        "<!DOCTYPE html>\n<html lang=\"%s\" data-page=\"%s\" data-root=\"%s\" data-port=\"%u\" data-ports=\"",
        page->language == LANGUAGE_SPANISH ? "es" : "en", kinds[kind].name, page->root, kind_port(page, kind));
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
        if (kind_port(page, i) != 0)
            buffer_printf(out, "%s=%u ", kinds[i].name, kind_port(page, i));
    buffer_append_text(out, "\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" "
                            "content=\"width=device-width,initial-scale=1\"><title>");
    buffer_append_html(out, bytes_from_text(title));
    buffer_printf(out, "</title>\n<link rel=\"icon\" href=\"%sassets/icon.svg\"><style>", page->root);
    buffer_append_text(out, asset_style);
    buffer_append_text(out, "</style>");
    if (page_has_asset(kinds[kind].script)) {
        buffer_printf(out, "<script data-source=\"%sassets/%s\">", page->root, kinds[kind].script);
        buffer_append_text(out, asset_begin);
        buffer_append_text(out, "</script>");
    }
    buffer_append_text(out, "</head>\n");
}

void page_begin(
    const struct page *page, struct buffer *out, enum console_page kind, const char *title, const char *headline) {
    append_head(page, out, kind, title);
    buffer_printf(out, "<body id=\"page\">\n<header class=\"top\"><a class=\"brand\" href=\"%s\">", page->root);
    buffer_append_text(out, asset_icon);
    buffer_append_text(out, "Raudal</a></header>\n<main class=\"plainpage\">\n<h1>");
    buffer_append_html(out, bytes_from_text(headline));
    buffer_append_text(out, "</h1>\n");
}

void page_end(struct buffer *out) {
    buffer_append_text(out, "</main>\n</body>\n</html>\n");
}

static void append_escaped(struct buffer *out, const char *format, va_list arguments) {
    struct buffer text = {0};
    buffer_vprintf(&text, format, arguments);
    buffer_append_html(out, buffer_view(&text));
    buffer_free(&text);
}

void page_fact(struct buffer *out, const char *name, const char *format, ...) {
    va_list arguments;
    buffer_printf(out, "<li><strong>%s:</strong> ", name);
    va_start(arguments, format);
    append_escaped(out, format, arguments);
    va_end(arguments);
    buffer_append_text(out, "</li>\n");
}

void page_table_begin(struct buffer *out, const char *headline, ...) {
    va_list names;
    buffer_append_text(out, "<h2>");
    buffer_append_html(out, bytes_from_text(headline));
    buffer_append_text(out, "</h2>\n<div class=\"tablebox\"><table>\n<thead><tr>");
    va_start(names, headline);
    for (const char *name; (name = va_arg(names, const char *)) != NULL;)
        buffer_printf(out, "<th>%s</th>", name);
    va_end(names);
    buffer_append_text(out, "</tr></thead>\n<tbody>\n");
}

void page_table_end(struct buffer *out) {
    buffer_append_text(out, "</tbody>\n</table></div>\n");
}

void page_cell(struct buffer *out, const char *format, ...) {
    va_list arguments;
    buffer_append_text(out, "<td>");
    va_start(arguments, format);
    append_escaped(out, format, arguments);
    va_end(arguments);
    buffer_append_text(out, "</td>");
}

void page_number_cell(struct buffer *out, int64_t number) {
    buffer_printf(out, "<td class=\"number\">%lld</td>", (long long)number);
}

void page_link_cell(struct buffer *out, const char *href, const char *text) {
    buffer_append_text(out, "<td><a href=\"");
    buffer_append_html(out, bytes_from_text(href));
    buffer_append_text(out, "\">");
    buffer_append_html(out, bytes_from_text(text));
    buffer_append_text(out, "</a></td>");
}

void page_format_size(int64_t size, char out[32]) {
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB"};
    double value = (double)size;
    size_t unit = 0;
    for (; value >= 1024 && unit + 1 < ARRAY_COUNT(units); unit++)
        value /= 1024;
    snprintf(out, 32, unit == 0 ? "%.0f %s" : "%.2f %s", value, units[unit]);
}

void page_format_duration(int64_t duration_ms, char out[32]) {
    int64_t seconds = duration_ms / 1000;
    if (seconds < 60)
        snprintf(out, 32, "%lld s", (long long)seconds);
    else if (seconds < 3600)
        snprintf(out, 32, "%lld min %lld s", (long long)(seconds / 60), (long long)(seconds % 60));
    else
        snprintf(out, 32, "%lld h %lld min", (long long)(seconds / 3600), (long long)(seconds / 60 % 60));
}

const char *page_text(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

int64_t page_number(const json_t *object, const char *name) {
    return (int64_t)json_number_value(json_object_get(object, name));
}
