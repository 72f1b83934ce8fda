#include "cli/server.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/assert.h"
#include "base/metrics.h"
#include "cli/default_fs.h"
#include "cli/server_internal.h"
#include "cli/version.h"

/* ---- memory ---- */

static int64_t read_limit(const char *path) {
    char text[64] = "";
    int64_t value;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return INT64_MAX;
    bool read = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    return read && bytes_to_int64(bytes_trim(bytes_from_text(text)), &value) ? value : INT64_MAX;
}

static int64_t machine_memory(void) {
    struct sysinfo info;
    int64_t memory = sysinfo(&info) == 0 ? (int64_t)info.totalram * info.mem_unit : INT64_MAX;
    int64_t v2 = read_limit("/sys/fs/cgroup/memory.max");
    int64_t v1 = read_limit("/sys/fs/cgroup/memory/memory.limit_in_bytes");
    memory = v2 < memory ? v2 : memory;
    return v1 < memory ? v1 : memory;
}

int64_t server_memory_budget(const struct settings *settings, bool *machine_decides) {
    int64_t workers =
        settings_integer(settings, "spark.worker.instances") * settings_integer(settings, "spark.worker.memory");
    int64_t half = machine_memory() / 2;
    *machine_decides = half < workers;
    return *machine_decides ? half : workers;
}

/* ---- start and stop ---- */

static void describe_instance(const struct server *server, struct instance *instance) {
    char authority[DEFAULT_FS_SIZE_MAX];
    struct passwd *user = getpwuid(geteuid());
    memset(instance, 0, sizeof *instance);
    snprintf(instance->data, sizeof instance->data, "%s", server->options.data);
    snprintf(instance->address, sizeof instance->address, "%s", server->options.address);
    snprintf(instance->user, sizeof instance->user, "%s", user == NULL ? "?" : user->pw_name);
    default_fs_authority(server->settings, authority);
    snprintf(instance->default_fs, sizeof instance->default_fs, "hdfs://%s", authority);
    instance->pid = getpid();
    instance->running = true;
    instance->started_ms = world_wall_ms(server->world);
}

/* Each starts one plane or does nothing when none of its services is wanted; the order is the order of start. */
static const struct plane planes[] = {
    {server_start_control, server_stop_control},
    {server_start_kafka, server_stop_kafka},
    {server_start_zookeeper, server_stop_zookeeper},
    {server_start_hdfs, server_stop_hdfs},
    {server_start_spark, server_stop_spark},
    {server_start_console, server_stop_console},
    {server_start_jupyter, server_stop_jupyter},
};

static bool start_planes(struct server *server, struct server_failure *failure) {
    for (; server->started_count < ARRAY_COUNT(planes); server->started_count++)
        if (!planes[server->started_count].start(server, failure))
            return false;
    for (int i = 0; i < SERVICE_COUNT; i++)
        if (server->options.services[i] && !server->is_serving[i]) {
            failure->service = service_table[i].name;
            return error_set(&failure->error, ERROR_UNSUPPORTED, "this build does not have it");
        }
    return true;
}

struct server *server_start(
    const struct server_options *options, struct instance *instance, struct server_failure *failure) {
    char path[PATH_MAX + 16];
    memory_keep_freed();
    struct server *server = calloc(1, sizeof *server);
    ASSERT(server != NULL);
    server->options = *options;
    server->settings = options->settings;
    server->world = world_posix_create();
    server->metrics = metrics_create();
    describe_instance(server, &server->instance);
    server_collect_addresses(server);
    if (!volumes_from_setting(settings_text(options->settings, "raudal.volumes"), options->data, volumes_home_is_free(),
            server->instance.volumes, &failure->error))
        failure->service = "volumes";
    snprintf(path, sizeof path, "%s/logs", options->data);
    server->logs =
        failure->service != NULL ? NULL : service_logs_open(server->world, path, options->echo_logs, &failure->error);
    server->log = server->logs == NULL ? NULL : service_logs_get(server->logs, LOG_OF_RAUDAL);
    service_log_write(server->log, LOG_INFO, "raudal", "Raudal %s starts in %s on %s", RAUDAL_VERSION, options->data,
        options->address);
    if (server->logs == NULL || !instance_write(&server->instance, &failure->error) || !start_planes(server, failure) ||
        !server_publish(server, &failure->error)) {
        service_log_write(server->log, LOG_ERROR, "raudal", "%s did not start: %s",
            failure->service == NULL ? "raudal" : failure->service, failure->error.message);
        server_stop(server);
        return NULL;
    }
    service_log_write(server->log, LOG_INFO, "raudal", "Every port answers");
    *instance = server->instance;
    return server;
}

bool server_publish(struct server *server, struct error *error) {
    for (int i = 0; i < SERVICE_COUNT; i++)
        server->instance.ports[i] = server->is_serving[i] ? server_port(server, (enum service)i) : 0;
    server->instance.ready = true;
    return instance_write(&server->instance, error);
}

uint16_t server_port(const struct server *server, enum service service) {
    return settings_port(server->settings, service_table[service].port_setting);
}

bool server_wants_plane(const struct server *server, const char *plane) {
    for (int i = 0; i < SERVICE_COUNT; i++)
        if (server->options.services[i] && strcmp(service_table[i].plane, plane) == 0)
            return true;
    return false;
}

void server_stop(struct server *server) {
    service_log_write(server->log, LOG_INFO, "raudal", "Stopping");
    instance_remove(server->options.data);
    server_end_switches(server);
    while (server->started_count > 0)
        planes[--server->started_count].stop(server);
    server_close_store(server);
    if (server->disk_pool != NULL)
        world_pool_destroy(server->disk_pool);
    server_free_addresses(server);
    for (size_t i = 0; i < server->texts.count; i++)
        free(server->texts.items[i]);
    VECTOR_FREE(&server->texts);
    service_log_write(server->log, LOG_INFO, "raudal", "Stopped");
    service_logs_close(server->logs);
    metrics_destroy(server->metrics);
    world_destroy(server->world);
    free(server);
}

struct world_loop *server_loop(struct server *server, enum server_loop loop, struct error *error) {
    static const char *const names[] = {"web", "kafka", "store", "spark"};
    if (server->loops[loop] == NULL)
        server->loops[loop] = world_loop_create(server->world, names[loop], error);
    return server->loops[loop];
}

void server_destroy_loop(struct server *server, enum server_loop loop) {
    if (server->loops[loop] != NULL)
        world_loop_destroy(server->loops[loop]);
    server->loops[loop] = NULL;
}

enum net_peer_rule server_peer_rule(const struct server *server) {
    return server->options.share ? NET_PEER_ANY : NET_PEER_SAME_USER;
}

const char *server_keep_text(struct server *server, const char *text) {
    char *copy = strdup(text);
    ASSERT(copy != NULL);
    VECTOR_PUSH(&server->texts, copy);
    return copy;
}

/* The disk pool: syncs and file metadata; a few threads, started when first needed. */
struct world_pool *server_disk_pool(struct server *server, struct error *error) {
    if (server->disk_pool == NULL)
        server->disk_pool = world_pool_create(server->world, "disk", 4, WORLD_POOL_NORMAL, error);
    return server->disk_pool;
}
