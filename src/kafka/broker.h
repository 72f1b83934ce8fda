/* broker.h: the Kafka broker: everything that answers on port 9092, over the partitions of log/. One loop owns the
 * broker, its connections and all partitions.
 *
 * Other planes in this process reach topics, records and groups through kafka/client.h. */
#ifndef KAFKA_BROKER_H
#define KAFKA_BROKER_H

#include "base/error.h"
#include "base/log.h"
#include "base/metrics.h"
#include "net/server.h"
#include "world/world.h"

struct broker;
struct kafka_client;

/* What the clients that come to one listening endpoint are told as the broker's address, in place of that endpoint. */
struct broker_told {
    const char *address; /* where they come to, numeric */
    uint16_t port;
    const char *host; /* what they are told */
    uint16_t host_port;
};

struct broker_options {
    struct world *world;
    struct world_loop *loop;      /* the broker's own; outlives it */
    struct world_pool *disk_pool; /* syncs, deletions, compaction */
    const char *directory;        /* Kafka's log.dirs; made when absent */
    const char *const *addresses; /* numeric, to listen on; each may have a port of its own (net/server.h) */
    size_t address_count;
    uint16_t port;                  /* 0 takes a free one */
    const struct broker_told *told; /* advertised.listeners, when set, is told to all others */
    size_t told_count;
    const char *const *own_names; /* host names that mean this broker, besides kafka, broker and localhost */
    size_t own_name_count;
    int32_t node_id; /* 0: 1 */
    /* Value of a setting by Kafka's own name ("num.partitions"), NULL when not set. Called during broker_start only.
     * May be NULL. */
    const char *(*setting)(void *context, const char *name);
    void *setting_context;
    enum net_peer_rule peer_rule;
    struct service_log *service_log; /* may be NULL */
    struct metrics *metrics;         /* may be NULL */
    bool stops_at_corruption;        /* these three as in log/log.h */
    int64_t scrub_bytes_per_s, scrub_interval_ms;
};

/* Opens the data folder, recovers, loads the groups, listens. Not from a loop or pool thread. NULL: nothing is left
 * open. */
struct broker *broker_start(const struct broker_options *options, struct error *error);
/* Closes connections, syncs, writes the checkpoints and the clean-shutdown file. Not from a loop or pool thread. */
void broker_stop(struct broker *broker);
/* Closes the port and every connection while the process goes on: clients see the broker fall. What is in this process
 * sees no new records; what it appends waits for the broker, at most delivery.timeout.ms (two minutes), as a producer's
 * records do. Topics, groups and open files stay as they are. Threads as for start. */
void broker_suspend(struct broker *broker);
bool broker_resume(struct broker *broker, struct error *error);
uint16_t broker_port(const struct broker *broker);
const char *broker_cluster_id(const struct broker *broker);
/* Lives as long as the broker. Any thread. */
struct kafka_client *broker_client(struct broker *broker);
/* Open client connections. Any thread. */
size_t broker_connection_count(const struct broker *broker);

/* How many it takes at most (max.connections, which may change while it runs). Any thread. */
size_t broker_connection_max(struct broker *broker);

/* Whether the broker knows a setting of this name (without the "kafka." prefix), and whether the value has its type and
 * range; the error says what is wrong. ERROR_NOT_FOUND for an unknown name. Any thread. */
bool broker_setting_check(const char *name, const char *value, struct error *error);
/* Whether a setting of this name does something here; the others are accepted and are to be said to do nothing. */
bool broker_setting_has_effect(const char *name);
/* The index-th setting the broker knows, with its default and a line of documentation; false behind the last. */
bool broker_setting_describe(size_t index, const char **name, const char **standard, const char **documentation);

#endif
