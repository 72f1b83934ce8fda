/* http_test.c: the HTTP server as a client sees it. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/assert.h"
#include "net/http_internal.h"

#define ADDRESS "127.0.0.12"

static struct world *world;
static struct world_loop *loop;
static struct world_pool *pool;
static struct world_file *file;
static struct http_server *server;
static _Atomic int end_count, broken_count;

/* ---- handlers ---- */

static void hello(struct http_request *request, void *context) {
    http_respond_text(request, 200, "hello %.*s, you are %s", BYTES_ARGS(http_parameter(request, "name")),
        http_query(request, "as").data == NULL ? "nobody" : (const char *)http_query(request, "as").data);
}

static void rest(struct http_request *request, void *context) {
    http_add_header(request, "X-Rest", (const char *)http_parameter(request, "path").data);
    http_respond(request, 200, "text/plain", http_path(request));
}

static void echo_body(struct http_request *request, void *context) {
    http_respond(request, 201, NULL, http_body(request));
}

static void ended(struct http_request *request, void *state, bool broken) {
    end_count++;
    broken_count += broken;
}

static void do_nothing(void *argument) {
    usleep(1000);
}
static void answer_later(void *argument) {
    http_respond_text(argument, 200, "later");
}
static void later(struct http_request *request, void *context) {
    http_on_end(request, ended);
    world_pool_run(pool, loop, do_nothing, answer_later, request);
}

static struct http_request *waiting;
static void wait_for_ever(struct http_request *request, void *context) {
    http_on_end(request, ended);
    waiting = request;
}

/* Counts a body piece by piece, each after a stay in the pool. */
struct upload {
    struct http_request *request;
    uint64_t size, sum;
};
static void upload_piece(struct http_request *request, void *argument, struct bytes piece);
static void upload_next(void *argument) {
    struct upload *upload = argument;
    http_read_body(upload->request, upload_piece, upload);
}
static void upload_piece(struct http_request *request, void *argument, struct bytes piece) {
    struct upload *upload = argument;
    for (size_t i = 0; i < piece.size; i++)
        upload->sum += piece.data[i];
    upload->size += piece.size;
    if (piece.size > 0) {
        world_pool_run(pool, loop, do_nothing, upload_next, upload);
        return;
    }
    http_respond_text(request, 200, "%llu %llu", (unsigned long long)upload->size, (unsigned long long)upload->sum);
    free(upload);
}
static void upload(struct http_request *request, void *context) {
    struct upload *upload = calloc(1, sizeof *upload);
    upload->request = request;
    http_read_body(request, upload_piece, upload);
}

static void refuse_upload(struct http_request *request, void *context) {
    http_respond_redirect(request, 307, "/upload");
}

static int pieces_left;
static void give_later(void *argument) {
    char piece[10000];
    memset(piece, 'p', sizeof piece);
    http_give_piece(argument, bytes_make(piece, pieces_left-- > 0 ? sizeof piece : 0));
}
static void next_piece(struct http_request *request, void *argument, size_t size_max) {
    if (pieces_left % 2 == 0)
        world_pool_run(pool, loop, do_nothing, give_later, request);
    else
        give_later(request);
}
static void stream(struct http_request *request, void *context) {
    pieces_left = 20;
    http_respond_stream(
        request, 200, "text/plain", http_query(request, "sized").data != NULL ? 200000 : -1, next_piece, NULL);
}
static void break_piece(struct http_request *request, void *argument, size_t size_max) {
    http_break_stream(request);
}
static void broken_stream(struct http_request *request, void *context) {
    http_on_end(request, ended);
    http_respond_stream(request, 200, "text/plain", 1000, break_piece, NULL);
}
static void serve_file(struct http_request *request, void *context) {
    http_respond_file(request, 206, "application/octet-stream", file, 1000, 50000);
}

static const struct http_route routes[] = {
    {.method = "GET", .pattern = "/hello/{name}", .handler = hello},
    {.method = "GET", .pattern = "/rest/{path...}", .handler = rest},
    {.method = "POST", .pattern = "/echo", .handler = echo_body, .body_size_max = 1000},
    {.method = "GET", .pattern = "/later", .handler = later},
    {.method = "GET", .pattern = "/wait", .handler = wait_for_ever},
    {.method = "PUT", .pattern = "/upload", .handler = upload, .body_mode = HTTP_BODY_STREAMED},
    {.method = "PUT", .pattern = "/redirect", .handler = refuse_upload, .body_mode = HTTP_BODY_STREAMED},
    {.method = "GET", .pattern = "/stream", .handler = stream},
    {.method = "GET", .pattern = "/broken", .handler = broken_stream},
    {.method = "GET", .pattern = "/file", .handler = serve_file},
};

/* ---- a client ---- */

static int client_connect(void) {
    int client = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(http_server_port(server))};
    inet_pton(AF_INET, ADDRESS, &where.sin_addr);
    assert_int_equal(connect(client, (struct sockaddr *)&where, sizeof where), 0);
    struct timeval timeout = {.tv_sec = 10};
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    return client;
}

static void client_send(int client, const void *data, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t count = send(client, (const char *)data + done, size - done, MSG_NOSIGNAL);
        assert_true(count > 0);
        done += (size_t)count;
    }
}

/* Everything until the server closes (requests say Connection: close). */
static struct buffer client_receive(int client) {
    struct buffer answer = {0};
    ssize_t count;
    while ((count = recv(client, buffer_reserve(&answer, 16384), 16384, 0)) > 0)
        answer.size += (size_t)count;
    buffer_text(&answer);
    return answer;
}

/* One request on a connection of its own; free the answer. */
static struct buffer ask(const char *request_line, const char *headers, struct bytes body) {
    struct buffer request = {0};
    buffer_printf(&request, "%s HTTP/1.1\r\nConnection: close\r\n%s\r\n", request_line, headers);
    buffer_append_bytes(&request, body);
    int client = client_connect();
    client_send(client, request.data, request.size);
    buffer_free(&request);
    struct buffer answer = client_receive(client);
    close(client);
    return answer;
}

static void expect(
    const char *request_line, const char *headers, struct bytes body, const char *status, const char *text) {
    struct buffer answer = ask(request_line, headers, body);
    char start[32];
    snprintf(start, sizeof start, "HTTP/1.1 %s ", status);
    if (answer.size == 0 || strncmp((char *)answer.data, start, strlen(start)) != 0 ||
        strstr((char *)answer.data, text) == NULL)
        fail_msg("%s: expected %s and \"%s\", got: %.2000s", request_line, status, text,
            answer.size > 0 ? (char *)answer.data : "nothing");
    buffer_free(&answer);
}

#define HOST "Host: localhost\r\n"

static int set_up(void **state) {
    world = world_posix_create();
    loop = world_loop_create(world, "http", NULL);
    pool = world_pool_create(world, "http", 2, WORLD_POOL_NORMAL, NULL);
    end_count = broken_count = 0;
    static const char *const addresses[] = {ADDRESS}, *const names[] = {"mine.example"};
    struct http_server_options options = {.loop = loop,
        .addresses = addresses,
        .address_count = 1,
        .routes = routes,
        .route_count = ARRAY_COUNT(routes),
        .host_names = names,
        .host_name_count = 1,
        .server_name = "Raudal",
        .peer_rule = NET_PEER_SAME_USER};
    server = http_server_start(&options, NULL);
    return server == NULL;
}

static int tear_down(void **state) {
    http_server_stop(server);
    world_pool_destroy(pool);
    world_loop_destroy(loop);
    world_destroy(world);
    return 0;
}

static void routes_and_parameters(void **state) {
    expect("GET /hello/ana%20b?as=c+d%26e&x", HOST, BYTES(""), "200", "hello ana b, you are c d&e");
    expect("GET /hello/ana", HOST, BYTES(""), "200", "you are nobody");
    expect("GET /rest/a/b%2520/", HOST, BYTES(""), "200", "X-Rest: a/b%20/");
    expect("GET /rest", HOST, BYTES(""), "200", "\r\n\r\n/rest");
    expect("GET /hello/", HOST, BYTES(""), "404", "There is no page /hello/ here.");
    expect("GET /hello/a/b", HOST, BYTES(""), "404", "/hello/a/b");
    expect("DELETE /later", HOST, BYTES(""), "405", "Allow: GET");
    expect("GET /rest/%zz", HOST, BYTES(""), "400", "not well-formed");
    expect("GET /rest/a%00b", HOST, BYTES(""), "400", "not well-formed");
    expect("GET /rest/%c3%28", HOST, BYTES(""), "400", "not well-formed");
    struct buffer answer = ask("HEAD /hello/ana", HOST, BYTES(""));
    assert_non_null(strstr((char *)answer.data, "Content-Length: 26"));
    assert_null(strstr((char *)answer.data, "hello"));
    buffer_free(&answer);
}

static void answers_carry_security_headers(void **state) {
    expect("GET /later", HOST, BYTES(""), "200", "Content-Security-Policy: default-src 'self';");
    expect("GET /later", HOST, BYTES(""), "200", "X-Content-Type-Options: nosniff");
    expect("GET /none", HOST, BYTES(""), "404", "frame-ancestors 'none'");
}

static void foreign_hosts_and_origins_are_refused(void **state) {
    static const char *const good[] = {"localhost", "LOCALHOST:8080", "127.0.0.1:9", "127.8.9.1", "[::1]:80", "kafka",
        "mine.example:1", ADDRESS, "spark-master", "localhost."};
    static const char *const bad[] = {
        "evil.example", "127.0.0.1.evil.example", "localhost.evil", "10.0.0.1", "[fe80::1]", "xkafka"};
    char headers[200];
    for (size_t i = 0; i < ARRAY_COUNT(good); i++) {
        snprintf(headers, sizeof headers, "Host: %s\r\nOrigin: http://%s\r\n", good[i], good[i]);
        expect("GET /later", headers, BYTES(""), "200", "later");
    }
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++) {
        snprintf(headers, sizeof headers, "Host: %s\r\n", bad[i]);
        expect("GET /later", headers, BYTES(""), "421", bad[i]);
        snprintf(headers, sizeof headers, HOST "Origin: http://%s\r\n", bad[i]);
        expect("GET /later", headers, BYTES(""), "403", bad[i]);
    }
    expect("POST /echo", HOST "Origin: null\r\nContent-Length: 1\r\n", BYTES("x"), "403", "may not use");
    expect("GET /later", HOST "Origin: null\r\n", BYTES(""), "200", "later");
}

static void bodies_are_buffered_up_to_a_limit(void **state) {
    char body[2001], headers[100];
    memset(body, 'b', sizeof body);
    body[1000] = '\0';
    snprintf(headers, sizeof headers, HOST "Content-Length: 1000\r\n");
    expect("POST /echo", headers, bytes_make(body, 1000), "201", body);
    expect("POST /echo", HOST "Content-Length: 1001\r\n", BYTES(""), "413", "larger than the 1000 bytes");
    expect("POST /echo", HOST "Content-Length: 0\r\n", BYTES(""), "201", "");
    struct buffer chunks = {0};
    for (int i = 0; i < 11; i++)
        buffer_printf(&chunks, "64\r\n%.100s\r\n", body);
    buffer_append_text(&chunks, "0\r\n\r\n");
    expect(
        "POST /echo", HOST "Transfer-Encoding: chunked\r\n", buffer_view(&chunks), "413", "larger than the 1000 bytes");
    buffer_free(&chunks);
}

static void bodies_are_streamed_at_the_pace_of_the_reader(void **state) {
    size_t size = 3000000;
    uint8_t *body = malloc(size);
    uint64_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum += body[i] = (uint8_t)(i * 31 >> 3);
    char headers[100], expected[64];
    snprintf(headers, sizeof headers, HOST "Content-Length: %zu\r\n", size);
    snprintf(expected, sizeof expected, "%zu %llu", size, (unsigned long long)sum);
    expect("PUT /upload", headers, bytes_make(body, size), "200", expected);
    expect("PUT /upload", HOST, BYTES(""), "200", "0 0");
    expect("PUT /upload", HOST "Transfer-Encoding: chunked\r\n", BYTES("3\r\n\1\2\3\r\n0\r\n\r\n"), "200", "3 6");
    expect("PUT /redirect", HOST "Content-Length: 1000\r\nExpect: 100-continue\r\n", BYTES(""), "307",
        "Location: /upload");
    free(body);
}

static size_t body_size(const struct buffer *answer) {
    const char *end = strstr((const char *)answer->data, "\r\n\r\n");
    assert_non_null(end);
    return answer->size - (size_t)(end + 4 - (const char *)answer->data);
}

static void answers_are_streamed(void **state) {
    struct buffer answer = ask("GET /stream?sized", HOST, BYTES(""));
    assert_int_equal(body_size(&answer), 200000);
    buffer_free(&answer);
    answer = ask("GET /stream", HOST, BYTES(""));
    assert_non_null(strstr((char *)answer.data, "Transfer-Encoding: chunked"));
    assert_true(body_size(&answer) > 200000);
    assert_non_null(strstr((char *)answer.data, "\r\n0\r\n\r\n"));
    buffer_free(&answer);
    answer = ask("GET /broken", HOST, BYTES(""));
    assert_int_equal(body_size(&answer), 0);
    buffer_free(&answer);
    assert_int_equal(broken_count, 1);
}

static void files_are_sent_from_an_offset(void **state) {
    char path[] = "/tmp/http_test_XXXXXX";
    int descriptor = mkstemp(path);
    uint8_t data[60000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i / 3);
    assert_int_equal(write(descriptor, data, sizeof data), sizeof data);
    close(descriptor);
    file = world_file_open(world, path, WORLD_OPEN_READ, 0, NULL);
    unlink(path);
    struct buffer answer = ask("GET /file", HOST, BYTES(""));
    assert_int_equal(body_size(&answer), 50000);
    assert_memory_equal(answer.data + answer.size - 50000, data + 1000, 50000);
    buffer_free(&answer);
    world_file_close(file);
}

static void connections_are_kept_alive_and_pipelined(void **state) {
    int client = client_connect();
    static const char requests[] = "GET /later HTTP/1.1\r\n" HOST "\r\nGET /hello/x HTTP/1.1\r\n" HOST "\r\n"
                                   "GET /later HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n";
    client_send(client, requests, sizeof requests - 1);
    struct buffer answer = client_receive(client);
    const char *first = strstr((char *)answer.data, "later"), *second = strstr(first, "hello x"),
               *third = strstr(second, "later");
    assert_non_null(third);
    buffer_free(&answer);
    close(client);
    assert_int_equal(end_count, 2);
    assert_int_equal(broken_count, 0);
}

static void answer_waiting(void *argument) {
    http_respond_text(waiting, 200, "too late");
}

static void stopping_breaks_requests_that_wait(void **state) {
    int client = client_connect();
    static const char request[] = "GET /wait HTTP/1.1\r\n" HOST "\r\n";
    client_send(client, request, sizeof request - 1);
    usleep(50000);
    http_server_stop(server);
    server = NULL;
    assert_int_equal(broken_count, 1);
    world_loop_call(loop, answer_waiting, NULL);
    struct buffer answer = client_receive(client);
    assert_int_equal(answer.size, 0);
    buffer_free(&answer);
    close(client);
}

static void text_is_encoded_and_decoded(void **state) {
    struct buffer out = {0};
    http_encode(BYTES("a b/ñ%"), "/", &out);
    assert_string_equal(buffer_text(&out), "a%20b/%C3%B1%25");
    buffer_clear(&out);
    assert_true(http_decode(BYTES("a+b%2f%C3%B1"), false, &out));
    assert_string_equal(buffer_text(&out), "a+b/ñ");
    assert_false(http_decode(BYTES("%"), false, &out));
    assert_false(http_decode(BYTES("%4"), false, &out));
    assert_false(http_decode(BYTES("%4g"), false, &out));
    buffer_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_encoded_and_decoded),
        cmocka_unit_test_setup_teardown(routes_and_parameters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answers_carry_security_headers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(foreign_hosts_and_origins_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bodies_are_buffered_up_to_a_limit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bodies_are_streamed_at_the_pace_of_the_reader, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answers_are_streamed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_are_sent_from_an_offset, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connections_are_kept_alive_and_pipelined, set_up, tear_down),
        cmocka_unit_test_setup_teardown(stopping_breaks_requests_that_wait, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
