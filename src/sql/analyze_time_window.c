/* Time windows and watermarks: window(), session_window(), window_time() and withWatermark().
 *
 * window() in a select list or a grouping becomes a column of its own below: a project for tumbling windows, an expand
 * (each row once per window that it may belong to) for sliding ones. session_window() becomes the span from the row's
 * time to its time and the gap; the engine joins those that meet below an aggregation by it. What is known of event
 * time travels in the metadata of columns, as in Spark: spark.watermarkDelayMs on the column of withWatermark and on
 * windows made of it, spark.timeWindow and spark.sessionWindow on windows. */
#include "sql/analyze.h"

#include "base/vector.h"
#include "sql/parser.h"
#include "sql/pretty.h"

#define DELAY_KEY "\"spark.watermarkDelayMs\":"
#define WINDOW_KEY "\"spark.timeWindow\":true"
#define SESSION_KEY "\"spark.sessionWindow\":true"

enum { OVERLAP_MAX = 10000 };

/* ---- metadata ---- */

static size_t find_text(struct bytes text, const char *part) {
    size_t size = strlen(part);
    for (size_t i = 0; i + size <= text.size; i++)
        if (memcmp(text.data + i, part, size) == 0)
            return i;
    return SIZE_MAX;
}

bool attribute_event_time(const struct attribute *attribute, int64_t *delay_ms) {
    size_t at = attribute->metadata.data == NULL ? SIZE_MAX : find_text(attribute->metadata, DELAY_KEY);
    if (at == SIZE_MAX)
        return false;
    size_t start = at + strlen(DELAY_KEY), end = start;
    while (
        end < attribute->metadata.size && attribute->metadata.data[end] != ',' && attribute->metadata.data[end] != '}')
        end++;
    return bytes_to_int64(bytes_slice(attribute->metadata, start, end - start), delay_ms);
}

bool attribute_is_time_window(const struct attribute *attribute) {
    return attribute->metadata.data != NULL && find_text(attribute->metadata, WINDOW_KEY) != SIZE_MAX;
}

bool attribute_is_session_window(const struct attribute *attribute) {
    return attribute->metadata.data != NULL && find_text(attribute->metadata, SESSION_KEY) != SIZE_MAX;
}

/* The object with one more member. */
static struct bytes metadata_with(struct arena *arena, struct bytes metadata, const char *member) {
    bool empty = metadata.size <= 2;
    return bytes_from_text(arena_printf(arena, "{%.*s%s%s}", (int)(empty ? 0 : metadata.size - 2),
        empty ? "" : (const char *)metadata.data + 1, empty ? "" : ",", member));
}

static struct bytes metadata_with_first(struct arena *arena, const char *member, struct bytes metadata) {
    bool empty = metadata.size <= 2;
    return bytes_from_text(arena_printf(arena, "{%s%s%.*s}", member, empty ? "" : ",",
        (int)(empty ? 0 : metadata.size - 2), empty ? "" : (const char *)metadata.data + 1));
}

/* Without the member that begins with `key`. */
static struct bytes metadata_without(struct arena *arena, struct bytes metadata, const char *key) {
    size_t start = metadata.data == NULL ? SIZE_MAX : find_text(metadata, key);
    if (start == SIZE_MAX)
        return metadata;
    size_t end = start;
    while (end + 1 < metadata.size && metadata.data[end] != ',')
        end++;
    if (metadata.data[end] == ',')
        end++;
    else if (metadata.data[start - 1] == ',')
        start--;
    return bytes_from_text(arena_printf(arena, "%.*s%.*s", (int)start, (const char *)metadata.data,
        (int)(metadata.size - end), (const char *)metadata.data + end));
}

struct bytes window_time_metadata(struct arena *arena, struct bytes metadata) {
    return metadata_without(arena, metadata_without(arena, metadata, WINDOW_KEY), SESSION_KEY);
}

/* ---- withWatermark ---- */

const struct relation *analyze_watermark(
    struct analyzer *analyzer, const struct relation_with_watermark *written, const struct expression *column) {
    struct relation_with_watermark *copy =
        (struct relation_with_watermark *)node_clone(analyzer->arena, &written->base.node);
    struct arena *arena = analyzer->arena;
    int64_t months, microseconds;
    if (!sql_parse_interval(written->delay, &months, &microseconds)) {
        raise_cannot_parse_interval(analyzer->error, quote_text(arena, written->delay));
        return NULL;
    }
    copy->delay_ms = months * 31 * 86400000 + microseconds / 1000;
    if (copy->delay_ms < 0) {
        raise__legacy_error_watermark_delay(analyzer->error, arena_text(arena, written->delay));
        return NULL;
    }
    copy->event_time = column;
    struct attribute *output = ARENA_ARRAY(arena, struct attribute, copy->input->output_count);
    for (size_t i = 0; i < copy->input->output_count; i++) {
        output[i] = copy->input->output[i];
        output[i].metadata = metadata_without(arena, output[i].metadata, DELAY_KEY);
        if (output[i].id == expression_column_of(column)->id)
            output[i].metadata = metadata_with(
                arena, output[i].metadata, arena_printf(arena, DELAY_KEY "%lld", (long long)copy->delay_ms));
    }
    copy->base.analyzed = true;
    copy->base.output = output;
    copy->base.output_count = copy->input->output_count;
    return &copy->base;
}

/* ---- window(time, duration[, slide[, start]]) ---- */

static bool is_window_type(const struct type *type) {
    return type->kind == TYPE_STRUCT && type->field_count == 2 && bytes_equal_text(type->fields[0].name, "start") &&
           bytes_equal_text(type->fields[1].name, "end") && type->fields[1].type->kind == TYPE_TIMESTAMP;
}

/* Microseconds of a duration given as constant text. */
static bool duration_argument(struct resolution *resolution, size_t index, int64_t *microseconds) {
    struct analyzer *analyzer = resolution->analyzer;
    struct bytes text;
    int64_t months;
    const struct column *value = constant_value(analyzer, resolution->arguments[index]);
    if (value != NULL && value->type->kind == TYPE_LONG && !column_is_null(value, 0)) {
        *microseconds = *(int64_t *)value->values;
        return true;
    }
    if (!constant_text(analyzer, resolution->arguments[index], &text)) {
        raise_datatype_mismatch_non_foldable_input(analyzer->error, call_text(resolution), "windowDuration",
            "\"STRING\"", quote_expression(analyzer->arena, resolution->arguments[index]));
        return false;
    }
    if (!sql_parse_interval(text, &months, microseconds)) {
        raise_cannot_parse_interval(analyzer->error, quote_text(analyzer->arena, text));
        return false;
    }
    if (months != 0) {
        raise__legacy_error_temp_3231(analyzer->error, arena_text(analyzer->arena, text));
        return false;
    }
    return true;
}

static bool check_durations(struct resolution *resolution, int64_t window, int64_t slide, int64_t start) {
    struct sql_error *error = resolution->analyzer->error;
    struct arena *arena = resolution->analyzer->arena;
    const char *call = call_text(resolution);
    const struct {
        const char *name;
        int64_t value;
    } positive[2] = {{"window_duration", window}, {"slide_duration", slide}};
    for (size_t i = 0; i < 2; i++)
        if (positive[i].value <= 0)
            return raise_datatype_mismatch_value_out_of_range(error, call,
                arena_printf(arena, "`%s`", positive[i].name), "(0, 9223372036854775807]",
                arena_printf(arena, "%lldL", (long long)positive[i].value));
    if (slide > window)
        return raise_datatype_mismatch_parameter_constraint_violation(error, call, "`slide_duration`",
            arena_printf(arena, "%lldL", (long long)slide), "<=", "`window_duration`",
            arena_printf(arena, "%lldL", (long long)window));
    if ((start < 0 ? -start : start) >= slide)
        return raise_datatype_mismatch_parameter_constraint_violation(error, call, "`abs(start_time)`",
            arena_printf(arena, "%lldL", (long long)(start < 0 ? -start : start)), "<", "`slide_duration`",
            arena_printf(arena, "%lldL", (long long)slide));
    if ((window + slide - 1) / slide > OVERLAP_MAX)
        return unsupported(resolution->analyzer, resolution->place->origin,
            "window() with more than 10,000 windows per row", "Choose a longer slide.");
    return true;
}

static const struct type *window_type(struct arena *arena, const struct type *time) {
    struct type_field fields[2] = {{BYTES("start"), time, true, BYTES_NULL}, {BYTES("end"), time, true, BYTES_NULL}};
    return type_struct(arena, fields, 2);
}

/* The time of a row: a timestamp, what can be cast to one, or a window, of which window_time() counts. */
static bool time_argument(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    const struct expression **arguments = resolution->arguments;
    if (is_window_type(arguments[0]->type))
        arguments[0] = make_call(analyzer, resolution->place, "window_time", 1, arguments[0]);
    enum type_kind kind = arguments[0]->type->kind;
    if (kind == TYPE_TIMESTAMP || kind == TYPE_TIMESTAMP_NTZ)
        return true;
    if (kind != TYPE_STRING && kind != TYPE_DATE && kind != TYPE_NULL)
        return wrong_type(resolution, 0,
            "(\"(TIMESTAMP OR TIMESTAMP WITHOUT TIME ZONE)\" or \"STRUCT<start: TIMESTAMP, end: TIMESTAMP>\" or "
            "\"STRUCT<start: TIMESTAMP_NTZ, end: TIMESTAMP_NTZ>\")");
    arguments[0] = cast_to(analyzer, arguments[0], type_simple(TYPE_TIMESTAMP));
    return true;
}

/* What the engine computes: time_window(time, duration, slide, start, index), in microseconds. */
bool resolve_time_window(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    struct arena *arena = analyzer->arena;
    const struct expression **arguments = resolution->arguments;
    int64_t durations[3] = {0};
    if (resolution->count < 2 || resolution->count > 4)
        return wrong_count(resolution, "[2, 3, 4]");
    if (!time_argument(resolution))
        return false;
    for (size_t i = 1; i < resolution->count && i < 4; i++)
        if (!duration_argument(resolution, i, &durations[i - 1]))
            return false;
    durations[1] = resolution->count > 2 ? durations[1] : durations[0];
    for (size_t i = 0; i < 3; i++)
        arguments[i + 1] = literal_long(arena, durations[i]);
    resolution->count = 4;
    if (!check_durations(resolution, durations[0], durations[1], durations[2]))
        return false;
    arguments[4] = literal_int(arena, 0);
    resolution->count = 5;
    resolution->type = window_type(arena, arguments[0]->type);
    resolution->nullable = false;
    resolution->nullable_set = true;
    return true;
}

/* window_time(window): the last microsecond that belongs to it. */
bool resolve_window_time(struct resolution *resolution) {
    if (resolution->count != 1)
        return wrong_count(resolution, "1");
    const struct type *type = resolution->arguments[0]->type;
    if (type->kind != TYPE_STRUCT || type->field_count != 2 || !bytes_equal_text(type->fields[1].name, "end"))
        return wrong_type(resolution, 0, "\"STRUCT<start: TIMESTAMP, end: TIMESTAMP>\"");
    resolution->type = type->fields[1].type;
    return true;
}

/* session_window(time, gap): the span of the row alone. A constant gap becomes microseconds; text that is no interval
 * is null, as in Spark, and such rows are left out. */
bool resolve_session_window(struct resolution *resolution) {
    struct analyzer *analyzer = resolution->analyzer;
    const struct expression **arguments = resolution->arguments;
    struct bytes text;
    int64_t months, microseconds;
    if (resolution->count != 2)
        return wrong_count(resolution, "2");
    if (!time_argument(resolution))
        return false;
    enum type_kind gap = arguments[1]->type->kind;
    if (constant_text(analyzer, arguments[1], &text) && sql_parse_interval(text, &months, &microseconds)) {
        if (months != 0)
            return unsupported(analyzer, resolution->place->origin, "session_window() with a gap of months",
                "Give the gap in days or less.");
        arguments[1] = literal_long(analyzer->arena, microseconds);
    } else if (gap != TYPE_STRING && gap != TYPE_DAY_TIME_INTERVAL && gap != TYPE_LONG) {
        return wrong_type(resolution, 1, "\"INTERVAL\"");
    }
    resolution->type = window_type(analyzer->arena, arguments[0]->type);
    resolution->nullable = false;
    resolution->nullable_set = true;
    return true;
}

/* ---- out of select lists ---- */

struct windows_found {
    struct analyzer *analyzer;
    const struct expression_call *call;
    struct attribute output;
    bool several;
};

static const struct node *replace_window(struct arena *arena, const struct node *node, void *context) {
    struct windows_found *found = context;
    if (node_family(node) == NODE_RELATION)
        return node;
    int id = node->tag == EXPRESSION_CALL ? ((const struct expression_call *)node)->function->id : -1;
    if (id != FUNCTION_TIME_WINDOW && id != FUNCTION_SESSION_WINDOW)
        return node_map(arena, node, replace_window, context);
    if (found->call == NULL) {
        found->call = (const struct expression_call *)node;
        found->output = (struct attribute){.id = analyzer_new_id(found->analyzer),
            .name = id == FUNCTION_TIME_WINDOW ? BYTES("window") : BYTES("session_window"),
            .type = found->call->base.type,
            .nullable = false};
    }
    found->several = found->several || !node_equal(&found->call->base.node, node);
    return &column_of(arena, &found->output)->node;
}

/* The call with another index. */
static const struct expression *window_at(struct analyzer *analyzer, const struct expression_call *call, int index) {
    struct expression_call *copy = (struct expression_call *)node_clone(analyzer->arena, &call->base.node);
    const struct expression **arguments = expressions_make(analyzer->arena, call->arguments.items, 5).items;
    arguments[4] = literal_int(analyzer->arena, index);
    copy->arguments.items = arguments;
    return &copy->base;
}

static int64_t constant_long(const struct expression *expression) {
    return *(const int64_t *)expression_literal_of(expression)->value->values;
}

/* input × the windows that a row may belong to, the window as the last column. */
static const struct relation *add_windows(
    struct analyzer *analyzer, const struct relation *input, const struct windows_found *found) {
    struct relation_expand *expand = relation_expand_new(analyzer->arena);
    int64_t window = constant_long(found->call->arguments.items[1]),
            slide = constant_long(found->call->arguments.items[2]);
    size_t count = (size_t)((window + slide - 1) / slide), width = input->output_count + 1;
    const struct expression **cells = arena_allocate(analyzer->arena, width * count * sizeof *cells);
    struct expression_list columns = columns_of(analyzer->arena, input);
    struct attribute *output = ARENA_ARRAY(analyzer->arena, struct attribute, width);
    for (size_t i = 0; i + 1 < width; i++)
        output[i] = input->output[i];
    output[width - 1] = found->output;
    for (size_t row = 0; row < count; row++) {
        for (size_t i = 0; i + 1 < width; i++)
            cells[row * width + i] = columns.items[i];
        cells[row * width + width - 1] = window_at(analyzer, found->call, (int)row);
    }
    expand->input = input;
    expand->columns = (struct expression_list){cells, width * count};
    expand->base.analyzed = true;
    expand->base.output = output;
    expand->base.output_count = width;
    if (window % slide == 0)
        return &expand->base;
    /* The last of the windows holds only the rows before its end. */
    const struct node *place = &found->call->base.node;
    const struct expression *end = resolve_extract(
        analyzer, place, column_of(analyzer->arena, &found->output), literal_string(analyzer->arena, BYTES("end")));
    const struct expression *inside = make_call(analyzer, place, "<", 2, found->call->arguments.items[0], end);
    return make_filter(analyzer, &expand->base, inside);
}

/* The span as the last column; rows without one are left out, as in Spark. */
static const struct relation *add_session(
    struct analyzer *analyzer, const struct relation *input, const struct windows_found *found) {
    struct relation_expand *expand = relation_expand_new(analyzer->arena);
    size_t width = input->output_count + 1;
    const struct expression *gap = found->call->arguments.items[1];
    struct expression_list columns = columns_of(analyzer->arena, input);
    struct attribute *output = ARENA_ARRAY(analyzer->arena, struct attribute, width);
    const struct expression **cells = arena_allocate(analyzer->arena, width * sizeof *cells);
    for (size_t i = 0; i + 1 < width; i++) {
        output[i] = input->output[i];
        cells[i] = columns.items[i];
    }
    output[width - 1] = found->output;
    cells[width - 1] = &found->call->base;
    expand->input = input;
    expand->columns = (struct expression_list){cells, width};
    expand->base.analyzed = true;
    expand->base.output = output;
    expand->base.output_count = width;
    if (gap->type->kind == TYPE_LONG && expression_is_literal(gap) && constant_long(gap) > 0)
        return &expand->base;
    const struct node *place = &found->call->base.node;
    const struct expression *window = column_of(analyzer->arena, &found->output);
    const struct expression *start =
        resolve_extract(analyzer, place, window, literal_string(analyzer->arena, BYTES("start")));
    const struct expression *end =
        resolve_extract(analyzer, place, window, literal_string(analyzer->arena, BYTES("end")));
    return make_filter(analyzer, &expand->base, make_call(analyzer, place, ">", 2, end, start));
}

static bool check_several(struct analyzer *analyzer, const struct windows_found *found) {
    if (!found->several)
        return true;
    raise__legacy_error_temp_1039(analyzer->error);
    return fail_at(analyzer, &found->call->base.node);
}

bool extract_time_windows(
    struct analyzer *analyzer, const struct relation **input, struct expression_list **lists, size_t list_count) {
    struct windows_found found = {.analyzer = analyzer};
    struct arena *arena = analyzer->arena;
    for (size_t l = 0; l < list_count; l++) {
        const struct expression **items = expressions_make(arena, lists[l]->items, lists[l]->count).items;
        for (size_t i = 0; i < lists[l]->count; i++)
            items[i] = (const struct expression *)replace_window(arena, &items[i]->node, &found);
        if (found.call != NULL)
            lists[l]->items = items;
    }
    if (found.call == NULL)
        return true;
    if (!check_several(analyzer, &found))
        return false;
    const struct expression *time = expression_strip(found.call->arguments.items[0]);
    /* window(window_time(w)), which window(w) is short for, keeps the event time of w. */
    if (time->node.tag == EXPRESSION_CALL && expression_call_of(time)->function->id == FUNCTION_WINDOW_TIME)
        time = expression_strip(expression_call_of(time)->arguments.items[0]);
    for (size_t i = 0; i < (*input)->output_count && time->node.tag == EXPRESSION_COLUMN; i++)
        if ((*input)->output[i].id == expression_column_of(time)->id)
            found.output.metadata = window_time_metadata(arena, (*input)->output[i].metadata);
    bool session = found.call->function->id == FUNCTION_SESSION_WINDOW;
    found.output.metadata = metadata_with_first(arena, session ? SESSION_KEY : WINDOW_KEY, found.output.metadata);
    const struct expression *there =
        make_call(analyzer, &found.call->base.node, "isnotnull", 1, found.call->arguments.items[0]);
    *input = make_filter(analyzer, *input, there);
    *input = session ? add_session(analyzer, *input, &found) : add_windows(analyzer, *input, &found);
    return *input != NULL;
}

/* ---- GROUP BY window(…) in SQL ---- */

struct written_window {
    const struct expression *call, *column;
};

static const struct node *use_column(struct arena *arena, const struct node *node, void *context) {
    const struct written_window *window = context;
    if (node_family(node) == NODE_RELATION)
        return node;
    return node_equal(node, &window->call->node) ? &window->column->node : node_map(arena, node, use_column, context);
}

static void use_column_in(struct arena *arena, struct expression_list *list, struct written_window *window) {
    const struct expression **items = expressions_make(arena, list->items, list->count).items;
    for (size_t i = 0; i < list->count; i++)
        items[i] = (const struct expression *)use_column(arena, &items[i]->node, window);
    list->items = items;
}

bool name_written_windows(
    struct analyzer *analyzer, const struct relation_group_by **group, const struct relation **input) {
    struct relation_group_by *copy = NULL;
    for (size_t i = 0; i < (*group)->groupings.count; i++) {
        const struct expression *written = (*group)->groupings.items[i];
        if (written->node.tag != EXPRESSION_FUNCTION ||
            (!bytes_equal_ignore_case(expression_function_of(written)->name, BYTES("window")) &&
                !bytes_equal_ignore_case(expression_function_of(written)->name, BYTES("session_window"))))
            continue;
        struct scope scope;
        scope_init(analyzer, &scope, *input);
        struct written_window window = {written, resolve(analyzer, &scope, written)};
        struct expression_list column = {&window.column, 1}, *lists[1] = {&column};
        if (window.column == NULL || !extract_time_windows(analyzer, input, lists, 1))
            return false;
        window.column = column.items[0];
        copy = (struct relation_group_by *)node_clone(analyzer->arena, &(*group)->base.node);
        use_column_in(analyzer->arena, &copy->groupings, &window);
        use_column_in(analyzer->arena, &copy->aggregates, &window);
        if (copy->having != NULL)
            copy->having = (const struct expression *)use_column(analyzer->arena, &copy->having->node, &window);
        *group = copy;
    }
    return true;
}
