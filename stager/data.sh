#!/bin/sh
# Prints the data files compiled into the program (blueprints, profile templates, connectors) as one C table.
# $@: the files, named from the top of the tree.
set -eu
printf '/* made by stager/data.sh */\n#include <stager/registry.h>\n\n'
i=0
for f in "$@"; do
	printf 'static const unsigned char d%d[] = {\n' "$i"
	od -An -v -tx1 "$f" | sed -E 's/ ([0-9a-f]{2})/0x\1,/g'
	printf '0};\n'
	i=$((i + 1))
done
printf 'const struct stg_data stg_data[] = {\n'
i=0
for f in "$@"; do printf '\t{ "%s", d%d, sizeof(d%d) - 1 },\n' "$f" "$i" "$i"; i=$((i + 1)); done
printf '\t{ 0 },\n};\n'
cat <<'C'

#include <string.h>

const struct stg_data *stg_data_find(const char *path)
{
	for (const struct stg_data *d = stg_data; d->path; d++)
		if (strcmp(d->path, path) == 0)
			return d;
	return NULL;
}
C
