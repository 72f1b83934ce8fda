/* world.h: the one seam between Raudal and the machine. Clock, randomness, disk, event loops, sockets and thread pools
 * are reached only through `struct world`. There are two: world/posix (libuv, real files, threads) and world/sim (one
 * thread, one seed, faults).
 *
 * Threads. A loop has one thread for life; objects made on a loop (timers, listeners, sockets) are used on that thread
 * only. world_loop_post and world_pool_submit may be called from any thread. Loop callbacks never block: whatever may
 * wait (disk syncs, file metadata, CPU work) goes to a pool, and its completion is posted back. A pool task never waits
 * for another task.
 *
 * In the simulated world every loop and pool runs in the one calling thread, in an order the seed decides, and time
 * moves only when nothing else can run. */
#ifndef WORLD_WORLD_H
#define WORLD_WORLD_H

#include <pthread.h>
#include <sys/types.h>
#include "base/bytes.h"
#include "base/error.h"
#include "base/vector.h"

struct world;
struct world_file;
struct world_map;
struct world_loop;
struct world_timer;
struct world_listener;
struct world_socket;
struct world_pool;
struct world_process;

typedef void world_function(void *argument);

/* ---- making one ---- */

/* The real machine. One per process. */
struct world *world_posix_create(void);
/* A simulated one; see world/sim.h for faults, crashes and stepping. */
struct world *world_sim_create(uint64_t seed);
/* All loops and pools must have been destroyed. */
void world_destroy(struct world *world);
bool world_is_simulated(const struct world *world);

/* ---- clock and randomness: any thread ---- */

int64_t world_wall_ms(struct world *world); /* since 1970-01-01 UTC */
int64_t world_wall_us(struct world *world);
int64_t world_monotonic_ns(struct world *world); /* never goes back */
void world_random(struct world *world, void *out, size_t size);
uint64_t world_random_u64(struct world *world);
/* uid of this process; compare with world_socket_peer_uid. */
int64_t world_user_id(struct world *world);
/* Another one after each start of the machine: what was not synced under another id may be lost. 0: the machine does
 * not say. */
uint64_t world_boot_id(struct world *world);

/* ---- disk: blocking, any thread (loops: only what stays in the page cache and at start-up) ----
 * Paths are absolute C strings. Errors carry the path. */

enum world_open_flags {
    WORLD_OPEN_READ = 1,
    WORLD_OPEN_WRITE = 2,
    WORLD_OPEN_CREATE = 4,    /* create when absent */
    WORLD_OPEN_EXCLUSIVE = 8, /* with CREATE: fail with ERROR_EXISTS */
    WORLD_OPEN_TRUNCATE = 16,
};
enum world_file_kind { WORLD_FILE_REGULAR, WORLD_FILE_DIRECTORY, WORLD_FILE_SYMLINK, WORLD_FILE_OTHER };
struct world_stat {
    enum world_file_kind kind;
    int64_t size;
    int64_t modified_ms, accessed_ms, changed_ms; /* wall time */
    uint32_t mode;                                /* permission bits */
    uint32_t uid, gid;
    uint64_t inode;
    int64_t disk_size; /* bytes allocated */
};
struct world_name {
    char *name;
    enum world_file_kind kind;
};
struct world_names { /* free with world_names_free */
    struct world_name *items;
    size_t count, capacity;
};

struct world_file *world_file_open(
    struct world *world, const char *path, int flags, uint32_t mode, struct error *error);
void world_file_close(struct world_file *file);
/* Reads up to size bytes at offset; returns the count (short only at the end of the file), or -1. */
ssize_t world_file_read(struct world_file *file, void *out, size_t size, int64_t offset, struct error *error);
/* Writes all bytes at offset, or fails (some may have been written). */
bool world_file_write(struct world_file *file, const void *data, size_t size, int64_t offset, struct error *error);
/* Data and size reach the disk. Pool threads only. */
bool world_file_sync(struct world_file *file, struct error *error);
bool world_file_truncate(
    struct world_file *file, int64_t size, struct error *error);       /* shrinks or grows with zeros (sparse) */
int64_t world_file_size(struct world_file *file, struct error *error); /* -1 on error */
/* Maps [offset, offset+size) read-only and shared (later writes to the file are seen); offset is a multiple of 4096. A
 * page that cannot be read makes world_map_check false for the map instead of a signal. */
struct world_map *world_file_map(struct world_file *file, int64_t offset, size_t size, struct error *error);
struct bytes world_map_view(const struct world_map *map);
bool world_map_check(const struct world_map *map);
void world_map_close(struct world_map *map);
/* A duplicate descriptor for libraries that send files themselves; the caller closes it. -1 with an error, always so in
 * a simulated world. */
int world_file_descriptor(struct world_file *file, struct error *error);
/* Exclusive advisory lock for the life of the open file; ERROR_BUSY when another process holds it. */
bool world_file_lock(struct world_file *file, struct error *error);

bool world_stat(
    struct world *world, const char *path, struct world_stat *stat, struct error *error); /* follows links */
bool world_stat_link(
    struct world *world, const char *path, struct world_stat *stat, struct error *error); /* of a link itself */
bool world_exists(struct world *world, const char *path);
bool world_rename(struct world *world, const char *from, const char *to, struct error *error); /* replaces files */
bool world_rename_new(
    struct world *world, const char *from, const char *to, struct error *error); /* ERROR_EXISTS when `to` exists */
bool world_unlink(struct world *world, const char *path, struct error *error);
bool world_mkdir(struct world *world, const char *path, uint32_t mode, struct error *error);
bool world_mkdirs(
    struct world *world, const char *path, uint32_t mode, struct error *error); /* and parents; existing is fine */
bool world_rmdir(struct world *world, const char *path, struct error *error);
bool world_remove_tree(
    struct world *world, const char *path, struct error *error); /* absent is fine; never follows links */
bool world_list(struct world *world, const char *path, struct world_names *names,
    struct error *error); /* sorted, without . and .. */
void world_names_free(struct world_names *names);
bool world_sync_directory(struct world *world, const char *path, struct error *error);
/* Whatever was written before to the file system that holds `path`, an existing directory. */
bool world_sync_everything(struct world *world, const char *path, struct error *error);
bool world_set_times(struct world *world, const char *path, int64_t modified_ms, int64_t accessed_ms,
    struct error *error); /* -1 keeps */
bool world_set_mode(struct world *world, const char *path, uint32_t mode, struct error *error);
/* Extended attributes. get: -1 when absent or on error (error->code tells). */
ssize_t world_xattr_get(
    struct world *world, const char *path, const char *name, void *out, size_t size, struct error *error);
bool world_xattr_set(struct world *world, const char *path, const char *name, struct bytes value, struct error *error);
bool world_xattr_remove(
    struct world *world, const char *path, const char *name, struct error *error); /* absent is fine */
bool world_xattr_list(struct world *world, const char *path, struct world_names *names, struct error *error);
bool world_disk_space(
    struct world *world, const char *path, int64_t *total_size, int64_t *free_size, struct error *error);
/* Whole small files. read: NUL-terminated heap memory in *data (free()), at most size_max. write: temporary name,
 * optional sync, rename. */
bool world_read_file(struct world *world, const char *path, size_t size_max, struct buffer *out, struct error *error);
bool world_write_file(struct world *world, const char *path, struct bytes data, bool sync, struct error *error);

/* ---- event loops ---- */

/* Makes a loop with its own thread (named `name`, at most 15 characters). */
struct world_loop *world_loop_create(struct world *world, const char *name, struct error *error);
/* Runs what is posted already, stops the thread, frees. Objects of the loop must be closed before. Not from the loop
 * itself. */
void world_loop_destroy(struct world_loop *loop);
struct world *world_loop_world(struct world_loop *loop);
/* function(argument) runs on the loop's thread; posts from one thread keep their order. Any thread. */
void world_loop_post(struct world_loop *loop, world_function *function, void *argument);
/* The same, and waits until it ran. Not from a loop or pool thread (start and stop of services only). */
void world_loop_call(struct world_loop *loop, world_function *function, void *argument);
bool world_loop_is_current(struct world_loop *loop);
int64_t world_loop_now_ms(struct world_loop *loop); /* monotonic, cached per iteration; loop thread */

/* Timers: loop thread. */
struct world_timer *world_timer_create(struct world_loop *loop, world_function *function, void *argument);
void world_timer_start(
    struct world_timer *timer, int64_t delay_ms, int64_t repeat_ms); /* repeat 0: once. Restarts a running one. */
void world_timer_stop(struct world_timer *timer);
void world_timer_destroy(struct world_timer *timer);

/* Stream sockets: non-blocking, loop thread. */
struct world_address {
    char text[64]; /* numeric, IPv4 or IPv6 without brackets */
    uint16_t port;
};
typedef void world_accept_function(void *argument, struct world_socket *socket); /* the socket is the callee's */
typedef void world_ready_function(
    void *argument, bool readable, bool writable); /* errors and hang-ups count as readable */

/* Listens on a numeric address. port 0 takes a free one. ERROR_BUSY names the port when it is in use. */
struct world_listener *world_listen(struct world_loop *loop, const char *address, uint16_t port,
    world_accept_function *accept, void *argument, struct error *error);
struct world_address world_listener_address(const struct world_listener *listener);
void world_listener_close(struct world_listener *listener);
/* Starts connecting; becomes writable when connected; the first read or write tells a failure. */
struct world_socket *world_connect(struct world_loop *loop, const char *address, uint16_t port, struct error *error);
struct world_address world_socket_peer(const struct world_socket *socket);
struct world_address world_socket_local(const struct world_socket *socket);
/* uid of the process at the other end when it is on this machine over loopback, else -1. May read the kernel's socket
 * table: cache it. */
int64_t world_socket_peer_uid(const struct world_socket *socket);
/* Which readiness is reported from now on. */
void world_socket_watch(
    struct world_socket *socket, world_ready_function *ready, void *argument, bool readable, bool writable);
/* >0 bytes, 0 would block, -1 closed or failed (error tells; an orderly end is ERROR_CLOSED). */
ssize_t world_socket_read(struct world_socket *socket, void *out, size_t size, struct error *error);
ssize_t world_socket_write(
    struct world_socket *socket, const struct bytes *parts, size_t part_count, struct error *error);
/* Sends file bytes without copying them. Same results. */
ssize_t world_socket_send_file(
    struct world_socket *socket, struct world_file *file, int64_t offset, size_t size, struct error *error);
void world_socket_close(struct world_socket *socket);
/* The posix descriptor for libraries that drive sockets themselves (libmicrohttpd): ownership moves to the caller and
 * the world_socket is freed. -1 in the simulated world (the socket is then still the caller's). */
int world_socket_release(struct world_socket *socket);
/* Calls ready when a foreign descriptor (e.g. an epoll set) is readable; posix only. watch false stops. */
bool world_loop_watch_descriptor(
    struct world_loop *loop, int descriptor, world_ready_function *ready, void *argument, bool watch);

/* Programs: loop thread. */
struct world_process_options {
    const char *const *arguments;   /* [0] is looked up on PATH; ends with NULL */
    const char *const *environment; /* "NAME=value", beside and above our own; ends with NULL */
    const char *directory;          /* to start in; NULL: ours */
    int output_descriptor;          /* its standard output and errors; -1: nowhere */
};
/* exit_status: of the program, or 128 + the signal that ended it. */
typedef void world_process_ended(void *argument, int exit_status);
/* Starts a program in a process group of its own; `ended` is called once, when it has ended. ERROR_UNSUPPORTED in the
 * simulated world. */
struct world_process *world_process_start(struct world_loop *loop, const struct world_process_options *options,
    world_process_ended *ended, void *argument, struct error *error);
int64_t world_process_id(const struct world_process *process);
/* A signal for the whole group. Harmless when it has ended. */
void world_process_kill(struct world_process *process, int signal_number);
/* Forgets it, running or not; `ended` is not called any more. */
void world_process_close(struct world_process *process);

/* ---- thread pools ---- */

enum world_pool_priority { WORLD_POOL_NORMAL, WORLD_POOL_BACKGROUND };
struct world_pool *world_pool_create(
    struct world *world, const char *name, int thread_count, enum world_pool_priority priority, struct error *error);
/* Waits for running and queued tasks. */
void world_pool_destroy(struct world_pool *pool);
/* FIFO start order. Any thread. Threads are started when first needed. */
void world_pool_submit(struct world_pool *pool, world_function *function, void *argument);
/* Runs `work` on the pool, then `done` on the loop, both with argument. Any thread. */
void world_pool_run(
    struct world_pool *pool, struct world_loop *loop, world_function *work, world_function *done, void *argument);
int world_pool_thread_count(const struct world_pool *pool);

/* Mutual exclusion for short sections; never held across a call that waits. A plain mutex in both worlds. */
struct world_mutex {
    pthread_mutex_t mutex;
};
void world_mutex_init(struct world_mutex *mutex);
void world_mutex_destroy(struct world_mutex *mutex);
void world_mutex_lock(struct world_mutex *mutex);
void world_mutex_unlock(struct world_mutex *mutex);

#endif
