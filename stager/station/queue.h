/*
 * queue.h - threads that do one thing after another for the main loop.
 *
 * A task runs on the queue's thread and its `done` on the main loop, in the order of posting (with one thread). The
 * recorder is such a queue with a store behind it and one commit for all that waits.
 */
#ifndef STATION_QUEUE_H
#define STATION_QUEUE_H

#include <stager/error.h>
#include <stager/store.h>

struct queue;

/* `store` is NULL except on the recorder. */
typedef bool (*queue_run)(struct stg_store *store, void *arg, struct stg_error *err);
/* Main loop. `err` is set when !ok. Frees arg if it must be freed; NULL: nobody waits and arg is not owned. */
typedef void (*queue_done)(void *arg, bool ok, const struct stg_error *err);

/* store NULL: plain workers; else one thread that owns the store's transactions. */
struct queue *queue_start(const char *name, unsigned int threads, struct stg_store *store, struct stg_error *err);
/* Joins the threads and makes the `done` calls that wait. The recorder finishes what was posted first; plain workers finish
 * what they have begun, the rest is answered with STG_E_CANCELLED, and so is what those calls post here or on another queue
 * that has ended: a queue is freed only when all have ended. NULL: nothing. */
void queue_end(struct queue *q);
/* The same, and frees it. */
void queue_stop(struct queue *q);
void queue_post(struct queue *q, queue_run run, queue_done done, void *arg);
/* In front of everything posted with queue_post: somebody's device waits for it. Behind those posted so before: the device
 * that has waited longest is served first. */
void queue_post_first(struct queue *q, queue_run run, queue_done done, void *arg);
/* From another thread than the main loop: waits for the result. */
bool queue_call(struct queue *q, queue_run run, void *arg, struct stg_error *err);
/* Readable when `done` calls wait; then call queue_drain on the main loop. */
int queue_fd(const struct queue *q);
void queue_drain(struct queue *q);
/* Tasks posted and not finished. */
unsigned int queue_waiting(struct queue *q);

#endif
