/* doctor_clock.c: whether the clock is behind what was written before: message times, retention and watermarks go by
 * it. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/calendar.h"
#include "cli/doctor/doctor.h"

enum { TOLERANCE_S = 60, PROJECT_BEGAN_S = 1735689600 /* 2025-01-01: no clock that is right is before it */ };

/* The newest file directly below a folder and below its folders. */
static void newest_file(const char *path, int depth, int64_t *newest_s, char *name, size_t size) {
    DIR *folder = opendir(path);
    if (folder == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char below[PATH_MAX];
        struct stat status;
        if (entry->d_name[0] == '.' ||
            snprintf(below, sizeof below, "%s/%s", path, entry->d_name) >= (int)sizeof below ||
            lstat(below, &status) != 0)
            continue;
        if (S_ISREG(status.st_mode) && status.st_mtime > *newest_s) {
            *newest_s = status.st_mtime;
            snprintf(name, size, "%s", below);
        } else if (S_ISDIR(status.st_mode) && depth > 1) {
            newest_file(below, depth - 1, newest_s, name, size);
        }
    }
    closedir(folder);
}

void doctor_clock(struct doctor *doctor) {
    char name[PATH_MAX] = "", now_text[32], newest_text[32];
    int64_t newest_s = 0, now_s = time(NULL);
    newest_file(doctor->instance.data, 3, &newest_s, name, sizeof name);
    calendar_format_iso_ms(now_s * 1000, now_text);
    if (now_s < PROJECT_BEGAN_S) {
        doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_CLOCK_UNSET, now_text);
    } else if (newest_s > now_s + TOLERANCE_S) {
        calendar_format_iso_ms(newest_s * 1000, newest_text);
        doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_CLOCK_BACK, now_text, name, newest_text);
    } else {
        doctor_find(doctor, FINDING_GOOD, MESSAGE_DOCTOR_CLOCK, now_text);
        return;
    }
    doctor_command(doctor, "sudo timedatectl set-ntp true");
}
