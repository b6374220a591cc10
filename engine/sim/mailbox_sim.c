#include "engine/io/mailbox.h"

#include "engine/io/limits.h"
#include "engine/io/mem.h"
#include "engine/sim/state.h"

struct nx_mailbox {
    struct nx_loop *loop;
    void *context;
    struct nx_loop_task task;
    uint32_t first;
    uint32_t count;
    struct nx_mail *letters[NX_MAILBOX_MAIL_MAX];
};

static bool letters_receive(void *context)
{
    struct nx_mailbox *box = context;
    for (uint32_t left = NX_MAILBOX_TURN_MAX; left != 0 && box->count != 0; left--) {
        struct nx_mail *mail = box->letters[box->first];
        box->first = (box->first + 1) % NX_MAILBOX_MAIL_MAX;
        box->count--;
        mail->receive(mail, box->context);
    }
    return box->count != 0;
}

enum nx_err nx_mailbox_open(struct nx_mailbox **out, struct nx_loop *loop, void *context)
{
    struct nx_mailbox *box = nx_mem_take(sizeof(*box));
    if (box == NULL) {
        return NX_E_NO_MEMORY;
    }
    box->loop = loop;
    box->context = context;
    nx_loop_task_init(&box->task, NX_LOOP_PRIORITY, letters_receive, box);
    *out = box;
    return NX_OK;
}

void nx_mailbox_close(struct nx_mailbox *box)
{
    nx_loop_task_sleep(box->loop, &box->task);
    nx_mem_give(box);
}

enum nx_err nx_mailbox_post(struct nx_mailbox *box, struct nx_loop *from, struct nx_mail *mail)
{
    (void)from;
    if (box->count == NX_MAILBOX_MAIL_MAX) {
        return NX_E_FULL;
    }
    box->letters[(box->first + box->count) % NX_MAILBOX_MAIL_MAX] = mail;
    box->count++;
    nx_loop_task_wake(box->loop, &box->task);
    return NX_OK;
}
