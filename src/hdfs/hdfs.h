/* hdfs.h: the store as HDFS: NameNode RPC, data transfer with the DataNode, WebHDFS.
 *
 * One handle serves all three. The servers live on one loop; what touches the disk runs on the disk pool. */
#ifndef HDFS_HDFS_H
#define HDFS_HDFS_H

#include "base/log.h"
#include "base/metrics.h"
#include "net/http.h"
#include "net/server.h"
#include "store/store.h"
#include "world/world.h"

struct hdfs;

/* A DataNode that is shown and holds nothing: several of a compose file are one here. */
struct hdfs_shown_datanode {
    const char *host, *address;
};

struct hdfs_options {
    struct world *world;
    struct world_loop *loop;      /* NameNode RPC and data transfer */
    struct world_pool *disk_pool; /* file work */
    struct store *store;          /* outlives the handle */
    const char *const *addresses; /* numeric; each may have a port of its own (net/server.h); the first has none */
    size_t address_count;
    const char *const *datanode_addresses; /* where data transfer answers; NULL: as `addresses` */
    size_t datanode_address_count;
    const struct hdfs_shown_datanode *shown_datanodes; /* besides the one; they outlive the handle */
    size_t shown_datanode_count;
    uint16_t namenode_port; /* fs.defaultFS's port, 9000; 0 takes a free one */
    uint16_t datanode_port; /* dfs.datanode.address, 9866; 0 takes a free one */
    uint16_t web_port;      /* where the pages and WebHDFS are, told to clients: 9870 */
    enum net_peer_rule peer_rule;
    struct service_log *namenode_log, *datanode_log; /* may be NULL */
    struct metrics *metrics;                         /* may be NULL */
    bool permissions_disabled;                       /* dfs.permissions.enabled=false */
    const char *datanode_hostname; /* dfs.datanode.hostname: told to clients in place of the address they used; NULL:
                                      that address */
};

/* Answers when both ports are open. ERROR_BUSY names a port in use. Not from a loop or pool thread. */
struct hdfs *hdfs_start(const struct hdfs_options *options, struct error *error);
/* Tells writers that the DataNode restarts (they wait for it), closes the servers, frees. The server that carries the
 * WebHDFS routes must have been stopped before. */
void hdfs_stop(struct hdfs *hdfs);

enum hdfs_part { HDFS_NAMENODE, HDFS_DATANODE };
/* Stops one of the two while the process goes on: its port and connections are closed, and the store answers as without
 * it (store_set_stopped). Threads as for start. */
void hdfs_suspend(struct hdfs *hdfs, enum hdfs_part part);
bool hdfs_resume(struct hdfs *hdfs, enum hdfs_part part, struct error *error);
uint16_t hdfs_namenode_port(const struct hdfs *hdfs);
uint16_t hdfs_datanode_port(const struct hdfs *hdfs);

/* ---- for pages ---- */

struct hdfs_description {
    char block_pool[96], cluster_id[64], datanode_uuid[40];
    int64_t started_ms; /* wall time */
    int64_t capacity_size, used_size, free_size;
    int64_t file_count, directory_count, block_count;
    int64_t file_size; /* bytes in all files */
    size_t open_file_count; /* under construction */
    size_t namenode_connection_count, datanode_connection_count;
    uint64_t call_count;               /* RPC calls answered */
    uint64_t received_size, sent_size; /* block bytes written by and read by clients */
    bool is_in_safe_mode;
};
/* Walks the tree: disk pool. */
bool hdfs_describe(struct hdfs *hdfs, struct hdfs_description *description, struct error *error);

/* ---- WebHDFS ---- */

/* Routes for /webhdfs/v1/…, to be mounted by the server of port 9870 on whatever loop; they live as long as the handle.
 */
const struct http_route *hdfs_web_routes(struct hdfs *hdfs, size_t *count);

#endif
