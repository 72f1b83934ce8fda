#include "cli/lab/python.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "cli/commands.h"
#include "cli/messages.h"
#include "cli/python_packages.h"

const char *python_of_user(void) {
    const char *named = getenv("PYSPARK_PYTHON");
    return named != NULL && named[0] != 0 ? named : "python3";
}

/* ---- what an interpreter has ---- */

static bool uses_pyspark(const char *file) {
    FILE *in = fopen(file, "re");
    char *line = NULL;
    size_t capacity = 0;
    bool found = false;
    while (in != NULL && !found && getline(&line, &capacity, in) >= 0) {
        struct bytes text = bytes_trim(bytes_from_text(line));
        found = bytes_starts_with(text, "import pyspark") || bytes_starts_with(text, "from pyspark");
    }
    free(line);
    if (in != NULL)
        fclose(in);
    return found;
}

/* Prints a line for each member of struct python_found; the modules that may be absent are its arguments. */
static const char probe[] = "import importlib.util as u, importlib.metadata as m, sys\n"
                            "def version(*names):\n"
                            "    for n in names:\n"
                            "        try: return m.version(n)\n"
                            "        except m.PackageNotFoundError: pass\n"
                            "    return ''\n"
                            "def missing(n):\n"
                            "    try: return not u.find_spec(n)\n"
                            "    except ImportError: return True\n"
                            "print(sys.executable)\n"
                            "print('.'.join(map(str, sys.version_info[:3])))\n"
                            "print(version('pyspark-client', 'pyspark-connect', 'pyspark'))\n"
                            "print(version('kafka-python', 'kafka-python-ng'))\n"
                            "print(version('kafka'))\n"
                            "print(*[n for n in sys.argv[1:] if missing(n)])\n";

#define SPARK_MODULES "pandas", "pyarrow", "grpc", "grpc_status", "google.protobuf"
static const char *const program_modules[] = {SPARK_MODULES, NULL};
static const char *const lab_modules[] = {"jupyterlab", "ipykernel", "kafka", SPARK_MODULES, NULL};

static void exec_probe(const char *python, const char *const *modules, int out) {
    char *words[16] = {(char *)python, (char *)"-c", (char *)probe};
    size_t count = 3;
    while (*modules != NULL && count + 1 < ARRAY_COUNT(words))
        words[count++] = (char *)*modules++;
    dup2(out, STDOUT_FILENO);
    int null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO);
    execvp(python, words);
    _exit(127);
}

static void take_lines(char *answer, struct python_found *found) {
    const struct {
        char *place;
        size_t size;
    } lines[] = {{found->interpreter, sizeof found->interpreter}, {found->python, sizeof found->python},
        {found->pyspark, sizeof found->pyspark}, {found->kafka_python, sizeof found->kafka_python},
        {found->kafka, sizeof found->kafka}, {found->missing, sizeof found->missing}};
    for (size_t i = 0; i < ARRAY_COUNT(lines) && answer != NULL; i++)
        snprintf(lines[i].place, lines[i].size, "%s", strsep(&answer, "\n"));
}

static bool probe_python(const char *python, const char *const *modules, struct python_found *found) {
    int ends[2], status;
    char answer[PATH_MAX + 512];
    *found = (struct python_found){0};
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    pid_t child = fork();
    if (child == 0)
        exec_probe(python, modules, ends[1]);
    close(ends[1]);
    size_t used = 0;
    ssize_t count;
    while (used + 1 < sizeof answer && (count = read(ends[0], answer + used, sizeof answer - used - 1)) > 0)
        used += (size_t)count;
    answer[used] = 0;
    close(ends[0]);
    if (waitpid(child, &status, 0) != child || status != 0)
        return false;
    take_lines(answer, found);
    return true;
}

bool python_ask(const char *python, struct python_found *found) {
    return probe_python(python, program_modules, found);
}

bool python_pyspark_fits(const char *version, bool *known) {
    int major = 0, minor = 0;
    *known = sscanf(version, "%d.%d", &major, &minor) == 2;
    return *known && (major > 3 || (major == 3 && minor >= 5));
}

/* ---- the pinned environment ---- */

static bool cache_folder(char folder[PATH_MAX]) {
    const char *named = getenv("RAUDAL_CACHE"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    struct passwd *user = home == NULL ? getpwuid(getuid()) : NULL;
    home = home != NULL ? home : user != NULL ? user->pw_dir : NULL;
    if (named != NULL && named[0] != 0)
        return snprintf(folder, PATH_MAX, "%s", named) < PATH_MAX;
    if (cache != NULL && cache[0] == '/')
        return snprintf(folder, PATH_MAX, "%s/raudal", cache) < PATH_MAX;
    return home != NULL && snprintf(folder, PATH_MAX, "%s/.cache/raudal", home) < PATH_MAX;
}

static bool environment_folder(char folder[PATH_MAX]) {
    char cache[PATH_MAX];
    return cache_folder(cache) && snprintf(folder, PATH_MAX, "%s/lab-%s", cache, python_packages_mark) < PATH_MAX;
}

bool python_environment_find(char interpreter[PATH_MAX]) {
    char folder[PATH_MAX], complete[PATH_MAX + 16];
    if (!environment_folder(folder))
        return false;
    snprintf(complete, sizeof complete, "%s/.complete", folder);
    return access(complete, F_OK) == 0 && snprintf(interpreter, PATH_MAX, "%s/bin/python", folder) < PATH_MAX;
}

static bool make_folders(const char *path) {
    char part[PATH_MAX];
    for (const char *at = path; at != NULL && *at != 0;) {
        at = strchr(at + 1, '/');
        snprintf(part, sizeof part, "%.*s", at == NULL ? (int)strlen(path) : (int)(at - path), path);
        if (mkdir(part, 0755) != 0 && errno != EEXIST)
            return false;
    }
    return true;
}

/* Runs one step; its standard output goes to `show` when there is one, line by line, and to the log. */
static bool run_step(char *const *words, const char *log, void (*show)(const char *line)) {
    int ends[2], status;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_RDONLY);
        dup2(null, STDIN_FILENO);
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        execvp(words[0], words);
        _exit(127);
    }
    close(ends[1]);
    FILE *out = fdopen(ends[0], "r"), *kept = fopen(log, "ae");
    char *line = NULL;
    size_t capacity = 0;
    while (out != NULL && getline(&line, &capacity, out) >= 0) {
        if (kept != NULL)
            fputs(line, kept);
        if (show != NULL)
            show(line);
    }
    free(line);
    if (kept != NULL)
        fclose(kept);
    if (out != NULL)
        fclose(out);
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* pip says for each package "Collecting NAME" and "Downloading FILE (SIZE)"; the last step takes the longest. */
static void show_pip_line(const char *line) {
    static size_t collected;
    char name[128];
    if (sscanf(line, "Collecting %127s", name) == 1) {
        collected++;
        fprintf(stderr, "  %zu/%zu %s\n", collected, python_packages_count, name);
    } else if (strncmp(line, "Installing collected packages", 29) == 0) {
        message_error(MESSAGE_ENV_INSTALLING);
    }
}

static bool install_packages(const char *folder, const char *cache, const char *log) {
    static const char *const fixed[] = {"-m", "pip", "install", "--disable-pip-version-check", "--no-input",
        "--no-compile", "--progress-bar", "off", "--only-binary", ":all:", "--no-binary",
        "pyspark,pyspark-client,hdfs,docopt"};
    char interpreter[PATH_MAX + 16], pip_cache[PATH_MAX + 16];
    snprintf(interpreter, sizeof interpreter, "%s/bin/python", folder);
    snprintf(pip_cache, sizeof pip_cache, "%s/pip", cache);
    setenv("PIP_CACHE_DIR", pip_cache, 1); /* what an interrupted run has downloaded is there */
    char **words = calloc(ARRAY_COUNT(fixed) + python_packages_count + 2, sizeof *words);
    ASSERT(words != NULL);
    size_t count = 0;
    words[count++] = interpreter;
    for (size_t i = 0; i < ARRAY_COUNT(fixed); i++)
        words[count++] = (char *)fixed[i];
    for (size_t i = 0; i < python_packages_count; i++)
        words[count++] = (char *)python_packages[i];
    bool good = run_step(words, log, show_pip_line);
    free(words);
    return good;
}

static bool make_environment(const char *folder, const char *cache) {
    char log[PATH_MAX + 16], complete[PATH_MAX + 16];
    const char *python = access("/usr/bin/python3", X_OK) == 0 ? "/usr/bin/python3" : "python3";
    char *venv[] = {(char *)python, (char *)"-m", (char *)"venv", (char *)"--clear", (char *)folder, NULL};
    struct timespec started, ended;
    clock_gettime(CLOCK_MONOTONIC, &started);
    snprintf(log, sizeof log, "%s/lab.log", cache);
    unlink(log);
    message_error(MESSAGE_ENV_STARTS, python_packages_count, folder);
    if (!run_step(venv, log, NULL)) {
        message_error(MESSAGE_ENV_NO_VENV, python, log);
        return false;
    }
    if (!install_packages(folder, cache, log)) {
        message_error(MESSAGE_ENV_NO_PACKAGES, log);
        return false;
    }
    snprintf(complete, sizeof complete, "%s/.complete", folder);
    int mark = open(complete, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (mark < 0)
        return false;
    close(mark);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    message_error(MESSAGE_ENV_READY, (long)(ended.tv_sec - started.tv_sec));
    return true;
}

bool python_environment_make(char interpreter[PATH_MAX]) {
    char cache[PATH_MAX], folder[PATH_MAX], lock_path[PATH_MAX + 16];
    if (python_environment_find(interpreter))
        return true;
    if (!cache_folder(cache) || !environment_folder(folder) || !make_folders(cache)) {
        message_error(MESSAGE_ENV_NO_FOLDER, strerror(errno));
        return false;
    }
    snprintf(lock_path, sizeof lock_path, "%s/lab.lock", cache);
    int lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock < 0 || flock(lock, LOCK_EX) != 0) {
        message_error(MESSAGE_ENV_NO_FOLDER, strerror(errno));
        return false;
    }
    bool good = python_environment_find(interpreter) || /* made meanwhile by another */
                (make_environment(folder, cache) && python_environment_find(interpreter));
    close(lock);
    return good;
}

/* ---- choosing ---- */

bool python_for_program(const char *file, char interpreter[PATH_MAX]) {
    struct python_found probed;
    const char *python = python_of_user();
    bool known = false;
    snprintf(interpreter, PATH_MAX, "%s", python);
    if (!uses_pyspark(file))
        return true;
    bool probes = probe_python(python, program_modules, &probed);
    bool fits = probes && python_pyspark_fits(probed.pyspark, &known);
    if (fits && probed.missing[0] == 0)
        return true;
    if (python_environment_find(interpreter)) {
        message_error(MESSAGE_RUN_WITH_ENVIRONMENT, python, interpreter);
        return true;
    }
    probed.missing[strcspn(probed.missing, " ")] = 0;
    if (!probes)
        message_error(MESSAGE_RUN_NO_PYTHON);
    else if (!known)
        message_error(MESSAGE_RUN_NO_PYSPARK, file, python, python);
    else if (!fits)
        message_error(MESSAGE_RUN_OLD_PYSPARK, file, python, probed.pyspark, python);
    else
        message_error(
            MESSAGE_RUN_INCOMPLETE_PYSPARK, file, probed.pyspark, python, probed.missing, python, probed.pyspark);
    return false;
}

bool python_for_lab(bool make, char interpreter[PATH_MAX]) {
    struct python_found probed;
    const char *python = python_of_user();
    bool known;
    bool fits = probe_python(python, lab_modules, &probed) && python_pyspark_fits(probed.pyspark, &known);
    if (fits && probed.missing[0] == 0) {
        memcpy(interpreter, probed.interpreter, sizeof probed.interpreter);
        return true;
    }
    if (python_environment_find(interpreter))
        return true;
    if (!make) {
        message_error(MESSAGE_LAB_NO_PYTHON);
        return false;
    }
    message_error(MESSAGE_LAB_MAKES_ENVIRONMENT, python, fits ? probed.missing : "pyspark >= 3.5");
    return python_environment_make(interpreter);
}

int command_env(int argc, char **argv) {
    char interpreter[PATH_MAX];
    if (argc > 1) {
        message_error(MESSAGE_UNKNOWN_OPTION, "env", argv[1]);
        return 1;
    }
    if (!python_environment_make(interpreter))
        return 1;
    printf("%s\n", interpreter);
    return 0;
}
