#include "loadtest/main.h"
#include "nexus/admin.h"
#include "nexus/control.h"
#include "nexus/doctor.h"
#include "nexus/gatewayd.h"
#include "nexus/options.h"
#include "nexus/privileges.h"
#include "nexus/supervisor.h"

#include <stdio.h>
#include <string.h>

static const char HELP[] = "usage: nexus ROLE [options]    nexus ROLE --help tells more\n\n"
                           "  serve     everything on this machine: starts and watches gatewayd and control\n"
                           "  gatewayd  the gateway alone: HTTP, WebSocket, media\n"
                           "  control   the control daemon alone: accounts, communities, messages\n"
                           "  admin     users, guilds, statistics, backup, load-test seeds\n"
                           "  doctor    checks this machine and says what to change\n"
                           "  load      load tests\n"
                           "  version   prints the version\n";

int main(int argc, char **argv)
{
    static struct nexus_options options;
    const char *role = argc > 1 ? argv[1] : "";
    const int count = argc - 2;
    char **arguments = argv + 2;
    if (strcmp(role, "version") == 0 || strcmp(role, "--version") == 0 ||
        (count > 0 && strcmp(arguments[0], "--version") == 0)) {
        printf("nexus %s\n", NEXUS_VERSION);
        return 0;
    }
    if (strcmp(role, "load") == 0) {
        return load_main(argc - 1, argv + 1);
    }
    if (strcmp(role, "admin") == 0) {
        return nexus_admin_run(count, arguments);
    }
    const bool is_daemon =
        strcmp(role, "serve") == 0 || strcmp(role, "gatewayd") == 0 || strcmp(role, "control") == 0;
    if (!is_daemon && strcmp(role, "doctor") != 0) {
        fputs(HELP, strcmp(role, "--help") == 0 || strcmp(role, "-h") == 0 ? stdout : stderr);
        return strcmp(role, "--help") == 0 || strcmp(role, "-h") == 0 ? 0 : NEXUS_EXIT_USAGE;
    }
    const int code = nexus_options_read(&options, role, count, arguments);
    if (code != 0) {
        return code == NEXUS_EXIT_HELP ? 0 : code;
    }
    if (strcmp(role, "serve") == 0) {
        return nexus_supervisor_run(&options, count, arguments);
    }
    if (strcmp(role, "doctor") == 0) {
        return nexus_doctor_run(&options);
    }
    const int dropped = nexus_privileges_drop(&options, false);
    if (dropped != 0) {
        return dropped;
    }
    return strcmp(role, "control") == 0 ? nexus_control_run(&options) : nexus_gatewayd_run(&options);
}
