/* Expressions as text, by Spark's rules: operators in parentheses, casts as written by the user, string literals
 * without quotes. One walk serves two readers: column names and error messages (names only) and EXPLAIN (names with
 * ids). */
#include "sql/pretty.h"

#include <ctype.h>
#include "column/text.h"
#include "column/timezone.h"
#include "sql/function.h"

struct printer {
    struct buffer *out;
    bool plan; /* ids, small-letter casts */
};

static void print(struct printer *printer, const struct expression *expression);

static void text(struct printer *printer, const char *value) {
    buffer_append_text(printer->out, value);
}

static void upper(struct printer *printer, const char *value) {
    for (; *value != '\0'; value++)
        buffer_append_byte(printer->out, (uint8_t)toupper((unsigned char)*value));
}

static void list(struct printer *printer, struct expression_list items, size_t from, const char *separator) {
    for (size_t i = from; i < items.count; i++) {
        if (i > from)
            text(printer, separator);
        print(printer, items.items[i]);
    }
}

static void names(struct printer *printer, struct bytes_list parts) {
    for (size_t i = 0; i < parts.count; i++)
        buffer_printf(printer->out, "%s%.*s", i > 0 ? "." : "", BYTES_ARGS(parts.items[i]));
}

static void print_literal(struct printer *printer, const struct column *value) {
    if (column_is_null(value, 0)) {
        text(printer, printer->plan ? "null" : "NULL");
        return;
    }
    switch (value->type->kind) {
    case TYPE_DATE:
        text(printer, printer->plan ? "" : "DATE '");
        value_format(value, 0, timezone_utc(), printer->out);
        text(printer, printer->plan ? "" : "'");
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
        if (!printer->plan)
            text(printer, value->type->kind == TYPE_TIMESTAMP ? "TIMESTAMP '" : "TIMESTAMP_NTZ '");
        value_format(value, 0, timezone_utc(), printer->out);
        text(printer, printer->plan ? "" : "'");
        break;
    case TYPE_BINARY: {
        const struct string_view *view = value->values;
        text(printer, "X'");
        for (uint32_t i = 0; i < view->size; i++)
            buffer_printf(printer->out, "%02X", view->data[i]);
        text(printer, "'");
        break;
    }
    default:
        value_format(value, 0, timezone_utc(), printer->out);
    }
}

static void print_cast(struct printer *printer, const struct expression_cast *cast) {
    if (cast->implicit && !printer->plan) {
        print(printer, cast->child);
        return;
    }
    const char *word = cast->mode == CAST_TRY ? "TRY_CAST" : "CAST";
    text(printer, printer->plan ? (cast->mode == CAST_TRY ? "try_cast" : "cast") : word);
    text(printer, "(");
    print(printer, cast->child);
    text(printer, printer->plan ? " as " : " AS ");
    if (printer->plan)
        type_format_simple(cast->target, printer->out);
    else
        type_format_sql(cast->target, printer->out);
    text(printer, ")");
}

static void print_sort_order(struct printer *printer, const struct expression_sort_order *order) {
    print(printer, order->child);
    text(printer, order->descending ? " DESC" : " ASC");
    text(printer, order->nulls_last ? " NULLS LAST" : " NULLS FIRST");
}

static void print_case(struct printer *printer, struct expression_list items) {
    text(printer, "CASE");
    for (size_t i = 0; i + 1 < items.count; i += 2) {
        text(printer, " WHEN ");
        print(printer, items.items[i]);
        text(printer, " THEN ");
        print(printer, items.items[i + 1]);
    }
    if (items.count % 2 == 1) {
        text(printer, " ELSE ");
        print(printer, items.items[items.count - 1]);
    }
    text(printer, " END");
}

static void print_special(
    struct printer *printer, const struct function *function, struct bytes name, struct expression_list items) {
    switch (function->id) {
    case FUNCTION_CASE_WHEN:
        print_case(printer, items);
        break;
    case FUNCTION_IF:
        text(printer, "(IF(");
        list(printer, items, 0, ", ");
        text(printer, "))");
        break;
    case FUNCTION_IN:
        text(printer, "(");
        print(printer, items.items[0]);
        text(printer, " IN (");
        list(printer, items, 1, printer->plan ? "," : ", ");
        text(printer, "))");
        break;
    case FUNCTION_ARRAY_STRUCT_FIELD:
        print(printer, items.items[0]);
        buffer_printf(printer->out, ".%.*s", BYTES_ARGS(name));
        break;
    case FUNCTION_GET_ARRAY_ITEM:
    case FUNCTION_GET_MAP_VALUE:
        print(printer, items.items[0]);
        text(printer, "[");
        print(printer, items.items[1]);
        text(printer, "]");
        break;
    default: /* like, ilike */
        if (items.count < 2) {
            text(printer, function->symbol);
            break;
        }
        print(printer, items.items[0]);
        buffer_append_byte(printer->out, ' ');
        upper(printer, function->name);
        buffer_append_byte(printer->out, ' ');
        print(printer, items.items[1]);
        if (items.count > 2) {
            text(printer, " ESCAPE '");
            print(printer, items.items[2]);
            text(printer, "'");
        }
    }
}

static void print_plain_call(
    struct printer *printer, const char *name, size_t size, struct expression_list items, bool distinct) {
    buffer_append(printer->out, name, size);
    text(printer, distinct ? "(DISTINCT " : "(");
    list(printer, items, 0, ", ");
    text(printer, ")");
}

/* An operator written as one shows its symbol; written as a function under another name (mod, negative), it shows that
 * name. */
static bool shows_as_call(const struct function *function, struct bytes name) {
    if (function->display == DISPLAY_CALL || function->display == DISPLAY_SPECIAL ||
        function->display == DISPLAY_POSTFIX)
        return false;
    return name.data != NULL && name.size > 0 && isalpha(name.data[0]) &&
           !bytes_equal_ignore_case(name, bytes_from_text(function->name)) &&
           !bytes_equal_ignore_case(name, bytes_from_text(function->symbol));
}

static void print_call(struct printer *printer, const struct function *function, struct bytes name,
    struct expression_list items, bool distinct) {
    if (function->id == FUNCTION_CEIL || function->id == FUNCTION_FLOOR)
        if (items.count == 2) {
            print_plain_call(printer, function->name, strlen(function->name), items, distinct);
            return;
        }
    if (function->id == FUNCTION_RAND || function->id == FUNCTION_UNARY_PLUS)
        name = BYTES_NULL; /* these never show another name */
    bool own_name = name.data == NULL || bytes_equal_ignore_case(name, bytes_from_text(function->name)) ||
                    strcmp(function->symbol, function->name) != 0;
    if (shows_as_call(function, name)) {
        print_plain_call(printer, (const char *)name.data, name.size, items, distinct);
        return;
    }
    if (strcmp(function->family, "json") == 0 && function->kind == FUNCTION_SCALAR && items.count == 2 &&
        items.items[1]->type != NULL && items.items[1]->type->kind == TYPE_MAP)
        items.count = 1; /* options are not shown */
    switch (function->display) {
    case DISPLAY_INFIX:
        if (items.count == 2) {
            bool bare = function->id == FUNCTION_TIME_PLUS_INTERVAL || function->id == FUNCTION_TIME_MINUS_INTERVAL;
            text(printer, bare ? "" : "(");
            print(printer, items.items[0]);
            buffer_printf(printer->out, " %s ", function->symbol);
            print(printer, items.items[1]);
            text(printer, bare ? "" : ")");
            return;
        }
        break;
    case DISPLAY_PREFIX:
        if (items.count == 1) {
            bool tilde = function->id == FUNCTION_BIT_NOT;
            text(printer, tilde ? "~" : "(");
            text(printer, tilde ? "" : function->symbol);
            text(printer, tilde ? "" : " ");
            print(printer, items.items[0]);
            text(printer, tilde ? "" : ")");
            return;
        }
        break;
    case DISPLAY_POSTFIX:
        if (printer->plan)
            break;
        text(printer, "(");
        list(printer, items, 0, ", ");
        buffer_printf(printer->out, " %s)", function->symbol);
        return;
    case DISPLAY_SPECIAL:
        print_special(printer, function, name, items);
        return;
    case DISPLAY_CALL:
        break;
    }
    if (own_name && function->display == DISPLAY_CALL)
        print_plain_call(printer, function->symbol, strlen(function->symbol), items, distinct);
    else if (name.data != NULL)
        print_plain_call(printer, (const char *)name.data, name.size, items, distinct);
    else
        print_plain_call(printer, function->name, strlen(function->name), items, distinct);
}

static void print_function(struct printer *printer, const struct expression_function *function) {
    const struct function *known = function_find(function->name);
    if (known != NULL && !printer->plan && known->display != DISPLAY_SPECIAL) {
        print_call(printer, known, function->name, function->arguments, function->distinct);
        return;
    }
    if (known != NULL && known->display == DISPLAY_SPECIAL && function->arguments.count > 1) {
        print_special(printer, known, function->name, function->arguments);
        return;
    }
    text(printer, printer->plan ? "'" : "");
    print_plain_call(
        printer, (const char *)function->name.data, function->name.size, function->arguments, function->distinct);
}

static void print_aggregate(struct printer *printer, const struct expression_aggregate_call *call) {
    print_call(printer, call->function, call->name, call->arguments, call->distinct);
    if (call->order.count > 0) {
        text(printer, " WITHIN GROUP (ORDER BY ");
        list(printer, call->order, 0, ", ");
        text(printer, ")");
    }
    if (call->filter != NULL) {
        text(printer, " FILTER (WHERE ");
        print(printer, call->filter);
        text(printer, ")");
    }
}

static void print_bound(struct printer *printer, const struct expression *bound, bool lower) {
    if (bound == NULL) {
        text(printer, lower ? "UNBOUNDED PRECEDING" : "UNBOUNDED FOLLOWING");
        return;
    }
    if (bound->node.tag == EXPRESSION_CALL && expression_call_of(bound)->function->id == FUNCTION_UNARY_MINUS) {
        print(printer, expression_call_of(bound)->arguments.items[0]);
        text(printer, " PRECEDING");
        return;
    }
    struct buffer value = {0};
    struct printer inner = {&value, printer->plan};
    print(&inner, bound);
    struct bytes view = buffer_view(&value);
    if (bytes_equal_text(view, "0"))
        text(printer, "CURRENT ROW");
    else
        buffer_printf(printer->out, "%.*s FOLLOWING", BYTES_ARGS(view));
    buffer_free(&value);
}

static void print_window(struct printer *printer, const struct expression_window *window) {
    print(printer, window->function);
    text(printer, " OVER (");
    const char *space = "";
    if (window->partition.count > 0) {
        text(printer, "PARTITION BY ");
        list(printer, window->partition, 0, ", ");
        space = " ";
    }
    if (window->order.count > 0) {
        text(printer, space);
        text(printer, "ORDER BY ");
        list(printer, window->order, 0, ", ");
        space = " ";
    }
    if (window->frame != FRAME_NONE) {
        text(printer, space);
        text(printer, window->frame == FRAME_ROWS ? "ROWS BETWEEN " : "RANGE BETWEEN ");
        print_bound(printer, window->lower, true);
        text(printer, " AND ");
        print_bound(printer, window->upper, false);
    }
    text(printer, ")");
}

static void print_lambda(struct printer *printer, const struct expression_lambda *lambda) {
    text(printer, "lambdafunction(");
    print(printer, lambda->body);
    for (size_t i = 0; i < lambda->parameters.count; i++) {
        text(printer, ", ");
        print(printer, lambda->parameters.items[i]);
    }
    text(printer, ")");
}

static void print_extract(struct printer *printer, const struct expression_extract *extract) {
    print(printer, extract->child);
    if (expression_is_literal(extract->key) && extract->key->type->kind == TYPE_STRING) {
        text(printer, ".");
        print(printer, extract->key);
    } else {
        text(printer, "[");
        print(printer, extract->key);
        text(printer, "]");
    }
}

static void print_subquery(struct printer *printer, const struct expression_subquery *subquery) {
    static const char *const kinds[] = {"scalarsubquery()", "exists()", "listquery()", "table()"};
    if (subquery->kind == SUBQUERY_IN) {
        text(printer, "(");
        list(printer, subquery->values, 0, ", ");
        text(printer, " IN (");
        text(printer, kinds[subquery->kind]);
        text(printer, "))");
    } else {
        text(printer, kinds[subquery->kind]);
    }
}

static void print_column(struct printer *printer, const struct expression_column *column) {
    buffer_append_bytes(printer->out, column->name);
    if (printer->plan) {
        buffer_printf(printer->out, "#%u", column->id);
        if (column->base.type != NULL && column->base.type->kind == TYPE_LONG)
            text(printer, "L");
    }
}

static void print_alias(struct printer *printer, const struct expression_alias *alias) {
    print(printer, alias->child);
    text(printer, " AS ");
    names(printer, alias->names);
    if (printer->plan && alias->base.type != NULL)
        buffer_printf(printer->out, "#%u%s", alias->id, alias->base.type->kind == TYPE_LONG ? "L" : "");
}

static void print_rare(struct printer *printer, const struct expression *expression) {
    switch (expression->node.tag) {
    case EXPRESSION_STAR: {
        const struct expression_star *star = expression_star_of(expression);
        names(printer, star->target);
        text(printer, star->target.count > 0 ? ".*" : "*");
        break;
    }
    case EXPRESSION_NAMED_ARGUMENT:
        buffer_printf(printer->out, "%.*s => ", BYTES_ARGS(expression_named_argument_of(expression)->name));
        print(printer, expression_named_argument_of(expression)->value);
        break;
    case EXPRESSION_UPDATE_FIELDS:
        text(printer, "update_fields(");
        print(printer, expression_update_fields_of(expression)->child);
        text(printer, expression_update_fields_of(expression)->value != NULL ? ", WithField(" : ", DropField(");
        if (expression_update_fields_of(expression)->value != NULL)
            print(printer, expression_update_fields_of(expression)->value);
        buffer_printf(printer->out, "%s%.*s))", expression_update_fields_of(expression)->value != NULL ? ", " : "",
            BYTES_ARGS(expression_update_fields_of(expression)->field));
        break;
    case EXPRESSION_PYTHON_UDF:
        buffer_printf(printer->out, "%.*s(", BYTES_ARGS(expression_python_udf_of(expression)->name));
        list(printer, expression_python_udf_of(expression)->arguments, 0, ", ");
        text(printer, ")");
        break;
    case EXPRESSION_REGEX:
        buffer_append_bytes(printer->out, expression_regex_of(expression)->pattern);
        break;
    case EXPRESSION_PARAMETER: {
        struct bytes name = expression_parameter_of(expression)->name;
        buffer_printf(printer->out, "%s%.*s", name.data == NULL ? "?" : ":", BYTES_ARGS(name));
        break;
    }
    default:
        text(printer, node_name(&expression->node));
    }
}

static void print(struct printer *printer, const struct expression *expression) {
    switch (expression->node.tag) {
    case EXPRESSION_LITERAL:
        print_literal(printer, expression_literal_of(expression)->value);
        break;
    case EXPRESSION_COLUMN:
        print_column(printer, expression_column_of(expression));
        break;
    case EXPRESSION_ATTRIBUTE:
        text(printer, printer->plan ? "'" : "");
        names(printer, expression_attribute_of(expression)->parts);
        break;
    case EXPRESSION_ALIAS:
        print_alias(printer, expression_alias_of(expression));
        break;
    case EXPRESSION_CAST:
        print_cast(printer, expression_cast_of(expression));
        break;
    case EXPRESSION_CALL: {
        const struct expression_call *call = expression_call_of(expression);
        print_call(printer, call->function, call->name, call->arguments, false);
        break;
    }
    case EXPRESSION_FUNCTION:
        print_function(printer, expression_function_of(expression));
        break;
    case EXPRESSION_AGGREGATE_CALL:
        print_aggregate(printer, expression_aggregate_call_of(expression));
        break;
    case EXPRESSION_FIELD:
        print(printer, expression_field_of(expression)->child);
        buffer_printf(printer->out, ".%.*s", BYTES_ARGS(expression_field_of(expression)->name));
        break;
    case EXPRESSION_SORT_ORDER:
        print_sort_order(printer, expression_sort_order_of(expression));
        break;
    case EXPRESSION_WINDOW:
        print_window(printer, expression_window_of(expression));
        break;
    case EXPRESSION_LAMBDA:
        print_lambda(printer, expression_lambda_of(expression));
        break;
    case EXPRESSION_LAMBDA_VARIABLE:
        if (printer->plan)
            buffer_printf(printer->out, "lambda %.*s#%u", BYTES_ARGS(expression_lambda_variable_of(expression)->name),
                expression_lambda_variable_of(expression)->id);
        else
            text(printer, "namedlambdavariable()");
        break;
    case EXPRESSION_EXTRACT:
        print_extract(printer, expression_extract_of(expression));
        break;
    case EXPRESSION_SUBQUERY:
        print_subquery(printer, expression_subquery_of(expression));
        break;
    case EXPRESSION_SHOWN:
        buffer_append_bytes(printer->out, expression_shown_of(expression)->text);
        break;
    case EXPRESSION_OUTER:
        text(printer, "outer(");
        print(printer, expression_outer_of(expression)->child);
        text(printer, ")");
        break;
    default:
        print_rare(printer, expression);
    }
}

const char *pretty_name(struct arena *arena, const struct expression *expression) {
    struct buffer out = {0};
    struct printer printer = {&out, false};
    print(&printer, expression);
    const char *name = arena_text(arena, buffer_view(&out));
    buffer_free(&out);
    return name;
}

void pretty_plan(const struct expression *expression, struct buffer *out) {
    struct printer printer = {out, true};
    print(&printer, expression);
}
