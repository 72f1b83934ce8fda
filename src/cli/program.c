#include "cli/program.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/embedded.h"
#include "cli/messages.h"
#include "cli/names.h"
#include "cli/resolver/preload.h"

static bool write_file(const char *path, const void *data, size_t size, struct error *error) {
    char temporary[PATH_MAX + 160];
    snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
    int descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    bool written = descriptor >= 0 && write(descriptor, data, size) == (ssize_t)size;
    int reason = errno;
    if (descriptor >= 0)
        close(descriptor);
    if (!written || rename(temporary, path) != 0)
        return error_system(error, written ? errno : reason, "%s", path);
    return true;
}

/* What Hadoop's own clients and Spark on a JVM read: paths without a scheme are in this Raudal's store. */
static bool write_hadoop_settings(const struct instance *instance, struct error *error) {
    char path[PATH_MAX + 128];
    struct buffer text = {0};
    snprintf(path, sizeof path, "%s/run/hadoop", instance->data);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/run/hadoop/core-site.xml", instance->data);
    buffer_printf(&text,
        "<?xml version=\"1.0\"?>\n<configuration>\n  <property><name>fs.defaultFS</name><value>%s</value></property>\n"
        "</configuration>\n",
        instance->default_fs);
    bool written = write_file(path, text.data, text.size, error);
    buffer_free(&text);
    return written;
}

/* DIR/run/bin/TOOL and TOOL.sh are links to this binary; DIR/run/python holds the start-up module. */
static bool lay_out_run_folder(const char *data, struct error *error) {
    char path[PATH_MAX + 128], self[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
    if (size <= 0)
        return error_system(error, errno, "/proc/self/exe");
    self[size] = 0;
    snprintf(path, sizeof path, "%s/run/bin", data);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/run/python", data);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/run/programs", data);
    mkdir(path, 0755);
    size_t count;
    const char *const *names = tool_list(&count);
    for (size_t i = 0; i < 2 * count + 1; i++) {
        char found[PATH_MAX];
        snprintf(path, sizeof path, "%s/run/bin/%s%s", data, i == 2 * count ? "raudal" : names[i / 2],
            i % 2 == 1 ? ".sh" : "");
        ssize_t found_size = readlink(path, found, sizeof found);
        if (found_size == size && memcmp(found, self, (size_t)size) == 0)
            continue;
        unlink(path);
        if (symlink(self, path) != 0 && errno != EEXIST)
            return error_system(error, errno, "%s", path);
    }
    snprintf(path, sizeof path, "%s/run/python", data);
    return child_program_write_modules(path, error);
}

bool child_program_write_modules(const char *folder, struct error *error) {
    const struct {
        const char *name;
        const void *data;
        size_t size;
    } modules[] = {{"sitecustomize.py", embedded_sitecustomize, embedded_sitecustomize_size},
        {"raudal_kernel.py", embedded_raudal_kernel, embedded_raudal_kernel_size},
        {"raudal_pyspark.py", embedded_raudal_pyspark, embedded_raudal_pyspark_size},
        {"raudal_spark_sql.py", embedded_raudal_spark_sql, embedded_raudal_spark_sql_size},
        {"raudal_worker.py", embedded_raudal_worker, embedded_raudal_worker_size}};
    char path[PATH_MAX + 160];
    for (size_t i = 0; i < ARRAY_COUNT(modules); i++) {
        snprintf(path, sizeof path, "%s/%s", folder, modules[i].name);
        if (!write_file(path, modules[i].data, modules[i].size, error))
            return false;
    }
    return true;
}

static void remove_folder(const char *folder) {
    char path[PATH_MAX + NAME_MAX + 160];
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.')
            unlink(path);
    }
    if (entries != NULL)
        closedir(entries);
    rmdir(folder);
}

/* Kernels and killed programs leave their folders behind: those whose lock is free, and that are not just being made.
 */
static void remove_old_programs(const char *data) {
    enum { YOUNG_S = 60 };
    char folder[PATH_MAX + 32], program[PATH_MAX + NAME_MAX + 64], path[PATH_MAX + NAME_MAX + 80];
    struct stat found;
    snprintf(folder, sizeof folder, "%s/run/programs", data);
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries != NULL && (entry = readdir(entries)) != NULL;) {
        struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        snprintf(program, sizeof program, "%s/%s", folder, entry->d_name);
        snprintf(path, sizeof path, "%s/lock", program);
        if (entry->d_name[0] == '.' || stat(program, &found) != 0 || time(NULL) - found.st_mtime < YOUNG_S)
            continue;
        int lock = open(path, O_RDWR | O_CLOEXEC);
        if (lock < 0 || fcntl(lock, F_OFD_SETLK, &whole) == 0)
            remove_folder(program);
        if (lock >= 0)
            close(lock);
    }
    if (entries != NULL)
        closedir(entries);
}

bool child_program_create(struct program *program, const struct instance *instance, struct error *error) {
    char path[PATH_MAX + 128];
    uint64_t random;
    *program = (struct program){.instance = instance, .lock = -1, .with_names = true};
    if (!lay_out_run_folder(instance->data, error) || !write_hadoop_settings(instance, error) ||
        getrandom(&random, sizeof random, 0) != sizeof random)
        return false;
    remove_old_programs(instance->data);
    snprintf(program->id, sizeof program->id, "%ld-%016llx", (long)getpid(), (unsigned long long)random);
    snprintf(program->folder, sizeof program->folder, "%s/run/programs/%s", instance->data, program->id);
    if (mkdir(program->folder, 0755) != 0)
        return error_system(error, errno, "%s", program->folder);
    snprintf(path, sizeof path, "%s/lock", program->folder);
    program->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET}; /* the kind that world_file_lock takes */
    if (program->lock < 0 || fcntl(program->lock, F_OFD_SETLK, &whole) != 0)
        return error_system(error, errno, "%s", path);
    snprintf(path, sizeof path, "%s/console", program->folder);
    if (!write_file(path, "", 0, error))
        return false;
    snprintf(path, sizeof path, "%s/hosts", program->folder);
    struct stack stack;
    (void)stack_read(&stack, instance->data, NULL); /* an empty one when there is none: the course's names remain */
    bool written = names_write_hosts(path, instance->address, &stack, error);
    stack_free(&stack);
    return written;
}

bool child_program_set_localhost(struct program *program, const char *address, struct error *error) {
    char path[PATH_MAX + 128];
    snprintf(path, sizeof path, "%s/hosts", program->folder);
    return strcmp(address, "127.0.0.1") == 0 || names_set_localhost(path, address, error);
}

void child_program_remove(struct program *program) {
    remove_folder(program->folder);
    if (program->lock >= 0)
        close(program->lock);
}

/* ---- the child ---- */

static void prepend(const char *name, const char *value) {
    const char *old = getenv(name);
    struct buffer text = {0};
    buffer_printf(&text, "%s%s%s", value, old != NULL && old[0] != 0 ? ":" : "", old != NULL ? old : "");
    setenv(name, buffer_text(&text), 1);
    buffer_free(&text);
}

static void set_environment(const struct program *program) {
    const struct instance *instance = program->instance;
    char text[PATH_MAX + 256];
    unsetenv("RAUDAL_KERNEL"); /* a program that a notebook starts is no kernel */
    setenv("RAUDAL_DATA", instance->data, 1);
    setenv("RAUDAL_PROGRAM", program->id, 1);
    unsetenv("MASTER"); /* PySpark refuses it beside SPARK_REMOTE */
    if (instance->ports[SERVICE_SPARK_CONNECT] != 0) {
        snprintf(text, sizeof text, "sc://%s:%u/;x-raudal-program=%s", instance->address,
            instance->ports[SERVICE_SPARK_CONNECT], program->id);
        setenv("SPARK_REMOTE", text, 1);
    }
    snprintf(text, sizeof text, "%s/run/hadoop", instance->data);
    setenv("HADOOP_CONF_DIR", text, 0);
    snprintf(text, sizeof text, "%s/run/bin", instance->data);
    prepend("PATH", text);
    snprintf(text, sizeof text, "%s/run/python", instance->data);
    prepend("PYTHONPATH", text);
}

/* Said once in the life of a Raudal: DIR/run/names holds the life in which it was said. */
static void say_preloaded(const struct instance *instance, const char *reason) {
    char path[PATH_MAX + 16], life[64], said[64] = "";
    snprintf(path, sizeof path, "%s/run/names", instance->data);
    snprintf(life, sizeof life, "%ld %lld", (long)instance->pid, (long long)instance->started_ms);
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fgets(said, sizeof said, file) == NULL)
            said[0] = 0;
        fclose(file);
    }
    if (strcmp(said, life) == 0)
        return;
    message_error(MESSAGE_SHELL_PRELOADED, reason, instance->address);
    (void)write_file(path, life, strlen(life), NULL);
}

/* Private names by a mount namespace, else by the preloaded resolver. RAUDAL_NAMES=preload or namespace chooses. */
static bool take_names(const struct program *program) {
    struct error error = {0}, second = {0};
    char hosts[PATH_MAX + 128];
    const char *wanted = getenv("RAUDAL_NAMES");
    bool preload = wanted != NULL && strcmp(wanted, "preload") == 0;
    snprintf(hosts, sizeof hosts, "%s/hosts", program->folder);
    if (!program->with_names)
        return true;
    if (preload)
        error_set(&error, ERROR_NONE, "RAUDAL_NAMES=preload");
    else if (names_can_enter(hosts, &error) && names_enter(hosts, program->instance->volumes, &error))
        return true;
    bool may_preload = wanted == NULL || strcmp(wanted, "namespace") != 0;
    if (may_preload && preload_set(program->instance->data, hosts, &second)) {
        say_preloaded(program->instance, error.message);
        return true;
    }
    message_error(MESSAGE_SHELL_NO_NAMESPACE, second.code == ERROR_NONE ? error.message : second.message,
        program->instance->address);
    return false;
}

bool child_program_enter(const struct program *program) {
    if (!take_names(program))
        return false;
    set_environment(program);
    return true;
}

static _Noreturn void start_child(const struct program *program, char **argv, const sigset_t *mask) {
    sigprocmask(SIG_SETMASK, mask, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (!child_program_enter(program))
        _exit(1);
    if (getenv("RAUDAL_HOSTS") != NULL && preload_is_static(argv[0]))
        message_error(MESSAGE_SHELL_STATIC, argv[0], program->instance->address);
    execvp(argv[0], argv);
    message_error(MESSAGE_SHELL_CANNOT_START, argv[0], strerror(errno));
    _exit(errno == ENOENT ? 127 : 126);
}

/* ---- the parent ---- */

static void copy_console(int console) {
    char text[65536];
    ssize_t size;
    while ((size = read(console, text, sizeof text)) > 0)
        if (write(STDOUT_FILENO, text, (size_t)size) < 0)
            return;
}

/* Waits for the child while copying the console and passing on the signals that end us. */
static int attend(pid_t child, int console, int watcher, int signals) {
    struct pollfd sources[] = {{watcher, POLLIN, 0}, {signals, POLLIN, 0}};
    for (;;) {
        char events[4096];
        struct signalfd_siginfo info;
        if (poll(sources, 2, -1) < 0 && errno != EINTR)
            return 1;
        if (sources[0].revents != 0 && read(watcher, events, sizeof events) > 0)
            copy_console(console);
        if (sources[1].revents == 0 || read(signals, &info, sizeof info) != sizeof info)
            continue;
        if (info.ssi_signo != SIGCHLD) {
            if (info.ssi_signo == SIGTERM ||
                info.ssi_signo == SIGHUP) /* the terminal sends SIGINT to the child itself */
                kill(child, (int)info.ssi_signo);
            continue;
        }
        int status;
        if (waitpid(child, &status, WNOHANG) != child)
            continue;
        copy_console(console);
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
}

int child_program_run(struct program *program, char **argv) {
    char path[PATH_MAX + 128];
    sigset_t handled, before;
    sigemptyset(&handled);
    sigaddset(&handled, SIGCHLD);
    sigaddset(&handled, SIGTERM);
    sigaddset(&handled, SIGHUP);
    sigaddset(&handled, SIGINT);
    sigaddset(&handled, SIGQUIT);
    sigprocmask(SIG_BLOCK, &handled, &before);
    snprintf(path, sizeof path, "%s/console", program->folder);
    int console = open(path, O_RDONLY | O_CLOEXEC);
    int watcher = inotify_init1(IN_CLOEXEC);
    int signals = signalfd(-1, &handled, SFD_CLOEXEC);
    inotify_add_watch(watcher, path, IN_MODIFY);
    pid_t child = fork();
    if (child == 0)
        start_child(program, argv, &before);
    int status = 1;
    if (child < 0)
        message_error(MESSAGE_SHELL_CANNOT_START, argv[0], strerror(errno));
    else
        status = attend(child, console, watcher, signals);
    close(console);
    close(watcher);
    close(signals);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return status;
}
