/* zookeeper_client.c: ZooKeeper's frames over a plain socket. A frame is: i32 size, then for the handshake the connect
 * record, else i32 xid, i32 operation, record; answers are i32 xid, i64 zxid, i32 error, record. xid -1 is an event, -2
 * a ping, -4 an authentication. */
#include "cli/zookeeper/zookeeper_client.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "zookeeper/jute.h"

enum { FRAME_SIZE_MAX = 64 << 20, CONNECT_TIMEOUT_MS = 5000, PING = 11, AUTH = 100, CLOSE_SESSION = -11 };

struct keeper {
    char server[300];
    int socket;
    int32_t timeout_ms, xid;
    int64_t sent_ms; /* of the last request or ping */
    keeper_event_function *event;
    struct buffer in;
};

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool lost(struct keeper *keeper, const char *what, struct error *error) {
    return error_set(error, ERROR_CLOSED, "%s: %s", keeper->server, what);
}

static bool send_frame(struct keeper *keeper, struct bytes frame, struct error *error) {
    struct buffer framed = {0};
    jute_write_buffer(&framed, frame);
    bool sent = true;
    for (size_t done = 0; done < framed.size && sent;) {
        ssize_t count = send(keeper->socket, framed.data + done, framed.size - done, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR)
            continue;
        sent = count > 0;
        done += count > 0 ? (size_t)count : 0;
    }
    buffer_free(&framed);
    keeper->sent_ms = now_ms();
    return sent || lost(keeper, strerror(errno), error);
}

/* Reads until a whole frame is in keeper->in. */
static bool read_frame(struct keeper *keeper, struct error *error) {
    for (;;) {
        if (keeper->in.size >= 4) {
            uint32_t size = load_be32(keeper->in.data);
            if (size > FRAME_SIZE_MAX)
                return lost(keeper, "not a ZooKeeper server", error);
            if (keeper->in.size - 4 >= size)
                return true;
        }
        ssize_t count = recv(keeper->socket, buffer_reserve(&keeper->in, 65536), 65536, 0);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return lost(keeper, count == 0 ? "the server closed the connection" : strerror(errno), error);
        keeper->in.size += (size_t)count;
    }
}

static struct bytes frame_of(const struct keeper *keeper) {
    return bytes_make(keeper->in.data + 4, load_be32(keeper->in.data));
}

static void drop_frame(struct keeper *keeper) {
    buffer_consume(&keeper->in, 4 + load_be32(keeper->in.data));
}

/* Handles the frame when it is an event or a ping's answer. */
static bool take_event(struct keeper *keeper) {
    struct jute_reader reader = jute_reader_make(frame_of(keeper));
    int32_t xid = jute_read_int(&reader);
    int64_t zxid = jute_read_long(&reader);
    jute_read_int(&reader);
    if (xid != -1 && xid != -2)
        return false;
    if (xid == -1) {
        int32_t type = jute_read_int(&reader);
        jute_read_int(&reader);
        keeper->event(type, jute_read_string(&reader), zxid);
    }
    drop_frame(keeper);
    return true;
}

static bool handshake(struct keeper *keeper, struct error *error) {
    struct buffer frame = {0};
    uint8_t password[16] = {0};
    jute_write_int(&frame, 0);
    jute_write_long(&frame, 0);
    jute_write_int(&frame, keeper->timeout_ms);
    jute_write_long(&frame, 0);
    jute_write_buffer(&frame, bytes_make(password, sizeof password));
    jute_write_bool(&frame, false);
    bool sent = send_frame(keeper, buffer_view(&frame), error) && read_frame(keeper, error);
    buffer_free(&frame);
    if (!sent)
        return false;
    struct jute_reader reader = jute_reader_make(frame_of(keeper));
    jute_read_int(&reader);
    keeper->timeout_ms = jute_read_int(&reader);
    drop_frame(keeper);
    return (!reader.failed && keeper->timeout_ms > 0) || lost(keeper, "the session was refused", error);
}

static bool connect_one(struct keeper *keeper, const char *host, const char *port, struct error *error) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *addresses;
    snprintf(keeper->server, sizeof keeper->server, "%s:%s", host, port);
    int result = getaddrinfo(host, port, &hints, &addresses);
    if (result != 0)
        return lost(keeper, gai_strerror(result), error);
    int failure = ECONNREFUSED;
    keeper->socket = -1;
    for (const struct addrinfo *address = addresses; address != NULL && keeper->socket < 0;
         address = address->ai_next) {
        struct timeval timeout = {.tv_sec = CONNECT_TIMEOUT_MS / 1000};
        int descriptor = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
        if (descriptor >= 0 && connect(descriptor, address->ai_addr, address->ai_addrlen) == 0) {
            keeper->socket = descriptor;
            break;
        }
        failure = errno;
        if (descriptor >= 0)
            close(descriptor);
    }
    freeaddrinfo(addresses);
    return keeper->socket >= 0 || lost(keeper, strerror(failure), error);
}

struct keeper *keeper_open(const char *servers, int32_t timeout_ms, keeper_event_function *event, struct error *error) {
    struct keeper *keeper = calloc(1, sizeof *keeper);
    ASSERT(keeper != NULL);
    keeper->event = event;
    for (const char *at = servers; *at != '\0';) {
        char host[256], port[8] = "2181";
        size_t size = strcspn(at, ",/");
        struct bytes word = bytes_make(at, size);
        at += size;
        at += *at == ',' ? 1 : strlen(at); /* a chroot would follow the slash */
        size_t colon = bytes_find(word, ':', 0);
        size_t host_size = colon == SIZE_MAX ? size : colon;
        snprintf(host, sizeof host, "%.*s", (int)host_size, (const char *)word.data);
        if (colon != SIZE_MAX)
            snprintf(port, sizeof port, "%.*s", (int)(size - colon - 1), (const char *)word.data + colon + 1);
        keeper->timeout_ms = timeout_ms;
        if (!connect_one(keeper, host, port, error))
            continue;
        if (handshake(keeper, error))
            return keeper;
        close(keeper->socket);
        buffer_clear(&keeper->in);
    }
    buffer_free(&keeper->in);
    free(keeper);
    return NULL;
}

const char *keeper_server(const struct keeper *keeper) {
    return keeper->server;
}

bool keeper_call(struct keeper *keeper, int32_t operation, struct bytes record, struct buffer *answer, int32_t *code,
    struct error *error) {
    struct buffer frame = {0};
    int32_t xid = operation == AUTH ? -4 : ++keeper->xid;
    jute_write_int(&frame, xid);
    jute_write_int(&frame, operation);
    buffer_append_bytes(&frame, record);
    bool sent = send_frame(keeper, buffer_view(&frame), error);
    buffer_free(&frame);
    buffer_clear(answer);
    if (!sent)
        return false;
    do {
        if (!read_frame(keeper, error))
            return false;
    } while (take_event(keeper));
    struct jute_reader reader = jute_reader_make(frame_of(keeper));
    int32_t answered = jute_read_int(&reader);
    jute_read_long(&reader);
    *code = jute_read_int(&reader);
    if (!reader.failed)
        buffer_append(answer, reader.at, jute_left(&reader));
    drop_frame(keeper);
    return (!reader.failed && answered == xid) || lost(keeper, "an answer out of order", error);
}

static bool ping(struct keeper *keeper, struct error *error) {
    struct buffer frame = {0};
    jute_write_int(&frame, -2);
    jute_write_int(&frame, PING);
    bool sent = send_frame(keeper, buffer_view(&frame), error);
    buffer_free(&frame);
    return sent;
}

bool keeper_wait(struct keeper *keeper, int descriptor, struct error *error) {
    for (;;) {
        int64_t left_ms = keeper->timeout_ms / 3 - (now_ms() - keeper->sent_ms);
        if (left_ms <= 0) {
            if (!ping(keeper, error))
                return false;
            continue;
        }
        struct pollfd ready[2] = {{keeper->socket, POLLIN, 0}, {descriptor, POLLIN, 0}};
        if (poll(ready, 2, (int)left_ms) < 0 && errno != EINTR)
            return lost(keeper, strerror(errno), error);
        if (ready[0].revents != 0) {
            if (!read_frame(keeper, error))
                return false;
            if (!take_event(keeper))
                drop_frame(keeper);
        } else if (ready[1].revents != 0) {
            return true;
        }
    }
}

void keeper_close(struct keeper *keeper) {
    if (keeper == NULL)
        return;
    struct buffer answer = {0};
    int32_t code;
    keeper_call(keeper, CLOSE_SESSION, BYTES(""), &answer, &code, NULL);
    buffer_free(&answer);
    close(keeper->socket);
    buffer_free(&keeper->in);
    free(keeper);
}
