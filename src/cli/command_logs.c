/* command_logs.c: raudal logs SERVICE [-f] [--tail N] [-t] [--since TIME]: the service's file, whether anything runs or
 * not. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/instance.h"
#include "cli/log_reader.h"
#include "cli/messages.h"
#include "cli/options.h"

int command_logs(int argc, char **argv) {
    const char *given = NULL, *tail = NULL, *since = NULL;
    struct log_reading reading = log_reading_make();
    struct error error;
    const struct option_row rows[] = {
        {"--data", NULL, OPTION_TEXT, &given},
        {"--follow", "-f", OPTION_FLAG, &reading.follow},
        {"--since", NULL, OPTION_TEXT, &since},
        {"--tail", "-n", OPTION_TEXT, &tail},
        {"--timestamps", "-t", OPTION_FLAG, &reading.timestamps},
    };
    int count = options_parse(argc, argv, rows, ARRAY_COUNT(rows), false);
    if (count < 0)
        return 1;
    const char *name = count == 1 ? services_log(argv[0]) : NULL;
    if (name == NULL) {
        message_error(MESSAGE_UNKNOWN_SERVICE, count == 1 ? argv[0] : "",
            "kafka zookeeper spark namenode datanode raudal jupyter");
        return 1;
    }
    char data[PATH_MAX], path[PATH_MAX + 64];
    if (!instance_find_data(given, data, &error)) {
        message_error(MESSAGE_BAD_SETTING, error.message);
        return 1;
    }
    snprintf(path, sizeof path, "%s/logs/%s.log", data, name);
    if (tail != NULL && (!bytes_to_int64(bytes_from_text(tail), &reading.tail) || reading.tail < 0))
        reading.tail = -1;
    if (since != NULL && !log_parse_time(since, (int64_t)time(NULL) * 1000, &reading.since_ms)) {
        message_error(MESSAGE_BAD_TIME, since);
        return 1;
    }
    if (log_reader_print(path, &reading))
        return 0;
    message_error(MESSAGE_NO_LOG, name, data);
    return 1;
}
