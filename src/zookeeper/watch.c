/* watch.c: who waits for what. One-shot watches on data (existence, content) and on children, and the two persistent
 * kinds. Each watch is in the list of its path and in that of its connection. */
#include "zookeeper/server.h"

#include <stdlib.h>

struct zk_watch_set {
    struct list watches;
};

struct zk_watch {
    struct list_node in_set, in_connection;
    struct zk_connection *connection;
    struct bytes path; /* NUL follows */
    enum zk_watch_kind kind;
};

static struct zk_watch *find_watch(struct zk_connection *connection, struct bytes path, enum zk_watch_kind kind) {
    struct zk_watch_set *set = map_get(&connection->zookeeper->watches, path);
    if (set == NULL)
        return NULL;
    LIST_FOR_EACH(node, &set->watches) {
        struct zk_watch *watch = CONTAINER_OF(node, struct zk_watch, in_set);
        if (watch->connection == connection && watch->kind == kind)
            return watch;
    }
    return NULL;
}

bool zk_watch_exists(struct zk_connection *connection, struct bytes path, enum zk_watch_kind kind) {
    return find_watch(connection, path, kind) != NULL;
}

void zk_watch_add(struct zk_connection *connection, struct bytes path, enum zk_watch_kind kind) {
    struct zookeeper *zookeeper = connection->zookeeper;
    if (find_watch(connection, path, kind) != NULL)
        return;
    struct zk_watch_set *set = map_get(&zookeeper->watches, path);
    if (set == NULL) {
        set = calloc(1, sizeof *set);
        ASSERT(set != NULL);
        list_init(&set->watches);
        map_set(&zookeeper->watches, path, set);
    }
    struct zk_watch *watch = calloc(1, sizeof *watch);
    char *copy = strndup((const char *)path.data, path.size);
    ASSERT(watch != NULL && copy != NULL);
    watch->connection = connection;
    watch->path = bytes_make(copy, path.size);
    watch->kind = kind;
    list_append(&set->watches, &watch->in_set);
    list_append(&connection->watches, &watch->in_connection);
    zookeeper->watch_count++;
    zookeeper->recursive_watch_count += kind == ZK_WATCH_RECURSIVE;
}

static void watch_free(struct zookeeper *zookeeper, struct zk_watch *watch) {
    list_remove(&watch->in_set);
    list_remove(&watch->in_connection);
    struct zk_watch_set *set = map_get(&zookeeper->watches, watch->path);
    if (list_empty(&set->watches)) {
        map_remove(&zookeeper->watches, watch->path);
        free(set);
    }
    zookeeper->watch_count--;
    zookeeper->recursive_watch_count -= watch->kind == ZK_WATCH_RECURSIVE;
    free((void *)(uintptr_t)watch->path.data);
    free(watch);
}

bool zk_watch_remove(struct zk_connection *connection, struct bytes path, enum zk_watch_kind kind) {
    struct zk_watch *watch = find_watch(connection, path, kind);
    if (watch == NULL)
        return false;
    watch_free(connection->zookeeper, watch);
    return true;
}

void zk_watches_drop(struct zk_connection *connection) {
    while (!list_empty(&connection->watches))
        watch_free(
            connection->zookeeper, CONTAINER_OF(list_first(&connection->watches), struct zk_watch, in_connection));
}

void zk_watch_send(struct zk_connection *connection, enum zk_event_type type, struct bytes path, int64_t zxid) {
    struct buffer frame = {0};
    jute_write_int(&frame, -1);
    jute_write_long(&frame, zxid);
    jute_write_int(&frame, 0);
    jute_write_int(&frame, type);
    jute_write_int(&frame, 3); /* SyncConnected */
    jute_write_string(&frame, path);
    zk_send(connection, &frame);
}

static bool is_wanted(const struct zk_watch *watch, enum zk_event_type type, bool at_path) {
    switch (watch->kind) {
    case ZK_WATCH_DATA:
        return at_path && type != ZK_NODE_CHILDREN_CHANGED;
    case ZK_WATCH_CHILD:
        return at_path && (type == ZK_NODE_CHILDREN_CHANGED || type == ZK_NODE_DELETED);
    case ZK_WATCH_PERSISTENT:
        return at_path;
    case ZK_WATCH_RECURSIVE:
        return type != ZK_NODE_CHILDREN_CHANGED;
    }
    UNREACHABLE();
}

struct told {
    struct zk_connection **items;
    size_t count, capacity;
};

/* Collects the connections that wait at `path` for an event of another or the same path; each is told once. */
static void collect(
    struct zookeeper *zookeeper, struct bytes path, enum zk_event_type type, bool at_path, struct told *told) {
    struct zk_watch_set *set = map_get(&zookeeper->watches, path);
    if (set == NULL)
        return;
    bool last = false;
    LIST_FOR_EACH(node, &set->watches) {
        struct zk_watch *watch = CONTAINER_OF(node, struct zk_watch, in_set);
        last = node_next == &set->watches.head; /* freeing the last watch frees the set */
        if (is_wanted(watch, type, at_path)) {
            bool known = false;
            for (size_t i = 0; i < told->count; i++)
                known = known || told->items[i] == watch->connection;
            if (!known)
                VECTOR_PUSH(told, watch->connection);
            if (watch->kind == ZK_WATCH_DATA || watch->kind == ZK_WATCH_CHILD)
                watch_free(zookeeper, watch);
        }
        if (last)
            break;
    }
}

void zk_watches_tell(struct zookeeper *zookeeper, const struct zk_event *event, int64_t zxid) {
    struct told told = {0};
    collect(zookeeper, event->path, event->type, true, &told);
    for (struct bytes path = event->path; zookeeper->recursive_watch_count > 0 && path.size > 1;) {
        path = zk_path_parent(path);
        collect(zookeeper, path, event->type, false, &told);
    }
    for (size_t i = 0; i < told.count; i++)
        zk_watch_send(told.items[i], event->type, event->path, zxid);
    VECTOR_FREE(&told);
}
