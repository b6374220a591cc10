/* Goal: files are read within their cap and replaced as a whole; log lines and signals come through. */
#include "engine/io/file.h"
#include "engine/io/logger.h"
#include "engine/io/mem.h"
#include "engine/io/signal.h"
#include "tests/unit/engine/io/fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static void folder_make(char folder[64])
{
    snprintf(folder, 64, "/tmp/nexus-file-XXXXXX");
    CHECK(mkdtemp(folder) != NULL, "folder");
}

TEST(file, writes_reads_and_replaces)
{
    char folder[64];
    char path[128];
    char deep[256];
    struct stat status;
    uint8_t *bytes = NULL;
    size_t size = 0;
    folder_make(folder);
    snprintf(path, sizeof(path), "%s/a", folder);
    CHECK(nx_file_read(path, 100, &bytes, &size) == NX_E_NOT_FOUND && bytes == NULL, "missing");
    CHECK(nx_file_write(path, nx_bytes_text("one")) == NX_OK, "write");
    CHECK(nx_file_write(path, nx_bytes_text("second")) == NX_OK, "replace");
    CHECK(stat(path, &status) == 0 && (status.st_mode & 0777) == 0600, "mode");
    CHECK(nx_file_read(path, 5, &bytes, &size) == NX_E_FULL && bytes == NULL, "cap");
    CHECK(nx_file_read(path, 6, &bytes, &size) == NX_OK && size == 6 && strcmp((char *)bytes, "second") == 0,
          "read");
    nx_mem_give(bytes);
    nx_mem_fail_at(1);
    bytes = NULL;
    CHECK(nx_file_read(path, 6, &bytes, &size) == NX_E_NO_MEMORY && bytes == NULL, "no memory");
    nx_mem_fail_at(0);
    CHECK(nx_file_read(folder, 6, &bytes, &size) == NX_E_IO, "a folder");
    snprintf(deep, sizeof(deep), "%s/b/c//d/", folder);
    CHECK(nx_file_folders_make(deep, 0700) == NX_OK && nx_file_folders_make(deep, 0700) == NX_OK,
          "folders, twice");
    CHECK(stat(deep, &status) == 0 && S_ISDIR(status.st_mode) && (status.st_mode & 0777) == 0700, "made");
    snprintf(deep, sizeof(deep), "%s/a/x", folder);
    CHECK(nx_file_folders_make(deep, 0700) == NX_E_CONFLICT, "a file in the way");
    CHECK(nx_file_write(deep, nx_bytes_text("x")) == NX_E_CONFLICT, "a file is no folder");
    snprintf(deep, sizeof(deep), "%s/none/x", folder);
    CHECK(nx_file_write(deep, nx_bytes_text("x")) == NX_E_NOT_FOUND, "no folder");
    char command[256];
    snprintf(command, sizeof(command), "rm -r %s", folder);
    CHECK(system(command) == 0, "clean up");
}

TEST(logger, prints_records_and_what_was_lost)
{
    enum { RECORDS = 8 };
    struct nx_log *log = calloc(1, sizeof(*log));
    void *memory = calloc(1, nx_log_size_needed(RECORDS));
    struct nx_logger *logger = NULL;
    FILE *file = tmpfile();
    nx_log_init(log, memory, RECORDS, NX_LOG_LEVEL_INFO);
    nx_log_now(log, nx_clock_now(), 1700000000000);
    CHECK(nx_logger_open(&logger, fileno(file)) == NX_OK, "open");
    for (int i = 0; i < 9; i++) {
        NX_LOG(log, INFO, "test.flood", NX_LOG_U64("number", (uint64_t)i));
    }
    CHECK(nx_logger_add(logger, log) == NX_OK, "add");
    nx_logger_flush(logger);
    NX_LOG(log, WARN, "test.later", NX_LOG_TEXT("word", "last"));
    nx_logger_remove(logger, log);
    nx_logger_close(logger);
    char text[8192];
    rewind(file);
    const size_t size = fread(text, 1, sizeof(text) - 1, file);
    text[size] = 0;
    CHECK(strstr(text, "test.flood") != NULL && strstr(text, "number=7") != NULL, "%s", text);
    CHECK(strstr(text, "log.dropped") != NULL, "the loss is told: %s", text);
    CHECK(strstr(text, "test.later") != NULL && text[size - 1] == '\n', "%s", text);
    fclose(file);
    free(memory);
    free(log);
}

static int signals[8];
static int signals_count;
static struct nx_signal watched;

static void note_signal(void *context, int number)
{
    (void)context;
    signals[signals_count++] = number;
    if (number == SIGHUP) {
        nx_signal_close(&watched);
    }
}

TEST(signal, arrives_on_the_loop)
{
    const struct nx_loop_config config = {.streams_max = 16, .receive_buffers_count = 16};
    nx_signal_block();
    struct nx_loop *loop = fixture_loop(&config);
    CHECK(nx_signal_open(loop, &watched, note_signal, NULL) == NX_OK, "open");
    nx_loop_turn(loop, nx_clock_now());
    CHECK(kill(getpid(), SIGUSR1) == 0, "kill");
    FIXTURE_UNTIL(loop, signals_count == 1);
    CHECK(kill(getpid(), SIGTERM) == 0, "kill");
    FIXTURE_UNTIL(loop, signals_count == 2);
    CHECK(signals[0] == SIGUSR1 && signals[1] == SIGTERM, "in order");
    CHECK(kill(getpid(), SIGPIPE) == 0, "ignored");
    CHECK(kill(getpid(), SIGHUP) == 0, "kill");
    FIXTURE_UNTIL(loop, signals_count == 3);
    nx_loop_turn(loop, nx_clock_now());
    nx_loop_close(loop);
}
