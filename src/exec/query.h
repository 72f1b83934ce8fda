/* query.h: compiled queries and their runs, internal to exec/. */
#ifndef EXEC_QUERY_H
#define EXEC_QUERY_H

#include "exec/operator.h"
#include "exec/state.h"

enum { PIPELINE_TRANSFORMS_MAX = 256 };

struct pipeline {
    struct operator* source;
    struct operator** transforms;
    size_t transform_count;
    struct operator* sink;
    bool last_of_sink; /* the sink is complete after this pipeline */
};

/* what stands above a relation while pipelines are built: transforms from the lowest to the highest, then the sink */
struct chain {
    struct operator* transforms[PIPELINE_TRANSFORMS_MAX];
    size_t count;
    struct operator* sink;
};

struct exec_engine {
    struct world *world;
    struct world_pool *pool;
    char *spill_directory;
    int64_t memory_limit, memory_used, memory_used_max; /* atomic */
    /* Atomic: slots that work now, and the most that did at once in the second `slot_second` and in the one before. */
    int64_t slots_busy, slot_second, slots_peak, slots_peak_before, busy_ns;
    struct metrics *metrics;
    struct registered_source {
        const struct source_class *class;
        void *context;
    } sources[64];
    size_t source_count;
};

struct exec_query {
    struct exec_engine *engine;
    struct arena arena;
    struct exec_settings settings;
    const struct relation *plan;
    const struct type *schema;
    struct operator** operators;
    size_t operator_count, operator_capacity;
    struct pipeline *pipelines;
    size_t pipeline_count, pipeline_capacity;
    const struct relation **streams;
    struct source **bound;
    int64_t *stream_rows; /* atomic */
    size_t stream_count, stream_capacity;
    bool streaming; /* its state and output follow `mode`, its state partitions are state_partitions */
    enum exec_mode mode;
    size_t state_partitions;
    VECTOR(struct exec_state *) states;
    struct world_mutex state_lock; /* over where the partitions of the states are */
    struct exec_state_files state_files;
    size_t state_above; /* while it is built: the stateful operator whose input is built */
    VECTOR(struct exec_watermark *) watermarks;
    VECTOR(struct exec_observation *) observations;
    struct exec_run *run; /* the current or last one */
    int64_t memory_max;   /* of the runs before */
};

/* Around the work of a slot, for exec_engine_usage. */
int64_t exec_slot_enter(struct exec_engine *engine);
void exec_slot_leave(struct exec_engine *engine, int64_t entered_ns);
/* Compiles query->plan into query->pipelines. */
bool query_build(struct exec_query *query, struct sql_error *error);
/* The number of a streaming scan, added when new. */
size_t query_add_stream(struct exec_query *query, const struct relation *scan);

/* State of a stateful operator, in the order of Spark's operator ids; its stores; what a withWatermark sees. */
struct exec_state *query_add_state(struct exec_query *query, const char *operator_name);
void query_add_store(struct exec_query *query, struct exec_state *state, const char *name, const struct type *key,
    const struct type *value, int prefix_columns);
struct exec_watermark *query_add_watermark(struct exec_query *query, int64_t delay_ms);

/* ---- memory of states (state_memory.c) ---- */

/* The partitions of the operator as a source are those of the state. */
void operator_keeps_state(struct operator* operator, struct exec_state * state);
/* Before and after a worker works on run->source_partition of a state. */
bool state_memory_enter(struct op_run *run, struct exec_state *state);
bool state_memory_leave(struct op_run *run, struct exec_state *state);
/* Gives partitions back that no worker has, until no more than `size` bytes are used. */
void state_memory_shrink(struct exec_query *query, int64_t size);
/* Whether a worker that enters or leaves a partition may have to read or write files. */
bool state_memory_is_short(const struct exec_query *query);

#endif
