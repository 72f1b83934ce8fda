/* doctor_names.c: what kafka, namenode … mean: here, in raudal shell, and in /etc/hosts. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "cli/doctor/doctor.h"
#include "cli/names.h"

/* The address that a name should have; NULL when it is none of ours. */
static const char *own_address(const struct doctor *doctor, const char *name) {
    for (size_t i = 0; i < doctor->stack.services.count; i++) {
        const struct stack_service *service = &doctor->stack.services.items[i];
        for (size_t k = 0; k < service->names.count; k++)
            if (strcasecmp(service->names.items[k], name) == 0)
                return service->kind == STACK_OTHER || service->address[0] == 0 ? NULL : service->address;
    }
    for (size_t i = 0; i < own_host_name_count; i++)
        if (strcasecmp(own_host_names[i], name) == 0)
            return doctor->address;
    return NULL;
}

/* The IPv4 address that a name has in this process's world; false when it has none. By a child, because a name server
 * that does not answer takes long. */
static bool resolve(const char *name, char out[64]) {
    enum { PATIENCE_S = 2 };
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
    int ends[2];
    if (pipe(ends) != 0)
        return false;
    pid_t child = fork();
    if (child == 0) {
        alarm(PATIENCE_S);
        if (getaddrinfo(name, NULL, &hints, &found) == 0) {
            inet_ntop(AF_INET, &((struct sockaddr_in *)(void *)found->ai_addr)->sin_addr, out, 64);
            (void)!write(ends[1], out, strlen(out));
        }
        _exit(0);
    }
    close(ends[1]);
    ssize_t size = read(ends[0], out, 63);
    out[size > 0 ? size : 0] = 0;
    close(ends[0]);
    waitpid(child, NULL, 0);
    return size > 0;
}

/* Lines of /etc/hosts that give one of our names another address. Returns how many there are. */
static size_t look_at_hosts_file(struct doctor *doctor) {
    char line[4096];
    size_t count = 0;
    FILE *file = fopen("/etc/hosts", "re");
    for (int number = 1; file != NULL && fgets(line, sizeof line, file) != NULL; number++) {
        line[strcspn(line, "#\n")] = 0;
        char *rest = line, *word = strsep(&rest, " \t"), *address = word;
        while (rest != NULL && (word = strsep(&rest, " \t")) != NULL) {
            const char *own = word[0] != 0 ? own_address(doctor, word) : NULL;
            if (own == NULL || strcmp(own, address) == 0 || strchr(address, ':') != NULL)
                continue;
            doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_HOSTS_LINE, number, word, address, own);
            doctor_command(doctor, "sudoedit /etc/hosts");
            count++;
        }
    }
    if (file != NULL)
        fclose(file);
    return count;
}

static void list_names(const struct doctor *doctor, struct buffer *out) {
    for (size_t i = 0; i < doctor->stack.services.count; i++) {
        const struct stack_service *service = &doctor->stack.services.items[i];
        if (own_address(doctor, service->name) != NULL)
            buffer_printf(out, "%s%s", out->size > 0 ? ", " : "", service->name);
    }
    for (size_t i = 0; doctor->stack.services.count == 0 && i < own_host_name_count; i++)
        buffer_printf(out, "%s%s", i > 0 ? ", " : "", own_host_names[i]);
}

/* In a shell of ours /etc/hosts is a private one; a shell of another Raudal, or one that was started before a change of
 * address, has other addresses in it. */
static void look_at_shell(struct doctor *doctor, const char *names) {
    char found[64];
    for (size_t i = 0; i < own_host_name_count; i++) {
        const char *own = own_address(doctor, own_host_names[i]);
        if (own == NULL)
            continue;
        bool is_known = resolve(own_host_names[i], found);
        if (is_known && strcmp(found, own) == 0)
            continue;
        doctor_find(
            doctor, FINDING_WRONG, MESSAGE_DOCTOR_NAME_ELSEWHERE, own_host_names[i], is_known ? found : "-", own);
        doctor_command(doctor, "exec raudal shell --data %s", doctor->instance.data);
        return; /* one is enough: they come from one file */
    }
    doctor_find(doctor, FINDING_GOOD, MESSAGE_DOCTOR_NAMES_HERE, names);
}

static void look_outside(struct doctor *doctor, const char *names) {
    char found[64];
    struct error error = {0};
    const char *own = own_address(doctor, "kafka");
    if (look_at_hosts_file(doctor) == 0 && own != NULL && resolve("kafka", found) && strcmp(found, own) != 0) {
        doctor_find(doctor, FINDING_NOTE, MESSAGE_DOCTOR_NAME_ELSEWHERE, "kafka", found, own);
        doctor_command(doctor, "raudal shell --data %s", doctor->instance.data);
    }
    doctor_find(doctor, FINDING_GOOD, MESSAGE_DOCTOR_NAMES_INSIDE, names);
    if (names_can_enter("/etc/hosts", &error))
        return;
    doctor_find(doctor, FINDING_NOTE, MESSAGE_DOCTOR_NO_PRIVATE_NAMES, error.message);
    doctor_command(doctor,
        "echo '%s kafka broker zookeeper namenode datanode spark-master spark-worker' | sudo tee -a /etc/hosts",
        doctor->address);
}

/* PLAINTEXT://host:port,… that clients are told: each must lead somewhere. */
static void look_at_advertised(struct doctor *doctor) {
    char *copy = strdup(doctor_text(doctor->status, "advertisedListeners")), *rest = copy, *listener, found[64];
    ASSERT(copy != NULL);
    while ((listener = strsep(&rest, ",")) != NULL) {
        char *place = strstr(listener, "://"), host[256];
        place = place != NULL ? place + 3 : listener;
        snprintf(host, sizeof host, "%.*s", (int)strcspn(place, ":"), place);
        if (host[0] == 0 || own_address(doctor, host) != NULL || resolve(host, found))
            continue;
        doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_ADVERTISED, place);
        doctor_command(doctor, "raudal down --data %s && raudal up -d --data %s --address %s", doctor->instance.data,
            doctor->instance.data, doctor->address);
    }
    free(copy);
}

void doctor_names(struct doctor *doctor) {
    look_at_advertised(doctor);
    struct buffer names = {0};
    list_names(doctor, &names);
    if (getenv("RAUDAL_PROGRAM") != NULL)
        look_at_shell(doctor, buffer_text(&names));
    else
        look_outside(doctor, buffer_text(&names));
    buffer_free(&names);
}
