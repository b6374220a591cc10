#include "loadtest/catchup.h"

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

void load_catchup_base(struct load_catchup *catchup, uint32_t seq)
{
    if (!catchup->is_based) {
        catchup->is_based = true;
        catchup->have = seq;
    }
}

void load_catchup_live(struct load_catchup *catchup, uint32_t seq)
{
    if (seq == 0) {
        return;
    }
    load_catchup_base(catchup, seq - 1);
    catchup->have = seq == catchup->have + 1 ? seq : catchup->have;
    catchup->seen = larger(catchup->seen, seq);
}

bool load_catchup_resync(struct load_catchup *catchup, uint32_t last_seq)
{
    load_catchup_base(catchup, last_seq);
    if (last_seq <= catchup->have) {
        return false;
    }
    catchup->wanted = larger(catchup->wanted, last_seq);
    const bool begins = !catchup->is_fetching;
    catchup->is_fetching = true;
    return begins;
}

void load_catchup_done(struct load_catchup *catchup)
{
    catchup->is_fetching = false;
    catchup->have = larger(catchup->have, larger(catchup->wanted, catchup->seen));
}
