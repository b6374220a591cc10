#include "loadtest/tally.h"

#include "loadtest/limits.h"

#include <stdlib.h>

enum nx_err load_tally_open(struct load_tally *tally, uint32_t streams_count, uint16_t run)
{
    if (streams_count == 0 || streams_count > LOAD_STREAMS_MAX) {
        return NX_E_FULL;
    }
    uint32_t ring_size = LOAD_RING_MIN;
    while (ring_size < LOAD_RING_MAX && (uint64_t)ring_size * 2 * streams_count <= LOAD_RING_ALL) {
        ring_size *= 2;
    }
    struct load_tally_stream *streams = calloc(streams_count, sizeof(*streams));
    struct load_tally_flight *flights = calloc((size_t)streams_count * ring_size, sizeof(*flights));
    if (streams == NULL || flights == NULL) {
        free(streams);
        free(flights);
        return NX_E_NO_MEMORY;
    }
    *tally = (struct load_tally){.streams = streams,
                                 .flights = flights,
                                 .streams_count = streams_count,
                                 .ring_size = ring_size,
                                 .run = run};
    return NX_OK;
}

void load_tally_fini(struct load_tally *tally)
{
    free(tally->streams);
    free(tally->flights);
    tally->streams = NULL;
    tally->flights = NULL;
}

void load_tally_measure(struct load_tally *tally, bool is_measuring)
{
    tally->is_measuring = is_measuring;
    if (is_measuring) {
        tally->measured = (struct load_tally_counts){0};
        tally->latency_ns = (struct nx_metric_histogram){0};
        tally->last_ns = (struct nx_metric_histogram){0};
        tally->ack_ns = (struct nx_metric_histogram){0};
    }
}

static struct load_tally_flight *flight_of(const struct load_tally *tally, uint32_t stream, uint32_t number)
{
    return &tally->flights[(size_t)stream * tally->ring_size + (number & (tally->ring_size - 1))];
}

/* Marks come back from outside: only those of messages that were sent are ours. */
static bool is_ours(const struct load_tally *tally, const struct load_stamp *stamp)
{
    return stamp->run == tally->run && stamp->stream < tally->streams_count && stamp->number != 0 &&
           stamp->number <= tally->streams[stamp->stream].published;
}

static uint64_t since(int64_t now_ns, const struct load_stamp *stamp)
{
    return now_ns > stamp->ns ? (uint64_t)(now_ns - stamp->ns) : 0;
}

void load_tally_publish(struct load_tally *tally, uint32_t stream, int64_t ns, struct load_stamp *out)
{
    struct load_tally_stream *s = &tally->streams[stream];
    *out = (struct load_stamp){.run = tally->run, .stream = stream, .number = ++s->published, .ns = ns};
    struct load_tally_flight *flight = flight_of(tally, stream, out->number);
    if (flight->number != 0) {
        tally->outstanding--; /* a whole ring behind: its completion is not waited for any more */
    }
    *flight = (struct load_tally_flight){.number = 0, .left = s->receivers_count};
    if (s->receivers_count != 0) {
        flight->number = out->number;
        tally->outstanding++;
    }
    tally->measured.messages += tally->is_measuring;
}

void load_tally_acked(struct load_tally *tally, const struct load_stamp *stamp, int64_t now_ns)
{
    if (!is_ours(tally, stamp)) {
        tally->foreign++;
        return;
    }
    if (tally->is_measuring) {
        tally->measured.acks++;
        nx_metric_histogram_add(&tally->ack_ns, since(now_ns, stamp));
    }
}

void load_tally_refused(struct load_tally *tally, const struct load_stamp *stamp)
{
    if (!is_ours(tally, stamp)) {
        tally->foreign++;
        return;
    }
    struct load_tally_flight *flight = flight_of(tally, stamp->stream, stamp->number);
    if (flight->number == stamp->number) {
        flight->number = 0;
        tally->outstanding--;
    }
    tally->streams[stamp->stream].refused++;
    tally->refused++;
}

/* Notes a message that the receiver did not have; returns whether it was the last receiver. */
static bool took(struct load_tally *tally, const struct load_stamp *stamp, int64_t now_ns, bool is_timed)
{
    tally->streams[stamp->stream].delivered++;
    if (is_timed) {
        tally->measured.deliveries++;
        nx_metric_histogram_add(&tally->latency_ns, since(now_ns, stamp));
    }
    struct load_tally_flight *flight = flight_of(tally, stamp->stream, stamp->number);
    if (flight->number != stamp->number || --flight->left != 0) {
        return false;
    }
    flight->number = 0;
    tally->outstanding--;
    tally->completed++;
    if (is_timed) {
        nx_metric_histogram_add(&tally->last_ns, since(now_ns, stamp));
    }
    return true;
}

bool load_tally_delivered(struct load_tally *tally, struct load_check *check, const struct load_stamp *stamp,
                          int64_t now_ns)
{
    if (check == NULL || !is_ours(tally, stamp)) {
        tally->foreign++;
        return false;
    }
    tally->deliveries++;
    const enum load_check_verdict verdict = load_check_add(check, stamp->number);
    if (verdict == LOAD_CHECK_DUPLICATE) {
        tally->duplicates++;
        return false;
    }
    tally->reordered += verdict == LOAD_CHECK_LATE && !tally->is_order_free;
    return took(tally, stamp, now_ns, tally->is_measuring);
}

bool load_tally_fetched(struct load_tally *tally, struct load_check *check, const struct load_stamp *stamp)
{
    if (check == NULL || !is_ours(tally, stamp) ||
        load_check_add(check, stamp->number) == LOAD_CHECK_DUPLICATE) {
        return false;
    }
    return took(tally, stamp, 0, false);
}

uint64_t load_tally_missing(const struct load_tally *tally)
{
    uint64_t missing = 0;
    for (uint32_t i = 0; i < tally->streams_count; i++) {
        const struct load_tally_stream *s = &tally->streams[i];
        const uint64_t expected = (uint64_t)(s->published - s->refused) * s->receivers_count;
        missing += expected > s->delivered ? expected - s->delivered : 0;
    }
    return missing;
}

uint64_t load_tally_published(const struct load_tally *tally)
{
    uint64_t published = 0;
    for (uint32_t i = 0; i < tally->streams_count; i++) {
        published += tally->streams[i].published;
    }
    return published;
}
