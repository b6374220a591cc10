#include "engine/io/logger.h"

#include "engine/io/clock.h"
#include "engine/io/limits.h"
#include "engine/io/mem.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { BATCH_SIZE = 32768 };

struct drained {
    struct nx_log *log;
    uint64_t dropped_told;
};

struct nx_logger {
    pthread_mutex_t mutex; /* over everything: one thread at a time reads the rings */
    pthread_cond_t cond;
    pthread_t thread;
    int fd;
    bool is_closing;
    uint32_t logs_count;
    struct drained logs[NX_LOGGER_LOGS_MAX];
    size_t batch_size;
    uint8_t batch[BATCH_SIZE];
};

static void batch_write(struct nx_logger *logger)
{
    size_t size = 0;
    while (size < logger->batch_size) {
        const ssize_t put = write(logger->fd, logger->batch + size, logger->batch_size - size);
        /* A log that cannot be written is lost: there is nobody to tell. */
        if (put < 0 && errno != EINTR) {
            break;
        }
        size += put > 0 ? (size_t)put : 0;
    }
    logger->batch_size = 0;
}

static void line_put(struct nx_logger *logger, const struct nx_log_record *record)
{
    if (BATCH_SIZE - logger->batch_size < NX_LOG_LINE_SIZE_MAX + 1) {
        batch_write(logger);
    }
    struct nx_writer w = nx_writer_init(logger->batch + logger->batch_size, NX_LOG_LINE_SIZE_MAX);
    nx_log_format(record, &w);
    logger->batch_size += nx_writer_bytes(&w).size;
    logger->batch[logger->batch_size++] = '\n';
}

static void log_drain(struct nx_logger *logger, struct drained *drained)
{
    struct nx_log_record record;
    while (nx_log_take(drained->log, &record)) {
        line_put(logger, &record);
    }
    const uint64_t dropped = nx_log_dropped(drained->log);
    if (dropped != drained->dropped_told) {
        record = (struct nx_log_record){.wall_ms = nx_clock_wall_ms(),
                                        .event = "log.dropped",
                                        .level = NX_LOG_LEVEL_WARN,
                                        .fields_count = 1,
                                        .fields = {NX_LOG_U64("count", dropped - drained->dropped_told)}};
        drained->dropped_told = dropped;
        line_put(logger, &record);
    }
}

static void all_drain(struct nx_logger *logger)
{
    for (uint32_t i = 0; i < logger->logs_count; i++) {
        log_drain(logger, &logger->logs[i]);
    }
    batch_write(logger);
}

static void *logger_main(void *context)
{
    struct nx_logger *logger = context;
    (void)pthread_mutex_lock(&logger->mutex);
    while (!logger->is_closing) {
        all_drain(logger);
        const nx_time until = nx_time_add_ms(nx_clock_now(), NX_LOGGER_DELAY_MS);
        const struct timespec at = {.tv_sec = until.ns / NX_TIME_NS_PER_S,
                                    .tv_nsec = until.ns % NX_TIME_NS_PER_S};
        (void)pthread_cond_clockwait(&logger->cond, &logger->mutex, CLOCK_MONOTONIC, &at);
    }
    (void)pthread_mutex_unlock(&logger->mutex);
    return NULL;
}

enum nx_err nx_logger_open(struct nx_logger **out, int fd)
{
    struct nx_logger *logger = nx_mem_take(sizeof(*logger));
    if (logger == NULL) {
        return NX_E_NO_MEMORY;
    }
    logger->fd = fd;
    (void)pthread_mutex_init(&logger->mutex, NULL);
    (void)pthread_cond_init(&logger->cond, NULL);
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    const int error = pthread_create(&logger->thread, NULL, logger_main, logger);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        (void)pthread_cond_destroy(&logger->cond);
        (void)pthread_mutex_destroy(&logger->mutex);
        nx_mem_give(logger);
        return NX_E_NO_MEMORY;
    }
    (void)pthread_setname_np(logger->thread, "nx-logger");
    *out = logger;
    return NX_OK;
}

enum nx_err nx_logger_add(struct nx_logger *logger, struct nx_log *log)
{
    enum nx_err err = NX_E_FULL;
    (void)pthread_mutex_lock(&logger->mutex);
    if (logger->logs_count < NX_LOGGER_LOGS_MAX) {
        logger->logs[logger->logs_count++] = (struct drained){.log = log};
        err = NX_OK;
    }
    (void)pthread_mutex_unlock(&logger->mutex);
    return err;
}

void nx_logger_remove(struct nx_logger *logger, struct nx_log *log)
{
    (void)pthread_mutex_lock(&logger->mutex);
    for (uint32_t i = 0; i < logger->logs_count; i++) {
        if (logger->logs[i].log == log) {
            log_drain(logger, &logger->logs[i]);
            batch_write(logger);
            logger->logs[i] = logger->logs[--logger->logs_count];
            break;
        }
    }
    (void)pthread_mutex_unlock(&logger->mutex);
}

void nx_logger_flush(struct nx_logger *logger)
{
    (void)pthread_mutex_lock(&logger->mutex);
    all_drain(logger);
    (void)pthread_mutex_unlock(&logger->mutex);
}

void nx_logger_close(struct nx_logger *logger)
{
    (void)pthread_mutex_lock(&logger->mutex);
    logger->is_closing = true;
    (void)pthread_cond_broadcast(&logger->cond);
    (void)pthread_mutex_unlock(&logger->mutex);
    (void)pthread_join(logger->thread, NULL);
    all_drain(logger);
    (void)pthread_cond_destroy(&logger->cond);
    (void)pthread_mutex_destroy(&logger->mutex);
    nx_mem_give(logger);
}
