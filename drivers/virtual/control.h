/* control.h - the bench's own door: what a hand, a cable or bad luck would do. */
#ifndef VIRTUAL_CONTROL_H
#define VIRTUAL_CONTROL_H

#include "bench.h"

/* path NULL: verbs exist (for virt_control_run), no socket. */
struct virt_control *virt_control_start(struct virt_bench *, const char *path, struct stg_error *err);
void virt_control_stop(struct virt_control *);   /* takes NULL */
/* Looks whether somebody's wait has come true. Cheap; called when anything changed. */
void virt_control_changed(struct virt_bench *);
/* `stager-bench ctl ADDRESS VERB ARGS...`: the exit status. */
int virt_ctl_main(int argc, char **argv);

#endif
