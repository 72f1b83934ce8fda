/* service_logs.h: the files behind the service logs: DIR/logs/NAME.log, appended by one write a line from any thread. A
 * file that has grown past 16 MiB is put aside as NAME.log.1 (one is kept). In the foreground every line also goes to
 * standard output behind the service's name. */
#ifndef CLI_SERVICE_LOGS_H
#define CLI_SERVICE_LOGS_H

#include "base/log.h"
#include "world/world.h"

enum log_service {
    LOG_OF_KAFKA,
    LOG_OF_ZOOKEEPER,
    LOG_OF_SPARK,
    LOG_OF_NAMENODE,
    LOG_OF_DATANODE,
    LOG_OF_RAUDAL,
    LOG_OF_COUNT
};

struct service_logs;

/* Opens all files below `folder`. echo: also print. */
struct service_logs *service_logs_open(struct world *world, const char *folder, bool echo, struct error *error);
void service_logs_close(struct service_logs *logs);
struct service_log *service_logs_get(struct service_logs *logs, enum log_service service);

#endif
