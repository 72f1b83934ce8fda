/* state.h: what a streaming query remembers from batch to batch.
 *
 * Each stateful operator of a query has one or more stores (an aggregation one, a join of two streams four), each store
 * one table per state partition. A table maps the image of a key row to the image of a value row (exec/row_image.h),
 * which is what Spark writes to disk, so nothing is converted on the way out. It is open addressing over slots of a
 * 32-bit hash and a 32-bit entry number; keys and values lie in blocks, which are packed again when half of them is
 * dead. Many keys are best looked up together: what they will touch is fetched into the cache ahead.
 *
 * A table notes what a batch changed until state_table_end_batch; stream/ writes that as the batch's delta.
 *
 * What does not fit into the memory budget is given back partition by partition (state_memory.c): its tables are freed,
 * for what was in them is in the checkpoint's files, and read again when a batch comes to the partition.
 *
 * Rows belong to the partition that Spark gives them: Murmur 3 of the key columns from seed 42, modulo the number of
 * partitions.
 *
 * Threads: a table has one user at a time. */
#ifndef EXEC_STATE_H
#define EXEC_STATE_H

#include "base/vector.h"
#include "column/column.h"
#include "exec/row_image.h"

enum exec_mode { EXEC_APPEND, EXEC_UPDATE, EXEC_COMPLETE };

struct state_entry {
    uint8_t *data;                       /* key, then value; NULL: a free entry */
    uint32_t key_size, value_size, room; /* room: bytes for the value */
    uint32_t hash, mark;                 /* mark: the operator's own, 0 between batches */
    bool present;                        /* false: removed in this batch */
    bool changed;                        /* is listed in changed */
};

struct state_block;

struct state_table {
    uint64_t *slots; /* hash in the upper half, entry + 1 in the lower; 0: free */
    size_t slot_count;
    struct state_entry *entries;
    size_t entry_count, entry_capacity; /* free ones included */
    size_t live_count;                  /* present entries */
    VECTOR(uint32_t) changed, unused;
    struct state_block *blocks;
    uint32_t value_room; /* what the last value needed: new entries get as much at once */
    bool is_linked;      /* by the operator, see state_table_append */
    int64_t *lows;       /* per STATE_CHUNK entries, see state_table_low */
    size_t low_count;
    size_t block_size, dead_size; /* bytes in blocks; of those without an owner */
};

void state_table_init(struct state_table *table);
void state_table_free(struct state_table *table);
/* Number of the entry with that key, present or removed in this batch; UINT32_MAX when there is none. */
uint32_t state_table_find(const struct state_table *table, struct bytes key);
/* The same; a key that is not there gets an entry that is not present. */
uint32_t state_table_add(struct state_table *table, struct bytes key);
/* state_table_find and state_table_add for all keys. */
void state_table_find_all(const struct state_table *table, const struct row_images *keys, uint32_t *entries);
void state_table_add_all(struct state_table *table, const struct row_images *keys, uint32_t *entries);
/* Sets the value of an entry and notes the change. The value may be one of the table's own. */
void state_table_put(struct state_table *table, uint32_t entry, struct bytes value);
/* Takes the entry away; it stays until the batch ends, so that numbers do not change. */
void state_table_remove(struct state_table *table, uint32_t entry);
/* Puts values, or takes keys away (values[i].data is NULL), without noting that: for what is on the disk already. Not
 * within a batch. */
void state_table_apply(
    struct state_table *table, const struct bytes *keys, const struct bytes *values, size_t count);
/* A table whose operator finds entries by their numbers needs no slots. state_table_unindex drops them and sets
 * is_linked; then entries are only appended (their keys, not there yet, are written by the caller at once), put and
 * removed, until state_table_index makes the slots again. */
void state_table_unindex(struct state_table *table);
uint32_t state_table_append(struct state_table *table, size_t key_size);
void state_table_index(struct state_table *table);
/* Forgets what changed, and the entries that were removed. */
void state_table_end_batch(struct state_table *table);
size_t state_table_memory_size(const struct state_table *table);
/* Frees everything but the number of rows. */
void state_table_give_back(struct state_table *table);

static inline struct bytes state_entry_key(const struct state_entry *entry) {
    return bytes_make(entry->data, entry->key_size);
}
static inline struct bytes state_entry_value(const struct state_entry *entry) {
    return bytes_make(entry->data + entry->key_size, entry->value_size);
}

/* What Spark calls a state store, in all its partitions. */
struct exec_store {
    const char *name;               /* "default", "left-keyToNumValues" … */
    const struct type *key, *value; /* STRUCT of the row images */
    int prefix_columns;             /* numColsPrefixKey */
    struct state_table *tables;     /* per partition */
};

struct state_chains; /* exec/state_chains.h */

/* Where a partition of an operator's state is. */
enum state_place {
    STATE_RESIDENT, /* in memory, and the same in the files of the last batch */
    STATE_AWAY,     /* only there */
    STATE_USED,     /* a worker has it */
    STATE_CHANGED,  /* in memory, with this batch's changes */
    STATE_SAVED,    /* only in the files, this batch's changes too */
};
struct state_part {
    enum state_place place;
    int64_t memory_counted;      /* bytes told to the budget */
    struct state_chains *chains; /* beside the table of its first store; or NULL */
};
/* Operators that take entries out by their time look only at chunks that may hold old ones: a chunk's low is no later
 * than the time of any entry in it. Unknown, so that it is looked at, until state_table_set_low; new entries lower it.
 */
enum { STATE_CHUNK = 1024 };
int64_t state_table_low(const struct state_table *table, size_t chunk);
void state_table_set_low(struct state_table *table, size_t chunk, int64_t low);
static inline void state_table_note_time(struct state_table *table, uint32_t entry, int64_t time) {
    size_t chunk = entry / STATE_CHUNK;
    if (chunk < table->low_count && time < table->lows[chunk]) {
        table->lows[chunk] = time;
    }
}

enum { EXEC_STORES_MAX = 4 };
#define EXEC_NO_STATE SIZE_MAX

/* The state of one operator. exec_query_set_watermarks sets the watermarks before a run; counts are read after it. */
struct exec_state {
    const char *operator_name; /* "stateStoreSave" */
    size_t above;              /* the stateful operator that its rows go to, EXEC_NO_STATE: none */
    bool watermark_below;      /* rows come to it that no other stateful operator has held back */
    bool watermark_hidden;     /* its rows come from an operator that passes on no watermark */
    int64_t output_offset_ms;  /* by what its rows may be older than its watermark: 0 or less */
    struct exec_store stores[EXEC_STORES_MAX];
    size_t store_count, partition_count;
    struct state_part *parts; /* per partition */
    bool spills;              /* its operator enters and leaves its partitions: they may be given back */
    int64_t loads;            /* partitions that were read back since the start; atomic */
    size_t used_partitions;       /* 1 for an aggregation without keys, else partition_count */
    bool counts[EXEC_STORES_MAX]; /* stores whose rows are the rows of the state */
    bool hides_instances;         /* Spark's progress says 0 instances of its stores */
    bool in_use;                  /* false for an operator of which nothing is kept */
    int64_t late_watermark_ms, eviction_watermark_ms;
    bool has_event_time;        /* rows leave by the watermark */
    size_t time_key, key_count; /* of an aggregation with event time: which of its keys is the time */
    bool time_is_window;        /* that key is a window: {start, end} */
    bool runs_without_data;     /* a watermark that moved is reason enough for a batch */
    bool times_out;             /* so is the time of day, once it has passed: */
    int64_t next_timeout_ms;    /* the first of its timeouts; INT64_MAX: none, 0: not known */
    int64_t rows_updated, rows_removed, rows_dropped, updates_ns, removals_ns; /* of the last run; atomics */
    int64_t rows_duplicate;                                                    /* of a deduplication */
    int64_t memory_counted; /* bytes told to the budget; atomic */
};
int64_t exec_state_row_count(const struct exec_state *state);
int64_t exec_state_memory_size(const struct exec_state *state);
/* What was kept beside the tables of a partition, which were changed not by their operator. */
void exec_state_forget_chains(struct exec_state *state, size_t partition);
/* Of the windows that the watermark has not passed the one that ends first, in microseconds; false when there is none,
 * more than rows_max rows would have to be looked at, or not all of them are in memory. Not while the query runs. */
bool exec_state_next_window(
    const struct exec_state *state, int64_t watermark_ms, size_t rows_max, int64_t *start, int64_t *end);

/* withWatermark: what it saw in the last run. */
struct exec_watermark {
    int64_t delay_ms;
    int64_t count, minimum_ms, maximum_ms; /* atomics */
    double sum_ms;                         /* under lock */
};

/* Murmur 3 from seed 42 of the rows of columns, as Spark's hash(). */
void state_hash_rows(struct column *const *columns, size_t column_count, size_t row_count, int32_t *hashes);
static inline size_t state_partition(int32_t hash, size_t partition_count) {
    int32_t rest = hash % (int32_t)partition_count;
    return (size_t)(rest < 0 ? rest + (int32_t)partition_count : rest);
}

#endif
