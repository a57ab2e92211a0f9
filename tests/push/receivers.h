/*
 * receivers.h - the connectors that speak to the receivers of world.h.
 */
#ifndef TESTS_PUSH_RECEIVERS_H
#define TESTS_PUSH_RECEIVERS_H

#include "world.h"

#include "site.h"

static inline const char *connector_text(enum mode mode)
{
	static const char *const texts[MODES] = {
		[BATCH] = "name: batch\nabout: in lists\nauth: {kind: none}\nbatch: {max_items: 4}\nnatural_key: serial\ntimeout: 20 s\n"
			  "request: {method: POST, path: /batch, body: '{items: [.[] | {serial: .device.serial, record: .record_id}]}'}\n"
			  "receipts: '.results[] | {key, outcome, message}'\n",
		[READBACK] = "name: readback\nabout: a repeat doubles\nauth: {kind: none}\nnatural_key: serial\ntimeout: 20 s\n"
			     "item: '{serial: .device.serial, tag: .asset_tag, note: \"R=\\(.record_id)\"}'\nfields: {tag: ask, note: ours}\n"
			     "lookup: {method: GET, path: '/assets?serial={{key}}&page={{page}}', page: \"0\", next: '.next // empty', when: always, after: 60 s,"
			     " found: '.assets[] | {key: .serial, id, have: {tag, note}, record: ((.note // \"\")[2:])}'}\n"
			     "request: {method: POST, path: /assets, body: '.[0].item'}\nupdate: {method: PATCH, path: '/assets/{{found.id}}', body: '.[0].item'}\n",
		[OPERATION] = "name: operation\nabout: takes its time\nauth: {kind: none}\nbatch: {max_items: 4}\nnatural_key: serial\ntimeout: 20 s\n"
			      "request: {method: POST, path: /import, body: '{items: [.[] | {serial: .device.serial}]}'}\n"
			      "operation: {ref: '.name // empty', path: '/ops/{{op_ref}}', done: .done, receipts: '.results[] | {key, outcome, message}', most: 1 h}\n"
			      "lookup: {method: GET, path: '/devices?serial={{key}}', found: '.assets[] | {key: .serial}', after: 60 s}\n",
		[SIGNIN] = "name: signin\nabout: wants a token\nauth: {kind: oauth2-client-credentials, token_url: \"{{base_url}}/token\"}\nbatch: {max_items: 4}\n"
			   "settings: {client_id: {about: who}}\nnatural_key: serial\ntimeout: 20 s\n"
			   "request: {method: POST, path: /batch, body: '{items: [.[] | {serial: .device.serial, record: .record_id}]}'}\n"
			   "receipts: '.results[] | {key, outcome, message}'\n",
		[APPEND] = "name: append\nabout: knows no repeat\nauth: {kind: none}\ntimeout: 20 s\nrequest: {method: POST, path: /note, body: '.[0] | {record_id}'}\n",
	};
	return texts[mode];
}

static const char *const names_of_connectors[MODES] = { "webhook", "batch", "readback", "operation", "signin", "append" };

static inline void connectors_write(const struct site *s)
{
	char path[300];
	snprintf(path, sizeof(path), "%s/connectors", s->st.dir);
	OK(stg_folder_make(path, 0700, err));
	for (int m = BATCH; m < MODES; m++) {
		snprintf(path, sizeof(path), "%s/connectors/%s.yaml", s->st.dir, names_of_connectors[m]);
		OK(stg_file_write(path, stg_bytes_str(connector_text((enum mode)m)), 0600, err));
	}
}

/* A target of this receiver; credentials of `s` must hold SECRET where it signs in or signs. */
static inline const char *receiver_add(struct site *s, const struct world *w)
{
	char url[64];
	snprintf(url, sizeof(url), "%s:%d%s", w->tls ? "https://" TLS_HOST : "http://127.0.0.1", w->port, w->mode == HOOK ? "/hook" : "");
	json_t *config = json_pack("{s:s}", "url", url);
	if (w->tls)
		json_object_set_new(config, "ca_pem", json_string(w->ca_pem));
	if (w->mode == SIGNIN)
		json_object_set_new(config, "client_id", json_string("bench"));
	return target_add(s, names_of_connectors[w->mode], config);
}

#endif
