/* tool_hdfs.c: the hdfs and hadoop tools: `hdfs dfs -COMMAND …` (`hadoop fs` is the same), options, usage, and which
 * NameNode is meant. */
#include "cli/hdfs/tool_hdfs.h"

#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/instance.h"
#include "cli/messages.h"
#include "cli/stack.h"
#include "store/store.h"

#define DEFAULT_PORT 9000
#define FAILURE 255

/* Usage texts as Hadoop's shell prints them: tools and people compare them. Sorted; rows without a usage are not
 * listed. */
const struct shell_command shell_commands[] = {
    {"appendToFile", "[-n] <localsrc> ... <dst>", shell_append_to_file,
        "Appends local files (- for standard input) to a file of the store."},
    {"cat", "[-ignoreCrc] <src> ...", shell_cat, "Prints files."},
    {"checksum", "[-v] <src> ...", shell_checksum, "Prints the checksum of files."},
    {"chgrp", "[-R] GROUP PATH...", shell_chgrp, "Changes the group."},
    {"chmod", "[-R] <MODE[,MODE]... | OCTALMODE> PATH...", shell_chmod, "Changes permissions."},
    {"chown", "[-R] [OWNER][:[GROUP]] PATH...", shell_chown, "Changes owner and group."},
    {"concat", "<target path> <src path> <src path> ...", shell_concat,
        "Moves the contents of files to the end of another."},
    {"copyFromLocal", "[-f] [-p] [-l] [-d] [-t <thread count>] [-q <thread pool queue size>] <localsrc> ... <dst>",
        shell_put, "The same as -put."},
    {"copyToLocal",
        "[-f] [-p] [-crc] [-ignoreCrc] [-t <thread count>] [-q <thread pool queue size>] <src> ... <localdst>",
        shell_get, "The same as -get."},
    {"count", "[-q] [-h] [-v] [-t [<storage type>]] [-u] [-x] [-e] [-s] <path> ...", shell_count,
        "Counts directories, files and bytes."},
    {"cp", "[-f] [-p | -p[topax]] [-d] [-t <thread count>] [-q <thread pool queue size>] <src> ... <dst>", shell_cp,
        "Copies within the store."},
    {"createSnapshot", "<snapshotDir> [<snapshotName>]", shell_snapshot, "Snapshots are not kept here."},
    {"deleteSnapshot", "<snapshotDir> <snapshotName>", shell_snapshot, "Snapshots are not kept here."},
    {"df", "[-h] [<path> ...]", shell_df, "Shows the space of the file system."},
    {"du", "[-s] [-h] [-v] [-x] <path> ...", shell_du, "Shows how much space files and directories take."},
    {"expunge", "[-immediate] [-fs <path>]", shell_expunge, "Empties the trash; there is none here."},
    {"find", "<path> ... <expression> ...", shell_find, "Finds files; expressions: -name, -iname, -print, -print0."},
    {"get", "[-f] [-p] [-crc] [-ignoreCrc] [-t <thread count>] [-q <thread pool queue size>] <src> ... <localdst>",
        shell_get, "Copies files of the store to the machine."},
    {"getfacl", "[-R] <path>", shell_getfacl, "Prints owner, group and permissions as an access control list."},
    {"getfattr", "[-R] {-n name | -d} [-e en] <path>", shell_getfattr, "Prints extended attributes."},
    {"getmerge", "[-nl] [-skip-empty-file] <src> <localdst>", shell_getmerge, "Joins files into one on the machine."},
    {"head", "<file>", shell_head, "Prints the first kilobyte."},
    {"help", "[cmd ...]", NULL, "Explains commands."},
    {"ls", "[-C] [-d] [-h] [-q] [-R] [-t] [-S] [-r] [-u] [-e] [<path> ...]", shell_ls, "Lists directories."},
    {"mkdir", "[-p] <path> ...", shell_mkdir, "Makes directories."},
    {"moveFromLocal", "[-f] [-p] [-l] [-d] <localsrc> ... <dst>", shell_move_from_local,
        "As -put, and removes the source."},
    {"moveToLocal", "<src> <localdst>", shell_move_to_local, "Not there, in Hadoop neither."},
    {"mv", "<src> ... <dst>", shell_mv, "Moves within the store."},
    {"put", "[-f] [-p] [-l] [-d] [-t <thread count>] [-q <thread pool queue size>] <localsrc> ... <dst>", shell_put,
        "Copies files of the machine (- for standard input) to the store."},
    {"renameSnapshot", "<snapshotDir> <oldName> <newName>", shell_snapshot, "Snapshots are not kept here."},
    {"rm", "[-f] [-r|-R] [-skipTrash] [-safely] <src> ...", shell_rm, "Removes files, with -r directories."},
    {"rmdir", "[--ignore-fail-on-non-empty] <dir> ...", shell_rmdir, "Removes empty directories."},
    {"setfacl", "[-R] [{-b|-k} {-m|-x <acl_spec>} <path>]|[--set <acl_spec> <path>]", shell_setfacl,
        "Access control lists are not kept here."},
    {"setfattr", "{-n name [-v value] | -x name} <path>", shell_setfattr, "Sets or removes an extended attribute."},
    {"setrep", "[-R] [-w] <rep> <path> ...", shell_setrep, "Sets the replication that files ask for."},
    {"stat", "[format] <path> ...", shell_stat,
        "Prints properties in a format: %a %A %b %F %g %n %o %r %u %x %X %y %Y."},
    {"tail", "[-f] [-s <sleep interval>] <file>", shell_tail,
        "Prints the last kilobyte; -f goes on as the file grows."},
    {"test", "-[defswrz] <path>", shell_test, "Answers a question with its exit status."},
    {"text", "[-ignoreCrc] <src> ...", shell_text, "Prints files, gzip unpacked."},
    {"touch", "[-a] [-m] [-t TIMESTAMP (yyyyMMdd:HHmmss) ] [-c] <path> ...", shell_touch,
        "Sets times, makes missing files."},
    {"touchz", "<path> ...", shell_touchz, "Makes empty files."},
    {"truncate", "[-w] <length> <path> ...", shell_truncate, "Cuts files."},
    {"usage", "[cmd ...]", NULL, "Prints how commands are called."},
};
const size_t shell_command_count = ARRAY_COUNT(shell_commands);

static const struct shell_command *find_command(const char *name) {
    for (size_t i = 0; i < shell_command_count; i++) {
        if (strcmp(shell_commands[i].name, name) == 0) {
            return &shell_commands[i];
        }
    }
    return NULL;
}

/* ---- usage ---- */

static void print_usage_line(FILE *out, const struct shell_command *command) {
    fprintf(out, "Usage: hadoop fs [generic options] -%s %s\n", command->name, command->usage);
}

static void print_usage(FILE *out) {
    fputs("Usage: hadoop fs [generic options]\n", out);
    for (size_t i = 0; i < shell_command_count; i++) {
        fprintf(out, "\t[-%s %s]\n", shell_commands[i].name, shell_commands[i].usage);
    }
    fputs("\nGeneric options supported are:\n"
          "-conf <configuration file>        specify an application configuration file\n"
          "-D <property=value>               define a value for a given property\n"
          "-fs <file:///|hdfs://namenode:port> specify default filesystem URL to use, overrides 'fs.defaultFS' "
          "property from configurations.\n"
          "-jt <local|resourcemanager:port>  specify a ResourceManager\n"
          "-files <file1,...>                specify a comma-separated list of files to be copied to the map reduce "
          "cluster\n"
          "-libjars <jar1,...>               specify a comma-separated list of jar files to be included in the "
          "classpath\n"
          "-archives <archive1,...>          specify a comma-separated list of archives to be unarchived on the "
          "compute machines\n"
          "\nThe general command line syntax is:\ncommand [genericOptions] [commandOptions]\n\n",
        out);
}

void shell_usage_error(struct shell *shell, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "-%s: ", shell->name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    print_usage(stderr);
    if (shell->command) {
        print_usage_line(stderr, shell->command);
    }
    shell->status = FAILURE;
}

/* -usage and -help: all, or the commands named. */
static int explain(struct shell *shell, int count, char **words, bool with_help) {
    if (count == 0) {
        print_usage(stdout);
        return 0;
    }
    for (int i = 0; i < count; i++) {
        const struct shell_command *command = find_command(words[i][0] == '-' ? words[i] + 1 : words[i]);
        if (!command) {
            shell->command = find_command(shell->name);
            shell_usage_error(shell, "`%s': Unknown command", words[i]);
            return shell->status;
        }
        if (with_help) {
            printf("-%s %s :\n  %s\n", command->name, command->usage, command->help);
        } else {
            print_usage_line(stdout, command);
        }
    }
    return 0;
}

/* ---- options ---- */

int shell_options(struct shell *shell, int count, char **words, const struct shell_option *options, size_t option_count,
    int least, int most) {
    int at = 0;
    for (; at < count && words[at][0] == '-' && words[at][1]; at++) {
        if (strcmp(words[at], "--") == 0) {
            at++;
            break;
        }
        const struct shell_option *option = NULL;
        for (size_t i = 0; i < option_count; i++) {
            option = strcmp(options[i].name, words[at] + 1) == 0 ? &options[i] : option;
        }
        if (!option) {
            shell_usage_error(shell, "Illegal option %s", words[at]);
            return -1;
        }
        *option->is_set = true;
        if (option->value && ++at < count) {
            *option->value = words[at];
        } else if (option->value) {
            shell_usage_error(shell, "option %s requires 1 argument", words[at - 1]);
            return -1;
        }
    }
    if (count - at < least) {
        shell_usage_error(shell, "Not enough arguments: expected %d but got %d", least, count - at);
        return -1;
    }
    if (most >= 0 && count - at > most) {
        shell_usage_error(shell, "Too many arguments: expected %d but got %d", most, count - at);
        return -1;
    }
    return at;
}

/* ---- which NameNode ---- */

/* A NameNode of the compose file that is up. */
static bool is_name_of_stack(const char *host) {
    char data[PATH_MAX];
    struct stack stack;
    bool found = false;
    if (!instance_find_data(NULL, data, NULL) || !stack_read(&stack, data, NULL))
        return false;
    for (size_t i = 0; i < stack.services.count; i++)
        for (size_t k = 0; k < stack.services.items[i].names.count; k++)
            found = found || (stack.services.items[i].kind == STACK_NAMENODE &&
                                 strcasecmp(stack.services.items[i].names.items[k], host) == 0);
    stack_free(&stack);
    return found;
}

static bool is_own_name(const char *host) {
    for (size_t i = 0; i < own_host_name_count; i++) {
        if (strcasecmp(host, own_host_names[i]) == 0) {
            return true;
        }
    }
    /* localhost keeps its own meaning: it is another Raudal's when this one has an address of its own. */
    return strcasecmp(host, "localhost") != 0 &&
           (store_is_usual_name(bytes_from_text(host)) || is_name_of_stack(host));
}

/* The Raudal that RAUDAL_DATA or the working folder names, when its NameNode serves; else NULL. */
static const struct instance *own_instance(void) {
    static struct instance instance;
    char data[PATH_MAX];
    if (!instance_find_data(NULL, data, NULL)) {
        return NULL;
    }
    instance_read(data, &instance);
    return instance.running && instance.ports[SERVICE_NAMENODE] != 0 ? &instance : NULL;
}

static void split_authority(const char *authority, char host[256], uint16_t *port) {
    const char *colon = strrchr(authority, ':');
    int64_t number = DEFAULT_PORT;
    size_t size = colon ? (size_t)(colon - authority) : strlen(authority);
    if (colon && (!bytes_to_int64(bytes_from_text(colon + 1), &number) || number < 1 || number > 65535)) {
        fprintf(stderr, "hdfs: %s is not HOST:PORT\n", authority);
        exit(FAILURE);
    }
    snprintf(host, 256, "%.*s", (int)size, authority);
    *port = (uint16_t)number;
}

void shell_connect(struct shell *shell, const char *authority) {
    char host[256];
    uint16_t port;
    const char *wanted = authority ? authority : shell->default_uri + strlen("hdfs://");
    split_authority(wanted, host, &port);
    if (shell->is_connected) {
        char connected[256];
        uint16_t connected_port;
        split_authority(shell->default_uri + strlen("hdfs://"), connected, &connected_port);
        if (authority && !is_own_name(host) && strcasecmp(host, connected) != 0 &&
            strcmp(host, shell->client.host) != 0) {
            fprintf(stderr, "%s: hdfs://%s and hdfs://%s cannot be used in one command\n", shell->name, connected,
                authority);
            exit(1);
        }
        return;
    }
    struct error error = {0};
    const struct instance *own = own_instance();
    if (own != NULL && (is_own_name(host) || (!authority && shell->default_is_own))) {
        snprintf(host, sizeof host, "%.63s", own->address);
        port = own->ports[SERVICE_NAMENODE];
    } else if (strcasecmp(host, "namenode") == 0 && !getenv("RAUDAL_DATA")) {
        static struct instance instance;
        instance_require(NULL, &instance); /* says what is missing */
        exit(1);
    }
    if (!hdfs_client_open(&shell->client, host, port, shell->user, &error)) {
        static struct instance instance;
        if (is_own_name(host) && !instance_require(NULL, &instance)) {
            exit(1);
        }
        fprintf(stderr, "%s: no NameNode answers at %s:%u (%s); start one with: raudal up -d\n", shell->name, host,
            port, error.message);
        instance_say_stopped(SERVICE_NAMENODE);
        exit(1);
    }
    shell->is_connected = true;
    if (authority) {
        snprintf(shell->default_uri, sizeof shell->default_uri, "hdfs://%s", authority);
    }
}

/* ---- generic options and dispatch ---- */

static void set_default(struct shell *shell, const char *uri) {
    size_t size = strlen(uri);
    while (size > 7 && uri[size - 1] == '/') {
        size--;
    }
    if (strncmp(uri, "hdfs://", 7) != 0 || size > 290) {
        fprintf(stderr, "hdfs: fs.defaultFS=%s: only hdfs://HOST:PORT can be used here\n", uri);
        exit(FAILURE);
    }
    snprintf(shell->default_uri, sizeof shell->default_uri, "%.*s", (int)size, uri);
    shell->default_is_own = false;
}

/* Returns how many words were generic options. */
int shell_generic_options(struct shell *shell, int count, char **words) {
    int at = 0;
    while (at < count) {
        const char *word = words[at];
        if (strcmp(word, "-fs") == 0 && at + 1 < count) {
            set_default(shell, words[at + 1]);
            at += 2;
        } else if (strncmp(word, "-D", 2) == 0) {
            const char *definition = word[2] ? word + 2 : at + 1 < count ? words[++at] : "";
            if (strncmp(definition, "fs.defaultFS=", 13) == 0 || strncmp(definition, "fs.default.name=", 16) == 0) {
                set_default(shell, strchr(definition, '=') + 1);
            } else {
                fprintf(
                    stderr, "hdfs: -D %.*s has no effect in this tool\n", (int)strcspn(definition, "="), definition);
            }
            at++;
        } else if (strcmp(word, "-conf") == 0 || strcmp(word, "-jt") == 0 || strcmp(word, "-files") == 0 ||
                   strcmp(word, "-libjars") == 0 || strcmp(word, "-archives") == 0) {
            fprintf(stderr,
                "hdfs: the option %s is not supported by this tool; use -fs or -D fs.defaultFS=hdfs://HOST:PORT\n",
                word);
            exit(FAILURE);
        } else {
            break;
        }
    }
    return at;
}

void shell_init(struct shell *shell) {
    *shell = (struct shell){.client = {.descriptor = -1}, .name = "hdfs"};
    const struct instance *own = own_instance();
    shell->default_is_own = own != NULL;
    if (own != NULL) {
        snprintf(shell->default_uri, sizeof shell->default_uri, "%s", own->default_fs);
    } else {
        snprintf(shell->default_uri, sizeof shell->default_uri, "hdfs://namenode:%d", DEFAULT_PORT);
    }
    const char *user = getenv("HADOOP_USER_NAME");
    const struct passwd *entry = user && *user ? NULL : getpwuid(geteuid());
    snprintf(shell->user, sizeof shell->user, "%s", user && *user ? user : entry ? entry->pw_name : "root");
    signal(SIGPIPE, SIG_DFL); /* `hdfs dfs -cat x | head` ends quietly */
}

static int run_shell(int count, char **words) {
    struct shell shell;
    shell_init(&shell);
    int first = shell_generic_options(&shell, count, words);
    count -= first;
    words += first;
    if (count == 0) {
        print_usage(stderr);
        return FAILURE;
    }
    shell.name = words[0][0] == '-' ? words[0] + 1 : words[0];
    shell.command = words[0][0] == '-' ? find_command(shell.name) : NULL;
    if (!shell.command) {
        fprintf(stderr, "%s: Unknown command\n", words[0]);
        if (words[0][0] != '-' && find_command(words[0])) {
            fprintf(stderr, "Did you mean -%s?  This command begins with a dash.\n", words[0]);
        }
        print_usage(stderr);
        return FAILURE;
    }
    if (!shell.command->run) {
        return explain(&shell, count - 1, words + 1, strcmp(shell.name, "help") == 0);
    }
    shell.command->run(&shell, count - 1, words + 1);
    hdfs_client_close(&shell.client);
    arena_destroy(&shell.arena);
    return fflush(stdout) == 0 ? shell.status : 1;
}

/* getconf -confKey fs.defaultFS. */
static int run_getconf(int count, char **words) {
    struct shell shell;
    shell_init(&shell);
    if (count == 2 && strcmp(words[0], "-confKey") == 0 &&
        (strcmp(words[1], "fs.defaultFS") == 0 || strcmp(words[1], "fs.default.name") == 0)) {
        printf("%s\n", shell.default_uri);
        return 0;
    }
    fputs("hdfs getconf: this tool knows -confKey fs.defaultFS\n", stderr);
    return FAILURE;
}

/* namenode -format and its kin: what installation guides begin with. */
static int run_namenode(int count, char **words) {
    if (count > 0 && strcmp(words[0], "-format") == 0) {
        message_print(MESSAGE_HDFS_NOTHING_TO_FORMAT);
        return 0;
    }
    fputs("hdfs namenode: the NameNode is part of raudal up; this tool knows hdfs namenode -format\n", stderr);
    return FAILURE;
}

static int refuse(const char *tool, const char *word) {
    if (*word) {
        fprintf(stderr, "%s %s is not supported by this tool; it knows: dfs, dfsadmin -safemode, getconf -confKey\n",
            tool, word);
    } else {
        fprintf(stderr, "Usage: %s dfs -COMMAND ... ; `%s dfs -help` lists the commands\n", tool, tool);
    }
    return FAILURE;
}

int tool_hdfs_main(int argc, char **argv) {
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "dfs") == 0 || strcmp(word, "fs") == 0) {
        return run_shell(argc - 2, argv + 2);
    }
    if (strcmp(word, "getconf") == 0) {
        return run_getconf(argc - 2, argv + 2);
    }
    if (strcmp(word, "namenode") == 0) {
        return run_namenode(argc - 2, argv + 2);
    }
    if (strcmp(word, "fsck") == 0) {
        return shell_fsck(argc - 2, argv + 2);
    }
    return strcmp(word, "dfsadmin") == 0 ? shell_admin(argc - 2, argv + 2) : refuse("hdfs", word);
}

int tool_hadoop_main(int argc, char **argv) {
    const char *word = argc > 1 ? argv[1] : "";
    return strcmp(word, "fs") == 0 || strcmp(word, "dfs") == 0 ? run_shell(argc - 2, argv + 2) : refuse("hadoop", word);
}
