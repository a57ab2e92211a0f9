/*
 * _outbox.h - what waits to be told, in a line to each target.
 */
#ifndef CMD_OUTBOX_H
#define CMD_OUTBOX_H

#include <stager/cmd.h>

/* "12 waiting, the oldest for 2 h"; results and registrations, of an outbox.summary. */
void outbox_waits(const json_t *box, char *ret, size_t size);
/* A line to each target that has something waiting: how much, and why it is left alone. */
void outbox_reasons(const json_t *box, const char *margin);

#endif
