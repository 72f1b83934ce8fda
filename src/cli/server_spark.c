/* server_spark.c: the Spark plane: engine, streaming queries, Spark Connect, on the `spark` loop and the compute pool
 * (the Spark slots). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/program.h"
#include "cli/server_internal.h"
#include "connect/connect.h"
#include "exec/exec.h"
#include "kafka/broker.h"
#include "stream/kafka_source.h"
#include "stream/stream.h"

struct spark_plane {
    struct exec_engine *engine;
    struct stream_kafka *kafka;
    struct stream_manager *streams;
    struct connect_server *connect;
    struct python_plane *python;
    const char *launcher[6]; /* of Python workers: they see the names that programs see */
};

static const char *session_default(void *context, const char *name) {
    /* What programs ask as spark.hadoop.NAME is a setting of Hadoop's own. */
    bool is_hadoop = strncmp(name, "spark.hadoop.fs.", 16) == 0;
    return settings_text(context, is_hadoop ? name + 13 : name);
}

static int64_t slot_count(const struct settings *settings) {
    int64_t count =
        settings_integer(settings, "spark.worker.instances") * settings_integer(settings, "spark.worker.cores");
    return count > 256 ? 256 : count;
}

/* ---- the streaming manager lives on the spark loop: made and ended there ---- */

struct manager_call {
    struct server *server;
    struct error *error;
    volatile bool ended;
};

static void create_manager(void *argument) {
    struct manager_call *call = argument;
    struct server *server = call->server;
    char notes[PATH_MAX + 16];
    snprintf(notes, sizeof notes, "file:%s/queries", server->options.data);
    struct stream_manager_options options = {
        .world = server->world,
        .loop = server->loops[SERVER_LOOP_SPARK],
        .disk_pool = server->disk_pool,
        .engine = server->spark->engine,
        .store = server->store,
        .kafka = server->spark->kafka,
        .service_log = service_logs_get(server->logs, LOG_OF_SPARK),
        .metrics = server->metrics,
        .temporary_directory = "/tmp",
        .notes_directory = notes,
    };
    server->spark->streams = stream_manager_create(&options, call->error);
}

static void manager_ended(void *argument) {
    struct manager_call *call = argument;
    __atomic_store_n(&call->ended, true, __ATOMIC_RELEASE);
}

static void end_manager(void *argument) {
    struct manager_call *call = argument;
    stream_manager_destroy(call->server->spark->streams, manager_ended, call);
}

static void nothing(void *argument) {
}

struct stream_kafka *server_stream_kafka(struct server *server, struct error *error) {
    return stream_kafka_embedded_create(broker_client(server->broker));
}

/* ---- start and stop ---- */

static bool start_engine(struct server *server, struct error *error) {
    char spill[PATH_MAX + 16];
    bool machine_decides;
    struct spark_plane *spark = server->spark;
    server->compute_pool =
        world_pool_create(server->world, "compute", (int)slot_count(server->settings), WORLD_POOL_BACKGROUND, error);
    if (server->compute_pool == NULL)
        return false;
    snprintf(spill, sizeof spill, "%s/run/spill", server->options.data);
    struct exec_options options = {
        .world = server->world,
        .pool = server->compute_pool,
        .spill_directory = spill,
        .memory_size = server_memory_budget(server->settings, &machine_decides),
        .metrics = server->metrics,
    };
    spark->engine = exec_engine_create(&options, error);
    return spark->engine != NULL;
}

static void log_start(struct server *server) {
    struct service_log *log = service_logs_get(server->logs, LOG_OF_SPARK);
    int64_t workers = settings_integer(server->settings, "spark.worker.instances"),
            cores = settings_integer(server->settings, "spark.worker.cores");
    int64_t memory = settings_integer(server->settings, "spark.worker.memory");
    service_log_write(log, LOG_INFO, "Master", "Starting Spark master at spark://%s:7077", server->options.address);
    for (int64_t i = 0; i < workers; i++)
        service_log_write(log, LOG_INFO, "Master",
            "Registering worker %s:%" PRId64 " with %" PRId64 " cores, %.1f GiB RAM", server->options.address, i + 1,
            cores, (double)memory / (1 << 30));
}

static bool start_python(struct server *server, struct error *error) {
    char self[PATH_MAX], module_folder[PATH_MAX + 16];
    struct spark_plane *spark = server->spark;
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    if (size < 0)
        return error_system(error, errno, "/proc/self/exe");
    self[size] = 0;
    snprintf(module_folder, sizeof module_folder, "%s/run/python", server->options.data);
    mkdir(module_folder, 0755);
    const char *const words[] = {server_keep_text(server, self), "shell", "--data", server->options.data, "--", NULL};
    memcpy(spark->launcher, words, sizeof words);
    struct python_plane_options options = {
        .world = server->world,
        .loop = server->loops[SERVER_LOOP_SPARK],
        .address = server->options.address,
        .module_folder = server_keep_text(server, module_folder),
        .launcher = spark->launcher,
        .log = service_logs_get(server->logs, LOG_OF_SPARK),
    };
    if (!child_program_write_modules(module_folder, error))
        return false;
    spark->python = python_plane_create(&options, error);
    return spark->python != NULL;
}

static bool start_connect(struct server *server, struct error *error) {
    char programs[PATH_MAX + 16];
    struct spark_plane *spark = server->spark;
    snprintf(programs, sizeof programs, "%s/run/programs", server->options.data);
    struct connect_options options = {
        .world = server->world,
        .loop = server->loops[SERVER_LOOP_SPARK],
        .disk_pool = server->disk_pool,
        .engine = spark->engine,
        .streams = spark->streams,
        .store = server->store,
        .address = server->options.address,
        .more_addresses = server->addresses[SERVICE_SPARK_CONNECT].items + 1,
        .more_address_count = server->addresses[SERVICE_SPARK_CONNECT].count - 1,
        .port = server_port(server, SERVICE_SPARK_CONNECT),
        .peer_rule = server_peer_rule(server),
        .programs_folder = server_keep_text(server, programs),
        .setting = session_default,
        .setting_context = (void *)server->settings,
        .log = service_logs_get(server->logs, LOG_OF_SPARK),
        .metrics = server->metrics,
        .python = spark->python,
        .python_worker_max = (int)slot_count(server->settings),
    };
    spark->connect = connect_start(&options, error);
    return spark->connect != NULL;
}

static bool start_parts(struct server *server, struct server_failure *failure) {
    struct manager_call call = {server, &failure->error, false};
    if (server_loop(server, SERVER_LOOP_SPARK, &failure->error) == NULL ||
        server_disk_pool(server, &failure->error) == NULL || server_open_store(server, &failure->error) == NULL ||
        !start_engine(server, &failure->error))
        return false;
    if (server->broker != NULL) {
        server->spark->kafka = server_stream_kafka(server, &failure->error);
        if (server->spark->kafka == NULL)
            return false;
    }
    world_loop_call(server->loops[SERVER_LOOP_SPARK], create_manager, &call);
    if (server->spark->streams == NULL)
        return false;
    failure->port = server_port(server, SERVICE_SPARK_CONNECT);
    return !server->options.services[SERVICE_SPARK_CONNECT] ||
           (start_python(server, &failure->error) && start_connect(server, &failure->error));
}

bool server_start_spark(struct server *server, struct server_failure *failure) {
    if (!server_wants_plane(server, "spark"))
        return true;
    failure->service = "spark-connect";
    server->spark = calloc(1, sizeof *server->spark);
    ASSERT(server->spark != NULL);
    log_start(server);
    if (!start_parts(server, failure)) {
        server_stop_spark(server);
        return false;
    }
    server->is_serving[SERVICE_SPARK_CONNECT] = server->options.services[SERVICE_SPARK_CONNECT];
    failure->port = 0;
    return true;
}

void server_stop_spark(struct server *server) {
    struct spark_plane *spark = server->spark;
    if (spark == NULL)
        return;
    struct world_loop *loop = server->loops[SERVER_LOOP_SPARK];
    if (spark->connect != NULL)
        connect_stop(spark->connect);
    if (spark->python != NULL)
        python_plane_destroy(spark->python);
    if (spark->streams != NULL) {
        struct manager_call call = {server, NULL, false};
        world_loop_call(loop, end_manager, &call);
        while (!__atomic_load_n(&call.ended, __ATOMIC_ACQUIRE)) /* stopping may wait; the loop does the work */
            world_loop_call(loop, nothing, NULL);
    }
    if (spark->kafka != NULL)
        stream_kafka_embedded_destroy(spark->kafka);
    if (server->compute_pool != NULL)
        world_pool_destroy(server->compute_pool);
    if (spark->engine != NULL)
        exec_engine_destroy(spark->engine);
    server->compute_pool = NULL;
    server_destroy_loop(server, SERVER_LOOP_SPARK);
    free(spark);
    server->spark = NULL;
}

void server_spark_parts(struct server *server, struct stream_manager **streams, struct connect_server **connect) {
    *streams = server->spark == NULL ? NULL : server->spark->streams;
    *connect = server->spark == NULL ? NULL : server->spark->connect;
}

struct exec_engine *server_spark_engine(struct server *server) {
    return server->spark == NULL ? NULL : server->spark->engine;
}

/* ---- raudal status ---- */

struct listing {
    struct buffer *out;
    const char *separator;
};

static void append_text(struct buffer *out, const char *name, const char *text) {
    buffer_printf(out, ", \"%s\": ", name);
    buffer_append_json_string(out, bytes_from_text(text == NULL ? "" : text));
}

static void append_reasons(struct buffer *out, struct stream_query *query) {
    struct arena arena = {0};
    struct stream_reasons reasons = {.arena = &arena};
    stream_query_reasons(query, &reasons);
    buffer_append_text(out, ", \"reasons\": [");
    for (size_t i = 0; i < reasons.count; i++) {
        const struct stream_reason *reason = &reasons.items[i];
        buffer_printf(out, "%s{\"kind\": \"%s\", \"count\": %" PRId64, i > 0 ? ", " : "",
            stream_reason_name(reason->kind), reason->count);
        append_text(out, "subject", reason->subject);
        append_text(out, "other", reason->other);
        for (int spanish = 0; spanish < 2; spanish++) {
            struct buffer sentence = {0};
            stream_reason_format(reason, spanish == 1, &sentence);
            append_text(out, spanish == 1 ? "es" : "en", buffer_text(&sentence));
            buffer_free(&sentence);
        }
        buffer_append_text(out, "}");
    }
    buffer_append_text(out, "]");
    arena_destroy(&arena);
}

static void append_query(void *argument, const struct stream_summary *summary) {
    struct listing *listing = argument;
    char id[UUID_TEXT_SIZE], run_id[UUID_TEXT_SIZE];
    struct buffer bad = {0};
    uuid_format(summary->id, id);
    uuid_format(summary->run_id, run_id);
    if (summary->bad_record_count > 0)
        buffer_printf(&bad, "%s%s%" PRIu64 " records did not fit the schema; the first%s%s: field %s: %s: %s",
            summary->name, summary->name[0] == 0 ? "" : ": ", summary->bad_record_count,
            summary->first_bad_place[0] == 0 ? "" : ", ", summary->first_bad_place, summary->first_bad_field,
            summary->first_bad_reason, summary->first_bad_record);
    buffer_printf(listing->out,
        "%s{\"id\": \"%s\", \"runId\": \"%s\", \"state\": \"%s\", \"batchId\": %" PRId64 ", \"inputRows\": %" PRId64
        ", \"badRecords\": %" PRIu64,
        listing->separator, id, run_id, summary->active ? "active" : "terminated", summary->batch_id,
        summary->input_rows, summary->bad_record_count);
    append_text(listing->out, "name", summary->name);
    append_text(listing->out, "sink", summary->sink);
    append_text(listing->out, "exception", summary->exception);
    append_text(listing->out, "firstBadRecord", buffer_text(&bad));
    append_text(listing->out, "firstBadField", summary->first_bad_field);
    append_text(listing->out, "firstBadValue", summary->first_bad_record);
    append_text(listing->out, "firstBadReason", summary->first_bad_reason);
    append_text(listing->out, "firstBadPlace", summary->first_bad_place);
    append_reasons(listing->out, summary->query);
    buffer_append_text(listing->out, "}");
    listing->separator = ", ";
    buffer_free(&bad);
}

void server_append_queries(struct server *server, struct buffer *out) {
    struct listing listing = {out, ""};
    if (server->spark != NULL && server->spark->streams != NULL)
        stream_manager_each(server->spark->streams, append_query, &listing);
}
