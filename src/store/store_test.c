/* store_test.c: what the engine and HDFS see of the tree. */
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/lease.h"
#include "store/store.h"

struct fixture {
    struct world *world;
    struct store *store;
    struct arena arena;
    struct error error;
    char directory[64], outside[96];
};

static struct store *open_store(struct fixture *fixture) {
    static struct store_volume volumes[1];
    volumes[0] = (struct store_volume){"/home/jovyan/datasets", fixture->outside};
    const char *const names[] = {"127.0.0.15", "mi-namenode"};
    struct store *store = store_open(&(struct store_options){.world = fixture->world,
                                         .directory = fixture->directory,
                                         .user = "ana",
                                         .own_names = names,
                                         .own_name_count = 2,
                                         .volumes = volumes,
                                         .volume_count = 1},
        &fixture->error);
    assert_non_null(store);
    return store;
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->world = world_posix_create();
    snprintf(fixture->directory, sizeof fixture->directory, "/tmp/store_test.XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    snprintf(fixture->outside, sizeof fixture->outside, "%s.outside", fixture->directory);
    assert_true(world_mkdirs(fixture->world, fixture->outside, 0755, NULL));
    fixture->store = open_store(fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    store_close(fixture->store);
    arena_destroy(&fixture->arena);
    world_remove_tree(fixture->world, fixture->directory, NULL);
    world_remove_tree(fixture->world, fixture->outside, NULL);
    world_destroy(fixture->world);
    free(fixture);
    return 0;
}

static const char *resolve(struct fixture *fixture, const char *uri) {
    fixture->error = (struct error){0};
    return store_resolve(fixture->store, &fixture->arena, uri, "bea", &fixture->error);
}

static void test_what_a_program_writes_becomes_a_path(void **state) {
    struct fixture *fixture = *state;
    assert_string_equal(resolve(fixture, "/checkpoint"), "/checkpoint");
    assert_string_equal(resolve(fixture, "hdfs://namenode:9000/datos/streaming/"), "/datos/streaming");
    assert_string_equal(resolve(fixture, "hdfs://127.0.0.15:9000/a//b/./c/../d"), "/a/b/d");
    assert_string_equal(resolve(fixture, "hdfs://mi-namenode/"), "/");
    assert_string_equal(resolve(fixture, "hdfs:///x"), "/x");
    assert_string_equal(resolve(fixture, "/../../etc"), "/etc");
    assert_string_equal(resolve(fixture, "salida/parquet"), "/user/bea/salida/parquet");
    assert_string_equal(resolve(fixture, "file:///tmp/x"), "file:/tmp/x");
    assert_string_equal(resolve(fixture, "file:/tmp/x/"), "file:/tmp/x");
    char *expected = arena_printf(&fixture->arena, "file:%s/ventas.csv", fixture->outside);
    assert_string_equal(resolve(fixture, "/home/jovyan/datasets/ventas.csv"), expected);
    assert_string_equal(resolve(fixture, "file:///home/jovyan/datasets/ventas.csv"), expected);
}

static void test_a_foreign_authority_is_named_with_the_own_ones(void **state) {
    struct fixture *fixture = *state;
    assert_null(resolve(fixture, "hdfs://produccion:8020/a"));
    assert_int_equal(fixture->error.code, ERROR_INVALID);
    assert_non_null(strstr(fixture->error.message, "produccion:8020"));
    assert_non_null(strstr(fixture->error.message, "mi-namenode"));
    assert_null(resolve(fixture, "s3a://bucket/a"));
    assert_int_equal(fixture->error.code, ERROR_UNSUPPORTED);
    assert_null(resolve(fixture, ""));
    assert_null(resolve(fixture, "/a:b"));
}

static void test_paths_of_clients_are_checked(void **state) {
    const char *good[] = {"/", "/a", "/a/b.txt", "/a/ñ", "/a/.hidden"};
    const char *bad[] = {"", "a", "//", "/a//b", "/a/../b", "/.", "/a:b", "/a/", "/\xff"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(store_path_check(good[i], NULL));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(store_path_check(bad[i], NULL));
    }
}

static void put(struct fixture *fixture, const char *path, const char *text) {
    if (!store_write_file(fixture->store, path, bytes_from_text(text), STORE_WRITE_REPLACE, &fixture->error)) {
        fail_msg("%s", fixture->error.message);
    }
}

static char *get(struct fixture *fixture, const char *path) {
    struct buffer out = {0};
    if (!store_read_file(fixture->store, path, 1 << 20, &out, &fixture->error)) {
        fail_msg("%s", fixture->error.message);
    }
    char *text = arena_text(&fixture->arena, buffer_view(&out));
    buffer_free(&out);
    return text;
}

static void test_a_file_appears_whole_at_commit(void **state) {
    struct fixture *fixture = *state;
    struct store_writer *writer = store_writer_open(fixture->store, "/d/e/f", 0, &fixture->error);
    assert_non_null(writer);
    assert_true(store_writer_write(writer, "hola", 4, NULL));
    assert_false(store_exists(fixture->store, "/d"));
    assert_true(store_writer_commit(writer, &fixture->error));
    assert_string_equal(get(fixture, "/d/e/f"), "hola");

    writer = store_writer_open(fixture->store, "/d/e/f", 0, NULL);
    assert_true(store_writer_write(writer, "otra", 4, NULL));
    assert_false(store_writer_commit(writer, &fixture->error));
    assert_int_equal(fixture->error.code, ERROR_EXISTS);
    assert_string_equal(get(fixture, "/d/e/f"), "hola");
    put(fixture, "/d/e/f", "nueva");
    assert_string_equal(get(fixture, "/d/e/f"), "nueva");

    writer = store_writer_open(fixture->store, "/d/e/g", STORE_WRITE_SYNC, NULL);
    assert_true(store_writer_write(writer, "x", 1, NULL));
    store_writer_abort(writer);
    struct store_entries entries;
    assert_true(store_list(fixture->store, &fixture->arena, "/d/e", NULL, 0, &entries, NULL));
    assert_int_equal(entries.count, 1);
    const char *const paths[] = {"/d/e/f", "/d/e/none", "/d"};
    assert_true(store_sync_files(fixture->store, paths, 3, &fixture->error));
}

static void test_machine_paths_use_the_same_calls(void **state) {
    struct fixture *fixture = *state;
    char *path = arena_printf(&fixture->arena, "file:%s/a/b", fixture->outside);
    put(fixture, path, "uno");
    assert_string_equal(get(fixture, path), "uno");
    struct store_stat stat;
    assert_true(store_stat(fixture->store, path, &stat, NULL));
    assert_int_equal(stat.size, 3);
    assert_false(store_stat(fixture->store, path + 5, &stat, &fixture->error));
    assert_int_equal(fixture->error.code, ERROR_NOT_FOUND);
    assert_non_null(strstr(fixture->error.message, path)); /* the form to paste */
    assert_true(store_delete(fixture->store, path, false, &fixture->error));
}

static void test_listing_in_pages(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < 5; i++) {
        put(fixture, arena_printf(&fixture->arena, "/l/%d", i), "x");
    }
    struct store_entries entries;
    assert_true(store_list(fixture->store, &fixture->arena, "/l", "1", 2, &entries, NULL));
    assert_int_equal(entries.count, 2);
    assert_string_equal(entries.items[0].name, "2");
    assert_int_equal(entries.remaining, 1);
    assert_true(store_list(fixture->store, &fixture->arena, "/", NULL, 0, &entries, NULL));
    assert_int_equal(entries.count, 1); /* the reserved folder is not shown */
    assert_false(store_list(fixture->store, &fixture->arena, "/l/0", NULL, 0, &entries, &fixture->error));
    assert_int_equal(fixture->error.code, ERROR_NOT_DIRECTORY);
}

static void test_links_are_not_followed(void **state) {
    struct fixture *fixture = *state;
    assert_true(store_mkdirs(fixture->store, "/d", NULL, NULL));
    char *link = arena_printf(&fixture->arena, "%s/d/out", fixture->directory);
    assert_int_equal(symlink(fixture->outside, link), 0);
    struct store_stat stat;
    assert_false(store_stat(fixture->store, "/d/out", &stat, &fixture->error));
    assert_int_equal(fixture->error.code, ERROR_DENIED);
    assert_false(store_stat(fixture->store, "/d/out/x", &stat, &fixture->error));
    assert_false(store_write_file(fixture->store, "/d/out/x", BYTES("x"), 0, &fixture->error));
    assert_false(store_stat(fixture->store, "/.raudal/tmp", &stat, &fixture->error));
    struct store_entries entries;
    assert_true(store_list(fixture->store, &fixture->arena, "/d", NULL, 0, &entries, NULL));
    assert_int_equal(entries.count, 0);
    assert_true(store_delete(fixture->store, "/d", true, &fixture->error));
    assert_true(world_exists(fixture->world, fixture->outside));
}

static void test_rename_and_delete(void **state) {
    struct fixture *fixture = *state;
    put(fixture, "/a/1", "uno");
    put(fixture, "/a/2", "dos");
    assert_false(store_rename(fixture->store, "/a/1", "/a/2", false, &fixture->error));
    assert_int_equal(fixture->error.code, ERROR_EXISTS);
    assert_true(store_rename(fixture->store, "/a/1", "/a/2", true, &fixture->error));
    assert_string_equal(get(fixture, "/a/2"), "uno");
    assert_false(store_rename(fixture->store, "/a", "/a/b", false, &fixture->error));
    assert_int_equal(fixture->error.code, ERROR_INVALID);
    assert_false(store_rename(fixture->store, "/a/2", "/none/x", false, &fixture->error));
    assert_int_equal(fixture->error.code, ERROR_NOT_FOUND);
    assert_false(store_delete(fixture->store, "/a", false, &fixture->error));
    assert_int_equal(fixture->error.code, ERROR_NOT_EMPTY);
    assert_true(store_delete(fixture->store, "/a", true, &fixture->error));
    assert_false(store_delete(fixture->store, "/a", true, &fixture->error));
    assert_int_equal(fixture->error.code, ERROR_NOT_FOUND);
    assert_false(store_delete(fixture->store, "/", true, &fixture->error));
    put(fixture, "/t/tmp", "3");
    put(fixture, "/t/tmp2", "4");
    assert_true(store_commit(fixture->store, "/t/tmp", "/t/0", &fixture->error));
    assert_false(store_commit(fixture->store, "/t/tmp2", "/t/0", &fixture->error));
    assert_string_equal(get(fixture, "/t/0"), "3");
}

static void test_attributes_default_inherit_and_last(void **state) {
    struct fixture *fixture = *state;
    struct store_stat stat;
    put(fixture, "/at/f", "x");
    assert_true(store_stat(fixture->store, "/at/f", &stat, NULL));
    assert_string_equal(stat.owner, "ana");
    assert_string_equal(stat.group, "supergroup");
    assert_int_equal(stat.mode, 0644);
    assert_int_equal(stat.replication, 1);
    if (!store_set_owner(fixture->store, "/at", "bea", "datos", &fixture->error)) {
        assert_int_equal(fixture->error.code, ERROR_UNSUPPORTED); /* no extended attributes here */
        skip();
    }
    assert_true(store_set_mode(fixture->store, "/at/f", 0600, &fixture->error));
    assert_true(store_set_replication(fixture->store, "/at/f", 3, &fixture->error));
    put(fixture, "/at/g", "x");
    store_close(fixture->store);
    fixture->store = open_store(fixture);
    assert_true(store_stat(fixture->store, "/at/f", &stat, NULL));
    assert_int_equal(stat.mode, 0600);
    assert_int_equal(stat.replication, 3);
    assert_true(store_stat(fixture->store, "/at/g", &stat, NULL));
    assert_string_equal(stat.group, "datos");
    assert_string_equal(stat.owner, "ana");
    assert_false(store_set_owner(fixture->store, "/at", "a\nb", NULL, &fixture->error));
    struct store_summary summary;
    assert_true(store_summarize(fixture->store, "/at", &summary, NULL));
    assert_int_equal(summary.size, 2);
    assert_int_equal(summary.disk_size, 4);
    assert_int_equal(summary.file_count, 2);
    assert_int_equal(summary.directory_count, 1);
}

/* ---- leases ---- */

static const struct store_create create = {
    .holder = "c1", .machine = "127.0.0.1", .block_size = 1024, .create_parent = true};

static void write_plain(struct fixture *fixture, const char *path, size_t size) {
    char *machine = store_machine_path(fixture->store, &fixture->arena, path);
    struct world_file *file = world_file_open(fixture->world, machine, WORLD_OPEN_WRITE, 0, NULL);
    assert_non_null(file);
    assert_true(world_file_write(file, arena_allocate_zeroed(&fixture->arena, size), size, 0, NULL));
    world_file_close(file);
}

static void test_a_file_under_construction(void **state) {
    struct fixture *fixture = *state;
    struct store_construction block;
    struct store_stat stat;
    assert_true(store_lease_create(fixture->store, "/p/f", &create, &fixture->error));
    assert_true(store_stat(fixture->store, "/p/f", &stat, NULL));
    assert_true(stat.is_open);
    assert_true(store_lease_add_block(
        fixture->store, &fixture->arena, "/p/f", "c1", stat.inode, -1, 0, &block, &fixture->error));
    assert_int_equal(block.block_index, 0);
    assert_true(store_lease_add_block(
        fixture->store, &fixture->arena, "/p/f", "c1", stat.inode, -1, 0, &block, NULL)); /* asked again */
    assert_int_equal(block.block_index, 0);
    write_plain(fixture, "/p/f", 1500);
    assert_true(
        store_lease_add_block(fixture->store, &fixture->arena, "/p/f", "c1", stat.inode, 0, 1024, &block, NULL));
    assert_int_equal(block.block_index, 1);
    assert_int_equal(block.committed_size, 1024);
    assert_false(store_lease_add_block(
        fixture->store, &fixture->arena, "/p/f", "c2", stat.inode, 1, 10, &block, &fixture->error));
    assert_int_equal(fixture->error.code, ERROR_CLOSED);
    assert_false(store_lease_create(fixture->store, "/p/f", &create, &fixture->error));
    assert_int_equal(fixture->error.code, ERROR_BUSY);
    bool done;
    assert_true(store_lease_complete(fixture->store, "/p/f", "c1", stat.inode, 800, &done, NULL));
    assert_false(done); /* the DataNode does not have these bytes */
    assert_true(store_lease_complete(fixture->store, "/p/f", "c1", stat.inode, 400, &done, NULL));
    assert_true(done);
    assert_true(store_stat(fixture->store, "/p/f", &stat, NULL));
    assert_int_equal(stat.size, 1424);
    assert_false(stat.is_open);
    assert_true(store_lease_complete(fixture->store, "/p/f", "c1", stat.inode, 400, &done, NULL)); /* asked again */
    assert_true(done);
}

static void test_a_lease_survives_a_restart_and_a_rename(void **state) {
    struct fixture *fixture = *state;
    struct store_construction block;
    struct store_stat stat;
    assert_true(store_lease_create(fixture->store, "/p/f", &create, &fixture->error));
    assert_true(store_stat(fixture->store, "/p/f", &stat, NULL));
    assert_true(store_lease_add_block(fixture->store, &fixture->arena, "/p/f", "c1", 0, -1, 0, &block, NULL));
    write_plain(fixture, "/p/f", 100);
    uint64_t id = store_block_id(stat.inode, 0);
    assert_true(store_rename(fixture->store, "/p", "/q", false, NULL));
    assert_string_equal(store_block_path(fixture->store, &fixture->arena, id), "/q/f");
    store_close(fixture->store);
    fixture->store = open_store(fixture);
    assert_int_equal(store_lease_count(fixture->store), 1);
    assert_string_equal(store_block_path(fixture->store, &fixture->arena, id), "/q/f");
    bool done;
    assert_true(store_lease_complete(fixture->store, "/q/f", "c1", stat.inode, 100, &done, &fixture->error));
    assert_true(done);
    assert_true(
        store_lease_append(fixture->store, &fixture->arena, "/q/f", "c3", "127.0.0.1", &block, &fixture->error));
    assert_true(block.has_block);
    assert_true(store_delete(fixture->store, "/q", true, NULL));
    assert_int_equal(store_lease_count(fixture->store), 0);
    assert_null(store_block_path(fixture->store, &fixture->arena, id));
}

static void test_abandoned_blocks_leave_nothing(void **state) {
    struct fixture *fixture = *state;
    struct store_construction block;
    struct store_stat stat;
    assert_true(store_lease_create(fixture->store, "/f", &create, &fixture->error));
    assert_true(store_lease_add_block(fixture->store, &fixture->arena, "/f", "c1", 0, -1, 0, &block, NULL));
    write_plain(fixture, "/f", 10);
    assert_true(store_lease_abandon_block(fixture->store, "/f", "c1", 0, 0, &fixture->error));
    assert_true(store_stat(fixture->store, "/f", &stat, NULL));
    assert_int_equal(stat.size, 0);
    assert_true(store_lease_add_block(fixture->store, &fixture->arena, "/f", "c1", 0, -1, 0, &block, &fixture->error));
    assert_int_equal(block.block_index, 0);
    assert_true(store_lease_recover(fixture->store, "/f", NULL));
    assert_false(store_path_is_open(fixture->store, "/f"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_a_program_writes_becomes_a_path, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_foreign_authority_is_named_with_the_own_ones, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_paths_of_clients_are_checked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_appears_whole_at_commit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_machine_paths_use_the_same_calls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_listing_in_pages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links_are_not_followed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rename_and_delete, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_attributes_default_inherit_and_last, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_under_construction, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_lease_survives_a_restart_and_a_rename, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_abandoned_blocks_leave_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
