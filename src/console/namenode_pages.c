/* namenode_pages.c: 9870: overview, file browser, /jmx. WebHDFS is hdfs/'s and mounted beside. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/calendar.h"
#include "console/namenode_data.h"
#include "store/store.h"

/* ---- overview ---- */

#define WORD(name) page_word(page, "hdfs." name)

static void draw_size(const struct page *page, const char *name, const char *field, struct buffer *out) {
    char text[32];
    page_format_size(page_number(page->data, field), text);
    page_fact(out, name, "%s", text);
}

/* One that is only shown holds nothing. */
static void draw_datanode(const struct page *page, struct buffer *out, const char *host, bool is_shown) {
    static const char *const sizes[] = {"capacity", "used", "remaining"};
    char text[32];
    buffer_append_text(out, "<tr>");
    page_cell(out, "%s:%lld", host, (long long)page_number(page->data, "datanodePort"));
    page_cell(out, "%s", WORD("inService"));
    for (size_t i = 0; i < ARRAY_COUNT(sizes); i++) {
        page_format_size(is_shown && i == 1 ? 0 : page_number(page->data, sizes[i]), text);
        page_cell(out, "%s", text);
    }
    page_number_cell(out, is_shown ? 0 : page_number(page->data, "blocks"));
    page_cell(out, "%s", HADOOP_VERSION);
    buffer_append_text(out, "</tr>\n");
}

static void draw_datanodes(const struct page *page, struct buffer *out) {
    const struct console_options *options = &page->console->options;
    page_table_begin(out, WORD("datanodes"), WORD("node"), WORD("state"), WORD("capacity"), WORD("used"),
        WORD("remaining"), WORD("blocks"), WORD("version"), NULL);
    draw_datanode(page, out, options->address, false);
    for (size_t i = 0; i < options->shown_datanode_count; i++)
        draw_datanode(page, out, options->shown_datanodes[i].host, true);
    page_table_end(out);
}

static void draw_overview(struct page *page, struct buffer *out) {
    const struct console_options *options = &page->console->options;
    json_t *data = page->data;
    char headline[160];
    const char *title = WORD("title"), *place = strstr(title, "{0}");
    ASSERT(place != NULL);
    snprintf(headline, sizeof headline, "%.*s%s:%u%s", (int)(place - title), title, options->address,
        options->namenode_rpc_port, place + 3);
    page_begin(page, out, CONSOLE_NAMENODE, WORD("information"), headline);
    if (page_text(data, "error")[0] != 0) {
        buffer_append_text(out, "<p>");
        buffer_append_html(out, bytes_from_text(page_text(data, "error")));
        buffer_append_text(out, "</p>\n");
        page_end(out);
        return;
    }
    buffer_append_text(out, "<ul>\n");
    page_fact(out, WORD("started"), "%s", page_text(data, "started"));
    page_fact(out, WORD("version"), "%s (Raudal)", HADOOP_VERSION);
    page_fact(out, WORD("clusterId"), "%s", page_text(data, "clusterId"));
    page_fact(out, WORD("blockPoolId"), "%s", page_text(data, "blockPoolId"));
    buffer_printf(out, "</ul>\n<h2>%s</h2>\n<p>%s</p>\n<p>%s</p>\n<ul>\n", WORD("summary"), WORD("securityOff"),
        json_is_true(json_object_get(data, "safeMode")) ? WORD("safemodeOn") : WORD("safemodeOff"));
    page_fact(out, WORD("files"), "%lld", (long long)page_number(data, "files"));
    page_fact(out, WORD("directories"), "%lld", (long long)page_number(data, "directories"));
    page_fact(out, WORD("blocks"), "%lld", (long long)page_number(data, "blocks"));
    draw_size(page, WORD("capacity"), "capacity", out);
    draw_size(page, WORD("used"), "used", out);
    draw_size(page, WORD("remaining"), "remaining", out);
    page_fact(out, WORD("liveNodes"), "1 (Decommissioned: 0, In Maintenance: 0)");
    page_fact(out, WORD("deadNodes"), "0");
    buffer_append_text(out, "</ul>\n");
    draw_datanodes(page, out);
    buffer_printf(out, "<p><a href=\"%sexplorer.html\">%s</a></p>\n", page->root, WORD("browseTitle"));
    page_end(out);
}

/* ---- file browser ---- */

static void draw_entry(const struct page *page, const char *folder, json_t *entry, struct buffer *out) {
    char mode[STORE_MODE_TEXT_SIZE], size[32], block[32], modified[32];
    struct buffer href = {0};
    bool is_directory = json_is_true(json_object_get(entry, "directory"));
    store_mode_text((uint32_t)page_number(entry, "mode"), mode);
    page_format_size(page_number(entry, "size"), size);
    page_format_size(page_number(entry, "blockSize"), block);
    calendar_format_iso_ms(page_number(entry, "modified"), modified);
    buffer_printf(&href, "%s%s", page->root, is_directory ? "explorer" : "webhdfs/v1");
    http_encode(bytes_from_text(folder), "/", &href);
    buffer_append_text(&href, folder[1] == 0 ? "" : "/");
    http_encode(bytes_from_text(page_text(entry, "name")), "", &href);
    buffer_append_text(&href, is_directory ? "" : "?op=OPEN");
    buffer_append_text(out, "<tr>");
    page_cell(out, "%c%s", is_directory ? 'd' : '-', mode);
    page_cell(out, "%s", page_text(entry, "owner"));
    page_cell(out, "%s", page_text(entry, "group"));
    page_cell(out, "%s", size);
    page_cell(out, "%s", modified);
    page_cell(out, "%lld", (long long)page_number(entry, "replication"));
    page_cell(out, "%s", block);
    page_link_cell(out, buffer_text(&href), page_text(entry, "name"));
    buffer_append_text(out, "</tr>\n");
    buffer_free(&href);
}

static void draw_parent(const struct page *page, struct buffer *out) {
    const char *path = page->text;
    const char *slash = strrchr(path, '/');
    struct buffer href = {0};
    if (path[1] == 0)
        return;
    buffer_printf(&href, "%sexplorer", page->root);
    http_encode(bytes_make(path, slash == path ? 1 : (size_t)(slash - path)), "/", &href);
    buffer_append_text(out, "<p><a href=\"");
    buffer_append_html(out, buffer_view(&href));
    buffer_printf(out, "\">%s</a></p>\n", WORD("parent"));
    buffer_free(&href);
}

static void draw_rest(const struct page *page, int64_t count, struct buffer *out) {
    const char *text = WORD("more"), *place = strstr(text, "{0}");
    ASSERT(place != NULL);
    buffer_printf(out, "<p>%.*s%lld%s</p>\n", (int)(place - text), text, (long long)count, place + 3);
}

static void draw_folder(struct page *page, struct buffer *out) {
    size_t i;
    json_t *entry, *file = json_object_get(page->data, "file");
    page_begin(page, out, CONSOLE_NAMENODE, WORD("browseTitle"), WORD("browseTitle"));
    buffer_append_text(out, "<p><strong>");
    buffer_append_html(out, bytes_from_text(page->text));
    buffer_append_text(out, "</strong></p>\n");
    draw_parent(page, out);
    if (page_text(page->data, "error")[0] != 0) {
        page->status = 404;
        buffer_append_text(out, "<p>");
        buffer_append_html(out, bytes_from_text(page_text(page->data, "error")));
        buffer_append_text(out, "</p>\n");
    } else {
        page_table_begin(out, WORD("files"), WORD("permission"), WORD("owner"), WORD("group"), WORD("size"),
            WORD("modified"), WORD("replication"), WORD("blockSize"), WORD("name"), NULL);
        if (file != NULL) {
            char *folder = strndup(
                page->text, (size_t)(strrchr(page->text, '/') - page->text) + (strrchr(page->text, '/') == page->text));
            draw_entry(page, folder, file, out);
            free(folder);
        }
        json_array_foreach(json_object_get(page->data, "entries"), i, entry) draw_entry(page, page->text, entry, out);
        page_table_end(out);
        if (page_number(page->data, "remaining") > 0)
            draw_rest(page, page_number(page->data, "remaining"), out);
    }
    buffer_printf(out, "<p><a href=\"%s\">%s</a></p>\n", page->root, WORD("overview"));
    page_end(out);
}

/* ---- routes ---- */

static void handle_overview(struct http_request *request, void *context) {
    page_gather_on_disk_pool(page_create(request, context, draw_overview), namenode_gather_overview);
}

static void handle_overview_json(struct http_request *request, void *context) {
    page_gather_on_disk_pool(page_create(request, context, NULL), namenode_gather_overview);
}

/* "/a/b" of "a/b", "/a/b/" …; free() it. */
static char *absolute_path(struct bytes path) {
    while (path.size > 0 && path.data[path.size - 1] == '/')
        path.size--;
    while (path.size > 0 && path.data[0] == '/')
        path = bytes_slice(path, 1, path.size - 1);
    char *text = malloc(path.size + 2);
    ASSERT(text != NULL);
    text[0] = '/';
    if (path.size > 0)
        memcpy(text + 1, path.data, path.size);
    text[path.size + 1] = 0;
    return text;
}

static void handle_folder(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, draw_folder);
    page->text = absolute_path(http_parameter(request, "path"));
    page_gather_on_disk_pool(page, namenode_gather_folder);
}

static void handle_rows(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    page->text = absolute_path(http_query(request, "path"));
    page->rows = rows_request_read(request, "name");
    page_gather_on_disk_pool(page, namenode_gather_rows);
}

static void handle_jmx(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    struct bytes query = http_query(request, "qry");
    page->text = query.data == NULL ? NULL : strdup((const char *)query.data);
    page_gather_on_disk_pool(page, namenode_gather_jmx);
}

const struct http_route namenode_routes[] = {
    {"GET", "/", handle_overview, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/index.html", handle_overview, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/dfshealth.html", handle_overview, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/datanodes", handle_overview, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/explorer.html", handle_folder, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/explorer/{path...}", handle_folder, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/api/hdfs/overview", handle_overview_json, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/api/hdfs/folder", handle_rows, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/jmx", handle_jmx, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/prom", page_metrics, NULL, HTTP_BODY_BUFFERED, 0},
    PAGE_COMMON_ROUTES,
};
const size_t namenode_route_count = ARRAY_COUNT(namenode_routes);
