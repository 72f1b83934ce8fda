/* file.c: reading files, and the engine's way of writing them: a temporary file that appears whole under its name at
 * commit. */
#include "store/store_internal.h"

#include "base/assert.h"
#include <stdlib.h>

#define WRITER_BUFFER_SIZE ((size_t)1 << 20)

struct store_file {
    struct world_file *file;
};

/* Whether the DataNode of a store path answers. */
static bool has_datanode(struct store *store, const struct store_place *place, struct error *error) {
    if (!store->datanode_is_stopped || place->on_machine) {
        return true;
    }
    return error_set(error, ERROR_CLOSED,
        "File %s: there are 0 datanode(s) running: the datanode is stopped (start it with: docker start datanode, or "
        "raudal start datanode)",
        place->path);
}

struct store_file *store_file_open(struct store *store, const char *path, struct error *error) {
    struct store_place place;
    struct world_stat stat;
    struct error problem = {0};
    if (!store_locate(store, path, &place, error)) {
        return NULL;
    }
    if (!world_stat(store->world, place.machine, &stat, &problem)) {
        if (problem.code == ERROR_NOT_FOUND) {
            store_not_found(store, path, error);
        } else if (error) {
            *error = problem;
        }
        return NULL;
    }
    if (stat.kind == WORLD_FILE_DIRECTORY) {
        error_set(error, ERROR_IS_DIRECTORY, "Path is not a file: %s", path);
        return NULL;
    }
    if (!has_datanode(store, &place, error)) {
        return NULL;
    }
    struct world_file *opened = world_file_open(store->world, place.machine, WORLD_OPEN_READ, 0, error);
    if (!opened) {
        return NULL;
    }
    struct store_file *file = calloc(1, sizeof *file);
    ASSERT(file);
    file->file = opened;
    return file;
}

void store_file_close(struct store_file *file) {
    if (file) {
        world_file_close(file->file);
        free(file);
    }
}

ssize_t store_file_read(struct store_file *file, void *out, size_t size, int64_t offset, struct error *error) {
    return world_file_read(file->file, out, size, offset, error);
}

int64_t store_file_size(struct store_file *file, struct error *error) {
    return world_file_size(file->file, error);
}

struct world_map *store_file_map(struct store_file *file, int64_t offset, size_t size, struct error *error) {
    return world_file_map(file->file, offset, size, error);
}

bool store_read_file(struct store *store, const char *path, size_t size_max, struct buffer *out, struct error *error) {
    struct store_file *file = store_file_open(store, path, error);
    if (!file) {
        return false;
    }
    int64_t size = store_file_size(file, error);
    bool ok = size >= 0;
    if (ok && (uint64_t)size > size_max) {
        ok = error_set(error, ERROR_LIMIT, "%s has %lld bytes, more than %zu", path, (long long)size, size_max);
    }
    if (ok && size > 0) {
        ssize_t got = store_file_read(file, buffer_reserve(out, (size_t)size), (size_t)size, 0, error);
        ok = got >= 0;
        out->size += ok ? (size_t)got : 0;
    }
    store_file_close(file);
    return ok;
}

/* ---- writer ---- */

struct store_writer {
    struct store *store;
    char *path;
    char temporary[STORE_PATH_SIZE_MAX + 600];
    struct world_file *file;
    struct buffer pending;
    int64_t written; /* bytes in the file */
    int flags;
    bool failed;
};

static struct world_file *open_temporary(
    struct store *store, const char *temporary, bool on_machine, struct error *error) {
    int flags = WORLD_OPEN_WRITE | WORLD_OPEN_CREATE | WORLD_OPEN_EXCLUSIVE;
    struct error problem = {0};
    struct world_file *file = world_file_open(store->world, temporary, flags, 0644, &problem);
    if (!file && problem.code == ERROR_NOT_FOUND) {
        /* The folder for it is missing: the first file of a new output folder on the machine, or somebody cleared the
         * store. */
        struct arena arena = {0};
        char *parent = on_machine ? store_path_parent(&arena, temporary) : store->temporary;
        if (world_mkdirs(store->world, parent, 0755, error)) {
            file = world_file_open(store->world, temporary, flags, 0644, error);
        }
        arena_destroy(&arena);
    } else if (!file && error) {
        *error = problem;
    }
    return file;
}

struct store_writer *store_writer_open(struct store *store, const char *path, int flags, struct error *error) {
    struct store_place place;
    if (!store_locate_entry(store, path, &place, error) || !has_datanode(store, &place, error)) {
        return NULL;
    }
    struct store_writer *writer = calloc(1, sizeof *writer);
    ASSERT(writer);
    store_temporary_path(store, &place, writer->temporary, sizeof writer->temporary);
    writer->file = open_temporary(store, writer->temporary, place.on_machine, error);
    if (!writer->file) {
        free(writer);
        return NULL;
    }
    writer->store = store;
    writer->path = strdup(path);
    ASSERT(writer->path);
    writer->flags = flags;
    return writer;
}

static bool flush(struct store_writer *writer, struct error *error) {
    if (writer->pending.size == 0) {
        return true;
    }
    if (!world_file_write(writer->file, writer->pending.data, writer->pending.size, writer->written, error)) {
        writer->failed = true;
        return error_prefix(error, "writing %s", writer->path);
    }
    writer->written += (int64_t)writer->pending.size;
    buffer_clear(&writer->pending);
    return true;
}

bool store_writer_write(struct store_writer *writer, const void *data, size_t size, struct error *error) {
    if (writer->failed) {
        return error_set(error, ERROR_IO, "%s: an earlier write failed", writer->path);
    }
    if (writer->pending.size + size > WRITER_BUFFER_SIZE && !flush(writer, error)) {
        return false;
    }
    if (size < WRITER_BUFFER_SIZE) {
        buffer_append(&writer->pending, data, size);
        return true;
    }
    if (!world_file_write(writer->file, data, size, writer->written, error)) {
        writer->failed = true;
        return error_prefix(error, "writing %s", writer->path);
    }
    writer->written += (int64_t)size;
    return true;
}

int64_t store_writer_size(const struct store_writer *writer) {
    return writer->written + (int64_t)writer->pending.size;
}

static void writer_free(struct store_writer *writer) {
    if (writer->file) {
        world_file_close(writer->file);
    }
    buffer_free(&writer->pending);
    free(writer->path);
    free(writer);
}

/* The parent must be there; its group goes to the new file. */
static bool prepare_parent(struct store_writer *writer, const struct store_place *place, struct error *error) {
    struct store *store = writer->store;
    struct arena arena = {0};
    char *parent = store_path_parent(&arena, writer->path), *parent_machine = store_path_parent(&arena, place->machine);
    bool ok = world_exists(store->world, parent_machine) || store_mkdirs(store, parent, NULL, error);
    if (ok && !place->on_machine && store->has_xattrs) {
        struct store_attributes attributes;
        store_attributes_inherit(store, parent_machine, NULL, false, &attributes);
        ok =
            store_attributes_empty(&attributes) || store_attributes_write(store, writer->temporary, &attributes, error);
    }
    arena_destroy(&arena);
    return ok;
}

static bool publish(struct store_writer *writer, struct store_place *place, struct error *error) {
    struct world *world = writer->store->world;
    if (!(writer->flags & STORE_WRITE_REPLACE)) {
        return world_rename_new(world, writer->temporary, place->machine, error);
    }
    struct world_stat stat;
    if (world_stat(world, place->machine, &stat, NULL)) {
        if (stat.kind == WORLD_FILE_DIRECTORY) {
            return error_set(error, ERROR_IS_DIRECTORY, "%s is a directory", writer->path);
        }
        if (!place->on_machine) {
            store_lease_deleted(writer->store, writer->path);
        }
    }
    return world_rename(world, writer->temporary, place->machine, error);
}

bool store_writer_commit(struct store_writer *writer, struct error *error) {
    struct store_place place;
    bool sync = writer->flags & STORE_WRITE_SYNC;
    bool ok = !writer->failed ? true : error_set(error, ERROR_IO, "%s: an earlier write failed", writer->path);
    ok = ok && flush(writer, error) && (!sync || world_file_sync(writer->file, error));
    world_file_close(writer->file);
    writer->file = NULL;
    ok = ok && store_locate_entry(writer->store, writer->path, &place, error) &&
         prepare_parent(writer, &place, error) && publish(writer, &place, error);
    if (!ok) {
        world_unlink(writer->store->world, writer->temporary, NULL);
    } else if (sync) {
        struct arena arena = {0};
        ok = world_sync_directory(writer->store->world, store_path_parent(&arena, place.machine), error);
        arena_destroy(&arena);
    }
    writer_free(writer);
    return ok;
}

void store_writer_abort(struct store_writer *writer) {
    if (writer) {
        world_file_close(writer->file);
        writer->file = NULL;
        world_unlink(writer->store->world, writer->temporary, NULL);
        writer_free(writer);
    }
}

bool store_write_file(struct store *store, const char *path, struct bytes data, int flags, struct error *error) {
    struct store_writer *writer = store_writer_open(store, path, flags, error);
    if (!writer) {
        return false;
    }
    if (!store_writer_write(writer, data.data, data.size, error)) {
        store_writer_abort(writer);
        return false;
    }
    return store_writer_commit(writer, error);
}

/* ---- syncing ---- */

static bool sync_one(struct store *store, const struct store_place *place, struct error *error) {
    struct world_stat stat;
    struct error problem = {0};
    if (!world_stat(store->world, place->machine, &stat, &problem)) {
        return problem.code == ERROR_NOT_FOUND ? true : error_set(error, problem.code, "%s", problem.message);
    }
    if (stat.kind == WORLD_FILE_DIRECTORY) {
        return world_sync_directory(store->world, place->machine, error);
    }
    struct world_file *file = world_file_open(store->world, place->machine, WORLD_OPEN_READ, 0, &problem);
    if (!file) {
        return problem.code == ERROR_NOT_FOUND ? true : error_set(error, problem.code, "%s", problem.message);
    }
    bool ok = world_file_sync(file, error);
    world_file_close(file);
    return ok;
}

bool store_sync_files(struct store *store, const char *const *paths, size_t count, struct error *error) {
    struct arena arena = {0};
    char *folder = NULL; /* holds names of files synced since */
    bool ok = true;
    for (size_t i = 0; ok && i <= count; i++) {
        struct store_place place;
        char *parent = NULL;
        if (i < count) {
            ok = store_locate(store, paths[i], &place, error);
            parent = ok ? store_path_parent(&arena, place.machine) : NULL;
        }
        if (ok && folder && (!parent || strcmp(folder, parent) != 0)) {
            ok = !world_exists(store->world, folder) || world_sync_directory(store->world, folder, error);
        }
        ok = ok && (i == count || sync_one(store, &place, error));
        folder = parent;
    }
    arena_destroy(&arena);
    return ok;
}

bool store_sync_everything(struct store *store, const char *directory, struct error *error) {
    struct store_place place;
    return store_locate(store, directory, &place, error) &&
           (!world_exists(store->world, place.machine) || world_sync_everything(store->world, place.machine, error));
}
