/* kafka_broker.c: the broker: its settings and its disk; and /api/changes, which answers once something is new. */
#include <stdatomic.h>
#include <stdlib.h>

#include "base/assert.h"
#include "console/kafka_topics.h"

/* ---- the broker ---- */

static void gather_brokers(struct page *page) {
    const struct console_options *options = &page->console->options;
    json_t *broker = json_pack("{s:i, s:s, s:i, s:s, s:s, s:I, s:b}", "id", 1, "host", options->address, "port",
        (int)options->kafka_broker_port, "clusterId", kafka_client_cluster_id(options->kafka), "directory",
        kafka_client_directory(options->kafka), "startedMs", (json_int_t)options->started_ms, "running",
        kafka_client_is_running(options->kafka));
    json_decref(page->data);
    page->data = json_array();
    json_array_append_new(page->data, broker);
}

void kafka_handle_brokers(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    if (kafka_client_or_fail(page) == NULL)
        return;
    gather_brokers(page);
    page_finish(page);
}

void kafka_handle_broker_configs(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    struct kafka_config_list configs;
    if (kafka_client_or_fail(page) == NULL)
        return;
    json_decref(page->data);
    page->data = json_array();
    kafka_client_broker_configs(page->console->options.kafka, &configs);
    for (size_t i = 0; i < configs.count; i++) {
        const char *help = kafka_client_config_help(configs.items[i].name);
        json_array_append_new(page->data,
            json_pack("{s:s, s:s, s:s, s:s, s:b}", "name", configs.items[i].name, "value", configs.items[i].value,
                "source", configs.items[i].is_override ? "STATIC_BROKER_CONFIG" : "DEFAULT_CONFIG", "help",
                help == NULL ? "" : help, "isReadOnly", 1));
    }
    kafka_config_list_free(&configs);
    page_finish(page);
}

static void gather_log_dirs(struct page *page) {
    const struct console_options *options = &page->console->options;
    struct list_query query = {
        .page = 1, .page_size = 20, .sort = "size", .search = "", .descending = true, .show_internal = true};
    int64_t total = -1, usable = -1;
    struct error error = {0};
    kafka_list_topics(page, &query);
    if (!world_disk_space(options->world, kafka_client_directory(options->kafka), &total, &usable, &error))
        json_object_set_new(page->data, "warning", json_string(error.message));
    json_object_set_new(page->data, "directory", json_string(kafka_client_directory(options->kafka)));
    json_object_set_new(page->data, "diskTotal", json_integer(total));
    json_object_set_new(page->data, "diskUsable", json_integer(usable));
}

/* GET …/brokers/logdirs: the disk, and the largest topics. */
void kafka_handle_log_dirs(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    if (kafka_client_or_fail(page) != NULL)
        page_gather_on_disk_pool(page, gather_log_dirs);
}

/* ---- what is new ----
 *
 * A version counts what the broker tells: records committed (a group's changes are records too), topics that came or
 * went. GET /api/changes?after=N answers {"version"} at once when it is not N, else as soon as it moves, at the latest
 * after WAIT_MS. Those that wait are on the web loop; the broker's loop posts one wake at a time, and only when one
 * waits. */

enum { WAIT_MS = 20000, WAITING_MAX = 200 };

struct kafka_changes {
    struct console *console;
    struct kafka_subscription *subscription;
    _Atomic int64_t version;
    _Atomic bool is_posted, is_waited_for;
    VECTOR(struct page *) waiting; /* web loop, the oldest first */
    struct world_timer *timer;
};

static void answer(struct kafka_changes *changes, struct page *page) {
    json_object_set_new(page->data, "version", json_integer(atomic_load(&changes->version)));
    page_finish(page);
}

static void answer_all(void *argument) {
    struct kafka_changes *changes = argument;
    atomic_store(&changes->is_waited_for, false);
    atomic_store(&changes->is_posted, false);
    while (changes->waiting.count > 0)
        answer(changes, VECTOR_POP(&changes->waiting));
}

static void on_change(void *argument) {
    struct kafka_changes *changes = argument;
    atomic_fetch_add(&changes->version, 1);
    if (atomic_load(&changes->is_waited_for) && !atomic_exchange(&changes->is_posted, true))
        world_loop_post(changes->console->options.loop, answer_all, changes);
}

static void make_timer(void *argument) {
    struct kafka_changes *changes = argument;
    changes->timer = world_timer_create(changes->console->options.loop, answer_all, changes);
}

struct kafka_changes *kafka_changes_create(struct console *console) {
    struct kafka_changes *changes = calloc(1, sizeof *changes);
    ASSERT(changes != NULL);
    changes->console = console;
    atomic_store(&changes->version, 1);
    world_loop_call(console->options.loop, make_timer, changes);
    changes->subscription = kafka_client_subscribe(console->options.kafka, on_change, changes);
    return changes;
}

static void free_changes(void *argument) {
    struct kafka_changes *changes = argument;
    answer_all(changes);
    if (changes->timer != NULL)
        world_timer_destroy(changes->timer);
    VECTOR_FREE(&changes->waiting);
    free(changes);
}

void kafka_changes_destroy(struct kafka_changes *changes) {
    if (changes == NULL)
        return;
    kafka_client_unsubscribe(changes->console->options.kafka, changes->subscription);
    world_loop_call(changes->console->options.loop, free_changes, changes);
}

void kafka_handle_changes(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    struct kafka_changes *changes = page->console->changes;
    int64_t after = 0;
    if (kafka_client_or_fail(page) == NULL)
        return;
    bytes_to_int64(http_query(request, "after"), &after);
    if (changes->waiting.count >= WAITING_MAX || changes->timer == NULL) {
        answer(changes, page);
        return;
    }
    atomic_store(&changes->is_waited_for, true);
    if (atomic_load(&changes->version) != after) {
        answer(changes, page);
        return;
    }
    if (changes->waiting.count == 0)
        world_timer_start(changes->timer, WAIT_MS, 0);
    VECTOR_PUSH(&changes->waiting, page);
}
