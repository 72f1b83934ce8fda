#include "base/log.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/calendar.h"

struct service_log {
    const char *name;
    enum log_form form;
    enum log_level least;
    struct service_log_target target;
};

static const char *const level_names[] = {"DEBUG", "INFO", "WARN", "ERROR", "FATAL"};

struct service_log *service_log_create(const char *name, enum log_form form, struct service_log_target target) {
    struct service_log *log = calloc(1, sizeof *log);
    ASSERT(log != NULL);
    *log = (struct service_log){name, form, LOG_INFO, target};
    return log;
}

void service_log_destroy(struct service_log *log) {
    free(log);
}

void service_log_set_level(struct service_log *log, enum log_level least) {
    log->least = least;
}

void service_log_write(struct service_log *log, enum log_level level, const char *logger, const char *format, ...) {
    if (log == NULL || level < log->least)
        return;
    char when[32];
    int64_t now_ms = log->target.wall_ms(log->target.context);
    struct buffer line = {0};
    va_list arguments;
    va_start(arguments, format);
    switch (log->form) {
    case LOG_FORM_KAFKA:
        calendar_format_log4j(now_ms, when);
        buffer_printf(&line, "[%s] %s ", when, level_names[level]);
        buffer_vprintf(&line, format, arguments);
        buffer_printf(&line, " (%s)\n", logger);
        break;
    case LOG_FORM_SPARK:
        calendar_format_spark(now_ms, when);
        buffer_printf(&line, "%s %s %s: ", when, level_names[level], logger);
        buffer_vprintf(&line, format, arguments);
        buffer_append_byte(&line, '\n');
        break;
    case LOG_FORM_HADOOP:
        calendar_format_log4j(now_ms, when);
        buffer_printf(&line, "%s %s %s: ", when, level_names[level], logger);
        buffer_vprintf(&line, format, arguments);
        buffer_append_byte(&line, '\n');
        break;
    }
    va_end(arguments);
    log->target.write(log->target.context, (const char *)line.data, line.size);
    buffer_free(&line);
}

void service_log_raw(struct service_log *log, const char *text, size_t size) {
    if (log != NULL)
        log->target.write(log->target.context, text, size);
}
