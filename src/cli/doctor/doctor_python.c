/* doctor_python.c: the interpreter that `raudal run` would use, and whether its packages fit it and Spark Connect. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "cli/doctor/doctor.h"
#include "cli/lab/python.h"

static bool version_of(const char *text, int *major, int *minor) {
    return sscanf(text, "%d.%d", major, minor) == 2;
}

/* For programs with pyspark `raudal run` takes the pinned environment where the user's own does not fit. */
static void look_at_pyspark(struct doctor *doctor, const struct python_found *found) {
    char environment[PATH_MAX];
    bool known, fits = python_pyspark_fits(found->pyspark, &known);
    if (fits && found->missing[0] == 0) {
        doctor_find(doctor, FINDING_GOOD, MESSAGE_DOCTOR_PYSPARK, found->pyspark);
        return;
    }
    if (python_environment_find(environment)) {
        doctor_find(doctor, FINDING_GOOD, MESSAGE_DOCTOR_PYSPARK_ENVIRONMENT, environment);
        return;
    }
    if (!known)
        doctor_find(doctor, FINDING_NOTE, MESSAGE_DOCTOR_PYSPARK_NONE, found->interpreter);
    else if (!fits)
        doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_PYSPARK_OLD, found->pyspark);
    else
        doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_PYSPARK_INCOMPLETE, found->pyspark, found->missing);
    doctor_command(doctor, "raudal env");
}

/* kafka-python up to 2.0.2 carries a copy of six that Python 3.12 cannot import; `kafka` is the name that kafka-python
 * had until 1.3.5, whose module has the same name and does not compile since Python 3.7. */
static void look_at_kafka_python(struct doctor *doctor, const struct python_found *found) {
    int major = 0, minor = 0, python_major = 0, python_minor = 0;
    const char *python = found->interpreter;
    version_of(found->python, &python_major, &python_minor);
    if (found->kafka[0] != 0) {
        doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_KAFKA_OLD_NAME, found->kafka);
        doctor_command(
            doctor, "%s -m pip uninstall -y kafka && %s -m pip install --force-reinstall kafka-python", python, python);
    } else if (!version_of(found->kafka_python, &major, &minor)) {
        doctor_find(doctor, FINDING_NOTE, MESSAGE_DOCTOR_KAFKA_PYTHON_NONE, python);
        doctor_command(doctor, "%s -m pip install kafka-python", python);
    } else if ((major < 2 || strcmp(found->kafka_python, "2.0.2") == 0 || strcmp(found->kafka_python, "2.0.1") == 0) &&
               python_major == 3 && python_minor >= 12) {
        doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_KAFKA_PYTHON_OLD, found->kafka_python, found->python);
        doctor_command(doctor, "%s -m pip install --upgrade kafka-python", python);
    } else {
        doctor_find(doctor, FINDING_GOOD, MESSAGE_DOCTOR_KAFKA_PYTHON, found->kafka_python);
    }
}

void doctor_python(struct doctor *doctor) {
    struct python_found found;
    const char *python = python_of_user();
    if (!python_ask(python, &found)) {
        doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_NO_PYTHON, python);
        doctor_command(doctor, "sudo apt-get install python3 python3-venv");
        return;
    }
    doctor_find(doctor, FINDING_GOOD, MESSAGE_DOCTOR_PYTHON, found.interpreter, found.python);
    look_at_pyspark(doctor, &found);
    look_at_kafka_python(doctor, &found);
}
