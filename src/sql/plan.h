/* plan.h: the nodes of a query. One tree form serves SQL text, Spark Connect messages, the analyzer, the optimizer and
 * the engine; the table of nodes is schema/plan.def, from which plan_nodes.h is made.
 *
 * Nodes live in the query's arena and are never freed one by one. A plan is read-only once it was handed on: rewriting
 * makes copies (node_map). NAME_new(arena) gives a zeroed node of its type with its tag set; NAME_of(node) is the
 * checked way from the family to the type: struct relation_filter *filter = relation_filter_new(arena); filter->input =
 * input; filter->condition = condition; return &filter->base;
 *
 * What the engine receives (sql_optimize): relations scan, local, range, project, filter, join, sort, limit, tail,
 * aggregate, union, expand, generate, windows, sample, repartition; expressions literal, column (ordinal set), call,
 * aggregate_call, cast, field, alias (pass through to its child), sort_order, lambda, lambda_variable, window. Every
 * expression has its type and nullability, every relation its output. */
#ifndef SQL_PLAN_H
#define SQL_PLAN_H

#include "base/arena.h"
#include "base/assert.h"
#include "column/column.h"
#include "column/type.h"

struct function; /* sql/function.h */

/* Where a node came from, for the query context of errors. */
struct origin_text {
    struct bytes text;      /* the whole SQL text, or the fragment of a DataFrame call */
    struct bytes call_site; /* DataFrame: file:line; null for SQL */
};
struct origin {
    const struct origin_text *text; /* NULL: unknown */
    int32_t start, stop;            /* first and last byte in text, both inclusive */
};

struct node {
    uint16_t tag; /* enum node_tag */
    struct origin origin;
};

/* type is NULL until analyzed. */
struct expression {
    struct node node;
    const struct type *type;
    bool nullable;
};

/* A column of a relation's output, known by its id within one analyzed plan. */
struct attribute {
    uint32_t id;
    struct bytes name;
    const struct type *type;
    bool nullable;
    bool hidden;           /* found by qualified name only: the other side's column of a USING join */
    struct bytes metadata; /* JSON object text or null */
    const struct bytes *qualifier;
    size_t qualifier_count;
};

struct relation {
    struct node node;
    bool analyzed;
    bool has_plan_id;
    int64_t plan_id;                /* Spark Connect's, when has_plan_id */
    const struct attribute *output; /* once analyzed */
    size_t output_count;
};

struct command {
    struct node node;
};

struct expression_list {
    const struct expression **items;
    size_t count;
};
struct relation_list {
    const struct relation **items;
    size_t count;
};
struct bytes_list {
    const struct bytes *items;
    size_t count;
};
struct option {
    struct bytes name, value;
};
struct option_list {
    const struct option *items;
    size_t count;
};
/* The arena that holds the node also holds a reference to each batch (plan_batches). */
struct batch_list {
    struct batch **items;
    size_t count;
};

enum cast_mode { CAST_ANSI, CAST_TRY, CAST_LEGACY, CAST_UNSET /* before analysis: by spark.sql.ansi.enabled */ };
enum frame_type { FRAME_NONE, FRAME_ROWS, FRAME_RANGE };
enum subquery_kind { SUBQUERY_SCALAR, SUBQUERY_EXISTS, SUBQUERY_IN, SUBQUERY_TABLE };
/* LEFT_SINGLE: left outer join that fails with SCALAR_SUBQUERY_TOO_MANY_ROWS when a left row has two matches (scalar
 * subqueries). EXISTENCE: the left columns and a non-null BOOLEAN that says whether there was a match. */
enum join_type {
    JOIN_INNER,
    JOIN_LEFT,
    JOIN_RIGHT,
    JOIN_FULL,
    JOIN_CROSS,
    JOIN_LEFT_SEMI,
    JOIN_LEFT_ANTI,
    JOIN_LEFT_SINGLE,
    JOIN_EXISTENCE,
};
enum set_kind { SET_UNION, SET_INTERSECT, SET_EXCEPT };
enum group_type { GROUP_BY, GROUP_ROLLUP, GROUP_CUBE, GROUP_SETS, GROUP_PIVOT };
enum group_timeout { TIMEOUT_NONE, TIMEOUT_PROCESSING_TIME, TIMEOUT_EVENT_TIME };
enum show_kind { SHOW_TABLES, SHOW_VIEWS, SHOW_DATABASES, SHOW_COLUMNS, SHOW_FUNCTIONS, SHOW_CATALOGS };
enum explain_mode { EXPLAIN_SIMPLE, EXPLAIN_EXTENDED, EXPLAIN_FORMATTED, EXPLAIN_CODEGEN, EXPLAIN_COST };

struct node *node_new(struct arena *arena, unsigned tag);

#include "sql/plan_nodes.h"

enum node_family { NODE_EXPRESSION, NODE_RELATION, NODE_COMMAND };
enum node_family node_family(const struct node *node);
/* The name of the node in the table: "project". */
const char *node_name(const struct node *node);

/* Answers of a visitor: go into the children; do not; stop the whole walk. */
enum walk { WALK_CONTINUE, WALK_PRUNE, WALK_ABORT };
/* Calls enter for node and its descendants (expressions and relations) in field order; leave (may be NULL) after the
 * children of a node for which enter said CONTINUE. Returns false when the walk was aborted. Depth is bounded by what
 * the makers of nodes allow (PLAN_DEPTH_MAX). */
bool node_walk(const struct node *node, enum walk (*enter)(const struct node *node, void *context),
    void (*leave)(const struct node *node, void *context), void *context);
/* Node with each direct child replaced by what map gives for it; the same node when nothing changed; NULL as soon as
 * map gives NULL. Type, output and origin are kept. */
const struct node *node_map(struct arena *arena, const struct node *node,
    const struct node *(*map)(struct arena *arena, const struct node *child, void *context), void *context);
/* A shallow copy that may be changed until it is handed on. */
struct node *node_clone(struct arena *arena, const struct node *node);
/* A deep copy that shares nothing with the old arena except functions and `pointer` fields. */
const struct node *node_copy(struct arena *arena, const struct node *node);
/* Same nodes with the same fields; origins, plan ids and pointers do not count. */
bool node_equal(const struct node *left, const struct node *right);
/* The tree as text, one node per line, two spaces per level: for tests and debugging. EXPLAIN is sql/explain.h. */
void node_print(const struct node *node, struct buffer *out);

enum { PLAN_DEPTH_MAX = 1000 };

/* Lists, copied into the arena. */
struct expression_list expressions_make(struct arena *arena, const struct expression *const *items, size_t count);
struct expression_list expressions_of(struct arena *arena, size_t count, ...);
struct relation_list relations_make(struct arena *arena, const struct relation *const *items, size_t count);
struct bytes_list names_make(struct arena *arena, const struct bytes *items, size_t count);
struct bytes_list names_of(struct arena *arena, size_t count, ...); /* const char * */
struct option_list options_make(struct arena *arena, const struct option *items, size_t count);
/* Retains each batch and releases it with the arena. */
struct batch_list plan_batches(struct arena *arena, struct batch *const *items, size_t count);
/* Value of an option by name without regard to case, BYTES_NULL when absent. */
struct bytes option_get(struct option_list options, const char *name);

/* Literals; types as named. value of literal_null may be any type. */
const struct expression *literal_null(struct arena *arena, const struct type *type);
const struct expression *literal_boolean(struct arena *arena, bool value);
const struct expression *literal_int(struct arena *arena, int32_t value);
const struct expression *literal_long(struct arena *arena, int64_t value);
const struct expression *literal_double(struct arena *arena, double value);
const struct expression *literal_string(struct arena *arena, struct bytes value); /* bytes are copied */
const struct expression *literal_column(struct arena *arena, const struct column *value);
/* A fixed-size value of `type` (type_value_size bytes). */
const struct expression *literal_value(struct arena *arena, const struct type *type, const void *value);
bool expression_is_literal(const struct expression *expression);
bool expression_is_null_literal(const struct expression *expression);
/* A function by name, unresolved. */
const struct expression *function_call(struct arena *arena, const char *name, size_t count, ...);
/* The expression below aliases and shown texts. */
const struct expression *expression_strip(const struct expression *expression);

#endif
