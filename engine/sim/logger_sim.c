#include "engine/io/logger.h"

#include "engine/base/assert.h"
#include "engine/io/mem.h"
#include "engine/sim/state.h"

#include <stdio.h>

struct nx_logger {
    struct nx_sim *sim;
    uint32_t logs_count;
    struct nx_log *logs[NX_SIM_LOGS_MAX];
};

static void drain(const struct nx_logger *logger, struct nx_log *log)
{
    struct nx_log_record record;
    while (nx_log_take(log, &record)) {
        if (logger->sim->is_loud) {
            char line[NX_LOG_LINE_SIZE_MAX];
            struct nx_writer w = nx_writer_init(line, sizeof(line));
            nx_log_format(&record, &w);
            const struct nx_host *host = nx_host_current();
            (void)fprintf(stderr, "%10.3f %s: %.*s\n", (double)logger->sim->now_ns / NX_TIME_NS_PER_S,
                          host != NULL ? nx_host_name(host) : "-", (int)w.size, line);
        }
    }
}

enum nx_err nx_logger_open(struct nx_logger **out, int fd)
{
    (void)fd;
    struct nx_logger *logger = nx_mem_take(sizeof(*logger));
    if (logger == NULL) {
        return NX_E_NO_MEMORY;
    }
    logger->sim = nx_sim_current();
    *out = logger;
    return NX_OK;
}

enum nx_err nx_logger_add(struct nx_logger *logger, struct nx_log *log)
{
    if (logger->logs_count == NX_SIM_LOGS_MAX) {
        return NX_E_FULL;
    }
    logger->logs[logger->logs_count++] = log;
    return NX_OK;
}

void nx_logger_remove(struct nx_logger *logger, struct nx_log *log)
{
    for (uint32_t i = 0; i < logger->logs_count; i++) {
        if (logger->logs[i] == log) {
            drain(logger, log);
            logger->logs[i] = logger->logs[--logger->logs_count];
            return;
        }
    }
}

void nx_logger_flush(struct nx_logger *logger)
{
    for (uint32_t i = 0; i < logger->logs_count; i++) {
        drain(logger, logger->logs[i]);
    }
}

void nx_logger_close(struct nx_logger *logger)
{
    nx_logger_flush(logger);
    nx_mem_give(logger);
}
