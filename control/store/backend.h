/* backend.h - what every kind of store implements; store.c picks one by its url.
 *
 * Layer:   control/store
 * Threads: the loop's, as in store.h
 * Idiom:   a backend embeds struct store as its first member
 */
#ifndef STORE_BACKEND_H
#define STORE_BACKEND_H

#include "control/store/store.h"

/** The functions of store.h, one backend's. */
struct store_backend {
    const char *scheme; /**< first part of the url, with the colon */
    enum nx_err (*open)(struct store **out, const struct store_config *config, char why[STORE_WHY_SIZE]);
    void (*close)(struct store *store);
    enum nx_err (*load)(struct store *store, const struct store_loader *loader);
    enum nx_err (*ask)(struct store *store, struct store_request *request);
    enum nx_err (*ask_now)(struct store *store, struct store_request *request);
    enum nx_err (*backup)(struct store *store, const char *path);
};

/** What all stores have in common. */
struct store {
    const struct store_backend *backend;
    struct nx_loop *loop;            /**< given; NULL for a tool without a loop */
    struct store_stats stats;        /**< the loop's thread only */
    void (*on_stale)(void *context); /**< may be NULL; see store_config */
    void *stale_context;
};

#endif
