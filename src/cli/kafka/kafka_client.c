/* kafka_client.c: requests and answers over plain sockets.
 *
 * A request is: i32 size, i16 API key, i16 version, i32 correlation id, nullable string client id (never compact), and
 * in flexible versions tagged fields, then the message. An answer is: i32 size, i32 correlation id, in flexible
 * versions (but for ApiVersions) tagged fields, then the message. */
#include "cli/kafka/kafka_client.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/vector.h"
#include "wire/record_batch.h"

#define API_COUNT 100
#define REPLY_SIZE_MAX ((size_t)512 << 20)

struct node {
    int32_t id;
    char host[256];
    int port;
    int socket; /* -1 not connected */
    bool asked;
    int16_t version_min[API_COUNT], version_max[API_COUNT]; /* -1: not offered */
};
struct remote {
    char bootstrap[512], client_id[128];
    struct node any;
    VECTOR(struct node *) nodes;
    int32_t correlation;
    int64_t timeout_ms;
    int16_t limit[API_COUNT];
    struct buffer in;
};

int64_t remote_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t remote_wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- sockets ---- */

static bool wait_for(int descriptor, short events, int64_t deadline_ms) {
    for (;;) {
        int64_t left = deadline_ms - remote_now_ms();
        if (left <= 0)
            return false;
        struct pollfd poll_descriptor = {descriptor, events, 0};
        int ready = poll(&poll_descriptor, 1, left > 60000 ? 60000 : (int)left);
        if (ready > 0)
            return true;
        if (ready < 0 && errno != EINTR)
            return false;
    }
}

static int connect_one(const struct addrinfo *address, int64_t deadline_ms) {
    int descriptor = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -1;
    int failure = 0;
    socklen_t size = sizeof failure;
    if (connect(descriptor, address->ai_addr, address->ai_addrlen) < 0 &&
        (errno != EINPROGRESS || !wait_for(descriptor, POLLOUT, deadline_ms) ||
            getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &size) < 0 || failure != 0)) {
        int saved = failure ? failure : errno;
        close(descriptor);
        errno = saved;
        return -1;
    }
    return descriptor;
}

static bool connect_node(struct node *node, struct error *error) {
    char port[16];
    snprintf(port, sizeof port, "%d", node->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *addresses;
    int result = getaddrinfo(node->host, port, &hints, &addresses);
    if (result != 0)
        return error_set(error, ERROR_CLOSED, "%s: %s", node->host, gai_strerror(result));
    node->socket = -1;
    for (const struct addrinfo *address = addresses; address && node->socket < 0; address = address->ai_next)
        node->socket = connect_one(address, remote_now_ms() + 10000);
    int saved = errno;
    freeaddrinfo(addresses);
    if (node->socket < 0)
        return error_set(error, ERROR_CLOSED, "%s:%d: %s", node->host, node->port, strerror(saved));
    return true;
}

static void disconnect(struct node *node) {
    if (node->socket >= 0)
        close(node->socket);
    node->socket = -1;
    node->asked = false;
}

static bool lost(struct node *node, const char *what, struct error *error) {
    disconnect(node);
    return error_set(error, ERROR_CLOSED, "%s:%d: %s", node->host, node->port, what);
}

static bool send_all(struct node *node, struct bytes data, int64_t deadline_ms, struct error *error) {
    while (data.size > 0) {
        ssize_t sent = send(node->socket, data.data, data.size, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (!wait_for(node->socket, POLLOUT, deadline_ms))
                return lost(node, "no answer in time", error);
            continue;
        }
        if (sent <= 0)
            return lost(node, strerror(errno), error);
        data.data += sent;
        data.size -= (size_t)sent;
    }
    return true;
}

static bool receive_all(struct node *node, uint8_t *out, size_t size, int64_t deadline_ms, struct error *error) {
    while (size > 0) {
        ssize_t got = recv(node->socket, out, size, 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (!wait_for(node->socket, POLLIN, deadline_ms))
                return lost(node, "no answer in time", error);
            continue;
        }
        if (got <= 0)
            return lost(node, got == 0 ? "the broker closed the connection" : strerror(errno), error);
        out += got;
        size -= (size_t)got;
    }
    return true;
}

/* ---- one exchange ---- */

static bool encode_request(struct remote *remote, const struct wire_message *message, int16_t version, const void *in,
    struct buffer *out, struct error *error) {
    uint8_t *head = buffer_extend(out, 12);
    memset(head, 0, 12);
    store_be16(head + 4, (uint16_t)message->key);
    store_be16(head + 6, (uint16_t)version);
    store_be32(head + 8, (uint32_t)++remote->correlation);
    size_t size = strlen(remote->client_id);
    store_be16(buffer_extend(out, 2), (uint16_t)size);
    buffer_append(out, remote->client_id, size);
    if (version >= message->flexible)
        buffer_append_byte(out, 0);
    if (!wire_encode(message, version, in, out, NULL, error))
        return false;
    store_be32(out->data, (uint32_t)(out->size - 4));
    return true;
}

static bool skip_tagged_fields(struct bytes *rest) {
    uint32_t count, tag, size;
    if (!uvarint_read(rest, &count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!uvarint_read(rest, &tag) || !uvarint_read(rest, &size) || size > rest->size)
            return false;
        *rest = bytes_slice(*rest, size, rest->size - size);
    }
    return true;
}

static bool decode_reply(struct remote *remote, struct node *node, const struct wire_message *message, int16_t version,
    void *out, struct arena *arena, struct error *error) {
    struct bytes rest = arena_copy(arena, buffer_view(&remote->in));
    if (rest.size < 4 || (int32_t)load_be32(rest.data) != remote->correlation)
        return lost(node, "an answer to another request", error);
    rest = bytes_slice(rest, 4, rest.size - 4);
    bool has_tags = version >= message->flexible && message->key != kafka_api_versions_reply_message.key;
    if (has_tags && !skip_tagged_fields(&rest))
        return lost(node, "a malformed answer", error);
    return wire_decode(message, version, &rest, arena, out, error);
}

static bool exchange(struct remote *remote, struct node *node, const struct wire_message *request,
    const struct wire_message *reply, int16_t version, const void *in, void *out, struct arena *arena,
    struct error *error) {
    struct buffer frame = {0};
    int64_t deadline_ms = remote_now_ms() + remote->timeout_ms;
    uint8_t head[4];
    bool ok = encode_request(remote, request, version, in, &frame, error) &&
              send_all(node, buffer_view(&frame), deadline_ms, error);
    buffer_free(&frame);
    if (!ok || !out)
        return ok;
    if (!receive_all(node, head, sizeof head, deadline_ms, error))
        return false;
    size_t size = load_be32(head);
    if (size > REPLY_SIZE_MAX)
        return lost(node, "an answer that is too large: is this a Kafka broker?", error);
    buffer_clear(&remote->in);
    return receive_all(node, buffer_extend(&remote->in, size), size, deadline_ms, error) &&
           decode_reply(remote, node, reply, version, out, arena, error);
}

/* ---- versions ---- */

static bool ask_versions(struct remote *remote, struct node *node, struct error *error) {
    struct kafka_api_versions_request in = {BYTES("raudal-tools"), BYTES("1")};
    struct kafka_api_versions_reply out;
    struct arena arena = {0};
    bool ok = exchange(remote, node, &kafka_api_versions_request_message, &kafka_api_versions_reply_message, 3, &in,
        &out, &arena, error);
    if (ok && out.error_code == 35) /* UNSUPPORTED_VERSION */
        ok = exchange(remote, node, &kafka_api_versions_request_message, &kafka_api_versions_reply_message, 0, &in,
            &out, &arena, error);
    for (int i = 0; i < API_COUNT; i++)
        node->version_max[i] = -1;
    for (int32_t i = 0; ok && i < out.apis.count; i++)
        if (out.apis.items[i].key >= 0 && out.apis.items[i].key < API_COUNT) {
            node->version_min[out.apis.items[i].key] = out.apis.items[i].version_min;
            node->version_max[out.apis.items[i].key] = out.apis.items[i].version_max;
        }
    node->asked = ok;
    arena_destroy(&arena);
    return ok;
}

static struct node *ready_node(struct remote *remote, int32_t id, struct error *error) {
    struct node *node = &remote->any;
    for (size_t i = 0; id >= 0 && i < remote->nodes.count; i++)
        if (remote->nodes.items[i]->id == id)
            node = remote->nodes.items[i];
    if (node->socket < 0 && !connect_node(node, error))
        return NULL;
    if (!node->asked && !ask_versions(remote, node, error))
        return NULL;
    return node;
}

static int16_t choose_version(
    const struct remote *remote, const struct node *node, const struct wire_message *request) {
    int16_t key = request->key;
    ASSERT(key >= 0 && key < API_COUNT);
    int16_t version = request->version_max < node->version_max[key] ? request->version_max : node->version_max[key];
    if (remote->limit[key] >= 0 && version > remote->limit[key])
        version = remote->limit[key];
    return node->version_max[key] < 0 || version < request->version_min || version < node->version_min[key] ? -1
                                                                                                            : version;
}

int16_t remote_version(
    struct remote *remote, int32_t node_id, const struct wire_message *request, struct error *error) {
    struct node *node = ready_node(remote, node_id, error);
    return node ? choose_version(remote, node, request) : -1;
}

void remote_limit_version(struct remote *remote, const struct wire_message *request, int16_t version_max) {
    remote->limit[request->key] = version_max;
}

void remote_set_timeout(struct remote *remote, int64_t timeout_ms) {
    remote->timeout_ms = timeout_ms;
}

bool remote_call(struct remote *remote, int32_t node_id, const struct wire_message *request,
    const struct wire_message *reply, const void *in, void *out, struct arena *arena, struct error *error) {
    struct node *node = ready_node(remote, node_id, error);
    if (!node)
        return false;
    int16_t version = choose_version(remote, node, request);
    if (version < 0)
        return error_set(error, ERROR_UNSUPPORTED, "%s:%d does not offer %s in a version this tool knows", node->host,
            node->port, request->name);
    return exchange(remote, node, request, reply, version, in, out, arena, error);
}

/* ---- open and close ---- */

static bool parse_server(struct bytes text, struct node *node, struct error *error) {
    text = bytes_trim(text);
    size_t colon = text.size;
    while (colon > 0 && text.data[colon - 1] != ':')
        colon--;
    int64_t port;
    if (colon < 2 || !bytes_to_int64(bytes_slice(text, colon, text.size - colon), &port) || port < 1 || port > 65535)
        return error_set(error, ERROR_INVALID, "Invalid url in bootstrap.servers: %.*s", BYTES_ARGS(text));
    struct bytes host = bytes_slice(text, 0, colon - 1);
    if (host.size > 2 && host.data[0] == '[')
        host = bytes_slice(host, 1, host.size - 2);
    *node = (struct node){.id = -1, .port = (int)port, .socket = -1};
    snprintf(node->host, sizeof node->host, "%.*s", BYTES_ARGS(host));
    return true;
}

struct remote *remote_open(const char *bootstrap_servers, const char *client_id, struct error *error) {
    struct remote *remote = calloc(1, sizeof *remote);
    ASSERT(remote);
    snprintf(remote->bootstrap, sizeof remote->bootstrap, "%s", bootstrap_servers);
    snprintf(remote->client_id, sizeof remote->client_id, "%s", client_id);
    remote->timeout_ms = 30000;
    for (int i = 0; i < API_COUNT; i++)
        remote->limit[i] = -1;
    remote->any.socket = -1;
    struct bytes rest = bytes_from_text(bootstrap_servers);
    bool connected = false;
    error_set(error, ERROR_INVALID, "No resolvable bootstrap urls given in bootstrap.servers");
    while (rest.size > 0 && !connected) {
        size_t comma = bytes_find(rest, ',', 0);
        struct bytes server = bytes_slice(rest, 0, comma == SIZE_MAX ? rest.size : comma);
        size_t used = comma == SIZE_MAX ? rest.size : comma + 1;
        rest = bytes_slice(rest, used, rest.size - used);
        if (server.size == 0)
            continue;
        if (!parse_server(server, &remote->any, error))
            break;
        connected = ready_node(remote, REMOTE_ANY, error) != NULL;
    }
    if (connected)
        return remote;
    remote_close(remote);
    return NULL;
}

void remote_close(struct remote *remote) {
    if (!remote)
        return;
    disconnect(&remote->any);
    for (size_t i = 0; i < remote->nodes.count; i++) {
        disconnect(remote->nodes.items[i]);
        free(remote->nodes.items[i]);
    }
    VECTOR_FREE(&remote->nodes);
    buffer_free(&remote->in);
    free(remote);
}

const char *remote_bootstrap(const struct remote *remote) {
    return remote->bootstrap;
}

/* ---- cluster ---- */

static void remember_node(struct remote *remote, int32_t id, struct bytes host, int32_t port) {
    struct node *node = NULL;
    for (size_t i = 0; i < remote->nodes.count; i++)
        if (remote->nodes.items[i]->id == id)
            node = remote->nodes.items[i];
    if (!node) {
        node = calloc(1, sizeof *node);
        ASSERT(node);
        node->id = id;
        node->socket = -1;
        VECTOR_PUSH(&remote->nodes, node);
    }
    char text[256];
    snprintf(text, sizeof text, "%.*s", BYTES_ARGS(host));
    if (strcmp(text, node->host) != 0 || port != node->port)
        disconnect(node);
    snprintf(node->host, sizeof node->host, "%s", text);
    node->port = port;
}

bool remote_metadata(struct remote *remote, const char *const *names, size_t count, bool create,
    struct kafka_metadata_reply *reply, struct arena *arena, struct error *error) {
    struct kafka_metadata_request in;
    wire_set_defaults(&kafka_metadata_request_struct, &in);
    in.allow_auto_creation = create;
    in.topics.count = -1;
    if (names) {
        WIRE_ARRAY(arena, &in.topics, &kafka_metadata_request_topic_struct, count);
        for (size_t i = 0; i < count; i++)
            in.topics.items[i].name = bytes_from_text(names[i]);
    }
    if (!REMOTE_CALL(remote, REMOTE_ANY, metadata, &in, reply, arena, error))
        return false;
    for (int32_t i = 0; i < reply->brokers.count; i++)
        remember_node(
            remote, reply->brokers.items[i].node_id, reply->brokers.items[i].host, reply->brokers.items[i].port);
    return true;
}

static bool ask_coordinator(
    struct remote *remote, const char *group, int32_t *node, int16_t *code, struct error *error) {
    struct arena arena = {0};
    struct kafka_find_coordinator_request in;
    struct kafka_find_coordinator_reply out;
    wire_set_defaults(&kafka_find_coordinator_request_struct, &in);
    struct bytes name = bytes_from_text(group);
    int16_t version = remote_version(remote, REMOTE_ANY, &kafka_find_coordinator_request_message, error);
    if (version >= 4) {
        in.keys.items = &name;
        in.keys.count = 1;
    } else {
        in.key = name;
    }
    bool ok = version >= 0 && REMOTE_CALL(remote, REMOTE_ANY, find_coordinator, &in, &out, &arena, error);
    if (ok && version >= 4) {
        *code = out.coordinators.count == 1 ? out.coordinators.items[0].error_code : 15;
        *node = *code ? -1 : out.coordinators.items[0].node_id;
        if (!*code)
            remember_node(remote, *node, out.coordinators.items[0].host, out.coordinators.items[0].port);
    } else if (ok) {
        *code = out.error_code;
        *node = out.node_id;
        if (!*code)
            remember_node(remote, *node, out.host, out.port);
    }
    arena_destroy(&arena);
    return ok;
}

bool remote_coordinator(struct remote *remote, const char *group, int32_t *node, struct error *error) {
    int64_t deadline_ms = remote_now_ms() + remote->timeout_ms;
    for (;;) {
        int16_t code;
        if (!ask_coordinator(remote, group, node, &code, error))
            return false;
        if (code == 0)
            return true;
        bool passing = code == 14 || code == 15 || code == 16; /* loading, not available, moved */
        if (!passing || remote_now_ms() > deadline_ms)
            return error_set(error, ERROR_INVALID, "%s: %s", remote_exception(code), remote_sentence(code));
        struct timespec pause = {0, 100000000};
        nanosleep(&pause, NULL);
    }
}

/* ---- errors ---- */

static const struct {
    int16_t code;
    const char *exception, *sentence;
} errors[] = {
    {1, "OffsetOutOfRangeException",
        "The requested offset is not within the range of offsets maintained by the server."},
    {2, "CorruptRecordException",
        "This message has failed its CRC checksum, exceeds the valid size, has a null key for a compacted topic, or is "
        "otherwise corrupt."},
    {3, "UnknownTopicOrPartitionException", "This server does not host this topic-partition."},
    {5, "LeaderNotAvailableException",
        "There is no leader for this topic-partition as we are in the middle of a leadership election."},
    {7, "TimeoutException", "The request timed out."},
    {10, "RecordTooLargeException",
        "The request included a message larger than the max message size the server will accept."},
    {14, "CoordinatorLoadInProgressException", "The coordinator is loading and hence can't process requests."},
    {15, "CoordinatorNotAvailableException", "The coordinator is not available."},
    {16, "NotCoordinatorException", "This is not the correct coordinator."},
    {17, "InvalidTopicException", "The request attempted to perform an operation on an invalid topic."},
    {22, "IllegalGenerationException", "Specified group generation id is not valid."},
    {24, "InvalidGroupIdException", "The group id is invalid."},
    {25, "UnknownMemberIdException", "The coordinator is not aware of this member."},
    {27, "RebalanceInProgressException", "The group is rebalancing, so a rejoin is needed."},
    {29, "TopicAuthorizationException", "Topic authorization failed."},
    {30, "GroupAuthorizationException", "Group authorization failed."},
    {35, "UnsupportedVersionException", "The version of API is not supported."},
    {36, "TopicExistsException", "Topic with this name already exists."},
    {37, "InvalidPartitionsException", "Number of partitions is below 1."},
    {38, "InvalidReplicationFactorException",
        "Replication factor is below 1 or larger than the number of available brokers."},
    {39, "InvalidReplicaAssignmentException", "Replica assignment is invalid."},
    {40, "InvalidConfigurationException", "Configuration is invalid."},
    {41, "NotControllerException", "This is not the correct controller for this cluster."},
    {42, "InvalidRequestException",
        "This most likely occurs because of a request being malformed by the client library or the message was sent to "
        "an incompatible broker."},
    {44, "PolicyViolationException", "Request parameters do not satisfy the configured policy."},
    {56, "KafkaStorageException", "Disk error when trying to access log file on the disk."},
    {68, "GroupNotEmptyException", "The group is not empty."},
    {69, "GroupIdNotFoundException", "The group id does not exist."},
    {73, "TopicDeletionDisabledException", "Topic deletion is disabled."},
    {82, "FencedInstanceIdException",
        "The broker rejected this static consumer since another consumer with the same group.instance.id has "
        "registered with a different member.id."},
    {86, "GroupSubscribedToTopicException",
        "Deleting offsets of a topic is forbidden while the consumer group is actively subscribed to it."},
    {87, "InvalidRecordException", "This record has failed the validation on broker and hence will be rejected."},
    {100, "UnknownTopicIdException", "This server does not host this topic ID."},
};

const char *remote_exception(int16_t code) {
    static char text[160];
    const char *name = "UnknownServerException";
    for (size_t i = 0; i < ARRAY_COUNT(errors); i++)
        if (errors[i].code == code)
            name = errors[i].exception;
    snprintf(text, sizeof text, "org.apache.kafka.common.errors.%s", name);
    return text;
}

const char *remote_sentence(int16_t code) {
    for (size_t i = 0; i < ARRAY_COUNT(errors); i++)
        if (errors[i].code == code)
            return errors[i].sentence;
    return "The server experienced an unexpected error when processing the request.";
}
