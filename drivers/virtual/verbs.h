/* verbs.h - the words of the control socket. */
#ifndef VIRTUAL_VERBS_H
#define VIRTUAL_VERBS_H

#include "bench.h"

void virt_verbs_add(struct virt_bench *);

enum virt_condition { VIRT_CONDITION_NOT_YET, VIRT_CONDITION_TRUE, VIRT_CONDITION_WRONG /* err says why */ };
/* Whether what a `wait` waits for holds now; `ret` gets what is worth telling. */
enum virt_condition virt_condition_is(struct virt_bench *, const json_t *args, json_t *ret, struct stg_error *err);

#endif
