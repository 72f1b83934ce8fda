/* settings.h: raudal.properties, --set name=value and a real server.properties. Names are those of the real systems,
 * with a prefix where the file mixes systems (kafka.num.partitions). An unknown name in our own file or in --set is an
 * error that proposes the nearest known one; names of a server.properties without effect here are said once. Read-only
 * once loaded; any thread. */
#ifndef CLI_SETTINGS_H
#define CLI_SETTINGS_H

#include "base/error.h"
#include "base/map.h"

struct settings {
    struct map values; /* name -> heap text, only what was given */
    struct map notes;  /* names of server.properties without effect -> NULL, or the number of copies that is 1 here */
};

void settings_init(struct settings *settings);
void settings_free(struct settings *settings);
/* "name=value" as in --set; checks name and value. */
bool settings_set(struct settings *settings, struct bytes assignment, struct error *error);
/* A raudal.properties; the error names file and line. */
bool settings_load(struct settings *settings, const char *path, struct error *error);
/* A setting of the broker by its own name, without "kafka."; ERROR_NOT_FOUND when it has none of this name. A real
 * server.properties comes through kafka_properties.h. */
bool settings_put_kafka(struct settings *settings, const char *name, const char *value, struct error *error);
/* Whether a value was given, by a file or --set. */
bool settings_is_given(const struct settings *settings, const char *name);
/* The given value or the default; NULL for a name that does not exist. */
const char *settings_text(const struct settings *settings, const char *name);
int64_t settings_integer(const struct settings *settings, const char *name); /* also sizes, in bytes */
bool settings_boolean(const struct settings *settings, const char *name);
uint16_t settings_port(const struct settings *settings, const char *name);
/* The given value of kafka.NAME, or NULL when it was not given (the broker has its own defaults). */
const char *settings_kafka(const struct settings *settings, const char *name);

#endif
