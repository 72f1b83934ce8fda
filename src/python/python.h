/* python.h: processes of the user's own Python interpreter that evaluate what came pickled from a program: functions
 * over columns, rows and groups, foreach and foreachBatch.
 *
 * A session has workers of one interpreter, started when first needed and kept warm. A worker connects back to a port
 * of ours, says its token and then takes one request after the other. A request and its answer are a JSON object
 * (`head`) and bytes (`payload`, mostly an Arrow stream); module/raudal_worker.py is the other end and lists the
 * requests.
 *
 * Everything happens on the loop given at creation, except what says otherwise. */
#ifndef PYTHON_PYTHON_H
#define PYTHON_PYTHON_H

#include <jansson.h>
#include "base/log.h"
#include "world/world.h"

struct python_plane;
struct python_session;

struct python_plane_options {
    struct world *world;
    struct world_loop *loop;
    const char *address;         /* where workers call back, on a port of its own: loopback */
    const char *module_folder;   /* holds raudal_worker.py */
    const char *const *launcher; /* words before the interpreter's: what gives workers the program's surroundings; ends
                                    with NULL */
    struct service_log *log;
};

/* Any thread but loops and pools. Destroy: when no session is left; not from the loop. */
struct python_plane *python_plane_create(const struct python_plane_options *options, struct error *error);
void python_plane_destroy(struct python_plane *plane);

struct python_session_options {
    const char *interpreter;        /* a path or a name on PATH */
    const char *const *environment; /* "NAME=value" for the workers; ends with NULL */
    const char *folder;             /* where modules of the program are found beside the interpreter's own; "" none */
    int worker_max;                 /* workers for requests without a lane */
    /* What the functions print. */
    void (*output)(void *argument, struct bytes text);
    void *output_argument;
};

struct python_session *python_session_create(struct python_plane *plane, const struct python_session_options *options);
/* Answers what waits with a failure, ends the workers, frees. */
void python_session_destroy(struct python_session *session);

/* Makes a pickled function known; the same bytes give the same number. `about` (taken) goes to the workers with it:
 * "python", the version of the interpreter that pickled it, and "includes", modules to be found for it. */
int64_t python_define(struct python_session *session, struct bytes command, json_t *about);

/* An artifact of the program, given to each worker before its next request: "pyfiles/NAME" (a module, or an archive of
 * modules), "files/NAME", "archives/NAME" or "archives/NAME#FOLDER" (unpacked there). Names are UTF-8. */
void python_add_file(struct python_session *session, const char *name, struct bytes content);

/* failure: what went wrong, with the program's traceback when the function itself failed; NULL after success. head is
 * NULL when no worker answered. Views are valid during the call. */
typedef void python_done(void *argument, const json_t *head, struct bytes payload, const char *failure);

struct python_request {
    json_t *head;             /* taken */
    struct buffer payload;    /* taken */
    const int64_t *functions; /* that the worker must know for it; copied */
    size_t function_count;
    const char *lane; /* requests of one lane go to one worker of their own, in order; NULL: any worker */
    python_done *done;
    void *argument;
};
void python_call(struct python_session *session, const struct python_request *request);
/* Takes back the request with that argument: `done` is not called; a worker that is busy with it is ended. Harmless
 * when it was answered. */
void python_cancel(struct python_session *session, const void *argument);
/* Ends the worker of a lane; what waits for it is answered with a failure. */
void python_end_lane(struct python_session *session, const char *lane);

#endif
