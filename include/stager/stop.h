/*
 * stop.h - how a blocking call is told to give up.
 *
 * One owner pulls it, any thread may wait on it; once pulled it stays pulled. The descriptor becomes readable then.
 */
#ifndef STAGER_STOP_H
#define STAGER_STOP_H

#include <stdbool.h>

struct stg_error;
struct stg_stop;

struct stg_stop *stg_stop_new(struct stg_error *err);
void stg_stop_pull(struct stg_stop *s);
bool stg_stop_pulled(const struct stg_stop *s);  /* NULL: false */
int stg_stop_fd(const struct stg_stop *s);       /* NULL: -1 */
void stg_stop_free(struct stg_stop *s);
void stg_stop_free_at(struct stg_stop **s);

#endif
