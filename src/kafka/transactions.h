/* transactions.h: the transaction coordinator: what each transactional.id is doing, stored in __transaction_state and
 * nowhere else (transactions_store.c), its states (transactions.c), and the markers that end a transaction in every
 * partition that took part. Broker's loop. */
#ifndef KAFKA_TRANSACTIONS_H
#define KAFKA_TRANSACTIONS_H

#include "kafka/internal.h"

/* Numbers as stored. */
enum transaction_state {
    TRANSACTION_EMPTY,
    TRANSACTION_ONGOING,
    TRANSACTION_PREPARE_COMMIT, /* decided; markers are on their way */
    TRANSACTION_PREPARE_ABORT,
    TRANSACTION_COMPLETE_COMMIT,
    TRANSACTION_COMPLETE_ABORT,
    TRANSACTION_DEAD,
    TRANSACTION_PREPARE_EPOCH_FENCE,
    TRANSACTION_STATE_COUNT
};
const char *transaction_state_name(enum transaction_state state);

struct transaction_partition {
    char *topic;
    int32_t partition;
    int64_t marker_offset; /* -1 not written; else committed when the high watermark is above */
};
/* Called once on the broker's loop when the transaction has ended, or the disk refused (the decision stands). */
struct transaction_waiter {
    void (*done)(void *argument);
    void *argument;
};
struct transaction {
    char *id;
    int64_t producer_id, previous_producer_id, next_producer_id; /* -1 none */
    int16_t epoch, last_epoch;                                   /* -1 none */
    int16_t client_version; /* 2: the client knows KIP-890, so its epoch rises with each end */
    int32_t timeout_ms;
    enum transaction_state state;
    struct map partitions; /* topic, NUL, partition -> struct transaction_partition */
    int64_t start_ms, update_ms;
    /* While a decision is carried out: */
    bool ending;
    bool decided;              /* the decision is durable, markers may be written */
    bool completed;            /* they are written, and the record that says so is on its way */
    struct partition_log *log; /* of __transaction_state, counted */
    int64_t record_offset;     /* in it: of the decision, then of its completion */
    struct log_waiter waiter;
    struct world_timer *retry; /* after a failed write */
    bool retrying;
    VECTOR(struct transaction_waiter) waiters;
    struct transactions *owner;
};
struct transactions {
    struct broker *broker;
    struct map by_id;
    struct world_timer *timer, *expiry_timer;
    size_t ongoing_count;
    bool timer_running;
    bool closing; /* the broker stops: nothing new begins */
};

/* Where a record of the coordinator went, for waiting until it is committed; log NULL: nothing was written. */
struct transaction_place {
    struct partition_log *log;
    int64_t offset;
};

/* ---- transactions.c: states ---- */

struct transactions *transactions_create(struct broker *broker);
void transactions_destroy(struct transactions *transactions);
/* Carries out decisions that were found in the log, and aborts what no coordinator knows of. After groups_load. */
void transactions_resume(struct transactions *transactions);
struct transaction *transaction_find(struct transactions *transactions, struct bytes id);
/* An identity for the producer: a new one, or the present with the next epoch. -1 and -1 for a producer that has none
 * yet. KAFKA_CONCURRENT_TRANSACTIONS while a former transaction ends. */
int16_t transaction_init(struct transactions *transactions, struct bytes id, int32_t timeout_ms, int64_t producer_id,
    int16_t epoch, struct transaction **transaction, struct transaction_place *place);
/* Who asks: KAFKA_NONE when it is the present producer. */
int16_t transaction_check(struct transactions *transactions, struct bytes id, int64_t producer_id, int16_t epoch,
    struct transaction **transaction);
struct transaction_part { /* a partition by name */
    struct bytes topic;
    int32_t partition;
};
bool transaction_has(const struct transaction *transaction, struct bytes topic, int32_t partition);
/* Partitions join; a transaction begins with the first. client_version 2 when the client left it to the broker. */
int16_t transaction_add(struct transactions *transactions, struct transaction *transaction,
    const struct transaction_part *parts, size_t count, int16_t client_version, struct transaction_place *place);
/* Decides. With KAFKA_NONE and `done`, that is called when markers are written (maybe before this returns); without
 * KAFKA_NONE never. *producer_id and *epoch are the producer's from now on. */
int16_t transaction_end(struct transactions *transactions, struct transaction *transaction, int64_t producer_id,
    int16_t epoch, bool commit, int16_t client_version, struct transaction_waiter done, int64_t *new_producer_id,
    int16_t *new_epoch);
/* Calls done when no decision is being carried out, maybe at once. */
void transaction_wait(struct transaction *transaction, struct transaction_waiter done);
/* One marker in one partition. *offset: of the marker. */
int16_t transaction_write_marker(struct broker *broker, const struct topic *topic, int32_t partition,
    int64_t producer_id, int16_t epoch, bool commit, int32_t coordinator_epoch, int64_t *offset);

/* ---- transactions_store.c: records ---- */

/* __transaction_state, made on first use. */
struct topic *transactions_topic(struct broker *broker, struct error *error);
bool transactions_load(struct transactions *transactions, struct error *error);
struct transaction *transaction_make(struct transactions *transactions, struct bytes id);
void transaction_free(struct transaction *transaction);
struct transaction_partition *transaction_add_partition(
    struct transaction *transaction, struct bytes topic, int32_t partition);
void transaction_drop_partition(struct transaction *transaction, struct bytes topic, int32_t partition);
void transaction_clear_partitions(struct transaction *transaction);
/* By topic and number; memory from the arena. */
struct transaction_partition **transaction_sorted(
    const struct transaction *transaction, struct arena *arena, size_t *count);
/* Appends the transaction as it is, or its tombstone. `place` may be NULL. */
int16_t transaction_store(struct transactions *transactions, struct transaction *transaction, bool tombstone,
    struct transaction_place *place);
/* The leader epoch of its partition of __transaction_state, which markers carry. */
int32_t transaction_coordinator_epoch(struct transactions *transactions, const struct transaction *transaction);

#endif
