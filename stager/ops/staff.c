/*
 * staff.c - the people devices are for: lists of them, from a file or a directory.
 *
 * For:    cmd/people.c; ops/people.c are the people who work at the station.
 * Uses:   <stager/peoplefile.h>, <stager/push.h> for a directory, the store.
 * Called: as operations.
 * Thread: the recorder's; a directory is asked on a thread of its own.
 *
 *   people.import  {"file","map":{},"name"} + file -> {"name","people":N,"left_out":N,"problem","format"}
 *   people.ask     {"name"}: a target that is a directory -> {"name","people":[...],"left_out","problem","plain"}; nothing is kept yet
 *   people.keep    that answer -> {"name","people":N,"left_out":N,"problem"}
 *   people.list    {"part"} -> {"people":[at most 5,000],"lists":[...],"days"}
 *   people.show    {"name"} -> the person
 *   people.forget  {"name"} -> {"people":N,"rows":N}: a person; {"list"}: a list
 *   people.days    {"days"} -> {"days"}: how long lists and owners are kept
 *   people.expire  {} -> nothing: what is older is forgotten (the station does it every hour)
 *
 * The audit log cannot forget: it says how many people there were, never who.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <stager/file.h>
#include <stager/peoplefile.h>

#include "_asking.h"
#include "_owners.h"

#define FILES "file"                    /* what a list from a file is called where nobody names it */
#define SHOWN_MAX 5000
#define DAYS_MAX 3650

static bool name_ok(const char *name, struct stg_error *err)
{
	size_t n = strlen(name), i = 0;
	while (i < n && ((name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z') || (name[i] >= '0' && name[i] <= '9') || strchr("-_.", name[i])))
		i++;
	return (n >= 1 && n <= 48 && i == n) || stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "--name: A-Z a-z 0-9 - _ .");
}

static bool put(struct stg_op_ctx *c, const char *verb, const char *source, const json_t *people, int64_t left, const char *problem, json_t **ret, struct stg_error *err)
{
	long long n = (long long)json_array_size(people);
	if (!ops_people_expire(c, err) || !stg_store_staff_put(c->store, source, c->actor, people, left, err) ||
	    !stg_op_audit(c, verb, source, NULL, json_pack("{s:I,s:I}", "people", (json_int_t)n, "left_out", (json_int_t)left), err))
		return false;
	*ret = json_pack("{s:i,s:s,s:I,s:I,s:s}", "v", 1, "name", source, "people", (json_int_t)n, "left_out", (json_int_t)left, "problem", problem);
	return true;
}

static bool import(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(STG_PEOPLE_FILE_MAX);
	const char *name = stg_json_str(in, "file"), *slash = strrchr(name, '/'), *source = stg_json_str_or(in, "name", FILES);
	struct stg_error why = { 0 };
	int fd = stg_op_fd(c, in, "file", 0);
	if (!stg_op_may(c, "technician", err) || !name_ok(source, err))
		return false;
	if (fd < 0)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "FILE");
	(void)lseek(fd, 0, SEEK_SET);        /* a pipe cannot, ignoring */
	if (!stg_file_read_fd(fd, &file, &why))
		return stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, why.origin, "%.80s: %.120s", name, why.msg);
	STG_AUTO(stg_json_free_at) json_t *read = stg_peoplefile_read(slash ? slash + 1 : name, stg_buf_view(&file), json_object_get(in, "map"), err);
	if (!read || !put(c, "people.import", source, json_object_get(read, "people"), stg_json_int(read, "left_out", 0), stg_json_str(read, "problem"), ret, err))
		return false;
	stg_json_put(*ret, "format", stg_json_str(read, "format"));
	return true;
}

static bool ask_outside(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const struct stg_push_door door = ops_asking_door(c);
	*ret = stg_push_people(&door, stg_json_str(in, "name"), NULL, err);
	if (!*ret)
		return false;
	stg_json_put_int(*ret, "v", 1);
	stg_json_put(*ret, "name", stg_json_str(in, "name"));
	return true;
}

static bool ask(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)ret;
	c->outside = ask_outside;
	return stg_op_may(c, "technician", err) && ops_asking(c, stg_json_str(in, "name"), err);
}

static bool keep(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name");
	STG_AUTO(stg_json_free_at) json_t *target = stg_op_may(c, "technician", err) ? ops_target(c, name, NULL, err) : NULL;
	STG_AUTO(stg_json_free_at) json_t *people = target ? stg_people_clean(json_object_get(in, "people"), err) : NULL;
	if (!people)
		return false;
	if (!stg_push_is_directory(stg_json_str(target, "connector")))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_NO_DIRECTORY, 0, "%.48s", name);
	return put(c, "people.fetch", name, people, stg_json_int(in, "left_out", 0), stg_json_str(in, "problem"), ret, err);
}

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	if (!ops_people_expire(c, err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *lists = stg_store_staff_lists(c->store, err);
	STG_AUTO(stg_json_free_at) json_t *people = lists ? stg_store_staff(c->store, stg_json_str(in, "part"), SHOWN_MAX, err) : NULL;
	STG_AUTO(stg_free_at) char *days = people ? stg_store_get(c->store, "people_days", err) : NULL;
	if (!days)
		return false;
	*ret = json_pack("{s:i,s:O,s:O,s:I}", "v", 1, "people", people, "lists", lists, "days", (json_int_t)(*days ? strtoll(days, NULL, 10) : OPS_PEOPLE_DAYS));
	return true;
}

static bool show(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	enum stg_id why;
	const char *name = stg_json_str(in, "name");
	STG_AUTO(stg_json_free_at) json_t *person = NULL;
	if (!ops_people_expire(c, err) || !ops_person(c, name, &person, &why, err))
		return false;
	if (!person)
		return stg_fail_id(err, why == STG_ID_OWNER_AMBIGUOUS ? STG_E_REFUSED : STG_E_NOT_FOUND, why, 0, "%.80s", name);
	*ret = stg_steal(person);
	stg_json_put_int(*ret, "v", 1);
	if (why != STG_ID_NONE)
		stg_json_put_int(*ret, "code", why);
	return true;
}

static bool forget(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	int64_t people = 0, rows = 0;
	const char *name = stg_json_str(in, "name"), *source = stg_json_str(in, "list");
	if (!stg_op_may(c, "admin", err))
		return false;
	if (!*name == !*source)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "NAME | --list LIST");
	if (*source) {
		STG_AUTO(stg_json_free_at) json_t *lists = stg_store_staff_lists(c->store, err);
		size_t i;
		json_t *one;
		bool found = false;
		json_array_foreach(lists, i, one)
			if (strcmp(stg_json_str(one, "source"), source) == 0) {
				found = true;
				people = stg_json_int(one, "people", 0);
			}
		if (!lists || (!found && !stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_OWNER_UNKNOWN, 0, "--list %.48s", source)))
			return false;
		if (!stg_store_staff_drop(c->store, source, err))
			return false;
	} else if (!stg_store_staff_forget(c->store, name, &people, &rows, err)) {
		return false;
	} else if (!people && !rows) {
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_OWNER_UNKNOWN, 0, "%.80s", name);
	}
	if (!stg_op_audit(c, "people.forget", source, NULL, json_pack("{s:I,s:I}", "people", (json_int_t)people, "rows", (json_int_t)rows), err))
		return false;
	*ret = json_pack("{s:i,s:I,s:I}", "v", 1, "people", (json_int_t)people, "rows", (json_int_t)rows);
	return true;
}

static bool days(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *word = stg_json_str(in, "days");
	int64_t n = *word ? strtoll(word, NULL, 10) : stg_json_int(in, "days", 0);
	char text[24];
	if (!stg_op_may(c, "admin", err))
		return false;
	if (n < 1 || n > DAYS_MAX)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_WRONG, 0, "DAYS: 1-%d", DAYS_MAX);
	snprintf(text, sizeof(text), "%lld", (long long)n);
	if (!stg_store_set(c->store, "people_days", text, err) || !stg_op_audit(c, "people.days", text, NULL, NULL, err) || !ops_people_expire(c, err))
		return false;
	*ret = json_pack("{s:i,s:I}", "v", 1, "days", (json_int_t)n);
	return true;
}

static bool expire(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in, (void)ret;
	return ops_people_expire(c, err);
}

const struct stg_op stg_ops_staff[] = {
	{ "people.import", STG_OP_STORE, import },
	{ "people.ask", STG_OP_STORE, ask },
	{ "people.keep", STG_OP_STORE, keep },
	{ "people.list", STG_OP_STORE, list },
	{ "people.show", STG_OP_STORE, show },
	{ "people.forget", STG_OP_STORE, forget },
	{ "people.days", STG_OP_STORE, days },
	{ "people.expire", STG_OP_STORE, expire },
	{ 0 },
};
