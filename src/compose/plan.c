#include "compose/plan.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

/* ---- images ---- */

struct image_row {
    const char *pattern;
    enum compose_kind kind;
    uint16_t page;
    const char *what;
};

static const struct image_row image_rows[] = {
#define IMAGE(pattern, kind, page, what) {pattern, COMPOSE_##kind, page, what},
#include "compose/images.def"
#undef IMAGE
};

/* Service names that say what they are, for images of the user's own. */
static const struct {
    const char *pattern;
    enum compose_kind kind;
} name_rows[] = {
    {"*kafka-ui*", COMPOSE_KAFKA_UI},
    {"*kafka_ui*", COMPOSE_KAFKA_UI},
    {"*zookeeper*", COMPOSE_ZOOKEEPER},
    {"kafka", COMPOSE_KAFKA},
    {"kafka-?", COMPOSE_KAFKA},
    {"kafka?", COMPOSE_KAFKA},
    {"broker", COMPOSE_KAFKA},
    {"broker-?", COMPOSE_KAFKA},
    {"broker?", COMPOSE_KAFKA},
    {"*namenode*", COMPOSE_NAMENODE},
    {"*datanode*", COMPOSE_DATANODE},
    {"*spark*master*", COMPOSE_SPARK_MASTER},
    {"*spark*worker*", COMPOSE_SPARK_WORKER},
    {"*spark*slave*", COMPOSE_SPARK_WORKER},
    {"*jupyter*", COMPOSE_JUPYTER},
};

static const char *const kind_names[COMPOSE_KIND_COUNT] = {
    [COMPOSE_KAFKA] = "Kafka",
    [COMPOSE_ZOOKEEPER] = "ZooKeeper",
    [COMPOSE_KAFKA_UI] = "Kafka UI",
    [COMPOSE_SPARK_MASTER] = "Spark master",
    [COMPOSE_SPARK_WORKER] = "Spark worker",
    [COMPOSE_NAMENODE] = "NameNode",
    [COMPOSE_DATANODE] = "DataNode",
    [COMPOSE_JUPYTER] = "JupyterLab",
    [COMPOSE_OTHER] = "",
};

bool plan_fits(const char *pattern, const char *text) {
    const char *star = NULL, *from = NULL;
    while (*text != 0) {
        if (*pattern == '*') {
            star = pattern++;
            from = text;
        } else if (*pattern == *text || *pattern == '?') {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star + 1;
            text = ++from;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == 0;
}

/* "docker.io/bitnami/kafka:3.5@sha256:…" -> "bitnami/kafka" */
static const char *bare_image(struct model *model, const char *image) {
    const char *slash = strchr(image, '/');
    size_t first = slash == NULL ? 0 : (size_t)(slash - image);
    bool has_registry = slash != NULL && (memchr(image, '.', first) != NULL || memchr(image, ':', first) != NULL ||
                                             strncmp(image, "localhost/", 10) == 0);
    if (has_registry)
        image = slash + 1;
    return arena_text(model->arena, bytes_make(image, strcspn(image, ":@")));
}

static const struct image_row *find_image(struct model *model, const struct model_service *service) {
    const char *bare = bare_image(model, service->image);
    for (size_t i = 0; i < ARRAY_COUNT(image_rows); i++)
        if (plan_fits(image_rows[i].pattern, bare))
            return &image_rows[i];
    return NULL;
}

static enum compose_kind kind_by_name(const struct model_service *service) {
    const char *names[] = {service->name, service->container};
    for (size_t k = 0; k < ARRAY_COUNT(names); k++)
        for (size_t i = 0; names[k] != NULL && i < ARRAY_COUNT(name_rows); i++)
            if (plan_fits(name_rows[i].pattern, names[k]))
                return name_rows[i].kind;
    return COMPOSE_OTHER;
}

/* ---- kinds ---- */

static bool says(const char *text, const char *word) {
    return text != NULL && strcasecmp(text, word) == 0;
}

static enum compose_kind kind_of_spark(struct model *model, struct model_service *service) {
    const char *mode = model_variable(service, "SPARK_MODE");
    if (mode == NULL)
        mode = model_variable(service, "SPARK_WORKLOAD");
    if (plan_command_has(service, "spark-submit") || says(mode, "client") || says(mode, "submit")) {
        model_note(model, NOTE_CLIENT, service->name);
        return COMPOSE_OTHER;
    }
    if (plan_command_has(service, "HistoryServer") || plan_command_has(service, "history-server") ||
        says(mode, "history")) {
        model_note(model, NOTE_NO_STAND_IN, service->name, "Spark History Server", service->image);
        return COMPOSE_OTHER;
    }
    if (says(mode, "worker") || plan_command_has(service, "worker.Worker") ||
        plan_command_has(service, "start-worker") || plan_command_has(service, "start-slave"))
        return COMPOSE_SPARK_WORKER;
    if (says(mode, "master") || plan_command_has(service, "master.Master") ||
        plan_command_has(service, "start-master") || plan_command_has(service, "start-connect-server"))
        return COMPOSE_SPARK_MASTER;
    return strstr(service->name, "worker") != NULL ? COMPOSE_SPARK_WORKER : COMPOSE_SPARK_MASTER;
}

static enum compose_kind kind_of_hadoop(struct model *model, struct model_service *service) {
    if (plan_command_has(service, "datanode"))
        return COMPOSE_DATANODE;
    if (plan_command_has(service, "resourcemanager") || plan_command_has(service, "nodemanager") ||
        plan_command_has(service, "secondarynamenode") || plan_command_has(service, "journalnode")) {
        model_note(model, NOTE_NO_STAND_IN, service->name,
            plan_command_has(service, "manager") ? "YARN" : "a second NameNode", service->image);
        return COMPOSE_OTHER;
    }
    if (plan_command_has(service, "namenode"))
        return COMPOSE_NAMENODE;
    return kind_by_name(service);
}

static enum compose_kind kind_without_image(struct model *model, struct model_service *service) {
    enum compose_kind kind = kind_by_name(service);
    bool is_built = service->image[0] == 0;
    if (kind != COMPOSE_OTHER && is_built)
        model_note(model, NOTE_BUILT, service->name, kind_names[kind]);
    else if (kind != COMPOSE_OTHER)
        model_note(model, NOTE_BY_NAME, service->name, service->image, kind_names[kind]);
    else if (is_built)
        model_note(model, NOTE_NOT_BUILT, service->name);
    else
        model_note(model, NOTE_UNKNOWN_IMAGE, service->name, service->image, service->name);
    return kind;
}

static enum compose_kind find_kind(struct model *model, struct model_service *service, uint16_t *page) {
    const struct image_row *row = find_image(model, service);
    *page = row == NULL || row->page == 0 ? 8080 : row->page;
    if (plan_is_init(model, service)) {
        model_note(model, NOTE_INIT, service->name);
        plan_commands(model, service);
        return COMPOSE_OTHER;
    }
    if (row == NULL)
        return kind_without_image(model, service);
    if (row->kind == COMPOSE_SPARK)
        return kind_of_spark(model, service);
    if (row->kind == COMPOSE_HADOOP)
        return kind_of_hadoop(model, service);
    if (row->kind == COMPOSE_OTHER)
        model_note(model, NOTE_NO_STAND_IN, service->name, row->what, service->image);
    if (row->kind == COMPOSE_KAFKA_UI && strstr(row->pattern, "kafka-ui") == NULL)
        model_note(model, NOTE_OTHER_PAGE, service->name, service->image);
    if (row->kind == COMPOSE_JUPYTER && !model->options->lab_is_there) {
        model_note(model, NOTE_NO_LAB, service->name);
        return COMPOSE_OTHER;
    }
    return row->kind;
}

/* ---- small helpers ---- */

struct compose_port *plan_open_port(struct compose_service *service, uint16_t port, enum compose_role role) {
    for (size_t i = 0; i < service->ports.count; i++)
        if (service->ports.items[i].container == port)
            return &service->ports.items[i];
    VECTOR_PUSH(&service->ports, ((struct compose_port){.container = port, .role = role}));
    return &service->ports.items[service->ports.count - 1];
}

bool plan_port_variable(
    struct model *model, struct model_service *service, const char *name, uint16_t standard, uint16_t *port) {
    const char *text = model_variable(service, name);
    int64_t number;
    *port = standard;
    if (text == NULL || text[0] == 0)
        return true;
    if (!bytes_to_int64(bytes_trim(bytes_from_text(text)), &number) || number < 1 || number > 65535)
        return yaml_fail(service->name_node, model->error, "%s of the service %.100s: '%.40s' is no port", name,
            service->name, text);
    *port = (uint16_t)number;
    return true;
}

bool plan_set(struct model *model, const char *name, const char *value, const char *service, const char *variable) {
    struct compose_plan *plan = model->plan;
    for (size_t i = 0; i < plan->settings.count; i++)
        if (strcmp(plan->settings.items[i].name, name) == 0)
            return strcmp(plan->settings.items[i].value, value) == 0;
    struct compose_setting setting = {name, value, arena_printf(model->arena, "%s: %s", service, variable)};
    VECTOR_PUSH(&plan->settings, setting);
    return true;
}

bool plan_split_address(struct bytes text, struct bytes *host, uint16_t *port) {
    size_t colon = text.size;
    int64_t number;
    text = bytes_trim(text);
    for (colon = text.size; colon > 0 && text.data[colon - 1] != ':';)
        colon--;
    if (colon == 0 || !bytes_to_int64(bytes_slice(text, colon, text.size - colon), &number) || number < 1 ||
        number > 65535)
        return false;
    *host = bytes_slice(text, 0, colon - 1);
    *port = (uint16_t)number;
    return true;
}

const struct compose_service *plan_find_host(
    const struct compose_plan *plan, enum compose_kind kind, struct bytes host) {
    for (size_t i = 0; i < plan->services.count; i++) {
        const struct compose_service *service = &plan->services.items[i];
        for (size_t k = 0; service->kind == kind && k < service->names.count; k++)
            if (bytes_equal_ignore_case(host, bytes_from_text(service->names.items[k])))
                return service;
    }
    return NULL;
}

/* ---- ports ---- */

static const struct port_row {
    enum compose_kind kind;
    uint16_t port;
    enum compose_role role;
    bool always;
} port_rows[] = {
#define ALWAYS true
#define PUBLISHED false
#define PORT(kind, port, role, when) {COMPOSE_##kind, port, COMPOSE_ROLE_##role, when},
#include "compose/ports.def"
#undef PORT
#undef ALWAYS
#undef PUBLISHED
};

static const struct port_row *find_port(enum compose_kind kind, uint16_t port) {
    for (size_t i = 0; i < ARRAY_COUNT(port_rows); i++)
        if (port_rows[i].kind == kind && port_rows[i].port == port)
            return &port_rows[i];
    return NULL;
}

/* One line of `ports`: the published port gets what stands behind the container's. */
static void publish(
    struct model *model, struct compose_service *service, const struct model_port *line, enum compose_kind kind) {
    struct compose_port *port = NULL;
    if (line->is_udp) {
        model_note(model, NOTE_PORT_UDP, service->name, line->container);
        return;
    }
    for (size_t i = 0; i < service->ports.count && port == NULL; i++)
        if (service->ports.items[i].container == line->container)
            port = &service->ports.items[i];
    if (port == NULL) {
        const struct port_row *row = find_port(kind, line->container);
        if (row == NULL)
            model_note(model, NOTE_PORT_NOT_OPENED, service->name, line->container);
        port = plan_open_port(service, line->container, row == NULL ? COMPOSE_ROLE_NONE : row->role);
    }
    if (port->published != 0 && port->published != line->published) {
        struct compose_port more = *port;
        more.published = line->published;
        VECTOR_PUSH(&service->ports, more);
        return;
    }
    port->published = line->published;
}

static void map_ports(struct model *model, const struct model_service *from, struct compose_service *to) {
    const struct yaml_node *mode = yaml_get(from->node, "network_mode");
    bool is_host = mode != NULL && mode->kind == YAML_SCALAR && strcmp(mode->text, "host") == 0;
    for (size_t i = 0; i < ARRAY_COUNT(port_rows); i++)
        if (port_rows[i].kind == to->kind && port_rows[i].always)
            plan_open_port(to, port_rows[i].port, port_rows[i].role);
    for (size_t i = 0; i < to->ports.count && is_host; i++)
        to->ports.items[i].published = to->ports.items[i].container;
    for (size_t i = 0; i < from->ports.count && !is_host; i++)
        publish(model, to, &from->ports.items[i], to->kind);
}

/* A port of the machine has one owner. */
static bool check_published(
    struct model *model, const struct compose_service *service, const struct model_service *from) {
    for (size_t i = 0; i < model->plan->services.count; i++) {
        const struct compose_service *other = &model->plan->services.items[i];
        for (size_t k = 0; k < other->ports.count; k++)
            for (size_t n = 0; n < service->ports.count; n++)
                if (other->ports.items[k].published != 0 &&
                    other->ports.items[k].published == service->ports.items[n].published)
                    return yaml_fail(from->ports.count > 0 ? from->ports.items[0].node : from->name_node, model->error,
                        "%s and %s both publish port %d", other->name, service->name, other->ports.items[k].published);
    }
    return true;
}

/* ---- services ---- */

static bool plan_kind(
    struct model *model, struct model_service *from, struct compose_service *to, uint16_t page, bool first) {
    switch (to->kind) {
    case COMPOSE_KAFKA:
        return plan_kafka(model, from, to, first);
    case COMPOSE_ZOOKEEPER:
        return plan_zookeeper(model, from, to, first);
    case COMPOSE_KAFKA_UI:
        return plan_kafka_ui(model, from, to, page);
    case COMPOSE_SPARK_MASTER:
    case COMPOSE_SPARK_WORKER:
        return plan_spark(model, from, to);
    case COMPOSE_NAMENODE:
        return plan_namenode(model, from, to, first);
    case COMPOSE_DATANODE:
        return plan_datanode(model, from, to);
    case COMPOSE_JUPYTER:
        return plan_jupyter(model, from, to);
    default:
        return true;
    }
}

static void add_name(struct compose_service *service, const char *name) {
    for (size_t i = 0; i < service->names.count; i++)
        if (strcasecmp(service->names.items[i], name) == 0)
            return;
    VECTOR_PUSH(&service->names, name);
}

static bool keeps_data(enum compose_kind kind) {
    return kind == COMPOSE_KAFKA || kind == COMPOSE_ZOOKEEPER || kind == COMPOSE_NAMENODE || kind == COMPOSE_DATANODE;
}

/* Files of the machine that containers are often given and nothing is kept in. */
static bool is_of_machine(const char *path) {
    return plan_fits("*/docker.sock", path) || plan_fits("/etc/*", path);
}

static bool plan_replica(
    struct model *model, struct model_service *from, enum compose_kind kind, uint16_t page, int64_t number) {
    struct compose_plan *plan = model->plan;
    struct compose_service service = {.name = from->name, .image = from->image, .kind = kind, .note = ""};
    service.container = from->container != NULL && number == 1
                            ? from->container
                            : arena_printf(model->arena, "%s-%s-%lld", plan->project, from->name, (long long)number);
    add_name(&service, from->name);
    add_name(&service, service.container);
    for (size_t i = 0; i < from->names.count; i++)
        add_name(&service, from->names.items[i]);
    bool good = plan_kind(model, from, &service, page, !plan->serves[kind]);
    if (good && kind != COMPOSE_OTHER && number == 1)
        map_ports(model, from, &service);
    good = good && check_published(model, &service, from);
    VECTOR_PUSH(&plan->services, service);
    plan->serves[kind] = true;
    return good;
}

static bool plan_service(struct model *model, struct model_service *from) {
    uint16_t page;
    enum compose_kind kind = find_kind(model, from, &page);
    for (int64_t i = 1; i <= from->replicas; i++)
        if (!plan_replica(model, from, kind, page, i))
            return false;
    for (size_t i = 0; keeps_data(kind) && i < from->volumes.count; i++)
        if (from->volumes.items[i].source != NULL && !is_of_machine(from->volumes.items[i].source))
            model_note(model, NOTE_VOLUME, from->name, from->volumes.items[i].source, from->volumes.items[i].target);
    if (kind != COMPOSE_OTHER && from->replicas > 0 && kind == COMPOSE_KAFKA)
        plan_commands(model, from);
    return kind == COMPOSE_OTHER || plan_variables(model, from, kind);
}

/* ---- several of a kind ---- */

static const struct {
    enum compose_kind kind;
    enum compose_note note;
} several_rows[] = {
    {COMPOSE_KAFKA, NOTE_SEVERAL_BROKERS},
    {COMPOSE_ZOOKEEPER, NOTE_SEVERAL_ZOOKEEPERS},
    {COMPOSE_KAFKA_UI, NOTE_SEVERAL_PAGES},
    {COMPOSE_SPARK_MASTER, NOTE_SEVERAL_MASTERS},
    {COMPOSE_SPARK_WORKER, NOTE_SEVERAL_WORKERS},
    {COMPOSE_NAMENODE, NOTE_SEVERAL_NAMENODES},
    {COMPOSE_DATANODE, NOTE_SEVERAL_DATANODES},
    {COMPOSE_JUPYTER, NOTE_SEVERAL_LABS},
};

static void note_several(struct model *model, enum compose_kind kind, enum compose_note note) {
    struct buffer names = {0};
    const char *first = NULL;
    int count = 0;
    for (size_t i = 0; i < model->plan->services.count; i++) {
        struct compose_service *service = &model->plan->services.items[i];
        if (service->kind != kind)
            continue;
        bool is_replica = count > 0 && strcmp(service->name, first) == 0;
        buffer_printf(&names, "%s%s", count > 0 ? ", " : "", is_replica ? service->container : service->name);
        if (count > 0 && kind != COMPOSE_SPARK_WORKER)
            service->note = model_sentence(model, NOTE_ANSWERS_AS, first);
        first = count++ == 0 ? service->name : first;
    }
    if (count > 1)
        model_note(model, note, buffer_text(&names), count);
    if (kind == COMPOSE_SPARK_WORKER && count > 0)
        plan_set(model, "spark.worker.instances", arena_printf(model->arena, "%d", count), first, "workers");
    buffer_free(&names);
}

/* The parts of the course's stack that the file leaves out. */
static void note_missing_kinds(struct model *model) {
    static const struct {
        enum compose_kind kinds[2];
        const char *name;
    } parts[] = {{{COMPOSE_KAFKA, COMPOSE_KAFKA}, "Kafka"}, {{COMPOSE_ZOOKEEPER, COMPOSE_ZOOKEEPER}, "ZooKeeper"},
        {{COMPOSE_KAFKA_UI, COMPOSE_KAFKA_UI}, "Kafka UI"}, {{COMPOSE_SPARK_MASTER, COMPOSE_SPARK_WORKER}, "Spark"},
        {{COMPOSE_NAMENODE, COMPOSE_DATANODE}, "HDFS"}, {{COMPOSE_JUPYTER, COMPOSE_JUPYTER}, "JupyterLab"}};
    struct buffer names = {0};
    const bool *serves = model->plan->serves;
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++)
        if (!serves[parts[i].kinds[0]] && !serves[parts[i].kinds[1]])
            buffer_printf(&names, "%s%s", names.size > 0 ? ", " : "", parts[i].name);
    if (names.size > 0)
        model_note(model, NOTE_NOT_IN_FILE, buffer_text(&names));
    buffer_free(&names);
}

/* JupyterLab listens on one port. */
static void note_lab_port(struct model *model) {
    for (size_t i = 0; i < model->plan->services.count; i++) {
        const struct compose_service *service = &model->plan->services.items[i];
        for (size_t k = 0; k < service->ports.count; k++) {
            const struct compose_port *port = &service->ports.items[k];
            if (port->role == COMPOSE_ROLE_JUPYTER && port->published != 0 && port->published != port->container)
                model_note(model, NOTE_LAB_PORT, service->name, port->published, port->container);
        }
    }
}

static bool plan_all(struct model *model) {
    for (size_t i = 0; i < model->services.count; i++)
        if (!model->services.items[i].is_left_out && !plan_service(model, &model->services.items[i]))
            return false;
    for (size_t i = 0; i < ARRAY_COUNT(several_rows); i++)
        note_several(model, several_rows[i].kind, several_rows[i].note);
    plan_kafka_names(model);
    note_missing_kinds(model);
    note_lab_port(model);
    return true;
}

bool compose_read(const struct compose_options *options, struct compose_plan *plan, struct error *error) {
    *plan = (struct compose_plan){0};
    struct model model = {.options = options, .plan = plan, .arena = &plan->arena, .error = error};
    arena_init(&plan->arena);
    bool good = model_read(&model) && plan_all(&model);
    model_free(&model);
    if (!good)
        compose_plan_free(plan);
    return good;
}

void compose_plan_free(struct compose_plan *plan) {
    for (size_t i = 0; i < plan->services.count; i++) {
        VECTOR_FREE(&plan->services.items[i].ports);
        VECTOR_FREE(&plan->services.items[i].names);
    }
    VECTOR_FREE(&plan->services);
    VECTOR_FREE(&plan->settings);
    VECTOR_FREE(&plan->topics);
    VECTOR_FREE(&plan->commands);
    VECTOR_FREE(&plan->notes);
    arena_destroy(&plan->arena);
    *plan = (struct compose_plan){0};
}
