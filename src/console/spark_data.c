#include "console/spark_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/calendar.h"

/* ---- cores and memory ---- */

struct spark_usage spark_usage_get(const struct console_options *options) {
    struct exec_usage used = {0};
    if (options->engine != NULL)
        exec_engine_usage(options->engine, &used);
    return (struct spark_usage){
        .cores = options->worker_count * options->worker_cores,
        .cores_used = used.slots_used,
        .memory = options->worker_count * options->worker_memory,
        .memory_used = used.memory_used,
        .memory_used_max = used.memory_used_max,
        .busy_ns = used.busy_ns,
    };
}

struct spark_usage spark_usage_of_worker(const struct console_options *options, int64_t index) {
    struct spark_usage usage = spark_usage_get(options);
    int64_t left = usage.cores_used - index * options->worker_cores;
    usage.cores = options->worker_cores;
    usage.cores_used = left < 0 ? 0 : left > usage.cores ? usage.cores : left;
    usage.memory = options->worker_memory;
    usage.memory_used /= options->worker_count;
    usage.memory_used_max /= options->worker_count;
    return usage;
}

static void count_program(void *argument, const struct connect_session_summary *summary) {
    struct spark_counts *counts = argument;
    counts->programs++;
    counts->programs_running += summary->ended_ms == 0;
}

static void count_query(void *argument, const struct stream_summary *summary) {
    struct spark_counts *counts = argument;
    counts->queries++;
    counts->queries_running += summary->active;
    counts->queries_failed += !summary->active && summary->exception[0] != 0;
    counts->input_rows_per_second += summary->active ? summary->input_rows_per_second : 0;
    counts->processed_rows_per_second += summary->active ? summary->processed_rows_per_second : 0;
}

static void count_execution(void *argument, const struct connect_execution *execution) {
    struct spark_counts *counts = argument;
    counts->executions++;
    counts->executions_running += execution->status == CONNECT_EXECUTION_RUNNING;
}

struct spark_counts spark_count(const struct console_options *options) {
    struct spark_counts counts = {0};
    if (options->connect != NULL) {
        connect_each_session(options->connect, count_program, &counts);
        connect_each_ended_session(options->connect, count_program, &counts);
        connect_each_execution(options->connect, count_execution, &counts);
    }
    if (options->streams != NULL)
        stream_manager_each(options->streams, count_query, &counts);
    return counts;
}

/* ---- applications ---- */

struct gathering {
    const struct console_options *options;
    json_t *list;       /* or the one object that was found */
    const char *wanted; /* id of an application or a session */
    char *session_id;
    size_t seen, first, count; /* of executions */
};

static void format_application_id(const char *session_id, char out[32]) {
    snprintf(out, 32, "app-%.8s", session_id);
}

static void add_application(void *argument, const struct connect_session_summary *summary) {
    struct gathering *gathering = argument;
    int64_t end_ms = summary->ended_ms > 0 ? summary->ended_ms : world_wall_ms(gathering->options->world);
    char id[32];
    format_application_id(summary->id, id);
    json_array_append_new(gathering->list,
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:I, s:I}", "id", id, "sessionId",
            summary->id, "name", summary->application[0] != 0 ? summary->application : summary->file, "user",
            summary->user[0] != 0 ? summary->user : gathering->options->user, "file", summary->file, "client",
            summary->client, "pid", (json_int_t)summary->pid, "startedMs", (json_int_t)summary->started_ms, "endedMs",
            (json_int_t)summary->ended_ms, "durationMs", (json_int_t)(end_ms - summary->started_ms), "state",
            summary->ended_ms == 0 ? "RUNNING"
            : summary->stopped     ? "KILLED"
                                   : "FINISHED",
            "operations", (json_int_t)summary->operation_count, "executions", (json_int_t)summary->execution_count));
}

static bool is_running(const json_t *row) {
    return strcmp(page_text(row, "status"), "RUNNING") == 0;
}

/* Running queries first, then by their start. */
static int compare_starts(const void *left, const void *right) {
    bool left_runs = is_running(*(json_t *const *)left), right_runs = is_running(*(json_t *const *)right);
    if (left_runs != right_runs)
        return left_runs ? -1 : 1;
    int64_t a = page_number(*(json_t *const *)left, "startedMs"), b = page_number(*(json_t *const *)right, "startedMs");
    return a > b ? -1 : a < b;
}

/* Takes the array. */
static json_t *by_start(json_t *rows) {
    size_t count = json_array_size(rows), i;
    json_t *row, *sorted = json_array(), **items = calloc(count + 1, sizeof *items);
    json_array_foreach(rows, i, row) items[i] = row;
    qsort(items, count, sizeof *items, compare_starts);
    for (i = 0; i < count; i++)
        json_array_append(sorted, items[i]);
    free(items);
    json_decref(rows);
    return sorted;
}

json_t *spark_applications(const struct console_options *options, bool running, bool ended) {
    struct gathering active = {.options = options, .list = json_array()};
    if (options->connect != NULL && running)
        connect_each_session(options->connect, add_application, &active);
    active.list = by_start(active.list);
    if (options->connect != NULL && ended)
        connect_each_ended_session(options->connect, add_application, &active);
    return active.list;
}

static void find_session(void *argument, const struct connect_session_summary *summary) {
    struct gathering *gathering = argument;
    char id[32];
    format_application_id(summary->id, id);
    bool wanted = strcmp(id, gathering->wanted) == 0 || strcmp(summary->id, gathering->wanted) == 0;
    if (wanted && gathering->session_id == NULL)
        gathering->session_id = strdup(summary->id);
}

char *spark_session_id(const struct console_options *options, const char *application) {
    struct gathering gathering = {.options = options, .wanted = application};
    if (options->connect != NULL) {
        connect_each_session(options->connect, find_session, &gathering);
        connect_each_ended_session(options->connect, find_session, &gathering);
    }
    return gathering.session_id;
}

bool spark_stop_application(const struct console_options *options, const char *id) {
    char *session_id = spark_session_id(options, id);
    bool stopped = session_id != NULL && connect_end_session(options->connect, session_id);
    free(session_id);
    return stopped;
}

/* ---- streaming queries ---- */

/* Records, and errors that quote them, may hold any bytes; JSON holds text. */
static json_t *any_text(const char *text) {
    json_t *string = json_string(text);
    if (string == NULL) {
        struct buffer copy = {0};
        for (; *text != 0; text++)
            buffer_append_byte(&copy, (uint8_t)*text < 0x80 ? (uint8_t)*text : '?');
        string = json_string(buffer_text(&copy));
        buffer_free(&copy);
    }
    return string;
}

/* Why nothing comes out: the sentences in the order of assets.h's languages. */
static json_t *describe_reasons(struct stream_query *query) {
    struct arena arena = {0};
    struct stream_reasons reasons = {.arena = &arena};
    json_t *list = json_array();
    stream_query_reasons(query, &reasons);
    for (size_t i = 0; i < reasons.count; i++) {
        json_t *sentences = json_array();
        for (int language = 0; language < LANGUAGE_COUNT; language++) {
            struct buffer sentence = {0};
            stream_reason_format(&reasons.items[i], language == LANGUAGE_SPANISH, &sentence);
            json_array_append_new(sentences, any_text(buffer_text(&sentence)));
            buffer_free(&sentence);
        }
        json_array_append_new(
            list, json_pack("{s:s, s:o}", "kind", stream_reason_name(reasons.items[i].kind), "sentence", sentences));
    }
    arena_destroy(&arena);
    return list;
}

static json_t *describe_query(const struct stream_summary *summary, int64_t now_ms) {
    char id[UUID_TEXT_SIZE], run_id[UUID_TEXT_SIZE], application[32] = "";
    const char *status = summary->active ? "RUNNING" : summary->exception[0] != 0 ? "FAILED" : "FINISHED";
    int64_t end_ms = summary->ended_ms > 0 ? summary->ended_ms : now_ms;
    uuid_format(summary->id, id);
    uuid_format(summary->run_id, run_id);
    if (summary->session_id[0] != 0)
        format_application_id(summary->session_id, application);
    json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "id", id, "runId",
        run_id, "name", summary->name, "application", application, "status", status, "message", summary->status, "sink",
        summary->sink, "startedMs", (json_int_t)summary->started_ms, "endedMs", (json_int_t)summary->ended_ms,
        "durationMs", (json_int_t)(end_ms - summary->started_ms), "batchId", (json_int_t)summary->batch_id, "batches",
        (json_int_t)summary->batch_count, "inputRows", (json_int_t)summary->input_rows);
    json_t *figures = json_pack("{s:f, s:f, s:f, s:f, s:f, s:o, s:I, s:o, s:o, s:o}", "inputRowsPerSecond",
        summary->input_rows_per_second, "processedRowsPerSecond", summary->processed_rows_per_second,
        "averageInputRowsPerSecond", summary->average_input_rows_per_second, "averageProcessedRowsPerSecond",
        summary->average_processed_rows_per_second, "batchMs", summary->duration_ms, "error",
        any_text(summary->exception), "badRecords", (json_int_t)summary->bad_record_count, "firstBadRecord",
        any_text(summary->first_bad_record), "firstBadField", any_text(summary->first_bad_field), "firstBadReason",
        any_text(summary->first_bad_reason));
    json_object_update(row, figures);
    json_decref(figures);
    return row;
}

static void add_query(void *argument, const struct stream_summary *summary) {
    struct gathering *gathering = argument;
    json_array_append_new(gathering->list, describe_query(summary, world_wall_ms(gathering->options->world)));
}

json_t *spark_queries(const struct console_options *options) {
    struct gathering gathering = {.options = options, .list = json_array()};
    if (options->streams != NULL)
        stream_manager_each(options->streams, add_query, &gathering);
    return by_start(gathering.list);
}

static struct stream_query *find_query(const struct console_options *options, const char *run_id) {
    struct uuid id;
    if (options->streams == NULL || !uuid_parse(bytes_from_text(run_id), &id))
        return NULL;
    return stream_manager_find(options->streams, id);
}

/* One array per figure, as charts want them. */
static json_t *describe_history(const struct stream_query *query) {
    const struct stream_sample *samples;
    size_t count = stream_query_history(query, &samples);
    static const struct {
        const char *name;
        size_t place;
    } figures[] = {
        {"inputRowsPerSecond", offsetof(struct stream_sample, input_rows_per_second)},
        {"processedRowsPerSecond", offsetof(struct stream_sample, processed_rows_per_second)},
        {"batchMs", offsetof(struct stream_sample, duration_ms)},
        {"addBatch", offsetof(struct stream_sample, add_batch_ms)},
        {"queryPlanning", offsetof(struct stream_sample, query_planning_ms)},
        {"getBatch", offsetof(struct stream_sample, get_batch_ms)},
        {"latestOffset", offsetof(struct stream_sample, latest_offset_ms)},
        {"walCommit", offsetof(struct stream_sample, wal_commit_ms)},
        {"commitOffsets", offsetof(struct stream_sample, commit_offsets_ms)},
        {"stateRows", offsetof(struct stream_sample, state_rows)},
    };
    json_t *times = json_array(), *rows = json_array(), *history = json_object();
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(times, json_integer((json_int_t)samples[i].timestamp_ms));
        json_array_append_new(rows, json_integer((json_int_t)samples[i].input_rows));
    }
    json_object_set_new(history, "times", times);
    json_object_set_new(history, "inputRows", rows);
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        json_t *values = json_array();
        for (size_t j = 0; j < count; j++) {
            double value;
            memcpy(&value, (const char *)&samples[j] + figures[i].place, sizeof value);
            json_array_append_new(values, json_real(value));
        }
        json_object_set_new(history, figures[i].name, values);
    }
    return history;
}

json_t *spark_query(const struct console_options *options, const char *run_id) {
    struct stream_query *query = find_query(options, run_id);
    struct arena arena = {0};
    struct stream_summary summary;
    struct buffer plan = {0};
    if (query == NULL)
        return NULL;
    stream_query_summarize(query, &arena, &summary);
    json_t *row = describe_query(&summary, world_wall_ms(options->world));
    size_t count = stream_query_progress_count(query);
    if (count > 0) {
        struct bytes latest = stream_query_progress_json(query, count - 1);
        json_t *progress = json_loadb((const char *)latest.data, latest.size, 0, NULL);
        json_object_set_new(row, "progress", progress != NULL ? progress : json_null());
    }
    json_object_set_new(row, "reasons", describe_reasons(query));
    int64_t messages;
    double seconds;
    if (stream_query_lag(query, &messages, &seconds)) {
        json_object_set_new(row, "lagMessages", json_integer((json_int_t)messages));
        json_object_set_new(row, "lagSeconds", json_real(seconds));
    }
    stream_query_explain(query, false, &plan);
    json_object_set_new(row, "plan", any_text(buffer_text(&plan)));
    json_object_set_new(row, "checkpoint", json_string(stream_query_checkpoint(query)));
    json_object_set_new(row, "history", describe_history(query));
    buffer_free(&plan);
    arena_destroy(&arena);
    stream_query_release(query);
    return row;
}

bool spark_stop_query(const struct console_options *options, const char *run_id) {
    struct stream_query *query = find_query(options, run_id);
    bool active = query != NULL && stream_query_is_active(query);
    if (active)
        stream_query_stop(query, NULL, NULL);
    if (query != NULL)
        stream_query_release(query);
    return active;
}

/* ---- SQL executions ---- */

static json_t *describe_execution(const struct console_options *options, const struct connect_execution *execution) {
    static const char *const states[] = {
        [CONNECT_EXECUTION_RUNNING] = "RUNNING",
        [CONNECT_EXECUTION_COMPLETED] = "COMPLETED",
        [CONNECT_EXECUTION_FAILED] = "FAILED",
    };
    char application[32];
    format_application_id(execution->session_id, application);
    json_t *row = json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:I}", "id", (json_int_t)execution->id, "application",
        application, "applicationName", execution->application, "status", states[execution->status], "startedMs",
        (json_int_t)execution->started_ms, "durationMs", (json_int_t)execution->duration_ms, "rows",
        (json_int_t)execution->output_rows);
    json_object_set_new(row, "sessionId", json_string(execution->session_id));
    json_object_set_new(row, "user", json_string(execution->user[0] != 0 ? execution->user : options->user));
    json_object_set_new(row, "description", any_text(execution->description));
    json_object_set_new(row, "error", any_text(execution->error));
    return row;
}

static void add_execution(void *argument, const struct connect_execution *execution) {
    struct gathering *gathering = argument;
    size_t place = gathering->seen++;
    if (place < gathering->first || place - gathering->first >= gathering->count)
        return;
    json_array_append_new(gathering->list, describe_execution(gathering->options, execution));
}

json_t *spark_executions_range(const struct console_options *options, size_t first, size_t count, size_t *total) {
    struct gathering gathering = {.options = options, .list = json_array(), .first = first, .count = count};
    if (options->connect != NULL)
        connect_each_execution(options->connect, add_execution, &gathering);
    *total = gathering.seen;
    return gathering.list;
}

json_t *spark_executions(const struct console_options *options) {
    size_t total;
    return spark_executions_range(options, 0, SIZE_MAX, &total);
}

static void take_execution(void *argument, const struct connect_execution *execution) {
    struct gathering *gathering = argument;
    json_t *operators = json_array();
    for (size_t i = 0; i < execution->operator_count; i++) {
        const struct connect_execution_operator *operator= & execution->operators[i];
        json_array_append_new(operators,
            json_pack("{s:s, s:i, s:I, s:I, s:f, s:I}", "name", operator->name, "depth", operator->depth, "inputRows",
                (json_int_t) operator->input_rows, "outputRows", (json_int_t) operator->output_rows, "durationMs",
                (double)operator->duration_ns / 1e6, "memory", (json_int_t) operator->memory_size));
    }
    gathering->list = describe_execution(gathering->options, execution);
    json_object_set_new(gathering->list, "plan", any_text(execution->plan));
    json_object_set_new(gathering->list, "operators", operators);
}

json_t *spark_execution(const struct console_options *options, const char *id) {
    struct gathering found = {.options = options};
    uint64_t number;
    if (options->connect != NULL && bytes_to_uint64(bytes_from_text(id), &number))
        connect_find_execution(options->connect, number, take_execution, &found);
    return found.list;
}

bool spark_stop_execution(const struct console_options *options, const char *id) {
    uint64_t number;
    return options->connect != NULL && bytes_to_uint64(bytes_from_text(id), &number) &&
           connect_cancel_execution(options->connect, number);
}
