/* Arrays, maps, structs and functions with lambdas; generators, whose type is the STRUCT of the columns they give. */
#include "sql/analyze.h"

#include "sql/pretty.h"

static const struct type *argument_type(const struct resolution *resolution, size_t index) {
    return resolution->arguments[index]->type;
}

static bool is_kind(struct resolution *resolution, size_t index, enum type_kind kind, const char *required) {
    return argument_type(resolution, index)->kind == kind || wrong_type(resolution, index, required);
}

/* A lambda written as such is not resolved yet and has no type. */
static bool is_lambda(const struct resolution *resolution, size_t index) {
    return index < resolution->count && resolution->arguments[index]->node.tag == EXPRESSION_LAMBDA;
}

bool resolve_array_grown(struct resolution *resolution) {
    const struct expression *element = resolution->arguments[resolution->count - 1];
    const struct type *array = argument_type(resolution, 0);
    resolution->type = type_array(resolution->analyzer->arena, array->element,
        array->contains_null || element->nullable || resolution->function->id == FUNCTION_ARRAY_INSERT);
    return true;
}

bool resolve_array_repeat(struct resolution *resolution) {
    resolution->type =
        type_array(resolution->analyzer->arena, argument_type(resolution, 0), resolution->arguments[0]->nullable);
    return true;
}

bool resolve_arrays_zip(struct resolution *resolution) {
    struct arena *arena = resolution->analyzer->arena;
    struct type_field *fields = ARENA_ARRAY(arena, struct type_field, resolution->count);
    for (size_t i = 0; i < resolution->count; i++) {
        if (!is_kind(resolution, i, TYPE_ARRAY, "\"ARRAY\""))
            return false;
        const struct expression *argument = resolution->arguments[i];
        struct bytes name = argument->node.tag == EXPRESSION_COLUMN  ? expression_column_of(argument)->name
                            : argument->node.tag == EXPRESSION_FIELD ? expression_field_of(argument)->name
                                                                     : bytes_from_text(arena_printf(arena, "%zu", i));
        fields[i] = (struct type_field){.name = name, .type = argument->type->element, .nullable = true};
    }
    resolution->type = type_array(arena, type_struct(arena, fields, resolution->count), false);
    return true;
}

bool resolve_element_at(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    if (resolution->count != 2)
        return wrong_count(resolution, "2");
    const struct type *type = argument_type(resolution, 0);
    if (type->kind == TYPE_ARRAY) {
        if (!type_is_integral(argument_type(resolution, 1)))
            return wrong_type(resolution, 1, "\"INT\"");
        resolution->arguments[1] = cast_to(analyzer, resolution->arguments[1], type_simple(TYPE_INTEGER));
    } else if (type->kind == TYPE_MAP) {
        const struct type *key = common_type(analyzer, type->key, argument_type(resolution, 1));
        if (key == NULL || !type_equal_ignoring_nullability(key, type->key))
            return wrong_type(resolution, 1, quote_type(analyzer->arena, type->key));
        resolution->arguments[1] = cast_to(analyzer, resolution->arguments[1], type->key);
    } else {
        return wrong_type(resolution, 0, "(\"ARRAY\" or \"MAP\")");
    }
    resolution->type = type->element;
    return true;
}

bool resolve_get_map_value(struct resolution *resolution) {
    if (!is_kind(resolution, 0, TYPE_MAP, "\"MAP\""))
        return false;
    return resolve_element_at(resolution);
}

/* ---- Lambdas ---- */

bool resolve_array_sort(struct resolution *resolution) {
    if (resolution->count < 1 || resolution->count > 2)
        return wrong_count(resolution, "[1, 2]");
    if (!is_kind(resolution, 0, TYPE_ARRAY, "\"ARRAY\""))
        return false;
    const struct type *array = argument_type(resolution, 0);
    const struct type *types[2] = {array->element, array->element};
    bool nullable[2] = {array->contains_null, array->contains_null};
    resolution->type = array;
    return resolution->count == 1 || resolve_lambda(resolution, 1, types, nullable, 2, 2);
}

/* exists, filter, forall, transform over an array; the lambda may take the position too. */
bool resolve_array_lambda(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    if (resolution->count != 2)
        return wrong_count(resolution, "2");
    if (is_lambda(resolution, 0) || !is_kind(resolution, 0, TYPE_ARRAY, "\"ARRAY\""))
        return false;
    const struct type *array = argument_type(resolution, 0);
    const struct type *types[2] = {array->element, type_simple(TYPE_INTEGER)};
    bool nullable[2] = {array->contains_null, false};
    int id = resolution->function->id;
    bool indexed = id == FUNCTION_TRANSFORM || id == FUNCTION_FILTER;
    if (!resolve_lambda(resolution, 1, types, nullable, 1, indexed ? 2 : 1))
        return false;
    const struct expression *body = resolution->arguments[1];
    if (id == FUNCTION_TRANSFORM) {
        resolution->type = type_array(analyzer->arena, body->type, body->nullable);
        return true;
    }
    if (body->type->kind != TYPE_BOOLEAN)
        return wrong_type(resolution, 1, "\"BOOLEAN\"");
    resolution->type = id == FUNCTION_FILTER ? array : type_simple(TYPE_BOOLEAN);
    return true;
}

static struct expression *with_body(
    struct analyzer *analyzer, const struct expression *lambda, const struct expression *body) {
    struct expression_lambda *copy = (struct expression_lambda *)node_clone(analyzer->arena, &lambda->node);
    copy->body = body;
    copy->base.type = body->type;
    copy->base.nullable = body->nullable;
    return &copy->base;
}

bool resolve_reduce(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    if (resolution->count < 3 || resolution->count > 4)
        return wrong_count(resolution, "[3, 4]");
    if (!is_kind(resolution, 0, TYPE_ARRAY, "\"ARRAY\""))
        return false;
    const struct expression *written = resolution->arguments[2];
    const struct type *array = argument_type(resolution, 0);
    const struct type *types[2] = {argument_type(resolution, 1), array->element};
    bool nullable[2] = {true, array->contains_null};
    if (!resolve_lambda(resolution, 2, types, nullable, 2, 2))
        return false;
    const struct type *result = argument_type(resolution, 2);
    if (!type_equal_ignoring_nullability(result, types[0])) {
        /* A literal start of a narrower type takes the type of the merge. */
        const struct type *common = common_type(analyzer, types[0], result);
        if (common == NULL || !expression_is_literal(resolution->arguments[1]))
            common = types[0];
        resolution->arguments[1] = cast_to(analyzer, resolution->arguments[1], common);
        resolution->arguments[2] = written;
        types[0] = common;
        if (!resolve_lambda(resolution, 2, types, nullable, 2, 2))
            return false;
        if (!casts_implicitly(analyzer, argument_type(resolution, 2), common))
            return wrong_type(resolution, 2, quote_type(analyzer->arena, common));
        const struct expression *body = expression_lambda_of(resolution->arguments[2])->body;
        resolution->arguments[2] = with_body(analyzer, resolution->arguments[2], cast_to(analyzer, body, common));
    }
    if (resolution->count == 4 && !resolve_lambda(resolution, 3, types, nullable, 1, 1))
        return false;
    resolution->type = argument_type(resolution, resolution->count - 1);
    return true;
}

/* transform_keys, transform_values, map_filter */
bool resolve_map_lambda(struct resolution *resolution) {
    struct arena *arena = resolution->analyzer->arena;
    if (resolution->count != 2)
        return wrong_count(resolution, "2");
    if (!is_kind(resolution, 0, TYPE_MAP, "\"MAP\""))
        return false;
    const struct type *map = argument_type(resolution, 0);
    const struct type *types[2] = {map->key, map->element};
    bool nullable[2] = {false, map->contains_null};
    if (!resolve_lambda(resolution, 1, types, nullable, 2, 2))
        return false;
    const struct expression *body = resolution->arguments[1];
    int id = resolution->function->id;
    if (id == FUNCTION_TRANSFORM_KEYS)
        resolution->type = type_map(arena, body->type, map->element, map->contains_null);
    else if (id == FUNCTION_TRANSFORM_VALUES)
        resolution->type = type_map(arena, map->key, body->type, body->nullable);
    else
        resolution->type = map;
    return id != FUNCTION_MAP_FILTER || body->type->kind == TYPE_BOOLEAN || wrong_type(resolution, 1, "\"BOOLEAN\"");
}

bool resolve_map_zip_with(struct resolution *resolution) {
    struct arena *arena = resolution->analyzer->arena;
    if (resolution->count != 3)
        return wrong_count(resolution, "3");
    if (!is_kind(resolution, 0, TYPE_MAP, "\"MAP\"") || !is_kind(resolution, 1, TYPE_MAP, "\"MAP\""))
        return false;
    const struct type *left = argument_type(resolution, 0), *right = argument_type(resolution, 1);
    const struct type *key = common_type(resolution->analyzer, left->key, right->key);
    if (key == NULL)
        return wrong_type(resolution, 1, quote_type(arena, left->key));
    resolution->arguments[0] = cast_to(
        resolution->analyzer, resolution->arguments[0], type_map(arena, key, left->element, left->contains_null));
    resolution->arguments[1] = cast_to(
        resolution->analyzer, resolution->arguments[1], type_map(arena, key, right->element, right->contains_null));
    const struct type *types[3] = {key, left->element, right->element};
    bool nullable[3] = {false, true, true};
    if (!resolve_lambda(resolution, 2, types, nullable, 3, 3))
        return false;
    resolution->type = type_map(arena, key, argument_type(resolution, 2), resolution->arguments[2]->nullable);
    return true;
}

bool resolve_zip_with(struct resolution *resolution) {
    if (resolution->count != 3)
        return wrong_count(resolution, "3");
    if (!is_kind(resolution, 0, TYPE_ARRAY, "\"ARRAY\"") || !is_kind(resolution, 1, TYPE_ARRAY, "\"ARRAY\""))
        return false;
    const struct type *types[2] = {argument_type(resolution, 0)->element, argument_type(resolution, 1)->element};
    bool nullable[2] = {true, true};
    if (!resolve_lambda(resolution, 2, types, nullable, 2, 2))
        return false;
    resolution->type =
        type_array(resolution->analyzer->arena, argument_type(resolution, 2), resolution->arguments[2]->nullable);
    return true;
}

/* ---- Maps and structs ---- */

bool resolve_flatten(struct resolution *resolution) {
    if (resolution->count != 1)
        return wrong_count(resolution, "1");
    const struct type *type = argument_type(resolution, 0);
    if (type->kind != TYPE_ARRAY || type->element->kind != TYPE_ARRAY)
        return wrong_type(resolution, 0, "\"ARRAY\" of \"ARRAY\"");
    resolution->type = type->element;
    return true;
}

bool resolve_map(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    if (resolution->count % 2 != 0)
        return wrong_count(resolution, "2n (n > 0)");
    struct expression_list list = {resolution->arguments, resolution->count};
    const struct type *key = common_type_of(analyzer, list, 0, 2), *value = common_type_of(analyzer, list, 1, 2);
    if (key == NULL || value == NULL) {
        raise_datatype_mismatch_data_diff_types(analyzer->error, call_text(resolution), "`map`", "different types");
        return fail_at(analyzer, resolution->place);
    }
    bool null = false;
    for (size_t i = 0; i < resolution->count; i++) {
        resolution->arguments[i] = cast_to(analyzer, resolution->arguments[i], i % 2 == 0 ? key : value);
        null |= i % 2 == 1 && resolution->arguments[i]->nullable;
    }
    resolution->type = type_map(analyzer->arena, key, value, null);
    return true;
}

bool resolve_map_concat(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    struct expression_list list = {resolution->arguments, resolution->count};
    const struct type *type = common_type_of(analyzer, list, 0, 1);
    if (resolution->count == 0)
        type = type_map(analyzer->arena, type_simple(TYPE_STRING), type_simple(TYPE_STRING), false);
    if (type == NULL || type->kind != TYPE_MAP)
        return wrong_type(resolution, 0, "\"MAP\"");
    for (size_t i = 0; i < resolution->count; i++)
        resolution->arguments[i] = cast_to(analyzer, resolution->arguments[i], type);
    resolution->type = type;
    return true;
}

static const struct type *entry_type(struct arena *arena, const struct type *map) {
    struct type_field *fields = ARENA_ARRAY(arena, struct type_field, 2);
    fields[0] = (struct type_field){.name = BYTES("key"), .type = map->key};
    fields[1] = (struct type_field){.name = BYTES("value"), .type = map->element, .nullable = map->contains_null};
    return type_struct(arena, fields, 2);
}

bool resolve_map_parts(struct resolution *resolution) {
    struct arena *arena = resolution->analyzer->arena;
    if (resolution->count != 1)
        return wrong_count(resolution, "1");
    if (!is_kind(resolution, 0, TYPE_MAP, "\"MAP\""))
        return false;
    const struct type *map = argument_type(resolution, 0);
    int id = resolution->function->id;
    resolution->type = id == FUNCTION_MAP_KEYS     ? type_array(arena, map->key, false)
                       : id == FUNCTION_MAP_VALUES ? type_array(arena, map->element, map->contains_null)
                                                   : type_array(arena, entry_type(arena, map), false);
    return true;
}

bool resolve_map_from_arrays(struct resolution *resolution) {
    const struct type *keys = argument_type(resolution, 0), *values = argument_type(resolution, 1);
    resolution->type = type_map(resolution->analyzer->arena, keys->element, values->element, values->contains_null);
    return true;
}

bool resolve_map_from_entries(struct resolution *resolution) {
    if (resolution->count != 1)
        return wrong_count(resolution, "1");
    const struct type *type = argument_type(resolution, 0);
    if (type->kind != TYPE_ARRAY || type->element->kind != TYPE_STRUCT || type->element->field_count != 2)
        return wrong_type(resolution, 0, "\"ARRAY\" of pair \"STRUCT\"");
    const struct type_field *fields = type->element->fields;
    resolution->type = type_map(resolution->analyzer->arena, fields[0].type, fields[1].type, fields[1].nullable);
    return true;
}

bool resolve_str_to_map(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    if (resolution->count < 1 || resolution->count > 3)
        return wrong_count(resolution, "[1, 2, 3]");
    static const char *const separators[] = {NULL, ",", ":"};
    for (size_t i = 0; i < 3; i++) {
        if (i >= resolution->count)
            resolution->arguments[i] = literal_string(analyzer->arena, bytes_from_text(separators[i]));
        else if (!casts_implicitly(analyzer, argument_type(resolution, i), type_simple(TYPE_STRING)))
            return wrong_type(resolution, i, "\"STRING\"");
        resolution->arguments[i] = cast_to(analyzer, resolution->arguments[i], type_simple(TYPE_STRING));
    }
    resolution->count = 3;
    resolution->type = type_map(analyzer->arena, type_simple(TYPE_STRING), type_simple(TYPE_STRING), true);
    return true;
}

bool resolve_named_struct(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    if (resolution->count % 2 != 0)
        return wrong_count(resolution, "2n (n > 0)");
    struct type_field *fields = ARENA_ARRAY(analyzer->arena, struct type_field, resolution->count / 2);
    for (size_t i = 0; i < resolution->count; i += 2) {
        struct bytes name;
        if (!constant_text(analyzer, resolution->arguments[i], &name)) {
            raise_datatype_mismatch_create_named_struct_without_foldable_string(analyzer->error, call_text(resolution),
                arena_printf(analyzer->arena, "[%s]", quote_expression(analyzer->arena, resolution->arguments[i])));
            return fail_at(analyzer, resolution->place);
        }
        const struct expression *value = expression_strip(resolution->arguments[i + 1]);
        resolution->arguments[i + 1] = value;
        fields[i / 2] = (struct type_field){.name = name, .type = value->type, .nullable = value->nullable};
    }
    resolution->type = type_struct(analyzer->arena, fields, resolution->count / 2);
    return true;
}

/* struct(a, b AS c, 1): names from columns, fields and aliases, else col1, col2, … */
bool resolve_struct(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    const struct expression **items = arena_allocate(analyzer->arena, 2 * resolution->count * sizeof *items);
    for (size_t i = 0; i < resolution->count; i++) {
        const struct expression *value = resolution->arguments[i];
        struct bytes name = value->node.tag == EXPRESSION_ALIAS    ? expression_alias_of(value)->names.items[0]
                            : value->node.tag == EXPRESSION_COLUMN ? expression_column_of(value)->name
                            : value->node.tag == EXPRESSION_FIELD
                                ? expression_field_of(value)->name
                                : bytes_from_text(arena_printf(analyzer->arena, "col%zu", i + 1));
        items[2 * i] = literal_string(analyzer->arena, name);
        items[2 * i + 1] = expression_strip(value);
    }
    resolution->replaced = make_call_list(
        analyzer, resolution->place, BYTES("named_struct"), (struct expression_list){items, 2 * resolution->count});
    return resolution->replaced != NULL;
}

bool resolve_sequence(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    if (resolution->count < 2 || resolution->count > 3)
        return wrong_count(resolution, "[2, 3]");
    const struct type *type = common_type(analyzer, argument_type(resolution, 0), argument_type(resolution, 1));
    bool time =
        type != NULL && (type->kind == TYPE_DATE || type->kind == TYPE_TIMESTAMP || type->kind == TYPE_TIMESTAMP_NTZ);
    if (type != NULL && type_is_integral(type) && resolution->count == 3 &&
        type_is_integral(argument_type(resolution, 2)))
        type = common_type(analyzer, type, argument_type(resolution, 2));
    if (type == NULL || (!type_is_integral(type) && !time))
        return wrong_type(resolution, 0, "(\"INTEGRAL\" or \"DATE\" or \"TIMESTAMP\")");
    for (size_t i = 0; i < (time ? 2 : resolution->count); i++)
        resolution->arguments[i] = cast_to(analyzer, resolution->arguments[i], type);
    resolution->type = type_array(analyzer->arena, type, false);
    return true;
}

/* ---- Generators ---- */

bool resolve_explode(struct resolution *resolution) {
    struct arena *arena = resolution->analyzer->arena;
    if (resolution->count != 1)
        return wrong_count(resolution, "1");
    const struct type *type = argument_type(resolution, 0);
    int id = resolution->function->id;
    bool position = id == FUNCTION_POSEXPLODE || id == FUNCTION_POSEXPLODE_OUTER;
    bool outer = id == FUNCTION_EXPLODE_OUTER || id == FUNCTION_POSEXPLODE_OUTER;
    struct type_field *fields = ARENA_ARRAY(arena, struct type_field, 3);
    size_t count = 0;
    if (position)
        fields[count++] =
            (struct type_field){.name = BYTES("pos"), .type = type_simple(TYPE_INTEGER), .nullable = outer};
    if (type->kind == TYPE_MAP) {
        fields[count++] = (struct type_field){.name = BYTES("key"), .type = type->key, .nullable = outer};
        fields[count++] = (struct type_field){
            .name = BYTES("value"), .type = type->element, .nullable = outer || type->contains_null};
    } else if (type->kind == TYPE_ARRAY) {
        fields[count++] =
            (struct type_field){.name = BYTES("col"), .type = type->element, .nullable = outer || type->contains_null};
    } else {
        return wrong_type(resolution, 0, "(\"ARRAY\" or \"MAP\")");
    }
    resolution->type = type_struct(arena, fields, count);
    return true;
}

bool resolve_inline(struct resolution *resolution) {
    if (resolution->count != 1)
        return wrong_count(resolution, "1");
    const struct type *type = argument_type(resolution, 0);
    if (type->kind != TYPE_ARRAY || type->element->kind != TYPE_STRUCT)
        return wrong_type(resolution, 0, "\"ARRAY<STRUCT>\"");
    resolution->type = type->element;
    return true;
}

bool resolve_stack(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    if (resolution->count < 2)
        return wrong_count(resolution, "> 1");
    const struct column *rows = constant_value(analyzer, resolution->arguments[0]);
    if (rows == NULL || rows->type->kind != TYPE_INTEGER || column_is_null(rows, 0) || *(int32_t *)rows->values <= 0)
        return wrong_type(resolution, 0, "\"INT\"");
    size_t row_count = (size_t) * (int32_t *)rows->values, cells = resolution->count - 1,
           width = (cells + row_count - 1) / row_count;
    struct type_field *fields = ARENA_ARRAY(analyzer->arena, struct type_field, width);
    struct expression_list list = {resolution->arguments, resolution->count};
    for (size_t i = 0; i < width; i++) {
        const struct type *type = common_type_of(analyzer, list, 1 + i, width);
        if (type == NULL)
            return wrong_type(resolution, 1 + i, "the same type in every row");
        fields[i] = (struct type_field){
            .name = bytes_from_text(arena_printf(analyzer->arena, "col%zu", i)), .type = type, .nullable = true};
        for (size_t j = 1 + i; j < resolution->count; j += width)
            resolution->arguments[j] = cast_to(analyzer, resolution->arguments[j], type);
    }
    resolution->type = type_struct(analyzer->arena, fields, width);
    return true;
}

bool resolve_json_tuple(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    if (resolution->count < 2)
        return wrong_count(resolution, "> 1");
    struct type_field *fields = ARENA_ARRAY(analyzer->arena, struct type_field, resolution->count - 1);
    for (size_t i = 0; i < resolution->count; i++) {
        if (!casts_implicitly(analyzer, argument_type(resolution, i), type_simple(TYPE_STRING)))
            return wrong_type(resolution, i, "\"STRING\"");
        resolution->arguments[i] = cast_to(analyzer, resolution->arguments[i], type_simple(TYPE_STRING));
        if (i > 0)
            fields[i - 1] = (struct type_field){.name = bytes_from_text(arena_printf(analyzer->arena, "c%zu", i - 1)),
                .type = type_simple(TYPE_STRING),
                .nullable = true};
    }
    resolution->type = type_struct(analyzer->arena, fields, resolution->count - 1);
    return true;
}
