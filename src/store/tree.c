/* tree.c: looking at and changing the tree. What is deleted or replaced is first moved to /.raudal/tmp in one step, so
 * that nobody sees half of it; the bytes go afterwards. */
#include "store/store_internal.h"

#include "base/assert.h"
#include <stdlib.h>

static bool fail(struct error *error, const struct error *problem) {
    if (error) {
        *error = *problem;
    }
    return false;
}

/* stat of a place, with the store's own words when it is absent. */
static bool stat_place(
    struct store *store, const struct store_place *place, struct world_stat *stat, struct error *error) {
    struct error problem = {0};
    if (world_stat(store->world, place->machine, stat, &problem)) {
        return true;
    }
    return problem.code == ERROR_NOT_FOUND ? store_not_found(store, place->path, error) : fail(error, &problem);
}

static void fill_stat(
    struct store *store, const char *machine, bool on_machine, const struct world_stat *from, struct store_stat *stat) {
    *stat = (struct store_stat){.is_directory = from->kind == WORLD_FILE_DIRECTORY,
        .size = from->kind == WORLD_FILE_DIRECTORY ? 0 : from->size,
        .modified_ms = from->modified_ms,
        .accessed_ms = from->kind == WORLD_FILE_DIRECTORY ? 0 : from->accessed_ms,
        .inode = from->inode};
    struct store_attributes attributes = {.mode = on_machine ? (int)from->mode : -1};
    if (!on_machine) {
        store_attributes_read(store, machine, &attributes);
        stat->is_open = !stat->is_directory && store_lease_is_open(store, from->inode);
    }
    int usual = stat->is_directory ? STORE_DIRECTORY_MODE : STORE_FILE_MODE;
    stat->mode = (uint32_t)(attributes.mode >= 0 ? attributes.mode : usual);
    stat->replication = stat->is_directory           ? 0
                        : attributes.replication > 0 ? attributes.replication
                                                     : store->replication;
    stat->block_size = stat->is_directory ? 0 : attributes.block_size > 0 ? attributes.block_size : store->block_size;
    snprintf(stat->owner, sizeof stat->owner, "%s", attributes.owner[0] ? attributes.owner : store->user);
    snprintf(stat->group, sizeof stat->group, "%s", attributes.group[0] ? attributes.group : store->group);
}

bool store_stat(struct store *store, const char *path, struct store_stat *stat, struct error *error) {
    struct store_place place;
    struct world_stat found;
    if (!store_locate(store, path, &place, error) || !stat_place(store, &place, &found, error)) {
        return false;
    }
    fill_stat(store, place.machine, place.on_machine, &found, stat);
    return true;
}

bool store_exists(struct store *store, const char *path) {
    struct store_place place;
    return store_locate(store, path, &place, NULL) && world_exists(store->world, place.machine);
}

/* Whether an entry of a directory belongs to the tree. */
static bool is_shown(const struct store_place *place, const struct world_name *name) {
    if (place->on_machine) {
        return true;
    }
    return (name->kind == WORLD_FILE_REGULAR || name->kind == WORLD_FILE_DIRECTORY) &&
           !(place->is_root && strcmp(name->name, STORE_RESERVED) == 0);
}

static bool list_names(
    struct store *store, const struct store_place *place, struct world_names *names, struct error *error) {
    struct world_stat stat;
    if (!stat_place(store, place, &stat, error)) {
        return false;
    }
    if (stat.kind != WORLD_FILE_DIRECTORY) {
        return error_set(error, ERROR_NOT_DIRECTORY, "%s is not a directory", place->path);
    }
    return world_list(store->world, place->machine, names, error);
}

bool store_list(struct store *store, struct arena *arena, const char *path, const char *after, size_t limit,
    struct store_entries *entries, struct error *error) {
    struct store_place place;
    struct world_names names = {0};
    *entries = (struct store_entries){0};
    if (!store_locate(store, path, &place, error) || !list_names(store, &place, &names, error)) {
        return false;
    }
    size_t room = limit > 0 && limit < names.count ? limit : names.count;
    entries->items = ARENA_ARRAY(arena, struct store_entry, room + 1);
    struct buffer machine = {0};
    for (size_t i = 0; i < names.count; i++) {
        if (!is_shown(&place, &names.items[i]) || (after && strcmp(names.items[i].name, after) <= 0)) {
            continue;
        }
        if (entries->count == room) {
            entries->remaining++;
            continue;
        }
        buffer_clear(&machine);
        buffer_printf(&machine, "%s/%s", place.machine, names.items[i].name);
        struct world_stat stat;
        if (!world_stat(store->world, buffer_text(&machine), &stat, NULL)) {
            continue; /* it went in between */
        }
        struct store_entry *entry = &entries->items[entries->count++];
        entry->name = arena_strdup(arena, names.items[i].name);
        fill_stat(store, buffer_text(&machine), place.on_machine, &stat, &entry->stat);
    }
    buffer_free(&machine);
    world_names_free(&names);
    return true;
}

/* ---- summaries ---- */

static void summarize_file(const struct store_stat *stat, struct store_summary *summary) {
    int64_t block_size = stat->block_size > 0 ? stat->block_size : 1;
    summary->file_count++;
    summary->size += stat->size;
    summary->disk_size += stat->size * stat->replication;
    summary->block_count += (stat->size + block_size - 1) / block_size;
}

/* Directories that wait to be counted; a list on the heap in place of recursion. */
struct pending {
    VECTOR(char *) paths;
};

static bool summarize_directory(struct store *store, const char *path, struct pending *pending,
    struct store_summary *summary, struct error *error) {
    struct arena arena = {0};
    struct store_entries entries;
    bool ok = store_list(store, &arena, path, NULL, 0, &entries, error);
    summary->directory_count++;
    for (size_t i = 0; ok && i < entries.count; i++) {
        struct store_stat *stat = &entries.items[i].stat;
        if (stat->is_directory) {
            char *child = strdup(store_path_join(&arena, path, entries.items[i].name));
            ASSERT(child);
            VECTOR_PUSH(&pending->paths, child);
        } else {
            summarize_file(stat, summary);
        }
    }
    arena_destroy(&arena);
    return ok;
}

bool store_summarize(struct store *store, const char *path, struct store_summary *summary, struct error *error) {
    struct store_stat stat;
    *summary = (struct store_summary){0};
    if (!store_stat(store, path, &stat, error)) {
        return false;
    }
    if (!stat.is_directory) {
        summarize_file(&stat, summary);
        return true;
    }
    struct pending pending = {0};
    char *first = strdup(path);
    ASSERT(first);
    VECTOR_PUSH(&pending.paths, first);
    bool ok = true;
    while (pending.paths.count > 0) {
        char *next = VECTOR_POP(&pending.paths);
        struct error problem = {0};
        if (ok && !summarize_directory(store, next, &pending, summary, &problem)) {
            ok = problem.code == ERROR_NOT_FOUND && next != first ? true : fail(error, &problem);
        }
        free(next);
    }
    VECTOR_FREE(&pending.paths);
    return ok;
}

/* ---- making directories ---- */

static bool make_directory(
    struct store *store, const char *path, const struct store_owner *owner, struct error *error) {
    struct store_place place;
    struct error problem = {0};
    if (!store_locate(store, path, &place, error)) {
        return false;
    }
    if (!world_mkdir(store->world, place.machine, 0755, &problem)) {
        return problem.code == ERROR_EXISTS ? true : fail(error, &problem);
    }
    if (place.on_machine) {
        return true;
    }
    char *slash = strrchr(place.machine, '/');
    *slash = 0;
    struct store_attributes attributes;
    store_attributes_inherit(store, place.machine, owner, true, &attributes);
    *slash = '/';
    if (store_attributes_empty(&attributes) || !store->has_xattrs) {
        return true;
    }
    return store_attributes_write(store, place.machine, &attributes, error);
}

bool store_mkdirs(struct store *store, const char *path, const struct store_owner *owner, struct error *error) {
    struct store_place place;
    struct world_stat stat;
    struct error problem = {0};
    if (!store_locate(store, path, &place, error)) {
        return false;
    }
    if (world_stat(store->world, place.machine, &stat, &problem)) {
        return stat.kind == WORLD_FILE_DIRECTORY
                   ? true
                   : error_set(error, ERROR_NOT_DIRECTORY, "Path is not a directory: %s", path);
    }
    if (problem.code != ERROR_NOT_FOUND) {
        return fail(error, &problem);
    }
    struct arena arena = {0};
    bool ok = true;
    size_t start = strncmp(path, "file:", 5) == 0 ? 6 : 1;
    for (size_t end = start; ok && path[end - 1] != 0; end++) {
        if (path[end] == '/' || path[end] == 0) {
            ok = make_directory(store, arena_text(&arena, bytes_make(path, end)), owner, error);
        }
        if (path[end] == 0) {
            break;
        }
    }
    arena_destroy(&arena);
    return ok;
}

/* ---- deleting ---- */

static bool refuse_children(struct store *store, const struct store_place *place, struct error *error) {
    struct world_names names = {0};
    if (!world_list(store->world, place->machine, &names, error)) {
        return false;
    }
    size_t count = 0;
    for (size_t i = 0; i < names.count; i++) {
        count += is_shown(place, &names.items[i]);
    }
    world_names_free(&names);
    return count == 0 ? true : error_set(error, ERROR_NOT_EMPTY, "%s is non empty", place->path);
}

/* Takes the entry out of the tree in one step; its bytes go afterwards. */
static bool remove_place(struct store *store, const struct store_place *place, bool is_directory, struct error *error) {
    if (!is_directory) {
        return world_unlink(store->world, place->machine, error);
    }
    char temporary[STORE_PATH_SIZE_MAX + 600];
    store_temporary_path(store, place, temporary, sizeof temporary);
    return world_rename(store->world, place->machine, temporary, error) &&
           world_remove_tree(store->world, temporary, error);
}

bool store_delete(struct store *store, const char *path, bool recursive, struct error *error) {
    struct store_place place;
    struct world_stat stat;
    if (!store_locate_entry(store, path, &place, error) || !stat_place(store, &place, &stat, error)) {
        return false;
    }
    bool is_directory = stat.kind == WORLD_FILE_DIRECTORY;
    if (is_directory && !recursive && !refuse_children(store, &place, error)) {
        return false;
    }
    if (!remove_place(store, &place, is_directory, error)) {
        return false;
    }
    if (!place.on_machine) {
        store_lease_deleted(store, path);
    }
    return true;
}

/* ---- renaming ---- */

static bool is_below(const char *path, const char *folder) {
    size_t size = strlen(folder);
    return strncmp(path, folder, size) == 0 && path[size] == '/';
}

static bool rename_checks(struct store *store, const struct store_place *from, const struct store_place *to,
    bool overwrite, struct error *error) {
    struct world_stat source, target, parent;
    struct error problem = {0};
    if (!stat_place(store, from, &source, error)) {
        return false;
    }
    if (from->on_machine != to->on_machine) {
        return error_set(error, ERROR_UNSUPPORTED,
            "cannot rename %s to %s: one is in the store, the other on the machine", from->path, to->path);
    }
    if (is_below(to->path, from->path)) {
        return error_set(
            error, ERROR_INVALID, "Rename destination %s is a directory or file under source %s", to->path, from->path);
    }
    struct arena arena = {0};
    char *above = arena_text(&arena, bytes_make(to->machine, (size_t)(strrchr(to->machine, '/') - to->machine)));
    bool has_parent = *above == 0 || world_stat(store->world, above, &parent, &problem);
    arena_destroy(&arena);
    if (!has_parent) {
        return problem.code == ERROR_NOT_FOUND
                   ? error_set(error, ERROR_NOT_FOUND, "rename destination parent %.*s not found.",
                         (int)(strrchr(to->path, '/') - to->path), to->path)
                   : fail(error, &problem);
    }
    if (!world_stat(store->world, to->machine, &target, NULL)) {
        return true;
    }
    if (!overwrite || strcmp(from->path, to->path) == 0) {
        return error_set(error, ERROR_EXISTS, "rename destination %s already exists", to->path);
    }
    if ((source.kind == WORLD_FILE_DIRECTORY) != (target.kind == WORLD_FILE_DIRECTORY)) {
        return error_set(error, ERROR_INVALID, "Source %s and destination %s must both be directories or both be files",
            from->path, to->path);
    }
    return target.kind == WORLD_FILE_DIRECTORY ? refuse_children(store, to, error) : true;
}

bool store_rename(struct store *store, const char *from, const char *to, bool overwrite, struct error *error) {
    struct store_place source, target;
    if (!store_locate_entry(store, from, &source, error) || !store_locate_entry(store, to, &target, error) ||
        !rename_checks(store, &source, &target, overwrite, error)) {
        return false;
    }
    bool ok = overwrite ? world_rename(store->world, source.machine, target.machine, error)
                        : world_rename_new(store->world, source.machine, target.machine, error);
    if (ok && !source.on_machine) {
        store_lease_deleted(store, to);
        store_lease_renamed(store, from, to);
    }
    return ok;
}

bool store_commit(struct store *store, const char *temporary, const char *final, struct error *error) {
    return store_rename(store, temporary, final, false, error);
}

bool store_truncate(struct store *store, const char *path, int64_t size, struct error *error) {
    struct store_place place;
    struct world_stat stat;
    if (!store_locate_entry(store, path, &place, error) || !stat_place(store, &place, &stat, error)) {
        return false;
    }
    if (stat.kind == WORLD_FILE_DIRECTORY) {
        return error_set(error, ERROR_IS_DIRECTORY, "Path is not a file: %s", path);
    }
    if (size < 0) {
        return error_set(error, ERROR_INVALID, "Cannot truncate to a negative file size: %lld.", (long long)size);
    }
    struct world_file *file =
        world_file_open(store->world, place.machine, WORLD_OPEN_READ | WORLD_OPEN_WRITE, 0, error);
    if (!file) {
        return false;
    }
    bool ok = world_file_truncate(file, size, error);
    world_file_close(file);
    return ok;
}
