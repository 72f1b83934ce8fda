/* Result types of aggregates: sums and means widen, collections hold the value's type. */
#include "sql/analyze.h"

/* The single number that sum and avg take; strings become DOUBLE. */
static bool number(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    if (resolution->count != 1)
        return wrong_count(resolution, "1");
    const struct type *type = resolution->arguments[0]->type;
    if (type->kind == TYPE_STRING || type->kind == TYPE_NULL)
        resolution->arguments[0] = cast_to(analyzer, resolution->arguments[0], type_simple(TYPE_DOUBLE));
    else if (!type_is_numeric(type) && type->kind != TYPE_DAY_TIME_INTERVAL && type->kind != TYPE_YEAR_MONTH_INTERVAL)
        return wrong_type(resolution, 0, "(\"NUMERIC\" or \"INTERVAL DAY TO SECOND\" or \"INTERVAL YEAR TO MONTH\")");
    return true;
}

static const struct type *decimal_plus(struct arena *arena, const struct type *type, int precision, int scale) {
    precision += type->precision;
    scale += type->scale;
    return type_decimal(arena, precision > 38 ? 38 : precision, scale > 38 ? 38 : scale);
}

bool resolve_sum(struct resolution *resolution) {
    if (!number(resolution))
        return false;
    const struct type *type = resolution->arguments[0]->type;
    resolution->type = type_is_integral(type)       ? type_simple(TYPE_LONG)
                       : type->kind == TYPE_DECIMAL ? decimal_plus(resolution->analyzer->arena, type, 10, 0)
                       : type_is_numeric(type)      ? type_simple(TYPE_DOUBLE)
                                                    : type;
    return true;
}

bool resolve_avg(struct resolution *resolution) {
    if (!number(resolution))
        return false;
    const struct type *type = resolution->arguments[0]->type;
    resolution->type = type->kind == TYPE_DECIMAL ? decimal_plus(resolution->analyzer->arena, type, 4, 4)
                       : type_is_numeric(type)    ? type_simple(TYPE_DOUBLE)
                                                  : type;
    return true;
}

bool resolve_collect(struct resolution *resolution) {
    resolution->type = type_array(resolution->analyzer->arena, resolution->arguments[0]->type, false);
    return true;
}

bool resolve_extreme(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    if (resolution->count != 1)
        return wrong_count(resolution, "1");
    const struct type *type = resolution->arguments[0]->type;
    if (!type_is_orderable(type) && type->kind != TYPE_NULL) {
        raise_datatype_mismatch_invalid_ordering_type(analyzer->error, call_text(resolution),
            arena_printf(analyzer->arena, "`%s`", resolution->function->name), quote_type(analyzer->arena, type));
        return fail_at(analyzer, resolution->place);
    }
    resolution->type = type;
    return true;
}

static bool percentages(struct resolution *resolution, const struct type *element) {
    struct analyzer *analyzer = resolution->analyzer;
    bool array = resolution->arguments[1]->type->kind == TYPE_ARRAY;
    const struct type *target = type_simple(TYPE_DOUBLE);
    if (array)
        target = type_array(analyzer->arena, target, resolution->arguments[1]->type->contains_null);
    if (!array && !casts_implicitly(analyzer, resolution->arguments[1]->type, target))
        return wrong_type(resolution, 1, "(\"DOUBLE\" or \"ARRAY\")");
    resolution->arguments[1] = cast_to(analyzer, resolution->arguments[1], target);
    resolution->type = array ? type_array(analyzer->arena, element, false) : element;
    return true;
}

bool resolve_percentile(struct resolution *resolution) {
    return percentages(resolution, type_simple(TYPE_DOUBLE));
}

bool resolve_approx_percentile(struct resolution *resolution) {
    if (resolution->count != 2 && resolution->count != 3)
        return wrong_count(resolution, "[2, 3]");
    const struct type *type = resolution->arguments[0]->type;
    if (type->kind == TYPE_STRING || type->kind == TYPE_NULL)
        resolution->arguments[0] = cast_to(resolution->analyzer, resolution->arguments[0], type_simple(TYPE_DOUBLE));
    else if (!type_is_numeric(type) && type->kind != TYPE_DATE && type->kind != TYPE_TIMESTAMP)
        return wrong_type(resolution, 0, "\"NUMERIC\"");
    return percentages(resolution, resolution->arguments[0]->type);
}
