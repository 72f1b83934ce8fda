/* doctor.c: the command, its findings, and how they are printed. */
#include "cli/doctor/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "cli/commands.h"
#include "cli/options.h"

/* ---- findings ---- */

static char *format_text(const char *format, va_list arguments) {
    char *text = NULL;
    int size = vasprintf(&text, format, arguments);
    ASSERT(size >= 0);
    return text;
}

void doctor_find(struct doctor *doctor, enum finding_level level, enum message sentence, ...) {
    va_list arguments;
    va_start(arguments, sentence);
    struct finding finding = {level, doctor->area, sentence, format_text(message_text(sentence), arguments), NULL};
    va_end(arguments);
    VECTOR_PUSH(&doctor->findings, finding);
}

static void take_command(struct doctor *doctor, char *command) {
    struct finding *last = &doctor->findings.items[doctor->findings.count - 1];
    free(last->command);
    last->command = command;
}

void doctor_command(struct doctor *doctor, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    take_command(doctor, format_text(format, arguments));
    va_end(arguments);
}

void doctor_tool(struct doctor *doctor, const char *format, ...) {
    va_list arguments;
    struct buffer line = {0};
    va_start(arguments, format);
    char *command = format_text(format, arguments);
    va_end(arguments);
    if (getenv("RAUDAL_PROGRAM") == NULL)
        buffer_printf(&line, "raudal shell --data %s -- ", doctor->instance.data);
    buffer_append_text(&line, command);
    free(command);
    take_command(doctor, strdup(buffer_text(&line)));
    buffer_free(&line);
}

uint16_t doctor_port(const struct doctor *doctor, enum service service) {
    return doctor->instance.ready ? doctor->instance.ports[service]
                                  : settings_port(&doctor->settings, service_table[service].port_setting);
}

const char *doctor_text(json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? "" : text;
}

/* ---- printing ---- */

static const char *const level_names[] = {"good", "note", "wrong"};
static const enum message level_words[] = {MESSAGE_DOCTOR_GOOD, MESSAGE_DOCTOR_NOTE, MESSAGE_DOCTOR_WRONG};

static size_t count_wrong(const struct doctor *doctor) {
    size_t count = 0;
    for (size_t i = 0; i < doctor->findings.count; i++)
        count += doctor->findings.items[i].level == FINDING_WRONG;
    return count;
}

static void print_human(const struct doctor *doctor) {
    size_t wrong = count_wrong(doctor);
    for (size_t i = 0; i < doctor->findings.count; i++) {
        const struct finding *finding = &doctor->findings.items[i];
        if (i == 0 || finding->area != finding[-1].area)
            printf("%s\n", message_text(finding->area));
        printf("  %-5s %s\n", message_text(level_words[finding->level]), finding->text);
        if (finding->command != NULL)
            printf("        → %s\n", finding->command);
    }
    if (wrong == 0)
        message_print(MESSAGE_DOCTOR_HEALTHY);
    else
        message_print(wrong == 1 ? MESSAGE_DOCTOR_ONE_WRONG : MESSAGE_DOCTOR_SOME_WRONG, wrong);
}

/* Names for programs: those of the table, without the prefix that all have. */
static const char *message_name(enum message message) {
    static const char *const names[] = {
#define MESSAGE(name, english, spanish) [MESSAGE_##name] = #name,
#include "messages.def"
#undef MESSAGE
    };
    const char *name = names[message];
    return strncmp(name, "DOCTOR_", 7) == 0 ? name + 7 : name;
}

static void print_json(const struct doctor *doctor) {
    struct buffer out = {0};
    buffer_printf(&out, "{\"healthy\": %s, \"running\": %s, \"data\": ", count_wrong(doctor) == 0 ? "true" : "false",
        doctor->status != NULL ? "true" : "false");
    buffer_append_json_string(&out, bytes_from_text(doctor->instance.data));
    buffer_append_text(&out, ", \"findings\": [");
    for (size_t i = 0; i < doctor->findings.count; i++) {
        const struct finding *finding = &doctor->findings.items[i];
        buffer_printf(&out,
            "%s{\"area\": \"%s\", \"level\": \"%s\", \"kind\": \"%s\", \"sentence\": ", i > 0 ? ", " : "",
            message_name(finding->area) + strlen("AREA_"), level_names[finding->level],
            message_name(finding->sentence));
        buffer_append_json_string(&out, bytes_from_text(finding->text));
        buffer_append_text(&out, ", \"command\": ");
        buffer_append_json_string(&out, bytes_from_text(finding->command == NULL ? "" : finding->command));
        buffer_append_text(&out, "}");
    }
    buffer_append_text(&out, "]}\n");
    fwrite(out.data, 1, out.size, stdout);
    buffer_free(&out);
}

/* ---- the command ---- */

static bool read_status(struct doctor *doctor) {
    struct buffer body = {0};
    struct error error;
    if (!doctor->instance.running)
        return false;
    if (instance_control(&doctor->instance, "GET", "/status", &body, &error))
        doctor->status = json_loadb((const char *)body.data, body.size, 0, NULL);
    else
        doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_NO_ANSWER, (long)doctor->instance.pid, error.message);
    buffer_free(&body);
    return doctor->status != NULL;
}

static void read_settings(struct doctor *doctor) {
    char path[PATH_MAX + 32];
    struct error error;
    settings_init(&doctor->settings);
    snprintf(path, sizeof path, "%s/raudal.properties", doctor->instance.data);
    if (access(path, R_OK) == 0 && !settings_load(&doctor->settings, path, &error))
        doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_SETTINGS, error.message);
}

static void look(struct doctor *doctor) {
    static const struct {
        enum message area;
        void (*look)(struct doctor *doctor);
    } areas[] = {
        {MESSAGE_DOCTOR_AREA_PORTS, doctor_ports},
        {MESSAGE_DOCTOR_AREA_NAMES, doctor_names},
        {MESSAGE_DOCTOR_AREA_SPACE, doctor_space},
        {MESSAGE_DOCTOR_AREA_PYTHON, doctor_python},
        {MESSAGE_DOCTOR_AREA_CLOCK, doctor_clock},
        {MESSAGE_DOCTOR_AREA_RECORDS, doctor_records},
        {MESSAGE_DOCTOR_AREA_QUERIES, doctor_queries},
    };
    doctor->area = areas[0].area;
    read_settings(doctor);
    read_status(doctor);
    (void)stack_read(&doctor->stack, doctor->instance.data, NULL);
    for (size_t i = 0; i < ARRAY_COUNT(areas); i++) {
        doctor->area = areas[i].area;
        areas[i].look(doctor);
    }
}

static void end_doctor(struct doctor *doctor) {
    for (size_t i = 0; i < doctor->findings.count; i++) {
        free(doctor->findings.items[i].text);
        free(doctor->findings.items[i].command);
    }
    VECTOR_FREE(&doctor->findings);
    settings_free(&doctor->settings);
    stack_free(&doctor->stack);
    json_decref(doctor->status);
}

int command_doctor(int argc, char **argv) {
    const char *given = NULL, *address = "127.0.0.1";
    bool as_json = false;
    struct error error;
    char data[PATH_MAX];
    const struct option_row rows[] = {
        {"--data", NULL, OPTION_TEXT, &given},
        {"--address", NULL, OPTION_TEXT, &address},
        {"--json", NULL, OPTION_FLAG, &as_json},
    };
    int left = options_parse(argc, argv, rows, ARRAY_COUNT(rows), false);
    if (left > 0)
        message_error(MESSAGE_UNKNOWN_OPTION, "doctor", argv[0]);
    if (left != 0)
        return 1;
    if (!instance_find_data(given, data, &error)) {
        fprintf(stderr, "raudal doctor: %s\n", error.message);
        return 1;
    }
    static struct doctor doctor; /* holds paths: kept off the stack */
    instance_read(data, &doctor.instance);
    doctor.address = doctor.instance.running ? doctor.instance.address : address;
    look(&doctor);
    if (as_json)
        print_json(&doctor);
    else
        print_human(&doctor);
    int status = count_wrong(&doctor) == 0 ? 0 : 1;
    end_doctor(&doctor);
    return status;
}
