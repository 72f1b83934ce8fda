/* world_internal.h: how the two worlds plug in. Every object starts with its world; the functions of world.h dispatch
 * through the world's table. What can be built from the table (whole files, trees, work-then-done) is in world.c once
 * for both. */
#ifndef WORLD_WORLD_INTERNAL_H
#define WORLD_WORLD_INTERNAL_H

#include <stdlib.h>
#include "base/assert.h"
#include "world/world.h"

struct world_operations {
    void (*destroy)(struct world *world);
    int64_t (*wall_us)(struct world *world);
    int64_t (*monotonic_ns)(struct world *world);
    void (*random)(struct world *world, void *out, size_t size);
    int64_t (*user_id)(struct world *world);
    uint64_t (*boot_id)(struct world *world);

    struct world_file *(*file_open)(
        struct world *world, const char *path, int flags, uint32_t mode, struct error *error);
    void (*file_close)(struct world_file *file);
    ssize_t (*file_read)(struct world_file *file, void *out, size_t size, int64_t offset, struct error *error);
    bool (*file_write)(struct world_file *file, const void *data, size_t size, int64_t offset, struct error *error);
    bool (*file_sync)(struct world_file *file, struct error *error);
    bool (*file_truncate)(struct world_file *file, int64_t size, struct error *error);
    int64_t (*file_size)(struct world_file *file, struct error *error);
    struct world_map *(*file_map)(struct world_file *file, int64_t offset, size_t size, struct error *error);
    bool (*map_check)(const struct world_map *map);
    void (*map_close)(struct world_map *map);
    int (*file_descriptor)(struct world_file *file, struct error *error);
    bool (*file_lock)(struct world_file *file, struct error *error);

    bool (*stat)(struct world *world, const char *path, struct world_stat *stat, struct error *error);
    bool (*stat_link)(struct world *world, const char *path, struct world_stat *stat,
        struct error *error); /* NULL: there are no links */
    bool (*rename)(struct world *world, const char *from, const char *to, bool replace, struct error *error);
    bool (*unlink)(struct world *world, const char *path, struct error *error);
    bool (*mkdir)(struct world *world, const char *path, uint32_t mode, struct error *error);
    bool (*rmdir)(struct world *world, const char *path, struct error *error);
    bool (*list)(struct world *world, const char *path, struct world_names *names, struct error *error); /* unsorted */
    bool (*sync_directory)(struct world *world, const char *path, struct error *error);
    bool (*sync_everything)(struct world *world, const char *path, struct error *error);
    bool (*set_times)(
        struct world *world, const char *path, int64_t modified_ms, int64_t accessed_ms, struct error *error);
    bool (*set_mode)(struct world *world, const char *path, uint32_t mode, struct error *error);
    ssize_t (*xattr_get)(
        struct world *world, const char *path, const char *name, void *out, size_t size, struct error *error);
    bool (*xattr_set)(struct world *world, const char *path, const char *name, struct bytes value, struct error *error);
    bool (*xattr_remove)(struct world *world, const char *path, const char *name, struct error *error);
    bool (*xattr_list)(
        struct world *world, const char *path, struct world_names *names, struct error *error); /* unsorted */
    bool (*disk_space)(
        struct world *world, const char *path, int64_t *total_size, int64_t *free_size, struct error *error);

    struct world_loop *(*loop_create)(struct world *world, const char *name, struct error *error);
    void (*loop_destroy)(struct world_loop *loop);
    void (*loop_post)(struct world_loop *loop, world_function *function, void *argument);
    void (*loop_call)(struct world_loop *loop, world_function *function, void *argument);
    bool (*loop_is_current)(struct world_loop *loop);
    int64_t (*loop_now_ms)(struct world_loop *loop);
    struct world_timer *(*timer_create)(struct world_loop *loop, world_function *function, void *argument);
    void (*timer_start)(struct world_timer *timer, int64_t delay_ms, int64_t repeat_ms);
    void (*timer_stop)(struct world_timer *timer);
    void (*timer_destroy)(struct world_timer *timer);

    struct world_listener *(*listen)(struct world_loop *loop, const char *address, uint16_t port,
        world_accept_function *accept, void *argument, struct error *error);
    struct world_address (*listener_address)(const struct world_listener *listener);
    void (*listener_close)(struct world_listener *listener);
    struct world_socket *(*connect)(struct world_loop *loop, const char *address, uint16_t port, struct error *error);
    struct world_address (*socket_peer)(const struct world_socket *socket);
    struct world_address (*socket_local)(const struct world_socket *socket);
    int64_t (*socket_peer_uid)(const struct world_socket *socket);
    void (*socket_watch)(
        struct world_socket *socket, world_ready_function *ready, void *argument, bool readable, bool writable);
    ssize_t (*socket_read)(struct world_socket *socket, void *out, size_t size, struct error *error);
    ssize_t (*socket_write)(
        struct world_socket *socket, const struct bytes *parts, size_t part_count, struct error *error);
    ssize_t (*socket_send_file)(
        struct world_socket *socket, struct world_file *file, int64_t offset, size_t size, struct error *error);
    void (*socket_close)(struct world_socket *socket);
    int (*socket_release)(struct world_socket *socket);
    bool (*loop_watch_descriptor)(
        struct world_loop *loop, int descriptor, world_ready_function *ready, void *argument, bool watch);

    struct world_process *(*process_start)(struct world_loop *loop, const struct world_process_options *options,
        world_process_ended *ended, void *argument, struct error *error); /* NULL: there are no programs */
    int64_t (*process_id)(const struct world_process *process);
    void (*process_kill)(struct world_process *process, int signal_number);
    void (*process_close)(struct world_process *process);

    struct world_pool *(*pool_create)(struct world *world, const char *name, int thread_count,
        enum world_pool_priority priority, struct error *error);
    void (*pool_destroy)(struct world_pool *pool);
    void (*pool_submit)(struct world_pool *pool, world_function *function, void *argument);
};

struct world {
    const struct world_operations *operations;
    bool is_simulated;
};
struct world_file {
    struct world *world;
};
struct world_map {
    struct world *world;
    struct bytes view;
};
struct world_loop {
    struct world *world;
};
struct world_timer {
    struct world *world;
};
struct world_listener {
    struct world *world;
};
struct world_socket {
    struct world *world;
};
struct world_process {
    struct world *world;
};
struct world_pool {
    struct world *world;
    int thread_count;
};

/* Zeroed heap memory; exhaustion aborts. */
static inline void *world_allocate(size_t size) {
    void *memory = calloc(1, size);
    ASSERT(memory != NULL);
    return memory;
}

#endif
