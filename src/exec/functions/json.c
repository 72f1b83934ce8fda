/* json.c: from_json, to_json, get_json_object, json_array_length, json_object_keys, schema_of_json over format/json.h.
 * */
#include "format/json.h"

#include "column/builder.h"
#include "exec/function.h"
#include "exec/functions/options.h"
#include "exec/value.h"

static bool raise_from(struct evaluation *evaluation, const struct error *cause) {
    return evaluation_failed(evaluation, sql_error_from(evaluation->error, cause));
}

/* ---- from_json ---- */

struct from_json {
    struct json_readers *readers;
    bool fail_fast;
};

static void free_readers(void *readers) {
    json_readers_destroy(readers);
}

static bool prepare_from_json(struct kernel_call *call, struct arena *arena, struct sql_error *error) {
    struct format_options options = options_of_call(call, arena);
    struct error cause = {0};
    struct from_json *state = ARENA_NEW(arena, struct from_json);
    state->readers = json_readers_create(call->result_type, &options, call->settings->zone, &cause);
    if (state->readers == NULL) {
        return sql_error_from(error, &cause);
    }
    state->fail_fast = format_mode_get(&options) == FORMAT_FAILFAST;
    arena_on_destroy(arena, free_readers, state->readers);
    call->state = state;
    return true;
}

static struct column *kernel_from_json(struct evaluation *evaluation, struct column *const *arguments) {
    const struct from_json *state = evaluation->call->state;
    struct json_reader *reader = json_readers_take(state->readers);
    struct error cause = {0};
    struct format_report report = {0};
    struct column *result =
        json_reader_parse(reader, evaluation->arena, arguments[0], evaluation->row_count, &report, &cause);
    json_readers_give(state->readers, reader);
    if (evaluation->settings->reports != NULL) {
        format_reports_add(evaluation->settings->reports, &report);
    }
    if (result == NULL && state->fail_fast) {
        evaluation_failed(evaluation, raise_malformed_record_in_parsing_without_suggestion(evaluation->error,
                                          arena_strdup(evaluation->error->arena, cause.message), "FAILFAST"));
    } else if (result == NULL) {
        raise_from(evaluation, &cause);
    }
    return result;
}

/* ---- to_json ---- */

static bool prepare_to_json(struct kernel_call *call, struct arena *arena, struct sql_error *error) {
    struct format_options options = options_of_call(call, arena);
    struct json_write_options *state = ARENA_NEW(arena, struct json_write_options);
    struct error cause = {0};
    call->state = state;
    return json_write_options_get(&options, call->settings->zone, state, &cause) || sql_error_from(error, &cause);
}

static struct column *kernel_to_json(struct evaluation *evaluation, struct column *const *arguments) {
    bool all_null;
    struct column *result = evaluation_strict_result(evaluation, arguments, 1, &all_null);
    if (all_null) {
        return result;
    }
    struct buffer text = {0};
    for (size_t i = 0; i < result->row_count; i++) {
        if (!column_is_null(result, i)) {
            buffer_clear(&text);
            json_write_value(arguments[0], i, evaluation->call->state, &text);
            COLUMN_VALUES(result, struct string_view)[i] = evaluation_string(evaluation, text.data, text.size);
        }
    }
    buffer_free(&text);
    return result;
}

/* ---- paths ---- */

static bool prepare_path(struct kernel_call *call, struct arena *arena, struct sql_error *error) {
    if (call->constants[1] != NULL && !column_is_null(call->constants[1], 0)) {
        struct string_view path = COLUMN_AT(call->constants[1], struct string_view, 0);
        call->state = (void *)json_path_parse(arena, string_view_bytes(path));
    }
    return true;
}

static bool get_object(
    struct evaluation *evaluation, struct string_view json, struct string_view path, struct string_view *result) {
    const struct json_path *parsed = evaluation->call->state;
    struct buffer text = {0};
    if (parsed == NULL) {
        parsed = json_path_parse(evaluation->arena, string_view_bytes(path));
    }
    bool found = parsed != NULL && json_path_get(parsed, string_view_bytes(json), &text);
    if (found) {
        *result = evaluation_string(evaluation, text.data, text.size);
    }
    buffer_free(&text);
    return found;
}
#define KERNEL kernel_get_json_object
#define LEFT struct string_view
#define RIGHT struct string_view
#define RESULT struct string_view
#define COMPUTE get_object
#include "exec/kernel2.inc"

static bool array_length(struct evaluation *evaluation, struct string_view json, int32_t *result) {
    int64_t length = json_array_length(string_view_bytes(json));
    *result = (int32_t)length;
    return length >= 0;
}
#define KERNEL kernel_array_length
#define LEFT struct string_view
#define RESULT int32_t
#define COMPUTE array_length
#include "exec/kernel1.inc"

static struct column *kernel_object_keys(struct evaluation *evaluation, struct column *const *arguments) {
    struct column_builder builder;
    column_builder_init(&builder, evaluation->arena, evaluation->call->result_type, evaluation->row_count);
    for (size_t i = 0; i < evaluation->row_count; i++) {
        struct bytes *keys;
        size_t count = 0;
        if (column_is_null(arguments[0], i) ||
            !json_object_keys(
                evaluation->arena, string_view_bytes(COLUMN_AT(arguments[0], struct string_view, i)), &keys, &count)) {
            column_builder_null(&builder);
            continue;
        }
        for (size_t j = 0; j < count; j++) {
            column_builder_append_string(&builder.children[0], keys[j]);
        }
        column_builder_end_row(&builder);
    }
    return column_builder_finish(&builder);
}

static struct column *kernel_schema_of(struct evaluation *evaluation, struct column *const *arguments) {
    struct format_options options = options_of_call(evaluation->call, evaluation->arena);
    struct column *result = evaluation_result_constant(evaluation);
    struct error cause = {0};
    struct bytes text = column_is_null(arguments[0], 0)
                            ? BYTES("null")
                            : string_view_bytes(COLUMN_AT(arguments[0], struct string_view, 0));
    const struct type *type = json_schema_of(evaluation->arena, text, &options, &cause);
    if (type == NULL) {
        raise_from(evaluation, &cause);
        return NULL;
    }
    struct buffer out = {0};
    type_format_sql(type, &out);
    COLUMN_VALUES(result, struct string_view)[0] = evaluation_string(evaluation, out.data, out.size);
    buffer_free(&out);
    return result;
}

static const struct kernel_entry entries[] = {
    {"from_json", {TYPE_STRING, KERNEL_ANY}, 2, KERNEL_VARIADIC, kernel_from_json, prepare_from_json},
    {"to_json", {KERNEL_ANY, KERNEL_ANY}, 2, KERNEL_VARIADIC | KERNEL_NEVER_FAILS, kernel_to_json, prepare_to_json},
    {"get_json_object", {TYPE_STRING, TYPE_STRING}, 2, KERNEL_NEVER_FAILS, kernel_get_json_object, prepare_path},
    {"json_array_length", {TYPE_STRING}, 1, KERNEL_NEVER_FAILS, kernel_array_length},
    {"json_object_keys", {TYPE_STRING}, 1, KERNEL_NEVER_FAILS, kernel_object_keys},
    {"schema_of_json", {TYPE_STRING, KERNEL_ANY}, 2, KERNEL_VARIADIC, kernel_schema_of},
};
const struct kernel_family kernel_family_json = KERNEL_FAMILY(entries);
