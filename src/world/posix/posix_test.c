/* posix_test.c: what the real world promises to the code above it. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/assert.h"
#include "world/world.h"

static struct world *world;
static char directory[64];

static const char *path_of(const char *name) {
    static char paths[4][256];
    static size_t next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static int set_up(void **state) {
    world = world_posix_create();
    snprintf(directory, sizeof directory, "/tmp/world_test_%016llx", (unsigned long long)world_random_u64(world));
    return world_mkdir(world, directory, 0755, NULL) ? 0 : 1;
}

static int tear_down(void **state) {
    bool removed = world_remove_tree(world, directory, NULL);
    world_destroy(world);
    return removed ? 0 : 1;
}

static void write_text(const char *name, const char *text) {
    struct error error = {0};
    if (!world_write_file(world, path_of(name), bytes_from_text(text), true, &error))
        fail_msg("%s", error.message);
}

static void files_are_read_and_written_at_offsets(void **state) {
    struct error error = {0};
    struct world_file *file =
        world_file_open(world, path_of("a"), WORLD_OPEN_READ | WORLD_OPEN_WRITE | WORLD_OPEN_CREATE, 0644, &error);
    assert_non_null(file);
    assert_true(world_file_write(file, "hello", 5, 3, &error));
    assert_int_equal(world_file_size(file, &error), 8);
    char out[16] = "xxxxxxxxxxxxxxx";
    assert_int_equal(world_file_read(file, out, sizeof out, 2, &error), 6);
    assert_memory_equal(out, "\0hello", 6);
    assert_int_equal(world_file_read(file, out, sizeof out, 100, &error), 0);
    assert_true(world_file_truncate(file, 4, &error) && world_file_sync(file, &error));
    assert_int_equal(world_file_size(file, &error), 4);
    world_file_close(file);
    assert_null(world_file_open(
        world, path_of("a"), WORLD_OPEN_WRITE | WORLD_OPEN_CREATE | WORLD_OPEN_EXCLUSIVE, 0644, &error));
    assert_int_equal(error.code, ERROR_EXISTS);
    assert_null(world_file_open(world, path_of("absent"), WORLD_OPEN_READ, 0, &error));
    assert_int_equal(error.code, ERROR_NOT_FOUND);
    assert_non_null(strstr(error.message, "/absent"));
}

static void whole_files_and_lists(void **state) {
    struct error error = {0};
    struct buffer text = {0};
    write_text("b", "second");
    write_text("a", "first");
    assert_true(world_mkdirs(world, path_of("x/y/z"), 0755, &error));
    assert_true(world_mkdirs(world, path_of("x/y/z"), 0755, &error));
    assert_false(world_mkdirs(world, path_of("a/b"), 0755, &error));
    assert_int_equal(error.code, ERROR_NOT_DIRECTORY);
    assert_true(world_read_file(world, path_of("a"), 5, &text, &error));
    assert_string_equal((char *)text.data, "first");
    buffer_clear(&text);
    assert_false(world_read_file(world, path_of("a"), 4, &text, &error));
    assert_int_equal(error.code, ERROR_LIMIT);
    buffer_free(&text);
    struct world_names names = {0};
    assert_true(world_list(world, directory, &names, &error));
    assert_int_equal(names.count, 3);
    assert_string_equal(names.items[0].name, "a");
    assert_string_equal(names.items[2].name, "x");
    assert_int_equal(names.items[2].kind, WORLD_FILE_DIRECTORY);
    world_names_free(&names);
    assert_false(world_rmdir(world, path_of("x"), &error));
    assert_int_equal(error.code, ERROR_NOT_EMPTY);
    assert_true(world_remove_tree(world, path_of("x"), &error));
    assert_false(world_exists(world, path_of("x")));
    assert_true(world_remove_tree(world, path_of("x"), &error));
}

static void removing_a_tree_leaves_what_links_point_to(void **state) {
    assert_true(
        world_mkdirs(world, path_of("kept"), 0755, NULL) && world_mkdirs(world, path_of("tree/inner"), 0755, NULL));
    write_text("kept/file", "stays");
    assert_int_equal(symlink(path_of("kept"), path_of("tree/inner/link")), 0);
    assert_true(world_remove_tree(world, path_of("tree"), NULL));
    assert_true(world_exists(world, path_of("kept/file")));
}

static void rename_new_refuses_what_exists(void **state) {
    struct error error = {0};
    write_text("a", "1");
    write_text("b", "2");
    assert_false(world_rename_new(world, path_of("a"), path_of("b"), &error));
    assert_int_equal(error.code, ERROR_EXISTS);
    assert_true(world_rename_new(world, path_of("a"), path_of("c"), &error));
    assert_true(world_rename(world, path_of("c"), path_of("b"), &error));
    struct buffer text = {0};
    assert_true(world_read_file(world, path_of("b"), 10, &text, &error));
    assert_string_equal((char *)text.data, "1");
    buffer_free(&text);
}

static void a_map_over_a_truncated_file_reads_zeros_and_says_so(void **state) {
    struct error error = {0};
    struct world_file *file =
        world_file_open(world, path_of("m"), WORLD_OPEN_READ | WORLD_OPEN_WRITE | WORLD_OPEN_CREATE, 0644, &error);
    char block[8192];
    memset(block, 'x', sizeof block);
    assert_true(world_file_write(file, block, sizeof block, 0, &error));
    struct world_map *map = world_file_map(file, 0, sizeof block, &error),
                     *other = world_file_map(file, 0, 4096, &error);
    assert_non_null(map);
    assert_non_null(other);
    const volatile uint8_t *data = world_map_view(map).data;
    assert_int_equal(data[5000], 'x');
    assert_true(world_file_write(file, "y", 1, 5000, &error));
    assert_int_equal(data[5000], 'y'); /* later writes are seen */
    assert_true(world_file_truncate(file, 4096, &error));
    assert_int_equal(data[5000], 0);
    assert_false(world_map_check(map));
    assert_true(world_map_check(other));
    world_map_close(map);
    world_map_close(other);
    world_file_close(file);
}

static void a_lock_excludes_a_second_open(void **state) {
    struct error error = {0};
    int flags = WORLD_OPEN_READ | WORLD_OPEN_WRITE | WORLD_OPEN_CREATE;
    struct world_file *first = world_file_open(world, path_of(".lock"), flags, 0644, &error);
    struct world_file *second = world_file_open(world, path_of(".lock"), flags, 0644, &error);
    assert_true(world_file_lock(first, &error));
    assert_false(world_file_lock(second, &error));
    assert_int_equal(error.code, ERROR_BUSY);
    world_file_close(first);
    assert_true(world_file_lock(second, &error));
    world_file_close(second);
}

static void attributes_are_kept_with_the_file(void **state) {
    struct error error = {0};
    char out[16];
    write_text("a", "1");
    if (!world_xattr_set(world, path_of("a"), "user.raudal.owner", BYTES("ana"), &error)) {
        assert_int_equal(error.code, ERROR_UNSUPPORTED); /* some file systems have none */
        return;
    }
    assert_int_equal(world_xattr_get(world, path_of("a"), "user.raudal.owner", out, sizeof out, &error), 3);
    assert_memory_equal(out, "ana", 3);
    struct world_names names = {0};
    assert_true(world_xattr_list(world, path_of("a"), &names, &error));
    assert_int_equal(names.count, 1);
    assert_string_equal(names.items[0].name, "user.raudal.owner");
    world_names_free(&names);
    assert_true(world_xattr_remove(world, path_of("a"), "user.raudal.owner", &error));
    assert_true(world_xattr_remove(world, path_of("a"), "user.raudal.owner", &error));
    assert_int_equal(world_xattr_get(world, path_of("a"), "user.raudal.owner", out, sizeof out, &error), -1);
    assert_int_equal(error.code, ERROR_NOT_FOUND);
}

static void times_and_modes_are_set(void **state) {
    struct world_stat stat;
    write_text("a", "1");
    assert_true(world_set_times(world, path_of("a"), 1234567891011, -1, NULL) &&
                world_set_mode(world, path_of("a"), 0600, NULL));
    assert_true(world_stat(world, path_of("a"), &stat, NULL));
    assert_int_equal(stat.modified_ms, 1234567891011);
    assert_int_equal(stat.mode, 0600);
}

/* ---- loops ---- */

struct posting {
    struct world_loop *loop;
    int order[6], count;
};

static void note(struct posting *posting, int number) {
    ASSERT(world_loop_is_current(posting->loop));
    posting->order[posting->count++] = number;
}
static void post_third(void *argument) {
    note(argument, 3);
}
static void post_first(void *argument) {
    struct posting *posting = argument;
    world_loop_post(posting->loop, post_third, posting);
    note(posting, 1);
}
static void post_second(void *argument) {
    note(argument, 2);
}

static void posts_keep_their_order_and_run_before_the_loop_ends(void **state) {
    struct posting posting = {.loop = world_loop_create(world, "test", NULL)};
    world_loop_post(posting.loop, post_first, &posting);
    world_loop_call(posting.loop, post_second, &posting);
    world_loop_destroy(posting.loop);
    assert_int_equal(posting.count, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(posting.order[i], i + 1);
}

struct ticking {
    struct world_loop *loop;
    struct world_timer *timer;
    int64_t started_ms, third_ms;
    int count;
    struct world_mutex done;
};

static void tick(void *argument) {
    struct ticking *ticking = argument;
    if (++ticking->count < 3)
        return;
    ticking->third_ms = world_monotonic_ns(world) / 1000000;
    world_timer_destroy(ticking->timer);
    world_mutex_unlock(&ticking->done);
}
static void start_ticking(void *argument) {
    struct ticking *ticking = argument;
    world_mutex_lock(&ticking->done);
    ticking->started_ms = world_monotonic_ns(world) / 1000000;
    ticking->timer = world_timer_create(ticking->loop, tick, ticking);
    world_timer_start(ticking->timer, 20, 10);
}

static void timers_repeat(void **state) {
    struct ticking ticking = {.loop = world_loop_create(world, "test", NULL)};
    world_mutex_init(&ticking.done);
    world_loop_call(ticking.loop, start_ticking, &ticking);
    world_mutex_lock(&ticking.done);
    assert_true(ticking.third_ms - ticking.started_ms >= 38);
    world_mutex_unlock(&ticking.done);
    world_loop_destroy(ticking.loop);
}

/* ---- sockets: a client reads a file sent by the server and learns whose process it is ---- */

struct exchange {
    struct world_loop *loop;
    struct world_listener *listener;
    struct world_socket *server, *client;
    struct world_file *file;
    struct buffer received;
    int64_t uid;
    struct world_mutex done;
    struct error error;
};

static void accepted(void *argument, struct world_socket *socket) {
    struct exchange *exchange = argument;
    exchange->server = socket;
    exchange->uid = world_socket_peer_uid(socket);
    struct bytes parts[2] = {BYTES("two "), BYTES("parts, ")};
    ASSERT(world_socket_write(socket, parts, 2, NULL) == 11);
    ASSERT(world_socket_send_file(socket, exchange->file, 6, 3, NULL) == 3);
    ASSERT(world_socket_send_file(socket, exchange->file, 100, 4, &exchange->error) == -1);
    world_socket_close(socket);
}

static void client_ready(void *argument, bool readable, bool writable) {
    struct exchange *exchange = argument;
    struct error error = {0};
    uint8_t *place = buffer_reserve(&exchange->received, 100);
    ssize_t count = world_socket_read(exchange->client, place, 100, &error);
    if (count >= 0) {
        exchange->received.size += (size_t)count;
        return;
    }
    ASSERT(error.code == ERROR_CLOSED);
    world_socket_close(exchange->client);
    world_listener_close(exchange->listener);
    world_mutex_unlock(&exchange->done);
}

static void start_exchange(void *argument) {
    struct exchange *exchange = argument;
    world_mutex_lock(&exchange->done);
    exchange->listener = world_listen(exchange->loop, "127.0.0.12", 0, accepted, exchange, &exchange->error);
    struct world_address address = world_listener_address(exchange->listener);
    ASSERT(world_listen(exchange->loop, "127.0.0.12", address.port, accepted, exchange, &exchange->error) == NULL);
    ASSERT(exchange->error.code == ERROR_BUSY);
    exchange->client = world_connect(exchange->loop, "127.0.0.12", address.port, &exchange->error);
    world_socket_watch(exchange->client, client_ready, exchange, true, false);
}

static void sockets_carry_parts_and_files(void **state) {
    write_text("f", "of a file");
    struct exchange exchange = {.loop = world_loop_create(world, "test", NULL)};
    exchange.file = world_file_open(world, path_of("f"), WORLD_OPEN_READ, 0, NULL);
    world_mutex_init(&exchange.done);
    world_loop_call(exchange.loop, start_exchange, &exchange);
    world_mutex_lock(&exchange.done);
    assert_string_equal(buffer_text(&exchange.received), "two parts, ile");
    assert_int_equal(exchange.uid, getuid());
    assert_int_equal(exchange.error.code, ERROR_CORRUPT);
    world_mutex_unlock(&exchange.done);
    world_loop_destroy(exchange.loop);
    world_file_close(exchange.file);
    buffer_free(&exchange.received);
}

/* ---- pools ---- */

static _Atomic int task_count;
static void count_task(void *argument) {
    task_count++;
}
static void check_all_done(void *argument) {
    struct world_loop *loop = argument;
    ASSERT(world_loop_is_current(loop));
    task_count += 1000;
}

static void pools_finish_what_was_submitted(void **state) {
    task_count = 0;
    struct world_loop *loop = world_loop_create(world, "test", NULL);
    struct world_pool *pool = world_pool_create(world, "work", 3, WORLD_POOL_BACKGROUND, NULL);
    for (int i = 0; i < 500; i++)
        world_pool_submit(pool, count_task, NULL);
    world_pool_run(pool, loop, count_task, check_all_done, loop);
    assert_int_equal(world_pool_thread_count(pool), 3);
    world_pool_destroy(pool);
    world_loop_destroy(loop);
    assert_int_equal(task_count, 1501);
}

struct child {
    struct world_loop *loop;
    struct world_process *process;
    struct world_file *output;
    _Atomic int status;
};

static void child_ended(void *argument, int status) {
    struct child *child = argument;
    world_process_close(child->process);
    child->status = status;
}

static void start_child(void *argument) {
    struct child *child = argument;
    const char *const words[] = {"sh", "-c", "echo $GREETING; kill -TERM $$", NULL};
    const char *const environment[] = {"GREETING=hola", NULL};
    struct world_process_options options = {words, environment, NULL, world_file_descriptor(child->output, NULL)};
    child->process = world_process_start(child->loop, &options, child_ended, child, NULL);
    ASSERT(child->process != NULL && world_process_id(child->process) > 0);
}

static void start_missing(void *argument) {
    struct child *child = argument;
    const char *const words[] = {"/no/such/program", NULL};
    struct error error = {0};
    child->process = world_process_start(
        child->loop, &(struct world_process_options){words, NULL, NULL, -1}, child_ended, child, &error);
    ASSERT(child->process == NULL && strstr(error.message, "/no/such/program") != NULL);
}

static void start_and_forget(void *argument) {
    struct child *child = argument;
    const char *const words[] = {"sleep", "100", NULL};
    struct world_process_options options = {words, NULL, NULL, -1};
    child->process = world_process_start(child->loop, &options, child_ended, child, NULL);
    ASSERT(child->process != NULL);
    child->status = (int)world_process_id(child->process);
    world_process_kill(child->process, SIGKILL);
    world_process_close(child->process);
}

static void a_forgotten_program_leaves_no_zombie(void **state) {
    struct child child = {.loop = world_loop_create(world, "test", NULL)};
    world_loop_call(child.loop, start_and_forget, &child);
    world_loop_destroy(child.loop);
    for (int i = 0; i < 1000 && kill(child.status, 0) == 0; i++)
        usleep(10000);
    assert_int_equal(kill(child.status, 0), -1);
}

static void programs_are_started_and_their_end_is_told(void **state) {
    char text[8] = "";
    struct child child = {.status = -1, .loop = world_loop_create(world, "test", NULL)};
    child.output =
        world_file_open(world, path_of("out"), WORLD_OPEN_READ | WORLD_OPEN_WRITE | WORLD_OPEN_CREATE, 0644, NULL);
    world_loop_call(child.loop, start_child, &child);
    while (child.status < 0)
        world_loop_call(child.loop, count_task, NULL);
    assert_int_equal(child.status, 128 + 15);
    assert_int_equal(world_file_read(child.output, text, sizeof text, 0, NULL), 5);
    assert_memory_equal(text, "hola", 4);
    world_loop_call(child.loop, start_missing, &child);
    world_file_close(child.output);
    world_loop_destroy(child.loop);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_read_and_written_at_offsets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(whole_files_and_lists, set_up, tear_down),
        cmocka_unit_test_setup_teardown(removing_a_tree_leaves_what_links_point_to, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rename_new_refuses_what_exists, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_map_over_a_truncated_file_reads_zeros_and_says_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lock_excludes_a_second_open, set_up, tear_down),
        cmocka_unit_test_setup_teardown(attributes_are_kept_with_the_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(times_and_modes_are_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(posts_keep_their_order_and_run_before_the_loop_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(timers_repeat, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sockets_carry_parts_and_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_forgotten_program_leaves_no_zombie, set_up, tear_down),
        cmocka_unit_test_setup_teardown(programs_are_started_and_their_end_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pools_finish_what_was_submitted, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
