/* spark_data.h: the Spark plane as JSON rows: what the pages on 8081 and 8082, Spark's /json/ and its REST API are made
 * of. A session is shown as an application, "app-" and the start of its id. Everything here runs on the spark loop, or
 * anywhere when that plane does not run. */
#ifndef CONSOLE_SPARK_DATA_H
#define CONSOLE_SPARK_DATA_H

#include "console/page.h"

/* Cores and memory: slots that worked within the last second, and what operators and state hold, in bytes. */
struct spark_usage {
    int64_t cores, cores_used, memory, memory_used, memory_used_max, busy_ns;
};
struct spark_usage spark_usage_get(const struct console_options *options);
/* The share of worker `index`: full slots go to the first workers, memory is divided equally. */
struct spark_usage spark_usage_of_worker(const struct console_options *options, int64_t index);

/* How many there are and how many of them run, without describing each. */
struct spark_counts {
    int64_t programs, programs_running, queries, queries_running, queries_failed, executions, executions_running;
    double input_rows_per_second, processed_rows_per_second; /* of the running queries together */
};
struct spark_counts spark_count(const struct console_options *options);

/* Arrays of objects; the reference is the caller's. Running ones first, then ended ones, each the latest first. */
json_t *spark_applications(const struct console_options *options, bool running, bool ended);
json_t *spark_queries(const struct console_options *options);
json_t *spark_executions(const struct console_options *options);
/* The executions at first … first + count of the latest first; *total: of all. */
json_t *spark_executions_range(const struct console_options *options, size_t first, size_t count, size_t *total);
/* One with all that there is of it; NULL when it is not known. */
json_t *spark_query(const struct console_options *options, const char *run_id);
json_t *spark_execution(const struct console_options *options, const char *id);
/* The session id of an application's id or of itself; NULL when it is not known. Free it. */
char *spark_session_id(const struct console_options *options, const char *application);

/* Stops; false when it does not run. */
bool spark_stop_application(const struct console_options *options, const char *id);
bool spark_stop_query(const struct console_options *options, const char *run_id);
bool spark_stop_execution(const struct console_options *options, const char *id);

#endif
