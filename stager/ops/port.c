/*
 * port.c - which sockets of the bench may be used, and what they are called.
 *
 * For:    `stager port list|label|allow|deny` (port.learn is the station's).
 * Uses:   the store.
 * Called: as operations; the station reads its ports again after each.
 * Thread: the recorder's.
 *
 * A port is named by label ("A7"), kernel path ("2-1.4"), pattern ("2-1.*"), range of labels ("A1-A8") or "all".
 *
 *   port.list   {} -> {"v":1,"ports":[{"port","label","allowed"}]}
 *   port.label  {"port","label"} ("" takes the label away) -> {"v":1,"port","label"}
 *   port.allow  {"ports":["A1-A8","2-1.4"]} or {"port"} -> {"v":1,"ports":["2-1.1",...],"allowed":true}
 *   port.deny   the same -> {..., "allowed":false}
 */
#include <stager/op.h>

static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in;
	json_t *ports = stg_store_ports(c->store, err);
	if (!ports)
		return false;
	*ret = json_pack("{s:i,s:o}", "v", 1, "ports", ports);
	return true;
}

static json_t *named(struct stg_op_ctx *c, const json_t *in, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *paths = json_array();
	STG_AUTO(stg_json_free_at) json_t *words = json_is_array(json_object_get(in, "ports")) ? json_incref(json_object_get(in, "ports"))
												: json_pack("[s]", stg_json_str(in, "port"));
	size_t i;
	json_t *word;
	json_array_foreach(words, i, word) {
		json_t *some = stg_store_port_resolve(c->store, json_string_value(word) ? json_string_value(word) : "", err);
		if (!some)
			return NULL;
		json_array_extend(paths, some);
		json_decref(some);
	}
	return stg_steal(paths);
}

static bool label(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *text = stg_json_str(in, "label");
	STG_AUTO(stg_json_free_at) json_t *paths = stg_op_may(c, "technician", err) ? named(c, in, err) : NULL;
	if (!paths)
		return false;
	if (json_array_size(paths) != 1)
		return stg_fail_id(err, STG_E_USAGE, STG_ID_LABEL_MANY, 0, "%zu", json_array_size(paths));
	const char *port = json_string_value(json_array_get(paths, 0));
	json_t *detail = json_object();
	stg_json_put(detail, "label", text);
	if (!stg_store_port_put(c->store, port, text, -1, err)) {
		json_decref(detail);
		return false;
	}
	if (!stg_op_audit(c, "port.label", port, "", detail, err))
		return false;
	*ret = json_pack("{s:i,s:s,s:s}", "v", 1, "port", port, "label", text);
	return true;
}

static bool set(struct stg_op_ctx *c, const json_t *in, bool allowed, json_t **ret, struct stg_error *err)
{
	STG_AUTO(stg_json_free_at) json_t *paths = stg_op_may(c, "lead", err) ? named(c, in, err) : NULL;
	size_t i;
	json_t *path;
	if (!paths)
		return false;
	json_array_foreach(paths, i, path)
		if (!stg_store_port_put(c->store, json_string_value(path), NULL, allowed, err))
			return false;
	if (!stg_op_audit(c, allowed ? "port.allow" : "port.deny", "", "", json_pack("{s:O}", "ports", paths), err))
		return false;
	*ret = json_pack("{s:i,s:O,s:b}", "v", 1, "ports", paths, "allowed", allowed);
	return true;
}

static bool allow(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	return set(c, in, true, ret, err);
}

static bool deny(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	return set(c, in, false, ret, err);
}

const struct stg_op stg_ops_port[] = {
	{ "port.list", STG_OP_STORE, list },
	{ "port.label", STG_OP_STORE, label },
	{ "port.allow", STG_OP_STORE, allow },
	{ "port.deny", STG_OP_STORE, deny },
	{ 0 },
};
