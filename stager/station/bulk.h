/*
 * bulk.h - whose turn it is to move much over a cable that many share.
 *
 * A USB 2 hub has one uplink of 480 Mbit/s (a "segment": everything behind one root port). Devices with much to move
 * take turns of some megabytes: first come, first served, a few at once, and whoever has had a turn stands at the end.
 * Nothing here waits or sends: bulk_ask() queues, bulk_next() says who goes. A turn not given back after
 * BULK_LEASE_MS no longer counts, so that a device that hangs does not hold up its neighbours.
 * Threads: one.
 */
#ifndef STATION_BULK_H
#define STATION_BULK_H

#include <stdbool.h>
#include <stdint.h>

#include <stager/arrival.h>

#define BULK_TURN_BYTES (8ll << 20)     /* about a second for each of four on one segment */
#define BULK_ALONE_BYTES (32ll << 20)   /* nobody else wants the segment */
#define BULK_TOGETHER 4u                /* fill 480 Mbit/s; more would only slow one another down */
#define BULK_TOGETHER_FAST 16u          /* on 5 Gbit/s and more */
#define BULK_LEASE_MS 15000

struct bulk;

struct bulk *bulk_new(void);
void bulk_free(struct bulk *b);
/* The transfer `ref` has left_bytes to go and wants a turn; what it had is given back. 0 bytes: it is done. */
void bulk_ask(struct bulk *b, unsigned int ref, const char *segment, bool fast, int64_t left_bytes, int64_t now_ms);
void bulk_drop(struct bulk *b, unsigned int ref);
/* The next one that may go, and how far; false: none now. Ask until it says so, after each ask and drop and when due. */
bool bulk_next(struct bulk *b, int64_t now_ms, unsigned int *ret_ref, int64_t *ret_bytes);
/* When the next turn stops to count while somebody waits for it; -1: nobody waits, or every turn counts no more. */
int64_t bulk_due_ms(const struct bulk *b, int64_t now_ms);
bool bulk_waits(const struct bulk *b, unsigned int ref);

#endif
