/* client_producer.c: transactions of other planes of this process: the same coordinator, partitions and groups as those
 * of remote producers of KIP-890, without a socket. Every call is posted to the broker's loop; the producer's state is
 * touched there only. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "kafka/client_internal.h"
#include "kafka/groups.h"
#include "kafka/transactions.h"
#include "wire/record_batch.h"

#define APPEND_WAITING_MAX ((size_t)64 << 20)
#define CLIENT_VERSION 2

struct kafka_producer {
    struct broker *broker;
    char *id;
    int32_t timeout_ms;
    int64_t producer_id;
    int16_t epoch;
    struct map sequences; /* topic-partition -> next sequence of this epoch */
    _Atomic size_t append_waiting;
};

struct producer_call {
    struct kafka_producer *producer;
    char *topic, *group;
    int32_t partition;
    struct buffer batches;
    bool commit;
    VECTOR(struct committed_offset) offsets; /* topic and metadata are ours */
    kafka_producer_done *opened;
    kafka_append_done *appended;
    kafka_done *done;
    void *argument;
    struct transaction *ending;
    struct log_waiter waiter;
    int64_t base_offset;
    struct client_held held;
    world_function *run;
    bool has_waited; /* for a suspended broker, in vain */
};

static struct producer_call *call_new(struct kafka_producer *producer, void *argument) {
    struct producer_call *call = calloc(1, sizeof *call);
    ASSERT(call);
    call->producer = producer;
    call->argument = argument;
    return call;
}

static void call_free(struct producer_call *call) {
    for (size_t i = 0; i < call->offsets.count; i++) {
        free(call->offsets.items[i].topic);
        free(call->offsets.items[i].metadata);
    }
    VECTOR_FREE(&call->offsets);
    buffer_free(&call->batches);
    free(call->topic);
    free(call->group);
    free(call);
}

static void producer_free(struct kafka_producer *producer) {
    map_free(&producer->sequences);
    free(producer->id);
    free(producer);
}

/* What a code means to a caller: shut out (ERROR_CLOSED), or the disk (ERROR_IO), or a mistake. */
static bool refuse(const struct kafka_producer *producer, int16_t code, struct error *error) {
    bool fenced =
        code == KAFKA_PRODUCER_FENCED || code == KAFKA_INVALID_PRODUCER_ID_MAPPING || code == KAFKA_INVALID_TXN_STATE;
    bool later = code == KAFKA_COORDINATOR_NOT_AVAILABLE || code == KAFKA_CONCURRENT_TRANSACTIONS;
    if (code == KAFKA_NONE)
        return true;
    const struct error *failure = &producer->broker->internal_failure;
    bool why = later && failure->code != ERROR_NONE;
    return error_set(error,
        fenced  ? ERROR_CLOSED
        : later ? ERROR_IO
                : ERROR_INVALID,
        "transactional.id %s: %s (%s)%s%s", producer->id, kafka_error_text(code), kafka_error_name(code),
        why ? ": " : "", why ? failure->message : "");
}

static bool find(const struct kafka_producer *producer, struct transaction **transaction, struct error *error) {
    if (producer->broker->is_suspended)
        return error_set(error, ERROR_CLOSED, "the broker is stopped");
    return refuse(producer,
        transaction_check(producer->broker->transactions, bytes_from_text(producer->id), producer->producer_id,
            producer->epoch, transaction),
        error);
}

static void forget_sequences(struct kafka_producer *producer) {
    map_free(&producer->sequences);
    producer->sequences = (struct map){0};
}

static void stop_waiting(void *argument) {
    struct producer_call *call = argument;
    call->has_waited = true;
    call->run(call);
}

/* While the broker is suspended its producers wait, as remote ones do. */
static bool hold(struct producer_call *call, world_function *run) {
    call->run = run;
    return !call->has_waited && client_hold(call->producer->broker->client, &call->held, run, stop_waiting, call);
}

/* ---- opening ---- */

static void run_open(void *argument);

static void finish_open(struct producer_call *call, const struct error *error) {
    call->opened(call->argument, error->code ? NULL : call->producer, error);
    if (error->code)
        producer_free(call->producer);
    call_free(call);
}

static void on_opened(struct log_waiter *waiter, bool closed) {
    struct error error = {0};
    if (closed)
        error_set(&error, ERROR_CLOSED, "the transaction log went offline");
    finish_open(waiter->argument, &error);
}

static void run_open(void *argument) {
    struct producer_call *call = argument;
    struct kafka_producer *producer = call->producer;
    struct transactions *transactions = producer->broker->transactions;
    struct transaction *transaction = NULL;
    struct transaction_place place = {0};
    struct error error = {0};
    int16_t code = KAFKA_NONE;
    if (hold(call, run_open))
        return;
    if (producer->broker->is_suspended)
        error_set(&error, ERROR_CLOSED, "the broker is stopped");
    else
        code = transaction_init(
            transactions, bytes_from_text(producer->id), producer->timeout_ms, -1, -1, &transaction, &place);
    if (code == KAFKA_CONCURRENT_TRANSACTIONS && transaction->retrying) {
        /* The disk refuses: waiting would be for as long as that lasts. */
        refuse(producer, code, &error);
    } else if (code == KAFKA_CONCURRENT_TRANSACTIONS) {
        transaction_wait(transaction, (struct transaction_waiter){run_open, call});
        return;
    }
    if (error.code == ERROR_NONE && refuse(producer, code, &error)) {
        producer->producer_id = transaction->producer_id;
        producer->epoch = transaction->epoch;
    }
    call->waiter = (struct log_waiter){.wake = on_opened, .argument = call};
    enum log_wait_result waits =
        error.code || !place.log ? LOG_WAIT_REACHED : log_wait(place.log, place.offset, &call->waiter);
    if (waits == LOG_WAIT_OFFLINE)
        on_opened(&call->waiter, true);
    else if (waits == LOG_WAIT_REACHED)
        finish_open(call, &error);
}

void kafka_producer_open(struct kafka_client *client, const char *transactional_id, int32_t timeout_ms,
    kafka_producer_done *done, void *argument) {
    struct kafka_producer *producer = calloc(1, sizeof *producer);
    ASSERT(producer);
    *producer = (struct kafka_producer){
        .broker = client_broker(client), .id = strdup(transactional_id), .timeout_ms = timeout_ms};
    struct producer_call *call = call_new(producer, argument);
    call->opened = done;
    world_loop_post(producer->broker->loop, run_open, call);
}

/* ---- records ---- */

static bool join_transaction(
    struct kafka_producer *producer, const char *topic, int32_t partition, struct error *error) {
    struct transaction *transaction;
    struct transaction_place place;
    struct transaction_part part = {bytes_from_text(topic), partition};
    return find(producer, &transaction, error) &&
           refuse(producer,
               transaction_add(producer->broker->transactions, transaction, &part, 1, CLIENT_VERSION, &place), error);
}

/* The producer's identity goes into a batch; *sequence moves on. */
static void stamp(const struct kafka_producer *producer, uint8_t *batch, size_t size, int32_t *sequence) {
    store_be16(batch + 21, (uint16_t)(load_be16(batch + 21) | RECORD_BATCH_TRANSACTIONAL));
    store_be64(batch + 43, (uint64_t)producer->producer_id);
    store_be16(batch + 51, (uint16_t)producer->epoch);
    store_be32(batch + 53, (uint32_t)*sequence);
    record_batch_seal(batch, size);
    *sequence = (int32_t)(((int64_t)*sequence + (int32_t)load_be32(batch + 23) + 1) & INT32_MAX);
}

static bool append_batches(struct producer_call *call, const struct topic *topic, struct partition_log *log,
    struct log_append_result *result, struct error *error) {
    struct kafka_producer *producer = call->producer;
    char key[300];
    int key_size = snprintf(key, sizeof key, "%s-%d", call->topic, call->partition);
    struct bytes name = bytes_make(key, (size_t)key_size);
    int32_t sequence = (int32_t)((intptr_t)map_get(&producer->sequences, name) & INT32_MAX);
    struct log_append_options options = {
        .leader_epoch = topic->leader_epochs[call->partition], .checksum_verified = true};
    struct bytes rest = buffer_view(&call->batches);
    while (rest.size > 0) {
        struct record_batch batch;
        if (record_batch_parse(rest, &batch) != RECORD_BATCH_OK || !record_batch_checksum_ok(&batch))
            return error_set(error, ERROR_CORRUPT, "the bytes for %s are not whole record batches", key);
        uint8_t *bytes = call->batches.data + (batch.whole.data - call->batches.data);
        stamp(producer, bytes, batch.whole.size, &sequence);
        enum log_status status = log_append(log, bytes, batch.whole.size, &options, result, error);
        if (status != LOG_STATUS_OK)
            return error->code ? false : error_set(error, ERROR_INVALID, "%s: %s", key, log_status_name(status));
        if (call->base_offset < 0)
            call->base_offset = result->base_offset;
        map_set(&producer->sequences, name, (void *)(intptr_t)sequence);
        rest = bytes_slice(rest, batch.whole.size, rest.size - batch.whole.size);
    }
    return true;
}

static void finish_append(struct producer_call *call, const struct error *error) {
    call->producer->append_waiting -= call->batches.size;
    call->appended(call->argument, error->code ? -1 : call->base_offset, error);
    call_free(call);
}

static void on_appended(struct log_waiter *waiter, bool closed) {
    struct error error = {0};
    if (closed)
        error_set(&error, ERROR_CLOSED, "the partition went offline before the records were committed");
    finish_append(waiter->argument, &error);
}

static void run_append(void *argument) {
    struct producer_call *call = argument;
    struct broker *broker = call->producer->broker;
    struct error error = {0};
    struct log_append_result result = {0};
    if (hold(call, run_append))
        return;
    const struct topic *topic = topic_find(broker, bytes_from_text(call->topic));
    struct partition_log *log = topic ? topic_log(topic, call->partition) : NULL;
    call->base_offset = -1;
    if (!log)
        error_set(&error, ERROR_NOT_FOUND, "there is no partition %s-%d", call->topic, call->partition);
    bool ok = log && join_transaction(call->producer, call->topic, call->partition, &error) &&
              append_batches(call, topic, log, &result, &error);
    call->waiter = (struct log_waiter){.wake = on_appended, .argument = call};
    enum log_wait_result waits = ok ? log_wait(log, result.last_offset, &call->waiter) : LOG_WAIT_REACHED;
    if (waits == LOG_WAIT_OFFLINE)
        on_appended(&call->waiter, true);
    else if (waits == LOG_WAIT_REACHED)
        finish_append(call, &error);
}

void kafka_producer_append(struct kafka_producer *producer, const char *topic, int32_t partition, struct bytes batches,
    kafka_append_done *done, void *argument) {
    struct producer_call *call = call_new(producer, argument);
    call->topic = strdup(topic);
    call->partition = partition;
    call->appended = done;
    producer->append_waiting += batches.size;
    if (producer->append_waiting > APPEND_WAITING_MAX && producer->append_waiting != batches.size) {
        struct error error = {0};
        producer->append_waiting -= batches.size;
        error_set(&error, ERROR_LIMIT, "more than 64 MiB wait to be appended");
        done(argument, -1, &error);
        call_free(call);
        return;
    }
    buffer_append_bytes(&call->batches, batches);
    world_loop_post(producer->broker->loop, run_append, call);
}

/* ---- offsets ---- */

static bool append_offsets(
    struct producer_call *call, struct partition_log **log, int64_t *last_offset, struct error *error) {
    struct kafka_producer *producer = call->producer;
    struct broker *broker = producer->broker;
    struct topic *topic = topic_offsets(broker, error);
    struct bytes id = bytes_from_text(call->group);
    if (!topic)
        return false;
    if (!group_id_valid(id))
        return error_set(error, ERROR_INVALID, "'%s' is no group id", call->group);
    int32_t home = group_partition(id, topic->partition_count);
    if (!join_transaction(producer, topic->name, home, error))
        return false;
    struct group *group = group_make(broker->groups, id);
    struct group_batch batch;
    group_batch_begin(&batch, broker->groups, group);
    batch.producer_id = producer->producer_id;
    batch.producer_epoch = producer->epoch;
    for (size_t i = 0; i < call->offsets.count; i++) {
        call->offsets.items[i].commit_ms = world_wall_ms(broker->world);
        group_batch_offset(&batch, &call->offsets.items[i], false);
    }
    if (!refuse(producer, group_batch_commit(&batch, log, last_offset), error))
        return false;
    for (size_t i = 0; i < call->offsets.count; i++) {
        call->offsets.items[i].log_offset = *last_offset;
        group_add_unsettled(broker->groups, group, home, producer->producer_id, &call->offsets.items[i]);
    }
    return true;
}

static void finish_offsets(struct producer_call *call, const struct error *error) {
    call->done(call->argument, error);
    call_free(call);
}

static void on_offsets_committed(struct log_waiter *waiter, bool closed) {
    struct error error = {0};
    if (closed)
        error_set(&error, ERROR_CLOSED, "the partition of the group went offline before the offsets were committed");
    finish_offsets(waiter->argument, &error);
}

static void run_offsets(void *argument) {
    struct producer_call *call = argument;
    struct partition_log *log = NULL;
    struct error error = {0};
    int64_t last_offset = -1;
    if (hold(call, run_offsets))
        return;
    bool ok = append_offsets(call, &log, &last_offset, &error);
    /* What the decision stands on must not be less durable than the decision. */
    call->waiter = (struct log_waiter){.wake = on_offsets_committed, .argument = call};
    enum log_wait_result waits = ok && log ? log_wait(log, last_offset, &call->waiter) : LOG_WAIT_REACHED;
    if (waits == LOG_WAIT_OFFLINE)
        on_offsets_committed(&call->waiter, true);
    else if (waits == LOG_WAIT_REACHED)
        finish_offsets(call, &error);
}

void kafka_producer_commit_offsets(struct kafka_producer *producer, const char *group,
    const struct kafka_producer_offset *offsets, size_t offset_count, kafka_done *done, void *argument) {
    struct producer_call *call = call_new(producer, argument);
    call->group = strdup(group);
    call->done = done;
    for (size_t i = 0; i < offset_count; i++)
        VECTOR_PUSH(&call->offsets, ((struct committed_offset){.topic = strdup(offsets[i].topic),
                                        .partition = offsets[i].partition,
                                        .offset = offsets[i].offset,
                                        .leader_epoch = -1,
                                        .metadata = strdup(offsets[i].metadata ? offsets[i].metadata : "")}));
    world_loop_post(producer->broker->loop, run_offsets, call);
}

/* ---- the end ---- */

static void on_ended(void *argument) {
    struct producer_call *call = argument;
    struct error error = {0};
    forget_sequences(call->producer); /* they begin anew with the new epoch */
    if (call->ending->ending && !call->ending->decided)
        error_set(&error, ERROR_IO, "the decision on the transaction of %s could not be made durable: %s",
            call->producer->id, call->producer->broker->internal_failure.message);
    call->done(call->argument, &error);
    call_free(call);
}

static void run_end(void *argument) {
    struct producer_call *call = argument;
    struct kafka_producer *producer = call->producer;
    struct transaction *transaction = NULL;
    struct error error = {0};
    if (call->commit && hold(call, run_end))
        return;
    if (find(producer, &transaction, &error) && transaction->state == TRANSACTION_ONGOING) {
        call->ending = transaction;
        int16_t code = transaction_end(producer->broker->transactions, transaction, producer->producer_id,
            producer->epoch, call->commit, CLIENT_VERSION, (struct transaction_waiter){on_ended, call},
            &producer->producer_id, &producer->epoch);
        if (code == KAFKA_NONE)
            return; /* answered, or will be; the producer may be gone */
        refuse(producer, code, &error);
    }
    call->done(call->argument, &error);
    call_free(call);
}

void kafka_producer_end(struct kafka_producer *producer, bool commit, kafka_done *done, void *argument) {
    struct producer_call *call = call_new(producer, argument);
    call->commit = commit;
    call->done = done;
    world_loop_post(producer->broker->loop, run_end, call);
}

static void closed(void *argument, const struct error *error) {
    producer_free(argument);
}

void kafka_producer_close(struct kafka_producer *producer) {
    kafka_producer_end(producer, false, closed, producer);
}
