/* world.c: dispatch to the world in use, and what both worlds share: whole files, trees, work on a pool followed by a
 * completion on a loop. */
#include "world/world_internal.h"

#include <stdio.h>

void world_destroy(struct world *world) {
    world->operations->destroy(world);
}
bool world_is_simulated(const struct world *world) {
    return world->is_simulated;
}

int64_t world_wall_us(struct world *world) {
    return world->operations->wall_us(world);
}
int64_t world_wall_ms(struct world *world) {
    return world->operations->wall_us(world) / 1000;
}
int64_t world_monotonic_ns(struct world *world) {
    return world->operations->monotonic_ns(world);
}
void world_random(struct world *world, void *out, size_t size) {
    world->operations->random(world, out, size);
}
uint64_t world_random_u64(struct world *world) {
    uint64_t value;
    world->operations->random(world, &value, sizeof value);
    return value;
}
int64_t world_user_id(struct world *world) {
    return world->operations->user_id(world);
}
uint64_t world_boot_id(struct world *world) {
    return world->operations->boot_id(world);
}

/* ---- files ---- */

struct world_file *world_file_open(
    struct world *world, const char *path, int flags, uint32_t mode, struct error *error) {
    ASSERT(path[0] == '/');
    return world->operations->file_open(world, path, flags, mode, error);
}
void world_file_close(struct world_file *file) {
    if (file != NULL)
        file->world->operations->file_close(file);
}
ssize_t world_file_read(struct world_file *file, void *out, size_t size, int64_t offset, struct error *error) {
    return file->world->operations->file_read(file, out, size, offset, error);
}
bool world_file_write(struct world_file *file, const void *data, size_t size, int64_t offset, struct error *error) {
    return file->world->operations->file_write(file, data, size, offset, error);
}
bool world_file_sync(struct world_file *file, struct error *error) {
    return file->world->operations->file_sync(file, error);
}
bool world_file_truncate(struct world_file *file, int64_t size, struct error *error) {
    return file->world->operations->file_truncate(file, size, error);
}
int64_t world_file_size(struct world_file *file, struct error *error) {
    return file->world->operations->file_size(file, error);
}
struct world_map *world_file_map(struct world_file *file, int64_t offset, size_t size, struct error *error) {
    ASSERT(offset >= 0 && offset % 4096 == 0);
    return file->world->operations->file_map(file, offset, size, error);
}
struct bytes world_map_view(const struct world_map *map) {
    return map->view;
}
bool world_map_check(const struct world_map *map) {
    return map->world->operations->map_check(map);
}
void world_map_close(struct world_map *map) {
    if (map != NULL)
        map->world->operations->map_close(map);
}
int world_file_descriptor(struct world_file *file, struct error *error) {
    return file->world->operations->file_descriptor(file, error);
}
bool world_file_lock(struct world_file *file, struct error *error) {
    return file->world->operations->file_lock(file, error);
}

/* ---- paths ---- */

bool world_stat(struct world *world, const char *path, struct world_stat *stat, struct error *error) {
    return world->operations->stat(world, path, stat, error);
}
bool world_stat_link(struct world *world, const char *path, struct world_stat *stat, struct error *error) {
    return (world->operations->stat_link ? world->operations->stat_link : world->operations->stat)(
        world, path, stat, error);
}
bool world_exists(struct world *world, const char *path) {
    struct world_stat stat;
    return world->operations->stat(world, path, &stat, NULL);
}
bool world_rename(struct world *world, const char *from, const char *to, struct error *error) {
    return world->operations->rename(world, from, to, true, error);
}
bool world_rename_new(struct world *world, const char *from, const char *to, struct error *error) {
    return world->operations->rename(world, from, to, false, error);
}
bool world_unlink(struct world *world, const char *path, struct error *error) {
    return world->operations->unlink(world, path, error);
}
bool world_mkdir(struct world *world, const char *path, uint32_t mode, struct error *error) {
    return world->operations->mkdir(world, path, mode, error);
}
bool world_rmdir(struct world *world, const char *path, struct error *error) {
    return world->operations->rmdir(world, path, error);
}

bool world_mkdirs(struct world *world, const char *path, uint32_t mode, struct error *error) {
    struct error first = {0};
    struct world_stat stat;
    if (world_stat(world, path, &stat, &first)) {
        if (stat.kind == WORLD_FILE_DIRECTORY)
            return true;
        return error_set(error, ERROR_NOT_DIRECTORY, "%s exists and is not a directory", path);
    }
    /* Parents first, from the top: each prefix that ends before a slash. */
    char *prefix = strdup(path);
    ASSERT(prefix != NULL);
    bool done = true;
    for (size_t i = 1; done && path[i] != '\0'; i++) {
        if (path[i] != '/' && path[i + 1] != '\0')
            continue;
        size_t end = path[i] == '/' ? i : i + 1;
        prefix[end] = '\0';
        struct error failure = {0};
        if (!world_mkdir(world, prefix, mode, &failure) && failure.code != ERROR_EXISTS) {
            /* A parent that may not be created may still be there (read-only mounts answer so before EEXIST). */
            if (!world_exists(world, prefix)) {
                if (error != NULL)
                    *error = failure;
                done = false;
            }
        }
        prefix[end] = path[end];
    }
    free(prefix);
    return done;
}

static int compare_names(const void *left, const void *right) {
    return strcmp(((const struct world_name *)left)->name, ((const struct world_name *)right)->name);
}

bool world_list(struct world *world, const char *path, struct world_names *names, struct error *error) {
    if (!world->operations->list(world, path, names, error)) {
        world_names_free(names);
        return false;
    }
    if (names->count > 0)
        qsort(names->items, names->count, sizeof names->items[0], compare_names);
    return true;
}

void world_names_free(struct world_names *names) {
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i].name);
    VECTOR_FREE(names);
}

static char *join(const char *directory, const char *name) {
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = world_allocate(size);
    snprintf(path, size, "%s/%s", directory, name);
    return path;
}

/* Directories on the way down, each with what is still to be removed in it. */
struct tree_level {
    char *path;
    struct world_names names;
    size_t next;
};
struct tree_stack {
    struct tree_level *items;
    size_t count, capacity;
};

/* Removes a file, or pushes a directory on the stack. Takes `path`. */
static bool remove_entry(
    struct world *world, char *path, bool is_directory, struct tree_stack *stack, struct error *failure) {
    struct tree_level level = {.path = path};
    bool fine = is_directory ? world_list(world, path, &level.names, failure) : world_unlink(world, path, failure);
    if (fine && is_directory) {
        VECTOR_PUSH(stack, level);
        return true;
    }
    free(path);
    return fine || failure->code == ERROR_NOT_FOUND;
}

bool world_remove_tree(struct world *world, const char *path, struct error *error) {
    struct tree_stack stack = {0};
    struct error failure = {0};
    char *top = strdup(path);
    ASSERT(top != NULL);
    /* The kind of the top is found by trying: unlink never follows a link. */
    bool fine = world_unlink(world, path, &failure) || failure.code == ERROR_NOT_FOUND;
    if (fine)
        free(top);
    else
        fine = remove_entry(world, top, true, &stack, &failure);
    while (stack.count > 0) {
        struct tree_level *level = &stack.items[stack.count - 1];
        if (fine && level->next < level->names.count) {
            struct world_name *name = &level->names.items[level->next++];
            fine = remove_entry(
                world, join(level->path, name->name), name->kind == WORLD_FILE_DIRECTORY, &stack, &failure);
            continue;
        }
        if (fine)
            fine = world_rmdir(world, level->path, &failure) || failure.code == ERROR_NOT_FOUND;
        world_names_free(&level->names);
        free(level->path);
        stack.count--;
    }
    VECTOR_FREE(&stack);
    if (!fine && error != NULL)
        *error = failure;
    return fine;
}

bool world_sync_directory(struct world *world, const char *path, struct error *error) {
    return world->operations->sync_directory(world, path, error);
}
bool world_sync_everything(struct world *world, const char *path, struct error *error) {
    return world->operations->sync_everything(world, path, error);
}
bool world_set_times(
    struct world *world, const char *path, int64_t modified_ms, int64_t accessed_ms, struct error *error) {
    return world->operations->set_times(world, path, modified_ms, accessed_ms, error);
}
bool world_set_mode(struct world *world, const char *path, uint32_t mode, struct error *error) {
    return world->operations->set_mode(world, path, mode, error);
}
ssize_t world_xattr_get(
    struct world *world, const char *path, const char *name, void *out, size_t size, struct error *error) {
    return world->operations->xattr_get(world, path, name, out, size, error);
}
bool world_xattr_set(struct world *world, const char *path, const char *name, struct bytes value, struct error *error) {
    return world->operations->xattr_set(world, path, name, value, error);
}
bool world_xattr_remove(struct world *world, const char *path, const char *name, struct error *error) {
    return world->operations->xattr_remove(world, path, name, error);
}
bool world_xattr_list(struct world *world, const char *path, struct world_names *names, struct error *error) {
    if (!world->operations->xattr_list(world, path, names, error)) {
        world_names_free(names);
        return false;
    }
    if (names->count > 0)
        qsort(names->items, names->count, sizeof names->items[0], compare_names);
    return true;
}
bool world_disk_space(
    struct world *world, const char *path, int64_t *total_size, int64_t *free_size, struct error *error) {
    return world->operations->disk_space(world, path, total_size, free_size, error);
}

struct world_process *world_process_start(struct world_loop *loop, const struct world_process_options *options,
    world_process_ended *ended, void *argument, struct error *error) {
    if (loop->world->operations->process_start == NULL) {
        error_set(error, ERROR_UNSUPPORTED, "a simulated world starts no programs");
        return NULL;
    }
    return loop->world->operations->process_start(loop, options, ended, argument, error);
}
int64_t world_process_id(const struct world_process *process) {
    return process->world->operations->process_id(process);
}
void world_process_kill(struct world_process *process, int signal_number) {
    process->world->operations->process_kill(process, signal_number);
}
void world_process_close(struct world_process *process) {
    if (process != NULL)
        process->world->operations->process_close(process);
}

/* ---- whole files ---- */

bool world_read_file(struct world *world, const char *path, size_t size_max, struct buffer *out, struct error *error) {
    struct world_file *file = world_file_open(world, path, WORLD_OPEN_READ, 0, error);
    if (file == NULL)
        return false;
    /* Read to the end rather than to the size: files of /proc have size 0. */
    size_t start = out->size;
    ssize_t count = 1;
    while (count > 0 && out->size - start <= size_max) {
        size_t room = size_max - (out->size - start) + 1;
        room = room < 16384 ? room : 16384;
        count = world_file_read(file, buffer_reserve(out, room + 1), room, (int64_t)(out->size - start), error);
        out->size += count > 0 ? (size_t)count : 0;
    }
    world_file_close(file);
    if (count < 0)
        return false;
    if (out->size - start > size_max)
        return error_set(error, ERROR_LIMIT, "%s is larger than %zu bytes", path, size_max);
    buffer_text(out);
    return true;
}

bool world_write_file(struct world *world, const char *path, struct bytes data, bool sync, struct error *error) {
    size_t size = strlen(path) + 5;
    char *temporary = world_allocate(size);
    snprintf(temporary, size, "%s.tmp", path);
    struct world_file *file =
        world_file_open(world, temporary, WORLD_OPEN_WRITE | WORLD_OPEN_CREATE | WORLD_OPEN_TRUNCATE, 0644, error);
    bool written = file != NULL && world_file_write(file, data.data, data.size, 0, error) &&
                   (!sync || world_file_sync(file, error));
    world_file_close(file);
    written = written && world_rename(world, temporary, path, error);
    if (!written && file != NULL)
        world_unlink(world, temporary, NULL);
    free(temporary);
    if (!written || !sync)
        return written;
    char *directory = strdup(path);
    ASSERT(directory != NULL);
    char *slash = strrchr(directory, '/');
    slash[slash == directory ? 1 : 0] = '\0';
    bool synced = world_sync_directory(world, directory, error);
    free(directory);
    return synced;
}

/* ---- loops ---- */

struct world_loop *world_loop_create(struct world *world, const char *name, struct error *error) {
    ASSERT(strlen(name) <= 15);
    return world->operations->loop_create(world, name, error);
}
void world_loop_destroy(struct world_loop *loop) {
    if (loop != NULL)
        loop->world->operations->loop_destroy(loop);
}
struct world *world_loop_world(struct world_loop *loop) {
    return loop->world;
}
void world_loop_post(struct world_loop *loop, world_function *function, void *argument) {
    loop->world->operations->loop_post(loop, function, argument);
}
void world_loop_call(struct world_loop *loop, world_function *function, void *argument) {
    loop->world->operations->loop_call(loop, function, argument);
}
bool world_loop_is_current(struct world_loop *loop) {
    return loop->world->operations->loop_is_current(loop);
}
int64_t world_loop_now_ms(struct world_loop *loop) {
    return loop->world->operations->loop_now_ms(loop);
}

struct world_timer *world_timer_create(struct world_loop *loop, world_function *function, void *argument) {
    return loop->world->operations->timer_create(loop, function, argument);
}
void world_timer_start(struct world_timer *timer, int64_t delay_ms, int64_t repeat_ms) {
    timer->world->operations->timer_start(timer, delay_ms, repeat_ms);
}
void world_timer_stop(struct world_timer *timer) {
    timer->world->operations->timer_stop(timer);
}
void world_timer_destroy(struct world_timer *timer) {
    if (timer != NULL)
        timer->world->operations->timer_destroy(timer);
}

struct world_listener *world_listen(struct world_loop *loop, const char *address, uint16_t port,
    world_accept_function *accept, void *argument, struct error *error) {
    return loop->world->operations->listen(loop, address, port, accept, argument, error);
}
struct world_address world_listener_address(const struct world_listener *listener) {
    return listener->world->operations->listener_address(listener);
}
void world_listener_close(struct world_listener *listener) {
    if (listener != NULL)
        listener->world->operations->listener_close(listener);
}
struct world_socket *world_connect(struct world_loop *loop, const char *address, uint16_t port, struct error *error) {
    return loop->world->operations->connect(loop, address, port, error);
}
struct world_address world_socket_peer(const struct world_socket *socket) {
    return socket->world->operations->socket_peer(socket);
}
struct world_address world_socket_local(const struct world_socket *socket) {
    return socket->world->operations->socket_local(socket);
}
int64_t world_socket_peer_uid(const struct world_socket *socket) {
    return socket->world->operations->socket_peer_uid(socket);
}
void world_socket_watch(
    struct world_socket *socket, world_ready_function *ready, void *argument, bool readable, bool writable) {
    socket->world->operations->socket_watch(socket, ready, argument, readable, writable);
}
ssize_t world_socket_read(struct world_socket *socket, void *out, size_t size, struct error *error) {
    return socket->world->operations->socket_read(socket, out, size, error);
}
ssize_t world_socket_write(
    struct world_socket *socket, const struct bytes *parts, size_t part_count, struct error *error) {
    return socket->world->operations->socket_write(socket, parts, part_count, error);
}
ssize_t world_socket_send_file(
    struct world_socket *socket, struct world_file *file, int64_t offset, size_t size, struct error *error) {
    return socket->world->operations->socket_send_file(socket, file, offset, size, error);
}
void world_socket_close(struct world_socket *socket) {
    if (socket != NULL)
        socket->world->operations->socket_close(socket);
}
int world_socket_release(struct world_socket *socket) {
    return socket->world->operations->socket_release(socket);
}
bool world_loop_watch_descriptor(
    struct world_loop *loop, int descriptor, world_ready_function *ready, void *argument, bool watch) {
    return loop->world->operations->loop_watch_descriptor(loop, descriptor, ready, argument, watch);
}

/* ---- pools ---- */

struct world_pool *world_pool_create(
    struct world *world, const char *name, int thread_count, enum world_pool_priority priority, struct error *error) {
    ASSERT(thread_count > 0 && strlen(name) <= 12);
    return world->operations->pool_create(world, name, thread_count, priority, error);
}
void world_pool_destroy(struct world_pool *pool) {
    if (pool != NULL)
        pool->world->operations->pool_destroy(pool);
}
void world_pool_submit(struct world_pool *pool, world_function *function, void *argument) {
    pool->world->operations->pool_submit(pool, function, argument);
}
int world_pool_thread_count(const struct world_pool *pool) {
    return pool->thread_count;
}

struct pool_run {
    struct world_loop *loop;
    world_function *work, *done;
    void *argument;
};

static void run_on_pool(void *argument) {
    struct pool_run *run = argument;
    run->work(run->argument);
    struct pool_run copy = *run;
    free(run);
    world_loop_post(copy.loop, copy.done, copy.argument);
}

void world_pool_run(
    struct world_pool *pool, struct world_loop *loop, world_function *work, world_function *done, void *argument) {
    struct pool_run *run = world_allocate(sizeof *run);
    *run = (struct pool_run){.loop = loop, .work = work, .done = done, .argument = argument};
    world_pool_submit(pool, run_on_pool, run);
}

/* ---- mutex ---- */

void world_mutex_init(struct world_mutex *mutex) {
    int result = pthread_mutex_init(&mutex->mutex, NULL);
    ASSERT(result == 0);
}
void world_mutex_destroy(struct world_mutex *mutex) {
    int result = pthread_mutex_destroy(&mutex->mutex);
    ASSERT(result == 0);
}
void world_mutex_lock(struct world_mutex *mutex) {
    int result = pthread_mutex_lock(&mutex->mutex);
    ASSERT(result == 0);
}
void world_mutex_unlock(struct world_mutex *mutex) {
    int result = pthread_mutex_unlock(&mutex->mutex);
    ASSERT(result == 0);
}
