/* socket.c: listeners and stream sockets: libuv tells readiness, reads and writes are our own. */
#include "world/posix/posix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ACCEPTS_PER_TURN = 64, PARTS_PER_WRITE = 64 };

/* A descriptor watched on a loop; libuv frees it in its own time. */
struct watch {
    uv_poll_t uv;
    world_ready_function *ready;
    void *argument;
    int events; /* what libuv watches now */
};

struct posix_listener {
    struct world_listener base;
    struct world_loop *loop;
    struct watch *watch;
    int descriptor;
    int spare_descriptor; /* given up for a moment to refuse a connection when the process has no descriptor left */
    world_accept_function *accept;
    void *argument;
};

struct posix_socket {
    struct world_socket base;
    struct world_loop *loop;
    struct watch *watch; /* NULL until watched */
    int descriptor;
    struct sockaddr_storage peer, local;
};

/* ---- watches ---- */

static void descriptor_ready(uv_poll_t *uv, int status, int events) {
    struct watch *watch = uv->data;
    if (status < 0) {
        watch->events = 0; /* libuv has stopped watching; the next read or write tells what happened */
        watch->ready(watch->argument, true, true);
        return;
    }
    watch->ready(watch->argument, (events & UV_READABLE) != 0, (events & UV_WRITABLE) != 0);
}

static struct watch *watch_create(struct world_loop *loop, int descriptor) {
    struct watch *watch = world_allocate(sizeof *watch);
    if (uv_poll_init(posix_loop_uv(loop), &watch->uv, descriptor) != 0) {
        free(watch);
        return NULL;
    }
    watch->uv.data = watch;
    return watch;
}

static void watch_set(struct watch *watch, world_ready_function *ready, void *argument, int events) {
    watch->ready = ready;
    watch->argument = argument;
    if (events == watch->events)
        return;
    watch->events = events;
    int result = events == 0 ? uv_poll_stop(&watch->uv) : uv_poll_start(&watch->uv, events, descriptor_ready);
    ASSERT(result == 0);
}

static void free_watch(uv_handle_t *handle) {
    free(handle->data);
}

/* Before the descriptor is closed. */
static void watch_destroy(struct watch *watch) {
    if (watch != NULL)
        uv_close((uv_handle_t *)&watch->uv, free_watch);
}

/* ---- addresses ---- */

static bool parse_address(
    const char *text, uint16_t port, struct sockaddr_storage *out, socklen_t *size, struct error *error) {
    memset(out, 0, sizeof *out);
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        *size = sizeof *in;
        return true;
    }
    if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(port);
        *size = sizeof *in6;
        return true;
    }
    return error_set(error, ERROR_INVALID, "\"%s\" is not a numeric IPv4 or IPv6 address", text);
}

static struct world_address format_address(const struct sockaddr_storage *from) {
    struct world_address address = {0};
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        inet_ntop(AF_INET, &in->sin_addr, address.text, sizeof address.text);
        address.port = ntohs(in->sin_port);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)from;
        inet_ntop(AF_INET6, &in->sin6_addr, address.text, sizeof address.text);
        address.port = ntohs(in->sin6_port);
    }
    return address;
}

static struct posix_socket *make_socket(struct world_loop *loop, int descriptor) {
    int on = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct posix_socket *socket = world_allocate(sizeof *socket);
    socket->base.world = loop->world;
    socket->loop = loop;
    socket->descriptor = descriptor;
    return socket;
}

/* ---- listeners ---- */

/* No descriptor left: without accepting, the connection would stay pending and wake the loop for ever. */
static void refuse_one(struct posix_listener *listener) {
    if (listener->spare_descriptor < 0)
        return;
    close(listener->spare_descriptor);
    int descriptor = accept4(listener->descriptor, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (descriptor >= 0)
        close(descriptor);
    listener->spare_descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void listener_ready(void *argument, bool readable, bool writable) {
    struct posix_listener *listener = argument;
    struct world_loop *loop = listener->loop;
    struct watch *watch = listener->watch;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t size = sizeof peer;
        int descriptor = accept4(listener->descriptor, (struct sockaddr *)&peer, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (descriptor < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (descriptor < 0) {
            if (errno == EMFILE || errno == ENFILE)
                refuse_one(listener);
            return;
        }
        struct posix_socket *socket = make_socket(loop, descriptor);
        socket->peer = peer;
        size = sizeof socket->local;
        getsockname(descriptor, (struct sockaddr *)&socket->local, &size);
        listener->accept(listener->argument, &socket->base);
        if (uv_is_closing((uv_handle_t *)&watch->uv))
            return; /* the callback closed the listener */
    }
}

static int open_listener(const struct sockaddr_storage *where, socklen_t size) {
    int descriptor = socket(where->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0)
        return -1;
    int on = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (where->ss_family == AF_INET6)
        setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(descriptor, (const struct sockaddr *)where, size) == 0 && listen(descriptor, SOMAXCONN) == 0)
        return descriptor;
    int failure = errno;
    close(descriptor);
    errno = failure;
    return -1;
}

static struct world_listener *listen_on(struct world_loop *loop, const char *address, uint16_t port,
    world_accept_function *accept, void *argument, struct error *error) {
    struct sockaddr_storage where;
    socklen_t size;
    if (!parse_address(address, port, &where, &size, error))
        return NULL;
    int descriptor = open_listener(&where, size);
    if (descriptor < 0) {
        error_system(error, errno, "cannot listen on %s port %u", address, port);
        return NULL;
    }
    struct watch *watch = watch_create(loop, descriptor);
    if (watch == NULL) {
        close(descriptor);
        error_set(error, ERROR_IO, "cannot watch the listener on %s port %u", address, port);
        return NULL;
    }
    struct posix_listener *listener = world_allocate(sizeof *listener);
    listener->base.world = loop->world;
    listener->loop = loop;
    listener->watch = watch;
    listener->descriptor = descriptor;
    listener->spare_descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC);
    listener->accept = accept;
    listener->argument = argument;
    watch_set(watch, listener_ready, listener, UV_READABLE);
    return &listener->base;
}

static struct world_address listener_address(const struct world_listener *base) {
    struct sockaddr_storage local = {0};
    socklen_t size = sizeof local;
    getsockname(((const struct posix_listener *)base)->descriptor, (struct sockaddr *)&local, &size);
    return format_address(&local);
}

static void listener_close(struct world_listener *base) {
    struct posix_listener *listener = (struct posix_listener *)base;
    watch_destroy(listener->watch);
    close(listener->descriptor);
    if (listener->spare_descriptor >= 0)
        close(listener->spare_descriptor);
    free(listener);
}

/* ---- sockets ---- */

static struct world_socket *connect_to(
    struct world_loop *loop, const char *address, uint16_t port, struct error *error) {
    struct sockaddr_storage where;
    socklen_t size;
    if (!parse_address(address, port, &where, &size, error))
        return NULL;
    int descriptor = socket(where.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0 || (connect(descriptor, (struct sockaddr *)&where, size) != 0 && errno != EINPROGRESS)) {
        error_system(error, errno, "cannot connect to %s port %u", address, port);
        if (descriptor >= 0)
            close(descriptor);
        return NULL;
    }
    struct posix_socket *socket = make_socket(loop, descriptor);
    socket->peer = where;
    size = sizeof socket->local;
    getsockname(descriptor, (struct sockaddr *)&socket->local, &size);
    return &socket->base;
}

static struct world_address socket_peer(const struct world_socket *socket) {
    return format_address(&((const struct posix_socket *)socket)->peer);
}

static struct world_address socket_local(const struct world_socket *socket) {
    return format_address(&((const struct posix_socket *)socket)->local);
}

static int64_t socket_peer_uid(const struct world_socket *base) {
    const struct posix_socket *socket = (const struct posix_socket *)base;
    return posix_socket_owner(&socket->peer, &socket->local);
}

static void socket_watch(
    struct world_socket *base, world_ready_function *ready, void *argument, bool readable, bool writable) {
    struct posix_socket *socket = (struct posix_socket *)base;
    if (socket->watch == NULL && !readable && !writable)
        return;
    if (socket->watch == NULL)
        socket->watch = watch_create(socket->loop, socket->descriptor);
    ASSERT(socket->watch != NULL); /* epoll takes every socket */
    watch_set(socket->watch, ready, argument, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0));
}

static ssize_t transfer_failed(const struct posix_socket *socket, int failure, struct error *error) {
    if (failure == EAGAIN)
        return 0;
    struct world_address peer = format_address(&socket->peer);
    error_system(error, failure, "connection with %s port %u", peer.text, peer.port);
    return -1;
}

static ssize_t socket_read(struct world_socket *base, void *out, size_t size, struct error *error) {
    struct posix_socket *socket = (struct posix_socket *)base;
    ssize_t count;
    do {
        count = recv(socket->descriptor, out, size, 0);
    } while (count < 0 && errno == EINTR);
    if (count > 0)
        return count;
    if (count < 0)
        return transfer_failed(socket, errno, error);
    error_set(error, ERROR_CLOSED, "the other end closed the connection");
    return -1;
}

static ssize_t socket_write(
    struct world_socket *base, const struct bytes *parts, size_t part_count, struct error *error) {
    struct posix_socket *socket = (struct posix_socket *)base;
    struct iovec vectors[PARTS_PER_WRITE];
    part_count = part_count < PARTS_PER_WRITE ? part_count : PARTS_PER_WRITE;
    for (size_t i = 0; i < part_count; i++)
        vectors[i] = (struct iovec){.iov_base = (void *)(uintptr_t)parts[i].data, .iov_len = parts[i].size};
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = part_count};
    ssize_t count;
    do {
        count = sendmsg(socket->descriptor, &message, MSG_NOSIGNAL);
    } while (count < 0 && errno == EINTR);
    return count >= 0 ? count : transfer_failed(socket, errno, error);
}

static ssize_t socket_send_file(
    struct world_socket *base, struct world_file *file, int64_t offset, size_t size, struct error *error) {
    struct posix_socket *socket = (struct posix_socket *)base;
    off_t position = offset;
    ssize_t count;
    do {
        count =
            sendfile(socket->descriptor, posix_file_of(file)->descriptor, &position, size < INT_MAX ? size : INT_MAX);
    } while (count < 0 && errno == EINTR);
    if (count == 0 && size > 0) {
        error_set(error, ERROR_CORRUPT, "%s ends before offset %lld", posix_file_of(file)->path,
            (long long)(offset + (int64_t)size));
        return -1;
    }
    return count >= 0 ? count : transfer_failed(socket, errno, error);
}

static void socket_close(struct world_socket *base) {
    struct posix_socket *socket = (struct posix_socket *)base;
    watch_destroy(socket->watch);
    close(socket->descriptor);
    free(socket);
}

static int socket_release(struct world_socket *base) {
    struct posix_socket *socket = (struct posix_socket *)base;
    int descriptor = socket->descriptor;
    watch_destroy(socket->watch);
    free(socket);
    return descriptor;
}

/* ---- foreign descriptors ---- */

struct foreign_watch {
    struct watch *watch;
    struct world_loop *loop;
    int descriptor;
    struct foreign_watch *next;
};

static pthread_mutex_t foreign_lock = PTHREAD_MUTEX_INITIALIZER;
static struct foreign_watch *foreign_watches; /* a handful: one per HTTP server */

static bool loop_watch_descriptor(
    struct world_loop *loop, int descriptor, world_ready_function *ready, void *argument, bool watch) {
    pthread_mutex_lock(&foreign_lock);
    struct foreign_watch **place = &foreign_watches;
    while (*place != NULL && ((*place)->descriptor != descriptor || (*place)->loop != loop))
        place = &(*place)->next;
    struct foreign_watch *found = *place;
    if (found != NULL && !watch) {
        *place = found->next;
        watch_destroy(found->watch);
        free(found);
    } else if (found == NULL && watch) {
        struct watch *made = watch_create(loop, descriptor);
        if (made != NULL) {
            found = world_allocate(sizeof *found);
            *found =
                (struct foreign_watch){.watch = made, .loop = loop, .descriptor = descriptor, .next = foreign_watches};
            foreign_watches = found;
        }
    }
    if (found != NULL && watch)
        watch_set(found->watch, ready, argument, UV_READABLE);
    pthread_mutex_unlock(&foreign_lock);
    return found != NULL || !watch;
}

void posix_socket_operations(struct world_operations *operations) {
    operations->listen = listen_on;
    operations->listener_address = listener_address;
    operations->listener_close = listener_close;
    operations->connect = connect_to;
    operations->socket_peer = socket_peer;
    operations->socket_local = socket_local;
    operations->socket_peer_uid = socket_peer_uid;
    operations->socket_watch = socket_watch;
    operations->socket_read = socket_read;
    operations->socket_write = socket_write;
    operations->socket_send_file = socket_send_file;
    operations->socket_close = socket_close;
    operations->socket_release = socket_release;
    operations->loop_watch_descriptor = loop_watch_descriptor;
}
