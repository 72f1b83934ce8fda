/* server_zookeeper.c: ZooKeeper on the web loop, and the znodes that a Kafka of the ZooKeeper days shows: the broker's
 * topics are mirrored there within a quarter of a second of a change. */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "cli/server_internal.h"
#include "kafka/broker.h"
#include "kafka/client.h"
#include "zookeeper/zookeeper.h"

enum { MIRROR_INTERVAL_MS = 250 };

struct zookeeper_mirror {
    struct server *server;
    struct kafka_subscription *subscription;
    struct world_timer *timer;
    atomic_bool changed; /* something was appended or a topic came or went since the last look */
    struct map topics;   /* name -> partition count, as mirrored */
};

static void mirror_topic(struct zookeeper_mirror *mirror, const struct kafka_topic_info *topic) {
    char id[UUID_BASE64_SIZE];
    uuid_format_base64(topic->id, id);
    struct zookeeper_topic node = {
        .name = topic->name, .topic_id = id, .partition_count = topic->partition_count, .broker_id = 1};
    if ((intptr_t)map_get_text(&mirror->topics, topic->name) == topic->partition_count)
        return;
    map_set_text(&mirror->topics, topic->name, (void *)(intptr_t)topic->partition_count);
    zookeeper_mirror_topic(mirror->server->zookeeper, &node);
}

static bool list_has(const struct kafka_topic_list *list, struct bytes name) {
    for (size_t i = 0; i < list->count; i++)
        if (bytes_equal_text(name, list->items[i].name))
            return true;
    return false;
}

static void remove_missing(struct zookeeper_mirror *mirror, const struct kafka_topic_list *list) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&mirror->topics, &cursor)) != NULL;) {
        if (list_has(list, entry->key))
            continue;
        zookeeper_mirror_topic_removed(mirror->server->zookeeper, (const char *)entry->key.data);
        map_remove(&mirror->topics, entry->key);
    }
}

static void look(void *argument) {
    struct zookeeper_mirror *mirror = argument;
    struct kafka_topic_list list = {0};
    if (!atomic_exchange(&mirror->changed, false))
        return;
    kafka_client_topics(broker_client(mirror->server->broker), &list);
    for (size_t i = 0; i < list.count; i++)
        mirror_topic(mirror, &list.items[i]);
    if (mirror->topics.count > list.count)
        remove_missing(mirror, &list);
    kafka_topic_list_free(&list);
}

static void mark_changed(void *argument) {
    struct zookeeper_mirror *mirror = argument;
    atomic_store(&mirror->changed, true);
}

static void start_timer(void *argument) {
    struct zookeeper_mirror *mirror = argument;
    mirror->timer = world_timer_create(mirror->server->loops[SERVER_LOOP_WEB], look, mirror);
    world_timer_start(mirror->timer, MIRROR_INTERVAL_MS, MIRROR_INTERVAL_MS);
    look(mirror);
}

static void stop_timer(void *argument) {
    struct zookeeper_mirror *mirror = argument;
    world_timer_destroy(mirror->timer);
}

void server_show_broker(struct server *server) {
    if (server->zookeeper_mirror != NULL)
        zookeeper_mirror_broker(server->zookeeper, 1, broker_cluster_id(server->broker), server->options.address,
            server_port(server, SERVICE_KAFKA));
}

void server_hide_broker(struct server *server) {
    if (server->zookeeper_mirror != NULL)
        zookeeper_mirror_broker_gone(server->zookeeper);
}

static void start_mirror(struct server *server) {
    struct zookeeper_mirror *mirror = calloc(1, sizeof *mirror);
    ASSERT(mirror != NULL);
    mirror->server = server;
    mirror->changed = true;
    server->zookeeper_mirror = mirror;
    if (!server->is_stopped[SERVICE_KAFKA])
        server_show_broker(server);
    mirror->subscription = kafka_client_subscribe(broker_client(server->broker), mark_changed, mirror);
    world_loop_call(server->loops[SERVER_LOOP_WEB], start_timer, mirror);
}

static void stop_mirror(struct server *server) {
    struct zookeeper_mirror *mirror = server->zookeeper_mirror;
    if (mirror == NULL)
        return;
    kafka_client_unsubscribe(broker_client(server->broker), mirror->subscription);
    world_loop_call(server->loops[SERVER_LOOP_WEB], stop_timer, mirror);
    map_free(&mirror->topics);
    free(mirror);
    server->zookeeper_mirror = NULL;
}

bool server_start_zookeeper(struct server *server, struct server_failure *failure) {
    char folder[PATH_MAX + 16];
    if (!server->options.services[SERVICE_ZOOKEEPER])
        return true;
    failure->service = "zookeeper";
    failure->port = server_port(server, SERVICE_ZOOKEEPER);
    if (server_disk_pool(server, &failure->error) == NULL)
        return false;
    snprintf(folder, sizeof folder, "%s/zookeeper", server->options.data);
    struct zookeeper_options options = {
        .world = server->world,
        .loop = server->loops[SERVER_LOOP_WEB],
        .disk_pool = server->disk_pool,
        .addresses = server->addresses[SERVICE_ZOOKEEPER].items,
        .address_count = server->addresses[SERVICE_ZOOKEEPER].count,
        .port = failure->port,
        .data_directory = folder,
        .tick_time_ms = settings_integer(server->settings, "zookeeper.tickTime"),
        .snap_count = settings_integer(server->settings, "zookeeper.snapCount"),
        .force_sync = settings_boolean(server->settings, "zookeeper.forceSync"),
        .four_letter_words = settings_text(server->settings, "zookeeper.4lw.commands.whitelist"),
        .peer_rule = server_peer_rule(server),
        .log = service_logs_get(server->logs, LOG_OF_ZOOKEEPER),
        .metrics = server->metrics,
    };
    server->zookeeper = zookeeper_start(&options, &failure->error);
    if (server->zookeeper == NULL)
        return false;
    if (server->broker != NULL)
        start_mirror(server);
    server->is_serving[SERVICE_ZOOKEEPER] = true;
    failure->port = 0;
    return true;
}

void server_stop_zookeeper(struct server *server) {
    if (server->zookeeper == NULL)
        return;
    stop_mirror(server);
    zookeeper_stop(server->zookeeper);
    server->zookeeper = NULL;
}
