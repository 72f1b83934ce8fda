/* net_sim_test.c: connections in the simulated world: bytes split anywhere, delays, resets, crashes of either end, from
 * many seeds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/assert.h"
#include "net/server.h"
#include "world/sim/sim.h"

enum { REQUEST_COUNT = 60, REQUEST_SIZE_MAX = 70000 };

/* A client sends numbered frames of random sizes, some of them answered from the pool; answers must come in order. */
struct run {
    struct world *world;
    struct world_loop *server_loop, *client_loop;
    struct world_pool *pool;
    struct net_server *server;
    uint16_t port;
    uint32_t sent_count, answered_count;
    int opened_count, closed_count, client_closed_count;
    bool client_ended;
};

static struct run *run;

/* ---- server: answers each frame with its number and a checksum ---- */

struct work {
    struct net_connection *connection;
    struct buffer frame;
};

static uint32_t sum_of(struct bytes frame) {
    uint32_t sum = 0;
    for (size_t i = 0; i < frame.size; i++)
        sum = sum * 31 + frame.data[i];
    return sum;
}

static void answer(struct net_connection *connection, struct bytes frame) {
    uint8_t out[12];
    store_be32(out, 8);
    memcpy(out + 4, frame.data, 4);
    store_be32(out + 8, sum_of(frame));
    net_send_copy(connection, bytes_make(out, sizeof out));
}

static void do_work(void *argument) {
}
static void work_done(void *argument) {
    struct work *work = argument;
    answer(work->connection, buffer_view(&work->frame));
    net_resume(work->connection);
    net_release(work->connection);
    buffer_free(&work->frame);
    free(work);
}

static bool server_open(struct net_connection *connection, void *context) {
    run->opened_count++;
    return true;
}

static void server_frame(struct net_connection *connection, struct bytes frame) {
    if (load_be32(frame.data) % 3 != 0) {
        answer(connection, frame);
        return;
    }
    struct work *work = calloc(1, sizeof *work);
    ASSERT(work != NULL);
    work->connection = net_retain(connection);
    work->frame = net_take_frame(connection);
    net_pause(connection);
    world_pool_run(run->pool, run->server_loop, do_work, work_done, work);
}

static void server_closed(struct net_connection *connection, const struct error *reason) {
    run->closed_count++;
}

static const struct net_protocol server_protocol = {
    .name = "numbers", .open = server_open, .frame = server_frame, .closed = server_closed};

/* ---- client ---- */

static uint32_t size_of_request(uint32_t number) {
    return 4 + number * 7919 * number % REQUEST_SIZE_MAX;
}

static uint32_t request_sum(uint32_t number, struct buffer *frame) {
    buffer_clear(frame);
    store_be32(buffer_extend(frame, 4), number);
    for (uint32_t i = 4; i < size_of_request(number); i++)
        buffer_append_byte(frame, (uint8_t)(i * 13 + number));
    return sum_of(buffer_view(frame));
}

static bool client_open(struct net_connection *connection, void *context) {
    for (run->sent_count = 0; run->sent_count < REQUEST_COUNT; run->sent_count++) {
        struct buffer frame = {0};
        uint8_t length[4];
        request_sum(run->sent_count, &frame);
        store_be32(length, (uint32_t)frame.size);
        net_send_copy(connection, bytes_make(length, 4));
        net_send_buffer(connection, &frame);
    }
    return true;
}

static void client_frame(struct net_connection *connection, struct bytes frame) {
    struct buffer request = {0};
    ASSERT(frame.size == 8 && load_be32(frame.data) == run->answered_count);
    ASSERT(load_be32(frame.data + 4) == request_sum(run->answered_count, &request));
    buffer_free(&request);
    if (++run->answered_count == REQUEST_COUNT)
        net_close(connection);
}

static void client_closed(struct net_connection *connection, const struct error *reason) {
    run->client_closed_count++;
    run->client_ended = true;
}

static const struct net_protocol client_protocol = {
    .name = "numbers", .open = client_open, .frame = client_frame, .closed = client_closed};

static void start_client(void *argument) {
    struct error error = {0};
    /* All requests are queued at once: reading must go on above the pause mark of what is to be sent. */
    struct net_limits limits = {.output_pause_size = 64 << 20};
    ASSERT(net_connect(run->client_loop, "127.0.0.1", run->port, &client_protocol, NULL, &limits, &error) != NULL);
}

static bool client_has_ended(void *argument) {
    return run->client_ended;
}

static void start_run(struct run *made, uint64_t seed) {
    static const char *const address = "127.0.0.1";
    struct error error = {0};
    *made = (struct run){.world = world_sim_create(seed)};
    run = made;
    run->server_loop = world_loop_create(run->world, "server", &error);
    run->client_loop = world_loop_create(run->world, "client", &error);
    run->pool = world_pool_create(run->world, "work", 3, WORLD_POOL_NORMAL, &error);
    struct net_server_options options = {.loop = run->server_loop,
        .addresses = &address,
        .address_count = 1,
        .protocol = &server_protocol,
        .peer_rule = NET_PEER_SAME_USER};
    run->server = net_server_start(&options, &error);
    assert_non_null(run->server);
    run->port = net_server_port(run->server);
}

static void end_run(void) {
    net_server_stop(run->server);
    sim_run_for(run->world, 1000);
    assert_int_equal(run->opened_count, run->closed_count);
    assert_int_equal(run->client_closed_count, 1);
    world_pool_destroy(run->pool);
    world_loop_destroy(run->server_loop);
    world_loop_destroy(run->client_loop);
    world_destroy(run->world);
}

static void answers_come_whole_and_in_order(void **state) {
    for (uint64_t seed = 0; seed < 12; seed++) {
        struct run made;
        start_run(&made, seed);
        world_loop_call(run->client_loop, start_client, NULL);
        assert_true(sim_run_until(run->world, client_has_ended, NULL, 600000));
        assert_int_equal(run->answered_count, REQUEST_COUNT);
        end_run();
    }
}

static void resets_end_both_sides_once(void **state) {
    int broken = 0;
    for (uint64_t seed = 100; seed < 140; seed++) {
        struct run made;
        start_run(&made, seed);
        sim_faults(run->world)->reset_ppm = 2000;
        world_loop_call(run->client_loop, start_client, NULL);
        assert_true(sim_run_until(run->world, client_has_ended, NULL, 600000));
        broken += run->answered_count < REQUEST_COUNT;
        end_run();
    }
    assert_true(broken > 10);
}

static void stopping_in_the_middle_leaves_nothing_behind(void **state) {
    for (uint64_t seed = 200; seed < 240; seed++) {
        struct run made;
        start_run(&made, seed);
        world_loop_call(run->client_loop, start_client, NULL);
        sim_run_for(run->world, (int64_t)(seed % 40));
        end_run();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_come_whole_and_in_order),
        cmocka_unit_test(resets_end_both_sides_once),
        cmocka_unit_test(stopping_in_the_middle_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
