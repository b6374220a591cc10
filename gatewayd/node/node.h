/* node.h - the gateway daemon: starts the shards, waits for signals, drains.
 *
 * Layer:   gatewayd/node
 * Threads: called from main() before any other thread, after nx_signal_block()
 * Limits:  gatewayd/node/limits.h
 */
#ifndef GW_NODE_NODE_H
#define GW_NODE_NODE_H

#include "gatewayd/node/config.h"

/**
 * Runs the gateway until SIGTERM or SIGINT, then drains for at most config->drain_s. SIGHUP loads the certificate again.
 * Returns NX_OK after an orderly end; NX_E_IN_USE, NX_E_AUTH, NX_E_IO, NX_E_MALFORMED (a certificate), NX_E_UNSUPPORTED
 * (the kernel), NX_E_FULL (descriptors), NX_E_NO_MEMORY when it could not start; the reason is on config->log_fd.
 */
NX_MUST_USE enum nx_err gw_node_run(const struct gw_node_config *config);

/** As gw_node_run(), or with `is_echo` as the echo server of echo.h. */
NX_MUST_USE enum nx_err gw_node_run_as(const struct gw_node_config *config, bool is_echo);

#endif
