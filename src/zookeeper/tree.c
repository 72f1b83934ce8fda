/* tree.c: znodes and the transactions that change them. */
#include "zookeeper/tree.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

enum undo_kind { UNDO_CREATE, UNDO_DELETE, UNDO_DATA, UNDO_ACL };

struct zk_undo {
    enum undo_kind kind;
    struct zk_node *node;
    struct zk_stat stat, parent_stat;
    struct buffer data;
    bool has_data;
    int64_t acl;
};

static const uint8_t open_acl_bytes[] = "\0\0\0\1\0\0\0\x1f\0\0\0\5world\0\0\0\6anyone";
static const uint8_t read_acl_bytes[] = "\0\0\0\1\0\0\0\1\0\0\0\5world\0\0\0\6anyone";

/* ---- ACL lists, shared by index ---- */

int64_t zk_tree_acl_index(struct zk_tree *tree, struct bytes encoded) {
    if (bytes_equal(encoded, bytes_make(open_acl_bytes, sizeof open_acl_bytes - 1)))
        return -1;
    struct zk_acl *acl = map_get(&tree->acls_by_bytes, encoded);
    if (acl == NULL) {
        acl = calloc(1, sizeof *acl);
        ASSERT(acl != NULL);
        acl->index = ++tree->last_acl;
        map_set(&tree->acls_by_bytes, encoded, acl);
        struct buffer copy = {0};
        buffer_append_bytes(&copy, encoded);
        acl->encoded = buffer_view(&copy);
        map_set(&tree->acls_by_index, bytes_make(&acl->index, sizeof acl->index), acl);
    }
    acl->use_count++;
    return acl->index;
}

static struct zk_acl *acl_at(const struct zk_tree *tree, int64_t index) {
    return map_get(&tree->acls_by_index, bytes_make(&index, sizeof index));
}

struct bytes zk_tree_acl(const struct zk_tree *tree, int64_t index) {
    const struct zk_acl *acl = index == -1 ? NULL : acl_at(tree, index);
    return acl == NULL ? bytes_make(open_acl_bytes, sizeof open_acl_bytes - 1) : acl->encoded;
}

static void acl_release(struct zk_tree *tree, int64_t index) {
    struct zk_acl *acl = index == -1 ? NULL : acl_at(tree, index);
    if (acl == NULL || --acl->use_count > 0)
        return;
    map_remove(&tree->acls_by_index, bytes_make(&index, sizeof index));
    map_remove(&tree->acls_by_bytes, acl->encoded);
    free((void *)(uintptr_t)acl->encoded.data);
    free(acl);
}

static bool address_matches(const char *address, struct bytes pattern) {
    /* "10.1.0.0/16" or a plain address; IPv4 only with bits, as in ZooKeeper's own. */
    size_t slash = bytes_find(pattern, '/', 0);
    struct bytes base = slash == SIZE_MAX ? pattern : bytes_slice(pattern, 0, slash);
    unsigned int a[4], b[4];
    char text[64];
    if (base.size >= sizeof text)
        return false;
    memcpy(text, base.data, base.size);
    text[base.size] = '\0';
    if (sscanf(address, "%u.%u.%u.%u", &a[0], &a[1], &a[2], &a[3]) != 4 ||
        sscanf(text, "%u.%u.%u.%u", &b[0], &b[1], &b[2], &b[3]) != 4)
        return slash == SIZE_MAX && strcmp(address, text) == 0;
    int64_t bits = 32;
    if (slash != SIZE_MAX &&
        (!bytes_to_int64(bytes_slice(pattern, slash + 1, pattern.size - slash - 1), &bits) || bits < 0 || bits > 32))
        return false;
    uint64_t left = (uint64_t)a[0] << 24 | a[1] << 16 | a[2] << 8 | a[3],
             right = (uint64_t)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
    return (left >> (32 - bits)) == (right >> (32 - bits));
}

bool zk_allowed(
    const struct zk_tree *tree, const struct zk_node *node, int permissions, const struct zk_caller *caller) {
    if (caller->address == NULL || node->acl == -1)
        return true;
    struct jute_reader reader = jute_reader_make(zk_tree_acl(tree, node->acl));
    int32_t count = jute_read_count(&reader, 12);
    for (int32_t i = 0; i < count; i++) {
        int32_t granted = jute_read_int(&reader);
        struct bytes scheme = jute_read_string(&reader), id = jute_read_string(&reader);
        if (!(granted & permissions))
            continue;
        if (bytes_equal_text(scheme, "world") && bytes_equal_text(id, "anyone"))
            return true;
        if (bytes_equal_text(scheme, "ip") && address_matches(caller->address, id))
            return true;
        for (size_t k = 0; k < caller->identity_count; k++)
            if (bytes_equal(scheme, caller->identities[k].scheme) && bytes_equal(id, caller->identities[k].id))
                return true;
    }
    return false;
}

static void append_acl(struct buffer *out, int32_t permissions, struct bytes scheme, struct bytes id) {
    jute_write_int(out, permissions);
    jute_write_string(out, scheme);
    jute_write_string(out, id);
}

static bool digest_is_valid(struct bytes id) {
    size_t colon = bytes_find(id, ':', 0);
    return colon != SIZE_MAX && colon + 1 < id.size && bytes_find(id, ':', colon + 1) == SIZE_MAX;
}

enum zk_error zk_fix_acl(struct bytes encoded, const struct zk_caller *caller, struct buffer *out) {
    struct jute_reader reader = jute_reader_make(encoded);
    int32_t count = jute_read_count(&reader, 12), written = 0;
    size_t count_place = out->size;
    jute_write_int(out, 0);
    for (int32_t i = 0; i < count; i++) {
        int32_t permissions = jute_read_int(&reader);
        struct bytes scheme = jute_read_string(&reader), id = jute_read_string(&reader);
        if (bytes_equal_text(scheme, "auth")) {
            int32_t before = written;
            for (size_t k = 0; k < caller->identity_count; k++) {
                if (bytes_equal_text(caller->identities[k].scheme, "ip"))
                    continue;
                append_acl(out, permissions, caller->identities[k].scheme, caller->identities[k].id);
                written++;
            }
            if (written == before)
                return ZK_INVALID_ACL;
            continue;
        }
        bool valid = (bytes_equal_text(scheme, "world") && bytes_equal_text(id, "anyone")) ||
                     (bytes_equal_text(scheme, "digest") && digest_is_valid(id)) ||
                     (bytes_equal_text(scheme, "ip") && id.size > 0);
        if (!valid)
            return ZK_INVALID_ACL;
        append_acl(out, permissions, scheme, id);
        written++;
    }
    if (reader.failed || written == 0)
        return ZK_INVALID_ACL;
    store_be32(out->data + count_place, (uint32_t)written);
    return ZK_OK;
}

/* ---- nodes ---- */

struct zk_node *zk_tree_find(const struct zk_tree *tree, struct bytes path) {
    return map_get(&tree->nodes, path);
}

static struct bytes name_of(struct bytes path) {
    size_t start = path.size;
    while (start > 0 && path.data[start - 1] != '/')
        start--;
    return bytes_slice(path, start, path.size - start);
}

struct bytes zk_path_parent(struct bytes path) {
    size_t name_size = name_of(path).size;
    return path.size - name_size == 1 ? BYTES("/") : bytes_slice(path, 0, path.size - name_size - 1);
}

bool zk_path_is_valid(struct bytes path) {
    if (path.size == 0 || path.data[0] != '/')
        return false;
    if (path.size == 1)
        return true;
    size_t start = 1;
    for (size_t i = 1; i <= path.size; i++) {
        if (i < path.size && path.data[i] != '/') {
            if (path.data[i] < 0x20 || path.data[i] == 0x7f)
                return false;
            continue;
        }
        struct bytes name = bytes_slice(path, start, i - start);
        if (name.size == 0 || bytes_equal_text(name, ".") || bytes_equal_text(name, ".."))
            return false;
        start = i + 1;
    }
    return true;
}

bool zk_node_is_ephemeral(const struct zk_node *node) {
    int64_t owner = node->stat.ephemeral_owner;
    return owner != 0 && owner != ZK_CONTAINER_OWNER && (owner & ZK_TTL_MASK) != ZK_TTL_MASK;
}

void zk_write_stat(struct buffer *out, const struct zk_node *node) {
    const struct zk_stat *stat = &node->stat;
    int32_t child_count = (int32_t)node->children.count;
    jute_write_long(out, stat->czxid);
    jute_write_long(out, stat->mzxid);
    jute_write_long(out, stat->ctime);
    jute_write_long(out, stat->mtime);
    jute_write_int(out, stat->version);
    /* Clients count creations and removals, the tree only creations. */
    jute_write_int(out, (int32_t)((uint32_t)stat->cversion * 2 - (uint32_t)child_count));
    jute_write_int(out, stat->aversion);
    jute_write_long(out, stat->ephemeral_owner);
    jute_write_int(out, (int32_t)node->data.size);
    jute_write_int(out, child_count);
    jute_write_long(out, stat->pzxid);
}

struct map *zk_tree_owned(const struct zk_tree *tree, int64_t session_id) {
    return map_get(&tree->owners, bytes_make(&session_id, sizeof session_id));
}

static void own(struct zk_tree *tree, struct zk_node *node) {
    int64_t owner = node->stat.ephemeral_owner;
    struct map *owned = zk_tree_owned(tree, owner);
    if (owned == NULL) {
        owned = calloc(1, sizeof *owned);
        ASSERT(owned != NULL);
        map_set(&tree->owners, bytes_make(&owner, sizeof owner), owned);
    }
    map_set(owned, node->path, node);
}

static void disown(struct zk_tree *tree, struct zk_node *node) {
    int64_t owner = node->stat.ephemeral_owner;
    struct map *owned = zk_tree_owned(tree, owner);
    map_remove(owned, node->path);
    if (owned->count > 0)
        return;
    map_remove(&tree->owners, bytes_make(&owner, sizeof owner));
    map_free(owned);
    free(owned);
}

static void attach(struct zk_tree *tree, struct zk_node *node) {
    if (zk_node_is_ephemeral(node))
        own(tree, node);
    map_set(&tree->nodes, node->path, node);
    if (node->parent != NULL)
        map_set(&node->parent->children, name_of(node->path), node);
    tree->data_size += (int64_t)(node->path.size + node->data.size);
}

static void detach(struct zk_tree *tree, struct zk_node *node) {
    if (zk_node_is_ephemeral(node))
        disown(tree, node);
    map_remove(&tree->nodes, node->path);
    if (node->parent != NULL)
        map_remove(&node->parent->children, name_of(node->path));
    tree->data_size -= (int64_t)(node->path.size + node->data.size);
}

static void node_free(struct zk_tree *tree, struct zk_node *node) {
    acl_release(tree, node->acl);
    buffer_free(&node->data);
    map_free(&node->children);
    free((void *)(uintptr_t)node->path.data);
    free(node);
}

static void set_data(struct zk_node *node, struct bytes data) {
    node->data = (struct buffer){0};
    node->has_data = data.data != NULL;
    if (data.size > 0)
        buffer_append_bytes(&node->data, data);
}

struct zk_node *zk_tree_put(
    struct zk_tree *tree, struct bytes path, struct bytes data, int64_t acl, const struct zk_stat *stat) {
    struct zk_node *parent = path.size == 1 ? NULL : zk_tree_find(tree, zk_path_parent(path));
    if ((parent == NULL && path.size > 1) || zk_tree_find(tree, path) != NULL)
        return NULL;
    struct zk_node *node = calloc(1, sizeof *node);
    char *copy = strndup((const char *)path.data, path.size);
    ASSERT(node != NULL && copy != NULL);
    node->path = bytes_make(copy, path.size);
    node->parent = parent;
    node->acl = acl;
    node->stat = *stat;
    set_data(node, data);
    attach(tree, node);
    return node;
}

void zk_tree_start(struct zk_tree *tree) {
    struct zk_stat stat = {0};
    tree->root = zk_tree_put(tree, BYTES("/"), BYTES(""), -1, &stat);
    zk_tree_put(tree, BYTES("/zookeeper"), BYTES(""), -1, &stat);
    zk_tree_put(tree, BYTES("/zookeeper/quota"), BYTES(""), -1, &stat);
    zk_tree_put(tree, BYTES("/zookeeper/config"), BYTES(""),
        zk_tree_acl_index(tree, bytes_make(read_acl_bytes, sizeof read_acl_bytes - 1)), &stat);
}

void zk_tree_free(struct zk_tree *tree) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&tree->nodes, &cursor)) != NULL;)
        node_free(tree, entry->value);
    cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&tree->owners, &cursor)) != NULL;) {
        map_free(entry->value);
        free(entry->value);
    }
    map_free(&tree->owners);
    map_free(&tree->nodes);
    map_free(&tree->acls_by_bytes);
    map_free(&tree->acls_by_index);
}

/* ---- changes ---- */

void zk_change_start(struct zk_change *change, struct zk_tree *tree, int64_t session_id, int64_t time_ms) {
    *change =
        (struct zk_change){.tree = tree, .zxid = tree->last_zxid + 1, .session_id = session_id, .time_ms = time_ms};
}

static struct zk_undo *add_undo(struct zk_change *change, enum undo_kind kind, struct zk_node *node) {
    struct zk_undo *undo = ARENA_NEW(&change->arena, struct zk_undo);
    undo->kind = kind;
    undo->node = node;
    undo->stat = node->stat;
    undo->acl = node->acl;
    if (node->parent != NULL)
        undo->parent_stat = node->parent->stat;
    VECTOR_PUSH(&change->undos, undo);
    return undo;
}

static void add_event(struct zk_change *change, enum zk_event_type type, struct bytes path) {
    struct bytes copy = bytes_make(arena_text(&change->arena, path), path.size);
    VECTOR_PUSH(&change->events, ((struct zk_event){type, copy}));
}

void zk_change_undo(struct zk_change *change) {
    struct zk_tree *tree = change->tree;
    while (change->undos.count > 0) {
        struct zk_undo *undo = VECTOR_POP(&change->undos);
        struct zk_node *node = undo->node;
        switch (undo->kind) {
        case UNDO_CREATE:
            detach(tree, node);
            node->parent->stat = undo->parent_stat;
            node_free(tree, node);
            break;
        case UNDO_DELETE:
            attach(tree, node);
            node->parent->stat = undo->parent_stat;
            break;
        case UNDO_DATA:
            tree->data_size += (int64_t)undo->data.size - (int64_t)node->data.size;
            buffer_free(&node->data);
            node->data = undo->data;
            node->has_data = undo->has_data;
            node->stat = undo->stat;
            break;
        case UNDO_ACL:
            acl_release(tree, node->acl);
            node->acl = undo->acl;
            node->stat = undo->stat;
            break;
        }
    }
    change->events.count = 0;
}

void zk_change_free(struct zk_change *change) {
    for (size_t i = 0; i < change->undos.count; i++) {
        struct zk_undo *undo = change->undos.items[i];
        if (undo->kind == UNDO_DELETE)
            node_free(change->tree, undo->node);
        else if (undo->kind == UNDO_DATA)
            buffer_free(&undo->data);
        else if (undo->kind == UNDO_ACL)
            acl_release(change->tree, undo->acl);
    }
    VECTOR_FREE(&change->undos);
    VECTOR_FREE(&change->events);
    arena_destroy(&change->arena);
}

static int64_t owner_of(const struct zk_change *change, const struct zk_create *create) {
    if (create->operation == ZK_CREATE_CONTAINER)
        return ZK_CONTAINER_OWNER;
    if (create->operation == ZK_CREATE_TTL)
        return ZK_TTL_MASK | create->ttl_ms;
    return create->is_ephemeral ? change->session_id : 0;
}

static void write_create_record(
    struct buffer *record, const struct zk_create *create, struct bytes path, int32_t parent_cversion) {
    jute_write_string(record, path);
    jute_write_buffer(record, create->data);
    buffer_append_bytes(record, create->acl);
    if (create->operation == ZK_CREATE || create->operation == ZK_CREATE2)
        jute_write_bool(record, create->is_ephemeral);
    jute_write_int(record, parent_cversion);
    if (create->operation == ZK_CREATE_TTL)
        jute_write_long(record, create->ttl_ms);
}

enum zk_error zk_change_create(struct zk_change *change, const struct zk_create *create, const struct zk_caller *caller,
    struct buffer *record, struct zk_node **out) {
    struct zk_tree *tree = change->tree;
    struct bytes path = create->path;
    if (create->is_sequential) {
        /* The name may be empty before the number is added. */
        struct zk_node *parent =
            path.size == 0 || path.data[0] != '/' ? NULL : zk_tree_find(tree, zk_path_parent(path));
        if (parent == NULL)
            return path.size > 0 && path.data[0] == '/' ? ZK_NO_NODE : ZK_BAD_ARGUMENTS;
        path = bytes_from_text(arena_printf(&change->arena, "%.*s%010d", BYTES_ARGS(path), parent->stat.cversion));
    }
    if (!zk_path_is_valid(path))
        return ZK_BAD_ARGUMENTS;
    if (path.size == 1)
        return ZK_NODE_EXISTS;
    struct zk_node *parent = zk_tree_find(tree, zk_path_parent(path));
    if (parent == NULL)
        return ZK_NO_NODE;
    if (!zk_allowed(tree, parent, ZK_MAKE, caller))
        return ZK_NO_AUTH;
    if (zk_tree_find(tree, path) != NULL)
        return ZK_NODE_EXISTS;
    if (zk_node_is_ephemeral(parent))
        return ZK_NO_CHILDREN_FOR_EPHEMERALS;
    struct zk_stat stat = {
        .czxid = change->zxid,
        .mzxid = change->zxid,
        .pzxid = change->zxid,
        .ctime = change->time_ms,
        .mtime = change->time_ms,
        .ephemeral_owner = owner_of(change, create),
    };
    struct zk_stat parent_stat = parent->stat;
    struct zk_node *node = zk_tree_put(tree, path, create->data, zk_tree_acl_index(tree, create->acl), &stat);
    add_undo(change, UNDO_CREATE, node)->parent_stat = parent_stat;
    parent->stat.cversion++;
    parent->stat.pzxid = change->zxid;
    write_create_record(record, create, path, parent->stat.cversion);
    add_event(change, ZK_NODE_CREATED, path);
    add_event(change, ZK_NODE_CHILDREN_CHANGED, parent->path);
    *out = node;
    return ZK_OK;
}

enum zk_error zk_change_delete(struct zk_change *change, struct bytes path, int32_t version,
    const struct zk_caller *caller, struct buffer *record) {
    struct zk_tree *tree = change->tree;
    if (!zk_path_is_valid(path) || path.size == 1 || bytes_equal_text(path, "/zookeeper"))
        return ZK_BAD_ARGUMENTS;
    struct zk_node *node = zk_tree_find(tree, path);
    if (node == NULL)
        return ZK_NO_NODE;
    if (!zk_allowed(tree, node->parent, ZK_REMOVE, caller))
        return ZK_NO_AUTH;
    if (version != -1 && version != node->stat.version)
        return ZK_BAD_VERSION;
    if (node->children.count > 0)
        return ZK_NOT_EMPTY;
    add_undo(change, UNDO_DELETE, node);
    add_event(change, ZK_NODE_DELETED, path);
    add_event(change, ZK_NODE_CHILDREN_CHANGED, node->parent->path);
    detach(tree, node);
    node->parent->stat.pzxid = change->zxid;
    jute_write_string(record, path);
    return ZK_OK;
}

enum zk_error zk_change_set_data(struct zk_change *change, struct bytes path, struct bytes data, int32_t version,
    const struct zk_caller *caller, struct buffer *record, struct zk_node **out) {
    struct zk_tree *tree = change->tree;
    if (!zk_path_is_valid(path))
        return ZK_BAD_ARGUMENTS;
    struct zk_node *node = zk_tree_find(tree, path);
    if (node == NULL)
        return ZK_NO_NODE;
    if (!zk_allowed(tree, node, ZK_WRITE, caller))
        return ZK_NO_AUTH;
    if (version != -1 && version != node->stat.version)
        return ZK_BAD_VERSION;
    struct zk_undo *undo = add_undo(change, UNDO_DATA, node);
    undo->data = node->data;
    undo->has_data = node->has_data;
    set_data(node, data);
    tree->data_size += (int64_t)node->data.size - (int64_t)undo->data.size;
    node->stat.version++;
    node->stat.mzxid = change->zxid;
    node->stat.mtime = change->time_ms;
    jute_write_string(record, path);
    jute_write_buffer(record, data);
    jute_write_int(record, node->stat.version);
    add_event(change, ZK_NODE_DATA_CHANGED, path);
    *out = node;
    return ZK_OK;
}

enum zk_error zk_change_set_acl(struct zk_change *change, struct bytes path, struct bytes acl, int32_t version,
    const struct zk_caller *caller, struct buffer *record, struct zk_node **out) {
    struct zk_tree *tree = change->tree;
    if (!zk_path_is_valid(path))
        return ZK_BAD_ARGUMENTS;
    struct zk_node *node = zk_tree_find(tree, path);
    if (node == NULL)
        return ZK_NO_NODE;
    if (!zk_allowed(tree, node, ZK_ADMIN, caller))
        return ZK_NO_AUTH;
    if (version != -1 && version != node->stat.aversion)
        return ZK_BAD_VERSION;
    add_undo(change, UNDO_ACL, node);
    node->acl = zk_tree_acl_index(tree, acl);
    node->stat.aversion++;
    jute_write_string(record, path);
    buffer_append_bytes(record, acl);
    jute_write_int(record, node->stat.aversion);
    *out = node;
    return ZK_OK;
}

enum zk_error zk_check_version(struct zk_change *change, struct bytes path, int32_t version,
    const struct zk_caller *caller, struct buffer *record) {
    struct zk_node *node = zk_path_is_valid(path) ? zk_tree_find(change->tree, path) : NULL;
    if (node == NULL)
        return ZK_NO_NODE;
    if (!zk_allowed(change->tree, node, ZK_READ, caller))
        return ZK_NO_AUTH;
    if (version != -1 && version != node->stat.version)
        return ZK_BAD_VERSION;
    jute_write_string(record, path);
    jute_write_int(record, node->stat.version);
    return ZK_OK;
}

/* ---- replay ---- */

/* Length of an encoded ACL list at the reader's place; the reader moves behind it. */
struct bytes zk_read_acl(struct jute_reader *reader) {
    const uint8_t *start = reader->at;
    int32_t count = jute_read_count(reader, 12);
    for (int32_t i = 0; i < count; i++) {
        jute_read_int(reader);
        jute_read_string(reader);
        jute_read_string(reader);
    }
    return bytes_make(start, (size_t)(reader->at - start));
}

static bool replay_create(struct zk_change *change, enum zk_operation operation, struct jute_reader *reader,
    const struct zk_caller *caller, struct buffer *record) {
    struct zk_create create = {.operation = operation};
    create.path = jute_read_string(reader);
    create.data = jute_read_buffer(reader);
    create.acl = zk_read_acl(reader);
    if (operation == ZK_CREATE || operation == ZK_CREATE2)
        create.is_ephemeral = jute_read_bool(reader);
    int32_t parent_cversion = jute_read_int(reader);
    if (operation == ZK_CREATE_TTL)
        create.ttl_ms = jute_read_long(reader);
    struct zk_node *node = NULL;
    if (reader->failed)
        return false;
    if (zk_change_create(change, &create, caller, record, &node) == ZK_OK &&
        parent_cversion > node->parent->stat.cversion)
        node->parent->stat.cversion = parent_cversion;
    return true;
}

bool zk_tree_replay(struct zk_tree *tree, enum zk_operation operation, struct bytes bytes, int64_t session_id,
    int64_t zxid, int64_t time_ms) {
    static const struct zk_caller ourselves = {0};
    struct jute_reader reader = jute_reader_make(bytes);
    struct zk_change change;
    struct buffer record = {0};
    struct zk_node *node;
    zk_change_start(&change, tree, session_id, time_ms);
    change.zxid = zxid;
    switch (operation) {
    case ZK_CREATE:
    case ZK_CREATE2:
    case ZK_CREATE_CONTAINER:
    case ZK_CREATE_TTL:
        replay_create(&change, operation, &reader, &ourselves, &record);
        break;
    case ZK_DELETE:
    case ZK_DELETE_CONTAINER:
        zk_change_delete(&change, jute_read_string(&reader), -1, &ourselves, &record);
        break;
    case ZK_SET_DATA: {
        struct bytes path = jute_read_string(&reader), data = jute_read_buffer(&reader);
        int32_t version = jute_read_int(&reader);
        if (!reader.failed && zk_change_set_data(&change, path, data, -1, &ourselves, &record, &node) == ZK_OK)
            node->stat.version = version;
        break;
    }
    case ZK_SET_ACL: {
        struct bytes path = jute_read_string(&reader), acl = zk_read_acl(&reader);
        int32_t version = jute_read_int(&reader);
        if (!reader.failed && zk_change_set_acl(&change, path, acl, -1, &ourselves, &record, &node) == ZK_OK)
            node->stat.aversion = version;
        break;
    }
    default: /* checks and errors change nothing */
        break;
    }
    zk_change_free(&change);
    buffer_free(&record);
    return !reader.failed;
}
