#include "cli/service_logs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"

enum { FILE_SIZE_MAX = 16 << 20 };

struct log_file {
    struct service_logs *logs;
    const char *name;
    char path[PATH_MAX];
    int descriptor;
    int64_t size;
    struct world_mutex mutex;
    struct service_log *log;
};

struct service_logs {
    struct world *world;
    bool echo;
    struct log_file files[LOG_OF_COUNT];
};

static const struct {
    const char *name;
    enum log_form form;
} rows[LOG_OF_COUNT] = {
    [LOG_OF_KAFKA] = {"kafka", LOG_FORM_KAFKA},
    [LOG_OF_ZOOKEEPER] = {"zookeeper", LOG_FORM_KAFKA},
    [LOG_OF_SPARK] = {"spark", LOG_FORM_SPARK},
    [LOG_OF_NAMENODE] = {"namenode", LOG_FORM_HADOOP},
    [LOG_OF_DATANODE] = {"datanode", LOG_FORM_HADOOP},
    [LOG_OF_RAUDAL] = {"raudal", LOG_FORM_HADOOP},
};

static bool open_file(struct log_file *file) {
    struct stat stat;
    file->descriptor = open(file->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    file->size = file->descriptor >= 0 && fstat(file->descriptor, &stat) == 0 ? stat.st_size : 0;
    return file->descriptor >= 0;
}

static void put_aside(struct log_file *file) {
    char older[PATH_MAX + 4];
    snprintf(older, sizeof older, "%s.1", file->path);
    rename(file->path, older);
    close(file->descriptor);
    open_file(file);
}

static void write_all(int descriptor, const char *text, size_t size) {
    while (size > 0) {
        ssize_t count = write(descriptor, text, size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return; /* a full disk must not stop the service; the next lines try again */
        text += count;
        size -= (size_t)count;
    }
}

static void echo_lines(const char *name, const char *text, size_t size) {
    struct buffer out = {0};
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t length = end == NULL ? size - at : (size_t)(end - text) - at;
        buffer_printf(&out, "%-9s | %.*s\n", name, (int)length, text + at);
        at += length + 1;
    }
    write_all(STDOUT_FILENO, (const char *)out.data, out.size);
    buffer_free(&out);
}

static void write_line(void *context, const char *line, size_t size) {
    struct log_file *file = context;
    world_mutex_lock(&file->mutex);
    if (file->size > FILE_SIZE_MAX)
        put_aside(file);
    write_all(file->descriptor, line, size);
    file->size += (int64_t)size;
    if (file->logs->echo)
        echo_lines(file->name, line, size);
    world_mutex_unlock(&file->mutex);
}

static int64_t wall_ms(void *context) {
    struct log_file *file = context;
    return world_wall_ms(file->logs->world);
}

struct service_logs *service_logs_open(struct world *world, const char *folder, bool echo, struct error *error) {
    struct service_logs *logs = calloc(1, sizeof *logs);
    ASSERT(logs != NULL);
    logs->world = world;
    logs->echo = echo;
    for (int i = 0; i < LOG_OF_COUNT; i++) {
        struct log_file *file = &logs->files[i];
        file->logs = logs;
        file->name = rows[i].name;
        file->descriptor = -1;
        world_mutex_init(&file->mutex);
        snprintf(file->path, sizeof file->path, "%s/%s.log", folder, rows[i].name);
        file->log =
            service_log_create(rows[i].name, rows[i].form, (struct service_log_target){file, write_line, wall_ms});
        if (!open_file(file)) {
            error_system(error, errno, "%s", file->path);
            service_logs_close(logs);
            return NULL;
        }
    }
    return logs;
}

void service_logs_close(struct service_logs *logs) {
    for (int i = 0; logs != NULL && i < LOG_OF_COUNT; i++) {
        struct log_file *file = &logs->files[i];
        if (file->log == NULL)
            continue;
        service_log_destroy(file->log);
        world_mutex_destroy(&file->mutex);
        if (file->descriptor >= 0)
            close(file->descriptor);
    }
    free(logs);
}

struct service_log *service_logs_get(struct service_logs *logs, enum log_service service) {
    return logs->files[service].log;
}
