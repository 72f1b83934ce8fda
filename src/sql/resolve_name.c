/* Names: columns with or without qualifier, fields of structs, lambda variables, aliases to the left, columns of the
 * enclosing query, stars. */
#include "sql/analyze.h"

#include <ctype.h>
#include <regex.h>
#include "base/vector.h"

const struct expression *column_of(struct arena *arena, const struct attribute *attribute) {
    struct expression_column *column = expression_column_new(arena);
    column->id = attribute->id;
    column->ordinal = -1;
    column->name = attribute->name;
    column->qualifier = (struct bytes_list){attribute->qualifier, attribute->qualifier_count};
    column->base.type = attribute->type;
    column->base.nullable = attribute->nullable;
    return &column->base;
}

/* ---- Suggestions ---- */

/* The five nearest names by edit distance, as Spark orders them; "" when there is no column. Qualifiers are left out
 * when all columns share them and the name has none. */
static const char *suggestions(
    struct arena *arena, const struct attribute *attributes, size_t count, struct bytes_list parts) {
    enum { SUGGESTIONS_MAX = 5, LOOKED_AT_MAX = 1000 };
    bool strip = parts.count == 1;
    for (size_t i = 1; i < count && strip; i++) {
        strip = attributes[i].qualifier_count == attributes[0].qualifier_count;
        for (size_t j = 0; strip && j < attributes[i].qualifier_count; j++)
            strip = bytes_equal_ignore_case(attributes[i].qualifier[j], attributes[0].qualifier[j]);
    }
    struct bytes wanted = bytes_from_text(quote_names(arena, parts));
    const char *texts[SUGGESTIONS_MAX];
    size_t distances[SUGGESTIONS_MAX], kept = 0;
    for (size_t i = 0; i < count && i < LOOKED_AT_MAX; i++) {
        struct bytes_list qualifier = {attributes[i].qualifier, strip ? 0 : attributes[i].qualifier_count};
        const char *text = arena_printf(arena, "%s%s%s", quote_names(arena, qualifier), qualifier.count > 0 ? "." : "",
            quote_name(arena, attributes[i].name));
        size_t steps = bytes_edit_distance(wanted, bytes_from_text(text)), place = kept;
        while (place > 0 && distances[place - 1] > steps)
            place--;
        if (place == SUGGESTIONS_MAX)
            continue;
        size_t moved = (kept < SUGGESTIONS_MAX ? kept : SUGGESTIONS_MAX - 1) - place;
        memmove(&texts[place + 1], &texts[place], moved * sizeof *texts);
        memmove(&distances[place + 1], &distances[place], moved * sizeof *distances);
        texts[place] = text;
        distances[place] = steps;
        kept += kept < SUGGESTIONS_MAX;
    }
    const char *joined = "";
    for (size_t i = 0; i < kept; i++)
        joined = arena_printf(arena, "%s%s%s", joined, i > 0 ? ", " : "", texts[i]);
    return joined;
}

static const struct expression *unresolved(
    struct analyzer *analyzer, const struct scope *scope, const struct expression_attribute *attribute) {
    const char *name = quote_names(analyzer->arena, attribute->parts);
    if (scope->count == 0)
        raise_unresolved_column_without_suggestion(analyzer->error, name);
    else
        raise_unresolved_column_with_suggestion(
            analyzer->error, name, suggestions(analyzer->arena, scope->attributes, scope->count, attribute->parts));
    fail_at(analyzer, &attribute->base.node);
    return NULL;
}

/* ---- Columns ---- */

/* Whether the last `count` parts of the attribute's qualifier are the first parts of the name. */
static bool qualifier_matches(const struct attribute *attribute, struct bytes_list parts, size_t count) {
    if (attribute->qualifier_count < count)
        return false;
    const struct bytes *qualifier = attribute->qualifier + attribute->qualifier_count - count;
    for (size_t i = 0; i < count; i++)
        if (!bytes_equal_ignore_case(qualifier[i], parts.items[i]))
            return false;
    return true;
}

static const struct expression *ambiguous(struct analyzer *analyzer, const struct expression_attribute *attribute,
    const struct attribute *const *found, size_t count) {
    const char *names = "";
    for (size_t i = 0; i < count; i++) {
        struct bytes_list qualifier = {found[i]->qualifier, found[i]->qualifier_count};
        names = arena_printf(analyzer->arena, "%s%s%s%s%s", names, i > 0 ? ", " : "",
            quote_names(analyzer->arena, qualifier), qualifier.count > 0 ? "." : "",
            quote_name(analyzer->arena, found[i]->name));
    }
    raise_ambiguous_reference(
        analyzer->error, quote_names(analyzer->arena, attribute->parts), arena_printf(analyzer->arena, "[%s]", names));
    fail_at(analyzer, &attribute->base.node);
    return NULL;
}

static const struct expression *nested_fields(struct analyzer *analyzer, const struct expression_attribute *attribute,
    const struct expression *base, size_t from) {
    for (size_t i = from; base != NULL && i < attribute->parts.count; i++)
        base = resolve_extract(
            analyzer, &attribute->base.node, base, literal_string(analyzer->arena, attribute->parts.items[i]));
    return base;
}

/* Looks the name up among attributes. *found is set when something matched, even if it turned out wrong. */
static const struct expression *among(struct analyzer *analyzer, const struct attribute *attributes, size_t count,
    const struct expression_attribute *attribute, bool *found) {
    struct bytes_list parts = attribute->parts;
    size_t most = parts.count - 1 < 3 ? parts.count - 1 : 3;
    *found = false;
    for (size_t qualified = most + 1; qualified-- > 0;) {
        VECTOR(const struct attribute *) matches = {0};
        for (size_t i = 0; i < count; i++) {
            if (!bytes_equal_ignore_case(attributes[i].name, parts.items[qualified]) ||
                (qualified == 0 && attributes[i].hidden))
                continue;
            bool known = matches.count > 0 && matches.items[0]->id == attributes[i].id;
            if (!known && qualifier_matches(&attributes[i], parts, qualified))
                VECTOR_PUSH(&matches, &attributes[i]);
        }
        const struct expression *result = NULL;
        *found = matches.count > 0;
        if (matches.count > 1)
            result = ambiguous(analyzer, attribute, matches.items, matches.count);
        else if (matches.count == 1)
            result = nested_fields(analyzer, attribute, column_of(analyzer->arena, matches.items[0]), qualified + 1);
        VECTOR_FREE(&matches);
        if (*found)
            return result;
    }
    return NULL;
}

static const struct expression *lambda_variable(
    struct analyzer *analyzer, const struct scope *scope, const struct expression_attribute *attribute) {
    for (const struct lambda_scope *frame = scope->lambdas; frame != NULL; frame = frame->next)
        for (size_t i = 0; i < frame->variables.count; i++)
            if (bytes_equal_ignore_case(
                    expression_lambda_variable_of(frame->variables.items[i])->name, attribute->parts.items[0]))
                return frame->variables.items[i];
    return NULL;
}

/* df["a"]: the column that the named DataFrame had, if it is still there. */
static const struct expression *of_dataframe(
    struct analyzer *analyzer, const struct scope *scope, const struct expression_attribute *attribute) {
    const struct expression *result = NULL;
    bool known = false, found;
    for (const struct plan_output *plan = analyzer->plan_outputs; plan != NULL; plan = plan->next) {
        if (plan->plan_id != attribute->plan_id)
            continue;
        known = true;
        const struct expression *column = among(analyzer, plan->output, plan->output_count, attribute, &found);
        if (found && column == NULL)
            return NULL;
        if (!found)
            continue;
        const struct expression *root = column;
        while (root->node.tag == EXPRESSION_FIELD)
            root = expression_field_of(root)->child;
        bool visible = root->node.tag != EXPRESSION_COLUMN;
        for (size_t i = 0; i < scope->count && !visible; i++)
            visible = scope->attributes[i].id == expression_column_of(root)->id;
        if (!visible)
            continue;
        if (result != NULL && !node_equal(&result->node, &column->node)) {
            raise_ambiguous_column_reference(analyzer->error, quote_names(analyzer->arena, attribute->parts));
            fail_at(analyzer, &attribute->base.node);
            return NULL;
        }
        result = column;
    }
    if (result != NULL)
        return result;
    /* The column went through operators that made a new one of the same name: take it by name, as Spark does. */
    result = among(analyzer, scope->attributes, scope->count, attribute, &found);
    if (found)
        return result;
    if (known)
        raise_cannot_resolve_dataframe_column(analyzer->error, quote_names(analyzer->arena, attribute->parts));
    else
        unresolved(analyzer, scope, attribute);
    fail_at(analyzer, &attribute->base.node);
    return NULL;
}

/* An alias written to the left in the same select list stands for its expression. */
static const struct expression *lateral_alias(
    struct analyzer *analyzer, const struct scope *scope, const struct expression_attribute *attribute, bool *found) {
    for (size_t i = scope->alias_count; i-- > 0;) {
        const struct expression_alias *alias = expression_alias_of(scope->aliases[i]);
        if (!bytes_equal_ignore_case(alias->names.items[0], attribute->parts.items[0]))
            continue;
        *found = true;
        return nested_fields(analyzer, attribute, alias->child, 1);
    }
    *found = false;
    return NULL;
}

static const struct expression *of_outer_query(
    struct analyzer *analyzer, const struct scope *scope, const struct expression_attribute *attribute) {
    if (scope->outer == NULL)
        return NULL;
    const struct expression *column = resolve_attribute(analyzer, scope->outer, attribute, true);
    if (column == NULL)
        return NULL;
    struct expression_outer *outer = expression_outer_new(analyzer->arena);
    outer->child = column;
    outer->base.type = column->type;
    outer->base.nullable = column->nullable;
    return &outer->base;
}

const struct expression *resolve_attribute(
    struct analyzer *analyzer, const struct scope *scope, const struct expression_attribute *attribute, bool optional) {
    bool found;
    const struct expression *variable = lambda_variable(analyzer, scope, attribute);
    if (variable != NULL)
        return nested_fields(analyzer, attribute, variable, 1);
    if (attribute->plan_id >= 0)
        return of_dataframe(analyzer, scope, attribute);
    const struct expression *result = among(analyzer, scope->attributes, scope->count, attribute, &found);
    if (found)
        return result;
    result = lateral_alias(analyzer, scope, attribute, &found);
    if (found)
        return result;
    result = of_outer_query(analyzer, scope, attribute);
    if (result != NULL || analyzer->error->condition != 0)
        return result;
    if (optional)
        return NULL;
    /* Functions that need no parentheses. */
    static const char *const words[] = {"current_date", "current_timestamp", "current_user", "user"};
    for (size_t i = 0; i < ARRAY_COUNT(words) && attribute->parts.count == 1; i++)
        if (bytes_equal_ignore_case(attribute->parts.items[0], bytes_from_text(words[i])))
            return make_call(analyzer, &attribute->base.node, words[i], 0);
    return unresolved(analyzer, scope, attribute);
}

/* ---- child.name, child[key] ---- */

static const struct expression *extract_field(
    struct analyzer *analyzer, const struct node *place, const struct expression *child, struct bytes name) {
    const struct type *type = child->type->kind == TYPE_ARRAY ? child->type->element : child->type;
    size_t matches = 0, index = 0;
    for (size_t i = 0; i < type->field_count; i++) {
        if (!bytes_equal_ignore_case(type->fields[i].name, name))
            continue;
        matches++;
        index = i;
    }
    if (matches != 1) {
        const char *fields = "";
        for (size_t i = 0; i < type->field_count; i++)
            fields = arena_printf(analyzer->arena, "%s%s%s", fields, i > 0 ? ", " : "",
                quote_name(analyzer->arena, type->fields[i].name));
        if (matches == 0)
            raise_field_not_found(analyzer->error, quote_name(analyzer->arena, name), fields);
        else
            raise_ambiguous_reference_to_fields(
                analyzer->error, quote_name(analyzer->arena, name), arena_printf(analyzer->arena, "%zu", matches));
        fail_at(analyzer, place);
        return NULL;
    }
    const struct type_field *field = &type->fields[index];
    if (child->type->kind == TYPE_ARRAY) {
        struct expression_list arguments =
            expressions_of(analyzer->arena, 2, child, literal_int(analyzer->arena, (int32_t)index));
        const struct type *result =
            type_array(analyzer->arena, field->type, child->type->contains_null || field->nullable);
        return new_call(analyzer->arena, FUNCTION_ARRAY_STRUCT_FIELD, field->name, arguments, result, child->nullable,
            analyzer->ansi);
    }
    struct expression_field *node = expression_field_new(analyzer->arena);
    node->child = child;
    node->ordinal = (int32_t)index;
    node->name = field->name;
    node->base.type = field->type;
    node->base.nullable = child->nullable || field->nullable;
    node->base.node.origin = place->origin;
    return &node->base;
}

const struct expression *resolve_extract(
    struct analyzer *analyzer, const struct node *place, const struct expression *child, const struct expression *key) {
    const struct type *type = child->type;
    bool structs = type->kind == TYPE_STRUCT ||
                   (type->kind == TYPE_ARRAY && type->element->kind == TYPE_STRUCT && key->type->kind == TYPE_STRING);
    struct bytes name;
    if (structs && constant_text(analyzer, key, &name))
        return extract_field(analyzer, place, child, name);
    if (type->kind == TYPE_STRUCT) {
        raise_invalid_extract_field_type(analyzer->error, quote_expression(analyzer->arena, key));
        fail_at(analyzer, place);
        return NULL;
    }
    if (type->kind == TYPE_ARRAY)
        return make_call(analyzer, place, "get_array_item", 2, child, key);
    if (type->kind == TYPE_MAP)
        return make_call(analyzer, place, "get_map_value", 2, child, key);
    raise_invalid_extract_base_field_type(
        analyzer->error, quote_expression(analyzer->arena, child), quote_type(analyzer->arena, type));
    fail_at(analyzer, place);
    return NULL;
}

/* ---- Stars ---- */

struct expansion {
    VECTOR(const struct expression *) items;
};

static bool excepted(const struct expression_star *star, struct bytes name) {
    for (size_t i = 0; i < star->except.count; i++)
        if (bytes_equal_ignore_case(star->except.items[i], name))
            return true;
    return false;
}

static bool star_of_struct(struct analyzer *analyzer, const struct scope *scope, const struct expression_star *star,
    struct expansion *expansion) {
    struct expression_attribute *attribute = expression_attribute_new(analyzer->arena);
    attribute->parts = star->target;
    attribute->plan_id = star->plan_id;
    attribute->base.node.origin = star->base.node.origin;
    const struct expression *base = resolve_attribute(analyzer, scope, attribute, true);
    if (base == NULL && analyzer->error->condition != 0)
        return false;
    if (base == NULL || base->type->kind != TYPE_STRUCT) {
        const char *columns = "";
        for (size_t i = 0; i < scope->count; i++)
            columns = arena_printf(analyzer->arena, "%s%s%s", columns, i > 0 ? ", " : "",
                quote_name(analyzer->arena, scope->attributes[i].name));
        raise_cannot_resolve_star_expand(analyzer->error, quote_names(analyzer->arena, star->target), columns);
        return fail_at(analyzer, &star->base.node);
    }
    for (size_t i = 0; i < base->type->field_count; i++) {
        const struct type_field *field = &base->type->fields[i];
        if (excepted(star, field->name))
            continue;
        struct expression_field *node = expression_field_new(analyzer->arena);
        node->child = base;
        node->ordinal = (int32_t)i;
        node->name = field->name;
        node->base.type = field->type;
        node->base.nullable = base->nullable || field->nullable;
        VECTOR_PUSH(&expansion->items, make_alias(analyzer, &node->base, field->name));
    }
    return true;
}

static bool expand_star(struct analyzer *analyzer, const struct scope *scope, const struct expression_star *star,
    struct expansion *expansion) {
    size_t before = expansion->items.count;
    for (size_t i = 0; i < scope->count; i++) {
        const struct attribute *attribute = &scope->attributes[i];
        if (star->target.count > 0 ? !qualifier_matches(attribute, star->target, star->target.count)
                                   : attribute->hidden)
            continue;
        if (star->plan_id >= 0) {
            bool of_plan = false;
            for (const struct plan_output *plan = analyzer->plan_outputs; plan != NULL && !of_plan; plan = plan->next)
                for (size_t j = 0; plan->plan_id == star->plan_id && j < plan->output_count && !of_plan; j++)
                    of_plan = plan->output[j].id == attribute->id;
            if (!of_plan)
                continue;
        }
        if (!excepted(star, attribute->name))
            VECTOR_PUSH(&expansion->items, column_of(analyzer->arena, attribute));
    }
    if (expansion->items.count > before || star->target.count == 0)
        return true;
    return star_of_struct(analyzer, scope, star, expansion);
}

/* Names that match the whole pattern; backquotes around it are the client's. */
static bool expand_regex(struct analyzer *analyzer, const struct scope *scope, const struct expression_regex *regex,
    struct expansion *expansion) {
    struct bytes pattern = regex->pattern;
    if (pattern.size >= 2 && pattern.data[0] == '`' && pattern.data[pattern.size - 1] == '`')
        pattern = bytes_slice(pattern, 1, pattern.size - 2);
    regex_t compiled;
    if (regcomp(&compiled, arena_printf(analyzer->arena, "^(%.*s)$", BYTES_ARGS(pattern)),
            REG_EXTENDED | REG_NOSUB | REG_ICASE) != 0) {
        raise_invalid_parameter_value_pattern(
            analyzer->error, "`pattern`", "`colRegex`", quote_text(analyzer->arena, pattern));
        return fail_at(analyzer, &regex->base.node);
    }
    for (size_t i = 0; i < scope->count; i++)
        if (regexec(&compiled, arena_text(analyzer->arena, scope->attributes[i].name), 0, NULL, 0) == 0)
            VECTOR_PUSH(&expansion->items, column_of(analyzer->arena, &scope->attributes[i]));
    regfree(&compiled);
    return true;
}

bool expand_stars(struct analyzer *analyzer, const struct scope *scope, struct expression_list list,
    struct expression_list *expanded) {
    struct expansion expansion = {0};
    bool good = true;
    for (size_t i = 0; i < list.count && good; i++) {
        if (list.items[i]->node.tag == EXPRESSION_STAR)
            good = expand_star(analyzer, scope, expression_star_of(list.items[i]), &expansion);
        else if (list.items[i]->node.tag == EXPRESSION_REGEX)
            good = expand_regex(analyzer, scope, expression_regex_of(list.items[i]), &expansion);
        else
            VECTOR_PUSH(&expansion.items, list.items[i]);
    }
    *expanded = expressions_make(analyzer->arena, expansion.items.items, expansion.items.count);
    VECTOR_FREE(&expansion.items);
    return good;
}
