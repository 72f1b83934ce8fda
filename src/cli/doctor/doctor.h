/* doctor.h: raudal doctor: what is wrong and what to do, one sentence and one command each. An area looks at one thing
 * and adds findings; doctor.c prints them. Runs in the command's own process; one thread. */
#ifndef CLI_DOCTOR_DOCTOR_H
#define CLI_DOCTOR_DOCTOR_H

#include <jansson.h>

#include "base/vector.h"
#include "cli/instance.h"
#include "cli/messages.h"
#include "cli/settings.h"
#include "cli/stack.h"

enum finding_level {
    FINDING_GOOD,
    FINDING_NOTE,  /* worth knowing; nothing is wrong */
    FINDING_WRONG, /* the exit status is 1 */
};

struct finding {
    enum finding_level level;
    enum message area;     /* its heading */
    enum message sentence; /* for programs: its name */
    char *text, *command;  /* command "" when there is nothing to do */
};

struct doctor {
    struct instance instance;
    const char *address; /* of the instance, or where `up` would start one */
    struct settings settings;
    struct stack stack;
    json_t *status; /* what the control port tells; NULL when nothing runs */
    enum message area;
    VECTOR(struct finding) findings;
};

/* Adds a finding in the area at hand: the sentence with its arguments. */
void doctor_find(struct doctor *doctor, enum finding_level level, enum message sentence, ...);
/* What to do about the finding added last. */
void doctor_command(struct doctor *doctor, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for a command of raudal shell: behind "raudal shell --data DIR -- " where this is not one. */
void doctor_tool(struct doctor *doctor, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The port of a service: where it answers, or would. */
uint16_t doctor_port(const struct doctor *doctor, enum service service);
/* A text of a JSON object, "" when it is absent. */
const char *doctor_text(json_t *object, const char *name);

/* The areas, in the order in which they are looked at. */
void doctor_ports(struct doctor *doctor);
void doctor_names(struct doctor *doctor);
void doctor_space(struct doctor *doctor);
void doctor_python(struct doctor *doctor);
void doctor_clock(struct doctor *doctor);
void doctor_queries(struct doctor *doctor);
void doctor_records(struct doctor *doctor);

#endif
