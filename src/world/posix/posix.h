/* posix.h: what the files of the posix world share. */
#ifndef WORLD_POSIX_POSIX_H
#define WORLD_POSIX_POSIX_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <uv.h>
#include "world/world_internal.h"

struct posix_file {
    struct world_file base;
    int descriptor;
    char path[]; /* for messages */
};

static inline struct posix_file *posix_file_of(struct world_file *file) {
    return (struct posix_file *)file;
}

/* Each group of operations writes its part of the table. */
void posix_file_operations(struct world_operations *operations);
void posix_path_operations(struct world_operations *operations);
void posix_map_operations(struct world_operations *operations);
void posix_loop_operations(struct world_operations *operations);
void posix_socket_operations(struct world_operations *operations);
void posix_pool_operations(struct world_operations *operations);
void posix_process_operations(struct world_operations *operations);

/* The libuv loop behind a posix loop. Loop thread. */
uv_loop_t *posix_loop_uv(struct world_loop *loop);

/* Starts a thread with a name and a stack size. */
bool posix_thread_start(pthread_t *thread, const char *name, size_t stack_size, void *(*function)(void *),
    void *argument, struct error *error);

/* uid owning the socket whose local address is `local` and whose peer is `peer` (both IPv4 or both IPv6), -1 when there
 * is none. */
int64_t posix_socket_owner(const struct sockaddr_storage *local, const struct sockaddr_storage *peer);

#endif
