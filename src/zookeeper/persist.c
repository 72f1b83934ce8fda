/* persist.c: the transaction log and the snapshots of ZooKeeper 3.9.
 *
 * log.<zxid>: int "ZKLG", int 2, long 0; then for each transaction: long Adler-32 of the body, int its size, body, byte
 * 'B'. Body: long session, int cxid, long zxid, long time, int type, record. Zero bytes after the last one are padding
 * (ZooKeeper preallocates; we do not).
 *
 * snapshot.<zxid>: int "ZKSN", int 2, long -1; sessions: int count, each long id, int timeout; ACL lists: int count,
 * each long index, list; nodes: string path ("" for the root), buffer data, long ACL index, long czxid, mzxid, ctime,
 * mtime, int version, cversion, aversion, long owner, pzxid; the string
 * "/" ends them; then long Adler-32 of all before, string "/".
 *
 * (ZooKeeper's FileTxnLog and FileSnap; the digests that 3.6 appends are optional for its readers and left out.) */
#include "zookeeper/persist.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

enum { LOG_MAGIC = 0x5a4b4c47, SNAPSHOT_MAGIC = 0x5a4b534e, FILE_VERSION = 2, KEPT_SNAPSHOTS = 3 };

static uint32_t adler32(struct bytes view) {
    uint32_t low = 1, high = 0;
    for (size_t at = 0; at < view.size;) {
        size_t end = view.size - at > 5552 ? at + 5552 : view.size; /* the sums fit 32 bits that long */
        for (; at < end; at++) {
            low += view.data[at];
            high += low;
        }
        low %= 65521;
        high %= 65521;
    }
    return high << 16 | low;
}

/* ---- snapshots ---- */

static void encode_node(const struct zk_node *node, struct buffer *out) {
    jute_write_string(out, node->path.size == 1 ? BYTES("") : node->path);
    jute_write_buffer(
        out, node->has_data ? bytes_make(node->data.size > 0 ? node->data.data : (const uint8_t *)"", node->data.size)
                            : BYTES_NULL);
    jute_write_long(out, node->acl);
    jute_write_long(out, node->stat.czxid);
    jute_write_long(out, node->stat.mzxid);
    jute_write_long(out, node->stat.ctime);
    jute_write_long(out, node->stat.mtime);
    jute_write_int(out, node->stat.version);
    jute_write_int(out, node->stat.cversion);
    jute_write_int(out, node->stat.aversion);
    jute_write_long(out, node->stat.ephemeral_owner);
    jute_write_long(out, node->stat.pzxid);
}

/* Parents before children: the order of a walk from the root. */
static void encode_nodes(const struct zk_tree *tree, struct buffer *out) {
    VECTOR(const struct zk_node *) stack = {0};
    VECTOR_PUSH(&stack, tree->root);
    while (stack.count > 0) {
        const struct zk_node *node = VECTOR_POP(&stack);
        encode_node(node, out);
        size_t cursor = 0;
        for (struct map_entry *entry; (entry = map_next(&node->children, &cursor)) != NULL;)
            VECTOR_PUSH(&stack, (const struct zk_node *)entry->value);
    }
    VECTOR_FREE(&stack);
}

void zk_snapshot_encode(const struct zk_tree *tree, const struct zk_sessions *sessions, struct buffer *out) {
    jute_write_int(out, SNAPSHOT_MAGIC);
    jute_write_int(out, FILE_VERSION);
    jute_write_long(out, -1);
    jute_write_int(out, (int32_t)sessions->count);
    for (size_t i = 0; i < sessions->count; i++) {
        jute_write_long(out, sessions->items[i].id);
        jute_write_int(out, sessions->items[i].timeout_ms);
    }
    jute_write_int(out, (int32_t)tree->acls_by_index.count);
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&tree->acls_by_index, &cursor)) != NULL;) {
        const struct zk_acl *acl = entry->value;
        jute_write_long(out, acl->index);
        buffer_append_bytes(out, acl->encoded);
    }
    encode_nodes(tree, out);
    jute_write_string(out, BYTES("/"));
    uint32_t checksum = adler32(buffer_view(out));
    jute_write_long(out, checksum);
    jute_write_string(out, BYTES("/"));
}

static bool decode_acls(struct zk_tree *tree, struct jute_reader *reader) {
    int32_t count = jute_read_count(reader, 12);
    for (int32_t i = 0; i < count && !reader->failed; i++) {
        int64_t index = jute_read_long(reader);
        struct bytes acl = zk_read_acl(reader);
        if (reader->failed)
            break;
        tree->last_acl = index - 1; /* the index that the nodes name */
        zk_tree_acl_index(tree, acl);
    }
    return !reader->failed;
}

static bool decode_nodes(struct zk_tree *tree, struct jute_reader *reader) {
    int64_t last_acl = tree->last_acl;
    for (;;) {
        struct bytes path = jute_read_string(reader);
        if (reader->failed || bytes_equal_text(path, "/"))
            break;
        struct bytes data = jute_read_buffer(reader);
        int64_t acl = jute_read_long(reader);
        struct zk_stat stat = {0};
        stat.czxid = jute_read_long(reader);
        stat.mzxid = jute_read_long(reader);
        stat.ctime = jute_read_long(reader);
        stat.mtime = jute_read_long(reader);
        stat.version = jute_read_int(reader);
        stat.cversion = jute_read_int(reader);
        stat.aversion = jute_read_int(reader);
        stat.ephemeral_owner = jute_read_long(reader);
        stat.pzxid = jute_read_long(reader);
        if (reader->failed)
            break;
        if (acl != -1)
            acl = zk_tree_acl_index(tree, zk_tree_acl(tree, acl));
        last_acl = acl > last_acl ? acl : last_acl;
        struct zk_node *node = zk_tree_put(tree, path.size == 0 ? BYTES("/") : path, data, acl, &stat);
        if (path.size == 0)
            tree->root = node;
    }
    tree->last_acl = last_acl;
    return !reader->failed && tree->root != NULL;
}

/* The references of the list itself were only to keep the indexes. */
static void release_list_references(struct zk_tree *tree) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&tree->acls_by_index, &cursor)) != NULL;) {
        struct zk_acl *acl = entry->value;
        if (acl->use_count > 1)
            acl->use_count--;
    }
}

static bool decode_snapshot(struct bytes view, struct zk_tree *tree, struct zk_sessions *sessions) {
    struct jute_reader reader = jute_reader_make(view);
    if (jute_read_int(&reader) != SNAPSHOT_MAGIC || jute_read_int(&reader) != FILE_VERSION)
        return false;
    jute_read_long(&reader);
    int32_t session_count = jute_read_count(&reader, 12);
    for (int32_t i = 0; i < session_count; i++) {
        struct zk_session_record record = {.id = jute_read_long(&reader)};
        record.timeout_ms = jute_read_int(&reader);
        VECTOR_PUSH(sessions, record);
    }
    if (!decode_acls(tree, &reader) || !decode_nodes(tree, &reader))
        return false;
    release_list_references(tree);
    uint32_t checksum = adler32(bytes_make(view.data, (size_t)(reader.at - view.data)));
    return jute_read_long(&reader) == (int64_t)checksum && !reader.failed;
}

/* ---- names ---- */

static bool number_of(const char *name, const char *prefix, int64_t *zxid) {
    size_t size = strlen(prefix);
    if (strncmp(name, prefix, size) != 0 || name[size] == '\0')
        return false;
    char *end;
    *zxid = (int64_t)strtoull(name + size, &end, 16);
    return *end == '\0';
}

static char *path_in(const char *directory, const char *prefix, int64_t zxid) {
    size_t size = strlen(directory) + 48;
    char *path = malloc(size);
    ASSERT(path != NULL);
    snprintf(path, size, "%s/%s%llx", directory, prefix, (unsigned long long)zxid);
    return path;
}

struct zk_numbers {
    int64_t *items;
    size_t count, capacity;
};

static int compare_numbers(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return a < b ? -1 : a > b;
}

/* The numbers of the files with that prefix, ascending. */
static bool list_numbers(
    struct world *world, const char *directory, const char *prefix, struct zk_numbers *numbers, struct error *error) {
    struct world_names names = {0};
    if (!world_list(world, directory, &names, error))
        return false;
    for (size_t i = 0; i < names.count; i++) {
        int64_t zxid;
        if (number_of(names.items[i].name, prefix, &zxid))
            VECTOR_PUSH(numbers, zxid);
    }
    world_names_free(&names);
    if (numbers->count > 0)
        qsort(numbers->items, numbers->count, sizeof numbers->items[0], compare_numbers);
    return true;
}

static void remove_numbered(struct world *world, const char *directory, const char *prefix, int64_t zxid) {
    char *path = path_in(directory, prefix, zxid);
    world_unlink(world, path, NULL);
    free(path);
}

/* Keeps the newest snapshots and the logs that reach back to the oldest of them. */
static void purge(struct world *world, const char *directory) {
    struct zk_numbers snapshots = {0}, logs = {0};
    if (list_numbers(world, directory, "snapshot.", &snapshots, NULL) &&
        list_numbers(world, directory, "log.", &logs, NULL) && snapshots.count > KEPT_SNAPSHOTS) {
        int64_t oldest = snapshots.items[snapshots.count - KEPT_SNAPSHOTS];
        for (size_t i = 0; i < snapshots.count - KEPT_SNAPSHOTS; i++)
            remove_numbered(world, directory, "snapshot.", snapshots.items[i]);
        /* A log is needed as long as its successor starts after the snapshot. */
        for (size_t i = 0; i + 1 < logs.count && logs.items[i + 1] <= oldest + 1; i++)
            remove_numbered(world, directory, "log.", logs.items[i]);
    }
    VECTOR_FREE(&snapshots);
    VECTOR_FREE(&logs);
}

bool zk_snapshot_write(
    struct world *world, const char *directory, int64_t zxid, struct bytes snapshot, struct error *error) {
    char *path = path_in(directory, "snapshot.", zxid);
    /* That of an empty tree is worth no sync: without it the tree is just as empty. */
    bool written = world_write_file(world, path, snapshot, zxid > 0, error);
    free(path);
    if (written)
        purge(world, directory);
    return written;
}

bool zk_snapshot_exists(struct world *world, const char *directory) {
    struct zk_numbers numbers = {0};
    bool exists = list_numbers(world, directory, "snapshot.", &numbers, NULL) && numbers.count > 0;
    VECTOR_FREE(&numbers);
    return exists;
}

/* ---- reading ---- */

static bool read_whole(struct world *world, const char *path, struct buffer *out, struct error *error) {
    return world_read_file(world, path, (size_t)1 << 32, out, error);
}

/* The newest snapshot that is whole. Files of an incomplete one stay; they are skipped the same way every time. */
static bool load_snapshot(
    struct zk_persist *persist, struct zk_tree *tree, struct zk_sessions *sessions, struct error *error) {
    struct zk_numbers numbers = {0};
    if (!list_numbers(persist->world, persist->directory, "snapshot.", &numbers, error))
        return false;
    bool loaded = false;
    for (size_t i = numbers.count; i-- > 0 && !loaded;) {
        char *path = path_in(persist->directory, "snapshot.", numbers.items[i]);
        struct buffer content = {0};
        loaded =
            read_whole(persist->world, path, &content, NULL) && decode_snapshot(buffer_view(&content), tree, sessions);
        if (loaded) {
            tree->last_zxid = numbers.items[i];
        } else {
            zk_tree_free(tree);
            *tree = (struct zk_tree){0};
            sessions->count = 0;
        }
        buffer_free(&content);
        free(path);
    }
    bool had_any = numbers.count > 0 && numbers.items[numbers.count - 1] > 0; /* snapshot.0 holds nothing */
    VECTOR_FREE(&numbers);
    if (!loaded && had_any)
        return error_set(error, ERROR_CORRUPT, "no snapshot in %s is whole; move the directory away to start empty",
            persist->directory);
    if (!loaded)
        zk_tree_start(tree);
    return true;
}

static void replay_session(struct zk_sessions *sessions, int64_t id, int32_t timeout_ms, bool closed) {
    for (size_t i = 0; i < sessions->count; i++) {
        if (sessions->items[i].id != id)
            continue;
        VECTOR_REMOVE(sessions, i);
        break;
    }
    if (!closed)
        VECTOR_PUSH(sessions, ((struct zk_session_record){id, timeout_ms}));
}

static void remove_ephemerals(struct zk_tree *tree, int64_t session_id, int64_t zxid, int64_t time_ms) {
    struct map *owned;
    while ((owned = zk_tree_owned(tree, session_id)) != NULL) {
        size_t cursor = 0;
        struct buffer record = {0};
        jute_write_string(&record, map_next(owned, &cursor)->key);
        zk_tree_replay(tree, ZK_DELETE, buffer_view(&record), session_id, zxid, time_ms);
        buffer_free(&record);
    }
}

static bool replay_multi(
    struct zk_tree *tree, struct jute_reader *reader, int64_t session_id, int64_t zxid, int64_t time_ms) {
    int32_t count = jute_read_count(reader, 8);
    for (int32_t i = 0; i < count && !reader->failed; i++) {
        enum zk_operation operation = (enum zk_operation)jute_read_int(reader);
        struct bytes record = jute_read_buffer(reader);
        if (!reader->failed && operation != ZK_ERROR &&
            !zk_tree_replay(tree, operation, record, session_id, zxid, time_ms))
            return false;
    }
    return !reader->failed;
}

static bool replay_transaction(struct zk_tree *tree, struct zk_sessions *sessions, struct bytes body) {
    struct jute_reader reader = jute_reader_make(body);
    int64_t session_id = jute_read_long(&reader);
    jute_read_int(&reader);
    int64_t zxid = jute_read_long(&reader), time_ms = jute_read_long(&reader);
    enum zk_operation operation = (enum zk_operation)jute_read_int(&reader);
    if (reader.failed)
        return false;
    if (zxid <= tree->last_zxid)
        return true;
    bool fine = true;
    if (operation == ZK_CREATE_SESSION) {
        replay_session(sessions, session_id, jute_read_int(&reader), false);
    } else if (operation == ZK_CLOSE_SESSION) {
        replay_session(sessions, session_id, 0, true);
        remove_ephemerals(tree, session_id, zxid, time_ms);
    } else if (operation == ZK_MULTI) {
        fine = replay_multi(tree, &reader, session_id, zxid, time_ms);
    } else {
        fine = zk_tree_replay(tree, operation, bytes_make(reader.at, jute_left(&reader)), session_id, zxid, time_ms);
    }
    tree->last_zxid = zxid;
    return fine;
}

/* Replays one log file; *whole_size is where its whole transactions end. A cut or damaged one ends the file: it was
 * never acknowledged, or the acknowledgement was not asked to survive a power cut. */
static bool replay_log(struct zk_persist *persist, const char *path, struct zk_tree *tree, struct zk_sessions *sessions,
    int64_t *whole_size, struct error *error) {
    struct buffer content = {0};
    *whole_size = 0;
    if (!read_whole(persist->world, path, &content, error))
        return false;
    struct jute_reader reader = jute_reader_make(buffer_view(&content));
    bool known = jute_read_int(&reader) == LOG_MAGIC && jute_read_int(&reader) == FILE_VERSION;
    jute_read_long(&reader);
    while (known && !reader.failed) {
        *whole_size = reader.at - content.data;
        int64_t checksum = jute_read_long(&reader);
        struct bytes body = jute_read_buffer(&reader);
        uint8_t end = jute_left(&reader) > 0 ? *reader.at++ : 0;
        if (reader.failed || body.size == 0 || end != 'B' || checksum != (int64_t)adler32(body) ||
            !replay_transaction(tree, sessions, body))
            break;
    }
    buffer_free(&content);
    return true;
}

static bool replay_logs(
    struct zk_persist *persist, struct zk_tree *tree, struct zk_sessions *sessions, struct error *error) {
    struct zk_numbers numbers = {0};
    bool fine = list_numbers(persist->world, persist->directory, "log.", &numbers, error);
    for (size_t i = 0; i < numbers.count && fine; i++) {
        /* Files whose successor starts at or before what the snapshot has are read past. */
        if (i + 1 < numbers.count && numbers.items[i + 1] <= tree->last_zxid + 1)
            continue;
        char *path = path_in(persist->directory, "log.", numbers.items[i]);
        int64_t whole_size;
        fine = replay_log(persist, path, tree, sessions, &whole_size, error);
        free(path);
    }
    VECTOR_FREE(&numbers);
    return fine;
}

bool zk_persist_open(struct zk_persist *persist, struct world *world, const char *data_directory, struct zk_tree *tree,
    struct zk_sessions *sessions, struct error *error) {
    *persist = (struct zk_persist){.world = world};
    size_t size = strlen(data_directory) + sizeof "/version-2";
    persist->directory = malloc(size);
    ASSERT(persist->directory != NULL);
    snprintf(persist->directory, size, "%s/version-2", data_directory);
    if (world_mkdirs(world, persist->directory, 0755, error) && load_snapshot(persist, tree, sessions, error) &&
        replay_logs(persist, tree, sessions, error))
        return true;
    zk_persist_close(persist);
    return false;
}

void zk_persist_close(struct zk_persist *persist) {
    zk_persist_roll(persist);
    free(persist->directory);
    persist->directory = NULL;
}

void zk_persist_roll(struct zk_persist *persist) {
    world_file_close(persist->log);
    persist->log = NULL;
}

/* ---- appending ---- */

static bool start_file(struct zk_persist *persist, int64_t zxid, struct error *error) {
    char *path = path_in(persist->directory, "log.", zxid);
    /* A file of that name can only hold a first transaction that was cut off by a crash. */
    persist->log =
        world_file_open(persist->world, path, WORLD_OPEN_WRITE | WORLD_OPEN_CREATE | WORLD_OPEN_TRUNCATE, 0644, error);
    free(path);
    if (persist->log == NULL)
        return false;
    struct buffer header = {0};
    jute_write_int(&header, LOG_MAGIC);
    jute_write_int(&header, FILE_VERSION);
    jute_write_long(&header, 0);
    bool written = world_file_write(persist->log, header.data, header.size, 0, error);
    persist->log_size = (int64_t)header.size;
    buffer_free(&header);
    if (!written)
        zk_persist_roll(persist);
    return written;
}

bool zk_persist_append(struct zk_persist *persist, int64_t session_id, int32_t cxid, int64_t zxid, int64_t time_ms,
    enum zk_operation operation, struct bytes record, struct error *error) {
    if (persist->log == NULL && !start_file(persist, zxid, error))
        return false;
    struct buffer entry = {0};
    buffer_extend(&entry, 12); /* checksum and size */
    jute_write_long(&entry, session_id);
    jute_write_int(&entry, cxid);
    jute_write_long(&entry, zxid);
    jute_write_long(&entry, time_ms);
    jute_write_int(&entry, operation);
    buffer_append_bytes(&entry, record);
    struct bytes body = bytes_make(entry.data + 12, entry.size - 12);
    store_be64(entry.data, adler32(body));
    store_be32(entry.data + 8, (uint32_t)body.size);
    buffer_append_byte(&entry, 'B');
    bool written = world_file_write(persist->log, entry.data, entry.size, persist->log_size, error);
    if (written)
        persist->log_size += (int64_t)entry.size;
    buffer_free(&entry);
    return written;
}

bool zk_persist_sync(struct world_file *log, struct error *error) {
    return world_file_sync(log, error);
}
