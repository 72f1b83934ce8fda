/* lease.c: files under construction and the paths behind block ids. See lease.h.
 *
 * A note in /.raudal/leases is a file named after the inode with four lines: holder, machine, block size, path. */
#include "store/store_internal.h"

#include "base/assert.h"
#include <inttypes.h>
#include <stdlib.h>

#define INODE_PATH_COUNT_MAX 65536

struct store_open_file {
    struct store_construction state; /* its texts are owned */
    int64_t renewed_ms;
};

static struct bytes inode_key(const uint64_t *inode) {
    return bytes_make(inode, sizeof *inode);
}

static int64_t now_ms(struct store *store) {
    return world_monotonic_ns(store->world) / 1000000;
}

static uint64_t masked(uint64_t inode) {
    return inode & ((1ull << 43) - 1);
}

static void open_file_free(struct store_open_file *file) {
    if (file) {
        free((char *)file->state.path);
        free((char *)file->state.holder);
        free((char *)file->state.machine);
        free(file);
    }
}

static char *text_copy(const char *text) {
    char *copy = strdup(text);
    ASSERT(copy);
    return copy;
}

static void copy_out(struct arena *arena, const struct store_open_file *file, struct store_construction *out) {
    *out = file->state;
    out->path = arena_strdup(arena, file->state.path);
    out->holder = arena_strdup(arena, file->state.holder);
    out->machine = arena_strdup(arena, file->state.machine);
}

/* ---- notes ---- */

static void note_path(struct store *store, uint64_t inode, char out[STORE_PATH_SIZE_MAX + 600]) {
    snprintf(out, STORE_PATH_SIZE_MAX + 600, "%s/%" PRIu64, store->leases_directory, inode);
}

static bool note_write(struct store *store, const struct store_construction *state, struct error *error) {
    char path[STORE_PATH_SIZE_MAX + 600];
    note_path(store, state->inode, path);
    struct buffer text = {0};
    buffer_printf(&text, "%s\n%s\n%" PRId64 "\n%s\n", state->holder, state->machine, state->block_size, state->path);
    bool ok = world_write_file(store->world, path, buffer_view(&text), false, error);
    buffer_free(&text);
    return ok;
}

static void note_remove(struct store *store, uint64_t inode) {
    char path[STORE_PATH_SIZE_MAX + 600];
    note_path(store, inode, path);
    world_unlink(store->world, path, NULL);
}

static char *take_line(struct bytes *text) {
    size_t end = bytes_find(*text, '\n', 0);
    end = end == SIZE_MAX ? text->size : end;
    char *line = strndup((const char *)text->data, end);
    ASSERT(line);
    size_t used = end < text->size ? end + 1 : end;
    *text = bytes_slice(*text, used, text->size - used);
    return line;
}

static void note_load(struct store *store, const char *name) {
    char path[STORE_PATH_SIZE_MAX + 600];
    uint64_t inode = 0;
    struct buffer data = {0};
    snprintf(path, sizeof path, "%s/%s", store->leases_directory, name);
    if (!bytes_to_uint64(bytes_from_text(name), &inode) || !world_read_file(store->world, path, 65536, &data, NULL)) {
        buffer_free(&data);
        world_unlink(store->world, path, NULL);
        return;
    }
    struct bytes text = buffer_view(&data);
    struct store_open_file *file = calloc(1, sizeof *file);
    ASSERT(file);
    file->state.holder = take_line(&text);
    file->state.machine = take_line(&text);
    char *size = take_line(&text);
    bytes_to_int64(bytes_from_text(size), &file->state.block_size);
    free(size);
    file->state.path = take_line(&text);
    file->state.inode = inode;
    file->renewed_ms = now_ms(store);
    buffer_free(&data);
    struct store_place place;
    struct world_stat stat;
    if (file->state.block_size <= 0 || !store_locate(store, file->state.path, &place, NULL) ||
        !world_stat(store->world, place.machine, &stat, NULL) || stat.inode != inode) {
        open_file_free(file);
        world_unlink(store->world, path, NULL);
        return;
    }
    file->state.block_index = (uint32_t)(stat.size / file->state.block_size);
    file->state.committed_size = (int64_t)file->state.block_index * file->state.block_size;
    file->state.has_block = stat.size > file->state.committed_size;
    file->state.generation_stamp = ++store->generation_stamp;
    map_set(&store->open_files, inode_key(&inode), file);
    store_block_remember(store, inode, file->state.path);
}

bool store_lease_start(struct store *store, struct error *error) {
    world_mutex_init(&store->lease_mutex);
    /* Stamps must grow over restarts; seconds do. */
    store->generation_stamp = 1000 + (uint64_t)(world_wall_ms(store->world) / 1000);
    struct world_names names = {0};
    if (!world_mkdirs(store->world, store->leases_directory, 0755, error) ||
        !world_list(store->world, store->leases_directory, &names, error)) {
        return false;
    }
    for (size_t i = 0; i < names.count; i++) {
        note_load(store, names.items[i].name);
    }
    world_names_free(&names);
    return true;
}

void store_lease_stop(struct store *store) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&store->open_files, &cursor));) {
        open_file_free(entry->value);
    }
    cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&store->inode_paths, &cursor));) {
        free(entry->value);
    }
    map_free(&store->open_files);
    map_free(&store->inode_paths);
    world_mutex_destroy(&store->lease_mutex);
}

/* ---- finding ---- */

static bool inode_of(
    struct store *store, const char *path, uint64_t *inode, int64_t *size, bool *is_directory, struct error *error) {
    struct store_place place;
    struct world_stat stat;
    if (!store_locate(store, path, &place, error) || !world_stat(store->world, place.machine, &stat, error)) {
        return false;
    }
    *inode = stat.inode;
    *size = stat.size;
    *is_directory = stat.kind == WORLD_FILE_DIRECTORY;
    return true;
}

bool store_lease_is_open(struct store *store, uint64_t inode) {
    world_mutex_lock(&store->lease_mutex);
    bool open = map_has(&store->open_files, inode_key(&inode));
    world_mutex_unlock(&store->lease_mutex);
    return open;
}

bool store_path_is_open(struct store *store, const char *path) {
    uint64_t inode;
    int64_t size;
    bool is_directory;
    return inode_of(store, path, &inode, &size, &is_directory, NULL) && store_lease_is_open(store, inode);
}

size_t store_lease_count(struct store *store) {
    world_mutex_lock(&store->lease_mutex);
    size_t count = store->open_files.count;
    world_mutex_unlock(&store->lease_mutex);
    return count;
}

/* With the mutex held. NULL with the words of HDFS. */
static struct store_open_file *held(
    struct store *store, uint64_t inode, const char *path, const char *holder, struct error *error) {
    struct store_open_file *file = map_get(&store->open_files, inode_key(&inode));
    if (!file) {
        error_set(error, ERROR_CLOSED, "File is not open for writing: %s (inode %" PRIu64 ") %s", path, inode,
            holder ? "Holder does not have any open files." : "");
        return NULL;
    }
    if (holder && strcmp(file->state.holder, holder) != 0) {
        error_set(error, ERROR_CLOSED, "Client (=%s) is not the lease owner (=%s: %s (inode %" PRIu64 ")", holder,
            file->state.holder, path, inode);
        return NULL;
    }
    file->renewed_ms = now_ms(store);
    return file;
}

bool store_lease_get_inode(struct store *store, struct arena *arena, uint64_t inode, const char *holder,
    struct store_construction *construction, struct error *error) {
    world_mutex_lock(&store->lease_mutex);
    struct store_open_file *file = held(store, inode, "", holder, error);
    if (file) {
        copy_out(arena, file, construction);
    }
    world_mutex_unlock(&store->lease_mutex);
    return file != NULL;
}

bool store_lease_get(struct store *store, struct arena *arena, const char *path, const char *holder, uint64_t inode,
    struct store_construction *construction, struct error *error) {
    uint64_t found;
    int64_t size;
    bool is_directory;
    if (!inode_of(store, path, &found, &size, &is_directory, NULL) || (inode != 0 && inode != found)) {
        return error_set(error, ERROR_CLOSED,
            "File does not exist: %s (inode %" PRIu64 ") Holder %s does not have any open files.", path, inode,
            holder ? holder : "");
    }
    world_mutex_lock(&store->lease_mutex);
    struct store_open_file *file = held(store, found, path, holder, error);
    if (file) {
        copy_out(arena, file, construction);
    }
    world_mutex_unlock(&store->lease_mutex);
    return file != NULL;
}

/* ---- opening and closing ---- */

static void close_inode(struct store *store, uint64_t inode) {
    world_mutex_lock(&store->lease_mutex);
    struct store_open_file *file = map_remove(&store->open_files, inode_key(&inode));
    world_mutex_unlock(&store->lease_mutex);
    if (file) {
        note_remove(store, inode);
        open_file_free(file);
    }
}

/* Before another client may have the file: the present lease must be past its soft limit, then it is closed. */
static bool take_over(struct store *store, const char *path, uint64_t inode, const char *holder, const char *machine,
    const char *verb, struct error *error) {
    world_mutex_lock(&store->lease_mutex);
    struct store_open_file *file = map_get(&store->open_files, inode_key(&inode));
    bool busy = false;
    if (file) {
        bool own = strcmp(file->state.holder, holder) == 0;
        busy = own || now_ms(store) - file->renewed_ms <= STORE_LEASE_SOFT_MS;
        if (own) {
            error_set(error, ERROR_BUSY,
                "Failed to %s %s for %s on %s because this file lease is currently owned by %s on %s", verb, path,
                holder, machine, file->state.holder, file->state.machine);
        } else if (busy) {
            error_set(error, ERROR_BUSY,
                "Failed to %s %s for %s on %s because this file lease is currently owned by %s on %s", verb, path,
                holder, machine, file->state.holder, file->state.machine);
        }
    }
    world_mutex_unlock(&store->lease_mutex);
    if (busy) {
        return false;
    }
    close_inode(store, inode);
    return true;
}

static struct store_open_file *open_file_add(struct store *store, const char *path, uint64_t inode, const char *holder,
    const char *machine, int64_t block_size) {
    struct store_open_file *file = calloc(1, sizeof *file);
    ASSERT(file);
    file->state = (struct store_construction){.inode = inode,
        .path = text_copy(path),
        .holder = text_copy(holder),
        .machine = text_copy(machine),
        .block_size = block_size};
    file->renewed_ms = now_ms(store);
    return file;
}

static bool holder_check(const char *holder, struct error *error) {
    size_t size = strlen(holder);
    if (size == 0 || size > 1024 || strpbrk(holder, "\n\r")) {
        return error_set(error, ERROR_INVALID, "'%.100s' cannot be a client name", holder);
    }
    return true;
}

/* What is in the way of a new file: nothing, or it is removed, or an error. */
static bool make_way(struct store *store, const char *path, const struct store_create *create, struct error *error) {
    uint64_t inode;
    int64_t size;
    bool is_directory;
    struct error problem = {0};
    if (!inode_of(store, path, &inode, &size, &is_directory, &problem)) {
        if (problem.code != ERROR_NOT_FOUND && error) {
            *error = problem;
        }
        return problem.code == ERROR_NOT_FOUND;
    }
    if (is_directory) {
        return error_set(error, ERROR_EXISTS, "%s already exists as a directory", path);
    }
    if (create->overwrite) {
        return store_delete(store, path, false, error);
    }
    if (!take_over(store, path, inode, create->holder, create->machine, "CREATE_FILE", error)) {
        return false;
    }
    return error_set(error, ERROR_EXISTS, "%s for client %s already exists", path, create->machine);
}

static bool make_file(struct store *store, const char *path, const struct store_create *create, struct world_stat *stat,
    struct error *error) {
    struct store_place place, parent_place;
    struct arena arena = {0};
    char *parent = store_path_parent(&arena, path);
    bool ok = store_locate_entry(store, path, &place, error) && store_locate(store, parent, &parent_place, error);
    if (ok && !world_exists(store->world, parent_place.machine)) {
        ok = create->create_parent
                 ? store_mkdirs(store, parent, &(struct store_owner){create->owner.user, create->owner.group, 0}, error)
                 : error_set(error, ERROR_NOT_FOUND, "Parent directory doesn't exist: %s", parent);
    }
    struct world_file *file = NULL;
    if (ok) {
        file = world_file_open(
            store->world, place.machine, WORLD_OPEN_WRITE | WORLD_OPEN_CREATE | WORLD_OPEN_EXCLUSIVE, 0644, error);
        ok = file != NULL;
    }
    if (file) {
        world_file_close(file);
        struct store_attributes attributes;
        store_attributes_inherit(store, parent_place.machine, &create->owner, false, &attributes);
        attributes.replication = create->replication == store->replication ? 0 : create->replication;
        attributes.block_size = create->block_size == store->block_size ? 0 : create->block_size;
        ok = store_attributes_empty(&attributes) || !store->has_xattrs ||
             store_attributes_write(store, place.machine, &attributes, error);
        ok = ok && world_stat(store->world, place.machine, stat, error);
    }
    arena_destroy(&arena);
    return ok;
}

bool store_lease_create(struct store *store, const char *path, const struct store_create *create, struct error *error) {
    struct world_stat stat;
    if (!store_path_check(path, error) || !holder_check(create->holder, error) ||
        !make_way(store, path, create, error) || !make_file(store, path, create, &stat, error)) {
        return false;
    }
    struct store_open_file *file = open_file_add(store, path, stat.inode, create->holder, create->machine,
        create->block_size > 0 ? create->block_size : store->block_size);
    if (!note_write(store, &file->state, error)) {
        open_file_free(file);
        return false;
    }
    world_mutex_lock(&store->lease_mutex);
    file->state.generation_stamp = ++store->generation_stamp;
    open_file_free(map_set(&store->open_files, inode_key(&stat.inode), file));
    world_mutex_unlock(&store->lease_mutex);
    store_block_remember(store, stat.inode, path);
    return true;
}

bool store_lease_append(struct store *store, struct arena *arena, const char *path, const char *holder,
    const char *machine, struct store_construction *construction, struct error *error) {
    struct store_stat stat;
    if (!holder_check(holder, error) || !store_stat(store, path, &stat, error)) {
        return false;
    }
    if (stat.is_directory) {
        return error_set(error, ERROR_IS_DIRECTORY, "Path is not a file: %s", path);
    }
    if (!take_over(store, path, stat.inode, holder, machine, "APPEND_FILE", error)) {
        return false;
    }
    struct store_open_file *file = open_file_add(store, path, stat.inode, holder, machine, stat.block_size);
    file->state.block_index = (uint32_t)(stat.size / stat.block_size);
    file->state.committed_size = (int64_t)file->state.block_index * stat.block_size;
    file->state.has_block = stat.size > file->state.committed_size;
    if (!note_write(store, &file->state, error)) {
        open_file_free(file);
        return false;
    }
    world_mutex_lock(&store->lease_mutex);
    file->state.generation_stamp = ++store->generation_stamp;
    copy_out(arena, file, construction);
    open_file_free(map_set(&store->open_files, inode_key(&stat.inode), file));
    world_mutex_unlock(&store->lease_mutex);
    store_block_remember(store, stat.inode, path);
    return true;
}

/* ---- blocks of a file under construction ---- */

bool store_lease_add_block(struct store *store, struct arena *arena, const char *path, const char *holder,
    uint64_t inode, int64_t previous_index, int64_t previous_size, struct store_construction *construction,
    struct error *error) {
    if (!store_lease_get(store, arena, path, holder, inode, construction, error)) {
        return false;
    }
    inode = construction->inode;
    world_mutex_lock(&store->lease_mutex);
    struct store_open_file *file = held(store, inode, path, holder, error);
    bool ok = file != NULL;
    if (file) {
        struct store_construction *state = &file->state;
        bool repeated = state->has_block && previous_index == (int64_t)state->block_index - 1;
        if (previous_size < 0 || previous_size > (1ll << 50) || previous_index >= (1 << STORE_BLOCK_INDEX_BITS) - 1) {
            ok = error_set(error, ERROR_INVALID, "%s: the previous block %lld with %lld bytes cannot be", path,
                (long long)previous_index, (long long)previous_size);
        } else if (state->has_block && previous_index == (int64_t)state->block_index) {
            state->committed_size += previous_size;
            state->block_index++;
        } else if (!repeated && previous_index >= 0 && previous_index + 1 != (int64_t)state->block_index) {
            ok = error_set(error, ERROR_INVALID, "Unexpected previous block %lld for %s, whose last block is %u",
                (long long)previous_index, path, state->block_index);
        } else if (!repeated && previous_index >= 0 && state->has_block == false &&
                   previous_size != state->block_size &&
                   state->committed_size == (int64_t)state->block_index * state->block_size) {
            /* After a restart the last block's start was guessed from full blocks; the client knows better. */
            state->committed_size = previous_index * state->block_size + previous_size;
        }
        state->has_block = ok ? true : state->has_block;
        copy_out(arena, file, construction);
    }
    world_mutex_unlock(&store->lease_mutex);
    return ok;
}

static bool set_size(struct store *store, const char *path, int64_t size, struct error *error) {
    struct store_place place;
    if (!store_locate(store, path, &place, error)) {
        return false;
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

bool store_lease_abandon_block(
    struct store *store, const char *path, const char *holder, uint64_t inode, int64_t index, struct error *error) {
    struct arena arena = {0};
    struct store_construction found;
    bool ok = store_lease_get(store, &arena, path, holder, inode, &found, error);
    if (ok && found.has_block && (int64_t)found.block_index == index) {
        ok = set_size(store, path, found.committed_size, error);
        world_mutex_lock(&store->lease_mutex);
        struct store_open_file *file = map_get(&store->open_files, inode_key(&found.inode));
        if (ok && file) {
            file->state.has_block = false;
            file->state.generation_stamp = ++store->generation_stamp;
        }
        world_mutex_unlock(&store->lease_mutex);
    }
    arena_destroy(&arena);
    return ok;
}

bool store_lease_stamp(struct store *store, struct arena *arena, uint64_t inode, const char *holder,
    struct store_construction *construction, struct error *error) {
    world_mutex_lock(&store->lease_mutex);
    struct store_open_file *file = held(store, inode, "", holder, error);
    if (file) {
        file->state.generation_stamp = ++store->generation_stamp;
        copy_out(arena, file, construction);
    }
    world_mutex_unlock(&store->lease_mutex);
    return file != NULL;
}

/* A repeated complete after the first one's answer was lost. */
static bool is_completed(struct store *store, const char *path, uint64_t inode) {
    uint64_t found;
    int64_t size;
    bool is_directory;
    return inode != 0 && inode_of(store, path, &found, &size, &is_directory, NULL) && found == inode && !is_directory &&
           !store_lease_is_open(store, inode);
}

bool store_lease_complete(struct store *store, const char *path, const char *holder, uint64_t inode, int64_t last_size,
    bool *done, struct error *error) {
    struct arena arena = {0};
    struct store_construction found;
    *done = true;
    bool ok = true;
    if (is_completed(store, path, inode)) {
        return true;
    }
    uint64_t inode_found;
    int64_t size;
    bool is_directory;
    ok = store_lease_get(store, &arena, path, holder, inode, &found, error) &&
         inode_of(store, path, &inode_found, &size, &is_directory, error);
    if (ok && found.has_block && last_size >= 0) {
        int64_t wanted = found.committed_size + last_size;
        if (wanted > size) {
            *done = false;
        } else if (wanted < size) {
            ok = set_size(store, path, wanted, error);
        }
    }
    if (ok && *done) {
        close_inode(store, found.inode);
    }
    arena_destroy(&arena);
    return ok;
}

bool store_lease_recover(struct store *store, const char *path, struct error *error) {
    struct store_stat stat;
    if (!store_stat(store, path, &stat, error)) {
        return false;
    }
    close_inode(store, stat.inode);
    return true;
}

void store_lease_renew(struct store *store, const char *holder) {
    world_mutex_lock(&store->lease_mutex);
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&store->open_files, &cursor));) {
        struct store_open_file *file = entry->value;
        if (strcmp(file->state.holder, holder) == 0) {
            file->renewed_ms = now_ms(store);
        }
    }
    world_mutex_unlock(&store->lease_mutex);
}

size_t store_lease_expire(struct store *store) {
    VECTOR(uint64_t) expired = {0};
    world_mutex_lock(&store->lease_mutex);
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&store->open_files, &cursor));) {
        struct store_open_file *file = entry->value;
        if (now_ms(store) - file->renewed_ms > STORE_LEASE_HARD_MS) {
            VECTOR_PUSH(&expired, file->state.inode);
            service_log_write(store->log, LOG_INFO, "org.apache.hadoop.hdfs.server.namenode.LeaseManager",
                "[Lease.  Holder: %s] has expired hard limit: %s is closed", file->state.holder, file->state.path);
        }
    }
    world_mutex_unlock(&store->lease_mutex);
    size_t count = expired.count;
    for (size_t i = 0; i < count; i++) {
        close_inode(store, expired.items[i]);
    }
    VECTOR_FREE(&expired);
    return count;
}

/* ---- names that change ---- */

static bool is_below(const char *path, const char *folder) {
    size_t size = strlen(folder);
    return strncmp(path, folder, size) == 0 && (path[size] == 0 || path[size] == '/');
}

static char *moved_path(const char *path, const char *from, const char *to) {
    size_t size = strlen(to) + strlen(path) - strlen(from) + 1;
    char *moved = malloc(size);
    ASSERT(moved);
    snprintf(moved, size, "%s%s", to, path + strlen(from));
    return moved;
}

void store_lease_renamed(struct store *store, const char *from, const char *to) {
    VECTOR(struct store_construction) notes = {0};
    world_mutex_lock(&store->lease_mutex);
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&store->inode_paths, &cursor));) {
        if (is_below(entry->value, from)) {
            char *moved = moved_path(entry->value, from, to);
            free(entry->value);
            entry->value = moved;
        }
    }
    cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&store->open_files, &cursor));) {
        struct store_open_file *file = entry->value;
        if (is_below(file->state.path, from)) {
            char *moved = moved_path(file->state.path, from, to);
            free((char *)file->state.path);
            file->state.path = moved;
            struct store_construction note = file->state;
            note.path = text_copy(note.path);
            note.holder = text_copy(note.holder);
            note.machine = text_copy(note.machine);
            VECTOR_PUSH(&notes, note);
        }
    }
    world_mutex_unlock(&store->lease_mutex);
    for (size_t i = 0; i < notes.count; i++) {
        note_write(store, &notes.items[i], NULL);
        free((char *)notes.items[i].path);
        free((char *)notes.items[i].holder);
        free((char *)notes.items[i].machine);
    }
    VECTOR_FREE(&notes);
}

void store_lease_deleted(struct store *store, const char *path) {
    VECTOR(uint64_t) closed = {0};
    world_mutex_lock(&store->lease_mutex);
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&store->open_files, &cursor));) {
        struct store_open_file *file = entry->value;
        if (is_below(file->state.path, path)) {
            VECTOR_PUSH(&closed, file->state.inode);
        }
    }
    cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&store->inode_paths, &cursor));) {
        if (is_below(entry->value, path)) {
            free(entry->value);
            map_remove(&store->inode_paths, entry->key);
        }
    }
    world_mutex_unlock(&store->lease_mutex);
    for (size_t i = 0; i < closed.count; i++) {
        close_inode(store, closed.items[i]);
    }
    VECTOR_FREE(&closed);
}

/* ---- block ids ---- */

void store_block_remember(struct store *store, uint64_t inode, const char *path) {
    inode = masked(inode);
    world_mutex_lock(&store->lease_mutex);
    char *known = map_get(&store->inode_paths, inode_key(&inode));
    if (!known || strcmp(known, path) != 0) {
        if (!known && store->inode_paths.count >= INODE_PATH_COUNT_MAX) {
            size_t cursor = 0;
            struct map_entry *oldest = map_next(&store->inode_paths, &cursor);
            free(oldest->value);
            map_remove(&store->inode_paths, oldest->key);
        }
        free(map_set(&store->inode_paths, inode_key(&inode), text_copy(path)));
    }
    world_mutex_unlock(&store->lease_mutex);
}

char *store_block_path(struct store *store, struct arena *arena, uint64_t block_id) {
    uint64_t inode = block_id >> STORE_BLOCK_INDEX_BITS;
    world_mutex_lock(&store->lease_mutex);
    const char *path = map_get(&store->inode_paths, inode_key(&inode));
    char *copy = path ? arena_strdup(arena, path) : NULL;
    world_mutex_unlock(&store->lease_mutex);
    return copy;
}
