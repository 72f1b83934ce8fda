/* Expressions: names to columns, casts checked, calls and subqueries handed to their files. */
#include "sql/analyze.h"

#include "base/vector.h"
#include "column/text.h"
#include "column/timezone.h"
#include "sql/pretty.h"

static bool resolve_list(struct analyzer *analyzer, const struct scope *scope, struct expression_list list,
    struct expression_list *resolved) {
    const struct expression **items = arena_allocate(analyzer->arena, list.count * sizeof *items);
    for (size_t i = 0; i < list.count; i++)
        if ((items[i] = resolve(analyzer, scope, list.items[i])) == NULL)
            return false;
    *resolved = (struct expression_list){items, list.count};
    return true;
}

static const struct expression *resolve_cast(
    struct analyzer *analyzer, const struct scope *scope, const struct expression_cast *written) {
    const struct expression *child = resolve(analyzer, scope, written->child);
    if (child == NULL)
        return NULL;
    struct expression_cast *cast = expression_cast_new(analyzer->arena);
    struct arena *arena = analyzer->arena;
    cast->child = child;
    cast->target = without_length(written->target);
    cast->implicit = written->implicit;
    cast->mode = written->mode != CAST_UNSET ? written->mode : analyzer->ansi ? CAST_ANSI : CAST_LEGACY;
    cast->base.type = cast->target;
    cast->base.nullable = child->nullable || cast->mode == CAST_TRY || cast_may_give_null(child->type, cast->target);
    if (cast->mode == CAST_TRY && type_equal(child->type, cast->target))
        cast->base.nullable = child->nullable;
    cast->base.node.origin = written->base.node.origin;
    if (can_cast(child->type, cast->target, cast->mode != CAST_LEGACY))
        return &cast->base;
    if (cast->mode == CAST_ANSI && can_cast(child->type, cast->target, false))
        raise_datatype_mismatch_cast_with_conf_suggestion(analyzer->error, quote_expression(arena, &cast->base),
            quote_type(arena, child->type), quote_type(arena, cast->target), "\"spark.sql.ansi.enabled\"", "'false'");
    else
        raise_datatype_mismatch_cast_without_suggestion(analyzer->error, quote_expression(arena, &cast->base),
            quote_type(arena, child->type), quote_type(arena, cast->target));
    fail_at(analyzer, &written->base.node);
    return NULL;
}

static const struct expression *resolve_alias(
    struct analyzer *analyzer, const struct scope *scope, const struct expression_alias *written) {
    const struct expression *child = resolve(analyzer, scope, written->child);
    if (child == NULL)
        return NULL;
    struct expression_alias *alias = expression_alias_new(analyzer->arena);
    *alias = *written;
    alias->child = child;
    alias->id = analyzer_new_id(analyzer);
    alias->base.type = child->type;
    alias->base.nullable = child->nullable;
    return &alias->base;
}

static const struct expression *resolve_sort_order(
    struct analyzer *analyzer, const struct scope *scope, const struct expression_sort_order *written) {
    struct expression_sort_order *order = expression_sort_order_new(analyzer->arena);
    *order = *written;
    order->child = resolve(analyzer, scope, written->child);
    if (order->child == NULL)
        return NULL;
    order->base.type = order->child->type;
    order->base.nullable = order->child->nullable;
    if (type_is_orderable(order->child->type) || order->child->type->kind == TYPE_NULL)
        return &order->base;
    raise_datatype_mismatch_invalid_ordering_type(analyzer->error, quote_expression(analyzer->arena, &order->base),
        "`sortorder`", quote_type(analyzer->arena, order->child->type));
    fail_at(analyzer, &written->base.node);
    return NULL;
}

static const struct expression *resolve_window(
    struct analyzer *analyzer, const struct scope *scope, const struct expression_window *written) {
    struct expression_window *window = expression_window_new(analyzer->arena);
    struct scope inner = *scope;
    inner.in_window = true;
    *window = *written;
    window->function = resolve(analyzer, &inner, written->function);
    if (window->function == NULL || !resolve_list(analyzer, scope, written->partition, &window->partition) ||
        !resolve_list(analyzer, scope, written->order, &window->order))
        return NULL;
    if (written->lower != NULL && (window->lower = resolve(analyzer, scope, written->lower)) == NULL)
        return NULL;
    if (written->upper != NULL && (window->upper = resolve(analyzer, scope, written->upper)) == NULL)
        return NULL;
    const struct expression *python = python_aggregate_of(window->function) == NULL ? NULL : window->function;
    if (python != NULL)
        window->function = python_aggregate_of(python)->arguments.items[0];
    bool aggregate = window->function->node.tag == EXPRESSION_AGGREGATE_CALL;
    bool call = window->function->node.tag == EXPRESSION_CALL &&
                expression_call_of(window->function)->function->kind == FUNCTION_WINDOW;
    if (!aggregate && !call) {
        raise_unsupported_expr_for_window(analyzer->error, quote_expression(analyzer->arena, window->function));
        fail_at(analyzer, &written->base.node);
        return NULL;
    }
    /* The default frame, which names and plans show. */
    if (window->frame == FRAME_NONE) {
        bool ordered = window->order.count > 0;
        window->frame = call || !ordered ? FRAME_ROWS : FRAME_RANGE;
        window->upper = ordered || (call && expression_call_of(window->function)->function->id == FUNCTION_ROW_NUMBER)
                            ? literal_int(analyzer->arena, 0)
                            : NULL;
        if (!call && !ordered)
            window->upper = NULL;
    }
    window->base.type = window->function->type;
    window->base.nullable = window->function->nullable;
    return python != NULL ? python_over_window(analyzer, python, window) : &window->base;
}

/* TIMESTAMP '…' in the session's time zone. */
static const struct expression *timestamp_literal(
    struct analyzer *analyzer, const struct expression_function *function) {
    const struct string_view *view = expression_literal_of(function->arguments.items[0])->value->values;
    struct bytes text = bytes_trim(bytes_make(view->data, view->size));
    struct error cause = {0};
    const struct timezone *zone = timezone_get(analyzer->session->environment.world,
        bytes_from_text(sql_setting(analyzer->session, "spark.sql.session.timeZone")), &cause);
    int64_t microseconds;
    if (value_parse_timestamp(text, zone != NULL ? zone : timezone_utc(), &microseconds))
        return literal_value(analyzer->arena, type_simple(TYPE_TIMESTAMP), &microseconds);
    raise_invalid_typed_literal(analyzer->error, "\"TIMESTAMP\"", quote_text(analyzer->arena, text));
    fail_at(analyzer, &function->base.node);
    return NULL;
}

static const struct expression *resolve_update_fields(
    struct analyzer *analyzer, const struct scope *scope, const struct expression_update_fields *update) {
    const struct expression *child = resolve(analyzer, scope, update->child);
    const struct expression *value = update->value == NULL ? NULL : resolve(analyzer, scope, update->value);
    if (child == NULL || (update->value != NULL && value == NULL))
        return NULL;
    if (child->type->kind != TYPE_STRUCT) {
        raise_datatype_mismatch_unexpected_input_type(analyzer->error, quote_expression(analyzer->arena, &update->base),
            "first", "\"STRUCT\"", quote_expression(analyzer->arena, child), quote_type(analyzer->arena, child->type));
        fail_at(analyzer, &update->base.node);
        return NULL;
    }
    VECTOR(const struct expression *) items = {0};
    bool replaced = false;
    for (size_t i = 0; i < child->type->field_count; i++) {
        const struct type_field *field = &child->type->fields[i];
        bool same = bytes_equal_ignore_case(field->name, update->field);
        replaced |= same;
        if (same && value == NULL)
            continue;
        VECTOR_PUSH(&items, literal_string(analyzer->arena, field->name));
        VECTOR_PUSH(&items,
            same ? value
                 : resolve_extract(analyzer, &update->base.node, child, literal_string(analyzer->arena, field->name)));
    }
    if (!replaced && value != NULL) {
        VECTOR_PUSH(&items, literal_string(analyzer->arena, update->field));
        VECTOR_PUSH(&items, value);
    }
    struct expression_list list = expressions_make(analyzer->arena, items.items, items.count);
    VECTOR_FREE(&items);
    const struct expression *made = make_call_list(analyzer, &update->base.node, BYTES("named_struct"), list);
    struct expression_shown *text = expression_shown_new(analyzer->arena);
    text->text = bytes_from_text(
        value == NULL
            ? arena_printf(analyzer->arena, "update_fields(%s, dropfield())", pretty_name(analyzer->arena, child))
            : arena_printf(analyzer->arena, "update_fields(%s, WithField(%s))", pretty_name(analyzer->arena, child),
                  pretty_name(analyzer->arena, value)));
    if (made == NULL)
        return NULL;
    if (child->nullable) {
        const struct expression *test = make_call(analyzer, &update->base.node, "isnull", 1, child);
        made = make_call(analyzer, &update->base.node, "if", 3, test, literal_null(analyzer->arena, made->type), made);
    }
    text->child = made;
    text->base.type = made == NULL ? NULL : made->type;
    text->base.nullable = made != NULL && made->nullable;
    return made == NULL ? NULL : &text->base;
}

static const struct expression *resolve_subquery(
    struct analyzer *analyzer, const struct scope *scope, const struct expression_subquery *written) {
    struct expression_subquery *subquery = expression_subquery_new(analyzer->arena);
    *subquery = *written;
    if (!resolve_list(analyzer, scope, written->values, &subquery->values))
        return NULL;
    const struct scope *outer = analyzer->outer;
    analyzer->outer = scope;
    subquery->plan = analyze(analyzer, written->plan);
    analyzer->outer = outer;
    if (subquery->plan == NULL)
        return NULL;
    subquery->base.type = type_simple(TYPE_BOOLEAN);
    if (written->kind == SUBQUERY_SCALAR) {
        if (subquery->plan->output_count != 1) {
            raise_invalid_subquery_expression_scalar_subquery_return_more_than_one_output_column(
                analyzer->error, arena_printf(analyzer->arena, "%zu", subquery->plan->output_count));
            fail_at(analyzer, &written->base.node);
            return NULL;
        }
        subquery->base.type = subquery->plan->output[0].type;
        subquery->base.nullable = true;
    } else if (written->kind == SUBQUERY_IN) {
        subquery->base.nullable = true;
        const struct type *left = subquery->values.count == 1 ? subquery->values.items[0]->type : NULL;
        bool row = left != NULL && left->kind == TYPE_STRUCT && left->field_count == subquery->plan->output_count;
        if (subquery->values.count == 1 && subquery->plan->output_count != 1 && !row) {
            raise_datatype_mismatch_in_subquery_length_mismatch(analyzer->error,
                quote_expression(analyzer->arena, &subquery->base),
                arena_printf(analyzer->arena, "%zu", subquery->values.count),
                quote_expression(analyzer->arena, subquery->values.items[0]),
                arena_printf(analyzer->arena, "%zu", subquery->plan->output_count), "");
            fail_at(analyzer, &written->base.node);
            return NULL;
        }
    }
    return &subquery->base;
}

static const struct expression *resolve_python(
    struct analyzer *analyzer, const struct scope *scope, const struct expression_python_udf *written) {
    struct expression_python_udf *function =
        (struct expression_python_udf *)node_clone(analyzer->arena, &written->base.node);
    const struct expression **items = arena_allocate(analyzer->arena, written->arguments.count * sizeof *items);
    bool aggregate = python_is_aggregate(written);
    struct scope inner = *scope;
    inner.in_aggregate = scope->in_aggregate || (aggregate && !scope->in_window);
    inner.in_window = scope->in_window && !aggregate;
    for (size_t i = 0; i < written->arguments.count; i++) {
        const struct expression *argument = written->arguments.items[i];
        bool named = argument->node.tag == EXPRESSION_NAMED_ARGUMENT;
        const struct expression *value =
            resolve(analyzer, &inner, named ? expression_named_argument_of(argument)->value : argument);
        if (value == NULL)
            return NULL;
        items[i] = value;
        if (named) {
            struct expression_named_argument *copy =
                (struct expression_named_argument *)node_clone(analyzer->arena, &argument->node);
            copy->value = value;
            copy->base.type = value->type;
            copy->base.nullable = value->nullable;
            items[i] = &copy->base;
        }
    }
    function->arguments = (struct expression_list){items, written->arguments.count};
    function->base.type = written->result;
    function->base.nullable = true;
    return aggregate ? python_aggregate(analyzer, scope, function) : &function->base;
}

static const struct expression *refuse(struct analyzer *analyzer, const struct expression *expression) {
    switch (expression->node.tag) {
    case EXPRESSION_STAR:
    case EXPRESSION_REGEX:
        raise_invalid_usage_of_star_or_regex(analyzer->error, "'*'", "expression");
        break;
    case EXPRESSION_PARAMETER: {
        struct bytes name = expression_parameter_of(expression)->name;
        raise_unbound_sql_parameter(
            analyzer->error, name.data != NULL ? arena_text(analyzer->arena, name)
                                               : arena_printf(analyzer->arena, "_%d", expression->node.origin.start));
        break;
    }
    case EXPRESSION_LAMBDA:
        raise_invalid_lambda_function_call_parameter_does_not_accept_lambda_function(analyzer->error);
        break;
    default:
        unsupported(analyzer, expression->node.origin, node_name(&expression->node), "");
    }
    fail_at(analyzer, &expression->node);
    return NULL;
}

static const struct expression *resolve_kind(
    struct analyzer *analyzer, const struct scope *scope, const struct expression *expression) {
    switch (expression->node.tag) {
    case EXPRESSION_LITERAL:
    case EXPRESSION_COLUMN:
    case EXPRESSION_OUTER:
        return expression;
    case EXPRESSION_ATTRIBUTE:
        return resolve_attribute(analyzer, scope, expression_attribute_of(expression), false);
    case EXPRESSION_FUNCTION: {
        const struct expression_function *function = expression_function_of(expression);
        if (bytes_equal_text(function->name, "timestamp_literal") && function->arguments.count == 1 &&
            expression_is_literal(function->arguments.items[0]))
            return timestamp_literal(analyzer, function);
        return resolve_function(analyzer, scope, function);
    }
    case EXPRESSION_CAST:
        return resolve_cast(analyzer, scope, expression_cast_of(expression));
    case EXPRESSION_ALIAS:
        return resolve_alias(analyzer, scope, expression_alias_of(expression));
    case EXPRESSION_SORT_ORDER:
        return resolve_sort_order(analyzer, scope, expression_sort_order_of(expression));
    case EXPRESSION_WINDOW:
        return resolve_window(analyzer, scope, expression_window_of(expression));
    case EXPRESSION_EXTRACT: {
        const struct expression_extract *extract = expression_extract_of(expression);
        const struct expression *child = resolve(analyzer, scope, extract->child);
        const struct expression *key = child == NULL ? NULL : resolve(analyzer, scope, extract->key);
        return key == NULL ? NULL : resolve_extract(analyzer, &expression->node, child, key);
    }
    case EXPRESSION_UPDATE_FIELDS:
        return resolve_update_fields(analyzer, scope, expression_update_fields_of(expression));
    case EXPRESSION_PYTHON_UDF:
        return resolve_python(analyzer, scope, expression_python_udf_of(expression));
    case EXPRESSION_SUBQUERY:
        if (scope->lambdas != NULL) {
            raise_unsupported_subquery_expression_category_higher_order_function(analyzer->error);
            fail_at(analyzer, &expression->node);
            return NULL;
        }
        return resolve_subquery(analyzer, scope, expression_subquery_of(expression));
    case EXPRESSION_LAMBDA_VARIABLE: {
        struct expression_attribute *attribute = expression_attribute_new(analyzer->arena);
        attribute->parts = names_make(analyzer->arena, &expression_lambda_variable_of(expression)->name, 1);
        attribute->plan_id = -1;
        attribute->base.node.origin = expression->node.origin;
        return expression->type != NULL ? expression : resolve_attribute(analyzer, scope, attribute, false);
    }
    default:
        if (expression->type != NULL)
            return expression;
        return refuse(analyzer, expression);
    }
}

const struct expression *resolve(
    struct analyzer *analyzer, const struct scope *scope, const struct expression *expression) {
    if (++analyzer->depth > PLAN_DEPTH_MAX) {
        raise_failed_to_parse_too_complex(analyzer->error);
        fail_at(analyzer, &expression->node);
        analyzer->depth--;
        return NULL;
    }
    const struct expression *resolved = resolve_kind(analyzer, scope, expression);
    analyzer->depth--;
    if (resolved != NULL && resolved->node.origin.text == NULL && expression->node.origin.text != NULL &&
        resolved != expression && resolved->node.tag != EXPRESSION_LITERAL)
        ((struct node *)(uintptr_t)&resolved->node)->origin = expression->node.origin;
    return resolved;
}

const struct expression *resolve_condition(
    struct analyzer *analyzer, const struct scope *scope, const struct expression *expression) {
    const struct expression *resolved = resolve(analyzer, scope, expression);
    if (resolved == NULL)
        return NULL;
    if (resolved->type->kind == TYPE_BOOLEAN || resolved->type->kind == TYPE_NULL)
        return cast_to(analyzer, resolved, type_simple(TYPE_BOOLEAN));
    if (resolved->type->kind == TYPE_STRING)
        return cast_to(analyzer, resolved, type_simple(TYPE_BOOLEAN));
    raise_datatype_mismatch_filter_not_boolean(analyzer->error, quote_expression(analyzer->arena, resolved),
        quote_expression(analyzer->arena, resolved), quote_type(analyzer->arena, resolved->type));
    fail_at(analyzer, &expression->node);
    return NULL;
}

/* ---- Constants ---- */

static enum walk look_for_variable(const struct node *node, void *context) {
    bool *foldable = context;
    switch (node->tag) {
    case EXPRESSION_COLUMN:
    case EXPRESSION_OUTER:
    case EXPRESSION_SUBQUERY:
    case EXPRESSION_AGGREGATE_CALL:
    case EXPRESSION_WINDOW:
    case EXPRESSION_ATTRIBUTE:
        *foldable = false;
        return WALK_ABORT;
    case EXPRESSION_CALL:
        *foldable = ((const struct expression_call *)node)->function->volatility != VOLATILITY_VOLATILE &&
                    ((const struct expression_call *)node)->function->kind == FUNCTION_SCALAR;
        return *foldable ? WALK_CONTINUE : WALK_ABORT;
    default:
        return WALK_CONTINUE;
    }
}

bool is_foldable(const struct expression *expression) {
    bool foldable = true;
    node_walk(&expression->node, look_for_variable, NULL, &foldable);
    return foldable;
}

static const struct node *remove_shown(struct arena *arena, const struct node *node, void *context) {
    if (node->tag == EXPRESSION_SHOWN)
        return remove_shown(arena, &((const struct expression_shown *)node)->child->node, context);
    return node_map(arena, node, remove_shown, context);
}

const struct expression *without_shown(struct arena *arena, const struct expression *expression) {
    return (const struct expression *)remove_shown(arena, &expression->node, NULL);
}

const struct column *constant_value(struct analyzer *analyzer, const struct expression *expression) {
    expression = expression_strip(expression);
    if (expression_is_literal(expression))
        return expression_literal_of(expression)->value;
    const struct sql_environment *environment = &analyzer->session->environment;
    const struct column *value = NULL;
    struct sql_error ignored = {.arena = analyzer->arena};
    if (!is_foldable(expression) || environment->evaluate == NULL ||
        !environment->evaluate(
            environment->context, analyzer->arena, without_shown(analyzer->arena, expression), &value, &ignored))
        return NULL;
    return value;
}

bool constant_text(struct analyzer *analyzer, const struct expression *expression, struct bytes *text) {
    const struct column *value = constant_value(analyzer, expression);
    if (value == NULL || column_is_null(value, 0) || value->type->kind != TYPE_STRING)
        return false;
    const struct string_view *view = value->values;
    *text = bytes_make(view->data != NULL ? view->data : (const uint8_t *)"", view->size);
    return true;
}

/* ---- Names of select items ---- */

const struct expression *name_expression(
    struct analyzer *analyzer, const struct expression *written, const struct expression *resolved) {
    if (resolved->node.tag == EXPRESSION_ALIAS || resolved->node.tag == EXPRESSION_COLUMN)
        return resolved;
    if (resolved->node.tag == EXPRESSION_CALL && expression_call_of(resolved)->function->id == FUNCTION_TIME_WINDOW)
        return make_alias(analyzer, resolved, BYTES("window"));
    if (resolved->node.tag == EXPRESSION_CALL && expression_call_of(resolved)->function->id == FUNCTION_SESSION_WINDOW)
        return make_alias(analyzer, resolved, BYTES("session_window"));
    if (resolved->node.tag == EXPRESSION_OUTER)
        return make_alias(analyzer, resolved, expression_column_of(expression_outer_of(resolved)->child)->name);
    /* A cast of a plain column keeps the column's name, and so does a field taken by name. */
    if (resolved->node.tag == EXPRESSION_CAST && !expression_cast_of(resolved)->implicit) {
        const struct expression *child = expression_cast_of(resolved)->child;
        if (child->node.tag == EXPRESSION_COLUMN)
            return make_alias(analyzer, resolved, expression_column_of(child)->name);
        if (child->node.tag == EXPRESSION_FIELD && written->node.tag == EXPRESSION_CAST &&
            expression_cast_of(written)->child->node.tag == EXPRESSION_ATTRIBUTE)
            return make_alias(analyzer, resolved, expression_field_of(child)->name);
    }
    if (resolved->node.tag == EXPRESSION_FIELD && written->node.tag == EXPRESSION_ATTRIBUTE)
        return make_alias(analyzer, resolved, expression_field_of(resolved)->name);
    if (written->node.tag == EXPRESSION_ATTRIBUTE) {
        struct bytes_list parts = expression_attribute_of(written)->parts;
        return make_alias(analyzer, resolved, parts.items[parts.count - 1]);
    }
    return make_alias(analyzer, resolved, bytes_from_text(pretty_name(analyzer->arena, resolved)));
}
