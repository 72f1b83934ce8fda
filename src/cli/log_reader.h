/* log_reader.h: prints a service's log file for `raudal logs` and `docker logs`. */
#ifndef CLI_LOG_READER_H
#define CLI_LOG_READER_H

#include <stdbool.h>
#include <stdint.h>

struct log_reading {
    int64_t tail;               /* only the last lines; -1: all */
    int64_t since_ms, until_ms; /* wall time of the lines; INT64_MIN and INT64_MAX: all */
    bool follow, timestamps;    /* timestamps: each line's time in RFC 3339 form before it */
    const char *prefix;         /* before each line, "" for none */
};

/* Everything, from the start. */
struct log_reading log_reading_make(void);
/* Prints what is asked for; with follow it returns only when the file cannot be read any more. false when there is no
 * such file. */
bool log_reader_print(const char *path, const struct log_reading *reading);
/* Reads "10m", "1h30m", "2026-11-22T15:13:45Z" (also without the zone, or the date alone) or seconds since 1970 as
 * docker's --since takes them. */
bool log_parse_time(const char *text, int64_t now_ms, int64_t *wall_ms);

#endif
