/* posix.c: the real machine: clock, randomness, the table of operations. */
#include "world/posix/posix.h"

#include "base/map.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static void posix_destroy(struct world *world) {
    free((void *)world->operations);
    free(world);
}

static int64_t posix_wall_us(struct world *world) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t posix_monotonic_ns(struct world *world) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void posix_random(struct world *world, void *out, size_t size) {
    uint8_t *place = out;
    while (size > 0) {
        ssize_t count = getrandom(place, size, 0);
        if (count < 0) {
            ASSERT(errno == EINTR);
            continue;
        }
        place += count;
        size -= (size_t)count;
    }
}

static int64_t posix_user_id(struct world *world) {
    return geteuid();
}

/* Read once: it is asked for with every batch of a query. */
static uint64_t posix_boot_id(struct world *world) {
    static uint64_t known;
    uint64_t id = __atomic_load_n(&known, __ATOMIC_RELAXED);
    if (id != 0)
        return id;
    char text[37] = "";
    int descriptor = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t size = descriptor < 0 ? -1 : read(descriptor, text, sizeof text - 1);
    if (descriptor >= 0)
        close(descriptor);
    id = size == (ssize_t)sizeof text - 1 ? hash_bytes(bytes_make(text, (size_t)size), 0) : 0;
    __atomic_store_n(&known, id, __ATOMIC_RELAXED);
    return id;
}

struct world *world_posix_create(void) {
    struct world_operations *operations = world_allocate(sizeof *operations);
    operations->destroy = posix_destroy;
    operations->wall_us = posix_wall_us;
    operations->monotonic_ns = posix_monotonic_ns;
    operations->random = posix_random;
    operations->user_id = posix_user_id;
    operations->boot_id = posix_boot_id;
    posix_file_operations(operations);
    posix_path_operations(operations);
    posix_map_operations(operations);
    posix_loop_operations(operations);
    posix_socket_operations(operations);
    posix_pool_operations(operations);
    posix_process_operations(operations);
    struct world *world = world_allocate(sizeof *world);
    world->operations = operations;
    return world;
}

bool posix_thread_start(pthread_t *thread, const char *name, size_t stack_size, void *(*function)(void *),
    void *argument, struct error *error) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_size);
    /* sendfile to a closed socket raises SIGPIPE in the calling thread: our threads block it and read the error. The
     * process's own handling stays as it is, for tools that write into a pipe. */
    sigset_t blocked, former;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &blocked, &former);
    int result = pthread_create(thread, &attributes, function, argument);
    pthread_sigmask(SIG_SETMASK, &former, NULL);
    pthread_attr_destroy(&attributes);
    if (result != 0)
        return error_system(error, result, "cannot start thread %s", name);
    pthread_setname_np(*thread, name);
    return true;
}
