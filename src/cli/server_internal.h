/* server_internal.h: the serving process from inside: what the planes' start functions (server_PLANE.c) share. */
#ifndef CLI_SERVER_INTERNAL_H
#define CLI_SERVER_INTERNAL_H

#include "base/metrics.h"
#include "cli/server.h"
#include "hdfs/hdfs.h"
#include "net/http.h"

enum server_loop { SERVER_LOOP_WEB, SERVER_LOOP_KAFKA, SERVER_LOOP_STORE, SERVER_LOOP_SPARK, SERVER_LOOP_COUNT };

/* The first is the instance's address, with the service's port; the others are "ADDRESS:PORT". */
struct server_addresses {
    const char **items;
    size_t count, capacity;
};

struct server {
    struct server_options options;
    const struct settings *settings;
    struct world *world;
    struct metrics *metrics;
    struct service_logs *logs;
    struct service_log *log; /* raudal.log */
    struct instance instance;
    struct world_loop *loops[SERVER_LOOP_COUNT]; /* made when first needed */
    struct world_pool *disk_pool, *compute_pool;
    bool is_serving[SERVICE_COUNT];
    _Atomic bool is_stopped[SERVICE_COUNT]; /* of those: stopped by `raudal stop` while the process goes on */
    _Atomic int64_t started_ms[SERVICE_COUNT], stopped_ms[SERVICE_COUNT]; /* wall time; 0: with the process, never */
    struct server_addresses addresses[SERVICE_COUNT];
    VECTOR(const char *) host_names; /* of the stack's services */
    VECTOR(struct hdfs_shown_datanode) shown_datanodes;
    struct world_pool *switch_pool; /* one thread, which stops and starts services one after the other */
    size_t started_count;

    struct http_server *control;
    struct broker *broker;
    struct zookeeper *zookeeper;
    struct zookeeper_mirror *zookeeper_mirror;
    struct store *store;
    struct hdfs *hdfs;
    VECTOR(char *) texts; /* server_keep_text */
    struct spark_plane *spark;
    struct console *console;
    pid_t jupyter; /* the child `raudal lab`, or 0 */
};

struct exec_engine;
struct stream_manager;
struct stream_kafka;
struct connect_server;

struct plane {
    bool (*start)(struct server *server, struct server_failure *failure);
    void (*stop)(struct server
            *server); /* only after a successful start; loops and pools that it was the last user of end with it */
};

uint16_t server_port(const struct server *server, enum service service);
bool server_wants_plane(const struct server *server, const char *plane);
bool server_publish(struct server *server, struct error *error);
struct world_loop *server_loop(struct server *server, enum server_loop loop, struct error *error);
void server_destroy_loop(struct server *server, enum server_loop loop);
struct world_pool *server_disk_pool(struct server *server, struct error *error);

/* What the pages read of the Spark plane; NULL where it does not run. */
void server_spark_parts(struct server *server, struct stream_manager **streams, struct connect_server **connect);
struct exec_engine *server_spark_engine(struct server *server);
/* Appends the queries' JSON objects, comma separated: id, runId, name, state, message, exception, firstBadRecord. Spark
 * loop, where there is one. */
void server_append_queries(struct server *server, struct buffer *out);
/* JSON objects of the partitions that are offline or hold corrupt batches. Any thread. */
void server_append_partitions(struct server *server, struct buffer *out);

/* Fills server->addresses and host_names from the stack. */
void server_collect_addresses(struct server *server);
void server_free_addresses(struct server *server);
/* Who may connect: our own user (and root), or anyone on the machine with --share. */
enum net_peer_rule server_peer_rule(const struct server *server);
/* A copy that lives as long as the server. */
const char *server_keep_text(struct server *server, const char *text);
/* Opened when first needed; closed after the last plane. */
struct store *server_open_store(struct server *server, struct error *error);
void server_close_store(struct server *server);
/* The streaming engine's way to the broker. */
struct stream_kafka *server_stream_kafka(struct server *server, struct error *error);

bool server_start_control(struct server *server, struct server_failure *failure);
void server_end_switches(struct server *server);
void server_stop_control(struct server *server);
bool server_start_kafka(struct server *server, struct server_failure *failure);
void server_stop_kafka(struct server *server);
bool server_start_zookeeper(struct server *server, struct server_failure *failure);
void server_stop_zookeeper(struct server *server);
/* The broker's own nodes in ZooKeeper, where both run. */
void server_show_broker(struct server *server);
void server_hide_broker(struct server *server);
bool server_start_hdfs(struct server *server, struct server_failure *failure);
void server_stop_hdfs(struct server *server);
bool server_start_spark(struct server *server, struct server_failure *failure);
void server_stop_spark(struct server *server);
/* Stops or starts one service while the others go on. On the switch pool. */
bool server_stop_service(struct server *server, enum service service, struct error *error);
bool server_start_service(struct server *server, enum service service, struct error *error);

bool server_start_console(struct server *server, struct server_failure *failure);
void server_stop_console(struct server *server);
bool server_start_jupyter(struct server *server, struct server_failure *failure);
/* Starts it again without waiting for its port. */
bool server_spawn_jupyter(struct server *server, struct error *error);
void server_stop_jupyter(struct server *server);

#endif
