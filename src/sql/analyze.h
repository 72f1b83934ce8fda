/* analyze.h: what the analyzer's files share. Internal to sql/.
 *
 * The analyzer turns unresolved nodes into resolved ones bottom up, one function per kind of relation. Names are looked
 * up in a scope: the columns of the operator's input, lambda variables, aliases of the same select list, then the
 * enclosing query's scope (correlated subqueries). Every function answers NULL (or false) after an error was raised. */
#ifndef SQL_ANALYZE_H
#define SQL_ANALYZE_H

#include "sql/function.h"
#include "sql/session.h"

/* Relations that carry Spark Connect plan ids, with the output they had when analyzed: df["a"] is looked up there. */
struct plan_output {
    struct plan_output *next;
    int64_t plan_id;
    const struct attribute *output;
    size_t output_count;
};

struct cte {
    struct cte *next;
    struct bytes name;
    const struct relation *plan; /* not analyzed */
    struct cte *visible;         /* the CTEs that it sees */
};

struct analyzer {
    struct sql_session *session;
    struct arena *arena;
    struct sql_error *error;
    bool ansi;
    int depth;
    struct cte *ctes;
    struct plan_output *plan_outputs;
    const struct scope *outer; /* while a subquery or lateral relation is analyzed */
};

struct lambda_scope {
    const struct lambda_scope *next;
    struct expression_list variables; /* resolved lambda_variable */
};

struct scope {
    const struct attribute *attributes;
    size_t count;
    const struct lambda_scope *lambdas;
    const struct expression *const *aliases; /* resolved aliases to the left in the same select list */
    size_t alias_count;
    const struct scope *outer;
    bool in_aggregate, in_window;
};

/* ---- analyze.c ---- */
const struct relation *analyze(struct analyzer *analyzer, const struct relation *relation);
uint32_t analyzer_new_id(struct analyzer *analyzer);
void scope_init(struct analyzer *analyzer, struct scope *scope, const struct relation *input);
bool unsupported(struct analyzer *analyzer, struct origin origin, const char *feature, const char *advice);
/* Places the pending error at the node and gives NULL/false. */
bool fail_at(struct analyzer *analyzer, const struct node *node);

/* ---- relations ---- */
/* A node with output equal to its input's. */
void same_output(struct relation *relation, const struct relation *input);
const struct relation *make_project(
    struct analyzer *analyzer, const struct relation *input, struct expression_list columns);
const struct relation *make_filter(
    struct analyzer *analyzer, const struct relation *input, const struct expression *condition);
const struct relation *make_local(
    struct arena *arena, uint32_t *next_id, const struct type *schema, struct batch *const *batches, size_t count);
/* Only the first `count` columns of the input. */
const struct relation *make_prefix(struct analyzer *analyzer, const struct relation *input, size_t count);
/* Output by type; condition may be NULL. */
const struct relation *new_join(struct analyzer *analyzer, const struct relation *left, const struct relation *right,
    enum join_type type, const struct expression *condition);
const struct relation *make_distinct(struct analyzer *analyzer, const struct relation *input);
/* A copy with new ids for every attribute that it makes. */
const struct relation *fresh_ids(struct analyzer *analyzer, const struct relation *relation);
const struct expression *column_of(struct arena *arena, const struct attribute *attribute);
struct expression_list columns_of(struct arena *arena, const struct relation *relation);
struct attribute attribute_of(struct analyzer *analyzer, const struct expression *named); /* of an alias or a column */
const struct expression *make_alias(struct analyzer *analyzer, const struct expression *child, struct bytes name);
const struct expression *make_alias_id(
    struct analyzer *analyzer, const struct expression *child, struct bytes name, uint32_t id);

const struct relation *analyze_project(struct analyzer *analyzer, const struct relation_project *project);
const struct relation *analyze_group_by(struct analyzer *analyzer, const struct relation_group_by *group);
const struct relation *analyze_join(struct analyzer *analyzer, const struct relation_join *join);
const struct relation *analyze_set_operation(struct analyzer *analyzer, const struct relation_set_operation *operation);
const struct relation *analyze_sort(struct analyzer *analyzer, const struct relation_sort *sort);
const struct relation *analyze_read(struct analyzer *analyzer, const struct relation_read *read);
const struct relation *analyze_table(struct analyzer *analyzer, const struct relation_table *table);
const struct relation *analyze_generate(struct analyzer *analyzer, const struct relation_generate *generate);
const struct relation *analyze_values(struct analyzer *analyzer, const struct relation_values *values);
const struct relation *analyze_table_function(
    struct analyzer *analyzer, const struct relation_table_function *function);
const struct relation *analyze_frame(
    struct analyzer *analyzer, const struct relation *relation); /* DataFrame-only relations */
const struct relation *analyze_na(struct analyzer *analyzer, const struct relation *relation); /* fill, drop, replace */
const struct relation *analyze_statistics(struct analyzer *analyzer, const struct relation *relation);
const struct relation *analyze_unpivot(struct analyzer *analyzer, const struct relation_unpivot *unpivot);

/* A select list over an analyzed input: resolved, named, with aggregates, windows, generators and subqueries taken out.
 * `groups` NULL: plain SELECT. */
struct select_state {
    const struct relation *input;
    struct expression_list columns; /* resolved and named */
};
bool select_columns(struct analyzer *analyzer, const struct relation *input, struct expression_list written,
    struct expression_list *named);
/* Windows, generators and subqueries in `columns` become operators below; the project on top. */
const struct relation *finish_select(
    struct analyzer *analyzer, const struct relation *input, struct expression_list columns);
const struct relation *make_aggregate_select(struct analyzer *analyzer, const struct relation *input,
    struct expression_list groupings, struct expression_list columns, const struct expression *having,
    struct expression_list *orders);
/* Moves generators of a select list below it. */
bool extract_generators(struct analyzer *analyzer, const struct relation **input, struct expression_list *columns);
/* Calls of Python functions become python_eval relations. Over a whole analyzed plan. */
const struct relation *extract_python(struct analyzer *analyzer, const struct relation *relation);
/* ---- analyze_python_map.c ---- */
const struct relation *analyze_map_partitions(
    struct analyzer *analyzer, const struct relation_map_partitions *partitions);
const struct relation *analyze_observe(struct analyzer *analyzer, const struct relation_collect_metrics *metrics);
const struct relation *analyze_groups_with_state(
    struct analyzer *analyzer, const struct relation_groups_with_state *groups);
const struct relation *analyze_map_groups(struct analyzer *analyzer, const struct relation_map_groups *groups);
/* A call of an aggregate function of the program, with resolved arguments. */
const struct expression *python_aggregate(
    struct analyzer *analyzer, const struct scope *scope, const struct expression_python_udf *resolved);
/* What python_aggregate made, or NULL; and that function over a window of its argument. */
const struct expression_python_udf *python_aggregate_of(const struct expression *expression);
const struct expression *python_over_window(
    struct analyzer *analyzer, const struct expression *aggregate, const struct expression_window *window);
bool extract_windows(struct analyzer *analyzer, const struct relation **input, struct expression_list *columns);
/* Scalar, EXISTS and IN subqueries inside the expressions become joins below. */
bool lower_subqueries(
    struct analyzer *analyzer, const struct relation **input, const struct expression **items, size_t count);
const struct relation *filter_with_subqueries(
    struct analyzer *analyzer, const struct relation *input, const struct expression *condition);
bool has_tag(const struct expression *expression, unsigned tag);
bool has_aggregate(const struct expression *expression); /* outside windows */
bool has_generator(const struct expression *expression);

/* window() in the lists becomes a column of a relation below. */
/* GROUP BY window(…) in a statement: the window becomes a column of the input at once, so that the select list may say
 * window.start. */
bool name_written_windows(
    struct analyzer *analyzer, const struct relation_group_by **group, const struct relation **input);
/* The metadata of a column made of a window's: its event time, without what marks it as a window. */
struct bytes window_time_metadata(struct arena *arena, struct bytes metadata);
bool extract_time_windows(
    struct analyzer *analyzer, const struct relation **input, struct expression_list **lists, size_t list_count);
/* withWatermark over its analyzed input and column. */
const struct relation *analyze_watermark(
    struct analyzer *analyzer, const struct relation_with_watermark *written, const struct expression *column);

/* ---- expressions ---- */
const struct expression *resolve(
    struct analyzer *analyzer, const struct scope *scope, const struct expression *expression);
const struct expression *resolve_attribute(
    struct analyzer *analyzer, const struct scope *scope, const struct expression_attribute *attribute, bool optional);
const struct expression *resolve_function(
    struct analyzer *analyzer, const struct scope *scope, const struct expression_function *function);
const struct expression *resolve_extract(
    struct analyzer *analyzer, const struct node *place, const struct expression *child, const struct expression *key);
bool expand_stars(struct analyzer *analyzer, const struct scope *scope, struct expression_list list,
    struct expression_list *expanded);
/* BOOLEAN condition or the error of WHERE, HAVING, ON. */
const struct expression *resolve_condition(
    struct analyzer *analyzer, const struct scope *scope, const struct expression *expression);
/* The name a select item gets. */
const struct expression *name_expression(
    struct analyzer *analyzer, const struct expression *written, const struct expression *resolved);
/* The value of an expression without columns; NULL (no error) when it is none or cannot be computed. */
const struct column *constant_value(struct analyzer *analyzer, const struct expression *expression);
/* Without the nodes that only names need: what the engine may be given. */
const struct expression *without_shown(struct arena *arena, const struct expression *expression);
bool is_foldable(const struct expression *expression);
bool constant_text(struct analyzer *analyzer, const struct expression *expression, struct bytes *text);

/* A call with resolved arguments, by name; arguments are coerced and checked. */
const struct expression *make_call(
    struct analyzer *analyzer, const struct node *place, const char *name, size_t count, ...);
const struct expression *make_call_list(
    struct analyzer *analyzer, const struct node *place, struct bytes name, struct expression_list arguments);
/* The bare node. */
const struct expression *new_call(struct arena *arena, enum function_id id, struct bytes name,
    struct expression_list arguments, const struct type *type, bool nullable, bool ansi);

/* ---- coercion.c ---- */
/* The least common type of two, by ANSI or legacy rules; NULL when there is none. */
const struct type *common_type(struct analyzer *analyzer, const struct type *left, const struct type *right);
const struct type *common_type_of(struct analyzer *analyzer, struct expression_list list, size_t from, size_t step);
/* What comparing or combining two operands casts both to; strings included. */
const struct type *wider_numeric(struct arena *arena, const struct type *left, const struct type *right);
const struct type *decimal_for(struct arena *arena, const struct expression *expression); /* of an integral operand */
const struct type *decimal_of_type(struct arena *arena, const struct type *type);
/* expression as type; the same expression when it has it. */
const struct expression *cast_to(
    struct analyzer *analyzer, const struct expression *expression, const struct type *type);
/* Whether a function that wants `to` takes a `from` without being asked. */
bool casts_implicitly(struct analyzer *analyzer, const struct type *from, const struct type *to);
/* Whether CAST can be written at all. */
bool can_cast(const struct type *from, const struct type *to, bool ansi);
bool cast_may_give_null(const struct type *from, const struct type *to);
const struct type *without_length(const struct type *type); /* VARCHAR(n) → STRING */

/* ---- functions with rules of their own: resolve_*.c ---- */
struct resolution {
    struct analyzer *analyzer;
    const struct scope *scope;
    const struct function *function;
    const struct expression_function *source; /* NULL when made by the analyzer */
    const struct node *place;
    const struct expression **arguments;
    size_t count;
    /* results */
    const struct type *type;
    bool nullable, nullable_set;
    const void *extra;
    const struct expression *replaced; /* the whole call becomes this */
    /* as the user wrote it, for names */
    const struct expression *const *written;
    size_t written_count;
    struct bytes written_name;
};
typedef bool resolver(struct resolution *resolution);
resolver *resolver_of(int function_id); /* NULL: the table's columns say all */
/* The common form of an argument error. */
bool wrong_type(struct resolution *resolution, size_t index, const char *required);
bool wrong_count(struct resolution *resolution, const char *expected);
const char *call_text(struct resolution *resolution); /* quoted */
/* Resolves a lambda argument whose parameters have these types (parameter_count may be less than the lambda's maximum).
 */
bool resolve_lambda(struct resolution *resolution, size_t index, const struct type *const *types, const bool *nullable,
    size_t minimum, size_t maximum);

resolver resolve_sum, resolve_avg, resolve_collect, resolve_extreme, resolve_percentile, resolve_approx_percentile,
    resolve_array_grown, resolve_array_repeat, resolve_arrays_zip, resolve_element_at, resolve_get_map_value,
    resolve_array_sort, resolve_array_lambda, resolve_reduce, resolve_map_lambda, resolve_map_zip_with,
    resolve_zip_with, resolve_flatten, resolve_map, resolve_map_concat, resolve_map_parts, resolve_map_from_arrays,
    resolve_map_from_entries, resolve_str_to_map, resolve_named_struct, resolve_struct, resolve_sequence,
    resolve_explode, resolve_inline, resolve_stack, resolve_json_tuple;
resolver resolve_time_window, resolve_window_time, resolve_session_window;
resolver resolve_arithmetic, resolve_comparison, resolve_in, resolve_bits, resolve_shift, resolve_case_when,
    resolve_not_equal, resolve_between;

#endif
