/* instance.h: which Raudal a command speaks of, and what is known of it without asking it: DIR/run/instance.json,
 * written by `up` when every port answers and removed by a clean stop; DIR/run/lock, held (flock) by the serving
 * process for its life. */
#ifndef CLI_INSTANCE_H
#define CLI_INSTANCE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/bytes.h"
#include "base/error.h"
#include "cli/services.h"
#include "cli/volumes.h"

struct instance {
    char data[PATH_MAX]; /* absolute, no trailing slash */
    bool running;        /* the lock is held */
    bool ready;          /* instance.json is there: every port answers */
    pid_t pid;
    char user[64];
    char address[64];
    char default_fs[320]; /* "hdfs://namenode:9000": what a path without a scheme means; "" while it starts */
    int64_t started_ms;
    uint16_t ports[SERVICE_COUNT]; /* 0: not served */
    uint16_t control_port;         /* HTTP for status, with the token */
    char control_token[64];
    char volumes[VOLUMES_TEXT_SIZE]; /* cli/volumes.h; also of a folder that nothing serves */
};

/* DESIGN "Commands": given (--data), else RAUDAL_DATA, else .raudal beside the nearest compose file or
 * raudal.properties upward from the working folder, else $XDG_DATA_HOME/raudal or ~/.local/share/raudal. Makes it
 * absolute; the folder need not exist. */
bool instance_find_data(const char *given, char data[PATH_MAX], struct error *error);
/* Fills *instance from the folder; running == false when nothing serves it. */
void instance_read(const char *data, struct instance *instance);
/* For commands that need a running one: finds and reads it, or prints the sentence that names `raudal up` and returns
 * false. */
bool instance_require(const char *given, struct instance *instance);
/* GET or POST on its control port with the token; the body is appended to *out. False with the reason. */
bool instance_control(
    const struct instance *instance, const char *method, const char *path, struct buffer *out, struct error *error);

/* Appends the address of a service as a person uses it: http://127.0.0.1:8888/lab?token=… */
void instance_append_url(const struct instance *instance, enum service service, struct buffer *out);
/* One line per service that answers, on standard output. */
void instance_print_services(const struct instance *instance);
/* DIR/run/jupyter.token (mode 0600): "" when there is none or when no token is asked for. */
void instance_lab_token(const char *data, char token[128]);
bool instance_port_is_free(const char *address, uint16_t port);

/* For a tool that found nobody: when the Raudal that RAUDAL_DATA or the working folder names runs and this service of
 * it is stopped, prints the sentence that names `docker start`. */
void instance_say_stopped(enum service service);

/* ---- for `up` ---- */

/* Takes DIR/run/lock for the life of the process (the descriptor stays open); ERROR_BUSY when another process has it.
 */
bool instance_lock(const char *data, struct error *error);
/* Writes instance.json and addresses (mode 0600), both by rename. */
bool instance_write(const struct instance *instance, struct error *error);
void instance_remove(const char *data);
/* The first 127.0.0.N, N from 2, on which all given ports are free; "" when none was found. */
void instance_free_address(const uint16_t ports[SERVICE_COUNT], char address[64]);

#endif
