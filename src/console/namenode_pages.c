/* namenode_pages.c: 9870: overview, file browser, /jmx. WebHDFS is hdfs/'s and mounted beside. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/calendar.h"
#include "console/page.h"

enum { ENTRIES_SHOWN_MAX = 1000 };

/* The version that HDFS clients are told in tables of theirs. */
static const char hadoop_version[] = "3.5.0";

/* ---- overview ---- */

static void gather_overview(struct page *page) {
    const struct console_options *options = &page->console->options;
    struct hdfs_description description;
    struct error error;
    char started[32];
    json_object_set_new(page->data, "host", json_string(options->address));
    if (options->hdfs == NULL || !hdfs_describe(options->hdfs, &description, &error)) {
        json_object_set_new(
            page->data, "error", json_string(options->hdfs == NULL ? "The NameNode does not run." : error.message));
        return;
    }
    calendar_format_iso_ms(description.started_ms, started);
    json_t *values = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:i, s:I, s:b, s:I}", "started", started,
        "clusterId", description.cluster_id, "blockPoolId", description.block_pool, "datanodeUuid",
        description.datanode_uuid, "capacity", (json_int_t)description.capacity_size, "used",
        (json_int_t)description.used_size, "remaining", (json_int_t)description.free_size, "files",
        (json_int_t)description.file_count, "directories", (json_int_t)description.directory_count, "openFiles",
        (int)description.open_file_count, "calls", (json_int_t)description.call_count, "safeMode",
        description.is_in_safe_mode, "startedMs", (json_int_t)description.started_ms);
    json_object_update(page->data, values);
    json_decref(values);
}

static void draw_overview(struct page *page, struct buffer *out) {
    const struct console_options *options = &page->console->options;
    json_t *data = page->data;
    char headline[128], capacity[32], used[32], remaining[32];
    snprintf(headline, sizeof headline, "Overview '%s:%u' (active)", options->address, options->namenode_rpc_port);
    page_begin(page, out, CONSOLE_NAMENODE, "Namenode information", headline);
    if (page_text(data, "error")[0] != 0) {
        buffer_append_text(out, "<p>");
        buffer_append_html(out, bytes_from_text(page_text(data, "error")));
        buffer_append_text(out, "</p>\n");
        page_end(out);
        return;
    }
    page_format_size(page_number(data, "capacity"), capacity);
    page_format_size(page_number(data, "used"), used);
    page_format_size(page_number(data, "remaining"), remaining);
    buffer_append_text(out, "<ul>\n");
    page_fact(out, "Started", "%s", page_text(data, "started"));
    page_fact(out, "Version", "%s (Raudal)", hadoop_version);
    page_fact(out, "Cluster ID", "%s", page_text(data, "clusterId"));
    page_fact(out, "Block Pool ID", "%s", page_text(data, "blockPoolId"));
    buffer_append_text(out, "</ul>\n<h2>Summary</h2>\n<p>Security is off.</p>\n");
    buffer_printf(out, "<p>Safemode is %s.</p>\n", json_is_true(json_object_get(data, "safeMode")) ? "on" : "off");
    buffer_printf(out, "<p>%lld files and directories (%lld files, %lld directories).</p>\n<ul>\n",
        (long long)(page_number(data, "files") + page_number(data, "directories")),
        (long long)page_number(data, "files"), (long long)page_number(data, "directories"));
    page_fact(out, "Configured Capacity", "%s", capacity);
    page_fact(out, "DFS Used", "%s", used);
    page_fact(out, "DFS Remaining", "%s", remaining);
    page_fact(out, "Live Nodes", "1 (Decommissioned: 0, In Maintenance: 0)");
    page_fact(out, "Dead Nodes", "0");
    buffer_append_text(out, "</ul>\n<p><a href=\"/explorer.html\">Browse the file system</a></p>\n");
    page_end(out);
}

/* ---- file browser ---- */

static json_t *describe_entry(const char *name, const struct store_stat *stat) {
    return json_pack("{s:s, s:b, s:I, s:I, s:I, s:i, s:I, s:s, s:s}", "name", name, "directory", stat->is_directory,
        "size", (json_int_t)stat->size, "modified", (json_int_t)stat->modified_ms, "mode", (json_int_t)stat->mode,
        "replication", stat->replication, "blockSize", (json_int_t)stat->block_size, "owner", stat->owner, "group",
        stat->group);
}

static void gather_folder(struct page *page) {
    struct store *store = page->console->options.store;
    struct arena arena = {0};
    struct error error;
    struct store_stat stat;
    struct store_entries entries = {0};
    json_t *list = json_array();
    json_object_set_new(page->data, "path", json_string(page->text));
    json_object_set_new(page->data, "entries", list);
    if (!store_path_check(page->text, &error) || !store_stat(store, page->text, &stat, &error)) {
        json_object_set_new(page->data, "error", json_string(error.message));
    } else if (!stat.is_directory) {
        json_object_set_new(page->data, "file", describe_entry(store_path_name(page->text), &stat));
    } else if (!store_list(store, &arena, page->text, NULL, ENTRIES_SHOWN_MAX, &entries, &error)) {
        json_object_set_new(page->data, "error", json_string(error.message));
    }
    for (size_t i = 0; i < entries.count; i++)
        json_array_append_new(list, describe_entry(entries.items[i].name, &entries.items[i].stat));
    json_object_set_new(page->data, "remaining", json_integer((json_int_t)entries.remaining));
    arena_destroy(&arena);
}

static void format_mode(bool is_directory, int64_t mode, char out[11]) {
    static const char letters[] = "rwxrwxrwx";
    out[0] = is_directory ? 'd' : '-';
    for (int i = 0; i < 9; i++)
        out[i + 1] = mode >> (8 - i) & 1 ? letters[i] : '-';
    if (mode & 01000)
        out[9] = mode & 1 ? 't' : 'T';
    out[10] = 0;
}

static void draw_entry(const char *folder, json_t *entry, struct buffer *out) {
    char mode[11], size[32], block[32], modified[32];
    struct buffer href = {0};
    bool is_directory = json_is_true(json_object_get(entry, "directory"));
    format_mode(is_directory, page_number(entry, "mode"), mode);
    page_format_size(page_number(entry, "size"), size);
    page_format_size(page_number(entry, "blockSize"), block);
    calendar_format_iso_ms(page_number(entry, "modified"), modified);
    buffer_append_text(&href, is_directory ? "/explorer" : "/webhdfs/v1");
    http_encode(bytes_from_text(folder), "/", &href);
    buffer_append_text(&href, folder[1] == 0 ? "" : "/");
    http_encode(bytes_from_text(page_text(entry, "name")), "", &href);
    buffer_append_text(&href, is_directory ? "" : "?op=OPEN");
    buffer_append_text(out, "<tr>");
    page_cell(out, "%s", mode);
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

static void draw_parent(const char *path, struct buffer *out) {
    const char *slash = strrchr(path, '/');
    struct buffer href = {0};
    if (path[1] == 0)
        return;
    buffer_append_text(&href, "/explorer");
    http_encode(bytes_make(path, slash == path ? 1 : (size_t)(slash - path)), "/", &href);
    buffer_append_text(out, "<p><a href=\"");
    buffer_append_html(out, buffer_view(&href));
    buffer_append_text(out, "\">Parent directory</a></p>\n");
    buffer_free(&href);
}

static void draw_folder(struct page *page, struct buffer *out) {
    size_t i;
    json_t *entry, *file = json_object_get(page->data, "file");
    page_begin(page, out, CONSOLE_NAMENODE, "Browsing HDFS", "Browse Directory");
    buffer_append_text(out, "<p><strong>");
    buffer_append_html(out, bytes_from_text(page->text));
    buffer_append_text(out, "</strong></p>\n");
    draw_parent(page->text, out);
    if (page_text(page->data, "error")[0] != 0) {
        page->status = 404;
        buffer_append_text(out, "<p>");
        buffer_append_html(out, bytes_from_text(page_text(page->data, "error")));
        buffer_append_text(out, "</p>\n");
    } else {
        page_table_begin(out, "Files", "Permission", "Owner", "Group", "Size", "Last Modified", "Replication",
            "Block Size", "Name", NULL);
        if (file != NULL) {
            char *folder = strndup(
                page->text, (size_t)(strrchr(page->text, '/') - page->text) + (strrchr(page->text, '/') == page->text));
            draw_entry(folder, file, out);
            free(folder);
        }
        json_array_foreach(json_object_get(page->data, "entries"), i, entry) draw_entry(page->text, entry, out);
        page_table_end(out);
        if (page_number(page->data, "remaining") > 0)
            buffer_printf(out, "<p>… and %lld more.</p>\n", (long long)page_number(page->data, "remaining"));
    }
    buffer_append_text(out, "<p><a href=\"/\">Overview</a></p>\n");
    page_end(out);
}

/* ---- /jmx: the beans that the real pages and exporters read ---- */

static void add_bean(struct page *page, json_t *beans, const char *name, json_t *bean) {
    if (page->text == NULL || page->text[0] == 0 || strcmp(page->text, name) == 0) {
        json_object_set_new(bean, "name", json_string(name));
        json_array_append(beans, bean);
    }
    json_decref(bean);
}

static json_t *live_nodes(struct page *page) {
    const struct console_options *options = &page->console->options;
    char name[128], address[128];
    snprintf(name, sizeof name, "%s:9866", options->address);
    snprintf(address, sizeof address, "%s:%u", options->address, options->namenode_port);
    json_t *node = json_pack("{s:s, s:s, s:i, s:I, s:I, s:I, s:s, s:s}", "infoAddr", address, "xferaddr", name,
        "lastContact", 0, "capacity", (json_int_t)page_number(page->data, "capacity"), "used",
        (json_int_t)page_number(page->data, "used"), "remaining", (json_int_t)page_number(page->data, "remaining"),
        "adminState", "In Service", "version", hadoop_version);
    json_t *nodes = json_pack("{s:o}", name, node);
    char *text = json_dumps(nodes, 0);
    json_t *nested = json_string(text); /* a JSON text inside a string, as the real bean has it */
    free(text);
    json_decref(nodes);
    return nested;
}

static void gather_jmx(struct page *page) {
    const struct console_options *options = &page->console->options;
    json_t *beans = json_array(), *data;
    char rpc[128];
    gather_overview(page);
    data = page->data;
    snprintf(rpc, sizeof rpc, "%s:%u", options->address, options->namenode_rpc_port);
    const char *safe_mode = json_is_true(json_object_get(data, "safeMode")) ? "Safe mode is ON." : "";
    add_bean(page, beans, "Hadoop:service=NameNode,name=NameNodeInfo",
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:I, s:s, s:o, s:s, s:s}", "Version", hadoop_version,
            "SoftwareVersion", hadoop_version, "Used", (json_int_t)page_number(data, "used"), "Free",
            (json_int_t)page_number(data, "remaining"), "Total", (json_int_t)page_number(data, "capacity"), "Safemode",
            safe_mode, "BlockPoolId", page_text(data, "blockPoolId"), "ClusterId", page_text(data, "clusterId"),
            "TotalFiles", (json_int_t)(page_number(data, "files") + page_number(data, "directories")), "NNStarted",
            page_text(data, "started"), "LiveNodes", live_nodes(page), "DeadNodes", "{}", "DecomNodes", "{}"));
    add_bean(page, beans, "Hadoop:service=NameNode,name=NameNodeStatus",
        json_pack(
            "{s:s, s:s, s:s, s:b}", "State", "active", "NNRole", "NameNode", "HostAndPort", rpc, "SecurityEnabled", 0));
    add_bean(page, beans, "Hadoop:service=NameNode,name=FSNamesystem",
        json_pack("{s:I, s:I, s:I, s:I, s:i, s:i, s:i}", "CapacityTotal", (json_int_t)page_number(data, "capacity"),
            "CapacityUsed", (json_int_t)page_number(data, "used"), "CapacityRemaining",
            (json_int_t)page_number(data, "remaining"), "FilesTotal",
            (json_int_t)(page_number(data, "files") + page_number(data, "directories")), "MissingBlocks", 0,
            "UnderReplicatedBlocks", 0, "CorruptBlocks", 0));
    add_bean(page, beans, "Hadoop:service=NameNode,name=FSNamesystemState",
        json_pack("{s:s, s:i, s:i, s:I, s:I, s:I}", "FSState", safe_mode[0] == 0 ? "Operational" : "safeMode",
            "NumLiveDataNodes", 1, "NumDeadDataNodes", 0, "CapacityTotal", (json_int_t)page_number(data, "capacity"),
            "CapacityUsed", (json_int_t)page_number(data, "used"), "FilesTotal",
            (json_int_t)(page_number(data, "files") + page_number(data, "directories"))));
    json_object_clear(page->data);
    json_object_set_new(page->data, "beans", beans);
}

/* ---- routes ---- */

static void handle_overview(struct http_request *request, void *context) {
    page_gather_on_disk_pool(page_create(request, context, draw_overview), gather_overview);
}

static void handle_folder(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, draw_folder);
    struct bytes path = http_parameter(request, "path");
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
    page->text = text;
    page_gather_on_disk_pool(page, gather_folder);
}

static void handle_jmx(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    struct bytes query = http_query(request, "qry");
    page->text = query.data == NULL ? NULL : strdup((const char *)query.data);
    page_gather_on_disk_pool(page, gather_jmx);
}

const struct http_route namenode_routes[] = {
    {"GET", "/", handle_overview, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/index.html", handle_overview, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/dfshealth.html", handle_overview, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/explorer.html", handle_folder, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/explorer/{path...}", handle_folder, NULL, HTTP_BODY_BUFFERED, 0},
    {"GET", "/jmx", handle_jmx, NULL, HTTP_BODY_BUFFERED, 0},
    PAGE_COMMON_ROUTES,
    {"GET", "/prom", page_metrics, NULL, HTTP_BODY_BUFFERED, 0},
};
const size_t namenode_route_count = ARRAY_COUNT(namenode_routes);
