/* lower_expression.c: expressions. */
#include <string.h>

#include "base/assert.h"
#include "connect/lower.h"
#include "wire/protobuf.h"
#include "sql/sql.h"

typedef Connect__Expression Expression;

/* Members of the wire's unions that are not served, by union and number, for the refusal. */
static const struct {
    const char *what;
    uint32_t number;
    const char *name, *advice;
} unserved[] = {
    {"expression", 19, "MERGE INTO", "Write the merged rows with df.write instead."},
    {"expression", 20, "A typed aggregate", "Use the aggregates of pyspark.sql.functions."},
    {"expression", 22, "A shuffle partition id as an expression", "Use repartition with columns."},
    {"relation", 29, "observe()", "Count in a query of its own."},
    {"relation", 30, "Parsing a DataFrame of strings with spark.read.json or csv", "Use from_json or from_csv."},
    {"relation", 34, "applyInPandasWithState", "Use groupBy().agg() with a watermark."},
    {"relation", 38, "A user-defined table function", "Use explode over a function's result."},
    {"relation", 39, "An as-of join", "Use a join with a window."},
    {"relation", 40, "A Python data source", "Read with the program's own Python and createDataFrame."},
    {"relation", 42, "transpose()", "Use pivot or unpivot."},
    {"relation", 44, "lateralJoin", "Use LATERAL in SQL."},
    {"relation", 46, "Table changes", "Tables with a change feed are not kept here."},
    {"relation", 47, "A nearest-by join", "Use crossJoin, orderBy and limit."},
    {"relation", 48, "zip()", "Join on a row number."},
    {"relation", 101, "crosstab", "Use groupBy().pivot().count()."},
    {"relation", 105, "approxQuantile", "Use percentile_approx in agg()."},
    {"relation", 106, "freqItems", "Use groupBy().count()."},
    {"relation", 107, "sampleBy", "Use sample() on filtered DataFrames."},
    {"relation", 300, "Machine learning (pyspark.ml)", "It is not part of this program."},
    {"command", 4, "writeTo (tables of a catalog)", "Use df.write.format(…).save(path)."},
    {"command", 8, "Resources of executors", "There are no executors to ask."},
    {"command", 10, "A user-defined table function", "Use explode over a function's result."},
    {"command", 12, "A Python data source", "Read with the program's own Python and createDataFrame."},
    {"command", 13, "Resource profiles", "There are no executors to size."},
    {"command", 14, "checkpoint() of a DataFrame", "Write it to Parquet and read it back."},
    {"command", 16, "MERGE INTO", "Write the merged rows with df.write instead."},
    {"command", 17, "Machine learning (pyspark.ml)", "It is not part of this program."},
    {"command", 18, "External commands", "Run them in the program itself."},
    {"command", 19, "Declarative pipelines", "Use streaming queries."},
    {"literal", 26, "A TIME literal", "Use timestamps."},
    {"data type", 23, "A user-defined type", "Use structs."},
    {"data type", 25, "VARIANT", "Use strings with from_json."},
    {"data type", 28, "TIME", "Use timestamps."},
};

void *lower_refuse(struct lower_context *context, const char *what, const ProtobufCMessage *message) {
    uint32_t number = message == NULL ? 0 : protobuf_unknown_field(message);
    for (size_t i = 0; i < ARRAY_COUNT(unserved); i++)
        if (number == unserved[i].number && strcmp(what, unserved[i].what) == 0) {
            raise_unsupported_feature_not_in_this_program(context->error, unserved[i].name, unserved[i].advice);
            return NULL;
        }
    const char *name = number == 0 ? what : arena_printf(context->arena, "the %s with wire number %u", what, number);
    raise_unsupported_feature_not_in_this_program(context->error, name, "");
    return NULL;
}

struct bytes lower_text(struct lower_context *context, const char *text) {
    return arena_copy(context->arena, bytes_from_text(text));
}

struct bytes_list lower_names(struct lower_context *context, char *const *items, size_t count) {
    struct bytes *names = ARENA_ARRAY(context->arena, struct bytes, count);
    for (size_t i = 0; i < count; i++)
        names[i] = lower_text(context, items[i]);
    return (struct bytes_list){names, count};
}

bool lower_expressions(
    struct lower_context *context, Expression *const *items, size_t count, struct expression_list *list) {
    const struct expression **lowered = ARENA_ARRAY(context->arena, const struct expression *, count);
    for (size_t i = 0; i < count; i++)
        if ((lowered[i] = lower_expression(context, items[i])) == NULL)
            return false;
    *list = (struct expression_list){lowered, count};
    return true;
}

static const struct expression *lower_attribute(
    struct lower_context *context, const Connect__Expression__UnresolvedAttribute *message) {
    struct expression_attribute *attribute = expression_attribute_new(context->arena);
    attribute->plan_id = message->has_plan_id ? message->plan_id : -1;
    if (!sql_parse_name(context->arena,
            lower_text(context, message->unparsed_identifier == NULL ? "" : message->unparsed_identifier),
            &attribute->parts, context->error))
        return NULL;
    return &attribute->base;
}

static const struct expression *lower_star(
    struct lower_context *context, const Connect__Expression__UnresolvedStar *message) {
    struct expression_star *star = expression_star_new(context->arena);
    star->plan_id = message->has_plan_id ? message->plan_id : -1;
    struct bytes target = lower_text(context, message->unparsed_target);
    if (target.size > 0 && bytes_ends_with(target, ".*"))
        target.size -= 2;
    if (target.size > 0 && !sql_parse_name(context->arena, target, &star->target, context->error))
        return NULL;
    return &star->base;
}

static const struct expression *lower_function(
    struct lower_context *context, const char *name, Expression *const *arguments, size_t count, bool distinct) {
    struct expression_function *function = expression_function_new(context->arena);
    function->name = lower_text(context, name);
    function->distinct = distinct;
    return lower_expressions(context, arguments, count, &function->arguments) ? &function->base : NULL;
}

static const struct expression *lower_alias(struct lower_context *context, const Connect__Expression__Alias *message) {
    struct expression_alias *alias = expression_alias_new(context->arena);
    alias->child = lower_expression(context, message->expr);
    alias->names = lower_names(context, message->name, message->n_name);
    alias->metadata = lower_text(context, message->metadata);
    return alias->child == NULL ? NULL : &alias->base;
}

static const struct expression *lower_cast(struct lower_context *context, const Connect__Expression__Cast *message) {
    static const enum cast_mode modes[] = {CAST_UNSET, CAST_LEGACY, CAST_ANSI, CAST_TRY};
    struct expression_cast *cast = expression_cast_new(context->arena);
    cast->child = lower_expression(context, message->expr);
    if (cast->child == NULL)
        return NULL;
    if (message->cast_to_type_case == CONNECT__EXPRESSION__CAST__CAST_TO_TYPE_TYPE_STR)
        cast->target = sql_parse_schema(context->arena, lower_text(context, message->type_str), context->error);
    else
        cast->target = lower_type(context, message->type);
    cast->mode = message->has_eval_mode && (unsigned)message->eval_mode < ARRAY_COUNT(modes) ? modes[message->eval_mode]
                                                                                             : CAST_UNSET;
    return cast->target == NULL ? NULL : &cast->base;
}

const struct expression *lower_sort_order(
    struct lower_context *context, const Connect__Expression__SortOrder *message) {
    struct expression_sort_order *order = expression_sort_order_new(context->arena);
    order->child = lower_expression(context, message->child);
    order->descending =
        message->direction == CONNECT__EXPRESSION__SORT_ORDER__SORT_DIRECTION__SORT_DIRECTION_DESCENDING;
    if (message->null_ordering == CONNECT__EXPRESSION__SORT_ORDER__NULL_ORDERING__SORT_NULLS_UNSPECIFIED)
        order->nulls_last = order->descending;
    else
        order->nulls_last = message->null_ordering == CONNECT__EXPRESSION__SORT_ORDER__NULL_ORDERING__SORT_NULLS_LAST;
    return order->child == NULL ? NULL : &order->base;
}

static const struct expression *lower_variable(
    struct lower_context *context, const Connect__Expression__UnresolvedNamedLambdaVariable *message) {
    struct expression_lambda_variable *variable = expression_lambda_variable_new(context->arena);
    if (message->n_name_parts == 0)
        return lower_refuse(context, "a lambda variable without a name", NULL);
    variable->name = lower_text(context, message->name_parts[0]);
    const struct expression *result = &variable->base;
    for (size_t i = 1; i < message->n_name_parts; i++) { /* x.a.b */
        struct expression_extract *extract = expression_extract_new(context->arena);
        extract->child = result;
        extract->key = literal_string(context->arena, bytes_from_text(message->name_parts[i]));
        result = &extract->base;
    }
    return result;
}

static const struct expression *lower_lambda(
    struct lower_context *context, const Connect__Expression__LambdaFunction *message) {
    struct expression_lambda *lambda = expression_lambda_new(context->arena);
    const struct expression **parameters = ARENA_ARRAY(context->arena, const struct expression *, message->n_arguments);
    for (size_t i = 0; i < message->n_arguments; i++)
        if ((parameters[i] = lower_variable(context, message->arguments[i])) == NULL)
            return NULL;
    lambda->parameters = (struct expression_list){parameters, message->n_arguments};
    lambda->body = lower_expression(context, message->function);
    return lambda->body == NULL ? NULL : &lambda->base;
}

static bool lower_boundary(struct lower_context *context,
    const Connect__Expression__Window__WindowFrame__FrameBoundary *message, const struct expression **boundary) {
    *boundary = NULL; /* unbounded */
    if (message == NULL ||
        message->boundary_case == CONNECT__EXPRESSION__WINDOW__WINDOW_FRAME__FRAME_BOUNDARY__BOUNDARY_UNBOUNDED)
        return true;
    if (message->boundary_case == CONNECT__EXPRESSION__WINDOW__WINDOW_FRAME__FRAME_BOUNDARY__BOUNDARY_CURRENT_ROW)
        *boundary = literal_int(context->arena, 0);
    else
        *boundary = lower_expression(context, message->value);
    return *boundary != NULL;
}

static const struct expression *lower_window(
    struct lower_context *context, const Connect__Expression__Window *message) {
    struct expression_window *window = expression_window_new(context->arena);
    const struct expression **orders = ARENA_ARRAY(context->arena, const struct expression *, message->n_order_spec);
    window->function = lower_expression(context, message->window_function);
    if (window->function == NULL ||
        !lower_expressions(context, message->partition_spec, message->n_partition_spec, &window->partition))
        return NULL;
    for (size_t i = 0; i < message->n_order_spec; i++)
        if ((orders[i] = lower_sort_order(context, message->order_spec[i])) == NULL)
            return NULL;
    window->order = (struct expression_list){orders, message->n_order_spec};
    const Connect__Expression__Window__WindowFrame *frame = message->frame_spec;
    if (frame == NULL)
        return &window->base;
    window->frame = frame->frame_type == CONNECT__EXPRESSION__WINDOW__WINDOW_FRAME__FRAME_TYPE__FRAME_TYPE_ROW
                        ? FRAME_ROWS
                        : FRAME_RANGE;
    return lower_boundary(context, frame->lower, &window->lower) &&
                   lower_boundary(context, frame->upper, &window->upper)
               ? &window->base
               : NULL;
}

static const struct expression *lower_extract(
    struct lower_context *context, const Connect__Expression__UnresolvedExtractValue *message) {
    struct expression_extract *extract = expression_extract_new(context->arena);
    extract->child = lower_expression(context, message->child);
    extract->key = extract->child == NULL ? NULL : lower_expression(context, message->extraction);
    return extract->key == NULL ? NULL : &extract->base;
}

static const struct expression *lower_update_fields(
    struct lower_context *context, const Connect__Expression__UpdateFields *message) {
    struct expression_update_fields *update = expression_update_fields_new(context->arena);
    update->child = lower_expression(context, message->struct_expression);
    update->field = lower_text(context, message->field_name);
    if (update->child == NULL)
        return NULL;
    if (message->value_expression != NULL &&
        (update->value = lower_expression(context, message->value_expression)) == NULL)
        return NULL;
    return &update->base;
}

static const struct expression *lower_subquery(
    struct lower_context *context, const Connect__SubqueryExpression *message) {
    struct expression_subquery *subquery = expression_subquery_new(context->arena);
    switch (message->subquery_type) {
    case CONNECT__SUBQUERY_EXPRESSION__SUBQUERY_TYPE__SUBQUERY_TYPE_SCALAR:
        subquery->kind = SUBQUERY_SCALAR;
        break;
    case CONNECT__SUBQUERY_EXPRESSION__SUBQUERY_TYPE__SUBQUERY_TYPE_EXISTS:
        subquery->kind = SUBQUERY_EXISTS;
        break;
    case CONNECT__SUBQUERY_EXPRESSION__SUBQUERY_TYPE__SUBQUERY_TYPE_IN:
        subquery->kind = SUBQUERY_IN;
        break;
    default:
        return lower_refuse(context, "a table argument", NULL);
    }
    subquery->plan = lower_reference(context, message->plan_id);
    if (subquery->plan == NULL ||
        !lower_expressions(context, message->in_subquery_values, message->n_in_subquery_values, &subquery->values))
        return NULL;
    return &subquery->base;
}

static const struct expression *lower_named_argument(
    struct lower_context *context, const Connect__NamedArgumentExpression *message) {
    struct expression_named_argument *argument = expression_named_argument_new(context->arena);
    argument->name = lower_text(context, message->key);
    argument->value = lower_expression(context, message->value);
    return argument->value == NULL ? NULL : &argument->base;
}

static const struct expression *lower_regex(
    struct lower_context *context, const Connect__Expression__UnresolvedRegex *message) {
    struct expression_regex *regex = expression_regex_new(context->arena);
    regex->pattern = lower_text(context, message->col_name);
    regex->plan_id = message->has_plan_id ? message->plan_id : -1;
    return &regex->base;
}

/* pyspark.util.PythonEvalType, by place. */
static const struct {
    enum lower_python_place place;
    int eval_type;
} python_kinds[] = {
    {PYTHON_OVER_COLUMNS, 100}, /* rows */
    {PYTHON_OVER_COLUMNS, 101}, /* the same, sent as Arrow */
    {PYTHON_OVER_COLUMNS, 200}, /* pandas series */
    {PYTHON_OVER_COLUMNS, 202}, /* pandas series to one value */
    {PYTHON_OVER_COLUMNS, 204}, /* iterators of pandas series */
    {PYTHON_OVER_COLUMNS, 217}, /* an iterator of pandas series to one value */
    {PYTHON_OVER_COLUMNS, 250}, /* Arrow arrays */
    {PYTHON_OVER_COLUMNS, 251}, /* iterators of Arrow arrays */
    {PYTHON_OVER_COLUMNS, 252}, /* Arrow arrays to one value */
    {PYTHON_OVER_COLUMNS, 254}, /* an iterator of Arrow arrays to one value */
    {PYTHON_OVER_ROWS, 205},    /* mapInPandas */
    {PYTHON_OVER_ROWS, 207},    /* mapInArrow */
    {PYTHON_OVER_GROUPS, 201},  /* applyInPandas */
    {PYTHON_OVER_GROUPS, 209},  /* applyInArrow */
    {PYTHON_OVER_GROUPS, 215},  /* applyInArrow with iterators */
    {PYTHON_OVER_GROUPS, 216},  /* applyInPandas with iterators */
    {PYTHON_OVER_COGROUPS, 206}, {PYTHON_OVER_COGROUPS, 210}, {PYTHON_WITH_STATE, 208}, /* applyInPandasWithState */
};

const struct expression *lower_python(struct lower_context *context,
    const Connect__CommonInlineUserDefinedFunction *message, enum lower_python_place place) {
    if (message == NULL)
        return lower_refuse(context, "a missing function", NULL);
    const Connect__PythonUDF *function =
        message->function_case == CONNECT__COMMON_INLINE_USER_DEFINED_FUNCTION__FUNCTION_PYTHON_UDF
            ? message->python_udf
            : NULL;
    bool known = false;
    for (size_t i = 0; function != NULL && i < ARRAY_COUNT(python_kinds); i++)
        known |= function->eval_type == python_kinds[i].eval_type && place == python_kinds[i].place;
    if (function != NULL && function->eval_type >= 211 && function->eval_type <= 214) { /* transformWithState */
        raise_unsupported_feature_store_backend_not_supported_for_tws(
            context->error, "org.apache.spark.sql.execution.streaming.state.HDFSBackedStateStoreProvider");
        return NULL;
    }
    if (!known)
        return lower_refuse(context,
            function == NULL
                ? "a user-defined function that is not written in Python"
                : arena_printf(context->arena, "Python functions of kind %d in this place", function->eval_type),
            NULL);
    struct expression_python_udf *node = expression_python_udf_new(context->arena);
    node->name = lower_text(context, message->function_name);
    node->command = arena_copy(context->arena, PROTOBUF_BYTES(function->command));
    node->eval_type = function->eval_type;
    node->deterministic = message->deterministic;
    node->python_version = lower_text(context, function->python_ver == NULL ? "" : function->python_ver);
    node->includes = lower_names(context, function->additional_includes, function->n_additional_includes);
    node->result = lower_type(context, function->output_type);
    if (node->result == NULL || !lower_expressions(context, message->arguments, message->n_arguments, &node->arguments))
        return NULL;
    return &node->base;
}

static const struct expression *lower_member(struct lower_context *context, const Expression *message) {
    switch (message->expr_type_case) {
    case CONNECT__EXPRESSION__EXPR_TYPE_LITERAL:
        return lower_literal(context, message->literal);
    case CONNECT__EXPRESSION__EXPR_TYPE_UNRESOLVED_ATTRIBUTE:
        return lower_attribute(context, message->unresolved_attribute);
    case CONNECT__EXPRESSION__EXPR_TYPE_UNRESOLVED_FUNCTION:
        return lower_function(context, message->unresolved_function->function_name,
            message->unresolved_function->arguments, message->unresolved_function->n_arguments,
            message->unresolved_function->is_distinct);
    case CONNECT__EXPRESSION__EXPR_TYPE_EXPRESSION_STRING:
        return sql_parse_expression(
            context->arena, lower_text(context, message->expression_string->expression), context->error);
    case CONNECT__EXPRESSION__EXPR_TYPE_UNRESOLVED_STAR:
        return lower_star(context, message->unresolved_star);
    case CONNECT__EXPRESSION__EXPR_TYPE_ALIAS:
        return lower_alias(context, message->alias);
    case CONNECT__EXPRESSION__EXPR_TYPE_CAST:
        return lower_cast(context, message->cast);
    case CONNECT__EXPRESSION__EXPR_TYPE_UNRESOLVED_REGEX:
        return lower_regex(context, message->unresolved_regex);
    case CONNECT__EXPRESSION__EXPR_TYPE_SORT_ORDER:
        return lower_sort_order(context, message->sort_order);
    case CONNECT__EXPRESSION__EXPR_TYPE_LAMBDA_FUNCTION:
        return lower_lambda(context, message->lambda_function);
    case CONNECT__EXPRESSION__EXPR_TYPE_WINDOW:
        return lower_window(context, message->window);
    case CONNECT__EXPRESSION__EXPR_TYPE_UNRESOLVED_EXTRACT_VALUE:
        return lower_extract(context, message->unresolved_extract_value);
    case CONNECT__EXPRESSION__EXPR_TYPE_UPDATE_FIELDS:
        return lower_update_fields(context, message->update_fields);
    case CONNECT__EXPRESSION__EXPR_TYPE_UNRESOLVED_NAMED_LAMBDA_VARIABLE:
        return lower_variable(context, message->unresolved_named_lambda_variable);
    case CONNECT__EXPRESSION__EXPR_TYPE_COMMON_INLINE_USER_DEFINED_FUNCTION:
        return lower_python(context, message->common_inline_user_defined_function, PYTHON_OVER_COLUMNS);
    case CONNECT__EXPRESSION__EXPR_TYPE_CALL_FUNCTION:
        return lower_function(context, message->call_function->function_name, message->call_function->arguments,
            message->call_function->n_arguments, false);
    case CONNECT__EXPRESSION__EXPR_TYPE_NAMED_ARGUMENT_EXPRESSION:
        return lower_named_argument(context, message->named_argument_expression);
    case CONNECT__EXPRESSION__EXPR_TYPE_SUBQUERY_EXPRESSION:
        return lower_subquery(context, message->subquery_expression);
    default:
        return lower_refuse(context, "expression", &message->base);
    }
}

const struct expression *lower_expression(struct lower_context *context, const Expression *message) {
    if (message == NULL)
        return lower_refuse(context, "a missing expression", NULL);
    if (context->depth >= PLAN_DEPTH_MAX)
        return lower_refuse(
            context, arena_printf(context->arena, "a plan nested more than %d levels deep", PLAN_DEPTH_MAX), NULL);
    context->depth++;
    const struct expression *lowered = lower_member(context, message);
    context->depth--;
    return lowered;
}
