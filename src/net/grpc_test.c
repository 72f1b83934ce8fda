/* grpc_test.c: the gRPC server against a small nghttp2 client. `grpc_test serve ADDRESS PORT` serves the same methods
 * for clients of other languages (tests/clients). */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/assert.h"
#include "net/grpc.h"

static struct world *world;
static struct world_loop *loop;

/* ---- the service ---- */

static _Atomic int cancelled_count, full_count;

static void echo(struct grpc_call *call, struct bytes message) {
    grpc_call_send(call, message);
    grpc_call_finish(call, GRPC_OK, NULL, BYTES_NULL);
}

/* "COUNT SIZE": so many messages of that size, no more than the queue takes. */
struct counting {
    unsigned int left, size;
};

static void count_on(struct grpc_call *call) {
    struct counting *counting = grpc_call_state(call);
    while (counting->left > 0 && !grpc_call_is_full(call)) {
        struct buffer message = {0};
        memset(buffer_extend(&message, counting->size), 'a' + (int)(counting->left % 26), counting->size);
        counting->left--;
        grpc_call_send_buffer(call, &message);
    }
    if (counting->left > 0) {
        full_count++;
        return;
    }
    free(counting);
    grpc_call_set_state(call, NULL);
    grpc_call_finish(call, GRPC_OK, "", BYTES_NULL);
}

static void count(struct grpc_call *call, struct bytes message) {
    struct counting *counting = calloc(1, sizeof *counting);
    char text[32];
    snprintf(text, sizeof text, "%.*s", BYTES_ARGS(message));
    if (sscanf(text, "%u %u", &counting->left, &counting->size) != 2) {
        free(counting);
        grpc_call_finish(call, GRPC_INVALID_ARGUMENT, "expected COUNT SIZE", BYTES_NULL);
        return;
    }
    grpc_call_set_state(call, counting);
    count_on(call);
}

static void count_cancelled(struct grpc_call *call) {
    free(grpc_call_state(call));
    cancelled_count++;
}

static void sum(struct grpc_call *call, struct bytes message) {
    grpc_call_set_state(call, (void *)((uintptr_t)grpc_call_state(call) + message.size));
}

static void sum_end(struct grpc_call *call) {
    char text[32];
    snprintf(text, sizeof text, "%zu", (size_t)(uintptr_t)grpc_call_state(call));
    grpc_call_send(call, bytes_from_text(text));
    grpc_call_finish(call, GRPC_OK, NULL, BYTES_NULL);
}

static void fail_call(struct grpc_call *call, struct bytes message) {
    grpc_call_finish(call, GRPC_INTERNAL, "día 100%\n", BYTES("\x08\x0d\x12\x00"));
}

static void wait_call(struct grpc_call *call, struct bytes message) {
}

static void wait_cancelled(struct grpc_call *call) {
    ASSERT(grpc_call_is_over(call));
    grpc_call_finish(call, GRPC_OK, "too late", BYTES_NULL);
    cancelled_count++;
}

static const struct grpc_method methods[] = {
    {.path = "/test.Test/Echo", .kind = GRPC_UNARY, .message = echo},
    {.path = "/test.Test/Count",
        .kind = GRPC_SERVER_STREAMING,
        .message = count,
        .cancelled = count_cancelled,
        .writable = count_on},
    {.path = "/test.Test/Sum", .kind = GRPC_CLIENT_STREAMING, .message = sum, .half_closed = sum_end},
    {.path = "/test.Test/Fail", .kind = GRPC_UNARY, .message = fail_call},
    {.path = "/test.Test/Wait", .kind = GRPC_UNARY, .message = wait_call, .cancelled = wait_cancelled},
};

static struct grpc_server *start(const char *address, uint16_t port) {
    struct grpc_server_options options = {.loop = loop,
        .addresses = &address,
        .address_count = 1,
        .port = port,
        .methods = methods,
        .method_count = ARRAY_COUNT(methods),
        .message_size_max = 4 << 20};
    struct error error = {0};
    struct grpc_server *server = grpc_server_start(&options, &error);
    if (server == NULL)
        fprintf(stderr, "%s\n", error.message);
    return server;
}

/* ---- the client: one connection, one stream at a time, blocking ---- */

struct client {
    int descriptor;
    nghttp2_session *http2;
    struct bytes request; /* framed */
    size_t sent_size;
    struct buffer received;
    struct buffer trailers; /* "name: value\n" of every header */
    bool ended;
    uint32_t reset_code;
    bool reads_body; /* false: opens no window for what it received */
};

static ssize_t client_write(nghttp2_session *http2, const uint8_t *data, size_t size, int flags, void *user) {
    struct client *client = user;
    return send(client->descriptor, data, size, MSG_NOSIGNAL);
}

static int client_header(nghttp2_session *http2, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
    const uint8_t *value, size_t value_size, uint8_t flags, void *user) {
    struct client *client = user;
    buffer_printf(
        &client->trailers, "%.*s: %.*s\n", (int)name_size, (const char *)name, (int)value_size, (const char *)value);
    return 0;
}

static int client_data(
    nghttp2_session *http2, uint8_t flags, int32_t stream_id, const uint8_t *data, size_t size, void *user) {
    struct client *client = user;
    buffer_append(&client->received, data, size);
    if (client->reads_body) {
        nghttp2_session_consume(http2, stream_id, size);
    }
    return 0;
}

static int client_closed(nghttp2_session *http2, int32_t stream_id, uint32_t code, void *user) {
    struct client *client = user;
    client->ended = true;
    client->reset_code = code;
    return 0;
}

static ssize_t client_body(nghttp2_session *http2, int32_t stream_id, uint8_t *out, size_t size, uint32_t *flags,
    nghttp2_data_source *source, void *user) {
    struct client *client = user;
    size_t left = client->request.size - client->sent_size;
    size = size < left ? size : left;
    memcpy(out, client->request.data + client->sent_size, size);
    client->sent_size += size;
    if (client->sent_size == client->request.size)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)size;
}

static void client_start(struct client *client, uint16_t port) {
    *client = (struct client){.descriptor = socket(AF_INET, SOCK_STREAM, 0), .reads_body = true};
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, "127.0.0.12", &where.sin_addr);
    assert_int_equal(connect(client->descriptor, (struct sockaddr *)&where, sizeof where), 0);
    struct timeval timeout = {.tv_sec = 10};
    setsockopt(client->descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_send_callback(callbacks, client_write);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, client_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, client_data);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, client_closed);
    nghttp2_option_new(&option);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_session_client_new2(&client->http2, callbacks, client, option);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(client->http2, NGHTTP2_FLAG_NONE, NULL, 0);
}

static int32_t client_submit(struct client *client, const char *path, const char *encoding, struct bytes framed) {
    client->request = framed;
    client->sent_size = 0;
    client->ended = false;
    buffer_clear(&client->received);
    buffer_clear(&client->trailers);
    const char *pairs[][2] = {{":method", "POST"}, {":scheme", "http"}, {":path", path}, {":authority", "test"},
        {"content-type", "application/grpc"}, {"te", "trailers"}, {"grpc-encoding", encoding}};
    nghttp2_nv headers[ARRAY_COUNT(pairs)];
    for (size_t i = 0; i < ARRAY_COUNT(pairs); i++)
        headers[i] = (nghttp2_nv){(uint8_t *)(uintptr_t)pairs[i][0], (uint8_t *)(uintptr_t)pairs[i][1],
            strlen(pairs[i][0]), strlen(pairs[i][1]), NGHTTP2_NV_FLAG_NONE};
    nghttp2_data_provider provider = {.read_callback = client_body};
    return nghttp2_submit_request(client->http2, NULL, headers, ARRAY_COUNT(pairs), &provider, NULL);
}

/* Sends what is due and handles one read; false when the connection ended. */
static bool client_step(struct client *client) {
    uint8_t data[16384];
    nghttp2_session_send(client->http2);
    ssize_t size = recv(client->descriptor, data, sizeof data, 0);
    if (size <= 0)
        return false;
    assert_true(nghttp2_session_mem_recv(client->http2, data, (size_t)size) == size);
    nghttp2_session_send(client->http2);
    return true;
}

static void client_stop(struct client *client) {
    nghttp2_session_del(client->http2);
    close(client->descriptor);
    buffer_free(&client->received);
    buffer_free(&client->trailers);
}

static void frame_message(struct buffer *out, uint8_t flag, size_t size, struct bytes message) {
    buffer_append_byte(out, flag);
    store_be32(buffer_extend(out, 4), (uint32_t)size);
    buffer_append_bytes(out, message);
}

/* A call from beginning to end. */
static void call_method(struct client *client, const char *path, struct bytes framed) {
    client_submit(client, path, "identity", framed);
    while (!client->ended)
        assert_true(client_step(client));
}

static void expect_header(struct client *client, const char *line) {
    if (strstr(buffer_text(&client->trailers), line) == NULL)
        fail_msg("expected %s in:\n%s", line, buffer_text(&client->trailers));
}

/* ---- tests ---- */

static struct grpc_server *server;

static int set_up(void **state) {
    world = world_posix_create();
    loop = world_loop_create(world, "grpc", NULL);
    cancelled_count = full_count = 0;
    server = start("127.0.0.12", 0);
    return server == NULL;
}

static int tear_down(void **state) {
    grpc_server_stop(server);
    world_loop_destroy(loop);
    world_destroy(world);
    return 0;
}

static void unary_calls_answer_and_end_with_a_status(void **state) {
    struct client client;
    client_start(&client, grpc_server_port(server));
    for (size_t size = 0; size <= 300000; size += 100000) {
        struct buffer framed = {0}, message = {0};
        memset(buffer_extend(&message, size), 'x', size);
        frame_message(&framed, 0, size, buffer_view(&message));
        call_method(&client, "/test.Test/Echo", buffer_view(&framed));
        assert_int_equal(client.received.size, framed.size);
        assert_memory_equal(client.received.data, framed.data, framed.size);
        expect_header(&client, ":status: 200\n");
        expect_header(&client, "grpc-status: 0\n");
        buffer_free(&framed);
        buffer_free(&message);
    }
    client_stop(&client);
}

static void failures_carry_message_and_details(void **state) {
    struct client client;
    client_start(&client, grpc_server_port(server));
    call_method(&client, "/test.Test/Fail", BYTES("\0\0\0\0\0"));
    expect_header(&client, "grpc-status: 13\n");
    expect_header(&client, "grpc-message: d%C3%ADa 100%25%0A\n");
    expect_header(&client, "grpc-status-details-bin: CA0SAA\n");
    call_method(&client, "/test.Test/None", BYTES("\0\0\0\0\0"));
    expect_header(&client, "grpc-status: 12\n");
    expect_header(&client, "grpc-message: Method not found: /test.Test/None\n");
    client_stop(&client);
}

static void what_is_not_one_whole_message_is_refused(void **state) {
    struct client client;
    client_start(&client, grpc_server_port(server));
    call_method(&client, "/test.Test/Echo", BYTES(""));
    expect_header(&client, "grpc-status: 13\n");
    call_method(&client, "/test.Test/Echo", BYTES("\0\0\0\0\2x"));
    expect_header(&client, "grpc-status: 13\n");
    call_method(&client, "/test.Test/Echo", BYTES("\0\0\0\0\1x\0\0\0\0\1x"));
    expect_header(&client, "grpc-status: 13\n");
    call_method(&client, "/test.Test/Echo", BYTES("\1\0\0\0\1x"));
    expect_header(&client, "grpc-status: 12\n");
    call_method(&client, "/test.Test/Echo", BYTES("\0\0\x40\0\1x"));
    expect_header(&client, "grpc-status: 8\n");
    client_submit(&client, "/test.Test/Echo", "gzip", BYTES("\0\0\0\0\1x"));
    while (!client.ended)
        assert_true(client_step(&client));
    expect_header(&client, "grpc-status: 12\n");
    call_method(&client, "/test.Test/Echo", BYTES("\0\0\0\0\1x")); /* the connection still serves */
    expect_header(&client, "grpc-status: 0\n");
    client_stop(&client);
}

static void streams_of_requests_are_delivered_one_by_one(void **state) {
    struct client client;
    client_start(&client, grpc_server_port(server));
    struct buffer framed = {0};
    for (size_t i = 0; i < 1000; i++) {
        uint8_t message[300] = {0};
        frame_message(&framed, 0, i % 300, bytes_make(message, i % 300));
    }
    call_method(&client, "/test.Test/Sum", buffer_view(&framed));
    expect_header(&client, "grpc-status: 0\n");
    assert_memory_equal(client.received.data + 5, "139500", 6);
    buffer_free(&framed);
    client_stop(&client);
}

static void long_answers_wait_for_the_window(void **state) {
    struct client client;
    client_start(&client, grpc_server_port(server));
    client.reads_body = false;
    struct buffer framed = {0};
    frame_message(&framed, 0, 8, BYTES("300 70000"));
    framed.data[4] = 9;
    framed.size = 5;
    buffer_append_text(&framed, "300 70000");
    client_submit(&client, "/test.Test/Count", "identity", buffer_view(&framed));
    while (client.received.size < 65535)
        assert_true(client_step(&client));
    usleep(50000);
    assert_int_equal(client.received.size, 65535);
    assert_int_equal(full_count, 1);
    client.reads_body = true;
    nghttp2_session_consume(client.http2, 1, 65535);
    while (!client.ended)
        assert_true(client_step(&client));
    assert_int_equal(client.received.size, 300 * 70005);
    expect_header(&client, "grpc-status: 0\n");
    assert_true(full_count > 1);
    buffer_free(&framed);
    client_stop(&client);
}

static void cancelled_calls_are_told(void **state) {
    struct client client;
    client_start(&client, grpc_server_port(server));
    int32_t stream_id = client_submit(&client, "/test.Test/Wait", "identity", BYTES("\0\0\0\0\0"));
    nghttp2_session_send(client.http2);
    usleep(30000);
    nghttp2_submit_rst_stream(client.http2, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_CANCEL);
    nghttp2_session_send(client.http2);
    call_method(&client, "/test.Test/Echo", BYTES("\0\0\0\0\0"));
    assert_int_equal(cancelled_count, 1);
    client_submit(&client, "/test.Test/Wait", "identity", BYTES("\0\0\0\0\0"));
    nghttp2_session_send(client.http2);
    client_submit(&client, "/test.Test/Count", "identity",
        BYTES("\0\0\0\0\7"
              "9 60000"));
    client.reads_body = false;
    while (client.received.size < 60000)
        assert_true(client_step(&client));
    client_stop(&client);
    grpc_server_stop(server);
    assert_int_equal(cancelled_count, 2);
    server = start("127.0.0.12", 0);
}

static void other_protocols_get_a_sentence(void **state) {
    struct client client;
    client_start(&client, grpc_server_port(server));
    static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    assert_int_equal(send(client.descriptor, request, sizeof request - 1, 0), sizeof request - 1);
    char answer[1024] = {0};
    size_t size = 0;
    for (ssize_t count = 1; count > 0; size += count > 0 ? (size_t)count : 0)
        count = recv(client.descriptor, answer + size, sizeof answer - 1 - size, 0);
    assert_non_null(strstr(answer, "This port speaks gRPC"));
    client_stop(&client);
}

static int serve(const char *address, const char *port) {
    world = world_posix_create();
    loop = world_loop_create(world, "grpc", NULL);
    int64_t number = 0;
    if (!bytes_to_int64(bytes_from_text(port), &number) || start(address, (uint16_t)number) == NULL)
        return 1;
    pause();
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "serve") == 0)
        return serve(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unary_calls_answer_and_end_with_a_status, set_up, tear_down),
        cmocka_unit_test_setup_teardown(failures_carry_message_and_details, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_one_whole_message_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(streams_of_requests_are_delivered_one_by_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_answers_wait_for_the_window, set_up, tear_down),
        cmocka_unit_test_setup_teardown(cancelled_calls_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_protocols_get_a_sentence, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
