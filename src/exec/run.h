/* run.h: one run of a query, internal to exec/. */
#ifndef EXEC_RUN_H
#define EXEC_RUN_H

#include "exec/query.h"

enum worker_phase { WORKER_NEXT_PARTITION, WORKER_READ, WORKER_DRAIN };

struct worker {
    struct exec_run *run;
    int index;
    enum worker_phase phase;
    size_t draining; /* transform whose drain is called */
    struct op_run source, sink, *transforms;
    bool *more;         /* transform i has output without new input */
    struct arena arena; /* of its error */
    struct sql_error error;
    int state; /* atomic, enum worker_state */
};

enum run_state { RUN_IDLE, RUN_RUNNING, RUN_FINISHING };

struct exec_run {
    struct exec_query *query;
    struct exec_engine *engine;
    enum exec_output output;
    struct exec_consumer consumer;
    struct arena arena; /* shared states, workers, the error */
    void **shared;      /* per operator */
    struct op_counters *counters;
    struct world_mutex lock;
    struct sql_error error;                 /* under lock */
    int failed, cancelled, enough;          /* atomic */
    int holds;                              /* atomic: the pipelines, and tasks beside them */
    size_t pipeline;                        /* the one that runs */
    size_t partition_count, partition_next; /* atomic: the next one nobody took */
    size_t *partition_bases;                /* per operator: partitions of earlier pipelines that fed it */
    struct worker *workers;
    int worker_count, workers_left; /* atomic */
    int64_t memory, memory_max, spilled, input_rows, input_bytes, output_rows, partitions_done, partitions_total;
    int64_t started_ms, started_ns, ended_ns;
    /* Runs on the calling thread: tasks wait here instead of in the pool. */
    bool inline_run, done;
    VECTOR(struct inline_task {
        world_function *function;
        void *argument;
    })
    tasks;
};

void run_start(struct exec_run *run);
void run_wake_workers(struct exec_run *run);
void run_fail(struct exec_run *run, const struct sql_error *error);

#endif
