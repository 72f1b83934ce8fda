/* compose.h: a compose file as a plan of what Raudal does in place of its containers.
 *
 * The way: tree.h (YAML) -> model.h (services as the file says) -> plan (this header): which service stands for which
 * plane, on which ports, under which names, with which settings; what is made once everything answers (topics,
 * commands of init services); and a sentence for everything that is different from containers or has no meaning here.
 * The tables are schema/compose: images.def (which image is which service), variables.def (its environment),
 * keys.def (the file's own words), notes.def (the sentences, in two languages). */
#ifndef COMPOSE_COMPOSE_H
#define COMPOSE_COMPOSE_H

#include <stdint.h>
#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/vector.h"

enum compose_kind {
    COMPOSE_KAFKA,
    COMPOSE_ZOOKEEPER,
    COMPOSE_KAFKA_UI,
    COMPOSE_SPARK_MASTER,
    COMPOSE_SPARK_WORKER,
    COMPOSE_NAMENODE,
    COMPOSE_DATANODE,
    COMPOSE_JUPYTER,
    COMPOSE_OTHER, /* nothing here stands for it */
    COMPOSE_KIND_COUNT,
    /* What an image may be; which one, its variables or command say. Not in a plan. */
    COMPOSE_SPARK,
    COMPOSE_HADOOP,
};

/* What answers on a port. */
enum compose_role {
    COMPOSE_ROLE_NONE, /* nothing */
    COMPOSE_ROLE_KAFKA,
    COMPOSE_ROLE_ZOOKEEPER,
    COMPOSE_ROLE_KAFKA_UI,
    COMPOSE_ROLE_SPARK_MASTER, /* pages */
    COMPOSE_ROLE_SPARK_WORKER, /* pages */
    COMPOSE_ROLE_SPARK_CONNECT,
    COMPOSE_ROLE_NAMENODE,
    COMPOSE_ROLE_NAMENODE_UI,
    COMPOSE_ROLE_DATANODE,
    COMPOSE_ROLE_JUPYTER,
};

struct compose_port {
    uint16_t published, container; /* published 0: not published */
    enum compose_role role;
    const char
        *told; /* Kafka: what clients of `container` are told as the broker's host, or NULL: the address they used */
    uint16_t told_port;
};

struct compose_service {
    const char *name, *container, *image;
    enum compose_kind kind;
    VECTOR(struct compose_port) ports;
    VECTOR(const char *) names;
    const char *note; /* "" or one sentence */
};

/* A setting of raudal.properties, and where it comes from: "kafka: KAFKA_NUM_PARTITIONS". */
struct compose_setting {
    const char *name, *value, *source;
};

struct compose_topic {
    const char *name;
    int64_t partition_count;
    const char *cleanup_policy; /* or NULL */
    const char *source;
};

/* A command of an init service: one of our tools and its words. */
struct compose_command {
    const char *service;
    const char *const *words; /* NULL at the end */
};

struct compose_plan {
    struct arena arena; /* everything below lives there */
    const char *project;
    VECTOR(struct compose_service) services;
    VECTOR(struct compose_setting) settings;
    VECTOR(struct compose_topic) topics;
    VECTOR(struct compose_command) commands;
    VECTOR(const char *) notes; /* sentences without a newline */
    bool serves[COMPOSE_KIND_COUNT];
};

struct compose_options {
    const char *path;  /* absolute */
    bool in_spanish;   /* the notes */
    bool lab_is_there; /* whether this build serves JupyterLab */
    const char *const *profiles;
    size_t profile_count;
    /* Reads a whole file; ERROR_NOT_FOUND when it is not there. */
    bool (*read_file)(void *context, const char *path, size_t size_max, struct buffer *out, struct error *error);
    const char *(*variable)(void *context, const char *name); /* of the caller's environment, NULL: not set */
    void *context;
};

/* Reads the file with its .env and env_files and plans. On failure *plan is empty. Calls back from the caller's thread;
 * keeps nothing of the options. */
bool compose_read(const struct compose_options *options, struct compose_plan *plan, struct error *error);
void compose_plan_free(struct compose_plan *plan);

#endif
