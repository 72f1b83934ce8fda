/* server.c: start and stop, connections, the order of answers and transactions, snapshots. */
#include "zookeeper/server.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    FRAME_SIZE_MAX = 0xfffff + 4096, /* jute.maxbuffer and some room */
    HANDSHAKE_TIMEOUT_MS = 10000,
    TICK_MS = 1000,
    CONTAINER_CHECK_MS = 60000,
    LOG_FILE_SIZE_MAX = 256 << 20,
};

void zk_info(struct zookeeper *zookeeper, enum log_level level, const char *logger, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    service_log_write(zookeeper->options.log, level, logger, "%s", text);
}

/* ---- answers in the order of the transactions ---- */

static void send_now(struct net_connection *net, struct buffer *frame) {
    uint8_t length[4];
    store_be32(length, (uint32_t)frame->size);
    net_send_copy(net, bytes_make(length, 4));
    if (frame->size < 8192) {
        net_send_copy(net, buffer_view(frame));
        buffer_free(frame);
    } else {
        net_send_buffer(net, frame);
    }
}

void zk_send(struct zk_connection *connection, struct buffer *frame) {
    struct zookeeper *zookeeper = connection->zookeeper;
    connection->sent_count++;
    zookeeper->sent_count++;
    if (zookeeper->outgoing.count == 0 && zookeeper->synced_zxid >= zookeeper->tree.last_zxid) {
        send_now(connection->net, frame);
        return;
    }
    VECTOR_PUSH(&zookeeper->outgoing,
        ((struct zk_outgoing){
            .net = net_retain(connection->net), .frame = *frame, .after_zxid = zookeeper->tree.last_zxid}));
    *frame = (struct buffer){0};
}

void zk_close(struct zk_connection *connection) {
    struct zookeeper *zookeeper = connection->zookeeper;
    if (zookeeper->outgoing.count == 0) {
        net_close(connection->net);
        return;
    }
    /* Answers that wait for the disk go first. */
    VECTOR_PUSH(&zookeeper->outgoing,
        ((struct zk_outgoing){
            .net = net_retain(connection->net), .after_zxid = zookeeper->tree.last_zxid, .closes = true}));
}

static void release_outgoing(struct zookeeper *zookeeper) {
    size_t sent = 0;
    while (sent < zookeeper->outgoing.count && zookeeper->outgoing.items[sent].after_zxid <= zookeeper->synced_zxid) {
        struct zk_outgoing *outgoing = &zookeeper->outgoing.items[sent++];
        if (outgoing->closes)
            net_close(outgoing->net);
        else
            send_now(outgoing->net, &outgoing->frame);
        net_release(outgoing->net);
    }
    zookeeper->outgoing.count -= sent;
    if (sent > 0)
        memmove(zookeeper->outgoing.items, zookeeper->outgoing.items + sent,
            zookeeper->outgoing.count * sizeof zookeeper->outgoing.items[0]);
}

/* ---- syncing: one at a time, for all that was written before it ---- */

struct sync_work {
    struct zookeeper *zookeeper;
    struct world_file *log;
    struct error error;
    bool synced;
};

static void start_sync(struct zookeeper *zookeeper);

static void sync_on_pool(void *argument) {
    struct sync_work *work = argument;
    work->synced = zk_persist_sync(work->log, &work->error);
}

static void sync_done(void *argument) {
    struct sync_work *work = argument;
    struct zookeeper *zookeeper = work->zookeeper;
    zookeeper->pool_work_count--;
    zookeeper->is_syncing = false;
    if (!work->synced) {
        zookeeper->log_failed = true; /* what was promised cannot be kept: no more changes */
        zk_info(zookeeper, LOG_ERROR, "org.apache.zookeeper.server.SyncRequestProcessor",
            "%s; no change is taken any more", work->error.message);
    }
    zookeeper->synced_zxid = work->synced ? zookeeper->syncing_zxid : zookeeper->tree.last_zxid;
    free(work);
    release_outgoing(zookeeper);
    start_sync(zookeeper);
}

static void start_sync(struct zookeeper *zookeeper) {
    if (zookeeper->is_syncing || zookeeper->log_failed || zookeeper->synced_zxid >= zookeeper->tree.last_zxid)
        return;
    struct sync_work *work = calloc(1, sizeof *work);
    ASSERT(work != NULL);
    work->zookeeper = zookeeper;
    work->log = zookeeper->persist.log;
    zookeeper->is_syncing = true;
    zookeeper->syncing_zxid = zookeeper->tree.last_zxid;
    zookeeper->pool_work_count++;
    world_pool_run(zookeeper->options.disk_pool, zookeeper->options.loop, sync_on_pool, sync_done, work);
}

/* ---- snapshots ---- */

static void list_sessions(struct zookeeper *zookeeper, struct zk_sessions *sessions) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&zookeeper->sessions, &cursor)) != NULL;) {
        struct zk_session *session = entry->value;
        VECTOR_PUSH(sessions, ((struct zk_session_record){session->id, session->timeout_ms}));
    }
}

struct snapshot_work {
    struct zookeeper *zookeeper;
    struct buffer bytes;
    int64_t zxid;
    struct error error;
    bool written;
};

static void snapshot_on_pool(void *argument) {
    struct snapshot_work *work = argument;
    work->written = zk_snapshot_write(work->zookeeper->options.world, work->zookeeper->persist.directory, work->zxid,
        buffer_view(&work->bytes), &work->error);
}

static void snapshot_done(void *argument) {
    struct snapshot_work *work = argument;
    struct zookeeper *zookeeper = work->zookeeper;
    zookeeper->pool_work_count--;
    zookeeper->is_snapshotting = false;
    if (!work->written)
        zk_info(zookeeper, LOG_ERROR, "org.apache.zookeeper.server.SyncRequestProcessor", "Snapshot failed: %s",
            work->error.message);
    buffer_free(&work->bytes);
    free(work);
}

static struct snapshot_work *encode_snapshot(struct zookeeper *zookeeper) {
    struct snapshot_work *work = calloc(1, sizeof *work);
    ASSERT(work != NULL);
    struct zk_sessions sessions = {0};
    list_sessions(zookeeper, &sessions);
    zk_snapshot_encode(&zookeeper->tree, &sessions, &work->bytes);
    VECTOR_FREE(&sessions);
    work->zookeeper = zookeeper;
    work->zxid = zookeeper->tree.last_zxid;
    return work;
}

static void maybe_snapshot(struct zookeeper *zookeeper) {
    bool settled = !zookeeper->is_syncing && zookeeper->synced_zxid >= zookeeper->tree.last_zxid;
    bool due = zookeeper->changes_since_snapshot >= zookeeper->options.snap_count ||
               zookeeper->persist.log_size > LOG_FILE_SIZE_MAX;
    if (!due || !settled || zookeeper->is_snapshotting)
        return;
    zookeeper->changes_since_snapshot = 0;
    zookeeper->is_snapshotting = true;
    zookeeper->pool_work_count++;
    zk_persist_roll(&zookeeper->persist);
    zookeeper->persist.log_size = 0;
    world_pool_run(zookeeper->options.disk_pool, zookeeper->options.loop, snapshot_on_pool, snapshot_done,
        encode_snapshot(zookeeper));
}

/* ---- transactions ---- */

bool zk_commit(struct zookeeper *zookeeper, struct zk_change *change, int32_t cxid, enum zk_operation operation,
    struct bytes record) {
    struct error error = {0};
    if (zookeeper->log_failed || !zk_persist_append(&zookeeper->persist, change->session_id, cxid, change->zxid,
                                     change->time_ms, operation, record, &error)) {
        zk_info(zookeeper, LOG_ERROR, "org.apache.zookeeper.server.SyncRequestProcessor", "A change was refused: %s",
            zookeeper->log_failed ? "the transaction log failed before" : error.message);
        zk_change_undo(change);
        zk_change_free(change);
        return false;
    }
    zookeeper->tree.last_zxid = change->zxid;
    zookeeper->changes_since_snapshot++;
    if (zookeeper->options.force_sync)
        start_sync(zookeeper);
    else
        zookeeper->synced_zxid = change->zxid;
    for (size_t i = 0; i < change->events.count; i++)
        zk_watches_tell(zookeeper, &change->events.items[i], change->zxid);
    zk_change_free(change);
    maybe_snapshot(zookeeper);
    return true;
}

/* ---- connections ---- */

static bool open_connection(struct net_connection *net, void *context) {
    struct zookeeper *zookeeper = context;
    struct zk_connection *connection = calloc(1, sizeof *connection);
    ASSERT(connection != NULL);
    connection->zookeeper = zookeeper;
    connection->net = net;
    connection->last_operation = "NA";
    connection->opened_wall_ms = world_wall_ms(zookeeper->options.world);
    list_init(&connection->watches);
    struct buffer address = {0};
    buffer_append_text(&address, net_peer(net)->text);
    VECTOR_PUSH(&connection->identities, ((struct zk_identity){BYTES("ip"), buffer_view(&address)}));
    net_set_state(net, connection);
    net_set_idle_timeout(net, HANDSHAKE_TIMEOUT_MS);
    return true;
}

static void take_frame(struct net_connection *net, struct bytes frame) {
    struct zk_connection *connection = net_state(net);
    connection->received_count++;
    connection->zookeeper->received_count++;
    if (connection->session == NULL)
        zk_handshake(connection, frame);
    else
        zk_request(connection, frame);
}

static void refuse_frame(struct net_connection *net, int32_t size) {
    struct zk_connection *connection = net_state(net);
    if (connection->session == NULL && zk_word(connection, size))
        return;
    zk_info(connection->zookeeper, LOG_WARN, "org.apache.zookeeper.server.NIOServerCnxn",
        "Closing /%s:%u: Len error %d, at most %d are allowed", net_peer(net)->text, net_peer(net)->port, size,
        FRAME_SIZE_MAX);
}

static void connection_closed(struct net_connection *net, const struct error *reason) {
    struct zk_connection *connection = net_state(net);
    if (connection->session != NULL)
        connection->session->connection = NULL; /* the session waits for its client until its time is over */
    zk_watches_drop(connection);
    for (size_t i = 0; i < connection->identities.count; i++)
        free((void *)(uintptr_t)connection->identities.items[i].id.data);
    VECTOR_FREE(&connection->identities);
    free(connection);
}

static const struct net_protocol protocol = {
    .name = "zookeeper",
    .open = open_connection,
    .frame = take_frame,
    .frame_refused = refuse_frame,
    .closed = connection_closed,
};

/* ---- time ---- */

static void describe(struct zookeeper *zookeeper) {
    struct zookeeper_description description = {
        .znode_count = (int64_t)zookeeper->tree.nodes.count,
        .watch_count = (int64_t)zookeeper->watch_count,
        .session_count = (int64_t)zookeeper->sessions.count,
        .connection_count = zookeeper->net == NULL ? 0 : (int64_t)net_server_connection_count(zookeeper->net),
        .last_zxid = zookeeper->tree.last_zxid,
        .received_count = zookeeper->received_count,
        .sent_count = zookeeper->sent_count,
    };
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&zookeeper->tree.owners, &cursor)) != NULL;)
        description.ephemeral_count += (int64_t)((struct map *)entry->value)->count;
    world_mutex_lock(&zookeeper->description_lock);
    zookeeper->description = description;
    world_mutex_unlock(&zookeeper->description_lock);
}

struct zookeeper_description zookeeper_describe(struct zookeeper *zookeeper) {
    world_mutex_lock(&zookeeper->description_lock);
    struct zookeeper_description description = zookeeper->description;
    world_mutex_unlock(&zookeeper->description_lock);
    return description;
}

static void tick(void *argument) {
    struct zookeeper *zookeeper = argument;
    int64_t now_ms = world_loop_now_ms(zookeeper->options.loop);
    zk_sessions_expire(zookeeper);
    if (now_ms >= zookeeper->container_check_ms) {
        zookeeper->container_check_ms = now_ms + CONTAINER_CHECK_MS;
        zk_remove_expired_nodes(zookeeper);
    }
    maybe_snapshot(zookeeper);
    describe(zookeeper);
}

/* ---- start and stop ---- */

static void start_time(void *argument) {
    struct zookeeper *zookeeper = argument;
    zookeeper->timer = world_timer_create(zookeeper->options.loop, tick, zookeeper);
    world_timer_start(zookeeper->timer, TICK_MS, TICK_MS);
    zookeeper->container_check_ms = world_loop_now_ms(zookeeper->options.loop) + CONTAINER_CHECK_MS;
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&zookeeper->sessions, &cursor)) != NULL;)
        zk_session_touch(zookeeper, entry->value);
    describe(zookeeper);
}

static void restore_session(struct zookeeper *zookeeper, const struct zk_session_record *record) {
    struct zk_session *session = calloc(1, sizeof *session);
    ASSERT(session != NULL);
    session->id = record->id;
    session->timeout_ms = record->timeout_ms;
    map_set(&zookeeper->sessions, bytes_make(&session->id, sizeof session->id), session);
}

static bool recover(struct zookeeper *zookeeper, struct error *error) {
    struct zk_sessions sessions = {0};
    bool recovered = zk_persist_open(
        &zookeeper->persist, zookeeper->options.world, zookeeper->data_directory, &zookeeper->tree, &sessions, error);
    for (size_t i = 0; i < sessions.count && recovered; i++)
        restore_session(zookeeper, &sessions.items[i]);
    VECTOR_FREE(&sessions);
    zookeeper->synced_zxid = zookeeper->tree.last_zxid;
    if (recovered && !zk_snapshot_exists(zookeeper->options.world, zookeeper->persist.directory)) {
        struct snapshot_work *work = encode_snapshot(zookeeper);
        recovered = zk_snapshot_write(
            zookeeper->options.world, zookeeper->persist.directory, work->zxid, buffer_view(&work->bytes), error);
        buffer_free(&work->bytes);
        free(work);
    }
    return recovered;
}

static char *copy_text(const char *text) {
    char *copy = strdup(text);
    ASSERT(copy != NULL);
    return copy;
}

static void free_server(struct zookeeper *zookeeper) {
    zk_sessions_free(zookeeper);
    map_free(&zookeeper->watches);
    zk_tree_free(&zookeeper->tree);
    if (zookeeper->persist.directory != NULL)
        zk_persist_close(&zookeeper->persist);
    world_mutex_destroy(&zookeeper->description_lock);
    VECTOR_FREE(&zookeeper->outgoing);
    free(zookeeper->data_directory);
    free(zookeeper->four_letter_words);
    free(zookeeper);
}

static struct zookeeper *make_server(const struct zookeeper_options *options) {
    struct zookeeper *zookeeper = calloc(1, sizeof *zookeeper);
    ASSERT(zookeeper != NULL);
    zookeeper->options = *options;
    if (zookeeper->options.tick_time_ms == 0)
        zookeeper->options.tick_time_ms = 2000;
    if (zookeeper->options.snap_count == 0)
        zookeeper->options.snap_count = 100000;
    zookeeper->data_directory = copy_text(options->data_directory);
    zookeeper->four_letter_words =
        copy_text(options->four_letter_words != NULL ? options->four_letter_words : "ruok, srvr, mntr");
    int64_t wall_ms = world_wall_ms(options->world);
    zookeeper->next_session_id = (int64_t)(((uint64_t)wall_ms << 24) >> 8 | (uint64_t)1 << 56);
    zookeeper->started_ms = wall_ms;
    world_mutex_init(&zookeeper->description_lock);
    return zookeeper;
}

struct zookeeper *zookeeper_start(const struct zookeeper_options *options, struct error *error) {
    struct zookeeper *zookeeper = make_server(options);
    if (!recover(zookeeper, error)) {
        free_server(zookeeper);
        return NULL;
    }
    zk_info(zookeeper, LOG_INFO, "org.apache.zookeeper.server.ZooKeeperServer",
        "minSessionTimeout set to %lld ms, maxSessionTimeout set to %lld ms, dataDir %s, last zxid 0x%llx, %zu znodes",
        (long long)zookeeper->options.tick_time_ms * 2, (long long)zookeeper->options.tick_time_ms * 20,
        zookeeper->data_directory, (unsigned long long)zookeeper->tree.last_zxid, zookeeper->tree.nodes.count);
    struct net_server_options net = {
        .loop = options->loop,
        .addresses = options->addresses,
        .address_count = options->address_count,
        .port = options->port,
        .protocol = &protocol,
        .context = zookeeper,
        .limits = options->limits,
        .peer_rule = options->peer_rule,
        .log = options->log,
        .metrics = options->metrics,
    };
    net.limits.frame_size_max = FRAME_SIZE_MAX;
    world_loop_call(options->loop, start_time, zookeeper);
    zookeeper->net = net_server_start(&net, error);
    if (zookeeper->net == NULL) {
        zookeeper_stop(zookeeper);
        return NULL;
    }
    for (size_t i = 0; i < options->address_count; i++) {
        struct net_endpoint endpoint = net_endpoint_parse(options->addresses[i], net_server_port(zookeeper->net));
        zk_info(zookeeper, LOG_INFO, "org.apache.zookeeper.server.NIOServerCnxnFactory", "binding to port /%s:%u",
            endpoint.address, endpoint.port);
    }
    return zookeeper;
}

static void stop_time(void *argument) {
    struct zookeeper *zookeeper = argument;
    world_timer_destroy(zookeeper->timer);
    zk_mirror_stop(zookeeper);
}

static void count_pool_work(void *argument) {
    void **call = argument;
    *(size_t *)call[1] = ((struct zookeeper *)call[0])->pool_work_count;
}

/* Syncs and snapshots under way end soon; each look is a round trip through the loop. */
static void wait_for_pool(struct zookeeper *zookeeper) {
    size_t count;
    do {
        world_loop_call(zookeeper->options.loop, count_pool_work, (void *[]){zookeeper, &count});
    } while (count > 0);
}

void zookeeper_stop(struct zookeeper *zookeeper) {
    if (zookeeper == NULL)
        return;
    net_server_stop(zookeeper->net);
    world_loop_call(zookeeper->options.loop, stop_time, zookeeper);
    wait_for_pool(zookeeper);
    struct error error = {0};
    struct snapshot_work *work = encode_snapshot(zookeeper);
    if (zookeeper->changes_since_snapshot > 0 &&
        !zk_snapshot_write(
            zookeeper->options.world, zookeeper->persist.directory, work->zxid, buffer_view(&work->bytes), &error))
        zk_info(
            zookeeper, LOG_ERROR, "org.apache.zookeeper.server.ZooKeeperServer", "Snapshot failed: %s", error.message);
    buffer_free(&work->bytes);
    free(work);
    free_server(zookeeper);
}

uint16_t zookeeper_port(const struct zookeeper *zookeeper) {
    return net_server_port(zookeeper->net);
}
