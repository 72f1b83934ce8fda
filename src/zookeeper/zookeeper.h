/* zookeeper.h: a standalone ZooKeeper server: sessions, znodes, watches, ACLs, multi, four-letter words, in ZooKeeper's
 * own files (DIR/version-2/ log.<zxid> and snapshot.<zxid>), and the znodes that a ZooKeeper-mode Kafka shows. */
#ifndef ZOOKEEPER_ZOOKEEPER_H
#define ZOOKEEPER_ZOOKEEPER_H

#include "base/log.h"
#include "base/metrics.h"
#include "net/server.h"

struct zookeeper;

struct zookeeper_options {
    struct world *world;
    struct world_loop *loop;
    struct world_pool *disk_pool;
    const char *const *addresses; /* numeric; each may have a port of its own (net/server.h) */
    size_t address_count;
    uint16_t port;              /* clientPort; 0 takes a free one */
    const char *data_directory; /* dataDir; made when absent */
    int64_t tick_time_ms;       /* tickTime; 0: 2000. Sessions live 2 to 20 ticks. */
    int64_t snap_count;         /* snapCount: transactions between snapshots; 0: 100000 */
    bool force_sync; /* forceSync: answer a change only when it is on the disk. Otherwise it survives kill -9, not a
                        power cut. */
    const char *four_letter_words; /* 4lw.commands.whitelist: "ruok, srvr" or "*"; NULL: "ruok, srvr, mntr" */
    struct net_limits limits;      /* connection counts */
    enum net_peer_rule peer_rule;
    struct service_log *log;
    struct metrics *metrics;
};

/* Answers when the port is open and the tree is recovered. Not from the loop. */
struct zookeeper *zookeeper_start(const struct zookeeper_options *options, struct error *error);
/* Closes the connections (sessions stay and may be taken up after a restart), writes a snapshot. Not from the loop. */
void zookeeper_stop(struct zookeeper *zookeeper);
uint16_t zookeeper_port(const struct zookeeper *zookeeper);

struct zookeeper_description {
    int64_t znode_count, watch_count, session_count, connection_count, ephemeral_count;
    int64_t last_zxid;
    int64_t received_count, sent_count; /* packets */
};
/* Any thread; values of the last second. */
struct zookeeper_description zookeeper_describe(struct zookeeper *zookeeper);

/* ---- the znodes of a ZooKeeper-mode Kafka: any thread; what is given is copied. Applied in the order of the calls.
 * ---- */

/* /brokers/ids/ID, /controller, /controller_epoch, /cluster/id and the empty standing nodes. The ephemeral ones belong
 * to a session that lives as long as this process. */
void zookeeper_mirror_broker(
    struct zookeeper *zookeeper, int32_t broker_id, const char *cluster_id, const char *host, uint16_t port);
/* The broker's session ends and with it its ephemeral nodes, until the next zookeeper_mirror_broker. */
void zookeeper_mirror_broker_gone(struct zookeeper *zookeeper);
struct zookeeper_topic {
    const char *name;
    const char *topic_id; /* 22-character form, or NULL */
    int32_t partition_count, broker_id;
    const char *const *config_names, *const *config_values; /* overrides */
    size_t config_count;
};
/* /brokers/topics/NAME with partitions and their state, /config/topics/NAME. A later call for the same name changes
 * them. */
void zookeeper_mirror_topic(struct zookeeper *zookeeper, const struct zookeeper_topic *topic);
void zookeeper_mirror_topic_removed(struct zookeeper *zookeeper, const char *name);

#endif
