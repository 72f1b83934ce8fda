#include "cli/stack.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/assert.h"

const char *const stack_kind_names[STACK_KIND_COUNT] = {
    [STACK_KAFKA] = "kafka",
    [STACK_ZOOKEEPER] = "zookeeper",
    [STACK_KAFKA_UI] = "kafka-ui",
    [STACK_SPARK_MASTER] = "spark-master",
    [STACK_SPARK_WORKER] = "spark-worker",
    [STACK_NAMENODE] = "namenode",
    [STACK_DATANODE] = "datanode",
    [STACK_JUPYTER] = "jupyter",
    [STACK_OTHER] = "other",
};

static char *copy(const char *text) {
    char *made = strdup(text == NULL ? "" : text);
    ASSERT(made != NULL);
    return made;
}

static void replace(char **place, const char *text) {
    free(*place);
    *place = copy(text);
}

struct stack_service *stack_add(
    struct stack *stack, const char *name, const char *container, enum stack_kind kind, const char *address) {
    struct stack_service *service = VECTOR_ADD(&stack->services);
    *service = (struct stack_service){.name = copy(name),
        .container = copy(container),
        .image = copy(""),
        .kind = kind,
        .address = copy(address),
        .note = copy("")};
    stack_add_name(service, name);
    stack_add_name(service, container);
    return service;
}

void stack_add_name(struct stack_service *service, const char *name) {
    for (size_t i = 0; i < service->names.count; i++)
        if (strcmp(service->names.items[i], name) == 0)
            return;
    VECTOR_PUSH(&service->names, copy(name));
}

void stack_set_image(struct stack_service *service, const char *image) {
    replace(&service->image, image);
}

void stack_set_note(struct stack_service *service, const char *note) {
    replace(&service->note, note);
}

void stack_set_told(struct stack_service *service, const char *host, uint16_t port) {
    ASSERT(service->ports.count > 0);
    struct stack_port *last = &service->ports.items[service->ports.count - 1];
    free(last->told);
    last->told = copy(host);
    last->told_port = port;
}

/* ---- without a compose file ---- */

static const struct default_row {
    const char *name;
    enum stack_kind kind;
    enum service ports[2];
} default_rows[] = {
    {"kafka", STACK_KAFKA, {SERVICE_KAFKA, SERVICE_COUNT}},
    {"zookeeper", STACK_ZOOKEEPER, {SERVICE_ZOOKEEPER, SERVICE_COUNT}},
    {"kafka-ui", STACK_KAFKA_UI, {SERVICE_KAFKA_UI, SERVICE_COUNT}},
    {"spark-master", STACK_SPARK_MASTER, {SERVICE_SPARK_MASTER, SERVICE_SPARK_CONNECT}},
    {"spark-worker-1", STACK_SPARK_WORKER, {SERVICE_SPARK_WORKER, SERVICE_COUNT}},
    {"spark-worker-2", STACK_SPARK_WORKER, {SERVICE_COUNT, SERVICE_COUNT}},
    {"namenode", STACK_NAMENODE, {SERVICE_NAMENODE, SERVICE_NAMENODE_UI}},
    {"datanode", STACK_DATANODE, {SERVICE_DATANODE, SERVICE_COUNT}},
    {"jupyter", STACK_JUPYTER, {SERVICE_JUPYTER, SERVICE_COUNT}},
};

/* A worker shows the port of the one page that all workers share. */
static bool is_wanted(const struct default_row *row, const bool services[SERVICE_COUNT]) {
    if (row->kind == STACK_SPARK_WORKER)
        return services[SERVICE_SPARK_WORKER];
    for (size_t i = 0; i < ARRAY_COUNT(row->ports); i++)
        if (row->ports[i] != SERVICE_COUNT && services[row->ports[i]])
            return true;
    return false;
}

void stack_make_default(
    struct stack *stack, const char *address, const struct settings *settings, const bool services[SERVICE_COUNT]) {
    for (size_t i = 0; i < ARRAY_COUNT(default_rows); i++) {
        const struct default_row *row = &default_rows[i];
        if (!is_wanted(row, services))
            continue;
        struct stack_service *service = stack_add(stack, row->name, row->name, row->kind, address);
        for (size_t k = 0; k < ARRAY_COUNT(row->ports); k++) {
            if (row->ports[k] == SERVICE_COUNT || !services[row->ports[k]])
                continue;
            uint16_t port = settings_port(settings, service_table[row->ports[k]].port_setting);
            VECTOR_PUSH(&service->ports, ((struct stack_port){port, port, row->ports[k], NULL, 0}));
        }
    }
}

struct stack_service *stack_find(const struct stack *stack, const char *name) {
    for (size_t i = 0; i < stack->services.count; i++)
        if (strcmp(stack->services.items[i].name, name) == 0)
            return &stack->services.items[i];
    for (size_t i = 0; i < stack->services.count; i++)
        if (strcmp(stack->services.items[i].container, name) == 0)
            return &stack->services.items[i];
    return NULL;
}

bool stack_serves(const struct stack_service *service, enum service what) {
    for (size_t i = 0; i < service->ports.count; i++)
        if (service->ports.items[i].service == what)
            return true;
    return false;
}

/* ---- the file ---- */

static json_t *describe_ports(const struct stack_service *service) {
    json_t *ports = json_array();
    for (size_t i = 0; i < service->ports.count; i++) {
        const struct stack_port *port = &service->ports.items[i];
        json_t *object = json_pack("{s:i, s:i}", "published", port->published, "container", port->container);
        if (port->service != SERVICE_COUNT)
            json_object_set_new(object, "service", json_string(service_table[port->service].name));
        if (port->told != NULL)
            json_object_set_new(object, "told", json_sprintf("%s:%u", port->told, (unsigned)port->told_port));
        json_array_append_new(ports, object);
    }
    return ports;
}

static json_t *describe(const struct stack *stack) {
    json_t *services = json_array();
    for (size_t i = 0; i < stack->services.count; i++) {
        const struct stack_service *service = &stack->services.items[i];
        json_t *names = json_array();
        for (size_t k = 0; k < service->names.count; k++)
            json_array_append_new(names, json_string(service->names.items[k]));
        json_array_append_new(services,
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:s}", "name", service->name, "container",
                service->container, "image", service->image, "kind", stack_kind_names[service->kind], "address",
                service->address, "ports", describe_ports(service), "names", names, "note", service->note));
    }
    return json_pack("{s:s?, s:o}", "source", stack->source, "services", services);
}

bool stack_write(const struct stack *stack, const char *data, struct error *error) {
    char path[PATH_MAX + 32], temporary[PATH_MAX + 40];
    snprintf(path, sizeof path, "%s/run/stack.json", data);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    json_t *root = describe(stack);
    bool written = root != NULL && json_dump_file(root, temporary, JSON_INDENT(2)) == 0;
    int reason = errno;
    json_decref(root);
    if (!written || rename(temporary, path) != 0)
        return error_system(error, written ? errno : reason, "%s", path);
    return true;
}

static const char *text_of(json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

static uint16_t port_of(json_t *object, const char *name) {
    json_int_t number = json_integer_value(json_object_get(object, name));
    return number > 0 && number <= UINT16_MAX ? (uint16_t)number : 0;
}

static enum stack_kind kind_from(const char *text) {
    for (int i = 0; i < STACK_KIND_COUNT; i++)
        if (strcmp(text, stack_kind_names[i]) == 0)
            return (enum stack_kind)i;
    return STACK_OTHER;
}

static enum service service_from(const char *text) {
    for (int i = 0; i < SERVICE_COUNT; i++)
        if (strcmp(text, service_table[i].name) == 0)
            return (enum service)i;
    return SERVICE_COUNT;
}

static void read_port(struct stack_service *service, json_t *object) {
    struct stack_port port = {.published = port_of(object, "published"),
        .container = port_of(object, "container"),
        .service = service_from(text_of(object, "service"))};
    VECTOR_PUSH(&service->ports, port);
    char host[256];
    const char *told = text_of(object, "told"), *colon = strrchr(told, ':');
    int64_t number;
    if (colon == NULL || !bytes_to_int64(bytes_from_text(colon + 1), &number) || number < 1 || number > UINT16_MAX)
        return;
    snprintf(host, sizeof host, "%.*s", (int)(colon - told), told);
    stack_set_told(service, host, (uint16_t)number);
}

static void read_service(struct stack *stack, json_t *object) {
    size_t index;
    json_t *item;
    struct stack_service *service = stack_add(stack, text_of(object, "name"), text_of(object, "container"),
        kind_from(text_of(object, "kind")), text_of(object, "address"));
    stack_set_image(service, text_of(object, "image"));
    stack_set_note(service, text_of(object, "note"));
    json_array_foreach(json_object_get(object, "ports"), index, item) read_port(service, item);
    json_array_foreach(json_object_get(object, "names"), index, item)
        stack_add_name(service, json_is_string(item) ? json_string_value(item) : "");
}

bool stack_read(struct stack *stack, const char *data, struct error *error) {
    char path[PATH_MAX + 32];
    json_error_t where;
    size_t index;
    json_t *item;
    *stack = (struct stack){0};
    snprintf(path, sizeof path, "%s/run/stack.json", data);
    if (access(path, R_OK) != 0)
        return error_system(error, errno, "%s", path);
    json_t *root = json_load_file(path, 0, &where);
    json_t *services = json_object_get(root, "services");
    if (!json_is_array(services)) {
        json_decref(root);
        return error_set(error, ERROR_CORRUPT, "%s: %s", path, root == NULL ? where.text : "there are no services");
    }
    const char *source = json_string_value(json_object_get(root, "source"));
    stack->source = source == NULL ? NULL : copy(source);
    json_array_foreach(services, index, item) read_service(stack, item);
    json_decref(root);
    return true;
}

void stack_free(struct stack *stack) {
    for (size_t i = 0; i < stack->services.count; i++) {
        struct stack_service *service = &stack->services.items[i];
        char *texts[] = {service->name, service->container, service->image, service->address, service->note};
        for (size_t k = 0; k < ARRAY_COUNT(texts); k++)
            free(texts[k]);
        for (size_t k = 0; k < service->names.count; k++)
            free(service->names.items[k]);
        for (size_t k = 0; k < service->ports.count; k++)
            free(service->ports.items[k].told);
        VECTOR_FREE(&service->ports);
        VECTOR_FREE(&service->names);
    }
    VECTOR_FREE(&stack->services);
    free(stack->source);
    *stack = (struct stack){0};
}
