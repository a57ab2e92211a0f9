/*
 * port.c - which sockets of the bench may be used, and what they are called.
 *
 * For:    `stager port list|learn|label|allow|deny`.
 * Uses:   the store; drivers/usb for what is plugged in where.
 * Called: as operations; the station reads its ports again after each.
 * Thread: the recorder's.
 *
 * A port is named by label ("A7"), kernel path ("2-1.4"), pattern ("2-1.*"), range of labels ("A1-A8") or "all".
 *
 *   port.list   {} -> {"v":1,"ports":[{"port","label","allowed","device","mode"}],"bus":{...}}: those that have a row, then other sockets
 *               with something in them; device: what is plugged in; bus: stg_bus_json() with the hubs' labels
 *   port.label  {"port","label"} ("" takes the label away) -> {"v":1,"port","label"}
 *   port.learn  {"port","label"} -> {"v":1,"port","label","allowed":true}: named and allowed at once
 *   port.allow  {"ports":["A1-A8","2-1.4"]} or {"port"} -> {"v":1,"ports":["2-1.1",...],"allowed":true}
 *   port.deny   the same -> {..., "allowed":false}
 */
#include <fnmatch.h>
#include <string.h>

#include <stager/bus.h>
#include <stager/op.h>

static json_t *row_of(json_t *ports, const char *port)
{
	size_t i;
	json_t *row;
	json_array_foreach(ports, i, row)
		if (strcmp(stg_json_str(row, "port"), port) == 0)
			return row;
	return NULL;
}

static void add_device(json_t *ports, const struct stg_usb_device *d)
{
	json_t *row = row_of(ports, d->socket);
	size_t i;
	json_t *other;
	if (d->is_hub || !d->vid)
		return;
	if (!row) {
		bool allowed = false;
		json_array_foreach(ports, i, other)
			if (strpbrk(stg_json_str(other, "port"), "*?") && fnmatch(stg_json_str(other, "port"), d->socket, 0) == 0)
				allowed = stg_json_bool(other, "allowed", false);
		row = json_pack("{s:s, s:s, s:b}", "port", d->socket, "label", "", "allowed", allowed);
		json_array_append_new(ports, row);
	}
	stg_json_put(row, "device", *d->product ? d->product : *d->maker ? d->maker : "?");
	stg_json_put(row, "mode", stg_mode_name(d->mode));
}

static void name_it(json_t *ports, json_t *o, const char *key, const char *as)
{
	const char *label = stg_json_str(row_of(ports, stg_json_str(o, key)), "label");
	if (*label)
		stg_json_put(o, as, label);
}

/* Reads the tree of sockets as it is now: the station needs not run, and no device is asked. */
static bool list(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	(void)in;
	STG_AUTO(stg_json_free_at) json_t *ports = stg_store_ports(c->store, err);
	STG_AUTO(stg_topology_free_at) struct stg_topology *t = ports ? stg_topology_new(err) : NULL;
	struct stg_bus bus;
	size_t i;
	json_t *one;
	if (!t || !stg_topology_scan(t, err))
		return false;
	for (i = 0; i < stg_topology_count(t); i++)
		add_device(ports, stg_topology_at(t, i));
	stg_bus_of(t, &bus);
	json_t *carried = stg_bus_json(&bus);
	stg_bus_clear(&bus);
	json_array_foreach(json_object_get(carried, "hubs"), i, one)
		name_it(ports, one, "hub", "label");
	json_array_foreach(json_object_get(carried, "fixes"), i, one) {
		name_it(ports, one, "where", "label");
		name_it(ports, one, "to", "to_label");
	}
	*ret = json_pack("{s:i, s:O, s:o}", "v", 1, "ports", ports, "bus", carried);
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

/* A socket that a phone was walked to: it has a name and belongs to the bench. */
static bool learn(struct stg_op_ctx *c, const json_t *in, json_t **ret, struct stg_error *err)
{
	const char *port = stg_json_str(in, "port"), *text = stg_json_str(in, "label");
	char parent[STG_PORT_MAX];
	if (!stg_op_may(c, "lead", err))
		return false;
	if (!*text || !stg_port_parent(port, parent))
		return stg_fail_id(err, STG_E_USAGE, STG_ID_PORT_LABEL, 0, "a socket and its label are wanted, not '%s' and '%s'", port, text);
	if (!stg_store_port_put(c->store, port, text, 1, err))
		return false;
	json_t *detail = json_object();
	stg_json_put(detail, "label", text);
	if (!stg_op_audit(c, "port.learn", port, "", detail, err))
		return false;
	*ret = json_pack("{s:i,s:s,s:s,s:b}", "v", 1, "port", port, "label", text, "allowed", true);
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
	{ "port.learn", STG_OP_STORE, learn },
	{ "port.allow", STG_OP_STORE, allow },
	{ "port.deny", STG_OP_STORE, deny },
	{ 0 },
};
