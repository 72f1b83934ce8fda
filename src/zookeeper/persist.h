/* persist.h: ZooKeeper's own files. DIR/version-2/log.<first zxid, hexadecimal>: transactions; snapshot.<last zxid>:
 * sessions and tree. */
#ifndef ZOOKEEPER_PERSIST_H
#define ZOOKEEPER_PERSIST_H

#include "world/world.h"
#include "zookeeper/tree.h"

struct zk_session_record {
    int64_t id;
    int32_t timeout_ms;
};
struct zk_sessions {
    struct zk_session_record *items;
    size_t count, capacity;
};

struct zk_persist {
    struct world *world;
    char *directory; /* DIR/version-2 */
    struct world_file *log;
    int64_t log_size;
};

/* Makes the directory when absent, takes its lock, reads the newest whole snapshot and the transactions after it. */
bool zk_persist_open(struct zk_persist *persist, struct world *world, const char *data_directory, struct zk_tree *tree,
    struct zk_sessions *sessions, struct error *error);
void zk_persist_close(struct zk_persist *persist);
/* Appends one transaction; starts a new file when none is open. */
bool zk_persist_append(struct zk_persist *persist, int64_t session_id, int32_t cxid, int64_t zxid, int64_t time_ms,
    enum zk_operation operation, struct bytes record, struct error *error);
/* The current file is on the disk. Pool threads or start and stop. */
bool zk_persist_sync(struct world_file *log, struct error *error);
/* The bytes of a snapshot. */
void zk_snapshot_encode(const struct zk_tree *tree, const struct zk_sessions *sessions, struct buffer *out);
/* Writes them as snapshot.<zxid> and drops files that the three newest snapshots do not need. Any thread but the
 * loop's. */
bool zk_snapshot_write(
    struct world *world, const char *directory, int64_t zxid, struct bytes snapshot, struct error *error);
/* Whether the directory has a snapshot; ZooKeeper's own server wants one beside a log. */
bool zk_snapshot_exists(struct world *world, const char *directory);
/* The next append starts a new log file. */
void zk_persist_roll(struct zk_persist *persist);

#endif
