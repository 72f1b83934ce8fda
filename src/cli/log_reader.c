#include "cli/log_reader.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/calendar.h"

enum { DAY_MS = 86400000 };

struct log_reading log_reading_make(void) {
    return (struct log_reading){.tail = -1, .since_ms = INT64_MIN, .until_ms = INT64_MAX, .prefix = ""};
}

/* ---- times ---- */

static int64_t make_ms(int year, int month, int day, int hour, int minute, int second, int ms) {
    return calendar_days(year, month, day) * DAY_MS + ((hour * 60 + minute) * 60 + second) * (int64_t)1000 + ms;
}

/* The time at the start of a line, in one of the three forms of base/log.h; false for a line without (a trace). */
static bool line_time(const char *line, int64_t *wall_ms) {
    int year, month, day, hour, minute, second, ms = 0;
    line += line[0] == '[';
    if (sscanf(line, "%4d-%2d-%2d %2d:%2d:%2d,%3d", &year, &month, &day, &hour, &minute, &second, &ms) < 6) {
        if (sscanf(line, "%2d/%2d/%2d %2d:%2d:%2d", &year, &month, &day, &hour, &minute, &second) < 6)
            return false;
        year += 2000;
    }
    if (!calendar_is_valid(year, month, day))
        return false;
    *wall_ms = make_ms(year, month, day, hour, minute, second, ms);
    return true;
}

static bool parse_duration(const char *text, int64_t *ms) {
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    double sum = 0;
    while (*text != 0) {
        char *end;
        double number = strtod(text, &end);
        size_t found = 4;
        for (size_t i = 0; i < 4 && found == 4; i++)
            if (end != text && strncmp(end, units[i].unit, strlen(units[i].unit)) == 0)
                found = i;
        if (found == 4 || number < 0 || number > 1e9)
            return false;
        sum += number * units[found].ms;
        text = end + strlen(units[found].unit);
    }
    *ms = (int64_t)sum;
    return true;
}

bool log_parse_time(const char *text, int64_t now_ms, int64_t *wall_ms) {
    int year, month, day, hour = 0, minute = 0, used = 0;
    double second = 0;
    int64_t number;
    if (bytes_to_int64(bytes_from_text(text), &number)) {
        *wall_ms = number * 1000;
        return true;
    }
    if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &used) == 3 && used >= 8) {
        int more = 0;
        const char *rest = text + used;
        if ((*rest == 'T' || *rest == ' ') && sscanf(rest + 1, "%2d:%2d:%lf%n", &hour, &minute, &second, &more) == 3)
            rest += 1 + more;
        if (!calendar_is_valid(year, month, day) || (*rest != 0 && strcmp(rest, "Z") != 0))
            return false;
        *wall_ms = make_ms(year, month, day, hour, minute, 0, 0) + (int64_t)(second * 1000);
        return true;
    }
    if (text[0] == 0 || !parse_duration(text, &number))
        return false;
    *wall_ms = now_ms - number;
    return true;
}

/* ---- lines ---- */

/* Where the last `lines` lines begin. */
static off_t tail_position(int descriptor, int64_t lines) {
    off_t at = lseek(descriptor, 0, SEEK_END);
    char text[4096];
    while (at > 0) {
        size_t size = at < (off_t)sizeof text ? (size_t)at : sizeof text;
        if (pread(descriptor, text, size, at - (off_t)size) != (ssize_t)size)
            return 0;
        for (size_t i = size; i > 0; i--)
            if (text[i - 1] == '\n' && lines-- == 0)
                return at - (off_t)size + (off_t)i;
        at -= (off_t)size;
    }
    return 0;
}

struct printing {
    const struct log_reading *reading;
    FILE *file;
    char *line;
    size_t capacity;
    int64_t last_ms; /* time of the last line that had one */
};

static void print_lines(struct printing *printing) {
    const struct log_reading *reading = printing->reading;
    clearerr(printing->file);
    while (getline(&printing->line, &printing->capacity, printing->file) > 0) {
        (void)line_time(printing->line, &printing->last_ms);
        if (printing->last_ms < reading->since_ms || printing->last_ms > reading->until_ms)
            continue;
        fputs(reading->prefix, stdout);
        if (reading->timestamps) {
            char when[32];
            calendar_format_iso_ms(printing->last_ms, when);
            printf("%.23s000000Z ", when);
        }
        if (fputs(printing->line, stdout) < 0)
            exit(0); /* the reader (head, less) has gone */
    }
    if (fflush(stdout) != 0)
        exit(0);
}

static bool was_put_aside(const char *path, FILE *file) {
    struct stat now, opened;
    return stat(path, &now) == 0 && fstat(fileno(file), &opened) == 0 && now.st_ino != opened.st_ino;
}

static void follow(const char *path, struct printing *printing) {
    int watcher = inotify_init1(IN_CLOEXEC);
    char events[4096];
    while (printing->file != NULL) {
        inotify_add_watch(watcher, path, IN_MODIFY | IN_MOVE_SELF);
        print_lines(printing); /* what came before the watch stood */
        if (read(watcher, events, sizeof events) <= 0)
            continue;
        print_lines(printing);
        if (was_put_aside(path, printing->file)) {
            fclose(printing->file);
            printing->file = fopen(path, "re");
        }
    }
    close(watcher);
}

bool log_reader_print(const char *path, const struct log_reading *reading) {
    struct printing printing = {.reading = reading, .file = fopen(path, "re"), .last_ms = INT64_MIN + 1};
    if (printing.file == NULL)
        return false;
    if (reading->tail >= 0)
        fseeko(printing.file, tail_position(fileno(printing.file), reading->tail), SEEK_SET);
    print_lines(&printing);
    if (reading->follow)
        follow(path, &printing);
    if (printing.file != NULL)
        fclose(printing.file);
    free(printing.line);
    return true;
}
