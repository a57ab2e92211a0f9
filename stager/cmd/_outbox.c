/*
 * _outbox.c - what waits to be told, in a line to each target.
 *
 * For:    `stager status`, `stager outbox list`.
 * Uses:   the document of outbox.summary.
 * Called: by these commands.
 * Thread: the command's.
 */
#include <stdio.h>

#include <stager/clock.h>
#include <stager/error.h>
#include <stager/text.h>

#include "_outbox.h"

/* In the unit a person would choose. */
static void age_text(int64_t ms, char *ret, size_t size)
{
	const int64_t min = ms > 0 ? ms / 60000 : 0;
	snprintf(ret, size, min < 120 ? _("%lld min") : min < 48 * 60 ? _("%lld h") : _("%lld days"), (long long)(min < 120 ? min : min < 48 * 60 ? min / 60 : min / (24 * 60)));
}

void outbox_waits(const json_t *box, char *ret, size_t size)
{
	const int64_t waiting = stg_json_int(box, "waiting", 0), oldest = stg_json_int(box, "oldest_ms", 0);
	char age[32];
	age_text(oldest ? stg_wall_ms() - oldest : 0, age, sizeof(age));
	snprintf(ret, size, _("%lld waiting, the oldest for %s"), (long long)waiting, age);
}

void outbox_reasons(const json_t *box, const char *margin)
{
	size_t i;
	json_t *one;
	json_array_foreach(json_object_get(box, "by_target"), i, one) {
		const int64_t waiting = stg_json_int(one, "waiting", 0);
		const unsigned int code = (unsigned int)stg_json_int(one, "code", 0);
		if (waiting)
			printf("%s%s: %lld%s%s\n", margin, stg_json_str(one, "name"), (long long)waiting, code ? ", " : "", code ? stg_id_sentence(code) : "");
	}
}
