/* server.h: the server as its files see it: sessions and connections (server.c, session.c), watches (watch.c), requests
 * (request.c), four-letter words (words.c), Kafka's znodes (mirror.c). Everything happens on the server's loop. */
#ifndef ZOOKEEPER_SERVER_H
#define ZOOKEEPER_SERVER_H

#include "base/assert.h"
#include "base/list.h"
#include "zookeeper/persist.h"
#include "zookeeper/zookeeper.h"

#define ZK_VERSION "3.9.5"

struct zk_session {
    int64_t id;
    int32_t timeout_ms;
    int64_t expires_ms; /* monotonic */
    bool never_expires; /* our own */
    struct zk_connection *connection;
};

struct zk_connection {
    struct zookeeper *zookeeper;
    struct net_connection *net;
    struct zk_session *session;            /* NULL before the handshake and after its close */
    bool read_only_known;                  /* the client's ConnectRequest has the readOnly field */
    VECTOR(struct zk_identity) identities; /* owned texts; the first is the address */
    struct list watches;
    int64_t received_count, sent_count, opened_wall_ms;
    /* For cons. */
    const char *last_operation;
    int32_t last_cxid;
    int64_t last_zxid, last_response_ms, last_latency_ms, latency_min_ms, latency_max_ms, latency_sum_ms;
};

enum zk_watch_kind { ZK_WATCH_DATA, ZK_WATCH_CHILD, ZK_WATCH_PERSISTENT, ZK_WATCH_RECURSIVE };

/* A reply that must not be seen before its transactions are on the disk. */
struct zk_outgoing {
    struct net_connection *net;
    struct buffer frame;
    int64_t after_zxid;
    bool closes; /* instead of a frame */
};

struct zookeeper {
    struct zookeeper_options options;
    char *data_directory, *four_letter_words;
    char **addresses;
    struct zk_tree tree;
    struct zk_persist persist;
    struct net_server *net;
    struct map sessions; /* id -> struct zk_session * */
    int64_t next_session_id;
    struct map watches; /* path -> struct zk_watch_set * */
    size_t watch_count, recursive_watch_count;
    struct world_timer *timer;
    int64_t container_check_ms;
    int64_t started_ms;

    int64_t changes_since_snapshot;
    bool is_snapshotting, is_syncing, log_failed;
    int64_t synced_zxid, syncing_zxid;
    VECTOR(struct zk_outgoing) outgoing;
    size_t pool_work_count; /* under way */

    int64_t received_count, sent_count, latency_min_ms, latency_max_ms, latency_sum_ms, latency_count;
    int64_t mirror_session_id;
    struct zookeeper_description description;
    struct world_mutex description_lock;
};

/* ---- server.c ---- */

/* Sends one frame (its length is put in front) in order with the transactions made so far. Takes the buffer. */
void zk_send(struct zk_connection *connection, struct buffer *frame);
/* Closes after what was sent. */
void zk_close(struct zk_connection *connection);
/* Logs, tells the watches, frees the change. false: undone. */
bool zk_commit(struct zookeeper *zookeeper, struct zk_change *change, int32_t cxid, enum zk_operation operation,
    struct bytes record);
void zk_info(struct zookeeper *zookeeper, enum log_level level, const char *logger, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- session.c ---- */

struct zk_session *zk_session_find(struct zookeeper *zookeeper, int64_t id);
struct zk_session *zk_session_create(struct zookeeper *zookeeper, int32_t timeout_ms);
/* As recovered from the files. */
struct zk_session *zk_session_restore(struct zookeeper *zookeeper, int64_t id, int32_t timeout_ms);
void zk_session_touch(struct zookeeper *zookeeper, struct zk_session *session);
/* Removes the session and its ephemeral nodes, as one transaction. The connection, if any, forgets it. */
void zk_session_end(struct zookeeper *zookeeper, struct zk_session *session, int32_t cxid);
void zk_sessions_expire(struct zookeeper *zookeeper);
void zk_sessions_free(struct zookeeper *zookeeper);
/* The password that goes with an id. */
void zk_session_password(int64_t id, uint8_t password[16]);
/* The first frame of a connection. */
void zk_handshake(struct zk_connection *connection, struct bytes frame);
/* Containers that lost their last child, TTL nodes whose time is over. */
void zk_remove_expired_nodes(struct zookeeper *zookeeper);

/* ---- watch.c ---- */

void zk_watch_add(struct zk_connection *connection, struct bytes path, enum zk_watch_kind kind);
/* false when there was none. */
bool zk_watch_remove(struct zk_connection *connection, struct bytes path, enum zk_watch_kind kind);
bool zk_watch_exists(struct zk_connection *connection, struct bytes path, enum zk_watch_kind kind);
void zk_watches_drop(struct zk_connection *connection);
void zk_watches_tell(struct zookeeper *zookeeper, const struct zk_event *event, int64_t zxid);
void zk_watch_send(struct zk_connection *connection, enum zk_event_type type, struct bytes path, int64_t zxid);

/* ---- request.c ---- */

/* Any later frame of a connection. */
void zk_request(struct zk_connection *connection, struct bytes frame);
struct zk_caller zk_caller_of(const struct zk_connection *connection);
/* "user:" and the base64 of the SHA-1 of "user:password". */
void zk_digest(struct bytes user_and_password, struct buffer *out);

/* ---- words.c ---- */

/* Whether a refused frame length is a four-letter word; answers it. */
bool zk_word(struct zk_connection *connection, int32_t size);

/* ---- mirror.c ---- */

void zk_mirror_stop(struct zookeeper *zookeeper);

#endif
