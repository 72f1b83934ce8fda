/* string_regex.c: functions with Java regular expressions, run by PCRE2, whose syntax agrees with Java's in what
 * queries use. A constant pattern is compiled once per query; it is shared by the threads, the match data is not. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "column/builder.h"
#include "exec/functions/rows.h"

struct match {
    pcre2_code *code;
    pcre2_match_data *data;
    bool own; /* compiled for this row */
};

static void free_code(void *code) {
    pcre2_code_free(code);
}

static pcre2_code *compile(struct string_view pattern, const char *function, struct sql_error *error) {
    int number;
    PCRE2_SIZE offset;
    const uint8_t *text = pattern.data != NULL ? pattern.data : (const uint8_t *)"";
    pcre2_code *code = pcre2_compile(text, pattern.size, PCRE2_UTF | PCRE2_NO_UTF_CHECK, &number, &offset, NULL);
    if (code == NULL)
        raise_invalid_parameter_value_pattern(error, "`regexp`", arena_printf(error->arena, "`%s`", function),
            quote_text(error->arena, bytes_make(text, pattern.size)));
    return code;
}

static bool prepare_regex(struct kernel_call *call, struct arena *arena, struct sql_error *error) {
    struct column *pattern = call->argument_count > 1 ? call->constants[1] : NULL;
    if (pattern == NULL || column_is_null(pattern, 0))
        return true;
    pcre2_code *code = compile(*(struct string_view *)pattern->values, call->entry->name, error);
    if (code == NULL)
        return false;
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
    arena_on_destroy(arena, free_code, code);
    call->state = code;
    return true;
}

static bool match_begin(struct evaluation *evaluation, struct string_view pattern, struct match *match) {
    match->code = evaluation->call->state;
    match->own = match->code == NULL;
    if (match->own && (match->code = compile(pattern, evaluation->call->entry->name, evaluation->error)) == NULL)
        return evaluation_failed(evaluation, false);
    match->data = pcre2_match_data_create_from_pattern(match->code, NULL);
    return true;
}

static void match_end(struct match *match) {
    pcre2_match_data_free(match->data);
    if (match->own)
        pcre2_code_free(match->code);
}

/* Groups of the next match at or after `from`, at most 0 when there is none. */
static int match_next(struct match *match, struct string_view text, size_t from, PCRE2_SIZE **places) {
    const uint8_t *data = text.data != NULL ? text.data : (const uint8_t *)"";
    if (from > text.size)
        return 0;
    int groups = pcre2_match(match->code, data, text.size, from, PCRE2_NO_UTF_CHECK, match->data, NULL);
    *places = pcre2_get_ovector_pointer(match->data);
    return groups;
}

/* Where to look after a match: one character on when it was empty. */
static size_t after(struct string_view text, const PCRE2_SIZE *places) {
    if (places[1] > places[0])
        return places[1];
    return places[1] < text.size ? places[1] + utf8_width(text.data[places[1]]) : text.size + 1;
}

static uint32_t group_count(const struct match *match) {
    uint32_t count = 0;
    pcre2_pattern_info(match->code, PCRE2_INFO_CAPTURECOUNT, &count);
    return count;
}

static bool check_group(struct evaluation *evaluation, struct match *match, int32_t group) {
    uint32_t count = group_count(match);
    if (group >= 0 && (uint32_t)group <= count)
        return true;
    struct arena *arena = evaluation->error->arena;
    match_end(match);
    return evaluation_failed(evaluation, raise_invalid_parameter_value_regex_group_index(evaluation->error, "`idx`",
                                             arena_printf(arena, "`%s`", evaluation->call->entry->name),
                                             arena_printf(arena, "%u", count), arena_printf(arena, "%d", group)));
}

static bool rlike(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct match match;
    PCRE2_SIZE *places;
    if (!match_begin(evaluation, TEXT_AT(1), &match))
        return false;
    *(uint8_t *)out = match_next(&match, TEXT_AT(0), 0, &places) > 0;
    match_end(&match);
    return true;
}
ROW_KERNEL(rlike)

static bool regexp_extract(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0);
    struct match match;
    PCRE2_SIZE *places;
    int32_t group = INT_AT(2);
    if (!match_begin(evaluation, TEXT_AT(1), &match) || !check_group(evaluation, &match, group))
        return false;
    int groups = match_next(&match, text, 0, &places);
    bool found = groups > group && places[2 * group] != PCRE2_UNSET;
    rows_slice(text, found ? places[2 * group] : 0, found ? places[2 * group + 1] - places[2 * group] : 0, out);
    match_end(&match);
    return true;
}
ROW_KERNEL(regexp_extract)

static bool regexp_substr(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0);
    struct match match;
    PCRE2_SIZE *places;
    if (!match_begin(evaluation, TEXT_AT(1), &match))
        return false;
    bool found = match_next(&match, text, 0, &places) > 0;
    if (found)
        rows_slice(text, places[0], places[1] - places[0], out);
    match_end(&match);
    return found;
}
ROW_KERNEL(regexp_substr)

static bool regexp_instr(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0);
    struct match match;
    PCRE2_SIZE *places;
    if (!match_begin(evaluation, TEXT_AT(1), &match))
        return false;
    bool found = match_next(&match, text, 0, &places) > 0;
    *(int32_t *)out = found ? (int32_t)utf8_length((struct string_view){text.data, (uint32_t)places[0], 0}) + 1 : 0;
    match_end(&match);
    return true;
}
ROW_KERNEL(regexp_instr)

static bool regexp_count(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0);
    struct match match;
    PCRE2_SIZE *places;
    int32_t count = 0;
    if (!match_begin(evaluation, TEXT_AT(1), &match))
        return false;
    for (size_t from = 0; match_next(&match, text, from, &places) > 0; from = after(text, places))
        count++;
    *(int32_t *)out = count;
    match_end(&match);
    return true;
}
ROW_KERNEL(regexp_count)

/* Java's replacement: $1 and ${name} are groups, a backslash takes the next character as it is. */
static void append_replacement(
    struct buffer *buffer, struct string_view text, struct string_view by, const PCRE2_SIZE *places, uint32_t groups) {
    for (size_t i = 0; i < by.size; i++) {
        if (by.data[i] == '\\' && i + 1 < by.size) {
            buffer_append_byte(buffer, by.data[++i]);
        } else if (by.data[i] == '$' && i + 1 < by.size && by.data[i + 1] >= '0' && by.data[i + 1] <= '9') {
            uint32_t group = by.data[++i] - '0';
            while (i + 1 < by.size && by.data[i + 1] >= '0' && by.data[i + 1] <= '9' &&
                   group * 10 + by.data[i + 1] - '0' <= groups)
                group = group * 10 + by.data[++i] - '0';
            if (group <= groups && places[2 * group] != PCRE2_UNSET)
                buffer_append(buffer, text.data + places[2 * group], places[2 * group + 1] - places[2 * group]);
        } else {
            buffer_append_byte(buffer, by.data[i]);
        }
    }
}

static bool regexp_replace(struct evaluation *evaluation, struct column *const *arguments, size_t row, void *out) {
    struct string_view text = TEXT_AT(0), by = TEXT_AT(2);
    struct match match;
    struct buffer buffer = {0};
    PCRE2_SIZE *places;
    if (!match_begin(evaluation, TEXT_AT(1), &match))
        return false;
    size_t start = INT_AT(3) < 1 ? 0 : utf8_offset(text, (size_t)INT_AT(3) - 1), copied = 0;
    for (size_t from = start; match_next(&match, text, from, &places) > 0; from = after(text, places)) {
        buffer_append(&buffer, text.data + copied, places[0] - copied);
        append_replacement(&buffer, text, by, places, group_count(&match));
        copied = places[1];
    }
    buffer_append(&buffer, text.data + copied, text.size - copied);
    match_end(&match);
    return rows_take_buffer(evaluation, &buffer, out);
}
ROW_KERNEL(regexp_replace)

/* ---- Arrays of text ---- */

typedef bool pieces_function(
    struct evaluation *evaluation, struct column *const *arguments, size_t row, struct column_builder *elements);

static struct column *array_of_pieces(
    struct evaluation *evaluation, struct column *const *arguments, pieces_function *pieces) {
    struct column_builder builder;
    column_builder_init(&builder, evaluation->arena, evaluation->call->result_type, evaluation->row_count);
    for (size_t row = 0; row < evaluation->row_count; row++) {
        bool null = false;
        for (size_t i = 0; i < evaluation->call->argument_count; i++)
            null |= column_is_null(arguments[i], row);
        if (null) {
            column_builder_null(&builder);
            continue;
        }
        if (!pieces(evaluation, arguments, row, &builder.children[0]))
            return NULL;
        column_builder_end_row(&builder);
    }
    return column_builder_finish(&builder);
}

static bool extract_all(
    struct evaluation *evaluation, struct column *const *arguments, size_t row, struct column_builder *elements) {
    struct string_view text = TEXT_AT(0);
    struct match match;
    PCRE2_SIZE *places;
    int32_t group = INT_AT(2), groups;
    if (!match_begin(evaluation, TEXT_AT(1), &match) || !check_group(evaluation, &match, group))
        return false;
    for (size_t from = 0; (groups = match_next(&match, text, from, &places)) > 0; from = after(text, places)) {
        bool found = groups > group && places[2 * group] != PCRE2_UNSET;
        column_builder_append_string(elements,
            found ? bytes_make(text.data + places[2 * group], places[2 * group + 1] - places[2 * group]) : BYTES(""));
    }
    match_end(&match);
    return true;
}

static struct column *kernel_regexp_extract_all(struct evaluation *evaluation, struct column *const *arguments) {
    return array_of_pieces(evaluation, arguments, extract_all);
}

/* With a limit above 0 at most so many pieces; an empty pattern splits between characters; trailing empty pieces stay.
 * */
static bool split(
    struct evaluation *evaluation, struct column *const *arguments, size_t row, struct column_builder *elements) {
    struct string_view text = TEXT_AT(0);
    struct match match;
    PCRE2_SIZE *places;
    int32_t limit = INT_AT(2), count = 0;
    size_t piece = 0;
    if (!match_begin(evaluation, TEXT_AT(1), &match))
        return false;
    for (size_t from = 0; (limit <= 0 || count < limit - 1) && match_next(&match, text, from, &places) > 0;
         from = after(text, places)) {
        /* An empty match makes no empty first or last piece. */
        if (places[1] == places[0] && (places[0] == 0 || places[0] >= text.size))
            continue;
        if (places[1] == 0)
            continue;
        column_builder_append_string(elements, bytes_make(text.data + piece, places[0] - piece));
        piece = places[1];
        count++;
    }
    column_builder_append_string(elements, bytes_make(text.data + piece, text.size - piece));
    match_end(&match);
    return true;
}

static struct column *kernel_split(struct evaluation *evaluation, struct column *const *arguments) {
    return array_of_pieces(evaluation, arguments, split);
}

#define S TYPE_STRING
#define I TYPE_INTEGER
static const struct kernel_entry entries[] = {
    {"rlike", {S, S}, 2, 0, kernel_rlike, prepare_regex},
    {"regexp_extract", {S, S, I}, 3, 0, kernel_regexp_extract, prepare_regex},
    {"regexp_extract_all", {S, S, I}, 3, 0, kernel_regexp_extract_all, prepare_regex},
    {"regexp_substr", {S, S}, 2, 0, kernel_regexp_substr, prepare_regex},
    {"regexp_instr", {S, S, I}, 3, 0, kernel_regexp_instr, prepare_regex},
    {"regexp_count", {S, S}, 2, 0, kernel_regexp_count, prepare_regex},
    {"regexp_replace", {S, S, S, I}, 4, 0, kernel_regexp_replace, prepare_regex},
    {"split", {S, S, I}, 3, 0, kernel_split, prepare_regex},
};
const struct kernel_family kernel_family_regex = KERNEL_FAMILY(entries);
