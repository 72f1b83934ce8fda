#include "console/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

struct page *page_create(
    struct http_request *request, struct console *console, void (*draw)(struct page *page, struct buffer *out)) {
    struct page *page = calloc(1, sizeof *page);
    ASSERT(page != NULL);
    *page = (struct page){.request = request, .console = console, .data = json_object(), .draw = draw, .status = 200};
    return page;
}

void page_finish(struct page *page) {
    struct buffer out = {0};
    if (page->draw != NULL) {
        page->draw(page, &out);
        http_respond_buffer(page->request, page->status, "text/html; charset=utf-8", &out);
    } else {
        char *text = json_dumps(page->data, JSON_INDENT(2));
        http_respond(page->request, page->status, "application/json", bytes_from_text(text));
        free(text);
    }
    json_decref(page->data);
    free((char *)page->text);
    free(page);
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

static const char style[] =
    "body{font:15px/1.45 system-ui,sans-serif;margin:1.5rem auto;max-width:80rem;padding:0 "
    "1rem;color:#1c2330;background:#fff}\n"
    "h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:1.8rem}table{border-collapse:collapse;width:100%}\n"
    "th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid "
    "#d9dee7;vertical-align:top;overflow-wrap:anywhere}\n"
    "th{background:#f3f5f9}a{color:#0b5cad}ul{list-style:none;padding:0}pre{white-space:pre-wrap}\n"
    "@media "
    "(prefers-color-scheme:dark){body{background:#12161d;color:#dfe5ee}th{background:#1c232e}th,td{border-color:#"
    "303947}a{color:#7db7f5}}\n";

void page_style(struct http_request *request, void *context) {
    http_respond(request, 200, "text/css", bytes_from_text(style));
}

void page_metrics(struct http_request *request, void *context) {
    struct console *console = context;
    struct buffer out = {0};
    metrics_format(console->options.metrics, &out);
    http_respond_buffer(request, 200, "text/plain; version=0.0.4; charset=utf-8", &out);
}

void page_begin(struct buffer *out, const char *title, const char *headline) {
    buffer_append_text(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta "
                            "name=\"viewport\" content=\"width=device-width\"><title>");
    buffer_append_html(out, bytes_from_text(title));
    buffer_append_text(out, "</title><link rel=\"stylesheet\" href=\"/style.css\"></head>\n<body>\n<h1>");
    buffer_append_html(out, bytes_from_text(headline));
    buffer_append_text(out, "</h1>\n");
}

void page_end(struct buffer *out) {
    buffer_append_text(out, "</body>\n</html>\n");
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
    buffer_append_text(out, "</h2>\n<table>\n<thead><tr>");
    va_start(names, headline);
    for (const char *name; (name = va_arg(names, const char *)) != NULL;)
        buffer_printf(out, "<th>%s</th>", name);
    va_end(names);
    buffer_append_text(out, "</tr></thead>\n<tbody>\n");
}

void page_table_end(struct buffer *out) {
    buffer_append_text(out, "</tbody>\n</table>\n");
}

void page_cell(struct buffer *out, const char *format, ...) {
    va_list arguments;
    buffer_append_text(out, "<td>");
    va_start(arguments, format);
    append_escaped(out, format, arguments);
    va_end(arguments);
    buffer_append_text(out, "</td>");
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
