/* client.h: the broker as the other planes of this process see it: the streaming engine, the console, the command line.
 * No sockets, no copies: reading gives maps of the partition's own files.
 *
 * Functions marked [any] may be called from every thread. Those with a `done` callback return at once and call it once,
 * on the broker's loop; it must not block (post to your own loop or wake your task). */
#ifndef KAFKA_CLIENT_H
#define KAFKA_CLIENT_H

#include "base/error.h"
#include "base/uuid.h"
#include "base/vector.h"
#include "log/log.h"

struct kafka_client;

/* ---- topics [any] ---- */

struct kafka_topic_info {
    char *name;
    struct uuid id;
    int32_t partition_count;
    bool internal;
};
struct kafka_topic_list { /* kafka_topic_list_free */
    struct kafka_topic_info *items;
    size_t count, capacity;
};
/* All topics by name. */
void kafka_client_topics(struct kafka_client *client, struct kafka_topic_list *list);
void kafka_topic_list_free(struct kafka_topic_list *list);
/* -1 when there is no such topic. */
int32_t kafka_client_partition_count(struct kafka_client *client, const char *topic);
/* false when there is no such topic. A topic that was deleted and made again has another id. */
bool kafka_client_topic_id(struct kafka_client *client, const char *topic, struct uuid *id);
/* The partition with a reference of the caller's (log_release), NULL when it does not exist. Everything marked [any] in
 * log/log.h works on it: log_start_offset and log_high_watermark (earliest and latest), log_offset_for_time,
 * log_read_map below the high watermark, log_size. After the topic's deletion it answers LOG_STATUS_CLOSED. */
struct partition_log *kafka_client_partition(struct kafka_client *client, const char *topic, int32_t partition);

/* A setting in force on a topic; only those set on the topic itself when `overrides_only`. */
struct kafka_config_info {
    char *name, *value;
    bool is_override; /* set on the topic itself */
};
struct kafka_config_list { /* kafka_config_list_free */
    struct kafka_config_info *items;
    size_t count, capacity;
};
void kafka_config_list_free(struct kafka_config_list *list);
typedef void kafka_configs_done(
    void *argument, struct kafka_config_list *configs, const struct error *error); /* list: the callee's */
void kafka_client_topic_configs(
    struct kafka_client *client, const char *topic, bool overrides_only, kafka_configs_done *done, void *argument);

/* error->code ERROR_NONE on success. */
typedef void kafka_done(void *argument, const struct error *error);

struct kafka_topic_setting {
    const char *name, *value;
};
/* partition_count -1: num.partitions. ERROR_EXISTS when it is there, ERROR_INVALID for a bad name, count or setting. */
void kafka_client_create_topic(struct kafka_client *client, const char *topic, int32_t partition_count,
    const struct kafka_topic_setting *settings, size_t setting_count, kafka_done *done, void *argument);
void kafka_client_delete_topic(struct kafka_client *client, const char *topic, kafka_done *done, void *argument);
/* The number of partitions, after making the topic with defaults when it is absent and auto.create.topics.enable
 * allows; -1 with an error. */
typedef void kafka_count_done(void *argument, int32_t partition_count, const struct error *error);
void kafka_client_ensure_topic(struct kafka_client *client, const char *topic, kafka_count_done *done, void *argument);

/* ---- records [any] ---- */

typedef void kafka_append_done(void *argument, int64_t base_offset, const struct error *error);
/* Appends whole record batches v2 (base offsets and leader epochs are assigned here; the bytes are copied). Called when
 * the records are committed, as acks=all, or refused. At most 64 MiB wait; more is refused with ERROR_LIMIT. */
void kafka_client_append(struct kafka_client *client, const char *topic, int32_t partition, struct bytes batches,
    kafka_append_done *done, void *argument);
/* The partition's log reaches the disk up to its present end. */
typedef void kafka_sync_done(void *argument, bool ok);
void kafka_client_sync(
    struct kafka_client *client, const char *topic, int32_t partition, kafka_sync_done *done, void *argument);
/* Which partition Kafka's clients choose for a key: murmur2, sign bit off, modulo. */
int32_t kafka_partition_for_key(struct bytes key, int32_t partition_count);

/* ---- transactions [any] ----
 *
 * A producer with a transactional.id of its own: records and group offsets that come into force together or not at all.
 * For a streaming batch: append the records, commit the offsets with the batch number as their metadata, end with
 * `commit`; after a crash open again, then read the group's offsets: they say whether the batch was committed. Calls of
 * one producer take effect in their order; the next transaction may begin when kafka_producer_end has called back.
 * Errors: ERROR_CLOSED: shut out by another producer or by the timeout, or the broker is stopped: open again. ERROR_IO:
 * the disk.
 *
 * Reading what is committed needs no producer: log_read_map with LOG_READ_COMMITTED stops before the first open
 * transaction, log_aborted_transactions lists what to leave out, and log_batch_is_hidden says it of a batch. */

struct kafka_producer;
typedef void kafka_producer_done(void *argument, struct kafka_producer *producer, const struct error *error);
/* The producer of this id from now on: a former one is shut out, what it left open is aborted and what it had decided
 * is carried out before `done` is called. A transaction open for longer than timeout_ms is aborted. */
void kafka_producer_open(struct kafka_client *client, const char *transactional_id, int32_t timeout_ms,
    kafka_producer_done *done, void *argument);
/* As kafka_client_append, inside the transaction, which begins with the first call after an end. The identity of the
 * producer is written into the batches. After an error only an abort is left. */
void kafka_producer_append(struct kafka_producer *producer, const char *topic, int32_t partition, struct bytes batches,
    kafka_append_done *done, void *argument);
struct kafka_producer_offset {
    const char *topic;
    int32_t partition;
    int64_t offset;
    const char *metadata; /* NULL: none */
};
/* Offsets of a group (made when absent) that come into force with the commit. Everything is copied. */
void kafka_producer_commit_offsets(struct kafka_producer *producer, const char *group,
    const struct kafka_producer_offset *offsets, size_t offset_count, kafka_done *done, void *argument);
/* Commits or aborts; success also when nothing was begun. Called back when records and offsets are visible (or gone),
 * durable as the broker's flush settings say. With ERROR_IO it is not known how it ends: open again and look. */
void kafka_producer_end(struct kafka_producer *producer, bool commit, kafka_done *done, void *argument);
/* Aborts what is open. No call of this producer may be under way; it must not be used any more. */
void kafka_producer_close(struct kafka_producer *producer);

/* ---- being woken [any] ---- */

struct kafka_subscription;
/* wake(argument) is called on the broker's loop after records were committed to any partition and after a topic came or
 * went. It must be short. After kafka_client_unsubscribe returns it is not called any more (a wake may be running when
 * it is called; it waits for that). */
struct kafka_subscription *kafka_client_subscribe(
    struct kafka_client *client, void (*wake)(void *argument), void *argument);
void kafka_client_unsubscribe(struct kafka_client *client, struct kafka_subscription *subscription);

/* ---- groups ---- */

struct kafka_group_offset {
    char *topic;
    int32_t partition;
    int64_t offset;     /* committed; -1 none */
    int64_t end_offset; /* of the partition, -1 when it does not exist */
    int64_t commit_ms;  /* wall time */
    char *metadata;     /* committed with the offset, "" none */
};
struct kafka_group_member {
    char *member_id, *instance_id /* or NULL */, *client_id, *client_host;
    struct buffer assignment; /* as its leader wrote it: int16 version, then consumer_assignment; may be empty */
};
struct kafka_group_info {
    char *group_id, *state, *protocol_type, *protocol;
    int32_t generation;
    struct kafka_group_member *members;
    size_t member_count;
    struct kafka_group_offset *offsets;
    size_t offset_count;
};
struct kafka_group_list { /* kafka_group_list_free */
    struct kafka_group_info *items;
    size_t count, capacity;
};
void kafka_group_list_free(struct kafka_group_list *list);
/* Every group with members, offsets and ends (lag is end_offset - offset). The list is the callee's. [any] */
typedef void kafka_groups_done(void *argument, struct kafka_group_list *groups);
void kafka_client_groups(struct kafka_client *client, kafka_groups_done *done, void *argument);

/* As above for one group; the list is empty when there is none of this name. [any] */
void kafka_client_group(struct kafka_client *client, const char *group, kafka_groups_done *done, void *argument);

/* ---- what an administrator changes [any] ---- */

/* ERROR_INVALID unless partition_count is above the present one and at most 10,000. */
void kafka_client_add_partitions(
    struct kafka_client *client, const char *topic, int32_t partition_count, kafka_done *done, void *argument);
/* Sets (value NULL: removes) settings of a topic; all or none. */
void kafka_client_set_topic_configs(struct kafka_client *client, const char *topic,
    const struct kafka_topic_setting *settings, size_t setting_count, kafka_done *done, void *argument);
/* Deletes the records below `offset` (-1: all that are committed) of one partition, or with partition -1 of every one.
 * ERROR_DENIED for a topic that is only compacted. */
void kafka_client_delete_records(struct kafka_client *client, const char *topic, int32_t partition, int64_t offset,
    kafka_done *done, void *argument);
struct kafka_group_target {
    const char *topic;
    int32_t partition;
    int64_t offset;
};
/* Commits these offsets for a group (made when absent) that has no members: ERROR_BUSY otherwise. */
void kafka_client_set_group_offsets(struct kafka_client *client, const char *group,
    const struct kafka_group_target *targets, size_t target_count, kafka_done *done, void *argument);
/* Shows where a reader stands that is no consumer (a streaming query), as a group without members that is kept in
 * memory only. Without targets it goes. Nothing happens when a real group has this name. */
void kafka_client_show_group(
    struct kafka_client *client, const char *group, const struct kafka_group_target *targets, size_t target_count);
/* ERROR_BUSY while it has members. */
void kafka_client_delete_group(struct kafka_client *client, const char *group, kafka_done *done, void *argument);

/* ---- this cluster [any] ---- */

/* Every setting of the broker and its value ("" when it has none); is_override: given to this broker. */
void kafka_client_broker_configs(struct kafka_client *client, struct kafka_config_list *list);
/* What a topic setting is about, NULL when there is none of this name. */
const char *kafka_client_config_help(const char *name);
/* The broker's gauges, its groups' lags and its requests' times as Prometheus text, without what the registry of
 * metrics has. `done` is called on a thread of a pool; it may take the text. */
typedef void kafka_metrics_done(void *argument, struct buffer *text);
void kafka_client_metrics(struct kafka_client *client, kafka_metrics_done *done, void *argument);
/* The log directory. */
const char *kafka_client_directory(struct kafka_client *client);

/* Whether every server of a bootstrap.servers list ("kafka:9092,127.0.0.1:9092") means this broker: an own host name,
 * localhost, an address it listens on, or an advertised listener, with its port. Otherwise false, and the error names
 * the first foreign one and the own ones. */
bool kafka_client_is_own(struct kafka_client *client, struct bytes bootstrap_servers, struct error *error);
const char *kafka_client_cluster_id(struct kafka_client *client);
/* false while the broker is suspended (broker.h): its port is closed. kafka_client_is_own then says so with
 * ERROR_CLOSED. */
bool kafka_client_is_running(struct kafka_client *client);

#endif
