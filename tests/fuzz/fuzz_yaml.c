/*
 * fuzz_yaml.c - any bytes as a YAML file of ours, and every typed reader on every node of what was read.
 *
 * For:    make fuzz, and the replay of its corpus in the normal check.
 * Uses:   <stager/yaml.h>.
 * Called: by libFuzzer or replay.c.
 * Thread: one.
 */
#include <stdlib.h>

#include <stager/error.h>
#include <stager/yaml.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_explain(const struct stg_error *err)
{
	if (err->code != STG_E_INPUT || strncmp(err->msg, "f.yaml:", 7) != 0 || err->msg[7] < '1' || err->msg[7] > '9')
		abort();
}

static void read_every_way(const struct stg_yaml *y, const struct stg_yaml_node *n)
{
	static const char *const known[] = { "name", "steps", "about", NULL };
	struct stg_error err = { 0 };
	const char *text;
	int64_t number;
	bool flag;

	if (n->line == 0)
		abort();
	if (!stg_yaml_string(y, n, &text, &err))
		must_explain(&err);
	if (!stg_yaml_int(y, n, 1, 64, &number, &err))
		must_explain(&err);
	if (!stg_yaml_bool(y, n, &flag, &err))
		must_explain(&err);
	if (!stg_yaml_duration(y, n, &number, &err))
		must_explain(&err);
	if (!stg_yaml_only(y, n, known, &err))
		must_explain(&err);
	for (const struct stg_yaml_node *c = n->child; c; c = c->next)
		read_every_way(y, c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stg_error err = { 0 };
	STG_AUTO(stg_yaml_free_at) struct stg_yaml *y = stg_yaml_parse("f.yaml", stg_bytes(data, size), &err);
	if (!y) {
		must_explain(&err);
		return 0;
	}
	read_every_way(y, stg_yaml_root(y));
	json_decref(stg_yaml_json(stg_yaml_root(y)));
	return 0;
}
