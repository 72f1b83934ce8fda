/* kafka_embedded.c: the broker of this process as streams see it. Chunks are maps of the partitions' own files. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "kafka/client.h"
#include "stream/kafka_source.h"

struct embedded {
    struct stream_kafka base;
    struct kafka_client *client;
};

void stream_kafka_list_free(struct stream_kafka_list *list) {
    for (size_t i = 0; i < list->count; i++) {
        free(list->items[i].topic);
    }
    VECTOR_FREE(list);
}

static struct kafka_client *client_of(struct stream_kafka *kafka) {
    return ((struct embedded *)kafka)->client;
}

static bool partitions(
    struct stream_kafka *kafka, const char *topic, struct stream_kafka_list *list, struct error *error) {
    int32_t count = kafka_client_partition_count(client_of(kafka), topic);
    if (count < 0) {
        return error_set(error, ERROR_NOT_FOUND, "Topic %s does not exist", topic);
    }
    for (int32_t i = 0; i < count; i++) {
        VECTOR_PUSH(list, ((struct stream_kafka_partition){strdup(topic), i}));
    }
    return true;
}

static bool each_topic(struct stream_kafka *kafka, bool (*match)(void *argument, const char *topic), void *argument,
    struct stream_kafka_list *list, struct error *error) {
    struct kafka_topic_list topics = {0};
    kafka_client_topics(client_of(kafka), &topics);
    for (size_t i = 0; i < topics.count; i++) {
        for (int32_t j = 0;
             !topics.items[i].internal && j < topics.items[i].partition_count && match(argument, topics.items[i].name);
             j++) {
            VECTOR_PUSH(list, ((struct stream_kafka_partition){strdup(topics.items[i].name), j}));
        }
    }
    kafka_topic_list_free(&topics);
    return true;
}

static bool topic_id(struct stream_kafka *kafka, const char *topic, struct uuid *id) {
    return kafka_client_topic_id(client_of(kafka), topic, id);
}

static struct partition_log *open_log(
    struct stream_kafka *kafka, const char *topic, int32_t partition, struct error *error) {
    struct partition_log *log = kafka_client_partition(client_of(kafka), topic, partition);
    if (log == NULL) {
        error_set(error, ERROR_NOT_FOUND, "Partition %s-%d does not exist", topic, (int)partition);
    }
    return log;
}

static bool offsets(struct stream_kafka *kafka, const char *topic, int32_t partition, int64_t *earliest,
    int64_t *latest, struct error *error) {
    struct partition_log *log = open_log(kafka, topic, partition, error);
    if (log == NULL) {
        return false;
    }
    *earliest = log_start_offset(log);
    *latest = log_high_watermark(log);
    log_release(log);
    return true;
}

static bool offset_for_time(struct stream_kafka *kafka, const char *topic, int32_t partition, int64_t timestamp_ms,
    bool committed, int64_t *offset, struct error *error) {
    struct partition_log *log = open_log(kafka, topic, partition, error);
    struct log_time_offset found = {.offset = -1};
    if (log == NULL) {
        return false;
    }
    enum log_status status =
        log_offset_for_time(log, timestamp_ms, committed ? LOG_READ_COMMITTED : LOG_READ_UNCOMMITTED, &found, error);
    log_release(log);
    *offset = found.offset;
    return status == LOG_STATUS_OK ||
           error_set(error, ERROR_IO, "%s-%d: %s", topic, (int)partition, log_status_name(status));
}

static bool stable_offset(
    struct stream_kafka *kafka, const char *topic, int32_t partition, int64_t *offset, struct error *error) {
    struct partition_log *log = open_log(kafka, topic, partition, error);
    if (log == NULL) {
        return false;
    }
    *offset = log_last_stable_offset(log);
    log_release(log);
    return true;
}

static enum stream_kafka_status read_chunk(struct stream_kafka *kafka, const char *topic, int32_t partition,
    int64_t offset, size_t bytes_max, bool committed, struct stream_kafka_chunk *chunk, struct error *error) {
    struct partition_log *log = open_log(kafka, topic, partition, error);
    struct log_view view = {0};
    if (log == NULL) {
        return STREAM_KAFKA_NO_PARTITION;
    }
    enum log_status status =
        log_read_map(log, offset, bytes_max, committed ? LOG_READ_COMMITTED : LOG_READ_UNCOMMITTED, &view, error);
    struct log_aborted_list aborted = {0};
    if (committed && status == LOG_STATUS_OK && view.map != NULL &&
        !log_aborted_transactions(log, offset, view.next_offset, &aborted, error)) {
        log_map_release(view.map);
        status = LOG_STATUS_STORAGE;
    }
    log_release(log);
    if (status == LOG_STATUS_OFFSET_OUT_OF_RANGE) {
        return STREAM_KAFKA_OUT_OF_RANGE;
    }
    if (status == LOG_STATUS_CLOSED) {
        return STREAM_KAFKA_NO_PARTITION;
    }
    if (status != LOG_STATUS_OK) {
        VECTOR_FREE(&aborted);
        error_prefix(error, "%s-%d at offset %lld", topic, (int)partition, (long long)offset);
        return STREAM_KAFKA_FAILED;
    }
    *chunk = (struct stream_kafka_chunk){
        view.batches, view.next_offset, view.skipped_from, view.skipped_to, view.map, aborted};
    return view.map == NULL && view.skipped_from == view.skipped_to ? STREAM_KAFKA_EMPTY : STREAM_KAFKA_OK;
}

static void retain(void *owner) {
    if (owner != NULL) {
        log_map_retain(owner);
    }
}
static void release(void *owner) {
    if (owner != NULL) {
        log_map_release(owner);
    }
}

struct append_call {
    void (*done)(void *argument, const struct error *error);
    void *argument;
};

static void appended(void *argument, int64_t base_offset, const struct error *error) {
    struct append_call *call = argument;
    call->done(call->argument, error != NULL && error->code != ERROR_NONE ? error : NULL);
    free(call);
}

static void append(struct stream_kafka *kafka, const char *topic, int32_t partition, const uint8_t *batch, size_t size,
    void (*done)(void *argument, const struct error *error), void *argument) {
    struct append_call *call = malloc(sizeof *call);
    ASSERT(call != NULL);
    *call = (struct append_call){done, argument};
    kafka_client_append(client_of(kafka), topic, partition, bytes_make(batch, size), appended, call);
}

static void ensure_topic(struct stream_kafka *kafka, const char *topic,
    void (*done)(void *argument, int32_t count, const struct error *error), void *argument) {
    kafka_client_ensure_topic(client_of(kafka), topic, done, argument);
}

static void *subscribe(struct stream_kafka *kafka, void (*wake)(void *argument), void *argument) {
    return kafka_client_subscribe(client_of(kafka), wake, argument);
}
static void unsubscribe(struct stream_kafka *kafka, void *subscription) {
    kafka_client_unsubscribe(client_of(kafka), subscription);
}
static bool is_own(struct stream_kafka *kafka, struct bytes servers, struct error *error) {
    return kafka_client_is_own(client_of(kafka), servers, error);
}
static void sync_log(struct stream_kafka *kafka, const char *topic, int32_t partition,
    void (*done)(void *argument, bool ok), void *argument) {
    kafka_client_sync(client_of(kafka), topic, partition, done, argument);
}

static void show_group(struct stream_kafka *kafka, const char *group, const struct stream_kafka_position *positions,
    size_t position_count) {
    struct kafka_group_target *targets = calloc(position_count + 1, sizeof *targets);
    ASSERT(targets != NULL);
    for (size_t i = 0; i < position_count; i++) {
        targets[i] = (struct kafka_group_target){positions[i].topic, positions[i].partition, positions[i].offset};
    }
    kafka_client_show_group(client_of(kafka), group, targets, position_count);
    free(targets);
}

/* ---- batches that come into force once ----
 *
 * The writer's name is both a transactional.id and a consumer group. The group's offsets are where the query stands in
 * its topics, and their metadata is the number of the batch: the decision of the transaction is the only point at which
 * both and the records come into force. */

enum { TRANSACTION_TIME_MS = 900000 }; /* transaction.max.timeout.ms: a batch is written in one go */

struct stream_kafka_writer {
    struct kafka_client *client;
    struct kafka_producer *producer;
    char *name;
    stream_kafka_writer_done *opened; /* of the call under way, as the rest */
    void (*done)(void *argument, const struct error *error);
    void *argument;
};

static void writer_close(struct stream_kafka_writer *writer) {
    if (writer->producer != NULL) {
        kafka_producer_close(writer->producer);
    }
    free(writer->name);
    free(writer);
}

static void batches_known(void *argument, struct kafka_group_list *groups) {
    struct stream_kafka_writer *writer = argument;
    int64_t latest = -1, batch_id;
    for (size_t i = 0; i < groups->count; i++) {
        for (size_t j = 0; j < groups->items[i].offset_count; j++) {
            const char *metadata = groups->items[i].offsets[j].metadata;
            if (bytes_to_int64(bytes_from_text(metadata), &batch_id) && batch_id > latest) {
                latest = batch_id;
            }
        }
    }
    kafka_group_list_free(groups);
    writer->opened(writer->argument, writer, latest, NULL);
}

static void producer_opened(void *argument, struct kafka_producer *producer, const struct error *error) {
    struct stream_kafka_writer *writer = argument;
    writer->producer = producer;
    if (producer != NULL) {
        kafka_client_group(writer->client, writer->name, batches_known, writer);
        return;
    }
    writer->opened(writer->argument, NULL, -1, error);
    writer_close(writer);
}

static void writer_open(struct stream_kafka *kafka, const char *name, stream_kafka_writer_done *done, void *argument) {
    struct stream_kafka_writer *writer = calloc(1, sizeof *writer);
    ASSERT(writer != NULL);
    *writer = (struct stream_kafka_writer){
        .client = client_of(kafka), .name = strdup(name), .opened = done, .argument = argument};
    kafka_producer_open(writer->client, name, TRANSACTION_TIME_MS, producer_opened, writer);
}

static void writer_append(struct stream_kafka_writer *writer, const char *topic, int32_t partition,
    const uint8_t *batch, size_t size, void (*done)(void *argument, const struct error *error), void *argument) {
    struct append_call *call = malloc(sizeof *call);
    ASSERT(call != NULL);
    *call = (struct append_call){done, argument};
    kafka_producer_append(writer->producer, topic, partition, bytes_make(batch, size), appended, call);
}

static void decided(void *argument, const struct error *error) {
    struct stream_kafka_writer *writer = argument;
    writer->done(writer->argument, error->code == ERROR_NONE ? NULL : error);
}

static void positions_written(void *argument, const struct error *error) {
    struct stream_kafka_writer *writer = argument;
    if (error->code == ERROR_NONE) {
        kafka_producer_end(writer->producer, true, decided, writer);
    } else {
        decided(writer, error);
    }
}

static void writer_commit(struct stream_kafka_writer *writer, int64_t batch_id,
    const struct stream_kafka_position *positions, size_t position_count,
    void (*done)(void *argument, const struct error *error), void *argument) {
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)batch_id);
    /* A query that reads no topic stands nowhere: the number is kept with a partition that is always there. */
    struct kafka_producer_offset none = {"__consumer_offsets", 0, 0, number};
    struct kafka_producer_offset *offsets = malloc((position_count + 1) * sizeof *offsets);
    ASSERT(offsets != NULL);
    for (size_t i = 0; i < position_count; i++) {
        offsets[i] =
            (struct kafka_producer_offset){positions[i].topic, positions[i].partition, positions[i].offset, number};
    }
    writer->done = done;
    writer->argument = argument;
    kafka_producer_commit_offsets(writer->producer, writer->name, position_count > 0 ? offsets : &none,
        position_count > 0 ? position_count : 1, positions_written, writer);
    free(offsets);
}

static const struct stream_kafka_class embedded_class = {partitions, each_topic, topic_id, offsets, offset_for_time,
    stable_offset, read_chunk, retain, release, append, ensure_topic, subscribe, unsubscribe, is_own, sync_log,
    show_group, writer_open, writer_append, writer_commit, writer_close};

struct stream_kafka *stream_kafka_embedded_create(struct kafka_client *client) {
    struct embedded *kafka = malloc(sizeof *kafka);
    ASSERT(kafka != NULL);
    *kafka = (struct embedded){{&embedded_class}, client};
    return &kafka->base;
}

void stream_kafka_embedded_destroy(struct stream_kafka *kafka) {
    free(kafka);
}
