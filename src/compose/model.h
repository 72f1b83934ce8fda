/* model.h: the services as the compose file says them: interpolated, checked, with their places in the file. Inside
 * compose/ only. */
#ifndef COMPOSE_MODEL_H
#define COMPOSE_MODEL_H

#include "compose/compose.h"
#include "compose/interpolate.h"
#include "compose/tree.h"

/* Sentences: schema/compose/notes.def. */
enum compose_note {
#define NOTE(name, english, spanish) NOTE_##name,
#include "compose/notes.def"
#undef NOTE
    NOTE_COUNT,
};

enum {
    SERVICE_COUNT_MAX = 200,
    REPLICA_COUNT_MAX = 20,
    PORT_RANGE_MAX = 100,
};

struct model_port {
    uint16_t published, container;
    bool is_udp;
    const struct yaml_node *node;
};

struct model_variable {
    const char *name, *value;
    bool is_used; /* something here follows it, or it is known to be met */
};

struct model_volume {
    const char *source, *target; /* source: absolute for a folder of the machine, NULL for a volume of Docker's */
};

struct model_words {
    const char **items;
    size_t count, capacity;
};

struct model_service {
    const struct yaml_node *node, *name_node;
    const char *name, *image, *container; /* image "" when it is built; container NULL when not given */
    VECTOR(const char *) names;           /* host names besides name and container */
    VECTOR(struct model_port) ports;
    VECTOR(struct model_variable) variables; /* environment over env_file; each name once */
    VECTOR(struct model_volume) volumes;
    struct model_words entrypoint, command, depends_on;
    int64_t replicas;
    bool is_left_out; /* its profiles are not chosen */
};

struct model {
    const struct compose_options *options;
    struct compose_plan *plan;
    struct arena *arena; /* the plan's */
    const char *folder;  /* of the file */
    const char *file;    /* its name in messages */
    struct env_list dot_env;
    size_t left; /* see struct interpolation */
    struct error *error;
    VECTOR(struct model_service) services;
};

/* Fills the model; false with the error, which has file, line and column. */
bool model_read(struct model *model);
void model_free(struct model *model);
/* By name, those left out too. */
struct model_service *model_find(struct model *model, const char *name);
/* The value, marked as used; NULL when it is not set. */
const char *model_variable(struct model_service *service, const char *name);
/* Adds a sentence to the plan, once. */
void model_note(struct model *model, enum compose_note note, ...);
/* The sentence itself, in the arena. */
char *model_sentence(struct model *model, enum compose_note note, ...);

#endif
