/* request.c: the operations. A table says for each how its record is read and answered; changes go through tree.h, so
 * that multi is the same code. */
#include "zookeeper/server.h"

#include <stdlib.h>

#include "zookeeper/sha1.h"

enum { DATA_SIZE_MAX = 0xfffff, MULTI_COUNT_MAX = 100000 };

struct zk_caller zk_caller_of(const struct zk_connection *connection) {
    return (struct zk_caller){
        .identities = connection->identities.items,
        .identity_count = connection->identities.count,
        .address = net_peer(connection->net)->text,
    };
}

void zk_digest(struct bytes user_and_password, struct buffer *out) {
    size_t colon = bytes_find(user_and_password, ':', 0);
    uint8_t digest[20];
    zk_sha1(user_and_password, digest);
    buffer_append(out, user_and_password.data, colon == SIZE_MAX ? user_and_password.size : colon);
    buffer_append_byte(out, ':');
    buffer_append_base64(out, bytes_make(digest, sizeof digest));
}

/* A request on its way: what is read and what is answered. */
struct request {
    struct zk_connection *connection;
    struct zookeeper *zookeeper;
    struct zk_caller caller;
    int32_t xid;
    struct jute_reader reader;
    struct buffer *out; /* the answer's record */
};

/* ---- changes, alone and within multi ---- */

/* The record of one change, read from a request. */
struct change_request {
    enum zk_operation operation;
    struct zk_create create;
    int32_t version, flags;
    struct bytes path, data, acl;
};

static void read_change(struct jute_reader *reader, enum zk_operation operation, struct change_request *out) {
    *out = (struct change_request){.operation = operation};
    out->path = jute_read_string(reader);
    switch (operation) {
    case ZK_CREATE:
    case ZK_CREATE2:
    case ZK_CREATE_CONTAINER:
    case ZK_CREATE_TTL:
        out->data = jute_read_buffer(reader);
        out->acl = zk_read_acl(reader);
        out->flags = jute_read_int(reader);
        out->create.ttl_ms = operation == ZK_CREATE_TTL ? jute_read_long(reader) : 0;
        break;
    case ZK_SET_DATA:
        out->data = jute_read_buffer(reader);
        out->version = jute_read_int(reader);
        break;
    case ZK_SET_ACL:
        out->acl = zk_read_acl(reader);
        out->version = jute_read_int(reader);
        break;
    default:
        out->version = jute_read_int(reader);
    }
}

/* Flags of a create: 0 persistent, 1 ephemeral, 2 sequential, 3 both, 4 container, 5 TTL, 6 TTL sequential. */
static enum zk_error set_mode(struct change_request *change) {
    struct zk_create *create = &change->create;
    create->operation = change->operation;
    create->path = change->path;
    create->data = change->data;
    if (change->flags < 0 || change->flags > 6)
        return ZK_BAD_ARGUMENTS;
    create->is_sequential = change->flags == 2 || change->flags == 3 || change->flags == 6;
    create->is_ephemeral = change->flags == 1 || change->flags == 3;
    bool ttl = change->flags >= 5;
    if (ttl != (change->operation == ZK_CREATE_TTL) || (ttl && (create->ttl_ms <= 0 || create->ttl_ms > ZK_TTL_MAX_MS)))
        return ZK_BAD_ARGUMENTS;
    if (change->flags == 4)
        create->operation = ZK_CREATE_CONTAINER;
    else if (change->operation == ZK_CREATE_CONTAINER)
        return ZK_BAD_ARGUMENTS;
    return ZK_OK;
}

/* Applies one change; its answer goes to `out`, its log record to `record`. *logged: the type it is logged as. */
static enum zk_error apply_change(const struct zk_caller *caller, struct zk_change *change,
    struct change_request *wanted, struct buffer *record, struct buffer *out, enum zk_operation *logged) {
    struct buffer acl = {0};
    struct zk_node *node = NULL;
    enum zk_error result;
    *logged = wanted->operation;
    switch (wanted->operation) {
    case ZK_CREATE:
    case ZK_CREATE2:
    case ZK_CREATE_CONTAINER:
    case ZK_CREATE_TTL:
        result = set_mode(wanted);
        if (result == ZK_OK)
            result = zk_fix_acl(wanted->acl, caller, &acl);
        wanted->create.acl = buffer_view(&acl);
        if (result == ZK_OK)
            result = zk_change_create(change, &wanted->create, caller, record, &node);
        *logged = wanted->create.operation;
        if (result == ZK_OK)
            jute_write_string(out, node->path);
        if (result == ZK_OK && wanted->operation != ZK_CREATE)
            zk_write_stat(out, node);
        break;
    case ZK_DELETE:
        result = zk_change_delete(change, wanted->path, wanted->version, caller, record);
        break;
    case ZK_SET_DATA:
        result = zk_change_set_data(change, wanted->path, wanted->data, wanted->version, caller, record, &node);
        if (result == ZK_OK)
            zk_write_stat(out, node);
        break;
    case ZK_SET_ACL:
        result = zk_fix_acl(wanted->acl, caller, &acl);
        if (result == ZK_OK)
            result = zk_change_set_acl(change, wanted->path, buffer_view(&acl), wanted->version, caller, record, &node);
        if (result == ZK_OK)
            zk_write_stat(out, node);
        break;
    case ZK_CHECK:
        result = zk_check_version(change, wanted->path, wanted->version, caller, record);
        break;
    default:
        result = ZK_UNIMPLEMENTED;
    }
    buffer_free(&acl);
    return result;
}

static enum zk_error run_change(struct request *request, enum zk_operation operation) {
    struct zookeeper *zookeeper = request->zookeeper;
    struct change_request wanted;
    read_change(&request->reader, operation, &wanted);
    if (request->reader.failed)
        return ZK_MARSHALLING_ERROR;
    if (wanted.data.size > DATA_SIZE_MAX)
        return ZK_BAD_ARGUMENTS;
    struct zk_change change;
    struct buffer record = {0};
    enum zk_operation logged;
    zk_change_start(
        &change, &zookeeper->tree, request->connection->session->id, world_wall_ms(zookeeper->options.world));
    enum zk_error result = apply_change(&request->caller, &change, &wanted, &record, request->out, &logged);
    if (result == ZK_OK && !zk_commit(zookeeper, &change, request->xid, logged, buffer_view(&record)))
        result = -1; /* SystemError: the log cannot be written */
    else if (result != ZK_OK)
        zk_change_free(&change);
    buffer_free(&record);
    return result;
}

static void write_multi_header(struct buffer *out, int32_t type, bool done, int32_t error) {
    jute_write_int(out, type);
    jute_write_bool(out, done);
    jute_write_int(out, error);
}

/* All failed: the ones before the failure with Ok, the ones after it with RuntimeInconsistency. */
static void write_failed_multi(struct buffer *out, size_t count, size_t failed, enum zk_error result) {
    buffer_clear(out);
    for (size_t i = 0; i < count; i++) {
        int32_t code = i < failed ? ZK_OK : i == failed ? (int32_t)result : ZK_RUNTIME_INCONSISTENCY;
        write_multi_header(out, ZK_ERROR, false, code);
        jute_write_int(out, code);
    }
    write_multi_header(out, -1, true, -1);
}

static enum zk_error run_multi(struct request *request, enum zk_operation operation) {
    struct zookeeper *zookeeper = request->zookeeper;
    struct zk_change change;
    struct buffer record = {0}, item = {0};
    size_t count = 0, failed = SIZE_MAX;
    enum zk_error result = ZK_OK;
    zk_change_start(
        &change, &zookeeper->tree, request->connection->session->id, world_wall_ms(zookeeper->options.world));
    jute_write_int(&record, 0);
    for (;;) {
        enum zk_operation type = (enum zk_operation)jute_read_int(&request->reader);
        bool done = jute_read_bool(&request->reader);
        jute_read_int(&request->reader);
        if (done || request->reader.failed || count >= MULTI_COUNT_MAX)
            break;
        struct change_request wanted;
        read_change(&request->reader, type, &wanted);
        count++;
        if (request->reader.failed || failed != SIZE_MAX)
            continue;
        enum zk_operation logged;
        buffer_clear(&item);
        size_t header_place = request->out->size;
        write_multi_header(request->out, type, false, 0);
        result = apply_change(&request->caller, &change, &wanted, &item, request->out, &logged);
        if (result != ZK_OK) {
            request->out->size = header_place;
            failed = count - 1;
            continue;
        }
        jute_write_int(&record, logged);
        jute_write_buffer(&record, bytes_make(item.size > 0 ? item.data : (const uint8_t *)"", item.size));
    }
    bool malformed = request->reader.failed;
    if (malformed || failed != SIZE_MAX) {
        zk_change_undo(&change);
        zk_change_free(&change);
        write_failed_multi(request->out, count, failed, result);
    } else {
        store_be32(record.data, (uint32_t)count);
        write_multi_header(request->out, -1, true, -1);
        if (!zk_commit(zookeeper, &change, request->xid, ZK_MULTI, buffer_view(&record)))
            result = -1;
    }
    buffer_free(&record);
    buffer_free(&item);
    return malformed ? ZK_MARSHALLING_ERROR : result == -1 ? result : ZK_OK;
}

/* ---- reads ---- */

static enum zk_error find_readable(struct request *request, struct bytes path, int permissions, struct zk_node **node) {
    if (request->reader.failed)
        return ZK_MARSHALLING_ERROR;
    if (!zk_path_is_valid(path))
        return ZK_BAD_ARGUMENTS;
    *node = zk_tree_find(&request->zookeeper->tree, path);
    if (*node == NULL)
        return ZK_NO_NODE;
    return zk_allowed(&request->zookeeper->tree, *node, permissions, &request->caller) ? ZK_OK : ZK_NO_AUTH;
}

static enum zk_error run_exists(struct request *request, enum zk_operation operation) {
    struct bytes path = jute_read_string(&request->reader);
    bool watch = jute_read_bool(&request->reader);
    if (request->reader.failed || !zk_path_is_valid(path))
        return request->reader.failed ? ZK_MARSHALLING_ERROR : ZK_BAD_ARGUMENTS;
    struct zk_node *node = zk_tree_find(&request->zookeeper->tree, path);
    if (watch)
        zk_watch_add(request->connection, path, ZK_WATCH_DATA);
    if (node == NULL)
        return ZK_NO_NODE;
    zk_write_stat(request->out, node);
    return ZK_OK;
}

static enum zk_error run_get_data(struct request *request, enum zk_operation operation) {
    struct bytes path = jute_read_string(&request->reader);
    bool watch = jute_read_bool(&request->reader);
    struct zk_node *node;
    enum zk_error result = find_readable(request, path, ZK_READ, &node);
    if (result != ZK_OK)
        return result;
    if (watch)
        zk_watch_add(request->connection, path, ZK_WATCH_DATA);
    jute_write_buffer(request->out,
        node->has_data ? bytes_make(node->data.size > 0 ? node->data.data : (const uint8_t *)"", node->data.size)
                       : BYTES_NULL);
    zk_write_stat(request->out, node);
    return ZK_OK;
}

static struct bytes last_name(struct bytes path) {
    size_t start = path.size;
    while (start > 0 && path.data[start - 1] != '/')
        start--;
    return bytes_slice(path, start, path.size - start);
}

static enum zk_error run_get_children(struct request *request, enum zk_operation operation) {
    struct bytes path = jute_read_string(&request->reader);
    bool watch = jute_read_bool(&request->reader);
    struct zk_node *node;
    enum zk_error result = find_readable(request, path, ZK_READ, &node);
    if (result != ZK_OK)
        return result;
    if (watch)
        zk_watch_add(request->connection, path, ZK_WATCH_CHILD);
    jute_write_int(request->out, (int32_t)node->children.count);
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&node->children, &cursor)) != NULL;)
        jute_write_string(request->out, last_name(((struct zk_node *)entry->value)->path));
    if (operation == ZK_GET_CHILDREN2)
        zk_write_stat(request->out, node);
    return ZK_OK;
}

static enum zk_error run_get_acl(struct request *request, enum zk_operation operation) {
    struct bytes path = jute_read_string(&request->reader);
    struct zk_node *node;
    enum zk_error result = find_readable(request, path, ZK_READ | ZK_ADMIN, &node);
    if (result != ZK_OK)
        return result;
    struct bytes acl = zk_tree_acl(&request->zookeeper->tree, node->acl);
    if (zk_allowed(&request->zookeeper->tree, node, ZK_ADMIN, &request->caller)) {
        buffer_append_bytes(request->out, acl);
    } else {
        /* Who may not change the list does not see the digests. */
        struct jute_reader reader = jute_reader_make(acl);
        int32_t count = jute_read_count(&reader, 12);
        jute_write_int(request->out, count);
        for (int32_t i = 0; i < count; i++) {
            jute_write_int(request->out, jute_read_int(&reader));
            struct bytes scheme = jute_read_string(&reader), id = jute_read_string(&reader);
            size_t colon = bytes_find(id, ':', 0);
            jute_write_string(request->out, scheme);
            if (bytes_equal_text(scheme, "digest") && colon != SIZE_MAX) {
                struct buffer hidden = {0};
                buffer_append(&hidden, id.data, colon);
                buffer_append_text(&hidden, ":x");
                jute_write_string(request->out, buffer_view(&hidden));
                buffer_free(&hidden);
            } else {
                jute_write_string(request->out, id);
            }
        }
    }
    zk_write_stat(request->out, node);
    return ZK_OK;
}

static enum zk_error run_sync(struct request *request, enum zk_operation operation) {
    struct bytes path = jute_read_string(&request->reader);
    if (request->reader.failed)
        return ZK_MARSHALLING_ERROR;
    jute_write_string(request->out, path);
    return ZK_OK;
}

static enum zk_error run_ping(struct request *request, enum zk_operation operation) {
    return ZK_OK;
}

static enum zk_error run_get_ephemerals(struct request *request, enum zk_operation operation) {
    struct bytes prefix = jute_read_string(&request->reader);
    if (request->reader.failed)
        return ZK_MARSHALLING_ERROR;
    struct map *owned = zk_tree_owned(&request->zookeeper->tree, request->connection->session->id);
    size_t place = request->out->size, cursor = 0;
    int32_t count = 0;
    jute_write_int(request->out, 0);
    for (struct map_entry *entry; owned != NULL && (entry = map_next(owned, &cursor)) != NULL;) {
        if (entry->key.size < prefix.size || memcmp(entry->key.data, prefix.data, prefix.size) != 0)
            continue;
        jute_write_string(request->out, entry->key);
        count++;
    }
    store_be32(request->out->data + place, (uint32_t)count);
    return ZK_OK;
}

static enum zk_error run_all_children_number(struct request *request, enum zk_operation operation) {
    struct bytes path = jute_read_string(&request->reader);
    struct zk_node *node;
    enum zk_error result = find_readable(request, path, ZK_READ, &node);
    if (result != ZK_OK)
        return result;
    int32_t count = 0;
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&request->zookeeper->tree.nodes, &cursor)) != NULL;) {
        bool below = entry->key.size > path.size && memcmp(entry->key.data, path.data, path.size) == 0 &&
                     (path.size == 1 || entry->key.data[path.size] == '/');
        count += below;
    }
    jute_write_int(request->out, count);
    return ZK_OK;
}

static enum zk_error run_who_am_i(struct request *request, enum zk_operation operation) {
    jute_write_int(request->out, (int32_t)request->connection->identities.count);
    for (size_t i = 0; i < request->connection->identities.count; i++) {
        struct zk_identity identity = request->connection->identities.items[i];
        size_t colon = bytes_find(identity.id, ':', 0);
        jute_write_string(request->out, identity.scheme);
        jute_write_string(request->out, bytes_equal_text(identity.scheme, "digest") && colon != SIZE_MAX
                                            ? bytes_slice(identity.id, 0, colon)
                                            : identity.id);
    }
    return ZK_OK;
}

static enum zk_error run_multi_read(struct request *request, enum zk_operation operation) {
    for (size_t count = 0; count < MULTI_COUNT_MAX; count++) {
        enum zk_operation type = (enum zk_operation)jute_read_int(&request->reader);
        bool done = jute_read_bool(&request->reader);
        jute_read_int(&request->reader);
        if (request->reader.failed)
            return ZK_MARSHALLING_ERROR;
        if (done)
            break;
        struct buffer item = {0}, *out = request->out;
        request->out = &item;
        enum zk_error result = type == ZK_GET_DATA       ? run_get_data(request, type)
                               : type == ZK_GET_CHILDREN ? run_get_children(request, type)
                                                         : ZK_UNIMPLEMENTED;
        request->out = out;
        write_multi_header(out, result == ZK_OK ? type : ZK_ERROR, false, result);
        if (result == ZK_OK)
            buffer_append_bytes(out, buffer_view(&item));
        else
            jute_write_int(out, result);
        buffer_free(&item);
    }
    write_multi_header(request->out, -1, true, -1);
    return request->reader.failed ? ZK_MARSHALLING_ERROR : ZK_OK;
}

/* ---- watches ---- */

enum set_watch_list { LIST_DATA, LIST_EXIST, LIST_CHILD, LIST_PERSISTENT, LIST_RECURSIVE };

/* A client that reconnected sets its watches again; what happened meanwhile is told at once. */
static void set_watch(struct request *request, enum set_watch_list list, struct bytes path, int64_t since_zxid) {
    struct zk_node *node = zk_tree_find(&request->zookeeper->tree, path);
    int64_t now_zxid = request->zookeeper->tree.last_zxid;
    enum zk_event_type type = 0;
    switch (list) {
    case LIST_DATA:
        type = node == NULL ? ZK_NODE_DELETED : node->stat.mzxid > since_zxid ? ZK_NODE_DATA_CHANGED : 0;
        break;
    case LIST_EXIST:
        type = node != NULL ? ZK_NODE_CREATED : 0;
        break;
    case LIST_CHILD:
        type = node == NULL ? ZK_NODE_DELETED : node->stat.pzxid > since_zxid ? ZK_NODE_CHILDREN_CHANGED : 0;
        break;
    case LIST_PERSISTENT:
    case LIST_RECURSIVE:
        zk_watch_add(request->connection, path, list == LIST_PERSISTENT ? ZK_WATCH_PERSISTENT : ZK_WATCH_RECURSIVE);
        return;
    }
    if (type != 0)
        zk_watch_send(request->connection, type, path, now_zxid);
    else
        zk_watch_add(request->connection, path, list == LIST_CHILD ? ZK_WATCH_CHILD : ZK_WATCH_DATA);
}

static enum zk_error run_set_watches(struct request *request, enum zk_operation operation) {
    int64_t since_zxid = jute_read_long(&request->reader);
    int list_count = operation == ZK_SET_WATCHES2 ? 5 : 3;
    for (int list = 0; list < list_count; list++) {
        int32_t count = jute_read_count(&request->reader, 4);
        for (int32_t i = 0; i < count; i++) {
            struct bytes path = jute_read_string(&request->reader);
            if (!request->reader.failed && zk_path_is_valid(path))
                set_watch(request, (enum set_watch_list)list, path, since_zxid);
        }
    }
    return request->reader.failed ? ZK_MARSHALLING_ERROR : ZK_OK;
}

static enum zk_error run_add_watch(struct request *request, enum zk_operation operation) {
    struct bytes path = jute_read_string(&request->reader);
    int32_t mode = jute_read_int(&request->reader);
    if (request->reader.failed)
        return ZK_MARSHALLING_ERROR;
    if (!zk_path_is_valid(path) || mode < 0 || mode > 1)
        return ZK_BAD_ARGUMENTS;
    zk_watch_add(request->connection, path, mode == 0 ? ZK_WATCH_PERSISTENT : ZK_WATCH_RECURSIVE);
    jute_write_int(request->out, 0);
    return ZK_OK;
}

/* Types of check and remove: 1 children, 2 data, 3 any. */
static enum zk_error run_remove_watches(struct request *request, enum zk_operation operation) {
    static const struct {
        enum zk_watch_kind kind;
        int types;
    } kinds[] = {{ZK_WATCH_CHILD, 1 << 1 | 1 << 3}, {ZK_WATCH_DATA, 1 << 2 | 1 << 3},
        {ZK_WATCH_PERSISTENT, 1 << 3 | 1 << 4}, {ZK_WATCH_RECURSIVE, 1 << 3 | 1 << 5}};
    struct bytes path = jute_read_string(&request->reader);
    int32_t type = jute_read_int(&request->reader);
    if (request->reader.failed || type < 1 || type > 5)
        return request->reader.failed ? ZK_MARSHALLING_ERROR : ZK_BAD_ARGUMENTS;
    bool found = false;
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        if (!(kinds[i].types >> type & 1))
            continue;
        found |= operation == ZK_CHECK_WATCHES ? zk_watch_exists(request->connection, path, kinds[i].kind)
                                               : zk_watch_remove(request->connection, path, kinds[i].kind);
    }
    return found ? ZK_OK : ZK_NO_WATCHER;
}

/* ---- who one is ---- */

static enum zk_error run_auth(struct request *request, enum zk_operation operation) {
    struct zk_connection *connection = request->connection;
    jute_read_int(&request->reader);
    struct bytes scheme = jute_read_string(&request->reader), auth = jute_read_buffer(&request->reader);
    if (request->reader.failed)
        return ZK_MARSHALLING_ERROR;
    if (bytes_equal_text(scheme, "ip"))
        return ZK_OK; /* known already */
    if (!bytes_equal_text(scheme, "digest")) {
        zk_info(request->zookeeper, LOG_WARN, "org.apache.zookeeper.server.ZooKeeperServer",
            "Authentication failed for scheme: %.*s, only digest and ip are available", BYTES_ARGS(scheme));
        return ZK_AUTH_FAILED;
    }
    struct buffer id = {0};
    zk_digest(auth, &id);
    bool known = false;
    for (size_t i = 0; i < connection->identities.count; i++)
        known = known || bytes_equal(connection->identities.items[i].id, buffer_view(&id));
    if (known || connection->identities.count >= 100) {
        buffer_free(&id);
        return known ? ZK_OK : ZK_AUTH_FAILED;
    }
    VECTOR_PUSH(&connection->identities, ((struct zk_identity){BYTES("digest"), buffer_view(&id)}));
    return ZK_OK;
}

static enum zk_error run_reconfig(struct request *request, enum zk_operation operation) {
    return ZK_RECONFIG_DISABLED; /* one server, as the real one without reconfigEnabled */
}

static enum zk_error run_close(struct request *request, enum zk_operation operation) {
    zk_session_end(request->zookeeper, request->connection->session, request->xid);
    return ZK_OK;
}

/* ---- dispatch ---- */

static const struct {
    enum zk_operation operation;
    const char *name; /* as in cons */
    enum zk_error (*run)(struct request *request, enum zk_operation operation);
} operations[] = {
    {ZK_CREATE, "CREA", run_change},
    {ZK_CREATE2, "CREA", run_change},
    {ZK_CREATE_CONTAINER, "CREA", run_change},
    {ZK_CREATE_TTL, "CREA", run_change},
    {ZK_DELETE, "DELE", run_change},
    {ZK_SET_DATA, "SETD", run_change},
    {ZK_SET_ACL, "SETA", run_change},
    {ZK_MULTI, "MULT", run_multi},
    {ZK_MULTI_READ, "MLTR", run_multi_read},
    {ZK_EXISTS, "EXIS", run_exists},
    {ZK_GET_DATA, "GETD", run_get_data},
    {ZK_GET_ACL, "GETA", run_get_acl},
    {ZK_GET_CHILDREN, "GETC", run_get_children},
    {ZK_GET_CHILDREN2, "GETC", run_get_children},
    {ZK_GET_EPHEMERALS, "GETE", run_get_ephemerals},
    {ZK_GET_ALL_CHILDREN_NUMBER, "GETACN", run_all_children_number},
    {ZK_SYNC, "SYNC", run_sync},
    {ZK_PING, "PING", run_ping},
    {ZK_SET_WATCHES, "SETW", run_set_watches},
    {ZK_SET_WATCHES2, "STW2", run_set_watches},
    {ZK_ADD_WATCH, "ADDW", run_add_watch},
    {ZK_CHECK_WATCHES, "CHKW", run_remove_watches},
    {ZK_REMOVE_WATCHES, "REMW", run_remove_watches},
    {ZK_AUTH, "AUTH", run_auth},
    {ZK_WHO_AM_I, "WHOA", run_who_am_i},
    {ZK_RECONFIG, "RECO", run_reconfig},
    {ZK_CLOSE_SESSION, "CLOS", run_close},
};

static void note_answer(struct zk_connection *connection, int32_t xid, int64_t latency_ms) {
    struct zookeeper *zookeeper = connection->zookeeper;
    connection->last_cxid = xid;
    connection->last_zxid = zookeeper->tree.last_zxid;
    connection->last_response_ms = world_wall_ms(zookeeper->options.world);
    connection->last_latency_ms = latency_ms;
    connection->latency_sum_ms += latency_ms;
    connection->latency_max_ms = latency_ms > connection->latency_max_ms ? latency_ms : connection->latency_max_ms;
    zookeeper->latency_sum_ms += latency_ms;
    zookeeper->latency_count++;
    zookeeper->latency_max_ms = latency_ms > zookeeper->latency_max_ms ? latency_ms : zookeeper->latency_max_ms;
}

void zk_request(struct zk_connection *connection, struct bytes frame) {
    struct zookeeper *zookeeper = connection->zookeeper;
    struct buffer record = {0}, answer = {0};
    int64_t started_ns = world_monotonic_ns(zookeeper->options.world);
    struct request request = {.connection = connection,
        .zookeeper = zookeeper,
        .caller = zk_caller_of(connection),
        .reader = jute_reader_make(frame),
        .out = &record};
    request.xid = jute_read_int(&request.reader);
    enum zk_operation operation = (enum zk_operation)jute_read_int(&request.reader);
    if (request.reader.failed || connection->session == NULL) {
        zk_close(connection);
        return;
    }
    zk_session_touch(zookeeper, connection->session);
    enum zk_error result = ZK_UNIMPLEMENTED;
    connection->last_operation = "NA";
    for (size_t i = 0; i < ARRAY_COUNT(operations); i++) {
        if (operations[i].operation != operation)
            continue;
        connection->last_operation = operations[i].name;
        result = operations[i].run(&request, operation);
        break;
    }
    jute_write_int(&answer, request.xid);
    jute_write_long(&answer, zookeeper->tree.last_zxid);
    jute_write_int(&answer, result);
    if (result == ZK_OK)
        buffer_append_bytes(&answer, buffer_view(&record));
    buffer_free(&record);
    note_answer(connection, request.xid, (world_monotonic_ns(zookeeper->options.world) - started_ns) / 1000000);
    zk_send(connection, &answer);
    if (operation == ZK_CLOSE_SESSION || result == ZK_AUTH_FAILED)
        zk_close(connection);
}
