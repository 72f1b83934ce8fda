/* log.h: service logs. One log per service (kafka, zookeeper, spark, namenode, datanode, web, raudal), each a file in
 * DIR/logs in the line form of the system it stands for, so that the lines people look for are found. Writing is
 * thread-safe (one write call a line).
 *
 *   kafka, zookeeper  [2026-11-22 15:13:45,227] INFO text (logger)
 *   spark             26/11/22 15:13:45 INFO Logger: text
 *   namenode/datanode 2026-11-22 15:13:45,227 INFO org.apache.hadoop…: text
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_FATAL };
enum log_form { LOG_FORM_KAFKA, LOG_FORM_SPARK, LOG_FORM_HADOOP };

struct service_log;

struct service_log_target {
    void *context;
    void (*write)(void *context, const char *line, size_t size); /* whole line with its newline; thread-safe */
    int64_t (*wall_ms)(void *context);
};

/* The target outlives the log. `name` is kept by pointer. */
struct service_log *service_log_create(const char *name, enum log_form form, struct service_log_target target);
void service_log_destroy(struct service_log *log);
void service_log_set_level(struct service_log *log, enum log_level least);
/* logger: the name in parentheses or before the colon, e.g. "kafka.server.KafkaServer". log NULL writes nothing. Any
 * thread. */
void service_log_write(struct service_log *log, enum log_level level, const char *logger, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Text as it is, no prefix (e.g. console sink batches), thread-safe. */
void service_log_raw(struct service_log *log, const char *text, size_t size);

#endif
