/* tool_spark.c: spark-submit, pyspark and spark-sql: Spark's scripts for a program, for Python's prompt and for SQL.
 * The latter two are Python programs of ours (cli/python) in the user's interpreter, whose PySpark speaks to this
 * Raudal. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "cli/commands.h"
#include "cli/lab/python.h"
#include "cli/messages.h"
#include "cli/program.h"
#include "cli/spark/spark_tools.h"
#include "cli/version.h"

/* ---- spark-submit ---- */

/* Options of Spark's own script. `conf` ones become session settings of the program (by way of the start-up module);
 * the rest say where and with what a cluster would run it, which is settled here. */
struct submit_row {
    const char *name;
    bool has_value;
    const char *setting; /* NULL: no effect, said once */
};

static const struct submit_row submit_rows[] = {
    {"--archives", true, NULL},
    {"--class", true, NULL},
    {"--conf", true, ""},
    {"-c", true, ""},
    {"--deploy-mode", true, NULL},
    {"--driver-class-path", true, NULL},
    {"--driver-cores", true, NULL},
    {"--driver-java-options", true, NULL},
    {"--driver-memory", true, NULL},
    {"--exclude-packages", true, NULL},
    {"--executor-cores", true, NULL},
    {"--executor-memory", true, NULL},
    {"--jars", true, NULL},
    {"--master", true, NULL},
    {"--name", true, "spark.app.name"},
    {"--num-executors", true, NULL},
    {"--packages", true, "spark.jars.packages"},
    {"--py-files", true, "python-path"},
    {"--remote", true, NULL},
    {"--repositories", true, NULL},
    {"--supervise", false, NULL},
    {"--total-executor-cores", true, NULL},
    {"--verbose", false, NULL},
    {"-v", false, NULL},
};

static const struct submit_row *find_submit_row(const char *word) {
    for (size_t i = 0; i < ARRAY_COUNT(submit_rows); i++)
        if (strcmp(word, submit_rows[i].name) == 0)
            return &submit_rows[i];
    return NULL;
}

static void add_setting(struct buffer *settings, const char *name, size_t name_size, const char *value) {
    buffer_append_text(settings, settings->size == 0 ? "{" : ", ");
    buffer_append_json_string(settings, bytes_make(name, name_size));
    buffer_append_text(settings, ": ");
    buffer_append_json_string(settings, bytes_from_text(value));
}

static bool take_submit_option(const struct submit_row *row, const char *value, struct buffer *settings) {
    if (row->setting == NULL) {
        fprintf(stderr, "%s has no effect here: the program runs on this Raudal\n", row->name);
    } else if (strcmp(row->setting, "python-path") == 0) {
        char *paths = strdup(value);
        for (char *at = paths; at != NULL && *at != 0; at++)
            if (*at == ',')
                *at = ':';
        setenv("PYTHONPATH", paths, 1);
        free(paths);
    } else if (row->setting[0] != 0) {
        add_setting(settings, row->setting, strlen(row->setting), value);
    } else {
        const char *equals = strchr(value, '=');
        if (equals == NULL) {
            fprintf(stderr, "Error: Unrecognized option: --conf %s (name=value is needed)\n", value);
            return false;
        }
        add_setting(settings, value, (size_t)(equals - value), equals + 1);
    }
    return true;
}

/* Takes Spark's options from words[0] on into `settings`; the index of the first other word, or -1. */
static int take_submit_options(int count, char **words, struct buffer *settings) {
    int i = 0;
    for (; i < count && words[i][0] == '-'; i++) {
        const struct submit_row *row = find_submit_row(words[i]);
        if (row == NULL || (row->has_value && i + 1 >= count)) {
            fprintf(stderr, "Error: Unrecognized option: %s\n", words[i]);
            return -1;
        }
        const char *value = row->has_value ? words[++i] : NULL;
        if (!take_submit_option(row, value, settings))
            return -1;
    }
    return i;
}

static void pass_settings(struct buffer *settings) {
    if (settings->size > 0) {
        buffer_append_byte(settings, '}');
        setenv("RAUDAL_SPARK_SETTINGS", buffer_text(settings), 1);
    }
    buffer_free(settings);
}

int tool_spark_submit_main(int argc, char **argv) {
    struct shell_options options = {0};
    struct buffer settings = {0};
    int first = take_submit_options(argc - 1, argv + 1, &settings) + 1;
    pass_settings(&settings);
    if (first == 0)
        return 1;
    if (first >= argc) {
        fprintf(stderr,
            "Error: Missing application resource.\nUsage: spark-submit [options] <python file> [app arguments]\n");
        return 1;
    }
    return program_run_python(&options, argc - first, argv + first);
}

/* ---- pyspark, spark-sql ---- */

/* The path of one of our Python programs, and the interpreter that can run it; false after a message. */
static bool find_module(const char *name, char path[PATH_MAX + 64], char python[PATH_MAX]) {
    static struct instance instance;
    struct error error;
    char folder[PATH_MAX + 16];
    if (!instance_require(NULL, &instance))
        return false;
    snprintf(folder, sizeof folder, "%s/run/python", instance.data);
    snprintf(path, PATH_MAX + 64, "%s/%s", folder, name);
    if (access(path, R_OK) != 0) {
        mkdir(folder, 0755);
        if (!child_program_write_modules(folder, &error)) {
            message_error(MESSAGE_SHELL_CANNOT_START, name, error.message);
            return false;
        }
    }
    return python_for_program(path, python);
}

/* python -i, or what PYSPARK_DRIVER_PYTHON names (ipython). */
static int run_interactive(char *python, char *path) {
    struct shell_options options = {0};
    const char *driver = getenv("PYSPARK_DRIVER_PYTHON");
    if (driver != NULL && strncmp(driver, "jupyter", 7) == 0) {
        message_error(MESSAGE_PYSPARK_JUPYTER, driver);
        return 1;
    }
    char *line[] = {driver != NULL && driver[0] != 0 ? (char *)driver : python, (char *)"-i", path, NULL};
    setenv("RAUDAL_VERSION", RAUDAL_VERSION, 1);
    return program_become_or_run(&options, line);
}

int tool_pyspark_main(int argc, char **argv) {
    static char path[PATH_MAX + 64], python[PATH_MAX];
    struct buffer settings = {0};
    int first = take_submit_options(argc - 1, argv + 1, &settings) + 1;
    pass_settings(&settings);
    if (first == 0)
        return 1;
    if (first < argc) {
        fprintf(stderr, "Running python applications through 'pyspark' is not supported as of Spark 2.0.\nUse "
                        "spark-submit <python file>\n");
        return 1;
    }
    return find_module("raudal_pyspark.py", path, python) ? run_interactive(python, path) : 1;
}

/* Options that say where and with what a cluster would run; the rest is the program's own. */
static bool is_placing(const char *word) {
    const struct submit_row *row = find_submit_row(word);
    return row != NULL && (row->setting == NULL || row->setting[0] != 0) && strcmp(word, "-v") != 0 &&
           strcmp(word, "--verbose") != 0;
}

int tool_spark_sql_main(int argc, char **argv) {
    static char path[PATH_MAX + 64], python[PATH_MAX];
    struct shell_options options = {0};
    struct buffer settings = {0};
    char **line = calloc((size_t)argc + 3, sizeof *line);
    ASSERT(line != NULL);
    int count = 2;
    bool good = true;
    for (int i = 1; i < argc && good; i++) {
        if (is_placing(argv[i])) {
            const struct submit_row *row = find_submit_row(argv[i]);
            good = take_submit_option(row, row->has_value && i + 1 < argc ? argv[++i] : "", &settings);
        } else {
            line[count++] = argv[i];
        }
    }
    pass_settings(&settings);
    int status = 1;
    if (good && find_module("raudal_spark_sql.py", path, python)) {
        line[0] = python;
        line[1] = path;
        status = program_become_or_run(&options, line);
    }
    free(line);
    return status;
}
