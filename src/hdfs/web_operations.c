/* web_operations.c: WebHDFS's operations, one table. JSON as Hadoop's JsonUtil writes it: members in alphabetical
 * order. */
#include "hdfs/web.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- JSON ---- */

static void append_text(struct buffer *out, const char *text) {
    buffer_append_json_string(out, bytes_from_text(text));
}

static void append_member(struct buffer *out, const char *name, const char *text) {
    buffer_printf(out, "\"%s\":", name);
    append_text(out, text);
}

static void append_status(struct buffer *out, const struct store_stat *stat, const char *name) {
    buffer_printf(out,
        "{\"accessTime\":%" PRId64 ",\"blockSize\":%" PRId64 ",\"childrenNum\":0,\"fileId\":%" PRIu64 ",",
        stat->accessed_ms, stat->block_size, stat->inode);
    append_member(out, "group", stat->group);
    buffer_printf(out, ",\"length\":%" PRId64 ",\"modificationTime\":%" PRId64 ",", stat->size, stat->modified_ms);
    append_member(out, "owner", stat->owner);
    buffer_append_byte(out, ',');
    append_member(out, "pathSuffix", name);
    buffer_printf(out, ",\"permission\":\"%o\",\"replication\":%d,\"storagePolicy\":0,\"type\":\"%s\"}", stat->mode,
        stat->replication, stat->is_directory ? "DIRECTORY" : "FILE");
}

static bool answer_boolean(struct web_request *request, bool value) {
    buffer_printf(&request->body, "{\"boolean\":%s}", value ? "true" : "false");
    return true;
}

static bool answer_path(struct web_request *request, const char *path) {
    buffer_append_text(&request->body, "{\"Path\":");
    append_text(&request->body, path);
    buffer_append_byte(&request->body, '}');
    return true;
}

/* ---- GET ---- */

static bool web_get_file_status(struct web_request *request) {
    struct store_stat stat;
    bool exists;
    if (!file_stat(&request->operation, request->path, &stat, &exists)) {
        return false;
    }
    if (!exists) {
        return operation_fail(&request->operation, EXCEPTION_FILE_NOT_FOUND, "File does not exist: %s", request->path);
    }
    buffer_append_text(&request->body, "{\"FileStatus\":");
    append_status(&request->body, &stat, "");
    buffer_append_byte(&request->body, '}');
    return true;
}

static bool append_listing(struct web_request *request, const char *after, size_t limit, size_t *remaining) {
    struct store_entries entries;
    bool exists;
    if (!file_list(&request->operation, request->path, after, limit, &entries, &exists)) {
        return false;
    }
    if (!exists) {
        return operation_fail(&request->operation, EXCEPTION_FILE_NOT_FOUND, "File %s does not exist.", request->path);
    }
    buffer_append_text(&request->body, "{\"FileStatuses\":{\"FileStatus\":[\n");
    for (size_t i = 0; i < entries.count; i++) {
        append_status(&request->body, &entries.items[i].stat, entries.items[i].name);
        buffer_append_text(&request->body, i + 1 < entries.count ? ",\n" : "");
    }
    buffer_append_text(&request->body, "\n]}}");
    *remaining = entries.remaining;
    return true;
}

static bool web_list_status(struct web_request *request) {
    size_t remaining;
    return append_listing(request, NULL, 0, &remaining);
}

static bool web_list_status_batch(struct web_request *request) {
    size_t remaining;
    buffer_append_text(&request->body, "{\"DirectoryListing\":{\"partialListing\":");
    if (!append_listing(request, web_text(request, "startafter", ""), HDFS_LISTING_COUNT_MAX, &remaining)) {
        return false;
    }
    buffer_printf(&request->body, ",\"remainingEntries\":%zu}}", remaining);
    return true;
}

static bool web_get_content_summary(struct web_request *request) {
    struct store_summary summary;
    if (!file_summarize(&request->operation, request->path, &summary)) {
        return false;
    }
    buffer_printf(&request->body,
        "{\"ContentSummary\":{\"directoryCount\":%" PRId64 ",\"ecPolicy\":\"\",\"fileCount\":%" PRId64
        ",\"length\":%" PRId64 ",\"quota\":-1,\"spaceConsumed\":%" PRId64 ",\"spaceQuota\":-1,\"typeQuota\":{}}}",
        summary.directory_count, summary.file_count, summary.size, summary.disk_size);
    return true;
}

static bool web_get_quota_usage(struct web_request *request) {
    struct store_summary summary;
    if (!file_summarize(&request->operation, request->path, &summary)) {
        return false;
    }
    buffer_printf(&request->body,
        "{\"QuotaUsage\":{\"fileAndDirectoryCount\":%" PRId64 ",\"quota\":-1,\"spaceConsumed\":%" PRId64
        ",\"spaceQuota\":-1,\"typeQuota\":{}}}",
        summary.file_count + summary.directory_count, summary.disk_size);
    return true;
}

static bool web_get_file_checksum(struct web_request *request) {
    uint8_t sum[28];
    char algorithm[64];
    if (!file_checksum(&request->operation, request->path, sum, algorithm)) {
        return false;
    }
    buffer_printf(&request->body, "{\"FileChecksum\":{\"algorithm\":\"%s\",\"bytes\":\"", algorithm);
    for (size_t i = 0; i < sizeof sum; i++) {
        buffer_printf(&request->body, "%02x", sum[i]);
    }
    buffer_append_text(&request->body, "00000000\",\"length\":28}}");
    return true;
}

static bool web_get_home_directory(struct web_request *request) {
    return answer_path(request, arena_printf(&request->operation.arena, "/user/%s", request->operation.user));
}

static bool web_get_trash_root(struct web_request *request) {
    return answer_path(request, arena_printf(&request->operation.arena, "/user/%s/.Trash", request->operation.user));
}

static bool web_get_delegation_token(struct web_request *request) {
    buffer_append_text(&request->body, "{\"Token\":null}"); /* there is no Kerberos */
    return true;
}

static bool web_check_access(struct web_request *request) {
    const char *text = web_text(request, "fsaction", "---");
    uint32_t mode = (strchr(text, 'r') ? 4u : 0) | (strchr(text, 'w') ? 2u : 0) | (strchr(text, 'x') ? 1u : 0);
    return file_check_access(&request->operation, request->path, mode);
}

static bool web_get_acl_status(struct web_request *request) {
    struct store_stat stat;
    bool exists;
    if (!file_stat(&request->operation, request->path, &stat, &exists)) {
        return false;
    }
    if (!exists) {
        return operation_fail(&request->operation, EXCEPTION_FILE_NOT_FOUND, "File does not exist: %s", request->path);
    }
    buffer_append_text(&request->body, "{\"AclStatus\":{\"entries\":[],");
    append_member(&request->body, "group", stat.group);
    buffer_append_byte(&request->body, ',');
    append_member(&request->body, "owner", stat.owner);
    buffer_printf(&request->body, ",\"permission\":\"%o\",\"stickyBit\":%s}}", stat.mode & 0777,
        stat.mode & 01000 ? "true" : "false");
    return true;
}

static void append_block(struct web_request *request, const struct store_stat *stat, int64_t offset) {
    struct buffer *out = &request->body;
    const char *host = request->hdfs->datanode_hostname ? request->hdfs->datanode_hostname : request->operation.local;
    unsigned port = hdfs_datanode_port(request->hdfs);
    int64_t size = stat->size - offset < stat->block_size ? stat->size - offset : stat->block_size;
    buffer_printf(out,
        "{\"cachedHosts\":[],\"corrupt\":false,\"hosts\":[\"%s\"],\"length\":%" PRId64
        ",\"names\":[\"%s:%u\"],\"offset\":%" PRId64
        ",\"storageTypes\":[\"DISK\"],\"topologyPaths\":[\"/default-rack/%s:%u\"]}",
        host, size, request->operation.local, port, offset, request->operation.local, port);
}

static bool web_get_file_block_locations(struct web_request *request) {
    struct store_stat stat;
    int64_t offset, length;
    if (!web_number(request, "offset", 0, &offset) || !web_number(request, "length", INT64_MAX, &length) ||
        !file_open(&request->operation, request->path, &stat)) {
        return false;
    }
    int64_t end = length > stat.size - offset ? stat.size : offset + length;
    bool is_first = true;
    buffer_append_text(&request->body, "{\"BlockLocations\":{\"BlockLocation\":[");
    for (int64_t at = offset < 0 ? 0 : offset - offset % stat.block_size; at < end; at += stat.block_size) {
        buffer_append_text(&request->body, is_first ? "" : ",");
        append_block(request, &stat, at);
        is_first = false;
    }
    buffer_append_text(&request->body, "]}}");
    return true;
}

static bool web_get_status(struct web_request *request) {
    int64_t total, used, free_size;
    struct error error = {0};
    if (!store_space(request->operation.store, &total, &used, &free_size, &error)) {
        return operation_error(&request->operation, &error);
    }
    buffer_printf(&request->body,
        "{\"FsStatus\":{\"capacity\":%" PRId64 ",\"remaining\":%" PRId64 ",\"used\":%" PRId64 "}}", total, free_size,
        used);
    return true;
}

static bool web_get_server_defaults(struct web_request *request) {
    struct store *store = request->operation.store;
    buffer_printf(&request->body,
        "{\"FsServerDefaults\":{\"blockSize\":%" PRId64
        ",\"bytesPerChecksum\":%d,\"checksumType\":2,\"defaultStoragePolicyId\":0,"
        "\"encryptDataTransfer\":false,\"fileBufferSize\":4096,\"keyProviderUri\":\"\",\"replication\":%d,"
        "\"trashInterval\":0,"
        "\"writePacketSize\":65536}}",
        store_block_size(store), HDFS_CHUNK_SIZE, store_replication(store));
    return true;
}

static bool web_open(struct web_request *request) {
    struct store_stat stat;
    struct error error = {0};
    struct operation *operation = &request->operation;
    int64_t offset, length;
    if (!web_number(request, "offset", 0, &offset) || !web_number(request, "length", INT64_MAX, &length) ||
        !file_open(operation, request->path, &stat)) {
        return false;
    }
    if (offset < 0 || length < 0 || (offset > 0 && offset >= stat.size)) {
        return operation_fail(operation, EXCEPTION_IO,
            "Offset=%" PRId64 " out of the range [0, %" PRId64 "); OPEN, path=%s", offset, stat.size, request->path);
    }
    char *machine = store_machine_path(operation->store, &operation->arena, request->path);
    request->file = world_file_open(request->hdfs->world, machine, WORLD_OPEN_READ, 0, &error);
    request->file_offset = offset;
    request->file_size = length < stat.size - offset ? length : stat.size - offset;
    request->hdfs->sent_size += (uint64_t)request->file_size;
    return request->file ? true : operation_error(operation, &error);
}

/* ---- extended attributes ---- */

/* Values are written as text in quotes, hex (0x…) or base64 (0s…). */
static void append_value(struct web_request *request, struct bytes value) {
    const char *encoding = web_text(request, "encoding", "hex");
    struct buffer text = {0};
    if (strcasecmp(encoding, "text") == 0) {
        buffer_printf(&text, "\"%.*s\"", BYTES_ARGS(value));
    } else if (strcasecmp(encoding, "base64") == 0) {
        buffer_append_text(&text, "0s");
        buffer_append_base64(&text, value);
    } else {
        buffer_append_text(&text, "0x");
        for (size_t i = 0; i < value.size; i++) {
            buffer_printf(&text, "%02x", value.data[i]);
        }
    }
    buffer_append_json_string(&request->body, buffer_view(&text));
    buffer_free(&text);
}

static int hex_digit(uint8_t byte) {
    return byte >= '0' && byte <= '9'   ? byte - '0'
           : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10
           : byte >= 'A' && byte <= 'F' ? byte - 'A' + 10
                                        : -1;
}

static bool parse_value(struct web_request *request, struct bytes *value) {
    struct bytes text = http_query_ignore_case(request->http, "xattr.value");
    struct buffer out = {0};
    bool ok = true;
    if (text.size >= 2 && text.data[0] == '"' && text.data[text.size - 1] == '"') {
        buffer_append_bytes(&out, bytes_slice(text, 1, text.size - 2));
    } else if (text.size >= 2 && bytes_equal_ignore_case(bytes_slice(text, 0, 2), BYTES("0s"))) {
        ok = buffer_append_base64_decoded(&out, bytes_slice(text, 2, text.size - 2));
    } else if (text.size >= 2 && text.size % 2 == 0 && bytes_equal_ignore_case(bytes_slice(text, 0, 2), BYTES("0x"))) {
        for (size_t i = 2; ok && i < text.size; i += 2) {
            int high = hex_digit(text.data[i]), low = hex_digit(text.data[i + 1]);
            ok = high >= 0 && low >= 0;
            buffer_append_byte(&out, (uint8_t)(high * 16 + low));
        }
    } else {
        buffer_append_bytes(&out, text);
    }
    *value = arena_copy(&request->operation.arena, buffer_view(&out));
    buffer_free(&out);
    return ok ? true
              : operation_fail(
                    &request->operation, EXCEPTION_ILLEGAL_ARGUMENT, "the value of xattr.value is malformed");
}

static bool append_xattr(struct web_request *request, const char *name, bool is_first) {
    struct bytes value;
    if (!file_get_xattr(&request->operation, request->path, name, &value)) {
        return false;
    }
    buffer_append_text(&request->body, is_first ? "{" : ",{");
    append_member(&request->body, "name", name);
    buffer_append_text(&request->body, ",\"value\":");
    append_value(request, value);
    buffer_append_byte(&request->body, '}');
    return true;
}

static bool web_get_xattrs(struct web_request *request) {
    const char *name = web_text(request, "xattr.name", NULL);
    char **names = (char **)&name;
    size_t count = 1;
    if (!name && !file_list_xattrs(&request->operation, request->path, &names, &count)) {
        return false;
    }
    buffer_append_text(&request->body, "{\"XAttrs\":[");
    for (size_t i = 0; i < count; i++) {
        if (!append_xattr(request, names[i], i == 0)) {
            return false;
        }
    }
    buffer_append_text(&request->body, "]}");
    return true;
}

static bool web_list_xattrs(struct web_request *request) {
    char **names;
    size_t count;
    struct buffer list = {0};
    if (!file_list_xattrs(&request->operation, request->path, &names, &count)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(&list, i == 0 ? "[" : ",");
        append_text(&list, names[i]);
    }
    buffer_append_text(&list, count == 0 ? "[]" : "]");
    buffer_append_text(&request->body, "{\"XAttrNames\":");
    buffer_append_json_string(&request->body, buffer_view(&list));
    buffer_append_byte(&request->body, '}');
    buffer_free(&list);
    return true;
}

static bool web_set_xattr(struct web_request *request) {
    struct bytes value;
    const char *name = web_text(request, "xattr.name", ""), *flag = web_text(request, "flag", "");
    bool create = strcasestr(flag, "CREATE") != NULL, replace = strcasestr(flag, "REPLACE") != NULL;
    bool either = !create && !replace;
    return parse_value(request, &value) &&
           file_set_xattr(&request->operation, request->path, name, value, create || either, replace || either);
}

static bool web_remove_xattr(struct web_request *request) {
    return file_remove_xattr(&request->operation, request->path, web_text(request, "xattr.name", ""));
}

/* ---- PUT, POST, DELETE ---- */

static bool web_mkdirs(struct web_request *request) {
    uint32_t mode;
    return web_mode(request, "permission", 0755, &mode) &&
           file_mkdirs(&request->operation, request->path, mode, true) && answer_boolean(request, true);
}

static bool web_rename(struct web_request *request) {
    const char *to = web_text(request, "destination", NULL), *options = web_text(request, "renameoptions", NULL);
    bool renamed;
    if (!to) {
        return operation_fail(
            &request->operation, EXCEPTION_ILLEGAL_ARGUMENT, "RENAME needs the parameter \"destination\"");
    }
    if (options) {
        return file_rename2(&request->operation, request->path, to, strcasestr(options, "OVERWRITE") != NULL);
    }
    return file_rename(&request->operation, request->path, to, &renamed) && answer_boolean(request, renamed);
}

static bool web_set_replication(struct web_request *request) {
    int64_t replication;
    bool done;
    return web_number(request, "replication", store_replication(request->operation.store), &replication) &&
           file_set_replication(&request->operation, request->path, (int)(replication & 0x7fffffff), &done) &&
           answer_boolean(request, done);
}

static bool web_set_owner(struct web_request *request) {
    const char *owner = web_text(request, "owner", NULL), *group = web_text(request, "group", NULL);
    if (!owner && !group) {
        return operation_fail(&request->operation, EXCEPTION_ILLEGAL_ARGUMENT, "Both owner and group are empty.");
    }
    return file_set_owner(&request->operation, request->path, owner, group);
}

static bool web_set_permission(struct web_request *request) {
    uint32_t mode;
    return web_mode(request, "permission", 0755, &mode) && file_set_mode(&request->operation, request->path, mode);
}

static bool web_set_times(struct web_request *request) {
    int64_t modified, accessed;
    return web_number(request, "modificationtime", -1, &modified) && web_number(request, "accesstime", -1, &accessed) &&
           file_set_times(&request->operation, request->path, modified, accessed);
}

static bool web_truncate(struct web_request *request) {
    int64_t size;
    return web_number(request, "newlength", -1, &size) &&
           file_truncate(&request->operation, request->path, size, "WebHDFS") && answer_boolean(request, true);
}

static bool web_concat(struct web_request *request) {
    const char *list = web_text(request, "sources", "");
    struct arena *arena = &request->operation.arena;
    const char **sources = ARENA_ARRAY(arena, const char *, strlen(list) + 1);
    size_t count = 0;
    while (*list) {
        size_t size = strcspn(list, ",");
        if (size > 0) {
            sources[count++] = arena_text(arena, bytes_make(list, size));
        }
        list += size + (list[size] == ',');
    }
    for (size_t i = 0; i < count; i++) {
        if (!operation_path(&request->operation, sources[i])) {
            return false;
        }
    }
    return file_concat(&request->operation, request->path, sources, count);
}

static bool web_delete(struct web_request *request) {
    bool deleted;
    return file_delete(&request->operation, request->path, web_flag(request, "recursive", false), &deleted) &&
           answer_boolean(request, deleted);
}

static bool web_refuse(struct web_request *request) {
    return operation_fail(&request->operation, EXCEPTION_UNSUPPORTED_OPERATION, "%s is not supported by Raudal's HDFS",
        request->method->name);
}

static const struct web_method methods[] = {
    {"GET", "OPEN", web_open},
    {"GET", "GETFILESTATUS", web_get_file_status},
    {"GET", "LISTSTATUS", web_list_status},
    {"GET", "LISTSTATUS_BATCH", web_list_status_batch},
    {"GET", "GETCONTENTSUMMARY", web_get_content_summary},
    {"GET", "GETQUOTAUSAGE", web_get_quota_usage},
    {"GET", "GETFILECHECKSUM", web_get_file_checksum},
    {"GET", "GETHOMEDIRECTORY", web_get_home_directory},
    {"GET", "GETTRASHROOT", web_get_trash_root},
    {"GET", "GETDELEGATIONTOKEN", web_get_delegation_token},
    {"GET", "GETACLSTATUS", web_get_acl_status},
    {"GET", "GETXATTRS", web_get_xattrs},
    {"GET", "LISTXATTRS", web_list_xattrs},
    {"GET", "CHECKACCESS", web_check_access},
    {"GET", "GETFILEBLOCKLOCATIONS", web_get_file_block_locations},
    {"GET", "GETSTATUS", web_get_status},
    {"GET", "GETSERVERDEFAULTS", web_get_server_defaults},
    {"PUT", "CREATE", NULL, true},
    {"PUT", "MKDIRS", web_mkdirs},
    {"PUT", "RENAME", web_rename},
    {"PUT", "SETREPLICATION", web_set_replication},
    {"PUT", "SETOWNER", web_set_owner},
    {"PUT", "SETPERMISSION", web_set_permission},
    {"PUT", "SETTIMES", web_set_times},
    {"PUT", "SETXATTR", web_set_xattr},
    {"PUT", "REMOVEXATTR", web_remove_xattr},
    {"PUT", "CREATESYMLINK", web_refuse},
    {"PUT", "CREATESNAPSHOT", web_refuse},
    {"PUT", "RENAMESNAPSHOT", web_refuse},
    {"PUT", "ALLOWSNAPSHOT", web_refuse},
    {"PUT", "DISALLOWSNAPSHOT", web_refuse},
    {"PUT", "MODIFYACLENTRIES", web_refuse},
    {"PUT", "REMOVEACLENTRIES", web_refuse},
    {"PUT", "REMOVEDEFAULTACL", web_refuse},
    {"PUT", "REMOVEACL", web_refuse},
    {"PUT", "SETACL", web_refuse},
    {"PUT", "SETSTORAGEPOLICY", web_refuse},
    {"PUT", "SETQUOTA", web_refuse},
    {"POST", "APPEND", NULL, true},
    {"POST", "CONCAT", web_concat},
    {"POST", "TRUNCATE", web_truncate},
    {"DELETE", "DELETE", web_delete},
    {"DELETE", "DELETESNAPSHOT", web_refuse},
};

const struct web_method *web_method_find(const char *method, struct bytes name) {
    if (strcmp(method, "HEAD") == 0) {
        method = "GET";
    }
    for (size_t i = 0; i < ARRAY_COUNT(methods); i++) {
        if (strcmp(methods[i].method, method) == 0 && bytes_equal_ignore_case(name, bytes_from_text(methods[i].name))) {
            return &methods[i];
        }
    }
    return NULL;
}
