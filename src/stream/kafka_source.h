/* kafka_source.h: the one way from streams to Kafka, embedded or external: topics, partitions, offsets, reading,
 * appending, being woken. stream/kafka_embedded.c implements it over kafka/client.h in this process. */
#ifndef STREAM_KAFKA_SOURCE_H
#define STREAM_KAFKA_SOURCE_H

#include "base/arena.h"
#include "base/error.h"
#include "base/uuid.h"
#include "base/vector.h"
#include "column/column.h"
#include "log/log.h"
#include "world/world.h"

struct kafka_client; /* kafka/client.h */
struct stream_kafka;

/* A piece of a partition: whole record batches v2, valid until released. */
struct stream_kafka_chunk {
    struct bytes batches;             /* starts at the batch that holds the offset asked for */
    int64_t next_offset;              /* where to go on */
    int64_t skipped_from, skipped_to; /* unreadable offsets stepped over; equal when none */
    void *owner;                      /* counted */
    struct log_aborted_list aborted;  /* read committed: what is to be left out. The reader's: VECTOR_FREE */
};
enum stream_kafka_status {
    STREAM_KAFKA_OK,
    STREAM_KAFKA_EMPTY,
    STREAM_KAFKA_OUT_OF_RANGE,
    STREAM_KAFKA_NO_PARTITION,
    STREAM_KAFKA_FAILED
};

struct stream_kafka_partition {
    char *topic;
    int32_t partition;
};
struct stream_kafka_list { /* stream_kafka_list_free */
    struct stream_kafka_partition *items;
    size_t count, capacity;
};
void stream_kafka_list_free(struct stream_kafka_list *list);

/* Writes the batches of one query so that each comes into force once: its records and its number are one transaction.
 * One call at a time but writer_append. Callbacks come on any thread. */
struct stream_kafka_writer;
struct stream_kafka_position {
    const char *topic;
    int32_t partition;
    int64_t offset; /* the next one to be read */
};
typedef void stream_kafka_writer_done(
    void *argument, struct stream_kafka_writer *writer, int64_t latest_batch_id, const struct error *error);

struct stream_kafka_class {
    /* Adds all partitions of one topic; false when it does not exist (error: why, code NOT_FOUND). Any thread. */
    bool (*partitions)(
        struct stream_kafka *kafka, const char *topic, struct stream_kafka_list *list, struct error *error);
    /* Adds the partitions of every topic that match(argument, name) accepts. */
    bool (*each_topic)(struct stream_kafka *kafka, bool (*match)(void *argument, const char *topic), void *argument,
        struct stream_kafka_list *list, struct error *error);
    /* The topic's id: another one after it was deleted and made again. false when it does not exist. Any thread. */
    bool (*topic_id)(struct stream_kafka *kafka, const char *topic, struct uuid *id);
    /* Earliest, latest (end of what can be read), or the first with a timestamp at or above; -1 when there is none. Any
     * thread. */
    bool (*offsets)(struct stream_kafka *kafka, const char *topic, int32_t partition, int64_t *earliest,
        int64_t *latest, struct error *error);
    bool (*offset_for_time)(struct stream_kafka *kafka, const char *topic, int32_t partition, int64_t timestamp_ms,
        bool committed, int64_t *offset, struct error *error);
    /* Where a reader of committed records stops: before the first open transaction. Any thread. */
    bool (*stable_offset)(
        struct stream_kafka *kafka, const char *topic, int32_t partition, int64_t *offset, struct error *error);
    /* Compute threads. */
    enum stream_kafka_status (*read)(struct stream_kafka *kafka, const char *topic, int32_t partition, int64_t offset,
        size_t bytes_max, bool committed, struct stream_kafka_chunk *chunk, struct error *error);
    void (*retain)(void *owner);
    void (*release)(void *owner);
    /* One record. done is called on any thread when it is committed or failed. partition -1: by key, as Kafka's clients
     * do. */
    void (*append)(struct stream_kafka *kafka, const char *topic, int32_t partition, const uint8_t *batch, size_t size,
        void (*done)(void *argument, const struct error *error), void *argument);
    /* Number of partitions, creating the topic when it does not exist and that is allowed; -1 on error. done on any
     * thread. */
    void (*ensure_topic)(struct stream_kafka *kafka, const char *topic,
        void (*done)(void *argument, int32_t partition_count, const struct error *error), void *argument);
    /* Calls wake(argument) on any thread after every append to any topic, until unsubscribed. */
    void *(*subscribe)(struct stream_kafka *kafka, void (*wake)(void *argument), void *argument);
    void (*unsubscribe)(struct stream_kafka *kafka, void *subscription);
    /* Whether a bootstrap.servers list means this cluster; false with an error that names it and the own names. */
    bool (*is_own)(struct stream_kafka *kafka, struct bytes bootstrap_servers, struct error *error);
    /* The log that holds these offsets reaches the disk; done on any thread. */
    void (*sync)(struct stream_kafka *kafka, const char *topic, int32_t partition,
        void (*done)(void *argument, bool ok), void *argument);
    /* Shows in Kafka's own tools, as a consumer group, where a query stands; no positions: it goes. Any thread. */
    void (*show_group)(struct stream_kafka *kafka, const char *group, const struct stream_kafka_position *positions,
        size_t position_count);
    /* The writer of this name from now on: a former one is shut out, what it had decided is carried out and the rest of
     * it is gone. latest_batch_id: the newest batch that is in force, -1: none is known. */
    void (*writer_open)(struct stream_kafka *kafka, const char *name, stream_kafka_writer_done *done, void *argument);
    /* As append. */
    void (*writer_append)(struct stream_kafka_writer *writer, const char *topic, int32_t partition,
        const uint8_t *batch, size_t size, void (*done)(void *argument, const struct error *error), void *argument);
    /* What was appended comes into force as that batch, and `positions` become the offsets of the consumer group of
     * the writer's name. After an error it is not known whether it did: open again. */
    void (*writer_commit)(struct stream_kafka_writer *writer, int64_t batch_id,
        const struct stream_kafka_position *positions, size_t position_count,
        void (*done)(void *argument, const struct error *error), void *argument);
    /* No call may be under way. What was not committed is gone. */
    void (*writer_close)(struct stream_kafka_writer *writer);
};

struct stream_kafka {
    const struct stream_kafka_class *class;
};

/* Over the broker in this process. */
struct stream_kafka *stream_kafka_embedded_create(struct kafka_client *client);
void stream_kafka_embedded_destroy(struct stream_kafka *kafka);

#endif
