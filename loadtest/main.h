/* main.h - `nexus load`: chooses the kind of load.
 *
 * Layer:   loadtest
 * Threads: the process's first
 */
#ifndef LOAD_MAIN_H
#define LOAD_MAIN_H

/**
 * Runs `nexus load MODE [options]`; argv[0] is "load", argv[1] the mode. Returns the exit code: 0 everything arrived
 * once and in order, 1 something is wrong, 2 the command line is.
 */
int load_main(int argc, char **argv);

#endif
