/* interpolate.h: variables in the texts of a compose file, and the files that give their values.
 *
 * $NAME  ${NAME}  ${NAME:-word} (also when empty)  ${NAME-word}  ${NAME:?sentence}  ${NAME?sentence}  ${NAME:+word}
 * ${NAME+word}  $$ (a dollar sign). A word may hold variables again. https://docs.docker.com/reference/compose-file/
 *
 * Variable files (.env, env_file): NAME=value lines, `export` before the name, # comments, 'literal' and "with $NAME
 * and escapes" values, which may go over several lines; a NAME alone takes the caller's value. */
#ifndef COMPOSE_INTERPOLATE_H
#define COMPOSE_INTERPOLATE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/vector.h"

enum {
    INTERPOLATED_SIZE_MAX = 65536,    /* of one text */
    INTERPOLATED_TOTAL_MAX = 8 << 20, /* of all texts of one reading */
    INTERPOLATION_DEPTH_MAX = 8,
    ENV_FILE_SIZE_MAX = 1 << 20,
    ENV_FILE_COUNT_MAX = 2000, /* variables of one file */
};

struct interpolation {
    const char *(*value)(void *context, const char *name); /* NULL: not set */
    void (*missing)(void *context, const char *name);      /* not set and nothing in its place: empty */
    void *context;
    size_t *left; /* bytes that may still be written: INTERPOLATED_TOTAL_MAX at first */
};

/* The text with its variables' values, in the arena; NULL with the reason (without a place). */
char *interpolate(
    const struct interpolation *interpolation, struct arena *arena, const char *text, struct error *error);

struct env_variable {
    const char *name, *value; /* value NULL: a name alone */
    int line;
};
struct env_list {
    struct env_variable *items;
    size_t count, capacity;
};

/* Appends the file's variables in order; texts are in the arena. Errors begin with "NAME:LINE: ". A variable sees those
 * before it. */
bool env_file_parse(const struct interpolation *interpolation, struct arena *arena, const char *file, struct bytes text,
    struct env_list *list, struct error *error);
/* The last value of the name, or NULL. */
const struct env_variable *env_find(const struct env_list *list, const char *name);

#endif
