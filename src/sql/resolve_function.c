/* Calls: looks the function up, resolves its arguments, casts them to what its row of the table asks for, and finds the
 * result type. The row's small language of argument types is described in schema/functions/README.md. */
#include "sql/analyze.h"

#include <ctype.h>
#include <stdarg.h>
#include "base/vector.h"
#include "sql/pretty.h"

enum { ARGUMENT_SPECS_MAX = 12, VARIABLES_MAX = 6 };

struct argument_spec {
    char name[24];
    bool optional, repeated, constant;
    const char *value; /* text of the default, ends at value_size; NULL: none */
    size_t value_size;
};
struct signature {
    struct argument_spec specs[ARGUMENT_SPECS_MAX];
    size_t count, required;
    bool open; /* the last one repeats */
};
/* Types bound to the letters of a signature. */
struct variables {
    struct {
        char letter;
        const struct type *type;
        bool null;
    } items[VARIABLES_MAX];
    size_t count;
};

static void read_signature(const char *text, struct signature *signature) {
    *signature = (struct signature){0};
    int angle = 0;
    for (const char *start = text; *start != '\0';) {
        const char *end = start;
        for (; *end != '\0' && (angle > 0 || *end != ','); end++)
            angle += *end == '<' ? 1 : *end == '>' ? -1 : 0;
        size_t size = (size_t)(end - start);
        ASSERT(signature->count < ARGUMENT_SPECS_MAX);
        struct argument_spec *spec = &signature->specs[signature->count++];
        if (*start == '=') {
            spec->constant = true;
            start++;
            size--;
        }
        if (size > 3 && memcmp(end - 3, "...", 3) == 0) {
            spec->repeated = signature->open = true;
            size -= 3;
        } else if (memchr(start, '?', size) != NULL) {
            const char *mark = memchr(start, '?', size);
            spec->optional = true;
            spec->value = mark + 1 < end ? mark + 1 : NULL;
            spec->value_size = (size_t)(end - mark - 1);
            size = (size_t)(mark - start);
        } else {
            signature->required++;
        }
        ASSERT(size < sizeof spec->name);
        memcpy(spec->name, start, size);
        for (start = end; *start == ',' || *start == ' ';)
            start++;
    }
}

static const struct argument_spec *spec_at(const struct signature *signature, size_t index) {
    return &signature->specs[index < signature->count ? index : signature->count - 1];
}

static const struct type *simple_type_named(struct arena *arena, const char *name) {
    static const struct {
        const char *name;
        enum type_kind kind;
    } names[] = {{"boolean", TYPE_BOOLEAN}, {"byte", TYPE_BYTE}, {"short", TYPE_SHORT}, {"int", TYPE_INTEGER},
        {"long", TYPE_LONG}, {"float", TYPE_FLOAT}, {"double", TYPE_DOUBLE}, {"string", TYPE_STRING},
        {"binary", TYPE_BINARY}, {"date", TYPE_DATE}, {"timestamp", TYPE_TIMESTAMP},
        {"timestamp_ntz", TYPE_TIMESTAMP_NTZ}, {"day_time", TYPE_DAY_TIME_INTERVAL},
        {"year_month", TYPE_YEAR_MONTH_INTERVAL}, {"calendar_interval", TYPE_CALENDAR_INTERVAL}, {"void", TYPE_NULL}};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (strcmp(names[i].name, name) == 0)
            return type_simple(names[i].kind);
    return strcmp(name, "decimal") == 0 ? type_decimal(arena, 38, 18) : NULL;
}

static const struct type **variable(struct variables *variables, char letter, bool **null) {
    for (size_t i = 0; i < variables->count; i++) {
        if (variables->items[i].letter == letter) {
            *null = &variables->items[i].null;
            return &variables->items[i].type;
        }
    }
    ASSERT(variables->count < VARIABLES_MAX);
    variables->items[variables->count].letter = letter;
    *null = &variables->items[variables->count].null;
    return &variables->items[variables->count++].type;
}

static bool is_letter(const char *name) {
    return isupper((unsigned char)name[0]) && name[1] == '\0';
}

static bool is_time(enum type_kind kind) {
    return kind == TYPE_DATE || kind == TYPE_TIMESTAMP || kind == TYPE_TIMESTAMP_NTZ;
}

static bool is_interval(enum type_kind kind) {
    return kind == TYPE_DAY_TIME_INTERVAL || kind == TYPE_YEAR_MONTH_INTERVAL || kind == TYPE_CALENDAR_INTERVAL;
}

/* How errors show what was wanted. */
static const char *required_text(struct arena *arena, const char *name) {
    static const struct {
        const char *name, *text;
    } texts[] = {{"numeric", "\"NUMERIC\""}, {"N", "\"NUMERIC\""}, {"integral", "\"INTEGRAL\""},
        {"text", "(\"STRING\" or \"BINARY\")"}, {"array", "\"ARRAY\""}, {"map", "\"MAP\""}, {"struct", "\"STRUCT\""},
        {"time", "(\"TIMESTAMP\" or \"TIMESTAMP_NTZ\" or \"DATE\")"},
        {"number_or_interval",
            "(\"NUMERIC\" or \"INTERVAL DAY TO SECOND\" or \"INTERVAL YEAR TO MONTH\" or \"INTERVAL\")"},
        {"lambda", "\"LAMBDA\""}, {"interval", "\"INTERVAL\""}, {"collection", "(\"ARRAY\" or \"MAP\")"}};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++)
        if (strcmp(texts[i].name, name) == 0)
            return texts[i].text;
    if (strncmp(name, "array<", 6) == 0)
        return "\"ARRAY\"";
    if (strncmp(name, "map<", 4) == 0)
        return "\"MAP\"";
    const struct type *type = simple_type_named(arena, name);
    return type == NULL ? name : quote_type(arena, type);
}

/* The class of types that name stands for: the type to cast to, or NULL when `type` does not belong to it. */
static const struct type *fit_class(struct analyzer *analyzer, const char *name, const struct type *type) {
    bool string = type->kind == TYPE_STRING, null = type->kind == TYPE_NULL;
    if (strcmp(name, "any") == 0)
        return type;
    if (strcmp(name, "numeric") == 0)
        return type_is_numeric(type) ? type : string || null ? type_simple(TYPE_DOUBLE) : NULL;
    if (strcmp(name, "integral") == 0)
        return type_is_integral(type) ? type : string || null ? type_simple(TYPE_INTEGER) : NULL;
    if (strcmp(name, "number_or_interval") == 0)
        return type_is_numeric(type) || is_interval(type->kind) ? type
               : string || null                                 ? type_simple(TYPE_DOUBLE)
                                                                : NULL;
    if (strcmp(name, "interval") == 0)
        return is_interval(type->kind) ? type : NULL;
    if (strcmp(name, "text") == 0)
        return string                                                               ? type_simple(TYPE_STRING)
               : type->kind == TYPE_BINARY                                          ? type
               : null || casts_implicitly(analyzer, type, type_simple(TYPE_STRING)) ? type_simple(TYPE_STRING)
                                                                                    : NULL;
    if (strcmp(name, "time") == 0)
        return is_time(type->kind) ? type : string || null ? type_simple(TYPE_TIMESTAMP) : NULL;
    if (strcmp(name, "array") == 0)
        return type->kind == TYPE_ARRAY || null ? type : NULL;
    if (strcmp(name, "map") == 0)
        return type->kind == TYPE_MAP || null ? type : NULL;
    if (strcmp(name, "struct") == 0)
        return type->kind == TYPE_STRUCT || null ? type : NULL;
    if (strcmp(name, "collection") == 0)
        return type->kind == TYPE_ARRAY || type->kind == TYPE_MAP || null ? type : NULL;
    const struct type *simple = simple_type_named(analyzer->arena, name);
    if (simple == NULL)
        return NULL;
    if (simple->kind == TYPE_DECIMAL && type->kind != TYPE_STRING && type_is_numeric(type))
        return type->kind == TYPE_DECIMAL ? type : decimal_of_type(analyzer->arena, type);
    if (simple->kind == type->kind)
        return without_length(type);
    return casts_implicitly(analyzer, type, simple) ? simple : NULL;
}

static bool bind_letter(
    struct analyzer *analyzer, struct variables *variables, char letter, const struct type *type, bool null) {
    bool *nulls;
    const struct type **bound = variable(variables, letter, &nulls);
    *nulls |= null;
    if (letter == 'N' && type->kind == TYPE_STRING)
        type = type_simple(TYPE_DOUBLE);
    if (letter == 'N' && !type_is_numeric(type) && type->kind != TYPE_NULL)
        return false;
    *bound = *bound == NULL ? without_length(type) : common_type(analyzer, *bound, type);
    return *bound != NULL;
}

/* First pass: letters take the common type of everything that stands at them. */
static bool bind_spec(
    struct analyzer *analyzer, struct variables *variables, const char *name, const struct expression *argument) {
    const struct type *type = argument->type;
    if (is_letter(name))
        return bind_letter(analyzer, variables, name[0], type, argument->nullable);
    if (strncmp(name, "array<", 6) == 0) {
        if (type->kind == TYPE_NULL)
            return true;
        if (type->kind != TYPE_ARRAY)
            return false;
        return name[7] != '>' || bind_letter(analyzer, variables, name[6], type->element, type->contains_null);
    }
    if (strncmp(name, "map<", 4) == 0) {
        if (type->kind == TYPE_NULL)
            return true;
        return type->kind == TYPE_MAP && bind_letter(analyzer, variables, name[4], type->key, false) &&
               bind_letter(analyzer, variables, name[6], type->element, type->contains_null);
    }
    return fit_class(analyzer, name, type) != NULL;
}

/* Second pass and results: the type that a spec stands for at this point. */
static const struct type *spec_type(
    struct analyzer *analyzer, struct variables *variables, const char *name, const struct type *given) {
    bool *null;
    if (is_letter(name))
        return *variable(variables, name[0], &null);
    if (strncmp(name, "array<", 6) == 0) {
        if (name[7] == '>') {
            const struct type *element = *variable(variables, name[6], &null);
            return element == NULL ? given
                                   : type_array(analyzer->arena, element,
                                         given != NULL && given->kind == TYPE_ARRAY ? given->contains_null : *null);
        }
        char inner[24] = {0};
        memcpy(inner, name + 6, strlen(name) - 7);
        return type_array(analyzer->arena, simple_type_named(analyzer->arena, inner),
            given != NULL && given->kind == TYPE_ARRAY ? given->contains_null : false);
    }
    if (strncmp(name, "map<", 4) == 0) {
        const struct type *key = *variable(variables, name[4], &null), *value = *variable(variables, name[6], &null);
        return key == NULL || value == NULL
                   ? given
                   : type_map(analyzer->arena, key, value,
                         given != NULL && given->kind == TYPE_MAP ? given->contains_null : *null);
    }
    return fit_class(analyzer, name, given);
}

bool wrong_count(struct resolution *resolution, const char *expected) {
    struct arena *arena = resolution->analyzer->arena;
    raise_wrong_num_args_without_suggestion(resolution->analyzer->error,
        arena_printf(arena, "`%s`", resolution->function->name), expected,
        arena_printf(arena, "%zu", resolution->count), "https://spark.apache.org/docs/latest");
    return fail_at(resolution->analyzer, resolution->place);
}

/* The call with its arguments as far as they are resolved, quoted. */
const char *call_text(struct resolution *resolution) {
    struct arena *arena = resolution->analyzer->arena;
    struct expression_list arguments = expressions_make(arena, resolution->arguments, resolution->count);
    struct bytes name = resolution->source != NULL ? resolution->source->name : BYTES_NULL;
    return quote_expression(arena, new_call(arena, (enum function_id)resolution->function->id, name, arguments,
                                       type_simple(TYPE_NULL), true, false));
}

bool wrong_type(struct resolution *resolution, size_t index, const char *required) {
    static const char *const ordinals[] = {
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"};
    struct arena *arena = resolution->analyzer->arena;
    const struct expression *argument = resolution->arguments[index];
    raise_datatype_mismatch_unexpected_input_type(resolution->analyzer->error, call_text(resolution),
        index < ARRAY_COUNT(ordinals) ? ordinals[index] : arena_printf(arena, "%zuth", index + 1), required,
        quote_expression(arena, argument), argument->type != NULL ? quote_type(arena, argument->type) : "\"LAMBDA\"");
    return fail_at(resolution->analyzer, resolution->place);
}

static bool different_types(struct resolution *resolution) {
    struct arena *arena = resolution->analyzer->arena;
    const char *types = resolution->count == 2 ? "(" : "(";
    for (size_t i = 0; i < resolution->count; i++)
        types = arena_printf(
            arena, "%s%s%s", types, i > 0 ? " or " : "", quote_type(arena, resolution->arguments[i]->type));
    raise_datatype_mismatch_data_diff_types(resolution->analyzer->error, call_text(resolution),
        arena_printf(arena, "`%s`", resolution->function->name), arena_printf(arena, "%s)", types));
    return fail_at(resolution->analyzer, resolution->place);
}

static const char *expected_count(struct arena *arena, const struct signature *signature) {
    if (signature->open)
        return arena_printf(arena, "> %d", (int)signature->required - 1);
    if (signature->required == signature->count)
        return arena_printf(arena, "%zu", signature->count);
    const char *text = "[";
    for (size_t i = signature->required; i <= signature->count; i++)
        text = arena_printf(arena, "%s%s%zu", text, i > signature->required ? ", " : "", i);
    return arena_printf(arena, "%s]", text);
}

static bool check_constant(struct resolution *resolution, const struct argument_spec *spec, size_t index) {
    struct arena *arena = resolution->analyzer->arena;
    if (!spec->constant || is_foldable(resolution->arguments[index]))
        return true;
    raise_datatype_mismatch_non_foldable_input(resolution->analyzer->error, call_text(resolution),
        arena_printf(arena, "`%s`", spec->name), required_text(arena, spec->name),
        quote_expression(arena, resolution->arguments[index]));
    return fail_at(resolution->analyzer, resolution->place);
}

static const struct type *result_type(struct resolution *resolution, struct variables *variables) {
    const char *result = resolution->function->result;
    struct analyzer *analyzer = resolution->analyzer;
    if (result[0] == '$')
        return resolution->arguments[result[1] - '1']->type;
    if (strcmp(result, "element") == 0)
        return resolution->arguments[0]->type->element != NULL ? resolution->arguments[0]->type->element
                                                               : type_simple(TYPE_NULL);
    const struct type *simple = simple_type_named(analyzer->arena, result);
    if (simple != NULL)
        return simple;
    bool letters = false;
    for (const char *next = result; *next != '\0'; next++) {
        if (!isupper((unsigned char)*next))
            continue;
        bool *null;
        const struct type **bound = variable(variables, *next, &null);
        *bound = *bound == NULL ? type_simple(TYPE_NULL) : *bound; /* array(): nothing said what it holds */
        letters = true;
    }
    if (letters || strcmp(result, "array<string>") == 0)
        return spec_type(analyzer, variables, result, NULL);
    char *name = arena_strdup(analyzer->arena, result);
    for (char *next = name; *next != '\0'; next++)
        *next = *next == '_' ? ' ' : *next;
    struct error cause = {0};
    const struct type *type = type_parse_name(analyzer->arena, bytes_from_text(name), &cause);
    ASSERT(type != NULL);
    return type;
}

/* Optional arguments that are left out, as far as they have a default: 'text', number, true. */
static void fill_defaults(struct resolution *resolution, const struct signature *signature) {
    struct arena *arena = resolution->analyzer->arena;
    const struct expression **arguments =
        arena_allocate(arena, (signature->count + resolution->count + 4) * sizeof *arguments);
    for (size_t i = 0; i < resolution->count; i++)
        arguments[i] = resolution->arguments[i];
    for (size_t i = resolution->count; i < signature->count && signature->specs[i].value != NULL; i++) {
        struct bytes value = bytes_make(signature->specs[i].value, signature->specs[i].value_size);
        int64_t number;
        if (value.data[0] == '\'')
            arguments[i] = literal_string(arena, bytes_slice(value, 1, value.size - 2));
        else if (bytes_to_int64(value, &number))
            arguments[i] = literal_int(arena, (int32_t)number);
        else if (bytes_equal_text(value, "null"))
            arguments[i] = literal_null(arena, type_simple(TYPE_NULL));
        else
            arguments[i] = literal_boolean(arena, bytes_equal_text(value, "true"));
        resolution->count = i + 1;
    }
    resolution->arguments = arguments;
}

/* The table's own rules. */
static bool resolve_by_table(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    struct signature signature;
    struct variables variables = {0};
    read_signature(resolution->function->arguments, &signature);
    if (resolution->count < signature.required || (!signature.open && resolution->count > signature.count))
        return wrong_count(resolution, expected_count(analyzer->arena, &signature));
    if (!signature.open)
        fill_defaults(resolution, &signature);
    for (size_t i = 0; i < resolution->count; i++) {
        const struct argument_spec *spec = spec_at(&signature, i);
        if (!bind_spec(analyzer, &variables, spec->name, resolution->arguments[i]))
            return is_letter(spec->name) && spec->name[0] != 'N'
                       ? different_types(resolution)
                       : wrong_type(resolution, i, required_text(analyzer->arena, spec->name));
        if (!check_constant(resolution, spec, i))
            return false;
    }
    for (size_t i = 0; i < resolution->count; i++) {
        const struct type *type =
            spec_type(analyzer, &variables, spec_at(&signature, i)->name, resolution->arguments[i]->type);
        ASSERT(type != NULL);
        if (!type_equal_ignoring_nullability(type, resolution->arguments[i]->type))
            resolution->arguments[i] = cast_to(analyzer, resolution->arguments[i], type);
    }
    if (strcmp(resolution->function->result, "custom") != 0)
        resolution->type = result_type(resolution, &variables);
    return true;
}

static bool nullable_by_rule(const struct resolution *resolution) {
    if (resolution->nullable_set)
        return resolution->nullable;
    switch (resolution->function->nulls) {
    case NULLS_NEVER:
        return false;
    case NULLS_STRICT:
        for (size_t i = 0; i < resolution->count; i++)
            if (resolution->arguments[i]->nullable)
                return true;
        return false;
    case NULLS_CUSTOM:
        if (resolution->function->id == FUNCTION_AND || resolution->function->id == FUNCTION_OR ||
            resolution->function->id == FUNCTION_IF)
            for (size_t i = resolution->function->id == FUNCTION_IF; i < resolution->count; i++)
                if (resolution->arguments[i]->nullable)
                    return true;
        if (resolution->function->id == FUNCTION_COALESCE) {
            for (size_t i = 0; i < resolution->count; i++)
                if (!resolution->arguments[i]->nullable)
                    return false;
            return true;
        }
        return resolution->function->id != FUNCTION_AND && resolution->function->id != FUNCTION_OR &&
               resolution->function->id != FUNCTION_IF;
    default:
        return true;
    }
}

const struct expression *new_call(struct arena *arena, enum function_id id, struct bytes name,
    struct expression_list arguments, const struct type *type, bool nullable, bool ansi) {
    struct expression_call *call = expression_call_new(arena);
    call->function = function_get(id);
    call->name = name;
    call->arguments = arguments;
    call->ansi = ansi;
    call->base.type = type;
    call->base.nullable = nullable;
    return &call->base;
}

static struct bytes lower_name(struct arena *arena, struct bytes name) {
    char *copy = arena_text(arena, name);
    for (size_t i = 0; i < name.size; i++)
        copy[i] = (char)tolower((unsigned char)copy[i]);
    return bytes_make(copy, name.size);
}

static struct bytes last_part(struct bytes name) {
    size_t dot = SIZE_MAX, next = 0;
    while ((next = bytes_find(name, '.', next)) != SIZE_MAX)
        dot = next++;
    return dot == SIZE_MAX || name.size == 1 ? name : bytes_slice(name, dot + 1, name.size - dot - 1);
}

static const struct expression *aggregate_call(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    const struct expression_function *source = resolution->source;
    struct expression_aggregate_call *call = expression_aggregate_call_new(analyzer->arena);
    call->function = resolution->function;
    call->arguments = expressions_make(analyzer->arena, resolution->arguments, resolution->count);
    call->ansi = analyzer->ansi;
    call->base.type = resolution->type;
    call->base.nullable = nullable_by_rule(resolution) && resolution->function->nulls != NULLS_NEVER;
    int id = call->function->id;
    if ((id == FUNCTION_FIRST || id == FUNCTION_LAST || id == FUNCTION_ANY_VALUE) && resolution->count == 2) {
        /* first(x, true) is first(x) IGNORE NULLS, and is shown as first(x). */
        const struct column *flag = constant_value(analyzer, resolution->arguments[1]);
        call->ignore_nulls = flag != NULL && !column_is_null(flag, 0) && *(const uint8_t *)flag->values;
        call->arguments.count = 1;
    }
    if (source != NULL) {
        call->name = lower_name(analyzer->arena, source->name);
        call->distinct = source->distinct;
        call->ignore_nulls |= source->ignore_nulls;
        if (source->filter != NULL &&
            (call->filter = resolve_condition(analyzer, resolution->scope, source->filter)) == NULL)
            return NULL;
        const struct expression **order = arena_allocate(analyzer->arena, source->order.count * sizeof *order);
        for (size_t i = 0; i < source->order.count; i++)
            if ((order[i] = resolve(analyzer, resolution->scope, source->order.items[i])) == NULL)
                return NULL;
        call->order = (struct expression_list){order, source->order.count};
    }
    call->base.node.origin = resolution->place->origin;
    return &call->base;
}

/* Calls that names show as written although the engine runs something else. */
static bool shows_itself(const struct resolution *resolution) {
    int id = resolution->function->id;
    bool operator= strcmp(resolution->function->family, "operator") == 0;
    return resolution->source != NULL &&
           !operator&& id != FUNCTION_GROUPING && id != FUNCTION_GROUPING_ID && id != FUNCTION_CURDATE &&
                   strncmp(resolution->function->name, "try_", 4) *
                   (id != FUNCTION_TRY_TO_DATE && id != FUNCTION_TRY_TO_TIMESTAMP) !=
               0 &&
           !(resolution->replaced->node.tag == EXPRESSION_CAST && expression_cast_of(resolution->replaced)->implicit &&
               resolution->function->kind == FUNCTION_REWRITTEN);
}

static const struct expression *shown(struct resolution *resolution) {
    struct arena *arena = resolution->analyzer->arena;
    struct expression_shown *node = expression_shown_new(arena);
    bool from = resolution->function->id == FUNCTION_EXTRACT || resolution->function->id == FUNCTION_DATEPART;
    struct bytes name = resolution->written_name;
    const char *text = arena_printf(arena, "%.*s(", BYTES_ARGS(name));
    for (size_t i = 0; i < resolution->written_count; i++)
        text = arena_printf(arena, "%s%s%s", text,
            i == 0 ? ""
            : from ? " FROM "
                   : ", ",
            pretty_name(arena, resolution->written[i]));
    node->child = resolution->replaced;
    node->text = bytes_from_text(arena_printf(arena, "%s)", text));
    node->base.type = node->child->type;
    node->base.nullable = node->child->nullable;
    node->base.node.origin = resolution->place->origin;
    return &node->base;
}

static const struct expression *finish_call(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    resolver *own = resolver_of(resolution->function->id);
    resolution->written = expressions_make(analyzer->arena, resolution->arguments, resolution->count).items;
    resolution->written_count = resolution->count;
    if (resolution->source != NULL)
        resolution->written_name = strcmp(resolution->function->symbol, resolution->function->name) != 0
                                       ? bytes_from_text(resolution->function->symbol)
                                       : lower_name(analyzer->arena, last_part(resolution->source->name));
    bool custom = strcmp(resolution->function->arguments, "custom") == 0;
    if (!custom && !resolve_by_table(resolution))
        return NULL;
    ASSERT(own != NULL || !custom);
    if (own != NULL && !own(resolution)) {
        ASSERT(analyzer->error->condition != 0);
        fail_at(analyzer, resolution->place);
        return NULL;
    }
    if (resolution->replaced != NULL)
        return shows_itself(resolution) ? shown(resolution) : resolution->replaced;
    ASSERT(resolution->type != NULL);
    if (resolution->function->kind == FUNCTION_AGGREGATE)
        return aggregate_call(resolution);
    struct expression_call *call = expression_call_new(analyzer->arena);
    call->function = resolution->function;
    call->name = resolution->source != NULL ? lower_name(analyzer->arena, resolution->source->name) : BYTES_NULL;
    call->arguments = expressions_make(analyzer->arena, resolution->arguments, resolution->count);
    call->try = strncmp(resolution->function->name, "try_", 4) == 0;
    call->ansi = analyzer->ansi && !call->try;
    call->extra = resolution->extra;
    call->base.type = resolution->type;
    call->base.nullable = nullable_by_rule(resolution);
    call->base.node.origin = resolution->place->origin;
    return &call->base;
}

const struct expression *make_call_list(
    struct analyzer *analyzer, const struct node *place, struct bytes name, struct expression_list arguments) {
    const struct function *function = function_find(name);
    ASSERT(function != NULL);
    struct resolution resolution = {
        .analyzer = analyzer, .function = function, .place = place, .count = arguments.count};
    resolution.arguments = expressions_make(analyzer->arena, arguments.items, arguments.count).items;
    return finish_call(&resolution);
}

const struct expression *make_call(
    struct analyzer *analyzer, const struct node *place, const char *name, size_t count, ...) {
    const struct expression *items[8];
    ASSERT(count <= ARRAY_COUNT(items));
    va_list arguments;
    va_start(arguments, count);
    for (size_t i = 0; i < count; i++)
        items[i] = va_arg(arguments, const struct expression *);
    va_end(arguments);
    return make_call_list(analyzer, place, bytes_from_text(name), (struct expression_list){items, count});
}

bool resolve_lambda(struct resolution *resolution, size_t index, const struct type *const *types, const bool *nullable,
    size_t minimum, size_t maximum) {
    struct analyzer *analyzer = resolution->analyzer;
    const struct expression *written = resolution->arguments[index];
    if (written->node.tag != EXPRESSION_LAMBDA) {
        return wrong_type(resolution, index, "\"LAMBDA\"");
    }
    const struct expression_lambda *lambda = expression_lambda_of(written);
    size_t count = lambda->parameters.count;
    if (count < minimum || count > maximum) {
        raise_invalid_lambda_function_call_num_args_mismatch(analyzer->error,
            arena_printf(analyzer->arena, "%zu", count), arena_printf(analyzer->arena, "%zu", maximum));
        return fail_at(analyzer, &written->node);
    }
    const struct expression **variables = arena_allocate(analyzer->arena, count * sizeof *variables);
    for (size_t i = 0; i < count; i++) {
        struct expression_lambda_variable *copy = expression_lambda_variable_new(analyzer->arena);
        copy->name = expression_lambda_variable_of(lambda->parameters.items[i])->name;
        copy->id = analyzer_new_id(analyzer);
        copy->base.type = types[i];
        copy->base.nullable = nullable[i];
        variables[i] = &copy->base;
    }
    struct lambda_scope frame = {resolution->scope != NULL ? resolution->scope->lambdas : NULL, {variables, count}};
    struct scope scope = resolution->scope != NULL ? *resolution->scope : (struct scope){0};
    scope.lambdas = &frame;
    struct expression_lambda *resolved = expression_lambda_new(analyzer->arena);
    resolved->parameters = frame.variables;
    resolved->body = resolve(analyzer, &scope, lambda->body);
    if (resolved->body == NULL)
        return false;
    resolved->base.type = resolved->body->type;
    resolved->base.nullable = resolved->body->nullable;
    resolved->base.node.origin = written->node.origin;
    resolution->arguments[index] = &resolved->base;
    return true;
}

/* count(*) → count(1); other stars among arguments stand for their columns. */
static bool expand_arguments(struct analyzer *analyzer, const struct scope *scope,
    const struct expression_function *source, const struct function *function, struct expression_list *arguments) {
    *arguments = source->arguments;
    if (function->id == FUNCTION_COUNT && arguments->count == 1 && arguments->items[0]->node.tag == EXPRESSION_STAR &&
        !source->distinct && expression_star_of(arguments->items[0])->target.count == 0) {
        *arguments = expressions_of(analyzer->arena, 1, literal_int(analyzer->arena, 1));
        return true;
    }
    for (size_t i = 0; i < arguments->count; i++)
        if (arguments->items[i]->node.tag == EXPRESSION_STAR || arguments->items[i]->node.tag == EXPRESSION_REGEX)
            return expand_stars(analyzer, scope, *arguments, arguments);
    return true;
}

static bool named_arguments_refused(struct analyzer *analyzer, const struct expression_function *source) {
    for (size_t i = 0; i < source->arguments.count; i++) {
        if (source->arguments.items[i]->node.tag != EXPRESSION_NAMED_ARGUMENT)
            continue;
        raise_named_parameters_not_supported(analyzer->error, quote_name(analyzer->arena, source->name));
        fail_at(analyzer, &source->base.node);
        return true;
    }
    return false;
}

/* The first place where the function takes a lambda; SIZE_MAX for functions that take none. */
static size_t first_lambda(int id) {
    switch (id) {
    case FUNCTION_ARRAY_SORT:
    case FUNCTION_EXISTS:
    case FUNCTION_FILTER:
    case FUNCTION_FORALL:
    case FUNCTION_TRANSFORM:
    case FUNCTION_TRANSFORM_KEYS:
    case FUNCTION_TRANSFORM_VALUES:
    case FUNCTION_MAP_FILTER:
        return 1;
    case FUNCTION_AGGREGATE_LAMBDA:
    case FUNCTION_ZIP_WITH:
    case FUNCTION_MAP_ZIP_WITH:
        return 2;
    default:
        return SIZE_MAX;
    }
}

const struct expression *resolve_function(
    struct analyzer *analyzer, const struct scope *scope, const struct expression_function *source) {
    const struct sql_environment *environment = sql_session_environment(analyzer->session);
    const struct expression_python_udf *registered =
        environment->find_function == NULL
            ? NULL
            : environment->find_function(environment->context, analyzer->arena, source->name);
    if (registered != NULL) {
        struct expression_python_udf *call =
            (struct expression_python_udf *)node_clone(analyzer->arena, &registered->base.node);
        call->arguments = source->arguments;
        call->base.node.origin = source->base.node.origin;
        return resolve(analyzer, scope, &call->base);
    }
    const struct function *function = function_find(last_part(source->name));
    if (function == NULL || function->kind == FUNCTION_TABLE) {
        raise_unresolved_routine(analyzer->error, quote_name(analyzer->arena, source->name), SQL_SEARCH_PATH);
        fail_at(analyzer, &source->base.node);
        return NULL;
    }
    struct expression_list written;
    if (named_arguments_refused(analyzer, source) || !expand_arguments(analyzer, scope, source, function, &written))
        return NULL;
    if (function->kind == FUNCTION_AGGREGATE && scope->in_aggregate) {
        raise_nested_aggregate_function(analyzer->error);
        fail_at(analyzer, &source->base.node);
        return NULL;
    }
    struct scope inner = *scope;
    inner.in_aggregate = scope->in_aggregate || (function->kind == FUNCTION_AGGREGATE && !scope->in_window);
    inner.in_window = false;
    struct resolution resolution = {.analyzer = analyzer,
        .scope = &inner,
        .function = function,
        .source = source,
        .place = &source->base.node,
        .count = written.count};
    resolution.arguments = arena_allocate(analyzer->arena, (written.count + 4) * sizeof *resolution.arguments);
    for (size_t i = 0; i < written.count; i++) {
        bool lambda = written.items[i]->node.tag == EXPRESSION_LAMBDA;
        resolution.arguments[i] = lambda ? written.items[i] : resolve(analyzer, &inner, written.items[i]);
        if (resolution.arguments[i] == NULL)
            return NULL;
        if (lambda && i < first_lambda(function->id)) {
            raise_invalid_lambda_function_call_non_higher_order_function(analyzer->error, function->name);
            fail_at(analyzer, &written.items[i]->node);
            return NULL;
        }
    }
    return finish_call(&resolution);
}
