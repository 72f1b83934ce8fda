/* services.h: the services that one Raudal offers, each with the port its users know. One table for `up`, `status`,
 * `--only`, the private host names and the pages. */
#ifndef CLI_SERVICES_H
#define CLI_SERVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum service {
    SERVICE_KAFKA,
    SERVICE_ZOOKEEPER,
    SERVICE_KAFKA_UI,
    SERVICE_SPARK_MASTER,
    SERVICE_SPARK_WORKER,
    SERVICE_SPARK_CONNECT,
    SERVICE_NAMENODE,
    SERVICE_NAMENODE_UI,
    SERVICE_DATANODE,
    SERVICE_JUPYTER, /* only when asked for: --lab, --only …,jupyter, or a compose file's service */
    SERVICE_COUNT,
};

struct service_row {
    const char *name;
    const char *plane; /* kafka, zookeeper, spark, hdfs, jupyter: also accepted by --only */
    const char *port_setting;
    uint16_t port;      /* default */
    const char *scheme; /* how a user writes the address: "http://" or "" … */
    const char *log;    /* its log file without .log */
};

extern const struct service_row service_table[SERVICE_COUNT];

/* Host names that mean this Raudal inside `raudal shell` and `raudal run`. */
extern const char *const own_host_names[];
extern const size_t own_host_name_count;

/* Parses "kafka,spark" into flags; false with the unknown word's place. */
bool services_parse(const char *list, bool chosen[SERVICE_COUNT], const char **unknown, size_t *unknown_size);
/* "kafka, zookeeper, …" for messages. */
const char *services_names(void);
/* The log file's base name for a service or plane name, or NULL. */
const char *services_log(const char *name);

#endif
