/* exec.h: runs analyzed plans. One engine per process: it owns the compute slots' work, the memory budget and the spill
 * folder.
 *
 * A query is compiled once from a plan into pipelines (exec/operator.h) and then started, once or, for a streaming
 * query, once per micro-batch with new input bound to its streaming scans. A run is a set of tasks on the compute pool;
 * no task waits. */
#ifndef EXEC_EXEC_H
#define EXEC_EXEC_H

#include "base/metrics.h"
#include "column/column.h"
#include "exec/settings.h"
#include "exec/source.h"
#include "exec/state.h"
#include "sql/error.h"
#include "sql/plan.h"
#include "world/world.h"

struct exec_engine;
struct exec_query;

struct exec_options {
    struct world *world;
    struct world_pool *pool;     /* the compute pool; its thread count is the number of slots */
    const char *spill_directory; /* made when first needed; emptied at start */
    int64_t memory_size;         /* budget of all queries together */
    struct metrics *metrics;     /* or NULL */
};

struct exec_engine *exec_engine_create(const struct exec_options *options, struct error *error);
/* All queries must have been destroyed. */
void exec_engine_destroy(struct exec_engine *engine);
struct world *exec_engine_world(struct exec_engine *engine);

/* What is in use, for pages. Any thread. */
struct exec_usage {
    int64_t slot_count, slots_used;                     /* used: the most that worked at once within the last second */
    int64_t busy_ns;                                    /* time that slots have worked, all together, since the start */
    int64_t memory_limit, memory_used, memory_used_max; /* bytes accounted by operators and state */
};
void exec_engine_usage(struct exec_engine *engine, struct exec_usage *usage);

/* ---- a query ---- */

/* How results leave. */
enum exec_output {
    EXEC_OUTPUT_ORDERED,    /* one batch at a time, in the plan's order (partition after partition) */
    EXEC_OUTPUT_PARTITIONED /* partitions at the same time from several threads,
        each in its order; ends with on_partition_end */
};
enum exec_demand {
    EXEC_MORE,
    EXEC_FULL,  /* the batch was taken; nothing more until exec_query_resume */
    EXEC_ENOUGH /* the batch was taken; the rest is not wanted: the run ends without an error */
};

struct exec_consumer {
    void *argument;
    /* A batch of result rows; the reference stays the engine's (batch_retain to keep it). Compute thread, must not
     * wait. May be NULL.
     * The types that a batch points to are the query's: to keep one longer than the query, batch_copy it. */
    enum exec_demand (*on_batch)(void *argument, struct batch *batch, size_t partition);
    /* PARTITIONED: no more batches of this partition. Optional. */
    void (*on_partition_end)(void *argument, size_t partition);
    /* Once per run, the last call: error is NULL after success. Compute thread. The query may be started again or
     * destroyed from here. */
    void (*on_done)(void *argument, const struct sql_error *error);
};

/* Compiles the plan. The plan, its arena and the catalog objects it names outlive the query; settings are copied (their
 * texts are not). NULL with *error filled. Any thread. */
struct exec_query *exec_query_create(struct exec_engine *engine, const struct relation *plan,
    const struct exec_settings *settings, struct sql_error *error);
/* A streaming query: its stateful operators keep their state from run to run, in so many partitions, and put out rows
 * by the output mode. */
struct exec_query *exec_query_create_streaming(struct exec_engine *engine, const struct relation *plan,
    const struct exec_settings *settings, enum exec_mode mode, size_t partition_count, struct sql_error *error);
/* Not while it runs (after on_done; inside it is fine). */
void exec_query_destroy(struct exec_query *query);
/* The columns of the result. Lives as long as the query. */
const struct type *exec_query_schema(const struct exec_query *query);
/* The physical plan as text, one operator per line, indented. */
void exec_query_explain(const struct exec_query *query, struct buffer *out);

/* Streaming: the scans that read streams, in plan order; `name` is the plan's scan. Before every start each must be
 * bound to the source that delivers this micro-batch's rows (same schema). The source outlives the run. */
size_t exec_query_stream_count(const struct exec_query *query);
const struct relation *exec_query_stream_plan(const struct exec_query *query, size_t stream);
void exec_query_bind(struct exec_query *query, size_t stream, struct source *source);
/* The state of its stateful operators, in the order of Spark's operator ids, and its watermarks; of the query. Between
 * runs the caller may change both. */
size_t exec_query_state_count(const struct exec_query *query);
struct exec_state *exec_query_state(const struct exec_query *query, size_t index);
/* What the query's watermark was in the batch before and is in the next one: each stateful operator gets its own. A
 * join of streams puts out rows older than its watermark, so what is above it waits longer, as in Spark. */
void exec_query_set_watermarks(struct exec_query *query, int64_t late_ms, int64_t eviction_ms);
size_t exec_query_watermark_count(const struct exec_query *query);
struct exec_watermark *exec_query_watermark(const struct exec_query *query, size_t index);
/* Who reads and writes single partitions of the state when not all of it is in memory; on compute threads, for several
 * partitions at the same time. The tables of all stores of the operator's partition are meant. */
struct exec_state_files {
    void *argument;
    /* Reads what the last batch left into the empty tables. */
    bool (*load)(void *argument, size_t state, size_t partition, struct sql_error *error);
    /* Writes what this batch changed: the tables are freed then. */
    bool (*save)(void *argument, size_t state, size_t partition, struct sql_error *error);
};
/* Without it all state stays in memory. */
void exec_query_set_state_files(struct exec_query *query, const struct exec_state_files *files);
/* Reads a partition of the state through these, before the first run; one that the budget has no room for is given
 * back. Any thread, one per partition. */
bool exec_query_load_state(struct exec_query *query, size_t state, size_t partition, struct sql_error *error);
/* The batch's changes are on the disk: what was changed is as good as what was not. */
void exec_query_note_saved(struct exec_query *query);
/* Tells the memory budget what the state holds now, and gives back what is too much; false with OUT_OF_MEMORY_BUDGET
 * when that cannot be. */
bool exec_query_account_state(struct exec_query *query, struct sql_error *error);
/* Changes what current_timestamp() gives from the next start on. */
void exec_query_set_now(struct exec_query *query, int64_t now_us);

/* Starts a run. Any thread; not while it runs. */
void exec_query_start(struct exec_query *query, enum exec_output output, const struct exec_consumer *consumer);
/* Runs on the calling thread until the end, on_done included: for a few rows, of a query that never waits (nor do its
 * sources and its consumer). */
bool exec_query_never_waits(const struct exec_query *query);
void exec_query_run_here(struct exec_query *query, enum exec_output output, const struct exec_consumer *consumer);
/* After EXEC_FULL. Any thread. */
void exec_query_resume(struct exec_query *query);
/* Ends the run soon with error class OPERATION_CANCELED. Any thread, any time. */
void exec_query_cancel(struct exec_query *query);

/* Runs on the calling thread until the end and gives all result batches (each the caller's reference, in an array to
 * free()). For tests, small commands and the simulated world; sources must not answer BLOCKED. */
bool exec_query_run(struct exec_query *query, struct batch ***batches, size_t *batch_count, struct sql_error *error);

/* Runs a short task on the compute pool. */
void exec_submit(struct exec_engine *engine, world_function *function, void *argument);

/* ---- observe() ---- */

struct exec_observation {
    struct bytes name;
    const struct type *schema; /* STRUCT of the metrics */
    struct batch *row;         /* of the last run: one row; NULL: not run yet, or a metric could not be computed */
};
/* From on_done on, until the next start. */
size_t exec_query_observation_count(const struct exec_query *query);
const struct exec_observation *exec_query_observation(const struct exec_query *query, size_t index);

/* ---- progress: any thread, also while it runs ---- */

struct exec_progress {
    int64_t task_count, tasks_done, tasks_running;
    int64_t input_rows, input_bytes; /* of all scans */
    int64_t output_rows;
    int64_t memory_size, memory_size_max, spilled_size;
    int64_t started_ms, duration_ms; /* wall time; duration so far, or of the last run */
};
struct exec_operator_progress {
    const char *name;
    int depth; /* in the tree that explain prints */
    int64_t input_rows, output_rows, batches, duration_ns, memory_size;
};
void exec_query_progress(const struct exec_query *query, struct exec_progress *progress);
/* Rows that a streaming scan delivered in the last run. */
int64_t exec_query_stream_rows(const struct exec_query *query, size_t stream);
size_t exec_query_operator_count(const struct exec_query *query);
void exec_query_operator_progress(
    const struct exec_query *query, size_t index, struct exec_operator_progress *progress);

#endif
