/* stack.h: the services that a person sees, by the names of their compose file (or of the course's, without one):
 * DIR/run/stack.json. `up` writes it before the planes start, and it stays until the next `up`; the private host
 * names, `docker ps` and its kin read it.
 *
 *   {"source": "/srv/curso/docker-compose.yml",          null without a compose file
 *    "services": [
 *      {"name": "spark-master", "container": "spark_master", "image": "bitnami/spark:3.5", "kind": "spark-master",
 *       "address": "127.1.100.4", "ports": [{"published": 8081, "container": 8080, "service": "spark-master"}],
 *       "names": ["spark-master", "spark_master"], "note": ""}]}
 *
 * A port of Kafka may have "told": "kafka:29092", what clients that come to `container` are told as the broker's
 * address. `kind` is one of stack_kind_names. `published` is the port at the instance's address, 0 when there is none;
 * `container` the one at the service's own address; `service` what answers there (services.h), absent when nothing
 * does. Several services of one kind (three brokers) are one plane with an address each. */
#ifndef CLI_STACK_H
#define CLI_STACK_H

#include "base/error.h"
#include "base/vector.h"
#include "cli/services.h"
#include "cli/settings.h"

enum stack_kind {
    STACK_KAFKA,
    STACK_ZOOKEEPER,
    STACK_KAFKA_UI,
    STACK_SPARK_MASTER,
    STACK_SPARK_WORKER,
    STACK_NAMENODE,
    STACK_DATANODE,
    STACK_JUPYTER,
    STACK_OTHER, /* named in the file; not served here */
    STACK_KIND_COUNT,
};

extern const char *const stack_kind_names[STACK_KIND_COUNT]; /* "kafka", "kafka-ui", "spark-worker" … */

struct stack_port {
    uint16_t published, container; /* 0: none */
    enum service service;          /* SERVICE_COUNT: nothing answers there */
    char *told;                    /* Kafka: the host that clients of `container` are told as the broker's */
    uint16_t told_port;            /* (advertised.listeners), with its port; NULL, 0: the address they used */
};

/* The texts are the stack's own. */
struct stack_service {
    char *name, *container, *image; /* image "" when the file builds one */
    enum stack_kind kind;
    char *address; /* numeric; the instance's own when the service has none to itself */
    VECTOR(struct stack_port) ports;
    VECTOR(char *) names; /* host names that mean this service: its own, the container's, its aliases */
    char *note;           /* what is different from a container, one sentence; "" usually */
};

struct stack {
    char *source; /* the compose file, absolute, or NULL */
    VECTOR(struct stack_service) services;
};

/* Adds a service with copies of the texts; name is also its first host name. */
struct stack_service *stack_add(
    struct stack *stack, const char *name, const char *container, enum stack_kind kind, const char *address);
void stack_set_image(struct stack_service *service, const char *image);
void stack_set_note(struct stack_service *service, const char *note);
/* What clients of the service's last added port are told (a copy). */
void stack_set_told(struct stack_service *service, const char *host, uint16_t port);
/* Also makes `name` a host name of the service, once. */
void stack_add_name(struct stack_service *service, const char *name);
/* The course's services under its names, all at the instance's address, for a run without a compose file. */
void stack_make_default(
    struct stack *stack, const char *address, const struct settings *settings, const bool services[SERVICE_COUNT]);
/* By service or container name, or NULL. */
struct stack_service *stack_find(const struct stack *stack, const char *name);
/* Whether the service has a port that is `service`. */
bool stack_serves(const struct stack_service *service, enum service what);

bool stack_write(const struct stack *stack, const char *data, struct error *error);
/* *stack is empty when there is no file (ERROR_NOT_FOUND) or it cannot be understood. */
bool stack_read(struct stack *stack, const char *data, struct error *error);
/* *stack is empty again. */
void stack_free(struct stack *stack);

#endif
