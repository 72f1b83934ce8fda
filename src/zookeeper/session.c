/* session.c: sessions: made and taken up by the handshake, kept alive by any request, ended by the client or by time.
 */
#include "zookeeper/server.h"

#include <stdlib.h>

/* The first 16 bytes of java.util.Random(id ^ 0xB3415C00): the rule of ZooKeeper's own server, so that a client keeps
 * its session when the data directory moves from one to the other. It keeps sessions apart; it is no secret. */
void zk_session_password(int64_t id, uint8_t password[16]) {
    uint64_t state = (((uint64_t)id ^ 0xb3415c00) ^ 0x5deece66d) & (((uint64_t)1 << 48) - 1);
    for (size_t i = 0; i < 16; i += 4) {
        state = (state * 0x5deece66d + 0xb) & (((uint64_t)1 << 48) - 1);
        uint32_t word = (uint32_t)(state >> 16);
        for (size_t k = 0; k < 4; k++)
            password[i + k] = (uint8_t)(word >> (8 * k));
    }
}

struct zk_session *zk_session_find(struct zookeeper *zookeeper, int64_t id) {
    return map_get(&zookeeper->sessions, bytes_make(&id, sizeof id));
}

void zk_session_touch(struct zookeeper *zookeeper, struct zk_session *session) {
    session->expires_ms = world_loop_now_ms(zookeeper->options.loop) + session->timeout_ms;
}

struct zk_session *zk_session_restore(struct zookeeper *zookeeper, int64_t id, int32_t timeout_ms) {
    struct zk_session *session = calloc(1, sizeof *session);
    ASSERT(session != NULL);
    session->id = id;
    session->timeout_ms = timeout_ms;
    map_set(&zookeeper->sessions, bytes_make(&id, sizeof id), session);
    zk_session_touch(zookeeper, session);
    return session;
}

struct zk_session *zk_session_create(struct zookeeper *zookeeper, int32_t timeout_ms) {
    struct zk_change change;
    struct buffer record = {0};
    while (zk_session_find(zookeeper, zookeeper->next_session_id) != NULL)
        zookeeper->next_session_id++;
    int64_t id = zookeeper->next_session_id++;
    zk_change_start(&change, &zookeeper->tree, id, world_wall_ms(zookeeper->options.world));
    jute_write_int(&record, timeout_ms);
    bool made = zk_commit(zookeeper, &change, 0, ZK_CREATE_SESSION, buffer_view(&record));
    buffer_free(&record);
    return made ? zk_session_restore(zookeeper, id, timeout_ms) : NULL;
}

void zk_session_end(struct zookeeper *zookeeper, struct zk_session *session, int32_t cxid) {
    static const struct zk_caller ourselves = {0};
    struct zk_change change;
    struct buffer record = {0}, ignored = {0};
    zk_change_start(&change, &zookeeper->tree, session->id, world_wall_ms(zookeeper->options.world));
    struct map *owned = zk_tree_owned(&zookeeper->tree, session->id);
    jute_write_int(&record, owned == NULL ? 0 : (int32_t)owned->count);
    while ((owned = zk_tree_owned(&zookeeper->tree, session->id)) != NULL) {
        size_t cursor = 0;
        struct zk_node *node = map_next(owned, &cursor)->value;
        jute_write_string(&record, node->path);
        enum zk_error result = zk_change_delete(&change, node->path, -1, &ourselves, &ignored);
        ASSERT(result == ZK_OK); /* an ephemeral node has no children */
    }
    bool ended = zk_commit(zookeeper, &change, cxid, ZK_CLOSE_SESSION, buffer_view(&record));
    buffer_free(&record);
    buffer_free(&ignored);
    if (!ended)
        return; /* the log cannot be written: it stays until it can */
    if (session->connection != NULL)
        session->connection->session = NULL;
    map_remove(&zookeeper->sessions, bytes_make(&session->id, sizeof session->id));
    free(session);
}

void zk_sessions_expire(struct zookeeper *zookeeper) {
    int64_t now_ms = world_loop_now_ms(zookeeper->options.loop);
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&zookeeper->sessions, &cursor)) != NULL;) {
        struct zk_session *session = entry->value;
        if (session->never_expires || session->expires_ms > now_ms)
            continue;
        zk_info(zookeeper, LOG_INFO, "org.apache.zookeeper.server.ZooKeeperServer",
            "Expiring session 0x%llx, timeout of %dms exceeded", (unsigned long long)session->id, session->timeout_ms);
        struct zk_connection *connection = session->connection;
        zk_session_end(zookeeper, session, 0);
        if (connection != NULL)
            zk_close(connection);
    }
}

void zk_sessions_free(struct zookeeper *zookeeper) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&zookeeper->sessions, &cursor)) != NULL;)
        free(entry->value);
    map_free(&zookeeper->sessions);
}

void zk_remove_expired_nodes(struct zookeeper *zookeeper) {
    static const struct zk_caller ourselves = {0};
    int64_t now_ms = world_wall_ms(zookeeper->options.world);
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&zookeeper->tree.nodes, &cursor)) != NULL;) {
        struct zk_node *node = entry->value;
        int64_t owner = node->stat.ephemeral_owner;
        bool empty_container = owner == ZK_CONTAINER_OWNER && node->stat.cversion > 0;
        bool old = owner != ZK_CONTAINER_OWNER && (owner & ZK_TTL_MASK) == ZK_TTL_MASK &&
                   node->stat.mtime + (owner & ZK_TTL_MAX_MS) < now_ms;
        if (node->children.count > 0 || (!empty_container && !old))
            continue;
        struct zk_change change;
        struct buffer record = {0};
        zk_change_start(&change, &zookeeper->tree, 0, now_ms);
        if (zk_change_delete(&change, node->path, -1, &ourselves, &record) == ZK_OK)
            zk_commit(zookeeper, &change, 0, ZK_DELETE_CONTAINER, buffer_view(&record));
        else
            zk_change_free(&change);
        buffer_free(&record);
    }
}

/* ---- handshake ---- */

static void send_connect_response(struct zk_connection *connection, const struct zk_session *session) {
    struct buffer frame = {0};
    uint8_t password[16] = {0};
    if (session != NULL)
        zk_session_password(session->id, password);
    jute_write_int(&frame, 0);
    jute_write_int(&frame, session == NULL ? 0 : session->timeout_ms);
    jute_write_long(&frame, session == NULL ? 0 : session->id);
    jute_write_buffer(&frame, bytes_make(password, sizeof password));
    if (connection->read_only_known)
        jute_write_bool(&frame, false);
    zk_send(connection, &frame);
}

static struct zk_session *take_up(struct zk_connection *connection, int64_t id, struct bytes given) {
    struct zookeeper *zookeeper = connection->zookeeper;
    uint8_t password[16];
    zk_session_password(id, password);
    struct zk_session *session = zk_session_find(zookeeper, id);
    if (session == NULL || session->never_expires || !bytes_equal(given, bytes_make(password, sizeof password)))
        return NULL;
    if (session->connection != NULL) {
        /* The client came back before its old connection was seen to end. */
        struct zk_connection *former = session->connection;
        former->session = NULL;
        zk_close(former);
    }
    return session;
}

void zk_handshake(struct zk_connection *connection, struct bytes frame) {
    struct zookeeper *zookeeper = connection->zookeeper;
    struct jute_reader reader = jute_reader_make(frame);
    jute_read_int(&reader);
    int64_t last_zxid = jute_read_long(&reader);
    int32_t timeout_ms = jute_read_int(&reader);
    int64_t id = jute_read_long(&reader);
    struct bytes password = jute_read_buffer(&reader);
    const struct world_address *peer = net_peer(connection->net);
    if (reader.failed) {
        zk_info(zookeeper, LOG_WARN, "org.apache.zookeeper.server.NIOServerCnxn", "Bad connect request from /%s:%u",
            peer->text, peer->port);
        zk_close(connection);
        return;
    }
    connection->read_only_known = jute_left(&reader) > 0;
    if (last_zxid > zookeeper->tree.last_zxid) {
        zk_info(zookeeper, LOG_INFO, "org.apache.zookeeper.server.ZooKeeperServer",
            "Refusing session(0x%llx) request for client /%s:%u as it has seen zxid 0x%llx our last zxid is 0x%llx "
            "client must try another server",
            (unsigned long long)id, peer->text, peer->port, (unsigned long long)last_zxid,
            (unsigned long long)zookeeper->tree.last_zxid);
        zk_close(connection);
        return;
    }
    int64_t least = zookeeper->options.tick_time_ms * 2, most = zookeeper->options.tick_time_ms * 20;
    timeout_ms = (int32_t)(timeout_ms < least ? least : timeout_ms > most ? most : timeout_ms);
    struct zk_session *session = id == 0 ? zk_session_create(zookeeper, timeout_ms) : take_up(connection, id, password);
    send_connect_response(connection, session);
    if (session == NULL) {
        zk_info(zookeeper, LOG_INFO, "org.apache.zookeeper.server.ZooKeeperServer",
            "Invalid session 0x%llx for client /%s:%u, probably expired", (unsigned long long)id, peer->text,
            peer->port);
        zk_close(connection);
        return;
    }
    if (id != 0)
        session->timeout_ms = timeout_ms;
    session->connection = connection;
    connection->session = session;
    connection->last_operation = "SESS";
    zk_session_touch(zookeeper, session);
    net_set_idle_timeout(connection->net, 0); /* from here on the session's time counts */
    zk_info(zookeeper, LOG_DEBUG, "org.apache.zookeeper.server.ZooKeeperServer",
        "Established session 0x%llx with negotiated timeout %d for client /%s:%u", (unsigned long long)session->id,
        session->timeout_ms, peer->text, peer->port);
}
