/* internal.h: the broker's own parts, shared inside this folder only. Everything runs on the broker's loop unless said
 * otherwise. */
#ifndef KAFKA_INTERNAL_H
#define KAFKA_INTERNAL_H

#include "base/arena.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/metrics.h"
#include "kafka/broker.h"
#include "kafka/config.h"
#include "kafka/errors.h"
#include "kafka/metadata.h"
#include "log/log.h"
#include "net/server.h"
#include "wire/kafka_messages.h"
#include "world/world.h"

struct groups;
struct transactions;
struct fetch_sessions;
struct api_request;
struct request_times;

/* ---- topics (topics.c) ---- */

struct topic {
    char *name;
    struct uuid id;
    bool internal;
    int32_t partition_count;
    struct partition_log **logs; /* by partition */
    int32_t *leader_epochs;      /* by partition */
    struct metadata_topic *meta; /* holds the topic's own settings */
    struct log_config log_config;
    int32_t min_insync_replicas;
    size_t decompressed_max; /* of one batch */
    int codec;               /* compression.type: enum record_codec; -1 keeps the producer's */
    struct metric *messages_in, *bytes_in, *bytes_out; /* NULL without metrics */
};

/* ---- broker ---- */

struct advertised {
    char *host;
    uint16_t port;
};

struct told {
    struct net_endpoint at;
    struct advertised as;
};

/* Counters of all topics together; NULL without metrics. */
struct broker_totals {
    struct metric *messages_in, *bytes_in, *bytes_out, *produces, *fetches, *failed_produces, *failed_fetches;
};

struct broker {
    struct world *world;
    struct world_loop *loop;
    struct world_pool *disk_pool;
    struct config config;
    struct service_log *service_log;
    struct metrics *metrics;
    struct net_server *server;
    struct log_manager *logs;
    struct metadata *metadata;
    struct groups *groups;
    struct transactions *transactions;
    struct fetch_sessions *sessions;
    struct kafka_client *client;
    struct error
        internal_failure; /* why the last record for an internal topic was not stored; code ERROR_NONE: it was */
    _Atomic bool is_suspended;
    int32_t node_id;
    char *directory, *listen_text;        /* "127.0.0.1:9092" for the log */
    VECTOR(struct advertised) advertised; /* empty: what the client used */
    uint16_t port;
    int64_t fetch_size_max;
    VECTOR(struct net_endpoint) endpoints; /* at least one; the first has `port` */
    VECTOR(struct told) told;
    VECTOR(char *) own_names;
    VECTOR(struct net_address_limit) address_limits; /* max.connections.per.ip.overrides */

    /* Written on the loop under the mutex; read elsewhere under it. The layers of `config` too. */
    struct world_mutex topics_mutex;
    struct map topics; /* name -> struct topic */
    struct map topics_by_id;
    uint64_t topics_version; /* grows whenever a topic comes, goes or gets partitions; starts at 1 */

    char unknown_topic[256];  /* the last one that a client asked for and that is not there; named in the log, */
    int64_t unknown_topic_ms; /* and when */
    int64_t next_producer_id, producer_id_end; /* block taken from the metadata log */
    struct list ready_requests;                /* delayed requests woken during this dispatch */
    struct metric **request_counts;            /* by place in api_table */
    struct request_times *request_times;       /* likewise */
    struct broker_totals totals;               /* of all topics */
    int dispatch_depth;
    bool drain_posted;
    bool logs_requests;
    const char *request_log_level; /* NULL: as at the start */
};

/* ---- settings that change while the broker runs (broker_config.c) ---- */

#define BROKER_ROOT_LOGGER "root"
#define BROKER_REQUEST_LOGGER "kafka.request.logger"
/* Takes what the metadata log says; before topics are opened. */
void broker_read_configs(struct broker *broker);
/* Sets or removes settings of this broker (name: its number) or of all ("") in the metadata log and in force. The
 * values were checked. */
bool broker_set_configs(struct broker *broker, const char *name, const struct metadata_setting *settings, size_t count,
    struct error *error);
struct net_limits broker_net_limits(struct broker *broker);
const char *broker_request_log_level(const struct broker *broker);
void broker_set_request_log_level(struct broker *broker, const char *level); /* level: constant */

#define KAFKA_OFFSETS_TOPIC "__consumer_offsets"
#define KAFKA_TRANSACTIONS_TOPIC "__transaction_state"
#define KAFKA_TOPIC_NAME_MAX 249

struct topic *topic_find(struct broker *broker, struct bytes name);
struct topic *topic_find_id(struct broker *broker, struct uuid id);
/* NULL when the index is outside. */
struct partition_log *topic_log(const struct topic *topic, int32_t partition);
/* Kafka's rules: letters, digits, . _ -, at most 249, not "." or "..". The message is Kafka's. */
bool topic_name_check(struct bytes name, struct error *error);
/* Creates it on disk and in the metadata log. configs: name -> text, may be NULL. NULL with an error code of Kafka's in
 * *code. */
struct topic *topic_create(struct broker *broker, struct bytes name, int32_t partition_count, const struct map *configs,
    int16_t *code, struct error *error);
bool topic_is_internal(const char *name);
bool topic_delete(struct broker *broker, struct topic *topic, struct error *error);
bool topic_grow(struct broker *broker, struct topic *topic, int32_t partition_count, struct error *error);
/* Sets or removes own settings, in the metadata log and in force. The values were checked. */
bool topic_set_configs(struct broker *broker, struct topic *topic, const struct metadata_setting *settings,
    size_t count, struct error *error);
/* Puts settings in force that follow from the broker's, on every topic. */
void topics_apply_configs(struct broker *broker);
/* Made on first use, with 50 partitions (offsets.topic.num.partitions). */
struct topic *topic_offsets(struct broker *broker, struct error *error);
/* Reads the metadata log and opens every partition. */
bool topics_open(struct broker *broker, struct error *error);
void topics_close(struct broker *broker);
/* Every topic, ordered by name; count in *count; memory from the arena. */
struct topic **topics_sorted(struct broker *broker, struct arena *arena, size_t *count);
/* The next producer id of all; from the metadata log in blocks of 1000. False on a storage error. */
bool broker_next_producer_id(struct broker *broker, int64_t *producer_id, struct error *error);
/* The features of the cluster that this broker understands, with the levels that it can work at. */
struct broker_feature {
    const char *name;
    int16_t supported_min, supported_max;
};
extern const struct broker_feature broker_features[];
extern const size_t broker_feature_count;
/* What the cluster is finalized at, 0 when the metadata log does not say. */
int16_t broker_feature_level(struct broker *broker, const char *name);

/* ---- connections and requests (connection.c) ---- */

struct connection {
    struct net_connection *net;
    struct broker *broker;
    struct list requests; /* in flight, in the order they came; answers leave in this order */
    size_t request_count;
    char client_id[256], software_name[64], software_version[64];
    char host[80]; /* "/127.0.0.1", as tools print it */
    bool closed, paused;
};

enum api_flags {
    API_WAITS = 1, /* may answer later: nothing more is read from the connection until it has */
};

struct api {
    int16_t key;
    int16_t version_min,
        version_max;  /* advertised; those below the message's own are answered with UNSUPPORTED_VERSION */
    const char *name; /* Kafka's */
    const struct wire_message *request, *reply;
    void (*handle)(struct api_request *request);
    unsigned flags;
};
/* Finds or makes the counters of each API; NULL entries without metrics. */
void api_make_metrics(struct broker *broker);
extern const struct api api_table[];
extern const size_t api_count;
const struct api *api_find(int16_t key);

struct api_request {
    struct list_node node;       /* in connection->requests */
    struct list_node ready_node; /* in broker->ready_requests, else points to itself */
    struct broker *broker;
    struct connection *connection; /* outlives the request */
    const struct api *api;
    int16_t version;
    int32_t correlation;
    struct bytes client_id; /* in the frame */
    struct buffer frame;    /* owns what `body` points into; records may be changed in place */
    size_t frame_size;
    struct arena arena;
    void *body;            /* decoded */
    void *reply;           /* defaults; the handler fills it and calls api_reply */
    struct buffer out;     /* encoded answer */
    struct wire_gaps gaps; /* each with a struct log_range as its records */
    bool done, no_answer, close_after;
    void *state;                                 /* of a delayed handler */
    void (*wake)(struct api_request *request);   /* delayed: something it waits for came */
    void (*cancel)(struct api_request *request); /* delayed: the connection is gone; frees `state` */
    int64_t received_ns;
};

extern const struct net_protocol kafka_protocol;

/* The handler has filled request->reply. Encodes, sends when it is this request's turn, and frees the request. */
void api_reply(struct api_request *request);
/* acks=0: nothing is sent. Frees the request. */
void api_reply_nothing(struct api_request *request);
/* The connection is closed because of this request (with a line in the log); frees the request. */
void api_close(struct api_request *request, const char *why);
/* Answers when the log's records up to `offset` are committed; at once when they are, or when log is NULL. */
void api_reply_when_committed(struct api_request *request, struct partition_log *log, int64_t offset);
/* Runs request->wake soon: at the end of the present dispatch. */
void api_wake(struct api_request *request);
/* What the client should be told as this broker's address. */
void broker_advertised(const struct api_request *request, struct bytes *host, int32_t *port);
/* acl operations as a bit set of all operations on a topic, group or cluster: there is no authorizer, so everything is
 * allowed. */
#define OPERATIONS_TOPIC 0x00000df8
#define OPERATIONS_GROUP 0x00000148
#define OPERATIONS_CLUSTER 0x00001fa0
/* Only when asked for: otherwise the marker for "not asked". */
#define OPERATIONS_IF(asked, operations) ((asked) ? (operations) : INT32_MIN)

/* Shorthand: a copy of text in the request's arena. */
struct bytes api_text(struct api_request *request, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- one handler per API (api/) ---- */
#define API(key, name, message, handler, low, high, flags) void handler(struct api_request *request);
#include "kafka/api.def"
#undef API

#endif
