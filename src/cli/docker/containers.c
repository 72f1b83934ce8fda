#include "cli/docker/containers.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/messages.h"

int64_t docker_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void docker_duration(int64_t ms, char out[48]) {
    int64_t seconds = ms / 1000, minutes = seconds / 60, hours = (minutes + 30) / 60;
    if (seconds < 1)
        snprintf(out, 48, "Less than a second");
    else if (seconds < 60)
        snprintf(out, 48, seconds == 1 ? "%" PRId64 " second" : "%" PRId64 " seconds", seconds);
    else if (minutes == 1)
        snprintf(out, 48, "About a minute");
    else if (minutes < 60)
        snprintf(out, 48, "%" PRId64 " minutes", minutes);
    else if (hours == 1)
        snprintf(out, 48, "About an hour");
    else if (hours < 48)
        snprintf(out, 48, "%" PRId64 " hours", hours);
    else if (hours < 24 * 14)
        snprintf(out, 48, "%" PRId64 " days", hours / 24);
    else
        snprintf(out, 48, "%" PRId64 " weeks", hours / 24 / 7);
}

/* ---- ids: as long as docker's, the same at each look ---- */

static void make_id(const char *data, const char *name, char id[65]) {
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (int part = 0; part < 4; part++) {
        for (const char *at = data; *at != 0; at++)
            hash = (hash ^ (uint8_t)*at) * 1099511628211u;
        for (const char *at = name; *at != 0; at++)
            hash = (hash ^ (uint8_t)*at) * 1099511628211u;
        uint64_t mixed = hash ^ hash >> 29;
        snprintf(id + 16 * part, 17, "%016" PRIx64, mixed * 0x9e3779b97f4a7c15u);
    }
}

/* ---- the file of stopped containers ---- */

static void stopped_path(const struct containers *containers, char path[PATH_MAX + 16]) {
    snprintf(path, PATH_MAX + 16, "%s/run/stopped", containers->instance.data);
}

static void life_line(const struct containers *containers, char line[64]) {
    snprintf(line, 64, "%ld %" PRId64 "\n", (long)containers->instance.pid, containers->instance.started_ms);
}

static bool is_one_of_several(const struct containers *containers, const struct container *container) {
    size_t count = 0;
    for (size_t i = 0; i < containers->items.count; i++)
        count += containers->items.items[i].service->kind == container->service->kind;
    return count > 1;
}

/* Of one that is alone its service says whether it runs. */
static void read_stopped(struct containers *containers) {
    char path[PATH_MAX + 16], life[64], line[512];
    stopped_path(containers, path);
    life_line(containers, life);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    bool of_this_life = fgets(line, sizeof line, file) != NULL && strcmp(line, life) == 0;
    while (of_this_life && fgets(line, sizeof line, file) != NULL) {
        int64_t stopped_ms = 0;
        char name[400];
        if (sscanf(line, "%" SCNd64 " %399s", &stopped_ms, name) != 2)
            continue;
        for (size_t i = 0; i < containers->items.count; i++)
            if (strcmp(containers->items.items[i].service->container, name) == 0 &&
                is_one_of_several(containers, &containers->items.items[i])) {
                containers->items.items[i].is_running = false;
                containers->items.items[i].stopped_ms = stopped_ms;
            }
    }
    fclose(file);
}

static void write_stopped(const struct containers *containers) {
    char path[PATH_MAX + 16], temporary[PATH_MAX + 24], life[64];
    stopped_path(containers, path);
    life_line(containers, life);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    FILE *file = fopen(temporary, "we");
    if (file == NULL)
        return;
    fputs(life, file);
    for (size_t i = 0; i < containers->items.count; i++)
        if (!containers->items.items[i].is_running && containers->items.items[i].is_served)
            fprintf(file, "%" PRId64 " %s\n", containers->items.items[i].stopped_ms,
                containers->items.items[i].service->container);
    if (fclose(file) == 0)
        rename(temporary, path);
}

/* ---- what the serving process says ---- */

static const json_t *find_status(const json_t *services, const char *name) {
    size_t index;
    const json_t *service;
    json_array_foreach(services, index, service) {
        const char *found = json_string_value(json_object_get(service, "name"));
        if (found != NULL && strcmp(found, name) == 0)
            return service;
    }
    return NULL;
}

static int64_t number_of(const json_t *object, const char *name) {
    return (int64_t)json_integer_value(json_object_get(object, name));
}

/* What a kind of container is. Its ports may lead to more (a DataNode's page is the NameNode's). */
static const enum service kind_services[STACK_KIND_COUNT][2] = {
    [STACK_KAFKA] = {SERVICE_KAFKA, SERVICE_COUNT},
    [STACK_ZOOKEEPER] = {SERVICE_ZOOKEEPER, SERVICE_COUNT},
    [STACK_KAFKA_UI] = {SERVICE_KAFKA_UI, SERVICE_COUNT},
    [STACK_SPARK_MASTER] = {SERVICE_SPARK_MASTER, SERVICE_SPARK_CONNECT},
    [STACK_SPARK_WORKER] = {SERVICE_SPARK_WORKER, SERVICE_COUNT},
    [STACK_NAMENODE] = {SERVICE_NAMENODE, SERVICE_NAMENODE_UI},
    [STACK_DATANODE] = {SERVICE_DATANODE, SERVICE_COUNT},
    [STACK_JUPYTER] = {SERVICE_JUPYTER, SERVICE_COUNT},
    [STACK_OTHER] = {SERVICE_COUNT, SERVICE_COUNT},
};

/* A container runs while all its services do. */
static void take_status(struct container *container, const json_t *services) {
    container->is_running = true;
    for (size_t i = 0; i < ARRAY_COUNT(kind_services[0]); i++) {
        enum service service = kind_services[container->service->kind][i];
        const json_t *status = service == SERVICE_COUNT ? NULL : find_status(services, service_table[service].name);
        if (status == NULL)
            continue;
        container->is_served = true;
        const char *state = json_string_value(json_object_get(status, "state"));
        if (state != NULL && strcmp(state, "stopped") == 0) {
            container->is_running = false;
            container->stopped_ms = number_of(status, "stoppedMs");
        } else if (number_of(status, "startedMs") > container->started_ms) {
            container->started_ms = number_of(status, "startedMs");
        }
    }
    container->is_running = container->is_running && container->is_served;
}

static void add_containers(struct containers *containers, const json_t *services) {
    for (size_t i = 0; i < containers->stack.services.count; i++) {
        struct container *container = VECTOR_ADD(&containers->items);
        *container = (struct container){.service = &containers->stack.services.items[i]};
        make_id(containers->instance.data, container->service->container, container->id);
        container->created_ms = container->started_ms = containers->instance.started_ms;
        take_status(container, services);
    }
    read_stopped(containers);
}

bool containers_load(struct containers *containers, const char *given_data) {
    struct error error = {0};
    struct buffer body = {0};
    memset(containers, 0, sizeof *containers);
    if (!instance_require(given_data, &containers->instance))
        return false;
    if (!instance_control(&containers->instance, "GET", "/status", &body, &error) ||
        !stack_read(&containers->stack, containers->instance.data, &error)) {
        fprintf(stderr, "raudal: %s\n", error.message);
        buffer_free(&body);
        return false;
    }
    json_t *status = json_loadb((const char *)body.data, body.size, 0, NULL);
    add_containers(containers, json_object_get(status, "services"));
    json_decref(status);
    buffer_free(&body);
    return true;
}

void containers_free(struct containers *containers) {
    VECTOR_FREE(&containers->items);
    stack_free(&containers->stack);
}

struct container *containers_find(struct containers *containers, const char *name) {
    const struct stack_service *service = stack_find(&containers->stack, name);
    size_t size = strlen(name);
    for (size_t i = 0; i < containers->items.count; i++)
        if (containers->items.items[i].service == service)
            return &containers->items.items[i];
    for (size_t i = 0; i < containers->items.count && size >= 4; i++)
        if (strncmp(containers->items.items[i].id, name, size) == 0)
            return &containers->items.items[i];
    return NULL;
}

/* ---- stopping and starting ---- */

/* Whether another container that runs is served by `what` too. */
static bool is_needed(const struct containers *containers, const struct container *except, enum stack_kind kind) {
    for (size_t i = 0; i < containers->items.count; i++) {
        const struct container *other = &containers->items.items[i];
        if (other != except && other->is_running && other->service->kind == kind)
            return true;
    }
    return false;
}

static bool switch_services(struct containers *containers, const struct container *container, bool starts) {
    for (size_t i = 0; i < ARRAY_COUNT(kind_services[0]); i++) {
        enum service service = kind_services[container->service->kind][i];
        char path[128];
        struct buffer body = {0};
        struct error error = {0};
        if (service == SERVICE_COUNT || containers->instance.ports[service] == 0)
            continue;
        snprintf(path, sizeof path, "/services/%s/%s", service_table[service].name, starts ? "start" : "stop");
        bool done = instance_control(&containers->instance, "POST", path, &body, &error);
        buffer_free(&body);
        if (!done) {
            message_error(starts ? MESSAGE_CANNOT_START_SERVICE : MESSAGE_CANNOT_STOP_SERVICE,
                container->service->container, error.message);
            return false;
        }
    }
    return true;
}

bool container_switch(struct containers *containers, struct container *container, bool starts) {
    enum stack_kind kind = container->service->kind;
    if (!container->is_served) {
        message_error(MESSAGE_NOT_SERVED, container->service->container);
        return false;
    }
    if (container->is_running == starts)
        return true;
    bool shared = is_needed(containers, container, kind);
    if (!shared && !switch_services(containers, container, starts))
        return false;
    container->is_running = starts;
    if (starts)
        container->started_ms = docker_now_ms();
    else
        container->stopped_ms = docker_now_ms();
    if (!starts && shared)
        message_error(MESSAGE_STOP_SHARED, container->service->container);
    if (!starts && kind == STACK_SPARK_WORKER && !shared)
        message_error(MESSAGE_STOP_WORKERS);
    write_stopped(containers);
    return true;
}

/* ---- looks ---- */

const char *container_image(const struct container *container) {
    static const char *const images[STACK_KIND_COUNT] = {"raudal/kafka", "raudal/zookeeper", "raudal/kafka-ui",
        "raudal/spark", "raudal/spark", "raudal/hadoop-namenode", "raudal/hadoop-datanode", "raudal/jupyter", "raudal"};
    return container->service->image[0] != 0 ? container->service->image : images[container->service->kind];
}

void container_ports(const struct containers *containers, const struct container *container, struct buffer *out) {
    const char *separator = "";
    for (size_t i = 0; i < container->service->ports.count; i++) {
        const struct stack_port *port = &container->service->ports.items[i];
        if (port->published != 0)
            buffer_printf(out, "%s%s:%u->%u/tcp", separator, containers->instance.address, port->published,
                port->container != 0 ? port->container : port->published);
        else if (port->container != 0)
            buffer_printf(out, "%s%u/tcp", separator, port->container);
        separator = ", ";
    }
}
