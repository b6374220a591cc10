#include "control/store/store.h"

#include "control/store/backend.h"
#include "control/store/limits.h"
#include "control/store/memory.h"
#include "control/store/postgres.h"
#include "control/store/sqlite.h"
#include "engine/base/assert.h"
#include "engine/base/id.h"

#include <stdio.h>
#include <string.h>

enum nx_err store_open(struct store **out, const struct store_config *config, char why[STORE_WHY_SIZE])
{
    NX_ASSERT(config->node <= NX_ID_NODE_MAX && config->commit_window_us <= STORE_COMMIT_WINDOW_US_MAX);
    static const struct store_backend *const backends[] = {
        &store_sqlite_backend, &store_postgres_backend, &store_postgres_backend_short, &store_memory_backend};
    for (size_t i = 0; i < sizeof backends / sizeof *backends; i++) {
        if (strncmp(config->url, backends[i]->scheme, strlen(backends[i]->scheme)) == 0) {
            return backends[i]->open(out, config, why);
        }
    }
    snprintf(why, STORE_WHY_SIZE,
             "the database url must be sqlite:PATH, postgresql://... or memory:, not \"%.16s...\"",
             config->url);
    return NX_E_MALFORMED;
}

void store_close(struct store *store)
{
    if (store != NULL) {
        store->backend->close(store);
    }
}

enum nx_err store_load(struct store *store, const struct store_loader *loader)
{
    return store->backend->load(store, loader);
}

enum nx_err store_ask(struct store *store, struct store_request *request)
{
    NX_ASSERT(store->loop != NULL && request->answered != NULL);
    if (store->stats.waiting >= STORE_QUESTIONS_MAX) {
        return NX_E_FULL;
    }
    return store->backend->ask(store, request);
}

enum nx_err store_ask_now(struct store *store, struct store_request *request)
{
    return store->backend->ask_now(store, request);
}

enum nx_err store_backup(struct store *store, const char *path)
{
    return store->backend->backup(store, path);
}

struct store_stats store_stats(const struct store *store)
{
    return store->stats;
}
