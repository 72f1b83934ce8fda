/* sim_test.c: the simulated machine: same seed same run, what a crash keeps, faults, virtual time, sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/assert.h"
#include "world/sim/sim.h"

/* ---- loops, pools, time ---- */

struct busy {
    struct world *world;
    struct world_loop *loops[3];
    struct world_pool *pool;
    int left;
    int64_t ended_ms;
};

static void busy_task(void *argument) {
}
static void busy_done(void *argument) {
    struct busy *busy = argument;
    if (busy->left == 0)
        return;
    busy->left--;
    uint64_t next = world_random_u64(busy->world) % 3;
    world_pool_run(busy->pool, busy->loops[next], busy_task, busy_done, busy);
    world_loop_post(busy->loops[(next + 1) % 3], busy_task, NULL);
}

static uint64_t run_busy(uint64_t seed) {
    struct busy busy = {.world = world_sim_create(seed), .left = 500};
    for (int i = 0; i < 3; i++)
        busy.loops[i] = world_loop_create(busy.world, "busy", NULL);
    busy.pool = world_pool_create(busy.world, "pool", 2, WORLD_POOL_NORMAL, NULL);
    for (int i = 0; i < 4; i++)
        world_loop_post(busy.loops[i % 3], busy_done, &busy);
    while (sim_step(busy.world))
        continue;
    assert_int_equal(busy.left, 0);
    uint64_t fingerprint = sim_fingerprint(busy.world);
    world_pool_destroy(busy.pool);
    for (int i = 0; i < 3; i++)
        world_loop_destroy(busy.loops[i]);
    world_destroy(busy.world);
    return fingerprint;
}

static void the_seed_decides_the_run(void **state) {
    assert_true(run_busy(1) == run_busy(1));
    assert_true(run_busy(1) != run_busy(2));
}

struct waiting {
    struct world_timer *timer;
    int count;
};
static void count_tick(void *argument) {
    ((struct waiting *)argument)->count++;
}
static void make_timer(void *argument) {
    struct waiting *waiting = ((void **)argument)[1];
    waiting->timer = world_timer_create(((void **)argument)[0], count_tick, waiting);
    world_timer_start(waiting->timer, 3600000, 60000);
}
static void drop_timer(void *argument) {
    world_timer_destroy(((struct waiting *)argument)->timer);
}
static bool ticked_five(void *argument) {
    return ((struct waiting *)argument)->count == 5;
}

static void hours_pass_at_once(void **state) {
    struct world *world = world_sim_create(7);
    struct world_loop *loop = world_loop_create(world, "time", NULL);
    struct waiting waiting = {0};
    int64_t start_ms = world_wall_ms(world);
    world_loop_call(loop, make_timer, (void *[]){loop, &waiting});
    sim_run_for(world, 3599999);
    assert_int_equal(waiting.count, 0);
    assert_true(sim_run_until(world, ticked_five, &waiting, 10000000));
    assert_int_equal(world_wall_ms(world) - start_ms, 3600000 + 4 * 60000);
    assert_false(sim_run_until(world, ticked_five, &(struct waiting){0}, 1000));
    world_loop_call(loop, drop_timer, &waiting);
    assert_false(sim_step(world));
    world_loop_destroy(loop);
    world_destroy(world);
}

/* ---- disk ---- */

static void put(struct world *world, const char *path, const char *text, int64_t offset, bool sync) {
    struct error error = {0};
    struct world_file *file =
        world_file_open(world, path, WORLD_OPEN_READ | WORLD_OPEN_WRITE | WORLD_OPEN_CREATE, 0644, &error);
    if (file == NULL || !world_file_write(file, text, strlen(text), offset, &error) ||
        (sync && !world_file_sync(file, &error)))
        fail_msg("%s", error.message);
    world_file_close(file);
}

static char *get(struct world *world, const char *path) {
    static char text[8192];
    struct buffer content = {0};
    if (!world_read_file(world, path, sizeof text - 1, &content, NULL))
        return NULL;
    memcpy(text, content.data, content.size + 1);
    buffer_free(&content);
    return text;
}

static void files_behave_as_on_a_real_disk(void **state) {
    struct world *world = world_sim_create(1);
    struct error error = {0};
    assert_true(world_mkdirs(world, "/data/kafka/t-0", 0755, &error));
    put(world, "/data/kafka/t-0/a", "hello", 8190, false);
    struct world_file *file =
        world_file_open(world, "/data/kafka/t-0/a", WORLD_OPEN_READ | WORLD_OPEN_WRITE, 0, &error);
    assert_int_equal(world_file_size(file, &error), 8195);
    struct world_map *map = world_file_map(file, 4096, 4099, &error);
    assert_memory_equal(world_map_view(map).data + 4094, "hello", 5);
    assert_true(world_file_write(file, "J", 1, 8190, &error));
    assert_memory_equal(world_map_view(map).data + 4094, "Jello", 5); /* a map sees later writes */
    assert_true(world_file_truncate(file, 8191, &error) && world_file_truncate(file, 8195, &error));
    char out[8];
    assert_int_equal(world_file_read(file, out, 8, 8190, &error), 5);
    assert_memory_equal(out, "J\0\0\0\0", 5);
    assert_true(world_unlink(world, "/data/kafka/t-0/a", &error));
    assert_int_equal(world_file_size(file, &error), 8195); /* still open */
    world_map_close(map);
    world_file_close(file);
    put(world, "/data/b", "1", 0, false);
    put(world, "/data/c", "2", 0, false);
    assert_false(world_rename_new(world, "/data/b", "/data/c", &error));
    assert_int_equal(error.code, ERROR_EXISTS);
    assert_true(world_rename(world, "/data/b", "/data/c", &error));
    assert_string_equal(get(world, "/data/c"), "1");
    assert_false(world_rename(world, "/data/kafka", "/data/kafka/t-0/x", &error));
    assert_false(world_rmdir(world, "/data/kafka", &error));
    assert_int_equal(error.code, ERROR_NOT_EMPTY);
    assert_true(world_xattr_set(world, "/data/c", "user.x", BYTES("value"), &error));
    assert_int_equal(world_xattr_get(world, "/data/c", "user.x", out, 8, &error), 5);
    assert_true(world_remove_tree(world, "/data", &error));
    struct world_names names = {0};
    assert_true(world_list(world, "/", &names, &error));
    assert_int_equal(names.count, 0);
    world_names_free(&names);
    world_destroy(world);
}

static void a_killed_process_loses_nothing_it_wrote(void **state) {
    struct world *world = world_sim_create(3);
    world_mkdirs(world, "/d", 0755, NULL);
    put(world, "/d/a", "written", 0, false);
    world_xattr_set(world, "/d/a", "user.x", BYTES("v"), NULL);
    struct world *after = sim_crash(world, SIM_CRASH_PROCESS, 9);
    world_destroy(world);
    assert_string_equal(get(after, "/d/a"), "written");
    char out[4];
    assert_int_equal(world_xattr_get(after, "/d/a", "user.x", out, 4, NULL), 1);
    world_destroy(after);
}

static void a_power_cut_keeps_what_was_synced_and_some_of_the_rest(void **state) {
    int absent = 0, whole = 0, torn = 0, renamed = 0;
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct world *world = world_sim_create(seed);
        assert_true(world_mkdirs(world, "/d", 0755, NULL) && world_sync_directory(world, "/", NULL));
        char block[4097];
        memset(block, 'x', 4096);
        block[4096] = '\0';
        put(world, "/d/safe", "synced", 0, true);
        assert_true(world_write_file(world, "/d/whole", BYTES("by rename"), true, NULL)); /* syncs /d */
        put(world, "/d/safe", block, 6, false);
        put(world, "/d/new", "name not synced", 0, true);
        assert_true(world_rename(world, "/d/whole", "/d/moved", NULL));
        struct world *after = sim_crash(world, SIM_CRASH_POWER, seed);
        world_destroy(world);
        char *safe = get(after, "/d/safe");
        assert_memory_equal(safe, "synced", 6);
        size_t extra = strlen(safe) - 6;
        assert_true(extra == 4096 || (extra + 6) % 512 == 0 || extra == 0);
        absent += extra == 0;
        whole += extra == 4096;
        torn += extra > 0 && extra < 4096;
        const char *survivor = world_exists(after, "/d/moved") ? "/d/moved" : "/d/whole";
        assert_string_equal(get(after, survivor), "by rename"); /* under exactly one of its names */
        assert_true(world_exists(after, "/d/moved") != world_exists(after, "/d/whole"));
        renamed += world_exists(after, "/d/moved");
        if (renamed > 0 && world_exists(after, "/d/moved"))
            assert_true(world_exists(after, "/d/new")); /* changes of names survive in order */
        world_destroy(after);
    }
    assert_true(absent > 40 && whole > 40 && torn > 40 && renamed > 40 && renamed < 360);
}

static void journaling_keeps_names_before_a_synced_file(void **state) {
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct world *world = world_sim_create(seed);
        sim_faults(world)->ordered_metadata = true;
        world_mkdirs(world, "/a/b", 0755, NULL);
        put(world, "/a/b/file", "text", 0, seed % 2 == 0);
        assert_true(seed % 2 == 0 || world_sync_everything(world, "/a", NULL));
        struct world *after = sim_crash(world, SIM_CRASH_POWER, seed);
        assert_true(world_boot_id(after) != world_boot_id(world));
        world_destroy(world);
        assert_string_equal(get(after, "/a/b/file"), "text");
        world_destroy(after);
    }
}

static void faults_come_at_their_rate(void **state) {
    struct world *world = world_sim_create(11);
    struct error error = {0};
    struct world_file *file =
        world_file_open(world, "/f", WORLD_OPEN_READ | WORLD_OPEN_WRITE | WORLD_OPEN_CREATE, 0644, &error);
    sim_faults(world)->write_error_ppm = 300000;
    int failures = 0;
    for (int i = 0; i < 1000; i++)
        failures += !world_file_write(file, "0123456789", 10, i * 10, &error);
    assert_true(failures > 200 && failures < 400);
    assert_int_equal(error.code, ERROR_IO);
    sim_faults(world)->write_error_ppm = 0;
    sim_faults(world)->sync_error_ppm = 1000000;
    assert_false(world_file_sync(file, &error));
    sim_faults(world)->disk_size = 16384;
    char block[4096] = {0};
    assert_true(world_file_write(file, block, sizeof block, 2 << 20, &error));
    assert_false(world_file_write(file, block, sizeof block, 1 << 20, &error));
    assert_int_equal(error.code, ERROR_NO_SPACE);
    world_file_close(file);
    sim_flip_bit(world, "/f", 100, 3);
    world_destroy(world);
}

/* ---- sockets: 1 MB there and back ---- */

struct echo {
    struct world_loop *loop;
    struct world_socket *socket;
    struct buffer kept;
    size_t received_size, wanted_size;
    bool is_client, failed, ended;
};

static void echo_ready(void *argument, bool readable, bool writable) {
    struct echo *echo = argument;
    struct error error = {0};
    uint8_t data[5000];
    ssize_t count = world_socket_read(echo->socket, data, sizeof data, &error);
    if (count > 0) {
        for (ssize_t i = 0; i < count && echo->is_client; i++)
            ASSERT(data[i] == (uint8_t)((echo->received_size + (size_t)i) * 7));
        echo->received_size += (size_t)count;
        if (!echo->is_client)
            buffer_append(&echo->kept, data, (size_t)count);
    }
    struct bytes part = buffer_view(&echo->kept);
    ssize_t written = count < 0 || part.size == 0 ? 0 : world_socket_write(echo->socket, &part, 1, &error);
    if (written > 0)
        buffer_consume(&echo->kept, (size_t)written);
    if (count < 0 || written < 0 || (echo->is_client && echo->received_size == echo->wanted_size)) {
        echo->failed = (count < 0 || written < 0) && echo->is_client;
        echo->ended = true;
        world_socket_close(echo->socket);
        return;
    }
    world_socket_watch(echo->socket, echo_ready, echo, true, echo->kept.size > 0);
}

static void echo_accept(void *argument, struct world_socket *socket) {
    struct echo *echo = argument;
    echo->socket = socket;
    world_socket_watch(socket, echo_ready, echo, true, false);
}

static struct world_listener *listener;
static void echo_start(void *argument) {
    struct echo *both = argument;
    listener = world_listen(both[0].loop, "127.0.0.1", 9092, echo_accept, &both[0], NULL);
    both[1].socket = world_connect(both[1].loop, "127.0.0.1", 9092, NULL);
    for (size_t i = 0; i < both[1].wanted_size; i++)
        buffer_append_byte(&both[1].kept, (uint8_t)(i * 7));
    world_socket_watch(both[1].socket, echo_ready, &both[1], true, true);
}
static void echo_stop(void *argument) {
    world_listener_close(listener);
}
static bool echo_ended(void *argument) {
    struct echo *both = argument;
    return both[0].ended && both[1].ended;
}

static void sockets_carry_bytes_in_order_with_delays_and_resets(void **state) {
    int failures = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct world *world = world_sim_create(seed);
        struct world_loop *loop = world_loop_create(world, "net", NULL);
        struct echo both[2] = {{.loop = loop}, {.loop = loop, .is_client = true, .wanted_size = 1 << 20}};
        sim_faults(world)->reset_ppm = seed % 2 == 0 ? 0 : 5000;
        world_loop_call(loop, echo_start, both);
        assert_true(sim_run_until(world, echo_ended, both, 60000));
        assert_true(seed % 2 == 1 || !both[1].failed);
        failures += both[1].failed;
        world_loop_call(loop, echo_stop, NULL);
        buffer_free(&both[0].kept);
        buffer_free(&both[1].kept);
        world_loop_destroy(loop);
        world_destroy(world);
    }
    assert_true(failures > 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_seed_decides_the_run),
        cmocka_unit_test(hours_pass_at_once),
        cmocka_unit_test(files_behave_as_on_a_real_disk),
        cmocka_unit_test(a_killed_process_loses_nothing_it_wrote),
        cmocka_unit_test(a_power_cut_keeps_what_was_synced_and_some_of_the_rest),
        cmocka_unit_test(journaling_keeps_names_before_a_synced_file),
        cmocka_unit_test(faults_come_at_their_rate),
        cmocka_unit_test(sockets_carry_bytes_in_order_with_delays_and_resets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
