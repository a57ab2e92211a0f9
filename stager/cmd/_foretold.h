/* _foretold.h - what a rehearsal foretells. */
#ifndef CMD_FORETOLD_H
#define CMD_FORETOLD_H

#include <stager/json.h>

#include "_rehearsal.h"

struct foretold_device {
	const char *serial;
	struct rehearsal_device time;
};

/* What was seen; all of it the caller's. */
struct foretold {
	json_t *pack;                    /* of op rehearse.pack: "name", "sha256", "problems", "lines" */
	json_t *skipped;                 /* of rehearsal_skip() */
	const json_t *batch;             /* of op batch.show, after the end */
	const struct foretold_device *devices;
	size_t n, ports;                 /* n: at least 1 */
	int64_t hand_ms, app_bytes;      /* for one device */
	int64_t took_ms;                 /* the rehearsal itself */
};

/* As `rehearse --json` prints it. */
json_t *foretold_report(const struct foretold *f);
/* The same for people, on standard output. */
void foretold_say(const json_t *report);

#endif
