/* doctor_ports.c: each port: whether it is ours, and who can reach it; other programs on the course's ports. */
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "cli/doctor/doctor.h"
#include "cli/doctor/listeners.h"

/* "java kafka.Kafka (pid 123)", "docker-proxy (pid 9), a container's port", "a program of user ana". */
static void describe(const struct listener_entry *entry, char out[200]) {
    const struct passwd *user = entry->pid == 0 ? getpwuid(entry->user) : NULL;
    if (entry->pid != 0)
        snprintf(out, 200, "%s (pid %ld)", entry->name, (long)entry->pid);
    else
        snprintf(out, 200, message_text(MESSAGE_DOCTOR_SOMEONE), user == NULL ? "?" : user->pw_name);
}

static bool is_container(const struct listener_entry *entry) {
    return strncmp(entry->name, "docker-proxy", 12) == 0;
}

static bool is_raudal(const struct listener_entry *entry) {
    return strncmp(entry->name, "raudal", 6) == 0;
}

static json_t *service_status(const struct doctor *doctor, const char *name) {
    size_t index;
    json_t *service;
    json_array_foreach(json_object_get(doctor->status, "services"), index, service) {
        if (strcmp(doctor_text(service, "name"), name) == 0)
            return service;
    }
    return NULL;
}

/* Whether the listener is that service: by the stack, where a container's port may be another service's usual one. */
static bool is_service(const struct doctor *doctor, enum service service, const struct listener_entry *entry) {
    bool is_named = false;
    for (size_t i = 0; i < doctor->stack.services.count; i++) {
        const struct stack_service *named = &doctor->stack.services.items[i];
        bool at_instance = strcmp(entry->address, doctor->instance.address) == 0;
        bool at_service = strcmp(entry->address, named->address) == 0;
        for (size_t k = 0; k < named->ports.count; k++) {
            const struct stack_port *port = &named->ports.items[k];
            if (!(at_instance && port->published == entry->port) && !(at_service && port->container == entry->port))
                continue;
            is_named = true;
            if (port->service == service)
                return true;
        }
    }
    return !is_named && entry->port == doctor_port(doctor, service);
}

/* A service of the instance that runs. */
static void look_at_own(struct doctor *doctor, enum service service, const struct listener_list *list) {
    const struct instance *instance = &doctor->instance;
    const char *name = service_table[service].name;
    uint16_t port = doctor_port(doctor, service);
    bool is_shared = json_is_true(json_object_get(doctor->status, "shared")), found = false;
    if (strcmp(doctor_text(service_status(doctor, name), "state"), "stopped") == 0) {
        doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_PORT_STOPPED, name, port);
        doctor_command(doctor, "raudal start --data %s %s", instance->data, name);
        return;
    }
    for (size_t i = 0; i < list->count; i++) {
        const struct listener_entry *entry = &list->items[i];
        if (!is_service(doctor, service, entry) ||
            (entry->pid != 0 ? entry->pid != instance->pid : !listener_takes(entry, doctor->address)))
            continue;
        found = true;
        if (is_shared)
            doctor_find(doctor, FINDING_GOOD, MESSAGE_DOCTOR_PORT_SHARED, name, entry->address, entry->port);
        else
            doctor_find(
                doctor, FINDING_GOOD, MESSAGE_DOCTOR_PORT_OPEN, name, entry->address, entry->port, instance->user);
    }
    if (!found) {
        doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_PORT_DEAD, name, doctor->address, port);
        doctor_command(doctor, "raudal logs --data %s %s", instance->data, service_table[service].log);
    }
}

/* Another program on a port where a service would answer: `up` would fail. */
static void report_taken(struct doctor *doctor, enum service service, const struct listener_entry *entry) {
    char who[200], address[64];
    uint16_t ports[SERVICE_COUNT];
    describe(entry, who);
    doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_PORT_TAKEN, entry->address, entry->port,
        service_table[service].name, who);
    for (int i = 0; i < SERVICE_COUNT; i++)
        ports[i] = doctor_port(doctor, (enum service)i);
    if (is_container(entry)) {
        doctor_command(doctor, "docker stop $(docker ps -q --filter publish=%u)", entry->port);
    } else {
        instance_free_address(ports, address);
        doctor_command(doctor, "raudal up -d --data %s --address %s", doctor->instance.data, address);
    }
}

static void look_at_others(struct doctor *doctor, enum service service, const struct listener_list *list) {
    uint16_t port = doctor_port(doctor, service);
    char who[200];
    for (size_t i = 0; i < list->count; i++) {
        const struct listener_entry *entry = &list->items[i];
        if (port == 0 || entry->port != port || (doctor->instance.running && entry->pid == doctor->instance.pid))
            continue;
        if (!doctor->instance.running && listener_takes(entry, doctor->address)) {
            report_taken(doctor, service, entry);
        } else if (doctor->instance.running && strcmp(doctor->address, "127.0.0.1") != 0 &&
                   listener_takes(entry, "127.0.0.1") && !listener_takes(entry, doctor->address)) {
            describe(entry, who);
            doctor_find(doctor, FINDING_NOTE,
                is_raudal(entry) ? MESSAGE_DOCTOR_PORT_OTHER_RAUDAL : MESSAGE_DOCTOR_PORT_BESIDE, port, who,
                service_table[service].name);
            doctor_command(doctor, "raudal shell --data %s", doctor->instance.data);
        }
    }
}

void doctor_ports(struct doctor *doctor) {
    struct listener_list list;
    listeners_read(&list);
    if (!doctor->instance.running) {
        doctor_find(doctor, FINDING_NOTE, MESSAGE_DOCTOR_NOT_RUNNING, doctor->instance.data);
        doctor_command(doctor, "raudal up -d --data %s", doctor->instance.data);
    }
    for (int i = 0; i < SERVICE_COUNT; i++) {
        if (doctor->status != NULL && doctor->instance.ports[i] != 0)
            look_at_own(doctor, (enum service)i, &list);
        look_at_others(doctor, (enum service)i, &list);
    }
    VECTOR_FREE(&list);
}
