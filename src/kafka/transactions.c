/* transactions.c: the states of a transactional.id.
 *
 *   Empty ── partition added ──▸ Ongoing ── EndTxn ──▸ PrepareCommit ── markers written ──▸ CompleteCommit ─┐
 *     ▴                            │ ▴                                                                      │
 *     │        EndTxn, timeout, or │ └── partition added ───────────────────────────────────────────────────┤
 *     │        a new producer      └──▸ PrepareAbort ── markers written ──▸ CompleteAbort ──────────────────┤
 *     └── InitProducerId ───────────────────────────────────────────────────────────────────────────────────┘
 *
 * Each change is a record first. The Prepare record is the only point of decision: markers follow it, each partition's
 * after the record is committed, and what a crash leaves undone is done at the next start. While a decision is carried
 * out (`ending`) every other request for the id is answered with CONCURRENT_TRANSACTIONS.
 *
 * Two generations of clients: those of KIP-890 (client_version 2) let the broker add partitions and get the next epoch
 * with every end, which the markers carry already, so that nothing late of the former transaction can be taken for the
 * next; older ones keep their epoch until they, or somebody in their place, ask for a new one. */
#include "kafka/transactions.h"

#include <stdlib.h>

#include "base/assert.h"
#include "kafka/groups.h"
#include "wire/record_batch.h"

#define LOGGER "kafka.coordinator.transaction.TransactionCoordinator"
#define EPOCH_LAST (INT16_MAX - 1) /* the last that a client sees */
#define RETRY_MS 1000

const char *transaction_state_name(enum transaction_state state) {
    static const char *const names[TRANSACTION_STATE_COUNT] = {"Empty", "Ongoing", "PrepareCommit", "PrepareAbort",
        "CompleteCommit", "CompleteAbort", "Dead", "PrepareEpochFence"};
    return names[state];
}

/* ---- changes, taken back when the record cannot be written ---- */

struct former {
    int64_t producer_id, previous_producer_id, next_producer_id, start_ms, update_ms;
    int16_t epoch, last_epoch, client_version;
    int32_t timeout_ms;
    enum transaction_state state;
};

static struct former remember(const struct transaction *transaction) {
    return (struct former){transaction->producer_id, transaction->previous_producer_id, transaction->next_producer_id,
        transaction->start_ms, transaction->update_ms, transaction->epoch, transaction->last_epoch,
        transaction->client_version, transaction->timeout_ms, transaction->state};
}

static void take_back(struct transaction *transaction, const struct former *former) {
    transaction->producer_id = former->producer_id;
    transaction->previous_producer_id = former->previous_producer_id;
    transaction->next_producer_id = former->next_producer_id;
    transaction->start_ms = former->start_ms;
    transaction->update_ms = former->update_ms;
    transaction->epoch = former->epoch;
    transaction->last_epoch = former->last_epoch;
    transaction->client_version = former->client_version;
    transaction->timeout_ms = former->timeout_ms;
    transaction->state = former->state;
}

static int64_t now_ms(const struct transactions *transactions) {
    return world_wall_ms(transactions->broker->world);
}

/* ---- markers ---- */

int16_t transaction_write_marker(struct broker *broker, const struct topic *topic, int32_t partition,
    int64_t producer_id, int16_t epoch, bool commit, int32_t coordinator_epoch, int64_t *offset) {
    struct partition_log *log = topic_log(topic, partition);
    struct log_producer producer;
    if (!log)
        return KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (log_producer_find(log, producer_id, &producer)) {
        if (producer.epoch > epoch)
            return KAFKA_INVALID_PRODUCER_EPOCH;
        if (producer.coordinator_epoch > coordinator_epoch)
            return KAFKA_TRANSACTION_COORDINATOR_FENCED;
    }
    uint8_t key[4], value[6];
    store_be16(key, 0);
    store_be16(key + 2, commit ? 1 : 0);
    store_be16(value, 0);
    store_be32(value + 2, (uint32_t)coordinator_epoch);
    struct buffer out = {0};
    struct record_builder builder;
    record_builder_begin(&builder, &out, 0, RECORD_BATCH_TRANSACTIONAL | RECORD_BATCH_CONTROL);
    record_builder_add(&builder, 0, world_wall_ms(broker->world), bytes_make(key, sizeof key),
        bytes_make(value, sizeof value), BYTES_NULL, 0);
    record_builder_end(&builder, producer_id, epoch, -1, topic->leader_epochs[partition]);
    struct log_append_options options = {
        .leader_epoch = topic->leader_epochs[partition], .checksum_verified = true, .from_coordinator = true};
    struct log_append_result result = {0};
    struct error error = {0};
    enum log_status status = log_append(log, out.data, out.size, &options, &result, &error);
    buffer_free(&out);
    if (status != LOG_STATUS_OK) {
        service_log_write(broker->service_log, LOG_ERROR, LOGGER,
            "The %s marker of producer %lld in %s-%d was not written: %s", commit ? "commit" : "abort",
            (long long)producer_id, topic->name, partition, error.message);
        return kafka_error_from_status(status);
    }
    *offset = result.last_offset;
    if (strcmp(topic->name, KAFKA_OFFSETS_TOPIC) == 0)
        groups_transaction_ended(broker->groups, partition, producer_id, commit);
    return KAFKA_NONE;
}

/* ---- carrying out a decision ---- */

static void advance(struct transaction *transaction);

static void on_retry(void *argument) {
    advance(argument);
}

static void tell_waiters(struct transaction *transaction) {
    struct transaction_waiter *items = transaction->waiters.items;
    size_t count = transaction->waiters.count;
    transaction->waiters.items = NULL;
    transaction->waiters.count = transaction->waiters.capacity = 0;
    for (size_t i = 0; i < count; i++)
        items[i].done(items[i].argument);
    free(items);
}

/* The disk refused; who waits is told that the decision stands, and we go on trying. */
static void retry_later(struct transaction *transaction) {
    if (!transaction->retry)
        transaction->retry = world_timer_create(transaction->owner->broker->loop, on_retry, transaction);
    world_timer_start(transaction->retry, RETRY_MS, 0);
    transaction->retrying = true;
    tell_waiters(transaction);
}

static void on_committed(struct log_waiter *waiter, bool closed) {
    struct transaction *transaction = waiter->argument;
    if (closed)
        retry_later(transaction);
    else
        advance(transaction);
}

enum progress { PROGRESS_REACHED, PROGRESS_LATER, PROGRESS_FAILED };

/* Whether the log's records up to `offset` are committed; if not yet, advance() will be called. */
static enum progress reach(struct transaction *transaction, struct partition_log *log, int64_t offset) {
    if (log_high_watermark(log) > offset)
        return PROGRESS_REACHED;
    transaction->waiter = (struct log_waiter){.wake = on_committed, .argument = transaction};
    return log_wait(log, offset, &transaction->waiter) == LOG_WAIT_WAITS ? PROGRESS_LATER : PROGRESS_FAILED;
}

/* False when one could not be written; those of partitions that are gone count as written. */
static bool write_markers(struct transaction *transaction) {
    struct transactions *owner = transaction->owner;
    int32_t coordinator_epoch = transaction_coordinator_epoch(owner, transaction);
    bool commit = transaction->state == TRANSACTION_PREPARE_COMMIT, all = true;
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&transaction->partitions, &cursor));) {
        struct transaction_partition *part = entry->value;
        const struct topic *topic = topic_find(owner->broker, bytes_from_text(part->topic));
        if (part->marker_offset >= 0 || !topic || !topic_log(topic, part->partition))
            continue;
        int16_t code = transaction_write_marker(owner->broker, topic, part->partition, transaction->producer_id,
            transaction->epoch, commit, coordinator_epoch, &part->marker_offset);
        if (code == KAFKA_KAFKA_STORAGE_ERROR)
            all = false;
    }
    return all;
}

static enum progress markers_committed(struct transaction *transaction) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&transaction->partitions, &cursor));) {
        struct transaction_partition *part = entry->value;
        const struct topic *topic = topic_find(transaction->owner->broker, bytes_from_text(part->topic));
        struct partition_log *log = topic ? topic_log(topic, part->partition) : NULL;
        enum progress progress =
            log && part->marker_offset >= 0 ? reach(transaction, log, part->marker_offset) : PROGRESS_REACHED;
        if (progress != PROGRESS_REACHED)
            return progress;
    }
    return PROGRESS_REACHED;
}

static bool complete(struct transaction *transaction) {
    struct former former = remember(transaction);
    struct transaction_place place;
    struct map partitions = transaction->partitions;
    transaction->partitions = (struct map){0};
    transaction->state =
        transaction->state == TRANSACTION_PREPARE_COMMIT ? TRANSACTION_COMPLETE_COMMIT : TRANSACTION_COMPLETE_ABORT;
    transaction->previous_producer_id = transaction->producer_id;
    if (transaction->client_version >= 2 && transaction->next_producer_id >= 0) {
        transaction->producer_id = transaction->next_producer_id;
        transaction->epoch = 0;
    }
    transaction->next_producer_id = -1;
    transaction->update_ms = now_ms(transaction->owner);
    bool ok = transaction_store(transaction->owner, transaction, false, &place) == KAFKA_NONE;
    struct map unwanted = transaction->partitions;
    transaction->partitions = partitions;
    map_free(&unwanted);
    if (!ok) {
        take_back(transaction, &former);
        return false;
    }
    transaction_clear_partitions(transaction);
    transaction->completed = true;
    transaction->record_offset = place.offset;
    return true;
}

/* Until the completion is certain no other transaction may begin: after a power loss the markers would be written once
 * more, and would end that one. */
static enum progress next_step(struct transaction *transaction) {
    enum progress progress = PROGRESS_REACHED;
    if (!transaction->decided)
        progress = reach(transaction, transaction->log, transaction->record_offset);
    if (progress != PROGRESS_REACHED)
        return progress;
    transaction->decided = true;
    if (!transaction->completed) {
        progress = write_markers(transaction) ? markers_committed(transaction) : PROGRESS_FAILED;
        if (progress == PROGRESS_REACHED && !complete(transaction))
            progress = PROGRESS_FAILED;
    }
    return progress == PROGRESS_REACHED ? reach(transaction, transaction->log, transaction->record_offset) : progress;
}

static void advance(struct transaction *transaction) {
    /* It may be called while a retry or a waiter of before is still there, and after the end. */
    if (transaction->retry)
        world_timer_stop(transaction->retry);
    log_wait_cancel(&transaction->waiter);
    if (!transaction->ending)
        return;
    enum progress progress = next_step(transaction);
    if (progress == PROGRESS_FAILED)
        retry_later(transaction);
    if (progress != PROGRESS_REACHED)
        return;
    transaction->ending = transaction->retrying = false;
    log_release(transaction->log);
    transaction->log = NULL;
    tell_waiters(transaction);
}

static void start_ending(struct transaction *transaction, struct partition_log *log, int64_t decision_offset) {
    ASSERT(!transaction->ending);
    transaction->ending = true;
    transaction->decided = transaction->completed = false;
    transaction->log = log_retain(log);
    transaction->record_offset = decision_offset;
}

/* Writes the decision and begins to carry it out; the markers come with the first advance(). */
static int16_t decide(struct transaction *transaction, bool commit, bool raise_epoch) {
    struct transactions *owner = transaction->owner;
    struct former former = remember(transaction);
    struct transaction_place place;
    struct error error = {0};
    bool was_ongoing = transaction->state == TRANSACTION_ONGOING;
    transaction->previous_producer_id = transaction->producer_id;
    if (raise_epoch) {
        if (transaction->epoch >= EPOCH_LAST &&
            !broker_next_producer_id(owner->broker, &transaction->next_producer_id, &error))
            return KAFKA_COORDINATOR_NOT_AVAILABLE;
        transaction->last_epoch = transaction->epoch++;
    }
    transaction->update_ms = now_ms(owner);
    if (!was_ongoing)
        transaction->start_ms = transaction->update_ms;
    transaction->state = commit ? TRANSACTION_PREPARE_COMMIT : TRANSACTION_PREPARE_ABORT;
    int16_t code = transaction_store(owner, transaction, false, &place);
    if (code != KAFKA_NONE) {
        take_back(transaction, &former);
        return code;
    }
    if (was_ongoing)
        owner->ongoing_count--;
    start_ending(transaction, place.log, place.offset);
    return KAFKA_NONE;
}

/* Shuts the present producer out and aborts what it has begun. */
static int16_t fence(struct transaction *transaction) {
    int16_t epoch = transaction->epoch;
    if (transaction->epoch < INT16_MAX)
        transaction->epoch++;
    int16_t code = decide(transaction, false, false);
    if (code == KAFKA_NONE)
        advance(transaction);
    else
        transaction->epoch = epoch;
    return code;
}

void transaction_wait(struct transaction *transaction, struct transaction_waiter done) {
    if (transaction->ending)
        VECTOR_PUSH(&transaction->waiters, done);
    else
        done.done(done.argument);
}

/* ---- time ---- */

static void on_timer(void *argument) {
    struct transactions *transactions = argument;
    int64_t now = now_ms(transactions);
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&transactions->by_id, &cursor));) {
        struct transaction *transaction = entry->value;
        if (transaction->state != TRANSACTION_ONGOING || transaction->ending ||
            now - transaction->start_ms <= transaction->timeout_ms)
            continue;
        service_log_write(transactions->broker->service_log, LOG_INFO, LOGGER,
            "[TransactionCoordinator id=%d] The transaction of transactional.id %s, producer %lld epoch %d, is open "
            "for "
            "longer than its timeout of %d ms and is aborted",
            transactions->broker->node_id, transaction->id, (long long)transaction->producer_id, transaction->epoch,
            transaction->timeout_ms);
        fence(transaction);
    }
    if (transactions->ongoing_count == 0) {
        transactions->timer_running = false;
        world_timer_stop(transactions->timer);
    }
}

static void count_ongoing(struct transactions *transactions) {
    transactions->ongoing_count++;
    if (transactions->timer_running)
        return;
    int64_t interval =
        config_integer(&transactions->broker->config, "transaction.abort.timed.out.transaction.cleanup.interval.ms");
    transactions->timer_running = true;
    world_timer_start(transactions->timer, interval, interval);
}

static void on_expiry_timer(void *argument) {
    struct transactions *transactions = argument;
    int64_t before =
        now_ms(transactions) - config_integer(&transactions->broker->config, "transactional.id.expiration.ms");
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&transactions->by_id, &cursor));) {
        struct transaction *transaction = entry->value;
        bool idle = transaction->state == TRANSACTION_EMPTY || transaction->state == TRANSACTION_COMPLETE_COMMIT ||
                    transaction->state == TRANSACTION_COMPLETE_ABORT;
        if (idle && !transaction->ending && transaction->update_ms < before &&
            transaction_store(transactions, transaction, true, NULL) == KAFKA_NONE)
            transaction_free(transaction);
    }
}

struct transactions *transactions_create(struct broker *broker) {
    struct transactions *transactions = calloc(1, sizeof *transactions);
    ASSERT(transactions);
    transactions->broker = broker;
    transactions->timer = world_timer_create(broker->loop, on_timer, transactions);
    transactions->expiry_timer = world_timer_create(broker->loop, on_expiry_timer, transactions);
    int64_t interval = config_integer(&broker->config, "transaction.remove.expired.transaction.cleanup.interval.ms");
    world_timer_start(transactions->expiry_timer, interval, interval);
    return transactions;
}

void transactions_destroy(struct transactions *transactions) {
    if (!transactions)
        return;
    size_t cursor = 0;
    transactions->closing = true;
    for (struct map_entry *entry; (entry = map_next(&transactions->by_id, &cursor));)
        tell_waiters(entry->value);
    cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&transactions->by_id, &cursor));)
        transaction_free(entry->value);
    map_free(&transactions->by_id);
    world_timer_destroy(transactions->timer);
    world_timer_destroy(transactions->expiry_timer);
    free(transactions);
}

/* ---- InitProducerId ---- */

/* A producer that names what it has must be the present one, or repeat the request that made it so. */
static bool is_expected(const struct transaction *transaction, int64_t producer_id, int16_t epoch) {
    if (producer_id < 0 || transaction->epoch < 0)
        return true;
    if (producer_id == transaction->producer_id)
        return epoch == transaction->epoch || epoch == transaction->last_epoch;
    return producer_id == transaction->previous_producer_id && epoch >= EPOCH_LAST;
}

static int16_t next_identity(struct transaction *transaction, int64_t producer_id, int16_t epoch) {
    struct error error = {0};
    bool known = producer_id >= 0 && transaction->epoch >= 0;
    if (known && (producer_id != transaction->producer_id || epoch != transaction->epoch))
        return KAFKA_NONE; /* a repetition: what was given then */
    transaction->previous_producer_id = transaction->producer_id;
    if (transaction->producer_id < 0 || transaction->epoch >= EPOCH_LAST) {
        transaction->last_epoch = known ? transaction->epoch : -1;
        if (!broker_next_producer_id(transaction->owner->broker, &transaction->producer_id, &error))
            return KAFKA_COORDINATOR_NOT_AVAILABLE;
        transaction->epoch = 0;
    } else {
        transaction->last_epoch = known ? transaction->epoch : -1;
        transaction->epoch++;
    }
    return KAFKA_NONE;
}

int16_t transaction_init(struct transactions *transactions, struct bytes id, int32_t timeout_ms, int64_t producer_id,
    int16_t epoch, struct transaction **transaction, struct transaction_place *place) {
    int64_t timeout_max_ms = config_integer(&transactions->broker->config, "transaction.max.timeout.ms");
    *place = (struct transaction_place){0};
    if (transactions->closing)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (id.size == 0 || !bytes_is_utf8(id))
        return KAFKA_INVALID_REQUEST;
    if (timeout_ms <= 0 || timeout_ms > timeout_max_ms)
        return KAFKA_INVALID_TRANSACTION_TIMEOUT;
    struct transaction *found = transaction_find(transactions, id);
    bool is_new = !found;
    if (is_new)
        found = transaction_make(transactions, id);
    *transaction = found;
    if (!is_expected(found, producer_id, epoch))
        return KAFKA_PRODUCER_FENCED;
    int16_t code = KAFKA_NONE;
    if (found->state == TRANSACTION_ONGOING && !found->ending)
        code = fence(found);
    if (code != KAFKA_NONE || found->ending)
        return code != KAFKA_NONE ? code : KAFKA_CONCURRENT_TRANSACTIONS;
    if (!is_expected(found, producer_id, epoch))
        return KAFKA_PRODUCER_FENCED;
    struct former former = remember(found);
    code = next_identity(found, producer_id, epoch);
    if (code == KAFKA_NONE) {
        found->state = TRANSACTION_EMPTY;
        found->timeout_ms = timeout_ms;
        found->start_ms = -1;
        found->update_ms = now_ms(transactions);
        code = transaction_store(transactions, found, false, place);
    }
    if (code != KAFKA_NONE)
        take_back(found, &former);
    if (code != KAFKA_NONE && is_new)
        transaction_free(found);
    return code;
}

/* ---- AddPartitionsToTxn ---- */

int16_t transaction_check(struct transactions *transactions, struct bytes id, int64_t producer_id, int16_t epoch,
    struct transaction **transaction) {
    if (id.size == 0)
        return KAFKA_INVALID_REQUEST;
    *transaction = transaction_find(transactions, id);
    if (!*transaction || (*transaction)->producer_id != producer_id)
        return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    if ((*transaction)->epoch != epoch)
        return KAFKA_PRODUCER_FENCED;
    return (*transaction)->ending ? KAFKA_CONCURRENT_TRANSACTIONS : KAFKA_NONE;
}

int16_t transaction_add(struct transactions *transactions, struct transaction *transaction,
    const struct transaction_part *parts, size_t count, int16_t client_version, struct transaction_place *place) {
    *place = (struct transaction_place){0};
    struct former former = remember(transaction);
    VECTOR(struct transaction_part) added = {0};
    for (size_t i = 0; i < count; i++)
        if (!transaction_has(transaction, parts[i].topic, parts[i].partition)) {
            transaction_add_partition(transaction, parts[i].topic, parts[i].partition);
            VECTOR_PUSH(&added, parts[i]);
        }
    if (added.count == 0 && transaction->state == TRANSACTION_ONGOING)
        return KAFKA_NONE;
    transaction->previous_producer_id = transaction->producer_id;
    transaction->client_version = client_version;
    transaction->update_ms = now_ms(transactions);
    if (former.state != TRANSACTION_ONGOING) {
        transaction->state = TRANSACTION_ONGOING;
        transaction->start_ms = transaction->update_ms;
    }
    int16_t code = transaction_store(transactions, transaction, false, place);
    if (code != KAFKA_NONE) {
        take_back(transaction, &former);
        for (size_t i = 0; i < added.count; i++)
            transaction_drop_partition(transaction, added.items[i].topic, added.items[i].partition);
    } else if (former.state != TRANSACTION_ONGOING) {
        count_ongoing(transactions);
    }
    VECTOR_FREE(&added);
    return code;
}

/* ---- EndTxn ---- */

/* A client of KIP-890 that did not hear the answer to its EndTxn comes again with the epoch of then. */
static bool is_repetition(
    const struct transaction *transaction, int64_t producer_id, int16_t epoch, int16_t client_version) {
    if (client_version < 2 || transaction->client_version < 2)
        return false;
    if (producer_id == transaction->producer_id)
        return epoch + 1 == transaction->epoch;
    return producer_id == transaction->previous_producer_id && epoch == EPOCH_LAST && transaction->epoch == 0;
}

/* KAFKA_NONE with *again: there is nothing left to do. */
static int16_t check_end(
    const struct transaction *transaction, bool commit, bool repetition, int16_t client_version, bool *again) {
    bool done = transaction->state == (commit ? TRANSACTION_COMPLETE_COMMIT : TRANSACTION_COMPLETE_ABORT);
    *again = false;
    switch (transaction->state) {
    case TRANSACTION_ONGOING:
        return repetition ? KAFKA_PRODUCER_FENCED : KAFKA_NONE;
    case TRANSACTION_PREPARE_COMMIT:
    case TRANSACTION_PREPARE_ABORT:
        return commit == (transaction->state == TRANSACTION_PREPARE_COMMIT) ? KAFKA_CONCURRENT_TRANSACTIONS
                                                                            : KAFKA_INVALID_TXN_STATE;
    case TRANSACTION_EMPTY:
    case TRANSACTION_COMPLETE_COMMIT:
    case TRANSACTION_COMPLETE_ABORT:
        *again = done && (repetition || client_version < 2);
        if (*again)
            return KAFKA_NONE;
        /* An abort without a partition raises the epoch all the same: what is late of it must not be taken. */
        return client_version >= 2 && !commit && !repetition ? KAFKA_NONE : KAFKA_INVALID_TXN_STATE;
    default:
        return KAFKA_INVALID_TXN_STATE;
    }
}

int16_t transaction_end(struct transactions *transactions, struct transaction *transaction, int64_t producer_id,
    int16_t epoch, bool commit, int16_t client_version, struct transaction_waiter done, int64_t *new_producer_id,
    int16_t *new_epoch) {
    bool again, repetition = is_repetition(transaction, producer_id, epoch, client_version);
    if (producer_id != transaction->producer_id && !repetition)
        return KAFKA_INVALID_PRODUCER_ID_MAPPING;
    if (epoch != transaction->epoch && !repetition)
        return KAFKA_PRODUCER_FENCED;
    int16_t code = check_end(transaction, commit, repetition, client_version, &again);
    if (code == KAFKA_NONE && !again && transaction->ending)
        return KAFKA_CONCURRENT_TRANSACTIONS; /* the end of the one before is not certain yet */
    if (code == KAFKA_NONE && !again) {
        transaction->client_version = client_version;
        code = decide(transaction, commit, client_version >= 2);
    }
    if (code != KAFKA_NONE)
        return code;
    bool new_identity = transaction->next_producer_id >= 0;
    *new_producer_id = new_identity ? transaction->next_producer_id : transaction->producer_id;
    *new_epoch = new_identity ? 0 : transaction->epoch;
    transaction_wait(transaction, done);
    if (transaction->ending && !again)
        advance(transaction);
    return KAFKA_NONE;
}

/* ---- after a start ---- */

/* Whether a coordinator's record explains the open transaction of a producer in a partition. */
static bool is_claimed(struct transactions *transactions, struct partition_log *log, int64_t producer_id) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&transactions->by_id, &cursor));) {
        const struct transaction *transaction = entry->value;
        if (transaction->producer_id == producer_id &&
            transaction_has(transaction, bytes_from_text(log_topic(log)), log_partition_index(log)))
            return true;
    }
    return false;
}

struct transaction_list {
    struct transaction **items;
    size_t count, capacity;
};

/* When the producer is still that of a transactional.id, its whole transaction must go, and it must be told: it would
 * go on, and commit what is left. */
static bool claim(struct transactions *transactions, struct partition_log *log, const struct log_producer *producer,
    struct transaction_list *fenced) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&transactions->by_id, &cursor));) {
        struct transaction *transaction = entry->value;
        struct transaction_part part = {bytes_from_text(log_topic(log)), log_partition_index(log)};
        struct transaction_place place;
        if (transaction->producer_id != producer->producer_id || transaction->epoch != producer->epoch ||
            transaction->ending ||
            transaction_add(transactions, transaction, &part, 1, transaction->client_version, &place) != KAFKA_NONE)
            continue;
        for (size_t i = 0; i < fenced->count; i++)
            if (fenced->items[i] == transaction)
                return true;
        VECTOR_PUSH(fenced, transaction);
        return true;
    }
    return false;
}

/* A power loss may keep records and lose the coordinator's word that they belong to a transaction. Nobody will ever end
 * that, and readers of committed data would wait behind it for ever. */
static void abort_unclaimed(
    struct transactions *transactions, struct partition_log *log, struct transaction_list *fenced) {
    struct broker *broker = transactions->broker;
    struct log_producer_list list = {0};
    const struct topic *topic = topic_find(broker, bytes_from_text(log_topic(log)));
    log_producers(log, &list);
    for (size_t i = 0; topic && i < list.count; i++) {
        const struct log_producer *producer = &list.items[i];
        int64_t offset;
        if (producer->transaction_start < 0 || is_claimed(transactions, log, producer->producer_id) ||
            claim(transactions, log, producer, fenced))
            continue;
        service_log_write(broker->service_log, LOG_WARN, LOGGER,
            "The transaction of producer %lld that is open in %s since offset %lld belongs to no transactional.id and "
            "is "
            "aborted",
            (long long)producer->producer_id, log_directory_name(log), (long long)producer->transaction_start);
        transaction_write_marker(broker, topic, log_partition_index(log), producer->producer_id, producer->epoch, false,
            producer->coordinator_epoch > 0 ? producer->coordinator_epoch : 0, &offset);
    }
    VECTOR_FREE(&list);
}

void transactions_resume(struct transactions *transactions) {
    const struct topic *topic = topic_find(transactions->broker, BYTES(KAFKA_TRANSACTIONS_TOPIC));
    size_t cursor = 0;
    for (struct map_entry *entry; topic && (entry = map_next(&transactions->by_id, &cursor));) {
        struct transaction *transaction = entry->value;
        if (transaction->state == TRANSACTION_ONGOING)
            count_ongoing(transactions);
        if (transaction->state != TRANSACTION_PREPARE_COMMIT && transaction->state != TRANSACTION_PREPARE_ABORT)
            continue;
        struct partition_log *log =
            topic_log(topic, group_partition(bytes_from_text(transaction->id), topic->partition_count));
        start_ending(transaction, log, log_end_offset(log) - 1);
        advance(transaction);
    }
    cursor = 0;
    struct transaction_list fenced = {0};
    for (struct partition_log *log; (log = log_next(transactions->broker->logs, &cursor));)
        if (log_last_stable_offset(log) < log_high_watermark(log))
            abort_unclaimed(transactions, log, &fenced);
    for (size_t i = 0; i < fenced.count; i++) {
        service_log_write(transactions->broker->service_log, LOG_WARN, LOGGER,
            "The transaction of transactional.id %s lost a part of its coordinator's records and is aborted; its "
            "producer is shut out",
            fenced.items[i]->id);
        fence(fenced.items[i]);
    }
    VECTOR_FREE(&fenced);
}
