/* operator.h: physical operators, internal to exec/ (and to stream/, whose stateful operators are of the same kind).
 *
 * A plan becomes pipelines. A pipeline reads partitions from a source, pushes each batch through its transforms and
 * ends in a sink. A sink gathers (a hash table, sorted runs) and, once all pipelines that feed it have ended, is the
 * source of a later pipeline: push within a pipeline, pull between pipelines. Pipelines run one after the other, each
 * by several workers that take partition after partition.
 *
 * State is split: the operator itself is constant after compilation; `shared` is per run, changed under its lock;
 * `local` is per worker. A step never waits: an operator that cannot go on answers OP_BLOCKED and has kept the waker
 * that will start its worker again. */
#ifndef EXEC_OPERATOR_H
#define EXEC_OPERATOR_H

#include "exec/exec.h"
#include "exec/program.h"

enum op_result {
    OP_NEED_INPUT,  /* done with this input (source: the partition has ended) */
    OP_HAVE_OUTPUT, /* *out is set, and there may be more: call again without input */
    OP_FINISHED,    /* *out may be set; this partition needs no more input */
    OP_BLOCKED,     /* nothing now; the waker will be called (the input was taken: a transform is called without) */
    OP_FAILED,      /* the run's error is filled */
};

struct exec_run;
struct exec_state;
struct operator;

/* One operator in the hands of one worker. */
struct op_run {
    const struct operator* operator;
    struct exec_run *exec;
    void *shared, *local;
    struct sql_error *error; /* the worker's */
    struct exec_waker waker; /* starts the worker again */
    int worker;
    size_t partition;        /* of the pipeline, counted through all pipelines that feed the same sink */
    size_t source_partition; /* of the pipeline's source */
    int64_t first_row;       /* rows of this partition that went into this operator before */
};

/* One constant per operator, all listed in operators.def. Functions may be NULL where said. Order in each op_NAME.c:
 * state, create, begin, step, drain, combine, finish, read, explain, destroy. */
struct operator_class {
    const char *name;               /* as EXPLAIN calls it */
    size_t shared_size, local_size; /* zeroed when a run begins */
    /* Run: before anything else; after the end. Optional. */
    bool (*begin)(const struct operator* operator, struct exec_run * exec, void *shared, struct sql_error *error);
    void (*end)(const struct operator* operator, void * shared);
    /* Worker: the local state's life. Optional. */
    void (*local_begin)(struct op_run *run);
    void (*local_end)(struct op_run *run);
    /* Transforms and sinks: takes `in` (NULL: after OP_HAVE_OUTPUT; the reference stays the caller's); *out is the
     * caller's reference. */
    enum op_result (*step)(struct op_run *run, struct batch *in, struct batch **out);
    /* Transforms: the partition's (or epoch's) end: what is held back comes out; called again after OP_HAVE_OUTPUT, and
     * when woken after OP_BLOCKED. Optional. */
    enum op_result (*drain)(struct op_run *run, struct batch **out);
    /* Sinks: the worker's local state joins the shared one (under no lock: the operator has its own); then, by one
     * worker alone, the sink is complete. finish may answer OP_BLOCKED: then exec_run_continue is called when it is
     * done. Optional. */
    bool (*combine)(struct op_run *run);
    enum op_result (*finish)(
        const struct operator* operator, struct exec_run * exec, void *shared, struct sql_error *error);
    /* Sources: how many partitions; the next batch of run->source_partition (`begin_partition` first). */
    size_t (*partition_count)(const struct operator* operator, void * shared);
    bool (*begin_partition)(struct op_run *run);
    enum op_result (*read)(struct op_run *run, struct batch **out);
    void (*end_partition)(struct op_run *run);
    bool waits; /* for something outside of the engine */
    /* Appends the arguments of the operator's line in EXPLAIN. Optional. */
    void (*explain)(const struct operator* operator, struct buffer * out);
};

struct op_counters { /* atomics; zeroed when a run begins */
    int64_t input_rows, output_rows, batches, duration_ns, memory_size;
};

/* Operators embed this as their first member. They live in the query's arena. */
struct operator{
    const struct operator_class *class;
    const struct relation *relation;
    const struct type *schema; /* STRUCT of the output columns */
    const struct exec_settings *settings;
    size_t index;       /* in the query: of its shared state and counters */
    int depth;          /* in EXPLAIN's tree */
    bool single_worker; /* sinks that want all rows in order */
    /* Of a source whose partitions are those of its state: they are in memory from begin_partition to end_partition.
     * NULL: none. */
    struct exec_state *state;
};

/* ---- memory ---- */

/* Adds to (or takes from) what the run holds. false, with OUT_OF_MEMORY_BUDGET when `error` is not NULL, when the
 * budget is passed: the amount is then counted all the same, and the operator spills or fails. */
bool exec_memory_add(struct op_run *run, int64_t size, struct sql_error *error);

/* ---- the run, for operators ---- */

struct world *exec_run_world(struct exec_run *exec);
struct exec_engine *exec_run_engine(struct exec_run *exec);
/* Memory that lives as long as the run; from begin, finish and end only. */
struct arena *exec_run_arena(struct exec_run *exec);
bool exec_run_is_cancelled(const struct exec_run *exec);
/* The shared state of another operator of the query: what a join's build side made. */
void *exec_run_shared(struct exec_run *exec, const struct operator* operator);
/* A sink whose finish was blocked is done. Any thread. */
void exec_run_continue(struct exec_run *exec);
/* While it is held the run does not end: for tasks that no worker knows of. The last release ends it. */
void exec_run_hold(struct exec_run *exec);
void exec_run_release(struct exec_run *exec);
/* Runs a short task of this run on the pool. */
void exec_run_submit(struct exec_run *exec, world_function *function, void *argument);
const struct exec_consumer *exec_run_consumer(const struct exec_run *exec);
enum exec_output exec_run_output(const struct exec_run *exec);
/* The source bound to a streaming scan. */
struct source *exec_run_stream(const struct exec_run *exec, size_t stream);
void exec_run_count_input(struct exec_run *exec, size_t stream, int64_t rows, int64_t bytes);

/* Runs a program over a batch, into a new batch with `schema`; NULL on error. */
struct batch *op_run_program(
    struct op_run *run, const struct program *program, const struct type *schema, struct batch *in);
/* Runs a program whose results stay in `arena`. */
bool op_run_columns(
    struct op_run *run, const struct program *program, struct batch *in, struct arena *arena, struct column **outputs);

/* Slots of the compute pool: how many partitions are worked on at once. */
size_t exec_slot_count(const struct exec_engine *engine);

/* ---- making operators: NULL with *error filled ---- */

struct compile {
    struct arena *arena;
    struct exec_query *query;
    struct exec_engine *engine;
    const struct exec_settings *settings;
    struct sql_error *error;
};
struct operator* operator_init(struct compile *compile, struct operator* operator, const struct operator_class * class,
    const struct relation *relation);
/* The output columns of a relation as a STRUCT. */
const struct type *relation_output_type(struct arena *arena, const struct relation *relation);

struct operator* op_scan_create(struct compile *compile, const struct relation *relation);
struct operator* op_local_create(struct compile *compile, const struct relation *relation);
struct operator* op_range_create(struct compile *compile, const struct relation *relation);
struct operator* op_project_create(struct compile *compile, const struct relation *relation);
struct operator* op_filter_create(struct compile *compile, const struct relation *relation);
struct operator* op_aggregate_create(struct compile *compile, const struct relation *relation);
/* The same over a stream, with state, over *input (window_panes.h may have changed it); and withWatermark. */
struct operator*
    op_state_aggregate_create(struct compile *compile, const struct relation *relation, const struct relation **input);
/* A join of two streams: the operator that joins, and what gathers each side for it. */
struct operator* op_state_join_create(struct compile *compile, const struct relation *relation);
struct operator* op_state_join_input_create(
    struct compile *compile, const struct relation *relation, struct operator* join, bool left);
/* The same by session_window(); and what stands below a batch's aggregation by it. */
struct operator* op_state_session_create(struct compile *compile, const struct relation *relation);
struct operator* op_session_create(struct compile *compile, const struct relation *relation);
struct operator* op_state_limit_create(struct compile *compile, const struct relation *relation);
struct operator* op_state_python_create(struct compile *compile, const struct relation *relation);
struct operator* op_state_deduplicate_create(struct compile *compile, const struct relation *relation);
struct operator* op_watermark_create(struct compile *compile, const struct relation *relation);
/* limit, offset: rows kept after sorting; limit -1: all. */
struct operator*
    op_sort_create(struct compile *compile, const struct relation *relation, int64_t limit, int64_t offset);
struct operator* op_limit_create(struct compile *compile, const struct relation *relation);
struct operator* op_join_build_create(struct compile *compile, const struct relation *relation);
/* The side that is pushed through; and, for outer joins, what reads the build rows without a match. */
struct operator* op_join_probe_create(struct compile *compile, const struct relation *relation, struct operator* build);
struct operator*
    op_join_unmatched_create(struct compile *compile, const struct relation *relation, struct operator* build);
bool op_join_needs_unmatched(const struct operator* build);
struct operator* op_expand_create(struct compile *compile, const struct relation *relation);
struct operator* op_generate_create(struct compile *compile, const struct relation *relation);
struct operator* op_python_create(struct compile *compile, const struct relation *relation);
struct operator* op_python_map_create(struct compile *compile, const struct relation *relation);
struct operator* op_observe_create(struct compile *compile, const struct relation *relation);
struct operator* op_sample_create(struct compile *compile, const struct relation *relation);
struct operator* op_exchange_create(struct compile *compile, const struct relation *relation);
struct operator* op_window_create(struct compile *compile, const struct relation *relation);
struct operator* op_result_create(struct compile *compile, const struct relation *relation);
/* exec_query_resume for the result operator's shared state. */
void op_result_resume(struct exec_run *exec, void *shared);

#endif
