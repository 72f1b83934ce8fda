/* console.h: the pages on 8080 (in place of Kafka UI), 8081 and 8082 (of Spark's master and worker) and 9870 (of the
 * NameNode, with WebHDFS), as plain HTML, and the JSON behind them that tools and tests read. Prometheus /metrics on
 * each. */
#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

#include "base/log.h"
#include "base/metrics.h"
#include "connect/connect.h"
#include "exec/exec.h"
#include "hdfs/hdfs.h"
#include "kafka/client.h"
#include "net/http.h"
#include "store/store.h"
#include "stream/stream.h"

struct console;

/* Where a page answers besides the common address, each "ADDRESS:PORT". */
struct console_endpoints {
    const char *const *items;
    size_t count;
};

struct console_options {
    struct world *world;
    struct world_loop *loop; /* web */
    struct world_pool *disk_pool;
    const char *address;
    /* 0: that page is not served. */
    uint16_t kafka_port, master_port, worker_port, namenode_port;
    uint16_t spark_ui_port; /* of a Spark application's own pages: leads to the master's; 0: none */
    struct console_endpoints kafka_more, master_more, worker_more, namenode_more;
    enum net_peer_rule peer_rule;
    const char *const *host_names; /* accepted in Host and Origin besides the usual ones */
    size_t host_name_count;
    const char *user;
    int64_t started_ms;
    uint16_t kafka_broker_port, namenode_rpc_port;
    const struct hdfs_shown_datanode *shown_datanodes; /* as in hdfs_options */
    size_t shown_datanode_count;
    struct kafka_client *kafka; /* NULL: not in this process; likewise below */
    struct world_loop *spark_loop;
    struct exec_engine *engine;
    struct stream_manager *streams;                    /* on spark_loop */
    struct connect_server *connect;                    /* on spark_loop */
    int64_t worker_count, worker_cores, worker_memory; /* memory of one in bytes */
    struct store *store;
    struct hdfs *hdfs;
    struct service_log *log;
    struct metrics *metrics;
};

/* Listens on every page's port; on failure none is left open and *port is the one that could not be had. */
struct console *console_start(const struct console_options *options, uint16_t *port, struct error *error);
void console_stop(struct console *console);

enum console_page { CONSOLE_KAFKA, CONSOLE_MASTER, CONSOLE_WORKER, CONSOLE_NAMENODE, CONSOLE_PAGE_COUNT };
/* Closes one page's port with its connections, and opens it again. Threads as for start. */
void console_close_page(struct console *console, enum console_page page);
bool console_open_page(struct console *console, enum console_page page, struct error *error);

#endif
