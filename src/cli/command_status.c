/* command_status.c: raudal status [--json]: what runs and how it is doing, asked from the serving process's control
 * port. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/calendar.h"
#include "cli/commands.h"
#include "cli/instance.h"
#include "cli/messages.h"
#include "cli/options.h"

static const char *text_of(json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

static void print_queries(json_t *queries) {
    size_t index;
    json_t *query;
    json_array_foreach(queries, index, query) {
        printf("  query %s %s %s\n", text_of(query, "id"), text_of(query, "name"), text_of(query, "state"));
        json_t *reason = json_array_get(json_object_get(query, "reasons"), 0);
        if (reason != NULL)
            printf("    %s\n", text_of(reason, message_language_is_spanish() ? "es" : "en"));
        const char *lines[] = {"message", "exception", "firstBadRecord"};
        for (size_t i = 0; i < ARRAY_COUNT(lines); i++)
            if (text_of(query, lines[i])[0] != 0)
                printf("    %s: %s\n", lines[i], text_of(query, lines[i]));
    }
}

static void print_partitions(json_t *partitions) {
    size_t index, place;
    json_t *partition, *corrupt;
    json_array_foreach(partitions, index, partition) {
        const char *name = text_of(partition, "partition");
        if (text_of(partition, "failure")[0] != 0)
            message_print(MESSAGE_STATUS_OFFLINE, name, text_of(partition, "failure"));
        json_array_foreach(json_object_get(partition, "corrupt"), place, corrupt) message_print(MESSAGE_STATUS_CORRUPT,
            name, (long long)json_integer_value(json_object_get(corrupt, "first")),
            (long long)json_integer_value(json_object_get(corrupt, "last")));
    }
}

static bool is_stopped(json_t *services, const char *name) {
    size_t index;
    json_t *service;
    json_array_foreach(services, index, service) if (strcmp(text_of(service, "name"), name) == 0) return strcmp(
        text_of(service, "state"), "stopped") == 0;
    return false;
}

static void print_human(const struct instance *instance, json_t *status) {
    char since[32];
    calendar_format_iso_ms(instance->started_ms, since);
    message_print(MESSAGE_STATUS_RUNNING, (long)instance->pid, since,
        (long long)json_integer_value(json_object_get(status, "residentBytes")) >> 20, instance->data);
    json_t *services = json_object_get(status, "services");
    struct buffer url = {0};
    for (int i = 0; i < SERVICE_COUNT; i++) {
        if (instance->ports[i] == 0)
            continue;
        instance_append_url(instance, (enum service)i, &url);
        printf("  %-14s %s%s\n", service_table[i].name, buffer_text(&url),
            is_stopped(services, service_table[i].name) ? message_text(MESSAGE_STATUS_STOPPED) : "");
        buffer_clear(&url);
    }
    buffer_free(&url);
    print_partitions(json_object_get(status, "partitions"));
    print_queries(json_object_get(status, "queries"));
}

int command_status(int argc, char **argv) {
    const char *given = NULL;
    bool as_json = false;
    struct error error;
    static struct instance instance;
    const struct option_row rows[] = {
        {"--data", NULL, OPTION_TEXT, &given},
        {"--json", NULL, OPTION_FLAG, &as_json},
    };
    if (options_parse(argc, argv, rows, ARRAY_COUNT(rows), false) != 0)
        return 1;
    char data[PATH_MAX];
    if (!instance_find_data(given, data, &error)) {
        message_error(MESSAGE_BAD_SETTING, error.message);
        return 1;
    }
    instance_read(data, &instance);
    if (!instance.running) {
        if (as_json)
            printf("{\"running\": false}\n");
        message_error(MESSAGE_NOTHING_RUNS, data, data);
        return 1;
    }
    struct buffer body = {0};
    if (!instance_control(&instance, "GET", "/status", &body, &error)) {
        fprintf(stderr, "raudal status: %s\n", error.message);
        return 1;
    }
    if (as_json) {
        printf("%.*s\n", (int)body.size, (const char *)body.data);
    } else {
        json_t *status = json_loadb((const char *)body.data, body.size, 0, NULL);
        print_human(&instance, status);
        json_decref(status);
    }
    buffer_free(&body);
    return 0;
}
