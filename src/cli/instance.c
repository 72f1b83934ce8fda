#include "cli/instance.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/messages.h"

/* ---- finding the folder ---- */

static bool file_exists(const char *folder, const char *name) {
    char path[PATH_MAX];
    return snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path && access(path, F_OK) == 0;
}

/* .raudal beside the nearest compose file or raudal.properties, from the working folder upward. */
static bool find_beside_project(char data[PATH_MAX]) {
    static const char *const marks[] = {
        "raudal.properties", "docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml"};
    char folder[PATH_MAX];
    if (getcwd(folder, sizeof folder) == NULL)
        return false;
    for (;;) {
        for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
            if (file_exists(folder, marks[i]))
                return snprintf(data, PATH_MAX, "%s/.raudal", strcmp(folder, "/") == 0 ? "" : folder) < PATH_MAX;
        char *slash = strrchr(folder, '/');
        if (slash == NULL || folder[1] == 0)
            return false;
        slash[slash == folder] = 0;
    }
}

static bool find_in_home(char data[PATH_MAX], struct error *error) {
    const char *base = getenv("XDG_DATA_HOME");
    if (base != NULL && base[0] == '/')
        return snprintf(data, PATH_MAX, "%s/raudal", base) < PATH_MAX;
    const char *home = getenv("HOME");
    struct passwd *user = home == NULL ? getpwuid(getuid()) : NULL;
    home = home != NULL ? home : user != NULL ? user->pw_dir : NULL;
    if (home == NULL)
        return error_set(error, ERROR_NOT_FOUND, "no home folder is known; name the data folder with --data DIR");
    return snprintf(data, PATH_MAX, "%s/.local/share/raudal", home) < PATH_MAX;
}

/* Resolves the part that exists and appends the rest. */
static bool make_absolute(const char *path, char data[PATH_MAX], struct error *error) {
    char whole[PATH_MAX], resolved[PATH_MAX];
    char folder[PATH_MAX] = "";
    if (path[0] != '/' && getcwd(folder, sizeof folder) == NULL)
        return error_system(error, errno, "the working folder");
    if (snprintf(whole, sizeof whole, "%s%s%s", folder, path[0] == '/' ? "" : "/", path) >= (int)sizeof whole)
        return error_set(error, ERROR_LIMIT, "the path %s is too long", path);
    size_t size = strlen(whole);
    while (size > 1 && whole[size - 1] == '/')
        whole[--size] = 0;
    if (realpath(whole, resolved) != NULL) {
        memcpy(data, resolved, strlen(resolved) + 1);
        return true;
    }
    memcpy(data, whole, size + 1);
    return true;
}

bool instance_find_data(const char *given, char data[PATH_MAX], struct error *error) {
    char found[PATH_MAX];
    const char *variable = getenv("RAUDAL_DATA");
    if (given != NULL)
        return make_absolute(given, data, error);
    if (variable != NULL && variable[0] != 0)
        return make_absolute(variable, data, error);
    if (find_beside_project(found) || find_in_home(found, error))
        return make_absolute(found, data, error);
    return false;
}

/* ---- what is known of it ---- */

static bool lock_is_held(const char *data) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/run/lock", data);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC); /* another user may look too */
    if (descriptor < 0)
        return false;
    bool held = flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(descriptor);
    return held;
}

static void copy_text(json_t *object, const char *name, char *out, size_t size) {
    const char *text = json_string_value(json_object_get(object, name));
    snprintf(out, size, "%s", text == NULL ? "" : text);
}

static void read_owner(const char *data, struct instance *instance) {
    char path[PATH_MAX + 16], line[256] = "";
    snprintf(path, sizeof path, "%s/run/lock", data);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    long pid = 0;
    if (fgets(line, sizeof line, file) != NULL)
        sscanf(line, "%ld %63s %63s", &pid, instance->user, instance->address);
    instance->pid = (pid_t)pid;
    fclose(file);
}

void instance_read(const char *data, struct instance *instance) {
    memset(instance, 0, sizeof *instance);
    snprintf(instance->data, sizeof instance->data, "%s", data);
    instance->running = lock_is_held(data);
    (void)volumes_from_setting("", data, volumes_home_is_free(), instance->volumes, NULL);
    if (!instance->running)
        return;
    read_owner(data, instance);
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/run/instance.json", data);
    json_t *root = json_load_file(path, 0, NULL);
    if (root == NULL)
        return;
    instance->ready = true;
    copy_text(root, "user", instance->user, sizeof instance->user);
    copy_text(root, "address", instance->address, sizeof instance->address);
    copy_text(root, "defaultFs", instance->default_fs, sizeof instance->default_fs);
    copy_text(root, "controlToken", instance->control_token, sizeof instance->control_token);
    instance->pid = (pid_t)json_integer_value(json_object_get(root, "pid"));
    instance->started_ms = json_integer_value(json_object_get(root, "startedMs"));
    instance->control_port = (uint16_t)json_integer_value(json_object_get(root, "controlPort"));
    json_t *services = json_object_get(root, "services");
    for (int i = 0; i < SERVICE_COUNT; i++)
        instance->ports[i] = (uint16_t)json_integer_value(json_object_get(services, service_table[i].name));
    json_t *volumes = json_object_get(root, "volumes");
    if (json_is_string(volumes))
        copy_text(root, "volumes", instance->volumes, sizeof instance->volumes);
    json_decref(root);
}

void instance_lab_token(const char *data, char token[128]) {
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/run/jupyter.token", data);
    FILE *file = fopen(path, "re");
    size_t size = file == NULL ? 0 : fread(token, 1, 127, file);
    token[size] = 0;
    if (file != NULL)
        fclose(file);
}

void instance_append_url(const struct instance *instance, enum service service, struct buffer *out) {
    char token[128];
    buffer_printf(out, "%s%s:%u", service_table[service].scheme, instance->address, instance->ports[service]);
    if (service != SERVICE_JUPYTER)
        return;
    instance_lab_token(instance->data, token);
    buffer_printf(out, token[0] == 0 ? "/lab" : "/lab?token=%s", token);
}

void instance_print_services(const struct instance *instance) {
    struct buffer url = {0};
    for (int i = 0; i < SERVICE_COUNT; i++) {
        if (instance->ports[i] == 0)
            continue;
        instance_append_url(instance, (enum service)i, &url);
        printf("  %-14s %s\n", service_table[i].name, buffer_text(&url));
        buffer_clear(&url);
    }
    buffer_free(&url);
}

bool instance_require(const char *given, struct instance *instance) {
    struct error error;
    char data[PATH_MAX];
    if (!instance_find_data(given, data, &error)) {
        fprintf(stderr, "raudal: %s\n", error.message);
        return false;
    }
    instance_read(data, instance);
    if (!instance->running)
        message_error(MESSAGE_NOTHING_RUNS, data, data);
    return instance->running;
}

/* ---- control ---- */

static int connect_to(const char *address, uint16_t port, struct error *error) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &place.sin_addr);
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 10};
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(descriptor, (struct sockaddr *)&place, sizeof place) == 0)
        return descriptor;
    error_system(error, errno, "connecting to %s:%u", address, port);
    close(descriptor);
    return -1;
}

bool instance_control(
    const struct instance *instance, const char *method, const char *path, struct buffer *out, struct error *error) {
    if (instance->control_port == 0)
        return error_set(error, ERROR_CLOSED, "it is still starting");
    int descriptor = connect_to(instance->address, instance->control_port, error);
    if (descriptor < 0)
        return false;
    struct buffer message = {0};
    buffer_printf(&message,
        "%s %s HTTP/1.1\r\nHost: %s:%u\r\nX-Raudal-Token: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", method,
        path, instance->address, instance->control_port, instance->control_token);
    bool sent = write(descriptor, message.data, message.size) == (ssize_t)message.size;
    buffer_clear(&message);
    ssize_t count = 1;
    while (sent && count > 0) {
        count = read(descriptor, buffer_reserve(&message, 65536), 65536);
        message.size += count > 0 ? (size_t)count : 0;
    }
    close(descriptor);
    const char *text = buffer_text(&message);
    const char *body = strstr(text, "\r\n\r\n");
    bool answered = body != NULL && strncmp(text, "HTTP/1.1 200", 12) == 0;
    if (answered)
        buffer_append_text(out, body + 4);
    else if (body != NULL && body[4] != 0 && strncmp(text, "HTTP/1.1 503", 12) == 0)
        error_set(error, ERROR_IO, "%.300s", body + 4);
    else
        error_set(error, ERROR_IO, "%s on the control port gave %.60s", path, message.size > 0 ? text : "no answer");
    buffer_free(&message);
    return answered;
}

void instance_say_stopped(enum service service) {
    static struct instance instance;
    char data[PATH_MAX];
    struct buffer body = {0};
    size_t index;
    json_t *row;
    bool stopped = false;
    if (!instance_find_data(NULL, data, NULL))
        return;
    instance_read(data, &instance);
    if (!instance.running || !instance_control(&instance, "GET", "/status", &body, NULL)) {
        buffer_free(&body);
        return;
    }
    json_t *status = json_loadb((const char *)body.data, body.size, 0, NULL);
    json_array_foreach(json_object_get(status, "services"), index, row) {
        const char *name = json_string_value(json_object_get(row, "name"));
        const char *state = json_string_value(json_object_get(row, "state"));
        if (name != NULL && strcmp(name, service_table[service].name) == 0)
            stopped = state != NULL && strcmp(state, "stopped") == 0;
    }
    json_decref(status);
    buffer_free(&body);
    if (stopped)
        message_error(MESSAGE_SERVICE_IS_STOPPED, service_table[service].name, service_table[service].name);
}

/* ---- for `up` ---- */

bool instance_lock(const char *data, struct error *error) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/run/lock", data);
    int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0)
        return error_system(error, errno, "%s", path);
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
        int reason = errno;
        close(descriptor);
        return error_system(error, reason, "%s", path);
    }
    return true; /* the descriptor stays open until the process ends: that is the lock */
}

static bool write_whole(const char *data, const char *name, const char *text, struct error *error) {
    char path[PATH_MAX + 32], temporary[PATH_MAX + 40];
    snprintf(path, sizeof path, "%s/run/%s", data, name);
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    int descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return error_system(error, errno, "%s", temporary);
    bool written = write(descriptor, text, strlen(text)) == (ssize_t)strlen(text);
    close(descriptor);
    if (!written || rename(temporary, path) != 0)
        return error_system(error, errno, "%s", path);
    return true;
}

static bool write_owner(const struct instance *instance, struct error *error) {
    char path[PATH_MAX + 16], line[256];
    snprintf(path, sizeof path, "%s/run/lock", instance->data);
    int size = snprintf(line, sizeof line, "%ld %s %s\n", (long)instance->pid, instance->user, instance->address);
    int descriptor = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    bool written = descriptor >= 0 && write(descriptor, line, (size_t)size) == size;
    int reason = errno;
    if (descriptor >= 0)
        close(descriptor);
    return written || error_system(error, reason, "%s", path);
}

bool instance_write(const struct instance *instance, struct error *error) {
    if (!write_owner(instance, error))
        return false;
    if (instance->control_port == 0)
        return true; /* still starting: only the owner is known */
    json_t *services = json_object();
    struct buffer addresses = {0};
    for (int i = 0; i < SERVICE_COUNT; i++) {
        if (instance->ports[i] == 0)
            continue;
        json_object_set_new(services, service_table[i].name, json_integer(instance->ports[i]));
        buffer_printf(&addresses, "%s %s:%u\n", service_table[i].name, instance->address, instance->ports[i]);
    }
    json_t *root = json_pack("{s:i, s:s, s:s, s:s, s:I, s:i, s:s, s:s, s:o}", "pid", (int)instance->pid, "user",
        instance->user, "address", instance->address, "defaultFs", instance->default_fs, "startedMs",
        (json_int_t)instance->started_ms, "controlPort", instance->control_port, "controlToken",
        instance->control_token, "volumes", instance->volumes, "services", services);
    char *text = json_dumps(root, JSON_INDENT(2));
    bool written = write_whole(instance->data, "addresses", buffer_text(&addresses), error) &&
                   write_whole(instance->data, "instance.json", text, error);
    free(text);
    json_decref(root);
    buffer_free(&addresses);
    return written;
}

void instance_remove(const char *data) {
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/run/instance.json", data);
    unlink(path);
    snprintf(path, sizeof path, "%s/run/addresses", data);
    unlink(path);
}

bool instance_port_is_free(const char *address, uint16_t port) {
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &place.sin_addr);
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool is_free = bind(descriptor, (struct sockaddr *)&place, sizeof place) == 0 && listen(descriptor, 1) == 0;
    close(descriptor);
    return is_free;
}

void instance_free_address(const uint16_t ports[SERVICE_COUNT], char address[64]) {
    for (int last = 2; last < 255; last++) {
        snprintf(address, 64, "127.0.0.%d", last);
        bool all_free = true;
        for (int i = 0; i < SERVICE_COUNT && all_free; i++)
            all_free = ports[i] == 0 || instance_port_is_free(address, ports[i]);
        if (all_free)
            return;
    }
    address[0] = 0;
}
