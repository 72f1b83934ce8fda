/* zookeeper_test.c: records, paths, digests, and the tree's files. `zookeeper_test serve ADDRESS PORT DIR` serves for
 * clients in other languages. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "world/sim/sim.h"
#include "zookeeper/server.h"
#include "zookeeper/sha1.h"

static int serve(char **argv) {
    struct world *world = world_posix_create();
    struct error error = {0};
    struct world_loop *loop = world_loop_create(world, "zookeeper", &error);
    struct world_pool *pool = world_pool_create(world, "disk", 1, WORLD_POOL_NORMAL, &error);
    const char *address = argv[2];
    int64_t port = 0;
    bytes_to_int64(bytes_from_text(argv[3]), &port);
    struct zookeeper_options options = {.world = world,
        .loop = loop,
        .disk_pool = pool,
        .addresses = &address,
        .address_count = 1,
        .port = (uint16_t)port,
        .data_directory = argv[4],
        .four_letter_words = "*",
        .force_sync = argv[5] != NULL};
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    struct zookeeper *zookeeper = zookeeper_start(&options, &error);
    if (zookeeper == NULL) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    static const char *names[] = {"retention.ms"}, *values[] = {"1000"};
    zookeeper_mirror_broker(zookeeper, 1, "abcdefghijklmnopqrstuv", "127.0.0.1", 9092);
    struct zookeeper_topic topic = {.name = "sensores",
        .topic_id = "AAAAAAAAAAAAAAAAAAAAAQ",
        .partition_count = 3,
        .broker_id = 1,
        .config_names = names,
        .config_values = values,
        .config_count = 1};
    zookeeper_mirror_topic(zookeeper, &topic);
    int received;
    sigwait(&signals, &received);
    zookeeper_stop(zookeeper);
    world_pool_destroy(pool);
    world_loop_destroy(loop);
    world_destroy(world);
    return 0;
}

static void records_check_what_they_read(void **state) {
    struct buffer out = {0};
    jute_write_int(&out, -5);
    jute_write_long(&out, (int64_t)1 << 40);
    jute_write_string(&out, BYTES("día"));
    jute_write_buffer(&out, BYTES_NULL);
    struct jute_reader reader = jute_reader_make(buffer_view(&out));
    assert_int_equal(jute_read_int(&reader), -5);
    assert_int_equal(jute_read_long(&reader), (int64_t)1 << 40);
    assert_true(bytes_equal_text(jute_read_string(&reader), "día"));
    assert_null(jute_read_buffer(&reader).data);
    assert_false(reader.failed);
    jute_read_bool(&reader);
    assert_true(reader.failed);
    reader = jute_reader_make(BYTES("\x7f\xff\xff\xff"
                                    "abc"));
    assert_int_equal(jute_read_count(&reader, 4), 0);
    assert_true(reader.failed);
    reader = jute_reader_make(BYTES("\xff\xff\xff\xfe"
                                    "abc"));
    jute_read_buffer(&reader);
    assert_true(reader.failed);
    buffer_free(&out);
}

static void paths_are_checked(void **state) {
    static const char *const good[] = {"/", "/a", "/a/b.c", "/día", "/..a"}, *const bad[] = {"", "a", "/a/", "//",
                                                                                 "/a//b", "/a/./b", "/..", "/a\n"};
    for (size_t i = 0; i < ARRAY_COUNT(good); i++)
        assert_true(zk_path_is_valid(bytes_from_text(good[i])));
    for (size_t i = 0; i < ARRAY_COUNT(bad); i++)
        assert_false(zk_path_is_valid(bytes_from_text(bad[i])));
}

static void digests_have_zookeepers_form(void **state) {
    struct buffer out = {0};
    zk_digest(BYTES("user:secret"), &out);
    assert_string_equal(buffer_text(&out), "user:5w9W4eL3797Y4Wq8AcKUPPk8ha4=");
    buffer_free(&out);
    uint8_t digest[20];
    zk_sha1(BYTES("abc"), digest);
    assert_memory_equal(digest, "\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e\x25\x71\x78\x50\xc2\x6c\x9c\xd0\xd8\x9d", 20);
}

/* ---- a server in the simulated world: changes, crashes, the same tree again ---- */

struct machine {
    struct world *world;
    struct world_loop *loop;
    struct world_pool *pool;
    struct zookeeper *zookeeper;
};

static void start(struct machine *machine, struct world *world, bool force_sync) {
    static const char *const address = "127.0.0.1";
    struct error error = {0};
    machine->world = world;
    machine->loop = world_loop_create(world, "zookeeper", &error);
    machine->pool = world_pool_create(world, "disk", 2, WORLD_POOL_NORMAL, &error);
    struct zookeeper_options options = {.world = world,
        .loop = machine->loop,
        .disk_pool = machine->pool,
        .addresses = &address,
        .address_count = 1,
        .port = 2181,
        .data_directory = "/zookeeper",
        .force_sync = force_sync,
        .snap_count = 20};
    machine->zookeeper = zookeeper_start(&options, &error);
    if (machine->zookeeper == NULL)
        fail_msg("%s", error.message);
}

static void stop(struct machine *machine) {
    zookeeper_stop(machine->zookeeper);
    world_pool_destroy(machine->pool);
    world_loop_destroy(machine->loop);
    world_destroy(machine->world);
}

static void mirror_some(struct zookeeper *zookeeper) {
    zookeeper_mirror_broker(zookeeper, 1, "cluster", "localhost", 9092);
    for (int i = 0; i < 12; i++) {
        char name[16];
        snprintf(name, sizeof name, "topic-%d", i);
        zookeeper_mirror_topic(
            zookeeper, &(struct zookeeper_topic){.name = name, .partition_count = 2, .broker_id = 1});
    }
    zookeeper_mirror_topic_removed(zookeeper, "topic-3");
}

static void a_killed_server_comes_back_with_its_tree(void **state) {
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct machine before, after;
        start(&before, world_sim_create(seed), false);
        mirror_some(before.zookeeper);
        sim_run_for(before.world, 5000);
        struct world *crashed = sim_crash(before.world, SIM_CRASH_PROCESS, seed);
        size_t count = before.zookeeper->tree.nodes.count;
        int64_t zxid = before.zookeeper->tree.last_zxid;
        start(&after, crashed, false);
        assert_int_equal(after.zookeeper->tree.nodes.count, count);
        assert_int_equal(after.zookeeper->tree.last_zxid, zxid);
        assert_non_null(zk_tree_find(&after.zookeeper->tree, BYTES("/brokers/topics/topic-5/partitions/1/state")));
        assert_null(zk_tree_find(&after.zookeeper->tree, BYTES("/brokers/topics/topic-3")));
        mirror_some(after.zookeeper); /* the dead session's nodes are taken over, the rest is there already */
        sim_run_for(after.world, 30000);
        assert_non_null(zk_tree_find(&after.zookeeper->tree, BYTES("/brokers/ids/1")));
        assert_non_null(zk_tree_find(&after.zookeeper->tree, BYTES("/controller")));
        assert_int_equal(after.zookeeper->sessions.count, 1);
        stop(&before);
        stop(&after);
    }
}

static void a_power_cut_keeps_what_was_synced(void **state) {
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct machine before, after;
        start(&before, world_sim_create(seed), true);
        sim_faults(before.world)->ordered_metadata = true;
        mirror_some(before.zookeeper);
        sim_run_for(before.world, (int64_t)(seed * 2));
        int64_t synced = before.zookeeper->synced_zxid;
        struct world *crashed = sim_crash(before.world, SIM_CRASH_POWER, seed);
        start(&after, crashed, true);
        assert_true(after.zookeeper->tree.last_zxid >= synced);
        stop(&before);
        stop(&after);
    }
}

int main(int argc, char **argv) {
    if (argc >= 5 && strcmp(argv[1], "serve") == 0)
        return serve(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_check_what_they_read),
        cmocka_unit_test(paths_are_checked),
        cmocka_unit_test(digests_have_zookeepers_form),
        cmocka_unit_test(a_killed_server_comes_back_with_its_tree),
        cmocka_unit_test(a_power_cut_keeps_what_was_synced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
