/* files.c: what RPC calls and WebHDFS operations have in common: permission, safe mode, the store, and HDFS's words for
 * what fails. */
#include "hdfs/hdfs_internal.h"

#include <inttypes.h>

static const struct access_wanted traverse = {0};

static bool not_found(struct operation *operation, const char *path) {
    return operation_fail(operation, EXCEPTION_FILE_NOT_FOUND, "File does not exist: %s", path);
}

/* A stat that must find something. */
static bool must_stat(struct operation *operation, const char *path, struct store_stat *stat) {
    struct error error = {0};
    if (store_stat(operation->store, path, stat, &error)) {
        return true;
    }
    return error.code == ERROR_NOT_FOUND ? not_found(operation, path) : operation_error(operation, &error);
}

bool file_stat(struct operation *operation, const char *path, struct store_stat *stat, bool *exists) {
    struct error error = {0};
    *exists = false;
    if (!operation_path(operation, path) || !permission_check(operation, path, traverse)) {
        return false;
    }
    *exists = store_stat(operation->store, path, stat, &error);
    return *exists || error.code == ERROR_NOT_FOUND ? true : operation_error(operation, &error);
}

bool file_list(struct operation *operation, const char *path, const char *after, size_t limit,
    struct store_entries *entries, bool *exists) {
    struct store_stat stat;
    struct error error = {0};
    *entries = (struct store_entries){0};
    if (!file_stat(operation, path, &stat, exists) || !*exists) {
        return operation->exception == EXCEPTION_NONE;
    }
    if (!stat.is_directory) {
        entries->items = ARENA_NEW(&operation->arena, struct store_entry);
        entries->items[0] = (struct store_entry){arena_strdup(&operation->arena, ""), stat};
        entries->count = 1;
        return permission_check(operation, path, traverse);
    }
    if (!permission_check(operation, path, (struct access_wanted){.target = ACCESS_READ_EXECUTE})) {
        return false;
    }
    return store_list(operation->store, &operation->arena, path, after, limit, entries, &error)
               ? true
               : operation_error(operation, &error);
}

bool file_mkdirs(struct operation *operation, const char *path, uint32_t mode, bool create_parent) {
    struct error error = {0};
    struct store_stat stat;
    if (!operation_path(operation, path) || !operation_may_write(operation, "create directory %s", path) ||
        !permission_check(operation, path, traverse)) {
        return false;
    }
    if (store_stat(operation->store, path, &stat, &error)) {
        return stat.is_directory
                   ? true
                   : operation_fail(operation, EXCEPTION_FILE_ALREADY_EXISTS, "Path is not a directory: %s", path);
    }
    if (error.code != ERROR_NOT_FOUND) {
        return operation_error(operation, &error);
    }
    if (!permission_check(operation, path, (struct access_wanted){.ancestor = ACCESS_WRITE})) {
        return false;
    }
    char *parent = store_path_parent(&operation->arena, path);
    if (!create_parent && !store_exists(operation->store, parent)) {
        return operation_fail(operation, EXCEPTION_FILE_NOT_FOUND, "Parent directory doesn't exist: %s", parent);
    }
    struct store_owner owner = {operation->user, NULL, 0};
    if (!store_mkdirs(operation->store, parent, &owner, &error)) {
        return operation_error(operation, &error);
    }
    owner.mode = mode;
    return store_mkdirs(operation->store, path, &owner, &error) ? true : operation_error(operation, &error);
}

bool file_delete(struct operation *operation, const char *path, bool recursive, bool *deleted) {
    struct error error = {0};
    *deleted = false;
    if (!operation_path(operation, path) || !operation_may_write(operation, "delete %s", path)) {
        return false;
    }
    if (strcmp(path, "/") == 0) {
        return true;
    }
    struct access_wanted wanted = {
        .parent = ACCESS_WRITE, .target = recursive ? ACCESS_ALL : ACCESS_NONE, .with_below = true};
    if (!permission_check(operation, path, wanted)) {
        return false;
    }
    *deleted = store_delete(operation->store, path, recursive, &error);
    if (*deleted || error.code == ERROR_NOT_FOUND) {
        return true;
    }
    return error.code == ERROR_NOT_EMPTY
               ? operation_fail(operation, EXCEPTION_PATH_NOT_EMPTY, "`%s is non empty': Directory is not empty", path)
               : operation_error(operation, &error);
}

/* ---- renaming ---- */

static bool rename_permitted(struct operation *operation, const char *from, const char *to) {
    return operation_path(operation, from) && operation_path(operation, to) &&
           operation_may_write(operation, "rename %s", from) &&
           permission_check(operation, from, (struct access_wanted){.parent = ACCESS_WRITE}) &&
           permission_check(operation, to, (struct access_wanted){.ancestor = ACCESS_WRITE});
}

bool file_rename(struct operation *operation, const char *from, const char *to, bool *renamed) {
    struct store_stat stat;
    struct error error = {0};
    *renamed = false;
    if (!rename_permitted(operation, from, to)) {
        return false;
    }
    if (strcmp(from, "/") == 0 || !store_stat(operation->store, from, &stat, NULL)) {
        return true;
    }
    if (store_stat(operation->store, to, &stat, NULL) && stat.is_directory && strcmp(from, to) != 0) {
        to = store_path_join(&operation->arena, to, store_path_name(from));
        if (!permission_check(operation, to, (struct access_wanted){.parent = ACCESS_WRITE})) {
            return false;
        }
    }
    if (strcmp(from, to) == 0) {
        *renamed = true;
        return true;
    }
    *renamed = store_rename(operation->store, from, to, false, &error);
    bool expected = error.code == ERROR_EXISTS || error.code == ERROR_NOT_FOUND || error.code == ERROR_INVALID;
    return *renamed || expected ? true : operation_error(operation, &error);
}

bool file_rename2(struct operation *operation, const char *from, const char *to, bool overwrite) {
    struct store_stat stat;
    struct error error = {0};
    if (!rename_permitted(operation, from, to)) {
        return false;
    }
    if (!store_stat(operation->store, from, &stat, NULL)) {
        return operation_fail(operation, EXCEPTION_FILE_NOT_FOUND, "rename source %s is not found.", from);
    }
    if (strcmp(from, "/") == 0 || strcmp(to, "/") == 0) {
        return operation_fail(
            operation, EXCEPTION_IO, "rename %s cannot be the root", strcmp(from, "/") == 0 ? "source" : "destination");
    }
    if (strcmp(from, to) == 0) {
        return operation_fail(
            operation, EXCEPTION_FILE_ALREADY_EXISTS, "The source %s and destination %s are the same", from, to);
    }
    if (store_rename(operation->store, from, to, overwrite, &error)) {
        return true;
    }
    if (error.code == ERROR_NOT_EMPTY) {
        return operation_fail(operation, EXCEPTION_IO, "rename destination directory is not empty: %s", to);
    }
    return operation_error(operation, &error);
}

/* ---- attributes ---- */

static bool change(struct operation *operation, const char *path, const char *what, struct access_wanted wanted,
    struct store_stat *stat) {
    return operation_path(operation, path) && operation_may_write(operation, "%s for %s", what, path) &&
           permission_check(operation, path, traverse) && must_stat(operation, path, stat) &&
           permission_check(operation, path, wanted);
}

bool file_set_mode(struct operation *operation, const char *path, uint32_t mode) {
    struct store_stat stat;
    struct error error = {0};
    return change(operation, path, "set permission", (struct access_wanted){.owner = true}, &stat) &&
           (store_set_mode(operation->store, path, mode & 01777, &error) || operation_error(operation, &error));
}

bool file_set_owner(struct operation *operation, const char *path, const char *owner, const char *group) {
    struct store_stat stat;
    struct error error = {0};
    if (!change(operation, path, "set owner", (struct access_wanted){.owner = true}, &stat)) {
        return false;
    }
    bool may_all = operation->is_superuser || operation->hdfs->options.permissions_disabled;
    if (!may_all && owner && strcmp(owner, operation->user) != 0) {
        return operation_fail(operation, EXCEPTION_ACCESS_CONTROL,
            "User %s is not a super user (non-super user cannot change owner).", operation->user);
    }
    if (!may_all && group && strcmp(group, operation->user) != 0 && strcmp(group, stat.group) != 0) {
        return operation_fail(
            operation, EXCEPTION_ACCESS_CONTROL, "User %s does not belong to %s", operation->user, group);
    }
    return store_set_owner(
               operation->store, path, owner && *owner ? owner : NULL, group && *group ? group : NULL, &error)
               ? true
               : operation_error(operation, &error);
}

bool file_set_replication(struct operation *operation, const char *path, int replication, bool *done) {
    struct store_stat stat;
    struct error error = {0};
    *done = false;
    if (!change(operation, path, "set replication", (struct access_wanted){.target = ACCESS_WRITE}, &stat)) {
        return false;
    }
    if (stat.is_directory) {
        return true;
    }
    *done = store_set_replication(operation->store, path, replication, &error);
    return *done ? true : operation_error(operation, &error);
}

bool file_set_times(struct operation *operation, const char *path, int64_t modified_ms, int64_t accessed_ms) {
    struct store_stat stat;
    struct error error = {0};
    return change(operation, path, "set times", (struct access_wanted){.target = ACCESS_WRITE}, &stat) &&
           (store_set_times(operation->store, path, modified_ms, accessed_ms, &error) ||
               operation_error(operation, &error));
}

bool file_summarize(struct operation *operation, const char *path, struct store_summary *summary) {
    struct store_stat stat;
    struct error error = {0};
    if (!operation_path(operation, path) || !permission_check(operation, path, traverse) ||
        !must_stat(operation, path, &stat)) {
        return false;
    }
    if (stat.is_directory &&
        !permission_check(operation, path, (struct access_wanted){.target = ACCESS_READ_EXECUTE})) {
        return false;
    }
    return store_summarize(operation->store, path, summary, &error) ? true : operation_error(operation, &error);
}

bool file_check_access(struct operation *operation, const char *path, uint32_t mode) {
    struct store_stat stat;
    return operation_path(operation, path) && permission_check(operation, path, traverse) &&
           must_stat(operation, path, &stat) &&
           permission_check(operation, path, (struct access_wanted){.target = (enum access)(mode & 7)});
}

/* ---- contents ---- */

bool file_may_create(struct operation *operation, const char *path, const struct file_create *create) {
    struct error error = {0};
    struct store_stat stat;
    if (!operation_path(operation, path) || !operation_may_write(operation, "create file %s", path)) {
        return false;
    }
    if (strcmp(path, "/") == 0) {
        return operation_fail(operation, EXCEPTION_FILE_ALREADY_EXISTS, "/ already exists as a directory");
    }
    struct access_wanted wanted = {.ancestor = ACCESS_WRITE, .target = create->overwrite ? ACCESS_WRITE : ACCESS_NONE};
    if (!permission_check(operation, path, wanted)) {
        return false;
    }
    if (create->block_size < 0 || (create->block_size > 0 && create->block_size < HDFS_CHUNK_SIZE)) {
        return operation_fail(operation, EXCEPTION_IO,
            "Specified block size is less than configured minimum value (dfs.namenode.fs-limits.min-block-size): "
            "%" PRId64 " < %d",
            create->block_size, HDFS_CHUNK_SIZE);
    }
    char *parent = store_path_parent(&operation->arena, path);
    if (store_stat(operation->store, parent, &stat, &error) && !stat.is_directory) {
        return operation_fail(operation, EXCEPTION_PARENT_NOT_DIRECTORY, "%s (is not a directory)", parent);
    }
    if (!create->create_parent && error.code == ERROR_NOT_FOUND) {
        return operation_fail(operation, EXCEPTION_FILE_NOT_FOUND, "Parent directory doesn't exist: %s", parent);
    }
    return true;
}

bool file_create(struct operation *operation, const char *path, const struct file_create *create) {
    struct error error = {0};
    struct store_create request = {.holder = create->holder,
        .machine = operation->peer,
        .owner = {operation->user, NULL, create->mode},
        .replication = create->replication,
        .block_size = create->block_size,
        .overwrite = create->overwrite,
        .create_parent = true};
    return file_may_create(operation, path, create) &&
           (store_lease_create(operation->store, path, &request, &error) || operation_error(operation, &error));
}

bool file_append(
    struct operation *operation, const char *path, const char *holder, struct store_construction *construction) {
    struct store_stat stat;
    struct error error = {0};
    return change(operation, path, "append to file", (struct access_wanted){.target = ACCESS_WRITE}, &stat) &&
           (store_lease_append(
                operation->store, &operation->arena, path, holder, operation->peer, construction, &error) ||
               operation_error(operation, &error));
}

bool file_open(struct operation *operation, const char *path, struct store_stat *stat) {
    if (!operation_path(operation, path) || !permission_check(operation, path, traverse) ||
        !must_stat(operation, path, stat)) {
        return false;
    }
    if (stat->is_directory) {
        return operation_fail(operation, EXCEPTION_FILE_NOT_FOUND, "Path is not a file: %s", path);
    }
    return permission_check(operation, path, (struct access_wanted){.target = ACCESS_READ});
}

bool file_truncate(struct operation *operation, const char *path, int64_t size, const char *holder) {
    struct store_stat stat;
    struct error error = {0};
    struct store_construction construction;
    if (!change(operation, path, "truncate", (struct access_wanted){.target = ACCESS_WRITE}, &stat)) {
        return false;
    }
    if (stat.is_directory) {
        return operation_fail(operation, EXCEPTION_FILE_NOT_FOUND, "Path is not a file: %s", path);
    }
    if (size < 0 || size > stat.size) {
        return operation_fail(operation, EXCEPTION_HADOOP_ILLEGAL_ARGUMENT,
            "Cannot truncate to a larger file size. Current size: %" PRId64 ", truncate size: %" PRId64 ".", stat.size,
            size);
    }
    /* Taking the lease refuses a file that somebody writes. */
    if (!store_lease_append(
            operation->store, &operation->arena, path, holder, operation->peer, &construction, &error)) {
        return operation_error(operation, &error);
    }
    bool ok = store_truncate(operation->store, path, size, &error);
    store_lease_recover(operation->store, path, NULL);
    return ok ? true : operation_error(operation, &error);
}

static bool copy_onto(struct world_file *target, int64_t *at, struct store_file *source, struct error *error) {
    static const size_t piece_size = (size_t)1 << 20;
    struct buffer piece = {0};
    bool ok = true;
    for (int64_t offset = 0;;) {
        ssize_t got = store_file_read(source, buffer_reserve(&piece, piece_size), piece_size, offset, error);
        ok = got >= 0 && (got == 0 || world_file_write(target, piece.data, (size_t)got, *at, error));
        if (!ok || got == 0) {
            break;
        }
        offset += got;
        *at += got;
    }
    buffer_free(&piece);
    return ok;
}

/* Plain files cannot share bytes, so the sources are copied; a failure leaves the target as it was. */
bool file_concat(struct operation *operation, const char *target, const char *const *sources, size_t count) {
    struct store_stat stat, source_stat;
    struct error error = {0};
    if (!change(operation, target, "concat", (struct access_wanted){.target = ACCESS_WRITE}, &stat)) {
        return false;
    }
    if (stat.is_directory || stat.is_open || count == 0) {
        return operation_fail(operation, EXCEPTION_HADOOP_ILLEGAL_ARGUMENT, "concat: target file %s is %s", target,
            stat.is_directory ? "a directory"
            : stat.is_open    ? "under construction"
                              : "given without source files");
    }
    for (size_t i = 0; i < count; i++) {
        if (!file_open(operation, sources[i], &source_stat)) {
            return false;
        }
        if (source_stat.inode == stat.inode) {
            return operation_fail(operation, EXCEPTION_HADOOP_ILLEGAL_ARGUMENT,
                "concat: the src file %s is the same with target file %s", sources[i], target);
        }
    }
    struct world_file *file = world_file_open(operation->hdfs->world,
        store_machine_path(operation->store, &operation->arena, target), WORLD_OPEN_READ | WORLD_OPEN_WRITE, 0, &error);
    int64_t at = stat.size;
    bool ok = file != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        struct store_file *source = store_file_open(operation->store, sources[i], &error);
        ok = source && copy_onto(file, &at, source, &error);
        store_file_close(source);
    }
    if (file && !ok) {
        world_file_truncate(file, stat.size, NULL);
    }
    if (file) {
        world_file_close(file);
    }
    for (size_t i = 0; ok && i < count; i++) {
        ok = store_delete(operation->store, sources[i], false, &error);
    }
    return ok ? true : operation_error(operation, &error);
}

/* ---- extended attributes ---- */

bool file_xattr_name(struct operation *operation, const char *name, bool for_write) {
    bool trusted = strncmp(name, "trusted.", 8) == 0, user = strncmp(name, "user.", 5) == 0;
    if (!trusted && !user) {
        bool known =
            strncmp(name, "security.", 9) == 0 || strncmp(name, "system.", 7) == 0 || strncmp(name, "raw.", 4) == 0;
        return known ? operation_fail(
                           operation, EXCEPTION_ACCESS_CONTROL, "User doesn't have permission for xattr: %s", name)
                     : operation_fail(operation, EXCEPTION_HADOOP_ILLEGAL_ARGUMENT,
                           "An XAttr name must be prefixed with user/trusted/security/system/raw, followed by a '.'");
    }
    return trusted && !operation->is_superuser
               ? operation_fail(operation, EXCEPTION_ACCESS_CONTROL, "User doesn't have permission for xattr: %s", name)
               : true;
}

static bool xattr_exists(struct operation *operation, const char *path, const char *name) {
    char **names;
    size_t count;
    if (!store_xattr_list(operation->store, &operation->arena, path, &names, &count, NULL)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

bool file_set_xattr(
    struct operation *operation, const char *path, const char *name, struct bytes value, bool create, bool replace) {
    struct store_stat stat;
    struct error error = {0};
    if (!file_xattr_name(operation, name, true) ||
        !change(operation, path, "set XAttr", (struct access_wanted){.target = ACCESS_WRITE}, &stat)) {
        return false;
    }
    bool exists = xattr_exists(operation, path, name);
    if (exists && !replace) {
        return operation_fail(operation, EXCEPTION_IO, "XAttr: %s already exists. The REPLACE flag must be specified.",
            name + strcspn(name, ".") + 1);
    }
    if (!exists && !create) {
        return operation_fail(operation, EXCEPTION_IO, "XAttr: %s does not exist. The CREATE flag must be specified.",
            name + strcspn(name, ".") + 1);
    }
    return store_xattr_set(operation->store, path, name, value, &error) ? true : operation_error(operation, &error);
}

bool file_remove_xattr(struct operation *operation, const char *path, const char *name) {
    struct store_stat stat;
    struct error error = {0};
    if (!file_xattr_name(operation, name, true) ||
        !change(operation, path, "remove XAttr", (struct access_wanted){.target = ACCESS_WRITE}, &stat)) {
        return false;
    }
    if (!xattr_exists(operation, path, name)) {
        return operation_fail(operation, EXCEPTION_IO, "No matching attributes found for remove operation");
    }
    return store_xattr_remove(operation->store, path, name, &error) ? true : operation_error(operation, &error);
}

bool file_get_xattr(struct operation *operation, const char *path, const char *name, struct bytes *value) {
    struct error error = {0};
    if (!file_xattr_name(operation, name, false) || !operation_path(operation, path) ||
        !permission_check(operation, path, (struct access_wanted){.target = ACCESS_READ})) {
        return false;
    }
    return store_xattr_get(operation->store, &operation->arena, path, name, value, &error)
               ? true
               : operation_fail(operation, EXCEPTION_IO, "At least one of the attributes provided was not found.");
}

bool file_list_xattrs(struct operation *operation, const char *path, char ***names, size_t *count) {
    struct store_stat stat;
    struct error error = {0};
    return operation_path(operation, path) && permission_check(operation, path, traverse) &&
           must_stat(operation, path, &stat) &&
           (store_xattr_list(operation->store, &operation->arena, path, names, count, &error) ||
               operation_error(operation, &error));
}
