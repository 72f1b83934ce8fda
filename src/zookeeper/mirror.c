/* mirror.c: what a ZooKeeper-mode Kafka (up to 3.9) keeps in ZooKeeper, shown for the broker in this process. Others
 * look here for brokers and topics; our broker's own truth is its metadata log. */
#include "zookeeper/server.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"

static const struct zk_caller ourselves = {0};
static const uint8_t open_acl[] = "\0\0\0\1\0\0\0\x1f\0\0\0\5world\0\0\0\6anyone";

/* ---- changes of our own ---- */

static void put(struct zookeeper *zookeeper, const char *path, const char *data, bool is_ephemeral) {
    struct zk_change change;
    struct buffer record = {0};
    struct zk_node *node = zk_tree_find(&zookeeper->tree, bytes_from_text(path));
    struct bytes value = data == NULL ? BYTES_NULL : bytes_from_text(data);
    if (node != NULL && bytes_equal(buffer_view(&node->data), value.data == NULL ? BYTES("") : value) &&
        (!is_ephemeral || node->stat.ephemeral_owner == zookeeper->mirror_session_id))
        return; /* a restart finds what it would write */
    zk_change_start(&change, &zookeeper->tree, is_ephemeral ? zookeeper->mirror_session_id : 0,
        world_wall_ms(zookeeper->options.world));
    enum zk_operation operation = node == NULL ? ZK_CREATE : ZK_SET_DATA;
    struct zk_create create = {.operation = ZK_CREATE,
        .path = bytes_from_text(path),
        .data = value,
        .acl = bytes_make(open_acl, sizeof open_acl - 1),
        .is_ephemeral = is_ephemeral};
    enum zk_error result =
        node == NULL ? zk_change_create(&change, &create, &ourselves, &record, &node)
                     : zk_change_set_data(&change, bytes_from_text(path), value, -1, &ourselves, &record, &node);
    if (result == ZK_OK)
        zk_commit(zookeeper, &change, 0, operation, buffer_view(&record));
    else
        zk_change_free(&change);
    buffer_free(&record);
}

static void remove_one(struct zookeeper *zookeeper, struct bytes path) {
    struct zk_change change;
    struct buffer record = {0};
    zk_change_start(&change, &zookeeper->tree, 0, world_wall_ms(zookeeper->options.world));
    if (zk_change_delete(&change, path, -1, &ourselves, &record) == ZK_OK)
        zk_commit(zookeeper, &change, 0, ZK_DELETE, buffer_view(&record));
    else
        zk_change_free(&change);
    buffer_free(&record);
}

/* Leaves first. */
static void remove_all(struct zookeeper *zookeeper, const char *path) {
    struct zk_node *top = zk_tree_find(&zookeeper->tree, bytes_from_text(path)), *node = top;
    while (node != NULL) {
        size_t cursor = 0;
        if (node->children.count > 0) {
            node = map_next(&node->children, &cursor)->value;
            continue;
        }
        struct zk_node *parent = node == top ? NULL : node->parent;
        struct buffer copy = {0};
        buffer_append_bytes(&copy, node->path);
        remove_one(zookeeper, buffer_view(&copy));
        bool removed = zk_tree_find(&zookeeper->tree, buffer_view(&copy)) == NULL;
        buffer_free(&copy);
        if (!removed)
            return; /* the log cannot be written */
        node = parent;
    }
}

/* ---- messages from other threads ---- */

enum mirror_kind { MIRROR_BROKER, MIRROR_BROKER_GONE, MIRROR_TOPIC, MIRROR_REMOVED };

struct mirror_message {
    struct zookeeper *zookeeper;
    struct arena arena;
    enum mirror_kind kind;
    int32_t broker_id, partition_count;
    uint16_t port;
    const char *cluster_id, *host, *name, *topic_id;
    const char **config_names, **config_values;
    size_t config_count;
};

static struct mirror_message *make_message(struct zookeeper *zookeeper, enum mirror_kind kind) {
    struct arena arena = {0};
    struct mirror_message *message = ARENA_NEW(&arena, struct mirror_message);
    message->zookeeper = zookeeper;
    message->arena = arena;
    message->kind = kind;
    return message;
}

static void free_message(struct mirror_message *message) {
    struct arena arena = message->arena;
    arena_destroy(&arena);
}

/* A broker that runs owns its ephemeral nodes through a session; the one of a former run is known to be dead. */
static void start_session(struct zookeeper *zookeeper) {
    struct zk_node *node = zk_tree_find(&zookeeper->tree, BYTES("/controller"));
    struct zk_session *former = node == NULL ? NULL : zk_session_find(zookeeper, node->stat.ephemeral_owner);
    if (former != NULL && former->connection == NULL)
        zk_session_end(zookeeper, former, 0);
    struct zk_session *session = zk_session_create(zookeeper, 18000);
    if (session == NULL)
        return;
    session->never_expires = true;
    zookeeper->mirror_session_id = session->id;
}

static void mirror_broker(struct mirror_message *message) {
    static const char *const standing[] = {"/consumers", "/brokers", "/brokers/ids", "/brokers/topics",
        "/brokers/seqid", "/config", "/config/changes", "/config/topics", "/config/clients", "/config/users",
        "/config/brokers", "/config/ips", "/admin", "/admin/delete_topics", "/isr_change_notification",
        "/log_dir_event_notification", "/latest_producer_id_block", "/cluster"};
    struct zookeeper *zookeeper = message->zookeeper;
    struct arena *arena = &message->arena;
    if (zookeeper->mirror_session_id == 0)
        start_session(zookeeper);
    for (size_t i = 0; i < ARRAY_COUNT(standing); i++)
        if (zk_tree_find(&zookeeper->tree, bytes_from_text(standing[i])) == NULL)
            put(zookeeper, standing[i], NULL, false);
    long long now_ms = world_wall_ms(zookeeper->options.world);
    put(zookeeper, "/cluster/id", arena_printf(arena, "{\"version\":\"1\",\"id\":\"%s\"}", message->cluster_id), false);
    put(zookeeper, arena_printf(arena, "/brokers/ids/%d", message->broker_id),
        arena_printf(arena,
            "{\"features\":{},\"listener_security_protocol_map\":{\"PLAINTEXT\":\"PLAINTEXT\"},\"endpoints\":["
            "\"PLAINTEXT://%s:%u\"],"
            "\"jmx_port\":-1,\"port\":%u,\"host\":\"%s\",\"version\":5,\"timestamp\":\"%lld\"}",
            message->host, message->port, message->port, message->host, now_ms),
        true);
    if (zk_tree_find(&zookeeper->tree, BYTES("/controller_epoch")) == NULL)
        put(zookeeper, "/controller_epoch", "1", false);
    put(zookeeper, "/controller",
        arena_printf(arena, "{\"version\":2,\"brokerid\":%d,\"timestamp\":\"%lld\",\"kraftControllerEpoch\":-1}",
            message->broker_id, now_ms),
        true);
}

static void append_partitions(struct buffer *out, const struct mirror_message *message) {
    for (int32_t i = 0; i < message->partition_count; i++)
        buffer_printf(out, "%s\"%d\":[%d]", i == 0 ? "" : ",", i, message->broker_id);
}

static void mirror_topic(struct mirror_message *message) {
    struct zookeeper *zookeeper = message->zookeeper;
    struct arena *arena = &message->arena;
    if (zk_tree_find(&zookeeper->tree, BYTES("/brokers/topics")) == NULL)
        return; /* the broker comes first */
    struct buffer text = {0};
    buffer_append_text(&text, "{\"removing_replicas\":{},\"partitions\":{");
    append_partitions(&text, message);
    buffer_append_byte(&text, '}');
    if (message->topic_id != NULL)
        buffer_printf(&text, ",\"topic_id\":\"%s\"", message->topic_id);
    buffer_append_text(&text, ",\"adding_replicas\":{},\"version\":3}");
    char *topic = arena_printf(arena, "/brokers/topics/%s", message->name);
    put(zookeeper, topic, buffer_text(&text), false);
    if (zk_tree_find(&zookeeper->tree, bytes_from_text(arena_printf(arena, "%s/partitions", topic))) == NULL)
        put(zookeeper, arena_printf(arena, "%s/partitions", topic), NULL, false);
    for (int32_t i = 0; i < message->partition_count; i++) {
        char *partition = arena_printf(arena, "%s/partitions/%d", topic, i);
        if (zk_tree_find(&zookeeper->tree, bytes_from_text(partition)) == NULL)
            put(zookeeper, partition, NULL, false);
        put(zookeeper, arena_printf(arena, "%s/state", partition),
            arena_printf(arena, "{\"controller_epoch\":1,\"leader\":%d,\"version\":1,\"leader_epoch\":0,\"isr\":[%d]}",
                message->broker_id, message->broker_id),
            false);
    }
    buffer_clear(&text);
    buffer_append_text(&text, "{\"version\":1,\"config\":{");
    for (size_t i = 0; i < message->config_count; i++) {
        buffer_append_text(&text, i == 0 ? "" : ",");
        buffer_append_json_string(&text, bytes_from_text(message->config_names[i]));
        buffer_append_byte(&text, ':');
        buffer_append_json_string(&text, bytes_from_text(message->config_values[i]));
    }
    buffer_append_text(&text, "}}");
    put(zookeeper, arena_printf(arena, "/config/topics/%s", message->name), buffer_text(&text), false);
    buffer_free(&text);
}

void zk_mirror_stop(struct zookeeper *zookeeper) {
    struct zk_session *session = zk_session_find(zookeeper, zookeeper->mirror_session_id);
    if (zookeeper->mirror_session_id != 0 && session != NULL)
        zk_session_end(zookeeper, session, 0);
}

static void apply_message(void *argument) {
    struct mirror_message *message = argument;
    switch (message->kind) {
    case MIRROR_BROKER:
        mirror_broker(message);
        break;
    case MIRROR_BROKER_GONE:
        zk_mirror_stop(message->zookeeper);
        message->zookeeper->mirror_session_id = 0;
        break;
    case MIRROR_TOPIC:
        mirror_topic(message);
        break;
    case MIRROR_REMOVED:
        remove_all(message->zookeeper, arena_printf(&message->arena, "/brokers/topics/%s", message->name));
        remove_all(message->zookeeper, arena_printf(&message->arena, "/config/topics/%s", message->name));
        break;
    }
    free_message(message);
}

void zookeeper_mirror_broker(
    struct zookeeper *zookeeper, int32_t broker_id, const char *cluster_id, const char *host, uint16_t port) {
    struct mirror_message *message = make_message(zookeeper, MIRROR_BROKER);
    message->broker_id = broker_id;
    message->cluster_id = arena_strdup(&message->arena, cluster_id);
    message->host = arena_strdup(&message->arena, host);
    message->port = port;
    world_loop_post(zookeeper->options.loop, apply_message, message);
}

void zookeeper_mirror_broker_gone(struct zookeeper *zookeeper) {
    world_loop_post(zookeeper->options.loop, apply_message, make_message(zookeeper, MIRROR_BROKER_GONE));
}

void zookeeper_mirror_topic(struct zookeeper *zookeeper, const struct zookeeper_topic *topic) {
    struct mirror_message *message = make_message(zookeeper, MIRROR_TOPIC);
    struct arena *arena = &message->arena;
    message->name = arena_strdup(arena, topic->name);
    message->topic_id = topic->topic_id == NULL ? NULL : arena_strdup(arena, topic->topic_id);
    message->partition_count = topic->partition_count;
    message->broker_id = topic->broker_id;
    message->config_count = topic->config_count;
    message->config_names = ARENA_ARRAY(arena, const char *, topic->config_count);
    message->config_values = ARENA_ARRAY(arena, const char *, topic->config_count);
    for (size_t i = 0; i < topic->config_count; i++) {
        message->config_names[i] = arena_strdup(arena, topic->config_names[i]);
        message->config_values[i] = arena_strdup(arena, topic->config_values[i]);
    }
    world_loop_post(zookeeper->options.loop, apply_message, message);
}

void zookeeper_mirror_topic_removed(struct zookeeper *zookeeper, const char *name) {
    struct mirror_message *message = make_message(zookeeper, MIRROR_REMOVED);
    message->name = arena_strdup(&message->arena, name);
    world_loop_post(zookeeper->options.loop, apply_message, message);
}
