#include "control/store/postgres_reader.h"

#include "engine/io/clock.h"

static void drop_first(struct store_postgres_reader *reader)
{
    reader->first = (reader->first + 1) % STORE_PG_READS_MAX;
    reader->count--;
}

static void on_result(void *context, const PGresult *result)
{
    struct store_postgres_reader *reader = context;
    if (reader->count == 0) {
        return;
    }
    struct store_request *request = reader->asked[reader->first].request;
    switch (PQresultStatus(result)) {
    case PGRES_PIPELINE_SYNC:
        drop_first(reader);
        reader->answered(reader->owner, request);
        reader->has_room(reader->owner);
        break;
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
        store_postgres_question_take(reader->context, result, request);
        break;
    default:
        request->answer = (struct ctl_answer){.verdict = NX_E_UNAVAILABLE};
        break;
    }
}

static void on_lost(void *context)
{
    struct store_postgres_reader *reader = context;
    while (reader->count > 0) {
        struct store_request *request = reader->asked[reader->first].request;
        drop_first(reader);
        request->answer = (struct ctl_answer){.verdict = NX_E_UNAVAILABLE};
        reader->answered(reader->owner, request);
    }
    reader->has_room(reader->owner);
}

static void on_ready(void *context)
{
    const struct store_postgres_reader *reader = context;
    reader->has_room(reader->owner);
}

static const struct store_postgres_link_events events = {
    .ready = on_ready, .result = on_result, .lost = on_lost};

enum nx_err store_postgres_reader_open(struct store_postgres_reader *reader, struct nx_loop *loop,
                                       const char *url, char why[STORE_WHY_SIZE])
{
    PGconn *db = NULL;
    enum nx_err err = store_postgres_setup_connect(&db, url, why);
    if (err != NX_OK) {
        return err;
    }
    reader->link = (struct store_postgres_link){
        .db = db, .loop = loop, .url = url, .events = &events, .context = reader};
    err = store_postgres_setup_prepare(db, why);
    return err == NX_OK ? store_postgres_link_open(&reader->link, db) : err;
}

bool store_postgres_reader_send(struct store_postgres_reader *reader, struct nx_list *requests)
{
    bool has_sent = false;
    while (reader->link.state == STORE_POSTGRES_READY && reader->count < STORE_PG_READS_MAX &&
           !nx_list_is_empty(requests)) {
        struct store_request *request = NX_LIST_ITEM(nx_list_pop_front(requests), struct store_request, link);
        const enum nx_err err = store_postgres_question_put(reader->context, reader->link.db, request);
        if (err != NX_OK) {
            request->answer = (struct ctl_answer){.verdict = err};
            reader->answered(reader->owner, request);
            continue;
        }
        const uint32_t place = (reader->first + reader->count++) % STORE_PG_READS_MAX;
        reader->asked[place].request = request;
        reader->asked[place].at = nx_clock_now();
        store_postgres_link_sent(&reader->link, 1 + (PQpipelineSync(reader->link.db) == 1));
        has_sent = true;
    }
    if (has_sent) {
        store_postgres_link_flush(&reader->link);
    }
    return reader->link.state == STORE_POSTGRES_READY;
}

int64_t store_postgres_reader_waited_ns(const struct store_postgres_reader *reader, nx_time now)
{
    return reader->count == 0 ? 0 : nx_time_since_ns(now, reader->asked[reader->first].at);
}
