/* kafka_properties.h: a real broker's server.properties (`raudal up --kafka-properties FILE`). Every name goes through
 * the broker's own table: used, noted as without effect, or refused with its line. */
#ifndef CLI_KAFKA_PROPERTIES_H
#define CLI_KAFKA_PROPERTIES_H

#include "cli/settings.h"

/* Reads the file into the settings (as kafka.NAME). The error names file and line. */
bool kafka_properties_load(struct settings *settings, const char *path, struct error *error);

/* One place to listen at of a value of listeners. */
struct kafka_listener {
    char host[128]; /* "": every address */
    uint16_t port;
};
enum { KAFKA_LISTENERS_MAX = 16 };
/* The listeners of a value of `listeners` that are for clients: those that controller.listener.names names are left
 * out, one that is not PLAINTEXT (by listener.security.protocol.map or its own name) is an error. map and controllers
 * may be NULL. Returns their number, 0 with an error. */
size_t kafka_listeners_parse(const char *listeners, const char *map, const char *controllers,
    struct kafka_listener out[KAFKA_LISTENERS_MAX], struct error *error);
/* Takes kafka.port from kafka.listeners where that is given and the port is not; checks the listeners. */
bool kafka_listeners_apply(struct settings *settings, struct error *error);

#endif
