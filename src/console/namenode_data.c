#include "console/namenode_data.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/calendar.h"

enum { ENTRIES_SHOWN_MAX = 1000 };

/* ---- overview ---- */

void namenode_gather_overview(struct page *page) {
    const struct console_options *options = &page->console->options;
    struct hdfs_description description;
    struct error error;
    struct arena arena = {0};
    char started[32];
    json_object_set_new(page->data, "host", json_string(options->address));
    json_object_set_new(page->data, "rpcPort", json_integer(options->namenode_rpc_port));
    json_object_set_new(page->data, "user", json_string(options->user));
    json_object_set_new(page->data, "version", json_string(HADOOP_VERSION));
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
    json_t *more = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "blocks", (json_int_t)description.block_count,
        "fileSize", (json_int_t)description.file_size, "namenodeConnections",
        (json_int_t)description.namenode_connection_count, "datanodeConnections",
        (json_int_t)description.datanode_connection_count, "received", (json_int_t)description.received_size, "sent",
        (json_int_t)description.sent_size, "folder", store_machine_path(options->store, &arena, "/"));
    json_object_update(page->data, values);
    json_object_update(page->data, more);
    json_object_set_new(page->data, "datanodePort", json_integer(hdfs_datanode_port(options->hdfs)));
    json_t *shown = json_array();
    for (size_t i = 0; i < options->shown_datanode_count; i++)
        json_array_append_new(shown, json_string(options->shown_datanodes[i].host));
    json_object_set_new(page->data, "shownDatanodes", shown);
    json_decref(values);
    json_decref(more);
    arena_destroy(&arena);
}

/* ---- files ---- */

static json_t *describe_entry(const char *name, const struct store_stat *stat) {
    return json_pack("{s:s, s:b, s:I, s:I, s:I, s:i, s:I, s:s, s:s}", "name", name, "directory", stat->is_directory,
        "size", (json_int_t)stat->size, "modified", (json_int_t)stat->modified_ms, "mode", (json_int_t)stat->mode,
        "replication", stat->replication, "blockSize", (json_int_t)stat->block_size, "owner", stat->owner, "group",
        stat->group);
}

void namenode_gather_folder(struct page *page) {
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

/* Folders before files, each by name: the order of "name". */
static void add_order(json_t *entry) {
    json_object_set_new(entry, "name order",
        json_sprintf("%d%s", json_is_true(json_object_get(entry, "directory")) ? 0 : 1, page_text(entry, "name")));
}

void namenode_gather_rows(struct page *page) {
    static const char *const fields[] = {"name", "owner", "group", NULL};
    struct store *store = page->console->options.store;
    struct arena arena = {0};
    struct error error;
    struct store_stat stat;
    struct store_entries entries = {0};
    json_t *list = json_array();
    int64_t folders = 0, size = 0;
    bool good = store_path_check(page->text, &error) && store_stat(store, page->text, &stat, &error) &&
                (!stat.is_directory || store_list(store, &arena, page->text, NULL, 0, &entries, &error));
    for (size_t i = 0; i < entries.count; i++) {
        const struct store_stat *found = &entries.items[i].stat;
        json_t *entry = describe_entry(entries.items[i].name, found);
        if (entry == NULL)
            continue; /* a name that is no text: put there by hand, and not to be reached through HDFS */
        folders += found->is_directory;
        size += found->size;
        add_order(entry);
        json_array_append_new(list, entry);
    }
    size_t count = json_array_size(list);
    bool by_name = strcmp(page->rows.sort + (page->rows.sort[0] == '-'), "name") == 0;
    if (by_name)
        snprintf(page->rows.sort, sizeof page->rows.sort, "%sname order", page->rows.sort[0] == '-' ? "-" : "");
    json_decref(page->data);
    page->data = rows_page(list, &page->rows, fields);
    json_object_set_new(page->data, "path", json_string(page->text));
    json_object_set_new(page->data, "folders", json_integer((json_int_t)folders));
    json_object_set_new(page->data, "files", json_integer((json_int_t)count - (json_int_t)folders));
    json_object_set_new(page->data, "bytes", json_integer((json_int_t)size));
    if (good)
        json_object_set_new(page->data, "self", describe_entry(store_path_name(page->text), &stat));
    else
        json_object_set_new(page->data, "message", json_string(error.message));
    page->status = good ? 200 : error.code == ERROR_NOT_FOUND ? 404 : 400;
    arena_destroy(&arena);
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
        "adminState", "In Service", "version", HADOOP_VERSION);
    json_t *nodes = json_pack("{s:o}", name, node);
    for (size_t i = 0; i < options->shown_datanode_count; i++) {
        json_t *copy = json_deep_copy(node);
        snprintf(name, sizeof name, "%s:9866", options->shown_datanodes[i].host);
        json_object_set_new(copy, "xferaddr", json_string(name));
        json_object_set_new(copy, "used", json_integer(0));
        json_object_set_new(nodes, name, copy);
    }
    char *text = json_dumps(nodes, 0);
    json_t *nested = json_string(text); /* a JSON text inside a string, as the real bean has it */
    free(text);
    json_decref(nodes);
    return nested;
}

void namenode_gather_jmx(struct page *page) {
    const struct console_options *options = &page->console->options;
    json_t *beans = json_array(), *data;
    char rpc[128];
    namenode_gather_overview(page);
    data = page->data;
    snprintf(rpc, sizeof rpc, "%s:%u", options->address, options->namenode_rpc_port);
    const char *safe_mode = json_is_true(json_object_get(data, "safeMode")) ? "Safe mode is ON." : "";
    add_bean(page, beans, "Hadoop:service=NameNode,name=NameNodeInfo",
        json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:s, s:I, s:s, s:o, s:s, s:s}", "Version", HADOOP_VERSION,
            "SoftwareVersion", HADOOP_VERSION, "Used", (json_int_t)page_number(data, "used"), "Free",
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
            "NumLiveDataNodes", 1 + (int)options->shown_datanode_count, "NumDeadDataNodes", 0, "CapacityTotal",
            (json_int_t)page_number(data, "capacity"), "CapacityUsed", (json_int_t)page_number(data, "used"),
            "FilesTotal", (json_int_t)(page_number(data, "files") + page_number(data, "directories"))));
    json_object_clear(page->data);
    json_object_set_new(page->data, "beans", beans);
}
