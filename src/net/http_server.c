/* http_server.c: libmicrohttpd on our loop. The sockets are accepted by the world, then handed over; the daemon's epoll
 * set is one descriptor that the loop watches, its timeouts are one timer.
 *
 * The daemon calls `access` for a request several times: once with the headers, then with pieces of the body, at last
 * to get the answer. A request that is not ready for the next call is suspended and resumed by what it waits for. */
#include "net/http_internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    HEADER_TIMEOUT_S = 3, /* for a request's line and headers, and between requests: slow or half-closed peers go */
    IDLE_TIMEOUT_S = 120, /* without progress inside a request */
    CONNECTION_MEMORY_SIZE = 48 * 1024,
    BUFFERED_BODY_SIZE_DEFAULT = 1 << 20,
    DISCARDED_BODY_SIZE_MAX = 64 << 20, /* unread body after an early answer; then the connection is cut */
};

/* ---- running the daemon ---- */

static void run_daemon(struct http_server *server);

static void run_posted(void *argument) {
    struct http_server *server = argument;
    server->is_run_posted = false;
    server->post_count--;
    if (!server->stops)
        run_daemon(server);
}

static void post_run(struct http_server *server) {
    if (server->is_run_posted || server->stops)
        return;
    server->is_run_posted = true;
    server->post_count++;
    world_loop_post(server->loop, run_posted, server);
}

static void run_daemon(struct http_server *server) {
    ASSERT(!server->is_running);
    server->is_running = true;
    MHD_run(server->daemon);
    server->is_running = false;
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    if (MHD_get_timeout(server->daemon, &timeout_ms) != MHD_YES) {
        world_timer_stop(server->timer);
    } else if (timeout_ms == 0) {
        post_run(server); /* other descriptors of the loop have their turn first */
    } else {
        world_timer_start(server->timer, (int64_t)timeout_ms, 0);
    }
}

static void timer_fired(void *argument) {
    run_daemon(argument);
}

static void daemon_ready(void *argument, bool readable, bool writable) {
    run_daemon(argument);
}

void http_server_suspend(struct http_request *request) {
    ASSERT(!request->is_suspended);
    request->is_suspended = true;
    MHD_suspend_connection(request->connection);
}

void http_server_resume(struct http_request *request) {
    if (!request->is_suspended || request->in_daemon)
        return;
    request->is_suspended = false;
    MHD_resume_connection(request->connection);
    post_run(request->server);
}

/* ---- a request from headers to answer ---- */

static enum MHD_Result add_header(void *argument, enum MHD_ValueKind kind, const char *name, const char *value) {
    struct http_request *request = argument;
    http_pairs_add(request, &request->headers, bytes_from_text(arena_strdup(&request->arena, name)),
        bytes_from_text(arena_strdup(&request->arena, value != NULL ? value : "")));
    return MHD_YES;
}

/* Host and Origin guard against pages of other sites that reach our ports through the user's browser. */
static bool check_origin(struct http_request *request) {
    struct bytes host = http_header(request, "Host"), origin = http_header(request, "Origin");
    if (host.data != NULL && !http_host_allowed(request->server, &request->peer, http_host_name(host))) {
        http_respond_text(request, MHD_HTTP_MISDIRECTED_REQUEST,
            "The host name \"%.*s\" is not one of this Raudal: use localhost or %s.", BYTES_ARGS(host),
            request->peer.local.text);
        return false;
    }
    if (origin.data == NULL)
        return true;
    bool reads = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    if (bytes_equal_text(origin, "null") && reads)
        return true;
    if (http_host_allowed(request->server, &request->peer, http_origin_host(origin)))
        return true;
    http_respond_text(request, MHD_HTTP_FORBIDDEN, "A page of %.*s may not use this Raudal.", BYTES_ARGS(origin));
    return false;
}

static bool method_matches(const char *wanted, const char *method) {
    return strcmp(wanted, "*") == 0 || strcmp(wanted, method) == 0 ||
           (strcmp(wanted, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

static void find_route(struct http_request *request) {
    struct http_server *server = request->server;
    struct buffer allowed = {0};
    for (size_t i = 0; i < server->options.route_count && request->route == NULL; i++) {
        const struct http_route *route = &server->options.routes[i];
        if (!http_match(route->pattern, request))
            continue;
        if (method_matches(route->method, request->method))
            request->route = route;
        else
            buffer_printf(&allowed, "%s%s", allowed.size > 0 ? ", " : "", route->method);
    }
    if (request->route == NULL && allowed.size > 0) {
        http_add_header(request, "Allow", buffer_text(&allowed));
        http_respond_text(request, MHD_HTTP_METHOD_NOT_ALLOWED, "%s does not take %s, only %s.",
            (const char *)request->path.data, request->method, buffer_text(&allowed));
    } else if (request->route == NULL) {
        http_respond_text(request, MHD_HTTP_NOT_FOUND, "There is no page %s here.", (const char *)request->path.data);
    }
    buffer_free(&allowed);
}

static void read_content_length(struct http_request *request) {
    request->content_length = -1;
    struct bytes length = http_header(request, "Content-Length");
    int64_t size;
    if (length.data != NULL && bytes_to_int64(length, &size) && size >= 0)
        request->content_length = size;
    request->has_body = request->content_length > 0 || http_header(request, "Transfer-Encoding").data != NULL;
}

static size_t body_size_max(const struct http_request *request) {
    return request->route->body_size_max == 0 ? BUFFERED_BODY_SIZE_DEFAULT : request->route->body_size_max;
}

static void refuse_large_body(struct http_request *request) {
    http_respond_text(request, MHD_HTTP_CONTENT_TOO_LARGE, "The body is larger than the %zu bytes that %s takes.",
        body_size_max(request), (const char *)request->path.data);
}

/* The headers are here. */
static void begin(struct http_request *request, struct MHD_Connection *connection, const char *method) {
    request->is_begun = true;
    request->connection = connection;
    request->method = arena_strdup(&request->arena, method);
    const union MHD_ConnectionInfo *context = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    if (context != NULL && context->socket_context != NULL)
        request->peer = *(struct http_peer *)context->socket_context;
    MHD_get_connection_values(connection, MHD_HEADER_KIND, add_header, request);
    read_content_length(request);
    if (!http_parse_target(request)) {
        http_respond_text(request, MHD_HTTP_BAD_REQUEST, "The address of the request is not well-formed.");
        return;
    }
    if (!check_origin(request))
        return;
    find_route(request);
    if (request->route == NULL)
        return;
    bool buffered = request->route->body_mode == HTTP_BODY_BUFFERED;
    if (buffered && request->content_length > (int64_t)body_size_max(request))
        refuse_large_body(request);
    else if (!buffered && request->has_body)
        http_request_handle(request);
}

static enum MHD_Result queue_answer(struct http_request *request) {
    request->is_queued = true;
    enum MHD_Result result = MHD_queue_response(request->connection, (unsigned int)request->status, request->response);
    MHD_destroy_response(request->response);
    request->response = NULL;
    return result;
}

/* A piece of the body. Returns how many bytes are done with. */
static size_t take_body(struct http_request *request, const char *data, size_t size) {
    if (request->is_answered || request->body_too_large) {
        request->discarded_size += size;
        return size;
    }
    if (request->route->body_mode == HTTP_BODY_BUFFERED) {
        request->body_too_large = request->body.size + size > body_size_max(request);
        if (!request->body_too_large)
            buffer_append(&request->body, data, size);
        return size;
    }
    if (request->piece_function == NULL)
        return 0;
    http_body_function *piece_function = request->piece_function;
    request->piece_function = NULL;
    piece_function(request, request->piece_argument, bytes_make(data, size));
    return size;
}

/* The body is complete. */
static void end_body(struct http_request *request) {
    if (request->is_answered)
        return;
    if (request->body_too_large) {
        refuse_large_body(request);
    } else if (!request->is_handled) {
        http_request_handle(request);
    }
    if (!request->is_answered && request->piece_function != NULL) {
        http_body_function *piece_function = request->piece_function;
        request->piece_function = NULL;
        piece_function(request, request->piece_argument, bytes_make("", 0));
    }
}

static enum MHD_Result advance(struct http_request *request, const char *data, size_t *size) {
    if (request->phase == HTTP_PHASE_HEADERS) {
        if (request->response != NULL)
            return queue_answer(request);
        /* A streamed body starts to come when the handler reads. */
        if (request->is_handled && request->piece_function == NULL)
            http_server_suspend(request);
        else
            request->phase = HTTP_PHASE_BODY;
        return MHD_YES;
    }
    if (*size > 0) {
        size_t taken = take_body(request, data, *size);
        if (request->discarded_size > DISCARDED_BODY_SIZE_MAX)
            return MHD_NO;
        *size -= taken;
        if (taken == 0)
            http_server_suspend(request);
        return MHD_YES;
    }
    end_body(request);
    if (request->response != NULL)
        return queue_answer(request);
    http_server_suspend(request);
    return MHD_YES;
}

static void *target_received(void *argument, const char *target, struct MHD_Connection *connection) {
    return http_request_create(argument, target);
}

static void set_timeout(struct MHD_Connection *connection, unsigned int timeout_s) {
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, timeout_s);
}

static enum MHD_Result access_request(void *argument, struct MHD_Connection *connection, const char *target,
    const char *method, const char *version, const char *data, size_t *size, void **context) {
    struct http_request *request = *context;
    if (request->server->stops)
        return MHD_NO;
    request->in_daemon = true;
    if (!request->is_begun) {
        set_timeout(connection, IDLE_TIMEOUT_S);
        begin(request, connection, method);
    }
    enum MHD_Result result = advance(request, data, size);
    request->in_daemon = false;
    return result;
}

static void request_over(
    void *argument, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode code) {
    struct http_request *request = *context;
    if (code == MHD_REQUEST_TERMINATED_COMPLETED_OK)
        set_timeout(connection, HEADER_TIMEOUT_S);
    if (request == NULL)
        return;
    *context = NULL;
    list_remove(&request->node);
    request->server = NULL;
    request->is_suspended = false;
    if (request->response != NULL)
        MHD_destroy_response(request->response);
    request->response = NULL;
    if (request->end != NULL)
        request->end(request, request->state, code != MHD_REQUEST_TERMINATED_COMPLETED_OK);
    /* Without a handler nobody else owes the answer. */
    if (!request->is_handled && !request->is_answered)
        http_request_release(request);
    http_request_release(request);
}

/* ---- connections ---- */

static void connection_changed(
    void *argument, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code) {
    struct http_server *server = argument;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = server->adding;
        server->adding = NULL;
        return;
    }
    struct http_peer *peer = *context;
    if (peer == NULL)
        return;
    net_gate_leave(&server->gate, &peer->peer);
    free(peer);
    *context = NULL;
}

static socklen_t make_socket_address(const struct world_address *from, struct sockaddr_storage *out) {
    memset(out, 0, sizeof *out);
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    if (inet_pton(AF_INET, from->text, &in->sin_addr) == 1) {
        in->sin_family = AF_INET;
        in->sin_port = htons(from->port);
        return sizeof *in;
    }
    inet_pton(AF_INET6, from->text, &in6->sin6_addr);
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(from->port);
    return sizeof *in6;
}

static void accepted(void *argument, struct world_socket *socket) {
    struct http_server *server = argument;
    if (!net_gate_enter(&server->gate, socket)) {
        world_socket_close(socket);
        return;
    }
    struct http_peer *peer = calloc(1, sizeof *peer);
    ASSERT(peer != NULL);
    peer->peer = world_socket_peer(socket);
    peer->local = world_socket_local(socket);
    struct world_address address = peer->peer;
    struct sockaddr_storage system_address;
    socklen_t size = make_socket_address(&address, &system_address);
    server->adding = peer;
    int descriptor = world_socket_release(socket);
    if (MHD_add_connection(server->daemon, descriptor, (struct sockaddr *)&system_address, size) != MHD_YES &&
        server->adding != NULL) {
        /* The daemon closed the descriptor before it took note of the connection. */
        net_gate_leave(&server->gate, &address);
        free(peer);
        server->adding = NULL;
    }
    post_run(server);
}

/* ---- start and stop ---- */

static void log_message(void *argument, const char *format, va_list arguments) {
    struct http_server *server = argument;
    char text[512];
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    service_log_write(server->options.log, LOG_DEBUG, "raudal.http", "%s", text);
}

static struct MHD_Daemon *make_daemon(struct http_server *server) {
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
        NULL, NULL, access_request, NULL, MHD_OPTION_EXTERNAL_LOGGER, log_message, server, MHD_OPTION_URI_LOG_CALLBACK,
        target_received, server, MHD_OPTION_NOTIFY_COMPLETED, request_over, NULL, MHD_OPTION_NOTIFY_CONNECTION,
        connection_changed, server, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned int)HEADER_TIMEOUT_S,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY_SIZE, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned int)server->gate.limits.connection_count_max + 1, MHD_OPTION_END);
}

struct http_starting {
    struct http_server *server;
    struct error *error;
    bool listens;
};

static void close_listeners(struct http_server *server) {
    for (size_t i = 0; i < server->listeners.count; i++)
        world_listener_close(server->listeners.items[i]);
    VECTOR_FREE(&server->listeners);
}

static bool start_daemon(struct http_server *server, struct error *error) {
    server->daemon = make_daemon(server);
    const union MHD_DaemonInfo *information =
        server->daemon == NULL ? NULL : MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (information == NULL || information->epoll_fd < 0)
        return error_set(error, ERROR_IO, "the HTTP library did not start");
    server->descriptor = information->epoll_fd;
    if (!world_loop_watch_descriptor(server->loop, server->descriptor, daemon_ready, server, true))
        return error_set(error, ERROR_UNSUPPORTED, "the loop cannot watch the HTTP library");
    server->timer = world_timer_create(server->loop, timer_fired, server);
    return true;
}

static void stop_daemon(struct http_server *server) {
    server->stops = true;
    LIST_FOR_EACH(node, &server->requests) {
        struct http_request *request = CONTAINER_OF(node, struct http_request, node);
        if (request->is_suspended)
            MHD_resume_connection(request->connection);
        request->is_suspended = false;
    }
    if (server->timer != NULL) {
        world_loop_watch_descriptor(server->loop, server->descriptor, NULL, NULL, false);
        world_timer_destroy(server->timer);
    }
    if (server->daemon != NULL)
        MHD_stop_daemon(server->daemon);
}

static void start_on_loop(void *argument) {
    struct http_starting *starting = argument;
    struct http_server *server = starting->server;
    starting->listens = start_daemon(server, starting->error);
    for (size_t i = 0; i < server->options.address_count && starting->listens; i++) {
        struct net_endpoint endpoint = net_endpoint_parse(server->options.addresses[i], server->port);
        struct world_listener *listener =
            world_listen(server->loop, endpoint.address, endpoint.port, accepted, server, starting->error);
        starting->listens = listener != NULL;
        if (listener == NULL)
            break;
        VECTOR_PUSH(&server->listeners, listener);
        if (i == 0)
            server->port = world_listener_address(listener).port;
    }
    if (!starting->listens) {
        close_listeners(server);
        stop_daemon(server);
    }
}

static void free_strings(const char *const *texts, size_t count) {
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)texts[i]);
    free((void *)(uintptr_t)texts);
}

static const char *const *copy_strings(const char *const *texts, size_t count) {
    char **copies = calloc(count + 1, sizeof copies[0]);
    ASSERT(copies != NULL);
    for (size_t i = 0; i < count; i++) {
        copies[i] = strdup(texts[i]);
        ASSERT(copies[i] != NULL);
    }
    return (const char *const *)copies;
}

static void free_server(void *argument) {
    struct http_server *server = argument;
    if (server->post_count > 0) {
        world_loop_post(server->loop, free_server, server); /* behind the post that still points here */
        return;
    }
    net_gate_close(&server->gate);
    free_strings(server->options.addresses, server->options.address_count);
    free_strings(server->options.host_names, server->options.host_name_count);
    free(server);
}

struct http_server *http_server_start(const struct http_server_options *options, struct error *error) {
    struct world *world = world_loop_world(options->loop);
    if (world_is_simulated(world)) {
        error_set(error, ERROR_UNSUPPORTED, "HTTP is not simulated");
        return NULL;
    }
    struct http_server *server = calloc(1, sizeof *server);
    ASSERT(server != NULL && options->address_count > 0);
    server->loop = options->loop;
    server->options = *options;
    server->options.addresses = copy_strings(options->addresses, options->address_count);
    server->options.host_names = copy_strings(options->host_names, options->host_name_count);
    server->port = options->port;
    list_init(&server->requests);
    net_gate_open(&server->gate, "http", world, &options->limits, options->peer_rule, options->log, options->metrics);
    struct http_starting starting = {.server = server, .error = error};
    net_run_on_loop(server->loop, start_on_loop, &starting);
    if (starting.listens)
        return server;
    net_run_on_loop(server->loop, free_server, server);
    return NULL;
}

static void stop_on_loop(void *argument) {
    struct http_server *server = argument;
    close_listeners(server);
    stop_daemon(server);
    free_server(server);
}

void http_server_stop(struct http_server *server) {
    if (server != NULL)
        world_loop_call(server->loop, stop_on_loop, server);
}

uint16_t http_server_port(const struct http_server *server) {
    return server->port;
}
