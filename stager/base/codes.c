/*
 * codes.c - looks into a table of foreign codes.
 *
 * For:    rooms that meet such codes, and `stager explain`.
 * Uses:   nothing.
 * Called: from anywhere.
 * Thread: any; no state.
 */
#include <string.h>
#include <strings.h>

#include <stager/codes.h>

bool stg_codes_is(const struct stg_codes *t, const char *protocol)
{
	size_t len = strlen(protocol);
	if (strcasecmp(t->protocol, protocol) == 0)
		return true;
	for (const char *at = t->also; at && *at && len;) {
		size_t n = strcspn(at, " ");
		if (n == len && strncasecmp(at, protocol, n) == 0)
			return true;
		at += n + strspn(at + n, " ");
	}
	return false;
}

const struct stg_code_row *stg_codes_by_name(const struct stg_codes *t, const char *name, bool loose)
{
	for (const struct stg_code_row *r = t->rows; r->id; r++)
		if (r->name && (loose ? strcasecmp(r->name, name) : strcmp(r->name, name)) == 0)
			return r;
	return NULL;
}

static bool ends_with(const char *said, const char *end)
{
	size_t a = strlen(said), b = strlen(end);
	return a >= b && strcasecmp(said + a - b, end) == 0;
}

const struct stg_code_row *stg_codes_by_number(const struct stg_codes *t, const char *domain, int64_t number)
{
	for (const struct stg_code_row *r = t->rows; r->id; r++)
		if ((r->first || r->last) && number >= r->first && number <= r->last && (!domain || !r->domain || ends_with(domain, r->domain)))
			return r;
	return NULL;
}
