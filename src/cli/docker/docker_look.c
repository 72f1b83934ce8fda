/* docker_look.c: ps, images, inspect, version, config. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/calendar.h"
#include "cli/docker/docker.h"
#include "cli/docker/format.h"
#include "cli/messages.h"
#include "cli/version.h"

/* ---- ps ---- */

struct ps_options {
    bool all, quiet, no_trunc, services;
    const char *format;
    struct docker_call *call;
    const char *name, *status; /* --filter */
    const char *bad_filter;
};

static void take_filter(void *argument, const char *value) {
    struct ps_options *options = argument;
    if (strncmp(value, "name=", 5) == 0)
        options->name = value + 5;
    else if (strncmp(value, "status=", 7) == 0)
        options->status = value + 7;
    else
        options->bad_filter = value;
}

static void status_text(const struct container *container, char out[80]) {
    char age[48];
    docker_duration(docker_now_ms() - (container->is_running ? container->started_ms : container->stopped_ms), age);
    snprintf(out, 80, container->is_running ? "Up %s" : "Exited (0) %s ago", age);
    if (!container->is_running && !container->is_served)
        snprintf(out, 80, "Created");
    if (strncmp(age, "About", 5) == 0 || strncmp(age, "Less", 4) == 0) { /* "Up about an hour" */
        char *at = strstr(out, age);
        if (at != NULL)
            *at = (char)(*at + ('a' - 'A'));
    }
}

static json_t *describe_row(const struct containers *containers, const struct container *container, bool no_trunc) {
    char age[48], status[80], id[65], created[32];
    struct buffer ports = {0}, names = {0};
    docker_duration(docker_now_ms() - container->created_ms, age);
    calendar_format_iso_ms(container->created_ms, created);
    status_text(container, status);
    snprintf(id, sizeof id, "%.*s", no_trunc ? 64 : 12, container->id);
    if (container->is_running)
        container_ports(containers, container, &ports);
    const char *state = container->is_running ? "running" : container->is_served ? "exited" : "created";
    json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s+, s:s, s:s, s:s, s:s, s:s, s:s}", "ID", id, "Image",
        container_image(container), "Command", "\"raudal up\"", "CreatedAt", created, "RunningFor", age, " ago",
        "Status", status, "State", state, "Ports", buffer_text(&ports), "Names", container->service->container, "Name",
        container->service->container, "Service", container->service->name);
    buffer_free(&ports);
    buffer_free(&names);
    return row;
}

static bool is_asked_for(const struct ps_options *options, const struct container *container) {
    const char *state = container->is_running ? "running" : "exited";
    if (options->name != NULL && strstr(container->service->container, options->name) == NULL)
        return false;
    if (options->status != NULL)
        return strcmp(options->status, state) == 0;
    return container->is_running || options->all;
}

static int print_ps(const struct ps_options *options, struct container **chosen, size_t count) {
    static const struct docker_column docker[] = {{"ID", "CONTAINER ID"}, {"Image", "IMAGE"}, {"Command", "COMMAND"},
        {"RunningFor", "CREATED"}, {"Status", "STATUS"}, {"Ports", "PORTS"}, {"Names", "NAMES"}, {"State", "STATE"},
        {"CreatedAt", "CREATED AT"}};
    static const struct docker_column compose[] = {{"Name", "NAME"}, {"Image", "IMAGE"}, {"Command", "COMMAND"},
        {"Service", "SERVICE"}, {"RunningFor", "CREATED"}, {"Status", "STATUS"}, {"Ports", "PORTS"}};
    bool is_compose = options->call->caller == CALLED_AS_COMPOSE;
    json_t *rows = json_array();
    for (size_t i = 0; i < count; i++) {
        if (!is_asked_for(options, chosen[i]))
            continue;
        if (options->quiet)
            printf("%.*s\n", options->no_trunc || is_compose ? 64 : 12, chosen[i]->id);
        else if (options->services)
            printf("%s\n", chosen[i]->service->name);
        else
            json_array_append_new(rows, describe_row(&options->call->containers, chosen[i], options->no_trunc));
    }
    bool good = true;
    if (!options->quiet && !options->services)
        good = docker_print_rows(rows, is_compose ? compose : docker,
            is_compose ? ARRAY_COUNT(compose) : ARRAY_COUNT(docker) - (options->format == NULL ? 2 : 0),
            options->format);
    json_decref(rows);
    return good ? 0 : 1;
}

int docker_ps(struct docker_call *call) {
    struct ps_options ps = {.call = call};
    bool ignored;
    const struct docker_option options[] = {{.names = "-a --all", .flag = &ps.all},
        {.names = "-q --quiet", .flag = &ps.quiet}, {.names = "--no-trunc", .flag = &ps.no_trunc},
        {.names = "--services", .flag = &ps.services}, {.names = "--orphans", .flag = &ignored},
        {.names = "--format", .value = &ps.format}, {.names = "-f --filter", .each = take_filter, .argument = &ps}};
    if (docker_options(call, options, ARRAY_COUNT(options), false) < 0)
        return 1;
    if (ps.bad_filter != NULL) {
        fprintf(stderr, message_text(MESSAGE_DOCKER_OPTION), "ps --filter", ps.bad_filter);
        return 1;
    }
    if (call->caller != CALLED_AS_COMPOSE && call->argc > 1) {
        fprintf(stderr, "\"docker ps\" accepts no arguments.\n");
        return 1;
    }
    struct container **chosen = NULL;
    size_t all = call->containers.items.count, count = 0;
    int status = 1;
    if (call->argc > 1) {
        if (docker_chosen(call, 1, call->argc, &chosen, &count))
            status = print_ps(&ps, chosen, count);
    } else {
        chosen = calloc(all + 1, sizeof *chosen);
        ASSERT(chosen != NULL);
        for (; count < all; count++)
            chosen[count] = &call->containers.items.items[count];
        status = print_ps(&ps, chosen, count);
    }
    free(chosen);
    return status;
}

/* ---- images ---- */

static json_t *describe_image(const struct containers *containers, const struct container *container) {
    const char *image = container_image(container), *colon = strrchr(image, ':');
    bool has_tag = colon != NULL && strchr(colon, '/') == NULL;
    char age[48], repository[256];
    docker_duration(docker_now_ms() - containers->instance.started_ms, age);
    snprintf(repository, sizeof repository, "%.*s", has_tag ? (int)(colon - image) : (int)strlen(image), image);
    return json_pack("{s:s, s:s, s:s%, s:s+, s:s, s:s}", "Repository", repository, "Tag",
        has_tag ? colon + 1 : "latest", "ID", container->id + 40, (size_t)12, "CreatedSince", age, " ago", "Size", "0B",
        "ContainerName", container->service->container);
}

int docker_images(struct docker_call *call) {
    static const struct docker_column docker[] = {{"Repository", "REPOSITORY"}, {"Tag", "TAG"}, {"ID", "IMAGE ID"},
        {"CreatedSince", "CREATED"}, {"Size", "SIZE"}};
    static const struct docker_column compose[] = {{"ContainerName", "CONTAINER"}, {"Repository", "REPOSITORY"},
        {"Tag", "TAG"}, {"ID", "IMAGE ID"}, {"Size", "SIZE"}};
    bool quiet = false, ignored;
    const char *format = NULL;
    const struct docker_option options[] = {{.names = "-q --quiet", .flag = &quiet},
        {.names = "-a --all", .flag = &ignored}, {.names = "--format", .value = &format}};
    if (docker_options(call, options, ARRAY_COUNT(options), false) < 0)
        return 1;
    json_t *rows = json_array();
    for (size_t i = 0; i < call->containers.items.count; i++)
        json_array_append_new(rows, describe_image(&call->containers, &call->containers.items.items[i]));
    bool is_compose = call->caller == CALLED_AS_COMPOSE;
    bool good = docker_print_rows(rows, is_compose ? compose : docker, 5, quiet ? "{{.ID}}" : format);
    json_decref(rows);
    return good ? 0 : 1;
}

/* ---- inspect ---- */

static json_t *describe_container(const struct containers *containers, const struct container *container) {
    char created[32], started[32], finished[32] = "0001-01-01T00:00:00Z";
    json_t *ports = json_object(), *aliases = json_array();
    for (size_t i = 0; i < container->service->ports.count; i++) {
        const struct stack_port *port = &container->service->ports.items[i];
        char inside[32], outside[16];
        snprintf(inside, sizeof inside, "%u/tcp", port->container != 0 ? port->container : port->published);
        snprintf(outside, sizeof outside, "%u", port->published);
        json_object_set_new(ports, inside,
            port->published == 0
                ? json_null()
                : json_pack("[{s:s, s:s}]", "HostIp", containers->instance.address, "HostPort", outside));
    }
    for (size_t i = 0; i < container->service->names.count; i++)
        json_array_append_new(aliases, json_string(container->service->names.items[i]));
    calendar_format_iso_ms(container->created_ms, created);
    calendar_format_iso_ms(container->started_ms, started);
    if (container->stopped_ms != 0)
        calendar_format_iso_ms(container->stopped_ms, finished);
    json_t *state = json_pack("{s:s, s:b, s:b, s:b, s:i, s:i, s:s, s:s, s:s}", "Status",
        container->is_running ? "running" : "exited", "Running", container->is_running, "Paused", 0, "Restarting", 0,
        "Pid", container->is_running ? (int)containers->instance.pid : 0, "ExitCode", 0, "Error", "", "StartedAt",
        started, "FinishedAt", finished);
    if (container->is_running) /* it answers: what a health check of the compose file would find */
        json_object_set_new(state, "Health", json_pack("{s:s}", "Status", "healthy"));
    json_t *network = json_pack("{s:s, s:O}", "IPAddress", container->service->address, "Aliases", aliases);
    json_decref(aliases);
    return json_pack("{s:s, s:s, s:s+, s:o, s:{s:s, s:s, s:{s:s}}, s:{s:s, s:o, s:{s:o}}}", "Id", container->id,
        "Created", created, "Name", "/", container->service->container, "State", state, "Config", "Hostname",
        container->service->name, "Image", container_image(container), "Labels", "com.docker.compose.service",
        container->service->name, "NetworkSettings", "IPAddress", container->service->address, "Ports", ports,
        "Networks", "raudal", network);
}

int docker_inspect(struct docker_call *call) {
    const char *format = NULL, *type;
    const struct docker_option options[] = {
        {.names = "-f --format", .value = &format}, {.names = "--type", .value = &type}};
    struct container **chosen = NULL;
    size_t count;
    int status = 1;
    if (docker_options(call, options, ARRAY_COUNT(options), false) > 0 &&
        docker_chosen(call, 1, call->argc, &chosen, &count)) {
        status = 0;
        json_t *all = json_array();
        for (size_t i = 0; i < count; i++) {
            json_t *object = describe_container(&call->containers, chosen[i]);
            if (format != NULL && !docker_print_template(object, format))
                status = 1;
            json_array_append_new(all, object);
        }
        char *text = format == NULL ? json_dumps(all, JSON_INDENT(4)) : NULL;
        if (text != NULL)
            puts(text);
        free(text);
        json_decref(all);
    }
    free(chosen);
    return status;
}

/* ---- version, config ---- */

int docker_version(struct docker_call *call) {
    if (call->caller == CALLED_AS_COMPOSE)
        printf("Docker Compose version raudal-%s\n", RAUDAL_VERSION);
    else
        printf("Docker version raudal-%s, build %s\n", RAUDAL_VERSION, RAUDAL_VERSION);
    message_error(MESSAGE_DOCKER_VERSION);
    return 0;
}

/* The stack as a compose file: which services, under which names and ports, and what is different. */
int docker_config(struct docker_call *call) {
    bool services = false, quiet = false;
    const struct docker_option options[] = {
        {.names = "--services", .flag = &services}, {.names = "-q --quiet", .flag = &quiet}};
    if (docker_options(call, options, ARRAY_COUNT(options), false) < 0)
        return 1;
    const struct containers *containers = &call->containers;
    if (containers->stack.source != NULL && !services && !quiet)
        printf("# %s\n", containers->stack.source);
    if (!services && !quiet)
        printf("services:\n");
    for (size_t i = 0; i < containers->items.count && !quiet; i++) {
        const struct stack_service *service = containers->items.items[i].service;
        if (services) {
            puts(service->name);
            continue;
        }
        printf("  %s:\n    container_name: %s\n    image: %s\n", service->name, service->container,
            container_image(&containers->items.items[i]));
        for (size_t k = 0; k < service->ports.count; k++) {
            const struct stack_port *port = &service->ports.items[k];
            printf("%s", k == 0 ? "    ports:\n" : "");
            if (port->published != 0)
                printf("      - \"%s:%u:%u\"\n", containers->instance.address, port->published,
                    port->container != 0 ? port->container : port->published);
            else
                printf("      - \"%u\"\n", port->container);
        }
        printf("    networks:\n      raudal:\n        ipv4_address: %s\n        aliases: [", service->address);
        for (size_t k = 0; k < service->names.count; k++)
            printf("%s%s", k == 0 ? "" : ", ", service->names.items[k]);
        printf("]\n");
        if (service->note[0] != 0)
            printf("    # %s\n", service->note);
    }
    return 0;
}
