/*
 * _health.h - is this station fit for work? One line for each thing that must be right.
 */
#ifndef CMD_HEALTH_H
#define CMD_HEALTH_H

#include <stager/cmd.h>

enum health_level { HEALTH_OK, HEALTH_WARN, HEALTH_FAIL };

struct health {
	struct stg_caller *caller;
	json_t *lines;             /* [{"check","level":"ok|warn|fail","text","act","code"}]; act and code are "" where all is well */
	enum health_level worst;
	bool is_rehearsal;
};

/* One line; `id` is the row of errors.def behind it (0: none). A NULL text or act is the row's own. */
void health_tell(struct health *h, enum health_level level, const char *check, unsigned int id, const char *text, const char *act);

/* Everything, in the order of a morning. False: the state could not even be opened. The caller frees `lines`. */
bool health_look(struct health *h, struct stg_caller *caller, struct stg_error *err);

/* _machine.c: what the kernel, the file system and other programs show, without asking the station. */
void health_machine(struct health *h);
/* "usbmuxd 1.1.1", "" when it is not installed. */
void usbmuxd_version(char *ret, size_t size);

#endif
