/* sim_path.c: names on the simulated disk. A directory has the names that the program sees and those that would
 * survive; the changes between the two are kept in order, over all directories. A sync of a directory applies those
 * that concern it. */
#include "world/sim/sim_internal.h"

#include <stdio.h>

/* ---- finding ---- */

/* The next name of the path, from *at on; false at the end. */
static bool next_name(const char *path, size_t *at, struct bytes *name) {
    while (path[*at] == '/')
        (*at)++;
    size_t start = *at;
    while (path[*at] != '\0' && path[*at] != '/')
        (*at)++;
    *name = bytes_make(path + start, *at - start);
    return name->size > 0;
}

struct sim_inode *sim_find(struct sim_world *world, const char *path, struct error *error) {
    struct sim_inode *inode = world->root;
    struct bytes name;
    for (size_t at = 0; next_name(path, &at, &name);) {
        if (inode->kind != WORLD_FILE_DIRECTORY) {
            error_set(error, ERROR_NOT_DIRECTORY, "%s: Not a directory", path);
            return NULL;
        }
        inode = map_get(&inode->entries, name);
        if (inode == NULL) {
            error_set(error, ERROR_NOT_FOUND, "%s: No such file or directory", path);
            return NULL;
        }
    }
    return inode;
}

struct sim_inode *sim_find_parent(struct sim_world *world, const char *path, char name[256], struct error *error) {
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    if (end == start || end - start > 255) {
        error_set(error, end == start ? ERROR_INVALID : ERROR_LIMIT,
            "%s: the last name is empty or longer than 255 bytes", path);
        return NULL;
    }
    memcpy(name, path + start, end - start);
    name[end - start] = '\0';
    char *directory = strndup(path, start);
    ASSERT(directory != NULL);
    struct sim_inode *parent = sim_find(world, directory, error);
    free(directory);
    if (parent != NULL && parent->kind != WORLD_FILE_DIRECTORY) {
        error_set(error, ERROR_NOT_DIRECTORY, "%s: Not a directory", path);
        return NULL;
    }
    return parent;
}

/* ---- changing ---- */

static void set_name(struct sim_world *world, struct map *names, const char *name, struct sim_inode *inode) {
    inode->reference_count++;
    struct sim_inode *former = map_set_text(names, name, inode);
    if (former != NULL)
        sim_inode_release(world, former);
}

static void remove_name(struct sim_world *world, struct map *names, const char *name, struct sim_inode *inode) {
    if (map_get_text(names, name) != inode)
        return;
    map_remove(names, bytes_from_text(name));
    sim_inode_release(world, inode);
}

static void apply(struct sim_world *world, const struct sim_rename *change, bool durable) {
    /* The new name first, so that the inode is never without one. */
    if (change->to != NULL)
        set_name(world, durable ? &change->to->durable_entries : &change->to->entries, change->to_name, change->inode);
    bool same = change->from == change->to && change->from != NULL && strcmp(change->from_name, change->to_name) == 0;
    if (change->from != NULL && !same)
        remove_name(
            world, durable ? &change->from->durable_entries : &change->from->entries, change->from_name, change->inode);
}

void sim_apply_rename(struct sim_world *world, const struct sim_rename *change) {
    apply(world, change, true);
}

void sim_rename_free(struct sim_world *world, struct sim_rename *change) {
    sim_inode_release(world, change->inode);
    if (change->from != NULL)
        sim_inode_release(world, change->from);
    if (change->to != NULL)
        sim_inode_release(world, change->to);
    free(change->from_name);
    free(change->to_name);
}

static char *copy_text(const char *text) {
    if (text == NULL)
        return NULL;
    char *copy = strdup(text);
    ASSERT(copy != NULL);
    return copy;
}

void sim_change_names(struct sim_world *world, struct sim_inode *inode, struct sim_inode *from, const char *from_name,
    struct sim_inode *to, const char *to_name) {
    struct sim_rename change = {
        .inode = inode, .from = from, .to = to, .from_name = copy_text(from_name), .to_name = copy_text(to_name)};
    inode->reference_count++;
    if (from != NULL) {
        from->reference_count++;
        from->modified_ms = from->changed_ms = sim_wall_ms(world);
    }
    if (to != NULL) {
        to->reference_count++;
        to->modified_ms = to->changed_ms = sim_wall_ms(world);
    }
    VECTOR_PUSH(&world->renames, change);
    apply(world, &change, false);
}

void sim_sync_names(struct sim_world *world, const struct sim_inode *directory) {
    size_t kept = 0;
    for (size_t i = 0; i < world->renames.count; i++) {
        struct sim_rename change = world->renames.items[i];
        if (directory != NULL && change.from != directory && change.to != directory) {
            world->renames.items[kept++] = change;
            continue;
        }
        sim_apply_rename(world, &change);
        sim_rename_free(world, &change);
    }
    world->renames.count = kept;
}

/* ---- operations ---- */

static bool stat_path(struct world *base, const char *path, struct world_stat *stat, struct error *error) {
    struct sim_inode *inode = sim_find(sim_of(base), path, error);
    if (inode == NULL)
        return false;
    int64_t used = 0;
    for (size_t i = 0; i < inode->blocks.count; i++)
        used += inode->blocks.items[i] != NULL ? SIM_BLOCK_SIZE : 0;
    *stat = (struct world_stat){
        .kind = inode->kind,
        .size = inode->blocks.size,
        .modified_ms = inode->modified_ms,
        .accessed_ms = inode->accessed_ms,
        .changed_ms = inode->changed_ms,
        .mode = inode->mode,
        .uid = 1000,
        .gid = 1000,
        .inode = inode->number,
        .disk_size = used,
    };
    return true;
}

static bool is_inside(
    const struct sim_inode *directory, const struct sim_inode *inode, const char *from, const char *to) {
    size_t size = strlen(from);
    return inode->kind == WORLD_FILE_DIRECTORY && directory != NULL && strncmp(from, to, size) == 0 && to[size] == '/';
}

static bool rename_path(struct world *base, const char *from, const char *to, bool replace, struct error *error) {
    struct sim_world *world = sim_of(base);
    char from_name[256], to_name[256];
    struct sim_inode *inode = sim_find(world, from, error);
    struct sim_inode *from_parent = inode == NULL ? NULL : sim_find_parent(world, from, from_name, error);
    struct sim_inode *to_parent = from_parent == NULL ? NULL : sim_find_parent(world, to, to_name, error);
    if (to_parent == NULL)
        return error_prefix(error, "cannot rename %s to %s", from, to);
    struct sim_inode *former = map_get_text(&to_parent->entries, to_name);
    if (former == inode)
        return replace || error_set(error, ERROR_EXISTS, "cannot rename %s to %s: File exists", from, to);
    if (is_inside(to_parent, inode, from, to))
        return error_set(error, ERROR_INVALID, "cannot rename %s to %s: Invalid argument", from, to);
    if (former != NULL) {
        if (!replace)
            return error_set(error, ERROR_EXISTS, "cannot rename %s to %s: File exists", from, to);
        bool former_directory = former->kind == WORLD_FILE_DIRECTORY, directory = inode->kind == WORLD_FILE_DIRECTORY;
        if (former_directory != directory)
            return error_set(
                error, former_directory ? ERROR_IS_DIRECTORY : ERROR_NOT_DIRECTORY, "cannot rename %s to %s", from, to);
        if (former_directory && former->entries.count > 0)
            return error_set(error, ERROR_NOT_EMPTY, "cannot rename %s to %s: Directory not empty", from, to);
    }
    if (!sim_may_change(world, to, error))
        return false;
    sim_change_names(world, inode, from_parent, from_name, to_parent, to_name);
    return true;
}

static bool remove_path(struct world *base, const char *path, bool directory, struct error *error) {
    struct sim_world *world = sim_of(base);
    char name[256];
    struct sim_inode *inode = sim_find(world, path, error);
    struct sim_inode *parent = inode == NULL ? NULL : sim_find_parent(world, path, name, error);
    if (parent == NULL)
        return error_prefix(error, "cannot remove");
    bool is_directory = inode->kind == WORLD_FILE_DIRECTORY;
    if (is_directory != directory)
        return error_set(error, directory ? ERROR_NOT_DIRECTORY : ERROR_IS_DIRECTORY,
            "cannot remove %s: it is %s directory", path, directory ? "not a" : "a");
    if (directory && inode->entries.count > 0)
        return error_set(error, ERROR_NOT_EMPTY, "cannot remove directory %s: Directory not empty", path);
    if (!sim_may_change(world, path, error))
        return false;
    sim_change_names(world, inode, parent, name, NULL, NULL);
    return true;
}

static bool unlink_path(struct world *base, const char *path, struct error *error) {
    return remove_path(base, path, false, error);
}

static bool remove_directory(struct world *base, const char *path, struct error *error) {
    return remove_path(base, path, true, error);
}

static bool make_directory(struct world *base, const char *path, uint32_t mode, struct error *error) {
    struct sim_world *world = sim_of(base);
    char name[256];
    if (sim_find(world, path, NULL) != NULL)
        return error_set(error, ERROR_EXISTS, "cannot create directory %s: File exists", path);
    struct sim_inode *parent = sim_find_parent(world, path, name, error);
    if (parent == NULL)
        return error_prefix(error, "cannot create directory");
    if (!sim_may_change(world, path, error))
        return false;
    if (sim_chance(world, world->faults.no_space_ppm))
        return error_set(error, ERROR_NO_SPACE, "cannot create directory %s: No space left on device", path);
    sim_change_names(world, sim_inode_create(world, WORLD_FILE_DIRECTORY, mode), NULL, NULL, parent, name);
    return true;
}

static bool list_path(struct world *base, const char *path, struct world_names *names, struct error *error) {
    struct sim_inode *inode = sim_find(sim_of(base), path, error);
    if (inode == NULL)
        return error_prefix(error, "cannot list");
    if (inode->kind != WORLD_FILE_DIRECTORY)
        return error_set(error, ERROR_NOT_DIRECTORY, "cannot list %s: Not a directory", path);
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&inode->entries, &cursor)) != NULL;) {
        struct world_name name = {
            .name = copy_text((const char *)entry->key.data), .kind = ((struct sim_inode *)entry->value)->kind};
        VECTOR_PUSH(names, name);
    }
    return true;
}

static bool sync_directory(struct world *base, const char *path, struct error *error) {
    struct sim_world *world = sim_of(base);
    struct sim_inode *inode = sim_find(world, path, error);
    if (inode == NULL)
        return error_prefix(error, "cannot sync directory");
    if (inode->kind != WORLD_FILE_DIRECTORY)
        return error_set(error, ERROR_NOT_DIRECTORY, "cannot sync directory %s: Not a directory", path);
    if (world->disk_stopped || sim_chance(world, world->faults.sync_error_ppm))
        return error_set(error, ERROR_IO, "cannot sync directory %s: Input/output error", path);
    sim_sync_names(world, world->faults.ordered_metadata ? NULL : inode);
    return true;
}

static bool sync_everything(struct world *base, const char *path, struct error *error) {
    struct sim_world *world = sim_of(base);
    if (world->disk_stopped || sim_chance(world, world->faults.sync_error_ppm))
        return error_set(error, ERROR_IO, "cannot sync the file system of %s: Input/output error", path);
    LIST_FOR_EACH(node, &world->inodes)
    sim_inode_sync(CONTAINER_OF(node, struct sim_inode, node));
    sim_sync_names(world, NULL);
    return true;
}

static bool set_times(
    struct world *base, const char *path, int64_t modified_ms, int64_t accessed_ms, struct error *error) {
    struct sim_inode *inode = sim_find(sim_of(base), path, error);
    if (inode == NULL)
        return false;
    inode->modified_ms = modified_ms < 0 ? inode->modified_ms : modified_ms;
    inode->accessed_ms = accessed_ms < 0 ? inode->accessed_ms : accessed_ms;
    return true;
}

static bool set_mode(struct world *base, const char *path, uint32_t mode, struct error *error) {
    struct sim_inode *inode = sim_find(sim_of(base), path, error);
    if (inode == NULL)
        return false;
    inode->mode = mode & 07777;
    return true;
}

static ssize_t xattr_get(
    struct world *base, const char *path, const char *name, void *out, size_t size, struct error *error) {
    struct sim_inode *inode = sim_find(sim_of(base), path, error);
    if (inode == NULL)
        return -1;
    struct buffer *value = map_get_text(&inode->attributes, name);
    if (value == NULL || (size > 0 && size < value->size)) {
        error_set(error, value == NULL ? ERROR_NOT_FOUND : ERROR_LIMIT,
            "%s: attribute %s is absent or larger than %zu bytes", path, name, size);
        return -1;
    }
    if (size > 0 && value->size > 0)
        memcpy(out, value->data, value->size);
    return (ssize_t)value->size;
}

static bool xattr_remove(struct world *base, const char *path, const char *name, struct error *error) {
    struct sim_inode *inode = sim_find(sim_of(base), path, error);
    if (inode == NULL)
        return false;
    struct buffer *former = map_remove(&inode->attributes, bytes_from_text(name));
    if (former != NULL) {
        buffer_free(former);
        free(former);
    }
    return true;
}

static bool xattr_set(struct world *base, const char *path, const char *name, struct bytes value, struct error *error) {
    if (!xattr_remove(base, path, name, error))
        return false;
    struct buffer *copy = world_allocate(sizeof *copy);
    buffer_append_bytes(copy, value);
    map_set_text(&sim_find(sim_of(base), path, NULL)->attributes, name, copy);
    return true;
}

static bool xattr_list(struct world *base, const char *path, struct world_names *names, struct error *error) {
    struct sim_inode *inode = sim_find(sim_of(base), path, error);
    if (inode == NULL)
        return false;
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&inode->attributes, &cursor)) != NULL;) {
        struct world_name name = {.name = copy_text((const char *)entry->key.data), .kind = WORLD_FILE_OTHER};
        VECTOR_PUSH(names, name);
    }
    return true;
}

void sim_path_operations(struct world_operations *operations) {
    operations->stat = stat_path;
    operations->rename = rename_path;
    operations->unlink = unlink_path;
    operations->mkdir = make_directory;
    operations->rmdir = remove_directory;
    operations->list = list_path;
    operations->sync_directory = sync_directory;
    operations->sync_everything = sync_everything;
    operations->set_times = set_times;
    operations->set_mode = set_mode;
    operations->xattr_get = xattr_get;
    operations->xattr_set = xattr_set;
    operations->xattr_remove = xattr_remove;
    operations->xattr_list = xattr_list;
}
