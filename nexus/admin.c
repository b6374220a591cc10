#include "nexus/admin.h"

#include "control/node/move.h"
#include "control/node/node.h"
#include "engine/io/link.h"
#include "engine/io/signal.h"
#include "nexus/control.h"
#include "nexus/options.h"
#include "nexus/privileges.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_SIZE_MAX = 4096, LINK_QUEUE_MAX = 1 << 20, TRIES_MAX = 2 };

/** One run of the tool. */
struct tool {
    struct nx_loop *loop;
    struct nx_link link;
    struct nexus_options options;
    char line[LINE_SIZE_MAX]; /* the command, each word ended by a NUL */
    size_t line_size;
    FILE *out;
    int code;
    bool is_up;
    bool is_over;
};

static const char HELP[] =
    "usage: nexus admin [--data DIR] COMMAND   (with or without a running server)\n\n"
    "  user create NAME PASSWORD [--admin]   make an account; - reads the password from standard input\n"
    "  user list                             id, name and state of every account\n"
    "  user password NAME PASSWORD           set a password; ends every login of the user\n"
    "  user disable NAME | enable NAME       close an account, or open it again\n"
    "  user logout NAME                      end every login of the user\n"
    "  guild list | guild delete ID          communities\n"
    "  stats                                 counts and sizes as JSON\n"
    "  config check                          read nexus.toml and the environment, say what is wrong\n"
    "  backup PATH                           copy the database while it runs, into one SQLite file\n"
    "  restore PATH                          put a backup into the database, which must be empty; the server "
    "is stopped\n"
    "  migrate-store [--from URL] --to URL   move a community between SQLite and PostgreSQL; the server is "
    "stopped\n"
    "  seed --users N --guilds G --out FILE  load-test users with tokens valid for a day\n";

static void on_up(void *context)
{
    struct tool *tool = context;
    const struct nx_bus_hello hello = {.version = NX_BUS_VERSION, .link = NX_BUS_LINK_ADMIN};
    const struct nx_bus_admin_request request = {.arguments = nx_bytes_of(tool->line, tool->line_size)};
    tool->is_up = true;
    if (NX_LINK_PUT(&tool->link, hello, &hello) != NX_OK ||
        NX_LINK_PUT(&tool->link, admin_request, &request) != NX_OK) {
        nx_link_close(&tool->link);
    }
}

static void on_frame(void *context, const struct nx_bus_frame *frame)
{
    struct tool *tool = context;
    struct nx_bus_admin_response response;
    if (frame->number != NX_BUS_MSG_ADMIN_RESPONSE ||
        nx_bus_admin_response_get(frame->payload, &response) != NX_OK) {
        return;
    }
    FILE *where = response.is_error != 0 ? stderr : tool->out;
    if (fwrite(response.text.at, 1, response.text.size, where) != response.text.size) {
        fprintf(stderr, "nexus admin: the output cannot be written\n");
        tool->code = 1;
        nx_link_close(&tool->link);
        return;
    }
    if (response.is_last != 0) {
        tool->code = response.code;
        tool->is_over = true;
        nx_link_close(&tool->link);
    }
}

static void on_room(void *context)
{
    (void)context;
}

static void on_down(void *context, enum nx_err why)
{
    struct tool *tool = context;
    (void)why;
    nx_loop_stop(tool->loop);
}

static const struct nx_link_events LINK_EVENTS = {
    .up = on_up, .frame = on_frame, .room = on_room, .down = on_down};

/* Connects and talks until the command is over or nobody is there. */
static bool talk(struct tool *tool)
{
    struct nx_endpoint where = {.kind = NX_ENDPOINT_UNIX};
    tool->is_up = false;
    if (strlen(tool->options.bus) >= sizeof(where.path)) {
        fprintf(stderr, "nexus admin: the path of the bus socket is too long: %s\n", tool->options.bus);
        return false;
    }
    memcpy(where.path, tool->options.bus, strlen(tool->options.bus) + 1);
    if (nx_link_connect(&tool->link, tool->loop, &where, LINK_QUEUE_MAX, &LINK_EVENTS, tool) != NX_OK) {
        return false;
    }
    nx_loop_run(tool->loop);
    return tool->is_over;
}

/* A path is the caller's, but the server that writes there may live in another folder. */
static const char *path_of(const char *word)
{
    static char path[2 * NEXUS_PATH_MAX];
    char here[NEXUS_PATH_MAX];
    if (word[0] == '/' || word[0] == '\0' || getcwd(here, sizeof(here)) == NULL ||
        (size_t)snprintf(path, sizeof(path), "%s/%s", here, word) >= sizeof(path)) {
        return word;
    }
    return path;
}

/* The words of the command without --data, --out and what belongs to them. Returns 0 or an exit code. */
static int line_build(struct tool *tool, int count, char **arguments, const char **out)
{
    static char password[256];
    for (int i = 0; i < count; i++) {
        const char *word = arguments[i];
        if ((strcmp(word, "--data") == 0 || strcmp(word, "--config") == 0 || strcmp(word, "--bus") == 0 ||
             strcmp(word, "--database") == 0) &&
            i + 1 < count) {
            i++;
            continue;
        }
        if (strcmp(word, "--out") == 0 && i + 1 < count) {
            *out = arguments[++i];
            continue;
        }
        if (strcmp(word, "-") == 0) {
            if (fgets(password, sizeof(password), stdin) == NULL) {
                fprintf(stderr, "nexus admin: no password on standard input\n");
                return NEXUS_EXIT_USAGE;
            }
            password[strcspn(password, "\n")] = '\0';
            word = password;
        }
        if (tool->line_size == sizeof("backup") && strcmp(tool->line, "backup") == 0) {
            word = path_of(word);
        }
        const size_t size = strlen(word) + 1;
        if (tool->line_size + size > sizeof(tool->line)) {
            fprintf(stderr, "nexus admin: the command is too long\n");
            return NEXUS_EXIT_USAGE;
        }
        memcpy(tool->line + tool->line_size, word, size);
        tool->line_size += size;
    }
    return 0;
}

/* Only the options of nexus_options_read(), so that it does not see the command's own. */
static int options_build(struct tool *tool, int count, char **arguments)
{
    char *own[16];
    int own_count = 0;
    for (int i = 0; i < count && own_count + 2 < 16; i++) {
        if (strcmp(arguments[i], "--data") == 0 || strcmp(arguments[i], "--config") == 0 ||
            strcmp(arguments[i], "--bus") == 0 || strcmp(arguments[i], "--database") == 0) {
            own[own_count++] = arguments[i];
            if (i + 1 < count) { /* without a value it is refused there */
                own[own_count++] = arguments[++i];
            }
        }
    }
    return nexus_options_read(&tool->options, "admin", own_count, own);
}

static bool is_empty(const char *path)
{
    DIR *entries = opendir(path);
    if (entries == NULL) {
        return false;
    }
    int count = 0;
    while (count <= 2 && readdir(entries) != NULL) { /* itself and its parent */
        count++;
    }
    closedir(entries);
    return count <= 2;
}

/* A directory that was never Nexus's is more likely a mistake than a wish. Returns 0 or an exit code. */
static int data_check(const struct nexus_options *options)
{
    char path[NEXUS_PATH_MAX + 32];
    if (access(options->data, F_OK) != 0) {
        fprintf(stderr, "nexus admin: there is no data directory %s: is --data right?\n", options->data);
        return NEXUS_EXIT_UNAVAILABLE;
    }
    /* This tool may have been the first here: then there are keys or a database without settings. */
    static const char *const names[] = {"nexus.toml", "token.keys", "nexus.db"};
    bool is_ours = false;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", options->data, names[i]);
        is_ours = is_ours || access(path, F_OK) == 0;
    }
    if (!is_ours && !is_empty(options->data)) {
        fprintf(stderr, "nexus admin: %s is no data directory of Nexus: is --data right?\n", options->data);
        return NEXUS_EXIT_UNAVAILABLE;
    }
    return nexus_privileges_of_data(options);
}

/* Without a running server: a control of our own on the same loop, which we then talk to like to any other. */
static int alone(struct tool *tool)
{
    struct ctld_config config;
    struct ctld_node *node = NULL;
    char url[NEXUS_PATH_MAX + 16];
    char why[CTLD_WHY_SIZE] = "";
    const int code = data_check(&tool->options);
    if (code != 0) {
        return code;
    }
    if (nexus_control_config(&tool->options, url, sizeof(url), &config) != 0) {
        return NEXUS_EXIT_CONFIG;
    }
    if (ctld_node_open(&node, tool->loop, &config, why) != NX_OK) {
        fprintf(stderr, "nexus admin: %s\n", why);
        return NEXUS_EXIT_UNAVAILABLE;
    }
    if (!talk(tool)) {
        fprintf(stderr, "nexus admin: the command was not carried out\n");
        tool->code = 1;
    }
    ctld_node_close(node);
    unlink(tool->options.bus);
    return tool->code;
}

static int run(struct tool *tool, const char *out)
{
    if (out != NULL) {
        tool->out = fopen(out, "w");
        if (tool->out == NULL || fchmod(fileno(tool->out), 0600) != 0) {
            fprintf(stderr, "nexus admin: cannot write %s\n", out);
            return 1;
        }
    }
    char why[NX_LOOP_WHY_SIZE] = "";
    const struct nx_loop_config config = {
        .streams_max = 64, .receive_buffers_count = 64, .receive_buffer_size = 16384, .cpu = -1};
    if (nx_loop_open(&tool->loop, &config, why) != NX_OK) {
        fprintf(stderr, "nexus admin: %s\n", why);
        return NEXUS_EXIT_UNAVAILABLE;
    }
    int code;
    if (talk(tool)) {
        code = tool->code;
    } else if (tool->is_up) {
        fprintf(stderr, "nexus admin: the server went away\n");
        code = 1;
    } else {
        nx_link_fini(&tool->link);
        memset(&tool->link, 0, sizeof(tool->link));
        code = alone(tool);
    }
    nx_loop_close(tool->loop);
    if (out != NULL && fclose(tool->out) != 0) {
        fprintf(stderr, "nexus admin: cannot write %s\n", out);
        code = 1;
    }
    return code;
}

/* migrate-store and restore work on databases that no server has open. Returns an exit code, or -1: another command. */
static int move(struct tool *tool, int count, char **arguments)
{
    const char *from = NULL;
    const char *to = NULL;
    const char *path = NULL;
    const char *command = NULL;
    struct ctld_config config;
    char url[NEXUS_PATH_MAX + 16];
    for (int i = 0; i < count; i++) {
        const bool has_value = arguments[i][0] == '-' && arguments[i][1] == '-' && i + 1 < count;
        if (strcmp(arguments[i], "--from") == 0 && has_value) {
            from = arguments[++i];
        } else if (strcmp(arguments[i], "--to") == 0 && has_value) {
            to = arguments[++i];
        } else if (has_value) {
            i++;
        } else if (command == NULL) {
            command = arguments[i];
        } else {
            path = arguments[i];
        }
    }
    const bool is_restore = command != NULL && strcmp(command, "restore") == 0;
    if (command == NULL || (!is_restore && strcmp(command, "migrate-store") != 0)) {
        return -1;
    }
    if ((is_restore && path == NULL) || (!is_restore && to == NULL)) {
        fprintf(stderr, "nexus admin: %s\n",
                is_restore ? "restore needs the path of a backup" : "migrate-store needs --to URL");
        return NEXUS_EXIT_USAGE;
    }
    const int code = data_check(&tool->options);
    if (code != 0) {
        return code;
    }
    if (nexus_control_config(&tool->options, url, sizeof(url), &config) != 0) {
        return NEXUS_EXIT_CONFIG;
    }
    return is_restore ? ctld_move_restore(path, url) : ctld_move_run(from != NULL ? from : url, to);
}

int nexus_admin_run(int count, char **arguments)
{
    static struct tool tool;
    const char *out = NULL;
    tool.out = stdout;
    if (count == 0 || strcmp(arguments[0], "--help") == 0) {
        fputs(HELP, stdout);
        return count == 0 ? NEXUS_EXIT_USAGE : 0;
    }
    int code = options_build(&tool, count, arguments);
    if (code == 0) {
        const int moved = move(&tool, count, arguments);
        if (moved >= 0) {
            return moved;
        }
        code = line_build(&tool, count, arguments, &out);
    }
    if (code != 0) {
        return code;
    }
    if (tool.line_size == sizeof("config\0check") &&
        memcmp(tool.line, "config\0check", tool.line_size) == 0) {
        printf("%s is fine\n", tool.options.config);
        return 0;
    }
    nx_signal_block();
    return run(&tool, out);
}
