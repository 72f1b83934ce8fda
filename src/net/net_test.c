/* net_test.c: servers and connections over real loopback sockets. The clients here are plain blocking sockets, as
 * unmodified clients are. */
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
#include "net/server.h"

#define ADDRESS "127.0.0.12"

static struct world *world;
static struct world_loop *loop;
static struct world_pool *pool;

static int set_up(void **state) {
    world = world_posix_create();
    loop = world_loop_create(world, "test", NULL);
    pool = world_pool_create(world, "test", 2, WORLD_POOL_NORMAL, NULL);
    return 0;
}

static int tear_down(void **state) {
    world_pool_destroy(pool);
    world_loop_destroy(loop);
    world_destroy(world);
    return 0;
}

/* ---- a blocking client ---- */

static int client_connect(uint16_t port) {
    int client = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, ADDRESS, &where.sin_addr);
    assert_int_equal(connect(client, (struct sockaddr *)&where, sizeof where), 0);
    struct timeval timeout = {.tv_sec = 10};
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    return client;
}

static void client_send(int client, const void *data, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t count = send(client, (const uint8_t *)data + done, size - done, MSG_NOSIGNAL);
        assert_true(count > 0);
        done += (size_t)count;
    }
}

/* Reads exactly size bytes; false at an early end. */
static bool client_receive(int client, void *out, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t count = recv(client, (uint8_t *)out + done, size - done, 0);
        if (count <= 0)
            return false;
        done += (size_t)count;
    }
    return true;
}

static void client_send_frame(int client, struct bytes frame) {
    uint8_t length[4];
    store_be32(length, (uint32_t)frame.size);
    client_send(client, length, 4);
    client_send(client, frame.data, frame.size);
}

static bool client_is_ended(int client) {
    char byte;
    return recv(client, &byte, 1, 0) <= 0;
}

/* ---- a protocol that answers frames in several ways, named by their first letter ---- */

static struct world_file *served_file;
static _Atomic int open_count, closed_count, last_reason, released_count, writable_count;

static bool echo_open(struct net_connection *connection, void *context) {
    net_set_state(connection, context);
    open_count++;
    return true;
}

static void send_length(struct net_connection *connection, size_t size) {
    uint8_t length[4];
    store_be32(length, (uint32_t)size);
    net_send_copy(connection, bytes_make(length, 4));
}

static void count_release(void *argument) {
    released_count++;
}

struct later {
    struct net_connection *connection;
    struct buffer frame;
};

static void later_work(void *argument) {
    struct later *later = argument;
    for (size_t i = 0; i < later->frame.size; i++)
        later->frame.data[i] = (uint8_t)(later->frame.data[i] ^ 0x20);
}

static void later_done(void *argument) {
    struct later *later = argument;
    send_length(later->connection, later->frame.size);
    net_send_buffer(later->connection, &later->frame);
    net_resume(later->connection);
    net_release(later->connection);
    free(later);
}

static const char constant_text[] = "constant";

static void echo_frame(struct net_connection *connection, struct bytes frame) {
    struct error error = {0};
    switch (frame.size == 0 ? 'e' : frame.data[0]) {
    case 'f': /* a file range between two pieces of memory */
        send_length(connection, 2 + 100000);
        net_send_copy(connection, BYTES("<"));
        net_send_file(connection, served_file, 50000, 100000, count_release, NULL);
        net_send_copy(connection, BYTES(">"));
        break;
    case 'r':
        send_length(connection, 8);
        net_send_bytes(connection, bytes_make(constant_text, 8), count_release, NULL);
        break;
    case 'l': { /* later, from a pool; the next frame waits */
        struct later *later = calloc(1, sizeof *later);
        later->connection = net_retain(connection);
        later->frame = net_take_frame(connection);
        net_pause(connection);
        world_pool_run(pool, loop, later_work, later_done, later);
        break;
    }
    case 'c':
        send_length(connection, 3);
        net_send_copy(connection, BYTES("bye"));
        net_close(connection);
        break;
    case 'a':
        error_set(&error, ERROR_DENIED, "no");
        net_abort(connection, &error);
        break;
    default:
        send_length(connection, frame.size);
        net_send_copy(connection, frame);
    }
}

static void echo_refused(struct net_connection *connection, int32_t size) {
    net_send_copy(connection, BYTES("too large"));
}

static void echo_writable(struct net_connection *connection) {
    writable_count++;
}

static void echo_closed(struct net_connection *connection, const struct error *reason) {
    ASSERT(net_is_closed(connection));
    last_reason = (int)reason->code;
    closed_count++;
}

static const struct net_protocol echo = {
    .name = "echo",
    .open = echo_open,
    .frame = echo_frame,
    .frame_refused = echo_refused,
    .writable = echo_writable,
    .closed = echo_closed,
};

static struct net_server *start_server(struct net_limits limits, const struct net_protocol *protocol) {
    static const char *const addresses[] = {ADDRESS};
    struct error error = {0};
    open_count = closed_count = released_count = writable_count = 0;
    struct net_server_options options = {.loop = loop,
        .addresses = addresses,
        .address_count = 1,
        .protocol = protocol,
        .limits = limits,
        .peer_rule = NET_PEER_SAME_USER};
    struct net_server *server = net_server_start(&options, &error);
    if (server == NULL)
        fail_msg("%s", error.message);
    return server;
}

static void expect_frame(int client, struct bytes expected) {
    uint8_t length[4], data[256];
    assert_true(client_receive(client, length, 4));
    assert_int_equal(load_be32(length), expected.size);
    assert_true(client_receive(client, data, expected.size));
    assert_memory_equal(data, expected.data, expected.size);
}

static void frames_come_whole_however_they_are_split(void **state) {
    struct net_server *server = start_server((struct net_limits){0}, &echo);
    int client = client_connect(net_server_port(server));
    static const char stream[] = "\0\0\0\5hello\0\0\0\0\0\0\0\3yes";
    for (size_t i = 0; i < sizeof stream - 1; i++) {
        client_send(client, stream + i, 1);
        usleep(300);
    }
    expect_frame(client, BYTES("hello"));
    expect_frame(client, BYTES(""));
    expect_frame(client, BYTES("yes"));
    client_send(client, stream, sizeof stream - 1);
    expect_frame(client, BYTES("hello"));
    expect_frame(client, BYTES(""));
    expect_frame(client, BYTES("yes"));
    close(client);
    net_server_stop(server);
    assert_int_equal(open_count, 1);
    assert_int_equal(closed_count, 1);
}

static void answers_that_come_later_keep_the_order_of_the_requests(void **state) {
    struct net_server *server = start_server((struct net_limits){0}, &echo);
    int client = client_connect(net_server_port(server));
    for (int i = 0; i < 50; i++) {
        client_send_frame(client, BYTES("later"));
        client_send_frame(client, BYTES("now"));
    }
    for (int i = 0; i < 50; i++) {
        expect_frame(client, BYTES("LATER"));
        expect_frame(client, BYTES("now"));
    }
    client_send_frame(client, BYTES("later")); /* and one whose client is gone */
    close(client);
    net_server_stop(server);
    assert_int_equal(closed_count, 1);
}

static void large_frames_echo_while_the_client_reads_slowly(void **state) {
    struct net_server *server = start_server((struct net_limits){0}, &echo);
    int client = client_connect(net_server_port(server));
    size_t size = 5 << 20;
    uint8_t *data = malloc(size), *back = malloc(size);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    data[0] = 'x';
    uint8_t length[4];
    for (int round = 0; round < 2; round++) {
        client_send_frame(client, bytes_make(data, size));
        assert_true(client_receive(client, length, 4));
        assert_int_equal(load_be32(length), size);
        assert_true(client_receive(client, back, size));
        assert_memory_equal(data, back, size);
        client_send_frame(client, BYTES("small")); /* delivered only after the output drained */
        expect_frame(client, BYTES("small"));
    }
    assert_int_equal(writable_count, 2);
    free(data);
    free(back);
    close(client);
    net_server_stop(server);
}

static void files_and_referenced_bytes_are_sent_in_order_and_released(void **state) {
    char path[] = "/tmp/net_test_XXXXXX";
    int descriptor = mkstemp(path);
    uint8_t *data = malloc(200000);
    for (size_t i = 0; i < 200000; i++)
        data[i] = (uint8_t)(i / 7);
    assert_int_equal(write(descriptor, data, 200000), 200000);
    close(descriptor);
    served_file = world_file_open(world, path, WORLD_OPEN_READ, 0, NULL);
    struct net_server *server = start_server((struct net_limits){0}, &echo);
    int client = client_connect(net_server_port(server));
    uint8_t *back = malloc(100006);
    for (int i = 0; i < 3; i++) {
        client_send_frame(client, BYTES("f"));
        client_send_frame(client, BYTES("r"));
        assert_true(client_receive(client, back, 100006));
        assert_int_equal(load_be32(back), 100002);
        assert_int_equal(back[4], '<');
        assert_memory_equal(back + 5, data + 50000, 100000);
        assert_int_equal(back[100005], '>');
        expect_frame(client, BYTES("constant"));
    }
    client_send_frame(client, BYTES("f")); /* a file that became shorter ends the connection, not the process */
    assert_int_equal(truncate(path, 60000), 0);
    while (!client_is_ended(client))
        continue;
    close(client);
    net_server_stop(server);
    assert_int_equal(released_count, 7);
    world_file_close(served_file);
    unlink(path);
    free(data);
    free(back);
}

static void oversized_frames_end_their_connection_only(void **state) {
    struct net_server *server = start_server((struct net_limits){.frame_size_max = 1000}, &echo);
    int other = client_connect(net_server_port(server));
    client_send_frame(other, BYTES("before"));
    expect_frame(other, BYTES("before"));
    static const char *const lengths[] = {"\0\0\3\xe9", "\x7f\xff\xff\xff", "\xff\xff\xff\xff"};
    for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
        int client = client_connect(net_server_port(server));
        client_send(client, lengths[i], 4);
        char answer[9];
        assert_true(client_receive(client, answer, 9));
        assert_memory_equal(answer, "too large", 9);
        assert_true(client_is_ended(client));
        close(client);
    }
    client_send_frame(other, BYTES("then"));
    expect_frame(other, BYTES("then"));
    close(other);
    net_server_stop(server);
}

static void close_flushes_and_abort_does_not_wait(void **state) {
    struct net_server *server = start_server((struct net_limits){0}, &echo);
    int client = client_connect(net_server_port(server));
    client_send_frame(client, BYTES("c"));
    expect_frame(client, BYTES("bye"));
    assert_true(client_is_ended(client));
    close(client);
    client = client_connect(net_server_port(server));
    client_send_frame(client, BYTES("a"));
    assert_true(client_is_ended(client));
    close(client);
    net_server_stop(server);
    assert_int_equal(closed_count, 2);
    assert_int_equal(last_reason, ERROR_DENIED);
}

static void limits_on_connections_hold(void **state) {
    struct net_server *server = start_server((struct net_limits){.connection_per_address_max = 2}, &echo);
    int first = client_connect(net_server_port(server)), second = client_connect(net_server_port(server));
    client_send_frame(first, BYTES("one"));
    expect_frame(first, BYTES("one"));
    client_send_frame(second, BYTES("two"));
    expect_frame(second, BYTES("two"));
    int third = client_connect(net_server_port(server));
    assert_true(client_is_ended(third));
    assert_int_equal(net_server_connection_count(server), 2);
    close(first);
    close(second);
    close(third);
    net_server_stop(server);
    assert_int_equal(open_count, 2);
}

static void idle_connections_are_closed(void **state) {
    struct net_server *server = start_server((struct net_limits){.idle_timeout_ms = 200}, &echo);
    int client = client_connect(net_server_port(server));
    for (int i = 0; i < 4; i++) {
        usleep(60000);
        client_send_frame(client, BYTES("busy"));
        expect_frame(client, BYTES("busy"));
    }
    assert_true(client_is_ended(client));
    close(client);
    net_server_stop(server);
    assert_int_equal(last_reason, ERROR_TIMEOUT);
}

static void a_port_in_use_is_named(void **state) {
    struct net_server *server = start_server((struct net_limits){0}, &echo);
    static const char *const addresses[] = {ADDRESS};
    struct error error = {0};
    struct net_server_options options = {
        .loop = loop, .addresses = addresses, .address_count = 1, .port = net_server_port(server), .protocol = &echo};
    assert_null(net_server_start(&options, &error));
    assert_int_equal(error.code, ERROR_BUSY);
    assert_non_null(strstr(error.message, ADDRESS));
    net_server_stop(server);
}

/* ---- a client connection of ours ---- */

static struct world_mutex answered;
static char answer_text[32];

static bool ask_open(struct net_connection *connection, void *context) {
    send_length(connection, 8);
    net_send_copy(connection, BYTES("question"));
    return true;
}
static void ask_frame(struct net_connection *connection, struct bytes frame) {
    snprintf(answer_text, sizeof answer_text, "%.*s", BYTES_ARGS(frame));
    net_close(connection);
}
static void ask_closed(struct net_connection *connection, const struct error *reason) {
    if (reason->code != ERROR_NONE)
        snprintf(answer_text, sizeof answer_text, "%s", error_code_name(reason->code));
    world_mutex_unlock(&answered);
}
static const struct net_protocol ask = {.name = "ask", .open = ask_open, .frame = ask_frame, .closed = ask_closed};

static void start_asking(void *argument) {
    world_mutex_lock(&answered);
    struct error error = {0};
    struct net_connection *connection = net_connect(loop, ADDRESS, *(uint16_t *)argument, &ask, NULL, NULL, &error);
    ASSERT(connection != NULL);
}

static void clients_of_ours_connect_and_learn_of_failures(void **state) {
    struct net_server *server = start_server((struct net_limits){0}, &echo);
    uint16_t port = net_server_port(server);
    world_mutex_init(&answered);
    world_loop_call(loop, start_asking, &port);
    world_mutex_lock(&answered);
    assert_string_equal(answer_text, "question");
    world_mutex_unlock(&answered);
    net_server_stop(server);
    world_loop_call(loop, start_asking, &port);
    world_mutex_lock(&answered);
    assert_string_equal(answer_text, "closed");
    world_mutex_unlock(&answered);
}

static void endpoints_may_have_a_port_of_their_own(void **state) {
    static const struct {
        const char *text, *address;
        uint16_t port;
    } rows[] = {{"127.0.0.1", "127.0.0.1", 7}, {"127.0.0.1:9092", "127.0.0.1", 9092}, {"::1", "::1", 7},
        {"[::1]:9092", "::1", 9092}, {"[::1]", "::1", 7}, {"127.0.0.1:99999", "127.0.0.1", 7}, {"", "", 7}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct net_endpoint endpoint = net_endpoint_parse(rows[i].text, 7);
        assert_string_equal(endpoint.address, rows[i].address);
        assert_int_equal(endpoint.port, rows[i].port);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints_may_have_a_port_of_their_own),
        cmocka_unit_test_setup_teardown(frames_come_whole_however_they_are_split, set_up, tear_down),
        cmocka_unit_test_setup_teardown(answers_that_come_later_keep_the_order_of_the_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(large_frames_echo_while_the_client_reads_slowly, set_up, tear_down),
        cmocka_unit_test_setup_teardown(files_and_referenced_bytes_are_sent_in_order_and_released, set_up, tear_down),
        cmocka_unit_test_setup_teardown(oversized_frames_end_their_connection_only, set_up, tear_down),
        cmocka_unit_test_setup_teardown(close_flushes_and_abort_does_not_wait, set_up, tear_down),
        cmocka_unit_test_setup_teardown(limits_on_connections_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(idle_connections_are_closed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_port_in_use_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(clients_of_ours_connect_and_learn_of_failures, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
