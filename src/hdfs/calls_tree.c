/* calls_tree.c: calls about names and attributes. */
#include "hdfs/calls.h"

#include <stdlib.h>

bool call_get_file_info(struct call *call) {
    CALL_MESSAGES(GetFileInfo);
    struct store_stat stat;
    bool exists;
    if (!file_stat(operation, request->src, &stat, &exists)) {
        return false;
    }
    response->fs = exists ? blocks_file_status(operation, &stat, NULL) : NULL;
    return true;
}

bool call_get_file_link_info(struct call *call) {
    CALL_MESSAGES(GetFileLinkInfo);
    struct store_stat stat;
    bool exists;
    if (!file_stat(operation, request->src, &stat, &exists)) {
        return false;
    }
    response->fs = exists ? blocks_file_status(operation, &stat, NULL) : NULL;
    return true;
}

bool call_get_located_file_info(struct call *call) {
    CALL_MESSAGES(GetLocatedFileInfo);
    struct store_stat stat;
    bool exists;
    const char *path = request->src ? request->src : "";
    if (!file_stat(operation, path, &stat, &exists)) {
        return false;
    }
    response->fs = exists ? blocks_file_status(operation, &stat, NULL) : NULL;
    if (exists && !stat.is_directory) {
        response->fs->locations = blocks_of_file(operation, path, &stat, 0, INT64_MAX);
    }
    return true;
}

bool call_get_listing(struct call *call) {
    CALL_MESSAGES(GetListing);
    struct store_entries entries;
    bool exists;
    char *after = arena_text(&operation->arena, bytes_make(request->startafter.data, request->startafter.len));
    if (!file_list(operation, request->src, after, HDFS_LISTING_COUNT_MAX, &entries, &exists) || !exists) {
        return operation->exception == EXCEPTION_NONE;
    }
    Hadoop__DirectoryListing *list = ARENA_NEW(&operation->arena, Hadoop__DirectoryListing);
    hadoop__directory_listing__init(list);
    list->partiallisting = ARENA_ARRAY(&operation->arena, Hadoop__HdfsFileStatus *, entries.count + 1);
    for (size_t i = 0; i < entries.count; i++) {
        struct store_entry *entry = &entries.items[i];
        Hadoop__HdfsFileStatus *status = blocks_file_status(operation, &entry->stat, entry->name);
        if (request->needlocation && !entry->stat.is_directory) {
            const char *path =
                *entry->name ? store_path_join(&operation->arena, request->src, entry->name) : request->src;
            status->locations = blocks_of_file(operation, path, &entry->stat, 0, INT64_MAX);
        }
        list->partiallisting[list->n_partiallisting++] = status;
    }
    list->remainingentries = (uint32_t)entries.remaining;
    response->dirlist = list;
    return true;
}

bool call_mkdirs(struct call *call) {
    CALL_MESSAGES(Mkdirs);
    response->result = file_mkdirs(operation, request->src, request->masked->perm, request->createparent);
    return response->result;
}

bool call_delete(struct call *call) {
    CALL_MESSAGES(Delete);
    bool deleted;
    bool ok = file_delete(operation, request->src, request->recursive, &deleted);
    response->result = deleted;
    return ok;
}

bool call_rename(struct call *call) {
    CALL_MESSAGES(Rename);
    bool renamed;
    bool ok = file_rename(operation, request->src, request->dst, &renamed);
    response->result = renamed;
    return ok;
}

bool call_rename2(struct call *call) {
    CALL_MESSAGES(Rename2);
    return file_rename2(operation, request->src, request->dst, request->overwritedest);
}

bool call_set_permission(struct call *call) {
    CALL_MESSAGES(SetPermission);
    return file_set_mode(operation, request->src, request->permission->perm);
}

bool call_set_owner(struct call *call) {
    CALL_MESSAGES(SetOwner);
    return file_set_owner(operation, request->src, request->username, request->groupname);
}

bool call_set_replication(struct call *call) {
    CALL_MESSAGES(SetReplication);
    bool done;
    bool ok = file_set_replication(operation, request->src, (int)(request->replication & 0x7fffffff), &done);
    response->result = done;
    return ok;
}

bool call_set_times(struct call *call) {
    CALL_MESSAGES(SetTimes);
    return file_set_times(operation, request->src, (int64_t)request->mtime, (int64_t)request->atime);
}

bool call_get_content_summary(struct call *call) {
    CALL_MESSAGES(GetContentSummary);
    struct store_summary summary;
    if (!file_summarize(operation, request->path, &summary)) {
        return false;
    }
    Hadoop__ContentSummary *out = ARENA_NEW(&operation->arena, Hadoop__ContentSummary);
    hadoop__content_summary__init(out);
    out->length = (uint64_t)summary.size;
    out->filecount = (uint64_t)summary.file_count;
    out->directorycount = (uint64_t)summary.directory_count;
    out->quota = out->spacequota = UINT64_MAX; /* none */
    out->spaceconsumed = (uint64_t)summary.disk_size;
    response->summary = out;
    return true;
}

bool call_get_quota_usage(struct call *call) {
    CALL_MESSAGES(GetQuotaUsage);
    struct store_summary summary;
    if (!file_summarize(operation, request->path, &summary)) {
        return false;
    }
    Hadoop__QuotaUsage *out = ARENA_NEW(&operation->arena, Hadoop__QuotaUsage);
    hadoop__quota_usage__init(out);
    out->fileanddirectorycount = (uint64_t)(summary.file_count + summary.directory_count);
    out->quota = out->spacequota = UINT64_MAX;
    out->spaceconsumed = (uint64_t)summary.disk_size;
    response->usage = out;
    return true;
}

bool call_check_access(struct call *call) {
    CALL_MESSAGES(CheckAccess);
    return file_check_access(operation, request->path, request->mode);
}

static bool stat_existing(struct operation *operation, const char *path, struct store_stat *stat) {
    bool exists;
    if (!file_stat(operation, path, stat, &exists)) {
        return false;
    }
    return exists ? true : operation_fail(operation, EXCEPTION_FILE_NOT_FOUND, "File does not exist: %s", path);
}

bool call_get_acl_status(struct call *call) {
    CALL_MESSAGES(GetAclStatus);
    struct store_stat stat;
    if (!stat_existing(operation, request->src, &stat)) {
        return false;
    }
    Hadoop__AclStatus *status = ARENA_NEW(&operation->arena, Hadoop__AclStatus);
    hadoop__acl_status__init(status);
    status->owner = arena_strdup(&operation->arena, stat.owner);
    status->group = arena_strdup(&operation->arena, stat.group);
    status->sticky = (stat.mode & 01000) != 0;
    status->permission = ARENA_NEW(&operation->arena, Hadoop__FsPermission);
    hadoop__fs_permission__init(status->permission);
    status->permission->perm = stat.mode;
    response->result = status;
    return true;
}

bool call_get_preferred_block_size(struct call *call) {
    CALL_MESSAGES(GetPreferredBlockSize);
    struct store_stat stat;
    if (!stat_existing(operation, request->filename, &stat)) {
        return false;
    }
    response->bsize = (uint64_t)stat.block_size;
    return true;
}

bool call_get_enclosing_root(struct call *call) {
    CALL_MESSAGES(GetEnclosingRoot);
    response->enclosingrootpath = arena_strdup(&operation->arena, "/");
    return true;
}

/* ---- extended attributes ---- */

static const char *const xattr_spaces[] = {"user.", "trusted.", "security.", "system.", "raw."};

static char *xattr_full_name(struct operation *operation, const Hadoop__XAttr *attribute) {
    unsigned space = (unsigned)attribute->namespace_;
    return arena_printf(
        &operation->arena, "%s%s", space < ARRAY_COUNT(xattr_spaces) ? xattr_spaces[space] : "", attribute->name);
}

static Hadoop__XAttr *xattr_message(struct operation *operation, const char *full_name, struct bytes value) {
    Hadoop__XAttr *attribute = ARENA_NEW(&operation->arena, Hadoop__XAttr);
    hadoop__xattr__init(attribute);
    for (size_t i = 0; i < ARRAY_COUNT(xattr_spaces); i++) {
        if (strncmp(full_name, xattr_spaces[i], strlen(xattr_spaces[i])) == 0) {
            attribute->namespace_ = (Hadoop__XAttr__XAttrNamespace)i;
            attribute->name = arena_strdup(&operation->arena, full_name + strlen(xattr_spaces[i]));
        }
    }
    attribute->has_value = value.data != NULL;
    attribute->value = (ProtobufCBinaryData){value.size, (uint8_t *)value.data};
    return attribute->name ? attribute : NULL;
}

bool call_set_xattr(struct call *call) {
    CALL_MESSAGES(SetXAttr);
    if (!request->xattr) {
        return operation_fail(operation, EXCEPTION_HADOOP_ILLEGAL_ARGUMENT, "setXAttr without an attribute");
    }
    struct bytes value = bytes_make(request->xattr->value.data, request->xattr->value.len);
    return file_set_xattr(operation, request->src, xattr_full_name(operation, request->xattr), value, request->flag & 1,
        request->flag & 2);
}

bool call_remove_xattr(struct call *call) {
    CALL_MESSAGES(RemoveXAttr);
    if (!request->xattr) {
        return operation_fail(operation, EXCEPTION_HADOOP_ILLEGAL_ARGUMENT, "removeXAttr without an attribute");
    }
    return file_remove_xattr(operation, request->src, xattr_full_name(operation, request->xattr));
}

/* All attributes of the path, with their values when asked. */
static bool collect_xattrs(
    struct operation *operation, const char *path, bool values, size_t *count, Hadoop__XAttr ***out) {
    char **names;
    size_t name_count;
    if (!file_list_xattrs(operation, path, &names, &name_count)) {
        return false;
    }
    *out = ARENA_ARRAY(&operation->arena, Hadoop__XAttr *, name_count + 1);
    for (size_t i = 0; i < name_count; i++) {
        struct bytes value = BYTES_NULL;
        if (strncmp(names[i], "trusted.", 8) == 0 && !operation->is_superuser) {
            continue;
        }
        if (values && !file_get_xattr(operation, path, names[i], &value)) {
            return false;
        }
        Hadoop__XAttr *message = xattr_message(operation, names[i], value);
        if (message) {
            (*out)[(*count)++] = message;
        }
    }
    return true;
}

bool call_get_xattrs(struct call *call) {
    CALL_MESSAGES(GetXAttrs);
    if (request->n_xattrs == 0) {
        return collect_xattrs(operation, request->src, true, &response->n_xattrs, &response->xattrs);
    }
    response->xattrs = ARENA_ARRAY(&operation->arena, Hadoop__XAttr *, request->n_xattrs);
    for (size_t i = 0; i < request->n_xattrs; i++) {
        struct bytes value;
        char *name = xattr_full_name(operation, request->xattrs[i]);
        if (!file_get_xattr(operation, request->src, name, &value)) {
            return false;
        }
        response->xattrs[response->n_xattrs++] = xattr_message(operation, name, value);
    }
    return true;
}

bool call_list_xattrs(struct call *call) {
    CALL_MESSAGES(ListXAttrs);
    return collect_xattrs(operation, request->src, false, &response->n_xattrs, &response->xattrs);
}
