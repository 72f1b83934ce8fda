/* permission.c: HDFS's permission checks. The superuser (who runs Raudal, and root) may do everything; for the others
 * the class owner, group or other decides. A user is in the group of his own name. A message's first line is HDFS's
 * own; the second says what helps. */
#include "hdfs/hdfs_internal.h"

static const char *const access_names[] = {
    "NONE", "EXECUTE", "WRITE", "WRITE_EXECUTE", "READ", "READ_EXECUTE", "READ_WRITE", "ALL"};

static bool allows(const struct operation *operation, const struct store_stat *stat, enum access wanted) {
    uint32_t bits = stat->mode & 7;
    if (strcmp(operation->user, stat->owner) == 0) {
        bits = (stat->mode >> 6) & 7;
    } else if (strcmp(operation->user, stat->group) == 0) {
        bits = (stat->mode >> 3) & 7;
    }
    return (bits & (uint32_t)wanted) == (uint32_t)wanted;
}

static bool refuse(struct operation *operation, const char *path, const struct store_stat *stat, enum access wanted) {
    char mode[STORE_MODE_TEXT_SIZE];
    store_mode_text(stat->mode, mode);
    return operation_fail(operation, EXCEPTION_ACCESS_CONTROL,
        "Permission denied: user=%s, access=%s, inode=\"%s\":%s:%s:%c%s: "
        "%s belongs to %s. Write below /user/%s, or let its owner give access: HADOOP_USER_NAME=%s hdfs dfs -chmod "
        "o+%s%s%s %s",
        operation->user, access_names[wanted], path, stat->owner, stat->group, stat->is_directory ? 'd' : '-', mode,
        path, stat->owner, operation->user, stat->owner, wanted & ACCESS_READ ? "r" : "",
        wanted & ACCESS_WRITE ? "w" : "", wanted & ACCESS_EXECUTE ? "x" : "", path);
}

bool permission_superuser(struct operation *operation, const char *what) {
    return operation->is_superuser || operation->hdfs->options.permissions_disabled
               ? true
               : operation_fail(operation, EXCEPTION_ACCESS_CONTROL,
                     "Access denied for user %s. Superuser privilege is required for operation %s", operation->user,
                     what);
}

static bool has_children(struct operation *operation, const char *path) {
    struct store_entries entries;
    return store_list(operation->store, &operation->arena, path, NULL, 1, &entries, NULL) && entries.count > 0;
}

/* The sticky bit: in such a directory only owners take entries away. */
static bool check_sticky(struct operation *operation, const char *parent_path, const struct store_stat *parent,
    const char *path, const struct store_stat *stat) {
    if (!(parent->mode & 01000) || strcmp(parent->owner, operation->user) == 0 ||
        strcmp(stat->owner, operation->user) == 0) {
        return true;
    }
    char mode[STORE_MODE_TEXT_SIZE], parent_mode[STORE_MODE_TEXT_SIZE];
    store_mode_text(stat->mode, mode);
    store_mode_text(parent->mode, parent_mode);
    return operation_fail(operation, EXCEPTION_ACCESS_CONTROL,
        "Permission denied by sticky bit: user=%s, path=\"%s\":%s:%s:%c%s, parent=\"%s\":%s:%s:d%s", operation->user,
        path, stat->owner, stat->group, stat->is_directory ? 'd' : '-', mode, parent_path, parent->owner, parent->group,
        parent_mode);
}

static bool check_target(
    struct operation *operation, const char *path, const struct store_stat *stat, struct access_wanted wanted) {
    if (wanted.owner && strcmp(stat->owner, operation->user) != 0) {
        return operation_fail(operation, EXCEPTION_ACCESS_CONTROL,
            "Permission denied. user=%s is not the owner of inode=%s", operation->user, path);
    }
    if (wanted.target == ACCESS_NONE ||
        (wanted.with_below && (!stat->is_directory || !has_children(operation, path)))) {
        return true;
    }
    return allows(operation, stat, wanted.target) ? true : refuse(operation, path, stat, wanted.target);
}

bool permission_check(struct operation *operation, const char *path, struct access_wanted wanted) {
    if (operation->is_superuser || operation->hdfs->options.permissions_disabled) {
        return true;
    }
    struct store_stat ancestor, stat;
    char *ancestor_path = NULL;
    bool is_parent = false;
    size_t size = strlen(path);
    /* Every existing directory above the path, from the root. */
    for (size_t end = 1; end < size; end++) {
        if (end != 1 && path[end] != '/') {
            continue;
        }
        char *above = arena_text(&operation->arena, bytes_make(path, end));
        if (!store_stat(operation->store, above, &stat, NULL)) {
            break;
        }
        ancestor = stat;
        ancestor_path = above;
        is_parent = strchr(path + end + (end != 1), '/') == NULL;
        if (!allows(operation, &stat, ACCESS_EXECUTE)) {
            return refuse(operation, above, &stat, ACCESS_EXECUTE);
        }
    }
    if (ancestor_path && wanted.ancestor && !allows(operation, &ancestor, wanted.ancestor)) {
        return refuse(operation, ancestor_path, &ancestor, wanted.ancestor);
    }
    if (ancestor_path && is_parent && wanted.parent && !allows(operation, &ancestor, wanted.parent)) {
        return refuse(operation, ancestor_path, &ancestor, wanted.parent);
    }
    if (!store_stat(operation->store, path, &stat, NULL)) {
        return true;
    }
    if (ancestor_path && is_parent && (wanted.parent & ACCESS_WRITE) &&
        !check_sticky(operation, ancestor_path, &ancestor, path, &stat)) {
        return false;
    }
    return check_target(operation, path, &stat, wanted);
}
