/* docker.h: docker's and docker compose's words on the services of this Raudal, as `docker`, `docker-compose`, and
 * `raudal ps`, `exec`, `stop` and so on. Columns, messages and exit statuses are docker's. */
#ifndef CLI_DOCKER_DOCKER_H
#define CLI_DOCKER_DOCKER_H

#include "cli/docker/containers.h"

/* How a word was called: `docker WORD`, `docker compose WORD` or `raudal WORD`. */
enum docker_caller { CALLED_AS_DOCKER, CALLED_AS_COMPOSE, CALLED_AS_RAUDAL };

struct docker_call {
    enum docker_caller caller;
    const char *data; /* --data, or NULL */
    int argc;         /* the word and what follows it */
    char **argv;
    char **whole; /* the command line from its first word, for the real docker */
    struct containers containers;
};

typedef int docker_function(struct docker_call *call);

docker_function docker_ps, docker_images, docker_inspect, docker_stats, docker_version, docker_logs, docker_exec,
    docker_stop, docker_start, docker_restart, docker_up, docker_down, docker_config;

/* Becomes the real docker, if there is one on PATH, with the whole command line; else prints `otherwise` (unless NULL)
 * and returns 1. */
int docker_real(const struct docker_call *call, const char *otherwise, ...) __attribute__((format(printf, 2, 3)));
/* A name that is none of ours: to the real docker, or docker's sentence. */
int docker_no_container(const struct docker_call *call, const char *name);
/* The containers that the words (from `first`) name, or all when there are none and the caller allows it. Never returns
 * when the real docker takes over. false after an error that was printed. */
bool docker_chosen(struct docker_call *call, int first, int count, struct container ***chosen, size_t *chosen_count);

/* Options before the words: takes from argv[1] on; on an option that is not in the table the real docker takes over, or
 * a sentence is printed. The index of the first word, or -1. */
struct docker_option {
    const char *names;  /* "-n --tail" */
    bool *flag;         /* for one without a value */
    const char **value; /* for one with; the last wins */
    void (*each)(void *argument, const char *value);
    void *argument; /* of each */
    /* Nothing here can do what it asks for, and nothing needs it: taken, and said so on standard error. */
    enum { DOCKER_HAS_EFFECT, DOCKER_FLAG_WITHOUT_EFFECT, DOCKER_VALUE_WITHOUT_EFFECT } effect;
};
int docker_options(struct docker_call *call, const struct docker_option *options, size_t count, bool stop_at_word);

#endif
