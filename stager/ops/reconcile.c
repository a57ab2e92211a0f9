/*
 * reconcile.c - what the MDM says of the devices, held against what was handed over.
 *
 * For:    cmd/reconcile.c.
 * Uses:   the store; <stager/push.h> to ask an MDM for its list, <stager/batchfile.h> for one that was exported there.
 * Called: as operations.
 * Thread: the recorder's; an MDM is asked on a thread of its own.
 *
 *   reconcile.ask    {"name"} -> {"name","devices":[...]}: its list, whole; nothing is kept yet
 *   reconcile.import {"name","devices"} or {"name","file","map":{}} + file -> {"name","devices":N,"left_out":N,"problem"}
 *   reconcile.show   {"name","batch","all":bool,"goal":95} -> {"handed_over","confirmed","gone","never_seen","rate","goal","ok",
 *                    "lists":[...],"devices":[those that are not confirmed; all with "all"]}; "rate" in percent with one decimal
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <stager/batchfile.h>
#include <stager/file.h>

#include "_asking.h"

#define GOAL_PERCENT 95
#define SHOWN_MAX 5000

static bool ask_outside(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const struct stg_push_door door = ops_asking_door(c);
	json_t *devices = stg_push_devices(&door, stg_json_str(in, "name"), NULL, err);
	if (devices)
		*ret = json_pack("{s:i,s:s,s:o}", "v", 1, "name", stg_json_str(in, "name"), "devices", devices);
	return devices != NULL;
}

static bool ask(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)ret;
	c->outside = ask_outside;
	return stg_op_may(c, "technician", err) && ops_asking(c, stg_json_str(in, "name"), err);
}

/* A list that was exported at the MDM: any CSV with serial numbers, IMEIs or UDIDs. Lines that cannot be read are counted, not guessed. */
static json_t *read_file(struct stg_op_ctx *c, const json_t *in, int64_t *ret_left, char *ret_problem, size_t size, struct stg_error *err)
{
	STG_AUTO(stg_buf_clear) struct stg_buf file = STG_BUF(STG_BATCHFILE_MAX);
	const char *name = stg_json_str(in, "file"), *slash = strrchr(name, '/');
	struct stg_error why = { 0 };
	int fd = stg_op_fd(c, in, "file", 0);
	if (fd < 0) {
		stg_fail_id(err, STG_E_USAGE, STG_ID_WORD_MISSING, 0, "--file");
		return NULL;
	}
	(void)lseek(fd, 0, SEEK_SET);        /* a pipe cannot, ignoring */
	if (!stg_file_read_fd(fd, &file, &why)) {
		stg_fail_id(err, STG_E_INPUT, STG_ID_FILE_UNREADABLE, why.origin, "%.80s: %.120s", name, why.msg);
		return NULL;
	}
	STG_AUTO(stg_json_free_at) json_t *list = stg_batchfile_read(slash ? slash + 1 : name, stg_buf_view(&file), json_object_get(in, "map"), err);
	if (!list)
		return NULL;
	json_t *rows = json_object_get(list, "rows");
	*ret_left = stg_json_int(list, "problem_count", 0);
	stg_copy(ret_problem, size, stg_json_str(json_array_get(json_object_get(list, "problems"), 0), "where"));
	/* nothing of it could be read: the file is another one */
	if (!json_array_size(rows) && *ret_left)
		return stg_batchfile_ok(list, err) ? json_incref(rows) : NULL;
	return json_incref(rows);
}

static bool import(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *name = stg_json_str(in, "name"), *file = stg_json_str(in, "file"), *slash = strrchr(file, '/');
	char problem[200] = "";
	int64_t left = 0, n;
	if (!stg_op_may(c, "technician", err))
		return false;
	STG_AUTO(stg_json_free_at) json_t *target = ops_target(c, name, NULL, err);
	if (!target)
		return false;
	const json_t *asked = json_object_get(in, "devices");
	STG_AUTO(stg_json_free_at) json_t *devices = asked ? json_deep_copy(asked) : read_file(c, in, &left, problem, sizeof(problem), err);
	if (!devices || !stg_store_mdm_list_put(c->store, name, asked ? "api" : slash ? slash + 1 : file, c->actor, devices, left, &n, err) ||
	    !stg_op_audit(c, "reconcile.import", name, NULL, json_pack("{s:I,s:I,s:s}", "devices", (json_int_t)n, "left_out", (json_int_t)left, "source", asked ? "api" : "file"), err))
		return false;
	*ret = json_pack("{s:i,s:s,s:I,s:I,s:s}", "v", 1, "name", name, "devices", (json_int_t)n, "left_out", (json_int_t)left, "problem", problem);
	return true;
}

static bool show(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	static const char *const words[] = { "confirmed", "gone", "never_seen" };
	const char *name = stg_json_str(in, "name"), *batch = stg_json_str(in, "batch");
	int64_t counts[3] = { 0 }, goal = stg_json_int(in, "goal", GOAL_PERCENT);
	STG_AUTO(stg_json_free_at) json_t *lists = stg_store_mdm_lists(c->store, name, err);
	if (!lists)
		return false;
	if (!json_array_size(lists))
		return stg_fail_id(err, STG_E_NOT_FOUND, STG_ID_MDM_LIST_NONE, 0, "%.48s", name);
	STG_AUTO(stg_json_free_at) json_t *known = *batch ? stg_store_batch(c->store, batch, err) : json_object();
	STG_AUTO(stg_json_free_at) json_t *rows = known ? stg_store_handed_over(c->store, name, batch, err) : NULL;
	STG_AUTO(stg_json_free_at) json_t *shown = json_array();
	size_t i;
	json_t *row;
	if (!rows)
		return false;
	json_array_foreach(rows, i, row) {
		const char *standing = stg_json_str(row, "standing");
		for (size_t k = 0; k < STG_ARRAY_LEN(words); k++)
			counts[k] += strcmp(words[k], standing) == 0;
		if (strcmp(standing, "confirmed") != 0)
			stg_json_put_int(row, "code", strcmp(standing, "gone") == 0 ? STG_ID_MDM_LOST : STG_ID_MDM_NEVER_SAW);
		if (json_array_size(shown) < SHOWN_MAX && (strcmp(standing, "confirmed") != 0 || stg_json_bool(in, "all", false)))
			json_array_append(shown, row);
	}
	int64_t all = (int64_t)json_array_size(rows);
	/* what nobody got cannot fall short */
	bool reached = counts[0] * 100 >= goal * all;
	*ret = json_pack("{s:i,s:I,s:I,s:I,s:I,s:f,s:I,s:b,s:O,s:O}", "v", 1, "handed_over", (json_int_t)all, "confirmed", (json_int_t)counts[0], "gone", (json_int_t)counts[1],
			 "never_seen", (json_int_t)counts[2], "rate", all ? (double)(counts[0] * 1000 / all) / 10 : 100.0, "goal", (json_int_t)goal, "ok", reached, "lists", lists,
			 "devices", shown);
	if (!reached)
		stg_json_put_int(*ret, "code", STG_ID_ENROLMENT_LOW);
	return true;
}

const struct stg_op stg_ops_reconcile[] = {
	{ "reconcile.ask", STG_OP_STORE, ask },
	{ "reconcile.import", STG_OP_STORE, import },
	{ "reconcile.show", STG_OP_STORE, show },
	{ 0 },
};
