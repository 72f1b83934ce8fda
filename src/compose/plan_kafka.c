/* plan_kafka.c: brokers, ZooKeeper and the pages of Kafka. */
#include "compose/plan.h"

#include <stdio.h>

#include "base/assert.h"

enum { LISTENER_COUNT_MAX = 16 };

/* NAME://host:port */
struct listener {
    struct bytes name, host;
    uint16_t port;
};

struct listener_list {
    struct listener items[LISTENER_COUNT_MAX];
    size_t count;
};

static bool parse_listener(struct bytes text, struct listener *listener) {
    const char *end = text.size == 0 ? NULL : memmem(text.data, text.size, "://", 3);
    size_t from = end == NULL ? 0 : (size_t)(end - (const char *)text.data) + 3;
    if (end == NULL)
        return false;
    listener->name = bytes_slice(text, 0, from - 3);
    return plan_split_address(bytes_slice(text, from, text.size - from), &listener->host, &listener->port);
}

static void parse_listeners(
    struct model *model, const struct model_service *service, const char *text, struct listener_list *list) {
    struct bytes all = bytes_from_text(text == NULL ? "" : text);
    for (size_t at = 0; at < all.size;) {
        size_t comma = bytes_find(all, ',', at), end = comma == SIZE_MAX ? all.size : comma;
        struct bytes item = bytes_trim(bytes_slice(all, at, end - at));
        at = end + 1;
        if (item.size > 0 && list->count < LISTENER_COUNT_MAX && parse_listener(item, &list->items[list->count]))
            list->count++;
        else if (item.size > 0)
            model_note(model, NOTE_BAD_LISTENER, service->name, arena_text(model->arena, item));
    }
}

static const struct listener *find_listener(const struct listener_list *list, struct bytes name) {
    for (size_t i = 0; i < list->count; i++)
        if (bytes_equal_ignore_case(list->items[i].name, name))
            return &list->items[i];
    return NULL;
}

static bool list_has(const char *list, struct bytes name) {
    struct bytes all = bytes_from_text(list == NULL ? "" : list);
    for (size_t at = 0; at < all.size;) {
        size_t comma = bytes_find(all, ',', at), end = comma == SIZE_MAX ? all.size : comma;
        if (bytes_equal_ignore_case(bytes_trim(bytes_slice(all, at, end - at)), name))
            return true;
        at = end + 1;
    }
    return false;
}

/* What the protocol map says of a listener; a name that is a protocol is its own. */
static struct bytes protocol_of(const char *map, struct bytes name) {
    static const char *const protocols[] = {"SSL", "SASL_PLAINTEXT", "SASL_SSL"};
    struct bytes all = bytes_from_text(map == NULL ? "" : map);
    for (size_t at = 0; at < all.size;) {
        size_t comma = bytes_find(all, ',', at), end = comma == SIZE_MAX ? all.size : comma;
        struct bytes item = bytes_trim(bytes_slice(all, at, end - at));
        size_t colon = bytes_find(item, ':', 0);
        if (colon != SIZE_MAX && bytes_equal_ignore_case(bytes_slice(item, 0, colon), name))
            return bytes_slice(item, colon + 1, item.size - colon - 1);
        at = end + 1;
    }
    for (size_t i = 0; i < ARRAY_COUNT(protocols); i++)
        if (bytes_equal_ignore_case(name, bytes_from_text(protocols[i])))
            return name;
    return BYTES("PLAINTEXT");
}

static void check_protocol(
    struct model *model, const struct model_service *service, const char *map, const struct listener *listener) {
    struct bytes protocol = protocol_of(map, listener->name);
    const char *text = arena_text(model->arena, protocol);
    if (!bytes_equal_ignore_case(protocol, BYTES("PLAINTEXT")))
        model_note(model, NOTE_LISTENER_SECURITY, service->name, arena_text(model->arena, listener->name), text,
            listener->port, text);
}

static void open_listener(struct model *model, struct compose_service *to, const struct listener *listener,
    const struct listener_list *advertised) {
    struct compose_port *port = plan_open_port(to, listener->port, COMPOSE_ROLE_KAFKA);
    const struct listener *told = find_listener(advertised, listener->name);
    if (told == NULL || told->host.size == 0)
        return;
    port->told = arena_text(model->arena, told->host);
    port->told_port = told->port;
}

static bool open_plain_port(struct model *model, struct model_service *from, struct compose_service *to) {
    const char *port = plan_kafka_property(from, "port"), *host = plan_kafka_property(from, "advertised.host.name");
    const char *host_port = plan_kafka_property(from, "advertised.port");
    int64_t number = 9092, told = 0;
    if (port != NULL && (!bytes_to_int64(bytes_from_text(port), &number) || number < 1 || number > 65535))
        return yaml_fail(
            from->name_node, model->error, "KAFKA_PORT of the service %.100s: '%.40s' is no port", from->name, port);
    struct compose_port *open = plan_open_port(to, (uint16_t)number, COMPOSE_ROLE_KAFKA);
    if (host == NULL || host[0] == 0)
        return true;
    if (host_port == NULL || !bytes_to_int64(bytes_from_text(host_port), &told) || told < 1 || told > 65535)
        told = number;
    open->told = host;
    open->told_port = (uint16_t)told;
    return true;
}

/* ---- topics ---- */

/* name:partitions:replicas[:cleanup.policy] */
static bool parse_topic(struct model *model, struct bytes text, struct compose_topic *topic) {
    struct bytes parts[4] = {{0}};
    size_t count = 0;
    for (size_t at = 0; at <= text.size && count < 4;) {
        size_t colon = bytes_find(text, ':', at), end = colon == SIZE_MAX ? text.size : colon;
        parts[count++] = bytes_trim(bytes_slice(text, at, end - at));
        at = end + 1;
    }
    if (count < 2 || parts[0].size == 0 || !bytes_to_int64(parts[1], &topic->partition_count) ||
        topic->partition_count < 1 || topic->partition_count > 10000)
        return false;
    topic->name = arena_text(model->arena, parts[0]);
    topic->cleanup_policy = parts[3].size > 0 ? arena_text(model->arena, parts[3]) : NULL;
    return true;
}

static void plan_topics(struct model *model, struct model_service *from) {
    const char *text = model_variable(from, "KAFKA_CREATE_TOPICS");
    const char *separator = model_variable(from, "KAFKA_CREATE_TOPICS_SEPARATOR");
    const char *between = separator == NULL || separator[0] == 0 ? ",\n" : separator;
    for (const char *at = text == NULL ? "" : text; *at != 0;) {
        size_t size = strcspn(at, between);
        struct bytes item = bytes_trim(bytes_make(at, size));
        struct compose_topic topic = {.source = from->name};
        if (item.size > 0 && parse_topic(model, item, &topic))
            VECTOR_PUSH(&model->plan->topics, topic);
        else if (item.size > 0)
            model_note(model, NOTE_BAD_TOPIC, from->name, arena_text(model->arena, item));
        at += size + (at[size] != 0);
    }
}

/* ---- services ---- */

static void plan_node_id(struct model *model, struct model_service *from) {
    const char *text = plan_kafka_property(from, "node.id");
    int64_t id;
    if (text == NULL)
        text = plan_kafka_property(from, "broker.id");
    if (text != NULL && bytes_to_int64(bytes_from_text(text), &id) && id >= 0 && id <= INT32_MAX)
        plan_set(model, "kafka.node.id", text, from->name, "broker.id");
}

bool plan_kafka(struct model *model, struct model_service *from, struct compose_service *to, bool first) {
    struct listener_list listeners = {.count = 0}, advertised = {.count = 0};
    const char *map = plan_kafka_property(from, "listener.security.protocol.map");
    const char *controllers = plan_kafka_property(from, "controller.listener.names");
    parse_listeners(model, from, plan_kafka_property(from, "listeners"), &listeners);
    parse_listeners(model, from, plan_kafka_property(from, "advertised.listeners"), &advertised);
    const struct listener_list *open = listeners.count > 0 ? &listeners : &advertised;
    for (size_t i = 0; i < open->count; i++) {
        const struct listener *listener = &open->items[i];
        if (list_has(controllers == NULL ? "CONTROLLER" : controllers, listener->name))
            continue;
        check_protocol(model, from, map, listener);
        open_listener(model, to, listener, &advertised);
    }
    if (first)
        plan_node_id(model, from);
    plan_topics(model, from);
    return to->ports.count > 0 || open_plain_port(model, from, to);
}

bool plan_zookeeper(struct model *model, struct model_service *from, struct compose_service *to, bool first) {
    static const char *const names[] = {"ZOOKEEPER_CLIENT_PORT", "ZOO_PORT_NUMBER", "ZOO_PORT"};
    uint16_t port = 2181;
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        if (!plan_port_variable(model, from, names[i], port, &port))
            return false;
    plan_open_port(to, port, COMPOSE_ROLE_ZOOKEEPER);
    return true;
}

bool plan_kafka_ui(struct model *model, struct model_service *from, struct compose_service *to, uint16_t page) {
    uint16_t port;
    if (!plan_port_variable(model, from, "SERVER_PORT", page, &port))
        return false;
    plan_open_port(to, port, COMPOSE_ROLE_KAFKA_UI);
    return true;
}

/* ---- names, once all services are known ---- */

/* A told address that leads to a broker of this file is told; any other would lead nowhere. */
static bool leads_to_broker(const struct compose_plan *plan, const char *host, uint16_t port) {
    const struct compose_service *broker = plan_find_host(plan, COMPOSE_KAFKA, bytes_from_text(host));
    for (size_t i = 0; broker != NULL && i < broker->ports.count; i++)
        if (broker->ports.items[i].container == port && broker->ports.items[i].role == COMPOSE_ROLE_KAFKA)
            return true;
    return false;
}

static void check_told(struct model *model, struct compose_service *service) {
    const struct compose_port *stray = NULL;
    bool has_inner = false;
    for (size_t i = 0; i < service->ports.count; i++) {
        struct compose_port *port = &service->ports.items[i];
        if (port->told == NULL)
            continue;
        if (leads_to_broker(model->plan, port->told, port->told_port)) {
            has_inner = true;
            continue;
        }
        if (stray == NULL)
            stray = port;
    }
    if (stray != NULL && !has_inner)
        model_note(model, NOTE_ADVERTISED_ELSEWHERE, service->name, stray->told, stray->told_port);
    for (size_t i = 0; i < service->ports.count; i++) {
        struct compose_port *port = &service->ports.items[i];
        if (port->told != NULL && !leads_to_broker(model->plan, port->told, port->told_port))
            port->told = NULL;
    }
}

static void check_bootstrap(struct model *model, const struct model_service *service) {
    for (size_t i = 0; i < service->variables.count; i++) {
        const struct model_variable *variable = &service->variables.items[i];
        if (!plan_fits("KAFKA_CLUSTERS_*_BOOTSTRAP*SERVERS", variable->name) &&
            !plan_fits("KAFKA_BROKER*", variable->name) && !plan_fits("*_BOOTSTRAP_SERVERS", variable->name))
            continue;
        struct bytes all = bytes_from_text(variable->value), host;
        uint16_t port;
        bool leads = false;
        for (size_t at = 0; at < all.size && !leads;) {
            size_t comma = bytes_find(all, ',', at), end = comma == SIZE_MAX ? all.size : comma;
            leads = plan_split_address(bytes_slice(all, at, end - at), &host, &port) &&
                    leads_to_broker(model->plan, arena_text(model->arena, host), port);
            at = end + 1;
        }
        if (!leads)
            model_note(model, NOTE_PAGE_ELSEWHERE, service->name, variable->name, variable->value);
    }
}

void plan_kafka_names(struct model *model) {
    for (size_t i = 0; i < model->plan->services.count; i++) {
        struct compose_service *service = &model->plan->services.items[i];
        if (service->kind == COMPOSE_KAFKA)
            check_told(model, service);
        if (service->kind == COMPOSE_KAFKA_UI && model->plan->serves[COMPOSE_KAFKA])
            check_bootstrap(model, model_find(model, service->name));
    }
}
